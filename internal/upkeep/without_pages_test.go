package upkeep_test

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/internal/history"
	"varve/internal/ledger"
	"varve/internal/pack"
	"varve/internal/upkeep"
)

// TestCollectWithoutPages: a page that neither a pack nor the index knows of ends a collection, as one does whose pack
// alone is gone: what lies below it is not known.
func TestCollectWithoutPages(t *testing.T) {
	v := small(t)
	gone := v.packsOf(pack.Meta)
	for name := range v.objects() {
		if strings.HasPrefix(name, "index/") {
			gone = append(gone, name)
		}
	}
	for _, name := range gone {
		if err := v.store.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	before := slices.Sorted(maps.Keys(v.objects()))
	db := v.again().db
	_, err := upkeep.Collect(t.Context(), db, history.New(db, ledger.New(db, "w")), upkeep.CollectOptions{Now: time.Now,
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }})
	if after := slices.Sorted(maps.Keys(v.objects())); !errors.Is(err, upkeep.ErrIncomplete) || !slices.Equal(after, before) {
		t.Errorf("%v\nbefore %q\nafter %q", err, before, after)
	}
}
