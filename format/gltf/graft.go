package gltf

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"

	"varve/format"
)

// how an element comes to be in the other file.
type how uint8

const (
	kept     how = iota // it is there
	replaced            // in the place of its older or newer self
	appended            // behind the others
)

// plan is where an element goes.
type plan struct {
	list     string
	from, to int
	how      how
	asked    bool
	refs     []reference // of the element as it is
	parents  []int       // nodes and then scenes of the other file that are to have it, if it is a node that is appended
}

// graft puts elements of one document into another. First it plans what goes where, then it writes.
type graft struct {
	ctx        context.Context
	from, into *reader
	plans      map[string]*plan
	order      []*plan
	length     map[string]int  // of the lists of into, with what is appended
	taken      map[string]bool // ids of into that are asked for or replaced
	users      map[string][]string
	additions  additions
	splice     splice
	more       []byte // new bytes
	start      int64  // of the new bytes in their buffer
	buffer     int    // that they are in
	fresh      map[string][]json.RawMessage
	rows       map[int][]int // children to add, by node of into; by -1-scene for scenes
	notes      []string
	stable     map[string]map[string]int   // elements of into by their names
	twins      map[string]map[string]int   // and by what they are
	sorts      map[string]map[string][]int // entries without name, by what is quickly known of them
	nodes      bool                        // nodes that are only pointed to are brought along
}

// Graft replaces elements by their older selves, or puts them back where they are gone: a node with what is below it, its
// mesh, camera, light and skin; a mesh with those materials that are not there; a material with its textures. Materials
// that are there stay as they are, unless they are asked for; so do meshes that other nodes have, too.
func (Format) Graft(ctx context.Context, into, from format.Input, ids []string) (*format.Grafting, error) {
	a, err := read(into)
	if err != nil {
		return nil, err
	}
	b, err := read(from)
	if err != nil {
		return nil, err
	}
	g := newGraft(ctx, a, b)
	if err := g.plan(ids); err != nil {
		return nil, err
	}
	return g.finish()
}

func newGraft(ctx context.Context, into, from *reader) *graft {
	g := &graft{ctx: ctx, from: from, into: into, plans: map[string]*plan{}, length: map[string]int{}, taken: map[string]bool{},
		fresh: map[string][]json.RawMessage{}, rows: map[int][]int{}, stable: map[string]map[string]int{}, twins: map[string]map[string]int{}, sorts: map[string]map[string][]int{}}
	g.additions.d = into.document
	for _, list := range allLists() {
		g.length[list] = len(into.lists[list])
	}
	return g
}

// plan decides what goes where.
func (g *graft) plan(ids []string) error {
	type wanted struct {
		list string
		i    int
	}
	var asked []wanted
	seen := map[wanted]bool{}
	var ask func(list string, i int)
	ask = func(list string, i int) {
		if w := (wanted{list, i}); !seen[w] {
			seen[w] = true
			asked = append(asked, w)
		}
	}
	below := make([][]int, len(g.from.lists[nodes]))
	for _, i := range g.from.order {
		if p := g.from.parent[i]; p >= 0 {
			below[p] = append(below[p], i)
		}
	}
	var under func(i int)
	under = func(i int) {
		stack := []int{i}
		for len(stack) > 0 {
			k := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			ask(nodes, k)
			for c := len(below[k]) - 1; c >= 0; c-- {
				stack = append(stack, below[k][c])
			}
		}
	}
	for _, id := range ids {
		list, i, err := g.from.parseID(id)
		if err != nil {
			return err
		}
		if kindOf(list) == "" {
			return fmt.Errorf("%w: %.80q", format.ErrNoElement, id)
		}
		switch list {
		case nodes:
			under(i)
		case scenes:
			ask(list, i)
			for _, k := range g.from.order {
				if g.from.scene[k] == i {
					under(k)
				}
			}
		default:
			ask(list, i)
		}
	}
	for _, w := range asked { // what is asked for takes its place, whoever else needs it
		if err := g.settle(w.list, w.i); err != nil {
			return err
		}
	}
	for _, w := range asked {
		if err := g.follow(g.plans[idOf(w.list, w.i)]); err != nil {
			return err
		}
	}
	return g.settleKept()
}

// settle decides where an element that is asked for goes.
func (g *graft) settle(list string, i int) error {
	if err := g.ctx.Err(); err != nil {
		return err
	}
	p := &plan{list: list, from: i, asked: true}
	k, err := g.match(list, i)
	if err != nil {
		return err
	}
	if k >= 0 {
		p.to, p.how = k, replaced
		same, err := g.same(list, i, k)
		if err != nil {
			return err
		}
		if same {
			p.how = kept
		}
		g.taken[idOf(list, k)] = true
	} else {
		g.push(p)
	}
	g.add(p)
	return nil
}

// push puts an element behind those of its list.
func (g *graft) push(p *plan) {
	p.how, p.to = appended, g.length[p.list]
	g.length[p.list]++
}

func (g *graft) add(p *plan) {
	g.plans[idOf(p.list, p.from)] = p
	g.order = append(g.order, p)
}

// follow plans what an element points to, and what points to it.
func (g *graft) follow(p *plan) error {
	var err error
	if p.refs, err = g.from.references(p.list, p.from); err != nil {
		return err
	}
	if p.how != kept {
		if x := g.from.foreign(p.list, p.from); x != "" {
			return &format.Refusal{Reason: fmt.Sprintf("%s has the extension %s, whose references are not known", g.called(p), x)}
		}
	}
	if p.how == kept && p.list != nodes {
		return nil
	}
	for _, ref := range p.refs {
		if g.owns(p, ref) {
			continue
		}
		if err := g.need(p, ref); err != nil {
			return err
		}
	}
	if p.list == nodes && p.how == appended {
		return g.hang(p)
	}
	return nil
}

// owns reports whether a reference is to what is in an element, and is asked for with it, or not at all.
func (g *graft) owns(p *plan, ref reference) bool {
	return ref.to == nodes && (p.list == scenes || p.list == nodes && g.isChild(p.from, ref.index))
}

func (g *graft) isChild(parent, child int) bool { return g.from.parent[child] == parent }

func (g *graft) called(p *plan) string {
	if n := g.from.name(p.list, p.from); n != "" {
		return fmt.Sprintf("%s %q", kindOf(p.list), n)
	}
	return idOf(p.list, p.from)
}

// need plans an element because another points to it.
func (g *graft) need(by *plan, ref reference) error {
	id := idOf(ref.to, ref.index)
	if g.plans[id] != nil {
		return nil
	}
	p := &plan{list: ref.to, from: ref.index}
	k, err := g.find(by, ref)
	if err != nil {
		return err
	}
	switch {
	case k < 0 && ref.to == nodes && !g.nodes:
		return &format.Refusal{Reason: fmt.Sprintf("%s needs the %s, which is not there", g.called(by), g.called(p)), Advice: "put it back, too"}
	case k < 0:
		g.push(p)
	default:
		p.to = k
		if kindOf(ref.to) != "" && ref.to != nodes && ref.to != materials && ref.to != variants {
			same, err := g.same(ref.to, ref.index, k)
			if err != nil {
				return err
			}
			if !same {
				p.how = replaced
			}
		}
	}
	if p.how == replaced {
		g.taken[idOf(p.list, p.to)] = true
	}
	g.add(p)
	if p.how == kept && p.list != nodes {
		return nil
	}
	if ref.to == bufferViews || ref.to == accessors {
		return nil
	}
	if p.list == nodes && p.how == kept {
		return nil
	}
	return g.follow(p)
}

// hang plans under what a node goes that is appended: its parent, if that is there or comes along, else its scene.
func (g *graft) hang(p *plan) error {
	up := g.from.parent[p.from]
	if up >= 0 {
		if q := g.plans[idOf(nodes, up)]; q != nil && q.asked {
			g.rows[q.to] = append(g.rows[q.to], p.to)
			return nil
		}
		k, err := g.match(nodes, up)
		if err != nil {
			return err
		}
		if k >= 0 {
			g.rows[k] = append(g.rows[k], p.to)
			return nil
		}
		g.note("%s was in %q, which is gone: it is now at the top, where its place may be another", g.called(p), g.from.name(nodes, up))
	}
	scene, err := g.sceneOf(p)
	if err != nil || scene < 0 {
		return err
	}
	g.rows[-1-scene] = append(g.rows[-1-scene], p.to)
	return nil
}

// sceneOf returns the scene of into for a node: its own, or else the one that is shown first; -1 if there is none.
func (g *graft) sceneOf(p *plan) (int, error) {
	if s := g.from.scene[p.from]; s >= 0 {
		if q := g.plans[idOf(scenes, s)]; q != nil {
			return q.to, nil
		}
		k, err := g.match(scenes, s)
		if k >= 0 || err != nil {
			return k, err
		}
	}
	if len(g.into.lists[scenes]) == 0 {
		return -1, nil
	}
	if k, ok := g.into.count(g.into.get(0, "scene")); ok && k < int64(len(g.into.lists[scenes])) {
		return int(k), nil
	}
	return 0, nil
}

// settleKept replaces nodes that are as they were, but are to have another mesh than there.
func (g *graft) settleKept() error {
	for _, p := range g.order {
		if p.how != kept || p.list != nodes || !p.asked {
			continue
		}
		now, err := g.into.references(nodes, p.to)
		if err != nil {
			return err
		}
		has := map[string]int{}
		for _, ref := range now {
			has[ref.to] = ref.index
		}
		for _, ref := range p.refs {
			if q := g.plans[idOf(ref.to, ref.index)]; ref.to != nodes && q != nil && has[ref.to] != q.to {
				if x := g.from.foreign(nodes, p.from); x != "" {
					return &format.Refusal{Reason: fmt.Sprintf("%s has the extension %s, whose references are not known", g.called(p), x)}
				}
				p.how = replaced
			}
		}
	}
	return nil
}

func (g *graft) note(text string, args ...any) {
	if n := fmt.Sprintf(text, args...); !slices.Contains(g.notes, n) {
		g.notes = append(g.notes, n)
	}
}

// finish writes what was planned.
func (g *graft) finish() (*format.Grafting, error) {
	if err := g.place(); err != nil {
		return nil, err
	}
	out := &format.Grafting{}
	for i := 0; i < len(g.order); i++ { // data is planned on the way
		p := g.order[i]
		if p.how == kept {
			continue
		}
		if err := g.ctx.Err(); err != nil {
			return nil, err
		}
		b, err := g.render(p)
		if err != nil {
			return nil, refuse(g.called(p), err)
		}
		if kindOf(p.list) != "" {
			out.Changed = append(out.Changed, idOf(p.list, p.to))
		}
		if p.how == replaced {
			out.Changed = append(out.Changed, g.showing(p.list, p.to)...)
			t := g.into.tape[g.into.lists[p.list][p.to]]
			if bytes.Equal(b, g.into.b[t.off:t.end]) {
				continue
			}
			g.splice.replace(t.off, t.end, b)
		} else {
			for len(g.fresh[p.list]) <= p.to-len(g.into.lists[p.list]) {
				g.fresh[p.list] = append(g.fresh[p.list], nil)
			}
			g.fresh[p.list][p.to-len(g.into.lists[p.list])] = b
		}
	}
	g.children()
	g.growBuffer()
	g.extensionsUsed()
	g.append()
	g.additions.into(&g.splice)
	var more []byte
	if g.buffer == 0 && g.into.binary {
		more = g.more
	}
	out.Content = g.into.write(&g.splice, more)
	if g.into.binary && out.Content.Size() > math.MaxUint32 {
		return nil, &format.Refusal{Reason: "the file would be larger than a GLB can be, 4 GB"}
	}
	slices.Sort(out.Changed)
	out.Changed = slices.Compact(out.Changed)
	out.Notes = g.notes
	return out, nil
}

// refuse makes a refusal of what is not known of an element.
func refuse(what string, err error) error {
	if isUnsupported(err) {
		return &format.Refusal{Reason: fmt.Sprintf("%s: %v", what, err), Advice: "restore the whole file, with those that it needs"}
	}
	return fmt.Errorf("%s: %w", what, err)
}

// place decides in which buffer new bytes go: the BIN chunk of a GLB; else a buffer of their own.
func (g *graft) place() error {
	list := g.into.lists[buffers]
	if g.into.binary && len(list) == 0 && g.into.bin.n == 0 {
		return nil
	}
	if g.into.binary && len(list) > 0 && g.into.get(list[0], "uri") < 0 && !g.into.fallback(0) {
		g.start = g.into.bin.n
		return nil
	}
	g.buffer = len(list)
	return nil
}

// growBuffer states the new bytes.
func (g *graft) growBuffer() {
	if len(g.more) == 0 {
		return
	}
	list := g.into.lists[buffers]
	switch {
	case g.buffer < len(list):
		k := g.into.get(list[0], "byteLength")
		t := g.into.tape[k]
		g.splice.replace(t.off, t.end, strconv.AppendInt(nil, g.start+int64(len(g.more)), 10))
	case g.into.binary && g.buffer == 0:
		g.fresh[buffers] = append(g.fresh[buffers], fmt.Appendf(nil, `{"byteLength":%d}`, len(g.more)))
	default:
		b := fmt.Appendf(nil, `{"byteLength":%d,"uri":"data:application/octet-stream;base64,`, len(g.more))
		b = base64.StdEncoding.AppendEncode(b, g.more)
		g.fresh[buffers] = append(g.fresh[buffers], append(b, `"}`...))
	}
}

// append puts the new entries behind their lists, which it makes where there are none.
func (g *graft) append() {
	extensions := map[string][]byte{}
	for _, list := range allLists() {
		if len(g.fresh[list]) == 0 {
			continue
		}
		path := listPath(list)
		if at := g.into.get(0, path...); at >= 0 {
			for _, b := range g.fresh[list] {
				g.additions.add(at, b)
			}
			continue
		}
		all := append(append([]byte{'['}, bytes.Join(raws(g.fresh[list]), []byte{','})...), ']')
		if len(path) == 1 {
			g.additions.add(0, member(list, all))
		} else if at := g.into.get(0, path[:2]...); at >= 0 {
			g.additions.add(at, member(list, all))
		} else {
			extensions[path[1]] = append(append([]byte{'{'}, member(list, all)...), '}')
		}
	}
	if len(extensions) == 0 {
		return
	}
	var parts [][]byte
	for _, x := range []string{punctual, variantMaterial} {
		if extensions[x] != nil {
			parts = append(parts, member(x, extensions[x]))
		}
	}
	if at := g.into.get(0, "extensions"); at >= 0 {
		for _, p := range parts {
			g.additions.add(at, p)
		}
		return
	}
	g.additions.add(0, member("extensions", append(append([]byte{'{'}, bytes.Join(parts, []byte{','})...), '}')))
}

func raws(in []json.RawMessage) (out [][]byte) {
	for _, b := range in {
		out = append(out, b)
	}
	return out
}

// extensionsUsed names the extensions that came along.
func (g *graft) extensionsUsed() {
	var all []byte
	for _, list := range allLists() {
		for _, b := range g.fresh[list] {
			all = append(all, b...)
		}
		if len(g.fresh[list]) > 0 && len(listPath(list)) > 1 {
			all = strconv.AppendQuote(all, listPath(list)[1])
		}
	}
	for _, c := range g.splice.cuts {
		all = append(all, c.to...)
	}
	for _, list := range []string{"extensionsUsed", "extensionsRequired"} {
		at := g.into.get(0, list)
		has := map[string]bool{}
		for k := range g.into.items(at) {
			has[g.into.string(k)] = true
		}
		var missing [][]byte
		for k := range g.from.items(g.from.get(0, list)) {
			if name := g.from.string(k); !has[name] && bytes.Contains(all, []byte(strconv.Quote(name))) {
				has[name] = true
				missing = append(missing, []byte(strconv.Quote(name)))
			}
		}
		if at >= 0 {
			for _, m := range missing {
				g.additions.add(at, m)
			}
		} else if len(missing) > 0 {
			g.additions.add(0, member(list, append(append([]byte{'['}, bytes.Join(missing, []byte{','})...), ']')))
		}
	}
}
