// Package store is where a vault's bytes rest: whole, immutable objects under names. [Memory] keeps them
// in memory, [Folder] in a directory tree; other stores live in packages of their own and pass the
// conformance suite of package storetest.
//
// It promises: an object is there whole or not at all; a name once taken is never given other content
// (of any number of racing writers exactly one wins); what was put before a [Store.Barrier] that returned
// nil survives power loss; a listing is in byte order and shows every object that was there from before
// it began until it ended, or ends in an error.
//
// On disk an object of a Folder is one regular file whose path below the root is the object's name and
// whose content is the object's bytes, nothing added:
//
//	root/packs/3f/9a51…            object "packs/3f/9a51…"
//	root/packs/3f/tmp-<32 hex>     being written, or left by a crash: not an object
//
// Files and directories whose names [CheckName] refuses are not the store's and are passed over.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"strings"
	"time"
)

// Object says what a store knows of one object without reading it.
type Object struct {
	Name     string
	Size     int64     // bytes
	Modified time.Time // arrival at the store by the store's own clock; zero where unknown
}

// Store keeps whole, immutable byte strings under names like "packs/3f/9a…". It is safe for concurrent
// use. Names that [CheckName] refuses are refused by every method with an error that is [ErrName]; the
// error of a context that is done is returned before anything is changed.
type Store interface {
	// Put keeps the parts, joined, under name, whole or not at all, and never replaces: the error is
	// fs.ErrExist if the name is taken. A name that is a directory of another's, or the reverse ("a" and
	// "a/b"), may be refused with ErrName. Any other error leaves open whether the object
	// arrived; it is not torn. The parts are not kept. Durable after the next Barrier.
	Put(ctx context.Context, name string, parts ...[]byte) error
	// Get appends n bytes from off to dst, or everything from off on where n < 0. Errors, with dst
	// returned as it was: fs.ErrNotExist; io.ErrUnexpectedEOF where the object ends before off+n.
	Get(ctx context.Context, name string, off, n int64, dst []byte) ([]byte, error)
	// List yields the objects whose names start with prefix, in the byte order of their names. The prefix
	// is empty or ends in '/'; nothing below it is no error. An error is yielded last.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]
	// Delete removes an object; that it is not there is no error.
	Delete(ctx context.Context, name string) error
	// Barrier returns nil once everything that Put and Delete did before it was called will survive
	// power loss. After an error nothing put since the last Barrier may be relied on.
	Barrier(ctx context.Context) error
}

// Stater is a Store that can describe one object. The error is fs.ErrNotExist if it is not there.
type Stater interface {
	Stat(ctx context.Context, name string) (Object, error)
}

// Reader reads ranges of one object.
type Reader interface {
	io.ReaderAt
	io.Closer
	Size() int64 // bytes
}

// Ranger is a Store with cheap repeated reads of one object.
type Ranger interface {
	Open(ctx context.Context, name string) (Reader, error)
}

// Traits are what a vault must know of a store to use it safely.
type Traits struct {
	Local          bool // reached without a network, as far as the store can tell
	CreateIfAbsent bool // Put never replaces, even in a race
	ListsAtOnce    bool // an object is listed as soon as Put returned
	Deletes        bool // Delete is permitted
	Durable        bool // Barrier is known to reach the medium
}

// Described is a Store that knows traits of its own without a [Probe].
type Described interface {
	Describe() Traits
}

// ErrName is the cause of every refusal of a name. It is fs.ErrInvalid.
var ErrName = fs.ErrInvalid

// MaxName is the length of the longest name, in bytes: it leaves a store room for a path of its own.
const MaxName = 200

// tempPrefix starts the names of files being written. No object's name has an element that starts so.
const tempPrefix = "tmp-"

// CheckName refuses, with an error that is ErrName, every name that is not portable between stores. A name
// is at most MaxName bytes: elements of 'a'-'z', '0'-'9', '.', '-' and '_', joined by single '/'. An
// element neither starts nor ends with '.', does not start with "tmp-" and is no device name of Windows.
func CheckName(name string) error {
	if name == "" || len(name) > MaxName {
		return fmt.Errorf("object name of %d bytes: %w", len(name), ErrName)
	}
	for rest, more := name, true; more; {
		var element string
		element, rest, more = strings.Cut(rest, "/")
		if !validElement(element) {
			return fmt.Errorf("object name %q: %w", name, ErrName)
		}
	}
	return nil
}

// CheckPrefix refuses, with an error that is ErrName, what cannot start a listing.
func CheckPrefix(prefix string) error {
	if prefix == "" {
		return nil
	}
	dir, ok := strings.CutSuffix(prefix, "/")
	if !ok {
		return fmt.Errorf("listing prefix %q does not end in a slash: %w", prefix, ErrName)
	}
	return CheckName(dir)
}

func validElement(e string) bool {
	if e == "" || e[0] == '.' || e[len(e)-1] == '.' || strings.HasPrefix(e, tempPrefix) {
		return false
	}
	for i := range len(e) {
		c := e[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return !windowsDevice(e)
}

// windowsDevice reports whether Windows would take e, whatever its extension, for a device.
func windowsDevice(e string) bool {
	stem, _, _ := strings.Cut(e, ".")
	switch stem {
	case "con", "prn", "aux", "nul":
		return true
	}
	if len(stem) != 4 || stem[3] < '0' || stem[3] > '9' {
		return false
	}
	return stem[:3] == "com" || stem[:3] == "lpt"
}

// splitName cuts a name into its directory ("" for none) and its last element.
func splitName(name string) (dir, element string) {
	i := strings.LastIndexByte(name, '/')
	if i < 0 {
		return "", name
	}
	return name[:i], name[i+1:]
}

// span returns how many bytes a read of n bytes (all if negative) from off in an object of size bytes gets.
func span(off, n, size int64) (int64, error) {
	switch {
	case off < 0:
		return 0, fmt.Errorf("offset %d: %w", off, fs.ErrInvalid)
	case off > size:
		return 0, fmt.Errorf("offset %d of %d bytes: %w", off, size, io.ErrUnexpectedEOF)
	case n < 0:
		return size - off, nil
	case n > size-off:
		return 0, fmt.Errorf("%d bytes from %d of %d: %w", n, off, size, io.ErrUnexpectedEOF)
	}
	return n, nil
}

// total returns the joined length of parts in bytes.
func total(parts [][]byte) int64 {
	var n int64
	for _, p := range parts {
		n += int64(len(p))
	}
	return n
}

// Stat describes one object, by a listing of its directory where the store has no Stat.
func Stat(ctx context.Context, s Store, name string) (Object, error) {
	if st, ok := s.(Stater); ok {
		return st.Stat(ctx, name)
	}
	if err := CheckName(name); err != nil {
		return Object{}, err
	}
	prefix := name[:strings.LastIndexByte(name, '/')+1]
	for o, err := range s.List(ctx, prefix) {
		if err != nil {
			return Object{}, fmt.Errorf("stat %s: %w", name, err)
		}
		if o.Name >= name {
			if o.Name == name {
				return o, nil
			}
			break
		}
	}
	return Object{}, fmt.Errorf("stat %s: %w", name, fs.ErrNotExist)
}

// Open opens one object for reads of ranges. Where the store has no Open, each read is a Get under ctx.
func Open(ctx context.Context, s Store, name string) (Reader, error) {
	if r, ok := s.(Ranger); ok {
		return r.Open(ctx, name)
	}
	o, err := Stat(ctx, s, name)
	if err != nil {
		return nil, err
	}
	return &getReader{ctx: ctx, store: s, object: o}, nil
}

// getReader reads an object by one Get per range.
type getReader struct {
	ctx    context.Context
	store  Store
	object Object
}

func (r *getReader) Size() int64 { return r.object.Size }

func (r *getReader) Close() error { return nil }

func (r *getReader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read %s at %d: %w", r.object.Name, off, fs.ErrInvalid)
	}
	n := min(int64(len(p)), max(r.object.Size-off, 0))
	if n > 0 {
		// The capacity of p ends at n, so that a store that returns more than it was asked for cannot
		// write behind it.
		got, err := r.store.Get(r.ctx, r.object.Name, off, n, p[:0:n])
		if err != nil {
			return 0, err
		}
		if int64(len(got)) != n {
			return 0, fmt.Errorf("read %s: %w", r.object.Name, errWrongLength)
		}
		copy(p, got)
	}
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

var errWrongLength = errors.New("store returned another number of bytes than asked for")
