package varve_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"varve"
	"varve/store/storetest"
)

// What a vault promises on a store that is not what a store should be, and what these simulations hold it to:
//
//   - Requests and replies are lost, writes and deletions come to pass later than they were said to have failed, reads
//     have a wrong bit, anything is slow (TestUnreliableSimulated): nothing is lost. What was reported to be kept and was
//     not forgotten is there to the byte, what was reported to be brought back is, the vault is whole, and the next
//     collection leaves nothing over. A verb may fail; the next one works.
//   - Any one listing lies, whichever and whenever: it is late, or lacks an entry (TestOneLieSimulated): the same.
//   - Listings lie again and again without end (TestLyingSimulated), or all of them are late by up to many operations
//     (TestLaggingSimulated): several lies that fall together may cost a snapshot. Nothing is lost without a word: who
//     restores or verifies it has an error and never other bytes, and collections refuse from then on.
//
// The last is why a vault on a store that is found out not to list at once has one writer at a time, and keeps what is
// condemned for a week.

// unreliable is a store on which anything may fail, come late, or come to pass and be said to have failed; and that
// sometimes returns a wrong bit.
var unreliable = world{faulty: true, lag: 200, check: (*crowd).check, plan: func(r *rand.Rand) storetest.Plan {
	var rates storetest.Rates
	for _, f := range []storetest.Fault{storetest.Lost, storetest.LostReply, storetest.Delayed, storetest.FlippedRead, storetest.Slow} {
		rates[f] = r.IntN(8)
	}
	return atMost(5+r.IntN(60), rates.Plan())
}}

// atMost ends a plan after n faults: with faults for ever, nobody would ever be done.
func atMost(n int, plan storetest.Plan) storetest.Plan {
	return func(op storetest.Op, r *rand.Rand) storetest.Fault {
		if n == 0 {
			return storetest.None
		}
		fault := plan(op, r)
		if fault != storetest.None {
			n--
		}
		return fault
	}
}

func TestUnreliableSimulated(t *testing.T) {
	eachSeed(t, played(40, 3600), func(t *testing.T, seed uint64) { unreliable.simulate(t, seed) })
}

// oneLie is a store of whose listings one lies, once: it is as it would have been a moment ago, or lacks an entry. Those
// on which it depends what is deleted lie more often than others.
var oneLie = world{faulty: true, listsLie: true, lag: 60, check: (*crowd).check, plan: func(r *rand.Rand) storetest.Plan {
	prefixes := []string{"sess", "sess", "snap", "snap", "gc", "gc", "ledger", "ledger", "packs", "index", "catalog"}
	prefix, at := prefixes[r.IntN(len(prefixes))], r.IntN(60)
	lie := storetest.StaleList
	if r.IntN(2) == 0 {
		lie = storetest.MissingEntry
	}
	return func(op storetest.Op, _ *rand.Rand) storetest.Fault {
		if first, _, _ := strings.Cut(op.Name, "/"); op.Kind != storetest.List || first != prefix {
			return storetest.None
		}
		at--
		if at == -1 {
			return lie
		}
		return storetest.None
	}
}}

func TestOneLieSimulated(t *testing.T) {
	eachSeed(t, played(30, 1600), func(t *testing.T, seed uint64) { oneLie.simulate(t, seed) })
}

// lying is a store whose listings lie again and again.
var lying = world{faulty: true, listsLie: true, check: (*crowd).checkTold, plan: func(r *rand.Rand) storetest.Plan {
	var rates storetest.Rates
	rates[storetest.StaleList], rates[storetest.MissingEntry] = r.IntN(60), r.IntN(60)
	return rates.Plan()
}}

// lagging is a store all of whose listings are late.
var lagging = world{faulty: true, listsLie: true, lag: 200, check: (*crowd).checkTold, plan: func(*rand.Rand) storetest.Plan {
	return func(storetest.Op, *rand.Rand) storetest.Fault { return storetest.StaleList }
}}

// checkTold is check where something may have been lost, if only what nobody was promised: then who looks is told, and
// nothing more is taken away.
func (c *crowd) checkTold(t *testing.T) {
	ctx := t.Context()
	o := varve.Options{Rand: newLockedRand(c.seed + 99), Workers: 1, Host: "last", PID: 1, Now: time.Now}
	v, err := varve.Open(ctx, c.truth, o)
	if err != nil {
		t.Fatal(err)
	}
	lost := c.lost(ctx, t, v)
	report, err := v.Verify(ctx, varve.VerifyOptions{Data: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(lost) == 0 && report.OK {
		c.check(t)
		return
	}
	c.losses++
	_, refused := v.Collect(ctx, varve.CollectOptions{Wait: time.Hour})
	if report.OK || !errors.Is(refused, varve.ErrIncomplete) && !errors.Is(refused, varve.ErrRolledBack) {
		t.Errorf("lost without a word: %v; verify %+v, collect %v", lost, report, refused)
	}
	if again := c.lost(ctx, t, v); len(again) != len(lost) {
		t.Errorf("lost since: %v", again)
	}
}

func TestLyingSimulated(t *testing.T)   { tellsOfLosses(t, lying, played(15, 400)) }
func TestLaggingSimulated(t *testing.T) { tellsOfLosses(t, lagging, played(15, 400)) }

func tellsOfLosses(t *testing.T, w world, n int) {
	var losses, schedules atomic.Int64
	t.Run("all", func(t *testing.T) {
		eachSeed(t, n, func(t *testing.T, seed uint64) {
			losses.Add(w.simulate(t, seed).losses)
			schedules.Add(1)
		})
	})
	t.Logf("%d of %d schedules lost something and said so", losses.Load(), schedules.Load())
}
