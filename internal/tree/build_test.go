package tree

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve/internal/digest"
	"varve/internal/disk"
)

func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newShelf()
		want := genFolder(rt, s, 30)
		d, sum := build(t, s, want)
		sameEntries(t, list(t, s, d), want)
		var model Summary
		for i := range want {
			e := &want[i]
			switch e.Type {
			case disk.Regular:
				model.Files++
				model.Bytes += uint64(e.Size)
			case disk.Directory:
				model.Dirs++
				model.Files += e.Summary.Files
				model.Depth = max(model.Depth, e.Summary.Depth+1)
			case disk.Symlink:
				model.Links++
			default:
				model.Specials++
			}
			if e.Flags&3 != 0 {
				model.Doubtful++
			}
		}
		if sum != model {
			rt.Fatalf("summary %+v, want %+v", sum, model)
		}
	})
}

// The bytes of the format, written by hand from the package's documentation.
func TestVectors(t *testing.T) {
	s := newShelf()
	entries := []Entry{
		{Name: "a", Mode: 0o644, UID: 1000, GID: 100, Mtime: 5_000_000_007, Content: literalRecipe([]byte("hi")), Size: 2},
		{Name: "b", Type: disk.Symlink, Mode: 0o644, UID: 1000, GID: 100, Mtime: 4_000_000_000, Target: "a"},
		{Name: "c", Type: disk.Directory, Mode: 0o755, UID: 0, GID: 0, Mtime: -1, Dir: digest.Digest{0xdd},
			Summary: Summary{Files: 1, Dirs: 2, Links: 3, Specials: 4, Bytes: 300, Doubtful: 5, Depth: 6}},
		{Name: "d", Type: disk.CharDevice, Mode: 0o755, Mtime: -1, Rdev: 259, Attrs: 32, LinkGroup: 9, Flags: Unstable,
			Xattrs: []disk.Xattr{{Name: "u", Value: []byte("vv")}, {Name: "w"}}},
		{Name: "e", Mode: 0o755, Mtime: -1, Size: 1 << 20, Recipe: digest.Digest{0xee}, Flags: HasSHA256, SHA256: [32]byte{0xff}},
	}
	zeros := strings.Repeat("00", 31)
	want := "a7010000" +
		"00" + "0161" + "a403" + "e807" + "64" + "0a07" + "05" + "01" + "02" + "09" + "6869" +
		"1a" + "0162" + "01" + "00" + "0161" +
		"01" + "0163" + "ed03" + "0000" + "09" + "ff93ebdc03" + "dd" + zeros + "01020304ac020506" +
		"9d1f" + "0164" + "00ff93ebdc03" + "01" + "09" + "20" + "8302" + "02" + "0175" + "027676" + "0177" + "00" +
		"78" + "0165" + "00ff93ebdc03" + "808040" + "ee" + zeros + "ff" + zeros
	d, _ := build(t, s, entries)
	if got := hex.EncodeToString(s.pages[d]); got != want {
		t.Errorf("page\n got %s\nwant %s", got, want)
	}
	empty, sum := build(t, s, nil)
	if got := hex.EncodeToString(s.pages[empty]); got != "a7010000" || sum != (Summary{}) {
		t.Errorf("empty page %s, %+v", got, sum)
	}
	r := Recipe{Class: 3, Size: 1 + 24 + 300 + 5, Items: []Item{{Kind: Literal, Len: 1, Bytes: []byte{9}},
		{Kind: Run, Len: 24, Bytes: bytes.Repeat([]byte{7}, 24)}, {Kind: Hole, Len: 300}, {Kind: Chunk, Len: 5, Digest: digest.Digest{0xcc}}}}
	if got, want := hex.EncodeToString(r.Append(nil)), "03"+"ca02"+"0509"+"62"+strings.Repeat("07", 24)+"b309"+"14"+"cc"+zeros; got != want {
		t.Errorf("recipe\n got %s\nwant %s", got, want)
	}
	for i, typ := range []disk.Type{disk.Regular, disk.Directory, disk.Symlink, disk.Pipe, disk.Socket, disk.CharDevice, disk.BlockDevice, disk.Unknown} {
		if int(typ) != i {
			t.Errorf("type %d is %d on disk", i, typ)
		}
	}
	// Published: FNV-1a of "foobar" is 85944171f73967e8.
	h := uint64(0x85944171f73967e8)
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	if got := nameMark("foobar"); got != h^h>>33 {
		t.Errorf("mark of foobar %x", got)
	}
}

// Where pages end follows from the entries: an independent cutter finds the same places.
func TestPagesEndAsDocumented(t *testing.T) {
	s := newShelf()
	entries := bigFolder(5000, 3)
	var pages [][]byte
	b := NewBuilder(func(p []byte) (digest.Digest, error) {
		if p[3] == 0 {
			pages = append(pages, bytes.Clone(p))
		}
		return s.put(p)
	})
	for i := range entries {
		if err := b.Add(&entries[i]); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := b.Finish(); err != nil {
		t.Fatal(err)
	}
	i := 0
	for n, p := range pages {
		page := []byte{pageMagic, 1, 0, 0}
		var before prior
		for i < len(entries) {
			e := &entries[i]
			after := before
			_, derived := e.check()
			row := appendEntry(nil, e, derived, &after)
			if len(page) > 4 && len(page)+len(row) > 65536 {
				break
			}
			page, before = append(page, row...), after
			i++
			// m < r * 2^50, by the upper 14 bits of m
			if len(page) >= 16384 && nameMark(e.Name)>>50 < uint64(len(row)) {
				break
			}
		}
		if !bytes.Equal(p, page) {
			t.Fatalf("page %d: %d bytes, want %d", n, len(p), len(page))
		}
		if n < len(pages)-1 && (len(p) < minPage || len(p) > fullPage) {
			t.Errorf("page %d has %d bytes", n, len(p))
		}
	}
	if i != len(entries) || len(pages) < 10 {
		t.Errorf("%d entries in %d pages", i, len(pages))
	}
}

func TestReuseDoesNotShow(t *testing.T) {
	s := newShelf()
	a, c := bigFolder(3000, 1), bigFolder(50, 2)
	wantA, _ := build(t, s, a)
	wantC, _ := build(t, s, c)
	b := NewBuilder(s.put)
	for range 2 {
		for _, x := range []struct {
			in   []Entry
			want digest.Digest
		}{{a, wantA}, {c, wantC}} {
			b.Reset()
			for i := range x.in {
				if err := b.Add(&x.in[i]); err != nil {
					t.Fatal(err)
				}
				// What is refused must leave no trace.
				if err := b.Add(&x.in[i]); !errors.Is(err, ErrEntry) {
					t.Fatalf("same name twice: %v", err)
				}
			}
			if d, _, err := b.Finish(); err != nil || d != x.want {
				t.Fatalf("got %v, %v", d, err)
			}
		}
	}
	if err := b.Add(&a[len(a)-1]); !errors.Is(err, ErrEntry) {
		t.Errorf("add after finish: %v", err)
	}
}

func TestInsertionRewritesFewPages(t *testing.T) {
	entries := bigFolder(10_000, 7)
	rng := rand.New(rand.NewPCG(5, 5))
	s := newShelf()
	build(t, s, entries)
	total := 0
	const tries = 100
	for range tries {
		at := rng.IntN(len(entries) + 1)
		e := file("", rng.IntN(1000))
		if at > 0 {
			e.Name = entries[at-1].Name
		}
		e.Name += fmt.Sprintf("-%d", rng.IntN(100))
		if at < len(entries) && e.Name >= entries[at].Name {
			continue
		}
		s.fresh = [maxLevel + 1]int{}
		build(t, s, slices.Insert(slices.Clone(entries), at, e))
		for lev, n := range s.fresh {
			if n > 3 {
				t.Errorf("insertion at %d rewrote %d pages of level %d", at, n, lev)
			}
			total += n
		}
	}
	if total > tries*5/2 {
		t.Errorf("%d pages for %d insertions", total, tries)
	}
}

func TestManyLevels(t *testing.T) {
	s := newShelf()
	// Entries of 60 KB each fill a page, names of 765 bytes fill the pages above.
	var entries []Entry
	name := strings.Repeat("n", MaxName-8)
	for i := range 300 {
		e := file(fmt.Sprintf("%s%08d", name, i), i)
		e.Xattrs = []disk.Xattr{{Name: "user.x", Value: bytes.Repeat([]byte{byte(i)}, 60_000)}}
		entries = append(entries, e)
	}
	d, sum := build(t, s, entries)
	if s.pages[d][3] != 2 || sum.Files != 300 {
		t.Fatalf("root of level %d, %+v", s.pages[d][3], sum)
	}
	sameEntries(t, list(t, s, d), entries)
	s.gets = 0
	if e, ok, err := Lookup(t.Context(), s.get, d, entries[250].Name); err != nil || !ok || !e.Equal(&entries[250]) || s.gets != 3 {
		t.Errorf("lookup: %v %v, %d pages", ok, err, s.gets)
	}
}

func TestOneEntryLargerThanAPage(t *testing.T) {
	s := newShelf()
	entries := []Entry{file("a", 1), file("b", 2), file("c", 3)}
	for i := range 15 {
		entries[1].Xattrs = append(entries[1].Xattrs, disk.Xattr{Name: fmt.Sprintf("user.%02d", i), Value: make([]byte, MaxXattr)})
	}
	d, _ := build(t, s, entries)
	sameEntries(t, list(t, s, d), entries)
	if s.fresh[0] != 3 {
		t.Errorf("%d pages, want one for each entry", s.fresh[0])
	}
}

func TestAddRefuses(t *testing.T) {
	long := strings.Repeat("x", MaxName+1)
	change := map[string]func(e *Entry){
		"empty name":     func(e *Entry) { e.Name = "" },
		"dot":            func(e *Entry) { e.Name = "." },
		"dot dot":        func(e *Entry) { e.Name = ".." },
		"slash":          func(e *Entry) { e.Name = "a/b" },
		"NUL":            func(e *Entry) { e.Name = "a\x00" },
		"long name":      func(e *Entry) { e.Name = long },
		"type":           func(e *Entry) { e.Type = disk.Unknown },
		"mode":           func(e *Entry) { e.Mode = 0o10000 },
		"flags":          func(e *Entry) { e.Flags = 1 << 15 },
		"size":           func(e *Entry) { e.Size++ },
		"negative size":  func(e *Entry) { e.Size, e.Content, e.Recipe = -1, nil, digest.Digest{1} },
		"no recipe":      func(e *Entry) { e.Content = nil },
		"two recipes":    func(e *Entry) { e.Recipe = digest.Digest{1} },
		"bad recipe":     func(e *Entry) { e.Content = append(e.Content, 0) },
		"long recipe":    func(e *Entry) { e.Content = literalRecipe(make([]byte, MaxInline)); e.Size = MaxInline },
		"xattr order":    func(e *Entry) { e.Xattrs = []disk.Xattr{{Name: "b"}, {Name: "a"}} },
		"xattr twice":    func(e *Entry) { e.Xattrs = []disk.Xattr{{Name: "b"}, {Name: "b"}} },
		"xattr name":     func(e *Entry) { e.Xattrs = []disk.Xattr{{Name: strings.Repeat("x", 256)}} },
		"xattr value":    func(e *Entry) { e.Xattrs = []disk.Xattr{{Name: "b", Value: make([]byte, MaxXattr+1)}} },
		"link no target": func(e *Entry) { e.Type = disk.Symlink },
		"link target":    func(e *Entry) { e.Type = disk.Symlink; e.Target = strings.Repeat("x", MaxTarget+1) },
		"dir no digest":  func(e *Entry) { e.Type = disk.Directory },
		"dir too deep": func(e *Entry) {
			*e = Entry{Name: "d", Type: disk.Directory, Dir: digest.Digest{1}, Summary: Summary{Depth: MaxDepth}}
		},
		"dir depth wraps": func(e *Entry) {
			*e = Entry{Name: "d", Type: disk.Directory, Dir: digest.Digest{1}, Summary: Summary{Depth: math.MaxUint64}}
		},
		"dir in link group": func(e *Entry) { *e = Entry{Name: "d", Type: disk.Directory, Dir: digest.Digest{1}, LinkGroup: 1} },
		"pipe with SHA-256": func(e *Entry) { e.Type = disk.Pipe; e.Flags = HasSHA256 },
		"xattrs together": func(e *Entry) {
			for i := range 16 {
				e.Xattrs = append(e.Xattrs, disk.Xattr{Name: fmt.Sprintf("%02d", i), Value: make([]byte, MaxXattr)})
			}
		},
	}
	for name, f := range change {
		e := file("ok", 1)
		f(&e)
		if err := NewBuilder(newShelf().put).Add(&e); !errors.Is(err, ErrEntry) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Sums of summaries must not wrap.
	b := NewBuilder(newShelf().put)
	for i, name := range []string{"a", "b"} {
		err := b.Add(&Entry{Name: name, Type: disk.Directory, Dir: digest.Digest{1}, Summary: Summary{Bytes: maxBytes}})
		if errors.Is(err, ErrEntry) != (i == 1) {
			t.Errorf("directory %s: %v", name, err)
		}
	}
}

func TestPutterErrors(t *testing.T) {
	entries := bigFolder(5000, 1)
	b := NewBuilder(func([]byte) (digest.Digest, error) { return digest.Digest{}, io.ErrShortWrite })
	var first error
	for i := range entries {
		if first = b.Add(&entries[i]); first != nil {
			break
		}
	}
	if !errors.Is(first, io.ErrShortWrite) {
		t.Fatalf("add: %v", first)
	}
	if _, _, err := b.Finish(); !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("finish after a failed put: %v", err)
	}
}

func TestSum(t *testing.T) {
	s := newShelf()
	lit, empty, big := file("a", 1), file("b", 2), chunked("c", 3)
	empty.Content, empty.Size = literalRecipe(nil), 0
	lit.Flags |= HasSHA256
	lit.SHA256 = sha256.Sum256([]byte("content 1"))
	none := chunked("d", 4)
	none.Flags, none.SHA256 = 0, [32]byte{}
	d, _ := build(t, s, []Entry{lit, empty, big, none, {Name: "e", Type: disk.Pipe}})
	got := list(t, s, d)
	if got[0].Flags != 0 {
		t.Error("a sum that is derived was stored")
	}
	for i, want := range []struct {
		sum [32]byte
		ok  bool
	}{{sha256.Sum256([]byte("content 1")), true}, {sha256.Sum256(nil), true}, {big.SHA256, true}, {}, {}} {
		if sum, ok := got[i].Sum(); sum != want.sum || ok != want.ok {
			t.Errorf("%s: %x %v", got[i].Name, sum, ok)
		}
	}
}

func TestBuildDoesNotAllocate(t *testing.T) {
	entries := bigFolder(2000, 4)
	b := NewBuilder(func(p []byte) (digest.Digest, error) { return digest.Digest{p[len(p)-1], 1}, nil })
	n := testing.AllocsPerRun(5, func() {
		b.Reset()
		for i := range entries {
			if b.Add(&entries[i]) != nil {
				t.Fatal("refused")
			}
		}
		b.Finish()
	})
	if n > 2 {
		t.Errorf("%v allocations for %d entries", n, len(entries))
	}
}

func BenchmarkBuild(b *testing.B) {
	entries := bigFolder(10_000, 4)
	w := NewBuilder(func(p []byte) (digest.Digest, error) { return digest.Digest{1}, nil })
	b.ReportAllocs()
	for b.Loop() {
		w.Reset()
		for i := range entries {
			if err := w.Add(&entries[i]); err != nil {
				b.Fatal(err)
			}
		}
		w.Finish()
	}
	b.ReportMetric(float64(b.N)*float64(len(entries))/b.Elapsed().Seconds()/1e6, "Mentries/s")
}

func BenchmarkList(b *testing.B) {
	s := newShelf()
	entries := bigFolder(10_000, 4)
	d, _ := build(b, s, entries)
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for _, err := range List(b.Context(), s.get, d) {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != len(entries) {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(b.N)*float64(len(entries))/b.Elapsed().Seconds()/1e6, "Mentries/s")
}
