package object_test

import (
	"context"
	"errors"
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
