package records_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"varve/internal/ledger"
	"varve/internal/object"
	"varve/internal/records"
	"varve/store"
)

func dump(t testing.TB, r *records.Records) string {
	t.Helper()
	var b bytes.Buffer
	if err := r.Dump(context.Background(), &b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// draw gives records of few entities and names, so that they meet, with values of every type, right and wrong.
func draw(t *rapid.T) []ledger.Record {
	few := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, label) }
	list := rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y", "z\x00"}), 0, 2)
	value := rapid.SampledFrom([]string{`1`, `-7`, `2.5`, `1.0`, `1e400`, `9007199254740991`, `"b1"`, `"b2"`, `"\u003c"`, `"<"`, `"é\n"`, `""`, `null`, `true`, `false`, `[1,{"a":2}]`,
		`"2026-01-02T03:04:05Z"`, `"2026-01-02T03:04:05.000000001Z"`, `"2026-01-02T03:04:05+02:00"`, `"1500-01-02T03:04:05Z"`})
	stamps := map[ledger.Stamp]bool{}
	var out []ledger.Record
	for range rapid.IntRange(0, 30).Draw(t, "records") {
		at := ledger.Stamp{Milli: rapid.Int64Range(1, 4).Draw(t, "ms"), Counter: rapid.Uint32Range(0, 3).Draw(t, "n"), Writer: few("by", "a", "b", "c")}
		if stamps[at] {
			continue
		}
		stamps[at] = true
		r := ledger.Record{Type: few("type", "feedback", "feedback", "feedback", "run", "run2"), ID: few("id", "1", "2", "three\x00", "é"), At: at, Gone: rapid.IntRange(0, 6).Draw(t, "gone") == 0}
		for range rapid.IntRange(0, 3).Draw(t, "sets") {
			if r.Set == nil {
				r.Set = map[string]json.RawMessage{}
			}
			r.Set[few("field", "build", "severity", "at", "resolved", "text", "extra", "project", "other", "o\"dd")] = ledger.Value(json.RawMessage(value.Draw(t, "value")))
		}
		if s := list.Draw(t, "add"); len(s) > 0 {
			r.Add = map[string][]string{few("set", "tags", "links"): s}
		}
		if s := list.Draw(t, "drop"); len(s) > 0 {
			r.Drop = map[string][]string{few("set", "tags", "links"): s}
		}
		out = append(out, r)
	}
	return out
}

// model is what ledger.Merge says of the records, as a query for everything would.
func model(all []ledger.Record) map[[2]string]*records.Row {
	out := map[[2]string]*records.Row{}
	for _, kind := range []string{"feedback", "run", "run2"} {
		for _, e := range ledger.Merge(all, kind) {
			if e.Gone {
				continue
			}
			row := &records.Row{Kind: kind, ID: e.ID, First: time.UnixMilli(e.First.Milli).UTC(), Last: time.UnixMilli(e.Last.Milli).UTC(), Fields: map[string]json.RawMessage{}}
			for _, f := range e.Fields() {
				if f == "project" {
					row.Project = e.Text(f)
				} else {
					row.Fields[f] = e.Record().Set[f]
				}
			}
			for set, in := range e.Record().Add {
				if row.Sets == nil {
					row.Sets = map[string][]string{}
				}
				row.Sets[set] = in
			}
			out[[2]string{kind, e.ID}] = row
		}
	}
	return out
}

func everything(t fataler, r *records.Records) map[[2]string]*records.Row {
	out := map[[2]string]*records.Row{}
	for _, kind := range []string{"feedback", "run", "run2"} {
		for row, err := range r.Find(context.Background(), records.Query{Kind: kind}) {
			if err != nil {
				t.Fatal(err)
			}
			out[[2]string{kind, row.ID}] = row
		}
	}
	return out
}

type fataler interface{ Fatal(args ...any) }

func (m *machine) db(t fataler) *object.DB {
	db, err := object.Open(context.Background(), m.store, nil, m.options())
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func memory(t fataler, db *object.DB, schemas ...records.Schema) *records.Records {
	r, err := records.Open(context.Background(), db, records.Options{}, schemas...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestMergesAsTheLedger: whatever the records, cut into segments of any sizes that come in any order, some twice, before
// or after the kind is declared, the index says what ledger.Merge says of them all, and every order dumps the same.
func TestMergesAsTheLedger(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		all := draw(t)
		want := model(all)
		dumps := map[string]bool{}
		for _, way := range []string{"at once", "one by one", "declared late"} {
			m := emptyMachine(t)
			db := m.db(t)
			segs := ledger.NewSegments(db)
			list := rapid.Permutation(all).Draw(t, "order of "+way)
			late := way == "declared late"
			var r *records.Records
			if late {
				r = memory(t, db)
			} else {
				r = memory(t, db, feedback())
			}
			size := max(1, len(list))
			if way != "at once" {
				size = rapid.IntRange(1, 5).Draw(t, "size")
			}
			for part := range slices.Chunk(list, size) {
				if _, err := segs.Write(ctx, part); err != nil {
					t.Fatal(err)
				}
				if way == "at once" {
					continue
				}
				if err := r.Refresh(ctx); err != nil {
					t.Fatal(err)
				}
			}
			if err := r.Refresh(ctx); err != nil {
				t.Fatal(err)
			}
			if late {
				if err := r.Declare(ctx, feedback()); err != nil {
					t.Fatal(err)
				}
			}
			if got := everything(t, r); !reflect.DeepEqual(got, want) {
				t.Fatalf("%s: %s\nwant %s", way, show(got), show(want))
			}
			if way == "one by one" {
				agree(t, r)
			}
			var b bytes.Buffer
			if err := r.Dump(ctx, &b); err != nil {
				t.Fatal(err)
			}
			dumps[b.String()] = true
			r.Close()
		}
		if len(dumps) != 1 {
			t.Fatalf("%d dumps", len(dumps))
		}
	})
}

func show(rows map[[2]string]*records.Row) string {
	var b strings.Builder
	keys := slices.SortedFunc(maps.Keys(rows), func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	for _, k := range keys {
		fmt.Fprintf(&b, "\n%q %q %q %v %v %q %q", rows[k].Kind, rows[k].ID, rows[k].Project, rows[k].First, rows[k].Last, rows[k].Fields, rows[k].Sets)
	}
	return b.String()
}

func emptyMachine(t fataler) *machine {
	m := &machine{store: store.NewMemory(), rand: rand.NewChaCha8([32]byte{1}), now: time.UnixMilli(1)}
	if _, err := object.Create(context.Background(), m.store, true, m.options()); err != nil {
		t.Fatal(err)
	}
	return m
}

// agree: what goes by columns and what goes by SQL are the same.
func agree(t *rapid.T, r *records.Records) {
	ctx := context.Background()
	slow := records.Plain(r)
	all := conditions()
	for range 3 {
		w := rapid.SampledFrom(all).Draw(t, "condition")
		q := records.Query{Kind: "feedback", Where: []records.Where{w}}
		a, err := r.Count(ctx, q)
		b, err2 := slow.Count(ctx, q)
		if err != nil || err2 != nil || a != b {
			t.Fatalf("%+v: %d by columns (%v), %d by SQL (%v)", w, a, err, b, err2)
		}
		for _, order := range []string{"", rapid.SampledFrom([]string{"build", "severity", "at", "last", "id", "resolved", "text", "other"}).Draw(t, "order")} {
			q.Order, q.Descending, q.Limit = order, len(order)%2 == 0, 3
			if a, b := ids(t, r, q), ids(t, slow, q); !slices.Equal(a, b) {
				t.Fatalf("%+v: %q by columns, %q by SQL", q, a, b)
			}
		}
		q.Limit, q.Order = 0, ""
		for _, by := range [][]string{{"build", "#tags"}, rapid.SampledFrom([][]string{{"build"}, {"severity"}, {"at:day", "build"}, {"project", "first:week"}, {"at", "severity", "last"}}).Draw(t, "by")} {
			q.Measure = "severity"
			a, err := r.Group(ctx, q, by...)
			b, err2 := slow.Group(ctx, q, by...)
			if err != nil || err2 != nil || fmt.Sprint(a) != fmt.Sprint(b) {
				t.Fatalf("%+v by %q:\n%v by columns (%v)\n%v by SQL (%v)", q, by, a, err, b, err2)
			}
		}
	}
}

func ids(t fataler, r *records.Records, q records.Query) (out []string) {
	for row, err := range r.Find(context.Background(), q) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, row.ID)
	}
	return out
}

func conditions() []records.Where {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var out []records.Where
	for _, op := range []string{"=", "!=", "<", "<=", ">", ">="} {
		out = append(out, records.Where{Field: "build", Op: op, Value: "b1"}, records.Where{Field: "severity", Op: op, Value: 1}, records.Where{Field: "severity", Op: op, Value: 2.5},
			records.Where{Field: "at", Op: op, Value: at}, records.Where{Field: "resolved", Op: op, Value: true}, records.Where{Field: "other", Op: op, Value: "b1"},
			records.Where{Field: "first", Op: op, Value: time.UnixMilli(2)}, records.Where{Field: "last", Op: op, Value: time.UnixMilli(3)}, records.Where{Field: "id", Op: op, Value: "2"})
	}
	for _, f := range []string{"build", "severity", "at", "resolved", "text", "other", "project"} {
		out = append(out, records.Where{Field: f, Op: "=", Value: nil}, records.Where{Field: f, Op: "!=", Value: nil})
	}
	return append(out, records.Where{Field: "build", Op: "in", Value: []string{"b1", "b2", "none"}}, records.Where{Field: "severity", Op: "in", Value: []float64{1, 2.5}},
		records.Where{Field: "at", Op: "in", Value: []time.Time{at}}, records.Where{Field: "build", Op: "contains", Value: "B"}, records.Where{Field: "build", Op: "prefix", Value: "b"},
		records.Where{Field: "tags", Op: "has", Value: "x"}, records.Where{Field: "build", Op: "in", Value: []string{}}, records.Where{Field: "text", Op: "contains", Value: "1"})
}

// TestWritersConverge: three writers with clocks of their own edit the same entities, apart from one another; whoever
// gets whose segments in whatever order has the same index in the end, and it is that of all records at once.
func TestWritersConverge(t *testing.T) {
	n := 3000
	if *long {
		n = 100_000
	}
	ctx := t.Context()
	const writers = 3
	m := emptyMachine(t)
	var stores [writers]store.Store
	for w := range writers {
		stores[w] = store.NewMemory()
		carry(t, m.store, stores[w])
	}
	for w := range writers {
		own := &machine{store: stores[w], rand: rand.NewChaCha8([32]byte{byte(w)}), now: time.UnixMilli(1_700_000_000_000 + int64(w)*777)}
		r := memory(t, own.db(t), feedback())
		edit(t, own, r, rand.New(rand.NewPCG(uint64(w), 1)), n)
		r.Close()
	}
	var want [32]byte
	for turn := range 3 {
		r := newMachine(t)
		r.store = store.NewMemory()
		carry(t, m.store, r.store)
		x := r.open(t, feedback())
		for i := range writers {
			carry(t, stores[(i+turn)%writers], r.store)
			if err := x.Refresh(ctx); err != nil {
				t.Fatal(err)
			}
		}
		got := sha256.Sum256([]byte(dump(t, x)))
		if turn == 0 {
			want = got
			whole(t, r, x)
		}
		if got != want {
			t.Errorf("turn %d: another index", turn)
		}
		for _, f := range r.files(t) {
			if err := errors.Join(x.Close(), os.Remove(f)); err != nil {
				t.Fatal(err)
			}
		}
		if again := sha256.Sum256([]byte(dump(t, r.open(t, feedback())))); again != want {
			t.Errorf("turn %d: made again it is another index", turn)
		}
	}
}

// edit says n things of few entities.
func edit(t testing.TB, m *machine, r *records.Records, chance *rand.Rand, n int) {
	t.Helper()
	for done := 0; done < n; {
		var facts []records.Fact
		for range min(1+chance.IntN(n/5), n-done) {
			f := records.Fact{Kind: []string{"feedback", "feedback", "note"}[chance.IntN(3)], ID: fmt.Sprint(chance.IntN(n / 3))}
			switch chance.IntN(8) {
			case 0:
				f.Gone = true
			case 1:
				f.Add = map[string][]string{"tags": {fmt.Sprint(chance.IntN(5))}}
			case 2:
				f.Drop = map[string][]string{"tags": {fmt.Sprint(chance.IntN(5))}}
			default:
				f.Project = []string{"", "p", "q"}[chance.IntN(3)]
				f.Set = map[string]any{[]string{"build", "severity", "text", "more"}[chance.IntN(4)]: chance.IntN(9), "resolved": chance.IntN(2) == 0, "build": fmt.Sprint("b", chance.IntN(7))}
			}
			facts = append(facts, f)
		}
		m.mu.Lock()
		m.now = m.now.Add(time.Duration(chance.IntN(3000)-1000) * time.Millisecond)
		m.mu.Unlock()
		if err := r.Append(t.Context(), facts...); err != nil {
			t.Fatal(err)
		}
		done += len(facts)
	}
}

// whole compares an index with ledger.Merge of all segments.
func whole(t testing.TB, m *machine, r *records.Records) {
	t.Helper()
	segs := ledger.NewSegments(m.db(t))
	list, err := segs.List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all []ledger.Record
	for _, s := range list {
		records, err := segs.Read(t.Context(), s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, records...)
	}
	for _, kind := range []string{"feedback", "note"} {
		want := map[string]*ledger.Entity{}
		for _, e := range ledger.Merge(all, kind) {
			if !e.Gone {
				want[e.ID] = e
			}
		}
		n := 0
		for row, err := range r.Find(t.Context(), records.Query{Kind: kind}) {
			if err != nil {
				t.Fatal(err)
			}
			e := want[row.ID]
			if e == nil {
				t.Fatalf("%s %s is not there", kind, row.ID)
			}
			n++
			fields := e.Record().Set
			delete(fields, "project")
			if !reflect.DeepEqual(row.Fields, fields) || !slices.Equal(row.Sets["tags"], e.Members("tags")) || row.Project != e.Text("project") {
				t.Fatalf("%s %s: %q %q, want %q %q", kind, row.ID, row.Fields, row.Sets, fields, e.Members("tags"))
			}
		}
		if n != len(want) {
			t.Errorf("%d of kind %s, want %d", n, kind, len(want))
		}
	}
}

func carry(t testing.TB, from, to store.Store) {
	t.Helper()
	for o, err := range from.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		b, err := from.Get(t.Context(), o.Name, 0, -1, nil)
		if err != nil {
			t.Fatal(err)
		}
		_ = to.Put(t.Context(), o.Name, b) // there already: the same bytes
	}
}
