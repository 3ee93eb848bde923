package psd

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// counted counts what is read of a file.
type counted struct {
	format.Input
	reads int
	bytes int64
}

func (c *counted) ReadAt(b []byte, off int64) (int, error) {
	c.reads++
	c.bytes += int64(len(b))
	return c.Input.ReadAt(b, off)
}

// TestReadsLittle: listing, showing and grafting read little of a large document.
func TestReadsLittle(t *testing.T) {
	in, from := large(21, false), large(21, true)
	for name, do := range map[string]func(format.Input) error{
		"outline":    func(in format.Input) error { return second(Format{}.Outline(t.Context(), in)) },
		"regions":    func(in format.Input) error { return second(Format{}.Regions(in)) },
		"references": func(in format.Input) error { return second(Format{}.References(t.Context(), in)) },
		"picture":    func(in format.Input) error { return second(Format{}.Picture(t.Context(), in, 256)) },
		"graft":      func(in format.Input) error { return second(Format{}.Graft(t.Context(), in, from, []string{"11"})) },
	} {
		c := &counted{Input: in}
		if err := do(c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if c.bytes > 1<<20 || c.reads > 100 {
			t.Errorf("%s: %d bytes in %d reads of a file of %d", name, c.bytes, c.reads, in.Size())
		}
	}
}

// TestPreviewReads: an embedded preview is shown after few reads.
func TestPreviewReads(t *testing.T) {
	b := formattest.Sample(t, "psd/ag-psd/read/layers/src.psd")
	c := &counted{Input: format.Bytes(b)}
	p, err := format.Show(t.Context(), Format{}, c, 160)
	if err != nil || p.Source != format.Embedded || c.reads > 16 {
		t.Errorf("%+v, %v, %d reads", p, err, c.reads)
	}
	p, err = format.Show(t.Context(), Format{}, format.Bytes(b), 100_000)
	d, failure := parse(t.Context(), format.Bytes(b))
	if err != nil || failure != nil || p.Image.Width != d.width {
		t.Errorf("the largest: %+v, %v", p, err)
	}
}

// TestSmallerPictures: the merged image and the layers look alike in any size.
func TestSmallerPictures(t *testing.T) {
	for _, name := range []string{"psd/psd-tools/group.psd", "psd/ag-psd/read/layer-mask/src.psd", "psd/generated-krita/base.psd", "psd/ag-psd/read/layers/src.psd"} {
		t.Run(name, func(t *testing.T) {
			d, err := parse(t.Context(), format.Bytes(formattest.Sample(t, name)))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range []int{2, 3, 7} {
				m, err := d.mergedImage(t.Context(), f)
				if err != nil {
					t.Fatal(err)
				}
				c, _, err := d.composite(t.Context(), f)
				if err != nil {
					t.Fatal(err)
				}
				if m.Width != (d.width+f-1)/f || c.Width != m.Width || c.Height != m.Height {
					t.Errorf("1/%d: %d×%d and %d×%d", f, m.Width, m.Height, c.Width, c.Height)
				}
				if c.Alpha && !m.Alpha {
					t.Errorf("1/%d: alpha %t and %t", f, m.Alpha, c.Alpha)
				}
				if _, mean := distance(m, c); mean > 1 {
					t.Errorf("1/%d: %v apart", f, mean)
				}
			}
		})
	}
}

// TestCut: a file that is cut off anywhere is known to be.
func TestCut(t *testing.T) {
	files := map[string][]byte{}
	for _, big := range []bool{false, true} {
		for _, packed := range []bool{false, true} {
			m := rgbDocument(square(1, "a", 0, 9, 1, 0, 0), square(2, "b", 3, 21, 1, 1, 0))
			m.big, m.packedMerged, m.layers[1].noise = big, packed, true
			files[string(m.file()[5])+map[bool]string{false: "raw", true: "packed"}[packed]] = m.file()
		}
	}
	for name, b := range files {
		if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for n := 0; n < len(b); n += 7 {
			if err := format.Validate(t.Context(), Format{}, format.Bytes(b[:n])); !errors.Is(err, format.ErrMalformed) {
				t.Fatalf("%s, %d bytes of %d: %v", name, n, len(b), err)
			}
		}
	}
	for name, b := range samples(t) {
		if err := format.Validate(t.Context(), Format{}, format.Bytes(b[:len(b)*9/10])); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestDamagedChannel: a layer whose pixels cannot be decoded is listed all the same, and is no whole file.
func TestDamagedChannel(t *testing.T) {
	m := rgbDocument(square(1, "a", 0, 9, 1, 0, 0), square(2, "b", 3, 21, 1, 1, 0))
	b := m.file()
	d, err := parse(t.Context(), format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	at := d.layers.list[1].channel[0].data
	bad := bytes.Clone(b)
	bad[at.off+2], bad[at.off+3] = 0xff, 0xff // a row that is too long
	if list := listed(t, bad); len(list) != 2 || list[0].Aspects["pixels"] == listed(t, b)[0].Aspects["pixels"] || list[1].Hash() != listed(t, b)[1].Hash() {
		t.Errorf("%+v", list)
	}
	if err := format.Validate(t.Context(), Format{}, format.Bytes(bad)); !errors.Is(err, format.ErrMalformed) {
		t.Error(err)
	}
	if _, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(bad), "2"); !errors.Is(err, format.ErrMalformed) {
		t.Error(err)
	}
}

// TestBombs: small files that ask for much are refused before it is taken.
func TestBombs(t *testing.T) {
	m := &made{width: 1, height: 1, depth: 8, mode: modeRGB}
	wide := m.file()
	copy(wide[14:], []byte{0, 0, 0x40, 0, 0, 0, 0x40, 0})
	taken := func(do func()) uint64 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		do()
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc
	}
	if n := taken(func() {
		if _, err := format.Decode(t.Context(), Format{}, format.Bytes(wide)); !errors.Is(err, format.ErrMalformed) {
			t.Error(err)
		}
	}); n > 1<<20 {
		t.Errorf("%d bytes were taken for a canvas that is not there", n)
	}
	l := square(1, "a", 0, 9, 1, 0, 0)
	l.packing = packZip
	k := rgbDocument(l).file()
	d, _ := parse(t.Context(), format.Bytes(k))
	copy(k[d.layers.list[0].record.off+8:], []byte{0, 0, 0x20, 0, 0, 0, 0x20, 0}) // 8192×8192
	if n := taken(func() {
		if _, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(k), "1"); !errors.Is(err, format.ErrMalformed) {
			t.Error(err)
		}
	}); n > 1<<20 {
		t.Errorf("%d bytes were taken for a layer that is not there", n)
	}
}

// TestEnds: work ends with its context.
func TestEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	in := rgbDocument(square(1, "a", 0, 9, 1, 0, 0)).file()
	for _, err := range []error{second(Format{}.Elements(ctx, format.Bytes(in))), second(Format{}.Decode(ctx, format.Bytes(in))), second(Format{}.Picture(ctx, format.Bytes(in), 64))} {
		if !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	}
	g := func() *format.Grafting {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		from := rgbDocument(square(2, "b", 0, 9, 1, 0, 0)).file()
		g, err := Format{}.Graft(ctx, format.Bytes(in), format.Bytes(from), []string{"2"})
		if err != nil {
			t.Fatal(err)
		}
		return g
	}()
	if got := tree(t, formattest.All(t, g.Content)); got != "2b 1a" {
		t.Errorf("what was grafted is read after its context ended: %s", got)
	}
}

// TestRegions: cuts are where channels and the files of smart objects begin and end.
func TestRegions(t *testing.T) {
	big := square(1, "a", 0, 300, 1, 0, 0)
	big.packing = packNone + packRLE
	big.noise = true
	content := bytes.Repeat([]byte("file"), 9000)
	m := rgbDocument(big, square(2, "b", 0, 3, 1, 1, 1))
	m.blocks = []madeBlock{{"lnk2", linkedItem("liFD", "u", "x.txt", content)}}
	b := m.file()
	got, err := Format{}.Regions(format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	d, _ := parse(t.Context(), format.Bytes(b))
	want := []int64{int64(bytes.Index(b, content))}
	for _, c := range d.layers.list[0].channel {
		want = append(want, c.data.off)
	}
	for _, off := range want {
		if !slices.ContainsFunc(got, func(r format.Region) bool { return r.Off == off }) {
			t.Errorf("no region begins at %d: %v", off, got)
		}
	}
	if len(got) > 10 {
		t.Errorf("%d regions", len(got))
	}
	if sound := (format.Set{Format{}}).Regions("a.psd", format.Bytes(b), int64(len(b))); len(sound) != len(got) {
		t.Errorf("%d regions, of which %d are sound", len(got), len(sound))
	}
}

// TestOutline: it is the list of elements without aspects of pixels.
func TestOutline(t *testing.T) {
	for name, b := range samples(t) {
		whole := listed(t, b)
		quick, err := Format{}.Outline(t.Context(), format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		for i := range whole {
			for _, a := range []string{"pixels", "mask", "path"} {
				delete(whole[i].Aspects, a)
			}
		}
		if d := formattest.Differ(whole, quick); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}
