package records_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/internal/records"
)

var (
	many = flag.Int("records", 1_000_000, "records in the benchmarks")
	long = flag.Bool("long", false, "run the slow suites at their full size")
)

// words that feedback is made of: 4,000, the frequent ones frequent.
func words() []string {
	r := rand.New(rand.NewPCG(1, 1))
	var out []string
	for range 4000 {
		b := make([]byte, 3+r.IntN(7))
		for i := range b {
			b[i] = "etaoinshrdlucmfwypvbgkqjxz"[min(r.IntN(26), r.IntN(26))]
		}
		out = append(out, string(b))
	}
	return out
}

func sentence(r *rand.Rand, words []string) string {
	var b strings.Builder
	for range 8 + r.IntN(25) {
		f := r.Float64()
		b.WriteString(words[int(f*f*f*float64(len(words)))])
		b.WriteByte(' ')
	}
	return b.String()
}

func bulkSchema() records.Schema {
	return records.Schema{Kind: "feedback", Version: 1, Fields: []records.Field{
		{Name: "build", Type: records.Text, Index: true},
		{Name: "platform", Type: records.Text, Index: true},
		{Name: "category", Type: records.Text, Index: true},
		{Name: "status", Type: records.Text, Index: true},
		{Name: "severity", Type: records.Number, Index: true},
		{Name: "at", Type: records.Time, Index: true},
		{Name: "player", Type: records.Text},
		{Name: "text", Type: records.Text, Search: true},
		{Name: "source", Type: records.JSON},
	}}
}

// lines are feedback as an importer reads it: an object of JSON a line, about 330 bytes.
func lines(n int) [][]byte {
	r := rand.New(rand.NewPCG(2, 2))
	w := words()
	out := make([][]byte, n)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range out {
		b, err := json.Marshal(map[string]any{
			"id": fmt.Sprintf("steam-%08x", i*2654435761%(1<<32)), "build": fmt.Sprintf("1.%d.%d", r.IntN(5), r.IntN(10)), "platform": []string{"windows", "linux", "macos", "switch", "ps5", "xbox"}[r.IntN(6)],
			"category": []string{"bug", "crash", "balance", "art", "audio", "praise", "ui", "other"}[r.IntN(8)], "status": []string{"open", "seen", "resolved", "refused"}[r.IntN(4)],
			"severity": 1 + r.IntN(5), "at": start.Add(time.Duration(r.IntN(31_536_000)) * time.Second), "player": fmt.Sprintf("%016x", r.Uint64N(200_000)), "text": sentence(r, w),
		})
		if err != nil {
			panic(err)
		}
		out[i] = b
	}
	return out
}

// importLines decodes lines and appends them, 100,000 at a time.
func importLines(ctx context.Context, r *records.Records, lines [][]byte) error {
	for part := range slices.Chunk(lines, 100_000) {
		facts := make([]records.Fact, len(part))
		for i, line := range part {
			var in map[string]any
			if err := json.Unmarshal(line, &in); err != nil {
				return err
			}
			id, _ := in["id"].(string)
			delete(in, "id")
			facts[i] = records.Fact{Kind: "feedback", ID: id, Project: "game", Set: in}
		}
		if err := r.Append(ctx, facts...); err != nil {
			return err
		}
	}
	return nil
}

func filled(b *testing.B) *machine {
	b.Helper()
	m := newMachine(b)
	r := m.open(b, bulkSchema())
	all := lines(*many)
	began := time.Now()
	if err := importLines(b.Context(), r, all); err != nil {
		b.Fatal(err)
	}
	if err := r.Refresh(b.Context()); err != nil { // the last are on their way into the index
		b.Fatal(err)
	}
	took := time.Since(began)
	b.Logf("import %d: %.1f s, %.2f M/min", *many, took.Seconds(), float64(*many)/took.Minutes()/1e6)
	for _, f := range m.files(b) {
		if i, err := os.Stat(f); err == nil {
			b.Logf("index of %d bytes", i.Size())
		}
	}
	if err := r.Close(); err != nil {
		b.Fatal(err)
	}
	return m
}

// BenchmarkMillion imports, makes the index anew and asks. Run it with -benchtime 1x and -v; -records sets how many.
func BenchmarkMillion(b *testing.B) {
	m := filled(b)
	for _, f := range m.files(b) {
		if err := os.Remove(f); err != nil {
			b.Fatal(err)
		}
	}
	began := time.Now()
	r := m.open(b, bulkSchema())
	b.Logf("rebuild %d: %.1f s", *many, time.Since(began).Seconds())
	for name, ask := range questions() {
		b.Run(name, func(b *testing.B) {
			var all []time.Duration
			for i := range 20 {
				began := time.Now()
				n, err := ask(b.Context(), r, i)
				if err != nil {
					b.Fatal(err)
				}
				all = append(all, time.Since(began))
				if i == 0 {
					b.ReportMetric(float64(n), "found")
				}
			}
			slices.Sort(all)
			b.ReportMetric(float64(all[18].Microseconds())/1000, "p95-ms")
			b.ReportMetric(float64(all[10].Microseconds())/1000, "median-ms")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func questions() map[string]func(context.Context, *records.Records, int) (int, error) {
	day := func(i int) time.Time { return time.Date(2026, 3, 1+i, 0, 0, 0, 0, time.UTC) }
	build := func(i int) records.Where {
		return records.Where{Field: "build", Op: "=", Value: fmt.Sprintf("1.%d.%d", i%5, i%10)}
	}
	is := func(f, v string) records.Where { return records.Where{Field: f, Op: "=", Value: v} }
	find := func(ctx context.Context, r *records.Records, q records.Query) (n int, err error) {
		q.Kind = "feedback"
		for _, err := range r.Find(ctx, q) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	count := func(ctx context.Context, r *records.Records, q records.Query) (int, error) {
		q.Kind = "feedback"
		return r.Count(ctx, q)
	}
	group := func(ctx context.Context, r *records.Records, q records.Query, by ...string) (int, error) {
		q.Kind = "feedback"
		g, err := r.Group(ctx, q, by...)
		return len(g), err
	}
	w := words()
	type asker = func(context.Context, *records.Records, int) (int, error)
	return map[string]asker{
		"find/build-status-newest-50": func(ctx context.Context, r *records.Records, i int) (int, error) {
			return find(ctx, r, records.Query{Where: []records.Where{build(i), is("status", "open")}, Order: "at", Descending: true, Limit: 50})
		},
		"find/newest-50": func(ctx context.Context, r *records.Records, i int) (int, error) {
			return find(ctx, r, records.Query{Order: "at", Descending: true, Limit: 50, Offset: 50 * i})
		},
		"find/player": func(ctx context.Context, r *records.Records, i int) (int, error) {
			return find(ctx, r, records.Query{Where: []records.Where{is("player", fmt.Sprintf("%016x", i)), build(i)}})
		},
		"find/day": func(ctx context.Context, r *records.Records, i int) (int, error) {
			return find(ctx, r, records.Query{TimeField: "at", Since: day(i), Until: day(i + 1), Limit: 100})
		},
		"count/build": func(ctx context.Context, r *records.Records, i int) (int, error) {
			return count(ctx, r, records.Query{Project: "game", Where: []records.Where{build(i)}})
		},
		"count/build-status-category": func(ctx context.Context, r *records.Records, i int) (int, error) {
			return count(ctx, r, records.Query{Where: []records.Where{build(i), is("status", "open"), is("category", "bug")}})
		},
		"count/all": func(ctx context.Context, r *records.Records, i int) (int, error) {
			return count(ctx, r, records.Query{})
		},
		"group/build": func(ctx context.Context, r *records.Records, i int) (int, error) {
			return group(ctx, r, records.Query{Project: "game"}, "build")
		},
		"group/build-category": func(ctx context.Context, r *records.Records, i int) (int, error) {
			return group(ctx, r, records.Query{}, "build", "category")
		},
		"group/category-of-open": func(ctx context.Context, r *records.Records, i int) (int, error) {
			return group(ctx, r, records.Query{Where: []records.Where{is("status", "open")}}, "category")
		},
		"group/status-of-build": func(ctx context.Context, r *records.Records, i int) (int, error) {
			return group(ctx, r, records.Query{Where: []records.Where{build(i)}}, "status")
		},
		"group/severity-of-build": func(ctx context.Context, r *records.Records, i int) (int, error) {
			return group(ctx, r, records.Query{Measure: "severity"}, "build")
		},
		"group/day": func(ctx context.Context, r *records.Records, i int) (int, error) {
			return group(ctx, r, records.Query{}, "at:day")
		},
		"group/day-of-build": func(ctx context.Context, r *records.Records, i int) (int, error) {
			return group(ctx, r, records.Query{Where: []records.Where{build(i)}}, "at:day")
		},
		"text/frequent-count": func(ctx context.Context, r *records.Records, i int) (int, error) {
			return count(ctx, r, records.Query{Text: w[i]})
		},
		"text/two-words-newest-50": func(ctx context.Context, r *records.Records, i int) (int, error) {
			return find(ctx, r, records.Query{Text: w[i] + " " + w[i+40], Order: "at", Descending: true, Limit: 50})
		},
		"text/rare": func(ctx context.Context, r *records.Records, i int) (int, error) {
			return find(ctx, r, records.Query{Text: w[3900+i], Order: "at", Descending: true, Limit: 50})
		},
		"text/word-of-build": func(ctx context.Context, r *records.Records, i int) (int, error) {
			return find(ctx, r, records.Query{Text: w[i], Where: []records.Where{build(i)}, Order: "at", Descending: true, Limit: 50})
		},
	}
}
