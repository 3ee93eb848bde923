package window

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"varve/format"
)

// counted counts reads.
type counted struct {
	format.Input
	reads, bytes int
}

func (c *counted) ReadAt(b []byte, off int64) (int, error) {
	c.reads++
	c.bytes += len(b)
	return c.Input.ReadAt(b, off)
}

func sample(n int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(random.Uint32())
	}
	return b
}

// TestAt: what is returned is what stands there, at any place and in any order; what is not in the file is malformed.
func TestAt(t *testing.T) {
	b := sample(100_000)
	w := New(format.Bytes(b))
	random := rand.New(rand.NewPCG(3, 4))
	for range 3000 {
		off := random.IntN(len(b) + 1)
		n := random.IntN(min(len(b)-off, 30_000) + 1)
		got, err := w.At(int64(off), n)
		if err != nil || !bytes.Equal(got, b[off:off+n]) {
			t.Fatalf("%d bytes at %d: %v", n, off, err)
		}
	}
	for _, c := range [][2]int64{{-1, 1}, {0, -1}, {100_000, 1}, {99_999, 2}, {1 << 62, 1}, {0, most + 1}} {
		if _, err := w.At(c[0], int(c[1])); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%d bytes at %d: %v", c[1], c[0], err)
		}
	}
}

// TestFewReads: short reads that follow one another become few, and those that lie apart read little.
func TestFewReads(t *testing.T) {
	b := sample(8 << 20)
	in := &counted{Input: format.Bytes(b)}
	w := New(in)
	for off := 0; off < len(b); off += 100 {
		if _, err := w.At(int64(off), min(100, len(b)-off)); err != nil {
			t.Fatal(err)
		}
	}
	if in.reads > 40 || in.bytes > len(b)+40*100 {
		t.Errorf("%d reads of %d bytes, one after another", in.reads, in.bytes)
	}
	in = &counted{Input: format.Bytes(b)}
	w = New(in)
	for off := 0; off < len(b); off += 1 << 20 {
		if _, err := w.At(int64(off), 8); err != nil {
			t.Fatal(err)
		}
	}
	if in.bytes > 8*least {
		t.Errorf("%d bytes were read for eight places", in.bytes)
	}
}

// TestReader: spans are one stream, also where the window moves in between.
func TestReader(t *testing.T) {
	b := sample(1 << 20)
	w := New(format.Bytes(b))
	random := rand.New(rand.NewPCG(5, 6))
	var spans []Span
	var want []byte
	for range 200 {
		off, n := random.IntN(len(b)), random.IntN(5000)
		n = min(n, len(b)-off)
		spans = append(spans, Span{int64(off), int64(n)})
		want = append(want, b[off:off+n]...)
	}
	var got []byte
	r := w.Reader(spans)
	part := make([]byte, 777)
	for {
		n, err := r.Read(part)
		got = append(got, part[:n]...)
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.At(int64(random.IntN(len(b)-1)), 1); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d bytes, want %d", len(got), len(want))
	}
	if _, err := io.ReadAll(w.Reader([]Span{{0, 5}, {int64(len(b)), 1}})); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("a span out of the file: %v", err)
	}
}

// shrunk says that it is larger than it is.
type shrunk struct{ format.Input }

func (shrunk) Size() int64 { return 1000 }

func TestShrunk(t *testing.T) {
	w := New(shrunk{format.Bytes(make([]byte, 10))})
	if _, err := w.At(5, 5); err != nil {
		t.Error(err)
	}
	if _, err := w.At(5, 6); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("%v", err)
	}
}
