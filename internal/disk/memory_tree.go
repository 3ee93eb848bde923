package disk

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Tree lists everything below the root, a line each, sorted by path: quoted path, type, mode, and of a regular file
// names, size and a digest of the content, of a link the target; then the attributes, if any. Equal lists mean equal
// trees but for times, owners, inode numbers and where the holes are.
func (m *Memory) Tree() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b strings.Builder
	m.root.tree(&b, "")
	return b.String()
}

func (n *memNode) tree(b *strings.Builder, prefix string) {
	for _, l := range slices.SortedFunc(maps.Values(n.entries), func(a, b memLink) int { return strings.Compare(a.name, b.name) }) {
		c := l.node
		fmt.Fprintf(b, "%q %s %04o", prefix+l.name, c.kind.word(), c.meta.mode)
		switch c.kind {
		case Regular:
			fmt.Fprintf(b, " %d %d %x", c.names, c.size, c.digest())
		case Symlink:
			fmt.Fprintf(b, " %q", c.target)
		}
		for _, x := range c.meta.xattrs {
			fmt.Fprintf(b, " %q=%q", x.Name, x.Value)
		}
		b.WriteByte('\n')
		if c.kind == Directory {
			c.tree(b, prefix+l.name+"/")
		}
	}
}

func (t Type) word() string {
	words := [...]string{"file", "dir", "link", "pipe", "socket", "char", "block", "unknown"}
	return words[min(t, Unknown)]
}

// digest is of the size and the blocks that are not all zero.
func (c *memContent) digest() []byte {
	h := sha256.New()
	var word [8]byte
	number := func(n int64) {
		binary.LittleEndian.PutUint64(word[:], uint64(n))
		h.Write(word[:])
	}
	number(c.size)
	for _, i := range c.indexes() {
		if b := c.blocks[i]; b.data != [memBlockSize]byte{} {
			number(i)
			h.Write(b.data[:])
		}
	}
	return h.Sum(nil)[:8]
}
