package tree

import (
	"bytes"
	"slices"
	"strings"

	"varve/internal/digest"
	"varve/internal/disk"
)

// Flags are facts about an entry that its metadata does not hold. The bits are on disk.
type Flags uint16

// The flags.
const (
	Unstable   Flags = 1 << 0 // changed while it was read
	Suspect    Flags = 1 << 1 // looks half saved
	SparseFile Flags = 1 << 2 // had holes
	HasSHA256  Flags = 1 << 3 // Entry.SHA256 is set

	allFlags = Unstable | Suspect | SparseFile | HasSHA256
)

// Summary counts what is below a directory, the directory itself left out.
type Summary struct {
	Files    uint64 `json:"files"`
	Dirs     uint64 `json:"dirs"`
	Links    uint64 `json:"links"`
	Specials uint64 `json:"specials"`
	Bytes    uint64 `json:"bytes"`    // sizes of the regular files; a file with two names counts twice
	Doubtful uint64 `json:"doubtful"` // entries that are Unstable or Suspect
	Depth    uint64 `json:"depth"`    // directories one in the other; 0 where there are none
}

// Entry is a name in a directory and what it stands for.
//
// Size is that of regular files. Elsewhere it is not kept, and read as the length of the target for
// a link and 0 for the rest. Likewise Rdev is kept for devices only. SHA256 is not kept where Sum derives
// it. A LinkGroup should follow from the inode's paths and not from the order of a walk, so that equal
// folders stay equal.
type Entry struct {
	Name      string // 1 to MaxName bytes of any encoding, without '/' and NUL; not "." or ".."
	Type      disk.Type
	Mode      uint32 // at most 0o7777
	UID, GID  uint32
	Mtime     int64 // nanoseconds since 1970
	Size      int64 // bytes
	Rdev      uint64
	Attrs     uint32
	LinkGroup uint64 // entries of a snapshot with the same number other than 0 are one inode
	Flags     Flags
	SHA256    [32]byte     // of the whole file, if Flags has HasSHA256
	Target    string       // of a symlink: 1 to MaxTarget bytes without NUL
	Xattrs    []disk.Xattr // in strictly ascending order of their names

	// A regular file has its recipe in one of two places, as PutRecipe returns it.
	Content []byte        // the encoded recipe
	Recipe  digest.Digest // root of its pages, if Content is nil

	// Of a directory: its root page and what is below it, as Builder.Finish returns them.
	Dir     digest.Digest
	Summary Summary
}

// Sum returns the SHA-256 of a regular file, if it is known: stored, or derived where the entry holds
// all of its bytes.
func (e *Entry) Sum() ([32]byte, bool) {
	switch {
	case e.Flags&HasSHA256 != 0:
		return e.SHA256, true
	case e.Type == disk.Regular && e.Content != nil:
		return literalSum(e.Content)
	}
	return [32]byte{}, false
}

// Equal reports whether two entries are kept as the same bytes.
func (e *Entry) Equal(o *Entry) bool {
	return e.equalBut(o) && e.Dir == o.Dir && e.Summary == o.Summary
}

// equalBut is Equal without what is below a directory. Content holds a recipe's size, and Size is derived
// for all but regular files, so the rest compares field by field.
func (e *Entry) equalBut(o *Entry) bool {
	return e.Name == o.Name && e.Type == o.Type && e.Mode == o.Mode && e.UID == o.UID && e.GID == o.GID &&
		e.Mtime == o.Mtime && e.Size == o.Size && e.Rdev == o.Rdev && e.Attrs == o.Attrs &&
		e.LinkGroup == o.LinkGroup && e.Flags == o.Flags && e.SHA256 == o.SHA256 && e.Target == o.Target &&
		e.Recipe == o.Recipe && bytes.Equal(e.Content, o.Content) &&
		slices.EqualFunc(e.Xattrs, o.Xattrs, func(a, b disk.Xattr) bool {
			return a.Name == b.Name && bytes.Equal(a.Value, b.Value)
		})
}

// counts returns what the entry adds to the summary of its directory.
func (e *Entry) counts() Summary {
	var s Summary
	switch e.Type {
	case disk.Regular:
		s.Files, s.Bytes = 1, uint64(e.Size)
	case disk.Directory:
		s = e.Summary
		s.Dirs++
		s.Depth++
	case disk.Symlink:
		s.Links = 1
	default:
		s.Specials = 1
	}
	if e.Flags&(Unstable|Suspect) != 0 {
		s.Doubtful++
	}
	return s
}

// add adds o to s; false, and s is spoilt, where a number would pass maxBytes or the depth MaxDepth.
func (s *Summary) add(o *Summary) bool {
	s.Files += o.Files
	s.Dirs += o.Dirs
	s.Links += o.Links
	s.Specials += o.Specials
	s.Bytes += o.Bytes
	s.Doubtful += o.Doubtful
	s.Depth = max(s.Depth, o.Depth)
	// Two numbers up to 2^63 each cannot wrap.
	return (s.Files|s.Dirs|s.Links|s.Specials|s.Bytes|s.Doubtful) <= maxBytes && s.Depth <= MaxDepth
}

// within reports whether no number of s is greater than that of o.
func (s *Summary) within(o *Summary) bool {
	return s.Files <= o.Files && s.Dirs <= o.Dirs && s.Links <= o.Links && s.Specials <= o.Specials &&
		s.Bytes <= o.Bytes && s.Doubtful <= o.Doubtful && s.Depth <= o.Depth
}

func badName[T string | []byte](name T) string {
	switch {
	case len(name) == 0:
		return "empty name"
	case len(name) > MaxName:
		return "name too long"
	case name[0] == '.' && (len(name) == 1 || len(name) == 2 && name[1] == '.'):
		return "name is . or .."
	}
	for i := 0; i < len(name); i++ {
		if name[i] == '/' || name[i] == 0 {
			return "name holds a slash or NUL"
		}
	}
	return ""
}

// check tells why an entry cannot be kept, or "", and whether its SHA-256 is derived.
func (e *Entry) check() (why string, derived bool) {
	if why := badName(e.Name); why != "" {
		return why, false
	}
	if why := e.badMeta(); why != "" {
		return why, false
	}
	if e.Type == disk.Regular {
		return e.checkFile()
	}
	return "", false
}

// badMeta tells what is wrong with an entry, its name and a file's content left out.
func (e *Entry) badMeta() string {
	switch {
	case e.Type >= disk.Unknown:
		return "type is not known"
	case e.Mode > 0o7777:
		return "mode has more than permission bits"
	case e.Flags&^allFlags != 0:
		return "unknown flags"
	case e.LinkGroup != 0 && e.Type == disk.Directory:
		return "directory in a link group"
	case e.Flags&HasSHA256 != 0 && e.Type != disk.Regular:
		return "SHA-256 of what is not a file"
	}
	switch e.Type {
	case disk.Directory:
		if e.Dir.IsZero() {
			return "directory without a digest"
		}
		if s := (Summary{}); !s.add(&e.Summary) || s.Depth >= MaxDepth {
			return "directory too deep or too large"
		}
	case disk.Symlink:
		if len(e.Target) == 0 || len(e.Target) > MaxTarget || strings.IndexByte(e.Target, 0) >= 0 {
			return "target empty, too long or with NUL"
		}
	}
	return badXattrs(e.Xattrs)
}

func (e *Entry) checkFile() (why string, derived bool) {
	if e.Size < 0 || e.Size > MaxFile {
		return "size out of range", false
	}
	if e.Content == nil {
		if e.Recipe.IsZero() {
			return "file without a recipe", false
		}
		return "", false
	}
	if len(e.Content) > MaxInline {
		return "inline recipe too long", false
	}
	size, literal, err := inspect(e.Content)
	switch {
	case err != nil:
		return "inline recipe damaged", false
	case size != e.Size:
		return "size differs from the recipe's", false
	case !e.Recipe.IsZero():
		return "two recipes", false
	}
	return "", literal
}

func badXattrs(xs []disk.Xattr) string {
	total := 0
	for i := range xs {
		x := &xs[i]
		switch {
		case len(x.Name) == 0 || len(x.Name) > MaxXattrName || strings.IndexByte(x.Name, 0) >= 0:
			return "xattr name empty, too long or with NUL"
		case len(x.Value) > MaxXattr:
			return "xattr value too long"
		case i > 0 && xs[i-1].Name >= x.Name:
			return "xattrs out of order"
		}
		if total += len(x.Name) + len(x.Value); total > MaxXattrs {
			return "xattrs too long together"
		}
	}
	return ""
}
