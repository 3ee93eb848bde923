package experiment

import (
	"context"
	"fmt"
	"slices"

	"varve"
	"varve/internal/statistics"
)

// sure is the probability at which a noisy search ends.
const sure = 0.95

// Trial is one answer of a search among versions that may answer wrongly.
type Trial struct {
	Snapshot string `json:"snapshot"`
	Bad      bool   `json:"bad"`
}

// Suspect is a version and how likely it is the first bad one.
type Suspect struct {
	Snapshot *varve.Snapshot
	P        float64
}

// Posterior says how likely each step is the first bad one, after the trials of a search whose answers are wrong at a
// rate of flips, between 0 and ½.
func (b *Bisection) Posterior() (statistics.Posterior, error) {
	at := map[string]int{}
	for i, s := range b.steps {
		at[s.ID.String()] = i
	}
	var probes []statistics.Probe
	for _, t := range b.Trials {
		if i, ok := at[t.Snapshot]; ok {
			probes = append(probes, statistics.Probe{At: i, Bad: t.Bad})
		}
	}
	return statistics.ChangePoint(len(b.steps), probes, b.Flips, nil)
}

// NextNoisy returns the version whose trial tells most, tried before or not; nil where one version is the first bad one
// with a probability of 0.95.
func (b *Bisection) NextNoisy() (*varve.Snapshot, error) {
	p, err := b.Posterior()
	if err != nil {
		return nil, err
	}
	if p.P[p.Best()] >= sure {
		return nil, nil
	}
	i := p.Next(func(i int) bool { return i == len(b.steps)-1 || b.Answers[b.steps[i].ID.String()] == Skip })
	if i < 0 {
		return nil, nil
	}
	return b.steps[i], nil
}

// Credible are the versions among which the first bad one is with a probability of 0.95, the likeliest first.
func (b *Bisection) Credible() ([]Suspect, error) {
	p, err := b.Posterior()
	if err != nil {
		return nil, err
	}
	return suspects(b.steps, p), nil
}

func suspects(steps []*varve.Snapshot, p statistics.Posterior) []Suspect {
	var out []Suspect
	for _, i := range p.Credible(sure) {
		out = append(out, Suspect{steps[i], p.P[i]})
	}
	slices.SortStableFunc(out, func(a, b Suspect) int {
		switch {
		case a.P > b.P:
			return -1
		case a.P < b.P:
			return 1
		}
		return 0
	})
	return out
}

// Shift finds, of what was recorded of a metric between two versions, where its mean changed: the versions among which
// the first one after the change is, with a probability of 0.95, the likeliest first.
func (l *Lab) Shift(ctx context.Context, metric string, from, to *varve.Snapshot) ([]Suspect, error) {
	recorded, err := l.Recorded(ctx, metric)
	if err != nil {
		return nil, err
	}
	var steps []*varve.Snapshot
	var readings []statistics.Reading
	for _, s := range l.p.Snapshots() {
		values, ok := recorded[s.ID.String()]
		if !ok || from != nil && s.Version < from.Version || to != nil && s.Version > to.Version {
			continue
		}
		for _, v := range values {
			readings = append(readings, statistics.Reading{At: len(steps), Value: v})
		}
		steps = append(steps, s)
	}
	if len(steps) < 2 {
		return nil, fmt.Errorf("%s was measured in %d versions: two are the least", metric, len(steps))
	}
	p, err := statistics.ChangePointMean(len(steps), readings, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", metric, err)
	}
	return suspects(steps, p), nil
}
