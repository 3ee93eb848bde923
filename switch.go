package varve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/restore"
	"varve/internal/tree"
)

// Switch makes a folder apart from the project's, which holds the snapshot from, what the snapshot to says: only what
// differs is written. With from nil the folder is new or empty. What was changed in the folder since is put right
// first; files that no snapshot has stay.
func (p *Project) Switch(ctx context.Context, dir string, from, to *Snapshot) (*RestoreResult, error) {
	if from == nil {
		d, err := disk.Create(dir)
		if err != nil {
			return nil, err
		}
		defer d.Close()
		return p.apply(ctx, RestoreOptions{Snapshot: to}, restore.Options{Target: d, NewGet: p.v.getter})
	}
	d, err := disk.Open(dir)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	dirty, err := p.dirty(ctx, d, from)
	if err != nil {
		return nil, fmt.Errorf("look at %s: %w", dir, err)
	}
	if len(dirty) > 0 {
		for _, at := range dirty {
			if err := removeAt(d, at); err != nil {
				return nil, err
			}
		}
		// As if nothing were known of the folder: what is missing is made, folders that are there take it in.
		back, err := p.apply(ctx, RestoreOptions{Snapshot: from, Paths: dirty}, restore.Options{Target: d, HasLive: true, Live: digest.Digest{}, NewGet: p.v.getter})
		if err != nil {
			return back, err
		}
		if len(back.Errors) > 0 {
			return back, &PartialError{Failures: back.Errors}
		}
	}
	return p.apply(ctx, RestoreOptions{Snapshot: to, Delete: true}, restore.Options{Target: d, HasLive: true, Live: from.Root, Delete: true, NewGet: p.v.getter})
}

// dirty lists what in d is not as a snapshot has it, by what can be told without reading: type, size and time.
func (p *Project) dirty(ctx context.Context, d disk.Dir, s *Snapshot) ([]string, error) {
	type level struct {
		at string
		d  disk.Dir
	}
	above := []level{{"", d}} // the folders that the walk is in; d is the caller's
	leave := func(folder string) {
		for n := len(above) - 1; n > 0 && folder != above[n].at && !strings.HasPrefix(folder, above[n].at+"/"); n-- {
			above[n].d.Close()
			above = above[:n]
		}
	}
	defer func() { leave("") }()
	var out []string
	err := everything(ctx, p.v.getter(), s.Root, func(at string, _, e *tree.Entry) error {
		folder, name := cutLast(at)
		leave(folder)
		if above[len(above)-1].at != folder {
			return nil // the folder is gone, or is none any more: it is among them
		}
		in := above[len(above)-1].d
		info, err := in.Stat(name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		same := err == nil && info.Type == e.Type
		switch {
		case same && e.Type == disk.Directory:
			sub, err := in.OpenDir(name)
			if err != nil {
				return err
			}
			above = append(above, level{at, sub})
			return nil
		case same && e.Type == disk.Regular:
			same = info.Size == e.Size && info.Mtime == e.Mtime
		case same && e.Type == disk.Symlink:
			target, err := in.Readlink(name)
			same = err == nil && target == e.Target
		}
		if !same {
			out = append(out, at)
		}
		return nil
	})
	return out, err
}

// removeAt removes what is at a path, if anything.
func removeAt(d disk.Dir, at string) error {
	folder, name := cutLast(at)
	in, err := disk.Walk(d, strings.TrimSuffix(folder, "/"))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	}
	defer in.Close()
	if err := disk.RemoveAll(in, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
