package history

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve/internal/digest"
)

// shelf keeps pages by their digests.
type shelf struct {
	key   digest.Key
	pages map[digest.Digest][]byte
}

func newShelf() *shelf { return &shelf{pages: map[digest.Digest][]byte{}} }

func (s *shelf) put(b []byte) (digest.Digest, error) {
	d := s.key.Sum(b)
	s.pages[d] = bytes.Clone(b)
	return d, nil
}

func (s *shelf) get(_ context.Context, d digest.Digest) ([]byte, error) {
	b, ok := s.pages[d]
	if !ok {
		return nil, errors.New("no page")
	}
	return b, nil
}

func (s *shelf) read(pages []string) (out []Change, err error) {
	snap := &Snapshot{Changes: pages}
	for c, err := range snap.ReadChanges(context.Background(), s.get) {
		if err != nil {
			return out, err
		}
		out = append(out, c)
	}
	return out, nil
}

func drawChanges(t *rapid.T) []Change {
	element := rapid.OneOf(rapid.SampledFrom([]string{"a", "ab", "b", "ordner", "a\xff", "é"}), rapid.StringN(1, 300, -1))
	path := rapid.Map(rapid.SliceOfN(element, 1, 4), func(e []string) string { return strings.Join(e, "/") })
	paths := rapid.SliceOfNDistinct(path, 0, 40, rapid.ID[string]).Draw(t, "paths")
	slices.Sort(paths)
	var out []Change
	for _, p := range paths {
		c := Change{Kind: rapid.SampledFrom([]Kind{Added, Modified, Removed, Renamed, Touched}).Draw(t, "kind"), Path: p}
		if c.Kind == Renamed {
			c.Old = path.Draw(t, "old")
		}
		out = append(out, c)
	}
	return out
}

// TestChangesBack: what is put is read, from pages of the length that is promised.
func TestChangesBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawChanges(t)
		s := newShelf()
		pages, err := PutChanges(s.put, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.read(pages)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%+v, want %+v: %v", got, want, err)
		}
	})
}

// TestChangesPages: a long list is cut into pages of 64 KiB and one change, each readable alone.
func TestChangesPages(t *testing.T) {
	var want []Change
	for i := range 20_000 {
		want = append(want, Change{Kind: Added, Path: fmt.Sprintf("%05d/%s", i, strings.Repeat("x", i%40))})
	}
	s := newShelf()
	pages, err := PutChanges(s.put, want)
	if err != nil {
		t.Fatal(err)
	}
	if len(pages) < 4 {
		t.Errorf("%d pages", len(pages))
	}
	for i, name := range pages {
		d, err := digest.Parse(name)
		if err != nil {
			t.Fatal(err)
		}
		if n := len(s.pages[d]); n >= changesPage+100 || i < len(pages)-1 && n < changesPage {
			t.Errorf("page %d has %d bytes", i, n)
		}
	}
	got, err := s.read(pages)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%d changes, want %d: %v", len(got), len(want), err)
	}
	if empty, err := PutChanges(s.put, nil); err != nil || len(empty) != 0 {
		t.Errorf("nothing changed: %d pages, %v", len(empty), err)
	}
}

// TestChangesBytes: a page as the format describes it, written by hand.
func TestChangesBytes(t *testing.T) {
	page := slices.Concat([]byte{1},
		[]byte{'A', 0, 6}, []byte("a/b.go"),
		[]byte{'N', 4, 3}, []byte("txt"), []byte{3}, []byte("old"),
		[]byte{'T', 0, 1}, []byte("z"))
	want := []Change{{Kind: Added, Path: "a/b.go"}, {Kind: Renamed, Path: "a/b.txt", Old: "old"}, {Kind: Touched, Path: "z"}}
	got, err := DecodeChanges(page)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	s := newShelf()
	if _, err := PutChanges(s.put, want); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(s.pages[s.key.Sum(page)], page) {
		t.Errorf("written otherwise: %x", s.pages)
	}
}

func TestChangesDamaged(t *testing.T) {
	for name, b := range map[string][]byte{
		"empty": {}, "format": {2}, "kind": {1, 'X', 0, 1, 'a'}, "cut": {1, 'A', 0, 5, 'a'}, "no lengths": {1, 'A'},
		"shares too much": {1, 'A', 1, 1, 'a'}, "order": {1, 'A', 0, 1, 'b', 'A', 0, 1, 'a'}, "twice": {1, 'A', 0, 1, 'b', 'A', 1, 0},
		"no path": {1, 'A', 0, 0}, "old name cut": {1, 'N', 0, 1, 'b', 2, 'c'}, "no old name": {1, 'N', 0, 1, 'b'},
		"huge": append([]byte{1, 'A', 0}, binary.AppendUvarint(nil, 1<<63)...),
	} {
		if got, err := DecodeChanges(b); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	s := newShelf()
	for name, pages := range map[string][]string{"no digest": {"zz"}, "no page": {strings.Repeat("0", 64)}} {
		if got, err := s.read(pages); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
	good, err := PutChanges(s.put, []Change{{Kind: Added, Path: "a"}})
	if err != nil {
		t.Fatal(err)
	}
	bad, _ := s.put([]byte{9})
	if got, err := s.read([]string{good[0], bad.String(), good[0]}); err == nil || len(got) != 1 {
		t.Errorf("a damaged page: %+v, %v", got, err)
	}
}

// FuzzDecodeChanges: nothing panics; what decodes ascends, and means the same when it is written again, which
// is never longer.
func FuzzDecodeChanges(f *testing.F) {
	f.Add([]byte{1})
	f.Add([]byte{1, 'A', 0, 1, 'a', 'N', 1, 1, 'b', 1, 'c', 'R', 0, 1, 'd'})
	f.Add([]byte{1, 'A', 0, 1, 'a', 'M', 0, 2, 'a', 'b'}) // shares less than it could
	f.Add([]byte{1, 'A', 0x80, 0, 1, 'a'})                // a long form
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := DecodeChanges(b)
		if err != nil {
			return
		}
		for i := range list {
			if i > 0 && list[i].Path <= list[i-1].Path {
				t.Fatalf("%q after %q", list[i].Path, list[i-1].Path)
			}
		}
		s := newShelf()
		pages, err := PutChanges(s.put, list)
		if err != nil {
			t.Fatal(err)
		}
		n := 1
		for _, p := range s.pages {
			n += len(p) - 1
		}
		back, err := s.read(pages)
		if err != nil || !slices.Equal(back, list) || n > len(b) && len(pages) < 2 {
			t.Fatalf("%x came back as %+v in %d bytes: %v", b, back, n, err)
		}
	})
}
