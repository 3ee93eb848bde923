package experiment

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"varve"
)

// Bisection finds the version that brought a change, by halving: what is known is that the first version is good and
// the last is bad. Versions with the same contents have the same answer, and are one step.
type Bisection struct {
	Good    string            `json:"good"` // id of a snapshot
	Bad     string            `json:"bad"`
	Answers map[string]string `json:"answers"`          // id of a snapshot → good, bad, skip
	Runs    int               `json:"runs"`             // answers that a command gave
	Flips   float64           `json:"flips,omitempty"`  // the rate at which trials answer wrongly
	Trials  []Trial           `json:"trials,omitempty"` // of a search with Flips, in their order
	At      string            `json:"at,omitempty"`
	Work    string            `json:"work,omitempty"` // the folder that versions are put into

	steps []*varve.Snapshot // from the one after Good up to Bad
}

// Answers of a step.
const (
	Good = "good"
	Bad  = "bad"
	Skip = "skip"
)

// Bisect begins to look for the first bad version after good and up to bad.
func (l *Lab) Bisect(good, bad *varve.Snapshot) (*Bisection, error) {
	b := &Bisection{Good: good.ID.String(), Bad: bad.ID.String(), Answers: map[string]string{}}
	return b, l.lay(b)
}

// Resume fills a bisection that was read back with what the history says.
func (l *Lab) Resume(b *Bisection) error { return l.lay(b) }

// lay lists the steps between the ends.
func (l *Lab) lay(b *Bisection) error {
	good, err := l.p.Resolve(b.Good)
	if err != nil {
		return err
	}
	bad, err := l.p.Resolve(b.Bad)
	if err != nil {
		return err
	}
	if good.Version >= bad.Version {
		return fmt.Errorf("%s is not before %s: the good version comes first", good.Ref(), bad.Ref())
	}
	b.steps = nil
	root := good.Root
	for _, s := range l.p.Snapshots() {
		if s.Version <= good.Version || s.Version > bad.Version || s.Root == root {
			continue
		}
		root = s.Root
		b.steps = append(b.steps, s)
	}
	if len(b.steps) == 0 {
		return fmt.Errorf("%s and %s have the same contents: nothing between them can be to blame", good.Ref(), bad.Ref())
	}
	return nil
}

// bounds are the steps that are still possible: the first bad one is in steps[lo:hi], and steps[hi-1] is bad.
func (b *Bisection) bounds() (lo, hi int) {
	hi = len(b.steps)
	for i, s := range b.steps {
		switch b.Answers[s.ID.String()] {
		case Good:
			lo = max(lo, i+1)
		case Bad:
			hi = min(hi, i+1)
		}
	}
	return lo, hi
}

// ErrContradiction says that a version is good after one that is bad.
var ErrContradiction = errors.New("the answers contradict each other")

// Next returns the version to try; nil where nothing is left to try: then Suspects are the answer.
func (b *Bisection) Next() (*varve.Snapshot, error) {
	lo, hi := b.bounds()
	if lo >= hi {
		return nil, fmt.Errorf("%w: a version is good after one that is bad; varve bisect run --flips RATE finds changes that do not always show", ErrContradiction)
	}
	// The middle, or what is next to it and was not skipped.
	mid := lo + (hi-1-lo)/2
	best := -1
	for i := lo; i < hi-1; i++ {
		if b.Answers[b.steps[i].ID.String()] == "" && (best < 0 || abs(i-mid) < abs(best-mid)) {
			best = i
		}
	}
	if best < 0 {
		return nil, nil
	}
	return b.steps[best], nil
}

func abs(n int) int { return max(n, -n) }

// Suspects are the versions of which one is the first bad one: a single one, unless some had to be skipped.
func (b *Bisection) Suspects() []*varve.Snapshot {
	lo, hi := b.bounds()
	if lo >= hi {
		return nil
	}
	return b.steps[lo:hi]
}

// Left is how many answers are wanted yet, if none is skipped.
func (b *Bisection) Left() int {
	lo, hi := b.bounds()
	if hi-lo <= 1 {
		return 0
	}
	return int(math.Ceil(math.Log2(float64(hi - lo))))
}

// Steps are the versions that may be to blame, oldest first.
func (b *Bisection) Steps() []*varve.Snapshot { return b.steps }

// Answer notes what a version is.
func (b *Bisection) Answer(s *varve.Snapshot, answer string) error {
	if answer != Good && answer != Bad && answer != Skip {
		return fmt.Errorf("answer %q: want good, bad or skip", answer)
	}
	for _, step := range b.steps {
		if step.Root == s.Root {
			b.Answers[step.ID.String()] = answer
			return nil
		}
	}
	return fmt.Errorf("%s is not among the versions that may be to blame", s.Ref())
}

// AnswerOf is what an exit code says, by the protocol of git: 0 is good, 125 is to be skipped, 1 to 127 are bad. All
// else ends the search.
func AnswerOf(exit int) (string, bool) {
	switch {
	case exit == 0:
		return Good, true
	case exit == 125:
		return Skip, true
	case exit > 0 && exit < 128:
		return Bad, true
	}
	return "", false
}

// A Condition is a metric compared with a number: what makes a version bad.
type Condition struct {
	Metric, Op string
	Value      float64
}

// ParseCondition reads METRIC<VALUE, with <, <=, >, >=, == or !=.
func ParseCondition(text string) (Condition, error) {
	i := strings.IndexAny(text, "<>=!")
	if i <= 0 {
		return Condition{}, fmt.Errorf("%q: want METRIC<VALUE, with <, <=, >, >=, == or !=", text)
	}
	j := i
	for j < len(text) && strings.ContainsRune("<>=!", rune(text[j])) {
		j++
	}
	c := Condition{Metric: strings.TrimSpace(text[:i]), Op: text[i:j]}
	if c.Op == "=" {
		c.Op = "=="
	}
	if !slices.Contains([]string{"<", "<=", ">", ">=", "==", "!="}, c.Op) {
		return c, fmt.Errorf("%q: there is no comparison %s", text, c.Op)
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(text[j:]), 64)
	if err != nil || math.IsNaN(v) || c.Metric == "" {
		return c, fmt.Errorf("%q: want METRIC%sVALUE", text, c.Op)
	}
	c.Value = v
	return c, nil
}

// Holds reports whether a value meets the condition. What is not a number does.
func (c Condition) Holds(v float64) bool {
	if math.IsNaN(v) {
		return true
	}
	switch c.Op {
	case "<":
		return v < c.Value
	case "<=":
		return v <= c.Value
	case ">":
		return v > c.Value
	case ">=":
		return v >= c.Value
	case "==":
		return v == c.Value
	}
	return v != c.Value
}

// Recorded returns what was recorded of a metric, by the id of the version whose state was measured: a value for each
// repetition.
func (l *Lab) Recorded(ctx context.Context, metric string) (map[string][]float64, error) {
	by, err := l.series(ctx, varve.Where{Field: "metric", Op: "=", Value: metric})
	if err != nil {
		return nil, err
	}
	out := map[string][]float64{}
	for _, m := range by {
		for snapshot, one := range m[metric].bySnapshot() {
			for _, x := range one.samples("last", "") {
				out[snapshot] = append(out[snapshot], x.Value)
			}
		}
	}
	return out, nil
}
