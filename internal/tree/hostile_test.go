package tree

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve/internal/digest"
	"varve/internal/disk"
)

// reencode reads a tree page on its own and writes it again.
func reencode(page []byte) ([]byte, error) {
	get := func(context.Context, digest.Digest) ([]byte, error) { return page, nil }
	s, err := openDir(context.Background(), get, digest.Digest{}, nil)
	if err != nil {
		return nil, err
	}
	out := []byte{pageMagic, pageVersion, kindTree, byte(s.lev)}
	var e Entry
	var c child
	var p prior
	for {
		ok, err := s.next(&e, &c)
		if err != nil || !ok {
			return out, err
		}
		if s.lev == 0 {
			why, derived := e.check()
			if why != "" {
				return nil, errors.New("read an entry that is refused: " + why)
			}
			out = appendEntry(out, &e, derived, &p)
		} else {
			f := folder{first: []byte(c.first), sum: c.sum}
			out = f.append(out, c.digest)
		}
	}
}

// reencodeRecipe does the same for a recipe page.
func reencodeRecipe(page []byte) ([]byte, error) {
	get := func(context.Context, digest.Digest) ([]byte, error) { return page, nil }
	s, err := openSheet(context.Background(), get, digest.Digest{}, span{bytes: MaxFile, items: -1})
	if err != nil {
		return nil, err
	}
	out := []byte{pageMagic, pageVersion, kindRecipe, byte(s.lev), s.class}
	var it Item
	var c stretch
	for s.in.more() {
		if _, err := s.next(&it, &c); err != nil {
			return nil, err
		}
		if s.lev == 0 {
			out = it.append(out)
		} else {
			out = c.span.append(out, c.digest)
		}
	}
	return out, nil
}

// checkPage holds a page that is read to canonical form.
func checkPage(t testing.TB, page []byte, again func([]byte) ([]byte, error)) (read bool) {
	t.Helper()
	out, err := again(page)
	if err != nil {
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("page %x: %v", page, err)
		}
		return false
	}
	if !bytes.Equal(out, page) {
		t.Errorf("not canonical:\nread    %x\nwritten %x", page, out)
	}
	return true
}

// samplePages has pages of every kind and level, and every sort of entry.
func samplePages(t testing.TB) (tree, recipe [][]byte) {
	s := newShelf()
	all := []Entry{
		file("a", 1), chunked("b", 2),
		{Name: "c", Type: disk.Symlink, Mtime: -5, Target: "../x"},
		{Name: "d", Type: disk.Directory, Mode: 0o755, Dir: digest.Digest{1}, Summary: Summary{Files: 2, Bytes: 1 << 40}},
		{Name: "e", Type: disk.BlockDevice, Rdev: 1 << 40, Attrs: 1, LinkGroup: 1 << 63, Flags: Suspect,
			Xattrs: []disk.Xattr{{Name: "user.a", Value: []byte("x")}, {Name: "user.b"}}},
		{Name: "f", Size: 1 << 40, Recipe: digest.Digest{2}, Flags: HasSHA256 | SparseFile},
		{Name: "g", Type: disk.Pipe, UID: 1<<32 - 1}, {Name: "h", Type: disk.Socket}, {Name: "i", Type: disk.CharDevice},
	}
	build(t, s, all)
	build(t, s, nil)
	build(t, s, bigFolder(700, 1))
	for n, size := range map[int]int{20: 0, 3000: 1} {
		r := longRecipe(n, uint64(size))
		r.Items = append(r.Items, Item{Kind: Literal, Len: 3, Bytes: []byte("abc")}, Item{Kind: Run, Len: 99, Bytes: make([]byte, 24)})
		r.Size += 102
		if _, _, err := PutRecipe(s.put, &r); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range s.pages {
		if p[2] == kindTree {
			tree = append(tree, p)
		} else {
			recipe = append(recipe, p)
		}
	}
	short := func(a, b []byte) int { return len(a) - len(b) }
	slices.SortFunc(tree, short)
	slices.SortFunc(recipe, short)
	return tree, recipe
}

func TestDamagedPages(t *testing.T) {
	trees, recipes := samplePages(t)
	for _, x := range []struct {
		pages [][]byte
		again func([]byte) ([]byte, error)
	}{{trees, reencode}, {recipes, reencodeRecipe}} {
		for _, p := range x.pages {
			if !checkPage(t, p, x.again) {
				t.Fatalf("own page of %d bytes refused", len(p))
			}
			if len(p) > 2000 {
				continue
			}
			for i := range p {
				checkPage(t, p[:i], x.again)
				for bit := range 8 {
					q := bytes.Clone(p)
					q[i] ^= 1 << bit
					checkPage(t, q, x.again)
				}
			}
		}
	}
}

// Forms that decode to the same entries but were not written so.
func TestOtherFormsRefused(t *testing.T) {
	zeros := strings.Repeat("00", 31)
	// 1b is a pipe of mode and owner 0, 0161 its name, 0000 its time.
	for name, page := range map[string]string{
		"magic":               "a6010000",
		"version":             "a7020000",
		"kind":                "a7010200",
		"level":               "a701000d",
		"short":               "a70100",
		"trailing byte":       "a7010000" + "1b" + "0161" + "0000" + "00",
		"long number":         "a7010000" + "1b" + "0161" + "8000" + "00",
		"mode repeated":       "a7010000" + "13" + "0161" + "00" + "0000",
		"owner repeated":      "a7010000" + "0b" + "0161" + "0000" + "0000",
		"mode too large":      "a7010000" + "13" + "0161" + "8020" + "0000",
		"nanoseconds":         "a7010000" + "1b" + "0161" + "00" + "8094ebdc03",
		"time out of range":   "a7010000" + "1b" + "0161" + "ffffffffffffffffff01" + "00",
		"no extras":           "a7010000" + "9b00" + "0161" + "0000",
		"unknown extras":      "a7010000" + "9b20" + "0161" + "0000",
		"zero attributes":     "a7010000" + "9b04" + "0161" + "0000" + "00",
		"SHA flag in extras":  "a7010000" + "9b01" + "0161" + "0000" + "08",
		"rdev of a pipe":      "a7010000" + "9b08" + "0161" + "0000" + "01",
		"many xattrs":         "a7010000" + "9b10" + "0161" + "0000" + "808040",
		"xattr order":         "a7010000" + "9b10" + "0161" + "0000" + "02" + "016200" + "016100",
		"type 7":              "a7010000" + "1f" + "0161" + "0000",
		"paged pipe":          "a7010000" + "3b" + "0161" + "0000",
		"names not ascending": "a7010000" + "1b" + "0162" + "0000" + "1b" + "0161" + "0000",
		"name twice":          "a7010000" + "1b" + "0161" + "0000" + "1b" + "0161" + "0000",
		"dot dot":             "a7010000" + "1b" + "022e2e" + "0000",
		"slash":               "a7010000" + "1b" + "03612f62" + "0000",
		"empty name":          "a7010000" + "1b" + "00" + "0000",
		"empty target":        "a7010000" + "1a" + "0161" + "0000" + "00",
		"zero recipe":         "a7010000" + "38" + "0161" + "0000" + "05" + "00" + zeros,
		"zero directory":      "a7010000" + "19" + "0161" + "0000" + "00" + zeros + "00000000000000",
		"depth":               "a7010000" + "19" + "0161" + "0000" + "01" + zeros + "000000000000" + "8004",
		"sum of a literal":    "a7010000" + "58" + "0161" + "0000" + "02" + "0000" + "01" + zeros,
		"too many bytes": "a7010000" + "19" + "0161" + "0000" + "01" + zeros + "00000000ffffffffffffffff7f0000" +
			"19" + "0162" + "0000" + "01" + zeros + "00000000ffffffffffffffff7f0000",
		"before all time":  "a7010000" + "1b" + "0161" + hex.EncodeToString(appendSvarint(nil, -9223372037)) + "00",
		"empty upper page": "a7010001",
		"single child":     "a7010001" + "0161" + "01" + zeros + "00000000000000",
	} {
		b, err := hex.DecodeString(page)
		if err != nil {
			t.Fatal(name, err)
		}
		if _, err := reencode(b); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := reencode([]byte("\xa7\x01\x00\x00\x1b\x01a\x00\x00")); err != nil {
		t.Errorf("the plain pipe that they vary: %v", err)
	}
	if _, _, err := readHead([]byte{pageMagic, 1, kindTree, maxLevel + 1}, kindTree); !errors.Is(err, ErrCorrupt) {
		t.Errorf("level too high: %v", err)
	}
	big := make([]byte, MaxPage+1)
	copy(big, "\xa7\x01\x00\x00")
	if _, _, err := readHead(big, kindTree); !errors.Is(err, ErrCorrupt) {
		t.Errorf("page too long: %v", err)
	}
}

// forge stores a page above two directories' pages, telling of them what f makes of it.
func forge(t *testing.T, s *shelf, f func(rows []folder, d []digest.Digest)) digest.Digest {
	t.Helper()
	var rows []folder
	var ds []digest.Digest
	for _, names := range []string{"ab", "cd"} {
		d, sum := build(t, s, []Entry{file(names[:1], 1), file(names[1:], 2)})
		rows = append(rows, folder{[]byte(names[:1]), sum})
		ds = append(ds, d)
	}
	f(rows, ds)
	page := []byte{pageMagic, pageVersion, kindTree, 1}
	for i := range rows {
		page = rows[i].append(page, ds[i])
	}
	d, _ := s.put(page)
	return d
}

func TestPagesThatLieOfOthers(t *testing.T) {
	for name, f := range map[string]func(s *shelf, r []folder, d []digest.Digest){
		"true":       func(*shelf, []folder, []digest.Digest) {},
		"summary":    func(_ *shelf, r []folder, _ []digest.Digest) { r[0].sum.Bytes++ },
		"first name": func(_ *shelf, r []folder, _ []digest.Digest) { r[1].first = []byte("bb") },
		"same page":  func(_ *shelf, r []folder, d []digest.Digest) { d[1] = d[0] },
		"overlap": func(s *shelf, r []folder, d []digest.Digest) {
			d[0], r[0].sum = build(t, s, []Entry{file("a", 1), file("c", 2)})
		},
		"empty page": func(s *shelf, r []folder, d []digest.Digest) { d[0], r[0].sum = build(t, s, nil) },
		"level": func(s *shelf, r []folder, d []digest.Digest) {
			// A page of level 1 where one of level 0 is due, true in everything else.
			page := []byte{pageMagic, pageVersion, kindTree, 1}
			r[0].sum = Summary{}
			for _, name := range []string{"a", "b"} {
				below, sum := build(t, s, []Entry{file(name, 1)})
				page = (&folder{[]byte(name), sum}).append(page, below)
				r[0].sum.add(&sum)
			}
			d[0], _ = s.put(page)
		},
	} {
		s := newShelf()
		d := forge(t, s, func(r []folder, d []digest.Digest) { f(s, r, d) })
		var err error
		for _, e := range List(t.Context(), s.get, d) {
			err = e
		}
		if name == "true" != (err == nil) || err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("list, %s: %v", name, err)
		}
		err = Walk(t.Context(), s.get, d, func(Kind, digest.Digest) (bool, error) { return true, nil })
		if name == "true" != (err == nil) || err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("walk, %s: %v", name, err)
		}
	}
	// An entry that lies of its directory.
	s := newShelf()
	d, sum := build(t, s, []Entry{file("x", 1)})
	sum.Files++
	root, _ := build(t, s, []Entry{{Name: "d", Type: disk.Directory, Dir: d, Summary: sum}})
	if err := Compare(t.Context(), s.get, root, digest.Digest{}, func(string, *Entry, *Entry) error { return nil }); !errors.Is(err, ErrCorrupt) {
		t.Errorf("compare: %v", err)
	}
	// A directory page is no recipe page and the other way about.
	if _, err := ReadRecipe(t.Context(), s.get, &Entry{Name: "f", Recipe: root}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("directory as a recipe: %v", err)
	}
}

func TestRecipePagesThatLie(t *testing.T) {
	s := newShelf()
	r := longRecipe(3000, 1)
	_, root, err := PutRecipe(s.put, &r)
	if err != nil {
		t.Fatal(err)
	}
	read := func(size int64, root digest.Digest) error {
		_, err := ReadRecipe(t.Context(), s.get, &Entry{Name: "f", Size: size, Recipe: root})
		return err
	}
	if err := read(r.Size, root); err != nil {
		t.Fatal(err)
	}
	if err := read(r.Size+1, root); !errors.Is(err, ErrCorrupt) {
		t.Errorf("wrong size: %v", err)
	}
	class := bytes.Clone(s.pages[root])
	class[4]++
	d, _ := s.put(class)
	if err := read(r.Size, d); !errors.Is(err, ErrCorrupt) {
		t.Errorf("class of another: %v", err)
	}
	// One that would fit the entry.
	d, _ = s.put((&Item{Kind: Hole, Len: 5}).append([]byte{pageMagic, 1, kindRecipe, 0, 0}))
	if err := read(5, d); !errors.Is(err, ErrCorrupt) {
		t.Errorf("page for an inline recipe: %v", err)
	}
	// Bytes right, items wrong.
	one := longRecipe(30, 1)
	_, leaf, _ := PutRecipe(s.put, &one)
	page := []byte{pageMagic, 1, kindRecipe, 1, one.Class}
	page = (&span{one.Size, 30}).append(page, leaf)
	good, _ := s.put((&span{one.Size, 30}).append(bytes.Clone(page), leaf))
	bad, _ := s.put((&span{one.Size, 31}).append(bytes.Clone(page), leaf))
	if err := read(2*one.Size, good); err != nil {
		t.Errorf("the same page twice is allowed: %v", err)
	}
	if err := read(2*one.Size, bad); !errors.Is(err, ErrCorrupt) {
		t.Errorf("wrong number of items: %v", err)
	}
	high := (&span{2 * one.Size, 60}).append([]byte{pageMagic, 1, kindRecipe, 1, one.Class}, good)
	high = (&span{2 * one.Size, 60}).append(high, good)
	d, _ = s.put(high)
	if err := read(4*one.Size, d); !errors.Is(err, ErrCorrupt) {
		t.Errorf("page of another level: %v", err)
	}
	for _, x := range []span{{5, 0}, {5, 6}, {MaxFile, 1}} {
		p := x.append([]byte{pageMagic, 1, kindRecipe, 1, 0}, leaf)
		if _, err := reencodeRecipe(x.append(p, leaf)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("rows of %+v: %v", x, err)
		}
	}
	single, _ := s.put(page)
	if err := read(one.Size, single); !errors.Is(err, ErrCorrupt) {
		t.Errorf("root above a single page: %v", err)
	}
}

// A page cannot make its reader allocate more than a small multiple of its own bytes.
func TestCountsAreBoundedBeforeAllocation(t *testing.T) {
	page, err := hex.DecodeString("a7010000" + "9b10" + "0161" + "0000" + "808040") // 2^20 xattrs
	if err != nil {
		t.Fatal(err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = reencode(page)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, ErrCorrupt) || n > 1<<20 {
		t.Errorf("%v, %d bytes allocated", err, n)
	}
}

// Directories deeper than their pages say are not followed to the end.
func TestFalseDepth(t *testing.T) {
	s := newShelf()
	d, _ := build(t, s, nil)
	for range 2 * MaxDepth {
		var p prior
		page := appendEntry([]byte{pageMagic, pageVersion, kindTree, 0}, &Entry{Name: "d", Type: disk.Directory, Dir: d}, false, &p)
		d, _ = s.put(page)
	}
	s.gets = 0
	if err := Compare(t.Context(), s.get, d, digest.Digest{}, func(string, *Entry, *Entry) error { return nil }); !errors.Is(err, ErrCorrupt) || s.gets > MaxDepth+1 {
		t.Errorf("compare: %v, %d pages", err, s.gets)
	}
	s.gets = 0
	if err := Walk(t.Context(), s.get, d, func(Kind, digest.Digest) (bool, error) { return true, nil }); !errors.Is(err, ErrCorrupt) || s.gets > MaxDepth+1 {
		t.Errorf("walk: %v, %d pages", err, s.gets)
	}
}

// Whatever is damaged below a root, the readers of whole trees fail cleanly.
func TestReadersOfDamagedTrees(t *testing.T) {
	s := newShelf()
	sub, sum := build(t, s, bigFolder(1500, 1))
	r := longRecipe(2000, 1)
	_, recipe, err := PutRecipe(s.put, &r)
	if err != nil {
		t.Fatal(err)
	}
	root, _ := build(t, s, []Entry{
		{Name: "d", Type: disk.Directory, Dir: sub, Summary: sum},
		{Name: "f", Size: r.Size, Recipe: recipe},
	})
	var names []digest.Digest
	for d := range s.pages {
		names = append(names, d)
	}
	slices.SortFunc(names, digest.Digest.Compare)
	rapid.Check(t, func(rt *rapid.T) {
		victim := rapid.SampledFrom(names).Draw(rt, "page")
		p := bytes.Clone(s.pages[victim])
		i := rapid.IntRange(0, len(p)-1).Draw(rt, "at")
		p[i] ^= byte(rapid.IntRange(1, 255).Draw(rt, "flip"))
		get := func(ctx context.Context, d digest.Digest) ([]byte, error) {
			if d == victim {
				return p, nil
			}
			return s.get(ctx, d)
		}
		get = Budget(get, 1000)
		// A digest that was hit names a page that is not there.
		known := func(err error) {
			if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, fs.ErrNotExist) {
				rt.Fatalf("byte %d: %v", i, err)
			}
		}
		known(Walk(t.Context(), get, root, func(Kind, digest.Digest) (bool, error) { return true, nil }))
		known(Compare(t.Context(), get, root, digest.Digest{}, func(string, *Entry, *Entry) error { return nil }))
		_, err := Find(t.Context(), get, root, "d/IMG_000300.jpg")
		known(err)
	})
}

// doubled is a directory of so many levels, each with two names for the next.
func doubled(t *testing.T, s *shelf, levels int) (digest.Digest, Summary) {
	d, sum := build(t, s, []Entry{file("f", 1)})
	for range levels {
		d, sum = build(t, s, []Entry{{Name: "a", Type: disk.Directory, Dir: d, Summary: sum}, {Name: "b", Type: disk.Directory, Dir: d, Summary: sum}})
	}
	return d, sum
}

// A tree that has few pages and hardly an end is not gone through; one whose folders are many times the same is.
func TestUnrepeated(t *testing.T) {
	s := newShelf()
	count := func(root digest.Digest) (n int, err error) {
		s.gets = 0
		err = Compare(t.Context(), Unrepeated(s.get), digest.Digest{}, root, func(string, *Entry, *Entry) error { n++; return nil })
		return n, err
	}
	d, _ := doubled(t, s, 50)
	if n, err := count(d); !errors.Is(err, ErrRepeats) || !errors.Is(err, ErrCorrupt) || s.gets > 1_000_000 {
		t.Errorf("2^50 paths: %d entries, %d pages, %v", n, s.gets, err)
	}
	d, _ = doubled(t, s, 10)
	if n, err := count(d); err != nil || n != 1<<10+1<<11-2 {
		t.Errorf("2^10 paths: %d entries, %v", n, err)
	}
	// One folder under twenty thousand names, in a page each as long as they get.
	leaf, sum := build(t, s, bigFolder(30, 1))
	var names []Entry
	for i := range 20_000 {
		names = append(names, Entry{Name: fmt.Sprintf("%05d", i), Type: disk.Directory, Dir: leaf, Summary: sum})
	}
	d, _ = build(t, s, names)
	if n, err := count(d); err != nil || n != 20_000*31 {
		t.Errorf("copies of one folder: %d entries, %v", n, err)
	}
}

// A page that was met before is held to what is said of it wherever it is named again.
func TestMemoryHoldsPagesToWhatIsSaid(t *testing.T) {
	r := longRecipe(3000, 1)
	for name, forge := range map[string]func(t *testing.T, s *shelf) []Entry{
		"true": func(t *testing.T, s *shelf) []Entry {
			d, sum := build(t, s, []Entry{file("x", 1)})
			return []Entry{{Name: "a", Type: disk.Directory, Dir: d, Summary: sum}, {Name: "b", Type: disk.Directory, Dir: d, Summary: sum}}
		},
		"summary": func(t *testing.T, s *shelf) []Entry {
			d, sum := build(t, s, []Entry{file("x", 1)})
			lie := sum
			lie.Files++
			return []Entry{{Name: "a", Type: disk.Directory, Dir: d, Summary: sum}, {Name: "b", Type: disk.Directory, Dir: d, Summary: lie}}
		},
		"size": func(t *testing.T, s *shelf) []Entry {
			_, root, err := PutRecipe(s.put, &r)
			if err != nil {
				t.Fatal(err)
			}
			return []Entry{{Name: "a", Size: r.Size, Recipe: root}, {Name: "b", Size: r.Size + 1, Recipe: root}}
		},
		"recipe as a directory": func(t *testing.T, s *shelf) []Entry {
			_, root, err := PutRecipe(s.put, &r)
			if err != nil {
				t.Fatal(err)
			}
			return []Entry{{Name: "a", Size: r.Size, Recipe: root}, {Name: "b", Type: disk.Directory, Dir: root}}
		},
		"root that is a page of another": func(t *testing.T, s *shelf) []Entry {
			d := forge(t, s, func([]folder, []digest.Digest) {})
			return []Entry{{Name: "a", Type: disk.Directory, Dir: d, Summary: Summary{Files: 4, Bytes: 36}}}
		},
	} {
		s := newShelf()
		root, _ := build(t, s, forge(t, s))
		seen := map[digest.Digest]bool{}
		once := func(k Kind, d digest.Digest) (bool, error) {
			was := seen[d]
			seen[d] = true
			return !was, nil
		}
		err := NewMemory().Walk(t.Context(), s.get, root, once)
		if good := name == "true" || name == "root that is a page of another"; good != (err == nil) || err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Who goes down a tree by what is said of it goes no further than was said.
func TestBelowGoesNoFurther(t *testing.T) {
	s := newShelf()
	d, sum := doubled(t, s, 40)
	s.gets = 0
	var err error
	for _, err = range Below(t.Context(), s.get, &Entry{Name: "d", Type: disk.Directory, Dir: d, Summary: Summary{Files: 1}}) {
	}
	if !errors.Is(err, ErrCorrupt) || s.gets != 1 {
		t.Errorf("%v after %d pages", err, s.gets)
	}
	for _, err = range Below(t.Context(), s.get, &Entry{Name: "d", Type: disk.Directory, Dir: d, Summary: sum}) {
		if err != nil {
			t.Error(err)
		}
	}
}

func FuzzDecodeRecipe(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 5, 60} {
		r := longRecipe(n, rng.Uint64())
		f.Add(r.Append(nil))
	}
	f.Add(literalRecipe([]byte("literal")))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := DecodeRecipe(b)
		if err != nil {
			if !errors.Is(err, ErrCorrupt) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(r.Append(nil), b) {
			t.Fatal("not canonical")
		}
	})
}

func FuzzTreePage(f *testing.F) {
	trees, _ := samplePages(f)
	for _, p := range trees {
		if len(p) < 8000 {
			f.Add(p)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkPage(t, b, reencode) })
}

func FuzzRecipePage(f *testing.F) {
	_, recipes := samplePages(f)
	for _, p := range recipes {
		if len(p) < 8000 {
			f.Add(p)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) { checkPage(t, b, reencodeRecipe) })
}
