package sftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"golang.org/x/sync/errgroup"
)

// syncsAtOnce bounds the directories that are synced at a time.
const syncsAtOnce = 64

// Barrier implements store.Store: it syncs each directory touched since the last one. After a sync that failed
// the system may count the lost entries as written: Barrier and Put then fail for the rest of the Store's life.
func (s *Store) Barrier(ctx context.Context) error {
	// One at a time: a second Barrier that found nothing dirty would vouch for what the first has not synced yet.
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("barrier: %w", ctx.Err())
	}
	defer func() { <-s.turn }()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("barrier: %w", err)
	}
	directories, err := s.takeDirty()
	if err != nil {
		return fmt.Errorf("barrier: %w", err)
	}
	var all errgroup.Group
	all.SetLimit(syncsAtOnce)
	for _, d := range directories {
		all.Go(func() error {
			err := s.do(ctx, func(c *client) error { return s.sync(c, d) })
			if err != nil {
				s.mark(d)
			}
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return fmt.Errorf("barrier: %w", err)
	}
	return nil
}

func (s *Store) takeDirty() ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken != nil {
		return nil, s.broken
	}
	var out []string
	for d := range s.dirty {
		out = append(out, d)
	}
	clear(s.dirty)
	return out, nil
}

// sync syncs a directory, if the server can. That it cannot is seen by the first one.
func (s *Store) sync(c *client, dir string) error {
	f, err := c.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // removed since, with all that was in it
	}
	if err == nil {
		err = f.Sync()
		if lost(err) {
			return err
		}
		_ = f.Close() // nothing was written to it
	}
	if lost(err) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.synced = true
	case s.synced:
		s.broken = fmt.Errorf("an earlier sync of directory %q failed: %w", dir, err)
		return fmt.Errorf("sync directory %q: %w", dir, err)
	default:
		s.undurable = true
	}
	return nil
}

// Settle implements store.Settler.
func (s *Store) Settle(ctx context.Context) error {
	for o, err := range s.List(ctx, "") {
		if err != nil {
			return err
		}
		for dir := path.Dir(s.at(o.Name)); len(dir) >= len(s.root); dir = path.Dir(dir) {
			s.mark(dir)
		}
	}
	return s.Barrier(ctx)
}
