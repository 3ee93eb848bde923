package main

import (
	"crypto/rand"
	"fmt"
	"math"
	mathrand "math/rand/v2"

	"varve"
	"varve/experiment"
)

const demoSeeds = 8

// answer trains the same small model with two learning rates, keeps what both measured beside two versions, and asks
// which is better.
func (d *demonstration) answer() error {
	lab, err := experiment.Open(d.ctx, d.vault, d.project, experiment.Options{Now: d.e.now, Rand: rand.Reader})
	if err != nil {
		return err
	}
	defer lab.Close()
	d.say("$ varve guard --seed N -- train …     (a logistic regression, eight seeds, with two learning rates)")
	var sides [2]*varve.Snapshot
	for i, rate := range []float64{0.05, 0.002} {
		if err := varve.WriteFile(d.path("dragon", "ml", "train.toml"), fmt.Appendf(nil, "rate = %v\n", rate)); err != nil {
			return err
		}
		s, err := d.project.Snap(d.ctx, varve.SnapOptions{Message: fmt.Sprintf("learning rate %v", rate), Ignore: varve.IgnoreSettings{Presets: []string{}}})
		if err != nil {
			return err
		}
		sides[i] = s
		var points []experiment.Point
		for seed := range uint64(demoSeeds) {
			keys := map[string]string{"seed": fmt.Sprint(seed)}
			points = append(points, experiment.Point{Metric: "accuracy", Value: trained(rate, seed), Keys: keys})
		}
		if err := lab.Add(d.ctx, s, "", points); err != nil {
			return err
		}
	}
	d.snapshots = append(d.snapshots, sides[:]...)
	d.say("$ varve compare %s %s", sides[0].Ref(), sides[1].Ref())
	r, err := lab.Compare(d.ctx, sides[0].ID.String(), sides[1].ID.String(), experiment.ComparePlan{Directions: map[string]string{"accuracy": experiment.Higher}})
	if err != nil {
		return err
	}
	for i := range r.Metrics {
		if d.e.json {
			if err := d.e.emit(comparisonOf(&r.Metrics[i])); err != nil {
				return err
			}
		}
	}
	d.e.printComparisons(r.Metrics)
	return nil
}

// trained trains a logistic regression of ten features on 400 examples of two overlapping clouds, one pass, and returns
// its share of right answers on 2,000 others.
func trained(rate float64, seed uint64) float64 {
	r := mathrand.New(mathrand.NewPCG(seed, 7))
	const features = 10
	example := func() (x [features]float64, y float64) {
		if r.IntN(2) == 1 {
			y = 1
		}
		for i := range x {
			x[i] = r.NormFloat64() + (y-0.5)*0.9*float64(i%3)
		}
		return x, y
	}
	var w [features]float64
	score := func(x [features]float64) (s float64) {
		for i := range x {
			s += w[i] * x[i]
		}
		return s
	}
	for range 400 {
		x, y := example()
		gradient := 1/(1+math.Exp(-score(x))) - y
		for i := range w {
			w[i] -= rate * (gradient*x[i] + 0.01*w[i])
		}
	}
	right := 0
	const tests = 2000
	for range tests {
		if x, y := example(); score(x) > 0 == (y == 1) {
			right++
		}
	}
	return float64(right) / tests
}
