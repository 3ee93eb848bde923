// Package picturetest holds pictures against those that real applications decode of the same files.
package picturetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/raster"
)

// Magick runs ImageMagick's convert where ci is true, and returns what it writes.
func Magick(t testing.TB, ci bool, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(formattest.App(t, ci, "convert"), args...)
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("convert %v: %v\n%s", args, err, said.Bytes())
	}
	return out
}

// Make makes a file of an extension with convert; its place stands for OUT at the end of args.
func Make(t testing.TB, ci bool, ext string, args ...string) []byte {
	t.Helper()
	at := filepath.Join(t.TempDir(), "made"+ext)
	Magick(t, ci, append(args, at)...)
	b, err := os.ReadFile(at)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Same holds a picture against what convert makes of a file of that extension; which says more about it, as "[0]" after
// its name. off is by how much of 65535 a sample may differ. Options are convert's; "-define" and what is defined come
// first.
func Same(t testing.TB, ci bool, p *raster.Image, file []byte, ext, which string, off int, options ...string) {
	t.Helper()
	at := filepath.Join(t.TempDir(), "in"+ext)
	if err := os.WriteFile(at, file, 0o600); err != nil {
		t.Fatal(err)
	}
	kind := "rgba:-"
	if p.Model == raster.CMYK {
		kind = "cmyk:-"
	}
	args := []string{}
	for len(options) > 1 && options[0] == "-define" {
		args, options = append(args, options[:2]...), options[2:]
	}
	args = append(append(args, at+which), options...)
	want := Magick(t, ci, append(args, "-depth", "16", "-endian", "LSB", kind)...)
	if err := Differ(p, want, off); err != nil {
		t.Error(err)
	}
}

// Differ compares a picture with samples of 16 bits, little-endian: red, green, blue, alpha; of ink its four.
func Differ(p *raster.Image, want []byte, off int) error {
	if len(want) != p.Width*p.Height*8 {
		return fmt.Errorf("%d×%d: %d bytes are wanted", p.Width, p.Height, len(want))
	}
	bad, worst, at := 0, 0, ""
	for i := range p.Width * p.Height {
		px := Pixel(p, i)
		for c := range 4 {
			w := int(binary.LittleEndian.Uint16(want[8*i+2*c:]))
			if d := max(px[c]-w, w-px[c]); d > off {
				bad++
				if d > worst {
					worst, at = d, fmt.Sprintf("%d, %d channel %d: %d, want %d", i%p.Width, i/p.Width, c, px[c], w)
				}
			}
		}
	}
	if bad > 0 {
		return fmt.Errorf("%d samples of %d differ, most at %s", bad, p.Width*p.Height*4, at)
	}
	return nil
}

// Pixel is pixel i in 16 bits: red, green, blue, alpha; of ink its four.
func Pixel(p *raster.Image, i int) (px [4]int) {
	n := p.Channels()
	get := func(c int) int {
		switch p.Depth {
		case raster.U8:
			return int(p.U8[i*n+c]) * 257
		case raster.U16:
			return int(p.U16[i*n+c])
		}
		return int(math.Round(min(max(float64(p.F32[i*n+c]), 0), 1) * 65535))
	}
	px[3] = 65535
	switch p.Model {
	case raster.Gray:
		px[0], px[1], px[2] = get(0), get(0), get(0)
	case raster.CMYK:
		return [4]int{get(0), get(1), get(2), get(3)}
	default:
		px[0], px[1], px[2] = get(0), get(1), get(2)
	}
	if p.Alpha {
		px[3] = get(n - 1)
	}
	return px
}

// Decode decodes a file that is whole.
func Decode(t testing.TB, f format.Format, file []byte) *raster.Image {
	t.Helper()
	p, err := format.Decode(t.Context(), f, format.Bytes(file))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Fixtures holds the files of a folder against its truth.txt, made by its make.sh: of each a name and the SHA-256 of its
// samples in 16 bits, as Pixel gives them; [i] after the name is frame i, from 0, as it is shown. Where ci is true they are held against convert, too, which tells more.
func Fixtures(t *testing.T, ci bool, f format.Format, dir string, options ...string) map[string][]byte {
	t.Helper()
	list, err := os.ReadFile(filepath.Join(dir, "truth.txt"))
	if err != nil {
		t.Fatal(err)
	}
	files := Seeds(t, dir)
	for line := range strings.Lines(string(list)) {
		name, want, _ := strings.Cut(strings.TrimSpace(line), " ")
		file, frame, framed := strings.Cut(strings.TrimSuffix(name, "]"), "[")
		b := files[file]
		t.Run(name, func(t *testing.T) {
			var p *raster.Image
			if framed {
				i, _ := strconv.Atoi(frame)
				p = Frame(t, f, b, i)
			} else {
				p = Decode(t, f, b)
			}
			h := sha256.New()
			for i := range p.Width * p.Height {
				for _, v := range Pixel(p, i) {
					h.Write([]byte{byte(v), byte(v >> 8)})
				}
			}
			if got := hex.EncodeToString(h.Sum(nil)); got != want {
				t.Errorf("its samples have the hash %s", got)
				if ci && !framed {
					Same(t, ci, p, b, filepath.Ext(name), "[0]", 0, options...)
				}
			}
		})
	}
	return files
}

// Cut holds a format to its word that a file is cut off: of no shorter file but those of which only the last spare bytes
// are missing may it say that it is whole. An empty file, and one of zeros, are none either.
func Cut(t *testing.T, f format.Format, file []byte, spare int) {
	t.Helper()
	step := max(1, len(file)/512)
	for n := 0; n < len(file)-spare; n += step {
		if err := format.Validate(t.Context(), f, format.Bytes(file[:n])); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%d bytes of %d: %v", n, len(file), err)
			return
		}
	}
	if err := format.Validate(t.Context(), f, format.Bytes(make([]byte, len(file)))); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("of zeros: %v", err)
	}
	if err := format.Validate(t.Context(), f, format.Bytes(file)); err != nil {
		t.Errorf("all of it: %v", err)
	}
}

// Frame is frame i, from 0, of an animation, as it is shown.
func Frame(t testing.TB, f format.Format, file []byte, i int) *raster.Image {
	t.Helper()
	x, err := format.ExtractElement(t.Context(), f, format.Bytes(file), fmt.Sprintf("frame:%d", i+1))
	if err != nil {
		t.Fatal(err)
	}
	m, err := png.Decode(bytes.NewReader(formattest.All(t, x.Content)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := raster.FromImage(m)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Seeds are the files of a folder that its truth.txt names.
func Seeds(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	list, err := os.ReadFile(filepath.Join(dir, "truth.txt"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for line := range strings.Lines(string(list)) {
		name, _, _ := strings.Cut(line, " ")
		name, _, _ = strings.Cut(name, "[")
		if out[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return out
}
