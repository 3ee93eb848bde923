package varve_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/fixture"
	"varve/store"
)

// An act is something done to a machine with a history that goes on below what people see: packs are written anew, the
// index is merged. What stays of the history must be as it was whatever becomes of the act, and the act can be done
// again.
type act struct {
	name     string
	base     *rig
	listings []string // of the snapshots in base, the oldest first, and of the folder as it is now
	stays    func(version int) bool
	do       func(ctx context.Context, s *site) error
	did      func(before, after shelf) error // says what a calm run has not done that it is there for
}

// shelf is what a vault consists of.
type shelf struct {
	packs, segments map[string]int64
}

func shelfOf(r *rig) (s shelf, err error) {
	s = shelf{map[string]int64{}, map[string]int64{}}
	for o, err := range store.NewFolder(r.vault.Root()).List(context.Background(), "") {
		switch {
		case err != nil:
			return s, err
		case strings.HasPrefix(o.Name, "packs/"):
			s.packs[o.Name] = o.Size
		case strings.HasPrefix(o.Name, "index/"):
			s.segments[o.Name] = o.Size
		}
	}
	return s, nil
}

// tier is how many index segments of one size there may be before they are merged.
const tier = 8

// overgrown is a machine with as many small packs and index segments as there may be, and in each pack a little that
// the last snapshot needs among much that it does not.
func overgrown(t *testing.T) (*rig, []string) {
	t.Helper()
	r := newRig(1)
	var listings []string
	for n := range tier {
		s := mustOpen(t, r)
		w := fixture.NewWriter(s.dir, time.Unix(1_500_000_000, 0))
		w.Put(fmt.Sprintf("stays/%d.bin", n), 0o644, makeContent(3, 1500, uint64(100+n)))
		for i := range 3 {
			w.Put(fmt.Sprintf("goes/%d.bin", i), 0o644, makeContent(3, 1500, uint64(1000+10*n+i)))
		}
		if w.Err() != nil {
			t.Fatal(w.Err())
		}
		r.settle()
		mustSnap(t, s)
		listings = append(listings, r.listing(t))
	}
	if err := disk.SyncAll(r.vault.Root()); err != nil {
		t.Fatal(err)
	}
	return r, listings
}

func acts(t *testing.T) []act {
	r, listings := overgrown(t)
	changed := r.fork(3)
	if err := disk.CreateWhole(changed.folder("project"), "new.bin", 0o644, makeContent(3, 1500, 99)); err != nil {
		t.Fatal(err)
	}
	changed.settle()
	now := append(slices.Clone(listings), changed.listing(t))
	return []act{
		{"repack", r, append(listings, listings[tier-1]), func(version int) bool { return version == tier }, repack, repacked},
		{"merge", changed, now, func(version int) bool { return version <= tier }, func(ctx context.Context, s *site) error {
			_, err := s.p.Snap(ctx, plainSnap())
			return err
		}, merged},
	}
}

// repack forgets all snapshots but the last and collects.
func repack(ctx context.Context, s *site) error {
	var old []*varve.Snapshot
	for _, x := range s.p.Snapshots() {
		if x.Version < tier {
			old = append(old, x)
		}
	}
	if len(old) > 0 {
		if err := s.p.Forget(ctx, old...); err != nil {
			return err
		}
	}
	_, err := s.v.Collect(ctx, varve.CollectOptions{Wait: time.Hour})
	return err
}

// repacked: the packs are gone, but for the last snapshot's, and what was needed of them is in fewer new ones; of many
// segments of the index there is one.
func repacked(before, after shelf) error {
	left, made := 0, 0
	for name := range after.packs {
		if _, old := before.packs[name]; old {
			left++
		} else {
			made++
		}
	}
	if len(before.packs) < 3*tier || left > 4 || made == 0 || made > 4 {
		return fmt.Errorf("of %d packs %d are left, and %d were made", len(before.packs), left, made)
	}
	return merged(before, after)
}

func merged(before, after shelf) error {
	if len(before.segments) != tier || len(after.segments) != 1 {
		return fmt.Errorf("of %d segments of the index %d are left", len(before.segments), len(after.segments))
	}
	return nil
}

// calm does the act without trouble, sees that it did what it is for, and returns the operations before which a crash
// finds another state of the disks, and how many operations there are.
func (a *act) calm(t *testing.T) (points []int64, ops int64) {
	t.Helper()
	r, o := a.base.fork(2), new(outage)
	before, err := shelfOf(r)
	if err != nil {
		t.Fatal(err)
	}
	last, writes := -1, 0
	var mu sync.Mutex
	s, err := r.open(t.Context(), both(func(op disk.Op) error {
		mu.Lock()
		defer mu.Unlock()
		err := o.hook(op)
		if writes != last {
			last = writes
			points = append(points, o.count.Load())
		}
		if op.Kind.Writes() {
			writes++
		}
		return err
	}))
	if err == nil {
		err = a.do(t.Context(), s)
	}
	after, serr := shelfOf(r)
	if err = errors.Join(err, serr); err == nil {
		err = a.did(before, after)
	}
	if err != nil {
		t.Fatalf("%s: %v", a.name, err)
	}
	return append(points, o.count.Load()+1), o.count.Load()
}

// check looks at a machine after the act was broken off.
func (a *act) check(ctx context.Context, r *rig) error {
	s, err := r.open(ctx, hooks{})
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	there := map[int]bool{}
	for _, x := range s.p.Snapshots() {
		there[x.Version] = true
		want := a.listings[min(x.Version, len(a.listings))-1]
		if got, err := restored(ctx, s.p, x); err != nil || len(x.Errors) == 0 && got != want { // others say what they lack
			return fmt.Errorf("%s: %w\n%s", x.Ref(), err, differ(got, want))
		}
	}
	for i := range a.listings {
		if a.stays(i+1) && !there[i+1] {
			return fmt.Errorf("v%d is gone", i+1)
		}
	}
	if err := a.do(ctx, s); err != nil {
		return fmt.Errorf("%s again: %w", a.name, err)
	}
	if s, err = r.open(ctx, hooks{}); err == nil {
		err = verified(ctx, s.v)
	}
	if err != nil {
		return fmt.Errorf("after %s again: %w", a.name, err)
	}
	return worksOn(ctx, r, s)
}

// TestCrashRepack loses power before each operation that finds the disks in another state than the one before.
func TestCrashRepack(t *testing.T) {
	keeps := []disk.Keep{disk.KeepNone, disk.KeepHalf(1), disk.KeepAll}
	every := 24
	if *long {
		keeps = append(keeps, disk.KeepHalf(2), disk.KeepHalf(3))
		every = 1
	}
	for _, a := range acts(t) {
		points, ops := a.calm(t)
		t.Logf("%s: %d operations, %d crash points, each with %d outcomes, of which one in %d", a.name, ops, len(points), len(keeps), every)
		each(t, len(points), func(i int) error {
			if i%every != 0 && i < len(points)-1 {
				return nil
			}
			r := a.base.fork(2)
			s, err := r.open(t.Context(), both((&outage{at: points[i]}).hook))
			if err == nil {
				err = a.do(t.Context(), s)
			}
			if err != nil && i == len(points)-1 {
				return fmt.Errorf("nothing happened, and %s ended with %w", a.name, err)
			}
			for j, keep := range keeps {
				if err := a.check(t.Context(), r.crash(keep, uint64(i))); err != nil {
					return fmt.Errorf("%s, operation %d, outcome %d: %w", a.name, points[i], j, err)
				}
			}
			return nil
		})
	}
}

// TestFaultsRepack fails each operation.
func TestFaultsRepack(t *testing.T) {
	all := faults()
	every := 80
	if *long {
		every = 1
	}
	for _, a := range acts(t) {
		_, ops := a.calm(t)
		n := int(ops) / every
		t.Logf("%s: %d operations, %d faults", a.name, ops, n)
		each(t, n, func(i int) error {
			in := &injector{at: int64(i*every) + 1, fault: all[i%len(all)]}
			r := a.base.fork(2)
			s, failed := r.open(t.Context(), in.hooks())
			if failed == nil {
				failed = a.do(t.Context(), s)
			}
			if failed != nil && (len(in.hits) == 0 || in.only("cache")) {
				return fmt.Errorf("%s failed for nothing: %w", a.name, failed)
			}
			if err := a.check(t.Context(), r); err != nil {
				return fmt.Errorf("%s, %s at %d (%v): %w", a.name, in.fault.name, in.at, in.ops, err)
			}
			return nil
		})
	}
}
