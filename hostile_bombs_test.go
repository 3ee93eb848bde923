package varve_test

import (
	"bytes"
	"encoding/binary"
	"slices"
	"testing"

	"github.com/klauspost/compress/zstd"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/internal/tree"
)

// bombAttacks are few bytes that would take endless time or memory.
func bombAttacks() (all []attack) {
	all = append(all, treeBombs()...)
	all = append(all, recipeBombs()...)
	all = append(all, blockBombs()...)
	all = append(all, directoryBombs()...)
	return append(all, deltaBombs()...)
}

// doubled is a folder of so many levels, each with two names for the next: 2^levels paths.
func doubled(m *maker, levels int, leaf ...row) (digest.Digest, tree.Summary) {
	d, s := m.dir(leaf...)
	for range levels {
		d, s = m.dir(sub("a", d, s), sub("b", d, s))
	}
	return d, s
}

func treeBombs() (all []attack) {
	add := func(a attack) {
		a.name, a.heavy = "tree: "+a.name, true
		all = append(all, a)
	}
	// Nothing is wrong with such a tree but that it is no folder anybody has: verify, which looks at each page once, has
	// nothing to say. Whoever goes through its paths is told.
	unread := func(t *testing.T, v *victim) {
		for _, verb := range []string{"list", "restore", "manifest", "restore in place"} {
			if !isDamage(v.errs[verb]) {
				t.Errorf("%s: %v", verb, v.errs[verb])
			}
		}
		if v.errs["snap"] != nil || v.errs["verify"] != nil {
			t.Errorf("snap: %v, verify: %v", v.errs["snap"], v.errs["verify"])
		}
	}
	add(attack{name: "2^24 paths of 24 folders", check: unread, make: func(m *maker) { m.snapshot(doubled(m, 24, file("f", "x"))) }})
	add(attack{name: "2^24 paths and no file", long: true, check: unread, make: func(m *maker) { m.snapshot(doubled(m, 24)) }})
	add(attack{name: "2^62 paths", long: true, check: unread, make: func(m *maker) { m.snapshot(doubled(m, 62)) }})
	add(attack{name: "more paths than numbers", want: refused, make: func(m *maker) { m.snapshot(doubled(m, 70, file("f", "x"))) }})
	add(attack{name: "2^500 paths that say to be 1", want: refused, make: func(m *maker) {
		d, s := m.dir(file("f", "x"))
		for range 500 {
			d = m.page(rows(sub("a", d, s), sub("b", d, s)))
		}
		m.snapshot(d, s)
	}})
	add(attack{name: "8000 files, 16 to the 10th times", long: true, check: unread, make: func(m *maker) {
		var leaf []row
		for i := range 8000 {
			leaf = append(leaf, file(numbered("%04d", i), ""))
		}
		d, s := m.dir(leaf...)
		for range 10 {
			var level []row
			for i := range 16 {
				level = append(level, sub(numbered("%02d", i), d, s))
			}
			d, s = m.dir(level...)
		}
		m.snapshot(d, s)
	}})
	add(attack{name: "2^24 paths to a chunk that is lost", want: refused, make: func(m *maker) {
		m.snapshot(doubled(m, 24, fileOf("f", recipe(600, chunkItem(digest.Digest{1}, 600)))))
	}})
	add(attack{name: "2^24 paths to a page that is lost", long: true, want: refused, make: func(m *maker) {
		m.snapshot(doubled(m, 24, sub("lost", digest.Digest{2}, tree.Summary{})))
	}})
	add(attack{name: "2^24 paths to a page that is none", long: true, want: refused, make: func(m *maker) {
		m.snapshot(doubled(m, 24, sub("bad", m.page([]byte("no page")), tree.Summary{})))
	}})
	add(attack{name: "two of 2^24 paths that differ in all", long: true, check: unread, make: func(m *maker) {
		m.snapshot(doubled(m, 24, file("f", "1")))
		m.snapshot(doubled(m, 24, file("f", "2")))
	}})
	add(attack{name: "2^24 members of a link group", long: true, check: unread, make: func(m *maker) {
		m.snapshot(doubled(m, 24, file("f", "1").group(7), file("g", "1").group(7)))
	}})
	add(attack{name: "2^24 paths for a folder that folds names", long: true, check: unread, targets: []disk.MemoryOptions{{FoldCase: true}}, make: func(m *maker) {
		m.snapshot(doubled(m, 24, file("f", "1"), link("l", "f")))
	}})
	add(attack{name: "2^8 paths, which are content", make: func(m *maker) { m.snapshot(doubled(m, 8, file("f", "x"))) }, check: func(t *testing.T, v *victim) {
		if v.errs["restore"] != nil || v.errs["list"] != nil || len(v.listed[v.hostile[0].ID.String()]) != 1<<8+1<<9-2 {
			t.Errorf("restore: %v, list: %v, %d entries", v.errs["restore"], v.errs["list"], len(v.listed[v.hostile[0].ID.String()]))
		}
	}})
	return all
}

// inPages stores pages of a recipe, each naming the one below so many times.
func (m *maker) inPages(levels, times int, page []byte, size, items uint64) (digest.Digest, uint64) {
	d := m.page(page)
	for level := range levels {
		d = m.page(recipeUpper(byte(level+1), slices.Repeat([]stretch{{d, size, items}}, times)...))
		size, items = size*uint64(times), items*uint64(times)
	}
	return d, size
}

func recipeBombs() (all []attack) {
	add := func(a attack) {
		a.name, a.heavy = "recipe: "+a.name, true
		all = append(all, a)
	}
	// The file is what it says it is, and too large to be written.
	full := func(t *testing.T, v *victim) {
		if v.errs["restore"] == nil {
			t.Error("restored")
		}
		if v.errs["verify"] != nil || len(v.found) > 0 {
			t.Errorf("verify: %v %v", v.errs["verify"], v.found)
		}
	}
	pattern := []byte("twenty-four bytes, again")
	run := tree.Item{Kind: tree.Run, Len: 1 << 60, Bytes: pattern}
	hole := tree.Item{Kind: tree.Hole, Len: 1 << 60}
	sparse := func(r row) row { return r.with(1, 4) }
	add(attack{name: "a hole of 2^60 bytes", endless: true, check: full, make: func(m *maker) { m.tree(fileOf("f", recipe(1<<60, hole))) }})
	add(attack{name: "a sparse hole of 2^60 bytes", endless: true, make: func(m *maker) { m.tree(sparse(fileOf("f", recipe(1<<60, hole)))) }})
	add(attack{name: "a run of 2^60 bytes", endless: true, check: full, make: func(m *maker) { m.tree(fileOf("f", recipe(1<<60, run))) }})
	add(attack{name: "a run of 2^60 bytes that says to be sparse", endless: true, check: full, make: func(m *maker) { m.tree(sparse(fileOf("f", recipe(1<<60, run)))) }})
	add(attack{name: "a hole and a byte", endless: true, make: func(m *maker) {
		hole := hole
		hole.Len--
		m.tree(sparse(fileOf("f", recipe(1<<60, hole, literal("x")))))
	}})
	add(attack{name: "2^60 and one", want: refused, make: func(m *maker) { m.tree(fileOf("f", recipe(1<<60+1, hole, literal("x")))) }})
	add(attack{name: "lengths beyond numbers", want: refused, make: func(m *maker) {
		m.tree(fileOf("f", recipe(0, slices.Repeat([]tree.Item{hole}, 16)...))) // 2^64
	}})
	add(attack{name: "files of 2^63 bytes together", want: refused, endless: true, make: func(m *maker) {
		var all []row
		for i := range 9 {
			all = append(all, fileOf(numbered("%d", i), recipe(1<<60, hole)))
		}
		m.tree(all...)
	}})
	chunkPage := func(m *maker, n int) []byte {
		d := m.chunk([]byte("x"))
		return recipePage(slices.Repeat([]tree.Item{chunkItem(d, 1)}, n)...)
	}
	add(attack{name: "one page over and over", endless: true, check: full, make: func(m *maker) {
		d, size := m.inPages(4, 1000, chunkPage(m, 1000), 1000, 1000)
		m.tree(paged("f", size, d))
	}})
	add(attack{name: "one page over and over that says to be sparse", endless: true, check: full, make: func(m *maker) {
		d, size := m.inPages(4, 1000, chunkPage(m, 1000), 1000, 1000)
		m.tree(sparse(paged("f", size, d)))
	}})
	add(attack{name: "ten thousand files of one such recipe", endless: true, check: full, make: func(m *maker) {
		d, size := m.inPages(4, 100, chunkPage(m, 1000), 1000, 1000)
		var all []row
		for i := range 10_000 {
			all = append(all, paged(numbered("%05d", i), size, d))
		}
		m.tree(all...)
	}})
	add(attack{name: "pages that say less than they have", want: refused, make: func(m *maker) {
		d, _ := m.inPages(1, 1000, chunkPage(m, 1000), 1000, 1000)
		e := m.page(recipeUpper(2, stretch{d, 1000, 1000}, stretch{d, 1000, 1000}))
		m.tree(paged("f", 2000, e))
	}})
	add(attack{name: "pages that say more than they have", want: refused, make: func(m *maker) {
		d := m.page(chunkPage(m, 1000))
		m.tree(paged("f", 1<<40, m.page(recipeUpper(1, stretch{d, 1 << 39, 1000}, stretch{d, 1 << 39, 1000}))))
	}})
	add(attack{name: "pages that say to have 2^60 items", want: refused, make: func(m *maker) {
		d := m.page(chunkPage(m, 1000))
		m.tree(paged("f", 1<<60, m.page(recipeUpper(1, stretch{d, 1 << 59, 1 << 59}, stretch{d, 1 << 59, 1 << 59}))))
	}})
	add(attack{name: "a page of a level that is none", want: refused, make: func(m *maker) {
		d := m.page(chunkPage(m, 1000))
		m.tree(paged("f", 2000, m.page(recipeUpper(200, stretch{d, 1000, 1000}, stretch{d, 1000, 1000}))))
	}})
	add(attack{name: "a level that names its own", want: refused, make: func(m *maker) {
		d, size := m.inPages(1, 2, chunkPage(m, 1000), 1000, 1000)
		m.tree(paged("f", 2*size, m.page(recipeUpper(1, stretch{d, size, 2000}, stretch{d, size, 2000}))))
	}})
	add(attack{name: "a root above one page", want: refused, make: func(m *maker) {
		d, size := m.inPages(1, 1, chunkPage(m, 1000), 1000, 1000)
		m.tree(paged("f", size, d))
	}})
	add(attack{name: "a page for what is inline", want: refused, make: func(m *maker) { m.tree(paged("f", 1, m.page(chunkPage(m, 1)))) }})
	add(attack{name: "a page of another class", want: refused, make: func(m *maker) {
		d := m.page(chunkPage(m, 1000))
		up := recipeUpper(1, stretch{d, 1000, 1000}, stretch{d, 1000, 1000})
		up[4] = 3
		m.tree(paged("f", 2000, m.page(up)))
	}})
	add(attack{name: "an inline recipe too long", want: refused, make: func(m *maker) {
		m.tree(fileOf("f", recipe(600, literal(longName(600)))))
	}})
	add(attack{name: "a literal that is cut", want: refused, make: func(m *maker) {
		m.tree(row{typ: disk.Regular, name: "f", mode: 0o644, tail: str("\x01\x05\x15hi"), sum: tree.Summary{Files: 1, Bytes: 5}})
	}})
	add(attack{name: "a literal of 2^61 bytes", want: refused, make: func(m *maker) {
		m.tree(row{typ: disk.Regular, name: "f", mode: 0o644, tail: str("\x01\x05" + string(uvarints(1<<61<<2|1))), sum: tree.Summary{Files: 1, Bytes: 5}})
	}})
	add(attack{name: "a run shorter than its pattern", want: refused, make: func(m *maker) {
		m.tree(fileOf("f", recipe(5, tree.Item{Kind: tree.Run, Len: 5, Bytes: pattern})))
	}})
	for what, n := range map[string]int64{"shorter": 5, "longer": 16 << 20} {
		// Only who reads the chunk knows: verify looks up where it is, and its digest is right.
		add(attack{name: "a chunk that is " + what + " than said", make: func(m *maker) {
			m.tree(fileOf("f", recipe(n, chunkItem(m.chunk([]byte("a chunk of 21 bytes !")), n))))
		}, check: func(t *testing.T, v *victim) {
			if !isDamage(v.errs["cat"]) || v.errs["restore"] == nil {
				t.Errorf("cat: %v, restore: %v", v.errs["cat"], v.errs["restore"])
			}
		}})
	}
	return all
}

// frame is a zstd frame of plain, made as little of as can be.
func frame(plain []byte) []byte {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithSingleSegment(true), zstd.WithEncoderCRC(false))
	if err != nil {
		panic(err)
	}
	defer e.Close()
	return e.EncodeAll(plain, nil)
}

// rawFrame is a zstd frame by hand: a header that says size, and blocks that are so many bytes of one value each.
func rawFrame(size uint64, blocks ...int) []byte {
	b := []byte{0x28, 0xb5, 0x2f, 0xfd, 0xe0} // single segment, 8 bytes of content size
	b = binary.LittleEndian.AppendUint64(b, size)
	for i, n := range blocks {
		head := uint32(n)<<3 | 1<<1
		if i == len(blocks)-1 {
			head |= 1
		}
		b = append(b, byte(head), byte(head>>8), byte(head>>16), 0)
	}
	return b
}

func blockBombs() (all []attack) {
	// hold has a file of a chunk whose block is as given.
	hold := func(m *maker, plain []byte, c seal.Codec, stored []byte, raw int) {
		d := m.keys.ID.Sum(plain)
		m.pack(pack.Data, hostileBlock{c, stored, raw, []pack.Entry{{Digest: d, Len: uint32(raw), Plain: uint32(raw)}}})
		m.tree(fileOf("f", recipe(int64(len(plain)), chunkItem(d, int64(len(plain))))))
	}
	add := func(name string, c seal.Codec, raw int, stored []byte) {
		all = append(all, attack{name: "block: " + name, want: refused, heavy: true, make: func(m *maker) { hold(m, make([]byte, raw), c, stored, raw) }})
	}
	full := slices.Repeat([]int{128 << 10}, 128) // 16 MiB
	add("zstd that says 1 GiB", seal.Zstd, 1<<20, rawFrame(1<<30, slices.Repeat([]int{128 << 10}, 8192)...))
	add("zstd that says less than it has", seal.Zstd, 1<<20, rawFrame(1<<20, slices.Repeat([]int{128 << 10}, 8192)...))
	add("zstd that says more than it has", seal.Zstd, 16<<20, rawFrame(16<<20, 1))
	add("zstd that says 2^64", seal.Zstd, 1<<20, rawFrame(1<<64-1, full...))
	add("zstd that says nothing", seal.Zstd, 1<<20, append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0x58}, rawFrame(0, full...)[13:]...))
	add("zstd with a window of 2^41", seal.Zstd, 1<<20, append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xc0, 0xff, 0, 0, 0x10, 0, 0, 0, 0, 0}, rawFrame(0, full...)[13:]...))
	add("zstd by a dictionary", seal.Zstd, 1<<20, append([]byte{0x28, 0xb5, 0x2f, 0xfd, 0xe1, 7}, rawFrame(1<<20, full[:8]...)[5:]...))
	add("a skippable frame", seal.Zstd, 1<<20, []byte{0x50, 0x2a, 0x4d, 0x18, 0xff, 0xff, 0xff, 0x7f})
	add("two frames", seal.Zstd, 1<<20, append(frame(make([]byte, 1<<20)), frame(make([]byte, 16<<20))...))
	add("a frame that is cut", seal.Zstd, 1<<20, frame(makeContent(3, 1<<20, 1))[:1000])
	add("no bytes", seal.Zstd, 1<<20, nil)
	add("raw that is shorter", seal.Raw, 16<<20, []byte("x"))
	add("raw that is longer", seal.Raw, 1, make([]byte, 1<<20))
	for _, c := range []seal.Codec{seal.Stride, seal.Delta, 6, 255} {
		all = append(all, attack{name: numbered("block: codec %d", int(c)), want: noticed, heavy: true, make: func(m *maker) { hold(m, []byte("x"), c, []byte("x"), 1) }})
	}
	for name, stored := range map[string][]byte{
		"width 0": {0}, "width 3": {3}, "width 15": {15}, "k of 8": {2 | 8<<4}, "nothing": {}, "mode 9": {2, 9},
		"raw run that is cut": {2, 0, 1, 2}, "Huffman of 2^24": {2, 1, 0xff, 0xff, 0xff}, "Huffman of nothing": {2, 1, 0, 0, 0},
		"Huffman of garbage": append([]byte{2, 1, 40, 0, 0}, makeContent(3, 40, 9)...),
		"zstd run of 1 GiB":  slices.Concat([]byte{2, 3, 13, 0, 0}, rawFrame(1<<30)),
		"gaps beyond":        {2, 4, 5, 0, 0, 0, 255, 1, 255, 1}, "half a pair": {2, 4, 2, 0, 0, 0, 1}, "gaps of nothing": {2, 4, 0, 0, 0},
		"more than all": append([]byte{2, 2, 0, 2, 0}, make([]byte, 1000)...),
	} {
		add("planes: "+name, seal.Planes, 2000, stored)
	}
	return append(all, largeBlocks()...)
}

// largeBlocks are right, and of the greatest sizes there are.
func largeBlocks() (all []attack) {
	many := func(n int, block func(i int) hostileBlock) func(m *maker) {
		return func(m *maker) {
			var items []tree.Item
			var blocks []hostileBlock
			for i := range n {
				b := block(i)
				plain := append(make([]byte, b.raw-4), byte(i), byte(i>>8), 1, 1)
				b.entries = []pack.Entry{{Digest: m.keys.ID.Sum(plain), Len: uint32(b.raw), Plain: uint32(b.raw)}}
				blocks = append(blocks, b)
				items = append(items, chunkItem(b.entries[0].Digest, int64(b.raw)))
			}
			m.pack(pack.Data, blocks...)
			var all []row
			for i := range items {
				all = append(all, fileOf(numbered("%03d", i), recipe(items[i].Len, items[i])))
			}
			m.tree(all...)
		}
	}
	zeros := func(i int) hostileBlock {
		return hostileBlock{codec: seal.Zstd, stored: frame(append(make([]byte, 16<<20-4), byte(i), byte(i>>8), 1, 1)), raw: 16 << 20}
	}
	whole := func(t *testing.T, v *victim) {
		if v.errs["restore"] != nil || v.errs["cat"] != nil || len(v.found) > 0 {
			t.Errorf("restore: %v, cat: %v, found: %v", v.errs["restore"], v.errs["cat"], v.found)
		}
	}
	all = append(all, attack{name: "block: 18 of 16 MiB in a few bytes each", heavy: true, make: many(18, zeros), check: whole})
	return append(all, attack{name: "block: one of 16 MiB whose entry is empty", heavy: true, make: func(m *maker) {
		empty := m.keys.ID.Sum(nil)
		zero := make([]byte, 16<<20)
		m.pack(pack.Data, hostileBlock{seal.Zstd, frame(zero), len(zero), []pack.Entry{{Digest: empty}, {Digest: m.keys.ID.Sum(zero), Len: 16 << 20, Plain: 16 << 20}}})
		m.tree(fileOf("f", recipe(16<<20, chunkItem(m.keys.ID.Sum(zero), 16<<20))))
	}, check: whole})
}

// directoryBombs are directories and headers of packs with numbers beyond all.
func directoryBombs() (all []attack) {
	add := func(name string, body, directory []byte, change func(*pack.Header)) {
		all = append(all, attack{name: "pack: " + name, want: noticed, heavy: true, make: func(m *maker) {
			m.packWith(pack.Data, body, directory, change)
			m.tree(file("f", "x"))
		}})
	}
	d := bytes.Repeat([]byte{1}, 32)
	entry := func(codec byte, stored, raw, n uint64, rest ...[]byte) []byte {
		return slices.Concat(uvarints(1), []byte{codec}, uvarints(stored, raw, n), slices.Concat(rest...))
	}
	const big = 1<<64 - 1
	add("2^64 blocks", nil, uvarints(big), nil)
	add("blocks beyond the directory", nil, uvarints(1000), nil)
	add("a number that does not end", nil, bytes.Repeat([]byte{0xff}, 20), nil)
	add("2^64 entries", nil, entry(0, 0, 0, big), nil)
	add("2^63 stored bytes", nil, entry(0, 1<<63, 1, 0), nil)
	add("stored bytes beyond the pack", []byte("x"), entry(0, 1<<20, 1, 1, d, uvarints(2)), nil)
	add("raw bytes of 2^63", []byte("x"), entry(1, 1, 1<<63, 1, d, uvarints(2)), nil)
	add("raw bytes of 16 MiB and one", []byte("x"), entry(1, 1, 16<<20+1, 1, d, uvarints(2*(16<<20+1))), nil)
	add("entries longer than the block", []byte("x"), entry(0, 1, 1, 1, d, uvarints(4)), nil)
	add("entries shorter than the block", []byte("xy"), entry(0, 2, 2, 1, d, uvarints(2)), nil)
	add("entries whose sum wraps", []byte("x"), entry(0, 1, 1, 300, slices.Repeat([][]byte{d, uvarints(2 << 24)}, 300)...), nil)
	add("an entry that is cut", []byte("x"), entry(0, 1, 1, 1, d[:20]), nil)
	add("no base", []byte("x"), entry(0, 1, 1, 1, d, uvarints(3, 1), []byte{0}), nil)
	add("255 bases", []byte("x"), entry(0, 1, 1, 1, d, uvarints(3, 1), []byte{255}), nil)
	add("a delta of 2^24 plain bytes", []byte("x"), entry(0, 1, 1, 1, d, uvarints(3, 1<<40), []byte{1}, d), nil)
	add("a difference that is none", []byte("x"), entry(5, 1, 1, 1, d, uvarints(2)), nil)
	add("bytes behind the last block", []byte("x"), append(entry(0, 1, 1, 1, d, uvarints(2)), 0), nil)
	add("no directory", []byte("x"), nil, nil)
	good := entry(0, 1, 1, 1, d, uvarints(2))
	for name, change := range map[string]func(*pack.Header){
		"a directory longer than the stream": func(h *pack.Header) { h.Directory = h.Plain + 1 },
		"a directory of 4 GiB":               func(h *pack.Header) { h.Directory = 1<<32 - 1 },
		"a stream of 2^62":                   func(h *pack.Header) { h.Plain = 1 << 62 },
		"a stream that is negative":          func(h *pack.Header) { h.Plain = -1 },
		"a stream of 1 GiB":                  func(h *pack.Header) { h.Plain = 1 << 30 },
		"the id of another":                  func(h *pack.Header) { h.ID[0]++ },
		"the commitment of another":          func(h *pack.Header) { h.Commitment[0]++ },
		"parity that is not there":           func(h *pack.Header) { h.Parity, h.Sector = 16, 6 },
		"parity of 17 columns":               func(h *pack.Header) { h.Parity, h.Sector = 17, 12 },
		"segments of 2^255":                  func(h *pack.Header) { h.Segment = 20 },
		"kind 9":                             func(h *pack.Header) { h.Kind = 9 },
	} {
		add(name, []byte("x"), good, change)
	}
	return all
}

// deltaBombs are deltas that are made of nothing, of themselves, or of more than there is.
func deltaBombs() (all []attack) {
	type one struct {
		plain, payload []byte
		bases          []int // numbers of others
		lost           bool  // the first base is nowhere
		says           int   // plain bytes, if other
	}
	add := func(name string, codec seal.Codec, want expect, list ...one) {
		all = append(all, attack{name: "delta: " + name, want: want, heavy: true, make: func(m *maker) {
			var raw []byte
			var entries []pack.Entry
			for _, o := range list {
				e := pack.Entry{Digest: m.keys.ID.Sum(o.plain), Len: uint32(len(o.payload)), Plain: uint32(len(o.plain))}
				if o.says > 0 {
					e.Plain = uint32(o.says)
				}
				for _, b := range o.bases {
					e.Bases = append(e.Bases, m.keys.ID.Sum(list[b].plain))
				}
				if o.lost {
					e.Bases = []digest.Digest{{9}}
				}
				raw, entries = append(raw, o.payload...), append(entries, e)
			}
			stored, c := raw, codec
			if codec == seal.Subtract {
				stored = append([]byte{2, 0}, raw...)
			}
			m.pack(pack.Data, hostileBlock{c, stored, len(raw), entries})
			d, n := entries[0].Digest, int64(len(list[0].plain))
			m.tree(fileOf("f", recipe(n, chunkItem(d, n))))
		}})
	}
	base := one{plain: []byte("a base of 20 bytes !"), payload: []byte("a base of 20 bytes !")}
	ops := func(ops []byte, literals string) []byte {
		return slices.Concat(uvarints(uint64(len(ops))), ops, []byte(literals))
	}
	copyOp := func(n uint64, base int, off int64) []byte {
		return uvarints(n<<2|uint64(base), uint64(off<<1)^uint64(off>>63))
	}
	all20 := ops(slices.Concat(uvarints(0), copyOp(20, 0, 0)), "")
	add("right", seal.Raw, harmless, one{plain: base.plain[:10], payload: ops(slices.Concat(uvarints(0), copyOp(10, 0, 0)), ""), bases: []int{1}}, base)
	add("a copy past its base", seal.Raw, refused, one{plain: make([]byte, 21), payload: ops(slices.Concat(uvarints(0), copyOp(21, 0, 0)), ""), bases: []int{1}}, base)
	add("a copy from before its base", seal.Raw, refused, one{plain: make([]byte, 5), payload: ops(slices.Concat(uvarints(0), copyOp(5, 0, -1)), ""), bases: []int{1}}, base)
	add("a copy whose end wraps", seal.Raw, refused, one{plain: make([]byte, 5), payload: ops(slices.Concat(uvarints(0), copyOp(5, 0, 1<<62-1)), ""), bases: []int{1}}, base)
	add("a copy of 2^61 bytes", seal.Raw, refused, one{plain: make([]byte, 5), payload: ops(slices.Concat(uvarints(0), copyOp(1<<61, 0, 0)), ""), bases: []int{1}}, base)
	add("a copy of nothing for ever", seal.Raw, refused, one{plain: make([]byte, 5), payload: ops(slices.Concat(uvarints(0), copyOp(0, 0, 0), uvarints(0), copyOp(0, 0, 0)), ""), bases: []int{1}}, base)
	add("a base that is not there", seal.Raw, refused, one{plain: make([]byte, 5), payload: ops(slices.Concat(uvarints(0), copyOp(5, 3, 0)), ""), bases: []int{1}}, base)
	add("literals of 2^62", seal.Raw, refused, one{plain: make([]byte, 5), payload: ops(uvarints(1<<62), "x"), bases: []int{1}}, base)
	add("ops of 2^62", seal.Raw, refused, one{plain: make([]byte, 5), payload: uvarints(1 << 62), bases: []int{1}}, base)
	add("more than it says", seal.Raw, refused, one{plain: base.plain[:15], payload: ops(slices.Concat(uvarints(0), copyOp(15, 0, 0)), ""), bases: []int{1}, says: 5}, base)
	add("16 MiB said and 20 made", seal.Raw, refused, one{plain: base.plain[:20], payload: all20, bases: []int{1}, says: 16 << 20}, one{plain: []byte("another base"), payload: []byte("another base")})
	add("of other bytes", seal.Raw, refused, one{plain: []byte("something else of 20"), payload: all20, bases: []int{1}}, base)
	add("of itself", seal.Raw, refused, one{plain: []byte("itself"), payload: ops(slices.Concat(uvarints(0), copyOp(6, 0, 0)), ""), bases: []int{0}})
	add("of each other", seal.Raw, refused,
		one{plain: []byte("one...."), payload: ops(slices.Concat(uvarints(0), copyOp(7, 0, 0)), ""), bases: []int{1}},
		one{plain: []byte("other.."), payload: ops(slices.Concat(uvarints(0), copyOp(7, 0, 0)), ""), bases: []int{0}})
	add("of a delta", seal.Raw, refused,
		one{plain: base.plain[:8], payload: ops(slices.Concat(uvarints(0), copyOp(8, 0, 0)), ""), bases: []int{1}},
		one{plain: base.plain[:9], payload: ops(slices.Concat(uvarints(0), copyOp(9, 0, 0)), ""), bases: []int{2}}, base)
	add("of what is lost", seal.Raw, refused, one{plain: make([]byte, 5), payload: all20, lost: true})
	add("a difference of a shorter base", seal.Subtract, refused, one{plain: make([]byte, 24), payload: append([]byte{2, 0, 0, 0}, make([]byte, 24)...), lost: true})
	add("a difference of itself", seal.Subtract, refused, one{plain: []byte("0123456789abcdef"), payload: append([]byte{2, 0, 0, 0}, make([]byte, 16)...), bases: []int{0}})
	for name, head := range map[string][]byte{"width 3": {3, 0, 0, 0}, "a head that is not zero": {2, 1, 0, 0}, "width 0": {0, 0, 0, 0}} {
		add("a difference of "+name, seal.Subtract, refused, one{plain: makeContent(3, 16, 5), payload: append(head, make([]byte, 16)...), bases: []int{0}})
	}
	return all
}
