package records

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
)

// A scan answers a query by the columns of a table, as one reading of the index has them.
type scan struct {
	ctx    context.Context
	x      *index
	q      queryer
	t      *table
	change int64
	rest   []Where // conditions that the columns do not answer
	tests  []test
	only   []uint32 // if not nil, the only rows that there are to look at, in order
}

// A test says which rows to keep. That a code is one of a column is what is asked most, and is a loop of its own.
type test struct {
	holds func(i uint32) bool
	codes []uint32
	code  uint32
}

func (t *test) keep(rows []uint32) []uint32 {
	n := 0
	if t.holds == nil {
		for _, i := range rows {
			if t.codes[i] == t.code {
				rows[n] = i
				n++
			}
		}
		return rows[:n]
	}
	for _, i := range rows {
		if t.holds(i) {
			rows[n] = i
			n++
		}
	}
	return rows[:n]
}

func (s *scan) test(holds func(i uint32) bool) { s.tests = append(s.tests, test{holds: holds}) }

// at returns the column by which a field is known; ok is false if there is none.
func (s *scan) at(name string) (col *column, t FieldType, ok bool, err error) {
	c, how := 0, longs
	switch name {
	case nameFirst:
		c, t = colFirst, Time
	case nameLast:
		c, t = colLast, Time
	default:
		if c, ok = s.t.names[name]; !ok {
			return nil, 0, false, nil
		}
		t = s.t.cols[c].Type
		if how, ok = s.t.columnar(c); !ok {
			return nil, t, false, nil
		}
	}
	col, err = s.column(c, how)
	return col, t, true, err
}

// column returns a column, which must be as long as all are.
func (s *scan) column(c int, w width) (*column, error) {
	alive, err := s.x.column(s.ctx, s.q, s.change, s.t, colAlive, flags)
	if err != nil || c == colAlive {
		return alive, err
	}
	col, err := s.x.column(s.ctx, s.q, s.change, s.t, c, w)
	if err == nil && col.len() != alive.len() {
		err = errRow
	}
	return col, err
}

// field is the number of a declared field's column.
func (s *scan) field(name string) int { return s.t.names[name] }

// scanning prepares a query for the columns. ok is false where they cannot answer any of it.
func (x *index) scanning(ctx context.Context, q queryer, t *table, query *Query) (*scan, error) {
	s := &scan{ctx: ctx, x: x, q: q, t: t}
	if err := q.QueryRowContext(ctx, "SELECT v FROM meta WHERE k = 'change'").Scan(&s.change); err != nil {
		return nil, unusable(err)
	}
	where := slices.Clone(query.Where)
	if query.Project != "" {
		where = append(where, Where{nameProject, "=", query.Project})
	}
	field := cmp.Or(query.TimeField, nameFirst)
	if !query.Since.IsZero() {
		where = append(where, Where{field, ">=", query.Since})
	}
	if !query.Until.IsZero() {
		where = append(where, Where{field, "<", query.Until})
	}
	for _, w := range where {
		if err := s.condition(w); err != nil {
			return nil, err
		}
	}
	if query.Text == "" {
		return s, nil
	}
	match, err := matching(query.Text)
	if err != nil {
		return nil, err
	}
	if len(t.search) == 0 {
		return nil, wrong("no field of %s is searched", query.Kind)
	}
	return s, s.among(fmt.Sprintf("SELECT rowid FROM %[1]s WHERE %[1]s MATCH ?", t.words()), match)
}

// among leaves only the rows whose numbers a statement yields.
func (s *scan) among(ask string, args ...any) error {
	rows, err := s.q.QueryContext(s.ctx, ask, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	only := []uint32{}
	var n int64
	to := []any{&n}
	for rows.Next() {
		if err := rows.Scan(to...); err != nil {
			return err
		}
		if n < 0 || n > math.MaxInt32 {
			return errRow
		}
		only = append(only, uint32(n))
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	slices.Sort(only)
	if s.only == nil {
		s.only = only
		return nil
	}
	s.only = slices.DeleteFunc(s.only, func(i uint32) bool { _, in := slices.BinarySearch(only, i); return !in })
	return nil
}

// condition makes a test of a condition, or leaves it for later.
func (s *scan) condition(w Where) error {
	a := &asking{t: s.t, kind: s.t.schema.Kind}
	if w.Op == "has" || w.Field == nameID && w.Op != "!=" {
		if err := a.condition(w); err != nil {
			return err
		}
		if w.Op == "has" {
			return s.among(memberRows, a.args...)
		}
		return s.among("SELECT r.n FROM "+s.t.rows()+" AS r WHERE "+a.where[0], a.args...)
	}
	col, t, ok, err := s.at(w.Field)
	if err != nil {
		return err
	}
	if !ok {
		s.rest = append(s.rest, w)
		return a.condition(w) // that it is not right is told now
	}
	if col.w == codes {
		return s.texts(w, col)
	}
	values := []any{w.Value}
	if w.Op == "in" {
		if values, err = listed(w); err != nil {
			return err
		}
	}
	for i, v := range values {
		if values[i], err = bind(w.Field, t, v); err != nil {
			return err
		}
	}
	return s.numbers(w, col, values)
}

// texts tests by the codes of the texts for which a condition holds.
func (s *scan) texts(w Where, col *column) error {
	not := w.Op == "!="
	if not {
		w.Op = "="
	}
	good := map[uint32]bool{}
	none := w.Value == nil && w.Op == "="
	if none {
		good[0] = true
	} else {
		a := &asking{t: s.t, kind: s.t.schema.Kind}
		if err := a.condition(w); err != nil {
			return err
		}
		sql := strings.ReplaceAll(a.where[0], fmt.Sprintf("r.c%d", s.field(w.Field)), "s")
		codes, err := s.codes(sql, s.field(w.Field), a.args)
		if err != nil {
			return err
		}
		for _, n := range codes {
			good[n] = true
		}
	}
	u := col.u32
	switch {
	case len(good) == 1:
		for n := range good {
			if not {
				s.test(func(i uint32) bool { return u[i] != n })
			} else {
				s.tests = append(s.tests, test{codes: u, code: n})
			}
		}
	case len(good) == 0:
		s.test(func(uint32) bool { return not })
	default:
		top := slices.Max(slices.Collect(keysOf(good)))
		if top > 1<<24 {
			s.test(func(i uint32) bool { return good[u[i]] != not })
			return nil
		}
		flat := make([]bool, top+1)
		for n := range good {
			flat[n] = true
		}
		s.test(func(i uint32) bool { n := u[i]; return (n <= top && flat[n]) != not })
	}
	return nil
}

func keysOf(m map[uint32]bool) func(func(uint32) bool) {
	return func(yield func(uint32) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func (s *scan) codes(cond string, c int, args []any) ([]uint32, error) {
	rows, err := s.q.QueryContext(s.ctx, "SELECT n FROM texts WHERE t = ? AND c = ? AND "+cond, append([]any{s.t.number, c}, args...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []uint32
	for rows.Next() {
		var n uint32
		if err := rows.Scan(&n); err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, rows.Err()
}

// numbers tests by values: of flags, times and numbers, none of which is what stands for none.
func (s *scan) numbers(w Where, col *column, values []any) error {
	get, none := col.number()
	as := func(v any) (float64, int64, bool) {
		switch v := v.(type) {
		case int64:
			if col.w == flags {
				v++
			}
			return float64(v), v, true
		case float64:
			return v, int64(v), true
		}
		return 0, 0, false
	}
	switch w.Op {
	case "in":
		whole, part := map[int64]bool{}, map[float64]bool{}
		for _, v := range values {
			if f, n, ok := as(v); ok {
				whole[n], part[f] = true, true
			}
		}
		if col.w == floats {
			s.test(func(i uint32) bool { return part[col.f64[i]] })
		} else {
			s.test(func(i uint32) bool { return !none(i) && whole[get(i)] })
		}
		return nil
	case "=", "==", "!=", "<", "<=", ">", ">=":
	default:
		a := &asking{t: s.t, kind: s.t.schema.Kind}
		return a.condition(w) // why not
	}
	f, n, ok := as(values[0])
	if !ok && w.Op != "=" && w.Op != "==" && w.Op != "!=" {
		s.test(func(uint32) bool { return false })
		return nil
	}
	if !ok {
		s.test(func(i uint32) bool { return none(i) == (w.Op != "!=") })
		return nil
	}
	if col.w == floats {
		s.test(compareFloats(w.Op, col.f64, f))
		return nil
	}
	s.test(compareLongs(w.Op, get, none, n))
	return nil
}

func compareFloats(op string, v []float64, f float64) func(uint32) bool {
	switch op { // NaN is less than nothing, and nothing's equal
	case "<":
		return func(i uint32) bool { return v[i] < f }
	case "<=":
		return func(i uint32) bool { return v[i] <= f }
	case ">":
		return func(i uint32) bool { return v[i] > f }
	case ">=":
		return func(i uint32) bool { return v[i] >= f }
	case "!=":
		return func(i uint32) bool { return v[i] != f }
	}
	return func(i uint32) bool { return v[i] == f }
}

func compareLongs(op string, get func(uint32) int64, none func(uint32) bool, n int64) func(uint32) bool {
	switch op {
	case "<":
		return func(i uint32) bool { return get(i) < n && !none(i) }
	case "<=":
		return func(i uint32) bool { return get(i) <= n && !none(i) }
	case ">":
		return func(i uint32) bool { return get(i) > n && !none(i) }
	case ">=":
		return func(i uint32) bool { return get(i) >= n && !none(i) }
	case "!=":
		return func(i uint32) bool { return none(i) || get(i) != n }
	}
	return func(i uint32) bool { return !none(i) && get(i) == n }
}

// number returns how to read a column that is no text, and what of it is none.
func (c *column) number() (get func(uint32) int64, none func(uint32) bool) {
	switch c.w {
	case flags:
		return func(i uint32) int64 { return int64(c.u8[i]) }, func(i uint32) bool { return c.u8[i] == 0 }
	case floats:
		return func(i uint32) int64 { return int64(c.f64[i]) }, func(i uint32) bool { return c.f64[i] != c.f64[i] }
	case longs:
		return func(i uint32) int64 { return c.i64[i] }, func(i uint32) bool { return c.i64[i] == none64 }
	}
	return func(i uint32) int64 { return int64(c.u32[i]) }, func(i uint32) bool { return c.u32[i] == 0 }
}

// rows returns the numbers of the rows for which all tests hold, ascending.
func (s *scan) rows() ([]uint32, error) {
	alive, err := s.column(colAlive, flags)
	if err != nil {
		return nil, err
	}
	var rows []uint32
	if s.only != nil {
		for _, i := range s.only {
			if int(i) < alive.len() && alive.u8[i] == 2 {
				rows = append(rows, i)
			}
		}
	} else {
		rows = make([]uint32, alive.len())
		n := 0
		for i, is := range alive.u8 {
			rows[n] = uint32(i)
			if is == 2 {
				n++
			}
		}
		rows = rows[:n]
	}
	for i := range s.tests {
		rows = s.tests[i].keep(rows)
	}
	return s.others(rows)
}

// others leaves the rows for which the conditions hold that the columns do not know.
func (s *scan) others(rows []uint32) ([]uint32, error) {
	if len(s.rest) == 0 || len(rows) == 0 {
		return rows, nil
	}
	a := &asking{t: s.t, kind: s.t.schema.Kind}
	for _, w := range s.rest {
		if err := a.condition(w); err != nil {
			return nil, err
		}
	}
	if len(rows) > 20_000 { // all at once is quicker
		in := *s
		in.only = nil
		if err := in.among("SELECT r.n"+a.from(), a.args...); err != nil {
			return nil, err
		}
		return slices.DeleteFunc(rows, func(i uint32) bool { _, ok := slices.BinarySearch(in.only, i); return !ok }), nil
	}
	var out []uint32
	for part := range slices.Chunk(rows, asked) {
		in := *s
		in.only = nil
		if err := in.among("SELECT r.n"+a.from()+" AND r.n IN ("+numbers(part)+")", a.args...); err != nil {
			return nil, err
		}
		out = append(out, in.only...)
	}
	return out, nil
}

func numbers(part []uint32) string {
	var b strings.Builder
	for i, n := range part {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprint(&b, n)
	}
	return b.String()
}

// listed are the values of "in".
func listed(w Where) ([]any, error) {
	list, err := sliceOf(w)
	if err != nil {
		return nil, err
	}
	out := make([]any, list.Len())
	for i := range out {
		out[i] = list.Index(i).Interface()
	}
	return out, nil
}

// reading does fn within one view of the index.
func (x *index) reading(ctx context.Context, fn func(tx *sql.Tx) error) error {
	tx, err := x.db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	return errors.Join(fn(tx), tx.Rollback())
}
