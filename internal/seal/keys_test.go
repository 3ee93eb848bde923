package seal

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"testing"

	"golang.org/x/crypto/argon2"
)

// seeded is a reproducible source of "random" bytes.
func seeded(seed byte) *rand.ChaCha8 { return rand.NewChaCha8([32]byte{seed}) }

func randomBytes(seed byte, n int) []byte {
	b := make([]byte, n)
	seeded(seed).Read(b)
	return b
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func testKeys() *Keys { return Derive(Master{1, 2, 3}, [16]byte{4, 5, 6}) }

// expand is HKDF by its definition in RFC 5869, apart from the library that the package uses.
func expand(prk []byte, info string, n int) []byte {
	var out, t []byte
	for i := byte(1); len(out) < n; i++ {
		h := hmac.New(sha256.New, prk)
		h.Write(t)
		h.Write([]byte(info))
		h.Write([]byte{i})
		t = h.Sum(nil)
		out = append(out, t...)
	}
	return out[:n]
}

func extract(salt, secret []byte) []byte {
	h := hmac.New(sha256.New, salt)
	h.Write(secret)
	return h.Sum(nil)
}

// RFC 5869, appendix A.1.
func TestHKDFVector(t *testing.T) {
	ikm := bytes.Repeat([]byte{0x0b}, 22)
	salt := unhex(t, "000102030405060708090a0b0c")
	info := string(unhex(t, "f0f1f2f3f4f5f6f7f8f9"))
	want := unhex(t, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865")
	if got := expand(extract(salt, ikm), info, 42); !bytes.Equal(got, want) {
		t.Errorf("reference: %x", got)
	}
	got, err := hkdf.Key(sha256.New, ikm, salt, info, 42)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("library: %x, %v", got, err)
	}
}

// McGrew and Viega's AES-256 test cases 13 to 16; the last with associated data.
func TestGCMVector(t *testing.T) {
	for _, v := range []struct{ key, nonce, plain, aad, sealed string }{
		{"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "", "",
			"530f8afbc74536b9a963b4f1c4cb738b"},
		{"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000", "00000000000000000000000000000000", "",
			"cea7403d4d606b6e074ec5d3baf39d18d0d1c8a799996bf0265b98b5d48ab919"},
		{"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
			"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
			"feedfacedeadbeeffeedfacedeadbeefabaddad2",
			"522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b"},
	} {
		got := newGCM(unhex(t, v.key)).Seal(nil, unhex(t, v.nonce), unhex(t, v.plain), unhex(t, v.aad))
		if hex.EncodeToString(got) != v.sealed {
			t.Errorf("got %x want %s", got, v.sealed)
		}
	}
}

func TestDeriveFollowsTheLabels(t *testing.T) {
	m, vault := Master{9}, [16]byte{8}
	k := Derive(m, vault)
	prk := extract(vault[:], m[:])
	for label, got := range map[string][]byte{
		"varve/1 ids": k.ID[:], "varve/1 gear": k.Gear[:], "varve/1 index": k.index[:],
		"varve/1 metadata": k.meta[:], "varve/1 packs": k.packs[:],
	} {
		if want := expand(prk, label, 32); !bytes.Equal(got, want) {
			t.Errorf("%s: got %x want %x", label, got, want)
		}
	}
	if o := Derive(m, [16]byte{7}); o.ID == k.ID || o.packs == k.packs {
		t.Error("two vaults with one master share keys")
	}
}

var cheap = Params{Time: 1, Memory: 64, Threads: 2}

func passphraseSlot(t testing.TB, m Master) Slot {
	t.Helper()
	s, err := SealMaster(m, []byte("correct horse"), cheap, seeded(1))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSlotRoundTripThroughJSON(t *testing.T) {
	m := Master(randomBytes(3, 32))
	for _, s := range []Slot{StoredSlot(m), passphraseSlot(t, m)} {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		var back Slot
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
		got, err := back.Open([]byte("correct horse"))
		if err != nil || got != m {
			t.Errorf("%s: %x, %v", s.Kind, got, err)
		}
		if s.NeedsPassphrase() != (s.Kind == "passphrase") {
			t.Errorf("%s: needs passphrase: %t", s.Kind, s.NeedsPassphrase())
		}
	}
}

// The slot must open by the text of the format alone.
func TestPassphraseSlotBytes(t *testing.T) {
	m := Master(randomBytes(3, 32))
	s := passphraseSlot(t, m)
	bind := append([]byte("varve/1 slot passphrase\x00\x01\x00\x00\x00\x40\x00\x00\x00\x02\x00\x00\x00"), s.Argon2id.Salt...)
	okm := argon2.IDKey([]byte("correct horse"), s.Argon2id.Salt, 1, 64, 2, 64)
	if !bytes.Equal(okm[32:], s.Commitment) {
		t.Error("commitment differs")
	}
	plain, err := newGCM(okm[:32]).Open(nil, make([]byte, 12), s.Sealed, bind)
	if err != nil || Master(plain) != m {
		t.Errorf("sealed: %x, %v", plain, err)
	}
	sum := sha256.Sum256(append(append(bind, s.Commitment...), s.Sealed...))
	if !bytes.Equal(sum[:16], s.Sum) {
		t.Error("sum differs")
	}
}

func TestSlotTellsWrongKeyFromDamage(t *testing.T) {
	s := passphraseSlot(t, Master{7})
	if _, err := s.Open([]byte("wrong horse")); !errors.Is(err, ErrWrongKey) {
		t.Errorf("wrong passphrase: %v", err)
	}
	if _, err := s.Open(nil); !errors.Is(err, ErrWrongKey) {
		t.Errorf("no passphrase: %v", err)
	}
	for name, field := range map[string]func(*Slot) []byte{
		"salt":       func(s *Slot) []byte { return s.Argon2id.Salt },
		"commitment": func(s *Slot) []byte { return s.Commitment },
		"sealed":     func(s *Slot) []byte { return s.Sealed },
		"sum":        func(s *Slot) []byte { return s.Sum },
	} {
		for i := range field(&s) {
			d := passphraseSlot(t, Master{7})
			field(&d)[i] ^= 0x10
			if _, err := d.Open([]byte("correct horse")); !errors.Is(err, ErrDamaged) {
				t.Fatalf("%s byte %d: %v", name, i, err)
			}
		}
	}
	st := StoredSlot(Master{7})
	for i := range st.Master {
		st.Master[i] ^= 1
		if _, err := st.Open(nil); !errors.Is(err, ErrDamaged) {
			t.Fatalf("stored byte %d: %v", i, err)
		}
		st.Master[i] ^= 1
	}
}

// An attacker who can write slots recomputes the sum; then the commitment and the tag must both hold.
func TestSlotNeedsCommitmentAndTag(t *testing.T) {
	for name, change := range map[string]func(*Slot){
		"commitment": func(s *Slot) { s.Commitment[5] ^= 1 },
		"sealed":     func(s *Slot) { s.Sealed[5] ^= 1 },
	} {
		s := passphraseSlot(t, Master{7})
		change(&s)
		s.Sum = s.sum()
		if _, err := s.Open([]byte("correct horse")); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSlotBounds(t *testing.T) {
	for _, p := range []Params{
		{Time: 0, Memory: 64, Threads: 1}, {Time: 65, Memory: 64, Threads: 1}, {Time: 1, Memory: 64, Threads: 0},
		{Time: 1, Memory: 4<<20 + 1, Threads: 1}, {Time: 1, Memory: 31, Threads: 4}, {Time: 1, Memory: 4096, Threads: 65},
		{Time: 1, Memory: 1 << 31, Threads: 1 << 29},
	} {
		if _, err := SealMaster(Master{}, []byte("x"), p, seeded(1)); !errors.Is(err, ErrUnsupported) {
			t.Errorf("seal %+v: %v", p, err)
		}
		s := passphraseSlot(t, Master{})
		s.Argon2id.Params = p
		s.Sum = s.sum()
		if _, err := s.Open([]byte("x")); !errors.Is(err, ErrUnsupported) {
			t.Errorf("open %+v: %v", p, err)
		}
	}
	if err := DefaultParams().check(); err != nil {
		t.Error(err)
	}
	if _, err := (Slot{Kind: "public"}).Open(nil); !errors.Is(err, ErrUnsupported) {
		t.Errorf("unknown kind: %v", err)
	}
	if _, err := SealMaster(Master{}, nil, cheap, seeded(1)); err == nil {
		t.Error("an empty passphrase was taken")
	}
	if _, err := SealMaster(Master{}, []byte("x"), cheap, bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error("a short random source was taken")
	}
}

func FuzzSlot(f *testing.F) {
	for _, s := range []Slot{StoredSlot(Master{1}), passphraseSlot(f, Master{1})} {
		b, err := json.Marshal(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var s Slot
		if json.Unmarshal(b, &s) != nil || s.Argon2id != nil && (s.Argon2id.Memory > 1024 || s.Argon2id.Time > 2) {
			return
		}
		m, err := s.Open([]byte("correct horse"))
		if err == nil && m != (Master{1}) && s.Kind != slotStored {
			t.Fatalf("opened to %x", m)
		}
	})
}
