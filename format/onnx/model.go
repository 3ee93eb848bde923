package onnx

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"strconv"

	"varve/format"
	"varve/format/tensor"
	"varve/format/window"
)

const (
	maxName  = 64 << 10
	maxSides = 64
	maxDepth = 32       // of graphs in nodes
	maxTyped = 64 << 20 // bytes of numbers as varints of one tensor
)

// model is what is known of a file.
type model struct {
	tensors  []tensor.Tensor
	outside  []outside
	metadata map[string]string
	data     [][2]int64 // where elements of tensors are: off and length
	in       format.Input
	r        *wire
	names    int
}

// outside is a tensor of another file.
type outside struct {
	tensor   tensor.Tensor
	location string
	off      int64 // where the location stands in this file
	from     int64
}

func once(ctx context.Context, in format.Input) (*model, error) {
	return format.Once(in, "onnx", func() (*model, error) { return read(ctx, in) })
}

func read(ctx context.Context, in format.Input) (*model, error) {
	m := &model{metadata: map[string]string{}, in: in, r: &wire{ctx: ctx, w: window.New(in)}}
	graphs := 0
	err := m.r.each(0, in.Size(), func(f *field) (err error) {
		switch f.number {
		case 1:
			m.metadata["ir_version"] = strconv.FormatUint(f.value, 10)
		case 2, 3:
			m.metadata[[]string{"producer", "producer_version"}[f.number-2]], err = m.r.text(f, maxName)
		case 7:
			graphs++
			err = m.graphAt(f, "", 0)
		case 8:
			err = m.operators(f)
		case 14:
			var k, v string
			if k, v, _, err = m.entry(f); err == nil && len(m.metadata) < 1<<12 {
				m.metadata["metadata."+k] = v
			}
		}
		return err
	})
	if err == nil && graphs == 0 {
		err = format.Malformed("a model without a graph")
	}
	return m, err
}

// operators notes a version of operators.
func (m *model) operators(f *field) error {
	domain, version := "", uint64(0)
	err := m.sub(f, func(f *field) (err error) {
		switch f.number {
		case 1:
			domain, err = m.r.text(f, maxName)
		case 2:
			version = f.value
		}
		return err
	})
	if domain == "" {
		domain = "ai.onnx"
	}
	if len(m.metadata) < 1<<12 {
		m.metadata["opset."+domain] = strconv.FormatUint(version, 10)
	}
	return err
}

// sub calls do with the fields of the message that a field is.
func (m *model) sub(f *field, do func(*field) error) error {
	if f.kind != 2 {
		return format.Malformed("field %d at %d is no message", f.number, f.off)
	}
	return m.r.each(f.off, f.len, do)
}

// entry reads a key and its value, and where that stands.
func (m *model) entry(f *field) (key, value string, at int64, err error) {
	err = m.sub(f, func(f *field) (err error) {
		switch f.number {
		case 1:
			key, err = m.r.text(f, maxName)
		case 2:
			value, err = m.r.text(f, maxName)
			at = f.off
		}
		return err
	})
	return key, value, at, err
}

// graphAt reads a graph: its initializers, and the nodes for their constants.
func (m *model) graphAt(f *field, within string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("graphs in more than %d others: %w", maxDepth, format.ErrLimit)
	}
	return m.sub(f, func(f *field) error {
		switch f.number {
		case 1:
			return m.node(f, within, depth)
		case 5:
			return m.tensor(f, within, "")
		}
		return nil
	})
}

// node looks for tensors and graphs in the attributes of a node.
func (m *model) node(f *field, within string, depth int) error {
	name, output := "", ""
	var attributes []field
	err := m.sub(f, func(f *field) (err error) {
		switch f.number {
		case 2:
			if output == "" {
				output, err = m.r.text(f, maxName)
			}
		case 3:
			name, err = m.r.text(f, maxName)
		case 5:
			attributes = append(attributes, *f)
		}
		return err
	})
	if err != nil {
		return err
	}
	if output != "" {
		name = output
	}
	for i := range attributes {
		called := ""
		err := m.sub(&attributes[i], func(f *field) (err error) {
			switch f.number {
			case 1:
				called, err = m.r.text(f, maxName)
			case 5:
				err = m.tensor(f, within, name+"."+called)
			case 6:
				err = m.graphAt(f, within+name+"/", depth+1)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// parts are the fields of a tensor.
type parts struct {
	kind     uint64
	shape    []int64
	name     string
	numbers  []field // each where elements are
	external bool
	entries  map[string]string
	at       int64 // where the location stands
}

// tensor reads one; called is its name where it has none.
func (m *model) tensor(f *field, within, called string) error {
	var p parts
	if err := m.sub(f, func(f *field) error { return m.part(&p, f) }); err != nil {
		return err
	}
	t := tensor.Tensor{Name: within + p.name, Shape: p.shape, Type: typeOf(p.kind)}
	if p.name == "" {
		t.Name = within + called
	}
	if m.names += len(t.Name); m.names > format.MaxNames || len(m.tensors)+len(m.outside) >= format.MaxElements {
		return fmt.Errorf("too many tensors: %w", format.ErrLimit)
	}
	if t.Type == tensor.Unknown {
		t.Called = "type " + strconv.FormatUint(p.kind, 10)
	}
	if p.external {
		return m.elsewhere(&p, t)
	}
	return m.place(&p, t)
}

// part notes a field of a tensor.
func (m *model) part(p *parts, f *field) (err error) {
	switch f.number {
	case 1:
		return m.sides(p, f)
	case 2:
		p.kind = f.value
	case 4, 5, 7, 9, 10, 11:
		p.numbers = append(p.numbers, *f)
		m.data = append(m.data, [2]int64{f.off, f.len})
		if len(m.data) > format.MaxElements {
			return fmt.Errorf("more than %d pieces of tensors: %w", format.MaxElements, format.ErrLimit)
		}
	case 8:
		p.name, err = m.r.text(f, maxName)
	case 13:
		var k, v string
		var at int64
		if k, v, at, err = m.entry(f); err != nil {
			return err
		}
		if p.entries == nil {
			p.entries = map[string]string{}
		}
		if k == "location" {
			p.at = at
		}
		p.entries[k] = v
	case 14:
		p.external = f.value == 1
	}
	return err
}

// sides reads those of a shape, one or all of them.
func (m *model) sides(p *parts, f *field) error {
	add := func(x uint64) error {
		if x > math.MaxInt64 || len(p.shape) == maxSides {
			return format.Malformed("a shape at %d", f.off)
		}
		p.shape = append(p.shape, int64(x))
		return nil
	}
	if f.kind == 0 {
		return add(f.value)
	}
	for off, end := f.off, f.off+f.len; off < end; {
		x, next, err := m.r.varint(off, end)
		if err != nil {
			return err
		}
		if err := add(x); err != nil {
			return err
		}
		off = next
	}
	return nil
}

// elsewhere adds a tensor of another file.
func (m *model) elsewhere(p *parts, t tensor.Tensor) error {
	x := outside{tensor: t, location: p.entries["location"], off: p.at}
	size, ok := t.Type.Bytes(t.Shape, 1<<50)
	if t.Type == tensor.Unknown {
		size, ok = 0, p.entries["length"] != ""
	}
	for key, to := range map[string]*int64{"offset": &x.from, "length": &size} {
		if v := p.entries[key]; v != "" {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil || n < 0 {
				return format.Malformed("tensor %.80q: %s is %.40q", t.Name, key, v)
			}
			*to = n
		}
	}
	want, _ := t.Type.Bytes(t.Shape, 1<<50)
	if !ok || t.Type != tensor.Unknown && size != want {
		return format.Malformed("tensor %.80q of %d: %d bytes in %.80q", t.Name, t.Shape, size, x.location)
	}
	if x.tensor.Size = size; t.Type == tensor.Unknown {
		x.tensor.Shape = []int64{size}
	}
	m.outside = append(m.outside, x)
	return nil
}

// place adds a tensor of this file.
func (m *model) place(p *parts, t tensor.Tensor) error {
	count, ok := tensor.Count(t.Shape, 1<<50)
	if !ok {
		return format.Malformed("tensor %.80q of %d", t.Name, t.Shape)
	}
	if len(p.numbers) == 0 && (count == 0 || t.Type == tensor.Unknown) { // also texts
		if t.Type == tensor.Unknown {
			t.Shape = []int64{0}
		}
		m.tensors = append(m.tensors, t)
		return nil
	}
	if len(p.numbers) != 1 || p.numbers[0].kind != 2 {
		return m.scattered(p, t, count)
	}
	f := p.numbers[0]
	plain := f.number == 9 || f.number == 4 && (t.Type == tensor.F32 || t.Type == tensor.C64) || f.number == 10 && (t.Type == tensor.F64 || t.Type == tensor.C128)
	if t.Type == tensor.Unknown {
		t.Shape, t.Off, t.Len, t.Size = []int64{f.len}, f.off, f.len, f.len
		m.tensors = append(m.tensors, t)
		return nil
	}
	size, ok := t.Type.Bytes(t.Shape, 1<<50)
	if plain {
		if !ok || size != f.len {
			return format.Malformed("tensor %.80q of %d, type %s: %d bytes", t.Name, t.Shape, t.Type, f.len)
		}
		t.Off, t.Len, t.Size = f.off, f.len, f.len
		m.tensors = append(m.tensors, t)
		return nil
	}
	return m.varints(t, f, count, size)
}

// scattered adds a tensor whose numbers are fields one by one, which writers have long ceased to do: as bytes.
func (m *model) scattered(p *parts, t tensor.Tensor, count int64) error {
	if len(p.numbers) == 0 {
		return format.Malformed("tensor %.80q of %d has no elements", t.Name, t.Shape)
	}
	first, last := p.numbers[0], p.numbers[len(p.numbers)-1]
	t.Called, t.Type = t.Type.String()+", one by one", tensor.Unknown
	t.Off, t.Len = first.off, last.off+last.len-first.off
	t.Size, t.Shape = t.Len, []int64{t.Len}
	m.tensors = append(m.tensors, t)
	return nil
}

// varints adds a tensor whose numbers are varints: each at least a byte.
func (m *model) varints(t tensor.Tensor, f field, count, size int64) error {
	if count > f.len || f.len > maxTyped {
		return format.Malformed("tensor %.80q of %d, type %s: %d bytes", t.Name, t.Shape, t.Type, f.len)
	}
	in := m.in
	t.Size = size
	t.Open = func() (io.Reader, error) {
		b, err := format.ReadSpan(in, f.off, f.len, maxTyped)
		if err != nil {
			return nil, err
		}
		out := make([]byte, 0, size)
		for range count {
			x, n := varint(b)
			if n == 0 {
				return nil, format.Malformed("tensor %.80q: fewer numbers than its sides ask for", t.Name)
			}
			b = b[n:]
			switch _, bytes := t.Type.Block(); bytes {
			case 1:
				out = append(out, byte(x))
			case 2:
				out = binary.LittleEndian.AppendUint16(out, uint16(x))
			case 4:
				out = binary.LittleEndian.AppendUint32(out, uint32(x))
			default:
				out = binary.LittleEndian.AppendUint64(out, x)
			}
		}
		return bytes.NewReader(out), nil
	}
	m.tensors = append(m.tensors, t)
	return nil
}

// typeOf is the type of a number of TensorProto.
func typeOf(kind uint64) tensor.Type {
	of := [...]tensor.Type{1: tensor.F32, 2: tensor.U8, 3: tensor.I8, 4: tensor.U16, 5: tensor.I16, 6: tensor.I32, 7: tensor.I64, 9: tensor.Bool, 10: tensor.F16,
		11: tensor.F64, 12: tensor.U32, 13: tensor.U64, 14: tensor.C64, 15: tensor.C128, 16: tensor.BF16, 17: tensor.F8E4M3, 19: tensor.F8E5M2}
	if kind < uint64(len(of)) {
		return of[kind]
	}
	return tensor.Unknown
}
