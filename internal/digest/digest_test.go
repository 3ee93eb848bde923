package digest_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve/internal/digest"
)

// TestPublishedVectors: the keyed hashes of BLAKE3's published test vectors, cut to 32 bytes. The input is 0,
// 1, … 250 over and over.
func TestPublishedVectors(t *testing.T) {
	key := digest.Key([]byte("whats the Elvish word for friend"))
	h := digest.NewHasher(key)
	for _, v := range []struct {
		n    int
		want string
	}{
		{0, "92b2b75604ed3c761f9d6f62392c8a9227ad0ea3f09573e783f1498a4ed60d26"},
		{1, "6d7878dfff2f485635d39013278ae14f1454b8c0a3a2d34bc1ab38228a80c95b"},
		{1023, "c951ecdf03288d0fcc96ee3413563d8a6d3589547f2c2fb36d9786470f1b9d6e"},
		{1024, "75c46f6f3d9eb4f55ecaaee480db732e6c2105546f1e675003687c31719c7ba4"},
		{1025, "357dc55de0c7e382c900fd6e320acc04146be01db6a8ce7210b7189bd664ea69"},
		{2049, "9f29700902f7c86e514ddc4df1e3049f258b2472b6dd5267f61bf13983b78dd5"},
		{4096, "befc660aea2f1718884cd8deb9902811d332f4fc4a38cf7c7300d597a081bfc0"},
		{8193, "954a2a75420c8d6547e3ba5b98d963e6fa6491addc8c023189cc519821b4a1f5"},
		{16384, "9e9fc4eb7cf081ea7c47d1807790ed211bfec56aa25bb7037784c13c4b707b0d"},
		{31744, "efa53b389ab67c593dba624d898d0f7353ab99e4ac9d42302ee64cbf9939a419"},
	} {
		in := make([]byte, v.n)
		for i := range in {
			in[i] = byte(i % 251)
		}
		if got := h.Sum(in).String(); got != v.want {
			t.Errorf("%d bytes: %s, want %s", v.n, got, v.want)
		}
		if got := key.Sum(in).String(); got != v.want {
			t.Errorf("%d bytes by the key: %s, want %s", v.n, got, v.want)
		}
		if got := reference(key, in); got.String() != v.want {
			t.Errorf("%d bytes: the reference of this test says %s, want %s", v.n, got, v.want)
		}
	}
}

// reference is keyed BLAKE3 from its paper, as slow and as plain as can be.
func reference(key digest.Key, in []byte) digest.Digest {
	var k [8]uint32
	for i := range k {
		k[i] = binary.LittleEndian.Uint32(key[4*i:])
	}
	cv, block, counter, size, flags := subtree(k, in, 0)
	out := compress(cv, block, counter, size, flags|root)
	var d digest.Digest
	for i := range 8 {
		binary.LittleEndian.PutUint32(d[4*i:], out[i])
	}
	return d
}

const (
	chunkStart, chunkEnd, parent, root, keyed = 1, 2, 4, 8, 16
	chunkLen                                  = 1024
)

// subtree returns the arguments of the last compression of a subtree whose first chunk has that number.
func subtree(key [8]uint32, in []byte, chunk uint64) (cv [8]uint32, block [16]uint32, counter uint64, size, flags uint32) {
	if len(in) > chunkLen {
		left := chunkLen << (bits.Len(uint((len(in)-1)/chunkLen)) - 1) // the largest full tree that leaves something
		for i, half := range [][]byte{in[:left], in[left:]} {
			cv, b, c, n, f := subtree(key, half, chunk+uint64(i*left/chunkLen))
			out := compress(cv, b, c, n, f)
			copy(block[8*i:], out[:8])
		}
		return key, block, 0, 64, parent | keyed
	}
	cv, flags = key, chunkStart|keyed
	for {
		block = [16]uint32{}
		var padded [64]byte
		size = uint32(copy(padded[:], in))
		in = in[size:]
		for i := range block {
			block[i] = binary.LittleEndian.Uint32(padded[4*i:])
		}
		if len(in) == 0 {
			return cv, block, chunk, size, flags | chunkEnd
		}
		out := compress(cv, block, chunk, size, flags)
		cv, flags = [8]uint32(out[:8]), keyed
	}
}

func compress(cv [8]uint32, m [16]uint32, counter uint64, size, flags uint32) [16]uint32 {
	iv := [8]uint32{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19}
	s := [16]uint32{}
	copy(s[:], cv[:])
	copy(s[8:], iv[:4])
	s[12], s[13], s[14], s[15] = uint32(counter), uint32(counter>>32), size, flags
	g := func(a, b, c, d int, x, y uint32) {
		s[a] += s[b] + x
		s[d] = bits.RotateLeft32(s[d]^s[a], -16)
		s[c] += s[d]
		s[b] = bits.RotateLeft32(s[b]^s[c], -12)
		s[a] += s[b] + y
		s[d] = bits.RotateLeft32(s[d]^s[a], -8)
		s[c] += s[d]
		s[b] = bits.RotateLeft32(s[b]^s[c], -7)
	}
	for range 7 {
		for i := range 4 {
			g(i, 4+i, 8+i, 12+i, m[2*i], m[2*i+1])
		}
		for i := range 4 {
			g(i, 4+(i+1)%4, 8+(i+2)%4, 12+(i+3)%4, m[8+2*i], m[9+2*i])
		}
		next := m
		for i, from := range [16]int{2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8} {
			next[i] = m[from]
		}
		m = next
	}
	for i := range 8 {
		s[i] ^= s[i+8]
		s[i+8] ^= cv[i]
	}
	return s
}

func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// TestAgainstReference: any content of any length, all at once or in parts, with a Hasher used before.
func TestAgainstReference(t *testing.T) {
	all := random(1, 300<<10)
	rapid.Check(t, func(t *rapid.T) {
		key := digest.Key(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"))
		n := rapid.OneOf(rapid.IntRange(0, 5000), rapid.Map(rapid.IntRange(0, 64), func(c int) int { return max(0, c*chunkLen-1+c%3) })).Draw(t, "length")
		from := rapid.IntRange(0, len(all)-n).Draw(t, "from")
		in := all[from : from+n]
		want := reference(key, in)
		h := digest.NewHasher(key)
		h.Sum(all[:rapid.IntRange(0, 9000).Draw(t, "before")])
		if got := h.Sum(in); got != want {
			t.Fatalf("%d bytes: %s, want %s", n, got, want)
		}
		parts := digest.NewHasher(key)
		for rest := in; len(rest) > 0; {
			k := rapid.IntRange(min(64, len(rest)), len(rest)).Draw(t, "part")
			parts.Write(rest[:k])
			parts.Now() // it does not end the digest
			rest = rest[k:]
		}
		if got := parts.Now(); got != want {
			t.Fatalf("%d bytes in parts: %s, want %s", n, got, want)
		}
	})
}

// TestLongContent: what is hashed many chunks at a time.
func TestLongContent(t *testing.T) {
	key := digest.Key{1, 2, 3}
	in := random(2, 1<<20+777)
	if got, want := key.Sum(in), reference(key, in); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestKeysTellApart(t *testing.T) {
	a, b := digest.Key{1}, digest.Key{2}
	if a.Sum([]byte("x")) == b.Sum([]byte("x")) {
		t.Error("two keys, one digest")
	}
}

func TestStringParse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := digest.Digest(rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest"))
		if s := fmt.Sprintf("%x", d[:]); d.String() != s {
			t.Fatalf("%s, want %s", d, s)
		}
		back, err := digest.Parse(d.String())
		if err != nil || back != d {
			t.Fatalf("%s came back as %s: %v", d, back, err)
		}
		if d.IsZero() != (d == digest.Digest{}) {
			t.Fatal("IsZero")
		}
	})
	good := strings.Repeat("0f", 32)
	for _, s := range []string{"", "0", good[:63], good[:62], good + "0", good + "00", good[:63] + "g", good[:62] + " f", "0x" + good[:62], strings.Repeat("é", 32)} {
		if d, err := digest.Parse(s); err == nil || !d.IsZero() {
			t.Errorf("%q parsed as %s, %v", s, d, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(strings.Repeat("0f", 32))
	f.Add(strings.Repeat("AB", 32))
	f.Add("zz")
	f.Fuzz(func(t *testing.T, s string) {
		d, err := digest.Parse(s)
		if err != nil {
			return
		}
		if d.String() != strings.ToLower(s) {
			t.Errorf("%q parsed as %s", s, d)
		}
	})
}

func TestCompare(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		few := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 1), func(i int) byte { return byte(i * 255) }), 32, 32)
		a, b := digest.Digest(few.Draw(t, "a")), digest.Digest(few.Draw(t, "b"))
		if got, want := a.Compare(b), bytes.Compare(a[:], b[:]); got != want {
			t.Fatalf("%d, want %d", got, want)
		}
	})
	list := []digest.Digest{{2}, {1, 1}, {1}}
	slices.SortFunc(list, digest.Digest.Compare)
	if list[0] != (digest.Digest{1}) || list[2] != (digest.Digest{2}) {
		t.Errorf("order %v", list)
	}
}

// TestNoGarbage: a Hasher does not allocate.
func TestNoGarbage(t *testing.T) {
	h := digest.NewHasher(digest.Key{1})
	for _, n := range []int{100, 70 << 10} {
		in := random(3, n)
		if got := testing.AllocsPerRun(20, func() { h.Sum(in) }); got != 0 {
			t.Errorf("%v allocations for %d bytes", got, n)
		}
	}
}

func BenchmarkSum(b *testing.B) {
	h := digest.NewHasher(digest.Key{1})
	for _, n := range []int{1 << 10, 64 << 10, 256 << 10} {
		in := random(4, n)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				h.Sum(in)
			}
		})
	}
}
