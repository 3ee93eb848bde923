package verdict

import (
	"math"
	"testing"
)

// TestPermutationOfMeans: the data set sleep of R. SciPy: permutation_test of the difference of means, all orders:
// 0.08144796380; of pairs 0.00390625.
func TestPermutationOfMeans(t *testing.T) {
	one := []float64{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0, 2}
	two := []float64{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4}
	keys := []string{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10"}
	for _, c := range []struct {
		keys []string
		p    float64
		word Word
	}{{nil, 0.08144796380, Inconclusive}, {keys, 0.00390625, Better}} {
		got, err := Compare(Sample{Values: one, Keys: c.keys}, Sample{Values: two, Keys: c.keys}, Plan{Permutation: true, Seed: 1})
		if err != nil || math.Abs(got.P-c.p) > 1e-10 || got.Verdict != c.word || got.Draws != 0 {
			t.Errorf("p %.11g by %s, %s, %v; want %.11g, %s", got.P, got.Test, got.Verdict, err, c.p, c.word)
		}
	}
	// Too many orders: drawn, by a seed that is told.
	long := make([]float64, 60)
	for i := range long {
		long[i] = float64(i * i % 17)
	}
	a, err := Compare(Sample{Values: long[:30]}, Sample{Values: long[30:]}, Plan{Permutation: true, Seed: 5})
	b, err2 := Compare(Sample{Values: long[:30]}, Sample{Values: long[30:]}, Plan{Permutation: true, Seed: 5})
	if err != nil || err2 != nil || a.P != b.P || a.Seed != 5 || a.Draws < 10_000 {
		t.Errorf("p %v and %v of seed %d, %d draws, %v %v", a.P, b.P, a.Seed, a.Draws, err, err2)
	}
}
