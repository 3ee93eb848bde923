package pack

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/klauspost/reedsolomon"

	"varve/internal/seal"
)

const (
	dataColumns = 128
	// MaxParity is the most columns of parity that a pack can have.
	MaxParity = 16
	minSector = 6 // binary logarithms of the sizes of a sector
	maxSector = 12
	sumSize   = 4
)

// shape is how the sectors of a pack with parity lie.
type shape struct {
	sealed  int64 // bytes of header and segments
	columns int64 // of parity
	log     uint8 // of the size of a sector
	data    int64 // sectors of header and segments
	rows    int64
}

func shapeOf(sealed int64, columns, log uint8) shape {
	s := shape{sealed: sealed, columns: int64(columns), log: log}
	s.data = (sealed + s.sector() - 1) >> log
	s.rows = (s.data + dataColumns - 1) / dataColumns
	return s
}

// shapeFor returns the shape that costs the least room. Of small packs the sums are the larger part, of large ones
// the columns' last row.
func shapeFor(sealed int64, columns uint8) shape {
	best := shapeOf(sealed, columns, minSector)
	for log := uint8(minSector + 1); log <= maxSector; log++ {
		if s := shapeOf(sealed, columns, log); s.size() <= best.size() {
			best = s
		}
	}
	return best
}

func (s *shape) sector() int64 { return 1 << s.log }
func (s *shape) column() int64 { return s.rows << s.log }
func (s *shape) parity() int64 { return s.columns * s.column() }
func (s *shape) table() int64  { return sumSize * (s.data + s.columns*s.rows) }

// size is that of the whole file.
func (s *shape) size() int64 { return s.sealed + 2*s.table() + s.parity() + HeaderSize }

// span returns where the bytes of sector t are in the sealed bytes or, from sector s.data on, in the parity. All but
// the last sector of the sealed bytes are whole.
func (s *shape) span(t int64) (from, to int64) {
	if t >= s.data {
		return (t - s.data) << s.log, (t - s.data + 1) << s.log
	}
	return t << s.log, min((t+1)<<s.log, s.sealed)
}

// code is the Reed-Solomon code of packs: of Cauchy's matrix, so that the weight of a data column does not depend on
// how many columns there are.
func code(columns int64) reedsolomon.Encoder {
	c, err := reedsolomon.New(dataColumns, int(columns), reedsolomon.WithCauchyMatrix(), reedsolomon.WithMaxGoroutines(1))
	if err != nil {
		panic(fmt.Sprintf("pack: code of %d columns: %v", columns, err)) // a number from outside was checked
	}
	return c
}

// appendParity appends to dst what follows the sealed bytes dst[start:] of a pack with parity.
func appendParity(dst []byte, start int, s *shape, header []byte, rs reedsolomon.Encoder) []byte {
	sealed := dst[start:]
	parity := columnsOf(sealed, s, rs)
	table := make([]byte, 0, s.table())
	for t := range s.data + s.columns*s.rows {
		from, to := s.span(t)
		sector := parity
		if t < s.data {
			sector = sealed
		}
		table = binary.LittleEndian.AppendUint32(table, sum(sector[from:to]))
	}
	dst = append(dst, table...)
	dst = append(dst, parity...)
	dst = append(dst, table...)
	return append(dst, header...)
}

func sum(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// columnsOf returns the columns of parity as they lie in the file: each begins with the row that the sector before
// it is not of, so that sectors one after the other are of rows one after the other.
func columnsOf(sealed []byte, s *shape, rs reedsolomon.Encoder) []byte {
	size := s.column()
	shards := make([][]byte, dataColumns, dataColumns+s.columns)
	var none []byte
	for c := range shards {
		from := min(int64(c)*size, s.sealed)
		to := min(from+size, s.sealed)
		shards[c] = sealed[from:to]
		switch {
		case to-from == size:
		case to > from:
			shards[c] = append(make([]byte, 0, size), shards[c]...)[:size]
		default:
			if none == nil {
				none = make([]byte, size)
			}
			shards[c] = none
		}
	}
	made := make([]byte, s.parity())
	for p := range s.columns {
		shards = append(shards, made[p*size:(p+1)*size])
	}
	if err := rs.Encode(shards); err != nil {
		panic(fmt.Sprintf("pack: encode parity: %v", err)) // all columns have one size
	}
	out := make([]byte, 0, s.parity())
	turn := s.data % s.rows << s.log
	for p := range s.columns {
		column := made[p*size : (p+1)*size]
		out = append(append(out, column[turn:]...), column[:turn]...)
	}
	return out
}

// Mend opens a pack of which file is what is left, with what its parity makes good. The reader keeps the mended bytes
// in memory. What could not be made good is ErrDamaged when it is read: it is the seal that decides.
func Mend(ctx context.Context, k *seal.Keys, file []byte) (*Reader, error) {
	h, err := ParseHeader(file)
	if errors.Is(err, ErrDamaged) && len(file) >= 2*HeaderSize {
		if copied, cerr := ParseHeader(file[len(file)-HeaderSize:]); cerr == nil {
			h, err = copied, nil
		}
	}
	if err != nil {
		return nil, err
	}
	if h.Parity == 0 {
		return nil, fmt.Errorf("%w: there is no parity", ErrDamaged)
	}
	s := shapeOf(HeaderSize+h.stream(k).SealedLen(h.Plain), h.Parity, h.Sector)
	if int64(len(file)) < s.sealed-s.parity() {
		return nil, fmt.Errorf("%w: %d bytes of %d are left", ErrDamaged, len(file), s.size())
	}
	m := mending{shape: s, file: file, sealed: make([]byte, s.sealed)}
	copy(m.sealed, file)
	h.append(m.sealed[:0])
	if err := m.run(); err != nil {
		return nil, err
	}
	read := func(_ context.Context, off, n int64, dst []byte) ([]byte, error) {
		return append(dst, m.sealed[off:off+n]...), nil
	}
	return newReader(ctx, k, h, read, s.size())
}

// mending puts the sealed bytes of one pack right.
type mending struct {
	shape
	file   []byte
	sealed []byte
	rs     reedsolomon.Encoder
}

// part returns bytes of the file that may have been cut off.
func (m *mending) part(from, to int64) []byte {
	if to > int64(len(m.file)) {
		return nil
	}
	return m.file[from:to]
}

// sector returns the bytes of sector t; nil if they were cut off.
func (m *mending) sector(t int64) []byte {
	from, to := m.span(t)
	if t < m.data {
		if to > int64(len(m.file)) {
			return nil
		}
		return m.sealed[from:to]
	}
	at := m.shape.sealed + m.table()
	return m.part(at+from, at+to)
}

// sound reports whether sector t is what one of the two tables says. Each entry counts for itself: damage to both
// tables costs only sectors that have lost both of their sums.
func (m *mending) sound(t int64) bool {
	b := m.sector(t)
	if b == nil {
		return false
	}
	want := sum(b)
	for _, table := range []int64{m.shape.sealed, m.shape.sealed + m.table() + m.parity()} {
		at := table + sumSize*t
		if s := m.part(at, at+sumSize); s != nil && binary.LittleEndian.Uint32(s) == want {
			return true
		}
	}
	return false
}

func (m *mending) run() error {
	for row := range m.rows {
		var lost []int64 // sectors
		spoilt := false  // some of them are of the sealed bytes
		for t := row; t < m.data+m.columns*m.rows; t = m.next(t) {
			if !m.sound(t) {
				lost = append(lost, t)
				spoilt = spoilt || t < m.data
			}
		}
		if !spoilt || int64(len(lost)) > m.columns {
			continue // what is beyond repair the seal will find
		}
		if err := m.row(row, lost); err != nil {
			return fmt.Errorf("%w: parity: %w", ErrDamaged, err)
		}
	}
	return nil
}

// next returns the next sector of the row of sector t.
func (m *mending) next(t int64) int64 { return t + m.rows }

// row makes the lost sectors of a row.
func (m *mending) row(row int64, lost []int64) error {
	if m.rs == nil {
		m.rs = code(m.columns)
	}
	none := make([]byte, m.shape.sector())
	shards := make([][]byte, dataColumns+m.columns)
	for c := range shards[:dataColumns] {
		shards[c] = none
	}
	for t := row; t < m.data+m.columns*m.rows; t = m.next(t) {
		b := m.sector(t)
		if b != nil && int64(len(b)) < m.shape.sector() {
			b = append(make([]byte, 0, m.shape.sector()), b...)[:m.shape.sector()]
		}
		shards[m.shard(t)] = b
	}
	for _, t := range lost {
		shards[m.shard(t)] = nil
	}
	if err := m.rs.ReconstructData(shards); err != nil {
		return err
	}
	for _, t := range lost {
		if t < m.data {
			from, to := m.span(t)
			copy(m.sealed[from:to], shards[m.shard(t)])
		}
	}
	return nil
}

// shard returns the column of sector t.
func (m *mending) shard(t int64) int64 {
	if t < m.data {
		return t / m.rows
	}
	return dataColumns + (t-m.data)/m.rows
}

// A Check tells whether the parity of a pack, and all that is there to repair it by, is as it was written. It is
// given the sealed bytes in order and then the rest.
type Check struct {
	shape  shape
	header []byte
	sums   []uint32 // of the sectors so far
	open   uint32   // sum of the one that is open
	at     int64
}

// Check returns nil for a pack without parity.
func (p *Reader) Check() *Check {
	if p.Header.Parity == 0 {
		return nil
	}
	return &Check{shape: shapeOf(HeaderSize+p.stream.SealedLen(p.Header.Plain), p.Header.Parity, p.Header.Sector), header: p.Header.append(nil)}
}

// Write takes the next of the sealed bytes, from the header on.
func (c *Check) Write(b []byte) {
	table := crc32.MakeTable(crc32.Castagnoli)
	for len(b) > 0 {
		_, end := c.shape.span(c.at >> c.shape.log)
		n := min(int64(len(b)), end-c.at)
		c.open = crc32.Update(c.open, table, b[:n])
		b = b[n:]
		if c.at += n; c.at == end {
			c.sums, c.open = append(c.sums, c.open), 0
		}
	}
}

// Rest says where in the file the rest begins, and how long it is.
func (c *Check) Rest() (off, n int64) { return c.shape.sealed, c.shape.size() - c.shape.sealed }

// Done compares the rest of the file. Sealed bytes that were not all written are not compared.
func (c *Check) Done(rest []byte) error {
	s := &c.shape
	if _, n := c.Rest(); int64(len(rest)) != n {
		return fmt.Errorf("%w: parity of %d bytes", ErrDamaged, len(rest))
	}
	first, parity, second := rest[:s.table()], rest[s.table():s.table()+s.parity()], rest[s.table()+s.parity():s.table()*2+s.parity()]
	if string(rest[2*s.table()+s.parity():]) != string(c.header) {
		return fmt.Errorf("%w: copy of the header", ErrDamaged)
	}
	for t := range s.data + s.columns*s.rows {
		want := binary.LittleEndian.Uint32(first[sumSize*t:])
		if want != binary.LittleEndian.Uint32(second[sumSize*t:]) {
			return fmt.Errorf("%w: the sums of sector %d", ErrDamaged, t)
		}
		is := want
		if t >= s.data {
			from, to := s.span(t)
			is = sum(parity[from:to])
		} else if c.at == s.sealed {
			is = c.sums[t]
		}
		if is != want {
			return fmt.Errorf("%w: the sum of sector %d", ErrDamaged, t)
		}
	}
	return nil
}

// checkParity refuses what this version does not know.
func (h *Header) checkParity(zero uint16) bool {
	if h.Parity == 0 {
		return h.Sector == 0 && zero == 0
	}
	return h.Parity <= MaxParity && h.Sector >= minSector && h.Sector <= maxSector && zero == 0
}

// fileLen returns the length of the file; -1 if there is no such file.
func (h *Header) fileLen(sealed int64) int64 {
	if sealed < 0 || sealed > math.MaxInt64/4 {
		return -1
	}
	if h.Parity == 0 {
		return HeaderSize + sealed
	}
	s := shapeOf(HeaderSize+sealed, h.Parity, h.Sector)
	return s.size()
}
