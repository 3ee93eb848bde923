package capture_test

import (
	"bytes"
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"varve/internal/capture"
	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/object"
	"varve/internal/scan"
	"varve/internal/seal"
	"varve/internal/tree"
	"varve/store"
)

// studio is a project on a disk in memory, and a vault that keeps it. The clock of captures is far ahead of the
// disk's, so that every file has been quiet for long, unless a test says otherwise.
type studio struct {
	t      testing.TB
	mem    *disk.Memory
	root   disk.Dir // as captures see it
	store  store.Store
	db     *object.DB
	now    time.Time
	latest *history.Snapshot
	cache  []byte
	last   *capture.Result
	stored object.Stored
	sleeps []time.Duration
	change func(*capture.Options) // may be nil
	mu     sync.Mutex
}

var start = time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)

func newStudio(t testing.TB) *studio { return studioOn(t, disk.MemoryOptions{}) }

func studioOn(t testing.TB, o disk.MemoryOptions) *studio {
	t.Helper()
	if o.Now == nil {
		at := start.UnixNano()
		o.Now = func() int64 { at += 1000; return at }
	}
	s := &studio{t: t, mem: disk.NewMemory(o), store: store.NewMemory(), now: start.Add(1000 * time.Hour)}
	s.root = s.mem.Root()
	opt := object.Options{Rand: &lockedRand{r: rand.NewChaCha8([32]byte{3})}, Now: func() time.Time { return s.now }}
	db, err := object.Create(context.Background(), s.store, true, opt)
	if err != nil {
		t.Fatal(err)
	}
	s.db = db
	return s
}

func (s *studio) put(p string, content []byte) {
	s.t.Helper()
	dir, name := "", p
	if i := strings.LastIndexByte(p, '/'); i >= 0 {
		dir, name = p[:i], p[i+1:]
	}
	d, err := disk.MkdirAll(s.mem.Root(), dir, 0o755)
	if err == nil {
		err = disk.WriteWhole(d, name, 0o644, content)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *studio) do(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *studio) options() capture.Options {
	opt := capture.Options{Root: s.root, Parent: s.latest, Whole: true, SHA256: true, Workers: 2, Level: seal.Fast, Granularity: 50 * time.Millisecond,
		Now: func() time.Time { return s.now },
		Sleep: func(ctx context.Context, d time.Duration) error {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.sleeps = append(s.sleeps, d)
			return ctx.Err()
		}}
	if s.cache != nil {
		c, err := scan.OpenCache(s.cache)
		if err != nil {
			s.t.Fatal(err)
		}
		opt.Cache = c
	}
	if s.change != nil {
		s.change(&opt)
	}
	return opt
}

// snap takes a snapshot and makes it the parent of the next.
func (s *studio) snap() *capture.Result {
	s.t.Helper()
	res, err := s.try()
	if err != nil {
		s.t.Fatal(err)
	}
	return res
}

func (s *studio) try() (*capture.Result, error) {
	err := s.db.Write(context.Background(), object.Who{}, func(ctx context.Context, w *object.Session) error {
		res, err := capture.Run(ctx, s.db, w, s.options())
		if err != nil {
			return err
		}
		if err := w.Flush(); err != nil {
			return err
		}
		s.last, s.stored = res, w.Stored()
		snap := &history.Snapshot{ID: w.ID, Project: strings.Repeat("0", 32), Version: 1, Root: res.Root, Changes: res.Changes}
		m, err := snap.Encode()
		if err != nil {
			return err
		}
		if err := w.Commit(ctx, m); err != nil {
			return err
		}
		if res.Cache != nil {
			s.cache = res.Cache(scan.CacheKey{}, nil)
		}
		s.latest = snap
		return nil
	})
	return s.last, err
}

// root captures into a session that is thrown away.
func (s *studio) rootOf(change func(*capture.Options)) digest.Digest {
	s.t.Helper()
	nothing := errors.New("thrown away")
	var root digest.Digest
	err := s.db.Write(context.Background(), object.Who{}, func(ctx context.Context, w *object.Session) error {
		opt := s.options()
		change(&opt)
		res, err := capture.Run(ctx, s.db, w, opt)
		if err != nil {
			return err
		}
		if len(res.Errors) > 0 {
			s.t.Errorf("%v", res.Errors)
		}
		root = res.Root
		return nothing
	})
	if !errors.Is(err, nothing) {
		s.t.Fatal(err)
	}
	return root
}

func (s *studio) getter() tree.Getter {
	r := s.db.NewReader()
	return func(ctx context.Context, d digest.Digest) ([]byte, error) { return r.Get(ctx, d, nil) }
}

func (s *studio) find(p string) tree.Entry {
	s.t.Helper()
	e, err := tree.Find(context.Background(), s.getter(), s.last.Root, p)
	if err != nil {
		s.t.Fatal(err)
	}
	return e
}

// content puts a file of the last snapshot together again.
func (s *studio) content(p string) []byte {
	s.t.Helper()
	e := s.find(p)
	out := []byte{}
	for it, err := range tree.Items(context.Background(), s.getter(), &e) {
		if err != nil {
			s.t.Fatal(err)
		}
		switch it.Kind {
		case tree.Chunk:
			b, err := s.getter()(context.Background(), it.Digest)
			if err != nil {
				s.t.Fatal(err)
			}
			out = append(out, b...)
		case tree.Literal:
			out = append(out, it.Bytes...)
		case tree.Run:
			for n := int64(0); n < it.Len; n++ {
				out = append(out, it.Bytes[n%tree.RunPattern])
			}
		case tree.Hole:
			out = append(out, make([]byte, it.Len)...)
		}
	}
	if int64(len(out)) != e.Size {
		s.t.Errorf("%s has %d bytes, its entry says %d", p, len(out), e.Size)
	}
	return out
}

// check compares the files of the last snapshot with what they must hold.
func (s *studio) check(want map[string][]byte) {
	s.t.Helper()
	got := map[string]bool{}
	var walk func(d digest.Digest, at string)
	walk = func(d digest.Digest, at string) {
		for e, err := range tree.List(context.Background(), s.getter(), d) {
			s.do(err)
			if e.Type == disk.Directory {
				walk(e.Dir, at+e.Name+"/")
			} else if e.Type == disk.Regular {
				got[at+e.Name] = true
			}
		}
	}
	walk(s.last.Root, "")
	if names := slices.Sorted(maps.Keys(want)); !slices.Equal(names, slices.Sorted(maps.Keys(got))) {
		s.t.Fatalf("kept %q, want %q", slices.Sorted(maps.Keys(got)), names)
	}
	for p, c := range want {
		if !bytes.Equal(s.content(p), c) {
			s.t.Errorf("%s holds other bytes", p)
		}
	}
}

// list is the last change list, an entry a line.
func (s *studio) list() string {
	var out []string
	for _, c := range s.last.List {
		line := string(rune(c.Kind)) + " " + c.Path
		if c.Old != "" {
			line += " from " + c.Old
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func (s *studio) wantList(want ...string) {
	s.t.Helper()
	if got := s.list(); got != strings.Join(want, "\n") {
		s.t.Errorf("changes\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// watch lets a hook see every operation on the project.
func (s *studio) watch(hook disk.Hook) { s.root = disk.NewFaulty(s.mem.Root(), hook).Root() }

// noise is content that does not compress and has no runs.
func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{42, seed}).Read(b)
	return b
}

// text is content that compresses.
func text(seed byte, n int) []byte {
	r := rand.New(rand.NewPCG(uint64(seed), 5))
	var b bytes.Buffer
	for b.Len() < n {
		b.WriteString([]string{"layer ", "sediment ", "clay ", "silt ", "\n"}[r.IntN(5)])
	}
	return b.Bytes()[:n]
}
