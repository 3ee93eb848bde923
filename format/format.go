// Package format is the contract between varve and a kind of file.
//
// A format advises, never alters: what it says of a file changes how the file is cut, compressed and shown, never
// what is kept. A format that is wrong, that fails or panics costs nothing but its advice.
//
// A Format names a kind of file. What more it can do it shows by methods: it is also a [Seamer], an [Elementer], an
// [Extractor], a [Grafter], a [Picturer], a [Decoder], a [Modeler], a [Weigher], a [Referrer], a [Rewriter] or a [Validator], each
// of one method. Callers use the functions of the same purpose ([Elements], [Graft], …), which check what a format
// says and turn its panics into errors.
//
// What a format writes is a user's document with other spans in some places: an [Output] is made of pieces of the
// files that were read and of new bytes. No format decodes a document and encodes it again.
package format

import (
	"context"
	"errors"
	"fmt"
	"io"

	"varve/format/mesh"
	"varve/format/raster"
	"varve/format/tensor"
)

// Input is a file, in the vault or on disk. It may be anything, and may change while it is read. ReadAt is safe for
// concurrent use. Reading little of it is quick, wherever that is.
type Input interface {
	io.ReaderAt
	Size() int64
}

// Format is one kind of file. It is safe for concurrent use, and so are its other methods.
type Format interface {
	// Name is the format's, in lower case: it is a word of the command line's output.
	Name() string
	// Match reports whether a file may be of this kind, by its name (a slash path or its last element) and its
	// first bytes: all of it, or at least HeadSize.
	Match(name string, head []byte) bool
}

// HeadSize is what Match sees, in bytes.
const HeadSize = 4 << 10

// Errors that a format's methods wrap.
var (
	// ErrMalformed says that a file is not what its kind demands: cut off, half written, damaged.
	ErrMalformed = errors.New("malformed")
	// ErrUnsupported says that a file may well be right, and the format does not know this of it.
	ErrUnsupported = errors.ErrUnsupported
	// ErrLimit says that a file asks for more memory or time than it is given.
	ErrLimit = errors.New("too large")
	// ErrFailed says that a format failed over a file, by a defect of its own: nothing is known of the file.
	ErrFailed = errors.New("the format fails over this file")
	// ErrNoElement says that a file has no element of an id.
	ErrNoElement = errors.New("no such element")
)

// Refusal is why a graft cannot be done right. It is ErrUnsupported.
type Refusal struct {
	Reason string // what does not fit: "the document has 16 bits a channel, the layer 8"
	Advice string // what to do about it
}

func (r *Refusal) Error() string {
	if r.Advice == "" {
		return r.Reason
	}
	return r.Reason + ": " + r.Advice
}

func (r *Refusal) Unwrap() error { return ErrUnsupported }

// Malformed returns an ErrMalformed that says where and what.
func Malformed(text string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(text, args...))
}

// Unsupported returns an ErrUnsupported that says what.
func Unsupported(text string, args ...any) error {
	return fmt.Errorf("%s: %w", fmt.Sprintf(text, args...), ErrUnsupported)
}

// Reviser is a format whose results depend on more than the file: they are remembered by its revision.
type Reviser interface {
	Revision() string
}

// Validator checks whether a file is whole: ErrMalformed if it is cut off or half saved, as far as its structure tells.
type Validator interface {
	Validate(ctx context.Context, in Input) error
}

// Source says how a picture was had.
type Source string

const (
	Embedded   Source = "embedded"   // the application put it into the file
	Composited Source = "composited" // made of what the file is made of
	Rendered   Source = "rendered"   // drawn from a model
	Card       Source = "card"       // there is none: it says why
)

// Picture is what a file looks like.
type Picture struct {
	Image  *raster.Image
	Source Source
	Note   string // what it does not show: "without effects"; "" where it is all
}

// Picturer shows a file. size is how long the longer side should be, in pixels: an embedded picture is good enough from
// half of that; the caller scales. Only what is needed is read.
type Picturer interface {
	Picture(ctx context.Context, in Input, size int) (*Picture, error)
}

// Decoder gives all pixels of a file at the depth that they have; of several frames or parts the first.
type Decoder interface {
	Decode(ctx context.Context, in Input) (*raster.Image, error)
}

// Modeler gives the meshes of a file.
type Modeler interface {
	Model(ctx context.Context, in Input) (*mesh.Model, error)
}

// Weigher lists the tensors of a file. Those that are in a file beside it have an Open, and are left out with a note
// where that file is not there.
type Weigher interface {
	Tensors(ctx context.Context, in Input) (*tensor.List, error)
}
