package obj

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"varve/format"
	"varve/format/splice"
)

// Graft puts objects and groups into another version. Vertices that only the old one used are given the places of the
// new one; what it has more of comes at the end of the file, and so does an object that was not there. All faces of
// others stay as they are.
func (Format) Graft(ctx context.Context, into, from format.Input, ids []string) (*format.Grafting, error) {
	a, err := open(ctx, into)
	if err != nil {
		return nil, err
	}
	b, err := open(ctx, from)
	if err != nil {
		return nil, err
	}
	if !a.exact || !b.exact {
		return nil, &format.Refusal{Reason: "the file is UTF-16", Advice: "save it as UTF-8"}
	}
	if a.freeform || b.freeform {
		return nil, &format.Refusal{Reason: "the file has curves or free-form surfaces", Advice: "restore the whole file"}
	}
	was, err := a.elements(ctx)
	if err != nil {
		return nil, err
	}
	wanted, err := b.elements(ctx)
	if err != nil {
		return nil, err
	}
	g := &graft{a: a, b: b, was: was, wanted: wanted}
	if err := g.choose(ids); err != nil {
		return nil, err
	}
	out, err := g.make()
	if err != nil {
		return nil, err
	}
	changed, err := g.verify(ctx, out)
	if err != nil {
		return nil, err
	}
	return &format.Grafting{Content: out, Changed: changed, Notes: g.notes}, nil
}

type graft struct {
	a, b        *scene
	was, wanted []format.Element
	pieces      []*piece
	edits       []splice.Edit
	tail        *format.Output // what is put at the end
	end         looks          // and the state there
	notes       []string
}

// piece is one element that is put in: its parts in both files, those within it too.
type piece struct {
	id   string
	a, b []int32 // parts
	to   [3]map[int32]int32
	more [3][]int32 // of b, for which a has no place
}

// parts returns a part and those within it; nil if there is none of the id.
func (s *scene) within(id string) []int32 {
	n, ok := s.byID[id]
	if !ok {
		if id != "mesh" || len(s.parts) != 1 || s.parts[0].id != id {
			return nil
		}
		n = 0
	}
	out := []int32{n}
	for i := range s.parts {
		if s.parts[i].parent == n {
			out = append(out, int32(i))
		}
	}
	return out
}

// choose finds the pieces that are not the same in both files.
func (g *graft) choose(ids []string) error {
	taken := map[string]bool{}
	for _, id := range ids {
		if g.b.within(id) == nil {
			return fmt.Errorf("%q: %w", id, format.ErrNoElement)
		}
		taken[id] = true
	}
	for i := range g.b.parts { // in the order of the file
		id := g.b.parts[i].id
		if parent := g.b.parts[i].parent; !taken[id] || parent >= 0 && taken[g.b.parts[parent].id] {
			continue
		}
		p := &piece{id: id, a: g.a.within(id), b: g.b.within(id)}
		same := len(p.a) == len(p.b)
		for _, n := range p.b {
			m := slices.IndexFunc(p.a, func(m int32) bool { return g.a.parts[m].id == g.b.parts[n].id })
			same = same && m >= 0 && g.was[p.a[m]].Hash() == g.wanted[n].Hash()
		}
		if same {
			continue
		}
		if g.wanted[i].Properties["points"] != "" || len(p.a) > 0 && g.was[p.a[0]].Properties["points"] != "" {
			return &format.Refusal{Reason: fmt.Sprintf("%q has points without faces", g.b.parts[i].name), Advice: "restore the whole file"}
		}
		g.pieces = append(g.pieces, p)
	}
	return nil
}

// used returns what vertices, texture coordinates and normals the faces of parts have, ascending.
func (s *scene) used(parts []int32) (out [3][]int32) {
	in := map[int32]bool{}
	for _, p := range parts {
		in[p] = true
	}
	for i := range s.faces {
		if !in[s.faces[i].part] {
			continue
		}
		for _, c := range s.corners[s.faces[i].first : s.faces[i].first+s.faces[i].n] {
			for k := range 3 {
				if c[k] >= 0 {
					out[k] = append(out[k], c[k])
				}
			}
		}
	}
	for k := range 3 {
		slices.Sort(out[k])
		out[k] = slices.Compact(out[k])
	}
	return out
}

// equal reports whether two files have the same in place n.
func equal(a, b *scene, k int, n int32) bool {
	if int(n) >= len(a.lines[k]) {
		return false
	}
	switch k {
	case 0:
		return a.positions[n] == b.positions[n] && a.colors[n] == b.colors[n]
	case 1:
		return a.uvs[n] == b.uvs[n]
	}
	return a.normals[n] == b.normals[n]
}

// number gives everything that the pieces use a place in a: where a has the same there already; else where it has
// something that only the old piece used; else after all that a has.
func (g *graft) number() {
	users := [3][]int32{}
	for k := range 3 {
		users[k] = make([]int32, len(g.a.lines[k])) // 0 nobody, -1 several, else the piece from 1 or a part that stays
	}
	owner := make([]int32, len(g.a.parts))
	for i := range owner {
		owner[i] = -1
	}
	for i, p := range g.pieces {
		for _, n := range p.a {
			owner[n] = int32(i) + 1
		}
	}
	for i := range g.a.faces {
		f := &g.a.faces[i]
		for _, c := range g.a.corners[f.first : f.first+f.n] {
			for k := range 3 {
				if c[k] >= 0 {
					if u := &users[k][c[k]]; *u == 0 {
						*u = owner[f.part]
					} else if *u != owner[f.part] {
						*u = -1
					}
				}
			}
		}
	}
	uses := make([][3][]int32, len(g.pieces))
	for i, p := range g.pieces {
		uses[i] = g.b.used(p.b)
		for k := range 3 {
			p.to[k] = map[int32]int32{}
			for _, n := range uses[i][k] {
				if equal(g.a, g.b, k, n) {
					p.to[k][n] = n
					users[k][n] = -1
				}
			}
		}
	}
	for k := range 3 {
		next := int32(len(g.a.lines[k]))
		for i, p := range g.pieces {
			free := int32(0)
			for _, n := range uses[i][k] {
				if _, ok := p.to[k][n]; ok {
					continue
				}
				for free < int32(len(users[k])) && users[k][free] != int32(i)+1 {
					free++
				}
				if free < int32(len(users[k])) {
					p.to[k][n] = free
					g.replace(k, free, n)
					free++
					continue
				}
				p.to[k][n] = next
				p.more[k] = append(p.more[k], n)
				next++
			}
		}
	}
}

// line returns the span of a vertex line.
func (s *scene) line(k int, n int32) (from, to int64) {
	from = s.lines[k][n]
	st := statements{text: s.text, at: int(from)}
	_, end, _ := st.read()
	return from, int64(end)
}

func (g *graft) replace(k int, at, n int32) {
	from, to := g.a.line(k, at)
	g.edits = append(g.edits, splice.Edit{Off: from, Len: to - from, New: g.vertex(k, n)})
}

// vertex is a vertex line of b.
func (g *graft) vertex(k int, n int32) *format.Output {
	from, to := g.b.line(k, n)
	out := splice.Cut(g.b.in, from, to-from)
	if g.b.text[to-1] != '\n' {
		out.Append(splice.Text("\n"))
	}
	return out
}

// verify reads what was made: what was put in is as it was, and all else as it is. It returns what changed.
func (g *graft) verify(ctx context.Context, out *format.Output) ([]string, error) {
	s, err := open(ctx, out)
	if err != nil {
		return nil, fmt.Errorf("the result: %w", err)
	}
	is, err := s.elements(ctx)
	if err != nil {
		return nil, err
	}
	want := map[string]string{}
	put := map[string]bool{}
	for _, p := range g.pieces {
		for _, n := range p.b {
			want[g.b.parts[n].id] = g.wanted[n].Hash()
			put[g.b.parts[n].id] = true
		}
		for _, n := range p.a {
			put[g.a.parts[n].id] = true
		}
	}
	before := map[string]string{}
	for i := range g.was {
		before[g.was[i].ID] = g.was[i].Hash()
		if !put[g.was[i].ID] {
			want[g.was[i].ID] = g.was[i].Hash()
		}
	}
	var changed []string
	for i := range is {
		h := is[i].Hash()
		if w, ok := want[is[i].ID]; ok && w != h {
			return nil, &format.Refusal{Reason: fmt.Sprintf("%q would not be as it should", is[i].Name), Advice: "restore the whole file"}
		}
		if before[is[i].ID] != h {
			changed = append(changed, is[i].ID)
		}
		delete(want, is[i].ID)
	}
	if len(want) > 0 {
		return nil, &format.Refusal{Reason: "an object would be lost", Advice: "restore the whole file"}
	}
	return changed, nil
}

// Extract is an object or group as a file of its own, with the libraries of this one.
func (Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	b, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	if !b.exact || b.freeform {
		return nil, format.Unsupported("extracting from UTF-16 or from free-form surfaces")
	}
	p := &piece{id: id, b: b.within(id)}
	if p.b == nil {
		return nil, fmt.Errorf("%q: %w", id, format.ErrNoElement)
	}
	if part := b.parts[p.b[0]]; part.lines == 0 && len(p.b) == 1 && part.last > part.first {
		return nil, format.Unsupported("extracting points")
	}
	g := &graft{a: &scene{in: format.Bytes(nil), exact: true}, b: b, pieces: []*piece{p}}
	out, err := g.make()
	if err != nil {
		return nil, err
	}
	refs, err := Format{}.References(ctx, in)
	if err != nil {
		return nil, err
	}
	head := new(format.Output)
	for _, r := range refs {
		if r.Kind == "material library" && r.Len > 0 {
			head.Append(splice.Text("mtllib "))
			head.Span(in, r.Off, r.Len)
			head.Append(splice.Text("\n"))
		}
	}
	head.Append(out)
	return &format.Extract{Extension: ".obj", Content: head}, nil
}

// inOrder returns the runs of parts in the order of the file.
func (s *scene) inOrder(parts []int32) []run {
	var out []run
	for _, p := range parts {
		out = append(out, s.parts[p].runs...)
	}
	slices.SortFunc(out, func(x, y run) int { return cmp.Compare(x.from, y.from) })
	return out
}

// looks is the state of a place by what it means in any file.
type looks struct {
	material string
	smooth   int64
}

// at returns the state at a place.
func (s *scene) at(off int64) looks {
	n, _ := slices.BinarySearchFunc(s.changes, off, func(c change, off int64) int { return cmp.Compare(c.at, off) })
	if n == 0 {
		return looks{}
	}
	out := looks{smooth: s.changes[n-1].smooth}
	if m := s.changes[n-1].material; m >= 0 {
		out.material = s.materials[m]
	}
	return out
}

// says are the statements that make a state of another.
func (l looks) says(is looks) string {
	var out strings.Builder
	if l.material != is.material {
		fmt.Fprintf(&out, "usemtl %s\n", l.material)
	}
	if l.smooth != is.smooth {
		fmt.Fprintf(&out, "s %d\n", l.smooth)
	}
	return out.String()
}
