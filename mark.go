package varve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"varve/internal/history"
	"varve/internal/ledger"
	"varve/internal/object"
	"varve/internal/scan/ignore"
)

// ErrTaken says that a name is in use.
var ErrTaken = errors.New("the name is taken")

// MilestoneTypes are the stages a milestone can stand for.
func MilestoneTypes() []string { return history.MilestoneTypes() }

// SplitPath cuts REF:PATH.
func SplitPath(arg string) (ref, path string) { return history.SplitPath(arg) }

// SplitTime cuts PATH@REF.
func SplitTime(arg string) (path, ref string) { return history.SplitTime(arg) }

// Milestones returns the project's milestones, oldest first.
func (p *Project) Milestones() []Milestone { return p.v.history.Milestones(p.ID()) }

// Milestone returns the milestone of a name; fs.ErrNotExist if there is none.
func (p *Project) Milestone(name string) (Milestone, error) {
	for _, m := range p.Milestones() {
		if m.Name == name {
			return m, nil
		}
	}
	return Milestone{}, fmt.Errorf("milestone %q: %w", name, fs.ErrNotExist)
}

// AddMilestone names a snapshot. typ is one of MilestoneTypes.
func (p *Project) AddMilestone(ctx context.Context, s *Snapshot, name, typ string, annotations map[string]string, tags []string) (Milestone, error) {
	if err := history.CheckName(name); err != nil {
		return Milestone{}, err
	}
	if !slices.Contains(MilestoneTypes(), typ) {
		return Milestone{}, fmt.Errorf("milestone type %q: there are %s", typ, strings.Join(MilestoneTypes(), ", "))
	}
	if _, err := p.Milestone(name); err == nil {
		return Milestone{}, fmt.Errorf("milestone %q: %w", name, ErrTaken)
	}
	id, err := p.v.db.NewID()
	if err != nil {
		return Milestone{}, err
	}
	r := ledger.Record{Type: "milestone", ID: fmt.Sprintf("%x", id[:]), Set: fieldsOf(map[string]any{
		"name": name, "project": p.ID(), "type": typ, "snapshot": s.ID.String()}), Add: map[string][]string{"tags": tags}}
	for k, v := range annotations {
		r.Set["note."+k] = ledger.Value(v)
	}
	gone := ledger.Record{Type: r.Type, ID: r.ID, Gone: true}
	if err := p.record(ctx, "milestone add", "milestone "+name+" on "+s.Ref(), []ledger.Record{r}, []ledger.Record{gone}); err != nil {
		return Milestone{}, err
	}
	return p.Milestone(name)
}

func fieldsOf(m map[string]any) map[string]fieldValue {
	out := make(map[string]fieldValue, len(m))
	for k, v := range m {
		out[k] = ledger.Value(v)
	}
	return out
}

type fieldValue = ledger.Raw

// Annotate sets a note of a milestone; an empty value removes it.
func (p *Project) Annotate(ctx context.Context, name, key, value string) error {
	m, err := p.Milestone(name)
	if err != nil {
		return err
	}
	set := func(v string) []ledger.Record {
		return []ledger.Record{{Type: "milestone", ID: m.Entity, Set: fieldsOf(map[string]any{"note." + key: v})}}
	}
	return p.record(ctx, "milestone annotate", "note "+key+" of milestone "+name, set(value), set(m.Annotations[key]))
}

// RemoveMilestone takes a name away; the snapshot stays.
func (p *Project) RemoveMilestone(ctx context.Context, name string) error {
	m, err := p.Milestone(name)
	if err != nil {
		return err
	}
	back := ledger.Record{Type: "milestone", ID: m.Entity, Set: fieldsOf(map[string]any{
		"name": m.Name, "project": m.Project, "type": m.Type, "snapshot": m.Snapshot.String()}), Add: map[string][]string{"tags": m.Tags}}
	for k, v := range m.Annotations {
		back.Set["note."+k] = ledger.Value(v)
	}
	return p.record(ctx, "milestone rm", "milestone "+name+" removed", []ledger.Record{{Type: "milestone", ID: m.Entity, Gone: true}}, []ledger.Record{back})
}

// TagsOf returns the tags of a snapshot.
func (p *Project) TagsOf(s *Snapshot) map[string]string { return p.v.history.Tags(s) }

// CheckTag refuses keys and values of tags that cannot be used in references.
func CheckTag(key, value string) error {
	if err := history.CheckName(key); err != nil {
		return err
	}
	if value == "" {
		return nil
	}
	return history.CheckName(value)
}

// SetTag sets a tag of a snapshot.
func (p *Project) SetTag(ctx context.Context, s *Snapshot, key, value string) error {
	if err := CheckTag(key, value); err != nil {
		return err
	}
	return p.changeTag(ctx, s, key, &value, "tag "+key+"="+value+" on "+s.Ref())
}

// RemoveTag removes a tag of a snapshot.
func (p *Project) RemoveTag(ctx context.Context, s *Snapshot, key string) error {
	if _, ok := p.TagsOf(s)[key]; !ok {
		return fmt.Errorf("tag %q of %s: %w", key, s.Ref(), fs.ErrNotExist)
	}
	return p.changeTag(ctx, s, key, nil, "tag "+key+" removed from "+s.Ref())
}

func (p *Project) changeTag(ctx context.Context, s *Snapshot, key string, value *string, summary string) error {
	set := func(v *string) []ledger.Record {
		return []ledger.Record{{Type: "snapshot", ID: s.ID.String(), Set: fieldsOf(map[string]any{"tag." + key: v})}}
	}
	var old *string
	if v, ok := p.TagsOf(s)[key]; ok {
		old = &v
	}
	return p.record(ctx, "tag", summary, set(value), set(old))
}

// Held returns why a snapshot must be kept, if it is held.
func (p *Project) Held(s *Snapshot) (reason string, held bool) { return p.v.history.Held(s) }

// Hold keeps a snapshot from being thinned or forgotten.
func (p *Project) Hold(ctx context.Context, s *Snapshot, reason string) error {
	return p.record(ctx, "hold add", "hold on "+s.Ref(), p.holdRecord(s, &reason), p.holdRecord(s, nil))
}

// Unhold ends a hold.
func (p *Project) Unhold(ctx context.Context, s *Snapshot) error {
	reason, held := p.Held(s)
	if !held {
		return fmt.Errorf("hold on %s: %w", s.Ref(), fs.ErrNotExist)
	}
	return p.record(ctx, "hold rm", "hold on "+s.Ref()+" ended", p.holdRecord(s, nil), p.holdRecord(s, &reason))
}

func (p *Project) holdRecord(s *Snapshot, reason *string) []ledger.Record {
	if reason == nil {
		return []ledger.Record{{Type: "hold", ID: s.ID.String(), Gone: true}}
	}
	return []ledger.Record{{Type: "hold", ID: s.ID.String(), Set: fieldsOf(map[string]any{"reason": *reason, "project": p.ID()})}}
}

// Setting is a setting of a project that is kept in the vault.
type Setting struct {
	Name, Value, Default, Help string
}

// The settings there are, with their defaults.
func settings() []Setting {
	return []Setting{
		{Name: "ignore.presets", Default: "auto", Help: "kinds of projects whose derived files are left out: auto, none, or a list of " + strings.Join(ignore.Presets(), ", ")},
		{Name: "ignore.gitignore", Default: "false", Help: "also obey .gitignore files"},
		{Name: "ignore.extra", Default: "", Help: "further patterns, separated by commas"},
		{Name: "critical", Default: "", Help: "patterns of files that every version must have, separated by commas"},
		{Name: "rollback.scripts", Default: "off", Help: "scripts in .varve/rollback that put a milestone back, made with it: off, named (they use varve), or self-contained"},
	}
}

// Settings returns the project's settings in the order of their names.
func (p *Project) Settings() []Setting {
	out := settings()
	for _, e := range p.v.history.Ledger.Entities("settings") {
		if e.ID != p.ID() {
			continue
		}
		for i := range out {
			out[i].Value = e.Text(out[i].Name)
		}
	}
	for i := range out {
		if out[i].Value == "" {
			out[i].Value = out[i].Default
		}
	}
	return out
}

// Setting returns the value of one setting.
func (p *Project) Setting(name string) (string, error) {
	for _, s := range p.Settings() {
		if s.Name == name {
			return s.Value, nil
		}
	}
	return "", fmt.Errorf("setting %q: %w", name, fs.ErrNotExist)
}

// Set changes a setting; an empty value brings back the default.
func (p *Project) Set(ctx context.Context, name, value string) error {
	old, err := p.Setting(name)
	if err != nil {
		return err
	}
	switch name {
	case "ignore.gitignore":
		if _, err := strconv.ParseBool(value); value != "" && err != nil {
			return fmt.Errorf("setting %s: %q is neither true nor false", name, value)
		}
	case "critical":
		for _, x := range list(value) {
			if err := checkPattern(x); err != nil {
				return fmt.Errorf("setting %s: %w", name, err)
			}
		}
	case "rollback.scripts":
		if !slices.Contains([]string{"", "off", "named", "self-contained"}, value) {
			return fmt.Errorf("setting %s: %q is none of off, named, self-contained", name, value)
		}
	case "ignore.presets":
		for _, n := range list(value) {
			if _, ok := ignore.Preset(n); !ok && n != "auto" && n != "none" {
				return fmt.Errorf("setting %s: no preset %q; there are %s", name, n, strings.Join(ignore.Presets(), ", "))
			}
		}
	}
	set := func(v string) []ledger.Record {
		return []ledger.Record{{Type: "settings", ID: p.ID(), Set: fieldsOf(map[string]any{name: v})}}
	}
	return p.record(ctx, "config set", name+" = "+value, set(value), set(old))
}

func list(s string) []string {
	return slices.DeleteFunc(strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' }), func(s string) bool { return s == "" })
}

// IgnoreSettings returns what the project's settings say of ignore rules.
func (p *Project) IgnoreSettings() IgnoreSettings {
	var out IgnoreSettings
	for _, s := range p.Settings() {
		switch s.Name {
		case "ignore.presets":
			switch s.Value {
			case "auto":
			case "none":
				out.Presets = []string{}
			default:
				out.Presets = list(s.Value)
			}
		case "ignore.gitignore":
			out.GitIgnore, _ = strconv.ParseBool(s.Value)
		case "ignore.extra":
			for _, x := range strings.Split(s.Value, ",") {
				if x = strings.TrimSpace(x); x != "" {
					out.Extra = append(out.Extra, x)
				}
			}
		}
	}
	return out
}

// ProjectInfo is a project as the vault knows it.
type ProjectInfo struct {
	ID, Name, Path string
	Snapshots      int
	Last           *Snapshot
}

// Projects returns the projects that have snapshots, by name.
func (v *Vault) Projects() []ProjectInfo {
	by := map[string]*ProjectInfo{}
	for _, s := range v.history.Snapshots("") {
		i := by[s.Project]
		if i == nil {
			i = &ProjectInfo{ID: s.Project}
			by[s.Project] = i
		}
		i.Snapshots++
		if i.Last == nil || s.Version > i.Last.Version {
			i.Last, i.Name, i.Path = s, s.Name, s.Path
		}
	}
	out := make([]ProjectInfo, 0, len(by))
	for _, i := range slices.Collect(maps.Values(by)) {
		out = append(out, *i)
	}
	slices.SortFunc(out, func(a, b ProjectInfo) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return out
}

// VaultInfo is what a vault says of itself.
type VaultInfo struct {
	ID        string
	Created   time.Time
	Exclusive bool // the store does not honour create-if-absent, or lists late
	// ReducedSafety says why the vault is less safe than others; "" if it is not.
	ReducedSafety string
	KeyStored     bool // who reads the vault can open it
	SHA256        bool
}

// Info returns what the vault says of itself.
func (v *Vault) Info() VaultInfo {
	c := v.db.Config()
	i := VaultInfo{ID: c.ID, Created: c.Created, Exclusive: c.Exclusive, KeyStored: v.db.KeyStored(), SHA256: c.SHA256}
	if c.Exclusive {
		i.ReducedSafety = fmt.Sprintf("the store replaces objects although it is told not to, or does not list them at once, so only one program may write at a time; "+
			"one that died on another machine keeps others out for %d minutes", int(object.Grace.Minutes()))
	}
	return i
}
