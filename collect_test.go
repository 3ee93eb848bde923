package varve_test

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/fixture"
	"varve/store"
)

// garden is a machine with a history of which some is to go: enough snapshots that packs are rewritten too.
type garden struct {
	*rig
	listings map[int]string // by version
}

const gardenSnapshots = 6

func newGarden(t *testing.T, k fixture.Kind) *garden {
	t.Helper()
	g := &garden{rig: newRig(1), listings: map[int]string{}}
	for n := range gardenSnapshots {
		build(t, g.rig, k, n)
		s := mustOpen(t, g.rig)
		mustSnap(t, s)
		g.listings[n+1] = g.rig.listing(t)
	}
	return g
}

// weed forgets every second snapshot and frees what only they needed. told says that all were reported as forgotten: a
// slot that could not be read just now is passed over.
func weed(ctx context.Context, s *site) (told bool, err error) {
	var list []*varve.Snapshot
	for _, x := range s.p.Snapshots() {
		if x.Version%2 == 0 {
			list = append(list, x)
		}
	}
	if len(list) > 0 {
		if err := s.p.Forget(ctx, list...); err != nil {
			return false, err
		}
	}
	_, err = s.v.Collect(ctx, varve.CollectOptions{Wait: time.Hour})
	return len(list) == gardenSnapshots/2, err
}

// check looks at the machine after weeding was broken off: what was not to go is there, and weeding can be ended.
func (g *garden) check(ctx context.Context, r *rig, told bool) error {
	s, err := r.open(ctx, hooks{})
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	there := map[int]bool{}
	for _, x := range s.p.Snapshots() {
		there[x.Version] = true
		if told && x.Version%2 == 0 && x.Version <= gardenSnapshots {
			return fmt.Errorf("%s was reported as forgotten", x.Ref())
		}
		if got, err := restored(ctx, s.p, x); err != nil || got != g.listings[x.Version] {
			return fmt.Errorf("%s: %w\n%s", x.Ref(), err, differ(got, g.listings[x.Version]))
		}
	}
	for n := 1; n <= gardenSnapshots; n += 2 {
		if !there[n] {
			return fmt.Errorf("v%d is gone", n)
		}
	}
	if err := verified(ctx, s.v); err != nil {
		return err
	}
	if _, err := weed(ctx, s); err != nil {
		return fmt.Errorf("weed again: %w", err)
	}
	if err := verified(ctx, s.v); err != nil {
		return fmt.Errorf("after weeding again: %w", err)
	}
	left, err := s.v.Collect(ctx, varve.CollectOptions{DryRun: true})
	if err != nil || left.Packs > 0 || left.Snapshots > 0 {
		return fmt.Errorf("left after weeding again: %+v, %w", left, err)
	}
	return worksOn(ctx, r, s)
}

// TestCollect: space comes back at once, and everything that stays is as it was.
func TestCollect(t *testing.T) {
	ctx := context.Background()
	g := newGarden(t, fixture.Game)
	s := mustOpen(t, g.rig)
	before := packBytes(t, g.rig)
	for _, x := range s.p.Snapshots()[:gardenSnapshots-1] {
		if err := s.p.Forget(ctx, x); err != nil {
			t.Fatal(err)
		}
	}
	r, err := s.v.Collect(ctx, varve.CollectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Packs == 0 || r.Rewritten == 0 || r.Snapshots != gardenSnapshots-1 {
		t.Errorf("%+v", r)
	}
	after := packBytes(t, g.rig)
	if after > before*8/10 {
		t.Errorf("%d bytes of packs are left of %d", after, before)
	}
	if got, err := restored(ctx, s.p, s.p.Latest()); err != nil || got != g.listings[gardenSnapshots] {
		t.Errorf("%v\n%s", err, differ(got, g.listings[gardenSnapshots]))
	}
	if err := verified(ctx, mustOpen(t, g.rig).v); err != nil {
		t.Error(err)
	}
	alone := newRig(5)
	for n := range gardenSnapshots {
		build(t, alone, fixture.Game, n)
	}
	mustSnap(t, mustOpen(t, alone))
	// Deltas keep their bases: a little more than in a vault that never had the other snapshots.
	if b := packBytes(t, alone); after > b*13/10 {
		t.Errorf("what is left takes %d bytes of packs, a vault of that alone %d", after, b)
	}
}

func packBytes(t *testing.T, r *rig) (n int64) {
	t.Helper()
	for o, err := range store.NewFolder(r.vault.Root()).List(t.Context(), "packs/") {
		if err != nil {
			t.Fatal(err)
		}
		n += o.Size
	}
	return n
}

// TestCrashCollect loses power before each operation of forgetting and collecting.
func TestCrashCollect(t *testing.T) {
	ctx := context.Background()
	keeps := []disk.Keep{disk.KeepNone, disk.KeepAll, disk.KeepHalf(1), disk.KeepHalf(2), disk.KeepHalf(3)}
	kinds := []fixture.Kind{fixture.Game}
	for _, k := range kinds {
		g := newGarden(t, k)
		calm := new(outage)
		s, err := g.rig.fork(2).open(ctx, both(calm.hook))
		if err == nil {
			_, err = weed(ctx, s)
		}
		if err != nil {
			t.Fatal(err)
		}
		n := int(calm.count.Load())
		t.Logf("%s: %d crash points", k, n*len(keeps))
		each(t, n, func(i int) error {
			every := 24
			if *long {
				every = 3
			}
			if i%every != 0 && i < n-1 {
				return nil
			}
			r := g.rig.fork(2)
			told := false
			s, err := r.open(ctx, both((&outage{at: int64(i + 1)}).hook))
			if err == nil {
				told, err = weed(ctx, s)
			}
			if err == nil && i < n-1 {
				return fmt.Errorf("nothing happened at operation %d", i+1)
			}
			for j, keep := range keeps {
				if !*long && (i+j)%len(keeps) != 0 && j > 0 {
					continue
				}
				if err := g.check(ctx, r.crash(keep, uint64(i)), told); err != nil {
					return fmt.Errorf("%s, operation %d, outcome %d: %w", k, i+1, j, err)
				}
			}
			return nil
		})
	}
}

// TestFaultsCollect fails each operation of forgetting and collecting.
func TestFaultsCollect(t *testing.T) {
	ctx := context.Background()
	g := newGarden(t, fixture.Game)
	calm := new(injector)
	s, err := g.rig.fork(2).open(ctx, calm.hooks())
	if err == nil {
		_, err = weed(ctx, s)
	}
	if err != nil {
		t.Fatal(err)
	}
	all := faults()
	each(t, int(calm.count.Load())*len(all), func(i int) error {
		f := all[i%len(all)]
		every := 16
		if *long {
			every = 3
		}
		if at := i / len(all); i%len(all) != at/every%len(all) || at%every != 0 {
			return nil
		}
		in := &injector{at: int64(i/len(all)) + 1, fault: f}
		r := g.rig.fork(uint64(i) + 2)
		told := false
		s, failed := r.open(ctx, in.hooks())
		if failed == nil {
			told, failed = weed(ctx, s)
		}
		if failed != nil && (len(in.hits) == 0 || in.only("cache")) {
			return fmt.Errorf("it failed for nothing: %w", failed)
		}
		if err := g.check(ctx, r, told); err != nil {
			return fmt.Errorf("%s at %d (%v): %w", f.name, in.at, in.ops, err)
		}
		return nil
	})
}

// TestCollectOnFullDisk: with not a byte to spare a collection finds the space it needs, and gives some back.
func TestCollectOnFullDisk(t *testing.T) {
	ctx := context.Background()
	g := newGarden(t, fixture.Art)
	full := disk.NewMemory(disk.MemoryOptions{Quota: g.vault.Used() + 64<<10})
	if err := copyTree(g.vault.Root(), full.Root()); err != nil {
		t.Fatal(err)
	}
	g.rig.vault = full
	s := mustOpen(t, g.rig)
	if err := s.p.Forget(ctx, s.p.Snapshots()[:gardenSnapshots-1]...); err != nil {
		t.Fatal(err)
	}
	d, err := disk.MkdirAll(full.Root(), "others", 0o755)
	if err != nil {
		t.Fatal(err)
	}
	for n := 0; ; n++ {
		if err := disk.CreateWhole(d, fmt.Sprint("file", n), 0o644, make([]byte, 1)); err != nil {
			break
		}
	}
	if err := s.p.Hold(ctx, s.p.Latest(), "x"); err == nil {
		t.Fatal("the disk is not full")
	}
	used := full.Used()
	r, err := s.v.Collect(ctx, varve.CollectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Packs == 0 || full.Used() >= used {
		t.Errorf("%+v; %d bytes used of %d", r, full.Used(), used)
	}
	if err := verified(ctx, s.v); err != nil {
		t.Error(err)
	}
	mustSnap(t, mustOpen(t, g.rig))
}

func copyTree(from, to disk.Dir) error {
	entries, err := from.List(nil)
	for i := range entries {
		e := &entries[i]
		if err != nil {
			return err
		}
		if e.Type != disk.Directory {
			var b []byte
			if b, err = disk.ReadFile(from, e.Name, 1<<30); err == nil {
				err = disk.CreateWhole(to, e.Name, e.Mode, b)
			}
			continue
		}
		if err = to.Mkdir(e.Name, e.Mode); err != nil {
			return err
		}
		in, ierr := from.OpenDir(e.Name)
		out, oerr := to.OpenDir(e.Name)
		if err = errors.Join(ierr, oerr); err == nil {
			err = copyTree(in, out)
		}
	}
	return err
}

// TestRevive: what was forgotten comes back whole, until it is collected; then undo says so and changes nothing.
func TestRevive(t *testing.T) {
	ctx := context.Background()
	g := newGarden(t, fixture.ML)
	s := mustOpen(t, g.rig)
	second := s.p.Snapshots()[1]
	if err := s.p.Forget(ctx, second); err != nil {
		t.Fatal(err)
	}
	listed := func() bool {
		again := mustOpen(t, g.rig)
		return slices.ContainsFunc(again.p.Snapshots(), func(x *varve.Snapshot) bool { return x.ID == second.ID })
	}
	if listed() {
		t.Fatal("still listed")
	}
	if _, _, err := s.p.Undo(ctx, false); err != nil {
		t.Fatal(err)
	}
	if !listed() {
		t.Fatal("not back")
	}
	if _, err := s.v.Collect(ctx, varve.CollectOptions{}); err != nil {
		t.Fatal(err)
	}
	if got, err := restored(ctx, s.p, second); err != nil || got != g.listings[2] {
		t.Errorf("back, and collected around: %v\n%s", err, differ(got, g.listings[2]))
	}
	if _, _, err := s.p.Redo(ctx, false); err != nil {
		t.Fatal(err)
	}
	if _, err := s.v.Collect(ctx, varve.CollectOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.p.Undo(ctx, false); !errors.Is(err, varve.ErrCollected) {
		t.Errorf("undo of what is gone: %v", err)
	}
	if snap := mustSnap(t, mustOpen(t, g.rig)); snap.Version != gardenSnapshots+1 {
		t.Errorf("the next number is %d", snap.Version)
	}
}

// TestReviveDoomed: a collection was broken off when it had decided, and not yet deleted the slot of a snapshot of which
// others need everything. What undo then reports to be back stays.
func TestReviveDoomed(t *testing.T) {
	ctx := context.Background()
	r := newRig(1)
	build(t, r, fixture.Game, 0)
	s := mustOpen(t, r)
	first := mustSnap(t, s)
	mustSnap(t, s)
	want := r.listing(t)
	stop := func(op disk.Op) error {
		if op.Kind == disk.OpRemove && strings.HasPrefix(op.Path, "snap/") {
			return disk.ErrStopped
		}
		return nil
	}
	dying, err := r.open(ctx, hooks{vault: stop})
	if err != nil {
		t.Fatal(err)
	}
	if err := dying.p.Forget(ctx, first); err != nil {
		t.Fatal(err)
	}
	if _, err := dying.v.Collect(ctx, varve.CollectOptions{}); !errors.Is(err, disk.ErrStopped) {
		t.Fatalf("the collection: %v", err)
	}
	s = mustOpen(t, r)
	_, _, undone := s.p.Undo(ctx, false)
	if undone != nil && !errors.Is(undone, varve.ErrCollected) {
		t.Fatal(undone)
	}
	if _, err := s.v.Collect(ctx, varve.CollectOptions{}); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, r)
	there := slices.ContainsFunc(s.p.Snapshots(), func(x *varve.Snapshot) bool { return x.ID == first.ID })
	if there != (undone == nil) {
		t.Errorf("undo said %v, and after the next collection the snapshot is there: %v", undone, there)
	}
	for _, x := range s.p.Snapshots() {
		if got, err := restored(ctx, s.p, x); err != nil || got != want {
			t.Errorf("%s: %v\n%s", x.Ref(), err, differ(got, want))
		}
	}
}

// TestResume: a snapshot that was killed is taken up by the next: what it had put is shared, but for the packs that
// were open or on their way; and a collection leaves nothing of the dead session.
func TestResume(t *testing.T) {
	ctx := context.Background()
	const files, size, packs = 12, 5 << 20, 16 << 20
	fresh := newRig(1)
	for n := range files {
		if err := disk.CreateWhole(fresh.folder("project"), fmt.Sprint("file", n), 0o644, makeContent(3, size, uint64(n)+9)); err != nil {
			t.Fatal(err)
		}
	}
	fresh.settle()
	for _, kill := range []int{1, 2, 3} {
		r := fresh.fork(uint64(kill))
		put := 0
		stopped := errors.New("killed")
		who := func(pid int) varve.Options {
			o := r.options()
			o.Boot, o.PID, o.Alive = "boot", pid, func(pid int) bool { return pid == 2 }
			return o
		}
		s, err := r.openWith(ctx, hooks{vault: func(op disk.Op) error {
			if op.Kind == disk.OpPublish && strings.Contains(op.To, "packs/") {
				if put++; put > kill {
					return errors.Join(stopped, disk.ErrStopped)
				}
			}
			return nil
		}}, who(1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.p.Snap(ctx, plainSnap()); !errors.Is(err, disk.ErrStopped) {
			t.Fatalf("killed: %v", err)
		}
		had := packBytes(t, r)
		again, err := r.openWith(ctx, hooks{}, who(2))
		if err != nil {
			t.Fatal(err)
		}
		snap := mustSnap(t, again)
		if most := int64(files*size) - had + 3*packs; had < int64(kill)*packs*9/10 || snap.Stored.Sealed > most {
			t.Errorf("killed at pack %d: %d bytes were there, %d stored again, want at most %d", kill+1, had, snap.Stored.Sealed, most)
		}
		if _, err := again.v.Collect(ctx, varve.CollectOptions{}); err != nil {
			t.Fatal(err)
		}
		for o, err := range store.NewFolder(r.vault.Root()).List(ctx, "sess/") {
			t.Errorf("left of a session: %s, %v", o.Name, err)
		}
		if err := verified(ctx, mustOpen(t, r).v); err != nil {
			t.Error(err)
		}
	}
}

// TestCollectSweeps: a collection removes what a process that died in a put has left and the empty folders of sessions
// that have ended, but nothing that someone may still be at.
func TestCollectSweeps(t *testing.T) {
	ctx := t.Context()
	r := newRig(1)
	build(t, r, fixture.Game, 0)
	ended := "sess/" + mustSnap(t, mustOpen(t, r)).ID.String() + "/"
	hexed := strings.Repeat("0", 32)
	young, pack, record := "index/tmp-"+hexed, "packs/00/tmp-"+hexed, "ledger/tmp-"+hexed
	put := func(name string, at time.Time) {
		t.Helper()
		dir, base := path.Split(name)
		d, err := disk.MkdirAll(r.vault.Root(), strings.TrimSuffix(dir, "/"), 0o755)
		if err != nil {
			t.Fatal(err)
		}
		w := fixture.NewWriter(d, at)
		w.Put(base, 0o600, []byte("half"))
		if err := w.Err(); err != nil {
			t.Fatal(err)
		}
	}
	now := time.Unix(0, r.now.Load())
	beating := "sess/" + strings.Repeat("7", 32) + "/tmp-" + hexed
	put(pack, now)
	put(ended+"tmp-"+hexed, now)
	put(beating, now)
	put(young, now.Add(-time.Hour))
	put(record, now.Add(-48*time.Hour))
	left := func() (names []string) {
		for o, err := range store.NewFolder(r.vault.Root()).Leftovers(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, o.Name)
		}
		return names
	}
	if n := len(left()); n != 5 {
		t.Fatalf("%d leftovers before: %q", n, left())
	}
	// Somebody is at it: their packs stay, and so does what is young.
	beat := "sess/" + strings.Repeat("7", 32) + "/0"
	put(beat, now)
	collect := func(want ...string) {
		t.Helper()
		if _, err := mustOpen(t, r).v.Collect(ctx, varve.CollectOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := left(); !slices.Equal(got, want) {
			t.Errorf("left is %q, want %q", got, want)
		}
	}
	collect(young, pack, beating)
	if err := store.NewFolder(r.vault.Root()).Delete(ctx, beat); err != nil {
		t.Fatal(err)
	}
	collect(young, "packs/00/", beating)
	r.now.Add(int64(48 * time.Hour))
	collect()
	if err := verified(ctx, mustOpen(t, r).v); err != nil {
		t.Error(err)
	}
}
