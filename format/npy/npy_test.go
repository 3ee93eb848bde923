package npy

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/tensor"
	"varve/format/weights"
)

func made(version byte, head string, elements []byte) []byte {
	b := append([]byte(magic), version, 0)
	if version == 1 {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(head)))
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(head)))
	}
	return append(append(b, head...), elements...)
}

func archived(method uint16, files map[string][]byte) []byte {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for name, b := range files {
		w, _ := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		_, _ = w.Write(b)
	}
	_ = z.Close()
	return out.Bytes()
}

func small() map[string][]byte {
	six := make([]byte, 48)
	for i := range 6 {
		binary.LittleEndian.PutUint64(six[8*i:], math.Float64bits(float64(i+1)))
	}
	return map[string][]byte{
		"v1.npy":     made(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }\n", six),
		"v2.npy":     made(2, "{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3), }\n", six),
		"v3.npy":     made(3, "{\"shape\": (6,), 'fortran_order': False, 'descr': '<f8'}", six),
		"one.npy":    made(1, "{'descr': '|b1', 'fortran_order': False, 'shape': (), }\n", []byte{1}),
		"none.npy":   made(1, "{'descr': '>i4', 'fortran_order': False, 'shape': (0, 9), }\n", nil),
		"record.npy": made(1, "{'descr': [('x', '<f4'), ('y', '<i8', (2,))], 'fortran_order': False, 'shape': (2,), }\n", make([]byte, 40)),
		"text.npy":   made(1, "{'descr': '<U3', 'fortran_order': False, 'shape': (2,), }\n", make([]byte, 24)),
		"time.npy":   made(1, "{'descr': '<M8[ns]', 'fortran_order': False, 'shape': (2,), }\n", make([]byte, 16)),
	}
}

func TestSmall(t *testing.T) {
	files := small()
	formattest.Run(t, Format{}, files)
	for name, want := range map[string][]float64{"v1.npy": {1, 2, 3, 4, 5, 6}, "v2.npy": {1, 3, 5, 2, 4, 6}, "v3.npy": {1, 2, 3, 4, 5, 6}, "one.npy": {1}, "none.npy": {}} {
		list, err := (Format{}).Tensors(t.Context(), format.Bytes(files[name]))
		if err != nil {
			t.Fatal(err)
		}
		if x, err := list.Tensors[0].Floats(bytes.NewReader(files[name]), 100); err != nil || !slices.Equal(x, want) {
			t.Errorf("%s: %v, %v", name, x, err)
		}
	}
	for name, called := range map[string]string{"record.npy": "[('x', '<f4'), ('y', '<i8', (2,))]", "text.npy": "<U3", "time.npy": "<M8[ns]"} {
		list, err := (Format{}).Tensors(t.Context(), format.Bytes(files[name]))
		if err != nil || list.Tensors[0].Type != tensor.Unknown || list.Tensors[0].Called != called {
			t.Errorf("%s: %+v, %v", name, list, err)
		}
	}
	archives := map[string][]byte{"stored.npz": archived(zip.Store, files), "deflated.npz": archived(zip.Deflate, files), "empty.npz": archived(zip.Store, nil)}
	formattest.Run(t, Archive{}, archives)
	// The same arrays, stored and deflated, are the same; and extracted they are the files that were put in.
	a, _ := (Archive{}).Tensors(t.Context(), format.Bytes(archives["stored.npz"]))
	b, _ := (Archive{}).Tensors(t.Context(), format.Bytes(archives["deflated.npz"]))
	c, err := tensor.Compare(t.Context(), tensor.Side{List: a, In: bytes.NewReader(archives["stored.npz"])}, tensor.Side{List: b, In: bytes.NewReader(archives["deflated.npz"])}, tensor.Options{})
	if err != nil || !c.Same() || c.Unchanged != len(files) {
		t.Errorf("%+v, %v", c, err)
	}
	for name, want := range files {
		for _, z := range archives {
			out, err := (Archive{}).Extract(t.Context(), format.Bytes(z), strings.TrimSuffix(name, ".npy"))
			if errors.Is(err, format.ErrNoElement) {
				continue
			}
			if err != nil || !bytes.Equal(formattest.All(t, out.Content), want) {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	// A stored array is a typed region, for what that saves.
	regions, err := (Archive{}).Regions(format.Bytes(archives["stored.npz"]))
	if err != nil || !slices.ContainsFunc(regions, func(g format.Region) bool { return g.Name == "v1" && g.Width == 8 && g.Len == 48 }) {
		t.Errorf("%v, %v", regions, err)
	}
}

func TestHostile(t *testing.T) {
	for name, b := range map[string][]byte{
		"cut":      small()["v1.npy"][:100],
		"huge":     made(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", nil),
		"negative": made(1, "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }", nil),
		"no dict":  made(1, "['descr']", nil),
		"quote":    made(1, "{'descr': '<f8", nil),
		"open":     made(1, "{'descr': ((((((", nil),
		"length":   made(2, "", nil)[:12],
		"nothing":  []byte(magic),
	} {
		if err := (Format{}).Validate(t.Context(), format.Bytes(b)); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (Format{}).Validate(t.Context(), format.Bytes(made(4, "", nil))); !errors.Is(err, format.ErrUnsupported) {
		t.Errorf("version 4: %v", err)
	}
}

// numpy runs a script of NumPy, and skips where that is not installed.
func numpy(t *testing.T, script string, args ...string) string {
	t.Helper()
	for _, python := range []string{"python3", "/usr/bin/python3"} {
		if exec.Command(python, "-c", "import numpy").Run() != nil {
			continue
		}
		out, err := exec.CommandContext(t.Context(), python, append([]string{"-c", script}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	t.Skip("no python3 with NumPy")
	return ""
}

// TestNumPyWrites: files that NumPy writes are read as what it wrote, of every type, order and container.
func TestNumPyWrites(t *testing.T) {
	dir := t.TempDir()
	sums := numpy(t, `
import numpy as np, sys, os
d=sys.argv[1]; r=np.random.default_rng(1); arrays={}
for c in ["<f2","<f4","<f8",">f4",">f8","<i2","<i4","<i8",">i8","u1","i1","<u2","<u4","<u8","?","<c8","<c16"]:
    a=(r.standard_normal((3,4,5))*50).astype(c); k=c.replace("<","l").replace(">","b").replace("?","bool")
    arrays[k]=a; arrays[k+"_f"]=np.asfortranarray(a)
for k,a in arrays.items(): np.save(os.path.join(d,k+".npy"),a)
np.savez(os.path.join(d,"all.npz"),**arrays); np.savez_compressed(os.path.join(d,"small.npz"),**arrays)
for k,a in arrays.items():
    f=a.astype(np.complex128) if a.dtype.kind=="c" else a.astype(np.float64)
    f=np.ascontiguousarray(f).view(np.float64).ravel()
    print(k,len(f),repr(float((f*(1+np.arange(len(f)))).sum())))
`, dir)
	check := func(of string, list *tensor.List, b []byte, name string, want float64, n int) {
		i := slices.IndexFunc(list.Tensors, func(w tensor.Tensor) bool { return w.Name == name })
		x, err := list.Tensors[i].Floats(bytes.NewReader(b), 1000)
		got := 0.0
		for i, v := range x {
			got += v * float64(i+1)
		}
		if err != nil || len(x) != n || math.Abs(got-want) > 1e-9*(1+math.Abs(want)) {
			t.Errorf("%s, %s: %d numbers, sum %v, want %d, %v: %v", of, name, len(x), got, n, want, err)
		}
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	files, archives := map[string][]byte{}, map[string][]byte{"all.npz": read("all.npz"), "small.npz": read("small.npz")}
	for line := range strings.Lines(sums) {
		var name string
		var n int
		var want float64
		if _, err := fmt.Sscan(line, &name, &n, &want); err != nil {
			t.Fatal(err)
		}
		files[name+".npy"] = read(name + ".npy")
		list, err := (Format{}).Tensors(t.Context(), format.Bytes(files[name+".npy"]))
		if err != nil {
			t.Fatal(err)
		}
		list.Tensors[0].Name = name
		check("npy", list, files[name+".npy"], name, want, n)
		for of, b := range archives {
			list, err := (Archive{}).Tensors(t.Context(), format.Bytes(b))
			if err != nil {
				t.Fatal(err)
			}
			check(of, list, b, name, want, n)
		}
	}
	if len(files) != 34 {
		t.Fatalf("%d arrays", len(files))
	}
	formattest.Run(t, Format{}, files)
	formattest.Run(t, Archive{}, archives)
	c := compareSides(t, files["lf4.npy"], files["lf4_f.npy"])
	if !c.Same() {
		t.Errorf("C and Fortran order of the same array: %+v", c.Pairs[0])
	}
}

func compareSides(t *testing.T, a, b []byte) *tensor.Comparison {
	t.Helper()
	p, err := (Format{}).Tensors(t.Context(), format.Bytes(a))
	if err != nil {
		t.Fatal(err)
	}
	q, err := (Format{}).Tensors(t.Context(), format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	c, err := tensor.Compare(t.Context(), tensor.Side{List: p, In: bytes.NewReader(a)}, tensor.Side{List: q, In: bytes.NewReader(b)}, tensor.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestNumPyReads: what is extracted is read by NumPy as what it is.
func TestNumPyReads(t *testing.T) {
	dir := t.TempDir()
	z := archived(zip.Deflate, small())
	list, err := (Archive{}).Tensors(t.Context(), format.Bytes(z))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"v1", "v2", "none"} {
		out, err := weights.Extract(t.Context(), format.Bytes(z), list, name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name+".npy"), formattest.All(t, out.Content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got := numpy(t, `
import numpy as np, sys, os
for k in ["v1","v2","none"]:
    a=np.load(os.path.join(sys.argv[1],k+".npy"),allow_pickle=False); print(k,a.shape,a.dtype.str,a.flags.f_contiguous,a.ravel().tolist())
`, dir)
	want := "v1 (2, 3) <f8 False [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]\nv2 (2, 3) <f8 True [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]\nnone (0, 9) >i4 True []\n"
	if got != want {
		t.Errorf("NumPy read\n%swant\n%s", got, want)
	}
}

func TestSamples(t *testing.T) {
	formattest.Run(t, Format{}, formattest.Files(t, "tensor", ".npy"))
	formattest.Run(t, Archive{}, formattest.Files(t, "tensor", ".npz"))
}

func Fuzz(f *testing.F) { formattest.Fuzz(f, Format{}, small()) }

func FuzzArchive(f *testing.F) {
	formattest.Fuzz(f, Archive{}, map[string][]byte{"s": archived(zip.Store, small()), "d": archived(zip.Deflate, small())})
}
