package varve_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/fixture"
)

var long = flag.Bool("long", false, "run the fault suites at their full size")

// rig is a machine: a disk with a vault and one with a project and a cache. Both lose power together. Its
// clock is far ahead of the disks', so that every file has been quiet for long, and its random numbers are
// seeded.
type rig struct {
	vault, home *disk.Memory
	now         *atomic.Int64 // ns
	rand        *lockedRand
	workers     int
	noCache     bool
	noState     bool // a machine that has not seen the vault before
	moved       bool // the project's folder has another path
	passphrase  func() ([]byte, error)
}

type lockedRand struct {
	mu  sync.Mutex
	src *rand.ChaCha8
}

func (r *lockedRand) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.src.Read(p)
}

func newLockedRand(seed uint64) *lockedRand {
	var s [32]byte
	for i := range 8 {
		s[i] = byte(seed >> (8 * i))
	}
	return &lockedRand{src: rand.NewChaCha8(s)}
}

const rigTime = 2_000_000_000_000_000_000

func newRig(seed uint64) *rig {
	r := &rig{vault: disk.NewMemory(disk.MemoryOptions{}), home: disk.NewMemory(disk.MemoryOptions{}), now: new(atomic.Int64), rand: newLockedRand(seed), workers: 1}
	r.now.Store(rigTime)
	for _, name := range []string{"project", "cache", "state"} {
		if err := r.home.Root().Mkdir(name, 0o755); err != nil {
			panic(err)
		}
	}
	r.settle()
	return r
}

// settle makes what the user did durable: it is not varve's to sync.
func (r *rig) settle() {
	if err := disk.SyncAll(r.home.Root()); err != nil {
		panic(err)
	}
}

// crash is the machine after power loss.
func (r *rig) crash(keep disk.Keep, seed uint64) *rig {
	c := &rig{vault: r.vault.Crash(keep), home: r.home.Crash(keep), now: new(atomic.Int64), rand: newLockedRand(seed), workers: r.workers, noCache: r.noCache, noState: r.noState}
	c.now.Store(r.now.Load() + int64(time.Hour))
	return c
}

// fork is a copy of the machine as it is.
func (r *rig) fork(seed uint64) *rig { return r.crash(disk.KeepAll, seed) }

func (r *rig) options() varve.Options {
	return varve.Options{Rand: r.rand, Workers: r.workers, Host: "rig", User: "tester", Parity: 2, Passphrase: r.passphrase, KDF: varve.KDF{Time: 1, Memory: 64, Threads: 1},
		Now:   func() time.Time { return time.Unix(0, r.now.Add(int64(time.Millisecond))) },
		Sleep: func(ctx context.Context, _ time.Duration) error { return ctx.Err() }}
}

// site is a rig in use by one process.
type site struct {
	v   *varve.Vault
	p   *varve.Project
	dir disk.Dir // the project's folder
}

// hooks are the faults of each disk; nil for none.
type hooks struct{ vault, project, cache disk.Hook }

func both(h disk.Hook) hooks { return hooks{h, h, h} }

func faulty(d disk.Dir, h disk.Hook) disk.Dir {
	if h == nil {
		return d
	}
	return disk.NewFaulty(d, h).Root()
}

func (r *rig) folder(name string) disk.Dir {
	d, err := r.home.Root().OpenDir(name)
	if err != nil {
		panic(err)
	}
	return d
}

// open opens the vault, or makes it, and the project.
func (r *rig) open(ctx context.Context, h hooks) (*site, error) {
	return r.openWith(ctx, h, r.options())
}

func (r *rig) openWith(ctx context.Context, h hooks, opt varve.Options) (*site, error) {
	if !r.noCache && opt.Cache == nil {
		opt.Cache = faulty(r.folder("cache"), h.cache)
	}
	if state, err := r.home.Root().OpenDir("state"); err == nil && !r.noState && opt.State == nil {
		opt.State = faulty(state, h.cache)
	}
	v, _, err := varve.OpenDir(ctx, faulty(r.vault.Root(), h.vault), true, opt)
	if err != nil {
		return nil, err
	}
	s := &site{v: v, dir: faulty(r.folder("project"), h.project)}
	at := "/work/project"
	if r.moved {
		at = "/elsewhere/project"
	}
	s.p, err = v.Project(s.dir, at)
	return s, err
}

func mustOpen(t testing.TB, r *rig) *site {
	t.Helper()
	s, err := r.open(context.Background(), hooks{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func plainSnap() varve.SnapOptions {
	return varve.SnapOptions{Ignore: varve.IgnoreSettings{Presets: []string{}}}
}

func mustSnap(t testing.TB, s *site) *varve.Snapshot {
	t.Helper()
	snap, err := s.p.Snap(context.Background(), plainSnap())
	if err != nil {
		t.Fatal(err)
	}
	if len(snap.Errors) > 0 {
		t.Fatalf("snapshot with failures: %v", snap.Errors)
	}
	return snap
}

// listing describes a folder as fixture.List does, without what varve keeps there itself.
func listing(t testing.TB, d disk.Dir) string {
	t.Helper()
	list, err := list(d)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func list(d disk.Dir) (string, error) {
	return fixture.List(d, fixture.ListOptions{Skip: func(p string, _ *disk.Entry) bool {
		return p == ".varve" || strings.HasPrefix(p, ".varve-restore-")
	}})
}

func (r *rig) listing(t testing.TB) string { t.Helper(); return listing(t, r.folder("project")) }

// restored gives the listing of a snapshot put into a new folder.
func restored(ctx context.Context, p *varve.Project, s *varve.Snapshot) (string, error) {
	m := disk.NewMemory(disk.MemoryOptions{})
	res, err := p.Restore(ctx, varve.RestoreOptions{Snapshot: s, Target: m.Root()})
	if err != nil {
		return "", err
	}
	if len(res.Errors) > 0 {
		return "", fmt.Errorf("restore of %s: %v", s.Ref(), res.Errors)
	}
	if res.Written == 0 && s.Tree.Files > 0 && s.Tree.Bytes > 0 {
		return "", errors.New("nothing was written")
	}
	return list(m.Root())
}

// byPath takes a listing apart.
func byPath(listing string) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(listing) {
		q, err := strconv.QuotedPrefix(line)
		if err != nil {
			panic(err)
		}
		p, err := strconv.Unquote(q)
		if err != nil {
			panic(err)
		}
		out[p] = strings.TrimSuffix(line[len(q):], "\n")
	}
	return out
}

// differ says what differs between two listings, for people.
func differ(got, want string) string {
	a, b := byPath(got), byPath(want)
	var out strings.Builder
	for p, l := range a {
		if m, ok := b[p]; !ok {
			fmt.Fprintf(&out, "  too much: %q%s\n", p, l)
		} else if l != m {
			fmt.Fprintf(&out, "  got  %q%s\n  want %q%s\n", p, l, p, m)
		}
	}
	for p, l := range b {
		if _, ok := a[p]; !ok {
			fmt.Fprintf(&out, "  missing: %q%s\n", p, l)
		}
	}
	return out.String()
}

// sampling is of how many cases one is run: where each costs ten times as much, a part must do.
func sampling() int {
	if (raceOn || testing.Short()) && !*long {
		return 16
	}
	return 1
}

// each calls do with 0 … n-1 on all cores, stops at a few failures, and reports them.
func each(t *testing.T, n int, do func(i int) error) {
	t.Helper()
	defer debug.SetGCPercent(debug.SetGCPercent(400)) // thousands of short-lived machines
	var next, failures atomic.Int64
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for failures.Load() < 5 {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if i%sampling() != 0 && i != n-1 {
					continue
				}
				if err := do(i); err != nil {
					failures.Add(1)
					t.Errorf("case %d of %d: %v", i, n, err)
				}
			}
		})
	}
	wg.Wait()
}

// outage ends the process at operation n, counted over all disks.
type outage struct {
	at    int64
	count atomic.Int64
}

func (o *outage) hook(op disk.Op) error {
	if n := o.count.Add(1); o.at > 0 && n >= o.at {
		return disk.ErrStopped
	}
	return nil
}

func build(t testing.TB, r *rig, k fixture.Kind, step int) {
	t.Helper()
	if err := buildIn(r, k, step); err != nil {
		t.Fatal(err)
	}
}

func buildIn(r *rig, k fixture.Kind, step int) error {
	var err error
	if step == 0 {
		err = fixture.Build(r.folder("project"), k, fixture.Options{})
	} else {
		err = fixture.Step(r.folder("project"), k, step, fixture.Options{})
	}
	r.settle()
	return err
}

func verified(ctx context.Context, v *varve.Vault) error {
	rep, err := v.Verify(ctx, varve.VerifyOptions{Data: true})
	if err != nil {
		return err
	}
	if !rep.OK || !rep.Complete {
		return fmt.Errorf("verify: %+v", rep.Findings)
	}
	return nil
}
