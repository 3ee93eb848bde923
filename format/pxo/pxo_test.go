package pxo

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

func TestSamples(t *testing.T) {
	formattest.Run(t, Format{}, formattest.Files(t, "pxo", ".pxo"))
}

func Fuzz(f *testing.F) {
	formattest.Fuzz(f, Format{}, map[string][]byte{"made": made(f, plain, nil)})
}

// TestPreview: a frame as it is drawn here is what Pixelorama drew, which it made larger without smoothing.
func TestPreview(t *testing.T) {
	b := formattest.Sample(t, "pxo/pixelorama/tilemap_with_autotiling.pxo")
	img, err := format.Decode(t.Context(), Format{}, format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	p, err := format.Show(t.Context(), Format{}, format.Bytes(b), 256)
	if err != nil || p.Source != format.Embedded || p.Image.Width != 256 {
		t.Fatalf("%+v, %v", p, err)
	}
	far := 0
	for y := range p.Image.Height {
		for x := range p.Image.Width {
			at := 4 * (((2*y+1)*img.Height/(2*p.Image.Height))*img.Width + (2*x+1)*img.Width/(2*p.Image.Width))
			for c := range 4 {
				if (img.U8[at+3] > 0 || p.Image.U8[4*(y*p.Image.Width+x)+3] > 0) && img.U8[at+c] != p.Image.U8[4*(y*p.Image.Width+x)+c] {
					far++
					break
				}
			}
		}
	}
	if far > 0 {
		t.Errorf("%d pixels of %d differ", far, p.Image.Width*p.Image.Height)
	}
	for _, name := range []string{"3d_layer_drawing", "animated_layer_effect"} {
		b := formattest.Sample(t, "pxo/pixelorama/"+name+".pxo")
		if _, err := format.Decode(t.Context(), Format{}, format.Bytes(b)); !errors.Is(err, format.ErrUnsupported) {
			t.Errorf("%s: %v", name, err)
		}
		if p, err := format.Show(t.Context(), Format{}, format.Bytes(b), 1024); err != nil || p.Source != format.Embedded {
			t.Errorf("%s: %v", name, err)
		}
	}
}

const plain = `{"size_x":2,"size_y":1,"color_mode":5,"layers":[{"name":"Low","type":0,"parent":2,"visible":true,"opacity":1.0,"blend_mode":0},{"name":"High","type":0,"parent":-1,"visible":true,"opacity":0.5},{"name":"Group","type":1,"parent":-1,"visible":true,"blend_mode":-2}],"frames":[{"duration":1.0,"cels":[{"opacity":1.0},{"opacity":1.0},{}]}]}`

// made is a document: two layers, of which the upper is half there.
func made(t testing.TB, data string, more map[string]string) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	files := map[string]string{"data.json": data, "mimetype": "application/x-pixelorama",
		"image_data/frames/1/layer_1": "\x00\x00\xff\xff\x01\x02\x03\x00", "image_data/frames/1/layer_2": "\xff\x00\x00\xff\x00\x00\x00\x00"}
	for name, text := range more {
		files[name] = text
	}
	for _, name := range []string{"data.json", "mimetype", "image_data/frames/1/layer_1", "image_data/frames/1/layer_2"} {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write([]byte(files[name]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestMade(t *testing.T) {
	b := made(t, plain, nil)
	formattest.Run(t, Format{}, map[string][]byte{"a.pxo": b})
	img, err := format.Decode(t.Context(), Format{}, format.Bytes(b))
	if err != nil || fmt.Sprint(img.U8) != "[128 0 127 255 0 0 0 0]" {
		t.Errorf("%v, %v", img, err)
	}
	list, err := format.Elements(t.Context(), Format{}, format.Bytes(b))
	var got []string
	for _, e := range list {
		got = append(got, e.ID+" in "+e.Parent+" "+e.Kind+" "+e.Name)
	}
	if want := "layer:3 in  group Group|layer:2 in  layer High|layer:1 in layer:3 layer Low|frame:1 in  frame frame 1"; strings.Join(got, "|") != want || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	again, err := format.Elements(t.Context(), Format{}, format.Bytes(made(t, plain, map[string]string{"image_data/frames/1/layer_2": "\xff\x00\x00\xff\x00\x00\x00\x01"})))
	if err != nil {
		t.Fatal(err)
	}
	for i := range list {
		if differs := list[i].Hash() != again[i].Hash(); differs != (list[i].Name == "High") {
			t.Errorf("%s: %t", list[i].Name, differs)
		}
	}
}

func TestDamaged(t *testing.T) {
	for name, c := range map[string]struct {
		b  []byte
		is error
	}{
		"a short layer":  {made(t, plain, map[string]string{"image_data/frames/1/layer_1": "1234"}), format.ErrMalformed},
		"in itself":      {made(t, strings.Replace(plain, `"parent":2`, `"parent":0`, 1), nil), format.ErrMalformed},
		"no canvas":      {made(t, strings.Replace(plain, `"size_x":2`, `"size_x":0`, 1), nil), format.ErrMalformed},
		"a large canvas": {made(t, strings.Replace(plain, `"size_x":2`, `"size_x":2000000000`, 1), nil), format.ErrMalformed},
		"cut":            {made(t, plain, nil)[:300], format.ErrMalformed},
		"old":            {[]byte("GCPF1234567890"), format.ErrUnsupported},
	} {
		if err := (Format{}).Validate(t.Context(), format.Bytes(c.b)); !errors.Is(err, c.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
