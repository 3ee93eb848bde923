package restore

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"varve/internal/disk"
)

const (
	ownFolder   = ".varve"          // of the project
	inOwn       = "restore-"        // prefix of a staging folder there
	beside      = ".varve-restore-" // prefix of one in the target itself
	markerName  = "marker"
	markerText  = "varve restore 1\n"
	randomBytes = 8
)

// folder is a staging folder.
type folder struct {
	parent disk.Dir // to be closed, unless it is the target
	name   string
	dir    disk.Dir
	id     string // its random digits
	own    bool   // parent is not the target
}

// newFolder makes a staging folder whose marker is durable. In .varve only where that is a directory of
// the target's own file system, not a link or another file system mounted there.
func newFolder(target disk.Dir, rand io.Reader, inPlace bool) (*folder, error) {
	var random [randomBytes]byte
	if _, err := io.ReadFull(rand, random[:]); err != nil {
		return nil, err
	}
	f := &folder{parent: target, id: hex.EncodeToString(random[:])}
	f.name = beside + f.id
	if inPlace {
		if d := openOwn(target); d != nil {
			f.parent, f.own, f.name = d, true, inOwn+f.id
		}
	}
	err := f.parent.Mkdir(f.name, 0o700)
	if err == nil {
		f.dir, err = f.parent.OpenDir(f.name)
	}
	if err == nil {
		err = disk.CreateWhole(f.dir, markerName, 0o600, []byte(markerText))
	}
	if err == nil {
		err = f.dir.Sync()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("make staging folder: %w", err), f.remove())
	}
	return f, nil
}

func openOwn(target disk.Dir) disk.Dir {
	here, err := target.Stat(".")
	if err != nil {
		return nil
	}
	there, err := target.Stat(ownFolder)
	if err != nil || there.Type != disk.Directory || there.Device != here.Device {
		return nil
	}
	d, err := target.OpenDir(ownFolder)
	if err != nil {
		return nil
	}
	return d
}

// remove deletes the folder with all in it. Its marker goes last, so that what a crash leaves is known.
func (f *folder) remove() error {
	if f.dir != nil {
		f.dir.Close()
	}
	err := removeStaging(f.parent, f.name)
	if f.own {
		f.parent.Close()
	}
	return err
}

func removeStaging(parent disk.Dir, name string) error {
	d, err := parent.OpenDir(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	entries, err := d.List(nil)
	for _, e := range entries {
		if err == nil && e.Name != markerName {
			err = disk.RemoveAll(d, e.Name)
		}
	}
	if err == nil {
		err = disk.RemoveAll(d, markerName)
	}
	d.Close()
	if err != nil {
		return err
	}
	return parent.Remove(name)
}

// sweep removes what crashed restores left in the target.
func sweep(target disk.Dir) error {
	if err := sweepIn(target, beside); err != nil {
		return err
	}
	d := openOwn(target)
	if d == nil {
		return nil
	}
	defer d.Close()
	return sweepIn(d, inOwn)
}

func sweepIn(d disk.Dir, prefix string) error {
	entries, err := d.List(nil)
	if err != nil {
		return err
	}
	for _, e := range entries {
		id, ok := strings.CutPrefix(e.Name, prefix)
		if !ok || e.Type != disk.Directory || len(id) != 2*randomBytes || strings.Trim(id, "0123456789abcdef") != "" {
			continue
		}
		if !marked(d, e.Name) {
			_ = d.Remove(e.Name) // which removes an empty one only
			continue
		}
		if err := removeStaging(d, e.Name); err != nil {
			return fmt.Errorf("remove leftover: %w", err)
		}
	}
	return nil
}

func marked(d disk.Dir, name string) bool {
	in, err := d.OpenDir(name)
	if err != nil {
		return false
	}
	defer in.Close()
	text, err := disk.ReadFile(in, markerName, int64(len(markerText)))
	return err == nil && string(text) == markerText
}
