package unity

import (
	"bytes"
	"context"
	"strconv"
	"strings"

	"varve/format"
)

// shown is how long a value may be that is shown as it is, in bytes; of longer ones so much and a hash.
const shown = 100

// Elements lists the objects of a file: components in their game object, game objects in theirs.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	f, err := read(ctx, in)
	if err != nil {
		return nil, err
	}
	if f.json {
		a, err := f.assembly()
		return []format.Element{{ID: "assembly", Kind: "assembly", Name: a.name, Bytes: in.Size(), Aspects: map[string]string{"text": format.HashOf(f.b)}}}, err
	}
	t := f.tree()
	out := make([]format.Element, 0, len(f.docs))
	done := make([]bool, len(f.docs))
	for i := range f.docs {
		var line []int // what must come before, from below
		for k := i; k >= 0 && !done[k]; k = t.parent[k] {
			done[k] = true
			line = append(line, k)
		}
		for n := len(line) - 1; n >= 0; n-- {
			out = append(out, t.element(line[n]))
		}
	}
	return out, nil
}

// tree is what is in what.
type tree struct {
	f      *file
	ids    []string
	parent []int // position of a document; -1 at the top
	facts  []about
}

// about is what an object says of its place and name.
type about struct {
	name                               string
	object, father, instance, inserted string // file ids
}

func (f *file) tree() *tree {
	t := &tree{f: f, ids: make([]string, len(f.docs)), parent: make([]int, len(f.docs)), facts: make([]about, len(f.docs))}
	at, used := map[string]int{}, map[string]int{}
	transform := map[string]int{} // of a game object
	for i := range f.docs {
		d := &f.docs[i]
		t.facts[i] = f.about(d)
		t.ids[i] = d.id
		if d.id == "" {
			t.ids[i] = "meta"
		}
		if used[d.id]++; used[d.id] > 1 {
			t.ids[i] = d.id + "#" + strconv.Itoa(used[d.id])
			continue
		}
		at[d.id] = i
		if d.class == "Transform" || d.class == "RectTransform" {
			transform[t.facts[i].object] = i
		}
	}
	find := func(id string) int {
		if i, ok := at[id]; ok && id != "" && id != "0" {
			return i
		}
		return -1
	}
	// holder is what a transform is of: its game object, or the prefab that has both.
	holder := func(id string) int {
		i := find(id)
		if i < 0 {
			return -1
		}
		if f.docs[i].stripped {
			return find(t.facts[i].instance)
		}
		return find(t.facts[i].object)
	}
	for i := range f.docs {
		a := &t.facts[i]
		t.parent[i] = -1
		switch d := &f.docs[i]; {
		case d.stripped:
			t.parent[i] = find(a.instance)
		case d.class == "GameObject":
			if k, ok := transform[d.id]; ok {
				t.parent[i] = holder(t.facts[k].father)
			}
		case d.class == "PrefabInstance" || d.class == "Prefab":
			t.parent[i] = holder(a.inserted)
		default:
			t.parent[i] = find(a.object)
		}
	}
	t.cut()
	return t
}

// cut breaks circles, which no sound file has.
func (t *tree) cut() {
	state := make([]int, len(t.parent)) // the round in which it was seen
	for i := range t.parent {
		for k := i; k >= 0 && state[k] != -1; k = t.parent[k] {
			if state[k] == i+1 {
				t.parent[k] = -1
				break
			}
			state[k] = i + 1
		}
		for k := i; k >= 0 && state[k] == i+1; k = t.parent[k] {
			state[k] = -1
		}
	}
}

func (f *file) about(d *document) (a about) {
	renamed := false
	for k := range d.fields {
		x := &d.fields[k]
		id := ""
		pointers(f.b, x.value, func(p pointer) {
			if p.guid == "" {
				id = p.fileID
			}
		})
		switch {
		case x.key == "m_Name" && x.indent == 2:
			a.name = scalar(f.text(x.value))
		case x.key == "m_GameObject" && x.indent == 2:
			a.object = id
		case x.key == "m_Father" && x.indent == 2:
			a.father = id
		case x.key == "m_PrefabInstance" && x.indent == 2, x.key == "m_PrefabInternal" && x.indent == 2:
			a.instance = id
		case x.key == "m_TransformParent":
			a.inserted = id
		case x.key == "propertyPath":
			renamed = f.text(x.value) == "m_Name"
		case x.key == "value" && renamed && a.name == "":
			a.name = scalar(f.text(x.value))
		}
	}
	return a
}

func (t *tree) element(i int) format.Element {
	d := &t.f.docs[i]
	e := format.Element{ID: t.ids[i], Kind: kind(d.class), Name: t.facts[i].name, Bytes: int64(d.end - d.off), Properties: map[string]string{}}
	if d.id != "" {
		e.Stable = e.ID
	}
	if e.Name == "" {
		e.Name = d.class
	}
	if p := t.parent[i]; p >= 0 {
		e.Parent = t.ids[p]
	}
	level := 2
	if d.id == "" {
		level, e.Kind, e.Name = 0, "import", "import settings"
	}
	// A block is from a key at its level to before the next.
	for k := 0; k < len(d.fields); {
		x := &d.fields[k]
		next := k + 1
		for next < len(d.fields) && !(d.fields[next].indent == level && !d.fields[next].item && d.fields[next].key != "") {
			next++
		}
		end := d.end
		if next < len(d.fields) {
			end = d.fields[next].off
		}
		if x.indent == level && x.key != "" && !place(x.key) {
			put(&e, x.key, t.f.b[x.off:end])
		}
		k = next
	}
	return e
}

// place: keys that say where an object stands, or what is in it, which others say too.
func place(key string) bool {
	switch key {
	case "m_Name", "m_Children", "m_Father", "m_RootOrder", "m_Component", "m_GameObject":
		return true
	}
	return false
}

// put notes a block: its value as it is, or its beginning and hash.
func put(e *format.Element, key string, block []byte) {
	key = strings.TrimPrefix(key, "m_")
	words := bytes.Join(bytes.Fields(block), []byte(" ")) // however the lines are broken
	_, value, _ := bytes.Cut(words, []byte(":"))
	if value = bytes.TrimSpace(value); len(value) <= shown {
		e.Properties[key] = string(value)
		return
	}
	e.Properties[key] = strings.ToValidUTF8(string(value[:shown]), "") + "… " + format.HashOf(value)
}

func kind(class string) string {
	switch class {
	case "GameObject":
		return "object"
	case "Transform", "RectTransform":
		return "transform"
	case "MonoBehaviour":
		return "script"
	case "PrefabInstance", "Prefab":
		return "prefab"
	case "AnimationClip":
		return "animation"
	}
	return strings.ToLower(class)
}
