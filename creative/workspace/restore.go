package workspace

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"varve"
)

// States returns the kept states of an application, newest first; none where it was never captured.
func States(v *varve.Vault, app string) ([]*varve.Snapshot, *varve.Project, error) {
	p, err := v.ProjectNamed(projectName(app))
	if errors.Is(err, varve.ErrNoProject) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	all := slices.Clone(p.Snapshots())
	slices.Reverse(all)
	return all, p, nil
}

// ErrNoState says that an application was not captured with, or before, a moment of the project.
var ErrNoState = errors.New("its state was not captured then")

// StateOf returns the state that an application was in at a moment of the project: the one captured with it, or the
// newest before it.
func StateOf(v *varve.Vault, app string, of *varve.Snapshot) (*varve.Snapshot, *varve.Project, error) {
	all, p, err := States(v, app)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range all {
		tags := p.TagsOf(s)
		if tags["of"] == of.ID.String() || tags["of-"+of.ID.String()[:12]] != "" {
			return s, p, nil
		}
	}
	for _, s := range all {
		if !s.Time.After(of.Time) && s.Reason == "" {
			return s, p, nil
		}
	}
	return nil, nil, fmt.Errorf("%s, %s: %w", app, of.Ref(), ErrNoState)
}

// Step is what a restore does to one file.
type Step struct {
	Kept   string // path in the state
	Path   string // on the machine, with slashes
	Change string // added, modified, unchanged
	Lacks  int    // places whose secret is not on the machine, and stay empty
}

// Plan is what a restore would do. Nothing is changed before Apply.
type Plan struct {
	App      string
	State    *varve.Snapshot
	Version  string // that was captured
	Into     string // that it goes into
	Steps    []Step
	Warnings []string

	profile *Profile
	machine *Machine
	vault   *varve.Vault
	project *varve.Project
	content map[string][]byte // by Kept
}

// Refused is why a state is not put back.
type Refused struct{ Reason, Advice string }

func (r *Refused) Error() string { return r.Reason }

// PlanRestore says what putting a state back would change. *Refused where it may not be.
func PlanRestore(ctx context.Context, v *varve.Vault, m *Machine, p *Profile, project *varve.Project, s *varve.Snapshot) (*Plan, error) {
	facts, err := readFacts(ctx, project, s)
	if err != nil {
		return nil, err
	}
	plan := &Plan{App: p.ID, State: s, Version: facts.Version, profile: p, machine: m, vault: v, project: project, content: map[string][]byte{}}
	roots, err := plan.roots(facts)
	if err != nil {
		return nil, err
	}
	for e, err := range project.List(ctx, s, "", true) {
		if err != nil {
			return nil, err
		}
		if e.Type != "file" || e.Path == factsName {
			continue
		}
		if err := plan.step(ctx, e.Path, facts, roots); err != nil {
			return nil, err
		}
	}
	return plan, nil
}

func readFacts(ctx context.Context, project *varve.Project, s *varve.Snapshot) (*Captured, error) {
	var b bytes.Buffer
	if err := project.Cat(ctx, s, factsName, &b); err != nil {
		return nil, err
	}
	c := &Captured{}
	if err := json.Unmarshal(b.Bytes(), c); err != nil {
		return nil, fmt.Errorf("%s: %w", factsName, err)
	}
	return c, nil
}

// roots maps each root of the state to the folder that it goes into.
func (p *Plan) roots(facts *Captured) (map[Found]string, error) {
	here := p.machine.Find(p.profile)
	if facts.OS != p.machine.OS {
		return nil, &Refused{fmt.Sprintf("the state of %s was captured on %s, and this is %s: its paths and files differ", p.profile.Name, facts.OS, p.machine.OS), "restore the files that you want with varve restore --project " + projectName(p.App) + " --to DIR"}
	}
	out := map[Found]string{}
	for _, f := range facts.Roots {
		key := Found{Root: f.Root, Version: f.Version}
		i := slices.IndexFunc(here, func(h Found) bool { return h.Root == f.Root && h.Version == f.Version })
		if i < 0 && p.profile.Restore.VersionMap == "same-or-newer" && f.Version == facts.Version {
			i = slices.IndexFunc(here, func(h Found) bool { return h.Root == f.Root && compareVersions(h.Version, f.Version) > 0 })
		}
		switch {
		case i >= 0:
			out[key] = here[i].Path
			if here[i].Version != f.Version {
				p.Warnings = append(p.Warnings, fmt.Sprintf("the state of %s %s goes into %s", p.profile.Name, f.Version, here[i].Version))
				p.Into = here[i].Version
			}
		case f.Version == facts.Version:
			return nil, &Refused{fmt.Sprintf("%s %s has no settings on this machine", p.profile.Name, f.Version), "start it once, close it, and run this again"}
		default:
			p.Warnings = append(p.Warnings, fmt.Sprintf("left out: the state of %s %s, which is not on this machine", p.profile.Name, f.Version))
		}
	}
	return out, nil
}

func (p *Plan) step(ctx context.Context, at string, facts *Captured, roots map[Found]string) error {
	for _, f := range facts.Roots {
		prefix := path.Join(f.Root, f.Version) + "/"
		rel, ok := strings.CutPrefix(at, prefix)
		if !ok {
			continue
		}
		into, ok := roots[Found{Root: f.Root, Version: f.Version}]
		if !ok || !fs.ValidPath(rel) || rel == "." {
			return nil
		}
		var b bytes.Buffer
		if err := p.project.Cat(ctx, p.State, at, &b); err != nil {
			return err
		}
		s := Step{Kept: at, Path: path.Join(into, rel), Change: "modified"}
		live, err := os.ReadFile(filepath.FromSlash(s.Path))
		if errors.Is(err, fs.ErrNotExist) {
			s.Change = "added"
		} else if err != nil {
			return err
		}
		content := b.Bytes()
		if bytes.Contains(content, []byte(redacted)) {
			content, s.Lacks = merge(content, live)
		}
		if s.Change == "modified" && bytes.Equal(live, content) {
			s.Change = "unchanged"
		}
		p.Steps, p.content[at] = append(p.Steps, s), content
		return nil
	}
	return nil
}

// Apply puts the state back: not while the application runs, and after the state that is there was kept. It returns
// that. Files that the state does not have stay.
func (p *Plan) Apply(ctx context.Context) (*Captured, error) {
	if err := p.closed(); err != nil {
		return nil, err
	}
	safety, err := Capture(ctx, p.vault, p.machine, p.profile, CaptureOptions{Groups: p.groups(), Reason: " before a restore"})
	if err != nil {
		return nil, fmt.Errorf("keep the state that is there: %w", err)
	}
	if len(safety.LeftOut) > 0 {
		return nil, &Refused{fmt.Sprintf("%s cannot be kept as it is (%s: %s), so it is not changed", p.profile.Name, safety.LeftOut[0].Path, safety.LeftOut[0].Reason), "move that away, or raise max_mb in a profile of your own"}
	}
	for _, s := range p.Steps {
		if s.Change == "unchanged" {
			continue
		}
		if err := ctx.Err(); err != nil {
			return safety, err
		}
		if err := varve.WriteFile(s.Path, p.content[s.Kept]); err != nil {
			return safety, err
		}
	}
	return safety, nil
}

// groups are the optional ones: what a restore may write is kept first, whatever it is.
func (p *Plan) groups() (out []string) {
	for _, g := range p.profile.Groups {
		out = append(out, g.Name)
	}
	return out
}

// closed refuses while the application runs: it would write its own state over the one that was put back.
func (p *Plan) closed() error {
	if p.machine.Running == nil || len(p.profile.Restore.RequireClosed) == 0 {
		return nil
	}
	running, err := p.machine.Running()
	if err != nil {
		return fmt.Errorf("look for %s among the processes: %w", p.profile.Name, err)
	}
	for _, r := range running {
		name := strings.TrimSuffix(strings.ToLower(path.Base(slash(r))), ".exe")
		if slices.Contains(p.profile.Restore.RequireClosed, name) {
			return &Refused{fmt.Sprintf("%s is running, and would write its own state over this one", p.profile.Name), "close it, and run this again"}
		}
	}
	return nil
}
