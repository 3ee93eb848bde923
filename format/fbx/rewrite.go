package fbx

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"varve/format"
	"varve/format/splice"
)

// Rewrite makes the file need others. In a binary file the lengths of the nodes that they stand in follow, and the ends
// of all that come behind.
func (Format) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	s, err := load(ctx, in)
	if err != nil {
		return nil, err
	}
	spots, err := s.spots(ctx)
	if err != nil {
		return nil, err
	}
	refs := make([]format.Reference, len(spots))
	for i := range spots {
		refs[i] = spots[i].Reference
	}
	if s.ascii != nil {
		return splice.Rewrite(in, refs, paths, fitsText)
	}
	var changes []change
	for i := range spots {
		p := &spots[i]
		next, ok := paths[p.Raw]
		if !ok || next == p.Raw {
			continue
		}
		if why := fits(next); why != "" {
			return nil, &format.Refusal{Reason: fmt.Sprintf("%q cannot stand in the place of %q: %s", next, p.Raw, why)}
		}
		changes = append(changes, change{p.node, p.node.value(p.at), next})
	}
	return s.rewrite(ctx, changes)
}

func fits(next string) string {
	switch {
	case strings.TrimSpace(next) == "":
		return "it is no path"
	case strings.Contains(next, "\x00") || !utf8.ValidString(next):
		return "it is no text"
	case len(next) > maxPath:
		return "it is too long"
	}
	return ""
}

func fitsText(_ format.Reference, next string) string {
	if strings.ContainsAny(next, "\"\r\n") {
		return "quotes and line ends must be written as entities"
	}
	return fits(next)
}

// change is another text for a value.
type change struct {
	node  *node
	value *value
	next  string
}

// rewrite makes a binary file with other texts.
func (s *scene) rewrite(ctx context.Context, changes []change) (*format.Output, error) {
	slices.SortFunc(changes, func(a, b change) int { return cmp.Compare(a.value.off, b.value.off) })
	changes = slices.CompactFunc(changes, func(a, b change) bool { return a.value.off == b.value.off })
	if len(changes) == 0 {
		return splice.Cut(s.in, 0, s.in.Size()), nil
	}
	r := &rewriter{scene: s, out: new(format.Output), changes: changes, grown: map[*node]int64{}, shifts: make([]int64, len(changes)+1)}
	for i, c := range changes {
		by := int64(len(c.next)) - c.value.n
		r.grown[c.node] += by
		r.shifts[i+1] = r.shifts[i] + by
	}
	if s.word() == 4 && s.foot+max(r.shifts[len(changes)], 0) > math.MaxUint32 {
		return nil, &format.Refusal{Reason: "the file would be larger than those of its version can be"}
	}
	if err := r.nodes(ctx, s.root.kids); err != nil {
		return nil, err
	}
	r.upTo(s.foot)
	return r.out, r.footerToo()
}

// rewriter copies a file up to what changes, and puts that in its place.
type rewriter struct {
	*scene
	out     *format.Output
	at      int64 // of the file, what was copied
	changes []change
	grown   map[*node]int64 // bytes that a node's values take more
	shifts  []int64         // of what is behind so many changes
	done    int             // changes
}

// shift is how far a place of the file moves.
func (r *rewriter) shift(at int64) int64 {
	n, _ := slices.BinarySearchFunc(r.changes, at, func(c change, at int64) int { return cmp.Compare(c.value.off, at) })
	return r.shifts[n]
}

func (r *rewriter) upTo(at int64) {
	r.out.Span(r.in, r.at, at-r.at)
	r.at = at
}

func (r *rewriter) put(b []byte, instead int64) {
	_, _ = r.out.Write(b)
	r.at += instead
}

func (r *rewriter) number(x int64) []byte {
	if r.word() == 8 {
		return r.order.AppendUint64(nil, uint64(x))
	}
	return r.order.AppendUint32(nil, uint32(x))
}

func (r *rewriter) nodes(ctx context.Context, list []*node) error {
	for _, n := range list {
		if n.end <= r.changes[0].value.off { // nothing moves before the first
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if !n.endless {
			r.upTo(n.start)
			r.put(r.number(n.end+r.shift(n.end)), r.word())
		}
		if by := r.grown[n]; by != 0 {
			r.upTo(n.start + 2*r.word())
			r.put(r.number(n.body-n.head+by), r.word())
		}
		for ; r.done < len(r.changes) && r.changes[r.done].node == n; r.done++ {
			c := &r.changes[r.done]
			r.upTo(c.value.off - 4)
			r.put(r.order.AppendUint32(nil, uint32(len(c.next))), 4)
			r.put([]byte(c.next), c.value.n)
		}
		if err := r.nodes(ctx, n.kids); err != nil {
			return err
		}
	}
	return nil
}

// footerToo copies the footer. The zeros after its code are 5 to 20, so that the version stands at a multiple of 16 or,
// of other writers, 4 behind one: it does so again.
func (r *rewriter) footerToo() error {
	fill, err := r.fill()
	if err != nil {
		return err
	}
	code := r.foot + 16
	if by := r.shifts[len(r.changes)]; by != 0 && fill >= 5 && fill <= 20 && ((code+fill)%16 == 0 || (code+fill)%16 == 4) {
		r.upTo(code)
		r.put(make([]byte, 5+((fill-by-5)%16+16)%16), fill)
	}
	r.upTo(r.in.Size())
	return nil
}
