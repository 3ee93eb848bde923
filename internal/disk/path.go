package disk

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"strings"
)

// ErrTooLarge is the cause when a file has more bytes than the caller allows.
var ErrTooLarge = errors.New("larger than the limit")

// Reopener is a Dir that can open itself once more.
type Reopener interface{ Reopen() (Dir, error) }

// Located is a Dir of the machine's own file system that can say where it is, absolutely, for what has to open files
// by their paths.
type Located interface{ Location() (string, error) }

// CheckName returns ErrName unless name is one path element of this system.
func CheckName(name string) error {
	if name == "" || name == "." || name == ".." || !validName(name) {
		return ErrName
	}
	return nil
}

// Walk opens the directory at path below d, elements separated by '/', following no link. The caller closes it and
// d; the path "" is d itself under a new handle, for which d must be a Reopener.
func Walk(d Dir, path string) (Dir, error) {
	return descend(d, path, func(at Dir, name string) error { return nil })
}

// MkdirAll is Walk, making the directories that are missing. It does not sync them.
func MkdirAll(d Dir, path string, mode uint32) (Dir, error) {
	return descend(d, path, func(at Dir, name string) error {
		if err := at.Mkdir(name, mode); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return nil
	})
}

// descend opens element after element, calling before on each.
func descend(d Dir, path string, before func(at Dir, name string) error) (Dir, error) {
	if path == "" {
		r, ok := d.(Reopener)
		if !ok {
			return nil, &fs.PathError{Op: "reopen directory", Path: ".", Err: errors.ErrUnsupported}
		}
		return r.Reopen()
	}
	at := d
	for name := range strings.SplitSeq(path, "/") {
		err := before(at, name)
		var next Dir
		if err == nil {
			next, err = at.OpenDir(name)
		}
		if at != d {
			at.Close()
		}
		if err != nil {
			return nil, err
		}
		at = next
	}
	return at, nil
}

// maxDepth bounds the handles that RemoveAll holds; what lies deeper is moved up first.
const maxDepth = 64

// RemoveAll removes name and, if it is a directory, all below it. It follows no link. No error if there is
// nothing. At the first entry that cannot be removed it stops.
func RemoveAll(d Dir, name string) error {
	err := d.Remove(name)
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if errors.Is(err, ErrName) {
		return err
	}
	info, statErr := d.Stat(name)
	if statErr != nil || info.Type != Directory {
		return err
	}
	top, err := d.OpenDir(name)
	if err != nil {
		return err
	}
	defer top.Close()
	r := remover{top: top}
	for again := true; again; {
		before := r.moved
		if err := r.empty(top, 0); err != nil {
			return err
		}
		again = r.moved > before
	}
	return ignoreMissing(d.Remove(name))
}

// remover empties the directory top.
type remover struct {
	top   Dir
	moved int // directories moved up into top so far
}

func (r *remover) empty(d Dir, depth int) error {
	entries, err := d.List(nil)
	if err != nil {
		return err
	}
	for _, e := range entries {
		// Also a directory first: it may be empty.
		err := ignoreMissing(d.Remove(e.Name))
		if err != nil && (e.Type == Directory || e.Type == Unknown) {
			err = r.emptyAndRemove(d, e.Name, depth)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *remover) emptyAndRemove(d Dir, name string, depth int) error {
	if depth == maxDepth {
		return r.moveUp(d, name)
	}
	child, err := d.OpenDir(name)
	if err != nil {
		return ignoreMissing(err)
	}
	err = r.empty(child, depth+1)
	child.Close()
	if err != nil {
		return err
	}
	return ignoreMissing(d.Remove(name))
}

// moveUp puts a directory into top, where another pass finds it. A name that is taken there by an empty directory is
// replaced, which is no loss: all of top goes.
func (r *remover) moveUp(d Dir, name string) error {
	temp, err := tempName()
	if err != nil {
		return err
	}
	r.moved++
	return ignoreMissing(d.Rename(name, r.top, temp))
}

func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// ReadFile returns the content of a file of at most limit bytes; ErrTooLarge above.
func ReadFile(d Dir, name string, limit int64) ([]byte, error) {
	f, err := d.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	tooLarge := &fs.PathError{Op: "read", Path: name, Err: ErrTooLarge}
	if limit < 0 || info.Size > limit || info.Size != int64(int(info.Size)) {
		return nil, tooLarge
	}
	data := make([]byte, info.Size)
	n, err := io.ReadFull(f, data)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return data[:n], nil // cut short meanwhile
	}
	if err != nil {
		return nil, err
	}
	rest, err := io.ReadAll(io.LimitReader(f, limit-info.Size+1)) // grown meanwhile, or of a size unknown
	if err != nil {
		return nil, err
	}
	if int64(len(rest)) > limit-info.Size {
		return nil, tooLarge
	}
	return append(data, rest...), nil
}

// WriteWhole makes content the content of the file name, replacing one that is there: after a nil error it is durable
// under its name; after an error or a loss of power name holds either the old or the new content, whole.
// mode is that of a new file, before the umask. A loss of power can leave a file behind for which
// [IsTemp] is true.
func WriteWhole(d Dir, name string, mode uint32, content []byte) error {
	if err := through(d, name, func(temp string) error { return CreateWhole(d, temp, mode, content) }); err != nil {
		return err
	}
	return d.Sync()
}

// WriteLoose is WriteWhole that does not wait for the medium: after a loss of power the file may hold anything. It is
// for what can be told to be damaged, and made again.
func WriteLoose(d Dir, name string, mode uint32, content []byte) error {
	return through(d, name, func(temp string) error {
		f, err := d.Create(temp, mode)
		if err != nil {
			return err
		}
		_, err = f.Write(content)
		if closed := f.Close(); err == nil {
			err = closed
		}
		return err
	})
}

// Replace makes what fill writes the content of the file name, as WriteWhole does, keeping the metadata of one that is
// there. before is asked just before the old file gives way: its error leaves everything as it was.
func Replace(d Dir, name string, mode uint32, fill func(io.Writer) error, before func() error) error {
	err := through(d, name, func(temp string) error {
		f, err := d.Create(temp, mode)
		if err != nil {
			return err
		}
		err = fill(f)
		if err == nil {
			err = f.Sync()
		}
		if closed := f.Close(); err == nil {
			err = closed
		}
		if err == nil {
			err = inherit(d, name, temp)
		}
		if err == nil {
			err = before()
		}
		return err
	})
	if err != nil {
		return err
	}
	return d.Sync()
}

// through makes a file under a temporary name and then gives it its own; none is left where that fails.
func through(d Dir, name string, make func(temp string) error) error {
	if err := CheckName(name); err != nil {
		return &fs.PathError{Op: "write", Path: name, Err: err}
	}
	temp, err := tempName()
	if err != nil {
		return err
	}
	if err = make(temp); err == nil {
		err = d.Rename(temp, d, name)
	}
	if err != nil {
		_ = d.Remove(temp) // the first error is the one to tell
	}
	return err
}

// inherit gives a new file the permissions and extended attributes of the one that it replaces, if there is one.
func inherit(d Dir, from, to string) error {
	info, err := d.Stat(from)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.Type != Regular {
		return &fs.PathError{Op: "replace", Path: from, Err: errors.ErrUnsupported}
	}
	xattrs, err := d.Xattrs(from)
	if err != nil {
		return err
	}
	for _, x := range xattrs {
		if err := d.SetXattr(to, x); err != nil {
			return err
		}
	}
	return d.SetMeta(to, Change{Mode: &info.Mode, Attrs: &info.Attrs})
}

const (
	tempPrefix = ".varve-"
	tempSuffix = ".tmp"
	tempDigits = 32
)

// IsTemp reports whether name is one that this package gives to files that are not finished.
func IsTemp(name string) bool {
	digits, ok := strings.CutPrefix(name, tempPrefix)
	digits, ok2 := strings.CutSuffix(digits, tempSuffix)
	return ok && ok2 && len(digits) == tempDigits && strings.Trim(digits, "0123456789abcdef") == ""
}

func tempName() (string, error) {
	var random [tempDigits / 2]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", err
	}
	return tempPrefix + hex.EncodeToString(random[:]) + tempSuffix, nil
}
