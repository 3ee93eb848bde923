package tiled

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"varve/format"
)

// maxDepth bounds how deep values may be in one another.
const maxDepth = 256

func fitsJSON(s string) bool {
	var out string
	return json.Unmarshal([]byte(`"`+s+`"`), &out) == nil && strings.TrimSpace(out) != ""
}

// value is a value of JSON: [from, to) of the text.
type value struct {
	from, to int
	keys     []string // of an object
	kids     []*value // of an object, or of an array those that are no numbers
	mark     byte     // { [ " or 0
}

type decoder struct {
	ctx    context.Context
	b      []byte
	at     int
	values int
}

func (f *file) readJSON(ctx context.Context) error {
	if !json.Valid(f.b[len(f.b)-len(strings.TrimPrefix(string(f.b), "\xef\xbb\xbf")):]) {
		return format.Malformed("no JSON")
	}
	d := &decoder{ctx: ctx, b: f.b}
	if strings.HasPrefix(string(f.b[:min(3, len(f.b))]), "\xef\xbb\xbf") {
		d.at = 3
	}
	root, err := d.value(0)
	if err != nil {
		return err
	}
	if root.mark != '{' {
		return format.Malformed("no object")
	}
	kind := "map"
	switch {
	case root.get("maps") != nil || root.get("patterns") != nil:
		kind = "world"
	case f.string(root.get("type")) == "tileset" || root.get("columns") != nil:
		kind = "tileset"
	case f.string(root.get("type")) == "template":
		kind = "template"
	}
	f.root = f.object(root, kind, "")
	return nil
}

func (d *decoder) space() {
	for d.at < len(d.b) && (d.b[d.at] == ' ' || d.b[d.at] == '\t' || d.b[d.at] == '\n' || d.b[d.at] == '\r' || d.b[d.at] == ',' || d.b[d.at] == ':') {
		d.at++
	}
}

// value reads one of a text that is valid.
func (d *decoder) value(depth int) (*value, error) {
	if d.values++; d.values&0xfff == 0 && d.ctx.Err() != nil {
		return nil, d.ctx.Err()
	}
	if depth > maxDepth {
		return nil, format.Malformed("more than %d values within one another", maxDepth)
	}
	if d.values > 1<<23 {
		return nil, fmt.Errorf("more than %d values: %w", 1<<23, format.ErrLimit)
	}
	d.space()
	v := &value{from: d.at, mark: d.b[d.at]}
	switch v.mark {
	case '{', '[':
		d.at++
		for d.space(); d.b[d.at] != '}' && d.b[d.at] != ']'; d.space() {
			if v.mark == '[' && d.b[d.at] != '{' && d.b[d.at] != '[' && d.b[d.at] != '"' {
				d.scalar()
				continue
			}
			if v.mark == '{' {
				key, err := d.value(depth + 1)
				if err != nil {
					return nil, err
				}
				v.keys = append(v.keys, text(d.b[key.from:key.to]))
				d.space()
			}
			k, err := d.value(depth + 1)
			if err != nil {
				return nil, err
			}
			v.kids = append(v.kids, k)
		}
		d.at++
	case '"':
		for d.at++; d.b[d.at] != '"'; d.at++ {
			if d.b[d.at] == '\\' {
				d.at++
			}
		}
		d.at++
	default:
		v.mark = 0
		d.scalar()
	}
	v.to = d.at
	return v, nil
}

func (d *decoder) scalar() {
	for d.at < len(d.b) && !strings.ContainsRune(" \t\r\n,:]}", rune(d.b[d.at])) {
		d.at++
	}
}

func text(b []byte) string {
	var s string
	_ = json.Unmarshal(b, &s)
	return s
}

func (v *value) get(key string) *value {
	for i, k := range v.keys {
		if k == key {
			return v.kids[i]
		}
	}
	return nil
}

// string returns what a value of text or number is.
func (f *file) string(v *value) string {
	switch {
	case v == nil:
		return ""
	case v.mark == '"':
		return text(f.b[v.from:v.to])
	case v.mark == 0:
		return string(f.b[v.from:v.to])
	}
	return ""
}

// object makes a thing of an object and of what is known in it, and takes its references.
func (f *file) object(v *value, kind, element string) *thing {
	t := &thing{kind: kind, text: map[string]string{}, from: v.from, to: v.to}
	for i, k := range v.keys {
		if m := v.kids[i].mark; m == 0 || m == '"' {
			if k != "data" {
				t.text[k] = f.string(v.kids[i])
			}
		}
	}
	if kind == "layer" {
		switch t.text["type"] {
		case "objectgroup", "imagelayer", "group":
			t.kind = t.text["type"]
		}
	}
	if id := t.id(); id != "" {
		element = id
	}
	for i, k := range v.keys {
		to := v.kids[i]
		if to.mark == '"' {
			if r := names(t, k); r != "" {
				f.refer(r, text(f.b[to.from:to.to]), element, to.from+1, to.to-1)
			}
			continue
		}
		f.members(t, k, to, element)
	}
	if kind == "layer" {
		f.layer(t, v)
	}
	return t
}

// names says what kind of file a member names.
func names(t *thing, key string) string {
	switch {
	case t.kind == "tileset" && key == "source":
		return "tileset"
	case key == "image" && (t.kind == "tileset" || t.kind == "tile" || t.kind == "imagelayer"):
		return "image"
	case t.kind == "object" && key == "template":
		return "template"
	case t.kind == "property" && key == "value" && t.text["type"] == "file":
		return "file"
	case t.kind == "worldmap" && key == "fileName":
		return "map"
	}
	return ""
}

// members takes the objects of a member.
func (f *file) members(t *thing, key string, v *value, element string) {
	kind := map[string]string{"layers": "layer", "objects": "object", "tilesets": "tileset", "tileset": "tileset", "object": "object", "tiles": "tile", "properties": "property", "maps": "worldmap", "objectgroup": "layer"}[key]
	if kind == "" {
		return
	}
	list := v.kids
	if v.mark == '{' {
		list = []*value{v}
		if key == "tiles" || key == "properties" { // by number or name, of old
			list = v.kids
		}
	}
	for _, k := range list {
		if k.mark == '{' {
			t.kids = append(t.kids, f.object(k, kind, element))
		}
	}
}

// layer takes the tiles of a layer.
func (f *file) layer(t *thing, v *value) {
	of := func(k *value, place string) {
		if k == nil {
			return
		}
		c := chunk{encoding: t.text["encoding"], compression: t.text["compression"], place: place, text: f.b[k.from:k.to]}
		if k.mark == '"' {
			c.text = []byte(text(c.text))
		} else if k.mark == '[' {
			c.encoding, c.text = "csv", f.b[k.from+1:k.to-1]
		}
		t.data = append(t.data, c)
	}
	of(v.get("data"), "")
	if chunks := v.get("chunks"); chunks != nil {
		for _, k := range chunks.kids {
			of(k.get("data"), f.string(k.get("x"))+" "+f.string(k.get("y"))+" "+f.string(k.get("width")))
		}
	}
}
