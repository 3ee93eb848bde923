package disk

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
)

// Keep says what of everything unsynced is on the medium after power loss.
type Keep uint64

const (
	KeepNone Keep = 0 // nothing: what was synced, and no more
	KeepAll  Keep = 1 // everything, as after a crash of the process alone
)

// KeepHalf keeps each unsynced block, size change, metadata and entry operation with probability 1/2, as the
// seed has it: one seed, one outcome.
func KeepHalf(seed uint64) Keep { return Keep(seed%(math.MaxUint64-1)) + 2 }

// crash is one power loss: the nodes of the file system that went down, as they come up again.
type crash struct {
	keep  Keep
	to    *Memory
	kept  map[*memNode][]memPart // by directory, in the order they were done
	nodes map[*memNode]*memNode
}

// Crash is the file system as it is found after power loss at this moment. It is durable throughout, has nothing
// in common with m that a later write to either could change, and leaves the open handles of m working on m.
func (m *Memory) Crash(keep Keep) *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := crash{
		keep:  keep,
		to:    &Memory{options: m.options, inodes: m.inodes, clock: m.clock},
		kept:  map[*memNode][]memPart{},
		nodes: map[*memNode]*memNode{},
	}
	c.choose(m.journal)
	c.to.root = c.node(m.root)
	c.to.root.names = 1
	return c.to
}

// random is the stream of choices for one inode, or with 0 for the journal.
func (c *crash) random(stream uint64) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(c.keep), stream))
}

func coin(r *rand.Rand) bool { return r.Uint64()&1 == 0 }

// choose decides which entry operations are kept. With half of the seeds an operation whose needs are lost is
// lost, with the others a kept one brings its needs along: long chains come out cut early and cut late.
func (c *crash) choose(journal []*memOp) {
	if c.keep == KeepNone {
		return
	}
	r := c.random(0)
	bring := coin(r)
	taken := map[*memOp]bool{}
	if c.keep == KeepAll {
		for _, o := range journal {
			taken[o] = true
		}
	} else {
		for _, o := range journal {
			if !coin(r) {
				continue
			}
			if bring {
				o.take(taken)
			} else if o.possible(taken) {
				taken[o] = true
			}
		}
	}
	for _, o := range journal {
		half := c.keep != KeepAll && o.loose && coin(r)
		if !taken[o] {
			continue
		}
		for _, p := range o.parts {
			if !p.done && !(half && p.link.node == nil) {
				c.kept[p.dir] = append(c.kept[p.dir], p)
			}
		}
	}
}

func (o *memOp) take(taken map[*memOp]bool) {
	if taken[o] {
		return
	}
	taken[o] = true
	for _, n := range o.needs {
		n.take(taken)
	}
}

func (o *memOp) possible(taken map[*memOp]bool) bool {
	for _, n := range o.needs {
		if !n.done() && !taken[n] {
			return false
		}
	}
	return true
}

// node brings an inode up again, a directory with all below it.
func (c *crash) node(n *memNode) *memNode {
	if up := c.nodes[n]; up != nil {
		return up
	}
	up := &memNode{ino: n.ino, kind: n.kind, target: n.target, meta: n.meta, durable: true}
	c.nodes[n] = up
	var r *rand.Rand
	if c.keep > KeepAll {
		r = c.random(n.ino)
	}
	if n.durableMeta != nil && c.lost(r) {
		up.meta = *n.durableMeta
	}
	switch n.kind {
	case Regular:
		c.content(up, n, r)
	case Directory:
		c.entries(up, n)
	}
	return up
}

func (c *crash) lost(r *rand.Rand) bool { return c.keep == KeepNone || r != nil && coin(r) }

func (c *crash) entries(up, n *memNode) {
	found := maps.Clone(n.entries)
	set := func(key string, l memLink) {
		if l.node == nil {
			delete(found, key)
		} else {
			found[key] = l
		}
	}
	for key, l := range n.held {
		set(key, l)
	}
	for _, p := range c.kept[n] {
		set(p.key, p.link)
	}
	up.entries = found
	for key, l := range found {
		child := c.node(l.node)
		found[key] = memLink{l.name, child}
		child.names++
		if child.kind == Directory {
			child.parent = up
		}
		if child.names == 1 && child.kind == Regular {
			child.charged = child.allocated()
			c.to.used += child.charged
		}
	}
}

// content brings up what of a file is on the medium.
func (c *crash) content(up, n *memNode, r *rand.Rand) {
	n.owner = new(memOwner) // its blocks are shared from here on
	up.owner = new(memOwner)
	defer func() { up.durableSize = up.size }()
	if c.keep == KeepAll || len(n.before) == 0 && len(n.sizes) == 0 {
		n.shared, up.shared = true, true
		up.blocks, up.size, up.reserved = n.blocks, n.size, n.reserved
		return
	}
	size, cut := n.durableSize, n.durableSize
	if r != nil {
		size, cut = n.keptSize(r)
	}
	up.size = size
	up.blocks = make(map[int64]*memBlock, len(n.blocks))
	for i, b := range n.blocks {
		if _, dirty := n.before[i]; !dirty {
			up.put(i, b)
		}
	}
	for _, i := range slices.Sorted(maps.Keys(n.before)) {
		old, fresh := n.before[i], n.blocks[i]
		if r != nil && coin(r) && fresh != nil {
			up.put(i, fresh)
		} else {
			up.put(i, old.cut(up.owner, i, cut))
		}
	}
}

// put sets block i as far as it lies within the size.
func (c *memContent) put(i int64, b *memBlock) {
	if b = b.cut(c.owner, i, c.size); b != nil {
		c.blocks[i] = b
	}
}

// cut is block i of a file that ends at size: nil behind the end, zero beyond it.
func (b *memBlock) cut(owner *memOwner, i, size int64) *memBlock {
	switch {
	case b == nil || i >= memBlocks(size):
		return nil
	case i == size/memBlockSize:
		short := &memBlock{owner: owner}
		copy(short.data[:size%memBlockSize], b.data[:])
		return short
	}
	return b
}

func memBlocks(size int64) int64 {
	n := size / memBlockSize
	if size%memBlockSize != 0 {
		n++
	}
	return n
}

// keptSize is the size found, and the smallest the file was on the way to it, up to which old blocks last.
func (c *memContent) keptSize(r *rand.Rand) (size, cut int64) {
	k := len(c.sizes)
	for k > 0 && coin(r) {
		k--
	}
	size, cut = c.durableSize, c.durableSize
	for _, s := range c.sizes[:k] {
		size, cut = s, min(cut, s)
	}
	if k < len(c.sizes) && c.sizes[k] > size && coin(r) {
		if between := memBlocks(size) + r.Int64N(memBlocks(c.sizes[k]-size)); between*memBlockSize > size {
			size = min(between*memBlockSize, c.sizes[k])
		}
	}
	return size, cut
}
