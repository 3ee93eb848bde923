package godot

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"varve/format"
)

// shown is how long a value may be that is shown as it is, in bytes; of longer ones so much and a hash.
const shown = 120

// Elements lists external resources in the order of their paths, then sub-resources, nodes and connections as they
// stand; of settings the sections.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	d, err := read(ctx, in)
	if err != nil {
		return nil, err
	}
	if d.id != "" {
		return []format.Element{{ID: "uid", Kind: "id", Name: d.id, Bytes: in.Size(), Properties: map[string]string{"uid": d.id}}}, nil
	}
	owners := d.owners()
	l := d.labels()
	var ext, out []format.Element
	byID := map[string]int{}
	for i, id := range owners {
		s := &d.sections[i]
		if id == "" {
			continue
		}
		e := format.Element{ID: id, Bytes: int64(s.end - s.off), Properties: map[string]string{}}
		d.describe(s, &e, l)
		if s.name == "ext_resource" && d.structured() {
			ext = append(ext, e)
			continue
		}
		if e.Parent = d.parent(s, byID); e.Parent == id {
			e.Parent = ""
		}
		byID[id] = len(out)
		out = append(out, e)
	}
	for i := range d.sections {
		if s := &d.sections[i]; s.name == "editable" && d.structured() {
			if k, ok := byID[d.attr(s, "path")]; ok {
				out[k].Properties["editable children"] = "true"
			}
		}
	}
	slices.SortFunc(ext, func(a, b format.Element) int { return strings.Compare(a.ID, b.ID) })
	return append(ext, out...), nil
}

// describe fills in what an element is.
func (d *document) describe(s *section, e *format.Element, l *labels) {
	if !d.structured() {
		e.Kind, e.Name = "settings", s.name
	} else {
		switch s.name {
		case "ext_resource":
			at := d.attr(s, "path")
			e.Kind, e.Name = "external", path.Base(at)
			e.Stable = d.uid(s)
			e.Properties["path"], e.Properties["type"] = at, d.attr(s, "type")
			return
		case "node":
			e.Kind, e.Name = "node", d.attr(s, "name")
		case "connection":
			e.Kind, e.Name = "connection", d.attr(s, "signal")+" → "+d.attr(s, "method")
		case "sub_resource":
			e.Kind, e.Name = kindOf(d.attr(s, "type"), ""), strings.TrimPrefix(e.ID, "sub:")
		default:
			kind := d.attr(&d.sections[min(1, len(d.sections)-1)], "type") // of the file's head
			e.Kind, e.Name = kindOf(kind, ""), kind
		}
	}
	for _, kv := range s.attrs {
		switch kv.key {
		case "name", "parent", "id", "unique_id", "index", "node_paths", "parent_id_path", "owner_uid_path": // its place, or told by other values
		default:
			put(e, kv.key, d.canonical(kv.value, l.of))
		}
	}
	for _, kv := range s.pairs {
		v := d.canonical(kv.value, l.of)
		switch {
		case kv.key == "resource_name" && s.name != "node", kv.key == "name" && strings.HasPrefix(s.name, "preset."):
			e.Name = plain(d.text(kv.value))
		}
		put(e, kv.key, v)
	}
}

// parent returns the element that a section is in: of a node the nearest above that the file has, of a connection the
// node that has the signal.
func (d *document) parent(s *section, byID map[string]int) string {
	if !d.structured() {
		if n := strings.TrimSuffix(s.name, ".options"); n != s.name {
			if _, ok := byID["section:"+n]; ok {
				return "section:" + n
			}
		}
		return ""
	}
	at, ok := d.anchor(s)
	if s.name == "node" {
		at, ok = path.Clean(d.attr(s, "parent")), s.has("parent")
	}
	for ; ok; at = path.Dir(at) {
		if _, ok := byID[at]; ok {
			return at
		}
		if at == "." || at == "/" {
			break
		}
	}
	return ""
}

// nodePath is a node's way from the root, which is ".".
func (d *document) nodePath(s *section) string {
	if !s.has("parent") {
		return "."
	}
	return path.Join(d.attr(s, "parent"), d.attr(s, "name"))
}

// owners returns the element that each section is; "" for one that is none.
func (d *document) owners() []string {
	out := make([]string, len(d.sections))
	l := d.subLabels()
	used := map[string]int{}
	for i := range d.sections {
		s := &d.sections[i]
		id := ""
		switch {
		case !d.structured():
			if s.name != "" || len(s.pairs) > 0 {
				id = "section:" + s.name
			}
		case s.name == "ext_resource":
			id = "ext:" + d.attr(s, "path")
		case s.name == "sub_resource":
			id = "sub:" + l[i]
		case s.name == "node":
			id = d.nodePath(s)
		case s.name == "connection":
			id = fmt.Sprintf("connection:%s:%s → %s.%s", d.attr(s, "from"), d.attr(s, "signal"), d.attr(s, "to"), d.attr(s, "method"))
		case s.name == "resource":
			id = "resource"
		}
		if id == "" {
			continue
		}
		used[id]++
		for n := used[id]; n > 1; n++ {
			if next := id + "#" + strconv.Itoa(n); used[next] == 0 {
				used[id], id = n, next
				used[id]++
				break
			}
		}
		out[i] = id
	}
	return out
}

// numbered: Godot 3 counts sub-resources anew at every save; the ids of Godot 4 stay.
func numbered(id string) bool {
	_, err := strconv.Atoi(id)
	return err == nil
}

// subLabels names sub-resources: by their id, or where that is a number by what uses it first.
func (d *document) subLabels() map[int]string {
	at := map[string]int{}
	out := map[int]string{}
	if !d.structured() {
		return out
	}
	for i := range d.sections {
		if s := &d.sections[i]; s.name == "sub_resource" {
			id := d.attr(s, "id")
			at[id] = i
			if !numbered(id) {
				out[i] = id
			}
		}
	}
	// From the end: what uses a sub-resource comes after it.
	for i := len(d.sections) - 1; i >= 0; i-- {
		s := &d.sections[i]
		user := out[i]
		switch s.name {
		case "node":
			user = d.nodePath(s)
		case "resource":
			user = "resource"
		case "sub_resource":
			if user == "" {
				user = d.attr(s, "type")
				out[i] = user
			}
		}
		for _, kv := range s.pairs {
			d.links(kv.value, func(l link) {
				if k, ok := at[l.id]; ok && l.sub && k < i && numbered(l.id) {
					out[k] = user + "." + kv.key // the first of the users is the last that is seen
				}
			})
		}
	}
	return out
}

// labels says what links mean.
type labels struct {
	ext map[string]string // id → uid, or else path
	sub map[string]string // id → hash of content
}

// uid is that of an external resource; "" where it has none.
func (d *document) uid(s *section) string {
	if id := d.attr(s, "uid"); named(id) {
		return id
	}
	return ""
}

func (d *document) labels() *labels {
	l := &labels{ext: map[string]string{}, sub: map[string]string{}}
	for i := range d.sections {
		s := &d.sections[i]
		switch {
		case !d.structured():
		case s.name == "ext_resource":
			l.ext[d.attr(s, "id")] = cmp.Or(d.uid(s), d.attr(s, "path")) // a file that was moved is the same
		case s.name == "sub_resource":
			parts := [][]byte{[]byte(d.attr(s, "type"))}
			for _, kv := range s.pairs {
				parts = append(parts, []byte(kv.key), []byte{0}, []byte(d.canonical(kv.value, l.of)), []byte{0})
			}
			l.sub[d.attr(s, "id")] = format.HashOf(parts...)
		}
	}
	return l
}

func (l *labels) of(k link) string {
	if k.sub {
		return "SubResource(" + l.sub[k.id] + ")"
	}
	return "ExtResource(" + strconv.Quote(l.ext[k.id]) + ")"
}

// put notes a value: as it is, or its beginning and hash.
func put(e *format.Element, key, value string) {
	if len(value) <= shown {
		e.Properties[key] = value
		return
	}
	e.Properties[key] = strings.ToValidUTF8(value[:shown], "") + "… " + format.HashOf([]byte(value))
}
