package statistics

import (
	"fmt"
	"math"
)

// A roc holds the area under one ROC curve with the placement of each case.
type roc struct {
	area     float64
	positive []float64 // share of the negatives below each positive
	negative []float64 // share of the positives above each negative
}

// newROC works in O(n log n) by ranks. Source: Sun and Xu (2014).
func newROC(labels []bool, scores []float64) (roc, error) {
	if len(labels) != len(scores) {
		return roc{}, fmt.Errorf("%w: %d labels beside %d scores", ErrInput, len(labels), len(scores))
	}
	if err := checkValues(0, scores); err != nil {
		return roc{}, err
	}
	var pos, neg []float64
	for i, s := range scores {
		if labels[i] {
			pos = append(pos, s)
		} else {
			neg = append(neg, s)
		}
	}
	if len(pos) < 2 || len(neg) < 2 {
		return roc{}, fmt.Errorf("%w: %d positive and %d negative cases, and two of each are needed", ErrTooFew, len(pos), len(neg))
	}
	all, _ := Ranks(joined(pos, neg))
	own, _ := Ranks(pos)
	m, n := float64(len(pos)), float64(len(neg))
	r := roc{positive: make([]float64, len(pos)), negative: make([]float64, len(neg))}
	for i := range pos {
		r.positive[i] = (all[i] - own[i]) / n
	}
	own, _ = Ranks(neg)
	for j := range neg {
		r.negative[j] = 1 - (all[len(pos)+j]-own[j])/m
	}
	r.area = (sum(all[:len(pos)])/m - (m+1)/2) / n
	return r, nil
}

func rocCovariance(a, b roc) float64 {
	return covariance(a.positive, b.positive)/float64(len(a.positive)) + covariance(a.negative, b.negative)/float64(len(a.negative))
}

// AUROC is the area under the ROC curve of scores that are high for true labels, with DeLong's standard error; it tests
// the area against ½ + o.Null. Estimate: the area; Interval: within [0, 1]. An area of 0 or 1 has no variance: its
// interval is NaN and its p that of an infinite z. Source: DeLong, DeLong and Clarke-Pearson (1988); R: pROC::ci.auc.
func AUROC(labels []bool, scores []float64, o Options) (Outcome, error) {
	if err := o.check(0); err != nil {
		return Outcome{}, err
	}
	r, err := newROC(labels, scores)
	if err != nil {
		return Outcome{}, err
	}
	o.Null += 0.5
	v := rocCovariance(r, r)
	if v == 0 {
		_, out := none()
		return Outcome{Method: "DeLong", Estimate: r.area, P: math.NaN(), Statistic: math.NaN(), Interval: out}, nil
	}
	out := o.byNormal("DeLong", r.area, math.Sqrt(v))
	out.Interval = Interval{max(0, out.Interval.Low), min(1, out.Interval.High)}
	return out, nil
}

// DeLong tests whether two scores of the same cases have the same area under their ROC curves. Estimate and Interval:
// area(a) − area(b). R: pROC::roc.test(paired=TRUE).
func DeLong(labels []bool, a, b []float64, o Options) (Outcome, error) {
	if err := o.check(0); err != nil {
		return Outcome{}, err
	}
	ra, err := newROC(labels, a)
	if err != nil {
		return Outcome{}, err
	}
	rb, err := newROC(labels, b)
	if err != nil {
		return Outcome{}, err
	}
	v := rocCovariance(ra, ra) + rocCovariance(rb, rb) - 2*rocCovariance(ra, rb)
	if !(v > 1e-15) {
		return Outcome{}, fmt.Errorf("%w: both scores put the cases in the same order", ErrNoVariance)
	}
	return o.byNormal("DeLong paired", ra.area-rb.area, math.Sqrt(v)), nil
}

// DeLongTwo is the same for scores of different cases. R: pROC::roc.test(paired=FALSE), which takes t in place of z.
func DeLongTwo(labelsA []bool, a []float64, labelsB []bool, b []float64, o Options) (Outcome, error) {
	if err := o.check(0); err != nil {
		return Outcome{}, err
	}
	ra, err := newROC(labelsA, a)
	if err != nil {
		return Outcome{}, err
	}
	rb, err := newROC(labelsB, b)
	if err != nil {
		return Outcome{}, err
	}
	v := rocCovariance(ra, ra) + rocCovariance(rb, rb)
	if !(v > 1e-15) {
		return Outcome{}, fmt.Errorf("%w: both scores separate the cases wholly", ErrNoVariance)
	}
	return o.byNormal("DeLong unpaired", ra.area-rb.area, math.Sqrt(v)), nil
}
