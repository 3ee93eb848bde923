package spec_test

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/index"
	"varve/internal/ledger"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/internal/tree"
)

func readPack(t *testing.T, k *seal.Keys, file []byte) *pack.Reader {
	t.Helper()
	read := func(_ context.Context, off, n int64, dst []byte) ([]byte, error) {
		return append(dst, file[off:off+n]...), nil
	}
	p, err := pack.Open(t.Context(), k, read, int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func openValid(t *testing.T) (*opened, objects) {
	t.Helper()
	o := readZip(t, "vectors/valid.zip")
	v, err := open(t.Context(), o.store(t), "")
	if err != nil {
		t.Fatal(err)
	}
	return v, o
}

// named calls fn for the objects whose names start so.
func (o objects) named(t *testing.T, prefix string, fn func(rest string, b []byte)) {
	t.Helper()
	n := 0
	for _, name := range slices.Sorted(maps.Keys(o)) {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			fn(rest, o[name])
			n++
		}
	}
	if n == 0 {
		t.Errorf("no object %s", prefix)
	}
}

// TestPacksEncode: a pack made of what was read of one is that pack.
func TestPacksEncode(t *testing.T) {
	v, o := openValid(t)
	m := &maker{t: t, o: o, keys: v.db.Keys()}
	o.named(t, "packs/", func(name string, b []byte) {
		if !bytes.Equal(m.reseal("packs/"+name, func(*pack.Header, []pack.Block, []byte) {}), b) {
			t.Errorf("pack %s is encoded otherwise", name)
		}
	})
}

// TestIndexEncodes: so is an index segment, by both of its writers.
func TestIndexEncodes(t *testing.T) {
	v, o := openValid(t)
	o.named(t, "index/", func(name string, b []byte) {
		plain, err := v.db.Keys().Open(nil, seal.Index, []byte(name), b, 1<<24)
		if err != nil {
			t.Fatal(err)
		}
		s, err := index.Open(plain)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Check(); err != nil {
			t.Error(err)
		}
		merged, err := index.Merge([]*index.Segment{s}, nil, s.Replaces()...)
		if err != nil {
			t.Fatal(err)
		}
		w := new(index.Writer)
		for _, p := range s.Packs() {
			w.AddPack(p)
		}
		for r := range s.Rows() {
			d := digest.Digest{}
			copy(d[:], r.Prefix[:])
			w.Add(d, r.Pack, r.Block, r.Place, r.Flags)
		}
		if !bytes.Equal(merged, plain) || !bytes.Equal(w.Encode(), plain) {
			t.Errorf("index segment %s is encoded otherwise", name)
		}
	})
}

// TestTreesEncode: the pages of every folder, every recipe and every change list, made again from what they
// say, are the pages that the vault has.
func TestTreesEncode(t *testing.T) {
	ctx := t.Context()
	v, _ := openValid(t)
	get, hash := v.get(), digest.NewHasher(v.db.Keys().ID)
	pages, paged, deep := 0, 0, 0
	put := func(page []byte) (digest.Digest, error) {
		pages++
		d := hash.Sum(page)
		kept, err := get(ctx, d)
		if err == nil && !bytes.Equal(kept, page) {
			t.Errorf("page %s is encoded otherwise", d)
		}
		return d, err
	}
	var dir func(digest.Digest)
	dir = func(d digest.Digest) {
		b := tree.NewBuilder(put)
		before := pages
		for e, err := range tree.List(ctx, get, d) {
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Add(&e); err != nil {
				t.Fatal(err)
			}
			switch {
			case e.Type == disk.Directory:
				dir(e.Dir)
				before = pages // count this folder's own pages only
			case e.Type == disk.Regular:
				r, err := tree.ReadRecipe(ctx, get, &e)
				if err != nil {
					t.Fatal(err)
				}
				content, root, err := tree.PutRecipe(func(p []byte) (digest.Digest, error) { before++; return put(p) }, &r)
				if err != nil || !bytes.Equal(content, e.Content) || root != e.Recipe {
					t.Errorf("recipe of %q is encoded otherwise: %v", e.Name, err)
				}
				if content == nil {
					paged++
				}
			}
		}
		got, _, err := b.Finish()
		if err != nil || got != d {
			t.Errorf("folder %s is encoded as %s: %v", d, got, err)
		}
		if pages-before > 1 {
			deep++
		}
	}
	for _, s := range v.history.Snapshots("") {
		dir(s.Root)
		var list []history.Change
		for c, err := range s.ReadChanges(ctx, get) {
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, c)
		}
		names, err := history.PutChanges(put, list)
		if err != nil || !slices.Equal(names, s.Changes) {
			t.Errorf("changes of %s are encoded otherwise: %v", s.Ref(), err)
		}
	}
	if paged == 0 || deep == 0 {
		t.Errorf("%d paged recipes and %d folders of several pages: the vector should have both", paged, deep)
	}
}

// TestRecordsEncode: manifests and ledger records, made again, are the bytes that the vault has.
func TestRecordsEncode(t *testing.T) {
	v, o := openValid(t)
	o.named(t, "snap/", func(name string, b []byte) {
		plain, err := v.db.Keys().Open(nil, seal.Manifest, []byte(name), b, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		var s *history.Snapshot
		for _, x := range v.history.Snapshots("") {
			if x.ID.String() == name {
				s = x
			}
		}
		if got, err := s.Encode(); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("manifest is encoded as\n%s\nand was\n%s", got, plain)
		}
	})
	o.named(t, "ledger/", func(name string, b []byte) {
		plain, err := v.db.Keys().Open(nil, seal.Ledger, []byte(name), b, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		records, err := ledger.Decode(plain)
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		for i := range records {
			line, err := json.Marshal(&records[i])
			if err != nil {
				t.Fatal(err)
			}
			got = append(append(got, line...), '\n')
		}
		if !bytes.Equal(got, plain) {
			t.Errorf("ledger segment is encoded as\n%s\nand was\n%s", got, plain)
		}
	})
}

// TestVectorHolds what the vectors are for: each of the forms that vault.md describes.
func TestVectorHolds(t *testing.T) {
	ctx := t.Context()
	v, o := openValid(t)
	seen := map[string]bool{}
	get := v.get()
	var dir func(digest.Digest)
	dir = func(d digest.Digest) {
		for e, err := range tree.List(ctx, get, d) {
			if err != nil {
				t.Fatal(err)
			}
			seen[map[disk.Type]string{disk.Regular: "file", disk.Directory: "directory", disk.Symlink: "link", disk.Pipe: "pipe"}[e.Type]] = true
			seen["xattr"] = seen["xattr"] || len(e.Xattrs) > 0
			seen["hard link"] = seen["hard link"] || e.LinkGroup != 0
			seen["sparse"] = seen["sparse"] || e.Flags&tree.SparseFile != 0
			seen["bytes as a name"] = seen["bytes as a name"] || strings.Contains(e.Name, "\xff\xfe")
			seen["time before 1970"] = seen["time before 1970"] || e.Mtime < 0
			if e.Type == disk.Directory {
				seen["empty directory"] = seen["empty directory"] || e.Summary == tree.Summary{}
				dir(e.Dir)
			}
			if e.Type != disk.Regular {
				continue
			}
			chunks := 0
			for it, err := range tree.Items(ctx, get, &e) {
				if err != nil {
					t.Fatal(err)
				}
				seen[[]string{"chunk", "literal", "run", "hole"}[it.Kind]] = true
				if it.Kind == tree.Chunk {
					chunks++
				}
			}
			seen["many chunks"] = seen["many chunks"] || chunks > 2 && e.Name == "scene.txt"
			seen["inline recipe"] = seen["inline recipe"] || e.Content != nil
			seen["paged recipe"] = seen["paged recipe"] || e.Content == nil
		}
	}
	kinds := map[history.Kind]bool{}
	for _, s := range v.history.Snapshots("") {
		dir(s.Root)
		for c, err := range s.ReadChanges(ctx, get) {
			if err != nil {
				t.Fatal(err)
			}
			kinds[c.Kind] = true
		}
	}
	o.named(t, "packs/", func(_ string, b []byte) {
		p := readPack(t, v.db.Keys(), b)
		for i := range p.Blocks {
			seen[map[seal.Codec]string{seal.Raw: "raw block", seal.Zstd: "zstd block", seal.Planes: "planes", seal.Subtract: "difference"}[p.Blocks[i].Codec]] = true
			for _, e := range p.Blocks[i].Entries {
				seen["delta"] = seen["delta"] || len(e.Bases) > 0 && !e.Difference
			}
		}
	})
	for _, what := range []string{"file", "directory", "link", "pipe", "xattr", "hard link", "sparse", "bytes as a name", "time before 1970", "empty directory",
		"chunk", "literal", "run", "hole", "many chunks", "inline recipe", "paged recipe", "raw block", "zstd block", "delta", "planes", "difference"} {
		if !seen[what] {
			t.Errorf("the vector has no %s", what)
		}
	}
	for _, k := range []history.Kind{history.Added, history.Modified, history.Removed, history.Renamed, history.Touched} {
		if !kinds[k] {
			t.Errorf("the vector has no change %s", k)
		}
	}
	if n := len(v.history.Milestones(project)); n != 1 {
		t.Errorf("%d milestones", n)
	}
}
