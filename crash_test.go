package varve_test

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/fixture"
)

// story is what a process was told before it died: what must be true after that.
type story struct {
	kept      []keptState
	milestone string
	states    []string // listings the project's folder has had, the last one its state now
	restoring []string // the folder's listings before and after the restore in place under way
	target    string   // what is being restored to the other disk
	told      int      // how many verbs have reported success
}

type keptState struct {
	id      varve.ID
	listing string
}

// script is a project's life of one process: every verb that writes.
type script struct {
	kind   fixture.Kind
	target *disk.Memory // of the restore to a new folder
}

// run plays the script on r. An error is what a verb returned.
func (sc *script) run(r *rig, st *story, h disk.Hook) error {
	ctx := context.Background()
	if err := sc.change(r, st, 0); err != nil {
		return err
	}
	s, err := r.open(ctx, both(h))
	if err != nil {
		return err
	}
	st.told++
	for step := range 3 {
		if step > 0 {
			if err := sc.change(r, st, step*2-1, step*2); err != nil {
				return err
			}
		}
		snap, err := s.p.Snap(ctx, plainSnap())
		if err != nil {
			return err
		}
		st.keep(snap.ID)
	}
	first, last := s.p.Snapshots()[0], s.p.Latest()
	if _, err := s.p.AddMilestone(ctx, last, "gold", "release", nil, nil); err != nil {
		return err
	}
	st.milestone = "gold"
	st.told++

	st.target = st.kept[1].listing
	sc.target = disk.NewMemory(disk.MemoryOptions{})
	_, err = s.p.Restore(ctx, varve.RestoreOptions{Snapshot: s.p.Snapshots()[1], Target: faulty(sc.target.Root(), h)})
	if err != nil {
		return err
	}
	st.told++

	st.restoring = []string{st.kept[2].listing, st.kept[0].listing}
	res, err := s.p.Restore(ctx, varve.RestoreOptions{Snapshot: first, Delete: true, Ignore: plainSnap().Ignore})
	if err == nil && len(res.Errors) > 0 {
		err = &varve.PartialError{Failures: res.Errors}
	}
	if err != nil {
		return err
	}
	st.told++
	st.states = append(st.states, st.kept[0].listing)
	return nil
}

// change plays steps of the user's own work.
func (sc *script) change(r *rig, st *story, steps ...int) error {
	for _, n := range steps {
		if err := buildIn(r, sc.kind, n); err != nil {
			return err
		}
	}
	now, err := list(r.folder("project"))
	st.states = append(st.states, now)
	return err
}

func (st *story) keep(id varve.ID) {
	st.kept = append(st.kept, keptState{id, st.states[len(st.states)-1]})
	st.told++
}

// points returns the operations before which a crash finds something new: another state of the disks, or
// a process that was told more. With -long, all.
func (sc *script) points(t *testing.T) []int64 {
	t.Helper()
	var points []int64
	st := new(story)
	o := new(outage)
	last, writes := [2]int{-1, -1}, 0
	var mu sync.Mutex // the store is probed by several goroutines at once
	err := sc.run(newRig(1), st, func(op disk.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if err := o.hook(op); err != nil {
			return err
		}
		if key := [2]int{writes, st.told}; key != last || *long {
			last = key
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
	return append(points, o.count.Load()+1)
}

func TestCrash(t *testing.T) {
	keeps := []disk.Keep{disk.KeepNone, disk.KeepAll, disk.KeepHalf(1), disk.KeepHalf(2), disk.KeepHalf(3)}
	kinds := []fixture.Kind{fixture.Game, fixture.ML}
	if *long {
		for seed := range uint64(2) {
			keeps = append(keeps, disk.KeepHalf(seed+4))
		}
		kinds = fixture.Kinds()
	}
	total := 0
	for _, k := range kinds {
		points := (&script{kind: k}).points(t)
		total += len(points) * (len(keeps) + 1)
		each(t, len(points), func(i int) error {
			sc, st, r := &script{kind: k}, new(story), newRig(1)
			err := sc.run(r, st, (&outage{at: points[i]}).hook)
			if err != nil && i == len(points)-1 {
				return fmt.Errorf("nothing happened, and the script ended with %w", err)
			}
			for j, keep := range keeps {
				if err := st.check(r.crash(keep, uint64(i)), sc.crashedTarget(keep), j < 3); err != nil {
					return fmt.Errorf("%s, operation %d, outcome %d: %w", k, points[i], j, err)
				}
			}
			// The process alone is killed: what it did not sync is seen by the next one and not durable yet.
			if err := st.check(r, sc.target, true); err != nil {
				return fmt.Errorf("%s, operation %d, killed: %w", k, points[i], err)
			}
			return nil
		})
	}
	t.Logf("%d crash points", total)
}

func (sc *script) crashedTarget(keep disk.Keep) *disk.Memory {
	if sc.target == nil {
		return nil
	}
	return sc.target.Crash(keep)
}

// check looks at a machine after power loss, and with use goes on working on it.
func (st *story) check(r *rig, target *disk.Memory, use bool) error {
	ctx := context.Background()
	s, err := r.open(ctx, hooks{})
	if err != nil {
		return fmt.Errorf("open after the crash: %w", err)
	}
	if err := st.checkKept(ctx, s); err != nil {
		return err
	}
	if st.milestone != "" {
		if _, err := s.p.Milestone(st.milestone); err != nil {
			return err
		}
	}
	if err := st.checkTarget(target); err != nil {
		return err
	}
	if err := st.checkFolder(r); err != nil || !use && !*long {
		return err
	}
	return st.goOn(ctx, r, s)
}

// checkKept restores every snapshot there is. What was reported is there; what was not, and is there, is whole.
func (st *story) checkKept(ctx context.Context, s *site) error {
	if d := s.v.Info(); d.ID == "" {
		return errors.New("a vault without an id")
	}
	byID := map[varve.ID]*varve.Snapshot{}
	for _, snap := range s.p.Snapshots() {
		byID[snap.ID] = snap
	}
	for i, k := range st.kept {
		snap := byID[k.id]
		if snap == nil {
			return fmt.Errorf("snapshot %d of %d was reported and is not there", i+1, len(st.kept))
		}
		got, err := restored(ctx, s.p, snap)
		if err != nil {
			return err
		}
		if got != k.listing {
			return fmt.Errorf("%s differs:\n%s", snap.Ref(), differ(got, k.listing))
		}
		delete(byID, k.id)
	}
	for _, snap := range byID {
		got, err := restored(ctx, s.p, snap)
		if err != nil {
			return fmt.Errorf("unreported: %w", err)
		}
		if snap.Reason == "" && !slices.Contains(st.states, got) {
			return fmt.Errorf("%s, unreported, is of no state the folder has had:\n%s", snap.Ref(), differ(got, st.states[len(st.states)-1]))
		}
	}
	return nil
}

// checkTarget: what stands under a final name in a new folder is whole.
func (st *story) checkTarget(target *disk.Memory) error {
	if target == nil {
		return nil
	}
	got, err := list(target.Root())
	if err != nil {
		return err
	}
	want := byPath(st.target)
	have := byPath(got)
	top := map[string]bool{}
	for p := range have {
		head, _, _ := strings.Cut(p, "/")
		top[head] = true
	}
	for p, line := range want {
		head, _, _ := strings.Cut(p, "/")
		if top[head] && unlinked(have[p]) != unlinked(line) {
			return fmt.Errorf("half restored: %q\n  got  %s\n  want %s", p, have[p], line)
		}
	}
	for p := range have {
		if _, ok := want[p]; !ok {
			return fmt.Errorf("never asked for: %q", p)
		}
	}
	if st.told >= 6 && got != st.target {
		return fmt.Errorf("a finished restore is not whole:\n%s", differ(got, st.target))
	}
	return nil
}

var otherName = regexp.MustCompile(` ="(?:[^"\\]|\\.)*"`)

// unlinked leaves out which file a file is a hard link of: the other may not be there yet, or still be in
// the staging folder.
func unlinked(line string) string {
	return otherName.ReplaceAllString(line, "")
}

// checkFolder: during a restore in place each file is the old or the new one, and one that both have is there.
func (st *story) checkFolder(r *rig) error {
	got, err := list(r.folder("project"))
	if err != nil {
		return err
	}
	if st.restoring == nil {
		if want := st.states[len(st.states)-1]; got != want {
			return fmt.Errorf("the folder was changed:\n%s", differ(got, want))
		}
		return nil
	}
	return st.eitherOf(got)
}

// eitherOf says whether a folder is between its states before and after a restore.
func (st *story) eitherOf(got string) error {
	old, new, now := byPath(st.restoring[0]), byPath(st.restoring[1]), byPath(got)
	for p, line := range now {
		if k := content(line); k != content(old[p]) && k != content(new[p]) {
			return fmt.Errorf("%q is neither old nor new: %s\n old %s\n new %s", p, line, old[p], new[p])
		}
	}
	for p := range old {
		_, stays := new[p]
		if _, there := now[p]; stays && !there {
			return fmt.Errorf("%q is lost", p)
		}
	}
	return nil
}

// content is the part of a listing's line that says type, size and content.
func content(line string) string {
	f := strings.Fields(line)
	switch {
	case len(f) == 0:
		return "absent"
	case f[0] == "file":
		return strings.Join([]string{f[0], f[3], f[4]}, " ")
	case f[0] == "link":
		return strings.Join([]string{f[0], f[2]}, " ")
	}
	return f[0]
}

// goOn uses the machine: a restore that was begun is undone, a snapshot is taken, everything verifies.
func (st story) goOn(ctx context.Context, r *rig, s *site) error {
	if st.restoring != nil {
		now, err := list(r.folder("project"))
		if err != nil {
			return err
		}
		if now != st.restoring[0] && len(s.p.Operations()) < 2 {
			return errors.New("a restore has begun to change the folder and cannot be undone")
		}
	}
	for _, o := range s.p.Operations() {
		if o.Verb != "restore" {
			continue
		}
		_, res, err := s.p.Undo(ctx, false)
		if err != nil {
			return fmt.Errorf("undo: %w", err)
		}
		if res != nil && len(res.Errors) > 0 {
			return fmt.Errorf("undo: %v", res.Errors)
		}
		got, err := list(r.folder("project"))
		if err != nil {
			return err
		}
		if got != st.restoring[0] {
			return fmt.Errorf("undo gave something else:\n%s", differ(got, st.restoring[0]))
		}
	}
	before := len(s.p.Snapshots())
	snap, err := s.p.Snap(ctx, plainSnap())
	if err != nil {
		return fmt.Errorf("snapshot after the crash: %w", err)
	}
	if len(s.p.Snapshots()) != before+1 || len(snap.Errors) > 0 {
		return fmt.Errorf("snapshot after the crash: %d snapshots, failures %v", len(s.p.Snapshots()), snap.Errors)
	}
	now, err := list(r.folder("project"))
	if err != nil {
		return err
	}
	got, err := restored(ctx, s.p, snap)
	if err != nil {
		return err
	}
	if got != now {
		return fmt.Errorf("snapshot after the crash differs:\n%s", differ(got, now))
	}
	if err := verified(ctx, s.v); err != nil {
		return err
	}
	// And once more: what was there then is durable now.
	st.kept = append(slices.Clone(st.kept), keptState{snap.ID, got})
	moved := r.crash(disk.KeepNone, 99)
	moved.moved = true // what the folder is must be told by the folder
	again, err := moved.open(ctx, hooks{})
	if err != nil {
		return fmt.Errorf("open after a second crash: %w", err)
	}
	st.states = append(slices.Clone(st.states), got)
	if err := st.checkKept(ctx, again); err != nil {
		return fmt.Errorf("after a second crash: %w", err)
	}
	return nil
}
