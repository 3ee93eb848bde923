package seal

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

const (
	// MaxBases is how many bases one delta may copy from.
	MaxBases = 4
	// MaxWindow is how many bytes of bases a Window holds.
	MaxWindow = 256 << 20

	windowEvery    = 16       // every how many base bytes a word is indexed
	windowMinNew   = 24       // shorter copies on a new alignment cost more than they save
	windowGiveUp   = 32 << 10 // literals at the start of a target after which nothing is expected
	windowSkipLog  = 10       // after each 1 KiB without a match the step grows by 2
	windowStepMax  = 7        // odd, so that every alignment modulo windowEvery is met
	windowTableMin = 1 << 8
)

// Window codes chunks as copies from base chunks. The zero value is an empty window. It keeps its memory
// between uses and is not safe for concurrent use.
type Window struct {
	data    []byte // the bases end to end
	starts  []int  // where each base starts in data, and len(data)
	table   []uint32
	shift   uint // 64 − log2(len(table))
	indexed int  // how many bases the table knows

	ops  []windowOp
	back []byte
	// decode is what verification calls: Apply if nil.
	decode func(dst, payload []byte, bases [][]byte, plainLen int) ([]byte, error)
}

// windowOp is insert literals and then a copy; the last one of a target copies nothing.
type windowOp struct {
	insert, from, length int // from is an offset in data
	base                 int
}

// Reset forgets all bases.
func (w *Window) Reset() {
	w.data, w.starts, w.indexed = w.data[:0], w.starts[:0], 0
}

// Add copies base into the window as the next number, from 0. It reports false, and adds nothing, when
// the window would hold more than MaxWindow bytes.
func (w *Window) Add(base []byte) bool {
	if len(base) > MaxWindow-len(w.data) {
		return false
	}
	if len(w.starts) == 0 {
		w.starts = append(w.starts, 0)
	}
	w.data = append(w.data, base...)
	w.starts = append(w.starts, len(w.data))
	return true
}

// Len returns how many bases the window holds.
func (w *Window) Len() int { return max(len(w.starts)-1, 0) }

// base returns the bytes of base i.
func (w *Window) base(i int) []byte { return w.data[w.starts[i]:w.starts[i+1]] }

// Encode appends to dst the payload that makes target out of bases, and returns it with the numbers of those
// bases in order of first use, at most MaxBases: Apply wants exactly these, in this order. ok is false, and
// dst returned as it was, when nothing is gained: target shares too little with the bases, or the payload would
// be longer than limit bytes. A payload that is returned has been applied and compared.
func (w *Window) Encode(dst, target []byte, limit int) (payload []byte, used []int, ok bool) {
	if w.Len() == 0 || len(target) < windowMinNew || len(target) > MaxBlock || limit <= 0 {
		return dst, nil, false
	}
	w.index()
	if !w.match(target, limit, nil) {
		return dst, nil, false
	}
	if allowed := w.mostUsed(); allowed != nil && !w.match(target, limit, allowed) {
		return dst, nil, false
	}
	start := len(dst)
	out, used := w.append(dst, target)
	if len(used) == 0 || len(out)-start > limit || !w.appliesTo(out[start:], used, target) {
		return out[:start], nil, false
	}
	return out, used, true
}

// index brings the table up to the bases, growing it to 1 to 2 slots for each indexed word.
func (w *Window) index() {
	if want := max(windowTableMin, len(w.data)/windowEvery); len(w.table) < want || w.indexed == 0 {
		size := 1 << bits.Len(uint(want-1))
		if cap(w.table) >= size {
			w.table = w.table[:size]
			clear(w.table)
		} else {
			w.table = make([]uint32, size)
		}
		w.shift, w.indexed = 64-uint(bits.Len(uint(size-1))), 0
	}
	table, shift := w.table, w.shift
	for ; w.indexed < w.Len(); w.indexed++ {
		end := w.starts[w.indexed+1] - 8
		for at := w.starts[w.indexed]; at <= end; at += windowEvery {
			hash := windowHash(binary.LittleEndian.Uint64(w.data[at:]))
			slot := &table[hash>>(shift&63)]
			// The first of equal words stays: it keeps the number of bases small. No branch: no processor
			// could predict it.
			value := windowTag(hash) | uint32(at+1)
			if *slot != 0 {
				value = *slot
			}
			*slot = value
		}
	}
}

func windowHash(word uint64) uint64 { return word * 0x9e3779b97f4a7c15 }

// A slot is a position in the bases plus 1, which is less than MaxWindow, and above it 4 bits of the hash: they
// spare most looks at bases that do not match.
const windowPlace = MaxWindow - 1

func windowTag(hash uint64) uint32 { return uint32(hash>>8) &^ windowPlace }

// match fills w.ops for target, copying from allowed bases only (nil: all). It reports false as soon as the
// literals exceed limit or the head of target matches nothing.
func (w *Window) match(target []byte, limit int, allowed []int) bool {
	w.ops = w.ops[:0]
	var (
		data, table, shift = w.data, w.table, w.shift
		anchor, literals   = 0, 0 // target[anchor:] is not coded yet
		diagonal, older    = 0, 0 // data − target offsets of the last two alignments
		end                = len(target) - 8
	)
	for p := 0; p <= end; {
		word := binary.LittleEndian.Uint64(target[p:])
		from := -1
		if q := p + diagonal; uint(q)+8 <= uint(len(data)) && binary.LittleEndian.Uint64(data[q:]) == word {
			from = q
		} else if q := p + older; uint(q)+8 <= uint(len(data)) && binary.LittleEndian.Uint64(data[q:]) == word {
			from = q
		} else {
			hash := windowHash(word)
			// The tag comes first, since it nearly always refuses and is well predicted for that.
			if slot := table[hash>>(shift&63)]; slot&^windowPlace == windowTag(hash) && slot != 0 {
				if q := int(slot&windowPlace) - 1; binary.LittleEndian.Uint64(data[q:]) == word {
					from = q
				}
			}
		}
		if from >= 0 {
			if op, at, ok := w.extend(target, p, from, anchor, diagonal, allowed); ok {
				literals += op.insert
				w.ops = append(w.ops, op)
				anchor = at + op.length
				p = anchor
				if d := op.from - at; d != diagonal {
					diagonal, older = d, diagonal
				}
				if literals+4*len(w.ops) > limit {
					return false
				}
				continue
			}
		}
		run := p - anchor
		if literals+run > limit || len(w.ops) == 0 && run >= windowGiveUp {
			return false
		}
		p += min(1+2*(run>>windowSkipLog), windowStepMax)
	}
	if anchor < len(target) || len(w.ops) == 0 {
		w.ops = append(w.ops, windowOp{insert: len(target) - anchor})
	}
	return len(w.ops) > 1 || w.ops[0].length > 0
}

// extend grows the match of target[p:] with data[from:] both ways, within its base and not before anchor. It
// returns the operation and where in target its copy starts; ok is false if it is not worth its bytes.
func (w *Window) extend(target []byte, p, from, anchor, diagonal int, allowed []int) (op windowOp, at int, ok bool) {
	least := windowMinNew
	if from-p == diagonal {
		least = 8
	} else if !w.atLeast(target, p, from, anchor, least) {
		return op, 0, false
	}
	base, found := slices.BinarySearch(w.starts, from)
	for found && base+1 < len(w.starts) && w.starts[base+1] == from {
		base++ // empty bases start here too
	}
	if !found {
		base--
	}
	if base < 0 || base+1 >= len(w.starts) || allowed != nil && !slices.Contains(allowed, base) {
		return op, 0, false
	}
	low, high := w.starts[base], w.starts[base+1]
	length := commonPrefix(target[p:], w.data[from:high])
	at, start := p, from
	for at > anchor && start > low && target[at-1] == w.data[start-1] {
		at--
		start--
		length++
	}
	if length < least {
		return op, 0, false
	}
	return windowOp{insert: at - anchor, from: start, length: length, base: base}, at, true
}

// atLeast reports whether target[p:] and data[from:] share n bytes both ways, wherever bases end: a cheap
// refusal of the many words that agree by accident.
func (w *Window) atLeast(target []byte, p, from, anchor, n int) bool {
	have := commonPrefix(target[p:min(p+n, len(target))], w.data[from:min(from+n, len(w.data))])
	for p > anchor && from > 0 && have < n && target[p-1] == w.data[from-1] {
		p--
		from--
		have++
	}
	return have >= n
}

// commonPrefix returns how many bytes a and b share from their start.
func commonPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	a, b = a[:n], b[:n]
	i := 0
	for ; i+32 <= n; i += 32 {
		x, y := a[i:i+32:i+32], b[i:i+32:i+32]
		d0 := binary.LittleEndian.Uint64(x) ^ binary.LittleEndian.Uint64(y)
		d1 := binary.LittleEndian.Uint64(x[8:]) ^ binary.LittleEndian.Uint64(y[8:])
		d2 := binary.LittleEndian.Uint64(x[16:]) ^ binary.LittleEndian.Uint64(y[16:])
		d3 := binary.LittleEndian.Uint64(x[24:]) ^ binary.LittleEndian.Uint64(y[24:])
		if d0|d1|d2|d3 != 0 {
			break
		}
	}
	for ; i+8 <= n; i += 8 {
		if d := binary.LittleEndian.Uint64(a[i:]) ^ binary.LittleEndian.Uint64(b[i:]); d != 0 {
			return i + bits.TrailingZeros64(d)/8
		}
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// mostUsed returns the MaxBases bases that w.ops copy most bytes from, nil if there are no more than that.
func (w *Window) mostUsed() []int {
	type cover struct{ base, bytes int }
	var covers []cover
	for _, op := range w.ops {
		if op.length == 0 {
			continue
		}
		i := slices.IndexFunc(covers, func(c cover) bool { return c.base == op.base })
		if i < 0 {
			i = len(covers)
			covers = append(covers, cover{base: op.base})
		}
		covers[i].bytes += op.length
	}
	if len(covers) <= MaxBases {
		return nil
	}
	slices.SortStableFunc(covers, func(a, b cover) int { return b.bytes - a.bytes })
	allowed := make([]int, MaxBases)
	for i := range allowed {
		allowed[i] = covers[i].base
	}
	return allowed
}

// append writes w.ops and the literals of target as a payload.
func (w *Window) append(dst, target []byte) ([]byte, []int) {
	var (
		used []int
		next [MaxBases]int
		last = -1
		ops  = w.back[:0] // free until verification
	)
	for _, op := range w.ops {
		ops = binary.AppendUvarint(ops, uint64(op.insert))
		if last >= 0 {
			next[last] += op.insert
		}
		if op.length == 0 {
			break
		}
		last = slices.Index(used, op.base)
		if last < 0 {
			last = len(used)
			used = append(used, op.base)
		}
		off := op.from - w.starts[op.base]
		ops = binary.AppendUvarint(ops, uint64(op.length)<<2|uint64(last))
		ops = binary.AppendVarint(ops, int64(off-next[last]))
		next[last] = off + op.length
	}
	w.back = ops
	dst = binary.AppendUvarint(dst, uint64(len(ops)))
	dst = append(dst, ops...)
	p := 0
	for _, op := range w.ops {
		dst = append(dst, target[p:p+op.insert]...)
		p += op.insert + op.length
	}
	return dst, used
}

func (w *Window) appliesTo(payload []byte, used []int, target []byte) bool {
	var bases [MaxBases][]byte
	for i, b := range used {
		bases[i] = w.base(b)
	}
	decode := w.decode
	if decode == nil {
		decode = Apply
	}
	back, err := decode(w.back[:0], payload, bases[:len(used)], len(target))
	if err != nil {
		return false
	}
	w.back = back
	return bytes.Equal(back, target)
}

// Apply appends to dst the plainLen bytes that payload makes out of bases. It is ErrDamaged if payload does
// not describe exactly that many, or copies from beyond a base, or plainLen is not 0 to MaxBlock.
func Apply(dst, payload []byte, bases [][]byte, plainLen int) ([]byte, error) {
	if plainLen < 0 || plainLen > MaxBlock || len(bases) > MaxBases {
		return dst, fmt.Errorf("apply window delta of %d bytes to %d bases: %w", plainLen, len(bases), ErrDamaged)
	}
	out, ok := apply(dst, payload, bases, plainLen)
	if !ok {
		return dst, fmt.Errorf("apply window delta of %d bytes: %w", plainLen, ErrDamaged)
	}
	return out, nil
}

func apply(dst, payload []byte, bases [][]byte, plainLen int) ([]byte, bool) {
	size, n := binary.Uvarint(payload)
	if n <= 0 || size > uint64(len(payload)-n) {
		return nil, false
	}
	ops, literals := payload[n:n+int(size)], payload[n+int(size):]
	out := slices.Grow(dst, plainLen)
	var next [MaxBases]int64
	last := -1
	for left := uint64(plainLen); left > 0; {
		insert, n := binary.Uvarint(ops)
		if n <= 0 || insert > left || insert > uint64(len(literals)) {
			return nil, false
		}
		ops = ops[n:]
		out = append(out, literals[:insert]...)
		literals = literals[insert:]
		if last >= 0 {
			next[last] += int64(insert)
		}
		if left -= insert; left == 0 {
			break
		}
		head, n := binary.Uvarint(ops)
		delta, m := binary.Varint(ops[max(n, 0):])
		if n <= 0 || m <= 0 {
			return nil, false
		}
		ops = ops[n+m:]
		length := head >> 2
		if last = int(head & 3); last >= len(bases) || length == 0 || length > left {
			return nil, false
		}
		base := bases[last]
		// next is a sum of lengths that are bounded by bases and by plainLen; delta is any number.
		off := next[last] + delta
		if off < 0 || off > int64(len(base)) || length > uint64(int64(len(base))-off) {
			return nil, false
		}
		out = append(out, base[off:off+int64(length)]...)
		left -= length
		next[last] = off + int64(length)
	}
	return out, len(ops) == 0 && len(literals) == 0
}
