package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"sync"

	"varve/internal/digest"
)

// Master is the one secret from which all keys of a vault come. It must be 32 random bytes.
type Master [32]byte

// Keys are the keys of one vault. They are safe for concurrent use and must not be copied.
type Keys struct {
	ID   digest.Key // key of the digests
	Gear [32]byte   // seed of the chunker's table

	vault              [16]byte
	index, meta, packs [32]byte
	codecs             sync.Pool // of *objectCodec
}

// Derive returns the keys of the vault with the given id.
func Derive(m Master, vault [16]byte) *Keys {
	k := &Keys{vault: vault}
	prk, err := hkdf.Extract(sha256.New, m[:], vault[:])
	if err != nil {
		panic("seal: hkdf refused a 32-byte secret: " + err.Error())
	}
	for _, d := range []struct {
		to    []byte
		label string
	}{
		{k.ID[:], "varve/1 ids"},
		{k.Gear[:], "varve/1 gear"},
		{k.index[:], "varve/1 index"},
		{k.meta[:], "varve/1 metadata"},
		{k.packs[:], "varve/1 packs"},
	} {
		okm, err := hkdf.Expand(sha256.New, prk, d.label, 32)
		if err != nil {
			panic("seal: hkdf refused to expand: " + err.Error())
		}
		copy(d.to, okm)
	}
	return k
}

// once returns the AEAD that a salt selects under root, and the commitment to its key.
func once(root *[32]byte, salt []byte, label string) (cipher.AEAD, [32]byte) {
	okm, err := hkdf.Key(sha256.New, root[:], salt, label, 64)
	if err != nil {
		panic("seal: hkdf refused a 32-byte secret: " + err.Error())
	}
	return newGCM(okm[:32]), [32]byte(okm[32:])
}

func newGCM(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("seal: aes refused a 32-byte key: " + err.Error())
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("seal: gcm refused aes: " + err.Error())
	}
	return aead
}
