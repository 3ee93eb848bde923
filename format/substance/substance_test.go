package substance

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

const text = `<?xml version="1.0" encoding="UTF-8"?><package><identifier v="Wall"/><formatVersion v="1.1.0.202302"/><fileUID v="{10096dfa}"/><versionUID v="0"/><dependencies>` +
	`<dependency><filename v="sbs://noise.sbs"/><uid v="1"/></dependency><dependency><filename v="?himself"/><uid v="2"/></dependency>` +
	`<dependency><filename v="../lib/a &amp; b.sbs"/><uid v="3"/></dependency><dependency><filename v="studio://c.sbs"/><uid v="4"/></dependency></dependencies><content>` +
	`<graph><identifier v="Wall"/><uid v="10"/><attributes><icon><strdata v="AA"/></icon></attributes><compNodes><compNode><uid v="11"/><GUILayout><gpos v="1 2 0"/></GUILayout><filter v="blur"/></compNode></compNodes></graph>` +
	`<group><identifier v="Resources"/><uid v="20"/><content><resource><identifier v="wood"/><uid v="21"/><type v="bitmap"/><filepath v="C:/origin/wood.png"/><source><externalcopy><filename v="Wall.resources/wood.png"/></externalcopy></source></resource>` +
	`<resource><identifier v="linked"/><uid v="22"/><type v="scene"/><filepath v="meshes/rock.fbx"/></resource>` +
	`<resource><identifier v="in"/><uid v="23"/><type v="svg"/><filepath v="x.svg"/><source><binembedded><strdata v="AA"/></binembedded></source></resource></content></group></content></package>
`

func TestReferences(t *testing.T) {
	list, err := format.References(t.Context(), Format{}, format.Bytes([]byte(text)))
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, r := range list {
		fmt.Fprintf(&got, "%s %s %s @%s\n", r.Kind, r.Style, r.Path, r.Element)
	}
	want := `package relative ../lib/a & b.sbs @
package absolute studio://c.sbs @
texture relative Wall.resources/wood.png @Resources/wood
scene relative meshes/rock.fbx @Resources/linked
`
	if got.String() != want {
		t.Errorf("got\n%s", got.String())
	}
}

func TestRewrite(t *testing.T) {
	in := format.Bytes([]byte(text))
	out, err := format.Rewrite(t.Context(), Format{}, in, map[string]string{"../lib/a &amp; b.sbs": "lib/c &amp; d.sbs", "meshes/rock.fbx": "rock.fbx", "?himself": "x"})
	if err != nil {
		t.Fatal(err)
	}
	if got := string(formattest.All(t, out)); got != strings.NewReplacer("../lib/a &amp; b.sbs", "lib/c &amp; d.sbs", "meshes/rock.fbx", "rock.fbx").Replace(text) {
		t.Errorf("got %s", got)
	}
	var refusal *format.Refusal
	if _, err := format.Rewrite(t.Context(), Format{}, in, map[string]string{"meshes/rock.fbx": "a & b"}); !errors.As(err, &refusal) {
		t.Error(err)
	}
}

func TestElements(t *testing.T) {
	list := func(s string) map[string]format.Element {
		all, err := format.Elements(t.Context(), Format{}, format.Bytes([]byte(s)))
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]format.Element{}
		for _, e := range all {
			out[e.ID] = e
		}
		return out
	}
	was := list(text)
	if e := was["Resources/wood"]; e.Parent != "Resources" || e.Stable != "resource 21" || was["Wall"].Kind != "graph" || len(was) != 5 {
		t.Errorf("%+v", was)
	}
	for change, want := range map[string]string{`gpos v="1>gpos v="9`: "", `strdata v="AA"/></icon>strdata v="BB"/></icon`: "", `filter v="blur>filter v="warp`: "Wall", "meshes/rock>meshes/stone": "Resources/linked"} {
		i := strings.Index(change[1:], ">"+change[:4]) + 1
		var got []string
		for id, e := range list(strings.Replace(text, change[:i], change[i+1:], 1)) {
			if b := was[id]; b.Hash() != e.Hash() {
				got = append(got, id)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s changes %q, want %q", change, got, want)
		}
	}
}

// archive is a 7z of nothing but a header.
func archive() []byte {
	header := []byte("\x17\x06header")
	b := append([]byte("7z\xbc\xaf\x27\x1c\x00\x04"), make([]byte, 24)...)
	b = append(b, "packed"...)
	binary.LittleEndian.PutUint64(b[12:], 6)
	binary.LittleEndian.PutUint64(b[20:], uint64(len(header)))
	binary.LittleEndian.PutUint32(b[28:], crc32.ChecksumIEEE(header))
	binary.LittleEndian.PutUint32(b[8:], crc32.ChecksumIEEE(b[12:32]))
	return append(b, header...)
}

func TestValidate(t *testing.T) {
	for n := range len(text) - 2 {
		if err := format.Validate(t.Context(), Format{}, format.Bytes([]byte(text[:n]))); !errors.Is(err, format.ErrMalformed) {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
	}
	b := archive()
	for i := range b {
		if i == 6 || i == 7 || i >= 32 && i < 38 { // the version, and what is packed
			continue
		}
		b[i] ^= 0x40
		if err := format.Validate(t.Context(), Archive{}, format.Bytes(b)); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("byte %d is wrong: %v", i, err)
		}
		b[i] ^= 0x40
		if err := format.Validate(t.Context(), Archive{}, format.Bytes(b[:i])); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("the first %d bytes: %v", i, err)
		}
	}
}

func TestContract(t *testing.T) {
	formattest.Run(t, Format{}, map[string][]byte{"a.sbs": []byte(text)})
	formattest.Run(t, Archive{}, map[string][]byte{"a.sbsar": archive()})
}

func FuzzPackage(f *testing.F) {
	formattest.Fuzz(f, Format{}, map[string][]byte{"a.sbs": []byte(text)})
}

func FuzzArchive(f *testing.F) {
	formattest.Fuzz(f, Archive{}, map[string][]byte{"a.sbsar": archive()})
}
