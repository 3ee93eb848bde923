package creative

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"varve"
	"varve/format"
	"varve/format/raster"
	"varve/internal/disk"
)

// doc is a kind of file made for tests: lines, after the first that says DOC,
//
//	L stable name pixels [parent]    a layer; "-" is no stable id
//	B name path                      a layer whose pixels are a file beside it
//	R style path [layer]             a reference
//	N id                             a name that others may refer to it by
//	E                                the end
type doc struct {
	asked *atomic.Int64                        // how often a file was parsed
	slow  bool                                 // it looks at a file for ever
	along bool                                 // grafts bring a layer "Base" along
	twist func(o *format.Output, b []byte) any // makes grafts wrong; nil
}

func (doc) Name() string { return "doc" }

func (doc) Match(_ string, head []byte) bool { return bytes.HasPrefix(head, []byte("DOC\n")) }

type docLine struct {
	off  int64
	text string
	w    []string
}

func (d doc) parse(in format.Input) ([]docLine, error) {
	if d.asked != nil {
		d.asked.Add(1)
	}
	b, err := format.ReadSpan(in, 0, in.Size(), 1<<20)
	if err != nil {
		return nil, err
	}
	if !bytes.HasSuffix(b, []byte("\nE\n")) {
		return nil, format.Malformed("no end")
	}
	var out []docLine
	off := int64(0)
	for line := range strings.Lines(string(b)) {
		out = append(out, docLine{off, line, strings.Fields(line)})
		off += int64(len(line))
	}
	return out, nil
}

func (d doc) Validate(_ context.Context, in format.Input) error {
	_, err := d.parse(in)
	return err
}

func (d doc) Elements(_ context.Context, in format.Input) ([]format.Element, error) {
	lines, err := d.parse(in)
	var out []format.Element
	for n, l := range lines {
		if l.w[0] == "B" {
			pixels := "none"
			if beside, err := format.Beside(in, l.w[2]); err == nil {
				b, err := format.ReadSpan(beside, 0, beside.Size(), 1<<20)
				if err != nil {
					return nil, err
				}
				pixels = string(b)
			}
			out = append(out, format.Element{ID: fmt.Sprint(n), Stable: l.w[1], Kind: "layer", Name: l.w[1], Aspects: map[string]string{"pixels": pixels}})
		}
		if l.w[0] != "L" {
			continue
		}
		e := format.Element{ID: fmt.Sprint(n), Stable: strings.Trim(l.w[1], "-"), Kind: "layer", Name: l.w[2], Bytes: int64(len(l.text)), Aspects: map[string]string{"pixels": l.w[3]}}
		if len(l.w) > 4 {
			for _, p := range out {
				if p.Stable == l.w[4] {
					e.Parent = p.ID
				}
			}
		}
		out = append(out, e)
	}
	return out, err
}

func (d doc) Graft(_ context.Context, into, from format.Input, ids []string) (*format.Grafting, error) {
	ours, err := d.parse(into)
	if err != nil {
		return nil, err
	}
	theirs, err := d.parse(from)
	if err != nil {
		return nil, err
	}
	lines := map[string]docLine{}
	for n, l := range theirs {
		for _, id := range ids {
			if fmt.Sprint(n) == id {
				if l.w[3] == "odd" {
					return nil, &format.Refusal{Reason: "the pixels are odd", Advice: "make them even"}
				}
				lines[l.w[1]] = l
			}
		}
		if d.along && len(l.w) > 2 && l.w[2] == "Base" {
			lines[l.w[1]] = l
		}
	}
	o := new(format.Output)
	for _, l := range ours {
		if l.w[0] == "E" {
			for _, t := range theirs {
				if _, ok := lines[strings.Join(t.w[1:min(2, len(t.w))], "")]; ok && t.w[0] == "L" {
					o.Span(from, t.off, int64(len(t.text)))
				}
			}
		}
		if r, ok := lines[strings.Join(l.w[1:min(2, len(l.w))], "")]; ok && l.w[0] == "L" {
			o.Span(from, r.off, int64(len(r.text)))
			delete(lines, r.w[1])
			continue
		}
		o.Span(into, l.off, int64(len(l.text)))
	}
	if d.twist != nil {
		b := make([]byte, o.Size())
		if _, err := o.ReadAt(b, 0); err != nil {
			return nil, err
		}
		o = new(format.Output)
		d.twist(o, b)
	}
	return &format.Grafting{Content: o, Stale: []string{"preview"}}, nil
}

func (d doc) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	if d.slow {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	lines, err := d.parse(in)
	var out []format.Reference
	for _, l := range lines {
		if l.w[0] != "R" {
			continue
		}
		r := format.Reference{Kind: "texture", Raw: l.w[2], Path: strings.ReplaceAll(strings.TrimPrefix(l.w[2], "//"), "%20", " "), Style: format.Style(l.w[1]), Off: l.off + int64(strings.Index(l.text, l.w[2])), Len: int64(len(l.w[2]))}
		if strings.HasPrefix(r.Path, "res://") {
			r.Root = "project.godot"
		}
		r.Path = strings.ReplaceAll(strings.TrimPrefix(r.Path, "res://"), `\`, "/")
		r.Sequence = strings.ContainsAny(r.Path, "#*<")
		if len(l.w) > 3 {
			for n, e := range lines {
				if e.w[0] == "L" && e.w[1] == l.w[3] {
					r.Element = fmt.Sprint(n)
				}
			}
		}
		out = append(out, r)
	}
	return out, err
}

func (d doc) Names(_ context.Context, in format.Input) ([]format.Name, error) {
	lines, err := d.parse(in)
	var out []format.Name
	for _, l := range lines {
		if l.w[0] == "N" {
			out = append(out, format.Name{ID: l.w[1]})
		}
	}
	return out, err
}

func (d doc) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	refs, err := d.References(ctx, in)
	o := new(format.Output)
	at := int64(0)
	for _, r := range refs {
		if to, ok := paths[r.Raw]; ok {
			o.Span(in, at, r.Off-at)
			_, _ = o.Write([]byte(to))
			at = r.Off + r.Len
		}
	}
	o.Span(in, at, in.Size()-at)
	return o, err
}

func (d doc) Picture(_ context.Context, in format.Input, size int) (*format.Picture, error) {
	if _, err := d.parse(in); err != nil {
		return nil, err
	}
	p, err := raster.New(2*size, size, raster.RGB, false, raster.U8)
	return &format.Picture{Image: p, Source: format.Composited}, err
}

// atelier is a project with a vault in memory of the machine's disk.
type atelier struct {
	t   *testing.T
	dir string
	now atomic.Int64 // ns
	*Studio
	asked atomic.Int64
}

func newAtelier(t *testing.T) *atelier {
	t.Helper()
	a := &atelier{t: t, dir: t.TempDir()}
	a.now.Store(time.Now().Add(time.Hour).UnixNano())
	a.reopen(doc{asked: &a.asked})
	return a
}

// reopen is another process.
func (a *atelier) reopen(f ...format.Format) {
	a.t.Helper()
	cache, err := disk.Create(filepath.Join(a.dir, "cache"))
	if err != nil {
		a.t.Fatal(err)
	}
	known := format.Set(f)
	v, _, err := varve.OpenOrCreate(a.t.Context(), filepath.Join(a.dir, "vault"), varve.Options{Formats: known, Cache: cache,
		Now: func() time.Time { return time.Unix(0, a.now.Add(int64(time.Second))) }})
	if err != nil {
		a.t.Fatal(err)
	}
	d, err := disk.Create(filepath.Join(a.dir, "project"))
	if err != nil {
		a.t.Fatal(err)
	}
	p, err := v.Project(d, filepath.Join(a.dir, "project"))
	if err != nil {
		a.t.Fatal(err)
	}
	a.Studio = &Studio{Vault: v, Project: p, Formats: known, Ignore: varve.IgnoreSettings{Presets: []string{}}}
}

// write gives files new contents; "" removes. "DOC; …" becomes a doc, "CUT; …" one without its end.
func (a *atelier) write(files map[string]string) {
	a.t.Helper()
	for name, text := range files {
		at := filepath.Join(a.dir, "project", filepath.FromSlash(name))
		if text == "" {
			if err := os.Remove(at); err != nil {
				a.t.Fatal(err)
			}
			continue
		}
		if cut, ok := strings.CutPrefix(text, "CUT"); ok {
			text = "DOC" + strings.ReplaceAll(cut, "; ", "\n")
		} else if strings.HasPrefix(text, "DOC") {
			text = strings.ReplaceAll(text, "; ", "\n") + "\nE\n"
		}
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(text), 0o644)); err != nil {
			a.t.Fatal(err)
		}
	}
}

func (a *atelier) read(name string) string {
	b, err := os.ReadFile(filepath.Join(a.dir, "project", filepath.FromSlash(name)))
	if err != nil {
		return ""
	}
	return strings.ReplaceAll(strings.TrimSuffix(string(b), "\nE\n"), "\n", "; ")
}

func (a *atelier) snap(files map[string]string) *varve.Snapshot {
	a.t.Helper()
	a.write(files)
	s, err := a.Project.Snap(a.t.Context(), varve.SnapOptions{Ignore: a.Ignore})
	if err != nil {
		a.t.Fatal(err)
	}
	return s
}

func (a *atelier) open(s *varve.Snapshot, at string) *Item {
	a.t.Helper()
	it, err := a.Open(a.t.Context(), s, at)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { it.Close() })
	return it
}
