package blend

import (
	"context"

	"varve/format"
)

// pointed calls each with all pointers in block n of a group, and returns the data with what it returns in their place;
// nil where there are none. quiet are those that are no content.
func (f *file) pointed(g *group, t *traced, n int, each func(field int, p uint64, quiet bool) uint64) ([]byte, error) {
	i, w := g.first+n, f.header.width()
	set := func(b []byte, field int, quiet bool) {
		f.header.putPointer(b, each(field, f.header.pointer(b), quiet))
	}
	if t.array[n] {
		b, err := f.content(i, maxPointers)
		if err != nil {
			return nil, err
		}
		for p := b; len(p) >= w; p = p[w:] {
			set(p, -1, false)
		}
		return b, nil
	}
	s := f.structOf(i)
	if s == nil {
		if d := f.dna.at(f.blocks[i].sdna); f.blocks[i].sdna != 0 && d != nil && len(f.plan(d).pointers) > 0 {
			return nil, &format.Refusal{Reason: "a block is not as long as its struct " + d.name + " says", Advice: "append it in Blender"}
		}
		return nil, nil
	}
	p := f.plan(s)
	if len(p.pointers) == 0 {
		return nil, nil
	}
	b, err := f.content(i, maxPointers)
	if err != nil {
		return nil, err
	}
	for one := b; len(one) > 0; one = one[s.size:] {
		for _, q := range p.pointers {
			set(one[q.off:], q.field, q.quiet)
		}
	}
	return b, nil
}

// maxPointers bounds the blocks with pointers in them that are taken into memory.
const maxPointers = 1 << 30

// layout lays out the newer file with what is taken.
func (g *graft) layout(ctx context.Context) (*layout, error) {
	a := g.into
	l := &layout{f: a}
	placeholders, rest := g.placeholders()
	at, n := int64(0), 0 // what was laid out so far; groups
	to := func(off int64) {
		l.keep(at, off-at)
		at = off
	}
	end := func(k int) int64 { // of block k
		return a.blocks[k].off + a.header.headLen() + a.blocks[k].n
	}
	for n < len(a.groups) || at <= a.blocks[a.dnaAt].off {
		if n == len(a.groups) || a.groups[n].first > a.dnaAt {
			to(a.blocks[a.dnaAt].off)
			for _, i := range rest {
				if err := g.write(ctx, l, i); err != nil {
					return nil, err
				}
			}
			break
		}
		o := &a.groups[n]
		if i, ok := g.replaces[n]; ok {
			to(a.blocks[o.first].off)
			if err := g.write(ctx, l, i); err != nil {
				return nil, err
			}
			at = end(o.last - 1)
		} else if w := g.grown[n]; w != nil {
			to(a.blocks[o.first].off)
			w.write(l, a, o)
			at = end(o.last - 1)
		}
		for _, i := range placeholders[n] {
			to(end(o.last - 1))
			if err := g.write(ctx, l, i); err != nil {
				return nil, err
			}
		}
		n++
	}
	if n < len(a.groups) && len(g.replaces)+len(g.grown) > 0 && a.groups[n].first > a.dnaAt {
		return nil, format.Unsupported("data-blocks after the structs")
	}
	to(a.body.Size())
	return l, nil
}

// placeholders parts what is added: what stands for something in a library has to follow that library, by the group
// of the newer file that it is to follow; all else has no place.
func (g *graft) placeholders() (follow map[int][]int, rest []int) {
	follow = map[int][]int{}
	ofNew := map[int][]int{} // by library of the older file, which is added, too
	for _, i := range g.added {
		from := &g.from.groups[i]
		if !from.linked || from.library < 0 {
			rest = append(rest, i)
		} else if k, ok := g.into.named[g.from.groups[from.library].key]; ok {
			follow[k] = append(follow[k], i)
		} else {
			ofNew[from.library] = append(ofNew[from.library], i)
		}
	}
	var out []int
	for _, i := range rest {
		out = append(append(out, i), ofNew[i]...)
	}
	return follow, out
}

// write lays out a group of the older file.
func (g *graft) write(ctx context.Context, l *layout, i int) error {
	f, from := g.from, &g.from.groups[i]
	t, err := f.trace(ctx, from)
	if err != nil {
		return err
	}
	address := make([]uint64, len(t.class))
	address[0] = g.target[i]
	for n := 1; n < len(address); n++ {
		address[n] = g.fresh()
	}
	for n := range address {
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := f.pointed(from, t, n, func(_ int, p uint64, quiet bool) uint64 {
			if p == 0 {
				return 0
			}
			if k, own := t.place[p]; own {
				return address[k]
			}
			if k, ok := f.owner[p]; ok && !quiet {
				return g.target[k]
			}
			return 0
		})
		if err != nil {
			return err
		}
		k := f.blocks[from.first+n]
		k.old = address[n]
		l.write(f.header.appendHead(nil, &k))
		if n == 0 && g.renamed[i] != "" {
			b = f.rename(b, g.renamed[i])
		}
		if b != nil {
			l.write(b)
		} else {
			l.take(f.body, k.off+f.header.headLen(), k.n)
		}
	}
	return nil
}

// rename gives a data-block another name.
func (f *file) rename(b []byte, name string) []byte {
	d := f.dna.of("ID").field("name")
	if b == nil || d == nil || len(name) >= d.size || d.off+d.size > len(b) {
		return b
	}
	clear(b[d.off : d.off+d.size])
	copy(b[d.off:], name)
	return b
}
