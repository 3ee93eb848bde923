package upkeep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"varve/internal/digest"
	"varve/internal/history"
	"varve/internal/object"
	"varve/internal/pack"
	"varve/internal/seal"
)

// RepairOptions say how to repair. The check comes before it always reads all data.
type RepairOptions struct {
	Options
	Dry bool // find out what could be done and do nothing
	Who object.Who
	// Copy is another copy of the same vault; nil if there is none.
	Copy *object.DB
	// Source reads from the folder of a project what a file of a snapshot has at an offset, if it is there still. It
	// may be nil.
	Source func(s *history.Snapshot, path string, off, n int64) ([]byte, error)
}

// Outcome is what became of a finding; its Repair says what was done, or what is left to do.
type Outcome struct {
	Finding
	Healed bool
}

// RepairReport says what was found and done.
type RepairReport struct {
	Report
	Outcomes    []Outcome
	Stored      int64 // objects stored again
	Quarantined int   // packs
}

// Ok reports whether nothing remains.
func (r *RepairReport) Ok() bool {
	return !slices.ContainsFunc(r.Outcomes, func(o Outcome) bool { return !o.Healed })
}

// way is where an object was had from.
type way int

const (
	byMoving way = iota // it was whole in a damaged pack
	byParity
	byPlace // another pack of the vault
	byCopy  // another copy of the vault
	bySource
	ways
)

func (w way) String() string {
	return [ways]string{"moved", "made good by parity", "taken from another pack", "taken from the other copy of the vault", "taken from the project's folder"}[w]
}

// Repair checks the vault and stores again, in new packs, what is damaged and can be had: by the pack's parity, from
// another pack, from another copy of the vault, from the files of the projects. Damaged packs then go into quarantine,
// so that what could not be had counts as new. It deletes nothing and changes nothing that is there.
func Repair(ctx context.Context, db *object.DB, snapshots []*history.Snapshot, opt RepairOptions) (*RepairReport, error) {
	opt.Data, opt.Budget = true, 0
	for {
		r, err := repair(ctx, db, snapshots, opt)
		if !errors.Is(err, object.ErrFenced) {
			if err != nil {
				err = fmt.Errorf("repair: %w", err)
			}
			return r, err
		}
		// A collection took the session for dead. What it stored may be gone, what it found may be, too.
	}
}

func repair(ctx context.Context, db *object.DB, snapshots []*history.Snapshot, opt RepairOptions) (*RepairReport, error) {
	v, err := check(ctx, db, snapshots, opt.Options)
	if err != nil {
		return nil, err
	}
	h := &healing{v: v, opt: &opt, ctx: ctx, damaged: v.damaged(), made: map[digest.Digest]bool{}, tries: map[digest.Digest]int{},
		lost: map[digest.Digest]string{}, counts: map[string]*[ways]int64{}, said: map[string]string{}}
	if len(v.faults.by) == 0 && len(h.damaged) == 0 {
		return h.report(), nil
	}
	if opt.Dry {
		h.open(ctx)
		if err := h.all(); err != nil {
			return nil, err
		}
		return h.report(), nil
	}
	err = db.Write(ctx, opt.Who, func(ctx context.Context, s *object.Session) error {
		h.s, h.w = s, s.Writer(seal.Fast)
		h.open(ctx)
		if err := errors.Join(h.all(), h.w.Flush()); err != nil {
			return err
		}
		if names := h.segments(); len(names) > 0 {
			if err := s.Reindex(v.unknown, names); err != nil {
				return err
			}
		}
		if err := s.Flush(); err != nil {
			return err
		}
		if err := h.bar(); err != nil {
			return err
		}
		return s.Finish(ctx)
	})
	if err != nil {
		return nil, err
	}
	return h.report(), db.Refresh(ctx)
}

// damaged returns the packs of which something is wrong, as far as that can be judged.
func (v *verification) damaged() map[pack.ID]bool {
	out := map[pack.ID]bool{}
	for id, st := range v.packs {
		if _, found := v.faults.by[packName(id)]; found && !st.unjudged {
			out[id] = true
		}
	}
	return out
}

// healing is one run of a repair.
type healing struct {
	v   *verification
	opt *RepairOptions
	ctx context.Context
	s   *object.Session // nil in a dry run
	w   *object.Writer
	r   *object.Reader
	far *object.Reader // of the other copy
	dec *seal.Decoder

	damaged map[pack.ID]bool
	made    map[digest.Digest]bool   // stored again
	tries   map[digest.Digest]int    // of sources
	lost    map[digest.Digest]string // what cannot be had, and the object to blame
	counts  map[string]*[ways]int64  // by the object to blame
	said    map[string]string        // by the object: what was done
	stored  int64
	barred  int
}

func (h *healing) open(ctx context.Context) {
	h.ctx, h.r, h.dec = ctx, h.v.db.NewReader(), seal.NewDecoder()
	if h.opt.Copy != nil {
		h.far = h.opt.Copy.NewReader()
	}
}

// all does everything but the notes. What a pack still holds comes first, so that deltas find their bases.
func (h *healing) all() error {
	for _, id := range slices.SortedFunc(maps.Keys(h.damaged), func(a, b pack.ID) int { return slices.Compare(a[:], b[:]) }) {
		if err := h.carry(id); err != nil {
			return err
		}
	}
	if err := h.walk(); err != nil {
		return err
	}
	if err := h.spoilt(); err != nil {
		return err
	}
	return h.copies()
}

// sound reports whether an object can be had from a pack that nothing is wrong with.
func (h *healing) sound(d digest.Digest) bool {
	for _, p := range h.v.set.Lookup(d, nil) {
		id := pack.ID(p.Pack)
		if !h.damaged[id] && !h.v.barred[packName(id)] && h.v.fault(&p) == "" {
			return true
		}
	}
	return false
}

// carry stores again what a damaged pack still holds, with the help of its parity, as far as it is nowhere else.
func (h *healing) carry(id pack.ID) error {
	st := h.v.packs[id]
	if st.size < 0 {
		return nil
	}
	p, err := h.v.db.Mend(h.ctx, id)
	if err != nil && h.ctx.Err() == nil {
		p, err = h.plainly(id, st.size)
	}
	if err != nil {
		return h.ctx.Err() // nothing of it can be had; what is needed of it is found by the walk
	}
	for i := range p.Blocks {
		if err := h.ctx.Err(); err != nil {
			return err
		}
		b := &p.Blocks[i]
		if !slices.ContainsFunc(b.Entries, func(e pack.Entry) bool { return !h.sound(e.Digest) }) {
			continue
		}
		how := byMoving
		if st.bad || st.blocks[uint32(i)] {
			how = byParity
		}
		if err := h.block(id, p, i, how); err != nil {
			return err
		}
	}
	return nil
}

// plainly opens a pack as it is.
func (h *healing) plainly(id pack.ID, size int64) (*pack.Reader, error) {
	read := func(ctx context.Context, off, n int64, dst []byte) ([]byte, error) {
		return h.v.db.Store().Get(ctx, packName(id), off, n, dst)
	}
	p, err := pack.Open(h.ctx, h.v.db.Keys(), read, size)
	if err == nil && p.Header.ID != id {
		err = pack.ErrDamaged
	}
	return p, err
}

// block carries a block over as it is if all of it is right, and otherwise those of its entries that can be had.
func (h *healing) block(id pack.ID, p *pack.Reader, n int, how way) error {
	b := &p.Blocks[n]
	right := make([]bool, len(b.Entries))
	whole := true
	stored, err := p.Span(h.ctx, nil, n, n)
	var raw []byte
	if err == nil {
		raw, err = h.dec.Block(nil, b.Codec, stored, int(b.Raw))
	}
	for i := range b.Entries {
		if err == nil {
			_, perr := h.r.Plain(h.ctx, &b.Entries[i], raw, nil)
			right[i] = perr == nil
		}
		whole = whole && right[i]
	}
	if whole {
		for i := range b.Entries {
			h.count(packName(id), b.Entries[i].Digest, how)
		}
		if h.s != nil {
			return h.s.Carry(p.Header.Kind, b, stored)
		}
		return nil
	}
	for i := range b.Entries {
		e := &b.Entries[i]
		if h.sound(e.Digest) {
			continue
		}
		from := how
		var plain []byte
		if right[i] {
			plain, err = h.r.Plain(h.ctx, e, raw, nil)
		} else {
			from = byPlace
			plain, err = h.r.Get(h.ctx, e.Digest, nil)
		}
		if err != nil {
			continue
		}
		if err := h.store(packName(id), p.Header.Kind, e.Digest, plain, from); err != nil {
			return err
		}
	}
	return h.ctx.Err()
}

// count notes that an object was had.
func (h *healing) count(blame string, d digest.Digest, how way) {
	if h.made[d] {
		return
	}
	h.made[d] = true
	h.stored++
	if h.counts[blame] == nil {
		h.counts[blame] = new([ways]int64)
	}
	h.counts[blame][how]++
}

// store stores an object whole.
func (h *healing) store(blame string, kind pack.Kind, d digest.Digest, plain []byte, how way) error {
	if h.made[d] {
		return nil
	}
	h.count(blame, d, how)
	if h.s == nil {
		return nil
	}
	stream := object.Content
	if kind == pack.Meta {
		stream = object.Pages
	}
	return h.w.Store(stream, d, plain)
}

// spoilt puts packs aside in which a delta is all that is left of an object, and its base is lost: while it may be
// shared with, the object would not count as new.
func (h *healing) spoilt() error {
	more := map[pack.ID]bool{}
	for d, blame := range h.lost {
		if h.unjudged(blame) {
			continue // it may be there after all
		}
		for _, p := range h.v.set.Lookup(d, nil) {
			id := pack.ID(p.Pack)
			if st := h.v.packs[id]; st != nil && !st.unjudged && !h.damaged[id] && !h.v.barred[packName(id)] {
				more[id] = true
			}
		}
	}
	for id := range more {
		h.damaged[id] = true
	}
	for id := range more {
		if err := h.carry(id); err != nil {
			return err
		}
	}
	return nil
}

// unjudged reports whether the object of a name is a pack of which nothing is known.
func (h *healing) unjudged(name string) bool {
	id, ok := parsePackName(name)
	return ok && h.v.packs[id] != nil && h.v.packs[id].unjudged
}

// bar puts the damaged packs into quarantine. What could be had of them is durable by now.
func (h *healing) bar() error {
	for id := range h.damaged {
		name := packName(id)
		if h.v.barred[name] {
			continue
		}
		why := "it holds deltas whose bases are lost"
		if d := h.v.faults.by[name]; d != nil {
			why = d.Detail
		}
		if err := h.v.db.Quarantine(h.ctx, id, why); err != nil {
			return err
		}
		h.barred++
	}
	return h.v.db.Store().Barrier(h.ctx)
}

// segments returns the index segments that the session's own stands for.
func (h *healing) segments() (out []string) {
	for name := range h.v.faults.by {
		if strings.HasPrefix(name, "index/") {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
