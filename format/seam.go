package format

import (
	"bytes"
	"cmp"
	"io"
	"slices"
)

// Region is a part of a file that is an array of numbers, or one thing for other reasons: a good place to cut
// is where it begins and where it ends.
type Region struct {
	Off, Len int64 // bytes from the start of the file, and how many; Len > 0
	Width    uint8 // bytes of a little-endian element: 2, 4 or 8, or 1 for an untyped region
	// Name is that of the array in every version of the file that has it; "" where it has none. The array of a name is
	// looked for wherever it stands in another version.
	Name string
}

// Seamer knows the regions of one kind of file: in any order; those that it leaves out are untyped.
type Seamer interface {
	Regions(in Input) ([]Region, error)
}

// MaxRegions of a file; more are no advice.
const MaxRegions = 1 << 20

// Set is the formats in use. Of several that match a file the first decides.
type Set []Format

// Of returns the format of a file, nil if none knows it. head is all of it, or at least HeadSize.
func (s Set) Of(name string, head []byte) (found Format) {
	defer func() {
		if recover() != nil {
			found = nil
		}
	}()
	for _, f := range s {
		if f.Match(name, head) {
			return f
		}
	}
	return nil
}

// Find returns the format of a file by its name and content, nil if none knows it. An error is one of reading.
func (s Set) Find(name string, in Input) (Format, error) {
	head := make([]byte, min(in.Size(), HeadSize))
	if n, err := in.ReadAt(head, 0); n < len(head) && err != nil {
		return nil, err
	}
	return s.Of(name, head), nil
}

// Regions returns the regions of a file, ascending, without overlap and within it; nil where no format knows
// the file, and whenever a format returns anything else, an error, or panics.
func (s Set) Regions(name string, r io.ReaderAt, size int64) []Region {
	if len(s) == 0 || size <= 0 {
		return nil
	}
	in := io.NewSectionReader(r, 0, size)
	f, err := s.Find(name, in)
	if err != nil {
		return nil
	}
	seamer, ok := f.(Seamer)
	if !ok {
		return nil
	}
	regions, err := Guard(f, func() ([]Region, error) { return seamer.Regions(in) })
	if err != nil || !tidy(regions, size) {
		return nil
	}
	return regions
}

// tidy sorts regions and reports whether they can be those of a file of size bytes.
func tidy(regions []Region, size int64) bool {
	names := 0
	if len(regions) > MaxRegions {
		return false
	}
	slices.SortFunc(regions, func(a, b Region) int { return cmp.Compare(a.Off, b.Off) })
	end := int64(0)
	for _, g := range regions {
		if names += len(g.Name); names > MaxNames {
			return false
		}
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

// Bytes returns an Input of bytes in memory.
func Bytes(b []byte) Input { return bytes.NewReader(b) }
