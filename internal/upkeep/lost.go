package upkeep

import (
	"context"
	"fmt"
	"path"
	"strings"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/ledger"
	"varve/internal/pack"
	"varve/internal/tree"
)

// maxTries bounds how many files are read for one chunk.
const maxTries = 16

// seeker goes through the snapshots for what cannot be had, and tries to get it: the newest snapshot first, whose
// files are the likeliest to be as they were.
type seeker struct {
	h     *healing
	s     *history.Snapshot
	clean map[digest.Digest]bool // folders and recipes below which nothing is lost
	every tree.Getter            // page, for going through all of the snapshot
}

// walk finds what snapshots need and no pack has, and stores it again where it can be had.
func (h *healing) walk() error {
	k := &seeker{h: h, clean: map[digest.Digest]bool{}}
	for i := len(h.v.snapshots) - 1; i >= 0; i-- {
		k.s, k.every = h.v.snapshots[i], tree.Unrepeated(k.page)
		for _, name := range k.s.Changes {
			if d, err := digest.Parse(name); err == nil {
				if _, err := k.page(h.ctx, d); err != nil && h.ctx.Err() != nil {
					return h.ctx.Err()
				}
			}
		}
		if _, err := k.dir(k.s.Root, "", 0); err != nil {
			return err
		}
	}
	return nil
}

// page is a Getter that tries everything for a page.
func (k *seeker) page(ctx context.Context, d digest.Digest) ([]byte, error) {
	h := k.h
	b, err := h.r.Get(ctx, d, nil)
	blame, ok := h.v.lookup(d, false)
	if name := h.halved(d); ok && name != "" { // it has to be there twice
		blame, ok = name, false
	}
	if err == nil && (ok || h.made[d]) {
		return b, nil
	} else if err == nil {
		return b, h.store(blame, pack.Meta, d, b, byPlace)
	} else if ctx.Err() != nil {
		return nil, ctx.Err()
	} else if b, ok := k.far(d); ok {
		return b, h.store(blame, pack.Meta, d, b, byCopy)
	} else {
		h.lost[d] = blame
	}
	return nil, err
}

// halved returns the damaged pack that had a copy of d; "" if there is none.
func (h *healing) halved(d digest.Digest) string {
	for _, p := range h.v.set.Lookup(d, nil) {
		if id := pack.ID(p.Pack); h.damaged[id] {
			return packName(id)
		}
	}
	return ""
}

// far gets an object from the other copy of the vault.
func (k *seeker) far(d digest.Digest) ([]byte, bool) {
	if k.h.far == nil {
		return nil, false
	}
	b, err := k.h.far.Get(k.h.ctx, d, nil)
	return b, err == nil
}

// dir walks a folder and reports whether nothing below it is lost.
func (k *seeker) dir(d digest.Digest, at string, depth int) (clean bool, err error) {
	if k.clean[d] || depth > tree.MaxDepth {
		return true, nil
	}
	clean = true
	for e, err := range tree.List(k.h.ctx, k.every, d) {
		if cerr := k.h.ctx.Err(); cerr != nil {
			return false, cerr
		}
		if err != nil {
			return false, nil // it was noted what is lost
		}
		sub := true
		switch e.Type {
		case disk.Directory:
			sub, err = k.dir(e.Dir, path.Join(at, e.Name), depth+1)
		case disk.Regular:
			sub, err = k.file(&e, path.Join(at, e.Name))
		}
		if err != nil {
			return false, err
		}
		clean = clean && sub
	}
	if clean {
		k.clean[d] = true
	}
	return clean, nil
}

// file looks for what a file is made of.
func (k *seeker) file(e *tree.Entry, at string) (clean bool, err error) {
	if e.Content == nil && k.clean[e.Recipe] {
		return true, nil
	}
	clean = true
	off := int64(0)
	for it, err := range tree.Items(k.h.ctx, k.page, e) {
		if err != nil {
			return false, k.h.ctx.Err()
		}
		if it.Kind == tree.Chunk {
			ok, err := k.chunk(it.Digest, at, off, it.Len)
			if err != nil {
				return false, err
			}
			clean = clean && ok
		}
		off += it.Len
	}
	if clean && e.Content == nil {
		k.clean[e.Recipe] = true
	}
	return clean, nil
}

// chunk reports whether a chunk can be had now.
func (k *seeker) chunk(d digest.Digest, at string, off, n int64) (bool, error) {
	h := k.h
	blame, ok := h.v.lookup(d, false)
	if ok || h.made[d] {
		return true, nil
	}
	if _, before := h.lost[d]; !before { // packs and copies say the same every time
		if b, err := h.r.Get(h.ctx, d, nil); err == nil {
			return true, h.store(blame, pack.Data, d, b, byPlace)
		}
		if b, ok := k.far(d); ok {
			return true, h.store(blame, pack.Data, d, b, byCopy)
		}
	}
	if h.opt.Source != nil && h.tries[d] < maxTries {
		h.tries[d]++
		if b, err := h.opt.Source(k.s, at, off, n); err == nil && h.v.db.Digest(b) == d {
			delete(h.lost, d)
			return true, h.store(blame, pack.Data, d, b, bySource)
		}
	}
	h.lost[d] = blame
	return false, h.ctx.Err()
}

// copies puts objects that are no packs back from the other copy of the vault, where there is nothing under their
// names. What is damaged stays: nothing is ever replaced.
func (h *healing) copies() error {
	for name, d := range h.v.faults.by {
		kind, _, _ := strings.Cut(name, "/")
		if kind != "config" && kind != "keys" && kind != "snap" && kind != "ledger" && kind != "records" && kind != "gc" {
			continue
		}
		switch {
		case h.opt.Copy == nil:
			h.said[name] = ""
		case kind == "records":
			ok, err := ledger.NewSegments(h.v.db).Heal(h.ctx, name, ledger.NewSegments(h.opt.Copy), h.s == nil)
			if err != nil {
				return err
			}
			if ok {
				h.said[name] = "put back from the other copy of the vault, beside what is damaged"
			} else {
				h.said[name] = "the other copy of the vault does not have it either"
			}
		case d.Kind != Missing:
			h.said[name] = "nothing is replaced here: put the file of the other copy of the vault in its place"
		default:
			n, err := h.verbatim(name)
			if err != nil {
				return err
			}
			if n > 0 {
				h.said[name] = "put back from the other copy of the vault"
			}
		}
	}
	return nil
}

// verbatim puts an object of the other copy, or all below a name that ends in a slash, and returns how many.
func (h *healing) verbatim(name string) (n int, err error) {
	from := h.opt.Copy.Store()
	names := []string{name}
	sound := map[string]bool{} // key slots
	if strings.HasSuffix(name, "/") {
		names = nil
		for o, err := range from.List(h.ctx, name) {
			if err != nil {
				return n, err
			}
			names = append(names, o.Name)
		}
	}
	if strings.HasPrefix(name, "keys/") {
		keys, err := h.opt.Copy.ListKeys(h.ctx)
		if err != nil {
			return n, fmt.Errorf("other copy: %w", err)
		}
		for _, k := range keys {
			sound["keys/"+k.ID] = k.Err() == nil
		}
	}
	for _, name := range names {
		b, err := from.Get(h.ctx, name, 0, -1, nil)
		if absent(err) {
			continue
		}
		if err != nil {
			return n, fmt.Errorf("other copy: %w", err)
		}
		if strings.HasPrefix(name, "keys/") && !sound[name] {
			continue
		}
		if h.s != nil {
			if err := h.v.db.Store().Put(h.ctx, name, b); err != nil {
				return n, err
			}
		}
		n++
	}
	return n, nil
}

// report says of each finding what became of it.
func (h *healing) report() *RepairReport {
	r := &RepairReport{Report: *h.v.report(), Stored: h.stored, Quarantined: h.barred}
	lost := map[string]int{}
	for _, blame := range h.lost {
		lost[blame]++
	}
	for _, f := range r.Findings {
		o := Outcome{Finding: f}
		h.judge(&o, lost[f.Object])
		r.Outcomes = append(r.Outcomes, o)
	}
	return r
}

// judge fills in what was done about a finding of which some objects are lost.
func (h *healing) judge(o *Outcome, lost int) {
	var done []string
	if c := h.counts[o.Object]; c != nil {
		for w := range ways {
			if c[w] > 0 {
				done = append(done, fmt.Sprintf("%d %s", c[w], w))
			}
		}
	}
	kind, _, _ := strings.Cut(o.Object, "/")
	said, small := h.said[o.Object]
	switch {
	case kind == "packs":
		id, _ := parsePackName(o.Object)
		if !h.damaged[id] {
			done = append(done, "it cannot be judged: read it with a newer varve, or as a user who may")
			break
		}
		o.Healed = lost == 0
		done = append(done, "the pack is in quarantine")
	case kind == "index":
		o.Healed = true
		done = append(done, "a new segment stands for it")
	case small && said == "":
		return
	case small:
		o.Healed = strings.HasPrefix(said, "put back")
		done = append(done, said)
	default: // an object that is in no pack
		o.Healed = lost == 0 && len(done) > 0
	}
	if lost > 0 {
		done = append(done, fmt.Sprintf("%d lost: a snapshot of a folder that still has them, or --from another copy of the vault, brings them back", lost))
	}
	if len(done) > 0 {
		o.Repair = strings.Join(done, "; ")
		if h.s == nil {
			o.Repair = "would be: " + o.Repair
		}
	}
}
