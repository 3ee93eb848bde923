package capture

import (
	"bytes"
	"fmt"
	"io"
	"sort"

	"varve/internal/chunk"
	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/tree"
)

// Region is a part of a file that is cut for itself.
type Region struct {
	Off, Len int64
	Width    uint8  // bytes of its little-endian elements; 1 if it has none
	Name     string // of the array, in every version that has it; "" if it has none
}

const (
	// typedMin is the size from which a file's regions are asked for.
	typedMin = 16 << 10
	// joinMax: a region up to this size joins the one before it, if both are alike and touch.
	joinMax = 64 << 10
	// joinNamed: of regions with names only those up to this size join, and one another only: a larger one keeps its
	// chunks wherever it stands and whatever stands beside it, for which a chunk's records, some 130 bytes, are paid.
	joinNamed = 4 << 10
	// typedClass cuts at multiples from the region's start, so that elements have the same place in every
	// version: they change where they are, and are not inserted.
	typedClass = chunk.Fixed256K
)

// layout is where a file has regions. The nil layout has none.
type layout struct {
	regions []Region // ascending; only their widths 2 and 4 are typed
	seams   []chunk.Seam
	named   map[string]int // position of each name in regions, its first
}

// layout asks the caller where a file's regions are. Whatever goes wrong there costs only the advice.
func (k *worker) layout(name string, r io.ReaderAt, size int64, class chunk.Class) (l *layout) {
	defer func() {
		if recover() != nil {
			l = nil
		}
	}()
	if k.c.opt.Regions != nil && size >= typedMin {
		l = newLayout(k.c.opt.Regions(name, r, size), size, class)
	}
	return l
}

// newLayout makes a layout of regions; nil if there are none, or they are not ascending parts of the file.
func newLayout(regions []Region, size int64, class chunk.Class) *layout {
	l := &layout{named: make(map[string]int, len(regions))}
	end, small := int64(0), false
	for _, g := range regions {
		if g.Off < end || g.Len <= 0 || g.Off > size || g.Len > size-g.Off {
			return nil
		}
		cut := class
		if g.Width == 2 || g.Width == 4 {
			cut = typedClass
		} else {
			g.Width = 1
		}
		n := len(l.regions)
		if n > 0 && g.Off == end && g.Width == l.regions[n-1].Width && joins(&g, small) {
			l.regions[n-1].Len += g.Len
			l.seams[len(l.seams)-1].Off += g.Len
		} else {
			if _, ok := l.named[g.Name]; !ok && g.Name != "" {
				l.named[g.Name] = n
			}
			l.regions = append(l.regions, g)
			l.seams = append(l.seams, chunk.Seam{Off: g.Off, Class: cut}, chunk.Seam{Off: g.Off + g.Len, Class: class})
		}
		end, small = g.Off+g.Len, g.Len < joinNamed
	}
	if len(l.regions) == 0 {
		return nil
	}
	return l
}

// joins reports whether a region joins the one before it; small says that no part of that is large.
func joins(g *Region, small bool) bool {
	if g.Name == "" {
		return g.Len < joinMax
	}
	return small && g.Len < joinNamed
}

// cuts returns the seams of the layout.
func (l *layout) cuts() []chunk.Seam {
	if l == nil {
		return nil
	}
	return l.seams
}

// region returns the last region that begins at or before off; nil if there is none.
func (l *layout) region(off int64) *Region {
	i := sort.Search(len(l.regions), func(i int) bool { return l.regions[i].Off > off }) - 1
	if i < 0 {
		return nil
	}
	return &l.regions[i]
}

// width returns the width of the elements that n bytes from off consist of; 1 if they are not typed.
func (l *layout) width(off int64, n int) int {
	if l == nil {
		return 1
	}
	g := l.region(off)
	if g == nil {
		return 1
	}
	if off+int64(n) > g.Off+g.Len || (off-g.Off)%int64(g.Width) != 0 || n%int(g.Width) != 0 {
		return 1
	}
	return int(g.Width)
}

// typed reports whether any region is.
func (l *layout) typed() bool {
	if l != nil {
		for i := range l.regions {
			if l.regions[i].Width > 1 {
				return true
			}
		}
	}
	return false
}

// former is where the chunks of a file's last version stood. It is read by several goroutines.
type former struct {
	at       map[int64]stood
	shift    int64   // bytes by which the last version was longer
	old, new *layout // of both versions; old is nil where it is not known
}

type stood struct {
	d   digest.Digest
	len int
}

// formerOf returns the places of old's chunks for the new version of size bytes, of which l is the layout; nil if there
// is no old version that can serve.
func (k *worker) formerOf(old *tree.Entry, size int64, l *layout, class chunk.Class) *former {
	if old == nil || old.Type != disk.Regular || old.Size <= inlineMax || k.w.Drafts() {
		return nil
	}
	f := &former{at: map[int64]stood{}, shift: old.Size - size, new: l}
	past := &past{k: k}
	off := int64(0)
	for it, err := range tree.Items(k.c.ctx, k.get, old) {
		if err != nil {
			return nil
		}
		if it.Kind == tree.Chunk {
			f.at[off] = stood{it.Digest, int(it.Len)}
		}
		it.Bytes = bytes.Clone(it.Bytes)
		past.items = append(past.items, placed{off, it})
		off += it.Len
	}
	if len(l.named) > 0 {
		f.old = k.layout(old.Name, past, old.Size, class)
	}
	return f
}

// chunk returns what stood in the place of the n bytes at off: in the array of the same name, wherever that was; else at
// the same offset, or, when the header in front has grown or shrunk, as far from the end.
func (f *former) chunk(off int64, n int) (digest.Digest, bool) {
	for _, at := range [3]int64{f.inArray(off), off, off + f.shift} {
		if s, ok := f.at[at]; ok && s.len == n {
			return s.d, true
		}
	}
	return digest.Digest{}, false
}

// inArray returns where the byte at off was in the last version, by the array that it is in; -1 if that is not known.
func (f *former) inArray(off int64) int64 {
	g := f.new.region(off)
	if g == nil || f.old == nil || g.Name == "" {
		return -1
	}
	i, ok := f.old.named[g.Name]
	if !ok || f.old.regions[i].Width != g.Width || off-g.Off >= f.old.regions[i].Len {
		return -1
	}
	return f.old.regions[i].Off + off - g.Off
}

// past is the last version of a file, of which little is read.
type past struct {
	k     *worker
	items []placed
	last  digest.Digest // of the chunk in plain
	plain []byte
}

type placed struct {
	off int64
	it  tree.Item
}

// ReadAt is as of io.ReaderAt, for one goroutine.
func (p *past) ReadAt(b []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("read at %d", off)
	}
	i := sort.Search(len(p.items), func(i int) bool { return p.items[i].off > off }) - 1
	for ; n < len(b); i++ {
		if i < 0 || i >= len(p.items) {
			return n, io.EOF
		}
		at, it := off+int64(n)-p.items[i].off, &p.items[i].it
		if at >= it.Len {
			continue
		}
		want := int(min(int64(len(b)-n), it.Len-at))
		if err := p.copy(b[n:n+want], at, it); err != nil {
			return n, err
		}
		n += want
	}
	return n, nil
}

// copy copies from an item, from at on.
func (p *past) copy(b []byte, at int64, it *tree.Item) error {
	switch it.Kind {
	case tree.Literal:
		copy(b, it.Bytes[at:])
	case tree.Run:
		for i := range b {
			b[i] = it.Bytes[(at+int64(i))%int64(len(it.Bytes))]
		}
	case tree.Hole:
		clear(b)
	case tree.Chunk:
		if p.plain == nil || p.last != it.Digest {
			plain, err := p.k.r.Get(p.k.c.ctx, it.Digest, p.plain[:0])
			if err != nil {
				return err
			}
			p.last, p.plain = it.Digest, plain
		}
		if int64(len(p.plain)) != it.Len {
			return io.ErrUnexpectedEOF
		}
		copy(b, p.plain[at:])
	}
	return nil
}

// storeTyped stores data, elements of width bytes at off of the file: as their difference from what stood
// there, or by themselves.
func (k *worker) storeTyped(width int, d digest.Digest, data []byte, off int64, f *former) error {
	if f != nil {
		if was, ok := f.chunk(off, len(data)); ok {
			base, found, err := k.wholeOf(was, len(data))
			if err != nil {
				return err
			}
			if found {
				return k.w.StoreDiff(width, d, data, base, k.base)
			}
		}
	}
	return k.w.StoreTyped(width, d, data)
}

// wholeOf reads the chunk of n bytes that is stored whole and is, or is the base of, was into k.base. A base
// that cannot be had is not found.
func (k *worker) wholeOf(was digest.Digest, n int) (digest.Digest, bool, error) {
	whole, err := k.r.Base(k.c.ctx, was)
	if err != nil {
		return was, false, err
	}
	for _, b := range whole {
		if usable, err := k.w.Has(k.c.ctx, b); err != nil || !usable {
			continue
		}
		plain, err := k.r.Get(k.c.ctx, b, k.base[:0])
		if err != nil {
			if k.c.ctx.Err() != nil {
				return was, false, k.c.ctx.Err()
			}
			continue
		}
		if k.base = plain; len(plain) == n {
			return b, true, nil
		}
	}
	return was, false, nil
}
