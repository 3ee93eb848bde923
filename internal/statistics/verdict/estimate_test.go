package verdict

import (
	"math"
	"testing"

	"varve/internal/statistics"
)

// TestEstimates: two accuracies with their standard errors. Python: se = math.hypot(.0068, .0065); z = .086/se;
// the interval is .086 ± 1.959963984540054*se.
func TestEstimates(t *testing.T) {
	a := Sample{Kind: Estimate, Values: []float64{0.313}, StdErr: 0.0065}
	b := Sample{Kind: Estimate, Values: []float64{0.399}, StdErr: 0.0068}
	c, err := Compare(a, b, Plan{Metric: "acc"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Verdict != Better || math.Abs(c.Effect-9.142213383209194) > 1e-12 || math.Abs(c.Interval.Low-0.06756279058416856) > 1e-12 || math.Abs(c.Interval.High-0.10443720941583143) > 1e-12 {
		t.Errorf("%+v", c)
	}
	// 2*pnorm(-1.959963984540054) is 0.05.
	a.StdErr, b.Values[0], b.StdErr = 0, 0.313+1.959963984540054, 1
	if c, err = Compare(a, b, Plan{Metric: "acc"}); err != nil || math.Abs(c.P-0.05) > 1e-12 {
		t.Errorf("p %v, %v", c.P, err)
	}
	// Swapped, the difference is that of the other side.
	d, err := Compare(b, a, Plan{Metric: "acc"})
	if err != nil || d.Delta != -c.Delta || d.P != c.P || d.Interval != (statistics.Interval{Low: -c.Interval.High, High: -c.Interval.Low}) {
		t.Errorf("%+v, %v", d, err)
	}
	b.StdErr = 0
	if c, err = Compare(a, b, Plan{}); err != nil || c.Verdict != Inconclusive {
		t.Errorf("without errors: %s, %v", c.Verdict, err)
	}
	for _, bad := range []Sample{{Kind: Estimate}, {Kind: Estimate, Values: []float64{1, 2}}, {Kind: Estimate, Values: []float64{1}, StdErr: math.NaN()}, {Kind: Estimate, Values: []float64{1}, StdErr: -1}} {
		if _, err := Compare(a, bad, Plan{}); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}
