package varve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"sync"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/fixture"
	"varve/store"
)

func notes() varve.Schema {
	return varve.Schema{Kind: "note", Version: 1, Fields: []varve.Field{{Name: "text", Type: varve.Text, Search: true}, {Name: "snapshot", Type: varve.Text, Index: true}}}
}

func mustRecords(t testing.TB, v *varve.Vault) *varve.Records {
	t.Helper()
	r, err := v.Records(context.Background(), notes())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

// noted appends n notes in segments of their own, each of a snapshot.
func noted(t testing.TB, v *varve.Vault, project, snapshot string, n int) {
	t.Helper()
	r := mustRecords(t, v)
	for i := range n {
		if err := r.Append(context.Background(), varve.Fact{Kind: "note", ID: fmt.Sprint(i), Project: project, Set: map[string]any{"text": fmt.Sprint("note ", i), "snapshot": snapshot}}); err != nil {
			t.Fatal(err)
		}
	}
}

func segments(t testing.TB, v store.Store) (out []string) {
	t.Helper()
	for o, err := range v.List(context.Background(), "records/") {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, o.Name)
	}
	return out
}

func ids(t testing.TB, r *varve.Records, q varve.Query) (out []string) {
	t.Helper()
	q.Kind = "note"
	for row, err := range r.Find(context.Background(), q) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, row.ID)
	}
	return out
}

// TestRecordsDamaged: a damaged segment of records is a finding, hides none of the others, is left by a collection, and
// is healed from a copy of the vault's files and from a second vault.
func TestRecordsDamaged(t *testing.T) {
	ctx := t.Context()
	for _, way := range []string{"the vault's files", "a second vault"} {
		t.Run(way, func(t *testing.T) {
			r, _ := lived(t, 11, fixture.Art, 2)
			v := mustOpen(t, r).v
			snapshot := v.Snapshots()[1]
			noted(t, v, snapshot.Project, snapshot.ID.String(), 3)
			var other *varve.Vault
			if way == "a second vault" {
				far := second(12)
				other = mustVault(t, far)
				mustCopy(t, v, other)
			} else {
				other = mustVault(t, r.fork(13))
			}
			s := store.NewFolder(r.vault.Root())
			name := segments(t, s)[1]
			b, err := s.Get(ctx, name, 0, -1, nil)
			if err != nil {
				t.Fatal(err)
			}
			b[len(b)/2] ^= 1
			if err := errors.Join(s.Delete(ctx, name), s.Put(ctx, name, b)); err != nil {
				t.Fatal(err)
			}
			found := func() []varve.Finding {
				t.Helper()
				rep, err := v.Verify(ctx, varve.VerifyOptions{Data: true})
				if err != nil {
					t.Fatal(err)
				}
				return rep.Findings
			}
			if f := found(); len(f) != 1 || f[0].Object != name {
				t.Fatalf("findings %+v", f)
			}
			fresh := mustVault(t, r)
			if got := ids(t, mustRecords(t, fresh), varve.Query{}); len(got) != 2 {
				t.Errorf("of the others %q are there", got)
			}
			if _, err := v.Collect(ctx, varve.CollectOptions{}); err != nil {
				t.Fatal(err)
			}
			if got := segments(t, s); len(got) != 3 {
				t.Errorf("segments %q", got)
			}
			rep, err := v.Repair(ctx, varve.RepairOptions{From: other})
			if err != nil || !rep.OK {
				t.Fatalf("repair: %+v, %v", rep, err)
			}
			if f := found(); len(f) != 0 {
				t.Errorf("findings %+v", f)
			}
			if got := ids(t, mustRecords(t, fresh), varve.Query{}); !slices.Equal(got, []string{"0", "1", "2"}) {
				t.Errorf("notes %q", got)
			}
		})
	}
}

// TestRecordsCopied: records in bulk are copied with the ids that snapshots have there, once, and back without doubles;
// of one project only its own.
func TestRecordsCopied(t *testing.T) {
	r, _ := lived(t, 21, fixture.Art, 2)
	v := mustOpen(t, r).v
	snapshot := v.Snapshots()[1]
	noted(t, v, snapshot.Project, snapshot.ID.String(), 3)
	noted(t, v, strings.Repeat("e", 32), "", 1) // says other things of note 0
	a, b := second(22), second(23)
	far := mustVault(t, a)
	if rep := mustCopy(t, v, far); rep.Records < 4 {
		t.Errorf("%d records", rep.Records)
	}
	there := far.Snapshots()[1].ID.String()
	if there == snapshot.ID.String() {
		t.Fatal("the copy has the same ids")
	}
	if got := ids(t, mustRecords(t, far), varve.Query{Where: []varve.Where{{Field: "snapshot", Op: "=", Value: there}}}); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("notes of %s: %q", there, got)
	}
	for range 2 {
		if rep := mustCopy(t, v, far); rep.Records != 0 {
			t.Errorf("again %d records", rep.Records)
		}
		if rep := mustCopy(t, far, v); rep.Records != 0 {
			t.Errorf("back %d records", rep.Records)
		}
	}
	if n := len(segments(t, store.NewFolder(r.vault.Root()))); n != 4 {
		t.Errorf("%d segments", n)
	}
	part := mustVault(t, b)
	if _, err := v.Copy(t.Context(), part, varve.CopyOptions{Snapshots: v.Snapshots()[1:]}); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, mustRecords(t, part), varve.Query{}); !slices.Equal(got, []string{"0", "1", "2"}) {
		t.Errorf("notes %q", got)
	}
}

// counted counts what is read of records.
type counted struct {
	store.Store
	mu    sync.Mutex
	reads int
}

func (c *counted) count(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if strings.HasPrefix(name, "records/") {
		c.reads++
	}
}

func (c *counted) Get(ctx context.Context, name string, off, n int64, dst []byte) ([]byte, error) {
	c.count(name)
	return c.Store.Get(ctx, name, off, n, dst)
}

func (c *counted) List(ctx context.Context, prefix string) iter.Seq2[store.Object, error] {
	if prefix == "records/" || prefix == "" {
		c.count("records/")
	}
	return c.Store.List(ctx, prefix)
}

// TestRecordsCostNothing: opening a vault, a snapshot, the history and what changed read and list no records; who asks
// for them reads each segment once.
func TestRecordsCostNothing(t *testing.T) {
	ctx := t.Context()
	r := newRig(31)
	build(t, r, fixture.Art, 0)
	s := &counted{Store: store.NewMemory()}
	v, err := varve.Create(ctx, s, r.options())
	if err != nil {
		t.Fatal(err)
	}
	noted(t, v, "", "", 20)
	s.reads = 0
	if v, err = varve.Open(ctx, s, r.options()); err != nil {
		t.Fatal(err)
	}
	p, err := v.Project(r.folder("project"), "/project")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Snap(ctx, plainSnap()); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Status(ctx, varve.IgnoreSettings{}); err != nil {
		t.Fatal(err)
	}
	if len(p.Snapshots()) != 1 || s.reads != 0 {
		t.Errorf("%d snapshots, records were read %d times", len(p.Snapshots()), s.reads)
	}
	cache, err := disk.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer cache.Close()
	opt := r.options()
	opt.Cache = cache
	for _, want := range []int{21, 1} { // the second time the index knows them all
		if v, err = varve.Open(ctx, s, opt); err != nil {
			t.Fatal(err)
		}
		s.reads = 0
		x := mustRecords(t, v)
		if n, err := x.Count(ctx, varve.Query{Kind: "note"}); err != nil || n != 20 || s.reads != want {
			t.Errorf("%d notes, read %d times, want %d: %v", n, s.reads, want, err)
		}
		var b bytes.Buffer
		if err := x.Export(ctx, varve.Query{Kind: "note"}, "jsonl", &b); err != nil || bytes.Count(b.Bytes(), []byte("\n")) != 20 {
			t.Errorf("%s, %v", b.Bytes(), err)
		}
	}
}

func (c *counted) Stat(ctx context.Context, name string) (store.Object, error) {
	c.count(name)
	return store.Stat(ctx, c.Store, name)
}

// TestRecordsSurvive: what was appended has survived power loss, whatever of the rest the disk has kept.
func TestRecordsSurvive(t *testing.T) {
	r, _ := lived(t, 41, fixture.Art, 1)
	noted(t, mustOpen(t, r).v, "", "", 5)
	for seed := range uint64(8) {
		keep := disk.KeepNone
		if seed > 0 {
			keep = disk.KeepHalf(seed)
		}
		v := mustOpen(t, r.crash(keep, seed)).v
		if got := ids(t, mustRecords(t, v), varve.Query{}); len(got) != 5 {
			t.Errorf("of 5 notes %q are there", got)
		}
	}
}
