package store

import (
	"context"
	"errors"
	"iter"
	"sync"
)

const (
	fetchAhead = 64       // objects that are read at a time
	fetchBytes = 64 << 20 // and their bytes, unless it is one
)

// Distant reports whether s is reached over a network, so that many requests at once take no longer than one.
func Distant(s Store) bool {
	d, ok := s.(Described)
	return ok && !d.Describe().Local
}

// Together calls the functions, which use s: all at once where s is distant, and else one after the other up to the
// first that fails.
func Together(s Store, fns ...func() error) error {
	if !Distant(s) {
		for _, fn := range fns {
			if err := fn(); err != nil {
				return err
			}
		}
		return nil
	}
	failed := make([]error, len(fns))
	var all sync.WaitGroup
	for i, fn := range fns {
		all.Go(func() { failed[i] = fn() })
	}
	all.Wait()
	return errors.Join(failed...)
}

// Fetched is an object with its content, or why it could not be read.
type Fetched struct {
	Object
	Content []byte
	Err     error
}

// Fetch lists s as List does, and reads the objects that want accepts whole; from a distant store many ahead. An
// object that cannot be read does not end it.
func Fetch(ctx context.Context, s Store, prefix string, want func(Object) bool) iter.Seq2[Fetched, error] {
	return func(yield func(Fetched, error) bool) {
		var listed []Object
		for o, err := range s.List(ctx, prefix) {
			if err != nil {
				yield(Fetched{Object: o}, err)
				return
			}
			if want != nil && !want(o) {
				continue
			}
			if Distant(s) {
				listed = append(listed, o)
			} else if !yield(fetch(ctx, s, o), nil) {
				return
			}
		}
		fetchAll(ctx, s, listed, yield)
	}
}

func fetch(ctx context.Context, s Store, o Object) Fetched {
	f := Fetched{Object: o}
	f.Content, f.Err = s.Get(ctx, o.Name, 0, -1, nil)
	return f
}

// fetchAll yields objects in their order, and reads those that follow meanwhile.
func fetchAll(ctx context.Context, s Store, listed []Object, yield func(Fetched, error) bool) {
	ctx, cancel := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer cancel()
	read := make([]chan Fetched, len(listed))
	next, ahead := 0, int64(0)
	for i, o := range listed {
		for next < len(listed) && next < i+fetchAhead && (next == i || ahead+listed[next].Size <= fetchBytes) {
			out, o := make(chan Fetched, 1), listed[next]
			read[next] = out
			ahead += o.Size
			next++
			all.Go(func() { out <- fetch(ctx, s, o) })
		}
		got := <-read[i]
		ahead -= o.Size
		if !yield(got, nil) {
			return
		}
	}
}
