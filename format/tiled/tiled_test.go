package tiled

import (
	"bytes"
	"compress/zlib"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

const town = `<?xml version="1.0" encoding="UTF-8"?>
<map version="1.10" width="2" height="1" tilewidth="8" tileheight="8" nextlayerid="5" nextobjectid="3">
 <properties><property name="music" type="file" value="../sound/a &amp; b.ogg"/><property name="no" value="x.ogg"/></properties>
 <tileset firstgid="1" source="tiles\town.tsx"/>
 <tileset firstgid="9" name="in"><image source="in.png"/><tile id="3"><image source="three.png"/></tile></tileset>
 <layer id="1" name="Ground" width="2" height="1"><data encoding="csv">
1,2147483649
</data></layer>
 <group id="2" name="Sky"><imagelayer id="3" name="Sun"><image source="https://x.org/sun.png"/></imagelayer></group>
 <objectgroup id="4" name="Things"><object id="1" template="door.tx" x="1" y="2"/><object id="2" name="Lamp"><properties><property name="p" value="1"/></properties><point/></object></objectgroup>
</map>
`

func TestReferences(t *testing.T) {
	list, err := format.References(t.Context(), Format{}, format.Bytes([]byte(town)))
	var got []string
	for _, r := range list {
		if town[r.Off:r.Off+r.Len] != r.Raw {
			t.Errorf("%+v stands elsewhere", r)
		}
		got = append(got, fmt.Sprintf("%s %s %s %s", r.Kind, r.Style, r.Path, r.Element))
	}
	want := []string{"file relative ../sound/a & b.ogg ", `tileset relative tiles/town.tsx tileset:tiles\town.tsx`, "texture relative in.png tileset:in", "texture relative three.png tile:3", "texture url https://x.org/sun.png layer:3", "template relative door.tx object:1"}
	if !slices.Equal(got, want) || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	out, err := format.Rewrite(t.Context(), Format{}, format.Bytes([]byte(town)), map[string]string{"in.png": "ü/in.png"})
	if err != nil || string(formattest.All(t, out)) != strings.Replace(town, "in.png", "ü/in.png", 1) {
		t.Errorf("%v", err)
	}
	var refusal *format.Refusal
	if _, err := format.Rewrite(t.Context(), Format{}, format.Bytes([]byte(town)), map[string]string{"in.png": "a\"<b"}); !errors.As(err, &refusal) {
		t.Errorf("%v", err)
	}
}

func packed(encoding string, gids ...byte) string {
	var raw []byte
	for _, g := range gids {
		raw = append(raw, g, 0, 0, g&0x80)
	}
	if encoding == "zlib" {
		var b bytes.Buffer
		z := zlib.NewWriter(&b)
		_, _ = z.Write(raw)
		_ = z.Close()
		return `<data encoding="base64" compression="zlib">` + base64.StdEncoding.EncodeToString(b.Bytes()) + `</data>`
	}
	return `<data encoding="base64">` + base64.StdEncoding.EncodeToString(raw) + `</data>`
}

func hashes(t *testing.T, text string) map[string]string {
	t.Helper()
	list, err := format.Elements(t.Context(), Format{}, format.Bytes([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range list {
		out[e.ID+" in "+e.Parent+" "+e.Kind+" "+e.Name] = e.Hash()
	}
	return out
}

func TestElements(t *testing.T) {
	was := hashes(t, town)
	for _, want := range []string{"layer:1 in  layer Ground", "layer:3 in layer:2 layer Sun", "object:2 in layer:4 object Lamp", "tile:3 in tileset:in tile tile:3"} {
		if was[want] == "" {
			t.Errorf("no %q in %q", want, was)
		}
	}
	data := town[strings.Index(town, "<data"):strings.Index(town, "</layer>")]
	for _, c := range []struct{ name, old, new, want string }{
		{"spaces", "1,2147483649", "1 ,\n2147483649", ""},
		{"tags", data, `<data><tile gid="1"/><tile gid="2147483649"/></data>`, ""},
		{"another tile", "2147483649", "2", "layer:1 in  layer Ground"},
		{"another place of an object", `x="1"`, `x="5"`, "object:1 in layer:4 object object:1"},
		{"a property in an object", `"p" value="1"`, `"p" value="2"`, "object:2 in layer:4 object Lamp"},
		{"another count", `nextobjectid="3"`, `nextobjectid="9"`, ""},
	} {
		var got []string
		for id, h := range hashes(t, strings.Replace(town, c.old, c.new, 1)) {
			if was[id] != h {
				got = append(got, id)
			}
		}
		if strings.Join(got, "|") != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	a, b := hashes(t, strings.Replace(town, data, packed("", 1, 129), 1)), hashes(t, strings.Replace(town, data, packed("zlib", 1, 129), 1))
	if k := "layer:1 in  layer Ground"; a[k] == "" || a[k] != b[k] || a[k] == was[k] {
		t.Errorf("base64 and zlib: %s, %s, CSV of others %s", a[k], b[k], was[k])
	}
}

func TestMade(t *testing.T) {
	formattest.Run(t, Format{}, map[string][]byte{"a.tmx": []byte(town), "b.tsx": []byte(`<tileset name="t"><image source="t.png"/></tileset>`), "c.tx": []byte(`<template><tileset source="t.tsx"/><object name="d"/></template>`)})
	for _, bad := range []string{town[:200], "<svg/>", strings.Replace(town, `"csv"`, `"base64"`, 1)} {
		if _, err := format.Elements(t.Context(), Format{}, format.Bytes([]byte(bad))); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%v", err)
		}
	}
}

func Fuzz(f *testing.F) { formattest.Fuzz(f, Format{}, map[string][]byte{"map": []byte(town)}) }
