package preview

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	stdjpeg "image/jpeg"
	stdpng "image/png"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// picture is a JPEG or PNG of one colour.
func picture(t testing.TB, width, height int, kind string) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, width, height))
	for i := range width * height {
		m.Set(i%width, i/width, color.RGBA{200, 100, 50, 255})
	}
	var b bytes.Buffer
	var err error
	if kind == "jpeg" {
		err = stdjpeg.Encode(&b, m, nil)
	} else {
		err = stdpng.Encode(&b, m)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// exifWith is EXIF, behind its four bytes, with a small picture that lies on its side.
func exifWith(thumb []byte) []byte {
	put := binary.BigEndian
	b := []byte("\x00\x00\x00\x06Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x1a\x00\x02")
	b = append(b, "\x02\x01\x00\x04\x00\x00\x00\x01\x00\x00\x00\x38\x02\x02\x00\x04\x00\x00\x00\x01"...)
	b = put.AppendUint32(b, uint32(len(thumb)))
	return append(append(b, 0, 0, 0, 0), thumb...)
}

func boxOf(kind string, data ...[]byte) []byte {
	d := slices.Concat(data...)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(len(d)+8)), kind...), d...)
}

// heic is a file with two items, of which the second is EXIF.
func heic(brand string, exif []byte) []byte {
	head := boxOf("ftyp", []byte(brand+"\x00\x00\x00\x00mif1"+brand))
	build := func(at uint32) []byte {
		info := func(id byte, kind string) []byte {
			return boxOf("infe", []byte{2, 0, 0, 0, 0, id, 0, 0}, []byte(kind), []byte{0})
		}
		place := func(id byte, off, n uint32) []byte {
			b := []byte{0, id, 0, 0, 0, 1}
			b = binary.BigEndian.AppendUint32(b, off)
			return binary.BigEndian.AppendUint32(b, n)
		}
		return boxOf("meta", make([]byte, 4), boxOf("iinf", []byte{0, 0, 0, 0, 0, 2}, info(1, "hvc1"), info(2, "Exif")),
			boxOf("iloc", []byte{0, 0, 0, 0, 0x44, 0, 0, 2}, place(1, at, 100), place(2, at+100, uint32(len(exif)))))
	}
	meta := build(0)
	meta = build(uint32(len(head) + len(meta) + 8))
	return slices.Concat(head, meta, boxOf("mdat", make([]byte, 100), exif))
}

// TestEXIF: HEIC, AVIF and JPEG XL are shown by the small picture in their EXIF, upright.
func TestEXIF(t *testing.T) {
	exif := exifWith(picture(t, 20, 10, "jpeg"))
	for name, b := range map[string][]byte{
		"a.heic": heic("heic", exif), "a.avif": heic("avif", exif),
		"a.jxl": slices.Concat([]byte(jxlSignature), boxOf("ftyp", []byte("jxl \x00\x00\x00\x00jxl ")), boxOf("Exif", exif), boxOf("jxlc", []byte("data"))),
	} {
		p, err := format.Show(t.Context(), Format{}, format.Bytes(b), 256)
		if err != nil || p.Image.Width != 10 || p.Image.Height != 20 || p.Source != format.Embedded {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
		for n := 12; n < len(b); n += 7 {
			if err := format.Validate(t.Context(), Format{}, format.Bytes(b[:n])); n > 100 && !errors.Is(err, format.ErrMalformed) {
				t.Errorf("%s: %d bytes of %d: %v", name, n, len(b), err)
				break
			}
		}
		if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestReasons: what cannot be shown says why.
func TestReasons(t *testing.T) {
	for want, b := range map[string][]byte{
		"AVIF: AV1 is not decoded, and the file has no EXIF with a preview": slices.Concat(boxOf("ftyp", []byte("avif\x00\x00\x00\x00avif")), boxOf("mdat")),
		"HEIC: HEVC is not decoded, and the file's EXIF has no preview":     heic("heic", exifWith(nil)),
		"JPEG XL is not decoded":     []byte("\xff\x0a........................"),
		"no preview was found in it": []byte("8BPS or whatever it may be"),
	} {
		_, err := format.Show(t.Context(), Format{}, format.Bytes(b), 256)
		if !errors.Is(err, format.ErrUnsupported) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

// TestSamples: a real HEIC is whole and says why it is not shown; the sample that was cut off is malformed.
func TestSamples(t *testing.T) {
	whole := formattest.Sample(t, "raster/perkeep/IMG_8062.HEIC")
	formattest.Run(t, Format{}, map[string][]byte{"IMG_8062.HEIC": whole})
	if _, err := format.Show(t.Context(), Format{}, format.Bytes(whole), 256); !errors.Is(err, format.ErrUnsupported) || !strings.Contains(err.Error(), "HEVC") {
		t.Errorf("%v", err)
	}
	for _, b := range [][]byte{formattest.Sample(t, "raster/perkeep/river-truncated.heic"), whole[:len(whole)-1], whole[:len(whole)/2], whole[:3000]} {
		if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
}

// TestZip: of a zip the picture of a known name.
func TestZip(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, data := range map[string][]byte{"Document.archive": []byte("x"), "QuickLook/Thumbnail.png": picture(t, 12, 9, "png")} {
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	p, err := format.Show(t.Context(), Format{}, format.Bytes(b.Bytes()), 256)
	if err != nil || p.Image.Width != 12 {
		t.Errorf("%+v, %v", p, err)
	}
	if err := format.Validate(t.Context(), Format{}, format.Bytes(b.Bytes()[:b.Len()-9])); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("cut off: %v", err)
	}
	if !(Format{}).Match("a.procreate", b.Bytes()) || (Format{}).Match("a.zip", b.Bytes()) {
		t.Error("match")
	}
}

// counted counts what is read of a file that is large, with pictures at its ends.
type counted struct {
	size       int64
	head, tail []byte
	read       atomic.Int64
}

func (c *counted) Size() int64 { return c.size }

func (c *counted) ReadAt(b []byte, off int64) (int, error) {
	c.read.Add(int64(len(b)))
	clear(b)
	if off < int64(len(c.head)) {
		copy(b, c.head[off:])
	}
	if at := c.size - int64(len(c.tail)); off+int64(len(b)) > at {
		if off < at {
			copy(b[at-off:], c.tail)
		} else {
			copy(b, c.tail[off-at:])
		}
	}
	return len(b), nil
}

// TestCarve: of the pictures in the first and last bytes of a large file that is taken which is large enough and not
// much larger; what lies between is not read. A picture that is not whole is none.
func TestCarve(t *testing.T) {
	cut := picture(t, 300, 300, "png")
	xmpThumb := "<xmpGImg:image>" + strings.ReplaceAll(base64.StdEncoding.EncodeToString(picture(t, 64, 40, "jpeg")), "/", "/&#xA;") + "</xmpGImg:image>"
	in := &counted{size: 1 << 40, head: slices.Concat([]byte("some document"), cut[:len(cut)-20], []byte(xmpThumb), picture(t, 200, 100, "jpeg")),
		tail: slices.Concat([]byte("\xff\xd8\xff\xe0"), picture(t, 900, 600, "png"), []byte("end"))}
	for size, want := range map[int]int{100: 64, 128: 64, 130: 200, 400: 200, 401: 200, 402: 900, 5000: 900} {
		in.read.Store(0)
		p, err := format.Show(t.Context(), Format{}, in, size)
		if err != nil || p.Image.Width != want || p.Source != format.Embedded {
			t.Errorf("for %d: %+v, %v, want %d", size, p, err, want)
		}
		if n := in.read.Load(); n > 12<<20 {
			t.Errorf("%d bytes were read", n)
		}
	}
}

// TestCarveIsBounded: places where a picture may begin are looked at only so often.
func TestCarveIsBounded(t *testing.T) {
	b := bytes.Repeat([]byte("\xff\xd8\xff\xe0\x00\x02"), 600_000)
	in := &counted{size: int64(len(b)), head: b}
	if _, err := format.Show(t.Context(), Format{}, in, 256); !errors.Is(err, format.ErrUnsupported) {
		t.Errorf("%v", err)
	}
	if n := in.read.Load(); n > 1<<30 {
		t.Errorf("%d bytes were read of %d", n, len(b))
	}
}

func seeds(t testing.TB) map[string][]byte {
	exif := exifWith(picture(t, 20, 10, "jpeg"))
	return map[string][]byte{"a.heic": heic("heic", exif), "a.avif": heic("avif", nil),
		"a.jxl":      slices.Concat([]byte(jxlSignature), boxOf("Exif", exif), boxOf("jxlc", []byte("data"))),
		"a.afdesign": slices.Concat([]byte("x"), picture(t, 9, 9, "png"), picture(t, 9, 9, "jpeg"))}
}

func TestContract(t *testing.T) { formattest.Run(t, Format{}, seeds(t)) }

func FuzzSurvive(f *testing.F) { formattest.Fuzz(f, Format{}, seeds(f)) }
