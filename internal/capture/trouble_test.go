package capture_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"varve/internal/capture"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/object"
	"varve/internal/pack"
	"varve/internal/tree"
	"varve/store"
)

// TestRacyFile: a file written within the granularity of its times is read again, and so a change that left its
// size and times as they were is kept. With granularity 0 it would be missed: that is what the rule is for.
func TestRacyFile(t *testing.T) {
	for _, granularity := range []time.Duration{time.Second, 0} {
		at := start.UnixNano()
		s := studioOn(t, disk.MemoryOptions{Now: func() int64 { at += 1000; return at }, Granularity: int64(time.Second)})
		s.change = func(o *capture.Options) { o.Granularity = granularity }
		s.put("save.dat", []byte("old content"))
		s.now = time.Unix(0, at).Add(100 * time.Millisecond)
		s.snap()
		before, err := s.mem.Root().Stat("save.dat")
		s.do(err)
		f, err := s.mem.Root().OpenWrite("save.dat")
		s.do(err)
		_, err = f.WriteAt([]byte("new"), 0)
		s.do(errors.Join(err, f.Close()))
		if after, _ := s.mem.Root().Stat("save.dat"); after != before {
			t.Fatalf("the file system tells: %+v, %+v", before, after)
		}
		s.now = s.now.Add(time.Hour)
		s.snap()
		if got, want := string(s.content("save.dat")), "new content"; (got == want) != (granularity > 0) {
			t.Errorf("granularity %v: kept %q", granularity, got)
		}
	}
}

// TestUnstable: a file that changes whenever it is read is kept and marked, after all pauses, small or large,
// and read again by the next snapshot; one that comes to rest is not marked.
func TestUnstable(t *testing.T) {
	for _, size := range []int{900, 5 * mib} {
		for _, changes := range []int64{1, 2, 1000} {
			s := newStudio(t)
			s.put("live.log", noise(1, size))
			s.put("calm", noise(2, 700))
			var n atomic.Int64
			s.watch(func(op disk.Op) error {
				if op.Kind != disk.OpRead || op.Path != "live.log" || op.Off != 0 || n.Load() >= changes {
					return nil
				}
				f, err := s.mem.Root().OpenWrite("live.log")
				if err == nil {
					_, err = f.WriteAt([]byte{byte(n.Add(1)), byte(n.Load() >> 8)}, int64(size)/2)
					err = errors.Join(err, f.Close())
				}
				return err
			})
			res := s.snap()
			marked := s.find("live.log").Flags&tree.Unstable != 0
			if want := changes == 1000; marked != want || len(res.Errors) > 0 || (res.Summary.Doubtful == 1) != want {
				t.Errorf("%d bytes, %d changes: marked %v, %+v, %v", size, changes, marked, res.Summary, res.Errors)
			}
			if s.find("calm").Flags != tree.HasSHA256 {
				t.Errorf("the calm file has flags %x", s.find("calm").Flags)
			}
			pauses := []time.Duration{50 * time.Millisecond, 400 * time.Millisecond, 2 * time.Second}
			if want := pauses[:min(changes, 3)]; !slices.Equal(s.sleeps, want) {
				t.Errorf("%d bytes, %d changes: pauses %v, want %v", size, changes, s.sleeps, want)
			}
			n.Store(changes) // it rests
			s.snap()
			if s.find("live.log").Flags&tree.Unstable != 0 {
				t.Errorf("%d bytes, %d changes: still marked", size, changes)
			}
			want := map[string][]byte{}
			readAll(t, s.mem.Root(), "", want)
			s.check(want)
		}
	}
}

// TestFreshReadTwice: a file that changed a moment ago is read twice, since its times do not tell; one that was
// written between the readings, with its times put back, is noticed.
func TestFreshReadTwice(t *testing.T) {
	for _, size := range []int{900, 5 * mib} {
		at := start.UnixNano()
		s := studioOn(t, disk.MemoryOptions{Now: func() int64 { return at }}) // a clock that stands: times never tell
		s.put("fresh", noise(1, size))
		s.now = start.Add(100 * time.Millisecond)
		var reads atomic.Int64
		s.watch(func(op disk.Op) error {
			if op.Kind == disk.OpRead && op.Path == "fresh" && op.Off == 0 && reads.Add(1) == 2 {
				f, err := s.mem.Root().OpenWrite("fresh")
				if err == nil {
					_, err = f.WriteAt([]byte{1, 2, 3}, 400)
					err = errors.Join(err, f.Close())
				}
				return err
			}
			return nil
		})
		s.snap()
		want := noise(1, size)
		copy(want[400:], []byte{1, 2, 3})
		s.check(map[string][]byte{"fresh": want})
		if reads.Load() != 4 || len(s.sleeps) != 1 || s.find("fresh").Flags&tree.Unstable != 0 {
			t.Errorf("%d bytes: %d readings, pauses %v", size, reads.Load(), s.sleeps)
		}
	}
}

// TestUnreadable: a file or folder that cannot be read is reported and left out, its last version is not
// listed as removed, and everything else is kept.
func TestUnreadable(t *testing.T) {
	for name, bad := range map[string]struct {
		kind disk.OpKind
		path string
	}{
		"open": {disk.OpOpen, "d/bad"}, "read": {disk.OpRead, "d/bad"}, "stat": {disk.OpFileStat, "d/bad"}, "attributes": {disk.OpXattrs, "d/bad"},
		"list": {disk.OpList, "d"}, "open folder": {disk.OpOpenDir, "d"}, "link": {disk.OpReadlink, "link"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStudio(t)
			s.put("d/bad", noise(1, 800))
			s.put("d/good", noise(2, 800))
			s.put("e/other", noise(3, 800))
			s.do(s.mem.Root().Symlink("target", "link"))
			s.snap()
			s.put("d/bad", noise(4, 800)) // or the cache would spare its reading
			s.put("e/other", noise(5, 800))
			s.do(s.mem.Root().Remove("link"))
			s.do(s.mem.Root().Symlink("elsewhere", "link"))
			s.watch(func(op disk.Op) error {
				if op.Kind == bad.kind && op.Path == bad.path {
					return syscall.EACCES
				}
				return nil
			})
			res := s.snap()
			if len(res.Errors) != 1 || res.Errors[0].Path != bad.path || res.Errors[0].Error != syscall.EACCES.Error() {
				t.Fatalf("errors %+v", res.Errors)
			}
			for _, c := range res.List {
				if c.Kind == history.Removed || c.Path == bad.path {
					t.Errorf("listed: %v %s", c.Kind, c.Path)
				}
			}
			if !bytes.Equal(s.content("e/other"), noise(5, 800)) {
				t.Error("another file is not as it is")
			}
			if strings.HasPrefix(bad.path, "d/") && !bytes.Equal(s.content("d/good"), noise(2, 800)) {
				t.Error("its neighbour is not as it is")
			}
			s.root = s.mem.Root() // it can be read again
			if res := s.snap(); len(res.Errors) != 0 {
				t.Errorf("errors %+v", res.Errors)
			}
			want := map[string][]byte{}
			readAll(t, s.mem.Root(), "", want)
			s.check(want)
		})
	}
}

// TestVaultErrors: an error of the vault ends the snapshot, is told as what it is, and is no warning about a
// file.
func TestVaultErrors(t *testing.T) {
	s := newStudio(t)
	for i := range 30 {
		s.put(fmt.Sprint(i), noise(byte(i), 3*mib/2))
	}
	s.put("large", noise(99, 5*mib))
	full := errors.New("vault is full")
	broken := &brokenStore{Store: s.store, err: full}
	db, err := object.Open(t.Context(), broken, nil, object.Options{Rand: s.db.Rand(), Now: s.db.Now})
	s.do(err)
	s.db = db
	if _, err := s.try(); !errors.Is(err, full) {
		t.Errorf("%v", err)
	}
	if s.latest != nil {
		t.Error("it was committed")
	}
	broken.err = nil
	s.snap()
}

type brokenStore struct {
	store.Store
	err error
}

func (b *brokenStore) Put(ctx context.Context, name string, parts ...[]byte) error {
	if b.err != nil && strings.HasPrefix(name, "packs/") {
		return b.err
	}
	return b.Store.Put(ctx, name, parts...)
}

// TestCancel: a capture that is cancelled, while it reads or while it waits for a file to rest, says why.
func TestCancel(t *testing.T) {
	for _, size := range []int{2000, 40 * mib} {
		s := newStudio(t)
		for i := range 3 {
			s.put(fmt.Sprint("f", i), noise(byte(i), size))
		}
		why := errors.New("the user went away")
		ctx, cancel := context.WithCancelCause(t.Context())
		s.watch(func(op disk.Op) error {
			if op.Kind == disk.OpRead {
				cancel(why)
			}
			return nil
		})
		err := s.db.Write(ctx, object.Who{}, func(ctx context.Context, w *object.Session) error {
			_, err := capture.Run(ctx, s.db, w, s.options())
			return err
		})
		if !errors.Is(err, why) && !errors.Is(err, context.Canceled) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
}

// packs returns the names of the packs of a kind, as their headers have it.
func (s *studio) packs(kind pack.Kind) (out []string) {
	s.t.Helper()
	for _, name := range listStore(s.t, s.store) {
		if !strings.HasPrefix(name, "packs/") {
			continue
		}
		b, err := s.store.Get(context.Background(), name, 0, pack.HeaderSize, nil)
		s.do(err)
		h, err := pack.ParseHeader(b)
		s.do(err)
		if h.Kind == kind {
			out = append(out, name)
		}
	}
	return out
}

// reopen opens the vault as another process.
func (s *studio) reopen() {
	s.t.Helper()
	db, err := object.Open(context.Background(), s.store, nil, object.Options{Rand: s.db.Rand(), Now: s.db.Now})
	s.do(err)
	s.db = db
}

// TestLostPack: where packs are gone, files that lie in them are read and stored again although the cache says
// that they are unchanged; whether the trees are gone too or not.
func TestLostPack(t *testing.T) {
	for _, kinds := range [][]pack.Kind{{pack.Data, pack.Meta}, {pack.Data}, {pack.Meta}} {
		s := newStudio(t)
		want := map[string][]byte{"d/a": noise(1, 30_000), "d/b": noise(2, 30_000), "e/large": noise(3, 5*mib), "e/paged": noise(4, 3*mib)}
		for p, c := range want {
			s.put(p, c)
		}
		s.snap()
		for _, kind := range kinds {
			for _, name := range s.packs(kind) {
				s.do(s.store.Delete(t.Context(), name))
			}
		}
		s.reopen()
		s.snap()
		s.check(want)
	}
}

// TestCondemnedBase: no delta is made on a base that a collection under way means to delete, not even where
// what leads to it, a delta on it, stays.
func TestCondemnedBase(t *testing.T) {
	s := newStudio(t)
	content := noise(1, 100_000)
	s.put("model", content)
	s.snap()
	first := s.packs(pack.Data)
	for round := range 2 {
		content = slices.Clone(content)
		for at := 0; at < len(content); at += 5000 { // every chunk of it
			content[at+round] ^= 1
		}
		s.put("model", content)
		if round == 1 {
			id, err := object.ParseSID(first[0][len("packs/xx/"):])
			s.do(err)
			_, err = s.db.Condemn(t.Context(), object.Doomed{Packs: []pack.ID{pack.ID(id)}})
			s.do(err)
		}
		s.snap()
		if deltas := s.stored.Deltas > 0; deltas != (round == 0) || len(first) != 1 {
			t.Errorf("round %d: stored %+v", round, s.stored)
		}
		s.check(map[string][]byte{"model": content})
	}
	s.do(s.store.Delete(t.Context(), first[0]))
	s.reopen()
	s.check(map[string][]byte{"model": content})
}

// TestOnlyWhole: a vault that is not whole any more is not shared with unread: Whole says so.
func TestOnlyWhole(t *testing.T) {
	s := newStudio(t)
	s.put("d/a", noise(1, 30_000))
	s.snap()
	n := s.opens()
	s.change = func(o *capture.Options) { o.Whole = false }
	before := s.last.Root
	s.snap()
	if s.last.Root != before || s.stored.Chunks != 0 || n.Load() != 0 {
		t.Errorf("stored %+v, opened %d: what is there needs no reading", s.stored, n.Load())
	}
}

// TestDeepFolders: a folder nested deeper than a tree may be is reported; all above it is kept.
func TestDeepFolders(t *testing.T) {
	s := newStudio(t)
	p := strings.Repeat("d/", tree.MaxDepth+3)
	s.put(p+"file", []byte("x"))
	s.put("d/d/here", []byte("y"))
	res := s.snap()
	if len(res.Errors) == 0 {
		t.Error("nothing was reported")
	}
	if got := string(s.content("d/d/here")); got != "y" {
		t.Errorf("kept %q", got)
	}
}
