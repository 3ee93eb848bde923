// Package disk is what this operating system can do with files, as one seam: a directory handle and the
// files in it. Everything varve reads or writes on a file system (the vault, the project, a restore) goes
// through a [Dir], so that the same code runs on the real disk, on a disk in memory that can lose
// power ([Memory]), and on one that fails on purpose ([Faulty]).
//
// It promises: a name is one path element, so nothing escapes a Dir through ".." or a symbolic link; no
// call follows a link; [Dir.Publish] never replaces; what [File.Sync] and then [Dir.Sync] returned nil
// for survives power loss. It writes no bytes of its own.
package disk

import (
	"io"
	"io/fs"
)

// Type is the kind of a directory entry.
type Type uint8

// The kinds of entries. Special files (pipe, socket, devices) are noted by varve and never opened.
const (
	Regular Type = iota
	Directory
	Symlink
	Pipe
	Socket
	CharDevice
	BlockDevice
	Unknown
)

// Info is what a file system says of a file without opening it.
type Info struct {
	Type      Type
	Mode      uint32 // permission bits with setuid, setgid and sticky, as in POSIX: at most 0o7777
	UID, GID  uint32
	Links     uint32 // hard links to the inode; 1 where unknown
	Size      int64  // bytes; of a link: length of the target
	Allocated int64  // bytes on the medium; less than Size for a sparse file; -1 where unknown
	Mtime     int64  // nanoseconds since 1970, as precise as the file system keeps them
	Ctime     int64  // likewise; 0 where the system has no change time
	Device    uint64
	Inode     uint64 // 0 where the file system has no stable ones
	Rdev      uint64 // of a device file
	Attrs     uint32 // Windows file attributes; 0 elsewhere
}

// Entry is a name in a directory with its Info.
type Entry struct {
	Name string // the bytes of the file system, of any encoding
	Info
}

// Xattr is an extended attribute. POSIX ACLs are the attributes system.posix_acl_access and _default.
type Xattr struct {
	Name  string
	Value []byte
}

// Change says what SetMeta sets; nil fields are left alone.
type Change struct {
	Mode  *uint32
	Owner *Owner
	Mtime *int64 // nanoseconds since 1970; the access time is set to the same
	Attrs *uint32
}

// Owner is a numeric user and group.
type Owner struct{ UID, GID uint32 }

// Dir is an open directory. Its methods may be called from several goroutines. Errors are *fs.PathError
// or *os.LinkError whose cause satisfies errors.Is with fs.ErrNotExist, fs.ErrExist, fs.ErrPermission,
// and syscall errors (ENOSPC, EDQUOT, EIO …) where the system gave one.
type Dir interface {
	// List appends all entries to into, sorted by the bytes of their names. An entry that vanished
	// while listing is left out; one whose metadata cannot be read has Type Unknown.
	List(into []Entry) ([]Entry, error)
	// Stat does not follow a link. The name "." is the directory itself.
	Stat(name string) (Info, error)
	// Open opens a regular file for reading; a link or special file is an error, not followed or waited for.
	Open(name string) (File, error)
	// OpenDir opens a child directory; a link to one is an error.
	OpenDir(name string) (Dir, error)
	Readlink(name string) (string, error)
	// Xattrs returns the attributes in the order of their names; none where the file system has none.
	Xattrs(name string) ([]Xattr, error)

	// Create makes a new file for writing and reading; fs.ErrExist if the name is taken.
	Create(name string, mode uint32) (File, error)
	// OpenWrite opens an existing regular file for reading and writing.
	OpenWrite(name string) (File, error)
	Mkdir(name string, mode uint32) error
	Symlink(target, name string) error
	// Link makes newName in to a hard link of the file name; fs.ErrExist if taken.
	Link(name string, to Dir, newName string) error
	// Rename moves name to newName in to, in one step, replacing a file there (or an empty directory by a directory).
	Rename(name string, to Dir, newName string) error
	// Publish moves name to newName in to in one step and never replaces: fs.ErrExist if the name is taken.
	Publish(name string, to Dir, newName string) error
	// Remove removes a file, a link or an empty directory.
	Remove(name string) error
	// SetMeta sets metadata of a file, directory or ("." allowed) the directory itself; never through a link.
	SetMeta(name string, c Change) error
	// SetXattr sets one extended attribute; errors.ErrUnsupported where the file system has none.
	SetXattr(name string, x Xattr) error
	// RemoveXattr removes one; no error if it is not there.
	RemoveXattr(name, attr string) error

	// Sync makes the entries of this directory durable.
	Sync() error
	Close() error
}

// File is an open regular file.
type File interface {
	io.Reader
	io.Writer
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Stat() (Info, error)
	// Sync makes content and size durable. An error is final for the file: its content is not to be trusted.
	Sync() error
	Close() error
}

// Extent is a range of a file that holds data; what lies between extents reads as zeros.
type Extent struct{ Off, Len int64 }

// Capabilities beyond Dir and File. They are optional: the functions of the same
// purpose below use them where present and do the plain thing where not.
type (
	// Reserver allocates space for a file ahead of writing.
	Reserver interface{ Reserve(size int64) error }
	// Sparse knows the data extents of a file.
	Sparse interface{ Extents() ([]Extent, error) }
	// Cloner makes dst share the content of this file (copy on write).
	Cloner interface{ CloneTo(dst File) error }
	// Adviser takes hints about coming reads.
	Adviser interface {
		WillRead(off, n int64) // these bytes come next; n 0: all, in order
		Done(off, n int64)     // these bytes will not be read again
	}
	// Flusher makes everything written below the directory's file system durable at once.
	Flusher interface{ SyncAll() error }
	// Streamer creates a file whose whole content is written once, bypassing the page cache where that is cheaper.
	Streamer interface {
		CreateWhole(name string, mode uint32, content []byte) error // written and synced; the entry is not
	}
	// Exchanger swaps what two names mean in one step; errors.ErrUnsupported where the file system cannot.
	Exchanger interface {
		Exchange(name string, to Dir, newName string) error
	}
	// Space knows how much room is left, in bytes.
	Space interface{ Free() (int64, error) }
	// Kind names the file system ("ext4", "tmpfs", "nfs" …) where the system tells.
	Kind interface{ FileSystem() (string, error) }
)

// ErrName is the cause of every refusal of a name that is empty, ".", ".." or holds a separator or NUL.
var ErrName = fs.ErrInvalid
