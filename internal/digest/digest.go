// Package digest names content by its digest: 32 bytes of keyed BLAKE3.
//
// It promises that equal bytes under equal keys have equal digests, and that who lacks the key cannot
// tell which content a digest names. A digest is written as 64 lower-case hex digits for people and as
// its 32 bytes on disk.
package digest

import (
	"bytes"
	"encoding/hex"
	"fmt"

	"github.com/zeebo/blake3"
)

// Size is the length of a Digest in bytes.
const Size = 32

// Digest is the name of some content. The zero Digest names nothing.
type Digest [Size]byte

// Key is the key of a vault's digests.
type Key [32]byte

// String returns the digest as 64 lower-case hex digits.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero reports whether d names nothing.
func (d Digest) IsZero() bool { return d == Digest{} }

// Compare orders digests by their bytes.
func (d Digest) Compare(o Digest) int { return bytes.Compare(d[:], o[:]) }

// Parse reads what String wrote.
func Parse(s string) (Digest, error) {
	var d Digest
	if len(s) != 2*Size {
		return d, fmt.Errorf("digest %q: want %d hex digits", s, 2*Size)
	}
	if _, err := hex.Decode(d[:], []byte(s)); err != nil {
		return Digest{}, fmt.Errorf("digest %q: %w", s, err)
	}
	return d, nil
}

// A Hasher computes digests under one key without allocating. It is not safe for concurrent use.
type Hasher struct{ h *blake3.Hasher }

// NewHasher returns a Hasher for k.
func NewHasher(k Key) *Hasher {
	h, err := blake3.NewKeyed(k[:])
	if err != nil {
		panic("digest: a 32-byte key was refused: " + err.Error())
	}
	return &Hasher{h: h}
}

// Sum returns the digest of b.
func (h *Hasher) Sum(b []byte) Digest {
	h.h.Reset()
	h.h.Write(b)
	var d Digest
	h.h.Sum(d[:0])
	return d
}

// Write adds bytes to a digest that Now returns; Sum starts afresh.
func (h *Hasher) Write(b []byte) (int, error) { return h.h.Write(b) }

// Now returns the digest of what was written so far.
func (h *Hasher) Now() Digest {
	var d Digest
	h.h.Sum(d[:0])
	return d
}

// Sum returns the digest of b under k. Use a Hasher where many are needed.
func (k *Key) Sum(b []byte) Digest { return NewHasher(*k).Sum(b) }
