package diff_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve/internal/diff"
	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/tree"
)

// pages keeps the pages of trees and counts what is read.
type pages struct {
	m    map[digest.Digest][]byte
	read int
}

func (p *pages) put(b []byte) (digest.Digest, error) {
	d := digest.Digest(sha256.Sum256(b))
	p.m[d] = slices.Clone(b)
	return d, nil
}

func (p *pages) get(_ context.Context, d digest.Digest) ([]byte, error) {
	p.read++
	b, ok := p.m[d]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return b, nil
}

// meta is a file or link in a folder given by paths.
type meta struct {
	content string
	link    bool
	mode    uint32
}

func file(content string) meta { return meta{content: content, mode: 0o644} }

// build keeps the folder that files describe; folders are those on the way to a file.
func (p *pages) build(t interface{ Fatal(...any) }, files map[string]meta, prefix string) (digest.Digest, tree.Summary) {
	names := map[string]bool{}
	for f := range files {
		if rest, ok := strings.CutPrefix(f, prefix); ok {
			first, _, dir := strings.Cut(rest, "/")
			names[first] = dir
		}
	}
	sorted := []string{}
	for n := range names {
		sorted = append(sorted, n)
	}
	slices.Sort(sorted)
	b := tree.NewBuilder(p.put)
	b.Reset()
	for _, n := range sorted {
		e := tree.Entry{Name: n, Type: disk.Regular}
		m := files[prefix+n]
		e.Mode = m.mode
		var err error
		switch {
		case names[n]:
			e.Type, e.Mode = disk.Directory, 0o755
			e.Dir, e.Summary = p.build(t, files, prefix+n+"/")
		case m.link:
			e.Type, e.Target, e.Size = disk.Symlink, m.content, int64(len(m.content))
		default:
			r := tree.Recipe{Class: 1, Size: int64(len(m.content))}
			if m.content != "" {
				r.Items = []tree.Item{{Kind: tree.Literal, Len: r.Size, Bytes: []byte(m.content)}}
			}
			e.Size = r.Size
			e.Content, e.Recipe, err = tree.PutRecipe(p.put, &r)
		}
		if err == nil {
			err = b.Add(&e)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	d, s, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return d, s
}

func lines(ds []diff.Difference) []string {
	var out []string
	for _, d := range ds {
		l := d.Kind.String() + " " + d.Path
		if d.OldPath != "" {
			l += " from " + d.OldPath
		}
		out = append(out, l)
	}
	return out
}

func TestTrees(t *testing.T) {
	p := &pages{m: map[digest.Digest][]byte{}}
	a, _ := p.build(t, map[string]meta{
		"same": file("same"), "gone": file("gone"), "text": file("one"), "mode": file("m"), "d/old": file("moved"), "e/keep": file("twin"), "x": file("twin"),
		"d/deep/er": file("deep"), "kind": file("was a file"), "dir/in": file("in"), "empty": file(""), "a/b": file("1"), "a.b": file("2")}, "")
	b, _ := p.build(t, map[string]meta{
		"same": file("same"), "text": file("two"), "mode": {"m", false, 0o755}, "d/new": file("moved"), "f/keep": file("twin"), "y": file("twin"),
		"d/deep/er": file("deep"), "kind": {"target", true, 0o777}, "dir": file("not in"), "void": file(""), "a/b": file("3"), "a.b": file("4")}, "")
	want := []string{
		"modified a.b", "modified a/b", "renamed d/new from d/old", "added dir", "removed dir/in", "removed empty", "renamed f/keep from e/keep",
		"removed gone", "modified kind", "metadata mode", "modified text", "added void", "renamed y from x"}
	got, err := diff.Trees(t.Context(), p.get, a, b, diff.Options{})
	if err != nil || !slices.Equal(lines(got), want) {
		t.Fatalf("%v\n got %q\nwant %q", err, lines(got), want)
	}
	for _, c := range []struct {
		opt  diff.Options
		want []string
	}{
		{diff.Options{Prefix: "d"}, []string{"renamed d/new from d/old"}},
		{diff.Options{Prefix: "text"}, []string{"modified text"}},
		{diff.Options{Prefix: "same"}, nil},
		{diff.Options{Prefix: "dir"}, []string{"added dir", "removed dir/in"}},
		{diff.Options{Prefix: "dir", Dirs: true}, []string{"removed dir", "added dir", "removed dir/in"}},
		{diff.Options{Prefix: "f", Dirs: true}, []string{"added f", "added f/keep"}},
	} {
		got, err := diff.Trees(t.Context(), p.get, a, b, c.opt)
		if err != nil || !slices.Equal(lines(got), c.want) {
			t.Errorf("%+v: %v, %q, want %q", c.opt, err, lines(got), c.want)
		}
	}
	if _, err := diff.Trees(t.Context(), p.get, a, b, diff.Options{Prefix: "nowhere"}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a path in neither: %v", err)
	}
	p.read = 0
	if got, err := diff.Trees(t.Context(), p.get, a, a, diff.Options{}); err != nil || len(got) != 0 || p.read != 0 {
		t.Errorf("equal folders: %v, %d differences, %d pages read", err, len(got), p.read)
	}
	if _, err := diff.Trees(t.Context(), p.get, a, digest.Digest{1}, diff.Options{}); err == nil {
		t.Error("a missing page went unnoticed")
	}
}

// TestTreesAgainstModel: the list, applied to the old folder, gives the new one, and is as short as it can be.
func TestTreesAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := &pages{m: map[digest.Digest][]byte{}}
		draw := func(label string) map[string]meta {
			names := rapid.SliceOfN(rapid.SampledFrom([]string{"a", "b", "c.x", "d/a", "d/b", "d/e/a", "d.x", "z/a", "z/b"}), 0, 9).Draw(t, label)
			out := map[string]meta{}
			for _, n := range names {
				out[n] = file(rapid.SampledFrom([]string{"", "1", "2", "3", "4", "5"}).Draw(t, "content"))
			}
			return out
		}
		old, now := draw("old"), draw("new")
		a, _ := p.build(t, old, "")
		b, _ := p.build(t, now, "")
		got, err := diff.Trees(context.Background(), p.get, a, b, diff.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.IsSortedFunc(got, func(a, b diff.Difference) int { return strings.Compare(a.Path, b.Path) }) {
			t.Fatalf("not in order: %q", lines(got))
		}
		have := map[string]meta{}
		for n, m := range old {
			have[n] = m
		}
		left := map[string][2]int{} // content → files removed and added
		for _, d := range got {
			switch d.Kind {
			case history.Removed:
				c := left[old[d.Path].content]
				left[old[d.Path].content] = [2]int{c[0] + 1, c[1]}
				delete(have, d.Path)
			case history.Renamed:
				if old[d.OldPath].content != now[d.Path].content || now[d.Path].content == "" {
					t.Fatalf("%s has not the content of %s", d.Path, d.OldPath)
				}
				if _, still := now[d.OldPath]; still {
					t.Fatalf("%s is still there", d.OldPath)
				}
				delete(have, d.OldPath)
			case history.Added:
				c := left[now[d.Path].content]
				left[now[d.Path].content] = [2]int{c[0], c[1] + 1}
			}
		}
		for _, d := range got {
			if d.Kind != history.Removed {
				have[d.Path] = now[d.Path]
			}
		}
		if fmt.Sprint(have) != fmt.Sprint(now) {
			t.Fatalf("%q makes %v of %v, want %v", lines(got), have, old, now)
		}
		for content, n := range left {
			if content != "" && n[0] > 0 && n[1] > 0 {
				t.Fatalf("content %q was removed and added and is no rename: %q", content, lines(got))
			}
		}
	})
}

func TestRenamesPreferTheirName(t *testing.T) {
	k := diff.Key{Digest: digest.Digest{1}, Size: 5}
	items := []diff.Item{
		{history.Added, "a/first", k}, {history.Added, "b/icon.png", k}, {history.Removed, "c/icon.png", k}, {history.Removed, "d/other", k},
		{history.Added, "e/more", k}, {history.Removed, "f/none", diff.Key{Digest: digest.Digest{2}}}, {history.Added, "g/none", diff.Key{Digest: digest.Digest{2}}},
		{history.Modified, "h", k},
	}
	if got, want := diff.Renames(items), []int{3, 2, 1, 0, -1, -1, -1, -1}; !slices.Equal(got, want) {
		t.Fatalf("partners %v, want %v", got, want)
	}
}

func TestDetail(t *testing.T) {
	old := tree.Entry{Type: disk.Regular, Mode: 0o644, Mtime: 0, Size: 3, Content: []byte("x"), Xattrs: []disk.Xattr{{Name: "a"}, {Name: "b", Value: []byte("1")}}}
	e := old
	e.Mode, e.Mtime, e.UID, e.Flags = 0o755, 1_500_000_000, 7, tree.Unstable
	e.Xattrs = []disk.Xattr{{Name: "b", Value: []byte("2")}, {Name: "c"}}
	want := "mode 0644 → 0755, owner 0:0 → 7:0, mtime 1970-01-01T00:00:00Z → 1970-01-01T00:00:01.5Z, +unstable, xattr -a, xattr ~b, xattr +c"
	if got := diff.Detail(&old, &e); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := diff.Detail(&old, &old); got != "" {
		t.Errorf("equal entries: %s", got)
	}
	link := tree.Entry{Type: disk.Symlink, Mode: 0o644, Target: "to", Size: 2}
	if got, want := diff.Detail(&link, &tree.Entry{Type: disk.Symlink, Mode: 0o644, Target: "there", Size: 5}), "target to → there"; got != want {
		t.Errorf("link: %s, want %s", got, want)
	}
	if diff.Detail(nil, &old) != "" {
		t.Error("detail of an added file")
	}
}

// BenchmarkRenames pairs files that all have one content, the worst case.
func BenchmarkRenames(b *testing.B) {
	var items []diff.Item
	k := diff.Key{Digest: digest.Digest{1}, Size: 5}
	for i := range 100_000 {
		items = append(items, diff.Item{Kind: history.Removed, Path: path.Join("a", fmt.Sprint(i)), Key: k}, diff.Item{Kind: history.Added, Path: path.Join("b", fmt.Sprint(i+50_000)), Key: k})
	}
	for b.Loop() {
		diff.Renames(items)
	}
}
