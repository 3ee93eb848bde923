package creative

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path"
	"slices"
	"strings"

	"varve"
	"varve/format"
)

// Relink is a proposal: a reference that leads nowhere would lead to where its file has gone.
type Relink struct {
	From   string // the file that refers
	Raw    string // as it stands there
	Old    string // the path that it means
	New    string // where that is now
	By     Likeness
	NewRaw string // as it will stand; "" where the notation cannot be kept
}

// Likeness is what a file has in common with the one that is gone.
type Likeness string

const (
	ByContent Likeness = "content" // the very bytes that it had when it was last kept
	ByName    Likeness = "name"    // the name, which no other file has
	ByLook    Likeness = "look"    // nearly the picture, as no other file has
)

// Sure reports whether it is the file itself, not only one that may be meant.
func (r *Relink) Sure() bool { return r.By == ByContent }

// Relinks proposes where missing references of a snapshot's graph should lead, by what the project has been.
func (st *Studio) Relinks(ctx context.Context, s *varve.Snapshot, g *Graph) ([]Relink, error) {
	f := &finder{st: st, s: s, g: g, byContent: map[string][]string{}, byName: map[string][]string{}, found: map[string]finding{}}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		f.byContent[n.Content] = append(f.byContent[n.Content], n.Path)
		base := strings.ToLower(path.Base(n.Path))
		f.byName[base] = append(f.byName[base], n.Path)
	}
	var out []Relink
	for _, e := range g.Missing() {
		if e.Reference.Sequence {
			continue
		}
		to, ok := f.found[e.At]
		if !ok {
			var err error
			if to, err = f.find(ctx, e.At); err != nil {
				return nil, err
			}
			f.found[e.At] = to
		}
		if to.at == "" {
			continue
		}
		r := Relink{From: g.Nodes[e.From].Path, Raw: e.Reference.Raw, Old: e.At, New: to.at, By: to.by}
		r.NewRaw, _ = notation(r.From, e, r.New)
		out = append(out, r)
	}
	return out, nil
}

// finder looks for files that are gone from their paths.
type finder struct {
	st                *Studio
	s                 *varve.Snapshot
	g                 *Graph
	byContent, byName map[string][]string
	found             map[string]finding // by the path that is missing
	pictures          []int              // and how they look
	looks             []likeness
}

type finding struct {
	at string // "": nowhere
	by Likeness
}

func (f *finder) find(ctx context.Context, at string) (finding, error) {
	when, content, err := f.st.lastSeen(ctx, at)
	if err != nil {
		return finding{}, err
	}
	if same := f.byContent[content]; content != "" && len(same) > 0 {
		return finding{nearest(at, same), ByContent}, nil
	}
	if same := f.byName[strings.ToLower(path.Base(at))]; len(same) == 1 {
		return finding{same[0], ByName}, nil
	}
	if when == nil {
		return finding{}, nil
	}
	return f.alike(ctx, when, at)
}

// alike finds the one picture that nearly is what was at a path.
func (f *finder) alike(ctx context.Context, when *varve.Snapshot, at string) (finding, error) {
	was, err := f.st.likenessOf(ctx, when, at)
	if err != nil || !was.Seen {
		return finding{}, err
	}
	if f.looks == nil {
		f.pictures = f.st.pictures(f.g)
		if f.looks, err = f.st.likenesses(ctx, f.s, f.g, f.pictures); err != nil {
			return finding{}, err
		}
	}
	var near []string
	for i := range f.looks {
		if f.looks[i].Seen && f.looks[i].Near(was.Fingerprint) {
			near = append(near, f.g.Nodes[f.pictures[i]].Path)
		}
	}
	if len(near) != 1 {
		return finding{}, nil
	}
	return finding{near[0], ByLook}, nil
}

// lastSeen returns the last snapshot that has a file at a path, and its SHA-256; nil if none has.
func (st *Studio) lastSeen(ctx context.Context, at string) (*varve.Snapshot, string, error) {
	all := st.Project.Snapshots()
	for i := len(all) - 1; i >= 0; i-- {
		e, err := st.Project.Stat(ctx, all[i], at)
		if err == nil && e.Type == "file" {
			return all[i], e.SHA256, nil
		}
		if err != nil && !isNotExist(err) {
			return nil, "", err
		}
	}
	return nil, "", nil
}

// nearest returns the path that has the most folders, from the end, in common with another.
func nearest(at string, of []string) string {
	best, most := of[0], -1
	for _, p := range of {
		a, b := strings.Split(at, "/"), strings.Split(p, "/")
		n := 0
		for n < len(a) && n < len(b) && a[len(a)-1-n] == b[len(b)-1-n] {
			n++
		}
		if n > most {
			best, most = p, n
		}
	}
	return best
}

// notation writes a new path as a reference writes its old one: with its prefix, its slashes, its percent signs.
func notation(from string, e *Edge, to string) (string, bool) {
	r := e.Reference
	path := ""
	switch r.Style {
	case format.Relative:
		path = relative(from, to)
	case format.Rooted:
		trimmed := strings.TrimPrefix(strings.ReplaceAll(r.Path, `\`, "/"), "/")
		root := strings.TrimSuffix(strings.TrimSuffix(e.At, trimmed), "/")
		if root != "" && !strings.HasPrefix(to, root+"/") {
			return "", false
		}
		path = strings.TrimPrefix(strings.TrimPrefix(to, root), "/")
	default:
		return "", false
	}
	old := strings.TrimPrefix(r.Path, "/")
	back := func(s string) string { return strings.ReplaceAll(s, "/", `\`) }
	for _, write := range []func(string) string{func(s string) string { return s }, back, escaped} {
		if n := strings.Count(r.Raw, write(old)); n == 1 {
			return strings.Replace(r.Raw, write(old), write(path), 1), true
		}
	}
	if plain, err := url.PathUnescape(r.Raw); err == nil && strings.Count(plain, old) == 1 {
		return escaped(strings.Replace(plain, old, path, 1)), true
	}
	return "", false
}

func escaped(s string) string {
	parts := strings.Split(s, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

// relative is the way from the folder of one file to another file.
func relative(from, to string) string {
	a, b := strings.Split(path.Dir(from), "/"), strings.Split(to, "/")
	if a[0] == "." {
		a = nil
	}
	n := 0
	for n < len(a) && n < len(b)-1 && a[n] == b[n] {
		n++
	}
	return strings.Repeat("../", len(a)-n) + strings.Join(b[n:], "/")
}

// ApplyRelinks rewrites the files of the folder, after a safety snapshot. Proposals without a notation are left out, and
// returned.
func (st *Studio) ApplyRelinks(ctx context.Context, all []Relink) (res *varve.PutResult, left []Relink, err error) {
	by := map[string]map[string]string{}
	for _, r := range all {
		if r.NewRaw == "" {
			left = append(left, r)
			continue
		}
		if by[r.From] == nil {
			by[r.From] = map[string]string{}
		}
		by[r.From][r.Raw] = r.NewRaw
	}
	var files []varve.PutFile
	var open []io.Closer
	defer func() {
		for _, c := range open {
			err = errors.Join(err, c.Close())
		}
	}()
	for _, from := range sortedKeys(by) {
		it, err := st.Open(ctx, nil, from)
		if err != nil {
			return nil, left, err
		}
		open = append(open, it)
		was, err := it.Content()
		if err != nil {
			return nil, left, err
		}
		out, err := format.Rewrite(ctx, it.Format, it.Input, by[from])
		if err != nil {
			return nil, left, fmt.Errorf("%s: %w", from, err)
		}
		if err := st.relinked(ctx, it, out, by[from]); err != nil {
			return nil, left, err
		}
		files = append(files, varve.PutFile{Path: from, Was: was, Write: func(w io.Writer) error { _, err := out.WriteTo(w); return err }})
	}
	if len(files) == 0 {
		return nil, left, nil
	}
	res, err = st.Project.Put(ctx, varve.PutOptions{Verb: "relink", Summary: fmt.Sprintf("relink of %d files", len(files)), Files: files, Ignore: st.Ignore})
	return res, left, err
}

// relinked holds a rewritten file to what was asked: the references are the old ones but for those, and the elements
// that have none of them are as they were.
func (st *Studio) relinked(ctx context.Context, it *Item, out *format.Output, paths map[string]string) error {
	before, err := format.References(ctx, it.Format, it.Input)
	if err != nil {
		return err
	}
	after, err := format.References(ctx, it.Format, out)
	if err == nil {
		err = format.Validate(ctx, it.Format, out)
	}
	if err != nil {
		return fmt.Errorf("%s: what would be written cannot be read back, so it is not: %w", it.Ref(), err)
	}
	want := make([]string, len(before))
	for i := range before {
		want[i] = before[i].Raw
		if to, ok := paths[want[i]]; ok {
			want[i] = to
		}
	}
	got := make([]string, len(after))
	for i := range after {
		got[i] = after[i].Raw
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("%s: what would be written has other references than it should, so it is not: this is a defect of the format %s", it.Ref(), it.FormatName())
	}
	return nil
}
