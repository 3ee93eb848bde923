package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"varve/creative"
	"varve/format"
)

// TestEdges: references are written as an encoder would, and are read as what they are.
func TestEdges(t *testing.T) {
	var out bytes.Buffer
	e := &env{json: true, out: newOut(&out)}
	odd := []string{"", "a b", "tex/<wood> & \"oak\".png", `C:\tex\wood.png`, "größe.png", "\x00\x1f\x7f\xff\u2028\n", "eight, and nine\"", "eight, an\\", "eight by", "\x1f234567", "~~~~~~~~!!!!!!!!\x80"}
	g := &creative.Graph{}
	for _, s := range odd {
		g.Nodes = append(g.Nodes, creative.Node{Path: s})
	}
	to := e.edges(g)
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	for i, from := range odd {
		for k, s := range odd {
			x := creative.Edge{From: i, To: k, Reference: &format.Reference{Raw: s, Kind: from, Style: format.Style(s), Element: from}, At: "at", Status: creative.Status(s)}
			at := s
			if k == 1 {
				x.To, at = -1, "at"
			}
			if err := to.print(&x); err != nil {
				t.Fatal(err)
			}
			if err := enc.Encode(struct {
				Schema  string `json:"schema"`
				From    string `json:"from"`
				To      string `json:"to"`
				Raw     string `json:"raw"`
				Kind    string `json:"kind"`
				Status  string `json:"status"`
				Style   string `json:"style"`
				Element string `json:"element"`
			}{"varve.reference/1", from, at, s, from, s, s, from}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := e.out.Flush(); err != nil || out.String() != want.String() {
		t.Errorf("%v: %s\nwant %s", err, &out, &want)
	}

	out.Reset()
	e.json = false
	to = e.edges(g)
	for _, at := range []string{"tex/a.png", ""} {
		if err := to.print(&creative.Edge{From: 1, To: -1, At: at, Reference: &format.Reference{Raw: "raw\n", Kind: "texture"}, Status: creative.Missing}); err != nil {
			t.Fatal(err)
		}
	}
	if err := e.out.Flush(); err != nil || out.String() != strings.Join([]string{`missing  a b → tex/a.png (texture)`, `missing  a b → raw\n (texture)`, ""}, "\n") {
		t.Errorf("%v: %q", err, &out)
	}
}
