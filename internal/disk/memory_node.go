package disk

import (
	"io/fs"
	"maps"
	"math"
	"slices"
	"syscall"
)

const memBlockSize = 4096 // what power loss keeps or loses as one

// memOwner is the right to change a block in place. It has a byte so that two are never at one address.
type memOwner struct{ _ byte }

// memBlock never changes but by the inode whose owner it carries; all others copy it first.
type memBlock struct {
	owner *memOwner
	data  [memBlockSize]byte
}

// memMeta is the inode without content. Its maps and slices are replaced, never changed.
type memMeta struct {
	mode, uid, gid uint32
	attrs          uint32
	mtime, ctime   int64
	xattrs         []Xattr // sorted by name
}

// memNode is an inode: what it is now, and of what changed since its last sync, what it was then.
type memNode struct {
	ino    uint64
	kind   Type
	target string // of a symbolic link

	meta        memMeta
	durableMeta *memMeta // nil: meta itself

	durable bool   // has been on the medium under some name
	names   uint32 // in live directories
	handles int
	charged int64 // bytes of the quota

	memContent
	memEntries
}

// memContent is the content of a regular file. The bytes of the last block beyond size are zero.
type memContent struct {
	size     int64
	reserved int64
	blocks   map[int64]*memBlock
	shared   bool // blocks belongs to a crash as well: copy before changing
	owner    *memOwner

	durableSize int64
	sizes       []int64             // taken since the last sync, in order; growth within one block is one
	before      map[int64]*memBlock // blocks changed since, as they were then; nil: a hole
}

func (m *Memory) newNode(t Type, mode uint32) *memNode {
	m.inodes++
	now := m.now()
	n := &memNode{ino: m.inodes, kind: t}
	n.meta = memMeta{mode: mode & 0o7777, mtime: now, ctime: now}
	switch t {
	case Regular:
		n.owner = new(memOwner)
	case Directory:
		n.entries = map[string]memLink{}
	}
	return n
}

func (n *memNode) info() Info {
	i := Info{
		Type: n.kind, Mode: n.meta.mode, UID: n.meta.uid, GID: n.meta.gid, Links: n.names,
		Mtime: n.meta.mtime, Ctime: n.meta.ctime, Device: 1, Inode: n.ino, Attrs: n.meta.attrs,
	}
	switch n.kind {
	case Regular:
		i.Size, i.Allocated = n.size, n.allocated()
	case Symlink:
		i.Size = int64(len(n.target))
	case Directory:
		i.Links = 2
		for _, l := range n.entries {
			if l.node.kind == Directory {
				i.Links++
			}
		}
	}
	return i
}

// changing is called before meta is changed.
func (n *memNode) changing() {
	if n.durableMeta == nil {
		m := n.meta
		n.durableMeta = &m
	}
}

func (m *Memory) changed(n *memNode) {
	n.changing()
	n.meta.ctime = m.now()
}

func (m *Memory) modified(n *memNode) {
	n.changing()
	n.meta.mtime = m.now()
	n.meta.ctime = n.meta.mtime
}

// synced makes content and metadata durable.
func (n *memNode) synced() {
	n.durableMeta = nil
	if n.kind != Regular {
		return
	}
	n.durableSize, n.sizes, n.before = n.size, nil, nil
	n.owner = new(memOwner)
}

func (n *memNode) allocated() int64 {
	return max(int64(len(n.blocks))*memBlockSize, memRoundUp(n.reserved))
}

func memRoundUp(n int64) int64 {
	if n > math.MaxInt64-memBlockSize {
		return math.MaxInt64
	}
	return (n + memBlockSize - 1) / memBlockSize * memBlockSize
}

// charge accounts for n holding want bytes; a file without name and handle holds none.
func (m *Memory) charge(n *memNode, want int64) error {
	if n.names == 0 && n.handles == 0 {
		want = 0
	}
	grow := want - n.charged
	if q := m.options.Quota; q > 0 && grow > 0 && grow > q-m.used {
		return syscall.ENOSPC
	}
	m.used += grow
	n.charged = want
	return nil
}

// release is called after n lost a name or a handle.
func (m *Memory) release(n *memNode) {
	if n.names == 0 && n.handles == 0 {
		m.used -= n.charged
		n.charged = 0
	}
}

// own makes the block map one that may be changed.
func (c *memContent) own() {
	if c.shared {
		c.blocks = maps.Clone(c.blocks)
		c.shared = false
	}
	if c.blocks == nil {
		c.blocks = map[int64]*memBlock{}
	}
}

// remember notes what block i was when the file was last synced.
func (c *memContent) remember(i int64) {
	if c.before == nil {
		c.before = map[int64]*memBlock{}
	}
	if _, ok := c.before[i]; !ok {
		c.before[i] = c.blocks[i]
	}
}

// writable is block i, to be changed in place.
func (m *Memory) writable(n *memNode, i int64) (*memBlock, error) {
	b := n.blocks[i]
	if b != nil && b.owner == n.owner && !n.shared {
		return b, nil
	}
	if b == nil {
		if err := m.charge(n, max((int64(len(n.blocks))+1)*memBlockSize, memRoundUp(n.reserved))); err != nil {
			return nil, err
		}
	}
	n.own()
	n.remember(i)
	fresh := &memBlock{owner: n.owner}
	if b != nil {
		fresh.data = b.data
	}
	n.blocks[i] = fresh
	return fresh, nil
}

// writeAt writes what the quota allows.
func (m *Memory) writeAt(n *memNode, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fs.ErrInvalid
	}
	if off > math.MaxInt64-int64(len(p)) {
		return 0, syscall.EFBIG
	}
	done := 0
	var err error
	for done < len(p) {
		at := off + int64(done)
		var b *memBlock
		if b, err = m.writable(n, at/memBlockSize); err != nil {
			break
		}
		done += copy(b.data[at%memBlockSize:], p[done:])
	}
	if done > 0 {
		if end := off + int64(done); end > n.size {
			n.resize(end)
		}
		m.modified(n)
	}
	return done, err
}

func (c *memContent) readAt(p []byte, off int64) int {
	if off >= c.size {
		return 0
	}
	if int64(len(p)) > c.size-off {
		p = p[:c.size-off]
	}
	for done := 0; done < len(p); {
		at := off + int64(done)
		in := int(at % memBlockSize)
		part := p[done:min(len(p), done+memBlockSize-in)]
		if b := c.blocks[at/memBlockSize]; b != nil {
			copy(part, b.data[in:])
		} else {
			clear(part)
		}
		done += len(part)
	}
	return len(p)
}

// resize sets the size and notes that it did, for the blocks are cut or written by the caller.
func (c *memContent) resize(size int64) {
	if size == c.size {
		return
	}
	was := c.durableSize
	k := len(c.sizes)
	if k > 1 {
		was = c.sizes[k-2]
	}
	if k > 0 && was < c.size && c.size < size && (c.size-1)/memBlockSize == (size-1)/memBlockSize {
		c.sizes[k-1] = size
	} else {
		c.sizes = append(c.sizes, size)
	}
	c.size = size
}

func (m *Memory) truncate(n *memNode, size int64) error {
	if size < 0 {
		return fs.ErrInvalid
	}
	if size < n.size {
		n.own()
		end := (size + memBlockSize - 1) / memBlockSize
		for i := range n.blocks {
			if i >= end {
				n.remember(i)
				delete(n.blocks, i)
			}
		}
		if in := size % memBlockSize; in > 0 && n.blocks[size/memBlockSize] != nil {
			b, err := m.writable(n, size/memBlockSize)
			if err != nil {
				return err
			}
			clear(b.data[in:])
		}
	}
	n.reserved = min(n.reserved, size)
	n.resize(size)
	m.modified(n)
	return m.charge(n, n.allocated())
}

func (c *memContent) indexes() []int64 {
	return slices.Sorted(maps.Keys(c.blocks))
}

func (c *memContent) extents() []Extent {
	var out []Extent
	for _, i := range c.indexes() {
		off := i * memBlockSize
		if off >= c.size {
			break
		}
		n := min(memBlockSize, c.size-off)
		if k := len(out); k > 0 && out[k-1].Off+out[k-1].Len == off {
			out[k-1].Len += n
		} else {
			out = append(out, Extent{off, n})
		}
	}
	return out
}

// clone makes dst hold the content of src, as unsynced writes.
func (m *Memory) clone(dst, src *memNode) error {
	if dst == src {
		return nil
	}
	if err := m.charge(dst, src.allocated()); err != nil {
		return err
	}
	dst.own()
	for i := range dst.blocks {
		dst.remember(i)
		delete(dst.blocks, i)
	}
	for i, b := range src.blocks {
		dst.remember(i)
		dst.blocks[i] = b
	}
	src.owner = new(memOwner)
	dst.reserved = 0
	dst.resize(src.size)
	m.modified(dst)
	return m.charge(dst, dst.allocated())
}
