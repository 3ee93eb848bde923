package unity

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"strings"

	"varve/format"
	"varve/format/splice"
)

// References lists what objects need of other files, by guid; scenes of a build by guid and path.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	f, err := read(ctx, in)
	if err != nil {
		return nil, err
	}
	if f.json {
		a, err := f.assembly()
		return a.references, err
	}
	var out []format.Reference
	for i := range f.docs {
		out = f.docs[i].references(f, out)
		if len(out) > format.MaxReferences {
			return nil, fmt.Errorf("%d references: %w", len(out), format.ErrLimit)
		}
	}
	return out, nil
}

func (d *document) references(f *file, out []format.Reference) []format.Reference {
	owner := ""
	for k := range d.fields {
		x := &d.fields[k]
		if x.key != "" && x.indent == 2 && !x.item {
			owner = x.key
		}
		pointers(f.b, x.value, func(p pointer) {
			if guid(p.guid) {
				out = append(out, named(p.guid, kindOf(owner, x.key), d.id, p.at))
			}
		})
		id := f.text(x.value)
		if !guid(id) {
			continue
		}
		switch {
		case x.key == "guid" && d.id == "": // a .meta's own
		case x.key == "guid":
			r := named(id, kindOf(owner, x.key), d.id, x.value)
			if k > 0 && d.fields[k-1].key == "path" && d.fields[k-1].value.end > d.fields[k-1].value.off {
				r = scene(f, d.fields[k-1].value, id, d.id)
			}
			out = append(out, r)
		case x.key == "m_AssetGUID", x.key == "m_SceneGUID", x.key == "m_GUID" && x.item:
			out = append(out, named(id, kindOf(owner, x.key), d.id, x.value))
		}
	}
	return out
}

func named(id, kind, element string, at span) format.Reference {
	return format.Reference{Kind: kind, Raw: id, Path: id, Style: format.Named, Element: element, Off: int64(at.off), Len: int64(at.end - at.off)}
}

// scene is one of a build: found by its guid, and else by its path.
func scene(f *file, at span, id, element string) format.Reference {
	return format.Reference{Kind: "scene", Raw: f.text(at), Path: scalar(f.text(at)), Style: format.Rooted, Root: project, ID: id, Element: element, Off: int64(at.off), Len: int64(at.end - at.off)}
}

// guid reports whether a text is that of an asset that a file may be.
func guid(s string) bool {
	if len(s) != 32 || strings.HasPrefix(s, builtIn) {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// kindOf says what is needed, by the key that it stands at.
func kindOf(owner, key string) string {
	for _, k := range []string{key, owner} {
		k = strings.ToLower(k)
		for _, w := range []struct{ in, kind string }{{"script", "script"}, {"shader", "shader"}, {"sourceprefab", "prefab"}, {"sourceobject", "prefab"}, {"texture", "texture"}, {"texenvs", "texture"}, {"sprite", "texture"}, {"material", "material"},
			{"mesh", "mesh"}, {"audioclip", "sound"}, {"font", "font"}, {"controller", "animation"}, {"clip", "animation"}, {"scene", "scene"}} {
			if strings.Contains(k, w.in) {
				return w.kind
			}
		}
	}
	return "asset"
}

// assembly is what an assembly definition says.
type assembly struct {
	name       string
	references []format.Reference
}

const asmdef = "assembly:" // before the names of assemblies, in ids

// assembly parses an .asmdef or .asmref.
func (f *file) assembly() (assembly, error) {
	var a assembly
	d := json.NewDecoder(bytes.NewReader(f.b))
	depth, key, list, expect := 0, "", "", false
	for {
		from := d.InputOffset()
		t, err := d.Token()
		if err == io.EOF && depth == 0 {
			return a, nil
		}
		if err != nil {
			return assembly{}, format.Malformed("JSON: %v", err)
		}
		s, isText := t.(string)
		switch {
		case t == json.Delim('{') || t == json.Delim('['):
			depth++
			list, key, expect = key, "", t == json.Delim('{')
			continue
		case t == json.Delim('}') || t == json.Delim(']'):
			depth--
			list, key, expect = "", "", true
			continue
		case depth == 1 && expect && isText:
			key, expect = s, false
			continue
		}
		expect = depth == 1
		switch {
		case isText && depth == 1 && key == "name":
			a.name = s
		case isText && (depth == 1 && key == "reference" || depth == 2 && list == "references") && s != "":
			a.references = append(a.references, f.uses(s, int(from), int(d.InputOffset())))
		}
		if len(a.references) > format.MaxReferences {
			return a, format.ErrLimit
		}
	}
}

// uses is the need of an assembly: by guid, or by its name.
func (f *file) uses(s string, from, to int) format.Reference {
	n := bytes.IndexByte(f.b[from:to], '"')
	at := span{from + n + 1, to - 1}
	r := named(asmdef+s, "assembly", "", at)
	if id, ok := strings.CutPrefix(s, "GUID:"); ok {
		r.Path = id
	}
	r.Raw = f.text(at)
	return r
}

// Names gives the guid of the asset that a .meta is beside of, and the name of an assembly.
func (Format) Names(ctx context.Context, in format.Input) ([]format.Name, error) {
	f, err := read(ctx, in)
	if err != nil {
		return nil, err
	}
	if f.json {
		a, err := f.assembly()
		if err != nil || a.name == "" {
			return nil, err
		}
		return []format.Name{{ID: asmdef + a.name}}, nil
	}
	d := &f.docs[0]
	if d.id != "" {
		return nil, nil
	}
	var out []format.Name
	for _, x := range d.fields {
		switch v := f.text(x.value); {
		case x.indent != 0:
		case x.key == "guid" && guid(v):
			out = []format.Name{{ID: v, Beside: ".meta"}}
		case x.key == "folderAsset" && v == "yes": // a folder is no file
			return nil, nil
		}
	}
	return out, nil
}

// Rewrite makes a file need others: by their guids, and by the paths of a build's scenes.
func (f Format) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	refs, err := f.References(ctx, in)
	if err != nil {
		return nil, err
	}
	return splice.Rewrite(in, refs, paths, func(r format.Reference, next string) string {
		switch {
		case r.Style == format.Named && r.Kind != "assembly" && !guid(next):
			return "a guid is 32 digits and letters a to f"
		case next == "" || next != path.Clean(next) || strings.ContainsAny(next, "\"'\\\r\n{}[]#:,&*!|>%@`"):
			return "it would have to be quoted"
		}
		return ""
	})
}
