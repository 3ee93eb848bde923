package records

import (
	"cmp"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"varve/internal/ledger"
)

// batch is what segments say, merged by entity.
type batch struct {
	segments []string
	entities []*entity // in the order in which they first come
	last     ledger.Stamp
	by       map[entityKey]*entity
}

type entityKey struct{ kind, id string }

// gather takes in the records of a segment.
func (b *batch) gather(segment string, records []ledger.Record) {
	b.segments = append(b.segments, segment)
	if b.by == nil {
		b.by = make(map[entityKey]*entity, len(records))
	}
	block := make([]entity, 0, min(len(records), 256))
	for i := range records {
		r := &records[i]
		e := b.by[entityKey{r.Type, r.ID}]
		if e == nil {
			if len(block) == cap(block) {
				block = make([]entity, 0, 256)
			}
			block = append(block, entity{kind: r.Type, id: r.ID})
			e = &block[len(block)-1]
			b.by[entityKey{r.Type, r.ID}] = e
			b.entities = append(b.entities, e)
		}
		e.apply(r)
		if r.At.Compare(b.last) > 0 {
			b.last = r.At
		}
	}
}

// add takes a batch into the index, unless all of it is there.
func (x *index) add(ctx context.Context, b *batch) error {
	return x.write(ctx, func(ctx context.Context, tx *transaction) error {
		fresh := 0
		for _, id := range b.segments {
			r, err := tx.ExecContext(ctx, "INSERT INTO segments VALUES (?) ON CONFLICT DO NOTHING", id)
			if err != nil {
				return err
			}
			n, err := r.RowsAffected()
			if err != nil {
				return err
			}
			fresh += int(n)
		}
		if fresh == 0 {
			return nil // another process was quicker; what is said twice says nothing new
		}
		tables, err := x.load(ctx, tx)
		if err != nil {
			return err
		}
		for t, all := range b.tables(tables) {
			w := &writing{inside: inside{ctx, x, tx, tx}, t: t}
			if err := w.merge(all); err != nil {
				return err
			}
		}
		return remember(ctx, tx, b.last)
	})
}

// tables are the entities by the table that they go into.
func (b *batch) tables(tables map[string]*table) map[*table][]*entity {
	out := map[*table][]*entity{}
	for _, e := range b.entities {
		t := of(tables, e.kind)
		out[t] = append(out[t], e)
	}
	return out
}

// remember notes the latest stamp.
func remember(ctx context.Context, tx *transaction, last ledger.Stamp) error {
	var s ledger.Stamp
	if err := tx.QueryRowContext(ctx, "SELECT (SELECT v FROM meta WHERE k = 'ms'), (SELECT v FROM meta WHERE k = 'n')").Scan(&s.Milli, &s.Counter); err != nil {
		return unusable(err)
	}
	if last.Compare(s) <= 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, "UPDATE meta SET v = CASE k WHEN 'ms' THEN ? ELSE ? END WHERE k IN ('ms', 'n')", last.Milli, last.Counter)
	return err
}

// writing puts entities into one table.
type writing struct {
	inside
	t *table
}

const asked = 100 // ids that are looked up at once

// merge puts entities into the table, with what is there of them.
func (w *writing) merge(all []*entity) error {
	passes, err := w.sieve(len(all))
	if err != nil {
		return err
	}
	var fresh, maybe, known []*entity
	for _, e := range all {
		if passes != nil && !passes.may(w.t.key(e.kind, e.id)) {
			fresh = append(fresh, e)
		} else {
			maybe = append(maybe, e)
		}
	}
	for part := range slices.Chunk(maybe, asked) {
		if err := w.tx.done(); err != nil {
			return err
		}
		there, err := w.find(part)
		if err != nil {
			return err
		}
		for _, e := range part {
			old := there[w.t.key(e.kind, e.id)]
			if old == nil {
				fresh = append(fresh, e)
				continue
			}
			old.merge(e)
			known = append(known, old)
		}
	}
	var last sql.NullInt64 // before any is taken out, to be put in again by its number
	if err := w.tx.QueryRowContext(w.ctx, "SELECT max(n) FROM "+w.t.rows()).Scan(&last); err != nil {
		return err
	}
	for i, e := range fresh {
		e.row = last.Int64 + int64(i) + 1
	}
	if err := w.remove(known); err != nil {
		return err
	}
	return w.insert(append(known, fresh...))
}

// find returns what the table has of entities, by key.
func (w *writing) find(all []*entity) (map[string]*entity, error) {
	out := map[string]*entity{}
	args := make([]any, len(all))
	for i, e := range all {
		args[i] = w.t.key(e.kind, e.id)
	}
	rows, err := w.tx.QueryContext(w.ctx, "SELECT "+w.t.columns()+" FROM "+w.t.rows()+" WHERE id IN ("+marks(len(args))+")", args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var found [][]any
	for rows.Next() {
		row, err := scanRow(rows, w.t.width())
		if err != nil {
			return nil, err
		}
		found = append(found, row)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	for _, row := range found {
		e, err := w.t.decode(row, w)
		if err != nil {
			return nil, err
		}
		out[w.t.key(e.kind, e.id)] = e
	}
	return out, nil
}

func scanRow(rows *sql.Rows, n int) ([]any, error) {
	row, to := make([]any, n), make([]any, n)
	for i := range row {
		to[i] = &row[i]
	}
	return row, rows.Scan(to...)
}

func marks(n int) string { return strings.Repeat("?,", n-1) + "?" }

// remove takes rows out, to be put in again.
func (w *writing) remove(all []*entity) error {
	for part := range slices.Chunk(all, asked) {
		args := make([]any, len(part))
		for i, e := range part {
			args[i] = e.row
		}
		for _, from := range []string{w.t.rows() + " WHERE n", "members WHERE t = " + fmt.Sprint(w.t.number) + " AND n"} {
			if _, err := w.tx.ExecContext(w.ctx, "DELETE FROM "+from+" IN ("+marks(len(args))+")", args...); err != nil {
				return err
			}
		}
		if len(w.t.search) > 0 {
			if _, err := w.tx.ExecContext(w.ctx, "DELETE FROM "+w.t.words()+" WHERE rowid IN ("+marks(len(args))+")", args...); err != nil {
				return err
			}
		}
	}
	return nil
}

// rowsAtOnce are encoded while those before are inserted.
const rowsAtOnce = 256

// lot is what some entities have to be inserted: values for rows, words and members, one row after the other.
type lot struct {
	rows, words, members []any
	err                  error
}

// insert puts rows with numbers in. They are encoded by another goroutine; the transaction is one that both may use.
func (w *writing) insert(all []*entity) error {
	cols := &columns{inside: w.inside, t: w.t, patches: map[int64]*patch{}}
	if err := w.tx.QueryRowContext(w.ctx, "UPDATE meta SET v = v + 1 WHERE k = 'change' RETURNING v").Scan(&cols.change); err != nil {
		return unusable(err)
	}
	rows := &many{tx: w.tx, into: w.t.rows(), cols: strings.Split(w.t.columns(), ", ")}
	words := &many{tx: w.tx, into: w.t.words(), cols: w.searched()}
	members := &many{tx: w.tx, into: "members", cols: []string{"t", "s", "m", "n"}}
	defer func() { rows.close(); words.close(); members.close() }()
	if err := w.lots(all, cols, func(l *lot) error {
		if err := cmp.Or(l.err, w.tx.done()); err != nil {
			return err
		}
		if err := rows.insert(l.rows); err != nil {
			return err
		}
		if err := words.insert(l.words); err != nil {
			return err
		}
		return members.insert(l.members)
	}); err != nil {
		return err
	}
	w.sift(all, cols.change)
	return cols.flush()
}

// lots encodes entities and gives them to put, in order.
func (w *writing) lots(all []*entity, cols *columns, put func(*lot) error) error {
	if len(all) <= rowsAtOnce {
		return put(w.lot(all, cols))
	}
	lots, stop, stopped := make(chan *lot, 4), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		defer close(lots)
		for part := range slices.Chunk(all, rowsAtOnce) {
			l := w.lot(part, cols)
			select {
			case lots <- l:
			case <-stop:
				return
			}
			if l.err != nil {
				return
			}
		}
	}()
	defer func() { close(stop); <-stopped }() // it uses the transaction
	for l := range lots {
		if err := put(l); err != nil {
			return err
		}
	}
	return nil
}

func (w *writing) lot(all []*entity, cols *columns) *lot {
	l := &lot{rows: make([]any, 0, len(all)*w.t.width())}
	if len(w.t.search) > 0 {
		l.words = make([]any, 0, len(all)*(1+len(w.t.search)))
	}
	for _, e := range all {
		at := len(l.rows)
		if l.rows, l.err = w.t.encode(e, w, l.rows); l.err != nil {
			return l
		}
		if w.t.number != generic {
			if l.err = cols.row(l.rows[at:], e); l.err != nil {
				return l
			}
		}
		if !e.isGone() {
			l.words = w.spell(l.rows[at:], l.words)
		}
		for set, names := range e.members() {
			for _, name := range names {
				l.members = append(l.members, w.t.number, set, name, e.row)
			}
		}
	}
	return l
}

func (w *writing) searched() []string {
	out := []string{"rowid"}
	for _, c := range w.t.search {
		out = append(out, fmt.Sprintf("c%d", c))
	}
	return out
}

// spell appends a row's words, if it has any.
func (w *writing) spell(row, to []any) []any {
	some := false
	for _, c := range w.t.search {
		s, ok := row[nHead+c].(string)
		some = some || ok && s != ""
	}
	if !some {
		return to
	}
	to = append(to, row[0])
	for _, c := range w.t.search {
		s, _ := row[nHead+c].(string)
		to = append(to, spell(s))
	}
	return to
}

// many inserts many rows by prepared statements, one row at a time: of several at once SQLite must be able to take back
// all, for which it writes out the index of words each time. There is a statement for each set of columns that rows
// have, without those that are NULL: the driver looks for each value among all of them.
type many struct {
	tx    *transaction
	into  string
	cols  []string
	of    map[uint64]driver.Stmt // by the columns, a bit each
	given []driver.NamedValue
}

const maxShapes = 32 // statements that are prepared; rows of other shapes give all columns

// insert inserts rows. It does not stop when ctx is done: the driver would start a goroutine for each row to see that.
func (m *many) insert(args []any) error {
	if len(args) == 0 {
		return nil
	}
	return m.tx.Raw(func(c any) error {
		for ; len(args) > 0; args = args[len(m.cols):] {
			row := args[:len(m.cols)]
			one, shape, err := m.statement(c.(driver.ConnPrepareContext), shapeOf(row))
			if err != nil {
				return err
			}
			m.given = m.given[:0]
			for i, v := range row {
				if shape == allColumns || shape>>i&1 != 0 {
					m.given = append(m.given, driver.NamedValue{Ordinal: len(m.given) + 1, Value: v})
				}
			}
			if _, err := one.(driver.StmtExecContext).ExecContext(context.Background(), m.given); err != nil {
				return err
			}
		}
		return nil
	})
}

const allColumns = 1<<64 - 1

// shapeOf has a bit for each value that is not NULL.
func shapeOf(row []any) (shape uint64) {
	if len(row) >= 64 {
		return allColumns
	}
	for i, v := range row {
		if v != nil {
			shape |= 1 << i
		}
	}
	return shape
}

// statement returns the statement for rows of a shape, or of all columns.
func (m *many) statement(c driver.ConnPrepareContext, shape uint64) (driver.Stmt, uint64, error) {
	if one := m.of[shape]; one != nil {
		return one, shape, nil
	}
	if len(m.of) >= maxShapes && shape != allColumns {
		return m.statement(c, allColumns)
	}
	var cols []string
	for i, name := range m.cols {
		if shape == allColumns || shape>>i&1 != 0 {
			cols = append(cols, name)
		}
	}
	one, err := c.PrepareContext(context.Background(), "INSERT INTO "+m.into+" ("+strings.Join(cols, ", ")+") VALUES ("+marks(len(cols))+")")
	if err != nil {
		return nil, 0, err
	}
	if m.of == nil {
		m.of = map[uint64]driver.Stmt{}
	}
	m.of[shape] = one
	return one, shape, nil
}

func (m *many) close() {
	_ = m.tx.Raw(func(any) error { // the transaction is what counts
		for _, one := range m.of {
			_ = one.Close()
		}
		return nil
	})
}

// declare makes the tables of schemas, and makes anew those whose schema is another: what the old ones hold goes over.
func (x *index) declare(ctx context.Context, schemas []Schema) error {
	tables, err := x.load(ctx, x.db)
	if err != nil {
		return err
	}
	var changed []Schema
	for _, s := range schemas {
		hash, err := s.hash()
		if err != nil {
			return err
		}
		if t := tables[s.Kind]; t == nil || t.hash != hash {
			changed = append(changed, s)
		}
	}
	if len(changed) == 0 {
		return nil
	}
	return x.write(ctx, func(ctx context.Context, tx *transaction) error {
		for _, s := range changed {
			if err := x.redeclare(ctx, tx, s); err != nil {
				return fmt.Errorf("declare %s: %w", s.Kind, err)
			}
			if err := run(ctx, tx, "UPDATE meta SET v = v + 1 WHERE k = 'generation'"); err != nil {
				return err
			}
		}
		return nil
	})
}

func (x *index) redeclare(ctx context.Context, tx *transaction, s Schema) error {
	tables, err := x.load(ctx, tx)
	if err != nil {
		return err
	}
	old := of(tables, s.Kind)
	hash, err := s.hash()
	if err != nil || old.hash == hash {
		return err
	}
	text, err := json.Marshal(&s)
	if err != nil {
		return err
	}
	if err := run(ctx, tx, "DELETE FROM kinds WHERE n = "+fmt.Sprint(old.number)); err != nil {
		return err
	}
	var last int64
	if err := tx.QueryRowContext(ctx, "SELECT coalesce((SELECT v FROM meta WHERE k = 'table'), 0)").Scan(&last); err != nil {
		return err
	}
	now, err := newTable(last+1, s)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO kinds VALUES (?, ?, ?)", now.number, s.Kind, string(text)); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO meta VALUES ('table', ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v", now.number); err != nil {
		return err
	}
	if err := run(ctx, tx, now.create()...); err != nil {
		return err
	}
	if err := x.move(ctx, tx, old, now); err != nil {
		return err
	}
	if old.number != generic {
		if err := run(ctx, tx, old.drop()...); err != nil {
			return err
		}
	}
	return nil
}

const moved = 5000 // rows at once

// move puts all entities of a kind from one table into another.
func (x *index) move(ctx context.Context, tx *transaction, old, now *table) error {
	from, to := &writing{inside{ctx, x, tx, tx}, old}, &writing{inside{ctx, x, tx, tx}, now}
	low, high := "", ""
	if old.number == generic {
		low, high = old.key(now.schema.Kind, ""), now.schema.Kind+"\x01"
	}
	for {
		all, err := from.between(low, high)
		if err != nil || len(all) == 0 {
			return err
		}
		low = old.key(all[len(all)-1].kind, all[len(all)-1].id)
		if old.number == generic {
			if err := from.remove(all); err != nil {
				return err
			}
		}
		for _, e := range all {
			e.row = 0
		}
		if err := to.merge(all); err != nil {
			return err
		}
	}
}

// between returns the first entities of keys after low and, unless it is empty, before high.
func (w *writing) between(low, high string) ([]*entity, error) {
	ask, args := "SELECT "+w.t.columns()+" FROM "+w.t.rows()+" WHERE id > ?", []any{low}
	if high != "" {
		ask, args = ask+" AND id < ?", append(args, high)
	}
	rows, err := w.tx.QueryContext(w.ctx, ask+" ORDER BY id LIMIT "+fmt.Sprint(moved), args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var raw [][]any
	for rows.Next() {
		row, err := scanRow(rows, w.t.width())
		if err != nil {
			return nil, err
		}
		raw = append(raw, row)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return nil, err
	}
	var out []*entity
	for _, row := range raw {
		e, err := w.t.decode(row, w)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}
