package nuke

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"varve/format"
)

// Elements lists nodes.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	s, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	ids := s.ids()
	out := make([]format.Element, len(s.nodes))
	for i := range s.nodes {
		if i&0xff == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		n := &s.nodes[i]
		e := format.Element{ID: ids[i], Kind: elementKind(n.class), Name: n.name, Bytes: int64(n.bytes), Properties: map[string]string{"class": n.class}, Aspects: map[string]string{}}
		if n.parent >= 0 {
			e.Parent = ids[n.parent]
		}
		if n.name == "" || n.class == "Root" {
			e.Name = n.class
		}
		if f := n.value(s, "file"); f != "" {
			e.Properties["file"] = f
		}
		if n.value(s, "disable") == "true" {
			e.Properties["disabled"] = "true"
		}
		e.Aspects["knobs"] = s.sum(n)
		if len(n.inputs) > 0 {
			var to strings.Builder
			for _, k := range n.inputs {
				if k >= 0 {
					to.WriteString(ids[k])
				}
				to.WriteByte('\n')
			}
			e.Aspects["inputs"] = format.HashOf([]byte(to.String()))
		}
		out[i] = e
	}
	return out, nil
}

// sum hashes the knobs of a node, without where it lies and whether it is chosen.
func (s *script) sum(n *node) string {
	h := sha256.New()
	for _, k := range n.knobs {
		switch k.name {
		case "xpos", "ypos", "selected", "name", "frame", "gl_color", "inputs":
			continue
		case "cached", "postage_stamp", "dope_sheet", "lifetimeStart", "lifetimeEnd":
			continue
		}
		w := &words{b: s.b, at: k.from, end: k.to}
		for {
			v, ok, err := w.word()
			if !ok || err != nil {
				break
			}
			_, _ = h.Write(s.b[v.in:v.inEnd])
			_, _ = h.Write([]byte{0})
		}
		_, _ = io.WriteString(h, "\n")
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// ids are names with those of groups before; of nodes without one their class and a number.
func (s *script) ids() []string {
	out := make([]string, len(s.nodes))
	used := make(map[string]int, len(s.nodes))
	for i := range s.nodes {
		n := &s.nodes[i]
		id := n.name
		switch {
		case n.class == "Root":
			id = "root"
		case id == "":
			id = n.class
		}
		if n.parent >= 0 && len(out[n.parent]) < 4096 {
			id = out[n.parent] + "." + id
		}
		for used[id] > 0 {
			used[id]++
			id = fmt.Sprintf("%s#%d", id, used[id])
		}
		used[id] = 1
		out[i] = id
	}
	return out
}

func elementKind(class string) string {
	switch class {
	case "Root":
		return "settings"
	case "Group", "Gizmo", "LiveGroup":
		return "group"
	case "BackdropNode", "StickyNote":
		return "note"
	case "Read", "DeepRead":
		return "image"
	case "Camera", "Camera2", "Camera3", "Camera4":
		return "camera"
	case "Write", "DeepWrite", "WriteGeo":
		return "output"
	}
	return "node"
}
