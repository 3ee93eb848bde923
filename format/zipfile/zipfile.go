// Package zipfile reads zip archives as spans of a file, and writes them again from the same spans: what is not touched
// is neither decompressed nor compressed, and an archive in which nothing was changed comes out byte for byte. Document
// formats that are zip archives stand on it.
//
// It promises: nothing is read but the end of the file and the entries that are asked for; nothing is allocated for what
// a header claims and the file cannot hold; an entry's content is checked against its CRC. Names are those of the
// archive and lead nowhere: whoever writes files by them checks them first.
//
// # Bytes
//
//	local header       "PK\3\4" version:2 flags:2 method:2 time:2 date:2 crc:4 compressed:4 size:4 name:2 extra:2, name, extra
//	data               compressed bytes
//	descriptor         where flags has bit 3: ["PK\7\8"] crc:4 compressed:4|8 size:4|8
//	… for each entry; before the first there may be bytes of something else
//	directory record   "PK\1\2" made by:2 version:2 flags:2 method:2 time:2 date:2 crc:4 compressed:4 size:4 name:2 extra:2
//	                   comment:2 disk:2 internal:2 external:4 header:4, name, extra, comment
//	… for each entry
//	zip64 end          "PK\6\6" rest:8 made by:2 version:2 disk:4 disk:4 entries:8 entries:8 length:8 offset:8, and its
//	locator            "PK\6\7" disk:4 offset:8 disks:4, both where a number is too large for
//	end                "PK\5\6" disk:2 disk:2 entries:2 entries:2 length:4 offset:4 comment:2, comment
//
// Numbers are little-endian. A number that is all ones stands in the zip64 extra field (id 1) instead.
package zipfile

import (
	"cmp"
	"encoding/binary"
	"slices"

	"varve/format"
)

// How an entry is compressed; others are not read.
const (
	Stored  = 0
	Deflate = 8
)

const (
	localSize   = 30
	recordSize  = 46
	endSize     = 22
	end64Size   = 56
	locatorSize = 20

	maxDirectory = 256 << 20 // bytes
	tailSize     = endSize + 0xffff
)

const (
	localSign   = "PK\x03\x04"
	recordSign  = "PK\x01\x02"
	endSign     = "PK\x05\x06"
	end64Sign   = "PK\x06\x06"
	locatorSign = "PK\x06\x07"
	descSign    = "PK\x07\x08"
)

// Archive is a zip archive. It is safe for concurrent use.
type Archive struct {
	in      format.Input
	entries []Entry // in the order of the directory
	files   []int   // indices of entries in the order of the file
	first   map[string]int
	origin  int64 // what offsets in the archive count from
	dir     int64 // where the directory begins
	end     []byte
	end64   []byte // nil where there is none
	rest    int64  // where what follows the end's fixed part begins: comment, and what is behind it
}

// Entry is a file in an archive. Offsets are in bytes of the archive.
type Entry struct {
	Name       string // as its bytes are: UTF-8 where Flags has bit 11, else mostly too
	Method     uint16
	Flags      uint16
	CRC        uint32 // of the content
	Compressed int64  // bytes in the archive
	Size       int64  // bytes of the content
	Header     int64  // where the local header begins

	next   int64 // where the next header, or the directory, begins
	record []byte
}

// Open reads the directory of an archive: ErrMalformed where it is none, or not whole.
func Open(in format.Input) (*Archive, error) {
	a := &Archive{in: in}
	length, offset, count, err := a.findEnd()
	if err != nil {
		return nil, err
	}
	if length > maxDirectory {
		return nil, format.Unsupported("a zip directory of %d bytes", length)
	}
	raw, err := format.ReadSpan(in, a.dir, length, maxDirectory)
	if err != nil {
		return nil, err
	}
	a.origin = a.dir - offset
	if count > uint64(length/recordSize) {
		return nil, format.Malformed("%d entries in a zip directory of %d bytes", count, length)
	}
	a.entries = make([]Entry, 0, count)
	for len(raw) > 0 {
		n, err := a.add(raw)
		if err != nil {
			return nil, err
		}
		raw = raw[n:]
	}
	if uint64(len(a.entries)) != count {
		return nil, format.Malformed("%d entries in a zip directory of %d", len(a.entries), count)
	}
	return a, a.arrange()
}

// findEnd finds the end of the archive, and returns length, offset as written, and number of entries of the directory.
func (a *Archive) findEnd() (length, offset int64, count uint64, err error) {
	size := a.in.Size()
	n := min(size, tailSize)
	tail, err := format.ReadSpan(a.in, size-n, n, tailSize)
	if err != nil {
		return 0, 0, 0, err
	}
	at := endIn(tail)
	if at < 0 {
		return 0, 0, 0, format.Malformed("no end of a zip archive: cut off, or none")
	}
	a.end = tail[at : at+endSize]
	end := size - n + int64(at)
	a.rest = end + endSize
	le := binary.LittleEndian
	count, length, offset = uint64(le.Uint16(a.end[10:])), int64(le.Uint32(a.end[12:])), int64(le.Uint32(a.end[16:]))
	disk := le.Uint16(a.end[4:]) != 0 || le.Uint16(a.end[6:]) != 0 || le.Uint16(a.end[8:]) != le.Uint16(a.end[10:])
	before := end
	if count == 0xffff || length == 0xffffffff || offset == 0xffffffff {
		at64, err := a.findEnd64(end)
		if err != nil {
			return 0, 0, 0, err
		}
		if at64 >= 0 {
			before = at64
			count = le.Uint64(a.end64[32:])
			length, offset = int64(le.Uint64(a.end64[40:])), int64(le.Uint64(a.end64[48:]))
			disk = le.Uint32(a.end64[16:]) != 0 || le.Uint32(a.end64[20:]) != 0 || le.Uint64(a.end64[24:]) != count
		}
	}
	if disk {
		return 0, 0, 0, format.Unsupported("a zip archive of several volumes")
	}
	if length < 0 || offset < 0 || length > before || offset > before-length {
		return 0, 0, 0, format.Malformed("a zip directory of %d bytes at %d, before its end at %d", length, offset, before)
	}
	a.dir = before - length
	if a.dir != offset && length > 0 { // bytes before the archive, or between the directory and its end
		if b, err := format.ReadSpan(a.in, offset, 4, 4); err == nil && string(b) == recordSign {
			a.dir = offset
		}
	}
	return length, offset, count, nil
}

// endIn returns where the end stands in the tail of a file: the last whose comment ends with the file, else the last
// whose comment is within it.
func endIn(tail []byte) int {
	loose := -1
	for at := len(tail) - endSize; at >= 0; at-- {
		if string(tail[at:at+4]) != endSign {
			continue
		}
		n := at + endSize + int(binary.LittleEndian.Uint16(tail[at+20:]))
		if n == len(tail) {
			return at
		}
		if n < len(tail) && loose < 0 {
			loose = at
		}
	}
	return loose
}

// findEnd64 looks for the zip64 end of an archive whose end is at end; -1 where there is none.
func (a *Archive) findEnd64(end int64) (int64, error) {
	if end < locatorSize {
		return -1, nil
	}
	loc, err := format.ReadSpan(a.in, end-locatorSize, locatorSize, locatorSize)
	if err != nil || string(loc[:4]) != locatorSign {
		return -1, err
	}
	// Where bytes stand before the archive the offset is too small by them, so the usual place is tried first.
	for _, at := range []int64{end - locatorSize - end64Size, int64(binary.LittleEndian.Uint64(loc[8:]))} {
		if at < 0 || at > end-locatorSize-end64Size {
			continue
		}
		b, err := format.ReadSpan(a.in, at, end64Size, end64Size)
		if err != nil {
			return -1, err
		}
		if string(b[:4]) == end64Sign {
			a.end64 = b
			return at, nil
		}
	}
	return -1, format.Malformed("the zip64 end is not where its locator says")
}

// add appends the entry of the record at the head of raw, and returns the record's length.
func (a *Archive) add(raw []byte) (int, error) {
	le := binary.LittleEndian
	if len(raw) < recordSize || string(raw[:4]) != recordSign {
		return 0, format.Malformed("record %d of the zip directory", len(a.entries))
	}
	name, extra, comment := int(le.Uint16(raw[28:])), int(le.Uint16(raw[30:])), int(le.Uint16(raw[32:]))
	n := recordSize + name + extra + comment
	if n > len(raw) {
		return 0, format.Malformed("record %d of the zip directory is cut off", len(a.entries))
	}
	e := Entry{
		Name: string(raw[recordSize : recordSize+name]), Flags: le.Uint16(raw[8:]), Method: le.Uint16(raw[10:]), CRC: le.Uint32(raw[16:]),
		Compressed: int64(le.Uint32(raw[20:])), Size: int64(le.Uint32(raw[24:])), Header: int64(le.Uint32(raw[42:])), record: raw[:n:n],
	}
	if le.Uint16(raw[34:]) != 0 && le.Uint16(raw[34:]) != 0xffff {
		return 0, format.Unsupported("a zip archive of several volumes")
	}
	wide := field(raw[recordSize+name:recordSize+name+extra], 1)
	for _, v := range []*int64{&e.Size, &e.Compressed, &e.Header} {
		if *v != 0xffffffff || len(wide) < 8 {
			continue
		}
		*v, wide = int64(le.Uint64(wide)), wide[8:]
	}
	if e.Header < 0 || e.Header > a.dir || e.Compressed < 0 || e.Size < 0 {
		return 0, format.Malformed("zip entry %.80q: %d bytes at %d", e.Name, e.Compressed, e.Header)
	}
	e.Header += a.origin
	a.entries = append(a.entries, e)
	return n, nil
}

// field returns the content of the extra field of an id; nil where it is not there.
func field(extra []byte, id uint16) []byte {
	for len(extra) >= 4 {
		n := int(binary.LittleEndian.Uint16(extra[2:]))
		if 4+n > len(extra) {
			return nil
		}
		if binary.LittleEndian.Uint16(extra) == id {
			return extra[4 : 4+n]
		}
		extra = extra[4+n:]
	}
	return nil
}

// arrange puts the entries in the order of the file, and refuses those that share bytes.
func (a *Archive) arrange() error {
	a.first = make(map[string]int, len(a.entries))
	a.files = make([]int, len(a.entries))
	for i := range a.entries {
		a.files[i] = i
		if _, ok := a.first[a.entries[i].Name]; !ok {
			a.first[a.entries[i].Name] = i
		}
	}
	slices.SortStableFunc(a.files, func(i, j int) int { return cmp.Compare(a.entries[i].Header, a.entries[j].Header) })
	next := a.dir
	for _, i := range slices.Backward(a.files) {
		e := &a.entries[i]
		if room := next - e.Header - localSize - int64(len(e.Name)); e.Header < 0 || room < 0 || e.Compressed > room {
			return format.Malformed("zip entry %.80q: %d bytes at %d reach into what is at %d", e.Name, e.Compressed, e.Header, next)
		}
		e.next, next = next, e.Header
	}
	return nil
}

// Entries returns the entries in the order of the directory. They must not be changed.
func (a *Archive) Entries() []Entry { return a.entries }

// Find returns the first entry of a name; nil where there is none.
func (a *Archive) Find(name string) *Entry {
	if i, ok := a.first[name]; ok {
		return &a.entries[i]
	}
	return nil
}
