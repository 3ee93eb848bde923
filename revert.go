package varve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"varve/internal/diff"
	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/object"
	"varve/internal/restore"
	"varve/internal/tree"
)

// RevertOptions say what of the project's folder to take back.
type RevertOptions struct {
	To *Snapshot // what to put back
	// From is what the folder was just found to be: it brings back what is taken away. nil: a snapshot is taken.
	From   *Snapshot
	Ignore IgnoreSettings // for that
	// Within says which paths are meant; nil: all. A folder is made or removed where everything in it is.
	Within func(path string) bool
	// Leave gives the reason for which a path that differs stays as it is; "": it goes back. May be nil.
	Leave   func(path string) string
	Verb    string // of the operation: "rollback"
	Summary string // for people
	DryRun  bool
}

// Left is a path that was not put back, and why.
type Left struct{ Path, Reason string }

// RevertResult says what a revert did, or would do.
type RevertResult struct {
	Plan    []Change // what goes back, in the order of the paths, as a change from From to To
	Written int64    // files, links and folders
	Removed int64
	Left    []Left    // in the order of the paths
	Safety  *Snapshot // From, or what was taken instead; nil of a dry run
	Undo    string    // id of the operation; "" where nothing had to be done
}

// ErrLacking says that something of what was to be put back could not be had, and nothing was changed.
var ErrLacking = restore.ErrLacking

// ErrUnfinished says that a revert of the project's folder was broken off: see ResumeRevert.
var ErrUnfinished = errors.New("a rollback was broken off")

// reverting is the note of a revert that is under way, in the project's folder as .varve/revert: JSON.
type reverting struct {
	Operation string   `json:"operation"`
	Summary   string   `json:"summary"`
	To        string   `json:"to"`
	From      string   `json:"from"`
	Paths     []string `json:"paths"`
	Host      string   `json:"host"`
	Boot      string   `json:"boot"`
	PID       int      `json:"pid"`
}

const (
	revertName = "revert"
	maxRevert  = 256 << 20 // bytes of the note
)

// Revert puts back, in the project's folder, what differs between From and To within a scope. Everything is built and
// verified before the first name is changed: what cannot be had is ErrLacking, and nothing was changed. A file
// that is not as From has it by now is newer work, and is left. Broken off half way, it is ended by ResumeRevert.
func (p *Project) Revert(ctx context.Context, o RevertOptions) (*RevertResult, error) {
	if p.dir == nil {
		return nil, errors.New("the project's folder is not known here")
	}
	if note, err := p.unfinished(); err != nil {
		return nil, err
	} else if note != nil {
		return nil, fmt.Errorf("%s: %w", note.Summary, ErrUnfinished)
	}
	live, get, err := p.found(ctx, &o)
	if err != nil {
		return nil, err
	}
	paths, res, err := p.planRevert(ctx, get(), live, &o)
	if err != nil {
		return nil, err
	}
	res.Safety = o.From
	if o.DryRun || len(paths) == 0 {
		return res, nil
	}
	f := folderChange{Before: o.From.ID.String(), Target: o.To.ID.String(), Paths: paths, Delete: true}
	r, err := p.operation(o.Verb, o.Summary, map[string]any{"folder": f})
	if err != nil {
		return nil, err
	}
	note := reverting{Operation: r.ID, Summary: o.Summary, To: f.Target, From: f.Before, Paths: paths, Host: p.v.opt.Host, Boot: p.v.opt.Boot, PID: p.v.opt.PID}
	if err := p.noteRevert(&note); err != nil {
		return nil, err
	}
	// What was not noted in the vault could not be undone.
	if err := p.v.history.Ledger.Append(ctx, r); err != nil {
		return nil, errors.Join(err, p.endRevert())
	}
	res.Undo = r.ID
	err = p.putBack(ctx, o.To.Root, o.From.Root, p.v.getter, paths, res)
	if errors.Is(err, ErrLacking) || errors.Is(err, ErrNoSpace) || errors.Is(err, ErrConflict) || errors.Is(err, context.Canceled) {
		// Nothing was changed, since names are changed only when nothing can break off any more: there is nothing to end, and nothing to undo.
		res.Undo = ""
		return res, errors.Join(err, p.endRevert(), p.v.history.Ledger.Append(context.WithoutCancel(ctx), p.undone(&Operation{ID: r.ID}, true, nil)))
	}
	if err != nil {
		return res, err
	}
	return res, p.endRevert()
}

// found returns what the folder is: From, or, for a dry run, without keeping it.
func (p *Project) found(ctx context.Context, o *RevertOptions) (digest.Digest, func() tree.Getter, error) {
	if o.From == nil && o.DryRun {
		d, now, err := p.draft(ctx, o.Ignore)
		if err != nil {
			return digest.Digest{}, nil, err
		}
		return now.Root, func() tree.Getter { return p.v.draftGetter(d) }, nil
	}
	if o.From == nil {
		s, err := p.Snap(ctx, SnapOptions{Message: "before " + o.Summary, Ignore: o.Ignore, reason: history.Safety, IfChanged: true})
		if err == nil && len(s.Errors) > 0 {
			err = &PartialError{Failures: s.Errors}
		}
		if err != nil {
			return digest.Digest{}, nil, fmt.Errorf("safety snapshot: %w", err)
		}
		o.From = s
	}
	return o.From.Root, p.v.getter, nil
}

// planRevert lists what goes back, and what is left.
func (p *Project) planRevert(ctx context.Context, get tree.Getter, live digest.Digest, o *RevertOptions) ([]string, *RevertResult, error) {
	list, err := diff.Trees(ctx, get, live, o.To.Root, diff.Options{Dirs: true})
	if err != nil {
		return nil, nil, err
	}
	res := &RevertResult{}
	take := map[string]bool{}
	spoilt := map[string]bool{} // folders in which something stays
	holds := map[string]bool{}  // folders in which something goes back
	stays := func(at string) { markUp(spoilt, at) }
	judge := func(at string) {
		if o.Within != nil && !o.Within(at) {
			stays(at)
			return
		}
		if o.Leave != nil {
			if why := o.Leave(at); why != "" {
				res.Left = append(res.Left, Left{at, why})
				stays(at)
				return
			}
		}
		take[at] = true
		markUp(holds, at)
	}
	for i := range list {
		d := &list[i]
		if folderOf(d) {
			continue
		}
		judge(d.Path)
		if d.OldPath != "" {
			judge(d.OldPath)
		}
	}
	// A folder goes along where nothing in it stays; what differs in its metadata alone is not worth its contents.
	for i := range list {
		d := &list[i]
		if folderOf(d) && (d.Old == nil || d.New == nil) && !spoilt[d.Path] && (o.Within == nil || o.Within(d.Path) || holds[d.Path]) {
			take[d.Path] = true
		}
	}
	var paths []string
	for at := range take {
		paths = append(paths, at)
	}
	slices.Sort(paths)
	for i := range list {
		d := &list[i]
		c := Change{Kind: d.Kind, Path: d.Path, Old: d.OldPath}
		switch {
		case d.OldPath == "" || take[d.Path] && take[d.OldPath]:
		case take[d.Path]: // of a move, only what is within is undone
			c = Change{Kind: history.Added, Path: d.Path}
		default:
			c = Change{Kind: history.Removed, Path: d.OldPath}
		}
		if take[c.Path] {
			res.Plan = append(res.Plan, c)
		}
	}
	slices.SortFunc(res.Left, func(a, b Left) int { return strings.Compare(a.Path, b.Path) })
	return paths, res, nil
}

func folderOf(d *diff.Difference) bool {
	return d.Old != nil && d.Old.Type == disk.Directory || d.New != nil && d.New.Type == disk.Directory
}

// markUp marks a path and the folders it is in.
func markUp(set map[string]bool, at string) {
	for ; at != "" && !set[at]; at, _ = cutLast(at) {
		set[at] = true
	}
}

// cutLast returns the folder that a path is in, "" at the root, and the name.
func cutLast(at string) (folder, name string) {
	i := strings.LastIndexByte(at, '/')
	return at[:max(i, 0)], at[i+1:]
}

// putBack makes paths of the folder what root has, where they are as live has them.
func (p *Project) putBack(ctx context.Context, root, live digest.Digest, get func() tree.Getter, paths []string, res *RevertResult) error {
	plan, err := restore.Make(ctx, restore.Options{DB: p.v.db, NewGet: get, Root: root, Paths: paths, Live: live, HasLive: true,
		Target: p.dir, Delete: true, Whole: true, Workers: p.v.readers, Rand: p.v.opt.Rand})
	if err != nil {
		return err
	}
	done, err := plan.Apply(ctx)
	if done == nil {
		return err
	}
	res.Written, res.Removed = res.Written+done.Files+done.Meta, res.Removed+done.Removed
	var failures []Failure
	for _, f := range done.Errors {
		switch {
		case errors.Is(f.Err, restore.ErrChanged), errors.Is(f.Err, restore.ErrUnknown):
			res.Left = append(res.Left, Left{f.Path, "it was changed meanwhile"})
		default:
			failures = append(failures, Failure{Path: f.Path, Error: f.Err.Error()})
		}
	}
	for _, at := range done.Kept {
		res.Left = append(res.Left, Left{at, "the folder holds files that were made meanwhile"})
	}
	slices.SortFunc(res.Left, func(a, b Left) int { return strings.Compare(a.Path, b.Path) })
	if err == nil && len(failures) > 0 {
		err = &PartialError{Failures: failures}
	}
	return err
}

// noteRevert notes, durably, that a revert is under way.
func (p *Project) noteRevert(note *reverting) error {
	dot, err := disk.MkdirAll(p.dir, dotDir, 0o755)
	if err != nil {
		return err
	}
	defer dot.Close()
	b, err := json.Marshal(note)
	if err != nil {
		return err
	}
	if err := disk.WriteWhole(dot, revertName, 0o600, b); err != nil {
		return fmt.Errorf("note the rollback: %w", err)
	}
	return errors.Join(dot.Sync(), p.dir.Sync())
}

func (p *Project) endRevert() error {
	dot, err := p.dir.OpenDir(dotDir)
	if err != nil {
		return err
	}
	defer dot.Close()
	if err := dot.Remove(revertName); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return dot.Sync()
}

// unfinished returns the note of a revert that was broken off, nil if there is none. That another process is at it
// is ErrBusy.
func (p *Project) unfinished() (*reverting, error) {
	if p.dir == nil {
		return nil, nil
	}
	dot, err := p.dir.OpenDir(dotDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer dot.Close()
	b, err := disk.ReadFile(dot, revertName, maxRevert)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var note reverting
	if err == nil {
		err = json.Unmarshal(b, &note)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s/%s: %w", dotDir, revertName, err)
	}
	if note.Host != p.v.opt.Host {
		return nil, fmt.Errorf("%s: on %s: %w", note.Summary, note.Host, ErrUnfinished)
	}
	if note.Boot == p.v.opt.Boot && note.PID != p.v.opt.PID && (p.v.opt.Alive == nil || p.v.opt.Alive(note.PID)) {
		return nil, fmt.Errorf("%s: process %d is at it: %w", note.Summary, note.PID, ErrBusy)
	}
	return &note, nil
}

// ResumeRevert ends a revert that was broken off: what is still as it was before goes back too; what somebody changed
// since is left. It returns nil, "" if there is none.
func (p *Project) ResumeRevert(ctx context.Context, ig IgnoreSettings) (*RevertResult, string, error) {
	note, err := p.unfinished()
	if note == nil || err != nil {
		return nil, "", err
	}
	if err := p.v.history.Refresh(ctx); err != nil {
		return nil, "", err
	}
	var ends [2]*Snapshot
	for i, text := range [2]string{note.From, note.To} {
		id, err := object.ParseSID(text)
		if err != nil {
			return nil, "", fmt.Errorf("%s/%s: %w", dotDir, revertName, err)
		}
		s, ok := p.v.history.Get(id)
		if !ok {
			return nil, "", fmt.Errorf("%s: snapshot %.12s: %w", note.Summary, text, ErrMissing)
		}
		ends[i] = s
	}
	res, err := p.resume(ctx, note, ends[0], ends[1], ig)
	if err != nil {
		return res, note.Summary, fmt.Errorf("end %s: %w", note.Summary, err)
	}
	if !p.recorded(note.Operation) {
		// It was broken off before the operation was in the vault.
		f := folderChange{Before: note.From, Target: note.To, Paths: note.Paths, Delete: true}
		r, err := p.operation("rollback", note.Summary, map[string]any{"folder": f})
		if err != nil {
			return res, note.Summary, err
		}
		r.ID = note.Operation
		if err := p.v.history.Ledger.Append(ctx, r); err != nil {
			return res, note.Summary, err
		}
	}
	res.Undo = note.Operation
	return res, note.Summary, p.endRevert()
}

func (p *Project) recorded(operation string) bool {
	return slices.ContainsFunc(p.Operations(), func(o Operation) bool { return o.ID == operation })
}

// resume puts back what of the noted paths is still as from has it.
func (p *Project) resume(ctx context.Context, note *reverting, from, to *Snapshot, ig IgnoreSettings) (*RevertResult, error) {
	d, now, err := p.draft(ctx, ig)
	if err != nil {
		return nil, err
	}
	if len(now.Errors) > 0 {
		return nil, &PartialError{Failures: now.Errors}
	}
	get := func() tree.Getter { return p.v.draftGetter(d) }
	differs := func(a digest.Digest) (map[string]bool, error) {
		list, err := diff.Trees(ctx, get(), a, now.Root, diff.Options{Dirs: true})
		out := map[string]bool{}
		for i := range list {
			if list[i].Kind != history.Touched {
				out[list[i].Path] = true
				out[list[i].OldPath] = true
			}
		}
		return out, err
	}
	fromOld, err := differs(from.Root)
	if err != nil {
		return nil, err
	}
	fromNew, err := differs(to.Root)
	if err != nil {
		return nil, err
	}
	res := &RevertResult{}
	edited := map[string]bool{}
	for at := range fromOld {
		if fromNew[at] && at != "" {
			markUp(edited, at)
		}
	}
	var paths []string
	for _, at := range note.Paths {
		switch {
		case edited[at]:
			if fromOld[at] && fromNew[at] {
				res.Left = append(res.Left, Left{at, "it was changed since"})
			}
		default:
			paths = append(paths, at)
		}
	}
	root := p.v.getter()
	paths = slices.DeleteFunc(paths, func(at string) bool {
		if _, err := tree.Find(ctx, root, to.Root, at); !errors.Is(err, fs.ErrNotExist) {
			return false
		}
		_, err := tree.Find(ctx, get(), now.Root, at)
		return errors.Is(err, fs.ErrNotExist) // it is gone already, as it should be
	})
	if len(paths) == 0 {
		return res, nil
	}
	return res, p.putBack(ctx, to.Root, now.Root, get, paths, res)
}
