package pack

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"varve/internal/digest"
	"varve/internal/seal"
)

// protected is a pack of random blocks, about size bytes together, with columns of parity.
func protected(r *rand.Rand, columns uint8, size int) (file []byte, blocks []stored) {
	b := NewBuilder(Data)
	b.Parity = columns
	for size > 0 {
		part := stored{bytes: make([]byte, min(size, 200_000))}
		for i := range part.bytes {
			part.bytes[i] = byte(r.Uint32())
		}
		part.Codec, part.Stored, part.Raw = seal.Raw, uint32(len(part.bytes)), uint32(len(part.bytes))
		part.Entries = []Entry{{Digest: digest.Digest{byte(len(blocks))}, Len: part.Raw, Plain: part.Raw}}
		blocks = append(blocks, part)
		size -= len(part.bytes)
	}
	addAll(b, blocks)
	return b.Seal([]byte("x"), testKeys(1), ID{9}, [32]byte{7})[1:], blocks
}

// whole reports what is not as it was in a pack that was opened.
func whole(p *Reader, blocks []stored) error {
	if len(p.Blocks) != len(blocks) {
		return fmt.Errorf("%d blocks of %d", len(p.Blocks), len(blocks))
	}
	for i := range blocks {
		got, err := p.Span(context.Background(), nil, i, i)
		if err != nil {
			return err
		}
		if !bytes.Equal(got, blocks[i].bytes) {
			return fmt.Errorf("block %d has other bytes", i)
		}
	}
	return nil
}

func shapeIn(file []byte) shape {
	h, err := ParseHeader(file)
	if err != nil {
		panic(err)
	}
	return shapeOf(HeaderSize+h.stream(testKeys(1)).SealedLen(h.Plain), h.Parity, h.Sector)
}

// spoil makes n bytes from off other than they are.
func spoil(r *rand.Rand, b []byte, off, n int64) {
	for i := off; i < min(off+n, int64(len(b))); i++ {
		b[i] ^= byte(1 + r.IntN(255))
	}
}

// drawSize draws sizes of all shapes: a sector, a row, many rows.
func drawSize(t *rapid.T) int {
	return rapid.OneOf(rapid.IntRange(0, 20), rapid.IntRange(0, 9000), rapid.IntRange(0, 600_000), rapid.IntRange(500_000, 2_000_000)).Draw(t, "size")
}

// TestBurst: one burst of at most P·R−1 sectors, one less over the end of the data, is made good, wherever it lies:
// in the header, over the seams of sums and parity, at the end. What is cut off there is a burst, too.
func TestBurst(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		file, blocks := protected(r, rapid.Uint8Range(1, 5).Draw(t, "columns"), drawSize(t))
		s := shapeIn(file)
		length := (s.columns*s.rows - 1) << s.log
		end := int64(len(file))
		off := rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(0, end-1), rapid.Int64Range(max(s.sealed-length, 0), min(s.sealed+length, end-1)), rapid.Just(max(end-length, 0))).Draw(t, "offset")
		bad := bytes.Clone(file)
		if rapid.Bool().Draw(t, "cut") {
			bad = bad[:end-min(length, end-HeaderSize)]
		} else {
			if off < s.sealed && off+length > s.sealed { // the last sector of data is shorter than others
				length -= 1 << s.log
			}
			spoil(r, bad, off, length)
		}
		p, err := Mend(t.Context(), testKeys(1), bad)
		if err != nil {
			t.Fatal(err)
		}
		if err := whole(p, blocks); err != nil {
			t.Fatal(err)
		}
	})
}

// TestScattered: up to P bad sectors in every row are made good, with one of the headers and either sum of any
// sector gone as well.
func TestScattered(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2))
		file, blocks := protected(r, rapid.Uint8Range(1, 5).Draw(t, "columns"), drawSize(t))
		s := shapeIn(file)
		bad := bytes.Clone(file)
		for row := range s.rows {
			var sectors []int64
			for x := row; x < s.data+s.columns*s.rows; x += s.rows {
				sectors = append(sectors, x)
			}
			r.Shuffle(len(sectors), func(i, j int) { sectors[i], sectors[j] = sectors[j], sectors[i] })
			for _, x := range sectors[:r.Int64N(s.columns+1)] {
				from, to := s.span(x)
				if x >= s.data {
					from, to = from+s.sealed+s.table(), to+s.sealed+s.table()
				}
				from += r.Int64N(to - from)
				spoil(r, bad, from, to-from)
			}
			for _, x := range sectors {
				spoil(r, bad, s.sealed+sumSize*x+r.Int64N(2)*(s.table()+s.parity()), r.Int64N(2)*sumSize)
			}
		}
		if r.IntN(2) == 0 && bytes.Equal(bad[:HeaderSize], file[:HeaderSize]) {
			spoil(r, bad, int64(len(bad))-HeaderSize, HeaderSize)
		}
		p, err := Mend(t.Context(), testKeys(1), bad)
		if err != nil {
			t.Fatal(err)
		}
		if err := whole(p, blocks); err != nil {
			t.Fatal(err)
		}
	})
}

// TestBeyond: whatever was done to a pack, it is made good or damaged, and never other bytes.
func TestBeyond(t *testing.T) {
	mended, lost := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 3))
		file, blocks := protected(r, rapid.Uint8Range(1, 4).Draw(t, "columns"), drawSize(t))
		bad := bytes.Clone(file)
		for range rapid.IntRange(1, 12).Draw(t, "bursts") {
			spoil(r, bad, r.Int64N(int64(len(bad))), 1+r.Int64N(int64(len(bad))/40+2))
		}
		if rapid.IntRange(0, 5).Draw(t, "cut") == 0 {
			bad = bad[:r.IntN(len(bad)+1)]
		}
		p, err := Mend(t.Context(), testKeys(1), bad)
		if err == nil {
			err = whole(p, blocks)
		}
		switch {
		case err == nil:
			mended++
		case wrongHeader(err):
			lost++
		default:
			t.Fatal(err)
		}
	})
	if mended == 0 || lost == 0 {
		t.Errorf("%d mended, %d lost: the test is not about both", mended, lost)
	}
}

// TestHeaderCopy: the copy of the header opens a pack whose head is damaged; without parity there is none.
func TestHeaderCopy(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 4))
	file, blocks := protected(r, 2, 300_000)
	bad := bytes.Clone(file)
	spoil(r, bad, 0, HeaderSize)
	p, err := open(bad, testKeys(1))
	if err != nil || !p.Tail {
		t.Fatal(err)
	}
	if err := whole(p, blocks); err != nil {
		t.Error(err)
	}
	if p, err := open(file, testKeys(1)); err != nil || p.Tail {
		t.Errorf("the sound pack: %v", err)
	}
	spoil(r, bad, int64(len(bad))-1, 1)
	if _, err := open(bad, testKeys(1)); !errors.Is(err, ErrDamaged) {
		t.Errorf("without either: %v", err)
	}
	plain := packed(Data, testKeys(1), ID{9}, blocks)
	bare := append(bytes.Clone(plain), plain[:HeaderSize]...) // a header at the end of what has no parity
	bare[0] ^= 1
	if _, err := open(bare, testKeys(1)); !errors.Is(err, ErrDamaged) {
		t.Errorf("a header that is no copy: %v", err)
	}
	if _, err := Mend(t.Context(), testKeys(1), plain); !errors.Is(err, ErrDamaged) {
		t.Errorf("mended without parity: %v", err)
	}
}

// TestCheck: no byte behind the stream can turn unnoticed, nor one in it.
func TestCheck(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 5))
	for _, size := range []int{0, 1500, 70_000} {
		file, _ := protected(r, 2, size)
		s := shapeIn(file)
		check := func(b []byte) error {
			p, err := Open(t.Context(), testKeys(1), from(file), int64(len(file)))
			if err != nil {
				t.Fatal(err)
			}
			c := p.Check()
			off, n := c.Rest()
			for at := int64(0); at < off; { // in pieces of any length
				m := min(1+r.Int64N(3000), off-at)
				c.Write(b[at : at+m])
				at += m
			}
			return c.Done(b[off : off+n])
		}
		if err := check(file); err != nil {
			t.Errorf("size %d: %v", size, err)
		}
		for at := s.sealed; at < int64(len(file)); at++ {
			bad := bytes.Clone(file)
			bad[at] ^= 1
			if err := check(bad); !errors.Is(err, ErrDamaged) {
				t.Fatalf("size %d: byte %d: %v", size, at, err)
			}
		}
		bad := bytes.Clone(file)
		bad[r.Int64N(s.sealed)] ^= 1
		if err := check(bad); !errors.Is(err, ErrDamaged) {
			t.Errorf("size %d: a byte of the stream: %v", size, err)
		}
	}
	plain, err := open(packed(Data, testKeys(1), ID{1}, nil), testKeys(1))
	if err != nil || plain.Check() != nil {
		t.Errorf("a pack without parity: %v", err)
	}
}

// divide returns a/b in GF(2^8) by 0x11d, by trying: it knows nothing of the package that makes the parity.
func divide(a, b byte) byte {
	for x := range 256 {
		p, y := uint16(0), uint16(x)
		for bit := range 8 {
			if b>>bit&1 == 1 {
				p ^= y << bit
			}
		}
		for bit := 15; bit >= 8; bit-- {
			if p>>bit&1 == 1 {
				p ^= 0x11d << (bit - 8)
			}
		}
		if byte(p) == a {
			return byte(x)
		}
	}
	panic("division by zero")
}

// TestParityBytes: parity is as the package says, taken apart here by hand.
func TestParityBytes(t *testing.T) {
	for _, size := range []int{900, 140_000, 560_000} {
		file, _ := protected(rand.New(rand.NewPCG(2, 6)), 3, size)
		h, err := ParseHeader(file)
		if err != nil {
			t.Fatal(err)
		}
		n := int64(len(packed(Data, testKeys(1), ID{9}, nil))) // to see that the stream is where it was
		if file[12] != 3 || n < HeaderSize || file[13] != h.Sector {
			t.Fatalf("header %x", file[:16])
		}
		sector := int64(1) << file[13]
		sealed := HeaderSize + h.stream(testKeys(1)).SealedLen(h.Plain)
		d := (sealed + sector - 1) / sector
		rows := (d + 127) / 128
		table := 4 * (d + 3*rows)
		if want := sealed + 2*table + 3*rows*sector + 112; int64(len(file)) != want {
			t.Fatalf("%d bytes, want %d", len(file), want)
		}
		at := func(x int64) []byte {
			if x < d {
				return file[x*sector : min((x+1)*sector, sealed)]
			}
			return file[sealed+table+(x-d)*sector:][:sector]
		}
		for x := range d + 3*rows {
			for _, off := range []int64{sealed, sealed + table + 3*rows*sector} {
				if binary.LittleEndian.Uint32(file[off+4*x:]) != crc32.Checksum(at(x), crc32.MakeTable(crc32.Castagnoli)) {
					t.Fatalf("sum of sector %d", x)
				}
			}
		}
		for x := d; x < d+3*rows; x++ {
			for _, i := range []int64{0, sector / 2, sector - 1} {
				var want byte
				for c := x % rows; c < d; c += rows {
					if b := at(c); i < int64(len(b)) {
						want ^= divide(b[i], byte(128+(x-d)/rows)^byte(c/rows))
					}
				}
				if got := at(x)[i]; got != want {
					t.Fatalf("size %d: byte %d of sector %d is %#x, want %#x", size, i, x, got, want)
				}
			}
		}
		if !bytes.Equal(file[len(file)-HeaderSize:], file[:HeaderSize]) {
			t.Error("no copy of the header at the end")
		}
	}
}

// TestRoom: what parity costs. The figures are those of vault.md.
func TestRoom(t *testing.T) {
	for _, c := range []struct {
		sealed int64
		most   float64 // of it
	}{{2 << 10, 0.26}, {20 << 10, 0.07}, {100 << 10, 0.03}, {300 << 10, 0.03}, {512 << 10, 0.018}, {1 << 20, 0.021}, {16 << 20, 0.018}, {64 << 20, 0.018}} {
		s := shapeFor(c.sealed, 2)
		if cost := float64(s.size()-c.sealed) / float64(c.sealed); cost > c.most {
			t.Errorf("%d bytes: %.4f of them, sectors of %d, %d rows", c.sealed, cost, s.sector(), s.rows)
		}
	}
}

// FuzzMend: nothing panics, whatever the header says, and no more is allocated than the file is long.
func FuzzMend(f *testing.F) {
	file, _ := protected(rand.New(rand.NewPCG(1, 7)), 2, 500)
	f.Add(file)
	f.Add(file[:300])
	f.Add(packed(Data, testKeys(1), ID{3}, sample())[:HeaderSize])
	f.Fuzz(func(t *testing.T, b []byte) {
		b = bytes.Clone(b)
		for _, at := range []int{0, len(b) - HeaderSize} { // so that the fuzzer gets behind the checksums
			if at >= 0 && len(b) >= at+HeaderSize {
				binary.LittleEndian.PutUint32(b[at+108:], crc32.Checksum(b[at:at+108], crc32.MakeTable(crc32.Castagnoli)))
			}
		}
		p, err := Mend(t.Context(), testKeys(1), b)
		if err != nil {
			if !wrongHeader(err) {
				t.Errorf("error %v", err)
			}
			return
		}
		for i := range p.Blocks {
			if _, err := p.Span(t.Context(), nil, i, i); err != nil && !errors.Is(err, ErrDamaged) {
				t.Errorf("error %v", err)
			}
		}
	})
}

// BenchmarkProtected tells what parity costs of the sealing of a full pack.
func BenchmarkProtected(b *testing.B) {
	body := make([]byte, 16<<20)
	r := rand.New(rand.NewPCG(1, 8))
	for i := range body {
		body[i] = byte(r.Uint32())
	}
	for _, columns := range []uint8{0, 1, 2, 4} {
		b.Run(fmt.Sprintf("columns=%d", columns), func(b *testing.B) {
			p := NewBuilder(Data)
			p.Parity = columns
			for at := 0; at < len(body); at += 256 << 10 {
				p.Add(seal.Raw, body[at:at+256<<10], 256<<10, []Entry{{Len: 256 << 10, Plain: 256 << 10}})
			}
			var buf []byte
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				buf = p.Seal(buf[:0], testKeys(1), ID{1}, [32]byte{1})
			}
		})
	}
}

// BenchmarkParity is the making of columns and sums alone.
func BenchmarkParity(b *testing.B) {
	s := shapeFor(16<<20, 2)
	sealed := make([]byte, 16<<20, s.size())
	header, rs := make([]byte, HeaderSize), code(2)
	b.SetBytes(int64(len(sealed)))
	for b.Loop() {
		appendParity(sealed, 0, &s, header, rs)
	}
}
