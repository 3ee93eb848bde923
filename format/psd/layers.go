package psd

import (
	"strconv"
)

// Channel ids that are no colour.
const (
	idAlpha = -1
	idMask  = -2 // of the user, or of user and path together
	idUser  = -3 // of the user, where there is a path too
)

// Kinds of section dividers.
const (
	sectionNone   = 0
	sectionOpen   = 1
	sectionClosed = 2
	sectionEnd    = 3 // below all that is in the group
)

// layerInfo is the stack: list from the bottom to the top.
type layerInfo struct {
	all     span // from the count to the end of the padding
	count   span // 2 bytes
	negated bool // the count is: the first channel of the merged image after its colours is its transparency
	list    []layer
	padding span // after the last channel

	tree     []*node // from the top to the bottom
	unpaired bool    // groups do not open and close as they must
}

// layer is a record with its pixels.
type layer struct {
	record  span
	box     box
	channel []channel
	blend   string
	opacity uint8
	clipped bool
	flags   uint8
	mask    span // of the record
	ranges  span
	name    string
	blocks  []block
	pixels  span // of all channels

	id           int64 // lyid; -1: none, or one that another has
	number       int64 // what stands in lyid, also where others have the same; -1: it has none
	idAt         int64 // where it stands
	section      int
	sectionBlend string // of the group
	fill         uint8
}

// box is a rectangle on the canvas; right and bottom are outside.
type box struct{ top, left, bottom, right int }

func (b box) width() int  { return max(0, b.right-b.left) }
func (b box) height() int { return max(0, b.bottom-b.top) }

// channel is one plane of a layer.
type channel struct {
	id   int
	data span // with the compression before it
}

// node is a layer or a group in the tree.
type node struct {
	id          string
	first, last int // records in the list: of a layer one
	group       bool
	parent      *node
	children    []*node // from the top to the bottom
}

// read reads layer information.
func (l *layerInfo) read(s *scan, big bool) {
	l.all = span{s.at, s.left()}
	l.count = span{s.at, 2}
	n := s.i16()
	l.negated = n < 0
	n = max(n, -n)
	if int64(n)*16 > s.left() {
		s.fail("%d layers in %d bytes", n, s.left())
	}
	for range n {
		if s.err != nil {
			return
		}
		l.list = append(l.list, readLayer(s, big))
	}
	for i := range l.list {
		k := &l.list[i]
		k.pixels.off = s.at
		for j := range k.channel {
			c := &k.channel[j]
			c.data.off = s.at
			s.skip(c.data.n)
		}
		k.pixels.n = s.at - k.pixels.off
	}
	l.padding = span{s.at, s.left()}
	if s.err == nil {
		l.unique()
		l.grow()
	}
}

// readLayer reads a record.
func readLayer(s *scan, big bool) layer {
	l := layer{record: span{off: s.at}, id: -1, number: -1, fill: 255}
	l.box = box{s.i32(), s.i32(), s.i32(), s.i32()}
	n := int(s.u16())
	if int64(n)*6 > s.left() {
		s.fail("%d channels", n)
		return l
	}
	l.channel = make([]channel, n)
	for i := range l.channel {
		l.channel[i].id = s.i16()
		l.channel[i].data.n = s.length(big)
	}
	if sig := s.key(); s.err == nil && !signed([]byte(sig)) {
		s.fail("no signature in a layer record")
	}
	l.blend = s.key()
	l.opacity = s.u8()
	l.clipped = s.u8() != 0
	l.flags = s.u8()
	s.skip(1)
	extra := s.length(false)
	in := &scan{in: s.in, at: s.at, end: s.at + extra, what: "layer record", err: s.err, buf: s.buf, base: s.base}
	l.mask.n = in.length(false)
	l.mask.off = in.at
	in.skip(l.mask.n)
	l.ranges.n = in.length(false)
	l.ranges.off = in.at
	in.skip(l.ranges.n)
	l.name = in.pascal(4)
	l.blocks = readBlocks(in, big, false)
	l.facts(in)
	s.buf, s.base = in.buf, in.base
	if s.err = in.err; s.err == nil {
		s.skip(extra)
	}
	l.record.n = s.at - l.record.off
	return l
}

// facts reads the blocks that say how a layer stands in the stack.
func (l *layer) facts(s *scan) {
	for _, b := range l.blocks {
		if b.data.n > window || s.err != nil {
			continue
		}
		in := &scan{in: s.in, at: b.data.off, end: b.data.end(), what: b.key, buf: s.buf, base: s.base}
		switch b.key {
		case "lyid":
			if b.data.n >= 4 && l.id < 0 {
				l.idAt = in.at
				l.id = int64(in.u32())
				l.number = l.id
			}
		case "luni":
			if name := in.unicode(); in.err == nil {
				l.name = name
			}
			in.err = nil
		case "iOpa":
			if b.data.n > 0 {
				l.fill = in.u8()
			}
		case "lsct", "lsdk":
			if b.data.n >= 4 {
				l.section = int(in.u32())
			}
			if b.data.n >= 12 {
				in.skip(4)
				l.sectionBlend = in.key()
			}
		}
		s.buf, s.base, s.err = in.buf, in.base, in.err
	}
}

// unique takes ids away from layers that share one: they name nothing.
func (l *layerInfo) unique() {
	holders := map[int64]int{}
	for i := range l.list {
		if l.list[i].section != sectionEnd {
			holders[l.list[i].id]++
		}
	}
	for i := range l.list {
		k := &l.list[i]
		if k.section != sectionEnd && holders[k.id] > 1 {
			k.id = -1
		}
	}
}

// grow makes the tree of the list. Where groups do not pair, an end that has no head is nothing, and a head that has no
// end is an empty group.
func (l *layerInfo) grow() {
	type open struct {
		first    int
		children []*node // from the bottom
	}
	stack := []open{{}}
	for i := range l.list {
		top := &stack[len(stack)-1]
		k := &l.list[i]
		n := &node{first: i, last: i}
		switch k.section {
		case sectionEnd:
			stack = append(stack, open{first: i})
			continue
		case sectionOpen, sectionClosed:
			n.group = true
			if len(stack) == 1 {
				l.unpaired = true
				break
			}
			n.first, n.children = top.first, top.children
			for _, c := range n.children {
				c.parent = n
			}
			stack = stack[:len(stack)-1]
			top = &stack[len(stack)-1]
		}
		n.id = "#" + strconv.Itoa(i)
		if k.id >= 0 {
			n.id = strconv.FormatInt(k.id, 10)
		}
		top.children = append(top.children, n)
	}
	for len(stack) > 1 {
		l.unpaired = true
		under := &stack[len(stack)-2]
		under.children = append(under.children, stack[len(stack)-1].children...)
		stack = stack[:len(stack)-1]
	}
	l.tree = stack[0].children
	turn(l.tree)
}

// turn puts the top first, at every level.
func turn(list []*node) {
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	for _, n := range list {
		turn(n.children)
	}
}

// walk calls each with every node, parents first, from the top to the bottom.
func walk(list []*node, each func(*node)) {
	for _, n := range list {
		each(n)
		walk(n.children, each)
	}
}

// of returns the layer that a node is, of a group its head.
func (l *layerInfo) of(n *node) *layer { return &l.list[n.last] }

// block returns the first block of one of keys, nil if there is none.
func (l *layer) block(keys ...string) *block {
	for i := range l.blocks {
		for _, k := range keys {
			if l.blocks[i].key == k {
				return &l.blocks[i]
			}
		}
	}
	return nil
}

// plane returns the channel of an id, nil if there is none.
func (l *layer) plane(id int) *channel {
	for i := range l.channel {
		if l.channel[i].id == id {
			return &l.channel[i]
		}
	}
	return nil
}

// hidden, and what else the flags say.
func (l *layer) hidden() bool { return l.flags&2 != 0 }
