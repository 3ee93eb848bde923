package verdict

import (
	"math/rand/v2"
	"testing"
)

func BenchmarkCompareMillion(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	var x, y Sample
	for range 1_000_000 {
		x.Values, y.Values = append(x.Values, r.NormFloat64()), append(y.Values, r.NormFloat64())
	}
	for b.Loop() {
		if _, err := Compare(x, y, Plan{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompareTen(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 1))
	var x, y Sample
	for range 10 {
		x.Values, y.Values = append(x.Values, r.NormFloat64()), append(y.Values, r.NormFloat64())
	}
	for b.Loop() {
		if _, err := Compare(x, y, Plan{}); err != nil {
			b.Fatal(err)
		}
	}
}
