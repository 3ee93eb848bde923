package raster

import (
	"context"
	"math"
)

// flipDensity is how many pixels an eye has in a degree: of a display 0.7 m wide with 3840 pixels, from 0.7 m.
const flipDensity = 0.7 * 3840 / 0.7 * math.Pi / 180

// flipReach is how far a pixel that differs is felt, in pixels: the radius of the widest filter.
const flipReach = 10

// flipper computes FLIP (Andersson et al. 2020), the error that an eye sees when it flips between two pictures at some
// distance: colours are blurred as eyes do, and differ by distance in an even space; edges and points count more.
type flipper struct {
	y, rg       []float32    // halves of the bells that lightness and red-green are seen through
	by          [2][]float32 // of blue-yellow: two bells
	byPart      [2]float32   // their shares
	bell        []float32    // of edges and points
	edge, point []float32    // its first and second derivative
	hyabMost    float64      // the largest distance of colours, green to blue
	toRGB       [9]float32   // from X, Y, Z in units of white
	fromRGB     [9]float32
}

func newFlipper() *flipper {
	f := &flipper{}
	sight := func(b float64, radius int) []float32 { // of contrast sensitivity
		return gaussian(math.Sqrt(b/(2*math.Pi*math.Pi))*flipDensity, radius)
	}
	f.y, f.rg = sight(0.0047, 6), sight(0.0053, 6)
	total := 0.0
	var part [2]float64
	for i, c := range [2][2]float64{{34.1, 0.04}, {13.5, 0.025}} {
		f.by[i] = sight(c[1], flipReach)
		sum := 1 / float64(f.by[i][0]) // of the bell whose middle is 1
		part[i] = c[0] * math.Sqrt(math.Pi/c[1]) * sum * sum
		total += part[i]
	}
	f.byPart = [2]float32{float32(part[0] / total), float32(part[1] / total)}

	const radius = 9
	deviation := 0.5 * 0.082 * flipDensity
	f.bell = gaussian(deviation, radius)
	f.edge, f.point = make([]float32, radius+1), make([]float32, radius+1)
	var rise, up, down float64
	for i := range radius + 1 {
		g := float64(f.bell[i])
		rise += float64(i) * g
		second := (float64(i*i)/(deviation*deviation) - 1) * g
		twice := 2.0
		if i == 0 {
			twice = 1
		}
		if second > 0 {
			up += twice * second
		} else {
			down -= twice * second
		}
		f.edge[i], f.point[i] = float32(float64(i)*g), float32(second)
	}
	for i := range radius + 1 {
		f.edge[i] /= float32(rise)
		if f.point[i] > 0 {
			f.point[i] /= float32(up)
		} else {
			f.point[i] /= float32(down)
		}
	}
	m := [9]float64{0.4123908, 0.3575843, 0.1804808, 0.2126390, 0.7151687, 0.0721923, 0.0193308, 0.1191948, 0.9505322}
	for i := range 3 {
		sum := m[3*i] + m[3*i+1] + m[3*i+2]
		for k := range 3 {
			m[3*i+k] /= sum
			f.fromRGB[3*i+k] = float32(m[3*i+k])
		}
	}
	f.toRGB = invert32(m)
	lg, lb := f.lab(0, 1, 0), f.lab(0, 0, 1)
	f.hyabMost = math.Pow(hyab(lg, lb), 0.7)
	return f
}

func invert32(m [9]float64) (out [9]float32) {
	minor := func(i, j int) float64 {
		a, b, c, d := (i+1)%3, (i+2)%3, (j+1)%3, (j+2)%3
		return m[3*a+c]*m[3*b+d] - m[3*a+d]*m[3*b+c]
	}
	det := m[0]*minor(0, 0) + m[1]*minor(0, 1) + m[2]*minor(0, 2)
	for i := range 9 {
		out[i] = float32(minor(i%3, i/3) / det)
	}
	return out
}

// lab is CIE L*a*b* of linear light, with a* and b* less in the dark, as Hunt found.
func (f *flipper) lab(r, g, b float32) [3]float32 {
	m := &f.fromRGB
	x, y, z := cubic(m[0]*r+m[1]*g+m[2]*b), cubic(m[3]*r+m[4]*g+m[5]*b), cubic(m[6]*r+m[7]*g+m[8]*b)
	L := 116*y - 16
	return [3]float32{L, 0.01 * L * 500 * (x - y), 0.01 * L * 200 * (y - z)}
}

// cubic is the cube root, and near 0 the line, of L*a*b*.
func cubic(t float32) float32 {
	if t <= 216.0/24389 {
		return t*(841.0/108) + 4.0/29
	}
	// A guess by the exponent, made exact by Newton.
	v := math.Float32frombits(math.Float32bits(t)/3 + 709921077)
	for range 3 {
		v -= (v - t/(v*v)) * (1.0 / 3)
	}
	return v
}

func hyab(a, b [3]float32) float64 {
	da, db := float64(a[1]-b[1]), float64(a[2]-b[2])
	return math.Abs(float64(a[0]-b[0])) + math.Sqrt(da*da+db*db)
}

// Flip is what FLIP says of a pair.
type Flip struct {
	Mean    float64 // over the overlap, 0 to 1; pixels that are far from all changes have 0
	Pixels  int     // for which it was computed
	Sampled bool    // these are not all that may have an error: the mean is an estimate
}

// flip computes the mean of FLIP. If budget is not 0, of about as many pixels at most, in tiles that are drawn evenly.
// What the others would have added is then told from how the colours of some of their pixels differ, seen sharply: the
// tiles that were drawn tell how much of that FLIP is.
func (v *view) flip(ctx context.Context, seen *mask, workers, budget int) (Flip, error) {
	list := seen.near(flipReach)
	all := 0
	for _, t := range list {
		all += t.pixels()
	}
	if all == 0 {
		return Flip{}, nil
	}
	f := newFlipper()
	out := Flip{Sampled: budget > 0 && all > budget}
	sharp := 0.0
	if out.Sampled {
		var err error
		if sharp, err = f.sharpness(ctx, v, list, workers); err != nil {
			return out, err
		}
		list = drawTiles(list, budget, all)
	}
	parts, guesses := make([]float64, len(list)), make([]float64, len(list))
	err := eachTile(ctx, workers, list, func(i int, t tile) {
		for _, e := range f.tile(v, t) {
			parts[i] += float64(e)
		}
		if out.Sampled {
			guesses[i] = f.sharp(v, t)
		}
	})
	for _, t := range list {
		out.Pixels += t.pixels()
	}
	sum, drawn := total(parts), total(guesses)
	if out.Sampled && drawn > 0 {
		sum *= sharp / drawn
	}
	out.Mean = min(sum/float64(v.w)/float64(v.h), 1)
	return out, err
}

// sharpness is the sum of sharp over tiles.
func (f *flipper) sharpness(ctx context.Context, v *view, list []tile, workers int) (sum float64, err error) {
	parts := make([]float64, len(list))
	err = eachTile(ctx, workers, list, func(i int, t tile) { parts[i] = f.sharp(v, t) })
	return total(parts), err
}

// sharp is about the sum of how much the colours of a tile's pixels differ without being blurred: of every eighth pixel
// both ways.
func (f *flipper) sharp(v *view, t tile) float64 {
	const step = 8
	var rgb [2][3 * tileSize]float32
	var alpha [tileSize]float32
	sum, n := 0.0, 0
	for y := t.y0 + (t.y1-t.y0)%step/2; y < t.y1; y += step {
		for side := range rgb {
			v.light(side, y, t.x0, t.x1, rgb[side][:], alpha[:])
		}
		for x := y / step % step; x < t.x1-t.x0; x += step {
			var lab [2][3]float32
			for side := range lab {
				px := rgb[side][3*x : 3*x+3]
				lab[side] = f.lab(unit(px[0]), unit(px[1]), unit(px[2]))
			}
			sum += f.colourError(lab[0], lab[1])
			n++
		}
	}
	return sum / float64(max(n, 1)) * float64(t.pixels())
}

// drawTiles takes tiles of about so many pixels of all: of each part of the list one, by turns of a fixed sequence.
func drawTiles(list []tile, budget, all int) []tile {
	n := max(1, int(int64(len(list))*int64(budget)/int64(all)))
	out := make([]tile, 0, n)
	turn := sequence(1)
	for i := range n {
		from, to := i*len(list)/n, (i+1)*len(list)/n
		out = append(out, list[from+turn.below(to-from)])
	}
	return out
}

// sequence is numbers that look drawn and are the same each time.
type sequence uint64

func (s *sequence) below(n int) int {
	*s = *s*6364136223846793005 + 1442695040888963407
	return int(uint64(*s) >> 33 % uint64(max(n, 1)))
}

// tile returns the errors of the pixels of a tile.
func (f *flipper) tile(v *view, t tile) []float32 {
	w, h := t.x1-t.x0, t.y1-t.y0
	var colour [2][3]plane
	var edges, points [2][2]plane
	for side := range 2 {
		y, cx, cz := f.gather(v, side, t)
		colour[side] = [3]plane{
			y.inner(4).across(f.y, 6, 1).down(f.y, 6, 1),
			cx.inner(4).across(f.rg, 6, 1).down(f.rg, 6, 1),
			f.blueYellow(cz),
		}
		in := y.inner(1)
		bell, edge, point := in.across(f.bell, 9, 1), in.across(f.edge, 9, -1), in.across(f.point, 9, 1)
		edges[side] = [2]plane{edge.down(f.bell, 9, 1), bell.down(f.edge, 9, -1)}
		points[side] = [2]plane{point.down(f.bell, 9, 1), bell.down(f.point, 9, 1)}
	}
	out := make([]float32, w*h)
	for i := range out {
		e := f.colourError(f.seen(&colour[0], i), f.seen(&colour[1], i))
		length := func(p *[2]plane) float64 {
			x, y := float64(p[0].v[i]), float64(p[1].v[i])
			return math.Sqrt(x*x + y*y)
		}
		de := math.Abs(length(&edges[0]) - length(&edges[1]))
		dp := math.Abs(length(&points[0]) - length(&points[1]))
		feature := math.Sqrt(max(de, dp) / math.Sqrt2)
		if e > 0 {
			out[i] = float32(math.Pow(e, 1-min(feature, 1)))
		}
	}
	return out
}

// gather returns Y, X - Y and Y - Z, white being 1, of a tile with what is in reach around it. Beyond the edge of the
// overlap its last pixels go on.
func (f *flipper) gather(v *view, side int, t tile) (y, cx, cz plane) {
	w, h := t.x1-t.x0+2*flipReach, t.y1-t.y0+2*flipReach
	y, cx, cz = newPlane(w, h), newPlane(w, h), newPlane(w, h)
	x0, x1 := max(t.x0-flipReach, 0), min(t.x1+flipReach, v.w)
	left := x0 - (t.x0 - flipReach)
	r := newRoom(x1 - x0)
	m := &f.fromRGB
	for row := range h {
		at := min(max(t.y0-flipReach+row, 0), v.h-1)
		v.light(side, at, x0, x1, r.rgb, r.alpha)
		ry, rx, rz := y.row(row), cx.row(row), cz.row(row)
		for i := range x1 - x0 {
			R, G, B := unit(r.rgb[3*i]), unit(r.rgb[3*i+1]), unit(r.rgb[3*i+2])
			Y := m[3]*R + m[4]*G + m[5]*B
			ry[left+i], rx[left+i], rz[left+i] = Y, m[0]*R+m[1]*G+m[2]*B-Y, Y-(m[6]*R+m[7]*G+m[8]*B)
		}
		for _, p := range [3][]float32{ry, rx, rz} {
			for i := range left {
				p[i] = p[left]
			}
			for i := left + x1 - x0; i < w; i++ {
				p[i] = p[left+x1-x0-1]
			}
		}
	}
	return y, cx, cz
}

func unit(v float32) float32 { return min(max(v, 0), 1) }

// inner returns the plane without a rim.
func (p plane) inner(rim int) plane {
	out := newPlane(p.w-2*rim, p.h-2*rim)
	for y := range out.h {
		copy(out.row(y), p.row(y + rim)[rim:])
	}
	return out
}

func (f *flipper) blueYellow(p plane) plane {
	a := p.across(f.by[0], flipReach, 1).down(f.by[0], flipReach, 1)
	b := p.across(f.by[1], flipReach, 1).down(f.by[1], flipReach, 1)
	for i := range a.v {
		a.v[i] = a.v[i]*f.byPart[0] + b.v[i]*f.byPart[1]
	}
	return a
}

// seen is the colour that is seen at a pixel.
func (f *flipper) seen(p *[3]plane, i int) [3]float32 {
	y := p[0].v[i]
	x, z := p[1].v[i]+y, y-p[2].v[i]
	m := &f.toRGB
	return f.lab(unit(m[0]*x+m[1]*y+m[2]*z), unit(m[3]*x+m[4]*y+m[5]*z), unit(m[6]*x+m[7]*y+m[8]*z))
}

// colourError is the distance of two colours, 0 to 1: from 0 to 0.95 for what is below 0.4 of the largest.
func (f *flipper) colourError(a, b [3]float32) float64 {
	d := hyab(a, b)
	if d == 0 {
		return 0
	}
	const part, goal = 0.4, 0.95
	e, knee := math.Pow(d, 0.7), part*f.hyabMost
	if e < knee {
		return goal / knee * e
	}
	return min(goal+(e-knee)/(f.hyabMost-knee)*(1-goal), 1)
}
