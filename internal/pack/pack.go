// Package pack lays blocks of chunks end to end in one self-describing, sealed file.
//
// A pack is written once, whole, and never changed. It promises that everything in it is authenticated,
// that chunk sizes cannot be told from outside, and that its directory alone is enough to rebuild a lost
// index: every chunk's full digest and place, and the bases of those stored as deltas.
//
// # Bytes
//
// Integers are little endian; uvarint is the base-128 form of encoding/binary. A pack is a header of 112
// bytes in the clear and then one plaintext stream sealed in segments (package seal, stream):
//
//	  0  8  "varve-pk"
//	  8  2  format version, 1
//	 10  1  kind: 1 data, 2 metadata
//	 11  1  binary logarithm of the segment size, 16 to 20
//	 12  1  columns of parity, P; 0 for none, at most 16
//	 13  1  binary logarithm of the sector size, 6 to 12; 0 without parity
//	 14  2  zero
//	 16 16  pack id, random; also the file's name
//	 32 32  salt of the stream's key
//	 64 32  key commitment
//	 96  8  length of the plaintext stream
//	104  4  length of the directory
//	108  4  CRC-32C of bytes 0 to 107
//	112     sealed segments; the 112 header bytes are their associated data
//
// The plaintext stream is the blocks' stored bytes, end to end, and then the directory:
//
//	uvarint number of blocks
//	per block:
//	   1 byte  codec (package seal)
//	   uvarint stored bytes
//	   uvarint raw bytes
//	   uvarint number of entries
//	   per entry, in the order of their bytes in the raw block:
//	      32 bytes  digest of the chunk's plain bytes
//	      uvarint   2 × bytes in the raw block, + 1 if they are a delta
//	      if a delta:
//	         uvarint   plain bytes
//	         1 byte    number of bases, 1 to 4
//	         32 bytes  digest of each base; a base is never itself a delta
//
// A delta is a window delta (package seal), except in a block of codec 5, subtract: there every entry is a
// delta, has one base, and is a difference (package seal), 4 bytes longer than the chunk.
//
// The entries' lengths add up to the raw bytes of their block, and the blocks' stored bytes and the
// directory to the stream.
//
// # Parity
//
// In a pack with parity the header and the segments, n bytes together, are cut into D sectors, the last one perhaps
// shorter, in 128 columns of R = ⌈D/128⌉ sectors each. Four parts follow:
//
//	4·(D+P·R)  CRC-32C of each of these sectors, and then of each sector of parity
//	P·R        sectors of parity
//	4·(D+P·R)  the sums again
//	112        the header again
//
// Sectors of data and of parity are numbered through, t = 0 to D+P·R−1; t mod R is a sector's row. The parity sectors
// of a row make it a word of a Reed-Solomon code over GF(2^8) (polynomial 0x11d): data sector t has column c =
// t div R, parity sector t has p = (t−D) div R, and
//
//	parity[p] = sum over c of data[c] / ((128+p) XOR c)
//
// where data that is not there, and what the last sector lacks, is zero.
//
// A sector whose sum is not that of either table is lost. A row with at most P lost sectors is made whole. This
// repairs any one burst of at most P·R−1 sectors' bytes, one sector less where it goes over the end of the segments;
// and any set of bad sectors with at most P in each row, together with damage to the sums that leaves each sector
// one, and to one of the two headers. Bytes that are wrong are never given out: it is the seal that decides. Reading
// a sound pack needs none of this.
package pack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/klauspost/reedsolomon"

	"varve/internal/digest"
	"varve/internal/seal"
)

// Kind tells packs of file content from packs of trees and recipes.
type Kind uint8

// The kinds of packs.
const (
	Data Kind = 1
	Meta Kind = 2
)

// Limits, checked before anything is allocated for bytes from outside.
const (
	MaxFile      = 1 << 30   // bytes of a pack
	MaxDirectory = 256 << 20 // bytes of its directory
	MaxBlock     = 16 << 20  // raw or stored bytes of a block
	MaxBases     = 4         // bases of a delta
)

const (
	magic      = "varve-pk"
	version    = 1
	HeaderSize = 112
	// Segments of data packs are large, since a block is read whole anyway and each costs a tag; those of
	// metadata are small, since a lookup reads one page.
	dataSegment = 18
	metaSegment = 16
)

// ErrDamaged is the cause of every error about bytes that are not what a pack must hold.
var ErrDamaged = errors.New("pack is damaged")

// ID is the random name of a pack.
type ID [16]byte

func (id ID) String() string { return fmt.Sprintf("%x", id[:]) }

// Entry is a chunk in a block.
type Entry struct {
	Digest digest.Digest
	Off    uint32          // of its bytes in the raw block
	Len    uint32          // of its bytes in the raw block
	Plain  uint32          // bytes of the chunk; equal to Len unless it is a delta
	Bases  []digest.Digest // nil unless it is a delta
	// Difference: the delta is a difference from its base, not a window delta. It follows from the block's codec.
	Difference bool
}

// Remake appends to dst the plain bytes of a delta: payload are the entry's bytes in the raw block, bases
// the plain bytes of its Bases. It is ErrDamaged where payload makes nothing of the entry's length; that it is
// the right chunk only its digest tells.
func (e *Entry) Remake(dst, payload []byte, bases [][]byte) ([]byte, error) {
	if !e.Difference {
		out, err := seal.Apply(dst, payload, bases, int(e.Plain))
		if err != nil {
			return dst, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
		return out, nil
	}
	if len(bases) != 1 || len(bases[0]) != int(e.Plain) {
		return dst, fmt.Errorf("%w: difference from another base", ErrDamaged)
	}
	out, err := seal.Sum(dst, payload, bases[0])
	if err != nil {
		return dst, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return out, nil
}

// Block is a run of chunks compressed together.
type Block struct {
	Codec   seal.Codec
	Off     int64 // of its stored bytes in the plaintext stream
	Stored  uint32
	Raw     uint32
	Entries []Entry
}

// Header is the clear head of a pack.
type Header struct {
	Kind       Kind
	Segment    uint8
	Parity     uint8 // columns
	Sector     uint8 // log2 of the size of a sector; 0 without parity
	ID         ID
	Salt       [32]byte
	Commitment [32]byte
	Plain      int64 // bytes of the stream
	Directory  int64 // bytes of its last part
}

func (h *Header) append(dst []byte) []byte {
	start := len(dst)
	dst = append(dst, magic...)
	dst = binary.LittleEndian.AppendUint16(dst, version)
	dst = append(dst, byte(h.Kind), h.Segment, h.Parity, h.Sector, 0, 0)
	dst = append(dst, h.ID[:]...)
	dst = append(dst, h.Salt[:]...)
	dst = append(dst, h.Commitment[:]...)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(h.Plain))
	dst = binary.LittleEndian.AppendUint32(dst, uint32(h.Directory))
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], crc32.MakeTable(crc32.Castagnoli)))
}

// Bytes returns the header as it is in the file.
func (h *Header) Bytes() []byte { return h.append(nil) }

// ParseHeader reads the first HeaderSize bytes of a pack. It checks everything that needs no key.
func ParseHeader(b []byte) (Header, error) {
	var h Header
	if len(b) < HeaderSize {
		return h, fmt.Errorf("%w: header of %d bytes", ErrDamaged, len(b))
	}
	b = b[:HeaderSize]
	if string(b[:8]) != magic {
		return h, fmt.Errorf("%w: not a pack", ErrDamaged)
	}
	if crc32.Checksum(b[:108], crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(b[108:]) {
		return h, fmt.Errorf("%w: header checksum", ErrDamaged)
	}
	if v := binary.LittleEndian.Uint16(b[8:]); v != version {
		return h, fmt.Errorf("pack of format %d: %w", v, errors.ErrUnsupported)
	}
	h.Kind, h.Segment, h.Parity, h.Sector = Kind(b[10]), b[11], b[12], b[13]
	copy(h.ID[:], b[16:])
	copy(h.Salt[:], b[32:])
	copy(h.Commitment[:], b[64:])
	plain := binary.LittleEndian.Uint64(b[96:])
	h.Directory = int64(binary.LittleEndian.Uint32(b[104:]))
	switch {
	case h.Kind != Data && h.Kind != Meta, h.Segment < 16 || h.Segment > 20, !h.checkParity(binary.LittleEndian.Uint16(b[14:])):
		return h, fmt.Errorf("pack with unknown features: %w", errors.ErrUnsupported)
	case plain > MaxFile || h.Directory > MaxDirectory || h.Directory > int64(plain):
		return h, fmt.Errorf("%w: lengths out of range", ErrDamaged)
	}
	h.Plain = int64(plain)
	return h, nil
}

// stream returns the seal of h's plaintext.
func (h *Header) stream(k *seal.Keys) *seal.Stream {
	return k.Stream(h.Salt, h.Segment, h.append(nil))
}

// A Builder collects blocks in memory until they are sealed as one pack. Its zero value is not usable.
type Builder struct {
	Parity uint8 // columns that Seal adds, at most MaxParity

	kind   Kind
	rs     reedsolomon.Encoder // of so many columns
	body   []byte
	blocks []Block
	dir    int // bytes the directory will take
}

// NewBuilder returns an empty Builder for packs of kind.
func NewBuilder(kind Kind) *Builder { return &Builder{kind: kind} }

// Kind returns the kind of the pack.
func (b *Builder) Kind() Kind { return b.kind }

// Len returns how many bytes the pack would have, roughly.
func (b *Builder) Len() int { return HeaderSize + len(b.body) + b.dir }

// Blocks returns the blocks added so far.
func (b *Builder) Blocks() []Block { return b.blocks }

// Add appends a block. It copies stored and entries; the entries' Off need not be set.
func (b *Builder) Add(codec seal.Codec, stored []byte, raw int, entries []Entry) {
	own := append([]Entry(nil), entries...)
	off := uint32(0)
	for i := range own {
		own[i].Off = off
		own[i].Difference = codec == seal.Subtract
		off += own[i].Len
		b.dir += digest.Size + 4 + len(own[i].Bases)*digest.Size
	}
	b.dir += 16
	b.blocks = append(b.blocks, Block{Codec: codec, Off: int64(len(b.body)), Stored: uint32(len(stored)), Raw: uint32(raw), Entries: own})
	if need := len(b.body) + len(stored); need > cap(b.body) && need > growSlowly {
		// By doubling, a pack would leave as much garbage as it is long.
		b.body = append(make([]byte, 0, max(need, fullBody)), b.body...)
	}
	b.body = append(b.body, stored...)
}

const (
	growSlowly = 1 << 20
	fullBody   = 18 << 20 // a full pack: its target, and a block over it
)

// Reset empties the builder and keeps its memory.
func (b *Builder) Reset() { b.body, b.blocks, b.dir = b.body[:0], nil, 0 }

// Seal appends the sealed pack of all added blocks to dst.
func (b *Builder) Seal(dst []byte, k *seal.Keys, id ID, salt [32]byte) []byte {
	body := len(b.body)
	b.body = appendDirectory(b.body, b.blocks)
	h := Header{Kind: b.kind, Segment: dataSegment, ID: id, Salt: salt, Plain: int64(len(b.body)), Directory: int64(len(b.body) - body)}
	if b.kind == Meta {
		h.Segment = metaSegment
	}
	st := k.Stream(salt, h.Segment, nil)
	h.Commitment = st.Commitment()
	var s shape
	if b.Parity > 0 {
		s = shapeFor(HeaderSize+st.SealedLen(h.Plain), b.Parity)
		h.Parity, h.Sector = b.Parity, s.log
	}
	start := len(dst)
	dst = h.append(dst)
	dst = h.stream(k).Seal(dst, b.body)
	b.body = b.body[:body]
	if b.Parity > 0 {
		if b.rs == nil {
			b.rs = code(int64(b.Parity))
		}
		dst = appendParity(dst, start, &s, h.append(nil), b.rs)
	}
	return dst
}

func appendDirectory(dst []byte, blocks []Block) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(blocks)))
	for i := range blocks {
		bl := &blocks[i]
		dst = append(dst, byte(bl.Codec))
		dst = binary.AppendUvarint(dst, uint64(bl.Stored))
		dst = binary.AppendUvarint(dst, uint64(bl.Raw))
		dst = binary.AppendUvarint(dst, uint64(len(bl.Entries)))
		for j := range bl.Entries {
			e := &bl.Entries[j]
			dst = append(dst, e.Digest[:]...)
			if len(e.Bases) == 0 {
				dst = binary.AppendUvarint(dst, uint64(e.Len)<<1)
				continue
			}
			dst = binary.AppendUvarint(dst, uint64(e.Len)<<1|1)
			dst = binary.AppendUvarint(dst, uint64(e.Plain))
			dst = append(dst, byte(len(e.Bases)))
			for _, d := range e.Bases {
				dst = append(dst, d[:]...)
			}
		}
	}
	return dst
}

// cursor reads a directory; the first bad read sticks.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) uvarint(limit uint64) uint64 {
	v, n := binary.Uvarint(c.b)
	if n <= 0 || v > limit {
		c.bad = true
		return 0
	}
	c.b = c.b[n:]
	return v
}

func (c *cursor) bytes(n int) []byte {
	if len(c.b) < n {
		c.bad = true
		return make([]byte, n)
	}
	p := c.b[:n]
	c.b = c.b[n:]
	return p
}

// ParseDirectory reads a directory whose blocks take body bytes of the stream.
func ParseDirectory(b []byte, body int64) ([]Block, error) {
	c := &cursor{b: b}
	n := c.uvarint(uint64(len(b) / 4)) // a block takes at least four bytes
	blocks := make([]Block, 0, n)
	off := int64(0)
	for range n {
		bl := c.block(off)
		if c.bad {
			return nil, fmt.Errorf("%w: directory", ErrDamaged)
		}
		off += int64(bl.Stored)
		blocks = append(blocks, bl)
	}
	if c.bad || len(c.b) != 0 || off != body {
		return nil, fmt.Errorf("%w: directory", ErrDamaged)
	}
	return blocks, nil
}

func (c *cursor) block(off int64) Block {
	bl := Block{Codec: seal.Codec(c.bytes(1)[0]), Off: off}
	bl.Stored, bl.Raw = uint32(c.uvarint(MaxBlock)), uint32(c.uvarint(MaxBlock))
	n := c.uvarint(uint64(len(c.b) / (digest.Size + 1)))
	if c.bad {
		return bl
	}
	bl.Entries = make([]Entry, n)
	at := uint64(0)
	for i := range bl.Entries {
		e := &bl.Entries[i]
		copy(e.Digest[:], c.bytes(digest.Size))
		v := c.uvarint(2*MaxBlock + 1)
		e.Off, e.Len = uint32(at), uint32(v>>1)
		e.Plain = e.Len
		if v&1 == 1 {
			e.Plain = uint32(c.uvarint(MaxBlock))
			k := int(c.bytes(1)[0])
			if k < 1 || k > MaxBases {
				c.bad = true
			}
			for j := 0; j < k && !c.bad; j++ {
				e.Bases = append(e.Bases, digest.Digest(c.bytes(digest.Size)))
			}
		}
		if bl.Codec == seal.Subtract {
			e.Difference = true
			if len(e.Bases) != 1 || uint64(e.Len) != uint64(e.Plain)+seal.DifferenceHead {
				c.bad = true
			}
		}
		at += uint64(e.Len)
		if c.bad || at > math.MaxUint32 {
			c.bad = true
			return bl
		}
	}
	if at != uint64(bl.Raw) {
		c.bad = true
	}
	return bl
}
