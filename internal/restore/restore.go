// Package restore puts a tree, or part of it, on disk: into a new folder or over what a folder holds now.
//
// It plans first ([Make], which changes nothing) and performs the plan then ([Plan.Apply]). It takes no
// snapshots: who restores in place gives the tree of what the folder holds, and keeps it.
//
// # Promises
//
//   - Nothing stands under its final name before its bytes are verified and have survived power loss. Only what
//     a clone of the live file brings along is taken over unread, as in a file that is left alone. After a crash each file is the old or the new one, whole; a file that both trees have is there.
//   - What is equal is not written, not touched and not opened.
//   - A file that changed after the plan's Live tree was taken, or that no tree knows, is left alone and
//     reported.
//   - No link is followed. Special files are never made.
//   - An error about one file is reported with its path and stops no other.
//
// # Bytes on disk
//
// Everything is built in a staging folder on the target's file system, of mode 0700:
//
//	.varve/restore-<16 hex digits>     in place, where .varve is a directory of the same device
//	.varve-restore-<16 hex digits>     otherwise
//
//	  marker          "varve restore 1\n": what is here may be deleted
//	  0, 1, 2, …      an entry that goes to one final name, a directory with all below it
//
// A staging folder with a marker, or an empty one, is removed by the next restore; so there must be one
// restore to a folder at a time. What goes to another file system mounted below the target is copied
// next to its final name first, as .varve-restore-<16 hex digits>-<n>, which a crash may leave there.
package restore

import (
	"errors"
	"io"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/object"
	"varve/internal/tree"
)

// Errors of this package, to be told apart with errors.Is.
var (
	ErrConflict = errors.New("the target cannot take the tree as it is")
	ErrChanged  = errors.New("changed meanwhile")
	ErrUnknown  = errors.New("something unknown is in the way")
	ErrNoSpace  = errors.New("not enough space in the target")
	ErrLacking  = errors.New("not everything could be had, so nothing was changed")
	ErrSize     = errors.New("restored file has another size than its entry")
)

// Options say what to restore and where to.
type Options struct {
	DB     *object.DB
	NewGet func() tree.Getter // of pages, which may be in memory only; each Getter is used by one goroutine

	Root    digest.Digest // the tree to put back
	Paths   []string      // only these files and folders of it, parted by slashes; none: all
	Live    digest.Digest // what the target holds, if HasLive
	HasLive bool          // in place; otherwise no top-level name of Root may be taken in the target
	Target  disk.Dir      // stays open

	Delete  bool // in place: remove what Live has and Root has not
	Owner   bool // set owners, setuid, setgid and the attributes security.* and trusted.*
	Rename  bool // names that are one for the target become name~2, name~3 …
	Whole   bool // publish nothing unless everything could be built: ErrLacking otherwise
	NoProbe bool // do not find out how the target compares names; none are then found to collide

	Workers  int            // goroutines that decode and write; 0: 2
	Progress func(Progress) // called by one goroutine at a time; may be nil
	Rand     io.Reader      // of temporary names
}

// Progress is how far Apply has come.
type Progress struct {
	Files, TotalFiles int64
	Bytes, TotalBytes int64 // content written, linked or skipped
}

// Reason says why an entry cannot be restored as it is.
type Reason uint8

// The reasons. Collides and Exists keep the whole plan from being applied; of the others the entry,
// with all below it, is left out.
const (
	Collides Reason = iota // the target takes two names of one directory for one
	Exists                 // a new folder has something under this name already
	BadName                // the system cannot have such a name
	Special                // pipe, socket or device
	Blocked                // a folder is needed where Live has something else, outside of Paths
)

// String is the reason for people.
func (r Reason) String() string {
	words := [...]string{"collides with another name", "exists already", "name not possible here", "special file", "a folder is needed here"}
	if int(r) < len(words) {
		return words[r]
	}
	return "unknown"
}

// Conflict is an entry that cannot be restored as it is.
type Conflict struct {
	Path   string
	Other  string // the path it collides with
	Reason Reason
}

// Change is an entry that the plan changes.
type Change struct {
	Path string
	Type disk.Type
	Size int64 // bytes of a regular file
}

// Failure is an entry that could not be restored, and why.
type Failure struct {
	Path string
	Err  error
}

// Warning is something about an entry that could not be restored, while the entry was.
type Warning = Failure

// Result is what Apply did.
type Result struct {
	Files     int64 // files, links and directories created or replaced
	Bytes     int64 // sizes of those files
	Written   int64 // bytes of content written; less than Bytes where files were linked or patched
	Meta      int64 // entries of which only metadata was set
	Unchanged int64 // files that were left untouched
	Removed   int64
	Kept      []string // directories not removed, since they hold what no tree knows
	Warnings  []Warning
	Errors    []Failure // in the order of their paths; not empty: the restore is not complete
}
