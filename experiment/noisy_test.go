package experiment

import (
	"math"
	"math/rand/v2"
	"testing"

	"varve"
)

// steps makes a search among n versions.
func searchAmong(n int) *Bisection {
	b := &Bisection{Answers: map[string]string{}}
	for i := range n {
		s := &varve.Snapshot{Version: i + 2}
		s.ID[0], s.ID[1] = byte(i>>8), byte(i)
		s.Root[0], s.Root[1], s.Root[2] = byte(i>>8), byte(i), 1
		b.steps = append(b.steps, s)
	}
	return b
}

// TestNoisySearch: with one answer of twenty wrong, at least 95 of 100 searches find the planted change, with at most
// four times the answers that a sure search needs.
func TestNoisySearch(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 17))
	for _, n := range []int{2, 16, 100, 500} {
		const searches = 400
		right, trials := 0, 0
		for range searches {
			b := searchAmong(n)
			b.Flips = 0.05
			change := r.IntN(n)
			for {
				next, err := b.NextNoisy()
				if err != nil {
					t.Fatal(err)
				}
				if next == nil {
					break
				}
				bad := next.Version-2 >= change
				if r.Float64() < b.Flips {
					bad = !bad
				}
				b.Trials = append(b.Trials, Trial{next.ID.String(), bad})
				if trials++; len(b.Trials) > 1000 {
					t.Fatalf("%d versions: no end", n)
				}
			}
			list, err := b.Credible()
			if err != nil {
				t.Fatal(err)
			}
			if list[0].Snapshot.Version-2 == change {
				right++
			}
		}
		// 95 % of 400, less three standard errors of chance.
		if least := int(0.95*searches - 3*math.Sqrt(searches*0.95*0.05)); right < least {
			t.Errorf("%d versions: %d of %d searches found the change, want %d", n, right, searches, least)
		}
		mean, sure := float64(trials)/searches, math.Ceil(math.Log2(float64(n)))
		if mean > 4*sure {
			t.Errorf("%d versions: %.1f trials on average, more than four times %v", n, mean, sure)
		}
		t.Logf("%d versions: %d of %d right, %.1f trials where %v are the least", n, right, searches, mean, sure)
	}
}
