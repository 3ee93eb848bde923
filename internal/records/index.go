package records

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path/filepath"
	"strings"
	"sync"

	"modernc.org/sqlite"

	"varve/internal/ledger"
)

// format is the version of the index's tables.
const format = 1

// errIndex says that the index cannot be relied on: it is to be made anew.
var errIndex = errors.New("the index is damaged")

// An index is one SQLite file, or one in memory.
type index struct {
	db   *sql.DB
	file string // "" in memory
	// plain has questions asked of SQLite alone, to compare.
	plain bool

	mu         sync.Mutex
	writing    sync.Mutex // one writer of this process at a time; others are waited for by SQLite
	generation int64      // of the tables
	tables     map[string]*table
	sieves     map[int64]*sieve // of tables, by number
	change     int64            // as of which they are
	numbers    map[string]int64 // of writers
	names      map[int64]string
	texts      map[textKey]uint32
	cached     map[int64]*column
}

// openIndex opens the index in a file, "" for memory, and makes its tables where there are none.
func openIndex(ctx context.Context, file, vault string) (*index, error) {
	pragmas := "?_txlock=immediate&_pragma=busy_timeout(60000)&_pragma=cache_size(-131072)&_pragma=temp_store(memory)"
	name := ":memory:" + pragmas
	if file != "" {
		path := filepath.ToSlash(file)
		if !strings.HasPrefix(path, "/") {
			path = "/" + path // a drive's letter
		}
		name = "file://" + (&url.URL{Path: path}).EscapedPath() + pragmas + "&_pragma=journal_mode(wal)&_pragma=synchronous(normal)&_pragma=wal_autocheckpoint(8000)"
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, err
	}
	x := &index{db: db, file: file, numbers: map[string]int64{}, names: map[int64]string{}, texts: map[textKey]uint32{}, cached: map[int64]*column{}}
	if file == "" {
		db.SetMaxOpenConns(1) // each connection would have a memory of its own
	}
	if err := x.prepare(ctx, vault); err != nil {
		return nil, errors.Join(damage(err), db.Close())
	}
	return x, nil
}

func (x *index) close() error { return x.db.Close() }

// prepare makes the tables that every index has, and sees that it is this vault's and of this version.
func (x *index) prepare(ctx context.Context, vault string) error {
	said := fmt.Sprintf("varve records %d of %s", format, vault)
	var is string
	if err := x.db.QueryRowContext(ctx, "SELECT v FROM meta WHERE k = 'is'").Scan(&is); err == nil && is == said {
		return x.sound(ctx)
	}
	return x.write(ctx, func(ctx context.Context, tx *transaction) error {
		var objects int
		if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema").Scan(&objects); err != nil {
			return err
		}
		if objects > 0 {
			err := tx.QueryRowContext(ctx, "SELECT v FROM meta WHERE k = 'is'").Scan(&is)
			if err == nil && is != said {
				err = fmt.Errorf("it is %q: %w", is, errIndex)
			}
			return err
		}
		none, err := newTable(generic, Schema{})
		if err != nil {
			return err
		}
		make := append(bookkeeping(), none.create()...)
		make = append(make, "INSERT INTO meta VALUES ('generation', 1), ('change', 1), ('ms', 0), ('n', 0)")
		if err := run(ctx, tx, make...); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO meta VALUES ('is', ?)", said)
		return err
	})
}

// bookkeeping are the statements that make the tables of what is no entity.
func bookkeeping() []string {
	return []string{
		"CREATE TABLE meta (k TEXT PRIMARY KEY, v) WITHOUT ROWID",
		"CREATE TABLE segments (id TEXT PRIMARY KEY) WITHOUT ROWID",
		"CREATE TABLE writers (n INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
		"CREATE TABLE kinds (n INTEGER PRIMARY KEY, kind TEXT NOT NULL UNIQUE, schema TEXT NOT NULL)",
		"CREATE TABLE members (t INTEGER, s TEXT, m TEXT, n INTEGER, PRIMARY KEY (t, s, m, n)) WITHOUT ROWID",
		"CREATE TABLE texts (n INTEGER PRIMARY KEY, t INTEGER, c INTEGER, s TEXT, UNIQUE (t, c, s))",
		"CREATE TABLE blocks (key INTEGER PRIMARY KEY, v INTEGER NOT NULL, data BLOB NOT NULL)",
	}
}

// sound reports whether the tables are as this program makes them: another build may have had others under the same
// version. What is in them is seen as it is read.
func (x *index) sound(ctx context.Context) error {
	return x.reading(ctx, func(tx *sql.Tx) error {
		tables, err := readTables(ctx, tx)
		if err != nil {
			return unusable(err)
		}
		want := bookkeeping()
		for _, t := range tables {
			want = append(want, t.create()...)
		}
		rows, err := tx.QueryContext(ctx, "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL")
		if err != nil {
			return unusable(err)
		}
		defer rows.Close()
		there := map[string]bool{}
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				return unusable(err)
			}
			there[s] = true
		}
		for _, s := range want {
			if strings.HasPrefix(s, "CREATE ") && !there[s] {
				return fmt.Errorf("it was made by another build: %w", errIndex)
			}
		}
		var n int
		err = tx.QueryRowContext(ctx, "SELECT count(*) FROM meta WHERE k IN ('generation', 'change', 'ms', 'n') AND typeof(v) = 'integer'").Scan(&n)
		if err == nil && n != 4 {
			err = fmt.Errorf("its own notes are not all there: %w", errIndex)
		}
		return unusable(errors.Join(err, rows.Err()))
	})
}

// unusable is for an error of reading or writing what the index notes for itself: whatever it is, another index will do,
// unless the file is only held by another process, or there is no room, or nobody waits any longer.
func unusable(err error) error {
	if err = damage(err); err == nil || errors.Is(err, errIndex) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var e *sqlite.Error
	if errors.As(err, &e) {
		switch e.Code() & 0xff {
		case 5, 6, 7, 9, 10, 13: // busy, locked, memory, interrupted, input and output, full
			return err
		}
	}
	return fmt.Errorf("%w: %w", errIndex, err)
}

func run(ctx context.Context, tx *transaction, statements ...string) error {
	for _, s := range statements {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// A transaction writes the index. SQLite takes one back by itself when a statement of it is interrupted, and what came
// after would be on its own: so within it nothing is interrupted, and whoever does much looks at done in between.
type transaction struct {
	*sql.Conn
	done func() error // why nobody waits for it any longer
}

// write does fn in one transaction, with a context that lasts as long as that.
func (x *index) write(ctx context.Context, fn func(ctx context.Context, tx *transaction) error) (err error) {
	x.writing.Lock()
	defer x.writing.Unlock()
	conn, err := x.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() {
		if closed := conn.Close(); !errors.Is(closed, sql.ErrConnDone) {
			err = errors.Join(err, closed)
		}
	}()
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	lasting := context.WithoutCancel(ctx)
	if err = fn(lasting, &transaction{conn, ctx.Err}); err == nil {
		err = ctx.Err()
	}
	if err == nil {
		_, err = conn.ExecContext(lasting, "COMMIT")
	}
	if err != nil {
		x.forget()
		if _, failed := conn.ExecContext(lasting, "ROLLBACK"); failed != nil { // perhaps SQLite has; nobody gets this connection again
			_ = conn.Raw(func(any) error { return driver.ErrBadConn })
		}
	}
	return err
}

// forget forgets what a transaction made that is not there.
func (x *index) forget() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.numbers, x.names, x.texts = map[string]int64{}, map[int64]string{}, map[textKey]uint32{}
	x.tables, x.sieves = nil, nil
}

// damage tells what is wrong with the file from what is wrong with a question.
func damage(err error) error {
	if err == nil || errors.Is(err, errIndex) {
		return err
	}
	var e *sqlite.Error
	if errors.Is(err, errRow) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%w: %w", errIndex, err)
	}
	if errors.As(err, &e) {
		switch e.Code() & 0xff {
		case 11, 26, 14, 24, 19, 20: // corrupt, not a database, cannot open, format; two rows of one key, a value of another type
			return fmt.Errorf("%w: %w", errIndex, err)
		case 1: // of an error in the statement, only tables and columns that are gone
			if m := err.Error(); strings.Contains(m, "no such table") || strings.Contains(m, "no such column") || strings.Contains(m, "has no column") || strings.Contains(m, "values were supplied") || strings.Contains(m, "values for") || strings.Contains(m, "malformed") {
				return fmt.Errorf("%w: %w", errIndex, err)
			}
		}
	}
	return err
}

// queryer is a database or a transaction.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// load reads which tables there are, if another process may have changed them.
func (x *index) load(ctx context.Context, q queryer) (map[string]*table, error) {
	var generation int64
	if err := q.QueryRowContext(ctx, "SELECT v FROM meta WHERE k = 'generation'").Scan(&generation); err != nil {
		return nil, unusable(err)
	}
	x.mu.Lock()
	tables, same := x.tables, generation == x.generation
	x.mu.Unlock()
	if tables != nil && same {
		return tables, nil
	}
	tables, err := readTables(ctx, q)
	if err != nil {
		return nil, unusable(err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.tables, x.generation = tables, generation
	return tables, nil
}

func readTables(ctx context.Context, q queryer) (map[string]*table, error) {
	none, err := newTable(generic, Schema{})
	if err != nil {
		return nil, err
	}
	tables := map[string]*table{"": none}
	rows, err := q.QueryContext(ctx, "SELECT n, schema FROM kinds")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		var text string
		var s Schema
		if err := rows.Scan(&n, &text); err != nil {
			return nil, err
		}
		if json.Unmarshal([]byte(text), &s) != nil || s.check() != nil || n <= generic {
			return nil, errRow
		}
		if tables[s.Kind], err = newTable(n, s); err != nil {
			return nil, err
		}
	}
	return tables, rows.Err()
}

// of returns the table of a kind.
func of(tables map[string]*table, kind string) *table {
	if t := tables[kind]; t != nil {
		return t
	}
	return tables[""]
}

// inside gives numbers to writers within a transaction, or a reading.
type inside struct {
	ctx context.Context
	x   *index
	q   queryer
	tx  *transaction // nil: a reading
}

func (i inside) number(name string) (int64, error) {
	i.x.mu.Lock()
	n, ok := i.x.numbers[name]
	i.x.mu.Unlock()
	if ok {
		return n, nil
	}
	err := i.q.QueryRowContext(i.ctx, "SELECT n FROM writers WHERE name = ?", name).Scan(&n)
	if errors.Is(err, sql.ErrNoRows) && i.tx != nil {
		var r sql.Result
		if r, err = i.tx.ExecContext(i.ctx, "INSERT INTO writers (name) VALUES (?)", name); err == nil {
			n, err = r.LastInsertId()
		}
	}
	return n, i.note(name, n, err)
}

func (i inside) name(n int64) (string, error) {
	i.x.mu.Lock()
	name, ok := i.x.names[n]
	i.x.mu.Unlock()
	if ok {
		return name, nil
	}
	err := i.q.QueryRowContext(i.ctx, "SELECT name FROM writers WHERE n = ?", n).Scan(&name)
	if errors.Is(err, sql.ErrNoRows) {
		return "", errRow
	}
	return name, i.note(name, n, err)
}

func (i inside) note(name string, n int64, err error) error {
	if err == nil {
		i.x.mu.Lock()
		i.x.numbers[name], i.x.names[n] = n, name
		i.x.mu.Unlock()
	}
	return err
}

// indexed returns the segments whose records are in the index.
func (x *index) indexed(ctx context.Context) (map[string]bool, error) {
	rows, err := x.db.QueryContext(ctx, "SELECT id FROM segments")
	if err != nil {
		return nil, unusable(err)
	}
	defer rows.Close()
	out := map[string]bool{}
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, unusable(err)
		}
		out[id] = true
	}
	return out, unusable(rows.Err())
}

// latest returns the latest stamp that the index has seen; its writer is left out.
func (x *index) latest(ctx context.Context) (s ledger.Stamp, err error) {
	err = x.db.QueryRowContext(ctx, "SELECT (SELECT v FROM meta WHERE k = 'ms'), (SELECT v FROM meta WHERE k = 'n')").Scan(&s.Milli, &s.Counter)
	return s, unusable(err)
}
