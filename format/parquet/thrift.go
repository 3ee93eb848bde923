package parquet

import (
	"varve/format"
)

// compact reads the compact protocol of Thrift: a struct's fields are a byte of delta·16 + type (delta 0: the number
// follows, zigzag), and end with a zero byte; a list is a byte of count·16 + type (count 15: it follows as a varint).
type compact struct {
	b     []byte
	at    int
	depth int
}

// Types of values.
const (
	typeTrue   = 1
	typeFalse  = 2
	typeByte   = 3
	typeI64    = 6
	typeDouble = 7
	typeBinary = 8
	typeList   = 9
	typeSet    = 10
	typeMap    = 11
	typeStruct = 12

	maxDepth = 64
)

func (c *compact) bad(what string) error {
	return format.Malformed("footer: %s at %d of %d bytes", what, c.at, len(c.b))
}

func (c *compact) byte() (byte, error) {
	if c.at >= len(c.b) {
		return 0, c.bad("cut off")
	}
	c.at++
	return c.b[c.at-1], nil
}

func (c *compact) varint() (uint64, error) {
	x := uint64(0)
	for i := range 10 {
		b, err := c.byte()
		if err != nil {
			return 0, err
		}
		x |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			return x, nil
		}
	}
	return 0, c.bad("a number that has no end")
}

// number reads a whole one of 16 to 64 bits.
func (c *compact) number() (int64, error) {
	x, err := c.varint()
	return int64(x>>1) ^ -int64(x&1), err
}

func (c *compact) text() (string, error) {
	n, err := c.varint()
	if err != nil {
		return "", err
	}
	if n > uint64(len(c.b)-c.at) {
		return "", c.bad("a text that is cut off")
	}
	c.at += int(n)
	return string(c.b[c.at-int(n) : c.at]), nil
}

// fields calls do with the number and type of each field of a struct: it reads the value, or skips it.
func (c *compact) fields(do func(id int64, kind byte) error) error {
	if c.depth++; c.depth > maxDepth {
		return c.bad("structures in too many others")
	}
	defer func() { c.depth-- }()
	id := int64(0)
	for {
		head, err := c.byte()
		if err != nil || head == 0 {
			return err
		}
		if delta := int64(head >> 4); delta > 0 {
			id += delta
		} else if id, err = c.number(); err != nil {
			return err
		}
		if err := do(id, head&15); err != nil {
			return err
		}
	}
}

// list calls do for each of a list, whose values are of a type.
func (c *compact) list(kind byte, do func() error) error {
	head, err := c.byte()
	if err != nil {
		return err
	}
	n := uint64(head >> 4)
	if n == 15 {
		if n, err = c.varint(); err != nil {
			return err
		}
	}
	if head&15 != kind || n > uint64(len(c.b)-c.at) {
		return c.bad("a list of something else, or of more than there is")
	}
	for range n {
		if err := do(); err != nil {
			return err
		}
	}
	return nil
}

// skip passes over a value. In a list or a map truth takes a byte, in a field none.
func (c *compact) skip(kind byte, field bool) error {
	if c.depth++; c.depth > maxDepth {
		return c.bad("values in too many others")
	}
	defer func() { c.depth-- }()
	var err error
	switch kind {
	case typeTrue, typeFalse:
		if !field {
			_, err = c.byte()
		}
	case typeByte:
		_, err = c.byte()
	case 4, 5, typeI64:
		_, err = c.varint()
	case typeDouble:
		if len(c.b)-c.at < 8 {
			return c.bad("cut off")
		}
		c.at += 8
	case typeBinary:
		_, err = c.text()
	case typeList, typeSet:
		if c.at >= len(c.b) {
			return c.bad("cut off")
		}
		of := c.b[c.at] & 15
		err = c.list(of, func() error { return c.skip(of, false) })
	case typeMap:
		n, err := c.varint()
		if err != nil || n == 0 {
			return err
		}
		of, err := c.byte()
		if err != nil || n > uint64(len(c.b)-c.at) {
			return c.bad("a map of more than there is")
		}
		for range n {
			if err := c.skip(of>>4, false); err != nil {
				return err
			}
			if err := c.skip(of&15, false); err != nil {
				return err
			}
		}
		return nil
	case typeStruct:
		err = c.fields(func(_ int64, kind byte) error { return c.skip(kind, true) })
	default:
		return c.bad("a value of no type")
	}
	return err
}
