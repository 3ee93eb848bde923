package dds

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/rand/v2"
	"testing"

	"varve/format/picturetest"
)

// TestPartitions: an anchor is in the subset that it anchors.
func TestPartitions(t *testing.T) {
	parts := newPartitions()
	if len(anchors2) != 64 || len(anchors3) != 128 {
		t.Fatalf("%d and %d anchors", len(anchors2), len(anchors3))
	}
	for i := range 64 {
		if s := parts.subset(2, i, int(anchors2[i])); s != 1 {
			t.Errorf("partition %d in two: the anchor is in subset %d", i, s)
		}
		for k := range 2 {
			if s := parts.subset(3, i, int(anchors3[2*i+k])); s != 1+k {
				t.Errorf("partition %d in three: anchor %d is in subset %d", i, k+1, s)
			}
		}
		if parts.subset(2, i, 0) != 0 || parts.subset(3, i, 0) != 0 {
			t.Errorf("partition %d: the first pixel is in another subset", i)
		}
	}
}

// TestBC6HLayouts: a layout gives each bit of an end once, and has all bits of a block but those of mode and indices.
func TestBC6HLayouts(t *testing.T) {
	d := newBC6H(false)
	for mode, m := range d.modes {
		if m.regions == 0 {
			continue
		}
		head, indices := 5, 63
		if mode < 2 {
			head = 2
		}
		if m.regions == 2 {
			indices = 46
		}
		if n := len(d.bits[mode]); n != 128-head-indices {
			t.Errorf("mode %02x has %d bits", mode, n)
		}
		seen := map[bc6hBit]bool{}
		for _, b := range d.bits[mode] {
			if seen[b] {
				t.Errorf("mode %02x has %+v twice", mode, b)
			}
			seen[b] = true
			most := m.bits
			if b.end > 0 && b.end < 4 {
				most = m.delta[b.channel]
			}
			if b.end < 4 && int(b.bit) >= most {
				t.Errorf("mode %02x has %+v", mode, b)
			}
		}
	}
}

// random are blocks of random bits, n of each mode.
func random(size, count int, mode func(b []byte)) []byte {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]byte, size*count)
	for i := range out {
		out[i] = byte(r.Uint32())
	}
	for i := range count {
		mode(out[i*size:])
	}
	return out
}

// TestBlocksAsElsewhere: 4096 random blocks of a mode are what OpenImageIO 2.4.7 decodes of them: the hashes are of its
// samples.
func TestBlocksAsElsewhere(t *testing.T) {
	hash := func(dxgi uint32, blocks []byte) string {
		p := picturetest.Decode(t, Format{}, surfaces(dxgi, 256, 256, blocks))
		h := sha256.New()
		h.Write(p.U8)
		for _, v := range p.F32 {
			h.Write(binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
		}
		return hex.EncodeToString(h.Sum(nil)[:8])
	}
	for mode, want := range bc7Hashes() {
		got := hash(98, random(16, 4096, func(b []byte) { b[0] = b[0]&^byte(1<<(mode+1)-1) | 1<<mode }))
		if got != want {
			t.Errorf("BC7 mode %d: %s, want %s", mode, got, want)
		}
	}
	for mode, want := range bc6hHashes() {
		for i, dxgi := range []uint32{95, 96} {
			got := hash(dxgi, random(16, 4096, func(b []byte) {
				if mode < 2 {
					b[0] = b[0]&^3 | byte(mode)
				} else {
					b[0] = b[0]&^31 | byte(mode)
				}
			}))
			if got != want[i] {
				t.Errorf("BC6H mode %02x, %d: %s, want %s", mode, dxgi, got, want[i])
			}
		}
	}
}

// surfaces is a DDS with a DX10 header of one picture.
func surfaces(dxgi uint32, width, height int, data []byte) []byte {
	b := head(width, height)
	binary.LittleEndian.PutUint32(b[80:], 4)
	copy(b[84:], "DX10")
	b = binary.LittleEndian.AppendUint32(b, dxgi)
	b = binary.LittleEndian.AppendUint32(b, 3)
	b = append(b, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0)
	return append(b, data...)
}

// head is a header of one picture without a pixel format.
func head(width, height int) []byte {
	b := make([]byte, 128)
	copy(b, "DDS ")
	for at, v := range map[int]uint32{4: 124, 8: 0x1007, 12: uint32(height), 16: uint32(width), 28: 1, 76: 32, 108: 0x1000} {
		binary.LittleEndian.PutUint32(b[at:], v)
	}
	return b
}

// TestRamp: the numbers between two ends are the nearest, signed or not.
func TestRamp(t *testing.T) {
	block := []byte{255, 0, 0x88, 0xc6, 0xfa, 0x88, 0xc6, 0xfa} // indices 0 to 7, twice
	p := picturetest.Decode(t, Format{}, surfaces(80, 4, 4, block))
	for i, want := range []uint8{255, 0, 219, 182, 146, 109, 73, 36} {
		if p.U8[i] != want {
			t.Errorf("%d: %d, want %d", i, p.U8[i], want)
		}
	}
	block[0], block[1] = 0x81, 127 // −127 to 127: of five, and the least and most
	p = picturetest.Decode(t, Format{}, surfaces(81, 4, 4, block))
	for i, want := range []uint8{1, 255, 128 - 76, 128 - 25, 128 + 25, 128 + 76, 1, 255} {
		if p.U8[i] != want {
			t.Errorf("signed %d: %d, want %d", i, p.U8[i], want)
		}
	}
}

// TestColours: between two colours are two others, or one and transparent black.
func TestColours(t *testing.T) {
	block := []byte{0xff, 0xff, 0, 0, 0xe4, 0xe4, 0xe4, 0xe4} // white, black; indices 0 to 3
	p := picturetest.Decode(t, Format{}, surfaces(71, 4, 4, block))
	for i, want := range []uint8{255, 0, 170, 85} {
		if p.U8[4*i] != want || p.U8[4*i+3] != 255 {
			t.Errorf("%d: %d", i, p.U8[4*i:4*i+4])
		}
	}
	copy(block, []byte{0, 0, 0xff, 0xff})
	p = picturetest.Decode(t, Format{}, surfaces(71, 4, 4, block))
	for i, want := range [][2]uint8{{0, 255}, {255, 255}, {128, 255}, {0, 0}} {
		if p.U8[4*i] != want[0] || p.U8[4*i+3] != want[1] {
			t.Errorf("with three %d: %d", i, p.U8[4*i:4*i+4])
		}
	}
}

func bc7Hashes() []string {
	return []string{"662182d1252d8239", "dff29b63d66de0ce", "c77e5d055b0be63c", "fc1a9b9c1d110fa7",
		"30a8ab2f7d3cb9e4", "5e5689377b309da5", "6434219ce68e9161", "331e6ba8c92cd7a7"}
}

// bc6hHashes are of unsigned and of signed floats.
func bc6hHashes() map[int][2]string {
	return map[int][2]string{
		0x00: {"a2626caa1d2b4d93", "a2d3db3adf3d0d23"},
		0x01: {"ca28ad7ec6b7597d", "4a7f540055d7ac67"},
		0x02: {"56aded8cc7505d1b", "f88e96aa53e88a73"},
		0x03: {"39cf593ee455a05a", "a351002cb3a40c1d"},
		0x06: {"5016a76528dfd539", "36a399bc4bc72269"},
		0x07: {"11d8093325883eac", "e0a17bcc31ae91a4"},
		0x0a: {"bd4b713770c25959", "27139101afd593b5"},
		0x0b: {"5e9e439c68035e53", "1ab6c186b54de4ab"},
		0x0e: {"722046bb63711ac5", "8cd3bba9eaeabe08"},
		0x0f: {"ff853e0ca77d33a1", "fe818c86c2d84a24"},
		0x12: {"8cd98beb53bfcef0", "eb2c6b3b636b3864"},
		0x16: {"cf0f958224bf6c90", "540e51b9d0b4f6e3"},
		0x1a: {"a3017399d911a072", "63646e34de8dde34"},
		0x1e: {"2954ed7f2d289c25", "0c7c189c99c10e50"},
	}
}
