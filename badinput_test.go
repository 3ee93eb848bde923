package varve_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/fixture"
	"varve/internal/seal"
)

func writerOf(s *site) *fixture.Writer {
	return fixture.NewWriter(s.dir, time.Unix(1_500_000_000, 0))
}

// wantBack takes a snapshot without failures and expects it back as it was.
func wantBack(t *testing.T, s *site) *varve.Snapshot {
	t.Helper()
	snap := mustSnap(t, s)
	got, err := restored(context.Background(), s.p, snap)
	if err != nil {
		t.Fatal(err)
	}
	if want := listing(t, s.dir); got != want {
		t.Fatalf("%s", differ(got, want))
	}
	return snap
}

// onRead calls do before each reading of a file.
func onRead(name string, do func(n int)) disk.Hook {
	n := 0
	return func(op disk.Op) error {
		if op.Kind == disk.OpRead && path.Base(op.Path) == name {
			n++
			do(n)
		}
		return nil
	}
}

func TestFileGrowsWhileRead(t *testing.T) {
	for _, size := range []int{1000, 100_000, 5 << 20} {
		for _, growths := range []int{1, 1 << 30} { // once, and for ever
			r := newRig(1)
			w := fixture.NewWriter(r.folder("project"), time.Unix(1_500_000_000, 0))
			w.Put("log", 0o644, makeContent(3, size, 1))
			w.Put("still", 0o644, []byte("another"))
			end := int64(size)
			s, err := r.open(context.Background(), hooks{project: onRead("log", func(n int) {
				if n <= growths {
					w.Patch("log", end, []byte("one more line\n"))
					end += 14
				}
			})})
			if err != nil {
				t.Fatal(err)
			}
			snap := mustSnap(t, s)
			e, err := s.p.Stat(context.Background(), snap, "log")
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := s.p.Cat(context.Background(), snap, "log", &b); err != nil || int64(b.Len()) != e.Bytes {
				t.Fatal(err, b.Len(), e.Bytes)
			}
			unstable := len(e.Flags) > 0 && e.Flags[0] == "unstable"
			if unstable != (growths > 1) {
				t.Errorf("%d bytes, growing %d times: flags %v", size, growths, e.Flags)
			}
			if !unstable && e.Bytes != end {
				t.Errorf("%d bytes were kept of %d", e.Bytes, end)
			}
			// A file that never held still is read again, whatever the cache says.
			again := mustSnap(t, mustOpen(t, r))
			if e, err = s.p.Stat(context.Background(), again, "log"); err != nil || e.Bytes != end || len(e.Flags) > 0 {
				t.Errorf("after it held still: %+v, %v; it has %d bytes", e, err, end)
			}
		}
	}
}

func TestUnreadableSource(t *testing.T) {
	r := newRig(1)
	build(t, r, fixture.Game, 0)
	deny := func(op disk.Op) error {
		if op.Kind == disk.OpOpen && op.Path == "audio/step.wav" || op.Kind == disk.OpOpenDir && op.Path == "levels" {
			return syscall.EACCES
		}
		return nil
	}
	s, err := r.open(context.Background(), hooks{project: deny})
	if err != nil {
		t.Fatal(err)
	}
	snap, err := s.p.Snap(context.Background(), plainSnap())
	if err != nil {
		t.Fatal(err)
	}
	if len(snap.Errors) != 2 || snap.Errors[0].Path != "audio/step.wav" || snap.Errors[1].Path != "levels" {
		t.Errorf("failures: %v", snap.Errors)
	}
	in := &injector{hits: map[string]bool{"project": true}}
	if err := complete(context.Background(), mustOpen(t, r), snap, in, r.listing(t)); err != nil {
		t.Error(err)
	}
	// A restore in place must not overwrite what no snapshot could keep.
	if _, err := s.p.Restore(context.Background(), varve.RestoreOptions{Snapshot: snap, Ignore: plainSnap().Ignore}); err == nil {
		t.Error("restore in place over files that could not be kept")
	}
	next := wantBack(t, mustOpen(t, r))
	if len(next.Errors) != 0 || next.Counts.Removed != 0 {
		t.Errorf("readable again: %v, %+v", next.Errors, next.Counts)
	}
}

func TestOddNamesAndTypes(t *testing.T) {
	r := newRig(1)
	s := mustOpen(t, r)
	w := writerOf(s)
	for _, name := range []string{"new\nline", "\r\n", "\xff\xfe", "-rf", "a b ", "..x", strings.Repeat("é", 126), "$(x)", "`x`", "\x1b[2J"} {
		w.Put(name, 0o644, []byte(name))
		w.Put(name+".d/in", 0o644, []byte(name))
	}
	w.Symlink("loop2", "loop1")
	w.Symlink("loop1", "loop2")
	w.Symlink(".", "self")
	w.Symlink("/", "root")
	w.Put(strings.Repeat("d/", 64)+"leaf", 0o644, []byte("deep"))
	if w.Err() != nil {
		t.Fatal(w.Err())
	}
	snap := wantBack(t, s)
	if e, err := s.p.Stat(context.Background(), snap, strings.Repeat("d/", 64)+"leaf"); err != nil || e.Bytes != 4 {
		t.Error(e, err)
	}
}

func TestSpecialFiles(t *testing.T) {
	r := newRig(1)
	for name, typ := range map[string]disk.Type{"pipe": disk.Pipe, "socket": disk.Socket} {
		if err := r.home.Mknod("project/"+name, typ); err != nil {
			t.Fatal(err)
		}
	}
	s := mustOpen(t, r)
	writerOf(s).Put("file", 0o644, []byte("x"))
	snap := mustSnap(t, s)
	for _, name := range []string{"pipe", "socket"} {
		if e, err := s.p.Stat(context.Background(), snap, name); err != nil || e.Type != name {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	m := disk.NewMemory(disk.MemoryOptions{})
	res, err := s.p.Restore(context.Background(), varve.RestoreOptions{Snapshot: snap, Target: m.Root()})
	if err != nil {
		t.Fatal(err)
	}
	if got := byPath(listing(t, m.Root())); len(got) != 1 || got["file"] == "" {
		t.Errorf("restored: %v", got)
	}
	if len(res.Warnings)+len(res.Errors) == 0 {
		t.Error("nothing is said of the special files that were not made")
	}
}

func TestManyFilesInOneFolder(t *testing.T) {
	r := newRig(1)
	r.workers = 2
	s := mustOpen(t, r)
	w := writerOf(s)
	n := 10_000
	if raceOn {
		n = 1000
	}
	for i := range n {
		w.Put(fmt.Sprintf("many/%05d", i), 0o644, fmt.Appendf(nil, "file %d", i))
	}
	snap := wantBack(t, s)
	if snap.Tree.Files != uint64(n) {
		t.Errorf("%d files", snap.Tree.Files)
	}
	w.Put("many/00500", 0o644, []byte("another"))
	if snap = wantBack(t, s); snap.Counts.Modified != 1 || snap.Counts.Added != 0 || snap.Stored.Plain > 1<<20 {
		t.Errorf("one changed: %+v, stored %+v", snap.Counts, snap.Stored)
	}
}

// TestHugeSparseFile: 20 GiB of nothing cost nothing, where no SHA-256 of it is asked for.
func TestHugeSparseFile(t *testing.T) {
	r := newRig(1)
	opt := r.options()
	opt.NoSHA256 = true
	s, err := r.openWith(context.Background(), hooks{}, opt)
	if err != nil {
		t.Fatal(err)
	}
	w := writerOf(s)
	w.Put("disk.img", 0o644, makeContent(3, 10_000, 1))
	w.Patch("disk.img", 20<<30, makeContent(3, 10_000, 2))
	snap := wantBack(t, s)
	if snap.Tree.Bytes != 20<<30+10_000 || snap.Stored.Sealed > 1<<20 {
		t.Errorf("%d bytes of source, stored %+v", snap.Tree.Bytes, snap.Stored)
	}
}

// TestFullVault: for want of space a snapshot fails as such, and what there was is not harmed.
func TestFullVault(t *testing.T) {
	ctx := context.Background()
	failed, runs := 0, 0
	for extra := int64(48 << 10); extra < 512<<10; extra += 24 << 10 {
		runs++
		r := newRig(1)
		build(t, r, fixture.Art, 0)
		probe := r.fork(1)
		mustSnap(t, mustOpen(t, probe))
		r.vault = disk.NewMemory(disk.MemoryOptions{Quota: probe.vault.Used() + extra})
		s := mustOpen(t, r)
		mustSnap(t, s)
		first := r.listing(t)
		fixture.NewWriter(s.dir, time.Unix(1_550_000_000, 0)).Put("big", 0o644, makeContent(3, 300_000, 9))
		_, err := s.p.Snap(ctx, plainSnap())
		if err != nil {
			failed++
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("%d bytes more: %v", extra, err)
			}
		}
		again := mustOpen(t, r)
		if got, err := restored(ctx, again.p, again.p.Snapshots()[0]); err != nil || got != first {
			t.Fatalf("%d bytes more: %v\n%s", extra, err, differ(got, first))
		}
		if err := verified(ctx, again.v); err != nil {
			t.Fatalf("%d bytes more: %v", extra, err)
		}
	}
	if failed == 0 || failed == runs {
		t.Errorf("%d of %d snapshots failed", failed, runs)
	}
}

// TestFullTarget: nothing stands half under its name.
func TestFullTarget(t *testing.T) {
	r := newRig(1)
	build(t, r, fixture.Art, 0)
	s := mustOpen(t, r)
	snap := mustSnap(t, s)
	want := byPath(r.listing(t))
	for quota := int64(4096); quota < 80<<10; quota += 4096 {
		m := disk.NewMemory(disk.MemoryOptions{Quota: quota})
		res, err := s.p.Restore(context.Background(), varve.RestoreOptions{Snapshot: snap, Target: m.Root()})
		got := byPath(listing(t, m.Root()))
		if err == nil && len(res.Errors) == 0 && len(got) != len(want) {
			t.Fatalf("quota %d: called whole, with %d entries of %d", quota, len(got), len(want))
		}
		for p, line := range got {
			if content(line) != content(want[p]) {
				t.Fatalf("quota %d: %q is %s", quota, p, line)
			}
		}
	}
}

func TestReadOnlyVault(t *testing.T) {
	ctx := context.Background()
	r := newRig(1)
	build(t, r, fixture.Game, 0)
	mustSnap(t, mustOpen(t, r))
	want := r.listing(t)
	s, err := r.open(ctx, hooks{vault: func(op disk.Op) error {
		if op.Kind.Writes() {
			return syscall.EROFS
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	snap := s.p.Latest()
	if got, err := restored(ctx, s.p, snap); err != nil || got != want {
		t.Errorf("restore: %v\n%s", err, differ(got, want))
	}
	if err := verified(ctx, s.v); err != nil {
		t.Error(err)
	}
	var b bytes.Buffer
	if err := s.p.Cat(ctx, snap, "project.godot", &b); err != nil || b.Len() == 0 {
		t.Error(err)
	}
	n := 0
	for _, err := range s.p.List(ctx, snap, "", true) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != len(byPath(want)) {
		t.Errorf("%d entries listed of %d", n, len(byPath(want)))
	}
	if st, err := s.p.Status(ctx, plainSnap().Ignore); err != nil || len(st.Added)+len(st.Modified)+len(st.Removed) > 0 {
		t.Errorf("status: %+v, %v", st, err)
	}
	if _, err := s.p.Snap(ctx, plainSnap()); !errors.Is(err, syscall.EROFS) {
		t.Errorf("snapshot into a vault that is read only: %v", err)
	}
}

// rewriteConfig changes the vault's config in place.
func rewriteConfig(t *testing.T, r *rig, change func(map[string]any)) {
	t.Helper()
	b, err := disk.ReadFile(r.vault.Root(), "config", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var c map[string]any
	if err := json.Unmarshal(b, &c); err != nil {
		t.Fatal(err)
	}
	change(c)
	if b, err = json.Marshal(c); err != nil {
		t.Fatal(err)
	}
	if err := disk.WriteWhole(r.vault.Root(), "config", 0o600, b); err != nil {
		t.Fatal(err)
	}
}

// TestPassphrase: a vault whose key is wrapped opens with the right passphrase alone, and a wrong one makes no
// new vault.
func TestPassphrase(t *testing.T) {
	r, lists := smallVault(t)
	keys, err := r.vault.Root().OpenDir("keys")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := keys.List(nil)
	if err != nil || len(entries) != 1 {
		t.Fatal(err, entries)
	}
	b, err := disk.ReadFile(keys, entries[0].Name, 1<<16)
	if err != nil {
		t.Fatal(err)
	}
	var slot seal.Slot
	if err := json.Unmarshal(b, &slot); err != nil {
		t.Fatal(err)
	}
	master, err := slot.Open(nil)
	if err != nil {
		t.Fatal(err)
	}
	slot, err = seal.SealMaster(master, []byte("open sesame"), seal.Params{Time: 1, Memory: 8 << 10, Threads: 1}, seal.Note{}, r.rand)
	if err != nil {
		t.Fatal(err)
	}
	if b, err = json.Marshal(slot); err != nil {
		t.Fatal(err)
	}
	if err := disk.WriteWhole(keys, entries[0].Name, 0o600, b); err != nil {
		t.Fatal(err)
	}
	for _, say := range []string{"", "open barley", "open sesame"} {
		r.passphrase = func() ([]byte, error) { return []byte(say), nil }
		if say == "" {
			r.passphrase = nil
		}
		s, err := r.open(context.Background(), hooks{})
		if say != "open sesame" {
			if !errors.Is(err, varve.ErrWrongKey) {
				t.Errorf("passphrase %q: %v", say, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if got, err := restored(context.Background(), s.p, s.p.Snapshots()[0]); err != nil || got != lists[0] {
			t.Error(err, differ(got, lists[0]))
		}
	}
}

func TestNewerVault(t *testing.T) {
	r, _ := smallVault(t)
	rewriteConfig(t, r, func(c map[string]any) { c["format"] = 2 })
	if _, err := r.open(context.Background(), hooks{}); !errors.Is(err, varve.ErrNewer) {
		t.Errorf("a newer vault: %v", err)
	}
}

func TestForgedConfig(t *testing.T) {
	r, _ := smallVault(t)
	rewriteConfig(t, r, func(c map[string]any) { c["sha256"] = false })
	if _, err := r.open(context.Background(), hooks{}); !errors.Is(err, varve.ErrDamaged) {
		t.Errorf("a config that was changed: %v", err)
	}
}

// TestForeignKey: a key that opens nothing, as the slower of two makings leaves it, keeps no vault shut.
func TestForeignKey(t *testing.T) {
	r, lists := smallVault(t)
	keys, err := r.vault.Root().OpenDir("keys")
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{strings.Repeat("0", 32), strings.Repeat("f", 32)} {
		b, err := json.Marshal(seal.StoredSlot(seal.Master{byte(i + 1)}, time.Unix(1_800_000_000, 0)))
		if err != nil {
			t.Fatal(err)
		}
		if err := disk.WriteWhole(keys, name, 0o600, b); err != nil {
			t.Fatal(err)
		}
	}
	s := mustOpen(t, r)
	if got, err := restored(context.Background(), s.p, s.p.Snapshots()[0]); err != nil || got != lists[0] {
		t.Error(err, differ(got, lists[0]))
	}
}

// TestTwoFirstSnapshots: two processes make vault and project at once; one of them may fail, none is lost.
func TestTwoFirstSnapshots(t *testing.T) {
	ctx := context.Background()
	for at := int64(1); at < 400; at += 3 {
		r := newRig(1)
		build(t, r, fixture.ML, 0)
		want := r.listing(t)
		var other *varve.Snapshot
		var n atomic.Int64
		s, err := r.open(ctx, both(func(disk.Op) error {
			if n.Add(1) == at {
				second := &rig{vault: r.vault, home: r.home, now: r.now, rand: newLockedRand(77), workers: 1}
				o, err := second.open(ctx, hooks{})
				if err != nil {
					t.Fatalf("operation %d: the second process: %v", at, err)
				}
				other = mustSnap(t, o)
			}
			return nil
		}))
		var mine *varve.Snapshot
		if err == nil {
			mine, err = s.p.Snap(ctx, plainSnap())
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			t.Fatalf("operation %d: %v", at, err)
		}
		after := mustOpen(t, r)
		found := map[varve.ID]bool{}
		for _, x := range after.p.Snapshots() {
			found[x.ID] = true
			if got, err := restored(ctx, after.p, x); err != nil || got != want {
				t.Fatalf("operation %d: %v\n%s", at, err, differ(got, want))
			}
		}
		if other != nil && !found[other.ID] || mine != nil && !found[mine.ID] {
			t.Fatalf("operation %d: of two snapshots the folder knows %d", at, len(found))
		}
		mustSnap(t, after)
	}
}

// TestLostConfig: a vault whose config is gone is not taken for an empty folder.
func TestLostConfig(t *testing.T) {
	r, _ := smallVault(t)
	if err := r.vault.Root().Remove("config"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.open(context.Background(), hooks{}); !errors.Is(err, varve.ErrDamaged) {
		t.Errorf("a vault without config: %v", err)
	}
}

func TestVaultInsideProject(t *testing.T) {
	ctx := context.Background()
	r := newRig(1)
	build(t, r, fixture.ML, 0)
	project := r.folder("project")
	if err := project.Mkdir("vault", 0o700); err != nil {
		t.Fatal(err)
	}
	inside, err := project.OpenDir("vault")
	if err != nil {
		t.Fatal(err)
	}
	v, made, err := varve.OpenDir(ctx, inside, true, r.options())
	if err != nil || !made {
		t.Fatal(err)
	}
	p, err := v.Project(project, "/work/project")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		snap, err := p.Snap(ctx, plainSnap())
		if err != nil || len(snap.Errors) > 0 {
			t.Fatal(err, snap)
		}
		if _, err := p.Stat(ctx, snap, "vault"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("the vault keeps itself: %v", err)
		}
		if i == 1 && snap.Stored.Chunks > 0 {
			t.Errorf("an unchanged project stored %+v", snap.Stored)
		}
		if _, err := p.Restore(ctx, varve.RestoreOptions{Snapshot: snap, Delete: true, Ignore: plainSnap().Ignore}); err != nil {
			t.Fatal(err)
		}
	}
	if err := verified(ctx, v); err != nil {
		t.Errorf("after a restore with delete: %v", err)
	}
}

func TestProjectInsideProject(t *testing.T) {
	ctx := context.Background()
	r := newRig(1)
	build(t, r, fixture.Game, 0)
	s := mustOpen(t, r)
	sub, err := s.dir.OpenDir("saves")
	if err != nil {
		t.Fatal(err)
	}
	inner, err := s.v.Project(sub, "/work/project/saves")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := inner.Snap(ctx, plainSnap()); err != nil {
		t.Fatal(err)
	}
	outer := mustSnap(t, s)
	if inner.ID() == s.p.ID() || outer.Version != 1 {
		t.Errorf("inner %s, outer %s, version %d", inner.ID(), s.p.ID(), outer.Version)
	}
	if e, err := s.p.Stat(ctx, outer, "saves/slot1.sav"); err != nil || e.Bytes != 700 {
		t.Errorf("the outer project keeps the inner one's files: %+v, %v", e, err)
	}
	if _, err := s.p.Stat(ctx, outer, "saves/.varve"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the inner one's id is not content: %v", err)
	}
	before, err := varve.ReadProjectID(sub)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.p.Restore(ctx, varve.RestoreOptions{Snapshot: outer, Delete: true, Ignore: plainSnap().Ignore}); err != nil {
		t.Fatal(err)
	}
	if after, err := varve.ReadProjectID(sub); err != nil || after != before {
		t.Errorf("the inner project's id is %s, was %s: %v", after, before, err)
	}
}

// TestClockGoesBack: order, undo and what is kept do not depend on the clock.
func TestClockGoesBack(t *testing.T) {
	ctx := context.Background()
	r := newRig(1)
	build(t, r, fixture.ML, 0)
	s := mustOpen(t, r)
	var lists []string
	for step := 1; step <= 3; step++ {
		lists = append(lists, r.listing(t))
		mustSnap(t, s)
		r.now.Add(-int64(300 * 24 * time.Hour))
		s = mustOpen(t, r)
		build(t, r, fixture.ML, step)
	}
	all := s.p.Snapshots()
	for i, snap := range all {
		if got, err := restored(ctx, s.p, snap); err != nil || got != lists[i] || snap.Version != i+1 {
			t.Errorf("%s: %v\n%s", snap.Ref(), err, differ(got, lists[i]))
		}
	}
	if s.p.Latest().Version != 3 {
		t.Errorf("the latest is %s", s.p.Latest().Ref())
	}
	now := r.listing(t)
	if _, err := s.p.Restore(ctx, varve.RestoreOptions{Snapshot: all[0], Delete: true, Ignore: plainSnap().Ignore}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.p.AddMilestone(ctx, all[0], "early", "alpha", nil, nil); err != nil {
		t.Fatal(err)
	}
	r.now.Add(-int64(300 * 24 * time.Hour))
	s = mustOpen(t, r)
	for range 2 { // the milestone, then the restore
		if _, _, err := s.p.Undo(ctx, false); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.listing(t); got != now || len(s.p.Milestones()) != 0 {
		t.Errorf("undo with a clock that went back: %v\n%s", s.p.Milestones(), differ(got, now))
	}
}

// TestEditWithinTheClocksTick: a file changed again with the same size in the same tick of the file
// system's clock is kept as it is in the end.
func TestEditWithinTheClocksTick(t *testing.T) {
	tick := int64(time.Second)
	now := int64(rigTime)
	r := newRig(1)
	r.home = disk.NewMemory(disk.MemoryOptions{Granularity: tick, Now: func() int64 { return now }})
	for _, name := range []string{"project", "cache"} {
		if err := r.home.Root().Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	r.now.Store(now + int64(10*time.Millisecond))
	s := mustOpen(t, r)
	put := func(text string) {
		f, err := s.dir.OpenWrite("f")
		if err != nil {
			f, err = s.dir.Create("f", 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte(text), 0); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	for _, text := range []string{"one", "two", "six"} {
		put(text)
		snap := mustSnap(t, s)
		var b bytes.Buffer
		if err := s.p.Cat(context.Background(), snap, "f", &b); err != nil || b.String() != text {
			t.Errorf("%q was kept as %q: %v", text, b.String(), err)
		}
	}
}

// TestVaultFailsWhileReading: when the vault fails while files are still being read, that is a failure of the
// snapshot and of no file.
func TestVaultFailsWhileReading(t *testing.T) {
	for _, size := range []int{1 << 20, 6 << 20} { // read whole, and as a stream
		r := newRig(1)
		w := fixture.NewWriter(r.folder("project"), time.Unix(1_500_000_000, 0))
		for i := range (96 << 20) / size {
			w.Put(fmt.Sprintf("f%03d", i), 0o644, makeContent(3, size, uint64(i)))
		}
		reads, atFailure := 0, -1
		s, err := r.open(context.Background(), hooks{
			project: func(op disk.Op) error {
				if op.Kind == disk.OpRead {
					reads++
				}
				return nil
			},
			vault: func(op disk.Op) error {
				if op.Kind == disk.OpCreateWhole && strings.HasPrefix(op.Path, "packs/") {
					atFailure = 0
					return syscall.ENOSPC
				}
				return nil
			}})
		if err != nil {
			t.Fatal(err)
		}
		snap, err := s.p.Snap(context.Background(), plainSnap())
		if !errors.Is(err, syscall.ENOSPC) || snap != nil || atFailure != 0 {
			t.Errorf("files of %d bytes: %v, %+v", size, err, snap)
		}
		if reads >= 96<<20/size*2 {
			t.Errorf("files of %d bytes: all were read, so the failure came too late to prove anything", size)
		}
	}
}

// TestHeal: what a damaged vault has lost and the folder still has is kept again by the next snapshot, however
// sure the index and the stat cache are that it is there.
func TestHeal(t *testing.T) {
	r, lists := smallVault(t)
	var packs []object
	for _, o := range objects(t, r.vault.Root(), "") {
		if strings.HasPrefix(o.path, "packs/") {
			packs = append(packs, o)
		}
	}
	heals := func(what string, harm func(m *rig) error) {
		m := r.fork(9)
		if err := harm(m); err != nil {
			t.Fatal(err)
		}
		s := mustOpen(t, m)
		got, err := restored(context.Background(), s.p, mustSnap(t, s))
		if want := lists[len(lists)-1]; err != nil || got != want {
			t.Errorf("%s: %v\n%s", what, err, differ(got, want))
		}
	}
	heals("all packs gone", func(m *rig) error { return disk.RemoveAll(m.vault.Root(), "packs") })
	heals("all packs cut", func(m *rig) error {
		var errs []error
		for _, o := range packs {
			errs = append(errs, damage{object: o, at: o.size / 2, cut: true}.do(m.vault))
		}
		return errors.Join(errs...)
	})
	for _, o := range packs {
		heals("cut "+o.path, func(m *rig) error { return damage{object: o, at: o.size / 2, cut: true}.do(m.vault) })
	}
}
