package spec_test

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/crypto/argon2"

	"varve/internal/chunk"
	"varve/internal/seal"
	"varve/store"
)

// What is in this file follows vault.md and nothing else: a second implementation of the layers, as short as
// can be.

// slotBind is what a slot says in the clear, as vault.md has it.
func slotBind(s *seal.Slot) []byte {
	b := append([]byte("varve/1 slot "+s.Kind+"\x00"+s.Created), make([]byte, 12)...)
	salt := s.Salt
	if a := s.Argon2id; a != nil {
		binary.LittleEndian.PutUint32(b[len(b)-12:], a.Time)
		binary.LittleEndian.PutUint32(b[len(b)-8:], a.Memory)
		binary.LittleEndian.PutUint32(b[len(b)-4:], a.Threads)
		salt = a.Salt
	}
	return append(append(b, salt...), s.Label...)
}

func slotText(s *seal.Slot) []byte {
	return append(append(append(slotBind(s), s.Master...), s.Commitment...), s.Sealed...)
}

func slotSum(s *seal.Slot) []byte {
	sum := sha256.Sum256(slotText(s))
	return sum[:16]
}

func slotMac(t *testing.T, s *seal.Slot, master []byte) []byte {
	key, err := hkdf.Key(sha256.New, master, nil, "varve/1 slots", 32)
	if err != nil {
		t.Fatal(err)
	}
	h := hmac.New(sha256.New, key)
	h.Write(slotText(s))
	return h.Sum(nil)[:16]
}

// openSlot opens a slot by vault.md alone.
func openSlot(t *testing.T, s *seal.Slot, secret []byte) []byte {
	var okm []byte
	if a := s.Argon2id; a != nil {
		okm = argon2.IDKey(secret, a.Salt, a.Time, a.Memory, uint8(a.Threads), 64)
	} else {
		var err error
		if okm, err = hkdf.Key(sha256.New, recoveryKey(t, string(secret)), s.Salt, "varve/1 recovery", 64); err != nil {
			t.Fatal(err)
		}
	}
	same(t, "commitment", okm[32:], s.Commitment)
	plain, err := gcm(t, okm[:32]).Open(nil, make([]byte, 12), s.Sealed, slotBind(s))
	if err != nil {
		t.Fatal(err)
	}
	return plain
}

// recoveryKey reads the text of a recovery key by vault.md alone: as two numbers of 140 bits.
func recoveryKey(t *testing.T, text string) []byte {
	var key []byte
	text = strings.ReplaceAll(text, "-", "")
	for half, line := range []string{text[:28], text[28:]} {
		n := new(big.Int)
		for _, c := range line {
			n.Add(n.Lsh(n, 5), big.NewInt(int64(strings.IndexRune("0123456789ABCDEFGHJKMNPQRSTVWXYZ", c))))
		}
		part := new(big.Int).Rsh(n, 12).FillBytes(make([]byte, 16))
		sum := sha256.Sum256(append([]byte(fmt.Sprintf("varve/1 recovery key %d", half+1)), part...))
		if want := int64(sum[0])<<4 | int64(sum[1])>>4; new(big.Int).And(n, big.NewInt(0xfff)).Int64() != want {
			t.Errorf("check of half %d", half+1)
		}
		key = append(key, part...)
	}
	return key
}

func gcm(t *testing.T, key []byte) cipher.AEAD {
	b, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	a, err := cipher.NewGCM(b)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// sealBySpec seals a stream by vault.md alone.
func sealBySpec(t *testing.T, l *layers, s *sealedStream, plain []byte) []byte {
	okm, err := hkdf.Key(sha256.New, l.Keys.Packs, s.Salt, "varve/1 stream", 64)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "commitment", okm[32:], s.Commitment)
	aead := gcm(t, okm[:32])
	aad := append(append(bytes.Clone(l.Keys.Vault), s.Log), s.AAD...)
	var out []byte
	for n := uint32(0); ; n++ {
		size := min(1<<s.Log, len(plain))
		nonce := append(make([]byte, 7), byte(n>>24), byte(n>>16), byte(n>>8), byte(n), 0)
		last := size == len(plain)
		if last {
			nonce[11] = 1
		}
		out = aead.Seal(out, nonce, plain[:size], aad)
		if plain = plain[size:]; last {
			return out
		}
	}
}

func unzstd(t *testing.T, frame []byte) []byte {
	d, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	b, err := d.DecodeAll(frame, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func applyBySpec(payload []byte, bases [][]byte, n int) (out []byte) {
	number := func() int {
		x, k := binary.Uvarint(payload)
		payload = payload[k:]
		return int(x)
	}
	size := number()
	literals := payload[size:]
	next, last := [4]int{}, -1
	for {
		insert := number()
		out = append(out, literals[:insert]...)
		literals = literals[insert:]
		if last >= 0 {
			next[last] += insert
		}
		if len(out) == n {
			return out
		}
		head := number()
		z := number()
		last = head & 3
		off := next[last] + (z>>1 ^ -(z & 1))
		out = append(out, bases[last][off:off+head>>2]...)
		next[last] = off + head>>2
		if len(out) == n {
			return out
		}
	}
}

// cutBySpec cuts bytes without runs or seams. The Gear value of a place is that of the place before, shifted,
// plus the entry of the byte between: what is older than 64 bytes is shifted out.
func cutBySpec(gear []byte, p chunk.Params, b []byte) (out [][3]int) {
	bits := 0
	for 1<<bits < p.Avg {
		bits++
	}
	for at := 0; at < len(b); {
		rest, l, h := b[at:], 0, uint64(0)
		for l < min(p.Max, len(rest)) {
			h = h<<1 + binary.LittleEndian.Uint64(gear[8*int(rest[l]):])
			l++
			if p.Min < l && l <= p.Avg && h>>(64-bits-3) == 0 || l > p.Avg && h>>(64-bits+3) == 0 {
				break
			}
		}
		out = append(out, [3]int{0, at, l})
		at += l
	}
	return out
}

// pageBySpec lays the recipe of manyItems in pages by vault.md alone and returns its root.
func pageBySpec(k *seal.Keys, n int) []byte {
	type row struct {
		bytes        []byte
		mark         uint64
		size, number uint64
	}
	var rows []row
	for i := range n {
		d := k.ID.Sum(binary.LittleEndian.AppendUint32(nil, uint32(i)))
		rows = append(rows, row{append(binary.AppendUvarint(nil, 1000<<2), d[:]...), binary.LittleEndian.Uint64(d[:]), 1000, 1})
	}
	for level := byte(0); ; level++ {
		var above []row
		for len(rows) > 0 {
			page, size, number := []byte{0xA7, 1, 1, level, 1}, uint64(0), uint64(0)
			for len(rows) > 0 {
				r := rows[0]
				if number > 0 && len(page)+len(r.bytes) > 65536 {
					break
				}
				page, size, number, rows = append(page, r.bytes...), size+r.size, number+r.number, rows[1:]
				if len(page) >= 16384 && (r.mark < uint64(len(r.bytes))<<50 || len(r.bytes) >= 16384) {
					break
				}
			}
			d := k.ID.Sum(page)
			b := binary.AppendUvarint(binary.AppendUvarint(d[:], size), number)
			above = append(above, row{b, binary.LittleEndian.Uint64(b), size, number})
		}
		if len(above) == 1 {
			return above[0].bytes[:32]
		}
		rows = above
	}
}

// markBySpec is FNV-1a of the bytes, then murmur3's fmix64, the most significant byte first.
func markBySpec(name []byte) []byte {
	h := uint64(14695981039346656037)
	for _, c := range name {
		h = (h ^ uint64(c)) * 1099511628211
	}
	h ^= h >> 33
	h *= 0xff51afd7ed558ccd
	h ^= h >> 33
	h *= 0xc4ceb9fe1a85ec53
	h ^= h >> 33
	return binary.BigEndian.AppendUint64(nil, h)
}

// missed counts what the catalogue misses, and its entries that are damaged, by vault.md alone. In the vectors
// nothing was forgotten.
func missed(ctx context.Context, s store.Store, keys *seal.Keys) (n int, err error) {
	there := map[string]bool{}
	var entries []string
	for o, err := range s.List(ctx, "") {
		if err != nil {
			return 0, err
		}
		there[o.Name] = true
		if strings.HasPrefix(o.Name, "catalog/") {
			entries = append(entries, o.Name)
		}
	}
	type entry struct {
		After map[string]string `json:"after"`
		Adds  []string          `json:"adds"`
		All   bool              `json:"all"`
	}
	missed, after, digests := map[string]bool{}, map[string]string{}, map[string]string{}
	floor := ""
	for _, name := range slices.Backward(entries) {
		if name[:18] < floor {
			break
		}
		sealed, err := s.Get(ctx, name, 0, -1, nil)
		if err != nil {
			return 0, err
		}
		sum := keys.ID.Sum(sealed)
		digests[name] = sum.String()
		plain, err := keys.Open(nil, seal.Catalog, []byte(name), sealed, 64<<20)
		var e entry
		if err != nil || json.Unmarshal(plain, &e) != nil {
			missed[name] = true
			continue
		}
		for _, sid := range e.Adds {
			if !there["snap/"+sid] {
				missed["snap/"+sid] = true
			}
		}
		for a, d := range e.After {
			after[a] = d
		}
		if e.All {
			floor = name[:18]
		}
	}
	for name, digest := range after {
		if name[:18] >= floor && digests[name] != digest {
			missed[name] = true
		}
	}
	return len(missed), nil
}
