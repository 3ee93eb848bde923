package psd

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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

// TestConformance: large samples are not damaged as well, for the time that takes.
func TestConformance(t *testing.T) {
	const large = 60 << 10
	small := map[string][]byte{}
	for name, b := range samples(t) {
		if len(b) <= large {
			small[name] = b
			continue
		}
		in := format.Bytes(b)
		for _, err := range []error{format.Validate(t.Context(), Format{}, in), second(format.References(t.Context(), Format{}, in)),
			second(Format{}.Regions(in)), second(format.Show(t.Context(), Format{}, in, 256))} {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		var top []string
		for _, e := range listed(t, b) {
			if e.Parent == "" && !strings.HasPrefix(e.ID, "comp:") {
				top = append(top, e.ID)
			}
		}
		var refusal *format.Refusal
		g, err := format.Graft(t.Context(), Format{}, in, in, top)
		if errors.As(err, &refusal) {
			continue
		}
		if err != nil || !bytes.Equal(formattest.All(t, g.Content), b) || len(g.Changed) > 0 {
			t.Errorf("%s: graft of all onto itself: %v", name, err)
		}
	}
	formattest.Run(t, Format{}, small)
}

func second[T any](_ T, err error) error { return err }

// edits are the chains of saves: pairs of an older and a newer version.
func edits(t testing.TB) [][2]string {
	t.Helper()
	var out [][2]string
	for name := range formattest.Files(t, "psd/psd-tools-edits", ".psd") {
		base, v, _ := strings.Cut(strings.TrimSuffix(name, ".psd"), ".v")
		n, _ := strconv.Atoi(v)
		next := fmt.Sprintf("%s.v%d.psd", base, n+1)
		if _, err := os.Stat(filepath.Join(formattest.Samples(t, "psd/psd-tools-edits"), next)); err == nil {
			out = append(out, [2]string{name, next})
		}
	}
	slices.SortFunc(out, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return out
}

// TestGraftOfEdits: each top layer of one version goes into the other, both ways. It is there as it was; everything else
// is as it is; a second time changes nothing.
func TestGraftOfEdits(t *testing.T) {
	ctx := t.Context()
	for _, pair := range edits(t) {
		for _, way := range [][2]string{pair, {pair[1], pair[0]}} {
			from := formattest.Sample(t, "psd/psd-tools-edits/"+way[0])
			into := formattest.Sample(t, "psd/psd-tools-edits/"+way[1])
			old, now := listed(t, from), listed(t, into)
			for _, e := range old {
				if e.Parent != "" || strings.HasPrefix(e.ID, "comp:") {
					continue
				}
				g, err := format.Graft(ctx, Format{}, format.Bytes(into), format.Bytes(from), []string{e.ID})
				if err != nil {
					t.Errorf("%s of %s into %s: %v", e.ID, way[0], way[1], err)
					continue
				}
				b := formattest.All(t, g.Content)
				if err := format.Validate(ctx, Format{}, format.Bytes(b)); err != nil {
					t.Errorf("%s of %s into %s: %v", e.ID, way[0], way[1], err)
				}
				after := listed(t, b)
				grafted := inside(old, e.ID)
				for id := range grafted {
					if !hasSame(after, grafted[id]) {
						t.Errorf("%s of %s into %s: %s %q is not as it was", e.ID, way[0], way[1], id, grafted[id].Name)
					}
				}
				for _, k := range now {
					if _, ok := grafted[k.ID]; !ok && !hasSame(after, k) {
						t.Errorf("%s of %s into %s: %s %q was changed", e.ID, way[0], way[1], k.ID, k.Name)
					}
				}
				again, err := format.Graft(ctx, Format{}, format.Bytes(b), format.Bytes(from), []string{e.ID})
				if err != nil || !bytes.Equal(formattest.All(t, again.Content), b) {
					t.Errorf("%s of %s into %s: a second time changes it, %v", e.ID, way[0], way[1], err)
				}
			}
		}
	}
}

func listed(t testing.TB, b []byte) []format.Element {
	t.Helper()
	list, err := format.Elements(t.Context(), Format{}, format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// inside returns an element and all that is in it.
func inside(list []format.Element, id string) map[string]format.Element {
	out := map[string]format.Element{}
	for _, e := range list {
		if _, ok := out[e.Parent]; ok || e.ID == id {
			out[e.ID] = e
		}
	}
	return out
}

func hasSame(list []format.Element, e format.Element) bool {
	return slices.ContainsFunc(list, func(k format.Element) bool {
		return k.Stable == e.Stable && k.Name == e.Name && k.Hash() == e.Hash() && slices.Equal(k.Bounds, e.Bounds)
	})
}
