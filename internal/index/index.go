// Package index finds an object in its pack with little memory.
//
// What is known about where objects rest is kept in segments: immutable sorted tables of fixed-width rows,
// each with a membership filter, made to be mapped into memory and searched where they lie. A Writer makes
// a segment, Open reads one, a Set looks an object up in many, Merge makes one of several and Plan says
// which. Live is the map of what the running session is storing. A segment costs about 1.13 bytes of hot
// memory a row; its rows are touched only to answer for an object the filter believes in.
//
// A row holds the first 16 bytes of a digest, so a lookup answers where the object may be: the pack's own
// directory holds the whole digest and decides. Several places may be given for one digest, because it was
// stored more than once or because two digests share a prefix. A segment that is lost costs a rebuild from
// the packs and nothing else.
//
// Segments are plain bytes; sealing them is the caller's work. The sums in them find rot, not malice, but
// no bytes whatever make this package panic or answer with a pack that the segment does not list.
//
// # Segment
//
// All integers are little endian; every section starts at a multiple of 8 bytes; padding is zero.
//
//	header      64 bytes
//	   0  magic      8   "varveidx"
//	   8  version    u32 1
//	  12  fanout     u32 f, at most 12: the filter has 2^f partitions
//	  16  rows       u64 n
//	  24  replaces   u32 r
//	  28  packs      u32 p
//	  32  length     u64 of the whole segment, in bytes
//	  40  zero      16
//	  56  body sum   u32 CRC-32C (Castagnoli) of bytes 64 to the end
//	  60  head sum   u32 CRC-32C of bytes 0 to 59
//	replaces    16·r bytes: names of the segments this one stands for, ascending, no repeats
//	packs       24·p bytes, ascending by (id, size), no repeats
//	   0  id        16
//	  16  size       i64 bytes of the sealed pack file, not negative
//	rows        28·n bytes, then 0 or 4 bytes of padding; ascending by all fields in this order, no repeats
//	   0  prefix    16   first bytes of the digest
//	  16  pack       u32 position in packs, from 0
//	  20  block      u32 block in the pack
//	  24  place      u16 place in the block
//	  26  flags      u8  1 = stored as a window delta, 2 = in a metadata pack
//	  27  zero       u8
//	partitions  24·2^f bytes
//	   0  first      u64 number of the first row of this partition
//	   8  seed       u64
//	  16  length     u32 fingerprints in a filter segment: a power of two, or 0 for "no filter"
//	  20  count      u32 of filter segments that start a window; at least 1, or 0 for "no filter";
//	               (count+2)·length is below 2^32
//	fingerprints, partition by partition: (count+2)·length bytes, each padded to a multiple of 8
//
// The key of a row is the first 8 bytes of its prefix as a big-endian number, so that keys ascend with the
// rows; a row belongs to the partition numbered by the top f bits of its key. The filter of a partition is a
// binary fuse filter of three windows and 8-bit fingerprints over the distinct keys of its rows. With mix(x):
// x ^= x>>33, x *= 0xff51afd7ed558ccd, x ^= x>>33, x *= 0xc4ceb9fe1a85ec53, x ^= x>>33 (modulo 2^64),
//
//	h  = mix(key + seed)
//	a  = high 64 bits of the 128-bit product h · (count·length)
//	b  = (a + length)   XOR ((h >> 18) AND (length-1))
//	c  = (a + 2·length) XOR (h AND (length-1))
//	key may be present if F[a] XOR F[b] XOR F[c] = low 8 bits of (h XOR h>>32)
//
// A partition without filter is searched always. A writer chooses f and the filters freely; readers accept
// any. Unknown flags are kept as they are.
package index

import (
	"encoding/binary"
	"errors"

	"varve/internal/digest"
)

var (
	// ErrDamaged says that the bytes are not a whole, sound segment.
	ErrDamaged = errors.New("index segment is damaged")
	// ErrVersion says that the segment has a format this program does not know.
	ErrVersion = errors.New("index segment has an unknown version")
)

// Prefix is the first 16 bytes of a digest.
type Prefix [16]byte

// PrefixOf returns the prefix under which d is indexed.
func PrefixOf(d digest.Digest) Prefix { return Prefix(d[:16]) }

// Flags say how an object is stored. The bits are part of the format.
type Flags uint8

const (
	// Delta marks an object stored as a window delta.
	Delta Flags = 1
	// Meta marks an object in a metadata pack.
	Meta Flags = 2
)

// PackID names a pack.
type PackID [16]byte

// SegmentID names an index segment.
type SegmentID [16]byte

// PackInfo is a pack as a segment knows it. Two entries with one ID and different sizes are two claims about
// that pack; who lists the packs decides between them.
type PackInfo struct {
	ID   PackID
	Size int64 // bytes of the sealed file
}

// Row is one line of a segment.
type Row struct {
	Prefix Prefix
	Pack   uint32 // position in the segment's Packs
	Block  uint32
	Place  uint16
	Flags  Flags
}

// Place is where an object may be found.
type Place struct {
	Pack  PackID
	Block uint32 // number of the block in the pack
	Place uint16 // number of the object in the block
	Flags Flags
}

// A key is a prefix as two big-endian numbers, so that numbers compare as the bytes do.
type key struct{ hi, lo uint64 }

func keyOf(p []byte) key {
	return key{binary.BigEndian.Uint64(p), binary.BigEndian.Uint64(p[8:16])}
}

func (k key) less(o key) bool { return k.hi < o.hi || k.hi == o.hi && k.lo < o.lo }
