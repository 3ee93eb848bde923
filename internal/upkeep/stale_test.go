package upkeep_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"varve/internal/object"
	"varve/internal/pack"
	"varve/internal/upkeep"
)

// collect forgets the last snapshot that was taken, of f, and collects it.
func (c *crowded) collect(f files) {
	c.t.Helper()
	if err := c.writer(f).end(); err != nil {
		c.t.Fatal(err)
	}
	c.forget(c.kept[len(c.kept)-1].snap)
	if err := c.collector().end(); err != nil {
		c.t.Fatal(err)
	}
}

// absent returns the packs that the index knows and that are not there.
func (c *crowded) absent() (out []string) {
	c.t.Helper()
	db, there := c.open(c.store), c.objects()
	if err := db.Refresh(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	for _, s := range db.Segments() {
		for _, p := range s.Packs() {
			if name := object.PackName(pack.ID(p.ID)); there[name] == nil {
				out = append(out, name)
			}
		}
	}
	return out
}

// findings are those of a check of what was kept.
func (c *crowded) findings() []upkeep.Finding {
	c.t.Helper()
	db := c.open(c.store)
	h := c.history(db)
	if err := h.Refresh(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	r, err := upkeep.Verify(c.t.Context(), db, h.Snapshots(""), upkeep.Options{Data: true})
	if err != nil {
		c.t.Fatal(err)
	}
	return r.Findings
}

// TestStoppedMerge: who merges the index may be stopped, and go on when nobody remembers any more which packs were
// deleted meanwhile. Its segment knows them: that harms nothing, is no finding, and goes with the next collection.
func TestStoppedMerge(t *testing.T) {
	c := newCrowded(t)
	for n := range byte(9) { // more segments than a tier holds
		if err := c.writer(files{"a": random(40+n, 200)}).end(); err != nil {
			t.Fatal(err)
		}
	}
	merger := start(c.store, func(ctx context.Context, a *actor) error {
		db := c.open(a)
		if err := db.Refresh(ctx); err != nil {
			return err
		}
		return upkeep.MergeIndex(ctx, db)
	})
	merger.until("put index/")
	if merger.ended {
		t.Fatal("nothing was merged")
	}
	for n := range byte(20) { // more collections than are remembered
		c.collect(files{"a": random(80+n, 200)})
	}
	if err := merger.end(); err != nil {
		t.Fatal(err)
	}
	if len(c.absent()) == 0 {
		t.Fatal("the merged segment knows no pack that is gone")
	}
	for _, f := range c.findings() {
		t.Errorf("%+v", f)
	}
	c.check()
	if stale := c.absent(); len(stale) > 0 {
		t.Errorf("after a collection the index knows %d packs that are not there", len(stale))
	}
	for _, f := range c.findings() {
		t.Errorf("then: %+v", f)
	}
}

// TestLostPack: a pack that is gone and of which something is missed is a finding, also where only the other copy of
// metadata is, and no collection makes the index say nothing of it.
func TestLostPack(t *testing.T) {
	for _, kind := range []pack.Kind{pack.Data, pack.Meta} {
		v := protected(t, 0)
		lost := v.packsOf(kind)[0]
		v.replace(lost, nil)
		c := &crowded{vault: v, seed: 90}
		for _, when := range []string{"at once", "after a collection"} {
			found := false
			for _, f := range c.findings() {
				found = found || f.Object == lost && f.Kind == upkeep.Missing
			}
			if !found {
				t.Errorf("%s, of kind %v, is gone: no finding %s", lost, kind, when)
			}
			var clock time.Duration
			db := c.open(c.store)
			if _, err := upkeep.Collect(t.Context(), db, c.history(db), c.options(&clock)); err != nil && !errors.Is(err, upkeep.ErrIncomplete) {
				t.Fatal(err)
			}
		}
	}
}
