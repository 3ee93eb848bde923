package godot

import (
	"encoding/binary"
	"testing"

	"varve/format"
)

// made is a binary resource.
func made() []byte {
	b := []byte("RSRC")
	u32 := func(n ...uint32) {
		for _, n := range n {
			b = binary.LittleEndian.AppendUint32(b, n)
		}
	}
	text := func(s string) {
		u32(uint32(len(s) + 1))
		b = append(b, s+"\x00"...)
	}
	u32(0, 0, 4, 5, 6)
	text("PackedScene")
	u32(0, 0, 3, 0x2b8c464a, 0)
	u32(make([]uint32, 11)...)
	u32(1)
	text("name")
	u32(1)
	text("Texture2D")
	text("res://art/wood.png")
	u32(5, 0)
	u32(1)
	text("local://1")
	u32(8, 0)
	return append(b, "RSRC"...)
}

func TestBinary(t *testing.T) {
	in := format.Bytes(made())
	refs, err := format.References(t.Context(), Binary{}, in)
	if err != nil || len(refs) != 1 || refs[0].Path != "art/wood.png" || refs[0].ID != "uid://f" || refs[0].Kind != "texture" {
		t.Errorf("%+v, %v", refs, err)
	}
}
