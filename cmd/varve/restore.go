package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"varve"
)

func restoreVerb(e *env) *cobra.Command {
	var o restoreFlags
	c := &cobra.Command{
		Use: "restore REF [PATH…] | PATH@REF…", Short: "Put a snapshot, or parts of it, back", GroupID: "keep",
		Long: "Puts files back as they were. In place, a safety snapshot of the folder is taken first and varve undo\n" +
			"brings that back; files that the snapshot does not have stay, unless --delete is given. With --to the\n" +
			"folder is left alone and the files are put elsewhere.",
		Example:           "  varve restore yesterday\n  varve restore hero.kra@v12\n  varve restore v7 scenes/town.blend --with-needs\n  varve restore v3 textures --to /tmp/old --dry-run",
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: e.completePaths,
		RunE:              func(cmd *cobra.Command, args []string) error { return e.restore(cmd.Context(), &o, args) },
	}
	f := c.Flags()
	f.StringVar(&o.to, "to", "", "put the files into `DIR`, new or empty")
	f.BoolVar(&o.remove, "delete", false, "in place: also remove what the snapshot does not have")
	f.BoolVar(&o.needs, "with-needs", false, "also put back what the files refer to, as the snapshot has it: textures, linked scenes")
	f.BoolVar(&o.owner, "owner", e.root, "set owners, setuid bits and privileged attributes too; root does, unless --owner=false")
	f.Lookup("owner").DefValue = "false" // the help is the same for everyone
	_ = c.MarkFlagDirname("to")
	return e.changing(c)
}

type restoreFlags struct {
	to            string
	remove, owner bool
	needs         bool // with what the files refer to
}

type restoreJSON struct {
	Schema    string        `json:"schema"`
	Version   int           `json:"version"`
	ID        string        `json:"id"`
	To        string        `json:"to"`
	Files     int64         `json:"files"`
	Bytes     int64         `json:"bytes"`
	Written   int64         `json:"written"`
	Unchanged int64         `json:"unchanged"`
	Removed   int64         `json:"removed"`
	Safety    *string       `json:"safety"` // id of a snapshot
	Undo      *string       `json:"undo"`   // id of an operation
	Seconds   float64       `json:"seconds"`
	Plan      []changeJSON  `json:"plan,omitempty"`
	Warnings  []string      `json:"warnings"`
	Errors    []failureJSON `json:"errors"`
	DryRun    bool          `json:"dry_run,omitempty"`
}

func (e *env) restore(ctx context.Context, f *restoreFlags, args []string) error {
	if f.to != "" && f.remove {
		return usage("--to takes a new or empty folder: there is nothing to remove", "--to and --delete exclude each other")
	}
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	if p.root == "" && f.to == "" {
		return usage("add --to DIR", "restore: the project's folder is not here")
	}
	o := varve.RestoreOptions{Delete: f.remove, DryRun: e.dry, Owner: f.owner, Ignore: p.project.IgnoreSettings()}
	if o.Snapshot, o.Paths, err = e.wanted(p, args); err != nil {
		var unknown *varve.UnknownError
		if errors.As(err, &unknown) && unknown.Ref == args[0] && e.lies(ctx, p, args[0]) {
			return hinted(err, "say of when: varve restore "+args[0]+"@latest")
		}
		return err
	}
	for _, at := range o.Paths {
		if _, err := p.project.Stat(ctx, o.Snapshot, at); errors.Is(err, fs.ErrNotExist) {
			return hinted(fmt.Errorf("restore %w", err), "varve ls "+o.Snapshot.Ref()+" lists what is there; varve log PATH lists where a file was")
		} else if err != nil {
			return fmt.Errorf("restore %w", err)
		}
	}
	if f.needs && len(o.Paths) > 0 {
		if o.Paths, err = e.withNeeds(ctx, p, o.Snapshot, o.Paths); err != nil {
			return err
		}
	}
	if f.to != "" {
		o.To = e.abs(f.to)
	}
	if err := e.confirmRemoval(ctx, p, o); err != nil {
		return err
	}
	began := e.now()
	res, err := p.project.Restore(ctx, o)
	if err != nil {
		var partial *varve.PartialError
		if errors.As(err, &partial) {
			e.tellFailures(partial.Failures)
			return hinted(fmt.Errorf("restore %s: nothing was changed: %w", o.Snapshot.Ref(), err), "what cannot be read could not be brought back; move it away, or restore with --to DIR")
		}
		if res != nil && res.Undo != "" {
			return hinted(fmt.Errorf("restore %s: %w", o.Snapshot.Ref(), err), "varve undo brings back how the folder was")
		}
		if names, readErr := os.ReadDir(o.To); o.To != "" && readErr == nil && len(names) > 0 {
			return hinted(fmt.Errorf("restore %s: %w", o.Snapshot.Ref(), err), "--to takes a new or empty folder")
		}
		return fmt.Errorf("restore %s: %w", o.Snapshot.Ref(), err)
	}
	if e.json {
		err = e.emit(restoreOf(&o, res, e.now().Sub(began)))
	} else {
		e.tellRestore(&o, res, e.now().Sub(began))
	}
	if err == nil && len(res.Errors) > 0 {
		return outcome(exitPartial)
	}
	return err
}

// confirmRemoval asks in a terminal before files are removed, though undo would bring them back.
func (e *env) confirmRemoval(ctx context.Context, p *place, o varve.RestoreOptions) error {
	if !o.Delete || o.DryRun || e.yes || !e.ask {
		return nil
	}
	o.DryRun = true
	plan, err := p.project.Restore(ctx, o)
	if err != nil {
		return fmt.Errorf("plan the restore of %s: %w", o.Snapshot.Ref(), err)
	}
	if plan.Removed == 0 {
		return nil
	}
	return e.confirm(fmt.Sprintf("remove %s that %s does not have", plural(plan.Removed, "file"), o.Snapshot.Ref()))
}

// wanted reads REF [PATH…], REF:PATH, and PATH@REF…, which must agree on the snapshot.
func (e *env) wanted(p *place, args []string) (*varve.Snapshot, []string, error) {
	s, at, err := e.locate(p, args[0])
	if err != nil {
		return nil, nil, err
	}
	var paths []string
	if at != "" {
		paths = append(paths, at)
	}
	timed := false // the arguments are of the form PATH@REF
	if _, err := p.project.Resolve(args[0]); err != nil && at != "" {
		_, ref := varve.SplitTime(args[0])
		timed = ref != ""
	}
	for _, arg := range args[1:] {
		if timed {
			other, at, err := e.locate(p, arg)
			switch {
			case err != nil:
				return nil, nil, err
			case other.ID != s.ID:
				return nil, nil, usage("restore them one after the other", "restore: two snapshots, %s and %s", s.Ref(), other.Ref())
			}
			paths = append(paths, at)
			continue
		}
		at, err := e.inside(p, arg)
		if err != nil {
			return nil, nil, err
		}
		if at == "" {
			return s, nil, nil // the whole project
		}
		paths = append(paths, at)
	}
	return s, paths, nil
}

func restoreOf(o *varve.RestoreOptions, r *varve.RestoreResult, took time.Duration) restoreJSON {
	to, _ := text(o.To)
	j := restoreJSON{Schema: "varve.restore/1", Version: o.Snapshot.Version, ID: o.Snapshot.ID.String(), To: to, Files: r.Files, Bytes: r.Bytes, Written: r.Written,
		Unchanged: r.Unchanged, Removed: r.Removed, Seconds: took.Seconds(), Warnings: texts(r.Warnings), Errors: failures(r.Errors), DryRun: o.DryRun}
	if r.Safety != nil {
		id := r.Safety.ID.String()
		j.Safety = &id
	}
	if r.Undo != "" {
		j.Undo = &r.Undo
	}
	if o.DryRun {
		for _, c := range r.Plan {
			path, b := text(c.Path)
			old, ob := text(c.Old)
			j.Plan = append(j.Plan, changeJSON{Path: path, PathBytes: b, OldPath: old, OldPathBytes: ob, Change: c.Kind.String()})
		}
	}
	return j
}

func (e *env) tellRestore(o *varve.RestoreOptions, r *varve.RestoreResult, took time.Duration) {
	e.meter.clear()
	if o.DryRun {
		for i := range r.Plan {
			_ = e.plan(&r.Plan[i])
		}
		e.say("would restore %s: %s to write, %s to remove, %s right already", o.Snapshot.Ref(), plural(r.Written, "entry"), count(r.Removed), count(r.Unchanged))
	} else {
		e.printf("restored %s in %s: %s written, %s unchanged, %s removed (%s)\n", o.Snapshot.Ref(), lasting(took), plural(r.Written, "entry"), count(r.Unchanged), count(r.Removed), size(r.Bytes))
	}
	for _, w := range r.Warnings {
		e.say("varve: warning: %s", lines(w))
	}
	e.tellFailures(r.Errors)
	if r.Safety != nil {
		e.say("how it was is kept as %s; varve undo brings it back", r.Safety.Ref())
	}
}
