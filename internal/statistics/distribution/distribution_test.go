package distribution

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestAgainstR compares with R 4.2.2; the expression is beside each value.
func TestAgainstR(t *testing.T) {
	z, h := Normal{}, Hypergeometric{1000, 2000, 900}
	for _, c := range []struct {
		r    string
		want float64
		got  float64
	}{
		{`pt(-2.5, 3)`, 0.043853323504032753, T{3}.Lower(-2.5)},
		{`2*pt(-40, 4)`, 2.3340163226012694e-06, T{4}.BothTails(40)},
		{`pt(0.01, 1.5)`, 0.50340725516854001, T{1.5}.Lower(0.01)},
		{`2*pt(-1e-3, 1e6)`, 0.99920211577164908, T{1e6}.BothTails(1e-3)},
		{`pt(-300,2.5)`, 4.6144418309767461e-07, T{2.5}.Upper(300)},
		{`2*pt(-37,400)`, 3.3297944085082626e-131, T{400}.BothTails(-37)},
		{`qt(0.975, 4)`, 2.7764451051977934, T{4}.Quantile(0.975)},
		{`qt(0.975, 17.77647352)`, 2.102817241536965, T{17.77647352}.Quantile(0.975)},
		{`qt(1e-10, 3)`, -2225.7692846830946, T{3}.Quantile(1e-10)},
		{`qt(0.6, 1)`, 0.32491969623290634, T{1}.Quantile(0.6)},
		{`qt(0.999999, 1e5)`, 4.7537047163854771, T{1e5}.Quantile(0.999999)},
		{`pnorm(-37)`, 5.7255712225245771e-300, z.Lower(-37)},
		{`qnorm(1e-300)`, -37.047096299361201, z.Quantile(1e-300)},
		{`qnorm(0.975)`, 1.9599639845400536, z.Quantile(0.975)},
		{`qnorm(1e-6)`, -4.7534243088228987, z.Quantile(1e-6)},
		{`qnorm(0.3)`, -0.52440051270804067, z.Quantile(0.3)},
		{`pchisq(16.8,1,lower.tail=FALSE)`, 4.1533302866776651e-05, ChiSquared{1}.Upper(16.8)},
		{`pchisq(1000,3,lower.tail=FALSE)`, 1.7994208765314476e-216, ChiSquared{3}.Upper(1000)},
		{`pchisq(1e-5,2)`, 4.999987500020834e-06, ChiSquared{2}.Lower(1e-5)},
		{`qchisq(0.05,10)`, 3.9402991361190605, ChiSquared{10}.Quantile(0.05)},
		{`pchisq(1e5,1e5)`, 0.50059470810479334, ChiSquared{1e5}.Lower(1e5)},
		{`pf(5.180972408,2,17.12841862,lower.tail=FALSE)`, 0.017392821488590084, F{2, 17.12841862}.Upper(5.180972408)},
		{`pf(1000,3,5,lower.tail=FALSE)`, 2.2992472857669969e-07, F{3, 5}.Upper(1000)},
		{`pf(0.001,4,7)`, 2.5660483121319487e-06, F{4, 7}.Lower(0.001)},
		{`qf(0.95,2,17)`, 3.59153056847508, F{2, 17}.Quantile(0.95)},
		{`pbeta(0.3,0.5,200.5)`, 1, Beta{0.5, 200.5}.Lower(0.3)},
		{`pbeta(0.5,45000,44000)`, 0.00040106522603222352, Beta{45000, 44000}.Lower(0.5)},
		{`pbeta(0.19,8503,36198)`, 0.45391844549342614, Beta{8503, 36198}.Lower(0.19)},
		{`pbeta(1e-5,0.01,5)`, 0.90994865145945847, Beta{0.01, 5}.Lower(1e-5)},
		{`qbeta(0.025,682,244)`, 0.70766826407903904, Beta{682, 244}.Quantile(0.025)},
		{`qbeta(0.975,1,9)`, 0.33626711687994293, Beta{1, 9}.Quantile(0.975)},
		{`qbeta(1e-8,2,3)`, 4.0825940216092383e-05, Beta{2, 3}.Quantile(1e-8)},
		{`pbinom(3,10,0.5)`, 0.171875, Binomial{10, 0.5}.Lower(3)},
		{`pbinom(8502,44700,0.19,lower.tail=FALSE)`, 0.45391844549342614, Binomial{44700, 0.19}.Upper(8502)},
		{`dbinom(44700,90189,0.5)`, 8.4240586445746978e-05, Binomial{90189, 0.5}.Point(44700)},
		{`pbinom(600,1000,0.5,lower.tail=FALSE)`, 9.0084127062804165e-11, Binomial{1000, 0.5}.Upper(600)},
		{`dpois(50,20)`, 7.6301885974400018e-09, Poisson{20}.Point(50)},
		{`ppois(3,10)`, 0.010336050675925716, Poisson{10}.Lower(3)},
		{`ppois(1000,900,lower.tail=FALSE)`, 0.00049063273285759369, Poisson{900}.Upper(1000)},
		{`dhyper(3,4,4,4)`, 0.22857142857142862, Hypergeometric{4, 4, 4}.Points()[3]},
		{`dhyper(300,1000,2000,900)`, 0.033704447227176484, h.Points()[300]},
		{`pt(2, 10, 1)`, 0.80761156253031108, NoncentralT{10, 1}.Lower(2)},
		{`pt(1.98, 126, 2.8,lower.tail=FALSE)`, 0.79320963882707873, NoncentralT{126, 2.8}.Upper(1.98)},
		{`pt(-1, 5, 0.5)`, 0.082444091056970814, NoncentralT{5, 0.5}.Lower(-1)},
		{`pt(2.1,18,-0.3)`, 0.98757691694933236, NoncentralT{18, -0.3}.Lower(2.1)},
		{`pt(2.7764451051977934, 4, 1.2247448713915889, lower.tail=FALSE)`, 0.15723610293312473, NoncentralT{4, 1.2247448713915889}.Upper(2.7764451051977934)},
		{`pt(10, 30, 8)`, 0.88121349237748581, NoncentralT{30, 8}.Lower(10)},
	} {
		within := 2e-12
		if strings.Count(c.r, ",") == 2 && strings.HasPrefix(c.r, "pt(") || strings.Contains(c.r, "lower.tail") && strings.HasPrefix(c.r, "pt(") {
			within = 1e-11 // R's own noncentral t stops at an absolute 1e-12
		}
		if math.Abs(c.got-c.want) > within*math.Abs(c.want) {
			t.Errorf("%s = %.17g, want %.17g (relative %.2g)", c.r, c.got, c.want, c.got/c.want-1)
		}
	}
}

// TestFarNoncentral: where the two ways to compute it meet, they are about the same.
func TestFarNoncentral(t *testing.T) {
	for _, at := range []float64{900, 999, 1050, 1400} {
		_, series := NoncentralT{20, 1000}.both(at)
		_, far := NoncentralT{20, 1000}.far(at)
		if math.Abs(series-far) > 1e-3 {
			t.Errorf("at %g: %g and %g", at, series, far)
		}
	}
}

// TestQuantilesInvert: a quantile put back into its distribution gives the probability, in both tails.
func TestQuantilesInvert(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		p := math.Pow(10, -12*r.Float64())
		n := math.Pow(10, 4*r.Float64()-0.5)
		m := math.Pow(10, 4*r.Float64()-0.5)
		for name, got := range map[string]float64{
			"normal": Normal{}.Lower(Normal{}.Quantile(p)),
			"t":      T{n}.Upper(T{n}.UpperQuantile(p)),
			"chi":    ChiSquared{n}.Lower(ChiSquared{n}.Quantile(p)),
			"F":      F{n, m}.Lower(F{n, m}.Quantile(p)),
			"beta":   Beta{n, m}.Lower(Beta{n, m}.Quantile(p)),
		} {
			// A rounding of x moves the probability by x·density·eps, which grows with the parameters.
			if name == "beta" && (Beta{n, m}).Quantile(p) > 0.999 {
				continue // 1−x has few digits there
			}
			if math.Abs(got/p-1) > 3e-12 {
				t.Fatalf("%s n=%g m=%g: %g gives %g (%g)", name, n, m, p, got, got/p-1)
			}
		}
	}
}

// TestSidesSumToOne: both sides are computed apart, and belong together.
func TestSidesSumToOne(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		a, b, x := math.Pow(10, 6*r.Float64()-1), math.Pow(10, 6*r.Float64()-1), r.Float64()
		l, u := incompleteBeta(a, b, x, 1-x)
		u2, l2 := incompleteBeta(b, a, 1-x, x)
		if math.Abs(l+u-1) > 1e-14 || math.Abs(l-l2) > 1e-12 || math.Abs(u-u2) > 1e-12 {
			t.Fatalf("I(%g, %g, %g) = %g, %g; mirrored %g, %g", a, b, x, l, u, l2, u2)
		}
	}
}

// TestOddInput: parameters and arguments that make no sense neither panic nor hang.
func TestOddInput(t *testing.T) {
	odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, -1, 1, 1e308, 5e-324, 0.5}
	for _, a := range odd {
		for _, b := range odd {
			T{a}.Lower(b)
			T{a}.Quantile(b)
			NoncentralT{a, b}.Upper(a)
			NoncentralT{3, a}.Lower(b)
			Normal{}.Quantile(a)
			ChiSquared{a}.Lower(b)
			ChiSquared{a}.Quantile(b)
			F{a, 3}.Quantile(b)
			Beta{a, 2}.Quantile(b)
			Beta{2, a}.Lower(b)
		}
	}
}

func BenchmarkTQuantile(b *testing.B) {
	for b.Loop() {
		T{17.3}.Quantile(0.975)
	}
}
