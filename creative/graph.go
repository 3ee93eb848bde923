package creative

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"varve"
	"varve/format"
)

// Status says where a reference leads.
type Status string

const (
	Found   Status = "ok"
	Cased   Status = "case"    // to a file whose name has other capitals: it works on Windows and macOS only
	Missing Status = "missing" // to a path of the project where nothing is
	Outside Status = "outside" // to this or another machine, out of the project
	Network Status = "url"
	Unnamed Status = "unnamed" // an id that no file of the project has: often one that the application brings along
)

// Node is a file of a graph.
type Node struct {
	Path    string
	Content string // its SHA-256
	Bytes   int64
	Format  string // of those that refer to others; ""
	Broken  string // why its references are not known; ""
}

// Edge is one file's need of another.
type Edge struct {
	From      int // position in Graph.Nodes
	To        int // likewise; -1 where it leads to none
	Reference *format.Reference
	At        string // the path in the project that it means; "" where it means none
	Status    Status
}

// Graph is which file of a project needs which, at one moment.
type Graph struct {
	Nodes []Node // in the order of their paths
	Edges []Edge // in the order of From

	byPath map[string]int
	out    [][]int32 // edges by From
	in     [][]int32 // edges by To
}

// Find returns the position of a path.
func (g *Graph) Find(at string) (int, bool) {
	i, ok := g.byPath[at]
	return i, ok
}

// Graph makes the graph of a snapshot. Only files whose content was not met before are read.
func (st *Studio) Graph(ctx context.Context, s *varve.Snapshot) (*Graph, error) {
	m := newMemory(st)
	b := &builder{g: &Graph{byPath: map[string]int{}}, folded: map[string]int{}, names: map[string]int{}, roots: map[string]bool{}}
	type file struct {
		Node
		*fact
	}
	var all []file
	for f, err := range st.Project.Files(ctx, s) {
		if err != nil {
			return nil, err
		}
		n := Node{Path: f.Name(), Content: f.Content(), Bytes: f.Size()}
		known, err := m.fact(ctx, s, f)
		if err != nil {
			return nil, err
		}
		n.Format, n.Broken = known.Format, known.Broken
		all = append(all, file{n, known})
	}
	slices.SortFunc(all, func(x, y file) int { return strings.Compare(x.Path, y.Path) })
	b.g.Nodes = make([]Node, len(all))
	facts := make([]*fact, len(all))
	for i := range all {
		b.g.Nodes[i], facts[i] = all[i].Node, all[i].fact
		b.g.byPath[all[i].Path] = i
	}
	m.save()
	b.link(facts)
	return b.g, nil
}

// builder resolves references.
type builder struct {
	g       *Graph
	folded  map[string]int // by lower case; -2 where several have it
	names   map[string]int
	roots   map[string]bool  // folders that Rooted paths begin at, besides the project's own
	folders map[string][]int // files by folder, for sequences
}

func (b *builder) link(facts []*fact) {
	for i := range b.g.Nodes {
		at := b.g.Nodes[i].Path
		low := strings.ToLower(at)
		if _, twice := b.folded[low]; twice {
			b.folded[low] = -2
		} else {
			b.folded[low] = i
		}
		if base := path.Base(at); base == "project.godot" {
			b.roots[path.Dir(at)] = true
		}
		for _, n := range facts[i].Names {
			who := i
			if n.For != "" {
				k, ok := b.g.byPath[path.Join(path.Dir(at), n.For)]
				if !ok {
					continue
				}
				who = k
			}
			b.names[n.ID] = who
		}
	}
	count := 0
	for i := range facts {
		count += len(facts[i].References)
	}
	b.g.Edges = make([]Edge, 0, count) // nearly all have one
	for i := range facts {
		for k := range facts[i].References {
			b.edge(i, &facts[i].References[k])
		}
	}
	b.g.index()
}

func (b *builder) edge(from int, r *format.Reference) {
	switch r.Style {
	case format.URL:
		b.add(from, -1, r, "", Network)
		return
	case format.Named:
		if to, ok := b.names[r.Path]; ok {
			b.add(from, to, r, b.g.Nodes[to].Path, Found)
		} else {
			b.add(from, -1, r, "", Unnamed)
		}
		return
	}
	self := b.g.Nodes[from].Path
	at, ok := Resolve(self, b.root(self), r)
	switch {
	case !ok:
		b.add(from, -1, r, "", Outside)
	case r.Sequence:
		b.sequence(from, r, at)
	default:
		if to, ok := b.g.byPath[at]; ok {
			b.add(from, to, r, at, Found)
		} else if to, ok := b.folded[strings.ToLower(at)]; ok && to >= 0 {
			b.add(from, to, r, at, Cased)
		} else {
			b.add(from, -1, r, at, Missing)
		}
	}
}

// root is the nearest folder around a file that Rooted paths begin at; "" is that of the project.
func (b *builder) root(at string) string {
	for d := path.Dir(at); d != "."; d = path.Dir(d) {
		if b.roots[d] {
			return d
		}
	}
	return ""
}

// sequence adds an edge to each file that a pattern stands for.
func (b *builder) sequence(from int, r *format.Reference, at string) {
	if b.folders == nil {
		b.folders = map[string][]int{}
		for i := range b.g.Nodes {
			d := path.Dir(b.g.Nodes[i].Path)
			b.folders[d] = append(b.folders[d], i)
		}
	}
	match, err := sequencePattern(path.Base(at))
	found := false
	for _, i := range b.folders[path.Dir(at)] {
		if err == nil && match.MatchString(path.Base(b.g.Nodes[i].Path)) {
			b.add(from, i, r, b.g.Nodes[i].Path, Found)
			found = true
		}
	}
	if !found {
		b.add(from, -1, r, at, Missing)
	}
}

// sequencePattern makes a pattern of the name of a sequence: *, ?, <UDIM>, ####, and %04d.
func sequencePattern(name string) (*regexp.Regexp, error) {
	quoted := regexp.QuoteMeta(name)
	quoted = strings.NewReplacer(`\*`, `.*`, `\?`, `.`, `<UDIM>`, `\d{4}`, `<f>`, `\d+`, `%d`, `\d+`).Replace(quoted)
	quoted = regexp.MustCompile(`%0(\d)d`).ReplaceAllString(quoted, `\d{$1,}`)
	quoted = regexp.MustCompile(`#+`).ReplaceAllStringFunc(quoted, func(s string) string { return fmt.Sprintf(`\d{%d,}`, len(s)) })
	return regexp.Compile(`^` + quoted + `$`)
}

func (b *builder) add(from, to int, r *format.Reference, at string, s Status) {
	if to >= 0 && b.g.Nodes[to].Path == at {
		at = b.g.Nodes[to].Path // the one that is in memory anyway
	}
	b.g.Edges = append(b.g.Edges, Edge{From: from, To: to, Reference: r, At: at, Status: s})
}

func (g *Graph) index() {
	g.out = g.by(func(e *Edge) int { return e.From })
	g.in = g.by(func(e *Edge) int { return e.To })
}

// by sorts the edges by a node of theirs: those of all nodes lie in one array.
func (g *Graph) by(end func(*Edge) int) [][]int32 {
	at := make([]int, len(g.Nodes)+1)
	for i := range g.Edges {
		if k := end(&g.Edges[i]); k >= 0 {
			at[k+1]++
		}
	}
	for i := range g.Nodes {
		at[i+1] += at[i]
	}
	all, out := make([]int32, at[len(g.Nodes)]), make([][]int32, len(g.Nodes))
	for i := range out {
		out[i] = all[at[i]:at[i]:at[i+1]]
	}
	for i := range g.Edges {
		if k := end(&g.Edges[i]); k >= 0 {
			out[k] = append(out[k], int32(i))
		}
	}
	return out
}

// closure returns the nodes that can be reached from some, without those, in order.
func (g *Graph) closure(from []int, edges [][]int32, end func(*Edge) int) []int {
	seen := make([]bool, len(g.Nodes))
	for _, i := range from {
		seen[i] = true
	}
	queue := slices.Clone(from)
	var out []int
	for len(queue) > 0 {
		i := queue[0]
		queue = queue[1:]
		for _, k := range edges[i] {
			j := end(&g.Edges[k])
			if j < 0 || seen[j] {
				continue
			}
			seen[j] = true
			out, queue = append(out, j), append(queue, j)
		}
	}
	slices.Sort(out)
	return out
}

// Needs returns all files that some need, directly or not; cycles end.
func (g *Graph) Needs(from ...int) []int {
	return g.closure(from, g.out, func(e *Edge) int { return e.To })
}

// Uses returns all files that need some, directly or not.
func (g *Graph) Uses(of ...int) []int {
	return g.closure(of, g.in, func(e *Edge) int { return e.From })
}

// Out returns the references of a file, In those to it.
func (g *Graph) Out(i int) []*Edge { return g.edges(g.out[i]) }
func (g *Graph) In(i int) []*Edge  { return g.edges(g.in[i]) }

func (g *Graph) edges(of []int32) []*Edge {
	out := make([]*Edge, len(of))
	for n, k := range of {
		out[n] = &g.Edges[k]
	}
	return out
}

// Missing returns the references that lead to a path of the project where nothing is.
func (g *Graph) Missing() (out []*Edge) {
	for i := range g.Edges {
		if g.Edges[i].Status == Missing {
			out = append(out, &g.Edges[i])
		}
	}
	return out
}

// Orphans returns the files that nothing refers to and that refer to nothing, and that are of a kind that others of the
// project do refer to: a texture that no material uses, not a scene, which is where one begins.
func (g *Graph) Orphans() (out []int) {
	used := map[string]bool{}
	for i := range g.Edges {
		if to := g.Edges[i].To; to >= 0 {
			used[strings.ToLower(path.Ext(g.Nodes[to].Path))] = true
		}
	}
	for i := range g.Nodes {
		if len(g.in[i]) == 0 && len(g.out[i]) == 0 && used[strings.ToLower(path.Ext(g.Nodes[i].Path))] {
			out = append(out, i)
		}
	}
	return out
}

// Cycles returns the groups of files that need each other, and files that need themselves.
func (g *Graph) Cycles() [][]int {
	t := &tarjan{g: g, index: make([]int32, len(g.Nodes)), low: make([]int32, len(g.Nodes)), on: make([]bool, len(g.Nodes))}
	for i := range g.Nodes {
		if t.index[i] == 0 {
			t.visit(int32(i))
		}
	}
	slices.SortFunc(t.found, func(a, b []int) int { return cmp.Compare(a[0], b[0]) })
	return t.found
}

// tarjan finds strongly connected components, without recursion: graphs may be deep.
type tarjan struct {
	g     *Graph
	index []int32 // 1, 2, … in the order of visits
	low   []int32
	on    []bool
	stack []int32
	next  int32
	found [][]int
}

func (t *tarjan) visit(root int32) {
	type frame struct {
		node int32
		edge int
	}
	enter := func(n int32) frame {
		t.next++
		t.index[n], t.low[n], t.on[n] = t.next, t.next, true
		t.stack = append(t.stack, n)
		return frame{node: n}
	}
	work := []frame{enter(root)}
	for len(work) > 0 {
		f := &work[len(work)-1]
		if f.edge < len(t.g.out[f.node]) {
			to := int32(t.g.Edges[t.g.out[f.node][f.edge]].To)
			f.edge++
			switch {
			case to < 0:
			case t.index[to] == 0:
				work = append(work, enter(to))
			case t.on[to]:
				t.low[f.node] = min(t.low[f.node], t.index[to])
			}
			continue
		}
		n := f.node
		work = work[:len(work)-1]
		if len(work) > 0 {
			up := work[len(work)-1].node
			t.low[up] = min(t.low[up], t.low[n])
		}
		if t.low[n] == t.index[n] {
			t.close(n)
		}
	}
}

func (t *tarjan) close(n int32) {
	var group []int
	for {
		k := t.stack[len(t.stack)-1]
		t.stack = t.stack[:len(t.stack)-1]
		t.on[k] = false
		group = append(group, int(k))
		if k == n {
			break
		}
	}
	self := slices.ContainsFunc(t.g.out[n], func(e int32) bool { return t.g.Edges[e].To == int(n) })
	if len(group) > 1 || self {
		slices.Sort(group)
		t.found = append(t.found, group)
	}
}

// Duplicates returns the groups of files of one content, of which each but one takes space in the folder; empty ones
// are none.
func (g *Graph) Duplicates() [][]int {
	by := map[string][]int{}
	for i := range g.Nodes {
		if n := &g.Nodes[i]; n.Content != "" && n.Bytes > 0 {
			by[n.Content] = append(by[n.Content], i)
		}
	}
	var out [][]int
	for _, group := range by {
		if len(group) > 1 {
			out = append(out, group)
		}
	}
	slices.SortFunc(out, func(a, b []int) int { return cmp.Compare(a[0], b[0]) })
	return out
}

// errNoContent says that a vault keeps no SHA-256, by which contents are known.
var errNoContent = errors.New("the vault keeps no SHA-256 of files, which reference graphs need")
