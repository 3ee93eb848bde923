package exr

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"varve/format"
	"varve/format/raster"
)

// Extract makes a file of a part, with its chunks as they are, or of a layer or channel, not compressed, with the other
// attributes of its part.
func (Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	for _, p := range f.parts {
		if p.id() == id {
			out, err := f.alone(p)
			return &format.Extract{Extension: ".exr", Content: out}, err
		}
		names := map[int]string{}
		for i, c := range p.channels {
			dot := strings.LastIndexByte(c.name, '.')
			if p.channelID(c.name) == id || dot > 0 && p.layerID(c.name[:dot]) == id {
				names[i] = c.name[dot+1:]
			}
		}
		if len(names) > 0 {
			out, err := f.some(ctx, p, names)
			return &format.Extract{Extension: ".exr", Content: out}, err
		}
	}
	return nil, fmt.Errorf("%q: %w", id, format.ErrNoElement)
}

// flags of a file that has one part.
func (f *file) single(p *part) []byte {
	v := uint32(2) | f.flags&0x400
	if p.tiled && !p.deep {
		v |= 0x200
	}
	if p.deep {
		v |= 0x800
	}
	return binary.LittleEndian.AppendUint32([]byte(magic), v)
}

// alone returns a part as a file.
func (f *file) alone(p *part) (*format.Output, error) {
	if len(f.parts) == 1 {
		out := new(format.Output)
		out.Span(f.in, 0, f.in.Size())
		return out, nil
	}
	offsets, err := f.offsets(p)
	if err != nil {
		return nil, err
	}
	out, body := new(format.Output), new(format.Output)
	_, _ = out.Write(f.single(p))
	out.Span(f.in, p.at, p.end-p.at)
	at := out.Size() + 8*int64(p.chunks)
	var table []byte
	for i, o := range offsets {
		c, err := f.chunk(p, i, o)
		if err != nil {
			return nil, err
		}
		table = binary.LittleEndian.AppendUint64(table, uint64(at+body.Size()))
		body.Span(f.in, o+4, c.at+c.size-o-4)
	}
	_, _ = out.Write(table)
	out.Append(body)
	return out, nil
}

// attribute appends one.
func attribute(b []byte, name, kind string, value []byte) []byte {
	b = append(append(append(append(b, name...), 0), kind...), 0)
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(value))), value...)
}

// listOf appends an entry of a channel list.
func listOf(b []byte, name string, c *channel) []byte {
	b = append(append(b, name...), 0)
	b = binary.LittleEndian.AppendUint32(b, uint32(c.kind))
	b = append(b, 0, 0, 0, 0)
	if c.linear {
		b[len(b)-4] = 1
	}
	b = binary.LittleEndian.AppendUint32(b, uint32(c.xs))
	return binary.LittleEndian.AppendUint32(b, uint32(c.ys))
}

// some returns channels of a part, under other names, as a file of scanlines. Names keep their order, for all begin with the
// same layer.
func (f *file) some(ctx context.Context, p *part, names map[int]string) (*format.Output, error) {
	head := binary.LittleEndian.AppendUint32([]byte(magic), 2|f.flags&0x400)
	var list []byte
	line := int64(0)
	for i := range p.channels {
		if name, ok := names[i]; ok {
			list = listOf(list, name, &p.channels[i])
			line += int64(count(p.data.x0, int(p.data.width()), p.channels[i].xs) * p.channels[i].size())
		}
	}
	if line*p.data.height() > maxPicture {
		return nil, fmt.Errorf("%d bytes of samples: %w", line*p.data.height(), format.ErrLimit)
	}
	for _, a := range p.attrs {
		switch a.name {
		case "channels":
			head = attribute(head, a.name, a.kind, append(list, 0))
		case "compression", "lineOrder":
			head = attribute(head, a.name, a.kind, []byte{0})
		case "tiles", "type", "chunkCount", "name", "preview", "multiView":
		default:
			b, err := format.ReadSpan(f.in, a.at, a.off+a.n-a.at, maxValue+1024)
			if err != nil {
				return nil, err
			}
			head = append(head, b...)
		}
	}
	head = append(head, 0)
	var table, body []byte
	at := int64(len(head)) + 8*p.data.height()
	_, err := f.scan(ctx, p, p.full(), false, func(y int, lines [][]byte) error {
		table = binary.LittleEndian.AppendUint64(table, uint64(at+int64(len(body))))
		body = binary.LittleEndian.AppendUint32(body, uint32(y))
		start := len(body)
		body = append(body, 0, 0, 0, 0)
		for i, line := range lines {
			if _, ok := names[i]; ok {
				body = append(body, line...)
			}
		}
		binary.LittleEndian.PutUint32(body[start:], uint32(len(body)-start-4))
		return nil
	})
	out := new(format.Output)
	_, _ = out.Write(head)
	_, _ = out.Write(table)
	_, _ = out.Write(body)
	return out, err
}

// Encode returns a picture of floats as a file: scanlines of floats, not compressed. A picture whose samples are not linear
// is written as it is; straight alpha is multiplied in, as the format has it.
func Encode(img *raster.Image) (*format.Output, error) {
	names := map[raster.Model][]string{raster.Gray: {"Y"}, raster.RGB: {"R", "G", "B"}}[img.Model]
	if img.Depth != raster.F32 || names == nil {
		return nil, format.Unsupported("a picture of model %d and depth %d as EXR", img.Model, img.Depth)
	}
	order := make([]int, 0, 4) // by name: A, B, G, R
	n := img.Channels()
	if img.Alpha {
		order = append(order, n-1)
		names = append(names, "A")
	}
	for k := len(names) - 1 - len(order); k >= 0; k-- {
		order = append(order, k)
	}
	var list []byte
	for _, k := range order {
		list = listOf(list, names[k], &channel{kind: floatType, xs: 1, ys: 1})
	}
	window := binary.LittleEndian.AppendUint32(make([]byte, 8), uint32(img.Width-1))
	window = binary.LittleEndian.AppendUint32(window, uint32(img.Height-1))
	one := binary.LittleEndian.AppendUint32(nil, math.Float32bits(1))
	head := binary.LittleEndian.AppendUint32([]byte(magic), 2)
	head = attribute(head, "channels", "chlist", append(list, 0))
	head = attribute(head, "compression", "compression", []byte{0})
	head = attribute(head, "dataWindow", "box2i", window)
	head = attribute(head, "displayWindow", "box2i", window)
	head = attribute(head, "lineOrder", "lineOrder", []byte{0})
	head = attribute(head, "pixelAspectRatio", "float", one)
	head = attribute(head, "screenWindowCenter", "v2f", make([]byte, 8))
	head = append(attribute(head, "screenWindowWidth", "float", one), 0)
	size := 8 + 4*n*img.Width
	at := len(head) + 8*img.Height
	for y := range img.Height {
		head = binary.LittleEndian.AppendUint64(head, uint64(at+y*size))
	}
	body := make([]byte, 0, size*img.Height)
	for y := range img.Height {
		body = binary.LittleEndian.AppendUint32(body, uint32(y))
		body = binary.LittleEndian.AppendUint32(body, uint32(size-8))
		row := img.F32[y*img.Width*n : (y+1)*img.Width*n]
		for _, k := range order {
			for x := 0; x < len(row); x += n {
				v := row[x+k]
				if img.Alpha && !img.Premultiplied && k < n-1 {
					v *= row[x+n-1]
				}
				body = binary.LittleEndian.AppendUint32(body, math.Float32bits(v))
			}
		}
	}
	out := new(format.Output)
	_, _ = out.Write(head)
	_, _ = out.Write(body)
	return out, nil
}
