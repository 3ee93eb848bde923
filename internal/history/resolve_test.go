package history

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	_ "time/tzdata" // zones where the system has none

	"pgregory.net/rapid"

	"varve/internal/ledger"
	"varve/internal/object"
	"varve/store"
)

const project = "00112233445566778899aabbccddeeff"

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	loc, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return loc
}

// bare is a history of snapshots at these times, without a vault.
func bare(times ...time.Time) *History {
	h := New(nil, ledger.New(nil, "w"))
	for i, at := range times {
		s := &Snapshot{ID: object.SID{byte(i + 1), 0xab, byte(i)}, Project: project, Version: i + 1, Time: at}
		h.by[s.ID] = s
	}
	return h
}

// rich is a history in a vault: five snapshots of a day each, tags, milestones, and another project's.
func rich(t testing.TB) (*History, time.Time) {
	t.Helper()
	berlin := zone(t, "Europe/Berlin")
	opt := object.Options{Rand: rand.NewChaCha8([32]byte{5}), Now: func() time.Time { return time.UnixMilli(1) }}
	db, err := object.Create(context.Background(), store.NewMemory(), false, opt)
	if err != nil {
		t.Fatal(err)
	}
	h := New(db, ledger.New(db, "w"))
	commit := func(s Snapshot) object.SID {
		t.Helper()
		var id object.SID
		err := db.Write(context.Background(), object.Who{}, func(ctx context.Context, w *object.Session) error {
			id = w.ID
			m, err := s.Encode()
			if err != nil {
				return err
			}
			return w.Commit(ctx, m)
		})
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	var ids []object.SID
	for i, tags := range []map[string]string{{"take": "one"}, nil, {"keep": ""}, {"mood": "dark"}, {"mood": "dark"}} {
		ids = append(ids, commit(Snapshot{Project: project, Version: i + 1, Tags: tags, Time: time.Date(2026, 11, 15+i, 14, 0, 0, 0, berlin)}))
	}
	commit(Snapshot{Project: strings.Repeat("f", 32), Version: 9, Time: time.Date(2026, 11, 19, 15, 0, 0, 0, berlin)})
	record := func(typ, id string, set map[string]ledger.Raw) {
		t.Helper()
		if err := h.Ledger.Append(context.Background(), ledger.Record{Type: typ, ID: id, Set: set}); err != nil {
			t.Fatal(err)
		}
	}
	milestone := func(id, name string, of object.SID, in string) {
		record("milestone", id, map[string]ledger.Raw{"name": ledger.Value(name), "project": ledger.Value(in), "snapshot": ledger.Value(of.String())})
	}
	milestone("1", "alpha", ids[1], project)
	milestone("2", "beef", ids[2], project)
	milestone("3", "one", ids[4], project) // a tag's value too: milestones come first
	milestone("4", "elsewhere", ids[0], strings.Repeat("f", 32))
	record("snapshot", ids[1].String(), map[string]ledger.Raw{"tag.later": ledger.Value("yes")})
	record("snapshot", ids[3].String(), map[string]ledger.Raw{"tag.mood": ledger.Raw("null")})
	if err := h.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	return h, time.Date(2026, 11, 19, 15, 30, 0, 0, berlin)
}

// TestForms is the documented table of references.
func TestForms(t *testing.T) {
	h, now := rich(t)
	id := func(v int) string { return h.Snapshots(project)[v-1].ID.String() }
	const unknown = 0
	for ref, want := range map[string]int{
		"latest": 5, "latest~2": 3, "latest~": 4, "latest~0": 5, "latest~4": 1, "latest~5": unknown, "latest~99999999999999999999": unknown,
		"latest~-1": unknown, "latest~x": unknown, "~1": unknown, "latest~1~1": unknown, "Latest": unknown,
		"v1": 1, "v5": 5, "v6": unknown, "v9": unknown, "v0": unknown, "v01": 1, "v": unknown, "V1": unknown, "v1~1": unknown, "v3~2": 1,
		"alpha": 2, "alpha~1": 1, "ALPHA": unknown, "elsewhere": unknown, "beef": 3, "one": 5,
		"take=one": 1, "later=yes": 2, "yes": 2, "keep": 3, "keep=": 3, "mood": unknown, "mood=dark": 5, "dark": 5,
		id(2): 2, id(2)[:8]: 2, id(4)[:4]: 4, id(2)[:3]: unknown, strings.ToUpper(id(2)): unknown, id(2) + "0": unknown,
		"2h": 4, "1h": 5, "90m": 5, "91m": 4, "1d": 4, "2d": 3, "3d": 2, "0d": 5, "1w": unknown, "4d": 1, "5d": unknown, "1y": unknown,
		"now": 5, "today": 5, "yesterday": 4, "2026-11-17": 3, "2026-11-16": 2, "2026-11-14": unknown, "2027-01-01": 5,
		"2026-11-17T14:00": 3, "2026-11-17T13:59": 2, "2026-11-17T13:59:59": 2, "2026-11-17T14:00:00": 3,
		"2026-11-17T13:00:00Z": 3, "2026-11-17T12:59:59Z": 2, "2026-11-17T14:00:00+01:00": 3, "2026-11-17T14:00:00+02:00": 2,
		"2026-13-01": unknown, "2026-11-31": unknown, "2026-11-17 14:00": unknown, "17.11.2026": unknown,
		"before:latest": 4, "before:alpha": 1, "before:v1": unknown, "before:before:latest": 3, "before:latest~1": 3, "before:": unknown,
		"before:yesterday": 3, "": unknown, strings.Repeat("before:", 100) + "latest": unknown,
	} {
		s, err := h.Resolve(project, ref, now)
		got := unknown
		if err == nil {
			got = s.Version
		} else if !errors.As(err, new(*UnknownError)) {
			t.Errorf("%s: %v", ref, err)
			continue
		}
		if got != want {
			t.Errorf("%s is v%d, want v%d (0: unknown)", ref, got, want)
		}
	}
}

// TestAmbiguous: what could be several is none, and all of them are told.
func TestAmbiguous(t *testing.T) {
	h := bare(time.Unix(1, 0), time.Unix(2, 0), time.Unix(3, 0))
	twin := &Snapshot{ID: object.SID{1, 0xab, 9}, Project: project, Version: 2, Time: time.Unix(9, 0), Tags: map[string]string{"a": "x", "b": "x"}}
	h.by[twin.ID] = twin
	for _, s := range h.by {
		if s.Version == 3 {
			s.Tags = map[string]string{"a": "x"}
		}
	}
	for ref, want := range map[string]int{"v2": 2, "01ab": 2, "x": 2, "a=x": 2, "01ab00": 1, "b=x": 1, "v2~1": 2, "before:v2": 2} {
		s, err := h.Resolve(project, ref, time.Unix(100, 0))
		var many *AmbiguousError
		switch {
		case want == 1 && err != nil:
			t.Errorf("%s: %v", ref, err)
		case want == 2 && (!errors.As(err, &many) || len(many.Candidates) != 2 || s != nil):
			t.Errorf("%s: %v, %v", ref, s, err)
		}
		if many != nil && !slices.Contains(many.Candidates, twin) {
			t.Errorf("%s: candidates %v", ref, many.Candidates)
		}
	}
}

// TestSafety: who says latest, or counts back from what people kept, does not mean what verbs took for safety;
// who names one of those, or a time, does.
func TestSafety(t *testing.T) {
	at := func(n int64) time.Time { return time.Unix(n*3600, 0) }
	h := bare(at(1), at(2), at(3), at(4))
	for _, s := range h.by {
		if s.Version%2 == 0 {
			s.Reason = Safety
		}
	}
	for ref, want := range map[string]int{"latest": 3, "latest~1": 1, "before:latest": 1, "latest~2": 0, "v3~1": 1, "v4": 4, "v4~1": 3, "v2~1": 1, "before:v2": 1, "now": 4, "1h": 4} {
		s, err := h.Resolve(project, ref, at(5))
		got := 0
		if err == nil {
			got = s.Version
		}
		if got != want {
			t.Errorf("%s is v%d, want v%d", ref, got, want)
		}
	}
	for _, s := range h.by {
		s.Reason = Safety
	}
	if s, err := h.Resolve(project, "latest", at(5)); err != nil || s.Version != 4 {
		t.Errorf("latest of nothing but those: %v, %v", s, err)
	}
}

// TestNear: a name that was nearly right is suggested, and where there is none, what there is.
func TestNear(t *testing.T) {
	h, now := rich(t)
	near := func(ref string) []string {
		_, err := h.Resolve(project, ref, now)
		var u *UnknownError
		if !errors.As(err, &u) || u.Ref != ref {
			t.Fatalf("%s: %v", ref, err)
		}
		return u.Near
	}
	for ref, want := range map[string]string{"alhpa": "alpha", "alph": "alpha", "alphas": "alpha", "bef": "beef"} {
		if got := near(ref); !slices.Contains(got, want) {
			t.Errorf("%s: near %q", ref, got)
		}
	}
	if got := near("completely-else"); len(got) != 1 || !strings.Contains(got[0], "v1") || !strings.Contains(got[0], "v5") {
		t.Errorf("nothing near: %q", got)
	}
	if got := near("2020-01-01"); len(got) != 1 || !strings.Contains(got[0], "2026-11-15T14:00") {
		t.Errorf("before the oldest: %q", got)
	}
	if s, err := New(nil, ledger.New(nil, "w")).Resolve(project, "latest", now); s != nil || !errors.As(err, new(*UnknownError)) {
		t.Errorf("of nothing: %v, %v", s, err)
	}
}

func TestDistance(t *testing.T) {
	reference := func(a, b string) int { // by the definition
		var d func(i, j int) int
		d = func(i, j int) int {
			switch {
			case i == 0 || j == 0:
				return i + j
			case a[i-1] == b[j-1]:
				return d(i-1, j-1)
			}
			return 1 + min(d(i-1, j-1), d(i-1, j), d(i, j-1))
		}
		return d(len(a), len(b))
	}
	word := rapid.StringOfN(rapid.SampledFrom([]rune("abc")), 0, 6, -1)
	rapid.Check(t, func(t *rapid.T) {
		a, b := word.Draw(t, "a"), word.Draw(t, "b")
		if got, want := distance(a, b), reference(a, b); got != want {
			t.Fatalf("%q and %q: %d, want %d", a, b, got, want)
		}
	})
}

// TestDays: a day stands for all snapshots whose local date is not later, also where the clocks change, at
// midnight or otherwise, forwards or back; yesterday and ages in days count calendar days, hours are hours.
func TestDays(t *testing.T) {
	changes := map[string][]time.Time{}
	for name, utc := range map[string][]string{
		"Europe/Berlin":       {"2026-03-29T01:00", "2026-10-25T01:00"},
		"America/Sao_Paulo":   {"2018-02-18T02:00", "2018-11-04T03:00"}, // the last hour of a day twice; a day without midnight
		"Africa/Cairo":        {"2024-04-25T22:00", "2024-10-31T21:00"},
		"Australia/Lord_Howe": {"2026-04-04T15:00", "2026-10-03T15:30"}, // half an hour
		"Pacific/Apia":        {"2011-12-30T10:00"},                     // a day that was left out
		"UTC":                 {"2026-06-01T00:00"},
	} {
		for _, s := range utc {
			at, err := time.Parse("2006-01-02T15:04", s)
			if err != nil {
				t.Fatal(err)
			}
			changes[name] = append(changes[name], at)
		}
	}
	names := []string{"Africa/Cairo", "America/Sao_Paulo", "Australia/Lord_Howe", "Europe/Berlin", "Pacific/Apia", "UTC"}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom(names).Draw(t, "zone")
		loc, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		at := rapid.SampledFrom(changes[name]).Draw(t, "change")
		var times []time.Time
		for _, m := range rapid.SliceOfN(rapid.IntRange(-60*60, 60*60), 1, 12).Draw(t, "minutes") {
			times = append(times, at.Add(time.Duration(m)*time.Minute+time.Duration(m&7)*time.Second))
		}
		slices.SortFunc(times, time.Time.Compare)
		h := bare(times...)
		newest := func(until func(local time.Time) bool) int {
			v := 0
			for i, at := range times {
				if until(at.In(loc)) {
					v = i + 1
				}
			}
			return v
		}
		now := at.Add(time.Duration(rapid.IntRange(0, 72*60).Draw(t, "now")) * time.Minute).In(loc)
		check := func(ref string, want int) {
			s, err := h.Resolve(project, ref, now)
			got := 0
			if err == nil {
				got = s.Version
			}
			if got != want {
				t.Fatalf("%s, %s, now %s: v%d, want v%d of %v", name, ref, now, got, want, times)
			}
		}
		const day = "2006-01-02"
		date := at.Add(time.Duration(rapid.IntRange(-60, 60).Draw(t, "hours")) * time.Hour).In(loc).Format(day)
		check(date, newest(func(l time.Time) bool { return l.Format(day) <= date }))
		check("today", newest(func(l time.Time) bool { return l.Format(day) <= now.Format(day) }))
		n := rapid.IntRange(0, 50).Draw(t, "age")
		check(fmt.Sprint(n, "h"), newest(func(l time.Time) bool { return now.Sub(l) >= time.Duration(n)*time.Hour }))
		check(fmt.Sprint(n, "m"), newest(func(l time.Time) bool { return now.Sub(l) >= time.Duration(n)*time.Minute }))
		if name != "Pacific/Apia" { // where yesterday may be a day that never was
			yesterday := time.Date(now.Year(), now.Month(), now.Day()-1, 12, 0, 0, 0, time.UTC).Format(day)
			check("yesterday", newest(func(l time.Time) bool { return l.Format(day) <= yesterday }))
		}
	})
}

// TestClockChange: a day back at the same hour of the clock, which is 23 or 25 hours.
func TestClockChange(t *testing.T) {
	berlin := zone(t, "Europe/Berlin")
	now := time.Date(2026, 10, 25, 12, 0, 0, 0, berlin)
	h := bare(now.Add(-25*time.Hour), now.Add(-24*time.Hour-30*time.Minute), now)
	for ref, want := range map[string]int{"1d": 1, "24h": 2, "25h": 1, "yesterday": 2, "2026-10-24T12:00": 1, "2026-10-24T12:30": 2} {
		if s, err := h.Resolve(project, ref, now); err != nil || s.Version != want {
			t.Errorf("%s: %+v, %v; want v%d", ref, s, err, want)
		}
	}
}

// FuzzResolve: nothing panics; there is a snapshot or one of the two errors; and the forms that are built on
// others keep their meaning.
func FuzzResolve(f *testing.F) {
	h, now := rich(f)
	for _, s := range []string{"latest", "latest~2", "v3", "alpha", "mood=dark", "2h", "yesterday", "2026-11-17", "2026-11-17T14:00", "before:alpha", "~", ":", "9999999w", "999999d~1"} {
		f.Add(s)
	}
	f.Add(h.Snapshots(project)[2].ID.String()[:7])
	all := h.Snapshots(project)
	f.Fuzz(func(t *testing.T, ref string) {
		s, err := h.Resolve(project, ref, now)
		if err != nil {
			if s != nil || !errors.As(err, new(*UnknownError)) && !errors.As(err, new(*AmbiguousError)) {
				t.Fatalf("%q: %v, %v", ref, s, err)
			}
			return
		}
		i := slices.Index(all, s)
		if i < 0 {
			t.Fatalf("%q is a snapshot that is not the project's", ref)
		}
		if strings.Contains(ref, "~") || strings.HasPrefix(ref, "before:") {
			return
		}
		for form, back := range map[string]int{ref + "~0": 0, ref + "~": 1, ref + "~1": 1, ref + "~3": 3, "before:" + ref: 1, "before:" + ref + "~1": 2} {
			got, err := h.Resolve(project, form, now)
			if j := i - back; j < 0 && err == nil || j >= 0 && (err != nil || got != all[j]) {
				t.Errorf("%q is v%d, but %q is %v, %v", ref, i+1, form, got, err)
			}
		}
	})
}

// TestCheckName: a name that is accepted means its milestone, in the shell and here, and nothing else.
func TestCheckName(t *testing.T) {
	for _, bad := range []string{"", "latest", "now", "today", "yesterday", "v1", "v12345", "2h", "30m", "3d", "2w", "2026-11-19", "-x", "--", "a b", "a:b", "a@b", "a~1",
		"a/b", `a\b`, "$x", "a*", "a\tb", "a\nb", "a\x00b", "a\x1bb", "a\x7fb", "a\u00a0b", "a\u2028b", "a\u202eb", "\xff", "{a}", "(a)", "a;b", "a=b", "a#", "!", "%x", "a,b", strings.Repeat("x", 101)} {
		if CheckName(bad) == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
	for _, good := range []string{"alpha", "v1.0", "1.2.3", "rc-1", "beef", "été", "日本", "before", "2026", "version_2+b", strings.Repeat("x", 100)} {
		if err := CheckName(good); err != nil {
			t.Error(err)
		}
	}
}

// FuzzCheckName: a name that is accepted needs no quoting and cannot be cut.
func FuzzCheckName(f *testing.F) {
	f.Add("alpha")
	f.Add("a\u2028b")
	f.Add("v1")
	f.Add("now")
	now := time.Unix(1_800_000_000, 0).UTC()
	f.Fuzz(func(t *testing.T, name string) {
		if CheckName(name) != nil {
			return
		}
		if ref, path := SplitPath(name + ":a/b"); ref != name || path != "a/b" {
			t.Errorf("%q is cut into %q and %q", name, ref, path)
		}
		if path, ref := SplitTime("a/b@" + name); ref != name || path != "a/b" {
			t.Errorf("%q is cut into %q and %q", name, path, ref)
		}
		h := bare(now.Add(-100 * 24 * time.Hour))
		h.by[object.SID{1, 0xab, 0}].Tags = map[string]string{"x": name}
		if s, err := h.Resolve(project, name, now); err != nil || s.Version != 1 {
			t.Errorf("%q does not mean what has the name: %v", name, err)
		}
	})
}

// TestSplitPath: every form of a reference with every kind of path.
func TestSplitPath(t *testing.T) {
	refs := []string{"latest", "latest~2", "v42", "alpha", "take=one", "9f3c", "2h", "yesterday", "2026-11-19", "2026-11-19~1", "2026-11-19T14:00", "2026-11-19T14:00:05",
		"2026-11-19T14:00~3", "2026-11-19T14:00:05~", "2026-11-19T14:00:05Z", "2026-11-19T14:00:05+01:00", "2026-11-19T14:00:05-11:30"}
	for _, r := range slices.Clone(refs) {
		refs = append(refs, "before:"+r, "before:before:"+r)
	}
	for _, ref := range refs {
		if got, path := SplitPath(ref); got != ref || path != "" {
			t.Errorf("%s alone is cut into %q and %q", ref, got, path)
		}
		for _, want := range []string{"a", "a/b.txt", "a:b", ":", "05file", "12-a.png", "123", "05file:12", "2026-11-19T14:00", ""} {
			if got, path := SplitPath(ref + ":" + want); got != ref || path != want {
				t.Errorf("%s:%s is cut into %q and %q", ref, want, got, path)
			}
		}
	}
}

// FuzzSplitPath: nothing panics, nothing is lost.
func FuzzSplitPath(f *testing.F) {
	for _, s := range []string{"latest:a", "before:v2:a/b", "2026-11-19T14:00:05:x", "2026-11-19T14:00:0", ":", "before:", "before:before:", "2026-11-19T14:00:05+01:00:a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		ref, path := SplitPath(arg)
		if ref+":"+path != arg && (ref != arg || path != "") {
			t.Errorf("%q is cut into %q and %q", arg, ref, path)
		}
		path, ref = SplitTime(arg)
		if path+"@"+ref != arg && (path != arg || ref != "") {
			t.Errorf("%q is cut into %q and %q", arg, path, ref)
		}
	})
}

func TestSplitTime(t *testing.T) {
	for arg, want := range map[string][2]string{
		"a/b@v2": {"a/b", "v2"}, "a@b@latest~1": {"a@b", "latest~1"}, "a": {"a", ""}, "a@": {"a@", ""}, "@v1": {"@v1", ""}, "a@before:v2": {"a", "before:v2"},
	} {
		if path, ref := SplitTime(arg); path != want[0] || ref != want[1] {
			t.Errorf("%s is cut into %q and %q", arg, path, ref)
		}
	}
}
