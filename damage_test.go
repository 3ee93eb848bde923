package varve_test

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/fixture"
)

// object is a file of a vault's folder.
type object struct {
	path string
	size int64
}

func objects(t testing.TB, d disk.Dir, prefix string) (out []object) {
	t.Helper()
	entries, err := d.List(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Type != disk.Directory {
			out = append(out, object{prefix + e.Name, e.Size})
			continue
		}
		sub, err := d.OpenDir(e.Name)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, objects(t, sub, prefix+e.Name+"/")...)
		sub.Close()
	}
	return out
}

// damage is done to one object.
type damage struct {
	object
	at  int64 // of the flipped bit's byte, or the length that is left
	cut bool
	bit uint8
}

func (d damage) String() string {
	if d.cut {
		return fmt.Sprintf("%s cut to %d of %d", d.path, d.at, d.size)
	}
	return fmt.Sprintf("%s byte %d of %d, bit %d", d.path, d.at, d.size, d.bit)
}

func (d damage) do(m *disk.Memory) error {
	w, err := disk.Walk(m.Root(), path.Dir(d.path))
	if path.Dir(d.path) == "." {
		w, err = m.Root(), nil
	}
	if err != nil {
		return err
	}
	f, err := w.OpenWrite(path.Base(d.path))
	if err != nil {
		return err
	}
	defer f.Close()
	if d.cut {
		return f.Truncate(d.at)
	}
	var b [1]byte
	if _, err := f.ReadAt(b[:], d.at); err != nil {
		return err
	}
	b[0] ^= 1 << d.bit
	_, err = f.WriteAt(b[:], d.at)
	return err
}

// smallVault is a vault of two snapshots and a milestone in a few kilobytes.
func smallVault(t testing.TB) (r *rig, lists []string) {
	t.Helper()
	r = newRig(5)
	s := mustOpen(t, r)
	w := fixture.NewWriter(s.dir, time.Unix(1_500_000_000, 0))
	w.Put("a.txt", 0o644, []byte("inline"))
	w.Put("dir/b.bin", 0o644, makeContent(3, 700, 1))
	w.Symlink("a.txt", "l")
	if w.Err() != nil {
		t.Fatal(w.Err())
	}
	first := mustSnap(t, s)
	lists = append(lists, listing(t, s.dir))
	w.Put("dir/b.bin", 0o644, makeContent(3, 900, 2))
	mustSnap(t, s)
	lists = append(lists, listing(t, s.dir))
	if _, err := s.p.AddMilestone(context.Background(), first, "gold", "alpha", nil, nil); err != nil {
		t.Fatal(err)
	}
	return r, lists
}

// TestDamage flips a bit in every byte of a vault, with -long every bit, and cuts every object to every length. A wrong file or a
// snapshot silently gone is never the answer; and verify, or opening the vault, notices all of it.
func TestDamage(t *testing.T) {
	r, lists := smallVault(t)
	var all []damage
	for _, o := range objects(t, r.vault.Root(), "") {
		if strings.HasPrefix(o.path, "reserve/") {
			continue // nobody reads what is in it
		}
		for i := range o.size {
			for bit := range uint8(8) {
				if *long || bit == uint8(i%8) {
					all = append(all, damage{object: o, at: i, bit: bit})
				}
			}
			if i%cutEvery(o) == 0 {
				all = append(all, damage{object: o, at: i, cut: true})
			}
		}
	}
	var mu sync.Mutex
	outcomes := map[string]int{}
	unnoticed := map[string]int{}
	each(t, len(all), func(i int) error {
		what, err := damaged(r.fork(uint64(i)), all[i], lists)
		if err != nil {
			return fmt.Errorf("%s: %w", all[i], err)
		}
		mu.Lock()
		defer mu.Unlock()
		outcomes[what]++
		if what == "unnoticed" {
			kind, _, _ := strings.Cut(all[i].path, "/")
			unnoticed[kind]++
		}
		return nil
	})
	t.Logf("%d damages: %v", len(all), outcomes)
	// Of the two JSON objects in the clear some bytes have no meaning: white space, and the case of names.
	delete(unnoticed, "config")
	delete(unnoticed, "keys")
	if len(unnoticed) > 0 || outcomes["unnoticed"] > 64 {
		t.Errorf("neither opening nor verify noticed: %v", unnoticed)
	}
}

// cutEvery thins out the cuts of long objects, where each costs as much as a flip.
func cutEvery(o object) int64 {
	if *long {
		return 1
	}
	return max(1, o.size/256)
}

// damaged says how a vault with a damage answers.
func damaged(r *rig, d damage, lists []string) (string, error) {
	ctx := context.Background()
	if err := d.do(r.vault); err != nil {
		return "", err
	}
	s, err := r.open(ctx, hooks{})
	if err != nil {
		return "not opened", nil
	}
	rep, err := s.v.Verify(ctx, varve.VerifyOptions{Data: true})
	if err != nil {
		return "verify failed", nil
	}
	noticed := !rep.OK
	versions := map[int]bool{}
	whole := true
	for _, snap := range s.p.Snapshots() {
		versions[snap.Version] = true
		got, err := restored(ctx, s.p, snap)
		if err == nil && got != lists[snap.Version-1] {
			return "", fmt.Errorf("%s was restored wrong, without an error:\n%s", snap.Ref(), differ(got, lists[snap.Version-1]))
		}
		whole = whole && err == nil
	}
	_, err = s.p.Milestone("gold")
	switch {
	case len(versions) < len(lists) && !noticed:
		return "", fmt.Errorf("snapshots are gone and nobody says so: %v are left", slices.Sorted(maps.Keys(versions)))
	case err != nil && !noticed:
		return "", fmt.Errorf("the milestone is gone and nobody says so: %w", err)
	case !whole && !noticed:
		return "", fmt.Errorf("a snapshot cannot be restored, and verify finds nothing")
	case noticed && whole:
		return "noticed, harmless", nil
	case noticed:
		return "noticed", nil
	}
	return "unnoticed", nil
}
