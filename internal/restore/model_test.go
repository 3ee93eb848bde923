package restore

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/object"
	"varve/internal/seal"
	"varve/internal/tree"
	"varve/store"
)

// spec is an entry as the tests think of it; a model is a tree of them by path.
type spec struct {
	typ     disk.Type
	mode    uint32
	mtime   int64
	content string
	target  string
	xattr   string // value of user.test
	group   uint64
	sparse  bool
	uid     uint32 // as kept; look does not tell
}

type model map[string]spec

const epoch = int64(1_700_000_000_000_000_000)

func file(content string) spec {
	return spec{typ: disk.Regular, mode: 0o644, mtime: epoch + int64(len(content))*1_000_003_000, content: content}
}
func folderSpec() spec          { return spec{typ: disk.Directory, mode: 0o755, mtime: epoch} }
func link(target string) spec   { return spec{typ: disk.Symlink, mtime: epoch, target: target} }
func (m model) clone() model    { return maps.Clone(m) }
func (m model) paths() []string { return slices.Sorted(maps.Keys(m)) }

func (m model) String() string {
	var b strings.Builder
	for _, p := range m.paths() {
		s := m[p]
		if len(s.content) > 40 {
			s.content = fmt.Sprintf("%d bytes %x", len(s.content), s.content[:8])
		}
		fmt.Fprintf(&b, "%s %+v\n", p, s)
	}
	return b.String()
}

// vault is a database in memory to put models in.
type vault struct {
	t  testing.TB
	db *object.DB
}

type lockedRand struct{}

func (lockedRand) Read(p []byte) (int, error) { return rand.Read(p) }

func newVault(t testing.TB) *vault {
	t.Helper()
	db, err := object.Create(context.Background(), store.NewMemory(), true, object.Options{Rand: lockedRand{}, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return &vault{t, db}
}

func (v *vault) newGet() tree.Getter {
	r := v.db.NewReader()
	return func(ctx context.Context, d digest.Digest) ([]byte, error) { return r.Get(ctx, d, nil) }
}

// put stores a model and returns its root.
func (v *vault) put(m model) digest.Digest {
	v.t.Helper()
	return v.putSized(m, 5000)
}

func (v *vault) putSized(m model, chunk int) (root digest.Digest) {
	v.t.Helper()
	ctx := context.Background()
	err := v.db.Write(ctx, object.Who{}, func(ctx context.Context, s *object.Session) error {
		w := s.Writer(seal.Fast)
		var err error
		if root, _, err = putDir(ctx, w, m, "", chunk); err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if err := s.Flush(); err != nil {
			return err
		}
		return s.Commit(ctx, []byte("test"))
	})
	if err == nil {
		err = v.db.Refresh(ctx)
	}
	if err != nil {
		v.t.Fatal(err)
	}
	return root
}

func putDir(ctx context.Context, w *object.Writer, m model, dir string, chunk int) (digest.Digest, tree.Summary, error) {
	pages := func(p []byte) (digest.Digest, error) { return w.Put(ctx, object.Pages, p) }
	b := tree.NewBuilder(pages)
	b.Reset()
	for _, p := range m.children(dir) {
		s := m[p]
		e := tree.Entry{Name: baseOf(p), Type: s.typ, Mode: s.mode, Mtime: s.mtime, Target: s.target, LinkGroup: s.group, UID: s.uid}
		if s.xattr != "" {
			e.Xattrs = []disk.Xattr{{Name: "user.test", Value: []byte(s.xattr)}}
		}
		if s.sparse {
			e.Flags |= tree.SparseFile
		}
		var err error
		switch s.typ {
		case disk.Directory:
			e.Dir, e.Summary, err = putDir(ctx, w, m, p, chunk)
		case disk.Regular:
			r := recipeOf(ctx, w, s, chunk, &err)
			e.Size = r.Size
			if err == nil {
				e.Content, e.Recipe, err = tree.PutRecipe(pages, r)
			}
		}
		if err == nil {
			err = b.Add(&e)
		}
		if err != nil {
			return digest.Digest{}, tree.Summary{}, fmt.Errorf("%s: %w", p, err)
		}
	}
	return b.Finish()
}

func (m model) children(dir string) []string {
	var out []string
	for p := range m {
		if parentOf(p) == dir {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

// recipeOf cuts content at every chunk bytes; what is all zero is a hole in a sparse file and a run elsewhere.
func recipeOf(ctx context.Context, w *object.Writer, s spec, chunk int, err *error) *tree.Recipe {
	r := &tree.Recipe{Size: int64(len(s.content))}
	for part := range slices.Chunk([]byte(s.content), chunk) {
		it := tree.Item{Len: int64(len(part))}
		zero := len(bytes.Trim(part, "\x00")) == 0
		switch {
		case zero && s.sparse:
			it.Kind = tree.Hole
		case len(part) >= tree.RunPattern && repeats(part):
			it.Kind, it.Bytes = tree.Run, part[:tree.RunPattern]
		case len(part) <= 512:
			it.Kind, it.Bytes = tree.Literal, part
		default:
			var d digest.Digest
			if d, *err = w.Put(ctx, object.Content, part); *err != nil {
				return r
			}
			it.Digest = d
		}
		r.Items = append(r.Items, it)
	}
	return r
}

func repeats(b []byte) bool {
	for i := tree.RunPattern; i < len(b); i++ {
		if b[i] != b[i-tree.RunPattern] {
			return false
		}
	}
	return true
}

// lay writes a model to disk by itself, the independent way that restore is compared with.
func lay(t testing.TB, d disk.Dir, m model) {
	t.Helper()
	first := map[uint64]string{}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	in := func(p string, do func(d disk.Dir, name string)) {
		at := d
		if up := parentOf(p); up != "" {
			var err error
			at, err = disk.Walk(d, up)
			must(err)
			defer at.Close()
		}
		do(at, baseOf(p))
	}
	for _, p := range m.paths() {
		s := m[p]
		in(p, func(at disk.Dir, name string) {
			switch s.typ {
			case disk.Directory:
				must(at.Mkdir(name, 0o700))
				return
			case disk.Symlink:
				must(at.Symlink(s.target, name))
				must(at.SetMeta(name, disk.Change{Mtime: &s.mtime}))
				return
			}
			if from, ok := first[s.group]; ok && s.group != 0 {
				in(from, func(d disk.Dir, other string) { must(d.Link(other, at, name)) })
				return
			}
			first[s.group] = p
			f, err := at.Create(name, 0o600)
			must(err)
			_, err = f.WriteAt([]byte(s.content), 0)
			must(err)
			must(f.Close())
		})
	}
	for _, p := range slices.Backward(m.paths()) {
		s := m[p]
		in(p, func(at disk.Dir, name string) {
			if s.xattr != "" {
				must(at.SetXattr(name, disk.Xattr{Name: "user.test", Value: []byte(s.xattr)}))
			}
			if s.typ != disk.Symlink {
				must(at.SetMeta(name, disk.Change{Mode: &s.mode, Mtime: &s.mtime}))
			}
		})
	}
}

// look reads a folder back as a model. Groups are numbered by the first of their names.
func look(t testing.TB, d disk.Dir) model {
	t.Helper()
	m := model{}
	groups := map[uint64][]string{}
	lookIn(t, d, "", m, groups)
	for _, paths := range groups {
		slices.Sort(paths)
		for _, p := range paths {
			if len(paths) > 1 {
				s := m[p]
				s.group = groupOf(paths[0])
				m[p] = s
			}
		}
	}
	return m
}

func groupOf(first string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(first) {
		h = (h ^ uint64(first[i])) * 1099511628211
	}
	return h | 1
}

func lookIn(t testing.TB, d disk.Dir, prefix string, m model, groups map[uint64][]string) {
	t.Helper()
	entries, err := d.List(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		p := prefix + e.Name
		s := spec{typ: e.Type, mode: e.Mode, mtime: e.Mtime}
		xs, err := d.Xattrs(e.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range xs {
			if x.Name == "user.test" {
				s.xattr = string(x.Value)
			}
		}
		switch e.Type {
		case disk.Directory:
			in, err := d.OpenDir(e.Name)
			if err != nil {
				t.Fatal(err)
			}
			lookIn(t, in, p+"/", m, groups)
			in.Close()
		case disk.Symlink:
			s.mode = 0
			if s.target, err = d.Readlink(e.Name); err != nil {
				t.Fatal(err)
			}
		default:
			b, err := disk.ReadFile(d, e.Name, 1<<31)
			if err != nil {
				t.Fatal(err)
			}
			s.content = string(b)
			groups[e.Inode] = append(groups[e.Inode], p)
		}
		m[p] = s
	}
}

// settle gives groups the numbers that look would and drops what a disk does not tell.
func (m model) settle() model {
	out := m.clone()
	groups := map[uint64][]string{}
	for _, p := range m.paths() {
		if g := m[p].group; g != 0 {
			groups[g] = append(groups[g], p)
		}
	}
	for _, paths := range groups {
		for _, p := range paths {
			s := out[p]
			s.group = 0
			if len(paths) > 1 {
				s.group = groupOf(paths[0])
			}
			out[p] = s
		}
	}
	for p, s := range out {
		s.sparse = false
		out[p] = s
	}
	return out
}

func (m model) differs(o model) string {
	var b strings.Builder
	for p, s := range m {
		if x, ok := o[p]; !ok {
			fmt.Fprintf(&b, "missing %s\n", p)
		} else if x != s {
			if len(x.content) > 50 || len(s.content) > 50 {
				fmt.Fprintf(&b, "%s: contents equal %v; ", p, x.content == s.content)
				x.content, s.content = "", ""
			}
			fmt.Fprintf(&b, "%s:\n  got  %+v\n  want %+v\n", p, x, s)
		}
	}
	for p := range o {
		if _, ok := m[p]; !ok {
			fmt.Fprintf(&b, "not wanted: %s\n", p)
		}
	}
	return b.String()
}

func (v *vault) options(root digest.Digest, target disk.Dir) Options {
	return Options{DB: v.db, NewGet: v.newGet, Root: root, Target: target, Rand: lockedRand{}}
}

// restore makes and applies a plan and fails the test at any failure of it.
func restore(t testing.TB, o Options) *Result {
	t.Helper()
	p, err := Make(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Apply(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Errors) > 0 || len(r.Warnings) > 0 {
		t.Fatalf("errors %v, warnings %v", r.Errors, r.Warnings)
	}
	return r
}
