package gguf

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/tensor"
)

// made is a file of a version and byte order: an array of texts, an alignment of 64, one F32 and one Q8_0 tensor.
func made(version uint32, o order) []byte {
	b := o.AppendUint32([]byte(magic), version)
	length := func(n int) {
		if version == 1 {
			b = o.AppendUint32(b, uint32(n))
		} else {
			b = o.AppendUint64(b, uint64(n))
		}
	}
	text := func(s string) { length(len(s)); b = append(b, s...) }
	length(2)
	length(3)
	text("general.alignment")
	b = o.AppendUint32(o.AppendUint32(b, 4), 64)
	text("tokens")
	b = o.AppendUint32(o.AppendUint32(b, kindArray), kindText)
	length(2)
	text("a")
	text("bc")
	text("general.name")
	b = o.AppendUint32(b, kindText)
	text("made")
	text("w")
	b = o.AppendUint32(b, 2)
	length(3)
	length(2)
	b = o.AppendUint64(o.AppendUint32(b, 0), 0)
	text("q")
	b = o.AppendUint32(b, 1)
	length(32)
	b = o.AppendUint64(o.AppendUint32(b, 8), 64)
	b = append(b, make([]byte, -len(b)&63)...)
	for i := range 6 {
		b = o.AppendUint32(b, []uint32{0x3f800000, 0x40000000, 0x40400000, 0x40800000, 0x40a00000, 0x40c00000}[i])
	}
	b = append(b, make([]byte, 40)...)
	b = o.AppendUint16(b, 0x3800) // a half: 0.5
	for i := range 32 {
		b = append(b, byte(int8(i-16)))
	}
	return b
}

func TestVersionsAndByteOrders(t *testing.T) {
	files := map[string][]byte{"v1.gguf": made(1, binary.LittleEndian), "v2.gguf": made(2, binary.LittleEndian), "v3.gguf": made(3, binary.LittleEndian), "big.gguf": made(3, binary.BigEndian)}
	formattest.Run(t, Format{}, files)
	for name, b := range files {
		list, err := (Format{}).Tensors(t.Context(), format.Bytes(b))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if m := list.Metadata; m["tokens"] != "[a bc]" || m["general.name"] != "made" || len(m) != 3 {
			t.Errorf("%s: %v", name, m)
		}
		w, q := &list.Tensors[0], &list.Tensors[1]
		x, err := w.Floats(bytes.NewReader(b), 100)
		if err != nil || !slices.Equal(x, []float64{1, 2, 3, 4, 5, 6}) || !slices.Equal(w.Shape, []int64{2, 3}) {
			t.Errorf("%s: %v of %v, %v", name, x, w.Shape, err)
		}
		if name == "big.gguf" {
			continue // half of a block's scale is not turned round
		}
		y, err := q.Floats(bytes.NewReader(b), 100)
		if err != nil || len(y) != 32 || y[0] != -8 || y[31] != 7.5 {
			t.Errorf("%s: %v, %v", name, y, err)
		}
		out, err := (Format{}).Extract(t.Context(), format.Bytes(b), "q")
		if err != nil || out.Extension != ".gguf" {
			t.Fatalf("%s: %v", name, err)
		}
		again, err := (Format{}).Tensors(t.Context(), out.Content)
		if err != nil || len(again.Tensors) != 1 || again.Tensors[0].Type != tensor.Q8_0 {
			t.Errorf("%s: extracted: %+v, %v", name, again, err)
		}
	}
}

// TestSamples: tensor table and data offset as another program wrote them down.
func TestSamples(t *testing.T) {
	files := formattest.Files(t, "tensor/generated", ".gguf")
	formattest.Run(t, Format{}, files)
	var truth map[string]json.RawMessage
	if err := json.Unmarshal(formattest.Sample(t, "tensor/generated/TRUTH.json"), &truth); err != nil {
		t.Fatal(err)
	}
	for name, b := range files {
		var want struct {
			KV      int   `json:"kv"`
			Data    int64 `json:"data_offset"`
			Tensors []struct {
				Name, Type string
				Dims       []int64
				Bytes      int64
			}
		}
		if err := json.Unmarshal(truth[name], &want); err != nil {
			t.Fatal(err)
		}
		list, err := (Format{}).Tensors(t.Context(), format.Bytes(b))
		if err != nil || len(list.Tensors) != len(want.Tensors) || len(list.Metadata) != want.KV || list.Tensors[0].Off != want.Data {
			t.Fatalf("%s: %+v, %v", name, list, err)
		}
		for i, w := range want.Tensors {
			g := list.Tensors[i]
			slices.Reverse(w.Dims)
			if g.Name != w.Name || g.Type.String() != w.Type || g.Len != w.Bytes || !slices.Equal(g.Shape, w.Dims) {
				t.Errorf("%s: %+v, want %+v", name, g, w)
			}
		}
	}
}

func TestHostile(t *testing.T) {
	whole := made(3, binary.LittleEndian)
	for n := range whole {
		if err := (Format{}).Validate(t.Context(), format.Bytes(whole[:n])); !errors.Is(err, format.ErrMalformed) {
			t.Fatalf("cut at %d: %v", n, err)
		}
	}
	if err := (Format{}).Validate(t.Context(), format.Bytes(made(9, binary.LittleEndian))); !errors.Is(err, format.ErrUnsupported) {
		t.Errorf("version 9: %v", err)
	}
}

func Fuzz(f *testing.F) {
	formattest.Fuzz(f, Format{}, map[string][]byte{"v1": made(1, binary.LittleEndian), "v3": made(3, binary.LittleEndian), "big": made(3, binary.BigEndian)})
}
