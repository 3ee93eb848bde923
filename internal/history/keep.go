package history

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Policy says which snapshots of a project are kept when it is thinned. A snapshot is kept if any rule keeps it; the
// zero Policy keeps all.
type Policy struct {
	Last    int `json:"last,omitempty"`    // the newest
	Hourly  int `json:"hourly,omitempty"`  // the newest of each hour, of so many hours that have one
	Daily   int `json:"daily,omitempty"`   // likewise, of days
	Weekly  int `json:"weekly,omitempty"`  // of weeks by ISO 8601
	Monthly int `json:"monthly,omitempty"` // of months
	Yearly  int `json:"yearly,omitempty"`  // of years
	// Tags keep the snapshots that have one of them: K or K=V.
	Tags []string `json:"tags,omitempty"`
}

// Empty reports whether the policy keeps all.
func (p *Policy) Empty() bool { return len(p.rules()) == 0 && len(p.Tags) == 0 }

// String is the policy as the flags of keep.
func (p *Policy) String() string {
	var out []string
	for _, r := range p.rules() {
		out = append(out, fmt.Sprintf("--%s %d", r.name, r.n))
	}
	for _, t := range p.Tags {
		out = append(out, "--tag "+t)
	}
	return strings.Join(out, " ")
}

// rule keeps the newest snapshot of each of n periods.
type rule struct {
	name   string
	n      int
	period func(time.Time) string // nil: each snapshot is one of its own
}

func (p *Policy) rules() []rule {
	all := []rule{
		{"last", p.Last, nil},
		{"hourly", p.Hourly, func(t time.Time) string { return t.Format("2006-01-02T15") }},
		{"daily", p.Daily, func(t time.Time) string { return t.Format(time.DateOnly) }},
		{"weekly", p.Weekly, func(t time.Time) string { y, w := t.ISOWeek(); return fmt.Sprint(y, "-", w) }},
		{"monthly", p.Monthly, func(t time.Time) string { return t.Format("2006-01") }},
		{"yearly", p.Yearly, func(t time.Time) string { return t.Format("2006") }},
	}
	return slices.DeleteFunc(all, func(r rule) bool { return r.n <= 0 })
}

// A Verdict says whether a snapshot is kept, and why.
type Verdict struct {
	*Snapshot
	Kept bool
	Why  string
}

// strays is how far the time that a snapshot claims may be from its arrival at the store. Those that claim another
// time, be it that a clock was wrong, that the vault was copied, or that somebody would have others thinned, are thinned
// among themselves.
const strays = 48 * time.Hour

// Thin judges the snapshots of a project by a policy, in the zone where hours and days begin. They are put in the
// order of their arrival, which is the store's to say and not a client's. Milestones and holds are always kept; so is
// what a verb took for safety as long as the snapshot before it is.
func (h *History) Thin(project string, p Policy, zone *time.Location) []Verdict {
	all := h.Snapshots(project)
	slices.SortStableFunc(all, arrival)
	out := make([]Verdict, len(all))
	for i, s := range all {
		out[i].Snapshot = s
	}
	if p.Empty() {
		for i := range out {
			out[i].Kept, out[i].Why = true, "no policy"
		}
		return out
	}
	named := map[string]string{}
	for _, m := range h.Milestones(project) {
		named[m.Snapshot.String()] = m.Name
	}
	for i := range out {
		s := out[i].Snapshot
		if m, ok := named[s.ID.String()]; ok {
			out[i].keep("milestone " + m)
		}
		if _, held := h.Held(s); held {
			out[i].keep("held")
		}
		if t, ok := h.hasTag(s, p.Tags); ok {
			out[i].keep("tag " + t)
		}
	}
	for _, r := range p.rules() {
		r.apply(out, zone, false)
		r.apply(out, zone, true)
	}
	for i := range out {
		if out[i].Reason == Safety && i > 0 && out[i-1].Kept {
			out[i].keep("taken for safety after " + out[i-1].Ref())
		}
	}
	return out
}

// arrival orders snapshots as they came to the store. One of which the store has not said when it came has just come
// from this process, or the store says so of none.
func arrival(a, b *Snapshot) int {
	switch x, y := a.Arrived.IsZero(), b.Arrived.IsZero(); {
	case x && !y:
		return 1
	case y && !x:
		return -1
	}
	return cmp.Or(a.Arrived.Compare(b.Arrived), cmp.Compare(a.Version, b.Version))
}

func (v *Verdict) keep(why string) {
	if v.Kept {
		why = v.Why + ", " + why
	}
	v.Kept, v.Why = true, why
}

// stray reports whether a snapshot claims a time that it did not arrive at.
func (s *Snapshot) stray() bool {
	return !s.Arrived.IsZero() && s.Arrived.Sub(s.Time).Abs() > strays
}

// counted is the time by which a snapshot is of a period: that of its arrival, for what it claims might make one client's
// snapshots of an hour fill the places of as many days as its clock may be wrong. Strays have only their claims.
func (s *Snapshot) counted() time.Time {
	if s.Arrived.IsZero() || s.stray() {
		return s.Time
	}
	return s.Arrived
}

// apply keeps the newest of each period among the snapshots that are strays, or those that are not.
func (r *rule) apply(all []Verdict, zone *time.Location, strays bool) {
	left, last := r.n, ""
	for i := len(all) - 1; i >= 0 && left > 0; i-- {
		s := all[i].Snapshot
		if s.Reason == Safety || s.stray() != strays {
			continue
		}
		period := s.Ref()
		if r.period != nil {
			period = r.period(s.counted().In(zone))
		}
		if period != last {
			all[i].keep(r.name)
			left, last = left-1, period
		}
	}
}

func (h *History) hasTag(s *Snapshot, of []string) (string, bool) {
	if len(of) == 0 {
		return "", false
	}
	tags := h.Tags(s)
	for _, t := range of {
		k, v, valued := strings.Cut(t, "=")
		if got, ok := tags[k]; ok && (!valued || got == v) {
			return t, true
		}
	}
	return "", false
}
