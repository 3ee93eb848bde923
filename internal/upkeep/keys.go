package upkeep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"varve/internal/object"
)

// ErrLastKey says that a vault would be left without a key that is known to open it.
var ErrLastKey = errors.New("no other key is known to open the vault")

// RemoveKeys removes key slots. It refuses, with ErrLastKey, if none would be left that is as a holder of the
// vault's key has made it; the caller has seen to it that somebody knows the secret of one. Another program may
// remove the others at the same time: then each sees it, and puts back what it took.
func RemoveKeys(ctx context.Context, db *object.DB, ids ...string) error {
	keys, err := db.ListKeys(ctx)
	if err != nil {
		return err
	}
	var gone []object.Key
	for _, id := range ids {
		at := slices.IndexFunc(keys, func(k object.Key) bool { return k.ID == id })
		if at < 0 {
			return fmt.Errorf("key %s: %w", id, fs.ErrNotExist)
		}
		gone = append(gone, keys[at])
		keys = slices.Delete(keys, at, at+1)
	}
	if !slices.ContainsFunc(keys, isOurs) {
		return ErrLastKey
	}
	for _, k := range gone {
		if err := db.Store().Delete(ctx, "keys/"+k.ID); err != nil {
			return fmt.Errorf("remove key %s: %w", k.ID, err)
		}
	}
	if err := db.Store().Barrier(ctx); err != nil {
		return err
	}
	return putBack(ctx, db, gone)
}

func isOurs(k object.Key) bool { return k.Ours }

// putBack puts removed slots back, under new names, if nothing else is left to open the vault.
func putBack(ctx context.Context, db *object.DB, gone []object.Key) error {
	ctx = context.WithoutCancel(ctx)
	left, err := db.ListKeys(ctx)
	if err == nil && slices.ContainsFunc(left, isOurs) {
		return nil
	}
	for _, k := range gone {
		if !k.Ours {
			continue
		}
		if _, perr := db.PutKey(ctx, k.Slot); perr != nil {
			err = errors.Join(err, perr)
		}
	}
	return errors.Join(ErrLastKey, err)
}
