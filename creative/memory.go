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

func memoryName(part string) string { return "facts/" + generation + "/" + factsLayout() + "/" + part }

func (m *memory) shelf(content string) *shelf {
	part := content[:2]
	if s := m.parts[part]; s != nil {
		return s
	}
	s := &shelf{}
	if b, ok := m.studio.Vault.Recollect(memoryName(part)); ok {
		s.by = readFacts(b)
	}
	if s.by == nil {
		s.by = map[string]*fact{}
	}
	m.parts[part] = s
	return s
}

// fact returns what a file of a snapshot says of others.
func (m *memory) fact(ctx context.Context, file *varve.File) (*fact, error) {
	if len(file.Content()) < 2 {
		return nil, errNoContent
	}
	shelf := m.shelf(file.Content())
	key := file.Content() + strings.ToLower(path.Ext(file.Name())) // one content may be of two kinds, by its name
	if f := shelf.by[key]; f != nil {
		return f, nil
	}
	it, err := m.studio.item(&Item{Input: file, Path: file.Name(), content: file.Content(), close: file.Close})
	if err != nil {
		return nil, err
	}
	defer it.Close()
	f := &fact{}
	f.References, err = format.References(ctx, it.Format, it.Input)
	if err == nil {
		f.Names, err = format.Names(ctx, it.Format, it.Input)
	}
	switch {
	case err == nil:
		f.Format = it.FormatName()
	case errors.Is(err, format.ErrMalformed), errors.Is(err, format.ErrLimit), errors.Is(err, format.ErrFailed):
		f.Format, f.Broken = it.FormatName(), err.Error()
	case errors.Is(err, format.ErrUnsupported): // it refers to nothing that is known
	default:
		return nil, err
	}
	shelf.by[key], shelf.changed = f, true
	return f, nil
}

// save writes the parts that have gained something.
func (m *memory) save() {
	for part, s := range m.parts {
		if s.changed {
			m.studio.Vault.Remember(memoryName(part), writeFacts(s.by))
		}
	}
}
