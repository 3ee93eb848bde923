package seal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

// moved returns weights after a step of normal distribution with deviation sigma.
func moved(base []byte, width int, sigma float64) []byte {
	r := rand.New(seeded(9))
	out := bytes.Clone(base)
	for i := 0; i+width <= len(base); i += width {
		step := float32(r.NormFloat64() * sigma)
		if width == 2 {
			x := math.Float32frombits(uint32(binary.LittleEndian.Uint16(base[i:])) << 16)
			binary.LittleEndian.PutUint16(out[i:], uint16((math.Float32bits(x+step)+0x8000)>>16))
		} else {
			x := math.Float32frombits(binary.LittleEndian.Uint32(base[i:]))
			binary.LittleEndian.PutUint32(out[i:], math.Float32bits(x+step))
		}
	}
	return out
}

// refSum makes plain of a difference by the text of the format, element by element.
func refSum(diff, base []byte) []byte {
	w := int(diff[0])
	get := func(b []byte, i int) (x uint64) {
		for j := range w {
			x |= uint64(b[i*w+j]) << (8 * j)
		}
		return x
	}
	out := make([]byte, len(base))
	for i := range len(base) / w {
		z := get(diff[4:], i)
		step := int64(z >> 1)
		if z&1 == 1 {
			step = -step - 1
		}
		x := get(base, i) + uint64(step)
		for j := range w {
			out[i*w+j] = byte(x >> (8 * j))
		}
	}
	return out
}

func TestDifferenceFollowsTheFormat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.SampledFrom([]int{2, 4}).Draw(t, "w")
		n := rapid.OneOf(rapid.IntRange(0, 40), rapid.IntRange(1000, 9000)).Draw(t, "n") * w
		base := weights(n, w)
		plain := moved(base, w, 1e-3)
		switch rapid.IntRange(0, 2).Draw(t, "content") {
		case 1:
			plain, base = randomBytes(1, n), randomBytes(2, n)
		case 2:
			copy(plain[n/3:], base[n/3:])
		}
		diff, err := Difference([]byte("dst"), plain, base, w)
		if err != nil || string(diff[:3]) != "dst" || len(diff) != 3+DifferenceHead+n || !bytes.Equal(diff[3:7], []byte{byte(w), 0, 0, 0}) {
			t.Fatalf("%d bytes, %v", len(diff), err)
		}
		diff = diff[3:]
		if !bytes.Equal(refSum(diff, base), plain) {
			t.Fatal("the reference makes something else of it")
		}
		got, err := Sum([]byte("dst"), diff, base)
		if err != nil || string(got[:3]) != "dst" || !bytes.Equal(got[3:], plain) {
			t.Fatalf("%d bytes back, %v", len(got), err)
		}
	})
}

// By hand: 5−3 = 2 → 4, 1−2 = −1 → 1, 0−0x8000 wraps to −0x8000 → 0xffff; nothing is carried to a neighbour.
func TestDifferenceBytes(t *testing.T) {
	for _, v := range []struct{ plain, base, diff []byte }{
		{[]byte{5, 0x40, 1, 0x10, 0, 0}, []byte{3, 0x40, 2, 0x10, 0, 0x80}, []byte{2, 0, 0, 0, 4, 0, 1, 0, 0xff, 0xff}},
		{[]byte{0, 0, 0, 0, 0, 0, 0, 0}, []byte{0xff, 0xff, 1, 0, 0xff, 0xff, 0, 0x80}, []byte{2, 0, 0, 0, 2, 0, 1, 0, 2, 0, 0xff, 0xff}},
		{[]byte{0, 0, 0, 0, 9, 0, 0, 0}, []byte{1, 0, 0, 0, 0, 0, 0, 0x80}, []byte{4, 0, 0, 0, 1, 0, 0, 0, 0xed, 0xff, 0xff, 0xff}},
	} {
		if diff, err := Difference(nil, v.plain, v.base, int(v.diff[0])); err != nil || !bytes.Equal(diff, v.diff) {
			t.Errorf("difference %x, want %x, %v", diff, v.diff, err)
		}
		if sum, err := Sum(nil, v.diff, v.base); err != nil || !bytes.Equal(sum, v.plain) {
			t.Errorf("sum %x, want %x, %v", sum, v.plain, err)
		}
	}
}

// A difference that is wrong in any bit, or of other bytes, is seen.
func TestEveryByteOfASumIsCompared(t *testing.T) {
	for _, w := range []int{2, 4} {
		for _, n := range []int{4, 8, 12, 16, 20, 28, 36, 64, 1020} {
			base := weights(n, w)
			plain := moved(base, w, 1e-3)
			diff, err := Difference(nil, plain, base, w)
			if err != nil || !Sums(diff, base, plain) {
				t.Fatalf("%d bytes of width %d: %v", n, w, err)
			}
			if Sums(diff, base, plain[:n-w]) || Sums(diff[:len(diff)-w], base, plain) || Sums(diff, base[:n-w], plain) || Sums(nil, nil, nil) {
				t.Fatalf("%d bytes of width %d: another length", n, w)
			}
			for i := range diff {
				diff[i] ^= 0x80 >> (i % 8)
				if Sums(diff, base, plain) {
					t.Fatalf("%d bytes of width %d: byte %d is another", n, w, i)
				}
				diff[i] ^= 0x80 >> (i % 8)
			}
		}
	}
}

func TestSubtractRatios(t *testing.T) {
	e, d := NewEncoder(), NewDecoder()
	for _, v := range []struct {
		width int
		sigma float64
		max   float64
	}{{2, 2e-6, 0.03}, {2, 2e-5, 0.12}, {2, 2e-4, 0.36}, {4, 2e-6, 0.55}, {4, 2e-4, 0.77}} {
		base := weights(256<<10, v.width)
		plain := moved(base, v.width, v.sigma)
		if !DifferencePays(plain, base, v.width) {
			t.Errorf("width %d, step %g: said not to pay", v.width, v.sigma)
		}
		diff, err := Difference(nil, plain, base, v.width)
		if err != nil {
			t.Fatal(err)
		}
		c, stored, err := e.BlockTyped(nil, diff, Subtract, uint8(v.width))
		if err != nil || c != Subtract || float64(len(stored)) > v.max*float64(len(plain)) {
			t.Errorf("width %d, step %g: codec %d, %d of %d bytes, %v", v.width, v.sigma, c, len(stored), len(plain), err)
		}
		raw, err := d.Block(nil, c, stored, len(diff))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Sum(nil, raw, base); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("width %d, step %g: %d bytes back, %v", v.width, v.sigma, len(got), err)
		}
	}
}

// Half the rows of a table stay as they are, the others are new: what stands must cost nearly nothing.
func TestDifferenceOfRows(t *testing.T) {
	e, base := NewEncoder(), weights(256<<10, 2)
	plain := moved(base, 2, 2e-3)
	for row := 0; row < len(base); row += 128 << 10 {
		copy(plain[row:row+64<<10], base[row:])
	}
	diff, err := Difference(nil, plain, base, 2)
	if err != nil {
		t.Fatal(err)
	}
	if _, stored, err := e.BlockTyped(nil, diff, Subtract, 2); err != nil || len(stored)*100 > len(plain)*30 {
		t.Errorf("%d of %d bytes, %v", len(stored), len(plain), err)
	}
}

func TestDifferencePaysOnlyWhereItDoes(t *testing.T) {
	base := weights(256<<10, 4)
	for name, plain := range map[string][]byte{
		"another set":    moved(base, 4, 0.02),
		"another length": base[:len(base)-4],
		"nothing":        nil,
	} {
		if DifferencePays(plain, base, 4) {
			t.Errorf("%s: said to pay", name)
		}
	}
	if DifferencePays(base, base, 3) || DifferencePays(base[:6], base[:6], 4) {
		t.Error("a width that cannot be is said to pay")
	}
	if !DifferencePays(base, base, 4) {
		t.Error("no difference at all is said not to pay")
	}
}

func TestDifferenceRefuses(t *testing.T) {
	for _, v := range []struct{ plain, base, width int }{{4, 4, 3}, {4, 4, 0}, {4, 4, 8}, {4, 8, 4}, {6, 6, 4}, {3, 3, 2}, {MaxBlock + 4, MaxBlock + 4, 4}} {
		if got, err := Difference([]byte("dst"), make([]byte, v.plain), make([]byte, v.base), v.width); !errors.Is(err, ErrUnsupported) || string(got) != "dst" {
			t.Errorf("%+v: %d bytes, %v", v, len(got), err)
		}
	}
	for name, v := range map[string]struct{ diff, base []byte }{
		"nothing":        {nil, nil},
		"short":          {[]byte{2, 0, 0}, nil},
		"base too long":  {make([]byte, 6), make([]byte, 4)},
		"base too short": {[]byte{2, 0, 0, 0, 1, 1}, nil},
		"width 0":        {[]byte{0, 0, 0, 0, 1, 1}, make([]byte, 2)},
		"width 18":       {[]byte{18, 0, 0, 0, 1, 1}, make([]byte, 2)},
		"half a word":    {[]byte{4, 0, 0, 0, 1, 1}, make([]byte, 2)},
		"not zero":       {[]byte{2, 0, 1, 0, 1, 1}, make([]byte, 2)},
	} {
		if got, err := Sum([]byte("dst"), v.diff, v.base); !errors.Is(err, ErrDamaged) || string(got) != "dst" {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// wrongSubtract decodes differences to other bytes while they are coded at all.
type wrongSubtract struct{ blockDecoder }

func (w wrongSubtract) holds(planes, raw []byte) bool {
	return w.blockDecoder.holds(planes, another(raw))
}

func TestFaultySubtractIsStoredAsItIs(t *testing.T) {
	for _, n := range []int{256 << 10, 300<<10 + 2, 7} {
		e, raw := NewEncoder(), weights(n, 4)
		e.dec = wrongSubtract{e.dec}
		c, stored, err := e.BlockTyped([]byte("dst"), raw, Subtract, 4)
		if err != nil || c != Subtract || e.Faults() != 1 {
			t.Fatalf("codec %d, %d faults, %v", c, e.Faults(), err)
		}
		if got, err := NewDecoder().Block(nil, c, stored[3:], len(raw)); err != nil || !bytes.Equal(got, raw) {
			t.Errorf("%d bytes back, %v", len(got), err)
		}
	}
}

func FuzzSum(f *testing.F) {
	base := weights(64, 4)
	for _, w := range []int{2, 4} {
		diff, err := Difference(nil, moved(base, w, 1e-3), base, w)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(diff, base)
	}
	f.Add([]byte{2, 0, 0, 0, 9, 9}, []byte{1, 2})
	f.Fuzz(func(t *testing.T, diff, base []byte) {
		got, err := Sum(nil, diff, base)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		if !bytes.Equal(got, refSum(diff, base)) {
			t.Fatal("the reference makes something else of it")
		}
		back, err := Difference(nil, got, base, int(diff[0]))
		if err != nil {
			t.Fatal(err)
		}
		if again, err := Sum(nil, back, base); err != nil || !bytes.Equal(again, got) {
			t.Fatalf("%d bytes back, %v", len(again), err)
		}
	})
}

func BenchmarkSubtract(b *testing.B) {
	for _, v := range []struct {
		name  string
		width int
		sigma float64
	}{{"bf16", 2, 2e-5}, {"bf16 far", 2, 2e-3}, {"f32", 4, 2e-5}} {
		base := weights(256<<10, v.width)
		plain := moved(base, v.width, v.sigma)
		e, d := NewEncoder(), NewDecoder()
		diff, err := Difference(nil, plain, base, v.width)
		if err != nil {
			b.Fatal(err)
		}
		_, stored, _ := e.BlockTyped(nil, diff, Subtract, uint8(v.width))
		var out []byte
		for name, step := range map[string]func(){
			"difference": func() { out, _ = Difference(out[:0], plain, base, v.width) },
			"sum":        func() { out, _ = Sum(out[:0], diff, base) },
			"pays":       func() { DifferencePays(plain, base, v.width) },
			"planes":     func() { e.typed = e.appendPlanes(e.typed[:0], diff, v.width, runLog) },
			"encode":     func() { _, out, _ = e.BlockTyped(out[:0], diff, Subtract, uint8(v.width)) },
			"decode":     func() { out, _ = d.Block(out[:0], Subtract, stored, len(diff)) },
		} {
			b.Run(v.name+"/"+name, func(b *testing.B) {
				b.SetBytes(int64(len(plain)))
				for b.Loop() {
					step()
				}
				if name == "encode" {
					b.ReportMetric(float64(len(out))/float64(len(plain)), "ratio")
				}
			})
		}
	}
}
