package upkeep_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/ledger"
	"varve/internal/object"
	"varve/internal/seal"
	"varve/internal/tree"
	"varve/store"
)

type lockedRand struct {
	mu sync.Mutex
	r  *rand.ChaCha8
}

func (l *lockedRand) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.r.Read(p)
}

func options(seed byte) object.Options {
	return object.Options{Rand: &lockedRand{r: rand.NewChaCha8([32]byte{seed})}, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }}
}

// files are the paths of a folder with one level below it, and their content.
type files map[string][]byte

// vault is a small vault and what is in it.
type vault struct {
	t     testing.TB
	store store.Store
	db    *object.DB
	snaps []*history.Snapshot
	want  []files
	chunk int // bytes of a chunk
}

const project = "00112233445566778899aabbccddeeff"

func newVault(t testing.TB, s store.Store) *vault {
	db, err := object.Create(t.Context(), s, false, options(1))
	if err != nil {
		t.Fatal(err)
	}
	return &vault{t: t, store: s, db: db, chunk: 300}
}

// snap keeps a folder; content that a delta over old can make is stored as one.
func (v *vault) snap(f files, old files) {
	v.t.Helper()
	snap, err := v.take(v.t.Context(), len(v.snaps)+1, f, old)
	if err != nil {
		v.t.Fatal(err)
	}
	v.snaps, v.want = append(v.snaps, snap), append(v.want, f)
}

// take is snap for who does not want to remember it.
func (v *vault) take(ctx context.Context, version int, f, old files) (snap *history.Snapshot, err error) {
	err = v.db.Write(ctx, object.Who{Host: "test"}, func(ctx context.Context, s *object.Session) error {
		w := s.Writer(seal.Fast)
		snap = &history.Snapshot{ID: s.ID, Project: project, Name: "game", Version: version, Time: time.Unix(1_800_000_000, 0)}
		var err error
		if snap.Root, snap.Tree, err = v.keep(ctx, w, f, old, ""); err != nil {
			return err
		}
		put := func(b []byte) (digest.Digest, error) { return w.Put(ctx, object.Recipes, b) }
		var changes []history.Change
		for p := range f {
			changes = append(changes, history.Change{Kind: history.Added, Path: p})
		}
		slices.SortFunc(changes, func(a, b history.Change) int { return strings.Compare(a.Path, b.Path) })
		if snap.Changes, err = history.PutChanges(put, changes); err != nil {
			return err
		}
		if err := errors.Join(w.Flush(), s.Flush()); err != nil {
			return err
		}
		m, err := snap.Encode()
		if err != nil {
			return err
		}
		return s.Commit(ctx, m)
	})
	return snap, err
}

// keep stores the folder at prefix.
func (v *vault) keep(ctx context.Context, w *object.Writer, f, old files, prefix string) (digest.Digest, tree.Summary, error) {
	names := map[string]bool{}
	for p := range f {
		if rest, ok := strings.CutPrefix(p, prefix); ok {
			first, _, dir := strings.Cut(rest, "/")
			names[first] = dir
		}
	}
	var sorted []string
	for n := range names {
		sorted = append(sorted, n)
	}
	slices.Sort(sorted)
	b := tree.NewBuilder(func(page []byte) (digest.Digest, error) { return w.Put(ctx, object.Pages, page) })
	b.Reset()
	for _, n := range sorted {
		e := tree.Entry{Name: n, Type: disk.Regular, Mode: 0o644, Mtime: 1e18}
		var err error
		if names[n] {
			e.Type = disk.Directory
			e.Dir, e.Summary, err = v.keep(ctx, w, f, old, prefix+n+"/")
		} else {
			e.Content, e.Recipe, e.Size, err = v.file(ctx, w, f[prefix+n], old[prefix+n])
		}
		if err != nil {
			return digest.Digest{}, tree.Summary{}, err
		}
		if err := b.Add(&e); err != nil {
			return digest.Digest{}, tree.Summary{}, err
		}
	}
	return b.Finish()
}

func (v *vault) file(ctx context.Context, w *object.Writer, data, old []byte) ([]byte, digest.Digest, int64, error) {
	r := tree.NewRecipeWriter(func(page []byte) (digest.Digest, error) { return w.Put(ctx, object.Recipes, page) })
	r.Reset(1)
	for n := 0; len(data) > 0; n++ {
		part := data[:min(v.chunk, len(data))]
		data = data[len(part):]
		it := tree.Item{Kind: tree.Chunk, Len: int64(len(part)), Digest: w.Sum(part)}
		if len(part) < 20 {
			it = tree.Item{Kind: tree.Literal, Len: int64(len(part)), Bytes: part}
		} else if err := v.put(ctx, w, part, old, n); err != nil {
			return nil, digest.Digest{}, 0, err
		}
		if err := r.Add(&it); err != nil {
			return nil, digest.Digest{}, 0, err
		}
	}
	return r.Finish()
}

func (v *vault) put(ctx context.Context, w *object.Writer, part, old []byte, n int) error {
	if have, err := w.Has(ctx, w.Sum(part)); have || err != nil {
		return err
	}
	if at := n * v.chunk; at+v.chunk <= len(old) {
		base := old[at : at+v.chunk]
		var win seal.Window
		win.Reset()
		win.Add(base)
		if payload, used, ok := win.Encode(nil, part, len(part)); ok && len(used) == 1 {
			return w.StoreDelta(w.Sum(part), len(part), payload, []digest.Digest{w.Sum(base)})
		}
	}
	_, err := w.Put(ctx, object.Content, part)
	return err
}

// restore reads a snapshot of db back.
func restore(ctx context.Context, db *object.DB, root digest.Digest) (files, error) {
	r := db.NewReader()
	get := func(ctx context.Context, d digest.Digest) ([]byte, error) { return r.Get(ctx, d, nil) }
	out := files{}
	var walk func(d digest.Digest, at string) error
	walk = func(d digest.Digest, at string) error {
		for e, err := range tree.List(ctx, get, d) {
			if err != nil {
				return err
			}
			if e.Type == disk.Directory {
				if err := walk(e.Dir, at+e.Name+"/"); err != nil {
					return err
				}
				continue
			}
			data := []byte{}
			for it, err := range tree.Items(ctx, get, &e) {
				switch {
				case err != nil:
					return err
				case it.Kind == tree.Literal:
					data = append(data, it.Bytes...)
					continue
				}
				b, err := get(ctx, it.Digest)
				if err != nil {
					return err
				}
				data = append(data, b...)
			}
			out[at+e.Name] = data
		}
		return nil
	}
	return out, walk(root, "")
}

func same(a, b files) error {
	if len(a) != len(b) {
		return fmt.Errorf("%d files, want %d", len(a), len(b))
	}
	for p, want := range b {
		if got, ok := a[p]; !ok || !bytes.Equal(got, want) {
			return fmt.Errorf("%s differs", p)
		}
	}
	return nil
}

func random(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// small makes a vault of a few KB with everything in it: two snapshots with shared chunks, a delta, pages of
// recipes, change lists, a ledger segment.
func small(t testing.TB) *vault {
	v := newVault(t, store.NewMemory())
	one := files{"a.bin": random(1, 900), "long.txt": bytes.Repeat([]byte("0123456789abcdef"), 40), "sub/b": []byte("hello"), "sub/c.bin": random(2, 310)}
	for i := range 6 { // a recipe that is too long for its entry
		one["sub/paged"] = append(one["sub/paged"], random(byte(10+i), 900)...)
	}
	v.snap(one, nil)
	two := files{"a.bin": slices.Clone(one["a.bin"]), "sub/b": []byte("world"), "sub/paged": one["sub/paged"], "new": random(3, 100)}
	copy(two["a.bin"][100:], "changed here")
	v.snap(two, one)
	l := ledger.New(v.db, "w")
	if err := l.Append(t.Context(), ledger.Record{Type: "hold", ID: v.snaps[0].ID.String()}); err != nil {
		t.Fatal(err)
	}
	return v
}

// altered is a store in which some objects have other content; nil: none.
type altered struct {
	store.Store
	is map[string][]byte
}

func (a *altered) Get(ctx context.Context, name string, off, n int64, dst []byte) ([]byte, error) {
	b, ok := a.is[name]
	if !ok {
		return a.Store.Get(ctx, name, off, n, dst)
	}
	if b == nil {
		return dst, fs.ErrNotExist
	}
	if n < 0 {
		n = int64(len(b)) - off
	}
	if off+n > int64(len(b)) || n < 0 {
		return dst, io.ErrUnexpectedEOF
	}
	return append(dst, b[off:off+n]...), nil
}

func (a *altered) List(ctx context.Context, prefix string) iter.Seq2[store.Object, error] {
	return func(yield func(store.Object, error) bool) {
		for o, err := range a.Store.List(ctx, prefix) {
			if b, ok := a.is[o.Name]; ok && err == nil {
				if b == nil {
					continue
				}
				o.Size = int64(len(b))
			}
			if !yield(o, err) {
				return
			}
		}
	}
}
