package seal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// refApply decodes a payload by the text of the format, with no care for hostile input.
func refApply(t interface{ Fatalf(string, ...any) }, payload []byte, bases [][]byte, plainLen int) []byte {
	u := func() uint64 {
		x, n := binary.Uvarint(payload)
		payload = payload[n:]
		return x
	}
	size := int(u())
	literals := payload[size:]
	payload = payload[:size]
	var out []byte
	next, last := map[int]int{}, -1
	for len(out) < plainLen {
		n := int(u())
		out = append(out, literals[:n]...)
		literals = literals[n:]
		if last >= 0 {
			next[last] += n
		}
		if len(out) == plainLen {
			break
		}
		head, z := u(), u()
		last = int(head & 3)
		off := next[last] + int(int64(z>>1)^-int64(z&1))
		out = append(out, bases[last][off:off+int(head>>2)]...)
		next[last] = off + int(head>>2)
	}
	if len(payload) != 0 || len(literals) != 0 {
		t.Fatalf("%d bytes of ops, %d literals left", len(payload), len(literals))
	}
	return out
}

func pick(bases [][]byte, used []int) [][]byte {
	var out [][]byte
	for _, i := range used {
		out = append(out, bases[i])
	}
	return out
}

func newWindow(bases ...[]byte) *Window {
	w := new(Window)
	for _, b := range bases {
		w.Add(b)
	}
	return w
}

// edit changes b as people and programs do.
func edit(t *rapid.T, b []byte) []byte {
	b = bytes.Clone(b)
	for range rapid.IntRange(0, 12).Draw(t, "edits") {
		at := rapid.IntRange(0, len(b)).Draw(t, "at")
		n := min(rapid.OneOf(rapid.IntRange(0, 40), rapid.IntRange(0, 9000)).Draw(t, "n"), len(b)-at)
		fresh := randomBytes(byte(at), n)
		switch rapid.IntRange(0, 3).Draw(t, "edit") {
		case 0:
			b = slices.Insert(b, at, fresh...)
		case 1:
			b = slices.Delete(b, at, at+n)
		case 2:
			copy(b[at:], fresh)
		case 3:
			moved := bytes.Clone(b[at : at+n])
			b = slices.Delete(b, at, at+n)
			b = slices.Insert(b, rapid.IntRange(0, len(b)).Draw(t, "to"), moved...)
		}
	}
	return b
}

func TestWindowProperty(t *testing.T) {
	w := new(Window)
	rapid.Check(t, func(t *rapid.T) {
		w.Reset()
		var bases [][]byte
		var whole []byte
		for i := range rapid.IntRange(1, 9).Draw(t, "bases") {
			n := rapid.IntRange(0, 30<<10).Draw(t, "size")
			b := randomBytes(byte(i), n)
			if rapid.Bool().Draw(t, "text") {
				b = prose(byte(i), n)
			}
			bases = append(bases, b)
			whole = append(whole, b...)
			if !w.Add(b) {
				t.Fatal("not added")
			}
		}
		target := edit(t, whole)
		payload, used, ok := w.Encode([]byte("dst"), target, len(target))
		if !ok {
			return
		}
		if string(payload[:3]) != "dst" || len(payload)-3 > len(target) {
			t.Fatalf("payload of %d bytes for %d", len(payload)-3, len(target))
		}
		if len(used) == 0 || len(used) > 4 || slices.Max(used) >= len(bases) {
			t.Fatalf("used %v of %d bases", used, len(bases))
		}
		got, err := Apply([]byte("pre"), payload[3:], pick(bases, used), len(target))
		if err != nil || string(got) != "pre"+string(target) {
			t.Fatalf("%d bytes for %d, %v", len(got), len(target), err)
		}
		if ref := refApply(t, payload[3:], pick(bases, used), len(target)); !bytes.Equal(ref, target) {
			t.Fatal("the reference decodes something else")
		}
	})
}

func TestWindowFindsWhatIsShared(t *testing.T) {
	base := randomBytes(1, 256<<10)
	cut := func(parts ...[]byte) []byte { return slices.Concat(parts...) }
	changed := bytes.Clone(base)
	for i := 5000; i < len(changed); i += 9001 {
		changed[i] ^= 0x55
	}
	for _, v := range []struct {
		name   string
		bases  [][]byte
		target []byte
		max    int // payload bytes
		used   []int
	}{
		{"same", [][]byte{base}, base, 16, []int{0}},
		{"insertion", [][]byte{base}, cut(base[:70001], []byte("new words"), base[70001:]), 40, []int{0}},
		{"deletion", [][]byte{base}, cut(base[:70001], base[70100:]), 24, []int{0}},
		{"scattered bytes", [][]byte{base}, changed, 28 * 12, []int{0}},
		{"moved", [][]byte{base}, cut(base[128<<10:], base[:128<<10]), 24, []int{0}},
		{"shifted by one", [][]byte{base}, base[1:], 16, []int{0}},
		{"across two bases", [][]byte{base[:100001], base[100001:]}, base[50000:150000], 28, []int{0, 1}},
		{"second base first", [][]byte{base[:100000], base[100000:]}, cut(base[150000:], base[:50000]), 28, []int{1, 0}},
		{"twice the same", [][]byte{base, base}, base[8:], 16, []int{0}},
		{"with empty bases", [][]byte{nil, base[:1000], nil, nil, base[1000:], nil}, base, 24, []int{1, 4}},
	} {
		payload, used, ok := newWindow(v.bases...).Encode(nil, v.target, len(v.target))
		if !ok || len(payload) > v.max || !slices.Equal(used, v.used) {
			t.Errorf("%s: ok %t, %d bytes, used %v", v.name, ok, len(payload), used)
			continue
		}
		if got, err := Apply(nil, payload, pick(v.bases, used), len(v.target)); err != nil || !bytes.Equal(got, v.target) {
			t.Errorf("%s: %d bytes, %v", v.name, len(got), err)
		}
	}
}

func TestWindowKeepsTheFourBestBases(t *testing.T) {
	var bases [][]byte
	var target []byte
	for i := range 7 {
		b := randomBytes(byte(i), 8<<10)
		bases = append(bases, b)
		target = append(target, b[:1000*(1+(i*3)%7)]...) // 1, 4, 7, 3, 6, 2, 5 kB
	}
	payload, used, ok := newWindow(bases...).Encode(nil, target, len(target))
	if !ok || !slices.Equal(used, []int{1, 2, 4, 6}) {
		t.Fatalf("ok %t, used %v", ok, used)
	}
	if len(payload) > 6000+100 {
		t.Errorf("%d bytes: the kept bases are not used fully", len(payload))
	}
	if got, err := Apply(nil, payload, pick(bases, used), len(target)); err != nil || !bytes.Equal(got, target) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestWindowDeclines(t *testing.T) {
	base := randomBytes(1, 64<<10)
	half := slices.Concat(base[:32<<10], randomBytes(2, 32<<10))
	for name, v := range map[string]struct {
		w      *Window
		target []byte
		limit  int
	}{
		"no base":          {new(Window), base, 1 << 20},
		"nothing shared":   {newWindow(base), randomBytes(3, 64<<10), 1 << 20},
		"no target":        {newWindow(base), nil, 1 << 20},
		"limit":            {newWindow(base), half, 30 << 10},
		"no limit":         {newWindow(base), base, 0},
		"target too large": {newWindow(base), make([]byte, MaxBlock+1), 1 << 30},
		"late match":       {newWindow(base), slices.Concat(randomBytes(4, 200<<10), base), 1 << 20},
	} {
		payload, used, ok := v.w.Encode([]byte("dst"), v.target, v.limit)
		if ok || used != nil || string(payload) != "dst" {
			t.Errorf("%s: ok %t, used %v, %d bytes", name, ok, used, len(payload))
		}
	}
	if _, _, ok := newWindow(base).Encode(nil, half, 33<<10); !ok {
		t.Error("declined within the limit")
	}
}

func TestWindowKeepsTheLimit(t *testing.T) {
	base := randomBytes(1, 16<<10)
	target := bytes.Clone(base)
	for i := 100; i < len(target); i += 64 {
		target[i] ^= 1
	}
	w := newWindow(base)
	whole, _, ok := w.Encode(nil, target, len(target))
	if !ok {
		t.Fatal("declined")
	}
	for limit := 1; limit < len(whole)+10; limit++ {
		p, _, ok := w.Encode(nil, target, limit)
		if len(p) > limit || ok != (limit >= len(whole)) {
			t.Fatalf("limit %d: %d of %d bytes, ok %t", limit, len(p), len(whole), ok)
		}
	}
}

func TestApplyIsBounded(t *testing.T) {
	base := make([]byte, 1<<20)
	copies := func(n int) []byte {
		var ops []byte
		for i := range n {
			ops = append(ops, 0)
			ops = binary.AppendUvarint(ops, uint64(len(base))<<2)
			ops = binary.AppendVarint(ops, int64(-len(base)*min(i, 1)))
		}
		return append(binary.AppendUvarint(nil, uint64(len(ops))), ops...)
	}
	if got, err := Apply(nil, copies(3), [][]byte{base}, 3<<20); err != nil || len(got) != 3<<20 {
		t.Errorf("three copies: %d bytes, %v", len(got), err)
	}
	many := copies(200)
	if n := allocated(func() { Apply(nil, many, [][]byte{base}, 10) }); n > 4<<20 {
		t.Errorf("%d bytes allocated for a target of 10", n)
	}
	literals := make([]byte, MaxBlock+1)
	large := binary.AppendUvarint(nil, uint64(len(literals)))
	large = append(append([]byte{byte(len(large))}, large...), literals...)
	if _, err := Apply(nil, large, nil, len(literals)); !errors.Is(err, ErrDamaged) {
		t.Errorf("a whole target of more than MaxBlock: %v", err)
	}
}

func TestWindowIsReusable(t *testing.T) {
	a, b := randomBytes(1, 300<<10), randomBytes(2, 20<<10)
	w := newWindow(a)
	if _, _, ok := w.Encode(nil, a, 100); !ok {
		t.Fatal("first use")
	}
	w.Add(b) // after the table was built
	if _, used, ok := w.Encode(nil, b, 100); !ok || !slices.Equal(used, []int{1}) {
		t.Errorf("added later: ok %t, used %v", ok, used)
	}
	w.Reset()
	if w.Len() != 0 {
		t.Errorf("%d bases after reset", w.Len())
	}
	w.Add(b)
	if _, _, ok := w.Encode(nil, a, len(a)); ok {
		t.Error("a base outlived the reset")
	}
	if _, used, ok := w.Encode(nil, b, 100); !ok || !slices.Equal(used, []int{0}) {
		t.Errorf("after reset: ok %t, used %v", ok, used)
	}
}

func TestWindowIsBounded(t *testing.T) {
	w := &Window{data: make([]byte, MaxWindow-10), starts: []int{0, MaxWindow - 10}}
	if w.Add(make([]byte, 11)) || w.Len() != 1 {
		t.Error("more than MaxWindow was added")
	}
}

// A wrong payload must not leave Encode: plant a decoder that finds it wrong.
func TestWindowVerifies(t *testing.T) {
	base := randomBytes(1, 64<<10)
	w := newWindow(base)
	for name, decode := range map[string]func([]byte, []byte, [][]byte, int) ([]byte, error){
		"other bytes": func(dst, p []byte, b [][]byte, n int) ([]byte, error) {
			out, err := Apply(dst, p, b, n)
			out[n/2] ^= 1
			return out, err
		},
		"error": func([]byte, []byte, [][]byte, int) ([]byte, error) { return nil, ErrDamaged },
	} {
		w.decode = decode
		if p, used, ok := w.Encode([]byte("dst"), base, 1<<20); ok || used != nil || string(p) != "dst" {
			t.Errorf("%s: ok %t, %d bytes", name, ok, len(p))
		}
	}
}

func TestApplyRefuses(t *testing.T) {
	base := []byte("0123456789")
	for name, v := range map[string]struct {
		payload []byte
		n       int
	}{
		"empty":               {nil, 1},
		"ops longer":          {[]byte{5, 1}, 1},
		"insert past target":  {[]byte{1, 2, 'a', 'b'}, 1},
		"insert past end":     {[]byte{1, 2, 'a'}, 2},
		"copy past base":      {[]byte{3, 0, 11 << 2, 0}, 11},
		"copy past target":    {[]byte{3, 0, 3 << 2, 0}, 2},
		"copy of nothing":     {[]byte{3, 0, 0, 0}, 2},
		"offset past base":    {[]byte{3, 0, 1 << 2, 20}, 1},
		"offset before base":  {[]byte{3, 0, 1 << 2, 1}, 1},
		"no such base":        {[]byte{3, 0, 1<<2 | 1, 0}, 1},
		"no offset":           {[]byte{2, 0, 1 << 2}, 1},
		"ops left":            {[]byte{4, 0, 1 << 2, 0, 0}, 1},
		"literals left":       {[]byte{3, 0, 1 << 2, 0, 'x'}, 1},
		"ops end":             {[]byte{3, 0, 1 << 2, 0}, 2},
		"offset wraps":        {append([]byte{16, 0, 1 << 2, 2, 0, 1 << 2}, binary.AppendVarint(nil, 1<<63-1)...), 2},
		"too large":           {[]byte{3, 0, 1 << 2, 0}, MaxBlock + 1},
		"negative":            {[]byte{0}, -1},
		"varint does not end": {bytes.Repeat([]byte{0xff}, 30), 1},
	} {
		if got, err := Apply([]byte("dst"), v.payload, [][]byte{base}, v.n); !errors.Is(err, ErrDamaged) || string(got) != "dst" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if got, err := Apply(nil, []byte{8, 1, 3 << 2, 4, 1, 2 << 2, 1, 0, 'x', 'y'}, [][]byte{base}, 7); !errors.Is(err, ErrDamaged) {
		t.Errorf("an insert of nothing at the end: %q, %v", got, err)
	}
	// x, 3 from 2, y, 2 from 6 − 1.
	if got, err := Apply(nil, []byte{6, 1, 3 << 2, 4, 1, 2 << 2, 1, 'x', 'y'}, [][]byte{base}, 7); err != nil || string(got) != "x234y56" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := Apply(nil, []byte{0}, nil, 0); err != nil || len(got) != 0 {
		t.Errorf("nothing: %q, %v", got, err)
	}
	if _, err := Apply(nil, []byte{0}, make([][]byte, 5), 0); !errors.Is(err, ErrDamaged) {
		t.Errorf("five bases: %v", err)
	}
}

func FuzzApply(f *testing.F) {
	bases := [][]byte{randomBytes(1, 5000), prose(2, 3000)}
	target := slices.Concat(bases[0][100:2000], []byte("between"), bases[1][5:])
	payload, _, ok := newWindow(bases...).Encode(nil, target, len(target))
	if !ok {
		f.Fatal("no seed")
	}
	f.Add(payload, len(target))
	f.Add([]byte{6, 1, 3 << 2, 4, 1, 2 << 2, 1, 'x', 'y'}, 7)
	f.Add([]byte{3, 0, 0xff, 0xff}, 1<<20)
	f.Fuzz(func(t *testing.T, payload []byte, n int) {
		got, err := Apply(nil, payload, bases, n)
		if err == nil && len(got) != n {
			t.Fatalf("%d bytes for %d", len(got), n)
		}
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
	})
}

func FuzzWindow(f *testing.F) {
	f.Add(prose(1, 500), prose(1, 600), uint16(100))
	f.Fuzz(func(t *testing.T, base, target []byte, cut uint16) {
		at := min(int(cut), len(base))
		bases := [][]byte{base[:at], base[at:]}
		payload, used, ok := newWindow(bases...).Encode(nil, target, len(target))
		if !ok {
			return
		}
		if got, err := Apply(nil, payload, pick(bases, used), len(target)); err != nil || !bytes.Equal(got, target) {
			t.Fatalf("%d bytes, %v", len(got), err)
		}
	})
}

// BenchmarkWindow adds 64 bases of 64 KiB and codes 64 targets of 64 KiB, as one changed file of 4 MiB does.
func BenchmarkWindow(b *testing.B) {
	const size, count = 64 << 10, 64
	r := rand.New(seeded(1))
	text := prose(1, size*count)
	noise := randomBytes(1, size*count)
	sparse := func(src []byte, every int) []byte {
		out := bytes.Clone(src)
		for i := r.IntN(every); i < len(out); i += 1 + r.IntN(2*every) {
			out[i] ^= byte(1 + r.IntN(255))
		}
		return out
	}
	for _, v := range []struct {
		name     string
		old, new []byte
	}{
		{"noise/same", noise, noise}, {"noise/edit per 16 KiB", noise, sparse(noise, 16<<10)}, {"noise/edit per 512", noise, sparse(noise, 512)},
		{"text/edit per 4 KiB", text, sparse(text, 4<<10)}, {"noise/other", noise, randomBytes(2, size*count)}, {"text/other", text, prose(9, size*count)},
		{"text/same words", text, slices.Concat(text[size*count/2+77:], prose(1, 2*size*count)[size*count:][:size*count/2+77])},
	} {
		b.Run(v.name, func(b *testing.B) {
			w := new(Window)
			out := make([]byte, 0, 2*size)
			stored := 0
			b.SetBytes(size * count)
			b.ReportAllocs()
			for b.Loop() {
				stored = 0
				w.Reset()
				for i := range count {
					w.Add(v.old[i*size:][:size])
				}
				for i := range count {
					p, _, ok := w.Encode(out[:0], v.new[i*size:][:size], size/2)
					if !ok {
						stored += size
					}
					stored += len(p)
				}
			}
			b.ReportMetric(float64(stored)/(size*count), "ratio")
		})
	}
}
