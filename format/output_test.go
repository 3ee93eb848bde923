package format

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// TestOutputIsItsParts: an output read at any place is the concatenation of what was put into it.
func TestOutputIsItsParts(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	source := make([]byte, 1000)
	for i := range source {
		source[i] = byte(random.Uint32())
	}
	in := Bytes(source)
	for range 200 {
		o, want := new(Output), []byte{}
		for range random.IntN(8) {
			off := random.IntN(len(source) + 1)
			n := random.IntN(len(source) - off + 1)
			switch random.IntN(3) {
			case 0:
				o.Span(in, int64(off), int64(n))
			case 1:
				_, _ = o.Write(source[off : off+n])
			case 2:
				more := new(Output)
				more.Span(in, int64(off), int64(n))
				o.Append(more)
			}
			want = append(want, source[off:off+n]...)
		}
		if o.Size() != int64(len(want)) {
			t.Fatalf("%d bytes, want %d", o.Size(), len(want))
		}
		if err := iotest.TestReader(io.NewSectionReader(o, 0, o.Size()), want); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if n, err := o.WriteTo(&b); n != o.Size() || err != nil || !bytes.Equal(b.Bytes(), want) {
			t.Fatalf("wrote %d bytes, %v", n, err)
		}
	}
}

// TestOutputOfAShrunkFile: a piece that is not there any more is an error, not a shorter file.
func TestOutputOfAShrunkFile(t *testing.T) {
	o := new(Output)
	o.Span(sized{bytes.NewReader(make([]byte, 10)), 20}, 0, 20)
	if _, err := o.WriteTo(io.Discard); err == nil {
		t.Error("a file was written whole whose source ended early")
	}
}

type sized struct {
	io.ReaderAt
	size int64
}

func (s sized) Size() int64 { return s.size }

func TestReadSpan(t *testing.T) {
	in := Bytes([]byte("0123456789"))
	if b, err := ReadSpan(in, 2, 3, 3); string(b) != "234" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	for _, c := range []struct {
		off, n, max int64
		want        error
	}{{8, 3, 9, ErrMalformed}, {-1, 3, 9, ErrMalformed}, {11, 0, 9, ErrMalformed}, {0, -1, 9, ErrMalformed}, {1, 1 << 62, 9, ErrMalformed}, {0, 9, 8, ErrLimit}} {
		if _, err := ReadSpan(in, c.off, c.n, c.max); !errors.Is(err, c.want) {
			t.Errorf("%d bytes at %d of at most %d: %v, want %v", c.n, c.off, c.max, err, c.want)
		}
	}
	if _, err := ReadSpan(sized{bytes.NewReader(nil), 10}, 0, 5, 5); !errors.Is(err, ErrMalformed) {
		t.Errorf("of a file that shrank: %v", err)
	}
}

// lists is a format with elements of its own making.
type lists struct {
	says
	list []Element
}

func (l lists) Elements(context.Context, Input) ([]Element, error) {
	if l.panics {
		panic("no")
	}
	return l.list, l.err
}

func TestElementsAreSound(t *testing.T) {
	for _, c := range []struct {
		name string
		list []Element
		good bool
	}{
		{"tree", []Element{{ID: "a"}, {ID: "b", Parent: "a"}, {ID: "c", Bounds: []float64{0, 0, 1, 1}}}, true},
		{"twice", []Element{{ID: "a"}, {ID: "a"}}, false},
		{"no id", []Element{{Name: "a"}}, false},
		{"parent after", []Element{{ID: "b", Parent: "a"}, {ID: "a"}}, false},
		{"in itself", []Element{{ID: "a", Parent: "a"}}, false},
		{"bounds", []Element{{ID: "a", Bounds: []float64{1}}}, false},
	} {
		if _, err := Elements(t.Context(), lists{list: c.list}, nil); (err == nil) != c.good {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := Elements(t.Context(), lists{says: says{panics: true}}, nil); !errors.Is(err, ErrFailed) {
		t.Errorf("a panic: %v", err)
	}
	if _, err := Elements(t.Context(), says{}, nil); !errors.Is(err, ErrUnsupported) {
		t.Errorf("no elements: %v", err)
	}
	if _, err := Elements(t.Context(), nil, nil); !errors.Is(err, ErrUnsupported) {
		t.Errorf("no format: %v", err)
	}
}

// TestHash: what an element is called and where it stands is not what it is.
func TestHash(t *testing.T) {
	e := Element{ID: "1", Kind: "layer", Name: "Ink", Properties: map[string]string{"a": "b", "c": "d"}, Aspects: map[string]string{"pixels": "00"}}
	moved := e
	moved.ID, moved.Name, moved.Parent, moved.Bounds = "2", "Ink copy", "g", []float64{0, 0, 1, 1}
	if e.Hash() != moved.Hash() {
		t.Error("a name changes the hash")
	}
	for _, other := range []Element{
		{Kind: "group", Properties: e.Properties, Aspects: e.Aspects},
		{Kind: "layer", Properties: map[string]string{"a": "b"}, Aspects: e.Aspects},
		{Kind: "layer", Properties: e.Properties, Aspects: map[string]string{"pixels": "01"}},
		{Kind: "layer", Properties: e.Aspects, Aspects: e.Properties},
		{Kind: "layer", Properties: map[string]string{"a": "b\" \"c", "d": ""}, Aspects: e.Aspects},
	} {
		if other.Hash() == e.Hash() {
			t.Errorf("%+v has the hash of %+v", other, e)
		}
	}
}

// TestOrigin: a span that was copied says from where, also through another output; what is made of two does not.
func TestOrigin(t *testing.T) {
	in, other := Bytes(make([]byte, 100)), Bytes(make([]byte, 100))
	inner := new(Output)
	inner.Span(in, 50, 20)
	_, _ = inner.Write([]byte("new"))
	o := new(Output)
	o.Span(in, 10, 20)
	_, _ = o.Write([]byte("abcde"))
	o.Span(inner, 5, 18)
	o.Span(other, 0, 10)
	for _, c := range []struct {
		off, n, at int64
		ok         bool
	}{{0, 20, 10, true}, {3, 4, 13, true}, {15, 6, 0, false}, {20, 5, 0, false}, {25, 15, 55, true}, {26, 15, 0, false}, {40, 3, 0, false},
		{43, 10, 0, false}, {53, 1, 0, false}, {-1, 2, 0, false}} {
		if at, ok := o.Origin(in, c.off, c.n); ok != c.ok || ok && at != c.at {
			t.Errorf("%d bytes at %d come from %d, %t: want %d, %t", c.n, c.off, at, ok, c.at, c.ok)
		}
	}
}
