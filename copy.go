package varve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"varve/internal/digest"
	"varve/internal/history"
	"varve/internal/object"
	"varve/internal/transfer"
	"varve/store"
)

// ErrSameVault says that a vault was to be copied to itself, or to a copy of its files.
var ErrSameVault = errors.New("it is the same vault")

// Origin names a snapshot by the vault that it was taken into. A copy of a copy has the same.
type Origin = history.Origin

// CopyOptions say what to copy.
type CopyOptions struct {
	Snapshots []*Snapshot // nil: all of the vault
	DryRun    bool
}

// CopyReport says what a copy has brought over.
type CopyReport struct {
	Copied  []*Snapshot // of this vault; in a dry run those that would be
	Present int         // snapshots that were there already
	Chunks  int64       // objects that were new there
	Stored  int64       // bytes that the other vault has gained by them
	Records int         // what was said of snapshots and projects: milestones, tags, holds, settings
	Failed  []CopyFailure
}

// CopyFailure is a snapshot that could not be copied whole. Nothing of it can be seen in the other vault.
type CopyFailure struct {
	Snapshot *Snapshot
	Err      error
}

// Copy brings snapshots that another vault does not have into it, with what was said of them. The other vault has keys
// of its own: objects are named and sealed anew, and those that are there are not stored again. Each snapshot is whole
// there or not there at all; a copy that was broken off goes on where it was.
func (v *Vault) Copy(ctx context.Context, to *Vault, o CopyOptions) (*CopyReport, error) {
	if v.db.Vault() == to.db.Vault() {
		return nil, fmt.Errorf("copy vault %s: %w", v.ID(), ErrSameVault)
	}
	if err := errors.Join(v.history.Refresh(ctx), to.history.Refresh(ctx)); err != nil {
		return nil, err
	}
	all := o.Snapshots
	if all == nil {
		all = v.history.Snapshots("")
	}
	c := &copying{v: v, to: to, there: to.origins(), sound: map[digest.Digest]bool{}, of: map[string][]*Snapshot{}, total: int64(len(all))}
	for _, s := range v.history.Snapshots("") {
		c.of[s.Project] = append(c.of[s.Project], s)
	}
	for _, s := range all {
		if c.there[v.origin(s)] != nil {
			c.report.Present++
			continue
		}
		var err error
		if !o.DryRun {
			err = c.snapshot(ctx, s)
		}
		switch {
		case err == nil:
			c.report.Copied = append(c.report.Copied, s)
		case ctx.Err() == nil && (errors.Is(err, ErrDamaged) || errors.Is(err, ErrMissing)):
			c.report.Failed = append(c.report.Failed, CopyFailure{s, err})
		default:
			return &c.report, fmt.Errorf("copy %s: %w", s.Ref(), err)
		}
	}
	if o.DryRun {
		return &c.report, nil
	}
	to.mergeIndex(ctx)
	to.lookBack(ctx)
	var err error
	if c.report.Records, err = c.records(ctx, o.Snapshots); err != nil {
		return &c.report, fmt.Errorf("copy milestones, tags and settings: %w", err)
	}
	bulk, err := c.bulk(ctx, o.Snapshots)
	if c.report.Records += bulk; err != nil {
		return &c.report, fmt.Errorf("copy records: %w", err)
	}
	return &c.report, c.note(ctx)
}

// Snapshots returns the snapshots of all projects, each project's from oldest to newest.
func (v *Vault) Snapshots() []*Snapshot { return v.history.Snapshots("") }

// origin names a snapshot of the vault.
func (v *Vault) origin(s *Snapshot) Origin {
	if s.Copy != nil {
		return *s.Copy
	}
	return Origin{Vault: v.ID(), Snapshot: s.ID.String()}
}

// origins returns the snapshots of the vault by what they are copies of.
func (v *Vault) origins() map[Origin]*Snapshot {
	out := map[Origin]*Snapshot{}
	for _, s := range v.history.Snapshots("") {
		out[v.origin(s)] = s
	}
	return out
}

// copying is one run of a copy.
type copying struct {
	v, to  *Vault
	there  map[Origin]*Snapshot // what the other vault has
	sound  map[digest.Digest]bool
	of     map[string][]*Snapshot // those of the vault, by project, from oldest to newest
	report CopyReport
	total  int64
	bytes  atomic.Int64 // of chunks that were read
}

// snapshot copies one snapshot.
func (c *copying) snapshot(ctx context.Context, s *Snapshot) error {
	for {
		err := c.to.db.Write(ctx, c.to.who(), func(ctx context.Context, ses *object.Session) error { return c.commit(ctx, ses, s) },
			func() error { return c.to.history.Refresh(ctx) })
		if !errors.Is(err, ErrFenced) {
			return err
		}
	}
}

// commit brings a snapshot over in a session of its own.
func (c *copying) commit(ctx context.Context, ses *object.Session, s *Snapshot) error {
	o := transfer.Options{From: c.v.db, To: c.to.db, Workers: c.v.readers, Sound: c.sound}
	if c.to.opt.Progress != nil {
		o.Progress = func(plain int64) {
			c.to.opt.Progress(Event{Verb: "copy", Files: int64(len(c.report.Copied) + c.report.Present), TotalFiles: c.total,
				Bytes: c.bytes.Add(plain), Stored: c.report.Stored + ses.Stored().Sealed})
		}
	}
	own := *s
	var err error
	if own.Root, err = transfer.Tree(ctx, ses, o, s.Root, c.like(ses, s)); err != nil {
		return err
	}
	if own.Changes, err = bring(ctx, ses, o, s.Changes); err != nil {
		return err
	}
	if err := store.Together(c.to.db.Store(), ses.Flush, func() error { return c.to.history.Refresh(ctx) }); err != nil {
		return err
	}
	origin := c.v.origin(s)
	own.ID, own.Copy, own.Parent, own.Stored = ses.ID, &origin, "", ses.Stored()
	if parent := c.counterpart(s.Parent); parent != nil {
		own.Parent = parent.ID.String()
	}
	if slices.ContainsFunc(c.to.history.Snapshots(s.Project), func(t *Snapshot) bool { return t.Version == s.Version }) {
		own.Version = c.to.history.LastVersion(s.Project) + 1
	}
	manifest, err := own.Encode()
	if err != nil {
		return err
	}
	if err := ses.Commit(ctx, manifest); err != nil {
		return err
	}
	c.to.list(ctx, ses, own.ID)
	ses.Leave()
	if err := c.to.history.Add(ses.ID, manifest); err != nil {
		return err
	}
	c.there[origin], _ = c.to.history.Get(ses.ID)
	c.report.Stored += own.Stored.Sealed
	c.report.Chunks += own.Stored.Chunks
	return nil
}

// bring brings the pages of a change list over.
func bring(ctx context.Context, ses *object.Session, o transfer.Options, pages []string) ([]string, error) {
	var from []digest.Digest
	for _, p := range pages {
		d, err := digest.Parse(p)
		if err != nil {
			return nil, fmt.Errorf("change list: %w: %w", ErrDamaged, err)
		}
		from = append(from, d)
	}
	to, err := transfer.Pages(ctx, ses, o, from)
	var out []string
	for _, d := range to {
		out = append(out, d.String())
	}
	return out, err
}

// counterpart returns the copy of a snapshot of the vault by its id; nil if there is none.
func (c *copying) counterpart(id string) *Snapshot {
	sid, err := object.ParseSID(id)
	if err != nil {
		return nil
	}
	s, ok := c.v.history.Get(sid)
	if !ok {
		return nil
	}
	return c.there[c.v.origin(s)]
}

// like finds the snapshot of the project that both vaults have and that is nearest to s, the one before rather than one
// after.
func (c *copying) like(ses *object.Session, s *Snapshot) *transfer.Pair {
	var best *transfer.Pair
	for _, t := range c.of[s.Project] {
		there := c.there[c.v.origin(t)]
		if there == nil || ses.Doomed(there.ID) || best != nil && t.Version > s.Version {
			continue
		}
		if _, still := c.to.history.Get(there.ID); still {
			best = &transfer.Pair{From: t.Root, To: there.Root}
		}
	}
	return best
}

// SecondCopy is another vault that snapshots of this one were copied to, or from.
type SecondCopy struct {
	Vault     string    // its id
	Place     string    // where it was
	Time      time.Time // of the last copy
	Snapshots int       // of this vault, that are in both
	Behind    int       // of this vault, that people took and that are not in the other
}

// note keeps, in both vaults, what they have in common.
func (c *copying) note(ctx context.Context) error {
	var here, there []string
	for _, s := range c.v.history.Snapshots("") {
		if t := c.there[c.v.origin(s)]; t != nil {
			here, there = append(here, s.ID.String()), append(there, t.ID.String())
		}
	}
	if err := c.to.noteCopy(ctx, c.v, there); err != nil {
		return err
	}
	// The copy is there, whether or not this vault may be written to.
	if err := c.v.noteCopy(ctx, c.to, here); err != nil && c.v.opt.Warn != nil && ctx.Err() == nil {
		c.v.opt.Warn("copy", fmt.Errorf("that there is one was not noted: %w", err))
	}
	return nil
}

// Copies returns the other vaults that have snapshots of this one, the one that was copied last first.
func (v *Vault) Copies() []SecondCopy {
	all := v.history.Snapshots("")
	var out []SecondCopy
	for _, e := range v.history.Ledger.Entities("copy") {
		c := SecondCopy{Vault: e.ID, Place: e.Text("place"), Time: time.UnixMilli(e.Last.Milli)}
		both := map[string]bool{}
		for _, id := range e.Members("snapshots") {
			both[id] = true
		}
		for _, s := range all {
			switch {
			case both[s.ID.String()]:
				c.Snapshots++
			case s.Reason == "":
				c.Behind++
			}
		}
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b SecondCopy) int { return b.Time.Compare(a.Time) })
	return out
}
