package psd

import (
	"testing"

	"varve/format"
	"varve/format/formattest"
)

func samples(t testing.TB) map[string][]byte {
	return formattest.Files(t, "psd", ".psd", ".psb")
}

func TestParse(t *testing.T) {
	for name, b := range samples(t) {
		d, err := parse(t.Context(), format.Bytes(b))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d.layers.unpaired {
			t.Logf("%s: unpaired", name)
		}
		if d.rest.n > 0 || d.layers.padding.n > 3 {
			t.Logf("%s: rest %v padding %v", name, d.rest, d.layers.padding)
		}
		if err := (Format{}).Validate(t.Context(), format.Bytes(b)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := (Format{}).Regions(format.Bytes(b)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
