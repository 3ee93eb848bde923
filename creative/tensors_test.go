package creative

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"varve/format/safetensors"
	"varve/format/tensor"
)

// weightsFile is a .safetensors of BF16 tensors, each of so many elements.
func weightsFile(t *testing.T, meta string, names []string, of map[string][]byte) string {
	t.Helper()
	header := map[string]any{"__metadata__": map[string]string{"step": meta}}
	var body []byte
	for _, name := range names {
		header[name] = map[string]any{"dtype": "BF16", "shape": []int{len(of[name]) / 2}, "data_offsets": []int{len(body), len(body) + len(of[name])}}
		body = append(body, of[name]...)
	}
	h, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	return string(append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(h))), h...), body...))
}

// TestVisualOfWeights: of two versions in the vault only the tensor that changed is read; what is frozen is told; files of
// the folder are compared as well.
func TestVisualOfWeights(t *testing.T) {
	a := newAtelier(t)
	a.reopen(safetensors.Format{})
	r := rand.New(rand.NewPCG(1, 2))
	names := []string{"backbone.a", "backbone.b", "head"}
	of := map[string][]byte{}
	for _, n := range names {
		var b []byte
		for range 400_000 {
			b = binary.LittleEndian.AppendUint16(b, uint16(math.Float32bits(float32(r.NormFloat64()*0.02))>>16))
		}
		of[n] = b
	}
	first := a.snap(map[string]string{"m.safetensors": weightsFile(t, "1", names, of)})
	head := append([]byte(nil), of["head"]...)
	head[0], head[1] = 0xc0, 0x7f // NaN
	of["head"] = head
	second := a.snap(map[string]string{"m.safetensors": weightsFile(t, "2", []string{"head", "backbone.b", "backbone.a"}, of)})
	v, err := a.Visual(t.Context(), a.open(first, "m.safetensors"), a.open(second, "m.safetensors"), VisualOptions{Tensors: tensor.Options{Frozen: []string{"backbone.*", "*"}}})
	if err != nil {
		t.Fatal(err)
	}
	c := v.Tensors
	if v.Kind != "tensors" || v.Identical || c.Changed != 1 || c.Unchanged != 2 || c.NaN != 1 || len(c.Metadata) != 1 {
		t.Errorf("%s: %+v", v.Kind, c)
	}
	if len(c.Frozen[0].Broken) != 0 || len(c.Frozen[1].Broken) != 1 {
		t.Errorf("frozen: %+v", c.Frozen)
	}
	if read := int64(2*len(head)) + 2*2<<15; c.Read > read {
		t.Errorf("%d bytes were read, where %d have changed", c.Read, read)
	}
	if p, err := v.Picture(t.Context(), Heat, 256); err != nil || p.Width != 256 {
		t.Errorf("picture: %v", err)
	}
	// The same files, unknown to the vault: all is read, and the same is said.
	other := filepath.Join(t.TempDir(), "o.safetensors")
	if err := os.WriteFile(other, []byte(weightsFile(t, "2", names, of)), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(other)
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	loose, err := a.OpenLoose(other, sized{f, info.Size()})
	if err != nil {
		t.Fatal(err)
	}
	defer loose.Close()
	v, err = a.Visual(t.Context(), a.open(second, "m.safetensors"), loose, VisualOptions{})
	if err != nil || !v.Identical || v.BytesSame || v.Tensors.Unchanged != 3 {
		t.Errorf("in another order: %+v, %v", v, err)
	}
}

type sized struct {
	*os.File
	size int64
}

func (s sized) Size() int64 { return s.size }
