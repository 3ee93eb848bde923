package history

import (
	"context"
	"encoding/binary"
	"fmt"
	"iter"

	"varve/internal/digest"
	"varve/internal/object"
)

// A Change is what a snapshot did to one path, against its parent.
//
// The change list is a sequence of pages, each an object of its own: the byte 1 (format), then changes.
// A change is one byte of kind, the uvarint length of the path's prefix shared with the path before it on
// the page, the uvarint length and bytes of the rest, and for a rename the uvarint length and bytes of the
// old path. Paths ascend by their bytes.
type Change struct {
	Kind Kind
	Path string
	Old  string // of a rename
}

// Kind is how a path changed. The values are on disk.
type Kind byte

// The kinds of change.
const (
	Added    Kind = 'A'
	Modified Kind = 'M'
	Removed  Kind = 'R'
	Renamed  Kind = 'N'
	Touched  Kind = 'T' // only metadata
)

func (k Kind) String() string {
	switch k {
	case Added:
		return "added"
	case Modified:
		return "modified"
	case Removed:
		return "removed"
	case Renamed:
		return "renamed"
	case Touched:
		return "metadata"
	}
	return fmt.Sprintf("kind %d", byte(k))
}

const (
	changesFormat = 1
	changesPage   = 64 << 10
	maxPath       = 1 << 20
	// The paths of a page share their beginnings: they may have far more bytes than it. A page ends when they have
	// pathsPage, and is not read past maxPaths.
	pathsPage = 64 << 20
	maxPaths  = 256 << 20
)

var errChanges = fmt.Errorf("change list: %w", object.ErrDamaged)

// PutChanges stores a change list, in ascending order of paths, and returns the digests of its pages.
func PutChanges(put func([]byte) (digest.Digest, error), changes []Change) ([]string, error) {
	var out []string
	page := []byte{changesFormat}
	last, paths := "", 0
	flush := func() error {
		d, err := put(page)
		out = append(out, d.String())
		page, last, paths = append(page[:0], changesFormat), "", 0
		return err
	}
	for i := range changes {
		c := &changes[i]
		n := shared(last, c.Path)
		page = append(page, byte(c.Kind))
		page = binary.AppendUvarint(page, uint64(n))
		page = binary.AppendUvarint(page, uint64(len(c.Path)-n))
		page = append(page, c.Path[n:]...)
		if c.Kind == Renamed {
			page = binary.AppendUvarint(page, uint64(len(c.Old)))
			page = append(page, c.Old...)
		}
		last = c.Path
		if paths += len(c.Path); len(page) >= changesPage || paths >= pathsPage {
			if err := flush(); err != nil {
				return nil, err
			}
		}
	}
	if len(page) > 1 {
		if err := flush(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func shared(a, b string) int {
	n := 0
	for n < len(a) && n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// Changes yields the change list of s.
func (s *Snapshot) ReadChanges(ctx context.Context, get func(context.Context, digest.Digest) ([]byte, error)) iter.Seq2[Change, error] {
	return func(yield func(Change, error) bool) {
		for _, name := range s.Changes {
			d, err := digest.Parse(name)
			if err != nil {
				yield(Change{}, err)
				return
			}
			page, err := get(ctx, d)
			if err != nil {
				yield(Change{}, err)
				return
			}
			more := true
			err = eachChange(page, func(c Change) bool { more = yield(c, nil); return more })
			if err != nil {
				yield(Change{}, err)
			}
			if err != nil || !more {
				return
			}
		}
	}
}

// DecodeChanges reads one page of a change list.
func DecodeChanges(b []byte) (out []Change, err error) {
	err = eachChange(b, func(c Change) bool { out = append(out, c); return true })
	if err != nil {
		return nil, err
	}
	return out, nil
}

// CheckChanges reads one page of a change list and keeps nothing of it.
func CheckChanges(b []byte) error { return eachChange(b, func(Change) bool { return true }) }

// eachChange calls fn for the changes of a page until it returns false.
func eachChange(b []byte, fn func(Change) bool) error {
	if len(b) < 1 || b[0] != changesFormat {
		return errChanges
	}
	b = b[1:]
	take := func() (int, bool) {
		v, n := binary.Uvarint(b)
		if n <= 0 || v > maxPath {
			return 0, false
		}
		b = b[n:]
		return int(v), true
	}
	last, paths := "", 0
	for len(b) > 0 {
		c := Change{Kind: Kind(b[0])}
		b = b[1:]
		n, ok := take()
		m, ok2 := take()
		paths += n + m
		if !ok || !ok2 || n > len(last) || m > len(b) || n+m > maxPath || paths > maxPaths {
			return errChanges
		}
		c.Path = last[:n] + string(b[:m])
		b = b[m:]
		switch c.Kind {
		case Renamed:
			if m, ok = take(); !ok || m > len(b) {
				return errChanges
			}
			c.Old, b = string(b[:m]), b[m:]
		case Added, Modified, Removed, Touched:
		default:
			return errChanges
		}
		if c.Path <= last {
			return errChanges
		}
		last = c.Path
		if !fn(c) {
			return nil
		}
	}
	return nil
}
