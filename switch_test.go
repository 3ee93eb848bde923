package varve_test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/fixture"
)

// TestSwitch walks a folder through all versions in an order of its own, spoils it between, and compares it each time
// with a restore to a new folder.
func TestSwitch(t *testing.T) {
	ctx := context.Background()
	r := newRig(1)
	s := mustOpen(t, r)
	var snaps []*varve.Snapshot
	for n := range 5 {
		build(t, r, fixture.ML, n)
		snaps = append(snaps, mustSnap(t, s))
	}
	work := filepath.Join(t.TempDir(), "work")
	var from *varve.Snapshot
	wrote := int64(0)
	for step, i := range []int{2, 4, 0, 3, 1, 1, 4} {
		res, err := s.p.Switch(ctx, work, from, snaps[i])
		if err != nil {
			t.Fatalf("step %d: %v", step, err)
		}
		if len(res.Errors) > 0 {
			t.Fatalf("step %d: %v", step, res.Errors)
		}
		if step > 0 {
			wrote += res.Written
		}
		want, err := restored(ctx, s.p, snaps[i])
		if err != nil {
			t.Fatal(err)
		}
		d, err := disk.Open(work)
		if err != nil {
			t.Fatal(err)
		}
		got := listing(t, d)
		d.Close()
		if !maps.Equal(files(got), files(want)) {
			t.Fatalf("step %d, %s:\n%s", step, snaps[i].Ref(), differ(got, want))
		}
		from = snaps[i]
		spoil(t, work, step)
	}
	if all := int64(snaps[4].Tree.Files) * 6; wrote >= all {
		t.Errorf("%d entries written in six steps, as many as whole restores would", wrote)
	}
}

// spoil does to a folder what a command that is tried may do.
func spoil(t *testing.T, dir string, step int) {
	t.Helper()
	var names []string
	err := filepath.WalkDir(dir, func(at string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !strings.Contains(at, ".varve") {
			names = append(names, at)
		}
		return err
	})
	if err != nil || len(names) < 3 {
		t.Fatal(err, names)
	}
	if err := os.WriteFile(names[step%len(names)], []byte("spoilt"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(names[(step+1)%len(names)]); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Dir(names[(step*5+2)%len(names)])); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
}

// TestRevertScope: what a revert may touch goes back, what it may not stays, and a folder goes where nothing in it stays.
func TestRevertScope(t *testing.T) {
	ctx := context.Background()
	r := newRig(1)
	s := mustOpen(t, r)
	write := func(name, content string) {
		t.Helper()
		d, err := disk.MkdirAll(r.folder("project"), parentPath(name), 0o755)
		if err != nil {
			t.Fatal(err)
		}
		if err := disk.WriteWhole(d, filepath.Base(name), 0o644, []byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	write("src/a.py", "a")
	write("src/b.py", "b")
	write("logs/run.log", "1")
	write("gone/c.py", "c")
	r.settle()
	first := mustSnap(t, s)
	write("src/a.py", "a worse")
	write("src/b.py", "b of somebody else")
	write("logs/run.log", "1 2")
	write("new/only.py", "made")
	write("mixed/made.py", "made")
	write("mixed/kept.log", "kept")
	if err := disk.RemoveAll(r.folder("project"), "gone"); err != nil {
		t.Fatal(err)
	}
	r.settle()
	second := mustSnap(t, s)
	o := varve.RevertOptions{To: first, From: second, Verb: "rollback", Summary: "rollback",
		Within: func(at string) bool { return strings.HasSuffix(at, ".py") },
		Leave: func(at string) string {
			if at == "src/b.py" {
				return "theirs"
			}
			return ""
		}}
	o.DryRun = true
	plan, err := s.p.Revert(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	o.DryRun = false
	res, err := s.p.Revert(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(plan.Plan) != fmt.Sprint(res.Plan) || fmt.Sprint(plan.Left) != fmt.Sprint(res.Left) {
		t.Errorf("planned %v, left %v; done %v, left %v", plan.Plan, plan.Left, res.Plan, res.Left)
	}
	if len(res.Left) != 1 || res.Left[0].Path != "src/b.py" {
		t.Errorf("left %v", res.Left)
	}
	now, err := s.p.Snap(ctx, plainSnap())
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	for e, err := range s.p.List(ctx, now, "", true) {
		if err != nil {
			t.Fatal(err)
		}
		have[e.Path] = true
	}
	for _, want := range []string{"src/a.py", "src/b.py", "logs/run.log", "gone/c.py", "mixed/kept.log"} {
		if !have[want] {
			t.Errorf("%s is not there", want)
		}
	}
	for _, gone := range []string{"new", "new/only.py", "mixed/made.py"} {
		if have[gone] {
			t.Errorf("%s is there yet", gone)
		}
	}
	var text strings.Builder
	if err := s.p.Cat(ctx, now, "src/a.py", &text); err != nil || text.String() != "a" {
		t.Errorf("src/a.py has %q, %v", text.String(), err)
	}
	if _, _, err := s.p.Undo(ctx, false); err != nil {
		t.Fatal(err)
	}
	after, err := s.p.Snap(ctx, plainSnap())
	if err != nil {
		t.Fatal(err)
	}
	list, err := s.p.Diff(ctx, second, after, "", varve.IgnoreSettings{})
	if err != nil || len(list) > 0 {
		t.Errorf("undo left %v, %v", list, err)
	}
}

func parentPath(at string) string {
	if i := strings.LastIndexByte(at, '/'); i > 0 {
		return at[:i]
	}
	return ""
}

// TestRevertLacking: what cannot be had of a version is told before anything is changed.
func TestRevertLacking(t *testing.T) {
	ctx := context.Background()
	r := newRig(1)
	s := mustOpen(t, r)
	build(t, r, fixture.ML, 0)
	d := r.folder("project")
	noise := make([]byte, 300<<10)
	if _, err := r.rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	if err := disk.WriteWhole(d, "noise.bin", 0o644, noise); err != nil {
		t.Fatal(err)
	}
	r.settle()
	first := mustSnap(t, s)
	names, err := d.List(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range names {
		if e.Name != ".varve" {
			if err := disk.RemoveAll(d, e.Name); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := disk.WriteWhole(d, "other.txt", 0o644, []byte("other")); err != nil {
		t.Fatal(err)
	}
	r.settle()
	second := mustSnap(t, s)
	before := r.listing(t)
	if n := damagePacks(t, r); n == 0 {
		t.Fatal("there is no pack")
	}
	again := mustOpen(t, r)
	_, err = again.p.Revert(ctx, varve.RevertOptions{To: first, From: second, Verb: "rollback", Summary: "rollback"})
	if err == nil {
		t.Fatal("a damaged version was put back")
	}
	if got := r.listing(t); got != before {
		t.Fatalf("the folder was changed:\n%s", differ(got, before))
	}
	if _, _, err := again.p.ResumeRevert(ctx, plainSnap().Ignore); err != nil {
		t.Fatal(err)
	}
	if got := r.listing(t); got != before {
		t.Fatalf("the folder was changed later:\n%s", differ(got, before))
	}
}

// damagePacks overwrites the middle of every data pack: more than parity mends.
func damagePacks(t *testing.T, r *rig) (n int) {
	t.Helper()
	root := r.vault.Root()
	packs, err := root.OpenDir("packs")
	if err != nil {
		t.Fatal(err)
	}
	shelves, err := packs.List(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, shelf := range shelves {
		d, err := packs.OpenDir(shelf.Name)
		if err != nil {
			t.Fatal(err)
		}
		list, err := d.List(nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			b, err := disk.ReadFile(d, e.Name, 1<<30)
			if err != nil {
				t.Fatal(err)
			}
			if len(b) < 64<<10 { // of pages, which come twice
				continue
			}
			for i := len(b) / 8; i < len(b)*7/8; i++ {
				b[i] ^= 0x55
			}
			if err := d.Remove(e.Name); err != nil {
				t.Fatal(err)
			}
			if err := disk.CreateWhole(d, e.Name, 0o600, b); err != nil {
				t.Fatal(err)
			}
			n++
		}
	}
	return n
}
