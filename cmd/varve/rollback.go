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
	"varve/experiment"
)

type rollbackFlags struct {
	to      string
	replace bool
	scope   []string
	code    bool
}

func rollbackVerb(e *env) *cobra.Command {
	f := &rollbackFlags{}
	c := &cobra.Command{
		Use: "rollback REF [PATH…]", Short: "Make the project what a version was, whole or not at all", GroupID: "experiment",
		Long: "Puts a version back: files of it that are not as they were, and, unlike restore, what it did not have is removed.\n" +
			"How the folder is now is kept first as a snapshot; varve undo brings it back. Everything is built and verified\n" +
			"before the first file is changed: what is damaged is told (exit code 20), and nothing was changed. A rollback\n" +
			"that was broken off is ended by the next varve in the folder.\n\n" +
			"With --replace the version is put in the place of the folder, or of the sub-trees that are named, and what was\n" +
			"there is kept beside it as NAME_backup_YYYYmmdd_HHMMSS. With --to DIR it goes to DIR: a new one, or with\n" +
			"--replace one that is there.",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: e.completeRefs,
		RunE:              func(cmd *cobra.Command, args []string) error { return e.rollback(cmd.Context(), f, args) },
	}
	c.Flags().StringVar(&f.to, "to", "", "put it into the folder `DIR` instead")
	c.Flags().BoolVar(&f.replace, "replace", false, "keep what is there as NAME_backup_YYYYmmdd_HHMMSS beside it")
	c.Flags().StringArrayVar(&f.scope, "scope", nil, "touch only what a `PATTERN` takes in; repeatable")
	c.Flags().BoolVar(&f.code, "code", false, "touch only code and configuration, never logs, data, outputs")
	_ = c.MarkFlagDirname("to")
	return e.changing(c)
}

type rollbackJSON struct {
	Schema    string                `json:"schema"`
	Version   int                   `json:"version"`
	ID        string                `json:"id"`
	To        string                `json:"to"`
	Backup    string                `json:"backup"`
	Files     int64                 `json:"files"`
	Written   int64                 `json:"written"`
	Removed   int64                 `json:"removed"`
	Unchanged int64                 `json:"unchanged"`
	Safety    *string               `json:"safety"`
	Undo      *string               `json:"undo"`
	Plan      []changeJSON          `json:"plan"`
	Left      []experiment.Leftover `json:"left"`
	DryRun    bool                  `json:"dry_run,omitempty"`
}

func (e *env) rollback(ctx context.Context, f *rollbackFlags, args []string) error {
	p, l, err := e.lab(ctx, need{})
	if err != nil {
		return err
	}
	defer l.Close()
	s, paths, err := e.wanted(p, args)
	if err != nil {
		return err
	}
	if p.root == "" && f.to == "" {
		return usage("add --to DIR", "rollback: the project's folder is not here")
	}
	scope := experiment.Scope{In: f.scope}
	if err := scope.Check(); err != nil {
		return usage("", "--%w", err)
	}
	if f.to != "" || f.replace {
		if f.code || f.scope != nil {
			return usage("name the PATHs to put back", "--scope and --code are for a rollback in place")
		}
		return e.replace(ctx, p, l, f, s, paths)
	}
	for _, at := range paths {
		_, err := p.project.Stat(ctx, s, at)
		if errors.Is(err, fs.ErrNotExist) && !exists(filepath.Join(p.root, filepath.FromSlash(at))) {
			return fmt.Errorf("rollback to %s: %s: neither the version nor the folder has it: %w", s.Ref(), name(at), fs.ErrNotExist)
		}
	}
	within := func(at string) bool { return len(paths) == 0 || under(paths, at) }
	if f.code || f.scope != nil {
		named := within
		within = func(at string) bool { return named(at) && scope.Holds(at) }
	}
	res, err := p.project.Revert(ctx, varve.RevertOptions{To: s, Ignore: p.project.IgnoreSettings(), Within: within, Verb: "rollback", Summary: "rollback to " + s.Ref(), DryRun: e.dry})
	if err != nil {
		if errors.Is(err, varve.ErrLacking) {
			return &failure{code: exitDamage, err: fmt.Errorf("rollback to %s: %w", s.Ref(), err), hint: "varve verify " + s.Ref() + " --data says what is hit; varve restore " + s.Ref() + " --to DIR gets the rest"}
		}
		return fmt.Errorf("rollback to %s: %w", s.Ref(), err)
	}
	return e.tellReverted(s, res)
}

// under reports whether a path is one of those given, or is in a folder among them.
func under(paths []string, at string) bool {
	for _, p := range paths {
		if at == p || strings.HasPrefix(at, p+"/") {
			return true
		}
	}
	return false
}

func (e *env) tellReverted(s *varve.Snapshot, r *varve.RevertResult) error {
	j := rollbackJSON{Schema: "varve.rollback/1", Version: s.Version, ID: s.ID.String(), Files: int64(s.Tree.Files), Written: r.Written, Removed: r.Removed, Plan: []changeJSON{}, Left: []experiment.Leftover{}, DryRun: e.dry}
	for i := range r.Plan {
		c := &r.Plan[i]
		path, b := text(c.Path)
		old, ob := text(c.Old)
		j.Plan = append(j.Plan, changeJSON{Path: path, PathBytes: b, OldPath: old, OldPathBytes: ob, Change: c.Kind.String()})
		if e.dry && !e.json {
			_ = e.plan(c)
		}
	}
	for _, left := range r.Left {
		j.Left = append(j.Left, experiment.Leftover{Path: left.Path, Reason: left.Reason})
		e.say("left as it is: %s: %s", name(left.Path), name(left.Reason))
	}
	if r.Safety != nil {
		id := r.Safety.ID.String()
		j.Safety = &id
	}
	if r.Undo != "" {
		j.Undo = &r.Undo
	}
	j.Unchanged = max(0, j.Files-int64(len(r.Plan)))
	if e.json {
		return e.emit(j)
	}
	switch {
	case e.dry:
		e.say("would make the folder what %s was: %s", s.Ref(), plural(len(r.Plan), "change"))
	case len(r.Plan) == 0:
		e.say("everything is as %s has it", s.Ref())
	default:
		e.printf("rolled back to %s: %s written, %s removed\n", s.Ref(), plural(r.Written, "entry"), count(r.Removed))
		e.say("how it was is kept as %s; varve undo brings it back", r.Safety.Ref())
	}
	return nil
}

// replace puts a version into a folder, and keeps what is there beside it.
func (e *env) replace(ctx context.Context, p *place, l *experiment.Lab, f *rollbackFlags, s *varve.Snapshot, paths []string) error {
	folder := p.root
	if f.to != "" {
		folder = e.abs(f.to)
	}
	if within(folder, p.path) {
		return usage("roll back in place, without --replace", "the vault %s is in the folder that would be replaced", name(p.path))
	}
	if names, err := os.ReadDir(folder); err == nil && len(names) > 0 && !f.replace {
		return usage("--replace keeps what is there beside it", "%s is not empty", name(folder))
	}
	if e.dry {
		res, err := p.project.Restore(ctx, varve.RestoreOptions{Snapshot: s, Paths: paths, To: folder + ".varve-plan", DryRun: true})
		if err != nil {
			return err
		}
		j := rollbackJSON{Schema: "varve.rollback/1", Version: s.Version, ID: s.ID.String(), To: folder, Files: res.Files, Written: res.Written, Plan: []changeJSON{}, Left: []experiment.Leftover{}, DryRun: true}
		if e.json {
			return e.emit(j)
		}
		e.say("would put %s of %s into %s, and keep what is there beside it", plural(res.Files, "entry"), s.Ref(), name(folder))
		return nil
	}
	res, err := l.Replace(ctx, s, folder, paths)
	if err != nil {
		return fmt.Errorf("rollback to %s: %w", s.Ref(), err)
	}
	if e.json {
		return e.emit(rollbackJSON{Schema: "varve.rollback/1", Version: s.Version, ID: s.ID.String(), To: folder, Backup: res.Backup, Files: res.Files, Written: res.Files, Plan: []changeJSON{}, Left: []experiment.Leftover{}})
	}
	e.printf("%s is what %s was: %s, read back and compared\n", name(folder), s.Ref(), plural(res.Files, "entry"))
	if res.Backup != "" {
		e.say("what was there is %s", name(res.Backup))
	}
	return nil
}
