package psd

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

func app(t *testing.T, name string) string {
	return formattest.App(t, os.Getenv("VARVE_CI") != "", name)
}

// ofGrafts runs a test of each set of grafts: of documents that are made here, and of samples: where, from where, what.
func ofGrafts(t *testing.T, test func(t *testing.T, files map[string][]byte)) {
	t.Run("made", func(t *testing.T) { test(t, madeGrafts(t)) })
	for set, list := range map[string][][3]string{
		"generated-krita": {{"generated-krita/base.psd", "generated-krita/hull-stripe.psd", "#2"}, {"generated-krita/hull-stripe.psd", "generated-krita/base.psd", "#2"}},
		"psd-tools-edits": {
			{"psd-tools-edits/fill_adjustments.v5.psd", "psd-tools-edits/fill_adjustments.v1.psd", "2"},
			{"psd-tools-edits/fill_adjustments.v1.psd", "psd-tools-edits/fill_adjustments.v5.psd", "22"},
		},
		"psd-tools": {
			{"psd-tools/mask.psd", "psd-tools/group.psd", "3"},
			{"psd-tools/16bit5x5.psd", "psd-tools/colormodes/4x4_16bit_rgb.psd", "2"},
			{"psd-tools/mask.psb", "psd-tools/group.psb", "3"},
			{"psd-tools/mask.psd", "psd-tools/group.psb", "3"},
			{"psd-tools/mask.psb", "psd-tools/group.psd", "3"},
		},
		"ag-psd": {
			{"psd-tools/layers/pixel-layer.psd", "ag-psd/read/text-layer/src.psd", "2"},
			{"ag-psd/read/layers/src.psd", "ag-psd/read/layer-mask/src.psd", "2"},
		},
	} {
		t.Run(set, func(t *testing.T) {
			files := map[string][]byte{}
			for i, c := range list {
				g := graft(t, formattest.Sample(t, "psd/"+c[0]), formattest.Sample(t, "psd/"+c[1]), c[2])
				files[fmt.Sprintf("%02d%s", i, filepath.Ext(c[0]))] = formattest.All(t, g.Content)
			}
			test(t, files)
		})
	}
}

// madeGrafts are grafts of a group into documents of both depths that others read, of each compression, in both forms.
func madeGrafts(t *testing.T) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	for _, depth := range []int{8, 16} {
		for packing := range 4 {
			for _, ext := range []string{".psd", ".psb"} {
				under, over, masked := square(1, "under", 2, 20, .2, .4, .6), square(2, "over", 8, 10, 1, .5, 0), square(3, "masked", -4, 20, .1, .9, .3)
				over.noise, over.opacity, masked.mask = true, 128, &box{1, 1, 9, 9}
				m := rgbDocument(append([]madeLayer{under}, group(4, "g", masked, over)...)...)
				m.depth, m.packing, m.big = depth, packing, ext == ".psb"
				from := m.file()
				m.layers = m.layers[:1]
				files[fmt.Sprintf("%d-%d%s", depth, packing, ext)] = formattest.All(t, graft(t, m.file(), from, "4").Content)
			}
		}
	}
	return files
}

// TestImageMagickOpensGrafts: it finds each layer with pixels where this package says that it is, and shows the same
// pixels.
func TestImageMagickOpensGrafts(t *testing.T) {
	ofGrafts(t, imageMagickOpens)
}

func imageMagickOpens(t *testing.T, files map[string][]byte) {
	identify, convert := app(t, "identify"), app(t, "convert")
	dir := t.TempDir()
	for name, b := range files {
		at := filepath.Join(dir, name)
		if err := os.WriteFile(at, b, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(identify, "-format", "%wx%h%O\n", at).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
			continue
		}
		got := strings.Fields(string(out))[1:]
		d, err := parse(t.Context(), format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		var shown []*layer
		for i := range d.layers.list {
			if l := &d.layers.list[i]; l.box.width() > 0 {
				want = append(want, fmt.Sprintf("%dx%d%+d%+d", l.box.width(), l.box.height(), l.box.left, l.box.top))
				shown = append(shown, l)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
			continue
		}
		for i, l := range shown {
			mine, err := d.layerImage(l)
			if err != nil {
				t.Fatal(err)
			}
			png, err := exec.Command(convert, fmt.Sprintf("%s[%d]", at, i+1), "png:-").Output()
			if err != nil {
				t.Errorf("%s, layer %d: %v", name, i, err)
				continue
			}
			theirs := readPNG(t, png)
			mine.Profile, theirs.Profile = nil, nil
			most, _ := distance(mine, theirs)
			m, err := d.maskOf(l)
			if err != nil {
				t.Fatal(err)
			}
			if m == nil && l.opacity == 255 && most > 1 { // it applies masks and opacity
				t.Errorf("%s, layer %q: %v apart", name, l.name, most)
			}
		}
	}
}

// TestGIMPOpensGrafts: it lists the layers and groups of a graft as this package does. It knows no PSB, and leaves
// adjustments out.
func TestGIMPOpensGrafts(t *testing.T) { ofGrafts(t, gimpOpens) }

func gimpOpens(t *testing.T, files map[string][]byte) {
	gimp := app(t, "gimp")
	dir := t.TempDir()
	script := `(begin (define (walk k items depth) (if (< k (vector-length items)) (begin
		(gimp-message (string-append "ITEM:" depth (car (gimp-item-get-name (vector-ref items k)))))
		(if (= (car (gimp-item-is-group (vector-ref items k))) 1) (walk 0 (cadr (gimp-item-get-children (vector-ref items k))) (string-append depth ">")))
		(walk (+ k 1) items depth))))
		(define (show f) (walk 0 (cadr (gimp-image-get-layers (car (gimp-file-load RUN-NONINTERACTIVE f f)))) ""))`
	var want []string
	for _, name := range sorted(files) {
		if filepath.Ext(name) != ".psd" {
			continue
		}
		at := filepath.Join(dir, name)
		if err := os.WriteFile(at, files[name], 0o600); err != nil {
			t.Fatal(err)
		}
		script += fmt.Sprintf(` (gimp-message "ITEM:file") (show %q)`, at)
		want = append(want, "file")
		depth := map[string]string{}
		for _, e := range listed(t, files[name]) {
			switch e.Kind {
			case "adjustment", "mask", "vector mask", "layer comp", "fill":
				continue
			}
			depth[e.ID] = depth[e.Parent]
			if e.Parent != "" {
				depth[e.ID] += ">"
			}
			want = append(want, depth[e.ID]+e.Name)
		}
	}
	cmd := exec.Command(gimp, "-n", "-i", "-d", "-f", "-b", script+")", "-b", "(gimp-quit 0)")
	cmd.Env = append(os.Environ(), "HOME="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var got []string
	for line := range strings.SplitSeq(string(out), "\n") {
		if _, item, ok := strings.Cut(line, "ITEM:"); ok {
			if i := strings.LastIndex(item, " #"); i > 0 { // it numbers names that are there twice
				item = item[:i]
			}
			if item != "Color Lookup 1" && item != "Vibrance 1" { // adjustments that it does not know as such
				got = append(got, item)
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q\n%s", got, want, out)
	}
}

// TestKritaOpensGrafts: it shows a graft as this package does.
func TestKritaOpensGrafts(t *testing.T) {
	dir := t.TempDir()
	a := square(1, "under", 0, 32, .2, .4, .6)
	b := square(2, "over", 8, 10, 1, .5, 0)
	b.opacity = 128
	m := rgbDocument(append([]madeLayer{a}, group(3, "g", b)...)...)
	from := m.file()
	m.layers = m.layers[:1]
	g := graft(t, m.file(), from, "3")
	at, png := filepath.Join(dir, "a.psd"), filepath.Join(dir, "a.png")
	if err := os.WriteFile(at, formattest.All(t, g.Content), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := formattest.OnScreen(t, os.Getenv("VARVE_CI") != "", "krita", at, "--export", "--export-filename", png).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	shown, err := os.ReadFile(png)
	if err != nil {
		t.Fatal(err)
	}
	d, err := parse(t.Context(), g.Content)
	if err != nil {
		t.Fatal(err)
	}
	mine, _, err := d.composite(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	theirs := readPNG(t, shown)
	mine.Profile, theirs.Profile = nil, nil
	if most, mean := distance(mine, theirs); most > 2 {
		t.Errorf("%v, %v apart", most, mean)
	}
}

// TestImageMagickOpensExtracts: a document of one layer has that layer.
func TestImageMagickOpensExtracts(t *testing.T) {
	identify := app(t, "identify")
	extract := func(t *testing.T, b []byte, id, want string) {
		t.Helper()
		x, err := format.ExtractElement(t.Context(), Format{}, format.Bytes(b), id)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(identify, "-format", "%wx%h ", strings.TrimPrefix(x.Extension, ".")+":-")
		cmd.Stdin = bytes.NewReader(formattest.All(t, x.Content))
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("%s, want %s, %v", got, want, err)
		}
	}
	for _, big := range []bool{false, true} {
		m := rgbDocument(append([]madeLayer{square(1, "under", 0, 32, .2, .4, .6)}, group(4, "g", square(2, "over", 8, 10, 1, .5, 0))...)...)
		m.big = big
		extract(t, m.file(), "4", "32x32 10x10")
	}
	for _, c := range [][3]string{
		{"psd-tools/group.psd", "3", "100x200 41x74"}, {"psd-tools/hidden-groups.psd", "6", "100x200 43x62"}, {"psd-tools/group.psb", "3", "100x200 42x74"},
	} {
		t.Run(c[0], func(t *testing.T) { extract(t, formattest.Sample(t, "psd/"+c[0]), c[1], c[2]) })
	}
}

func sorted[T any](m map[string]T) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
