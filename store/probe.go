package store

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"sync"
)

const (
	probeRacers = 16
	probeRounds = 3 // a store that lets racers overwrite each other may by luck behave in one round
)

// Probe finds out what s does rather than what it says: it creates objects twice under "probe/", one
// after the other and, where that is refused, in races of 16, lists them, and removes them again. rand
// gives 16 bytes for each of their names. A store that breaks a promise is no error but a trait that is
// false.
func Probe(ctx context.Context, s Store, rand io.Reader) (Traits, error) {
	var t Traits
	if d, ok := s.(Described); ok {
		t = d.Describe()
	}
	p := probe{store: s, rand: rand}
	err := p.run(ctx, &t)
	// Also after a cancel: what a probe leaves would stay for ever.
	removed := p.remove(context.WithoutCancel(ctx))
	t.Deletes = removed == nil
	if errors.Is(removed, fs.ErrPermission) {
		removed = nil
	}
	if err = errors.Join(err, removed); err != nil {
		return Traits{}, fmt.Errorf("probe the store: %w", err)
	}
	if d, ok := s.(Described); ok {
		said := d.Describe()
		t.Durable = said.Durable // only now has it synced anything
		// A store that has found out that it cannot is believed: its races may have ended well by luck.
		t.CreateIfAbsent = t.CreateIfAbsent && said.CreateIfAbsent
	}
	return t, nil
}

type probe struct {
	store Store
	rand  io.Reader
	names []string
}

func (p *probe) run(ctx context.Context, t *Traits) error {
	sequential, err := p.twice(ctx, t)
	if err != nil {
		return err
	}
	t.CreateIfAbsent = sequential
	if sequential {
		one := make([]bool, probeRounds)
		var rounds []func() error
		for i := range one {
			name, err := p.name()
			if err != nil {
				return err
			}
			rounds = append(rounds, func() (err error) {
				one[i], err = p.race(ctx, name)
				return err
			})
		}
		if err := Together(p.store, rounds...); err != nil {
			return err
		}
		t.CreateIfAbsent = !slices.Contains(one, false)
	}
	return p.store.Barrier(ctx)
}

func (p *probe) name() (string, error) {
	var b [16]byte
	if _, err := io.ReadFull(p.rand, b[:]); err != nil {
		return "", fmt.Errorf("draw a name: %w", err)
	}
	name := "probe/" + hex.EncodeToString(b[:])
	p.names = append(p.names, name)
	return name, nil
}

// twice creates one object, lists it, and creates it again: the second must be refused and change nothing.
func (p *probe) twice(ctx context.Context, t *Traits) (bool, error) {
	name, err := p.name()
	if err != nil {
		return false, err
	}
	first, second := []byte("first"), []byte("second")
	if err := p.store.Put(ctx, name, first); err != nil {
		return false, err
	}
	t.ListsAtOnce = false
	for o, err := range p.store.List(ctx, "probe/") {
		if err != nil {
			return false, err
		}
		if o.Name == name && o.Size == int64(len(first)) {
			t.ListsAtOnce = true
		}
	}
	again := p.store.Put(ctx, name, second)
	if again != nil && !errors.Is(again, fs.ErrExist) {
		return false, again
	}
	got, err := p.store.Get(ctx, name, 0, -1, nil)
	if err != nil {
		return false, err
	}
	return again != nil && bytes.Equal(got, first), nil
}

// race creates one name from many goroutines at once: one must win and its content stand, and the others
// must be told that the name is taken.
func (p *probe) race(ctx context.Context, name string) (bool, error) {
	var results [probeRacers]error
	var racers sync.WaitGroup
	start := make(chan struct{})
	for i := range results {
		racers.Go(func() {
			<-start
			results[i] = p.store.Put(ctx, name, []byte{byte(i)})
		})
	}
	close(start)
	racers.Wait()

	winner, winners, failure := 0, 0, error(nil)
	for i, err := range results {
		switch {
		case err == nil:
			winner, winners = i, winners+1
		case !errors.Is(err, fs.ErrExist):
			failure = err
		}
	}
	if failure != nil {
		return false, failure
	}
	if winners == 0 {
		return false, fmt.Errorf("create %s: every racer was told that it is taken", name)
	}
	if winners > 1 {
		return false, nil
	}
	got, err := p.store.Get(ctx, name, 0, -1, nil)
	if err != nil {
		return false, err
	}
	return bytes.Equal(got, []byte{byte(winner)}), nil
}

// remove deletes every object of the probe and makes sure that they are gone.
func (p *probe) remove(ctx context.Context) error {
	failed := make([]error, len(p.names))
	var all []func() error
	for i, name := range p.names {
		all = append(all, func() error {
			if failed[i] = p.store.Delete(ctx, name); failed[i] != nil {
				return nil
			}
			if _, err := p.store.Get(ctx, name, 0, -1, nil); !errors.Is(err, fs.ErrNotExist) {
				failed[i] = fmt.Errorf("%s is still there after its deletion", name)
			}
			return nil
		})
	}
	_ = Together(p.store, all...) // they never fail: each is to be tried
	return errors.Join(failed...)
}
