package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"varve"
	"varve/creative/workspace"
)

func workspaceVerb(e *env) *cobra.Command {
	c := &cobra.Command{
		Use: "workspace", Short: "Keep the settings of applications with the project, and put them back", GroupID: "inside",
		Long: "Keeps the state of creative applications (settings, workspaces, brushes, shortcuts) with the state of the\n" +
			"project, and brings back the one of that moment. Caches, logs, licences and lists of recent files are left\n" +
			"out, and what looks like a secret never gets into the vault.\n\n" +
			"Profiles of one's own are TOML files in the folder workspaces beside varve's settings: one with the id of a\n" +
			"shipped profile takes its place.",
		Example: "  varve workspace apps\n  varve workspace capture blender krita\n  varve workspace restore blender --at v12 --dry-run",
	}
	c.AddCommand(workspaceAppsVerb(e), workspaceCaptureVerb(e), workspaceLsVerb(e), workspaceRestoreVerb(e))
	return c
}

// machine is this one, as applications see it.
func (e *env) machine() *workspace.Machine {
	return &workspace.Machine{OS: e.goos, Home: e.home, Env: e.getenv, Running: running}
}

// profiles are the shipped ones and the user's own.
func (e *env) profiles() ([]*workspace.Profile, error) {
	var own fs.FS
	dir := filepath.Join(e.configDir(), "workspaces")
	if exists(dir) {
		own = os.DirFS(dir)
	}
	all, err := workspace.Profiles(own)
	if err != nil {
		return nil, hinted(err, "the profiles are in "+dir)
	}
	return all, nil
}

func (e *env) profile(id string) (*workspace.Profile, error) {
	all, err := e.profiles()
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if p.ID == strings.ToLower(id) {
			return p, nil
		}
	}
	return nil, hinted(fmt.Errorf("no application %s is known", name(id)), "varve workspace apps lists those that are; a profile of your own makes one known")
}

type workspaceAppJSON struct {
	Schema   string               `json:"schema"`
	App      string               `json:"app"`
	Name     string               `json:"name"`
	Found    []workspace.Found    `json:"found"`
	Groups   []workspaceGroupJSON `json:"groups"`
	Verified []workspace.Check    `json:"verified"`
}

type workspaceGroupJSON struct {
	Name     string `json:"name"`
	Optional bool   `json:"optional"`
}

func workspaceAppsVerb(e *env) *cobra.Command {
	return &cobra.Command{Use: "apps", Short: "List the applications that are known, and those that are here", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			all, err := e.profiles()
			if err != nil {
				return err
			}
			for _, p := range all {
				if err := e.workspaceApp(p); err != nil {
					return err
				}
			}
			return nil
		}}
}

func (e *env) workspaceApp(p *workspace.Profile) error {
	found := e.machine().Find(p)
	j := workspaceAppJSON{Schema: "varve.workspace_app/1", App: p.ID, Name: p.Name, Found: append([]workspace.Found{}, found...), Verified: append([]workspace.Check{}, p.Verified...)}
	for _, g := range p.Groups {
		j.Groups = append(j.Groups, workspaceGroupJSON{g.Name, g.Optional})
	}
	if e.json {
		return e.emit(j)
	}
	where := "not here"
	if len(found) > 0 {
		last := found[len(found)-1]
		where = strings.TrimSpace(last.Version + "  " + name(last.Path))
	}
	seen := "not verified by anybody yet"
	if len(p.Verified) > 0 {
		v := p.Verified[len(p.Verified)-1]
		seen = fmt.Sprintf("verified with %s on %s, %s", v.Version, v.OS, v.Date)
	}
	e.printf("%-14s %-42s %s; %s\n", p.ID, p.Name, where, seen)
	return nil
}

type workspaceJSON struct {
	Schema     string               `json:"schema"`
	App        string               `json:"app"`
	AppVersion string               `json:"app_version"`
	Files      int                  `json:"files"`
	Bytes      int64                `json:"bytes"`
	Redacted   []workspace.Redacted `json:"redacted"`
	LeftOut    []workspace.LeftOut  `json:"left_out"`
	State      string               `json:"state"` // id of a snapshot
	Version    int                  `json:"version"`
	Of         string               `json:"of"` // the project's snapshot
	Time       string               `json:"time"`
	DryRun     bool                 `json:"dry_run,omitempty"`
}

func workspaceCaptureVerb(e *env) *cobra.Command {
	var groups []string
	c := &cobra.Command{Use: "capture [APP…]", Short: "Keep the state of applications; without names, of all that are here", Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return e.captureWorkspaces(cmd.Context(), args, groups) }}
	c.Flags().StringSliceVar(&groups, "with", nil, "optional `GROUP`s too, such as addons")
	return e.changing(c)
}

func (e *env) captureWorkspaces(ctx context.Context, apps, groups []string) error {
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	of, err := e.resolve(p, "latest")
	if err != nil && p.project.Latest() == nil {
		return hinted(errors.New("nothing was kept of this project yet"), "varve snap keeps it; then its applications' state can be kept with it")
	}
	if err != nil {
		return err
	}
	var list []*workspace.Profile
	for _, id := range apps {
		one, err := e.profile(id)
		if err != nil {
			return err
		}
		list = append(list, one)
	}
	if len(apps) == 0 {
		all, err := e.profiles()
		if err != nil {
			return err
		}
		for _, one := range all {
			if len(e.machine().Find(one)) > 0 {
				list = append(list, one)
			}
		}
	}
	for _, one := range list {
		c, err := workspace.Capture(ctx, p.vault, e.machine(), one, workspace.CaptureOptions{Groups: groups, Of: of, DryRun: e.dry})
		if errors.Is(err, workspace.ErrNotFound) && len(apps) == 0 {
			continue
		}
		if err != nil {
			return err
		}
		if err := e.tellCaptured(c, of); err != nil {
			return err
		}
	}
	return nil
}

func (e *env) tellCaptured(c *workspace.Captured, of *varve.Snapshot) error {
	if e.json {
		j := workspaceJSON{Schema: "varve.workspace/1", App: c.App, AppVersion: c.Version, Files: c.Files, Bytes: c.Bytes, Redacted: c.Redacted, LeftOut: c.LeftOut, Of: of.ID.String(), DryRun: e.dry}
		if c.Snapshot != nil {
			j.State, j.Version, j.Time = c.Snapshot.ID.String(), c.Snapshot.Version, rfc(c.Snapshot.Time)
		}
		return e.emit(j)
	}
	word := "kept with"
	if e.dry {
		word = "would be kept with"
	}
	e.printf("%s %s %s %s: %s, %s\n", c.Name, c.Version, word, of.Ref(), plural(c.Files, "file"), size(c.Bytes))
	for _, r := range c.Redacted {
		if r.Places == 0 {
			e.say("  a secret, left out: %s", name(r.Path))
		} else {
			e.say("  secrets taken out of %s (%s)", name(r.Path), plural(r.Places, "place"))
		}
	}
	for _, l := range c.LeftOut {
		e.say("  left out: %s: %s", name(l.Path), l.Reason)
	}
	return nil
}

func workspaceLsVerb(e *env) *cobra.Command {
	return &cobra.Command{Use: "ls [APP]", Short: "List the states that were kept", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return e.listWorkspaces(cmd.Context(), args) }}
}

func (e *env) listWorkspaces(ctx context.Context, args []string) error {
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	all, err := e.profiles()
	if err != nil {
		return err
	}
	for _, one := range all {
		if len(args) == 1 && one.ID != strings.ToLower(args[0]) {
			continue
		}
		states, project, err := workspace.States(p.vault, one.ID)
		if err != nil {
			return err
		}
		for _, s := range states {
			tags := project.TagsOf(s)
			if e.json {
				if err := e.emit(workspaceJSON{Schema: "varve.workspace/1", App: one.ID, Files: int(s.Tree.Files) - 1, Bytes: int64(s.Tree.Bytes), Redacted: []workspace.Redacted{}, LeftOut: []workspace.LeftOut{}, State: s.ID.String(), Version: s.Version, Of: tags["of"], Time: rfc(s.Time)}); err != nil {
					return err
				}
				continue
			}
			e.printf("%-14s %-5s %-16s %s\n", one.ID, s.Ref(), age(s.Time, e.now()), name(s.Message))
		}
	}
	return nil
}

func workspaceRestoreVerb(e *env) *cobra.Command {
	var at string
	c := &cobra.Command{Use: "restore APP", Short: "Put back the state that an application was in at a moment of the project", Args: cobra.ExactArgs(1),
		Long: "Puts back the state that was kept with a snapshot of the project, or the newest before it. The application\n" +
			"must be closed. What is there is kept first; files that the state does not have stay.",
		RunE: func(cmd *cobra.Command, args []string) error { return e.restoreWorkspace(cmd.Context(), args[0], at) }}
	c.Flags().StringVar(&at, "at", "latest", "the project's snapshot `REF`")
	return e.changing(c)
}

type workspaceRestoreJSON struct {
	Schema   string              `json:"schema"`
	App      string              `json:"app"`
	State    string              `json:"state"`
	Safety   string              `json:"safety"` // id of the state that was there
	Steps    []workspaceStepJSON `json:"steps"`
	Warnings []string            `json:"warnings"`
	DryRun   bool                `json:"dry_run,omitempty"`
}

type workspaceStepJSON struct {
	Path   string `json:"path"`
	Change string `json:"change"`
	Lacks  int    `json:"lacks"` // secrets that are not on the machine
}

func (e *env) restoreWorkspace(ctx context.Context, app, at string) error {
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	one, err := e.profile(app)
	if err != nil {
		return err
	}
	of, err := e.resolve(p, at)
	if err != nil {
		return err
	}
	state, project, err := workspace.StateOf(p.vault, one.ID, of)
	if err != nil {
		return hinted(err, "varve workspace ls "+one.ID+" lists what was kept")
	}
	plan, err := workspace.PlanRestore(ctx, p.vault, e.machine(), one, project, state)
	if err != nil {
		return refused(err)
	}
	j := workspaceRestoreJSON{Schema: "varve.workspace_restore/1", App: one.ID, State: state.ID.String(), Steps: []workspaceStepJSON{}, Warnings: append([]string{}, plan.Warnings...), DryRun: e.dry}
	for _, s := range plan.Steps {
		j.Steps = append(j.Steps, workspaceStepJSON{s.Path, s.Change, s.Lacks})
	}
	if !e.dry {
		safety, err := plan.Apply(ctx)
		if err != nil {
			return refused(err)
		}
		j.Safety = safety.Snapshot.ID.String()
	}
	if e.json {
		return e.emit(j)
	}
	e.tellWorkspaceRestore(plan, &j)
	return nil
}

// refused gives a refusal its advice.
func refused(err error) error {
	var r *workspace.Refused
	if errors.As(err, &r) {
		return hinted(err, r.Advice)
	}
	return err
}

func (e *env) tellWorkspaceRestore(plan *workspace.Plan, j *workspaceRestoreJSON) {
	for _, w := range plan.Warnings {
		e.say("varve: %s", w)
	}
	same := 0
	for _, s := range plan.Steps {
		if s.Change == "unchanged" {
			same++
			continue
		}
		note := ""
		if s.Lacks > 0 {
			note = fmt.Sprintf("  (%s to be typed in again)", plural(s.Lacks, "secret"))
		}
		e.printf("%-9s %s%s\n", s.Change, name(s.Path), note)
	}
	e.say("%s unchanged", plural(same, "file"))
	if j.Safety != "" {
		e.say("what was there is kept: varve workspace ls %s", j.App)
	}
}
