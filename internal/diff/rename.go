package diff

import (
	"path"

	"varve/internal/digest"
	"varve/internal/history"
)

// Key tells whether two files have the same content without reading them. The keys of one list must be made
// in one way.
type Key struct {
	Digest digest.Digest
	Size   int64 // bytes; where it is 0 there is nothing to recognise a file by
}

// Item is a change that may be half of a rename.
type Item struct {
	Kind history.Kind
	Path string
	Key  Key
}

// Renames finds each file that was removed from one path and added with the same content at another. It returns
// for every item the position of its other half, or -1. An added file takes the removed one of the same
// base name, if one is left, else the first in the order of items. The work is proportional to their number.
func Renames(items []Item) []int {
	partner := make([]int, len(items))
	type named struct {
		Key
		base string
	}
	byName, byKey := map[named][]int{}, map[Key][]int{}
	for i := range items {
		partner[i] = -1
		if it := &items[i]; it.Kind == history.Removed && it.Key.Size > 0 {
			n := named{it.Key, path.Base(it.Path)}
			byName[n] = append(byName[n], i)
			byKey[it.Key] = append(byKey[it.Key], i)
		}
	}
	if len(byKey) == 0 {
		return partner
	}
	join := func(i int, from []int) []int {
		for len(from) > 0 && partner[from[0]] >= 0 { // taken by its name
			from = from[1:]
		}
		if len(from) > 0 {
			partner[i], partner[from[0]] = from[0], i
			from = from[1:]
		}
		return from
	}
	for i := range items {
		if it := &items[i]; it.Kind == history.Added && it.Key.Size > 0 {
			n := named{it.Key, path.Base(it.Path)}
			if from := byName[n]; len(from) > 0 {
				byName[n] = join(i, from)
			}
		}
	}
	for i := range items {
		if it := &items[i]; it.Kind == history.Added && partner[i] < 0 {
			if from := byKey[it.Key]; len(from) > 0 {
				byKey[it.Key] = join(i, from)
			}
		}
	}
	return partner
}
