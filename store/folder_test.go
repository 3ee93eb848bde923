package store_test

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"

	"varve/internal/disk"
	"varve/store"
	"varve/store/storetest"
)

// folder is a Folder over d whose temporary names come from seed.
func folder(d disk.Dir, seed byte) *store.Folder {
	f := store.NewFolder(d)
	f.Rand = rand.NewChaCha8([32]byte{seed})
	return f
}

func memory() *disk.Memory { return disk.NewMemory(disk.MemoryOptions{}) }

func TestFolderInMemory(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		f := folder(memory().Root(), 0)
		t.Cleanup(func() { noLeftovers(t, f) })
		return f
	}, storetest.Options{})
}

func TestFolderOnDisk(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store {
		d, err := disk.Open(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		f := store.NewFolder(d)
		t.Cleanup(func() {
			noLeftovers(t, f)
			if err := f.Close(); err != nil {
				t.Error(err)
			}
		})
		return f
	}, storetest.Options{})
}

// noLeftovers: no operation that came to its end leaves a temporary file.
func noLeftovers(t *testing.T, f *store.Folder) {
	t.Helper()
	for o, err := range f.Leftovers(context.Background()) { // in a clean-up the test's own is done
		if err != nil {
			t.Error(err)
		} else if !strings.HasSuffix(o.Name, "/") {
			t.Errorf("left over: %s", o.Name)
		}
	}
}

// TestFolderFaults fails each operation of a run in turn, in several ways. What was reported as put must be there
// whole, what was reported as failed whole or absent, and the caller never hears that a free name is taken.
func TestFolderFaults(t *testing.T) {
	for _, fault := range []error{
		syscall.EIO, syscall.ENOSPC, disk.ShortWrite{Err: syscall.ENOSPC}, disk.ShortRead{Err: syscall.EIO}, disk.AfterEffect{Err: syscall.EIO},
	} {
		for n := int64(1); ; n++ {
			var failed disk.Op
			fail := disk.FailAt(n, fault)
			m := memory()
			faulty := disk.NewFaulty(m.Root(), func(op disk.Op) error {
				err := fail(op)
				if err != nil {
					failed = op
				}
				return err
			})
			h, err := play(t, folder(faulty.Root(), 1))
			if errors.Is(err, fs.ErrExist) || errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("%v at %+v: reported as %v", fault, failed, err)
			}
			for name := range h.put {
				h.durable[name] = true // on a disk that kept its power
			}
			noLeftovers(t, folder(m.Root(), 1))
			if err := survived(t, m.Root(), h); err != nil {
				t.Fatalf("%v at %+v: %v", fault, failed, err)
			}
			if t.Failed() {
				t.Fatalf("%v at %+v", fault, failed)
			}
			if faulty.Count() < n {
				t.Logf("%T: %d operations failed", fault, n-1)
				break
			}
		}
	}
}

// TestFolderListsWhileFoldersGo: a directory that others remove while it is listed has nothing in it. One that only seems
// to be gone is no such.
func TestFolderListsWhileFoldersGo(t *testing.T) {
	for _, gone := range []bool{true, false} {
		m, meddle := memory(), false
		faulty := disk.NewFaulty(m.Root(), func(op disk.Op) error {
			if !meddle || op.Kind != disk.OpList || op.Path != "sess/b" {
				return nil
			}
			if gone {
				sess, err := m.Root().OpenDir("sess")
				if err == nil {
					err = sess.Remove("b")
				}
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Error(err)
				}
			}
			return syscall.ENOENT
		})
		f := folder(faulty.Root(), 1)
		ctx := t.Context()
		for _, name := range []string{"sess/a/0", "sess/b/0", "sess/c/0"} {
			if err := f.Put(ctx, name, nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Delete(ctx, "sess/b/0"); err != nil {
			t.Fatal(err)
		}
		meddle = true
		for _, prefix := range []string{"", "sess/", "sess/b/"} {
			var names []string
			var err error
			for o, oerr := range f.List(ctx, prefix) {
				if err = oerr; err == nil {
					names = append(names, o.Name)
				}
			}
			want := []string{"sess/a/0", "sess/c/0"}
			if prefix == "sess/b/" {
				want = nil
			}
			if gone && (err != nil || !slices.Equal(names, want)) {
				t.Errorf("below %q, with a directory gone: %q, %v", prefix, names, err)
			}
			if !gone && err == nil {
				t.Errorf("below %q, with a directory that cannot be read: %q", prefix, names)
			}
		}
		if err := f.Settle(ctx); gone == (err != nil) {
			t.Errorf("settle: %v", err)
		}
	}
}

// TestFolderBarrierFailureIsFinal: after a failed fsync the next one may succeed without what was lost.
func TestFolderBarrierFailureIsFinal(t *testing.T) {
	faulty := disk.NewFaulty(memory().Root(), disk.FailKind(disk.OpSync, 2, syscall.EIO))
	f := folder(faulty.Root(), 1)
	ctx := t.Context()
	if err := f.Put(ctx, "a/b", nil); err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		if err := f.Barrier(ctx); !errors.Is(err, syscall.EIO) {
			t.Fatalf("barrier %d: %v", round, err)
		}
	}
	if err := f.Put(ctx, "a/c", nil); !errors.Is(err, syscall.EIO) {
		t.Fatalf("put after a failed barrier: %v", err)
	}
}

// TestFolderFileSyncFailureIsFinal: the file is given up, not synced again.
func TestFolderFileSyncFailureIsFinal(t *testing.T) {
	syncs := 0
	faulty := disk.NewFaulty(memory().Root(), func(op disk.Op) error {
		if op.Kind != disk.OpFileSync {
			return nil
		}
		if syncs++; syncs == 1 {
			return syscall.EIO
		}
		return nil
	})
	f := folder(faulty.Root(), 1)
	ctx := t.Context()
	if err := f.Put(ctx, "a/b", []byte("x"), []byte("y")); !errors.Is(err, syscall.EIO) || syncs != 1 {
		t.Fatalf("%d syncs, %v", syncs, err)
	}
	noLeftovers(t, f)
	if err := f.Put(ctx, "a/b", []byte("x"), []byte("y")); err != nil {
		t.Fatal(err)
	}
}

func TestFolderWithoutSync(t *testing.T) {
	for _, refusal := range []error{errors.ErrUnsupported, syscall.EINVAL} {
		faulty := disk.NewFaulty(memory().Root(), func(op disk.Op) error {
			if op.Kind == disk.OpSync || op.Kind == disk.OpFileSync {
				return refusal
			}
			return nil
		})
		f := folder(faulty.Root(), 1)
		if !f.Describe().Durable {
			t.Fatal("a new Folder is not durable")
		}
		if traits := probe(t, f); traits.Durable || !traits.CreateIfAbsent {
			t.Fatalf("a file system without fsync was probed as %+v", traits)
		}
	}
}

// TestFolderShortFile: a file system that loses the end of a file without an error is found out.
func TestFolderShortFile(t *testing.T) {
	for _, parts := range [][][]byte{{[]byte("abcdef")}, {[]byte("abc"), []byte("def")}} {
		f := folder(losing{memory().Root()}, 1)
		if err := f.Put(t.Context(), "x", parts...); err == nil {
			t.Errorf("%d parts: a short file was published", len(parts))
		}
		if _, err := f.Stat(t.Context(), "x"); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
}

// TestFolderCloseFails: a failed write or a full quota that a network file system tells at the close is told.
func TestFolderCloseFails(t *testing.T) {
	f := folder(disk.NewFaulty(memory().Root(), disk.FailKind(disk.OpClose, 1, syscall.EDQUOT)).Root(), 1)
	if err := f.Put(t.Context(), "x", []byte("abc"), []byte("def")); !errors.Is(err, syscall.EDQUOT) {
		t.Errorf("%v", err)
	}
	if _, err := f.Stat(t.Context(), "x"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is there: %v", err)
	}
}

type losing struct{ disk.Dir }

func (l losing) Create(name string, mode uint32) (disk.File, error) {
	f, err := l.Dir.Create(name, mode)
	return losingFile{f}, err
}

func (l losing) CreateWhole(name string, mode uint32, content []byte) error {
	f, err := l.Dir.Create(name, mode)
	if err == nil {
		_, err = f.Write(content[:len(content)-1])
	}
	return err
}

func (l losing) Publish(name string, to disk.Dir, newName string) error {
	return l.Dir.Publish(name, to.(losing).Dir, newName)
}

type losingFile struct{ disk.File }

func (l losingFile) Write(p []byte) (int, error) {
	_, err := l.File.Write(p[:len(p)-1])
	return len(p), err
}

// TestFolderBarrierWaits: a Barrier vouches also for what another one is still syncing.
func TestFolderBarrierWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hold := make(chan struct{})
		faulty := disk.NewFaulty(memory().Root(), func(op disk.Op) error {
			if op.Kind == disk.OpSync {
				<-hold
			}
			return nil
		})
		f := folder(faulty.Root(), 1)
		if err := f.Put(t.Context(), "a/b", nil); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		returned := 0
		for range 2 {
			go func() {
				err := f.Barrier(t.Context())
				mu.Lock()
				defer mu.Unlock()
				returned++
				if err != nil {
					t.Error(err)
				}
			}()
			synctest.Wait()
		}
		mu.Lock()
		if returned != 0 {
			t.Errorf("%d barriers returned before anything was synced", returned)
		}
		mu.Unlock()
		close(hold)
		synctest.Wait()
		if returned != 2 {
			t.Errorf("%d of 2 barriers returned", returned)
		}
	})
}

// TestFolderBarrierCancelled: what a cancelled Barrier did not sync the next one does.
func TestFolderBarrierCancelled(t *testing.T) {
	m := memory()
	ctx, cancel := context.WithCancel(t.Context())
	faulty := disk.NewFaulty(m.Root(), func(op disk.Op) error {
		if op.Kind == disk.OpSync {
			cancel()
		}
		return nil
	})
	f := folder(faulty.Root(), 1)
	if err := f.Put(ctx, "a/b/c", nil); err != nil {
		t.Fatal(err)
	}
	if err := f.Barrier(ctx); !errors.Is(err, context.Canceled) {
		t.Fatalf("cancelled after the first sync: %v", err)
	}
	if err := f.Barrier(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := folder(m.Crash(disk.KeepNone).Root(), 2).Stat(t.Context(), "a/b/c"); err != nil {
		t.Fatalf("after power loss: %v", err)
	}
}

// TestFolderReadsWriteNothing: a vault on read-only media opens, lists and reads.
func TestFolderReadsWriteNothing(t *testing.T) {
	m := memory()
	if err := folder(m.Root(), 1).Put(t.Context(), "packs/aa/1", []byte("x")); err != nil {
		t.Fatal(err)
	}
	faulty := disk.NewFaulty(m.Root(), func(op disk.Op) error {
		if op.Kind.Writes() {
			return syscall.EROFS
		}
		return nil
	})
	f := folder(faulty.Root(), 1)
	ctx := t.Context()
	got, err := f.Get(ctx, "packs/aa/1", 0, -1, nil)
	if err != nil || string(got) != "x" {
		t.Fatal(err)
	}
	if _, err := f.Get(ctx, "packs/bb/1", 0, -1, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, err := range f.List(ctx, "") {
		if err != nil {
			t.Fatal(err)
		}
	}
	noLeftovers(t, f)
	if err := f.Barrier(ctx); err != nil {
		t.Fatal(err)
	}
	if err := f.Put(ctx, "packs/aa/2", nil); !errors.Is(err, syscall.EROFS) {
		t.Fatal(err)
	}
}

// TestFolderPassesOver: what is not the store's is not listed; a link in an object's place is an error.
func TestFolderPassesOver(t *testing.T) {
	root := memory().Root()
	f := folder(root, 1)
	ctx := t.Context()
	if err := f.Put(ctx, "a", []byte("x")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Thumbs.db", ".nfs01", "a (conflicted copy)", "tmp-short", "tmp-" + strings.Repeat("0", 32), "nul.txt"} {
		if _, err := root.Create(name, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{".stfolder", "Icon", "tmp-" + strings.Repeat("1", 32)} {
		if err := root.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	list := func(objects func(func(store.Object, error) bool)) (got []string, last error) {
		for o, err := range objects {
			if err == nil {
				got = append(got, o.Name)
			}
			last = err
		}
		return got, last
	}
	if got, err := list(f.List(ctx, "")); !slices.Equal(got, []string{"a"}) || err != nil {
		t.Fatalf("listed %q, %v", got, err)
	}
	if got, err := list(f.Leftovers(ctx)); !slices.Equal(got, []string{"tmp-" + strings.Repeat("0", 32)}) || err != nil {
		t.Fatalf("leftovers %q, %v", got, err)
	}
	if err := root.Symlink("elsewhere", "packs"); err != nil {
		t.Fatal(err)
	}
	if _, err := list(f.List(ctx, "")); err == nil {
		t.Fatal("a link in a directory's place was passed over")
	}
	if err := f.Put(ctx, "packs/x", nil); err == nil {
		t.Fatal("a link in a directory's place was followed")
	}
}

func TestFolderLeftovers(t *testing.T) {
	m := memory()
	faulty := disk.NewFaulty(m.Root(), disk.FailKind(disk.OpPublish, 1, disk.ErrStopped))
	ctx := t.Context()
	if err := folder(faulty.Root(), 1).Put(ctx, "sess/s/1", []byte("four")); !errors.Is(err, disk.ErrStopped) {
		t.Fatal(err)
	}
	f := folder(m.Root(), 1) // draws the same names: the leftover must not be taken for the object
	if err := f.Put(ctx, "sess/s/1", []byte("whole")); err != nil {
		t.Fatal(err)
	}
	var found []store.Object
	for o, err := range f.Leftovers(ctx) {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, o)
	}
	if len(found) != 1 || !strings.HasPrefix(found[0].Name, "sess/s/tmp-") || found[0].Size != 4 || found[0].Modified.IsZero() {
		t.Fatalf("leftovers %+v", found)
	}
	for _, name := range []string{"sess/s/1", "sess/s", "sess/", "../tmp-" + strings.Repeat("0", 32), "sess/s/tmp-1", "", "/"} {
		if err := f.Discard(ctx, name); !errors.Is(err, store.ErrName) {
			t.Fatalf("discard %q: %v", name, err)
		}
	}
	for _, name := range []string{found[0].Name, found[0].Name, "sess/s/", "no/such/"} {
		if err := f.Discard(ctx, name); err != nil { // the second is in use
			t.Fatal(err)
		}
	}
	if got, err := f.Get(ctx, "sess/s/1", 0, -1, nil); err != nil || string(got) != "whole" {
		t.Fatalf("%q, %v", got, err)
	}
	noLeftovers(t, f)
}

// TestFolderDirectoryReplaced: a directory that another process removed and made again is found anew.
func TestFolderDirectoryReplaced(t *testing.T) {
	m := memory()
	mine, other := folder(m.Root(), 1), folder(m.Root(), 2)
	ctx := t.Context()
	do := func(errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	do(mine.Put(ctx, "gc/7/done", nil), mine.Barrier(ctx)) // the directory is cached and durable
	do(other.Delete(ctx, "gc/7/done"), other.Discard(ctx, "gc/7/"))
	if got := m.Tree(); strings.Contains(got, "gc/7") {
		t.Fatalf("not discarded:\n%s", got)
	}
	do(mine.Put(ctx, "gc/7/verdict", []byte("v")), mine.Barrier(ctx))
	if _, err := folder(m.Crash(disk.KeepNone).Root(), 3).Stat(ctx, "gc/7/verdict"); err != nil {
		t.Fatalf("after power loss: %v", err)
	}
	do(mine.Delete(ctx, "gc/7/verdict"), other.Discard(ctx, "gc/7/"), mine.Barrier(ctx)) // with nothing left to sync
	do(other.Put(ctx, "gc/7/condemn", []byte("c")))
	if got, err := mine.Get(ctx, "gc/7/condemn", 0, -1, nil); err != nil || string(got) != "c" {
		t.Fatalf("%q, %v", got, err)
	}
	do(other.Delete(ctx, "gc/7/condemn"), other.Discard(ctx, "gc/7/"), other.Put(ctx, "gc/7/x", nil))
	do(mine.Delete(ctx, "gc/7/x"))
	if _, err := other.Stat(ctx, "gc/7/x"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("deleted in a directory that is gone: %v", err)
	}
}

func TestFolderModes(t *testing.T) {
	m := memory()
	root := m.Root()
	mode := uint32(0o2770)
	if err := root.SetMeta(".", disk.Change{Mode: &mode}); err != nil {
		t.Fatal(err)
	}
	if err := folder(root, 1).Put(t.Context(), "d/x", nil); err != nil {
		t.Fatal(err)
	}
	d, err := root.OpenDir("d")
	if err != nil {
		t.Fatal(err)
	}
	info, err := d.Stat("x")
	if err != nil || info.Mode != 0o660 {
		t.Fatalf("file mode %o, %v", info.Mode, err)
	}
	if info, err = root.Stat("d"); err != nil || info.Mode&0o777 != 0o770 {
		t.Fatalf("directory mode %o, %v", info.Mode, err)
	}
}
