package torch

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/tensor"
)

// pickled writes pickles of protocol 2.
type pickled struct{ b []byte }

func (p *pickled) op(ops ...byte) *pickled { p.b = append(p.b, ops...); return p }

func (p *pickled) text(s string) *pickled {
	p.b = append(binary.LittleEndian.AppendUint32(append(p.b, 'X'), uint32(len(s))), s...)
	return p
}

func (p *pickled) global(module, name string) *pickled {
	p.b = append(p.b, "c"+module+"\n"+name+"\n"...)
	return p
}

func (p *pickled) int(n int) *pickled {
	p.b = binary.LittleEndian.AppendUint32(append(p.b, 'J'), uint32(int32(n)))
	return p
}

func (p *pickled) tuple(n ...int) *pickled {
	p.op('(')
	for _, v := range n {
		p.int(v)
	}
	return p.op('t')
}

// tensor pickles the call that makes one.
func (p *pickled) tensor(kind, key string, count, off int, size, stride []int) *pickled {
	p.global("torch._utils", "_rebuild_tensor_v2").op('(').op('(').text("storage").global("torch", kind).text(key).text("cpu").int(count).op('t', 'Q')
	p.int(off).tuple(size...).tuple(stride...).op(0x89).global("collections", "OrderedDict").op(')', 'R')
	return p.op('t', 'R')
}

// checkpoint is {"epoch": 3, "state_dict": OrderedDict(w, turned, tied, half)}.
func checkpoint(extra func(*pickled)) []byte {
	p := new(pickled).op(0x80, 2, '}', '(').text("epoch").int(3).text("state_dict").global("collections", "OrderedDict").op(')', 'R', '(')
	p.text("w").tensor("FloatStorage", "0", 8, 2, []int{2, 3}, []int{3, 1}).op('q', 9)
	p.text("turned").tensor("FloatStorage", "0", 8, 2, []int{3, 2}, []int{1, 3})
	p.text("tied").op('h', 9)
	p.text("half").tensor("BFloat16Storage", "1", 2, 0, []int{2}, []int{1})
	p.text("none").tensor("FloatStorage", "0", 8, 0, []int{0, 2}, []int{2, 1})
	if extra != nil {
		extra(p)
	}
	return p.op('u', 'u', '.').b
}

func storagesOf() map[string][]byte {
	floats := []byte{}
	for i := range 8 {
		floats = binary.LittleEndian.AppendUint32(floats, []uint32{0, 0, 0x3f800000, 0x40000000, 0x40400000, 0x40800000, 0x40a00000, 0x40c00000}[i])
	}
	return map[string][]byte{"0": floats, "1": {0x80, 0x3f, 0x00, 0x40}}
}

func archived(method uint16, pickle []byte) []byte {
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	add := func(name string, b []byte) {
		w, _ := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
		_, _ = w.Write(b)
	}
	add("archive/data.pkl", pickle)
	for key, b := range storagesOf() {
		add("archive/data/"+key, b)
	}
	add("archive/version", []byte("3\n"))
	_ = z.Close()
	return out.Bytes()
}

// olderFile is the same in the older form.
func olderFile() []byte {
	b := append([]byte(older), '.')
	b = append(b, new(pickled).op(0x80, 2).int(1001).op('.').b...)
	b = append(b, new(pickled).op(0x80, 2, '}', '.').b...)
	b = append(b, checkpoint(nil)...)
	b = append(b, new(pickled).op(0x80, 2, ']', '(').text("0").text("1").op('e', '.').b...)
	s := storagesOf()
	b = append(binary.LittleEndian.AppendUint64(b, 8), s["0"]...)
	return append(binary.LittleEndian.AppendUint64(b, 2), s["1"]...)
}

func files() map[string][]byte {
	return map[string][]byte{"stored.pt": archived(zip.Store, checkpoint(nil)), "deflated.pt": archived(zip.Deflate, checkpoint(nil)), "older.bin": olderFile()}
}

func TestMade(t *testing.T) {
	formattest.Run(t, Format{}, files())
	for name, b := range files() {
		list, err := (Format{}).Tensors(t.Context(), format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for i := range list.Tensors {
			w := &list.Tensors[i]
			x, err := w.Floats(bytes.NewReader(b), 100)
			got[w.Name] = fmt.Sprint(w.Type, w.Shape, x, err)
		}
		want := map[string]string{"state_dict.w": "F32 [2 3] [1 2 3 4 5 6] <nil>", "state_dict.turned": "F32 [3 2] [1 4 2 5 3 6] <nil>", "state_dict.tied": "F32 [2 3] [1 2 3 4 5 6] <nil>",
			"state_dict.half": "BF16 [2] [1 2] <nil>", "state_dict.none": "F32 [0 2] [] <nil>"}
		if !maps.Equal(got, want) {
			t.Errorf("%s:\n%v, want\n%v", name, got, want)
		}
		if list.Metadata["epoch"] != "3" {
			t.Errorf("%s: metadata %v", name, list.Metadata)
		}
	}
	// A tensor that shares another's storage is no region of its own.
	regions, err := (Format{}).Regions(format.Bytes(files()["stored.pt"]))
	if err != nil || len(regions) != 2 {
		t.Errorf("%v, %v", regions, err)
	}
}

// TestNothingIsCalled: a pickle that would run a program is walked like any other.
func TestNothingIsCalled(t *testing.T) {
	b := archived(zip.Store, checkpoint(func(p *pickled) {
		p.text("evil").global("os", "system").op('(').text("touch /tmp/evil").op('t', 'R')
	}))
	list, err := (Format{}).Tensors(t.Context(), format.Bytes(b))
	if err != nil || len(list.Tensors) != 5 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestHostile(t *testing.T) {
	self := new(pickled).op(0x80, 2, ']', 'q', 0, 'h', 0, 'a', '.').b
	if list, err := (Format{}).Tensors(t.Context(), format.Bytes(archived(zip.Store, self))); err != nil || len(list.Tensors) != 0 {
		t.Errorf("a list in itself: %v, %v", list, err)
	}
	// Each list holds the one before twice: 2^60 in all.
	bomb := new(pickled).op(0x80, 2, ']', 'q', 0)
	for i := range byte(60) {
		bomb.op(']', 'q', i+1, '(', 'h', i, 'h', i, 'e')
	}
	if _, err := (Format{}).Tensors(t.Context(), format.Bytes(archived(zip.Store, bomb.op('.').b))); err != nil {
		t.Errorf("a list of many: %v", err)
	}
	deep := new(pickled).op(0x80, 2).op(bytes.Repeat([]byte{']'}, 100000)...).op(bytes.Repeat([]byte{'a'}, 99999)...).op('.')
	if _, err := (Format{}).Tensors(t.Context(), format.Bytes(archived(zip.Store, deep.b))); !errors.Is(err, format.ErrLimit) {
		t.Errorf("a deep list: %v", err)
	}
	for name, of := range map[string]func(*pickled){
		"past the end": func(p *pickled) { p.text("x").tensor("FloatStorage", "0", 8, 3, []int{2, 3}, []int{3, 1}) },
		"huge stride":  func(p *pickled) { p.text("x").tensor("FloatStorage", "0", 8, 0, []int{2, 2}, []int{1 << 30, 1 << 30}) },
		"negative":     func(p *pickled) { p.text("x").tensor("FloatStorage", "0", 8, 0, []int{-2}, []int{1}) },
		"no storage":   func(p *pickled) { p.text("x").tensor("FloatStorage", "9", 8, 0, []int{2}, []int{1}) },
		"empty stack": func(p *pickled) {
			p.op('0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0', '0')
		},
		"bad op": func(p *pickled) { p.op(0xff) },
	} {
		if _, err := (Format{}).Tensors(t.Context(), format.Bytes(archived(zip.Store, checkpoint(of)))); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSamples: eight types in both forms hold the same, and those of a real model are found.
func TestSamples(t *testing.T) {
	all := formattest.Files(t, "tensor", ".pt", ".pth")
	formattest.Run(t, Format{}, all)
	side := func(name string) tensor.Side {
		list, err := (Format{}).Tensors(t.Context(), format.Bytes(all[name]))
		if err != nil || len(list.Tensors) == 0 {
			t.Fatalf("%s: %+v, %v", name, list, err)
		}
		return tensor.Side{List: list, In: bytes.NewReader(all[name])}
	}
	n := 0
	for name := range all {
		old, ok := strings.CutSuffix(name, "_proto4_zip.pt")
		if !ok {
			continue
		}
		n++
		c, err := tensor.Compare(t.Context(), side(old+"_proto2.pt"), side(name), tensor.Options{})
		if err != nil || !c.Same() || c.Unchanged == 0 {
			t.Errorf("%s: %+v, %v", name, c, err)
		}
	}
	if n != 8 {
		t.Errorf("%d pairs", n)
	}
	turned := side("candle/candle-core/tests/fortran_tensor_3d.pth")
	x, err := turned.List.Tensors[0].Floats(turned.In, 1000)
	want := make([]float64, 24)
	for i := range want {
		want[i] = float64(i + 1)
	}
	if err != nil || !slices.Equal(x, want) {
		t.Errorf("in Fortran order: %v, %v", x, err)
	}
}

func Fuzz(f *testing.F) { formattest.Fuzz(f, Format{}, files()) }
