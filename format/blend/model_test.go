package blend

import (
	"fmt"
	"image"
	"image/png"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

func TestLook(t *testing.T) {
	dir := os.Getenv("LOOK")
	if dir == "" {
		return
	}
	files := formattest.Files(t, "blend", ".blend")
	for _, n := range slices.Sorted(maps.Keys(files)) {
		m, err := format.Model(t.Context(), Format{}, format.Bytes(files[n]))
		if err != nil {
			fmt.Println(n, err)
			continue
		}
		tri := 0
		for _, o := range m.Objects {
			tri += len(o.Mesh.Triangles)
		}
		p, err := format.Show(t.Context(), Format{}, format.Bytes(files[n]), 256)
		if err != nil {
			fmt.Println(n, len(m.Objects), tri, err)
			continue
		}
		fmt.Println(n, len(m.Objects), tri, m.Bounds(), p.Source, p.Image.Width)
		img := &image.NRGBA{Pix: p.Image.U8, Stride: p.Image.Width * 4, Rect: image.Rect(0, 0, p.Image.Width, p.Image.Height)}
		w, _ := os.Create(filepath.Join(dir, strings.ReplaceAll(n, "/", "_")+".png"))
		_ = png.Encode(w, img)
		w.Close()
	}
}
