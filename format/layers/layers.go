// Package layers puts layers of one document into another version of it, where both are trees of elements in XML, as
// Krita's and OpenRaster's are.
//
// It promises: what is in both is replaced where it is; what only the newer version has stays; what only the older one has
// comes back beside the neighbours that it had. The text of what is not touched is as it was, byte for byte, and so is all
// of it where nothing is changed.
package layers

import (
	"fmt"
	"slices"

	"varve/format"
	"varve/format/xmlspan"
)

// Layer is a layer, a group of them, or a mask.
type Layer struct {
	*xmlspan.Node
	Doc  *xmlspan.Document
	Up   *Layer // what it is in; nil at the top
	Kids []*Layer
	List string // name of the element in Up's that it is among; "": it is in Up's own
	Key  string // names it in every version; "" where nothing does
	Name string // as it is shown
	Kind string
}

func (l *Layer) String() string { return fmt.Sprintf("%s %q", l.Kind, l.Name) }

// Tree is a document.
type Tree struct {
	Doc *xmlspan.Document
	Top *Layer // what the uppermost are in; no layer itself
}

// Walk calls visit with every layer, each before those in it.
func (l *Layer) Walk(visit func(*Layer)) {
	for _, k := range l.Kids {
		visit(k)
		k.Walk(visit)
	}
}

// Spot is a layer of the document to be.
type Spot struct {
	*Layer          // what it is, of either version
	Was     *Layer  // of the version into which things are put: what it takes the place of, or itself; nil: it is new there
	Changed bool    // it is of the other version, and not the same
	Into    *Spot   // what it is in
	Spots   []*Spot // what is in it
	moved   bool    // they are not those that were
}

// Graft is a document into which layers of another version are put.
type Graft struct {
	// Same reports whether a layer is the same in both, without what is in it.
	Same func(into, from *Layer) (bool, error)
	// Tag returns the start tag of a spot that is changed.
	Tag func(*Spot) []byte

	Top   *Spot
	Notes []string // what a user should know

	tree  Tree
	spots map[*Layer]*Spot
	here  map[string][]*Layer // by key and list
	there map[string][]*Layer // of the other version
}

// New returns a graft in which nothing is changed yet.
func New(into, from Tree, same func(into, from *Layer) (bool, error), tag func(*Spot) []byte) *Graft {
	g := &Graft{Same: same, Tag: tag, tree: into, spots: map[*Layer]*Spot{}, here: keyed(into), there: keyed(from)}
	g.Top = &Spot{Layer: into.Top, Was: into.Top}
	g.plant(g.Top)
	return g
}

func (l *Layer) key() string { return l.List + " " + l.Key }

// keyed returns the layers by their keys.
func keyed(t Tree) map[string][]*Layer {
	out := map[string][]*Layer{}
	t.Top.Walk(func(l *Layer) {
		if l.Key != "" {
			out[l.key()] = append(out[l.key()], l)
		}
	})
	return out
}

// plant makes spots of what is there.
func (g *Graft) plant(s *Spot) {
	g.spots[s.Layer] = s
	for _, l := range s.Kids {
		k := &Spot{Layer: l, Was: l, Into: s}
		s.Spots = append(s.Spots, k)
		g.plant(k)
	}
}

// Find returns where a layer of the other version is in this one; nil where it is not. Of several of one key each is the
// one that has its place among them.
func (g *Graft) Find(l *Layer) *Spot {
	here, there := g.here[l.key()], g.there[l.key()]
	if i := slices.Index(there, l); i >= 0 && len(here) == len(there) {
		return g.spots[here[i]]
	}
	return nil
}

// unsure refuses a layer of which, and of what is in it, it cannot be told which it is in this version.
func (g *Graft) unsure(l *Layer) error {
	if here, there := g.here[l.key()], g.there[l.key()]; l.Key != "" && len(here) > 0 && len(here) != len(there) {
		return &format.Refusal{Reason: fmt.Sprintf("%d were %s, and %d are: which is which cannot be told", len(there), l, len(here)), Advice: "give them names of their own"}
	}
	for _, k := range l.Kids {
		if err := g.unsure(k); err != nil {
			return err
		}
	}
	return nil
}

// Put puts layers of the other version, in its order and with what is in them, into this one.
func (g *Graft) Put(list []*Layer) error {
	chosen := map[*Layer]bool{}
	for _, l := range list {
		chosen[l] = true
	}
	for _, l := range list {
		within := false
		for up := l.Up; up != nil; up = up.Up {
			within = within || chosen[up]
		}
		if within {
			continue
		}
		if err := g.unsure(l); err != nil {
			return err
		}
		s := g.Find(l)
		if s == nil {
			var err error
			if s, err = g.insert(l); err != nil {
				return err
			}
		}
		if err := g.fill(s, l); err != nil {
			return err
		}
	}
	return nil
}

// fill makes a spot a layer of the other version, and puts in it what is in that.
func (g *Graft) fill(s *Spot, l *Layer) error {
	if s.Was != nil {
		same, err := g.Same(s.Was, l)
		if err != nil {
			return err
		}
		s.Changed = !same
	}
	if s.Changed {
		s.Layer = l
	}
	var kids []*Spot
	for _, k := range l.Kids {
		kid := g.Find(k)
		if kid == nil {
			kid = &Spot{Layer: k, Changed: true}
		} else if err := g.detach(kid, s); err != nil {
			return err
		}
		kid.Into = s
		kids = append(kids, kid)
		if err := g.fill(kid, k); err != nil {
			return err
		}
	}
	g.keep(s, kids)
	return nil
}

// detach takes a spot from where it is, if that is not in. What is to come into a layer cannot hold that layer.
func (g *Graft) detach(s, in *Spot) error {
	for p := in; p != nil; p = p.Into {
		if p == s {
			return &format.Refusal{Reason: fmt.Sprintf("%s is in %s now, and was not", in, s), Advice: "put back the one without the other"}
		}
	}
	if s.Into == in {
		return nil
	}
	s.Into.Spots = slices.DeleteFunc(s.Into.Spots, func(k *Spot) bool { return k == s })
	s.Into.moved = true
	g.Notes = append(g.Notes, fmt.Sprintf("%q is in %q again", s.Name, in.Name))
	return nil
}

// keep gives a spot what is to be in it: what is of the other version in its order, and what is only in this one behind
// what it is behind now.
func (g *Graft) keep(s *Spot, kids []*Spot) {
	old := s.Spots
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
		g.Notes = append(g.Notes, fmt.Sprintf("%q, which came into %q later, stays", k.Name, s.Name))
	}
	s.Spots = kids
	s.moved = s.moved || !slices.Equal(old, kids)
}

// insert makes a spot for a layer that this version does not have, beside the neighbours that it had.
func (g *Graft) insert(l *Layer) (*Spot, error) {
	in := g.Top
	for up := l.Up; up != nil && up.Up != nil; up = up.Up {
		if s := g.Find(up); s != nil {
			in = s
			break
		}
		if l.List == "masks" {
			return nil, &format.Refusal{Reason: fmt.Sprintf("%s was on %s, which is not there any more", l, up), Advice: "put that back, and its masks come with it"}
		}
		g.Notes = append(g.Notes, fmt.Sprintf("%q was in %q, which is not there any more", l.Name, up.Name))
	}
	s := &Spot{Layer: l, Changed: true, Into: in}
	in.Spots = slices.Insert(in.Spots, g.beside(in, l), s)
	in.moved = true
	return s, nil
}

// beside returns the place of a layer in a spot: behind the nearest of those that it was behind, else before the
// nearest of those that it was before, else the first.
func (g *Graft) beside(in *Spot, l *Layer) int {
	list := l.Up.Kids
	here := slices.Index(list, l)
	at := func(m *Layer) int {
		return slices.IndexFunc(in.Spots, func(s *Spot) bool { return m.List == l.List && (s.Layer == m || s == g.Find(m)) })
	}
	for i := here - 1; i >= 0; i-- {
		if p := at(list[i]); p >= 0 {
			return p + 1
		}
	}
	for _, m := range list[here+1:] {
		if p := at(m); p >= 0 {
			return p
		}
	}
	return max(0, slices.IndexFunc(in.Spots, func(s *Spot) bool { return s.List == l.List }))
}

// Walk calls visit with every spot, each before those in it.
func (g *Graft) Walk(visit func(*Spot)) { g.Top.walk(visit) }

func (s *Spot) walk(visit func(*Spot)) {
	for _, k := range s.Spots {
		visit(k)
		k.walk(visit)
	}
}

// Touched reports whether anything is not as it was.
func (g *Graft) Touched() bool { return g.Top.touched() }

// touched reports whether anything in a spot is not as it was.
func (s *Spot) touched() bool {
	return s.moved || slices.ContainsFunc(s.Spots, func(k *Spot) bool { return k.Changed || k.touched() })
}
