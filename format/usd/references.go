package usd

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"varve/format"
	"varve/format/splice"
)

// assetKind guesses what a path is to.
func assetKind(p string) string {
	switch strings.ToLower(path.Ext(p)) {
	case ".usd", ".usda", ".usdc", ".usdz", ".abc", ".gltf", ".glb", ".obj", ".fbx":
		return "scene"
	case ".png", ".jpg", ".jpeg", ".exr", ".hdr", ".tif", ".tiff", ".tga", ".bmp", ".webp", ".avif", ".heic", ".dds", ".tx", ".rat", ".tex":
		return "texture"
	case ".mtlx", ".mdl", ".osl", ".oso", ".glslfx":
		return "shader"
	case ".wav", ".mp3", ".m4a", ".aac", ".ogg", ".flac":
		return "sound"
	case ".vdb":
		return "volume"
	case ".ies":
		return "light"
	}
	return "asset"
}

// References lists the assets of layers, with the layers that are put together. What a package has in it, it does not
// need. Of a binary layer it takes what looks like a file among its words.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	return f.references()
}

func (f *file) references() ([]format.Reference, error) {
	if f.binary != nil {
		return f.binaryReferences()
	}
	c := collector{file: f}
	c.span("", f.layer.root.meta, "")
	c.prim(f.layer.root)
	slices.SortStableFunc(c.list, func(a, b format.Reference) int { return int(a.Off - b.Off) })
	if f.archive != nil {
		for i := range c.list { // compressed or not, the layer is in an archive with a checksum
			c.list[i].Off, c.list[i].Len = 0, 0
		}
	}
	return c.list, nil
}

type collector struct {
	*file
	list []format.Reference
}

func (c *collector) prim(k *prim) {
	id := k.id
	if k.word == "" && k.parent == nil {
		id = ""
	}
	for i := range k.properties {
		p := &k.properties[i]
		if strings.Contains(p.kind, "asset") || strings.Contains(p.kind, "dictionary") {
			c.span(id, p.value, "")
		}
		c.span(id, p.meta, "")
	}
	for _, child := range k.kids {
		if child.word == "variantSet" {
			for _, v := range child.kids {
				c.span(v.id, v.meta, "")
				c.prim(v)
			}
			continue
		}
		c.span(child.id, child.meta, "")
		c.prim(child)
	}
}

// span takes the assets in a span of statements, each by what it is the value of.
func (c *collector) span(element string, s span, key string) {
	lex := lexer{b: c.layer.b[:s.to], at: s.from}
	depth := 0
	last, inner := "", ""
	for s.to > 0 {
		t, err := lex.next()
		if err != nil || t.kind == endToken {
			return
		}
		switch {
		case t.kind == wordToken:
			last = string(c.layer.b[t.from:t.to])
		case t.kind == markToken && t.c == '=':
			if depth == 0 {
				key = last
			}
			inner = last
		case t.kind == markToken && (t.c == '{' || t.c == '(' || t.c == '['):
			depth++
		case t.kind == markToken && (t.c == '}' || t.c == ')' || t.c == ']'):
			depth--
		case t.kind == assetToken:
			c.add(element, key, inner, t)
		}
	}
}

func (c *collector) add(element, key, inner string, t token) {
	if key == "assetInfo" && inner == "identifier" || len(c.list) > format.MaxReferences { // what the file is called itself
		return
	}
	raw := string(c.layer.b[t.in:t.inEnd])
	r, ok := reference(raw)
	if !ok {
		return
	}
	r.Element = element
	switch key {
	case "references":
		r.Kind = "reference"
	case "payload":
		r.Kind = "payload"
	case "subLayers":
		r.Kind = "sublayer"
	case "clips":
		r.Kind = "clip"
	case "customData", "customLayerData":
		r.Optional = true
	}
	r.Off, r.Len = int64(t.in), int64(len(r.Raw))
	if c.inPackage(r) {
		return
	}
	c.list = append(c.list, r)
}

// inPackage reports whether a reference is to a file of the same package.
func (f *file) inPackage(r format.Reference) bool {
	return f.archive != nil && r.Style == format.Relative && f.archive.Find(path.Join(path.Dir(f.entry.Name), r.Path)) != nil
}

// reference makes one of a path in a layer: of a[b] it is to a, of a:SDF_FORMAT_ARGS:… too.
func reference(raw string) (format.Reference, bool) {
	if n := strings.IndexByte(raw, '['); n > 0 && strings.HasSuffix(raw, "]") {
		raw = raw[:n]
	}
	if n := strings.Index(raw, ":SDF_FORMAT_ARGS:"); n > 0 {
		raw = raw[:n]
	}
	r := format.Reference{Raw: raw, Kind: assetKind(raw)}
	if strings.TrimSpace(raw) == "" || strings.HasPrefix(raw, "anon:") {
		return r, false
	}
	r.Path, r.Style = splice.Path(raw)
	r.Path = strings.TrimPrefix(r.Path, "./")
	r.Sequence = strings.Contains(raw, "<UDIM>") || strings.Contains(raw, "###")
	return r, r.Path != ""
}

// binaryReferences takes the words of a binary layer that end as files do.
func (f *file) binaryReferences() ([]format.Reference, error) {
	tokens, err := crateTokens(f.binary)
	if err != nil {
		return nil, err
	}
	var out []format.Reference
	for _, t := range tokens {
		if len(t) > 4096 || strings.ContainsAny(t, "\n\r\t<>") && !strings.Contains(t, "<UDIM>") || strings.Contains(t, ": ") {
			continue
		}
		r, ok := reference(t)
		if !ok || r.Kind == "asset" || len(out) > format.MaxReferences || f.inPackage(r) {
			continue
		}
		out = append(out, r)
	}
	return out, nil
}

// Rewrite makes a layer need other assets. Of a binary one the words change, wherever they are used, and nothing else. A
// package is refused.
func (Format) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	refs, err := f.references()
	if err != nil {
		return nil, err
	}
	if f.binary != nil && f.archive == nil {
		return f.renamed(refs, paths)
	}
	return splice.Rewrite(in, refs, paths, func(_ format.Reference, next string) string { return fits(next) })
}

// fits says why a path may not be one of an asset; "" if it may.
func fits(next string) string {
	if next == "" || strings.ContainsAny(next, "@\n\r[]\\\x00") {
		return "no @, brackets, backslash or line end"
	}
	return ""
}

// renamed is a binary layer with other paths.
func (f *file) renamed(refs []format.Reference, paths map[string]string) (*format.Output, error) {
	words, err := crateTokens(f.binary)
	if err != nil {
		return nil, err
	}
	changed := false
	at := 0
	for i := range words {
		if at == len(refs) {
			break
		}
		r, ok := reference(words[i])
		if !ok || r.Raw != refs[at].Raw { // refs are of words, in their order
			continue
		}
		at++
		next, ok := paths[r.Raw]
		if !ok || next == r.Raw {
			continue
		}
		if why := fits(next); why != "" {
			return nil, &format.Refusal{Reason: fmt.Sprintf("%q cannot stand in the place of %q: %s", next, r.Raw, why)}
		}
		if to, _ := reference(next); to.Kind == "asset" || strings.Contains(next, ": ") {
			return nil, &format.Refusal{Reason: fmt.Sprintf("%q has no ending by which a file is known in a binary layer", next)}
		}
		words[i] = next + strings.TrimPrefix(words[i], r.Raw)
		changed = true
	}
	if !changed {
		return splice.Cut(f.in, 0, f.in.Size()), nil
	}
	return withTokens(f.in, f.binary, words)
}
