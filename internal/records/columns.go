package records

import (
	"context"
	"database/sql"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
)

// Fields that are declared with Index are kept a second time, column by column, in blocks of rows: SQLite takes a second
// to group a million rows, a loop over one column a few milliseconds. A text is a code of 4 bytes there.

// width is how a column keeps a value, and what stands for none.
type width uint8

const (
	codes  width = iota // uint32: of a text in the table texts, or of a writer; 0: none
	flags               // uint8: 1 false, 2 true; 0: none
	longs               // int64; the least: none
	floats              // float64; NaN: none
)

func (w width) size() int { return [...]int{4, 1, 8, 8}[w] }

// Columns that every declared kind has, beyond those of fields.
const (
	colFirst   = 1000 + iota // milliseconds
	colCounter               // of first
	colWriter                // of first
	colLast                  // milliseconds
	colAlive                 // flag: it is there and not gone
)

const (
	blockRows = 8192
	none64    = math.MinInt64
)

func stampColumn(c int) width {
	switch c {
	case colFirst, colLast:
		return longs
	case colAlive:
		return flags
	}
	return codes
}

// columnar returns how field c of the table is kept as a column, if it is.
func (t *table) columnar(c int) (width, bool) {
	f := t.cols[c]
	if t.number == generic || c > 0 && !f.Index {
		return 0, false
	}
	switch f.Type {
	case Text:
		return codes, true
	case Number:
		return floats, true
	case Time:
		return longs, true
	case Flag:
		return flags, true
	}
	return 0, false
}

func blockKey(t int64, c, b int) int64 { return t<<40 | int64(c)<<28 | int64(b) }

// A patch is a block that is being changed.
type patch struct {
	w    width
	data []byte
}

// columns writes what rows have into blocks.
type columns struct {
	inside
	t       *table
	change  int64
	patches map[int64]*patch
	order   []int64
}

func (p *patch) grow(rows int) {
	for len(p.data) < rows*p.w.size() {
		switch p.w {
		case codes:
			p.data = append(p.data, 0, 0, 0, 0)
		case flags:
			p.data = append(p.data, 0)
		case longs:
			p.data = binary.LittleEndian.AppendUint64(p.data, 1<<63)
		case floats:
			p.data = binary.LittleEndian.AppendUint64(p.data, math.Float64bits(math.NaN()))
		}
	}
}

func (w *columns) set(c int, how width, row int64, v uint64) error {
	b, at := int(row/blockRows), int(row%blockRows)
	key := blockKey(w.t.number, c, b)
	p := w.patches[key]
	if p == nil {
		p = &patch{w: how}
		err := w.q.QueryRowContext(w.ctx, "SELECT data FROM blocks WHERE key = ?", key).Scan(&p.data)
		if err == nil {
			p.data, err = unsealed(p.data)
		} else if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		if err != nil {
			return err
		}
		w.patches[key] = p
		w.order = append(w.order, key)
	}
	p.grow(at + 1)
	switch how {
	case codes:
		binary.LittleEndian.PutUint32(p.data[at*4:], uint32(v))
	case flags:
		p.data[at] = byte(v)
	default:
		binary.LittleEndian.PutUint64(p.data[at*8:], v)
	}
	return nil
}

// row takes the values of a row, as encode made them.
func (w *columns) row(row []any, e *entity) error {
	n := e.row
	alive := uint64(2)
	if e.isGone() {
		alive = 0
	}
	writer, _ := row[4].(int64)
	last := e.last.Milli
	for _, s := range []struct {
		c int
		v uint64
	}{{colFirst, uint64(e.first.Milli)}, {colCounter, uint64(e.first.Counter)}, {colWriter, uint64(writer)}, {colLast, uint64(last)}, {colAlive, alive}} {
		if err := w.set(s.c, stampColumn(s.c), n, s.v); err != nil {
			return err
		}
	}
	for c := range w.t.cols {
		how, ok := w.t.columnar(c)
		if !ok {
			continue
		}
		v, err := w.value(c, how, row[nHead+c])
		if err == nil {
			err = w.set(c, how, n, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (w *columns) value(c int, how width, v any) (uint64, error) {
	switch how {
	case codes:
		s, ok := v.(string)
		if !ok {
			return 0, nil
		}
		code, err := w.code(c, s)
		return uint64(code), err
	case flags:
		if b, ok := v.(int64); ok {
			return uint64(b) + 1, nil
		}
		return 0, nil
	case longs:
		if n, ok := v.(int64); ok {
			return uint64(n), nil
		}
		return 1 << 63, nil
	}
	switch n := v.(type) {
	case int64:
		return math.Float64bits(float64(n)), nil
	case float64:
		return math.Float64bits(n), nil
	}
	return math.Float64bits(math.NaN()), nil
}

// textKey is a text of a column.
type textKey struct {
	t int64
	c int
	s string
}

const maxTexts = 1 << 20 // that are remembered

// code returns the code of a text, which it gets if it has none.
func (w *columns) code(c int, s string) (uint32, error) {
	k := textKey{w.t.number, c, s}
	if n, ok := w.x.texted(k); ok {
		return n, nil
	}
	var n uint32
	err := w.q.QueryRowContext(w.ctx, "SELECT n FROM texts WHERE t = ? AND c = ? AND s = ?", k.t, k.c, s).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) {
		r, rerr := w.tx.ExecContext(w.ctx, "INSERT INTO texts (t, c, s) VALUES (?, ?, ?)", k.t, k.c, s)
		if rerr != nil {
			return 0, rerr
		}
		id, rerr := r.LastInsertId()
		if rerr != nil || id > math.MaxUint32 {
			return 0, errors.Join(rerr, errRow)
		}
		n, err = uint32(id), nil
	}
	if err == nil {
		w.x.mu.Lock()
		if len(w.x.texts) > maxTexts {
			clear(w.x.texts)
		}
		w.x.texts[k] = n
		w.x.mu.Unlock()
	}
	return n, err
}

func (x *index) texted(k textKey) (uint32, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	n, ok := x.texts[k]
	return n, ok
}

// sealed is a block with its checksum after it.
func sealed(data []byte) []byte {
	return binary.LittleEndian.AppendUint32(data, crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli)))
}

func unsealed(b []byte) ([]byte, error) {
	n := len(b) - 4
	if n < 0 || binary.LittleEndian.Uint32(b[n:]) != crc32.Checksum(b[:n], crc32.MakeTable(crc32.Castagnoli)) {
		return nil, errRow
	}
	return b[:n], nil
}

// flush writes the blocks that were changed.
func (w *columns) flush() error {
	slices.Sort(w.order)
	for _, key := range w.order {
		if _, err := w.tx.ExecContext(w.ctx, "INSERT INTO blocks VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET v = excluded.v, data = excluded.data",
			key, w.change, sealed(w.patches[key].data)); err != nil {
			return err
		}
	}
	clear(w.patches)
	w.order = w.order[:0]
	return nil
}

// A column is all of a column, as it is in memory: one of the slices, by its width.
type column struct {
	w      width
	change int64 // as of which it is
	u32    []uint32
	u8     []uint8
	i64    []int64
	f64    []float64
}

func (c *column) len() int { return max(len(c.u32), len(c.u8), len(c.i64), len(c.f64)) }

func (c *column) clone() *column {
	return &column{c.w, c.change, slices.Clone(c.u32), slices.Clone(c.u8), slices.Clone(c.i64), slices.Clone(c.f64)}
}

// put takes a block in.
func (c *column) put(b int, data []byte) error {
	n, from := len(data)/c.w.size(), b*blockRows
	if n > blockRows || len(data)%c.w.size() != 0 || from > c.len() || from+n > 1<<31 {
		return errRow
	}
	switch c.w {
	case codes:
		c.u32 = slices.Grow(c.u32, max(0, from+n-len(c.u32)))[:max(len(c.u32), from+n)]
		for i := range n {
			c.u32[from+i] = binary.LittleEndian.Uint32(data[i*4:])
		}
	case flags:
		c.u8 = slices.Grow(c.u8, max(0, from+n-len(c.u8)))[:max(len(c.u8), from+n)]
		copy(c.u8[from:], data)
	case longs:
		c.i64 = slices.Grow(c.i64, max(0, from+n-len(c.i64)))[:max(len(c.i64), from+n)]
		for i := range n {
			c.i64[from+i] = int64(binary.LittleEndian.Uint64(data[i*8:]))
		}
	case floats:
		c.f64 = slices.Grow(c.f64, max(0, from+n-len(c.f64)))[:max(len(c.f64), from+n)]
		for i := range n {
			c.f64[from+i] = math.Float64frombits(binary.LittleEndian.Uint64(data[i*8:]))
		}
	}
	return nil
}

const maxCached = 512 << 20 // bytes of columns in memory, about

// column returns a column as of change, which is that of the reading q.
func (x *index) column(ctx context.Context, q queryer, change int64, t *table, c int, w width) (*column, error) {
	key := blockKey(t.number, c, 0)
	x.mu.Lock()
	have := x.cached[key]
	x.mu.Unlock()
	if have != nil && have.change == change {
		return have, nil
	}
	col := &column{w: w, change: -1}
	if have != nil && have.change < change {
		col = have
	}
	rows, err := q.QueryContext(ctx, "SELECT key, data FROM blocks WHERE key >= ? AND key < ? AND v > ? ORDER BY key", key, blockKey(t.number, c+1, 0), col.change)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	fresh := false
	for rows.Next() {
		var at int64
		var data sql.RawBytes
		if err := rows.Scan(&at, &data); err != nil {
			return nil, err
		}
		if !fresh {
			col, fresh = col.clone(), true // others read the old one
		}
		block, err := unsealed(data)
		if err == nil {
			err = col.put(int(at-key), block)
		}
		if err != nil {
			return nil, fmt.Errorf("column %d of %s: %w", c, t.schema.Kind, err)
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	if !fresh {
		same := *col // of the same bytes
		col = &same
	}
	col.change = change
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.cached)*max(col.len(), 1)*8 > maxCached {
		clear(x.cached)
	}
	if now := x.cached[key]; now == nil || now.change < change {
		x.cached[key] = col
	}
	return col, nil
}
