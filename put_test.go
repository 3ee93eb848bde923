package varve_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/fixture"
)

// TestOpenReadsAnywhere: a file of a snapshot read at any place is what Cat writes, whatever it is made of: chunks, runs,
// literals, holes.
func TestOpenReadsAnywhere(t *testing.T) {
	r := newRig(1)
	build(t, r, fixture.Game, 0)
	random := rand.New(rand.NewPCG(3, 4))
	big := make([]byte, 3<<20)
	for i := range big[:2<<20] {
		big[i] = byte(random.Uint32())
	}
	copy(big[5<<19:], bytes.Repeat([]byte("abcdefgh"), 20_000))
	d := r.folder("project")
	if err := errors.Join(disk.WriteWhole(d, "big.bin", 0o644, big), disk.WriteWhole(d, "empty", 0o644, nil)); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, r)
	snap := mustSnap(t, s)
	ctx := t.Context()
	n := 0
	for e, err := range s.p.List(ctx, snap, "", true) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type != "file" {
			continue
		}
		n++
		var want bytes.Buffer
		if err := s.p.Cat(ctx, snap, e.Path, &want); err != nil {
			t.Fatal(err)
		}
		for _, of := range []*varve.Snapshot{snap, nil} {
			f, err := s.p.Open(ctx, of, e.Path)
			if err != nil {
				t.Fatal(err)
			}
			if f.Size() != int64(want.Len()) || f.Name() != e.Path || of != nil && f.Content() != e.SHA256 {
				t.Errorf("%s: %d bytes of %d, %q", e.Path, f.Size(), want.Len(), f.Content())
			}
			if want.Len() < 1<<20 {
				err = iotest.TestReader(io.NewSectionReader(f, 0, f.Size()), want.Bytes())
			}
			for range 50 {
				b := make([]byte, random.IntN(200_000))
				off := random.IntN(want.Len() + 1)
				k, rerr := f.ReadAt(b, int64(off))
				if !bytes.Equal(b[:k], want.Bytes()[off:off+k]) || k < len(b) && rerr != io.EOF || k != min(len(b), want.Len()-off) {
					t.Fatalf("%s: %d bytes of %d at %d, %v", e.Path, k, len(b), off, rerr)
				}
			}
			if err = errors.Join(err, f.Close()); err != nil {
				t.Errorf("%s: %v", e.Path, err)
			}
		}
	}
	if n < 10 {
		t.Errorf("%d files", n)
	}
}

// TestFiles: all files of a snapshot, as opening each gives them.
func TestFiles(t *testing.T) {
	r := newRig(1)
	build(t, r, fixture.Game, 0)
	s := mustOpen(t, r)
	snap := mustSnap(t, s)
	ctx := t.Context()
	want := map[string]string{}
	for e, err := range s.p.List(ctx, snap, "", true) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == "file" {
			want[e.Path] = e.SHA256
		}
	}
	for f, err := range s.p.Files(ctx, snap) {
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		if _, err := io.Copy(h, io.NewSectionReader(f, 0, f.Size())); err != nil {
			t.Fatal(err)
		}
		if sum := hex.EncodeToString(h.Sum(nil)); want[f.Name()] != sum || f.Content() != sum {
			t.Errorf("%s has %s, want %s", f.Name(), sum, want[f.Name()])
		}
		delete(want, f.Name())
	}
	if len(want) > 0 {
		t.Errorf("not found: %v", want)
	}
}

// TestIdentity: what has one identity has the same bytes, wherever it is; what did not change mostly keeps it.
func TestIdentity(t *testing.T) {
	r := newRig(1)
	random := rand.New(rand.NewPCG(5, 6))
	big := make([]byte, 2<<20)
	for i := range big[:1<<20] {
		big[i] = byte(random.Uint32())
	}
	copy(big[3<<19:], bytes.Repeat([]byte("abcdefgh"), 20_000))
	d := r.folder("project")
	s := mustOpen(t, r)
	var files []*varve.File
	var contents [][]byte
	for _, edit := range []int{-1, 700_000} {
		if edit >= 0 {
			big = slices.Insert(bytes.Clone(big), edit, []byte("a little more")...)
		}
		if err := disk.WriteWhole(d, "big.bin", 0o644, big); err != nil {
			t.Fatal(err)
		}
		f, err := s.p.Open(t.Context(), mustSnap(t, s), "big.bin")
		if err != nil {
			t.Fatal(err)
		}
		files, contents = append(files, f), append(contents, big)
	}
	if a, ok := files[0].Identity(0, 500_000); !ok {
		t.Error("a span has no identity")
	} else if b, _ := files[1].Identity(0, 500_000); a != b {
		t.Error("what did not change has another identity")
	}
	seen := map[string][]byte{}
	for range 3000 {
		k := random.IntN(2)
		off := random.IntN(len(contents[k])>>12) << 12
		n := min(1+random.IntN(3)<<(4+random.IntN(12)), len(contents[k])-off)
		id, ok := files[k].Identity(int64(off), int64(n))
		if !ok {
			t.Fatalf("%d bytes at %d have no identity", n, off)
		}
		if b, ok := seen[id]; ok && !bytes.Equal(b, contents[k][off:off+n]) {
			t.Fatalf("%d bytes at %d have the identity of others", n, off)
		}
		seen[id] = contents[k][off : off+n]
	}
	var group sync.WaitGroup
	for i := range 4 { // side by side, as formats hash channels: with -race
		group.Go(func() {
			b := make([]byte, 1000)
			for k := range 300 {
				off := int64(k*4096 + i)
				id, _ := files[0].Identity(off, 70_000)
				if again, _ := files[0].Identity(off, 70_000); again != id {
					t.Error("an identity changed")
				}
				if _, err := files[0].ReadAt(b, off); err != nil || !bytes.Equal(b, contents[0][off:off+1000]) {
					t.Errorf("at %d: %v", off, err)
				}
			}
		})
	}
	group.Wait()
	live, err := s.p.Open(t.Context(), nil, "big.bin")
	if err != nil {
		t.Fatal(err)
	}
	defer live.Close()
	if _, ok := live.Identity(0, 10); ok {
		t.Error("a file of the folder has an identity, and may change")
	}
	for _, bad := range [][2]int64{{-1, 5}, {0, 0}, {files[0].Size() - 3, 4}} {
		if _, ok := files[0].Identity(bad[0], bad[1]); ok {
			t.Errorf("%d bytes at %d have an identity", bad[1], bad[0])
		}
	}
}

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error { _, err := io.WriteString(w, s); return err }
}

// TestPut: what is put replaces whole files, keeps their modes, and is taken back, also with what it made; done again,
// it is there again.
func TestPut(t *testing.T) {
	r := newRig(1)
	d := r.folder("project")
	if err := disk.WriteWhole(d, "a.txt", 0o600, []byte("old")); err != nil {
		t.Fatal(err)
	}
	s := mustOpen(t, r)
	mustSnap(t, s)
	ctx := t.Context()
	ignore := plainSnap().Ignore
	res, err := s.p.Put(ctx, varve.PutOptions{Verb: "graft", Summary: "graft of x", Ignore: ignore,
		Files: []varve.PutFile{{Path: "a.txt", Write: text("new")}, {Path: "made/b.txt", Write: text("made")}}})
	if err != nil || res.Safety == nil {
		t.Fatal(err)
	}
	read := func(at string) string {
		f, err := s.p.Open(ctx, nil, at)
		if err != nil {
			return err.Error()
		}
		b, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
		if err = errors.Join(err, f.Close()); err != nil {
			t.Error(err)
		}
		return string(b)
	}
	if a, b := read("a.txt"), read("made/b.txt"); a != "new" || b != "made" {
		t.Errorf("%q and %q", a, b)
	}
	if i, err := d.Stat("a.txt"); err != nil || i.Mode != 0o600 {
		t.Errorf("mode %o, %v", i.Mode, err)
	}
	if op, _, err := s.p.Undo(ctx, false); err != nil || op.Verb != "graft" {
		t.Fatal(op, err)
	}
	if a, b := read("a.txt"), read("made/b.txt"); a != "old" || !strings.Contains(b, "not exist") && !strings.Contains(b, "no such") {
		t.Errorf("after undo %q and %q", a, b)
	}
	if _, _, err := s.p.Redo(ctx, false); err != nil {
		t.Fatal(err)
	}
	if a, b := read("a.txt"), read("made/b.txt"); a != "new" || b != "made" {
		t.Errorf("after redo %q and %q", a, b)
	}
}

// TestPutLeavesWhatChanged: a file that somebody changes after the safety snapshot stays as they made it, and so does one
// whose new content cannot be made, or that no snapshot has.
func TestPutLeavesWhatChanged(t *testing.T) {
	r := newRig(1)
	d := r.folder("project")
	put := func(name, content string) {
		t.Helper()
		if err := disk.WriteWhole(d, name, 0o644, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	put("a.txt", "old")
	put("left.tmp", "left out")
	s := mustOpen(t, r)
	ignore := varve.IgnoreSettings{Presets: []string{}, Extra: []string{"*.tmp"}}
	want := errors.New("cannot be made")
	for _, c := range []struct {
		name  string
		file  string
		write func(io.Writer) error
		err   error
		after string
	}{
		{"changed", "a.txt", func(w io.Writer) error { put("a.txt", "newer"); return nil }, varve.ErrChanged, "newer"},
		{"removed", "a.txt", func(w io.Writer) error { return d.Remove("a.txt") }, varve.ErrChanged, ""},
		{"failed", "a.txt", func(w io.Writer) error { _, _ = w.Write([]byte("half")); return want }, want, "old"},
		{"came", "new.txt", func(w io.Writer) error { put("new.txt", "theirs"); return nil }, varve.ErrChanged, "theirs"},
		{"left out", "left.tmp", text("x"), nil, "left out"},
		{"folder", "sub", text("x"), errors.ErrUnsupported, ""},
	} {
		put("a.txt", "old")
		_ = d.Mkdir("sub", 0o755)
		_, err := s.p.Put(context.Background(), varve.PutOptions{Verb: "graft", Summary: "x", Ignore: ignore, Files: []varve.PutFile{{Path: c.file, Write: c.write}}})
		if err == nil || c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("%s: %v", c.name, err)
		}
		got, err := disk.ReadFile(d, c.file, 100)
		if c.after != "" && (string(got) != c.after || err != nil) {
			t.Errorf("%s: %q, %v", c.name, got, err)
		}
		entries, _ := d.List(nil)
		for _, e := range entries {
			if disk.IsTemp(e.Name) {
				t.Errorf("%s: %s is left", c.name, e.Name)
			}
		}
	}
}

// TestDerived: what was made is remembered across processes, told apart by name, hidden from who has no key, and made
// again where the cache was damaged or is none.
func TestDerived(t *testing.T) {
	r := newRig(1)
	build(t, r, fixture.ML, 0)
	mustSnap(t, mustOpen(t, r))
	made := 0
	get := func(name string) string {
		t.Helper()
		v := mustOpen(t, r).v
		b, ok := v.Recollect(name)
		if !ok {
			made++
			b = []byte("the picture of " + name)
			v.Remember(name, b)
		}
		return string(b)
	}
	for _, step := range []struct {
		name string
		do   func()
		made int
	}{
		{"a", nil, 1}, {"a", nil, 1}, {"b", nil, 2}, {"a", nil, 2},
		{"a", func() { damageDerived(t, r) }, 3}, {"b", nil, 4}, {"a", nil, 4},
		{"a", func() { r.noCache = true }, 5},
	} {
		if step.do != nil {
			step.do()
		}
		if got := get(step.name); got != "the picture of "+step.name || made != step.made {
			t.Errorf("%q, made %d times, want %d", got, made, step.made)
		}
	}
}

// damageDerived flips a bit of everything in the cache that was made, and looks for what it says.
func damageDerived(t *testing.T, r *rig) {
	t.Helper()
	top, err := r.folder("cache").OpenDir("derived")
	if err != nil {
		t.Fatal(err)
	}
	folders, err := top.List(nil)
	if err != nil || len(folders) == 0 {
		t.Fatal(err, "nothing is remembered")
	}
	for _, f := range folders {
		d, err := top.OpenDir(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		files, err := d.List(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range files {
			b, err := disk.ReadFile(d, e.Name, 1<<20)
			if err != nil || bytes.Contains(b, []byte("picture")) {
				t.Errorf("%s can be read: %v", e.Name, err)
			}
			b[len(b)/2] ^= 1
			if err := disk.WriteWhole(d, e.Name, 0o600, b); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestDerivedIsBounded: of what was made, that goes first which was not asked for longest, and never the newest; what is
// asked for is young again.
func TestDerivedIsBounded(t *testing.T) {
	r := newRig(1)
	v := mustOpen(t, r).v
	// A name by which the folder that it lies in is looked after.
	find := func(ask string) (name string, in disk.Dir, file string) {
		t.Helper()
		before := map[string]bool{}
		for n := range 200 {
			name := ask + strconv.Itoa(n)
			v.Remember(name, []byte("made"))
			top, err := disk.Walk(r.folder("cache"), "derived")
			if err != nil {
				t.Fatal(err)
			}
			folders, err := top.List(nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range folders {
				d, err := top.OpenDir(f.Name)
				if err != nil {
					t.Fatal(err)
				}
				files, err := d.List(nil)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range files {
					if !before[e.Name] && e.Name[2] == '0' {
						return name, d, e.Name
					}
					before[e.Name] = true
				}
			}
		}
		t.Fatal("no name is found")
		return "", nil, ""
	}
	name, d, file := find("n")
	age := func(of string, years int) {
		t.Helper()
		mtime := r.now.Load() - int64(years)*int64(365*24*time.Hour)
		if err := d.SetMeta(of, disk.Change{Mtime: &mtime}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 12 {
		if err := disk.CreateWhole(d, "old"+strconv.Itoa(i), 0o600, make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
		age("old"+strconv.Itoa(i), 1+i)
	}
	age(file, 50)
	v.Remember(name, []byte("made again"))
	var left []string
	all, err := d.List(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		if strings.HasPrefix(e.Name, "old") {
			left = append(left, e.Name)
		}
	}
	if want := []string{"old0", "old1", "old2", "old3", "old4", "old5", "old6"}; !slices.Equal(left, want) {
		t.Errorf("%v, want %v", left, want)
	}
	age(file, 50)
	if b, ok := v.Recollect(name); !ok || string(b) != "made again" {
		t.Fatalf("%q", b)
	}
	if info, err := d.Stat(file); err != nil || r.now.Load()-info.Mtime > int64(24*time.Hour) {
		t.Errorf("it is still old, %v", err)
	}
}
