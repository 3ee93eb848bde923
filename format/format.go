// Package format is the contract between varve and a kind of file.
//
// A format advises, never alters: what it says of a file changes how the file is cut and compressed, never
// what is kept. A format that is wrong, that fails or panics costs nothing but its advice.
package format

import (
	"cmp"
	"io"
	"slices"
)

// Region is a part of a file that is an array of numbers, or one thing for other reasons: a good place to cut
// is where it begins and where it ends.
type Region struct {
	Off, Len int64 // bytes from the start of the file, and how many; Len > 0
	Width    uint8 // bytes of a little-endian element: 2, 4 or 8, or 1 for an untyped region
}

// Seamer knows the regions of one kind of file. It is safe for concurrent use.
type Seamer interface {
	// Name is the format's, in lower case.
	Name() string
	// Match reports whether a file may be of this kind, by its name (a slash path or its last element) and its
	// first bytes: all of it, or at least HeadSize.
	Match(name string, head []byte) bool
	// Regions returns the regions of a file of size bytes, in any order; those that it leaves out are
	// untyped. The file may be anything, and may change while it is read.
	Regions(r io.ReaderAt, size int64) ([]Region, error)
}

// Limits of a Set.
const (
	HeadSize   = 4 << 10 // bytes that Match sees
	MaxRegions = 1 << 20 // of a file; more are no advice
)

// Set is the formats in use. Of several that match a file the first decides.
type Set []Seamer

// Regions returns the regions of a file, ascending, without overlap and within it; nil where no format knows
// the file, and whenever a format returns anything else, an error, or panics.
func (s Set) Regions(name string, r io.ReaderAt, size int64) (out []Region) {
	if len(s) == 0 || size <= 0 {
		return nil
	}
	defer func() {
		if recover() != nil {
			out = nil
		}
	}()
	head := make([]byte, min(size, HeadSize))
	if n, err := r.ReadAt(head, 0); n < len(head) && err != nil {
		return nil
	}
	for _, f := range s {
		if !f.Match(name, head) {
			continue
		}
		regions, err := f.Regions(r, size)
		if err != nil || !tidy(regions, size) {
			return nil
		}
		return regions
	}
	return nil
}

// tidy sorts regions and reports whether they can be those of a file of size bytes.
func tidy(regions []Region, size int64) bool {
	if len(regions) > MaxRegions {
		return false
	}
	slices.SortFunc(regions, func(a, b Region) int { return cmp.Compare(a.Off, b.Off) })
	end := int64(0)
	for _, g := range regions {
		switch g.Width {
		case 1, 2, 4, 8:
		default:
			return false
		}
		if g.Off < end || g.Len <= 0 || g.Off > size || g.Len > size-g.Off {
			return false
		}
		end = g.Off + g.Len
	}
	return true
}
