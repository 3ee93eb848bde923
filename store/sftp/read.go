package sftp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/pkg/sftp"
	"golang.org/x/sync/errgroup"

	"varve/store"
)

const (
	// eager bounds a read that is asked for before the size of the object is known, in bytes.
	eager = 4 << 20
	// listsAtOnce bounds the directories that are read at a time.
	listsAtOnce = 64
)

// Get implements store.Store.
func (s *Store) Get(ctx context.Context, name string, off, n int64, dst []byte) ([]byte, error) {
	if err := ready(ctx, name); err != nil {
		return dst, fmt.Errorf("get: %w", err)
	}
	if off < 0 {
		return dst, fmt.Errorf("get %s at %d: %w", name, off, fs.ErrInvalid)
	}
	out := dst
	err := s.do(ctx, func(c *client) error {
		f, err := c.Open(s.at(name))
		if err != nil {
			return absent(c, s.at(name), err)
		}
		defer func() { go f.Close() }() // there is nothing to learn from its answer
		out, err = read(f, off, n, dst)
		return err
	})
	if err != nil {
		return dst, fmt.Errorf("get %s: %w", name, err)
	}
	return out, nil
}

// absent turns the error of a look-up where nothing can be into fs.ErrNotExist.
func absent(c *client, file string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || lost(err) {
		return err
	}
	if info, look := c.Lstat(file); look == nil && info.IsDir() || look != nil && c.below(file) {
		return fs.ErrNotExist
	}
	return err
}

// read appends n bytes from off to dst, or all from there. A short read is asked for together with the size.
func read(f *sftp.File, off, n int64, dst []byte) ([]byte, error) {
	var both errgroup.Group
	var info os.FileInfo
	var got int
	var failed error
	ahead := n > 0 && n <= eager
	grown := dst
	if ahead {
		grown = slices.Grow(dst, int(n))[:len(dst)+int(n)]
		both.Go(func() error {
			got, failed = f.ReadAt(grown[len(dst):], off)
			return nil
		})
	}
	both.Go(func() (err error) {
		info, err = f.Stat()
		return err
	})
	if err := both.Wait(); err != nil {
		return dst, err
	}
	if !info.Mode().IsRegular() {
		return dst, fmt.Errorf("not a file: %w", fs.ErrNotExist)
	}
	size := info.Size()
	if off > size || n > size-off {
		return dst, fmt.Errorf("%d bytes from %d of %d: %w", n, off, size, io.ErrUnexpectedEOF)
	}
	if n < 0 {
		n = size - off
	}
	if !ahead {
		grown = slices.Grow(dst, int(n))[:len(dst)+int(n)]
		if n > 0 {
			got, failed = f.ReadAt(grown[len(dst):], off)
		}
	}
	if int64(got) < n {
		if failed == nil || errors.Is(failed, io.EOF) {
			failed = io.ErrUnexpectedEOF // cut short since it was opened
		}
		return dst, failed
	}
	return grown, nil
}

// Stat implements store.Stater.
func (s *Store) Stat(ctx context.Context, name string) (store.Object, error) {
	if err := ready(ctx, name); err != nil {
		return store.Object{}, fmt.Errorf("stat: %w", err)
	}
	var o store.Object
	err := s.do(ctx, func(c *client) error {
		info, err := c.Lstat(s.at(name))
		if err != nil {
			return absent(c, s.at(name), err)
		}
		if !info.Mode().IsRegular() {
			return fmt.Errorf("not a file: %w", fs.ErrNotExist)
		}
		o = store.Object{Name: name, Size: info.Size(), Modified: info.ModTime()}
		return nil
	})
	if err != nil {
		return o, fmt.Errorf("stat %s: %w", name, err)
	}
	return o, nil
}

// List implements store.Store. Directories are read many at a time, and yielded in order.
func (s *Store) List(ctx context.Context, prefix string) iter.Seq2[store.Object, error] {
	return func(yield func(store.Object, error) bool) {
		if err := store.CheckPrefix(prefix); err != nil {
			yield(store.Object{}, fmt.Errorf("list: %w", err))
			return
		}
		s.walk(ctx, prefix, func(o store.Object, err error) bool {
			if err == nil && store.CheckName(o.Name) != nil {
				return true // somebody else's, or a leftover
			}
			return yield(o, err)
		})
	}
}

// Leftovers implements store.Sweeper: temporary files.
func (s *Store) Leftovers(ctx context.Context) iter.Seq2[store.Object, error] {
	return func(yield func(store.Object, error) bool) {
		s.walk(ctx, "", func(o store.Object, err error) bool {
			if err == nil && !strings.HasPrefix(path.Base(o.Name), tempPrefix) {
				return true
			}
			return yield(o, err)
		})
	}
}

// Discard implements store.Sweeper.
func (s *Store) Discard(ctx context.Context, leftover string) error {
	dir, base := path.Split(leftover)
	if err := store.CheckPrefix(dir); err != nil || !strings.HasPrefix(base, tempPrefix) {
		return fmt.Errorf("discard %q: not a leftover: %w", leftover, store.ErrName)
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("discard %s: %w", leftover, err)
	}
	if err := s.remove(ctx, s.at(leftover)); err != nil {
		return fmt.Errorf("discard %s: %w", leftover, err)
	}
	return nil
}

// walk yields the files below prefix in the order of their names. Of the directories of one directory many are
// read ahead, each by its own call, so that each is seen as it is.
func (s *Store) walk(ctx context.Context, prefix string, yield func(store.Object, error) bool) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	l := &listing{s: s, ctx: ctx, slots: make(chan struct{}, listsAtOnce)}
	if err := l.directory(prefix, l.start(prefix), yield); err != nil && !errors.Is(err, errStop) {
		yield(store.Object{}, fmt.Errorf("list %q: %w", prefix, err))
	}
}

// errStop ends a walk whose caller wants no more.
var errStop = errors.New("enough listed")

type listing struct {
	s     *Store
	ctx   context.Context
	slots chan struct{}
}

type entries struct {
	list []os.FileInfo
	err  error
}

// start reads a directory in the background. Its prefix is "" or ends in '/'.
func (l *listing) start(prefix string) <-chan entries {
	out := make(chan entries, 1)
	go func() {
		select {
		case l.slots <- struct{}{}:
			defer func() { <-l.slots }()
		case <-l.ctx.Done():
			out <- entries{err: l.ctx.Err()}
			return
		}
		var e entries
		e.err = l.s.do(l.ctx, func(c *client) (err error) {
			e.list, err = c.ReadDirContext(l.ctx, l.s.at(prefix))
			if err != nil {
				err = l.s.notDirectory(c, prefix, err)
			}
			return err
		})
		out <- e
	}()
	return out
}

// notDirectory turns the error of a directory that is not there into nothing.
func (s *Store) notDirectory(c *client, prefix string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if lost(err) {
		return err
	}
	dir := s.at(prefix)
	if info, look := c.Stat(dir); errors.Is(look, fs.ErrNotExist) || look == nil && !info.IsDir() || look != nil && c.below(dir) {
		return nil
	}
	return err
}

// directory yields what is in a directory that was started, and below it.
func (l *listing) directory(prefix string, read <-chan entries, yield func(store.Object, error) bool) error {
	e := <-read
	if e.err != nil {
		return e.err
	}
	// The name of a directory sorts with the slash that follows it.
	key := func(i os.FileInfo) string {
		if i.IsDir() {
			return i.Name() + "/"
		}
		return i.Name()
	}
	slices.SortFunc(e.list, func(a, b os.FileInfo) int { return strings.Compare(key(a), key(b)) })
	begun := make([]<-chan entries, len(e.list))
	next := 0
	for i, info := range e.list {
		for ; next < len(e.list) && next < i+listsAtOnce; next++ {
			if e.list[next].IsDir() && store.CheckPrefix(prefix+key(e.list[next])) == nil {
				begun[next] = l.start(prefix + key(e.list[next]))
			}
		}
		if err := l.ctx.Err(); err != nil {
			return err
		}
		switch {
		case begun[i] != nil:
			if err := l.directory(prefix+key(info), begun[i], yield); err != nil {
				return err
			}
		case info.Mode().IsRegular():
			if !yield(store.Object{Name: prefix + info.Name(), Size: info.Size(), Modified: info.ModTime()}, nil) {
				return errStop
			}
		}
	}
	return nil
}

var _ store.Sweeper = (*Store)(nil)
