package kra

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/png"
	"varve/format/raster"
)

// fixtures are the documents that testdata/make.sh makes with Krita, of 60 by 2 pixels.
func fixtures(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.kra")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no documents in testdata: %v", err)
	}
	out := map[string][]byte{}
	for _, p := range paths {
		if out[filepath.Base(p)], err = os.ReadFile(p); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestFixtures(t *testing.T) { formattest.Run(t, Format{}, fixtures(t)) }

// TestSamplesOfPixels: of each kind of pixel that Krita writes, the samples are those that were painted; and the picture
// of a layer is that which Krita made of it.
func TestSamplesOfPixels(t *testing.T) {
	for name, b := range fixtures(t) {
		model, depth, _ := strings.Cut(strings.TrimSuffix(name, ".kra"), "-")
		d, err := open(t.Context(), format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		p, err := d.picture(t.Context(), d.nodes[0], "", 0, 0, 60, 2)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		channels := p.Channels() - 1
		for i := range 60 * 2 * (channels + 1) {
			x, y, c := i/(channels+1)%60, i/(channels+1)/60, i%(channels+1)
			v := float64((7*x+3*y+50*c)%256) / 255
			if model == "rgba" && depth[0] == 'u' && c < 3 { // blue was painted first
				v = float64((7*x+3*y+50*(2-c))%256) / 255
			}
			if c == channels {
				v = 1
			}
			want, near := scaled(p, v, c)
			if got := p.At(x, y, c); math.Abs(got-want) > near {
				t.Fatalf("%s: sample %d at %d,%d is %v, want %v", name, c, x, y, got, want)
			}
		}
		shown, err := format.Decode(t.Context(), Format{}, format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(b), d.nodes[0].id)
		if err != nil {
			t.Fatal(err)
		}
		out, err := png.Format{}.Decode(t.Context(), x.Content)
		if err != nil {
			t.Fatal(err)
		}
		limit := map[string]int{"laba": 8}[model] // near the border of what sRGB has
		if far := farthest(shown.ToNRGBA8().Pix, out.ToNRGBA8().Pix); far > max(limit, 1) {
			t.Errorf("%s: the picture is %v away from Krita's", name, far)
		}
	}
}

// farthest is the largest difference of two pictures, but of colours that one has to be clipped for.
func farthest(a, b []uint8) (most int) {
	for i := 0; i < len(a); i += 4 {
		if px := a[i : i+3]; slices.Min(px) == 0 || slices.Max(px) == 255 {
			continue
		}
		for c := range 4 {
			most = max(most, int(a[i+c])-int(b[i+c]), int(b[i+c])-int(a[i+c]))
		}
	}
	return most
}

// scaled is a value from 0 to 1 as a sample of channel c, and how near to it a sample must be.
func scaled(p *raster.Image, v float64, c int) (want, near float64) {
	switch {
	case p.Depth == raster.U8:
		return math.Round(v * 255), 0
	case p.Depth == raster.U16:
		return math.Round(v * 65535), 0
	case p.Model == raster.Lab && c == 0:
		return v * 100, 1e-3
	case p.Model == raster.Lab && c < 3:
		return (math.Round(v*65535) - 0x8080) / 257, 1e-3
	}
	return v, 1.0 / 2048
}

// TestHalf: every float of 16 bits has the value that it has.
func TestHalf(t *testing.T) {
	for v := range 1 << 16 {
		got := float64(half(uint16(v)))
		sign, e, f := 1-2*float64(v>>15), v>>10&31, float64(v&1023)
		want := sign * math.Ldexp(1+f/1024, e-15)
		switch e {
		case 0:
			want = sign * math.Ldexp(f/1024, -14)
		case 31:
			if want = sign * math.Inf(1); f != 0 {
				want = math.NaN()
			}
		}
		if got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Fatalf("%04x is %v, want %v", v, got, want)
		}
	}
}

// TestLZF: literals, near and far repeats, and what is none of these.
func TestLZF(t *testing.T) {
	for _, c := range []struct {
		src  string
		want string
	}{
		{"\x02abc", "abc"},
		{"\x00a\x20\x00", "aaaa"},                         // 3 from 1 before
		{"\x02abc\x40\x02", "abcabca"},                    // 4 from 3 before
		{"\x00a\xe0\x03\x00", strings.Repeat("a", 13)},    // 7+3+2
		{"\x01ab\xe0\xff\x01", strings.Repeat("ab", 133)}, // longest
	} {
		dst := make([]byte, len(c.want))
		if !unLZF(dst, []byte(c.src)) || string(dst) != c.want {
			t.Errorf("%q: %q, want %q", c.src, dst, c.want)
		}
		for n := range len(c.src) {
			if unLZF(make([]byte, len(c.want)), []byte(c.src[:n])) {
				t.Errorf("%q, cut at %d, is whole", c.src, n)
			}
		}
		if unLZF(make([]byte, len(c.want)+1), []byte(c.src)) || unLZF(make([]byte, len(c.want)-1), []byte(c.src)) {
			t.Errorf("%q fills other than %d bytes", c.src, len(c.want))
		}
	}
	far := append([]byte{}, bytes.Repeat([]byte("\x1f"+strings.Repeat("x", 32)), 256)...)
	far = append(far, 0x3f, 0xff)
	if !unLZF(make([]byte, 8192+3), far) {
		t.Error("the farthest repeat")
	}
	if unLZF(make([]byte, 10), []byte("\x00a\x20\x01")) {
		t.Error("a repeat from before the start")
	}
}
