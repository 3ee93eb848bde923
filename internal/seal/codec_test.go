package seal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/klauspost/compress/huff0"
	"github.com/klauspost/compress/zstd"
	"pgregory.net/rapid"
)

// weights returns n bytes of normally distributed parameters, as BF16 (width 2) or FP32 (width 4).
func weights(n, width int) []byte {
	r := rand.New(seeded(5))
	b := make([]byte, 0, n+4)
	for len(b) < n {
		x := math.Float32bits(float32(r.NormFloat64() * 0.02))
		if width == 2 {
			b = binary.LittleEndian.AppendUint16(b, uint16(x>>16))
		} else {
			b = binary.LittleEndian.AppendUint32(b, x)
		}
	}
	return b[:n]
}

// prose returns n bytes with the statistics of text: words from a small vocabulary.
func prose(seed byte, n int) []byte {
	r := rand.New(seeded(seed))
	words := make([][]byte, 800)
	for i := range words {
		w := make([]byte, 2+r.IntN(9))
		for j := range w {
			w[j] = byte('a' + r.IntN(26))
		}
		words[i] = append(w, ' ')
	}
	var b []byte
	for len(b) < n {
		b = append(b, words[int(float64(len(words))*math.Pow(r.Float64(), 2))]...)
	}
	return b[:n]
}

func block(t testing.TB, e *Encoder, raw []byte, level Level) (Codec, []byte) {
	t.Helper()
	c, stored, err := e.Block(nil, raw, level)
	if err != nil {
		t.Fatal(err)
	}
	return c, stored
}

func TestBlockChoosesItsCodec(t *testing.T) {
	e, d := NewEncoder(), NewDecoder()
	for _, v := range []struct {
		name string
		raw  []byte
		want Codec
		max  float64 // stored / raw
	}{
		{"empty", nil, Raw, 0},
		{"tiny", []byte("abc"), Raw, 1},
		{"prose", prose(1, 256<<10), Zstd, 0.45},
		{"zeros", make([]byte, 256<<10), Zstd, 0.001},
		{"random", randomBytes(1, 256<<10), Raw, 1},
		{"random, small", randomBytes(1, 20<<10), Raw, 1},
		{"short text", []byte("one layer a year, one layer a year, one layer a year, one layer a year"), Zstd, 0.6},
		{"257 zeros", make([]byte, 257), Zstd, 0.1},
		{"bf16", weights(256<<10, 2), Zstd, 0.9},
		{"largest", make([]byte, MaxBlock), Zstd, 0.001},
	} {
		for _, level := range []Level{Fast, Better} {
			c, stored := block(t, e, v.raw, level)
			if c != v.want || float64(len(stored)) > v.max*float64(len(v.raw)) {
				t.Errorf("%s, level %d: codec %d, %d of %d bytes", v.name, level, c, len(stored), len(v.raw))
			}
			got, err := d.Block([]byte("pre"), c, stored, len(v.raw))
			if err != nil || string(got) != "pre"+string(v.raw) {
				t.Errorf("%s, level %d: %d bytes back, %v", v.name, level, len(got), err)
			}
		}
	}
	if e.Faults() != 0 {
		t.Errorf("%d faults", e.Faults())
	}
	if _, _, err := e.Block(nil, make([]byte, MaxBlock+1), Fast); !errors.Is(err, ErrUnsupported) {
		t.Errorf("too large: %v", err)
	}
}

// Weights have no repeats: only entropy coding of all literals shrinks them, and it is off by default.
func TestWeightsNeedLiteralEntropyCoding(t *testing.T) {
	raw := weights(256<<10, 2)
	c, stored := block(t, NewEncoder(), raw, Fast)
	if c != Zstd || len(stored)*10 >= len(raw)*9 {
		t.Errorf("codec %d, %d of %d bytes", c, len(stored), len(raw))
	}
	plain, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if n := len(plain.EncodeAll(raw, nil)); n*100 < len(raw)*98 {
		t.Errorf("the default shrinks weights to %d of %d bytes: this test proves nothing", n, len(raw))
	}
}

// The saving that the probe forgoes must be small whatever the mix, or it must not have spoken.
func TestProbeLosesLittle(t *testing.T) {
	enc := newZstd(zstd.SpeedFastest)
	e := NewEncoder()
	rapid.Check(t, func(t *rapid.T) {
		raw := randomBytes(byte(rapid.IntRange(0, 255).Draw(t, "seed")), 256<<10)
		text := prose(3, 64<<10)
		for range rapid.IntRange(0, 3).Draw(t, "islands") {
			n := rapid.IntRange(1<<10, 16<<10).Draw(t, "size")
			copy(raw[rapid.IntRange(0, len(raw)-n).Draw(t, "at"):], text[:n])
		}
		if got := len(enc.EncodeAll(raw, nil)); e.incompressible(raw) && got*1000 < len(raw)*975 {
			t.Fatalf("called incompressible, but zstd makes %d of %d bytes", got, len(raw))
		}
	})
	if !e.incompressible(randomBytes(1, 256<<10)) {
		t.Error("random bytes are not recognised")
	}
	island := randomBytes(1, 256<<10)
	copy(island[100<<10:], prose(2, 24<<10))
	if e.incompressible(island) {
		t.Error("24 KiB of text between the samples are overlooked")
	}
	if !looksRandom(bytes.Repeat(randomBytes(1, 3000), 90)) {
		t.Error("repeats of one random piece do not look random: the next test proves nothing")
	}
	if e.incompressible(bytes.Repeat(randomBytes(1, 3000), 90)) {
		t.Error("repeats of one random piece are called incompressible")
	}
}

func TestPlanes(t *testing.T) {
	e, d := NewEncoder(), NewDecoder()
	for _, v := range []struct {
		width int
		n     int
		max   float64
	}{{2, 256 << 10, 0.70}, {2, 300<<10 + 1, 0.70}, {4, 256 << 10, 0.87}, {4, 1<<20 + 3, 0.87}, {2, MaxBlock, 0.70}} {
		raw := weights(v.n, v.width)
		c, stored, err := e.BlockTyped(nil, raw, Planes, uint8(v.width))
		if err != nil || c != Planes || float64(len(stored)) > v.max*float64(len(raw)) {
			t.Errorf("width %d: codec %d, %d of %d bytes, %v", v.width, c, len(stored), len(raw), err)
			continue
		}
		got, err := d.Block(nil, c, stored, len(raw))
		if err != nil || !bytes.Equal(got, raw) {
			t.Errorf("width %d: %d bytes back, %v", v.width, len(got), err)
		}
	}
	if c, stored, err := e.BlockTyped(nil, prose(1, 256<<10), Planes, 2); err != nil || c != Zstd || len(stored) > 120<<10 {
		t.Errorf("prose as planes: codec %d, %d bytes, %v", c, len(stored), err)
	}
	for _, v := range []struct {
		c     Codec
		width uint8
	}{{Planes, 3}, {Planes, 0}, {Raw, 2}, {Zstd, 2}, {Stride, 2}, {Delta, 2}, {Subtract, 8}, {99, 2}} {
		if _, _, err := e.BlockTyped(nil, []byte("x"), v.c, v.width); !errors.Is(err, ErrUnsupported) {
			t.Errorf("codec %d, width %d: %v", v.c, v.width, err)
		}
	}
}

// rare returns n bytes of value, of which one in every is another.
func rare(n, every int, value byte) []byte {
	b := bytes.Repeat([]byte{value}, n)
	r := rand.New(seeded(5))
	for i := range n / every {
		b[r.IntN(n)] = byte(i)
	}
	return b
}

// Gaps of all lengths about those that one pair can say, and runs that end anywhere.
func TestSparseRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.Byte().Draw(t, "value")
		run := make([]byte, 0, 40_000)
		for _, gap := range rapid.SliceOfN(rapid.OneOf(rapid.IntRange(0, 40), rapid.IntRange(250, 260), rapid.IntRange(500, 520)), 0, 60).Draw(t, "gaps") {
			run = append(append(run, bytes.Repeat([]byte{value}, gap)...), rapid.Byte().Draw(t, "byte"))
		}
		run = append(run, bytes.Repeat([]byte{value}, rapid.IntRange(0, 600).Draw(t, "rest"))...)
		coded, ok := appendSparse([]byte("dst"), run, value, 4*len(run)+8)
		if !ok || string(coded[:3]) != "dst" {
			t.Fatalf("%d bytes, %v", len(coded), ok)
		}
		got := randomBytes(1, len(run))
		if !readSparse(got, coded[3:]) || !bytes.Equal(got, run) {
			t.Fatal("another run came back")
		}
	})
	e, raw := NewEncoder(), rare(256<<10, 100, 9)
	stored := e.appendPlanes(nil, raw, 2, runLog)
	if stored[1] != runSparse || len(stored) > len(raw)/40 {
		t.Errorf("mode %d, %d bytes of %d", stored[1], len(stored), len(raw))
	}
}

// refPlanes decodes planes by the text of the format, byte by byte.
func refPlanes(t *rapid.T, in []byte, n int) []byte {
	w := int(in[0] & 15)
	out := make([]byte, n)
	log := 17 - in[0]/16
	copy(out[n/w*w:], in[1:1+n%w])
	in = in[1+n%w:]
	for i := range w {
		for at := 0; at < n/w; {
			run := min(1<<log, n/w-at)
			var b []byte
			switch in[0] {
			case 0:
				b, in = in[1:1+run], in[1+run:]
			case 1:
				size := int(in[1]) | int(in[2])<<8 | int(in[3])<<16
				s, rest, err := huff0.ReadTable(in[4:4+size], nil)
				if err != nil {
					t.Fatal(err)
				}
				if b, err = s.Decompress4X(rest, run); err != nil {
					t.Fatal(err)
				}
				in = in[4+size:]
			case 2:
				b, in = bytes.Repeat(in[1:2], run), in[2:]
			case 3:
				size := int(in[1]) | int(in[2])<<8 | int(in[3])<<16
				var err error
				b, err = newUnzstd().DecodeAll(in[4:4+size], make([]byte, 0, run))
				if err != nil || len(b) != run {
					t.Fatalf("%d of %d bytes, %v", len(b), run, err)
				}
				in = in[4+size:]
			case 4:
				size := int(in[1]) | int(in[2])<<8 | int(in[3])<<16
				for pairs := in[5 : 4+size]; len(pairs) > 0; pairs = pairs[2:] {
					b = append(append(b, bytes.Repeat(in[4:5], int(pairs[0]))...), pairs[1])
				}
				b = append(b, bytes.Repeat(in[4:5], run-len(b))...)
				in = in[4+size:]
			default:
				t.Fatalf("mode %d", in[0])
			}
			for _, v := range b {
				out[at*w+i] = v
				at++
			}
		}
	}
	if len(in) != 0 {
		t.Fatalf("%d bytes left", len(in))
	}
	return out
}

func TestPlanesFollowTheFormat(t *testing.T) {
	e, d := NewEncoder(), NewDecoder()
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.SampledFrom([]int{2, 4}).Draw(t, "w")
		n := rapid.OneOf(rapid.IntRange(0, 3000), rapid.IntRange(200<<10, 600<<10)).Draw(t, "n")
		raw := weights(n, w)
		switch rapid.IntRange(0, 4).Draw(t, "content") {
		case 1:
			raw = randomBytes(1, n)
		case 2:
			clear(raw[n/3:])
		case 3:
			for i := range raw { // one value dominates
				raw[i] &= raw[(i*7+1)%n] & raw[(i*5+3)%n] & raw[(i*3+1)%n]
			}
		case 4:
			raw = bytes.Repeat(randomBytes(1, 777), n/777+1)[:n]
		}
		stored := e.appendPlanes(nil, raw, w, uint8(rapid.IntRange(10, 17).Draw(t, "log")))
		if !bytes.Equal(refPlanes(t, stored, n), raw) {
			t.Fatal("the reference decodes something else")
		}
		got, err := d.Block(nil, Planes, stored, n)
		if err != nil || !bytes.Equal(got, raw) {
			t.Fatalf("%d bytes back, %v", len(got), err)
		}
	})
}

func TestBlockRoundTripProperty(t *testing.T) {
	e, d := NewEncoder(), NewDecoder()
	rapid.Check(t, func(t *rapid.T) {
		var raw []byte
		for range rapid.IntRange(0, 8).Draw(t, "parts") {
			n := rapid.IntRange(0, 40<<10).Draw(t, "n")
			switch rapid.IntRange(0, 4).Draw(t, "part") {
			case 0:
				raw = append(raw, randomBytes(byte(n), n)...)
			case 1:
				raw = append(raw, make([]byte, n)...)
			case 2:
				raw = append(raw, prose(1, n)...)
			case 3:
				raw = append(raw, weights(n, 4)...)
			case 4:
				raw = append(raw, raw[:min(n, len(raw))]...)
			}
		}
		level := Level(rapid.IntRange(0, 1).Draw(t, "level"))
		c, stored, err := e.Block([]byte("dst"), raw, level)
		if err != nil || string(stored[:3]) != "dst" {
			t.Fatal(err)
		}
		if len(stored)-3 > len(raw) || c != Raw && (len(stored)-3)*100 > len(raw)*99 {
			t.Fatalf("codec %d keeps %d of %d bytes", c, len(stored)-3, len(raw))
		}
		got, err := d.Block(nil, c, stored[3:], len(raw))
		if err != nil || !bytes.Equal(got, raw) {
			t.Fatalf("codec %d: %d bytes back, %v", c, len(got), err)
		}
	})
	if e.Faults() != 0 {
		t.Errorf("%d faults", e.Faults())
	}
}

// faulty compresses other bytes than it was given, or none that decode.
type faulty struct {
	blockEncoder
	garbage bool
}

func (f faulty) EncodeAll(src, dst []byte) []byte {
	if f.garbage {
		return append(dst, "not a frame"...)
	}
	wrong := bytes.Clone(src)
	wrong[len(wrong)/2] ^= 1
	return f.blockEncoder.EncodeAll(wrong, dst)
}

func TestFaultyCodecIsCaught(t *testing.T) {
	raw := prose(1, 64<<10)
	for _, garbage := range []bool{false, true} {
		e := NewEncoder()
		for l := range e.by {
			e.by[l] = faulty{e.by[l], garbage}
		}
		for i, level := range []Level{Fast, Better} {
			c, stored, err := e.Block([]byte("dst"), raw, level)
			if err != nil || c != Raw || string(stored) != "dst"+string(raw) {
				t.Errorf("garbage %t, level %d: codec %d, %d bytes, %v", garbage, level, c, len(stored), err)
			}
			if e.Faults() != i+1 {
				t.Errorf("garbage %t: %d faults", garbage, e.Faults())
			}
		}
	}
}

// wrongPlanes decodes planes to other bytes.
type wrongPlanes struct{ blockDecoder }

func (w wrongPlanes) holds(planes, raw []byte) bool {
	return w.blockDecoder.holds(planes, another(raw))
}

// another returns raw but for one bit in the middle.
func another(raw []byte) []byte {
	raw = bytes.Clone(raw)
	raw[len(raw)/2] ^= 1
	return raw
}

// What is compared while it is decoded is compared to the last bit.
func TestEveryByteOfPlanesIsCompared(t *testing.T) {
	e, d := NewEncoder(), NewDecoder()
	for _, w := range []int{2, 4} {
		for _, n := range []int{1, 2, 3, 4, 15, 16, 17, 63, 64, 65, 66, 67, 1021, 4096} {
			raw := weights(n, w)
			stored := e.appendPlanes(nil, raw, w, runLogMin)
			if !d.holds(stored, raw) || d.holds(stored, raw[:n-1]) || d.holds(stored, append(raw[:n:n], 0)) || d.holds(stored[:len(stored)-1], raw) {
				t.Fatalf("%d bytes of width %d", n, w)
			}
			for i := range raw {
				raw[i] ^= 1 << (i % 8)
				if d.holds(stored, raw) {
					t.Fatalf("%d bytes of width %d: byte %d is another", n, w, i)
				}
				raw[i] ^= 1 << (i % 8)
			}
		}
	}
}

func TestFaultyPlanesAreCaught(t *testing.T) {
	e, raw := NewEncoder(), weights(64<<10, 2)
	e.dec = wrongPlanes{e.dec}
	c, stored, err := e.BlockTyped(nil, raw, Planes, 2)
	if err != nil || c != Zstd || e.Faults() != 1 {
		t.Fatalf("codec %d, %d faults, %v", c, e.Faults(), err)
	}
	if got, err := NewDecoder().Block(nil, c, stored, len(raw)); err != nil || !bytes.Equal(got, raw) {
		t.Errorf("%d bytes back, %v", len(got), err)
	}
}

// counting counts the bytes it is given.
type counting struct {
	blockEncoder
	n *int
}

func (c counting) EncodeAll(src, dst []byte) []byte {
	*c.n += len(src)
	return c.blockEncoder.EncodeAll(src, dst)
}

func TestRandomBytesAreNotCompressedInVain(t *testing.T) {
	e, n := NewEncoder(), 0
	for l := range e.by {
		e.by[l] = counting{e.by[l], &n}
	}
	for _, level := range []Level{Fast, Better} {
		n = 0
		if block(t, e, randomBytes(1, 256<<10), level); n > 16<<10 {
			t.Errorf("level %d: %d bytes were compressed", level, n)
		}
	}
}

// allocated returns how many bytes f allocates.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// A second frame in the bytes of a block must not be believed when it asks for memory.
func TestDecoderBoundsEveryFrame(t *testing.T) {
	_, frame := block(t, NewEncoder(), prose(1, 10000), Fast)
	stored := newZstd(zstd.SpeedFastest).EncodeAll(make([]byte, 128<<20), bytes.Clone(frame))
	d := NewDecoder()
	if n := allocated(func() {
		if _, err := d.Block(nil, Zstd, stored, 10000); !errors.Is(err, ErrDamaged) {
			t.Errorf("got %v", err)
		}
	}); n > 32<<20 {
		t.Errorf("%d bytes allocated for a block of 10000", n)
	}
}

func TestDecoderRefuses(t *testing.T) {
	d := NewDecoder()
	_, frame := block(t, NewEncoder(), prose(1, 10000), Fast)
	stream := func() []byte { // a frame that does not say its size
		var b bytes.Buffer
		w, err := zstd.NewWriter(&b)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(make([]byte, 3<<20))
		w.Flush()
		w.Write(make([]byte, 3<<20))
		w.Close()
		return b.Bytes()
	}()
	for name, v := range map[string]struct {
		c      Codec
		stored []byte
		n      int
		want   error
	}{
		"negative":             {Raw, nil, -1, ErrDamaged},
		"too large":            {Zstd, frame, MaxBlock + 1, ErrDamaged},
		"too large, but whole": {Raw, make([]byte, MaxBlock+1), MaxBlock + 1, ErrDamaged},
		"raw short":            {Raw, []byte("ab"), 3, ErrDamaged},
		"raw long":             {Raw, []byte("ab"), 1, ErrDamaged},
		"frame short":          {Zstd, frame, 10001, ErrDamaged},
		"frame long":           {Zstd, frame, 9999, ErrDamaged},
		"frame cut":            {Zstd, frame[:len(frame)-1], 10000, ErrDamaged},
		"frame and more":       {Zstd, append(bytes.Clone(frame), frame...), 10000, ErrDamaged},
		"no frame":             {Zstd, nil, 0, ErrDamaged},
		"size unsaid":          {Zstd, stream, 6 << 20, ErrDamaged},
		"planes, nothing":      {Planes, nil, 0, ErrDamaged},
		"planes, width 3":      {Planes, []byte{3}, 0, ErrDamaged},
		"planes, run of 512":   {Planes, []byte{0x82}, 0, ErrDamaged},
		"planes, no tail":      {Planes, []byte{2}, 1, ErrDamaged},
		"planes, mode":         {Planes, []byte{2, 5, 0, 5, 0}, 2, ErrDamaged},
		"planes, more":         {Planes, []byte{2, 0, 7, 0, 8, 9}, 2, ErrDamaged},
		"planes, no plane":     {Planes, []byte{2}, MaxBlock, ErrDamaged},
		"planes, huff size":    {Planes, []byte{2, 1, 255, 255, 255, 0}, 2000, ErrDamaged},
		"planes, zstd":         {Planes, []byte{2, 3, 2, 0, 0, 1, 2}, 2000, ErrDamaged},
		"planes, mode 5":       {Planes, []byte{2, 5, 1, 0, 0, 1, 2, 0}, 2, ErrDamaged},
		"sparse, no value":     {Planes, []byte{2, 4, 0, 0, 0, 2, 0}, 20, ErrDamaged},
		"sparse, half a pair":  {Planes, []byte{2, 4, 2, 0, 0, 7, 1, 2, 0}, 20, ErrDamaged},
		"sparse, past the end": {Planes, []byte{2, 4, 5, 0, 0, 7, 8, 1, 1, 1, 2, 0}, 20, ErrDamaged},
		"stride":               {Stride, nil, 0, ErrUnsupported},
		"delta":                {Delta, nil, 0, ErrUnsupported},
		"subtract":             {Subtract, nil, 0, ErrDamaged},
		"unknown":              {200, nil, 0, ErrUnsupported},
	} {
		if got, err := d.Block([]byte("dst"), v.c, v.stored, v.n); !errors.Is(err, v.want) || string(got) != "dst" {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	sparse := []byte{2, 4, 5, 0, 0, 7, 8, 1, 0, 2, 2, 0}
	if got, err := d.Block(nil, Planes, sparse, 20); err != nil || !bytes.Equal(got, []byte{7, 0, 7, 0, 7, 0, 7, 0, 7, 0, 7, 0, 7, 0, 7, 0, 1, 0, 2, 0}) {
		t.Errorf("a sparse run: %v, %v", got, err)
	}
	if got, err := d.Block(nil, Planes, []byte{2, 0, 7, 0, 8}, 2); err != nil || !bytes.Equal(got, []byte{7, 8}) {
		t.Errorf("a whole planes block: %v, %v", got, err)
	}
}

func FuzzDecoderBlock(f *testing.F) {
	e, d := NewEncoder(), NewDecoder()
	text := prose(1, 5000)
	_, frame := block(f, e, text, Fast)
	f.Add(uint8(Zstd), frame, len(text))
	f.Add(uint8(Raw), []byte("abc"), 3)
	f.Add(uint8(Planes), e.appendPlanes(nil, weights(3001, 2), 2, 10), 3001)
	f.Add(uint8(Planes), e.appendPlanes(nil, weights(3003, 4), 4, 17), 3003)
	f.Add(uint8(Planes), e.appendPlanes(nil, rare(3002, 97, 7), 2, 11), 3002)
	f.Fuzz(func(t *testing.T, c uint8, stored []byte, n int) {
		got, err := d.Block(nil, Codec(c), stored, n)
		if err == nil && len(got) != n {
			t.Fatalf("%d bytes for %d", len(got), n)
		}
		if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrUnsupported) {
			t.Fatal(err)
		}
	})
}

func BenchmarkBlock(b *testing.B) {
	for _, v := range []struct {
		name string
		raw  []byte
	}{{"prose", prose(1, 256<<10)}, {"random", randomBytes(1, 256<<10)}, {"bf16", weights(256<<10, 2)}, {"zeros", make([]byte, 256<<10)}} {
		for _, level := range []Level{Fast, Better} {
			b.Run([]string{"fast/", "better/"}[level]+v.name, func(b *testing.B) {
				e := NewEncoder()
				var out []byte
				b.SetBytes(int64(len(v.raw)))
				b.ReportAllocs()
				for b.Loop() {
					_, out, _ = e.Block(out[:0], v.raw, level)
				}
				b.ReportMetric(float64(len(out))/float64(len(v.raw)), "ratio")
			})
		}
	}
}

func BenchmarkProbe(b *testing.B) {
	e, raw := NewEncoder(), randomBytes(1, 256<<10)
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		e.incompressible(raw)
	}
}

func BenchmarkPlanes(b *testing.B) {
	for _, w := range []int{2, 4} {
		raw := weights(256<<10, w)
		e, d := NewEncoder(), NewDecoder()
		stored := e.appendPlanes(nil, raw, w, runLog)
		name := []string{2: "2", 4: "4"}[w]
		b.Run("encode/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				e.typed = e.appendPlanes(e.typed[:0], raw, w, runLog)
			}
			b.ReportMetric(float64(len(stored))/float64(len(raw)), "ratio")
		})
		b.Run("decode/"+name, func(b *testing.B) {
			var out []byte
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				out, _ = d.Block(out[:0], Planes, stored, len(raw))
			}
		})
		b.Run("typed/"+name, func(b *testing.B) {
			var out []byte
			b.SetBytes(int64(len(raw)))
			for b.Loop() {
				_, out, _ = e.BlockTyped(out[:0], raw, Planes, uint8(w))
			}
		})
	}
}
