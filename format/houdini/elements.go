package houdini

import (
	"bytes"
	"context"
	"path"
	"strings"

	"varve/format"
)

// Elements lists nodes.
func (Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	s, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []format.Element
	at := map[string]int{}
	for _, e := range s.entries {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		ext := path.Ext(e.name)
		aspect := ""
		switch ext {
		case ".parm":
			aspect = "parameters"
		case ".chn":
			aspect = "channels"
		case ".spareparmdef":
			aspect = "interface"
		case ".init":
		default:
			continue
		}
		if !network(e.name) || len(out) == format.MaxElements {
			continue
		}
		id := "/" + strings.TrimSuffix(e.name, ext)
		i, ok := at[id]
		if !ok {
			i = len(out)
			at[id] = i
			node := format.Element{ID: id, Kind: "node", Name: path.Base(id), Properties: map[string]string{}, Aspects: map[string]string{}}
			for up := path.Dir(id); up != "/" && node.Parent == ""; up = path.Dir(up) {
				if _, ok := at[up]; ok {
					node.Parent = up
				}
			}
			out = append(out, node)
		}
		data := s.b[e.from:e.to]
		out[i].Bytes += int64(len(data))
		if aspect != "" {
			out[i].Aspects[aspect] = format.HashOf(data)
			continue
		}
		for line := range bytes.Lines(data) {
			if t, ok := bytes.CutPrefix(line, []byte("type = ")); ok {
				out[i].Properties["type"] = string(bytes.TrimSpace(t))
			}
		}
	}
	return out, nil
}
