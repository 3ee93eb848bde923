package blend

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"varve/format"
)

// file is a file that was opened: where its blocks lie, and what its structs are. Only one goroutine uses it.
type file struct {
	in     format.Input // as it is given
	how    packing
	body   format.Input // unpacked
	header header
	blocks []block
	end    int64 // where ENDB lies
	dna    *dna
	dnaAt  int // its block
	groups []group
	owner  map[uint64]int // groups by the address of their data-block
	named  map[string]int // groups by key
	plans  []*plan        // by struct
	window window         // of arrays
	near   window         // of what is small, and lies here and there
}

// group is a data-block: its own block, and the DATA after it.
type group struct {
	first, last int    // blocks, last not included
	name        string // code and name, as Blender has them: "OBCube"
	key         string // names it in the file: the name, of a linked one with its library
	linked      bool   // it stands for one of a library
	library     int    // group of that; -1: none
}

// open reads all but the content.
func open(ctx context.Context, in format.Input) (*file, error) {
	body, how, _, err := unpack(ctx, in, maxStream)
	if err != nil {
		return nil, err
	}
	f := &file{in: in, how: how, body: body, dnaAt: -1, window: window{in: body, step: 256 << 10}, near: window{in: body, step: 16 << 10}}
	if err := f.readHeader(); err != nil {
		return nil, err
	}
	w := window{in: body, step: 32 << 10}
	f.end, err = f.header.chain(ctx, &w, func(k *block) bool {
		if k.code == codeOf("DNA1") {
			f.dnaAt = len(f.blocks)
		}
		f.blocks = append(f.blocks, *k)
		return true
	})
	if err != nil {
		return nil, err
	}
	if f.dnaAt < 0 {
		return nil, format.Malformed("it has no structs (DNA1)")
	}
	b, err := f.content(f.dnaAt, maxDNA)
	if err != nil {
		return nil, err
	}
	if f.dna, err = parseDNA(&f.header, b); err != nil {
		return nil, err
	}
	f.plans = make([]*plan, len(f.dna.structs))
	return f, f.group()
}

func (f *file) readHeader() error {
	b, err := format.ReadSpan(f.body, 0, min(maxHeader, f.body.Size()), maxHeader)
	if err != nil {
		return err
	}
	f.header, err = parseHeader(b)
	return err
}

// content returns the data of block i, at most max bytes, to keep.
func (f *file) content(i int, max int64) ([]byte, error) {
	k := &f.blocks[i]
	if k.n > max {
		return nil, fmt.Errorf("block %s at %d has %d bytes: %w", k.code, k.off, k.n, format.ErrLimit)
	}
	b, err := f.part(i, 0, k.n)
	return bytes.Clone(b), err
}

// part returns n bytes of the data of block i from off; valid until the next call.
func (f *file) part(i int, off, n int64) ([]byte, error) {
	w := &f.window
	if n <= f.near.step/4 && f.blocks[i].n <= f.near.step {
		w = &f.near
	}
	b, err := w.at(f.blocks[i].off+f.header.headLen()+off, n)
	if err == io.ErrUnexpectedEOF {
		return nil, format.Malformed("the file ended while it was read")
	}
	return b, err
}

// structOf returns the struct that block i is an array of; nil where it is bytes without one.
func (f *file) structOf(i int) *structure {
	k := &f.blocks[i]
	if k.sdna == 0 && !k.code.opens() { // what has no struct has the first one's number
		return nil
	}
	s := f.dna.at(k.sdna)
	if s == nil || s.size == 0 || int64(s.size)*k.count != k.n {
		return nil
	}
	return s
}

// group finds the data-blocks, and what they are called.
func (f *file) group() error {
	f.owner, f.named = map[uint64]int{}, map[string]int{}
	library := -1
	twice := map[string]int{}
	for i := range f.blocks {
		k := &f.blocks[i]
		open := len(f.groups) > 0 && f.groups[len(f.groups)-1].last == i
		if k.code == codeOf("DATA") {
			if open {
				f.groups[len(f.groups)-1].last = i + 1
			}
			continue
		}
		if !k.code.opens() {
			continue
		}
		g := group{first: i, last: i + 1, linked: k.code == codeOf("ID"), library: -1}
		name, err := f.idName(i)
		if err != nil {
			return err
		}
		if k.code == codeOf("LI") {
			library = len(f.groups)
		}
		g.name, g.key = name, name
		if g.linked && library >= 0 {
			g.library = library
			g.key = name + " " + f.groups[library].key
		}
		for key := g.key; ; { // Blender itself has no two of a name
			if _, there := f.named[g.key]; !there {
				break
			}
			twice[key]++
			g.key = fmt.Sprintf("%s #%d", key, twice[key]+1)
		}
		f.named[g.key] = len(f.groups)
		f.owner[k.old] = len(f.groups)
		f.groups = append(f.groups, g)
	}
	return nil
}

// idName returns the name of the data-block that block i starts: "OBCube". A library is called by its path.
func (f *file) idName(i int) (string, error) {
	s := f.dna.at(f.blocks[i].sdna)
	id := f.dna.of("ID")
	if s == nil || id == nil || int64(s.size) > f.blocks[i].n || len(s.fields) == 0 || s != id && s.fields[0].typ != "ID" {
		return "", format.Malformed("block %s at %d is no data-block", f.blocks[i].code, f.blocks[i].off)
	}
	b, err := f.part(i, 0, int64(s.size))
	if err != nil {
		return "", err
	}
	if f.blocks[i].code == codeOf("LI") {
		if p := s.field("filepath", "name"); p != nil && p.typ == "char" && p.stars == 0 {
			q := s.field("name")
			if q != nil && q.typ == "char" && q.count > 64 { // of old files: filepath is absolute there
				p = q
			}
			return "LI" + text(b[p.off:p.off+p.size]), nil
		}
	}
	name := id.field("name")
	if name == nil || name.typ != "char" || name.stars > 0 {
		return "", format.Malformed("DNA1: data-blocks have no names")
	}
	key := text(b[name.off : name.off+name.size])
	if len(key) < 2 {
		return "", format.Malformed("block %s at %d: a data-block without a name", f.blocks[i].code, f.blocks[i].off)
	}
	return key, nil
}

// text returns a string of fixed length up to its end.
func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}
