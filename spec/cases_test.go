package spec_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
	"testing"

	"varve/internal/pack"
	"varve/internal/seal"
)

// maker makes cases of one vault.
type maker struct {
	t     *testing.T
	o     objects
	keys  *seal.Keys
	rand  *chance
	sum   string
	cases []testCase
}

func makeCases(t *testing.T, o objects, v *opened, sum string) []testCase {
	m := &maker{t: t, o: o, keys: v.db.Keys(), rand: newChance("varve cases 1"), sum: sum}
	m.ok("valid", "the vault as it is", false)
	m.configs()
	m.slots()
	m.commits(v)
	m.indexes()
	m.packs()
	m.ledgers()
	m.collections()
	m.catalogue()
	return m.cases
}

func (m *maker) add(name, note, expect string, findings bool, edits ...edit) *testCase {
	c := testCase{Name: name, Note: note, Expect: expect, Findings: findings, Edits: edits}
	if expect == isOK {
		c.Listing = m.sum
	}
	m.cases = append(m.cases, c)
	return &m.cases[len(m.cases)-1]
}

func (m *maker) ok(name, note string, findings bool, edits ...edit) *testCase {
	return m.add(name, note, isOK, findings, edits...)
}

func (m *maker) bad(name, note, expect string, edits ...edit) *testCase {
	return m.add(name, note, expect, true, edits...)
}

// all returns the names that start so, in order.
func (m *maker) all(prefix string) []string {
	var out []string
	for _, n := range slices.Sorted(maps.Keys(m.o)) {
		if strings.HasPrefix(n, prefix) {
			out = append(out, n)
		}
	}
	if len(out) == 0 {
		m.t.Fatalf("no object %s", prefix)
	}
	return out
}

func put(name string, b []byte) edit          { return edit{Object: name, Put: &b} }
func flip(name string, at int) edit           { return edit{Object: name, Flip: &at} }
func cut(name string, to int) edit            { return edit{Object: name, Cut: &to} }
func remove(name string) edit                 { return edit{Object: name, Remove: true} }
func (m *maker) end(name string) int          { return len(m.o[name]) }
func replace(b []byte, old, by string) []byte { return bytes.Replace(b, []byte(old), []byte(by), 1) }

func (m *maker) configs() {
	c := m.o["config"]
	m.bad("config-changed", "the date of creation is another: the mac does not hold", isDamaged, put("config", replace(c, "2026", "2025")))
	m.bad("config-mac", "the mac is another", isDamaged, flip("config", bytes.Index(c, []byte(`"mac"`))+8))
	m.bad("config-cut", "half of config", isDamaged, cut("config", m.end("config")/2))
	m.bad("config-newer", "a format that comes later is refused before anything else is looked at", isNewer, put("config", replace(c, `"format": 1`, `"format": 2`)))
	m.bad("config-gone", "without config there is no vault", isMissing, remove("config"))
	m.bad("config-not-ours", "JSON of something else", isDamaged, put("config", []byte("{}\n")))
}

func (m *maker) slots() {
	name := m.all("keys/")[0]
	var slot seal.Slot
	if err := json.Unmarshal(m.o[name], &slot); err != nil {
		m.t.Fatal(err)
	}
	master, err := slot.Open(nil)
	if err != nil {
		m.t.Fatal(err)
	}
	encode := func(s seal.Slot) []byte {
		b, err := json.Marshal(s)
		if err != nil {
			m.t.Fatal(err)
		}
		return b
	}
	wrapped, err := seal.SealMaster(master, []byte("correct horse"), seal.Params{Time: 1, Memory: 64, Threads: 1}, seal.Note{Created: began, Label: "studio"}, m.rand)
	if err != nil {
		m.t.Fatal(err)
	}
	other := "keys/ffffffffffffffffffffffffffffffff"
	m.ok("passphrase", "the stored key is gone and a passphrase opens the vault", false, remove(name), put(other, encode(wrapped))).Passphrase = "correct horse"
	m.ok("passphrase-not-needed", "a stored key is there: no passphrase is asked for", false, put(other, encode(wrapped)))
	m.bad("passphrase-wrong", "another passphrase", isWrongKey, remove(name), put(other, encode(wrapped))).Passphrase = "battery staple"
	m.bad("passphrase-none", "nobody to ask", isWrongKey, remove(name), put(other, encode(wrapped)))
	damaged := wrapped
	damaged.Sealed = bytes.Clone(wrapped.Sealed)
	damaged.Sealed[5] ^= 1
	m.bad("passphrase-slot-damaged", "the sum of the slot does not hold, so it is not said that the passphrase is wrong", isDamaged, remove(name), put(other, encode(damaged))).Passphrase = "correct horse"
	costly := wrapped
	kdf := *wrapped.Argon2id
	kdf.Memory = 8 << 20
	costly.Argon2id = &kdf
	costly.Sum = slotSum(&costly)
	m.bad("passphrase-too-costly", "8 GiB for one try are refused before any is spent", isNewer, remove(name), put(other, encode(costly))).Passphrase = "correct horse"
	forged := wrapped
	forged.Mac = bytes.Clone(wrapped.Mac)
	forged.Mac[0] ^= 1
	m.ok("passphrase-slot-forged", "a slot that somebody changed who does not hold the key: its sum holds, its mac does not; a check finds it", true, put(other, encode(forged)))
	rescue := seal.Recovery(noise("cases recovery", 32))
	kit, err := seal.SealRecovery(master, rescue, seal.Note{Created: began}, m.rand)
	if err != nil {
		m.t.Fatal(err)
	}
	typed := strings.ToLower(strings.ReplaceAll(rescue.String(), "-", " "))
	m.ok("recovery", "a recovery key opens the vault, as people may type it", false, remove(name), put(other, encode(kit))).Passphrase = typed
	m.ok("recovery-beside-passphrase", "a recovery key where there is a passphrase too", false, remove(name), put(other, encode(kit)), put("keys/00000000000000000000000000000000", encode(wrapped))).Passphrase = typed
	m.bad("recovery-typing-error", "a recovery key with a typing error", isWrongKey, remove(name), put(other, encode(kit))).Passphrase = typed[1:]
	m.bad("key-gone", "no slot at all", isMissing, remove(name))
	m.bad("key-damaged", "a bit of the stored key", isDamaged, flip(name, bytes.Index(m.o[name], []byte(`"master":"`))+12))
	stranger := master
	stranger[0] ^= 1
	m.bad("key-of-another-vault", "a slot that is whole and holds another key: the mac of config does not hold", isDamaged, put(name, encode(seal.StoredSlot(stranger, began))))
	m.ok("key-left-by-another-making", "a slot that holds another key, beside the one that fits", true, put("keys/00000000000000000000000000000000", encode(seal.StoredSlot(stranger, began))))
	future := []byte(`{"kind":"token","sum":"AAAAAAAAAAAAAAAAAAAAAA=="}`)
	m.bad("key-of-a-later-kind", "the only slot is of a kind that comes later", isNewer, remove(name), put(other, future))
	m.ok("key-of-a-later-kind-too", "such a slot beside one that opens", true, put("keys/00000000000000000000000000000000", future))
}

func (m *maker) commits(v *opened) {
	slots := m.all("snap/")
	at := 100
	m.bad("manifest-flipped", "a bit of a manifest", isDamaged, flip(slots[0], at))
	m.bad("manifest-cut", "a manifest without its last byte", isDamaged, cut(slots[0], m.end(slots[0])-1))
	m.bad("manifest-empty", "a manifest of no bytes", isDamaged, cut(slots[0], 0))
	m.bad("manifest-elsewhere", "a manifest under the name of another session", isDamaged, put(slots[0], m.o[slots[1]]))
	sid := "0123456789abcdef0123456789abcdef"
	m.ok("aborted", "a slot that says that its session was aborted is no snapshot", false, put("snap/"+sid, m.seal(seal.Verdict, sid, []byte("1"))))
	m.ok("stray-names", "names that are not the vault's are passed over", false, put("snap/notes", []byte("x")), put("packs/aa/notes", []byte("x")), put("other/thing", []byte("x")))
	m.ok("session-left", "a session that did not end", false, put("sess/"+sid+"/0", m.seal(seal.Session, "sess/"+sid+"/0", []byte(`{"host":"gone","pid":7,"started":"2026-11-21T11:00:00Z"}`))))
	root := v.history.Snapshots(project)[0]
	lost := *root
	lost.Root[0] ^= 1
	b, err := lost.Encode()
	if err != nil {
		m.t.Fatal(err)
	}
	m.bad("root-missing", "a manifest whose tree is not in the vault", isMissing, put("snap/"+root.ID.String(), m.seal(seal.Manifest, root.ID.String(), b)))
}

func (m *maker) seal(kind seal.Kind, id string, plain []byte) []byte {
	b, err := m.keys.Seal(nil, kind, []byte(id), plain, m.rand)
	if err != nil {
		m.t.Fatal(err)
	}
	return b
}

func (m *maker) indexes() {
	names := m.all("index/")
	m.ok("index-flipped", "a damaged index segment is made again from the packs", true, flip(names[0], 200))
	m.ok("index-cut", "so is one that was cut", true, cut(names[0], 80))
	m.ok("index-elsewhere", "so is one under another's name", true, put(names[0], m.o[names[1]]))
	var gone []edit
	for _, n := range names {
		gone = append(gone, remove(n))
	}
	m.ok("index-gone", "a vault without any index is read from its packs", false, gone...)
}

// reseal makes a pack anew after change has altered its header fields, blocks or body.
func (m *maker) reseal(name string, change func(*pack.Header, []pack.Block, []byte)) []byte {
	file := m.o[name]
	p := readPack(m.t, m.keys, file)
	var body []byte
	for i := range p.Blocks {
		s, err := p.Span(m.t.Context(), nil, i, i)
		if err != nil {
			m.t.Fatal(err)
		}
		body = append(body, s...)
	}
	change(&p.Header, p.Blocks, body)
	b := pack.NewBuilder(p.Header.Kind)
	b.Parity = p.Header.Parity
	for i := range p.Blocks {
		x := &p.Blocks[i]
		b.Add(x.Codec, body[x.Off:x.Off+int64(x.Stored)], int(x.Raw), x.Entries)
	}
	return b.Seal(nil, m.keys, p.Header.ID, p.Header.Salt)
}

// packs of the vault with blocks that meet a condition: the first pack and block.
func (m *maker) find(what string, fits func(*pack.Header, *pack.Block) bool) (name string, block int) {
	for _, n := range m.all("packs/") {
		p := readPack(m.t, m.keys, m.o[n])
		for i := range p.Blocks {
			if fits(&p.Header, &p.Blocks[i]) {
				return n, i
			}
		}
	}
	m.t.Fatalf("no %s in the vault", what)
	return "", 0
}

func (m *maker) packs() {
	data, raw := m.find("raw block", func(h *pack.Header, b *pack.Block) bool {
		return h.Kind == pack.Data && b.Codec == seal.Raw && len(b.Entries) > 0 && b.Entries[0].Bases == nil
	})
	meta, _ := m.find("page", func(h *pack.Header, _ *pack.Block) bool { return h.Kind == pack.Meta })
	m.dataPack(data)
	m.metaPack(meta)
	m.bad("pack-elsewhere", "a pack under the name of another", isDamaged, put(data, m.o[meta]))
	m.bad("pack-newer", "a pack of a format that comes later", isNewer, put(data, rehead(m.o[data], 8, 2)))
	m.bad("pack-kind", "a pack of a kind that comes later", isNewer, put(data, rehead(m.o[data], 10, 3)))
	m.bad("pack-reserved", "a reserved byte is not zero", isNewer, put(data, rehead(m.o[data], 14, 1)))
	m.bad("pack-parity", "more parity than there can be", isNewer, put(data, rehead(m.o[data], 12, 17)))
	m.bad("pack-sector", "sectors of 8192 bytes", isNewer, put(data, rehead(m.o[data], 13, 13)))
	m.bad("chunk-other-bytes", "a sealed pack in which a chunk's bytes are not those of its digest", isDamaged,
		put(data, m.reseal(data, func(_ *pack.Header, b []pack.Block, body []byte) { body[b[raw].Off] ^= 1 })))
	m.bad("chunk-other-digest", "the index knows the first 16 bytes of a digest; the directory has another behind them", isMissing,
		put(data, m.reseal(data, func(_ *pack.Header, b []pack.Block, _ []byte) { b[raw].Entries[0].Digest[31] ^= 1 })))
	m.bad("codec-reserved", "a block by a codec that comes later", isNewer,
		put(data, m.reseal(data, func(_ *pack.Header, b []pack.Block, _ []byte) { b[raw].Codec = seal.Stride })))
	deltas, block := m.find("delta", func(_ *pack.Header, b *pack.Block) bool {
		return len(b.Entries) > 0 && b.Entries[0].Bases != nil && !b.Entries[0].Difference
	})
	m.bad("base-is-a-delta", "a delta whose base is a delta itself", isDamaged,
		put(deltas, m.reseal(deltas, func(_ *pack.Header, b []pack.Block, _ []byte) {
			b[block].Entries[0].Bases[0] = b[block].Entries[0].Digest
		})))
	m.typed()
	m.bad("base-missing", "a delta whose base is not in the vault", isMissing,
		put(deltas, m.reseal(deltas, func(_ *pack.Header, b []pack.Block, _ []byte) { b[block].Entries[0].Bases[0][0] ^= 1 })))
}

// dataPack makes cases of a pack with parity.
func (m *maker) dataPack(name string) {
	end := m.end(name)
	sealed := func(change func(b []byte)) edit {
		b := bytes.Clone(m.o[name])
		change(b)
		return put(name, b)
	}
	p := readPack(m.t, m.keys, m.o[name])
	off, _ := p.Check().Rest()
	sector := 1 << p.Header.Sector
	m.bad("data-pack-gone", "a pack that snapshots need is not there", isMissing, remove(name))
	m.ok("data-pack-header", "a bit of the header: its copy serves", true, flip(name, 20))
	m.ok("data-pack-flipped", "a bit of the first segment: parity makes it good", true, flip(name, 112))
	m.ok("data-pack-last", "a bit of the last tag", true, flip(name, int(off)-1))
	m.ok("data-pack-parity", "a bit of the parity: nobody needs it, and a check finds it", true, flip(name, end-2000))
	m.ok("data-pack-sums", "a bit of the sums", true, flip(name, int(off)+1))
	m.ok("data-pack-header-copy", "a bit of the header's copy", true, flip(name, end-1))
	m.ok("data-pack-cut", "a pack without its last byte", true, cut(name, end-1))
	m.ok("data-pack-cut-to-stream", "a pack without its parity", true, cut(name, int(off)))
	m.ok("data-pack-longer", "a pack with a byte too many", true, put(name, append(bytes.Clone(m.o[name]), 0)))
	m.ok("data-pack-sector", "a sector is gone, at the head", true, sealed(func(b []byte) { clear(b[:sector]) }))
	m.ok("data-pack-two-sectors", "two sectors are gone, with their first sums", true, sealed(func(b []byte) {
		clear(b[3*sector : 4*sector])
		clear(b[9*sector : 10*sector])
		clear(b[off+12 : off+40])
	}))
	m.bad("data-pack-three-sectors", "three sectors are gone, and there are two columns of parity", isDamaged, sealed(func(b []byte) {
		clear(b[3*sector : 6*sector])
	}))
	m.bad("data-pack-head-only", "a pack cut behind its header", isDamaged, cut(name, 112))
	id := name[len("packs/xx/"):]
	note := "quarantine/" + id
	m.ok("quarantine", "a pack in quarantine is read where there is nothing else", false, put(note, m.seal(seal.Quarantine, note, []byte("a test"))))
	m.ok("quarantine-damaged", "a note that does not open counts all the same", false, put(note, []byte("not sealed")))
}

// metaPack makes cases of a pack that is there twice.
func (m *maker) metaPack(name string) {
	p := readPack(m.t, m.keys, m.o[name])
	twin := ""
	for _, n := range m.all("packs/") {
		q := readPack(m.t, m.keys, m.o[n])
		if n != name && len(q.Blocks) == len(p.Blocks) && q.Blocks[0].Entries[0].Digest == p.Blocks[0].Entries[0].Digest {
			twin = n
		}
	}
	if twin == "" {
		m.t.Fatalf("%s has no twin", name)
	}
	end := m.end(name)
	m.ok("metadata-pack-gone", "metadata is there twice", true, remove(name))
	m.ok("metadata-pack-header", "a bit of the header", true, flip(name, 20))
	m.ok("metadata-pack-flipped", "a bit of the first segment", true, flip(name, 112))
	m.ok("metadata-pack-cut", "a pack without its last byte", true, cut(name, end-1))
	m.ok("metadata-pack-longer", "a pack with a byte too many", true, put(name, append(bytes.Clone(m.o[name]), 0)))
	m.bad("metadata-packs-gone", "both copies are gone", isMissing, remove(name), remove(twin))
	m.bad("metadata-packs-flipped", "a bit of the first segment of both copies", isDamaged, flip(name, 112), flip(twin, 112))
	m.bad("metadata-packs-last", "a bit of the last tag of both copies", isDamaged, flip(name, end-1), flip(twin, m.end(twin)-1))
}

// typed makes cases of planes and differences.
func (m *maker) typed() {
	diffs, diff := m.find("difference", func(_ *pack.Header, b *pack.Block) bool { return b.Codec == seal.Subtract })
	m.bad("difference-other-bytes", "a difference in which a byte behind the runs' modes is another", isDamaged,
		put(diffs, m.reseal(diffs, func(_ *pack.Header, b []pack.Block, body []byte) { body[b[diff].Off+int64(b[diff].Stored)/2] ^= 1 })))
	m.bad("difference-of-none", "a block of differences whose entries are no deltas", isDamaged,
		put(diffs, m.reseal(diffs, func(_ *pack.Header, b []pack.Block, _ []byte) {
			for i := range b[diff].Entries {
				e := &b[diff].Entries[i]
				e.Bases, e.Plain = nil, e.Len
			}
		})))
	m.bad("difference-as-window", "differences in a block of planes would be window deltas", isDamaged,
		put(diffs, m.reseal(diffs, func(_ *pack.Header, b []pack.Block, _ []byte) { b[diff].Codec = seal.Planes })))
	m.bad("difference-base-missing", "a difference whose base is not in the vault", isMissing,
		put(diffs, m.reseal(diffs, func(_ *pack.Header, b []pack.Block, _ []byte) { b[diff].Entries[0].Bases[0][0] ^= 1 })))
	planes, at := m.find("planes", func(_ *pack.Header, b *pack.Block) bool { return b.Codec == seal.Planes })
	for _, x := range []struct {
		name, note string
		p          byte
	}{{"planes-width", "elements of three bytes", 3}, {"planes-run", "runs of 512 bytes", 0x82}} {
		m.bad(x.name, x.note, isDamaged, put(planes, m.reseal(planes, func(_ *pack.Header, b []pack.Block, body []byte) { body[b[at].Off] = x.p })))
	}
}

// rehead sets a byte of a pack's header and makes its checksum right.
func rehead(file []byte, at int, to byte) []byte {
	b := bytes.Clone(file)
	b[at] = to
	binary.LittleEndian.PutUint32(b[108:], crc32.Checksum(b[:108], crc32.MakeTable(crc32.Castagnoli)))
	return b
}

func (m *maker) ledgers() {
	names := m.all("ledger/")
	rest := m.without(names[0])
	m.ok("ledger-flipped", "a bit of a ledger segment: the others are read, and what it said is not known", true, flip(names[0], 120)).Listing = rest
	m.ok("ledger-elsewhere", "so is a ledger segment under another's name", true, put(names[0], m.o[names[1]])).Listing = rest
	plain, err := m.keys.Open(nil, seal.Ledger, []byte(strings.TrimPrefix(names[0], "ledger/")), m.o[names[0]], 1<<20)
	if err != nil {
		m.t.Fatal(err)
	}
	again := hex.EncodeToString(bytes.Repeat([]byte{7}, 16))
	m.ok("ledger-twice", "records that are there twice, as after a merge of two copies of a vault, say nothing new", false, put("ledger/"+again, m.seal(seal.Ledger, again, plain)))
}

// without returns the SHA-256 of the listing of the vault without an object.
func (m *maker) without(name string) string {
	o := maps.Clone(m.o)
	delete(o, name)
	listing, _, err := examine(m.t.Context(), o.store(m.t), "")
	if err != nil {
		m.t.Fatal(err)
	}
	sum := sumOf(listing)
	if sum == m.sum {
		m.t.Fatalf("%s says nothing", name)
	}
	return sum
}

func (m *maker) collections() {
	ids := binary.LittleEndian.AppendUint32(nil, uint32(len(m.all("packs/"))))
	for _, n := range m.all("packs/") {
		b, err := hex.DecodeString(n[len("packs/xx/"):])
		if err != nil {
			m.t.Fatal(err)
		}
		ids = append(ids, b...)
	}
	condemn, verdict := fmt.Sprintf("gc/%010d/condemn", 1), fmt.Sprintf("gc/%010d/verdict", 1)
	m.ok("condemned", "packs that a collection would delete can be read", false, put(condemn, m.seal(seal.Condemn, condemn, ids)))
	m.ok("spared", "a verdict that spares them", false, put(condemn, m.seal(seal.Condemn, condemn, ids)), put(verdict, m.seal(seal.Verdict, verdict, make([]byte, 4))))
	m.ok("condemn-damaged", "a reader does not need the list, a writer does", true, put(condemn, []byte("not sealed")))
}

func (m *maker) catalogue() {
	names := m.all("catalog/")
	first, last := names[0], names[len(names)-1]
	m.ok("catalogue-entry-gone", "an entry of the catalogue is gone that another one comes after", true, remove(first))
	m.ok("catalogue-end-gone", "the newest entry is gone: nothing speaks of it, and what it listed is there", false, remove(last))
	m.ok("catalogue-flipped", "a bit of an entry", true, flip(last, 120))
	m.ok("catalogue-elsewhere", "an entry under the name of another", true, put(last, m.o[first]))
	m.ok("catalogue-gone", "a vault without a catalogue is one whose writers made none", false, remove(first), remove(names[1]), remove(last))
	number := func(n int) string { return fmt.Sprintf("catalog/%010d-%s", n, strings.Repeat("7", 32)) }
	entry := func(name, plain string) edit { return put(name, m.seal(seal.Catalog, name, []byte(plain))) }
	var sids []string
	for _, s := range m.all("snap/") {
		sids = append(sids, `"`+s[len("snap/"):]+`"`)
	}
	everything := `{"adds":[` + strings.Join(sids, ",") + `],"all":true}`
	m.ok("catalogue-all", "an entry stands for all before it, which need not be there", false, remove(first), entry(number(4), everything))
	lost := strings.Repeat("5", 32)
	m.ok("snapshot-vanished", "the catalogue lists a snapshot that is not there and that nobody forgot", true, entry(number(4), `{"adds":["`+lost+`"]}`))
	m.ok("snapshot-vanished-before-all", "an older entry lists it, and a newer one stands for all", false, entry(number(4), `{"adds":["`+lost+`"]}`), entry(number(5), everything))
}
