package scan

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"iter"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/tree"
)

// The stat cache remembers what the file system said of each file when its content was last read, and the
// digest of each folder as it was kept. It is a cache: lost or damaged, everything is read again.
//
// # Bytes
//
// Integers are little endian. A cache is a header, records, and a trailer:
//
//	header   8 "varve-sc", 4 format 1, 4 zero, 16 vault, 16 project, 16 zero
//	packs    16 bytes of each pack that the vault had then
//	trailer  8 offset of the root's record, 4 number of packs, 4 CRC-32C of everything before it
//
// Records come after those of their subfolders. A record is
//
//	 32  digest of the folder's tree
//	  8  device
//	  8  bytes of the record's entries
//	  1  flags: 1 an entry is racy, 2 something below is racy
//	  .  seven uvarints: the summary of the tree, in the order of package tree
//	  .  entries, ascending by name:
//	       uvarint length of the name, name
//	       49 bytes of status: type 1, mode 4, uid 4, gid 4, links 4, size 8, mtime 8, ctime 8, inode 8
//	       1 flags: 1 racy
//	       8 for a directory: offset of its record, 0 for none
//
// An entry is racy if it changed so shortly before it was read that a later change could leave the same
// times: it is not trusted.

const (
	cacheMagic   = "varve-sc"
	cacheFormat  = 1
	cacheHeader  = 64
	cacheTrailer = 16
	statusSize   = 49
)

// CacheKey says what a cache belongs to.
type CacheKey struct {
	Vault, Project [16]byte
}

// Cache is an opened stat cache.
type Cache struct {
	b     []byte // header and records
	root  uint64
	packs []byte
	Key   CacheKey
}

var errCache = errors.New("stat cache is damaged")

// OpenCache reads a cache. b must not change while it is in use.
func OpenCache(b []byte) (*Cache, error) {
	if len(b) < cacheHeader+cacheTrailer || string(b[:8]) != cacheMagic || binary.LittleEndian.Uint32(b[8:]) != cacheFormat {
		return nil, errCache
	}
	end := len(b) - 4
	if crc32.Checksum(b[:end], castagnoli()) != binary.LittleEndian.Uint32(b[end:]) {
		return nil, errCache
	}
	trailer := b[len(b)-cacheTrailer:]
	n := uint64(binary.LittleEndian.Uint32(trailer[8:])) * packSize
	if n > uint64(len(b)-cacheHeader-cacheTrailer) {
		return nil, errCache
	}
	records := len(b) - cacheTrailer - int(n)
	c := &Cache{b: b[:records], packs: b[records : records+int(n)], root: binary.LittleEndian.Uint64(trailer)}
	copy(c.Key.Vault[:], b[16:])
	copy(c.Key.Project[:], b[32:])
	return c, nil
}

const packSize = 16

// Packs yields the packs that the vault had when the cache was made. A folder may be taken over unread only
// while all of them are there: its content may lie in any.
func (c *Cache) Packs() iter.Seq[[packSize]byte] {
	return func(yield func([packSize]byte) bool) {
		for b := c.packs; len(b) > 0; b = b[packSize:] {
			if !yield([packSize]byte(b[:packSize])) {
				return
			}
		}
	}
}

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// Record is a folder as the cache knows it.
type Record struct {
	cache   *Cache
	off     uint64
	Digest  digest.Digest
	Device  uint64
	Racy    bool // an entry of the folder itself
	Deep    bool // or anything below
	Summary tree.Summary
	entries []byte
}

// Root returns the record of the project's folder.
func (c *Cache) Root() *Record { return c.record(c.root) }

// record returns nil where the cache holds nonsense: the folder is then read anew.
func (c *Cache) record(off uint64) *Record {
	const fixed = digest.Size + 17
	if off < cacheHeader || off > uint64(len(c.b)) || uint64(len(c.b))-off < fixed {
		return nil
	}
	b := c.b[off:]
	r := &Record{cache: c, off: off, Digest: digest.Digest(b[:digest.Size]), Device: binary.LittleEndian.Uint64(b[digest.Size:])}
	n := binary.LittleEndian.Uint64(b[digest.Size+8:])
	r.Racy, r.Deep = b[digest.Size+16]&1 != 0, b[digest.Size+16]&2 != 0
	b = b[fixed:]
	for _, v := range []*uint64{&r.Summary.Files, &r.Summary.Dirs, &r.Summary.Links, &r.Summary.Specials, &r.Summary.Bytes, &r.Summary.Doubtful, &r.Summary.Depth} {
		x, k := binary.Uvarint(b)
		if k <= 0 {
			return nil
		}
		*v, b = x, b[k:]
	}
	if uint64(len(b)) < n {
		return nil
	}
	r.entries = b[:n]
	return r
}

// child returns the record of a subfolder, which lies before its own; nil where the cache holds nonsense.
func (r *Record) child(off uint64) *Record {
	if off >= r.off {
		return nil
	}
	return r.cache.record(off)
}

// cached is one entry of a record.
type cached struct {
	name   []byte
	status []byte
	racy   bool
	child  uint64
	raw    []byte
}

// next cuts the first entry off b; ok is false at the end or where b is damaged.
func next(b []byte) (e cached, rest []byte, ok bool) {
	n, k := binary.Uvarint(b)
	if k <= 0 || n == 0 || n > 1<<16 || uint64(len(b)-k) < n+statusSize+1 {
		return e, nil, false
	}
	at := k + int(n)
	e.name, e.status, e.racy = b[k:at], b[at:at+statusSize], b[at+statusSize]&1 != 0
	end := at + statusSize + 1
	if disk.Type(e.status[0]) == disk.Directory {
		if len(b) < end+8 {
			return e, nil, false
		}
		e.child = binary.LittleEndian.Uint64(b[end:])
		end += 8
	}
	e.raw = b[:end]
	return e, b[end:], true
}

// appendStatus appends what decides whether an entry is as it was. A directory's size and links say
// nothing of its own.
func appendStatus(dst []byte, i *disk.Info) []byte {
	size, links := i.Size, i.Links
	if i.Type == disk.Directory {
		size, links = 0, 0
	}
	le := binary.LittleEndian
	dst = append(dst, byte(i.Type))
	dst = le.AppendUint32(dst, i.Mode)
	dst = le.AppendUint32(dst, i.UID)
	dst = le.AppendUint32(dst, i.GID)
	dst = le.AppendUint32(dst, links)
	dst = le.AppendUint64(dst, uint64(size))
	dst = le.AppendUint64(dst, uint64(i.Mtime))
	dst = le.AppendUint64(dst, uint64(i.Ctime))
	return le.AppendUint64(dst, i.Inode)
}

// status fields, by their place.
func statusSizeOf(s []byte) int64   { return int64(binary.LittleEndian.Uint64(s[17:])) }
func statusMtimeOf(s []byte) int64  { return int64(binary.LittleEndian.Uint64(s[25:])) }
func statusInodeOf(s []byte) uint64 { return binary.LittleEndian.Uint64(s[41:]) }

// A CacheWriter makes a new cache, folder by folder from the leaves up. It is not safe for concurrent use.
type CacheWriter struct {
	b []byte
}

// NewCacheWriter starts a cache for the snapshot that is being taken. Seal sets its id.
func NewCacheWriter() *CacheWriter {
	b := append(make([]byte, 0, 1<<16), cacheMagic...)
	b = binary.LittleEndian.AppendUint32(b, cacheFormat)
	return &CacheWriter{b: append(b, make([]byte, cacheHeader-12)...)}
}

// Entry is what a CacheWriter is told of one entry of a folder.
type CacheEntry struct {
	Name  string
	Info  *disk.Info
	Racy  bool
	Child uint64 // of a directory: what Add returned for it
}

// Add writes a folder's record and returns its offset. racy says that something below is.
func (w *CacheWriter) Add(d digest.Digest, device uint64, s tree.Summary, racy bool, entries []CacheEntry) uint64 {
	off := uint64(len(w.b))
	flags := byte(0)
	if racy {
		flags |= 2
	}
	w.b = append(w.b, d[:]...)
	w.b = binary.LittleEndian.AppendUint64(w.b, device)
	w.b = binary.LittleEndian.AppendUint64(w.b, 0)
	mark := len(w.b)
	w.b = append(w.b, flags)
	w.b = appendSummary(w.b, &s)
	start := len(w.b)
	for i := range entries {
		e := &entries[i]
		w.b = binary.AppendUvarint(w.b, uint64(len(e.Name)))
		w.b = append(w.b, e.Name...)
		w.b = appendStatus(w.b, e.Info)
		if e.Racy {
			w.b = append(w.b, 1)
			w.b[mark] |= 3
		} else {
			w.b = append(w.b, 0)
		}
		if e.Info.Type == disk.Directory {
			w.b = binary.LittleEndian.AppendUint64(w.b, e.Child)
		}
	}
	binary.LittleEndian.PutUint64(w.b[mark-8:], uint64(len(w.b)-start))
	return off
}

// Copy writes a record of an older cache again, with everything below it, and returns its offset.
func (w *CacheWriter) Copy(r *Record) uint64 {
	if r == nil {
		return 0
	}
	return w.copy(r, 0, len(w.b)+len(r.cache.b))
}

// copy stops where w would be longer than limit: a damaged cache may have one record below many others.
func (w *CacheWriter) copy(r *Record, depth, limit int) uint64 {
	if r == nil || depth > maxDepth || len(w.b) > limit {
		return 0
	}
	var children []uint64
	for e, rest, ok := next(r.entries); ok; e, rest, ok = next(rest) {
		if e.child != 0 {
			children = append(children, w.copy(r.child(e.child), depth+1, limit))
		}
	}
	off := uint64(len(w.b))
	flags := byte(0)
	if r.Racy {
		flags |= 1
	}
	if r.Deep {
		flags |= 2
	}
	w.b = append(w.b, r.Digest[:]...)
	w.b = binary.LittleEndian.AppendUint64(w.b, r.Device)
	w.b = binary.LittleEndian.AppendUint64(w.b, uint64(len(r.entries)))
	w.b = append(w.b, flags)
	w.b = appendSummary(w.b, &r.Summary)
	for e, rest, ok := next(r.entries); ok; e, rest, ok = next(rest) {
		w.b = append(w.b, e.raw...)
		if e.child != 0 {
			binary.LittleEndian.PutUint64(w.b[len(w.b)-8:], children[0])
			children = children[1:]
		}
	}
	return off
}

// Seal ends the cache with the root's record and the packs of the vault, and returns its bytes.
func (w *CacheWriter) Seal(k CacheKey, root uint64, packs [][packSize]byte) []byte {
	copy(w.b[16:], k.Vault[:])
	copy(w.b[32:], k.Project[:])
	for i := range packs {
		w.b = append(w.b, packs[i][:]...)
	}
	w.b = binary.LittleEndian.AppendUint64(w.b, root)
	w.b = binary.LittleEndian.AppendUint32(w.b, uint32(len(packs)))
	return binary.LittleEndian.AppendUint32(w.b, crc32.Checksum(w.b, castagnoli()))
}

func appendSummary(dst []byte, s *tree.Summary) []byte {
	for _, v := range []uint64{s.Files, s.Dirs, s.Links, s.Specials, s.Bytes, s.Doubtful, s.Depth} {
		dst = binary.AppendUvarint(dst, v)
	}
	return dst
}
