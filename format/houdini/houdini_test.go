package houdini

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

const parm = `{
version 0.8
stdswitcher	[ 0	locks=0 ]	(	0	0	)
file	[ 0	locks=0 ]	(	"$HIP/geo/rock.$F4.bgeo.sc"	)
filename	[ 0	locks=0 ]	(	tex/UVcolor.rat	)
default	[ 0	locks=0 ]	(	default.pic	)
map	[ 0	locks=0 ]	(	"$JOB/tex/a b.%(UDIM)d.exr"	)
abs	[ 0	locks=0 ]	(	"C:/lib/x.abc"	"${HIP}/y.usd"	)
studio	[ 0	locks=0 ]	(	$SHOW/x.vdb	)
sopoutput	[ 0	locks=0 ]	(	"$HIP/out.bgeo"	)
vm_picture	[ 0	locks=0 ]	(	"$HIP/render/a.exr"	)
builtin	[ 0	locks=0 ]	(	"$HFS/houdini/pic/a.rat"	)
expr	[ 0	locks=0 ]	(	"` + "`chs(\\\"../file\\\")`" + `.exr"	)
nodepath	[ 0	locks=0 ]	(	/mat/wood	)
snippet	[ 0	locks=0 ]	(	"string s = \"$HIP/in.exr\";
// x.png
"	)
named	[ 0	locks=0 ]	(	"$HIP/$OS.abc"	)
}
`

func entries() [][2]string {
	return [][2]string{{".start", "fplayback -i on\n"}, {"obj.parm", "{\nversion 0.8\n}\n"}, {"obj/rock.init", "type = file\nmatchesdef = 0\n"}, {"obj/rock.def", "position 1 2"},
		{"obj/rock.parm", parm}, {"subnet1/inner.parm", strings.ReplaceAll(parm, "rock", "inner")}, {"obj/rock.chn", "{ channel t { } }"}}
}

func full() []byte {
	var b strings.Builder
	for _, e := range append(entries(), [2]string{"TRAILER!!!", ""}) {
		fmt.Fprintf(&b, "070707%06o%06o%06o%06o%06o%06o%06o%011o%06o%011o%s\x00%s", 1, 2, 0o100644, 0, 0, 1, 0, 1234567, len(e[0])+1, len(e[1]), e[0], e[1])
	}
	return []byte(b.String())
}

func limited() []byte {
	var b strings.Builder
	for _, e := range append(entries(), [2]string{"LIMITED_COMMERCIAL_FILE!!!", ""}) {
		b.WriteString("HouLC\x1a1033600baa05f0e7aab09a7e595e" + e[0] + "\x00" + e[1])
	}
	return []byte(b.String())
}

func TestReferences(t *testing.T) {
	want := `geometry relative geo/rock.####.bgeo.sc true
texture relative tex/UVcolor.rat false
texture rooted tex/a b.<UDIM>.exr true
geometry absolute C:/lib/x.abc false
scene relative y.usd false
volume absolute $SHOW/x.vdb false
geometry relative *.abc true
`
	for name, b := range map[string][]byte{"full": full(), "limited": limited()} {
		list, err := format.References(t.Context(), Format{}, format.Bytes(b))
		if err != nil {
			t.Fatal(name, err)
		}
		var got strings.Builder
		for _, r := range list {
			fmt.Fprintf(&got, "%s %s %s %t\n", r.Kind, r.Style, r.Path, r.Sequence)
			if r.Element != "/obj/rock" || string(b[r.Off:r.Off+r.Len]) != r.Raw {
				t.Errorf("%+v", r)
			}
		}
		if got.String() != want {
			t.Errorf("%s: got\n%s", name, got.String())
		}
	}
}

func TestElements(t *testing.T) {
	list, err := format.Elements(t.Context(), Format{}, format.Bytes(limited()))
	if err != nil || len(list) != 2 || list[1].ID != "/obj/rock" || list[1].Parent != "/obj" || list[1].Properties["type"] != "file" || len(list[1].Aspects) != 2 {
		t.Fatalf("%+v, %v", list, err)
	}
	moved, err := format.Elements(t.Context(), Format{}, format.Bytes([]byte(strings.Replace(string(limited()), "position 1 2", "position 3 4", 1))))
	if d := formattest.Differ(list, moved); d != "" || err != nil {
		t.Errorf("where a node lies: %s, %v", d, err)
	}
	other, err := format.Elements(t.Context(), Format{}, format.Bytes([]byte(strings.Replace(string(limited()), "UVcolor", "other", 1))))
	if err != nil || other[1].Hash() == list[1].Hash() || other[0].Hash() != list[0].Hash() {
		t.Errorf("%+v, %v", other, err)
	}
}

func TestValidate(t *testing.T) {
	for name, b := range map[string][]byte{"full": full(), "limited": limited()} {
		if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for n := 0; n < len(b)-1; n++ {
			if err := format.Validate(t.Context(), Format{}, format.Bytes(b[:n])); !errors.Is(err, format.ErrMalformed) {
				t.Fatalf("%s: the first %d of %d bytes: %v", name, n, len(b), err)
			}
		}
	}
}

func TestValidateLength(t *testing.T) {
	b := full()
	b[len(b)-len("TRAILER!!!\x00")-1] = '7' // of the last entry, which is of nothing
	if err := format.Validate(t.Context(), Format{}, format.Bytes(b)); !errors.Is(err, format.ErrMalformed) {
		t.Error(err)
	}
}

func TestContract(t *testing.T) {
	formattest.Run(t, Format{}, map[string][]byte{"full.hip": full(), "limited.hiplc": limited()})
}

func FuzzScene(f *testing.F) {
	formattest.Fuzz(f, Format{}, map[string][]byte{"full": full(), "limited": limited()})
}
