package varve_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"varve"
	"varve/internal/disk"
	"varve/internal/fixture"
)

// grove is a random folder under change: what is where, by path.
type grove struct {
	t     *rapid.T
	root  disk.Dir
	dirs  []string // "" first
	files []string
	other []string
}

func sizes() []int {
	const k, m = 1 << 10, 1 << 20
	return []int{0, 1, 2, 511, 512, 513, 4095, 4096, 4097, 16 * k, 64*k - 1, 64 * k, 64*k + 1, 256*k - 1, 256 * k, 256*k + 1, 300 * k}
}

func largeSizes() []int {
	const m = 1 << 20
	return []int{m - 1, m, m + 1, 4*m - 1, 4 * m, 4*m + 1}
}

// drawContent draws bytes of one of several kinds: noise, zeros, a run, text, noise with holes of zeros.
func drawContent(t *rapid.T) []byte {
	size := rapid.SampledFrom(sizes()).Draw(t, "size")
	if rapid.IntRange(0, 60).Draw(t, "large") == 0 {
		size = rapid.SampledFrom(largeSizes()).Draw(t, "large size")
	}
	return makeContent(rapid.IntRange(0, 4).Draw(t, "kind"), size, rapid.Uint64Range(0, 9).Draw(t, "seed"))
}

func makeContent(kind, size int, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, 5))
	switch kind {
	case 0:
		return make([]byte, size)
	case 1:
		return bytes.Repeat([]byte("varve 16 bytes.\n"), size/16+1)[:size]
	case 2:
		var b bytes.Buffer
		for b.Len() < size {
			fmt.Fprintf(&b, "layer %d of %d\n", r.IntN(100), r.IntN(7))
		}
		return b.Bytes()[:size]
	}
	b := make([]byte, size)
	for i := range b {
		if kind == 3 || i>>13&3 != 2 {
			b[i] = byte(r.Uint32())
		}
	}
	return b
}

// drawName draws any bytes that can be a name.
func drawName(t *rapid.T) string {
	name := rapid.OneOf(
		rapid.StringMatching(`[a-d]{1,2}`),
		rapid.StringMatching(`[a-z]{1,8}\.(png|txt|kra|bin)`),
		rapid.Map(rapid.SliceOfN(rapid.Byte(), 1, 12), func(b []byte) string { return string(b) }),
		rapid.SampledFrom([]string{"new\nline", "tab\t", " ", "...", "*", "[a]", "!x", "#x", "\\", "C:", "é", "e\u0301", "\xff\xfe", strings.Repeat("n", 255), "aux.txt", "trailing. "}),
	).Draw(t, "name")
	name = strings.Map(func(r rune) rune {
		if r == '/' || r == 0 {
			return '_'
		}
		return r
	}, name)
	if disk.CheckName(name) != nil || strings.HasPrefix(name, ".varve") || strings.ContainsAny(name, "/\x00") || len(name) > 255 {
		return "plain"
	}
	return name
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// at calls do in the folder of a path.
func (g *grove) at(p string, do func(d disk.Dir, name string) error) {
	dir, name := "", p
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		dir, name = p[:i], p[i+1:]
	}
	d, err := disk.Walk(g.root, dir)
	if err != nil {
		g.t.Fatal(err)
	}
	defer d.Close()
	if err := do(d, name); err != nil {
		g.t.Fatalf("%q: %v", p, err)
	}
}

func (g *grove) taken(p string) (found bool) {
	g.at(p, func(d disk.Dir, name string) error {
		_, err := d.Stat(name)
		found = err == nil
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
	return found
}

// grow adds an entry.
func (g *grove) grow() {
	p := join(rapid.SampledFrom(g.dirs).Draw(g.t, "in"), drawName(g.t))
	if g.taken(p) {
		return
	}
	switch k := rapid.IntRange(0, 11).Draw(g.t, "type"); {
	case k < 2:
		g.at(p, func(d disk.Dir, name string) error { return d.Mkdir(name, drawMode(g.t)) })
		g.dirs = append(g.dirs, p)
	case k == 2:
		target := rapid.SampledFrom([]string{"a", "../..", "/etc/passwd", "no such\nthing", p}).Draw(g.t, "target")
		g.at(p, func(d disk.Dir, name string) error { return d.Symlink(target, name) })
		g.other = append(g.other, p)
	case k == 3 && len(g.files) > 0:
		g.at(rapid.SampledFrom(g.files).Draw(g.t, "linked"), func(from disk.Dir, old string) error {
			g.at(p, func(d disk.Dir, name string) error { return from.Link(old, d, name) })
			return nil
		})
		g.files = append(g.files, p)
	case k == 4:
		g.write(p, 0, drawContent(g.t))
		g.write(p, rapid.SampledFrom([]int64{300 << 10, 5 << 20, 9 << 20}).Draw(g.t, "hole"), []byte("end"))
		g.files = append(g.files, p)
	default:
		g.write(p, 0, drawContent(g.t))
		g.files = append(g.files, p)
	}
	g.dress(p)
}

func drawMode(t *rapid.T) uint32 {
	return rapid.SampledFrom([]uint32{0o644, 0o755, 0o600, 0o777, 0o000, 0o400, 0o111}).Draw(t, "mode")
}

// write puts content at an offset of a file, which is made if it is not there.
func (g *grove) write(p string, off int64, content []byte) {
	g.at(p, func(d disk.Dir, name string) error {
		f, err := d.OpenWrite(name)
		if err != nil {
			f, err = d.Create(name, drawMode(g.t))
		}
		if err != nil {
			return err
		}
		defer f.Close()
		_, err = f.WriteAt(content, off)
		return err
	})
}

// dress sets metadata.
func (g *grove) dress(p string) {
	g.at(p, func(d disk.Dir, name string) error {
		i, err := d.Stat(name)
		if err != nil {
			return err
		}
		if i.Type != disk.Symlink && rapid.IntRange(0, 3).Draw(g.t, "attributes") == 0 {
			for _, n := range []string{"user.a", "user.empty", "user.b\xff"} {
				x := disk.Xattr{Name: n, Value: rapid.SliceOfN(rapid.Byte(), 0, 9).Draw(g.t, "value")}
				if err := d.SetXattr(name, x); err != nil {
					return err
				}
			}
		}
		mtime := rapid.SampledFrom([]int64{-1, 0, 1, 1_500_000_000_123_456_789, -5_000_000_000_000_000_001, 1_999_999_999_999_999_999}).Draw(g.t, "mtime")
		return d.SetMeta(name, disk.Change{Mtime: &mtime})
	})
}

// edit changes something that is there, or adds something.
func (g *grove) edit() {
	if len(g.files) == 0 {
		g.grow()
		return
	}
	i := rapid.IntRange(0, len(g.files)-1).Draw(g.t, "file")
	p := g.files[i]
	switch rapid.IntRange(0, 7).Draw(g.t, "edit") {
	case 0:
		g.at(p, func(d disk.Dir, name string) error { return d.Remove(name) })
		g.files = append(g.files[:i], g.files[i+1:]...)
	case 1:
		to := join(rapid.SampledFrom(g.dirs).Draw(g.t, "to"), drawName(g.t))
		if g.taken(to) {
			return
		}
		g.at(p, func(from disk.Dir, old string) error {
			g.at(to, func(d disk.Dir, name string) error { return from.Rename(old, d, name) })
			return nil
		})
		g.files[i] = to
	case 2:
		g.at(p, func(d disk.Dir, name string) error {
			m := drawMode(g.t)
			return d.SetMeta(name, disk.Change{Mode: &m})
		})
	case 3:
		g.write(p, rapid.SampledFrom([]int64{0, 100, 511, 70_000}).Draw(g.t, "at"), []byte("edited"))
	case 4:
		g.at(p, func(d disk.Dir, name string) error {
			f, err := d.OpenWrite(name)
			if err != nil {
				return err
			}
			defer f.Close()
			return f.Truncate(int64(rapid.SampledFrom(sizes()).Draw(g.t, "cut")))
		})
	case 5:
		g.dress(p)
	default:
		g.grow()
	}
}

// variants are machines that must keep the same: with another number of workers, and without the stat cache.
func variants(r *rig) []*rig {
	out := []*rig{r.fork(1), r.fork(2), r.fork(3)}
	out[1].workers = 4
	out[2].noCache = true
	return out
}

func TestRoundTrip(t *testing.T) {
	ctx := context.Background()
	if f := flag.Lookup("rapid.checks"); f.Value.String() == f.DefValue && !*long {
		defer f.Value.Set(f.DefValue)
		f.Value.Set("40") // each is eight snapshots and three restores
	}
	rapid.Check(t, func(t *rapid.T) {
		r := newRig(7)
		s, err := r.open(ctx, hooks{})
		if err != nil {
			t.Fatal(err)
		}
		g := &grove{t: t, root: s.dir, dirs: []string{""}}
		for range rapid.IntRange(0, 25).Draw(t, "entries") {
			g.grow()
		}
		first := keepAlike(t, r, s)
		want1, err := list(s.dir)
		if err != nil {
			t.Fatal(err)
		}
		for range rapid.IntRange(0, 8).Draw(t, "edits") {
			g.edit()
		}
		second := keepAlike(t, r, s)
		want2, err := list(s.dir)
		if err != nil {
			t.Fatal(err)
		}
		for i, x := range []*varve.Snapshot{first, second} {
			got, err := restored(ctx, s.p, x)
			if err != nil {
				t.Fatal(err)
			}
			if want := []string{want1, want2}[i]; got != want {
				t.Fatalf("%s:\n%s", x.Ref(), differ(got, want))
			}
		}
		if (first.Root == second.Root) != (want1 == want2) {
			t.Fatalf("equal roots: %v, equal listings: %v\n%s", first.Root == second.Root, want1 == want2, differ(want2, want1))
		}
		again, err := s.p.Snap(ctx, plainSnap())
		if err != nil {
			t.Fatal(err)
		}
		if again.Root != second.Root || again.Stored.Chunks != 0 {
			t.Fatalf("an unchanged folder stored %d chunks, root %s instead of %s", again.Stored.Chunks, again.Root, second.Root)
		}
		if err := verified(ctx, s.v); err != nil {
			t.Fatal(err)
		}
		back, err := s.p.Restore(ctx, varve.RestoreOptions{Snapshot: first, Delete: true, Ignore: plainSnap().Ignore})
		if err != nil || len(back.Errors) > 0 {
			t.Fatalf("restore in place: %v, %+v", err, back)
		}
		if got, err := list(s.dir); err != nil || got != want1 {
			t.Fatalf("restore in place: %v\n%s", err, differ(got, want1))
		}
	})
}

// keepAlike takes a snapshot here and on the variants and compares their roots.
func keepAlike(t *rapid.T, r *rig, s *site) *varve.Snapshot {
	ctx := context.Background()
	others := variants(r)
	snap, err := s.p.Snap(ctx, plainSnap())
	if err != nil || len(snap.Errors) > 0 {
		t.Fatal(err, snap)
	}
	for i, o := range others {
		os, err := o.open(ctx, hooks{})
		if err != nil {
			t.Fatal(err)
		}
		x, err := os.p.Snap(ctx, plainSnap())
		if err != nil {
			t.Fatal(err)
		}
		if x.Root != snap.Root || x.Counts != snap.Counts {
			t.Fatalf("variant %d: root %s, counts %+v; the first: %s, %+v", i, x.Root, x.Counts, snap.Root, snap.Counts)
		}
	}
	return snap
}

// Two names of one file, of which only metadata changed, are put back in place without a failure: the second
// name has changed because the first was put back.
func TestRestoreOfHardLinks(t *testing.T) {
	ctx := context.Background()
	r := newRig(1)
	s := mustOpen(t, r)
	w := fixture.NewWriter(s.dir, time.Unix(1_500_000_000, 0))
	w.Put("a", 0o644, []byte("one file"))
	w.Link("a", "b")
	w.Link("a", "c")
	first := mustSnap(t, s)
	want := listing(t, s.dir)
	w.Put("a", 0o644, []byte("one file"))
	w.Remove("c")
	if w.Err() != nil {
		t.Fatal(w.Err())
	}
	mustSnap(t, s)
	res, err := s.p.Restore(ctx, varve.RestoreOptions{Snapshot: first, Delete: true, Ignore: plainSnap().Ignore})
	if err != nil || len(res.Errors) > 0 {
		t.Errorf("restore in place: %v, %+v", err, res)
	}
	if got := listing(t, s.dir); got != want {
		t.Errorf("restore in place:\n%s", differ(got, want))
	}
}
