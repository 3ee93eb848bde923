package object

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"strings"
	"sync"
	"time"

	"varve/internal/index"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/store"
)

// Who says which process a session belongs to.
type Who struct {
	Host    string    `json:"host"`
	Boot    string    `json:"boot,omitempty"` // changes when the machine restarts
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
}

// A Session writes objects that become visible together, with Commit, or not at all. Its methods may be
// called from several goroutines; a Writer belongs to one.
type Session struct {
	ID  SID
	db  *DB
	who Who

	live    *index.Live
	beating sync.Mutex
	beats   int
	beat    time.Time // of the last one
	lapsed  bool      // there was a pause after which others may have taken the session for dead
	left    sync.Once
	leaving error // what became of taking back the registration
	doubt   bool  // the slot was put, and whether it is filled is not known
	settle  bool  // others may have left packs that have not survived power loss yet
	doomed  map[SID]bool

	mu    sync.Mutex
	open  [3]*pack.Builder // two for data, filled at random, and one for metadata
	coin  uint32
	free  []*pack.Builder
	rows  *index.Writer
	bytes int64 // sealed bytes put since the last index segment
	// reindexed: the next segment stands for others, and is put even without rows.
	reindexed bool
	stats     Stored

	ctx     context.Context // ends when the sealer fails
	cancel  context.CancelCauseFunc
	full    chan *pack.Builder
	closing sync.Once
	sealed  chan error // what became of each sealer, once
	result  error
}

// Stored counts what a session has added to the vault.
type Stored struct {
	Chunks int64 `json:"chunks"` // new objects
	Plain  int64 `json:"plain"`  // their bytes
	Sealed int64 `json:"sealed"` // bytes of packs and index written
	Deltas int64 `json:"deltas"` // of Chunks, those stored as deltas
}

const (
	packTarget  = 16 << 20
	indexEvery  = 512 << 20 // sealed bytes after which a partial index is published
	beatEvery   = 30 * time.Second
	sealersIdle = 1 // packs that may wait for the sealer; bounds memory
	// sealersDistant is the number of sealers where a put takes a round trip: one for each pack that is open at the
	// end.
	sealersDistant = 3
)

// Write runs fn with a new session and buries it: whatever fn did not commit is not visible to anyone, and
// its packs are found again by the next session. What runs beside the reading of the index, once the session is
// registered, is done when fn begins.
func (db *DB) Write(ctx context.Context, who Who, fn func(context.Context, *Session) error, beside ...func() error) error {
	s, err := db.begin(ctx, who, beside)
	if err != nil {
		return err
	}
	defer s.cancel(nil)
	for range cap(s.sealed) {
		go s.sealAll()
	}
	var alive sync.WaitGroup
	if db.config.Exclusive {
		alive.Go(s.stayAlive)
	}
	err = fn(s.ctx, s)
	if serr := s.close(); serr != nil && (err == nil || errors.Is(err, context.Canceled)) {
		err = serr
	}
	s.cancel(nil)
	alive.Wait()
	s.left.Do(s.leave)
	return errors.Join(err, s.leaving)
}

// begin registers a session and only then reads what collections are under way: in the other order a
// collector could miss the session and the session the collector.
func (db *DB) begin(ctx context.Context, who Who, beside []func() error) (*Session, error) {
	id, err := db.NewID()
	if err != nil {
		return nil, err
	}
	s := &Session{ID: id, db: db, who: who, live: index.NewLive(), rows: new(index.Writer), full: make(chan *pack.Builder, sealersIdle)}
	sealers := 1
	if store.Distant(db.store) {
		sealers = sealersDistant
	}
	s.sealed = make(chan error, sealers)
	s.ctx, s.cancel = context.WithCancelCause(ctx)
	err = store.Together(db.store, func() (err error) {
		s.settle, err = db.others(ctx, id)
		return err
	}, func() error { return s.heartbeat(ctx) })
	if err == nil && db.config.Exclusive {
		err = s.alone(ctx)
	}
	if err != nil {
		s.leave()
		return nil, errors.Join(err, s.leaving)
	}
	// What is condemned is read before the packs are listed: a collection that ends between the two has
	// then removed its packs from the listing.
	listed, err := db.listGenerations(ctx)
	if err == nil {
		var unlisted []Generation
		condemned, _ := condemnedBy(listed)
		err = store.Together(db.store, append([]func() error{func() (err error) {
			unlisted, err = db.unlisted(ctx, listed)
			return err
		}, func() error {
			db.load.Lock()
			defer db.load.Unlock()
			db.spare = condemned
			return db.refresh(ctx)
		}}, beside...)...)
		condemned, s.doomed = condemnedBy(append(listed, unlisted...))
		db.sparing(condemned)
	}
	if err != nil {
		s.leave()
		return nil, errors.Join(err, s.leaving)
	}
	return s, nil
}

// Doomed reports whether a collection means to delete the commit slot of a snapshot, or has.
func (s *Session) Doomed(id SID) bool { return s.doomed[id] }

// others reports whether any other session is registered: running, or dead without having left.
func (db *DB) others(ctx context.Context, own SID) (bool, error) {
	for o, err := range db.store.List(ctx, "sess/") {
		if err != nil {
			return false, fmt.Errorf("list sessions: %w", err)
		}
		if !strings.HasPrefix(o.Name, "sess/"+own.String()) {
			return true, nil
		}
	}
	return false, nil
}

func beatName(id SID, k int) string { return fmt.Sprintf("sess/%s/%d", id, k) }

// heartbeat shows that the session goes on. It is a courtesy to collectors, not a safeguard.
func (s *Session) heartbeat(ctx context.Context) error {
	s.beating.Lock()
	defer s.beating.Unlock()
	return s.beatNow(ctx)
}

func (s *Session) beatNow(ctx context.Context) error {
	b, err := json.Marshal(s.who)
	if err != nil {
		return err
	}
	name := beatName(s.ID, s.beats)
	sealed, err := s.db.keys.Seal(nil, seal.Session, []byte(name), b, s.db.opt.Rand)
	if err != nil {
		return err
	}
	s.beats++ // whatever becomes of it, for leave
	now := s.db.opt.Now()
	if err := s.db.store.Put(ctx, name, sealed); err != nil {
		return fmt.Errorf("register session: %w", err)
	}
	s.lapsed = s.lapsed || s.beats > 1 && now.Sub(s.beat) > Grace/2
	s.beat = now
	return nil
}

// Leave takes back the registration of a session that has filled its slot, which else Write does.
func (s *Session) Leave() {
	if !s.db.config.Exclusive { // there signs of life go on until the end
		s.left.Do(s.leave)
	}
}

// leave removes the session's registration. It comes after the commit slot is filled, never before: a commit that
// was said to have failed may yet arrive, and must then find the slot filled, or its packs kept by the registration.
func (s *Session) leave() {
	if s.doubt && !s.db.config.Exclusive {
		if s.leaving = s.db.Fence(context.WithoutCancel(s.ctx), s.ID, 0); s.leaving != nil {
			return
		}
	}
	var beats []func() error
	for k := range s.beats {
		beats = append(beats, func() error { return s.db.store.Delete(context.WithoutCancel(s.ctx), beatName(s.ID, k)) })
	}
	s.leaving = store.Together(s.db.store, beats...)
}

// add puts a finished block into an open pack.
func (s *Session) add(kind pack.Kind, c seal.Codec, stored []byte, raw int, entries []pack.Entry) error {
	s.mu.Lock()
	i := 2
	if kind == pack.Data {
		s.coin = s.coin*1664525 + 1013904223 // which chunks share a pack says nothing to who sees only packs
		i = int(s.coin >> 31)
	}
	b := s.open[i]
	if b == nil {
		if b = s.take(kind); b == nil {
			b = pack.NewBuilder(kind)
			if kind == pack.Data {
				b.Parity = s.db.config.Parity
			}
		}
		s.open[i] = b
	}
	b.Add(c, stored, raw, entries)
	s.stats.Chunks += int64(len(entries))
	for j := range entries {
		s.stats.Plain += int64(entries[j].Plain)
		if len(entries[j].Bases) > 0 {
			s.stats.Deltas++
		}
	}
	if b.Len() < packTarget {
		s.mu.Unlock()
		return nil
	}
	s.open[i] = nil
	s.mu.Unlock()
	return s.enqueue(b)
}

func (s *Session) take(kind pack.Kind) *pack.Builder {
	for i, b := range s.free {
		if b.Kind() == kind {
			s.free = append(s.free[:i], s.free[i+1:]...)
			return b
		}
	}
	return nil
}

func (s *Session) enqueue(b *pack.Builder) error {
	select {
	case s.full <- b:
		return nil
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

// sealAll seals and puts full packs until the session closes. After a failure it only drains.
func (s *Session) sealAll() {
	var buf []byte
	var failed error
	for b := range s.full {
		if failed != nil {
			continue
		}
		if buf, failed = s.putPack(s.ctx, b, buf[:0]); failed != nil {
			s.cancel(failed)
			failed = context.Cause(s.ctx) // of several sealers the first that failed
		}
	}
	s.sealed <- failed
}

// putPack seals and puts a pack. There is no parity for metadata: it is small, and is put twice, in two directories,
// by names and keys of their own.
func (s *Session) putPack(ctx context.Context, b *pack.Builder, buf []byte) ([]byte, error) {
	first, err := s.sealPack(b, pack.ID{}, buf)
	if err != nil {
		return nil, err
	}
	puts := []func() error{func() error { return s.putSealed(ctx, b, first) }}
	if b.Kind() == pack.Meta {
		second, err := s.sealPack(b, first.id, nil)
		if err != nil {
			return nil, err
		}
		puts = append(puts, func() error { return s.putSealed(ctx, b, second) })
	}
	if err := store.Together(s.db.store, puts...); err != nil {
		return nil, err
	}
	buf = first.bytes
	s.mu.Lock()
	b.Reset()
	s.free = append(s.free, b)
	partial := s.bytes >= indexEvery
	s.mu.Unlock()
	if partial {
		if err := s.putIndex(ctx); err != nil {
			return nil, err
		}
	}
	return buf, s.Beat(ctx)
}

// Beat shows that the session goes on, if it has not done so for a while.
func (s *Session) Beat(ctx context.Context) error {
	if !s.beating.TryLock() {
		return nil // another goroutine is at it
	}
	defer s.beating.Unlock()
	if s.db.opt.Now().Sub(s.beat) < beatEvery {
		return nil
	}
	return s.beatNow(ctx)
}

// sealedPack is a pack ready to be put.
type sealedPack struct {
	id    pack.ID
	bytes []byte
}

// sealPack seals a pack under a fresh name, whose directory is not that of other.
func (s *Session) sealPack(b *pack.Builder, other pack.ID, buf []byte) (sealedPack, error) {
	id, err := s.db.NewID()
	if err != nil {
		return sealedPack{}, err
	}
	if id[0] == other[0] {
		id[0] ^= 0x80
	}
	var salt [32]byte
	if _, err := io.ReadFull(s.db.opt.Rand, salt[:]); err != nil {
		return sealedPack{}, err
	}
	return sealedPack{id, b.Seal(buf, s.db.keys, id, salt)}, nil
}

func (s *Session) putSealed(ctx context.Context, b *pack.Builder, p sealedPack) error {
	if err := s.db.store.Put(ctx, packName(p.id), p.bytes); err != nil {
		return fmt.Errorf("write pack: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	addRows(s.rows, p.id, int64(len(p.bytes)), b.Kind(), b.Blocks())
	s.bytes += int64(len(p.bytes))
	s.stats.Sealed += int64(len(p.bytes))
	return nil
}

// putIndex publishes the rows collected so far.
func (s *Session) putIndex(ctx context.Context) error {
	s.mu.Lock()
	w, stands := s.rows, s.reindexed
	s.rows, s.bytes, s.reindexed = new(index.Writer), 0, false
	s.mu.Unlock()
	if w.Len() == 0 && !stands {
		return nil
	}
	// An index that survives power loss must not speak of packs that have not.
	if err := s.barrier(ctx); err != nil {
		return err
	}
	id, err := s.db.NewID()
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%x", id[:])
	plain := w.Encode()
	sealed, err := s.db.keys.Seal(nil, seal.Index, []byte(name), plain, s.db.opt.Rand)
	if err != nil {
		return err
	}
	if err := s.db.store.Put(ctx, "index/"+name, sealed); err != nil {
		return fmt.Errorf("write index: %w", err)
	}
	if err := s.db.learn("index/"+name, plain); err != nil {
		return err
	}
	s.mu.Lock()
	s.stats.Sealed += int64(len(sealed))
	s.mu.Unlock()
	return nil
}

// close ends the sealer's work and returns its failure; packs still open are not written.
func (s *Session) close() error {
	s.closing.Do(func() {
		close(s.full)
		for range cap(s.sealed) {
			if err := <-s.sealed; s.result == nil {
				s.result = err
			}
		}
	})
	return s.result
}

// Flush writes all packs that are open and the index of everything written, and waits until they have
// survived power loss. Every Writer must have been flushed.
func (s *Session) Flush() error {
	for i := range s.open {
		if b := s.open[i]; b != nil {
			s.open[i] = nil
			if err := s.enqueue(b); err != nil {
				return err
			}
		}
	}
	if err := s.close(); err != nil {
		return err
	}
	if err := s.adopt(s.ctx); err != nil {
		return err
	}
	if err := s.putIndex(s.ctx); err != nil {
		return err
	}
	if s.Stored().Sealed == 0 && !s.settle {
		return nil
	}
	return s.barrier(s.ctx)
}

// barrier waits until what the session refers to has survived power loss: what it put itself, and, where
// others may have put something and not come to their own barrier, everything.
func (s *Session) barrier(ctx context.Context) error {
	if s.settle {
		if t, ok := s.db.store.(store.Settler); ok {
			return t.Settle(ctx)
		}
	}
	return s.db.store.Barrier(ctx)
}

// adopt adds to the session's index the packs that have lost theirs, or whose session died before it wrote one.
func (s *Session) adopt(ctx context.Context) error {
	s.db.load.Lock()
	adopted := maps.Clone(s.db.adopted)
	maps.DeleteFunc(adopted, func(id pack.ID, _ int64) bool { return s.db.spare[id] })
	s.db.load.Unlock()
	for id, size := range adopted {
		p, err := s.db.packs.get(ctx, id, size)
		if err != nil {
			return err
		}
		addRows(s.rows, id, size, p.Header.Kind, p.Blocks)
	}
	s.settle = s.settle || len(adopted) > 0
	return nil
}

// Stored returns what the session has added so far; it is final after Flush.
func (s *Session) Stored() Stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stats
}

// Commit fills the session's slot with the manifest and returns when it has survived power loss. Flush
// comes first. ErrFenced if a collection aborted the session: nothing is lost, the work must be done again
// in a new session.
func (s *Session) Commit(ctx context.Context, manifest []byte) error {
	sealed, err := s.db.keys.Seal(nil, seal.Manifest, []byte(s.ID.String()), manifest, s.db.opt.Rand)
	if err != nil {
		return err
	}
	if err := s.fill(ctx, sealed); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// Finish fills the session's slot with the note that it ended without a snapshot: what it stored are other copies
// of objects that snapshots need. Flush comes first. ErrFenced, as of Commit, if a collection that may have missed
// them aborted the session.
func (s *Session) Finish(ctx context.Context) error {
	sealed, err := s.db.sealNote(s.ID, noteFinished)
	if err != nil {
		return err
	}
	if err := s.fill(ctx, sealed); err != nil {
		return fmt.Errorf("finish: %w", err)
	}
	return nil
}

// fill puts the session's slot and returns when it has survived power loss.
func (s *Session) fill(ctx context.Context, sealed []byte) error {
	name := "snap/" + s.ID.String()
	if err := s.mayFill(ctx, name); err != nil {
		return err
	}
	err := s.db.store.Put(ctx, name, sealed)
	s.doubt = err != nil && !errors.Is(err, fs.ErrExist)
	if errors.Is(err, fs.ErrExist) {
		err = s.ours(ctx, name, sealed)
	}
	if err != nil {
		return err
	}
	return s.db.store.Barrier(ctx)
}

// ours tells a commit whose success was not reported from a slot that a collector filled.
func (s *Session) ours(ctx context.Context, name string, sealed []byte) error {
	there, err := s.db.store.Get(ctx, name, 0, -1, nil)
	if err != nil {
		return err
	}
	if bytes.Equal(there, sealed) {
		return nil
	}
	return ErrFenced
}
