package store_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"varve/store"
	"varve/store/storetest"
)

// TestFetch: near and distant, Fetch yields what is wanted, in order and whole; an object that went away says so;
// and who wants no more is left alone.
func TestFetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := store.NewMemory()
		var want []string
		for i := range 200 {
			name := fmt.Sprintf("a/%03d", i)
			if err := m.Put(t.Context(), name, []byte(strings.Repeat("x", i))); err != nil {
				t.Fatal(err)
			}
			if i%2 == 0 {
				want = append(want, name)
			}
		}
		even := func(o store.Object) bool { return o.Size%2 == 0 }
		for _, s := range []store.Store{m, &storetest.Distant{Store: m, RoundTrip: time.Second}} {
			begun := time.Now()
			var got []string
			for f, err := range store.Fetch(t.Context(), s, "a/", even) {
				if err != nil || f.Err != nil || int64(len(f.Content)) != f.Size {
					t.Fatalf("%s: %d bytes, %v, %v", f.Name, len(f.Content), err, f.Err)
				}
				got = append(got, f.Name)
			}
			if !slices.Equal(got, want) {
				t.Errorf("fetched %q", got)
			}
			if trips := time.Since(begun).Seconds(); trips > 3 { // the list, and twice as many as are read at a time
				t.Errorf("it took %v round trips", trips)
			}
			for range store.Fetch(t.Context(), s, "a/", nil) {
				break
			}
			for f, err := range store.Fetch(t.Context(), vanishing{s}, "a/", nil) {
				if err != nil || !errors.Is(f.Err, fs.ErrNotExist) {
					t.Fatalf("%s went away: %v, %v", f.Name, err, f.Err)
				}
			}
			last := error(nil)
			for _, err := range store.Fetch(t.Context(), s, "a", nil) {
				last = err
			}
			if !errors.Is(last, store.ErrName) {
				t.Errorf("a bad prefix: %v", last)
			}
		}
	})
}

// vanishing lists what it does not have.
type vanishing struct{ store.Store }

func (v vanishing) Get(_ context.Context, name string, _, _ int64, dst []byte) ([]byte, error) {
	return dst, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}

// TestTogether: near, functions run one after the other up to the first that fails; distant, all run.
func TestTogether(t *testing.T) {
	failure := errors.New("failure")
	for _, c := range []struct {
		s    store.Store
		want string
	}{{store.NewMemory(), "ab"}, {&storetest.Distant{Store: store.NewMemory()}, "abc"}} {
		ran := make(chan string, 3)
		run := func(name string, err error) func() error {
			return func() error { ran <- name; return err }
		}
		err := store.Together(c.s, run("a", nil), run("b", failure), run("c", nil))
		close(ran)
		var got []string
		for name := range ran {
			got = append(got, name)
		}
		slices.Sort(got)
		if !errors.Is(err, failure) || strings.Join(got, "") != c.want {
			t.Errorf("ran %q, %v, want %s", got, err, c.want)
		}
	}
}
