package records

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"varve/internal/ledger"
)

// A Row is an entity.
type Row struct {
	Kind, ID, Project string
	First, Last       time.Time // when the first and the last was said of it
	Fields            map[string]json.RawMessage
	Sets              map[string][]string // members in order
}

// Get decodes a field into v and reports whether it is set and fits.
func (r *Row) Get(name string, v any) bool {
	raw, ok := r.Fields[name]
	return ok && json.Unmarshal(raw, v) == nil
}

// Text returns a text field, "" where it is not set.
func (r *Row) Text(name string) string {
	s, _ := unquote(r.Fields[name])
	return s
}

// Number returns a number field, and whether it is set.
func (r *Row) Number(name string) (float64, bool) {
	var f float64
	raw := r.Fields[name]
	return f, len(raw) > 0 && string(raw) != "null" && json.Unmarshal(raw, &f) == nil
}

// Time returns a time field, the zero time where it is not set.
func (r *Row) Time(name string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, r.Text(name))
	if err != nil {
		return time.Time{}
	}
	return at
}

// A Query asks for the entities of one kind. All that it says must hold.
type Query struct {
	Kind    string
	Project string // "": of all
	Where   []Where
	// Text are words that the searched fields must have, all of them: "words in quotes" side by side, word* at the
	// beginning of a word, -word not.
	Text string
	// Since and Until bound TimeField, the former included; TimeField may be "first" and "last", and is "first" if empty.
	Since, Until time.Time
	TimeField    string
	Order        string // a field, or "id", "project", "first", "last"; "": by first
	Descending   bool
	Limit        int // 0: all
	Offset       int
	Measure      string // the number that Group adds up
}

// Where compares a field, or "id", "project", "first", "last", with a value.
//
// A text stands for the number, flag or time that it says, where the field is one.
//
//	=  !=        equal, not equal (or not set); nil is not set
//	< <= > >=    by the field's type; what is not set is neither
//	in           one of a slice
//	contains     a text has it in it, A to Z in either case
//	prefix       a text begins with it
//	has          a set has the member; Field is the set
type Where struct {
	Field, Op string
	Value     any
}

// ErrQuery says that a query cannot be asked.
var ErrQuery = errors.New("the query is not right")

func wrong(what string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(what, args...), ErrQuery)
}

// asking is a query as SQL.
type asking struct {
	t     *table
	kind  string
	where []string
	args  []any
}

// expr returns what SQL reads a field by, and its type; JSON where that is not known.
func (a *asking) expr(name string) (string, FieldType, error) {
	switch name {
	case nameID:
		if a.t.number == generic {
			return "substr(r.id, instr(r.id, char(0)) + 1)", Text, nil
		}
		return "r.id", Text, nil
	case nameFirst:
		return "r.fm", Time, nil
	case nameLast:
		return "coalesce(r.lm, r.fm)", Time, nil
	}
	if c, ok := a.t.names[name]; ok {
		return fmt.Sprintf("r.c%d", c), a.t.cols[c].Type, nil
	}
	if name == "" || strings.ContainsAny(name, "\"\\\x00") || !plainText(name) {
		return "", 0, wrong("field %q is not declared, and its name cannot be asked for", name)
	}
	return `json_extract(r.more, '$."` + strings.ReplaceAll(name, "'", "''") + `"')`, 0, nil
}

// stamped reports whether a time is in milliseconds, as those of stamps are.
func stamped(name string) bool { return name == nameFirst || name == nameLast }

// bind returns a value as SQL compares it with a field.
func bind(name string, t FieldType, v any) (any, error) {
	if v == nil {
		return nil, nil
	}
	if at, ok := v.(time.Time); ok {
		switch {
		case stamped(name):
			return at.UnixMilli(), nil
		case t == Time:
			return at.UnixNano(), nil
		}
		return at.Format(time.RFC3339Nano), nil
	}
	if t == JSON {
		raw, err := json.Marshal(v)
		return string(raw), err
	}
	switch r := reflect.ValueOf(v); r.Kind() {
	case reflect.String:
		switch t {
		case Number:
			f, err := strconv.ParseFloat(r.String(), 64)
			return typed(name, t, f, err == nil && f == f)
		case Flag:
			b, err := strconv.ParseBool(r.String())
			if err != nil {
				return typed(name, t, r.String(), false)
			}
			return bind(name, t, b)
		case Time:
		default:
			return typed(name, t, r.String(), t == Text || t == 0)
		}
		at, err := time.Parse(time.RFC3339Nano, r.String())
		if err != nil {
			return nil, wrong("%s is compared with %q, which is no time like 2026-11-19T14:00:00Z", name, r.String())
		}
		return bind(name, t, at)
	case reflect.Bool:
		n := int64(0)
		if r.Bool() {
			n = 1
		}
		return typed(name, t, n, t == Flag || t == 0)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return typed(name, t, r.Int(), t == Number || t == 0)
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32:
		return typed(name, t, int64(r.Uint()), t == Number || t == 0)
	case reflect.Uint64, reflect.Float32, reflect.Float64:
		f := reflect.ValueOf(float64(0)).Type()
		return typed(name, t, r.Convert(f).Float(), t == Number || t == 0)
	}
	return nil, wrong("%s cannot be compared with a value of type %T", name, v)
}

func typed(name string, t FieldType, v any, fits bool) (any, error) {
	if !fits {
		return nil, wrong("%s is %s and cannot be compared with %v", name, t, v)
	}
	return v, nil
}

// String names the type.
func (t FieldType) String() string {
	return [...]string{"anything", "text", "a number", "a time", "a flag", "JSON"}[min(int(t), int(JSON))]
}

func (a *asking) and(sql string, args ...any) {
	a.where, a.args = append(a.where, sql), append(a.args, args...)
}

func (x *index) ask(tables map[string]*table, q *Query) (*asking, error) {
	if q.Kind == "" || strings.IndexByte(q.Kind, 0) >= 0 {
		return nil, wrong("it names no kind of record")
	}
	a := &asking{t: of(tables, q.Kind), kind: q.Kind}
	a.and("r.gone IS NULL")
	if a.t.number == generic {
		a.and("r.id > ? AND r.id < ?", q.Kind+"\x00", q.Kind+"\x01")
	}
	if q.Project != "" {
		a.and("r.c0 = ?", q.Project)
	}
	for _, w := range q.Where {
		if err := a.condition(w); err != nil {
			return nil, err
		}
	}
	if !q.Since.IsZero() || !q.Until.IsZero() {
		field := q.TimeField
		if field == "" {
			field = nameFirst
		}
		if !q.Since.IsZero() {
			if err := a.condition(Where{field, ">=", q.Since}); err != nil {
				return nil, err
			}
		}
		if !q.Until.IsZero() {
			if err := a.condition(Where{field, "<", q.Until}); err != nil {
				return nil, err
			}
		}
	}
	if q.Text == "" {
		return a, nil
	}
	match, err := matching(q.Text)
	if err != nil {
		return nil, err
	}
	if len(a.t.search) == 0 {
		return nil, wrong("no field of %s is searched", q.Kind)
	}
	a.and(fmt.Sprintf("r.n IN (SELECT rowid FROM %[1]s WHERE %[1]s MATCH ?)", a.t.words()), match)
	return a, nil
}

// memberRows are the rows that have a member in a set.
const memberRows = "SELECT n FROM members WHERE t = ? AND s = ? AND m = ?"

func (a *asking) condition(w Where) error {
	if w.Op == "has" {
		member, ok := w.Value.(string)
		if !ok {
			return wrong("a member of the set %s is text, not %T", w.Field, w.Value)
		}
		a.and("r.n IN ("+memberRows+")", a.t.number, w.Field, member)
		return nil
	}
	if id, ok := w.Value.(string); ok && w.Field == nameID && (w.Op == "=" || w.Op == "==") {
		a.and("r.id = ?", a.t.key(a.kind, id))
		return nil
	}
	if w.Field == nameKind {
		return wrong("the kind is asked for by Kind")
	}
	expr, t, err := a.expr(w.Field)
	if err != nil {
		return err
	}
	switch w.Op {
	case "in":
		return a.oneOf(w, expr, t)
	case "contains", "prefix":
		s, ok := w.Value.(string)
		if !ok || t != Text && t != 0 {
			return wrong("%s is asked for text only: %s %v", w.Op, w.Field, w.Value)
		}
		if w.Op == "prefix" {
			a.and("("+expr+" >= ? AND "+expr+" < ?)", s, s+"\U0010ffff")
		} else {
			a.and(expr+` LIKE ? ESCAPE '\'`, "%"+strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`).Replace(s)+"%")
		}
		return nil
	}
	v, err := bind(w.Field, t, w.Value)
	if err != nil {
		return err
	}
	switch w.Op {
	case "=", "==":
		a.and(expr+" IS ?", v)
	case "!=":
		a.and(expr+" IS NOT ?", v)
	case "<", "<=", ">", ">=":
		a.and(expr+" "+w.Op+" ?", v)
	default:
		return wrong("there is no comparison %q", w.Op)
	}
	return nil
}

const maxIn = 1000 // values

func sliceOf(w Where) (reflect.Value, error) {
	list := reflect.ValueOf(w.Value)
	if list.Kind() != reflect.Slice {
		return list, wrong("%s is to be in a slice, not in a %T", w.Field, w.Value)
	}
	if list.Len() > maxIn {
		return list, wrong("%s is to be one of %d values where %d are allowed", w.Field, list.Len(), maxIn)
	}
	return list, nil
}

func (a *asking) oneOf(w Where, expr string, t FieldType) error {
	list, err := sliceOf(w)
	if err != nil {
		return err
	}
	if list.Len() == 0 {
		a.and("0")
		return nil
	}
	var args []any
	for i := range list.Len() {
		v, err := bind(w.Field, t, list.Index(i).Interface())
		if err != nil {
			return err
		}
		args = append(args, v)
	}
	a.and(expr+" IN ("+marks(len(args))+")", args...)
	return nil
}

func (a *asking) from() string {
	return " FROM " + a.t.rows() + " AS r WHERE " + strings.Join(a.where, " AND ")
}

// order is how the rows of a query follow one another: always the same way.
func (a *asking) order(q *Query) (string, error) {
	way := ""
	if q.Descending {
		way = " DESC"
	}
	last := "r.fm" + way + ", r.fn" + way + ", (SELECT name FROM writers AS w WHERE w.n = r.fw)" + way
	if q.Order == "" || q.Order == nameFirst {
		return " ORDER BY " + last, nil
	}
	if q.Order == nameID {
		return " ORDER BY r.id" + way, nil
	}
	expr, _, err := a.expr(q.Order)
	return " ORDER BY " + expr + way + ", " + last, err
}

func limit(q *Query) string {
	switch {
	case q.Limit > 0:
		return fmt.Sprintf(" LIMIT %d OFFSET %d", q.Limit, max(q.Offset, 0))
	case q.Offset > 0:
		return fmt.Sprintf(" LIMIT -1 OFFSET %d", q.Offset)
	}
	return ""
}

// Get returns an entity; the error is fs.ErrNotExist if there is none, or it is gone.
func (r *Records) Get(ctx context.Context, kind, id string) (row *Row, err error) {
	for found, err := range r.Find(ctx, Query{Kind: kind, Where: []Where{{nameID, "=", id}}, Limit: 1}) {
		return found, err
	}
	return nil, fmt.Errorf("%s %s: %w", kind, id, fs.ErrNotExist)
}

// Count returns how many entities a query finds; Limit and Offset do not matter.
func (r *Records) Count(ctx context.Context, q Query) (n int, err error) {
	err = r.ready(ctx, func(x *index) error {
		return x.reading(ctx, func(tx *sql.Tx) error {
			tables, err := x.load(ctx, tx)
			if err != nil {
				return err
			}
			a, err := x.ask(tables, &q)
			if err != nil {
				return err
			}
			switch {
			case a.t.number == generic, x.plain:
				return tx.QueryRowContext(ctx, "SELECT count(*)"+a.from(), a.args...).Scan(&n)
			case q.Text != "" && len(a.where) == 2: // what is gone has no words
				return tx.QueryRowContext(ctx, fmt.Sprintf("SELECT count(*) FROM %[1]s WHERE %[1]s MATCH ?", a.t.words()), a.args...).Scan(&n)
			}
			s, err := x.scanning(ctx, tx, a.t, &q)
			if err != nil {
				return err
			}
			rows, err := s.rows()
			n = len(rows)
			return err
		})
	})
	return n, err
}

// errStop says that who asked has enough.
var errStop = errors.New("stop")

// Find yields the entities that a query finds.
func (r *Records) Find(ctx context.Context, q Query) iter.Seq2[*Row, error] {
	return func(yield func(*Row, error) bool) {
		yielded := false
		err := r.ready(ctx, func(x *index) error {
			give := func(row *Row) error {
				yielded = true
				if !yield(row, nil) {
					return errStop
				}
				return nil
			}
			err := x.find(ctx, &q, give)
			if yielded && errors.Is(damage(err), errIndex) {
				r.discard(x)
				return fmt.Errorf("%v: ask again", err) // not from the start in the middle
			}
			return err
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(nil, err)
		}
	}
}

func (x *index) find(ctx context.Context, q *Query, give func(*Row) error) error {
	if x.file != "" {
		return x.findNow(ctx, q, give)
	}
	var held []*Row // the only connection is wanted for what give may ask
	if err := x.findNow(ctx, q, func(r *Row) error { held = append(held, r); return nil }); err != nil {
		return err
	}
	for _, r := range held {
		if err := give(r); err != nil {
			return err
		}
	}
	return nil
}

func (x *index) findNow(ctx context.Context, q *Query, give func(*Row) error) error {
	return x.reading(ctx, func(tx *sql.Tx) error {
		tables, err := x.load(ctx, tx)
		if err != nil {
			return err
		}
		a, err := x.ask(tables, q)
		if err != nil {
			return err
		}
		if a.t.number != generic && !x.plain {
			if done, err := x.findByColumns(ctx, tx, a.t, q, give); done || err != nil {
				return err
			}
		}
		order, err := a.order(q)
		if err != nil {
			return err
		}
		return x.yield(ctx, tx, a.t, "SELECT "+a.t.selected()+a.from()+order+limit(q), a.args, give)
	})
}

// findByColumns finds by the columns and then gets the rows. It is false, and has given none, where they do not know the
// order.
func (x *index) findByColumns(ctx context.Context, tx *sql.Tx, t *table, q *Query, give func(*Row) error) (bool, error) {
	s, err := x.scanning(ctx, tx, t, q)
	if err != nil {
		return false, err
	}
	rows, err := s.rows()
	if err != nil {
		return false, err
	}
	top := 0
	if q.Limit > 0 {
		top = max(q.Offset, 0) + q.Limit
	}
	if ok, err := s.sorted(rows, q, top); !ok || err != nil {
		return false, err
	}
	rows = rows[min(max(q.Offset, 0), len(rows)):]
	if q.Limit > 0 {
		rows = rows[:min(q.Limit, len(rows))]
	}
	for part := range slices.Chunk(rows, got) {
		by := make(map[int64]*Row, len(part))
		err := x.yieldEntities(ctx, tx, t, "SELECT "+t.selected()+" FROM "+t.rows()+" AS r WHERE r.n IN ("+numbers(part)+")", nil,
			func(e *entity) error { by[e.row] = e.shown(); return nil })
		if err != nil {
			return true, err
		}
		for _, n := range part {
			if by[int64(n)] == nil {
				return true, errRow
			}
			if err := give(by[int64(n)]); err != nil {
				return true, err
			}
		}
	}
	return true, nil
}

const got = 500 // rows that are got at once

func (t *table) selected() string { return "r." + strings.ReplaceAll(t.columns(), ", ", ", r.") }

func (x *index) yield(ctx context.Context, tx *sql.Tx, t *table, ask string, args []any, give func(*Row) error) error {
	return x.yieldEntities(ctx, tx, t, ask, args, func(e *entity) error { return give(e.shown()) })
}

// yieldEntities gives the entities of rows; one by one, for they may be all that there are.
func (x *index) yieldEntities(ctx context.Context, tx *sql.Tx, t *table, ask string, args []any, give func(*entity) error) error {
	names, err := (&scan{ctx: ctx, q: tx}).writers()
	if err != nil {
		return err
	}
	rows, err := tx.QueryContext(ctx, ask, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		row, err := scanRow(rows, t.width())
		if err != nil {
			return err
		}
		e, err := t.decode(row, known(names))
		if err != nil {
			return err
		}
		if err := give(e); err != nil {
			return err
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}

// known are writers that were read.
type known map[uint32]string

func (k known) number(string) (int64, error) { return 0, errRow }

func (k known) name(n int64) (string, error) {
	name, ok := k[uint32(n)]
	if !ok {
		return "", errRow
	}
	return name, nil
}

// shown is the entity as it is seen.
func (e *entity) shown() *Row {
	r := &Row{Kind: e.kind, ID: e.id, First: when(e.first), Last: when(e.last), Fields: make(map[string]json.RawMessage, len(e.fields)), Sets: e.members()}
	for i := range e.fields {
		if e.fields[i].name == nameProject {
			r.Project, _ = unquote(e.fields[i].raw)
			continue
		}
		r.Fields[e.fields[i].name] = e.fields[i].raw
	}
	return r
}

func when(s ledger.Stamp) time.Time { return time.UnixMilli(s.Milli).UTC() }
