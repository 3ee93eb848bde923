package unreal

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/png"
	"slices"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

func TestSamples(t *testing.T) {
	packages := formattest.Files(t, "unreal", ".uasset", ".umap")
	formattest.Run(t, Format{}, packages)
	ini := formattest.Files(t, "unreal", ".ini")
	for name, b := range ini {
		if !(Settings{}).Match(name, b) {
			delete(ini, name)
		}
	}
	formattest.Run(t, Settings{}, ini)
	// Of the numbers of packages, imports and versions, those were published with the samples.
	n, imports := 0, 0
	for name, b := range packages {
		p, err := open(format.Bytes(b))
		if err == nil {
			err = p.load(t.Context())
		}
		if err != nil || p.ue4 != 522 || p.ue5 != 0 && (p.ue5 < 1004 || p.ue5 > 1013) {
			t.Errorf("%s: %d, %d, %v", name, p.ue4, p.ue5, err)
		}
		n++
		for _, m := range p.imports {
			if m.class == "Package" {
				imports++
			}
		}
	}
	if n != 38 || imports != 184 {
		t.Errorf("%d packages with %d imports", n, imports)
	}
}

func Fuzz(f *testing.F) {
	formattest.Fuzz(f, Format{}, map[string][]byte{"4.27": made(522, 0), "5.6": made(522, 1017), "4.10": made(482, 0)})
}

func FuzzSettings(f *testing.F) {
	formattest.Fuzz(f, Settings{}, map[string][]byte{"ini": []byte("[/Script/X]\nMap=/Game/A\n+B=(C=\"/Game/D.D\")\n")})
}

// made is a package of a version, with a thumbnail.
func made(ue4, ue5 int32, flags ...int32) []byte {
	var b []byte
	i32 := func(n ...int32) {
		for _, n := range n {
			b = binary.LittleEndian.AppendUint32(b, uint32(n))
		}
	}
	text := func(s string) {
		i32(int32(len(s) + 1))
		b = append(b, s+"\x00"...)
	}
	var patch []int // where offsets stand that are not known yet
	later := func() { patch = append(patch, len(b)); i32(0) }
	if ue5 > 0 {
		i32(-0x61d57c3f, -8, 0, ue4, ue5, 0)
	} else {
		i32(-0x61d57c3f, -7, 0, ue4, 0)
	}
	if ue5 >= 1016 {
		i32(0, 0, 0, 0, 0)
		later()
	}
	i32(1, 1, 2, 3, 4, 5)
	if ue5 < 1016 {
		later()
	}
	text("/Game/Me")
	i32(append(flags, 0)[0])
	whole := len(flags) == 0
	names := []string{"None", "/Script/CoreUObject", "Package", "/Game/Tex/Wood", "Class", "Texture2D", "/Plug/Hall", "World", "/Engine/Grey", "/Game/Soft", "/Game/Me", "Wood"}
	at := func(s string) int32 { return int32(slices.Index(names, s)) }
	i32(int32(len(names)))
	later()
	if ue5 >= 1008 {
		i32(0, 0)
	}
	if ue4 >= 516 && whole {
		text("loc")
	}
	if ue4 >= 459 {
		i32(0, 0)
	}
	i32(0, 0, 6)
	later()
	if ue5 >= 1015 {
		i32(0, 0, 0, 0)
	}
	if ue5 >= 1014 {
		i32(0)
	}
	i32(0, 2)
	later()
	if ue4 >= 510 {
		i32(0)
	}
	later()
	set := func(k int) { binary.LittleEndian.PutUint32(b[patch[k]:], uint32(len(b))) }
	set(1)
	for _, s := range names {
		text(s)
		if ue4 >= 504 {
			i32(0)
		}
	}
	set(2)
	for _, m := range []struct {
		class, name string
		outer       int32
		number      int32
	}{{"Package", "/Script/CoreUObject", 0, 0}, {"Package", "/Game/Tex/Wood", 0, 3}, {"Texture2D", "Wood", -2, 0}, {"Package", "/Plug/Hall", 0, 0}, {"World", "Wood", -4, 0}, {"Package", "/Engine/Grey", 0, 0}} {
		i32(at("/Script/CoreUObject"), 0, at(m.class), 0, m.outer, at(m.name), m.number)
		if ue4 >= 520 && whole {
			i32(0, 0)
		}
		if ue5 >= 1003 {
			i32(0)
		}
	}
	set(3)
	for _, s := range []string{"/Game/Soft", "/Game/Me"} {
		if ue4 < 514 {
			text(s)
		} else {
			i32(at(s), 0)
		}
	}
	set(0)
	var pic bytes.Buffer
	_ = png.Encode(&pic, image.NewGray(image.Rect(0, 0, 3, 2)))
	thumb := int32(len(b))
	i32(0, 0, 0, 3, 2, int32(pic.Len()))
	b = append(b, pic.Bytes()...)
	set(4)
	i32(2)
	text("World")
	text("Me")
	i32(thumb)
	text("Texture2D")
	text("Wood")
	i32(thumb + 12)
	i32(-0x61d57c3f)
	return b
}

func TestMade(t *testing.T) {
	if refs, err := format.References(t.Context(), Format{}, format.Bytes(made(522, 1012, -1<<31))); err != nil || len(refs) != 4 {
		t.Errorf("without what the editor needs: %v, %v", refs, err)
	}
	want := []string{"texture rooted *.uproject Content/Tex/Wood_2 false", "map rooted **/Plug.uplugin Content/Hall false", "asset named  /Engine/Grey false", "asset rooted *.uproject Content/Soft true"}
	for _, v := range [][2]int32{{522, 1017}, {522, 1012}, {522, 1004}, {522, 0}, {513, 0}, {503, 0}, {482, 0}} {
		in := format.Bytes(made(v[0], v[1]))
		refs, err := format.References(t.Context(), Format{}, in)
		if err != nil {
			t.Fatal(v, err)
		}
		var got []string
		for _, r := range refs {
			got = append(got, fmt.Sprintf("%s %s %s %s %v", r.Kind, r.Style, r.Root, r.Path, r.Optional))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%v: %q", v, got)
		}
		if err := format.Validate(t.Context(), Format{}, in); err != nil {
			t.Errorf("%v: %v", v, err)
		}
		p, err := format.Show(t.Context(), Format{}, in, 256)
		if err != nil || p.Image.Width != 3 || p.Source != format.Embedded {
			t.Errorf("%v: %+v, %v", v, p, err)
		}
	}
}

func TestDamaged(t *testing.T) {
	b := made(522, 1017)
	cooked := bytes.Clone(b)
	binary.LittleEndian.PutUint32(cooked[12:], 0)
	binary.LittleEndian.PutUint32(cooked[16:], 0)
	for _, c := range []struct {
		name string
		b    []byte
		is   error
	}{{"cut in the tables", b[:200], format.ErrMalformed}, {"cut at the end", b[:len(b)-3], format.ErrMalformed}, {"cooked", cooked, format.ErrUnsupported}} {
		if err := format.Validate(t.Context(), Format{}, format.Bytes(c.b)); !errors.Is(err, c.is) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestSettings(t *testing.T) {
	text := "[/Script/X]\n  GameMap = /Game/Maps/Town ; no\r\n+A=(B=\"/Plug/C.C_C\",D=/Game/E.E)\n"
	refs, err := format.References(t.Context(), Settings{}, format.Bytes([]byte(text)))
	var got []string
	for _, r := range refs {
		if text[r.Off:r.Off+r.Len] != r.Raw {
			t.Errorf("%+v stands elsewhere", r)
		}
		got = append(got, r.Kind+" "+r.Path)
	}
	if want := []string{"map Content/Maps/Town", "asset Content/C", "asset Content/E"}; !slices.Equal(got, want) || err != nil {
		t.Errorf("%q, %v", got, err)
	}
}
