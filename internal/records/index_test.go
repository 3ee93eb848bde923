package records_test

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"varve/internal/records"
	"varve/store"
)

// said appends n facts of feedback, 50 to a segment.
func said(t testing.TB, r *records.Records, n int) {
	t.Helper()
	for from := 0; from < n; from += 50 {
		var facts []records.Fact
		for i := from; i < min(from+50, n); i++ {
			facts = append(facts, records.Fact{Kind: "feedback", ID: fmt.Sprint(i), Project: "p", Set: map[string]any{"build": fmt.Sprint("b", i%7), "severity": i % 5, "text": fmt.Sprint("the lamp ", i), "more": i}})
		}
		if err := r.Append(t.Context(), facts...); err != nil {
			t.Fatal(err)
		}
	}
}

// TestIndexIsDisposable: an index that is deleted, cut, overwritten at any page, of another version or of another vault
// is made again and says the same; nothing is asked of the user.
func TestIndexIsDisposable(t *testing.T) {
	m := newMachine(t)
	r := m.open(t, feedback())
	said(t, r, 500)
	want := dump(t, r)
	count := func(r *records.Records) int {
		n, err := r.Count(t.Context(), records.Query{Kind: "feedback", Text: "lamp"})
		if err != nil {
			t.Error(err)
		}
		return n
	}
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	file := func() string {
		t.Helper()
		all := m.files(t)
		if len(all) != 1 {
			t.Fatalf("files %q", all)
		}
		return all[0]
	}
	good, err := os.ReadFile(file())
	if err != nil {
		t.Fatal(err)
	}
	changes := map[string][]byte{"empty": {}, "cut": good[:len(good)/2], "no head": append(make([]byte, 100), good[100:]...), "no database": bytes.Repeat([]byte("no database "), 1000)}
	const page = 4096
	for at := 0; at < len(good); at += page * 3 {
		bad := bytes.Clone(good)
		copy(bad[at:], bytes.Repeat([]byte{0xa5}, page))
		changes[fmt.Sprint("page ", at/page)] = bad
	}
	for _, word := range []string{"the lamp 77", "the lamp 78"} { // within a row: SQLite would not know
		if at := bytes.Index(good, []byte(word)); at >= 0 {
			bad := bytes.Clone(good)
			bad[at+5] ^= 1
			changes["a letter of "+word] = bad
		}
	}
	for name, b := range changes {
		if err := os.WriteFile(file(), b, 0o600); err != nil {
			t.Fatal(err)
		}
		r := m.open(t, feedback())
		if got := dump(t, r); got != want {
			t.Errorf("%s: another index: %.600s", name, diff(got, want))
		}
		if n := count(r); n != 500 {
			t.Errorf("%s: %d found", name, n)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := os.Remove(file()); err != nil {
		t.Fatal(err)
	}
	r = m.open(t, feedback())
	if dump(t, r) != want {
		t.Error("deleted: another index")
	}
	r.Close()
}

// TestIndexDeletedInUse: the index may be deleted while it is used, by who uses it and by others.
func TestIndexDeletedInUse(t *testing.T) {
	m := newMachine(t)
	r := m.open(t, feedback())
	said(t, r, 200)
	for i := range 3 {
		for _, f := range m.files(t) {
			for _, end := range []string{"", "-wal", "-shm"} {
				if err := os.Remove(f + end); err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Skipf("a file that is open cannot be deleted here: %v", err)
				}
			}
		}
		other := m.open(t, feedback())
		if err := other.Append(t.Context(), records.Fact{Kind: "feedback", ID: fmt.Sprint("other ", i)}); err != nil {
			t.Fatal(err)
		}
		if err := r.Append(t.Context(), records.Fact{Kind: "feedback", ID: fmt.Sprint("own ", i)}); err != nil {
			t.Fatal(err)
		}
		for _, x := range []*records.Records{r, other} {
			if err := x.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n, err := x.Count(t.Context(), records.Query{Kind: "feedback"}); err != nil || n != 202+2*i {
				t.Errorf("%d: %d, %v", i, n, err)
			}
		}
		other.Close()
	}
}

// halted is a store that goes away after a segment was put: what the index does then is not done.
type halted struct {
	store.Store
	after func()
}

func (h *halted) Put(ctx context.Context, name string, parts ...[]byte) error {
	err := h.Store.Put(ctx, name, parts...)
	if h.after != nil && strings.HasPrefix(name, "records/") {
		h.after()
	}
	return err
}

// TestKilledBeforeIndex: a segment that was written by a process which then was killed, or could not write its index, is
// in the index of the next.
func TestKilledBeforeIndex(t *testing.T) {
	m := newMachine(t)
	h := &halted{Store: m.store}
	m.store = h
	r := m.open(t, feedback())
	said(t, r, 100)
	ctx, cancel := context.WithCancel(t.Context())
	h.after = cancel // all that follows fails
	if err := r.Append(ctx, records.Fact{Kind: "feedback", ID: "last"}); err == nil {
		t.Fatal("it was told that it is kept")
	}
	h.after = nil
	for _, r := range []*records.Records{r, m.open(t, feedback())} {
		if _, err := r.Get(t.Context(), "feedback", "last"); err != nil {
			t.Error(err)
		}
	}
}

// TestStoreGoesBack: when a vault was put back to an earlier state, the index forgets what is there no more.
func TestStoreGoesBack(t *testing.T) {
	m := newMachine(t)
	r := m.open(t, feedback())
	said(t, r, 200)
	var names []string
	for o, err := range m.store.List(t.Context(), "records/") {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, o.Name)
	}
	if err := m.store.Delete(t.Context(), names[2]); err != nil {
		t.Fatal(err)
	}
	for _, x := range []*records.Records{r, m.open(t, feedback())} {
		if err := x.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, err := x.Count(t.Context(), records.Query{Kind: "feedback"}); err != nil || n != 150 {
			t.Errorf("%d, %v", n, err)
		}
	}
}

// TestProcessesAtOnce: several handles append to and ask one index at once, as several processes do; each sees its own at
// once, all see all in the end, and the index is that of all segments.
func TestProcessesAtOnce(t *testing.T) {
	m := newMachine(t)
	var wg sync.WaitGroup
	for p := range 4 {
		r := m.open(t, feedback())
		wg.Go(func() {
			for i := range 15 {
				id := fmt.Sprintf("%d-%d", p, i)
				if err := r.Append(t.Context(), records.Fact{Kind: "feedback", ID: id, Set: map[string]any{"build": fmt.Sprint(p), "text": "lamp"}}, records.Fact{Kind: "feedback", ID: "of all", Set: map[string]any{"severity": i}}); err != nil {
					t.Error(err)
					return
				}
				if _, err := r.Get(t.Context(), "feedback", id); err != nil {
					t.Errorf("%s: %v", id, err)
				}
				if n, err := r.Count(t.Context(), records.Query{Kind: "feedback", Where: []records.Where{{Field: "build", Op: "=", Value: fmt.Sprint(p)}}}); err != nil || n != i+1 {
					t.Errorf("%s: %d of %d, %v", id, n, i+1, err)
				}
			}
		})
	}
	wg.Wait()
	r := m.open(t, feedback())
	if n, err := r.Count(t.Context(), records.Query{Kind: "feedback"}); err != nil || n != 61 {
		t.Errorf("%d, %v", n, err)
	}
	got := dump(t, r)
	if got != dump(t, memory(t, m.db(t), feedback())) {
		t.Error("it is not the index of all segments")
	}
	if n := len(m.files(t)); n != 1 {
		t.Errorf("%d files", n)
	}
}

// TestSchemaChanges: a schema that was changed makes the kind anew, and loses nothing.
func TestSchemaChanges(t *testing.T) {
	m := newMachine(t)
	r := m.open(t, feedback())
	said(t, r, 300)
	want := dump(t, r)
	two := records.Schema{Kind: "feedback", Version: 2, Fields: []records.Field{{Name: "more", Type: records.Number, Index: true}, {Name: "build", Type: records.Text, Search: true}}}
	for _, s := range []records.Schema{two, feedback(), two} {
		r := m.open(t, s)
		if dump(t, r) != want {
			t.Fatalf("version %d: something else is there", s.Version)
		}
		n, err := r.Count(t.Context(), records.Query{Kind: "feedback", Where: []records.Where{{Field: "more", Op: "<", Value: 10}, {Field: "build", Op: "=", Value: "b1"}}})
		if err != nil || n != 2 {
			t.Errorf("version %d: %d, %v", s.Version, n, err)
		}
		word := map[int]string{1: "lamp", 2: "b1"}[s.Version]
		if n, err = r.Count(t.Context(), records.Query{Kind: "feedback", Text: word}); err != nil || n == 0 {
			t.Errorf("version %d: %d, %v", s.Version, n, err)
		}
		r.Close()
	}
}

// TestWrong: what cannot be asked or kept is told.
func TestWrong(t *testing.T) {
	m := newMachine(t)
	r := m.open(t, feedback())
	said(t, r, 10)
	for _, q := range []records.Query{{}, {Kind: "none", Text: "x"}, {Kind: "feedback", Text: "..."}, {Kind: "feedback", Where: []records.Where{{Field: "build", Op: "~", Value: "x"}}},
		{Kind: "feedback", Where: []records.Where{{Field: "severity", Op: "=", Value: "x"}}}, {Kind: "feedback", Where: []records.Where{{Field: "at", Op: "<", Value: "yesterday"}}},
		{Kind: "feedback", Where: []records.Where{{Field: "build", Op: "in", Value: "x"}}}, {Kind: "feedback", Where: []records.Where{{Field: "tags", Op: "has", Value: 1}}},
		{Kind: "feedback", Where: []records.Where{{Field: `x"y`, Op: "=", Value: 1}}}, {Kind: "feedback", Where: []records.Where{{Field: "build", Op: "=", Value: struct{}{}}}}} {
		if n, err := r.Count(t.Context(), q); err == nil {
			t.Errorf("%+v: %d", q, n)
		}
		for range r.Find(t.Context(), q) {
		}
		if g, err := r.Group(t.Context(), q, "build"); err == nil {
			t.Errorf("%+v: %v", q, g)
		}
	}
	for _, f := range []records.Fact{{}, {Kind: "feedback"}, {ID: "1"}, {Kind: "a\x00b", ID: "1"}, {Kind: "feedback", ID: "1", Set: map[string]any{"id": 1}}, {Kind: "feedback", ID: "1", Set: map[string]any{"x": func() {}}}} {
		if err := r.Append(t.Context(), f); err == nil {
			t.Errorf("%+v was kept", f)
		}
	}
	if _, err := r.Get(t.Context(), "feedback", "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	for _, s := range []records.Schema{{}, {Kind: "x", Fields: []records.Field{{Name: "id", Type: records.Text}}}, {Kind: "x", Fields: []records.Field{{Name: "a"}}},
		{Kind: "x", Fields: []records.Field{{Name: "a", Type: records.Text}, {Name: "a", Type: records.Text}}}, {Kind: "x", Fields: []records.Field{{Name: "a", Type: records.Number, Search: true}}}} {
		if err := r.Declare(t.Context(), s); err == nil {
			t.Errorf("%+v was declared", s)
		}
	}
}

// TestExports: each format has every entity with all that is known of it.
func TestExports(t *testing.T) {
	m := newMachine(t)
	r := m.open(t, feedback())
	said(t, r, 120)
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	if err := r.Append(t.Context(), records.Fact{Kind: "feedback", ID: "7", Set: map[string]any{"at": at, "resolved": true, "extra": []int{1}, "severity": 2.5, "build": "a,\"b\"\n"}, Add: map[string][]string{"tags": {"x", "y"}}}); err != nil {
		t.Fatal(err)
	}
	q := records.Query{Kind: "feedback"}
	out := map[string][]byte{}
	for _, format := range []string{"jsonl", "csv", "parquet"} {
		var b bytes.Buffer
		if err := r.Export(t.Context(), q, format, &b); err != nil {
			t.Fatal(err)
		}
		out[format] = b.Bytes()
	}
	rows := bytes.Split(bytes.TrimSpace(out["jsonl"]), []byte("\n"))
	var seven struct {
		ID     string
		Fields map[string]any
		Sets   map[string][]string
	}
	for _, row := range rows {
		if bytes.Contains(row, []byte(`"id":"7"`)) {
			if err := json.Unmarshal(row, &seven); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(rows) != 120 || seven.Fields["severity"] != 2.5 || seven.Fields["more"] != 7.0 || !slices.Equal(seven.Sets["tags"], []string{"x", "y"}) {
		t.Errorf("%d lines, %+v", len(rows), seven)
	}
	lines, err := csv.NewReader(bytes.NewReader(out["csv"])).ReadAll()
	if err != nil || len(lines) != 121 || strings.Join(lines[0], " ") != "kind id project first last build severity at resolved text extra more tags" {
		t.Fatalf("%d lines, %q, %v", len(lines), lines[0], err)
	}
	i := slices.IndexFunc(lines, func(l []string) bool { return l[1] == "7" })
	if got := strings.Join(lines[i][5:], "|"); got != "a,\"b\"\n|2.5|2026-01-02T03:04:05.000000006Z|true|the lamp 7|[1]|7|[\"x\",\"y\"]" {
		t.Errorf("%q", got)
	}
	type row struct {
		ID       string     `parquet:"id"`
		Build    *string    `parquet:"build"`
		Severity *float64   `parquet:"severity"`
		At       *time.Time `parquet:"at,timestamp(nanosecond)"`
		Resolved *bool      `parquet:"resolved"`
		More     *string    `parquet:"more"`
		Sets     *string    `parquet:"sets"`
		Extra    *string    `parquet:"extra"`
	}
	got, err := parquet.Read[row](bytes.NewReader(out["parquet"]), int64(len(out["parquet"])))
	if err != nil || len(got) != 120 {
		t.Fatalf("%d rows, %v", len(got), err)
	}
	i = slices.IndexFunc(got, func(r row) bool { return r.ID == "7" })
	if r := got[i]; *r.Build != "a,\"b\"\n" || *r.Severity != 2.5 || !r.At.Equal(at) || !*r.Resolved || *r.More != `{"more":7}` || *r.Sets != `{"tags":["x","y"]}` || *r.Extra != "[1]" {
		t.Errorf("%+v", r)
	}
	if r := got[(i+1)%120]; r.At != nil || r.Resolved != nil || r.Sets != nil {
		t.Errorf("%+v", r)
	}
	if err := r.Export(t.Context(), q, "xml", &bytes.Buffer{}); err == nil {
		t.Error("xml was written")
	}
}

// diff is where two texts part.
func diff(a, b string) string {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	return fmt.Sprintf("%d and %d bytes, from %d: %q and %q", len(a), len(b), i, a[max(0, i-60):min(len(a), i+60)], b[max(0, i-60):min(len(b), i+60)])
}

// TestIndexOfAnotherBuild: an index of this version whose tables are others, or are not all there, or whose own notes
// cannot be read, is made again, whether it is found so or becomes so while it is open; nobody is told.
func TestIndexOfAnotherBuild(t *testing.T) {
	const otherWords = "DROP TABLE x1; CREATE VIRTUAL TABLE x1 USING fts5(c5, content='', contentless_delete=1)" // gives no error, and finds nothing
	for i, change := range []string{
		"DELETE FROM meta WHERE k = 'ms'", "DELETE FROM meta WHERE k = 'generation'", "DELETE FROM meta WHERE k <> 'is'", "DELETE FROM meta", "DROP TABLE meta",
		"UPDATE meta SET v = 'x' WHERE k = 'change'", "UPDATE meta SET v = NULL WHERE k = 'n'", "UPDATE meta SET v = 'y' WHERE k = 'generation'",
		"ALTER TABLE meta RENAME COLUMN v TO w", "DROP TABLE segments", "ALTER TABLE segments ADD COLUMN size INTEGER", "ALTER TABLE segments RENAME COLUMN id TO name",
		"DROP TABLE writers", "DELETE FROM writers", "DROP TABLE kinds", "UPDATE kinds SET schema = '{}'", "UPDATE kinds SET schema = NULL", "DROP TABLE texts", "DROP TABLE blocks", "DROP TABLE members",
		"ALTER TABLE blocks ADD COLUMN more", "ALTER TABLE k0 ADD COLUMN another", "ALTER TABLE k1 ADD COLUMN another", "ALTER TABLE k1 DROP COLUMN state", "ALTER TABLE k1 RENAME COLUMN c1 TO d1", "DROP TABLE k1", "DROP TABLE x1", otherWords,
	} {
		for j, way := range []string{"found", "open", "appended to"} {
			if !*long && i%3 != j && j > 0 || change == otherWords && way != "found" { // nobody looks twice
				continue
			}
			t.Run(change+" "+way, func(t *testing.T) {
				open := way != "found"
				m := newMachine(t)
				r := m.open(t, feedback())
				said(t, r, 100)
				want := dump(t, memory(t, m.db(t), feedback()))
				if !open {
					if err := r.Close(); err != nil {
						t.Fatal(err)
					}
				}
				db, err := sql.Open("sqlite", "file:"+filepath.ToSlash(m.files(t)[0])+"?_pragma=busy_timeout(60000)")
				if err != nil {
					t.Fatal(err)
				}
				if _, err := db.ExecContext(t.Context(), change); err != nil && !strings.Contains(err.Error(), "constraint") {
					t.Fatal(err)
				}
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
				if !open {
					r = m.open(t, feedback())
				}
				if way == "appended to" {
					said(t, r, 100) // all again, twice, on its way into what is no index
				} else if err := r.Refresh(t.Context()); err != nil {
					t.Error(err)
				}
				if n, err := r.Count(t.Context(), records.Query{Kind: "feedback", Text: "lamp"}); err != nil || n != 100 {
					t.Errorf("%d found, %v", n, err)
				}
				if way == "appended to" {
					want = dump(t, memory(t, m.db(t), feedback()))
				}
				if got := dump(t, r); got != want {
					t.Errorf("another index: %.600s", diff(got, want))
				}
				if err := r.Append(t.Context(), records.Fact{Kind: "feedback", ID: "new", Set: map[string]any{"build": "b100", "text": "a lamp"}}); err != nil {
					t.Error(err)
				}
				if n, err := r.Count(t.Context(), records.Query{Kind: "feedback"}); err != nil || n != 101 {
					t.Errorf("%d in all, %v", n, err)
				}
				if n := len(m.files(t)); n != 1 {
					t.Errorf("%d files", n)
				}
			})
		}
	}
}
