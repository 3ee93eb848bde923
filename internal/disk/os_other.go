//go:build !linux && !darwin && !windows

package disk

import (
	"io/fs"
	"os"
	"syscall"
)

const (
	hasOwners = true
	openFlags = syscall.O_NONBLOCK // a pipe must not wait for its other end
)

func infoOf(info fs.FileInfo) Info {
	return Info{
		Type:      typeOf(info.Mode()),
		Mode:      posixMode(info.Mode()),
		Links:     1,
		Size:      info.Size(),
		Allocated: -1,
		Mtime:     info.ModTime().UnixNano(),
	}
}

func renameExclusive(from, to string) error {
	if err := os.Link(from, to); err != nil {
		return err
	}
	return os.Remove(from)
}

func (d *osDir) setAttrs(name string, attrs uint32) error { return nil }

// Sync makes the entries durable.
func (d *osDir) Sync() error {
	f, err := d.root.Open(".")
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
