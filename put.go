package varve

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"varve/internal/disk"
	"varve/internal/history"
)

// PutFile is a new content for a file of the project.
type PutFile struct {
	Path  string
	Write func(io.Writer) error
	// Was is the SHA-256 (hex) of the content that the new one was made from: a file that has another by now is newer work,
	// and stays. "" where it was not made from the file.
	Was string
}

// PutOptions say what to put into the project's folder.
type PutOptions struct {
	Verb    string // of the operation: "graft"
	Summary string // for people: "graft of Ink into poster.psd"
	Files   []PutFile
	Ignore  IgnoreSettings
}

// PutResult says how a put can be taken back.
type PutResult struct {
	Safety *Snapshot // of how the folder was
	Undo   string    // id of the operation
}

// ErrChanged says that a file was changed while something else was to be put in its place; it was left as it is.
var ErrChanged = errors.New("the file was changed meanwhile")

// Put replaces files of the project's folder, or makes them, after a safety snapshot; Undo takes all of it back. Each
// file is replaced whole or not at all, and stays as it is where somebody changed it since the safety snapshot.
func (p *Project) Put(ctx context.Context, o PutOptions) (*PutResult, error) {
	if p.dir == nil {
		return nil, errors.New("the project's folder is not known here")
	}
	safety, err := p.Snap(ctx, SnapOptions{Message: "before " + o.Summary, Ignore: o.Ignore, reason: history.Safety, IfChanged: true})
	if err != nil {
		return nil, fmt.Errorf("safety snapshot: %w", err)
	}
	if len(safety.Errors) > 0 {
		return nil, fmt.Errorf("safety snapshot: %w", &PartialError{Failures: safety.Errors})
	}
	befores, err := p.befores(ctx, safety, o.Files)
	if err != nil {
		return nil, err
	}
	f := folderChange{Before: safety.ID.String(), Target: safety.ID.String()}
	for _, one := range o.Files {
		f.Paths = append(f.Paths, cleanPath(one.Path))
	}
	r, err := p.operation(o.Verb, o.Summary, map[string]any{"folder": f})
	if err != nil {
		return nil, err
	}
	// What was not noted could not be undone.
	if err := p.v.history.Ledger.Append(ctx, r); err != nil {
		return nil, err
	}
	res := &PutResult{Safety: safety, Undo: r.ID}
	for i, one := range o.Files {
		if err := ctx.Err(); err != nil {
			return res, err
		}
		if err := p.put(one, befores[i]); err != nil {
			return res, fmt.Errorf("%s: %w", one.Path, err)
		}
	}
	return res, nil
}

// befores returns the entries of the files in the safety snapshot; nil for those that are new. A file that is there
// and that the snapshot leaves out could not be brought back.
func (p *Project) befores(ctx context.Context, safety *Snapshot, files []PutFile) ([]*Entry, error) {
	out := make([]*Entry, len(files))
	for i, one := range files {
		e, err := p.Stat(ctx, safety, one.Path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if live, err := p.openLive(one.Path); err == nil {
				return nil, errors.Join(fmt.Errorf("%s is left out of snapshots by a rule, so it could not be brought back: it is not replaced", one.Path), live.Close())
			}
		case err != nil:
			return nil, err
		case e.Type != "file":
			return nil, fmt.Errorf("%s is a %s: %w", one.Path, e.Type, errors.ErrUnsupported)
		default:
			out[i] = &e
		}
		if one.Was == "" {
			continue
		}
		now, err := p.sumOf(ctx, safety, out[i])
		if err != nil {
			return nil, err
		}
		if now != one.Was {
			return nil, fmt.Errorf("%s: %w: nothing was put", one.Path, ErrChanged)
		}
	}
	return out, nil
}

// sumOf is the SHA-256 of a file of a snapshot, also where the vault keeps none; "" of no file.
func (p *Project) sumOf(ctx context.Context, s *Snapshot, e *Entry) (string, error) {
	if e == nil || e.SHA256 != "" {
		return cmp.Or(e, &Entry{}).SHA256, nil
	}
	h := sha256.New()
	err := p.Cat(ctx, s, e.Path, h)
	return hex.EncodeToString(h.Sum(nil)), err
}

// put replaces one file, if it is as it was.
func (p *Project) put(one PutFile, before *Entry) error {
	folder, name := path.Split(cleanPath(one.Path))
	d, err := disk.MkdirAll(p.dir, strings.TrimSuffix(folder, "/"), 0o755)
	if err != nil {
		return err
	}
	defer d.Close()
	return disk.Replace(d, name, 0o644, one.Write, func() error {
		info, err := d.Stat(name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if before != nil {
				return ErrChanged
			}
			return nil
		case err != nil:
			return err
		case before == nil || info.Size != before.Bytes || info.Mtime != before.Mtime.UnixNano():
			return ErrChanged
		}
		return nil
	})
}
