package verdict

import (
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"varve/internal/statistics"
)

var long = flag.Bool("long", false, "run the simulations at their full size")

func compare(t *testing.T, a, b Sample, p Plan) Comparison {
	t.Helper()
	c, err := Compare(a, b, p)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c Comparison) warned(code string) bool {
	return slices.ContainsFunc(c.Warnings, func(w Warning) bool { return w.Code == code })
}

func near(t *testing.T, what string, got, want, within float64) {
	t.Helper()
	if !(got == want || math.Abs(got-want) <= within*math.Abs(want)) {
		t.Errorf("%s = %.12g, want %.12g", what, got, want)
	}
}

func values(v ...float64) Sample { return Sample{Values: v} }

func numbered(prefix string, n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprint(prefix, i)
	}
	return out
}

// TestCookieCats: the public experiment of 90,189 players gives the published p values (R: prop.test), and the
// sample-ratio warning that nearly every analysis of it misses.
func TestCookieCats(t *testing.T) {
	of := func(hits, n int) Sample { return Sample{Kind: Proportion, Count: statistics.Count{Hits: hits, Of: n}} }
	day7 := compare(t, of(8502, 44700), of(8279, 45489), Plan{Metric: "retention_7"})
	near(t, "day 7 p", day7.P, 0.001554249976, 1e-9)
	near(t, "day 7 delta", day7.Delta, -0.0082012983, 1e-6)
	if day7.Verdict != Worse || !day7.warned("ratio") {
		t.Errorf("day 7 is %s, with %v", day7.Verdict, day7.Warnings)
	}
	day1 := compare(t, of(20034, 44700), of(20119, 45489), Plan{Metric: "retention_1"})
	near(t, "day 1 p", day1.P, 0.0744096553, 1e-8)
	if day1.Verdict != Inconclusive || !day1.warned("ratio") || day1.NeededN < 45489 {
		t.Errorf("day 1 is %s, needs %d, with %v", day1.Verdict, day1.NeededN, day1.Warnings)
	}
	broken := compare(t, of(9000, 44700), of(8279, 46489), Plan{})
	if broken.Verdict != Inconclusive {
		t.Errorf("with a broken assignment it is %s", broken.Verdict)
	}
	fine := compare(t, of(9000, 44700), of(8279, 46489), Plan{NotAssigned: true})
	if fine.Verdict != Worse {
		t.Errorf("where nobody was assigned it is %s", fine.Verdict)
	}
	family := []Comparison{day7, day1}
	Adjust(family, statistics.Holm)
	near(t, "adjusted", family[0].PAdjusted, 0.003108499951, 1e-9)
	near(t, "adjusted", family[1].PAdjusted, 0.0744096553, 1e-8)
}

// TestFewSeeds: three seeds are told that they can never be significant, and how many are needed.
func TestFewSeeds(t *testing.T) {
	c := compare(t, values(0.90, 0.901, 0.902), values(0.95, 0.951, 0.952), Plan{})
	if c.Verdict != Inconclusive || !c.warned("few") || !strings.Contains(c.Warnings[0].Text, "3 values a side can never be significant at 0.05") || !strings.Contains(c.Warnings[0].Text, "4 are needed") {
		t.Errorf("%s: %v", c.Verdict, c.Warnings)
	}
	if trusted := compare(t, values(0.90, 0.901, 0.902), values(0.95, 0.951, 0.952), Plan{Normal: true}); trusted.Verdict != Better {
		t.Errorf("trusted to be normal: %s", trusted.Verdict)
	}
	a, b := values(.90, .91, .93, .92, .94), values(.91, .925, .941, .93, .955)
	a.Keys, b.Keys = numbered("seed", 5), numbered("seed", 5)
	c = compare(t, a, b, Plan{})
	if c.Verdict != Inconclusive || c.PairedBy != 5 || !strings.Contains(c.Warnings[0].Text, "5 pairs") || !strings.Contains(c.Warnings[0].Text, "6 are needed") {
		t.Errorf("%s: %v", c.Verdict, c.Warnings)
	}
	if one := compare(t, values(1), values(2), Plan{}); one.Verdict != Inconclusive || one.Delta != 1 || !one.warned("few") {
		t.Errorf("one value: %+v", one)
	}
}

// TestPairing: shared keys make pairs whatever their order, and the result is that of the paired test (R's sleep).
func TestPairing(t *testing.T) {
	a := Sample{Values: []float64{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0}, Keys: numbered("p", 10)}
	b := Sample{Values: []float64{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4}, Keys: numbered("p", 10)}
	c := compare(t, a, b, Plan{})
	if !c.Paired || c.Verdict != Better || c.Test != "paired t" {
		t.Errorf("%+v", c)
	}
	near(t, "p", c.P, 0.002832890197, 1e-9)
	near(t, "low", c.Interval.Low, 0.7001142367, 1e-9)
	near(t, "high", c.Interval.High, 2.459885763, 1e-9)
	alone := compare(t, Sample{Values: a.Values}, Sample{Values: b.Values}, Plan{})
	if alone.Paired || alone.Verdict != Inconclusive {
		t.Errorf("%+v", alone)
	}
	near(t, "p", alone.P, 0.07939414019, 1e-9)
	slices.Reverse(a.Values)
	slices.Reverse(a.Keys)
	if again := compare(t, a, b, Plan{}); again.P != c.P || again.Interval != c.Interval {
		t.Error("the order of the pairs matters")
	}
	b.Keys[0] = "other"
	if less := compare(t, a, b, Plan{}); less.PairedBy != 9 || !less.warned("keys") {
		t.Errorf("nine of ten: %+v", less)
	}
	a.Keys[1] = a.Keys[2]
	if twice := compare(t, a, b, Plan{}); !twice.warned("keys") || twice.PairedBy != 8 {
		t.Errorf("a key twice: %+v", twice)
	}
}

// TestVerdicts: each word where its definition says, and nothing that is not significant is called the same.
func TestVerdicts(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 5))
	draw := func(n int, mean float64) Sample {
		var s Sample
		for range n {
			s.Values = append(s.Values, mean+r.NormFloat64())
		}
		return s
	}
	a, same, up := draw(400, 100), draw(400, 100), draw(400, 101)
	few, fewUp := draw(8, 100), draw(8, 100.4)
	for name, c := range map[string]struct {
		a, b Sample
		plan Plan
		want Word
	}{
		"better":                            {a, up, Plan{}, Better},
		"worse":                             {up, a, Plan{}, Worse},
		"lower is better":                   {up, a, Plan{LowerIsBetter: true}, Better},
		"better by enough":                  {a, up, Plan{MinimumEffect: Margin{0.5, false}}, Better},
		"by too little: equivalent":         {a, up, Plan{MinimumEffect: Margin{2, true}}, Equivalent},
		"by too little, not surely":         {a, up, Plan{MinimumEffect: Margin{1.13, false}}, Inconclusive},
		"same, no margin":                   {a, same, Plan{}, Inconclusive},
		"same, with margin":                 {a, same, Plan{Equivalence: Margin{0.01, true}}, Equivalent},
		"same, margin on one side":          {a, same, Plan{NonInferiority: Margin{0.5, false}}, NonInferior},
		"few":                               {few, fewUp, Plan{MinimumEffect: Margin{0.5, false}}, Inconclusive},
		"better, and a margin for the same": {a, up, Plan{MinimumEffect: Margin{0.3, false}, Equivalence: Margin{3, false}}, Better},
	} {
		got := compare(t, c.a, c.b, c.plan)
		if got.Verdict != c.want {
			t.Errorf("%s: %s (delta %g, p %g, %v)", name, got.Verdict, got.Delta, got.P, got.Interval)
		}
		if got.Verdict == Inconclusive && got.NeededN == 0 {
			t.Errorf("%s: no needed n", name)
		}
	}
	// R: power.t.test(delta=0.5, sd=1)$n is 63.77; with the standard deviation seen.
	c := compare(t, few, fewUp, Plan{MinimumEffect: Margin{0.5, false}})
	sd := math.Sqrt((statistics.Variance(few.Values) + statistics.Variance(fewUp.Values)) / 2)
	n, _ := statistics.SizeT(statistics.TwoSamples, 0.5/sd, 0.05, 0.8)
	if c.NeededN != int(math.Ceil(n)) || c.NeededFor != 0.5 {
		t.Errorf("needs %d for %g, want %g for 0.5", c.NeededN, c.NeededFor, n)
	}
}

// TestDecisionRule: "p < 0.05 and effect ≥ 0.5 % (accuracy) or ≥ 10 % (latency), no guardrail regression, error rate <
// 0.1 %".
func TestDecisionRule(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 6))
	draw := func(kind Kind, mean, sd float64) Sample {
		s := Sample{Kind: kind}
		for range 30 {
			s.Values = append(s.Values, mean+sd*r.NormFloat64())
		}
		return s
	}
	accuracy := Plan{Metric: "accuracy", MinimumEffect: Margin{0.005, true}}
	latency := Plan{Metric: "latency", LowerIsBetter: true, MinimumEffect: Margin{0.10, true}}
	gain := compare(t, draw(Mean, 95.3, 0.2), draw(Mean, 96.1, 0.2), accuracy)
	little := compare(t, draw(Mean, 95.3, 0.2), draw(Mean, 95.55, 0.2), accuracy)
	slower := compare(t, draw(Latency, 185, 8), draw(Latency, 220, 8), latency)
	faster := compare(t, draw(Latency, 185, 8), draw(Latency, 150, 8), latency)
	bit := compare(t, draw(Latency, 185, 8), draw(Latency, 178, 8), latency)
	if gain.Verdict != Better || little.Verdict == Better || slower.Verdict != Worse || faster.Verdict != Better || bit.Verdict == Better || little.P >= 0.05 {
		t.Errorf("%s, %s, %s, %s, %s", gain.Verdict, little.Verdict, slower.Verdict, faster.Verdict, bit.Verdict)
	}
	none := math.NaN()
	errors := []Limit{{"error rate", 0.0005, none, 0.001}}
	for name, c := range map[string]struct {
		d    Decision
		want bool
	}{
		"all well":       {Decide(gain, []Comparison{faster, bit}, errors), true},
		"too little":     {Decide(little, []Comparison{faster}, errors), false},
		"guardrail":      {Decide(gain, []Comparison{slower}, errors), false},
		"limit":          {Decide(gain, nil, []Limit{{"error rate", 0.002, none, 0.001}}), false},
		"floor":          {Decide(gain, nil, []Limit{{"auroc", 0.84, 0.85, none}}), false},
		"not measured":   {Decide(gain, nil, []Limit{{"auroc", none, 0.85, none}}), false},
		"primary faster": {Decide(faster, nil, nil), true},
	} {
		if c.d.Accept != c.want || c.want != (len(c.d.Reasons) == 0) {
			t.Errorf("%s: %+v", name, c.d)
		}
	}
}

// TestKinds: each kind uses its test, and agrees with that test called by itself.
func TestKinds(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 7))
	var labels []bool
	var one, two Sample
	one.Kind, two.Kind = AUROC, AUROC
	for i := range 300 {
		labels = append(labels, i%3 == 0)
		x := r.NormFloat64()
		if i%3 == 0 {
			x += 1.5
		}
		one.Values, two.Values = append(one.Values, x+1.5*r.NormFloat64()), append(two.Values, x)
	}
	one.Labels, two.Labels = labels, labels
	c := compare(t, one, two, Plan{})
	if c.Paired || c.Test != "DeLong unpaired" {
		t.Errorf("without keys: %s", c.Test)
	}
	one.Keys, two.Keys = numbered("x", 300), numbered("x", 300)
	c = compare(t, one, two, Plan{})
	want, err := statistics.DeLong(labels, two.Values, one.Values, statistics.Options{})
	if err != nil || c.P != want.P || !c.Paired || c.Verdict != Better {
		t.Errorf("%+v, want p %g", c, want.P)
	}
	two.Labels = slices.Clone(labels)
	two.Labels[0] = !two.Labels[0]
	if _, err := Compare(one, two, Plan{}); err == nil {
		t.Error("a case with two labels is compared")
	}
	rate := func(events int, exposure float64) Sample {
		return Sample{Kind: Rate, Events: events, Exposure: exposure}
	}
	c = compare(t, rate(21, 3011), rate(11, 800), Plan{LowerIsBetter: true})
	near(t, "Poisson p", c.P, 0.0796686330333295, 1e-10)
	near(t, "rate ratio high", c.RelativeInterval.High, 3.27726594365407, 1e-10)
	if c.Verdict != Inconclusive || c.NeededN <= 11 {
		t.Errorf("%+v", c)
	}
	// The same examples judged by two classifiers: only 5 and only 15 right.
	var a, b Sample
	a.Kind, b.Kind = Proportion, Proportion
	for i := range 100 {
		x, y := 1.0, 1.0
		switch {
		case i < 5:
			y = 0
		case i < 20:
			x = 0
		case i < 40:
			x, y = 0, 0
		}
		a.Values, b.Values = append(a.Values, x), append(b.Values, y)
	}
	c = compare(t, a, b, Plan{})
	if c.Paired || c.Test != "Boschloo exact" {
		t.Errorf("without keys: %s", c.Test)
	}
	a.Keys, b.Keys = numbered("x", 100), numbered("x", 100)
	c = compare(t, a, b, Plan{})
	near(t, "McNemar p", c.P, 0.0413894653320313, 1e-12)
	if !c.Paired || c.Verdict != Better || math.Abs(c.Delta-0.1) > 1e-12 || !c.Interval.Holds(0.1) {
		t.Errorf("%+v", c)
	}
	// Other players on each side: keys, but no pairs; and players with several tries each.
	b.Keys = numbered("y", 100)
	c = compare(t, a, b, Plan{})
	if c.Paired || c.Test != "Boschloo exact" || !c.warned("keys") {
		t.Errorf("other players: %s, %v", c.Test, c.Warnings)
	}
	for i := range a.Keys {
		a.Keys[i], b.Keys[i] = fmt.Sprint("p", i%10), fmt.Sprint("p", i%10)
	}
	c = compare(t, a, b, Plan{})
	if c.PairedBy != 10 || c.Test != "paired t" || c.Kind != Proportion || c.warned("ties") || len(slices.DeleteFunc(slices.Clone(c.Warnings), func(w Warning) bool { return w.Code != "keys" })) != 1 {
		t.Errorf("players with tries: %+v", c)
	}
	early := compare(t, Sample{Kind: Proportion, Count: statistics.Count{Hits: 0, Of: 300}}, Sample{Kind: Proportion, Count: statistics.Count{Hits: 9, Of: 300}},
		Plan{Looks: 50, MinimumEffect: Margin{0.01, false}})
	if early.Verdict != Inconclusive || !early.warned("looks") {
		t.Errorf("an early look: %+v", early)
	}
	zero := compare(t, values(-1, 1, -2, 2), values(5, 6, 7, 9), Plan{MinimumEffect: Margin{0.1, true}})
	if zero.Verdict != Inconclusive || !zero.warned("effect") {
		t.Errorf("a share of nothing: %+v", zero)
	}
	boot := Plan{Bootstrap: true, Seed: 9}
	if c := compare(t, values(1, 2, 3, 4, 5), values(2, 3, 4, 5, 7), boot); !c.warned("bootstrap") || c.Draws != 0 {
		t.Errorf("five values are bootstrapped: %+v", c)
	}
	one.Kind, two.Kind, one.Labels, two.Labels, one.Keys, two.Keys = Mean, Mean, nil, nil, nil, nil
	if c := compare(t, one, two, boot); c.Seed != 9 || c.Draws < 10_000 || c.warned("bootstrap") {
		t.Errorf("bootstrap: %+v", c)
	}
}

// TestWarnings: what is odd is told, and nothing is left out for it.
func TestWarnings(t *testing.T) {
	steady := []float64{5, 5.1, 4.9, 5.05, 4.95, 5.02, 4.98, 5.03, 4.97, 5.01, 4.99, 5.04}
	wild := slices.Clone(steady)
	wild[3] = 50
	rising := make([]float64, 30)
	for i := range rising {
		rising[i] = float64(i)
	}
	for name, c := range map[string]struct {
		a, b Sample
		code string
	}{
		"outlier":  {values(steady...), values(wild...), "outliers"},
		"drift":    {values(steady...), values(rising...), "drift"},
		"constant": {values(1, 1, 1, 1, 1), values(1, 1, 1, 1, 1), "variance"},
		"ties":     {values(1, 2, 1, 2, 1, 2, 2), values(1, 2, 2, 2, 1, 2, 1), "ties"},

		"one key": {Sample{Values: []float64{1, 2, 3, 4}, Keys: numbered("k", 4)}, values(4, 5, 6, 9), "keys"},
		"no keys shared": {Sample{Values: []float64{1, 2, 3, 4}, Keys: numbered("k", 4)},
			Sample{Values: []float64{1, 2, 3, 5}, Keys: numbered("j", 4)}, "keys"},
	} {
		got := compare(t, c.a, c.b, Plan{})
		if !got.warned(c.code) || got.A.N != len(c.a.Values) || got.B.N != len(c.b.Values) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if c := compare(t, values(1, 1, 1, 1, 1), values(2, 2, 2, 2, 2), Plan{}); c.Verdict != Better || math.Abs(c.P-2.0/252) > 1e-12 {
		t.Errorf("constants that differ: %s, p = %g", c.Verdict, c.P)
	}
	planned := Plan{Shares: []float64{1, 1}}
	if c := compare(t, values(rising...), values(rising[:5]...), planned); c.Verdict != Inconclusive || !c.warned("ratio") {
		t.Errorf("30 beside 5 of planned halves: %+v", c)
	}
	for name, c := range map[string]struct {
		a, b Sample
		plan Plan
		want error
	}{
		"NaN":         {values(1, math.NaN()), values(1, 2), Plan{}, statistics.ErrNotFinite},
		"Inf":         {values(1, 2), values(1, math.Inf(-1)), Plan{}, statistics.ErrNotFinite},
		"kinds":       {values(1, 2), Sample{Kind: Rate, Exposure: 1}, Plan{}, ErrKind},
		"keys":        {Sample{Values: []float64{1, 2}, Keys: []string{"x"}}, values(1, 2), Plan{}, statistics.ErrInput},
		"latency 0":   {Sample{Kind: Latency, Values: []float64{0}}, Sample{Kind: Latency}, Plan{}, statistics.ErrInput},
		"no share":    {Sample{Kind: Proportion, Values: []float64{0.5}}, Sample{Kind: Proportion}, Plan{}, statistics.ErrInput},
		"no exposure": {Sample{Kind: Rate}, Sample{Kind: Rate}, Plan{}, statistics.ErrInput},
		"alpha":       {values(1, 2), values(1, 2), Plan{Alpha: 2}, statistics.ErrInput},
		"margin":      {values(1, 2), values(1, 2), Plan{MinimumEffect: Margin{Size: -1}}, statistics.ErrInput},
	} {
		if _, err := Compare(c.a, c.b, c.plan); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestSymmetry: exchanging the sides exchanges better and worse; scale and place do not matter; nor does the order of
// the values.
func TestSymmetry(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 8))
	turned := map[Word]Word{Better: Worse, Worse: Better, Equivalent: Equivalent, Inconclusive: Inconclusive}
	seen := map[Word]int{}
	for range 300 {
		n := 5 + r.IntN(30)
		a, b := Sample{Kind: Kind(2 * r.IntN(2))}, Sample{}
		b.Kind = a.Kind
		off := float64(r.IntN(3)-1) * 0.8
		for range n {
			a.Values, b.Values = append(a.Values, 20+r.NormFloat64()), append(b.Values, 20+off+r.NormFloat64())
		}
		plan := Plan{Equivalence: Margin{1, false}}
		if a.Kind == Latency {
			plan = Plan{} // a margin in the unit is another ratio from the other side
		}
		c, back := compare(t, a, b, plan), compare(t, b, a, plan)
		seen[c.Verdict]++
		if back.Verdict != turned[c.Verdict] || back.P != c.P && math.Abs(back.P/c.P-1) > 1e-9 || math.Abs(back.Delta+c.Delta) > 1e-9 {
			t.Fatalf("%s and back %s; p %g %g; delta %g %g", c.Verdict, back.Verdict, c.P, back.P, c.Delta, back.Delta)
		}
		big := Sample{Kind: a.Kind, Values: slices.Clone(a.Values)}
		other := Sample{Kind: a.Kind, Values: slices.Clone(b.Values)}
		for i := range n {
			big.Values[i], other.Values[i] = big.Values[i]*1024, other.Values[i]*1024
		}
		r.Shuffle(n, func(i, j int) { big.Values[i], big.Values[j] = big.Values[j], big.Values[i] })
		plan.Equivalence.Size *= 1024
		if scaled := compare(t, big, other, plan); scaled.Verdict != c.Verdict || math.Abs(scaled.P/c.P-1) > 1e-9 || scaled.NeededN != c.NeededN {
			t.Fatalf("times 1024 and shuffled: %s, p %g, n %d; was %s, %g, %d", scaled.Verdict, scaled.P, scaled.NeededN, c.Verdict, c.P, c.NeededN)
		}
	}
	if len(seen) < 4 {
		t.Errorf("the cases are one-sided: %v", seen)
	}
}

// TestTypeOneOfVerdicts: where nothing differs, better and worse are said in at most one of twenty comparisons,
// whatever the kind and the number of looks.
func TestTypeOneOfVerdicts(t *testing.T) {
	n := 300
	if *long {
		n = 10_000
	}
	values := func(r *rand.Rand, kind Kind, n int) Sample {
		s := Sample{Kind: kind}
		for range n {
			v := r.NormFloat64()
			if kind == Latency {
				v = math.Exp(v)
			}
			s.Values = append(s.Values, v)
		}
		return s
	}
	share := func(r *rand.Rand, n int, p float64) Sample {
		c := statistics.Count{Of: n}
		for range n {
			if r.Float64() < p {
				c.Hits++
			}
		}
		return Sample{Kind: Proportion, Count: c}
	}
	for name, f := range map[string]func(r *rand.Rand) bool{
		"means": func(r *rand.Rand) bool { return said(values(r, Mean, 6), values(r, Mean, 6), Plan{}) },
		"three": func(r *rand.Rand) bool { return said(values(r, Mean, 3), values(r, Mean, 3), Plan{}) },
		"pairs": func(r *rand.Rand) bool {
			a, b := values(r, Mean, 8), values(r, Mean, 8)
			a.Keys, b.Keys = numbered("k", 8), numbered("k", 8)
			return said(a, b, Plan{})
		},
		"latencies": func(r *rand.Rand) bool { return said(values(r, Latency, 12), values(r, Latency, 12), Plan{}) },
		"shares":    func(r *rand.Rand) bool { return said(share(r, 900, 0.1), share(r, 900, 0.1), Plan{}) },
		"looks": func(r *rand.Rand) bool {
			a, b := values(r, Mean, 24), values(r, Mean, 24)
			for k := 4; k <= 24; k += 4 {
				if said(Sample{Values: a.Values[:k]}, Sample{Values: b.Values[:k]}, Plan{Looks: 6}) {
					return true
				}
			}
			return false
		},
		"looks at shares": func(r *rand.Rand) bool {
			var a, b statistics.Count
			for range 20 {
				x, y := share(r, 100, 0.2).Count, share(r, 100, 0.2).Count
				a, b = statistics.Count{Hits: a.Hits + x.Hits, Of: a.Of + x.Of}, statistics.Count{Hits: b.Hits + y.Hits, Of: b.Of + y.Of}
				if a.Of > 300 && said(Sample{Kind: Proportion, Count: a}, Sample{Kind: Proportion, Count: b}, Plan{Looks: 20, MinimumEffect: Margin{0.02, false}}) {
					return true
				}
			}
			return false
		},
	} {
		r := rand.New(rand.NewPCG(43, uint64(len(name))))
		found := 0
		for range n {
			if f(r) {
				found++
			}
		}
		most := n * 55 / 1000
		if !*long {
			most = n * 9 / 100 // three standard deviations above
		}
		if found > most {
			t.Errorf("%s: something is said in %d of %d", name, found, n)
		}
	}
}

func said(a, b Sample, p Plan) bool {
	c, err := Compare(a, b, p)
	return err != nil || c.Verdict == Better || c.Verdict == Worse
}

// FuzzCompare: no input makes a comparison panic, and every answer has a word, p in [0, 1] and sides in order.
func FuzzCompare(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5}, []byte{5, 4, 9, 9, 1}, uint8(0), uint8(0), 0.1)
	f.Add([]byte{}, []byte{7}, uint8(1), uint8(3), 0.0)
	f.Add([]byte{1, 1, 1, 1}, []byte{1, 1, 1, 1}, uint8(2), uint8(5), 1.0)
	f.Add([]byte{1, 255, 0}, []byte{254, 253}, uint8(3), uint8(255), math.Inf(1))
	f.Add([]byte{1, 1, 1, 1}, []byte{0xe8, 1, 1, 1, 1}, uint8(2), uint8(5), 1.0) // a margin of the whole latency
	f.Add([]byte{9, 9, 9, 9, 9, 9}, []byte{8, 8, 8, 8, 8, 8}, uint8(4), uint8(15), -1.0)
	f.Fuzz(func(t *testing.T, x, y []byte, kind, how uint8, margin float64) {
		a, b := oddSample(x, Kind(kind%6), how), oddSample(y, Kind(kind%6), how>>1)
		plan := Plan{LowerIsBetter: how&4 > 0, MinimumEffect: Margin{margin, how&8 > 0}, NonInferiority: Margin{margin / 2, how&16 > 0}, Looks: int(how >> 5),
			Bootstrap: how&32 > 0 && len(x) < 30, Normal: how&64 > 0}
		c, err := Compare(a, b, plan)
		if err != nil {
			return
		}
		if !slices.Contains([]Word{Better, Worse, Equivalent, NonInferior, Inconclusive}, c.Verdict) {
			t.Errorf("verdict %q", c.Verdict)
		}
		if c.P < 0 || c.P > 1 || c.Interval.Low > c.Interval.High || c.A.Interval.Low > c.A.Interval.High || c.NeededN < 0 {
			t.Errorf("%+v of %v and %v", c, a, b)
		}
		family := []Comparison{c, c}
		Adjust(family, statistics.BH)
	})
}

// oddSample makes a sample from bytes, some of which are no numbers or very large ones.
func oddSample(x []byte, kind Kind, how uint8) Sample {
	special := map[byte]float64{255: math.NaN(), 254: math.Inf(1), 253: 1e308, 252: 5e-324, 251: -1e149, 250: 1e149}
	if len(x) > 60 {
		x = x[:60]
	}
	s := Sample{Kind: kind, Events: len(x), Exposure: float64(how)}
	for i, b := range x {
		v, is := special[b]
		if !is {
			v = float64(int8(b))
			if kind == Proportion {
				v = float64(b & 1)
			} else if kind == Latency {
				v = float64(b)
			}
		}
		s.Values = append(s.Values, v)
		if kind == AUROC {
			s.Labels = append(s.Labels, b&1 == 1)
		}
		if how&1 > 0 {
			s.Keys = append(s.Keys, fmt.Sprint(i%(1+int(how>>2))))
		}
	}
	if kind == Proportion && how&2 > 0 {
		s.Values, s.Keys, s.Count = nil, nil, statistics.Count{Hits: len(x), Of: len(x) * int(how>>3)}
	}
	return s
}

// TestSimpson: Berkeley's admissions of 1973 (R: UCBAdmissions): women are admitted less often by 14 points in all, and
// not in the departments.
func TestSimpson(t *testing.T) {
	var strata []Stratum
	var a, b statistics.Count
	for i, c := range [][4]int{{512, 313, 89, 19}, {353, 207, 17, 8}, {120, 205, 202, 391}, {138, 279, 131, 244}, {53, 138, 94, 299}, {22, 351, 24, 317}} {
		s := Stratum{fmt.Sprint("department ", i), statistics.Count{Hits: c[0], Of: c[0] + c[1]}, statistics.Count{Hits: c[2], Of: c[2] + c[3]}}
		strata = append(strata, s)
		a, b = statistics.Count{Hits: a.Hits + s.A.Hits, Of: a.Of + s.A.Of}, statistics.Count{Hits: b.Hits + s.B.Hits, Of: b.Of + s.B.Of}
	}
	plan := Plan{NotAssigned: true}
	together := compare(t, Sample{Kind: Proportion, Count: a}, Sample{Kind: Proportion, Count: b}, plan)
	c, err := CompareStrata(strata, plan)
	if err != nil || !c.warned("simpson") || c.Verdict != Inconclusive || together.Verdict != Worse {
		t.Errorf("%v: %s, together %s; %v", err, c.Verdict, together.Verdict, c.Warnings)
	}
	near(t, "p", c.P, 0.216923697055518, 1e-10)
	near(t, "odds ratio", c.Effect, 1/0.904696828258623, 1e-10)
	// One stratum: the difference and its plain error.
	one, err := CompareStrata([]Stratum{{"all", statistics.Count{Hits: 20, Of: 100}, statistics.Count{Hits: 45, Of: 150}}, {"empty", statistics.Count{}, statistics.Count{Hits: 1, Of: 2}}}, plan)
	if err != nil || !one.warned("few") {
		t.Errorf("%v: %v", err, one.Warnings)
	}
	near(t, "delta", one.Delta, 0.1, 1e-12)
	near(t, "high", one.Interval.High, 0.1+1.959963984540054*math.Sqrt(0.2*0.8/100+0.3*0.7/150), 1e-12)
}

// TestDeterministic: a comparison by keys is the same to the last digit each time.
func TestDeterministic(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 9))
	var a, b Sample
	for range 60 {
		a.Values, b.Values = append(a.Values, r.NormFloat64()), append(b.Values, r.NormFloat64())
	}
	a.Keys, b.Keys = numbered("k", 60), numbered("k", 60)
	plan := Plan{Bootstrap: true, Seed: 4}
	first := compare(t, a, b, plan)
	for range 10 {
		if c := compare(t, a, b, plan); c.P != first.P || c.Interval != first.Interval || c.Effect != first.Effect {
			t.Fatalf("p %v and %v, %v and %v", c.P, first.P, c.Interval, first.Interval)
		}
	}
}
