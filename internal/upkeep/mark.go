package upkeep

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"varve/internal/digest"
	"varve/internal/history"
	"varve/internal/index"
	"varve/internal/object"
	"varve/internal/pack"
	"varve/internal/tree"
)

// ErrIncomplete says that the vault is not whole: what is needed is then not known, so nothing may be deleted.
var ErrIncomplete = errors.New("the vault is not whole")

// marking is what the kept snapshots need, as rows of the index.
type marking struct {
	db        *object.DB
	snapshots []*history.Snapshot
	set       *index.Set
	segments  []*index.Segment
	marks     *index.Marks
	bases     *index.Marks // of marks, what needed deltas are made from
	sound     map[pack.ID]int64
	listed    map[pack.ID]int64
}

// mark goes through every page of the snapshots once. The index must have been refreshed before the snapshots were
// listed.
func mark(ctx context.Context, db *object.DB, snapshots []*history.Snapshot) (*marking, error) {
	m := &marking{db: db, snapshots: snapshots, segments: db.Segments(), sound: db.Sound(), listed: db.Listed()}
	m.set = index.NewSet(m.segments...)
	m.marks, m.bases = m.set.Marks(), m.set.Marks()
	r := db.NewReader()
	get := func(ctx context.Context, d digest.Digest) ([]byte, error) { return r.Get(ctx, d, nil) }
	for _, s := range snapshots {
		err := tree.Walk(ctx, get, s.Root, func(kind tree.Kind, d digest.Digest) (bool, error) { return m.need(d) })
		for i := 0; i < len(s.Changes) && err == nil; i++ {
			var d digest.Digest
			if d, err = digest.Parse(s.Changes[i]); err == nil {
				_, err = m.need(d)
			}
		}
		if err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, fmt.Errorf("%s: %w: %w", Label(s), ErrIncomplete, err)
		}
	}
	return m, m.needBases(ctx, r)
}

// need marks d, which must be in a pack that is there, and reports whether it was not marked before.
func (m *marking) need(d digest.Digest) (fresh bool, err error) {
	found, fresh := m.marks.Add(d)
	if found && !fresh {
		return false, nil
	}
	var buf [8]index.Place
	if !slices.ContainsFunc(m.set.Lookup(d, buf[:0]), func(p index.Place) bool { return m.there(p.Pack) }) {
		return false, fmt.Errorf("%s: %w", d, object.ErrMissing)
	}
	return true, nil
}

func (m *marking) there(id index.PackID) bool { _, ok := m.sound[pack.ID(id)]; return ok }

// needBases marks what the needed deltas are made from. Bases are no deltas themselves.
func (m *marking) needBases(ctx context.Context, r *object.Reader) error {
	deltas := map[pack.ID]map[uint32]bool{} // blocks with needed deltas
	packs := m.packs()
	for row := range m.marks.Rows() {
		if id := packs[row.Segment][row.Pack]; row.Live && row.Flags&index.Delta != 0 && m.there(index.PackID(id)) {
			if deltas[id] == nil {
				deltas[id] = map[uint32]bool{}
			}
			deltas[id][row.Block] = true
		}
	}
	for id, blocks := range deltas {
		dir, err := r.Directory(ctx, id)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrIncomplete, err)
		}
		for n := range blocks {
			if int(n) >= len(dir) {
				return fmt.Errorf("%w: the index says other than %s", ErrIncomplete, packName(id))
			}
			for i := range dir[n].Entries {
				if err := m.needBasesOf(&dir[n].Entries[i]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (m *marking) needBasesOf(e *pack.Entry) error {
	for _, b := range e.Bases {
		m.bases.Add(b)
		// The base of a delta that nothing needs may be gone with the snapshot that had it.
		if _, err := m.need(b); err != nil && !errors.Is(err, object.ErrMissing) {
			return err
		}
	}
	return nil
}

// packs returns the packs of each segment.
func (m *marking) packs() [][]pack.ID {
	out := make([][]pack.ID, len(m.segments))
	for i, s := range m.segments {
		for _, p := range s.Packs() {
			out[i] = append(out[i], pack.ID(p.ID))
		}
	}
	return out
}

// usage is how much of a pack is needed.
type usage struct {
	size       int64
	rows, live int
	meta       bool
}

// usages returns the use of every pack that is there. Of packs that the index does not know, nothing is known.
func (m *marking) usages() map[pack.ID]*usage {
	out := map[pack.ID]*usage{}
	first := map[pack.ID]int{} // the segment whose rows count: several may know a pack
	packs := m.packs()
	for i := range packs {
		for _, id := range packs[i] {
			if size, ok := m.sound[id]; ok && out[id] == nil {
				out[id], first[id] = &usage{size: size}, i
			}
		}
	}
	for row := range m.marks.Rows() {
		id := packs[row.Segment][row.Pack]
		u := out[id]
		if u == nil {
			continue
		}
		u.meta = u.meta || row.Flags&index.Meta != 0
		if first[id] != row.Segment {
			// A segment that was damaged when it was written might know less than another.
			if row.Live && u.live == 0 {
				u.live = 1
			}
			continue
		}
		u.rows++
		if row.Live {
			u.live++
		}
	}
	return out
}

// unmissed returns those packs that the index knows and that are not there of which nothing is missed: what is needed of
// them is elsewhere, metadata twice. Deleted packs are like that which a merge of the index has brought back: whoever
// merges may have been stopped for so long that nobody remembers their collection.
func (m *marking) unmissed() map[pack.ID]bool {
	out := map[pack.ID]bool{}
	packs := m.packs()
	for _, ids := range packs {
		for _, id := range ids {
			if _, there := m.listed[id]; !there {
				out[id] = true
			}
		}
	}
	if len(out) == 0 {
		return out
	}
	var buf [8]index.Place
	for row := range m.marks.Rows() {
		id := packs[row.Segment][row.Pack]
		if !row.Live || !out[id] {
			continue
		}
		elsewhere := map[index.PackID]bool{}
		for _, p := range m.set.Places(row.Prefix, buf[:0]) {
			if m.there(p.Pack) && p.Flags&index.Meta == row.Flags&index.Meta {
				elsewhere[p.Pack] = true
			}
		}
		if len(elsewhere) == 0 || row.Flags&index.Meta != 0 && len(elsewhere) < 2 {
			delete(out, id)
		}
	}
	return out
}

// needed returns the places of a pack's needed objects.
func (m *marking) needed(of map[pack.ID]bool) map[pack.ID]map[[2]uint32]bool {
	out := map[pack.ID]map[[2]uint32]bool{}
	packs := m.packs()
	for row := range m.marks.Rows() {
		id := packs[row.Segment][row.Pack]
		if !row.Live || !of[id] {
			continue
		}
		if out[id] == nil {
			out[id] = map[[2]uint32]bool{}
		}
		out[id][[2]uint32{row.Block, uint32(row.Place)}] = true
	}
	return out
}

// rescue returns those of the packs that hold something needed of which no copy is in a pack that survives: one that
// is there and that no collection condemns.
func (m *marking) rescue(doomed map[pack.ID]bool, condemned map[pack.ID]bool) map[pack.ID]bool {
	out := map[pack.ID]bool{}
	packs := m.packs()
	var buf [8]index.Place
	for row := range m.marks.Rows() {
		id := packs[row.Segment][row.Pack]
		if !row.Live || !doomed[id] || out[id] {
			continue
		}
		// A base is stored whole: only another whole one replaces it.
		whole := row.Flags&index.Delta == 0 && m.bases.Has(row.Prefix)
		survives := func(p index.Place) bool {
			return m.there(p.Pack) && !condemned[pack.ID(p.Pack)] && !doomed[pack.ID(p.Pack)] && (!whole || p.Flags&index.Delta == 0)
		}
		if !slices.ContainsFunc(m.set.Places(row.Prefix, buf[:0]), survives) {
			out[id] = true
		}
	}
	return out
}
