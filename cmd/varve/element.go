package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"varve/creative"
	"varve/format"
)

func elementVerb(e *env) *cobra.Command {
	c := &cobra.Command{
		Use: "element", Short: "Look inside files: layers, objects, materials, tensors", GroupID: "inside",
		Long: "Lists what is inside of a file, takes single elements out of it, and puts elements of an old version\n" +
			"into the newer file, which keeps everything else.",
		Example: "  varve element ls poster.psd\n  varve element extract poster.psd@v3 Ink -o ink.png\n  varve element graft poster.psd --from yesterday --element Ink",
	}
	c.AddCommand(elementLsVerb(e), elementExtractVerb(e), elementGraftVerb(e))
	return c
}

func elementLsVerb(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "ls FILE[@REF]", Short: "List what is inside of a file",
		Args: cobra.ExactArgs(1), ValidArgsFunction: e.completePaths,
		RunE: func(cmd *cobra.Command, args []string) error { return e.elements(cmd.Context(), args[0]) },
	}
}

type elementJSON struct {
	Schema     string            `json:"schema"`
	ID         string            `json:"id"`
	StableID   string            `json:"stable_id"`
	Parent     string            `json:"parent"`
	Kind       string            `json:"kind"`
	Name       string            `json:"name"`
	Bytes      int64             `json:"bytes"`
	Hash       string            `json:"hash"`
	Bounds     []float64         `json:"bounds"`
	Properties map[string]string `json:"properties"`
	Aspects    map[string]string `json:"aspects"`
}

func elementOf(x *format.Element) elementJSON {
	j := elementJSON{Schema: "varve.element/1", ID: x.ID, StableID: x.Stable, Parent: x.Parent, Kind: x.Kind, Name: x.Name, Bytes: x.Bytes, Hash: x.Hash(),
		Bounds: x.Bounds, Properties: x.Properties, Aspects: x.Aspects}
	if j.Properties == nil {
		j.Properties = map[string]string{}
	}
	if j.Aspects == nil {
		j.Aspects = map[string]string{}
	}
	return j
}

func (e *env) elements(ctx context.Context, arg string) error {
	s := e.studio()
	defer s.Close()
	it, err := s.item(ctx, arg)
	if err != nil {
		return err
	}
	list, err := e.listed(ctx, it)
	if err != nil {
		return e.ofFormat(it, err)
	}
	depth := map[string]int{}
	for i := range list {
		x := &list[i]
		if e.json {
			if err := e.emit(elementOf(x)); err != nil {
				return err
			}
			continue
		}
		d := 0
		if x.Parent != "" {
			d = depth[x.Parent] + 1
		}
		depth[x.ID] = d
		e.printf("%-10s %-34s %10s  %s\n", x.Kind, strings.Repeat("  ", d)+name(x.Name), size(x.Bytes), name(properties(x)))
	}
	return nil
}

// listed returns the elements of a file: for people without the hashes, for which all of it would have to be read.
func (e *env) listed(ctx context.Context, it *creative.Item) ([]format.Element, error) {
	if e.json {
		return it.Elements(ctx)
	}
	return it.Outline(ctx)
}

// properties are those of an element that people look for first, in one line.
func properties(x *format.Element) string {
	var out []string
	for _, k := range slices.Sorted(maps.Keys(x.Properties)) {
		if len(out) < 6 && len(x.Properties[k]) < 40 {
			out = append(out, k+"="+x.Properties[k])
		}
	}
	if x.ID != x.Name {
		out = append([]string{"id=" + x.ID}, out...)
	}
	return strings.Join(out, " ")
}

// ofFormat says of an error of a format what to do about it.
func (e *env) ofFormat(it *creative.Item, err error) error {
	var refusal *format.Refusal
	var ambiguous *creative.AmbiguousError
	switch {
	case errors.As(err, &refusal):
		return hinted(fmt.Errorf("%s: %s", name(it.Ref()), refusal.Reason), refusal.Advice)
	case errors.As(err, &ambiguous):
		return hinted(err, "varve element ls "+it.Ref()+" lists the ids")
	case errors.Is(err, format.ErrNoElement):
		return hinted(err, "varve element ls "+it.Ref()+" lists what is inside")
	case errors.Is(err, format.ErrMalformed):
		return hinted(fmt.Errorf("%s: %w", name(it.Ref()), err), "the file seems to be cut off or damaged; varve log "+it.Path+" lists its versions")
	case errors.Is(err, errors.ErrUnsupported):
		return hinted(fmt.Errorf("%s: %w", name(it.Ref()), err), "docs/formats.md says what works for which kind of file")
	}
	return err
}

func elementExtractVerb(e *env) *cobra.Command {
	var out string
	var force bool
	c := &cobra.Command{
		Use: "extract FILE[@REF] ID -o OUT", Short: "Make a file of an element",
		Long: "Makes a file of an element, named by its id, its stable id, or a name that no other has. Without -o it\ngets the element's name in the current folder.",
		Args: cobra.ExactArgs(2), ValidArgsFunction: e.completePaths,
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.extract(cmd.Context(), args[0], args[1], out, force)
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "write to `OUT`")
	c.Flags().BoolVar(&force, "force", false, "replace OUT if it is there")
	return c
}

type extractJSON struct {
	Schema string `json:"schema"`
	ID     string `json:"id"`
	Kind   string `json:"kind"`
	Name   string `json:"name"`
	Output string `json:"output"`
	Bytes  int64  `json:"bytes"`
}

func (e *env) extract(ctx context.Context, arg, id, out string, force bool) error {
	s := e.studio()
	defer s.Close()
	it, err := s.item(ctx, arg)
	if err != nil {
		return err
	}
	x, err := it.Element(ctx, id)
	if err != nil {
		return e.ofFormat(it, err)
	}
	made, err := it.Extract(ctx, x.ID)
	if err != nil {
		return e.ofFormat(it, err)
	}
	if out == "" {
		out = strings.Map(func(r rune) rune {
			if strings.ContainsRune(`/\:*?"<>|`, r) || r < ' ' {
				return '_'
			}
			return r
		}, x.Name) + made.Extension
	}
	if err := e.writeNew(out, force, func(f *os.File) error { _, err := made.Content.WriteTo(f); return err }); err != nil {
		return err
	}
	if e.json {
		return e.emit(extractJSON{"varve.extract/1", x.ID, x.Kind, x.Name, out, made.Content.Size()})
	}
	e.printf("%s %s written to %s (%s)\n", x.Kind, name(x.Name), name(out), size(made.Content.Size()))
	return nil
}

type graftFlags struct {
	from, out    string
	elements     []string
	needs, force bool
}

func elementGraftVerb(e *env) *cobra.Command {
	var f graftFlags
	c := &cobra.Command{
		Use: "graft FILE --from REF --element ID", Short: "Bring elements of an old version back into the newer file",
		Long: "Puts elements of an old version of a file into the newer one: those that it still has take their place,\n" +
			"those that it has lost come back where they were. Everything else stays as it is, byte for byte. The\n" +
			"folder is kept in a safety snapshot first, and varve undo takes the graft back. With -o the result is\n" +
			"written to another file instead, and FILE stays.",
		Example: "  varve element graft hero.kra --from v12 --element Ink --element Shadow\n  varve element graft scene.blend --from yesterday --element MAWood --with-needs\n  varve element graft hero.kra --from v12 --element Ink -o mixed.kra --dry-run",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: e.completePaths,
		RunE: func(cmd *cobra.Command, args []string) error { return e.graft(cmd.Context(), args[0], &f) },
	}
	c.Flags().StringVar(&f.from, "from", "", "the version that has them: `REF`, FILE@REF, or another file")
	c.Flags().StringArrayVar(&f.elements, "element", nil, "an element's `ID`, stable id or unique name; may be given again")
	c.Flags().StringVarP(&f.out, "output", "o", "", "write the result to `OUT` and leave FILE alone")
	c.Flags().BoolVar(&f.needs, "with-needs", false, "also bring back files that the elements refer to and that are gone")
	c.Flags().BoolVar(&f.force, "force", false, "replace OUT if it is there")
	return e.changing(c)
}

type graftJSON struct {
	Schema  string              `json:"schema"`
	Into    string              `json:"into"`
	From    string              `json:"from"`
	Output  string              `json:"output"`
	Bytes   int64               `json:"bytes"`
	Grafted []elementJSON       `json:"elements"`
	Changed []string            `json:"changed"`
	Stale   []string            `json:"stale"`
	Notes   []string            `json:"notes"`
	Needs   []needJSON          `json:"needs"`
	Changes []elementChangeJSON `json:"changes"`
	Safety  *string             `json:"safety"`
	Undo    *string             `json:"undo"`
	DryRun  bool                `json:"dry_run,omitempty"`
}

type needJSON struct {
	Path      string `json:"path"`
	Raw       string `json:"raw"`
	Available bool   `json:"available"`
	Restored  bool   `json:"restored"`
}

type elementChangeJSON struct {
	Change     string   `json:"change"`
	ID         string   `json:"id"`
	StableID   string   `json:"stable_id"`
	Kind       string   `json:"kind"`
	Name       string   `json:"name"`
	OldName    string   `json:"old_name,omitempty"`
	Aspects    []string `json:"aspects"`
	Properties []string `json:"properties"`
	Moved      bool     `json:"moved"`
}

func elementChanges(list []creative.ElementChange) []elementChangeJSON {
	out := make([]elementChangeJSON, 0, len(list))
	for i := range list {
		c := &list[i]
		x := c.Element()
		j := elementChangeJSON{Change: c.Change, ID: x.ID, StableID: x.Stable, Kind: x.Kind, Name: x.Name, Aspects: []string{}, Properties: []string{}, Moved: c.Moved}
		if c.Renamed {
			j.OldName = c.Old.Name
		}
		j.Aspects, j.Properties = append(j.Aspects, c.Aspects...), append(j.Properties, c.Properties...)
		out = append(out, j)
	}
	return out
}

// changeLine says a change in few words: "layer Ink: pixels, opacity 100 → 50".
func changeLine(c *creative.ElementChange) string {
	x := c.Element()
	line := x.Kind + " " + name(x.Name)
	switch c.Change {
	case "added", "removed":
		return line + " " + c.Change
	}
	var what []string
	if c.Renamed {
		what = append(what, "renamed from "+name(c.Old.Name))
	}
	if c.Moved {
		what = append(what, "moved")
	}
	what = append(what, c.Aspects...)
	for _, p := range c.Properties {
		old, new := c.Old.Properties[p], c.New.Properties[p]
		if len(old) > 24 || len(new) > 24 {
			what = append(what, p)
			continue
		}
		what = append(what, fmt.Sprintf("%s %s → %s", p, name(old), name(new)))
	}
	return line + ": " + strings.Join(what, ", ")
}

// version opens the version that --from names of a file: a reference alone means that file.
func (s *studio) version(ctx context.Context, of *creative.Item, from string) (*creative.Item, error) {
	if err := s.enter(ctx, need{}); err == nil && !of.Loose {
		if snap, err := s.Project.Resolve(from); err == nil {
			it, err := s.Open(ctx, snap, of.Path)
			if err != nil {
				return nil, hinted(err, "varve log "+of.Path+" lists the versions that have it; --from takes FILE@REF too")
			}
			s.open = append(s.open, it)
			return it, nil
		}
	}
	return s.item(ctx, from)
}

func (e *env) graft(ctx context.Context, arg string, f *graftFlags) error {
	if f.from == "" || len(f.elements) == 0 {
		return usage("varve element graft "+arg+" --from REF --element ID; varve element ls lists the ids", "graft: --from and --element must be given")
	}
	s := e.studio()
	defer s.Close()
	into, err := s.item(ctx, arg)
	if err != nil {
		return err
	}
	from, err := s.version(ctx, into, f.from)
	if err != nil {
		return err
	}
	g, err := s.PlanGraft(ctx, into, from, f.elements)
	if err != nil {
		return e.ofFormat(from, err)
	}
	j := e.graftOf(g, into, from, f)
	switch {
	case e.dry:
	case f.out == "" && len(g.Changes) == 0 && !g.Restores(f.needs): // it is there as it was: no safety snapshot, nothing to undo
	case f.out != "":
		if err := e.writeNew(f.out, f.force, func(w *os.File) error { _, err := g.Content.WriteTo(w); return err }); err != nil {
			return err
		}
	default:
		if into.Snapshot != nil || into.Loose {
			return usage("-o OUT writes the result to another file", "graft into %s: it is not a file of the project's folder", name(into.Ref()))
		}
		res, err := g.Apply(ctx, f.needs)
		if err != nil {
			return fmt.Errorf("graft: %w", err)
		}
		safety := res.Safety.ID.String()
		j.Safety, j.Undo = &safety, &res.Undo
	}
	if e.json {
		return e.emit(j)
	}
	if e.tellGraft(g, &j); len(g.Changes) == 0 && f.out == "" {
		return e.tellOthers(ctx, from, into)
	}
	return nil
}

// tellOthers says what does differ between two versions of which what was asked for does not.
func (e *env) tellOthers(ctx context.Context, from, into *creative.Item) error {
	old, err := from.Elements(ctx)
	if err != nil {
		return err
	}
	now, err := into.Elements(ctx)
	if err != nil {
		return err
	}
	for _, c := range creative.Compare(old, now) {
		if x := c.Old; x != nil {
			e.say("what differs from %s: %s %s (--element %s)", name(from.Ref()), x.Kind, name(x.Name), name(x.ID))
		}
	}
	return nil
}

func (e *env) graftOf(g *creative.Graft, into, from *creative.Item, f *graftFlags) graftJSON {
	j := graftJSON{Schema: "varve.graft/1", Into: into.Path, From: from.Ref(), Output: into.Path, Bytes: g.Content.Size(), Grafted: []elementJSON{}, Changed: append([]string{}, g.Changed...),
		Stale: append([]string{}, g.Stale...), Notes: append([]string{}, g.Notes...), Needs: []needJSON{}, Changes: elementChanges(g.Changes), DryRun: e.dry}
	if f.out != "" {
		j.Output = f.out
	}
	for i := range g.Elements {
		j.Grafted = append(j.Grafted, elementOf(&g.Elements[i]))
	}
	for _, n := range g.Needs {
		j.Needs = append(j.Needs, needJSON{n.Path, n.Reference.Raw, n.Available, n.Available && f.needs && f.out == "" && !e.dry})
	}
	return j
}

func (e *env) tellGraft(g *creative.Graft, j *graftJSON) {
	switch {
	case len(g.Changes) == 0 && j.Output == j.Into:
		e.printf("%s has it as %s had it\n", name(j.Into), name(j.From))
	case e.dry:
		e.printf("would graft into %s from %s:\n", name(j.Output), name(j.From))
	default:
		e.printf("grafted into %s from %s:\n", name(j.Output), name(j.From))
	}
	for i := range g.Changes {
		e.printf("  %s\n", changeLine(&g.Changes[i]))
	}
	for _, stale := range j.Stale {
		e.printf("  stale until the application saves it again: %s\n", stale)
	}
	for _, note := range j.Notes {
		e.printf("  note: %s\n", note)
	}
	for _, n := range j.Needs {
		switch {
		case n.Restored:
			e.printf("  brought back, too: %s\n", name(n.Path))
		case n.Available:
			e.printf("  it needs %s, which is gone: --with-needs brings it back\n", name(n.Path))
		default:
			e.printf("  it needs %s, which is gone and was not kept\n", name(n.Path))
		}
	}
	if j.Undo != nil {
		e.say("varve undo takes it back")
	}
}
