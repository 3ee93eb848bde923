package gltf

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// render writes an element as it is to be in the other file: as it stands, with other numbers where it points to others.
func (g *graft) render(p *plan) ([]byte, error) {
	switch p.list {
	case accessors:
		return g.renderArray(p)
	case bufferViews:
		v, err := g.from.view(p.from)
		if err != nil {
			return nil, err
		}
		b, err := g.from.bytesOf(p.from, 0, v.n)
		if err != nil {
			return nil, err
		}
		return g.viewOf(b, 0, 0), nil
	}
	if p.refs == nil {
		var err error
		if p.refs, err = g.from.references(p.list, p.from); err != nil {
			return nil, err
		}
	}
	k := g.from.lists[p.list][p.from]
	t := g.from.tape[k]
	var s splice
	for _, ref := range p.refs {
		if g.owns(p, ref) {
			continue
		}
		q := g.plans[idOf(ref.to, ref.index)]
		at := g.from.tape[ref.token]
		s.replace(at.off, at.end, strconv.AppendInt(nil, int64(q.to), 10))
	}
	if p.list == images {
		if u := g.from.string(g.from.get(k, "uri")); u != "" && !isData(u) {
			g.note("it needs the picture %q", u)
		}
	}
	if p.list == nodes || p.list == scenes {
		g.renderChildren(p, k, &s)
	}
	return s.apply(g.from.b, t.off, t.end), nil
}

// renderChildren gives a node or scene the children that it has in the other file, and those that come to it.
func (g *graft) renderChildren(p *plan, k int, s *splice) {
	name, row := "children", p.to
	if p.list == scenes {
		name, row = nodes, -1-p.to
	}
	var all []int
	if p.how == replaced {
		for c := range g.into.items(g.into.get(g.into.lists[p.list][p.to], name)) {
			if n, ok := g.into.count(c); ok {
				all = append(all, int(n))
			}
		}
	}
	all = append(all, g.rows[row]...)
	if p.list == scenes && p.how == appended { // nodes that are there are shown in it, too
		for c := range g.from.items(g.from.get(k, nodes)) {
			if n, ok := g.from.count(c); ok {
				if q := g.plans[idOf(nodes, int(n))]; q != nil && q.how != appended {
					all = append(all, q.to)
				}
			}
		}
	}
	delete(g.rows, row)
	list := []byte{'['}
	for i, n := range all {
		if i > 0 {
			list = append(list, ',')
		}
		list = strconv.AppendInt(list, int64(n), 10)
	}
	list = append(list, ']')
	switch at := g.from.get(k, name); {
	case at >= 0 && g.sameList(at, all):
	case at >= 0 && len(all) > 0:
		s.replace(g.from.tape[at].off, g.from.tape[at].end, list)
	case at >= 0:
		g.cutMember(k, at, s)
	case len(all) > 0:
		add := additions{d: g.from.document}
		add.add(k, member(name, list))
		add.into(s)
	}
}

// sameList reports whether an array of from has these numbers: then it stays as it is written.
func (g *graft) sameList(at int, want []int) bool {
	i := 0
	for c := range g.from.items(at) {
		n, ok := g.from.count(c)
		if !ok || i == len(want) || int(n) != want[i] {
			return false
		}
		i++
	}
	return i == len(want)
}

// cutMember takes a member out of an object: an empty list of children is not allowed.
func (g *graft) cutMember(object, value int, s *splice) {
	var keys []int
	at := 0
	for key, v := range g.from.members(object) {
		if v == value {
			at = len(keys)
		}
		keys = append(keys, key)
	}
	t := g.from.tape
	switch {
	case at+1 < len(keys): // with the comma behind it
		s.replace(t[keys[at]].off, t[keys[at+1]].off, nil)
	case at > 0: // with the comma before it
		s.replace(t[keys[at-1]+1].end, t[value].end, nil)
	default:
		s.replace(t[keys[at]].off, t[value].end, nil)
	}
}

// children gives nodes and scenes that stay as they are the children that come to them.
func (g *graft) children() {
	for _, row := range slices.SortedFunc(maps.Keys(g.rows), cmp.Compare) {
		list, i, name := nodes, row, "children"
		if row < 0 {
			list, i, name = scenes, -1-row, nodes
		}
		if i >= len(g.into.lists[list]) {
			continue // it was appended, with its children
		}
		k := g.into.lists[list][i]
		at := g.into.get(k, name)
		var all []byte
		for n, child := range g.rows[row] {
			b := strconv.AppendInt(nil, int64(child), 10)
			if at >= 0 {
				g.additions.add(at, b)
				continue
			}
			if n > 0 {
				all = append(all, ',')
			}
			all = append(all, b...)
		}
		if at < 0 {
			g.additions.add(k, member(name, append(append([]byte{'['}, all...), ']')))
		}
	}
}

// viewOf makes a view of new bytes.
func (g *graft) viewOf(b []byte, stride, purpose int64) []byte {
	for (g.start+int64(len(g.more)))%4 != 0 {
		g.more = append(g.more, 0)
	}
	out := fmt.Appendf(nil, `{"buffer":%d,"byteOffset":%d,"byteLength":%d`, g.buffer, g.start+int64(len(g.more)), len(b))
	if stride > 0 {
		out = fmt.Appendf(out, `,"byteStride":%d`, stride)
	}
	if purpose > 0 {
		out = fmt.Appendf(out, `,"target":%d`, purpose)
	}
	g.more = append(g.more, b...)
	return append(out, '}')
}

// newView appends a view of new bytes and returns its place.
func (g *graft) newView(b []byte, stride, purpose int64) int {
	to := g.length[bufferViews]
	g.length[bufferViews]++
	for len(g.fresh[bufferViews]) <= to-len(g.into.lists[bufferViews]) {
		g.fresh[bufferViews] = append(g.fresh[bufferViews], nil)
	}
	g.fresh[bufferViews][to-len(g.into.lists[bufferViews])] = g.viewOf(b, stride, purpose)
	return to
}

// renderArray writes an array with views of its own: of what it has of theirs.
func (g *graft) renderArray(p *plan) ([]byte, error) {
	a, err := g.from.array(p.from)
	if err != nil {
		return nil, err
	}
	k := g.from.lists[accessors][p.from]
	t := g.from.tape
	var s splice
	move := func(a *array, k int) error {
		n, stride, err := g.from.span(a)
		if err != nil {
			return err
		}
		b, err := g.from.bytesOf(a.view, a.off, n)
		if err != nil {
			return err
		}
		in := g.from.lists[bufferViews][a.view]
		purpose, _ := g.from.or(in, "target", 0)
		apart := int64(0)
		if _, has := g.from.count(g.from.get(in, "byteStride")); has {
			apart = (a.size + 3) &^ 3 // of others, that lie between, nothing is taken along
			tight := make([]byte, (a.count-1)*apart+a.size)
			for i := range a.count {
				copy(tight[i*apart:i*apart+a.size], b[i*stride:])
			}
			b = tight
		}
		to := g.newView(b, apart, purpose)
		v := g.from.get(k, "bufferView")
		s.replace(t[v].off, t[v].end, strconv.AppendInt(nil, int64(to), 10))
		if o := g.from.get(k, "byteOffset"); o >= 0 && a.off != 0 {
			s.replace(t[o].off, t[o].end, []byte{'0'})
		}
		return nil
	}
	if a.view >= 0 {
		if err := move(&a, k); err != nil {
			return nil, err
		}
	}
	if a.sparse >= 0 {
		where, what, err := g.from.sparseArrays(&a)
		if err != nil {
			return nil, err
		}
		if err := move(&where, g.from.get(a.sparse, "indices")); err != nil {
			return nil, err
		}
		if err := move(&what, g.from.get(a.sparse, "values")); err != nil {
			return nil, err
		}
	}
	return s.apply(g.from.b, t[k].off, t[k].end), nil
}
