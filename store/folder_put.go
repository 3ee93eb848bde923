package store

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"syscall"

	"varve/internal/disk"
)

// writeStep is how much is written between two looks at the context, in bytes.
const writeStep = 4 << 20

// joinFrom is the size in bytes from which several parts are copied together, so that the whole can go
// to the medium past the page cache.
const joinFrom = 1 << 20

// Put implements Store: temporary file, content, size check, fsync, publish without replacing.
func (f *Folder) Put(ctx context.Context, name string, parts ...[]byte) error {
	if err := ready(ctx, name); err != nil {
		return fmt.Errorf("put: %w", err)
	}
	if err := f.whole(); err != nil {
		return fmt.Errorf("put %s: %w", name, err)
	}
	err := f.in(name, true, func(h *handle, element string) error {
		return f.putIn(ctx, h, element, parts)
	})
	if err != nil {
		return fmt.Errorf("put %s: %w", name, err)
	}
	return nil
}

// whole returns the failed sync that ended the Folder, if any.
func (f *Folder) whole() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.broken
}

func (f *Folder) putIn(ctx context.Context, h *handle, element string, parts [][]byte) error {
	temp, err := f.writeTemp(ctx, h.dir, parts)
	if err != nil {
		return err
	}
	if err = ctx.Err(); err == nil {
		err = h.dir.Publish(temp, h.dir, element)
		f.mark(h.path) // after it, so that no Barrier in between takes the mark; also if it only seemed to fail
	}
	if err == nil {
		return nil
	}
	h.dir.Remove(temp) // what cannot be removed is a leftover
	if errors.Is(err, fs.ErrExist) && isDirectory(h.dir, element) {
		return fmt.Errorf("a directory: %w", ErrName)
	}
	return err
}

// writeTemp writes the parts, joined and synced, to a new file in d and returns its name. After an error
// the file is gone, as far as it could be removed.
func (f *Folder) writeTemp(ctx context.Context, d disk.Dir, parts [][]byte) (string, error) {
	const draws = 8
	for draw := 1; ; draw++ {
		r, err := f.random()
		if err != nil {
			return "", fmt.Errorf("draw a temporary name: %w", err)
		}
		temp := tempPrefix + hex.EncodeToString(r[:])
		err = f.write(ctx, d, temp, parts)
		if err == nil {
			return temp, nil
		}
		if !errors.Is(err, fs.ErrExist) {
			d.Remove(temp)
			return "", err
		}
		// The file is someone else's. fs.ErrExist must not reach the caller, to whom it says that the
		// object is there.
		if draw == draws {
			return "", fmt.Errorf("%d temporary names are taken, the last %s", draws, temp)
		}
	}
}

// write creates temp with the parts, joined and synced. The error is fs.ErrExist only if temp was there.
func (f *Folder) write(ctx context.Context, d disk.Dir, temp string, parts [][]byte) error {
	want := total(parts)
	if s, ok := d.(disk.Streamer); ok && (len(parts) == 1 || want >= joinFrom) {
		err := s.CreateWhole(temp, f.permissions().file, joined(parts))
		if err == nil {
			info, err := d.Stat(temp)
			return checkSize(info, want, err)
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
		if err := d.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	file, err := d.Create(temp, f.permissions().file)
	if err != nil {
		return err
	}
	err = f.fill(ctx, file, parts, want)
	if e := file.Close(); err == nil {
		err = e // network file systems report a failed write or a full quota here
	}
	return err
}

func joined(parts [][]byte) []byte {
	if len(parts) == 1 {
		return parts[0]
	}
	return slices.Concat(parts...)
}

func (f *Folder) fill(ctx context.Context, file disk.File, parts [][]byte, want int64) error {
	if r, ok := file.(disk.Reserver); ok && want >= joinFrom {
		// Only a full disk matters: it is better known before the first byte.
		if err := r.Reserve(want); errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
			return err
		}
	}
	for _, p := range parts {
		for len(p) > 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			n, err := file.Write(p[:min(len(p), writeStep)])
			if err != nil {
				return err
			}
			p = p[n:]
		}
	}
	info, err := file.Stat()
	if err := checkSize(info, want, err); err != nil {
		return err
	}
	return f.settle(file.Sync())
}

// checkSize refuses a file that is not as long as what was written to it.
func checkSize(info disk.Info, want int64, err error) error {
	if err != nil {
		return err
	}
	if info.Size != want {
		return fmt.Errorf("%d bytes arrived of %d", info.Size, want)
	}
	return nil
}
