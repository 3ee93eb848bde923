package varve_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/simulation"
	"varve/store"
	"varve/store/storetest"
)

// crowd is a vault in use by several machines at once, and what must be true of it.
type crowd struct {
	world
	seed   uint64
	truth  *store.Memory // what the vault is
	store  store.Store   // what the machines see of it
	parity int

	mu   sync.Mutex // never held across an operation on the store
	kept map[varve.ID]*promise

	losses int64 // 1 if check found that something is lost
}

// promise is a snapshot that was reported as taken.
type promise struct {
	project   string
	listing   string
	forgotten bool // somebody has begun to forget it; whether that came to pass is not known
}

func hashOf(s string) (h uint64) {
	h = 14695981039346656037
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return h
}

// actor starts a machine whose random choices are its own, and that tries again until it is done, or has had enough.
func (c *crowd) actor(s *simulation.Scheduler, name string, skew time.Duration, run func(ctx context.Context, a *simulation.Actor, o varve.Options, r *rand.Rand) error) {
	s.Go(name, skew, func(a *simulation.Actor) {
		r := rand.New(rand.NewPCG(c.seed, hashOf(name)))
		o := varve.Options{Rand: newLockedRand(c.seed ^ hashOf(name)), Workers: 1, Host: name, PID: 1, Now: a.Clock(),
			State: disk.NewMemory(disk.MemoryOptions{}).Root()}
		for range 60 {
			err := run(a.Context(), a, o, r)
			if err == nil || a.Crashed() || pause(a.Context(), time.Duration(1+r.IntN(30))*time.Second) != nil {
				return
			}
		}
	})
}

// pause is what a machine does between two steps.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// write changes a folder and keeps it, several times.
func (c *crowd) write(s *simulation.Scheduler, name string, skew time.Duration, rounds int) {
	home := disk.NewMemory(disk.MemoryOptions{}).Root()
	round := 0
	c.actor(s, name, skew, func(ctx context.Context, a *simulation.Actor, o varve.Options, r *rand.Rand) error {
		v, err := varve.Open(ctx, a.Store(c.store), o)
		if err != nil {
			return err
		}
		p, err := v.Project(home, "/home/"+name)
		if err != nil {
			return err
		}
		for ; round < rounds; round++ {
			if err := scribble(home, r); err != nil {
				return err
			}
			listing, err := list(home)
			if err != nil {
				return err
			}
			snap, err := p.Snap(ctx, plainSnap())
			if err != nil {
				return err
			}
			c.mu.Lock()
			c.kept[snap.ID] = &promise{project: p.ID(), listing: listing}
			c.mu.Unlock()
		}
		return nil
	})
}

// scribble writes a few files: some that all machines have, some that come back, some that are new.
func scribble(d disk.Dir, r *rand.Rand) error {
	for range 1 + r.IntN(3) {
		name, seed := fmt.Sprintf("f%d", r.IntN(4)), r.Uint64N(6)
		if r.IntN(3) == 0 {
			seed = r.Uint64()
		}
		b := make([]byte, 600+r.IntN(3)*300)
		src := rand.New(rand.NewPCG(seed, 1))
		for i := range b {
			b[i] = byte(src.Uint32())
		}
		_ = d.Remove(name)
		if err := disk.CreateWhole(d, name, 0o644, b); err != nil {
			return err
		}
	}
	return nil
}

// pick returns a snapshot that was reported, if there is one.
func (c *crowd) pick(r *rand.Rand, forget bool) (id varve.ID, p promise, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ids []varve.ID
	for id, p := range c.kept {
		if !p.forgotten {
			ids = append(ids, id)
		}
	}
	if len(ids) == 0 {
		return id, p, false
	}
	slices.SortFunc(ids, func(a, b varve.ID) int { return slices.Compare(a[:], b[:]) })
	id = ids[r.IntN(len(ids))]
	if forget {
		c.kept[id].forgotten = true
	}
	return id, *c.kept[id], true
}

// stays says that a snapshot is promised again: nothing was said of it to the vault, or it was reported to be back.
func (c *crowd) stays(id varve.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.kept[id].forgotten = false
}

func (c *crowd) forgotten(id varve.ID) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kept[id].forgotten
}

func (c *crowd) find(v *varve.Vault, id varve.ID, project string) (*varve.Project, *varve.Snapshot, error) {
	p, err := v.ProjectByID(project)
	if err != nil {
		return nil, nil, err
	}
	for _, s := range p.Snapshots() {
		if s.ID == id {
			return p, s, nil
		}
	}
	return p, nil, nil
}

// thin forgets snapshots, and takes some of that back.
func (c *crowd) thin(s *simulation.Scheduler, rounds int) {
	round := 0
	c.actor(s, "forgetter", 0, func(ctx context.Context, a *simulation.Actor, o varve.Options, r *rand.Rand) error {
		for ; round < rounds; round++ {
			if err := pause(ctx, time.Duration(r.IntN(90))*time.Second); err != nil {
				return err
			}
			id, promise, ok := c.pick(r, true)
			if !ok {
				continue
			}
			v, err := varve.Open(ctx, a.Store(c.store), o)
			if err != nil {
				return err
			}
			p, snap, err := c.find(v, id, promise.project)
			if err != nil || snap == nil {
				c.stays(id)
				if err != nil {
					return err
				}
				continue
			}
			if err := p.Forget(ctx, snap); err != nil {
				return err
			}
			if r.IntN(2) == 0 {
				continue
			}
			op, _, err := p.Undo(ctx, false)
			if errors.Is(err, varve.ErrCollected) {
				continue
			}
			if err != nil {
				return err
			}
			if op.Summary != "forget forgot "+snap.Ref() {
				continue // what was said to have failed came to pass later, and was the last thing done
			}
			c.stays(id) // it was reported to be back
		}
		return nil
	})
}

// collect frees what is not needed, over and over.
func (c *crowd) collect(t *testing.T, s *simulation.Scheduler, name string, skew time.Duration, rounds int) {
	round := 0
	c.actor(s, name, skew, func(ctx context.Context, a *simulation.Actor, o varve.Options, r *rand.Rand) error {
		for ; round < rounds; round++ {
			if err := pause(ctx, time.Duration(r.IntN(60))*time.Second); err != nil {
				return err
			}
			v, err := varve.Open(ctx, a.Store(c.store), o)
			if err != nil {
				return err
			}
			_, err = v.Collect(ctx, varve.CollectOptions{Wait: time.Duration(1+r.IntN(10)) * time.Minute})
			if c.faulty && err != nil {
				return err
			}
			if err != nil && !errors.Is(err, varve.ErrBusy) && !a.Crashed() {
				t.Errorf("%s: %v", name, err)
				return nil
			}
		}
		return nil
	})
}

// read restores snapshots while others are at work.
func (c *crowd) read(t *testing.T, s *simulation.Scheduler, rounds int) {
	round := 0
	var warned atomic.Bool
	c.actor(s, "reader", 0, func(ctx context.Context, a *simulation.Actor, o varve.Options, r *rand.Rand) error {
		o.Warn = func(string, error) { warned.Store(true) }
		for ; round < rounds; round++ {
			if err := pause(ctx, time.Duration(r.IntN(90))*time.Second); err != nil {
				return err
			}
			id, promise, ok := c.pick(r, false)
			if !ok {
				continue
			}
			warned.Store(false)
			v, err := varve.Open(ctx, a.Store(c.store), o)
			if err != nil {
				return err
			}
			p, snap, err := c.find(v, id, promise.project)
			if err != nil {
				return err
			}
			got := ""
			if snap != nil {
				got, err = restored(ctx, p, snap)
			}
			switch {
			case a.Crashed() || c.forgotten(id):
			case c.faulty && err != nil:
				return err
			case c.faulty && snap == nil && warned.Load():
			case err != nil || got != promise.listing && (snap != nil || !c.listsLie):
				t.Errorf("reader: %s: %v\n%s", id, err, differ(got, promise.listing))
			}
		}
		return nil
	})
}

// check looks at the vault when all is over: what was promised is there, nothing is wrong, and a last collection
// leaves nothing that is not needed.
func (c *crowd) check(t *testing.T) {
	ctx := context.Background()
	o := varve.Options{Rand: newLockedRand(c.seed + 99), Workers: 1, Host: "last", PID: 1, Now: time.Now}
	v, err := varve.Open(ctx, c.truth, o)
	if err != nil {
		t.Fatal(err)
	}
	c.checkKept(ctx, t, v)
	if _, err := v.Collect(ctx, varve.CollectOptions{Wait: time.Hour}); err != nil {
		t.Fatalf("last collection: %v", err)
	}
	c.checkKept(ctx, t, v)
	if err := verified(ctx, v); err != nil {
		t.Errorf("after all: %v", err)
	}
	again, err := v.Collect(ctx, varve.CollectOptions{DryRun: true})
	if err != nil || again.Packs-again.Rewritten > 0 {
		t.Errorf("left after the last collection: %+v, %v", again, err)
	}
}

func (c *crowd) checkKept(ctx context.Context, t *testing.T, v *varve.Vault) {
	for id, err := range c.lost(ctx, t, v) {
		t.Errorf("snapshot %s was reported: %v", id, err)
	}
}

// lost returns the snapshots that were promised and are not there, and what is told of each. That one is there and
// is not what it was is an error.
func (c *crowd) lost(ctx context.Context, t *testing.T, v *varve.Vault) map[varve.ID]error {
	out := map[varve.ID]error{}
	for id, promise := range c.kept {
		if promise.forgotten {
			continue
		}
		p, snap, err := c.find(v, id, promise.project)
		if err != nil || snap == nil {
			out[id] = fmt.Errorf("it is not there: %w", errors.Join(fs.ErrNotExist, err))
			continue
		}
		got, err := restored(ctx, p, snap)
		if err != nil {
			out[id] = err
		} else if got != promise.listing {
			t.Errorf("snapshot %s is not what it was:\n%s", id, differ(got, promise.listing))
		}
	}
	return out
}

// world is what machines have to live with.
type world struct {
	// plan draws the faults of the store; nil: it has none.
	plan     func(r *rand.Rand) storetest.Plan
	faulty   bool // a verb may fail, and is tried again
	listsLie bool
	lag      int64 // storetest.Sim.Lag
	check    func(c *crowd, t *testing.T)
}

var calm = world{check: (*crowd).check}

// simulate plays one schedule and returns the world it was played in.
func (w world) simulate(t *testing.T, seed uint64) *crowd {
	r := rand.New(rand.NewPCG(seed, 7))
	skew := func() time.Duration { return time.Duration(r.Int64N(int64(60*24*time.Hour))) - 30*24*time.Hour }
	o := simulation.Options{Crash: r.IntN(3), Suspend: r.IntN(12), Pause: r.IntN(30), MaxPause: 20 * time.Minute, Steps: 60_000}
	if r.IntN(3) == 0 {
		o.Crash = 0
	}
	c := &crowd{world: w, seed: seed, kept: map[varve.ID]*promise{}, parity: r.IntN(2) * 2}
	var plan storetest.Plan
	begun := false
	if w.plan != nil {
		plan = w.plan(r)
	}
	sim := storetest.NewSim(seed, func(op storetest.Op, r *rand.Rand) storetest.Fault {
		if plan == nil || !begun {
			return storetest.None
		}
		return plan(op, r)
	})
	sim.Lag = w.lag
	c.store, c.truth = sim, sim.Truth()
	simulation.Run(t, seed, o, func(t *testing.T, s *simulation.Scheduler) {
		opt := varve.Options{Rand: newLockedRand(seed), Workers: 1, Host: "first", Now: time.Now, Parity: c.parity}
		if _, err := varve.Create(context.Background(), sim, opt); err != nil {
			t.Fatal(err)
		}
		begun = true
		for i := range 3 {
			c.write(s, fmt.Sprint("writer", i), skew(), 2+r.IntN(3))
		}
		for i := range 2 {
			c.collect(t, s, fmt.Sprint("collector", i), skew(), 2+r.IntN(3))
		}
		c.thin(s, 2+r.IntN(4))
		c.read(t, s, 1+r.IntN(3))
	})
	sim.Settle()
	synctest.Test(t, func(t *testing.T) { w.check(c, t) }) // the last collection may wait for the dead
	return c
}

var schedules = flag.Int("schedules", 0, "how many orders of events each simulation plays; 0: as many as suit the other flags")

// played returns how many schedules to play.
func played(quick, full int) int {
	switch {
	case *schedules > 0:
		return *schedules
	case *long:
		return full
	}
	return quick
}

func TestCollectSimulated(t *testing.T) {
	eachSeed(t, played(40, 2000), func(t *testing.T, seed uint64) { calm.simulate(t, seed) })
}

// eachSeed runs a test for each seed, on all cores, until a few have failed.
func eachSeed(t *testing.T, n int, run func(*testing.T, uint64)) {
	var failures sync.Map
	for i := range n {
		if i%sampling() != 0 {
			continue
		}
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			failed := 0
			failures.Range(func(any, any) bool { failed++; return true })
			if failed > 3 {
				return
			}
			run(t, uint64(i))
			if t.Failed() {
				failures.Store(i, true)
			}
		})
	}
}
