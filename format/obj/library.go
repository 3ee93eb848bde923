package obj

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"varve/format"
	"varve/format/shape"
	"varve/format/splice"
)

// Library is the format of .mtl files. It has no state.
type Library struct{}

// Name is "mtl".
func (Library) Name() string { return "mtl" }

// Match looks for the extension, and that it is text.
func (Library) Match(name string, head []byte) bool {
	return strings.EqualFold(path.Ext(name), ".mtl") && isText(head)
}

// Validate checks that there is a material.
func (Library) Validate(ctx context.Context, in format.Input) error {
	_, err := openLibrary(ctx, in)
	return err
}

// material is a block of a library: [from, to) from its newmtl to its last statement.
type material struct {
	id, name string
	from, to int64
	lines    []string // statements in the one way that numbers and spaces are written
	maps     map[string]string
	color    string
}

type library struct {
	text      []byte
	exact     bool
	materials []material
}

func openLibrary(ctx context.Context, in format.Input) (*library, error) {
	text, exact, err := splice.Read(in, maxText)
	if err != nil {
		return nil, err
	}
	l := &library{text: text, exact: exact}
	seen := map[string]int{}
	s := statements{text: text, next: 1}
	for n := 0; ; n++ {
		if n&0xfff == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		from, to, ok := s.read()
		if !ok {
			break
		}
		first, rest := word(text[from:to])
		if len(first) == 0 || first[0] == '#' {
			continue
		}
		if string(first) == "newmtl" {
			m := material{name: trimmed(rest), from: int64(from), maps: map[string]string{}}
			m.id = m.name
			if seen[m.name]++; seen[m.name] > 1 || m.name == "" {
				m.id = fmt.Sprintf("%s (%d)", m.name, seen[m.name])
			}
			if len(l.materials) == maxParts {
				return nil, fmt.Errorf("more than %d materials: %w", maxParts, format.ErrLimit)
			}
			l.materials = append(l.materials, m)
		} else if len(l.materials) > 0 {
			l.materials[len(l.materials)-1].add(string(first), rest)
		}
		if len(l.materials) > 0 {
			l.materials[len(l.materials)-1].to = int64(to)
		}
	}
	if len(l.materials) == 0 {
		return nil, format.Malformed("no newmtl")
	}
	return l, nil
}

func (m *material) add(first string, rest []byte) {
	words := []string{first}
	if isTexture(first) {
		p := mapped(rest)
		m.maps[first] = string(rest[p[0]:p[1]])
	}
	for _, w := range strings.Fields(string(rest)) {
		if v, n := shape.Number([]byte(w)); n == len(w) {
			w = fmt.Sprint(v)
		}
		words = append(words, w)
	}
	line := strings.Join(words, " ")
	if first == "Kd" {
		m.color = strings.TrimPrefix(line, "Kd ")
	}
	m.lines = append(m.lines, line)
}

func isTexture(first string) bool {
	switch strings.ToLower(first) {
	case "bump", "disp", "decal", "refl", "norm":
		return true
	}
	return strings.HasPrefix(strings.ToLower(first), "map_") && !strings.EqualFold(first, "map_aat")
}

// Elements lists the materials.
func (Library) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	l, err := openLibrary(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []format.Element
	for _, m := range l.materials {
		e := format.Element{ID: m.id, Name: m.name, Kind: "material", Bytes: m.to - m.from, Properties: map[string]string{}}
		if m.name != "" && m.id == m.name {
			e.Stable = m.name
		}
		if m.color != "" {
			e.Properties["color"] = m.color
		}
		for k, v := range m.maps {
			e.Properties[k] = v
		}
		lines := slices.Clone(m.lines)
		slices.Sort(lines)
		e.Aspects = map[string]string{"values": format.HashOf([]byte(strings.Join(lines, "\n")))}
		out = append(out, e)
	}
	return out, nil
}

// References lists the textures.
func (Library) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	l, err := openLibrary(ctx, in)
	if err != nil {
		return nil, err
	}
	refs, err := find(ctx, l.text, l.exact, func(first string, rest []byte) (string, [][2]int) {
		if isTexture(first) {
			return "texture", [][2]int{mapped(rest)}
		}
		return "", nil
	})
	for i := range refs {
		r := &refs[i]
		if !l.exact {
			continue
		}
		n, ok := slices.BinarySearchFunc(l.materials, r.Off, func(m material, off int64) int { return cmp.Compare(m.from, off) })
		if !ok {
			n--
		}
		if n >= 0 {
			r.Element = l.materials[n].id
		}
	}
	return refs, err
}

// Rewrite makes the library need other textures.
func (f Library) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	refs, err := f.References(ctx, in)
	if err != nil {
		return nil, err
	}
	return splice.Rewrite(in, refs, paths, fits)
}

// Extract is a material as a library of its own.
func (Library) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	l, err := openLibrary(ctx, in)
	if err != nil {
		return nil, err
	}
	m := l.find(id)
	if m == nil {
		return nil, fmt.Errorf("%q: %w", id, format.ErrNoElement)
	}
	if !l.exact {
		return nil, format.Unsupported("extracting from UTF-16")
	}
	return &format.Extract{Extension: ".mtl", Content: l.block(in, m)}, nil
}

func (l *library) find(id string) *material {
	for i := range l.materials {
		if l.materials[i].id == id {
			return &l.materials[i]
		}
	}
	return nil
}

// block is a material with a line end.
func (l *library) block(in format.Input, m *material) *format.Output {
	out := splice.Cut(in, m.from, m.to-m.from)
	if m.to > 0 && l.text[m.to-1] != '\n' {
		out.Append(splice.Text("\n"))
	}
	return out
}

// Graft puts materials in the place of those of the same name; others come last.
func (Library) Graft(ctx context.Context, into, from format.Input, ids []string) (*format.Grafting, error) {
	a, err := openLibrary(ctx, into)
	if err != nil {
		return nil, err
	}
	b, err := openLibrary(ctx, from)
	if err != nil {
		return nil, err
	}
	if !a.exact || !b.exact {
		return nil, &format.Refusal{Reason: "the file is UTF-16", Advice: "save it as UTF-8"}
	}
	g := &format.Grafting{}
	var edits []splice.Edit
	for _, id := range ids {
		m := b.find(id)
		if m == nil {
			return nil, fmt.Errorf("%q: %w", id, format.ErrNoElement)
		}
		at := a.find(id)
		if at != nil && slices.Equal(at.lines, m.lines) {
			continue
		}
		e := splice.Edit{Off: int64(len(a.text)), New: b.block(from, m)}
		if at != nil {
			e = splice.Edit{Off: at.from, Len: at.to - at.from, New: e.New}
		} else {
			gap := "\n"
			if n := len(a.text); n > 0 && a.text[n-1] != '\n' {
				gap = "\n\n"
			}
			new := splice.Text(gap)
			new.Append(e.New)
			e.New = new
		}
		edits = append(edits, e)
		g.Changed = append(g.Changed, id)
		for _, k := range slices.Sorted(maps.Keys(m.maps)) {
			g.Notes = append(g.Notes, fmt.Sprintf("it needs %s", m.maps[k]))
		}
	}
	g.Content, err = splice.Apply(into, 0, into.Size(), edits)
	return g, err
}
