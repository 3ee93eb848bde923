package disk

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/windows"
)

const (
	hasOwners = false
	openFlags = 0
)

// infoOf takes what a listing tells without opening the file: no inode, no count of links, no change time.
func infoOf(info fs.FileInfo) Info {
	i := Info{
		Type:      typeOf(info.Mode()),
		Mode:      posixMode(info.Mode()),
		Links:     1,
		Size:      info.Size(),
		Allocated: -1,
		Mtime:     info.ModTime().UnixNano(),
	}
	if data, ok := info.Sys().(*syscall.Win32FileAttributeData); ok {
		i.Attrs = data.FileAttributes
	}
	return i
}

// renameExclusive asks for the rename to be on the disk before it returns.
func renameExclusive(from, to string) error {
	oldPath, err := windows.UTF16PtrFromString(from)
	if err != nil {
		return err
	}
	newPath, err := windows.UTF16PtrFromString(to)
	if err != nil {
		return err
	}
	return windows.MoveFileEx(oldPath, newPath, windows.MOVEFILE_WRITE_THROUGH)
}

// settableAttrs are those that SetFileAttributes can change.
const settableAttrs = windows.FILE_ATTRIBUTE_READONLY | windows.FILE_ATTRIBUTE_HIDDEN | windows.FILE_ATTRIBUTE_SYSTEM |
	windows.FILE_ATTRIBUTE_ARCHIVE | windows.FILE_ATTRIBUTE_NOT_CONTENT_INDEXED | windows.FILE_ATTRIBUTE_TEMPORARY |
	windows.FILE_ATTRIBUTE_OFFLINE

// setAttrs acts on a link itself, should one have come in place of the file.
func (d *osDir) setAttrs(name string, attrs uint32) error {
	if err := d.inPlace("set attributes of"); err != nil {
		return err
	}
	path := filepath.Join(d.path, name)
	p, err := windows.UTF16PtrFromString(path)
	if err == nil {
		if attrs &= settableAttrs; attrs == 0 {
			attrs = windows.FILE_ATTRIBUTE_NORMAL
		}
		err = windows.SetFileAttributes(p, attrs)
	}
	if err != nil {
		return &fs.PathError{Op: "set attributes of", Path: path, Err: err}
	}
	return nil
}

// Sync does nothing: the system does not sync directories, and its journal keeps the order of their changes.
func (d *osDir) Sync() error { return nil }

// Free is what this user may still write.
func (d *osDir) Free() (int64, error) {
	var free uint64
	p, err := windows.UTF16PtrFromString(d.path)
	if err == nil {
		err = windows.GetDiskFreeSpaceEx(p, &free, nil, nil)
	}
	if err != nil {
		return 0, &fs.PathError{Op: "ask for space in", Path: d.path, Err: err}
	}
	return clampMul(free, 1), nil
}

// FileSystem is the name that the system gives: "NTFS", "ReFS", "FAT32" …
func (d *osDir) FileSystem() (string, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return "", err
	}
	defer f.Close()
	var name [windows.MAX_PATH + 1]uint16
	err = windows.GetVolumeInformationByHandle(windows.Handle(f.Fd()), nil, 0, nil, nil, nil, &name[0], uint32(len(name)))
	if err != nil {
		return "", os.NewSyscallError("GetVolumeInformationByHandle", err)
	}
	return windows.UTF16ToString(name[:]), nil
}
