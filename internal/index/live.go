package index

import (
	"encoding/binary"
	"iter"
	"math/bits"
	"sync"
	"sync/atomic"

	"varve/internal/digest"
)

const liveShards = 256

// Live knows which objects the running session is storing or has stored, by the prefixes of their digests. It
// takes at most 40 bytes an object once there are many, and is safe for concurrent use.
//
// An object is claimed by whoever will store it, and set once its place is known. Who loses a claim relies on the
// winner, so a session may commit only what it referred to while Pending is zero and nothing was forgotten that it
// did not claim again.
type Live struct {
	shards  [liveShards]liveShard
	pending atomic.Int64

	packsMu sync.RWMutex
	packs   []PackID
	numbers map[PackID]uint32
}

// A liveShard is a hash table with linear probing in which no entry is nearer to its home than one that would
// like to take its slot (Robin Hood hashing), so that searches stay short in a table nine tenths full.
type liveShard struct {
	mu    sync.Mutex
	n     int
	slots []liveSlot
	_     [24]byte // a cache line each
}

type liveState uint8

const (
	liveEmpty liveState = iota
	liveClaimed
	liveSet
)

// A liveSlot takes 28 bytes.
type liveSlot struct {
	prefix Prefix
	pack   uint32 // number in packs
	block  uint32
	place  uint16
	flags  Flags
	state  liveState
}

// NewLive returns an empty Live.
func NewLive() *Live { return &Live{numbers: make(map[PackID]uint32)} }

// Claim says whether the caller is the first to ask for d since it was last forgotten, and so has to store it.
func (l *Live) Claim(d digest.Digest) (first bool) {
	p := PrefixOf(d)
	s, h := l.shard(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.find(p, h) >= 0 {
		return false
	}
	s.insert(liveSlot{prefix: p, state: liveClaimed}, h)
	l.pending.Add(1)
	return true
}

// Set notes where d is, claimed or not. The last place set is the one kept.
func (l *Live) Set(d digest.Digest, at Place) {
	p := PrefixOf(d)
	e := liveSlot{p, l.packNumber(at.Pack), at.Block, at.Place, at.Flags, liveSet}
	s, h := l.shard(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(p, h)
	if i < 0 {
		s.insert(e, h)
		return
	}
	if s.slots[i].state == liveClaimed {
		l.pending.Add(-1)
	}
	s.slots[i] = e
}

// Get returns where d is, if that has been set.
func (l *Live) Get(d digest.Digest) (Place, bool) {
	p := PrefixOf(d)
	s, h := l.shard(p)
	s.mu.Lock()
	i := s.find(p, h)
	if i < 0 || s.slots[i].state != liveSet {
		s.mu.Unlock()
		return Place{}, false
	}
	e := s.slots[i]
	s.mu.Unlock()
	return l.placeOf(&e), true
}

// Forget takes back the claim or the place of d, whose storing failed, so that the next Claim wins.
func (l *Live) Forget(d digest.Digest) {
	p := PrefixOf(d)
	s, h := l.shard(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	i := s.find(p, h)
	if i < 0 {
		return
	}
	if s.slots[i].state == liveClaimed {
		l.pending.Add(-1)
	}
	s.remove(i)
}

// Len is the number of objects claimed or set.
func (l *Live) Len() int {
	n := 0
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		n += s.n
		s.mu.Unlock()
	}
	return n
}

// Pending is the number of objects claimed and not yet set.
func (l *Live) Pending() int { return int(l.pending.Load()) }

// Range iterates over the objects that are set, in no order. The loop's body may use l; what it changes may or may
// not be seen.
func (l *Live) Range() iter.Seq2[Prefix, Place] {
	return func(yield func(Prefix, Place) bool) {
		var slots []liveSlot
		for i := range l.shards {
			s := &l.shards[i]
			s.mu.Lock()
			slots = append(slots[:0], s.slots...)
			s.mu.Unlock()
			for j := range slots {
				if e := &slots[j]; e.state == liveSet && !yield(e.prefix, l.placeOf(e)) {
					return
				}
			}
		}
	}
}

func (l *Live) packNumber(id PackID) uint32 {
	l.packsMu.RLock()
	n, ok := l.numbers[id]
	l.packsMu.RUnlock()
	if ok {
		return n
	}
	l.packsMu.Lock()
	defer l.packsMu.Unlock()
	if n, ok := l.numbers[id]; ok {
		return n
	}
	n = uint32(len(l.packs))
	l.packs = append(l.packs, id)
	l.numbers[id] = n
	return n
}

func (l *Live) placeOf(e *liveSlot) Place {
	l.packsMu.RLock()
	defer l.packsMu.RUnlock()
	return Place{Pack: l.packs[e.pack], Block: e.block, Place: e.place, Flags: e.flags}
}

// hashOf spreads prefixes that are not spread evenly. Its top 8 bits choose the shard.
func hashOf(p *Prefix) uint64 {
	h := binary.LittleEndian.Uint64(p[:]) ^ bits.RotateLeft64(binary.LittleEndian.Uint64(p[8:])*0x9e3779b97f4a7c15, 32)
	h = (h ^ h>>32) * 0xff51afd7ed558ccd
	h = (h ^ h>>32) * 0xc4ceb9fe1a85ec53
	return h ^ h>>32
}

func (l *Live) shard(p Prefix) (*liveShard, uint64) {
	h := hashOf(&p)
	return &l.shards[h>>56], h
}

// home is the slot where an entry of hash h would like to be.
func (s *liveShard) home(h uint64) int {
	i, _ := bits.Mul64(h<<8, uint64(len(s.slots)))
	return int(i)
}

// away is how far the entry in slot i is from its home.
func (s *liveShard) away(i int) int {
	d := i - s.home(hashOf(&s.slots[i].prefix))
	if d < 0 {
		d += len(s.slots)
	}
	return d
}

func (s *liveShard) after(i int) int {
	if i++; i == len(s.slots) {
		return 0
	}
	return i
}

// find returns the slot of p, or -1.
func (s *liveShard) find(p Prefix, h uint64) int {
	if len(s.slots) == 0 {
		return -1
	}
	i := s.home(h)
	for d := 0; s.slots[i].state != liveEmpty; d++ {
		if s.slots[i].prefix == p {
			return i
		}
		if s.away(i) < d {
			return -1
		}
		i = s.after(i)
	}
	return -1
}

// insert adds an entry that is not there. Growing by a quarter at nine tenths keeps at least 0.72 of the slots in use.
func (s *liveShard) insert(e liveSlot, h uint64) {
	if 10*(s.n+1) > 9*len(s.slots) {
		old := s.slots
		s.slots = make([]liveSlot, len(old)+len(old)/4+4)
		for i := range old {
			if old[i].state != liveEmpty {
				s.put(old[i], hashOf(&old[i].prefix))
			}
		}
	}
	s.put(e, h)
	s.n++
}

// put places an entry in a table with room for it.
func (s *liveShard) put(e liveSlot, h uint64) {
	i := s.home(h)
	for d := 0; s.slots[i].state != liveEmpty; d++ {
		if theirs := s.away(i); theirs < d {
			s.slots[i], e = e, s.slots[i]
			d = theirs
		}
		i = s.after(i)
	}
	s.slots[i] = e
}

// remove empties slot i and moves up the entries that were pushed past it.
func (s *liveShard) remove(i int) {
	for {
		next := s.after(i)
		if s.slots[next].state == liveEmpty || s.away(next) == 0 {
			break
		}
		s.slots[i] = s.slots[next]
		i = next
	}
	s.slots[i] = liveSlot{}
	s.n--
}

// Claimed says whether d was claimed or set.
func (l *Live) Claimed(d digest.Digest) bool {
	p := PrefixOf(d)
	s, h := l.shard(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.find(p, h) >= 0
}
