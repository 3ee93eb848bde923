package adobe

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"path"
	"strings"

	"varve/format"
)

// item is an element and the chunk that it is.
type item struct {
	format.Element
	box *box
}

// items lists what is in a project's folders, with the layers of compositions.
func (e *effects) items() []item {
	var out []item
	used := map[string]int{}
	var folder func(k *box, parent string)
	add := func(k *box, parent, kind, name, id string) string {
		for used[id] > 0 {
			used[id]++
			id = fmt.Sprintf("%s'%d", id, used[id])
		}
		used[id] = 1
		out = append(out, item{format.Element{ID: id, Stable: id, Parent: parent, Kind: kind, Name: name, Bytes: int64(k.to - k.from), Properties: map[string]string{}, Aspects: map[string]string{}}, k})
		return id
	}
	folder = func(k *box, parent string) {
		for _, c := range k.kids {
			if c.tag != "Item" || len(out) >= format.MaxElements {
				continue
			}
			kind, number := e.kind(c)
			id := add(c, parent, kind, e.name(c), fmt.Sprintf("item %d", number))
			if f := c.first("Sfdr"); f != nil {
				folder(f, id)
			}
			for _, l := range c.kids {
				if l.tag == "Layr" && len(out) < format.MaxElements {
					n := uint32(0)
					if b := e.head(l.first("ldta"), 4); b != nil {
						n = binary.BigEndian.Uint32(b)
					}
					add(l, id, "layer", e.name(l), fmt.Sprintf("%s layer %d", id, n))
				}
			}
		}
	}
	if fold := e.root.first("Fold"); fold != nil {
		folder(fold, "")
	}
	return out
}

// kind says what an item is, and its number.
func (e *effects) kind(k *box) (string, uint32) {
	b := e.head(k.first("idta"), 20)
	if b == nil {
		return "item", 0
	}
	kind := "item"
	switch binary.BigEndian.Uint16(b) {
	case 1:
		kind = "folder"
	case 4:
		kind = "composition"
	case 7:
		kind = "footage"
	}
	return kind, binary.BigEndian.Uint32(b[16:])
}

// name is the first string of an item; of footage without one the name of its file.
func (e *effects) name(k *box) string {
	for _, c := range k.kids {
		if c.tag == "Utf8" {
			if s := strings.TrimRight(string(c.data), "\x00"); s != "" && s != "-_0_/-" {
				return s
			}
			break
		}
	}
	if pin := k.first("Pin"); pin != nil {
		if l := pin.location(); l != nil {
			return path.Base(slashed(l.FullPath))
		}
		for _, c := range pin.kids {
			if c.tag == "Utf8" && len(c.data) > 0 {
				return strings.TrimRight(string(c.data), "\x00")
			}
		}
	}
	return ""
}

// Elements lists items and layers.
func (AfterEffects) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	e, err := openEffects(ctx, in)
	if err != nil {
		return nil, err
	}
	list := e.items()
	out := make([]format.Element, len(list))
	for i := range list {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		it := &list[i]
		h := sha256.New()
		digest(h, it.box, true)
		it.Aspects["content"] = hex.EncodeToString(h.Sum(nil)[:16])
		if it.Kind == "footage" {
			if l := it.box.first("Pin").location(); l != nil {
				it.Properties["file"], _ = l.pathOf()
			}
		}
		out[i] = it.Element
	}
	return out, nil
}

// digest hashes a chunk with what is in it but other items, layers, and how an item's window is.
func digest(h hash.Hash, k *box, top bool) {
	for _, c := range k.kids {
		switch c.tag {
		case "Item", "Layr", "Sfdr", "Ewst", "Gide", "fileReference", "alas", "sfdt":
			continue
		}
		if top && c.tag == "Utf8" { // its name
			continue
		}
		fmt.Fprintf(h, "%s %d ", c.tag, len(c.data))
		_, _ = h.Write(c.data)
		digest(h, c, false)
	}
}
