package varve_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/fixture"
)

// reverting is a project with two states, the second of which is taken back.
type reverting struct {
	old, new string // listings: how it is, and how it is to be
	told     bool   // the revert reported success
}

func (st *reverting) run(r *rig, kind fixture.Kind, h disk.Hook) error {
	ctx := context.Background()
	if err := buildIn(r, kind, 0); err != nil {
		return err
	}
	s, err := r.open(ctx, hooks{})
	if err != nil {
		return err
	}
	first, err := s.p.Snap(ctx, plainSnap())
	if err != nil {
		return err
	}
	if st.new, err = list(r.folder("project")); err != nil {
		return err
	}
	for n := 1; n < 5; n++ {
		if err := buildIn(r, kind, n); err != nil {
			return err
		}
	}
	r.settle()
	second, err := s.p.Snap(ctx, plainSnap())
	if err != nil {
		return err
	}
	if st.old, err = list(r.folder("project")); err != nil {
		return err
	}
	if s, err = r.open(ctx, both(h)); err != nil {
		return err
	}
	_, err = s.p.Revert(ctx, varve.RevertOptions{To: first, From: second, Verb: "rollback", Summary: "rollback to v1"})
	st.told = err == nil
	return err
}

// files are the contents of a listing's files and links, by path.
func files(listing string) map[string]string {
	out := map[string]string{}
	for p, line := range byPath(listing) {
		if c := content(line); !strings.HasPrefix(c, "dir") {
			out[p] = c
		}
	}
	return out
}

// check ends the revert that was broken off, if one was, and looks at the folder: the old or the new, never a mixture.
func (st *reverting) check(r *rig) error {
	ctx := context.Background()
	s, err := r.open(ctx, hooks{})
	if err != nil {
		return err
	}
	res, _, err := s.p.ResumeRevert(ctx, plainSnap().Ignore)
	if err != nil {
		return fmt.Errorf("resume: %w", err)
	}
	if res != nil && len(res.Left) > 0 {
		return fmt.Errorf("resume left %v", res.Left)
	}
	got, err := list(r.folder("project"))
	if err != nil {
		return err
	}
	isOld, isNew := maps.Equal(files(got), files(st.old)), maps.Equal(files(got), files(st.new))
	switch {
	case !isOld && !isNew:
		return fmt.Errorf("a mixture; from the old:\n%s\nfrom the new:\n%s", differ(got, st.old), differ(got, st.new))
	case st.told && !isNew:
		return errors.New("it was reported done, and is not")
	case res != nil && !isNew:
		return errors.New("it was ended, and is not done")
	}
	if isOld {
		return nil
	}
	_, back, err := s.p.Undo(ctx, false)
	if err != nil {
		return fmt.Errorf("undo: %w", err)
	}
	if back != nil && len(back.Errors) > 0 {
		return fmt.Errorf("undo: %v", back.Errors)
	}
	if got, err = list(r.folder("project")); err == nil && !maps.Equal(files(got), files(st.old)) {
		err = fmt.Errorf("undo gave something else:\n%s", differ(got, st.old))
	}
	return err
}

// TestRevertCrash breaks a revert off before every operation on the disks, by a kill and by loss of power.
func TestRevertCrash(t *testing.T) {
	keeps := []disk.Keep{disk.KeepNone, disk.KeepAll, disk.KeepHalf(1), disk.KeepHalf(2)}
	kinds := []fixture.Kind{fixture.ML}
	if *long {
		kinds = fixture.Kinds()
	}
	total := 0
	for _, k := range kinds {
		var points []int64
		o := new(outage)
		writes, last := 0, -1
		var mu sync.Mutex
		err := new(reverting).run(newRig(1), k, func(op disk.Op) error {
			mu.Lock()
			defer mu.Unlock()
			if err := o.hook(op); err != nil {
				return err
			}
			if writes != last {
				last = writes
				points = append(points, o.count.Load())
			}
			if op.Kind.Writes() {
				writes++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		points = append(points, o.count.Load()+1)
		total += len(points) * (len(keeps) + 1)
		each(t, len(points), func(i int) error {
			st, r := new(reverting), newRig(1)
			if err := st.run(r, k, (&outage{at: points[i]}).hook); err != nil && i == len(points)-1 {
				return err
			}
			for j, keep := range keeps {
				if err := st.check(r.crash(keep, uint64(i))); err != nil {
					return fmt.Errorf("%s, operation %d, outcome %d: %w", k, points[i], j, err)
				}
			}
			if err := st.check(r); err != nil {
				return fmt.Errorf("%s, operation %d, killed: %w", k, points[i], err)
			}
			return nil
		})
	}
	t.Logf("%d crash points", total)
}

// TestRevertLater: what is changed between the snapshot of how it is and the rollback is newer work.
func TestRevertLater(t *testing.T) {
	ctx := context.Background()
	r := newRig(1)
	s := mustOpen(t, r)
	put := func(name, content string) {
		t.Helper()
		if err := disk.WriteWhole(r.folder("project"), name, 0o644, []byte(content)); err != nil {
			t.Fatal(err)
		}
		r.settle()
	}
	put("a.py", "a")
	put("b.py", "b")
	first := mustSnap(t, s)
	put("a.py", "a worse")
	put("b.py", "b worse")
	second := mustSnap(t, s)
	put("b.py", "b by a human, later")
	res, err := s.p.Revert(ctx, varve.RevertOptions{To: first, From: second, Verb: "rollback", Summary: "rollback"})
	if err != nil {
		t.Fatal(err)
	}
	if len(res.Left) != 1 || res.Left[0].Path != "b.py" {
		t.Errorf("left %v", res.Left)
	}
	for name, want := range map[string]string{"a.py": "a", "b.py": "b by a human, later"} {
		if got, err := disk.ReadFile(r.folder("project"), name, 100); err != nil || string(got) != want {
			t.Errorf("%s has %q, %v; want %q", name, got, err, want)
		}
	}
}

// TestRevertEdited breaks a rollback off where the names are changed, edits a file, and ends it: the edit stays, and
// everything else is what it was to be.
func TestRevertEdited(t *testing.T) {
	edited := false
	for at := int64(1); ; at++ {
		st, r := new(reverting), newRig(1)
		err := st.run(r, fixture.ML, (&outage{at: at}).hook)
		if err == nil {
			break
		}
		d := r.folder("project")
		if dot, derr := d.OpenDir(".varve"); derr != nil {
			t.Fatal(derr)
		} else if _, derr := dot.Stat("revert"); derr != nil {
			continue // it had not begun, or was at its end
		}
		if err := disk.WriteWhole(d, "config.toml", 0o644, []byte("by a human, since")); err != nil {
			t.Fatal(err)
		}
		r.settle()
		s := mustOpen(t, r)
		res, _, err := s.p.ResumeRevert(context.Background(), plainSnap().Ignore)
		if err != nil {
			t.Fatalf("operation %d: %v", at, err)
		}
		if len(res.Left) != 1 || res.Left[0].Path != "config.toml" {
			t.Fatalf("operation %d: left %v", at, res.Left)
		}
		got, want := files(r.listing(t)), files(st.new)
		if got["config.toml"] == want["config.toml"] {
			t.Fatalf("operation %d: the edit is lost", at)
		}
		delete(got, "config.toml")
		delete(want, "config.toml")
		if !maps.Equal(got, want) {
			t.Fatalf("operation %d:\n%v\nwant\n%v", at, got, want)
		}
		edited = true
	}
	if !edited {
		t.Fatal("the rollback was never broken off half way")
	}
}
