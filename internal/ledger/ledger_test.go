package ledger_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"varve/internal/ledger"
	"varve/internal/object"
	"varve/internal/seal"
	"varve/store"
)

// drawRecords gives records of few entities and names, so that they meet. Their stamps are all different, as
// those of writers with names of their own are.
func drawRecords(t *rapid.T) []ledger.Record {
	few := func(label string, of ...string) string { return rapid.SampledFrom(of).Draw(t, label) }
	list := rapid.SliceOfN(rapid.SampledFrom([]string{"x", "y", "z"}), 0, 2)
	stamps := map[ledger.Stamp]bool{}
	var out []ledger.Record
	for range rapid.IntRange(0, 14).Draw(t, "records") {
		at := ledger.Stamp{Milli: rapid.Int64Range(1, 3).Draw(t, "ms"), Counter: rapid.Uint32Range(0, 2).Draw(t, "n"), Writer: few("by", "a", "b")}
		if stamps[at] {
			continue
		}
		stamps[at] = true
		r := ledger.Record{Type: few("type", "hold", "hold", "run"), ID: few("id", "1", "2"), At: at, Gone: rapid.IntRange(0, 4).Draw(t, "gone") == 0}
		if rapid.Bool().Draw(t, "sets") {
			r.Set = map[string]json.RawMessage{few("field", "f", "g"): ledger.Value(rapid.IntRange(0, 99).Draw(t, "value"))}
		}
		if s := list.Draw(t, "add"); len(s) > 0 {
			r.Add = map[string][]string{"tags": s}
		}
		if s := list.Draw(t, "drop"); len(s) > 0 {
			r.Drop = map[string][]string{"tags": s}
		}
		out = append(out, r)
	}
	return out
}

// state is an entity for comparing.
type state struct {
	ID          string
	First, Last ledger.Stamp
	Gone        bool
	Fields      map[string]string
	Tags        []string
}

func states(all []*ledger.Entity) []state {
	var out []state
	for _, e := range all {
		s := state{ID: e.ID, First: e.First, Last: e.Last, Gone: e.Gone, Fields: map[string]string{}, Tags: e.Members("tags")}
		for _, f := range e.Fields() {
			var raw json.RawMessage
			e.Get(f, &raw)
			s.Fields[f] = string(raw)
		}
		out = append(out, s)
	}
	return out
}

// model tells the records one after the other in the order of their stamps: a record says its drops and adds
// and its fields, and a tombstone wipes what was said until then, itself included.
func model(records []ledger.Record, typ string) []state {
	records = slices.Clone(records)
	slices.SortFunc(records, func(a, b ledger.Record) int {
		return cmp.Or(cmp.Compare(a.At.Milli, b.At.Milli), cmp.Compare(a.At.Counter, b.At.Counter), strings.Compare(a.At.Writer, b.At.Writer))
	})
	by := map[string]*state{}
	tags := map[string]map[string]bool{}
	var order []string
	for _, r := range records {
		if r.Type != typ {
			continue
		}
		s := by[r.ID]
		if s == nil {
			s = &state{ID: r.ID, First: r.At, Fields: map[string]string{}}
			by[r.ID], tags[r.ID] = s, map[string]bool{}
			order = append(order, r.ID)
		}
		s.Last, s.Gone = r.At, r.Gone
		for k, v := range r.Set {
			s.Fields[k] = string(v)
		}
		for _, m := range r.Drop["tags"] {
			delete(tags[r.ID], m)
		}
		for _, m := range r.Add["tags"] { // said together, the addition stands
			tags[r.ID][m] = true
		}
		if r.Gone {
			clear(s.Fields)
			clear(tags[r.ID])
		}
	}
	var out []state
	for _, id := range order {
		by[id].Tags = slices.Sorted(maps.Keys(tags[id]))
		out = append(out, *by[id])
	}
	return out
}

// TestMergeLaws: the merged state is the model's, whatever the order of the records, and however often each is
// seen.
func TestMergeLaws(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := drawRecords(t)
		shuffled := rapid.Permutation(records).Draw(t, "order")
		twice := append(slices.Clone(shuffled), records...)
		for _, typ := range []string{"hold", "run", "none"} {
			want := model(records, typ)
			for what, list := range map[string][]ledger.Record{"as drawn": records, "shuffled": shuffled, "twice": twice} {
				if got := states(ledger.Merge(list, typ)); !reflect.DeepEqual(got, want) {
					t.Fatalf("%s, %s: %+v\nwant %+v", typ, what, got, want)
				}
			}
		}
	})
}

// TestRules: the rules one by one, for reading.
func TestRules(t *testing.T) {
	at := func(ms int64, by string) ledger.Stamp { return ledger.Stamp{Milli: ms, Writer: by} }
	set := func(s ledger.Stamp, v string) ledger.Record {
		return ledger.Record{Type: "t", ID: "1", At: s, Set: map[string]json.RawMessage{"f": ledger.Value(v)}}
	}
	member := func(s ledger.Stamp, in bool) ledger.Record {
		r := ledger.Record{Type: "t", ID: "1", At: s}
		m := map[string][]string{"tags": {"x"}}
		if in {
			r.Add = m
		} else {
			r.Drop = m
		}
		return r
	}
	gone := func(s ledger.Stamp) ledger.Record { return ledger.Record{Type: "t", ID: "1", At: s, Gone: true} }
	for _, c := range []struct {
		name    string
		records []ledger.Record
		text    string
		tags    int
		gone    bool
	}{
		{"the later value stands", []ledger.Record{set(at(2, "a"), "new"), set(at(1, "b"), "old")}, "new", 0, false},
		{"a tie goes by the writer", []ledger.Record{set(at(1, "b"), "of b"), set(at(1, "a"), "of a")}, "of b", 0, false},
		{"the counter is before the writer", []ledger.Record{set(ledger.Stamp{Milli: 1, Counter: 1, Writer: "a"}, "n 1"), set(at(1, "b"), "n 0")}, "n 1", 0, false},
		{"added after dropped", []ledger.Record{member(at(2, "a"), true), member(at(1, "a"), false)}, "", 1, false},
		{"dropped after added", []ledger.Record{member(at(2, "a"), false), member(at(1, "a"), true)}, "", 0, false},
		{"a tombstone hides", []ledger.Record{set(at(1, "a"), "v"), member(at(2, "a"), true), gone(at(3, "a"))}, "", 0, true},
		{"what is said later lives", []ledger.Record{gone(at(2, "a")), set(at(3, "a"), "again"), member(at(1, "a"), true)}, "again", 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := ledger.Merge(c.records, "t")
			if len(got) != 1 {
				t.Fatalf("%d entities", len(got))
			}
			if e := got[0]; e.Text("f") != c.text || len(e.Members("tags")) != c.tags || e.Gone != c.gone {
				t.Errorf("f %q, tags %q, gone %v", e.Text("f"), e.Members("tags"), e.Gone)
			}
		})
	}
}

// machine is a store, a clock and seeded chance.
type machine struct {
	store store.Store
	mu    sync.Mutex
	rand  *rand.ChaCha8
}

func (m *machine) Read(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rand.Read(p)
}

type fataler interface {
	Helper()
	Fatal(args ...any)
}

// background is for rapid, whose tests have no context.
func background() context.Context { return context.Background() }

func newMachine(t fataler) *machine {
	t.Helper()
	m := &machine{store: store.NewMemory(), rand: rand.NewChaCha8([32]byte{1})}
	if _, err := object.Create(background(), m.store, true, object.Options{Rand: m, Now: func() time.Time { return time.UnixMilli(1) }}); err != nil {
		t.Fatal(err)
	}
	return m
}

// open opens the vault as a process with a clock of its own.
func (m *machine) open(t fataler, now *int64) *object.DB {
	t.Helper()
	db, err := object.Open(background(), m.store, nil, object.Options{Rand: m, Now: func() time.Time { return time.UnixMilli(*now) }})
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// TestWriters: several writers with clocks of their own append and read in any interleaving; a stamp is later
// than all that its writer could know, and who reads in the end sees what the model says of all records.
func TestWriters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := newMachine(t)
		var clocks [3]int64
		var ledgers []*ledger.Ledger
		for i := range clocks {
			clocks[i] = rapid.Int64Range(1, 50).Draw(t, "clock")
			ledgers = append(ledgers, ledger.New(m.open(t, &clocks[i]), fmt.Sprint("w", i)))
		}
		var all []ledger.Record
		for i, r := range drawRecords(t) {
			w := rapid.IntRange(0, 2).Draw(t, "writer")
			clocks[w] += rapid.Int64Range(-20, 20).Draw(t, "tick")
			batch := []ledger.Record{r, {Type: "run", ID: fmt.Sprint(i)}}
			if err := ledgers[w].Append(background(), batch...); err != nil {
				t.Fatal(err)
			}
			for j := range batch {
				for k := range all {
					if batch[j].At.Compare(all[k].At) <= 0 {
						t.Fatalf("stamp %+v is not after %+v", batch[j].At, all[k].At)
					}
				}
				all = append(all, batch[j])
			}
		}
		readers := []*ledger.Ledger{ledger.New(m.open(t, &clocks[0]), "fresh"), ledgers[0], ledgers[2]}
		for i, l := range readers {
			for range 2 { // a second reading changes nothing
				if err := l.Refresh(background()); err != nil {
					t.Fatal(err)
				}
			}
			want := slices.DeleteFunc(model(all, "hold"), func(s state) bool { return s.Gone })
			if got := states(l.Entities("hold")); !reflect.DeepEqual(got, want) && len(got)+len(want) > 0 {
				t.Fatalf("reader %d: %+v\nwant %+v", i, got, want)
			}
		}
	})
}

// TestConcurrentAppends: no record of any writer is lost. Run it with the race detector too.
func TestConcurrentAppends(t *testing.T) {
	m := newMachine(t)
	now := int64(5)
	var wg sync.WaitGroup
	for w := range 4 {
		l := ledger.New(m.open(t, &now), fmt.Sprint("w", w/2)) // pairs share a name and still lose nothing
		wg.Go(func() {
			for i := range 10 {
				r := ledger.Record{Type: "run", ID: fmt.Sprintf("%d-%d", w, i), Set: map[string]ledger.Raw{"i": ledger.Value(i)}}
				if err := l.Append(background(), r); err != nil {
					t.Error(err)
				}
				l.Entities("run")
			}
		})
	}
	wg.Wait()
	l := ledger.New(m.open(t, &now), "r")
	if err := l.Refresh(background()); err != nil {
		t.Fatal(err)
	}
	if got := len(l.Entities("run")); got != 40 {
		t.Errorf("%d records, want 40", got)
	}
}

// TestUnion: two copies of a vault that were written to apart merge by putting their objects together.
func TestUnion(t *testing.T) {
	a := newMachine(t)
	b := &machine{store: store.NewMemory(), rand: rand.NewChaCha8([32]byte{2})}
	copyAll(t, a.store, b.store)
	now := int64(7)
	say := func(m *machine, id string) {
		if err := ledger.New(m.open(t, &now), id).Append(t.Context(), ledger.Record{Type: "hold", ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	say(a, "of a")
	say(b, "of b")
	copyAll(t, b.store, a.store)
	copyAll(t, a.store, b.store)
	for _, m := range []*machine{a, b} {
		l := ledger.New(m.open(t, &now), "r")
		if err := l.Refresh(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := l.Entities("hold"); len(got) != 2 {
			t.Errorf("%d holds, want 2", len(got))
		}
	}
}

func copyAll(t *testing.T, from, to store.Store) {
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

// TestDamage: a segment that was changed, or moved to another name, is told by its name, gives no record and
// hides none of the others.
func TestDamage(t *testing.T) {
	m := newMachine(t)
	now := int64(7)
	w := ledger.New(m.open(t, &now), "w")
	if err := w.Append(t.Context(), ledger.Record{Type: "hold", ID: "1"}); err != nil {
		t.Fatal(err)
	}
	var name string
	for o := range m.store.List(t.Context(), "ledger/") {
		name = o.Name
	}
	if err := w.Append(t.Context(), ledger.Record{Type: "hold", ID: "other"}); err != nil {
		t.Fatal(err)
	}
	good, err := m.store.Get(t.Context(), name, 0, -1, nil)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what, name string, want error, holds int) {
		t.Helper()
		l := ledger.New(m.open(t, &now), "r")
		for range 2 {
			if err := l.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := l.Damaged()[name]; !errors.Is(got, want) || want == nil && len(l.Damaged()) > 0 {
			t.Fatalf("%s: %v, want %v", what, got, want)
		}
		if got := len(l.Entities("hold")); got != holds {
			t.Fatalf("%s: %d holds, want %d", what, got, holds)
		}
	}
	put := func(name string, b []byte) {
		t.Helper()
		if err := m.store.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		if b != nil {
			if err := m.store.Put(t.Context(), name, b); err != nil {
				t.Fatal(err)
			}
		}
	}
	for at := range good {
		bad := bytes.Clone(good)
		bad[at] ^= 4
		put(name, bad)
		check(fmt.Sprint("byte ", at), name, seal.ErrDamaged, 1)
	}
	put(name, good[:len(good)-1])
	check("cut", name, seal.ErrDamaged, 1)
	put(name, nil)
	other := "ledger/" + strings.Repeat("0", 32)
	put(other, good)
	check("under another name", other, seal.ErrDamaged, 1)
	put(other, nil)
	put(name, good)
	check("whole again", name, nil, 2)
}

// TestGet: a field of another type, or one that is not there, is not set.
func TestGet(t *testing.T) {
	e := ledger.Merge([]ledger.Record{{Type: "t", ID: "1", At: ledger.Stamp{Milli: 1}, Set: map[string]ledger.Raw{
		"n": ledger.Value(5), "s": ledger.Value("five"), "none": ledger.Raw("null")}}}, "t")[0]
	n := 9
	if !e.Get("n", &n) || n != 5 {
		t.Errorf("n is %d", n)
	}
	if e.Get("s", &n) || e.Get("absent", &n) {
		t.Error("a field that is no number was got as one")
	}
	if e.Text("s") != "five" || e.Text("absent") != "" || e.Text("n") != "" {
		t.Errorf("texts %q, %q, %q", e.Text("s"), e.Text("absent"), e.Text("n"))
	}
	p := &n
	if !e.Get("none", &p) || p != nil {
		t.Error("null is not nil")
	}
	if got := e.Fields(); !slices.Equal(got, []string{"n", "none", "s"}) {
		t.Errorf("fields %q", got)
	}
}

// FuzzDecode: nothing panics, every record has a type and an id, and what decodes is the same again after
// it was encoded, one line a record.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"type":"hold","id":"1","at":{"ms":5,"n":1,"by":"w"},"set":{"reason":"keep"},"add":{"tags":["x"]}}` + "\n"))
	f.Add([]byte(`{"type":"hold","id":"1","at":{"ms":5,"by":""},"gone":true,"drop":{"tags":[]}}`))
	f.Add([]byte("{}\n"))
	f.Add([]byte("\n\n"))
	f.Add([]byte(`{"type":"a","id":"b","at":null,"set":{"x":  {"y" : [1e400]}}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		records, err := ledger.Decode(b)
		if err != nil {
			return
		}
		lines := encode(t, records)
		back, err := ledger.Decode(lines)
		if err != nil || len(back) != len(records) {
			t.Fatalf("%d records came back as %d: %v", len(records), len(back), err)
		}
		if again := encode(t, back); !bytes.Equal(again, lines) {
			t.Errorf("%q became %q", lines, again)
		}
		for _, r := range records {
			if r.Type == "" || r.ID == "" {
				t.Errorf("record %+v", r)
			}
		}
		ledger.Merge(records, "hold")
	})
}

func encode(t *testing.T, records []ledger.Record) []byte {
	var out []byte
	for i := range records {
		b, err := json.Marshal(&records[i])
		if err != nil {
			t.Fatal(err)
		}
		out = append(append(out, b...), '\n')
	}
	return out
}

// TestDecodeRefuses: half a line, no type, too long a line.
func TestDecodeRefuses(t *testing.T) {
	good := `{"type":"a","id":"b"}` + "\n"
	for name, b := range map[string]string{
		"half a line": good + good[:9], "no type": `{"id":"b"}`, "no id": `{"type":"a"}`, "empty line": good + "\n" + good,
		"another thing": "[]", "a long line": `{"type":"a","id":"` + strings.Repeat("x", 16<<20) + `"}`,
	} {
		if got, err := ledger.Decode([]byte(b)); err == nil {
			t.Errorf("%s: %d records", name, len(got))
		}
	}
	if got, err := ledger.Decode([]byte(good + good)); err != nil || len(got) != 2 {
		t.Errorf("%d records, %v", len(got), err)
	}
}

func BenchmarkMerge(b *testing.B) {
	var records []ledger.Record
	for i := range 10_000 {
		records = append(records, ledger.Record{Type: "snapshot", ID: fmt.Sprint(i % 1000), At: ledger.Stamp{Milli: int64(i), Writer: "w"},
			Set: map[string]ledger.Raw{"tag.x": ledger.Value(i)}})
	}
	for b.Loop() {
		ledger.Merge(records, "snapshot")
	}
}
