package adobe

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/splice"
	"varve/format/xmlspan"
)

// box is a chunk of a project, of either notation.
type box struct {
	tag      string
	data     []byte // nil of a list
	kids     []*box
	from, to int       // of the file
	file     *location // of a file reference
}

// location is a file reference.
type location struct {
	FullPath string `json:"fullpath"`
	Base     int    `json:"ascendcount_base"`
	Target   int    `json:"ascendcount_target"`
	Folder   bool   `json:"target_is_folder"`

	attrs map[string]xmlspan.Attr // in XML
}

// effects is a project of After Effects.
type effects struct {
	in    format.Input
	root  *box
	doc   *xmlspan.Document // nil of an .aep
	exact bool
	boxes int
}

const (
	maxBoxes = 1 << 22
	maxDepth = 512
)

func openEffects(ctx context.Context, in format.Input) (*effects, error) {
	b, err := format.ReadSpan(in, 0, in.Size(), maxText)
	if err != nil {
		return nil, err
	}
	e := &effects{in: in}
	if chunked(b) {
		e.root, err = e.chunks(ctx, b)
		return e, err
	}
	text, exact, err := splice.Plain(b)
	if err != nil {
		return nil, err
	}
	e.exact = exact
	if e.doc, err = xmlspan.Parse(text, nil); err != nil {
		return nil, err
	}
	if e.doc.Root.Name != "AfterEffectsProject" {
		return nil, format.Malformed("the root is %.64q", e.doc.Root.Name)
	}
	e.root, err = e.element(e.doc.Root)
	return e, err
}

// chunks reads an .aep.
func (e *effects) chunks(ctx context.Context, b []byte) (*box, error) {
	size := int64(binary.BigEndian.Uint32(b[4:]))
	if size < 4 || size > int64(len(b)-8) {
		return nil, format.Malformed("%d bytes of chunks in %d", size, len(b)-8)
	}
	root := &box{tag: "Egg!", from: 0, to: 8 + int(size)}
	if err := e.list(ctx, b, root, 12, root.to, 0); err != nil {
		return nil, err
	}
	if tail := bytes.TrimSpace(b[root.to:]); bytes.HasPrefix(tail, []byte("<?xpacket begin")) && !(bytes.Contains(tail[max(0, len(tail)-64):], []byte("<?xpacket end")) && bytes.HasSuffix(tail, []byte("?>"))) {
		return nil, format.Malformed("the metadata after the project end early")
	}
	return root, nil
}

func (e *effects) list(ctx context.Context, b []byte, into *box, at, end, depth int) error {
	if depth > maxDepth {
		return format.Malformed("more than %d lists within one another", maxDepth)
	}
	for at < end {
		if e.boxes++; e.boxes > maxBoxes {
			return fmt.Errorf("more than %d chunks: %w", maxBoxes, format.ErrLimit)
		}
		if e.boxes&0xfff == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if end-at < 8 {
			return format.Malformed("%d bytes of a chunk at %d", end-at, at)
		}
		size := int64(binary.BigEndian.Uint32(b[at+4:]))
		if size > int64(end-at-8) {
			return format.Malformed("a chunk %q of %d bytes at %d, %d left", b[at:at+4], size, at, end-at-8)
		}
		k := &box{tag: string(b[at : at+4]), from: at, to: at + 8 + int(size)}
		into.kids = append(into.kids, k)
		body := b[at+8 : k.to]
		if k.tag == "LIST" && len(body) >= 4 && string(body[:4]) != "btdk" { // that is of text layers, and no list
			k.tag = strings.TrimRight(string(body[:4]), " ")
			if err := e.list(ctx, b, k, at+12, k.to, depth+1); err != nil {
				return err
			}
		} else {
			k.data = body
		}
		if k.tag == "alas" {
			k.file = new(location)
			if json.Unmarshal(body, k.file) != nil {
				k.file = nil
			}
		}
		at = k.to + k.to&1
	}
	return nil
}

// element makes a box of an element of XML, and of all in it.
func (e *effects) element(n *xmlspan.Node) (*box, error) {
	if e.boxes++; e.boxes > maxBoxes {
		return nil, fmt.Errorf("more than %d chunks: %w", maxBoxes, format.ErrLimit)
	}
	k := &box{tag: n.Name, from: n.Start, to: n.End}
	switch {
	case n.Name == "fileReference":
		k.file = &location{attrs: map[string]xmlspan.Attr{}}
		for _, a := range n.Attrs {
			k.file.attrs[a.Name] = a
			v := e.doc.Value(a)
			switch a.Name {
			case "fullpath":
				k.file.FullPath = v
			case "ascendcount_base":
				k.file.Base, _ = strconv.Atoi(v)
			case "ascendcount_target":
				k.file.Target, _ = strconv.Atoi(v)
			case "target_is_folder":
				k.file.Folder = v == "1" || v == "true"
			}
		}
	case n.Name == "string":
		k.tag, k.data = "Utf8", []byte(e.doc.Inner(n))
	default:
		for _, a := range n.Attrs {
			if a.Name == "bdata" {
				k.data = e.doc.Text[a.Off : a.Off+a.Len] // hex: few are asked for
			}
		}
	}
	for _, c := range n.Kids {
		b, err := e.element(c)
		if err != nil {
			return nil, err
		}
		k.kids = append(k.kids, b)
	}
	return k, nil
}

// head returns the first n bytes of a chunk's data; nil where there are fewer.
func (e *effects) head(k *box, n int) []byte {
	if k == nil {
		return nil
	}
	if e.doc == nil {
		if len(k.data) < n {
			return nil
		}
		return k.data[:n]
	}
	if len(k.data) < 2*n {
		return nil
	}
	b, err := hex.DecodeString(string(k.data[:2*n]))
	if err != nil {
		return nil
	}
	return b
}

func (k *box) first(tag string) *box {
	if k == nil {
		return nil
	}
	for _, c := range k.kids {
		if c.tag == tag {
			return c
		}
	}
	return nil
}

// pathOf returns where a file is: from the folder of the project, where the project says how.
func (l *location) pathOf() (string, format.Style) {
	whole, style := splice.Path(l.FullPath)
	parts := strings.Split(strings.Trim(whole, "/"), "/")
	if style != format.Absolute || l.Base < 1 || l.Target < 1 || l.Base > 64 || l.Target >= len(parts) {
		return whole, style
	}
	return strings.Repeat("../", l.Base-1) + strings.Join(parts[len(parts)-l.Target:], "/"), format.Relative
}

// References lists the files of items.
func (AfterEffects) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	e, err := openEffects(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []format.Reference
	for _, p := range e.places() {
		out = append(out, p.reference)
	}
	return out, nil
}

// place is a reference and what says it.
type place struct {
	reference format.Reference
	at        *location
}

func (e *effects) places() []place {
	var out []place
	list := e.items()
	for i := range list {
		it := &list[i]
		pin := it.box.first("Pin")
		if pin == nil || len(out) > format.MaxReferences {
			continue
		}
		at := pin.location()
		if at == nil || at.FullPath == "" {
			continue
		}
		r := format.Reference{Raw: at.FullPath, Element: it.ID}
		r.Path, r.Style = at.pathOf()
		r.Kind = kindOf(r.Path)
		if at.Folder {
			r.Kind, r.Sequence = "sequence", true
			r.Path = path.Join(r.Path, e.frames(pin))
		}
		if a, ok := at.attrs["fullpath"]; ok {
			r.Raw = string(e.doc.Text[a.Off : a.Off+a.Len])
			if e.exact {
				r.Off, r.Len = int64(a.Off), int64(a.Len)
			}
		}
		if r.Path != "" && r.Raw != "" {
			out = append(out, place{r, at})
		}
	}
	return out
}

// location returns the file reference of a pin.
func (k *box) location() *location {
	als := k.first("Als2")
	if als == nil {
		return nil
	}
	for _, c := range als.kids {
		if c.file != nil {
			return c.file
		}
	}
	return nil
}

// frames is the name of a sequence's files with # for its number, as the list of them says; * where there is none.
func (e *effects) frames(pin *box) string {
	list := pin.first("StVc")
	if list == nil || list.first("Utf8") == nil {
		return "*"
	}
	name := path.Base(string(bytes.TrimRight(list.first("Utf8").data, "\x00")))
	end := strings.LastIndexAny(name, "0123456789") + 1
	from := end
	for from > 0 && name[from-1] >= '0' && name[from-1] <= '9' {
		from--
	}
	return name[:from] + strings.Repeat("#", end-from) + name[end:]
}

// Rewrite makes an .aepx need other files.
func (AfterEffects) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	e, err := openEffects(ctx, in)
	if err != nil {
		return nil, err
	}
	if e.doc == nil {
		return nil, &format.Refusal{Reason: "an .aep is only listed", Advice: "save it as .aepx, or replace the footage in After Effects"}
	}
	var edits []splice.Edit
	for _, p := range e.places() {
		raw := p.reference.Raw
		next, ok := paths[raw]
		if !ok || next == raw {
			continue
		}
		if !e.exact || !xmlspan.Fits(next) || strings.TrimSpace(next) == "" {
			return nil, &format.Refusal{Reason: fmt.Sprintf("%q cannot stand in the place of %q", next, raw), Advice: "write & < > and quotes as in XML"}
		}
		put := func(name, value string) {
			if a, ok := p.at.attrs[name]; ok {
				edits = append(edits, splice.Edit{Off: int64(a.Off), Len: int64(a.Len), New: splice.Text(value)})
			}
		}
		put("fullpath", next)
		base, target := p.at.moved(e.doc.Unescape([]byte(next)))
		put("ascendcount_base", strconv.Itoa(base))
		put("ascendcount_target", strconv.Itoa(target))
	}
	return splice.Apply(in, 0, in.Size(), edits)
}

// moved returns how far up the folder is that the project and a file at another path have in common; 0, 0 where that is
// not known.
func (l *location) moved(to string) (base, target int) {
	whole, style := splice.Path(l.FullPath)
	next, other := splice.Path(to)
	was, is := strings.Split(strings.Trim(whole, "/"), "/"), strings.Split(strings.Trim(next, "/"), "/")
	if style != format.Absolute || other != format.Absolute || l.Base < 1 || l.Target < 1 || l.Target >= len(was) {
		return 0, 0
	}
	common := len(was) - l.Target // folders of the one in common
	for k := 0; k < common; k++ {
		if k >= len(is)-1 || was[k] != is[k] {
			if k == 0 {
				return 0, 0
			}
			return l.Base + common - k, len(is) - k
		}
	}
	return l.Base, len(is) - common
}
