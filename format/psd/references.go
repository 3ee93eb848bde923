package psd

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"

	"varve/format"
)

// References returns the files of smart objects that are not in the document.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	d, err := parse(ctx, in)
	if err != nil {
		return nil, err
	}
	files, err := d.linkedFiles()
	if err != nil {
		return nil, err
	}
	owners, err := d.owners(files)
	if err != nil {
		return nil, err
	}
	var out []format.Reference
	for i := range files {
		f := &files[i]
		if f.kind != "liFE" {
			continue
		}
		v, err := d.external(f)
		if err != nil {
			return nil, err
		}
		r := format.Reference{Kind: "smart object", Element: owners[f.uuid], Optional: true}
		r.Raw = v.get(pathKey(v)).text
		if r.Raw == "" {
			r.Raw = f.name
		}
		if r.Raw == "" {
			continue
		}
		r.Path, r.Style = meaning(r.Raw)
		out = append(out, r)
	}
	return out, nil
}

// pathKey is the key of the path that a link is known by: to the document's folder, or whole.
func pathKey(v *value) string {
	for _, key := range []string{"relPath", "fullPath", "originalPath", "Nm  "} {
		if v.get(key).text != "" {
			return key
		}
	}
	return ""
}

// meaning reads a path of a link.
func meaning(raw string) (string, format.Style) {
	p := strings.ReplaceAll(raw, `\`, "/")
	if rest, ok := strings.CutPrefix(p, "file://"); ok {
		p = strings.ReplaceAll(rest, "%20", " ")
		if len(p) > 3 && p[0] == '/' && p[2] == ':' {
			p = p[1:]
		}
		return p, format.Absolute
	}
	if strings.HasPrefix(p, "/") || len(p) > 2 && p[1] == ':' && p[2] == '/' {
		return p, format.Absolute
	}
	return p, format.Relative
}

// owners returns, by uuid, the first layer from the top that has a file.
func (d *document) owners(files []linked) (map[string]string, error) {
	out := map[string]string{}
	if len(files) == 0 {
		return out, nil
	}
	var err error
	walk(d.layers.tree, func(n *node) {
		if err != nil {
			return
		}
		var ids []string
		ids, err = d.uuids(d.layers.of(n))
		for _, id := range ids {
			if out[id] == "" {
				out[id] = n.id
			}
		}
	})
	return out, err
}

// Rewrite gives links other paths. All paths of a link become the new one, that to the folder and the whole one, for
// Photoshop tries one after another.
func (Format) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	d, err := parse(ctx, in)
	if err != nil {
		return nil, err
	}
	files, err := d.linkedFiles()
	if err != nil {
		return nil, err
	}
	w := same(d)
	for i, b := range d.blocks {
		o := new(format.Output)
		at, changed := b.data.off, false
		for k := range files {
			f := &files[k]
			if f.block != i || f.kind != "liFE" {
				continue
			}
			fresh, err := d.relink(f, paths)
			if err != nil {
				return nil, err
			}
			if fresh != nil {
				d.copy(o, span{at, f.all.off - at})
				o.Append(fresh)
				at, changed = f.all.end(), true
			}
		}
		if changed {
			d.copy(o, span{at, b.data.end() - at})
			w.block[i] = o
		}
	}
	return w.output()
}

// relink is a link with another path; nil where it keeps its own.
func (d *document) relink(f *linked, paths map[string]string) (*format.Output, error) {
	v, err := d.external(f)
	if err != nil {
		return nil, err
	}
	key := pathKey(v)
	path, ok := paths[v.get(key).text]
	if key == "" || key == "Nm  " || !ok || path == v.get(key).text {
		return nil, nil
	}
	b, err := d.load(f.link, maxDescriptor)
	if err != nil {
		return nil, err
	}
	var link []byte
	at := int64(0)
	for _, it := range v.items {
		text := ""
		switch p, style := meaning(path); {
		case it.kind != "TEXT":
			continue
		case it.key == key:
			text = path
		case it.key == "relPath" || it.key == "fullPath" && style == format.Absolute || it.key == "originalPath" && style == format.Absolute:
			text = p
		case it.key == "Nm  ":
			text = p[strings.LastIndexByte(p, '/')+1:]
		default:
			continue
		}
		units := append(utf16be(text), 0, 0)
		link = append(link, b[at:it.at.off]...)
		link = binary.BigEndian.AppendUint32(link, uint32(len(units)/2))
		link = append(link, units...)
		at = it.at.end()
	}
	link = append(link, b[at:]...)
	head, err := d.load(span{f.all.off, 8}, 8)
	if err != nil {
		return nil, err
	}
	n := int64(binary.BigEndian.Uint64(head)) + int64(len(link)-len(b))
	if n < 0 {
		return nil, fmt.Errorf("a link of %d bytes: %w", n, format.ErrMalformed)
	}
	o := new(format.Output)
	_, _ = o.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
	d.copy(o, span{f.all.off + 8, f.link.off - f.all.off - 8})
	_, _ = o.Write(link)
	d.copy(o, span{f.link.end(), f.all.off + 8 + int64(binary.BigEndian.Uint64(head)) - f.link.end()})
	pad(o, n, 4)
	return o, nil
}
