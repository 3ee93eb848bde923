package distribution

import "math"

// Binomial is the number of successes in N trials.
type Binomial struct {
	N int
	P float64
}

// Point is P(X = k).
func (d Binomial) Point(k int) float64 {
	if k < 0 || k > d.N {
		return 0
	}
	return binomialPoint(float64(k), float64(d.N), d.P, 1-d.P)
}

// Lower is P(X ≤ k).
func (d Binomial) Lower(k int) float64 {
	switch {
	case k < 0:
		return 0
	case k >= d.N:
		return 1
	}
	_, u := incompleteBeta(float64(k)+1, float64(d.N-k), d.P, 1-d.P)
	return u
}

// Upper is P(X > k).
func (d Binomial) Upper(k int) float64 {
	switch {
	case k < 0:
		return 1
	case k >= d.N:
		return 0
	}
	l, _ := incompleteBeta(float64(k)+1, float64(d.N-k), d.P, 1-d.P)
	return l
}

// Poisson is the number of events where Mean are expected.
type Poisson struct{ Mean float64 }

// Point is P(X = k).
func (d Poisson) Point(k int) float64 {
	switch {
	case k < 0:
		return 0
	case d.Mean == 0:
		return indicator(k == 0)
	}
	return poissonPoint(float64(k), d.Mean)
}

// Lower is P(X ≤ k).
func (d Poisson) Lower(k int) float64 {
	if k < 0 {
		return 0
	}
	_, u := incompleteGamma(float64(k)+1, d.Mean)
	return u
}

// Upper is P(X > k).
func (d Poisson) Upper(k int) float64 {
	if k < 0 {
		return 1
	}
	l, _ := incompleteGamma(float64(k)+1, d.Mean)
	return l
}

// Hypergeometric is the number of marked ones among Drawn, taken from Marked and Plain ones without putting back.
type Hypergeometric struct{ Marked, Plain, Drawn int }

// Support returns the least and the greatest value that can happen.
func (d Hypergeometric) Support() (least, greatest int) {
	return max(0, d.Drawn-d.Plain), min(d.Drawn, d.Marked)
}

// Points returns P(X = k) for each k of the support, from its least; they sum to 1. Memory is 8 bytes a value of the
// support.
func (d Hypergeometric) Points() []float64 {
	out := d.LogPoints()
	for i := range out {
		out[i] = math.Exp(out[i])
	}
	return out
}

// LogPoints returns the logarithms of Points, also where those are too small for a number.
func (d Hypergeometric) LogPoints() []float64 {
	least, greatest := d.Support()
	if greatest < least {
		return nil
	}
	out := make([]float64, greatest-least+1)
	all := float64(d.Marked + d.Plain)
	if all == 0 {
		return out
	}
	p, q := float64(d.Drawn)/all, float64(d.Marked+d.Plain-d.Drawn)/all
	whole := logBinomialPoint(float64(d.Drawn), all, p, q)
	for i := range out {
		k := least + i
		out[i] = logBinomialPoint(float64(k), float64(d.Marked), p, q) + logBinomialPoint(float64(d.Drawn-k), float64(d.Plain), p, q) - whole
	}
	return out
}

// NoncentralT is the distribution of (Z + Delta)/√(χ²/DF).
type NoncentralT struct{ DF, Delta float64 }

// Lower is P(T ≤ t).
func (d NoncentralT) Lower(t float64) float64 {
	if t < 0 {
		return NoncentralT{d.DF, -d.Delta}.Upper(-t)
	}
	l, _ := d.both(t)
	return min(max(l, 0), 1)
}

// Upper is P(T > t).
func (d NoncentralT) Upper(t float64) float64 {
	if t < 0 {
		return NoncentralT{d.DF, -d.Delta}.Lower(-t)
	}
	_, u := d.both(t)
	return min(max(u, 0), 1)
}

// both sums a Poisson mixture of incomplete beta functions from its heaviest term outwards; t ≥ 0. Its absolute error
// is about 1e-14; beyond a Delta of 1000 see far.
func (d NoncentralT) both(t float64) (lower, upper float64) {
	if math.IsInf(d.DF, 1) {
		return Normal{}.Lower(t - d.Delta), Normal{}.Upper(t - d.Delta)
	}
	if !(math.Abs(d.Delta) <= 1000) || !sound(d.DF) || math.IsNaN(t) {
		return d.far(t)
	}
	x, y := t*t/(d.DF+t*t), d.DF/(d.DF+t*t)
	if math.IsInf(t*t, 1) {
		x, y = 1, 0
	}
	half := d.Delta * d.Delta / 2
	middle := math.Floor(half)
	add := func(j float64) float64 {
		p, q := indicator(j == 0), 0.0
		if half > 0 {
			p = poissonPoint(j, half)
			q = math.Copysign(poissonPoint(j+0.5, half), d.Delta)
		}
		l1, u1 := incompleteBeta(j+0.5, d.DF/2, x, y)
		l2, u2 := incompleteBeta(j+1, d.DF/2, x, y)
		lower += (p*l1 + q*l2) / 2
		upper += (p*u1 + q*u2) / 2
		return p + math.Abs(q)
	}
	for j := middle; j >= 0; j-- {
		if add(j) < 1e-18 {
			break
		}
	}
	for j := middle + 1; j < middle+steps; j++ {
		if add(j) < 1e-18 {
			break
		}
	}
	return lower + Normal{}.Upper(d.Delta), upper
}

// far is the distribution where Delta is so great that its normal part is all but fixed: to about 1/Delta.
func (d NoncentralT) far(t float64) (lower, upper float64) {
	switch {
	case math.IsNaN(d.Delta) || math.IsNaN(t) || !sound(d.DF):
		return math.NaN(), math.NaN()
	case d.Delta < 0:
		return 1, 0
	case math.IsInf(d.Delta, 1):
		return 0, 1
	}
	chi := ChiSquared{d.DF}
	at := d.DF * (d.Delta / t) * (d.Delta / t)
	return chi.Upper(at), chi.Lower(at)
}
