package torch

import (
	"context"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/tensor"
)

const (
	maxDepth = 256
	maxFacts = 1 << 12 // of metadata
)

// finder looks for tensors in what a pickle makes.
type finder struct {
	ctx   context.Context
	from  storages
	big   bool
	list  tensor.List
	seen  map[*value]bool // containers: what is in two places is listed in the first
	names int
}

func newFinder(ctx context.Context, from storages) *finder {
	return &finder{ctx: ctx, from: from, list: tensor.List{Metadata: map[string]string{}}, seen: map[*value]bool{}}
}

// all lists the tensors in a value.
func (f *finder) all(root *value) (*tensor.List, error) {
	if err := f.walk(root, "", 0); err != nil {
		return nil, err
	}
	return &f.list, nil
}

func under(at, name string) string {
	if at == "" || name == "" {
		return at + name
	}
	return at + "." + name
}

func (f *finder) walk(v *value, at string, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("values in more than %d others: %w", maxDepth, format.ErrLimit)
	}
	if f.names += len(at); f.names > format.MaxNames {
		return fmt.Errorf("names of more than %d bytes: %w", format.MaxNames, format.ErrLimit)
	}
	if v == nil {
		return nil
	}
	switch v.kind {
	case truth, integer, text, other:
		f.fact(v, at)
	case list, dict:
		if f.seen[v] {
			return nil
		}
		f.seen[v] = true
		if v.kind == dict {
			return f.pairs(v.items, at, depth)
		}
		for i, item := range v.items {
			if err := f.walk(item, under(at, strconv.Itoa(i)), depth+1); err != nil {
				return err
			}
		}
	case object:
		return f.object(v, at, depth)
	}
	return f.ctx.Err()
}

// fact notes a value that is no tensor.
func (f *finder) fact(v *value, at string) {
	if at == "" || len(f.list.Metadata) >= maxFacts {
		return
	}
	switch v.kind {
	case truth:
		f.list.Metadata[at] = strconv.FormatBool(v.i != 0)
	case integer:
		f.list.Metadata[at] = strconv.FormatInt(v.i, 10)
	default:
		if v.s != "" && len(v.s) <= 200 {
			f.list.Metadata[at] = strings.ToValidUTF8(v.s, "�")
		}
	}
}

// pairs walks keys and values in turn.
func (f *finder) pairs(items []*value, at string, depth int) error {
	for i := 0; i+1 < len(items); i += 2 {
		name := "?"
		switch k := items[i]; k.kind {
		case text:
			name = k.s
		case integer:
			name = strconv.FormatInt(k.i, 10)
		}
		switch name {
		case "_modules", "_parameters", "_buffers": // of a whole module: their names are those of its state
			name = ""
		}
		if err := f.walk(items[i+1], under(at, name), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// object walks what would be made by a call.
func (f *finder) object(v *value, at string, depth int) error {
	call, args := v.items[0], v.items[1].items
	first := func(n int) *value {
		if n < len(args) {
			return args[n]
		}
		return nil
	}
	switch call.s {
	case "torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3", "torch._utils._rebuild_qtensor":
		return f.tensor(call.s, args, at)
	case "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state":
		return f.walk(first(0), at, depth+1)
	case "torch._tensor._rebuild_from_type_v2", "torch._tensor._rebuild_from_type":
		if of, with := first(0), first(2); of != nil && with != nil && with.kind == list {
			return f.walk(&value{kind: object, items: []*value{of, with}}, at, depth+1)
		}
		return nil
	case "torch._utils._rebuild_sparse_tensor", "torch._utils._rebuild_nested_tensor", "torch.storage._load_from_bytes":
		f.list.Notes = append(f.list.Notes, fmt.Sprintf("%.80q: what %s makes is not read", at, call.s))
		return nil
	}
	if f.seen[v] {
		return nil
	}
	f.seen[v] = true
	if call.s == "collections.OrderedDict" && len(args) == 1 && args[0].kind == list { // a list of pairs
		for _, p := range args[0].items {
			if p.kind == list && len(p.items) == 2 {
				if err := f.pairs(p.items, at, depth); err != nil {
					return err
				}
			}
		}
	} else if err := f.walk(v.items[1], at, depth+1); err != nil {
		return err
	}
	if err := f.pairs(v.items[2:], at, depth); err != nil {
		return err
	}
	return f.walk(v.state, at, depth+1)
}

// tensor adds one: arguments are storage, offset, size, stride, ….
func (f *finder) tensor(call string, args []*value, at string) error {
	if len(args) < 4 || args[0].kind != persist || args[1].kind != integer || args[2].kind != list || args[3].kind != list {
		return format.Malformed("tensor %.80q is made of something else than a storage", at)
	}
	id := args[0].items[0]
	if id.kind != list || len(id.items) < 5 || id.items[0].s != "storage" || id.items[1].kind != global || id.items[4].kind != integer {
		return format.Malformed("tensor %.80q has no storage", at)
	}
	t := tensor.Tensor{Name: at, Big: f.big}
	if at == "" {
		t.Name = "tensor"
	}
	called := strings.TrimPrefix(id.items[1].s, "torch.")
	if strings.HasSuffix(call, "_v3") && len(args) > 6 {
		called = strings.TrimPrefix(args[6].s, "torch.")
	}
	if t.Type = typeOf(called); t.Type == tensor.Unknown || strings.Contains(called, "Q") {
		t.Called = called
	}
	if t.Big = t.Big && t.Type.Width() > 1; t.Type == tensor.Unknown {
		f.list.Notes = append(f.list.Notes, fmt.Sprintf("%.80q: type %.40s is not known", at, called))
		return nil
	}
	s, err := f.from.find(id.items[2].s+number(id.items[2]), t.Type, id.items[4].i)
	if err != nil {
		return err
	}
	if err := place(&t, s, args[1].i, args[2].items, args[3].items); err != nil {
		return err
	}
	if len(f.list.Tensors) == format.MaxElements {
		return fmt.Errorf("more than %d tensors: %w", format.MaxElements, format.ErrLimit)
	}
	f.list.Tensors = append(f.list.Tensors, t)
	return nil
}

// number is a key that is one.
func number(v *value) string {
	if v.kind == integer {
		return strconv.FormatInt(v.i, 10)
	}
	return ""
}

// place sets where a tensor stands in a storage, all in elements.
func place(t *tensor.Tensor, s storage, off int64, sides, steps []*value) error {
	bad := func() error {
		return format.Malformed("tensor %.80q is not within its storage of %d bytes", t.Name, s.len)
	}
	if len(sides) != len(steps) || len(sides) > 64 || off < 0 {
		return bad()
	}
	_, size := t.Type.Block()
	room := s.len / int64(size)
	t.Shape, t.Strides = make([]int64, len(sides)), make([]int64, len(sides))
	empty, last := false, off // the last element that is used
	for i := range sides {
		if sides[i].kind != integer || steps[i].kind != integer || sides[i].i < 0 || steps[i].i < 0 {
			return bad()
		}
		n, step := sides[i].i, steps[i].i
		t.Shape[i], t.Strides[i] = n, step
		empty = empty || n == 0
		if n > 1 && step > 0 {
			if step > (math.MaxInt64-last)/(n-1) {
				return bad()
			}
			last += step * (n - 1)
		}
	}
	if _, ok := tensor.Count(t.Shape, math.MaxInt64/int64(size)); !ok {
		return bad()
	}
	if empty {
		t.Strides = nil
		return nil
	}
	if last >= room {
		return bad()
	}
	t.Size = (last - off + 1) * int64(size)
	if t.Dense() {
		t.Strides = nil
	}
	if s.open != nil {
		skip := off * int64(size)
		t.Open = func() (io.Reader, error) {
			r, err := s.open()
			if err == nil {
				_, err = io.CopyN(io.Discard, r, skip)
			}
			return r, err
		}
		return nil
	}
	t.Off, t.Len = s.off+off*int64(size), t.Size
	return nil
}

// typeOf is the type of a storage, or of a dtype.
func typeOf(called string) tensor.Type {
	called = called[strings.LastIndexByte(called, '.')+1:]
	switch called {
	case "FloatStorage", "float32", "float":
		return tensor.F32
	case "DoubleStorage", "float64", "double":
		return tensor.F64
	case "HalfStorage", "float16", "half":
		return tensor.F16
	case "BFloat16Storage", "bfloat16":
		return tensor.BF16
	case "LongStorage", "int64", "long":
		return tensor.I64
	case "IntStorage", "QInt32Storage", "int32", "int":
		return tensor.I32
	case "ShortStorage", "int16", "short":
		return tensor.I16
	case "CharStorage", "QInt8Storage", "int8":
		return tensor.I8
	case "ByteStorage", "QUInt8Storage", "uint8", "UntypedStorage":
		return tensor.U8
	case "BoolStorage", "bool":
		return tensor.Bool
	case "ComplexFloatStorage", "complex64":
		return tensor.C64
	case "ComplexDoubleStorage", "complex128":
		return tensor.C128
	case "float8_e4m3fn":
		return tensor.F8E4M3
	case "float8_e5m2":
		return tensor.F8E5M2
	case "uint16":
		return tensor.U16
	case "uint32":
		return tensor.U32
	case "uint64":
		return tensor.U64
	}
	return tensor.Unknown
}
