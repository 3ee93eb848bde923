package splice

import (
	"bytes"
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"

	"varve/format"
)

// Read returns the text of a file of at most max bytes. exact is false where it is not the file's own bytes, as of UTF-16: offsets in it are
// not those of the file.
func Read(in format.Input, max int64) (text []byte, exact bool, err error) {
	b, err := format.ReadSpan(in, 0, in.Size(), max)
	if err != nil {
		return nil, false, err
	}
	return Plain(b)
}

// Plain is Read of bytes.
func Plain(b []byte) (text []byte, exact bool, err error) {
	var order binary.ByteOrder
	switch {
	case bytes.HasPrefix(b, []byte{0xfe, 0xff}), bytes.HasPrefix(b, []byte{0, '<'}):
		order = binary.BigEndian
	case bytes.HasPrefix(b, []byte{0xff, 0xfe}), bytes.HasPrefix(b, []byte{'<', 0}):
		order = binary.LittleEndian
	default:
		return b, true, nil
	}
	if len(b)%2 != 0 {
		return nil, false, format.Malformed("%d bytes of UTF-16", len(b))
	}
	out := make([]byte, 0, len(b)/2)
	for i := 0; i < len(b); i += 2 {
		r := rune(order.Uint16(b[i:]))
		if i == 0 && r == 0xfeff {
			continue
		}
		if utf16.IsSurrogate(r) && i+3 < len(b) {
			if both := utf16.DecodeRune(r, rune(order.Uint16(b[i+2:]))); both != utf8.RuneError {
				r = both
				i += 2
			}
		}
		out = utf8.AppendRune(out, r)
	}
	return out, false, nil
}
