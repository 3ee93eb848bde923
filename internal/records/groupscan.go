package records

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"time"
)

// A ranking numbers the values that a field has in rows, from 0, in any order.
type ranking struct {
	of   []uint32 // rows
	keys []any    // by number, as SQL gives them
}

// dense is the most values that are numbered through an array.
const dense = 1 << 20

// rank numbers a field of rows; ok is false if it is no column.
func (s *scan) rank(rows []uint32, name string) (r ranking, g grouped, ok bool, err error) {
	field, step, offset, cut := bucket(name)
	col, t, ok, err := s.at(field)
	if err != nil || !ok {
		return r, g, false, err
	}
	g = grouped{typ: t, milli: stamped(field)}
	if cut && t != Time {
		return r, g, false, wrong("%s is no time", field)
	}
	if g.milli {
		step, offset = step/int64(time.Millisecond), offset/int64(time.Millisecond)
	}
	switch col.w {
	case codes:
		texts, err := s.texted(s.field(field))
		if err != nil {
			return r, g, false, err
		}
		r = rankCodes(rows, col.u32, func(v uint32) any {
			if v == 0 {
				return nil
			}
			return texts[v]
		})
	case flags:
		r = rankLongs(rows, func(i uint32) int64 { return int64(col.u8[i]) }, func(v int64) any {
			if v == 0 {
				return nil
			}
			return v - 1
		})
	case longs:
		get := func(i uint32) int64 { return col.i64[i] }
		if cut {
			get = func(i uint32) int64 {
				v := col.i64[i]
				if v == none64 {
					return none64
				}
				return v - ((v-offset)%step+step)%step
			}
		}
		r = rankLongs(rows, get, func(v int64) any {
			if v == none64 {
				return nil
			}
			return v
		})
	default:
		r = rankLongs(rows, func(i uint32) int64 {
			f := col.f64[i]
			if n := int64(f); float64(n) == f && n >= 0 && n < dense { // most are few
				return n - dense
			}
			return int64(math.Float64bits(f) ^ 1<<63)
		}, func(v int64) any {
			if v >= -dense && v < 0 {
				return float64(v + dense)
			}
			f := math.Float64frombits(uint64(v) ^ 1<<63)
			if f != f {
				return nil
			}
			return f
		})
	}
	return r, g, true, nil
}

// rankLongs numbers values: through an array where they lie close together.
func rankLongs(rows []uint32, get func(uint32) int64, key func(int64) any) ranking {
	r := ranking{of: make([]uint32, len(rows))}
	values := make([]int64, len(rows))
	low, high := int64(math.MaxInt64), int64(math.MinInt64)
	for k, i := range rows {
		v := get(i)
		values[k] = v
		low, high = min(low, v), max(high, v)
	}
	if len(rows) > 0 && uint64(high)-uint64(low) < dense {
		at := make([]uint32, high-low+1)
		for k, v := range values {
			v -= low
			if at[v] == 0 {
				r.keys = append(r.keys, key(v+low))
				at[v] = uint32(len(r.keys))
			}
			r.of[k] = at[v] - 1
		}
		return r
	}
	at := map[int64]uint32{}
	last, number := int64(0), uint32(0)
	for k, v := range values {
		if number == 0 || v != last {
			if last, number = v, at[v]; number == 0 {
				r.keys = append(r.keys, key(v))
				number = uint32(len(r.keys))
				at[v] = number
			}
		}
		r.of[k] = number - 1
	}
	return r
}

// rankCodes is rankLongs of codes.
func rankCodes(rows, codes []uint32, key func(uint32) any) ranking {
	top := uint32(0)
	for _, i := range rows {
		top = max(top, codes[i])
	}
	if top >= dense {
		return rankLongs(rows, func(i uint32) int64 { return int64(codes[i]) }, func(v int64) any { return key(uint32(v)) })
	}
	r := ranking{of: make([]uint32, len(rows))}
	at := make([]uint32, top+1)
	for k, i := range rows {
		v := codes[i]
		if at[v] == 0 {
			r.keys = append(r.keys, key(v))
			at[v] = uint32(len(r.keys))
		}
		r.of[k] = at[v] - 1
	}
	return r
}

// sums are of one group.
type sums struct {
	count, measured int
	sum, min, max   float64
	lost            float64 // what the sum lost in rounding
}

func (s *sums) add(f float64) {
	if f != f {
		return
	}
	if s.measured == 0 {
		s.min, s.max = f, f
	}
	s.measured++
	sum := s.sum + f
	if math.Abs(s.sum) >= math.Abs(f) { // Neumaier, as SQLite does
		s.lost += s.sum - sum + f
	} else {
		s.lost += f - sum + s.sum
	}
	s.sum = sum
	s.min, s.max = min(s.min, f), max(s.max, f)
}

// group groups by columns; ok is false if a field is none.
func (s *scan) group(q *Query, by []string) (out []Group, ok bool, err error) {
	var measure *column
	if q.Measure != "" {
		col, t, known, err := s.at(q.Measure)
		if err != nil || !known || t != Number {
			return nil, false, err
		}
		measure = col
	}
	rows, err := s.rows()
	if err != nil {
		return nil, false, err
	}
	var keys []grouped
	all := ranking{of: make([]uint32, len(rows)), keys: []any{nil}}
	var parts [][]uint32 // by the number of all: the numbers of each field
	var fields []ranking
	for n, name := range by {
		r, g, ok, err := s.rank(rows, name)
		if err != nil || !ok {
			return nil, false, err
		}
		keys, fields = append(keys, g), append(fields, r)
		if n == 0 {
			all.of, parts = r.of, make([][]uint32, len(r.keys))
			for i := range parts {
				parts[i] = []uint32{uint32(i)}
			}
			continue
		}
		joined := rankPairs(all.of, r.of, len(r.keys))
		next := make([][]uint32, len(joined.keys))
		for i, k := range joined.keys {
			pair, _ := k.(int64)
			next[i] = append(slices.Clone(parts[pair/int64(len(r.keys))]), uint32(pair%int64(len(r.keys))))
		}
		all.of, parts = joined.of, next
	}
	groups := make([]sums, len(parts))
	for k, n := range all.of {
		groups[n].count++
		if measure != nil {
			groups[n].add(measure.f64[rows[k]])
		}
	}
	for i, g := range groups {
		if !math.IsInf(g.lost, 0) && g.lost == g.lost {
			g.sum += g.lost
		}
		group := Group{Count: g.count, Measured: g.measured, Sum: g.sum, Min: g.min, Max: g.max}
		if g.measured > 0 {
			group.Mean = g.sum / float64(g.measured)
		}
		for f, n := range parts[i] {
			group.Key = append(group.Key, fields[f].keys[n])
		}
		out = append(out, group)
	}
	return finish(out, keys, q), true, nil
}

// rankPairs numbers pairs of numbers.
func rankPairs(a, b []uint32, nb int) ranking {
	rows := make([]uint32, len(a))
	for i := range rows {
		rows[i] = uint32(i)
	}
	return rankLongs(rows, func(i uint32) int64 { return int64(a[i])*int64(nb) + int64(b[i]) }, func(v int64) any { return v })
}

// finish orders groups as SQL would, and makes their keys what callers see.
func finish(out []Group, keys []grouped, q *Query) []Group {
	slices.SortFunc(out, func(a, b Group) int {
		c := 0
		if q.Order == ByCount {
			if c = cmp.Compare(a.Count, b.Count); q.Descending {
				c = -c
			}
			if c != 0 {
				return c
			}
		}
		for i := range a.Key {
			if c = compareKeys(a.Key[i], b.Key[i]); c != 0 {
				break
			}
		}
		if q.Descending && q.Order != ByCount {
			return -c
		}
		return c
	})
	out = out[min(max(q.Offset, 0), len(out)):]
	if q.Limit > 0 {
		out = out[:min(q.Limit, len(out))]
	}
	for i := range out {
		for k := range keys {
			out[i].Key[k] = keyOf(keys[k], out[i].Key[k])
		}
	}
	return out
}

// compareKeys compares values as SQLite orders them.
func compareKeys(a, b any) int {
	switch a := a.(type) {
	case nil:
		if b == nil {
			return 0
		}
		return -1
	case int64:
		if b, ok := b.(int64); ok {
			return cmp.Compare(a, b)
		}
	case float64:
		if b, ok := b.(float64); ok {
			return cmp.Compare(a, b)
		}
	case string:
		if b, ok := b.(string); ok {
			return strings.Compare(a, b)
		}
	case json.RawMessage:
	}
	return 1
}
