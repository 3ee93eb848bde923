package kra

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/layers"
	"varve/format/xmlspan"
	"varve/format/zipfile"
)

// graft is a document into which things of another are put.
type graft struct {
	*layers.Graft
	ctx        context.Context
	into, from *document
	nodes      map[*layers.Layer]*node // of both
	hashes     map[*node]string
	files      map[string]bool // names that are taken
	file       map[*layers.Spot]string
}

// Graft puts layers and masks, with what is in them, into another version. What that has by uuid is replaced where it
// is; in a group, layers that came in later stay. Others are put beside the neighbours that they had. Previews are made
// anew where the layers can be put together with certainty, and else taken out: Krita makes them when it saves.
func (Format) Graft(ctx context.Context, into, from format.Input, ids []string) (*format.Grafting, error) {
	g := &graft{ctx: ctx, hashes: map[*node]string{}, files: map[string]bool{}, file: map[*layers.Spot]string{}}
	var err error
	if g.into, err = open(ctx, into); err != nil {
		return nil, err
	}
	if g.from, err = open(ctx, from); err != nil {
		return nil, fmt.Errorf("the other version: %w", err)
	}
	tree, nodes := g.into.tree()
	other, theirs := g.from.tree()
	maps.Copy(nodes, theirs)
	g.nodes = nodes
	g.Graft = layers.New(tree, other, g.same, g.tag)
	for _, n := range g.into.nodes {
		g.files[n.file] = true
	}
	var chosen []*layers.Layer
	for _, id := range ids {
		n, time, err := g.from.find(id)
		if err != nil {
			return nil, err
		}
		if time != "" {
			return nil, &format.Refusal{Reason: fmt.Sprintf("a frame of %s is not put back by itself", n), Advice: "put the layer back, with all of its frames"}
		}
	}
	for _, n := range g.from.nodes {
		if slices.Contains(ids, n.id) {
			chosen = append(chosen, n.Layer)
		}
	}
	if err := g.Put(chosen); err != nil {
		return nil, err
	}
	if err := g.check(); err != nil {
		return nil, err
	}
	return g.write()
}

// same reports whether a layer is the same in both versions, without what is in it.
func (g *graft) same(into, from *layers.Layer) (bool, error) {
	if into.Name != from.Name {
		return false, nil
	}
	a, err := g.hash(g.into, g.nodes[into])
	if err != nil {
		return false, err
	}
	b, err := g.hash(g.from, g.nodes[from])
	return a == b, err
}

func (g *graft) hash(d *document, n *node) (string, error) {
	if h, ok := g.hashes[n]; ok {
		return h, nil
	}
	e, err := d.element(g.ctx, n)
	if err != nil {
		return "", err
	}
	g.hashes[n] = e.Hash()
	return g.hashes[n], nil
}

// check refuses what would not be right in the document to be.
func (g *graft) check() error {
	there := map[string]bool{}
	g.Walk(func(s *layers.Spot) { there[strings.ToLower(g.nodes[s.Layer].uuid)] = true })
	var err error
	g.Walk(func(s *layers.Spot) {
		if !s.Changed || err != nil {
			return
		}
		if of := g.from.get(s.Node, "clonefromuuid"); s.Kind == "clonelayer" && !there[strings.ToLower(of)] {
			err = &format.Refusal{Reason: fmt.Sprintf("%s shows the layer %q, which is not there any more", s, g.from.get(s.Node, "clonefrom")), Advice: "put that back together with it"}
			return
		}
		if s.Kind == "filelayer" {
			g.Notes = append(g.Notes, fmt.Sprintf("%q needs the file %s", s.Name, g.from.get(s.Node, "source")))
		}
		if id := g.from.get(s.Node, "layerstyle"); id != "" {
			err = g.style(s, id)
		}
	})
	if g.Touched() && (g.into.width != g.from.width || g.into.height != g.from.height) {
		g.Notes = append(g.Notes, fmt.Sprintf("the canvas was %d×%d and is %d×%d; layers keep their distance from its top left", g.from.width, g.from.height, g.into.width, g.into.height))
	}
	return err
}

// style refuses a layer whose style this version does not have, if it has others: they are all in one file.
func (g *graft) style(s *layers.Spot, id string) error {
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
		return &format.Refusal{Reason: fmt.Sprintf("%s has a layer style, and the styles of this version do not have it", s), Advice: "open both in Krita and copy the style"}
	}
	g.Notes = append(g.Notes, fmt.Sprintf("the style of %q is as it is in this version", s.Name))
	return nil
}

// write makes the document to be.
func (g *graft) write() (*format.Grafting, error) {
	out := &format.Grafting{}
	r := g.into.zip.Rewrite()
	var err error
	g.Walk(func(s *layers.Spot) {
		if s.Changed && err == nil {
			err = g.bring(r, s)
			out.Changed = append(out.Changed, g.id(s))
		}
	})
	if err != nil {
		return nil, err
	}
	if g.Touched() {
		text, err := g.Text()
		if err != nil {
			return nil, err
		}
		r.Put(maindoc, format.Bytes(text), zipfile.Deflate)
		if err := g.previews(r, out); err != nil {
			return nil, err
		}
		out.Notes = append(out.Notes, g.Notes...)
	}
	out.Content, err = r.Output(g.ctx)
	return out, err
}

// id is that of a spot in the document to be.
func (g *graft) id(s *layers.Spot) string {
	n := g.nodes[s.Layer]
	if n.uuid == "" && g.file[s] != "" {
		return "file:" + g.file[s]
	}
	return n.id
}

// bring copies the parts of a spot into the archive, under the name that its file has here, and takes those of what it
// replaces out.
func (g *graft) bring(r *zipfile.Rewrite, s *layers.Spot) error {
	n, old := g.nodes[s.Layer], map[string]*zipfile.Entry{}
	file := ""
	switch was := g.nodes[s.Was]; {
	case was != nil && was.file != "":
		file, old = was.file, was.parts
	case n.file != "":
		file = g.fresh(n.file)
	}
	g.file[s] = file
	folder := g.into.folder + "layers/"
	animation := g.from.keyframed(n)
	for _, suffix := range n.suffixes() {
		e, name := n.parts[suffix], folder+file+suffix
		if err := g.from.zip.Check(g.ctx, e); err != nil {
			return err
		}
		if was := old[suffix]; was != nil && was.CRC == e.CRC && was.Size == e.Size {
			continue
		}
		if suffix == animation && suffix != "" && file != n.file {
			b, err := g.from.part(g.ctx, n, suffix, maxSmall)
			if err != nil {
				return err
			}
			r.Put(name, format.Bytes(renamed(b, n.file, file)), e.Method)
			continue
		}
		r.Copy(name, g.from.zip, e)
	}
	for suffix, e := range old {
		if n.parts[suffix] == nil {
			r.Remove(e.Name)
		}
	}
	if theirs := g.from.zip.Find(g.from.folder + styles); theirs != nil && g.from.get(s.Node, "layerstyle") != "" && !r.Has(g.into.folder+styles) {
		r.Copy(g.into.folder+styles, g.from.zip, theirs)
	}
	return nil
}

// tag returns the start tag of a spot, with the names that its files have here.
func (g *graft) tag(s *layers.Spot) []byte {
	n, file, t := g.nodes[s.Layer], g.file[s], s.Doc.Text
	if file == n.file || file == "" {
		return t[s.Start:s.Node.In]
	}
	var out []byte
	at := s.Start
	for _, a := range s.Attrs {
		rest, ok := strings.CutPrefix(s.Doc.Value(a), n.file)
		if a.Name == "filename" || a.Name == "keyframes" && ok {
			out = append(append(out, t[at:a.Off]...), xmlspan.Escape(file+rest)...)
			at = a.Off + a.Len
		}
	}
	return append(out, t[at:s.Node.In]...)
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
