package spec_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"testing"

	"varve/internal/digest"
	"varve/internal/pack"
)

// Parity by vault.md and nothing else.

// timesBySpec multiplies in GF(2^8) by the polynomial 0x11D.
func timesBySpec(a, b byte) (p byte) {
	for ; b > 0; b >>= 1 {
		if b&1 == 1 {
			p ^= a
		}
		high := a >> 7
		a = a<<1 ^ high*0x1d
	}
	return p
}

// overBySpec returns 1/x: what x is to be multiplied by to be 1.
func overBySpec(x byte) byte {
	for y := range 256 {
		if timesBySpec(x, byte(y)) == 1 {
			return byte(y)
		}
	}
	panic("division by zero")
}

// parityBySpec returns what lies behind the header and the stream of a pack.
func parityBySpec(data []byte, columns, log int) []byte {
	s := 1 << log
	d := (len(data) + s - 1) / s
	rows := (d + 127) / 128
	crc := func(dst, b []byte) []byte {
		return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	}
	var sums, parity []byte
	for t := range d {
		sums = crc(sums, data[t*s:min((t+1)*s, len(data))])
	}
	for t := d; t < d+columns*rows; t++ {
		sector := make([]byte, s)
		for from := t % rows; from < d; from += rows {
			weight := overBySpec(byte(128+(t-d)/rows) ^ byte(from/rows))
			for i, b := range data[from*s : min((from+1)*s, len(data))] {
				sector[i] ^= timesBySpec(b, weight)
			}
		}
		parity, sums = append(parity, sector...), crc(sums, sector)
	}
	return bytes.Join([][]byte{sums, parity, sums, data[:112]}, nil)
}

// makePack makes a pack of one raw block and one entry by hand.
func (l *layers) makePack() {
	chunk := cutStream(8500, [2]int{})
	k := l.keys()
	d := k.ID.Sum(chunk)
	plain := append(bytes.Clone(chunk), 1, 0)
	for _, n := range []uint64{uint64(len(chunk)), uint64(len(chunk)), 1} {
		plain = binary.AppendUvarint(plain, n)
	}
	plain = binary.AppendUvarint(append(plain, d[:]...), 2*uint64(len(chunk)))
	var salt [32]byte
	copy(salt[:], "the salt of a pack")
	c := k.Stream(salt, 16, nil).Commitment()
	head := append([]byte("varve-pk"), 1, 0, 1, 16, 3, 6, 0, 0)
	head = append(append(append(head, "a pack's id, 16 "...), salt[:]...), c[:]...)
	head = binary.LittleEndian.AppendUint64(head, uint64(len(plain)))
	head = binary.LittleEndian.AppendUint32(head, uint32(len(plain)-len(chunk)))
	head = binary.LittleEndian.AppendUint32(head, crc32.Checksum(head, crc32.MakeTable(crc32.Castagnoli)))
	file := k.Stream(salt, 16, head).Seal(head, plain)
	l.Pack.File, l.Pack.Chunk = append(file, parityBySpec(file, 3, 6)...), chunk
}

// TestPackLayer: the pack opens, it is made good after damage, and its parity is what vault.md says.
func TestPackLayer(t *testing.T) {
	l := readLayers(t)
	file := []byte(l.Pack.File)
	read := func(p *pack.Reader) {
		t.Helper()
		got, err := p.Span(t.Context(), nil, 0, 0)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "chunk", got, l.Pack.Chunk)
	}
	p := readPack(t, l.keys(), file)
	read(p)
	if e := p.Blocks[0].Entries[0]; len(p.Blocks) != 1 || e.Digest != l.keys().ID.Sum(l.Pack.Chunk) {
		t.Errorf("directory %+v", p.Blocks)
	}
	c := p.Check()
	off, n := c.Rest()
	c.Write(file[:off])
	if err := c.Done(file[off : off+n]); err != nil {
		t.Error(err)
	}
	same(t, "parity", parityBySpec(file[:off], 3, 6), file[off:])
	for at := 0; at < len(file); at += 100 {
		bad := bytes.Clone(file)
		clear(bad[at:min(at+4*64, len(bad))])
		mended, err := pack.Mend(t.Context(), l.keys(), bad)
		if err != nil {
			t.Fatalf("byte %d: %v", at, err)
		}
		read(mended)
	}
}

// TestParityEncodes: the data packs of the vector have the parity that vault.md says.
func TestParityEncodes(t *testing.T) {
	v, o := openValid(t)
	protected, twins := 0, map[digest.Digest]int{}
	o.named(t, "packs/", func(_ string, b []byte) {
		p := readPack(t, v.db.Keys(), b)
		if p.Header.Kind == pack.Meta {
			for i := range p.Blocks {
				for _, e := range p.Blocks[i].Entries {
					twins[e.Digest]++
				}
			}
		}
		if c := p.Check(); c != nil {
			protected++
			off, _ := c.Rest()
			same(t, "parity", parityBySpec(b[:off], int(b[12]), int(b[13])), b[off:])
		}
	})
	if protected == 0 {
		t.Error("no pack has parity")
	}
	for d, n := range twins {
		if n != 2 {
			t.Errorf("metadata %s is there %d times", d, n)
		}
	}
}
