package upkeep

import (
	"fmt"
	"slices"

	"varve/internal/digest"
	"varve/internal/index"
	"varve/internal/object"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/store"
)

const (
	window      = 2 << 20  // sealed bytes read at once: few calls, and still in the cache when they are opened
	pendingMax  = 32 << 20 // payloads of deltas that wait for their bases
	baseBytes   = 64 << 20 // bases kept, per goroutine
	maxDetailed = 8        // blocks named in a finding
)

// reading is what reading packs through needs.
type reading struct {
	hash   *digest.Hasher
	dec    *seal.Decoder
	get    *object.Reader
	sealed []byte
	plain  []byte // of the stream, from offset at on
	at     int64
	raw    []byte
	made   []byte // from a delta

	bases   map[digest.Digest][]byte // verified in this run
	order   []digest.Digest          // of bases, oldest first
	held    int
	absent  map[digest.Digest]bool // bases that could not be got
	pending []delta
	waiting int // bytes of pending
}

// delta is a window delta that waits for the end of its pack.
type delta struct {
	entry   *pack.Entry
	block   uint32
	place   uint16
	payload []byte
	first   object.Location // of the first base
}

func (x *reading) init(v *verification) {
	x.hash, x.dec, x.get = digest.NewHasher(v.db.Keys().ID), seal.NewDecoder(), v.db.NewReader()
	x.bases, x.absent = map[digest.Digest][]byte{}, map[digest.Digest]bool{}
}

// passage is the reading of one pack.
type passage struct {
	p       *pack.Reader
	check   *pack.Check // of its parity; nil without
	pieces  bool        // a window could not be read or opened at once
	stream  *seal.Stream
	st      *packState
	wanted  map[digest.Digest]bool // bases of the pack's own deltas
	next    int                    // block
	objects int64
	bytes   int64
	why     []string        // what was wrong
	holes   []hole          // ranges of the stream that did not open
	broken  map[uint64]bool // entries, by block<<16 | place, that are not what their digest says
}

type hole struct{ from, to int64 }

// through reads the whole pack once, in order: every segment is opened, every block decoded, every digest
// checked. What is wrong with a part of it is noted and the rest goes on.
func (x *examiner) through(id pack.ID, st *packState, p *pack.Reader, file store.Reader) error {
	head, err := readAt(file, 0, pack.HeaderSize, nil)
	if err != nil {
		return err
	}
	h := &p.Header
	s := &passage{p: p, st: st, stream: x.v.db.Keys().Stream(h.Salt, h.Segment, p.Header.Bytes()), wanted: wantedBy(p), bytes: pack.HeaderSize, check: p.Check()}
	if s.check != nil {
		s.check.Write(head)
	}
	x.plain, x.at = x.plain[:0], 0
	size := s.stream.SegmentSize()
	total := s.stream.Segments(h.Plain)
	step := uint32(max(window/size, 1))
	for n := uint32(0); n < total; n += min(step, total-n) {
		if err := x.ctx.Err(); err != nil {
			return err
		}
		from := int64(n) << h.Segment
		to := min(from+int64(step)<<h.Segment, h.Plain)
		x.open(s, file, n, total, from, to)
		if s.check != nil && !s.pieces {
			s.check.Write(x.sealed)
		}
		x.blocks(s)
	}
	x.deltas(s)
	x.parity(s, file)
	x.v.settle(id, s)
	return nil
}

// parity checks what follows the stream: there is nothing else in the file.
func (x *examiner) parity(s *passage, file store.Reader) {
	if s.check == nil {
		return
	}
	off, n := s.check.Rest()
	var err error
	if x.sealed, err = readAt(file, off, n, x.sealed[:0]); err == nil {
		s.bytes += n
		err = s.check.Done(x.sealed)
	}
	if err != nil {
		s.why = append(s.why, "parity: "+err.Error())
	}
}

// wantedBy returns the bases of the deltas of a pack.
func wantedBy(p *pack.Reader) map[digest.Digest]bool {
	var out map[digest.Digest]bool
	for b := range p.Blocks {
		for i := range p.Blocks[b].Entries {
			for _, d := range p.Blocks[b].Entries[i].Bases {
				if out == nil {
					out = map[digest.Digest]bool{}
				}
				out[d] = true
			}
		}
	}
	return out
}

// open appends bytes from to to of the stream to x.plain, the first of them in segment n. Where a segment
// cannot be read or opened there are zeros, and a hole is noted.
func (x *examiner) open(s *passage, file store.Reader, n, total uint32, from, to int64) {
	first, at, length := s.stream.Range(from, to-from, s.p.Header.Plain)
	if to == from { // an empty stream has one empty segment
		first, at, length = 0, 0, s.stream.SealedLen(0)
	}
	var err error
	if x.sealed, err = readAt(file, pack.HeaderSize+at, length, x.sealed[:0]); err == nil {
		var out []byte
		if out, err = s.stream.OpenSegments(x.plain, x.sealed, first, total); err == nil {
			x.plain, s.bytes = out, s.bytes+length
			return
		}
	}
	s.pieces = true
	size := int64(s.stream.SegmentSize())
	if to-from <= size {
		s.holes = append(s.holes, hole{from, to})
		s.why = append(s.why, fmt.Sprintf("segment %d: %v", n, err))
		x.plain = append(x.plain, make([]byte, to-from)...)
		return
	}
	for ; from < to; from += size {
		x.open(s, file, n, total, from, min(from+size, to))
		n++
	}
}

// blocks checks the blocks that are whole in x.plain and drops them from it.
func (x *examiner) blocks(s *passage) {
	end := x.at + int64(len(x.plain))
	for s.next < len(s.p.Blocks) {
		b := &s.p.Blocks[s.next]
		if b.Off+int64(b.Stored) > end {
			break
		}
		x.block(s, uint32(s.next), b, x.plain[b.Off-x.at:b.Off-x.at+int64(b.Stored)])
		s.next++
	}
	keep := end
	if s.next < len(s.p.Blocks) {
		keep = s.p.Blocks[s.next].Off
	}
	x.plain = append(x.plain[:0], x.plain[keep-x.at:]...)
	x.at = keep
}

// block checks one block.
func (x *examiner) block(s *passage, n uint32, b *pack.Block, stored []byte) {
	for _, h := range s.holes {
		if b.Off < h.to && h.from < b.Off+int64(b.Stored) {
			s.lose(n, "")
			return
		}
	}
	raw := stored
	if b.Codec != seal.Raw || len(stored) != int(b.Raw) {
		var err error
		if raw, err = x.dec.Block(x.raw[:0], b.Codec, stored, int(b.Raw)); err != nil {
			s.lose(n, err.Error())
			return
		}
		x.raw = raw
	}
	for i := range b.Entries {
		e := &b.Entries[i]
		bytes := raw[e.Off : e.Off+e.Len]
		if len(e.Bases) > 0 {
			x.wait(s, delta{entry: e, block: n, place: uint16(i), payload: bytes})
			continue
		}
		if x.hash.Sum(bytes) != e.Digest {
			s.spoil(n, uint16(i), e.Digest)
			continue
		}
		s.objects++
		if s.wanted[e.Digest] {
			x.keep(e.Digest, slices.Clone(bytes))
		}
	}
}

// lose notes that nothing of a block can be had.
func (s *passage) lose(block uint32, why string) {
	if s.st.blocks == nil {
		s.st.blocks = map[uint32]bool{}
	}
	s.st.blocks[block] = true
	if why != "" {
		s.why = append(s.why, fmt.Sprintf("block %d: %s", block, why))
	}
}

// spoil notes that an entry is not what its digest says.
func (s *passage) spoil(block uint32, place uint16, d digest.Digest) {
	if s.broken == nil {
		s.broken = map[uint64]bool{}
	}
	s.broken[uint64(block)<<16|uint64(place)] = true
	s.why = append(s.why, fmt.Sprintf("block %d: digest of %s", block, d))
}

// keep holds on to a verified base; the oldest goes when there are too many.
func (x *reading) keep(d digest.Digest, b []byte) {
	if _, ok := x.bases[d]; ok {
		return
	}
	x.bases[d] = b
	x.order = append(x.order, d)
	for x.held += len(b); x.held > baseBytes && len(x.order) > 1; x.order = x.order[1:] {
		x.held -= len(x.bases[x.order[0]])
		delete(x.bases, x.order[0])
	}
}

// wait puts a delta off until its bases may have come by.
func (x *examiner) wait(s *passage, d delta) {
	d.payload = slices.Clone(d.payload)
	if l, err := x.v.db.Locate(x.ctx, d.entry.Bases[0]); err == nil {
		d.first = l
	}
	x.pending = append(x.pending, d)
	if x.waiting += len(d.payload); x.waiting > pendingMax {
		x.deltas(s)
	}
}

// deltas makes what the pending deltas describe, in the order of where their bases lie. A delta whose base
// cannot be had is left to checkBases: the damage is the base's.
func (x *examiner) deltas(s *passage) {
	slices.SortStableFunc(x.pending, func(a, b delta) int { return a.first.Compare(b.first) })
	for i := range x.pending {
		d := &x.pending[i]
		if x.remade(d) {
			s.objects++
			continue
		}
		bases, ok := x.basesOf(d.entry)
		if !ok {
			continue
		}
		var err error
		x.made, err = d.entry.Remake(x.made[:0], d.payload, bases)
		if err != nil || x.hash.Sum(x.made) != d.entry.Digest {
			s.spoil(d.block, d.place, d.entry.Digest)
			continue
		}
		s.objects++
	}
	clear(x.pending)
	x.pending, x.waiting = x.pending[:0], 0
}

// remade reports whether a difference is right by a base that no one keeps. Where not, who is to blame is
// for basesOf to find out.
func (x *examiner) remade(d *delta) bool {
	if _, ok := x.bases[d.entry.Bases[0]]; ok {
		return false
	}
	out, ok := x.get.Remake(x.ctx, d.entry, d.payload, x.made[:0])
	x.made = out[:0]
	return ok
}

func (x *examiner) basesOf(e *pack.Entry) ([][]byte, bool) {
	out := make([][]byte, 0, len(e.Bases))
	for _, d := range e.Bases {
		b, ok := x.bases[d]
		if !ok {
			if x.absent[d] {
				return nil, false
			}
			var err error
			if b, err = x.get.Get(x.ctx, d, nil); err != nil {
				x.absent[d] = true
				return nil, false
			}
			x.keep(d, b)
		}
		out = append(out, b)
	}
	return out, true
}

// settle adds what the reading of a pack has found.
func (v *verification) settle(id pack.ID, s *passage) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.objects += s.objects
	v.bytes += s.bytes
	for k := range s.broken {
		b, place := uint32(k>>16), uint16(k)
		at := index.Place{Pack: index.PackID(id), Block: b, Place: place, Flags: flagsOf(s.p.Header.Kind, &s.p.Blocks[b].Entries[place])}
		v.blame[at] = packName(id)
	}
	if len(s.why) == 0 && !s.p.Tail {
		v.read = append(v.read, id)
	}
	for i, why := range s.why {
		if i == maxDetailed {
			v.faults.add(Damaged, packName(id), fmt.Sprintf("and %d more", len(s.why)-i), repairPack)
			break
		}
		v.faults.add(Damaged, packName(id), why, repairPack)
	}
}
