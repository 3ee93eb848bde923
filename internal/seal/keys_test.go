package seal

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"math/rand/v2"
	"testing"
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
