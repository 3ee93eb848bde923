package shape

import (
	"math"
	"strconv"
)

// powers of ten that a float64 holds exactly.
func power(n int) float64 {
	return [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22}[n]
}

// Number returns the number that b starts with, and its length; 0 if it starts with none. The number is that of
// strconv.ParseFloat; nan and inf are numbers.
func Number(b []byte) (v float64, n int) {
	i, negative := 0, false
	if i < len(b) && (b[i] == '-' || b[i] == '+') {
		negative = b[i] == '-'
		i++
	}
	mantissa, digits, exponent := uint64(0), 0, 0
	start := i
	for ; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
		mantissa, digits = mantissa*10+uint64(b[i]-'0'), digits+1
	}
	if i < len(b) && b[i] == '.' {
		point := i
		for i++; i < len(b) && b[i] >= '0' && b[i] <= '9'; i++ {
			mantissa, digits = mantissa*10+uint64(b[i]-'0'), digits+1
		}
		exponent = point + 1 - i
	}
	if digits == 0 {
		return special(b, start, negative)
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		if e, k := whole(b[i+1:]); k > 0 {
			exponent += e
			i += 1 + k
		}
	}
	if digits > 19 || mantissa > 1<<53 || exponent < -22 || exponent > 22 {
		v, _ = strconv.ParseFloat(string(b[:i]), 64) // too large is infinite
		return v, i
	}
	v = float64(mantissa)
	if exponent < 0 {
		v /= power(-exponent)
	} else {
		v *= power(exponent)
	}
	if negative {
		v = -v
	}
	return v, i
}

func special(b []byte, at int, negative bool) (float64, int) {
	if len(b) < at+3 {
		return 0, 0
	}
	switch string([]byte{b[at] | 0x20, b[at+1] | 0x20, b[at+2] | 0x20}) {
	case "nan":
		return math.NaN(), at + 3
	case "inf":
		if negative {
			return math.Inf(-1), at + 3
		}
		return math.Inf(1), at + 3
	}
	return 0, 0
}

// whole returns the whole number that b starts with, at most of 5 digits, and its length.
func whole(b []byte) (v, n int) {
	negative := false
	if n < len(b) && (b[n] == '-' || b[n] == '+') {
		negative = b[n] == '-'
		n++
	}
	start := n
	for ; n < len(b) && b[n] >= '0' && b[n] <= '9'; n++ {
		if v < 1e5 {
			v = v*10 + int(b[n]-'0')
		}
	}
	if n == start {
		return 0, 0
	}
	if negative {
		v = -v
	}
	return v, n
}

// Whole returns the whole number that b starts with, and its length; 0 if it starts with none, or with one of more than
// 18 digits.
func Whole(b []byte) (v int64, n int) {
	negative := false
	if n < len(b) && (b[n] == '-' || b[n] == '+') {
		negative = b[n] == '-'
		n++
	}
	start := n
	for ; n < len(b) && b[n] >= '0' && b[n] <= '9'; n++ {
		v = v*10 + int64(b[n]-'0')
	}
	if n == start || n-start > 18 {
		return 0, 0
	}
	if negative {
		v = -v
	}
	return v, n
}

// Space returns the length of the white space that b starts with, line ends included.
func Space(b []byte) int {
	i := 0
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// Numbers returns the numbers in b, which white space is between, at most max of them. ok is false if there is anything
// else, or more.
func Numbers(b []byte, max int) (out []float64, ok bool) {
	for {
		b = b[Space(b):]
		if len(b) == 0 {
			return out, true
		}
		v, n := Number(b)
		if n == 0 || len(out) == max {
			return out, false
		}
		out = append(out, v)
		b = b[n:]
	}
}
