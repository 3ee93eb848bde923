package sftp

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"

	"github.com/pkg/sftp"
	"golang.org/x/sync/errgroup"

	"varve/store"
)

// tempPrefix starts the names of files being written, as in a store.Folder.
const tempPrefix = "tmp-"

// Put implements store.Store: temporary file, content, size check, fsync, publish without replacing.
func (s *Store) Put(ctx context.Context, name string, parts ...[]byte) error {
	if err := ready(ctx, name); err != nil {
		return fmt.Errorf("put: %w", err)
	}
	if err := s.whole(); err != nil {
		return fmt.Errorf("put %s: %w", name, err)
	}
	content := parts
	if len(parts) != 1 {
		content = [][]byte{slices.Concat(parts...)}
	}
	tries := 0
	err := s.do(ctx, func(c *client) error {
		tries++
		return s.put(ctx, c, name, content[0])
	})
	if tries > 1 && errors.Is(err, fs.ErrExist) { // the put that was cut off may have put it
		err = s.ours(ctx, name, content[0])
	}
	if err != nil {
		return fmt.Errorf("put %s: %w", name, err)
	}
	return nil
}

// whole returns the failed sync that ended the Store, if any.
func (s *Store) whole() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken
}

func (s *Store) put(ctx context.Context, c *client, name string, content []byte) error {
	file := s.at(name)
	temp, f, err := s.create(ctx, c, path.Dir(file))
	if err != nil {
		return err
	}
	if err = s.fill(f, content); err == nil {
		err = ctx.Err()
	}
	published := false
	if err == nil {
		err = publish(c, temp, file)
		published = err == nil && !c.links
		s.mark(path.Dir(file)) // after it, so that no Barrier in between takes the mark; also if it only seemed to fail
	}
	var both errgroup.Group
	both.Go(func() error { return f.Close() }) // everything was synced
	if !published {
		both.Go(func() error { return c.Remove(temp) })
	}
	_ = both.Wait() // what cannot be removed is a leftover
	return err
}

// create makes a temporary file in a directory, which is made where it is not there.
func (s *Store) create(ctx context.Context, c *client, dir string) (string, *sftp.File, error) {
	const tries = 4 // somebody may remove the empty directory again
	for try := 1; ; try++ {
		temp, err := s.temp(dir)
		if err != nil {
			return "", nil, err
		}
		f, err := c.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL)
		if err == nil {
			s.anchor(dir)
			return temp, f, nil
		}
		if lost(err) || try == tries || ctx.Err() != nil {
			return "", nil, err
		}
		if err := s.makeDirectory(c, dir); err != nil {
			return "", nil, err
		}
	}
}

func (s *Store) temp(dir string) (string, error) {
	from := s.opt.Rand
	if from == nil {
		from = rand.Reader
	}
	var b [16]byte
	if _, err := io.ReadFull(from, b[:]); err != nil {
		return "", fmt.Errorf("draw a temporary name: %w", err)
	}
	return path.Join(dir, tempPrefix+hex.EncodeToString(b[:])), nil
}

// makeDirectory makes a directory and those above it. The root is made for its owner alone.
func (s *Store) makeDirectory(c *client, dir string) error {
	info, err := c.Stat(dir)
	if err == nil && info.IsDir() {
		return nil
	}
	if err == nil || c.below(dir) {
		return fmt.Errorf("%s is below an object: %w", dir, store.ErrName)
	}
	if lost(err) {
		return err
	}
	if above := path.Dir(dir); above != dir {
		if err := s.makeDirectory(c, above); err != nil {
			return err
		}
	}
	if err := c.Mkdir(dir); err != nil {
		if info, e := c.Stat(dir); e != nil || !info.IsDir() { // else somebody was quicker
			return fmt.Errorf("make directory %s: %w", dir, err)
		}
		return nil
	}
	s.mark(path.Dir(dir))
	if dir == s.root {
		return c.Chmod(dir, 0o700)
	}
	return nil
}

// anchor notes the entries on the way to a directory for the next Barrier, once: another process may have made
// them, without a Barrier yet.
func (s *Store) anchor(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ; len(dir) > len(s.root); dir = path.Dir(dir) {
		if _, done := s.anchored[dir]; done {
			return
		}
		s.anchored[dir] = struct{}{}
		s.dirty[path.Dir(dir)] = struct{}{}
	}
}

// fill writes the content, syncs it, and compares its size.
func (s *Store) fill(f *sftp.File, content []byte) error {
	if len(content) > 0 {
		if _, err := f.WriteAt(content, 0); err != nil {
			return err
		}
	}
	var both errgroup.Group
	both.Go(func() error {
		err := f.Sync()
		var status *sftp.StatusError
		if errors.As(err, &status) && status.FxCode() == sftp.ErrSSHFxOpUnsupported {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.undurable = true
			return nil
		}
		return err
	})
	both.Go(func() error {
		info, err := f.Stat()
		if err == nil && info.Size() != int64(len(content)) {
			err = fmt.Errorf("%d bytes arrived of %d", info.Size(), len(content))
		}
		return err
	})
	return both.Wait()
}

// publish gives a temporary file its name. The error is fs.ErrExist if the name is taken.
func publish(c *client, temp, file string) error {
	var err error
	if c.links {
		err = c.Link(temp, file)
	} else {
		err = c.Rename(temp, file)
	}
	if err == nil || lost(err) {
		return err
	}
	// The protocol has no error for a name that is taken.
	info, look := c.Lstat(file)
	switch {
	case look != nil:
		return err
	case info.IsDir():
		return fmt.Errorf("a directory: %w", store.ErrName)
	}
	return fs.ErrExist
}

// ours tells an object that a put which was cut off has put from one of somebody else.
func (s *Store) ours(ctx context.Context, name string, content []byte) error {
	there, err := s.Get(ctx, name, 0, -1, nil)
	if err != nil {
		return err
	}
	if !bytes.Equal(there, content) {
		return fs.ErrExist
	}
	s.mark(path.Dir(s.at(name)))
	return nil
}
