package creative

import (
	"cmp"
	"maps"
	"slices"

	"varve/format"
)

// ElementChange is what happened to one element from one version of a file to another.
type ElementChange struct {
	Change     string // added, removed, changed, renamed, moved
	Old, New   *format.Element
	Aspects    []string // whose content differs: pixels, mask, geometry, …
	Properties []string // whose value differs
	Renamed    bool
	Moved      bool // it is in another element, or stands elsewhere among its siblings
}

// Element returns the element as it is, or was.
func (c *ElementChange) Element() *format.Element { return cmp.Or(c.New, c.Old) }

// Compare says what differs between the elements of two versions of a file: in the order of the new ones, and then those
// that are gone. Elements are the same by their stable ids; those that have none, by id and kind and then by kind, parent
// and name; and what is left and unique by its content.
func Compare(old, new []format.Element) []ElementChange {
	p := pair(old, new)
	var out []ElementChange
	moved := reordered(old, new, p)
	for j := range new {
		i, ok := p.oldOf[j]
		if !ok {
			out = append(out, ElementChange{Change: "added", New: &new[j]})
			continue
		}
		if c, ok := compareElement(&old[i], &new[j]); ok || moved[j] || p.parentChanged(old, new, i, j) {
			c.Moved = moved[j] || p.parentChanged(old, new, i, j)
			c.name()
			out = append(out, c)
		}
	}
	for i := range old {
		if _, ok := p.newOf[i]; !ok {
			out = append(out, ElementChange{Change: "removed", Old: &old[i]})
		}
	}
	return out
}

func (c *ElementChange) name() {
	switch {
	case len(c.Aspects)+len(c.Properties) > 0:
		c.Change = "changed"
	case c.Renamed:
		c.Change = "renamed"
	default:
		c.Change = "moved"
	}
}

// compareElement says what differs in an element itself.
func compareElement(old, new *format.Element) (ElementChange, bool) {
	c := ElementChange{Old: old, New: new, Renamed: old.Name != new.Name, Aspects: differing(old.Aspects, new.Aspects), Properties: differing(old.Properties, new.Properties)}
	return c, c.Renamed || len(c.Aspects)+len(c.Properties) > 0
}

func differing(a, b map[string]string) []string {
	var out []string
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			out = append(out, k)
		}
	}
	for k := range b {
		if _, ok := a[k]; !ok {
			out = append(out, k)
		}
	}
	slices.Sort(out)
	return out
}

// pairing says which elements of two versions are the same, by their positions.
type pairing struct{ newOf, oldOf map[int]int }

func pair(old, new []format.Element) *pairing {
	p := &pairing{newOf: map[int]int{}, oldOf: map[int]int{}}
	p.by(old, new, func(e *format.Element) string { return e.Stable })
	unnamed := func(key func(e *format.Element) string) func(e *format.Element) string {
		return func(e *format.Element) string {
			if e.Stable != "" {
				return "" // if it were there, it would have been found
			}
			return key(e)
		}
	}
	p.by(old, new, unnamed(func(e *format.Element) string { return e.Kind + "\x00" + e.ID + "\x00" + e.Name }))
	p.by(old, new, unnamed(func(e *format.Element) string { return e.Kind + "\x00" + e.Name + "\x00" + e.Parent }))
	p.by(old, new, unnamed(func(e *format.Element) string { return e.Kind + "\x00" + e.Hash() }))
	return p
}

// by pairs the elements that are not yet paired, and whose key no other of their version has.
func (p *pairing) by(old, new []format.Element, key func(*format.Element) string) {
	index := func(list []format.Element, taken map[int]int) map[string]int {
		out := map[string]int{}
		for i := range list {
			if _, ok := taken[i]; ok {
				continue
			}
			k := key(&list[i])
			if k == "" {
				continue
			}
			if _, twice := out[k]; twice {
				out[k] = -1
				continue
			}
			out[k] = i
		}
		return out
	}
	theirs := index(new, p.oldOf)
	for k, i := range index(old, p.newOf) {
		if j, ok := theirs[k]; ok && i >= 0 && j >= 0 {
			p.newOf[i], p.oldOf[j] = j, i
		}
	}
}

// parentChanged reports whether a paired element is in another element than before.
func (p *pairing) parentChanged(old, new []format.Element, i, j int) bool {
	was, is := old[i].Parent, new[j].Parent
	if was == "" || is == "" {
		return was != is
	}
	at := slices.IndexFunc(old, func(e format.Element) bool { return e.ID == was })
	to, ok := p.newOf[at]
	return !ok || new[to].ID != is
}

// reordered returns the new positions of the fewest elements that must have been moved among their siblings.
func reordered(old, new []format.Element, p *pairing) map[int]bool {
	siblings := map[string][]int{} // positions of the new, in order, by parent
	for j := range new {
		if i, ok := p.oldOf[j]; ok && !p.parentChanged(old, new, i, j) {
			siblings[new[j].Parent] = append(siblings[new[j].Parent], j)
		}
	}
	out := map[int]bool{}
	for _, parent := range slices.Sorted(maps.Keys(siblings)) {
		list := siblings[parent]
		before := make([]int, len(list))
		for n, j := range list {
			before[n] = p.oldOf[j]
		}
		stay := longestRising(before)
		for n, j := range list {
			if !stay[n] {
				out[j] = true
			}
		}
	}
	return out
}

// longestRising marks the positions of a longest rising subsequence.
func longestRising(a []int) []bool {
	tails, prev := []int{}, make([]int, len(a))
	for i := range a {
		k, _ := slices.BinarySearchFunc(tails, a[i], func(t, v int) int { return cmp.Compare(a[t], v) })
		prev[i] = -1
		if k > 0 {
			prev[i] = tails[k-1]
		}
		if k == len(tails) {
			tails = append(tails, i)
		} else {
			tails[k] = i
		}
	}
	out := make([]bool, len(a))
	if len(tails) == 0 {
		return out
	}
	for i := tails[len(tails)-1]; i >= 0; i = prev[i] {
		out[i] = true
	}
	return out
}
