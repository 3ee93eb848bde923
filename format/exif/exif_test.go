package exif

import (
	"encoding/binary"
	"errors"
	"testing"

	"varve/format"
)

// made is EXIF with an orientation and a small picture of three bytes.
func made(order binary.AppendByteOrder, sign string, orientation uint16) []byte {
	b := order.AppendUint32([]byte(sign), 8)
	b = order.AppendUint16(b, 2)
	entry := func(tag, kind uint16, count, v uint32) {
		b = order.AppendUint16(b, tag)
		b = order.AppendUint16(b, kind)
		b = order.AppendUint32(b, count)
		if kind == 3 {
			b = order.AppendUint16(b, uint16(v))
			v = 0
			b = order.AppendUint16(b, 0)
			return
		}
		b = order.AppendUint32(b, v)
	}
	entry(0x10f, 2, 100, 9999) // a text that is elsewhere
	entry(0x112, 3, 1, uint32(orientation))
	b = order.AppendUint32(b, 38)
	b = order.AppendUint16(b, 2)
	entry(0x201, 4, 1, 68)
	entry(0x202, 4, 1, 3)
	return append(order.AppendUint32(b, 0), "abc"...)
}

func TestParse(t *testing.T) {
	for sign, order := range map[string]binary.AppendByteOrder{"II*\x00": binary.LittleEndian, "MM\x00*": binary.BigEndian} {
		for v, want := range map[uint16]int{1: 1, 6: 6, 8: 8, 0: 1, 9: 1} {
			info, err := Parse(made(order, sign, v))
			if err != nil || info.Orientation != want || string(info.Thumbnail) != "abc" {
				t.Errorf("%q: %+v, %v", sign, info, err)
			}
		}
	}
}

func TestParseDamaged(t *testing.T) {
	b := made(binary.LittleEndian, "II*\x00", 3)
	for n := range len(b) {
		info, err := Parse(b[:n])
		if n < 34 && !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%d bytes: %+v, %v", n, info, err)
		}
		if info.Thumbnail != nil {
			t.Errorf("%d bytes have a picture", n)
		}
	}
	if _, err := Parse([]byte("Exif and more")); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("%v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(made(binary.LittleEndian, "II*\x00", 3))
	f.Add(made(binary.BigEndian, "MM\x00*", 8))
	f.Fuzz(func(t *testing.T, b []byte) {
		if info, _ := Parse(b); info.Orientation < 1 || info.Orientation > 8 || len(info.Thumbnail) > len(b) {
			t.Errorf("%+v", info)
		}
	})
}
