package seal

import (
	"crypto/subtle"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/klauspost/compress/zstd"
)

// Kind is the kind of a sealed object. Values are on disk and never change.
type Kind uint8

// The kinds of sealed objects.
const (
	Manifest Kind = 1
	Session  Kind = 2
	Index    Kind = 3
	Ledger   Kind = 4
	Condemn  Kind = 5
	Verdict  Kind = 6
	Done     Kind = 7
	Forget   Kind = 8
	Catalog  Kind = 9
	Config   Kind = 10
	Cache    Kind = 11
	// Quarantine says that a pack is damaged.
	Quarantine Kind = 12
	// Records is a segment of bulk records.
	Records Kind = 13
)

const (
	objectMagic   = "vrvo"
	objectVersion = 1
	objectHeader  = 72
	bodyHeader    = 5
	tagSize       = 16
)

// Overhead is the most by which Seal makes an object longer, in bytes.
const Overhead = objectHeader + bodyHeader + tagSize

// objectCodec is what sealing one object borrows; it is too big to make each time.
type objectCodec struct {
	enc blockEncoder
	dec *zstd.Decoder
}

func (k *Keys) borrow() *objectCodec {
	if c, ok := k.codecs.Get().(*objectCodec); ok {
		return c
	}
	return &objectCodec{enc: newZstd(zstd.SpeedFastest), dec: newUnzstd()}
}

func (k *Keys) root(kind Kind) *[32]byte {
	if kind == Index {
		return &k.index
	}
	return &k.meta
}

// objectAAD is the associated data of a sealed object. Only id varies in length, so no two inputs meet.
func (k *Keys) objectAAD(kind Kind, id, header []byte) []byte {
	b := make([]byte, 0, len(k.vault)+1+len(id)+len(header))
	b = append(b, k.vault[:]...)
	b = append(b, byte(kind))
	b = append(b, id...)
	return append(b, header...)
}

// Seal appends to dst the sealed form of plain as the object of that kind and id. It reads 32 bytes of rand.
// Its errors are rand's, and ErrUnsupported for plain of 4 GiB or more.
func (k *Keys) Seal(dst []byte, kind Kind, id []byte, plain []byte, rand io.Reader) ([]byte, error) {
	if uint64(len(plain)) > math.MaxUint32 {
		return dst, fmt.Errorf("seal object of kind %d with %d bytes: %w", kind, len(plain), ErrUnsupported)
	}
	var salt [32]byte
	if _, err := io.ReadFull(rand, salt[:]); err != nil {
		return dst, fmt.Errorf("seal object of kind %d: read random salt: %w", kind, err)
	}
	aead, commitment := once(k.root(kind), salt[:], "varve/1 object")
	start := len(dst)
	out := slices.Grow(dst, len(plain)+Overhead)
	out = append(out, objectMagic...)
	out = append(out, objectVersion, byte(kind), 0, 0)
	out = append(out, salt[:]...)
	out = append(out, commitment[:]...)
	body := len(out)
	c := k.borrow()
	out = c.appendBody(out, plain)
	k.codecs.Put(c)
	aad := k.objectAAD(kind, id, out[start:body])
	return aead.Seal(out[:body], make([]byte, aead.NonceSize()), out[body:], aad), nil
}

// appendBody appends codec, length and the smaller of plain and its zstd frame, which must decode to plain.
func (c *objectCodec) appendBody(out, plain []byte) []byte {
	at := len(out)
	out = append(out, byte(Zstd))
	out = binary.LittleEndian.AppendUint32(out, uint32(len(plain)))
	if len(plain) > 0 {
		out = c.enc.EncodeAll(plain, out)
		stored := out[at+bodyHeader:]
		if len(stored) < len(plain) && plausible(len(plain), len(stored)) {
			back, err := unzstd(c.dec, nil, stored, len(plain))
			if err == nil && string(back) == string(plain) {
				return out
			}
		}
	}
	out[at] = byte(Raw)
	return append(out[:at+bodyHeader], plain...)
}

// What is small may be stored in as few bytes as can be; of what is larger each stored byte stands for few, so that a
// vault takes no more memory to open than its size lets expect.
const (
	smallPlain = 1 << 20
	mostTimes  = 128
)

func plausible(plain, stored int) bool { return plain <= smallPlain || plain/mostTimes <= stored }

// Open appends to dst the plaintext of a sealed object, if it is the one of that kind and id in this vault
// and at most limit bytes long. Anything else is ErrDamaged.
func (k *Keys) Open(dst []byte, kind Kind, id []byte, sealed []byte, limit int) ([]byte, error) {
	out, err := k.open(dst, kind, id, sealed, limit)
	if err != nil {
		return dst, fmt.Errorf("open object of kind %d with %d bytes: %w", kind, len(sealed), err)
	}
	return out, nil
}

func (k *Keys) open(dst []byte, kind Kind, id, sealed []byte, limit int) ([]byte, error) {
	if len(sealed) < Overhead || string(sealed[:4]) != objectMagic {
		return nil, ErrDamaged
	}
	if sealed[4] != objectVersion {
		return nil, fmt.Errorf("object version %d: %w", sealed[4], ErrDamaged)
	}
	header := sealed[:objectHeader]
	aead, commitment := once(k.root(kind), header[8:40], "varve/1 object")
	if subtle.ConstantTimeCompare(commitment[:], header[40:]) != 1 {
		return nil, ErrDamaged
	}
	body, err := aead.Open(nil, make([]byte, aead.NonceSize()), sealed[objectHeader:], k.objectAAD(kind, id, header))
	if err != nil {
		return nil, ErrDamaged
	}
	n := binary.LittleEndian.Uint32(body[1:])
	if limit < 0 || uint64(n) > uint64(limit) {
		return nil, fmt.Errorf("%d bytes where %d are allowed: %w", n, limit, ErrDamaged)
	}
	stored := body[bodyHeader:]
	if !plausible(int(n), len(stored)) {
		return nil, fmt.Errorf("%d bytes stored in %d: %w", n, len(stored), ErrDamaged)
	}
	switch Codec(body[0]) {
	case Raw:
		if uint64(len(stored)) != uint64(n) {
			return nil, ErrDamaged
		}
		return append(dst, stored...), nil
	case Zstd:
		c := k.borrow()
		defer k.codecs.Put(c)
		return unzstd(c.dec, dst, stored, int(n))
	}
	return nil, ErrDamaged
}
