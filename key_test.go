package varve_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"varve"
	"varve/internal/disk"
	"varve/store"
)

// opens says how a vault opens: with nothing ("") or a passphrase or recovery key.
func opens(r *rig, secret string) error {
	opt := r.options()
	opt.Passphrase = nil
	if secret != "" {
		opt.Passphrase = func() ([]byte, error) { return []byte(secret), nil }
	}
	_, _, err := varve.OpenDir(context.Background(), r.vault.Root(), false, opt)
	return err
}

// keyLife is what happens to the keys of a vault: ways are the secrets of which one at least must open it, and
// over are those that must not any more.
type keyLife struct{ ways, over []string }

func (l *keyLife) run(r *rig, h disk.Hook) error {
	ctx := context.Background()
	s, err := r.open(ctx, hooks{vault: h})
	if err != nil {
		return err
	}
	v := s.v
	for _, p := range []struct{ old, next string }{{"", "one"}, {"one", "two"}} {
		l.ways = append(l.ways, p.next)
		if _, _, err := v.Protect(ctx, []byte(p.next), ""); err != nil {
			return err
		}
		l.ways, l.over = []string{p.next}, append(l.over, p.old)
	}
	kit, key, err := v.AddRecovery(ctx, "")
	if err != nil {
		return err
	}
	l.ways = append(l.ways, key.String())
	if _, err := v.AddPassphrase(ctx, []byte("three"), "three's"); err != nil {
		return err
	}
	if err := v.RemoveKey(ctx, kit.ID); err != nil {
		return err
	}
	l.ways, l.over = []string{"two", "three"}, append(l.over, key.String())
	return nil
}

func (l *keyLife) check(r *rig) error {
	var errs []error
	for _, way := range l.ways {
		errs = append(errs, opens(r, way))
	}
	if !slices.Contains(errs, nil) {
		return fmt.Errorf("none of the ways opens the vault: %w", errors.Join(errs...))
	}
	for _, way := range l.over {
		if err := opens(r, way); !errors.Is(err, varve.ErrWrongKey) {
			return fmt.Errorf("a key that was reported as removed: %q: %v", way, err)
		}
	}
	return nil
}

// TestKeysCrash: after power loss at any operation the vault opens in the old way or in the new, and not in
// one that was reported as over.
func TestKeysCrash(t *testing.T) {
	base := newRig(1)
	mustOpen(t, base)
	o := new(outage)
	l := &keyLife{ways: []string{""}}
	if err := l.run(base.fork(1), o.hook); err != nil {
		t.Fatal(err)
	}
	each(t, int(o.count.Load())+1, func(i int) error {
		r, l := base.fork(1), &keyLife{ways: []string{""}}
		if err := l.run(r, (&outage{at: int64(i + 1)}).hook); (err != nil) != (int64(i) < o.count.Load()) {
			return err
		}
		for j, keep := range []disk.Keep{disk.KeepNone, disk.KeepAll, disk.KeepHalf(1), disk.KeepHalf(2)} {
			if err := l.check(r.crash(keep, uint64(i))); err != nil {
				return fmt.Errorf("operation %d, outcome %d: %w", i+1, j, err)
			}
		}
		return l.check(r)
	})
}

// TestProtectKeepsData: to protect a vault, and to change its passphrase, writes a slot and nothing else.
func TestProtectKeepsData(t *testing.T) {
	m := store.NewMemory()
	r := newRig(1)
	opt := r.options()
	v, err := varve.Create(t.Context(), m, opt)
	if err != nil {
		t.Fatal(err)
	}
	objects := func() (out []string) {
		for o, err := range m.List(t.Context(), "") {
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, o.Name)
		}
		return out
	}
	before := objects()
	if i := v.Info(); !i.KeyStored {
		t.Errorf("%+v", i)
	}
	for _, p := range []string{"one", "two"} {
		k, removed, err := v.Protect(t.Context(), []byte(p), "")
		if err != nil || len(removed) != 1 || v.Info().KeyStored || !k.Used {
			t.Fatalf("%v, removed %v", err, removed)
		}
		if now := objects(); len(now) != len(before) || now[0] != before[0] {
			t.Errorf("objects %v, before %v", now, before)
		}
	}
	if _, _, err := v.Protect(t.Context(), nil, ""); err == nil {
		t.Error("an empty passphrase was taken")
	}
	keys, err := v.Keys(t.Context())
	if err != nil || len(keys) != 1 || !keys[0].Used || keys[0].Kind != varve.KeyPassphrase {
		t.Errorf("%+v, %v", keys, err)
	}
}

// TestLastKey: the last key that is known to open a vault stays, whatever lies beside it; and of two programs
// that each remove what the other relies on, none leaves the vault shut.
func TestLastKey(t *testing.T) {
	ctx := t.Context()
	r := newRig(1)
	s := mustOpen(t, r)
	keys, err := s.v.Keys(ctx)
	if err != nil || len(keys) != 1 || keys[0].Kind != varve.KeyStored || !keys[0].Used {
		t.Fatal(keys, err)
	}
	if err := s.v.RemoveKey(ctx, keys[0].ID); !errors.Is(err, varve.ErrLastKey) {
		t.Errorf("the only key: %v", err)
	}
	stranger := newRig(2)
	o := mustOpen(t, stranger)
	if _, _, err := o.v.Protect(ctx, []byte("one"), ""); err != nil {
		t.Fatal(err)
	}
	foreign := copyKeys(t, stranger, r)
	if err := s.v.RemoveKey(ctx, keys[0].ID); !errors.Is(err, varve.ErrLastKey) {
		t.Errorf("beside a key of another vault: %v", err)
	}
	rep, err := s.v.Verify(ctx, varve.VerifyOptions{})
	if err != nil || len(rep.Findings) != 1 || rep.Findings[0].Object != "keys/"+foreign {
		t.Errorf("%+v, %v", rep, err)
	}
	if err := s.v.RemoveKey(ctx, foreign); err != nil {
		t.Errorf("the key of another vault: %v", err)
	}
	second, err := s.v.AddPassphrase(ctx, []byte("two"), "")
	if err != nil {
		t.Fatal(err)
	}
	var once bool
	other := mustOpen(t, r)
	racing, err := r.open(ctx, hooks{vault: func(op disk.Op) error {
		if op.Kind == disk.OpRemove && !once {
			once = true
			return other.v.RemoveKey(ctx, second.ID)
		}
		return nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := racing.v.RemoveKey(ctx, keys[0].ID); !once || !errors.Is(err, varve.ErrLastKey) {
		t.Errorf("raced %v: %v", once, err)
	}
	if err := opens(r, ""); err != nil {
		t.Errorf("after the race: %v", err)
	}
}

// copyKeys copies the only key of one vault into another and returns its id.
func copyKeys(t *testing.T, from, to *rig) string {
	t.Helper()
	src, err := from.vault.Root().OpenDir("keys")
	if err != nil {
		t.Fatal(err)
	}
	dst, err := to.vault.Root().OpenDir("keys")
	if err != nil {
		t.Fatal(err)
	}
	entries, err := src.List(nil)
	if err != nil || len(entries) != 1 {
		t.Fatal(entries, err)
	}
	b, err := disk.ReadFile(src, entries[0].Name, 1<<16)
	if err != nil {
		t.Fatal(err)
	}
	if err := disk.WriteWhole(dst, entries[0].Name, 0o600, b); err != nil {
		t.Fatal(err)
	}
	return entries[0].Name
}

// TestSlowerMakingLeavesNoKey: of two who make a vault at once the slower opens the other's, and leaves no key that
// opens nothing.
func TestSlowerMakingLeavesNoKey(t *testing.T) {
	r := newRig(1)
	others, raced := r.options(), false
	s, err := r.open(t.Context(), hooks{vault: func(op disk.Op) error {
		if op.Kind == disk.OpPublish && strings.HasPrefix(op.To, "keys/") && !raced {
			raced = true
			if _, made, err := varve.OpenDir(t.Context(), r.vault.Root(), true, others); err != nil || !made {
				t.Errorf("made %v, %v", made, err)
			}
		}
		return nil
	}})
	if err != nil || !raced {
		t.Fatalf("raced %v: %v", raced, err)
	}
	if err := verified(t.Context(), s.v); err != nil {
		t.Error(err)
	}
}
