package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"

	"varve/creative"
	"varve/format"
	"varve/internal/disk"
)

// studio opens files that are named on the command line: of the folder, of snapshots, or anywhere. The vault is opened
// for the first that needs it.
type studio struct {
	e     *env
	place *place
	*creative.Studio
	open []*creative.Item
	err  error // of the settings: why nothing is opened
}

func (e *env) studio() *studio {
	s := &studio{e: e, Studio: &creative.Studio{Formats: formats()}}
	own, err := e.viewers()
	s.err = err
	last := len(s.Formats) - 1 // the one that finds previews: what the user has declared is better
	s.Formats = slices.Concat(s.Formats[:last], own, s.Formats[last:])
	return s
}

// Close lets all files go that were opened.
func (s *studio) Close() {
	for _, it := range s.open {
		_ = it.Close() // they were only read
	}
}

// enter opens the vault and the project.
func (s *studio) enter(ctx context.Context, n need) error {
	if s.err != nil || s.place != nil {
		return s.err
	}
	p, err := s.e.open(ctx, n)
	if err != nil {
		return err
	}
	s.take(p)
	return nil
}

// take looks into the files of a place that is open.
func (s *studio) take(p *place) {
	s.place = p
	s.Vault, s.Project, s.Ignore = p.vault, p.project, p.project.IgnoreSettings()
}

// item opens FILE, FILE@REF or REF:PATH. A file that is there is itself, whatever it is called.
func (s *studio) item(ctx context.Context, arg string) (it *creative.Item, err error) {
	defer func() {
		if err == nil {
			s.open = append(s.open, it)
		}
	}()
	if s.err != nil {
		return nil, s.err
	}
	full := s.e.abs(arg)
	info, err := os.Stat(full)
	if err == nil && info.Mode().IsRegular() {
		return s.present(ctx, full)
	}
	if err == nil && info.IsDir() {
		return nil, usage("name a file: FILE, FILE@REF or REF:PATH", "%s is a folder", name(arg))
	}
	if err := s.enter(ctx, need{}); err != nil {
		return nil, s.absent(arg, err)
	}
	snap, at, err := s.e.locate(s.place, arg)
	if err != nil {
		return nil, s.absent(arg, err)
	}
	if at == "" {
		return nil, usage("name a file: FILE, FILE@REF or REF:PATH", "%s: no file is named", name(arg))
	}
	return s.Open(ctx, snap, at)
}

// absent is the error of an argument that neither is a file nor names one that was kept.
func (s *studio) absent(arg string, err error) error {
	if filepath.Ext(arg) != "" {
		return fmt.Errorf("%s: there is no such file here, and: %w", name(arg), err)
	}
	return err
}

// present opens a file that is there: as one of the project if it lies in one, so that what is done to it can be undone.
func (s *studio) present(ctx context.Context, full string) (*creative.Item, error) {
	if _, kept := s.e.projectRoot(); kept && s.e.project == "" {
		if err := s.enter(ctx, need{}); err == nil {
			if at, err := s.e.inside(s.place, full); err == nil {
				return s.Open(ctx, nil, at)
			}
		}
	}
	d, err := disk.Open(filepath.Dir(full))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	f, err := d.Open(filepath.Base(full))
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s.OpenLoose(filepath.ToSlash(full), &loose{File: f, size: info.Size, folder: filepath.Dir(full)})
}

// loose is a file that is no project's.
type loose struct {
	disk.File
	size   int64
	folder string

	mu   sync.Mutex
	near []*loose
}

func (l *loose) Size() int64 { return l.size }

// Beside opens a file of the same folder or below: a document from elsewhere is no reason to read others.
func (l *loose) Beside(at string) (format.Input, error) {
	if !filepath.IsLocal(filepath.FromSlash(at)) {
		return nil, fs.ErrNotExist
	}
	d, err := disk.Open(l.folder)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	folder, base := path.Split(path.Clean(at))
	in, err := disk.Walk(d, path.Clean("/" + folder)[1:])
	if err != nil {
		return nil, fs.ErrNotExist
	}
	defer in.Close()
	f, err := in.Open(base)
	if err != nil {
		return nil, fs.ErrNotExist
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	n := &loose{File: f, size: info.Size}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.near = append(l.near, n)
	return n, nil
}

func (l *loose) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.File.Close()
	for _, n := range l.near {
		err = errors.Join(err, n.File.Close())
	}
	return err
}

// writeNew writes a file that is named with -o; an existing one only if --force was given.
func (e *env) writeNew(at string, force bool, write func(f *os.File) error) error {
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	full := e.abs(at)
	if force {
		return e.replaceFile(full, write)
	}
	f, err := os.OpenFile(full, flags, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return hinted(fmt.Errorf("write %s: it is there already", name(at)), "--force replaces it")
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name(at), cause(err))
	}
	err = write(f)
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(full) // half a file is none
		return fmt.Errorf("write %s: %w", name(at), err)
	}
	return nil
}

// replaceFile writes beside a file and then takes its place.
func (e *env) replaceFile(full string, write func(f *os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(full), ".varve-*.tmp")
	if err != nil {
		return fmt.Errorf("write %s: %w", name(full), cause(err))
	}
	err = write(f)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), full)
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return fmt.Errorf("write %s: %w", name(full), err)
	}
	return nil
}
