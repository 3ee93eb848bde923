package psd

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"

	"varve/format"
)

// Graft puts layers and groups of an older version into a newer one. A layer that the newer one has, by its number, is
// replaced where it stands; another goes beside its old neighbours, and gets a new number if its own is taken. A group
// goes with all that is in it. What a layer needs goes along: files of smart objects, patterns.
//
// The merged image is made anew where the stack allows it (see exact); else the document says that it is not real, and
// the previews are taken out.
func (Format) Graft(ctx context.Context, into, from format.Input, ids []string) (*format.Grafting, error) {
	a, err := parse(ctx, into)
	if err != nil {
		return nil, fmt.Errorf("the newer version: %w", err)
	}
	b, err := parse(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("the older version: %w", err)
	}
	nodes, err := selected(a, b, ids)
	if err != nil {
		return nil, err
	}
	if err := fits(a, b); err != nil {
		return nil, err
	}
	related, err := sameOrigin(a, b)
	if err != nil {
		return nil, err
	}
	g, err := newStacking(a, b, related)
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if err := g.put(n); err != nil {
			return nil, err
		}
	}
	if !g.changed {
		o := new(format.Output)
		o.Span(into, 0, into.Size())
		return &format.Grafting{Content: o, Notes: g.notes}, nil
	}
	if !related {
		g.notes = append(g.notes, "the two files do not come from one document: layers were added, none replaced")
	}
	return g.write(ctx)
}

// selected returns the nodes of ids: groups before layers, then from the bottom to the top; none that is in another.
func selected(into, d *document, ids []string) ([]*node, error) {
	byID := map[string]*node{}
	walk(d.layers.tree, func(n *node) { byID[n.id] = n })
	chosen := map[*node]bool{}
	for _, id := range ids {
		n := byID[id]
		if n == nil {
			owner, part, _ := strings.Cut(id, "/")
			if byID[owner] != nil && slices.Contains(ids, owner) {
				continue // it goes along
			}
			if byID[owner] != nil && (part == "mask" || part == "vector") {
				return nil, &format.Refusal{Reason: "a mask is a part of its layer", Advice: "take the layer " + owner}
			}
			if strings.HasPrefix(id, "comp:") && d.resource(1065) != nil {
				same, err := sameComps(into, d)
				if err != nil {
					return nil, err
				}
				if same {
					continue
				}
				return nil, &format.Refusal{Reason: "a layer comp speaks of the layers of its own version", Advice: "take the layers"}
			}
			return nil, fmt.Errorf("%q: %w", id, format.ErrNoElement)
		}
		chosen[n] = true
	}
	var out []*node
	for n := range chosen {
		inside := false
		for p := n.parent; p != nil; p = p.parent {
			inside = inside || chosen[p]
		}
		if !inside {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(x, y *node) int {
		if x.group == y.group {
			return x.last - y.last
		}
		if x.group {
			return -1
		}
		return 1
	})
	return out, nil
}

// sameComps reports whether two documents have the same layer comps.
func sameComps(a, b *document) (bool, error) {
	r, q := a.resource(1065), b.resource(1065)
	if r == nil || q == nil {
		return false, nil
	}
	return sameBytes(a, r.data, b, q.data)
}

// fits refuses what cannot be in one document.
func fits(into, from *document) error {
	if into.depth != from.depth {
		return &format.Refusal{Reason: fmt.Sprintf("the document has %d bits a channel, the layer %d", into.depth, from.depth),
			Advice: "convert one of them in Photoshop, or extract the layer"}
	}
	if into.mode != from.mode {
		return &format.Refusal{Reason: fmt.Sprintf("the document is %s, the layer %s", modeName(into.mode), modeName(from.mode)),
			Advice: "convert one of them in Photoshop, or extract the layer"}
	}
	if len(into.layers.list) == 0 {
		return &format.Refusal{Reason: "the newer version has no layers: it was flattened", Advice: "extract the layer, and place it in Photoshop"}
	}
	for _, d := range []*document{into, from} {
		if d.layers.unpaired {
			return &format.Refusal{Reason: "groups of the document do not open and close as they must", Advice: "open it in Photoshop and save it"}
		}
	}
	return nil
}

func modeName(mode int) string {
	names := []string{"bitmap", "grayscale", "indexed", "RGB", "CMYK", "", "", "multichannel", "duotone", "Lab"}
	return names[mode]
}

// sameOrigin reports whether two files may be versions of one document: where both say from which they come, that must
// be the same.
func sameOrigin(a, b *document) (bool, error) {
	var ids [2]string
	for i, d := range []*document{a, b} {
		r := d.resource(1060) // XMP
		if r == nil || r.data.n > 4<<20 {
			return true, nil
		}
		x, err := d.load(r.data, 4<<20)
		if err != nil {
			return false, err
		}
		ids[i] = originalID(x)
	}
	return ids[0] == ids[1] || ids[0] == "" || ids[1] == "", nil
}

// originalID returns xmpMM:OriginalDocumentID, written as an attribute or as an element.
func originalID(xmp []byte) string {
	_, rest, ok := bytes.Cut(xmp, []byte("xmpMM:OriginalDocumentID"))
	if !ok {
		return ""
	}
	rest = bytes.TrimLeft(rest, "=\"'> ")
	end := bytes.IndexAny(rest, "\"'<")
	if end < 0 || end > 200 {
		return ""
	}
	return string(rest[:end])
}

// write makes the document of the new stack.
func (g *stacking) write(ctx context.Context) (*format.Grafting, error) {
	w := same(g.into)
	w.order = flat(g.root.children, nil)
	number(w.order, g.into, g.from)
	needs := &dependencies{stacking: g, draft: w, files: map[string]bool{}}
	if err := needs.merge(); err != nil {
		return nil, err
	}
	if err := g.indexed(w); err != nil {
		return nil, err
	}
	if err := g.compare(); err != nil {
		return nil, err
	}
	o, stale, err := g.pictures(ctx, w)
	if err != nil {
		return nil, err
	}
	changed, err := changedIn(ctx, o, w.order, g.into)
	if err != nil {
		return nil, err
	}
	return &format.Grafting{Content: o, Changed: changed, Stale: stale, Notes: g.notes}, nil
}

// changedIn reads the new document, and returns the elements that are of the older version.
func changedIn(ctx context.Context, o *format.Output, order []placed, into *document) ([]string, error) {
	d, err := parse(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("read what was grafted: %w", err)
	}
	if len(d.layers.list) != len(order) || d.layers.unpaired {
		return nil, fmt.Errorf("read what was grafted: %d layers, want %d", len(d.layers.list), len(order))
	}
	var out []string
	walk(d.layers.tree, func(n *node) {
		if order[n.last].doc != into {
			out = append(out, n.id)
		}
	})
	return out, nil
}

// compare notes what differs between the documents and does not prevent a graft.
func (g *stacking) compare() error {
	if g.into.width != g.from.width || g.into.height != g.from.height {
		g.notes = append(g.notes, fmt.Sprintf("the canvas was %d×%d then and is %d×%d now: layers keep their distance from its top left",
			g.from.width, g.from.height, g.into.width, g.into.height))
	}
	var profiles [2][]byte
	for i, d := range []*document{g.into, g.from} {
		p, err := d.profile()
		if err != nil {
			return err
		}
		profiles[i] = p
	}
	if !bytes.Equal(profiles[0], profiles[1]) {
		g.notes = append(g.notes, "the colour profile was another then: colours may look different")
	}
	return nil
}

const maxProfile = 32 << 20

// profile returns the ICC profile; nil if there is none.
func (d *document) profile() ([]byte, error) {
	r := d.resource(1039)
	if r == nil || r.data.n == 0 {
		return nil, nil
	}
	return d.load(r.data, maxProfile)
}

// indexed corrects the resources that speak of layers by their place in the stack.
func (g *stacking) indexed(w *draft) error {
	n := len(g.into.layers.list)
	now := make([]int, n) // where a record is now
	for i := range now {
		now[i] = -1
	}
	for i, p := range w.order {
		if p.was >= 0 {
			now[p.was] = i
		}
	}
	for i, r := range g.into.resources {
		var size int64
		fill := uint16(0)
		switch r.id {
		case 1024: // the layer that is active
			b, err := g.into.load(r.data, 1<<16)
			if err != nil {
				return err
			}
			if len(b) == 2 {
				if k := int(binary.BigEndian.Uint16(b)); k < n && now[k] >= 0 && now[k] != k {
					w.replaceResource(i, binary.BigEndian.AppendUint16(nil, uint16(now[k])))
				}
			}
			continue
		case 1026: // which layers move together
			size = 2
		case 1072: // which groups are on
			size, fill = 1, 1
		default:
			continue
		}
		if len(w.order) == n && slices.Index(now, -1) < 0 && slices.IsSorted(now) || r.data.n != size*int64(n) {
			continue
		}
		b, err := g.into.load(r.data, size*int64(n))
		if err != nil {
			return err
		}
		var out []byte
		for _, p := range w.order {
			switch {
			case p.was >= 0:
				out = append(out, b[int64(p.was)*size:int64(p.was+1)*size]...)
			case size == 2:
				out = binary.BigEndian.AppendUint16(out, fill)
			default:
				out = append(out, byte(fill))
			}
		}
		w.replaceResource(i, out)
	}
	return nil
}

func (w *draft) replaceResource(i int, b []byte) {
	o := new(format.Output)
	_, _ = o.Write(b)
	w.resource[i] = o
}

// utf16be writes text as descriptors do.
func utf16be(text string) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(text)) {
		out = binary.BigEndian.AppendUint16(out, u)
	}
	return out
}
