package creative

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"varve"
	"varve/format"
)

// Graft is a plan to put elements of an old version into the newer file. Nothing is changed before Apply.
type Graft struct {
	*format.Grafting
	Elements []format.Element // of the old version
	Changes  []ElementChange  // what differs in the file afterwards
	Needs    []Need           // files that the elements refer to and that are not in the folder

	into, from *Item
	was        string // the SHA-256 of into
}

// Need is a file that a grafted element refers to and that is gone since.
type Need struct {
	Reference format.Reference
	Path      string // in the project
	Available bool   // the old version's snapshot has it
}

// PlanGraft plans to put elements of from, by their ids, stable ids or unique names, into another version. The result was
// looked at: it is whole, has the elements as they were, and every other as it is. A *format.Refusal says why it
// cannot be done right.
func (st *Studio) PlanGraft(ctx context.Context, into, from *Item, names []string) (*Graft, error) {
	for _, it := range []*Item{into, from} {
		if it.Format == nil {
			return nil, &format.Refusal{Reason: fmt.Sprintf("no format knows %s", it.Ref()), Advice: "restore the whole file"}
		}
	}
	if into.Format.Name() != from.Format.Name() {
		return nil, &format.Refusal{Reason: fmt.Sprintf("%s and %s are not of one kind", into.Ref(), from.Ref()), Advice: "take both from versions of one file"}
	}
	g := &Graft{into: into, from: from}
	var hashing sync.WaitGroup // while the rest goes on
	was := *into
	var unread error
	hashing.Go(func() { _, unread = was.Content() })
	defer hashing.Wait()
	theirs, err := from.Elements(ctx)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, name := range names {
		e, err := pick(from.Ref(), theirs, name)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(ids, e.ID) {
			ids, g.Elements = append(ids, e.ID), append(g.Elements, e)
		}
	}
	if g.Grafting, err = format.Graft(ctx, into.Format, into.Input, from.Input, ids); err != nil {
		return nil, err
	}
	if err := format.Validate(ctx, into.Format, g.Content); err != nil {
		return nil, fmt.Errorf("what would be written cannot be read back, so it is not: %w", err)
	}
	result, err := g.proven(ctx, theirs, ids)
	if err != nil {
		return nil, err
	}
	if hashing.Wait(); unread != nil {
		return nil, unread
	}
	into.content, g.was = was.content, was.content
	return g, g.findNeeds(ctx, theirs, g.came(theirs, result, ids))
}

// proven reads the result back and holds it to what a graft is. What was copied from the file into itself is not hashed at
// all, where that is enough: hashing both was most of a plan's time. It is not where elements may have to be known again by
// their content, and is not trusted where it says that something is wrong.
func (g *Graft) proven(ctx context.Context, theirs []format.Element, ids []string) (result []format.Element, err error) {
	for _, quick := range []bool{true, false} {
		if quick && g.into.Snapshot != nil {
			continue // its hashes may be remembered
		}
		var ours []format.Element
		var hashed bool
		if ours, result, hashed, err = g.readBack(ctx, quick); err != nil {
			return nil, err
		}
		g.Changes = Compare(ours, result)
		err = g.prove(theirs, ours, result, ids)
		if hashed || err == nil && stable(theirs) && stable(ours) && stable(result) {
			break
		}
	}
	return result, err
}

// stable reports whether all elements have stable ids.
func stable(list []format.Element) bool {
	return !slices.ContainsFunc(list, func(e format.Element) bool { return e.Stable == "" })
}

// readBack lists the elements of the file and of the result; hashed: all of both was.
func (g *Graft) readBack(ctx context.Context, quick bool) (ours, result []format.Element, hashed bool, err error) {
	into := *g.into
	place := format.InPlaceOf(g.Content, into.Input)
	list := func(in format.Input) ([]format.Element, error) {
		out, err := format.Elements(ctx, into.Format, in)
		if err != nil {
			err = fmt.Errorf("what would be written cannot be read back, so it is not: %w", err)
		}
		return out, err
	}
	if !quick {
		common := &versions{by: map[string]any{}} // what was copied from the file is hashed once
		was := itself{into.Input}
		into.Input = &shared{was, was, common}
		if ours, err = into.Elements(ctx); err == nil {
			result, err = list(&shared{place, made{g.Content, was.Input}, common})
		}
		return ours, result, true, err
	}
	used := &marks{by: map[string]bool{}}
	was := into.Input
	if result, err = list(&copied{place, func(off, n int64) (int64, bool) { return g.Content.Origin(was, off, n) }, true, used}); err == nil {
		into.Input = &copied{was, func(off, _ int64) (int64, bool) { return off, true }, false, used}
		ours, err = into.Elements(ctx) // of the folder: nothing of it is remembered
	}
	return ours, result, len(used.by) == 0, err
}

// within returns the ids of elements and of all that is in them.
func within(list []format.Element, ids []string) map[string]bool {
	out := map[string]bool{}
	for i := range list {
		if e := &list[i]; slices.Contains(ids, e.ID) || out[e.Parent] {
			out[e.ID] = true
		}
	}
	return out
}

// prove holds the result to what a graft is: each grafted element as it was in the old version, every other as it was in
// the new one, but for those that the format says it changed.
func (g *Graft) prove(theirs, ours, result []format.Element, ids []string) error {
	p := pair(theirs, result)
	grafted := within(theirs, ids)
	touched := map[string]bool{} // of the result
	for i := range theirs {
		e := &theirs[i]
		if !grafted[e.ID] {
			continue
		}
		j, ok := p.newOf[i]
		if !ok {
			return g.broken("%s %q is not in it", e.Kind, e.Name)
		}
		touched[result[j].ID] = true
		if slices.Contains(ids, e.ID) && result[j].Hash() != e.Hash() {
			return g.broken("%s %q is not as it was", e.Kind, e.Name)
		}
	}
	for _, id := range g.Changed {
		touched[id] = true
	}
	q := pair(ours, result)
	for i := range ours {
		e := &ours[i]
		j, ok := q.newOf[i]
		switch {
		case !ok && !g.replaced(theirs, ours, i, grafted):
			return g.broken("%s %q is gone", e.Kind, e.Name)
		case ok && !touched[result[j].ID] && result[j].Hash() != e.Hash():
			return g.broken("%s %q would change", e.Kind, e.Name)
		}
	}
	return nil
}

// replaced reports whether an element of the new version was in one that a grafted one took the place of.
func (g *Graft) replaced(theirs, ours []format.Element, i int, grafted map[string]bool) bool {
	p := pair(theirs, ours)
	for at := i; at >= 0; at = slices.IndexFunc(ours, func(e format.Element) bool { return e.ID == ours[at].Parent }) {
		if k, ok := p.oldOf[at]; ok && grafted[theirs[k].ID] {
			return true
		}
		if ours[at].Parent == "" {
			return false
		}
	}
	return false
}

func (g *Graft) broken(text string, args ...any) error {
	return fmt.Errorf("graft into %s: in what would be written %s, so nothing is: this is a defect of the format %s", g.into.Ref(), fmt.Sprintf(text, args...), g.into.FormatName())
}

// came returns the ids of the old version's elements that are grafted or came along.
func (g *Graft) came(theirs, result []format.Element, ids []string) map[string]bool {
	out := within(theirs, ids)
	added := map[string]bool{}
	for i := range g.Changes {
		if c := &g.Changes[i]; c.Change == "added" {
			added[c.New.ID] = true
		}
	}
	for i, j := range pair(theirs, result).newOf {
		if added[result[j].ID] {
			out[theirs[i].ID] = true
		}
	}
	return out
}

// findNeeds looks for what elements of the old version refer to and the folder lacks.
func (g *Graft) findNeeds(ctx context.Context, theirs []format.Element, came map[string]bool) error {
	if g.from.Loose || g.into.Loose {
		return nil
	}
	refs, err := format.References(ctx, g.from.Format, g.from.Input)
	if err != nil {
		return nil // a format without references, or a file whose references cannot be read: nothing is known to be needed
	}
	for _, r := range refs {
		if r.Sequence || r.Remade || !came[r.Element] {
			continue
		}
		root, ok := g.from.root(ctx, r.Root)
		if !ok {
			continue
		}
		at, ok := Resolve(g.from.Path, root, &r)
		if !ok {
			continue
		}
		if live, err := g.from.studio.Project.Open(ctx, nil, at); err == nil {
			if err := live.Close(); err != nil {
				return err
			}
			continue
		}
		n := Need{Reference: r, Path: at}
		if g.from.Snapshot != nil {
			_, err := g.from.studio.Project.Stat(ctx, g.from.Snapshot, at)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			n.Available = err == nil
		}
		g.Needs = append(g.Needs, n)
	}
	return nil
}

// root is the folder that Rooted paths of the file begin at, by a file of a name that marks it. Where marks have patterns it
// is not known.
func (it *Item) root(ctx context.Context, mark string) (string, bool) {
	if mark == "" {
		return "", true
	}
	for d := path.Dir(it.Path); !strings.Contains(mark, "*"); d = path.Dir(d) {
		if f, err := it.studio.Project.Open(ctx, it.Snapshot, path.Join(d, mark)); err == nil {
			return path.Clean("/" + d)[1:], f.Close() == nil
		}
		if d == "." {
			break
		}
	}
	return "", false
}

// Restores reports whether Apply brings back files that are needed.
func (g *Graft) Restores(withNeeds bool) bool {
	return withNeeds && slices.ContainsFunc(g.Needs, func(n Need) bool { return n.Available })
}

// Apply writes the grafted file, and with it, if so asked, the files that are needed and available, after a safety
// snapshot. It refuses where the file is not the project's any more as it was when the graft was planned.
func (g *Graft) Apply(ctx context.Context, withNeeds bool) (*varve.PutResult, error) {
	if g.into.Snapshot != nil || g.into.Loose {
		return nil, fmt.Errorf("%s is no file of the project's folder: a graft goes into one of those, or to a file of its own", g.into.Ref())
	}
	var names []string
	for _, e := range g.Elements {
		names = append(names, e.Name)
	}
	files := []varve.PutFile{{Path: g.into.Path, Was: g.was, Write: func(w io.Writer) error { _, err := g.Content.WriteTo(w); return err }}}
	for _, n := range g.Needs {
		if withNeeds && n.Available {
			files = append(files, varve.PutFile{Path: n.Path, Write: func(w io.Writer) error {
				return g.from.studio.Project.Cat(ctx, g.from.Snapshot, n.Path, w)
			}})
		}
	}
	st := g.into.studio
	return st.Project.Put(ctx, varve.PutOptions{Verb: "graft", Files: files, Ignore: st.Ignore,
		Summary: fmt.Sprintf("graft of %s from %s into %s", strings.Join(names, ", "), g.from.Ref(), g.into.Path)})
}
