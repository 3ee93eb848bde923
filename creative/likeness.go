package creative

import (
	"cmp"
	"context"
	"slices"

	"varve"
	"varve/format"
	"varve/format/raster"
)

// likeness is how a picture looks, as far as near duplicates have it in common.
type likeness struct {
	raster.Fingerprint
	Seen bool // false: there is no picture of it
}

// likenessOf returns how a file of a snapshot looks, from a small picture of it.
func (st *Studio) likenessOf(ctx context.Context, s *varve.Snapshot, at string) (likeness, error) {
	it, err := st.Open(ctx, s, at)
	if err != nil {
		return likeness{}, err
	}
	defer it.Close()
	l, err := remembered(ctx, it, "likeness", func(ctx context.Context) (likeness, error) {
		p, err := it.show(ctx, 256)
		if err != nil {
			return likeness{}, err
		}
		return likeness{p.Image.Fingerprint(), true}, nil
	})
	if err != nil && !ofContent(err) {
		return likeness{}, err
	}
	return l, nil
}

// pictures returns the files that are pictures, one of each content.
func (st *Studio) pictures(g *Graph) (out []int) {
	decoders := map[string]bool{}
	for _, f := range st.Formats {
		if _, ok := f.(format.Decoder); ok {
			decoders[f.Name()] = true
		}
	}
	seen := map[string]bool{}
	for i := range g.Nodes {
		if n := &g.Nodes[i]; decoders[n.Format] && !seen[n.Content] {
			seen[n.Content] = true
			out = append(out, i)
		}
	}
	return out
}

// likenesses returns how pictures of a snapshot look.
func (st *Studio) likenesses(ctx context.Context, s *varve.Snapshot, g *Graph, of []int) ([]likeness, error) {
	out := make([]likeness, len(of))
	for i, n := range of {
		var err error
		if out[i], err = st.likenessOf(ctx, s, g.Nodes[n].Path); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// NearDuplicates returns the groups of pictures that look nearly the same: at another size, depth or quality, or little
// worked on. It is a hint, and holds from each to one of its group, not among all.
func (st *Studio) NearDuplicates(ctx context.Context, s *varve.Snapshot, g *Graph) ([][]int, error) {
	all := st.pictures(g)
	looks, err := st.likenesses(ctx, s, g, all)
	if err != nil {
		return nil, err
	}
	up := make([]int, len(all))
	for i := range up {
		up[i] = i
	}
	top := func(i int) int {
		for up[i] != i {
			up[i] = up[up[i]]
			i = up[i]
		}
		return i
	}
	nearPairs(looks, func(i, j int) {
		if a, b := top(i), top(j); a != b {
			up[max(a, b)] = min(a, b)
		}
	})
	by := map[int][]int{}
	for i, n := range all {
		by[top(i)] = append(by[top(i)], n)
	}
	var out [][]int
	for _, group := range by {
		if len(group) > 1 {
			out = append(out, group)
		}
	}
	slices.SortFunc(out, func(a, b []int) int { return cmp.Compare(a[0], b[0]) })
	return out, nil
}

// parts is one more than the places in which near fingerprints differ: in one of so many parts they are equal.
const parts = 7

// nearPairs calls do for each pair that is near.
func nearPairs(looks []likeness, do func(i, j int)) {
	for part := range parts {
		from, to := 64*part/parts, 64*(part+1)/parts
		by := map[uint64][]int{}
		for i := range looks {
			if looks[i].Seen && !looks[i].Flat {
				key := looks[i].Bits >> from & (1<<(to-from) - 1)
				by[key] = append(by[key], i)
			}
		}
		for _, same := range by {
			for n, i := range same {
				for _, j := range same[n+1:] {
					if looks[i].Near(looks[j].Fingerprint) {
						do(i, j)
					}
				}
			}
		}
	}
}
