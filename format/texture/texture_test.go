package texture

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io/fs"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// TestBeside: pictures of several kinds are read from beside a file, by what they are and not by their names; what is not
// there, or no picture, is an error.
func TestBeside(t *testing.T) {
	m := image.NewNRGBA(image.Rect(0, 0, 3, 2))
	m.Set(0, 0, color.NRGBA{200, 1, 1, 255})
	var p, j bytes.Buffer
	if err := errors.Join(png.Encode(&p, m), jpeg.Encode(&j, m, nil)); err != nil {
		t.Fatal(err)
	}
	f := formattest.Folder{Input: format.Bytes(nil), Files: map[string][]byte{"a.png": p.Bytes(), "b.jpg": j.Bytes(), "really a.jpg": p.Bytes(), "cut.png": p.Bytes()[:40], "no.txt": []byte("text")}}
	for at, want := range map[string]error{"a.png": nil, "b.jpg": nil, "really a.jpg": nil, "cut.png": format.ErrMalformed, "no.txt": format.ErrUnsupported, "gone.png": fs.ErrNotExist} {
		x := Beside(t.Context(), f, at, true)
		for range 2 {
			got, err := x.Load()
			if !errors.Is(err, want) || want == nil && (err != nil || got.Width != 3 || got.Height != 2) || !x.Up {
				t.Errorf("%s: %+v, %v", at, got, err)
			}
		}
	}
	if got, err := Of(t.Context(), "x", format.Bytes(p.Bytes()), false).Load(); err != nil || got.Width != 3 {
		t.Errorf("%+v, %v", got, err)
	}
}
