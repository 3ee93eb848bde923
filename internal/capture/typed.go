package capture

import (
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
	Width    uint8 // bytes of its little-endian elements; 1 if it has none
}

const (
	// typedMin is the size from which a file's regions are asked for.
	typedMin = 16 << 10
	// joinMax: a region up to this size joins the one before it, if both are alike and touch.
	joinMax = 64 << 10
	// typedClass cuts at multiples from the region's start, so that elements have the same place in every
	// version: they change where they are, and are not inserted.
	typedClass = chunk.Fixed256K
)

// layout is where a file has regions. The nil layout has none.
type layout struct {
	regions []Region // ascending; only their widths 2 and 4 are typed
	seams   []chunk.Seam
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
	l := &layout{}
	end := int64(0)
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
		if n > 0 && g.Off == end && g.Width == l.regions[n-1].Width && g.Len < joinMax {
			l.regions[n-1].Len += g.Len
			l.seams[len(l.seams)-1].Off += g.Len
		} else {
			l.regions = append(l.regions, g)
			l.seams = append(l.seams, chunk.Seam{Off: g.Off, Class: cut}, chunk.Seam{Off: g.Off + g.Len, Class: class})
		}
		end = g.Off + g.Len
	}
	if len(l.regions) == 0 {
		return nil
	}
	return l
}

// cuts returns the seams of the layout.
func (l *layout) cuts() []chunk.Seam {
	if l == nil {
		return nil
	}
	return l.seams
}

// width returns the width of the elements that n bytes from off consist of; 1 if they are not typed.
func (l *layout) width(off int64, n int) int {
	if l == nil {
		return 1
	}
	i := sort.Search(len(l.regions), func(i int) bool { return l.regions[i].Off > off }) - 1
	if i < 0 {
		return 1
	}
	g := &l.regions[i]
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
	at    map[int64]stood
	shift int64 // bytes by which the last version was longer
}

type stood struct {
	d   digest.Digest
	len int
}

// formerOf returns the places of old's chunks for the new version of size bytes; nil if there is no old
// version that can serve.
func (k *worker) formerOf(old *tree.Entry, size int64) *former {
	if old == nil || old.Type != disk.Regular || old.Size <= inlineMax || k.w.Drafts() {
		return nil
	}
	f := &former{at: map[int64]stood{}, shift: old.Size - size}
	off := int64(0)
	for it, err := range tree.Items(k.c.ctx, k.get, old) {
		if err != nil {
			return nil
		}
		if it.Kind == tree.Chunk {
			f.at[off] = stood{it.Digest, int(it.Len)}
		}
		off += it.Len
	}
	return f
}

// chunk returns what stood in the place of the n bytes at off: at the same offset, or, when the header in
// front has grown or shrunk, as far from the end.
func (f *former) chunk(off int64, n int) (digest.Digest, bool) {
	for _, at := range [2]int64{off, off + f.shift} {
		if s, ok := f.at[at]; ok && s.len == n {
			return s.d, true
		}
	}
	return digest.Digest{}, false
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
