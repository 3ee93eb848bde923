package tree

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"

	"varve/internal/digest"
)

// ItemKind says where the bytes of an Item come from. The values are on disk.
type ItemKind uint8

// The kinds of items.
const (
	Chunk   ItemKind = 0 // the bytes under a digest
	Literal ItemKind = 1 // bytes in the recipe itself
	Run     ItemKind = 2 // a pattern of 24 bytes, over and over
	Hole    ItemKind = 3 // zeros that the file system holds no blocks for
)

// Item is a stretch of a file, Len bytes long.
type Item struct {
	Kind   ItemKind
	Len    int64
	Digest digest.Digest // of a Chunk
	Bytes  []byte        // of a Literal: its Len bytes; of a Run: the pattern, repeated from its start
}

// Recipe puts a file's bytes together: Size bytes, in the order of Items.
type Recipe struct {
	Class uint8 // how the chunker cut the file; the next version is cut alike
	Size  int64
	Items []Item
}

// Append appends the encoded recipe to dst. It does not check r: what breaks the limits of a recipe
// is refused by DecodeRecipe and by PutRecipe.
func (r *Recipe) Append(dst []byte) []byte {
	dst = append(dst, r.Class)
	dst = binary.AppendUvarint(dst, uint64(r.Size))
	for i := range r.Items {
		dst = r.Items[i].append(dst)
	}
	return dst
}

// DecodeRecipe reads what Append wrote. Literals and patterns refer to b. It fails with ErrCorrupt.
func DecodeRecipe(b []byte) (Recipe, error) {
	in := openInline(b)
	r := Recipe{Class: in.class, Size: in.size}
	for {
		// The smallest item has one byte, so a recipe grows no larger than its bytes allow.
		var it Item
		ok, err := in.next(&it)
		if err != nil {
			return Recipe{}, fmt.Errorf("decode recipe: %w", err)
		}
		if !ok {
			return r, nil
		}
		r.Items = append(r.Items, it)
	}
}

func (it *Item) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(it.Len)<<2|uint64(it.Kind&3))
	switch it.Kind {
	case Chunk:
		dst = append(dst, it.Digest[:]...)
	case Literal, Run:
		dst = append(dst, it.Bytes...)
	}
	return dst
}

// check tells why an item cannot be kept, or "".
func (it *Item) check() string {
	switch {
	case it.Len < 1:
		return "item without bytes"
	case it.Len > MaxFile:
		return "item too long"
	}
	switch it.Kind {
	case Chunk:
		if it.Len > MaxChunk {
			return "chunk too long"
		}
	case Literal:
		if it.Len > MaxLiteral {
			return "literal too long"
		}
		if int64(len(it.Bytes)) != it.Len {
			return "literal and its length differ"
		}
	case Run:
		if it.Len < RunPattern {
			return "run shorter than its pattern"
		}
		if len(it.Bytes) != RunPattern {
			return "pattern is not 24 bytes"
		}
	case Hole:
	default:
		return "unknown kind of item"
	}
	return ""
}

// mark decides whether a page may end after the item.
func (it *Item) mark() uint64 {
	switch it.Kind {
	case Chunk:
		return digestMark(&it.Digest)
	case Literal:
		return nameMark(it.Bytes)
	}
	return 1<<64 - 1
}

// readItem reads one item.
func readItem(in *reader, it *Item) {
	head := in.uvarint()
	*it = Item{Kind: ItemKind(head & 3)}
	if head>>2 > MaxFile {
		in.fail("item too long")
		return
	}
	it.Len = int64(head >> 2)
	switch it.Kind {
	case Chunk:
		it.Digest = in.digest()
	case Literal:
		if it.Len > MaxLiteral {
			in.fail("literal too long")
			return
		}
		it.Bytes = in.take(int(it.Len))
	case Run:
		it.Bytes = in.take(RunPattern)
	}
	if in.why == "" {
		if why := it.check(); why != "" {
			in.fail(why)
		}
	}
}

// inline reads an encoded recipe item by item, without allocating.
type inline struct {
	in    reader
	class uint8
	size  int64
	sum   int64 // lengths of the items so far, never more than size
}

func openInline(b []byte) inline {
	r := inline{in: reader{b: b}}
	r.class = r.in.u8()
	r.size = int64(r.in.upto(MaxFile, "file too long"))
	return r
}

// next reads the next item; false at the end, where the lengths must add up to the size.
func (r *inline) next(it *Item) (bool, error) {
	if !r.in.more() {
		if r.in.why == "" && r.sum != r.size {
			r.in.fail("items do not add up to the size")
		}
		return false, r.in.err()
	}
	readItem(&r.in, it)
	if it.Len > r.size-r.sum {
		r.in.fail("items do not add up to the size")
	}
	r.sum += it.Len
	return r.in.why == "", r.in.err()
}

// inspect checks an inline recipe and returns the file's size and whether all of its bytes are literal.
func inspect(b []byte) (size int64, literal bool, err error) {
	r := openInline(b)
	literal = true
	var it Item
	for {
		ok, err := r.next(&it)
		if err != nil || !ok {
			return r.size, literal, err
		}
		literal = literal && it.Kind == Literal
	}
}

// literalSum returns the SHA-256 of a file whose inline recipe holds all of its bytes.
func literalSum(content []byte) (sum [32]byte, ok bool) {
	r := openInline(content)
	h := sha256.New()
	var it Item
	for {
		ok, err := r.next(&it)
		if err != nil {
			return sum, false
		}
		if !ok {
			h.Sum(sum[:0])
			return sum, true
		}
		if it.Kind != Literal {
			return sum, false
		}
		h.Write(it.Bytes)
	}
}
