package blend

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"varve/format"
)

// Graft puts data-blocks into a newer file. One that is there by name keeps its address, and so its users; one that is
// not gets a new one, and gets back into the collections that it was in. What they need and the newer file does not
// have comes with them; what it has is used as it is there. Both files must have the same structs.
func (Format) Graft(ctx context.Context, into, from format.Input, ids []string) (*format.Grafting, error) {
	a, err := open(ctx, into)
	if err != nil {
		return nil, err
	}
	b, err := open(ctx, from)
	if err != nil {
		return nil, fmt.Errorf("the other version: %w", err)
	}
	g := newGraft(a, b)
	if err := g.fits(ids); err != nil {
		return nil, err
	}
	if err := g.choose(ctx, ids); err != nil {
		return nil, err
	}
	if err := g.link(); err != nil {
		return nil, err
	}
	l, err := g.layout(ctx)
	if err != nil {
		return nil, err
	}
	out := &format.Grafting{Notes: g.notes, Changed: slices.Sorted(maps.Keys(g.changed))}
	if l.dirty && slices.ContainsFunc(a.blocks, func(k block) bool { return k.code == codeOf("TEST") }) {
		out.Stale = []string{"preview"}
	}
	out.Content, err = l.output(ctx)
	return out, err
}

// graft is what is to be done.
type graft struct {
	into, from *file
	used       map[uint64]bool // addresses
	next       uint64
	target     map[int]uint64 // what from's groups have as address in the result
	queue      []int          // from's groups that are taken
	taken      map[int]bool
	replaces   map[int]int // groups of into → of from
	added      []int       // groups of from that into does not have
	grown      map[int]*grown
	changed    map[string]bool
	notes      []string
	renamed    map[int]string
}

func newGraft(into, from *file) *graft {
	g := &graft{into: into, from: from, used: map[uint64]bool{}, next: 0x10000, target: map[int]uint64{}, taken: map[int]bool{},
		replaces: map[int]int{}, grown: map[int]*grown{}, changed: map[string]bool{}, renamed: map[int]string{}}
	for i := range into.blocks {
		g.used[into.blocks[i].old] = true
	}
	return g
}

// fresh returns an address that no block has. Blender's are far above.
func (g *graft) fresh() uint64 {
	for g.used[g.next] {
		g.next += 16
	}
	g.next += 16
	return g.next - 16
}

// fits refuses files of different structs: what a field means may have changed with them.
func (g *graft) fits(ids []string) error {
	for _, id := range ids {
		i, ok := g.from.named[id]
		if !ok || g.from.hidden(&g.from.groups[i]) {
			return fmt.Errorf("%w: %q", format.ErrNoElement, id)
		}
	}
	a, b := g.into, g.from
	refuse := func(what string) error {
		return &format.Refusal{Reason: what, Advice: "append it in Blender: " + appendScript(b, ids)}
	}
	if a.header.wide != b.header.wide || a.header.large != b.header.large || a.header.order != b.header.order {
		return refuse("the two versions were saved on machines of different kinds")
	}
	x, err := a.content(a.dnaAt, maxDNA)
	if err != nil {
		return err
	}
	y, err := b.content(b.dnaAt, maxDNA)
	if err != nil {
		return err
	}
	va, err := a.saved()
	if err != nil {
		return err
	}
	vb, err := b.saved()
	if err != nil {
		return err
	}
	if va != vb || !bytes.Equal(x, y) {
		return refuse(fmt.Sprintf("the two versions were saved by different versions of Blender (%s, and the older one %s)", va, vb))
	}
	return nil
}

// saved returns the version of Blender that a file was saved by: 3.4.1.
func (f *file) saved() (string, error) {
	version := fmt.Sprintf("%d.%d", f.header.version/100, f.header.version%100)
	for i := range f.blocks {
		if f.blocks[i].code == codeOf("GLOB") {
			v, _, err := f.view(i, 0)
			return fmt.Sprintf("%s.%d", version, v.int("subversion")), err
		}
	}
	return version, nil
}

// choose finds out which data-blocks are taken.
func (g *graft) choose(ctx context.Context, ids []string) error {
	a, b := g.into.digester(), g.from.digester()
	asked := map[int]bool{}
	for _, id := range ids {
		asked[g.from.named[id]] = true
	}
	order := slices.Sorted(maps.Keys(asked))
	for n := 0; n < len(order); n++ { // grows: shape keys belong to their mesh
		i := order[n]
		keys, err := g.from.keysOf(&g.from.groups[i])
		if err != nil {
			return err
		}
		if keys >= 0 && !asked[keys] {
			asked[keys] = true
			order = append(order, keys)
		}
		same, err := g.same(ctx, a, b, i)
		if err != nil {
			return err
		}
		if !same {
			if err := g.add(i); err != nil {
				return err
			}
		}
	}
	noted := map[int]bool{}
	for n := 0; n < len(g.queue); n++ {
		if err := g.needs(ctx, g.queue[n], asked, noted, a, b); err != nil {
			return err
		}
	}
	return nil
}

// same reports whether the newer file has a data-block just as it is in the older one.
func (g *graft) same(ctx context.Context, a, b *digester, i int) (bool, error) {
	from := &g.from.groups[i]
	k, err := g.counterpart(i)
	if err != nil || k < 0 {
		return false, err
	}
	if from.linked {
		return true, nil
	}
	x, err := a.aspects(ctx, &g.into.groups[k])
	if err != nil {
		return false, err
	}
	y, err := b.aspects(ctx, from)
	return maps.Equal(x, y), err
}

// keysOf returns the group of the shape keys of a mesh, -1 if it has none.
func (f *file) keysOf(g *group) (int, error) {
	if g.linked {
		return -1, nil
	}
	switch g.key[:2] {
	case "ME", "CU", "LT":
	default:
		return -1, nil
	}
	v, err := f.root(g)
	if err != nil {
		return -1, err
	}
	if i, ok := f.owner[v.pointer("key")]; ok && strings.HasPrefix(f.groups[i].key, "KE") {
		return i, nil
	}
	return -1, nil
}

// counterpart returns the group of the newer file that stands for one of the older; -1 where there is none. Shape keys
// have names that nobody gave them: theirs is the one of the same mesh.
func (g *graft) counterpart(i int) (int, error) {
	from := &g.from.groups[i]
	if strings.HasPrefix(from.key, "KE") && !from.linked {
		v, err := g.from.root(from)
		if err != nil {
			return -1, err
		}
		if k, ok := g.into.named[g.from.nameOf(v.pointer("from"))]; ok {
			return g.into.keysOf(&g.into.groups[k])
		}
		return -1, nil
	}
	if k, ok := g.into.named[from.key]; ok {
		return k, nil
	}
	return -1, nil
}

// add takes a group of the older file.
func (g *graft) add(i int) error {
	if g.taken[i] {
		return nil
	}
	g.taken[i] = true
	g.queue = append(g.queue, i)
	from := &g.from.groups[i]
	k, err := g.counterpart(i)
	if err != nil {
		return err
	}
	if k >= 0 {
		g.target[i] = g.into.blocks[g.into.groups[k].first].old
		g.replaces[k] = i
		g.changed[g.into.groups[k].key] = true
		if key := g.into.groups[k].key; key != from.key {
			g.renamed[i] = key
		}
		return nil
	}
	g.target[i] = g.fresh()
	g.added = append(g.added, i)
	key := from.key
	for n := 1; ; n++ {
		if _, there := g.into.named[key]; !there {
			break
		}
		key = fmt.Sprintf("%.60s.%03d", from.key, n)
		g.renamed[i] = key
	}
	g.changed[key] = true
	return nil
}

// needs takes what a group needs and the newer file does not have.
func (g *graft) needs(ctx context.Context, i int, asked, noted map[int]bool, a, b *digester) error {
	from := &g.from.groups[i]
	if from.linked && from.library >= 0 {
		if err := g.need(from.library); err != nil {
			return err
		}
	}
	t, err := g.from.trace(ctx, from)
	if err != nil {
		return err
	}
	var others []int
	seen := map[int]bool{}
	for n := range t.class {
		_, err := g.from.pointed(from, t, n, func(_ int, p uint64, quiet bool) uint64 {
			if _, own := t.place[p]; !own && !quiet && p != 0 {
				if k, ok := g.from.owner[p]; ok && !seen[k] {
					seen[k] = true
					others = append(others, k)
				}
			}
			return p
		})
		if err != nil {
			return err
		}
	}
	for _, k := range others {
		if err := g.need(k); err != nil {
			return err
		}
		if g.taken[k] || g.target[k] == 0 || noted[k] || !asked[i] {
			continue
		}
		noted[k] = true
		if same, err := g.same(ctx, a, b, k); err != nil {
			return err
		} else if !same && !strings.HasPrefix(g.from.groups[k].key, "SC") {
			g.notes = append(g.notes, fmt.Sprintf("%s uses %s as the newer file has it", g.from.shown(i), g.from.shown(k)))
		}
	}
	return nil
}

// need makes sure that a group has an address in the result; 0 for what is not brought along.
func (g *graft) need(k int) error {
	if _, known := g.target[k]; known {
		return nil
	}
	other := &g.from.groups[k]
	c, err := g.counterpart(k)
	if err != nil {
		return err
	}
	switch {
	case c >= 0:
		g.target[k] = g.into.blocks[g.into.groups[c].first].old
	case g.from.hidden(other):
		g.target[k] = 0
	case strings.HasPrefix(other.key, "SC"):
		g.target[k] = 0
		g.notes = append(g.notes, fmt.Sprintf("%s is not in the newer file, and was not brought along", g.from.shown(k)))
	default:
		return g.add(k)
	}
	return nil
}

// shown is a data-block in words.
func (f *file) shown(i int) string {
	g := &f.groups[i]
	if g.library >= 0 {
		return fmt.Sprintf("the %s %q of %s", kindOf(g.key), g.name[2:], f.groups[g.library].key[2:])
	}
	return fmt.Sprintf("the %s %q", kindOf(g.key), g.name[2:])
}

// appendScript is Python that brings data-blocks over by Blender itself, which knows how to turn old ones into new ones.
func appendScript(f *file, ids []string) string {
	byKind := map[string][]string{}
	for _, id := range ids {
		if g := &f.groups[f.named[id]]; !g.linked {
			if c := collectionOf(id); c != "" {
				byKind[c] = append(byKind[c], fmt.Sprintf("%q", id[2:]))
			}
		}
	}
	var b strings.Builder
	b.WriteString("import bpy\nwith bpy.data.libraries.load(OLD_FILE) as (old, new):")
	for _, c := range slices.Sorted(maps.Keys(byKind)) {
		fmt.Fprintf(&b, "\n    new.%s = [%s]", c, strings.Join(byKind[c], ", "))
	}
	if len(byKind) == 0 {
		b.WriteString("\n    pass")
	}
	if len(byKind["objects"]) > 0 {
		b.WriteString("\nfor o in new.objects:\n    bpy.context.scene.collection.objects.link(o)")
	}
	return b.String()
}

// collectionOf is where bpy.data has data-blocks.
func collectionOf(key string) string {
	switch key[:2] {
	case "OB":
		return "objects"
	case "ME":
		return "meshes"
	case "MA":
		return "materials"
	case "TE":
		return "textures"
	case "IM":
		return "images"
	case "LA":
		return "lights"
	case "CA":
		return "cameras"
	case "GR":
		return "collections"
	case "SC":
		return "scenes"
	case "AC":
		return "actions"
	case "AR":
		return "armatures"
	case "NT":
		return "node_groups"
	case "WO":
		return "worlds"
	case "TX":
		return "texts"
	case "SO":
		return "sounds"
	case "CU":
		return "curves"
	case "GD":
		return "grease_pencils"
	}
	return ""
}
