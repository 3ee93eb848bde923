package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"varve/internal/disk"
	"varve/store"
)

// TestFolderOrder pins the order in which a Put and a Barrier reach the disk: it is what durability rests on.
func TestFolderOrder(t *testing.T) {
	var got []string
	faulty := disk.NewFaulty(memory().Root(), func(op disk.Op) error {
		if op.Kind.Writes() {
			path := op.Path
			if i := strings.Index(path, "tmp-"); i >= 0 {
				path = path[:i] + "tmp"
			}
			got = append(got, strings.TrimSpace(op.Kind.String()+" "+path+" "+op.To))
		}
		return nil
	})
	f := folder(faulty.Root(), 0)
	ctx := t.Context()
	for _, err := range []error{
		f.Put(ctx, "packs/3f/9a", []byte("head"), []byte("body")),
		f.Put(ctx, "packs/3f/9b", []byte("whole")),
		f.Barrier(ctx),
		f.Put(ctx, "packs/3f/9c", []byte("whole")),
		f.Barrier(ctx),
		f.Barrier(ctx),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	want := []string{
		"mkdir packs", "mkdir packs/3f",
		"create packs/3f/tmp", "write packs/3f/tmp", "write packs/3f/tmp", "filesync packs/3f/tmp",
		"publish packs/3f/tmp packs/3f/9a",
		"createwhole packs/3f/tmp", "publish packs/3f/tmp packs/3f/9b",
		"sync .", "sync packs", "sync packs/3f",
		"createwhole packs/3f/tmp", "publish packs/3f/tmp packs/3f/9c",
		"sync packs/3f",
	}
	if !slices.Equal(got, want) {
		t.Fatalf("got  %q\nwant %q", got, want)
	}
}

// history is what a caller of a Folder was told.
type history struct {
	tried   map[string][]byte // every put that was begun
	put     map[string]bool   // returned nil since the last Barrier
	durable map[string]bool   // a Barrier returned nil since
	deleted map[string]bool   // a delete was begun
}

// play does a fixed run of operations on f until the first error and returns what it was told.
func play(t *testing.T, f *store.Folder) (history, error) {
	h := history{map[string][]byte{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
	ctx := t.Context()
	put := func(name string, parts ...[]byte) error {
		h.tried[name] = bytes.Join(parts, nil)
		err := f.Put(ctx, name, parts...)
		if err == nil {
			h.put[name] = true
		}
		return err
	}
	barrier := func() error {
		err := f.Barrier(ctx)
		if err == nil {
			for name := range h.put {
				h.durable[name] = true
			}
		}
		return err
	}
	r := rand.NewChaCha8([32]byte{9})
	random := func(n int) []byte {
		b := make([]byte, n)
		r.Read(b)
		return b
	}
	for _, step := range []func() error{
		func() error { return put("config", random(300)) },
		barrier,
		func() error { return put("packs/aa/1", random(9000), random(5000)) },
		func() error { return put("packs/bb/2", random(20_000)) },
		func() error { return put("index/3", random(10), random(4096)) },
		barrier,
		func() error { return put("snap/4", random(700)) },
		barrier,
		func() error { return put("packs/aa/5", random(12_000)) },
		func() error { return put("sess/s/0", nil) },
		func() error {
			h.deleted["packs/bb/2"] = true
			return f.Delete(ctx, "packs/bb/2")
		},
		barrier,
		func() error { return put("snap/6", random(5), random(6)) },
	} {
		if err := step(); err != nil {
			return h, err
		}
	}
	return h, nil
}

// survived checks the disk found after power loss against what the caller was told before.
func survived(t *testing.T, d disk.Dir, h history) error {
	f := folder(d, 77)
	seen := map[string]bool{}
	for o, err := range f.List(t.Context(), "") {
		if err != nil {
			return err
		}
		got, err := f.Get(t.Context(), o.Name, 0, -1, nil)
		if err != nil {
			return err
		}
		if want, tried := h.tried[o.Name]; !tried || !bytes.Equal(got, want) {
			return fmt.Errorf("%s is torn: %d bytes of %d", o.Name, len(got), len(want))
		}
		seen[o.Name] = true
	}
	for name := range h.durable {
		if !seen[name] && !h.deleted[name] {
			return fmt.Errorf("%s is lost", name)
		}
	}
	return goesOn(t, f, h, seen)
}

// goesOn: what a crash leaves is swept away and hinders no later put.
func goesOn(t *testing.T, f *store.Folder, h history, seen map[string]bool) error {
	ctx := t.Context()
	for o, err := range f.Leftovers(ctx) {
		if err != nil {
			return err
		}
		if err := f.Discard(ctx, o.Name); err != nil {
			return err
		}
	}
	for name, content := range h.tried {
		if err := f.Put(ctx, name, content); seen[name] != errors.Is(err, fs.ErrExist) || !seen[name] && err != nil {
			return fmt.Errorf("put again with seen=%v: %w", seen[name], err)
		}
	}
	noLeftovers(t, f)
	return f.Barrier(ctx)
}

// crashEverywhere stops play at each operation in turn, cuts the power, and returns the first promise that was
// broken and the number of crashes up to it. weaken may stand between the Folder and the disk.
func crashEverywhere(t *testing.T, weaken func(disk.Dir) disk.Dir) (crashes int, broken error) {
	keeps := []disk.Keep{disk.KeepNone, disk.KeepAll, disk.KeepHalf(1), disk.KeepHalf(2), disk.KeepHalf(3), disk.KeepHalf(4)}
	for n := int64(1); ; n++ {
		m := memory()
		faulty := disk.NewFaulty(m.Root(), disk.StopAt(n))
		h, err := play(t, folder(weaken(faulty.Root()), 1))
		if err != nil && !errors.Is(err, disk.ErrStopped) {
			t.Fatalf("stopped at operation %d: %v", n, err)
		}
		for _, keep := range keeps {
			crashes++
			if err := survived(t, m.Crash(keep).Root(), h); err != nil {
				return crashes, fmt.Errorf("crash at operation %d, keep %d: %w", n, keep, err)
			}
		}
		if err == nil {
			return crashes, nil
		}
	}
}

func TestFolderSurvivesPowerLoss(t *testing.T) {
	crashes, broken := crashEverywhere(t, func(d disk.Dir) disk.Dir { return d })
	if broken != nil {
		t.Fatal(broken)
	}
	if crashes < 400 {
		t.Fatalf("only %d crashes", crashes)
	}
	t.Logf("%d crashes", crashes)
}

// lax is a disk that claims to have synced.
type lax struct {
	disk.Dir
	path    string
	skip    func(path string) bool // of directories
	content bool                   // of files
}

func (l lax) OpenDir(name string) (disk.Dir, error) {
	d, err := l.Dir.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return lax{d, strings.TrimPrefix(l.path+"/"+name, "/"), l.skip, l.content}, nil
}

func (l lax) Publish(name string, to disk.Dir, newName string) error {
	return l.Dir.Publish(name, to.(lax).Dir, newName)
}

func (l lax) Sync() error {
	if l.skip(l.path) {
		return nil
	}
	return l.Dir.Sync()
}

func (l lax) Create(name string, mode uint32) (disk.File, error) {
	f, err := l.Dir.Create(name, mode)
	if err != nil || !l.content {
		return f, err
	}
	return laxFile{f}, nil
}

type laxFile struct{ disk.File }

func (laxFile) Sync() error { return nil }

// TestFolderNeedsEverySync: without any one kind of sync the test above finds a loss.
func TestFolderNeedsEverySync(t *testing.T) {
	for name, l := range map[string]lax{
		"file content":          {skip: func(string) bool { return false }, content: true},
		"directories":           {skip: func(string) bool { return true }},
		"parents of new ones":   {skip: func(path string) bool { return path == "" || path == "packs" }},
		"the root":              {skip: func(path string) bool { return path == "" }},
		"the object's own":      {skip: func(path string) bool { return path == "snap" }},
		"one fan-out directory": {skip: func(path string) bool { return path == "packs/aa" }},
	} {
		_, broken := crashEverywhere(t, func(d disk.Dir) disk.Dir {
			l.Dir = d
			return l
		})
		if broken == nil {
			t.Errorf("nothing was lost without a sync of %s", name)
		}
	}
}

// TestFolderSyncsWhatOthersMade: a directory made by another process, which has had no Barrier, is as durable
// after ours as one that we made.
func TestFolderSyncsWhatOthersMade(t *testing.T) {
	m := memory()
	other, mine := folder(m.Root(), 1), folder(m.Root(), 2)
	ctx := t.Context()
	for _, err := range []error{
		other.Put(ctx, "packs/aa/1", []byte("other")),
		mine.Put(ctx, "packs/aa/2", []byte("mine")),
		mine.Barrier(ctx),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := folder(m.Crash(disk.KeepNone).Root(), 3).Get(ctx, "packs/aa/2", 0, -1, nil)
	if err != nil || string(got) != "mine" {
		t.Fatalf("after power loss: %q, %v", got, err)
	}
}
