package disk

import "slices"

// memLink is a name and what it names; a nil node means that the name is gone.
type memLink struct {
	name string
	node *memNode
}

// memEntries is the content of a directory, by key. What the directory held at its last sync is entries with
// held laid over it.
type memEntries struct {
	entries map[string]memLink
	parent  *memNode
	removed bool

	held    map[string]memLink // names changed since, as they were then
	pending []*memOp           // with parts in this directory, oldest first
	last    map[string]*memOp  // of pending, the newest on each key
	placed  []*memOp           // not durable yet that gave this inode a name; of files too
}

// memOp is one entry operation that may not have reached the medium.
type memOp struct {
	parts []memPart
	gone  *memNode // what loses a name for good
	needs []*memOp // never on the medium without these
	loose bool     // a file moved between directories: the new name may be there before the old one goes
}

// memPart sets one name in one directory.
type memPart struct {
	dir  *memNode
	key  string
	link memLink
	done bool // durable
}

func (o *memOp) done() bool {
	for i := range o.parts {
		if !o.parts[i].done {
			return false
		}
	}
	return true
}

func (e *memEntries) child(key string) *memNode { return e.entries[key].node }

// apply performs an operation in the live directories and notes it. gone is what it takes a name from for good.
func (m *Memory) apply(gone *memNode, loose bool, parts ...memPart) {
	op := &memOp{parts: parts, loose: loose, gone: gone}
	if gone != nil {
		op.need(gone.placed...)
		op.need(gone.pending...)
	}
	for _, p := range parts {
		d := p.dir
		for up := d; up != nil; up = up.parent {
			op.need(up.placed...)
		}
		op.need(d.last[p.key])
		if d.last == nil {
			d.last, d.held = map[string]*memOp{}, map[string]memLink{}
		}
		if _, ok := d.held[p.key]; !ok {
			d.held[p.key] = d.entries[p.key]
		}
		d.last[p.key] = op
		if k := len(d.pending); k == 0 || d.pending[k-1] != op {
			d.pending = append(d.pending, op)
		}
		if p.link.node == nil {
			delete(d.entries, p.key)
		} else {
			d.entries[p.key] = p.link
			n := p.link.node
			n.placed = append(slices.DeleteFunc(n.placed, (*memOp).done), op)
		}
		m.modified(d)
	}
	if len(m.journal) >= m.compact {
		m.dropDone()
	}
	m.journal = append(m.journal, op)
}

func (o *memOp) need(others ...*memOp) {
	for _, n := range others {
		if n != nil && n != o && !n.done() {
			o.needs = append(o.needs, n)
		}
	}
}

func (m *Memory) dropDone() {
	kept := m.journal[:0]
	for _, o := range m.journal {
		if !o.done() {
			kept = append(kept, o)
		}
	}
	clear(m.journal[len(kept):])
	m.journal = kept
	m.compact = 2*len(kept) + 64
}

// syncEntries makes the entries of d durable. What takes a name from a file that was durable brings along all it
// followed and its own other half, so that no durable file is lost by a sync.
func (m *Memory) syncEntries(d *memNode) {
	pending := d.pending
	d.held, d.pending, d.last = nil, nil, nil
	for _, o := range pending {
		if o.perilous(d) {
			o.commit()
		}
		for i := range o.parts {
			if o.parts[i].dir == d {
				o.parts[i].done = true
			}
		}
		if o.done() {
			o.needs = nil
		}
	}
	for _, o := range pending {
		for _, p := range o.parts {
			if p.done && p.link.node != nil {
				p.link.node.durable = true
			}
		}
	}
	d.durableMeta = nil
}

// perilous reports whether the parts of o in d alone could lose a durable file, or split a directory.
func (o *memOp) perilous(d *memNode) bool {
	if o.gone != nil && (o.gone.durable || o.gone.kind == Directory) {
		return true
	}
	for _, p := range o.parts {
		if p.dir != d && !o.loose {
			return true // a directory between directories
		}
		if p.dir != d && p.link.node != nil && p.link.node.durable {
			return true // a file moved out of d
		}
	}
	return false
}

// commit makes an operation durable after those it needs.
func (o *memOp) commit() {
	needs := o.needs
	o.needs = nil
	for _, n := range needs {
		n.commit()
	}
	for i := range o.parts {
		if p := &o.parts[i]; !p.done {
			p.done = true
			if p.dir.held != nil {
				p.dir.held[p.key] = p.link
			}
			if p.link.node != nil {
				p.link.node.durable = true
			}
		}
	}
}

// syncAll makes the whole file system durable.
func (m *Memory) syncAll() {
	for _, o := range m.journal {
		for i := range o.parts {
			p := &o.parts[i]
			p.done = true
			p.dir.held, p.dir.pending, p.dir.last = nil, nil, nil
		}
		o.needs = nil
	}
	m.journal, m.compact = nil, 64
	m.root.syncBelow()
}

func (n *memNode) syncBelow() {
	n.synced()
	n.durable = true
	for _, l := range n.entries {
		l.node.syncBelow()
	}
}

// add gives a new inode its first name.
func (m *Memory) add(d *memNode, name string, n *memNode) {
	m.apply(nil, false, memPart{dir: d, key: m.key(name), link: memLink{name, n}})
	n.names++
	if n.kind == Directory {
		n.parent = d
	}
}

// drop takes a name away from n, whose entry the caller removed or replaced.
func (m *Memory) drop(n *memNode) {
	n.names--
	if n.kind == Directory {
		n.removed = true
		n.parent = nil
	}
	m.changed(n)
	m.release(n)
}

// within reports whether d is top or lies below it.
func (d *memNode) within(top *memNode) bool {
	for ; d != nil; d = d.parent {
		if d == top {
			return true
		}
	}
	return false
}
