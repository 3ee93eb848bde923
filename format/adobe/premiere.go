package adobe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"varve/format"
	"varve/format/splice"
	"varve/format/xmlspan"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

// premiere is a project that was read.
type premiere struct {
	in     format.Input
	doc    *xmlspan.Document
	packed bool
	exact  bool
	head   []byte // of gzip
	byID   map[string]*xmlspan.Node
}

func openPremiere(ctx context.Context, in format.Input) (*premiere, error) {
	magic, err := format.ReadSpan(in, 0, min(in.Size(), 10), 10)
	if err != nil {
		return nil, err
	}
	p := &premiere{in: in, packed: bytes.HasPrefix(magic, []byte{0x1f, 0x8b}), byID: map[string]*xmlspan.Node{}}
	text, exact := []byte(nil), false
	if p.packed {
		p.head = magic
		if text, err = unpack(ctx, in, maxText); err == nil {
			text, exact, err = splice.Plain(text)
		}
	} else {
		text, exact, err = splice.Read(in, maxText)
	}
	if err != nil {
		return nil, err
	}
	p.exact = exact
	if p.doc, err = xmlspan.Parse(text, nil); err != nil {
		return nil, err
	}
	if p.doc.Root.Name != "PremiereData" {
		return nil, format.Malformed("the root is %.64q", p.doc.Root.Name)
	}
	for _, n := range p.doc.Root.Kids {
		for _, a := range n.Attrs {
			switch a.Name {
			case "ObjectID", "ObjectUID":
				p.byID[p.doc.Value(a)] = n
			}
		}
	}
	return p, nil
}

// unpack decompresses a project of at most max bytes.
func unpack(ctx context.Context, in format.Input, max int) ([]byte, error) {
	z, err := gzip.NewReader(io.NewSectionReader(in, 0, in.Size()))
	if err != nil {
		return nil, unpacking(err)
	}
	z.Multistream(false)
	var out bytes.Buffer
	for {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		n, err := io.CopyN(&out, z, 1<<16)
		if out.Len() > max {
			return nil, fmt.Errorf("a project of more than %d bytes: %w", max, format.ErrLimit)
		}
		if err == io.EOF || err == nil && n == 0 {
			return out.Bytes(), nil
		}
		if err != nil {
			return nil, unpacking(err)
		}
	}
}

func unpacking(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) || strings.Contains(err.Error(), "flate") {
		return format.Malformed("compressed text: %v", err)
	}
	return err
}

// media is one file of a project: the places of its paths.
type media struct {
	node      *xmlspan.Node
	relative  []*xmlspan.Node
	absolute  []*xmlspan.Node
	reference format.Reference
}

// media returns the files of a project, one each.
func (p *premiere) media() []media {
	var out []media
	for _, n := range p.doc.Root.Kids {
		if n.Name != "Media" || len(out) > format.MaxReferences {
			continue
		}
		m := media{node: n}
		id := p.id(n)
		if id == "" { // what another means
			continue
		}
		for _, k := range n.Kids {
			text := p.text(k)
			switch {
			case text == "" || len(k.Kids) > 0:
			case k.Name == "RelativePath":
				m.relative = append(m.relative, k)
			case k.Name == "ActualMediaFilePath", k.Name == "FilePath" && strings.Trim(text, "0123456789") != "": // numbers are made by Premiere: black, bars
				m.absolute = append(m.absolute, k)
			}
		}
		if m.refer(p, id) {
			out = append(out, m)
		}
	}
	return out
}

// refer makes the reference of media: by the path from the project's folder, where that and the others are of one file.
func (m *media) refer(p *premiere, id string) bool {
	at := (*xmlspan.Node)(nil)
	if len(m.absolute) > 0 {
		at = m.absolute[0]
		for _, k := range m.absolute {
			if k.Name == "ActualMediaFilePath" {
				at = k
			}
		}
	}
	if len(m.relative) > 0 {
		r := slashed(p.text(m.relative[0]))
		if _, style := splice.Path(r); style == format.Relative && (at == nil || path.Base(r) == path.Base(slashed(p.text(at)))) {
			at = m.relative[0]
		}
	}
	if at == nil {
		return false
	}
	r := &m.reference
	r.Raw = string(bytes.TrimSpace(p.doc.Text[at.In:at.InEnd]))
	r.Path, r.Style = splice.Path(p.text(at))
	r.Path = strings.TrimPrefix(strings.TrimPrefix(r.Path, `//?/`), "./") // \\?\C:\… of Windows
	if strings.HasPrefix(p.text(at), `\\?\`) {
		r.Style = format.Absolute
	}
	r.Kind, r.Element = kindOf(r.Path), id
	if k := m.node.First("IsProxy"); k != nil && p.text(k) == "true" {
		r.Kind, r.Optional = "proxy", true
	}
	if p.exact && !p.packed {
		r.Off = int64(at.In + bytes.Index(p.doc.Text[at.In:at.InEnd], []byte(r.Raw)))
		r.Len = int64(len(r.Raw))
	}
	return r.Path != "" && r.Path != "."
}

func slashed(s string) string { return strings.ReplaceAll(s, `\`, "/") }

func (p *premiere) text(n *xmlspan.Node) string { return strings.TrimSpace(p.doc.Inner(n)) }

func (p *premiere) id(n *xmlspan.Node) string {
	if id := p.doc.Get(n, "ObjectUID"); id != "" {
		return id
	}
	return p.doc.Get(n, "ObjectID")
}

// References lists media, each once.
func (Premiere) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	p, err := openPremiere(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []format.Reference
	for _, m := range p.media() {
		out = append(out, m.reference)
	}
	return out, nil
}

// Rewrite makes a project need other media. Where it names one from its folder and wholly, the whole path goes along as
// far as the two tell where the folder is; else it stays. The text is compressed anew.
func (Premiere) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	p, err := openPremiere(ctx, in)
	if err != nil {
		return nil, err
	}
	var edits []splice.Edit
	put := func(n *xmlspan.Node, raw string) {
		edits = append(edits, splice.Edit{Off: int64(n.In), Len: int64(n.InEnd - n.In), New: splice.Text(raw)})
	}
	for _, m := range p.media() {
		raw := m.reference.Raw
		next, ok := paths[raw]
		if !ok || next == raw {
			continue
		}
		if !p.exact {
			return nil, &format.Refusal{Reason: "the project is of UTF-16", Advice: "save it in Premiere"}
		}
		if strings.ContainsAny(next, "<>") || !xmlspan.Fits(strings.NewReplacer(`"`, "", "'", "").Replace(next)) || next != strings.TrimSpace(next) || next == "" {
			return nil, &format.Refusal{Reason: fmt.Sprintf("%q cannot stand in the place of %q", next, raw), Advice: "write & < > as in XML"}
		}
		was, is := p.doc.Unescape([]byte(raw)), p.doc.Unescape([]byte(next))
		_, style := splice.Path(was)
		if style == format.Relative {
			for _, n := range m.relative {
				put(n, next)
			}
			for _, n := range m.absolute {
				if whole, ok := moved(p.text(n), was, is); ok {
					put(n, xmlspan.Escape(whole))
				}
			}
			continue
		}
		for _, n := range m.absolute {
			if string(bytes.TrimSpace(p.doc.Text[n.In:n.InEnd])) == raw {
				put(n, next)
			}
		}
	}
	if len(edits) == 0 {
		return splice.Cut(in, 0, in.Size()), nil
	}
	text := format.Bytes(p.doc.Text)
	out, err := splice.Apply(text, 0, text.Size(), edits)
	if err != nil || !p.packed {
		return out, err
	}
	return pack(p.head, out)
}

// moved returns the whole path of a file whose path from a folder changes; ok is false where the old ones do not tell.
func moved(whole, was, is string) (string, bool) {
	w, from, to := slashed(whole), slashed(was), slashed(is)
	ups := func(s string) (n int, rest string) {
		for {
			switch {
			case strings.HasPrefix(s, "./"):
				s = s[2:]
			case strings.HasPrefix(s, "../"):
				s, n = s[3:], n+1
			default:
				return n, s
			}
		}
	}
	n, tail := ups(from)
	k, next := ups(to)
	if _, style := splice.Path(to); style != format.Relative {
		return is, true
	}
	base, ok := strings.CutSuffix(w, "/"+tail)
	if !ok || tail == "" || k < n { // folders down to the project are not known
		return "", false
	}
	for ; k > n; k-- {
		at := strings.LastIndexByte(base, '/')
		if at <= 0 {
			return "", false
		}
		base = base[:at]
	}
	out := base + "/" + next
	if strings.Contains(whole, `\`) {
		out = strings.ReplaceAll(out, "/", `\`)
	}
	return out, true
}

// pack compresses a text, with the head that the file had.
func pack(head []byte, text *format.Output) (*format.Output, error) {
	var b bytes.Buffer
	plain := []byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255}
	if len(head) == 10 && head[3] == 0 {
		plain = head
	}
	b.Write(plain)
	z, err := flate.NewWriter(&b, flate.DefaultCompression)
	if err != nil {
		return nil, err
	}
	sum := newSum()
	if _, err := text.WriteTo(io.MultiWriter(z, sum)); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	out := new(format.Output)
	_, _ = out.Write(sum.append(b.Bytes()))
	return out, nil
}
