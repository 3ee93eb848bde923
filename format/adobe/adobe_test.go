package adobe

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

const project = `<?xml version="1.0" encoding="UTF-8" ?>
<PremiereData Version="3">
	<Project ObjectRef="1"/>
	<Project ObjectID="1" ClassID="62ad" Version="37"><RootProjectItem ObjectURef="root"/></Project>
	<RootProjectItem ObjectUID="root" Version="1"><ProjectItem Version="1"><Name>Root Bin</Name></ProjectItem><ProjectItemContainer Version="1"><Items Version="1">
		<Item Index="0" ObjectURef="bin"/><Item Index="1" ObjectURef="seqitem"/></Items></ProjectItemContainer></RootProjectItem>
	<BinProjectItem ObjectUID="bin"><ProjectItem><Name>Footage</Name></ProjectItem><ProjectItemContainer><Items><Item Index="0" ObjectURef="clip"/></Items></ProjectItemContainer></BinProjectItem>
	<ClipProjectItem ObjectUID="clip"><ProjectItem><Name>Shot A</Name></ProjectItem><MasterClip ObjectURef="mc"/></ClipProjectItem>
	<ClipProjectItem ObjectUID="seqitem"><ProjectItem><Name>Cut</Name></ProjectItem><MasterClip ObjectURef="mcs"/></ClipProjectItem>
	<MasterClip ObjectUID="mc"><Clips><Clip Index="0" ObjectRef="20"/></Clips></MasterClip>
	<MasterClip ObjectUID="mcs"><Clips><Clip Index="0" ObjectRef="21"/></Clips></MasterClip>
	<VideoClip ObjectID="20"><Clip><Source ObjectRef="22"/></Clip></VideoClip>
	<VideoClip ObjectID="21"><Clip><Source ObjectRef="23"/></Clip></VideoClip>
	<VideoMediaSource ObjectID="22"><MediaSource><Media ObjectURef="m1"/></MediaSource></VideoMediaSource>
	<VideoSequenceSource ObjectID="23"><SequenceSource><Sequence ObjectURef="seq"/></SequenceSource></VideoSequenceSource>
	<Sequence ObjectUID="seq"><Node><Properties><MZ.EditLine>77</MZ.EditLine></Properties></Node><Tracks><Track Index="0" ObjectRef="30"/></Tracks><Name>Cut</Name></Sequence>
	<Track ObjectID="30"><Item ObjectRef="31"/><Item ObjectRef="31"/></Track>
	<TrackItem ObjectID="31"><Start>0</Start><End>100</End><Owner ObjectRef="30"/><Clip ObjectURef="mc"/></TrackItem>
	<Media ObjectUID="m1" Version="27"><RelativePath>..\footage\a &amp; b.mov</RelativePath><FilePath>D:\film\footage\a &amp; b.mov</FilePath><Title>a</Title><ActualMediaFilePath>D:\film\footage\a &amp; b.mov</ActualMediaFilePath></Media>
	<Media ObjectUID="m2"><FilePath>/Users/e/song.wav</FilePath><ActualMediaFilePath>/Users/e/song.wav</ActualMediaFilePath></Media>
	<Media ObjectUID="m3"><RelativePath>./stale.mov</RelativePath><FilePath>D:\other.mov</FilePath></Media>
	<Media ObjectUID="m4"><FilePath>1112293707</FilePath></Media>
	<Media ObjectUID="m5"><RelativePath>proxy/a.mov</RelativePath><IsProxy>true</IsProxy></Media>
	<ConformedMedia ObjectID="40"><PeakFilePath>C:\Users\e\Peak Files\a.pek</PeakFilePath><FilePath>C:\cache.cfa</FilePath></ConformedMedia>
</PremiereData>
`

func packed(t testing.TB, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.OS = 19
	_, _ = z.Write([]byte(s))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unpacked(t testing.TB, b []byte) string {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	s, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(s)
}

func listed(t testing.TB, f format.Format, b []byte) string {
	t.Helper()
	list, err := format.References(t.Context(), f, format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, r := range list {
		fmt.Fprintf(&out, "%s %s %s @%s %t %t\n", r.Kind, r.Style, r.Path, r.Element, r.Sequence, r.Optional)
	}
	return out.String()
}

func TestPremiereReferences(t *testing.T) {
	want := `video relative ../footage/a & b.mov @m1 false false
sound absolute /Users/e/song.wav @m2 false false
video absolute D:/other.mov @m3 false false
proxy relative proxy/a.mov @m5 false true
`
	for name, b := range map[string][]byte{"plain": []byte(project), "packed": packed(t, project)} {
		if got := listed(t, Premiere{}, b); got != want {
			t.Errorf("%s: got\n%s", name, got)
		}
	}
}

func TestPremiereRewrite(t *testing.T) {
	paths := map[string]string{`..\footage\a &amp; b.mov`: `..\..\new\c &amp; d.mov`, "/Users/e/song.wav": "/srv/song's.wav"}
	want := strings.NewReplacer(`..\footage\a &amp; b.mov`, `..\..\new\c &amp; d.mov`, `D:\film\footage\a &amp; b.mov`, `D:\new\c &amp; d.mov`, "/Users/e/song.wav", "/srv/song's.wav").Replace(project)
	b := packed(t, project)
	out, err := format.Rewrite(t.Context(), Premiere{}, format.Bytes(b), paths)
	if err != nil {
		t.Fatal(err)
	}
	got := formattest.All(t, out)
	if unpacked(t, got) != want {
		t.Errorf("got %s", unpacked(t, got))
	}
	if !bytes.Equal(got[:10], b[:10]) {
		t.Errorf("the head is %x, it was %x", got[:10], b[:10])
	}
	out, err = format.Rewrite(t.Context(), Premiere{}, format.Bytes(b), map[string]string{"nothing": "x"})
	if err != nil || !bytes.Equal(formattest.All(t, out), b) {
		t.Errorf("no change changes the file: %v", err)
	}
	for _, bad := range []string{"a<b", " ", "a & b"} {
		var refusal *format.Refusal
		if _, err := format.Rewrite(t.Context(), Premiere{}, format.Bytes(b), map[string]string{"/Users/e/song.wav": bad}); !errors.As(err, &refusal) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestMoved(t *testing.T) {
	for _, v := range [][4]string{
		{`D:\film\footage\a.mov`, `..\footage\a.mov`, `..\new\a.mov`, `D:\film\new\a.mov`},
		{`/p/q/media/a.mov`, "./media/a.mov", "clips/b.mov", "/p/q/clips/b.mov"},
		{`/p/q/media/a.mov`, "./media/a.mov", "../b.mov", "/p/b.mov"},
		{`/p/q/media/a.mov`, "../media/a.mov", "b.mov", ""}, // the name of the project's folder is not known
		{`/p/q/media/a.mov`, "../other/a.mov", "../b.mov", ""},
		{`/p/a.mov`, "a.mov", "../../../b.mov", ""},
		{`/p/a.mov`, "a.mov", "/x/b.mov", "/x/b.mov"},
	} {
		if got, ok := moved(v[0], v[1], v[2]); got != v[3] || ok != (v[3] != "") {
			t.Errorf("%v: %q, %t", v, got, ok)
		}
	}
}

func byID(t testing.TB, f format.Format, b []byte) map[string]format.Element {
	t.Helper()
	list, err := format.Elements(t.Context(), f, format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]format.Element{}
	for _, e := range list {
		out[e.ID] = e
	}
	return out
}

func TestPremiereElements(t *testing.T) {
	was := byID(t, Premiere{}, []byte(project))
	for id, want := range map[string]string{"bin": "bin  Footage", "clip": "clip bin Shot A", "seq": "sequence  Cut", "m1": "media  a"} {
		if e, ok := was[id]; !ok || e.Kind+" "+e.Parent+" "+e.Name != want {
			t.Errorf("%s is %+v", id, e)
		}
	}
	for _, v := range []struct {
		from, to string
		same     bool
	}{
		{"EditLine>77<", "EditLine>78<", true}, // how it is shown
		{`"31"`, `"531"`, true},                // numbers are new at every save
		{"<End>100<", "<End>90<", false},
		{`<Clip ObjectURef="mc"/>`, `<Clip ObjectURef="mcs"/>`, false},
	} {
		e := byID(t, Premiere{}, []byte(strings.ReplaceAll(project, v.from, v.to)))["seq"]
		b := was["seq"]
		if same := e.Hash() == b.Hash(); same != v.same {
			t.Errorf("%q to %q: the same %t", v.from, v.to, same)
		}
	}
}

func TestPremiereValidate(t *testing.T) {
	b := packed(t, project)
	for n := 10; n < len(b); n += 7 {
		if err := format.Validate(t.Context(), Premiere{}, format.Bytes(b[:n])); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("the first %d bytes: %v", n, err)
		}
	}
	b[len(b)-6] ^= 1
	if err := format.Validate(t.Context(), Premiere{}, format.Bytes(b)); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("a wrong checksum: %v", err)
	}
}

// TestPremiereBounds: what unpacks to more than it may, and objects that mean one another without end.
func TestPremiereBounds(t *testing.T) {
	in := format.Bytes(packed(t, strings.Repeat(" ", 1<<20)))
	if _, err := unpack(t.Context(), in, 1<<19); !errors.Is(err, format.ErrLimit) {
		t.Error(err)
	}
	var deep strings.Builder
	deep.WriteString(`<?xml version="1.0"?><PremiereData Version="3"><Sequence ObjectUID="s"><A ObjectRef="0"/></Sequence>`)
	for i := range 2 * maxMeant {
		fmt.Fprintf(&deep, `<O ObjectID="%d"><A ObjectRef="%d"/></O>`, i, i+1)
	}
	deep.WriteString("</PremiereData>")
	if _, err := format.Elements(t.Context(), Premiere{}, format.Bytes([]byte(deep.String()))); !errors.Is(err, format.ErrUnsupported) {
		t.Errorf("%.200v", err)
	}
	var bins strings.Builder
	bins.WriteString(`<?xml version="1.0"?><PremiereData Version="3"><RootProjectItem ObjectUID="0"><ProjectItemContainer><Items><Item ObjectURef="1"/></Items></ProjectItemContainer></RootProjectItem>`)
	for i := range 2 * maxBins {
		fmt.Fprintf(&bins, `<BinProjectItem ObjectUID="%d"><ProjectItemContainer><Items><Item ObjectURef="%d"/></Items></ProjectItemContainer></BinProjectItem>`, i+1, i+2)
	}
	bins.WriteString("</PremiereData>")
	if _, err := format.Elements(t.Context(), Premiere{}, format.Bytes([]byte(bins.String()))); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("%.200v", err)
	}
}

const effectsXML = `<?xml version="1.0" encoding="UTF-8"?>
<AfterEffectsProject xmlns="http://www.adobe.com/products/aftereffects" majorVersion="1" minorVersion="0">
	<Fold>
		<Item><idta bdata="0001000000000000000000000000000000000007"/><string>Footage</string><Sfdr>
			<Item><idta bdata="0007000000000000000000000000000000000009"/><string/><Pin><Als2>
				<fileReference ascendcount_base="1" ascendcount_target="2" fullpath="D:\film\plates\a &amp; b.jpg" platform="Win" target_is_folder="0"/></Als2></Pin></Item>
			<Item><idta bdata="000700000000000000000000000000000000000a"/><string>seq</string><Pin><Als2>
				<fileReference ascendcount_base="2" ascendcount_target="2" fullpath="D:\lib\fire" platform="Win" target_is_folder="1"/></Als2><StVc><string>fire_0001.exr</string><string>fire_0002.exr</string></StVc></Pin></Item>
		</Sfdr></Item>
		<Item><idta bdata="0004000000000000000000000000000000000001"/><string>main</string>
			<Layr><ldta bdata="00000026"/><string>title</string><tdgp><tdsb bdata="01"/></tdgp></Layr></Item>
		<Item><idta bdata="000700000000000000000000000000000000000b"/><string>far</string><Pin><Als2>
			<fileReference ascendcount_base="0" ascendcount_target="0" fullpath="E:\x.wav" platform="Win" target_is_folder="0"/></Als2></Pin></Item>
	</Fold>
	<LRdr><LOm><Als2><fileReference ascendcount_base="1" ascendcount_target="1" fullpath="D:\film\out.mov" target_is_folder="0"/></Als2></LOm></LRdr>
</AfterEffectsProject>
`

func TestEffectsReferences(t *testing.T) {
	want := `image relative plates/a & b.jpg @item 9 false false
sequence relative ../lib/fire/fire_####.exr @item 10 true false
sound absolute E:/x.wav @item 11 false false
`
	if got := listed(t, AfterEffects{}, []byte(effectsXML)); got != want {
		t.Errorf("got\n%s", got)
	}
	want = "image relative plates/a.jpg @item 9 false false\n"
	if got := listed(t, AfterEffects{}, chunkedProject()); got != want {
		t.Errorf("got\n%s", got)
	}
}

func TestEffectsRewrite(t *testing.T) {
	out, err := format.Rewrite(t.Context(), AfterEffects{}, format.Bytes([]byte(effectsXML)), map[string]string{`D:\film\plates\a &amp; b.jpg`: `D:\film\new\deep\c.jpg`, `E:\x.wav`: `E:\y.wav`})
	if err != nil {
		t.Fatal(err)
	}
	want := strings.NewReplacer(`ascendcount_target="2" fullpath="D:\film\plates\a &amp; b.jpg"`, `ascendcount_target="3" fullpath="D:\film\new\deep\c.jpg"`, `E:\x.wav`, `E:\y.wav`).Replace(effectsXML)
	if got := string(formattest.All(t, out)); got != want {
		t.Errorf("got %s", got)
	}
	var refusal *format.Refusal
	if _, err := format.Rewrite(t.Context(), AfterEffects{}, format.Bytes(chunkedProject()), nil); !errors.As(err, &refusal) {
		t.Error(err)
	}
}

func TestAscend(t *testing.T) {
	l := location{FullPath: "/a/b/c/x.mov", Base: 2, Target: 2} // in common: /a/b; the project in /a/b/?
	for to, want := range map[string][2]int{"/a/b/d/y.mov": {2, 2}, "/a/b/y.mov": {2, 1}, "/a/y.mov": {3, 1}, "/q/y.mov": {0, 0}, "y.mov": {0, 0}} {
		if base, target := l.moved(to); [2]int{base, target} != want {
			t.Errorf("%s: %d, %d", to, base, target)
		}
	}
}

func TestEffectsElements(t *testing.T) {
	for _, b := range [][]byte{[]byte(effectsXML), chunkedProject()} {
		was := byID(t, AfterEffects{}, b)
		for id, want := range map[string]string{"item 9": "footage ", "item 1": "composition main", "item 1 layer 38": "layer title"} {
			e, ok := was[id]
			if got := e.Kind + " " + e.Name; !ok || !strings.HasPrefix(got, want) {
				t.Errorf("%s is %+v", id, e)
			}
		}
	}
	a, b := byID(t, AfterEffects{}, []byte(effectsXML)), byID(t, AfterEffects{}, []byte(strings.Replace(effectsXML, `<tdsb bdata="01"/>`, `<tdsb bdata="03"/>`, 1)))
	for id, e := range a {
		o := b[id]
		if same := o.Hash() == e.Hash(); same == (id == "item 1 layer 38") {
			t.Errorf("%s: the same %t", id, same)
		}
	}
}

// chunkedProject is an .aep.
func chunkedProject() []byte {
	chunk := func(tag string, data string) string {
		b := append([]byte(tag), 0, 0, 0, 0)
		binary.BigEndian.PutUint32(b[4:], uint32(len(data)))
		b = append(b, data...)
		return string(append(b, make([]byte, len(data)&1)...))
	}
	list := func(kind string, parts ...string) string { return chunk("LIST", kind+strings.Join(parts, "")) }
	idta := func(kind, id byte) string {
		return chunk("idta", "\x00"+string(kind)+strings.Repeat("\x00", 17)+string(id)+"rest")
	}
	alas := chunk("alas", `{"ascendcount_base":1,"ascendcount_target":2,"fullpath":"/film/plates/a.jpg","platform":2,"target_is_folder":false}`)
	items := list("Fold", list("Item", idta(7, 9), chunk("Utf8", ""), list("Pin ", list("Als2", alas))),
		list("Item", idta(4, 1), chunk("Utf8", "main"), list("Layr", chunk("ldta", "\x00\x00\x00\x26x"), chunk("Utf8", "title"), list("btdk", "no chunks"))))
	body := "Egg!" + items + list("LRdr", list("Als2", alas))
	b := append([]byte("RIFX"), 0, 0, 0, 0)
	binary.BigEndian.PutUint32(b[4:], uint32(len(body)))
	return append(append(b, body...), "<?xpacket begin?><x/><?xpacket end=\"w\"?>"...)
}

func TestEffectsValidate(t *testing.T) {
	b := chunkedProject()
	chunks := bytes.Index(b, []byte("<?xpacket"))
	for n := 12; n < len(b); n++ {
		if n >= chunks && n < chunks+len("<?xpacket begin") { // no metadata
			continue
		}
		if err := format.Validate(t.Context(), AfterEffects{}, format.Bytes(b[:n])); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("the first %d of %d bytes: %v", n, len(b), err)
		}
	}
}

// TestEffectsDepth: lists within one another are not followed without end.
func TestEffectsDepth(t *testing.T) {
	for depth, want := range map[int]error{maxDepth / 2: nil, 2 * maxDepth: format.ErrMalformed} {
		body := ""
		for range depth {
			b := append([]byte("LIST"), 0, 0, 0, 0)
			binary.BigEndian.PutUint32(b[4:], uint32(len(body)+4))
			body = string(b) + "Fold" + body
		}
		b := append([]byte("RIFX"), 0, 0, 0, 0)
		binary.BigEndian.PutUint32(b[4:], uint32(len(body)+4))
		if err := format.Validate(t.Context(), AfterEffects{}, format.Bytes([]byte(string(b)+"Egg!"+body))); !errors.Is(err, want) {
			t.Errorf("%d deep: %v", depth, err)
		}
	}
}

func TestContract(t *testing.T) {
	t.Run("premiere", func(t *testing.T) {
		formattest.Run(t, Premiere{}, map[string][]byte{"a.prproj": packed(t, project), "plain.prproj": []byte(project)})
	})
	t.Run("aftereffects", func(t *testing.T) {
		formattest.Run(t, AfterEffects{}, map[string][]byte{"a.aepx": []byte(effectsXML), "a.aep": chunkedProject()})
	})
}

func FuzzPremiere(f *testing.F) {
	formattest.Fuzz(f, Premiere{}, map[string][]byte{"packed": packed(f, project), "plain": []byte(project)})
}

func FuzzEffects(f *testing.F) {
	formattest.Fuzz(f, AfterEffects{}, map[string][]byte{"aepx": []byte(effectsXML), "aep": chunkedProject()})
}
