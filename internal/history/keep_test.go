package history

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/internal/ledger"
	"varve/internal/object"
)

// moment is a snapshot for Thin: when it says that it was taken, and when the store says that it came.
type moment struct {
	claims, came string // "2006-01-02 15:04"; came is empty where the store does not say
	reason       string
}

func instant(t *testing.T, s string) time.Time {
	t.Helper()
	if s == "" {
		return time.Time{}
	}
	x, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// kept returns the numbers of the snapshots that a policy keeps.
func kept(t *testing.T, p Policy, h *History, all []moment) string {
	t.Helper()
	for i, m := range all {
		id := object.SID{byte(i + 1)}
		h.by[id] = &Snapshot{ID: id, Project: project, Version: i + 1, Time: instant(t, m.claims), Arrived: instant(t, m.came), Reason: m.reason}
	}
	var out []int
	for _, v := range h.Thin(project, p, time.UTC) {
		if v.Kept != (v.Why != "") {
			t.Errorf("v%d: kept %v because %q", v.Version, v.Kept, v.Why)
		}
		if v.Kept {
			out = append(out, v.Version)
		}
	}
	slices.Sort(out)
	return strings.Trim(fmt.Sprint(out), "[]")
}

func honest(times ...string) (out []moment) {
	for _, x := range times {
		out = append(out, moment{claims: x, came: x})
	}
	return out
}

func TestThin(t *testing.T) {
	week := honest("2026-03-01 10:00", "2026-03-01 10:30", "2026-03-01 11:00", "2026-03-02 09:00", "2026-03-09 09:00", "2026-04-01 00:00", "2027-01-01 00:00")
	for name, c := range map[string]struct {
		p       Policy
		moments []moment
		want    string
	}{
		"all":      {Policy{}, week, "1 2 3 4 5 6 7"},
		"last":     {Policy{Last: 2}, week, "6 7"},
		"hourly":   {Policy{Hourly: 6}, week, "2 3 4 5 6 7"},
		"daily":    {Policy{Daily: 5}, week, "3 4 5 6 7"},
		"weekly":   {Policy{Weekly: 4}, week, "4 5 6 7"},
		"monthly":  {Policy{Monthly: 3}, week, "5 6 7"},
		"yearly":   {Policy{Yearly: 9}, week, "6 7"},
		"together": {Policy{Last: 1, Daily: 2, Yearly: 2}, week, "6 7"},
		// Of weeks that share a year's number only by their days: 2027-01-01 is of week 53 of 2026.
		"week of the year before": {Policy{Weekly: 1}, honest("2026-12-31 10:00", "2027-01-01 10:00"), "2"},
		// The last to arrive is the last, whatever it says.
		"order of arrival": {Policy{Last: 1}, []moment{{"2026-03-01 10:00", "2026-03-01 12:00", ""}, {"2026-03-01 11:00", "2026-03-01 11:00", ""}}, "1"},
		// A client that claims days in the future thins only what claims other times than its own.
		"forged": {Policy{Daily: 2}, append(honest("2026-03-01 10:00", "2026-03-02 10:00"),
			moment{"2026-05-01 10:00", "2026-03-02 10:01", ""}, moment{"2026-05-02 10:00", "2026-03-02 10:02", ""}, moment{"2026-05-03 10:00", "2026-03-02 10:03", ""}), "1 2 4 5"},
		"a vault that was copied": {Policy{Last: 1}, []moment{{"2026-03-01 10:00", "2026-06-01 10:00", ""}, {"2026-03-02 10:00", "2026-06-01 10:00", ""}}, "2"},
		"safety":                  {Policy{Last: 1}, []moment{{"2026-03-01 10:00", "2026-03-01 10:00", ""}, {"2026-03-01 11:00", "2026-03-01 11:00", Safety}, {"2026-03-01 12:00", "2026-03-01 12:00", ""}, {"2026-03-01 13:00", "2026-03-01 13:00", Safety}}, "3 4"},
		// One that this process has just taken has not been listed yet.
		"just taken":                  {Policy{Last: 1}, []moment{{"2026-03-01 10:00", "2026-03-01 10:00", ""}, {"2026-03-01 10:01", "", ""}}, "2"},
		"a store that does not say":   {Policy{Last: 1}, []moment{{"2026-03-01 10:00", "", ""}, {"2026-03-01 09:00", "", ""}}, "2"},
		"a policy that keeps nothing": {Policy{Tags: []string{"release"}}, week, ""},
	} {
		_, h := vaultOf(t)
		if got := kept(t, c.p, h, c.moments); got != c.want {
			t.Errorf("%s: keeps %s, want %s", name, got, c.want)
		}
	}
}

// TestThinSpares: milestones, holds and tags stay.
func TestThinSpares(t *testing.T) {
	_, h := vaultOf(t)
	sid := func(n byte) string { id := object.SID{n}; return id.String() }
	err := h.Ledger.Append(t.Context(),
		ledger.Record{Type: "milestone", ID: strings.Repeat("1", 32), Set: map[string]ledger.Raw{"name": ledger.Value("alpha"), "project": ledger.Value(project), "snapshot": ledger.Value(sid(1))}},
		ledger.Record{Type: "hold", ID: sid(2), Set: map[string]ledger.Raw{"reason": ledger.Value("court")}},
		ledger.Record{Type: "snapshot", ID: sid(3), Set: map[string]ledger.Raw{"tag.kind": ledger.Value("good")}},
		ledger.Record{Type: "snapshot", ID: sid(4), Set: map[string]ledger.Raw{"tag.kind": ledger.Value("bad")}})
	if err != nil {
		t.Fatal(err)
	}
	days := honest("2026-03-01 10:00", "2026-03-02 10:00", "2026-03-03 10:00", "2026-03-04 10:00", "2026-03-05 10:00")
	if got := kept(t, Policy{Last: 1, Tags: []string{"kind=good"}}, h, days); got != "1 2 3 5" {
		t.Errorf("keeps %s", got)
	}
	if got := kept(t, Policy{Tags: []string{"kind"}}, h, days); got != "1 2 3 4" {
		t.Errorf("by key: keeps %s", got)
	}
}
