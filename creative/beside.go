package creative

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"varve"
	"varve/format"
)

// placed is a file of a project with those beside it, at the same moment.
type placed struct {
	format.Input
	it  *Item
	ctx context.Context // that it was opened by: Beside has none, like ReadAt

	mu   sync.Mutex
	near map[string]*neighbour // by path in the project
}

// neighbour is what was found at a path; nothing of it is set where nothing was.
type neighbour struct {
	file    *varve.File
	content string
}

// Beside opens a file of the project. Paths that lead out of it lead to nothing.
func (p *placed) Beside(at string) (format.Input, error) {
	full, ok := Resolve(p.it.Path, "", &format.Reference{Path: at, Style: format.Relative})
	if !ok {
		return nil, fmt.Errorf("%.200q: %w", at, fs.ErrNotExist)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.near[full]
	if n == nil {
		n = &neighbour{}
		f, err := p.it.studio.Project.Open(p.ctx, p.it.Snapshot, full)
		switch {
		case err == nil:
			n.file, n.content = f, f.Content()
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errors.ErrUnsupported):
			return nil, err
		}
		if p.near == nil {
			p.near = map[string]*neighbour{}
		}
		p.near[full] = n
	}
	if n.file == nil {
		return nil, fmt.Errorf("%s: %w", full, fs.ErrNotExist)
	}
	return n.file, nil
}

// Identity is that of the file, where it has one.
func (p *placed) Identity(off, n int64) (string, bool) {
	f, ok := p.Input.(identified)
	if !ok {
		return "", false
	}
	return f.Identity(off, n)
}

// seen returns the contents of the files that were asked for, by path; "" of those that are not there.
func (p *placed) seen() map[string]string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out map[string]string
	for at, n := range p.near {
		if out == nil {
			out = map[string]string{}
		}
		out[at] = n.content
	}
	return out
}

// same reports whether files of the snapshot are as they once were seen.
func (p *placed) same(ctx context.Context, seen map[string]string) bool {
	for at, content := range seen {
		e, err := p.it.studio.Project.Stat(ctx, p.it.Snapshot, at)
		switch {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return false
		case err == nil && e.Type != "file":
			e.SHA256 = ""
		}
		if e.SHA256 != content {
			return false
		}
	}
	return true
}

func (p *placed) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var err error
	for _, n := range p.near {
		if n.file != nil {
			err = errors.Join(err, n.file.Close())
		}
	}
	p.near = nil
	return err
}
