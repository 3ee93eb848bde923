package varve_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/fixture"
)

// lived is a machine with a project that was kept n times.
func lived(t testing.TB, seed uint64, kind fixture.Kind, n int) (*rig, []string) {
	t.Helper()
	r := newRig(seed)
	var lists []string
	for step := range n {
		build(t, r, kind, step)
		mustSnap(t, mustOpen(t, r))
		lists = append(lists, r.listing(t))
	}
	return r, lists
}

// second is a machine whose disk holds a second copy.
func second(seed uint64) *rig {
	r := newRig(seed)
	r.noCache, r.noState = true, true
	return r
}

func openVault(ctx context.Context, r *rig, h disk.Hook) (*varve.Vault, error) {
	opt := r.options()
	v, _, err := varve.OpenDir(ctx, faulty(r.vault.Root(), h), true, opt)
	return v, err
}

func mustVault(t testing.TB, r *rig) *varve.Vault {
	t.Helper()
	v, err := openVault(context.Background(), r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func mustCopy(t testing.TB, from, to *varve.Vault) *varve.CopyReport {
	t.Helper()
	rep, err := from.Copy(context.Background(), to, varve.CopyOptions{})
	if err != nil || len(rep.Failed) > 0 {
		t.Fatalf("copy: %+v, %v", rep, err)
	}
	return rep
}

// sameHistory fails unless the vault has the snapshots of the project, by their numbers, and nothing is wrong with it.
func sameHistory(v *varve.Vault, project string, lists []string) error {
	ctx := context.Background()
	p, err := v.ProjectByID(project)
	if err != nil {
		return err
	}
	all := p.Snapshots()
	if len(all) != len(lists) {
		return fmt.Errorf("%d snapshots of %d", len(all), len(lists))
	}
	for i, s := range all {
		got, err := restored(ctx, p, s)
		if err != nil || got != lists[i] || s.Version != i+1 {
			return errors.Join(fmt.Errorf("%s is not as it was\n%s", s.Ref(), differ(got, lists[i])), err)
		}
	}
	return verified(ctx, v)
}

// TestCopy: a second copy has every snapshot and what was said of it, takes about as much room, and the next copy moves
// only what is new. A copy of the copy, and the way back, know what is there already.
func TestCopy(t *testing.T) {
	ctx := context.Background()
	r, lists := lived(t, 301, fixture.Game, 3)
	s := mustOpen(t, r)
	for _, err := range []error{
		func() error {
			_, err := s.p.AddMilestone(ctx, s.p.Snapshots()[1], "alpha", "alpha", map[string]string{"why": "first level"}, []string{"fun"})
			return err
		}(),
		s.p.SetTag(ctx, s.p.Snapshots()[0], "mood", "calm"), s.p.Hold(ctx, s.p.Snapshots()[2], "press"),
		s.p.SetPolicy(ctx, varve.Policy{Last: 9}), s.p.Set(ctx, "ignore.presets", "none"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	far := second(302)
	rep := mustCopy(t, s.v, mustVault(t, far))
	if len(rep.Copied) != 3 || rep.Present != 0 || rep.Records < 5 {
		t.Errorf("first copy: %+v", rep)
	}
	to := mustVault(t, far)
	if err := sameHistory(to, s.p.ID(), lists); err != nil {
		t.Fatal(err)
	}
	p, _ := to.ProjectByID(s.p.ID())
	all := p.Snapshots()
	m, err := p.Milestone("alpha")
	if err != nil || m.Snapshot != all[1].ID || m.Annotations["why"] != "first level" || !slices.Equal(m.Tags, []string{"fun"}) {
		t.Errorf("milestone %+v, %v", m, err)
	}
	if tags := p.TagsOf(all[0]); tags["mood"] != "calm" {
		t.Errorf("tags %v", tags)
	}
	if why, held := p.Held(all[2]); !held || why != "press" {
		t.Error("the hold is not there")
	}
	if pol := p.Policy(); pol.Last != 9 {
		t.Errorf("policy %+v", pol)
	}
	if got, _ := p.Setting("ignore.presets"); got != "none" {
		t.Errorf("setting %q", got)
	}
	here, there := sizeOf(t, r), sizeOf(t, far)
	if there > here+here/20 || there < here-here/20 {
		t.Errorf("the copy takes %d bytes, the vault %d", there, here)
	}

	build(t, r, fixture.Game, 3)
	mustSnap(t, s)
	lists = append(lists, r.listing(t))
	if err := s.p.RemoveMilestone(ctx, "alpha"); err != nil {
		t.Fatal(err)
	}
	rep = mustCopy(t, s.v, to)
	here, there = sizeOf(t, r)-here, sizeOf(t, far)-there
	if len(rep.Copied) != 1 || rep.Present != 3 || there > here+here/10 {
		t.Errorf("second copy: %+v; it grew by %d, the vault by %d", rep, there, here)
	}
	if err := sameHistory(mustVault(t, far), s.p.ID(), lists); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Milestone("alpha"); err == nil {
		t.Error("a milestone that was removed stays")
	}
	if rep = mustCopy(t, s.v, to); len(rep.Copied) != 0 || rep.Stored != 0 || rep.Records != 0 {
		t.Errorf("nothing new: %+v", rep)
	}

	third := mustVault(t, second(303))
	mustCopy(t, to, third)
	if rep = mustCopy(t, s.v, third); rep.Present != 4 {
		t.Errorf("what came through another copy is not known: %+v", rep)
	}
	if rep = mustCopy(t, third, mustOpen(t, r).v); rep.Present != 4 || len(rep.Copied) != 0 {
		t.Errorf("the way back: %+v", rep)
	}
	if err := sameHistory(third, s.p.ID(), lists); err != nil {
		t.Error(err)
	}
	if _, err := s.v.Copy(ctx, mustOpen(t, r.fork(1)).v, varve.CopyOptions{}); !errors.Is(err, varve.ErrSameVault) {
		t.Errorf("to a copy of its own files: %v", err)
	}
}

// sizeOf adds up the packs of a vault.
func sizeOf(t testing.TB, r *rig) (sum int64) {
	t.Helper()
	for _, o := range objects(t, r.vault.Root(), "") {
		if strings.HasPrefix(o.path, "packs/") {
			sum += o.size
		}
	}
	return sum
}

// TestCopies: each of the two vaults knows of the other, and what it lacks.
func TestCopies(t *testing.T) {
	r, _ := lived(t, 311, fixture.Art, 2)
	s := mustOpen(t, r)
	if got := s.v.Copies(); len(got) != 0 {
		t.Fatalf("%+v", got)
	}
	far := second(312)
	to := mustVault(t, far)
	mustCopy(t, s.v, to)
	build(t, r, fixture.Art, 2)
	mustSnap(t, s)
	if got := mustOpen(t, r).v.Copies(); len(got) != 1 || got[0].Vault != to.ID() || got[0].Snapshots != 2 || got[0].Behind != 1 {
		t.Errorf("in the first: %+v", got)
	}
	if got := mustVault(t, far).Copies(); len(got) != 1 || got[0].Vault != s.v.ID() || got[0].Snapshots != 2 || got[0].Behind != 0 {
		t.Errorf("in the second: %+v", got)
	}
	mustCopy(t, s.v, to)
	if got := mustOpen(t, r).v.Copies(); len(got) != 1 || got[0].Snapshots != 3 || got[0].Behind != 0 {
		t.Errorf("afterwards: %+v", got)
	}
}

// TestCopySome: of the snapshots that are asked for only these go over, with what was said of their project.
func TestCopySome(t *testing.T) {
	ctx := context.Background()
	r, lists := lived(t, 321, fixture.Game, 3)
	s := mustOpen(t, r)
	if err := errors.Join(s.p.SetTag(ctx, s.p.Snapshots()[0], "a", "b"), s.p.SetTag(ctx, s.p.Snapshots()[2], "c", "d")); err != nil {
		t.Fatal(err)
	}
	to := mustVault(t, second(322))
	rep, err := s.v.Copy(ctx, to, varve.CopyOptions{Snapshots: s.p.Snapshots()[2:]})
	if err != nil || len(rep.Copied) != 1 || rep.Records != 1 {
		t.Fatalf("%+v, %v", rep, err)
	}
	p, _ := to.ProjectByID(s.p.ID())
	snap := p.Latest()
	if got, err := restored(ctx, p, snap); err != nil || got != lists[2] || snap.Version != 3 || len(p.Snapshots()) != 1 {
		t.Errorf("%s: %v\n%s", snap.Ref(), err, differ(got, lists[2]))
	}
	if tags := p.TagsOf(snap); !maps.Equal(tags, map[string]string{"c": "d"}) {
		t.Errorf("tags %v", tags)
	}
	mustCopy(t, s.v, to) // the rest, older than what is there
	if err := sameHistory(to, s.p.ID(), lists); err != nil {
		t.Error(err)
	}
}

// TestCopyBeside: a vault that keeps the same project itself takes copies beside its own snapshots, under free numbers.
func TestCopyBeside(t *testing.T) {
	ctx := context.Background()
	r, lists := lived(t, 331, fixture.Game, 1)
	s := mustOpen(t, r)
	far := second(332)
	to := mustVault(t, far)
	p, err := to.Project(s.dir, "/work/project")
	if err != nil {
		t.Fatal(err)
	}
	own, err := p.Snap(ctx, plainSnap())
	if err != nil || own.Version != 1 {
		t.Fatalf("%+v, %v", own, err)
	}
	mustCopy(t, s.v, to)
	if err := sameHistory(to, s.p.ID(), []string{lists[0], lists[0]}); err != nil {
		t.Error(err)
	}
}

// TestCopyOfDamage: a snapshot that cannot be read whole is not copied, and said; the others are.
func TestCopyOfDamage(t *testing.T) {
	ctx := context.Background()
	r, lists := stocked(t, 341)
	first := true
	ruin(t, r, func(kind byte, size int64) bool { // what the second snapshot added
		hit := kind == data && first && size < 60_000
		first = first && !hit
		return hit
	})
	s := mustOpen(t, r)
	to := mustVault(t, second(342))
	rep, err := s.v.Copy(ctx, to, varve.CopyOptions{})
	if err != nil || len(rep.Failed) == 0 || len(rep.Failed)+len(rep.Copied) != len(lists) {
		t.Fatalf("%+v, %v", rep, err)
	}
	for _, f := range rep.Failed {
		if !errors.Is(f.Err, varve.ErrDamaged) && !errors.Is(f.Err, varve.ErrMissing) {
			t.Errorf("%s: %v", f.Snapshot.Ref(), f.Err)
		}
	}
	if err := verified(ctx, to); err != nil {
		t.Error(err)
	}
	p, _ := to.ProjectByID(s.p.ID())
	for _, snap := range p.Snapshots() {
		if got, err := restored(ctx, p, snap); err != nil || got != lists[snap.Version-1] {
			t.Errorf("%s: %v", snap.Ref(), err)
		}
	}
}

// TestHealFromSecond: packs of content and of metadata, and a commit slot, that are lost come back from a second copy,
// which has other keys; what was said of the snapshot still is.
func TestHealFromSecond(t *testing.T) {
	ctx := context.Background()
	r, lists := stocked(t, 351)
	s := mustOpen(t, r)
	if _, err := s.p.AddMilestone(ctx, s.p.Snapshots()[0], "first", "alpha", nil, nil); err != nil {
		t.Fatal(err)
	}
	project := s.p.ID()
	far := second(352)
	mustCopy(t, s.v, mustVault(t, far))
	ruin(t, r, func(byte, int64) bool { return true })
	slot := "snap/" + s.p.Snapshots()[0].ID.String()
	snaps, err := disk.Walk(r.vault.Root(), "snap")
	if err != nil {
		t.Fatal(err)
	}
	if err := snaps.Remove(strings.TrimPrefix(slot, "snap/")); err != nil {
		t.Fatal(err)
	}
	opt := r.options()
	opt.Cache = disk.NewMemory(disk.MemoryOptions{}).Root()
	if s, err = r.openWith(ctx, hooks{}, opt); err != nil {
		t.Fatal(err)
	}
	lost, err := s.v.Rollback(ctx)
	if err != nil || len(lost.Snapshots) != 1 {
		t.Fatalf("%+v, %v", lost, err)
	}
	dry, err := s.v.Repair(ctx, varve.RepairOptions{From: mustVault(t, far), Dry: true})
	if err != nil || !dry.OK || dry.Brought != 1 {
		t.Errorf("dry run: %+v, %v", dry, err)
	}
	rep, err := s.v.Repair(ctx, varve.RepairOptions{From: mustVault(t, far)})
	if err != nil || !rep.OK || rep.Brought != 1 || rep.Quarantined == 0 {
		t.Fatalf("%+v, %v", rep, err)
	}
	v := mustOpen(t, r).v
	if err := sameHistory(v, project, lists); err != nil {
		t.Fatal(err)
	}
	p, _ := v.ProjectByID(project)
	if m, err := p.Milestone("first"); err != nil || m.Snapshot != p.Snapshots()[0].ID {
		t.Errorf("%+v, %v", m, err)
	}
	if lost, err := v.Rollback(ctx); err != nil || lost.Err() != nil {
		t.Errorf("%+v, %v", lost, err)
	}
	if _, err := v.Collect(ctx, varve.CollectOptions{}); err != nil {
		t.Error(err)
	}
	if err := sameHistory(mustOpen(t, r).v, project, lists); err != nil {
		t.Error(err)
	}
	if _, err := v.Repair(ctx, varve.RepairOptions{From: mustVault(t, second(353))}); !errors.Is(err, varve.ErrOtherVault) {
		t.Errorf("from a vault that has nothing of it: %v", err)
	}
}

// lose removes the packs of some kinds from a vault, and all of its index.
func lose(t testing.TB, r *rig, kinds ...byte) {
	t.Helper()
	for _, o := range objects(t, r.vault.Root(), "") {
		if !strings.HasPrefix(o.path, "packs/") && !strings.HasPrefix(o.path, "index/") {
			continue
		}
		d, err := disk.Walk(r.vault.Root(), path.Dir(o.path))
		if err != nil {
			t.Fatal(err)
		}
		head, err := disk.ReadFile(d, path.Base(o.path), o.size)
		if err == nil && (strings.HasPrefix(o.path, "index/") || slices.Contains(kinds, head[10])) {
			err = d.Remove(path.Base(o.path))
		}
		if err := errors.Join(err, d.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCopyIntoLoss: a second copy that has lost packs, and the index that knew of them, is not believed to have what they
// held: what is copied to it is whole, whatever became of the rest.
func TestCopyIntoLoss(t *testing.T) {
	ctx := context.Background()
	for _, kinds := range [][]byte{{data}, {metadata}, {data, metadata}} {
		r, lists := stocked(t, 357)
		s, far := mustOpen(t, r), second(358)
		if _, err := s.v.Copy(ctx, mustVault(t, far), varve.CopyOptions{Snapshots: s.p.Snapshots()[:1]}); err != nil {
			t.Fatal(err)
		}
		lose(t, far, kinds...)
		mustCopy(t, s.v, mustVault(t, far))
		p, err := mustVault(t, far).ProjectByID(s.p.ID())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := restored(ctx, p, p.Latest()); err != nil || got != lists[1] {
			t.Errorf("without packs of kinds %d: %v\n%s", kinds, err, differ(got, lists[1]))
		}
	}
}

// TestHealLostIndex: packs that are gone with the index that knew of them, and with it every trace that they were there,
// come back from a second copy.
func TestHealLostIndex(t *testing.T) {
	ctx := context.Background()
	for _, kinds := range [][]byte{{data}, {metadata}, {data, metadata}} {
		r, lists := stocked(t, 355)
		s := mustOpen(t, r)
		project, far := s.p.ID(), second(356)
		mustCopy(t, s.v, mustVault(t, far))
		lose(t, r, kinds...)
		rep, err := mustOpen(t, r).v.Repair(ctx, varve.RepairOptions{From: mustVault(t, far)})
		if err != nil || !rep.OK {
			t.Fatalf("without packs of kinds %d: %+v, %v", kinds, rep, err)
		}
		if err := sameHistory(mustOpen(t, r).v, project, lists); err != nil {
			t.Errorf("without packs of kinds %d: %v", kinds, err)
		}
	}
}

// cutShort is a copy of a vault with three snapshots into one that has the first; what is to be true after it was cut
// short at any operation of the disk that it writes to.
type cutShort struct {
	from, far *rig
	project   string
	lists     []string
}

func newCutShort(t testing.TB, seed uint64) *cutShort {
	r, lists := lived(t, seed, fixture.Game, 3)
	s, far := mustOpen(t, r), second(seed+1)
	if _, err := s.v.Copy(context.Background(), mustVault(t, far), varve.CopyOptions{Snapshots: s.p.Snapshots()[:1]}); err != nil {
		t.Fatal(err)
	}
	if err := disk.SyncAll(far.vault.Root()); err != nil {
		t.Fatal(err)
	}
	return &cutShort{r, far, s.p.ID(), lists}
}

// run copies into a fork of the second disk.
func (c *cutShort) run(far *rig, seed uint64, h disk.Hook) (*varve.CopyReport, error) {
	ctx := context.Background()
	s, err := c.from.fork(seed).open(ctx, hooks{})
	if err != nil {
		return nil, err
	}
	to, err := openVault(ctx, far, h)
	if err != nil {
		return nil, err
	}
	return s.v.Copy(ctx, to, varve.CopyOptions{})
}

// check: whatever is there is whole, what was reported is there, and the next copy brings the rest.
func (c *cutShort) check(far *rig, reported bool, seed uint64) error {
	ctx := context.Background()
	to, err := openVault(ctx, far, nil)
	if err != nil {
		return err
	}
	p, err := to.ProjectByID(c.project)
	if err != nil {
		return err
	}
	all := p.Snapshots()
	if len(all) < 1 || reported && len(all) != len(c.lists) {
		return fmt.Errorf("%d snapshots are there", len(all))
	}
	for _, s := range all {
		if got, err := restored(ctx, p, s); err != nil || got != c.lists[s.Version-1] {
			return errors.Join(fmt.Errorf("%s is there and not whole", s.Ref()), err)
		}
	}
	if rep, err := c.run(far, seed, nil); err != nil || len(rep.Failed) > 0 {
		return errors.Join(errors.New("the next copy"), err)
	}
	if to, err = openVault(ctx, far, nil); err != nil {
		return err
	}
	return sameHistory(to, c.project, c.lists)
}

// points returns how many operations of the disk a copy takes, and how far apart those are that are tried.
func (c *cutShort) points(t *testing.T) (n, step int) {
	o := new(outage)
	if _, err := c.run(c.far.fork(1), 1, o.hook); err != nil {
		t.Fatal(err)
	}
	if *long {
		return int(o.count.Load()), 1
	}
	return int(o.count.Load()), 12
}

// TestCopyLosesPower cuts a copy short before each operation of the disk that it writes to.
func TestCopyLosesPower(t *testing.T) {
	c := newCutShort(t, 361)
	n, step := c.points(t)
	keeps := func(i int) []disk.Keep {
		return []disk.Keep{disk.KeepNone, disk.KeepAll, disk.KeepHalf(uint64(i)), disk.KeepHalf(uint64(i) + 7919), disk.KeepHalf(uint64(i) + 15838)}
	}
	each(t, (n+step)/step, func(i int) error {
		far := c.far.fork(uint64(1000 + i))
		_, err := c.run(far, uint64(i), (&outage{at: int64(i*step + 1)}).hook)
		for j, keep := range keeps(i) {
			if err := c.check(far.crash(keep, uint64(5*i+j)), err == nil, uint64(i)); err != nil {
				return err
			}
		}
		return nil
	})
	t.Logf("%d points: before %d of %d operations, with none, half (3 times) and all of what was not synced", (n+step)/step*5, n/step, n)
}

// TestCopyFaults fails each operation of the disk that is written to, once and for ever after: a copy that reports
// success has brought everything.
func TestCopyFaults(t *testing.T) {
	c := newCutShort(t, 371)
	n, step := c.points(t)
	var faults int
	for _, forever := range []bool{false, true} {
		each(t, n/step, func(i int) error {
			far, at := c.far.fork(uint64(2000+i)), int64(i*step+1)
			count := new(outage)
			rep, err := c.run(far, uint64(i), func(op disk.Op) error {
				_ = count.hook(op)
				if k := count.count.Load(); k == at || forever && k > at {
					return errors.New("input/output error")
				}
				return nil
			})
			return c.check(far, err == nil && len(rep.Failed) == 0, uint64(i))
		})
		faults += n / step
	}
	t.Logf("%d faults", faults)
}
