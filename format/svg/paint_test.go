package svg

import (
	"fmt"
	"image"
	"image/png"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/raster"
)

func show(t testing.TB, text string, size int) *format.Picture {
	t.Helper()
	p, err := format.Show(t.Context(), Format{}, format.Bytes([]byte(text)), size)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const head = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 16 16">`

// TestPixels: single pixels of small drawings, one unit wide each.
func TestPixels(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		x, y int
		want string // rrggbbaa
	}{
		"black by default":       {`<rect width="8" height="8"/>`, 4, 4, "000000ff"},
		"outside":                {`<rect width="8" height="8"/>`, 9, 4, "00000000"},
		"half a pixel":           {`<rect x="4" y="4" width="0.5" height="9" fill="red"/>`, 4, 8, "ff000080"},
		"name and style":         {`<rect width="9" height="9" fill="red" style="fill:lime"/>`, 4, 4, "00ff00ff"},
		"class":                  {`<style>.a{fill:#00f}</style><rect class="a b" width="9" height="9" fill="red"/>`, 4, 4, "0000ffff"},
		"inherited":              {`<g fill="rgb(0,50%,255)"><rect width="9" height="9"/></g>`, 4, 4, "0080ffff"},
		"current colour":         {`<g color="#0f0" fill="currentColor"><rect width="9" height="9"/></g>`, 4, 4, "00ff00ff"},
		"hsl":                    {`<rect width="9" height="9" fill="hsl(120,100%,25%)"/>`, 4, 4, "008000ff"},
		"hole, even-odd":         {`<path fill-rule="evenodd" d="M0 0h12v12H0zM4 4h4v4H4z"/>`, 5, 5, "00000000"},
		"no hole, non-zero":      {`<path d="M0 0h12v12H0zM4 4h4v4H4z"/>`, 5, 5, "000000ff"},
		"hole, the other way":    {`<path d="M0 0h12v12H0zM4 4v4h4V4z"/>`, 5, 5, "00000000"},
		"flags without space":    {`<path d="M2 8a6 6 0 1112 0z"/>`, 8, 5, "000000ff"},
		"relative after close":   {`<path d="M2 2h2v2h-2zm8 8h4v4h-4z"/>`, 11, 11, "000000ff"},
		"stroke":                 {`<path d="M2 8H14" stroke="red" stroke-width="4"/>`, 8, 9, "ff0000ff"},
		"stroke ends":            {`<path d="M4 8H12" stroke="red" stroke-width="4"/>`, 2, 8, "00000000"},
		"square ends":            {`<path d="M4 8H12" stroke="red" stroke-width="4" stroke-linecap="square"/>`, 2, 8, "ff0000ff"},
		"round ends":             {`<path d="M4 8H12" stroke="red" stroke-width="4" stroke-linecap="round"/>`, 3, 8, "ff0000ff"},
		"round ends, within":     {`<path d="M4 8H12" stroke="red" stroke-width="4" stroke-linecap="round"/>`, 4, 8, "ff0000ff"},
		"corner, mitred":         {`<path d="M4 14V4H14" fill="none" stroke="red" stroke-width="4"/>`, 2, 2, "ff0000ff"},
		"corner, bevelled":       {`<path d="M4 14V4H14" fill="none" stroke="red" stroke-width="4" stroke-linejoin="bevel"/>`, 2, 2, "00000000"},
		"both sides of a corner": {`<path d="M2 12L8 4 14 12" fill="none" stroke="red" stroke-width="3"/>`, 8, 5, "ff0000ff"},
		"dashes":                 {`<path d="M0 8H16" stroke="red" stroke-width="4" stroke-dasharray="4 4"/>`, 6, 8, "00000000"},
		"dashes moved":           {`<path d="M0 8H16" stroke="red" stroke-width="4" stroke-dasharray="4 4" stroke-dashoffset="4"/>`, 6, 8, "ff0000ff"},
		"transforms":             {`<g transform="translate(8) scale(2)"><rect transform="rotate(90)" width="2" height="2"/></g>`, 6, 2, "000000ff"},
		"use":                    {`<defs><rect id="r" width="4" height="4" fill="red"/></defs><use xlink:href="#r" x="8" y="8"/>`, 9, 9, "ff0000ff"},
		"not shown in defs":      {`<defs><rect id="r" width="4" height="4" fill="red"/></defs><use href="#r" x="8" y="8"/>`, 1, 1, "00000000"},
		"symbol":                 {`<symbol id="s" viewBox="0 0 1 1"><rect width="1" height="1" fill="red"/></symbol><use href="#s" width="8" height="8"/>`, 6, 6, "ff0000ff"},
		"not shown":              {`<g display="none"><rect width="9" height="9"/></g>`, 4, 4, "00000000"},
		"hidden, shown within":   {`<g visibility="hidden"><rect width="9" height="9" visibility="visible"/></g>`, 4, 4, "000000ff"},
		"group opacity":          {`<g opacity=".5"><rect width="9" height="9" fill="red"/><rect width="9" height="9" fill="blue"/></g>`, 4, 4, "0000ff80"},
		"clip":                   {`<clipPath id="c"><circle cx="8" cy="8" r="4"/></clipPath><rect clip-path="url(#c)" width="16" height="16"/>`, 3, 3, "00000000"},
		"within a clip":          {`<clipPath id="c"><circle cx="8" cy="8" r="4"/></clipPath><rect clip-path="url(#c)" width="16" height="16"/>`, 8, 8, "000000ff"},
		"mask":                   {`<mask id="m"><rect width="16" height="16" fill="#fff" opacity=".5"/></mask><rect mask="url(#m)" width="16" height="16"/>`, 8, 8, "00000080"},
		"gradient":               {`<linearGradient id="g"><stop offset="0" stop-color="red"/><stop offset="1" stop-color="blue"/></linearGradient><rect width="16" height="16" fill="url(#g)"/>`, 8, 3, "780087ff"},
		"gradient of another":    {`<linearGradient id="a"><stop stop-color="lime"/></linearGradient><radialGradient id="g" href="#a"/><rect width="16" height="16" fill="url(#g)"/>`, 8, 3, "00ff00ff"},
		"gradient that is gone":  {`<rect width="16" height="16" fill="url(#g) red"/>`, 8, 3, "ff0000ff"},
		"ellipse":                {`<ellipse cx="8" cy="8" rx="8" ry="4"/>`, 8, 3, "00000000"},
		"polygon":                {`<polygon points="0,0 16,0 16,16"/>`, 12, 4, "000000ff"},
	} {
		p := show(t, head+c.body+"</svg>", 16)
		at := p.Image.U8[4*(c.y*16+c.x):][:4]
		var want [4]uint8
		if _, err := fmt.Sscanf(c.want, "%02x%02x%02x%02x", &want[0], &want[1], &want[2], &want[3]); err != nil {
			t.Fatal(err)
		}
		for k := range 4 {
			if want[3] != 0 && math.Abs(float64(at[k])-float64(want[k])) > 2 || want[3] == 0 && at[3] != 0 {
				t.Errorf("%s: %02x, want %s", name, at, c.want)
				break
			}
		}
	}
}

func TestPictureSays(t *testing.T) {
	if p := show(t, head+`<text>a</text><rect filter="url(#f)"/><image href="a.png"/></svg>`, 64); p.Note != "without filters, pictures, text" {
		t.Errorf("%q", p.Note)
	}
	if p := show(t, strings.Replace(head, `viewBox="0 0 16 16"`, `width="20mm" height="10mm"`, 1)+"</svg>", 64); p.Image.Width != 64 || p.Image.Height != 32 || p.Note != "" {
		t.Errorf("%d×%d, %q", p.Image.Width, p.Image.Height, p.Note)
	}
	if p := show(t, head+`<g id="a"><use href="#a"/></g></svg>`, 64); p.Note != "without what is used too deep" {
		t.Errorf("%q", p.Note)
	}
	// Things used within one another many times, and far away, end soon.
	bomb := head + `<g id="a0"><rect width="9" height="9"/></g>`
	for i := range 22 {
		bomb += fmt.Sprintf(`<g id="a%d"><use href="#a%d"/><use href="#a%d"/><use href="#a%d"/></g>`, i+1, i, i, i)
	}
	for _, s := range []string{bomb, head + `<path stroke="red" stroke-dasharray="1" d="M0 0H1e12"/>`, head + `<path stroke="red" stroke-dasharray="0.001" d="M0 0L1e300 1e9"/>`, head + `<circle r="1e300"/><rect width="1e9" height="1e9" stroke="red" stroke-dasharray="1e-300"/>`,
		head + `<g opacity=".5">` + strings.Repeat(`<g opacity=".5">`, 100) + strings.Repeat("</g>", 101)} {
		show(t, s+"</svg>", 64)
	}
}

func TestBounds(t *testing.T) {
	es := list(t, strings.Replace(head, ">", ` width="32" height="32">`, 1)+`<g id="g" transform="translate(1 2)"><rect id="r" width="3" height="4"/><circle id="c" cx="5" cy="5" r="1" display="none"/></g></svg>`)
	if !slices.Equal(es["r"].Bounds, []float64{2, 4, 8, 12}) || !slices.Equal(es["g"].Bounds, es["r"].Bounds) || es["c"].Bounds != nil {
		t.Errorf("%v %v %v", es["r"].Bounds, es["g"].Bounds, es["c"].Bounds)
	}
}

// much has what the samples have not.
const much = `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="200" height="200" viewBox="0 0 100 100">
<defs><linearGradient id="l" spreadMethod="reflect" x2="30%"><stop offset="0" stop-color="#f00"/><stop offset="1" stop-color="#00f" stop-opacity=".3"/></linearGradient>
<radialGradient id="r" gradientUnits="userSpaceOnUse" cx="70" cy="25" r="20" fx="64" fy="20" gradientTransform="rotate(10 70 25)"><stop offset=".1" stop-color="#ff0"/><stop offset=".9" stop-color="#080"/></radialGradient>
<clipPath id="c"><path d="M10 60h30v30h-30z M20 70v10h10v-10z" clip-rule="evenodd"/></clipPath><mask id="m"><rect x="50" y="50" width="50" height="50" fill="url(#l)"/></mask><g id="s"><circle r="4"/><path d="M-6 0q6 8 12 0t12 0" fill="none" stroke="#333"/></g></defs>
<rect x="5" y="5" width="40" height="40" rx="9" fill="url(#l)" stroke="#000" stroke-width="2" stroke-dasharray="6 2 1"/>
<ellipse cx="70" cy="25" rx="25" ry="18" fill="url(#r)" transform="skewX(-5)"/>
<g clip-path="url(#c)" opacity=".7"><rect y="50" width="50" height="50" fill="teal"/><circle cx="30" cy="75" r="12" fill="orange"/></g>
<g mask="url(#m)"><rect x="50" y="50" width="50" height="50" fill="purple"/></g>
<use xlink:href="#s" x="60" y="70" fill="green" transform="rotate(-20 60 70)"/>
<path d="M55 95 C60 60 80 130 95 60 S70 60 75 90" fill="none" stroke="navy" stroke-width="3" stroke-linecap="round" stroke-linejoin="round"/>
<path d="M5 55l8-4 6 5-10 1z" fill="none" stroke="red" stroke-width="1.5" stroke-miterlimit="8"/></svg>`

// TestAgainstGIMP: GIMP draws a drawing of everything, those of the other tests, and the samples, in the same way.
func TestAgainstGIMP(t *testing.T) {
	drawn(t, map[string][]byte{"much.svg": []byte(much), "older.svg": []byte(older)})
	t.Run("samples", func(t *testing.T) { drawn(t, samples(t)) })
}

func drawn(t *testing.T, files map[string][]byte) {
	t.Helper()
	gimp := formattest.App(t, os.Getenv("VARVE_CI") != "", "gimp")
	dir := t.TempDir()
	var script strings.Builder
	names := slices.Sorted(maps.Keys(files))
	pictures := map[string]*raster.Image{}
	for i, name := range names {
		p := show(t, string(files[name]), 256)
		pictures[name] = p.Image
		at := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(at+".svg", files[name], 0o600); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&script, `(let* ((i (car (file-svg-load RUN-NONINTERACTIVE "%s.svg" "x" 90 %d %d 0))) (d (car (gimp-image-get-active-layer i)))) (file-png-save RUN-NONINTERACTIVE i d "%s.png" "x" 0 6 0 0 0 0 0))`, at, p.Image.Width, p.Image.Height, at)
	}
	cmd := exec.CommandContext(t.Context(), gimp, "-i", "-d", "-f", "-b", script.String(), "-b", "(gimp-quit 1)")
	cmd.Env = append(os.Environ(), "HOME="+dir)
	if out, err := cmd.CombinedOutput(); err != nil && !strings.Contains(string(out), "success") {
		t.Fatalf("%v: %s", err, out)
	}
	for i, name := range names {
		f, err := os.Open(filepath.Join(dir, fmt.Sprint(i)+".png"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := png.Decode(f)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		if d := apart(pictures[name], m); d > 0.035 {
			t.Errorf("%s: root mean square of differences %.4f", name, d)
		} else {
			t.Logf("%s: %.4f", name, d)
		}
	}
}

// apart is the root of the mean square of differences, of premultiplied samples from 0 to 1.
func apart(p *raster.Image, m image.Image) float64 {
	sum := 0.0
	for y := range p.Height {
		for x := range p.Width {
			r, g, b, a := m.At(x, y).RGBA()
			ours := p.U8[4*(y*p.Width+x):][:4]
			alpha := float64(ours[3]) / 255
			for k, v := range []uint32{r, g, b} {
				d := float64(ours[k])/255*alpha - float64(v)/0xffff
				sum += d * d
			}
			d := alpha - float64(a)/0xffff
			sum += d * d
		}
	}
	return math.Sqrt(sum / float64(4*p.Width*p.Height))
}
