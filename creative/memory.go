package creative

import (
	"context"
	"errors"
	"path"
	"strings"

	"varve"
	"varve/format"
)

// fact is what the content of one file says of others.
type fact struct {
	Format     string
	References []format.Reference
	Names      []format.Name
	Broken     string
}

// memory keeps the facts of contents, in 256 parts by the first byte of the content's SHA-256: a part is written again
// only if it has gained something.
type memory struct {
	studio *Studio
	parts  map[string]*shelf
}

type shelf struct {
	by      map[string]*fact
	changed bool
}

func newMemory(st *Studio) *memory { return &memory{studio: st, parts: map[string]*shelf{}} }

// name is another where other formats are known: a file that none knew may have one now.
func (m *memory) name(part string) string {
	var known []string
	for _, f := range m.studio.Formats {
		known = append(known, f.Name())
	}
	return "facts/" + generation + "/" + factsLayout() + "/" + strings.Join(known, " ") + "/" + part
}

func (m *memory) shelf(content string) *shelf {
	part := content[:2]
	if s := m.parts[part]; s != nil {
		return s
	}
	s := &shelf{}
	if b, ok := m.studio.Vault.Recollect(m.name(part)); ok {
		s.by = readFacts(b)
	}
	if s.by == nil {
		s.by = map[string]*fact{}
	}
	m.parts[part] = s
	return s
}

// fact returns what a file of a snapshot says of others.
func (m *memory) fact(ctx context.Context, s *varve.Snapshot, file *varve.File) (*fact, error) {
	if len(file.Content()) < 2 {
		return nil, errNoContent
	}
	shelf := m.shelf(file.Content())
	key := file.Content() + strings.ToLower(path.Ext(file.Name())) // one content may be of two kinds, by its name
	if f := shelf.by[key]; f != nil {
		return f, nil
	}
	it, err := m.studio.of(ctx, s, file)
	if err != nil {
		return nil, err
	}
	defer it.Close()
	f, err := limited(ctx, m.studio, func(ctx context.Context) (*fact, error) {
		f := &fact{}
		var err error
		if f.References, err = format.References(ctx, it.Format, it.Input); err == nil {
			f.Names, err = format.Names(ctx, it.Format, it.Input)
		}
		return f, err
	})
	f.Format = it.FormatName()
	switch {
	case errors.Is(err, format.ErrMalformed), errors.Is(err, format.ErrLimit), errors.Is(err, format.ErrFailed):
		f.Broken = err.Error()
	case err == nil, errors.Is(err, format.ErrUnsupported): // of what is not supported, it refers to nothing that is known
	default:
		return nil, err
	}
	if !errors.Is(err, errSlow) {
		shelf.by[key], shelf.changed = f, true
	}
	return f, nil
}

// save writes the parts that have gained something.
func (m *memory) save() {
	for part, s := range m.parts {
		if s.changed {
			m.studio.Vault.Remember(m.name(part), writeFacts(s.by))
		}
	}
}
