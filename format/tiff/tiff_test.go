package tiff

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

func TestSamples(t *testing.T) {
	formattest.Run(t, Format{}, formattest.Files(t, "raster", ".tif"))
}

func TestX(t *testing.T) {
	names, _ := filepath.Glob("/tmp/pt/*.tif")
	for _, n := range names {
		in, _ := exec.Command("cat", n).Output()
		p, err := Format{}.Decode(t.Context(), format.Bytes(in))
		if err != nil {
			fmt.Println(n, err)
			continue
		}
		fmt.Println(n, p.Width, p.Height, p.Model, p.Alpha, p.Depth)
	}
}
