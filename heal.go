package varve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"varve/internal/digest"
	"varve/internal/history"
	"varve/internal/ledger"
	"varve/internal/object"
	"varve/internal/transfer"
	"varve/internal/upkeep"
)

// healing brings back into a vault what only a second copy has.
type healing struct {
	v, from *Vault
	copies  map[Origin]*Snapshot // what the second copy has
}

// healing prepares to heal from another vault. ErrOtherVault if it has nothing of this one.
func (v *Vault) healing(ctx context.Context, from *Vault) (*healing, error) {
	if err := from.history.Refresh(ctx); err != nil {
		return nil, err
	}
	h := &healing{v: v, from: from, copies: from.origins()}
	for o := range h.copies {
		if o.Vault == v.ID() {
			return h, nil
		}
	}
	for _, s := range v.history.Snapshots("") {
		if h.copies[v.origin(s)] != nil {
			return h, nil
		}
	}
	return nil, fmt.Errorf("vault %s: %w", from.ID(), ErrOtherVault)
}

const fromSecond = "taken from the second copy"

// heal does what a repair could not, and says so in its report.
func (h *healing) heal(ctx context.Context, r *RepairReport, dry bool) error {
	remains := slices.ContainsFunc(r.Outcomes, func(o Outcome) bool { return !o.Healed })
	var err error
	switch {
	case !remains:
	case dry:
		err = h.foresee(ctx, r)
	default:
		if err = errors.Join(h.complete(ctx, r), h.bulk(ctx, r)); err == nil {
			err = h.judge(ctx, r)
		}
	}
	return errors.Join(err, h.back(ctx, r, dry))
}

// bulk brings records in bulk back, if a segment of them is damaged: what the second copy has of it is put beside it.
func (h *healing) bulk(ctx context.Context, r *RepairReport) error {
	if !slices.ContainsFunc(r.Outcomes, func(o Outcome) bool { return !o.Healed && strings.HasPrefix(o.Object, ledger.Bulk) }) {
		return nil
	}
	c := &copying{v: h.from, to: h.v, there: h.v.origins()}
	_, err := c.bulk(ctx, nil)
	return err
}

// complete brings what snapshots lack.
func (h *healing) complete(ctx context.Context, r *RepairReport) error {
	for _, s := range h.v.history.Snapshots("") {
		t := h.copies[h.v.origin(s)]
		if t == nil || upkeep.Complete(ctx, h.v.db, s) == nil {
			continue
		}
		stored, err := h.snapshot(ctx, s, t)
		switch {
		case err == nil:
			r.Stored += stored
		case ctx.Err() == nil && (errors.Is(err, ErrDamaged) || errors.Is(err, ErrMissing)):
			h.warn(s.Ref(), fmt.Errorf("the second copy does not have all of it either: %w", err))
		default:
			return err
		}
	}
	return nil
}

// foresee says in a dry run which findings would be healed: those that touch only snapshots that the copy has whole.
// Which ones a lost page of a tree touches is not known: it may be any.
func (h *healing) foresee(ctx context.Context, r *RepairReport) error {
	lacking := map[string]bool{}
	for _, s := range h.v.history.Snapshots("") {
		t := h.copies[h.v.origin(s)]
		if t == nil || upkeep.Complete(ctx, h.from.db, t) != nil {
			lacking[upkeep.Label(s)] = true
		}
	}
	for i := range r.Outcomes {
		o := &r.Outcomes[i]
		if !o.Healed && strings.HasPrefix(o.Object, "packs/") && (len(lacking) == 0 ||
			len(o.Snapshots) > 0 && !slices.ContainsFunc(o.Snapshots, func(s string) bool { return lacking[s] })) {
			o.Healed, o.Repair = true, fromSecond
		}
	}
	return ctx.Err()
}

func (h *healing) warn(name string, err error) {
	if h.v.opt.Warn != nil {
		h.v.opt.Warn(name, err)
	}
}

// judge looks which findings are none any more.
func (h *healing) judge(ctx context.Context, r *RepairReport) error {
	again, err := upkeep.Verify(ctx, h.v.db, h.v.history.Snapshots(""), h.v.checking("repair"))
	if err != nil {
		return err
	}
	remains := map[string]bool{}
	for _, f := range again.Findings {
		remains[f.Object] = true
	}
	for i := range r.Outcomes {
		if o := &r.Outcomes[i]; !o.Healed && !remains[o.Object] {
			o.Healed, o.Repair = true, fromSecond
		}
	}
	return nil
}

// snapshot stores again what s lacks and its copy t has, and returns how many objects that were.
func (h *healing) snapshot(ctx context.Context, s, t *Snapshot) (int64, error) {
	o := transfer.Options{From: h.from.db, To: h.v.db, Workers: h.from.readers, Sound: map[digest.Digest]bool{}}
	for {
		var stored object.Stored
		err := h.v.db.Write(ctx, h.v.who(), func(ctx context.Context, ses *object.Session) error {
			root, err := transfer.Tree(ctx, ses, o, t.Root, &transfer.Pair{From: t.Root, To: s.Root})
			if err == nil && root != s.Root {
				err = fmt.Errorf("%w: the copy is not what it is said to be a copy of", ErrDamaged)
			}
			if err == nil {
				_, err = bring(ctx, ses, o, t.Changes)
			}
			if err != nil {
				return err
			}
			if err := ses.Flush(); err != nil {
				return err
			}
			stored = ses.Stored()
			return ses.Finish(ctx)
		})
		if errors.Is(err, ErrFenced) {
			continue
		}
		if err != nil {
			return 0, err
		}
		return stored.Chunks, h.v.db.Refresh(ctx)
	}
}

// back brings back snapshots whose commit slots are gone or damaged. They get ids of their own, since no name is used
// twice; what was said of them is said of those then, and the old ones count as forgotten.
func (h *healing) back(ctx context.Context, r *RepairReport, dry bool) error {
	lost, err := h.v.Rollback(ctx)
	if err != nil {
		return err
	}
	var copies []*Snapshot
	for _, id := range slices.AppendSeq(lost.Snapshots, maps.Keys(h.v.history.Damaged())) {
		if t := h.copies[Origin{Vault: h.v.ID(), Snapshot: id.String()}]; t != nil {
			copies = append(copies, t)
		}
	}
	if len(copies) == 0 {
		return nil
	}
	slices.SortFunc(copies, func(a, b *Snapshot) int { return a.Version - b.Version })
	done, err := h.from.Copy(ctx, h.v, CopyOptions{Snapshots: copies, DryRun: dry})
	if err != nil {
		return err
	}
	r.Brought, r.Stored = len(done.Copied), r.Stored+done.Chunks
	here := h.v.origins()
	now := map[string]string{} // ids before → now
	var records []ledger.Record
	for _, t := range done.Copied {
		o := h.from.origin(t)
		for i := range r.Outcomes {
			if out := &r.Outcomes[i]; out.Object == "snap/"+o.Snapshot {
				out.Healed, out.Repair = true, fromSecond
			}
		}
		if s := here[o]; s != nil {
			now[o.Snapshot] = s.ID.String()
			records = append(records, history.ReplaceRecord(o.Snapshot, s))
		}
	}
	if dry {
		return nil
	}
	return h.v.history.Ledger.Append(ctx, append(h.renamed(now), records...)...)
}

// renamed returns records by which what is said of snapshots is said of those that were brought back for them.
func (h *healing) renamed(now map[string]string) []ledger.Record {
	all := h.v.history.Ledger.Records()
	types := map[string]bool{}
	for i := range all {
		types[all[i].Type] = !local(all[i].Type)
	}
	var out []ledger.Record
	for _, typ := range slices.Sorted(maps.Keys(types)) {
		if !types[typ] {
			continue
		}
		for _, e := range h.v.history.Ledger.Entities(typ) {
			r := e.Record()
			n, _ := rename(r, now)
			if n.ID == r.ID {
				maps.DeleteFunc(n.Set, func(k string, v fieldValue) bool { return string(v) == string(r.Set[k]) })
				n.Add, n.Drop = nil, nil
			}
			if n.ID != r.ID || len(n.Set) > 0 {
				out = append(out, n)
			}
		}
	}
	return out
}
