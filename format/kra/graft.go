package kra

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/xmlspan"
	"varve/format/zipfile"
)

// spot is a layer or mask of the document to be, and what is to be in it.
type spot struct {
	d       *document // whose it is
	n       *node
	was     *node // of the document into which things are put: what it takes the place of; itself if it stays; nil if new
	up      *spot
	kids    []*spot
	changed bool // its own, not what is in it
	moved   bool // what is in it is not what was
	file    string
}

// id is the node's in the document to be.
func (s *spot) id() string {
	if s.n.uuid == "" && s.file != "" {
		return "file:" + s.file
	}
	return s.n.id
}

// graft is a document into which things of another are put.
type graft struct {
	ctx        context.Context
	into, from *document
	top        *spot            // the image: without a node
	spots      map[*node]*spot  // of nodes of into that are still there
	elements   map[*node]string // hashes, of both
	notes      []string
	files      map[string]bool // names of files that are taken
}

// Graft puts layers and masks, with what is in them, into another version. What that has by uuid is replaced where it
// is; in a group, layers that came in later stay. Others are put beside the neighbours that they had. Previews are made
// anew where the layers can be put together with certainty, and else taken out: Krita makes them when it saves.
func (Format) Graft(ctx context.Context, into, from format.Input, ids []string) (*format.Grafting, error) {
	g := &graft{ctx: ctx, spots: map[*node]*spot{}, elements: map[*node]string{}, files: map[string]bool{}}
	var err error
	if g.into, err = open(ctx, into); err != nil {
		return nil, err
	}
	if g.from, err = open(ctx, from); err != nil {
		return nil, fmt.Errorf("the other version: %w", err)
	}
	chosen, err := g.choose(ids)
	if err != nil {
		return nil, err
	}
	g.top = &spot{d: g.into}
	g.plant(g.top, g.into.top)
	for _, n := range g.into.nodes {
		g.files[n.file] = true
	}
	for _, n := range chosen {
		if err := g.put(n); err != nil {
			return nil, err
		}
	}
	if err := g.check(); err != nil {
		return nil, err
	}
	return g.write()
}

// choose returns the nodes of ids, in the order of their document, but those that are in another of them.
func (g *graft) choose(ids []string) ([]*node, error) {
	want := map[*node]bool{}
	for _, id := range ids {
		n, err := g.from.find(id)
		if err != nil {
			return nil, err
		}
		want[n] = true
	}
	var out []*node
	for _, n := range g.from.nodes {
		within := false
		for p := n.parent; p != nil; p = p.parent {
			within = within || want[p]
		}
		if want[n] && !within {
			out = append(out, n)
		}
	}
	return out, nil
}

// plant makes spots of nodes that stay.
func (g *graft) plant(up *spot, list []*node) {
	for _, n := range list {
		s := &spot{d: g.into, n: n, was: n, up: up, file: n.file}
		g.spots[n] = s
		up.kids = append(up.kids, s)
		g.plant(s, n.kids)
	}
}

// match finds what a node of the other version is in this one: by uuid, or where there are none by its path of names.
func (g *graft) match(n *node) *spot {
	var found *node
	for _, m := range g.into.nodes {
		same := n.uuid != "" && m.uuid == n.uuid
		if n.uuid == "" && m.uuid == "" {
			same = trail(m) == trail(n)
		}
		if same && m.mask() == n.mask() {
			if found != nil {
				return nil
			}
			found = m
		}
	}
	return g.spots[found]
}

func trail(n *node) string {
	if n == nil {
		return ""
	}
	return trail(n.parent) + fmt.Sprintf("%q %q/", n.kind, n.name)
}

// put puts a node of the other version, with what is in it, into this one.
func (g *graft) put(n *node) error {
	s := g.match(n)
	if s == nil {
		var err error
		if s, err = g.insert(n); err != nil {
			return err
		}
	}
	return g.fill(s, n)
}

// fill makes a spot a node of the other version, and puts in it what is in that.
func (g *graft) fill(s *spot, n *node) error {
	if s.was != nil {
		same, err := g.same(s.was, n)
		if err != nil {
			return err
		}
		s.changed = !same
	} else {
		s.changed = true
	}
	if s.changed {
		s.d, s.n = g.from, n
	}
	var kids []*spot
	for _, k := range n.kids {
		kid := g.match(k)
		if kid == nil {
			kid = &spot{d: g.from, n: k}
		} else if err := g.detach(kid, s); err != nil {
			return err
		}
		kid.up = s
		kids = append(kids, kid)
		if err := g.fill(kid, k); err != nil {
			return err
		}
	}
	g.keep(s, kids)
	return nil
}

// same reports whether a layer is the same in both versions, without what is in it.
func (g *graft) same(m, n *node) (bool, error) {
	if m.name != n.name {
		return false, nil
	}
	a, err := g.hash(g.into, m)
	if err != nil {
		return false, err
	}
	b, err := g.hash(g.from, n)
	return a == b, err
}

func (g *graft) hash(d *document, n *node) (string, error) {
	if h, ok := g.elements[n]; ok {
		return h, nil
	}
	e, err := d.element(g.ctx, n)
	if err != nil {
		return "", err
	}
	g.elements[n] = e.Hash()
	return g.elements[n], nil
}

// detach takes a spot from where it is, if that is not up. What is to come into a layer cannot hold that layer.
func (g *graft) detach(s, up *spot) error {
	for p := up; p != nil; p = p.up {
		if p == s {
			return &format.Refusal{Reason: fmt.Sprintf("%s is in %s now, and was not", up.n, s.n), Advice: "put back the one without the other"}
		}
	}
	if s.up == up {
		return nil
	}
	s.up.kids = slices.DeleteFunc(s.up.kids, func(k *spot) bool { return k == s })
	s.up.moved = true
	g.notes = append(g.notes, fmt.Sprintf("%q is in %q again", s.n.name, up.n.name))
	return nil
}

// keep gives a spot what is to be in it: what came from the other version in its order, and what is only in this one
// behind the one that it is behind now.
func (g *graft) keep(s *spot, kids []*spot) {
	old := s.kids
	for i, k := range old {
		if slices.Contains(kids, k) {
			continue
		}
		at := 0
		for j := i - 1; j >= 0; j-- {
			if p := slices.Index(kids, old[j]); p >= 0 {
				at = p + 1
				break
			}
		}
		kids = slices.Insert(kids, at, k)
		g.notes = append(g.notes, fmt.Sprintf("%q, which came into %q later, stays", k.n.name, s.n.name))
	}
	s.kids = kids
	s.moved = s.moved || !slices.Equal(old, kids)
}

// insert makes a spot for a node that this version does not have, beside the neighbours that it had.
func (g *graft) insert(n *node) (*spot, error) {
	up := g.top
	for p := n.parent; p != nil; p = p.parent {
		if s := g.match(p); s != nil {
			up = s
			break
		}
		if n.mask() {
			return nil, &format.Refusal{Reason: fmt.Sprintf("%s was on %s, which is not there any more", n, n.parent), Advice: "put that back, and its masks come with it"}
		}
		g.notes = append(g.notes, fmt.Sprintf("%q was in %q, which is not there any more", n.name, p.name))
	}
	list := g.from.top
	if n.parent != nil {
		list = n.parent.kids
	}
	here := slices.Index(list, n)
	beside := func(m *node) int {
		if m.mask() != n.mask() {
			return -1
		}
		return slices.IndexFunc(up.kids, func(s *spot) bool { return s == g.match(m) || s.n == m })
	}
	at := -1
	for i := here - 1; i >= 0 && at < 0; i-- {
		if p := beside(list[i]); p >= 0 {
			at = p + 1
		}
	}
	for i := here + 1; i < len(list) && at < 0; i++ {
		at = beside(list[i])
	}
	if at < 0 { // before all layers, behind the masks of the same
		at = slices.IndexFunc(up.kids, func(s *spot) bool { return s.n.mask() == n.mask() })
		if at < 0 {
			at = map[bool]int{true: 0, false: len(up.kids)}[n.mask()]
		}
	}
	s := &spot{d: g.from, n: n, up: up}
	up.kids = slices.Insert(up.kids, at, s)
	up.moved = true
	return s, nil
}

// check refuses what would not be right in the document to be.
func (g *graft) check() error {
	there := map[string]bool{}
	g.walk(g.top, func(s *spot) { there[strings.ToLower(s.n.uuid)] = true })
	var err error
	g.walk(g.top, func(s *spot) {
		if !s.changed || err != nil {
			return
		}
		if of := s.d.get(s.n.Node, "clonefromuuid"); s.n.kind == "clonelayer" && !there[strings.ToLower(of)] {
			err = &format.Refusal{Reason: fmt.Sprintf("%s shows the layer %q, which is not there any more", s.n, s.d.get(s.n.Node, "clonefrom")), Advice: "put that back together with it"}
			return
		}
		if s.n.kind == "filelayer" {
			g.notes = append(g.notes, fmt.Sprintf("%q needs the file %s", s.n.name, s.d.get(s.n.Node, "source")))
		}
		if id := s.d.get(s.n.Node, "layerstyle"); id != "" {
			err = g.style(s, id)
		}
	})
	if g.into.width != g.from.width || g.into.height != g.from.height {
		g.notes = append(g.notes, fmt.Sprintf("the canvas was %d×%d and is %d×%d; layers keep their distance from its top left", g.from.width, g.from.height, g.into.width, g.into.height))
	}
	return err
}

// style refuses a layer whose style this version does not have, if it has others: they are all in one file.
func (g *graft) style(s *spot, id string) error {
	theirs, ours := g.from.zip.Find(g.from.folder+styles), g.into.zip.Find(g.into.folder+styles)
	switch {
	case theirs == nil || ours == nil || theirs.CRC == ours.CRC && theirs.Size == ours.Size:
		return nil
	}
	b, err := g.into.zip.Read(g.ctx, ours, maxSmall)
	if err != nil {
		return err
	}
	var wide []byte
	for _, c := range strings.Trim(id, "{}") {
		wide = append(wide, 0, byte(c))
	}
	if !bytes.Contains(b, wide) && !bytes.Contains(b, []byte(strings.Trim(id, "{}"))) {
		return &format.Refusal{Reason: fmt.Sprintf("%s has a layer style, and the styles of this version do not have it", s.n), Advice: "open both in Krita and copy the style"}
	}
	g.notes = append(g.notes, fmt.Sprintf("the style of %q is as it is in this version", s.n.name))
	return nil
}

func (g *graft) walk(s *spot, visit func(*spot)) {
	for _, k := range s.kids {
		visit(k)
		g.walk(k, visit)
	}
}

// write makes the document to be.
func (g *graft) write() (*format.Grafting, error) {
	out := &format.Grafting{}
	r := g.into.zip.Rewrite()
	var err error
	g.walk(g.top, func(s *spot) {
		if s.changed && err == nil {
			err = g.bring(r, s)
			out.Changed = append(out.Changed, s.id())
		}
	})
	if err != nil {
		return nil, err
	}
	if g.top.touched() {
		text, err := g.text()
		if err != nil {
			return nil, err
		}
		r.Put(maindoc, format.Bytes(text), zipfile.Deflate)
		if err := g.previews(r, out); err != nil {
			return nil, err
		}
		out.Notes = append(out.Notes, g.notes...)
	}
	out.Content, err = r.Output(g.ctx)
	return out, err
}

// bring copies the parts of a spot into the archive, under the name that its file has here, and takes those of what it
// replaces out.
func (g *graft) bring(r *zipfile.Rewrite, s *spot) error {
	old := map[string]*zipfile.Entry{}
	switch {
	case s.was != nil && s.was.file != "":
		s.file, old = s.was.file, s.was.parts
	case s.n.file != "":
		s.file = g.fresh(s.n.file)
	}
	folder := g.into.folder + "layers/"
	animation := s.d.keyframed(s.n)
	for _, suffix := range s.n.suffixes() {
		e, name := s.n.parts[suffix], folder+s.file+suffix
		if err := s.d.zip.Check(g.ctx, e); err != nil {
			return err
		}
		if was := old[suffix]; was != nil && was.CRC == e.CRC && was.Size == e.Size {
			continue
		}
		if suffix == animation && suffix != "" && s.file != s.n.file {
			b, err := s.d.part(g.ctx, s.n, suffix, maxSmall)
			if err != nil {
				return err
			}
			r.Put(name, format.Bytes(renamed(b, s.n.file, s.file)), e.Method)
			continue
		}
		r.Copy(name, s.d.zip, e)
	}
	for suffix, e := range old {
		if s.n.parts[suffix] == nil {
			r.Remove(e.Name)
		}
	}
	if theirs := g.from.zip.Find(g.from.folder + styles); theirs != nil && s.d.get(s.n.Node, "layerstyle") != "" && !r.Has(g.into.folder+styles) {
		r.Copy(g.into.folder+styles, g.from.zip, theirs)
	}
	return nil
}

// fresh returns a name for a file that no other has: its own, or one of its kind with a larger number.
func (g *graft) fresh(name string) string {
	free := func(name string) bool {
		if g.files[name] {
			return false
		}
		for _, e := range g.into.zip.Entries() {
			rest, ok := strings.CutPrefix(e.Name, g.into.folder+"layers/"+name)
			if ok && (rest == "" || rest[0] == '.' || rest[0] == '/') {
				return false
			}
		}
		return true
	}
	if !free(name) {
		stem := strings.TrimRight(name, "0123456789")
		for i := len(g.files); ; i++ {
			if name = stem + strconv.Itoa(i); free(name) {
				break
			}
		}
	}
	g.files[name] = true
	return name
}

// renamed returns keyframes whose frames are in the files of another name.
func renamed(b []byte, from, to string) []byte {
	x, err := xmlspan.Parse(b, nil)
	if err != nil {
		return b
	}
	var out []byte
	at := 0
	x.Root.Walk(func(k *xmlspan.Node) bool {
		for _, a := range k.Attrs {
			if rest, ok := strings.CutPrefix(x.Value(a), from); a.Name == "frame" && ok {
				out = append(append(out, b[at:a.Off]...), xmlspan.Escape(to+rest)...)
				at = a.Off + a.Len
			}
		}
		return true
	})
	return append(out, b[at:]...)
}
