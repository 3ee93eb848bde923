// Package torch knows the tensors of PyTorch's files: zip archives (.pt, .pth, .bin, .ckpt) and the older form.
//
// It promises: the pickle in a file is read and never run: nothing is imported, nothing called. Tensors are found by what
// the pickle would have called to make them.
//
// # Bytes
//
//	zip: NAME/data.pkl     a pickle; storages are references ('storage', type, key, device, elements)
//	     NAME/data/KEY     the elements of a storage
//	     NAME/byteorder    "little" or "big"
//
//	older: pickles one after another: a magic number, 1001, what machine wrote it, the objects, the keys of storages;
//	then for each key the number of elements (8 bytes), and the elements
package torch

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"path"
	"strings"

	"varve/format"
	"varve/format/tensor"
	"varve/format/weights"
	"varve/format/window"
	"varve/format/zipfile"
)

// older is how files of the older form begin: their magic number as a pickle of protocol 2.
const older = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"

const (
	maxPickle = 1 << 30   // bytes of one that is compressed
	packed    = 256 << 20 // of one that is held in memory
)

// Format is the format. It has no state.
type Format struct{}

// Name is "torch".
func (Format) Name() string { return "torch" }

// Match looks for the magic of the older form, or for a zip archive with the extension or the first entry of PyTorch.
func (Format) Match(name string, head []byte) bool {
	if strings.HasPrefix(string(head[:min(len(head), len(older))]), older) {
		return true
	}
	if len(head) < 30 || string(head[:4]) != "PK\x03\x04" {
		return false
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".pt", ".pth", ".ckpt":
		return true
	}
	n := 30 + int(binary.LittleEndian.Uint16(head[26:]))
	return n <= len(head) && strings.HasSuffix(string(head[30:n]), "/data.pkl")
}

// Tensors lists the tensors by where they are in the object that the file holds: "state_dict.fc.weight".
func (Format) Tensors(ctx context.Context, in format.Input) (*tensor.List, error) {
	return format.Once(in, "torch", func() (*tensor.List, error) { return read(ctx, in) })
}

// Regions returns one for each tensor, as far as they do not share a storage.
func (f Format) Regions(in format.Input) ([]format.Region, error) {
	list, err := f.Tensors(context.Background(), in)
	if err != nil {
		return nil, err
	}
	return weights.Regions(list), nil
}

// Elements lists the tensors, with hashes of their bytes.
func (f Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	list, err := f.Tensors(ctx, in)
	if err != nil {
		return nil, err
	}
	return weights.Elements(ctx, in, list)
}

// Outline lists the tensors without reading them.
func (f Format) Outline(ctx context.Context, in format.Input) ([]format.Element, error) {
	list, err := f.Tensors(ctx, in)
	if err != nil {
		return nil, err
	}
	return weights.Outline(list), nil
}

// Extract makes a .npy of a tensor, or a .safetensors where NumPy has no such type.
func (f Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	list, err := f.Tensors(ctx, in)
	if err != nil {
		return nil, err
	}
	return weights.Extract(ctx, in, list, id)
}

// Validate checks that all storages are there, and as long as the pickle has them.
func (f Format) Validate(ctx context.Context, in format.Input) error {
	_, err := f.Tensors(ctx, in)
	return err
}

func read(ctx context.Context, in format.Input) (*tensor.List, error) {
	head := make([]byte, min(in.Size(), int64(len(older))))
	if _, err := in.ReadAt(head, 0); err != nil && err != io.EOF {
		return nil, err
	}
	if string(head) == older {
		return readOlder(ctx, in)
	}
	return readZip(ctx, in)
}

// storages are where elements are.
type storages interface {
	// find returns the place of a storage of so many bytes.
	find(key string, t tensor.Type, count int64) (storage, error)
}

// storage is the bytes of some tensors.
type storage struct {
	off, len int64
	open     func() (io.Reader, error) // where it is compressed; else nil
}

// zipped are the storages of an archive.
type zipped struct {
	zip    *zipfile.Archive
	prefix string
}

func readZip(ctx context.Context, in format.Input) (*tensor.List, error) {
	z, err := zipfile.Open(in)
	if err != nil {
		return nil, err
	}
	var pickle *zipfile.Entry
	entries := z.Entries()
	for i := range entries {
		if name := entries[i].Name; name == "data.pkl" || strings.HasSuffix(name, "/data.pkl") && strings.Count(name, "/") == 1 {
			pickle = &entries[i]
			break
		}
	}
	if pickle == nil {
		return nil, format.Unsupported("an archive without data.pkl")
	}
	s := &zipped{z, strings.TrimSuffix(pickle.Name, "data.pkl")}
	from, at, size := in, int64(0), pickle.Size
	if pickle.Method == zipfile.Stored {
		if at, err = z.Data(pickle); err != nil {
			return nil, err
		}
	} else {
		b, err := z.Read(ctx, pickle, packed)
		if err != nil {
			return nil, err
		}
		from = format.Bytes(b)
	}
	if size > maxPickle {
		return nil, fmt.Errorf("a pickle of %d bytes: %w", size, format.ErrLimit)
	}
	root, _, err := unpickle(ctx, window.New(from), at)
	if err != nil {
		return nil, err
	}
	f := newFinder(ctx, s)
	if e := z.Find(s.prefix + "byteorder"); e != nil {
		b, err := z.Read(ctx, e, 64)
		if err != nil {
			return nil, err
		}
		f.big = string(bytes.TrimSpace(b)) == "big"
	}
	return f.all(root)
}

func (z *zipped) find(key string, t tensor.Type, count int64) (storage, error) {
	e := z.zip.Find(z.prefix + "data/" + key)
	if e == nil {
		return storage{}, format.Malformed("storage %.40q is not in the archive", key)
	}
	s := storage{len: e.Size}
	if e.Method != zipfile.Stored {
		s.open = func() (io.Reader, error) { return z.zip.Open(e) }
		return s, nil
	}
	var err error
	s.off, err = z.zip.Data(e)
	return s, err
}

// ordered are the storages of the older form: where they are is known when all objects are.
type ordered map[string]*storage

func readOlder(ctx context.Context, in format.Input) (*tensor.List, error) {
	w := window.New(in)
	at := int64(0)
	var parts [5]*value
	for i := range parts {
		var err error
		if parts[i], at, err = unpickle(ctx, w, at); err != nil {
			return nil, err
		}
	}
	if parts[1].kind != integer || parts[1].i != 1001 {
		return nil, format.Unsupported("version %d of PyTorch's older form", parts[1].i)
	}
	// The sizes of all storages are needed to know where one is: they are found as the tensors will be.
	sizes := &sizer{by: map[string]int64{}}
	f := newFinder(ctx, sizes)
	if _, err := f.all(parts[3]); err != nil {
		return nil, err
	}
	places := ordered{}
	for _, key := range parts[4].items {
		size, ok := sizes.by[key.s]
		if !ok {
			return nil, format.Unsupported("storage %.40q is of no tensor", key.s)
		}
		b, err := w.At(at, 8)
		if err != nil {
			return nil, err
		}
		count := binary.LittleEndian.Uint64(b)
		if at += 8; count > uint64(in.Size()-at)/uint64(size) {
			return nil, format.Malformed("storage %.40q of %d elements at %d of a file of %d bytes", key.s, count, at, in.Size())
		}
		places[key.s] = &storage{off: at, len: int64(count) * size}
		at += int64(count) * size
	}
	f = newFinder(ctx, places)
	return f.all(parts[3])
}

func (o ordered) find(key string, _ tensor.Type, _ int64) (storage, error) {
	if s := o[key]; s != nil {
		return *s, nil
	}
	return storage{}, format.Malformed("storage %.40q is not in the file", key)
}

// sizer notes the bytes of an element of each storage.
type sizer struct{ by map[string]int64 }

func (s *sizer) find(key string, t tensor.Type, count int64) (storage, error) {
	_, size := t.Block()
	s.by[key] = int64(size)
	return storage{len: 1 << 62}, nil
}
