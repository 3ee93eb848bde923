package seal

import (
	"bytes"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/argon2"
)

// Bounds of Argon2id parameters, checked before any work: a slot comes from outside.
const (
	maxTime    = 64
	maxMemory  = 4 << 20 // KiB
	maxThreads = 64
)

// The kinds of key slots.
const (
	SlotStored     = "stored"     // the master key in the clear
	SlotPassphrase = "passphrase" // wrapped by a passphrase
	SlotRecovery   = "recovery"   // wrapped by a recovery key
)

const (
	maxSlot  = 64 << 10 // bytes of JSON
	maxLabel = 200      // bytes
	slotTime = "2006-01-02T15:04:05Z"
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
	Kind       string   `json:"kind"`
	Created    string   `json:"created"` // in UTC, to the second
	Label      string   `json:"label,omitempty"`
	Master     []byte   `json:"master,omitempty"`
	Argon2id   *SlotKDF `json:"argon2id,omitempty"`
	Salt       []byte   `json:"salt,omitempty"`
	Commitment []byte   `json:"commitment,omitempty"`
	Sealed     []byte   `json:"sealed,omitempty"`
	Sum        []byte   `json:"sum"`
	Mac        []byte   `json:"mac"`
}

// SlotKDF says how a passphrase becomes a slot's key.
type SlotKDF struct {
	Params
	Salt []byte `json:"salt"`
}

// Note is what people may want to know of a slot.
type Note struct {
	Created time.Time
	Label   string // whose it is; at most 200 bytes
}

func newSlot(kind string, n Note) (Slot, error) {
	if len(n.Label) > maxLabel {
		return Slot{}, fmt.Errorf("label of %d bytes: at most %d", len(n.Label), maxLabel)
	}
	return Slot{Kind: kind, Created: n.Created.UTC().Format(slotTime), Label: n.Label}, nil
}

// StoredSlot returns the slot that keeps m in the clear: who reads the vault can open it.
func StoredSlot(m Master, created time.Time) Slot {
	s := Slot{Kind: SlotStored, Created: created.UTC().Format(slotTime), Master: bytes.Clone(m[:])}
	s.finish(m)
	return s
}

// SealMaster returns a slot that wraps m with a passphrase, taken byte for byte. It reads 32 bytes of rand.
// It is ErrUnsupported if params are out of bounds.
func SealMaster(m Master, passphrase []byte, params Params, n Note, rand io.Reader) (Slot, error) {
	if err := params.check(); err != nil {
		return Slot{}, err
	}
	if len(passphrase) == 0 {
		return Slot{}, errors.New("seal master key: empty passphrase")
	}
	s, err := newSlot(SlotPassphrase, n)
	if err != nil {
		return Slot{}, err
	}
	s.Argon2id = &SlotKDF{Params: params, Salt: make([]byte, 32)}
	if _, err := io.ReadFull(rand, s.Argon2id.Salt); err != nil {
		return Slot{}, fmt.Errorf("seal master key: read random salt: %w", err)
	}
	s.wrap(m, argon(passphrase, s.Argon2id))
	return s, nil
}

// SealRecovery returns a slot that wraps m with a recovery key. It reads 32 bytes of rand.
func SealRecovery(m Master, r Recovery, n Note, rand io.Reader) (Slot, error) {
	s, err := newSlot(SlotRecovery, n)
	if err != nil {
		return Slot{}, err
	}
	s.Salt = make([]byte, 32)
	if _, err := io.ReadFull(rand, s.Salt); err != nil {
		return Slot{}, fmt.Errorf("seal master key: read random salt: %w", err)
	}
	s.wrap(m, r.expand(s.Salt))
	return s, nil
}

// wrap seals m with okm: 32 bytes of key and 32 of commitment to it.
func (s *Slot) wrap(m Master, okm []byte) {
	aead := newGCM(okm[:32])
	s.Commitment = okm[32:]
	s.Sealed = aead.Seal(nil, make([]byte, aead.NonceSize()), m[:], s.bind())
	s.finish(m)
}

func (s *Slot) finish(m Master) { s.Sum, s.Mac = s.sum(), s.mac(m) }

// DecodeSlot reads the JSON of a slot. Bytes that are none are ErrDamaged.
func DecodeSlot(b []byte) (Slot, error) {
	var s Slot
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if len(b) > maxSlot || dec.Decode(&s) != nil || dec.More() {
		return Slot{}, fmt.Errorf("key slot: %w", ErrDamaged)
	}
	return s, nil
}

// NeedsSecret reports whether Open uses its secret.
func (s Slot) NeedsSecret() bool { return s.Kind == SlotPassphrase || s.Kind == SlotRecovery }

// Time returns when the slot was made.
func (s Slot) Time() time.Time {
	t, _ := time.Parse(slotTime, s.Created)
	return t
}

// Of reports whether the slot is, byte for byte, one that a holder of m has made for m.
func (s Slot) Of(m Master) bool {
	return s.Check() == nil && hmac.Equal(s.Mac, s.mac(m))
}

// Check reports what is wrong with a slot as far as that is seen without a secret: ErrDamaged or ErrUnsupported.
func (s Slot) Check() error {
	right := false
	switch s.Kind {
	case SlotStored:
		right = len(s.Master) == 32 && s.Argon2id == nil && len(s.Salt)+len(s.Commitment)+len(s.Sealed) == 0
	case SlotPassphrase:
		right = s.Argon2id != nil && len(s.Argon2id.Salt) == 32 && len(s.Salt)+len(s.Master) == 0 && len(s.Commitment) == 32 && len(s.Sealed) == 48
	case SlotRecovery:
		right = len(s.Salt) == 32 && s.Argon2id == nil && len(s.Master) == 0 && len(s.Commitment) == 32 && len(s.Sealed) == 48
	case "":
	default:
		return fmt.Errorf("key slot of kind %.32q: %w", s.Kind, ErrUnsupported)
	}
	if !right || len(s.Created) != len(slotTime) || len(s.Label) > maxLabel || len(s.Mac) != 16 || !bytes.Equal(s.sum(), s.Sum) {
		return fmt.Errorf("%s key slot: %w", s.Kind, ErrDamaged)
	}
	if s.Argon2id != nil {
		if err := s.Argon2id.check(); err != nil {
			return fmt.Errorf("passphrase key slot: %w", err)
		}
	}
	return nil
}

// kdf is Argon2id: 64 bytes of a passphrase. A test counts its runs.
type kdf func(passphrase []byte, k *SlotKDF) []byte

func argon(passphrase []byte, k *SlotKDF) []byte {
	return argon2.IDKey(passphrase, k.Salt, k.Time, k.Memory, uint8(k.Threads), 64)
}

// Open returns the master key. The secret is a passphrase or the text of a recovery key; a "stored" slot
// ignores it. ErrWrongKey says that the secret is another one, ErrDamaged that the slot is not as it was
// written, ErrUnsupported that its kind or its costs are beyond this version.
func (s Slot) Open(secret []byte) (Master, error) {
	o, err := s.open(secret, argon)
	return o.Master, err
}

// Opened is a slot that opened.
type Opened struct {
	Master Master
	Slot   int      // position in the list; -1: none of it
	Wrap   [32]byte // the key that unwrapped it: OpenWrapped needs no secret. Zero for a stored slot
}

func (s Slot) open(secret []byte, derive kdf) (Opened, error) {
	err := s.Check()
	switch {
	case s.Kind == SlotStored && err == nil:
		return Opened{Master: Master(s.Master)}, nil
	case s.Kind == SlotPassphrase && err == nil:
		return s.unwrap(derive(secret, s.Argon2id))
	case s.Kind == SlotRecovery && err == nil:
		r, err := ParseRecovery(secret)
		if err != nil {
			return Opened{}, err
		}
		return s.unwrap(r.expand(s.Salt))
	case s.Kind == SlotPassphrase || s.Kind == "":
		// The same work as for a slot that is whole: time does not tell which of them was damaged.
		derive(secret, &SlotKDF{Params: DefaultParams(), Salt: make([]byte, 32)})
	}
	return Opened{}, err
}

func (s Slot) unwrap(okm []byte) (Opened, error) {
	// Both checks always run, so that time does not tell which one refused.
	committed := subtle.ConstantTimeCompare(okm[32:], s.Commitment) == 1
	m, err := s.OpenWrapped([32]byte(okm))
	switch {
	case committed && err == nil:
		return Opened{Master: m, Wrap: [32]byte(okm)}, nil
	case committed || err == nil:
		return Opened{}, fmt.Errorf("%s key slot: %w", s.Kind, ErrDamaged)
	}
	return Opened{}, fmt.Errorf("%s key slot: %w", s.Kind, ErrWrongKey)
}

// OpenWrapped opens a slot with the key that its secret comes to, which Opened.Wrap is. It does not look at
// the commitment: the caller compares what it gets with the vault.
func (s Slot) OpenWrapped(wrap [32]byte) (Master, error) {
	aead := newGCM(wrap[:])
	plain, err := aead.Open(nil, make([]byte, aead.NonceSize()), s.Sealed, s.bind())
	if err != nil || len(plain) != 32 {
		return Master{}, fmt.Errorf("%s key slot: %w", s.Kind, ErrWrongKey)
	}
	return Master(plain), nil
}

// bind is what a slot says besides its secrets, as associated data.
func (s Slot) bind() []byte {
	b := append([]byte("varve/1 slot "), s.Kind...)
	b = append(b, 0)
	b = append(b, s.Created...)
	kdf := SlotKDF{Salt: s.Salt}
	if s.Argon2id != nil {
		kdf = *s.Argon2id
	}
	b = binary.LittleEndian.AppendUint32(b, kdf.Time)
	b = binary.LittleEndian.AppendUint32(b, kdf.Memory)
	b = binary.LittleEndian.AppendUint32(b, kdf.Threads)
	b = append(b, kdf.Salt...)
	return append(b, s.Label...)
}

// text is all of a slot that its sum and its mac vouch for.
func (s Slot) text() []byte {
	b := append(s.bind(), s.Master...)
	return append(append(b, s.Commitment...), s.Sealed...)
}

func (s Slot) sum() []byte {
	h := sha256.Sum256(s.text())
	return h[:16]
}

func (s Slot) mac(m Master) []byte {
	key, err := hkdf.Key(sha256.New, m[:], nil, "varve/1 slots", 32)
	if err != nil {
		panic("seal: hkdf refused a 32-byte secret: " + err.Error())
	}
	h := hmac.New(sha256.New, key)
	h.Write(s.text())
	return h.Sum(nil)[:16]
}
