package varve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"varve/internal/catalog"
	"varve/internal/ledger"
	"varve/internal/object"
	"varve/internal/upkeep"
)

// ErrRolledBack says that a vault has lost snapshots that nobody forgot: it was put back to an earlier state, or
// they were removed behind varve's back.
var ErrRolledBack = errors.New("the vault has lost snapshots that nobody forgot")

// Rollback is what a vault should have and has not.
type Rollback struct {
	Snapshots []ID     // known to the catalogue or to this machine
	Entries   []string // of the catalogue, that others come after
	damaged   map[string]error
}

// Err is ErrRolledBack if something is missing.
func (r *Rollback) Err() error {
	if len(r.Snapshots)+len(r.Entries) == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d of them, and %d entries of the catalogue%s", ErrRolledBack, len(r.Snapshots), len(r.Entries), r.named())
}

// named names the first of what is missing.
func (r *Rollback) named() string {
	names := slices.Clone(r.Entries)
	for _, id := range r.Snapshots {
		names = append(names, "snap/"+id.String())
	}
	more := ""
	if len(names) > 3 {
		names, more = names[:3], ", …"
	}
	return " (" + strings.Join(names, ", ") + more + ")"
}

// Rollback compares what is there with the vault's catalogue and with what this machine has seen, which
// Options.State remembers. Nothing may be collected while its Err is not nil.
func (v *Vault) Rollback(ctx context.Context) (*Rollback, error) {
	v.catalogLock.Lock()
	defer v.catalogLock.Unlock()
	// The catalogue first: what it lists was committed before.
	if err := v.catalog.Refresh(ctx); err != nil {
		return nil, err
	}
	if err := v.history.Refresh(ctx); err != nil {
		return nil, err
	}
	return v.missing(ctx)
}

// missing is the rollback that a second look confirms: a snapshot may have been forgotten and collected between the
// readings of the records and of the commits; and what is not listed may be there, for a listing can be late, or lack
// something. Both looks are for what was known before the second: another process of this machine goes on taking
// snapshots.
func (v *Vault) missing(ctx context.Context) (*Rollback, error) {
	seen := v.seen()
	maps.Copy(seen, v.catalog.Listed())
	r := v.rollback(seen)
	if r.Err() == nil {
		return r, nil
	}
	if err := v.history.Refresh(ctx); err != nil {
		return nil, err
	}
	if err := v.history.Find(ctx, v.rollback(seen).Snapshots...); err != nil {
		return nil, err
	}
	return v.rollback(seen), nil
}

// rollback compares what was seen with what is there.
func (v *Vault) rollback(seen map[ID]bool) *Rollback {
	r := &Rollback{Entries: v.catalog.Missing(), damaged: v.catalog.Damaged()}
	counts := v.counts()
	for id := range seen {
		if !v.history.Has(id) && counts(id) {
			r.Snapshots = append(r.Snapshots, id)
		}
	}
	slices.SortFunc(r.Snapshots, func(a, b ID) int { return strings.Compare(a.String(), b.String()) })
	v.mark(seen)
	return r
}

// counts returns whether a snapshot that the catalogue may list must be there.
func (v *Vault) counts() func(ID) bool {
	forgotten := v.history.Forgotten()
	return func(id ID) bool { return v.history.Has(id) || !forgotten[id.String()] }
}

// seen returns what this machine's mark says.
func (v *Vault) seen() map[ID]bool {
	if v.opt.State == nil {
		return map[ID]bool{}
	}
	seen, err := catalog.ReadMark(v.db, v.opt.State, v.opt.Place)
	if err != nil && v.opt.Warn != nil {
		v.opt.Warn("mark", err)
	}
	if seen == nil {
		seen = map[ID]bool{}
	}
	return seen
}

// mark keeps what this machine has seen: it only grows, except by what was forgotten and is gone. That it
// cannot be kept takes nothing from what was asked for.
func (v *Vault) mark(seen map[ID]bool) {
	if v.opt.State == nil {
		return
	}
	counts := v.counts()
	next := map[ID]bool{}
	for _, id := range v.history.IDs() {
		next[id] = true
	}
	before, err := catalog.ReadMark(v.db, v.opt.State, v.opt.Place)
	for _, known := range []map[ID]bool{seen, before} {
		for id := range known {
			if counts(id) {
				next[id] = true
			}
		}
	}
	if err == nil && maps.Equal(before, next) {
		return
	}
	if err := catalog.WriteMark(v.db, v.opt.State, v.opt.Place, next); err != nil && v.opt.Warn != nil && !readOnly(err) {
		v.opt.Warn("mark", err)
	}
}

// list notes a commit in the catalogue. It comes after the commit, so nothing of it is an error of the snapshot.
func (v *Vault) list(ctx context.Context, s *object.Session, committed ID) {
	v.catalogLock.Lock()
	defer v.catalogLock.Unlock()
	err := v.catalog.Add(ctx, append(v.history.IDs(), committed), v.counts(), s.Settle, false)
	if err != nil && v.opt.Warn != nil {
		v.opt.Warn("catalogue", fmt.Errorf("the snapshot is kept; that it is there was not noted: %w", err))
	}
}

// AcceptLoss takes the snapshots that a vault has lost for forgotten, so that nobody misses them any more, and
// returns them.
func (v *Vault) AcceptLoss(ctx context.Context) (*Rollback, error) {
	r, err := v.Rollback(ctx)
	if err != nil || r.Err() == nil {
		return r, err
	}
	var records []ledger.Record
	for _, id := range r.Snapshots {
		records = append(records, ledger.Record{Type: "forget", ID: id.String(), Set: fieldsOf(map[string]any{"reason": "lost"})})
	}
	if len(records) > 0 {
		if err := v.history.Ledger.Append(ctx, records...); err != nil {
			return nil, err
		}
	}
	v.catalogLock.Lock()
	defer v.catalogLock.Unlock()
	nothing := func(context.Context) error { return nil }
	return r, v.catalog.Add(ctx, v.history.IDs(), v.counts(), nothing, true)
}

// findings are what a check says of a rollback.
func (r *Rollback) findings() []Finding {
	const repair = "bring the vault back from another copy; if it was put back on purpose: varve verify --accept-loss"
	var out []Finding
	for _, id := range r.Snapshots {
		out = append(out, Finding{Kind: upkeep.Missing, Object: "snap/" + id.String(), Detail: "a snapshot that was there is gone, and nobody forgot it", Repair: repair})
	}
	for _, name := range r.Entries {
		out = append(out, Finding{Kind: upkeep.Missing, Object: name, Detail: "an entry of the catalogue that another comes after is gone", Repair: repair})
	}
	for _, name := range slices.Sorted(maps.Keys(r.damaged)) {
		out = append(out, Finding{Kind: upkeep.Damaged, Object: name, Detail: r.damaged[name].Error(), Repair: "put the object back from another copy of the vault"})
	}
	return out
}

// lookBack is Rollback after a snapshot, whose catalogue was just read: it keeps the mark, and warns.
func (v *Vault) lookBack(ctx context.Context) {
	v.catalogLock.Lock()
	defer v.catalogLock.Unlock()
	r, err := v.missing(ctx)
	if err == nil {
		err = r.Err()
	}
	if err != nil && v.opt.Warn != nil {
		v.opt.Warn("vault", err)
	}
}
