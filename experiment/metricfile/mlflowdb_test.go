package metricfile

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// schema has the tables of MLflow's database that concern runs, with the columns of its newest versions.
const schema = `
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
CREATE TABLE experiments (experiment_id INTEGER NOT NULL, name VARCHAR(256) NOT NULL, artifact_location VARCHAR(256), lifecycle_stage VARCHAR(32), creation_time BIGINT, last_update_time BIGINT, PRIMARY KEY (experiment_id), UNIQUE (name));
CREATE TABLE runs (run_uuid VARCHAR(32) NOT NULL, name VARCHAR(250), source_type VARCHAR(20), source_name VARCHAR(500), entry_point_name VARCHAR(50), user_id VARCHAR(256), status VARCHAR(9), start_time BIGINT, end_time BIGINT, source_version VARCHAR(50), lifecycle_stage VARCHAR(20), artifact_uri VARCHAR(200), experiment_id INTEGER, deleted_time BIGINT, PRIMARY KEY (run_uuid));
CREATE TABLE latest_metrics (key VARCHAR(250) NOT NULL, value FLOAT NOT NULL, timestamp BIGINT, step BIGINT NOT NULL, is_nan BOOLEAN NOT NULL, run_uuid VARCHAR(32) NOT NULL, PRIMARY KEY (key, run_uuid));
CREATE TABLE metrics (key VARCHAR(250) NOT NULL, value FLOAT NOT NULL, timestamp BIGINT NOT NULL, run_uuid VARCHAR(32) NOT NULL, step BIGINT DEFAULT '0' NOT NULL, is_nan BOOLEAN DEFAULT '0' NOT NULL, PRIMARY KEY (key, timestamp, step, run_uuid, value, is_nan), CHECK (is_nan IN (0, 1)));
CREATE TABLE params (key VARCHAR(250) NOT NULL, value VARCHAR(8000) NOT NULL, run_uuid VARCHAR(32) NOT NULL, PRIMARY KEY (key, run_uuid));
CREATE TABLE tags (key VARCHAR(250) NOT NULL, value VARCHAR(5000), run_uuid VARCHAR(32) NOT NULL, PRIMARY KEY (key, run_uuid));`

const rows = `
INSERT INTO alembic_version VALUES ('0584bdc529eb');
INSERT INTO experiments VALUES (7, 'harbour', 'x', 'active', 1, 1);
INSERT INTO runs (run_uuid, name, user_id, status, start_time, end_time, lifecycle_stage, experiment_id) VALUES ('r1', 'one', 'ml', 'FINISHED', 1783757000000, 1783757060000, 'active', 7), ('r2', NULL, 'ml', 'RUNNING', 1783757000000, NULL, 'deleted', 7);
INSERT INTO metrics VALUES ('loss', 0.1, 1783757000000, 'r1', 1, 0), ('loss', 0, 1783757001000, 'r1', 2, 1), ('loss', 1.7976931348623157e308, 1783757002000, 'r1', 3, 0), ('val/acc', 1, 1783757002000, 'r2', 3, 0), ('loss', 1, 1, 'gone', 1, 0);
INSERT INTO params VALUES ('lr', '0.001', 'r1');
INSERT INTO tags VALUES ('mlflow.runName', 'two', 'r2');`

const dbPoints = `loss=0.1@1 2026-07-11T08:03:20Z
loss=NaN@2 2026-07-11T08:03:21Z
loss=+Inf@3 2026-07-11T08:03:22Z
-- two
val/acc=1@3 2026-07-11T08:03:22Z
`

// makeDB writes a database with our SQLite.
func makeDB(t testing.TB, file string, statements ...string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(file))
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	for _, s := range statements {
		if _, err := db.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

// names lists a folder.
func names(t *testing.T, dir string) string {
	t.Helper()
	all, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range all {
		out = append(out, e.Name())
	}
	return strings.Join(out, " ")
}

// TestMLflowDB: runs, values, NaN and infinities; nothing is written beside the database; a name with marks of URLs.
func TestMLflowDB(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "ml flow?#%.db")
	if os.PathSeparator == '\\' {
		file = filepath.Join(dir, "ml flow#%.db")
	}
	made := filepath.Join(t.TempDir(), "made.db")
	if err := makeDB(t, made, schema, rows).Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(made)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, b, 0o444); err != nil {
		t.Fatal(err)
	}
	for _, fsys := range []fs.FS{os.DirFS(dir), fstest.MapFS{filepath.Base(file): {Data: b}}, noSeek{os.DirFS(dir)}} {
		runs, err := Read(context.Background(), fsys, filepath.Base(file), Options{Temp: t.TempDir()})
		if err != nil {
			t.Fatal(err)
		}
		if got := sayAll(runs); got != dbPoints {
			t.Errorf("%s\nwant %s", got, dbPoints)
		}
		r := runs[0]
		if r.Name != "one" || r.Status != "finished" || r.Tags["experiment"] != "harbour" || r.Params["lr"] != "0.001" || r.Ended.Sub(r.Started).Seconds() != 60 || r.Tags["alembic_version"] != "0584bdc529eb" || !runs[1].Deleted {
			t.Errorf("%+v", r)
		}
		if !strings.Contains(fmt.Sprint(r.Warnings), "1 values are of runs that the database does not have") {
			t.Errorf("orphans are not told: %v", r.Warnings)
		}
	}
	after, _ := os.ReadFile(file)
	if got := names(t, dir); got != filepath.Base(file) || string(after) != string(b) {
		t.Errorf("beside the database: %s", got)
	}
}

// noSeek is a file system whose files only go forward.
type noSeek struct{ fs.FS }

func (n noSeek) Open(name string) (fs.File, error) {
	f, err := n.FS.Open(name)
	if err != nil {
		return nil, err
	}
	return struct{ fs.File }{f}, nil
}

// TestMLflowDBJournal: what is only in the write-ahead log is read too, and the files of the program that writes stay as
// they are.
func TestMLflowDBJournal(t *testing.T) {
	dir := t.TempDir()
	db := makeDB(t, filepath.Join(dir, "mlflow.db"), "PRAGMA journal_mode=WAL", "PRAGMA wal_autocheckpoint=0", schema, rows)
	defer db.Close()
	wal, err := os.ReadFile(filepath.Join(dir, "mlflow.db-wal"))
	if err != nil || len(wal) == 0 {
		t.Fatal("the test needs a log with something in it", err)
	}
	before := names(t, dir)
	temp := t.TempDir()
	runs, err := Read(context.Background(), os.DirFS(dir), "mlflow.db", Options{Temp: temp})
	if err != nil || sayAll(runs) != dbPoints {
		t.Errorf("%s %v", sayAll(runs), err)
	}
	after, _ := os.ReadFile(filepath.Join(dir, "mlflow.db-wal"))
	if names(t, dir) != before || string(after) != string(wal) || names(t, temp) != "" {
		t.Errorf("left %q and %q, was %q", names(t, dir), names(t, temp), before)
	}
}

// TestMLflowDBByPython: a database that Python's SQLite writes, and what Python reads from it.
func TestMLflowDBByPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 to compare with")
	}
	const script = `
import sqlite3, sys, random
c = sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2]); random.seed(3)
c.execute("INSERT INTO runs (run_uuid, name, status, start_time, lifecycle_stage, experiment_id) VALUES ('r','x','FINISHED',1,'active',0)")
c.executemany("INSERT INTO metrics VALUES (?,?,?,'r',?,0)", [(random.choice("abc"), random.gauss(0, 1e3), 1783757000000+i, i) for i in range(3000)])
c.commit()
for k, v, s in c.execute("SELECT key, value, step FROM metrics ORDER BY step"): print("%s=%s@%d" % (k, v.hex(), s))`
	dir := t.TempDir()
	out, err := exec.Command(python, "-c", script, filepath.Join(dir, "mlflow.db"), schema).Output()
	if err != nil {
		t.Fatal(err)
	}
	run := must(t, os.DirFS(dir), "mlflow.db")
	lines := strings.Fields(string(out))
	if len(lines) != len(run.Points) {
		t.Fatalf("%d points, Python has %d", len(run.Points), len(lines))
	}
	for i, p := range run.Points {
		var v float64
		metric, rest, _ := strings.Cut(lines[i], "=")
		hex, step, _ := strings.Cut(rest, "@")
		fmt.Sscan(hex, &v)
		if p.Metric != metric || p.Value != v || fmt.Sprint(p.Step) != step {
			t.Fatalf("%+v, Python has %s", p, lines[i])
		}
	}
}

// TestMLflowDBOther: an older schema is read; what is no database of MLflow, is damaged, or only looks like one is told.
func TestMLflowDBOther(t *testing.T) {
	dir := t.TempDir()
	old := "CREATE TABLE runs (run_uuid TEXT, name TEXT, status TEXT, start_time INT, end_time INT); CREATE TABLE metrics (key TEXT, value FLOAT, timestamp INT, run_uuid TEXT); CREATE TABLE params (key TEXT, value TEXT, run_uuid TEXT); CREATE TABLE tags (key TEXT, value TEXT, run_uuid TEXT); INSERT INTO runs VALUES ('r','x','FAILED',1,2); INSERT INTO metrics VALUES ('a',0.5,1500000000,'r'), ('a','zzz',1,'r')"
	endless := strings.Replace(old, "CREATE TABLE metrics (key TEXT, value FLOAT, timestamp INT, run_uuid TEXT);", "CREATE VIEW metrics AS WITH RECURSIVE n(key) AS (SELECT 1 UNION ALL SELECT key+1 FROM n) SELECT key, 1 AS value, 1 AS timestamp, 'r' AS run_uuid FROM n;", 1)
	endless, _, _ = strings.Cut(endless, "; INSERT INTO metrics")
	makeDB(t, filepath.Join(dir, "old.db"), old).Close()
	makeDB(t, filepath.Join(dir, "view.db"), endless).Close()
	makeDB(t, filepath.Join(dir, "other.db"), "CREATE TABLE x (y)").Close()
	makeDB(t, filepath.Join(dir, "good.db"), schema, rows).Close()
	b, _ := os.ReadFile(filepath.Join(dir, "good.db"))
	for i := 100; i < len(b); i += 7 {
		b[i] ^= 0x55
	}
	os.WriteFile(filepath.Join(dir, "bad.db"), b, 0o666)
	os.WriteFile(filepath.Join(dir, "short.db"), b[:100], 0o666)
	run := must(t, os.DirFS(dir), "old.db")
	if got := sayAll([]Run{run}); got != "a=0.5 2017-07-14T02:40:00Z\n" || run.Status != "failed" || len(run.Warnings) != 1 {
		t.Errorf("%s %+v", got, run)
	}
	for _, name := range []string{"view.db", "other.db", "bad.db", "short.db"} {
		if runs, err := Read(context.Background(), os.DirFS(dir), name, Options{}); err == nil || !strings.HasPrefix(err.Error(), name+": ") {
			t.Errorf("%s: %v %v", name, runs, err)
		}
	}
	if _, err := Read(context.Background(), os.DirFS(dir), "good.db", Options{Limits: Limits{Points: 2}}); err == nil || !strings.Contains(err.Error(), "points 3, and 2 is the most") {
		t.Errorf("limit: %v", err)
	}
}
