package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"varve"
	"varve/creative"
)

func refsVerb(e *env) *cobra.Command {
	var at string
	c := &cobra.Command{
		Use: "refs", Short: "Which file needs which: missing, unused, duplicate, moved", GroupID: "inside",
		Long: "Shows the references between the files of a snapshot, as the files themselves have them: textures of\n" +
			"models, linked scenes, buffers. All look at the newest snapshot; --at names another.",
		Example: "  varve refs missing\n  varve refs needs scenes/town.blend\n  varve refs uses textures/wood.png\n  varve refs relink --dry-run",
	}
	c.PersistentFlags().StringVar(&at, "at", "latest", "the snapshot to look at: `REF`")
	sub := func(use, short string, n cobra.PositionalArgs, run func(ctx context.Context, r *referencing, args []string) error) *cobra.Command {
		return &cobra.Command{Use: use, Short: short, Args: n, RunE: func(cmd *cobra.Command, args []string) error {
			r, err := e.referencing(cmd.Context(), at)
			if err != nil {
				return err
			}
			return run(cmd.Context(), r, args)
		}}
	}
	near := false
	duplicates := sub("duplicates", "List files of one content", cobra.NoArgs, func(ctx context.Context, r *referencing, _ []string) error {
		if near {
			return e.refsNear(ctx, r)
		}
		return e.refsDuplicates(r)
	})
	duplicates.Flags().BoolVar(&near, "near", false, "list pictures that look nearly the same: at another size, depth or quality")
	c.AddCommand(
		sub("ls [PATH]", "List references: of one file, or all", cobra.MaximumNArgs(1), e.refsLs),
		sub("missing", "List references that lead to nothing", cobra.NoArgs, e.refsMissing),
		sub("orphans", "List files that nothing refers to, of kinds that others do refer to", cobra.NoArgs, e.refsOrphans),
		sub("uses PATH", "List the files that need a file, directly or not", cobra.ExactArgs(1), e.refsUses),
		sub("needs PATH", "List the files that a file needs, directly or not", cobra.ExactArgs(1), e.refsNeeds),
		sub("cycles", "List files that need each other", cobra.NoArgs, e.refsCycles),
		duplicates,
		e.changing(sub("relink", "Lead missing references to where their files have gone", cobra.NoArgs, e.refsRelink)),
		e.collectVerb(&at),
	)
	return c
}

// referencing is a graph and where it is from.
type referencing struct {
	*studio
	snap  *varve.Snapshot
	graph *creative.Graph
}

func (e *env) referencing(ctx context.Context, at string) (*referencing, error) {
	s := e.studio()
	if err := s.enter(ctx, need{}); err != nil {
		return nil, err
	}
	snap, err := e.resolve(s.place, at)
	if err != nil {
		return nil, err
	}
	return s.referencing(ctx, snap)
}

func (s *studio) referencing(ctx context.Context, snap *varve.Snapshot) (*referencing, error) {
	g, err := s.Graph(ctx, snap)
	if err != nil {
		return nil, fmt.Errorf("references of %s: %w", snap.Ref(), err)
	}
	return &referencing{studio: s, snap: snap, graph: g}, nil
}

// node finds the file that an argument names.
func (r *referencing) node(arg string) (int, error) {
	at, err := r.e.inside(r.place, arg)
	if err != nil {
		return 0, err
	}
	i, ok := r.graph.Find(at)
	if !ok {
		return 0, hinted(fmt.Errorf("%s in %s: %w", name(at), r.snap.Ref(), fs.ErrNotExist), "varve ls -r "+r.snap.Ref()+" lists what is there")
	}
	return i, nil
}

// edgePrinter prints references: of a million, an encoder that asks for each what it consists of took as long as finding
// them.
type edgePrinter struct {
	e    *env
	g    *creative.Graph
	from int    // whose path is in path
	path []byte // as it is printed: most come one after another from one file
	line []byte
}

func (e *env) edges(g *creative.Graph) *edgePrinter { return &edgePrinter{e: e, g: g, from: -1} }

func (p *edgePrinter) print(x *creative.Edge) error {
	if x.From != p.from {
		p.from = x.From
		at := p.g.Nodes[x.From].Path
		if p.path = p.path[:0]; p.e.json {
			p.path = appendJSON(p.path, at)
		} else {
			p.path = append(p.path, name(at)...)
		}
	}
	to := x.At
	if x.To >= 0 {
		to = p.g.Nodes[x.To].Path
	}
	r, b := x.Reference, p.line[:0]
	if p.e.json {
		b = append(append(b, `{"schema":"varve.reference/1","from":`...), p.path...)
		b = appendJSON(append(b, `,"to":`...), to)
		b = appendJSON(append(b, `,"raw":`...), r.Raw)
		b = appendJSON(append(b, `,"kind":`...), r.Kind)
		b = appendJSON(append(b, `,"status":`...), string(x.Status))
		b = appendJSON(append(b, `,"style":`...), string(r.Style))
		b = append(appendJSON(append(b, `,"element":`...), r.Element), "}\n"...)
	} else {
		if to == "" {
			to = r.Raw
		}
		b = fmt.Appendf(b, "%-8s ", x.Status)
		b = append(append(b, p.path...), " → "...)
		b = append(append(b, name(to)...), " ("...)
		b = append(append(b, name(r.Kind)...), ")\n"...)
	}
	p.line = b
	_, err := p.e.out.Write(b)
	return err
}

// appendJSON appends a text as emit writes it.
func appendJSON(b []byte, s string) []byte {
	from := len(b)
	b = append(append(b, '"'), s...)
	if plainJSON(b[from+1:]) {
		return append(b, '"')
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // a text can be written, and a buffer takes it
	return append(b[:from], bytes.TrimSuffix(text.Bytes(), []byte("\n"))...)
}

// plainJSON reports whether a text is ASCII of which nothing is escaped: eight bytes at a time, of which the uppermost bit
// is set where one is not.
func plainJSON(b []byte) bool {
	const ones = 0x0101010101010101
	odd := func(x uint64) uint64 {
		quote, slash := x^'"'*ones, x^'\\'*ones
		return x | (x-' '*ones)&^x | (quote-ones)&^quote | (slash-ones)&^slash
	}
	for ; len(b) >= 8; b = b[8:] {
		if odd(binary.LittleEndian.Uint64(b))&(0x80*ones) != 0 {
			return false
		}
	}
	rest := [8]byte{' ', ' ', ' ', ' ', ' ', ' ', ' ', ' '}
	copy(rest[:], b)
	return odd(binary.LittleEndian.Uint64(rest[:]))&(0x80*ones) == 0
}

func (e *env) refsLs(_ context.Context, r *referencing, args []string) error {
	g := r.graph
	only := -1
	if len(args) == 1 {
		i, err := r.node(args[0])
		if err != nil {
			return err
		}
		only = i
	}
	to := e.edges(g)
	for i := range g.Edges {
		if x := &g.Edges[i]; only < 0 || x.From == only {
			if err := to.print(x); err != nil {
				return err
			}
		}
	}
	e.tellBroken(g, only)
	return nil
}

// tellBroken says of which files the references are not known.
func (e *env) tellBroken(g *creative.Graph, only int) {
	for i := range g.Nodes {
		if n := &g.Nodes[i]; n.Broken != "" && (only < 0 || i == only) {
			e.say("varve: %s: what it refers to is not known: %s", name(n.Path), lines(n.Broken))
		}
	}
}

func (e *env) refsMissing(_ context.Context, r *referencing, _ []string) error {
	to := e.edges(r.graph)
	for _, x := range r.graph.Missing() {
		if err := to.print(x); err != nil {
			return err
		}
	}
	e.tellBroken(r.graph, -1)
	return nil
}

type refFileJSON struct {
	Schema string `json:"schema"`
	Path   string `json:"path"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
	Format string `json:"format"`
	Group  int    `json:"group,omitempty"` // files that are alike, or of one cycle, have one number
}

func (e *env) emitNodes(g *creative.Graph, of []int, group int) error {
	for _, i := range of {
		n := &g.Nodes[i]
		if e.json {
			if err := e.emit(refFileJSON{Schema: "varve.reference_file/1", Path: n.Path, Bytes: n.Bytes, SHA256: n.Content, Format: n.Format, Group: group}); err != nil {
				return err
			}
			continue
		}
		e.printf("%10s  %s\n", size(n.Bytes), name(n.Path))
	}
	return nil
}

func (e *env) refsOrphans(_ context.Context, r *referencing, _ []string) error {
	defer e.tellBroken(r.graph, -1)
	return e.emitNodes(r.graph, r.graph.Orphans(), 0)
}

func (e *env) refsUses(_ context.Context, r *referencing, args []string) error {
	i, err := r.node(args[0])
	if err != nil {
		return err
	}
	return e.emitNodes(r.graph, r.graph.Uses(i), 0)
}

func (e *env) refsNeeds(_ context.Context, r *referencing, args []string) error {
	i, err := r.node(args[0])
	if err != nil {
		return err
	}
	if err := e.emitNodes(r.graph, r.graph.Needs(i), 0); err != nil {
		return err
	}
	e.tellBroken(r.graph, i)
	return nil
}

func (e *env) refsCycles(_ context.Context, r *referencing, _ []string) error {
	return e.emitGroups(r.graph, r.graph.Cycles())
}

func (e *env) refsNear(ctx context.Context, r *referencing) error {
	all, err := r.NearDuplicates(ctx, r.snap, r.graph)
	if err != nil {
		return fmt.Errorf("near duplicates: %w", err)
	}
	return e.emitGroups(r.graph, all)
}

func (e *env) refsDuplicates(r *referencing) error {
	all := r.graph.Duplicates()
	if err := e.emitGroups(r.graph, all); err != nil {
		return err
	}
	spare := int64(0)
	for _, group := range all {
		spare += int64(len(group)-1) * r.graph.Nodes[group[0]].Bytes
	}
	if len(all) > 0 {
		e.say("%s would be free in the folder; in the vault each content is kept once already", size(spare))
	}
	return nil
}

func (e *env) emitGroups(g *creative.Graph, groups [][]int) error {
	for n, group := range groups {
		if n > 0 {
			e.printf("\n")
		}
		if err := e.emitNodes(g, group, n+1); err != nil {
			return err
		}
	}
	return nil
}

type relinkJSON struct {
	Schema string `json:"schema"`
	From   string `json:"from"`
	Raw    string `json:"raw"`
	Old    string `json:"old"`
	New    string `json:"new"`
	NewRaw string `json:"new_raw"`
	Sure   bool   `json:"sure"`
	By     string `json:"by"`
	Done   bool   `json:"done"`
	Reason string `json:"reason,omitempty"`
}

func (e *env) refsRelink(ctx context.Context, r *referencing, _ []string) error {
	if e.project != "" || r.place.root == "" {
		return usage("run it in the project's folder", "relink: the folder is not here")
	}
	if latest := r.Project.Latest(); latest == nil || latest.ID != r.snap.ID {
		return usage("leave --at out", "relink changes the folder: it looks at the newest snapshot only")
	}
	st, err := r.Project.Status(ctx, r.Ignore)
	if err != nil {
		return err
	}
	if len(st.Added)+len(st.Modified)+len(st.Removed) > 0 {
		return hinted(errors.New("relink: the folder has changes that were not kept yet"), "varve snap keeps them; then run it again")
	}
	all, err := r.Relinks(ctx, r.snap, r.graph)
	if err != nil {
		return err
	}
	// What is only a guess by name is told and left to people.
	var sure []creative.Relink
	for _, x := range all {
		if x.Sure() {
			sure = append(sure, x)
		}
	}
	var res *varve.PutResult
	left := map[[2]string]string{} // why, by file and reference
	if !e.dry && len(sure) > 0 {
		var more []creative.Relink
		if res, more, err = r.ApplyRelinks(ctx, sure); err != nil {
			return fmt.Errorf("relink: %w", err)
		}
		for _, x := range more {
			left[[2]string{x.From, x.Raw}] = x.Left
		}
	}
	for _, x := range all {
		j := relinkJSON{"varve.relink/1", x.From, x.Raw, x.Old, x.New, x.NewRaw, x.Sure(), string(x.By), false, left[[2]string{x.From, x.Raw}]}
		j.Done = res != nil && x.Sure() && x.NewRaw != "" && j.Reason == ""
		switch {
		case x.By == creative.ByName:
			j.Reason = "it has the name and not the content: look at it, and change the reference in the application"
		case x.By == creative.ByLook:
			j.Reason = "it looks nearly the same, and has another content: look at it, and change the reference in the application"
		case x.NewRaw == "":
			j.Reason = "the new path cannot be written as the old one is"
		}
		if e.json {
			if err := e.emit(j); err != nil {
				return err
			}
			continue
		}
		word := "relinked"
		if !j.Done {
			word = "would relink"
		}
		if j.Reason != "" {
			word = "not relinked"
			j.Reason = ": " + j.Reason
		}
		e.printf("%s %s: %s → %s%s\n", word, name(x.From), name(x.Raw), name(x.New), j.Reason)
	}
	if res != nil {
		e.say("varve undo takes it back")
	}
	if missing := len(r.graph.Missing()) - len(all); missing > 0 {
		e.say("%s more lead to nothing that is known: varve refs missing", plural(missing, "reference"))
	}
	return nil
}

// collectVerb puts a file and all that it needs into a new folder.
func (e *env) collectVerb(at *string) *cobra.Command {
	var out string
	c := &cobra.Command{
		Use: "collect PATH --to DIR", Short: "Put a file and everything that it needs into a new folder", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usage("varve refs collect "+args[0]+" --to DIR", "collect: --to must be given")
			}
			ctx := cmd.Context()
			r, err := e.referencing(ctx, *at)
			if err != nil {
				return err
			}
			i, err := r.node(args[0])
			if err != nil {
				return err
			}
			paths := r.withNeeds(i)
			return e.restore(ctx, &restoreFlags{to: out, owner: e.root}, append([]string{r.snap.Ref()}, r.fromHere(paths)...))
		},
	}
	c.Flags().StringVar(&out, "to", "", "the new folder `DIR`")
	_ = c.MarkFlagDirname("to")
	return e.changing(c)
}

// withNeeds returns files and all that they need, and tells of what cannot be had.
func (r *referencing) withNeeds(of ...int) (paths []string) {
	for _, k := range append(of, r.graph.Needs(of...)...) {
		paths = append(paths, r.graph.Nodes[k].Path)
		for _, x := range r.graph.Out(k) {
			if x.To < 0 && x.Status != creative.Network {
				r.e.say("varve: left out: %s needs %s, which is %s", name(r.graph.Nodes[x.From].Path), name(x.Reference.Raw), x.Status)
			}
		}
		r.e.tellBroken(r.graph, k)
	}
	return paths
}

// withNeeds returns paths of a snapshot, and those of all that the files there need.
func (e *env) withNeeds(ctx context.Context, p *place, snap *varve.Snapshot, paths []string) ([]string, error) {
	s := e.studio()
	s.take(p)
	r, err := s.referencing(ctx, snap)
	if err != nil {
		return nil, err
	}
	var of []int
	for i := range r.graph.Nodes {
		at := r.graph.Nodes[i].Path
		if slices.ContainsFunc(paths, func(p string) bool { return at == p || strings.HasPrefix(at, p+"/") }) {
			of = append(of, i)
		}
	}
	return append(paths, r.withNeeds(of...)[len(of):]...), nil
}

// fromHere names paths of the project as seen from the current folder.
func (r *referencing) fromHere(paths []string) (out []string) {
	here, err := r.e.inside(r.place, ".")
	if err != nil {
		return paths
	}
	up := ""
	if here != "" {
		up = strings.Repeat("../", strings.Count(here, "/")+1)
	}
	for _, p := range paths {
		out = append(out, path.Clean(up+p))
	}
	return out
}
