package statistics

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestInvariance: moving or stretching both sides, changing the order of values and exchanging the sides do what they
// must.
func TestInvariance(t *testing.T) {
	r := rand.New(rand.NewPCG(23, 1))
	o := Options{}
	tests := map[string]func(a, b []float64, o Options) (Outcome, error){
		"Welch": Welch, "pooled": Pooled, "paired": Paired, "Brunner–Munzel": BrunnerMunzel,
		"Mann–Whitney": func(a, b []float64, o Options) (Outcome, error) { return MannWhitney(a, b, Auto, o) },
		"signed rank": func(a, b []float64, o Options) (Outcome, error) {
			return SignedRank(differences(a, b), DropZeros, Auto, o)
		},
		"permutation": func(a, b []float64, o Options) (Outcome, error) { return Permutation(a, b, 1, 0, o) },
		"sign flip":   func(a, b []float64, o Options) (Outcome, error) { return SignFlip(differences(a, b), 1, 0, o) },
		"Kolmogorov":  func(a, b []float64, _ Options) (Outcome, error) { return KolmogorovSmirnov(a, b) },
		"Kruskal":     func(a, b []float64, _ Options) (Outcome, error) { return KruskalWallis(a, b) },
	}
	paired := map[string]bool{"paired": true, "signed rank": true, "sign flip": true}
	for range 60 {
		// Sixteenths, so that moving them rounds nothing.
		a, b := make([]float64, 7), make([]float64, 7)
		for i := range a {
			a[i], b[i] = float64(r.IntN(200))/16, float64(r.IntN(200)+30)/16
		}
		order := r.Perm(7)
		for name, test := range tests {
			other := order
			want, err := test(a, b, o)
			if err != nil {
				continue // no overlap
			}
			if !paired[name] {
				other = r.Perm(7)
			}
			change := func(x []float64, order []int, scale, shift float64) []float64 {
				out := make([]float64, len(x))
				for i, at := range order {
					out[i] = x[at]*scale + shift
				}
				return out
			}
			got := must[Outcome](t)(test(change(a, order, 4, 64), change(b, other, 4, 64), o))
			near(t, name+" p, moved", got.P, want.P, 1e-11)
			if want.Method != "Brunner–Munzel" && !math.IsNaN(want.Estimate) {
				near(t, name+" estimate, moved", got.Estimate, want.Estimate*4, 1e-10)
				near(t, name+" low, moved", got.Interval.Low, want.Interval.Low*4, 1e-9)
			}
			back := must[Outcome](t)(test(b, a, o))
			near(t, name+" p, exchanged", back.P, want.P, 1e-11)
			less, greater := must[Outcome](t)(test(a, b, Options{Tail: Less})), must[Outcome](t)(test(b, a, Options{Tail: Greater}))
			near(t, name+" tails, exchanged", greater.P, less.P, 1e-11)
		}
	}
}

// TestRankDistributions: the exact ways give what going through all orders gives, with ties.
func TestRankDistributions(t *testing.T) {
	r := rand.New(rand.NewPCG(29, 1))
	for range 40 {
		a, b := coarse(r, 2+r.IntN(4)), coarse(r, 2+r.IntN(5))
		all := joined(a, b)
		want := must[Outcome](t)(MannWhitney(a, b, Exact, Options{}))
		d := must[Outcome](t)(KolmogorovSmirnov(a, b))
		var low, high, far, ways float64
		eachChoice(len(all), len(a), func(chosen []bool) {
			var x, y []float64
			for i, v := range all {
				if chosen[i] {
					x = append(x, v)
				} else {
					y = append(y, v)
				}
			}
			u := 0.0
			for _, p := range x {
				for _, q := range y {
					if p > q {
						u++
					} else if p == q {
						u += 0.5
					}
				}
			}
			ways++
			if u <= want.Statistic {
				low++
			}
			if u >= want.Statistic {
				high++
			}
			if kolmogorov(x, y, false).Statistic >= d.Statistic-1e-12 {
				far++
			}
		})
		near(t, "Mann–Whitney", want.P, min(1, 2*min(low, high)/ways), 1e-12)
		near(t, "Kolmogorov–Smirnov", d.P, far/ways, 1e-12)
		s := differences(coarse(r, 9), coarse(r, 9))
		signed := must[Outcome](t)(SignedRank(s, DropZeros, Exact, Options{}))
		sizes, _ := signedRanks(s, DropZeros, 0)
		low, high, ways = 0, 0, 0
		for mask := range 1 << len(sizes) {
			var v float64
			for i, size := range sizes {
				if mask>>i&1 == 1 {
					v += size
				}
			}
			ways++
			if v <= signed.Statistic {
				low++
			}
			if v >= signed.Statistic {
				high++
			}
		}
		near(t, "signed rank", signed.P, min(1, 2*min(low, high)/ways), 1e-12)
	}
}

func eachChoice(n, k int, f func([]bool)) {
	for mask := range 1 << n {
		chosen, count := make([]bool, n), 0
		for i := range chosen {
			if chosen[i] = mask>>i&1 == 1; chosen[i] {
				count++
			}
		}
		if count == k {
			f(chosen)
		}
	}
}

// TestSlowWays: medians of pairs, areas and their errors are those of the definitions, computed pair by pair.
func TestSlowWays(t *testing.T) {
	r := rand.New(rand.NewPCG(31, 1))
	for range 60 {
		a, b := normals(r, 1+r.IntN(70), 1, 1), coarse(r, 1+r.IntN(70))
		var all, means []float64
		var wins float64
		for i, x := range a {
			for _, y := range b {
				all = append(all, x-y)
				if x > y {
					wins++
				} else if x == y {
					wins += 0.5
				}
			}
			for _, y := range a[i:] {
				means = append(means, (x+y)/2)
			}
		}
		shift, _, err := Shift(a, b, 0.95)
		near(t, "shift", shift, Median(all), 1e-15)
		centre, _, err2 := Centre(a, 0.95)
		near(t, "centre", centre, Median(means), 1e-15)
		near(t, "A12", must[float64](t)(A12(a, b)), wins/float64(len(all)), 1e-14)
		if err != nil || err2 != nil {
			t.Fatal(err, err2)
		}
		slices.Sort(all)
		for k := 1; k <= len(all); k += 1 + len(all)/7 {
			x, y := slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
			near(t, "k-th difference", smallest(k, x, y, true), all[k-1], 0)
		}
	}
	labels, scores, _ := cases(r, 80)
	for i := range scores {
		scores[i] = math.Round(scores[i] * 2)
	}
	roc, err := newROC(labels, scores)
	if err != nil {
		t.Fatal(err)
	}
	var area float64
	positive := make([]float64, 0, 40)
	for i := range labels {
		if !labels[i] {
			continue
		}
		var s float64
		for j := range labels {
			switch {
			case labels[j]:
			case scores[i] > scores[j]:
				s++
			case scores[i] == scores[j]:
				s += 0.5
			}
		}
		area += s / 1600
		positive = append(positive, s/40)
	}
	near(t, "area", roc.area, area, 1e-13)
	for i := range positive {
		near(t, "placement", roc.positive[i], positive[i], 1e-13)
	}
}

// TestSeeds: the same seed gives the same result, another one another, and both are said.
func TestSeeds(t *testing.T) {
	r := rand.New(rand.NewPCG(37, 1))
	a, b := normals(r, 40, 0, 1), normals(r, 30, 0.5, 1)
	one, again, other := must[Outcome](t)(Permutation(a, b, 7, 0, Options{})), must[Outcome](t)(Permutation(a, b, 7, 0, Options{})), must[Outcome](t)(Permutation(a, b, 8, 0, Options{}))
	if one != again && one.P != again.P || one.Seed != 7 || one.Draws != LeastDraws || one.P == other.P && one.P != 1 {
		t.Errorf("seeds 7, 7, 8 give %v %v %v", one.P, again.P, other.P)
	}
	near(t, "permutation beside t", one.P, must[Outcome](t)(Pooled(a, b, Options{})).P, 0.15)
	// Sides that do not overlap: no draw is as far, and the one that was seen still counts.
	apart := must[Outcome](t)(Permutation(upTo(20, 0), upTo(20, 100), 7, 0, Options{}))
	flipped := must[Outcome](t)(SignFlip(upTo(40, 0), 7, 0, Options{}))
	near(t, "least p of draws", apart.P, 2.0/(LeastDraws+1), 1e-12)
	near(t, "least p of draws", flipped.P, 2.0/(LeastDraws+1), 1e-12)
	s := Bootstrap{Seed: 7}
	x, y := must[Outcome](t)(s.BCa(a, Mean)), must[Outcome](t)(s.BCa(a, Mean))
	if x.Interval != y.Interval || x.Seed != 7 {
		t.Errorf("bootstrap: %v and %v from one seed", x.Interval, y.Interval)
	}
	// The draws themselves are a promise: SplitMix64 of 1234567 is 6457827717110365317 (Vigna's test vector).
	if got := newRandom(1234567).s[0]; got != 6457827717110365317 {
		t.Errorf("the generator is seeded with %d", got)
	}
}

// TestBootstrapIsTheWholeOne: with four values all 256 resamples can be gone through; the interval from draws is that
// from all of them.
func TestBootstrapIsTheWholeOne(t *testing.T) {
	x := []float64{1, 2, 4, 9.5}
	var all []float64
	for k := range 256 {
		all = append(all, (x[k&3]+x[k>>2&3]+x[k>>4&3]+x[k>>6&3])/4)
	}
	b := Bootstrap{Seed: 1, Draws: 400_000}
	influence := influences(4, func(i int) float64 { return Mean(without(make([]float64, 4), x, i)) })
	want := must[Outcome](t)(b.bca("", Mean(x), all, influence))
	got := must[Outcome](t)(b.BCa(x, Mean))
	near(t, "low", got.Interval.Low, want.Interval.Low, 0.02)
	near(t, "high", got.Interval.High, want.Interval.High, 0.02)
	// By R: boot::empinf of the mean by jackknife gives a = Σu³/(6(Σu²)^1.5).
	clusters := must[Outcome](t)(b.BCaClusters([][]float64{{1}, {2}, {4}, {9.5}}, Mean))
	if clusters.Interval != got.Interval {
		t.Errorf("clusters of one: %v, and single values %v", clusters.Interval, got.Interval)
	}
	paired := must[Outcome](t)(b.BCaPaired(x, []float64{0, 0, 0, 0}, func(x, y []float64) float64 { return Mean(x) - Mean(y) }))
	if paired.Interval != got.Interval {
		t.Errorf("pairs with 0: %v, and single values %v", paired.Interval, got.Interval)
	}
}

// TestBCaAgainstSciPy: scipy.stats.bootstrap(method='BCa', n_resamples=2e6) of skewed values, where bias and
// acceleration both move the ends by far more than chance does.
func TestBCaAgainstSciPy(t *testing.T) {
	x, y := []float64{0.1, 0.4, 0.5, 0.9, 1.1, 1.3, 1.8, 2.2, 3.9, 7.5, 11, 20}, []float64{0.2, 0.3, 0.8, 1, 1.2, 2.5, 2.6, 6, 9}
	b := Bootstrap{Seed: 3, Draws: 300_000}
	one := must[Outcome](t)(b.BCa(x, Mean)).Interval
	near(t, "low", one.Low, 1.9, 0.01)
	near(t, "high", one.High, 9.145, 0.01)
	two := must[Outcome](t)(b.BCaTwo(x, y, func(x, y []float64) float64 { return Mean(x) - Mean(y) })).Interval
	near(t, "low of two", two.Low, -1.42777777, 0.015)
	near(t, "high of two", two.High, 6.27777777, 0.01)
}

// TestPareto: what is not beaten, by hand.
func TestPareto(t *testing.T) {
	got := Pareto([]Objective{{[]float64{0.90, 0.92, 0.92, 0.80, math.NaN()}, true}, {[]float64{10, 12, 13, 9, 1}, false}})
	if !slices.Equal(got, []int{0, 1, 3}) {
		t.Errorf("got %v, want [0 1 3]", got)
	}
	if same := Pareto([]Objective{{[]float64{1, 1}, true}}); len(same) != 2 {
		t.Errorf("equal versions: %v", same)
	}
}

// TestChangePoint: posteriors by Bayes' rule, by hand.
func TestChangePoint(t *testing.T) {
	p := must[Posterior](t)(ChangePoint(4, []Probe{{1, false}, {2, true}, {2, true}}, 0.1, nil))
	// Place c explains good at 1 where c > 1, bad at 2 where c ≤ 2.
	weights := []float64{.1 * .9 * .9, .1 * .9 * .9, .9 * .9 * .9, .9 * .1 * .1}
	for i, w := range weights {
		near(t, "posterior", p.P[i], w/sum(weights), 1e-12)
	}
	if p.Best() != 2 || !slices.Equal(p.Credible(0.8), []int{2}) {
		t.Errorf("best %d, credible %v", p.Best(), p.Credible(0.8))
	}
	if _, err := ChangePoint(4, []Probe{{1, true}, {2, false}}, 0, nil); err == nil {
		t.Error("contradictory observations without errors are taken")
	}
	// Without errors it is bisection: ⌈log₂ n⌉ observations at most.
	for at := range 100 {
		var seen []Probe
		for {
			p := must[Posterior](t)(ChangePoint(100, seen, 0, nil))
			if p.P[p.Best()] > 0.999 {
				if p.Best() != at || len(seen) > 7 {
					t.Fatalf("change at %d: found %d after %d", at, p.Best(), len(seen))
				}
				break
			}
			next := p.Next(nil)
			seen = append(seen, Probe{next, next >= at})
		}
	}
	fell := must[Posterior](t)(ChangePointRate([]int{9, 11, 10, 1, 0, 1}, []float64{10, 10, 10, 10, 10, 10}, true, nil))
	if fell.Best() != 3 || fell.P[3] < 0.9 {
		t.Errorf("a rate that fell at 3: %v", fell.P)
	}
	if rose := must[Posterior](t)(ChangePointRate([]int{9, 11, 10, 1, 0, 1}, []float64{10, 10, 10, 10, 10, 10}, false, nil)); rose.Best() == 3 {
		t.Errorf("the same as a rise: %v", rose.P)
	}
	r := rand.New(rand.NewPCG(41, 1))
	var readings []Reading
	for i := range 60 {
		v := 0.9 + 0.01*r.NormFloat64()
		if i >= 37 {
			v -= 0.03
		}
		readings = append(readings, Reading{i, v})
	}
	m := must[Posterior](t)(ChangePointMean(60, readings, nil))
	if set := m.Credible(0.95); !slices.Contains(set, 37) || len(set) > 8 {
		t.Errorf("change at 37: best %d, credible %v", m.Best(), set)
	}
}

// FuzzTests: no input makes a test panic, hang, or give a p outside of [0, 1].
func FuzzTests(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4}, []byte{0, 0, 0})
	f.Add([]byte{}, []byte{255})
	f.Fuzz(func(t *testing.T, x, y []byte) {
		a, b := odd(x), odd(y)
		for _, test := range []func() (Outcome, error){
			func() (Outcome, error) { return Welch(a, b, Options{}) },
			func() (Outcome, error) { return Pooled(a, b, Options{}) },
			func() (Outcome, error) { return Paired(a, b, Options{}) },
			func() (Outcome, error) { return MannWhitney(a, b, Auto, Options{}) },
			func() (Outcome, error) { return SignedRank(a, PrattZeros, Auto, Options{}) },
			func() (Outcome, error) { return BrunnerMunzel(a, b, Options{}) },
			func() (Outcome, error) { return KolmogorovSmirnov(a, b) },
			func() (Outcome, error) { return KruskalWallis(a, b) },
			func() (Outcome, error) { return WelchAnova(a, b) },
			func() (Outcome, error) { return Permutation(a, b, 1, 0, Options{}) },
			func() (Outcome, error) { return SignFlip(a, 1, 0, Options{}) },
			func() (Outcome, error) { return GeometricRatio(a, b, Options{}) },
			func() (Outcome, error) {
				return Fisher(Count{len(x), 2 * len(y)}, Count{len(y), 2 * len(x)}, Options{})
			},
			func() (Outcome, error) {
				return Score(Count{len(x), 2 * len(y)}, Count{len(y), 2 * len(x)}, Options{Null: 0.1})
			},
			func() (Outcome, error) { return PoissonRatio(len(x), 1, len(y), 3, Options{}) },
		} {
			out, err := test()
			if err == nil && !(out.P >= 0 && out.P <= 1) {
				t.Errorf("%s of %v and %v: p = %g", out.Method, a, b, out.P)
			}
		}
	})
}

// odd makes values from bytes, some of which are no numbers or very large or small ones.
func odd(x []byte) []float64 {
	special := map[byte]float64{255: math.NaN(), 254: math.Inf(1), 253: 1e308, 252: 5e-324, 251: -1e149, 250: 1e149, 249: 1e-160}
	if len(x) > 40 {
		x = x[:40]
	}
	out := make([]float64, len(x))
	for i, b := range x {
		v, is := special[b]
		if !is {
			v = float64(int8(b))
		}
		out[i] = v
	}
	return out
}
