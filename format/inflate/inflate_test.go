package inflate

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// sample is noise, runs, and repetitions near and far.
func sample(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	var b []byte
	for len(b) < n {
		switch r.IntN(5) {
		case 0:
			for range r.IntN(3000) {
				b = append(b, byte(r.IntN(256)))
			}
		case 1:
			b = append(b, bytes.Repeat([]byte{byte(r.IntN(4))}, r.IntN(1000))...)
		case 2, 3:
			if len(b) > 0 {
				back := 1 + r.IntN(min(len(b), 40_000))
				for range 3 + r.IntN(400) {
					b = append(b, b[len(b)-back])
				}
			}
		case 4: // few values, of which some are rare: long codes
			for range r.IntN(20_000) {
				b = append(b, byte(min(r.ExpFloat64()*6, 255)))
			}
		}
	}
	return b[:n]
}

func packed(t testing.TB, b []byte, level int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := zlib.NewWriterLevel(&out, level)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

// TestAsTheStandardLibrary: the same bytes of streams of all levels, read in pieces of all sizes.
func TestAsTheStandardLibrary(t *testing.T) {
	for seed, n := range []int{0, 1, 7, 1000, 70_000, 1 << 20} {
		want := sample(uint64(seed), n)
		for _, level := range []int{0, 1, 6, 9, zlib.HuffmanOnly} {
			file := packed(t, want, level)
			for name, in := range map[string]io.Reader{"whole": bytes.NewReader(file), "halves": iotest.HalfReader(bytes.NewReader(file)),
				"bytes": iotest.OneByteReader(bytes.NewReader(file)), "end with data": iotest.DataErrReader(bytes.NewReader(file)), "more behind": io.MultiReader(bytes.NewReader(file), bytes.NewReader(make([]byte, 100)))} {
				r, err := NewReader(in)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(iotest.HalfReader(r))
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes, level %d, %s: %d bytes, %v", n, level, name, len(got), err)
				}
			}
		}
	}
}

// TestDamage: what the standard library refuses is refused, and what it reads is read as it does.
func TestDamage(t *testing.T) {
	file := packed(t, sample(9, 5000), 6)
	r := rand.New(rand.NewPCG(5, 6))
	for range 20_000 {
		b := bytes.Clone(file)
		for range 1 + r.IntN(3) {
			b[r.IntN(len(b))] ^= 1 << r.IntN(8)
		}
		b = b[:len(b)-r.IntN(2)*r.IntN(len(b))]
		compare(t, b)
	}
	for n := range file {
		if err := compare(t, file[:n]); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatalf("%d of %d bytes: %v", n, len(file), err)
		}
	}
}

// compare reads a stream in both ways.
func compare(t *testing.T, b []byte) error {
	t.Helper()
	var want []byte
	z, wrong := zlib.NewReader(bytes.NewReader(b))
	if wrong == nil {
		want, wrong = io.ReadAll(z)
	}
	var got []byte
	r, err := NewReader(bytes.NewReader(b))
	if err == nil {
		got, err = io.ReadAll(r)
	}
	if (err == nil) != (wrong == nil) || err == nil && !bytes.Equal(got, want) {
		t.Fatalf("%x: %d bytes, %v; want %d, %v", b, len(got), err, len(want), wrong)
	}
	if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatalf("%x: %v", b, err)
	}
	return err
}

func FuzzReader(f *testing.F) {
	f.Add(packed(f, sample(2, 300), 9))
	f.Add(packed(f, sample(3, 300), 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := NewReader(bytes.NewReader(b))
		if err != nil {
			return
		}
		got, err := io.ReadAll(io.LimitReader(r, 1<<22))
		z, wrong := zlib.NewReader(bytes.NewReader(b))
		if wrong != nil {
			t.Fatal(wrong)
		}
		want, wrong := io.ReadAll(io.LimitReader(z, 1<<22))
		if (err == nil) != (wrong == nil) || err == nil && !bytes.Equal(got, want) {
			t.Fatalf("%v; want %v", err, wrong)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	want := sample(1, 8<<20)
	file := packed(b, want, 6)
	for name, open := range map[string]func(io.Reader) (io.Reader, error){
		"varve":    func(r io.Reader) (io.Reader, error) { return NewReader(r) },
		"standard": func(r io.Reader) (io.Reader, error) { return zlib.NewReader(r) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(want)))
			for b.Loop() {
				r, err := open(bytes.NewReader(file))
				if err == nil {
					_, err = io.Copy(io.Discard, r)
				}
				if err != nil {
					b.Fatal(fmt.Sprint(err))
				}
			}
		})
	}
}
