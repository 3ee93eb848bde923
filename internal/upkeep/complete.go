package upkeep

import (
	"context"
	"fmt"

	"varve/internal/digest"
	"varve/internal/history"
	"varve/internal/object"
	"varve/internal/tree"
)

// Complete is nil if everything that a snapshot needs is in packs that may be shared with, and ErrMissing otherwise.
// Within a session whose view of the collections is the database's, such a snapshot may be referred to as any object.
func Complete(ctx context.Context, db *object.DB, s *history.Snapshot) error {
	r := db.NewReader()
	seen := map[digest.Digest]bool{}
	get := func(ctx context.Context, d digest.Digest) ([]byte, error) { return r.Get(ctx, d, nil) }
	has := func(d digest.Digest) error {
		have, delta, err := db.Has(ctx, d)
		if err == nil && !have {
			err = fmt.Errorf("%s: %w", d, object.ErrMissing)
		}
		if err != nil || !delta {
			return err
		}
		bases, err := r.Base(ctx, d)
		for _, b := range bases {
			if err == nil {
				have, delta, err = db.Has(ctx, b)
			}
			if err == nil && (!have || delta) {
				err = fmt.Errorf("base %s: %w", b, object.ErrMissing)
			}
		}
		return err
	}
	err := tree.Walk(ctx, get, s.Root, func(kind tree.Kind, d digest.Digest) (bool, error) {
		if kind != tree.Data && seen[d] {
			return false, nil
		}
		if kind != tree.Data {
			seen[d] = true
		}
		return true, has(d)
	})
	for i := 0; i < len(s.Changes) && err == nil; i++ {
		var d digest.Digest
		if d, err = digest.Parse(s.Changes[i]); err == nil {
			err = has(d)
		}
	}
	return err
}

// MergeIndex joins index segments of which there are many, and deletes those that were joined.
func MergeIndex(ctx context.Context, db *object.DB) error {
	replaced, err := db.MergeIndex(ctx, nil)
	for i := 0; i < len(replaced) && err == nil; i++ {
		err = db.Store().Delete(ctx, replaced[i])
	}
	return err
}
