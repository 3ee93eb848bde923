package experiment

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"varve"
)

// Replaced says what a replacement did.
type Replaced struct {
	Backup string // where what was there is now; "" where nothing was
	Files  int64
	Bytes  int64
}

// Replace puts a version in the place of a folder, which is kept beside it as NAME_backup_YYYYmmdd_HHMMSS. With paths
// only those sub-trees change places. The version is built beside the folder and every file of it is read back and
// compared with the version's SHA-256 before anything is moved.
func (l *Lab) Replace(ctx context.Context, s *varve.Snapshot, folder string, paths []string) (*Replaced, error) {
	folder, paths = filepath.Clean(folder), subtrees(paths)
	var tag [4]byte
	if _, err := io.ReadFull(l.opt.Rand, tag[:]); err != nil {
		return nil, err
	}
	fresh := filepath.Join(filepath.Dir(folder), "."+filepath.Base(folder)+".varve-"+hex.EncodeToString(tag[:]))
	res, err := l.p.Restore(ctx, varve.RestoreOptions{Snapshot: s, Paths: paths, To: fresh})
	if err == nil && len(res.Errors) > 0 {
		err = &varve.PartialError{Failures: res.Errors}
	}
	if err == nil {
		err = l.readBack(ctx, s, fresh, paths)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("nothing was changed: %w", err), os.RemoveAll(fresh))
	}
	out := &Replaced{Files: res.Files, Bytes: res.Bytes}
	backup, err := l.backupName(folder)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(fresh))
	}
	if len(paths) == 0 {
		err = out.swap(folder, fresh, backup)
	} else {
		for _, at := range paths {
			at = filepath.FromSlash(at)
			if err = out.swapPart(folder, fresh, backup, at); err != nil {
				err = fmt.Errorf("%s: %w", at, err)
				break
			}
		}
	}
	return out, errors.Join(err, os.RemoveAll(fresh))
}

// subtrees are paths of a project, none of them twice or in another one; nil is all of it.
func subtrees(paths []string) []string {
	var out []string
	for _, at := range paths {
		at = path.Clean(filepath.ToSlash(at))
		if at == "." {
			return nil
		}
		if !inAny(out, at) {
			out = append(slices.DeleteFunc(out, func(other string) bool { return inAny([]string{at}, other) }), at)
		}
	}
	return out
}

// inAny reports whether a path is one of paths, or in one of them.
func inAny(paths []string, at string) bool {
	return slices.ContainsFunc(paths, func(p string) bool { return at == p || strings.HasPrefix(at, p+"/") })
}

// readBack compares what was built with the version.
func (l *Lab) readBack(ctx context.Context, s *varve.Snapshot, dir string, paths []string) error {
	list, err := l.p.CheckManifest(ctx, s, dir)
	if err != nil {
		return err
	}
	for _, d := range list {
		if len(paths) == 0 || inAny(paths, d.Path) {
			return fmt.Errorf("%s is not as %s has it: %s", d.Path, s.Ref(), d.Detail)
		}
	}
	return nil
}

// backupName finds a name that is free.
func (l *Lab) backupName(folder string) (string, error) {
	stem := folder + "_backup_" + l.opt.Now().Format("20060102_150405")
	for n := 1; n < 1000; n++ {
		at := stem
		if n > 1 {
			at = fmt.Sprintf("%s_%d", stem, n)
		}
		if _, err := os.Lstat(at); errors.Is(err, fs.ErrNotExist) {
			return at, nil
		}
	}
	return "", fmt.Errorf("%s: every name is taken", stem)
}

// swap moves folder to backup and fresh to folder, and the project's own notes with it.
func (o *Replaced) swap(folder, fresh, backup string) error {
	info, err := os.Lstat(folder)
	if err == nil && info.IsDir() && os.Remove(folder) == nil { // with nothing in it there is nothing to keep
		err = fs.ErrNotExist
	}
	if errors.Is(err, fs.ErrNotExist) {
		return os.Rename(fresh, folder)
	}
	if err == nil {
		err = os.Rename(folder, backup)
	}
	if err != nil {
		return err
	}
	o.Backup = backup
	if err := os.Rename(fresh, folder); err != nil {
		return errors.Join(err, os.Rename(backup, folder))
	}
	kept := filepath.Join(backup, ".varve")
	if _, err := os.Lstat(kept); err != nil {
		return nil
	}
	// Runs that are under way are of the project, not of a state of it.
	if err := os.RemoveAll(filepath.Join(folder, ".varve")); err != nil {
		return err
	}
	return os.Rename(kept, filepath.Join(folder, ".varve"))
}

// swapPart is swap of one sub-tree.
func (o *Replaced) swapPart(folder, fresh, backup, at string) error {
	from := filepath.Join(fresh, at)
	if _, err := os.Lstat(from); err != nil {
		return err
	}
	old, kept := filepath.Join(folder, at), filepath.Join(backup, at)
	if _, err := os.Lstat(old); err == nil {
		if err := os.MkdirAll(filepath.Dir(kept), 0o755); err != nil {
			return err
		}
		if err := os.Rename(old, kept); err != nil {
			return err
		}
		o.Backup = backup
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(old), 0o755); err != nil {
		return err
	}
	err := os.Rename(from, old)
	if err != nil && o.Backup != "" {
		err = errors.Join(err, os.Rename(kept, old))
	}
	return err
}
