package experiment

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"varve/experiment/metricfile"
)

// Point is one value of one metric.
type Point = metricfile.Point

// repetitionKeys are the keys of a point that tell one repetition of an experiment from another.
func repetitionKeys() []string {
	return []string{"seed", "fold", "example", "player", "trial", "repetition", "replicate"}
}

// A Sample is what one repetition of an experiment measured.
type Sample struct {
	Key   string // which repetition: "seed=3", "fold=1 seed=3"; "" where nothing tells
	Value float64
}

// repetition names the repetition that a point is of.
func repetition(p *Point) string {
	var parts []string
	for _, k := range repetitionKeys() {
		if v, ok := p.Keys[k]; ok {
			parts = append(parts, k+"="+v)
		}
	}
	return strings.Join(parts, " ")
}

// samples are the values of the repetitions: of a series the last, the best or the mean, as take says.
func (m Measured) samples(take, direction string) []Sample {
	var order []string
	by := map[string][]float64{}
	for i := range m.Series {
		k := repetition(&m.Series[i])
		if _, ok := by[k]; !ok {
			order = append(order, k)
		}
		by[k] = append(by[k], m.Series[i].Value)
	}
	out := make([]Sample, 0, len(order))
	for _, k := range order {
		out = append(out, Sample{Key: k, Value: reduce(by[k], take, direction)})
	}
	return out
}

func reduce(values []float64, take, direction string) float64 {
	switch take {
	case "best":
		best := math.NaN()
		for _, v := range values {
			if math.IsNaN(best) || direction == Lower && v < best || direction != Lower && v > best {
				best = v
			}
		}
		return best
	case "mean":
		sum := 0.0
		for _, v := range values {
			sum += v
		}
		return sum / float64(len(values))
	}
	return values[len(values)-1]
}

// series is what one run measured of one metric in one repetition, as a record keeps it.
type series struct {
	metric string
	keys   map[string]string
	points []Point
}

// group parts points by metric and keys, in the order of their first.
func group(points []Point) []*series {
	var out []*series
	by := map[string]*series{}
	var last *series // of the point before: most follow one another
	for i := range points {
		p := &points[i]
		if last != nil && last.metric == p.Metric && maps.Equal(last.keys, p.Keys) {
			last.points = append(last.points, *p)
			continue
		}
		id := identity(p)
		s := by[id]
		if s == nil {
			s = &series{metric: p.Metric, keys: p.Keys}
			by[id] = s
			out = append(out, s)
		}
		s.points = append(s.points, *p)
		last = s
	}
	return out
}

// identity tells series apart.
func identity(p *Point) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q", p.Metric)
	for _, k := range slices.Sorted(maps.Keys(p.Keys)) {
		fmt.Fprintf(&b, " %q=%q", k, p.Keys[k])
	}
	return b.String()
}

// maxPart is how many points one record holds: a record has at most 16 MiB.
const maxPart = 100_000

// columns are the points of a series as a record keeps them: numbers of 8 bytes, little-endian, in base64. A float64
// keeps its bits, NaN too. What no point has is "".
type columns struct {
	Values string `json:"v"`
	Steps  string `json:"s,omitempty"` // int64
	Epochs string `json:"e,omitempty"` // float64
	Errors string `json:"d,omitempty"` // float64: standard errors, NaN where there is none
	Times  string `json:"t,omitempty"` // int64: nanoseconds since 1970; 0 where not known
}

// noStep stands for a point without a step, among some that have one.
const noStep = math.MinInt64

func pack(points []Point) columns {
	var c columns
	column := func(has func(*Point) bool, word func(*Point) uint64) string {
		if !slices.ContainsFunc(points, func(p Point) bool { return has(&p) }) {
			return ""
		}
		b := make([]byte, 0, 8*len(points))
		for i := range points {
			b = binary.LittleEndian.AppendUint64(b, word(&points[i]))
		}
		return base64.StdEncoding.EncodeToString(b)
	}
	pick := func(has bool, yes, no float64) uint64 {
		if has {
			return math.Float64bits(yes)
		}
		return math.Float64bits(no)
	}
	c.Values = column(func(*Point) bool { return true }, func(p *Point) uint64 { return math.Float64bits(p.Value) })
	c.Steps = column(func(p *Point) bool { return p.HasStep }, func(p *Point) uint64 {
		if !p.HasStep {
			return 1 << 63
		}
		return uint64(p.Step)
	})
	c.Epochs = column(func(p *Point) bool { return p.HasEpoch }, func(p *Point) uint64 { return pick(p.HasEpoch, p.Epoch, math.NaN()) })
	c.Errors = column(func(p *Point) bool { return p.HasStdErr }, func(p *Point) uint64 { return pick(p.HasStdErr, p.StdErr, math.NaN()) })
	c.Times = column(func(p *Point) bool { return !p.Time.IsZero() }, func(p *Point) uint64 {
		if p.Time.IsZero() {
			return 0
		}
		return uint64(p.Time.UnixNano())
	})
	return c
}

var errSeries = errors.New("a series of metric points is not as it should be")

// unpack returns the points of a series.
func (c *columns) unpack(metric string, keys map[string]string) ([]Point, error) {
	words, err := column(c.Values)
	if err != nil {
		return nil, err
	}
	out := make([]Point, len(words))
	for i, w := range words {
		out[i] = Point{Metric: metric, Keys: keys, Value: math.Float64frombits(w)}
	}
	for _, col := range []struct {
		text string
		set  func(p *Point, w uint64)
	}{
		{c.Steps, func(p *Point, w uint64) {
			if int64(w) != noStep {
				p.Step, p.HasStep = int64(w), true
			}
		}},
		{c.Epochs, func(p *Point, w uint64) {
			if v := math.Float64frombits(w); !math.IsNaN(v) {
				p.Epoch, p.HasEpoch = v, true
			}
		}},
		{c.Errors, func(p *Point, w uint64) {
			if v := math.Float64frombits(w); !math.IsNaN(v) {
				p.StdErr, p.HasStdErr = v, true
			}
		}},
		{c.Times, func(p *Point, w uint64) {
			if w != 0 {
				p.Time = time.Unix(0, int64(w)).UTC()
			}
		}},
	} {
		if col.text == "" {
			continue
		}
		words, err := column(col.text)
		if err != nil {
			return nil, err
		}
		if len(words) != len(out) {
			return nil, fmt.Errorf("%w: columns of %d and %d", errSeries, len(out), len(words))
		}
		for i, w := range words {
			col.set(&out[i], w)
		}
	}
	return out, nil
}

func column(text string) ([]uint64, error) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b)%8 != 0 || len(b) > 8*maxPart {
		return nil, errSeries
	}
	out := make([]uint64, len(b)/8)
	for i := range out {
		out[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return out, nil
}
