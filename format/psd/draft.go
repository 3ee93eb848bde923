package psd

import (
	"encoding/binary"
	"math"

	"varve/format"
)

// draft is a document as it is to be written: another stack, other resources, other blocks, and the rest as it is. With
// nothing set it writes the same file.
type draft struct {
	doc      *document
	order    []placed               // the stack from the bottom
	resource map[int]*format.Output // by index: the data in its place; nil: none
	added    *format.Output         // further resources, whole
	block    map[int]*format.Output // by index: the data in its place; nil: none
	fresh    []freshBlock           // further blocks
	merged   *format.Output         // in place of the merged image
}

// freshBlock is a block that the document does not have yet, with the key of one of another.
type freshBlock struct {
	doc  *document
	b    block
	data *format.Output
}

// placed is a record of a document with its pixels.
type placed struct {
	doc    *document
	record int
	id     int64 // that it is to have, where it has one; -1: its own
	was    int   // the record of the draft's document in whose place it is; -1: it is new
}

// same is the draft of a document that nothing is done to.
func same(d *document) *draft {
	w := &draft{doc: d, resource: map[int]*format.Output{}, added: new(format.Output), block: map[int]*format.Output{}}
	for i := range d.layers.list {
		w.order = append(w.order, placed{d, i, -1, i})
	}
	return w
}

func (d *document) copy(o *format.Output, p span) { o.Span(d.file, p.off, p.n) }

// output makes the file.
func (w *draft) output() (*format.Output, error) {
	d, o := w.doc, new(format.Output)
	d.copy(o, span{0, d.resLen.off})
	if err := w.resources(o); err != nil {
		return nil, err
	}
	section, err := w.section()
	if err != nil {
		return nil, err
	}
	if err := putLength(o, section.Size(), d.big); err != nil {
		return nil, err
	}
	o.Append(section)
	if w.merged != nil {
		o.Append(w.merged)
	} else {
		d.copy(o, d.merged)
	}
	return o, nil
}

// putLength writes a length.
func putLength(o *format.Output, n int64, wide bool) error {
	if wide {
		_, _ = o.Write(binary.BigEndian.AppendUint64(nil, uint64(n)))
		return nil
	}
	if n > math.MaxUint32 {
		return &format.Refusal{Reason: "the document would be larger than a PSD can be", Advice: "save it as PSB, and the older version too"}
	}
	_, _ = o.Write(binary.BigEndian.AppendUint32(nil, uint32(n)))
	return nil
}

func (w *draft) resources(o *format.Output) error {
	d, all := w.doc, new(format.Output)
	at := d.resLen.off + 4
	for i, r := range d.resources {
		data, ok := w.resource[i]
		if !ok {
			continue
		}
		d.copy(all, span{at, r.all.off - at})
		at = r.all.end()
		if data == nil {
			continue
		}
		d.copy(all, span{r.all.off, r.data.off - 4 - r.all.off})
		if err := putLength(all, data.Size(), false); err != nil {
			return err
		}
		all.Append(data)
		pad(all, data.Size(), 2)
	}
	d.copy(all, span{at, d.resLen.end() - at})
	all.Append(w.added)
	if err := putLength(o, all.Size(), false); err != nil {
		return err
	}
	o.Append(all)
	return nil
}

// pad writes zeros after n bytes, up to a multiple.
func pad(o *format.Output, n, multiple int64) {
	if r := n % multiple; r != 0 {
		_, _ = o.Write(make([]byte, multiple-r))
	}
}

// section makes layer and mask information.
func (w *draft) section() (*format.Output, error) {
	d, o := w.doc, new(format.Output)
	stack, err := w.stack()
	if err != nil {
		return nil, err
	}
	if d.inBlock < 0 && d.layers.all.n > 0 {
		if err := putLength(o, stack.Size(), d.big); err != nil {
			return nil, err
		}
		o.Append(stack)
	} else {
		d.copy(o, d.infoHead)
	}
	d.copy(o, d.global)
	for i, b := range d.blocks {
		data, ok := w.block[i]
		if i == d.inBlock {
			data, ok = stack, true
		}
		switch {
		case !ok:
			d.copy(o, b.all)
		case data != nil:
			if err := putBlock(o, d, b, data); err != nil {
				return nil, err
			}
		}
	}
	for _, f := range w.fresh {
		f.b.data.n = -1 // its padding is not copied
		f.b.wide = d.big && (f.b.wide || big64(f.b.key))
		if err := putBlock(o, f.doc, f.b, f.data); err != nil {
			return nil, err
		}
	}
	d.copy(o, d.rest)
	return o, nil
}

// putBlock writes a block of a document with other data.
func putBlock(o *format.Output, d *document, b block, data *format.Output) error {
	d.copy(o, span{b.all.off, 8})
	if err := putLength(o, data.Size(), b.wide); err != nil {
		return err
	}
	o.Append(data)
	if data.Size() == b.data.n {
		d.copy(o, span{b.data.end(), b.all.end() - b.data.end()})
	} else {
		pad(o, data.Size(), 4)
	}
	return nil
}

const maxLayers = math.MaxInt16

// stack makes layer information, without its length.
func (w *draft) stack() (*format.Output, error) {
	d, o := w.doc, new(format.Output)
	if d.layers.all.n == 0 {
		return o, nil
	}
	n := len(w.order)
	if n > maxLayers {
		return nil, &format.Refusal{Reason: "the document would have more layers than it can have"}
	}
	if n == len(d.layers.list) {
		d.copy(o, d.layers.count)
	} else if d.layers.negated {
		_, _ = o.Write(binary.BigEndian.AppendUint16(nil, uint16(-n)))
	} else {
		_, _ = o.Write(binary.BigEndian.AppendUint16(nil, uint16(n)))
	}
	var recoded []*format.Output // pixels of records whose document has lengths of other sizes
	for _, p := range w.order {
		l := &p.doc.layers.list[p.record]
		if p.doc.big != d.big {
			record, pixels, err := p.doc.resized(l, p.id, d.big)
			if err != nil {
				return nil, err
			}
			o.Append(record)
			recoded = append(recoded, pixels)
			continue
		}
		if p.id >= 0 && l.idAt > 0 {
			p.doc.copy(o, span{l.record.off, l.idAt - l.record.off})
			_, _ = o.Write(binary.BigEndian.AppendUint32(nil, uint32(p.id)))
			p.doc.copy(o, span{l.idAt + 4, l.record.end() - l.idAt - 4})
		} else {
			p.doc.copy(o, l.record)
		}
	}
	for _, p := range w.order {
		if p.doc.big != d.big {
			o.Append(recoded[0])
			recoded = recoded[1:]
			continue
		}
		p.doc.copy(o, p.doc.layers.list[p.record].pixels)
	}
	if o.Size() == d.layers.all.n-d.layers.padding.n {
		d.copy(o, d.layers.padding)
	} else {
		pad(o, o.Size(), 4)
	}
	return o, nil
}
