package creative

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"varve/format"
)

// el writes an element as "id stable parent name pixels opacity"; "-" is none.
func el(text string) format.Element {
	w := strings.Fields(strings.ReplaceAll(text, "-", "\x00"))
	for i := range w {
		w[i] = strings.Trim(w[i], "\x00")
	}
	return format.Element{ID: w[0], Stable: w[1], Parent: w[2], Kind: "layer", Name: w[3],
		Aspects: map[string]string{"pixels": w[4]}, Properties: map[string]string{"opacity": w[5]}}
}

func els(lines ...string) (out []format.Element) {
	for _, l := range lines {
		out = append(out, el(l))
	}
	return out
}

func (c ElementChange) String() string {
	text := c.Change + " " + c.Element().Name
	if len(c.Aspects)+len(c.Properties) > 0 {
		text += fmt.Sprint(" ", slices.Concat(c.Aspects, c.Properties))
	}
	if c.Renamed && c.Change != "renamed" {
		text += " renamed"
	}
	if c.Moved && c.Change != "moved" {
		text += " moved"
	}
	return text
}

func TestCompare(t *testing.T) {
	base := []string{"1 a - Ink p1 100", "2 b - Paint p2 100", "3 c - Sky p3 100"}
	for _, c := range []struct {
		name     string
		old, new []format.Element
		want     []string
	}{
		{"nothing", els(base...), els(base...), nil},
		{"renumbered", els(base...), els("7 a - Ink p1 100", "8 b - Paint p2 100", "9 c - Sky p3 100"), nil},
		{"repainted", els(base...), els("1 a - Ink p9 100", base[1], base[2]), []string{"changed Ink [pixels]"}},
		{"paled and renamed", els(base...), els("1 a - Lines p1 50", base[1], base[2]), []string{"changed Lines [opacity] renamed"}},
		{"renamed", els(base...), els("1 a - Lines p1 100", base[1], base[2]), []string{"renamed Lines"}},
		{"removed", els(base...), els(base[0], base[2]), []string{"removed Paint"}},
		{"added", els(base...), els(base[0], "4 d - New p4 100", base[1], base[2]), []string{"added New"}},
		{"one moved to the end", els(base...), els(base[1], base[2], base[0]), []string{"moved Ink"}},
		{"moved into a group", els(base...), els("9 g - Group x 100", "1 a 9 Ink p1 100", base[1], base[2]), []string{"added Group", "moved Ink"}},
		{"the group is renumbered", els("9 g - Group x 100", "1 a 9 Ink p1 100"), els("5 g - Group x 100", "1 a 5 Ink p1 100"), nil},
		{"no stable ids, renumbered", els("1 - - Ink p1 100", "2 - - Paint p2 100"), els("2 - - Ink p1 100", "1 - - Paint p2 100"), []string{"moved Ink"}},
		{"no stable ids, renamed", els("1 - - Ink p1 100", "2 - - Paint p2 100"), els("1 - - Lines p1 100", "2 - - Paint p2 100"), []string{"renamed Lines"}},
		{"another of the same name", els(base...), els("1 z - Ink p1 100", base[1], base[2]), []string{"added Ink", "removed Ink"}},
		{"same names, no stable ids", els("1 - - L p1 100", "2 - - L p2 100"), els("1 - - L p1 100", "2 - - L p7 100"), []string{"changed L [pixels]"}},
	} {
		var got []string
		for _, x := range Compare(c.old, c.new) {
			got = append(got, x.String())
		}
		want := c.want
		if c.name == "no stable ids, renumbered" { // either may be said to have moved
			if len(got) > 1 {
				t.Errorf("%s: %q", c.name, got)
			}
			continue
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", c.name, got, want)
		}
	}
}

func TestLongestRising(t *testing.T) {
	for _, c := range []struct {
		a    []int
		want int
	}{{nil, 0}, {[]int{1}, 1}, {[]int{3, 2, 1}, 1}, {[]int{1, 2, 3}, 3}, {[]int{2, 5, 3, 7, 11, 8, 10, 13, 6}, 6}} {
		n, last := 0, -1
		for i, in := range longestRising(c.a) {
			if in {
				if c.a[i] < last {
					t.Errorf("%v does not rise", c.a)
				}
				n, last = n+1, c.a[i]
			}
		}
		if n != c.want {
			t.Errorf("%v: %d, want %d", c.a, n, c.want)
		}
	}
}
