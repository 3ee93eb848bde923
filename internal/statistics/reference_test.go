package statistics

import (
	"fmt"
	"math"
	"testing"
)

// A reference is a value computed elsewhere; the expression is beside it. x, y, u, v, big, bog, d are as in
// TestReferences.
type reference struct {
	from string
	want float64
	got  float64
}

// TestReferences: R 4.2.2 ("scipy" and "statsmodels" name SciPy 1.10.1 and statsmodels 0.13) over tiny, tied, zero,
// extreme and large input, to 1e-10.
func TestReferences(t *testing.T) {
	x, y := []float64{1.2, 3.4, 2.2, 5.1, 0.7, 2.2}, []float64{2.9, 4.4, 6.1, 2.2, 7.3}
	u, v := []float64{1, 2}, []float64{4, 9}
	big, bog := []float64{1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 4}, []float64{1e9 + 2.5, 1e9 + 3.5, 1e9 + 5, 1e9 + 7}
	d := []float64{0, 0, 1, -2, 3, 3, 4, -1, 5, 2}
	e := []float64{1.1, -2.2, 3.3, 4.4, 5.5, 6.6, -0.5}
	ok := must[Outcome](t)
	o, less, greater := Options{}, Options{Tail: Less}, Options{Tail: Greater}
	p := func(out Outcome, err error) float64 { t.Helper(); return ok(out, err).P }
	low := func(out Outcome, err error) float64 { t.Helper(); return ok(out, err).Interval.Low }
	high := func(out Outcome, err error) float64 { t.Helper(); return ok(out, err).Interval.High }
	for _, c := range []reference{
		{`t.test(x,y)$p.value`, 0.108165911308586, p(Welch(x, y, o))},
		{`t.test(x,y,alternative='less')$p.value`, 0.0540829556542928, p(Welch(x, y, less))},
		{`t.test(x,y,alternative='greater',mu=-1)$p.value`, 0.817076550877786, p(Welch(x, y, Options{Tail: Greater, Null: -1}))},
		{`t.test(u,v)$p.value`, 0.285636323244661, p(Welch(u, v, o))},
		{`t.test(big,bog)$p.value`, 0.146605680552064, p(Welch(big, bog, o))},
		{`t.test(big,bog)$conf.int[1]`, -4.98073076386979, low(Welch(big, bog, o))},
		{`t.test(x,y,conf.level=.9)$conf.int[1]`, -4.28750472118668, low(Welch(x, y, Options{Level: 0.9}))},
		{`t.test(x,y,alternative='less')$conf.int[2]`, 0.0608380545200121, high(Welch(x, y, less))},
		{`t.test(x,y,var.equal=TRUE)$conf.int[1]`, -4.65153335826004, low(Pooled(x, y, o))},
		{`t.test(x,y,var.equal=TRUE)$conf.int[2]`, 0.424866691593375, high(Pooled(x, y, o))},
		{`t.test(x,mu=2)$p.value`, 0.50489894526139, p(OneSample(x, Options{Null: 2}))},
		{`t.test(c(1,1,1,1),c(1,2,3))$p.value`, 0.225403330758517, p(Welch([]float64{1, 1, 1, 1}, []float64{1, 2, 3}, o))},
		{`wilcox.test(c(1,2,3),c(4,5,6))$p.value`, 0.1, p(MannWhitney(upTo(3, 0), upTo(3, 3), Auto, o))},
		{`wilcox.test(c(1,3,5,7,9.5),c(2,4,6,8,10,12,14))$p.value`, 0.267676767676768, p(MannWhitney([]float64{1, 3, 5, 7, 9.5}, []float64{2, 4, 6, 8, 10, 12, 14}, Auto, o))},
		{`wilcox.test(1:40,20.5+1:45)$p.value`, 9.38725271175617e-12, p(MannWhitney(upTo(40, 0), upTo(45, 20.5), Auto, o))},
		{`wilcox.test(1:40,20.5+1:45,conf.int=TRUE)$conf.int[1]`, -28.5, low(MannWhitney(upTo(40, 0), upTo(45, 20.5), Auto, o))},
		{`wilcox.test(1:40,20.5+1:45,conf.int=TRUE)$conf.int[2]`, -17.5, high(MannWhitney(upTo(40, 0), upTo(45, 20.5), Auto, o))},
		{`wilcox.test(1:3,c(0.5,7,8,9,11),conf.int=TRUE)$conf.int[2]`, 2.5, high(MannWhitney(upTo(3, 0), []float64{0.5, 7, 8, 9, 11}, Auto, o))},
		{`wilcox.test(x,y,exact=FALSE)$p.value`, 0.117305564012087, p(MannWhitney(x, y, NormalContinuity, o))},
		{`wilcox.test(x,y,exact=FALSE,alternative='greater')$p.value`, 0.959978864820843, p(MannWhitney(x, y, NormalContinuity, greater))},
		{`wilcox.test(x,y,exact=FALSE,correct=FALSE)$p.value`, 0.0972544284390032, p(MannWhitney(x, y, Normal, o))},
		{`wilcox.test(1:300,20.5+1:300)$p.value`, 0.00514875237855409, p(MannWhitney(upTo(300, 0), upTo(300, 20.5), Auto, o))},
		{`scipy permutation_test((x,y), mannwhitneyu U)`, 54.0 / 462, p(MannWhitney(x, y, Exact, o))},
		{`wilcox.test(e)$p.value`, 0.109375, p(SignedRank(e, DropZeros, Auto, o))},
		{`wilcox.test(e,conf.int=TRUE)$conf.int[1]`, -0.55, low(SignedRank(e, DropZeros, Auto, o))},
		{`wilcox.test(e,conf.int=TRUE)$conf.int[2]`, 5.5, high(SignedRank(e, DropZeros, Auto, o))},
		{`wilcox.test(c(1.1,2.2,3.3),alternative='greater')$p.value`, 0.125, p(SignedRank([]float64{1.1, 2.2, 3.3}, DropZeros, Auto, greater))},
		{`wilcox.test(d,exact=FALSE)$p.value`, 0.0789483377160011, p(SignedRank(d, DropZeros, NormalContinuity, o))},
		{`wilcox.test(d,exact=FALSE,correct=FALSE)$p.value`, 0.067685673432768, p(SignedRank(d, DropZeros, Normal, o))},
		{`scipy wilcoxon(d, zero_method='pratt', mode='approx')`, 0.08053056873299763, p(SignedRank(d, PrattZeros, Normal, o))},
		{`wilcox.test((1:45)-10.3)$p.value`, 2.7546502678888e-07, p(SignedRank(upTo(45, -10.3), DropZeros, Auto, o))},
		{`wilcox.test((1:45)-10.3,conf.int=TRUE)$estimate`, 12.7, ok(SignedRank(upTo(45, -10.3), DropZeros, Auto, o)).Estimate},
		{`scipy permutation_test((x,y), mean difference, alternative='less')`, 0.05627705627705628, p(Permutation(x, y, 1, 0, less))},
		{`scipy permutation_test((x,y), mean difference)`, 0.11255411255411256, p(Permutation(x, y, 1, 0, o))},
		{`scipy brunnermunzel(y,x).statistic`, -2.1514114968019085, ok(BrunnerMunzel(x, y, o)).Statistic},
		{`scipy brunnermunzel(y,x).pvalue`, 0.06010445357117603, p(BrunnerMunzel(x, y, o))},
		{`ks.test(x,y,exact=TRUE)$p.value`, 0.415584415584416, p(KolmogorovSmirnov(x, y))},
		{`scipy ks_2samp(1:50,30.5+1:60,method='exact')`, 1.135303462103543e-12, p(KolmogorovSmirnov(upTo(50, 0), upTo(60, 30.5)))},
		{`ks.test(c(1,2,3),c(4,5,6))$p.value`, 0.1, p(KolmogorovSmirnov(upTo(3, 0), upTo(3, 3)))},
		{`kruskal.test(list(x,y,c(1,1,9)))$p.value`, 0.304153666852435, p(KruskalWallis(x, y, []float64{1, 1, 9}))},
		{`oneway.test(v~g) of x and y`, 0.108165911308585, p(WelchAnova(x, y))},
		{`quantile(x,.3)`, 1.7, Quantile(x, 0.3)},
	} {
		near(t, c.from, c.got, c.want, 1e-10)
	}
	// R stops its series at 1e-6.
	near(t, "ks.test(1:50,30.5+1:60,exact=FALSE)$p.value", kolmogorov(upTo(50, 0), upTo(60, 30.5), false).P, 1.7365220372767e-11, 3e-6)
}

// upTo is 1, …, n, moved.
func upTo(n int, by float64) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = float64(i+1) + by
	}
	return out
}

// admissions is R's UCBAdmissions: men and women admitted, by department.
func admissions() []Stratum {
	var out []Stratum
	for _, c := range [][4]int{{512, 313, 89, 19}, {353, 207, 17, 8}, {120, 205, 202, 391}, {138, 279, 131, 244}, {53, 138, 94, 299}, {22, 351, 24, 317}} {
		out = append(out, Stratum{Count{c[0], c[0] + c[1]}, Count{c[2], c[2] + c[3]}})
	}
	return out
}

// TestReferencesCounts: the same for counts and plans.
func TestReferencesCounts(t *testing.T) {
	ok := must[Outcome](t)
	o, less := Options{}, Options{Tail: Less}
	p := func(out Outcome, err error) float64 { t.Helper(); return ok(out, err).P }
	low := func(out Outcome, err error) float64 { t.Helper(); return ok(out, err).Interval.Low }
	high := func(out Outcome, err error) float64 { t.Helper(); return ok(out, err).Interval.High }
	side := func(i Interval, err error) Interval { t.Helper(); return must[Interval](t)(i, err) }
	number := must[float64](t)
	half := Count{15, 50}
	ucb := ok(MantelHaenszel(admissions(), true, o))
	rates := func(tail Tail) (Outcome, error) { return PoissonRatio(11, 800, 21, 3011, Options{Tail: tail}) }
	for _, c := range []reference{
		{`prop.test(c(15,25),c(50,50))$p.value`, 0.0661925797221934, p(ProportionTest(half, Count{25, 50}, true, o))},
		{`prop.test(c(15,25),c(50,50))$conf.int[1]`, -0.407993141232296, low(ProportionTest(half, Count{25, 50}, true, o))},
		{`prop.test(c(15,25),c(50,50))$conf.int[2]`, 0.00799314123229583, high(ProportionTest(half, Count{25, 50}, true, o))},
		{`prop.test(c(1,0),c(10,12))$p.value`, 0.925557733182569, p(ProportionTest(Count{1, 10}, Count{0, 12}, true, o))},
		{`prop.test(c(24,25),c(50,50))$p.value`, 1, p(ProportionTest(Count{24, 50}, Count{25, 50}, true, o))},
		{`prop.test(7,50,correct=FALSE)$conf.int[1]`, 0.0695083342701629, side(Wilson(Count{7, 50}, 0.95)).Low},
		{`prop.test(7,50,correct=FALSE)$conf.int[2]`, 0.261861937105855, side(Wilson(Count{7, 50}, 0.95)).High},
		{`prop.test(0,20,correct=FALSE)$conf.int[2]`, 0.161125158052819, side(Wilson(Count{0, 20}, 0)).High},
		{`statsmodels confint_proportions_2indep(56,70,48,80,method='newcomb')[0]`, 0.05243147240236498, side(Newcombe(Count{56, 70}, Count{48, 80}, 0.95)).Low},
		{`statsmodels confint_proportions_2indep(56,70,48,80,method='newcomb')[1]`, 0.33387265403690614, side(Newcombe(Count{56, 70}, Count{48, 80}, 0.95)).High},
		{`statsmodels confint_proportions_2indep(10,10,0,20,method='newcomb')[0]`, 0.6790860371419145, side(Newcombe(Count{10, 10}, Count{0, 20}, 0.95)).Low},
		{`z with the likeliest p by uniroot, (56,70,48,80) about .05`, 2.00336821580617, ok(Score(Count{56, 70}, Count{48, 80}, Options{Null: 0.05})).Statistic},
		{`2*pnorm(-|z|) with the likeliest p by uniroot, (9,10,3,10) about -.1`, 0.00139435050142986, p(Score(Count{9, 10}, Count{3, 10}, Options{Null: -0.1}))},
		{`fisher.test(matrix(c(10,2,3,15),2,byrow=TRUE))$p.value`, 0.000536724119143436, p(Fisher(Count{10, 12}, Count{3, 18}, o))},
		{`scipy odds_ratio([[10,2],[3,15]])`, 21.305317556750314, ok(Fisher(Count{10, 12}, Count{3, 18}, o)).Estimate},
		{`scipy odds_ratio([[10,2],[3,15]]).confidence_interval() low`, 2.7533827882493185, low(Fisher(Count{10, 12}, Count{3, 18}, o))},
		{`scipy odds_ratio([[10,2],[3,15]]).confidence_interval() high`, 301.4623379715165, high(Fisher(Count{10, 12}, Count{3, 18}, o))},
		{`fisher.test(matrix(c(0,10,5,5),2,byrow=TRUE))$p.value`, 0.0325077399380805, p(Fisher(Count{0, 10}, Count{5, 10}, o))},
		{`fisher.test(matrix(c(0,10,5,5),2,byrow=TRUE),alternative='less')$p.value`, 0.0162538699690403, p(Fisher(Count{0, 10}, Count{5, 10}, less))},
		{`fisher.test(matrix(c(8502,36198,8279,37210),2,byrow=TRUE))$p.value`, 0.00159096158398424, p(Fisher(retained7[0], retained7[1], o))},
		{`fisher.test(matrix(c(1,99999,12,99988),2,byrow=TRUE))$p.value`, 0.00341701667535398, p(Fisher(Count{1, 100000}, Count{12, 100000}, o))},
		{`binom.test(0,10)$p.value`, 0.001953125, p(BinomialTest(Count{0, 10}, 0.5, o))},
		{`binom.test(0,10)$conf.int[2]`, 0.308497107818761, high(BinomialTest(Count{0, 10}, 0.5, o))},
		{`binom.test(10,10,.9)$p.value`, 0.612579511, p(BinomialTest(Count{10, 10}, 0.9, o))},
		{`binom.test(3,17,.4,alternative='less')$p.value`, 0.0464229308104704, p(BinomialTest(Count{3, 17}, 0.4, less))},
		{`binom.test(3,17,.4,alternative='less')$conf.int[2]`, 0.395641433444821, high(BinomialTest(Count{3, 17}, 0.4, less))},
		{`binom.test(60000,100000,.61)$p.value`, 9.55183788237727e-11, p(BinomialTest(Count{60000, 100000}, 0.61, o))},
		{`binom.test(5,1000,.05)$p.value`, 4.82771100502131e-16, p(BinomialTest(Count{5, 1000}, 0.05, o))},
		{`binom.test(19,400,.03)$p.value`, 0.0541286755564467, p(BinomialTest(Count{19, 400}, 0.03, o))},
		{`binom.test(1,3,conf.level=.99)$conf.int[1]`, 0.00166945218630867, low(BinomialTest(Count{1, 3}, 0.5, Options{Level: 0.99}))},
		{`binom.test(5,20)$p.value, for McNemar`, 0.0413894653320313, p(McNemarExact(5, 15, o))},
		{`mcnemar.test(matrix(c(10,5,15,20),2),correct=FALSE)$p.value`, 0.0253473186774683, p(McNemar(5, 15, false))},
		{`mcnemar.test(matrix(c(10,6,6,20),2))$p.value`, 1, p(McNemar(6, 6, true))},
		{`poisson.test(c(11,21),c(800,3011))$p.value`, 0.0796686330333295, p(rates(TwoSided))},
		{`poisson.test(c(11,21),c(800,3011))$conf.int[1]`, 0.858426403391639, low(rates(TwoSided))},
		{`poisson.test(c(11,21),c(800,3011))$conf.int[2]`, 4.27726594365407, high(rates(TwoSided))},
		{`poisson.test(c(0,7),c(10,10))$p.value`, 0.015625, p(PoissonRatio(0, 10, 7, 10, o))},
		{`poisson.test(c(0,7),c(10,10))$conf.int[2]`, 0.693813980096453, high(PoissonRatio(0, 10, 7, 10, o))},
		{`poisson.test(137,24.19893)$conf.int[1]`, 4.75312480484875, side(PoissonRate(137, 24.19893, 0.95)).Low},
		{`poisson.test(137,24.19893)$conf.int[2]`, 6.69270933417607, side(PoissonRate(137, 24.19893, 0.95)).High},
		{`poisson.test(0,3)$conf.int[2]`, 1.22962648470465, side(PoissonRate(0, 3, 0.95)).High},
		{`mantelhaen.test(UCBAdmissions)$statistic`, 1.42694622858669, ucb.Statistic},
		{`mantelhaen.test(UCBAdmissions)$p.value`, 0.232263462817048, ucb.P},
		{`mantelhaen.test(UCBAdmissions)$estimate`, 0.904696828258623, ucb.Estimate},
		{`mantelhaen.test(UCBAdmissions)$conf.int[1]`, 0.77190736175935, ucb.Interval.Low},
		{`mantelhaen.test(UCBAdmissions)$conf.int[2]`, 1.06032976443666, ucb.Interval.High},
		{`mantelhaen.test(UCBAdmissions,correct=FALSE)$p.value`, 0.216923697055518, p(MantelHaenszel(admissions(), false, o))},
		{`power.t.test(n=20,delta=1,sd=1)$power`, 0.868952801692498, PowerT(TwoSamples, 20, 1, 0.05)},
		{`power.t.test(n=3,delta=5,sd=1)$power`, 0.992775913628304, PowerT(TwoSamples, 3, 5, 0.05)},
		{`power.t.test(n=5,delta=2,sd=1,type='paired')$power`, 0.908884864211263, PowerT(Pairs, 5, 2, 0.05)},
		{`power.t.test(delta=.3,sd=1,power=.9,type='one.sample',tol=1e-12)$n`, 118.686545686034, number(SizeT(Pairs, 0.3, 0.05, 0.9))},
		{`power.t.test(n=25,power=.8,tol=1e-12)$delta`, 0.808708759074686, number(DetectableT(TwoSamples, 25, 0.05, 0.8))},
		{`power.prop.test(n=50,p1=.5,p2=.75)$power`, 0.740165901331388, PowerProportions(50, 0.5, 0.75, 0.05)},
		{`power.prop.test(n=500,p1=.1,power=.9,tol=1e-14)$p2`, 0.169901147923874, DetectableProportion(500, 0.1, 0.05, 0.9)},
		{`chisq.test(c(1000,1100,950),p=c(1,1,1)/3)$p.value`, 0.00322215490522249, p(SampleRatio([]int{1000, 1100, 950}, nil))},
		{`chisq.test(c(500,700),p=c(.4,.6))$p.value`, 0.238592829316436, p(SampleRatio([]int{500, 700}, []float64{0.4, 0.6}))},
		{`survdiff(Surv(time,status)~x,aml)$chisq`, 3.3963886989776, ok(LogRank(leukemia())).Statistic},
	} {
		near(t, c.from, c.got, c.want, 1e-10)
	}
}

// TestReferencesSearched: values that others find by searching, families, and published intervals.
func TestReferencesSearched(t *testing.T) {
	ok := must[Outcome](t)
	o, less, greater := Options{}, Options{Tail: Less}, Options{Tail: Greater}
	p := func(out Outcome, err error) float64 { t.Helper(); return ok(out, err).P }
	side := func(i Interval, err error) Interval { t.Helper(); return must[Interval](t)(i, err) }
	// Where the probabilities are too small for a number, the interval still is one.
	apart := ok(Fisher(Count{10000, 10000}, Count{0, 10000}, o))
	if !(apart.Interval.Low > 1e5 && apart.Interval.Low < 1e9) || !math.IsInf(apart.Interval.High, 1) || apart.P > 1e-300 {
		t.Errorf("sides wholly apart: %+v", apart)
	}
	// SciPy searches by chance, and stops short of the peak.
	for _, c := range []struct {
		a, b          Count
		less, greater float64
	}{
		{Count{7, 19}, Count{8, 11}, 0.03348066199658195, 0.9722842686426977},
		{Count{74, 105}, Count{43, 75}, 0.9662786843572803, 0.03578890249310086},
		{Count{1, 10}, Count{8, 10}, 0.0012884140014648453, 0.9979524612426771},
		{Count{0, 10}, Count{5, 10}, 0.006389617919921881, 1},
	} {
		near(t, fmt.Sprint("scipy boschloo_exact less ", c.a, c.b), p(Boschloo(c.a, c.b, less)), c.less, 1e-6)
		near(t, fmt.Sprint("scipy boschloo_exact greater ", c.a, c.b), p(Boschloo(c.a, c.b, greater)), c.greater, 1e-6)
	}
	family := []float64{.04, .001, .03, .03, .9}
	for by, want := range map[Adjustment][]float64{
		Holm: {0.12, 0.005, 0.12, 0.12, 0.9}, BH: {0.05, 0.005, 0.05, 0.05, 0.9}, Hochberg: {0.08, 0.005, 0.08, 0.08, 0.9},
		BY: {0.114166666666667, 0.0114166666666667, 0.114166666666667, 0.114166666666667, 1},
	} {
		for i, p := range AdjustP(family, by) {
			near(t, "p.adjust(c(.04,.001,.03,.03,.9)) "+by.String(), p, want[i], 1e-12)
		}
	}
	equal := ok(Equivalence(func(o Options) (Outcome, error) { return Score(Count{85, 100}, Count{84, 100}, o) }, -0.15, 0.15, o))
	near(t, "pnorm(z) with the likeliest p by uniroot, (85,100,84,100) about .15", equal.P, 0.00421920172802365, 1e-9)
	// Newcombe (1998), table II, example (a), methods 5 and 10.
	mee := ok(Score(Count{56, 70}, Count{48, 80}, o)).Interval
	hybrid := side(Newcombe(Count{56, 70}, Count{48, 80}, 0.95))
	for _, c := range []reference{{"Mee low", 0.0533, mee.Low}, {"Mee high", 0.3377, mee.High}, {"hybrid low", 0.0524, hybrid.Low}, {"hybrid high", 0.3339, hybrid.High}} {
		if math.Abs(c.got-c.want) > 5.1e-5 {
			t.Errorf("%s = %.5f, want %.4f", c.from, c.got, c.want)
		}
	}
}

// leukemia is R's survival::aml: with maintained chemotherapy and without.
func leukemia() (maintained, not []Survival) {
	return []Survival{{9, true}, {13, true}, {13, false}, {18, true}, {23, true}, {28, false}, {31, true}, {34, true}, {45, false}, {48, true}, {161, false}},
		[]Survival{{5, true}, {5, true}, {8, true}, {8, true}, {12, true}, {16, false}, {23, true}, {27, true}, {30, true}, {33, true}, {43, true}, {45, true}}
}

// TestKaplanMeier: survfit(Surv(time,status)~1, aml[aml$x=='Maintained',]) of R's survival 3.5.
func TestKaplanMeier(t *testing.T) {
	a, _ := leukemia()
	steps := must[[]SurvivalStep](t)(KaplanMeier(a, 0.95))
	want := []SurvivalStep{
		{9, 11, 1, 0.909090909090909, Interval{0.754133845081525, 1}}, {13, 10, 1, 0.818181818181818, Interval{0.619248987399364, 1}},
		{18, 8, 1, 0.715909090909091, Interval{0.488426287422128, 1}}, {23, 7, 1, 0.613636363636364, Interval{0.37686705950168, 0.999157600228473}},
		{31, 5, 1, 0.490909090909091, Interval{0.254859951199317, 0.945584955200429}}, {34, 4, 1, 0.368181818181818, Interval{0.154877117897191, 0.875260678143908}},
		{48, 2, 1, 0.184090909090909, Interval{0.0359178984891853, 0.943525769474552}},
	}
	if len(steps) != len(want) {
		t.Fatalf("%d steps, want %d", len(steps), len(want))
	}
	for i, s := range steps {
		w := want[i]
		if s.Time != w.Time || s.AtRisk != w.AtRisk || s.Ended != w.Ended {
			t.Errorf("step %d is %+v, want %+v", i, s, w)
		}
		near(t, "survival", s.Survival, w.Survival, 1e-12)
		near(t, "low", s.Interval.Low, w.Interval.Low, 1e-12)
		near(t, "high", s.Interval.High, w.Interval.High, 1e-12)
	}
}

// hemorrhage is pROC's aSAH (Turck et al. 2010): poor outcome, and three predictors of it.
func hemorrhage() (poor []bool, wfns, s100b, ndka []float64) {
	for _, c := range "00001101001011001011101000000000100110110000000001100010001010011101101111000110100000010000000000001111110001000" {
		poor = append(poor, c == '1')
	}
	for _, c := range "11113254125255125225211112121134214541425511241125521251222151125214524414121421232421451154221113125225552445111" {
		wfns = append(wfns, float64(c-'0'))
	}
	s100b = []float64{
		0.13, 0.14, 0.1, 0.04, 0.13, 0.1, 0.47, 0.16, 0.18, 0.1, 0.12, 0.1, 0.44, 0.71, 0.04, 0.08, 0.49, 0.04, 0.07, 0.33, 0.09, 0.09, 0.07, 0.11,
		0.07, 0.17, 0.07, 0.11, 0.13, 0.19, 0.05, 0.16, 0.41, 0.14, 0.34, 0.35, 0.48, 0.09, 0.96, 0.25, 0.5, 0.46, 0.16, 0.07, 0.43, 0.45, 0.11, 0.08,
		0.09, 0.86, 0.52, 0.08, 0.06, 0.13, 2.07, 0.1, 0.14, 0.15, 0.07, 0.06, 0.77, 0.05, 0.09, 0.3, 0.03, 0.09, 0.04, 0.23, 0.7, 0.09, 0.27, 0.71,
		0.08, 0.26, 0.08, 0.16, 0.09, 0.13, 0.1, 0.08, 0.11, 0.33, 0.11, 0.28, 0.07, 0.1, 0.32, 0.22, 0.07, 0.05, 0.24, 0.38, 0.1, 0.15, 0.08, 0.14,
		0.1, 0.07, 0.04, 0.19, 0.56, 0.14, 0.58, 0.32, 0.82, 0.74, 0.15, 0.47, 0.17, 0.44, 0.15, 0.5, 0.48,
	}
	ndka = []float64{
		3.01, 8.54, 8.09, 10.42, 17.4, 12.75, 6, 13.2, 15.54, 6.01, 15.96, 17.86, 5.18, 8.9, 13.41, 20.75, 11.6, 16.11,
		32.37, 54.82, 32.41, 49.94, 40.34, 9.47, 6.29, 12.53, 6.54, 6.3, 80.3, 12.8, 9.8, 9.81, 9.85, 18.21, 5.03, 14.04,
		21.93, 8.02, 7.42, 8.38, 6.59, 9.63, 13.12, 7.96, 14.34, 41.43, 7.63, 7.06, 12.59, 13.56, 3.87, 9.44, 7.66, 12.98,
		419.19, 27.19, 22.27, 9.95, 21.22, 11.73, 10.4, 58.83, 6.39, 11.09, 12.22, 13.67, 17.21, 22.63, 12.9, 9.7, 21.57, 8.23,
		72.57, 15.54, 10.51, 10.6, 14.57, 5.19, 9.63, 4.61, 21.48, 17.3, 12.71, 9.44, 11.07, 19.46, 10.83, 5.37, 11.97, 7.75,
		9.83, 10.55, 28.49, 8.53, 12.57, 12.9, 46.83, 11.68, 12.67, 9.01, 9.57, 34.06, 11.72, 14.26, 47.61, 11.67, 24.58, 10.33,
		13.87, 15.89, 22.43, 6.79, 13.45,
	}
	return poor, wfns, s100b, ndka
}

// TestDeLong: R's pROC 1.18: auc, ci.auc, roc.test(method="delong").
func TestDeLong(t *testing.T) {
	ok := must[Outcome](t)
	poor, wfns, s100b, ndka := hemorrhage()
	w := ok(AUROC(poor, wfns, Options{}))
	s := ok(AUROC(poor, s100b, Options{}))
	paired := ok(DeLong(poor, s100b, wfns, Options{}))
	other := ok(DeLong(poor, s100b, ndka, Options{}))
	for _, c := range []reference{
		{"auc(wfns)", 0.823678861788618, w.Estimate},
		{"ci.auc(wfns)[1]", 0.748534887819453, w.Interval.Low},
		{"ci.auc(wfns)[3]", 0.898822835757783, w.Interval.High},
		{"ci.auc(s100b)[1]", 0.630118211761623, s.Interval.Low},
		{"auc(s100b)", 0.731368563685637, s.Estimate},
		{"ci.auc(s100b)[3]", 0.832618915609651, s.Interval.High},
		{"roc.test(s100b, wfns)$statistic", -2.20898359144091, paired.Statistic},
		{"roc.test(s100b, wfns)$p.value", 0.0271757822291882, paired.P},
		{"roc.test(s100b, ndka)$statistic", 1.39077002573558, other.Statistic},
		{"roc.test(s100b, ndka)$p.value", 0.164295175223054, other.P},
		{"roc.test(s100b, ndka, paired=FALSE)$statistic", 1.55995743389685, ok(DeLongTwo(poor, s100b, poor, ndka, Options{})).Statistic},
	} {
		near(t, c.from, c.got, c.want, 1e-10)
	}
}

// TestSequentialAgainstItsFormula: the ratios are the integrals that they stand for, computed by adding up.
func TestSequentialAgainstItsFormula(t *testing.T) {
	integral := func(f func(float64) float64) float64 {
		const steps, reach = 200_000, 12.0
		var s float64
		for i := range steps {
			s += f((float64(i)+0.5)/steps*2*reach - reach)
		}
		return s * 2 * reach / steps
	}
	density := func(x, sd float64) float64 { return math.Exp(-x*x/(2*sd*sd)) / sd / math.Sqrt(2*math.Pi) }
	delta, v, tau := 0.7, 0.09, 0.5
	mixed := integral(func(m float64) float64 { return density(delta-m, math.Sqrt(v)) * density(m, tau) })
	near(t, "normal mixture", NormalMixture(delta, v, tau), mixed/density(delta, math.Sqrt(v)), 1e-9)
	// Johari et al. eq. 11: √(V/(V+nτ²))·exp(n²τ²Δ²/(2V(V+nτ²))).
	n := 40.0
	big := v * n
	near(t, "as printed", NormalMixture(delta, v, tau), math.Sqrt(big/(big+n*tau*tau))*math.Exp(n*n*tau*tau*delta*delta/(2*big*(big+n*tau*tau))), 1e-12)
	i := NormalSequence(delta, v, tau, 0.95)
	near(t, "at its end the ratio is 20", NormalMixture(delta-i.Low, v, tau), 20, 1e-10)
	s := TSequence(delta, 0.3, 40, 39, 0.5, 0.95)
	near(t, "at its end the t ratio is 20", TMixture((delta-s.Low)/0.3, 40, 39, 0.5), 20, 1e-10)
	b := must[Interval](t)(BinomialSequence(Count{30, 50}, 1, 1, 0.95))
	near(t, "at its end the share's ratio is 20", must[float64](t)(BetaBinomial(Count{30, 50}, b.High, 1, 1)), 20, 1e-9)
	// 3 hits of 4 with a flat prior: 1/5 / C(4,3) over p0³(1−p0).
	near(t, "beta binomial", must[float64](t)(BetaBinomial(Count{3, 4}, 0.5, 1, 1)), 1.0/20*16, 1e-13)
}
