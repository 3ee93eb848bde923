package object

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"varve/internal/index"
	"varve/internal/pack"
	"varve/internal/seal"
)

// Crowded reports whether the index has so many small segments that it is worth merging some.
func (db *DB) Crowded() bool {
	db.load.Lock()
	defer db.load.Unlock()
	return len(index.Plan(db.segmentSizes())) > 0
}

func (db *DB) segmentSizes() []int {
	sizes := make([]int, len(db.read))
	for i, s := range db.read {
		sizes[i] = s.Len()
	}
	return sizes
}

// MergeIndex publishes segments that stand for several: those of one size of which there are many, and all that
// speak of packs that are gone, of which the new ones say nothing. It returns the names of the segments that may be
// deleted now. The new ones have survived power loss, and packs must have been deleted before: else one that is not
// deleted after all would have to be read to be found again.
func (db *DB) MergeIndex(ctx context.Context, gone map[pack.ID]bool) (replaced []string, err error) {
	db.load.Lock()
	defer db.load.Unlock()
	groups := db.mergeGroups(gone)
	if len(groups) == 0 {
		return nil, nil
	}
	listed := map[string]bool{}
	for o, err := range db.store.List(ctx, "index/") {
		if err != nil {
			return nil, fmt.Errorf("list index: %w", err)
		}
		listed[o.Name] = true
	}
	for _, group := range groups {
		names, err := db.mergeSegments(ctx, group, gone, listed)
		if err != nil {
			return nil, fmt.Errorf("merge index: %w", err)
		}
		replaced = append(replaced, names...)
	}
	if err := db.store.Barrier(ctx); err != nil {
		return nil, err
	}
	db.read = slices.DeleteFunc(db.read, func(s named) bool { return slices.Contains(replaced, s.name) })
	return replaced, db.refresh(ctx)
}

// mergeRows bounds a merge that drops packs, in rows: each takes about 30 bytes of memory.
const mergeRows = 1 << 25

// mergeGroups returns the positions in db.read of the segments to merge with each other.
func (db *DB) mergeGroups(gone map[pack.ID]bool) [][]int {
	var groups [][]int
	taken := map[int]bool{}
	for _, g := range index.Plan(db.segmentSizes()) {
		groups = append(groups, g)
		for _, i := range g {
			taken[i] = true
		}
	}
	var open []int
	rows := 0
	for i, s := range db.read {
		if taken[i] || !slices.ContainsFunc(s.Packs(), func(p index.PackInfo) bool { return gone[pack.ID(p.ID)] }) {
			continue
		}
		if rows+s.Len() > mergeRows && len(open) > 0 {
			groups, open, rows = append(groups, open), nil, 0
		}
		open, rows = append(open, i), rows+s.Len()
	}
	if len(open) > 0 {
		groups = append(groups, open)
	}
	return groups
}

// mergeSegments puts one segment for a group and returns the names of the group's, and of those that they stood for
// and that are listed yet.
func (db *DB) mergeSegments(ctx context.Context, group []int, gone map[pack.ID]bool, listed map[string]bool) (names []string, err error) {
	var segs []*index.Segment
	var ids []index.SegmentID
	for _, i := range group {
		s := db.read[i]
		names = append(names, s.name)
		segs = append(segs, s.Segment)
		for _, id := range s.Replaces() {
			if name := "index/" + hex.EncodeToString(id[:]); listed[name] && !slices.Contains(names, name) {
				names, ids = append(names, name), append(ids, id)
			}
		}
		if id, ok := parseID(strings.TrimPrefix(s.name, "index/")); ok {
			ids = append(ids, index.SegmentID(id))
		}
	}
	b, err := index.Merge(segs, func(id index.PackID) bool { return gone[pack.ID(id)] }, ids...)
	if err != nil {
		return nil, err
	}
	if m, err := index.Open(b); err != nil {
		return nil, err
	} else if len(m.Packs()) == 0 {
		return names, nil // nothing is left to say
	}
	id, err := db.NewID()
	if err != nil {
		return nil, err
	}
	name := hex.EncodeToString(id[:])
	sealed, err := db.keys.Seal(nil, seal.Index, []byte(name), b, db.opt.Rand)
	if err != nil {
		return nil, err
	}
	return names, db.store.Put(ctx, "index/"+name, sealed)
}
