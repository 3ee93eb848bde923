package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"varve/store"
)

// Fault is one way in which a Sim departs from the truth in one operation.
type Fault uint8

// The faults, and the operations they apply to; in others they do nothing.
const (
	None         Fault = iota
	Lost               // any: nothing happens, the error is ErrLost
	LostReply          // Put, Delete, Barrier: it happens, the error is ErrLost
	Delayed            // Put, Delete: the error is ErrLost and it happens some operations later
	Truncated          // Put: half of the content is kept, and nil returned
	FlippedStore       // Put: one bit is kept wrong, and nil returned
	FlippedRead        // Get: one bit is returned wrong this time
	StaleList          // List: as it would have been some operations ago
	MissingEntry       // List: one object is left out
	Slow               // any: up to MaxLatency passes first
	faults
)

// Kind is a method of a Store.
type Kind uint8

// The kinds of operations.
const (
	Put Kind = iota
	Get
	List
	Delete
	Barrier
)

// String returns the method's name.
func (k Kind) String() string {
	return [...]string{"Put", "Get", "List", "Delete", "Barrier"}[k]
}

// ErrLost is the error of an operation whose request or reply was lost.
var ErrLost = errors.New("connection lost")

// Op is one operation about to happen.
type Op struct {
	N    int64 // running number in the Sim, from 1
	Kind Kind
	Name string // of the object; of List the prefix
}

// Plan chooses the fault of an operation; r is seeded for this operation alone.
type Plan func(op Op, r *rand.Rand) Fault

// At is the plan of a single fault, in operation n.
func At(n int64, fault Fault) Plan {
	return func(op Op, _ *rand.Rand) Fault {
		if op.N == n {
			return fault
		}
		return None
	}
}

// Rates gives for each Fault how many in 1000 operations of the kinds it applies to shall have it.
type Rates [faults]int

// Plan draws faults at the rates.
func (rates Rates) Plan() Plan {
	return func(op Op, r *rand.Rand) Fault {
		for fault, rate := range rates {
			if Fault(fault).applies(op.Kind) && r.IntN(1000) < rate {
				return Fault(fault)
			}
		}
		return None
	}
}

func (f Fault) applies(k Kind) bool {
	switch f {
	case Lost, Slow:
		return true
	case LostReply:
		return k == Put || k == Delete || k == Barrier
	case Delayed:
		return k == Put || k == Delete
	case Truncated, FlippedStore:
		return k == Put
	case FlippedRead:
		return k == Get
	case StaleList, MissingEntry:
		return k == List
	}
	return false
}

// MaxLatency bounds how long a Slow operation waits.
const MaxLatency = 10 * time.Second

// lag is Sim.Lag where that is not set.
const lag = 12

// Sim is a Store for simulations that lies as planned. With the same seed, plan and order of operations it
// does the same.
type Sim struct {
	// Lag bounds how many operations a Delayed one takes, or a StaleList goes back. Set it before first use; 0: 12.
	Lag int64

	truth *store.Memory
	plan  Plan
	seed  uint64

	mu      sync.Mutex
	n       int64
	delayed []delayed
	changes []change // all that ever took effect
}

type delayed struct {
	due   int64 // the operation before which it happens
	apply func()
}

type change struct {
	n       int64
	object  store.Object
	deleted bool
}

// NewSim returns an empty Sim; a nil plan tells the truth.
func NewSim(seed uint64, plan Plan) *Sim {
	return &Sim{truth: store.NewMemory(), plan: plan, seed: seed}
}

// Truth is what is really there.
func (s *Sim) Truth() *store.Memory { return s.truth }

// Settle lets every delayed operation happen.
func (s *Sim) Settle() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deliver(func(delayed) bool { return true })
}

// begin numbers an operation, lets what is due happen, and returns the operation's fault and randomness.
func (s *Sim) begin(kind Kind, name string) (Fault, *rand.Rand, int64) {
	s.mu.Lock()
	s.n++
	n := s.n
	s.deliver(func(d delayed) bool { return d.due <= n })
	s.mu.Unlock()
	r := rand.New(rand.NewPCG(s.seed, uint64(n)))
	if s.plan == nil {
		return None, r, n
	}
	fault := s.plan(Op{N: n, Kind: kind, Name: name}, r)
	if !fault.applies(kind) {
		return None, r, n
	}
	if fault == Slow {
		time.Sleep(time.Duration(1 + r.Int64N(int64(MaxLatency))))
	}
	return fault, r, n
}

// deliver applies the delayed operations for which due, oldest first.
func (s *Sim) deliver(due func(delayed) bool) {
	s.delayed = slices.DeleteFunc(s.delayed, func(d delayed) bool {
		if due(d) {
			d.apply()
			return true
		}
		return false
	})
}

func (s *Sim) delay(n int64, r *rand.Rand, apply func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.delayed = append(s.delayed, delayed{due: n + 1 + r.Int64N(cmp.Or(s.Lag, lag)), apply: apply})
}

// Put implements store.Store.
func (s *Sim) Put(ctx context.Context, name string, parts ...[]byte) error {
	if err := begun(ctx, name); err != nil {
		return err
	}
	content := slices.Concat(parts...)
	fault, r, n := s.begin(Put, name)
	switch fault {
	case Lost:
		return lost(Put, name)
	case Delayed:
		s.delay(n, r, func() { s.keep(name, content) })
		return lost(Put, name)
	case Truncated:
		content = content[:len(content)/2]
	case FlippedStore:
		flip(content, r)
	}
	s.mu.Lock()
	err := s.keep(name, content)
	s.mu.Unlock()
	if fault == LostReply {
		return lost(Put, name)
	}
	return err
}

// keep puts the truth, whoever asked and however late.
func (s *Sim) keep(name string, content []byte) error {
	if err := s.truth.Put(context.Background(), name, content); err != nil {
		return err
	}
	s.changes = append(s.changes, change{n: s.n, object: store.Object{Name: name, Size: int64(len(content))}})
	return nil
}

// Get implements store.Store.
func (s *Sim) Get(ctx context.Context, name string, off, n int64, dst []byte) ([]byte, error) {
	if err := begun(ctx, name); err != nil {
		return dst, err
	}
	fault, r, _ := s.begin(Get, name)
	if fault == Lost {
		return dst, lost(Get, name)
	}
	got, err := s.truth.Get(ctx, name, off, n, dst)
	if err == nil && fault == FlippedRead {
		flip(got[len(dst):], r)
	}
	return got, err
}

// List implements store.Store. A listing that lies is of one moment; an honest one goes on while others change what
// it lists.
func (s *Sim) List(ctx context.Context, prefix string) iter.Seq2[store.Object, error] {
	return func(yield func(store.Object, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(store.Object{}, err)
			return
		}
		fault, r, n := s.begin(List, prefix)
		if fault == Lost {
			yield(store.Object{}, lost(List, prefix))
			return
		}
		var listed []store.Object
		for o, err := range s.truth.List(ctx, prefix) {
			switch {
			case err != nil || fault != StaleList && fault != MissingEntry:
				if !yield(o, err) || err != nil {
					return
				}
			default:
				listed = append(listed, o)
			}
		}
		switch {
		case fault == StaleList:
			listed = s.asOf(n-1-r.Int64N(cmp.Or(s.Lag, lag)), prefix)
		case fault == MissingEntry && len(listed) > 0:
			at := r.IntN(len(listed))
			listed = slices.Delete(listed, at, at+1)
		}
		for _, o := range listed {
			if !yield(o, nil) {
				return
			}
		}
	}
}

// asOf lists what was below prefix after operation n.
func (s *Sim) asOf(n int64, prefix string) []store.Object {
	s.mu.Lock()
	defer s.mu.Unlock()
	var listed []store.Object
	for _, c := range s.changes {
		if c.n > n || !strings.HasPrefix(c.object.Name, prefix) {
			continue
		}
		at, found := slices.BinarySearchFunc(listed, c.object.Name, func(o store.Object, name string) int {
			return strings.Compare(o.Name, name)
		})
		switch {
		case c.deleted && found:
			listed = slices.Delete(listed, at, at+1)
		case !c.deleted && !found:
			listed = slices.Insert(listed, at, c.object)
		}
	}
	return listed
}

// Delete implements store.Store.
func (s *Sim) Delete(ctx context.Context, name string) error {
	if err := begun(ctx, name); err != nil {
		return err
	}
	fault, r, n := s.begin(Delete, name)
	switch fault {
	case Lost:
		return lost(Delete, name)
	case Delayed:
		s.delay(n, r, func() { s.remove(name) })
		return lost(Delete, name)
	}
	s.mu.Lock()
	err := s.remove(name)
	s.mu.Unlock()
	if fault == LostReply {
		return lost(Delete, name)
	}
	return err
}

func (s *Sim) remove(name string) error {
	s.changes = append(s.changes, change{n: s.n, object: store.Object{Name: name}, deleted: true})
	return s.truth.Delete(context.Background(), name)
}

// Barrier implements store.Store.
func (s *Sim) Barrier(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if fault, _, _ := s.begin(Barrier, ""); fault == Lost || fault == LostReply {
		return lost(Barrier, "")
	}
	return nil
}

// flip turns over one bit of b.
func flip(b []byte, r *rand.Rand) {
	if len(b) > 0 {
		bit := r.IntN(8 * len(b))
		b[bit/8] ^= 1 << (bit % 8)
	}
}

func lost(kind Kind, name string) error {
	return fmt.Errorf("%s %s: %w", strings.ToLower(kind.String()), name, ErrLost)
}

// begun refuses what no store lets begin.
func begun(ctx context.Context, name string) error {
	if err := store.CheckName(name); err != nil {
		return err
	}
	return ctx.Err()
}
