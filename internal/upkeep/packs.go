package upkeep

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"varve/internal/index"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/store"
)

// segment is an index segment that is whole.
type segment struct {
	name string
	*index.Segment
	rows map[pack.ID]int // rows by pack
}

// checkIndex reads every index segment. One that is damaged is a finding and takes no further part, as when
// the vault is read; one that another stands for takes no part at all.
func (v *verification) checkIndex() error {
	v.segNames = map[string]bool{}
	broken := map[string]error{}
	for o, err := range v.db.Store().List(v.ctx, "index/") {
		if err != nil {
			return fmt.Errorf("list index: %w", err)
		}
		v.segNames[o.Name] = true
		sealed, ok, err := v.get(o.Name)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		s, err := v.openSegment(o.Name, sealed)
		if err != nil {
			broken[o.Name] = err
			continue
		}
		v.segments = append(v.segments, s)
	}
	replaced := map[string]bool{}
	for _, s := range v.segments {
		for _, id := range s.Replaces() {
			replaced["index/"+hex.EncodeToString(id[:])] = true
		}
	}
	v.segments = slices.DeleteFunc(v.segments, func(s *segment) bool { return replaced[s.name] })
	for name, err := range broken {
		if !replaced[name] {
			v.finding(Damaged, name, err.Error(), repairIndex)
		}
	}
	return nil
}

func (v *verification) openSegment(name string, sealed []byte) (*segment, error) {
	b, err := v.db.Keys().Open(nil, seal.Index, []byte(strings.TrimPrefix(name, "index/")), sealed, maxList)
	if err != nil {
		return nil, err
	}
	s, err := index.Open(b)
	if err != nil {
		return nil, err
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	counts := make([]int, len(s.Packs()))
	for r := range s.Rows() {
		counts[r.Pack]++
	}
	out := &segment{name: name, Segment: s, rows: map[pack.ID]int{}}
	for i, p := range s.Packs() {
		out.rows[pack.ID(p.ID)] += counts[i]
	}
	return out, nil
}

// maxPack bounds a pack with its parity, in bytes.
const maxPack = 2 * pack.MaxFile

// listPacks compares the packs that are there with those that the index knows.
func (v *verification) listPacks() error {
	v.listed, v.packs, v.extra = map[string]int64{}, map[pack.ID]*packState{}, new(index.Writer)
	// A pack that a collection has deleted may be in the index yet: who needs one of its objects will tell.
	deleted, _, _ := v.db.Condemned(v.ctx) // lists that are not whole are findings of their own
	for o, err := range v.db.Store().List(v.ctx, "packs/") {
		if err != nil {
			return fmt.Errorf("list packs: %w", err)
		}
		v.listed[o.Name] = o.Size
		if id, ok := parsePackName(o.Name); ok {
			v.packs[id] = &packState{size: o.Size}
			v.allBytes += o.Size
		}
	}
	for _, s := range v.segments {
		for _, p := range s.Packs() {
			id := pack.ID(p.ID)
			st := v.packs[id]
			switch {
			case p.Size <= 0 || p.Size > maxPack:
				v.finding(Damaged, s.name, fmt.Sprintf("it speaks of a pack of %d bytes", p.Size), repairIndex)
			case st == nil:
				v.packs[id] = &packState{size: -1}
				if deleted[id] {
					continue
				}
				v.absent = append(v.absent, id)
				v.finding(Missing, packName(id), "the index knows it and it is not there", repairPack)
			case st.size >= 0 && st.size != p.Size:
				v.finding(Damaged, packName(id), fmt.Sprintf("%d bytes instead of %d", st.size, p.Size), repairPack)
			}
		}
	}
	return nil
}

func parsePackName(name string) (id pack.ID, ok bool) {
	hexed := name[strings.LastIndexByte(name, '/')+1:]
	if len(hexed) != 2*len(id) || name != "packs/"+hexed[:2]+"/"+hexed {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(hexed))
	return id, err == nil
}

// readPacks examines all packs that are there, Options.Workers at a time.
func (v *verification) readPacks() error {
	var ids []pack.ID
	for id, st := range v.packs {
		switch rows, known := v.rowsOf(id); {
		case st.size < 0:
		case known && v.opt.Structure:
			v.objects += rows
		default:
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b pack.ID) int {
		return cmp.Or(v.opt.Last[a].Compare(v.opt.Last[b]), slices.Compare(a[:], b[:]))
	})
	v.deltas, v.blame = map[pack.ID][]deltaRef{}, map[index.Place]string{}
	queue := make(chan pack.ID)
	ctx, cancel := context.WithCancelCause(v.ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	for range min(v.opt.Workers, max(len(ids), 1)) {
		wg.Go(func() {
			x := newExaminer(ctx, v)
			for id := range queue {
				if err := x.examine(id); err != nil {
					cancel(err)
				}
			}
		})
	}
	for _, id := range ids {
		select {
		case queue <- id:
		case <-ctx.Done():
		}
	}
	close(queue)
	wg.Wait()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return v.makeSet()
}

// rowsOf returns how many rows the index has of a pack, and whether it knows it.
func (v *verification) rowsOf(id pack.ID) (rows int64, known bool) {
	for _, s := range v.segments {
		if n, ok := s.rows[id]; ok {
			return int64(n), true
		}
	}
	return 0, false
}

// makeSet puts together what is known of places: the segments, and the directories of packs in none.
func (v *verification) makeSet() error {
	var all []*index.Segment
	for _, s := range v.segments {
		all = append(all, s.Segment)
	}
	if v.extra.Len() > 0 {
		s, err := index.Open(v.extra.Encode())
		if err != nil {
			return fmt.Errorf("index packs: %w", err)
		}
		all, v.unknown = append(all, s), s
	}
	v.set = index.NewSet(all...)
	return nil
}

// spent reports whether the budget is.
func (v *verification) spent() bool {
	return v.opt.Budget > 0 && v.opt.Now().Sub(v.began) >= v.opt.Budget
}

// An examiner reads packs. It belongs to one goroutine.
type examiner struct {
	v   *verification
	ctx context.Context
	reading
}

func newExaminer(ctx context.Context, v *verification) *examiner {
	x := &examiner{v: v, ctx: ctx}
	if v.opt.Data {
		x.reading.init(v)
	}
	return x
}

// examine checks one pack. Its error is one of the check, not of the pack.
func (x *examiner) examine(id pack.ID) error {
	v := x.v
	st := v.packs[id]
	file, err := store.Open(x.ctx, v.db.Store(), packName(id))
	if err == nil {
		defer file.Close()
		err = x.inspect(id, st, file)
	}
	if x.ctx.Err() != nil {
		return context.Cause(x.ctx)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err != nil {
		st.bad, st.unjudged = true, errors.Is(err, errors.ErrUnsupported) || passing(err)
		kind := Damaged
		if absent(err) {
			kind = Missing
		} else if !errors.Is(err, pack.ErrDamaged) && !errors.Is(err, errors.ErrUnsupported) {
			// The medium may be failing: what cannot be read is lost as much as what is wrong.
			err = fmt.Errorf("read: %w", err)
		}
		v.faults.add(kind, packName(id), err.Error(), repairPack)
	}
	v.done++
	if v.opt.Progress != nil {
		v.opt.Progress(Progress{Packs: v.done, AllPacks: len(v.packs), Bytes: v.bytes, AllBytes: v.allBytes})
	}
	return nil
}

// passing reports whether an error says nothing of the object: another user, or another time, might read it.
func passing(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, fs.ErrPermission) || errors.As(err, &t) && t.Timeout()
}

// inspect opens the pack, compares it with the index, and reads it through. Its error condemns the pack.
func (x *examiner) inspect(id pack.ID, st *packState, file store.Reader) error {
	v := x.v
	read := func(_ context.Context, off, n int64, dst []byte) ([]byte, error) { return readAt(file, off, n, dst) }
	p, err := pack.Open(x.ctx, v.db.Keys(), read, st.size)
	if err != nil {
		return err
	}
	if p.Header.ID != id {
		return fmt.Errorf("%w: it is pack %s", pack.ErrDamaged, p.Header.ID)
	}
	if p.Tail {
		v.finding(Damaged, packName(id), "header; its copy serves", repairPack)
	}
	n := v.compare(id, st, p)
	data := v.opt.Data
	if data && v.spent() {
		data = false
		v.mu.Lock()
		v.complete = false
		v.mu.Unlock()
	}
	if !data {
		v.mu.Lock()
		v.objects += n
		v.bytes += pack.HeaderSize + p.Header.Directory
		v.mu.Unlock()
		return nil
	}
	return x.through(id, st, p, file)
}

func readAt(file store.Reader, off, n int64, dst []byte) ([]byte, error) {
	start := len(dst)
	dst = slices.Grow(dst, int(n))[:start+int(n)]
	if m, err := file.ReadAt(dst[start:], off); int64(m) < n {
		return dst[:start], fmt.Errorf("%w: %d bytes at %d: %w", pack.ErrDamaged, n, off, err)
	}
	return dst, nil
}

// compare checks that each segment which knows the pack says of it what its directory does, and takes the
// directory for the index if none does. It returns the number of entries.
func (v *verification) compare(id pack.ID, st *packState, p *pack.Reader) (n int64) {
	var knowing []*segment
	for _, s := range v.segments {
		if _, ok := s.rows[id]; ok {
			knowing = append(knowing, s)
		}
	}
	var deltas []deltaRef
	wrong := map[*segment]bool{}
	var buf [4]index.Place
	for b := range p.Blocks {
		for i := range p.Blocks[b].Entries {
			e := &p.Blocks[b].Entries[i]
			n++
			at := index.Place{Pack: index.PackID(id), Block: uint32(b), Place: uint16(i), Flags: flagsOf(p.Header.Kind, e)}
			if len(e.Bases) > 0 {
				deltas = append(deltas, deltaRef{at, e.Bases})
			}
			for _, s := range knowing {
				if !slices.Contains(s.Lookup(index.PrefixOf(e.Digest), buf[:0]), at) {
					wrong[s] = true
				}
			}
		}
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	sound := 0
	for _, s := range knowing {
		if wrong[s] || int64(s.rows[id]) != n {
			v.faults.add(Disagrees, s.name, "it says other than the directory of "+packName(id), repairIndex)
			continue
		}
		sound++
	}
	if sound == 0 {
		v.addRows(id, st.size, p)
	}
	if len(deltas) > 0 {
		v.deltas[id] = deltas
	}
	return n
}

func flagsOf(kind pack.Kind, e *pack.Entry) (f index.Flags) {
	if len(e.Bases) > 0 {
		f |= index.Delta
	}
	if kind == pack.Meta {
		f |= index.Meta
	}
	return f
}

func (v *verification) addRows(id pack.ID, size int64, p *pack.Reader) {
	n := v.extra.AddPack(index.PackInfo{ID: index.PackID(id), Size: size})
	for b := range p.Blocks {
		for i := range p.Blocks[b].Entries {
			e := &p.Blocks[b].Entries[i]
			v.extra.Add(e.Digest, n, uint32(b), uint16(i), flagsOf(p.Header.Kind, e))
		}
	}
}

// checkBases finds the deltas that cannot be made because a base of theirs cannot be had whole. That is a
// finding once a snapshot needs one: a session that ended without a commit may leave such.
func (v *verification) checkBases() error {
	for _, refs := range v.deltas {
		for i := range refs {
			for _, d := range refs[i].bases {
				if blame, ok := v.lookup(d, true); !ok && v.blame[refs[i].place] == "" {
					v.blame[refs[i].place] = blame
				}
			}
		}
	}
	v.deltas = nil
	return nil
}
