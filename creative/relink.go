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
	From string // the file that refers
	Raw  string // as it stands there
	Old  string // the path that it means
	New  string // where that is now
	// Sure: the file at New has the very content that the one at Old had when it was last kept. Else it is the only file
	// of that name.
	Sure   bool
	NewRaw string // as it will stand; "" where the notation cannot be kept
}

// Relinks proposes where missing references should lead, by what a snapshot's project has been.
func (st *Studio) Relinks(ctx context.Context, g *Graph) ([]Relink, error) {
	byContent, byName := map[string][]string{}, map[string][]string{}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		byContent[n.Content] = append(byContent[n.Content], n.Path)
		base := strings.ToLower(path.Base(n.Path))
		byName[base] = append(byName[base], n.Path)
	}
	last := map[string]string{} // content of a missing path when it was last kept
	var out []Relink
	for _, e := range g.Missing() {
		if e.Reference.Sequence {
			continue
		}
		content, ok := last[e.At]
		if !ok {
			var err error
			if content, err = st.lastContent(ctx, e.At); err != nil {
				return nil, err
			}
			last[e.At] = content
		}
		r := Relink{From: g.Nodes[e.From].Path, Raw: e.Reference.Raw, Old: e.At}
		if same := byContent[content]; content != "" && len(same) > 0 {
			r.New, r.Sure = nearest(e.At, same), true
		} else if same := byName[strings.ToLower(path.Base(e.At))]; len(same) == 1 {
			r.New = same[0]
		} else {
			continue
		}
		r.NewRaw, _ = notation(r.From, e, r.New)
		out = append(out, r)
	}
	return out, nil
}

// lastContent returns the SHA-256 that a path had when it was last kept; "" if it never was.
func (st *Studio) lastContent(ctx context.Context, at string) (string, error) {
	all := st.Project.Snapshots()
	for i := len(all) - 1; i >= 0; i-- {
		e, err := st.Project.Stat(ctx, all[i], at)
		if err == nil && e.Type == "file" {
			return e.SHA256, nil
		}
		if err != nil && !isNotExist(err) {
			return "", err
		}
	}
	return "", nil
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
