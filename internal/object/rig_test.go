package object_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"varve/internal/digest"
	"varve/internal/object"
	"varve/internal/seal"
	"varve/store"
)

type lockedRand struct {
	mu  sync.Mutex
	src *rand.ChaCha8
}

func (r *lockedRand) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.src.Read(p)
}

func options(seed byte) object.Options {
	return object.Options{Rand: &lockedRand{src: rand.NewChaCha8([32]byte{seed})}, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }}
}

// warned collects warnings by the names of what they are about.
type warned struct {
	mu sync.Mutex
	by map[string]error
}

func (w *warned) options(seed byte) object.Options {
	w.by = map[string]error{}
	o := options(seed)
	o.Warn = func(x object.Warning) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.by[x.Name] = x.Err
	}
	return o
}

func create(t testing.TB, s store.Store) *object.DB {
	t.Helper()
	db, err := object.Create(context.Background(), s, true, options(1))
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func open(t testing.TB, s store.Store, opt object.Options) *object.DB {
	t.Helper()
	db, err := object.Open(context.Background(), s, nil, opt)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

// chunk is content of its own, that does not compress.
func chunk(n byte, size int) []byte {
	b := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{99, n}).Read(b)
	return b
}

// keep stores plains in one session and commits a manifest.
func keep(ctx context.Context, db *object.DB, manifest string, plains ...[]byte) (object.Stored, error) {
	var stored object.Stored
	err := db.Write(ctx, object.Who{Host: "test"}, func(ctx context.Context, s *object.Session) error {
		if err := fill(ctx, s, plains...); err != nil {
			return err
		}
		if err := s.Flush(); err != nil {
			return err
		}
		stored = s.Stored()
		return s.Commit(ctx, []byte(manifest))
	})
	return stored, err
}

func fill(ctx context.Context, s *object.Session, plains ...[]byte) error {
	w := s.Writer(seal.Fast)
	for i, p := range plains {
		st := object.Content
		if i%2 == 1 {
			st = object.Pages
		}
		if _, err := w.Put(ctx, st, p); err != nil {
			return err
		}
	}
	return w.Flush()
}

func mustKeep(t testing.TB, db *object.DB, manifest string, plains ...[]byte) object.Stored {
	t.Helper()
	st, err := keep(context.Background(), db, manifest, plains...)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func mustGet(t testing.TB, db *object.DB, plains ...[]byte) {
	t.Helper()
	if err := getAll(db, plains...); err != nil {
		t.Fatal(err)
	}
}

func getAll(db *object.DB, plains ...[]byte) error {
	r := db.NewReader()
	for i, p := range plains {
		got, err := r.Get(context.Background(), db.Digest(p), []byte("dst"))
		if err != nil {
			return fmt.Errorf("object %d: %w", i, err)
		}
		if !bytes.Equal(got, append([]byte("dst"), p...)) {
			return fmt.Errorf("object %d is another", i)
		}
	}
	return nil
}

func has(t testing.TB, db *object.DB, p []byte) bool {
	t.Helper()
	have, _, err := db.Has(context.Background(), db.Digest(p))
	if err != nil {
		t.Fatal(err)
	}
	return have
}

// manifests returns what is committed.
func manifests(t testing.TB, db *object.DB) []string {
	t.Helper()
	var out []string
	err := db.Commits(context.Background(), nil, func(c object.Commit, err error) error {
		if err != nil {
			return err
		}
		out = append(out, string(c.Manifest))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// names lists the objects of a store.
func names(t testing.TB, s store.Store, prefix string) []string {
	t.Helper()
	var out []string
	for o, err := range s.List(context.Background(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, o.Name)
	}
	return out
}

// alter replaces an object's bytes, or removes it for nil.
func alter(t testing.TB, s store.Store, name string, change func([]byte) []byte) {
	t.Helper()
	ctx := context.Background()
	b, err := s.Get(ctx, name, 0, -1, nil)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := s.Delete(ctx, name); err != nil {
		t.Fatal(err)
	}
	if b = change(b); b != nil {
		if err := s.Put(ctx, name, b); err != nil {
			t.Fatal(err)
		}
	}
}

func gone([]byte) []byte { return nil }

func cut(b []byte) []byte { return b[:len(b)-1] }

func flipLast(b []byte) []byte { b[len(b)-1] ^= 1; return b }

// packOf names the pack that d lies in.
func packOf(t testing.TB, db *object.DB, d digest.Digest) string {
	t.Helper()
	if err := db.Refresh(context.Background()); err != nil {
		t.Fatal(err)
	}
	l, err := db.Locate(context.Background(), d)
	if err != nil {
		t.Fatal(err)
	}
	id := l.Pack.String()
	return "packs/" + id[:2] + "/" + id
}

// collect writes an object of a collection: the packs that it names.
func collect(t testing.TB, db *object.DB, name string, kind seal.Kind, packs ...string) {
	t.Helper()
	plain := binary.LittleEndian.AppendUint32(nil, uint32(len(packs)))
	for _, p := range packs {
		id, err := object.ParseSID(p[strings.LastIndexByte(p, '/')+1:])
		if err != nil {
			t.Fatal(err)
		}
		plain = append(plain, id[:]...)
	}
	b, err := db.Keys().Seal(nil, kind, []byte(name), plain, db.Rand())
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Store().Put(context.Background(), name, b); err != nil {
		t.Fatal(err)
	}
}

// logged notes every operation of a store, and lets a hook in before and after it. It has none of the optional
// methods.
type logged struct {
	store.Store
	mu     sync.Mutex
	lines  []string
	before func(line string) error
	after  func(line string) error // its error is what the caller gets: the reply
}

var hexName = regexp.MustCompile(`[0-9a-f]{32}`)

func (l *logged) note(what, name string) (func(error) error, error) {
	line := what
	if name != "" {
		line += " " + hexName.ReplaceAllString(regexp.MustCompile(`/[0-9a-f]{2}/`).ReplaceAllString(name, "/xx/"), "<id>")
	}
	l.mu.Lock()
	l.lines = append(l.lines, line)
	before, after := l.before, l.after
	l.mu.Unlock()
	if before != nil {
		if err := before(line); err != nil {
			return nil, err
		}
	}
	return func(err error) error {
		if err == nil && after != nil {
			err = after(line)
		}
		return err
	}, nil
}

func (l *logged) Put(ctx context.Context, name string, parts ...[]byte) error {
	done, err := l.note("put", name)
	if err != nil {
		return err
	}
	return done(l.Store.Put(ctx, name, parts...))
}

func (l *logged) Get(ctx context.Context, name string, off, n int64, dst []byte) ([]byte, error) {
	if _, err := l.note("get", name); err != nil {
		return dst, err
	}
	return l.Store.Get(ctx, name, off, n, dst)
}

func (l *logged) List(ctx context.Context, prefix string) iter.Seq2[store.Object, error] {
	if _, err := l.note("list", prefix); err != nil {
		return func(yield func(store.Object, error) bool) { yield(store.Object{}, err) }
	}
	return l.Store.List(ctx, prefix)
}

func (l *logged) Delete(ctx context.Context, name string) error {
	done, err := l.note("delete", name)
	if err != nil {
		return err
	}
	return done(l.Store.Delete(ctx, name))
}

func (l *logged) Barrier(ctx context.Context) error {
	done, err := l.note("barrier", "")
	if err != nil {
		return err
	}
	return done(l.Store.Barrier(ctx))
}

// settling is a logged store that can vouch for what others put.
type settling struct{ *logged }

func (s settling) Settle(ctx context.Context) error {
	if _, err := s.note("settle", ""); err != nil {
		return err
	}
	return s.Store.Barrier(ctx)
}
