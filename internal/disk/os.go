package disk

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Open opens the directory at path, an absolute or relative path in the form of the operating system.
// Links in path are followed, since the user wrote it; nothing below the Dir follows one.
//
// The Dir holds one descriptor. Close waits for nobody: calls under way finish, later ones say
// fs.ErrClosed; a second Close returns nil.
func Open(path string) (Dir, error) {
	if path == "" || strings.IndexByte(path, 0) >= 0 {
		return nil, &fs.PathError{Op: "open directory", Path: path, Err: ErrName}
	}
	return openOS(path)
}

// Create makes the directory at path with all its parents, mode 0o777 before the umask, if it is not
// there, and opens it. The new entries in the parents are not synced.
func Create(path string) (Dir, error) {
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, err
	}
	return Open(path)
}

// Location returns the directory's absolute path.
func (d *osDir) Location() (string, error) { return filepath.Abs(d.path) }
