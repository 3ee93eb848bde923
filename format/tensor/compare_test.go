package tensor

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

// file is tensors in memory.
type file struct {
	list List
	b    []byte
}

func (f *file) side() Side { return Side{&f.list, bytes.NewReader(f.b)} }

func (f *file) add(name string, t Type, content []byte, shape ...int64) *Tensor {
	f.list.Tensors = append(f.list.Tensors, Tensor{Name: name, Type: t, Shape: shape, Off: int64(len(f.b)), Len: int64(len(content)), Size: int64(len(content))})
	f.b = append(f.b, content...)
	return &f.list.Tensors[len(f.list.Tensors)-1]
}

// encode writes numbers as a type does.
func encode(t Type, x []float64) []byte {
	var b []byte
	le := binary.LittleEndian
	for _, v := range x {
		switch t {
		case BF16:
			b = le.AppendUint16(b, uint16(math.Float32bits(float32(v))>>16))
		case F16:
			b = le.AppendUint16(b, halfBits(v))
		case F32:
			b = le.AppendUint32(b, math.Float32bits(float32(v)))
		case F64:
			b = le.AppendUint64(b, math.Float64bits(v))
		case I32:
			b = le.AppendUint32(b, uint32(int32(v)))
		case I8:
			b = append(b, byte(int8(v)))
		}
	}
	return b
}

// halfBits finds the half next to a number below 65504 by bisection over all of them, which ascend.
func halfBits(v float64) uint16 {
	switch {
	case v != v:
		return 0x7e00
	case math.IsInf(v, 0):
		return 0x7c00
	}
	lo, hi := 0, 0x7bff
	for lo < hi {
		m := (lo + hi + 1) / 2
		if float64(half(uint16(m))) <= math.Abs(v) {
			lo = m
		} else {
			hi = m - 1
		}
	}
	if v < 0 {
		lo |= 0x8000
	}
	return uint16(lo)
}

// naive compares with numbers of 200 bits.
func naive(x, y []float64) (delta, most, cosine float64) {
	of := func(v float64) *big.Float { return new(big.Float).SetPrec(200).SetFloat64(v) }
	d2, dot, x2, y2 := of(0), of(0), of(0), of(0)
	mul := func(to, a, b *big.Float) { to.Add(to, new(big.Float).SetPrec(200).Mul(a, b)) }
	for i := range x {
		if x[i]-x[i] != 0 || y[i]-y[i] != 0 {
			continue
		}
		a, b := of(x[i]), of(y[i])
		d := new(big.Float).SetPrec(200).Sub(b, a)
		mul(d2, d, d)
		mul(dot, a, b)
		mul(x2, a, a)
		mul(y2, b, b)
		most = max(most, math.Abs(y[i]-x[i]))
	}
	f := func(b *big.Float) float64 { v, _ := new(big.Float).SetPrec(200).Sqrt(b).Float64(); return v }
	n, _ := dot.Float64()
	return f(d2), most, n / f(x2) / f(y2)
}

func near(a, b, rel float64) bool {
	return a == b || a != a && b != b || math.Abs(a-b) <= rel*max(math.Abs(a), math.Abs(b))
}

// TestCompareAgainstArithmetic: every type, with and without numbers that are none, against sums in 200 bits.
func TestCompareAgainstArithmetic(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, typ := range []Type{BF16, F16, F32, F64, I32, I8} {
		for _, special := range []bool{false, true} {
			t.Run(fmt.Sprint(typ, special), func(t *testing.T) {
				if special && (typ == I32 || typ == I8) {
					t.Skip("integers are all numbers")
				}
				n := 5*blockElements + 77 // so many that 16-bit numbers are counted
				x, y := make([]float64, n), make([]float64, n)
				for i := range x {
					x[i] = r.NormFloat64() * 20
					y[i] = x[i]
					if i%3 == 0 {
						y[i] += r.NormFloat64()
					}
				}
				if special {
					x[5], y[9], y[blockElements+3] = math.NaN(), math.Inf(1), math.NaN()
					x[n-1], y[n-1] = math.Inf(1), math.Inf(1)
				}
				a, b := encode(typ, x), encode(typ, y)
				newDecoder(typ, false).decode(x, a)
				newDecoder(typ, false).decode(y, b)
				var old, new file
				old.add("w", typ, a, int64(n))
				new.add("w", typ, b, int64(n))
				c, err := Compare(t.Context(), old.side(), new.side(), Options{})
				if err != nil {
					t.Fatal(err)
				}
				p := &c.Pairs[0]
				delta, most, cosine := naive(x, y)
				eps := 1e-9
				if typ == F16 || typ == BF16 || typ == F32 {
					eps = 1e-7 // differences of 16-bit numbers are of 24 bits
				}
				if p.Verdict != Changed || !near(p.Delta, delta, eps) || !near(p.Most, most, eps) || !near(p.Cosine, cosine, 1e-12) {
					t.Errorf("%s: Δ %v, most %v, cosine %v; want %v, %v, %v", p.Verdict, p.Delta, p.Most, p.Cosine, delta, most, cosine)
				}
				size := len(a) / n
				equal, mean := int64(0), 0.0
				finite, nan, inf := 0.0, int64(0), int64(0)
				for i := range x {
					if bytes.Equal(a[i*size:(i+1)*size], b[i*size:(i+1)*size]) {
						equal++
					}
					switch {
					case y[i] != y[i]:
						nan++
					case math.IsInf(y[i], 0):
						inf++
					default:
						mean += y[i]
						finite++
					}
				}
				mean /= finite
				if s := p.NewStats; p.Equal != equal || s.NaN != nan || s.Inf != inf || s.Count != int64(n) || !near(s.Mean, mean, 1e-8) {
					t.Errorf("equal %d, %+v; want %d, NaN %d, Inf %d, mean %v", p.Equal, s, equal, nan, inf, mean)
				}
				counted := p.NewStats.Zeros + p.NewStats.NaN + p.NewStats.Inf
				for _, h := range p.NewStats.Histogram {
					counted += h
				}
				if counted != int64(n) {
					t.Errorf("the histogram has %d of %d", counted, n)
				}
			})
		}
	}
}

// TestSmallTensors: those of few 16-bit numbers are summed in another way, with the same result.
func TestSmallTensors(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for _, n := range []int{1, 7, 1000} {
		x, y := make([]float64, n), make([]float64, n)
		for i := range x {
			x[i] = r.NormFloat64()
			y[i] = x[i] + 0.1
		}
		for _, typ := range []Type{BF16, F16} {
			a, b := encode(typ, x), encode(typ, y)
			newDecoder(typ, false).decode(x, a)
			newDecoder(typ, false).decode(y, b)
			var old, new file
			old.add("w", typ, a, int64(n))
			new.add("w", typ, b, int64(n))
			c, err := Compare(t.Context(), old.side(), new.side(), Options{})
			if err != nil {
				t.Fatal(err)
			}
			delta, most, _ := naive(x, y)
			if p := &c.Pairs[0]; !near(p.Delta, delta, 1e-12) || !near(p.Most, most, 1e-12) || p.Words != int64(n) {
				t.Errorf("%d of %s: %+v", n, typ, p)
			}
		}
	}
	var old, new file // two zeros are not the same word
	old.add("w", F32, []byte{0, 0, 0, 0, 0, 0, 128, 63}, 2)
	new.add("w", F32, []byte{0, 0, 0, 128, 0, 0, 128, 63}, 2)
	c, err := Compare(t.Context(), old.side(), new.side(), Options{})
	if p := &c.Pairs[0]; err != nil || p.Verdict != Changed || p.Equal != 1 || p.Delta != 0 || p.Relative != 0 {
		t.Errorf("0 and -0: %+v, %v", p, err)
	}
}

func TestVerdicts(t *testing.T) {
	x := []float64{1, 2, 3, 4, 5, 6}
	var old, new file
	old.add("same", F32, encode(F32, x), 6)
	old.add("gone", F32, encode(F32, x), 6)
	old.add("half", F32, encode(F32, x), 6)
	old.add("flat", F32, encode(F32, x), 2, 3)
	old.add("longer", F32, encode(F32, x), 6)
	old.add("zero", F32, make([]byte, 24), 6)
	old.add("turned", F32, encode(F32, x), 2, 3)
	old.add("codes", Unknown, []byte("abcdef"), 6).Called = "F4"
	new.list.Metadata = map[string]string{"step": "2"}
	old.list.Metadata = map[string]string{"step": "1"}
	turned := new.add("turned", F32, encode(F32, []float64{1, 4, 2, 5, 3, 6}), 2, 3)
	turned.Strides = []int64{1, 2}
	new.add("same", F32, encode(F32, x), 6)
	new.add("half", BF16, encode(BF16, x), 6)
	new.add("flat", F32, encode(F32, x), 3, 2)
	new.add("longer", F32, encode(F32, append(x, 7)), 7)
	new.add("zero", F32, encode(F32, x), 6)
	new.add("more", F32, encode(F32, x), 6)
	new.add("codes", Unknown, []byte("abcdeg"), 6).Called = "F4"
	c, err := Compare(t.Context(), old.side(), new.side(), Options{Frozen: []string{"*e*", "none", "same"}, Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]Verdict{"same": Unchanged, "gone": Removed, "half": Retyped, "flat": Reshaped, "longer": Reshaped, "zero": Changed, "turned": Unchanged, "more": Added, "codes": Changed}
	for i := range c.Pairs {
		if p := &c.Pairs[i]; want[p.Name] != p.Verdict {
			t.Errorf("%s: %s, want %s", p.Name, p.Verdict, want[p.Name])
		} else {
			delete(want, p.Name)
		}
	}
	if len(want) > 0 || c.Same() {
		t.Errorf("missing %v", want)
	}
	find := func(name string) *Pair {
		return &c.Pairs[slices.IndexFunc(c.Pairs, func(p Pair) bool { return p.Name == name })]
	}
	if p := find("half"); !p.Numbers || p.Delta != 0 || p.Equal != 6 || p.Relative != 0 {
		t.Errorf("numbers that fit both types: %+v", p)
	}
	if p := find("zero"); !math.IsInf(p.Relative, 1) || p.Cosine == p.Cosine {
		t.Errorf("from all zeros: relative %v, cosine %v", p.Relative, p.Cosine)
	}
	if p := find("codes"); p.Words != 6 || p.Equal != 5 || p.Numbers {
		t.Errorf("bytes: %+v", p)
	}
	if f := c.Frozen; f[0].Matched != 7 || !slices.Equal(f[0].Broken, []string{"longer", "zero", "more", "codes", "gone"}) || f[1].Matched != 0 || len(f[2].Broken) != 0 {
		t.Errorf("frozen: %+v", f)
	}
	if len(c.Metadata) != 1 || c.Metadata[0] != (Entry{"step", "1", "2"}) {
		t.Errorf("metadata: %+v", c.Metadata)
	}
}

// TestSameIsNotRead: what the caller knows to be the same costs nothing.
func TestSameIsNotRead(t *testing.T) {
	var f file
	f.add("w", F32, make([]byte, 4096), 1024)
	f.b = nil // there is nothing to read
	c, err := Compare(t.Context(), f.side(), f.side(), Options{Same: func(a, b *Tensor) bool { return true }})
	if err != nil || c.Unchanged != 1 || c.Read != 0 {
		t.Errorf("%+v, %v", c, err)
	}
	if _, err := Compare(t.Context(), f.side(), f.side(), Options{}); err == nil {
		t.Error("a tensor that is not there was compared")
	}
}

// TestAdapters: norms of BA, and of the difference of two, against the product itself.
func TestAdapters(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	const m, n, rank = 30, 40, 4
	random := func(k int) []float64 {
		x := make([]float64, k)
		for i := range x {
			x[i] = float64(float32(r.NormFloat64()))
		}
		return x
	}
	product := func(b, a []float64, rank int, scale float64) []float64 {
		w := make([]float64, m*n)
		for i := range m {
			for j := range n {
				for k := range rank {
					w[i*n+j] += scale * b[i*rank+k] * a[k*n+j]
				}
			}
		}
		return w
	}
	norm := func(x []float64) float64 {
		s := 0.0
		for _, v := range x {
			s += v * v
		}
		return math.Sqrt(s)
	}
	a1, b1, a2, b2 := random(rank*n), random(m*rank), random(2*rank*n), random(m*2*rank)
	w1, w2 := product(b1, a1, rank, 1), product(b2, a2, 2*rank, 0.5)
	d := make([]float64, m*n)
	for i := range d {
		d[i] = w2[i] - w1[i]
	}
	for _, name := range [][2]string{{"l.lora_A.weight", "l.lora_B.weight"}, {"l.lora_A.default.weight", "l.lora_B.default.weight"}, {"l.lora_down.weight", "l.lora_up.weight"}, {"l.lora.down.weight", "l.lora.up.weight"}} {
		var old, new file
		old.add(name[0], F32, encode(F32, a1), rank, n)
		old.add(name[1], F32, encode(F32, b1), m, rank)
		new.add(name[0], F32, encode(F32, a2), 2*rank, n)
		new.add(name[1], F32, encode(F32, b2), m, 2*rank)
		layer := "l"
		if name[0] == "l.lora_A.default.weight" {
			layer = "l.default"
		}
		new.add(layer+".alpha", F32, encode(F32, []float64{rank}))
		c, err := Compare(t.Context(), old.side(), new.side(), Options{})
		if err != nil || len(c.Adapters) != 1 {
			t.Fatalf("%s: %+v, %v", name, c, err)
		}
		if g := c.Adapters[0]; g.Layer != layer || g.Rank != 2*rank || g.Scale != 0.5 || !near(g.Old, norm(w1), 1e-12) || !near(g.New, norm(w2), 1e-12) || !near(g.Delta, norm(d), 1e-9) {
			t.Errorf("%s: %+v; want %v, %v, %v", name, g, norm(w1), norm(w2), norm(d))
		}
	}
}

func BenchmarkCompare(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	const n = 8 << 20
	for _, typ := range []Type{BF16, F32, F16, F64} {
		x, y := make([]float64, n), make([]float64, n)
		for i := range x {
			x[i] = r.NormFloat64() * 0.02
			y[i] = x[i] + r.NormFloat64()*1e-4
		}
		if typ == F16 { // the test's own encoder is slow
			x, y = x[:n/16], y[:n/16]
		}
		var old, new file
		old.add("w", typ, encode(typ, x), int64(len(x)))
		new.add("w", typ, encode(typ, y), int64(len(x)))
		b.Run(typ.String(), func(b *testing.B) {
			b.SetBytes(int64(len(old.b) + len(new.b))) // of both sides
			for b.Loop() {
				if _, err := Compare(b.Context(), old.side(), new.side(), Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
