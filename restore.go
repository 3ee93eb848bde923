package varve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/ledger"
	"varve/internal/restore"
	"varve/internal/tree"
)

// RestoreOptions say what to put back, and where.
type RestoreOptions struct {
	Snapshot *Snapshot
	Paths    []string // only these; empty: everything
	// To is a new or empty folder on this machine; "" puts back in place, after a safety snapshot.
	To     string
	Target disk.Dir // instead of To, on any disk
	Delete bool     // in place: also remove what the snapshot does not have
	DryRun bool
	Owner  bool // set owners
	Ignore IgnoreSettings
}

// RestoreResult says what a restore did, or would do.
type RestoreResult struct {
	Files     int64 // of the snapshot, within the paths
	Bytes     int64
	Written   int64 // files, links and folders made or replaced
	Meta      int64 // entries of which only metadata was set
	Unchanged int64 // files that were right already
	Removed   int64
	Safety    *Snapshot // of how the folder was
	Undo      string    // id of the operation
	Plan      []Change
	Warnings  []string
	Errors    []Failure
}

// Restore puts a snapshot, or parts of it, back. Files that could not be put back are in Errors; everything
// else is done.
func (p *Project) Restore(ctx context.Context, o RestoreOptions) (*RestoreResult, error) {
	if o.To == "" && o.Target == nil {
		if p.dir == nil {
			return nil, errors.New("the project's folder is not known here: name one to restore to")
		}
		return p.restoreInPlace(ctx, o, nil)
	}
	return p.restoreTo(ctx, o)
}

// restoreTo restores to a new folder.
func (p *Project) restoreTo(ctx context.Context, o RestoreOptions) (*RestoreResult, error) {
	target := o.Target
	if target == nil {
		if o.DryRun {
			// A plan for a folder that is not there yet is one for an empty folder.
			d, err := disk.Open(o.To)
			if errors.Is(err, fs.ErrNotExist) {
				d, err = disk.NewMemory(disk.MemoryOptions{}).Root(), nil
			}
			if err != nil {
				return nil, err
			}
			target = d
		} else {
			d, err := disk.Create(o.To)
			if err != nil {
				return nil, fmt.Errorf("restore to %s: %w", o.To, err)
			}
			target = d
		}
		defer target.Close()
	}
	res, err := p.apply(ctx, o, restore.Options{Target: target, NewGet: p.v.getter})
	if err != nil || o.DryRun || len(o.Paths) > 0 || len(res.Errors) > 0 {
		return res, err
	}
	// The whole project is there: its history goes on from here.
	if _, err := ReadProjectID(target); errors.Is(err, ErrNoProject) {
		return res, (&Project{v: p.v, dir: target, id: p.id}).adopt(true)
	}
	return res, nil
}

// restoreInPlace makes the project's folder what a snapshot says it was. mark, if set, makes the record
// that ties the safety snapshot to an operation; otherwise a new operation is recorded.
func (p *Project) restoreInPlace(ctx context.Context, o RestoreOptions, mark func(*Snapshot) ledger.Record) (*RestoreResult, error) {
	if o.DryRun {
		d, res, err := p.draft(ctx, o.Ignore)
		if err != nil {
			return nil, err
		}
		return p.apply(ctx, o, restore.Options{Target: p.dir, HasLive: true, Live: res.Root, Delete: o.Delete,
			NewGet: func() tree.Getter { return p.v.draftGetter(d) }})
	}
	safety, err := p.Snap(ctx, SnapOptions{Message: "before restore of " + o.Snapshot.Ref(), Ignore: o.Ignore, reason: history.Safety, IfChanged: true})
	if err != nil {
		return nil, fmt.Errorf("safety snapshot: %w", err)
	}
	if len(safety.Errors) > 0 {
		// What could not be read cannot be brought back by undo, so it must not be overwritten.
		return nil, fmt.Errorf("safety snapshot: %w", &PartialError{Failures: safety.Errors})
	}
	undo, err := p.journal(ctx, o, safety, mark)
	if err != nil {
		return nil, err
	}
	if mark != nil && len(o.Paths) > 0 {
		// What the operation put there may be gone again: then there is nothing to undo about it.
		if o.Paths = p.known(ctx, o.Paths, safety, o.Snapshot); len(o.Paths) == 0 {
			return &RestoreResult{Safety: safety, Undo: undo}, nil
		}
	}
	res, err := p.apply(ctx, o, restore.Options{Target: p.dir, HasLive: true, Live: safety.Root, Delete: o.Delete, NewGet: p.v.getter})
	if res != nil {
		res.Safety, res.Undo = safety, undo
	}
	return res, err
}

// known returns the paths that are in either snapshot, as far as can be told.
func (p *Project) known(ctx context.Context, paths []string, a, b *Snapshot) (out []string) {
	get := p.v.getter()
	for _, at := range paths {
		_, aerr := p.v.find(ctx, get, a, at)
		_, berr := p.v.find(ctx, get, b, at)
		if !errors.Is(aerr, fs.ErrNotExist) || !errors.Is(berr, fs.ErrNotExist) {
			out = append(out, at)
		}
	}
	return out
}

// journal records the operation before anything is changed, so that whatever happens it can be undone.
func (p *Project) journal(ctx context.Context, o RestoreOptions, safety *Snapshot, mark func(*Snapshot) ledger.Record) (string, error) {
	if mark != nil {
		r := mark(safety)
		return r.ID, p.v.history.Ledger.Append(ctx, r)
	}
	f := folderChange{Before: safety.ID.String(), Target: o.Snapshot.ID.String(), Paths: o.Paths, Delete: o.Delete}
	r, err := p.operation("restore", "restore of "+o.Snapshot.Ref(), map[string]any{"folder": f})
	if err != nil {
		return "", err
	}
	return r.ID, p.v.history.Ledger.Append(ctx, r)
}

// apply plans and, unless it is a dry run, performs.
func (p *Project) apply(ctx context.Context, o RestoreOptions, r restore.Options) (*RestoreResult, error) {
	r.DB, r.Root, r.Owner, r.Workers, r.Rand, r.NoProbe = p.v.db, o.Snapshot.Root, o.Owner, p.v.readers, p.v.opt.Rand, o.DryRun
	for _, at := range o.Paths {
		r.Paths = append(r.Paths, cleanPath(at))
	}
	if p.v.opt.Progress != nil {
		r.Progress = func(c restore.Progress) {
			p.v.opt.Progress(Event{Verb: "restore", Files: c.Files, Bytes: c.Bytes, TotalFiles: c.TotalFiles, TotalBytes: c.TotalBytes})
		}
	}
	plan, err := restore.Make(ctx, r)
	if err != nil {
		return nil, err
	}
	res := planned(plan)
	if o.DryRun {
		return res, nil
	}
	done, err := plan.Apply(ctx)
	if done == nil {
		return res, err
	}
	res.Written, res.Meta, res.Unchanged, res.Removed = done.Files, done.Meta, done.Unchanged, done.Removed
	for _, f := range done.Warnings {
		res.Warnings = append(res.Warnings, f.Path+": "+f.Err.Error())
	}
	for _, k := range done.Kept {
		res.Warnings = append(res.Warnings, k+": folder kept, it holds files that are not in the snapshot")
	}
	for _, f := range done.Errors {
		res.Errors = append(res.Errors, Failure{Path: f.Path, Error: f.Err.Error()})
	}
	return res, err
}

// planned says what a plan would do.
func planned(plan *restore.Plan) *RestoreResult {
	res := &RestoreResult{Bytes: plan.Bytes, Unchanged: plan.Keep, Removed: int64(len(plan.Remove)), Meta: int64(len(plan.Meta)),
		Written: int64(len(plan.Create) + len(plan.Replace))}
	res.Files = res.Written + res.Unchanged + res.Meta
	for _, l := range []struct {
		kind history.Kind
		of   []restore.Change
	}{{history.Added, plan.Create}, {history.Modified, plan.Replace}, {history.Touched, plan.Meta}, {history.Removed, plan.Remove}} {
		for _, c := range l.of {
			res.Plan = append(res.Plan, Change{Kind: l.kind, Path: c.Path})
		}
	}
	for _, c := range plan.Conflicts {
		text := c.Path + ": " + c.Reason.String()
		if c.Other != "" {
			text += " (" + c.Other + ")"
		}
		res.Warnings = append(res.Warnings, text)
	}
	return res
}
