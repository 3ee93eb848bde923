package psd

import (
	"encoding/binary"
	"math"

	"varve/format"
)

// resized is the record and the pixels of a layer with lengths as a PSB has them, or as a PSD has them: of channels, of
// some blocks, and of rows in PackBits. id is the number that it is to have; -1: its own.
func (d *document) resized(l *layer, id int64, big bool) (record, pixels *format.Output, err error) {
	record, pixels = new(format.Output), new(format.Output)
	at := l.record.off
	d.copy(record, span{at, 18}) // box, number of channels
	at += 18
	for i := range l.channel {
		c := &l.channel[i]
		before := pixels.Size()
		if err := d.resizedChannel(pixels, l, c, big); err != nil {
			return nil, nil, err
		}
		d.copy(record, span{at, 2})
		if err := putLength(record, pixels.Size()-before, big); err != nil {
			return nil, nil, err
		}
		at += 2 + int64(lengthSize(d.big))
	}
	extra := new(format.Output)
	d.copy(record, span{at, 12}) // 8BIM, mode, opacity, clipping, flags
	at += 16
	for _, b := range l.blocks {
		d.copy(extra, span{at, b.all.off + 8 - at})
		if err := putLength(extra, b.data.n, big && (b.wide || big64(b.key))); err != nil {
			return nil, nil, err
		}
		at = b.data.off
		if b.key == "lyid" && id >= 0 && at == l.idAt {
			_, _ = extra.Write(binary.BigEndian.AppendUint32(nil, uint32(id)))
			at += 4
		}
	}
	d.copy(extra, span{at, l.record.end() - at})
	if err := putLength(record, extra.Size(), false); err != nil {
		return nil, nil, err
	}
	record.Append(extra)
	return record, pixels, nil
}

// resizedChannel writes a channel.
func (d *document) resizedChannel(o *format.Output, l *layer, c *channel, big bool) error {
	b, err := d.channelBox(l, c.id)
	if err != nil {
		return err
	}
	head, err := d.load(span{c.data.off, min(2, c.data.n)}, 2)
	if err != nil {
		return err
	}
	if len(head) < 2 || binary.BigEndian.Uint16(head) != packRLE || b.width() == 0 || b.height() == 0 {
		d.copy(o, c.data)
		return nil
	}
	old := int64(2 + 2*b2i(d.big))
	counts, err := d.load(span{c.data.off + 2, old * int64(b.height())}, maxSide*4)
	if err != nil {
		return err
	}
	if int64(len(counts)) > c.data.n-2 {
		return format.Malformed("counts of %d rows in %d bytes", b.height(), c.data.n)
	}
	d.copy(o, span{c.data.off, 2})
	var out []byte
	for i := 0; i < len(counts); i += int(old) {
		if !d.big {
			out = binary.BigEndian.AppendUint32(out, uint32(binary.BigEndian.Uint16(counts[i:])))
			continue
		}
		n := binary.BigEndian.Uint32(counts[i:])
		if n > math.MaxUint16 {
			return &format.Refusal{Reason: "a layer is wider than a PSD can have it", Advice: "save the newer version as PSB"}
		}
		out = binary.BigEndian.AppendUint16(out, uint16(n))
	}
	_, _ = o.Write(out)
	at := c.data.off + 2 + int64(len(counts))
	d.copy(o, span{at, c.data.end() - at})
	return nil
}
