package psd

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// TestEdits: between two saves of a document by Photoshop, just those layers differ of which it is known.
func TestEdits(t *testing.T) {
	var truth struct {
		Pairs map[string]struct {
			Layers  []int
			Added   [][]any
			Changed map[string][]string
		}
	}
	if err := json.Unmarshal(formattest.Sample(t, "psd/psd-tools-edits/TRUTH.json"), &truth); err != nil {
		t.Fatal(err)
	}
	for pair, want := range truth.Pairs {
		from, to, _ := strings.Cut(pair, " -> ")
		a, b := stable(t, from), stable(t, to)
		var got, must []string
		for id, e := range b {
			old, ok := a[id]
			if !ok {
				got = append(got, "+"+id+" "+e.Name)
			} else if old.Hash() != e.Hash() || fmt.Sprint(old.Bounds) != fmt.Sprint(e.Bounds) {
				got = append(got, id+" "+e.Name)
			}
		}
		for _, l := range want.Added {
			must = append(must, fmt.Sprintf("+%v %v", l[0], l[1]))
		}
		for l := range want.Changed {
			must = append(must, l)
		}
		slices.Sort(got)
		slices.Sort(must)
		if !slices.Equal(got, must) {
			t.Errorf("%s:\n got %v\nwant %v", pair, got, must)
		}
	}
}

// stable returns the layers of a sample by their number.
func stable(t *testing.T, name string) map[string]format.Element {
	t.Helper()
	list, err := format.Elements(t.Context(), Format{}, format.Bytes(formattest.Sample(t, "psd/psd-tools-edits/"+name)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]format.Element{}
	for _, e := range list {
		if !strings.Contains(e.ID, "/") && e.Stable != "" {
			out[e.Stable] = e
		}
	}
	return out
}
