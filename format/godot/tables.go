package godot

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/splice"
)

// linksOf calls each with the links of a section.
func (d *document) linksOf(s *section, each func(link)) {
	for _, list := range [][]pair{s.attrs, s.pairs} {
		for _, kv := range list {
			d.links(kv.value, each)
		}
	}
}

// byID returns the sections of one table by their ids.
func (d *document) byID(table string) map[string]int {
	out := map[string]int{}
	for i := range d.sections {
		if s := &d.sections[i]; s.name == table {
			out[d.attr(s, "id")] = i
		}
	}
	return out
}

// exclude finds the sub-resources that only what is replaced uses.
func (g *grafter) exclude() {
	g.exclusive = map[int]bool{}
	subs := g.in.byID("sub_resource")
	used, shared := map[int]bool{}, map[int]bool{}
	for i := len(g.in.sections) - 1; i >= 0; i-- { // what uses a sub-resource comes after it
		s := &g.in.sections[i]
		if s.name == "sub_resource" && used[i] && !shared[i] {
			g.exclusive[i] = true
		}
		g.in.linksOf(s, func(l link) {
			if k, ok := subs[l.id]; ok && l.sub {
				used[k] = true
				shared[k] = shared[k] || !g.gone[i] && !g.exclusive[i]
			}
		})
	}
}

// tables gives all that the elements need an id in the file, and puts in what is not there.
func (g *grafter) tables(plans []*plan, parts []int) error {
	need := map[int]bool{} // sections of from's tables
	exts, subs := g.from.byID("ext_resource"), g.from.byID("sub_resource")
	var add func(i int)
	var fail error
	add = func(i int) {
		g.from.linksOf(&g.from.sections[i], func(l link) {
			of := exts
			if l.sub {
				of = subs
			}
			k, ok := of[l.id]
			if !ok || l.sub && k >= i && g.from.sections[i].name == "sub_resource" {
				fail = format.Malformed("%s, which is used at %d, is not defined before", l.id, l.from)
				return
			}
			if !need[k] {
				need[k] = true
				if l.sub {
					add(k)
				}
			}
		})
	}
	for _, p := range plans {
		for _, i := range p.theirs {
			add(i)
		}
	}
	forced := map[int]bool{} // they are asked for themselves
	for _, i := range parts {
		if name := g.from.sections[i].name; name == "ext_resource" || name == "sub_resource" {
			need[i], forced[i] = true, true
		}
		add(i)
	}
	if fail != nil {
		return fail
	}
	for i := range g.from.sections { // in their order
		if s := &g.from.sections[i]; need[i] && s.name == "ext_resource" {
			if err := g.external(i, forced[i]); err != nil {
				return err
			}
		}
	}
	for i := range g.from.sections {
		if s := &g.from.sections[i]; need[i] && s.name == "sub_resource" {
			if err := g.resource(i, forced[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// external finds an external resource in the file, by its uid or path, or puts it in.
func (g *grafter) external(i int, forced bool) error {
	s := &g.from.sections[i]
	id := g.from.attr(s, "id")
	end := g.in.first().end
	for k := range g.in.sections {
		n := &g.in.sections[k]
		if n.name != "ext_resource" {
			continue
		}
		end = n.end
		if g.hashes.ext[g.in.attr(n, "id")] == g.labels.ext[id] {
			g.ext[id] = g.in.attr(n, "id")
			if forced {
				g.head(k, i)
			}
			return nil
		}
		if forced && g.in.attr(n, "path") == g.from.attr(s, "path") {
			return &format.Refusal{Reason: fmt.Sprintf("of %s only one version has the uid", g.in.attr(n, "path")), Advice: "bring back the node that uses it"}
		}
	}
	g.ext[id] = g.free("e", id)
	g.added++
	g.head(-1, i, end)
	return nil
}

// head puts the brackets of an external resource in, in the place of those of another or on a line of their own; the
// empty lines around stay.
func (g *grafter) head(k, i int, at ...int) {
	s := &g.from.sections[i]
	chunk := splice.Cut(g.chunk(i, nil), 0, int64(s.inside.end+1-s.off)+g.longer(i))
	if k >= 0 {
		n := &g.in.sections[k]
		g.edits = append(g.edits, splice.Edit{Off: int64(n.off), Len: int64(n.inside.end + 1 - n.off), New: chunk})
		return
	}
	// After the line of the last one, before the empty line that ends the table.
	end := at[0]
	trail := string(g.in.b[:end])
	solid := len(strings.TrimRight(trail, " \t\r\n"))
	line := solid
	if n := strings.IndexByte(trail[solid:], '\n'); n >= 0 {
		line = solid + n + 1
	}
	out := new(format.Output)
	if g.in.b[max(0, solid-1)] != ']' || !g.lastIsExternal(end) {
		out.Append(splice.Text("\n"))
	}
	if line == solid {
		out.Append(splice.Text("\n"))
	}
	out.Append(chunk)
	out.Append(splice.Text("\n"))
	g.edits = append(g.edits, splice.Edit{Off: int64(line), New: out})
}

func (g *grafter) lastIsExternal(end int) bool {
	return slices.ContainsFunc(g.in.sections, func(s section) bool { return s.name == "ext_resource" && s.end == end })
}

// longer is by how many bytes the new id of an external resource is longer than its own.
func (g *grafter) longer(i int) int64 {
	id := g.from.attr(&g.from.sections[i], "id")
	return int64(len(g.ext[id]) - len(id))
}

// free returns an id of a table that nothing has: the same, or the next.
func (g *grafter) free(table, id string) string {
	next := id
	for n := 2; g.taken[table+next]; n++ {
		if numbered(id) {
			next = strconv.Itoa(n)
		} else {
			next = id + "_" + strconv.Itoa(n)
		}
	}
	g.taken[table+next] = true
	return next
}

// resource finds a sub-resource in the file, replaces the one that only the replaced nodes have, or puts it in.
func (g *grafter) resource(i int, forced bool) error {
	s := &g.from.sections[i]
	id, kind := g.from.attr(s, "id"), g.from.attr(s, "type")
	k, same := g.counterpart(i, id, kind, forced)
	if same {
		g.sub[id] = g.in.attr(&g.in.sections[k], "id")
		return nil
	}
	if k >= 0 && (forced || g.exclusive[k]) {
		g.sub[id] = g.in.attr(&g.in.sections[k], "id")
		if err := g.ordered(i, g.in.sections[k].off); err != nil {
			return err
		}
		g.replace(k, g.chunk(i, nil), s.end == len(g.from.b))
		g.exclusive[k] = false // it is taken
		return nil
	}
	if k >= 0 {
		g.notes = append(g.notes, fmt.Sprintf("the sub-resource %s is used by others too, which keep it as it is", id))
	}
	g.sub[id] = g.free("s", id)
	g.added++
	at := g.in.first().end
	for n := range g.in.sections {
		if x := &g.in.sections[n]; x.name == "ext_resource" {
			at = x.end
		}
	}
	subs := g.in.byID("sub_resource")
	g.from.linksOf(s, func(l link) { // after all that it uses
		if !l.sub {
			return
		}
		if n, ok := g.newSubs[g.sub[l.id]]; ok {
			at = max(at, n)
		} else if n, ok := subs[g.sub[l.id]]; ok {
			at = max(at, g.in.sections[n].end)
		}
	})
	g.newSubs[g.sub[id]] = at
	g.insert(at, g.chunk(i, nil), s.end == len(g.from.b))
	return nil
}

// counterpart returns the sub-resource of the file that is the one of from, and whether nothing differs; -1 where there
// is none.
func (g *grafter) counterpart(i int, id, kind string, forced bool) (int, bool) {
	equal := func(k int) bool {
		n := &g.in.sections[k]
		return n.name == "sub_resource" && g.in.attr(n, "type") == kind && g.labels.sub[id] == g.hashes.sub[g.in.attr(n, "id")]
	}
	k, ok := g.owners[g.ids[i]]
	ok = ok && g.in.attr(&g.in.sections[k], "type") == kind
	if ok && (forced || !numbered(id)) {
		return k, equal(k)
	}
	if !numbered(id) {
		return -1, false
	}
	for n := range g.in.sections { // one of the same content that only the replaced nodes use
		if g.exclusive[n] && equal(n) {
			g.exclusive[n] = false
			return n, true
		}
	}
	if ok && g.exclusive[k] {
		return k, false
	}
	return -1, false
}

// ordered refuses to put a sub-resource where what it uses comes later.
func (g *grafter) ordered(i, at int) error {
	var fail error
	subs := g.in.byID("sub_resource")
	g.from.linksOf(&g.from.sections[i], func(l link) {
		if !l.sub {
			return
		}
		where, ok := g.newSubs[g.sub[l.id]]
		if k, old := subs[g.sub[l.id]]; !ok && old {
			where, ok = g.in.sections[k].off, true
		}
		if ok && where > at {
			fail = &format.Refusal{Reason: fmt.Sprintf("the sub-resource %s would be used before it is defined", l.id), Advice: "save the scene once with Godot, and try again"}
		}
	})
	return fail
}

// count writes how many parts there are, where the file says so.
func (g *grafter) count() {
	s := g.in.first()
	for _, kv := range s.attrs {
		if n, err := strconv.Atoi(g.in.text(kv.value)); kv.key == "load_steps" && err == nil && g.added > 0 {
			g.edits = append(g.edits, splice.Edit{Off: int64(kv.value.off), Len: int64(kv.value.end - kv.value.off), New: splice.Text(strconv.Itoa(n + g.added))})
		}
	}
	if !s.has("load_steps") && g.added > 0 && g.in.attr(s, "format") == "2" {
		n := 1 + len(g.in.byID("ext_resource")) + len(g.in.byID("sub_resource")) + g.added
		g.edits = append(g.edits, splice.Edit{Off: int64(s.inside.off + len(s.name)), New: splice.Text(" load_steps=" + strconv.Itoa(n))})
	}
}
