package diff

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"varve/internal/disk"
	"varve/internal/tree"
)

// Detail says for people what is different between two entries besides their names and what is in a folder:
// "mode 0644 → 0755, mtime 2026-01-02T15:04:05Z → 2026-01-02T15:09:00Z". Times are in UTC. It is "" if
// either is nil or nothing differs.
func Detail(old, e *tree.Entry) string {
	if old == nil || e == nil {
		return ""
	}
	var d details
	d.change("type", typeName(old.Type), typeName(e.Type))
	if old.Type == e.Type && old.Type != disk.Directory && !SameContent(old, e) && old.Size == e.Size && old.Target == e.Target && old.Rdev == e.Rdev {
		d = append(d, "content")
	}
	if old.Type == disk.Regular || e.Type == disk.Regular {
		d.change("size", fmt.Sprint(old.Size), fmt.Sprint(e.Size))
	}
	d.change("target", old.Target, e.Target)
	d.change("mode", fmt.Sprintf("%04o", old.Mode), fmt.Sprintf("%04o", e.Mode))
	d.change("owner", fmt.Sprintf("%d:%d", old.UID, old.GID), fmt.Sprintf("%d:%d", e.UID, e.GID))
	d.change("mtime", stamp(old.Mtime), stamp(e.Mtime))
	d.change("device", fmt.Sprintf("%#x", old.Rdev), fmt.Sprintf("%#x", e.Rdev))
	d.change("attributes", fmt.Sprintf("%#x", old.Attrs), fmt.Sprintf("%#x", e.Attrs))
	if old.LinkGroup != e.LinkGroup {
		d = append(d, "hard links")
	}
	d.flags(old.Flags, e.Flags)
	d.xattrs(old.Xattrs, e.Xattrs)
	return strings.Join(d, ", ")
}

type details []string

func (d *details) change(what, from, to string) {
	if from != to {
		*d = append(*d, what+" "+from+" → "+to)
	}
}

func (d *details) flags(old, e tree.Flags) {
	for _, f := range []struct {
		bit  tree.Flags
		name string
	}{{tree.Unstable, "unstable"}, {tree.Suspect, "suspect"}, {tree.SparseFile, "sparse"}, {tree.HasSHA256, "sha256"}} {
		switch {
		case e&f.bit != 0 && old&f.bit == 0:
			*d = append(*d, "+"+f.name)
		case old&f.bit != 0 && e&f.bit == 0:
			*d = append(*d, "-"+f.name)
		}
	}
}

// xattrs merges two lists that are in the order of their names.
func (d *details) xattrs(old, e []disk.Xattr) {
	for len(old) > 0 || len(e) > 0 {
		switch {
		case len(e) == 0 || len(old) > 0 && old[0].Name < e[0].Name:
			*d = append(*d, "xattr -"+old[0].Name)
			old = old[1:]
		case len(old) == 0 || e[0].Name < old[0].Name:
			*d = append(*d, "xattr +"+e[0].Name)
			e = e[1:]
		default:
			if !bytes.Equal(old[0].Value, e[0].Value) {
				*d = append(*d, "xattr ~"+e[0].Name)
			}
			old, e = old[1:], e[1:]
		}
	}
}

func stamp(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

func typeName(t disk.Type) string {
	switch t {
	case disk.Regular:
		return "file"
	case disk.Directory:
		return "dir"
	case disk.Symlink:
		return "link"
	case disk.Pipe:
		return "pipe"
	case disk.Socket:
		return "socket"
	}
	return "device"
}
