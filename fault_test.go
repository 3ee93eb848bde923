package varve_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/internal/fixture"
)

// fault is what happens to one operation, or to all from one on.
type fault struct {
	name   string
	err    error
	onward bool
}

func faults() []fault {
	return []fault{
		{"EIO", syscall.EIO, false},
		{"lost reply", disk.AfterEffect{Err: syscall.EIO}, false},
		{"ENOSPC", syscall.ENOSPC, false},
		{"EACCES", syscall.EACCES, false},
		{"short write", disk.ShortWrite{Err: syscall.ENOSPC}, false},
		{"short read", disk.ShortRead{}, false},
		{"gone", syscall.ENOENT, false},
		{"EIO from here on", syscall.EIO, true},
		{"ENOSPC from here on", syscall.ENOSPC, true},
		{"EACCES from here on", syscall.EACCES, true},
	}
}

// injector brings one fault about and notes where it struck.
type injector struct {
	at    int64 // 0: never
	fault fault
	count atomic.Int64

	mu   sync.Mutex
	hits map[string]bool // disks: "vault", "project", "cache", "target"
	ops  []string
}

func (in *injector) hook(where string) disk.Hook {
	return func(op disk.Op) error {
		n := in.count.Add(1)
		if in.at == 0 || n < in.at || n > in.at && !in.fault.onward {
			return nil
		}
		if in.fault.err == error(syscall.ENOSPC) && !op.Kind.Writes() {
			return nil // reading needs no space
		}
		in.mu.Lock()
		defer in.mu.Unlock()
		if in.hits == nil {
			in.hits = map[string]bool{}
		}
		in.hits[where] = true
		if len(in.ops) < 4 {
			in.ops = append(in.ops, fmt.Sprintf("%s of %s:%s", op.Kind, where, op.Path))
		}
		return in.fault.err
	}
}

func (in *injector) hooks() hooks {
	return hooks{in.hook("vault"), in.hook("project"), in.hook("cache")}
}

// only reports whether no other disk than this was struck.
func (in *injector) only(where string) bool { return len(in.hits) == 1 && in.hits[where] }

// verb is something done to a copy of a machine under a fault.
type verb struct {
	name string
	base *rig
	do   func(r *rig, in *injector) error // an error: the verb lied, or broke something
}

func verbs(t *testing.T, k fixture.Kind) []verb {
	t.Helper()
	fresh := newRig(1)
	build(t, fresh, k, 0)
	kept := fresh.fork(2)
	mustSnap(t, mustOpen(t, kept))
	first := kept.listing(t)
	build(t, kept, k, 1)
	build(t, kept, k, 2)
	twice := kept.fork(3)
	mustSnap(t, mustOpen(t, twice))
	second := twice.listing(t)
	return []verb{
		{"first snapshot", fresh, func(r *rig, in *injector) error { return faultySnap(r, in) }},
		{"second snapshot", kept, func(r *rig, in *injector) error { return faultySnap(r, in, first) }},
		{"restore to a new folder", twice, func(r *rig, in *injector) error { return faultyRestoreTo(r, in, first) }},
		{"restore in place", twice, func(r *rig, in *injector) error { return faultyRestore(r, in, first, second) }},
	}
}

func TestFaults(t *testing.T) {
	all := faults()
	runs := 0
	for _, v := range verbs(t, fixture.Game) {
		calm := new(injector)
		if err := v.do(v.base.fork(9), calm); err != nil {
			t.Fatalf("%s without a fault: %v", v.name, err)
		}
		type run struct {
			at int64
			f  fault
		}
		var list []run
		for n := int64(1); n <= calm.count.Load(); n++ {
			list = append(list, run{n, all[0]})
			if *long {
				for _, f := range all[1:] {
					list = append(list, run{n, f})
				}
				continue
			}
			for i := range int64(2) {
				list = append(list, run{n, all[1+(2*n+i)%int64(len(all)-1)]})
			}
		}
		runs += len(list)
		each(t, len(list), func(i int) error {
			in := &injector{at: list[i].at, fault: list[i].f}
			if err := v.do(v.base.fork(uint64(i)), in); err != nil {
				return fmt.Errorf("%s, %s at %d (%s): %w", v.name, in.fault.name, in.at, strings.Join(in.ops, ", "), err)
			}
			return nil
		})
	}
	t.Logf("%d faults", runs)
}

// faultySnap takes a snapshot under a fault. before are the listings of those there are.
func faultySnap(r *rig, in *injector, before ...string) error {
	ctx := context.Background()
	want, err := list(r.folder("project"))
	if err != nil {
		return err
	}
	snap, failed := snapUnder(ctx, r, in)
	if failed != nil && (len(in.hits) == 0 || in.only("cache")) {
		return fmt.Errorf("it failed for nothing: %w", failed)
	}
	s, err := r.open(ctx, hooks{})
	if err != nil {
		return fmt.Errorf("open afterwards: %w", err)
	}
	there := s.p.Snapshots()
	if len(there) < len(before) {
		return fmt.Errorf("%d snapshots are left of %d", len(there), len(before))
	}
	for i, b := range before {
		if got, err := restored(ctx, s.p, there[i]); err != nil || got != b {
			return fmt.Errorf("%s is not what it was: %w\n%s", there[i].Ref(), err, differ(got, b))
		}
	}
	if failed == nil {
		if err := complete(ctx, s, snap, in, want); err != nil {
			return err
		}
	}
	// What is there and was not reported is whole too.
	for _, x := range there[len(before):] {
		if got, err := restored(ctx, s.p, x); err != nil || len(x.Errors) == 0 && got != want {
			return fmt.Errorf("unreported %s: %w\n%s", x.Ref(), err, differ(got, want))
		}
	}
	return worksOn(ctx, r, s)
}

func snapUnder(ctx context.Context, r *rig, in *injector) (*varve.Snapshot, error) {
	s, err := r.open(ctx, in.hooks())
	if err != nil {
		return nil, err
	}
	return s.p.Snap(ctx, plainSnap())
}

// complete: what was reported to be kept is, but for the failures, and those are of the source.
func complete(ctx context.Context, s *site, snap *varve.Snapshot, in *injector, want string) error {
	if len(snap.Errors) > 0 && !in.hits["project"] {
		return fmt.Errorf("a failure of the vault was made one of the source: %v", snap.Errors)
	}
	i := slices.IndexFunc(s.p.Snapshots(), func(x *varve.Snapshot) bool { return x.ID == snap.ID })
	if i < 0 {
		return errors.New("it was reported and is not there")
	}
	got, err := restored(ctx, s.p, s.p.Snapshots()[i])
	if err != nil {
		return err
	}
	have, need := byPath(got), byPath(want)
	for p := range have {
		if _, ok := need[p]; !ok {
			return fmt.Errorf("%q was made up", p)
		}
	}
	for p, line := range need {
		if reported(snap.Errors, p) {
			continue
		}
		// A file whose other name was not kept is a file by itself.
		if have[p] != line && (len(snap.Errors) == 0 || unlinked(have[p]) != unlinked(line)) {
			return fmt.Errorf("reported as kept:\n  got  %q%s\n  want %s\n  failures: %v", p, have[p], line, snap.Errors)
		}
	}
	return nil
}

// reported: the path, or a folder it is in, is among the failures.
func reported(list []varve.Failure, p string) bool {
	return slices.ContainsFunc(list, func(f varve.Failure) bool { return f.Path == p || f.Path == "." || strings.HasPrefix(p, f.Path+"/") })
}

// worksOn: without faults the machine goes on.
func worksOn(ctx context.Context, r *rig, s *site) error {
	now, err := list(r.folder("project"))
	if err != nil {
		return err
	}
	snap, err := s.p.Snap(ctx, plainSnap())
	if err != nil {
		return fmt.Errorf("snapshot afterwards: %w", err)
	}
	got, err := restored(ctx, s.p, snap)
	if err != nil {
		return err
	}
	if got != now {
		return fmt.Errorf("snapshot afterwards:\n%s", differ(got, now))
	}
	return verified(ctx, s.v)
}

func faultyRestoreTo(r *rig, in *injector, want string) error {
	ctx := context.Background()
	target := disk.NewMemory(disk.MemoryOptions{})
	res, failed := restoreToUnder(ctx, r, in, faulty(target.Root(), in.hook("target")))
	if failed != nil && (len(in.hits) == 0 || in.only("cache")) {
		return fmt.Errorf("it failed for nothing: %w", failed)
	}
	got, err := list(target.Root())
	if err != nil {
		return err
	}
	have, need := byPath(got), byPath(want)
	for p, line := range have {
		if _, ok := need[p]; !ok {
			return fmt.Errorf("%q was made up", p)
		}
		if content(line) != content(need[p]) {
			return fmt.Errorf("wrong under its final name: %q%s", p, line)
		}
	}
	if failed == nil {
		if len(res.Errors) > 0 && len(in.hits) == 0 {
			return fmt.Errorf("failures for nothing: %v", res.Errors)
		}
		for p, line := range need {
			if !reported(res.Errors, p) && !warned(res, p) && unlinked(have[p]) != unlinked(line) {
				return fmt.Errorf("reported as restored:\n  got  %q%s\n  want %s\n  failures: %v", p, have[p], line, res.Errors)
			}
		}
		if len(res.Errors) == 0 && len(res.Warnings) == 0 && got != want {
			return fmt.Errorf("reported as whole:\n%s", differ(got, want))
		}
	}
	s, err := r.open(ctx, hooks{})
	if err != nil {
		return err
	}
	return verified(ctx, s.v)
}

func warned(res *varve.RestoreResult, p string) bool {
	return slices.ContainsFunc(res.Warnings, func(w string) bool { return strings.Contains(w, p) })
}

func restoreToUnder(ctx context.Context, r *rig, in *injector, target disk.Dir) (*varve.RestoreResult, error) {
	s, err := r.open(ctx, in.hooks())
	if err != nil {
		return nil, err
	}
	first, err := s.p.Resolve("v1")
	if err != nil {
		return nil, err
	}
	return s.p.Restore(ctx, varve.RestoreOptions{Snapshot: first, Target: target})
}

func faultyRestore(r *rig, in *injector, first, second string) error {
	ctx := context.Background()
	res, failed := restoreUnder(ctx, r, in)
	if failed != nil && (len(in.hits) == 0 || in.only("cache")) {
		return fmt.Errorf("it failed for nothing: %w", failed)
	}
	st := &story{restoring: []string{second, first}}
	if err := st.checkFolder(r); err != nil {
		return err
	}
	got, err := list(r.folder("project"))
	if err != nil {
		return err
	}
	// A folder that is gone when its time is to be set was removed by someone else: that is no failure.
	if failed == nil && len(res.Errors) == 0 && len(res.Warnings) == 0 && got != first && in.fault.err != error(syscall.ENOENT) {
		return fmt.Errorf("reported as whole:\n%s", differ(got, first))
	}
	s, err := r.open(ctx, hooks{})
	if err != nil {
		return err
	}
	for i, want := range []string{first, second} {
		if got, err := restored(ctx, s.p, s.p.Snapshots()[i]); err != nil || got != want {
			return fmt.Errorf("v%d is not what it was: %w\n%s", i+1, err, differ(got, want))
		}
	}
	if len(s.p.Operations()) > 0 {
		if _, res, err := s.p.Undo(ctx, false); err != nil || len(res.Errors) > 0 {
			return fmt.Errorf("undo: %w, %+v", err, res)
		}
		if got, err = list(r.folder("project")); err != nil || got != second {
			return fmt.Errorf("undo gave something else: %w\n%s", err, differ(got, second))
		}
	}
	return worksOn(ctx, r, s)
}

func restoreUnder(ctx context.Context, r *rig, in *injector) (*varve.RestoreResult, error) {
	s, err := r.open(ctx, in.hooks())
	if err != nil {
		return nil, err
	}
	first, err := s.p.Resolve("v1")
	if err != nil {
		return nil, err
	}
	return s.p.Restore(ctx, varve.RestoreOptions{Snapshot: first, Delete: true, Ignore: plainSnap().Ignore})
}
