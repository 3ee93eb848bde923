package experiment

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

func parsed(t *testing.T, text string) *Policy {
	t.Helper()
	p, err := ParsePolicy([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func values(m map[string]float64) map[string]Measured {
	out := map[string]Measured{}
	for k, v := range m {
		out[k] = Measured{Series: []Point{{Metric: k, Value: v}}}
	}
	return out
}

// aads reads the policy of the example.
func aads(t *testing.T) *Policy {
	t.Helper()
	b, err := os.ReadFile("../examples/aads/guard.toml")
	if err != nil {
		t.Fatal(err)
	}
	return parsed(t, string(b))
}

// TestGuardrailTables: the published tables at every border. The rows are of the tables, not of the policy.
func TestGuardrailTables(t *testing.T) {
	p := aads(t)
	for _, c := range []struct {
		metric string
		value  float64
		want   string   // of the whole
		rules  []string // severity and rule of each violation
	}{
		{"accuracy", 95.3, Passed, nil},
		{"accuracy", 99.9, Passed, nil},
		{"accuracy", 95, Passed, nil},
		{"accuracy", 94.999, Warned, []string{"warning floor"}},
		{"accuracy", 94.348, Warned, []string{"warning floor"}},
		{"accuracy", 94.346, Regressed, []string{"warning floor", "critical relative_drop"}}, // 95.3 × 0.99 = 94.347
		{"accuracy", 94, Regressed, []string{"warning floor", "critical relative_drop"}},     // not below 94 itself
		{"accuracy", 93.999, Regressed, []string{"critical floor", "warning floor", "critical relative_drop"}},
		{"accuracy", 0, Regressed, []string{"critical floor", "warning floor", "critical relative_drop"}},
		{"auroc", 89.1, Passed, nil},
		{"auroc", 89, Passed, nil},
		{"auroc", 88.999, Warned, []string{"warning floor"}},
		{"auroc", 87, Warned, []string{"warning floor"}},
		{"auroc", 86.999, Warned, []string{"warning floor"}},
		{"auroc", 85, Warned, []string{"warning floor"}},
		{"auroc", 84.999, Regressed, []string{"critical floor", "warning floor"}},
		{"latency_ms", 185, Passed, nil},
		{"latency_ms", 200, Passed, nil},
		{"latency_ms", 200.1, Warned, []string{"warning ceiling"}},
		{"latency_ms", 203.5, Warned, []string{"warning ceiling"}},
		{"latency_ms", 203.6, Warned, []string{"warning ceiling", "warning relative_drop"}},
		{"latency_ms", 220, Warned, []string{"warning ceiling", "warning relative_drop"}},
		{"latency_ms", 220.1, Regressed, []string{"critical ceiling", "warning ceiling", "warning relative_drop"}},
		{"error_rate", 0.1, Passed, nil},
		{"error_rate", 0.5, Passed, nil},
		{"error_rate", 0.5001, Regressed, []string{"critical ceiling"}},
		{"memory_mb", 25, Passed, nil},
		{"memory_mb", 25.1, Warned, []string{"warning ceiling"}},
		{"memory_mb", 28, Warned, []string{"warning ceiling"}},
		{"memory_mb", 40, Warned, []string{"warning ceiling"}},
	} {
		// The baseline of the last good run takes nothing away from the fixed one.
		for _, base := range []map[string]Measured{nil, values(map[string]float64{c.metric: 50})} {
			run := values(map[string]float64{c.metric: c.value})
			j := p.Judge(run, base, run)
			var rules []string
			for _, v := range j.Violations {
				rules = append(rules, v.Severity+" "+v.Rule)
				if v.Metric != c.metric || v.Value != c.value || v.Reason == "" {
					t.Errorf("%s = %v: %+v", c.metric, c.value, v)
				}
			}
			if j.Verdict != c.want || !slices.Equal(rules, c.rules) {
				t.Errorf("%s = %v: %s, %q; want %s, %q", c.metric, c.value, j.Verdict, rules, c.want, c.rules)
			}
		}
	}
	good := map[string]float64{"accuracy": 95.3, "auroc": 89.1, "latency_ms": 185, "error_rate": 0.1, "memory_mb": 24}
	if j := p.Judge(values(good), nil, nil); j.Verdict != Passed || len(j.Violations)+len(j.Notes) > 0 {
		t.Errorf("the release itself: %+v", j)
	}
}

// TestRelativeRules: a share of the baseline run's value, of its size where that is negative.
func TestRelativeRules(t *testing.T) {
	const text = "[[metric]]\nname = 'm'\ndirection = '%s'\nrelative_drop = 0.1\n"
	for _, c := range []struct {
		direction  string
		base, bad  float64
		good, more float64
	}{
		{Higher, 10, 8.99, 9, 11}, {Lower, 10, 11.01, 11, 1}, {Higher, -10, -11.01, -11, 5}, {Lower, -10, -8.99, -9, -20},
		{Higher, 0, -0.001, 0, 1}, {Lower, 0, 0.001, 0, -1},
	} {
		p := parsed(t, fmt.Sprintf(text, c.direction))
		for value, want := range map[float64]string{c.bad: Regressed, c.good: Passed, c.more: Passed} {
			if j := p.Judge(values(map[string]float64{"m": value}), values(map[string]float64{"m": c.base}), nil); j.Verdict != want {
				t.Errorf("%s, %v after %v: %s, want %s", c.direction, value, c.base, j.Verdict, want)
			}
		}
	}
	p := parsed(t, fmt.Sprintf(text, Higher))
	for _, base := range []map[string]Measured{nil, values(map[string]float64{"other": 1}), values(map[string]float64{"m": math.NaN()}), values(map[string]float64{"m": math.Inf(1)})} {
		j := p.Judge(values(map[string]float64{"m": 5}), base, nil)
		if j.Verdict != Passed || len(j.Notes) != 1 || !strings.Contains(j.Notes[0], "m: there is no baseline") {
			t.Errorf("without a baseline: %+v", j)
		}
	}
}

// TestUnmeasured: what was not measured is never called good.
func TestUnmeasured(t *testing.T) {
	p := parsed(t, "[[metric]]\nname = 'a'\nfloor = 1\n[[metric]]\nname = 'b'\nfloor = 1\nrequired = true\nseverity = 'warning'\n")
	optional := parsed(t, "[[metric]]\nname = 'a'\nfloor = 1\n")
	for _, c := range []struct {
		p    *Policy
		run  map[string]float64
		want string
		rule string
		note string
	}{
		{optional, nil, Unmeasured, "", "a: it was not measured"},
		{optional, map[string]float64{"A": 5}, Unmeasured, "", "a: it was not measured"},
		{p, map[string]float64{"a": 2}, Warned, "required", ""},
		{p, map[string]float64{"b": 2}, Passed, "", "a: it was not measured"},
		{p, map[string]float64{"a": math.NaN(), "b": 2}, Regressed, "finite", ""},
		{p, map[string]float64{"a": math.Inf(1), "b": 2}, Regressed, "finite", ""},
		{p, map[string]float64{"a": 2, "b": math.Inf(-1)}, Warned, "finite", ""},
		{parsed(t, ""), nil, Passed, "", ""},
	} {
		j := c.p.Judge(values(c.run), nil, nil)
		rule := ""
		for _, v := range j.Violations {
			rule = v.Rule
		}
		if j.Verdict != c.want || rule != c.rule || c.note != "" && !slices.Contains(j.Notes, c.note) {
			t.Errorf("%v: %+v, want %s, %q, %q", c.run, j, c.want, c.rule, c.note)
		}
	}
}

// TestTake: a rule takes of each repetition the last, best or mean value, and of those the mean.
func TestTake(t *testing.T) {
	var series []Point
	for seed, all := range map[string][]float64{"1": {1, 9, 5}, "2": {2, 4, 3}} {
		for i, v := range all {
			series = append(series, Point{Metric: "m", Value: v, Step: int64(i), HasStep: true, Keys: map[string]string{"seed": seed}})
		}
	}
	run := map[string]Measured{"m": {Series: series}}
	for _, c := range []struct {
		take, direction string
		want            float64
	}{{"last", Higher, 4}, {"mean", Higher, 4}, {"best", Higher, 6.5}, {"best", Lower, 1.5}} {
		p := parsed(t, fmt.Sprintf("[[metric]]\nname = 'm'\nfloor = 100\ntake = '%s'\ndirection = '%s'\n", c.take, c.direction))
		if j := p.Judge(run, nil, nil); len(j.Violations) != 1 || j.Violations[0].Value != c.want {
			t.Errorf("%s of %s: %+v, want %v", c.take, c.direction, j.Violations, c.want)
		}
	}
}

// TestPolicyRefused: a policy that would protect nothing, or that nothing can keep to, is an error that names the key.
func TestPolicyRefused(t *testing.T) {
	rule := func(lines string) string { return "[[metric]]\nname = 'accuracy'\n" + lines + "\n" }
	for _, c := range []struct {
		text  string
		words []string
	}{
		{rule("flor = 94"), []string{"unknown key", "flor"}},
		{rule("floor = 94\n[rolback]\nto = 'before'"), []string{"unknown key", "rolback"}},
		{rule("floor = 94\ntest = { aplha = 0.05 }"), []string{"unknown key", "aplha"}},
		{"on_fail = 'rollback'", []string{"unknown key", "on_fail"}},
		{"metric = 5", []string{"metric"}},
		{rule("floor = 'high'"), []string{"floor"}},
		{rule("floor = true"), []string{"floor"}},
		{"on_failure = 'explode'", []string{"on_failure", "explode", "keep or rollback"}},
		{"[rollback]\nto = 'yesterday'", []string{"rollback.to", "yesterday", "before or last-good"}},
		{"[rollback]\nscope = ['/etc']", []string{"scope", "/etc"}},
		{"[rollback]\nscope = ['../x']", []string{"scope", "../x"}},
		{"[rollback]\nscope = ['[a']", []string{"scope", "[a"}},
		{"[rollback]\nnever = ['']", []string{"scope", `""`}},
		{"stdout = ['acc=(']", []string{"stdout"}},
		{"stdout = ['acc=\\d+']", []string{"stdout", "(?P<"}},
		{"metrics = ['[a']", []string{"metrics", "[a"}},
		{"[[metric]]\nfloor = 94", []string{"metric 1", "name"}},
		{rule(""), []string{"metric 1", "accuracy", "says nothing"}},
		{rule("direction = 'higher'"), []string{"accuracy", "says nothing"}},
		{rule("floor = 95\nceiling = 94"), []string{"accuracy", "floor", "ceiling"}},
		{rule("floor = 95") + rule("ceiling = 94"), []string{"accuracy", "floor", "ceiling"}},
		{rule("floor = 95\ndirection = 'higher'") + rule("floor = 94\ndirection = 'lower'"), []string{"accuracy", "direction"}},
		{rule("floor = nan"), []string{"accuracy", "floor"}},
		{rule("ceiling = nan"), []string{"accuracy", "ceiling"}},
		{rule("floor = inf"), []string{"accuracy", "floor"}},
		{rule("direction = 'higher'\nrelative_drop = 0.01\nbaseline = nan"), []string{"accuracy", "baseline"}},
		{rule("relative_drop = 0.01"), []string{"accuracy", "direction"}},
		{rule("test = {}"), []string{"accuracy", "direction"}},
		{rule("direction = 'up'\nfloor = 1"), []string{"accuracy", "direction", "up", "higher or lower"}},
		{rule("direction = 'higher'\nrelative_drop = -0.01"), []string{"accuracy", "relative_drop"}},
		{rule("direction = 'higher'\nrelative_drop = nan"), []string{"accuracy", "relative_drop"}},
		{rule("direction = 'lower'\nrelative_drop = inf"), []string{"accuracy", "relative_drop"}},
		{rule("direction = 'higher'\nrelative_drop = 5.0"), []string{"accuracy", "relative_drop", "0.01"}}, // meant as per cent
		{rule("floor = 1\ntake = 'first'"), []string{"accuracy", "take", "first"}},
		{rule("floor = 1\ntake = 'best'"), []string{"accuracy", "take", "direction"}},
		{rule("floor = 1\nseverity = 'fatal'"), []string{"accuracy", "severity", "fatal", "critical or warning"}},
		{rule("direction = 'higher'\ntest = { alpha = 1.5 }"), []string{"accuracy", "test", "alpha"}},
		{rule("direction = 'higher'\ntest = { alpha = -0.1 }"), []string{"accuracy", "test", "alpha"}},
		{rule("direction = 'higher'\ntest = { alpha = nan }"), []string{"accuracy", "test", "alpha"}},
		{rule("direction = 'higher'\ntest = { minimum_effect = -1 }"), []string{"accuracy", "test", "minimum_effect"}},
		{rule("direction = 'higher'\ntest = { minimum_effect = nan }"), []string{"accuracy", "test", "minimum_effect"}},
		{"a = ", []string{"policy"}},
		{strings.Repeat("#", maxPolicy+1), []string{"policy", "bytes"}},
	} {
		_, err := ParsePolicy([]byte(c.text))
		if err == nil {
			t.Errorf("%.80q is taken", c.text)
			continue
		}
		mustFail(t, err, append([]string{"policy"}, c.words...)...)
	}
}

// TestPooledSeeds: a rule's test takes the seeds of all runs of a state together. Three seeds a side can never show
// anything, six that are all worse do.
func TestPooledSeeds(t *testing.T) {
	p := parsed(t, "[[metric]]\nname = 'm'\ndirection = 'higher'\ntest = { alpha = 0.05 }\n")
	side := func(n int, shift float64) map[string]Measured {
		var s []Point
		for i := range n {
			s = append(s, Point{Metric: "m", Value: 90 + float64(i)/10 + shift + float64(i*i%3)/100, Keys: map[string]string{"seed": fmt.Sprint(i)}})
		}
		return map[string]Measured{"m": {Series: s}}
	}
	one := map[string]Measured{"m": {Series: side(6, -1)["m"].Series[5:]}}
	if j := p.Judge(one, side(6, 0), side(6, -1)); j.Verdict != Regressed || j.Violations[0].Rule != "test" {
		t.Errorf("six seeds, each worse by one: %+v", j)
	}
	if j := p.Judge(one, side(6, 0), one); j.Verdict != Passed || len(j.Notes) == 0 {
		t.Errorf("one seed of six: %+v", j)
	}
	if j := p.Judge(one, side(6, 0), side(6, 1)); j.Verdict != Passed {
		t.Errorf("six seeds, each better: %+v", j)
	}
	least := parsed(t, "[[metric]]\nname = 'm'\ndirection = 'higher'\ntest = { minimum_n = 7 }\n")
	if j := least.Judge(one, side(6, 0), side(6, -1)); j.Verdict != Passed || !strings.Contains(strings.Join(j.Notes, " "), "wants 7") {
		t.Errorf("fewer than minimum_n: %+v", j)
	}
	effect := parsed(t, "[[metric]]\nname = 'm'\ndirection = 'higher'\ntest = { minimum_effect = 2 }\n")
	if j := effect.Judge(one, side(6, 0), side(6, -1)); j.Verdict != Passed {
		t.Errorf("worse by less than the minimum effect: %+v", j)
	}
}

func FuzzParsePolicy(f *testing.F) {
	b, err := os.ReadFile("../examples/aads/guard.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte("stdout = ['a=(?P<m>\\S+)']\n[[metric]]\nname = 'a'\ndirection = 'lower'\ntest = { alpha = 0.01, relative = true }\nrequired = true\n"))
	f.Add([]byte("[[metric]]\nname = 'm'\nfloor = -0.0\nceiling = 1e308\ntake = 'mean'\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := ParsePolicy(b)
		if err != nil {
			return
		}
		run := map[string]Measured{}
		for i := range p.Rules {
			run[p.Rules[i].Metric] = Measured{Series: []Point{{Value: 1}, {Value: math.NaN()}, {Value: -3}}}
		}
		for _, x := range []map[string]Measured{nil, run} {
			switch j := p.Judge(x, run, x); j.Verdict {
			case Passed, Warned, Regressed, Unmeasured:
			default:
				t.Errorf("verdict %q", j.Verdict)
			}
		}
		p.Scope().Holds("src/a.py")
	})
}
