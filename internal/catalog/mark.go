package catalog

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"

	"varve/internal/disk"
	"varve/internal/object"
	"varve/internal/seal"
)

// markName is a name for the vault at its place: an older copy elsewhere has seen less, and that is right.
func markName(db *object.DB, place string) string {
	id := db.Vault()
	at := db.Digest([]byte("varve/1 place " + place))
	return hex.EncodeToString(id[:]) + "-" + at.String()[:16] + ".mark"
}

// ReadMark returns the snapshots that this client has seen in the vault at a place; none where it has no mark yet.
func ReadMark(db *object.DB, state disk.Dir, place string) (map[object.SID]bool, error) {
	sealed, err := disk.ReadFile(state, markName(db, place), maxMark+seal.Overhead)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("mark of the vault: %w", err)
	}
	return openMark(db.Keys(), sealed)
}

func openMark(keys *seal.Keys, sealed []byte) (map[object.SID]bool, error) {
	plain, err := keys.Open(nil, seal.Catalog, []byte(markID), sealed, maxMark)
	if err != nil || len(plain)%len(object.SID{}) != 0 {
		return nil, fmt.Errorf("mark of the vault: %w", errors.Join(object.ErrDamaged, err))
	}
	out := map[object.SID]bool{}
	for ; len(plain) > 0; plain = plain[len(object.SID{}):] {
		out[object.SID(plain[:len(object.SID{})])] = true
	}
	return out, nil
}

// WriteMark keeps the snapshots that this client has seen.
func WriteMark(db *object.DB, state disk.Dir, place string, seen map[object.SID]bool) error {
	ids := slices.SortedFunc(maps.Keys(seen), func(a, b object.SID) int { return bytes.Compare(a[:], b[:]) })
	plain := make([]byte, 0, len(ids)*len(object.SID{}))
	for _, id := range ids {
		plain = append(plain, id[:]...)
	}
	sealed, err := db.Keys().Seal(nil, seal.Catalog, []byte(markID), plain, db.Rand())
	if err != nil {
		return err
	}
	if err := disk.WriteWhole(state, markName(db, place), 0o600, sealed); err != nil {
		return fmt.Errorf("mark of the vault: %w", err)
	}
	return nil
}
