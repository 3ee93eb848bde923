package experiment

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

// samePoints compares points by their bits: a NaN is itself, -0 is not 0.
func samePoints(a, b []Point) error {
	if len(a) != len(b) {
		return fmt.Errorf("%d points, want %d", len(a), len(b))
	}
	bits := math.Float64bits
	for i := range a {
		x, y := &a[i], &b[i]
		if x.Metric != y.Metric || bits(x.Value) != bits(y.Value) || x.HasStep != y.HasStep || x.Step != y.Step || x.HasEpoch != y.HasEpoch || bits(x.Epoch) != bits(y.Epoch) ||
			x.HasStdErr != y.HasStdErr || bits(x.StdErr) != bits(y.StdErr) || !x.Time.Equal(y.Time) || identity(x) != identity(y) {
			return fmt.Errorf("point %d: %+v, want %+v", i, *x, *y)
		}
	}
	return nil
}

// TestSeriesRecord: whatever a series holds comes back from its record, bit for bit.
func TestSeriesRecord(t *testing.T) {
	odd := []float64{0, math.Copysign(0, -1), math.NaN(), math.Float64frombits(0x7ff8_0000_dead_beef), math.Inf(1), math.Inf(-1), math.MaxFloat64, math.SmallestNonzeroFloat64, -1.5, 95.3, math.Float64frombits(0xfff0_0000_0000_0001)}
	r := rand.New(rand.NewPCG(3, 4))
	one := func(n int) []Point {
		out := make([]Point, n)
		what := r.IntN(32) // which columns there are at all
		for i := range out {
			p := &out[i]
			p.Metric, p.Keys = "m", map[string]string{"seed": "1"}
			p.Value = r.NormFloat64()
			if r.IntN(4) == 0 {
				p.Value = odd[r.IntN(len(odd))]
			}
			if what&1 != 0 && r.IntN(8) > 0 {
				p.HasStep, p.Step = true, []int64{0, -1, int64(i), math.MaxInt64, math.MinInt64 + 1, r.Int64()}[r.IntN(6)]
			}
			if what&2 != 0 && r.IntN(8) > 0 {
				p.HasEpoch, p.Epoch = true, r.Float64()*30
			}
			if what&4 != 0 && r.IntN(8) > 0 {
				p.HasStdErr, p.StdErr = true, r.Float64()
			}
			if what&8 != 0 && r.IntN(8) > 0 {
				p.Time = time.Unix(1_700_000_000, r.Int64N(1e12)).UTC()
			}
		}
		return out
	}
	for i := range 400 {
		n := r.IntN(200)
		if i == 0 {
			n = 0
		}
		points := one(n)
		b, err := json.Marshal(pack(points))
		if err != nil {
			t.Fatal(err)
		}
		var c columns
		if err := json.Unmarshal(b, &c); err != nil {
			t.Fatal(err)
		}
		back, err := c.unpack("m", map[string]string{"seed": "1"})
		if err != nil {
			t.Fatal(err)
		}
		if err := samePoints(back, points); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSeriesParts: a long series is parted, and read back whole and in its order; one without points leaves nothing.
func TestSeriesParts(t *testing.T) {
	r := newRig(t)
	s := r.snap(map[string]string{"a.py": "a"})
	const n = 250_000
	points := make([]Point, n, n+1)
	for i := range points {
		points[i] = Point{Metric: "loss", Value: float64(i) / 3, Step: int64(i), HasStep: true}
	}
	points = append(points, Point{Metric: "acc", Value: math.NaN(), Keys: map[string]string{"seed": "7"}})
	facts := seriesFacts(r.p.ID(), "", s.ID.String(), points)
	if len(facts) != 4 {
		t.Errorf("%d records, want 3 parts and 1", len(facts))
	}
	if len(seriesFacts("", "", "", nil)) != 0 {
		t.Error("no points make records")
	}
	for range 2 { // the same again is the same
		if err := r.Add(t.Context(), s, "", points); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Add(t.Context(), s, "", nil); err != nil {
		t.Fatal(err)
	}
	r.reopen()
	by, err := r.series(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(by) != 1 || len(by[""]) != 2 {
		t.Fatalf("%d runs, %d metrics", len(by), len(by[""]))
	}
	if err := samePoints(by[""]["loss"].Series, points[:n]); err != nil {
		t.Error(err)
	}
	if err := samePoints(by[""]["acc"].Series, points[n:]); err != nil {
		t.Error(err)
	}
}

// TestShorterSeries: a series that was long and is imported again shorter has no tail of the old one.
func TestShorterSeries(t *testing.T) {
	r := newRig(t)
	s := r.snap(map[string]string{"a.py": "a"})
	points := make([]Point, maxPart+10)
	for i := range points {
		points[i] = Point{Metric: "loss", Value: float64(i), Step: int64(i), HasStep: true}
	}
	for _, n := range []int{len(points), 5} {
		if err := r.Add(t.Context(), s, "", points[:n]); err != nil {
			t.Fatal(err)
		}
	}
	by, err := r.series(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := samePoints(by[""]["loss"].Series, points[:5]); err != nil {
		t.Error(err)
	}
}

// TestGroup: points are parted by metric and keys, whatever their order, and none is lost.
func TestGroup(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	var points []Point
	want := map[string]int{}
	for i := range 1000 {
		p := Point{Metric: string(rune('a' + r.IntN(3))), Value: float64(i)}
		if r.IntN(2) == 0 {
			p.Keys = map[string]string{"seed": fmt.Sprint(r.IntN(3))}
		}
		want[identity(&p)]++
		points = append(points, p)
	}
	got := group(points)
	if len(got) != len(want) {
		t.Errorf("%d series, want %d", len(got), len(want))
	}
	for _, s := range got {
		if n := want[identity(&s.points[0])]; len(s.points) != n {
			t.Errorf("%s %v: %d points, want %d", s.metric, s.keys, len(s.points), n)
		}
		for i := 1; i < len(s.points); i++ {
			if s.points[i].Value < s.points[i-1].Value {
				t.Fatal("the order is lost")
			}
		}
	}
}

func FuzzSeries(f *testing.F) {
	c := pack([]Point{{Value: 1, Step: 2, HasStep: true}, {Value: math.NaN(), HasEpoch: true, Epoch: 2}})
	f.Add(c.Values, c.Steps, c.Epochs, c.Errors, c.Times)
	f.Add("", "AAAA", "", "====", "x")
	f.Add(strings.Repeat("A", 1000), "", "", "", "")
	f.Fuzz(func(t *testing.T, v, s, e, d, at string) {
		c := columns{v, s, e, d, at}
		points, err := c.unpack("m", nil)
		if err != nil {
			return
		}
		again := pack(points)
		back, err := again.unpack("m", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := samePoints(back, points); err != nil {
			t.Fatal(err)
		}
	})
}
