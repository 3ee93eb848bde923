package records_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"varve/internal/disk"
	"varve/internal/object"
	"varve/internal/records"
	"varve/store"
)

// machine is a store, a cache on the real disk, a clock and seeded chance.
type machine struct {
	store store.Store
	cache string
	mu    sync.Mutex
	rand  *rand.ChaCha8
	now   time.Time
}

func (m *machine) Read(p []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.rand.Read(p)
}

func newMachine(t testing.TB) *machine {
	t.Helper()
	m := &machine{store: store.NewMemory(), cache: t.TempDir(), rand: rand.NewChaCha8([32]byte{1}), now: time.UnixMilli(1_700_000_000_000)}
	if _, err := object.Create(context.Background(), m.store, true, m.options()); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *machine) options() object.Options {
	return object.Options{Rand: m, Now: func() time.Time { m.mu.Lock(); defer m.mu.Unlock(); return m.now }}
}

func (m *machine) open(t testing.TB, schemas ...records.Schema) *records.Records {
	t.Helper()
	r, err := m.tryOpen(t, schemas...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func (m *machine) tryOpen(t testing.TB, schemas ...records.Schema) (*records.Records, error) {
	t.Helper()
	db, err := object.Open(context.Background(), m.store, nil, m.options())
	if err != nil {
		t.Fatal(err)
	}
	opt := records.Options{Warn: func(name string, err error) { t.Logf("warning: %s: %v", name, err) }}
	if m.cache != "" {
		if opt.Dir, err = disk.Open(m.cache); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { opt.Dir.Close() })
	}
	return records.Open(context.Background(), db, opt, schemas...)
}

func (m *machine) files(t testing.TB) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(m.cache, "records", "*", "*.db"))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func feedback() records.Schema {
	return records.Schema{Kind: "feedback", Version: 1, Fields: []records.Field{
		{Name: "build", Type: records.Text, Index: true},
		{Name: "severity", Type: records.Number, Index: true},
		{Name: "at", Type: records.Time, Index: true},
		{Name: "resolved", Type: records.Flag},
		{Name: "text", Type: records.Text, Search: true},
		{Name: "extra", Type: records.JSON},
	}}
}

func TestFirst(t *testing.T) {
	m := newMachine(t)
	r := m.open(t, feedback())
	ctx := t.Context()
	var facts []records.Fact
	for i := range 1000 {
		facts = append(facts, records.Fact{Kind: "feedback", ID: fmt.Sprint("f", i), Project: fmt.Sprint("p", i%2), Set: map[string]any{
			"build": fmt.Sprint("b", i%10), "severity": i % 5, "at": m.now.Add(time.Duration(i) * time.Hour), "resolved": i%3 == 0, "text": fmt.Sprintf("the door %d is stuck, 門が開かない", i),
			"extra": map[string]any{"i": i}, "unknown": i}, Add: map[string][]string{"tags": {fmt.Sprint("t", i%4)}}})
	}
	if err := r.Append(ctx, facts...); err != nil {
		t.Fatal(err)
	}
	if err := r.Append(ctx, records.Fact{Kind: "feedback", ID: "f5", Set: map[string]any{"severity": 9.5, "text": "it opens"}, Drop: map[string][]string{"tags": {"t1"}}},
		records.Fact{Kind: "feedback", ID: "f6", Gone: true}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		q    records.Query
		want int
	}{
		{records.Query{}, 999},
		{records.Query{Project: "p0"}, 499},
		{records.Query{Where: []records.Where{{"build", "=", "b3"}}}, 100},
		{records.Query{Where: []records.Where{{"build", "in", []string{"b3", "b4"}}, {"severity", ">=", 4}}}, 100},
		{records.Query{Where: []records.Where{{"severity", "=", 9.5}}}, 1},
		{records.Query{Where: []records.Where{{"tags", "has", "t1"}}}, 249},
		{records.Query{Where: []records.Where{{"resolved", "=", true}}}, 333},
		{records.Query{Where: []records.Where{{"unknown", "<", 10}}}, 9},
		{records.Query{Text: "stuck door"}, 998},
		{records.Query{Text: "開か"}, 998},
		{records.Query{Text: "ope*"}, 1},
		{records.Query{Text: "door -stuck"}, 0},
		{records.Query{TimeField: "at", Since: m.now.Add(990 * time.Hour)}, 10},
		{records.Query{Since: m.now}, 999},
		{records.Query{Until: m.now}, 0},
	} {
		c.q.Kind = "feedback"
		n, err := r.Count(ctx, c.q)
		if err != nil || n != c.want {
			t.Errorf("%+v: %d, %v; want %d", c.q, n, err, c.want)
		}
		for _, by := range []string{"build", "at:day", "project", "severity"} {
			groups, err := r.Group(ctx, c.q, by)
			sum := 0
			for _, g := range groups {
				sum += g.Count
			}
			if err != nil || sum != c.want {
				t.Errorf("%+v by %s: %d, %v; want %d", c.q, by, sum, err, c.want)
			}
		}
	}
	row, err := r.Get(ctx, "feedback", "f5")
	if err != nil || row.Text("text") != "it opens" || len(row.Sets) != 0 || row.Project != "p1" || string(row.Fields["unknown"]) != "5" {
		t.Errorf("%+v, %v", row, err)
	}
	if len(m.files(t)) != 1 {
		t.Errorf("files %q", m.files(t))
	}
}
