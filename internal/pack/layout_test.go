package pack

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"varve/internal/digest"
	"varve/internal/seal"
)

func testKeys(vault byte) *seal.Keys { return seal.Derive(seal.Master{9}, [16]byte{vault}) }

// from reads a pack that lies in memory.
func from(b []byte) Source {
	return func(_ context.Context, off, n int64, dst []byte) ([]byte, error) {
		if off < 0 || n < 0 || off+n > int64(len(b)) {
			return dst, io.ErrUnexpectedEOF
		}
		return append(dst, b[off:off+n]...), nil
	}
}

func open(b []byte, k *seal.Keys) (*Reader, error) {
	return Open(context.Background(), k, from(b), int64(len(b)))
}

// stored is a block as it was added.
type stored struct {
	Block
	bytes []byte
}

func drawBlocks(t *rapid.T) []stored {
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	name := func() (d digest.Digest) {
		for i := range d {
			d[i] = byte(r.Uint32())
		}
		return d
	}
	var out []stored
	for i := range rapid.IntRange(0, 5).Draw(t, "blocks") {
		b := stored{bytes: make([]byte, rapid.OneOf(rapid.IntRange(0, 200), rapid.IntRange(0, 150_000)).Draw(t, "stored"))}
		for j := range b.bytes {
			b.bytes[j] = byte(r.Uint32())
		}
		b.Codec, b.Stored = []seal.Codec{seal.Raw, seal.Zstd, seal.Planes, seal.Subtract}[i%4], uint32(len(b.bytes))
		for range rapid.IntRange(0, 6).Draw(t, "entries") {
			e := Entry{Digest: name(), Off: b.Raw, Len: rapid.Uint32Range(0, 100_000).Draw(t, "length")}
			e.Plain = e.Len
			if b.Codec == seal.Subtract {
				e.Plain, e.Len, e.Bases, e.Difference = e.Len, e.Len+4, []digest.Digest{name()}, true
			} else if n := rapid.IntRange(0, MaxBases).Draw(t, "bases"); n > 0 {
				e.Plain = rapid.Uint32Range(0, MaxBlock).Draw(t, "plain")
				for range n {
					e.Bases = append(e.Bases, name())
				}
			}
			b.Raw += e.Len
			b.Entries = append(b.Entries, e)
		}
		if len(out) > 0 {
			last := &out[len(out)-1]
			b.Off = last.Off + int64(last.Stored)
		}
		out = append(out, b)
	}
	return out
}

func packed(kind Kind, k *seal.Keys, id ID, blocks []stored) []byte {
	b := NewBuilder(kind)
	addAll(b, blocks)
	return b.Seal(nil, k, id, [32]byte{byte(kind), 7})
}

func addAll(b *Builder, blocks []stored) {
	for i := range blocks {
		entries := slices.Clone(blocks[i].Entries)
		for j := range entries {
			entries[j].Off, entries[j].Difference = 99, false // need not be set
		}
		b.Add(blocks[i].Codec, blocks[i].bytes, int(blocks[i].Raw), entries)
	}
}

func sameBlocks(got []Block, want []stored) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d blocks, want %d", len(got), len(want))
	}
	for i := range got {
		g, w := got[i], want[i].Block
		if len(g.Entries) == 0 && len(w.Entries) == 0 {
			g.Entries, w.Entries = nil, nil
		}
		if !reflect.DeepEqual(g, w) {
			return fmt.Errorf("block %d is %+v, want %+v", i, g, w)
		}
	}
	return nil
}

// TestSealOpen: what was built, in a builder used before, comes back, every block alone and every run of them.
func TestSealOpen(t *testing.T) {
	keys := testKeys(1)
	rapid.Check(t, func(t *rapid.T) {
		kind := rapid.SampledFrom([]Kind{Data, Meta}).Draw(t, "kind")
		b := NewBuilder(kind)
		addAll(b, drawBlocks(t))
		b.Seal(nil, keys, ID{1}, [32]byte{1})
		b.Reset()
		want := drawBlocks(t)
		addAll(b, want)
		if err := sameBlocks(b.Blocks(), want); err != nil {
			t.Fatal("of the builder:", err)
		}
		prefix := []byte("before")
		file := b.Seal(prefix, keys, ID{2}, [32]byte{2})
		if !bytes.HasPrefix(file, prefix) {
			t.Fatal("Seal does not append")
		}
		file = file[len(prefix):]
		if again := b.Seal(nil, keys, ID{2}, [32]byte{2}); !bytes.Equal(again, file) {
			t.Fatal("Seal changed the builder")
		}
		p, err := open(file, keys)
		if err != nil {
			t.Fatal(err)
		}
		if p.Header.ID != (ID{2}) || p.Header.Kind != kind {
			t.Fatalf("header %+v", p.Header)
		}
		if err := sameBlocks(p.Blocks, want); err != nil {
			t.Fatal(err)
		}
		for first := range want {
			all := []byte("x")
			for last := first; last < len(want); last++ {
				all = append(all, want[last].bytes...)
				got, err := p.Span(context.Background(), []byte("x"), first, last)
				if err != nil || !bytes.Equal(got, all) {
					t.Fatalf("blocks %d to %d: %d bytes, want %d: %v", first, last, len(got), len(all), err)
				}
			}
		}
	})
}

// TestBytes: header and directory are as the package describes them, taken apart here by hand.
func TestBytes(t *testing.T) {
	keys := testKeys(1)
	blocks := []stored{{bytes: []byte("stored"), Block: Block{Codec: seal.Zstd, Stored: 6, Raw: 300, Entries: []Entry{
		{Digest: digest.Digest{0xaa}, Len: 200, Plain: 200},
		{Digest: digest.Digest{0xbb}, Off: 200, Len: 100, Plain: 5000, Bases: []digest.Digest{{0xcc}, {0xdd}}},
	}}}}
	file := packed(Meta, keys, ID{5, 6}, blocks)
	pad := func(b byte, n int) []byte { return append([]byte{b}, make([]byte, n-1)...) }
	dir := slices.Concat([]byte{1, 1, 6}, []byte{0xac, 2}, []byte{2},
		pad(0xaa, 32), []byte{0x90, 3},
		pad(0xbb, 32), []byte{0xc9, 1}, []byte{0x88, 0x27}, []byte{2}, pad(0xcc, 32), pad(0xdd, 32))
	plain := append([]byte("stored"), dir...)
	stream := keys.Stream([32]byte{2, 7}, 16, nil)
	commitment := stream.Commitment()
	le := binary.LittleEndian
	head := slices.Concat([]byte("varve-pk"), []byte{1, 0, 2, 16, 0, 0, 0, 0}, append([]byte{5, 6}, make([]byte, 14)...),
		append([]byte{2, 7}, make([]byte, 30)...), commitment[:])
	head = le.AppendUint64(head, uint64(len(plain)))
	head = le.AppendUint32(head, uint32(len(dir)))
	head = le.AppendUint32(head, crc32.Checksum(head, crc32.MakeTable(crc32.Castagnoli)))
	if len(head) != 112 {
		t.Fatalf("the test's header has %d bytes", len(head))
	}
	want := keys.Stream([32]byte{2, 7}, 16, head).Seal(head, plain)
	if !bytes.Equal(file, want) {
		t.Errorf("got  %x\nwant %x", file, want)
	}
	if data := packed(Data, keys, ID{5, 6}, blocks); data[10] != 1 || data[11] != 18 {
		t.Errorf("a data pack has kind %d and segments of 2^%d", data[10], data[11])
	}
}

func sample() []stored {
	body := bytes.Repeat([]byte("sediment"), 12_000) // two segments of a metadata pack
	return []stored{
		{bytes: body, Block: Block{Codec: seal.Raw, Stored: uint32(len(body)), Raw: 10, Entries: []Entry{{Digest: digest.Digest{1}, Len: 10, Plain: 10}}}},
		{bytes: []byte("clay"), Block: Block{Codec: seal.Raw, Off: int64(len(body)), Stored: 4, Raw: 4, Entries: []Entry{{Digest: digest.Digest{2}, Len: 4, Plain: 4}}}},
	}
}

// wrongHeader says that err is one of those that tell that a header cannot be read.
func wrongHeader(err error) bool {
	return errors.Is(err, ErrDamaged) || errors.Is(err, errors.ErrUnsupported)
}

// TestHeaderFlips: no bit of the header can turn unnoticed, even if the checksum is made right again: the
// header is bound to every segment.
func TestHeaderFlips(t *testing.T) {
	keys := testKeys(1)
	file := packed(Meta, keys, ID{3}, sample())
	for bit := range HeaderSize * 8 {
		bad := bytes.Clone(file)
		bad[bit/8] ^= 1 << (bit % 8)
		if _, err := open(bad, keys); !errors.Is(err, ErrDamaged) {
			t.Fatalf("bit %d of byte %d: %v", bit%8, bit/8, err)
		}
		binary.LittleEndian.PutUint32(bad[108:], crc32.Checksum(bad[:108], crc32.MakeTable(crc32.Castagnoli)))
		if bit/8 >= 108 {
			continue // the checksum itself, made right
		}
		if _, err := open(bad, keys); !wrongHeader(err) {
			t.Fatalf("bit %d of byte %d with a right checksum: %v", bit%8, bit/8, err)
		}
	}
}

// TestBodyFlips: a changed segment is damage to what lies in it, and to nothing else.
func TestBodyFlips(t *testing.T) {
	keys := testKeys(1)
	file := packed(Meta, keys, ID{3}, sample())
	segment := HeaderSize + 1<<16 + 16
	for _, at := range []int{HeaderSize, HeaderSize + 40_000, segment - 1} { // the first segment
		bad := bytes.Clone(file)
		bad[at] ^= 0x10
		p, err := open(bad, keys)
		if err != nil {
			t.Fatalf("byte %d: the directory is whole, but: %v", at, err)
		}
		if _, err := p.Span(t.Context(), nil, 0, 0); !errors.Is(err, ErrDamaged) {
			t.Errorf("byte %d: block 0: %v", at, err)
		}
		if got, err := p.Span(t.Context(), nil, 1, 1); err != nil || string(got) != "clay" {
			t.Errorf("byte %d: block 1 is whole, but: %q, %v", at, got, err)
		}
	}
	for _, at := range []int{segment, segment + 100, len(file) - 1} { // the second, with the directory
		bad := bytes.Clone(file)
		bad[at] ^= 0x10
		if _, err := open(bad, keys); !errors.Is(err, ErrDamaged) {
			t.Errorf("byte %d: %v", at, err)
		}
	}
	swapped := slices.Concat(file[:HeaderSize], file[segment:], file[HeaderSize:segment])
	if _, err := open(swapped, keys); !errors.Is(err, ErrDamaged) {
		t.Errorf("segments swapped: %v", err)
	}
}

func TestLengths(t *testing.T) {
	keys := testKeys(1)
	file := packed(Data, keys, ID{3}, sample())
	for _, n := range []int{0, 1, HeaderSize - 1, HeaderSize, HeaderSize + 1, len(file) / 2, len(file) - 17, len(file) - 1} {
		if _, err := open(file[:n], keys); !errors.Is(err, ErrDamaged) {
			t.Errorf("%d of %d bytes: %v", n, len(file), err)
		}
	}
	if _, err := open(append(bytes.Clone(file), 0), keys); !errors.Is(err, ErrDamaged) {
		t.Errorf("a byte too much: %v", err)
	}
}

func TestOtherKeys(t *testing.T) {
	file := packed(Data, testKeys(1), ID{3}, sample())
	if _, err := open(file, testKeys(2)); !errors.Is(err, ErrDamaged) {
		t.Errorf("the keys of another vault: %v", err)
	}
	if _, err := open(file, seal.Derive(seal.Master{8}, [16]byte{1})); !errors.Is(err, ErrDamaged) {
		t.Errorf("another master key: %v", err)
	}
}

// TestCommitment: a pack that opens under the key and says that it is of another is refused, so that no pack can be
// made that says one thing under one key and another under a second.
func TestCommitment(t *testing.T) {
	keys := testKeys(1)
	for _, right := range []bool{true, false} {
		plain := appendDirectory(nil, nil)
		h := Header{Kind: Data, Segment: dataSegment, ID: ID{3}, Plain: int64(len(plain)), Directory: int64(len(plain)), Commitment: keys.Stream([32]byte{}, dataSegment, nil).Commitment()}
		if !right {
			h.Commitment[31] ^= 1
		}
		if _, err := open(h.stream(keys).Seal(h.append(nil), plain), keys); errors.Is(err, ErrDamaged) == right {
			t.Errorf("right %v: %v", right, err)
		}
	}
}

// TestSourceErrors: what the store says is handed up, from every read.
func TestSourceErrors(t *testing.T) {
	keys, lost := testKeys(1), errors.New("lost")
	file := packed(Meta, keys, ID{3}, sample())
	for fail := range 3 {
		n := -1
		src := func(ctx context.Context, off, size int64, dst []byte) ([]byte, error) {
			if n++; n == fail {
				return dst, lost
			}
			return from(file)(ctx, off, size, dst)
		}
		p, err := Open(t.Context(), keys, src, int64(len(file)))
		if err == nil {
			_, err = p.Span(t.Context(), nil, 0, 0)
		}
		if !errors.Is(err, lost) || errors.Is(err, ErrDamaged) {
			t.Errorf("read %d fails: %v", fail, err)
		}
	}
}

// TestNewerHeader: what a newer writer could have written is unsupported, not damage.
func TestNewerHeader(t *testing.T) {
	file := packed(Data, testKeys(1), ID{3}, sample())
	for at, v := range map[int]byte{8: 2, 10: 3, 11: 21, 12: 1} {
		b := bytes.Clone(file[:HeaderSize])
		b[at] = v
		binary.LittleEndian.PutUint32(b[108:], crc32.Checksum(b[:108], crc32.MakeTable(crc32.Castagnoli)))
		if _, err := ParseHeader(b); !errors.Is(err, errors.ErrUnsupported) || errors.Is(err, ErrDamaged) {
			t.Errorf("byte %d is %d: %v", at, v, err)
		}
	}
}

func FuzzHeader(f *testing.F) {
	f.Add(packed(Data, testKeys(1), ID{3}, sample())[:HeaderSize])
	f.Add(packed(Meta, testKeys(1), ID{4}, nil))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= HeaderSize { // so that the fuzzer gets behind the checksum
			b = bytes.Clone(b)
			binary.LittleEndian.PutUint32(b[108:], crc32.Checksum(b[:108], crc32.MakeTable(crc32.Castagnoli)))
		}
		h, err := ParseHeader(b)
		if err != nil {
			if !wrongHeader(err) {
				t.Errorf("error %v", err)
			}
			return
		}
		if !bytes.Equal(h.append(nil), b[:HeaderSize]) {
			t.Errorf("%x is written as %x", b[:HeaderSize], h.append(nil))
		}
		if h.Directory > h.Plain || h.Plain > MaxFile || h.Directory > MaxDirectory {
			t.Errorf("lengths %+v", h)
		}
	})
}

// FuzzDirectory: nothing panics; what parses is within the limits, tiles blocks and stream, and means the same
// when it is written again, which is never longer: a reader takes numbers in any form, a writer has the shortest.
func FuzzDirectory(f *testing.F) {
	seed := func(blocks []stored, body int64) {
		var plain []Block
		for i := range blocks {
			plain = append(plain, blocks[i].Block)
		}
		f.Add(appendDirectory(nil, plain), body)
	}
	seed(nil, 0)
	s := sample()
	seed(s, int64(s[0].Stored)+4)
	seed([]stored{{Block: Block{Stored: 6, Raw: 300, Entries: []Entry{
		{Len: 200, Plain: 200}, {Off: 200, Len: 100, Plain: 5000, Bases: []digest.Digest{{1}, {2}}}}}}}, 6)
	seed([]stored{{Block: Block{Codec: seal.Subtract, Stored: 6, Raw: 104, Entries: []Entry{{Len: 104, Plain: 100, Bases: []digest.Digest{{1}}, Difference: true}}}}}, 6)
	f.Add([]byte{1, 0, 0x80, 0, 0, 0}, int64(0))                           // a long form
	f.Add(binary.AppendUvarint(nil, 1<<62), int64(0))                      // more blocks than bytes
	f.Add(append([]byte{1, 0, 0, 0}, 0xff, 0xff, 0xff, 0xff, 7), int64(0)) // more entries than bytes
	f.Fuzz(func(t *testing.T, b []byte, body int64) {
		blocks, err := ParseDirectory(b, body)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("error %v", err)
			}
			return
		}
		checkTiles(t, blocks, body)
		again := appendDirectory(nil, blocks)
		if len(again) > len(b) || len(again) == len(b) && !bytes.Equal(again, b) {
			t.Fatalf("%x is written as %x", b, again)
		}
		back, err := ParseDirectory(again, body)
		if err != nil || !reflect.DeepEqual(back, blocks) {
			t.Fatalf("%x came back as another directory: %v", b, err)
		}
	})
}

func checkTiles(t *testing.T, blocks []Block, body int64) {
	t.Helper()
	off := int64(0)
	for i := range blocks {
		bl := &blocks[i]
		if bl.Off != off || bl.Stored > MaxBlock || bl.Raw > MaxBlock {
			t.Errorf("block %d: %+v", i, bl)
		}
		off += int64(bl.Stored)
		at := uint32(0)
		for j := range bl.Entries {
			e := &bl.Entries[j]
			if e.Off != at || e.Plain > MaxBlock || len(e.Bases) > MaxBases || len(e.Bases) == 0 && e.Plain != e.Len ||
				e.Difference != (bl.Codec == seal.Subtract) || e.Difference && (len(e.Bases) != 1 || e.Len != e.Plain+4) {
				t.Errorf("block %d entry %d: %+v", i, j, e)
			}
			at += e.Len
		}
		if at != bl.Raw {
			t.Errorf("block %d: entries of %d bytes in %d", i, at, bl.Raw)
		}
	}
	if off != body {
		t.Errorf("blocks of %d bytes in %d", off, body)
	}
}

// TestDirectoryTruncated: every prefix of a directory is damage, and so is every byte behind it.
func TestDirectoryTruncated(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var blocks []Block
		body := int64(0)
		for _, b := range drawBlocks(t) {
			blocks = append(blocks, b.Block)
			body += int64(b.Stored)
		}
		b := appendDirectory(nil, blocks)
		if _, err := ParseDirectory(b, body); err != nil {
			t.Fatal(err)
		}
		n := rapid.IntRange(0, len(b)-1).Draw(t, "length")
		for what, bad := range map[string][]byte{"cut": b[:n], "longer": append(bytes.Clone(b), 0)} {
			if _, err := ParseDirectory(bad, body); !errors.Is(err, ErrDamaged) {
				t.Fatalf("%s: %v", what, err)
			}
		}
		if _, err := ParseDirectory(b, body+1); !errors.Is(err, ErrDamaged) {
			t.Fatalf("body of another length: %v", err)
		}
	})
}

// TestRemake: a delta is made by what its block's codec says, from its own bases, or it is damage.
func TestRemake(t *testing.T) {
	base := bytes.Repeat([]byte{1, 0, 0, 0, 2, 0, 0, 0}, 100)
	plain := bytes.Clone(base)
	plain[17] = 9
	var w seal.Window
	w.Add(base)
	window, _, ok := w.Encode(nil, plain, len(plain))
	if !ok {
		t.Fatal("no window delta")
	}
	diff, err := seal.Difference(nil, plain, base, 4)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		difference bool
		payload    []byte
		bases      [][]byte
		plain      int
		ok         bool
	}{
		"window":                       {false, window, [][]byte{base}, len(plain), true},
		"difference":                   {true, diff, [][]byte{base}, len(plain), true},
		"window cut":                   {false, window[:len(window)-1], [][]byte{base}, len(plain), false},
		"window of another length":     {false, window, [][]byte{base}, len(plain) + 1, false},
		"window without base":          {false, window, nil, len(plain), false},
		"difference cut":               {true, diff[:len(diff)-1], [][]byte{base}, len(plain), false},
		"difference of another length": {true, diff, [][]byte{base}, len(plain) + 1, false},
		"difference from less":         {true, diff, [][]byte{base[:8]}, len(plain), false},
		"difference from two":          {true, diff, [][]byte{base, base}, len(plain), false},
		"difference from none":         {true, diff, nil, len(plain), false},
	} {
		e := Entry{Difference: c.difference, Plain: uint32(c.plain)}
		got, err := e.Remake([]byte("x"), c.payload, c.bases)
		if c.ok && (err != nil || !bytes.Equal(got, append([]byte("x"), plain...))) {
			t.Errorf("%s: %v", name, err)
		}
		if !c.ok && !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func BenchmarkSeal(b *testing.B) {
	keys := testKeys(1)
	block := make([]byte, 256<<10)
	entries := make([]Entry, 4)
	for i := range entries {
		entries[i] = Entry{Len: 64 << 10, Plain: 64 << 10}
	}
	p := NewBuilder(Data)
	for range 64 {
		p.Add(seal.Raw, block, len(block), entries)
	}
	var file []byte
	b.SetBytes(int64(p.Len()))
	for b.Loop() {
		file = p.Seal(file[:0], keys, ID{1}, [32]byte{1})
	}
}

func BenchmarkOpen(b *testing.B) {
	keys := testKeys(1)
	p := NewBuilder(Data)
	for range 64 {
		p.Add(seal.Raw, make([]byte, 1000), 1000, []Entry{{Len: 500, Plain: 500}, {Len: 500, Plain: 500}})
	}
	file := p.Seal(nil, keys, ID{1}, [32]byte{1})
	b.SetBytes(int64(len(file)))
	for b.Loop() {
		if _, err := open(file, keys); err != nil {
			b.Fatal(err)
		}
	}
}
