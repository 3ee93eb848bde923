// Package transfer brings what a snapshot refers to from one vault into another, which names, groups and seals
// everything by keys of its own.
//
// It promises: what it returned without an error describes the same folder, byte for byte, by objects that are in the
// other vault or in the session; an object that is there already is not stored again, and where both vaults are known
// to hold a similar folder, what has not changed since is not even read here; blocks go over as they are compressed.
//
// What a digest of one vault is in the other follows only from the bytes. So a chunk is read, checked against the name
// it has here, and named anew; or two recipes of one file are laid side by side: a transfer cuts nothing, so their
// items agree one by one.
package transfer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"sync"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/object"
	"varve/internal/seal"
	"varve/internal/tree"
)

// Options say between which vaults, and how.
type Options struct {
	From, To *object.DB
	Workers  int // at least 1
	// Sound are pages that To has, with all that they refer to: Tree looks for what is not known to be, and adds what it
	// finds. For one transfer after the other into one vault.
	Sound    map[digest.Digest]bool
	Progress func(plain int64) // bytes of chunks that were read; from several goroutines; may be nil
}

// A Pair is a directory that both vaults have: the digest it has in either.
type Pair struct{ From, To digest.Digest }

// transfer is the way of one snapshot.
type transfer struct {
	Options
	ctx        context.Context
	s          *object.Session
	w          *object.Writer
	get, there tree.Getter

	// What is named so in From is named so in To.
	dirs    map[digest.Digest]digest.Digest
	recipes map[digest.Digest]digest.Digest // root pages
	known   map[digest.Digest]digest.Digest // chunks of files that both have; To may have lost them
	chunks  map[digest.Digest]digest.Digest // zero: not known yet

	planned map[digest.Digest]bool
	wanted  []digest.Digest        // chunks that are to be read
	mu      sync.Mutex             // guards chunks and deltas while they are
	deltas  map[digest.Digest]bool // chunks that were stored as deltas, by their names there

	builders []*tree.Builder // by depth
	recipe   *tree.RecipeWriter
}

// Tree brings the directory root over into session s and returns its digest there. like is a directory that both vaults
// have and that is much the same; it may be nil. What was stored is flushed to the session.
func Tree(ctx context.Context, s *object.Session, o Options, root digest.Digest, like *Pair) (digest.Digest, error) {
	t := &transfer{Options: o, ctx: ctx, s: s, w: s.Writer(seal.Fast), get: getter(o.From), there: getter(o.To),
		dirs: map[digest.Digest]digest.Digest{}, recipes: map[digest.Digest]digest.Digest{}, known: map[digest.Digest]digest.Digest{},
		chunks: map[digest.Digest]digest.Digest{}, planned: map[digest.Digest]bool{}, deltas: map[digest.Digest]bool{}}
	t.recipe = tree.NewRecipeWriter(t.put(object.Recipes))
	if err := t.plan(root, nil, like); err != nil {
		return digest.Digest{}, err
	}
	if err := t.fetch(); err != nil {
		return digest.Digest{}, err
	}
	d, err := t.build(root, nil, 0)
	if err != nil {
		return digest.Digest{}, err
	}
	return d, t.w.Flush()
}

// Pages brings single objects over and returns their digests there.
func Pages(ctx context.Context, s *object.Session, o Options, pages []digest.Digest) ([]digest.Digest, error) {
	w, get := s.Writer(seal.Fast), getter(o.From)
	var out []digest.Digest
	for _, d := range pages {
		page, err := get(ctx, d)
		if err != nil {
			return nil, err
		}
		there, err := w.Put(ctx, object.Recipes, page)
		if err != nil {
			return nil, err
		}
		out = append(out, there)
	}
	return out, w.Flush()
}

func getter(db *object.DB) tree.Getter {
	r := db.NewReader()
	return func(ctx context.Context, d digest.Digest) ([]byte, error) { return r.Get(ctx, d, nil) }
}

func (t *transfer) put(st object.Stream) tree.Putter {
	return func(page []byte) (digest.Digest, error) { return t.w.Put(t.ctx, st, page) }
}

// plan finds out what of a directory To has, and which chunks it may lack. A directory that occurs more than once is
// planned once. said is what the row above says of it; nil of the root.
func (t *transfer) plan(d digest.Digest, said *tree.Summary, like *Pair) error {
	if t.planned[d] {
		return nil
	}
	t.planned[d] = true
	if like != nil && like.From == d && t.intact(like.To) {
		t.dirs[d] = like.To
		return t.ctx.Err()
	}
	twin, stop := t.twins(like)
	defer stop()
	for e, err := range t.list(d, said) {
		if err != nil {
			return err
		}
		old := twin(e.Name)
		switch e.Type {
		case disk.Directory:
			var below *Pair
			if old != nil && old.from.Type == disk.Directory && old.to.Type == disk.Directory {
				below = &Pair{old.from.Dir, old.to.Dir}
			}
			err = t.plan(e.Dir, &e.Summary, below)
		case disk.Regular:
			err = t.planFile(&e, old)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", e.Name, err)
		}
	}
	return nil
}

// list goes through a directory, which must hold what is said of it.
func (t *transfer) list(d digest.Digest, said *tree.Summary) iter.Seq2[tree.Entry, error] {
	if said == nil {
		return tree.List(t.ctx, t.get, d)
	}
	return tree.Below(t.ctx, t.get, &tree.Entry{Type: disk.Directory, Dir: d, Summary: *said})
}

// twin is an entry that a directory of both vaults has.
type twin struct{ from, to tree.Entry }

// twins returns a function that finds the entries of a directory that both vaults have, by names in ascending order.
// Where either cannot be read there are no more: that costs only their help.
func (t *transfer) twins(like *Pair) (find func(name string) *twin, stop func()) {
	if like == nil {
		return func(string) *twin { return nil }, func() {}
	}
	from, stopFrom := iter.Pull2(tree.List(t.ctx, t.get, like.From))
	to, stopTo := iter.Pull2(tree.List(t.ctx, t.there, like.To))
	var at twin
	more := true
	find = func(name string) *twin {
		for more && at.from.Name < name {
			var errFrom, errTo error
			var okFrom, okTo bool
			at.from, errFrom, okFrom = from()
			at.to, errTo, okTo = to()
			more = okFrom && okTo && errFrom == nil && errTo == nil && at.from.Name == at.to.Name
		}
		if !more || at.from.Name != name {
			return nil
		}
		return &at
	}
	return find, func() { stopFrom(); stopTo() }
}

// planFile finds out which chunks of a file To may lack.
func (t *transfer) planFile(e *tree.Entry, old *twin) error {
	if e.Content == nil && t.planned[e.Recipe] {
		return nil
	}
	if old != nil && old.from.Type == disk.Regular && old.to.Type == disk.Regular {
		if e.Content == nil && e.Recipe == old.from.Recipe && t.intactFile(&old.to) {
			t.planned[e.Recipe], t.recipes[e.Recipe] = true, old.to.Recipe
			return nil
		}
		t.sideBySide(&old.from, &old.to)
	}
	for it, err := range tree.Items(t.ctx, t.get, e) {
		if err != nil {
			return err
		}
		if it.Kind == tree.Chunk {
			t.want(it.Digest)
		}
	}
	if e.Content == nil {
		t.planned[e.Recipe] = true
	}
	return nil
}

func (t *transfer) want(d digest.Digest) {
	if _, before := t.chunks[d]; before {
		return
	}
	if there, ok := t.known[d]; ok && t.has(there) {
		t.chunks[d] = there
		return
	}
	t.chunks[d] = digest.Digest{}
	t.wanted = append(t.wanted, d)
}

func (t *transfer) has(d digest.Digest) bool {
	have, err := t.w.Has(t.ctx, d)
	return err == nil && have
}

// sideBySide learns the names that the chunks of a file of both vaults have in either.
func (t *transfer) sideBySide(from, to *tree.Entry) {
	next, stop := iter.Pull2(tree.Items(t.ctx, t.there, to))
	defer stop()
	for a, err := range tree.Items(t.ctx, t.get, from) {
		b, errTo, ok := next()
		if err != nil || errTo != nil || !ok || a.Kind != b.Kind || a.Len != b.Len {
			return
		}
		if a.Kind == tree.Chunk {
			t.known[a.Digest] = b.Digest
		}
	}
}

var errGone = errors.New("not all of it is there")

// intact reports whether everything that a directory of To refers to may be shared with. That a snapshot refers to it
// does not say so: packs may be lost, and the index that knew of them as well.
func (t *transfer) intact(d digest.Digest) bool {
	found := map[digest.Digest]bool{}
	err := tree.Walk(t.ctx, t.there, d, func(kind tree.Kind, d digest.Digest) (bool, error) {
		if kind != tree.Data && (t.Sound[d] || found[d]) {
			return false, nil
		}
		if !t.has(d) {
			return false, errGone
		}
		if kind != tree.Data {
			found[d] = true
		}
		return true, nil
	})
	if err == nil {
		maps.Copy(t.Sound, found)
	}
	return err == nil
}

// intactFile is intact of a file with pages.
func (t *transfer) intactFile(e *tree.Entry) bool {
	if e.Content != nil || !t.has(e.Recipe) {
		return false
	}
	// Of the pages between the root and the items it is the reading that vouches.
	for it, err := range tree.Items(t.ctx, t.there, e) {
		if err != nil || it.Kind == tree.Chunk && !t.has(it.Digest) {
			return false
		}
	}
	return true
}

// build makes a directory of what is named there by now.
func (t *transfer) build(d digest.Digest, said *tree.Summary, depth int) (digest.Digest, error) {
	if there, ok := t.dirs[d]; ok {
		return there, nil
	}
	if depth == len(t.builders) {
		t.builders = append(t.builders, tree.NewBuilder(t.put(object.Pages)))
	}
	b := t.builders[depth]
	b.Reset()
	for e, err := range t.list(d, said) {
		switch {
		case err != nil:
		case e.Type == disk.Directory:
			e.Dir, err = t.build(e.Dir, &e.Summary, depth+1)
		case e.Type == disk.Regular:
			err = t.translate(&e)
		}
		if err == nil {
			err = b.Add(&e)
		}
		if err != nil {
			return digest.Digest{}, err
		}
	}
	there, _, err := b.Finish()
	t.dirs[d] = there
	return there, err
}

// translate gives a file the recipe that it has there.
func (t *transfer) translate(e *tree.Entry) error {
	paged := e.Content == nil
	if there, ok := t.recipes[e.Recipe]; ok && paged {
		e.Recipe = there
		return nil
	}
	class, err := tree.RecipeClass(t.ctx, t.get, e)
	if err != nil {
		return err
	}
	t.recipe.Reset(class)
	for it, err := range tree.Items(t.ctx, t.get, e) {
		if err != nil {
			return err
		}
		if it.Kind == tree.Chunk {
			there, ok := t.chunks[it.Digest]
			if !ok || there.IsZero() {
				return fmt.Errorf("%s: chunk %s was not brought over: %w", e.Name, it.Digest, object.ErrMissing)
			}
			it.Digest = there
		}
		if err := t.recipe.Add(&it); err != nil {
			return err
		}
	}
	from := e.Recipe
	if e.Content, e.Recipe, _, err = t.recipe.Finish(); err == nil && paged {
		t.recipes[from] = e.Recipe
	}
	return err
}
