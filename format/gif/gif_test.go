package gif

import (
	"bytes"
	"compress/lzw"
	"errors"
	"os"
	"slices"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/picturetest"
)

// ci: real applications are asked.
func ci() bool { return os.Getenv("VARVE_CI") != "" }

func TestSamples(t *testing.T) {
	formattest.Run(t, Format{}, formattest.Files(t, "raster", ".gif"))
}

// TestSamplesAsImageMagick: every sample has the pixels that ImageMagick decodes.
func TestSamplesAsImageMagick(t *testing.T) {
	for name, b := range formattest.Files(t, "raster", ".gif") {
		t.Run(name, func(t *testing.T) {
			picturetest.Same(t, ci(), picturetest.Decode(t, Format{}, b), b, ".gif", "[0]", 0)
		})
	}
}

func FuzzSurvive(f *testing.F) { formattest.Fuzz(f, Format{}, picturetest.Seeds(f, "testdata")) }

func TestFixtures(t *testing.T) {
	files := picturetest.Fixtures(t, ci(), Format{}, "testdata")
	formattest.Run(t, Format{}, files)
	for name, b := range files {
		t.Run("cut/"+name, func(t *testing.T) { picturetest.Cut(t, Format{}, b, 0) })
	}
}

// made is a GIF by hand: a canvas, two colours, blocks, and the end.
func made(width, height int, blocks ...[]byte) []byte {
	b := append([]byte("GIF89a"), byte(width), byte(width>>8), byte(height), byte(height>>8), 0x80, 0, 0, 0, 0, 0, 255, 255, 255)
	return append(append(b, slices.Concat(blocks...)...), 0x3b)
}

// frameOf is a frame of colours 0 and 1.
func frameOf(x, y, width, height int, pixels ...byte) []byte {
	b := []byte{0x2c}
	for _, v := range []int{x, y, width, height} {
		b = append(b, byte(v), byte(v>>8))
	}
	var data bytes.Buffer
	w := lzw.NewWriter(&data, lzw.LSB, 2)
	_, _ = w.Write(pixels)
	_ = w.Close()
	return slices.Concat(b, []byte{0, 2, byte(data.Len())}, data.Bytes(), []byte{0})
}

// TestByHand: comments are texts; a canvas that is too small for the first frame has its size; of frames that are not
// all in the file, or not on the canvas, nothing is made up.
func TestByHand(t *testing.T) {
	good := made(2, 1, []byte("\x21\xfe\x02hi\x00"), frameOf(0, 0, 2, 1, 1, 0))
	list, err := format.Elements(t.Context(), Format{}, format.Bytes(good))
	if err != nil || len(list) != 2 || list[0].ID != "image" || list[1].Properties["text"] != "hi" {
		t.Errorf("%+v, %v", list, err)
	}
	if p := picturetest.Decode(t, Format{}, good); p.Alpha || !slices.Equal(p.U8, []uint8{255, 255, 255, 0, 0, 0}) {
		t.Errorf("%+v", p)
	}
	if p := picturetest.Decode(t, Format{}, made(0, 0, frameOf(1, 0, 2, 1, 1, 0))); p.Width != 3 || p.Height != 1 || !p.Alpha {
		t.Errorf("%+v", p)
	}
	for name, c := range map[string]struct {
		file []byte
		want error
	}{
		"no frame":      {made(2, 1), format.ErrMalformed},
		"fewer pixels":  {made(2, 2, frameOf(0, 0, 2, 2, 1, 0, 1)), format.ErrMalformed},
		"beside":        {made(2, 1, frameOf(0, 0, 2, 1, 1, 0), frameOf(1, 0, 2, 1, 1, 0)), format.ErrMalformed},
		"no such block": {made(2, 1, []byte{0}, frameOf(0, 0, 2, 1, 1, 0)), format.ErrMalformed},
		"no width":      {made(2, 1, frameOf(0, 0, 0, 1)), format.ErrMalformed},
		"large":         {made(60000, 60000, frameOf(0, 0, 2, 1, 1, 0)), format.ErrLimit},
	} {
		if _, err := format.Elements(t.Context(), Format{}, format.Bytes(c.file)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
