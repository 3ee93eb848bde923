package varve_test

import (
	"bytes"
	"context"
	"errors"
	"path"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/fixture"
)

// ruin overwrites everything behind the header of the packs that pick chooses.
func ruin(t testing.TB, r *rig, pick func(kind byte, size int64) bool) int {
	t.Helper()
	n := 0
	for _, o := range objects(t, r.vault.Root(), "") {
		if !strings.HasPrefix(o.path, "packs/") {
			continue
		}
		d, err := disk.Walk(r.vault.Root(), path.Dir(o.path))
		if err != nil {
			t.Fatal(err)
		}
		f, err := d.OpenWrite(path.Base(o.path))
		if err != nil {
			t.Fatal(err)
		}
		head := make([]byte, 112)
		if _, err := f.ReadAt(head, 0); err != nil {
			t.Fatal(err)
		}
		if pick(head[10], o.size) {
			n++
			if _, err := f.WriteAt(bytes.Repeat([]byte{0xee}, int(o.size)-112), 112); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(f.Close(), d.Close()); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

const data, metadata = 1, 2

// stocked is a machine with a project of several folders, kept twice.
func stocked(t testing.TB, seed uint64) (*rig, []string) {
	t.Helper()
	r := newRig(seed)
	s := mustOpen(t, r)
	w := fixture.NewWriter(s.dir, time.Unix(1_500_000_000, 0))
	w.Put("a/one.bin", 0o644, makeContent(3, 40_000, 1))
	w.Put("a/two.bin", 0o644, makeContent(4, 30_000, 1))
	w.Put("b/three.bin", 0o644, makeContent(5, 20_000, 1))
	w.Put("top.txt", 0o644, makeContent(6, 3000, 1))
	r.settle()
	mustSnap(t, s)
	lists := []string{listing(t, s.dir)}
	w.Put("a/one.bin", 0o644, makeContent(3, 41_000, 2))
	if w.Err() != nil {
		t.Fatal(w.Err())
	}
	r.settle()
	mustSnap(t, s)
	return r, append(lists, listing(t, s.dir))
}

// healthy fails unless every snapshot comes back and a check of all bytes finds nothing.
func healthy(t testing.TB, r *rig, lists []string) {
	t.Helper()
	ctx := context.Background()
	s := mustOpen(t, r)
	if err := verified(ctx, s.v); err != nil {
		t.Error(err)
	}
	for _, snap := range s.p.Snapshots() {
		got, err := restored(ctx, s.p, snap)
		if want := lists[min(snap.Version, len(lists))-1]; err != nil || got != want {
			t.Errorf("%s: %v\n%s", snap.Ref(), err, differ(got, want))
		}
	}
}

// TestSnapAfterQuarantine: a snapshot of a folder in which nothing changed looks at its files again once packs are in
// quarantine, stores what is lost, and the vault is whole. The one after that takes everything over unread again.
func TestSnapAfterQuarantine(t *testing.T) {
	ctx := context.Background()
	r, lists := stocked(t, 71)
	// Parity is of no help, and the old version of one.bin is in the folder no more: a third file has it.
	w := fixture.NewWriter(r.folder("project"), time.Unix(1_500_000_000, 0))
	w.Put("a/one.old", 0o644, makeContent(3, 40_000, 1))
	if w.Err() != nil {
		t.Fatal(w.Err())
	}
	r.settle()
	mustSnap(t, mustOpen(t, r))
	lists = append(lists, r.listing(t))
	s := mustOpen(t, r)
	if n := ruin(t, r, func(kind byte, _ int64) bool { return kind == data }); n == 0 {
		t.Fatal("no pack of data")
	}
	rep, err := s.v.Repair(ctx, varve.RepairOptions{})
	if err != nil || rep.OK || rep.Quarantined == 0 {
		t.Fatalf("%+v, %v", rep, err)
	}
	s = mustOpen(t, r)
	healed := mustSnap(t, s)
	if healed.Stored.Plain < 90_000 || healed.Counts.Modified+healed.Counts.Added > 0 {
		t.Errorf("the next snapshot stored %+v, counted %+v", healed.Stored, healed.Counts)
	}
	healthy(t, r, lists)
	reads := 0
	count := func(op disk.Op) error {
		if op.Kind == disk.OpRead {
			reads++
		}
		return nil
	}
	quick, err := r.open(ctx, hooks{project: count})
	if err != nil {
		t.Fatal(err)
	}
	reads = 0
	if again := mustSnap(t, quick); again.Stored.Plain > 0 || reads > 2 {
		t.Errorf("the one after that stored %+v and read %d times", again.Stored, reads)
	}
}

// TestRepairTakes: a repair takes chunks from the folder of the project, wherever it is now, and metadata from a copy.
func TestRepairTakes(t *testing.T) {
	ctx := context.Background()
	r, lists := stocked(t, 72)
	copied := r.fork(73)
	ruin(t, r, func(kind byte, _ int64) bool { return kind == data })
	s := mustOpen(t, r)
	rep, err := s.v.Repair(ctx, varve.RepairOptions{Folders: map[string]disk.Dir{s.p.ID(): s.dir}})
	if err != nil || rep.OK { // the old version of one.bin is not there
		t.Fatalf("%+v, %v", rep, err)
	}
	taken := false
	for _, o := range rep.Outcomes {
		taken = taken || strings.Contains(o.Repair, "project's folder")
	}
	if !taken {
		t.Errorf("nothing was taken from the folder: %+v", rep.Outcomes)
	}
	ruin(t, r, func(kind byte, _ int64) bool { return kind == metadata })
	s = mustOpen(t, r)
	far := mustOpen(t, copied)
	if rep, err = s.v.Repair(ctx, varve.RepairOptions{From: far.v}); err != nil || !rep.OK {
		t.Fatalf("%+v, %v", rep, err)
	}
	healthy(t, r, lists)
	stranger := mustOpen(t, newRig(74))
	if _, err := s.v.Repair(ctx, varve.RepairOptions{From: stranger.v}); !errors.Is(err, varve.ErrOtherVault) {
		t.Errorf("from another vault: %v", err)
	}
}

// TestUnreadable: a medium that refuses some sectors of a pack is what parity is for: the refusal is no other than
// wrong bytes.
func TestUnreadable(t *testing.T) {
	ctx := context.Background()
	r, _ := stocked(t, 75)
	w := fixture.NewWriter(r.folder("project"), time.Unix(1_500_000_000, 0))
	w.Put("big.bin", 0o644, makeContent(8, 900_000, 1))
	if w.Err() != nil {
		t.Fatal(w.Err())
	}
	r.settle()
	last := mustSnap(t, mustOpen(t, r))
	want := r.listing(t)
	var packs []object
	for _, o := range objects(t, r.vault.Root(), "") {
		if o.size > 400_000 {
			packs = append(packs, o)
		}
	}
	if len(packs) == 0 {
		t.Fatal("no large pack")
	}
	refused := 0
	bad := errors.New("input/output error")
	refuse := func(op disk.Op) error {
		if op.Kind == disk.OpRead && op.Path == packs[0].path && op.Off < 9010 && op.Off+op.Len > 9000 {
			refused++
			return bad
		}
		return nil
	}
	s, err := r.open(ctx, hooks{vault: refuse})
	if err != nil {
		t.Fatal(err)
	}
	got, err := restored(ctx, s.p, last)
	if err != nil || got != want {
		t.Errorf("%v\n%s", err, differ(got, want))
	}
	rep, err := s.v.Verify(ctx, varve.VerifyOptions{Data: true})
	if err != nil || rep.OK || rep.Findings[0].Object != packs[0].path {
		t.Errorf("verify: %+v, %v", rep, err)
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
}

// TestRepairLosesPower: a repair that is cut short anywhere, by the end of the process or of the power, takes nothing
// away: every snapshot can be restored as before, and the next repair ends what it began.
func TestRepairLosesPower(t *testing.T) {
	ctx := context.Background()
	r, lists := stocked(t, 76)
	for _, o := range objects(t, r.vault.Root(), "") {
		if strings.HasPrefix(o.path, "packs/") && o.size > 10_000 { // a bit that parity makes good
			if err := (damage{object: o, at: o.size / 3}).do(r.vault); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := disk.SyncAll(r.vault.Root()); err != nil {
		t.Fatal(err)
	}
	mend := func(r *rig, h disk.Hook) (*varve.RepairReport, error) {
		s, err := r.open(ctx, hooks{vault: h})
		if err != nil {
			return nil, err
		}
		return s.v.Repair(ctx, varve.RepairOptions{})
	}
	o := new(outage)
	if rep, err := mend(r.fork(1), o.hook); err != nil || !rep.OK || rep.Quarantined == 0 {
		t.Fatalf("%+v, %v", rep, err)
	}
	n := int(o.count.Load())
	step := 4
	if *long {
		step = 1
	}
	each(t, n/step, func(i int) error {
		i *= step
		for j, keep := range []disk.Keep{disk.KeepNone, disk.KeepAll, disk.KeepHalf(uint64(i))} {
			c := r.fork(uint64(1000 + i))
			if rep, err := mend(c, (&outage{at: int64(i + 1)}).hook); err == nil && !rep.OK {
				return errors.New("it says that something remains")
			}
			c = c.crash(keep, uint64(2000+3*i+j))
			s, err := c.open(ctx, hooks{})
			if err != nil {
				return err
			}
			for k, snap := range s.p.Snapshots() {
				if got, err := restored(ctx, s.p, snap); err != nil || got != lists[k] {
					return errors.Join(errors.New("stopped, and "+snap.Ref()+" is gone"), err)
				}
			}
			rep, err := mend(c, nil)
			if err != nil || !rep.OK {
				return errors.Join(errors.New("the next repair does not end it"), err)
			}
			if s, err = c.open(ctx, hooks{}); err == nil {
				err = verified(ctx, s.v)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	t.Logf("stopped at %d of %d operations", n/step, n)
}
