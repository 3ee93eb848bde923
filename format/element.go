package format

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
)

// Element is something inside a file: a layer, an object, a material, a tensor.
type Element struct {
	ID     string // names it in this file: no two elements have one
	Stable string // names it in every version of the file that has it; "" where the format gives no such name
	Parent string // ID of the element that it is in; "" at the top
	Kind   string // layer, group, mask, object, mesh, material, texture, animation, frame, …
	Name   string // as the application shows it
	Bytes  int64  // that it takes in the file; of a group without what is in it

	// Bounds are x0 y0 x1 y1 in pixels of the canvas, from its top left, or x0 y0 z0 x1 y1 z1 in units of the file; nil
	// where it has none.
	Bounds []float64

	// Properties are what the application shows of it besides its content, as text: opacity, blend, visible, energy.
	Properties map[string]string
	// Aspects are hashes (lower-case hex) of its content by what it is: pixels, mask, text, effects, geometry, nodes. They
	// are of the content, not of how it is written: the same in a version in which nothing of that was changed, however it
	// was saved. What an application writes anew at every save is left out.
	Aspects map[string]string
}

// Hash is of all content of an element: its kind, properties and aspects, not its name, place or parent.
func (e *Element) Hash() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q", e.Kind)
	for _, m := range []map[string]string{e.Properties, e.Aspects} {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			fmt.Fprintf(h, "\n%q %q", k, m[k])
		}
		fmt.Fprintln(h)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// HashOf is a hash for Aspects, of parts in their order.
func HashOf(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// MaxElements bounds the elements of a file.
const MaxElements = 1 << 20

// MaxNames bounds the ids and names of all elements of a file together, in bytes: they are kept, and one parent's id is
// that of all its children.
const MaxNames = 256 << 20

// Elementer lists what is inside a file, as the application does: in its order, each after the one that it is in.
type Elementer interface {
	Elements(ctx context.Context, in Input) ([]Element, error)
}

// Outliner lists elements without what most of a file would have to be read for: all but the aspects of pixels and the
// like.
type Outliner interface {
	Outline(ctx context.Context, in Input) ([]Element, error)
}

// Extract is an element as a file of its own.
type Extract struct {
	Extension string // with the dot: ".png"
	Content   *Output
}

// Extractor makes a file of an element: pixels as a PNG or EXR at their depth, meshes and materials in the file's own
// format. ErrNoElement; ErrUnsupported for kinds that make no file.
type Extractor interface {
	Extract(ctx context.Context, in Input, id string) (*Extract, error)
}

// Grafting is a file into which elements of another version were put.
type Grafting struct {
	Content *Output
	Changed []string // IDs, in Content, of the elements that are not as they were before
	Stale   []string // what the file says of itself and is not true any more: "composite", "preview"
	Notes   []string // what a user should know
}

// Grafter puts elements of one version of a file, with what is in them, into another: where that has them (by Stable, or
// else as the format can tell), they take their place; others are added where they were. Everything else in it stays
// as it is, byte for byte wherever it can. ErrNoElement; a *Refusal where it cannot be done right.
type Grafter interface {
	Graft(ctx context.Context, into, from Input, ids []string) (*Grafting, error)
}
