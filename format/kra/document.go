package kra

import (
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

const (
	maxXML   = 64 << 20 // bytes of maindoc.xml
	maxPart  = 1 << 30  // of the data of a layer
	maxSmall = 16 << 20 // of what belongs to it: profile, configuration
	maindoc  = "maindoc.xml"
	merged   = "mergedimage.png"
	preview  = "preview.png"
)

// document is a file that was opened: its directory and maindoc.xml were read.
type document struct {
	zip    *zipfile.Archive
	xml    *xmlspan.Document
	image  *xmlspan.Node
	folder string // "NAME/"
	width  int
	height int
	space  string  // colorspacename
	top    []*node // of the image, the uppermost first
	nodes  []*node // all, each after the one that it is in

	surveys map[*zipfile.Entry]*survey
}

// node is a layer or a mask.
type node struct {
	*layers.Layer
	parent *node
	kids   []*node // masks, then layers
	id     string
	uuid   string
	file   string
	parts  map[string]*zipfile.Entry // its entries, by what follows its file's name: "", ".icc", ".f1"
}

func (n *node) suffixes() []string { return slices.Sorted(maps.Keys(n.parts)) }

// mask reports whether n is a mask, which stands among the masks of what it is in.
func (n *node) mask() bool { return n.Local() == "mask" }

// tree returns the document as a tree of layers, and whose nodes they are.
func (d *document) tree() (layers.Tree, map[*layers.Layer]*node) {
	of := make(map[*layers.Layer]*node, len(d.nodes))
	top := &layers.Layer{Node: d.image, Doc: d.xml}
	for _, n := range d.nodes {
		of[n.Layer] = n
		n.Up = top
		if n.parent != nil {
			n.Up = n.parent.Layer
		}
		n.Up.Kids = append(n.Up.Kids, n.Layer)
		if n.Key = n.uuid; n.Key == "" {
			n.Key = trail(n)
		}
	}
	return layers.Tree{Doc: d.xml, Top: top}, of
}

// trail names a node of a time before uuids.
func trail(n *node) string {
	if n == nil {
		return ""
	}
	return trail(n.parent) + n.String() + "/"
}

func open(ctx context.Context, in format.Input) (*document, error) {
	z, err := zipfile.Open(in)
	if err != nil {
		return nil, err
	}
	e := z.Find(maindoc)
	if e == nil {
		return nil, format.Malformed("no %s", maindoc)
	}
	text, err := z.Read(ctx, e, maxXML)
	if err != nil {
		return nil, err
	}
	d := &document{zip: z, surveys: map[*zipfile.Entry]*survey{}}
	if d.xml, err = xmlspan.Parse(text, nil); err != nil {
		return nil, fmt.Errorf("%s: %w", maindoc, err)
	}
	if d.image = d.xml.Root.First("IMAGE"); d.image == nil {
		return nil, format.Malformed("%s has no IMAGE", maindoc)
	}
	d.folder = d.get(d.image, "name") + "/"
	d.space = d.get(d.image, "colorspacename")
	d.width, _ = strconv.Atoi(d.get(d.image, "width"))
	d.height, _ = strconv.Atoi(d.get(d.image, "height"))
	if d.width <= 0 || d.height <= 0 || d.width > 1<<24 || d.height > 1<<24 {
		return nil, format.Malformed("%s: a picture of %d×%d", maindoc, d.width, d.height)
	}
	d.top = d.read(d.image, nil)
	d.name()
	return d, ctx.Err()
}

func (d *document) get(n *xmlspan.Node, attr string) string { return d.xml.Get(n, attr) }

// read returns the layers and masks in an element.
func (d *document) read(x *xmlspan.Node, parent *node) []*node {
	var out []*node
	for _, list := range x.Kids {
		if l := list.Local(); l != "layers" && l != "masks" {
			continue
		}
		for _, k := range list.Kids {
			if l := k.Local(); l != "layer" && l != "mask" {
				continue
			}
			l := &layers.Layer{Node: k, Doc: d.xml, List: list.Local(), Kind: d.get(k, "nodetype"), Name: d.get(k, "name")}
			if l.Kind == "" { // before there were others
				l.Kind = d.get(k, "layertype")
			}
			n := &node{Layer: l, parent: parent, uuid: d.get(k, "uuid"), file: d.get(k, "filename")}
			d.nodes = append(d.nodes, n)
			n.kids = d.read(k, n)
			out = append(out, n)
		}
	}
	return out
}

// name gives the nodes their ids, and their entries.
func (d *document) name() {
	files, ids := map[string]*node{}, map[string]bool{}
	for i, n := range d.nodes {
		n.parts = map[string]*zipfile.Entry{}
		if n.file != "" && files[n.file] == nil {
			files[n.file] = n
		}
		switch n.id = n.uuid; {
		case n.id != "" && !ids[n.id]:
		case n.file != "" && !ids["file:"+n.file]:
			n.id, n.uuid = "file:"+n.file, ""
		default:
			n.id, n.uuid = fmt.Sprintf("node:%d", i), ""
		}
		ids[n.id] = true
	}
	folder := d.folder + "layers/"
	if !slices.ContainsFunc(d.zip.Entries(), func(e zipfile.Entry) bool { return strings.HasPrefix(e.Name, folder) }) {
		// The image was renamed, and its folder was not.
		for _, e := range d.zip.Entries() {
			if name, _, ok := strings.Cut(e.Name, "/layers/"); ok {
				d.folder, folder = name+"/", name+"/layers/"
				break
			}
		}
	}
	for i := range d.zip.Entries() {
		e := &d.zip.Entries()[i]
		rest, ok := strings.CutPrefix(e.Name, folder)
		if !ok {
			continue
		}
		if n, suffix := owner(files, rest); n != nil && n.parts[suffix] == nil {
			n.parts[suffix] = e
		}
	}
}

// owner finds whose an entry is: the node whose file's name is the longest start of it.
func owner(files map[string]*node, name string) (*node, string) {
	for at := len(name); at > 0; at = strings.LastIndexAny(name[:at], "./") {
		if n := files[name[:at]]; n != nil {
			return n, name[at:]
		}
	}
	return nil, ""
}

// legacy reports whether the document is of a time before uuids, where more was allowed.
func (d *document) legacy() bool { return len(d.nodes) > 0 && d.get(d.nodes[0].Node, "uuid") == "" }

// part reads a part of a node; nil where it has none.
func (d *document) part(ctx context.Context, n *node, suffix string, max int64) ([]byte, error) {
	e := n.parts[suffix]
	if e == nil {
		return nil, nil
	}
	return d.zip.Read(ctx, e, max)
}

// find returns the node of an id, and of which of its frames that is: "" for it itself.
func (d *document) find(id string) (n *node, time string, err error) {
	for _, n := range d.nodes {
		if n.id == id {
			return n, "", nil
		}
		if time, ok := strings.CutPrefix(id, n.id+"@"); ok {
			return n, time, nil
		}
	}
	return nil, "", fmt.Errorf("%w: %q", format.ErrNoElement, id)
}

// frame is a picture of an animated layer.
type frame struct {
	time   string
	suffix string // of its data
	x, y   int
}

const keyframes = ".keyframes.xml"

// keyframed returns the suffix of a node's keyframes; "" where it has none.
func (d *document) keyframed(n *node) string {
	name := d.get(n.Node, "keyframes")
	if suffix, ok := strings.CutPrefix(name, n.file); ok && name != "" && n.parts[suffix] != nil {
		return suffix
	}
	if n.parts[keyframes] != nil {
		return keyframes
	}
	return ""
}

// frames returns the pictures of a node that has keyframes of pixels.
func (d *document) frames(ctx context.Context, n *node) ([]frame, error) {
	suffix := d.keyframed(n)
	if suffix == "" {
		return nil, nil
	}
	text, err := d.part(ctx, n, suffix, maxSmall)
	if err != nil {
		return nil, err
	}
	x, err := xmlspan.Parse(text, nil)
	if err != nil {
		return nil, fmt.Errorf("%s: keyframes: %w", n, err)
	}
	var out []frame
	x.Root.Walk(func(k *xmlspan.Node) bool {
		file := x.Get(k, "frame")
		suffix, ok := strings.CutPrefix(file, n.file)
		if k.Local() != "keyframe" || file == "" || !ok {
			return true
		}
		f := frame{time: x.Get(k, "time"), suffix: suffix}
		if o := k.First("offset"); o != nil {
			f.x, _ = strconv.Atoi(x.Get(o, "x"))
			f.y, _ = strconv.Atoi(x.Get(o, "y"))
		}
		out = append(out, f)
		return true
	})
	return out, nil
}
