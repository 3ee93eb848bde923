package varve_test

import (
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"varve"
	"varve/internal/disk"
	"varve/internal/fixture"
	"varve/internal/powercut"
)

var cuts = flag.Int("cuts", 150, "with -long, at how many moments the power goes on each file system")

// TestPowerCut lets the real program live on real file systems and takes the power away at any write to the disk: the
// file system is mounted as it was then, with all of the disk's cache, without, or with any half of it. Everything
// that was reported by then is there.
func TestPowerCut(t *testing.T) {
	binary := needPowerCut(t)
	for _, fsType := range powercut.FileSystems() {
		t.Run(fsType, func(t *testing.T) {
			t.Parallel()
			l := liveOn(t, binary, fsType, nil)
			moments, replay := l.moments(*cuts), l.disk.Replay()
			for i, m := range moments {
				chance := rand.New(rand.NewPCG(uint64(i), 1))
				keep := []func() bool{nil, func() bool { return false }, func() bool { return chance.IntN(2) == 0 }}[m.cache]
				if err := l.check(t, replay.Cut(m.event, keep), l.phaseAt(m.event), true); err != nil {
					t.Fatalf("cut at event %d of %d, cache %d, %s: %v", m.event, l.disk.Events(), m.cache, l.phaseAt(m.event).doing, err)
				}
			}
			t.Logf("%d cuts in %d events", len(moments), l.disk.Events())
		})
	}
}

// TestPowerCutNotices: a program whose orders to the disk come to nothing loses what it reported, and the suite sees it.
func TestPowerCutNotices(t *testing.T) {
	binary := needPowerCut(t)
	const syncs = "fsync,fdatasync,sync_file_range,syncfs,sync"
	deaf := []string{"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + syncs, "-e", "inject=" + syncs + ":retval=0"}
	if out, err := exec.Command(deaf[0], append(deaf[1:], "true")...).CombinedOutput(); err != nil {
		cannot(t, fmt.Sprintf("syncs that do nothing need strace and ptrace: %v %s", err, out))
	}
	for _, fsType := range powercut.FileSystems() {
		t.Run(fsType, func(t *testing.T) {
			t.Parallel()
			l := liveOn(t, binary, fsType, deaf)
			replay, lost, reports := l.disk.Replay(), []error(nil), 0
			for _, ph := range l.phases {
				if !ph.reported {
					continue
				}
				reports++
				if err := l.check(t, replay.Cut(ph.from, nil), ph, false); err != nil {
					lost = append(lost, err)
				}
			}
			if len(lost) == 0 {
				t.Fatalf("nothing of %d reports is lost without a sync: these cuts prove nothing", reports)
			}
			t.Logf("%d of %d reports are lost; the last: %v", len(lost), reports, lost[len(lost)-1])
		})
	}
}

func needPowerCut(t *testing.T) string {
	t.Helper()
	if !*long {
		t.Skip("power cuts on real file systems: only with -long")
	}
	for _, fsType := range powercut.FileSystems() {
		if _, err := powercut.MakeImage(t.TempDir(), fsType); errors.Is(err, powercut.ErrCannot) {
			cannot(t, err.Error())
		}
	}
	return buildProgram(t)
}

// cannot skips a test that this machine cannot run; where VARVE_POWERCUT is set it fails.
func cannot(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("VARVE_POWERCUT") != "" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// life is what happened on a disk, and what the program reported when.
type life struct {
	bench  *bench
	disk   *powercut.Disk
	fsType string
	at     string // where it is mounted
	phases []phase
}

// A phase is what must be true of the disk from an event on.
type phase struct {
	story
	from     int
	doing    string
	reported bool       // it begins with a report
	settled  bool       // the user is not working, and what they did is durable
	gone     []varve.ID // forgotten
}

// liveOn plays a life of a project, its vault, cache and state on one new file system; prefix is put before each command.
func liveOn(t *testing.T, binary, fsType string, prefix []string) *life {
	t.Helper()
	img, err := powercut.MakeImage(t.TempDir(), fsType)
	if err != nil {
		t.Fatal(err)
	}
	l := &life{bench: &bench{binary: binary}, fsType: fsType}
	if l.disk, l.at, err = powercut.Mount(shortDir(t), img, fsType); err != nil {
		t.Fatal(err)
	}
	gone := false
	defer func() {
		if !gone {
			l.disk.Unmount()
		}
	}()
	l.play(t, prefix)
	gone = true
	if err := l.disk.Unmount(); err != nil {
		t.Fatal(err)
	}
	return l
}

// shortDir is a new folder, in memory where the system has that.
func shortDir(t *testing.T) string {
	t.Helper()
	at := "/dev/shm"
	if st, err := os.Stat(at); err != nil || !st.IsDir() {
		at = ""
	}
	dir, err := os.MkdirTemp(at, "varve")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func (l *life) play(t *testing.T, prefix []string) {
	t.Helper()
	for _, name := range []string{"project", "cache"} {
		if err := os.Mkdir(filepath.Join(l.at, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	now := phase{}
	run := func(args ...string) {
		l.begin(&now, args[0]+" runs")
		if err := l.bench.run(l.at, prefix, args...); err != nil {
			t.Fatal(err)
		}
	}
	snap := func() {
		l.begin(&now, "snap runs")
		id, err := l.bench.snap(l.at, prefix)
		if err != nil {
			t.Fatal(err)
		}
		now.keep(id)
		l.report(&now, "snap")
	}
	for step := range 3 {
		l.change(t, &now, step)
		snap()
	}
	forgotten := now.kept[1]
	now.kept = slices.Delete(slices.Clone(now.kept), 1, 2)
	run("forget", "v2", "-q", "--yes")
	now.gone = append(now.gone, forgotten.id)
	l.report(&now, "forget")
	run("gc", "-q", "--yes")
	l.report(&now, "gc")

	now.restoring = []string{now.states[len(now.states)-1], now.kept[0].listing}
	run("restore", "v1", "-q", "--yes", "--delete")
	now.states = append(slices.Clone(now.states), now.kept[0].listing)
	l.report(&now, "restore")
	snap()
}

// change is the user's own work, made durable.
func (l *life) change(t *testing.T, now *phase, step int) {
	t.Helper()
	now.settled = false
	l.begin(now, "the user works")
	d, err := disk.Open(filepath.Join(l.at, "project"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if step == 0 {
		err = fixture.Build(d, fixture.Game, fixture.Options{})
	} else {
		err = fixture.Step(d, fixture.Game, step, fixture.Options{})
	}
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(l.at)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := unix.Syncfs(int(f.Fd())); err != nil {
		t.Fatal(err)
	}
	now.states = append(slices.Clone(now.states), listing(t, d))
	now.settled = true
}

// begin notes that something is under way.
func (l *life) begin(now *phase, doing string) {
	now.from, now.doing, now.reported = l.disk.Events(), doing, false
	l.phases = append(l.phases, *now)
}

// report notes what holds from here on.
func (l *life) report(now *phase, verb string) {
	now.from, now.doing, now.reported = l.disk.Events(), verb+" has reported", true
	l.phases = append(l.phases, *now)
}

func (l *life) phaseAt(event int) phase {
	for _, ph := range slices.Backward(l.phases) {
		if ph.from <= event {
			return ph
		}
	}
	return phase{}
}

// A moment is when the power goes, and which of the three outcomes for the cache is looked at.
type moment struct{ event, cache int }

// moments are the event of each report, where a promise is as young as can be, and others evenly spread, n at least.
func (l *life) moments(n int) []moment {
	var out []moment
	for _, ph := range l.phases {
		if ph.reported {
			out = append(out, moment{ph.from, 0}, moment{ph.from, 1})
		}
	}
	first, last := l.phases[0].from, l.disk.Events()
	for i, left := 0, max(n-len(out), 0); i < left; i++ {
		out = append(out, moment{first + (last-first)*(i+1)/left, i % 3})
	}
	slices.SortStableFunc(out, func(a, b moment) int { return a.event - b.event })
	return out
}

// check mounts what the cut left and has the program look at it; with use it goes on working there.
func (l *life) check(t *testing.T, img powercut.Image, ph phase, use bool) (err error) {
	at, done, err := powercut.MountImage(shortDir(t), img, l.fsType)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { err = errors.Join(err, done()) }()
	if len(ph.states) == 0 {
		return nil // only the user's own work was begun
	}
	if err := ph.check(l.bench, at); err != nil || !use {
		return err
	}
	return l.goOn(at, ph)
}

// check: what was reported is there and whole, what was forgotten is gone, the folder is as it was or on its way.
func (ph *phase) check(b *bench, at string) error {
	if len(ph.kept) > 0 {
		if err := ph.checkSnapshots(b, at); err != nil {
			return err
		}
	}
	if !ph.settled {
		return nil
	}
	got, err := listAt(filepath.Join(at, "project"))
	if err != nil {
		return err
	}
	if ph.restoring != nil {
		return ph.eitherOf(got)
	}
	if want := ph.states[len(ph.states)-1]; got != want {
		return fmt.Errorf("the folder was changed:\n%s", differ(got, want))
	}
	return nil
}

// checkSnapshots restores every snapshot that the program knows.
func (ph *phase) checkSnapshots(b *bench, at string) error {
	all, err := b.snapshots(at)
	if err != nil {
		return err
	}
	wants := map[string]string{}
	for _, k := range ph.kept {
		wants[k.id.String()] = k.listing
	}
	for _, s := range all {
		got, err := b.restored(at, s.ID)
		if err != nil {
			return err
		}
		want, promised := wants[s.ID]
		if promised && got != want {
			return fmt.Errorf("%s differs:\n%s", s.Ref, differ(got, want))
		}
		if !promised && s.Reason == "" && !slices.Contains(ph.states, got) {
			return fmt.Errorf("%s, unreported, is of no state the folder has had", s.Ref)
		}
		if slices.ContainsFunc(ph.gone, func(id varve.ID) bool { return id.String() == s.ID }) {
			return fmt.Errorf("%s was forgotten and is back", s.Ref)
		}
		delete(wants, s.ID)
	}
	if len(wants) > 0 {
		return fmt.Errorf("%d of %d snapshots were reported and are not there", len(wants), len(ph.kept))
	}
	return nil
}

// goOn works on: a restore is undone, a snapshot is taken, a collection runs, and nothing that is needed is missing then.
func (l *life) goOn(at string, ph phase) error {
	project := filepath.Join(at, "project")
	now, err := listAt(project)
	if err != nil {
		return err
	}
	if ph.restoring != nil && now != ph.restoring[0] {
		if err := l.bench.run(at, nil, "undo", "-q", "--yes"); err != nil {
			return err
		}
		if now, err = listAt(project); err != nil || now != ph.restoring[0] {
			return fmt.Errorf("undo gave something else: %w\n%s", err, differ(now, ph.restoring[0]))
		}
	}
	id, err := l.bench.snap(at, nil)
	if err != nil {
		return err
	}
	for _, verb := range [][]string{{"gc", "-q", "--yes", "--wait", "10s"}, {"verify", "--data", "-q"}} {
		if err := l.bench.run(at, nil, verb...); err != nil {
			return err
		}
	}
	ph.states = append(slices.Clone(ph.states), now)
	ph.kept = append(slices.Clone(ph.kept), keptState{id, now})
	return ph.checkSnapshots(l.bench, at)
}
