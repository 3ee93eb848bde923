package varve_test

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/index"
	"varve/internal/ledger"
	objectdb "varve/internal/object"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/internal/tree"
	"varve/store"
)

const hostileMessage = "hostile"

// maker changes a vault with the key in hand. What it writes is what it is told to, right or wrong, and is sealed as
// it should be.
type maker struct {
	t     testing.TB
	ctx   context.Context
	v     *victim
	db    *objectdb.DB
	store store.Store
	keys  *seal.Keys
	last  *history.Snapshot // the victim's newest
	own   []*history.Snapshot
	blobs map[pack.Kind]*blob
	added int
}

// blob gathers objects for one block.
type blob struct {
	raw     []byte
	entries []pack.Entry
	seen    map[digest.Digest]bool
}

func newMaker(t testing.TB, v *victim) *maker {
	m := &maker{t: t, ctx: context.Background(), v: v, store: store.NewFolder(v.rig.vault.Root()), blobs: map[pack.Kind]*blob{}}
	var err error
	m.db, err = objectdb.Open(m.ctx, m.store, nil, objectdb.Options{Rand: v.rig.rand, Now: func() time.Time { return time.Unix(0, rigTime) }})
	m.must(err)
	m.keys = m.db.Keys()
	h := history.New(m.db, ledger.New(m.db, "0123456789abcdef"))
	m.must(h.Refresh(m.ctx))
	m.own = h.Snapshots(v.of.project)
	m.last = m.own[len(m.own)-1]
	return m
}

func (m *maker) must(err error) {
	m.t.Helper()
	if err != nil {
		m.t.Fatal(err)
	}
}

// put puts an object, in the place of one that is there: who has the store may do that.
func (m *maker) put(name string, b []byte) {
	m.t.Helper()
	m.must(m.store.Delete(m.ctx, name))
	m.must(m.store.Put(m.ctx, name, b))
}

func (m *maker) get(name string) []byte {
	m.t.Helper()
	b, err := m.store.Get(m.ctx, name, 0, -1, nil)
	m.must(err)
	return b
}

// names lists the objects below a prefix.
func (m *maker) names(prefix string) (out []string) {
	for o, err := range m.store.List(m.ctx, prefix) {
		m.must(err)
		out = append(out, o.Name)
	}
	return out
}

// seal seals and puts an object as the one of a name: its id is the last element or the whole of it.
func (m *maker) seal(kind seal.Kind, name string, plain []byte) {
	id := name
	switch kind {
	case seal.Manifest, seal.Index, seal.Ledger:
		id = name[strings.LastIndexByte(name, '/')+1:]
	}
	m.sealAs(kind, name, id, plain)
}

func (m *maker) sealAs(kind seal.Kind, name, id string, plain []byte) {
	b, err := m.keys.Seal(nil, kind, []byte(id), plain, m.v.rig.rand)
	m.must(err)
	m.put(name, b)
}

func (m *maker) id() [16]byte {
	id, err := m.db.NewID()
	m.must(err)
	return id
}

func (m *maker) hexID() string { id := m.id(); return hex.EncodeToString(id[:]) }

// object stores plain under its digest.
func (m *maker) object(kind pack.Kind, plain []byte) digest.Digest {
	d := m.keys.ID.Sum(plain)
	b := m.blobs[kind]
	if b == nil {
		b = &blob{seen: map[digest.Digest]bool{}}
		m.blobs[kind] = b
	}
	if b.seen[d] {
		return d
	}
	b.seen[d] = true
	b.raw = append(b.raw, plain...)
	b.entries = append(b.entries, pack.Entry{Digest: d, Len: uint32(len(plain)), Plain: uint32(len(plain))})
	return d
}

func (m *maker) page(b []byte) digest.Digest  { return m.object(pack.Meta, b) }
func (m *maker) chunk(b []byte) digest.Digest { return m.object(pack.Data, b) }

// putter is page for a tree.Builder.
func (m *maker) putter(b []byte) (digest.Digest, error) { return m.page(slices.Clone(b)), nil }

// finish puts what was stored into packs that no index speaks of: readers index them by their directories.
func (m *maker) finish() {
	for _, kind := range []pack.Kind{pack.Data, pack.Meta} {
		if b := m.blobs[kind]; b != nil {
			m.pack(kind, m.block(b.raw, b.entries))
		}
	}
}

// block is a block of a pack as it is written.
type hostileBlock struct {
	codec   seal.Codec
	stored  []byte
	raw     int
	entries []pack.Entry
}

// block compresses a block as a writer does.
func (m *maker) block(raw []byte, entries []pack.Entry) hostileBlock {
	c, stored, err := seal.NewEncoder().Block(nil, raw, seal.Fast)
	m.must(err)
	return hostileBlock{c, stored, len(raw), entries}
}

// pack puts a pack of blocks.
func (m *maker) pack(kind pack.Kind, blocks ...hostileBlock) pack.ID {
	b := pack.NewBuilder(kind)
	for _, bl := range blocks {
		b.Add(bl.codec, bl.stored, bl.raw, bl.entries)
	}
	id := pack.ID(m.id())
	m.put(objectdb.PackName(id), b.Seal(nil, m.keys, id, m.salt()))
	return id
}

func (m *maker) salt() (salt [32]byte) {
	_, err := m.v.rig.rand.Read(salt[:])
	m.must(err)
	return salt
}

// packWith puts a pack whose stream, directory and header are as given. change may lie in the header before it is sealed.
func (m *maker) packWith(kind pack.Kind, body, directory []byte, change func(*pack.Header)) pack.ID {
	h := pack.Header{Kind: kind, Segment: 16, ID: pack.ID(m.id()), Salt: m.salt(), Plain: int64(len(body) + len(directory)), Directory: int64(len(directory))}
	h.Commitment = m.keys.Stream(h.Salt, h.Segment, nil).Commitment()
	id := h.ID
	if change != nil {
		change(&h)
	}
	head := h.Bytes()
	b := m.keys.Stream(h.Salt, 16, head).Seal(slices.Clone(head), slices.Concat(body, directory))
	m.put(objectdb.PackName(id), b)
	return id
}

// snapshot commits a manifest of a tree. It is of the victim's project and newer than all others unless it is changed.
func (m *maker) snapshot(root digest.Digest, sum tree.Summary, change ...func(*history.Snapshot)) objectdb.SID {
	id := objectdb.SID(m.id())
	m.added++
	s := &history.Snapshot{Project: m.v.of.project, Name: "project", Path: m.last.Path, Host: m.last.Host, Version: m.last.Version + m.added, Parent: m.last.ID.String(),
		Time: m.last.Time.Add(time.Duration(m.added) * time.Second), Message: hostileMessage, Root: root, Tree: sum}
	for _, f := range change {
		f(s)
	}
	b, err := s.Encode()
	m.must(err)
	m.seal(seal.Manifest, objectdb.SlotName(id), b)
	return id
}

// records puts a ledger segment.
func (m *maker) records(lines ...string) {
	m.seal(seal.Ledger, "ledger/"+m.hexID(), []byte(strings.Join(lines, "\n")+"\n"))
}

// A row is an entry of a directory page as it is written, and what it counts.
type row struct {
	typ    disk.Type
	name   string
	mode   uint32
	bits   byte   // further ones of the head
	extras byte   // which of more there are
	more   []byte // link group, attributes, extended attributes …
	tail   []byte // content, directory, target
	sum    tree.Summary
}

func str(s string) []byte { return append(binary.AppendUvarint(nil, uint64(len(s))), s...) }

func uvarints(n ...uint64) (b []byte) {
	for _, x := range n {
		b = binary.AppendUvarint(b, x)
	}
	return b
}

// appendSummary appends a summary as a page has it.
func summaryBytes(s tree.Summary) []byte {
	return uvarints(s.Files, s.Dirs, s.Links, s.Specials, s.Bytes, s.Doubtful, s.Depth)
}

// file is a row of a file that lies in the page.
func file(name, content string) row {
	return fileOf(name, recipe(int64(len(content)), literal(content)))
}

// fileOf is a row of a file with an inline recipe.
func fileOf(name string, r tree.Recipe) row {
	return row{typ: disk.Regular, name: name, mode: 0o644, tail: str(string(r.Append(nil))), sum: tree.Summary{Files: 1, Bytes: uint64(r.Size)}}
}

// paged is a row of a file whose recipe is in pages.
func paged(name string, size uint64, root digest.Digest) row {
	return row{typ: disk.Regular, name: name, mode: 0o644, bits: 0x20, tail: append(uvarints(size), root[:]...), sum: tree.Summary{Files: 1, Bytes: size}}
}

func link(name, target string) row {
	return row{typ: disk.Symlink, name: name, mode: 0o777, tail: str(target), sum: tree.Summary{Links: 1}}
}

func (r row) with(extra byte, more ...byte) row {
	r.extras |= extra
	r.more = append(r.more, more...)
	return r
}

// group makes a row one of a link group.
func (r row) group(n uint64) row { return r.with(2, uvarints(n)...) }

// attrs gives a row extended attributes.
func (r row) attrs(pairs ...string) row {
	b := uvarints(uint64(len(pairs) / 2))
	for _, s := range pairs {
		b = append(b, str(s)...)
	}
	return r.with(16, b...)
}

func (r row) chmod(mode uint32) row { r.mode = mode; return r }

// sub is a row of a directory.
func sub(name string, d digest.Digest, s tree.Summary) row {
	r := row{typ: disk.Directory, name: name, mode: 0o755, tail: append(d[:], summaryBytes(s)...), sum: s}
	r.sum.Dirs++
	r.sum.Depth++
	return r
}

// special is a row of a pipe, a socket or a device.
func special(name string, typ disk.Type) row {
	return row{typ: typ, name: name, mode: 0o666, sum: tree.Summary{Specials: 1}}
}

// rows encodes a directory page of level 0.
func rows(all ...row) []byte {
	b := []byte{0xa7, 1, 0, 0}
	mode := uint32(0)
	for _, r := range all {
		head := byte(r.typ) | r.bits | 1<<4 // owner 0, as in the row before
		if r.mode == mode {
			head |= 1 << 3
		}
		if r.extras != 0 {
			head |= 1 << 7
		}
		b = append(b, head)
		if r.extras != 0 {
			b = append(b, r.extras)
		}
		b = append(b, str(r.name)...)
		if r.mode != mode {
			b = append(b, uvarints(uint64(r.mode))...)
			mode = r.mode
		}
		b = append(b, 0, 0) // time: that of the row before
		b = append(append(b, r.more...), r.tail...)
	}
	return b
}

// upper encodes a directory page of a level above 0.
func upper(level byte, pages ...child) []byte {
	b := []byte{0xa7, 1, 0, level}
	for _, c := range pages {
		b = append(append(append(b, str(c.first)...), c.page[:]...), summaryBytes(c.sum)...)
	}
	return b
}

// child is a row of a page above others.
type child struct {
	first string
	page  digest.Digest
	sum   tree.Summary
}

// total adds up what rows count.
func total(all ...row) (s tree.Summary) {
	for _, r := range all {
		s = plus(s, r.sum)
	}
	return s
}

func plus(a, b tree.Summary) tree.Summary {
	return tree.Summary{Files: a.Files + b.Files, Dirs: a.Dirs + b.Dirs, Links: a.Links + b.Links, Specials: a.Specials + b.Specials,
		Bytes: a.Bytes + b.Bytes, Doubtful: a.Doubtful + b.Doubtful, Depth: max(a.Depth, b.Depth)}
}

// dir stores a directory of rows.
func (m *maker) dir(all ...row) (digest.Digest, tree.Summary) {
	return m.page(rows(all...)), total(all...)
}

// folder is a row of a directory of rows.
func (m *maker) folder(name string, all ...row) row {
	d, s := m.dir(all...)
	return sub(name, d, s)
}

// tree commits a snapshot of rows.
func (m *maker) tree(all ...row) objectdb.SID {
	d, s := m.dir(all...)
	return m.snapshot(d, s)
}

func recipe(size int64, items ...tree.Item) tree.Recipe {
	return tree.Recipe{Class: 1, Size: size, Items: items}
}

func literal(s string) tree.Item {
	return tree.Item{Kind: tree.Literal, Len: int64(len(s)), Bytes: []byte(s)}
}

func chunkItem(d digest.Digest, n int64) tree.Item {
	return tree.Item{Kind: tree.Chunk, Len: n, Digest: d}
}

// recipePage encodes a recipe page of level 0.
func recipePage(items ...tree.Item) []byte {
	r := tree.Recipe{Items: items}
	return append([]byte{0xa7, 1, 1, 0, 1}, r.Append(nil)[2:]...) // without class and size, which is one byte of zero
}

// stretch is a row of a recipe page above others.
type stretch struct {
	page         digest.Digest
	bytes, items uint64
}

func recipeUpper(level byte, all ...stretch) []byte {
	b := []byte{0xa7, 1, 1, level, 1}
	for _, s := range all {
		b = append(append(b, s.page[:]...), uvarints(s.bytes, s.items)...)
	}
	return b
}

// segment seals an index segment of rows.
func (m *maker) segment(fill func(w *index.Writer)) string {
	w := new(index.Writer)
	fill(w)
	name := "index/" + m.hexID()
	m.seal(seal.Index, name, w.Encode())
	return name
}

// longName is a name of n bytes.
func longName(n int) string { return strings.Repeat("n", n) }

func numbered(format string, n int) string { return fmt.Sprintf(format, n) }
