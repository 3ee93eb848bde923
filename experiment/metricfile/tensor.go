package metricfile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Types of tensors as TensorFlow's types.proto numbers them.
const (
	dtFloat    = 1
	dtDouble   = 2
	dtInt32    = 3
	dtUint8    = 4
	dtInt16    = 5
	dtInt8     = 6
	dtInt64    = 9
	dtBool     = 10
	dtBfloat16 = 14
	dtUint16   = 17
	dtHalf     = 19
	dtUint32   = 22
	dtUint64   = 23
)

// A tensorProto is what of a TensorProto is needed for a scalar.
type tensorProto struct {
	dtype   uint64
	count   uint64 // elements; 0: more than one, or not known
	content []byte
	one     uint64 // the first of the list of values, as its bits
	has     bool
}

// scalar reads a TensorProto of one number: dtype 1, tensor_shape 2, tensor_content 4, half_val 13, float_val 5, double_val
// 6, int_val 7, int64_val 10, bool_val 11, uint32_val 16, uint64_val 17.
func scalar(b []byte) (v float64, what string, err error) {
	t := tensorProto{count: 1}
	err = message(b, func(f field) error {
		switch {
		case f.number == 1 && f.kind == 0:
			t.dtype = f.n
		case f.number == 2 && f.kind == 2:
			return t.shape(f.b)
		case f.number == 4 && f.kind == 2:
			t.content = f.b
		case f.number == 5, f.number == 6, f.number == 7, f.number == 10, f.number == 11, f.number == 13, f.number == 16, f.number == 17:
			return t.first(f)
		}
		return nil
	})
	if err != nil {
		return 0, "", err
	}
	if t.count != 1 || t.dtype == 7 { // 7: texts
		return 0, "tensors that are no scalars", nil
	}
	v, err = t.number()
	return v, "scalar", err
}

// shape reads a TensorShapeProto: dim 2 with size 1, unknown_rank 3.
func (t *tensorProto) shape(b []byte) error {
	return message(b, func(f field) error {
		if f.number == 3 && f.kind == 0 && f.n != 0 {
			t.count = 0
		}
		if f.number != 2 || f.kind != 2 {
			return nil
		}
		size := uint64(0)
		err := message(f.b, func(f field) error {
			if f.number == 1 && f.kind == 0 {
				size = f.n
			}
			return nil
		})
		if size != 1 {
			t.count = 0
		}
		return err
	})
}

// first takes the first value of a list, packed or not.
func (t *tensorProto) first(f field) error {
	if t.has || f.kind == 2 && len(f.b) == 0 {
		return nil
	}
	t.has, t.one = true, f.n
	if f.kind != 2 {
		return nil
	}
	size := 0
	switch f.number {
	case 5:
		size = 4
	case 6:
		size = 8
	}
	var n int
	switch {
	case len(f.b) < size:
		return errWire
	case size == 4:
		t.one = uint64(binary.LittleEndian.Uint32(f.b))
	case size == 8:
		t.one = binary.LittleEndian.Uint64(f.b)
	default:
		if t.one, n = binary.Uvarint(f.b); n <= 0 {
			return errWire
		}
	}
	return nil
}

// number is the value, from the list or the bytes.
func (t *tensorProto) number() (float64, error) {
	sizes := map[uint64]int{dtFloat: 4, dtDouble: 8, dtInt32: 4, dtUint8: 1, dtInt16: 2, dtInt8: 1, dtInt64: 8, dtBool: 1, dtBfloat16: 2, dtUint16: 2, dtHalf: 2, dtUint32: 4, dtUint64: 8}
	size, known := sizes[t.dtype]
	if !known {
		return 0, fmt.Errorf("a scalar of the type %d, which is no number that is known", t.dtype)
	}
	bits := t.one
	if len(t.content) > 0 {
		if len(t.content) != size {
			return 0, fmt.Errorf("a scalar of %d bytes, and its type has %d", len(t.content), size)
		}
		var b [8]byte
		copy(b[:], t.content)
		bits = binary.LittleEndian.Uint64(b[:])
	} else if !t.has {
		bits = 0 // the value of the type is not written
	}
	switch t.dtype {
	case dtFloat:
		return float64(math.Float32frombits(uint32(bits))), nil
	case dtDouble:
		return math.Float64frombits(bits), nil
	case dtInt32:
		return float64(int32(bits)), nil
	case dtInt16:
		return float64(int16(bits)), nil
	case dtInt8:
		return float64(int8(bits)), nil
	case dtInt64:
		return float64(int64(bits)), nil
	case dtBfloat16:
		return float64(math.Float32frombits(uint32(bits) << 16)), nil
	case dtHalf:
		return half(uint16(bits)), nil
	case dtUint8, dtUint16, dtUint32, dtUint64, dtBool:
		return float64(bits), nil
	}
	return 0, errors.New("no number")
}

// half is a float16.
func half(h uint16) float64 {
	sign, exp, frac := 1.0, int(h>>10&31), float64(h&1023)
	if h>>15 == 1 {
		sign = -1
	}
	switch exp {
	case 0:
		return sign * math.Ldexp(frac, -24)
	case 31:
		if frac != 0 {
			return math.NaN()
		}
		return math.Inf(int(sign))
	}
	return sign * math.Ldexp(1024+frac, exp-25)
}
