package main

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"varve/creative"
	"varve/format/mesh"
	"varve/format/raster"
	"varve/format/tensor"
)

func visualVerb(e *env) *cobra.Command {
	var f visualFlags
	c := &cobra.Command{
		Use: "visual A B [-o PNG]", Short: "Compare what two files, or two versions of one, look like", GroupID: "inside",
		Long: "Compares pictures by their pixels at the depth that they have, models by their meshes, weights by their tensors\n" +
			"(also of two formats), and layered files by what is inside of them. A and B are files or FILE@REF; B alone compares with the newest version that was\n" +
			"kept. With -o it draws what differs: --mode side, overlay, heat or mask.",
		Example: "  varve visual hero.png@v3 hero.png\n  varve visual model.glb@yesterday model.glb -o what.png",
		Args:    cobra.RangeArgs(1, 2), ValidArgsFunction: e.completePaths,
		RunE: func(cmd *cobra.Command, args []string) error { return e.visual(cmd.Context(), args, &f) },
	}
	c.Flags().StringVarP(&f.out, "output", "o", "", "draw what differs, as `PNG`")
	c.Flags().StringVar(&f.mode, "mode", "side", "how: `MODE` side, overlay, heat or mask")
	c.Flags().IntVar(&f.size, "size", 1024, "the longer side of drawings of models, in `PIXELS`")
	c.Flags().BoolVar(&f.force, "force", false, "replace PNG if it is there")
	c.Flags().BoolVar(&f.inside, "inside", false, "compare only what is inside, where that is known: quick")
	c.Flags().StringArrayVar(&f.frozen, "frozen", nil, "say whether the tensors whose names match `GLOB` are as they were; may be given again")
	c.Flags().BoolVar(&f.exit, "exit-code", false, "exit with 4 if something differs")
	return c
}

type visualFlags struct {
	out, mode           string
	size                int
	force, exit, inside bool
	frozen              []string
}

type visualJSON struct {
	Schema    string              `json:"schema"`
	A         string              `json:"a"`
	B         string              `json:"b"`
	Kind      string              `json:"kind"`
	Identical bool                `json:"identical"`
	BytesSame bool                `json:"bytes_identical"`
	Notes     []string            `json:"notes"`
	Elements  []elementChangeJSON `json:"elements"`
	Output    string              `json:"output,omitempty"`

	*imageJSON
	*modelJSON
	*tensorsJSON
}

type imageJSON struct {
	Verdict     string        `json:"verdict"`
	Width       int           `json:"width"` // of the part that both have
	Height      int           `json:"height"`
	Depth       string        `json:"depth"`
	Colours     string        `json:"colour_model"`
	Alignment   alignmentJSON `json:"alignment"`
	OutsideOld  int           `json:"outside_old"`
	OutsideNew  int           `json:"outside_new"`
	Changed     int           `json:"changed_pixels"`
	Percent     float64       `json:"changed_percent"`
	Colour      int           `json:"colour_pixels"`
	AlphaOnly   int           `json:"alpha_only_pixels"`
	Hidden      int           `json:"hidden_pixels"`
	NonFinite   int           `json:"non_finite_pixels"`
	Visible     int           `json:"visible_pixels"`
	AntiAliased int           `json:"anti_aliased_pixels"`
	Regions     []regionJSON  `json:"regions"`
	RegionCount int           `json:"region_count"`
	Channels    []channelJSON `json:"channels"`
	PSNR        *float64      `json:"psnr"` // null: infinite
	SSIM        float64       `json:"ssim"`
	Delta       deltaJSON     `json:"delta_e"`
	Flip        float64       `json:"flip"`
	Profile     profilesJSON  `json:"profile"`
}

type alignmentJSON struct {
	Kind        string  `json:"kind"`
	Orientation int     `json:"orientation"`
	DX          int     `json:"dx"`
	DY          int     `json:"dy"`
	Scale       float64 `json:"scale"`
	Confidence  float64 `json:"confidence"`
}

type regionJSON struct {
	X      int `json:"x"`
	Y      int `json:"y"`
	Width  int `json:"width"`
	Height int `json:"height"`
	Pixels int `json:"pixels"`
}

type channelJSON struct {
	Name    string  `json:"name"`
	Changed int     `json:"changed"`
	Max     float64 `json:"max"`
	Mean    float64 `json:"mean"`
}

type deltaJSON struct {
	Mean    float64 `json:"mean"`
	P95     float64 `json:"p95"`
	Max     float64 `json:"max"`
	Pixels  int     `json:"pixels"`
	Sampled bool    `json:"sampled"`
}

type profilesJSON struct {
	Old     string `json:"old"`
	New     string `json:"new"`
	Changed bool   `json:"changed"`
	Same    bool   `json:"same_meaning"`
}

type modelJSON struct {
	Old       measuresJSON `json:"old"`
	New       measuresJSON `json:"new"`
	MovedOnly bool         `json:"moved_only"`
	Hausdorff float64      `json:"hausdorff"`
	Mean      float64      `json:"mean_distance"`
	P95       float64      `json:"p95_distance"`
	Objects   []objectJSON `json:"objects"`
}

type measuresJSON struct {
	Vertices  int       `json:"vertices"`
	Points    int       `json:"points"`
	Faces     int       `json:"faces"`
	Triangles int       `json:"triangles"`
	Islands   int       `json:"islands"`
	Area      float64   `json:"area"`
	Volume    *float64  `json:"volume"` // null: there is no inside
	Bounds    []float64 `json:"bounds"`
	Closed    bool      `json:"closed"`
	Boundary  int       `json:"boundary_edges"`
	Branching int       `json:"non_manifold_edges"`
	Empty     int       `json:"degenerate_faces"`
}

type objectJSON struct {
	Name       string    `json:"name"`
	Verdict    string    `json:"verdict"`
	Renamed    bool      `json:"renamed"`
	Moved      *moveJSON `json:"moved"`
	Attributes []string  `json:"attributes"`
	Exact      bool      `json:"exact"`
	Hausdorff  float64   `json:"hausdorff"`
	Mean       float64   `json:"mean_distance"`
	P95        float64   `json:"p95_distance"`
	Changed    int       `json:"changed_vertices"`
	Note       string    `json:"note"`
}

type moveJSON struct {
	Translation [3]float64 `json:"translation"`
	Axis        [3]float64 `json:"axis"`
	Angle       float64    `json:"angle"`
	Scale       [3]float64 `json:"scale"`
}

func (e *env) visual(ctx context.Context, args []string, f *visualFlags) error {
	mode := creative.Mode(f.mode)
	if !mode.Valid() {
		return usage("--mode side, overlay, heat or mask", "--mode %s: unknown", name(f.mode))
	}
	if f.size < 16 || f.size > creative.MaxThumb {
		return usage("", "--size %d: want 16 to %d", f.size, creative.MaxThumb)
	}
	if f.inside && f.out != "" {
		return usage("leave one of them out", "--inside compares nothing that -o could draw")
	}
	s := e.studio()
	defer s.Close()
	if len(args) == 1 {
		args = []string{args[0] + "@latest", args[0]}
	}
	a, err := s.item(ctx, args[0])
	if err != nil {
		return err
	}
	b, err := s.item(ctx, args[1])
	if err != nil {
		return err
	}
	v, err := s.Visual(ctx, a, b, creative.VisualOptions{Image: raster.Options{Workers: runtime.GOMAXPROCS(0)}, Inside: f.inside,
		Tensors: tensor.Options{Frozen: f.frozen, Workers: runtime.GOMAXPROCS(0)}})
	if err != nil {
		return fmt.Errorf("compare %s and %s: %w", name(a.Ref()), name(b.Ref()), err)
	}
	j := visualOf(v, a, b)
	if f.out != "" {
		p, err := v.Picture(ctx, mode, f.size)
		if err != nil {
			return e.ofFormat(b, err)
		}
		if err := e.writeNew(f.out, f.force, func(w *os.File) error { return raster.EncodePNG(w, p) }); err != nil {
			return err
		}
		j.Output = f.out
	}
	if e.json {
		err = e.emit(j)
	} else {
		e.tellVisual(v, &j)
	}
	if err == nil && f.exit && !v.Identical {
		return outcome(exitDifferences)
	}
	return err
}

func visualOf(v *creative.Visual, a, b *creative.Item) visualJSON {
	j := visualJSON{Schema: "varve.visual/1", A: a.Ref(), B: b.Ref(), Kind: v.Kind, Identical: v.Identical, BytesSame: v.BytesSame, Notes: append([]string{}, v.Notes...), Elements: elementChanges(v.Elements)}
	if v.Image != nil {
		j.imageJSON = imageOf(v.Image)
		j.Notes = append(j.Notes, v.Image.Notes...)
	}
	if v.Tensors != nil {
		j.tensorsJSON = tensorsOf(v.Tensors)
	}
	if v.Model != nil {
		j.modelJSON = modelOf(v)
	}
	return j
}

func imageOf(c *raster.Comparison) *imageJSON {
	j := &imageJSON{Verdict: string(c.Verdict), Width: c.Overlap.Dx(), Height: c.Overlap.Dy(), Depth: c.Depth.String(), Colours: c.Model.String(),
		Alignment:  alignmentJSON{c.Alignment.Kind, c.Alignment.Orientation, c.Alignment.DX, c.Alignment.DY, c.Alignment.Scale, c.Alignment.Confidence},
		OutsideOld: c.OutsideOld, OutsideNew: c.OutsideNew, Changed: c.Changed, Percent: c.Share(), Colour: c.Colour, AlphaOnly: c.AlphaOnly, Hidden: c.Hidden, NonFinite: c.NonFinite,
		Visible: c.Visible.Pixels, AntiAliased: c.Visible.AntiAliased, Regions: []regionJSON{}, RegionCount: c.RegionCount, Channels: []channelJSON{}, SSIM: c.SSIM,
		Delta: deltaJSON{c.Delta.Mean, c.Delta.P95, c.Delta.Max, c.Delta.Pixels, c.Delta.Sampled}, Flip: c.Flip.Mean, Profile: profilesJSON{c.Profiles.Old, c.Profiles.New, c.Profiles.Changed, c.Profiles.Same}}
	if !math.IsInf(c.PSNR, 0) && !math.IsNaN(c.PSNR) {
		j.PSNR = &c.PSNR
	}
	for _, r := range c.Regions {
		j.Regions = append(j.Regions, regionJSON{r.Box.Min.X, r.Box.Min.Y, r.Box.Dx(), r.Box.Dy(), r.Pixels})
	}
	for _, ch := range c.Channels {
		j.Channels = append(j.Channels, channelJSON{ch.Name, ch.Changed, finite(ch.Max), finite(ch.Mean)})
	}
	return j
}

// finite is a number that JSON can hold.
func finite(x float64) float64 {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		return math.MaxFloat64
	}
	return x
}

func modelOf(v *creative.Visual) *modelJSON {
	j := &modelJSON{Old: measuresOf(v.OldModel), New: measuresOf(v.NewModel), Objects: []objectJSON{}, MovedOnly: !v.Model.Same()}
	n := 0
	for i := range v.Model.Pairs {
		p := &v.Model.Pairs[i]
		o := objectJSON{Name: p.Name, Verdict: string(p.Verdict), Renamed: p.Renamed, Attributes: append([]string{}, p.Attributes...), Note: p.Note}
		if p.Move != nil {
			o.Moved = &moveJSON{p.Move.Translation, p.Move.Axis, p.Move.Angle, p.Move.Scale}
		}
		if d := p.Deviation; d != nil {
			o.Exact, o.Hausdorff, o.Mean, o.P95, o.Changed = d.Exact, d.Hausdorff(), max(d.Forth.Mean, d.Back.Mean), max(d.Forth.P95, d.Back.P95), d.Changed
			j.Hausdorff, j.P95 = max(j.Hausdorff, o.Hausdorff), max(j.P95, o.P95)
			j.Mean += o.Mean
			n++
		}
		j.MovedOnly = j.MovedOnly && (p.Verdict == mesh.Moved || p.Verdict == mesh.Same)
		j.Objects = append(j.Objects, o)
	}
	if n > 0 {
		j.Mean /= float64(n)
	}
	return j
}

func measuresOf(m *mesh.Measures) measuresJSON {
	j := measuresJSON{Vertices: m.Vertices, Points: m.Points, Faces: m.Faces, Triangles: m.Triangles, Islands: m.Islands, Area: m.Area, Bounds: m.Bounds.Slice(), Closed: m.Closed, Boundary: m.Boundary, Branching: m.Branching, Empty: m.Degenerate}
	if m.Closed {
		j.Volume = &m.Volume
	}
	return j
}

func (e *env) tellVisual(v *creative.Visual, j *visualJSON) {
	switch {
	case v.BytesSame:
		e.printf("the same bytes\n")
	case v.Identical:
		e.printf("nothing that is shown differs; the bytes do\n")
	case v.Kind == "bytes":
		e.printf("the bytes differ; what they show is not known\n")
	}
	if c := v.Image; c != nil && !v.Identical {
		e.tellImage(c)
	}
	if v.Tensors != nil && (!v.Identical || len(v.Tensors.Frozen)+len(v.Tensors.Adapters) > 0) {
		e.tellTensors(v.Tensors)
	}
	if v.Model != nil && !v.Identical {
		e.tellModel(j.modelJSON)
	}
	for i := range v.Elements {
		if i == 20 {
			e.printf("  and %d more\n", len(v.Elements)-20)
			break
		}
		e.printf("  %s\n", changeLine(&v.Elements[i]))
	}
	for _, n := range j.Notes {
		e.printf("  note: %s\n", lines(n))
	}
	if j.Output != "" {
		e.printf("drawn: %s\n", name(j.Output))
	}
}

func (e *env) tellImage(c *raster.Comparison) {
	e.printf("%s: %s of %s pixels (%.3g %%), %s\n", c.Verdict, count(c.Changed), count(c.Pixels), c.Share(), plural(c.RegionCount, "region"))
	for i, r := range c.Regions {
		if i == 5 {
			break
		}
		e.printf("  %d×%d at %d,%d\n", r.Box.Dx(), r.Box.Dy(), r.Box.Min.X, r.Box.Min.Y)
	}
	if a := c.Alignment; a.Kind != "same" && a.Kind != "" {
		e.printf("  laid on one another: %s, %+d %+d, scale %.4g (confidence %.2f)\n", a.Kind, a.DX, a.DY, a.Scale, a.Confidence)
	}
	psnr := "∞"
	if !math.IsInf(c.PSNR, 0) {
		psnr = fmt.Sprintf("%.2f", c.PSNR)
	}
	e.printf("  SSIM %.5f  PSNR %s dB  ΔE2000 mean %.3g, 95 %% %.3g, most %.3g  FLIP %.4g\n", c.SSIM, psnr, c.Delta.Mean, c.Delta.P95, c.Delta.Max, c.Flip.Mean)
}

func (e *env) tellModel(m *modelJSON) {
	line := func(word string, s measuresJSON) {
		volume := "not closed"
		if s.Volume != nil {
			volume = fmt.Sprintf("volume %.6g", *s.Volume)
		}
		e.printf("  %s  %s vertices, %s faces, area %.6g, %s\n", word, count(s.Vertices), count(s.Faces), s.Area, volume)
	}
	line("old", m.Old)
	line("new", m.New)
	for i, o := range m.Objects {
		if i == 20 {
			e.printf("  and %d more objects\n", len(m.Objects)-20)
			break
		}
		if o.Verdict == string(mesh.Same) {
			continue
		}
		more := []string{o.Verdict}
		if o.Moved != nil {
			t := o.Moved.Translation
			more = append(more, fmt.Sprintf("by %.4g %.4g %.4g", t[0], t[1], t[2]))
		}
		if o.Hausdorff > 0 {
			more = append(more, fmt.Sprintf("at most %.4g away, %.4g on average", o.Hausdorff, o.Mean))
		}
		if len(o.Attributes) > 0 {
			more = append(more, strings.Join(o.Attributes, ", "))
		}
		e.printf("  %s: %s\n", name(o.Name), strings.Join(more, ", "))
	}
}
