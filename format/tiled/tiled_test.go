package tiled

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

const xmlMap = `<?xml version="1.0" encoding="UTF-8"?>
<map version="1.10" tiledversion="1.10.2" orientation="orthogonal" width="2" height="2" tilewidth="16" tileheight="16" infinite="0" nextlayerid="5" nextobjectid="9">
 <properties><property name="script" type="file" value="a &amp; b.lua"/><property name="note" value="no.png"/></properties>
 <tileset firstgid="1" source="../sets/desert.tsx"/>
 <tileset firstgid="50" name="inside" tilewidth="16"><image source="wall.png" width="32"/><tile id="3"><image source="three.png"/></tile></tileset>
 <layer id="1" name="Ground" width="2" height="2"><data encoding="csv">
1,2,
3,4
</data></layer>
 <group id="2" name="Things">
  <objectgroup id="3" name="Objects"><object id="7" template="coin.tx" x="10" y="20"/><object id="8" name="door" x="1" y="2" width="3" height="4"><properties><property name="p" type="file" value="door.json"/></properties></object></objectgroup>
  <imagelayer id="4" name="Sky"><image source="sky.png"/></imagelayer>
 </group>
</map>
`

const jsonMap = `{ "compressionlevel":-1, "infinite":false, "layers":[
  {"data":[1, 2, 3, 4], "id":1, "name":"Ground", "type":"tilelayer"},
  {"id":2, "name":"Things", "type":"group", "layers":[
    {"id":3, "name":"Objects", "type":"objectgroup", "objects":[{"id":7, "template":"coin.tj", "x":10, "y":20}, {"id":8, "name":"door", "x":1, "y":2, "width":3, "height":4, "properties":[{"name":"p", "type":"file", "value":"door.json"}]}]},
    {"id":4, "image":"sky\/a\u0020b.png", "name":"Sky", "type":"imagelayer"}]}],
 "properties":[{"name":"script", "type":"file", "value":"a.lua"}, {"name":"note", "type":"string", "value":"no.png"}],
 "tilesets":[{"firstgid":1, "source":"..\/sets\/desert.tsj"}, {"firstgid":50, "image":"wall.png", "name":"inside", "tiles":[{"id":3, "image":"three.png"}]}],
 "tiledversion":"1.10.2", "type":"map" }
`

func listed(t testing.TB, s string) string {
	t.Helper()
	list, err := format.References(t.Context(), Format{}, format.Bytes([]byte(s)))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, r := range list {
		fmt.Fprintf(&out, "%s %s %s @%s\n", r.Kind, r.Style, r.Path, r.Element)
	}
	return out.String()
}

func TestReferences(t *testing.T) {
	for s, want := range map[string]string{
		xmlMap: `file relative a & b.lua @
tileset relative ../sets/desert.tsx @tileset 1
image relative wall.png @tileset 50
image relative three.png @tileset 50
template relative coin.tx @object 7
file relative door.json @object 8
image relative sky.png @layer 4
`,
		jsonMap: `template relative coin.tj @object 7
file relative door.json @object 8
image relative sky/a b.png @layer 4
file relative a.lua @
tileset relative ../sets/desert.tsj @tileset 1
image relative wall.png @tileset 50
image relative three.png @tileset 50
`,
		`{"maps":[{"fileName":"a.tmx","x":0},{"fileName":"b/c.tmj"}],"type":"world"}`:                                          "map relative a.tmx @\nmap relative b/c.tmj @\n",
		`<template><tileset firstgid="1" source="t.tsx"/><object gid="3"/></template>`:                                         "tileset relative t.tsx @tileset 1\n",
		`<tileset name="t"><image source=":/in.png"/><tile id="1"><image source="C:\a\b.png"/></tile></tileset>`:               "image absolute C:/a/b.png @tileset\n",
		`{"columns":1,"image":"t.png","name":"t","type":"tileset","tiles":[{"id":1,"objectgroup":{"objects":[{"id":1}]}}]}`:    "image relative t.png @tileset\n",
		`{"object":{"template":"","gid":1},"tileset":{"firstgid":1,"source":"t.tsj"},"type":"template"}`:                       "tileset relative t.tsj @tileset 1\n",
		`{"columns":0,"type":"tileset","tiles":{"0":{"image":"old.png"},"1":{"image":"older.png"}},"name":"numbers are keys"}`: "image relative old.png @tileset\nimage relative older.png @tileset\n",
	} {
		if got := listed(t, s); got != want {
			t.Errorf("%.60s: got\n%s", s, got)
		}
	}
}

func TestRewrite(t *testing.T) {
	for s, paths := range map[string]map[string]string{
		xmlMap:  {"../sets/desert.tsx": "d.tsx", "a &amp; b.lua": "c &amp; d.lua", "sky.png": "in/sky.png", "no.png": "x"},
		jsonMap: {`..\/sets\/desert.tsj`: `..\/d.tsj`, `sky\/a\u0020b.png`: "sky/c.png", "door.json": "d/door.json", "no.png": "x"},
	} {
		out, err := format.Rewrite(t.Context(), Format{}, format.Bytes([]byte(s)), paths)
		if err != nil {
			t.Fatal(err)
		}
		want := s
		for from, to := range paths {
			if from != "no.png" {
				want = strings.ReplaceAll(want, from, to)
			}
		}
		if got := string(formattest.All(t, out)); got != want {
			t.Errorf("got %s", got)
		}
		for _, bad := range []string{"", `a"b`, " "} {
			var refusal *format.Refusal
			if _, err := format.Rewrite(t.Context(), Format{}, format.Bytes([]byte(s)), map[string]string{"door.json": bad}); !errors.As(err, &refusal) {
				t.Errorf("%q: %v", bad, err)
			}
		}
	}
}

func elements(t testing.TB, s string) map[string]format.Element {
	t.Helper()
	list, err := format.Elements(t.Context(), Format{}, format.Bytes([]byte(s)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]format.Element{}
	for _, e := range list {
		out[e.ID] = e
	}
	return out
}

func TestElements(t *testing.T) {
	for _, s := range []string{xmlMap, jsonMap} {
		was := elements(t, s)
		for id, want := range map[string]string{"layer 1": "layer  Ground", "layer 2": "group  Things", "layer 3": "objects layer 2 Objects", "object 8": "object layer 3 door", "layer 4": "image layer 2 Sky", "tileset 50": "tileset  inside"} {
			if e := was[id]; e.Kind+" "+e.Parent+" "+e.Name != want || e.Stable != id && e.Kind != "tileset" {
				t.Errorf("%s is %+v", id, e)
			}
		}
		if b := was["object 8"].Bounds; len(b) != 4 || b[2] != 4 || b[3] != 6 {
			t.Errorf("bounds %v", b)
		}
	}
	if a, b := elements(t, xmlMap)["layer 1"].Aspects["tiles"], elements(t, jsonMap)["layer 1"].Aspects["tiles"]; a != b {
		t.Errorf("the same tiles are %s and %s", a, b)
	}
}

// TestEncodings: tiles are the same however they are written.
func TestEncodings(t *testing.T) {
	plain := []byte{1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0}
	packed := func(w func(*bytes.Buffer)) string {
		var b bytes.Buffer
		w(&b)
		return base64.StdEncoding.EncodeToString(b.Bytes())
	}
	z, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{
		`encoding="csv"`:                       "1,2,3,4",
		`encoding="base64"`:                    base64.StdEncoding.EncodeToString(plain),
		`encoding="base64" compression="zlib"`: packed(func(b *bytes.Buffer) { w := zlib.NewWriter(b); _, _ = w.Write(plain); _ = w.Close() }),
		`encoding="base64" compression="gzip"`: packed(func(b *bytes.Buffer) { w := gzip.NewWriter(b); _, _ = w.Write(plain); _ = w.Close() }),
		`encoding="base64" compression="zstd"`: packed(func(b *bytes.Buffer) { b.Write(z.EncodeAll(plain, nil)) }),
		``:                                     `<tile gid="1"/><tile gid="2"/><tile gid="3"/><tile gid="4"/>`,
	}
	ground := func(s string) string {
		e := elements(t, s)["layer 1"]
		return e.Hash()
	}
	want := ground(xmlMap)
	for attrs, data := range list {
		s := strings.Replace(xmlMap, "<data encoding=\"csv\">\n1,2,\n3,4\n</data>", "<data "+attrs+">\n  "+data+"\n</data>", 1)
		if got := ground(s); got != want {
			t.Errorf("%s: other tiles", attrs)
		}
	}
	if ground(strings.Replace(xmlMap, "3,4", "3,5", 1)) == want {
		t.Error("other tiles are the same")
	}
	if _, err := format.Elements(t.Context(), Format{}, format.Bytes([]byte(strings.Replace(xmlMap, "3,4", "3;4", 1)))); !errors.Is(err, format.ErrMalformed) {
		t.Error(err)
	}
}

// TestBounds: tiles that unpack to more than they may, and values within one another.
func TestBounds(t *testing.T) {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write(make([]byte, 1<<20))
	_ = w.Close()
	c := chunk{encoding: "base64", compression: "zlib", text: []byte(base64.StdEncoding.EncodeToString(b.Bytes()))}
	if n, err := c.numbers(&bytes.Buffer{}, 1<<10); !errors.Is(err, format.ErrLimit) || n > 1<<11 {
		t.Errorf("%d bytes, %v", n, err)
	}
	deep := `{"infinite":false,"layers":` + strings.Repeat("[", 2*maxDepth) + strings.Repeat("]", 2*maxDepth) + "}"
	if err := format.Validate(t.Context(), Format{}, format.Bytes([]byte(deep))); !errors.Is(err, format.ErrMalformed) {
		t.Error(err)
	}
}

func TestMatch(t *testing.T) {
	for name, want := range map[string]bool{"a.tmx:" + xmlMap: true, "a.json:" + jsonMap: true, "a.tmj:" + jsonMap: true, "a.json:{\"a\":1}": false, "a.tsx:import React from 'react'": false, "a.tsx:<tileset name=\"a\">": true,
		"a.world:{\"maps\":[]}": true} {
		file, head, _ := strings.Cut(name, ":")
		if got := (Format{}).Match(file, []byte(head)); got != want {
			t.Errorf("%.40q: %t", name, got)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, s := range []string{xmlMap, jsonMap} {
		for n := 0; n < len(s)-2; n += 3 {
			if err := format.Validate(t.Context(), Format{}, format.Bytes([]byte(s[:n]))); !errors.Is(err, format.ErrMalformed) {
				t.Fatalf("the first %d bytes: %v", n, err)
			}
		}
	}
}

func TestContract(t *testing.T) {
	formattest.Run(t, Format{}, map[string][]byte{"a.tmx": []byte(xmlMap), "a.tmj": []byte(jsonMap)})
}

func FuzzMap(f *testing.F) {
	formattest.Fuzz(f, Format{}, map[string][]byte{"a.tmx": []byte(xmlMap), "a.tmj": []byte(jsonMap)})
}
