package chunk

import (
	"path"
	"strconv"
	"strings"
)

// Class says how a stream, or the part of it behind a seam, is cut. A file's
// class is recorded with it and kept for its next versions: a change of class
// stores the file anew. The values are on disk and never change.
type Class uint8

// Of the classes, Small, Medium and Large cut by content; the others cut at
// multiples of their size from the seam.
const (
	Whole     Class = 0 // 1 MiB; for parts that are one thing, such as an archive's entry
	Medium    Class = 1 // 16, 64, 256 KiB
	Large     Class = 2 // 128, 512, 2048 KiB
	Fixed64K  Class = 3
	Fixed256K Class = 4
	Fixed1M   Class = 5
	Small     Class = 6 // 4, 16, 64 KiB
)

// Params are the sizes of a class's chunks in bytes. Avg is a power of two. In
// the classes that do not cut by content all three are equal.
type Params struct{ Min, Avg, Max int }

// Valid reports whether c is one of the classes above.
func (c Class) Valid() bool { return c <= Small }

// Params returns the sizes of c, which must be valid.
func (c Class) Params() Params {
	switch c {
	case Medium:
		return Params{16 << 10, 64 << 10, 256 << 10}
	case Large:
		return Params{128 << 10, 512 << 10, 2048 << 10}
	case Small:
		return Params{4 << 10, 16 << 10, 64 << 10}
	case Fixed64K:
		return Params{64 << 10, 64 << 10, 64 << 10}
	case Fixed256K:
		return Params{256 << 10, 256 << 10, 256 << 10}
	case Whole, Fixed1M:
		return Params{1 << 20, 1 << 20, 1 << 20}
	}
	panic("chunk: no class " + strconv.Itoa(int(c)))
}

// fixed reports whether c cuts without regard to content.
func (c Class) fixed() bool {
	p := c.Params()
	return p.Min == p.Max
}

// String returns the name of c in lower case.
func (c Class) String() string {
	switch c {
	case Whole:
		return "whole"
	case Medium:
		return "medium"
	case Large:
		return "large"
	case Fixed64K:
		return "fixed64k"
	case Fixed256K:
		return "fixed256k"
	case Fixed1M:
		return "fixed1m"
	case Small:
		return "small"
	}
	return "class(" + strconv.Itoa(int(c)) + ")"
}

const (
	hugeSize  = 1 << 30  // from here on every new file is Large
	mediaSize = 64 << 20 // above this finished media are
)

// ClassFor returns the class for a new file of size bytes called name (a slash
// path or its last element). It advises only: files seen before keep the class
// they have.
func ClassFor(name string, size int64) Class {
	switch {
	case size >= hugeSize:
		return Large
	case size > mediaSize && finishedMedia(name):
		return Large
	}
	return Medium
}

// finishedMedia reports whether name's extension is one of compressed media,
// which are replaced rather than edited, so that small chunks buy nothing.
func finishedMedia(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".mp4", ".mov", ".mkv", ".avi", ".webm",
		".jpg", ".jpeg", ".heic",
		".zip", ".7z", ".rar", ".gz", ".xz", ".zst",
		".mp3", ".ogg", ".flac", ".m4a":
		return true
	}
	return false
}
