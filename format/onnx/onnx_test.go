package onnx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/tensor"
)

func key(number, kind int) []byte { return binary.AppendUvarint(nil, uint64(number<<3|kind)) }

func num(number int, x uint64) []byte { return binary.AppendUvarint(key(number, 0), x) }

func msg(number int, parts ...[]byte) []byte {
	body := bytes.Join(parts, nil)
	return append(binary.AppendUvarint(key(number, 2), uint64(len(body))), body...)
}

func str(number int, s string) []byte { return msg(number, []byte(s)) }

func pair(number int, k, v string) []byte { return msg(number, str(1, k), str(2, v)) }

func floats(x ...float32) []byte {
	var b []byte
	for _, v := range x {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func made(op string, raw []byte) []byte {
	negative := int64(-7)
	return bytes.Join([][]byte{num(1, 8), str(2, "made"), msg(8, num(2, 17)), pair(14, "author", "me"),
		msg(7,
			msg(1, str(1, "x"), str(2, "y"), str(4, op)),
			msg(1, str(2, "c"), str(4, "Constant"), msg(5, str(1, "value"), msg(5, num(1, 2), num(2, 1), msg(4, floats(8, 9))))),
			msg(1, str(2, "if"), str(4, "If"), msg(5, str(1, "then"), msg(6, msg(5, num(2, 11), str(8, "inner"), msg(10, make([]byte, 8)))))),
			msg(5, msg(1, []byte{2, 3}), num(2, 1), str(8, "raw"), msg(9, raw)),
			msg(5, num(1, 2), num(2, 7), str(8, "long"), msg(7, binary.AppendUvarint(binary.AppendUvarint(nil, uint64(negative)), 1<<40))),
			msg(5, num(1, 3), num(2, 3), str(8, "byte"), msg(5, binary.AppendUvarint(nil, uint64(negative)), []byte{1, 2})),
			msg(5, num(1, 3), num(2, 10), str(8, "half"), msg(5, binary.AppendUvarint(nil, 0x3c00), binary.AppendUvarint(nil, 0x4000), []byte{0})),
			msg(5, num(1, 2), num(2, 1), str(8, "far"), pair(13, "location", "w/model.data"), pair(13, "offset", "4"), pair(13, "length", "8"), num(14, 1)),
			msg(5, num(1, 1), num(2, 1), str(8, "gone"), pair(13, "location", "other.data"), num(14, 1)),
			msg(5, num(1, 0), num(2, 1), str(8, "none")),
		)}, nil)
}

func TestMade(t *testing.T) {
	b := made("Relu", floats(1, 2, 3, 4, 5, 6))
	formattest.Run(t, Format{}, map[string][]byte{"m.onnx": b})
	in := formattest.Folder{Input: format.Bytes(b), Files: map[string][]byte{"w/model.data": floats(0, 10, 11)}}
	list, err := (Format{}).Tensors(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for i := range list.Tensors {
		w := &list.Tensors[i]
		x, err := w.Floats(in, 100)
		got[w.Name] = fmt.Sprint(w.Type, w.Shape, x, err)
	}
	for name, want := range map[string]string{"c.value": "F32 [2] [8 9] <nil>", "if/inner": "F64 [] [0] <nil>", "raw": "F32 [2 3] [1 2 3 4 5 6] <nil>", "long": "I64 [2] [-7 1.099511627776e+12] <nil>",
		"byte": "I8 [3] [-7 1 2] <nil>", "half": "F16 [3] [1 2 0] <nil>", "far": "F32 [2] [10 11] <nil>", "none": "F32 [0] [] <nil>"} {
		if got[name] != want {
			t.Errorf("%s: %q, want %q", name, got[name], want)
		}
	}
	if len(list.Notes) != 1 || len(got) != 8 || list.Metadata["opset.ai.onnx"] != "17" || list.Metadata["metadata.author"] != "me" {
		t.Errorf("%v, %v, %v", got, list.Notes, list.Metadata)
	}
	refs, err := (Format{}).References(t.Context(), in)
	if err != nil || len(refs) != 2 || refs[0].Path != "w/model.data" || string(b[refs[0].Off:refs[0].Off+refs[0].Len]) != "w/model.data" {
		t.Errorf("%+v, %v", refs, err)
	}
}

// TestGraphIsCompared: other weights leave the graph's hash, another node does not.
func TestGraphIsCompared(t *testing.T) {
	graph := func(b []byte) string {
		list, err := (Format{}).Tensors(t.Context(), format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		return list.Metadata["graph"]
	}
	is := graph(made("Relu", floats(1, 2, 3, 4, 5, 6)))
	if graph(made("Relu", floats(1, 2, 3, 4, 5, 7))) != is || graph(made("Gelu", floats(1, 2, 3, 4, 5, 6))) == is {
		t.Error("the hash of the graph is of something else")
	}
}

func TestHostile(t *testing.T) {
	for name, b := range map[string][]byte{
		"raw too short": made("Relu", floats(1)),
		"no graph":      num(1, 8),
		"cut":           made("Relu", floats(1, 2, 3, 4, 5, 6))[:200],
		"kind":          {0x0b},
		"endless":       bytes.Repeat([]byte{0xff}, 40),
		"negative side": msg(7, msg(5, num(1, 1<<63), num(2, 1), msg(9))),
		"huge":          msg(7, msg(5, num(1, 1<<40), num(1, 1<<40), num(2, 1), msg(9, floats(1)))),
	} {
		if err := (Format{}).Validate(t.Context(), format.Bytes(b)); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	deep := []byte{}
	for range 100 {
		deep = msg(1, msg(5, msg(6, deep)))
	}
	if err := (Format{}).Validate(t.Context(), format.Bytes(msg(7, deep))); !errors.Is(err, format.ErrLimit) {
		t.Errorf("graphs in graphs: %v", err)
	}
}

func TestSamples(t *testing.T) {
	files := formattest.Files(t, "tensor/onnx", ".onnx")
	formattest.Run(t, Format{}, files)
	b := files["pytorch-converted/test_Linear/model.onnx"]
	list, err := (Format{}).Tensors(t.Context(), format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	var shapes [][]int64
	for _, w := range list.Tensors {
		shapes = append(shapes, w.Shape)
		if w.Type != tensor.F32 {
			t.Errorf("%+v", w)
		}
	}
	// nn.Linear(10, 8): a weight and a bias.
	if len(shapes) != 2 || !slices.Equal(shapes[0], []int64{8, 10}) || !slices.Equal(shapes[1], []int64{8}) {
		t.Errorf("%v", shapes)
	}
}

func Fuzz(f *testing.F) {
	formattest.Fuzz(f, Format{}, map[string][]byte{"m": made("Relu", floats(1, 2, 3, 4, 5, 6))})
}
