package index

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
)

const (
	magic   = "varveidx"
	version = 1

	headerSize    = 64
	nameSize      = 16
	packSize      = 24
	rowSize       = 28
	partitionSize = 24

	maxFanout = 12
)

// sum is the CRC-32C of b.
func sum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// A header holds the counts of a segment and, once parsed, the ends of its sections.
type header struct {
	fanout          int
	rows            int
	replaces, packs int
	length          int
	bodySum         uint32

	packsAt, rowsAt, partitionsAt, filtersAt int
}

func (h *header) put(b []byte) {
	clear(b[:headerSize])
	copy(b, magic)
	le := binary.LittleEndian
	le.PutUint32(b[8:], version)
	le.PutUint32(b[12:], uint32(h.fanout))
	le.PutUint64(b[16:], uint64(h.rows))
	le.PutUint32(b[24:], uint32(h.replaces))
	le.PutUint32(b[28:], uint32(h.packs))
	le.PutUint64(b[32:], uint64(h.length))
	le.PutUint32(b[56:], h.bodySum)
	le.PutUint32(b[60:], sum(b[:60]))
}

// parseHeader reads the header of b and places its sections, all of which lie in b when it succeeds.
func parseHeader(b []byte) (header, error) {
	if len(b) < headerSize {
		return header{}, fmt.Errorf("read header of %d bytes: %w", len(b), ErrDamaged)
	}
	if string(b[:8]) != magic {
		return header{}, fmt.Errorf("read magic: %w", ErrDamaged)
	}
	le := binary.LittleEndian
	if v := le.Uint32(b[8:]); v != version {
		return header{}, fmt.Errorf("read version %d: %w", v, ErrVersion)
	}
	if le.Uint32(b[60:]) != sum(b[:60]) {
		return header{}, fmt.Errorf("sum header: %w", ErrDamaged)
	}
	if le.Uint64(b[32:]) != uint64(len(b)) {
		return header{}, fmt.Errorf("read length %d of %d bytes: %w", le.Uint64(b[32:]), len(b), ErrDamaged)
	}
	if le.Uint64(b[40:])|le.Uint64(b[48:]) != 0 {
		return header{}, fmt.Errorf("read reserved bytes: %w", ErrDamaged)
	}
	fanout, rows := le.Uint32(b[12:]), le.Uint64(b[16:])
	if fanout > maxFanout {
		return header{}, fmt.Errorf("read fanout %d: %w", fanout, ErrDamaged)
	}
	// With rows bounded by the length, no sum below can pass 2^40 more than the length: uint64 is wide enough.
	if rows > uint64(len(b))/rowSize {
		return header{}, fmt.Errorf("read row count %d: %w", rows, ErrDamaged)
	}
	replaces, packs := uint64(le.Uint32(b[24:])), uint64(le.Uint32(b[28:]))
	packsAt := headerSize + replaces*nameSize
	rowsAt := packsAt + packs*packSize
	partitionsAt := rowsAt + pad8(rows*rowSize)
	filtersAt := partitionsAt + partitionSize<<fanout
	if filtersAt > uint64(len(b)) {
		return header{}, fmt.Errorf("place sections of %d bytes: %w", filtersAt, ErrDamaged)
	}
	return header{
		fanout: int(fanout), rows: int(rows), replaces: int(replaces), packs: int(packs),
		length: len(b), bodySum: le.Uint32(b[56:]),
		packsAt: int(packsAt), rowsAt: int(rowsAt), partitionsAt: int(partitionsAt), filtersAt: int(filtersAt),
	}, nil
}

func pad8[T int | uint64](n T) T { return (n + 7) &^ 7 }

func rowFrom(b []byte) Row {
	_ = b[rowSize-1]
	return Row{
		Prefix: Prefix(b),
		Pack:   binary.LittleEndian.Uint32(b[16:]),
		Block:  binary.LittleEndian.Uint32(b[20:]),
		Place:  binary.LittleEndian.Uint16(b[24:]),
		Flags:  Flags(b[26]),
	}
}

// compare orders rows as a segment does.
func (r *Row) compare(o *Row) int {
	if c := bytes.Compare(r.Prefix[:], o.Prefix[:]); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(r.Pack, o.Pack), cmp.Compare(r.Block, o.Block),
		cmp.Compare(r.Place, o.Place), cmp.Compare(r.Flags, o.Flags))
}

func comparePacks(a, b PackInfo) int {
	return cmp.Or(bytes.Compare(a.ID[:], b.ID[:]), cmp.Compare(a.Size, b.Size))
}

func packFrom(b []byte) PackInfo {
	return PackInfo{ID: PackID(b), Size: int64(binary.LittleEndian.Uint64(b[16:]))}
}

// An encoder lays out a segment: begin, then its rows in order, then finish.
type encoder struct {
	out  []byte
	head header
}

// begin writes everything before the rows and makes room for the given number of them. It sorts replaces and
// drops its repeats; packs must be in order.
func begin(replaces []SegmentID, packs []PackInfo, rows int) *encoder {
	replaces = slices.Clone(replaces)
	slices.SortFunc(replaces, func(a, b SegmentID) int { return bytes.Compare(a[:], b[:]) })
	replaces = slices.Compact(replaces)
	if len(replaces) > math.MaxUint32 || len(packs) > math.MaxUint32 {
		panic("index: more than 2^32 names in one segment")
	}
	before := headerSize + len(replaces)*nameSize + len(packs)*packSize
	out := make([]byte, headerSize, before+rows*rowSize+filterRoom(rows))
	for _, id := range replaces {
		out = append(out, id[:]...)
	}
	for _, p := range packs {
		out = append(out, p.ID[:]...)
		out = binary.LittleEndian.AppendUint64(out, uint64(p.Size))
	}
	return &encoder{out: out, head: header{replaces: len(replaces), packs: len(packs), rowsAt: before}}
}

// finish adds the filter and returns the segment.
func (e *encoder) finish() []byte {
	return e.finishWith(fanoutOf((len(e.out) - e.head.rowsAt) / rowSize))
}

func (e *encoder) finishWith(fanout int) []byte {
	rows := e.out[e.head.rowsAt:]
	e.head.rows = len(rows) / rowSize
	e.head.fanout = fanout
	e.out = append(e.out, make([]byte, pad8(len(rows))-len(rows))...)
	e.out = appendFilter(e.out, rows, fanout)
	e.head.length = len(e.out)
	e.head.bodySum = sum(e.out[headerSize:])
	e.head.put(e.out)
	return e.out
}
