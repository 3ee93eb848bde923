package format

import (
	"fmt"
	"io/fs"
	"path"
)

// Folder is an Input that has files beside it, by which documents of several files are read: a .gltf with its .bin.
type Folder interface {
	Input
	// Beside opens the file at a path from this one's folder, with slashes. It is open as long as this one is. The
	// error is fs.ErrNotExist where there is none that may be read.
	Beside(at string) (Input, error)
}

// Beside opens a file beside another, if that is a Folder; fs.ErrNotExist if not, or if there is none.
func Beside(in Input, at string) (Input, error) {
	if f, ok := in.(Folder); ok {
		return f.Beside(path.Clean(at))
	}
	return nil, fmt.Errorf("%.200q: %w", at, fs.ErrNotExist)
}

// InPlaceOf is a file as it would be in the place of another, with the same files beside it.
func InPlaceOf(in, other Input) Input {
	if f, ok := other.(Folder); ok {
		return replaced{in, f}
	}
	return in
}

type replaced struct {
	Input
	place Folder
}

func (r replaced) Beside(at string) (Input, error) { return r.place.Beside(at) }
