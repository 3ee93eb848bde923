package experiment

import (
	"fmt"
	"slices"
	"testing"
)

// TestSetting: the seed, however it is given, is no part of how a run was started; everything else is.
func TestSetting(t *testing.T) {
	of := func(seed string, params map[string]string, command ...string) string {
		return setting(&Run{Command: command, Seed: seed, Params: params})
	}
	first := of("1", nil, "python", "train.py", "--lr", "0.1", "--seed", "1")
	for _, c := range []struct {
		same bool
		is   string
	}{
		{true, of("2", nil, "python", "train.py", "--lr", "0.1", "--seed", "2")},
		{true, of("", nil, "python", "train.py", "--lr", "0.1", "--seed", "77")}, // the flag alone tells
		{true, of("3", map[string]string{"model.seed": "3", "random_state": "3", "mlflow.run": "x"}, "python", "train.py", "--lr", "0.1", "--seed", "3")},
		{false, of("1", nil, "python", "train.py", "--lr", "0.2", "--seed", "1")},
		{false, of("1", map[string]string{"lr": "0.1"}, "python", "train.py", "--lr", "0.1", "--seed", "1")},
		{false, of("1", nil, "python", "train.py", "--lr", "0.1", "--seed", "1", "--fast")},
	} {
		if (c.is == first) != c.same {
			t.Errorf("same %v, want %v", c.is == first, c.same)
		}
	}
	if a, b := of("1", nil, "train", "--seed=1"), of("2", nil, "train", "--seed=2"); a != b {
		t.Error("--seed=1 and --seed=2 differ")
	}
	if a, b := of("7", nil, "sh", "-c", "SEED=7 train --lr 0.7 run7"), of("8", nil, "sh", "-c", "SEED=8 train --lr 0.7 run7"); a != b {
		t.Error("in a script the seed is no word of its own")
	}
	if a, b := of("7", nil, "sh", "-c", "train --lr 0.7"), of("7", nil, "sh", "-c", "train --lr 0.8"); a == b {
		t.Error("another learning rate is the same setting")
	}
}

// TestTrialsOfWeights: a training that leaves weights leaves another state with each seed. Its runs are one trial all
// the same: a rule's test takes them together, and a version stands for all of them.
func TestTrialsOfWeights(t *testing.T) {
	r := newRig(t)
	r.snap(map[string]string{"train.py": "good", "conf.json": "{}"})
	policy := "[[metric]]\nname = 'm'\ndirection = 'higher'\ntest = { alpha = 0.05 }\n"
	train := func(seed int, lr string, value float64) *Run {
		return r.run(Start{Seed: fmt.Sprint(seed), Policy: policy, Command: []string{"python", "train.py", "--lr", lr, "--seed", fmt.Sprint(seed)}},
			map[string]string{"weights.bin": fmt.Sprintf("%s %d %v", lr, seed, value)}, fmt.Sprintf("{\"m\": %v}\n", value), Outcome{})
	}
	var good, bad []*Run
	for seed := range 6 {
		good = append(good, train(seed, "0.1", 90+float64(seed*seed%5)/10))
	}
	if good[0].After == good[5].After || good[0].Code == "" || good[0].Code != good[5].Code || good[0].Setting != good[5].Setting {
		t.Fatalf("the runs leave %s, %s; code %.8s, %.8s", good[0].After, good[5].After, good[0].Code, good[5].Code)
	}
	for _, g := range good {
		if g.Verdict != Passed {
			t.Errorf("a good run is %s: %v", g.Verdict, g.Violations)
		}
	}
	for seed := range 6 {
		bad = append(bad, train(seed, "9", 85+float64(seed*seed%5)/10+float64(seed%2)/10))
	}
	if last := bad[5]; last.Verdict != Regressed || last.Violations[0].Rule != "test" {
		t.Errorf("six seeds, each worse: %s, %v", last.Verdict, last.Notes)
	}
	runs, err := r.RunsOf(t.Context(), good[3].After)
	if err != nil || len(runs) != 6 {
		t.Fatalf("%d runs of a version whose seeds left six, %v", len(runs), err)
	}
	report, err := r.Compare(t.Context(), good[0].After, bad[0].After, ComparePlan{Directions: map[string]string{"m": Higher}})
	if err != nil || len(report.Metrics) != 1 || report.Metrics[0].Verdict != "worse" || !report.Metrics[0].Paired || report.Metrics[0].A.N != 6 {
		t.Errorf("%+v, %v", report.Metrics, err)
	}
	// Other code is another trial.
	r.write(map[string]string{"train.py": "other"})
	if other := train(0, "0.1", 90); sameTrial(other, good[0]) {
		t.Error("other code is the same trial")
	}
}

// TestSettingsOfOneVersion: runs of one state that were started in other ways are compared, and that is told.
func TestSettingsOfOneVersion(t *testing.T) {
	r := newRig(t)
	r.snap(map[string]string{"train.py": "a"})
	one := r.run(Start{Command: []string{"train", "--lr", "1"}}, nil, "{\"m\": 1}\n", Outcome{})
	r.run(Start{Command: []string{"train", "--lr", "2"}}, nil, "{\"m\": 2}\n", Outcome{})
	r.snap(map[string]string{"train.py": "b"})
	two := r.run(Start{Command: []string{"train", "--lr", "1"}}, nil, "{\"m\": 3}\n", Outcome{})
	report, err := r.Compare(t.Context(), one.After, two.After, ComparePlan{})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(report.Warnings, func(w string) bool { return len(w) > 0 && w[:11] == "the runs of" }) {
		t.Errorf("nothing is said of two settings: %q", report.Warnings)
	}
}
