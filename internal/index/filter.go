package index

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"github.com/FastFilter/xorfilter"
)

// partitionRows is the most rows a partition should hold. Building a filter takes about 30 bytes of memory for each
// of them and is quicker where these stay in the cache; a filter of fewer keys takes more bytes a key.
const partitionRows = 1 << 20

// A partition is a range of rows by the top bits of their keys, and the filter over them.
type partition struct {
	first    int
	filter   xorfilter.BinaryFuse8 // its fingerprints lie in the segment
	filtered bool
}

// fanoutOf is the fanout for a number of rows.
func fanoutOf(rows int) int {
	return min(bits.Len(uint(max(rows-1, 0))/partitionRows), maxFanout)
}

// filterRoom is how many bytes the filter of so many rows is likely to take, with its table.
func filterRoom(rows int) int { return rows + rows/4 + 256 + partitionSize<<fanoutOf(rows) }

// partitionOf is the number of the partition of a key. The shift may be by 64, which gives 0.
func partitionOf(hi uint64, fanout int) int { return int(hi >> (64 - fanout)) }

// appendFilter adds to out the partitions of the sorted rows and their fingerprints. Out ends at a multiple of 8.
func appendFilter(out, rows []byte, fanout int) []byte {
	table := len(out)
	out = append(out, make([]byte, partitionSize<<fanout)...)
	var b xorfilter.BinaryFuseBuilder
	var keys []uint64
	n := 0
	for p := range 1 << fanout {
		entry := table + p*partitionSize
		binary.LittleEndian.PutUint64(out[entry:], uint64(n))
		keys = keys[:0]
		for ; n*rowSize < len(rows); n++ {
			k := binary.BigEndian.Uint64(rows[n*rowSize:])
			if partitionOf(k, fanout) != p {
				break
			}
			if len(keys) == 0 || k != keys[len(keys)-1] {
				keys = append(keys, k)
			}
		}
		if len(keys) == 0 {
			continue
		}
		// A filter that cannot be built, which no honest keys bring about, is left out.
		f, err := xorfilter.BuildBinaryFuse[uint8](&b, keys)
		if err != nil {
			continue
		}
		binary.LittleEndian.PutUint64(out[entry+8:], f.Seed)
		binary.LittleEndian.PutUint32(out[entry+16:], f.SegmentLength)
		binary.LittleEndian.PutUint32(out[entry+20:], f.SegmentCount)
		out = append(out, f.Fingerprints...)
		out = append(out, make([]byte, pad8(len(out))-len(out))...)
	}
	return out
}

// openFilter reads the partitions of a segment whose header fits b. What it accepts can be probed and searched
// for any key without leaving b.
func openFilter(b []byte, h *header) ([]partition, error) {
	ps := make([]partition, 1<<h.fanout)
	at := h.filtersAt
	for i := range ps {
		e := b[h.partitionsAt+i*partitionSize:]
		first, seed := binary.LittleEndian.Uint64(e), binary.LittleEndian.Uint64(e[8:])
		length, count := binary.LittleEndian.Uint32(e[16:]), binary.LittleEndian.Uint32(e[20:])
		if first > uint64(h.rows) || i == 0 && first != 0 || i > 0 && first < uint64(ps[i-1].first) {
			return nil, fmt.Errorf("read first row %d of partition %d: %w", first, i, ErrDamaged)
		}
		ps[i].first = int(first)
		if length == 0 && count == 0 {
			continue
		}
		if length == 0 || length&(length-1) != 0 || count == 0 {
			return nil, fmt.Errorf("read filter of partition %d: %w", i, ErrDamaged)
		}
		size := (uint64(count) + 2) * uint64(length)
		if pad8(size) > min(uint64(len(b)-at), math.MaxUint32) {
			return nil, fmt.Errorf("place filter of partition %d: %w", i, ErrDamaged)
		}
		ps[i].filtered = true
		ps[i].filter = xorfilter.BinaryFuse8{
			Seed: seed, SegmentLength: length, SegmentLengthMask: length - 1,
			SegmentCount: count, SegmentCountLength: count * length,
			Fingerprints: b[at : at+int(size) : at+int(size)],
		}
		at += int(pad8(size))
	}
	if at != len(b) {
		return nil, fmt.Errorf("read %d bytes after the filter: %w", len(b)-at, ErrDamaged)
	}
	return ps, nil
}

// may says whether a row with this key may be in the partition.
func (p *partition) may(hi uint64) bool { return !p.filtered || p.filter.Contains(hi) }
