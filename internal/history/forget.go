package history

import (
	"context"
	"errors"
	"slices"

	"varve/internal/ledger"
	"varve/internal/object"
)

// A snapshot is forgotten by a record "forget" of its id. Until a collection has deleted it, it can be brought back:
// by a record that names a session, and counts once that session has finished. A collection that has begun waits for
// the session or aborts it, so that one of both knows of the other.

// ForgetRecord says that a snapshot is to be forgotten.
func ForgetRecord(s *Snapshot) ledger.Record {
	return ledger.Record{Type: "forget", ID: s.ID.String(), Set: map[string]ledger.Raw{
		"project": ledger.Value(s.Project), "version": ledger.Value(s.Version), "revoked": ledger.Value("")}}
}

// ReplaceRecord says that a snapshot whose commit slot is lost is s now.
func ReplaceRecord(lost string, s *Snapshot) ledger.Record {
	r := ForgetRecord(s)
	r.ID = lost
	r.Set["replaced"] = ledger.Value(s.ID.String())
	return r
}

// RevokeRecord says that a snapshot is not forgotten any more, once session by has finished.
func RevokeRecord(id, by object.SID) ledger.Record {
	return ledger.Record{Type: "forget", ID: id.String(), Set: map[string]ledger.Raw{"revoked": ledger.Value(by.String())}}
}

// revoker returns the session that brings a forgotten snapshot back.
func revoker(e *ledger.Entity) (object.SID, bool) {
	id, err := object.ParseSID(e.Text("revoked"))
	return id, err == nil
}

// refreshForgotten finds out which sessions that were to bring a snapshot back have, and lets go of forgotten
// snapshots whose slot a collection has deleted.
func (h *History) refreshForgotten(ctx context.Context, listed map[object.SID]bool) error {
	for _, e := range h.Ledger.Entities("forget") {
		if by, ok := revoker(e); ok && !h.revoked[by] {
			done, err := h.db.Finished(ctx, by)
			if errors.Is(err, object.ErrDamaged) { // it may have: what is in doubt is kept
				h.damaged[by], done, err = err, true, nil
			}
			if err != nil {
				return err
			}
			h.revoked[by] = done
		}
		id, err := object.ParseSID(e.ID)
		if err != nil || listed[id] || h.by[id] == nil && h.damaged[id] == nil {
			continue
		}
		there, err := h.db.Filled(ctx, id) // the listing may lack it
		if err != nil {
			return err
		}
		if !there {
			delete(h.by, id)
			delete(h.damaged, id)
		}
	}
	return nil
}

// forgotten returns the snapshots that are, whether or not they can be brought back.
func (h *History) forgotten() map[object.SID]bool {
	entities := h.Ledger.Entities("forget")
	h.mu.Lock()
	defer h.mu.Unlock()
	out := map[object.SID]bool{}
	for _, e := range entities {
		if by, ok := revoker(e); ok && h.revoked[by] {
			continue
		}
		if id, err := object.ParseSID(e.ID); err == nil {
			out[id] = true
		}
	}
	return out
}

// Freeable returns the snapshots that are forgotten and not collected yet, in order.
func (h *History) Freeable() []object.SID {
	forgotten := h.forgotten()
	h.mu.Lock()
	defer h.mu.Unlock()
	var out []object.SID
	for id := range forgotten {
		if h.by[id] != nil || h.damaged[id] != nil {
			out = append(out, id)
		}
	}
	slices.SortFunc(out, func(a, b object.SID) int { return slices.Compare(a[:], b[:]) })
	return out
}

// LastVersion returns the highest number that a snapshot of a project has, or had before it was forgotten.
func (h *History) LastVersion(project string) int {
	last := 0
	for _, e := range h.Ledger.Entities("forget") {
		n := 0
		if e.Text("project") == project && e.Get("version", &n) {
			last = max(last, n)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, s := range h.by {
		if s.Project == project {
			last = max(last, s.Version)
		}
	}
	return last
}
