package raster

import (
	"context"
	"fmt"
	"image"
	"math"
	"slices"
)

// Options say how pictures are compared. The zero value is good: all of it has a default.
type Options struct {
	Align     Align
	Offset    image.Point // where the old picture's top left lies in the new one, with AlignOffset
	Threshold float64     // of Visible, 0 to 1; 0: 0.1, which is that of pixelmatch
	Gap       int         // pixels that changed and lie no further apart than so many others are one region; 0: 2; less: none
	MinArea   int         // regions with fewer changed pixels are counted, and not listed
	Regions   int         // that are listed; 0: 256
	Whole     bool        // nothing is sampled: ΔE and FLIP of all pixels that changed. Slow where that is much
	Gaussian  bool        // SSIM is computed in the way of its authors too. Slow
	Workers   int         // goroutines that compare at once; 0: one
}

// Align says how pictures are laid on one another.
type Align uint8

const (
	AlignAuto    Align = iota // as they fit best, which is searched for where they do not fit as they are
	AlignTopLeft              // by their top left pixels
	AlignOffset               // by Options.Offset
)

// Verdict is what a comparison comes to.
type Verdict string

const (
	Identical       Verdict = "identical"                           // every sample, and what the profile means
	HiddenChanged   Verdict = "only hidden colour changed"          // of pixels that are fully transparent
	ProfileChanged  Verdict = "profile changed, numbers equal"      // so it looks otherwise
	AppearanceEqual Verdict = "numbers changed, appearance equal"   // ΔE is below 1 wherever it was computed, and no pixel is Visible
	AlphaChanged    Verdict = "only alpha changed"                  // of pixels that are seen in one at least
	SizeChanged     Verdict = "size changed, what is in both equal" // cropped, extended, moved
	Changed         Verdict = "changed"
)

// Channel is what one channel of the pixels in both pictures differs in. Values are those of the samples: of 8 bits 0 to
// 255.
type Channel struct {
	Name    string // R G B, gray, C M Y K, L a b, alpha
	Changed int    // pixels
	Max     float64
	Mean    float64 // of the absolute difference, over the whole overlap
}

// Delta is by how much colours differ: CIEDE2000.
type Delta struct {
	Mean, P95, Max float64 // P95 to within 0.001
	Pixels         int     // of which it was computed
	Sampled        bool    // these were drawn evenly of more
	All            bool    // they are of the whole overlap, for what the numbers mean changed; false: of the changed pixels
}

// Profiles are what is said of colours besides their numbers.
type Profiles struct {
	Old, New string // the name of each; "" where there is none, which is taken as sRGB
	Changed  bool   // their bytes differ
	Same     bool   // they mean the same colours
	Followed bool   // appearance is by both of them; false: of a table, or of ink, which is not known here
}

// Comparison is what two versions of a picture differ in. All but the counts outside is of the overlap.
type Comparison struct {
	Verdict   Verdict
	Alignment Alignment
	Overlap   image.Rectangle // in the new picture
	Model     Model
	Depth     Depth
	Pixels    int // of the overlap
	// Pixels that are in one picture only.
	OutsideOld, OutsideNew int

	Changed   int // pixels that differ in any sample, without Hidden
	Colour    int // of these, those whose colour differs
	AlphaOnly int // the others
	Hidden    int // fully transparent in both, with other colours
	NonFinite int // of Changed, those with NaN or infinity; they are not in means
	Channels  []Channel
	PSNR      float64 // of colours, in dB; +Inf where they are equal

	Delta        Delta
	SSIM         float64 // of luma, in windows of 8 by 8, 4 apart
	SSIMGaussian float64 // of luma, in bells of 11 by 11; with Options.Gaussian
	Flip         Flip
	Visible      Visible
	Regions      []Region // the largest first
	RegionCount  int      // of all, with those that are not listed
	Profiles     Profiles
	Notes        []string // what was done to be able to compare, and what is not exact

	pair   *pair
	differ *mask
}

// Share returns the changed pixels in hundredths of the overlap.
func (c *Comparison) Share() float64 { return 100 * float64(c.Changed) / float64(c.Pixels) }

// Sizes of samples where not all is computed.
const (
	deltaSample = 150_000
	flipBudget  = 150_000
)

// Compare tells in what the new version of a picture, b, differs from the old one, a. Neither is changed, nor may be
// before the comparison is done with.
func Compare(ctx context.Context, a, b *Image, o Options) (*Comparison, error) {
	for _, p := range []*Image{a, b} {
		if p.Width < 1 || p.Height < 1 || len(p.U8)+len(p.U16)+len(p.F32) < p.Width*p.Height*p.Channels() {
			return nil, fmt.Errorf("compare: %w: %d×%d", ErrSize, p.Width, p.Height)
		}
	}
	c := &Comparison{Profiles: profiles(a, b)}
	la, lb, notes := lift(a, b)
	c.Notes = notes
	c.Model, c.Depth = la.Model, la.Depth
	found, err := align(ctx, la, lb, o)
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	c.Alignment, c.pair = found.Alignment, found.pair
	c.Notes = append(c.Notes, found.notes...)
	if err := c.numbers(ctx, found, o); err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	if err := c.appearance(ctx, o); err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	c.Verdict = c.verdict()
	return c, nil
}

// profiles compares what is said of colours.
func profiles(a, b *Image) Profiles {
	out := Profiles{Changed: string(a.Profile) != string(b.Profile), Followed: true}
	var parsed [2]*Profile
	for i, p := range []*Image{a, b} {
		q, err := ParseProfile(p.Profile)
		fits := err == nil && q.Simple && (p.Model == Gray || p.Model == RGB)
		name := ""
		switch {
		case len(p.Profile) == 0:
			fits = p.Model != CMYK
		case err != nil:
			name = "damaged"
		case q.Name != "":
			name = q.Name
		default:
			name = q.Space
		}
		out.Followed = out.Followed && fits
		if parsed[i] = q; i == 0 {
			out.Old = name
		} else {
			out.New = name
		}
	}
	out.Same = !out.Changed && a.Model == b.Model || parsed[0] != nil && parsed[1] != nil && parsed[0].meansAs(a, parsed[1], b)
	return out
}

// meansAs reports whether two profiles, as two pictures use them, mean the same colours.
func (p *Profile) meansAs(a *Image, q *Profile, b *Image) bool {
	switch {
	case a.Linear && b.Linear:
		return p.Simple && q.Simple && p.near(q.matrix)
	case p.Known == "sRGB" && q.Known == "sRGB":
		return true // of gray and of RGB alike
	}
	return p.Same(q)
}

// numbers fills in what is exact.
func (c *Comparison) numbers(ctx context.Context, found *found, o Options) error {
	p := c.pair
	c.Overlap = image.Rect(p.bx, p.by, p.bx+p.w, p.by+p.h)
	c.Pixels = p.w * p.h
	c.OutsideOld = p.a.Width*p.a.Height - c.Pixels
	c.OutsideNew = p.b.Width*p.b.Height - c.Pixels
	e := found.exact
	if e == nil {
		var err error
		if e, err = p.exact(ctx, o.Workers); err != nil {
			return err
		}
	}
	c.differ = e.differ
	c.Colour, c.AlphaOnly, c.Hidden, c.NonFinite = e.colour, e.alphaOnly, e.hidden, e.nonFinite
	c.Changed = c.Colour + c.AlphaOnly
	squares := 0.0
	for i, s := range e.channels {
		c.Channels = append(c.Channels, Channel{p.a.channelName(i), s.changed, s.max, s.sum / float64(c.Pixels)})
		if i < p.a.colours() {
			squares += s.squares
		}
	}
	c.PSNR = math.Inf(1)
	if squares > 0 {
		white := p.a.Depth.white()
		c.PSNR = 10 * math.Log10(white*white*float64(c.Pixels)*float64(p.a.colours())/squares)
	}
	if c.NonFinite > 0 {
		c.note("%d pixels changed to, from or between what is no finite number: they are not in means", c.NonFinite)
	}
	c.listRegions(found, o)
	return nil
}

func (c *Comparison) note(text string, args ...any) {
	c.Notes = append(c.Notes, fmt.Sprintf(text, args...))
}

func (p *Image) channelName(i int) string {
	names := map[Model][]string{Gray: {"gray"}, RGB: {"R", "G", "B"}, CMYK: {"C", "M", "Y", "K"}, Lab: {"L", "a", "b"}}[p.Model]
	if i < len(names) {
		return names[i]
	}
	return "alpha"
}

func (c *Comparison) listRegions(found *found, o Options) {
	gap := o.Gap
	if gap == 0 {
		gap = 2
	}
	list, step := c.differ.regions(min(max(gap, 0), 256))
	if step > 1 {
		c.note("changes are so scattered that regions are of blocks of %d pixels", step)
	}
	c.RegionCount = len(list)
	most := o.Regions
	if most <= 0 {
		most = 256
	}
	list = slices.DeleteFunc(list, func(r Region) bool { return r.Pixels < o.MinArea })
	c.Regions = slices.Clone(list[:min(len(list), most)])
	for i := range c.Regions {
		b := c.Regions[i].Box.Add(c.Overlap.Min)
		if s := found.shrunk; s > 1 { // the new picture was made smaller
			grow := func(v float64, size int) int { return min(int(v*s), size) }
			b = image.Rect(grow(float64(b.Min.X), found.newSize.X), grow(float64(b.Min.Y), found.newSize.Y),
				grow(math.Ceil(float64(b.Max.X)), found.newSize.X), grow(math.Ceil(float64(b.Max.Y)), found.newSize.Y))
		}
		c.Regions[i].Box = b
	}
}

// appearance fills in what an eye sees. Where only numbers changed, that is of the pixels that did; where what numbers
// mean did, of all.
func (c *Comparison) appearance(ctx context.Context, o Options) error {
	c.SSIM = 1
	if o.Gaussian {
		c.SSIMGaussian = 1
	}
	threshold := o.Threshold
	if threshold == 0 {
		threshold = 0.1
	}
	c.Visible.Threshold = threshold
	v, seen := c.pair.view(), c.differ
	if !c.Profiles.Followed {
		c.note("a profile cannot be followed: appearance is as if it were none")
	}
	if !c.Profiles.Same && c.Profiles.Followed {
		seen = newMask(c.pair.w, c.pair.h)
		seen.fillAll()
		c.Delta.All = true
	} else if c.Changed == 0 {
		return nil
	}
	budget := flipBudget
	if o.Whole {
		budget = 0
	}
	var err error
	if c.Delta, err = v.delta(ctx, seen, o.Whole, o.Workers, c.Delta); err != nil {
		return err
	}
	if c.SSIM, err = v.ssim8(ctx, seen, o.Workers); err != nil {
		return err
	}
	if o.Gaussian {
		if c.SSIMGaussian, err = v.ssimGaussian(ctx, seen, o.Workers); err != nil {
			return err
		}
	}
	if c.Flip, err = v.flip(ctx, seen, o.Workers, budget); err != nil {
		return err
	}
	c.Visible, err = v.visible(ctx, seen, threshold, o.Workers)
	return err
}

func (c *Comparison) verdict() Verdict {
	resized := c.OutsideOld+c.OutsideNew > 0 || c.Alignment.Kind != AlignedSame
	looks := c.Profiles.Followed && c.Delta.Max < 1 && c.Visible.Pixels+c.Visible.AntiAliased == 0
	switch {
	case c.Changed > 0 && !resized && c.Profiles.Followed && c.AlphaOnly == 0 && c.NonFinite == 0 && looks:
		return AppearanceEqual
	case c.Changed > 0 && c.Colour == 0 && !resized && c.Profiles.Same:
		return AlphaChanged
	case c.Changed > 0:
		return Changed
	case !c.Profiles.Same:
		return ProfileChanged
	case resized:
		return SizeChanged
	case c.Hidden > 0:
		return HiddenChanged
	}
	return Identical
}
