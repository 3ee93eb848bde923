package psd

import (
	"bytes"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// TestReEmit: the writer of documents, with nothing to change, writes every sample as it is.
func TestReEmit(t *testing.T) {
	for name, b := range samples(t) {
		d, err := parse(t.Context(), format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		w := same(d)
		for i, r := range d.resources { // through all that can be replaced
			o := new(format.Output)
			d.copy(o, r.data)
			w.resource[i] = o
		}
		for i, k := range d.blocks {
			o := new(format.Output)
			d.copy(o, k.data)
			w.block[i] = o
		}
		o, err := w.output()
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(formattest.All(t, o), b) {
			t.Errorf("%s is written otherwise", name)
		}
	}
}

func TestConformance(t *testing.T) {
	formattest.Run(t, Format{}, samples(t))
}
