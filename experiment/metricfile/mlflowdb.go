package metricfile

import (
	"database/sql"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
	"modernc.org/sqlite/vfs"
)

// errMoved is that a database was written while it was read.
var errMoved = errors.New("the database was written while it was read: read it again when the program that writes it rests")

// mlflowDB reads a database of MLflow. It is read where it is, and nothing is written beside it. Where a journal lies
// beside it, which holds what the database lacks, or a program writes to it meanwhile, a copy is read.
func (s *source) mlflowDB(name string) ([]Run, error) {
	left, seen := s.left, s.seen
	if !s.journal(name) {
		runs, err := s.unmoved(name, func() ([]Run, error) { return s.mlflowInPlace(name) })
		if !errors.Is(err, errMoved) {
			return runs, err
		}
	}
	s.left, s.seen = left, seen
	return s.mlflowCopy(name)
}

// journal reports whether a journal with something in it lies beside a database.
func (s *source) journal(name string) bool {
	for _, end := range []string{"-wal", "-journal"} {
		if info, err := fs.Stat(s.fsys, name+end); err == nil && info.Size() > 0 {
			return true
		}
	}
	return false
}

// unmoved fails with errMoved when a file has changed while it was used.
func (s *source) unmoved(name string, use func() ([]Run, error)) ([]Run, error) {
	before, err := fs.Stat(s.fsys, name)
	if err != nil {
		return nil, err
	}
	if before.Size() > s.limits.File {
		return nil, &Error{File: name, Err: over("bytes", before.Size(), s.limits.File)}
	}
	runs, failed := use()
	after, err := fs.Stat(s.fsys, name)
	if err != nil {
		return nil, err
	}
	if after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) || s.journal(name) {
		return nil, &Error{File: name, Err: errMoved}
	}
	return runs, failed
}

// dbName is what a database is called where SQLite sees it: names of users need no quoting then.
const dbName = "mlflow.db"

// single is a file system with one file.
type single struct {
	fsys fs.FS
	name string
}

func (o single) Open(name string) (fs.File, error) {
	if name != dbName {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return o.fsys.Open(o.name)
}

// mlflowInPlace reads a database through the file system that it is in.
func (s *source) mlflowInPlace(name string) ([]Run, error) {
	f, err := s.open(name, s.limits.File)
	if err != nil {
		return nil, err
	}
	_, seeks := f.(io.Seeker)
	f.Close()
	if !seeks {
		return s.mlflowCopy(name)
	}
	door, closer, err := vfs.New(single{s.fsys, name})
	if err != nil {
		return nil, &Error{File: name, Err: err}
	}
	runs, err := s.mlflowOpen(name, "file:"+dbName+"?vfs="+door+"&mode=ro&immutable=1")
	return runs, errors.Join(err, closer.Close())
}

// mlflowCopy reads a copy of a database and its journals.
func (s *source) mlflowCopy(name string) ([]Run, error) {
	dir, err := os.MkdirTemp(s.o.Temp, "mlflow-")
	if err != nil {
		return nil, fmt.Errorf("copy %s: %w", name, err)
	}
	defer os.RemoveAll(dir)
	to := filepath.Join(dir, dbName)
	for try := 0; ; try++ {
		if err = s.copyQuiet(name, to); !errors.Is(err, errMoved) || try == 4 {
			break
		}
	}
	if err != nil {
		return nil, err
	}
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(to), RawQuery: "_pragma=trusted_schema(0)"}
	if !strings.HasPrefix(u.Path, "/") { // C:/…
		u.Path = "/" + u.Path
	}
	return s.mlflowOpen(name, u.String())
}

// copyQuiet copies a database with its journals, and fails with errMoved when one of them changed meanwhile.
func (s *source) copyQuiet(name, to string) error {
	state := func() string {
		var all strings.Builder
		for _, end := range []string{"", "-wal", "-journal"} {
			if info, err := fs.Stat(s.fsys, name+end); err == nil {
				fmt.Fprintln(&all, end, info.Size(), info.ModTime().UnixNano())
			}
		}
		return all.String()
	}
	before := state()
	for _, end := range []string{"", "-wal", "-journal"} {
		err := s.copyFile(name+end, to+end)
		if end != "" && errors.Is(err, fs.ErrNotExist) {
			err = os.RemoveAll(to + end)
		}
		if err != nil {
			return err
		}
	}
	if state() != before {
		return &Error{File: name, Err: errMoved}
	}
	return nil
}

func (s *source) copyFile(name, to string) error {
	from, err := s.open(name, s.limits.File)
	if err != nil {
		return err
	}
	defer from.Close()
	f, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, io.LimitReader(from, s.limits.File))
	return errors.Join(err, f.Close())
}

// mlflowOpen reads a database that SQLite opens by a name.
func (s *source) mlflowOpen(name, dsn string) ([]Run, error) {
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, &Error{File: name, Err: err}
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	d := &mlflowTables{s: s, db: db, name: name, of: map[string]*build{}, has: map[string]map[string]bool{}}
	if err = d.read(); err != nil {
		err = &Error{File: name, Err: err}
	}
	var runs []Run
	for _, b := range d.order {
		runs = append(runs, b.done())
	}
	if d.orphans > 0 && len(runs) > 0 {
		runs[0].Warnings = append(runs[0].Warnings, Warning{File: name, Text: fmt.Sprintf("%d values are of runs that the database does not have: left out", d.orphans)})
	}
	return runs, err
}

// mlflowTables are the tables of a database. Versions of MLflow differ in them: the columns are asked, not the version.
type mlflowTables struct {
	s       *source
	db      *sql.DB
	name    string
	has     map[string]map[string]bool // table → columns
	of      map[string]*build
	order   []*build
	orphans int
}

func (d *mlflowTables) read() error {
	for table, needed := range map[string][]string{"runs": {"run_uuid", "status", "start_time", "end_time"}, "metrics": {"key", "value", "timestamp", "run_uuid"}, "params": {"key", "value", "run_uuid"}, "tags": {"key", "value", "run_uuid"}, "experiments": nil, "alembic_version": nil} {
		if err := d.columns(table, needed); err != nil {
			return err
		}
	}
	if err := d.runs(); err != nil {
		return err
	}
	for _, table := range []string{"params", "tags"} {
		if err := d.texts(table); err != nil {
			return err
		}
	}
	for _, b := range d.order {
		if b.run.Name == "" {
			b.run.Name = b.run.Tags["mlflow.runName"]
		}
		if b.run.Name == "" {
			b.run.Name = b.run.Tags["run_id"]
		}
	}
	return d.metrics()
}

// columns learns the columns of a table; one with another nature (a view, a virtual table) is none.
func (d *mlflowTables) columns(table string, needed []string) error {
	d.has[table] = map[string]bool{}
	rows, err := d.db.QueryContext(d.s.ctx, "SELECT p.name FROM sqlite_schema AS s, pragma_table_info(s.name) AS p WHERE s.sql LIKE 'CREATE TABLE%' AND s.name = ? LIMIT 1000", table)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var column string
		if err := rows.Scan(&column); err != nil {
			return err
		}
		d.has[table][column] = true
	}
	for _, column := range needed {
		if rows.Err() == nil && !d.has[table][column] {
			return fmt.Errorf("no database of MLflow, or of a version that is not known: table %s has no column %s", table, column)
		}
	}
	return rows.Err()
}

// or is a column, or what stands for it in versions without it.
func (d *mlflowTables) or(table, column, instead string) string {
	if d.has[table][column] {
		return table + "." + column
	}
	return instead
}

func (d *mlflowTables) runs() error {
	schema := ""
	if d.has["alembic_version"]["version_num"] {
		err := d.db.QueryRowContext(d.s.ctx, "SELECT CAST(version_num AS TEXT) FROM alembic_version").Scan(&schema)
		if err != nil && err != sql.ErrNoRows {
			return err
		}
	}
	experiment, join := "''", ""
	if d.has["experiments"]["experiment_id"] && d.has["experiments"]["name"] && d.has["runs"]["experiment_id"] {
		experiment, join = "experiments.name", " LEFT JOIN experiments ON experiments.experiment_id = runs.experiment_id"
	}
	rows, err := d.db.QueryContext(d.s.ctx, "SELECT "+texts("runs.run_uuid", d.or("runs", "name", "''"), "runs.status", d.or("runs", "lifecycle_stage", "''"), d.or("runs", "experiment_id", "''"), experiment, "runs.start_time", "runs.end_time", d.or("runs", "user_id", "''"), d.or("runs", "source_name", "''"), d.or("runs", "source_version", "''"))+" FROM runs"+join)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id, name, status, stage, number, experiment, start, end, user, script, version string
		if err := rows.Scan(&id, &name, &status, &stage, &number, &experiment, &start, &end, &user, &script, &version); err != nil {
			return err
		}
		if len(d.order) >= d.s.limits.Files {
			return over("runs", int64(len(d.order)), int64(d.s.limits.Files))
		}
		b := d.s.build(name, d.name, MLflowDB)
		b.run.Status, b.run.Deleted = mlflowStatus(status), stage == "deleted"
		b.run.Started, b.run.Ended = millis(start), millis(end)
		for name, value := range map[string]string{"run_id": id, "experiment_id": number, "experiment": experiment, "alembic_version": schema, "user_id": user, "source_name": script, "source_version": version} {
			if value != "" {
				b.run.Tags[name] = value
			}
		}
		d.of[id] = b
		d.order = append(d.order, b)
	}
	return rows.Err()
}

// texts are columns as texts, whatever they hold.
func texts(columns ...string) string {
	for i, column := range columns {
		columns[i] = "COALESCE(CAST(" + column + " AS TEXT), '')"
	}
	return strings.Join(columns, ", ")
}

// texts reads parameters or tags.
func (d *mlflowTables) texts(table string) error {
	rows, err := d.db.QueryContext(d.s.ctx, "SELECT "+texts("run_uuid", "key", "value")+" FROM "+table)
	if err != nil {
		return err
	}
	defer rows.Close()
	for n := 0; rows.Next(); n++ {
		var id, key, value string
		if err := rows.Scan(&id, &key, &value); err != nil {
			return err
		}
		if n >= d.s.limits.Points {
			return over(table, int64(n), int64(d.s.limits.Points))
		}
		if b := d.of[id]; b == nil {
			d.orphans++
		} else if table == "params" {
			b.run.Params[key] = value
		} else {
			b.run.Tags[key] = value
		}
	}
	return rows.Err()
}

// metrics reads the values in the order in which they were logged.
func (d *mlflowTables) metrics() error {
	rows, err := d.db.QueryContext(d.s.ctx, "SELECT run_uuid, key, value, CAST(timestamp AS INTEGER), CAST("+d.or("metrics", "step", "0")+" AS INTEGER), CAST("+d.or("metrics", "is_nan", "0")+" AS INTEGER) FROM metrics ORDER BY rowid")
	if err != nil {
		return err
	}
	defer rows.Close()
	steps := d.has["metrics"]["step"]
	clamped := map[*build]bool{}
	for rows.Next() {
		var id, key sql.RawBytes
		var value any
		var at, step, isNaN sql.NullInt64
		if err := rows.Scan(&id, &key, &value, &at, &step, &isNaN); err != nil {
			return err
		}
		b := d.of[string(id)]
		if b == nil {
			d.orphans++
			continue
		}
		v, ok := sqlNumber(value)
		if !ok {
			b.warn(d.name, 0, "%s: %q is no number: left out", short(string(key)), short(fmt.Sprint(value)))
			continue
		}
		switch {
		case isNaN.Int64 != 0:
			v = math.NaN()
		case math.Abs(v) == math.MaxFloat64: // as it writes infinities
			v = math.Inf(int(math.Copysign(1, v)))
			if !clamped[b] {
				b.note("the greatest float64 is taken as an infinity: MLflow's databases have no other")
				clamped[b] = true
			}
		}
		r := row{step: step.Int64, hasStep: steps, at: sqlTime(at)}
		if err := b.add(d.name, 0, r.point(string(key), v)); err != nil {
			return err
		}
	}
	return rows.Err()
}

func sqlTime(at sql.NullInt64) time.Time {
	t, _ := epoch(at.Int64)
	return t
}

// sqlNumber is a value of a column, which in SQLite may hold anything.
func sqlNumber(value any) (float64, bool) {
	switch v := value.(type) {
	case float64:
		return v, true
	case int64:
		return float64(v), true
	case string:
		f, err := strconv.ParseFloat(v, 64)
		return f, err == nil
	case []byte:
		f, err := strconv.ParseFloat(string(v), 64)
		return f, err == nil
	}
	return 0, false
}
