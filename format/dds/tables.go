package dds

// partitions are the ways to part a block of BC6H and BC7.
type partitions struct {
	two   [64]uint16 // in two: the subset of each pixel, a bit, the first pixel's the lowest
	three [64]uint32 // in three: two bits
}

func newPartitions() *partitions {
	return &partitions{
		two: [64]uint16{
			0xcccc, 0x8888, 0xeeee, 0xecc8, 0xc880, 0xfeec, 0xfec8, 0xec80, 0xc800, 0xffec, 0xfe80, 0xe800, 0xffe8, 0xff00, 0xfff0, 0xf000,
			0xf710, 0x008e, 0x7100, 0x08ce, 0x008c, 0x7310, 0x3100, 0x8cce, 0x088c, 0x3110, 0x6666, 0x366c, 0x17e8, 0x0ff0, 0x718e, 0x399c,
			0xaaaa, 0xf0f0, 0x5a5a, 0x33cc, 0x3c3c, 0x55aa, 0x9696, 0xa55a, 0x73ce, 0x13c8, 0x324c, 0x3bdc, 0x6996, 0xc33c, 0x9966, 0x0660,
			0x0272, 0x04e4, 0x4e40, 0x2720, 0xc936, 0x936c, 0x39c6, 0x639c, 0x9336, 0x9cc6, 0x817e, 0xe718, 0xccf0, 0x0fcc, 0x7744, 0xee22,
		},
		three: [64]uint32{
			0xaa685050, 0x6a5a5040, 0x5a5a4200, 0x5450a0a8, 0xa5a50000, 0xa0a05050, 0x5555a0a0, 0x5a5a5050,
			0xaa550000, 0xaa555500, 0xaaaa5500, 0x90909090, 0x94949494, 0xa4a4a4a4, 0xa9a59450, 0x2a0a4250,
			0xa5945040, 0x0a425054, 0xa5a5a500, 0x55a0a0a0, 0xa8a85454, 0x6a6a4040, 0xa4a45000, 0x1a1a0500,
			0x0050a4a4, 0xaaa59090, 0x14696914, 0x69691400, 0xa08585a0, 0xaa821414, 0x50a4a450, 0x6a5a0200,
			0xa9a58000, 0x5090a0a8, 0xa8a09050, 0x24242424, 0x00aa5500, 0x24924924, 0x24499224, 0x50a50a50,
			0x500aa550, 0xaaaa4444, 0x66660000, 0xa5a0a5a0, 0x50a050a0, 0x69286928, 0x44aaaa44, 0x66666600,
			0xaa444444, 0x54a854a8, 0x95809580, 0x96969600, 0xa85454a8, 0x80959580, 0xaa141414, 0x96960000,
			0xaaaa1414, 0xa05050a0, 0xa0a5a5a0, 0x96000000, 0x40804080, 0xa9a8a9a8, 0xaaaaaa44, 0x2a4a5254,
		},
	}
}

// subset is that of a pixel.
func (t *partitions) subset(subsets, part, pixel int) int {
	switch subsets {
	case 2:
		return int(t.two[part] >> pixel & 1)
	case 3:
		return int(t.three[part] >> (2 * pixel) & 3)
	}
	return 0
}

// anchor reports whether a pixel is one: the first of its subset whose index lacks a bit.
func anchor(subsets, part, pixel int) bool {
	switch {
	case pixel == 0:
		return true
	case subsets == 2:
		return int(anchors2[part]) == pixel
	case subsets == 3:
		return int(anchors3[2*part]) == pixel || int(anchors3[2*part+1]) == pixel
	}
	return false
}

// anchors2 gives the anchor of the second subset of those in two.
const anchors2 = "\x0f\x0f\x0f\x0f\x0f\x0f\x0f\x0f\x0f\x0f\x0f\x0f\x0f\x0f\x0f\x0f\x0f\x02\x08\x02\x02\x08\x08\x0f\x02\x08\x02\x02\x08\x08\x02\x02" +
	"\x0f\x0f\x06\x08\x02\x08\x0f\x0f\x02\x08\x02\x02\x02\x0f\x0f\x06\x06\x02\x06\x08\x0f\x0f\x02\x02\x0f\x0f\x0f\x0f\x0f\x02\x02\x0f"

// anchors3 gives the anchors of the second and third subset of those in three.
const anchors3 = "\x03\x0f\x03\x08\x0f\x08\x0f\x03\x08\x0f\x03\x0f\x0f\x03\x0f\x08\x08\x0f\x08\x0f\x06\x0f\x06\x0f\x06\x0f\x05\x0f\x03\x0f\x03\x08" +
	"\x03\x0f\x03\x08\x08\x0f\x0f\x03\x03\x0f\x03\x08\x06\x0f\x0a\x08\x05\x03\x08\x0f\x08\x06\x06\x0a\x08\x0f\x05\x0f\x0f\x0a\x0f\x08" +
	"\x08\x0f\x0f\x03\x03\x0f\x05\x0a\x06\x0a\x0a\x08\x08\x09\x0f\x0a\x0f\x06\x03\x0f\x0f\x08\x05\x0f\x0f\x03\x0f\x06\x0f\x06\x0f\x08" +
	"\x03\x0f\x0f\x03\x05\x0f\x05\x0f\x05\x0f\x08\x0f\x05\x0f\x0a\x0f\x05\x0f\x0a\x0f\x08\x0f\x0d\x0f\x0f\x03\x0c\x0f\x03\x0f\x03\x08"
