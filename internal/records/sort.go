package records

import (
	"cmp"
	"slices"
	"strings"
)

// sorted puts rows in the order of a query, as far as the first top of them; ok is false if the columns do not know it.
func (s *scan) sorted(rows []uint32, q *Query, top int) (ok bool, err error) {
	var keys []func(a, b uint32) int
	if q.Order != "" && q.Order != nameFirst {
		col, _, known, err := s.at(q.Order)
		if err != nil || !known {
			return false, err
		}
		by, err := s.comparing(col, q.Order)
		if err != nil {
			return false, err
		}
		keys = append(keys, by)
	}
	var first, counter, writer *column
	for _, c := range []struct {
		to **column
		c  int
	}{{&first, colFirst}, {&counter, colCounter}, {&writer, colWriter}} {
		if *c.to, err = s.column(c.c, stampColumn(c.c)); err != nil {
			return false, err
		}
	}
	names, err := s.writers()
	if err != nil {
		return false, err
	}
	keys = append(keys, func(a, b uint32) int {
		return cmp.Or(cmp.Compare(first.i64[a], first.i64[b]), cmp.Compare(counter.u32[a], counter.u32[b]), strings.Compare(names[writer.u32[a]], names[writer.u32[b]]))
	})
	by := func(a, b uint32) int {
		for _, k := range keys {
			if c := k(a, b); c != 0 {
				if q.Descending {
					return -c
				}
				return c
			}
		}
		return 0
	}
	if top > 0 && top < len(rows)/8 {
		selectFirst(rows, top, by)
		rows = rows[:top]
	}
	slices.SortFunc(rows, by)
	return true, nil
}

// writers are the names of all writers.
func (s *scan) writers() (map[uint32]string, error) { return s.named("SELECT n, name FROM writers") }

// named are the texts that rows of (number, text) give to numbers.
func (s *scan) named(ask string, args ...any) (map[uint32]string, error) {
	rows, err := s.q.QueryContext(s.ctx, ask, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	out := map[uint32]string{}
	for rows.Next() {
		var n uint32
		var text string
		if err := rows.Scan(&n, &text); err != nil {
			return nil, err
		}
		out[n] = text
	}
	return out, rows.Err()
}

// comparing compares rows by a column; none is first, as SQL has it.
func (s *scan) comparing(col *column, name string) (func(a, b uint32) int, error) {
	switch col.w {
	case floats:
		return func(a, b uint32) int { return cmp.Compare(col.f64[a], col.f64[b]) }, nil // NaN is first
	case longs:
		return func(a, b uint32) int { return cmp.Compare(col.i64[a], col.i64[b]) }, nil
	case flags:
		return func(a, b uint32) int { return cmp.Compare(col.u8[a], col.u8[b]) }, nil
	}
	texts, err := s.texted(s.field(name))
	if err != nil {
		return nil, err
	}
	codes := slices.Collect(func(yield func(uint32) bool) {
		for n := range texts {
			if !yield(n) {
				return
			}
		}
	})
	slices.SortFunc(codes, func(a, b uint32) int { return strings.Compare(texts[a], texts[b]) })
	rank := make(map[uint32]int, len(codes))
	for i, n := range codes {
		rank[n] = i + 1
	}
	return func(a, b uint32) int { return cmp.Compare(rank[col.u32[a]], rank[col.u32[b]]) }, nil
}

// texted are the texts of a column by their codes.
func (s *scan) texted(c int) (map[uint32]string, error) {
	return s.named("SELECT n, s FROM texts WHERE t = ? AND c = ?", s.t.number, c)
}

// selectFirst moves the first n rows in order before the others: quickselect.
func selectFirst(rows []uint32, n int, by func(a, b uint32) int) {
	lo, hi := 0, len(rows)-1
	for lo < hi {
		p := rows[lo+(hi-lo)/2]
		i, j := lo, hi
		for i <= j {
			for by(rows[i], p) < 0 {
				i++
			}
			for by(rows[j], p) > 0 {
				j--
			}
			if i <= j {
				rows[i], rows[j] = rows[j], rows[i]
				i++
				j--
			}
		}
		switch {
		case n <= j:
			hi = j
		case n >= i:
			lo = i
		default:
			return
		}
	}
}
