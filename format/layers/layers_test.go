package layers

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/raster"
	"varve/format/xmlspan"
)

// tree parses a document of <s k="key" v="value"> in one another.
func tree(t testing.TB, text string) Tree {
	t.Helper()
	x, err := xmlspan.Parse([]byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	top := &Layer{Node: x.Root, Doc: x}
	read(x, top)
	return Tree{Doc: x, Top: top}
}

func read(x *xmlspan.Document, up *Layer) {
	for _, n := range up.Node.Kids {
		l := &Layer{Node: n, Doc: x, Up: up, Key: x.Get(n, "k"), Name: x.Get(n, "k"), Kind: n.Name}
		up.Kids = append(up.Kids, l)
		read(x, l)
	}
}

func graft(t testing.TB, into, from Tree) *Graft {
	t.Helper()
	value := func(l *Layer) string { return l.Doc.Get(l.Node, "v") }
	same := func(a, b *Layer) (bool, error) { return value(a) == value(b), nil }
	return New(into, from, same, func(s *Spot) []byte { return s.Doc.Text[s.Start:s.Node.In] })
}

// random makes a document in which each of some keys is at most once.
func random(r *rand.Rand, keys int) string {
	left := r.Perm(keys)[:r.IntN(keys+1)]
	var in func(depth int) string
	in = func(depth int) string {
		var b strings.Builder
		for len(left) > 0 && r.IntN(3) > 0 {
			k := left[0]
			left = left[1:]
			tag := fmt.Sprintf("\n%*s<s k=\"%d\" v=\"%d\"", depth, "", k, r.IntN(2))
			inner := ""
			if depth < 4 {
				inner = in(depth + 1)
			}
			if inner == "" && r.IntN(2) == 0 {
				b.WriteString(tag + " />")
			} else {
				b.WriteString(tag + ">" + inner + "<!-- kept -->\n</s>")
			}
		}
		return b.String()
	}
	return "<?xml version='1.0'?><top>" + in(0) + "\n</top>\n"
}

type fact struct{ value, in string }

func facts(tr Tree) map[string]fact {
	out := map[string]fact{}
	tr.Top.Walk(func(l *Layer) { out[l.Key] = fact{l.Doc.Get(l.Node, "v"), l.Up.Key} })
	return out
}

// TestRandom: whatever is put into whatever: it has the value that it had, what is in it is, all else has the value and
// the place that it has, and nothing is there twice.
func TestRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	done := 0
	for range 4000 {
		a, b := random(r, 8), random(r, 8)
		into, from := tree(t, a), tree(t, b)
		var all []*Layer
		from.Top.Walk(func(l *Layer) { all = append(all, l) })
		if len(all) == 0 {
			continue
		}
		chosen := all[r.IntN(len(all))]
		g := graft(t, into, from)
		err := g.Put([]*Layer{chosen})
		if refusal := (*format.Refusal)(nil); errors.As(err, &refusal) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := g.Text()
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		done++
		before, old, after := facts(into), facts(from), facts(tree(t, string(text)))
		count := 0
		tree(t, string(text)).Top.Walk(func(*Layer) { count++ })
		if count != len(after) {
			t.Fatalf("something is there twice:\n%s\ninto\n%s\n%s", b, a, text)
		}
		came := map[string]bool{chosen.Key: true}
		chosen.Walk(func(l *Layer) { came[l.Key] = true })
		for k := range came {
			if after[k].value != old[k].value || k != chosen.Key && after[k].in != old[k].in {
				t.Fatalf("%s is %v, was %v:\n%s\ninto\n%s\n%s", k, after[k], old[k], b, a, text)
			}
		}
		for k, f := range before {
			if !came[k] && after[k] != f {
				t.Fatalf("%s is %v, was %v:\n%s\ninto\n%s\n%s", k, after[k], f, b, a, text)
			}
		}
		if !g.Touched() && string(text) != a {
			t.Fatalf("nothing is touched, and the text is another:\n%s\n%s", a, text)
		}
		if strings.Count(string(text), "kept") < strings.Count(a, "kept") && !g.Touched() {
			t.Fatal("a comment is gone")
		}
	}
	if done < 1000 {
		t.Errorf("only %d were not refused", done)
	}
}

// TestItself: all of a document into itself changes nothing.
func TestItself(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		a := random(r, 12)
		into, from := tree(t, a), tree(t, a)
		g := graft(t, into, from)
		if err := g.Put(from.Top.Kids); err != nil || g.Touched() {
			t.Fatalf("touched: %v", err)
		}
		if text, err := g.Text(); err != nil || string(text) != a {
			t.Fatalf("%v: %s", err, text)
		}
	}
}

// TestNeighbours: the place is that beside what it was beside.
func TestNeighbours(t *testing.T) {
	names := func(text []byte) (out []string) {
		tree(t, string(text)).Top.Walk(func(l *Layer) { out = append(out, l.Key) })
		return out
	}
	doc := func(keys string) string {
		out := "<top>"
		for _, k := range strings.Fields(keys) {
			out += fmt.Sprintf("<s k=%q v=\"1\"/>", k)
		}
		return out + "</top>"
	}
	for _, c := range []struct{ from, into, key, want string }{
		{"a b c", "a c", "b", "a b c"},
		{"a b c", "c a", "b", "c a b"},
		{"a b c", "x c", "b", "x b c"},
		{"a b c", "x y", "b", "b x y"},
		{"a b c", "", "b", "b"},
		{"a b c", "a x", "c", "a c x"},
		{"a a b", "a a", "b", "a a b"},
	} {
		from := tree(t, doc(c.from))
		g := graft(t, tree(t, doc(c.into)), from)
		i := slices.IndexFunc(from.Top.Kids, func(l *Layer) bool { return l.Key == c.key })
		if err := g.Put(from.Top.Kids[i : i+1]); err != nil {
			t.Fatal(err)
		}
		text, err := g.Text()
		if got := strings.Join(names(text), " "); got != c.want || err != nil {
			t.Errorf("%s of %q into %q: %q, want %q: %v", c.key, c.from, c.into, got, c.want, err)
		}
	}
	from := tree(t, doc("a a"))
	var refusal *format.Refusal
	if err := graft(t, tree(t, doc("a")), from).Put(from.Top.Kids[:1]); !errors.As(err, &refusal) {
		t.Errorf("one of two into one: %v", err)
	}
}

// TestOver compares with the standard library, which rounds to fewer bits.
func TestOver(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 200 {
		below, above := noise(r, 9, 7), noise(r, 5, 6)
		x, y, opacity := r.IntN(12)-4, r.IntN(12)-4, r.IntN(256)
		want := image.NewNRGBA64(below.Rect)
		draw.Draw(want, want.Rect, below, image.Point{}, draw.Src)
		mask := image.NewUniform(color.Alpha{uint8(opacity)})
		draw.DrawMask(want, above.Rect.Add(image.Pt(x, y)), above, image.Point{}, mask, image.Point{}, draw.Over)
		p, err := raster.FromImage(below)
		if err != nil {
			t.Fatal(err)
		}
		q, err := raster.FromImage(above)
		if err != nil {
			t.Fatal(err)
		}
		Over(p, q, x, y, opacity)
		for i := range 9 * 7 {
			w, got := want.NRGBA64At(i%9, i/9), p.U8[4*i:4*i+4]
			for c, v := range []uint16{w.R, w.G, w.B, w.A} {
				near := 2.0
				if c < 3 {
					near += 400 / (float64(w.A>>8) + 1) // little alpha leaves little of a colour
				}
				if d := float64(v)/257 - float64(got[c]); d > near || d < -near {
					t.Fatalf("pixel %d: %v, want %v", i, got, w)
				}
			}
		}
	}
}

func noise(r *rand.Rand, w, h int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = uint8(r.Uint32())
		if i%4 == 3 && r.IntN(3) == 0 {
			m.Pix[i] = uint8(r.IntN(2) * 255)
		}
	}
	return m
}
