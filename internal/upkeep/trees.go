package upkeep

import (
	"context"
	"errors"
	"path"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/object"
	"varve/internal/tree"
)

// errLost ends the quick walk at the first thing that cannot be had.
var errLost = errors.New("something is lost")

// checkTrees goes through every page of every snapshot once and looks up every chunk. Only if something
// is wrong does it walk again, slowly, to tell what it touches.
func (v *verification) checkTrees() error {
	q := &quickWalk{v: v, r: v.db.NewReader(), seen: map[digest.Digest]bool{}}
	memory := tree.NewMemory()
	wrong := map[*history.Snapshot]error{}
	for _, s := range v.snapshots {
		err := memory.Walk(v.ctx, q.get, s.Root, q.visit)
		if v.ctx.Err() != nil {
			return v.ctx.Err()
		}
		if err != nil {
			wrong[s] = err
			// What this walk has seen may have lost something below it that another snapshot shares.
			clear(q.seen)
			memory.Forget()
		}
	}
	if len(wrong) == 0 {
		return nil
	}
	w := &slowWalk{v: v, r: v.db.NewReader(), clean: map[digest.Digest]bool{}}
	for _, s := range v.snapshots {
		w.s, w.touched, w.every = s, false, tree.Unrepeated(w.get)
		if _, err := w.dir(s.Root, "", 0); err != nil {
			return err
		}
		if err := wrong[s]; err != nil && !w.touched {
			v.faults.add(Damaged, s.Root.String(), err.Error(), repairPack).touch(s, "")
		}
	}
	return nil
}

// quickWalk goes through trees, each page once.
type quickWalk struct {
	v    *verification
	r    *object.Reader
	seen map[digest.Digest]bool
}

func (q *quickWalk) get(ctx context.Context, d digest.Digest) ([]byte, error) {
	return q.r.Get(ctx, d, nil)
}

func (q *quickWalk) visit(kind tree.Kind, d digest.Digest) (bool, error) {
	if kind != tree.Data && q.seen[d] {
		return false, nil
	}
	if _, ok := q.v.lookup(d, false); !ok {
		return false, errLost
	}
	if kind != tree.Data {
		q.seen[d] = true
	}
	return true, nil
}

// slowWalk goes through trees by paths and notes what each damage touches. It goes past what is lost.
type slowWalk struct {
	v       *verification
	r       *object.Reader
	s       *history.Snapshot
	clean   map[digest.Digest]bool // folders and recipes below which nothing is lost
	failed  string                 // the damage that stopped the last get
	every   tree.Getter            // get, for going through all of the snapshot
	touched bool
}

// get is a Getter that notes what to blame.
func (w *slowWalk) get(ctx context.Context, d digest.Digest) ([]byte, error) {
	if blame, ok := w.v.lookup(d, false); !ok {
		w.failed = blame
		w.v.blamed(blame)
		return nil, errLost
	}
	b, err := w.r.Get(ctx, d, nil)
	if err != nil && ctx.Err() == nil {
		w.failed = d.String()
		w.v.faults.add(Damaged, w.failed, err.Error(), repairPack)
	}
	return b, err
}

func (w *slowWalk) blame(name, path string) {
	w.v.blamed(name).touch(w.s, path)
	w.touched = true
}

// broken notes that something at a path could not be read: what get blamed, or the object d itself.
func (w *slowWalk) broken(d digest.Digest, err error, at string) {
	name := w.failed
	if name == "" {
		name = d.String()
		w.v.faults.add(Damaged, name, err.Error(), repairPack)
	}
	w.blame(name, at)
}

// dir walks a folder and reports whether nothing below it is lost.
func (w *slowWalk) dir(d digest.Digest, at string, depth int) (clean bool, err error) {
	if w.clean[d] {
		return true, nil
	}
	clean = true
	w.failed = ""
	if depth > tree.MaxDepth {
		w.broken(d, tree.ErrCorrupt, at)
		return false, nil
	}
	for e, err := range tree.List(w.v.ctx, w.every, d) {
		if cerr := w.v.ctx.Err(); cerr != nil {
			return false, cerr
		}
		if errors.Is(err, tree.ErrRepeats) { // what is lost was met before, so often
			return false, nil
		}
		if err != nil {
			w.broken(d, err, at)
			return false, nil
		}
		sub := true
		switch e.Type {
		case disk.Directory:
			if sub, err = w.dir(e.Dir, path.Join(at, e.Name), depth+1); err != nil {
				return false, err
			}
		case disk.Regular:
			sub = w.file(&e, path.Join(at, e.Name))
		}
		clean = clean && sub
		w.failed = ""
	}
	if clean {
		w.clean[d] = true
	}
	return clean, nil
}

// file looks up what a file is made of and reports whether nothing is lost.
func (w *slowWalk) file(e *tree.Entry, at string) (clean bool) {
	if e.Content == nil && w.clean[e.Recipe] {
		return true
	}
	clean = true
	w.failed = ""
	for it, err := range tree.Items(w.v.ctx, w.get, e) {
		if err != nil {
			if w.v.ctx.Err() == nil {
				w.broken(e.Recipe, err, at)
			}
			return false
		}
		if it.Kind != tree.Chunk {
			continue
		}
		if blame, ok := w.v.lookup(it.Digest, false); !ok {
			w.blame(blame, at)
			clean = false
		}
	}
	if clean && e.Content == nil {
		w.clean[e.Recipe] = true
	}
	return clean
}
