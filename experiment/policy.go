package experiment

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/bmatcuk/doublestar/v4"
)

// Policy says what a run must keep to, and what happens where it does not. Its file is TOML:
//
//	baseline = "last-good"            # what relative rules and tests compare with: last-good, or a reference
//	on_failure = "keep"               # where the command fails: keep, or rollback
//	metrics = ["metrics.json"]        # files of the project to import, as globs
//	stdout = ['acc=(?P<accuracy>\S+)'] # patterns for what the command prints
//
//	[rollback]
//	to = "before"                     # what is put back: before (the state when the run began), or last-good
//	scope = ["src", "configs/*.yaml"] # absent: code and configuration
//	never = ["notes"]                 # stays in any case
//
//	[fingerprint]
//	dataset = ["data"]                # folders whose contents a run depends on
//	evaluation = ["eval"]             # folders that must be equal for two runs to be compared
//
//	[[metric]]
//	name = "accuracy"
//	direction = "higher"              # or lower: which is better
//	floor = 94.0                      # less is a violation
//	ceiling = 99.9                    # more is
//	baseline = 95.3                   # instead of that of the baseline run
//	relative_drop = 0.01              # worse than the baseline by more than this share of it is
//	severity = "critical"             # critical: rolled back; warning: noted and tagged
//	test = { alpha = 0.05, minimum_effect = 0.5 }
//
// A metric may have several entries, each with its own severity.
type Policy struct {
	Baseline    string      `toml:"baseline"`
	OnFailure   string      `toml:"on_failure"`
	Metrics     []string    `toml:"metrics"`
	Stdout      []string    `toml:"stdout"`
	Rollback    RollbackTo  `toml:"rollback"`
	Fingerprint Fingerprint `toml:"fingerprint"`
	Rules       []Rule      `toml:"metric"`

	digest string
}

// RollbackTo says what a rollback puts back, and how much of it.
type RollbackTo struct {
	To    string   `toml:"to"`
	Scope []string `toml:"scope"`
	Never []string `toml:"never"`
}

// Fingerprint names the folders whose contents tell whether two runs can be compared.
type Fingerprint struct {
	Dataset    []string `toml:"dataset"`
	Evaluation []string `toml:"evaluation"`
}

// Rule is what one metric must keep to.
type Rule struct {
	Metric    string   `toml:"name"`
	Direction string   `toml:"direction"` // higher, lower
	Floor     *float64 `toml:"floor"`
	Ceiling   *float64 `toml:"ceiling"`
	Baseline  *float64 `toml:"baseline"`
	Drop      *float64 `toml:"relative_drop"` // a share: 0.01 is one hundredth
	Test      *Test    `toml:"test"`
	Severity  string   `toml:"severity"` // critical, warning
	Required  bool     `toml:"required"` // that it was not measured is a violation too
	Take      string   `toml:"take"`     // of a series: last (the default), best, mean
}

// Test makes a rule of significance: worse than the baseline at level alpha, by at least the minimum effect.
type Test struct {
	Alpha         float64 `toml:"alpha"`
	MinimumEffect float64 `toml:"minimum_effect"` // in the metric's own unit
	Relative      bool    `toml:"relative"`       // the minimum effect is a share of the baseline
	MinimumN      int     `toml:"minimum_n"`      // with fewer values on a side nothing is tested
}

// The words of a policy.
const (
	Higher   = "higher"
	Lower    = "lower"
	Critical = "critical"
	Warning  = "warning"
	Keep     = "keep"
	Rollback = "rollback"
	Before   = "before"
	LastGood = "last-good"
)

const maxPolicy = 1 << 20 // bytes

// ParsePolicy reads a policy. An unknown key is an error: a rule that is misspelt would protect nothing.
func ParsePolicy(b []byte) (*Policy, error) {
	if len(b) > maxPolicy {
		return nil, fmt.Errorf("policy: %d bytes, more than %d", len(b), maxPolicy)
	}
	p := &Policy{}
	meta, err := toml.Decode(string(b), p)
	if err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	if rest := meta.Undecoded(); len(rest) > 0 {
		return nil, fmt.Errorf("policy: unknown key %s", rest[0])
	}
	p.Baseline = or(p.Baseline, LastGood)
	p.OnFailure = or(p.OnFailure, Keep)
	p.Rollback.To = or(p.Rollback.To, Before)
	if err := p.check(); err != nil {
		return nil, fmt.Errorf("policy: %w", err)
	}
	sum := sha256.Sum256(b)
	p.digest = hex.EncodeToString(sum[:])
	return p, nil
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

func (p *Policy) check() error {
	if err := oneOf("on_failure", p.OnFailure, Keep, Rollback); err != nil {
		return err
	}
	if err := oneOf("rollback.to", p.Rollback.To, Before, LastGood); err != nil {
		return err
	}
	if err := p.Scope().Check(); err != nil {
		return err
	}
	for _, text := range p.Stdout {
		re, err := regexp.Compile(text)
		if err != nil {
			return fmt.Errorf("stdout: %w", err)
		}
		if !slices.ContainsFunc(re.SubexpNames(), func(group string) bool { return group != "" }) {
			return fmt.Errorf("stdout: %q names no metric: want a group as (?P<accuracy>\\S+)", text)
		}
	}
	for _, glob := range p.Metrics {
		if glob == "" || !doublestar.ValidatePattern(glob) {
			return fmt.Errorf("metrics: %q is not a pattern", glob)
		}
	}
	for i := range p.Rules {
		r := &p.Rules[i]
		err := r.check()
		if err == nil {
			err = r.agrees(p.Rules[:i])
		}
		if err != nil {
			return fmt.Errorf("metric %d, %q: %w", i+1, r.Metric, err)
		}
	}
	return nil
}

// agrees refuses a rule that contradicts one of those before it: nothing could keep to both.
func (r *Rule) agrees(before []Rule) error {
	for i := range before {
		b := &before[i]
		switch {
		case b.Metric != r.Metric:
		case b.Direction != "" && r.Direction != "" && b.Direction != r.Direction:
			return fmt.Errorf("direction = %q, and %q in entry %d: which is better?", r.Direction, b.Direction, i+1)
		case r.Floor != nil && b.Ceiling != nil && *r.Floor > *b.Ceiling:
			return fmt.Errorf("no value is above the floor %v and below the ceiling %v of entry %d", *r.Floor, *b.Ceiling, i+1)
		case r.Ceiling != nil && b.Floor != nil && *b.Floor > *r.Ceiling:
			return fmt.Errorf("no value is above the floor %v of entry %d and below the ceiling %v", *b.Floor, i+1, *r.Ceiling)
		}
	}
	return nil
}

func (r *Rule) check() error {
	r.Severity = or(r.Severity, Critical)
	r.Take = or(r.Take, "last")
	switch {
	case r.Metric == "":
		return errors.New("it has no name")
	case r.Floor == nil && r.Ceiling == nil && r.Drop == nil && r.Test == nil && !r.Required:
		return errors.New("it says nothing: want floor, ceiling, relative_drop, test or required")
	case r.Floor != nil && r.Ceiling != nil && *r.Floor > *r.Ceiling:
		return fmt.Errorf("no value is above the floor %v and below the ceiling %v", *r.Floor, *r.Ceiling)
	case r.Drop != nil && (!(*r.Drop >= 0) || math.IsInf(*r.Drop, 0) || r.Direction == Higher && *r.Drop > 1):
		return fmt.Errorf("relative_drop = %v: want a share of the baseline, as 0.01", *r.Drop)
	case (r.Drop != nil || r.Test != nil) && r.Direction == "":
		return errors.New("it has no direction: is higher better, or lower?")
	}
	for _, bound := range []struct {
		key string
		v   *float64
	}{{"floor", r.Floor}, {"ceiling", r.Ceiling}, {"baseline", r.Baseline}} {
		if bound.v != nil && (math.IsNaN(*bound.v) || math.IsInf(*bound.v, 0)) {
			return fmt.Errorf("%s = %v: want a finite number", bound.key, *bound.v)
		}
	}
	if r.Direction != "" {
		if err := oneOf("direction", r.Direction, Higher, Lower); err != nil {
			return err
		}
	}
	if r.Take == "best" && r.Direction == "" {
		return errors.New("take = best needs a direction")
	}
	if t := r.Test; t != nil {
		if t.Alpha == 0 {
			t.Alpha = 0.05
		}
		if !(t.Alpha > 0 && t.Alpha < 1) || !(t.MinimumEffect >= 0) || math.IsInf(t.MinimumEffect, 0) {
			return fmt.Errorf("test: alpha = %v, minimum_effect = %v", t.Alpha, t.MinimumEffect)
		}
	}
	if err := oneOf("take", r.Take, "last", "best", "mean"); err != nil {
		return err
	}
	return oneOf("severity", r.Severity, Critical, Warning)
}

func oneOf(key, value string, words ...string) error {
	if slices.Contains(words, value) {
		return nil
	}
	return fmt.Errorf("%s = %q: want %s", key, value, strings.Join(words, " or "))
}

// Scope is what a rollback by the policy may touch.
func (p *Policy) Scope() Scope { return Scope{In: p.Rollback.Scope, Out: p.Rollback.Never} }

// Digest is the SHA-256 of the policy's file, in hex; "" of one that was not read from a file.
func (p *Policy) Digest() string { return p.digest }
