package blend

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"varve/format"
)

// Rewrite writes other paths into the places of those that it is given. They have as much room as Blender has for them.
func (Format) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	sites, err := f.sites(ctx)
	if err != nil {
		return nil, err
	}
	var list []patch
	for i := range sites {
		to, ok := paths[sites[i].ref.Raw]
		if !ok || to == sites[i].ref.Raw {
			continue
		}
		p, err := sites[i].patches(f, to)
		if err != nil {
			return nil, err
		}
		list = append(list, p...)
	}
	slices.SortStableFunc(list, func(a, b patch) int { return cmp.Compare(a.off, b.off) })
	l := &layout{f: f}
	at := int64(0)
	for _, p := range list {
		if p.off < at { // one place that two references have
			continue
		}
		l.keep(at, p.off-at)
		l.write(p.b)
		at = p.off + int64(len(p.b))
	}
	l.keep(at, f.body.Size()-at)
	return l.output(ctx)
}

// patch is new bytes at a place of the body.
type patch struct {
	off int64
	b   []byte
}

// patches returns what has to be written for a site to say something else.
func (s *site) patches(f *file, to string) ([]patch, error) {
	refuse := func(text string, args ...any) ([]patch, error) {
		return nil, &format.Refusal{Reason: fmt.Sprintf("%q for %q: ", to, s.ref.Raw) + fmt.Sprintf(text, args...)}
	}
	if strings.IndexByte(to, 0) >= 0 || resolved(to) == "" {
		return refuse("it is no path")
	}
	texts := []string{to}
	switch len(s.parts) {
	case 0:
		return refuse("Blender does not keep this path, it follows from the name of the file")
	case 2:
		file := base(to)
		texts = []string{to[:len(to)-len(file)], file}
		if s.ref.Sequence && file != base(s.ref.Raw) {
			return refuse("the files of a sequence cannot be renamed, only its folder")
		}
	}
	var out []patch
	for i, t := range texts {
		p := s.parts[i]
		if len(t) >= p.room {
			return refuse("it has %d bytes, and Blender room for %d", len(t), p.room-1)
		}
		b := make([]byte, max(p.used, len(t)+1))
		copy(b, t)
		out = append(out, patch{f.blocks[p.block].off + f.header.headLen() + p.off, b[:min(len(b), p.room)]})
	}
	return out, nil
}
