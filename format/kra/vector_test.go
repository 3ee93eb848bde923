package kra

import (
	"bytes"
	"fmt"
	"testing"
)

// TestSteady: what a save moves a transform by makes no difference, what a person moves it by does.
func TestSteady(t *testing.T) {
	same := []string{"translate(19.3986, 38.16)", "matrix(0.999999968675825 0 0 0.999999968675825 19.3985993923549 38.1600132881847)", "matrix(0.999999937351651 0 0 0.999999937351651 19.3985987847098 38.160026576369)", "translate(9.3986,38.16) translate(10)"}
	for _, s := range same[1:] {
		if steady(s) != steady(same[0]) {
			t.Errorf("%s is %s, %s is %s", s, steady(s), same[0], steady(same[0]))
		}
	}
	for _, s := range []string{"translate(19.5186, 38.16)", "scale(1.001) translate(19.3986 38.16)", "rotate(0.1)translate(19.3986 38.16)", "matrix(0.999 0 0 1 19.3986 38.16)", ""} {
		if steady(s) == steady(same[0]) {
			t.Errorf("%q is the same as %q", s, same[0])
		}
	}
	// A thousand saves of numbers that people choose.
	for i := range 400 {
		x := float64(i) * 0.25
		if a, b := steady(fmt.Sprintf("translate(%v)", x)), steady(fmt.Sprintf("matrix(0.99997 0 0 0.99997 %v 0.0144)", x*0.99997)); a != b && x < 100 {
			t.Errorf("%v: %s and %s", x, a, b)
		}
	}
	for _, s := range []string{"skewX(3)", "matrix(1 2 3)", "translate(", "translate(x)", "matrix(1e300 0 0 1 0 0)"} {
		if steady(s) != s {
			t.Errorf("%q is %q", s, steady(s))
		}
	}
}

// TestUndated: when a profile was made makes no difference, what it says does.
func TestUndated(t *testing.T) {
	b := bytes.Repeat([]byte{7}, 300)
	for at := range b {
		c := bytes.Clone(b)
		c[at] ^= 1
		date := at >= 8 && at < 12 || at >= 24 && at < 36 || at >= 84 && at < 100
		if bytes.Equal(undated(b), undated(c)) != date {
			t.Errorf("byte %d", at)
		}
	}
}
