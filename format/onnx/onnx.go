// Package onnx knows the tensors of ONNX models, and the files that a model keeps tensors in.
//
// It promises: of the graph what is not a tensor is one hash, "graph" in the metadata; it is not judged.
//
// # Bytes
//
// A protocol buffer without a magic number. Of ModelProto field 7 is the graph; of that 1 are the nodes and 5 the
// initializers; of those 1 the sides, 2 the type, 8 the name, and one of 9 raw bytes, 4, 5, 7, 10, 11 numbers as protocol
// buffers have them, or 13 entries that say in which file, from where on and how long (14 is 1).
package onnx

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"varve/format"
	"varve/format/tensor"
	"varve/format/weights"
)

// Format is the format. It has no state.
type Format struct{}

// Name is "onnx".
func (Format) Name() string { return "onnx" }

// Match looks at the extension, and at the first field.
func (Format) Match(name string, head []byte) bool {
	if !strings.EqualFold(path.Ext(name), ".onnx") || len(head) == 0 {
		return false
	}
	switch head[0] {
	case 0x08, 0x12, 0x1a, 0x3a, 0x42: // version, producer, its version, graph, operators
		return true
	}
	return false
}

// Tensors lists the initializers and the constants of nodes. Those of files beside the model that are not there are left
// out.
func (Format) Tensors(ctx context.Context, in format.Input) (*tensor.List, error) {
	return format.Once(in, "onnx tensors", func() (*tensor.List, error) {
		m, err := once(ctx, in)
		if err != nil {
			return nil, err
		}
		list := &tensor.List{Metadata: map[string]string{}, Tensors: slices.Clone(m.tensors)}
		for k, v := range m.metadata {
			list.Metadata[k] = v
		}
		if list.Metadata["graph"], err = m.graph(ctx, in); err != nil {
			return nil, err
		}
		return list, m.external(in, list)
	})
}

// Regions returns one for each tensor that stands in the file.
func (Format) Regions(in format.Input) ([]format.Region, error) {
	m, err := once(context.Background(), in)
	if err != nil {
		return nil, err
	}
	return weights.Regions(&tensor.List{Tensors: m.tensors}), nil
}

// Elements lists the tensors, with hashes of their bytes, and the graph without them.
func (f Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	list, err := f.Tensors(ctx, in)
	if err != nil {
		return nil, err
	}
	out, err := weights.Elements(ctx, in, list)
	return withGraph(out, list), err
}

// Outline lists the tensors and the graph.
func (f Format) Outline(ctx context.Context, in format.Input) ([]format.Element, error) {
	list, err := f.Tensors(ctx, in)
	if err != nil {
		return nil, err
	}
	return withGraph(weights.Outline(list), list), nil
}

// graphID is that of the element for all that is no tensor: no tensor has such a name.
const graphID = "\x00graph"

func withGraph(tensors []format.Element, list *tensor.List) []format.Element {
	g := format.Element{ID: graphID, Stable: graphID, Kind: "graph", Name: "graph", Aspects: map[string]string{"graph": list.Metadata["graph"]}}
	for _, e := range tensors {
		if e.ID == graphID {
			return tensors
		}
	}
	return append([]format.Element{g}, tensors...)
}

// Extract makes a .npy of a tensor, or a .safetensors where NumPy has no such type.
func (f Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	if id == graphID {
		return nil, format.Unsupported("a graph without its tensors as a file of its own")
	}
	list, err := f.Tensors(ctx, in)
	if err != nil {
		return nil, err
	}
	return weights.Extract(ctx, in, list, id)
}

// Validate checks that all fields end where they should, and that tensors have the bytes that their sides ask for.
func (Format) Validate(ctx context.Context, in format.Input) error {
	_, err := once(ctx, in)
	return err
}

// References are the files that tensors are in, each once.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	m, err := once(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []format.Reference
	seen := map[string]bool{}
	for i := range m.outside {
		x := &m.outside[i]
		if seen[x.location] || x.location == "" {
			continue
		}
		seen[x.location] = true
		style := format.Relative
		if strings.HasPrefix(x.location, "/") {
			style = format.Absolute
		}
		out = append(out, format.Reference{Kind: "weights", Raw: x.location, Path: x.location, Style: style, Off: x.off, Len: int64(len(x.location))})
	}
	return out, nil
}

// external adds the tensors of other files.
func (m *model) external(in format.Input, list *tensor.List) error {
	gone := map[string]int{}
	var order []string
	for i := range m.outside {
		x := &m.outside[i]
		beside, err := format.Beside(in, x.location)
		if err != nil {
			if gone[x.location]++; gone[x.location] == 1 {
				order = append(order, x.location)
			}
			continue
		}
		t := x.tensor
		if x.from < 0 || t.Size < 0 || x.from > beside.Size() || t.Size > beside.Size()-x.from {
			return format.Malformed("tensor %.80q: %d bytes at %d of %.80q, which has %d", t.Name, t.Size, x.from, x.location, beside.Size())
		}
		t.In, t.Off, t.Len = beside, x.from, t.Size
		list.Tensors = append(list.Tensors, t)
	}
	for _, location := range order {
		list.Notes = append(list.Notes, fmt.Sprintf("%.200q cannot be read: the %d tensors in it are left out", location, gone[location]))
	}
	return nil
}

// graph is a hash of the file without the elements of its tensors.
func (m *model) graph(ctx context.Context, in format.Input) (string, error) {
	sum := sha256.New()
	at := int64(0)
	slices.SortFunc(m.data, func(a, b [2]int64) int { return int(min(max(a[0]-b[0], -1), 1)) })
	for _, d := range append(slices.Clone(m.data), [2]int64{in.Size(), 0}) {
		if err := ctx.Err(); err != nil {
			return "", err
		}
		if d[0] < at {
			continue
		}
		if _, err := io.Copy(sum, io.NewSectionReader(in, at, d[0]-at)); err != nil {
			return "", err
		}
		at = d[0] + d[1]
	}
	return hex.EncodeToString(sum.Sum(nil)[:16]), nil
}
