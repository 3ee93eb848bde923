package statistics

import (
	"fmt"
	"math"

	"varve/internal/statistics/distribution"
)

// A Sequence carries the evidence of a test that is looked at again and again: its p value is valid however often one
// looks, and whenever one stops. The zero value has seen nothing.
type Sequence struct {
	Looks int
	Best  float64 // greatest likelihood ratio so far
}

// Look takes in the likelihood ratio of one look, and returns the p value so far: 1 over the greatest ratio. Source:
// Ville (1939); Johari, Koomen, Pekelis and Walsh, "Peeking at A/B tests" (2017).
func (s *Sequence) Look(ratio float64) float64 {
	s.Looks++
	if ratio > s.Best {
		s.Best = ratio
	}
	return s.P()
}

// P is the always-valid p value so far.
func (s *Sequence) P() float64 {
	if s.Best <= 1 {
		return 1
	}
	return 1 / s.Best
}

// NormalMixture is the likelihood ratio of the mixture sequential test: an estimate delta with variance v (σ²(1/m+1/n)
// for two means), its true value under the alternative normal with standard deviation tau, against 0. Needs a known
// variance; with one that was estimated from under a hundred values the error exceeds its bound: then TMixture is
// right. Source: Johari et al. (2017), eq. 11, with V/n = v.
func NormalMixture(delta, v, tau float64) float64 {
	t := tau * tau
	return math.Sqrt(v/(v+t)) * math.Exp(delta*delta*t/(2*v*(v+t)))
}

// NormalSequence is the interval of the same at one look; all of them together hold the true value with the level.
func NormalSequence(delta, v, tau, level float64) Interval {
	t := tau * tau
	half := math.Sqrt(2 * v * (v + t) / t * (math.Log(1/(1-level)) + math.Log((v+t)/v)/2))
	return Interval{delta - half, delta + half}
}

// TMixture is the ratio for a t statistic with unknown variance: the effect in units of the standard deviation is
// normal with standard deviation g under the alternative; n is the number of values (pairs), or mn/(m+n) for two
// samples of equal variance; df the degrees of freedom. For normal values it is valid from the first look on. Source:
// Gönen et al. (2005); Hendriksen, de Heide and Grünwald (2021) for its validity.
func TMixture(t, n, df, g float64) float64 {
	r := 1 + n*g*g
	return math.Exp(-math.Log(r)/2 + (df+1)/2*(math.Log1p(t*t/df)-math.Log1p(t*t/(df*r))))
}

// TSequence is the interval of the same at one look, for an estimate with its standard error.
func TSequence(delta, se, n, df, g, level float64) Interval {
	r := 1 + n*g*g
	k := math.Exp(2 / (df + 1) * (math.Log(r)/2 - math.Log(1-level)))
	room := 1 - k/r
	if room <= 0 {
		return Interval{math.Inf(-1), math.Inf(1)}
	}
	half := math.Sqrt((k-1)*df/room) * se
	return Interval{delta - half, delta + half}
}

// BetaBinomial is the ratio for hits of n trials against a share p0, the share being Beta(a, b) under the alternative.
// Exact for each number of looks.
func BetaBinomial(c Count, p0, a, b float64) (float64, error) {
	if err := checkCounts(Options{}, c); err != nil {
		return math.NaN(), err
	}
	if !(p0 > 0 && p0 < 1) || !(a > 0) || !(b > 0) {
		return math.NaN(), fmt.Errorf("share %g, prior %g and %g: %w", p0, a, b, ErrInput)
	}
	return math.Exp(betaBinomialLog(c, p0, a, b)), nil
}

func betaBinomialLog(c Count, p0, a, b float64) float64 {
	s, f := float64(c.Hits), float64(c.Of-c.Hits)
	return logBeta(a+s, b+f) - logBeta(a, b) - s*math.Log(p0) - f*math.Log1p(-p0)
}

func logBeta(a, b float64) float64 {
	x, _ := math.Lgamma(a)
	y, _ := math.Lgamma(b)
	z, _ := math.Lgamma(a + b)
	return x + y - z
}

// BinomialSequence is the interval of a share that belongs to BetaBinomial.
func BinomialSequence(c Count, a, b, level float64) (Interval, error) {
	o := Options{Level: level}
	if err := checkCounts(o, c); err != nil {
		return Interval{}, err
	}
	if !(a > 0) || !(b > 0) {
		return Interval{}, fmt.Errorf("prior %g and %g: %w", a, b, ErrInput)
	}
	limit := -math.Log(1 - o.level())
	f := func(p float64) float64 { return betaBinomialLog(c, p, a, b) - limit }
	i := Interval{0, 1}
	if c.Hits > 0 {
		i.Low = distribution.Root(f, 1e-300, c.Share())
	}
	if c.Hits < c.Of {
		i.High = distribution.Root(f, c.Share(), 1-1e-16)
		if math.IsNaN(i.High) {
			i.High = 1
		}
	}
	return i, nil
}

// Shares is the sequential test of two proportions that come in blocks: under the null hypothesis both are the same,
// whatever it is. Its ratio of each block is of the shares expected from the blocks before, so it is exact with any
// number of looks. The zero value starts with Beta(½, ½) on both sides. Source: Turner, Ly and Grünwald (2021),
// "Generic E-variables for exact sequential k-sample tests".
type Shares struct {
	Sequence
	a, b Count
	log  float64
}

// Add takes in one block: new trials of both sides. Blocks are best small and even: one trial on each side.
func (s *Shares) Add(a, b Count) (p float64, err error) {
	for _, c := range []Count{a, b} {
		if c.Of < 0 || c.Hits < 0 || c.Hits > c.Of {
			return s.P(), fmt.Errorf("%d of %d: %w", c.Hits, c.Of, ErrInput)
		}
	}
	if a.Of+b.Of == 0 {
		return s.P(), nil
	}
	expected := func(c Count) float64 { return (float64(c.Hits) + 0.5) / (float64(c.Of) + 1) }
	pa, pb := expected(s.a), expected(s.b)
	both := (float64(a.Of)*pa + float64(b.Of)*pb) / float64(a.Of+b.Of)
	add := func(c Count, p float64) {
		s.log += float64(c.Hits)*math.Log(p/both) + float64(c.Of-c.Hits)*math.Log((1-p)/(1-both))
	}
	add(a, pa)
	add(b, pb)
	s.a = Count{s.a.Hits + a.Hits, s.a.Of + a.Of}
	s.b = Count{s.b.Hits + b.Hits, s.b.Of + b.Of}
	return s.Look(math.Exp(s.log)), nil
}
