package restore

import (
	"bytes"
	"slices"
	"strconv"
	"strings"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/tree"
)

// node is an entry of a tree with what the plan has decided of it.
type node struct {
	path string // in the tree
	old  *node  // what Live has there; nil: nothing

	// Where it is built: the directory below the staging folder, "" for the folder itself, and the name.
	dir, name string
	root      *node   // the one of these in the staging folder itself
	final     string  // where it goes from there; only of those in the staging folder itself
	clear     []*node // known entries below a directory that is in the way; parents first

	typ            disk.Type
	flags          tree.Flags
	failed         bool
	mode, uid, gid uint32
	attrs          uint32
	mtime, size    int64
	group          uint64
	target         string
	xattrs         []disk.Xattr
	content        []byte
	recipe         digest.Digest
	source         *node // of a hard link: another node of the plan,
	live           *node // or a file of Live that stays
}

func newNode(path string, e *tree.Entry) *node {
	n := &node{
		path: path, typ: e.Type, flags: e.Flags, mode: e.Mode, uid: e.UID, gid: e.GID, attrs: e.Attrs,
		mtime: e.Mtime, group: e.LinkGroup, target: e.Target, xattrs: slices.Clone(e.Xattrs),
		content: e.Content, recipe: e.Recipe,
	}
	if e.Type == disk.Regular {
		n.size = e.Size
	}
	return n
}

// entry is as much of the tree's entry as its recipe takes.
func (n *node) entry() *tree.Entry {
	return &tree.Entry{Name: baseOf(n.path), Type: n.typ, Size: n.size, Content: n.content, Recipe: n.recipe}
}

func (n *node) change() Change { return Change{Path: n.path, Type: n.typ, Size: n.size} }

// staged is the path of the node below the staging folder.
func (n *node) staged() string { return join(n.dir, n.name) }

// dest is the final path of the node.
func (n *node) dest() string { return n.root.final + n.staged()[len(n.root.name):] }

// unit makes n one that is built in the staging folder itself.
func (n *node) unit(number int, final string) {
	n.root, n.dir, n.name, n.final = n, "", strconv.Itoa(number), final
}

// is reports whether what the disk has is still what Live said. A directory is known by its type alone.
func (n *node) is(info *disk.Info) bool {
	switch {
	case info.Type != n.typ:
		return false
	case n.typ == disk.Directory:
		return true
	case n.typ == disk.Regular:
		return info.Size == n.size && info.Mtime == n.mtime
	}
	return info.Mtime == n.mtime
}

// sameContent reports whether two entries have the same bytes, as far as can be told without reading them.
func sameContent(a, b *tree.Entry) bool {
	switch {
	case a.Type != b.Type:
		return false
	case a.Type == disk.Symlink:
		return a.Target == b.Target
	case a.Type != disk.Regular:
		return true
	case a.Size != b.Size:
		return false
	case a.Recipe == b.Recipe && bytes.Equal(a.Content, b.Content):
		return true
	}
	x, ok := a.Sum()
	y, ok2 := b.Sum()
	return ok && ok2 && x == y
}

// sameMeta compares what restore would set.
func sameMeta(a, b *tree.Entry, owner bool) bool {
	mask := modeMask(owner)
	if a.Mtime != b.Mtime || a.Attrs != b.Attrs || a.Type != disk.Symlink && a.Mode&mask != b.Mode&mask {
		return false
	}
	if owner && (a.UID != b.UID || a.GID != b.GID) {
		return false
	}
	return slices.EqualFunc(a.Xattrs, b.Xattrs, func(x, y disk.Xattr) bool {
		return x.Name == y.Name && bytes.Equal(x.Value, y.Value)
	})
}

// modeMask leaves out setuid and setgid unless owners are restored: without its owner such a file would run
// as whoever restored it.
func modeMask(owner bool) uint32 {
	if owner {
		return 0o7777
	}
	return 0o1777
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

func parentOf(path string) string {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i]
	}
	return ""
}

func baseOf(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// below reports whether path is dir or in it.
func below(path, dir string) bool {
	return strings.HasPrefix(path, dir) && (len(path) == len(dir) || path[len(dir)] == '/')
}
