package splice

import (
	"errors"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

func TestApply(t *testing.T) {
	in := format.Bytes([]byte("0123456789"))
	got, err := Apply(in, 1, 9, []Edit{{Off: 4, Len: 2, New: Text("x")}, {Off: 4, New: Text("a")}, {Off: 4, New: Text("b")}, {Off: 9, New: Text("end")}, {Off: 1, Len: 1, New: Text("")}})
	if err != nil || string(formattest.All(t, got)) != "23abx678end" {
		t.Errorf("%v, %v", got, err)
	}
	for _, e := range [][]Edit{{{Off: 1, Len: 3, New: Text("")}, {Off: 3, Len: 1, New: Text("")}}, {{Off: 0, New: Text("")}}, {{Off: 8, Len: 2, New: Text("")}}, {{Off: 2, Len: -1, New: Text("")}}} {
		if _, err := Apply(in, 1, 9, e); err == nil {
			t.Errorf("%v was applied", e)
		}
	}
}

func TestPath(t *testing.T) {
	for raw, want := range map[string]string{`a\b.png`: "relative a/b.png", "./a%20b.png?x#y": "relative ./a b.png", "/usr/a": "absolute /usr/a", `C:\a\b`: "absolute C:/a/b", `\\srv\x`: "absolute //srv/x",
		"file:///C:/a%20b": "absolute C:/a b", "file:/usr/a": "absolute /usr/a", "file://a/b": "absolute /a/b", "https://x.org/a%20b?c": "url https://x.org/a%20b?c", "a:b": "relative a:b", "50%.png": "relative 50%.png"} {
		if p, style := URI(raw); string(style)+" "+p != want {
			t.Errorf("%q is %s %q, want %s", raw, style, p, want)
		}
	}
	if p, _ := Path("a%20b#1.png"); p != "a%20b#1.png" {
		t.Errorf("a path is no URI: %q", p)
	}
}

func TestRewrite(t *testing.T) {
	in := format.Bytes([]byte("<a.png> <a.png> <b.png>"))
	refs := []format.Reference{{Raw: "a.png", Off: 1, Len: 5}, {Raw: "a.png", Off: 9, Len: 5}, {Raw: "b.png", Off: 17, Len: 5}, {Raw: "c.png"}}
	fits := func(_ format.Reference, next string) string { return map[string]string{"<": "no"}[next] }
	out, err := Rewrite(in, refs, map[string]string{"a.png": "long/name.png", "d": "e"}, fits)
	if err != nil || string(formattest.All(t, out)) != "<long/name.png> <long/name.png> <b.png>" {
		t.Errorf("%v", err)
	}
	for raw, next := range map[string]string{"a.png": "<", "c.png": "d.png"} {
		var refusal *format.Refusal
		if _, err := Rewrite(in, refs, map[string]string{raw: next}, fits); !errors.As(err, &refusal) {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestPlain(t *testing.T) {
	for in, want := range map[string]string{"<a/>": "<a/>", "\xfe\xff\x00<\xd8\x3d\xde\x00": "<😀", "\xff\xfe<\x00a\x00": "<a", "\x00<\x00a": "<a", "<\x00a\x00": "<a", "": ""} {
		got, exact, err := Plain([]byte(in))
		if string(got) != want || err != nil || exact != (in == want) {
			t.Errorf("%q: %q, %t, %v", in, got, exact, err)
		}
	}
	if _, _, err := Plain([]byte("\xff\xfe<")); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("half a letter: %v", err)
	}
}
