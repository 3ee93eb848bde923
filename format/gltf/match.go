package gltf

import (
	"fmt"

	"varve/format"
)

// match finds an element of from in into: by the name that it has in every version; where it has none, by what it is,
// or by its place if neither list became longer or shorter. -1 if it is not there.
func (g *graft) match(list string, i int) (int, error) {
	if s := g.from.stable[list][i]; s != "" {
		if k, ok := g.names(list)[s]; ok {
			return k, nil
		}
	}
	k, err := g.twin(list, i)
	if err != nil || k >= 0 && g.into.stable[list][k] == "" {
		return k, err
	}
	if g.from.stable[list][i] == "" && len(g.into.lists[list]) == len(g.from.lists[list]) && g.into.stable[list][i] == "" && g.into.name(list, i) == g.from.name(list, i) {
		return i, nil
	}
	return -1, nil
}

// names returns the elements of a list of into by their stable names.
func (g *graft) names(list string) map[string]int {
	if g.stable[list] == nil {
		g.stable[list] = map[string]int{}
		for k, s := range g.into.stable[list] {
			if s != "" {
				g.stable[list][s] = k
			}
		}
	}
	return g.stable[list]
}

// twin finds an element of into that is the same by name and content; the one at the same place, if it is so; -1 if there
// is none.
func (g *graft) twin(list string, i int) (int, error) {
	if i < len(g.into.lists[list]) {
		if same, err := g.same(list, i, i); same || err != nil {
			return i, err
		}
	}
	if g.twins[list] == nil {
		g.twins[list] = map[string]int{}
		for k := range g.into.lists[list] {
			h, err := g.into.hash(list, k)
			if err != nil {
				return -1, err
			}
			if _, ok := g.twins[list][h]; !ok {
				g.twins[list][h] = k
			}
		}
	}
	h, err := g.from.hash(list, i)
	if err != nil {
		return -1, err
	}
	if k, ok := g.twins[list][h]; ok {
		return k, nil
	}
	return -1, nil
}

// hash is of all that Elements says of an element, and its name.
func (r *reader) hash(list string, i int) (string, error) {
	id := idOf(list, i)
	if h, ok := r.whole[id]; ok {
		return h, nil
	}
	e := format.Element{Kind: kindOf(list), Properties: map[string]string{}, Aspects: map[string]string{}}
	if err := r.element(&e, list, i); err != nil {
		return "", err
	}
	if r.whole == nil {
		r.whole = map[string]string{}
	}
	r.whole[id] = e.Hash() + " " + r.name(list, i)
	return r.whole[id], nil
}

// same reports whether elements are the same by all that Elements says of them.
func (g *graft) same(list string, from, into int) (bool, error) {
	a, err := g.from.hash(list, from)
	if err != nil {
		return false, err
	}
	b, err := g.into.hash(list, into)
	return a == b, err
}

// find returns what is to be in the place of an element that another needs: -1 if it is to be appended. Materials,
// nodes and variants that are there are as good; data must be the same; the rest must be, or be of no one else.
func (g *graft) find(by *plan, ref reference) (int, error) {
	switch ref.to {
	case bufferViews:
		return -1, nil
	case accessors, samplers:
		return g.equal(ref.to, ref.index)
	}
	k, err := g.match(ref.to, ref.index)
	if err != nil {
		return 0, err
	}
	if ref.to == nodes || ref.to == variants || k >= 0 && ref.to == materials {
		return k, nil
	}
	if k >= 0 {
		if same, err := g.same(ref.to, ref.index, k); same || err != nil {
			return k, err
		}
		if g.free(ref.to, k) {
			return k, nil
		}
		g.note("%s is shared with others, which keep it as it is", g.called(&plan{list: ref.to, from: ref.index}))
	}
	return g.twin(ref.to, ref.index)
}

// equal finds an entry without name that says the same. Arrays are read only where another may be the same.
func (g *graft) equal(list string, i int) (int, error) {
	kind, err := g.from.sort(list, i)
	if err != nil {
		return 0, err
	}
	if g.sorts[list] == nil {
		g.sorts[list] = map[string][]int{}
		for k := range g.into.lists[list] {
			s, err := g.into.sort(list, k)
			if err != nil {
				return 0, err
			}
			g.sorts[list][s] = append(g.sorts[list][s], k)
		}
	}
	if len(g.sorts[list][kind]) == 0 {
		return -1, nil
	}
	want, err := g.says(g.from, list, i)
	if err != nil {
		return 0, err
	}
	for _, k := range g.sorts[list][kind] {
		got, err := g.says(g.into, list, k)
		if err != nil {
			return 0, err
		}
		if got == want {
			return k, nil
		}
	}
	return -1, nil
}

// sort is what equal entries have in common for certain.
func (r *reader) sort(list string, i int) (string, error) {
	if list != accessors {
		return "", nil
	}
	a, err := r.array(i)
	return fmt.Sprint(a.count, a.component, a.kind, a.normalized), err
}

func (g *graft) says(r *reader, list string, i int) (string, error) {
	if list != accessors {
		return r.content(list, i)
	}
	h, err := r.dataHash(i)
	if err != nil {
		return "", err
	}
	for _, name := range []string{"min", "max"} {
		if t := r.get(r.lists[list][i], name); t >= 0 {
			b, err := r.canon(list, t, []string{name})
			if err != nil {
				return "", err
			}
			h += string(b)
		}
	}
	return h, nil
}

// usersOf returns the ids of the elements of into that point to one.
func (g *graft) usersOf(list string, i int) []string {
	if g.users == nil {
		g.users = map[string][]string{}
		for _, l := range allLists() {
			for k := range g.into.lists[l] {
				refs, err := g.into.references(l, k)
				if err != nil {
					continue
				}
				for _, ref := range refs {
					to := idOf(ref.to, ref.index)
					g.users[to] = append(g.users[to], idOf(l, k))
				}
			}
		}
	}
	return g.users[idOf(list, i)]
}

// free reports whether all that point to an element of into are asked for, too, or replaced.
func (g *graft) free(list string, i int) bool {
	for _, u := range g.usersOf(list, i) {
		if !g.taken[u] {
			return false
		}
	}
	return true
}

// showing returns the ids of the textures and materials of into that look different because an image or texture, which
// they have, is replaced.
func (g *graft) showing(list string, i int) (out []string) {
	if list != images && list != textures {
		return nil
	}
	for _, u := range g.usersOf(list, i) {
		l, k, err := g.into.parseID(u)
		if err != nil || l != textures && l != materials {
			continue
		}
		if !g.taken[u] && l == materials {
			g.note("the material %q shows it, too", g.into.name(l, k))
		}
		out = append(append(out, u), g.showing(l, k)...)
	}
	return out
}
