package object_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/object"
	"varve/internal/seal"
	"varve/store"
	"varve/store/storetest"
)

var update = flag.Bool("update", false, "write the golden texts anew")

// TestOrder holds the order of a session's operations to the text in testdata: it is what the promises about
// power loss and collections rest on.
func TestOrder(t *testing.T) {
	var text strings.Builder
	seed := byte(1)
	session := func(title string, s store.Store, l *logged, abandon bool, plains ...[]byte) {
		seed++
		db := open(t, s, options(seed))
		l.lines = nil
		err := db.Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
			if err := errors.Join(fill(ctx, s, plains...), s.Flush()); err != nil || abandon {
				return err
			}
			return s.Commit(ctx, []byte("{}"))
		})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&text, "# %s\n%s\n\n", title, strings.Join(l.lines, "\n"))
	}
	l := &logged{Store: store.NewMemory()}
	create(t, l)
	session("first session: a data and a metadata pack", l, l, false, chunk(1, 1000), chunk(2, 1000))
	session("second session: nothing is new", l, l, false, chunk(1, 1000), chunk(2, 1000))
	session("third session: not committed", l, l, true, chunk(3, 1000))
	if err := l.Put(t.Context(), "sess/"+strings.Repeat("0", 32)+"/0", []byte("of another")); err != nil {
		t.Fatal(err)
	}
	session("with another session, on a store that cannot settle: nothing is new", l, l, false, chunk(1, 1000))
	session("with another session, on one that can: something is new", settling{l}, l, false, chunk(4, 1000))
	session("with another session, on one that can: nothing is new", settling{l}, l, false, chunk(4, 1000))
	const golden = "testdata/order.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(text.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if text.String() != string(want) {
		t.Errorf("got\n%s\nwant\n%s", text.String(), want)
	}
}

// TestNothingBeforeCommit: until the slot is filled, another process sees no commit after any operation; from
// then on it sees it with all of its objects.
func TestNothingBeforeCommit(t *testing.T) {
	m := store.NewMemory()
	create(t, m)
	plains := [][]byte{chunk(1, 5000), chunk(2, 5000), chunk(3, 700_000)}
	var committed atomic.Bool
	l := &logged{Store: m, after: func(line string) error {
		committed.Store(committed.Load() || line == "put snap/<id>")
		db := open(t, m, options(9))
		if got := manifests(t, db); (len(got) == 1) != committed.Load() {
			t.Errorf("after %s: commits %q", line, got)
		}
		if committed.Load() {
			mustGet(t, db, plains...)
		}
		return nil
	}}
	mustKeep(t, open(t, l, options(2)), "one", plains...)
	if !committed.Load() {
		t.Fatal("nothing was seen")
	}
}

// TestFaults: with every single fault of a store at every operation of a session, a commit that was reported is
// there with all of its objects, one that is there is whole, and the next session puts everything right.
func TestFaults(t *testing.T) {
	plains := [][]byte{chunk(1, 5000), chunk(2, 5000), chunk(3, 300_000), bytes.Repeat([]byte("a"), 9000)}
	for _, fault := range []storetest.Fault{storetest.Lost, storetest.LostReply, storetest.Delayed} {
		for n := int64(1); ; n++ {
			var from, last atomic.Int64
			sim := storetest.NewSim(1, func(op storetest.Op, _ *rand.Rand) storetest.Fault {
				last.Store(op.N)
				if f := from.Load(); f > 0 && op.N == f+n {
					return fault
				}
				return storetest.None
			})
			create(t, sim)
			db := open(t, sim, options(2))
			from.Store(last.Load())
			_, err := keep(t.Context(), db, "one", plains...)
			end := last.Load() - from.Load()
			from.Store(0)
			if err != nil && !errors.Is(err, storetest.ErrLost) && !errors.Is(err, fs.ErrExist) {
				t.Errorf("fault %d at %d: %v", fault, n, err)
			}
			sim.Settle()
			checkCommit(t, fmt.Sprintf("fault %d at %d", fault, n), sim, err == nil, plains)
			if n > end {
				break
			}
		}
	}
}

func checkCommit(t *testing.T, what string, sim *storetest.Sim, reported bool, plains [][]byte) {
	t.Helper()
	db := open(t, sim, options(3))
	there := manifests(t, db)
	if reported && len(there) != 1 {
		t.Errorf("%s: reported and not there", what)
	}
	if len(there) > 0 {
		if err := getAll(db, plains...); err != nil {
			t.Errorf("%s: committed, but %v", what, err)
		}
	}
	packs := len(names(t, sim, "packs/"))
	st, err := keep(t.Context(), db, "two", plains...)
	if err != nil {
		t.Fatalf("%s: next session: %v", what, err)
	}
	if packs >= 2 && st.Chunks != 0 {
		t.Errorf("%s: %d packs lay there, and %d chunks were stored again", what, packs, st.Chunks)
	}
	db = open(t, sim, options(4))
	if err := getAll(db, plains...); err != nil {
		t.Errorf("%s: after the next session: %v", what, err)
	}
	if got := manifests(t, db); !slices.Contains(got, "two") {
		t.Errorf("%s: commits %q", what, got)
	}
}

// TestAbandoned: a session that fails leaves nothing to see and no registration; its packs are found by the
// next one, whether their index was written or not.
func TestAbandoned(t *testing.T) {
	for _, stage := range []string{"writers flushed", "packs put", "index put"} {
		m := store.NewMemory()
		create(t, m)
		plains := [][]byte{chunk(1, 5000), chunk(2, 5000)}
		lost := errors.New("lost")
		l := &logged{Store: m, before: func(line string) error {
			if stage == "packs put" && strings.HasPrefix(line, "put index/") {
				return lost
			}
			return nil
		}}
		err := open(t, l, options(2)).Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
			if err := fill(ctx, s, plains...); err != nil {
				return err
			}
			if stage == "writers flushed" {
				return lost
			}
			return errors.Join(s.Flush(), lost)
		})
		if !errors.Is(err, lost) {
			t.Errorf("%s: %v", stage, err)
		}
		if left := names(t, m, "sess/"); len(left) > 0 {
			t.Errorf("%s: still registered: %q", stage, left)
		}
		wantPacks, wantChunks := 3, int64(0) // of metadata two
		if stage == "writers flushed" {
			wantPacks, wantChunks = 0, 2
		}
		if got := len(names(t, m, "packs/")); got != wantPacks {
			t.Errorf("%s: %d packs", stage, got)
		}
		db := open(t, m, options(3))
		if got := manifests(t, db); len(got) != 0 {
			t.Errorf("%s: commits %q", stage, got)
		}
		if st := mustKeep(t, db, "next", plains...); st.Chunks != wantChunks {
			t.Errorf("%s: the next session stored %d chunks, want %d", stage, st.Chunks, wantChunks)
		}
		mustGet(t, open(t, m, options(4)), plains...)
		l = &logged{Store: m} // and it has indexed them
		if err := open(t, l, options(5)).Refresh(t.Context()); err != nil || slices.Contains(l.lines, "get packs/xx/<id>") {
			t.Errorf("%s: opened by %q, %v", stage, l.lines, err)
		}
	}
}

// TestSealerFails: a sealer that fails ends the session's context with its own error, and Write tells it.
func TestSealerFails(t *testing.T) {
	full := errors.New("disk full")
	l := &logged{Store: store.NewMemory()}
	create(t, l)
	l.before = func(line string) error {
		if strings.HasPrefix(line, "put packs/") {
			return full
		}
		return nil
	}
	db := open(t, l, options(2))
	err := db.Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
		w := s.Writer(seal.Fast)
		for i := range 255 { // more than packs that may wait
			if _, err := w.Put(ctx, object.Content, chunk(byte(i), 1<<20)); err != nil {
				return err
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
		}
		t.Error("nobody stopped")
		return nil
	})
	if !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
}

// TestDedup: what is the same is stored once: in a session, by writers at once, in a later session, and after
// another process has stored it.
func TestDedup(t *testing.T) {
	m := store.NewMemory()
	db := create(t, m)
	var plains [][]byte
	for i := range 60 {
		plains = append(plains, chunk(byte(i), 2000+i))
	}
	err := db.Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
		var wg sync.WaitGroup
		errs := make([]error, 4)
		for i := range errs {
			wg.Go(func() {
				own := slices.Clone(plains)
				if i%2 == 1 {
					slices.Reverse(own)
				}
				errs[i] = fill(ctx, s, own...)
			})
		}
		wg.Wait()
		if err := errors.Join(append(errs, s.Flush())...); err != nil {
			return err
		}
		st := s.Stored()
		want := int64(0)
		for _, p := range plains {
			want += int64(len(p))
		}
		if st.Chunks != int64(len(plains)) || st.Plain != want || st.Deltas != 0 {
			t.Errorf("stored %+v, want %d chunks of %d bytes", st, len(plains), want)
		}
		sealed := int64(0)
		for _, prefix := range []string{"packs/", "index/"} {
			for o, err := range m.List(ctx, prefix) {
				if err != nil {
					return err
				}
				sealed += o.Size
			}
		}
		if st.Sealed != sealed {
			t.Errorf("%d bytes sealed, want %d", st.Sealed, sealed)
		}
		return s.Commit(ctx, []byte("one"))
	})
	if err != nil {
		t.Fatal(err)
	}
	other := open(t, m, options(5))
	if st := mustKeep(t, db, "same process", plains...); st != (object.Stored{}) {
		t.Errorf("stored again: %+v", st)
	}
	if st := mustKeep(t, other, "other process", plains...); st != (object.Stored{}) {
		t.Errorf("stored again by another process: %+v", st)
	}
	if st := mustKeep(t, other, "more", chunk(200, 10)); st.Chunks != 1 {
		t.Errorf("stored %+v", st)
	}
	if st := mustKeep(t, db, "of the other", chunk(200, 10)); st.Chunks != 0 {
		t.Errorf("what another process stored is stored again: %+v", st)
	}
	mustGet(t, db, plains...)
}

// TestFenced: a slot that says that the session was aborted makes its commit ErrFenced; nobody takes it for a
// commit, and the work done again shares what was stored.
func TestFenced(t *testing.T) {
	m := store.NewMemory()
	db := create(t, m)
	abort := func(id object.SID) {
		b, err := db.Keys().Seal(nil, seal.Verdict, []byte(id.String()), []byte("generation 1"), db.Rand())
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Put(t.Context(), "snap/"+id.String(), b); err != nil {
			t.Fatal(err)
		}
	}
	err := db.Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
		abort(s.ID)
		if err := errors.Join(fill(ctx, s, chunk(1, 1000)), s.Flush()); err != nil {
			return err
		}
		return s.Commit(ctx, []byte("never"))
	})
	if !errors.Is(err, object.ErrFenced) {
		t.Errorf("%v", err)
	}
	if got := manifests(t, db); len(got) != 0 {
		t.Errorf("commits %q", got)
	}
	if st := mustKeep(t, db, "again", chunk(1, 1000)); st.Chunks != 0 {
		t.Errorf("stored again: %+v", st)
	}
}

// TestFinish: a session may end without a snapshot, unless it was aborted; what it stored is shared.
func TestFinish(t *testing.T) {
	m := store.NewMemory()
	db := create(t, m)
	finish := func(id *object.SID) error {
		return db.Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
			if id != nil {
				if err := m.Put(t.Context(), "snap/"+s.ID.String(), []byte("filled")); err != nil {
					t.Fatal(err)
				}
			}
			if err := errors.Join(fill(ctx, s, chunk(1, 1000)), s.Flush()); err != nil {
				return err
			}
			return s.Finish(ctx)
		})
	}
	if err := finish(nil); err != nil {
		t.Fatal(err)
	}
	if got := manifests(t, db); len(got) != 0 {
		t.Errorf("commits %q", got)
	}
	if st := mustKeep(t, db, "after", chunk(1, 1000)); st.Chunks != 0 {
		t.Errorf("stored again: %+v", st)
	}
	if err := finish(new(object.SID)); !errors.Is(err, object.ErrFenced) {
		t.Errorf("a filled slot: %v", err)
	}
}

// TestLostReply: a store that put the manifest, heard nothing, tried again and was told that the name is taken
// has committed. A slot that holds another's bytes has not.
func TestLostReply(t *testing.T) {
	m := store.NewMemory()
	create(t, m)
	retried := &logged{Store: m, after: func(line string) error {
		if line == "put snap/<id>" {
			return fs.ErrExist
		}
		return nil
	}}
	mustKeep(t, open(t, retried, options(2)), "one", chunk(1, 100))
	if got := manifests(t, open(t, m, options(3))); len(got) != 1 || got[0] != "one" {
		t.Errorf("commits %q", got)
	}
	var other *object.DB
	taken := &logged{Store: m}
	other = open(t, taken, options(4))
	err := other.Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
		if err := m.Put(ctx, "snap/"+s.ID.String(), []byte("of someone else")); err != nil {
			return err
		}
		return s.Commit(ctx, []byte("two"))
	})
	if !errors.Is(err, object.ErrFenced) {
		t.Errorf("a taken slot: %v", err)
	}
}

// TestCommitNeedsBarrier: a commit whose barrier fails is not reported.
func TestCommitNeedsBarrier(t *testing.T) {
	l := &logged{Store: store.NewMemory()}
	create(t, l)
	lost, put := errors.New("lost"), false
	l.before = func(line string) error {
		put = put || line == "put snap/<id>"
		if put && line == "barrier" {
			return lost
		}
		return nil
	}
	if _, err := keep(t.Context(), open(t, l, options(2)), "one", chunk(1, 100)); !errors.Is(err, lost) {
		t.Errorf("%v", err)
	}
}

// TestHeartbeats: a session that goes on for long says so under new names, and takes all of them back.
func TestHeartbeats(t *testing.T) {
	m := store.NewMemory()
	l := &logged{Store: m}
	create(t, l)
	opt := options(2)
	var now atomic.Int64
	opt.Now = func() time.Time { return time.Unix(now.Add(31), 0) }
	db := open(t, l, opt)
	err := db.Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
		w := s.Writer(seal.Fast)
		for i := range 36 {
			if _, err := w.Put(ctx, object.Content, chunk(byte(i), 1<<20)); err != nil {
				return err
			}
		}
		if err := errors.Join(w.Flush(), s.Flush()); err != nil {
			return err
		}
		if got := names(t, m, "sess/"); len(got) < 3 || !strings.HasSuffix(got[1], "/1") {
			t.Errorf("registrations %q", got)
		}
		return s.Commit(ctx, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := names(t, m, "sess/"); len(got) != 0 {
		t.Errorf("left behind %q", got)
	}
}

// TestRegistersFirst: a session is registered before it looks at collections, and at those before it lists the
// packs. Whoever cannot register does not write.
func TestRegistersFirst(t *testing.T) {
	for _, at := range []string{"list sess/", "put sess/<id>/0", "list gc/", "list index/", "list packs/"} {
		l := &logged{Store: store.NewMemory()}
		create(t, l)
		lost := errors.New("lost")
		db := open(t, l, options(2))
		l.before = func(line string) error {
			if line == at {
				return lost
			}
			return nil
		}
		ran := false
		err := db.Write(t.Context(), object.Who{}, func(context.Context, *object.Session) error { ran = true; return nil })
		if !errors.Is(err, lost) || ran {
			t.Errorf("%s fails: %v, ran %v", at, err, ran)
		}
		if got := names(t, l.Store, "sess/"); len(got) > 0 {
			t.Errorf("%s fails: left behind %q", at, got)
		}
	}
}

// TestAbandonedIsDurable: what a session has put and another one shares is durable once that one has committed,
// although the first ended, or died, before its own barrier and the second has nothing of its own to sync.
func TestAbandonedIsDurable(t *testing.T) {
	for _, dies := range []bool{false, true} {
		d := disk.NewMemory(disk.MemoryOptions{})
		plains := make([][]byte, 0, 40)
		for i := range 40 {
			plains = append(plains, chunk(byte(i), 1<<20))
		}
		folder := func() store.Store { f := store.NewFolder(d.Root()); f.Rand = options(8).Rand; return f }
		create(t, folder())
		lost := errors.New("lost")
		l := &logged{Store: folder(), before: func(line string) error {
			if dies && strings.HasPrefix(line, "delete sess/") {
				return lost
			}
			return nil
		}}
		err := open(t, l, options(2)).Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
			return errors.Join(fill(ctx, s, plains...), lost)
		})
		if !errors.Is(err, lost) {
			t.Fatal(err)
		}
		if len(names(t, l, "packs/")) == 0 {
			t.Fatal("the session put no pack")
		}
		var shared [][]byte
		db := open(t, folder(), options(3))
		for _, p := range plains {
			if has(t, db, p) {
				shared = append(shared, p)
			}
		}
		if st := mustKeep(t, db, "next", shared...); st.Chunks != 0 || len(shared) == 0 {
			t.Fatalf("stored %+v of %d shared", st, len(shared))
		}
		for _, keep := range []disk.Keep{disk.KeepNone, disk.KeepHalf(1), disk.KeepHalf(2)} {
			after := open(t, store.NewFolder(d.Crash(keep).Root()), options(4))
			if got := manifests(t, after); len(got) != 1 {
				t.Errorf("dies %v: commits %q after power loss", dies, got)
			}
			if err := getAll(after, shared...); err != nil {
				t.Errorf("dies %v: committed, but after power loss %v", dies, err)
			}
		}
	}
}

// TestDraft: a draft describes without keeping: nothing is put, its own pages and the vault's can be had, file
// content is dropped.
func TestDraft(t *testing.T) {
	l := &logged{Store: store.NewMemory()}
	create(t, l)
	known, page, content := chunk(1, 500), chunk(2, 500), chunk(3, 500)
	mustKeep(t, open(t, l, options(2)), "one", known)
	db := open(t, l, options(3))
	before := names(t, l.Store, "")
	d := db.NewDraft()
	w := d.Writer()
	if !w.Drafts() {
		t.Error("the writer does not know that it drafts")
	}
	var sums []digest.Digest
	for _, p := range [][]byte{known, page} {
		sum, err := w.Put(t.Context(), object.Pages, p)
		if err != nil {
			t.Fatal(err)
		}
		sums = append(sums, sum)
	}
	if err := errors.Join(w.Store(object.Content, db.Digest(content), content), w.StoreDelta(db.Digest(content), 500, nil, nil), w.Flush()); err != nil {
		t.Fatal(err)
	}
	r := db.NewReader()
	for i, want := range [][]byte{known, page} {
		if got, err := d.Get(t.Context(), r, sums[i]); err != nil || !bytes.Equal(got, want) {
			t.Errorf("page %d: %v", i, err)
		}
	}
	if _, err := d.Get(t.Context(), r, db.Digest(content)); !errors.Is(err, object.ErrMissing) {
		t.Errorf("content: %v", err)
	}
	if after := names(t, l.Store, ""); !slices.Equal(before, after) {
		t.Errorf("the store has %q, had %q", after, before)
	}
}
