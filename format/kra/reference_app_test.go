package kra

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/zipfile"
)

// TestKritaOpensOther: Krita shows in a file layer the picture that it is made to need, beside the document.
func TestKritaOpensOther(t *testing.T) {
	formattest.App(t, os.Getenv("VARVE_CI") != "", "krita")
	dir := t.TempDir()
	for name, c := range map[string]color.NRGBA{"old.png": {255, 0, 0, 255}, "new & other.png": {0, 0, 255, 255}} {
		m := image.NewNRGBA(image.Rect(0, 0, 16, 16))
		for i := range 16 * 16 {
			m.SetNRGBA(i%16, i/16, c)
		}
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, m); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	layer := `<layer name="f" uuid="{c9015a9c-16e3-49bb-bc78-f031d4366269}" filename="layer77" nodetype="filelayer" source="old.png" channelflags="" collapsed="0" locked="0" intimeline="0" colorlabel="0" scale="false" scalingmethod="0" x="0" y="0" visible="1" opacity="255" compositeop="normal" colorspacename="RGBA"/>`
	b := sampleWith(t, layer)
	out, err := format.Rewrite(t.Context(), Format{}, format.Bytes(b), map[string]string{"old.png": "new &amp; other.png"})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range []struct {
		b    []byte
		want color.NRGBA
	}{{b, color.NRGBA{255, 0, 0, 255}}, {formattest.All(t, out), color.NRGBA{0, 0, 255, 255}}} {
		if got := kritaBeside(t, dir, fmt.Sprint(i), v.b).NRGBAAt(3, 3); got != v.want {
			t.Errorf("document %d shows %v, want %v", i, got, v.want)
		}
	}
}

// sampleWith is a document of Krita with a layer more, on top.
func sampleWith(t testing.TB, layer string) []byte {
	t.Helper()
	b := formattest.Sample(t, "kra/generated-krita/base.kra")
	doc := string(maindocOf(t, b))
	at := strings.Index(doc, "<layers>") + len("<layers>")
	z, err := zipfile.Open(format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	r := z.Rewrite()
	r.Put(maindoc, format.Bytes([]byte(doc[:at]+layer+doc[at:])), zipfile.Deflate)
	o, err := r.Output(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return formattest.All(t, o)
}

// kritaBeside has Krita export a document that lies in a folder.
func kritaBeside(t testing.TB, dir, name string, b []byte) *image.NRGBA {
	t.Helper()
	in, out := filepath.Join(dir, name+".kra"), filepath.Join(dir, "out"+name+".png")
	if err := os.WriteFile(in, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := formattest.OnScreen(t, os.Getenv("VARVE_CI") != "", "krita", in, "--export", "--export-filename", out).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	p, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return decoded(t, p)
}
