package xmlspan

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

const text = `<?xml version="1.0"?><!DOCTYPE a [ <!ENTITY n "http://x"> <!ENTITY l "&n;&n;"> ]>
<!-- <no> --><a xmlns="u" xmlns:p="&n;" q='1 > 0 &lt; 2'><b p:c="&#x41;&unknown;&"/><![CDATA[<x>&amp;]]> t&amp;u <p:d><e>f</e></p:d ></a>
`

func TestSpans(t *testing.T) {
	d, err := Parse([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	b, pd := d.Root.Kids[0], d.Root.Kids[1]
	for _, c := range []struct{ got, want string }{
		{text[b.Start:b.End], `<b p:c="&#x41;&unknown;&"/>`}, {text[b.In:b.InEnd], ""}, {text[pd.Start:pd.End], "<p:d><e>f</e></p:d >"}, {text[pd.In:pd.InEnd], "<e>f</e>"},
		{d.Get(d.Root, "q"), "1 > 0 < 2"}, {d.Get(b, "p:c"), "A&unknown;&"}, {d.Inner(d.Root), "<x>&amp; t&u f"}, {pd.Space("p"), "http://x"}, {pd.Kids[0].Space(""), "u"}, {pd.Space("none"), ""},
		{pd.Local(), "d"}, {Prefix(pd.Name), "p"}, {Prefix("d"), ""}, {d.Unescape([]byte("&l;")), "&n;&n;"},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
	if len(d.Others) != 3 || d.Root.First("d") != pd || len(d.Root.All("b")) != 1 || (*Node)(nil).First("x") != nil {
		t.Errorf("%+v", d.Others)
	}
	whole, err := Parse([]byte(text), func(name string) bool { return name == "p:d" })
	if err != nil || len(whole.Root.Kids[1].Kids) != 0 || whole.Root.Kids[1].End != pd.End || whole.Root.Kids[1].InEnd != pd.InEnd {
		t.Errorf("passed over: %+v, %v", whole, err)
	}
}

// TestSamples: the elements are those that the standard library finds.
func TestSamples(t *testing.T) {
	for name, b := range formattest.Files(t, "", ".svg", ".dae") {
		if name[0] != 's' && name[0] != 'c' || strings.Contains(name, "UTF16") {
			continue
		}
		d, err := Parse(b, nil)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got, want []string
		d.Root.Walk(func(n *Node) bool {
			got = append(got, n.Local())
			for _, a := range n.Attrs {
				got = append(got, Local(a.Name)+"="+strings.Join(strings.Fields(d.Value(a)), " "))
			}
			return true
		})
		x := xml.NewDecoder(strings.NewReader(string(b)))
		for {
			token, err := x.Token()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if s, ok := token.(xml.StartElement); ok {
				want = append(want, s.Name.Local)
				for _, a := range s.Attr {
					want = append(want, a.Name.Local+"="+strings.Join(strings.Fields(a.Value), " "))
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %d and %d names and values", name, len(got), len(want))
		}
	}
}

func TestMalformed(t *testing.T) {
	for _, s := range []string{"", "x", "<", "<a", "<a b>", "<a b=c/>", `<a b="c/>`, "<a><b></a>", "</a>", "<a/><b/>", "<a><!-- </a>", "<a><![CDATA[", "<!DOCTYPE a [", "<? x", "<a / >", "< a/>", "<a></a b", strings.Repeat("<a>", MaxDepth+1) + strings.Repeat("</a>", MaxDepth+1)} {
		if _, err := Parse([]byte(s), nil); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%.30q: %v", s, err)
		}
	}
	// Entities that name one another many times stay small.
	bomb := `<!DOCTYPE a [<!ENTITY a "` + strings.Repeat("x", 4000) + `">]><a>` + strings.Repeat("&a;", 100000) + "</a>"
	d, err := Parse([]byte(bomb), nil)
	if err != nil || len(d.Inner(d.Root)) > len(bomb)+maxEntity*4 {
		t.Errorf("%d letters of %d, %v", len(d.Inner(d.Root)), len(bomb), err)
	}
}

func TestFits(t *testing.T) {
	for s, want := range map[string]bool{"a.png": true, "a&amp;b": true, "a&b": false, "a&b c;": false, `a"b`: false, "<": false, "a\nb": false, "ü%20": true} {
		if Fits(s) != want {
			t.Errorf("%q: %t", s, !want)
		}
	}
	d := &Document{}
	if s := `<&>"'ü`; d.Unescape([]byte(Escape(s))) != s || !Fits(Escape(s)) {
		t.Errorf("%q", Escape(s))
	}
}

func Fuzz(f *testing.F) {
	f.Add([]byte(text))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Parse(b, nil)
		if err != nil {
			return
		}
		d.Root.Walk(func(n *Node) bool {
			if n.Start >= n.In || n.In > n.InEnd || n.InEnd > n.End || n.End > len(b) || b[n.Start] != '<' || b[n.End-1] != '>' {
				t.Fatalf("%+v", n)
			}
			for _, a := range n.Attrs {
				if q := b[a.Off-1]; q != b[a.Off+a.Len] || q != '"' && q != '\'' {
					t.Fatalf("%+v", a)
				}
			}
			return true
		})
	})
}
