package statistics

import (
	"fmt"
	"math"

	"varve/internal/statistics/distribution"
)

// Welch tests the difference of two means without assuming equal variances: t with the degrees of freedom of
// Satterthwaite. Estimate and Interval: mean(a) − mean(b). Assumes independent values and means that are about normal.
// Source: B. L. Welch (1947); R: t.test(a, b).
func Welch(a, b []float64, o Options) (Outcome, error) {
	if err := o.check(2, a, b); err != nil {
		return Outcome{}, err
	}
	if constantValues(a) && constantValues(b) {
		return Outcome{}, ErrNoVariance
	}
	va, vb := Variance(a)/float64(len(a)), Variance(b)/float64(len(b))
	se2 := va + vb
	// By shares, for the squares of tiny variances have no room.
	sa, sb := va/se2, vb/se2
	df := 1 / (sa*sa/float64(len(a)-1) + sb*sb/float64(len(b)-1))
	return o.byT("Welch t", Mean(a)-Mean(b), math.Sqrt(se2), df), nil
}

// Pooled is Student's two-sample t test, which assumes equal variances. Estimate and Interval: mean(a) − mean(b). R:
// t.test(a, b, var.equal=TRUE).
func Pooled(a, b []float64, o Options) (Outcome, error) {
	if err := o.check(1, a, b); err != nil {
		return Outcome{}, err
	}
	df := float64(len(a) + len(b) - 2)
	if df < 1 {
		return Outcome{}, fmt.Errorf("%w: three in all are needed", ErrTooFew)
	}
	if constantValues(a) && constantValues(b) {
		return Outcome{}, ErrNoVariance
	}
	se := math.Sqrt(pooledVariance(a, b) * (1/float64(len(a)) + 1/float64(len(b))))
	return o.byT("pooled t", Mean(a)-Mean(b), se, df), nil
}

func pooledVariance(a, b []float64) float64 {
	var s float64
	for _, x := range [][]float64{a, b} {
		if len(x) > 1 {
			s += Variance(x) * float64(len(x)-1)
		}
	}
	return s / float64(len(a)+len(b)-2)
}

// Paired is the t test of the differences a[i] − b[i]. Estimate and Interval: their mean. R: t.test(a, b, paired=TRUE).
func Paired(a, b []float64, o Options) (Outcome, error) {
	if err := checkPairs(a, b, 2, o); err != nil {
		return Outcome{}, err
	}
	out, err := OneSample(differences(a, b), o)
	out.Method = "paired t"
	return out, err
}

func checkPairs(a, b []float64, least int, o Options) error {
	if len(a) != len(b) {
		return fmt.Errorf("%w: %d values beside %d are no pairs", ErrInput, len(a), len(b))
	}
	return o.check(least, a, b)
}

// OneSample is the t test of a mean. Estimate and Interval: mean(x). R: t.test(x, mu=o.Null).
func OneSample(x []float64, o Options) (Outcome, error) {
	if err := o.check(2, x); err != nil {
		return Outcome{}, err
	}
	if constantValues(x) {
		return Outcome{}, ErrNoVariance
	}
	return o.byT("one-sample t", Mean(x), math.Sqrt(Variance(x)/float64(len(x))), float64(len(x)-1)), nil
}

// byT is the test of an estimate with its standard error by the t distribution.
func (o Options) byT(method string, estimate, se, df float64) Outcome {
	d := distribution.T{DF: df}
	t := (estimate - o.Null) / se
	p := d.BothTails(t)
	if o.Tail != TwoSided {
		p = o.Tail.fromTails(d.Lower(t), d.Upper(t))
	}
	return Outcome{Method: method, Statistic: t, DF: df, P: p, Estimate: estimate, Interval: o.symmetric(estimate, se, d.UpperQuantile)}
}

// byNormal is the test of an estimate with its standard error by the normal distribution.
func (o Options) byNormal(method string, estimate, se float64) Outcome {
	out := o.byT(method, estimate, se, math.Inf(1))
	out.DF = 0
	return out
}

// WelchAnova tests whether the means of several groups are equal, without equal variances. Statistic F, DF and DF2.
// Source: B. L. Welch (1951); R: oneway.test.
func WelchAnova(groups ...[]float64) (Outcome, error) {
	if len(groups) < 2 {
		return Outcome{}, fmt.Errorf("%w: two groups are needed", ErrTooFew)
	}
	if err := checkValues(2, groups...); err != nil {
		return Outcome{}, err
	}
	k := float64(len(groups))
	var total, mean float64
	weights, means := make([]float64, len(groups)), make([]float64, len(groups))
	for i, g := range groups {
		if constantValues(g) {
			return Outcome{}, fmt.Errorf("group %d: %w", i+1, ErrNoVariance)
		}
		weights[i], means[i] = float64(len(g))/Variance(g), Mean(g)
		total += weights[i]
		mean += weights[i] * means[i]
	}
	mean /= total
	var between, spread float64
	for i, g := range groups {
		between += weights[i] * (means[i] - mean) * (means[i] - mean)
		rest := 1 - weights[i]/total
		spread += rest * rest / float64(len(g)-1)
	}
	spread /= k*k - 1
	f := between / (k - 1) / (1 + 2*(k-2)*spread)
	df2 := 1 / (3 * spread)
	e, i := none()
	return Outcome{Method: "Welch ANOVA", Statistic: f, DF: k - 1, DF2: df2, P: distribution.F{DF1: k - 1, DF2: df2}.Upper(f), Estimate: e, Interval: i}, nil
}

// KruskalWallis tests by ranks whether several groups have the same distribution, corrected for ties. Statistic χ². R:
// kruskal.test.
func KruskalWallis(groups ...[]float64) (Outcome, error) {
	if len(groups) < 2 {
		return Outcome{}, fmt.Errorf("%w: two groups are needed", ErrTooFew)
	}
	if err := checkValues(1, groups...); err != nil {
		return Outcome{}, err
	}
	var all []float64
	for _, g := range groups {
		all = append(all, g...)
	}
	ranks, ties := Ranks(all)
	n := float64(len(all))
	if ties == n*n*n-n {
		return Outcome{}, ErrNoVariance
	}
	var h float64
	for _, g := range groups {
		d := sum(ranks[:len(g)]) - float64(len(g))*(n+1)/2
		ranks = ranks[len(g):]
		h += d * d / float64(len(g))
	}
	h *= 12 / (n * (n + 1)) / (1 - ties/(n*n*n-n))
	df := float64(len(groups) - 1)
	e, i := none()
	return Outcome{Method: "Kruskal–Wallis", Statistic: h, DF: df, P: distribution.ChiSquared{DF: df}.Upper(h), Estimate: e, Interval: i}, nil
}
