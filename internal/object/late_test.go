package object_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"varve/internal/object"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/store/storetest"
)

// TestLateCommit: a commit that was said to have failed and arrives when its session is long over finds the slot
// filled; or, where even that cannot be done, the session's registration still keeps what it needs.
func TestLateCommit(t *testing.T) {
	for _, unreachable := range []bool{false, true} {
		puts := 0
		sim := storetest.NewSim(1, func(op storetest.Op, _ *rand.Rand) storetest.Fault {
			if op.Kind != storetest.Put || !strings.HasPrefix(op.Name, "snap/") {
				return storetest.None
			}
			puts++
			switch {
			case puts == 1:
				return storetest.Delayed
			case unreachable:
				return storetest.Lost
			}
			return storetest.None
		})
		db := create(t, sim)
		var id object.SID
		err := db.Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
			id = s.ID
			return errors.Join(fill(ctx, s, chunk(1, 1000)), s.Flush(), s.Commit(ctx, []byte("{}")))
		})
		if !errors.Is(err, storetest.ErrLost) {
			t.Fatal(err)
		}
		sim.Settle()
		_, err = db.Manifest(t.Context(), id)
		fenced, registered := errors.Is(err, object.ErrFenced), len(names(t, sim, "sess/")) > 0
		if fenced == unreachable || registered != unreachable {
			t.Errorf("unreachable %v: the slot: %v; registered: %v", unreachable, err, registered)
		}
	}
}

// TestLateList: of collections that a listing lacks, a writer knows all the same.
func TestLateList(t *testing.T) {
	for _, lie := range []storetest.Fault{storetest.StaleList, storetest.MissingEntry} {
		lied := 0
		for seed := range uint64(30) {
			lying := false
			sim := storetest.NewSim(seed, func(op storetest.Op, _ *rand.Rand) storetest.Fault {
				if lying && op.Kind == storetest.List && op.Name == "gc/" {
					return lie
				}
				return storetest.None
			})
			db := create(t, sim)
			mustKeep(t, db, "{}", chunk(1, 1000))
			const n = 5
			for i := range byte(n) {
				if _, err := db.Condemn(t.Context(), object.Doomed{Packs: []pack.ID{{i + 1}}}); err != nil {
					t.Fatal(err)
				}
			}
			lying = true
			if len(names(t, sim, "gc/")) < n {
				lied++
			}
			condemned, _, err := db.Condemned(t.Context())
			if err != nil || len(condemned) != n {
				t.Fatalf("%v, seed %d: %d of %d are known, %v", lie, seed, len(condemned), n, err)
			}
			all, err := db.Generations(t.Context())
			for i := range all {
				if all[i].Number != i+1 {
					t.Fatalf("%v, seed %d: %+v", lie, seed, all)
				}
			}
			if err != nil || len(all) != n {
				t.Fatal(len(all), err)
			}
			// A session that begins now shares with nothing that the next collection condemns.
			lying = false
			mine := packOf(t, db, db.Digest(chunk(1, 1000)))
			collect(t, db, "gc/0000000006/condemn", seal.Condemn, mine)
			lying = true
			err = db.Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
				if has(t, db, chunk(1, 1000)) {
					t.Errorf("%v, seed %d: shared with a condemned pack", lie, seed)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if lied < 10 {
			t.Errorf("%v: only %d of 30 listings lied", lie, lied)
		}
	}
}

// TestUnlistingIsExclusive: where what was put is not listed at once, there is one writer at a time.
func TestUnlistingIsExclusive(t *testing.T) {
	sim := storetest.NewSim(1, func(op storetest.Op, _ *rand.Rand) storetest.Fault {
		if op.Kind == storetest.List && op.Name == "probe/" {
			return storetest.MissingEntry
		}
		return storetest.None
	})
	if db := create(t, sim); !db.Config().Exclusive {
		t.Error("several writers may use it")
	}
	if db := create(t, storetest.NewSim(1, nil)); db.Config().Exclusive {
		t.Error("only one writer may use a store that is as it should be")
	}
}
