package safetensors

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/tensor"
)

func sideOf(t *testing.T, b []byte) tensor.Side {
	t.Helper()
	list, err := (Format{}).Tensors(t.Context(), format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	return tensor.Side{List: list, In: bytes.NewReader(b)}
}

func compare(t *testing.T, old, new []byte, o tensor.Options) *tensor.Comparison {
	t.Helper()
	c, err := tensor.Compare(t.Context(), sideOf(t, old), sideOf(t, new), o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// digits reports whether two numbers agree in as many digits as were written down.
func digits(a, b float64) bool { return a == b || math.Abs(a-b) <= 6e-4*math.Abs(b) }

// TestTruth: what NumPy measured of a training, tensor by tensor; that the backbone was frozen; that an adapter's norm is
// that of the product.
func TestTruth(t *testing.T) {
	var truth struct {
		Checkpoints []struct {
			Step    int
			Tensors map[string]struct {
				Relative *float64 `json:"relative_change"`
				Most     float64  `json:"max_abs_change"`
				Equal32  float64  `json:"equal_fp32_words"`
				Equal16  float64  `json:"equal_bf16_words"`
			}
		}
		Adapter struct {
			Rank int64
			Norm float64 `json:"frobenius_norm_of_BA"`
		} `json:"lora-rank4.safetensors"`
	}
	if err := json.Unmarshal(formattest.Sample(t, "tensor/generated/TRUTH.json"), &truth); err != nil {
		t.Fatal(err)
	}
	read := func(of string, step int) []byte {
		return formattest.Sample(t, fmt.Sprintf("tensor/generated/%s-step%03d.safetensors", of, step))
	}
	n := 0
	for i := 1; i < len(truth.Checkpoints); i++ {
		was, is := truth.Checkpoints[i-1].Step, truth.Checkpoints[i].Step
		c := compare(t, read("fp32", was), read("fp32", is), tensor.Options{Frozen: []string{"backbone.*", "head.*"}})
		if len(c.Frozen[0].Broken) != 0 || c.Frozen[0].Matched != 2 || len(c.Frozen[1].Broken) != 2 {
			t.Errorf("step %d: frozen: %+v", is, c.Frozen)
		}
		half := compare(t, read("bf16", was), read("bf16", is), tensor.Options{})
		for name, want := range truth.Checkpoints[i].Tensors {
			p := pairOf(c, name)
			if p.Verdict == tensor.Unchanged != (want.Most == 0) {
				t.Errorf("step %d, %s: %s", is, name, p.Verdict)
			}
			if p.Verdict == tensor.Unchanged {
				continue
			}
			n++
			if want.Relative == nil != math.IsInf(p.Relative, 1) || want.Relative != nil && !digits(p.Relative, *want.Relative) || !digits(p.Most, want.Most) {
				t.Errorf("step %d, %s: relative %v, most %v; want %v", is, name, p.Relative, p.Most, want)
			}
			share := func(p *tensor.Pair) float64 { return float64(p.Equal) / float64(p.Words) }
			if got := share(p); math.Abs(got-want.Equal32) > 6e-5 {
				t.Errorf("step %d, %s: %v of FP32 words are equal, want %v", is, name, got, want.Equal32)
			}
			if got := share(pairOf(half, name)); math.Abs(got-want.Equal16) > 6e-5 {
				t.Errorf("step %d, %s: %v of BF16 words are equal, want %v", is, name, got, want.Equal16)
			}
		}
	}
	if n != 16 {
		t.Errorf("%d tensors were compared", n)
	}
	c := compare(t, read("fp32", 260), formattest.Sample(t, "tensor/generated/fp32-step260.reordered.safetensors"), tensor.Options{})
	if c.Unchanged != 6 || len(c.Pairs) != 6 {
		t.Errorf("in another order: %+v", c)
	}
	lora := formattest.Sample(t, "tensor/generated/lora-rank4.safetensors")
	if c = compare(t, lora, lora, tensor.Options{}); len(c.Adapters) != 1 || c.Adapters[0].Rank != truth.Adapter.Rank || math.Abs(c.Adapters[0].New-truth.Adapter.Norm) > 5e-7 || c.Adapters[0].Delta != 0 {
		t.Errorf("adapter: %+v, want %+v", c.Adapters, truth.Adapter)
	}
}

func pairOf(c *tensor.Comparison, name string) *tensor.Pair {
	return &c.Pairs[slices.IndexFunc(c.Pairs, func(p tensor.Pair) bool { return p.Name == name })]
}

func TestConformance(t *testing.T) {
	files := formattest.Files(t, "tensor", ".safetensors")
	maps.DeleteFunc(files, func(name string, b []byte) bool {
		if name != "generated/truncated.safetensors" {
			return false
		}
		if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
		return true
	})
	formattest.Run(t, Format{}, files)
}

func TestValidate(t *testing.T) {
	for name, b := range map[string][]byte{
		"a gap":           file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}}`, 5),
		"overlap":         file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}`, 3),
		"more at the end": file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}`, 3),
	} {
		if err := (Format{}).Validate(t.Context(), format.Bytes(b)); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestExtract: a BF16 tensor is a .safetensors of that one, which holds the same.
func TestExtract(t *testing.T) {
	b := file(`{"__metadata__":{"step":"3"},"a":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[],"data_offsets":[8,12]}}`, 0)
	b = append(b, 1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 128, 63)
	out, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(b), "a")
	if err != nil || out.Extension != ".safetensors" {
		t.Fatalf("%+v, %v", out, err)
	}
	alone := formattest.All(t, out.Content)
	if err := (Format{}).Validate(t.Context(), format.Bytes(alone)); err != nil {
		t.Error(err)
	}
	if c := compare(t, b, alone, tensor.Options{}); c.Unchanged != 1 || c.Removed != 1 {
		t.Errorf("%+v", c)
	}
	out, err = format.ExtractElement(t.Context(), Format{}, format.Bytes(b), "b")
	if err != nil || out.Extension != ".npy" || !bytes.Contains(formattest.All(t, out.Content), []byte("'descr': '<f4', 'fortran_order': False, 'shape': ()")) {
		t.Errorf("%+v, %v", out, err)
	}
}

const indexText = `{
  "metadata": {"total_size": 24, "weight_map": {"no": "trap.safetensors"}},
  "weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors", "c": "model-1.safetensors", "d": "gone.safetensors"}
}`

func TestIndex(t *testing.T) {
	one := file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"c":{"dtype":"U8","shape":[2],"data_offsets":[2,4]},"unnamed":{"dtype":"U8","shape":[1],"data_offsets":[4,5]}}`, 5)
	two := file(`{"b":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`, 4)
	in := formattest.Folder{Input: format.Bytes([]byte(indexText)), Files: map[string][]byte{"model-1.safetensors": one, "model-2.safetensors": two}}
	if !(Index{}).Match("x/model.safetensors.index.json", []byte(indexText)) || (Index{}).Match("x/index.json", []byte(indexText)) {
		t.Error("match")
	}
	refs, err := format.References(t.Context(), Index{}, in)
	if err != nil || len(refs) != 3 {
		t.Fatalf("%+v, %v", refs, err)
	}
	for i, want := range []string{"model-1.safetensors", "model-2.safetensors", "gone.safetensors"} {
		if r := refs[i]; r.Path != want || indexText[r.Off:r.Off+r.Len] != want {
			t.Errorf("%+v, want %s", r, want)
		}
	}
	list, err := format.Tensors(t.Context(), Index{}, in)
	if err != nil || len(list.Tensors) != 3 || len(list.Notes) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
	if c, err := tensor.Compare(t.Context(), tensor.Side{List: list, In: in}, tensor.Side{List: list, In: in}, tensor.Options{}); err != nil || c.Unchanged != 3 {
		t.Errorf("%+v, %v", c, err)
	}
	formattest.Run(t, Index{}, map[string][]byte{"m.safetensors.index.json": []byte(indexText)})
}

func FuzzIndex(f *testing.F) {
	formattest.Fuzz(f, Index{}, map[string][]byte{"i": []byte(indexText)})
}

func FuzzFormat(f *testing.F) {
	formattest.Fuzz(f, Format{}, map[string][]byte{"f": file(`{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}`, 16)})
}
