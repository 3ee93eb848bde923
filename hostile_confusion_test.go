package varve_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"testing"

	"varve/internal/digest"
	"varve/internal/history"
	"varve/internal/index"
	objectdb "varve/internal/object"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/internal/tree"
)

// confusionAttacks give one thing for another, or an old one for a new one.
func confusionAttacks() (all []attack) {
	all = append(all, slotConfusions()...)
	all = append(all, kindConfusions()...)
	all = append(all, collectionAttacks()...)
	all = append(all, indexAttacks()...)
	all = append(all, textAttacks()...)
	return append(all, catalogAttacks()...)
}

func (m *maker) swap(a, b string) {
	x, y := m.get(a), m.get(b)
	m.put(a, y)
	m.put(b, x)
}

func (m *maker) slot(i int) string { return objectdb.SlotName(m.own[i].ID) }

// slotConfusions put whole objects under other names.
func slotConfusions() (all []attack) {
	add := func(name string, want expect, make func(*maker)) {
		all = append(all, attack{name: name, want: want, make: make})
	}
	fresh := func(m *maker, dir string) string {
		if dir == "packs/" {
			return objectdb.PackName(pack.ID(m.id()))
		}
		return dir + m.hexID()
	}
	add("two commit slots swapped", noticed, func(m *maker) { m.swap(m.slot(0), m.slot(1)) })
	add("a manifest in another slot", noticed, func(m *maker) { m.put(m.slot(0), m.get(m.slot(1))) })
	add("a manifest in a new slot", noticed, func(m *maker) { m.put("snap/"+m.hexID(), m.get(m.slot(1))) })
	for _, dir := range []string{"packs/", "index/", "ledger/"} {
		add("two of "+dir+" swapped", noticed, func(m *maker) {
			if n := m.names(dir); len(n) > 1 {
				m.swap(n[0], n[1])
			} else {
				m.put(n[0], m.get(m.slot(0)))
			}
		})
		add("one of "+dir+" under another name", noticed, func(m *maker) { m.put(fresh(m, dir), m.get(m.names(dir)[0])) })
		add("a slot as one of "+dir, noticed, func(m *maker) { m.put(fresh(m, dir), m.get(m.slot(0))) })
		add("garbage as one of "+dir, noticed, func(m *maker) { m.put(fresh(m, dir), makeContent(3, 5000, 1)) })
		add("nothing as one of "+dir, noticed, func(m *maker) { m.put(fresh(m, dir), nil) })
	}
	for kind := seal.Manifest; kind <= seal.Quarantine; kind++ {
		if kind != seal.Manifest && kind != seal.Verdict {
			add(numbered("a slot sealed as kind %d", int(kind)), noticed, func(m *maker) {
				id := m.hexID()
				m.sealAs(kind, "snap/"+id, id, []byte(`{}`))
			})
		}
	}
	add("the victim's slot aborted", noticed, func(m *maker) { m.sealAs(seal.Verdict, m.slot(1), m.own[1].ID.String(), []byte("1")) })
	add("the victim's slot finished", noticed, func(m *maker) { m.sealAs(seal.Verdict, m.slot(1), m.own[1].ID.String(), []byte("finished")) })
	add("the victim's slot another manifest", harmless, func(m *maker) {
		// Who may replace objects may do that. What was there is in the mark of nobody, but the tree is the victim's.
		b, err := m.own[1].Encode()
		m.must(err)
		m.seal(seal.Manifest, m.slot(1), b)
	})
	add("a manifest of another vault", noticed, func(m *maker) {
		id := m.hexID()
		b, err := m.last.Encode()
		m.must(err)
		sealed, err := seal.Derive(m.master(), [16]byte{1}).Seal(nil, seal.Manifest, []byte(id), b, m.v.rig.rand)
		m.must(err)
		m.put("snap/"+id, sealed)
	})
	add("a pack of another vault", noticed, func(m *maker) {
		b := pack.NewBuilder(pack.Data)
		b.Add(seal.Raw, []byte("x"), 1, []pack.Entry{{Digest: digest.Digest{1}, Len: 1, Plain: 1}})
		id := pack.ID(m.id())
		m.put(objectdb.PackName(id), b.Seal(nil, seal.Derive(m.master(), [16]byte{1}), id, m.salt()))
	})
	return all
}

// master is the key that lies with the vault.
func (m *maker) master() seal.Master {
	s, err := seal.DecodeSlot(m.get(m.names("keys/")[0]))
	m.must(err)
	return seal.Master(s.Master)
}

// sealBody seals an object whose body says what it is told to: the codec, a length, and the bytes.
func (m *maker) sealBody(kind seal.Kind, name, id string, codec byte, says uint32, stored []byte) {
	vault := m.db.Vault()
	master := m.master()
	prk, err := hkdf.Extract(sha256.New, master[:], vault[:])
	m.must(err)
	label := "varve/1 metadata"
	if kind == seal.Index {
		label = "varve/1 index"
	}
	root, err := hkdf.Expand(sha256.New, prk, label, 32)
	m.must(err)
	salt := m.salt()
	okm, err := hkdf.Key(sha256.New, root, salt[:], "varve/1 object", 64)
	m.must(err)
	head := slices.Concat([]byte("vrvo"), []byte{1, byte(kind), 0, 0}, salt[:], okm[32:])
	block, err := aes.NewCipher(okm[:32])
	m.must(err)
	aead, err := cipher.NewGCM(block)
	m.must(err)
	body := append(binary.LittleEndian.AppendUint32([]byte{codec}, says), stored...)
	m.put(name, aead.Seal(slices.Clone(head), make([]byte, 12), body, slices.Concat(vault[:], []byte{byte(kind)}, []byte(id), head)))
}

// kindConfusions refer to objects of other kinds.
func kindConfusions() (all []attack) {
	add := func(name string, want expect, make func(*maker)) {
		all = append(all, attack{name: "kind: " + name, want: want, make: make})
	}
	recipeRoot := func(m *maker) digest.Digest {
		return m.page(recipePage(slices.Repeat([]tree.Item{chunkItem(m.chunk([]byte("x")), 1)}, 100)...))
	}
	root := func(m *maker, d digest.Digest) { m.snapshot(d, tree.Summary{}) }
	add("a recipe as the root", refused, func(m *maker) { root(m, recipeRoot(m)) })
	add("a recipe as a dir", refused, func(m *maker) { m.tree(sub("d", recipeRoot(m), tree.Summary{})) })
	add("content as the root", refused, func(m *maker) { root(m, m.chunk([]byte("just a file"))) })
	add("content as a dir", refused, func(m *maker) { m.tree(sub("d", m.chunk([]byte("just a file")), tree.Summary{})) })
	add("a change list as the root", refused, func(m *maker) { root(m, m.page([]byte{1, 'A', 0, 1, 'a'})) })
	add("a dir as a recipe", refused, func(m *maker) { d, _ := m.dir(file("a", "x")); m.tree(paged("f", 1000, d)) })
	add("a dir as content", harmless, func(m *maker) {
		b := rows(file("a", "x"))
		m.tree(fileOf("f", recipe(int64(len(b)), chunkItem(m.page(b), int64(len(b))))))
	})
	add("a file's content as a dir", harmless, func(m *maker) { // it has the right bytes: a name is what is under it
		d := m.chunk(rows(link("l", "../../outside/secret")))
		m.tree(sub("d", d, tree.Summary{Links: 1}))
	})
	add("nothing as the root", refused, func(m *maker) { root(m, digest.Digest{7}) })
	add("zero as the root", refused, func(m *maker) { root(m, digest.Digest{}) })
	add("a chunk that is nowhere", refused, func(m *maker) { m.tree(fileOf("f", recipe(9, chunkItem(digest.Digest{7}, 9)))) })
	add("a recipe that is nowhere", refused, func(m *maker) { m.tree(paged("f", 1000, digest.Digest{7})) })
	add("a dir as a change list", noticed, func(m *maker) {
		d, s := m.dir(file("a", "x"))
		m.snapshot(d, s, func(h *history.Snapshot) { h.Changes = []string{d.String()} })
	})
	for name, page := range map[string][]byte{
		"empty": {}, "format 2": {2}, "kind X": {1, 'X', 0, 1, 'a'}, "that shares too much": {1, 'A', 9, 1, 'a'}, "that descends": {1, 'A', 0, 1, 'b', 'A', 0, 1, 'a'},
		"of 2^63 bytes": append([]byte{1, 'A', 0}, uvarints(1<<63)...), "of paths that grow without end": growing(),
	} {
		all = append(all, attack{name: "kind: a change list " + name, want: noticed, heavy: true, make: func(m *maker) {
			d, s := m.dir(m.folder("dir", file("b.bin", "x")))
			change := m.page(page)
			m.snapshot(d, s, func(h *history.Snapshot) { h.Changes = slices.Repeat([]string{change.String()}, 50) })
		}})
	}
	return all
}

// growing is a change list whose paths share a megabyte each with the one before.
func growing() []byte {
	b := append([]byte{1, 'A', 0}, str(longName(1<<20-8))...)
	for range 100_000 {
		b = append(append(b, 'A'), uvarints(1<<20-8, 1)...)
		b = append(b, 'z')
	}
	return b
}

func doomedList(m *maker, packs, slots bool) []byte {
	var ids, snaps []byte
	if packs {
		for _, n := range m.names("packs/") {
			ids = append(ids, unhex(m, n[strings.LastIndexByte(n, '/')+1:])...)
		}
	}
	if slots {
		for _, s := range m.own {
			snaps = append(snaps, s.ID[:]...)
		}
	}
	return slices.Concat(binary.LittleEndian.AppendUint32(nil, uint32(len(ids)/16)), ids, snaps)
}

func unhex(m *maker, s string) []byte {
	id, err := objectdb.ParseSID(s)
	m.must(err)
	return id[:]
}

// collectionAttacks would have the victim's own collection delete what is needed.
func collectionAttacks() (all []attack) {
	add := func(name string, want expect, stops bool, make func(*maker)) {
		all = append(all, attack{name: "gc: " + name, want: want, make: make, check: func(t *testing.T, v *victim) {
			if stops != (v.errs["collect"] != nil) {
				t.Errorf("collect: %v", v.errs["collect"])
			}
		}})
	}
	gc := func(n uint64, word string) string { return fmt.Sprintf("gc/%010d/%s", n, word) }
	for what, which := range map[string][2]bool{"all packs": {true, false}, "all slots": {false, true}, "everything": {true, true}} {
		add("a condemn list of "+what, harmless, false, func(m *maker) { m.seal(seal.Condemn, gc(7, "condemn"), doomedList(m, which[0], which[1])) })
		add("a verdict on "+what+" without a list", harmless, true, func(m *maker) { m.seal(seal.Verdict, gc(7, "verdict"), doomedList(m, which[0], which[1])) })
		add("a list and a verdict on "+what, harmless, true, func(m *maker) {
			m.seal(seal.Condemn, gc(7, "condemn"), doomedList(m, which[0], which[1]))
			m.seal(seal.Verdict, gc(7, "verdict"), doomedList(m, which[0], which[1]))
		})
		add("a verdict on "+what+" that is done", harmless, false, func(m *maker) {
			m.seal(seal.Verdict, gc(7, "verdict"), doomedList(m, which[0], which[1]))
			m.seal(seal.Done, gc(7, "done"), nil)
		})
	}
	add("two verdicts that share the work", harmless, true, func(m *maker) {
		list := doomedList(m, true, false)
		half := (len(list) - 4) / 32 * 16
		for i, ids := range [][]byte{list[4 : 4+half], list[4+half:]} {
			m.seal(seal.Verdict, gc(uint64(7+i), "verdict"), append(binary.LittleEndian.AppendUint32(nil, uint32(len(ids)/16)), ids...))
		}
	})
	for name, list := range map[string][]byte{"nothing": {}, "half an id": append(make([]byte, 4), 1, 2, 3), "2^32 packs": {0xff, 0xff, 0xff, 0xff}} {
		add("a list of "+name, noticed, true, func(m *maker) { m.seal(seal.Condemn, gc(7, "condemn"), list) })
	}
	add("the last number there is", harmless, true, func(m *maker) {
		m.seal(seal.Condemn, gc(9_999_999_999, "condemn"), make([]byte, 4))
		m.seal(seal.Verdict, gc(9_999_999_999, "verdict"), make([]byte, 4))
		m.seal(seal.Done, gc(9_999_999_999, "done"), nil)
		m.pack(pack.Data, m.block([]byte("garbage"), []pack.Entry{{Digest: m.keys.ID.Sum([]byte("garbage")), Len: 7, Plain: 7}}))
	})
	add("quarantine of every pack", harmless, true, func(m *maker) {
		for _, n := range m.names("packs/") {
			m.seal(seal.Quarantine, "quarantine/"+n[strings.LastIndexByte(n, '/')+1:], []byte("\x1b[2J"))
		}
	})
	add("sessions that never end", harmless, true, func(m *maker) {
		for range 3 {
			name := "sess/" + m.hexID() + "/0"
			m.seal(seal.Session, name, []byte(`{"host":"elsewhere","pid":-1,"started":"9999-01-01T00:00:00Z"}`))
		}
		m.pack(pack.Data, m.block([]byte("garbage"), []pack.Entry{{Digest: m.keys.ID.Sum([]byte("garbage")), Len: 7, Plain: 7}}))
	})
	return all
}

// indexAttacks are segments that say other than the packs, or whose numbers are beyond all.
func indexAttacks() (all []attack) {
	add := func(name string, want expect, make func(*maker)) {
		all = append(all, attack{name: "index: " + name, want: want, make: make})
	}
	replace := func(m *maker, w *index.Writer) {
		for _, n := range m.names("index/") {
			w.Replace(index.SegmentID(unhex(m, n[len("index/"):])))
		}
	}
	known := func(m *maker, fn func(id index.PackID, size int64)) {
		for o, err := range m.store.List(m.ctx, "packs/") {
			m.must(err)
			fn(index.PackID(unhex(m, o.Name[strings.LastIndexByte(o.Name, '/')+1:])), o.Size)
		}
	}
	add("one that stands for all and says nothing", harmless, func(m *maker) { m.segment(func(w *index.Writer) { replace(m, w) }) })
	add("one that stands for all and knows no object", noticed, func(m *maker) {
		m.segment(func(w *index.Writer) {
			replace(m, w)
			known(m, func(id index.PackID, size int64) { w.AddPack(index.PackInfo{ID: id, Size: size}) })
		})
	})
	add("one that has other sizes", noticed, func(m *maker) {
		m.segment(func(w *index.Writer) {
			known(m, func(id index.PackID, size int64) { w.AddPack(index.PackInfo{ID: id, Size: size + 1}) })
		})
	})
	add("a pack of 2^62 bytes", noticed, func(m *maker) {
		m.segment(func(w *index.Writer) { w.AddPack(index.PackInfo{ID: index.PackID(m.id()), Size: 1 << 62}) })
	})
	add("the victim's root in other places", noticed, func(m *maker) {
		m.segment(func(w *index.Writer) {
			known(m, func(id index.PackID, size int64) {
				n := w.AddPack(index.PackInfo{ID: id, Size: size})
				w.Add(m.last.Root, n, 0, 1, 0)
				w.Add(m.last.Root, n, 1<<31, 1<<15, 0xff)
				w.Add(m.last.Root, n, 1<<32-1, 1<<16-1, index.Delta)
			})
		})
	})
	patch := func(name string, at int, b ...byte) {
		add(name, noticed, func(m *maker) {
			w := new(index.Writer)
			n := w.AddPack(index.PackInfo{ID: index.PackID(m.id()), Size: 1})
			for i := range 40 {
				w.Add(digest.Digest{byte(i)}, n, 0, uint16(i), 0)
			}
			seg := w.Encode()
			copy(seg[at:], b)
			binary.LittleEndian.PutUint32(seg[60:], crc(seg[:60]))
			m.seal(seal.Index, "index/"+m.hexID(), seg)
		})
	}
	full := bytes.Repeat([]byte{0xff}, 8)
	patch("2^64 rows", 16, full...)
	patch("2^60 rows", 16, 0, 0, 0, 0, 0, 0, 0, 0x10)
	patch("rows whose bytes wrap", 16, 0x25, 0x49, 0x92, 0x24, 0x49, 0x92, 0x24, 0x09)
	patch("2^32 replaced", 24, full[:4]...)
	patch("2^32 packs", 28, full[:4]...)
	patch("partitions of 2^32", 12, full[:4]...)
	patch("partitions of 2^12", 12, 12)
	patch("another length", 32, full...)
	patch("another version", 8, 9)
	patch("a filter of 2^64", 64+24+28*40+16, full...)
	patch("a partition that begins beyond", 64+24+28*40, full...)
	patch("a row of a pack that is none", 64+24+16, full[:4]...)
	return all
}

func crc(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }

// textAttacks are manifests and records that are no JSON, or too much of it.
func textAttacks() (all []attack) {
	manifest := func(name string, want expect, text func(m *maker) string) {
		all = append(all, attack{name: "manifest: " + name, want: want, heavy: true, make: func(m *maker) {
			m.seal(seal.Manifest, "snap/"+m.hexID(), []byte(text(m)))
		}})
	}
	good := func(m *maker, more string) string {
		d, _ := m.dir(file("a", "x"))
		return `{"project":"` + m.v.of.project + `","version":9,"message":"hostile","root":"` + d.String() + `"` + more + `}`
	}
	deep := strings.Repeat("[", 1_000_000)
	for name, text := range map[string]string{
		"empty": "", "null": "null", "an array": "[]", "half": `{"project":`, "deep": `{"extra":` + deep, "no UTF-8": "\xff\xfe", "binary": "\x00\x01",
		"no project": `{"version":1}`, "a million open objects": strings.Repeat(`{"a":`, 1_000_000),
	} {
		manifest(name, noticed, func(*maker) string { return text })
	}
	manifest("deep in what it may have", noticed, func(m *maker) string { return good(m, `,"extra":`+deep+strings.Repeat("]", len(deep))) })
	manifest("version 0", noticed, func(m *maker) string { return good(m, `,"version":0`) })
	manifest("version -1", noticed, func(m *maker) string { return good(m, `,"version":-1`) })
	manifest("version 2^64", noticed, func(m *maker) string { return good(m, `,"version":18446744073709551616`) })
	manifest("the last version", harmless, func(m *maker) string { return good(m, `,"version":9223372036854775806`) })
	manifest("a root too long", noticed, func(m *maker) string { return good(m, `,"root":"`+strings.Repeat("0", 66)+`"`) })
	manifest("a project that leads out", noticed, func(m *maker) string { return good(m, `,"project":"../../../../../../etc/passwd.."`) })
	manifest("a time in the year 10000", noticed, func(m *maker) string { return good(m, `,"time":"10000-01-01T00:00:00Z"`) })
	manifest("a path that leads out", harmless, func(m *maker) string {
		return good(m, `,"path":"`+m.v.base+`/outside","host":"rig","name":"../../evil"`)
	})
	manifest("changes that are no digests", noticed, func(m *maker) string { return good(m, `,"changes":["..",""]`) })
	manifest("a message of 8 MiB of escapes", harmless, func(m *maker) string { return good(m, `,"user":"`+strings.Repeat(`\u001b`, 8<<20/6)+`"`) })
	manifest("a hundred thousand tags", harmless, func(m *maker) string {
		var b strings.Builder
		for i := range 100_000 {
			fmt.Fprintf(&b, `,"t%d":""`, i)
		}
		return good(m, `,"tags":{`+b.String()[1:]+`}`)
	})
	return append(append(all, recordAttacks()...), bodyAttacks()...)
}

func recordAttacks() (all []attack) {
	add := func(name string, want expect, lines func(m *maker) []string) {
		all = append(all, attack{name: "ledger: " + name, want: want, heavy: true, make: func(m *maker) { m.records(lines(m)...) }})
	}
	one := func(text string) func(*maker) []string { return func(*maker) []string { return []string{text} } }
	add("no JSON", noticed, one("{"))
	add("no type", noticed, one(`{"id":"x"}`))
	add("deep", noticed, one(`{"type":"a","id":"b","set":{"x":`+strings.Repeat("[", 1_000_000)))
	add("a line of 17 MiB", noticed, one(`{"type":"a","id":"`+longName(17<<20)+`"}`))
	add("a stamp later than all", noticed, one(`{"type":"keep","id":"x","at":{"ms":9223372036854775807,"n":4294967295,"by":"z"}}`))
	add("a counter that is spent", noticed, one(`{"type":"keep","id":"x","at":{"ms":1,"n":4294967295,"by":"z"}}`))
	add("a stamp before all", noticed, one(`{"type":"keep","id":"x","at":{"ms":-9223372036854775808,"by":"z"}}`))
	add("an unknown type", harmless, one(`{"type":"constructor","id":"__proto__","at":{"ms":1,"by":"z"},"set":{"x":1}}`))
	add("milestones of nothing", harmless, func(m *maker) []string {
		return []string{`{"type":"milestone","id":"x","at":{"ms":1,"by":"z"},"set":{"name":"latest","project":"` + m.v.of.project + `","snapshot":"zz"}}`,
			`{"type":"milestone","id":"y","at":{"ms":1,"by":"z"},"set":{"name":["a"],"project":{},"snapshot":null}}`}
	})
	add("forgets and holds of what is not there", harmless, func(m *maker) []string {
		return []string{`{"type":"forget","id":"zz","at":{"ms":1,"by":"z"}}`, `{"type":"forget","id":"` + m.hexID() + `","at":{"ms":1,"by":"z"},"set":{"revoked":"` + m.hexID() + `","version":"x"}}`,
			`{"type":"hold","id":"","at":{"ms":1,"by":"z"}}`}[:2]
	})
	add("settings that are no settings", harmless, func(m *maker) []string {
		return []string{`{"type":"settings","id":"` + m.v.of.project + `","at":{"ms":1,"by":"z"},"set":{"ignore.extra":"**,!/../**,[","ignore.presets":"../../evil"}}`}
	})
	add("an operation that undo would follow", harmless, func(m *maker) []string {
		return []string{`{"type":"operation","id":"x","at":{"ms":253402300799999,"by":"z"},"set":{"project":"` + m.v.of.project + `","verb":"restore","summary":"\u001b[2J","folder":{"before":"zz","target":"../..","paths":["../../outside"],"delete":true}}}`}
	})
	return all
}

// bodyAttacks are sealed objects that are more than they take.
func bodyAttacks() (all []attack) {
	zeros := func(n int) []byte { return rawFrame(uint64(n), slices.Repeat([]int{128 << 10}, n>>17)...) }
	for _, k := range []struct {
		name string
		kind seal.Kind
		dir  string
	}{{"manifest", seal.Manifest, "snap/"}, {"index", seal.Index, "index/"}, {"ledger", seal.Ledger, "ledger/"}, {"catalogue", seal.Catalog, "catalog/0000000900-"},
		{"condemn list", seal.Condemn, "gc/0000000900/condemn"}} {
		for what, body := range map[string]struct {
			codec  byte
			says   uint32
			stored []byte
		}{
			"32 MiB in a few": {1, 32 << 20, zeros(32 << 20)}, "1 GiB in a few": {1, 1 << 30, zeros(1 << 30)}, "4 GiB and none": {1, 1<<32 - 1, zeros(1 << 20)},
			"less than it has": {1, 1 << 17, zeros(1 << 30)}, "raw and other": {0, 1 << 31, []byte("x")}, "codec 9": {9, 1, []byte("x")},
		} {
			all = append(all, attack{name: "body of a " + k.name + ": " + what, want: noticed, heavy: true, make: func(m *maker) {
				id := m.hexID()
				name := k.dir + id
				switch k.kind {
				case seal.Catalog:
					id = name
				case seal.Condemn:
					name = k.dir
					id = name
				}
				m.sealBody(k.kind, name, id, body.codec, body.says, body.stored)
			}})
		}
	}
	return all
}

// catalogAttacks would have lost snapshots not missed, or missed what never was.
func catalogAttacks() (all []attack) {
	add := func(name string, want expect, make func(*maker)) {
		all = append(all, attack{name: "catalogue: " + name, want: want, make: make})
	}
	entry := func(m *maker, k uint64, text string) {
		m.seal(seal.Catalog, fmt.Sprintf("catalog/%010d-%s", k, m.hexID()), []byte(text))
	}
	drop := func(m *maker, name string) { m.must(m.store.Delete(m.ctx, name)) }
	add("a snapshot and the entry of it are gone", noticed, func(m *maker) {
		names := m.names("catalog/")
		drop(m, names[len(names)-1])
		drop(m, m.slot(1))
	})
	add("a snapshot is gone and an entry stands for all", noticed, func(m *maker) {
		entry(m, 900, `{"adds":["`+m.own[0].ID.String()+`"],"all":true}`)
		drop(m, m.slot(1))
	})
	add("entries in a circle", noticed, func(m *maker) {
		a, b := "catalog/0000000900-"+m.hexID(), "catalog/0000000901-"+m.hexID()
		m.seal(seal.Catalog, a, []byte(`{"after":{"`+b+`":"00"},"adds":[]}`))
		m.seal(seal.Catalog, b, []byte(`{"after":{"`+a+`":"00"},"adds":[]}`))
	})
	add("an entry after itself", noticed, func(m *maker) {
		a := "catalog/0000000900-" + m.hexID()
		m.seal(seal.Catalog, a, []byte(`{"after":{"`+a+`":"00"},"adds":[]}`))
	})
	add("names that are none", noticed, func(m *maker) { entry(m, 900, `{"after":{"../../etc":"00"},"adds":[]}`) })
	add("snapshots that never were", noticed, func(m *maker) { entry(m, 900, `{"adds":["`+m.hexID()+`"]}`) })
	add("no snapshot ids", noticed, func(m *maker) { entry(m, 900, `{"adds":["x"]}`) })
	add("deep", noticed, func(m *maker) { entry(m, 900, `{"adds":`+strings.Repeat("[", 100_000)) })
	add("the last number there is", harmless, func(m *maker) { entry(m, 9_999_999_999, `{"adds":[]}`) })
	all[len(all)-1].check = func(t *testing.T, v *victim) {
		if v.warned.Load() == 0 || v.errs["snap"] != nil {
			t.Errorf("that a snapshot could not be noted is not said; snap: %v", v.errs["snap"])
		}
	}
	return all
}
