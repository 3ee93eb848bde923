package history

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A reference to a snapshot is one of
//
//	latest, latest~2        the newest that was not taken for safety; two before it
//	v42                     the project's 42nd
//	NAME                    of a milestone, or the value or K=V of a tag
//	9f3c…                   a unique prefix of an id, four digits or more
//	2h, 30m, 3d, 2w         the newest that is at least so old
//	yesterday, today, now, 2026-11-19, 2026-11-19T14:00, 2026-11-19T14:00:05
//	                        the newest at that time; of a day, at its end
//	before:REF              the one before
//
// It never needs quoting in sh, zsh or PowerShell.

// UnknownError says that a reference names nothing.
type UnknownError struct {
	Ref  string
	Near []string // what may have been meant
}

func (e *UnknownError) Error() string { return fmt.Sprintf("no snapshot %q", e.Ref) }

// AmbiguousError says that a reference names several snapshots.
type AmbiguousError struct {
	Ref        string
	Candidates []*Snapshot
}

func (e *AmbiguousError) Error() string {
	names := make([]string, 0, len(e.Candidates))
	for _, s := range e.Candidates {
		names = append(names, s.Ref()+" ("+s.ID.String()[:12]+")")
	}
	return fmt.Sprintf("%q is ambiguous: %s", e.Ref, strings.Join(names, ", "))
}

var (
	ageForm    = regexp.MustCompile(`^([0-9]{1,6})(m|h|d|w)$`)
	numberForm = regexp.MustCompile(`^v([0-9]{1,9})$`)
	idForm     = regexp.MustCompile(`^[0-9a-f]{4,32}$`)
)

// CheckName refuses names for milestones and tags that could be read as another kind of reference, or
// that need quoting.
func CheckName(name string) error {
	switch {
	case name == "" || len(name) > 100:
		return fmt.Errorf("name %q: want 1 to 100 characters", name)
	case strings.ContainsAny(name, " \"'`$&|;<>()[]{}*?!#~^:@,\\/%="), !utf8.ValidString(name),
		strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }):
		return fmt.Errorf("name %q: letters, digits and . _ + - only", name)
	case name[0] == '-' || name == "latest" || name == "now" || name == "today" || name == "yesterday",
		ageForm.MatchString(name), numberForm.MatchString(name), isTime(name):
		return fmt.Errorf("name %q: it already means something else", name)
	}
	return nil
}

func isTime(s string) bool { _, ok := parseTime(s, time.Unix(0, 0).UTC()); return ok }

// Resolve finds the snapshot of a project that ref names. now is the user's clock and zone.
func (h *History) Resolve(project, ref string, now time.Time) (*Snapshot, error) {
	all := h.Snapshots(project)
	return h.resolve(all, project, ref, now, 0)
}

func (h *History) resolve(all []*Snapshot, project, ref string, now time.Time, depth int) (*Snapshot, error) {
	unknown := &UnknownError{Ref: ref}
	if ref == "" || depth > 8 {
		return nil, unknown
	}
	if rest, ok := strings.CutPrefix(ref, "before:"); ok {
		s, err := h.resolve(all, project, rest, now, depth+1)
		if err != nil {
			return nil, err
		}
		return back(all, s, 1, ref)
	}
	if base, n, ok := strings.Cut(ref, "~"); ok {
		steps := 1
		if n != "" {
			v, err := strconv.Atoi(n)
			if err != nil || v < 0 {
				return nil, unknown
			}
			steps = v
		}
		s, err := h.resolve(all, project, base, now, depth+1)
		if err != nil {
			return nil, err
		}
		return back(all, s, steps, ref)
	}
	if ref == "latest" {
		if len(all) == 0 {
			return nil, unknown
		}
		meant := taken(all)
		if len(meant) == 0 {
			meant = all
		}
		return meant[len(meant)-1], nil
	}
	if found := h.named(all, project, ref); len(found) > 0 {
		return only(ref, found)
	}
	if t, ok := parseTime(ref, now); ok {
		return at(all, t, ref)
	}
	unknown.Near = h.near(all, project, ref)
	return nil, unknown
}

// named returns what a number, a name or an id prefix can mean.
func (h *History) named(all []*Snapshot, project, ref string) []*Snapshot {
	var found []*Snapshot
	if m := numberForm.FindStringSubmatch(ref); m != nil {
		n, _ := strconv.Atoi(m[1])
		for _, s := range all {
			if s.Version == n {
				found = append(found, s)
			}
		}
		return found
	}
	for _, m := range h.Milestones(project) {
		if m.Name == ref {
			for _, s := range all {
				if s.ID == m.Snapshot {
					found = append(found, s)
				}
			}
		}
	}
	if len(found) > 0 {
		return found
	}
	for _, s := range all {
		for k, v := range h.Tags(s) {
			if v == ref || k+"="+v == ref || v == "" && k == ref {
				found = append(found, s)
				break
			}
		}
	}
	if len(found) > 0 {
		return found
	}
	if idForm.MatchString(ref) {
		for _, s := range all {
			if strings.HasPrefix(s.ID.String(), ref) {
				found = append(found, s)
			}
		}
	}
	return found
}

func only(ref string, found []*Snapshot) (*Snapshot, error) {
	if len(found) > 1 {
		return nil, &AmbiguousError{ref, found}
	}
	return found[0], nil
}

// taken leaves out the snapshots that verbs took for safety: who says "latest" means what they kept.
func taken(all []*Snapshot) []*Snapshot {
	return slices.DeleteFunc(slices.Clone(all), func(s *Snapshot) bool { return s.Reason == Safety })
}

// back goes n snapshots back from s. On the way from one that people took it passes over the others.
func back(all []*Snapshot, s *Snapshot, n int, ref string) (*Snapshot, error) {
	if s.Reason != Safety {
		all = taken(all)
	}
	i := slices.Index(all, s) - n
	if i < 0 {
		return nil, &UnknownError{Ref: ref}
	}
	return all[i], nil
}

// at returns the newest snapshot that is not later than t.
func at(all []*Snapshot, t time.Time, ref string) (*Snapshot, error) {
	var found *Snapshot
	for _, s := range all {
		if !s.Time.After(t) && (found == nil || !s.Time.Before(found.Time)) {
			found = s
		}
	}
	if found == nil {
		e := &UnknownError{Ref: ref}
		if len(all) > 0 {
			e.Near = []string{all[0].Ref() + " is the oldest, of " + all[0].Time.In(t.Location()).Format("2006-01-02T15:04")}
		}
		return nil, e
	}
	return found, nil
}

// parseTime reads a time or an age as seen at now. A day stands for its last moment.
func parseTime(s string, now time.Time) (time.Time, bool) {
	if m := ageForm.FindStringSubmatch(s); m != nil {
		n, _ := strconv.Atoi(m[1])
		switch m[2] {
		case "m":
			return now.Add(-time.Duration(n) * time.Minute), true
		case "h":
			return now.Add(-time.Duration(n) * time.Hour), true
		case "d":
			return now.AddDate(0, 0, -n), true
		default:
			return now.AddDate(0, 0, -7*n), true
		}
	}
	switch s {
	case "now":
		return now, true
	case "today":
		return endOfDay(now, now.Location()), true
	case "yesterday":
		return endOfDay(time.Date(now.Year(), now.Month(), now.Day()-1, 12, 0, 0, 0, time.UTC), now.Location()), true
	}
	for _, form := range []struct {
		layout string
		slack  time.Duration
	}{{"2006-01-02T15:04:05", time.Second}, {"2006-01-02T15:04", time.Minute}, {time.RFC3339, time.Second}} {
		if t, err := time.ParseInLocation(form.layout, s, now.Location()); err == nil {
			return t.Add(form.slack - 1), true
		}
	}
	if t, err := time.Parse("2006-01-02", s); err == nil {
		return endOfDay(t, now.Location()), true
	}
	return time.Time{}, false
}

// endOfDay returns the last moment at loc of the day that t has by its own clock. A day may have no midnight,
// and where clocks go back at midnight, 23 o'clock comes twice.
func endOfDay(t time.Time, loc *time.Location) time.Time {
	end := time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, -1, loc)
	if again := end.Add(time.Hour); again.Day() == end.Day() {
		return again
	}
	return end
}

// near lists names that differ from ref by little.
func (h *History) near(all []*Snapshot, project, ref string) []string {
	var out []string
	for _, m := range h.Milestones(project) {
		if distance(m.Name, ref) <= 2 {
			out = append(out, m.Name)
		}
	}
	if len(out) == 0 && len(all) > 0 {
		out = append(out, all[0].Ref()+" to "+all[len(all)-1].Ref())
	}
	return out
}

// distance is the Levenshtein distance of two short names.
func distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return 64
	}
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		prev := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := prev
			if a[i] != b[j] {
				cost = 1 + min(prev, row[j], row[j+1])
			}
			prev, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

// SplitPath cuts REF:PATH. The colons of before: and of a time belong to the reference.
func SplitPath(arg string) (ref, path string) {
	at := 0
	for strings.HasPrefix(arg[at:], "before:") {
		at += len("before:")
	}
	if m := clock.FindStringSubmatchIndex(arg[at:]); m != nil {
		at += m[3]
	}
	if i := strings.IndexByte(arg[at:], ':'); i >= 0 {
		return arg[:at+i], arg[at+i+1:]
	}
	return arg, ""
}

// clock is a time of day to its end, which is the end of all or the colon of a path.
var clock = regexp.MustCompile(`^([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(Z|[+-][0-9]{2}:[0-9]{2})?)?(~[0-9]*)?)(:|$)`)

// SplitTime cuts PATH@REF at the last @; ref is "" where there is none.
func SplitTime(arg string) (path, ref string) {
	i := strings.LastIndexByte(arg, '@')
	if i <= 0 || i == len(arg)-1 {
		return arg, ""
	}
	return arg[:i], arg[i+1:]
}
