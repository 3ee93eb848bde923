package varve_test

import (
	"math/rand/v2"
	"testing"

	"varve/store/storetest"
)

// unreliable is a store on which anything may fail, come late, or come to pass and be said to have failed; and that
// sometimes returns a wrong bit.
var unreliable = world{faulty: true, check: (*crowd).check, plan: func(r *rand.Rand) storetest.Plan {
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
	eachSeed(t, played(60, 3600), func(t *testing.T, seed uint64) { unreliable.simulate(t, seed) })
}
