package adobe

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"

	"varve/format"
	"varve/format/xmlspan"
)

// Elements lists bins, clips, sequences and media.
func (Premiere) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	p, err := openPremiere(ctx, in)
	if err != nil {
		return nil, err
	}
	l := &lister{premiere: p, ctx: ctx, done: map[string]bool{}}
	for _, n := range p.doc.Root.Kids {
		if n.Name == "RootProjectItem" && p.id(n) != "" {
			if err := l.bin(n, "", 0); err != nil {
				return nil, err
			}
		}
	}
	for _, n := range p.doc.Root.Kids {
		if id := p.id(n); n.Name == "Sequence" && id != "" && !l.done[id] { // in no bin
			if err := l.add(n, "", "sequence", p.text2(n, "Name")); err != nil {
				return nil, err
			}
		}
	}
	for _, m := range p.media() {
		id := p.id(m.node)
		if l.done[id] {
			continue
		}
		l.done[id] = true
		l.list = append(l.list, format.Element{ID: id, Stable: p.doc.Get(m.node, "ObjectUID"), Kind: "media", Name: p.text2(m.node, "Title"), Bytes: int64(m.node.End - m.node.Start), Properties: map[string]string{"file": m.reference.Path}})
	}
	return l.list, nil
}

func (p *premiere) text2(n *xmlspan.Node, name string) string {
	if k := n.First(name); k != nil {
		return p.text(k)
	}
	return ""
}

// meant returns the object that a reference of n's kid means.
func (p *premiere) meant(n *xmlspan.Node) *xmlspan.Node {
	for _, a := range n.Attrs {
		if a.Name == "ObjectRef" || a.Name == "ObjectURef" {
			return p.byID[p.doc.Value(a)]
		}
	}
	return nil
}

type lister struct {
	*premiere
	ctx  context.Context
	list []format.Element
	done map[string]bool
}

// maxBins bounds how many bins may be in one another.
const maxBins = 256

// bin lists what is in a bin.
func (l *lister) bin(n *xmlspan.Node, parent string, depth int) error {
	if depth > maxBins {
		return format.Malformed("more than %d bins within one another", maxBins)
	}
	items := n.First("ProjectItemContainer").First("Items")
	if items == nil {
		return nil
	}
	for _, ref := range items.Kids {
		k := l.meant(ref)
		if k == nil || l.done[l.id(k)] {
			continue
		}
		name := ""
		if item := k.First("ProjectItem"); item != nil {
			name = l.text2(item, "Name")
		}
		kind := "clip"
		if strings.HasPrefix(k.Name, "Bin") {
			kind = "bin"
		}
		if s := l.sequenceOf(k); s != nil && !l.done[l.id(s)] {
			if err := l.add(s, parent, "sequence", name); err != nil {
				return err
			}
			l.done[l.id(k)] = true
			continue
		}
		if err := l.add(k, parent, kind, name); err != nil {
			return err
		}
		if kind == "bin" {
			if err := l.bin(k, l.id(k), depth+1); err != nil {
				return err
			}
		}
	}
	return nil
}

// sequenceOf returns the sequence that an item of a bin stands for; nil where it is none.
func (p *premiere) sequenceOf(item *xmlspan.Node) *xmlspan.Node {
	ref := item.First("MasterClip")
	if ref == nil {
		return nil
	}
	master := p.meant(ref)
	if master == nil {
		return nil
	}
	for _, c := range master.First("Clips").All("Clip") {
		clip := p.meant(c)
		if clip == nil {
			continue
		}
		source := clip.First("Clip").First("Source")
		if source == nil {
			continue
		}
		if s := p.meant(source); s != nil {
			if q := s.First("SequenceSource").First("Sequence"); q != nil {
				return p.meant(q)
			}
		}
	}
	return nil
}

func (l *lister) add(n *xmlspan.Node, parent, kind, name string) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	if len(l.list) > format.MaxElements {
		return fmt.Errorf("more than %d items: %w", format.MaxElements, format.ErrLimit)
	}
	id := l.id(n)
	l.done[id] = true
	e := format.Element{ID: id, Stable: l.doc.Get(n, "ObjectUID"), Parent: parent, Kind: kind, Name: name, Bytes: int64(n.End - n.Start)}
	if kind == "sequence" {
		c := &content{premiere: l.premiere, ctx: l.ctx, h: sha256.New(), seen: map[*xmlspan.Node]int{}}
		if err := c.object(n, 0); err != nil {
			return err
		}
		e.Aspects = map[string]string{"timeline": hex.EncodeToString(c.h.Sum(nil)[:16])}
	}
	l.list = append(l.list, e)
	return nil
}

// content hashes an object with all that it means, but media, clips and other sequences: these by their ids. Numbers of
// objects are new at every save, and are not taken.
type content struct {
	*premiere
	ctx  context.Context
	h    hash.Hash
	seen map[*xmlspan.Node]int
}

// maxMeant bounds how far an object leads to others.
const maxMeant = 10_000

func (c *content) object(n *xmlspan.Node, depth int) error {
	if k, ok := c.seen[n]; ok {
		fmt.Fprintf(c.h, "^%d", k)
		return nil
	}
	if depth > maxMeant {
		return format.Unsupported("objects that mean one another, %d deep", depth)
	}
	if len(c.seen)&0xff == 0 && c.ctx.Err() != nil {
		return c.ctx.Err()
	}
	c.seen[n] = len(c.seen)
	return c.node(n, depth)
}

func (c *content) node(n *xmlspan.Node, depth int) error {
	fmt.Fprintf(c.h, "<%s", n.Name)
	for _, a := range n.Attrs {
		switch a.Name {
		case "ObjectRef", "ObjectURef":
			id := c.doc.Value(a)
			to := c.byID[id]
			if to == nil {
				continue
			}
			switch to.Name {
			case "Media", "MasterClip", "Sequence":
				fmt.Fprintf(c.h, " %s", id)
			default:
				if err := c.object(to, depth+1); err != nil {
					return err
				}
			}
		case "ObjectID", "ObjectUID", "Version":
		default:
			fmt.Fprintf(c.h, " %s=%q", a.Name, c.doc.Value(a))
		}
	}
	if len(n.Kids) == 0 {
		fmt.Fprintf(c.h, ">%q", c.text(n))
	}
	for _, k := range n.Kids {
		switch {
		case k.Name == "Node" && k.First("Properties") != nil: // how it is shown
		case strings.HasSuffix(k.Name, "State"), strings.HasSuffix(k.Name, "Hash"):
		default:
			if err := c.node(k, depth+1); err != nil {
				return err
			}
		}
	}
	_, _ = c.h.Write([]byte(">"))
	return nil
}
