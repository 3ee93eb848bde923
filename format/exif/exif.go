// Package exif reads of EXIF what showing a picture needs: how it is turned, and the small picture in it.
//
// It promises: what it says lies in the bytes that it was given.
//
// # Bytes
//
// A TIFF of its own: "II" or "MM", 42 u16, offset of the first directory u32. A directory is its count u16, entries of
// 12 bytes (tag u16, type u16, count u32, value or its offset u32), and the offset of the next u32. The first is of the
// picture, the second of the small one: a JPEG at tag 0x201, of the length at 0x202.
package exif

import (
	"encoding/binary"

	"varve/format"
)

// Info is what EXIF says of a picture.
type Info struct {
	Orientation int    // 1 to 8; 1 is upright
	Thumbnail   []byte // a JPEG, turned as the picture; nil: none
}

const maxEntries = 4096

// Parse reads EXIF, which begins with II or MM.
func Parse(b []byte) (Info, error) {
	info := Info{Orientation: 1}
	order, at, err := header(b)
	if err != nil {
		return info, err
	}
	next, err := entries(b, order, at, func(tag, value uint32) {
		if tag == 0x112 && value >= 1 && value <= 8 {
			info.Orientation = int(value)
		}
	})
	if err != nil || next == 0 {
		return info, err
	}
	var off, n uint32
	if _, err = entries(b, order, next, func(tag, value uint32) {
		switch tag {
		case 0x201:
			off = value
		case 0x202:
			n = value
		}
	}); err != nil {
		return info, err
	}
	if end := uint64(off) + uint64(n); off > 0 && n > 0 && end <= uint64(len(b)) {
		info.Thumbnail = b[off:end:end]
	}
	return info, nil
}

func header(b []byte) (order binary.ByteOrder, at uint32, err error) {
	if len(b) < 8 {
		return nil, 0, format.Malformed("EXIF of %d bytes", len(b))
	}
	switch string(b[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return nil, 0, format.Malformed("EXIF begins with %q", b[:4])
	}
	return order, order.Uint32(b[4:]), nil
}

// entries calls visit with the entries of a directory that are one number, and returns where the next directory is.
func entries(b []byte, order binary.ByteOrder, at uint32, visit func(tag, value uint32)) (next uint32, err error) {
	if uint64(at)+2 > uint64(len(b)) {
		return 0, format.Malformed("an EXIF directory is at %d of %d bytes", at, len(b))
	}
	n := int(order.Uint16(b[at:]))
	d := b[at+2:]
	if n > maxEntries || len(d) < 12*n {
		return 0, format.Malformed("an EXIF directory has %d entries", n)
	}
	for i := range n {
		e := d[12*i:]
		if order.Uint32(e[4:]) != 1 {
			continue
		}
		switch order.Uint16(e[2:]) {
		case 3:
			visit(uint32(order.Uint16(e)), uint32(order.Uint16(e[8:])))
		case 4:
			visit(uint32(order.Uint16(e)), order.Uint32(e[8:]))
		}
	}
	if d = d[12*n:]; len(d) < 4 {
		return 0, nil
	}
	return order.Uint32(d), nil
}
