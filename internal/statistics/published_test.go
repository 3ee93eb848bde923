package statistics

import (
	"errors"
	"flag"
	"math"
	"testing"
)

var long = flag.Bool("long", false, "run the simulations at their full size")

// The data sets that R has built in, and two of Hollander and Wolfe.
func sleep() (a, b []float64) {
	return []float64{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0}, []float64{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4}
}

func depression() (before, after []float64) {
	return []float64{1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30}, []float64{0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29}
}

func permeability() (a, b []float64) {
	return []float64{0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46}, []float64{1.15, 0.88, 0.90, 0.74, 1.21}
}

func ozone() (may, august []float64) {
	return []float64{41, 36, 12, 18, 28, 23, 19, 8, 7, 16, 11, 14, 18, 14, 34, 6, 30, 11, 1, 11, 4, 32, 23, 45, 115, 37},
		[]float64{39, 9, 16, 78, 35, 66, 122, 89, 110, 44, 28, 65, 22, 59, 23, 31, 44, 21, 9, 45, 168, 73, 76, 118, 84, 85}
}

func plants() (control, one, two []float64) {
	return []float64{4.17, 5.58, 5.18, 6.11, 4.50, 4.61, 5.17, 4.53, 5.33, 5.14}, []float64{4.81, 4.17, 4.41, 3.59, 5.87, 3.83, 6.03, 4.89, 4.32, 4.69},
		[]float64{6.31, 5.12, 5.54, 5.50, 5.37, 5.29, 4.92, 6.15, 5.80, 5.26}
}

var (
	retained7 = [2]Count{{8502, 44700}, {8279, 45489}}
	retained1 = [2]Count{{20034, 44700}, {20119, 45489}}
)

// must is for values that a test needs.
func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// near holds a value to another one within a relative error.
func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if got == want || math.IsNaN(got) && math.IsNaN(want) || math.Abs(got-want) <= within*math.Abs(want) {
		return
	}
	t.Errorf("%s = %.12g, want %.12g (off by %.2g)", what, got, want, math.Abs(got-want)/math.Abs(want))
}

// TestPublished: values of R 4.2.2 and SciPy 1.10 for the examples of their manuals, to 1e-8, which is what they are
// printed with.
func TestPublished(t *testing.T) {
	const e = 1e-8
	o, ok := Options{}, must[Outcome](t)
	a, b := sleep()
	w := ok(Welch(a, b, o))
	near(t, "sleep Welch t", w.Statistic, -1.860813467, e)
	near(t, "sleep Welch df", w.DF, 17.77647352, e)
	near(t, "sleep Welch p", w.P, 0.07939414019, e)
	near(t, "sleep Welch low", w.Interval.Low, -3.365483231, e)
	near(t, "sleep Welch high", w.Interval.High, 0.2054832307, e)
	near(t, "sleep pooled p", ok(Pooled(a, b, o)).P, 0.07918671422, e)
	w = ok(Paired(a, b, o))
	near(t, "sleep paired t", w.Statistic, -4.062127683, e)
	near(t, "sleep paired p", w.P, 0.002832890197, e)
	near(t, "sleep paired low", w.Interval.Low, -2.459885763, e)
	near(t, "sleep paired high", w.Interval.High, -0.7001142367, e)
	w = ok(Permutation(a, b, 1, 0, o))
	near(t, "sleep permutation p", w.P, 0.08144796380, e)
	near(t, "sleep permutation p, as a fraction", w.P, 15048.0/184756, 0)
	near(t, "sleep sign flip p", ok(SignFlip(differences(a, b), 1, 0, o)).P, 0.00390625, 0)
	w = ok(MannWhitney(a, b, Auto, o))
	near(t, "sleep U", w.Statistic, 25.5, 0)
	near(t, "sleep U exact p", w.P, 0.0658165364, e)
	near(t, "sleep U normal p", ok(MannWhitney(a, b, NormalContinuity, o)).P, 0.06932757544, e)
	near(t, "sleep Brunner–Munzel p", ok(BrunnerMunzel(a, b, o)).P, 0.04681595468, e)
	number := must[float64](t)
	near(t, "sleep d", number(CohenD(a, b)), -0.8321810813, e)
	near(t, "sleep g", number(HedgesG(a, b)), -0.7970185004, e)
	near(t, "sleep Cliff", number(CliffDelta(a, b)), -0.49, 1e-15)
	near(t, "sleep A12", number(A12(b, a)), 0.745, 1e-15)
	w = ok(NonInferiority(func(o Options) (Outcome, error) { return Welch(a, b, o) }, 1, o))
	near(t, "sleep non-inferiority t", w.Statistic, -0.6830834248, e)
	near(t, "sleep non-inferiority p", w.P, 0.7483198114, e)

	before, after := depression()
	d := differences(before, after)
	w = ok(SignedRank(d, DropZeros, Auto, o))
	near(t, "depression V", w.Statistic, 40, 0)
	near(t, "depression p", w.P, 0.0390625, 0)
	near(t, "depression one-sided p", ok(SignedRank(d, DropZeros, Auto, Options{Tail: Greater})).P, 0.01953125, 0)
	near(t, "depression HL", w.Estimate, 0.46, 1e-14)
	near(t, "depression low", w.Interval.Low, 0.01, 1e-13)
	near(t, "depression high", w.Interval.High, 0.786, 1e-14)

	x, y := permeability()
	w = ok(MannWhitney(x, y, Auto, o))
	near(t, "permeability W", w.Statistic, 35, 0)
	near(t, "permeability p", w.P, 0.2544122544, e)
	near(t, "permeability one-sided p", ok(MannWhitney(x, y, Exact, Options{Tail: Greater})).P, 0.1272061272, e)
	near(t, "permeability HL", w.Estimate, 0.305, 1e-14)
	near(t, "permeability low", w.Interval.Low, -0.15, 1e-14)
	near(t, "permeability high", w.Interval.High, 0.76, 1e-14)
	w = ok(Welch(x, y, o))
	near(t, "permeability t", w.Statistic, 2.041383092, e)
	near(t, "permeability df", w.DF, 12.97053844, e)
	near(t, "permeability Welch p", w.P, 0.06210134378, e)

	may, august := ozone()
	w = ok(MannWhitney(may, august, NormalContinuity, o))
	near(t, "ozone W", w.Statistic, 127.5, 0)
	near(t, "ozone p", w.P, 0.0001208078308, e)
	near(t, "ozone p without continuity", ok(MannWhitney(may, august, Normal, o)).P, 0.00011637726, e)
	w = ok(KolmogorovSmirnov(may, august))
	near(t, "ozone D", w.Statistic, 0.5384615385, e)
	near(t, "ozone KS p", w.P, 0.0006918850487, e)

	c, one, two := plants()
	w = ok(KruskalWallis(c, one, two))
	near(t, "plants χ²", w.Statistic, 7.988228749, e)
	near(t, "plants p", w.P, 0.01842375573, e)
	w = ok(WelchAnova(c, one, two))
	near(t, "plants F", w.Statistic, 5.180972408, e)
	near(t, "plants df2", w.DF2, 17.12841862, e)
	near(t, "plants Welch p", w.P, 0.01739282149, e)
}

// TestPublishedCounts: the same for counts, families and plans.
func TestPublishedCounts(t *testing.T) {
	const e = 1e-8
	o, ok := Options{}, must[Outcome](t)
	w := ok(Fisher(Count{3, 4}, Count{1, 4}, o))
	near(t, "tea p", w.P, 0.4857142857, e)
	near(t, "tea p, as a fraction", w.P, 34.0/70, 1e-14)
	// R's root finder stops at 1e-4 of the ratio or of 1 over it; SciPy 1.10 (odds_ratio) and SAS go on.
	for _, c := range []struct{ got, r, scipy float64 }{
		{w.Estimate, 6.408308867, 6.408319658199662}, {w.Interval.Low, 0.2117329153, 0.21173559544657966}, {w.Interval.High, 621.9337505, 626.2435305888141},
	} {
		near(t, "tea odds ratio", c.got, c.scipy, e)
		if min(math.Abs(c.got-c.r), math.Abs(1/c.got-1/c.r)) > 1.3e-4 {
			t.Errorf("tea odds ratio %g is not R's %g either", c.got, c.r)
		}
	}
	w = ok(BinomialTest(Count{682, 925}, 0.75, o))
	near(t, "Mendel p", w.P, 0.3824915596, e)
	near(t, "Mendel low", w.Interval.Low, 0.7076682641, e)
	near(t, "Mendel high", w.Interval.High, 0.7654065582, e)
	w = ok(McNemar(86, 150, true))
	near(t, "McNemar χ²", w.Statistic, 16.81779661, e)
	near(t, "McNemar p", w.P, 4.114562281e-05, e)
	family := []float64{.01, .02, .03, .04, .05}
	for by, want := range map[Adjustment][]float64{
		Holm: {.05, .08, .09, .09, .09}, BH: {.05, .05, .05, .05, .05}, Hochberg: {.05, .05, .05, .05, .05}, Bonferroni: {.05, .1, .15, .2, .25},
		BY: {.1141666667, .1141666667, .1141666667, .1141666667, .1141666667},
	} {
		for i, p := range AdjustP(family, by) {
			near(t, by.String(), p, want[i], e)
		}
	}
	benjamini := []float64{.0001, .0004, .0019, .0095, .0201, .0278, .0298, .0344, .0459, .3240, .4262, .5719, .6528, .7590, 1}
	for i, want := range []float64{.0015, .003, .0095, .035625, .0603, .06385714286} {
		near(t, "Benjamini and Hochberg's list", AdjustP(benjamini, BH)[i], want, e)
	}
	number := must[float64](t)
	near(t, "size for 0.5", number(SizeT(TwoSamples, .5, .05, .8)), 63.76576371, e)
	near(t, "size for 0.2", number(SizeT(TwoSamples, .2, .05, .9)), 526.3333712, e)
	near(t, "size for .5 and .55", number(SizeProportions(.5, .55, .05, .8)), 1564.672053, e)
	near(t, "size for .19 and .182", number(SizeProportions(.19, .182, .05, .8)), 37134.81442, e)
	w = ok(ProportionTest(retained7[0], retained7[1], false, o))
	near(t, "day 7 χ²", w.Statistic, 10.01316733, e)
	near(t, "day 7 p", w.P, 0.001554249976, e)
	near(t, "day 7 low", w.Interval.Low, 0.003121044212, e)
	near(t, "day 7 high", w.Interval.High, 0.01328155242, e)
	w = ok(ProportionTest(retained1[0], retained1[1], false, o))
	near(t, "day 1 χ²", w.Statistic, 3.182963658, e)
	near(t, "day 1 p", w.P, 0.0744096553, e)
	w = ok(SampleRatio([]int{44700, 45489}, nil))
	near(t, "sample ratio χ²", w.Statistic, 6.90240495, e)
	near(t, "sample ratio p", w.P, 0.008607987811, e)
	near(t, "3 beside 3", MinimumP(TwoSamples, 3, 3), 0.1, 0)
	near(t, "4 beside 4", MinimumP(TwoSamples, 4, 4), 2.0/70, 0)
	near(t, "5 beside 5", MinimumP(TwoSamples, 5, 5), 2.0/252, 0)
	near(t, "5 pairs", MinimumP(Pairs, 5, 5), 0.0625, 0)
	near(t, "6 pairs", MinimumP(Pairs, 6, 6), 0.03125, 0)
	if LeastSize(Pairs, 0.05) != 6 || LeastSize(TwoSamples, 0.05) != 4 {
		t.Error("least sizes are not 6 pairs and 4 a side")
	}
}

// TestRefusals: what has no answer is an error, and says which.
func TestRefusals(t *testing.T) {
	nan := []float64{1, 2, math.NaN()}
	for name, c := range map[string]struct {
		err  error
		want error
	}{
		"NaN":           {second(Welch(nan, []float64{1, 2}, Options{})), ErrNotFinite},
		"Inf":           {second(MannWhitney([]float64{math.Inf(1)}, []float64{1}, Auto, Options{})), ErrNotFinite},
		"one value":     {second(Welch([]float64{1}, []float64{1, 2}, Options{})), ErrTooFew},
		"no variance":   {second(Welch([]float64{1, 1}, []float64{2, 2}, Options{})), ErrNoVariance},
		"no pairs":      {second(Paired([]float64{1, 1}, []float64{2, 2, 3}, Options{})), ErrInput},
		"level":         {second(Welch([]float64{1, 3}, []float64{2, 2, 3}, Options{Level: 1})), ErrInput},
		"too many hits": {second(Fisher(Count{5, 4}, Count{1, 4}, Options{})), ErrInput},
		"no trials":     {second(Wilson(Count{}, 0.95)), ErrTooFew},
		"separated":     {second(BrunnerMunzel([]float64{1, 2}, []float64{3, 4}, Options{})), ErrNoVariance},
		"no overlap":    {second(DeLong([]bool{true, true, false, false}, []float64{4, 3, 2, 1}, []float64{4, 3, 2, 1}, Options{})), ErrNoVariance},
	} {
		if !errors.Is(c.err, c.want) {
			t.Errorf("%s: %v, want %v", name, c.err, c.want)
		}
	}
}

func second[T any](_ T, err error) error { return err }
