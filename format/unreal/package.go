package unreal

import (
	"context"
	"encoding/binary"
	"fmt"
	"unicode/utf16"

	"varve/format"
)

const (
	maxHeader  = 256 << 20 // bytes before the exports' data
	maxCustoms = 1 << 12   // versions
	maxString  = 1 << 16   // bytes
	editorless = 1 << 31   // of flags: what only the editor needs was left out
)

// pack is a package's summary, and its tables once they are loaded.
type pack struct {
	in         format.Input
	b          []byte // the header
	ue4, ue5   int32
	name       string // of the package, where it says so
	flags      uint32
	thumbs     int32
	count      struct{ names, imports, soft int32 }
	at         struct{ names, imports, soft int32 }
	names      []string
	imports    []imported
	inside     map[int32]string // class of the first import that is in one
	soft       []string
	headerSize int32
}

type imported struct {
	class, name string
	outer       int32
	optional    bool
}

// walker reads in a header; the first error stays.
type walker struct {
	b   []byte
	at  int
	err error
}

func (w *walker) take(n int) []byte {
	if w.err == nil && (n < 0 || n > len(w.b)-w.at) {
		w.err = format.Malformed("its header ends at %d, in a table", len(w.b))
	}
	if w.err != nil {
		return make([]byte, min(max(n, 0), 32))
	}
	w.at += n
	return w.b[w.at-n : w.at]
}

func (w *walker) i32() int32 { return int32(binary.LittleEndian.Uint32(w.take(4))) }

func (w *walker) text() string {
	n := w.i32()
	if w.err != nil || n == 0 {
		return ""
	}
	if n > maxString || n < -maxString {
		w.err = format.Malformed("a string of %d letters at %d", n, w.at)
		return ""
	}
	if n > 0 {
		b := w.take(int(n))
		return string(b[:len(b)-1])
	}
	b := w.take(int(-n) * 2)
	u := make([]uint16, len(b)/2)
	for i := range u {
		u[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	if len(u) > 0 {
		u = u[:len(u)-1]
	}
	return string(utf16.Decode(u))
}

// jump goes to a table of n records of at least size bytes.
func (w *walker) jump(at, n int32, size int) {
	if w.err == nil && (at < 0 || int(at) > len(w.b) || n < 0 || int64(n)*int64(size) > int64(len(w.b)-int(at))) {
		w.err = format.Malformed("a table of %d at %d of a header of %d bytes", n, at, len(w.b))
	}
	if w.err == nil {
		w.at = int(at)
	}
}

// open reads the summary.
func open(in format.Input) (*pack, error) {
	p := &pack{in: in}
	head, err := format.ReadSpan(in, 0, min(in.Size(), 64<<10), 64<<10)
	if err != nil {
		return nil, err
	}
	w := &walker{b: head}
	if uint32(w.i32()) != tag {
		return nil, format.Malformed("it does not begin as a package does")
	}
	layout := w.i32()
	if w.err == nil && (layout > -4 || layout < -9) {
		return nil, format.Unsupported("layout %d of packages", layout)
	}
	if layout != -4 {
		w.i32()
	}
	p.ue4 = w.i32()
	if layout <= -8 {
		p.ue5 = w.i32()
	}
	w.i32()
	if w.err == nil && p.ue4 == 0 && p.ue5 == 0 {
		return nil, format.Unsupported("it was cooked without versions")
	}
	if w.err == nil && (p.ue4 < 384 || p.ue4 > 2000 || p.ue5 > 1100) {
		return nil, format.Unsupported("version %d, %d of packages", p.ue4, p.ue5)
	}
	p.summary(w, layout)
	if w.err != nil {
		return nil, w.err
	}
	if p.headerSize <= 0 || int64(p.headerSize) > in.Size() {
		return nil, format.Malformed("a header of %d bytes in a file of %d", p.headerSize, in.Size())
	}
	return p, nil
}

// summary reads on from the versions.
func (p *pack) summary(w *walker, layout int32) {
	if p.ue5 >= 1016 {
		w.take(20)
		p.headerSize = w.i32()
	}
	n := w.i32()
	if w.err == nil && (n < 0 || n > maxCustoms) {
		w.err = format.Malformed("%d custom versions", n)
	}
	for range max(n, 0) {
		if w.err != nil {
			return
		}
		w.take(20)
		if layout >= -5 {
			w.text()
		}
	}
	if p.ue5 < 1016 {
		p.headerSize = w.i32()
	}
	p.name = w.text()
	p.flags = uint32(w.i32())
	p.count.names, p.at.names = w.i32(), w.i32()
	if p.ue5 >= 1008 {
		w.take(8)
	}
	if p.ue4 >= 516 && p.flags&editorless == 0 {
		w.text()
	}
	if p.ue4 >= 459 {
		w.take(8)
	}
	w.take(8)
	p.count.imports, p.at.imports = w.i32(), w.i32()
	if p.ue5 >= 1015 {
		w.take(16)
	}
	if p.ue5 >= 1014 {
		w.take(4)
	}
	w.take(4)
	p.count.soft, p.at.soft = w.i32(), w.i32()
	if p.ue4 >= 510 {
		w.take(4)
	}
	p.thumbs = w.i32()
}

// load reads the tables.
func (p *pack) load(ctx context.Context) (err error) {
	if p.b, err = format.ReadSpan(p.in, 0, int64(p.headerSize), maxHeader); err != nil {
		return err
	}
	w := &walker{b: p.b}
	w.jump(p.at.names, p.count.names, 4)
	for n := range max(p.count.names, 0) {
		if w.err != nil {
			return w.err
		}
		if n&0xfff == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		p.names = append(p.names, w.text())
		if p.ue4 >= 504 {
			w.take(4)
		}
	}
	p.inside = map[int32]string{}
	w.jump(p.at.imports, p.count.imports, 28)
	for range max(p.count.imports, 0) {
		if w.err != nil {
			return w.err
		}
		m := p.imported(w)
		p.imports = append(p.imports, m)
		if m.outer < 0 && p.inside[m.outer] == "" {
			p.inside[m.outer] = m.class
		}
	}
	if p.count.soft > 0 {
		w.jump(p.at.soft, p.count.soft, 4)
	}
	for range max(p.count.soft, 0) {
		if w.err != nil {
			return w.err
		}
		if p.ue4 < 514 {
			p.soft = append(p.soft, w.text())
		} else {
			p.soft = append(p.soft, p.named(w))
		}
	}
	return w.err
}

func (p *pack) imported(w *walker) (m imported) {
	p.named(w)
	m.class = p.named(w)
	m.outer = w.i32()
	m.name = p.named(w)
	if p.ue4 >= 520 && p.flags&editorless == 0 {
		p.named(w)
	}
	if p.ue5 >= 1003 {
		m.optional = w.i32() != 0
	}
	return m
}

// named reads a name.
func (p *pack) named(w *walker) string {
	i, number := w.i32(), w.i32()
	if w.err != nil {
		return ""
	}
	if i < 0 || int(i) >= len(p.names) {
		w.err = format.Malformed("name %d of %d at %d", i, len(p.names), w.at-8)
		return ""
	}
	if number > 0 {
		return fmt.Sprintf("%s_%d", p.names[i], number-1)
	}
	return p.names[i]
}
