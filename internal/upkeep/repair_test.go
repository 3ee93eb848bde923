package upkeep_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"varve/internal/history"
	"varve/internal/index"
	"varve/internal/object"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/internal/upkeep"
	"varve/store"
)

// protected is small, with two columns of parity.
func protected(t testing.TB, columns int) *vault {
	opt := options(1)
	opt.Parity = columns
	db, err := object.Create(t.Context(), store.NewMemory(), false, opt)
	if err != nil {
		t.Fatal(err)
	}
	v := &vault{t: t, store: db.Store(), db: db, chunk: 300}
	v.snap(files{"a.bin": random(1, 9000), "sub/b": []byte("hello"), "sub/c.bin": random(2, 310)}, nil)
	two := files{"a.bin": random(1, 9000), "sub/b": []byte("world"), "new": random(3, 700)}
	copy(two["a.bin"][1000:], "changed here")
	v.snap(two, v.want[0])
	return v
}

// replace gives an object other bytes; nil removes it.
func (v *vault) replace(name string, b []byte) {
	v.t.Helper()
	err := v.store.Delete(v.t.Context(), name)
	if err == nil && b != nil {
		err = v.store.Put(v.t.Context(), name, b)
	}
	if err != nil {
		v.t.Fatal(err)
	}
}

// packsOf returns the names of the packs of a kind.
func (v *vault) packsOf(kind pack.Kind) (out []string) {
	for name, b := range v.objects() {
		if kindOf(name) == "packs" && b[10] == byte(kind) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// openings counts, so that none draws the names that another drew.
var openings atomic.Int64

// again opens the vault anew.
func (v *vault) again() *vault {
	v.t.Helper()
	opt := options(9)
	opt.Rand = &lockedRand{r: rand.NewChaCha8([32]byte{9, byte(openings.Add(1)), byte(openings.Load() >> 8)})}
	db, err := object.Open(v.t.Context(), v.store, nil, opt)
	if err != nil {
		v.t.Fatal(err)
	}
	return &vault{t: v.t, store: v.store, db: db, snaps: v.snaps, want: v.want, chunk: v.chunk}
}

// repair repairs the vault as a program does that opens it, and sees to it that nothing was deleted or changed.
func (v *vault) repair(opt upkeep.RepairOptions) *upkeep.RepairReport {
	v.t.Helper()
	before := v.objects()
	r, err := upkeep.Repair(v.t.Context(), v.again().db, v.snaps, opt)
	if err != nil {
		v.t.Fatal(err)
	}
	after := v.objects()
	for name, b := range before {
		if !bytes.Equal(after[name], b) {
			v.t.Errorf("%s is not as it was", name)
		}
	}
	if opt.Dry && len(after) != len(before) {
		v.t.Error("a dry run wrote")
	}
	if left := slices.DeleteFunc(slices.Collect(maps.Keys(after)), func(n string) bool { return kindOf(n) != "sess" }); len(left) > 0 {
		v.t.Errorf("still registered: %q", left)
	}
	return r
}

// clean fails unless nothing is found and every snapshot comes back.
func (v *vault) clean() {
	v.t.Helper()
	w := v.again()
	if r := w.verify(upkeep.Options{Data: true, Workers: 2}); len(r.Findings) != 0 {
		v.t.Errorf("findings %+v", r.Findings)
	}
	for i, s := range v.snaps {
		got, err := restore(v.t.Context(), w.db, s.Root)
		if err = errors.Join(err, same(got, v.want[i])); err != nil {
			v.t.Errorf("snapshot %d: %v", i+1, err)
		}
	}
}

// TestParityHeals: what parity makes good is stored again, and the damaged pack stays, in quarantine. It is read as
// it is until then.
func TestParityHeals(t *testing.T) {
	v := protected(t, 2)
	var damaged []string
	for _, name := range v.packsOf(pack.Data) {
		b := bytes.Clone(v.objects()[name])
		clear(b[200:230])
		v.replace(name, b)
		damaged = append(damaged, name)
	}
	before := v.again().verify(upkeep.Options{Data: true})
	if len(before.Findings) != len(damaged) {
		t.Fatalf("%d packs damaged: %+v", len(damaged), before.Findings)
	}
	got, err := restore(t.Context(), v.again().db, v.snaps[0].Root)
	if err = errors.Join(err, same(got, v.want[0])); err != nil {
		t.Fatalf("before the repair: %v", err)
	}
	if r := v.repair(upkeep.RepairOptions{Dry: true}); !r.Ok() || r.Stored == 0 || r.Quarantined != 0 {
		t.Fatalf("dry run: %+v", r)
	}
	r := v.repair(upkeep.RepairOptions{})
	if !r.Ok() || r.Quarantined != len(damaged) || len(r.Outcomes) != len(damaged) || !strings.Contains(r.Outcomes[0].Repair, "by parity") {
		t.Fatalf("%+v", r)
	}
	v.clean()
	if r := v.repair(upkeep.RepairOptions{}); len(r.Outcomes) != 0 || r.Stored != 0 {
		t.Errorf("a second repair: %+v", r)
	}
	for _, name := range damaged { // nothing needs them any more
		v.replace(name, nil)
	}
	v.clean()
}

// TestParityIsRead: a check reads all of a pack with parity, and finds whatever is wrong in it.
func TestParityIsRead(t *testing.T) {
	v := protected(t, 2)
	size := 0
	for name, b := range v.objects() {
		if kindOf(name) == "packs" {
			size += len(b)
		}
	}
	if r := v.verify(upkeep.Options{Data: true}); r.Bytes != int64(size) {
		t.Errorf("%d bytes read of %d", r.Bytes, size)
	}
	name := v.packsOf(pack.Data)[0]
	whole := v.objects()[name]
	for i := 0; i < len(whole); i += 31 {
		a := &altered{v.store, map[string][]byte{name: flip(whole, i)}}
		db, err := object.Open(t.Context(), a, nil, options(4))
		if err != nil {
			t.Fatal(err)
		}
		r, err := upkeep.Verify(t.Context(), db, v.snaps, upkeep.Options{Data: true})
		if err != nil || len(r.Findings) != 1 || r.Findings[0].Object != name {
			t.Fatalf("byte %d of %d: %+v, %v", i, len(whole), r, err)
		}
	}
}

// copies counts the packs out of quarantine that each object of metadata is in.
func (v *vault) copies() map[string]int {
	barred, err := v.db.Quarantined(v.t.Context())
	if err != nil {
		v.t.Fatal(err)
	}
	out := map[string]int{}
	for _, name := range v.packsOf(pack.Meta) {
		b := v.objects()[name]
		p, err := pack.Open(v.t.Context(), v.db.Keys(), func(_ context.Context, off, n int64, dst []byte) ([]byte, error) {
			return append(dst, b[off:off+n]...), nil
		}, int64(len(b)))
		if err != nil || barred[p.Header.ID] {
			continue
		}
		for i := range p.Blocks {
			for _, e := range p.Blocks[i].Entries {
				out[e.Digest.String()]++
			}
		}
	}
	return out
}

// TestTwin: metadata is twice in the vault, in two directories, and again so after one copy was damaged.
func TestTwin(t *testing.T) {
	v := protected(t, 0)
	check := func() {
		t.Helper()
		for d, n := range v.copies() {
			if n < 2 {
				t.Errorf("%s is there %d times", d, n)
			}
		}
	}
	check()
	all := v.packsOf(pack.Meta)
	if len(all) != 4 {
		t.Fatalf("%d packs of metadata", len(all))
	}
	objects := v.objects()
	for _, name := range all { // each of them is dispensable, and is made good
		v.replace(name, flip(objects[name], 300))
		got, err := restore(t.Context(), v.again().db, v.snaps[1].Root)
		if err = errors.Join(err, same(got, v.want[1])); err != nil {
			t.Fatalf("without %s: %v", name, err)
		}
		if r := v.repair(upkeep.RepairOptions{}); !r.Ok() || r.Quarantined != 1 {
			t.Fatalf("%+v", r)
		}
		v.clean()
		check()
	}
}

// TestSourceHeals: chunks that are nowhere in the vault are taken from files that still have them, and only if they
// do.
func TestSourceHeals(t *testing.T) {
	for _, honest := range []bool{true, false} {
		v := protected(t, 0)
		for _, name := range v.packsOf(pack.Data) {
			v.replace(name, nil)
		}
		r := v.repair(upkeep.RepairOptions{Source: func(s *history.Snapshot, path string, off, n int64) ([]byte, error) {
			b := v.want[s.Version-1][path]
			if off+n > int64(len(b)) {
				return nil, fs.ErrNotExist
			}
			b = bytes.Clone(b[off : off+n])
			if !honest {
				b[0] ^= 1
			}
			return b, nil
		}})
		if r.Ok() != honest {
			t.Errorf("honest %v: %+v", honest, r.Outcomes)
		}
		if honest {
			v.clean()
		}
	}
}

// TestCopyHeals: everything that can be gone or damaged in a pack is had from another copy of the vault; as is what is
// no pack and is not there.
func TestCopyHeals(t *testing.T) {
	v := protected(t, 0)
	whole := v.again()
	whole.store = store.NewMemory()
	for name, b := range v.objects() {
		if err := whole.store.Put(t.Context(), name, b); err != nil {
			t.Fatal(err)
		}
	}
	whole = whole.again()
	for name := range v.objects() {
		if kindOf(name) == "packs" {
			v.replace(name, nil)
		}
	}
	gone := "snap/" + v.snaps[1].ID.String()
	v.replace(gone, nil)
	if r := v.repair(upkeep.RepairOptions{}); r.Ok() || len(r.Outcomes) == 0 {
		t.Fatalf("without the copy: %+v", r)
	}
	if r := v.repair(upkeep.RepairOptions{Copy: whole.db}); !r.Ok() {
		t.Fatalf("%+v", r.Outcomes)
	}
	v.clean()
	if !bytes.Equal(v.objects()[gone], whole.objects()[gone]) {
		t.Error("the snapshot's slot was not put back")
	}
}

// TestSnapHeals: what could not be had counts as new once the pack is in quarantine: the next snapshot that has its
// bytes stores it, and every snapshot is whole again. A delta whose base was lost counts, too.
func TestSnapHeals(t *testing.T) {
	for _, what := range []string{"all data", "bases"} {
		v := protected(t, 0)
		objects := v.objects()
		for _, name := range v.packsOf(pack.Data) {
			loc, err := v.db.Locate(t.Context(), v.db.Digest(v.want[0]["a.bin"][:300]))
			if err != nil {
				t.Fatal(err)
			}
			if what == "bases" && !strings.HasSuffix(name, loc.Pack.String()) {
				continue
			}
			b := bytes.Clone(objects[name])
			for i := 112; i < len(b); i++ {
				b[i] ^= 0x55
			}
			v.replace(name, b)
		}
		r := v.repair(upkeep.RepairOptions{})
		if r.Ok() || r.Quarantined == 0 {
			t.Fatalf("%s: %+v", what, r)
		}
		if f := r.Outcomes[0]; !strings.Contains(f.Repair, "lost") || len(f.Snapshots) == 0 || f.Path == "" {
			t.Errorf("%s: %+v", what, f)
		}
		w := v.again()
		w.snap(v.want[1], nil) // the second snapshot is whole with it, though what its deltas were of is not there
		got, err := restore(t.Context(), w.again().db, v.snaps[1].Root)
		if err = errors.Join(err, same(got, v.want[1])); err != nil {
			t.Errorf("%s: after the first snapshot: %v", what, err)
		}
		w.snap(v.want[0], nil)
		w.clean()
		if r := w.repair(upkeep.RepairOptions{}); len(r.Outcomes) != 0 {
			t.Errorf("%s: a repair afterwards: %+v", what, r.Outcomes)
		}
	}
}

// TestIndexHeals: a new segment stands for one that is damaged or lies, which stays and is passed over.
func TestIndexHeals(t *testing.T) {
	v := protected(t, 0)
	var names []string
	for name := range v.objects() {
		if kindOf(name) == "index" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	v.replace(names[0], flip(v.objects()[names[0]], 100))
	r := v.repair(upkeep.RepairOptions{})
	if !r.Ok() || len(r.Outcomes) != 1 || r.Quarantined != 0 {
		t.Fatalf("%+v", r)
	}
	v.clean()
	v.lie()
	if r := v.repair(upkeep.RepairOptions{}); !r.Ok() || len(r.Outcomes) != 1 || r.Outcomes[0].Kind != upkeep.Disagrees {
		t.Fatalf("%+v", r)
	}
	v.clean()
	warned := 0
	opt := options(7)
	opt.Warn = func(object.Warning) { warned++ }
	db, err := object.Open(t.Context(), v.store, nil, opt)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Refresh(t.Context()); err != nil || warned > 0 || !db.Whole() {
		t.Errorf("opened with %d warnings: %v", warned, err)
	}
}

// lie puts a sound segment of the index that says of a pack what is not so.
func (v *vault) lie() {
	v.t.Helper()
	name := v.packsOf(pack.Data)[0]
	w := new(index.Writer)
	id, err := hex.DecodeString(name[len("packs/xx/"):])
	if err != nil {
		v.t.Fatal(err)
	}
	w.Add(v.db.Digest([]byte("not there")), w.AddPack(index.PackInfo{ID: index.PackID(id), Size: int64(len(v.objects()[name]))}), 0, 0, 0)
	segment := strings.Repeat("5", 32)
	b, err := v.db.Keys().Seal(nil, seal.Index, []byte(segment), w.Encode(), options(6).Rand)
	if err == nil {
		err = v.store.Put(v.t.Context(), "index/"+segment, b)
	}
	if err != nil {
		v.t.Fatal(err)
	}
}

// fencing is a store in which a collection takes every first session for dead.
type fencing struct {
	store.Store
	keys *seal.Keys
	done bool
}

func (f *fencing) Put(ctx context.Context, name string, parts ...[]byte) error {
	if sid, ok := strings.CutPrefix(name, "snap/"); ok && !f.done {
		f.done = true
		note, err := f.keys.Seal(nil, seal.Verdict, []byte(sid), []byte("1"), options(8).Rand)
		if err != nil {
			return err
		}
		if err := f.Store.Put(ctx, name, note); err != nil {
			return err
		}
	}
	return f.Store.Put(ctx, name, parts...)
}

// TestRepairFenced: a repair that was taken for dead is done again.
func TestRepairFenced(t *testing.T) {
	v := protected(t, 2)
	name := v.packsOf(pack.Data)[0]
	v.replace(name, flip(v.objects()[name], 200))
	f := &fencing{Store: v.store, keys: v.db.Keys()}
	db, err := object.Open(t.Context(), f, nil, options(5))
	if err != nil {
		t.Fatal(err)
	}
	r, err := upkeep.Repair(t.Context(), db, v.snaps, upkeep.RepairOptions{})
	if err != nil || !f.done || !r.Ok() {
		t.Fatalf("%+v, %v", r, err)
	}
	v.clean()
}

// forbidding is a store that lets nobody read one object.
type forbidding struct {
	store.Store
	name string
}

func (f *forbidding) Get(ctx context.Context, name string, off, n int64, dst []byte) ([]byte, error) {
	if name == f.name {
		return dst, &fs.PathError{Op: "open", Path: name, Err: fs.ErrPermission}
	}
	return f.Store.Get(ctx, name, off, n, dst)
}

// TestUnjudged: a pack that may not be read, or is of a newer format, is a finding; it is not given up.
func TestUnjudged(t *testing.T) {
	for _, newer := range []bool{false, true} {
		v := protected(t, 0)
		name := v.packsOf(pack.Data)[0]
		var s store.Store = v.store
		if newer {
			b := bytes.Clone(v.objects()[name])
			b[8] = 2
			binary.LittleEndian.PutUint32(b[108:], crc32.Checksum(b[:108], crc32.MakeTable(crc32.Castagnoli)))
			v.replace(name, b)
		} else {
			s = &forbidding{v.store, name}
		}
		db, err := object.Open(t.Context(), s, nil, options(5))
		if err != nil {
			t.Fatal(err)
		}
		r, err := upkeep.Repair(t.Context(), db, v.snaps, upkeep.RepairOptions{})
		if err != nil || r.Ok() || r.Quarantined != 0 {
			t.Errorf("newer %v: %+v, %v", newer, r, err)
		}
	}
}

// TestTwoDamages: two damages are two findings, each with what it touches, and each is healed or not for itself.
func TestTwoDamages(t *testing.T) {
	v := newVault(t, store.NewMemory())
	v.chunk = 4000
	v.snap(files{"one": random(1, 3000)}, nil)
	v.snap(files{"two": random(2, 3000)}, nil)
	packs := v.packsOf(pack.Data)
	if len(packs) != 2 {
		t.Fatalf("%d packs", len(packs))
	}
	for _, name := range packs {
		v.replace(name, flip(v.objects()[name], 400))
	}
	r := v.repair(upkeep.RepairOptions{Source: func(_ *history.Snapshot, path string, off, n int64) ([]byte, error) {
		if path != "two" {
			return nil, fs.ErrNotExist
		}
		return v.want[1]["two"][off : off+n], nil
	}})
	got := map[string]bool{}
	for _, o := range r.Outcomes {
		got[fmt.Sprint(o.Paths, o.Snapshots, o.Healed)] = true
	}
	if len(r.Outcomes) != 2 || !got["[one] [game@v1] false"] || !got["[two] [game@v2] true"] {
		t.Errorf("%v", got)
	}
}

// TestEveryRepair: whatever single thing happens to a pack or a segment of the index of a vault that has a copy, a
// repair makes it good.
func TestEveryRepair(t *testing.T) {
	v := protected(t, 2)
	all := v.objects()
	n := 0
	for name, b := range all {
		if kind := kindOf(name); kind != "packs" && kind != "index" {
			continue
		}
		for i := 0; i < len(b)+3; i += 100 * stride {
			for _, c := range []struct {
				what string
				is   []byte
			}{
				{fmt.Sprintf("%s: byte %d", name, min(i, len(b)-1)), flip(b, min(i, len(b)-1))},
				{fmt.Sprintf("%s: cut to %d", name, i), b[:min(i, len(b)-1)]},
				{name + ": gone", nil},
			} {
				w := v.again()
				w.store = store.NewMemory()
				for name, b := range all {
					if err := w.store.Put(t.Context(), name, b); err != nil {
						t.Fatal(err)
					}
				}
				w.replace(name, c.is)
				if r := w.repair(upkeep.RepairOptions{Copy: v.db}); !r.Ok() {
					t.Fatalf("%s: %+v", c.what, r.Outcomes)
				}
				w.clean()
				if t.Failed() {
					t.Fatal(c.what)
				}
				n++
			}
		}
	}
	t.Logf("%d damages", n)
}
