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
	b := &builder{g: &Graph{byPath: map[string]int{}}, folded: map[string]int{}, names: map[string][]int{}, absent: map[string]string{}, companions: map[int][]int{}}
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

// Companion is the kind of the edges from a file to one that says something of it and goes where it goes: Unity's .meta,
// Godot's .import. No file refers to it, and nothing is used only for it.
const Companion = "companion"

// builder resolves references.
type builder struct {
	g          *Graph
	folded     map[string]int // by lower case; -2 where several have it
	names      map[string][]int
	absent     map[string]string // path of what has an id, of which only its companion is there
	companions map[int][]int     // of a file
	roots      roots
	folders    map[string][]int // files by folder, for sequences
}

func (b *builder) link(facts []*fact) {
	for i := range b.g.Nodes {
		low := strings.ToLower(b.g.Nodes[i].Path)
		if _, twice := b.folded[low]; twice {
			b.folded[low] = -2
		} else {
			b.folded[low] = i
		}
		for _, n := range facts[i].Names {
			b.name(i, &n)
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
		for _, k := range b.companions[i] {
			base := path.Base(b.g.Nodes[k].Path)
			b.add(i, k, &format.Reference{Kind: Companion, Raw: base, Path: base, Style: format.Relative}, b.g.Nodes[k].Path, Found)
		}
	}
	b.g.index()
}

// name notes an id that the file i gives: to itself, or to another that it then goes with.
func (b *builder) name(i int, n *format.Name) {
	self := b.g.Nodes[i].Path
	at := self
	if n.Beside != "" {
		at = strings.TrimSuffix(self, n.Beside)
	} else if n.For != "" {
		at = path.Join(path.Dir(self), n.For)
	}
	who, ok := b.g.byPath[at]
	switch {
	case !ok && n.ID != "" && n.Beside != "":
		b.absent[n.ID] = at
	case ok && n.ID != "":
		b.names[n.ID] = append(b.names[n.ID], who)
	}
	if ok && who != i && n.Beside != "" && !slices.Contains(b.companions[who], i) {
		b.companions[who] = append(b.companions[who], i)
	}
}

// lost returns the path of what had an id and is gone. Of a folder that is none: Unity's have ids too.
func (b *builder) lost(root, id string) (string, bool) {
	at, ok := b.absent[id]
	if !ok || !inside(at, root) {
		return "", false
	}
	i, _ := slices.BinarySearchFunc(b.g.Nodes, at+"/", func(n Node, s string) int { return strings.Compare(n.Path, s) })
	return at, i == len(b.g.Nodes) || !strings.HasPrefix(b.g.Nodes[i].Path, at+"/")
}

func (b *builder) edge(from int, r *format.Reference) {
	self := b.g.Nodes[from].Path
	id := r.ID
	if r.Style == format.Named {
		id = r.Path
	}
	root, rooted := b.root(self, r.Root)
	if to, ok := b.named(self, root, id); ok {
		b.add(from, to, r, b.g.Nodes[to].Path, Found)
		return
	}
	if r.Style == format.URL {
		b.add(from, -1, r, "", Network)
		return
	}
	at, ok := Resolve(self, root, r)
	switch {
	case r.Style == format.Named && r.Remade:
	case r.Style == format.Named:
		if at, ok := b.lost(root, id); ok {
			b.add(from, -1, r, at, Missing)
		} else {
			b.add(from, -1, r, "", Unnamed)
		}
	case !ok:
		b.add(from, -1, r, "", Outside)
	case r.Sequence:
		b.sequence(from, r, at)
	default:
		b.file(from, r, at, rooted)
	}
}

// file adds an edge to the file at a path. Where nothing is, it is missing, if the folder that the path begins at is one
// of the project.
func (b *builder) file(from int, r *format.Reference, at string, rooted bool) {
	if r.Endings == "" { // nearly all
		if to, ok := b.g.byPath[at]; ok {
			b.add(from, to, r, at, Found)
			return
		}
	}
	for ending := range strings.SplitSeq(r.Endings, "|") {
		if to, ok := b.g.byPath[at+ending]; ok {
			b.add(from, to, r, at+ending, Found)
			return
		}
	}
	for ending := range strings.SplitSeq(r.Endings, "|") {
		if to, ok := b.folded[strings.ToLower(at+ending)]; ok && to >= 0 {
			b.add(from, to, r, at+ending, Cased)
			return
		}
	}
	ending, _, _ := strings.Cut(r.Endings, "|")
	switch {
	case r.Remade:
	case !rooted:
		b.add(from, -1, r, "", Unnamed)
	default:
		b.add(from, -1, r, at+ending, Missing)
	}
}

// named returns the file within a folder that has an id; of several the one that is nearest to who asks.
func (b *builder) named(self, root, id string) (int, bool) {
	if id == "" {
		return 0, false
	}
	best, most := 0, -1
	for _, i := range b.names[id] {
		at := b.g.Nodes[i].Path
		if n := common(self, at); n > most && inside(at, root) {
			best, most = i, n
		}
	}
	return best, most >= 0
}

// root returns the folder that Rooted paths of a file begin at. ok is false where none of the project is marked so.
func (b *builder) root(self, mark string) (at string, ok bool) {
	if mark == "" {
		return "", true
	}
	if b.roots == nil {
		b.roots = rootsOf(b.g.Nodes)
	}
	return b.roots.find(self, mark)
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
	if from == to && r.Optional { // it names itself; that is no need
		return
	}
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
// project do refer to: a texture that no material uses, not a scene, which is where one begins, nor a setting.
func (g *Graph) Orphans() (out []int) {
	used := map[string]bool{}
	for i := range g.Edges {
		if to := g.Edges[i].To; to >= 0 && g.Edges[i].Reference.Kind != Companion {
			used[strings.ToLower(path.Ext(g.Nodes[to].Path))] = true
		}
	}
	for i := range g.Nodes {
		if len(g.in[i]) == 0 && g.alone(i) && !g.setting(i) && used[strings.ToLower(path.Ext(g.Nodes[i].Path))] {
			out = append(out, i)
		}
	}
	return out
}

// alone reports whether a file refers to no other, but for what goes with it.
func (g *Graph) alone(i int) bool {
	return !slices.ContainsFunc(g.out[i], func(k int32) bool { return g.Edges[k].Reference.Kind != Companion })
}

// setting: Unity reads what is in one folder, whether anything refers to it or not.
func (g *Graph) setting(i int) bool {
	dir := path.Dir(g.Nodes[i].Path)
	_, ok := g.byPath[path.Join(dir, "ProjectVersion.txt")]
	return ok && path.Base(dir) == "ProjectSettings"
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
