package usd

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"varve/format"
	"varve/format/splice"
	"varve/format/zipfile"
)

// Graft puts prims into another version of a layer: in the place of the one with the same path, or else after the same
// neighbour in the same prim. Of a package also its files.
func (Format) Graft(ctx context.Context, into, from format.Input, ids []string) (*format.Grafting, error) {
	a, err := open(ctx, into)
	if err != nil {
		return nil, err
	}
	b, err := open(ctx, from)
	if err != nil {
		return nil, err
	}
	list, err := b.elements(ctx)
	if err != nil {
		return nil, err
	}
	byID := make(map[string]*element, len(list))
	for i := range list {
		byID[list[i].ID] = &list[i]
	}
	g := &graft{a: a, b: b, taken: map[*prim]bool{}}
	for _, id := range ids {
		e := byID[id]
		switch {
		case e == nil:
			return nil, fmt.Errorf("%q: %w", id, format.ErrNoElement)
		case e.entry != "":
			g.entries = append(g.entries, e.entry)
		case e.prim != nil:
			g.taken[e.prim] = true
		default: // a binary layer is one thing
			if same, err := equal(into, from); err != nil || same {
				return &format.Grafting{Content: splice.Cut(into, 0, into.Size())}, err
			}
			return nil, &format.Refusal{Reason: "a binary layer is changed only as a whole", Advice: "restore the whole file"}
		}
	}
	return g.make(ctx)
}

func equal(a, b format.Input) (bool, error) {
	if a.Size() != b.Size() {
		return false, nil
	}
	x, err := format.ReadSpan(a, 0, a.Size(), maxText)
	if err != nil {
		return false, err
	}
	y, err := format.ReadSpan(b, 0, b.Size(), maxText)
	return string(x) == string(y), err
}

type graft struct {
	a, b    *file
	taken   map[*prim]bool
	entries []string
	edits   []splice.Edit
	notes   []string
}

func (g *graft) make(ctx context.Context) (*format.Grafting, error) {
	if len(g.taken) > 0 && g.a.layer == nil {
		return nil, &format.Refusal{Reason: "the newer layer is binary", Advice: "restore the whole file"}
	}
	if len(g.entries) > 0 && (g.a.archive == nil || g.b.archive == nil) {
		return nil, &format.Refusal{Reason: "only one of the two is a package", Advice: "restore the whole file"}
	}
	if g.b.layer != nil {
		if err := g.walk(g.b.layer.root); err != nil {
			return nil, err
		}
	}
	var text *format.Output
	if len(g.edits) > 0 {
		var err error
		if text, err = splice.Apply(g.a.text, 0, g.a.text.Size(), g.edits); err != nil {
			return nil, &format.Refusal{Reason: "in the newer file one of these prims is within another", Advice: "put them back one at a time"}
		}
	} else if g.a.archive == nil {
		text = splice.Cut(g.a.in, 0, g.a.in.Size())
	}
	out, err := g.a.rewritten(ctx, text, func(r *zipfile.Rewrite) {
		for _, name := range g.entries {
			e, here := g.b.archive.Find(name), g.a.archive.Find(name)
			if here == nil || here.CRC != e.CRC || here.Size != e.Size {
				r.Copy(name, g.b.archive, e)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	changed, err := g.changed(ctx, out)
	if err != nil {
		return nil, err
	}
	return &format.Grafting{Content: out, Changed: changed, Notes: g.notes}, nil
}

// walk finds the taken prims, those within others left out.
func (g *graft) walk(k *prim) error {
	for _, c := range k.kids {
		if g.taken[c] {
			if err := g.put(c); err != nil {
				return err
			}
		} else if err := g.walk(c); err != nil {
			return err
		}
	}
	return nil
}

// find returns the prim of a with the path of one of b.
func (g *graft) find(k *prim) *prim {
	if k.parent == nil {
		return g.a.layer.root
	}
	if k.twice {
		return nil
	}
	return g.a.layer.byID[k.id]
}

func (g *graft) put(k *prim) error {
	text := g.b.layer.b[k.from:k.to]
	if k.twice {
		return &format.Refusal{Reason: fmt.Sprintf("the path %s is that of several prims", k.id), Advice: "restore the whole file"}
	}
	if to := g.find(k); to != nil {
		if string(text) != string(g.a.layer.b[to.from:to.to]) {
			g.edits = append(g.edits, splice.Edit{Off: int64(to.from), Len: int64(to.to - to.from), New: splice.Cut(g.b.text, int64(k.from), int64(k.to-k.from))})
			g.dangling(k)
		}
		return nil
	}
	parent := g.find(k.parent)
	if parent == nil {
		return &format.Refusal{Reason: fmt.Sprintf("%s, in which it was, is not in the newer file", k.parent.id), Advice: "take that too"}
	}
	g.dangling(k)
	b := g.b.layer.b
	from := k.from
	for from > 0 && strings.IndexByte(" \t\r\n", b[from-1]) >= 0 {
		from--
	}
	with := splice.Cut(g.b.text, int64(from), int64(k.to-from))
	for _, c := range slices.Backward(k.parent.kids[:slices.Index(k.parent.kids, k)]) {
		if at := g.find(c); at != nil && at.parent == parent {
			g.edits = append(g.edits, splice.Edit{Off: int64(at.to), New: with})
			return nil
		}
	}
	at := parent.body.from // before the first prim, behind properties
	for _, p := range parent.properties {
		at = max(at, p.to)
	}
	if len(parent.kids) > 0 && parent.kids[0].from < at {
		at = parent.body.from
	}
	if parent.parent == nil && len(parent.kids) == 0 {
		at = parent.body.to
	}
	if parent.parent == nil && len(parent.kids) > 0 {
		at = parent.kids[0].from
		with.Append(splice.Text("\n\n"))
	}
	if next := g.a.layer.b[at:]; len(next) > 0 && next[0] != '\n' && next[0] != '\r' {
		with.Append(splice.Text("\n"))
	}
	g.edits = append(g.edits, splice.Edit{Off: int64(at), New: with})
	return nil
}

// dangling notes the paths in a prim to what the newer layer does not have.
func (g *graft) dangling(k *prim) {
	seen := map[string]bool{}
	lex := lexer{b: g.b.layer.b[:k.to], at: k.from}
	for {
		t, err := lex.next()
		if err != nil || t.kind == endToken {
			return
		}
		if t.kind != pathToken {
			continue
		}
		to, _, _ := strings.Cut(string(g.b.layer.b[t.in:t.inEnd]), ".")
		if at := g.b.layer.byID[to]; at == nil || g.a.layer.byID[to] != nil || seen[to] {
			continue
		} else if in := g.inTaken(at); !in {
			g.notes = append(g.notes, fmt.Sprintf("it refers to %s, which is not in the newer file", to))
		}
		seen[to] = true
	}
}

func (g *graft) inTaken(k *prim) bool {
	for ; k != nil; k = k.parent {
		if g.taken[k] {
			return true
		}
	}
	return false
}

// changed reads the result: the ids of the elements that the newer file did not have as they are.
func (g *graft) changed(ctx context.Context, out *format.Output) ([]string, error) {
	was, err := g.a.elements(ctx)
	if err != nil {
		return nil, err
	}
	result, err := open(ctx, out)
	if err != nil {
		return nil, fmt.Errorf("the result: %w", err)
	}
	is, err := result.elements(ctx)
	if err != nil {
		return nil, err
	}
	return splice.Changed(was, is, func(e *element) *format.Element { return &e.Element }), nil
}

// Extract is a prim as a layer of its own, in the prims that it is in, which keep where they are and nothing else; with
// the materials that it is bound to.
func (Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	list, err := f.elements(ctx)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(list, func(e element) bool { return e.ID == id })
	if at < 0 {
		return nil, fmt.Errorf("%q: %w", id, format.ErrNoElement)
	}
	k := list[at].prim
	if k == nil || strings.Contains(k.id, "{") {
		return nil, format.Unsupported("extracting a %s", list[at].Kind)
	}
	x := &extraction{file: f, keep: map[*prim]bool{k: true}, way: map[*prim]bool{}}
	x.bindings(k)
	for n := range x.keep {
		for p := n.parent; p != nil; p = p.parent {
			x.way[p] = true
		}
	}
	top := k
	for top.parent.parent != nil {
		top = top.parent
	}
	x.out = splice.Text("#usda 1.0\n(\n    defaultPrim = \"" + top.name + "\"\n")
	for _, name := range []string{"metersPerUnit", "upAxis", "timeCodesPerSecond", "framesPerSecond"} {
		if v := f.layer.stage(name); v != "" {
			x.out.Append(splice.Text("    " + name + " = " + v + "\n"))
		}
	}
	x.out.Append(splice.Text(")\n"))
	x.write(f.layer.root)
	return &format.Extract{Extension: ".usda", Content: x.out}, nil
}

type extraction struct {
	*file
	keep, way map[*prim]bool
	out       *format.Output
}

// bindings adds the materials that a prim and what is in it are bound to.
func (x *extraction) bindings(k *prim) {
	for i := range k.properties {
		p := &k.properties[i]
		if !strings.HasPrefix(p.name, "material:binding") {
			continue
		}
		lex := lexer{b: x.layer.b[:p.value.to], at: p.value.from}
		for {
			t, err := lex.next()
			if err != nil || t.kind == endToken {
				break
			}
			if to := x.layer.byID[string(x.layer.b[t.in:t.inEnd])]; t.kind == pathToken && to != nil {
				x.keep[to] = true
			}
		}
	}
	for _, c := range k.kids {
		x.bindings(c)
	}
}

func (x *extraction) write(k *prim) {
	for _, c := range k.kids {
		switch {
		case x.keep[c]:
			x.out.Append(splice.Text("\n"))
			x.out.Append(splice.Cut(x.text, int64(c.from), int64(c.to-c.from)))
			x.out.Append(splice.Text("\n"))
		case x.way[c]:
			x.out.Append(splice.Text("\n" + c.word + " " + strings.TrimSpace(c.kind+" \""+c.name+"\"") + "\n{\n"))
			for _, p := range c.properties {
				if strings.HasPrefix(p.name, "xformOp") || p.name == "visibility" {
					x.out.Append(splice.Cut(x.text, int64(p.from), int64(p.to-p.from)))
					x.out.Append(splice.Text("\n"))
				}
			}
			x.write(c)
			x.out.Append(splice.Text("}\n"))
		}
	}
}
