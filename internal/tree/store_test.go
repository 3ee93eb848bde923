package tree

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"varve/internal/digest"
	"varve/internal/disk"
)

// shelf keeps pages in memory and counts what is put and got.
type shelf struct {
	pages map[digest.Digest][]byte
	h     *digest.Hasher
	gets  int
	fresh [maxLevel + 1]int // pages by level that were not there
}

func newShelf() *shelf {
	return &shelf{pages: map[digest.Digest][]byte{}, h: digest.NewHasher(digest.Key{1, 2, 3})}
}

func (s *shelf) put(page []byte) (digest.Digest, error) {
	d := s.h.Sum(page)
	if _, ok := s.pages[d]; !ok {
		s.fresh[page[3]]++
		s.pages[d] = bytes.Clone(page)
	}
	return d, nil
}

func (s *shelf) get(_ context.Context, d digest.Digest) ([]byte, error) {
	s.gets++
	if p, ok := s.pages[d]; ok {
		return p, nil
	}
	return nil, fs.ErrNotExist
}

func literalRecipe(b []byte) []byte {
	r := Recipe{Class: 1, Size: int64(len(b))}
	if len(b) > 0 {
		r.Items = []Item{{Kind: Literal, Len: r.Size, Bytes: b}}
	}
	return r.Append(nil)
}

// file is a regular file whose content follows from n.
func file(name string, n int) Entry {
	e := Entry{Name: name, Mode: 0o644, UID: 1000, GID: 1000, Mtime: 1_700_000_000_000_000_000 + int64(n)*1_234_567_890}
	e.Content = literalRecipe([]byte(fmt.Sprintf("content %d", n)))
	e.Size, _, _ = inspect(e.Content)
	return e
}

// chunked is a regular file of one chunk.
func chunked(name string, n int) Entry {
	e := file(name, n)
	r := Recipe{Class: 2, Size: 40_000, Items: []Item{{Kind: Chunk, Len: 40_000, Digest: digest.Digest{1, byte(n), byte(n >> 8), byte(n >> 16)}}}}
	e.Content, e.Size = r.Append(nil), r.Size
	e.Flags |= HasSHA256
	e.SHA256 = [32]byte{byte(n), 7}
	return e
}

func build(t testing.TB, s *shelf, entries []Entry) (digest.Digest, Summary) {
	t.Helper()
	b := NewBuilder(s.put)
	for i := range entries {
		if err := b.Add(&entries[i]); err != nil {
			t.Fatal(err)
		}
	}
	d, sum, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return d, sum
}

func list(t testing.TB, s *shelf, d digest.Digest) []Entry {
	t.Helper()
	var out []Entry
	for e, err := range List(t.Context(), s.get, d) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func sameEntries(t testing.TB, got, want []Entry) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d entries, want %d", len(got), len(want))
	}
	for i := range got {
		if !got[i].Equal(&want[i]) {
			t.Fatalf("entry %d:\n got %+v\nwant %+v", i, got[i], want[i])
		}
	}
}

func genBytes(lo, hi int) *rapid.Generator[[]byte] { return rapid.SliceOfN(rapid.Byte(), lo, hi) }

var genName = rapid.Custom(func(t *rapid.T) string {
	for {
		n := string(genBytes(1, 12).Draw(t, "name"))
		if badName(n) == "" {
			return n
		}
		return "n" + fmt.Sprint(rapid.IntRange(0, 1000).Draw(t, "number"))
	}
})

var genItem = rapid.Custom(func(t *rapid.T) Item {
	switch k := ItemKind(rapid.IntRange(0, 3).Draw(t, "item")); k {
	case Chunk:
		it := Item{Kind: k, Len: rapid.Int64Range(1, MaxChunk).Draw(t, "len")}
		copy(it.Digest[:], genBytes(32, 32).Draw(t, "digest"))
		return it
	case Literal:
		b := genBytes(1, 100).Draw(t, "literal")
		return Item{Kind: k, Len: int64(len(b)), Bytes: b}
	case Run:
		return Item{Kind: k, Len: rapid.Int64Range(RunPattern, 1<<50).Draw(t, "len"), Bytes: genBytes(24, 24).Draw(t, "pattern")}
	default:
		return Item{Kind: k, Len: rapid.Int64Range(1, 1<<50).Draw(t, "len")}
	}
})

func genRecipe(t *rapid.T, items int) Recipe {
	r := Recipe{Class: rapid.Byte().Draw(t, "class")}
	r.Items = rapid.SliceOfN(genItem, 0, items).Draw(t, "items")
	for _, it := range r.Items {
		r.Size += it.Len
	}
	return r
}

// genEntry draws an entry in the form in which it is read back.
func genEntry(t *rapid.T, s *shelf, name string) Entry {
	e := Entry{
		Name:  name,
		Type:  disk.Type(rapid.IntRange(0, 6).Draw(t, "type")),
		Mode:  rapid.SampledFrom([]uint32{0, 0o644, 0o755, 0o7777}).Draw(t, "mode"),
		UID:   rapid.SampledFrom([]uint32{0, 1000, 1<<32 - 1}).Draw(t, "uid"),
		GID:   rapid.SampledFrom([]uint32{0, 1000}).Draw(t, "gid"),
		Mtime: rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3e9, 3e9)).Draw(t, "mtime"),
		Attrs: rapid.SampledFrom([]uint32{0, 0, 32, 1<<32 - 1}).Draw(t, "attrs"),
		Flags: Flags(rapid.IntRange(0, 7).Draw(t, "flags")),
	}
	for _, n := range rapid.SliceOfNDistinct(genName, 0, 2, rapid.ID).Draw(t, "xattrs") {
		e.Xattrs = append(e.Xattrs, disk.Xattr{Name: n, Value: genBytes(0, 40).Draw(t, "value")})
	}
	slices.SortFunc(e.Xattrs, func(a, b disk.Xattr) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	if e.Type != disk.Directory {
		e.LinkGroup = rapid.SampledFrom([]uint64{0, 0, 1, 1<<64 - 1}).Draw(t, "links")
	}
	switch e.Type {
	case disk.Regular:
		r := genRecipe(t, 40)
		var err error
		if e.Content, e.Recipe, err = PutRecipe(s.put, &r); err != nil {
			t.Fatal(err)
		}
		e.Size = r.Size
		literal := false
		if e.Content != nil {
			_, literal, _ = inspect(e.Content)
		}
		if !literal && rapid.Bool().Draw(t, "sum") {
			e.Flags |= HasSHA256
			copy(e.SHA256[:], genBytes(32, 32).Draw(t, "sha"))
		}
	case disk.Directory:
		e.Dir = digest.Digest{1, byte(rapid.IntRange(0, 9).Draw(t, "dir"))}
		e.Summary = Summary{Files: rapid.Uint64Range(0, 1<<40).Draw(t, "files"), Depth: rapid.Uint64Range(0, 511).Draw(t, "depth")}
	case disk.Symlink:
		e.Target = genName.Draw(t, "target")
		e.Size = int64(len(e.Target))
	case disk.CharDevice, disk.BlockDevice:
		e.Rdev = rapid.SampledFrom([]uint64{0, 5, 1<<64 - 1}).Draw(t, "rdev")
	}
	return e
}

func genFolder(t *rapid.T, s *shelf, most int) []Entry {
	names := rapid.SliceOfNDistinct(genName, 0, most, rapid.ID).Draw(t, "names")
	slices.Sort(names)
	var out []Entry
	for _, n := range names {
		out = append(out, genEntry(t, s, n))
	}
	return out
}

// bigFolder has n entries with names of several styles and sizes.
func bigFolder(n int, seed uint64) []Entry {
	rng := rand.New(rand.NewPCG(seed, 1))
	m := map[string]Entry{}
	for len(m) < n {
		i := rng.IntN(10 * n)
		var e Entry
		switch i % 3 {
		case 0:
			e = file(fmt.Sprintf("IMG_%06d.jpg", i), i)
		case 1:
			e = chunked(fmt.Sprintf("texture-%d.png", i), i)
		default:
			e = file(fmt.Sprintf("%x.go", uint64(i)*0x9E3779B97F4A7C15), i)
			e.Content = literalRecipe(bytes.Repeat([]byte{byte(i)}, 1+i%512))
			e.Size, _, _ = inspect(e.Content)
		}
		m[e.Name] = e
	}
	out := make([]Entry, 0, n)
	for _, e := range m {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b Entry) int { return bytes.Compare([]byte(a.Name), []byte(b.Name)) })
	return out
}
