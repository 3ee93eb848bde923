package seal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"
)

func sealed(t testing.TB, k *Keys, kind Kind, id, plain []byte) []byte {
	t.Helper()
	b, err := k.Seal(nil, kind, id, plain, seeded(1))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestKindsAreFrozen(t *testing.T) {
	got := []Kind{Manifest, Session, Index, Ledger, Condemn, Verdict, Done, Forget, Catalog, Config, Cache, Quarantine, Records}
	for i, k := range got {
		if int(k) != i+1 {
			t.Errorf("kind %d is %d", i+1, k)
		}
	}
	for i, c := range []Codec{Raw, Zstd, Planes, Stride, Delta, Subtract} {
		if int(c) != i {
			t.Errorf("codec %d is %d", i, c)
		}
	}
}

func TestObjectRoundTrip(t *testing.T) {
	k := testKeys()
	text := []byte(strings.Repeat("a layer each year, ", 4000))
	for _, plain := range [][]byte{nil, {0}, randomBytes(1, 15), randomBytes(2, 70000), text, make([]byte, 9<<20)} {
		for _, kind := range []Kind{Manifest, Index, Config} {
			s, err := k.Seal([]byte("before"), kind, []byte("id"), plain, seeded(4))
			if err != nil {
				t.Fatal(err)
			}
			if len(s) > len("before")+len(plain)+Overhead {
				t.Errorf("%d bytes became %d", len(plain), len(s))
			}
			got, err := k.Open([]byte("pre"), kind, []byte("id"), s[len("before"):], len(plain))
			if err != nil || string(got) != "pre"+string(plain) {
				t.Fatalf("%d bytes as kind %d: %d bytes, %v", len(plain), kind, len(got), err)
			}
		}
	}
	for _, text := range [][]byte{text, text[:200]} {
		if s := sealed(t, k, Manifest, nil, text); len(s) > Overhead+len(text)/2 {
			t.Errorf("text of %d bytes sealed to %d: not compressed", len(text), len(s))
		}
	}
}

// The object must open by the text of the format alone.
func TestObjectBytes(t *testing.T) {
	m, vault, id := Master{1, 2, 3}, [16]byte{4, 5, 6}, []byte("some id")
	for kind, label := range map[Kind]string{Ledger: "varve/1 metadata", Index: "varve/1 index"} {
		plain := []byte(strings.Repeat("sediment ", 100))
		s := sealed(t, Derive(m, vault), kind, id, plain)
		if want := append([]byte("vrvo\x01"), byte(kind), 0, 0); !bytes.Equal(s[:8], want) {
			t.Fatalf("header %x", s[:8])
		}
		root := expand(extract(vault[:], m[:]), label, 32)
		okm := expand(extract(s[8:40], root), "varve/1 object", 64)
		if !bytes.Equal(okm[32:], s[40:72]) {
			t.Fatal("commitment differs")
		}
		aad := slices.Concat(vault[:], []byte{byte(kind)}, id, s[:72])
		body, err := newGCM(okm[:32]).Open(nil, make([]byte, 12), s[72:], aad)
		if err != nil {
			t.Fatal(err)
		}
		if body[0] != 1 || binary.LittleEndian.Uint32(body[1:]) != uint32(len(plain)) {
			t.Fatalf("body starts %x", body[:5])
		}
		d, err := zstd.NewReader(nil)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if got, err := d.DecodeAll(body[5:], nil); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("%q, %v", got, err)
		}
	}
}

func TestObjectRefusesEveryFlippedBitAndCut(t *testing.T) {
	k := testKeys()
	s := sealed(t, k, Session, []byte("id"), []byte("a small object"))
	for i := range s {
		for bit := range 8 {
			s[i] ^= 1 << bit
			if got, err := k.Open(nil, Session, []byte("id"), s, 1<<20); !errors.Is(err, ErrDamaged) || len(got) != 0 {
				t.Fatalf("byte %d bit %d: %q, %v", i, bit, got, err)
			}
			s[i] ^= 1 << bit
		}
		if _, err := k.Open(nil, Session, []byte("id"), s[:i], 1<<20); !errors.Is(err, ErrDamaged) {
			t.Fatalf("cut to %d: %v", i, err)
		}
	}
	if _, err := k.Open(nil, Session, []byte("id"), append(s[:len(s):len(s)], 0), 1<<20); !errors.Is(err, ErrDamaged) {
		t.Errorf("a byte longer: %v", err)
	}
}

func TestObjectIsBoundToItsPlace(t *testing.T) {
	k := testKeys()
	s := sealed(t, k, Manifest, []byte("id"), []byte("plain"))
	if _, err := k.Open(nil, Manifest, []byte("id"), s, 100); err != nil {
		t.Fatal(err)
	}
	swapped := bytes.Clone(s)
	swapped[5] = byte(Session)
	for name, err := range map[string]error{
		"kind":          second(k.Open(nil, Session, []byte("id"), s, 100)),
		"kind, patched": second(k.Open(nil, Session, []byte("id"), swapped, 100)),
		"id":            second(k.Open(nil, Manifest, []byte("ie"), s, 100)),
		"no id":         second(k.Open(nil, Manifest, nil, s, 100)),
		"longer id":     second(k.Open(nil, Manifest, []byte("idv"), s, 100)),
		"vault":         second(Derive(Master{1, 2, 3}, [16]byte{4, 5, 7}).Open(nil, Manifest, []byte("id"), s, 100)),
		"master":        second(Derive(Master{1, 2, 4}, [16]byte{4, 5, 6}).Open(nil, Manifest, []byte("id"), s, 100)),
		"limit":         second(k.Open(nil, Manifest, []byte("id"), s, 4)),
		"no limit":      second(k.Open(nil, Manifest, []byte("id"), s, -1)),
	} {
		if !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// sealedBody seals a body of the test's choice, as only who holds the keys can.
func sealedBody(k *Keys, kind Kind, id, body []byte) []byte {
	salt := randomBytes(9, 32)
	aead, commitment := once(k.root(kind), salt, "varve/1 object")
	s := slices.Concat([]byte("vrvo\x01"), []byte{byte(kind), 0, 0}, salt, commitment[:])
	return aead.Seal(s, make([]byte, 12), body, k.objectAAD(kind, id, s))
}

// Associated data must bind even where key and commitment agree: the vault id is in the derivation too, so
// it takes a writer with the same roots and another id to show it.
func TestObjectAADHoldsTheVault(t *testing.T) {
	a, b := testKeys(), testKeys()
	b.vault[0] ^= 1
	s := sealed(t, a, Forget, nil, []byte("x"))
	if _, err := b.Open(nil, Forget, nil, s, 10); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

// GCM does not commit to its key: an attacker can make a ciphertext that opens under two. What stops it is
// that the commitment is compared; a tag that is right must not do alone.
func TestObjectChecksCommitment(t *testing.T) {
	k := testKeys()
	salt := randomBytes(9, 32)
	aead, commitment := once(&k.meta, salt, "varve/1 object")
	commitment[31] ^= 1
	s := slices.Concat([]byte("vrvo\x01"), []byte{byte(Manifest), 0, 0}, salt, commitment[:])
	s = aead.Seal(s, make([]byte, 12), []byte{0, 1, 0, 0, 0, 'x'}, k.objectAAD(Manifest, nil, s))
	if _, err := k.Open(nil, Manifest, nil, s, 10); !errors.Is(err, ErrDamaged) {
		t.Errorf("got %v", err)
	}
}

func TestObjectBodyIsBounded(t *testing.T) {
	k := testKeys()
	frame := newZstd(zstd.SpeedFastest).EncodeAll(make([]byte, 1<<20), nil)
	body := func(codec byte, n uint32, b []byte) []byte {
		return append(binary.LittleEndian.AppendUint32([]byte{codec}, n), b...)
	}
	for name, b := range map[string][]byte{
		"frame longer than it says":  body(1, 10, frame),
		"frame shorter than it says": body(1, 1<<20+1, frame),
		"raw longer":                 body(0, 1, []byte("ab")),
		"raw shorter":                body(0, 3, []byte("ab")),
		"codec":                      body(2, 2, []byte("ab")),
		"no frame":                   body(1, 2, []byte("ab")),
	} {
		if got, err := k.Open(nil, Manifest, nil, sealedBody(k, Manifest, nil, b), 2<<20); !errors.Is(err, ErrDamaged) || len(got) != 0 {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if got, err := k.Open(nil, Manifest, nil, sealedBody(k, Manifest, nil, body(1, 1<<20, frame)), 2<<20); err != nil || len(got) != 1<<20 {
		t.Errorf("the whole frame: %d bytes, %v", len(got), err)
	}
}

func TestFaultyObjectCodecIsCaught(t *testing.T) {
	plain := prose(1, 5000)
	for _, garbage := range []bool{false, true} {
		c := objectCodec{enc: faulty{newZstd(zstd.SpeedFastest), garbage}, dec: newUnzstd()}
		want := append([]byte{0, 0x88, 0x13, 0, 0}, plain...)
		if got := c.appendBody(nil, plain); !bytes.Equal(got, want) {
			t.Errorf("garbage %t: codec %d, %d bytes", garbage, got[0], len(got))
		}
	}
}

func TestSealNeedsRandom(t *testing.T) {
	if _, err := testKeys().Seal(nil, Manifest, nil, nil, bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error("sealed without a whole salt")
	}
	r := seeded(1)
	a, _ := testKeys().Seal(nil, Manifest, nil, []byte("x"), r)
	b, _ := testKeys().Seal(nil, Manifest, nil, []byte("x"), r)
	if bytes.Equal(a[8:72], b[8:72]) || bytes.Equal(a[72:], b[72:]) {
		t.Error("two seals share salt or ciphertext")
	}
}

func TestKeysAreConcurrent(t *testing.T) {
	k := testKeys()
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			plain := bytes.Repeat([]byte{byte(i), 1}, 5000+i)
			for range 20 {
				s, err := k.Seal(nil, Ledger, []byte{byte(i)}, plain, seeded(byte(i)))
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := k.Open(nil, Ledger, []byte{byte(i)}, s, len(plain)); err != nil || !bytes.Equal(got, plain) {
					t.Errorf("worker %d: %d bytes, %v", i, len(got), err)
				}
			}
		})
	}
	wg.Wait()
}

func FuzzOpen(f *testing.F) {
	k := testKeys()
	f.Add(sealed(f, k, Manifest, nil, []byte("x")), false)
	f.Add([]byte{1, 2, 0, 0, 0, 0x28, 0xb5, 0x2f, 0xfd}, true)
	f.Add(append([]byte{1, 100, 0, 0, 0}, newZstd(zstd.SpeedFastest).EncodeAll(make([]byte, 100), nil)...), true)
	f.Fuzz(func(t *testing.T, b []byte, authentic bool) {
		if authentic { // what a holder of the keys could write
			b = sealedBody(k, Manifest, nil, b)
		}
		got, err := k.Open(nil, Manifest, nil, b, 1<<16)
		if err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatalf("unknown error %v", err)
		}
		if err == nil && len(got) > 1<<16 {
			t.Fatalf("%d bytes past the limit", len(got))
		}
	})
}
