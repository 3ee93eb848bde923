package tree

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"varve/internal/digest"
)

func sameRecipe(t testing.TB, got, want Recipe) {
	t.Helper()
	if got.Class != want.Class || got.Size != want.Size || !slices.EqualFunc(got.Items, want.Items, func(a, b Item) bool {
		return a.Kind == b.Kind && a.Len == b.Len && a.Digest == b.Digest && bytes.Equal(a.Bytes, b.Bytes)
	}) {
		t.Fatalf("got class %d size %d, %d items; want class %d size %d, %d items",
			got.Class, got.Size, len(got.Items), want.Class, want.Size, len(want.Items))
	}
}

// longRecipe has n items, mostly chunks.
func longRecipe(n int, seed uint64) Recipe {
	rng := rand.New(rand.NewPCG(seed, 3))
	r := Recipe{Class: 2}
	for i := range n {
		it := Item{Kind: Chunk, Len: 1 + rng.Int64N(256<<10)}
		for j := 0; j < 32; j += 8 {
			binary.LittleEndian.PutUint64(it.Digest[j:], rng.Uint64())
		}
		if i%50 == 49 {
			it = Item{Kind: Hole, Len: 1 + rng.Int64N(1<<30)}
		}
		r.Items = append(r.Items, it)
		r.Size += it.Len
	}
	return r
}

func TestRecipeRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := newShelf()
		r := genRecipe(rt, 60)
		got, err := DecodeRecipe(r.Append(nil))
		if err != nil {
			rt.Fatal(err)
		}
		sameRecipe(t, got, r)
		content, root, err := PutRecipe(s.put, &r)
		if err != nil {
			rt.Fatal(err)
		}
		if (content != nil) != (len(r.Append(nil)) <= MaxInline) || content != nil && !bytes.Equal(content, r.Append(nil)) {
			rt.Fatalf("inline content of %d bytes", len(content))
		}
		e := Entry{Name: "f", Size: r.Size, Content: content, Recipe: root}
		if got, err = ReadRecipe(t.Context(), s.get, &e); err != nil {
			rt.Fatal(err)
		}
		sameRecipe(t, got, r)
	})
}

func TestPagedRecipe(t *testing.T) {
	s := newShelf()
	r := longRecipe(200_000, 1)
	_, root, err := PutRecipe(s.put, &r)
	if err != nil {
		t.Fatal(err)
	}
	e := Entry{Name: "f", Size: r.Size, Recipe: root}
	got, err := ReadRecipe(t.Context(), s.get, &e)
	if err != nil {
		t.Fatal(err)
	}
	sameRecipe(t, got, r)

	total := 0
	for i := range uint64(10) {
		edited := Recipe{Class: r.Class, Size: r.Size, Items: slices.Clone(r.Items)}
		at := int(i) * 19_999
		edited.Size -= edited.Items[at].Len
		insert := longRecipe(1+int(i)%3, 100+i)
		edited.Size += insert.Size
		edited.Items = slices.Replace(edited.Items, at, at+1, insert.Items...)
		s.fresh = [maxLevel + 1]int{}
		if _, _, err := PutRecipe(s.put, &edited); err != nil {
			t.Fatal(err)
		}
		for lev, n := range s.fresh {
			if n > 3 {
				t.Errorf("edit at %d rewrote %d pages of level %d", at, n, lev)
			}
			total += n
		}
	}
	if total > 30 {
		t.Errorf("%d new pages for 10 edits of %d", total, len(s.pages))
	}

	rng := rand.New(rand.NewPCG(4, 4))
	for range 20 {
		from := rng.Int64N(r.Size)
		want, off := 0, int64(0)
		for off+r.Items[want].Len <= from {
			off += r.Items[want].Len
			want++
		}
		s.gets = 0
		n := 0
		for p, err := range Pieces(t.Context(), s.get, &e, from) {
			if err != nil {
				t.Fatal(err)
			}
			if p.Off != off || p.Digest != r.Items[want].Digest || p.Len != r.Items[want].Len {
				t.Fatalf("from %d: piece %d at %d, want at %d", from, n, p.Off, off)
			}
			off += p.Len
			want++
			if n++; n == 3 {
				break
			}
		}
		if s.gets > 4 {
			t.Errorf("from %d: %d pages read", from, s.gets)
		}
	}
}

func TestRecipeRefuses(t *testing.T) {
	chunk := Item{Kind: Chunk, Len: 1, Digest: digest.Digest{1}}
	with := func(f func(*Item)) Item { it := chunk; f(&it); return it }
	for name, it := range map[string]Item{
		"no bytes":      with(func(i *Item) { i.Len = 0 }),
		"negative":      with(func(i *Item) { i.Len = -1 }),
		"long chunk":    with(func(i *Item) { i.Len = MaxChunk + 1 }),
		"long literal":  {Kind: Literal, Len: MaxLiteral + 1, Bytes: make([]byte, MaxLiteral+1)},
		"literal":       {Kind: Literal, Len: 2, Bytes: []byte{1}},
		"short run":     {Kind: Run, Len: 23, Bytes: make([]byte, 24)},
		"short pattern": {Kind: Run, Len: 24, Bytes: make([]byte, 23)},
		"long hole":     {Kind: Hole, Len: MaxFile + 1},
		"kind":          {Kind: 4, Len: 1},
	} {
		r := Recipe{Size: it.Len, Items: []Item{it}}
		if _, _, err := PutRecipe(newShelf().put, &r); !errors.Is(err, ErrEntry) {
			t.Errorf("put %s: %v", name, err)
		}
		if it.Kind > Hole || name == "literal" || name == "short pattern" {
			continue // does not survive encoding as what it is
		}
		if _, err := DecodeRecipe(r.Append(nil)); !errors.Is(err, ErrCorrupt) {
			t.Errorf("decode %s: %v", name, err)
		}
	}
	r := Recipe{Size: 2, Items: []Item{chunk}}
	if _, _, err := PutRecipe(newShelf().put, &r); !errors.Is(err, ErrEntry) {
		t.Errorf("put with a wrong size: %v", err)
	}
	if _, err := DecodeRecipe(r.Append(nil)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("decode with a wrong size: %v", err)
	}
	w := NewRecipeWriter(newShelf().put)
	hole := Item{Kind: Hole, Len: MaxFile}
	if err := w.Add(&hole); err != nil {
		t.Error(err)
	}
	if err := w.Add(&hole); !errors.Is(err, ErrEntry) {
		t.Errorf("file too long: %v", err)
	}
	r = Recipe{Items: slices.Repeat([]Item{hole}, 16)} // their lengths add up to 2^64
	if _, err := DecodeRecipe(r.Append(nil)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("decode of lengths that wrap: %v", err)
	}
	r = Recipe{Size: MaxFile, Items: []Item{{Kind: Hole, Len: MaxFile}, {Kind: Hole, Len: MaxFile}}}
	if _, err := DecodeRecipe(r.Append(nil)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("decode of too much: %v", err)
	}
}

func BenchmarkReadRecipe(b *testing.B) {
	s := newShelf()
	r := longRecipe(100_000, 1)
	_, root, err := PutRecipe(s.put, &r)
	if err != nil {
		b.Fatal(err)
	}
	e := Entry{Name: "f", Size: r.Size, Recipe: root}
	for b.Loop() {
		for _, err := range Items(b.Context(), s.get, &e) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.N)*float64(len(r.Items))/b.Elapsed().Seconds()/1e6, "Mitems/s")
}
