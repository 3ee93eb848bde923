package varve_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/fixture"
	"varve/internal/history"
	"varve/internal/tree"
)

// clientAttacks are manifests by a client that has the key and lies about when, where and by whom they were made. The
// victim keeps a policy, by which his own snapshots must not give way to them.
func clientAttacks() (all []attack) {
	type lie struct {
		name string
		n    int
		tell func(s *history.Snapshot, i int, now time.Time)
	}
	day := 24 * time.Hour
	for _, l := range []lie{
		{"years ahead", 100, func(s *history.Snapshot, i int, now time.Time) { s.Time = now.AddDate(i+1, 0, 0) }},
		{"years behind", 100, func(s *history.Snapshot, i int, now time.Time) { s.Time = now.AddDate(-i-1, 0, 0) }},
		{"a day each, ahead", 60, func(s *history.Snapshot, i int, now time.Time) { s.Time = now.Add(time.Duration(i+3) * day) }},
		{"a day each, behind", 60, func(s *history.Snapshot, i int, now time.Time) { s.Time = now.Add(-time.Duration(i+3) * day) }},
		{"two days by turns", 60, func(s *history.Snapshot, i int, now time.Time) { s.Time = now.Add(time.Duration(i%2) * day) }},
		{"three days by turns, within what a clock may be wrong", 60, func(s *history.Snapshot, i int, now time.Time) {
			s.Time = now.Add(time.Duration(i%3-1) * 47 * time.Hour)
		}},
		{"an hour each, within what a clock may be wrong", 90, func(s *history.Snapshot, i int, now time.Time) { s.Time = now.Add(time.Duration(i-45) * time.Hour) }},
		{"the last year there is", 30, func(s *history.Snapshot, i int, now time.Time) {
			s.Time = time.Date(9999, 12, i%28+1, 0, 0, 0, 0, time.UTC)
		}},
		{"the first year there is", 30, func(s *history.Snapshot, i int, now time.Time) {
			s.Time = time.Date(1, 1, i%28+1, 0, 0, 0, 0, time.UTC)
		}},
		{"no time", 30, func(s *history.Snapshot, i int, now time.Time) { s.Time = time.Time{} }},
		{"zones at the edge", 30, func(s *history.Snapshot, i int, now time.Time) { s.Time = now.In(time.FixedZone("", (i%47-23)*3600)) }},
		{"the victim's own times", 30, func(s *history.Snapshot, i int, now time.Time) { s.Time = now.Add(-time.Duration(i%10) * day) }},
		{"the greatest versions", 30, func(s *history.Snapshot, i int, now time.Time) { s.Time, s.Version = now.AddDate(1, 0, i), 1<<62+i }},
		{"the victim's versions", 30, func(s *history.Snapshot, i int, now time.Time) { s.Time, s.Version = now.AddDate(1, 0, i), i%10+1 }},
		{"a parent that is not there", 30, func(s *history.Snapshot, i int, now time.Time) { s.Time, s.Parent = now.AddDate(0, i+1, 0), "../.." }},
		{"themselves as parents", 30, func(s *history.Snapshot, i int, now time.Time) {
			s.Time, s.Parent = now.AddDate(0, i+1, 0), s.ID.String()
		}},
		{"another host and path", 30, func(s *history.Snapshot, i int, now time.Time) {
			s.Time, s.Host, s.Path, s.User = now.AddDate(0, i+1, 0), "elsewhere", "/", "root"
		}},
		{"taken for safety", 30, func(s *history.Snapshot, i int, now time.Time) { s.Time, s.Reason = now, history.Safety }},
		{"taken for safety, years ahead", 30, func(s *history.Snapshot, i int, now time.Time) {
			s.Time, s.Reason = now.AddDate(i, 0, 0), history.Safety
		}},
		{"another project", 30, func(s *history.Snapshot, i int, now time.Time) { s.Time, s.Project = now, fmt.Sprintf("%032x", i+1) }},
		{"tags of the policy", 30, func(s *history.Snapshot, i int, now time.Time) {
			s.Time, s.Tags = now.AddDate(1, 0, i), map[string]string{"keep": "yes"}
		}},
	} {
		all = append(all, attack{name: "times: " + l.name, alone: func(t *testing.T) {
			r := newRig(9)
			r.vault = disk.NewMemory(disk.MemoryOptions{Now: func() int64 { return r.now.Load() }})
			s := mustOpen(t, r)
			w := fixture.NewWriter(s.dir, time.Unix(1_500_000_000, 0))
			var own []varve.ID
			for i := range 10 {
				w.Put("a.txt", 0o644, fmt.Appendf(nil, "day %d", i))
				own = append(own, mustSnap(t, s).ID)
				r.now.Add(int64(day))
			}
			v := &victim{t: t, a: &attack{}, of: &victims{rig: r, project: s.p.ID()}, rig: r}
			m := newMaker(t, v)
			d, sum := m.dir(file("a.txt", "evil"))
			now := time.Unix(0, r.now.Load())
			for i := range l.n {
				m.snapshot(d, sum, func(h *history.Snapshot) { l.tell(h, i, now) })
			}
			m.finish()
			thinned(t, r, own)
		}})
	}
	return append(all, otherClients()...)
}

// thinned has the victim thin and collect by a policy of days, and expects his own days to be kept.
func thinned(t *testing.T, r *rig, own []varve.ID) {
	ctx := context.Background()
	s := mustOpen(t, r)
	if err := s.p.SetPolicy(ctx, varve.Policy{Daily: 8, Weekly: 4, Monthly: 2, Tags: []string{"keep"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.p.Thin(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := s.v.Collect(ctx, varve.CollectOptions{}); err != nil {
		t.Fatal(err)
	}
	again := mustOpen(t, r)
	for i, id := range own[len(own)-7:] { // the day of the attack is one of the eight
		at := slices.IndexFunc(again.p.Snapshots(), func(s *varve.Snapshot) bool { return s.ID == id })
		if at < 0 {
			t.Errorf("the victim's snapshot of day %d is gone", len(own)-7+i)
			continue
		}
		if _, err := restored(ctx, again.p, again.p.Snapshots()[at]); err != nil {
			t.Error(err)
		}
	}
}

// otherClients lie about other things.
func otherClients() (all []attack) {
	add := func(name string, want expect, make func(*maker), check func(*testing.T, *victim)) {
		all = append(all, attack{name: name, want: want, make: make, check: check})
	}
	one := func(change func(m *maker, h *history.Snapshot)) func(*maker) {
		return func(m *maker) {
			d, sum := m.dir(file("a.txt", "evil"))
			m.snapshot(d, sum, func(h *history.Snapshot) { change(m, h) })
		}
	}
	add("a project of the victim's path and host", harmless, one(func(m *maker, h *history.Snapshot) {
		h.Project, h.Path, h.Host, h.Time = "00000000000000000000000000000001", m.v.base+"/project", "rig", m.last.Time.AddDate(100, 0, 0)
	}), func(t *testing.T, v *victim) {
		if v.p.ID() != v.of.project {
			t.Error("the folder was taken for the project of another")
		}
	})
	add("a path that repair would read", noticed, func(m *maker) {
		d := m.keys.ID.Sum([]byte(secret)) // whoever knows what it may hold would learn whether it does
		dir, sum := m.dir(fileOf("secret", recipe(int64(len(secret)), chunkItem(d, int64(len(secret))))))
		m.snapshot(dir, sum, func(h *history.Snapshot) {
			h.Path, h.Host, h.Project = m.v.base+"/outside", "rig", "00000000000000000000000000000001"
		})
	}, nil)
	all[len(all)-1].looks = true
	add("counts beyond all", harmless, one(func(_ *maker, h *history.Snapshot) {
		h.Counts = history.Counts{Added: 1<<63 - 1, Modified: -1 << 63}
		h.Tree = tree.Summary{Files: 1<<64 - 1, Bytes: 1<<64 - 1}
		h.Seconds = -1e300
		h.Skipped = history.Skipped{Files: -1, Bytes: -1}
	}), nil)
	add("the victim's tree as one's own", harmless, func(m *maker) {
		m.snapshot(m.last.Root, m.last.Tree, func(h *history.Snapshot) { h.Version, h.Host = m.last.Version, "elsewhere" })
	}, nil)
	add("errors that were none", harmless, one(func(_ *maker, h *history.Snapshot) {
		h.Errors = slices.Repeat([]history.Failure{{Path: "../../\x1b[2J", Error: "\x00"}}, 10_000)
	}), nil)
	return all
}
