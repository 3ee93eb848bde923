package storetest

import (
	"context"
	"iter"
	"sync/atomic"
	"time"

	"varve/store"
)

// Distant is a store that is a round trip away: every request takes so much longer, a listing once for each thousand
// objects. It says of itself that it is reached over a network.
type Distant struct {
	store.Store
	RoundTrip time.Duration
	Requests  atomic.Int64
}

func (d *Distant) travel(ctx context.Context) error {
	d.Requests.Add(1)
	t := time.NewTimer(d.RoundTrip)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Describe implements store.Described.
func (d *Distant) Describe() store.Traits {
	t := store.Traits{CreateIfAbsent: true, ListsAtOnce: true, Deletes: true}
	if s, ok := d.Store.(store.Described); ok {
		t = s.Describe()
	}
	t.Local = false
	return t
}

// Put implements store.Store.
func (d *Distant) Put(ctx context.Context, name string, parts ...[]byte) error {
	if err := d.travel(ctx); err != nil {
		return err
	}
	return d.Store.Put(ctx, name, parts...)
}

// Get implements store.Store.
func (d *Distant) Get(ctx context.Context, name string, off, n int64, dst []byte) ([]byte, error) {
	if err := d.travel(ctx); err != nil {
		return dst, err
	}
	return d.Store.Get(ctx, name, off, n, dst)
}

// List implements store.Store.
func (d *Distant) List(ctx context.Context, prefix string) iter.Seq2[store.Object, error] {
	const page = 1000
	return func(yield func(store.Object, error) bool) {
		if err := d.travel(ctx); err != nil {
			yield(store.Object{}, err)
			return
		}
		n := 0
		for o, err := range d.Store.List(ctx, prefix) {
			if n++; err == nil && n%page == 0 {
				err = d.travel(ctx)
			}
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// Delete implements store.Store.
func (d *Distant) Delete(ctx context.Context, name string) error {
	if err := d.travel(ctx); err != nil {
		return err
	}
	return d.Store.Delete(ctx, name)
}

// Stat implements store.Stater.
func (d *Distant) Stat(ctx context.Context, name string) (store.Object, error) {
	if err := d.travel(ctx); err != nil {
		return store.Object{}, err
	}
	return store.Stat(ctx, d.Store, name)
}
