// Package simulation runs several users of one store under a seeded scheduler, so that a race found once
// is found again. It is support for tests.
//
// A simulation runs inside a testing/synctest bubble. Each actor is a goroutine, with any number of
// goroutines of its own, that reaches the store through [Actor.Store]. Every operation on the store parks;
// once all goroutines are blocked, the scheduler lets one parked operation happen, and by the seed
// crashes its actor, suspends it or lets time pass first. Nothing but the scheduler decides an order
// that the store can see, and time is the bubble's: the same seed gives the same history.
//
// What is simulated must not hold a sync.Mutex across an operation on the store: the bubble does not count
// a goroutine that waits for a mutex as blocked, and the scheduler would wait for it for ever. Goroutines
// of one actor whose parked operations are equal in every byte are interchangeable to the scheduler.
package simulation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"varve/store"
)

// Options are the rates at which a Scheduler makes trouble, each in 1000 operations.
type Options struct {
	Crash    int           // the actor dies before the operation happens
	Suspend  int           // the actor stands still while others do up to MaxStill operations
	Pause    int           // time passes before the operation
	MaxPause time.Duration // how much at most; 0: a minute
	Page     int           // objects of a listing that are read in one operation; 0: 16
	Steps    int           // operations after which the test fails as never ending; 0: 100 000
}

// MaxStill bounds a suspension, in operations of the others.
const MaxStill = 200

// ErrCrashed is the error of every operation of an actor that crashed. None of them happens, and no time
// passes in them: an actor must not try again for ever.
var ErrCrashed = errors.New("actor crashed")

// Clock tells the time as one actor believes it to be.
type Clock func() time.Time

// Scheduler decides the order of all operations on the stores of its actors.
type Scheduler struct {
	options Options
	random  *rand.Rand
	wake    chan struct{} // an operation parked or an actor ended; holds one

	mu      sync.Mutex
	parked  []*operation
	running int // actors that have not returned
	actors  []*Actor
	step    int
	trace   []string
}

// Actor is one user of the store.
type Actor struct {
	name      string
	skew      time.Duration
	scheduler *Scheduler
	ctx       context.Context
	cancel    context.CancelFunc

	// Guarded by the scheduler.
	crashed bool
	until   int // the step at which its suspension ends
}

// operation is a parked operation on the store.
type operation struct {
	actor  *Actor
	label  string // kind and name
	digest uint64 // of the content, to tell equal labels apart
	resume chan error
}

// Run runs setup in a bubble and then the actors it started with Go, until all have returned. The seed of
// a failed run is logged.
func Run(t *testing.T, seed uint64, o Options, setup func(t *testing.T, s *Scheduler)) *Scheduler {
	t.Helper()
	o.MaxPause = cmp.Or(o.MaxPause, time.Minute)
	o.Page = cmp.Or(o.Page, 16)
	o.Steps = cmp.Or(o.Steps, 100_000)
	s := &Scheduler{options: o, random: rand.New(rand.NewPCG(seed, 0x5eed))}
	defer func() {
		if r := recover(); r != nil {
			panic(fmt.Sprintf("simulation with seed %d: %v", seed, r))
		}
		if t.Failed() {
			t.Logf("simulation with seed %d failed", seed)
		}
	}()
	synctest.Test(t, func(t *testing.T) {
		s.wake = make(chan struct{}, 1)
		setup(t, s)
		s.run(t)
	})
	return s
}

// Go starts an actor whose clock is off by skew. To be called from setup or from another actor.
func (s *Scheduler) Go(name string, skew time.Duration, run func(a *Actor)) *Actor {
	a := &Actor{name: name, skew: skew, scheduler: s}
	a.ctx, a.cancel = context.WithCancel(context.Background())
	s.mu.Lock()
	defer s.mu.Unlock()
	if slices.ContainsFunc(s.actors, func(o *Actor) bool { return o.name == name }) {
		panic("simulation: two actors are named " + name)
	}
	s.actors = append(s.actors, a)
	s.running++
	go func() {
		defer a.ended()
		run(a)
	}()
	return a
}

func (a *Actor) ended() {
	a.cancel()
	a.scheduler.mu.Lock()
	a.scheduler.running--
	a.scheduler.mu.Unlock()
	a.scheduler.signal()
}

// signal wakes the scheduler from waiting for time to pass.
func (s *Scheduler) signal() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// run grants operations until all actors have returned.
func (s *Scheduler) run(t *testing.T) {
	for {
		synctest.Wait()
		op, over := s.next()
		switch {
		case over:
			return
		case op == nil:
			// All are asleep, or suspended ones are waited for: let time pass to the next timer.
			<-s.wake
		case s.step > s.options.Steps:
			if !op.actor.Crashed() {
				t.Errorf("no end after %d operations", s.options.Steps)
			}
			s.crash(op, true)
		default:
			s.grant(op)
		}
	}
}

// next chooses a parked operation; nil if there is none, over if there will be none.
func (s *Scheduler) next() (op *operation, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.parked) == 0 {
		return nil, s.running == 0
	}
	// The order of arrival is the Go scheduler's; only sorted is it ours.
	slices.SortStableFunc(s.parked, func(a, b *operation) int {
		return cmp.Or(cmp.Compare(a.actor.name, b.actor.name), cmp.Compare(a.label, b.label), cmp.Compare(a.digest, b.digest))
	})
	var ready []int
	for i, o := range s.parked {
		if o.actor.crashed || o.actor.until <= s.step {
			ready = append(ready, i)
		}
	}
	s.step++
	at := 0 // with nobody else there to wait for, a suspended actor goes on
	if len(ready) > 0 {
		at = ready[s.random.IntN(len(ready))]
	}
	op = s.parked[at]
	s.parked = slices.Delete(s.parked, at, at+1)
	return op, false
}

// grant lets op happen, or something happen to its actor.
func (s *Scheduler) grant(op *operation) {
	a := op.actor
	switch {
	case s.chance(s.options.Crash) || a.crashed:
		s.crash(op, false)
		return
	case s.chance(s.options.Suspend):
		s.mu.Lock()
		a.until = s.step + 1 + s.random.IntN(MaxStill)
		s.parked = append(s.parked, op)
		s.mu.Unlock()
		s.note(op, "suspended")
		return
	case s.chance(s.options.Pause):
		time.Sleep(1 + time.Duration(s.random.Int64N(int64(s.options.MaxPause))))
		// What woke meanwhile runs until it is blocked before op changes what it may see.
		synctest.Wait()
	}
	s.note(op, "")
	op.resume <- nil
}

func (s *Scheduler) chance(rate int) bool { return s.random.IntN(1000) < rate }

// crash ends op's actor, or every one.
func (s *Scheduler) crash(op *operation, all bool) {
	s.note(op, "crashed")
	s.mu.Lock()
	for _, a := range s.actors {
		if a == op.actor || all {
			a.crashed = true
			a.cancel()
		}
	}
	s.mu.Unlock()
	op.resume <- ErrCrashed
}

func (s *Scheduler) note(op *operation, event string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trace = append(s.trace, fmt.Sprintf("%d %s %s %016x %s", s.step, op.actor.name, op.label, op.digest, event))
}

// Trace is the history so far: a line for each operation that was scheduled, in order.
func (s *Scheduler) Trace() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.trace)
}

// Crash makes every operation of a from now on fail with ErrCrashed, and cancels its context.
func (a *Actor) Crash() {
	a.scheduler.mu.Lock()
	defer a.scheduler.mu.Unlock()
	a.crashed = true
	a.cancel()
}

// Crashed reports whether a crashed.
func (a *Actor) Crashed() bool {
	a.scheduler.mu.Lock()
	defer a.scheduler.mu.Unlock()
	return a.crashed
}

// Context ends when the actor crashes or returns.
func (a *Actor) Context() context.Context { return a.ctx }

// Clock is the actor's own, off by its skew.
func (a *Actor) Clock() Clock {
	return func() time.Time { return time.Now().Add(a.skew) }
}

// park waits until the scheduler lets the operation happen.
func (a *Actor) park(label string, digest uint64) error {
	s := a.scheduler
	op := &operation{actor: a, label: label, digest: digest, resume: make(chan error)}
	s.mu.Lock()
	if a.crashed {
		s.mu.Unlock()
		return ErrCrashed
	}
	s.parked = append(s.parked, op)
	s.mu.Unlock()
	s.signal()
	return <-op.resume
}

// Store is what the actor sees of s. It has none of the optional methods.
func (a *Actor) Store(s store.Store) store.Store { return parking{actor: a, store: s} }

type parking struct {
	actor *Actor
	store store.Store
}

func (p parking) Put(ctx context.Context, name string, parts ...[]byte) error {
	h := fnv.New64a()
	for _, part := range parts {
		h.Write(part)
	}
	if err := p.actor.park("put "+name, h.Sum64()); err != nil {
		return fmt.Errorf("put %s: %w", name, err)
	}
	return p.store.Put(ctx, name, parts...)
}

func (p parking) Get(ctx context.Context, name string, off, n int64, dst []byte) ([]byte, error) {
	if err := p.actor.park(fmt.Sprintf("get %s %d+%d", name, off, n), 0); err != nil {
		return dst, fmt.Errorf("get %s: %w", name, err)
	}
	return p.store.Get(ctx, name, off, n, dst)
}

// List parks before each page, so that others change the store while it is listed.
func (p parking) List(ctx context.Context, prefix string) iter.Seq2[store.Object, error] {
	return func(yield func(store.Object, error) bool) {
		if err := p.actor.park("list "+prefix, 0); err != nil {
			yield(store.Object{}, fmt.Errorf("list %s: %w", prefix, err))
			return
		}
		listed := 0
		for o, err := range p.store.List(ctx, prefix) {
			if err == nil && listed > 0 && listed%p.actor.scheduler.options.Page == 0 {
				if parked := p.actor.park("list "+prefix+" on from "+o.Name, 0); parked != nil {
					o, err = store.Object{}, fmt.Errorf("list %s: %w", prefix, parked)
				}
			}
			if !yield(o, err) || err != nil {
				return
			}
			listed++
		}
	}
}

func (p parking) Delete(ctx context.Context, name string) error {
	if err := p.actor.park("delete "+name, 0); err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	return p.store.Delete(ctx, name)
}

func (p parking) Barrier(ctx context.Context) error {
	if err := p.actor.park("barrier", 0); err != nil {
		return fmt.Errorf("barrier: %w", err)
	}
	return p.store.Barrier(ctx)
}
