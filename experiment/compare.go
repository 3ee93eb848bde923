package experiment

import (
	"context"
)

// ComparePlan says how two versions are compared.
type ComparePlan struct {
	Metrics []string
}

// Comparison is what two versions say of one metric.
type Comparison struct {
	Metric string
}

// Report is a comparison of two versions.
type Report struct {
	Metrics  []Comparison
	Warnings []string
}

func (l *Lab) Compare(ctx context.Context, a, b string, plan ComparePlan) (*Report, error) {
	return &Report{}, nil
}

func testRule(metric string, r *Rule, base, run Measured) (Comparison, bool) {
	return Comparison{}, false
}

func (j *Judgement) test(r *Rule, compare func(string, *Rule) (Comparison, bool)) {}
