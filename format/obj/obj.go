// Package obj knows Wavefront OBJ and its material libraries (MTL): the objects and groups in a file, whatever order
// their vertices are in, the libraries and textures that it needs, and how it looks. It puts an object of one version
// into another.
//
// It promises: a graft leaves the number and place of the vertices of all other objects; the faces of those are not
// touched. Nothing is written that was not read back and found to have the elements that it must have.
//
// # Text
//
//	v x y z [w] [r g b]    vt u [v [w]]    vn x y z
//	f a b c …   l a b …   p a …            corners v, v/vt, v//vn, v/vt/vn: from 1, or from -1 back
//	o name   g name …                      what follows is of that object, that group
//	usemtl name   s 1|off                  from here on
//	mtllib file …                          a backslash at its end makes a line go on
package obj

import (
	"bytes"
	"context"
	"path"
	"strings"

	"varve/format"
	"varve/format/splice"
)

const (
	maxText  = 1 << 31 // bytes
	maxParts = 1 << 18 // objects and groups
)

// Format is the format of .obj files. It has no state.
type Format struct{}

// Name is "obj".
func (Format) Name() string { return "obj" }

// Match looks for the extension, and that it is text: compilers use the extension too.
func (Format) Match(name string, head []byte) bool {
	return strings.EqualFold(path.Ext(name), ".obj") && isText(head)
}

func isText(head []byte) bool {
	text, _, err := splice.Plain(head[:len(head)&^1])
	return err == nil && len(head) > 0 && !bytes.ContainsRune(text, 0)
}

// Validate checks that every statement of the shape can be read, that the corners of faces are there, and that the last
// line is whole as far as can be seen.
func (Format) Validate(ctx context.Context, in format.Input) error {
	_, err := open(ctx, in)
	return err
}

// scene is a file that was read.
type scene struct {
	in    format.Input
	text  []byte
	exact bool

	positions [][3]float64
	colors    map[int32][3]float32 // of those that have one
	uvs       [][2]float32
	normals   [][3]float32
	lines     [3][]int64 // where the lines of v, vt and vn begin

	parts     []part
	byID      map[string]int32
	materials []string // names after usemtl
	byName    map[string]int32
	faces     []face
	corners   []corner // of all faces
	changes   []change // of state
	libraries []string // names after mtllib
	unpainted int      // materials that no library has, after paint
	freeform  bool     // curves and surfaces, which are not read
}

// maxLibraries bounds the libraries that are read for a picture.
const maxLibraries = 64

// part is an object or a group.
type part struct {
	id, name, kind string
	parent         int32 // -1 at the top
	runs           []run // of text
	first, last    int32 // vertices declared in it, of those without faces
	lines          int   // f, l and p statements
}

// run is a span of the text that is of a part, from its o or g on.
type run struct {
	from, to int64
	faces    int32 // before it
}

// state is what statements leave to those after them.
type state struct {
	part     int32
	material int32 // -1 none
	smooth   int64
}

// change is the state from a statement on.
type change struct {
	at int64
	state
}

// face is a polygon, a line or a point.
type face struct {
	first, n int32
	state
	kind byte // 'f', 'l', 'p'
}

// corner has positions in the lists of a scene; -1 where there is none.
type corner [3]int32

// open reads a file whole: ErrMalformed with the line.
func open(ctx context.Context, in format.Input) (*scene, error) {
	text, exact, err := splice.Read(in, maxText)
	if err != nil {
		return nil, err
	}
	s := &scene{in: in, text: text, exact: exact, byID: map[string]int32{}, byName: map[string]int32{}, colors: map[int32][3]float32{}}
	p := parser{scene: s, state: state{part: -1, material: -1}}
	if err := p.all(ctx); err != nil {
		return nil, err
	}
	return s, nil
}
