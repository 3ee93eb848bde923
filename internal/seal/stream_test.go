package seal

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func testStream() *Stream { return testKeys().Stream([32]byte{7}, 16, []byte("header")) }

const seg16 = 1<<16 + 16

func TestStreamRoundTripAndLengths(t *testing.T) {
	s := testStream()
	for _, n := range []int{0, 1, 65535, 65536, 65537, 131072, 200000} {
		plain := randomBytes(byte(n), n)
		got := s.Seal([]byte("dst"), plain)[3:]
		if int64(len(got)) != s.SealedLen(int64(n)) || s.PlainLen(int64(len(got))) != int64(n) {
			t.Errorf("%d bytes: %d sealed, SealedLen %d, PlainLen back %d", n, len(got), s.SealedLen(int64(n)), s.PlainLen(int64(len(got))))
		}
		back, err := s.OpenSegments([]byte("dst"), got, 0, s.Segments(int64(n)))
		if err != nil || !bytes.Equal(back[3:], plain) {
			t.Errorf("%d bytes: %d back, %v", n, len(back), err)
		}
	}
	for _, n := range []int64{-1, 1<<63 - 1, 1 << 48} {
		if s.SealedLen(n) != -1 || s.Segments(n) != 0 {
			t.Errorf("%d bytes: SealedLen %d, Segments %d", n, s.SealedLen(n), s.Segments(n))
		}
	}
	for _, n := range []int64{-5, 0, 15, seg16 + 16, seg16 + 1, 1<<63 - 1} {
		if s.PlainLen(n) != -1 {
			t.Errorf("sealed length %d: %d", n, s.PlainLen(n))
		}
	}
}

// The stream must open by the text of the format alone.
func TestStreamBytes(t *testing.T) {
	m, vault, salt := Master{1, 2, 3}, [16]byte{4, 5, 6}, [32]byte{7}
	plain := randomBytes(1, 70000)
	s := testStream()
	got := s.Seal(nil, plain)
	okm := expand(extract(salt[:], expand(extract(vault[:], m[:]), "varve/1 packs", 32)), "varve/1 stream", 64)
	if c := s.Commitment(); !bytes.Equal(c[:], okm[32:]) {
		t.Error("commitment differs")
	}
	aad := slices.Concat(vault[:], []byte{16}, []byte("header"))
	a := newGCM(okm[:32])
	first := a.Seal(nil, make([]byte, 12), plain[:65536], aad)
	last := a.Seal(nil, []byte{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1}, plain[65536:], aad)
	if !bytes.Equal(got, append(first, last...)) {
		t.Error("sealed bytes differ")
	}
}

func TestStreamSegmentsAnyOrder(t *testing.T) {
	s := testStream()
	plain := randomBytes(1, 3*65536+5)
	want := s.Seal(nil, plain)
	got := make([]byte, 4)[:0]
	parts := make([][]byte, 4)
	for _, n := range []int{2, 0, 3, 1} {
		parts[n] = s.SealSegment(nil, plain[n<<16:min((n+1)<<16, len(plain))], uint32(n), n == 3)
	}
	for _, p := range parts {
		got = append(got, p...)
	}
	if !bytes.Equal(got, want) {
		t.Error("segments sealed one by one differ")
	}
}

func TestStreamRange(t *testing.T) {
	s := testStream()
	rapid.Check(t, func(t *rapid.T) {
		plain := randomBytes(1, rapid.SampledFrom([]int{1, 65535, 65536, 65537, 131072, 200001}).Draw(t, "len"))
		sealed := s.Seal(nil, plain)
		total := int64(len(plain))
		off := rapid.Int64Range(0, total-1).Draw(t, "off")
		n := rapid.Int64Range(1, total-off).Draw(t, "n")
		first, at, size := s.Range(off, n, total)
		got, err := s.OpenSegments(nil, sealed[at:at+size], first, s.Segments(total))
		if err != nil {
			t.Fatal(err)
		}
		skip := off - int64(first)<<16
		if !bytes.Equal(got[skip:skip+n], plain[off:off+n]) {
			t.Fatalf("range %d+%d of %d differs", off, n, total)
		}
		if skip >= 1<<16 || int64(len(got))-skip-n >= 1<<16 {
			t.Fatalf("range %d+%d of %d opens whole segments too many", off, n, total)
		}
	})
	for _, r := range [][3]int64{{0, 0, 10}, {-1, 5, 10}, {5, 6, 10}, {11, 1, 10}, {1, 1<<63 - 1, 10}, {0, -1, 10}, {0, 1, -1}} {
		if first, at, size := s.Range(r[0], r[1], r[2]); first != 0 || at != 0 || size != 0 {
			t.Errorf("range %v: %d %d %d", r, first, at, size)
		}
	}
}

func TestStreamRefusesEveryFlippedByte(t *testing.T) {
	s := testStream()
	sealed := s.Seal(nil, randomBytes(1, 65536+20))
	for i := range sealed {
		if i > 300 && i < seg16-40 && i%1009 != 0 { // the middle of a full segment by sample
			continue
		}
		sealed[i] ^= 4
		if got, err := s.OpenSegments(nil, sealed, 0, 2); !errors.Is(err, ErrDamaged) || len(got) != 0 {
			t.Fatalf("byte %d: %d bytes, %v", i, len(got), err)
		}
		sealed[i] ^= 4
	}
}

func TestStreamRefusesOtherArrangements(t *testing.T) {
	s := testStream()
	sealed := s.Seal(nil, randomBytes(1, 3*65536))
	a, b, c := sealed[:seg16], sealed[seg16:2*seg16], sealed[2*seg16:]
	open := func(first, total uint32, parts ...[]byte) error {
		_, err := s.OpenSegments(nil, slices.Concat(parts...), first, total)
		return err
	}
	if err := open(0, 3, a, b, c); err != nil {
		t.Fatal(err)
	}
	if err := open(1, 3, b, c); err != nil {
		t.Fatal(err)
	}
	k := testKeys()
	other := func(s *Stream) error { return second(s.OpenSegments(nil, sealed, 0, 3)) }
	for name, err := range map[string]error{
		"reordered":         open(0, 3, b, a, c),
		"duplicated":        open(0, 3, a, a, c),
		"dropped":           open(0, 3, a, c),
		"cut at a segment":  open(0, 2, a, b),
		"cut in a segment":  open(0, 3, a, b[:1000]),
		"cut in the last":   open(0, 3, a, b, c[:1000]),
		"extended":          open(0, 4, a, b, c),
		"appended":          open(0, 4, a, b, c, c),
		"beyond the end":    open(1, 3, a, b, c),
		"at another place":  open(1, 3, a),
		"nothing":           open(0, 3),
		"no segment at all": open(0, 0, a),
		"only a tag":        open(1, 2, b[:16]),
		"number wraps":      open(1<<32-1, 1<<32-1, a, b),
		"other header":      other(k.Stream([32]byte{7}, 16, []byte("headex"))),
		"other salt":        other(k.Stream([32]byte{8}, 16, []byte("header"))),
		"other size":        other(k.Stream([32]byte{7}, 17, []byte("header"))),
		"other vault":       other(Derive(Master{1, 2, 3}, [16]byte{4}).Stream([32]byte{7}, 16, []byte("header"))),
	} {
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// With the roots equal, vault id and segment size are held by the associated data alone.
func TestStreamAADHoldsVaultAndSize(t *testing.T) {
	sealed := testStream().Seal(nil, []byte("short"))
	k := testKeys()
	if _, err := k.Stream([32]byte{7}, 17, []byte("header")).OpenSegments(nil, sealed, 0, 1); !errors.Is(err, ErrDamaged) {
		t.Errorf("size: %v", err)
	}
	k.vault[3] ^= 1
	if _, err := k.Stream([32]byte{7}, 16, []byte("header")).OpenSegments(nil, sealed, 0, 1); !errors.Is(err, ErrDamaged) {
		t.Errorf("vault: %v", err)
	}
}

// An empty last segment would be a second form of the same stream, even from who holds the keys.
func TestStreamHasOneForm(t *testing.T) {
	s := testStream()
	full := make([]byte, 1<<16)
	sealed := s.SealSegment(nil, full, 0, false)
	var nonce [12]byte
	setNonce(&nonce, 1, true)
	sealed = s.aead.Seal(sealed, nonce[:], nil, s.aad)
	if _, err := s.OpenSegments(nil, sealed, 0, 2); !errors.Is(err, ErrDamaged) {
		t.Errorf("an empty last segment: %v", err)
	}
	setNonce(&nonce, 0, false)
	sealed = s.aead.Seal(nil, nonce[:], full[:100], s.aad)
	if _, err := s.OpenSegments(nil, sealed, 0, 2); !errors.Is(err, ErrDamaged) {
		t.Errorf("a short segment before the last: %v", err)
	}
}

func TestStreamCommitmentsDiffer(t *testing.T) {
	k := testKeys()
	a := k.Stream([32]byte{1}, 16, nil).Commitment()
	if a == k.Stream([32]byte{2}, 16, nil).Commitment() || a == Derive(Master{2}, [16]byte{}).Stream([32]byte{1}, 16, nil).Commitment() {
		t.Error("two keys have one commitment")
	}
}

func TestStreamAllocatesNothingPerSegment(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector empties pools at random")
	}
	s := testStream()
	plain := make([]byte, 20<<16)
	sealed := s.Seal(nil, plain)
	out := make([]byte, 0, len(sealed))
	// A collection may empty the pool in between, hence not 0.
	if n := testing.AllocsPerRun(20, func() { s.Seal(out, plain) }); n > 2 {
		t.Errorf("sealing 20 segments: %v allocations", n)
	}
	if n := testing.AllocsPerRun(20, func() { s.OpenSegments(out, sealed, 0, 20) }); n > 2 {
		t.Errorf("opening 20 segments: %v allocations", n)
	}
}

func FuzzOpenSegments(f *testing.F) {
	s := testStream()
	f.Add(s.Seal(nil, []byte("x")), uint32(0), uint32(1))
	f.Add(s.Seal(nil, nil), uint32(0), uint32(1))
	f.Add(make([]byte, seg16+20), uint32(1<<32-2), uint32(1<<32-1))
	f.Fuzz(func(t *testing.T, b []byte, first, total uint32) {
		got, err := s.OpenSegments(nil, b, first, total)
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		if err == nil && !bytes.Equal(s.Seal(nil, got), b) && total == 1 {
			t.Fatalf("%x opened to %x", b, got)
		}
	})
}

func BenchmarkStream(b *testing.B) {
	for _, log := range []uint8{16, 18} {
		s := testKeys().Stream([32]byte{7}, log, make([]byte, 64))
		plain := randomBytes(1, 16<<20)
		sealed := s.Seal(nil, plain)
		out := make([]byte, 0, len(sealed))
		name := fmt.Sprintf("log=%d", log)
		b.Run("seal/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			for b.Loop() {
				s.Seal(out, plain)
			}
		})
		b.Run("open/"+name, func(b *testing.B) {
			b.SetBytes(int64(len(plain)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.OpenSegments(out, sealed, 0, s.Segments(int64(len(plain)))); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
