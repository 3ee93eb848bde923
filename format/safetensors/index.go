package safetensors

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"varve/format"
	"varve/format/tensor"
	"varve/format/weights"
)

// Index is the format of model.safetensors.index.json, which says in which file of several each tensor is: "weight_map"
// is tensor name → file name. It has no state.
type Index struct{}

// Name is "safetensors-index".
func (Index) Name() string { return "safetensors-index" }

// Match looks at the name: *.safetensors.index.json, also with a variant before ".json".
func (Index) Match(name string, head []byte) bool {
	name = strings.ToLower(name)
	b := bytes.TrimLeft(head, " \t\r\n")
	return strings.Contains(name, ".safetensors.index.") && strings.HasSuffix(name, ".json") && len(b) > 0 && b[0] == '{'
}

const maxIndex = 64 << 20

// shard is a file that an index names, and where it does first.
type shard struct {
	path    string
	raw     string
	off     int64
	tensors []string
}

// index reads which files there are, in the order of the document.
func index(in format.Input) ([]*shard, error) {
	b, err := format.ReadSpan(in, 0, in.Size(), maxIndex)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(b))
	var out []*shard
	by := map[string]*shard{}
	depth, within := 0, false
	var key string
	isKey := false
	for {
		token, err := d.Token()
		if err != nil {
			return nil, format.Malformed("index: %v", err)
		}
		switch v := token.(type) {
		case json.Delim:
			if v == '{' || v == '[' {
				depth++
				within = within || depth == 2 && v == '{' && key == "weight_map"
				isKey = v == '{'
				continue
			}
			if depth--; depth == 0 {
				return out, nil
			}
			within = within && depth >= 2
			isKey = true
		case string:
			if isKey && depth <= 2 {
				key, isKey = v, false
				continue
			}
			isKey = true
			if !within || depth != 2 || v == "" {
				continue
			}
			s := by[v]
			if s == nil {
				end := d.InputOffset()
				from := end - 1
				for from > 0 && b[from-1] != '"' {
					from--
				}
				s = &shard{path: v, raw: string(b[from : end-1]), off: from}
				by[v], out = s, append(out, s)
			}
			s.tensors = append(s.tensors, key)
		default:
			isKey = true
		}
	}
}

// References are the files that hold the tensors.
func (Index) References(_ context.Context, in format.Input) ([]format.Reference, error) {
	shards, err := index(in)
	if err != nil {
		return nil, err
	}
	var out []format.Reference
	for _, s := range shards {
		style := format.Relative
		if strings.HasPrefix(s.path, "/") {
			style = format.Absolute
		}
		out = append(out, format.Reference{Kind: "weights", Raw: s.raw, Path: s.path, Style: style, Off: s.off, Len: int64(len(s.raw))})
	}
	return out, nil
}

// Tensors are those of all files, as far as they are there.
func (Index) Tensors(_ context.Context, in format.Input) (*tensor.List, error) {
	shards, err := index(in)
	if err != nil {
		return nil, err
	}
	out := &tensor.List{}
	for _, s := range shards {
		beside, err := format.Beside(in, s.path)
		if errors.Is(err, fs.ErrNotExist) {
			out.Notes = append(out.Notes, fmt.Sprintf("%.200s is not there: the %d tensors in it are left out", s.path, len(s.tensors)))
			continue
		}
		if err != nil {
			return nil, err
		}
		h, err := read(beside)
		if err != nil {
			return nil, fmt.Errorf("%.200s: %w", s.path, err)
		}
		slices.Sort(s.tensors)
		for _, t := range h.list.Tensors {
			if _, named := slices.BinarySearch(s.tensors, t.Name); named {
				t.In = beside
				out.Tensors = append(out.Tensors, t)
			}
		}
		if len(out.Tensors) > format.MaxElements {
			return nil, fmt.Errorf("more than %d tensors: %w", format.MaxElements, format.ErrLimit)
		}
	}
	return out, nil
}

// Outline lists the tensors of all files.
func (f Index) Outline(ctx context.Context, in format.Input) ([]format.Element, error) {
	list, err := f.Tensors(ctx, in)
	if err != nil {
		return nil, err
	}
	return weights.Outline(list), nil
}

// Elements lists the tensors of all files, with hashes of their bytes.
func (f Index) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	list, err := f.Tensors(ctx, in)
	if err != nil {
		return nil, err
	}
	return weights.Elements(ctx, in, list)
}

// Validate checks that it is JSON as an index has it.
func (Index) Validate(_ context.Context, in format.Input) error {
	_, err := index(in)
	return err
}
