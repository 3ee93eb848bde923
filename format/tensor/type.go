package tensor

// Type is what the elements of a tensor are.
type Type uint8

// Unknown elements are bytes: they are compared as such.
const (
	Unknown Type = iota
	Bool
	U8
	I8
	U16
	I16
	U32
	I32
	U64
	I64
	F8E4M3 // no infinities, as OCP has it
	F8E5M2
	F16
	BF16
	F32
	F64
	C64 // two F32
	C128

	// Blocks of numbers that share a scale, as in GGUF files.
	Q4_0
	Q4_1
	Q5_0
	Q5_1
	Q8_0
	Q8_1
	Q2_K
	Q3_K
	Q4_K
	Q5_K
	Q6_K
	Q8_K
	IQ1_S
	IQ1_M
	IQ2_XXS
	IQ2_XS
	IQ2_S
	IQ3_XXS
	IQ3_S
	IQ4_NL
	IQ4_XS
	TQ1_0
	TQ2_0
	MXFP4
)

// layout is how a type stands in a file.
type layout struct {
	name  string
	block int   // elements that stand together
	size  int   // bytes of a block
	width uint8 // bytes of its numbers, where all have one width
	parts int   // numbers of an element; 0: they are not decoded
}

// layoutOf is the layout of a type; of one that is none, that of Unknown.
func layoutOf(t Type) layout {
	switch t {
	case Bool:
		return layout{"BOOL", 1, 1, 1, 1}
	case U8:
		return layout{"U8", 1, 1, 1, 1}
	case I8:
		return layout{"I8", 1, 1, 1, 1}
	case U16:
		return layout{"U16", 1, 2, 2, 1}
	case I16:
		return layout{"I16", 1, 2, 2, 1}
	case U32:
		return layout{"U32", 1, 4, 4, 1}
	case I32:
		return layout{"I32", 1, 4, 4, 1}
	case U64:
		return layout{"U64", 1, 8, 8, 1}
	case I64:
		return layout{"I64", 1, 8, 8, 1}
	case F8E4M3:
		return layout{"F8_E4M3", 1, 1, 1, 1}
	case F8E5M2:
		return layout{"F8_E5M2", 1, 1, 1, 1}
	case F16:
		return layout{"F16", 1, 2, 2, 1}
	case BF16:
		return layout{"BF16", 1, 2, 2, 1}
	case F32:
		return layout{"F32", 1, 4, 4, 1}
	case F64:
		return layout{"F64", 1, 8, 8, 1}
	case C64:
		return layout{"C64", 1, 8, 4, 2}
	case C128:
		return layout{"C128", 1, 16, 8, 2}
	case Q4_0:
		return layout{"Q4_0", 32, 18, 1, 1}
	case Q4_1:
		return layout{"Q4_1", 32, 20, 1, 1}
	case Q5_0:
		return layout{"Q5_0", 32, 22, 1, 1}
	case Q5_1:
		return layout{"Q5_1", 32, 24, 1, 1}
	case Q8_0:
		return layout{"Q8_0", 32, 34, 1, 1}
	case Q8_1:
		return layout{"Q8_1", 32, 36, 1, 0}
	case Q2_K:
		return layout{"Q2_K", 256, 84, 1, 0}
	case Q3_K:
		return layout{"Q3_K", 256, 110, 1, 0}
	case Q4_K:
		return layout{"Q4_K", 256, 144, 1, 1}
	case Q5_K:
		return layout{"Q5_K", 256, 176, 1, 0}
	case Q6_K:
		return layout{"Q6_K", 256, 210, 1, 1}
	case Q8_K:
		return layout{"Q8_K", 256, 292, 1, 0}
	case IQ1_S:
		return layout{"IQ1_S", 256, 50, 1, 0}
	case IQ1_M:
		return layout{"IQ1_M", 256, 56, 1, 0}
	case IQ2_XXS:
		return layout{"IQ2_XXS", 256, 66, 1, 0}
	case IQ2_XS:
		return layout{"IQ2_XS", 256, 74, 1, 0}
	case IQ2_S:
		return layout{"IQ2_S", 256, 82, 1, 0}
	case IQ3_XXS:
		return layout{"IQ3_XXS", 256, 98, 1, 0}
	case IQ3_S:
		return layout{"IQ3_S", 256, 110, 1, 0}
	case IQ4_NL:
		return layout{"IQ4_NL", 32, 18, 1, 0}
	case IQ4_XS:
		return layout{"IQ4_XS", 256, 136, 1, 0}
	case TQ1_0:
		return layout{"TQ1_0", 256, 54, 1, 0}
	case TQ2_0:
		return layout{"TQ2_0", 256, 66, 1, 0}
	case MXFP4:
		return layout{"MXFP4", 32, 17, 1, 0}
	}
	return layout{"bytes", 1, 1, 1, 0}
}

// String is the type's name as safetensors and GGUF have it.
func (t Type) String() string { return layoutOf(t).name }

// Block returns how many elements stand together, and in how many bytes.
func (t Type) Block() (elements, bytes int) {
	l := layoutOf(t)
	return l.block, l.size
}

// Width is the bytes of the numbers that it consists of: 1, 2, 4 or 8; 1 where they have not all one width.
func (t Type) Width() uint8 { return layoutOf(t).width }

// Numbers reports whether the elements can be read as numbers.
func (t Type) Numbers() bool { return layoutOf(t).parts > 0 }

// Named returns the type of a name as safetensors has it, Unknown where there is none.
func Named(name string) Type {
	for t := Bool; t <= C128; t++ {
		if layoutOf(t).name == name {
			return t
		}
	}
	return Unknown
}

// Count returns how many elements a shape has; ok is false if that is more than max, or a side is negative.
func Count(shape []int64, max int64) (n int64, ok bool) {
	for _, side := range shape {
		if side < 0 {
			return 0, false
		}
		if side == 0 {
			return 0, true
		}
	}
	n = 1
	for _, side := range shape {
		if n > max/side {
			return 0, false
		}
		n *= side
	}
	return n, true
}

// Bytes returns how many bytes a tensor of a shape takes; ok is false if that is more than max, or no whole number of
// blocks.
func (t Type) Bytes(shape []int64, max int64) (bytes int64, ok bool) {
	block, size := t.Block()
	n, ok := Count(shape, max/int64(size)*int64(block)+int64(block))
	if !ok || n%int64(block) != 0 || n/int64(block) > max/int64(size) {
		return 0, false
	}
	return n / int64(block) * int64(size), true
}
