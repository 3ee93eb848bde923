package web

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

const page = `<!DOCTYPE html>
<html><head><title><img src="title.png"></title>
<!-- <img src="commented.png"> -->
<link rel="stylesheet" href="css/main.css?v=3"><link rel=icon href=/favicon.ico><link rel="canonical" href="canonical.html">
<link rel="preload" as="font" href="fonts/a.woff2">
<style>
@import "more.css"; @import url(print.css) print;
@namespace svg url(http://www.w3.org/2000/svg);
@font-face { font-family: A; src: local("x"), url("fonts/a.woff2") format("woff2"), url(fonts/a.woff); }
.a { background: url(img/bg\ 1.png), url("data:image/png;base64,AA=="); content: "url(no.png)" } /* url(comment.png) */
.b { background-image: image-set("img/a.png" 1x, "img/a@2x.png" type("image/png") 2x); mask: url(m.svg#x); filter: url(#local) }
</style>
<script>var s = '<img src="script.png">'; // </scr
</script><script src='js/app.js'></script>
</head><body background="back.gif">
<img src="a%20b.png" SRC="second.png" srcset="a-1x.png, a-2x.png 2x,b.png 100w" alt="a > b">
<img src=plain.png><img src = "data:image/gif;base64,AA"><img data-src="lazy.jpg">
<p style="background: url(&quot;styled.png&quot;)">1 < 2 &amp; <a href="page2.html#part">x</a> <a href="#top">y</a> <a href="mailto:a@b.c">z</a> <a href="folder/">f</a> <a href="https://x.org/a.html">o</a>
<video poster="p.jpg"><source src="v.mp4?a=1&amp;b=2"><track src="s.vtt"></video>
<iframe src="//cdn.org/f.html"></iframe><object data="o.svg"></object><textarea><img src="text.png"></textarea>
<svg><use xlink:href="icons.svg#a"/><image href="in.png"/></svg><img src="{{ template }}"><img src="https://x.org/far.png">
</body></html>
`

func listed(t testing.TB, f format.Format, s string) string {
	t.Helper()
	list, err := format.References(t.Context(), f, format.Bytes([]byte(s)))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, r := range list {
		fmt.Fprintf(&out, "%s %s %s", r.Kind, r.Style, r.Path)
		if r.Optional {
			out.WriteString(" optional")
		}
		out.WriteByte('\n')
		if s[r.Off:r.Off+r.Len] != r.Raw {
			t.Errorf("%+v", r)
		}
	}
	return out.String()
}

func TestPage(t *testing.T) {
	want := `stylesheet relative css/main.css
image rooted favicon.ico
font relative fonts/a.woff2 optional
stylesheet relative more.css
stylesheet relative print.css
font relative fonts/a.woff2
font relative fonts/a.woff
image relative img/bg 1.png
image relative img/a.png
image relative img/a@2x.png
vector relative m.svg
script relative js/app.js
image relative back.gif
image relative a b.png
image relative a-1x.png
image relative a-2x.png
image relative b.png
image relative plain.png
image relative lazy.jpg optional
image relative styled.png
link relative page2.html optional
image relative p.jpg
file relative v.mp4
text relative s.vtt
page url //cdn.org/f.html
file relative o.svg
vector relative icons.svg
image relative in.png
image url https://x.org/far.png
`
	if got := listed(t, Page{}, page); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestBase(t *testing.T) {
	for base, want := range map[string]string{"": "relative a.png", "sub/": "relative sub/a.png", "sub/x.html": "relative sub/a.png", "/": "rooted a.png", "/sub/": "rooted sub/a.png", "https://x.org/d/": "url https://x.org/d/a.png"} {
		if got := listed(t, Page{}, `<html><base href="`+base+`"><img src="a.png">`); got != "image "+want+"\n" {
			t.Errorf("%q: %s", base, got)
		}
	}
}

// TestComments: <!--> is all of a comment.
func TestComments(t *testing.T) {
	if got := listed(t, Page{}, `<html><!--><img src="a.png"><!---><img src="b.png"><!-- <img src="c.png"> --><![CDATA[<img src="d.png">]]></ x><img src="e.png">`); got != "image relative a.png\nimage relative b.png\nimage relative e.png\n" {
		t.Errorf("got %s", got)
	}
}

func TestSheet(t *testing.T) {
	s := "@charset \"utf-8\";\n@import 'a.css';@media print{b{background:URL( \"x y.png\" )}}\n.c{background:url(a\\26 b.png)}d{content:'\\''}e::after{content:\"a\\\nb\"}f{cursor:url(c.cur),auto}"
	if got, want := listed(t, Sheet{}, s), "stylesheet relative a.css\nimage relative x y.png\nimage relative a&b.png\nimage relative c.cur\n"; got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestRewrite(t *testing.T) {
	paths := map[string]string{"css/main.css?v=3": "c.css?v=4", "page2.html": "other.html", "fonts/a.woff2": "f.woff2", "m.svg": "new/m.svg", "plain.png": "p2.png", "script.png": "no"}
	out, err := format.Rewrite(t.Context(), Page{}, format.Bytes([]byte(page)), paths)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer("css/main.css?v=3", "c.css?v=4", "page2.html", "other.html", "fonts/a.woff2", "f.woff2", "m.svg", "new/m.svg", "plain.png", "p2.png").Replace(page)
	if got := string(formattest.All(t, out)); got != want {
		t.Errorf("got %s", got)
	}
	for _, bad := range []string{"", "a b", `a"b`, "a)b", "a&b=c", "#x", "a,b", "a>b"} {
		var refusal *format.Refusal
		if _, err := format.Rewrite(t.Context(), Page{}, format.Bytes([]byte(page)), map[string]string{"plain.png": bad}); !errors.As(err, &refusal) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestCut(t *testing.T) {
	for _, at := range []string{"commented", "css/main", "fonts/a.woff2\")", "</scr", "script.png", "text.png", "xlink"} {
		if _, err := format.References(t.Context(), Page{}, format.Bytes([]byte(page[:strings.Index(page, at)+2]))); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("cut at %s: %v", at, err)
		}
	}
	for _, s := range []string{"a{", "a{b:url(", "/*", "a{b:'c"} {
		if _, err := format.References(t.Context(), Sheet{}, format.Bytes([]byte(s))); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", s, err)
		}
	}
}

func TestMatch(t *testing.T) {
	for name, want := range map[string]bool{"a.html:<p>": true, "a.txt:  <!DOCTYPE HTML>": true, "a.txt:<p>": false, "a.html:<p>\x01\x00\x00\x00": false, "a.htm:text": false} {
		file, head, _ := strings.Cut(name, ":")
		if got := (Page{}).Match(file, []byte(head)); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
}

func TestContract(t *testing.T) {
	formattest.Run(t, Page{}, map[string][]byte{"a.html": []byte(page)})
	formattest.Run(t, Sheet{}, map[string][]byte{"a.css": []byte("@import 'a.css'; b{background:url(x.png)}")})
}

func FuzzPage(f *testing.F) {
	formattest.Fuzz(f, Page{}, map[string][]byte{"a.html": []byte(page)})
}

func FuzzSheet(f *testing.F) {
	formattest.Fuzz(f, Sheet{}, map[string][]byte{"a.css": []byte(page[strings.Index(page, "@import"):strings.Index(page, "</style>")])})
}

// TestLongBase: a base that no address has does not stand before each path.
func TestLongBase(t *testing.T) {
	page := `<html><base href="` + strings.Repeat("x", 100_000) + `/">` + strings.Repeat(`<img src="a.png">`, 2000)
	refs, err := format.References(t.Context(), Page{}, format.Bytes([]byte(page)))
	if err != nil || len(refs) != 2000 {
		t.Fatal(len(refs), err)
	}
	n := 0
	for _, r := range refs {
		n += len(r.Path)
	}
	if n > len(page) {
		t.Errorf("%d bytes of a page of %d", n, len(page))
	}
}
