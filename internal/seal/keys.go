package seal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"golang.org/x/crypto/argon2"

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

// Bounds of Argon2id parameters, checked before any work: a slot comes from outside.
const (
	maxTime    = 64
	maxMemory  = 4 << 20 // KiB
	maxThreads = 64
)

// The kinds of key slots.
const (
	slotStored     = "stored"
	slotPassphrase = "passphrase"
)

// Params are the costs of Argon2id.
type Params struct {
	Time    uint32 `json:"time"`       // passes, 1 to 64
	Memory  uint32 `json:"memory_kib"` // KiB, 8·Threads to 4 GiB
	Threads uint32 `json:"threads"`    // lanes, 1 to 64
}

// DefaultParams returns the costs for new slots: 3 passes over 256 MiB in 4 lanes.
func DefaultParams() Params { return Params{Time: 3, Memory: 256 << 10, Threads: 4} }

func (p Params) check() error {
	if p.Time < 1 || p.Time > maxTime || p.Threads < 1 || p.Threads > maxThreads ||
		p.Memory < 8*p.Threads || p.Memory > maxMemory {
		return fmt.Errorf("argon2id with time %d, memory %d KiB, threads %d: %w", p.Time, p.Memory, p.Threads, ErrUnsupported)
	}
	return nil
}

// Slot is one way to the master key, kept with the data as JSON. See the package documentation for its bytes.
type Slot struct {
	Kind       string   `json:"kind"` // "stored" or "passphrase"
	Master     []byte   `json:"master,omitempty"`
	Argon2id   *SlotKDF `json:"argon2id,omitempty"`
	Commitment []byte   `json:"commitment,omitempty"`
	Sealed     []byte   `json:"sealed,omitempty"`
	Sum        []byte   `json:"sum"`
}

// SlotKDF says how a passphrase becomes a slot's key.
type SlotKDF struct {
	Params
	Salt []byte `json:"salt"`
}

// StoredSlot returns the slot that keeps m in the clear: who reads the vault can open it.
func StoredSlot(m Master) Slot {
	s := Slot{Kind: slotStored, Master: bytes.Clone(m[:])}
	s.Sum = s.sum()
	return s
}

// SealMaster returns a slot that wraps m with a passphrase, taken byte for byte. It reads 32 bytes of rand.
// It is ErrUnsupported if params are out of bounds.
func SealMaster(m Master, passphrase []byte, params Params, rand io.Reader) (Slot, error) {
	if err := params.check(); err != nil {
		return Slot{}, err
	}
	if len(passphrase) == 0 {
		return Slot{}, errors.New("seal master key: empty passphrase")
	}
	s := Slot{Kind: slotPassphrase, Argon2id: &SlotKDF{Params: params, Salt: make([]byte, 32)}}
	if _, err := io.ReadFull(rand, s.Argon2id.Salt); err != nil {
		return Slot{}, fmt.Errorf("seal master key: read random salt: %w", err)
	}
	wrap, commitment := s.Argon2id.derive(passphrase)
	s.Commitment = commitment
	s.Sealed = wrap.Seal(nil, make([]byte, wrap.NonceSize()), m[:], s.bind())
	s.Sum = s.sum()
	return s, nil
}

// NeedsPassphrase reports whether Open uses its passphrase.
func (s Slot) NeedsPassphrase() bool { return s.Kind == slotPassphrase }

// Open returns the master key. A "stored" slot ignores the passphrase. ErrWrongKey says that the
// passphrase is another one, ErrDamaged that the slot is not as it was written, ErrUnsupported that its kind
// or its costs are beyond this version.
func (s Slot) Open(passphrase []byte) (Master, error) {
	switch s.Kind {
	case slotStored:
		if len(s.Master) != 32 || !s.sumHolds() {
			return Master{}, fmt.Errorf("open stored key slot: %w", ErrDamaged)
		}
		return Master(s.Master), nil
	case slotPassphrase:
		return s.openPassphrase(passphrase)
	}
	return Master{}, fmt.Errorf("open key slot of kind %.32q: %w", s.Kind, ErrUnsupported)
}

func (s Slot) openPassphrase(passphrase []byte) (Master, error) {
	if s.Argon2id == nil || len(s.Argon2id.Salt) != 32 || len(s.Commitment) != 32 || len(s.Sealed) != 48 || !s.sumHolds() {
		return Master{}, fmt.Errorf("open passphrase key slot: %w", ErrDamaged)
	}
	if err := s.Argon2id.check(); err != nil {
		return Master{}, fmt.Errorf("open passphrase key slot: %w", err)
	}
	wrap, commitment := s.Argon2id.derive(passphrase)
	// Both checks always run, so that time does not tell which one refused.
	committed := subtle.ConstantTimeCompare(commitment, s.Commitment) == 1
	plain, err := wrap.Open(nil, make([]byte, wrap.NonceSize()), s.Sealed, s.bind())
	switch {
	case committed && err == nil:
		return Master(plain), nil
	case committed || err == nil:
		return Master{}, fmt.Errorf("open passphrase key slot: %w", ErrDamaged)
	}
	return Master{}, fmt.Errorf("open passphrase key slot: %w", ErrWrongKey)
}

// derive turns a passphrase into the wrapping AEAD and the commitment to its key. Params must be checked.
func (k *SlotKDF) derive(passphrase []byte) (cipher.AEAD, []byte) {
	okm := argon2.IDKey(passphrase, k.Salt, k.Time, k.Memory, uint8(k.Threads), 64)
	return newGCM(okm[:32]), okm[32:]
}

// bind is what a slot says besides its secrets, as associated data.
func (s Slot) bind() []byte {
	b := append([]byte("varve/1 slot "), s.Kind...)
	b = append(b, 0)
	var kdf SlotKDF
	if s.Argon2id != nil {
		kdf = *s.Argon2id
	}
	b = binary.LittleEndian.AppendUint32(b, kdf.Time)
	b = binary.LittleEndian.AppendUint32(b, kdf.Memory)
	b = binary.LittleEndian.AppendUint32(b, kdf.Threads)
	return append(b, kdf.Salt...)
}

func (s Slot) sum() []byte {
	h := sha256.New()
	h.Write(s.bind())
	h.Write(s.Master)
	h.Write(s.Commitment)
	h.Write(s.Sealed)
	return h.Sum(nil)[:16]
}

func (s Slot) sumHolds() bool { return bytes.Equal(s.sum(), s.Sum) }
