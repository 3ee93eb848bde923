package tree

import (
	"encoding/binary"
	"math"

	"varve/internal/digest"
	"varve/internal/disk"
)

// Bits of the head and extras bytes of an entry.
const (
	headType   = 0x07
	sameMode   = 0x08
	sameOwner  = 0x10
	pagedFile  = 0x20
	storedSum  = 0x40
	headExtras = 0x80

	withFlags  = 0x01
	withLink   = 0x02
	withAttrs  = 0x04
	withRdev   = 0x08
	withXattrs = 0x10
	allExtras  = 0x1f
)

const second = 1_000_000_000

// prior is what an entry takes over from the row before it.
type prior struct {
	mode, uid, gid uint32
	seconds        int64
}

func isDevice(t disk.Type) bool { return t == disk.CharDevice || t == disk.BlockDevice }

// splitTime returns whole seconds, rounded down, and the nanoseconds above them.
func splitTime(ns int64) (s, n int64) {
	s, n = ns/second, ns%second
	if n < 0 {
		s, n = s-1, n+second
	}
	return s, n
}

// appendEntry appends a checked entry after the row p tells of, and makes p tell of it.
func appendEntry(dst []byte, e *Entry, derived bool, p *prior) []byte {
	head := byte(e.Type)
	if e.Mode == p.mode {
		head |= sameMode
	}
	if e.UID == p.uid && e.GID == p.gid {
		head |= sameOwner
	}
	if e.Type == disk.Regular && e.Content == nil {
		head |= pagedFile
	}
	if e.Flags&HasSHA256 != 0 && !derived {
		head |= storedSum
	}
	extras := e.extras()
	if extras != 0 {
		head |= headExtras
		dst = append(dst, head, extras)
	} else {
		dst = append(dst, head)
	}
	dst = appendStr(dst, e.Name)
	if head&sameMode == 0 {
		dst = binary.AppendUvarint(dst, uint64(e.Mode))
	}
	if head&sameOwner == 0 {
		dst = binary.AppendUvarint(dst, uint64(e.UID))
		dst = binary.AppendUvarint(dst, uint64(e.GID))
	}
	s, n := splitTime(e.Mtime)
	dst = appendSvarint(dst, s-p.seconds)
	dst = binary.AppendUvarint(dst, uint64(n))
	*p = prior{e.Mode, e.UID, e.GID, s}
	if extras != 0 {
		dst = appendExtras(dst, e, extras)
	}
	return appendBody(dst, e, head)
}

func (e *Entry) extras() (x byte) {
	if e.Flags&^HasSHA256 != 0 {
		x |= withFlags
	}
	if e.LinkGroup != 0 {
		x |= withLink
	}
	if e.Attrs != 0 {
		x |= withAttrs
	}
	if e.Rdev != 0 && isDevice(e.Type) {
		x |= withRdev
	}
	if len(e.Xattrs) != 0 {
		x |= withXattrs
	}
	return x
}

func appendExtras(dst []byte, e *Entry, extras byte) []byte {
	if extras&withFlags != 0 {
		dst = binary.AppendUvarint(dst, uint64(e.Flags&^HasSHA256))
	}
	if extras&withLink != 0 {
		dst = binary.AppendUvarint(dst, e.LinkGroup)
	}
	if extras&withAttrs != 0 {
		dst = binary.AppendUvarint(dst, uint64(e.Attrs))
	}
	if extras&withRdev != 0 {
		dst = binary.AppendUvarint(dst, e.Rdev)
	}
	if extras&withXattrs != 0 {
		dst = binary.AppendUvarint(dst, uint64(len(e.Xattrs)))
		for i := range e.Xattrs {
			dst = appendStr(dst, e.Xattrs[i].Name)
			dst = appendStr(dst, e.Xattrs[i].Value)
		}
	}
	return dst
}

func appendBody(dst []byte, e *Entry, head byte) []byte {
	switch e.Type {
	case disk.Regular:
		if head&pagedFile != 0 {
			dst = binary.AppendUvarint(dst, uint64(e.Size))
			dst = append(dst, e.Recipe[:]...)
		} else {
			dst = appendStr(dst, e.Content)
		}
		if head&storedSum != 0 {
			dst = append(dst, e.SHA256[:]...)
		}
	case disk.Directory:
		dst = append(dst, e.Dir[:]...)
		dst = appendSummary(dst, &e.Summary)
	case disk.Symlink:
		dst = appendStr(dst, e.Target)
	}
	return dst
}

func appendStr[T string | []byte](dst []byte, s T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendSummary(dst []byte, s *Summary) []byte {
	for _, x := range [...]uint64{s.Files, s.Dirs, s.Links, s.Specials, s.Bytes, s.Doubtful, s.Depth} {
		dst = binary.AppendUvarint(dst, x)
	}
	return dst
}

// child is a row of a level above 0: a page below, and what it must hold.
type child struct {
	first  string
	digest digest.Digest
	sum    Summary
}

// rows reads the rows of a tree page.
type rows struct {
	in    reader
	text  string // the page again: names are cut from it, so that none is allocated by itself
	prior prior
	last  string // name of the row before; "" before the first
}

// cut returns b, which was just taken from the page, as a string.
func (r *rows) cut(b []byte) string { return r.text[r.in.off-len(b) : r.in.off] }

// name reads the name of a row and holds it to the order.
func (r *rows) name() string {
	b := r.in.str(MaxName, "name too long")
	if r.in.why != "" {
		return ""
	}
	if why := badName(b); why != "" {
		r.in.fail(why)
		return ""
	}
	name := r.cut(b)
	if name <= r.last {
		r.in.fail("names out of order")
		return ""
	}
	r.last = name
	return name
}

// child reads a row of a level above 0.
func (r *rows) child(c *child) {
	c.first = r.name()
	c.digest = r.in.digest()
	r.summary(&c.sum)
}

func (r *rows) summary(s *Summary) {
	for _, x := range [...]*uint64{&s.Files, &s.Dirs, &s.Links, &s.Specials, &s.Bytes, &s.Doubtful} {
		*x = r.in.upto(maxBytes, "summary out of range")
	}
	s.Depth = r.in.upto(MaxDepth, "directory too deep")
}

// entry reads an entry, and refuses every form that appendEntry would not have chosen.
func (r *rows) entry(e *Entry) {
	*e = Entry{}
	in := &r.in
	head, extras := in.u8(), byte(0)
	if head&headExtras != 0 {
		extras = in.u8()
		if extras == 0 || extras&^allExtras != 0 {
			in.fail("bad extras")
		}
	}
	e.Type = disk.Type(head & headType)
	if e.Type >= disk.Unknown || e.Type != disk.Regular && head&(pagedFile|storedSum) != 0 {
		in.fail("bad type")
	}
	e.Name = r.name()
	r.owner(e, head)
	r.mtime(e)
	if extras != 0 {
		r.extras(e, extras)
	}
	switch e.Type {
	case disk.Regular:
		r.file(e, head)
	case disk.Directory:
		e.Dir = in.digest()
		r.summary(&e.Summary)
	case disk.Symlink:
		e.Target = r.cut(in.str(MaxTarget, "target too long"))
		e.Size = int64(len(e.Target))
	}
	if why := e.badMeta(); why != "" {
		in.fail(why)
	}
}

func (r *rows) owner(e *Entry, head byte) {
	p := &r.prior
	if head&sameMode == 0 {
		m := uint32(r.in.upto(0o7777, "bad mode"))
		if m == p.mode {
			r.in.fail("mode repeated")
		}
		p.mode = m
	}
	if head&sameOwner == 0 {
		u := uint32(r.in.upto(math.MaxUint32, "bad uid"))
		g := uint32(r.in.upto(math.MaxUint32, "bad gid"))
		if u == p.uid && g == p.gid {
			r.in.fail("owner repeated")
		}
		p.uid, p.gid = u, g
	}
	e.Mode, e.UID, e.GID = p.mode, p.uid, p.gid
}

func (r *rows) mtime(e *Entry) {
	const lowest, highest = math.MinInt64/second - 1, math.MaxInt64 / second
	delta := r.in.svarint()
	n := int64(r.in.upto(second-1, "bad nanoseconds"))
	if delta < lowest-highest || delta > highest-lowest {
		r.in.fail("time out of range")
		return
	}
	s := r.prior.seconds + delta
	if s < lowest || s > highest {
		r.in.fail("time out of range")
		return
	}
	// At both ends of the range only some nanoseconds fit; what wraps does not split back.
	e.Mtime = s*second + n
	if bs, bn := splitTime(e.Mtime); bs != s || bn != n {
		r.in.fail("time out of range")
		return
	}
	r.prior.seconds = s
}

func (r *rows) extras(e *Entry, extras byte) {
	nonzero := func(limit uint64) uint64 {
		x := r.in.upto(limit, "field out of range")
		if x == 0 {
			r.in.fail("zero field stored")
		}
		return x
	}
	if extras&withFlags != 0 {
		e.Flags = Flags(nonzero(uint64(allFlags)))
		if e.Flags&HasSHA256 != 0 {
			r.in.fail("bad flags")
		}
	}
	if extras&withLink != 0 {
		e.LinkGroup = nonzero(math.MaxUint64)
	}
	if extras&withAttrs != 0 {
		e.Attrs = uint32(nonzero(math.MaxUint32))
	}
	if extras&withRdev != 0 {
		if e.Rdev = nonzero(math.MaxUint64); !isDevice(e.Type) {
			r.in.fail("device number of what is no device")
		}
	}
	if extras&withXattrs != 0 {
		r.xattrs(e, nonzero(MaxXattrs))
	}
}

func (r *rows) xattrs(e *Entry, n uint64) {
	// An attribute takes three bytes at least.
	if n > uint64(len(r.in.b)-r.in.off)/3 {
		r.in.fail("more xattrs than bytes")
		return
	}
	e.Xattrs = make([]disk.Xattr, n)
	for i := range e.Xattrs {
		e.Xattrs[i].Name = r.cut(r.in.str(MaxXattrName, "xattr name too long"))
		e.Xattrs[i].Value = r.in.str(MaxXattr, "xattr too long")
		if r.in.why != "" {
			return
		}
	}
}

func (r *rows) file(e *Entry, head byte) {
	literal := false
	if head&pagedFile != 0 {
		e.Size = int64(r.in.upto(MaxFile, "file too long"))
		if e.Recipe = r.in.digest(); e.Recipe.IsZero() {
			r.in.fail("file without a recipe")
		}
	} else {
		e.Content = r.in.str(MaxInline, "inline recipe too long")
		var err error
		if e.Size, literal, err = inspect(e.Content); err != nil {
			r.in.fail("inline recipe damaged")
		}
	}
	if head&storedSum != 0 {
		if literal {
			r.in.fail("SHA-256 stored that is derived")
		}
		e.Flags |= HasSHA256
		copy(e.SHA256[:], r.in.take(len(e.SHA256)))
	}
}
