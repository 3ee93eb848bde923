package jpeg

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/picturetest"
	"varve/format/png"
	"varve/format/raster"
)

// ci: real applications are asked.
func ci() bool { return os.Getenv("VARVE_CI") != "" }

func TestSamples(t *testing.T) {
	files := formattest.Files(t, "raster", ".jpg")
	formattest.Run(t, Format{}, files)
}

// TestSamplesAsImageMagick: every sample has the pixels that ImageMagick decodes without smoothing of chroma, but for
// what two ways to round make of a cosine transform.
func TestSamplesAsImageMagick(t *testing.T) {
	for name, b := range formattest.Files(t, "raster", ".jpg") {
		t.Run(name, func(t *testing.T) {
			picturetest.Same(t, ci(), picturetest.Decode(t, Format{}, b), b, ".jpg", "[0]", 4*257, "-define", "jpeg:fancy-upsampling=off", "-auto-orient")
		})
	}
}

func fixtures(t testing.TB) map[string][]byte {
	t.Helper()
	names, err := filepath.Glob("testdata/*.jpg")
	if err != nil || len(names) != 6 {
		t.Fatalf("%d fixtures, %v", len(names), err)
	}
	out := map[string][]byte{}
	for _, name := range names {
		if out[filepath.Base(name)], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// TestFixtures: JPEG of every kind have the pixels that another decoder finds, but for what rounding makes.
func TestFixtures(t *testing.T) {
	files := fixtures(t)
	formattest.Run(t, Format{}, files)
	for name, b := range files {
		p := picturetest.Decode(t, Format{}, b)
		base := strings.TrimSuffix(filepath.Join("testdata", name), ".jpg")
		var want []int
		if name == "cmyk.jpg" {
			raw, err := os.ReadFile(base + ".cmyk")
			if err != nil || p.Model != raster.CMYK {
				t.Fatal(err)
			}
			for _, v := range raw {
				want = append(want, int(v)*257)
			}
		} else {
			raw, err := os.ReadFile(base + ".png")
			if err != nil {
				t.Fatal(err)
			}
			q := picturetest.Decode(t, png.Format{}, raw)
			for i := range q.Width * q.Height {
				px := picturetest.Pixel(q, i)
				want = append(want, px[:]...)
			}
		}
		for i := range p.Width * p.Height {
			for c, v := range picturetest.Pixel(p, i) {
				if d := v - want[4*i+c]; max(d, -d) > 4*257 {
					t.Fatalf("%s: pixel %d channel %d: %d, want %d", name, i, c, v/257, want[4*i+c]/257)
				}
			}
		}
		picturetest.Cut(t, Format{}, b, 0)
	}
	list, err := format.Elements(t.Context(), Format{}, format.Bytes(files["quarter.jpg"]))
	if err != nil || len(list) != 2 || list[1].Properties["text"] != "hello" {
		t.Errorf("%+v, %v", list, err)
	}
}

// TestUpright: the eight samples show the same letter, whichever way its pixels lie.
func TestUpright(t *testing.T) {
	want := picturetest.Decode(t, Format{}, formattest.Sample(t, "raster/perkeep/f1-exif.jpg"))
	for _, n := range "2345678" {
		p := picturetest.Decode(t, Format{}, formattest.Sample(t, "raster/perkeep/f"+string(n)+"-exif.jpg"))
		if p.Width != want.Width || p.Height != want.Height {
			t.Errorf("%c is %d×%d", n, p.Width, p.Height)
			continue
		}
		for i := range p.U8 {
			if d := int(p.U8[i]) - int(want.U8[i]); max(d, -d) > 64 {
				t.Errorf("%c: sample %d is %d, want %d", n, i, p.U8[i], want.U8[i])
				break
			}
		}
	}
}

// segmentOf writes a segment.
func segmentOf(kind byte, data []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0xff, kind}, uint16(len(data)+2)), data...)
}

// exifOf is EXIF with an orientation and a small picture.
func exifOf(order binary.AppendByteOrder, orientation int, thumb []byte) []byte {
	b := []byte("Exif\x00\x00")
	if order == binary.AppendByteOrder(binary.LittleEndian) {
		b = append(b, "II*\x00"...)
	} else {
		b = append(b, "MM\x00*"...)
	}
	b = order.AppendUint32(b, 8)
	entry := func(tag, kind uint16, v uint32) {
		b = order.AppendUint16(b, tag)
		b = order.AppendUint16(b, kind)
		b = order.AppendUint32(b, 1)
		if kind == 3 {
			b = order.AppendUint16(b, uint16(v))
			b = order.AppendUint16(b, 0)
		} else {
			b = order.AppendUint32(b, v)
		}
	}
	b = order.AppendUint16(b, 1)
	entry(0x112, 3, uint32(orientation))
	b = order.AppendUint32(b, 26)
	b = order.AppendUint16(b, 2)
	entry(0x201, 4, 56)
	entry(0x202, 4, uint32(len(thumb)))
	b = order.AppendUint32(b, 0)
	return append(b, thumb...)
}

// with puts segments after the start.
func with(b []byte, segments ...[]byte) []byte {
	return slices.Concat(b[:2], slices.Concat(segments...), b[2:])
}

// TestOrientation: what EXIF says is done, in either byte order, once.
func TestOrientation(t *testing.T) {
	b := fixtures(t)["full.jpg"]
	plain := picturetest.Decode(t, Format{}, b)
	for n := 0; n <= 9; n++ {
		for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
			p := picturetest.Decode(t, Format{}, with(b, segmentOf(0xe1, exifOf(order, n, nil))))
			if want := plain.Orient(n); p.Width != want.Width || !slices.Equal(p.U8, want.U8) {
				t.Errorf("orientation %d, %v", n, order)
			}
		}
	}
}

// TestSmallPicture: the small picture of the EXIF serves where it is large enough, upright, and only it is read; one of
// another shape does not.
func TestSmallPicture(t *testing.T) {
	files := fixtures(t)
	thumb := files["gray.jpg"] // as large as the other, and grey
	b := with(files["full.jpg"], segmentOf(0xe1, exifOf(binary.BigEndian, 6, thumb)))
	p, err := format.Show(t.Context(), Format{}, format.Bytes(b), 50)
	if err != nil || p.Source != format.Embedded || p.Image.Model != raster.Gray || p.Image.Width != 18 || p.Image.Height != 25 {
		t.Errorf("%+v, %v", p, err)
	}
	scaled := with(files["full.jpg"], segmentOf(0xe1, exifOf(binary.BigEndian, 1, thumb)))
	at := bytes.LastIndex(scaled, []byte{0xff, 0xc0, 0, 17, 8, 0, 18, 0, 25}) // the picture is another size now
	binary.BigEndian.PutUint16(scaled[at+5:], 180)
	binary.BigEndian.PutUint16(scaled[at+7:], 250)
	if p, err = format.Show(t.Context(), Format{}, format.Bytes(scaled), 50); err != nil || p.Source != format.Embedded {
		t.Errorf("a tenth of the picture: %+v, %v", p, err)
	}
	if p, err := format.Show(t.Context(), Format{}, format.Bytes(scaled), 64); err == nil && p.Source == format.Embedded {
		t.Error("a picture that is too small is shown")
	}
	binary.BigEndian.PutUint16(scaled[at+5:], 250)
	if p, err := format.Show(t.Context(), Format{}, format.Bytes(scaled), 50); err == nil && p.Source == format.Embedded {
		t.Error("a picture of another shape is shown")
	}
}

// TestProfile: the parts of a profile are put together in their order; of one with a hole there is none.
func TestProfile(t *testing.T) {
	b := fixtures(t)["full.jpg"]
	part := func(n byte, text string) []byte {
		return segmentOf(0xe2, append([]byte("ICC_PROFILE\x00"), append([]byte{n, 2}, text...)...))
	}
	if p := picturetest.Decode(t, Format{}, with(b, part(2, "file"), part(1, "pro"))); string(p.Profile) != "profile" {
		t.Errorf("%q", p.Profile)
	}
	if p := picturetest.Decode(t, Format{}, with(b, part(2, "file"))); p.Profile != nil {
		t.Errorf("with a hole %q", p.Profile)
	}
}

// TestPlainInks: inks without Adobe's mark are written as they are.
func TestPlainInks(t *testing.T) {
	b := fixtures(t)["cmyk.jpg"]
	at := bytes.Index(b, []byte("\xff\xee"))
	b[at+15] = 0 // the mark says that they are no Y'CbCr
	p := picturetest.Decode(t, Format{}, b)
	q := picturetest.Decode(t, Format{}, slices.Concat(b[:at], b[at+16:]))
	for i := range p.U8 {
		if p.U8[i] != 255-q.U8[i] {
			t.Fatalf("sample %d: %d and %d", i, p.U8[i], q.U8[i])
		}
	}
}

func TestHostile(t *testing.T) {
	b := fixtures(t)["full.jpg"]
	at := bytes.Index(b, []byte{0xff, 0xc0})
	for name, c := range map[string]struct {
		change func(b []byte)
		want   error
	}{
		"large":      {func(b []byte) { copy(b[at+5:], "\xff\xff\xff\xff") }, format.ErrLimit},
		"no width":   {func(b []byte) { copy(b[at+7:], "\x00\x00") }, format.ErrMalformed},
		"12 bits":    {func(b []byte) { b[at+4] = 12 }, format.ErrUnsupported},
		"arithmetic": {func(b []byte) { b[at+1] = 0xc9 }, format.ErrUnsupported},
		"no start":   {func(b []byte) { b[1] = 0xd9 }, format.ErrMalformed},
	} {
		d := bytes.Clone(b)
		c.change(d)
		if _, err := format.Decode(t.Context(), Format{}, format.Bytes(d)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	scan := bytes.Index(b, []byte{0xff, 0xda})
	many := slices.Concat(b[:scan], bytes.Repeat([]byte("\xff\xda\x00\x02"), maxScans+1), b[scan:])
	if err := format.Validate(t.Context(), Format{}, format.Bytes(many)); !errors.Is(err, format.ErrLimit) {
		t.Errorf("many scans: %v", err)
	}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if _, err := format.Decode(stopped, Format{}, format.Bytes(b)); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// TestMeasure: what follows a picture is not of it.
func TestMeasure(t *testing.T) {
	b := fixtures(t)["progressive.jpg"]
	w, h, n, err := Measure(t.Context(), format.Bytes(append(bytes.Clone(b), "more"...)))
	if w != 25 || h != 18 || n != int64(len(b)) || err != nil {
		t.Errorf("%d×%d, %d bytes of %d, %v", w, h, n, len(b), err)
	}
}

func FuzzSurvive(f *testing.F) { formattest.Fuzz(f, Format{}, fixtures(f)) }
