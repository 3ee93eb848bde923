package varve

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"varve/internal/history"
	"varve/internal/ledger"
	"varve/internal/object"
	"varve/internal/upkeep"
)

// Policy says which snapshots are kept when a project is thinned.
type Policy = history.Policy

// Verdict says whether a policy keeps a snapshot, and why.
type Verdict = history.Verdict

// Errors of forgetting and collecting.
var (
	ErrKept       = errors.New("the snapshot must stay")
	ErrCollected  = errors.New("a collection has freed it, or is about to")
	ErrIncomplete = upkeep.ErrIncomplete
)

// Policy returns the policy of the project; empty where it has none.
func (p *Project) Policy() (out Policy) {
	for _, e := range p.v.history.Ledger.Entities("keep") {
		if e.ID == p.ID() {
			e.Get("policy", &out)
		}
	}
	return out
}

// SetPolicy gives the project a policy, by which it is thinned after each snapshot; an empty one ends that.
func (p *Project) SetPolicy(ctx context.Context, policy Policy) error {
	set := func(x Policy) []ledger.Record {
		return []ledger.Record{{Type: "keep", ID: p.ID(), Set: fieldsOf(map[string]any{"policy": x})}}
	}
	summary := "keep " + policy.String()
	if policy.Empty() {
		summary = "keep all"
	}
	return p.record(ctx, "keep", summary, set(policy), set(p.Policy()))
}

// Judge says what a policy would keep, in the order in which the snapshots arrived.
func (p *Project) Judge(policy Policy) []Verdict {
	return p.v.history.Thin(p.ID(), policy, p.v.opt.Now().Location())
}

// Thin forgets what the project's policy does not keep, and returns that.
func (p *Project) Thin(ctx context.Context) ([]*Snapshot, error) {
	policy := p.Policy()
	if policy.Empty() {
		return nil, nil
	}
	if err := p.v.history.Refresh(ctx); err != nil {
		return nil, err
	}
	var out []*Snapshot
	for _, v := range p.Judge(policy) {
		if !v.Kept {
			out = append(out, v.Snapshot)
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, p.forget(ctx, "keep", out)
}

// Forget takes snapshots out of the project's history. Until a collection frees what only they need, Undo brings them
// back. ErrKept if one is held or has a milestone; then none is forgotten.
func (p *Project) Forget(ctx context.Context, snapshots ...*Snapshot) error {
	for _, s := range snapshots {
		if reason, held := p.Held(s); held {
			return fmt.Errorf("%s is held (%s): %w", s.Ref(), reason, ErrKept)
		}
		for _, m := range p.Milestones() {
			if m.Snapshot == s.ID {
				return fmt.Errorf("%s is milestone %s: %w", s.Ref(), m.Name, ErrKept)
			}
		}
	}
	return p.forget(ctx, "forget", snapshots)
}

func (p *Project) forget(ctx context.Context, verb string, snapshots []*Snapshot) error {
	summary := fmt.Sprintf("%s forgot %s", verb, snapshots[0].Ref())
	if n := len(snapshots); n > 1 {
		summary = fmt.Sprintf("%s forgot %d snapshots, %s to %s", verb, n, snapshots[0].Ref(), snapshots[n-1].Ref())
	}
	var records []ledger.Record
	var ids []string
	for _, s := range snapshots {
		records = append(records, history.ForgetRecord(s))
		ids = append(ids, s.ID.String())
	}
	op, err := p.operation(verb, summary, map[string]any{"forgets": ids})
	if err != nil {
		return err
	}
	return p.v.history.Ledger.Append(ctx, append(records, op)...)
}

// revive brings snapshots back that an operation forgot. It is a session, so that a collection either waits for it or
// has it begin again, and then finds that they are condemned.
func (p *Project) revive(ctx context.Context, o *Operation) error {
	for {
		err := p.v.db.Write(ctx, p.v.who(), func(ctx context.Context, s *object.Session) error {
			if err := p.v.history.Refresh(ctx); err != nil {
				return err
			}
			var records []ledger.Record
			for _, name := range o.forgets {
				id, err := object.ParseSID(name)
				if err != nil {
					return err
				}
				snap, there := p.v.history.Get(id)
				if !there || s.Doomed(id) {
					return fmt.Errorf("snapshot %s: %w", name[:12], ErrCollected)
				}
				if err := upkeep.Complete(ctx, p.v.db, snap); err != nil {
					if ctx.Err() != nil || !errors.Is(err, ErrMissing) {
						return err
					}
					return fmt.Errorf("%s: %w: %w", snap.Ref(), ErrCollected, err)
				}
				records = append(records, history.RevokeRecord(id, s.ID))
			}
			if err := errors.Join(p.v.history.Ledger.Append(ctx, records...), s.Flush()); err != nil {
				return err
			}
			return s.Finish(ctx)
		})
		if errors.Is(err, ErrFenced) {
			continue
		}
		if err == nil {
			err = p.v.history.Refresh(ctx)
		}
		return err
	}
}

// forgetAgain is what redo does after revive.
func (p *Project) forgetAgain(ctx context.Context, o *Operation) error {
	records := []ledger.Record{p.undone(o, false, nil)}
	for _, name := range o.forgets {
		id, err := object.ParseSID(name)
		if err != nil {
			return err
		}
		if s, ok := p.v.history.Get(id); ok {
			records = append(records, history.ForgetRecord(s))
		}
	}
	return p.v.history.Ledger.Append(ctx, records...)
}

// who describes this process to others that use the vault.
func (v *Vault) who() object.Who {
	return object.Who{Host: v.opt.Host, Boot: v.opt.Boot, PID: v.opt.PID, Started: v.opt.Now()}
}

// Collection says what a collection freed.
type Collection = upkeep.Collection

// CollectOptions say how to collect.
type CollectOptions struct {
	DryRun bool
	Wait   time.Duration // for snapshots under way; 0: ten minutes
}

const (
	collectWait = 10 * time.Minute
	silence     = 5 * time.Minute
	grace       = 7 * 24 * time.Hour
)

// Collect frees what no snapshot needs any more. Others may use the vault meanwhile. ErrBusy if a snapshot was under
// way for longer than Wait: another collection goes on from there.
func (v *Vault) Collect(ctx context.Context, o CollectOptions) (*Collection, error) {
	if o.Wait == 0 {
		o.Wait = collectWait
	}
	if !o.DryRun {
		if err := v.known(ctx); err != nil {
			return nil, err
		}
	}
	return upkeep.Collect(ctx, v.db, v.history, upkeep.CollectOptions{DryRun: o.DryRun, Wait: o.Wait, Silence: silence, Grace: grace,
		Who: v.who(), Alive: v.opt.Alive, Now: v.opt.Now, Sleep: v.opt.Sleep, Known: v.known})
}

// known refreshes the history, and is an error if the catalogue or this machine knows of more.
func (v *Vault) known(ctx context.Context) error {
	lost, err := v.Rollback(ctx)
	if err != nil {
		return err
	}
	if err := lost.Err(); err != nil {
		return fmt.Errorf("%w: nothing is deleted until that is cleared up", err)
	}
	return nil
}

// Forgotten returns the snapshots that were forgotten and are not collected yet, newest first.
func (v *Vault) Forgotten() []*Snapshot {
	var out []*Snapshot
	for _, id := range v.history.Freeable() {
		if s, ok := v.history.Get(id); ok {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *Snapshot) int { return b.Time.Compare(a.Time) })
	return out
}

// mergeIndex joins index segments when there are many. A vault whose index is not merged is slower, no more.
func (v *Vault) mergeIndex(ctx context.Context) {
	if !v.db.Crowded() {
		return
	}
	if err := upkeep.MergeIndex(ctx, v.db); err != nil && v.opt.Warn != nil && ctx.Err() == nil {
		v.opt.Warn("index", err)
	}
}
