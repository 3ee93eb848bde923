package seal

import (
	"crypto/hkdf"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
)

// Recovery is a recovery key: 32 random bytes that open a slot by themselves. As text it is 56 letters and
// digits in two halves, each with a check of its own, so that a typing error is found and its line named.
type Recovery [32]byte

// ErrTyping says that a text was meant to be a recovery key and has a typing error. It is ErrWrongKey.
var ErrTyping = fmt.Errorf("typing error: %w", ErrWrongKey)

const (
	// recoveryAlphabet has no I, L, O and U: they read like 1, 1 and 0, or make words.
	recoveryAlphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	recoveryHalf     = 28 // symbols of 5 bits: 16 bytes and 12 bits of check
	recoveryGroup    = 4
	recoverySlip     = 6 // a text that has so many symbols more or less was still meant to be a recovery key
)

// NewRecovery draws a recovery key: it reads 32 bytes of rand.
func NewRecovery(rand io.Reader) (r Recovery, err error) {
	_, err = io.ReadFull(rand, r[:])
	return r, err
}

// check is the check of a half, in its low 12 bits.
func (r Recovery) check(half int) uint16 {
	text := append([]byte("varve/1 recovery key "), byte('1'+half))
	h := sha256.Sum256(append(text, r[16*half:16*half+16]...))
	return (uint16(h[0])<<8 | uint16(h[1])) >> 4
}

// Lines returns the two halves, in groups of four: XXXX-XXXX-XXXX-XXXX-XXXX-XXXX-XXXX.
func (r Recovery) Lines() [2]string {
	var out [2]string
	for half := range out {
		var b strings.Builder
		acc, bits := uint32(0), 0
		symbol := func() {
			if n := b.Len() - b.Len()/(recoveryGroup+1); n > 0 && n%recoveryGroup == 0 {
				b.WriteByte('-')
			}
			bits -= 5
			b.WriteByte(recoveryAlphabet[acc>>bits&31])
		}
		for _, x := range r[16*half : 16*half+16] {
			acc, bits = acc<<8|uint32(x), bits+8
			for bits >= 5 {
				symbol()
			}
		}
		acc, bits = acc<<12|uint32(r.check(half)), bits+12
		for bits >= 5 {
			symbol()
		}
		out[half] = b.String()
	}
	return out
}

// String returns the key in one line.
func (r Recovery) String() string { l := r.Lines(); return l[0] + "-" + l[1] }

// errNoRecovery is the error of ParseRecovery for texts of another kind: passphrases.
var errNoRecovery = fmt.Errorf("not a recovery key: %w", ErrWrongKey)

// ParseRecovery reads what String wrote, whatever became of its case, spaces and dashes; I and L count as 1, O
// as 0. It is ErrTyping, with the line that has the error, for what was meant to be a recovery key, and
// ErrWrongKey for anything else.
func ParseRecovery(text []byte) (Recovery, error) {
	var symbols []byte
	if len(text) > 1024 {
		return Recovery{}, errNoRecovery
	}
	for _, c := range strings.ToUpper(string(text)) {
		switch c {
		case ' ', '-', '\t', '\n', '\r', '\u2010', '\u2011', '\u2013':
			continue
		case 'I', 'L':
			c = '1'
		case 'O':
			c = '0'
		}
		n := strings.IndexRune(recoveryAlphabet, c)
		if n < 0 {
			return Recovery{}, errNoRecovery
		}
		symbols = append(symbols, byte(n))
	}
	if n := len(symbols); n != 2*recoveryHalf {
		if n < 2*recoveryHalf-recoverySlip || n > 2*recoveryHalf+recoverySlip {
			return Recovery{}, errNoRecovery
		}
		return Recovery{}, fmt.Errorf("a recovery key has %d letters and digits, this text has %d: %w", 2*recoveryHalf, n, ErrTyping)
	}
	var r Recovery
	var wrong []string
	for half, line := range []string{"first", "second"} {
		acc, bits, at := uint32(0), 0, 16*half
		for _, s := range symbols[recoveryHalf*half : recoveryHalf*(half+1)] {
			acc, bits = acc<<5|uint32(s), bits+5
			if bits >= 8 && at < 16*half+16 {
				bits -= 8
				r[at] = byte(acc >> bits)
				at++
			}
		}
		if uint16(acc&0xfff) != r.check(half) {
			wrong = append(wrong, line)
		}
	}
	if len(wrong) > 0 {
		return Recovery{}, fmt.Errorf("the %s line of the recovery key has a %w", strings.Join(wrong, " and the "), ErrTyping)
	}
	return r, nil
}

// expand returns the wrapping key and the commitment of a slot with that salt. The key is random: nothing has
// to be made slow.
func (r Recovery) expand(salt []byte) []byte {
	okm, err := hkdf.Key(sha256.New, r[:], salt, "varve/1 recovery", 64)
	if err != nil {
		panic("seal: hkdf refused a 32-byte secret: " + err.Error())
	}
	return okm
}
