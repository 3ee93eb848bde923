package varve

import (
	"context"
	"errors"
	"fmt"
	"time"

	"varve/internal/ledger"
	"varve/internal/object"
)

// Operation is something that a verb changed and that can be undone.
type Operation struct {
	ID      string
	Verb    string
	Summary string
	Time    time.Time
	Undone  bool

	project string
	forward []ledger.Record
	inverse []ledger.Record
	folder  *folderChange
	forgets []string // ids of snapshots
}

// folderChange is an operation on the project's folder.
type folderChange struct {
	Before string   `json:"before"` // the snapshot of how it was
	Target string   `json:"target"` // the snapshot put back
	Paths  []string `json:"paths,omitempty"`
	Delete bool     `json:"delete,omitempty"`
	After  string   `json:"after,omitempty"` // taken by undo, for redo
}

// ErrNothing says that there is nothing to undo or redo.
var ErrNothing = errors.New("nothing to undo")

// Operations returns the project's operations, oldest first.
func (p *Project) Operations() []Operation {
	var out []Operation
	for _, e := range p.v.history.Ledger.Entities("operation") {
		if e.Text("project") != p.ID() {
			continue
		}
		o := Operation{ID: e.ID, Verb: e.Text("verb"), Summary: e.Text("summary"), Time: time.UnixMilli(e.First.Milli), project: p.ID()}
		e.Get("undone", &o.Undone)
		e.Get("forward", &o.forward)
		e.Get("inverse", &o.inverse)
		e.Get("folder", &o.folder)
		e.Get("forgets", &o.forgets)
		out = append(out, o)
	}
	return out
}

// record writes records and, with them, the operation that they are.
func (p *Project) record(ctx context.Context, verb, summary string, forward, inverse []ledger.Record) error {
	op, err := p.operation(verb, summary, map[string]any{"forward": forward, "inverse": inverse})
	if err != nil {
		return err
	}
	return p.v.history.Ledger.Append(ctx, append(append([]ledger.Record(nil), forward...), op)...)
}

func (p *Project) operation(verb, summary string, more map[string]any) (ledger.Record, error) {
	id, err := p.v.db.NewID()
	if err != nil {
		return ledger.Record{}, err
	}
	r := ledger.Record{Type: "operation", ID: fmt.Sprintf("%x", id[:]), Set: fieldsOf(map[string]any{"project": p.ID(), "verb": verb, "summary": summary})}
	for k, v := range more {
		r.Set[k] = ledger.Value(v)
	}
	return r, nil
}

// Undo reverts the last operation that is not undone. With dry it only says which.
func (p *Project) Undo(ctx context.Context, dry bool) (*Operation, *RestoreResult, error) {
	var last *Operation
	for _, o := range p.Operations() {
		if !o.Undone {
			last = &o
		}
	}
	if last == nil {
		return nil, nil, ErrNothing
	}
	return p.turn(ctx, last, true, dry)
}

// Redo does again what was undone last, unless something else was done since.
func (p *Project) Redo(ctx context.Context, dry bool) (*Operation, *RestoreResult, error) {
	var next *Operation
	for _, o := range p.Operations() {
		switch {
		case !o.Undone:
			next = nil
		case next == nil:
			next = &o
		}
	}
	if next == nil {
		return nil, nil, ErrNothing
	}
	return p.turn(ctx, next, false, dry)
}

// turn undoes or redoes o.
func (p *Project) turn(ctx context.Context, o *Operation, undo, dry bool) (*Operation, *RestoreResult, error) {
	if len(o.forgets) > 0 && !dry {
		return p.turnForget(ctx, o, undo)
	}
	if o.folder == nil {
		if dry {
			return o, nil, nil
		}
		records := o.forward
		if undo {
			records = o.inverse
		}
		records = append(append([]ledger.Record(nil), records...), p.undone(o, undo, nil))
		o.Undone = undo
		return o, nil, p.v.history.Ledger.Append(ctx, records...)
	}
	name := o.folder.Before
	if !undo {
		name = o.folder.After
	}
	id, err := object.ParseSID(name)
	if err != nil {
		return nil, nil, fmt.Errorf("operation %s: %w", o.ID, err)
	}
	s, ok := p.v.history.Get(id)
	if !ok {
		return nil, nil, fmt.Errorf("the snapshot of how it was, %s: %w", name[:12], ErrMissing)
	}
	res, err := p.restoreInPlace(ctx, RestoreOptions{Snapshot: s, Paths: o.folder.Paths, Delete: true, DryRun: dry, Ignore: p.IgnoreSettings()}, func(before *Snapshot) ledger.Record {
		f := *o.folder
		if undo {
			f.After = before.ID.String()
		}
		return p.undone(o, undo, &f)
	})
	if err != nil {
		return nil, res, err
	}
	o.Undone = undo != dry && undo || dry && o.Undone
	return o, res, nil
}

// turnForget brings forgotten snapshots back, or forgets them again.
func (p *Project) turnForget(ctx context.Context, o *Operation, undo bool) (*Operation, *RestoreResult, error) {
	var err error
	if undo {
		if err = p.revive(ctx, o); err == nil {
			err = p.v.history.Ledger.Append(ctx, p.undone(o, true, nil))
		}
	} else {
		err = p.forgetAgain(ctx, o)
	}
	if err == nil {
		o.Undone = undo
	}
	return o, nil, err
}

func (p *Project) undone(o *Operation, undone bool, f *folderChange) ledger.Record {
	r := ledger.Record{Type: "operation", ID: o.ID, Set: fieldsOf(map[string]any{"undone": undone})}
	if f != nil {
		r.Set["folder"] = ledger.Value(f)
	}
	return r
}
