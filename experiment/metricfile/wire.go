package metricfile

import (
	"encoding/binary"
	"errors"
)

// errWire is that bytes are no message of Protocol Buffers.
var errWire = errors.New("no message of Protocol Buffers")

// A field is one field of a message.
type field struct {
	number int
	kind   int    // 0 varint, 1 eight bytes, 2 bytes, 5 four bytes
	n      uint64 // of kinds 0, 1, 5
	b      []byte // of kind 2
}

// message visits the fields of a message.
func message(b []byte, visit func(field) error) error {
	for len(b) > 0 {
		tag, n := binary.Uvarint(b)
		if n <= 0 || tag>>3 == 0 || tag>>3 > 1<<29 {
			return errWire
		}
		b = b[n:]
		f := field{number: int(tag >> 3), kind: int(tag & 7)}
		switch f.kind {
		case 0:
			if f.n, n = binary.Uvarint(b); n <= 0 {
				return errWire
			}
			b = b[n:]
		case 1:
			if len(b) < 8 {
				return errWire
			}
			f.n, b = binary.LittleEndian.Uint64(b), b[8:]
		case 2:
			size, n := binary.Uvarint(b)
			if n <= 0 || size > uint64(len(b)-n) {
				return errWire
			}
			f.b, b = b[n:n+int(size)], b[n+int(size):]
		case 5:
			if len(b) < 4 {
				return errWire
			}
			f.n, b = uint64(binary.LittleEndian.Uint32(b)), b[4:]
		default: // groups are not in these messages
			return errWire
		}
		if err := visit(f); err != nil {
			return err
		}
	}
	return nil
}
