package kra

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// affine is x' = a x + c y + e, y' = b x + d y + f.
type affine [6]float64

// then returns what t does after u.
func (t affine) then(u affine) affine {
	return affine{
		t[0]*u[0] + t[2]*u[1], t[1]*u[0] + t[3]*u[1],
		t[0]*u[2] + t[2]*u[3], t[1]*u[2] + t[3]*u[3],
		t[0]*u[4] + t[2]*u[5] + t[4], t[1]*u[4] + t[3]*u[5] + t[5],
	}
}

// steady returns what a transform of SVG does, in steps of a tenth of a point and a thousandth. Krita converts the
// transforms of all shapes between units at every opening and saving, which moves each by about a millionth; nobody moves
// a shape by less than a step. The steps lie so that numbers that people choose are in the midst of one.
func steady(transform string) string {
	t, ok := parseTransform(transform)
	if !ok {
		return transform
	}
	step := func(v, width float64) int64 { return int64(math.Floor(v/width + 0.5 + math.Pi/10)) }
	var out strings.Builder
	for i, v := range t {
		if math.IsNaN(v) || math.Abs(v) > 1e12 {
			return transform
		}
		fmt.Fprintf(&out, " %d", step(v, []float64{1e-3, 0.1}[i/4]))
	}
	return out.String()
}

func parseTransform(s string) (affine, bool) {
	t := affine{1, 0, 0, 1, 0, 0}
	for {
		s = strings.TrimLeft(s, " \t\r\n,")
		if s == "" {
			return t, true
		}
		name, rest, ok := strings.Cut(s, "(")
		list, after, closed := strings.Cut(rest, ")")
		if !ok || !closed {
			return t, false
		}
		var v []float64
		for _, f := range strings.FieldsFunc(list, func(r rune) bool { return strings.ContainsRune(" \t\r\n,", r) }) {
			n, err := strconv.ParseFloat(f, 64)
			if err != nil {
				return t, false
			}
			v = append(v, n)
		}
		u, ok := function(strings.TrimSpace(name), v)
		if !ok {
			return t, false
		}
		t, s = t.then(u), after
	}
}

// function is one of the functions of a transform.
func function(name string, v []float64) (affine, bool) {
	switch {
	case name == "matrix" && len(v) == 6:
		return affine(v), true
	case name == "translate" && len(v) == 1:
		return affine{1, 0, 0, 1, v[0], 0}, true
	case name == "translate" && len(v) == 2:
		return affine{1, 0, 0, 1, v[0], v[1]}, true
	case name == "scale" && len(v) == 1:
		return affine{v[0], 0, 0, v[0], 0, 0}, true
	case name == "scale" && len(v) == 2:
		return affine{v[0], 0, 0, v[1], 0, 0}, true
	case name == "rotate" && len(v) == 1:
		sin, cos := math.Sincos(v[0] * math.Pi / 180)
		return affine{cos, sin, -sin, cos, 0, 0}, true
	}
	return affine{}, false
}
