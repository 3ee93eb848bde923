package store_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"varve/store"
	"varve/store/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return store.NewMemory() }, storetest.Options{})
}

// plain hides everything but Store, so that Stat and Open take the long way.
type plain struct{ store.Store }

func TestStatAndOpenWithoutSupport(t *testing.T) {
	storetest.Run(t, func(*testing.T) store.Store { return plain{store.NewMemory()} }, storetest.Options{Large: 1 << 20})
}

func TestMemoryModified(t *testing.T) {
	m := store.NewMemory()
	want := time.Unix(1234, 5678)
	m.Now = func() time.Time { return want }
	if err := m.Put(t.Context(), "x", nil); err != nil {
		t.Fatal(err)
	}
	o, err := m.Stat(t.Context(), "x")
	if err != nil || !o.Modified.Equal(want) {
		t.Fatalf("stat: %+v, %v", o, err)
	}
}

func FuzzCheckName(f *testing.F) {
	for _, name := range storetest.BadNames() {
		f.Add(name)
	}
	for _, name := range []string{"config", "packs/3f/9a", "a..b", "com0x", "a/b-c_d.e"} {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		err := store.CheckName(name)
		if err != nil {
			if !errors.Is(err, store.ErrName) {
				t.Fatalf("%q: %v", name, err)
			}
			return
		}
		if !fs.ValidPath(name) || name == "." || len(name) > store.MaxName || strings.ToLower(name) != name {
			t.Fatalf("%q was accepted", name)
		}
		for _, c := range []byte(name) {
			if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789.-_/", rune(c)) {
				t.Fatalf("%q was accepted", name)
			}
		}
		if strings.Contains(name+"/", "./") && strings.Contains("/"+name+"/", "/./") {
			t.Fatalf("%q was accepted", name)
		}
	})
}

// careless is a store whose Put breaks the rule of its kind.
type careless struct {
	store.Store
	put func(ctx context.Context, name string, parts ...[]byte) error
}

func (c careless) Put(ctx context.Context, name string, parts ...[]byte) error {
	return c.put(ctx, name, parts...)
}

func probe(t *testing.T, s store.Store) store.Traits {
	t.Helper()
	var seed [32]byte
	traits, err := store.Probe(t.Context(), s, rand.NewChaCha8(seed))
	if err != nil {
		t.Fatal(err)
	}
	for o, err := range s.List(t.Context(), "") {
		t.Fatalf("the probe left %+v, %v", o, err)
	}
	return traits
}

func TestProbeFindsReplacing(t *testing.T) {
	m := store.NewMemory()
	replace := func(ctx context.Context, name string, parts ...[]byte) error {
		if err := m.Delete(ctx, name); err != nil {
			return err
		}
		return m.Put(ctx, name, parts...)
	}
	traits := probe(t, careless{m, func(ctx context.Context, name string, parts ...[]byte) error {
		if string(parts[0]) != "second" {
			return m.Put(ctx, name, parts...) // only racers are kept apart
		}
		return replace(ctx, name, parts...)
	}})
	if traits.CreateIfAbsent {
		t.Fatal("a store that replaces was probed as create-if-absent")
	}
}

// TestProbeFindsRace: a store that looks before it writes refuses a second put and lets racers all win.
func TestProbeFindsRace(t *testing.T) {
	m := store.NewMemory()
	var one sync.Mutex
	looked := map[string]*sync.WaitGroup{}
	traits := probe(t, careless{m, func(ctx context.Context, name string, parts ...[]byte) error {
		one.Lock()
		if _, err := m.Stat(ctx, name); err == nil {
			one.Unlock()
			return fs.ErrExist
		}
		// The content of the race is one byte; its racers wait until all have looked.
		together := looked[name]
		if len(parts[0]) == 1 && together == nil {
			together = new(sync.WaitGroup)
			together.Add(16)
			looked[name] = together
		}
		one.Unlock()
		if together != nil {
			together.Done()
			together.Wait()
		}
		one.Lock()
		defer one.Unlock()
		if err := m.Delete(ctx, name); err != nil {
			return err
		}
		return m.Put(ctx, name, parts...)
	}})
	if traits.CreateIfAbsent {
		t.Fatal("a store whose racers all win was probed as create-if-absent")
	}
}

// TestProbeFindsSilentLoser: telling a loser that it won is as bad as replacing.
func TestProbeFindsSilentLoser(t *testing.T) {
	m := store.NewMemory()
	traits := probe(t, careless{m, func(ctx context.Context, name string, parts ...[]byte) error {
		if err := m.Put(ctx, name, parts...); !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	}})
	if traits.CreateIfAbsent {
		t.Fatal("a store that tells losers they won was probed as create-if-absent")
	}
}

type undeletable struct{ store.Store }

func (undeletable) Delete(context.Context, string) error { return fs.ErrPermission }

func TestProbeOfAppendOnly(t *testing.T) {
	traits, err := store.Probe(t.Context(), undeletable{store.NewMemory()}, bytes.NewReader(make([]byte, 1<<10)))
	if err == nil {
		t.Fatal("names drawn twice went unnoticed")
	}
	var seed [32]byte
	traits, err = store.Probe(t.Context(), undeletable{store.NewMemory()}, rand.NewChaCha8(seed))
	if err != nil {
		t.Fatal(err)
	}
	if traits.Deletes || !traits.CreateIfAbsent {
		t.Fatalf("an append-only store was probed as %+v", traits)
	}
}

func TestProbeReportsFailure(t *testing.T) {
	m := store.NewMemory()
	gone := errors.New("connection lost")
	_, err := store.Probe(t.Context(), careless{m, func(context.Context, string, ...[]byte) error { return gone }}, rand.NewChaCha8([32]byte{}))
	if !errors.Is(err, gone) {
		t.Fatalf("got %v", err)
	}
}
