package seal

import (
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"
)

// Bounds of a segment's log2 size.
const (
	MinSegmentLog = 16
	MaxSegmentLog = 20
)

// Stream seals and opens one long plaintext in segments, so that any range of it can be opened alone. It is
// safe for concurrent use. A segment number of one stream must be sealed with one plaintext only: a
// stream that is written again needs a new salt.
type Stream struct {
	aead       cipher.AEAD
	commitment [32]byte
	aad        []byte
	log        uint8
	nonces     sync.Pool // of *[12]byte; a nonce on the stack would escape for each segment
}

// Stream returns the stream that salt selects. log is log2 of the segment size; it must be 16 to 20, and
// one read from outside must be checked before. aad is the caller's header, bound to every segment. Salt must be random.
func (k *Keys) Stream(salt [32]byte, log uint8, aad []byte) *Stream {
	if log < MinSegmentLog || log > MaxSegmentLog {
		panic(fmt.Sprintf("seal: stream segments of 1<<%d bytes", log))
	}
	s := &Stream{log: log}
	s.aead, s.commitment = once(&k.packs, salt[:], "varve/1 stream")
	s.aad = append(s.aad, k.vault[:]...)
	s.aad = append(s.aad, log)
	s.aad = append(s.aad, aad...)
	s.nonces.New = func() any { return new([12]byte) }
	return s
}

// Commitment returns the 32 bytes that tell this stream's key from every other. The caller keeps them in
// its header and compares them, in constant time, before opening.
func (s *Stream) Commitment() [32]byte { return s.commitment }

// SegmentSize returns the plaintext bytes of a full segment.
func (s *Stream) SegmentSize() int { return 1 << s.log }

// Segments returns how many segments hold plain bytes, at least 1; 0 if plain is negative or needs more
// than 2^32−1.
func (s *Stream) Segments(plain int64) uint32 {
	if plain < 0 {
		return 0
	}
	n := plain >> s.log
	if plain&(1<<s.log-1) != 0 || n == 0 {
		n++
	}
	if n > math.MaxUint32 {
		return 0
	}
	return uint32(n)
}

// SealedLen returns the sealed length of a stream of plain bytes, −1 if there is no such stream.
func (s *Stream) SealedLen(plain int64) int64 {
	n := s.Segments(plain)
	if n == 0 {
		return -1
	}
	return plain + int64(n)*tagSize
}

// PlainLen is the inverse of SealedLen; −1 for a length that no stream has.
func (s *Stream) PlainLen(sealed int64) int64 {
	full := int64(1)<<s.log + tagSize
	n := sealed / full
	if sealed%full != 0 {
		n++
	}
	plain := sealed - n*tagSize
	if plain < 0 || s.SealedLen(plain) != sealed {
		return -1
	}
	return plain
}

// Seal appends the whole sealed stream of plain to dst. plain must have a SealedLen.
func (s *Stream) Seal(dst, plain []byte) []byte {
	total := s.Segments(int64(len(plain)))
	dst = slices.Grow(dst, len(plain)+int(total)*tagSize)
	for n := uint32(0); n+1 < total; n++ {
		dst = s.SealSegment(dst, plain[:1<<s.log], n, false)
		plain = plain[1<<s.log:]
	}
	return s.SealSegment(dst, plain, total-1, true)
}

// SealSegment appends the sealed segment number n to dst. All but the last must be full; the last is empty
// only in an empty stream.
func (s *Stream) SealSegment(dst, plain []byte, n uint32, last bool) []byte {
	if len(plain) > 1<<s.log || !last && len(plain) < 1<<s.log || len(plain) == 0 && n > 0 {
		panic(fmt.Sprintf("seal: segment %d of %d bytes, last %t", n, len(plain), last))
	}
	nonce := s.nonces.Get().(*[12]byte)
	defer s.nonces.Put(nonce)
	setNonce(nonce, n, last)
	return s.aead.Seal(dst, nonce[:], plain, s.aad)
}

func setNonce(nonce *[12]byte, n uint32, last bool) {
	binary.BigEndian.PutUint32(nonce[7:], n)
	nonce[11] = 0
	if last {
		nonce[11] = 1
	}
}

// Range returns where the segments lie that hold plaintext [off, off+n) of a stream of total plaintext bytes:
// the first one's number, and their place in the sealed stream. An empty range has sealedLen 0, and so
// has one that is not within total; OpenSegments refuses both.
func (s *Stream) Range(off, n, total int64) (first uint32, sealedOff, sealedLen int64) {
	if off < 0 || n <= 0 || total < 0 || off > total || n > total-off || s.Segments(total) == 0 {
		return 0, 0, 0
	}
	a, b := off>>s.log, (off+n-1)>>s.log
	full := int64(1)<<s.log + tagSize
	end := (b + 1) * full
	if b+1 == int64(s.Segments(total)) {
		end = s.SealedLen(total)
	}
	return uint32(a), a * full, end - a*full
}

// OpenSegments appends to dst the plaintext of consecutive whole segments, the first of them number first, of a
// stream of total segments. It is ErrDamaged unless every one is as it was sealed, at its place.
func (s *Stream) OpenSegments(dst, sealed []byte, first uint32, total uint32) ([]byte, error) {
	full := 1<<s.log + tagSize
	count := (uint64(len(sealed)) + uint64(full) - 1) / uint64(full)
	end := uint64(first) + count
	if count == 0 || end > uint64(total) {
		return dst, fmt.Errorf("open %d bytes at segment %d of %d: %w", len(sealed), first, total, ErrDamaged)
	}
	start := len(dst)
	out := slices.Grow(dst, len(sealed))
	nonce := s.nonces.Get().(*[12]byte)
	defer s.nonces.Put(nonce)
	for n := uint64(first); n < end; n++ {
		seg := sealed[:min(full, len(sealed))]
		sealed = sealed[len(seg):]
		last := n+1 == uint64(total)
		if len(seg) < full && !last || len(seg) <= tagSize && n > 0 {
			return out[:start], fmt.Errorf("open segment %d of %d: cut short: %w", n, total, ErrDamaged)
		}
		setNonce(nonce, uint32(n), last)
		next, err := s.aead.Open(out, nonce[:], seg, s.aad)
		if err != nil {
			return out[:start], fmt.Errorf("open segment %d of %d: %w", n, total, ErrDamaged)
		}
		out = next
	}
	return out, nil
}
