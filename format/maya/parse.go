package maya

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"hash"
	"strings"

	"varve/format"
)

// node is what createNode made, or select chose of those that every scene has.
type node struct {
	kind   string // mesh, transform, file, …
	name   string
	path   string // |a|b of those that are in the tree, else the name
	parent int    // -1 at the top
	uuid   string
	tree   bool
	shared bool // of every scene: views
	chosen bool // by select
	bytes  int64
	file   string // the path of its first place

	sums   map[string]hash.Hash // by aspect
	frames bool                 // its file is one of several by frame
	tiling int                  // its file is one of several by place: 1 ZBrush, 2 Mudbox, 3 UDIM
}

// place is a string that names a file.
type place struct {
	span
	kind     string
	node     int // -1: of none
	rfn      string
	optional bool
	texture  bool // follows the node's frames and tiling
	suffix   string
}

// link is a connection, of where it ends.
type link struct {
	to   string // name of the node
	text string
}

func parse(ctx context.Context, b []byte) (*scene, error) {
	s := &scene{b: b, byName: map[string][]int{}}
	r := &statements{b: b}
	var st statement
	at := -1
	for n := 0; ; n++ {
		if n&0xff == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		ok, err := r.next(&st)
		if err != nil {
			return nil, err
		}
		if !ok {
			break
		}
		if at, err = s.add(&st, at); err != nil {
			return nil, err
		}
	}
	s.ended = bytes.HasPrefix(bytes.TrimLeft(b[r.last.from+min(2, r.last.to-r.last.from):r.last.to], " "), []byte("End")) &&
		len(bytes.TrimSpace(b[r.last.to:])) == 0
	return s, nil
}

// add takes a statement; at is the node that statements are of, -1 where they are of none.
func (s *scene) add(st *statement, at int) (int, error) {
	switch s.text(st.words[0]) {
	case "createNode":
		return s.create(st)
	case "select":
		return s.choose(st)
	case "file":
		s.file(st)
		return -1, nil
	case "fileInfo":
		s.maya = s.maya || len(st.words) == 3 && s.text(st.words[1]) == "application" && s.text(st.words[2]) == "maya"
		return -1, nil
	case "connectAttr":
		s.connect(st)
		return -1, nil
	case "rename":
		if w, ok := s.option(st, "-uid"); ok && at >= 0 {
			s.nodes[at].uuid = s.text(w)
			s.nodes[at].bytes += int64(st.to - st.from)
		}
		return at, nil
	case "setAttr":
		if at >= 0 {
			s.set(st, &s.nodes[at], at)
		}
		return at, nil
	case "addAttr", "lockNode", "deleteAttr":
		if at >= 0 {
			s.sum(st, &s.nodes[at], "attributes")
		}
		return at, nil
	}
	return -1, nil
}

func (s *scene) create(st *statement) (int, error) {
	if len(s.nodes) == format.MaxElements {
		return -1, fmt.Errorf("more than %d nodes: %w", format.MaxElements, format.ErrLimit)
	}
	n := node{parent: -1, bytes: int64(st.to - st.from), sums: map[string]hash.Hash{}, shared: s.has(st, "-s") || s.has(st, "-shared")}
	if len(st.words) > 1 {
		n.kind = s.text(st.words[1])
	}
	if w, ok := s.option(st, "-n", "-name"); ok {
		n.name = means(s.b[w.from:w.to])
	}
	n.path = n.name
	if w, ok := s.option(st, "-p", "-parent"); ok {
		parent := means(s.b[w.from:w.to])
		n.tree = true
		if p, ok := s.find(parent); ok {
			n.parent = p
			s.nodes[p].tree = true
			parent = s.path(p)
		}
		n.path = "|" + strings.TrimPrefix(parent, "|") + "|" + n.name
		if len(n.path) > 1<<14 {
			return -1, format.Malformed("a node at %d is in too many others", st.from)
		}
	} else if n.kind == "transform" || n.kind == "joint" {
		n.tree = true
	}
	i := len(s.nodes)
	s.nodes = append(s.nodes, n)
	s.byName[n.name] = append(s.byName[n.name], i)
	return i, nil
}

// maxSame bounds how many nodes of one name are looked at.
const maxSame = 64

// find returns the node of a name, or of a path from the top or from anywhere: the one that was made last.
func (s *scene) find(name string) (int, bool) {
	leaf := name[strings.LastIndexByte(name, '|')+1:]
	same := s.byName[leaf]
	for k := len(same) - 1; k >= max(0, len(same)-maxSame); k-- {
		if i := same[k]; leaf == name || s.path(i) == name || !strings.HasPrefix(name, "|") && strings.HasSuffix(s.path(i), "|"+name) {
			return i, true
		}
	}
	return 0, false
}

func (s *scene) path(i int) string {
	if n := &s.nodes[i]; n.tree && !strings.HasPrefix(n.path, "|") {
		return "|" + n.path
	}
	return s.nodes[i].path
}

// choose is select -ne :name, after which attributes of that are set.
func (s *scene) choose(st *statement) (int, error) {
	w, ok := s.option(st, "-ne", "-noExpand")
	if !ok || len(s.nodes) == format.MaxElements {
		return -1, nil
	}
	name := means(s.b[w.from:w.to])
	if i, ok := s.find(name); ok {
		return i, nil
	}
	s.nodes = append(s.nodes, node{kind: "settings", name: strings.TrimPrefix(name, ":"), path: name, parent: -1, chosen: true, sums: map[string]hash.Hash{}})
	s.byName[name] = append(s.byName[name], len(s.nodes)-1)
	return len(s.nodes) - 1, nil
}

// sum takes a statement into an aspect: its words, however they are spaced.
func (s *scene) sum(st *statement, n *node, aspect string) {
	n.bytes += int64(st.to - st.from)
	h := n.sums[aspect]
	if h == nil {
		h = sha256.New()
		n.sums[aspect] = h
	}
	r := &statements{b: s.b[:st.to], at: st.from}
	var buffer [512]byte
	line := buffer[:0]
	for {
		w, end, err := r.word()
		if err != nil || end {
			h.Write(append(line, '\n'))
			return
		}
		if len(line)+w.to-w.from > 400 {
			h.Write(line)
			line = line[:0]
		}
		if w.to-w.from > 400 {
			h.Write(s.b[w.from:w.to])
		} else {
			line = append(line, s.b[w.from:w.to]...)
		}
		line = append(line, ' ')
	}
}

// connect is connectAttr "from.out" "to.in".
func (s *scene) connect(st *statement) {
	if len(st.words) < 3 || len(s.links) >= format.MaxReferences {
		return
	}
	from, to := means(s.b[st.words[1].from:st.words[1].to]), means(s.b[st.words[2].from:st.words[2].to])
	name, in, ok := strings.Cut(to, ".")
	if ok {
		s.links = append(s.links, link{name, from + " " + in})
	}
}

// file is file -r … "path".
func (s *scene) file(st *statement) {
	w := st.last
	if !w.quoted || len(s.places) >= format.MaxReferences {
		return
	}
	p := place{span: w.span, kind: "scene", node: -1}
	if f, ok := s.option(st, "-rfn", "-referenceNode"); ok {
		p.rfn = s.text(f)
	}
	depth, nested := s.option(st, "-rdi", "-referenceDepthInfo")
	switch {
	case nested:
		p.optional = s.text(depth) != "1" // of a scene in one of these: that needs it
	case !s.has(st, "-r") && !s.has(st, "-reference") && !s.has(st, "-i") && !s.has(st, "-import"):
		return
	}
	s.places = append(s.places, p)
}
