package varve_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/fixture"
)

// history of n snapshots in a vault, by a machine with a state of its own.
func kept(t *testing.T, n int) *rig {
	t.Helper()
	r := newRig(1)
	build(t, r, fixture.ML, 0)
	for range n {
		mustSnap(t, mustOpen(t, r)) // each in a process of its own
	}
	return r
}

// removeFrom removes the last of the files of a folder of the vault, in the order of their names.
func removeFrom(t *testing.T, r *rig, folder string, keep func(name string) bool) (gone []string) {
	t.Helper()
	d, err := r.vault.Root().OpenDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := d.List(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !keep(e.Name) {
			if err := d.Remove(e.Name); err != nil {
				t.Fatal(err)
			}
			gone = append(gone, e.Name)
		}
	}
	return gone
}

func rolledBack(t *testing.T, r *rig) *varve.Rollback {
	t.Helper()
	s := mustOpen(t, r)
	lost, err := s.v.Rollback(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rep, err := s.v.Verify(t.Context(), varve.VerifyOptions{})
	if err != nil || rep.OK != (lost.Err() == nil) {
		t.Errorf("verify: %+v, %v; rollback: %v", rep, err, lost.Err())
	}
	return lost
}

// TestVanishedSnapshotIsNoticed: a commit slot that is gone without a trace is told to a machine that never saw
// it, until somebody says that it is to be so. To forget it is no loss.
func TestVanishedSnapshotIsNoticed(t *testing.T) {
	r := kept(t, 3)
	if err := rolledBack(t, r).Err(); err != nil {
		t.Fatal(err)
	}
	second := mustOpen(t, r).p.Snapshots()[1].ID
	removeFrom(t, r, "snap", func(name string) bool { return name != second.String() })
	r.noState = true
	lost := rolledBack(t, r)
	if !errors.Is(lost.Err(), varve.ErrRolledBack) || len(lost.Snapshots) != 1 || lost.Snapshots[0] != second {
		t.Fatalf("%+v", lost)
	}
	// Somebody may have a copy of the slot yet: what it needs must not go.
	packs := packBytes(t, r)
	if _, err := mustOpen(t, r).v.Collect(t.Context(), varve.CollectOptions{}); !errors.Is(err, varve.ErrRolledBack) || packBytes(t, r) != packs {
		t.Errorf("a collection: %v; %d bytes of packs of %d", err, packBytes(t, r), packs)
	}
	if _, err := mustOpen(t, r).v.AcceptLoss(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := rolledBack(t, r).Err(); err != nil {
		t.Errorf("after it was accepted: %v", err)
	}
	r.noState = false
	if err := rolledBack(t, r).Err(); err != nil {
		t.Errorf("after it was accepted, on a machine that has seen it: %v", err)
	}
}

// TestRolledBackVault: a vault that is put back to an earlier state as a whole is consistent, and only a machine
// that has seen more knows. It says so until the vault is as it was.
func TestRolledBackVault(t *testing.T) {
	r := kept(t, 2)
	earlier := r.fork(2)
	mustSnap(t, mustOpen(t, r))
	if err := rolledBack(t, r).Err(); err != nil {
		t.Fatal(err)
	}
	latest := mustOpen(t, r).p.Latest().ID
	back := &rig{vault: earlier.vault, home: r.home, now: r.now, rand: r.rand, workers: 1}
	lost := rolledBack(t, back)
	if lost.Err() == nil || len(lost.Snapshots) != 1 || lost.Snapshots[0] != latest {
		t.Errorf("%+v", lost)
	}
	var warned error
	opt := back.options()
	opt.Warn = func(_ string, err error) { warned = err }
	s, err := back.openWith(t.Context(), hooks{}, opt)
	if err != nil {
		t.Fatal(err)
	}
	mustSnap(t, s)
	if !errors.Is(warned, varve.ErrRolledBack) {
		t.Errorf("a snapshot in a vault that was put back warned of %v", warned)
	}
	if rolledBack(t, back).Err() == nil {
		t.Error("a new snapshot made up for the lost one")
	}
	fresh := back.fork(3)
	fresh.noState = true
	if err := rolledBack(t, fresh).Err(); err != nil {
		t.Errorf("a machine that cannot know: %v", err)
	}
}

// TestCatalogueEntryGone: an entry that another one comes after is missed; what it listed is listed again.
func TestCatalogueEntryGone(t *testing.T) {
	r := kept(t, 3)
	gone := removeFrom(t, r, "catalog", func(name string) bool { return !strings.HasPrefix(name, "0000000002-") })
	lost := rolledBack(t, r)
	if len(gone) != 1 || len(lost.Entries) != 1 || lost.Entries[0] != "catalog/"+gone[0] {
		t.Errorf("gone %v, missed %+v", gone, lost)
	}
	// The last entry leaves no trace in the catalogue; the next snapshot makes up for it.
	r = kept(t, 3)
	removeFrom(t, r, "catalog", func(name string) bool { return !strings.HasPrefix(name, "0000000003-") })
	if err := rolledBack(t, r).Err(); err != nil {
		t.Error(err)
	}
	third := mustOpen(t, r).p.Latest().ID
	mustSnap(t, mustOpen(t, r))
	removeFrom(t, r, "snap", func(name string) bool { return name != third.String() })
	r.noState = true
	if lost := rolledBack(t, r); len(lost.Snapshots) != 1 || lost.Snapshots[0] != third {
		t.Errorf("%+v", lost)
	}
}

// TestCatalogueIsNoObstacle: a catalogue that cannot be written or read costs a warning and no snapshot.
func TestCatalogueIsNoObstacle(t *testing.T) {
	r := kept(t, 1)
	broken := errors.New("broken")
	opt := r.options()
	var warned []string
	opt.Warn = func(name string, err error) {
		if errors.Is(err, broken) {
			warned = append(warned, name)
		}
	}
	s, err := r.openWith(t.Context(), hooks{vault: func(op disk.Op) error {
		if strings.HasPrefix(op.Path, "catalog") {
			return broken
		}
		return nil
	}}, opt)
	if err != nil {
		t.Fatal(err)
	}
	snap := mustSnap(t, s)
	if len(warned) == 0 {
		t.Error("nobody was told")
	}
	if got := mustOpen(t, r).p.Latest(); got.ID != snap.ID {
		t.Errorf("the snapshot is %s, the latest %s", snap.ID, got.ID)
	}
	if err := rolledBack(t, r).Err(); err != nil {
		t.Error(err)
	}
}

// TestCatalogueRace: writers that saw the same entry each write one of their own, and nothing is missed.
func TestCatalogueRace(t *testing.T) {
	r := kept(t, 1)
	raced := false
	other := mustOpen(t, r)
	s, err := r.open(context.Background(), hooks{vault: func(op disk.Op) error {
		if !raced && strings.HasPrefix(op.Path, "catalog/") && op.Kind.Writes() {
			raced = true
			_, err := other.p.Snap(context.Background(), plainSnap())
			return err
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	mustSnap(t, s)
	mustSnap(t, mustOpen(t, r))
	if err := rolledBack(t, r).Err(); err != nil || !raced {
		t.Errorf("raced %v: %v", raced, err)
	}
	d, err := r.vault.Root().OpenDir("catalog")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := d.List(nil)
	if err != nil || len(entries) != 4 || entries[1].Name[:10] != entries[2].Name[:10] || entries[3].Name[:10] != "0000000003" {
		t.Errorf("%v, %v", entries, err)
	}
}

// TestForgottenMeanwhileIsNotLost: a snapshot that others forget and collect while this process looks, after it read
// the records and before it lists the commits, is not taken for lost.
func TestForgottenMeanwhileIsNotLost(t *testing.T) {
	r := kept(t, 2)
	ctx := t.Context()
	others := &rig{vault: r.vault, home: r.home, now: r.now, rand: r.rand, workers: 1, noCache: true, noState: true}
	meanwhile := func() {
		s := mustOpen(t, others)
		if err := s.p.Forget(ctx, s.p.Latest()); err != nil {
			t.Error(err)
		}
		if _, err := s.v.Collect(ctx, varve.CollectOptions{}); err != nil {
			t.Error(err)
		}
	}
	armed := false
	s, err := r.open(ctx, hooks{vault: func(op disk.Op) error {
		if armed && op.Kind == disk.OpList && op.Path == "snap" {
			armed = false
			meanwhile()
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	mustSnap(t, mustOpen(t, others))
	armed = true
	lost, err := s.v.Rollback(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if armed {
		t.Fatal("the commits were not listed")
	}
	if err := lost.Err(); err != nil {
		t.Errorf("%v: %v", err, lost.Snapshots)
	}
}

// TestTakenMeanwhileIsNotLost: snapshots that another process of this machine takes and remembers while this one looks
// are not taken for lost.
func TestTakenMeanwhileIsNotLost(t *testing.T) {
	r := kept(t, 1)
	armed, taken := false, 0
	s, err := r.open(t.Context(), hooks{cache: func(op disk.Op) error {
		if armed && op.Kind == disk.OpOpen && strings.HasSuffix(op.Path, ".mark") {
			mustSnap(t, mustOpen(t, r))
			taken++
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	armed = true
	lost, err := s.v.Rollback(t.Context())
	armed = false
	if err != nil || lost.Err() != nil {
		t.Errorf("%v, %v", err, lost.Err())
	}
	if taken == 0 {
		t.Error("the mark was not read")
	}
	// What the other process has seen since is not taken from the mark.
	last := mustOpen(t, r).p.Latest().ID
	removeFrom(t, r, "snap", func(name string) bool { return name != last.String() })
	removeFrom(t, r, "catalog", func(string) bool { return false })
	if lost := rolledBack(t, r); !slices.Contains(lost.Snapshots, last) {
		t.Errorf("%s is gone, and nobody misses it", last)
	}
}
