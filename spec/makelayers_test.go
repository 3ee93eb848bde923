package spec_test

import (
	"bytes"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/huff0"
	"github.com/zeebo/blake3"

	"varve/internal/chunk"
	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/seal"
	"varve/internal/tree"
)

// makeLayers makes the content of layers.json.
func makeLayers(t *testing.T) *layers {
	l := new(layers)
	l.Keys.Master, l.Keys.Vault = make(octets, 32), make(octets, 16)
	for i := range l.Keys.Master {
		l.Keys.Master[i] = byte(i)
	}
	for i := range l.Keys.Vault {
		l.Keys.Vault[i] = byte(0xf0 + i)
	}
	prk, err := hkdf.Extract(sha256.New, l.Keys.Master, l.Keys.Vault)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []struct {
		to    *octets
		label string
	}{{&l.Keys.IDs, "ids"}, {&l.Keys.Gear, "gear"}, {&l.Keys.Index, "index"}, {&l.Keys.Metadata, "metadata"}, {&l.Keys.Packs, "packs"}} {
		if *k.to, err = hkdf.Expand(sha256.New, prk, "varve/1 "+k.label, 32); err != nil {
			t.Fatal(err)
		}
	}
	l.makeDigests()
	l.makeCuts(t)
	l.makeSealed(t)
	l.makePack()
	l.makeSlots(t)
	l.makeBlocks(t)
	l.makeTrees(t)
	l.makeRoots(t)
	l.makeLists(t)
	return l
}

func (l *layers) makeDigests() {
	for _, in := range [][]byte{nil, []byte("varve"), bytes.Repeat([]byte{0xa5}, 1025)} {
		d := l.keys().ID.Sum(in)
		l.Digests = append(l.Digests, struct{ Input, Digest octets }{append(octets{}, in...), d[:]})
	}
}

func (l *layers) makeCuts(t *testing.T) {
	h, err := blake3.NewKeyed(l.Keys.Gear)
	if err != nil {
		t.Fatal(err)
	}
	h.WriteString("varve chunk gear table 1")
	var x [2048]byte
	h.Digest().Read(x[:])
	for _, i := range []int{0, 1, 2, 127, 255} {
		l.Gear = append(l.Gear, gearEntry{i, fmt.Sprintf("%016x", binary.LittleEndian.Uint64(x[8*i:]))})
	}
	l.Cuts = []cuts{
		{Class: uint8(chunk.Small), Size: 200_000},
		{Class: uint8(chunk.Medium), Size: 700_000},
		{Class: uint8(chunk.Large), Size: 3_000_000},
		{Class: uint8(chunk.Fixed64K), Size: 200_000},
		{Class: uint8(chunk.Medium), Size: 65_536},
		{Class: uint8(chunk.Medium), Size: 65_537},
		{Class: uint8(chunk.Medium), Size: 400_000, Zeros: [2]int{100_000, 300_000}},
		{Class: uint8(chunk.Fixed64K), Size: 400_000, Zeros: [2]int{100_000, 300_000}},
		{Class: uint8(chunk.Medium), Size: 300_000, Seams: [][2]int64{{0, 6}, {500, 1}, {100_000, 3}, {100_000, 4}, {99_000, 1}, {250_000, 0}, {300_000, 1}}},
	}
	for i := range l.Cuts {
		l.Cuts[i].Pieces = pieces([32]byte(l.Keys.Gear), &l.Cuts[i])
	}
}

func (l *layers) makeSealed(t *testing.T) {
	for i, o := range []sealedObject{
		{Kind: uint8(seal.Manifest), ID: "00112233445566778899aabbccddeeff", Plain: octets(`{"a":1}`)},
		{Kind: uint8(seal.Index), ID: "ffeeddccbbaa99887766554433221100", Plain: octets("not an index")},
		{Kind: uint8(seal.Condemn), ID: "gc/0000000001/condemn", Plain: octets{}},
		{Kind: uint8(seal.Ledger), ID: "00112233445566778899aabbccddeeff", Plain: bytes.Repeat([]byte("again and "), 40)},
		{Kind: uint8(seal.Quarantine), ID: "quarantine/00112233445566778899aabbccddeeff", Plain: octets("segment 0 does not open")},
	} {
		salt := sha256.Sum256([]byte{byte(i)})
		o.Salt = salt[:]
		var err error
		if o.Sealed, err = l.keys().Seal(nil, seal.Kind(o.Kind), []byte(o.ID), o.Plain, bytes.NewReader(salt[:])); err != nil {
			t.Fatal(err)
		}
		l.Objects = append(l.Objects, o)
	}
	for i, size := range []int{0, 40, 1 << 16, 1<<16 + 1, 200_000} {
		salt := sha256.Sum256([]byte{byte(100 + i)})
		s := sealedStream{Salt: salt[:], AAD: octets("header"), Log: 16, Size: size}
		st := l.keys().Stream(salt, 16, s.AAD)
		c := st.Commitment()
		sealed := st.Seal(nil, cutStream(size, [2]int{}))
		sum := sha256.Sum256(sealed)
		s.Commitment, s.SealedSHA256 = c[:], sum[:]
		if size < 100 {
			s.Sealed = sealed
		}
		l.Streams = append(l.Streams, s)
	}
}

func (l *layers) makeSlots(t *testing.T) {
	m := seal.Master(l.Keys.Master)
	wrapped, err := seal.SealMaster(m, []byte("p\u00e4ss phrase"), seal.Params{Time: 2, Memory: 256, Threads: 2}, seal.Note{Created: began, Label: "stüdio"}, newChance("layers slot"))
	if err != nil {
		t.Fatal(err)
	}
	rescue := seal.Recovery(noise("layers recovery", 32))
	kit, err := seal.SealRecovery(m, rescue, seal.Note{Created: began}, newChance("layers kit"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []seal.Slot{seal.StoredSlot(m, began), wrapped, kit} {
		secret := "p\u00e4ss phrase"
		if s.Kind == seal.SlotRecovery {
			secret = rescue.String()
		}
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		l.Slots = append(l.Slots, struct {
			Slot               json.RawMessage
			Passphrase, Master octets
		}{b, octets(secret), m[:]})
	}
}

func (l *layers) makeBlocks(t *testing.T) {
	for _, w := range []int{2, 4} {
		var raw []byte
		skewed := words("planes", 300) // a plane that Huffman codes, one of one value, the rest noise
		rest := noise("planes", 1200)
		for i := range 300 {
			raw = append(raw, rest[4*i:4*i+w-2]...)
			raw = append(raw, skewed[i], 0x3f)
		}
		raw = append(raw, 1) // not a whole element
		c, stored, err := seal.NewEncoder().BlockTyped(nil, raw, seal.Planes, uint8(w))
		if err != nil || c != seal.Planes {
			t.Fatalf("planes of %d: codec %d, %v", w, c, err)
		}
		l.Planes = append(l.Planes, planesBlock{raw, stored})
	}
	l.Planes = append(l.Planes, allModes(t), planesBlock{octets{7}, octets{2, 7}})
	l.makeDifferences(t)
	l.makeWindow(t)
}

// rare returns n bytes of which most are zero.
func rare(seed string, n int) []byte {
	b := noise(seed, n)
	for i := range b {
		b[i] = max(b[i], 200) - 200
	}
	return b
}

// sparse codes a run by mode 4.
func sparse(run []byte) []byte {
	coded, gap := []byte{0}, 0
	for _, b := range run {
		if b != 0 || gap == 255 {
			coded, gap = append(coded, byte(gap), b), 0
		} else {
			gap++
		}
	}
	return coded
}

// allModes is a block by hand: a run of each mode and runs that are as short as they may be.
func allModes(t *testing.T) planesBlock {
	const last = 476 // bytes of the last runs
	gaps := rare("mode 4 again", 1024)
	clear(gaps[100:500])
	low := bytes.Join([][]byte{words("mode 1", 1024), words("mode 3", 1024), rare("mode 4", last)}, nil)
	high := bytes.Join([][]byte{bytes.Repeat([]byte{0xbe}, 1024), gaps, noise("mode 0", last)}, nil)
	p := planesBlock{Stored: octets{2 | 7<<4, 0x99}}
	for i := range low {
		p.Raw = append(p.Raw, low[i], high[i])
	}
	p.Raw = append(p.Raw, 0x99)
	huffman, _, err := huff0.Compress4X(low[:1024], nil)
	if err != nil {
		t.Fatal(err)
	}
	c, frame, err := seal.NewEncoder().Block(nil, low[1024:2048], seal.Better)
	if err != nil || c != seal.Zstd {
		t.Fatalf("codec %d, %v", c, err)
	}
	add := func(mode byte, b []byte) {
		p.Stored = append(append(p.Stored, mode, byte(len(b)), byte(len(b)>>8), byte(len(b)>>16)), b...)
	}
	add(1, huffman)
	add(3, frame)
	add(4, sparse(low[2048:]))
	p.Stored = append(p.Stored, 2, 0xbe)
	add(4, sparse(high[1024:2048]))
	p.Stored = append(append(p.Stored, 0), high[2048:]...)
	return p
}

// makeDifferences makes differences of both widths, and blocks of them.
func (l *layers) makeDifferences(t *testing.T) {
	for _, w := range []int{2, 4} {
		base := weights(0)
		base = base[len(base)-12_000:][:1200*w]
		for _, much := range []bool{false, true} {
			n := 400 * w
			if much { // is as it was, and there is half a word more
				n = len(base) - 8 + w
			}
			plain := bytes.Clone(base[:n])
			for i := 0; i+w <= n; i += w {
				if !much || i > n-100 {
					plain[i] += byte(i/w%5) - 2
				}
			}
			diff, err := seal.Difference(nil, plain, base[:n], w)
			if err != nil {
				t.Fatal(err)
			}
			l.Differences = append(l.Differences, difference{octets(base[:n]), plain, diff})
			c, stored, err := seal.NewEncoder().BlockTyped(nil, diff, seal.Subtract, uint8(w))
			if err != nil || c != seal.Subtract {
				t.Fatalf("codec %d, %v", c, err)
			}
			l.Planes = append(l.Planes, planesBlock{diff, stored})
		}
	}
	wrap := difference{Base: octets{0xff, 0xff, 0, 0x80, 0, 0}, Plain: octets{0, 0, 0xff, 0x7f, 0xff, 0xff}}
	wrap.Difference = octets{2, 0, 0, 0, 2, 0, 1, 0, 1, 0} // by hand: +1, −1, −1
	l.Differences = append(l.Differences, wrap)
}

func (l *layers) makeWindow(t *testing.T) {
	bases := [][]byte{words("base a", 400), noise("base b", 300)}
	target := bytes.Join([][]byte{[]byte("new head "), bases[1][100:260], bases[0][50:150], []byte("!"), bases[0][151:390], []byte(" new tail")}, nil)
	w := new(seal.Window)
	for _, b := range bases {
		w.Add(b)
	}
	payload, used, ok := w.Encode(nil, target, len(target)/2)
	if !ok || len(used) != 2 {
		t.Fatalf("window delta: %v %v", used, ok)
	}
	for _, u := range used {
		l.Window.Bases = append(l.Window.Bases, bases[u])
	}
	l.Window.Payload, l.Window.Plain = payload, target
}

func (l *layers) makeTrees(t *testing.T) {
	d := l.keys().ID.Sum([]byte("a chunk"))
	r := tree.Recipe{Class: uint8(chunk.Medium), Items: []tree.Item{
		{Kind: tree.Chunk, Len: 70_000, Digest: d},
		{Kind: tree.Literal, Len: 5, Bytes: []byte("bytes")},
		{Kind: tree.Run, Len: 5000, Bytes: []byte("abcdefghijklmnopqrstuvwx")},
		{Kind: tree.Hole, Len: 1 << 30}}}
	for _, it := range r.Items {
		r.Size += it.Len
		b := it.Bytes
		if it.Kind == tree.Chunk {
			b = it.Digest[:]
		}
		l.Recipe.Items = append(l.Recipe.Items, item{uint8(it.Kind), it.Len, append(octets{}, b...)})
	}
	l.Recipe.Bytes, l.Recipe.Class, l.Recipe.Size = r.Append(nil), r.Class, r.Size

	hello := tree.Recipe{Class: 1, Size: 5, Items: []tree.Item{{Kind: tree.Literal, Len: 5, Bytes: []byte("hello")}}}
	entries := []tree.Entry{
		{Name: "\xfebytes", Mode: 0o644, UID: 1000, GID: 1000, Mtime: 1_700_000_000_000_000_001, Size: 5, Content: hello.Append(nil)},
		{Name: "device", Type: disk.BlockDevice, Mode: 0o660, Mtime: 0, Rdev: 0x801},
		{Name: "dir", Type: disk.Directory, Mode: 0o755, Mtime: -1, Dir: d, Summary: tree.Summary{Files: 3, Dirs: 2, Links: 1, Bytes: 1 << 40, Doubtful: 1, Depth: 2}},
		{Name: "inline", Mode: 0o644, Mtime: 1_700_000_000_000_000_000, Size: r.Size, Content: l.Recipe.Bytes, Flags: tree.HasSHA256 | tree.SparseFile, SHA256: sha256.Sum256(nil), LinkGroup: 77},
		{Name: "link", Type: disk.Symlink, Mode: 0o777, Mtime: 1_700_000_000_000_000_000, Size: 6, Target: "inline"},
		{Name: "paged", Mode: 0o4755, Mtime: 1_700_000_001_500_000_000, Size: 1 << 33, Recipe: d, Attrs: 0x20, Xattrs: []disk.Xattr{{Name: "user.a", Value: []byte{}}, {Name: "user.b", Value: []byte("x")}}},
	}
	entries = append(entries[1:], entries[0])
	page, root, err := encodePage(l.keys(), entries)
	if err != nil {
		t.Fatal(err)
	}
	l.Page.Bytes, l.Page.Digest = page, root[:]
	for i := range entries {
		l.Page.Names = append(l.Page.Names, octets(entries[i].Name))
	}
	for _, n := range []string{"a", "texture.png", strings.Repeat("long ", 20)} {
		l.Marks = append(l.Marks, struct{ Name, Mark octets }{octets(n), markBySpec([]byte(n))})
	}
}

func (l *layers) makeRoots(t *testing.T) {
	l.Roots.Entries, l.Roots.Items = 40_000, 80_000
	dir, err := manyEntries(l.keys(), l.Roots.Entries)
	if err != nil {
		t.Fatal(err)
	}
	recipe, err := manyItems(l.keys(), l.Roots.Items)
	if err != nil {
		t.Fatal(err)
	}
	l.Roots.Directory, l.Roots.Recipe = dir[:], recipe[:]
}

func (l *layers) makeLists(t *testing.T) {
	for i := range 5 {
		d := l.keys().ID.Sum([]byte{byte(i)})
		pack := sha256.Sum256([]byte{byte(i / 3)})
		l.Index.Rows = append(l.Index.Rows, indexRow{d[:], pack[:16], int64(1000 + i/3), uint32(i), uint16(10 * i), uint8(i % 4)})
	}
	l.Index.Bytes = encodeIndex(l.Index.Rows)
	list := []history.Change{{Kind: history.Added, Path: "art/a.png"}, {Kind: history.Modified, Path: "art/ab.png"}, {Kind: history.Renamed, Path: "art/b.png", Old: "old/b.png"},
		{Kind: history.Touched, Path: "b\xff"}, {Kind: history.Removed, Path: "c"}}
	for _, c := range list {
		l.Changes.List = append(l.Changes.List, listed{string(c.Kind), octets(c.Path), octets(c.Old)})
	}
	_, err := history.PutChanges(func(page []byte) (digest.Digest, error) {
		l.Changes.Bytes = bytes.Clone(page)
		return digest.Digest{}, nil
	}, list)
	if err != nil {
		t.Fatal(err)
	}
}
