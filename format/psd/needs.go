package psd

import (
	"bytes"
	"fmt"
	"slices"

	"varve/format"
)

// dependencies brings along what grafted layers need of their document.
type dependencies struct {
	*stacking
	draft *draft
	names [][]byte        // records that are grafted
	files map[string]bool // that they show, by uuid
	kept  []int           // records of the newer document that stay
}

func (k *dependencies) merge() error {
	size := int64(0)
	for _, p := range k.draft.order {
		if p.doc == k.into {
			k.kept = append(k.kept, p.record)
			continue
		}
		b, err := k.from.load(k.from.layers.list[p.record].record, maxRecord)
		if err != nil {
			return err
		}
		if size += int64(len(b)); size > 4*maxRecord {
			return fmt.Errorf("records of layers: %w", format.ErrLimit)
		}
		k.names = append(k.names, b)
		ids, err := k.from.uuids(&k.from.layers.list[p.record])
		if err != nil {
			return err
		}
		for _, id := range ids {
			k.files[id] = true
		}
	}
	if err := k.linked(); err != nil {
		return err
	}
	if err := k.patterns(); err != nil {
		return err
	}
	if err := k.filters(); err != nil {
		return err
	}
	return k.text()
}

// mentions reports whether a record speaks of an id, in one of the two ways in which they are written.
func mentions(record []byte, id string) bool {
	return id != "" && (bytes.Contains(record, []byte(id)) || bytes.Contains(record, utf16be(id)))
}

func (k *dependencies) needed(id string) bool {
	return slices.ContainsFunc(k.names, func(b []byte) bool { return mentions(b, id) })
}

// linked merges the files of smart objects.
func (k *dependencies) linked() error {
	var add []linked
	for _, f := range k.theirs {
		if !k.files[f.uuid] {
			continue
		}
		i := slices.IndexFunc(k.ours, func(g linked) bool { return g.uuid == f.uuid })
		if i < 0 {
			add = append(add, f)
			continue
		}
		alike, err := k.sameFile(f)
		if err != nil {
			return err
		}
		if alike {
			continue
		}
		if err := k.shared(f); err != nil {
			return err
		}
		k.swap(k.ours, i, f)
	}
	for _, f := range add {
		k.append(k.from.blocks[f.block], f.all)
	}
	return nil
}

// sameFile reports whether the newer document has the same file of a smart object: not how it is noted, but what is in
// it.
func (g *stacking) sameFile(f linked) (alike bool, err error) {
	if known, ok := g.alike[f.uuid]; ok {
		return known, nil
	}
	for _, our := range g.ours {
		switch {
		case our.uuid != f.uuid || our.kind != f.kind:
			continue
		case f.kind == "liFD":
			alike, err = sameBytes(g.into, our.data, g.from, f.data)
		default:
			alike, err = sameBytes(g.into, our.all, g.from, f.all)
		}
		g.alike[f.uuid] = alike
		break
	}
	return alike, err
}

// sameFiles reports whether the newer document has the same files of all smart objects in a node.
func (g *stacking) sameFiles(n *node) (bool, error) {
	if len(g.theirs) == 0 {
		return true, nil
	}
	for i := n.first; i <= n.last; i++ {
		ids, err := g.from.uuids(&g.from.layers.list[i])
		if err != nil {
			return false, err
		}
		for _, f := range g.theirs {
			if !slices.Contains(ids, f.uuid) {
				continue
			}
			if alike, err := g.sameFile(f); err != nil || !alike {
				return false, err
			}
		}
	}
	return true, nil
}

// shared refuses to change a file that a layer which stays has too.
func (k *dependencies) shared(f linked) error {
	for _, i := range k.kept {
		l := &k.into.layers.list[i]
		ids, err := k.into.uuids(l)
		if err != nil {
			return err
		}
		if slices.Contains(ids, f.uuid) {
			return &format.Refusal{Reason: fmt.Sprintf("the content of the smart object %q was another then, and %q has the same", f.name, l.name),
				Advice: "take that layer too, or extract the old content and place it"}
		}
	}
	return nil
}

// swap puts a file in the place of another with the same id.
func (k *dependencies) swap(ours []linked, i int, f linked) {
	at := ours[i].block
	b := k.into.blocks[at]
	o := k.draft.block[at]
	if o == nil {
		o = new(format.Output)
		k.into.copy(o, b.data)
	}
	var before int64 // how far the file's place has moved
	for j := range i {
		if ours[j].block == at {
			before += ours[j].moved
		}
	}
	start := ours[i].all.off - k.into.blocks[at].data.off + before
	out := new(format.Output)
	out.Span(o, 0, start)
	k.from.copy(out, f.all)
	pad(out, f.all.n, 4)
	ours[i].moved = out.Size() - start - ours[i].all.n
	out.Span(o, start+ours[i].all.n, o.Size()-start-ours[i].all.n)
	k.draft.block[at] = out
}

// append adds an item of a block of the older document to the same block of the newer one.
func (k *dependencies) append(b block, item span) {
	for i, c := range k.into.blocks {
		if c.key != b.key {
			continue
		}
		o := new(format.Output)
		if old := k.draft.block[i]; old != nil {
			o = old
		} else {
			k.into.copy(o, c.data)
			pad(o, o.Size(), 4)
		}
		k.from.copy(o, item)
		pad(o, o.Size(), 4)
		k.draft.block[i] = o
		return
	}
	o := new(format.Output)
	k.from.copy(o, item)
	pad(o, o.Size(), 4)
	k.fresh(b, o)
}

// fresh adds a block like one of the older document, or to the one that was added before.
func (k *dependencies) fresh(b block, data *format.Output) {
	for i := range k.draft.fresh {
		if k.draft.fresh[i].b.key == b.key {
			k.draft.fresh[i].data.Append(data)
			return
		}
	}
	k.draft.fresh = append(k.draft.fresh, freshBlock{k.from, b, data})
}

// patterns merges patterns.
func (k *dependencies) patterns() error {
	theirs, err := k.from.patterns()
	if err != nil || len(theirs) == 0 {
		return err
	}
	ours, err := k.into.patterns()
	if err != nil {
		return err
	}
	have := map[string]bool{}
	for _, p := range ours {
		have[p.id] = true
	}
	for _, p := range theirs {
		if !have[p.id] && k.needed(p.id) {
			have[p.id] = true
			k.append(k.from.blocks[p.block], p.all)
		}
	}
	return nil
}

// filters refuses smart filters whose masks are not the same in both documents.
func (k *dependencies) filters() error {
	if !slices.ContainsFunc(k.names, func(b []byte) bool { return bytes.Contains(b, []byte("filterFX")) }) {
		return nil
	}
	for _, b := range k.from.blocks {
		if b.key != "FEid" && b.key != "FXid" {
			continue
		}
		i := slices.IndexFunc(k.into.blocks, func(c block) bool { return c.key == b.key })
		alike := false
		if i >= 0 {
			var err error
			if alike, err = sameBytes(k.into, k.into.blocks[i].data, k.from, b.data); err != nil {
				return err
			}
		}
		if !alike {
			return &format.Refusal{Reason: "the layer has smart filters, whose masks lie elsewhere in the document", Advice: "extract the layer, or its smart object"}
		}
	}
	return nil
}

// text takes the index of all text out, where text comes in: each text layer has all of its text itself, the index is
// made of that.
func (k *dependencies) text() error {
	if !slices.ContainsFunc(k.names, func(b []byte) bool { return bytes.Contains(b, []byte("8BIMTySh")) }) {
		return nil
	}
	for i, b := range k.into.blocks {
		if b.key != "Txt2" {
			continue
		}
		for _, c := range k.from.blocks {
			if c.key == "Txt2" {
				if alike, err := sameBytes(k.into, b.data, k.from, c.data); err != nil || alike {
					return err
				}
			}
		}
		k.draft.block[i] = nil
		k.notes = append(k.notes, "the index of text was taken out: Photoshop makes it anew from the text layers")
	}
	return nil
}
