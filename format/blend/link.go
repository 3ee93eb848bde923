package blend

import (
	"bytes"
	"fmt"

	"varve/format"
)

// grown is a data-block of the newer file that has more in its lists.
type grown struct {
	content map[int][]byte // of blocks that are not as they were
	extra   []extra
}

type extra struct {
	block block
	data  []byte
}

// membership is how a holder lists what is in it.
type membership struct {
	holder string // struct
	list   string // its ListBase
	member string // the pointer in an item
}

func memberships() []membership {
	return []membership{
		{"Collection", "gobject", "ob"},
		{"Collection", "children", "collection"},
		{"Group", "gobject", "ob"}, // to 2.79
		{"Scene", "base", "object"},
	}
}

// holder is a struct with a list: one of a group's blocks.
type holder struct {
	group, block int
	m            membership
}

// holders returns all of a file.
func (f *file) holders() []holder {
	var out []holder
	for n := range f.groups {
		g := &f.groups[n]
		if g.linked || g.key[:2] != "GR" && g.key[:2] != "SC" {
			continue
		}
		for i := g.first; i < g.last; i++ {
			s := f.dna.at(f.blocks[i].sdna)
			if s == nil || i > g.first && s.name != "Collection" {
				continue
			}
			for _, m := range memberships() {
				if s.name == m.holder && s.field(m.list) != nil {
					out = append(out, holder{n, i, m})
				}
			}
		}
	}
	return out
}

// link puts what is added back into the collections and scenes that it was in.
func (g *graft) link() error {
	if len(g.added) == 0 {
		return nil
	}
	missing := map[uint64]int{} // addresses in the older file
	for _, i := range g.added {
		if k := &g.from.groups[i]; !k.linked || k.key[:2] == "OB" || k.key[:2] == "GR" {
			missing[g.from.blocks[k.first].old] = i
		}
	}
	homeless := map[int][]byte{} // what found no place, and an item for it
	placed := map[int]bool{}
	there := g.into.holders()
	for _, h := range g.from.holders() {
		from := &g.from.groups[h.group]
		v, _, err := g.from.view(h.block, 0)
		if err != nil {
			return err
		}
		if g.taken[h.group] { // it lists them itself
			err = g.from.list(g.from.addressed(from), v, h.m.list, func(item view) bool {
				if i, ok := missing[item.pointer(h.m.member)]; ok {
					placed[i] = true
				}
				return true
			})
			if err != nil {
				return err
			}
			continue
		}
		var fail error
		err = g.from.list(g.from.addressed(from), v, h.m.list, func(item view) bool {
			i, ok := missing[item.pointer(h.m.member)]
			if !ok {
				return true
			}
			for _, k := range there {
				if k.m == h.m && g.into.groups[k.group].key == from.key {
					placed[i] = true
					fail = g.join(k, item, i)
					return fail == nil
				}
			}
			homeless[i] = item.b
			return true
		})
		if err != nil {
			return err
		}
		if fail != nil {
			return fail
		}
	}
	return g.house(homeless, placed, there)
}

// house puts what was in a collection that is gone into the scene's own.
func (g *graft) house(homeless map[int][]byte, placed map[int]bool, there []holder) error {
	for _, i := range g.added {
		item, ok := homeless[i]
		if !ok || placed[i] {
			continue
		}
		key := g.from.groups[i].key
		for _, k := range there {
			if g.into.groups[k.group].key[:2] != "SC" || (k.m.list == "children") != (key[:2] == "GR") {
				continue
			}
			s := g.into.itemOf(k.m)
			if s == nil || s.size != len(item) {
				continue
			}
			g.notes = append(g.notes, fmt.Sprintf("%s was in a collection that is gone: it is in %s", g.from.shown(i), g.into.shown(k.group)))
			if err := g.join(k, view{f: g.into, s: s, b: item}, i); err != nil {
				return err
			}
			placed[i] = true
			break
		}
		if !placed[i] {
			g.notes = append(g.notes, fmt.Sprintf("%s is in no collection of the newer file", g.from.shown(i)))
		}
	}
	return nil
}

// itemOf returns the struct of a list's items.
func (f *file) itemOf(m membership) *structure {
	switch m.list {
	case "gobject":
		if s := f.dna.of("CollectionObject"); s != nil {
			return s
		}
		return f.dna.of("GroupObject")
	case "children":
		return f.dna.of("CollectionChild")
	}
	return f.dna.of("Base")
}

// join appends a copy of item, for group i of the older file, to a list of the newer.
func (g *graft) join(k holder, item view, i int) error {
	a := g.into
	o := &a.groups[k.group]
	w := g.grown[k.group]
	if w == nil {
		w = &grown{content: map[int][]byte{}}
		g.grown[k.group] = w
		g.changed[o.key] = true
	}
	held, err := w.view(a, k.block)
	if err != nil {
		return err
	}
	base := held.inner(k.m.list)
	last := base.pointer("last")
	address := g.fresh()
	it := view{f: a, s: item.s, b: bytes.Clone(item.b)}
	for _, q := range a.plan(item.s).pointers {
		a.header.putPointer(it.b[q.off:], 0)
	}
	it.setPointer("prev", last)
	it.setPointer(k.m.member, g.target[i])
	if last == 0 {
		base.setPointer("first", address)
	} else if err := w.setNext(a, o, last, address); err != nil {
		return err
	}
	base.setPointer("last", address)
	w.extra = append(w.extra, extra{block{codeOf("DATA"), int32(a.dna.index[item.s.name]), address, 0, int64(len(it.b)), 1}, it.b})
	return nil
}

// view is the first struct of a block as it is to become.
func (w *grown) view(f *file, i int) (view, error) {
	s := f.dna.at(f.blocks[i].sdna)
	if w.content[i] == nil {
		b, err := f.content(i, maxPointers)
		if err != nil {
			return view{}, err
		}
		w.content[i] = b
	}
	return view{f: f, s: s, b: w.content[i][:s.size], block: i}, nil
}

// setNext makes the item at an address lead to another.
func (w *grown) setNext(f *file, g *group, last, next uint64) error {
	for _, x := range w.extra {
		if x.block.old == last {
			view{f: f, s: f.dna.at(x.block.sdna), b: x.data}.setPointer("next", next)
			return nil
		}
	}
	i, ok := f.addressed(g)[last]
	if !ok {
		return format.Malformed("%s: a list has no last", g.key)
	}
	v, err := w.view(f, i)
	if err != nil {
		return err
	}
	v.setPointer("next", next)
	return nil
}

func (v view) setPointer(name string, p uint64) {
	if b, d := v.cell(0, []string{name}); d != nil && d.stars > 0 {
		v.f.header.putPointer(b, p)
	}
}

// write lays out a group with what is new in it.
func (w *grown) write(l *layout, f *file, g *group) {
	for i := g.first; i < g.last; i++ {
		k := &f.blocks[i]
		b, ok := w.content[i]
		if !ok {
			l.keep(k.off, f.header.headLen()+k.n)
			continue
		}
		l.keep(k.off, f.header.headLen())
		l.write(b)
	}
	for _, x := range w.extra {
		l.write(f.header.appendHead(nil, &x.block))
		l.write(x.data)
	}
}
