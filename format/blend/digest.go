package blend

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
)

// traced is what the pointers inside of a data-block say of its blocks.
type traced struct {
	place map[uint64]int32 // blocks of the group by address, counted from its first
	class []class
	array []bool  // it is an array of pointers
	order []int32 // number among those that are content
}

// trace follows the pointers of a group.
func (f *file) trace(ctx context.Context, g *group) (*traced, error) {
	n := g.last - g.first
	t := &traced{make(map[uint64]int32, n), make([]class, n), make([]bool, n), make([]int32, n)}
	for i := range n {
		t.place[f.blocks[g.first+i].old] = int32(i)
		if s := f.structOf(g.first + i); s != nil && i > 0 {
			t.class[i] = classOf(s.name)
		}
	}
	for i := range n {
		if i&0xff == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := f.traceBlock(g, t, i); err != nil {
			return nil, err
		}
	}
	next := int32(0)
	for i := range n {
		if t.class[i] == unset {
			t.class[i] = data
		}
		t.order[i] = next
		if t.class[i] != idle {
			next++
		}
	}
	return t, nil
}

// traceBlock hands the class of a block on to those that it leads to and that have none.
func (f *file) traceBlock(g *group, t *traced, i int) error {
	to := func(address uint64, c class, array bool) {
		k, ok := t.place[address]
		if !ok || k == 0 {
			return
		}
		if t.class[k] == unset {
			t.class[k] = c
		}
		if array {
			t.array[k] = true
		}
	}
	if t.array[i] {
		return f.eachPointer(g.first+i, func(p uint64) { to(p, t.class[i], false) })
	}
	s := f.structOf(g.first + i)
	if s == nil {
		return nil
	}
	p := f.plan(s)
	if len(p.pointers) == 0 {
		return nil
	}
	idArray := fieldOf(s, "IDProperty", "type", "subtype")
	return f.eachPiece(g.first+i, int64(s.size), func(b []byte) {
		for ; len(b) > 0; b = b[s.size:] {
			for _, q := range p.pointers {
				c := t.class[i]
				if i == 0 {
					c = rootClass(s, &s.fields[q.field])
				}
				if q.quiet && c <= data {
					c = idle
				}
				to(f.header.pointer(b[q.off:]), c, q.array || idArray != nil && b[idArray[0].off] == idpArray && b[idArray[1].off] == idpGroup)
			}
		}
	})
}

const (
	idpArray = 5 // types of an IDProperty; an array of groups is one of pointers
	idpGroup = 6
)

// fieldOf returns fields of s, nil if it is not the struct of that name or lacks one.
func fieldOf(s *structure, name string, fields ...string) []*field {
	if s.name != name {
		return nil
	}
	var out []*field
	for _, n := range fields {
		d := s.field(n)
		if d == nil {
			return nil
		}
		out = append(out, d)
	}
	return out
}

const piece = 256 << 10 // bytes of a block that are looked at at a time

// eachPiece calls do with all of a block's data in pieces of whole structs.
func (f *file) eachPiece(i int, size int64, do func([]byte)) error {
	n := f.blocks[i].n
	step := max(piece/size*size, size)
	for off := int64(0); off < n; off += step {
		b, err := f.part(i, off, min(step, n-off))
		if err != nil {
			return err
		}
		do(b)
	}
	return nil
}

// eachPointer calls do with all of an array of pointers.
func (f *file) eachPointer(i int, do func(uint64)) error {
	w := f.header.width()
	return f.eachPiece(i, int64(w), func(b []byte) {
		for ; len(b) >= w; b = b[w:] {
			do(f.header.pointer(b))
		}
	})
}

// digester hashes data-blocks.
type digester struct {
	f       *file
	sums    [classes]hash.Hash
	used    [classes]bool
	scratch []byte
	tokens  []byte
}

func (f *file) digester() *digester {
	d := &digester{f: f}
	for i := range d.sums {
		d.sums[i] = sha256.New()
	}
	return d
}

// aspects hashes the content of a group by what it is.
func (d *digester) aspects(ctx context.Context, g *group) (map[string]string, error) {
	for i := range d.sums {
		d.sums[i].Reset()
		d.used[i] = false
	}
	t, err := d.f.trace(ctx, g)
	if err != nil {
		return nil, err
	}
	for i := range t.class {
		if i&0xff == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		switch {
		case i == 0:
			err = d.root(g, t)
		case t.class[i] != idle:
			err = d.block(g, t, i)
		}
		if err != nil {
			return nil, err
		}
	}
	out := map[string]string{}
	for i, used := range d.used {
		if used {
			out[class(i).aspect()] = hex.EncodeToString(d.sums[i].Sum(nil)[:16])
		}
	}
	return out, nil
}

func (d *digester) write(c class, b []byte) {
	d.used[c] = true
	d.sums[c].Write(b)
}

// begin writes what a block is.
func (d *digester) begin(c class, s *structure, n int64) {
	d.tokens = d.tokens[:0]
	if s != nil {
		d.tokens = append(d.tokens, s.name...)
	}
	d.tokens = append(d.tokens, 0)
	d.tokens = binary.AppendVarint(d.tokens, n)
	d.write(c, d.tokens)
}

// root hashes a data-block's own block, field by field. What it is called is no content.
func (d *digester) root(g *group, t *traced) error {
	f := d.f
	s := f.dna.at(f.blocks[g.first].sdna)
	raw, err := f.part(g.first, 0, int64(s.size))
	if err != nil {
		return err
	}
	p := f.plan(s)
	b := bytes.Clone(d.normal(p, raw))
	if id := f.dna.of("ID"); id != nil {
		if n := id.field("name"); n != nil {
			clear(b[n.off : n.off+n.size])
		}
	}
	next := 0
	for i := range s.fields {
		fd := &s.fields[i]
		c := rootClass(s, fd)
		d.write(c, b[fd.off:fd.off+fd.size])
		d.tokens = d.tokens[:0]
		for ; next < len(p.pointers) && p.pointers[next].field == i; next++ {
			if q := &p.pointers[next]; !q.quiet {
				d.token(t, f.header.pointer(raw[q.off:]))
			}
		}
		d.write(c, d.tokens)
	}
	return nil
}

// block hashes block i of a group.
func (d *digester) block(g *group, t *traced, i int) error {
	f, c := d.f, t.class[i]
	k := &f.blocks[g.first+i]
	if t.array[i] {
		d.begin(c, nil, k.n)
		d.tokens = d.tokens[:0]
		err := f.eachPointer(g.first+i, func(p uint64) { d.token(t, p) })
		d.write(c, d.tokens)
		return err
	}
	s := f.structOf(g.first + i)
	if s == nil {
		d.begin(c, nil, k.n)
		return f.eachPiece(g.first+i, 1, func(b []byte) { d.write(c, b) })
	}
	d.begin(c, s, k.count)
	p := f.plan(s)
	if p.flat() {
		return f.eachPiece(g.first+i, 1, func(b []byte) { d.write(c, b) })
	}
	return f.eachPiece(g.first+i, int64(s.size), func(b []byte) {
		d.write(c, d.normal(p, b))
		d.tokens = d.tokens[:0]
		for ; len(b) > 0 && len(p.pointers) > 0; b = b[s.size:] {
			for _, q := range p.pointers {
				if !q.quiet {
					d.token(t, f.header.pointer(b[q.off:]))
				}
			}
		}
		d.write(c, d.tokens)
	})
}

// token appends what a pointer means: nothing, a block of its own, or another data-block by its name.
func (d *digester) token(t *traced, p uint64) {
	if p != 0 {
		if k, ok := t.place[p]; ok {
			if t.class[k] != idle {
				d.tokens = binary.AppendVarint(append(d.tokens, 'd'), int64(t.order[k]))
				return
			}
		} else if o, ok := d.f.owner[p]; ok {
			key := d.f.groups[o].key
			if key[:2] == "KE" { // a name that nobody gave
				key = key[:2]
			}
			d.tokens = append(append(append(d.tokens, 'i'), key...), 0)
			return
		}
	}
	d.tokens = append(d.tokens, 0)
}

// normal returns structs without what is no content, valid until the next call.
func (d *digester) normal(p *plan, b []byte) []byte {
	if p.mask == nil && len(p.texts) == 0 {
		return b
	}
	d.scratch = append(d.scratch[:0], b...)
	out := d.scratch
	if p.mask != nil {
		and(out, p.pattern)
	}
	size := p.s.size
	for at := 0; at < len(out) && len(p.texts) > 0; at += size {
		for _, x := range p.texts {
			s := out[at+x.off:][:x.n]
			for i, c := range s {
				if c == 0 {
					clear(s[i:])
					break
				}
			}
		}
	}
	return out
}

// and clears the bits of b that pattern, over and over, does not have. Its length is a multiple of 8.
func and(b, pattern []byte) {
	for len(b) >= len(pattern) {
		for i := 0; i < len(pattern); i += 8 {
			binary.NativeEndian.PutUint64(b[i:], binary.NativeEndian.Uint64(b[i:])&binary.NativeEndian.Uint64(pattern[i:]))
		}
		b = b[len(pattern):]
	}
	for i := range b {
		b[i] &= pattern[i]
	}
}
