package spec_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/internal/capture"
	"varve/internal/catalog"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/ledger"
	"varve/internal/object"
	"varve/internal/seal"
	"varve/store"
)

var update = flag.Bool("update", false, "write the vectors that are absent; those that are there are never changed")

// began is the time of all vectors.
var began = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

const project = "76617276652d766563746f722d303031"

// words returns n bytes of text that compresses but has no period.
func words(seed string, n int) []byte {
	vocabulary := strings.Fields("layer silt clay lake winter summer count date read pollen ash thin dark pale year grain flood drift core ice")
	r := newChance(seed)
	var out []byte
	var b [1]byte
	for len(out) < n {
		r.Read(b[:])
		out = append(append(out, vocabulary[int(b[0])%len(vocabulary)]...), ' ')
	}
	return out[:n]
}

func noise(seed string, n int) []byte {
	b := make([]byte, n)
	newChance(seed).Read(b)
	return b
}

// folder is the project of the vectors, in memory.
type folder struct {
	t      testing.TB
	memory *disk.Memory
	root   disk.Dir
}

func newFolder(t testing.TB) *folder {
	tick := int64(1_700_000_000_000_000_000)
	m := disk.NewMemory(disk.MemoryOptions{Now: func() int64 { tick++; return tick }})
	return &folder{t, m, m.Root()}
}

func (f *folder) must(err error) {
	if err != nil {
		f.t.Helper()
		f.t.Fatal(err)
	}
}

// dir opens the directory of a path and returns it with the last element.
func (f *folder) dir(p string) (disk.Dir, string) {
	if path.Dir(p) == "." {
		return f.root, p
	}
	d, err := disk.MkdirAll(f.root, path.Dir(p), 0o755)
	f.must(err)
	return d, path.Base(p)
}

// write makes or replaces a file; seconds are its modification time.
func (f *folder) write(p string, seconds int64, content []byte) {
	d, name := f.dir(p)
	if err := d.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		f.t.Fatal(err)
	}
	f.must(disk.CreateWhole(d, name, 0o644, content))
	f.meta(p, seconds, nil, nil)
}

func (f *folder) meta(p string, seconds int64, mode *uint32, owner *disk.Owner) {
	d, name := f.dir(p)
	ns := seconds*1_000_000_000 + 123_456_789
	f.must(d.SetMeta(name, disk.Change{Mode: mode, Owner: owner, Mtime: &ns}))
}

// first is the project as the first snapshot finds it.
func (f *folder) first() {
	f.write("readme.txt", 1_600_000_000, []byte("hello, varve\n"))
	f.write("empty", 1_600_000_001, nil)
	d, _ := f.dir("empty-dir/x")
	d.Close()
	f.write("docs/inline.bin", 1_600_000_002, noise("inline", 512))
	f.write("docs/sole.bin", 1_600_000_003, words("sole", 513))
	f.write("art/scene.txt", 1_600_000_004, words("scene", 300_000))
	f.write("art/noise.png", 1_600_000_005, noise("noise", 5000))
	flat := append(words("flat", 20_000), make([]byte, 150_001)...)
	flat = append(flat, bytes.Repeat([]byte("abcdefghijklmnopqrstuvwx"), 300)...)
	f.write("art/flat.raw", 1_600_000_006, append(flat, words("tail", 9_000)...))
	f.write("art/parted.pak", 1_600_000_007, words("parted", 60_000))
	f.write("net.safetensors", 1_600_000_016, weights(0))
	f.sparse("art/sparse.img")
	f.must(f.root.Symlink("docs/sole.bin", "link"))
	f.meta("link", 1_600_000_008, nil, nil)
	f.write("hard-a", 1_600_000_009, words("hard", 2000))
	f.must(f.root.Link("hard-a", f.root, "hard-b"))
	f.write("bad\xff\xfename", 1_600_000_010, []byte("a name of no encoding"))
	f.write("tagged", 1_600_000_011, []byte("with attributes"))
	f.must(f.root.SetXattr("tagged", disk.Xattr{Name: "user.empty"}))
	f.must(f.root.SetXattr("tagged", disk.Xattr{Name: "user.varve", Value: []byte{0, 1, 2, 255}}))
	mode := uint32(0o4755)
	f.write("tool", 1_600_000_012, []byte("#!/bin/sh\n"))
	f.meta("tool", 1_600_000_012, &mode, &disk.Owner{UID: 1000, GID: 100})
	f.write("older than 1970", -5, []byte("x"))
	f.must(f.memory.Mknod("pipe", disk.Pipe))
	f.meta("pipe", 1_600_000_013, nil, nil)
	for i := range 700 {
		f.write("many/"+strings.Repeat("long-name-", 3)+string([]byte{'0' + byte(i/100), '0' + byte(i/10%10), '0' + byte(i%10)}), 1_600_001_000+int64(i*i), nil)
	}
	f.write("deep/a/b/c/d/leaf", 1_600_000_014, []byte("leaf"))
	f.settle()
}

func (f *folder) sparse(p string) {
	d, name := f.dir(p)
	w, err := d.Create(name, 0o600)
	f.must(err)
	f.must(w.Truncate(5<<20 + 17))
	_, err = w.WriteAt(words("head", 8192), 0)
	f.must(err)
	_, err = w.WriteAt(words("foot", 4096), 5<<20-8192)
	f.must(err)
	f.must(w.Close())
	f.meta(p, 1_600_000_015, nil, nil)
}

// settle gives every directory a time of its own, for what is done in one changes it.
func (f *folder) settle() {
	for i, p := range []string{"empty-dir", "docs", "art", "many", "deep/a/b/c/d", "deep/a/b/c", "deep/a/b", "deep/a", "deep"} {
		f.meta(p, 1_600_002_000+int64(i), nil, nil)
	}
}

// second is what changed until the second snapshot.
func (f *folder) second() {
	b := words("scene", 300_000)
	copy(b[100_000:], "an edit in the middle of the scene")
	f.write("net.safetensors", 1_610_000_002, weights(1))
	f.write("art/scene.txt", 1_610_000_000, slices.Insert(b, 200_000, []byte("and something put in")...))
	f.write("readme.txt", 1_610_000_001, []byte("hello again, varve\n"))
	docs, name := f.dir("docs/sole.bin")
	f.must(docs.Rename(name, docs, "moved.bin"))
	f.must(f.root.Remove("tagged"))
	mode := uint32(0o600)
	f.meta("hard-b", 1_600_000_009, &mode, nil)
	f.settle()
}

// third is what changed until the third.
func (f *folder) third() {
	b := words("scene", 300_000)
	copy(b[100_000:], "another edit in the middle of the scene")
	f.write("art/scene.txt", 1_620_000_000, b)
	f.write("new \u00e9.txt", 1_620_000_001, words("new", 3000))
	f.settle()
}

// weights is a file of weights: a tensor of bf16 elements and one of f32. Of step says how many steps of training
// they have taken: a step moves each by a little.
func weights(step int) []byte {
	const wide, narrow = 3000, 12_000 // elements
	header := fmt.Sprintf(`{"a":{"dtype":"BF16","shape":[%d],"data_offsets":[0,%d]},"b":{"dtype":"F32","shape":[%d],"data_offsets":[%d,%d]}}`,
		narrow, 2*narrow, wide, 2*narrow, 2*narrow+4*wide)
	out := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	out = append(out, header...)
	r := noise("weights", 3*(narrow+wide))
	for i := range narrow + wide {
		// A sign, an exponent that is mostly near that of 1/32, and a mantissa of noise.
		x := uint32(r[3*i]&1)<<31 | uint32(122-bits.TrailingZeros8(r[3*i]>>1|1<<6))<<23 | uint32(r[3*i+1])<<15 | uint32(r[3*i+2])<<7
		if i < narrow {
			out = binary.LittleEndian.AppendUint16(out, uint16(x>>16)+uint16(step*(i%5&1)))
		} else {
			out = binary.LittleEndian.AppendUint32(out, x+uint32(step*(i%7)))
		}
	}
	return out
}

// regions knows the tensors of weights and cuts parted.pak into regions with gaps between them, some of them so
// short that they are literals.
func regions(name string, r io.ReaderAt, size int64) (out []capture.Region) {
	switch name {
	case "net.safetensors":
		var head [8]byte
		if _, err := r.ReadAt(head[:], 0); err != nil {
			return nil
		}
		at := 8 + int64(binary.LittleEndian.Uint64(head[:]))
		return []capture.Region{{Off: at, Len: 24_000, Width: 2}, {Off: at + 24_000, Len: 12_000, Width: 4}}
	case "parted.pak":
		for i, at := 0, int64(0); at+1500 <= size; i++ {
			out = append(out, capture.Region{Off: at, Len: 1500, Width: 1})
			at += 1500
			if i%5 == 4 {
				at += 100
			} else {
				at += 1100
			}
		}
	}
	return out
}

// snap takes a snapshot as the front door does.
func snap(ctx context.Context, o *opened, f *folder, message string, tags map[string]string) (*history.Snapshot, error) {
	var s *history.Snapshot
	who := object.Who{Host: "vectors", PID: 1, Started: began}
	err := o.db.Write(ctx, who, func(ctx context.Context, w *object.Session) error {
		if err := o.history.Refresh(ctx); err != nil {
			return err
		}
		latest := o.history.Latest(project)
		res, err := capture.Run(ctx, o.db, w, capture.Options{Root: f.root, Parent: latest, Regions: regions, SHA256: true, Workers: 1, Level: seal.Fast,
			Now: func() time.Time { return began }, Sleep: func(context.Context, time.Duration) error { return nil }, Granularity: time.Millisecond})
		if err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
		s = &history.Snapshot{ID: w.ID, Project: project, Name: "varves", Path: "/lake/varves", Host: "vectors", User: "lisa", Version: 1, Time: began,
			Message: message, Tags: tags, Root: res.Root, Tree: res.Summary, Counts: res.Counts, Changes: res.Changes, Errors: res.Errors, Skipped: res.Skipped, Stored: w.Stored()}
		if latest != nil {
			s.Version, s.Parent, s.Time = latest.Version+1, latest.ID.String(), began.Add(time.Duration(latest.Version)*time.Hour)
		}
		m, err := s.Encode()
		if err != nil {
			return err
		}
		if err := w.Commit(ctx, m); err != nil {
			return err
		}
		return catalog.New(o.db).Add(ctx, append(o.history.IDs(), w.ID), func(object.SID) bool { return true }, w.Settle, false)
	})
	if err != nil {
		return nil, err
	}
	return s, o.history.Refresh(ctx)
}

// makeVault makes the vault of the vectors.
func makeVault(t testing.TB) (*store.Memory, []*history.Snapshot) {
	ctx := t.Context()
	s := store.NewMemory()
	f := newFolder(t)
	opt := testOptions("varve vector 1")
	opt.Parity = 2
	db, err := object.Create(ctx, s, true, opt)
	f.must(err)
	o := &opened{db, history.New(db, ledger.New(db, "0011223344556677"))}
	var snaps []*history.Snapshot
	for i, change := range []func(){f.first, f.second, f.third} {
		change()
		x, err := snap(ctx, o, f, []string{"first", "", "third, with \u00e9 and \U0001f30a"}[i], []map[string]string{{"env": "lake"}, nil, {"a": "1", "b": ""}}[i])
		f.must(err)
		if len(x.Errors) > 0 {
			t.Fatalf("snapshot %d: %v", i, x.Errors)
		}
		snaps = append(snaps, x)
	}
	f.must(o.history.Ledger.Append(ctx, ledger.Record{Type: "milestone", ID: "00000000000000000000000000000001",
		Set: map[string]json.RawMessage{"name": ledger.Value("first-core"), "project": ledger.Value(project), "type": ledger.Value("alpha"), "snapshot": ledger.Value(snaps[1].ID.String()), "note.depth": ledger.Value("12 m")},
		Add: map[string][]string{"tags": {"wet", "cold"}}}))
	f.must(o.history.Ledger.Append(ctx,
		ledger.Record{Type: "milestone", ID: "00000000000000000000000000000001", Set: map[string]json.RawMessage{"type": ledger.Value("beta")}, Drop: map[string][]string{"tags": {"wet"}}},
		ledger.Record{Type: "snapshot", ID: snaps[0].ID.String(), Set: map[string]json.RawMessage{"tag.env": ledger.Value(nil), "tag.site": ledger.Value("north")}},
		ledger.Record{Type: "hold", ID: snaps[0].ID.String(), Set: map[string]json.RawMessage{"reason": ledger.Value("first of all"), "project": ledger.Value(project)}},
		ledger.Record{Type: "hold", ID: snaps[1].ID.String(), Set: map[string]json.RawMessage{"reason": ledger.Value("not for long")}}))
	f.must(o.history.Ledger.Append(ctx, ledger.Record{Type: "hold", ID: snaps[1].ID.String(), Gone: true}))
	return s, snaps
}

// writeNew writes a file unless it is there.
func writeNew(t *testing.T, name string, b []byte) {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		t.Logf("%s is there and stays", name)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// zipped packs objects without compressing them, for they cannot be, in the order of their names.
func zipped(t *testing.T, o objects) []byte {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	names := make([]string, 0, len(o))
	for n := range o {
		names = append(names, n)
	}
	slices.Sort(names)
	for _, n := range names {
		w, err := z.CreateHeader(&zip.FileHeader{Name: n, Method: zip.Store})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(o[n]); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func dump(t testing.TB, s store.Store) objects {
	o := objects{}
	for x, err := range s.List(t.Context(), "") {
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.Get(t.Context(), x.Name, 0, -1, nil)
		if err != nil {
			t.Fatal(err)
		}
		o[x.Name] = b
	}
	return o
}

// TestUpdate makes the vectors.
func TestUpdate(t *testing.T) {
	if !*update {
		t.Skip("only with -update")
	}
	s, _ := makeVault(t)
	writeNew(t, "vectors/valid.zip", zipped(t, dump(t, s)))
	valid := readZip(t, "vectors/valid.zip")
	o, err := open(t.Context(), valid.store(t), "")
	if err != nil {
		t.Fatal(err)
	}
	listing, err := o.listing(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	writeNew(t, "vectors/valid.listing", []byte(listing))
	cases, err := json.MarshalIndent(makeCases(t, valid, o, sumOf(listing)), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	writeNew(t, "vectors/cases.json", append(cases, '\n'))
	small, err := json.MarshalIndent(makeLayers(t), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	// Decoding does not mind the case of keys, people do.
	small = regexp.MustCompile(`"[A-Z]\w*":`).ReplaceAllFunc(small, bytes.ToLower)
	writeNew(t, "vectors/layers.json", append(small, '\n'))
}

// TestWriter: the same folder is described by the same digests as when the vector was made. A change of
// cutting, of recipes or of pages would fail here, and would store every vault's files anew.
func TestWriter(t *testing.T) {
	s, snaps := makeVault(t)
	made, err := open(t.Context(), s, "")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := open(t.Context(), readZip(t, "vectors/valid.zip").store(t), "")
	if err != nil {
		t.Fatal(err)
	}
	if made.db.Vault() != kept.db.Vault() {
		t.Fatal("the vault has another id, so that its digests differ")
	}
	for i, old := range kept.history.Snapshots(project) {
		if snaps[i].Root != old.Root || !slices.Equal(snaps[i].Changes, old.Changes) {
			t.Errorf("snapshot %d is described as %s, and was as %s", i+1, snaps[i].Root, old.Root)
		}
	}
	if snaps[1].Stored.Deltas == 0 || snaps[2].Stored.Deltas == 0 {
		t.Error("no delta in a later snapshot")
	}
}
