package object_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"varve/internal/object"
	"varve/store"
	"varve/store/storetest"
)

// TestRoundTrips: against a store that is a round trip away a session waits for no more than it must: registration,
// collections, index and packs, packs put, index put, commit, leaving.
func TestRoundTrips(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := store.NewMemory()
		create(t, m)
		const trip = time.Second
		db := open(t, m, options(2))
		for i := range byte(5) { // each has an index of its own
			mustKeep(t, db, "before", chunk(100+i, 1000))
		}
		away := &storetest.Distant{Store: m, RoundTrip: trip}
		db = open(t, away, options(3))
		begun := time.Now()
		beside := func() error { return away.Delete(t.Context(), "nothing") }
		err := db.Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
			return errors.Join(fill(ctx, s, chunk(1, 1000), chunk(2, 1000)), s.Flush(), s.Commit(ctx, []byte("{}")))
		}, beside)
		if err != nil {
			t.Fatal(err)
		}
		// One more reads the segments of the index.
		if got := time.Since(begun); got != 8*trip {
			t.Errorf("it took %v round trips", got.Seconds())
		}
		begun = time.Now()
		if got := manifests(t, db); len(got) != 6 {
			t.Errorf("commits are %q", got)
		}
		if got := time.Since(begun); got != 2*trip {
			t.Errorf("to read all commits took %v round trips", got.Seconds())
		}
	})
}

// TestReadersShare: what several readers want from a distant store at once, or one after the other, is asked for
// once; one that gives up takes nobody with it; and what cannot be read is asked for again.
func TestReadersShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := store.NewMemory()
		plain := chunk(1, 1000)
		mustKeep(t, create(t, m), "one", plain)
		away := &storetest.Distant{Store: m, RoundTrip: time.Second}
		fresh := func(seed byte) *object.DB {
			db := open(t, away, options(seed))
			if err := db.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			away.Requests.Store(0)
			return db
		}
		mustGet(t, fresh(2), plain)
		alone := away.Requests.Load()
		db := fresh(3)
		hasty, cancel := context.WithTimeout(t.Context(), time.Second/2)
		defer cancel()
		var all sync.WaitGroup
		all.Go(func() {
			if _, err := db.NewReader().Get(hasty, db.Digest(plain), nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the hasty one: %v", err)
			}
		})
		synctest.Wait() // it is the one that asks
		for range 8 {
			all.Go(func() {
				if err := getAll(db, plain); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		mustGet(t, db, plain)
		if got := away.Requests.Load(); got != alone+1 { // the request given up
			t.Errorf("%d requests, and one reader alone takes %d", got, alone)
		}
	})
}
