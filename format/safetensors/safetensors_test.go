package safetensors

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"varve/format"
)

func file(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

func regions(t testing.TB, b []byte) ([]format.Region, error) {
	t.Helper()
	return Format{}.Regions(bytes.NewReader(b))
}

func TestRegions(t *testing.T) {
	h := `{"__metadata__":{"step":"3"},"b":{"dtype":"F32","shape":[2,3],"data_offsets":[8,32]},"a":{"dtype":"BF16","shape":[4],"data_offsets":[0,8]},` +
		`"none":{"dtype":"F16","shape":[0,9],"data_offsets":[8,8]},"one":{"dtype":"F64","shape":[],"data_offsets":[32,40]},` +
		`"new":{"dtype":"F4","shape":[2],"data_offsets":[40,41]},"i8":{"shape":[3],"dtype":"I8","more":{"x":[1]},"data_offsets":[41,44]}}   `
	at := int64(8 + len(h))
	got, err := regions(t, file(h, 44))
	want := []format.Region{{Off: at + 8, Len: 24, Width: 4, Name: "b"}, {Off: at, Len: 8, Width: 2, Name: "a"}, {Off: at + 32, Len: 8, Width: 8, Name: "one"},
		{Off: at + 40, Len: 1, Width: 1, Name: "new"}, {Off: at + 41, Len: 3, Width: 1, Name: "i8"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v\nwant %v", got, err, want)
	}
	if got, err := regions(t, file("{}", 0)); err != nil || len(got) != 0 {
		t.Errorf("no tensors: %v, %v", got, err)
	}
}

func TestRegionsRefuseWhatIsHostile(t *testing.T) {
	one := func(entry string) []byte { return file(`{"a":`+entry+`}`, 64) }
	for name, b := range map[string][]byte{
		"nothing":           nil,
		"short":             {1, 2, 3},
		"header over end":   append(binary.LittleEndian.AppendUint64(nil, 100), "{}"...),
		"header huge":       append(binary.LittleEndian.AppendUint64(nil, 1<<63), "{}"...),
		"header over limit": append(binary.LittleEndian.AppendUint64(nil, maxHeader+1), "{}"...),
		"no JSON":           file("tensors", 0),
		"array":             file("[]", 0),
		"cut":               file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}`, 4),
		"no offsets":        one(`{"dtype":"F32","shape":[1]}`),
		"three offsets":     one(`{"dtype":"F32","shape":[1],"data_offsets":[0,4,8]}`),
		"backwards":         one(`{"dtype":"F32","shape":[1],"data_offsets":[8,4]}`),
		"negative":          one(`{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}`),
		"over end":          one(`{"dtype":"F32","shape":[17],"data_offsets":[0,68]}`),
		"far over end":      one(`{"dtype":"F32","shape":[1],"data_offsets":[9223372036854775803,9223372036854775807]}`),
		"beyond int64":      one(`{"dtype":"F32","shape":[1],"data_offsets":[0,9223372036854775808]}`),
		"other shape":       one(`{"dtype":"F32","shape":[2],"data_offsets":[0,4]}`),
		"shape overflows":   one(`{"dtype":"F32","shape":[4294967296,4294967296,4294967297],"data_offsets":[0,4]}`),
		"negative shape":    one(`{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}`),
		"many dimensions":   one(`{"dtype":"F32","shape":[` + strings.Repeat("1,", 99) + `1],"data_offsets":[0,4]}`),
		"tensor is a list":  one(`[1]`),
	} {
		if got, err := regions(t, b); !errors.Is(err, ErrNot) {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

func TestMatch(t *testing.T) {
	whole, spaced := file(`{"a":{}}`, 0), file("{ }", 0)
	for _, v := range []struct {
		name string
		head []byte
		want bool
	}{{"m.safetensors", whole, true}, {"dir/M.SafeTensors", spaced, true}, {"renamed.bin", whole, true}, {"x.bin", spaced, false},
		{"m.safetensors", []byte("version https://git-lfs"), false}, {"m.safetensors", nil, false}, {"notes.json", []byte(`{"a": {"b": "c"}}`), false}} {
		if got := (Format{}).Match(v.name, v.head); got != v.want {
			t.Errorf("%s, %.12q: %t", v.name, v.head, got)
		}
	}
}

// The samples are read here in another way than the package does: the header whole, into maps.
func TestSamples(t *testing.T) {
	root := os.Getenv("VARVE_SAMPLES")
	if root == "" {
		root = "../../../shared/samples"
	}
	names, err := filepath.Glob(filepath.Join(root, "tensor", "*", "*.safetensors"))
	if err != nil || len(names) == 0 {
		t.Skipf("no samples in %s: set VARVE_SAMPLES", root)
	}
	bytesOf := map[string]uint8{"BF16": 2, "F16": 2, "F32": 4, "I64": 8, "I32": 4, "F64": 8, "U8": 1, "I8": 1}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		got, err := regions(t, b)
		if strings.Contains(name, "truncated") {
			if !errors.Is(err, ErrNot) {
				t.Errorf("%s: %d regions, %v", name, len(got), err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		n := binary.LittleEndian.Uint64(b)
		var header map[string]map[string]any
		if err := json.Unmarshal(b[8:8+n], &header); err != nil {
			t.Fatal(err)
		}
		var want []format.Region
		for key, v := range header {
			if key != "__metadata__" {
				at := v["data_offsets"].([]any)
				from, to := int64(at[0].(float64)), int64(at[1].(float64))
				want = append(want, format.Region{Off: 8 + int64(n) + from, Len: to - from, Width: bytesOf[v["dtype"].(string)], Name: key})
			}
		}
		byOff := func(a, b format.Region) int { return cmp.Compare(a.Off, b.Off) }
		slices.SortFunc(want, byOff)
		slices.SortFunc(got, byOff)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
		if !(Format{}).Match("x", b[:min(len(b), format.HeadSize)]) {
			t.Errorf("%s is not known by its content", name)
		}
	}
}

func FuzzRegions(f *testing.F) {
	f.Add(file(`{"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}`, 16))
	f.Add(file(`{"__metadata__":{},"a":{"dtype":"BF16","shape":[],"data_offsets":[0,2]}}`, 2))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff{"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := regions(t, b)
		if err != nil && !errors.Is(err, ErrNot) {
			t.Fatal(err)
		}
		for _, g := range got {
			if g.Off < 8 || g.Len <= 0 || g.Off > int64(len(b)) || g.Len > int64(len(b))-g.Off || g.Len%int64(g.Width) != 0 {
				t.Fatalf("%+v of %d bytes", g, len(b))
			}
		}
		set := format.Set{Format{}}
		for _, g := range set.Regions("m.safetensors", bytes.NewReader(b), int64(len(b))) {
			if g.Off+g.Len > int64(len(b)) {
				t.Fatalf("%+v of %d bytes", g, len(b))
			}
		}
	})
}
