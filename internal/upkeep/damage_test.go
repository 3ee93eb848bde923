package upkeep_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"varve/internal/history"
	"varve/internal/ledger"
	"varve/internal/object"
	"varve/internal/pack"
	"varve/internal/upkeep"
	"varve/store"
)

// outcome is what became of a damaged vault.
type outcome int

const (
	found    outcome = iota // Verify has a finding
	refused                 // the vault, or its history, does not open
	harmless                // every snapshot comes back bit for bit
)

// try opens a copy of v in which some objects are altered, verifies it and, if nothing is found, restores it.
// It fails if damage went unnoticed.
func (v *vault) try(is map[string][]byte, warm bool) (outcome, error) {
	ctx := v.t.Context()
	a := &altered{Store: v.store}
	if !warm {
		a.is = is
	}
	db, err := object.Open(ctx, a, nil, options(2))
	if err != nil {
		return refused, nil
	}
	h := history.New(db, ledger.New(db, "w"))
	if err := h.Refresh(ctx); err != nil {
		return refused, nil
	}
	snaps := h.Snapshots("")
	if warm { // the damage comes when everything has been read once
		for i, s := range v.snaps {
			got, err := restore(ctx, db, s.Root)
			if err = errors.Join(err, same(got, v.want[i])); err != nil {
				return harmless, err
			}
		}
		a.is = is
	}
	report, err := upkeep.Verify(ctx, db, snaps, upkeep.Options{Data: true, Workers: 1})
	if err != nil {
		return refused, nil
	}
	if len(report.Findings) > 0 {
		return found, nil
	}
	cold, err := object.Open(ctx, &altered{v.store, is}, nil, options(3))
	if err != nil {
		return harmless, fmt.Errorf("nothing found and then: %w", err)
	}
	for i, s := range v.snaps {
		if !slices.ContainsFunc(snaps, func(o *history.Snapshot) bool { return o.ID == s.ID }) {
			return harmless, fmt.Errorf("snapshot %s went unnoticed", s.ID)
		}
		got, err := restore(ctx, cold, s.Root)
		if err = errors.Join(err, same(got, v.want[i])); err != nil {
			return harmless, fmt.Errorf("nothing found and then: %w", err)
		}
	}
	return harmless, nil
}

func (v *vault) objects() map[string][]byte {
	out := map[string][]byte{}
	for o, err := range v.store.List(v.t.Context(), "") {
		if err != nil {
			v.t.Fatal(err)
		}
		b, err := v.store.Get(v.t.Context(), o.Name, 0, -1, nil)
		if err != nil {
			v.t.Fatal(err)
		}
		if kindOf(o.Name) != "reserve" { // nobody reads what is in it
			out[o.Name] = b
		}
	}
	return out
}

func kindOf(name string) string { k, _, _ := strings.Cut(name, "/"); return k }

// TestEveryDamage: whatever single thing happens to a small vault, it is noticed, or it does no harm.
func TestEveryDamage(t *testing.T) {
	v := small(t)
	all := v.objects()
	var total [3]atomic.Int64
	t.Run("cases", func(t *testing.T) {
		for name, b := range all {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				check := func(what string, is map[string][]byte, warm bool) {
					o, err := v.try(is, warm)
					if err != nil {
						t.Errorf("%s: %v", what, err)
					}
					if o == harmless && kindOf(name) == "packs" {
						t.Errorf("%s: a damaged pack went unnoticed", what)
					}
					total[o].Add(1)
				}
				step := stride
				if kindOf(name) == "packs" && b[10] == byte(pack.Meta) { // there are two of each
					step *= 2
				}
				for i := 0; i < len(b); i += step {
					c := slices.Clone(b)
					c[i] ^= 1 << (i / step % 8)
					check(fmt.Sprintf("flip in byte %d", i), map[string][]byte{name: c}, i/step%8 == 3)
					check(fmt.Sprintf("cut to %d", i), map[string][]byte{name: append([]byte{}, b[:i]...)}, i/step%8 == 5)
				}
				check("lengthened", map[string][]byte{name: append(slices.Clone(b), 0)}, false)
				if kindOf(name) != "snap" { // see TestVanishedSnapshot
					check("deleted", map[string][]byte{name: nil}, false)
				}
				check("deleted while open", map[string][]byte{name: nil}, true)
				for other, c := range all {
					if other != name && kindOf(other) == kindOf(name) {
						check("swapped with "+other, map[string][]byte{name: c, other: b}, false)
						check("replaced by "+other, map[string][]byte{name: c}, true)
					}
				}
			})
		}
	})
	n := total[found].Load() + total[refused].Load() + total[harmless].Load()
	if n < 10_000/stride {
		t.Errorf("only %d cases", n)
	}
	t.Logf("%d cases: %d found, %d refused, %d harmless", n, total[found].Load(), total[refused].Load(), total[harmless].Load())
}

// TestVanishedSnapshot: a commit slot that is gone without a trace is found by who remembers the snapshot.
func TestVanishedSnapshot(t *testing.T) {
	v := small(t)
	if err := v.store.Delete(t.Context(), "snap/"+v.snaps[1].ID.String()); err != nil {
		t.Fatal(err)
	}
	r := v.verify(upkeep.Options{})
	if len(r.Findings) != 1 || r.Findings[0].Kind != upkeep.Missing || !slices.Equal(r.Findings[0].Snapshots, []string{"game@v2"}) {
		t.Fatalf("findings %+v", r.Findings)
	}
}

func (v *vault) verify(opt upkeep.Options) *upkeep.Report {
	v.t.Helper()
	r, err := upkeep.Verify(v.t.Context(), v.db, v.snaps, opt)
	if err != nil {
		v.t.Fatal(err)
	}
	return r
}

var _ store.Store = (*altered)(nil)
