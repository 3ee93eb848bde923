package blend

import (
	"context"
	"fmt"

	"varve/format"
)

// Extract makes a file of a data-block and what it needs, from which Blender can append or link.
func (Format) Extract(ctx context.Context, in format.Input, id string) (*format.Extract, error) {
	f, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	i, ok := f.named[id]
	if !ok || f.hidden(&f.groups[i]) {
		return nil, fmt.Errorf("%w: %q", format.ErrNoElement, id)
	}
	if f.groups[i].linked || id[:2] == "LI" {
		return nil, format.Unsupported("the content of %s is in another file", f.shown(i))
	}
	shell, err := open(ctx, f.shell())
	if err != nil {
		return nil, err
	}
	g := newGraft(shell, f)
	if err := g.choose(ctx, []string{id}); err != nil {
		return nil, err
	}
	l, err := g.layout(ctx)
	if err != nil {
		return nil, err
	}
	out, err := l.output(ctx)
	if err != nil {
		return nil, err
	}
	return &format.Extract{Extension: ".blend", Content: out}, nil
}

// shell is a file without data-blocks.
func (f *file) shell() *format.Output {
	out := new(format.Output)
	out.Span(f.body, 0, f.header.length)
	for i := range f.blocks {
		if k := &f.blocks[i]; k.code == codeOf("GLOB") || i == f.dnaAt {
			out.Span(f.body, k.off, f.header.headLen()+k.n)
		}
	}
	_, _ = out.Write(f.header.appendHead(nil, &block{code: codeOf("ENDB")}))
	return out
}
