package raster

import (
	"cmp"
	"context"
	"fmt"
	"image"
	"math"
)

// Kinds of alignment.
const (
	AlignedSame   = "same"   // pixel on pixel, by the top left
	AlignedOffset = "offset" // moved: cropped, extended, scrolled
	AlignedTurned = "turned" // by right angles, or mirrored
	AlignedScaled = "scaled" // the larger picture was made smaller: numbers are of what that gave
	AlignedNone   = "none"   // sizes differ and nothing fits: by the top left, for want of better
)

// Alignment is how two pictures were laid on one another.
type Alignment struct {
	Kind        string
	Orientation int     // how the old picture was turned first, as of EXIF; 1: not
	DX, DY      int     // where the old picture's top left then lies in the new one
	Scale       float64 // new size by old size; 1 unless scaled
	Confidence  float64 // 0 to 1: of the pixels compared, the part that is equal or, where none are, how alike they are
	How         string  // what found it
}

// found is an alignment with what it is made of.
type found struct {
	Alignment
	pair    *pair
	exact   *exact // if it is known already
	notes   []string
	shrunk  float64     // how many times smaller the new picture was made
	newSize image.Point // before
}

// place lays a at dx, dy of b. nil if they do not meet.
func place(a, b *Image, dx, dy int) *pair {
	r := image.Rect(dx, dy, dx+a.Width, dy+a.Height).Intersect(image.Rect(0, 0, b.Width, b.Height))
	if r.Empty() {
		return nil
	}
	return &pair{a: a, b: b, ax: r.Min.X - dx, ay: r.Min.Y - dy, bx: r.Min.X, by: r.Min.Y, w: r.Dx(), h: r.Dy()}
}

func (p *pair) pixels() int { return p.w * p.h }

// outside counts the pixels of both pictures that are not compared.
func (p *pair) outside() int {
	return p.a.Width*p.a.Height + p.b.Width*p.b.Height - 2*p.pixels()
}

func (e *exact) changed() int { return e.colour + e.alphaOnly }

// aligner searches for how two pictures fit.
type aligner struct {
	ctx  context.Context
	a, b *Image
	o    Options
}

func align(ctx context.Context, a, b *Image, o Options) (*found, error) {
	s := &aligner{ctx, a, b, o}
	switch {
	case o.Align == AlignOffset:
		p := place(a, b, o.Offset.X, o.Offset.Y)
		if p == nil {
			return nil, fmt.Errorf("%w: at an offset of %v the pictures do not meet", ErrSize, o.Offset)
		}
		f := &found{pair: p, Alignment: Alignment{Kind: AlignedOffset, DX: o.Offset.X, DY: o.Offset.Y, How: "as asked"}}
		if o.Offset == (image.Point{}) {
			f.Kind = AlignedSame
		}
		return s.finish(f)
	case o.Align == AlignTopLeft:
		return s.finish(&found{pair: place(a, b, 0, 0), Alignment: Alignment{Kind: AlignedSame, How: "as asked"}})
	case a.Width == b.Width && a.Height == b.Height:
		return s.sameSize()
	}
	return s.otherSize()
}

// finish fills in the exact comparison and what follows from it.
func (s *aligner) finish(f *found) (*found, error) {
	var err error
	if f.exact == nil {
		if f.exact, err = f.pair.exact(s.ctx, s.o.Workers); err != nil {
			return nil, err
		}
	}
	if f.Orientation == 0 {
		f.Orientation = 1
	}
	if f.Scale == 0 {
		f.Scale = 1
	}
	if f.Confidence == 0 {
		f.Confidence = 1 - float64(f.exact.changed())/float64(f.pair.pixels())
	}
	return f, nil
}

// sameSize: pictures of one size lie on one another, unless so much is other that they may have been moved or turned,
// and then far less is.
func (s *aligner) sameSize() (*found, error) {
	plain, err := s.finish(&found{pair: place(s.a, s.b, 0, 0), Alignment: Alignment{Kind: AlignedSame, How: "same size"}})
	if err != nil {
		return nil, err
	}
	changed, all := plain.exact.changed(), plain.pair.pixels()
	if changed < 64 || changed < all/256 {
		return plain, nil
	}
	better := func(f *found, err error) (bool, error) {
		if err != nil || f == nil {
			return false, err
		}
		return f.exact.changed()+f.pair.outside()/2 <= changed/2, nil
	}
	f, err := s.vote(plain.exact.differ)
	if ok, err := better(f, err); ok || err != nil {
		return f, err
	}
	// Everything may be other by a little, as after lossy compression. If it is by much, it may have been turned, or moved
	// and compressed.
	if changed < all/4 || plain.pair.view().roughly() > 0.9 {
		return plain, nil
	}
	turns := []int{2, 3, 4}
	if s.a.Width == s.a.Height {
		turns = append(turns, 5, 6, 7, 8)
	}
	f, err = s.turned(turns)
	if ok, err := better(f, err); ok || err != nil {
		return f, err
	}
	la, lb := lumaOf(s.a), lumaOf(s.b)
	if before := alikeness(la, lb, 0, 0); before < 0.8 {
		if dx, dy, now := shift(la, lb, 0.5); now > before+0.15 && now > 0.85 {
			return s.finish(&found{pair: place(s.a, s.b, dx, dy), Alignment: Alignment{Kind: AlignedOffset, DX: dx, DY: dy, Confidence: now, How: "phase correlation"}})
		}
	}
	return plain, nil
}

// otherSize: of all ways the first that fits.
func (s *aligner) otherSize() (*found, error) {
	f, err := s.vote(nil)
	if err != nil || f != nil && f.exact.changed() <= f.pair.pixels()/2 {
		return f, err
	}
	a, b := s.a, s.b
	if a.Width == b.Height && a.Height == b.Width {
		if f, err = s.turned([]int{5, 6, 7, 8}); err != nil || f != nil {
			return f, err
		}
	}
	made := s.scaled()
	if made != nil && made.Confidence > 0.9 {
		return s.finish(made)
	}
	la, lb := lumaOf(a), lumaOf(b)
	if dx, dy, alike := shift(la, lb, 0.25); alike > 0.85 {
		return s.finish(&found{pair: place(a, b, dx, dy), Alignment: Alignment{Kind: AlignedOffset, DX: dx, DY: dy, Confidence: alike, How: "phase correlation"}})
	}
	if made != nil {
		return s.finish(made)
	}
	f, err = s.finish(&found{pair: place(a, b, 0, 0), Alignment: Alignment{Kind: AlignedNone, How: "nothing fits"}})
	if err == nil {
		f.Confidence = 0
		f.notes = append(f.notes, fmt.Sprintf("%d×%d and %d×%d do not fit on one another: compared from the top left", a.Width, a.Height, b.Width, b.Height))
	}
	return f, err
}

// turned returns the best of some orientations, nil if none is like the new picture.
func (s *aligner) turned(turns []int) (*found, error) {
	const small = 64
	thumb := func(p *Image) plane { return lumaOf(p.Scale(small)) }
	b := thumb(s.b)
	best, alike := 0, 0.0
	reduced := s.a.Scale(small)
	for _, o := range turns {
		t := lumaOf(reduced.Orient(o))
		if t.w != b.w || t.h != b.h {
			continue
		}
		if v := alikeness(t, b, 0, 0); v > alike {
			best, alike = o, v
		}
	}
	if alike < 0.9 {
		return nil, nil
	}
	return s.finish(&found{pair: place(s.a.Orient(best), s.b, 0, 0), Alignment: Alignment{Kind: AlignedTurned, Orientation: best, How: "small copies, turned"}})
}

// scaled returns the pair with the larger picture made as small as the other, nil if their shapes differ.
func (s *aligner) scaled() *found {
	a, b := s.a, s.b
	big, small := a, b
	if a.Width < b.Width {
		big, small = b, a
	}
	if small.Height > big.Height || small.Width == big.Width || small.Height == big.Height {
		return nil
	}
	// The height that the ratio of widths gives, to within the rounding of both.
	k := float64(big.Width) / float64(small.Width)
	if math.Abs(float64(big.Height)/k-float64(small.Height)) > 1.01*max(1, float64(big.Height)/float64(big.Width)) {
		return nil
	}
	made := big.box(small.Width, small.Height)
	alike := max(alikeness(lumaOf(made), lumaOf(small), 0, 0), 0.01)
	f := &found{Alignment: Alignment{Kind: AlignedScaled, Scale: 1 / k, Confidence: alike, How: "equal shape"}}
	f.notes = append(f.notes, fmt.Sprintf("%d×%d was made %d×%d to be compared: numbers are of that", big.Width, big.Height, small.Width, small.Height))
	if big == b {
		f.Scale, f.shrunk, f.newSize = k, k, image.Pt(b.Width, b.Height)
		f.pair = place(a, made, 0, 0)
	} else {
		f.pair = place(made, b, 0, 0)
	}
	return f
}

// vote searches for places of the old picture in the new one: for short pieces of rows that are there again, each of
// which has a vote for an offset. With a mask, pieces are taken from what is set there. nil if none is found.
func (s *aligner) vote(differ *mask) (*found, error) {
	v, err := s.election(differ)
	if v == nil {
		return nil, err
	}
	var best *found
	for _, at := range v.top(3) {
		if differ != nil && at == (image.Point{}) || v.votes[at] < max(4, len(v.pieces)/16) {
			continue
		}
		p := place(s.a, s.b, at.X, at.Y)
		if p == nil || p.pixels() < min(s.a.Width*s.a.Height, s.b.Width*s.b.Height)/16 {
			continue
		}
		f, err := s.finish(&found{pair: p, Alignment: Alignment{Kind: AlignedOffset, DX: at.X, DY: at.Y, How: "pieces of rows found again"}})
		if err != nil {
			return nil, err
		}
		score := func(f *found) int { return f.exact.changed() + f.pair.outside()/2 }
		if best == nil || cmp.Less(score(f), score(best)) {
			best = f
		}
	}
	return best, nil
}

// election gathers the votes, nil if the old picture has hardly anything to vote.
func (s *aligner) election(differ *mask) (*voter, error) {
	length := min(16, s.a.Width, s.b.Width)
	if length < 4 {
		return nil, nil
	}
	v := &voter{a: s.a, b: s.b, length: length, pieces: map[uint64][]image.Point{}, votes: map[image.Point]int{}}
	v.power = 1
	for range length - 1 {
		v.power *= rolling
	}
	v.gather(differ)
	if len(v.pieces) < 4 {
		return nil, nil
	}
	if err := v.search(s.ctx, differ); err != nil {
		return nil, err
	}
	return v, nil
}
