package upkeep_test

import (
	"context"
	"encoding/hex"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"varve/internal/digest"
	"varve/internal/history"
	"varve/internal/ledger"
	"varve/internal/object"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/internal/upkeep"
	"varve/store"
)

// actor is a program whose operations on the store happen only when the test lets them.
type actor struct {
	store.Store
	at    chan string // an operation that is about to happen
	on    chan struct{}
	done  chan error
	next  string // the operation it stands before
	ended bool
	err   error
	clock time.Duration // its own
}

// start has a program come to its first operation.
func start(s store.Store, run func(ctx context.Context, a *actor) error) *actor {
	a := &actor{Store: s, at: make(chan string), on: make(chan struct{}), done: make(chan error, 1)}
	go func() { a.done <- run(context.Background(), a) }()
	a.wait()
	return a
}

func (a *actor) wait() {
	select {
	case a.next = <-a.at:
	case a.err = <-a.done:
		a.ended = true
	}
}

// until lets operations happen up to one that begins with one of lines.
func (a *actor) until(lines ...string) {
	for !a.ended && !slices.ContainsFunc(lines, func(line string) bool { return strings.HasPrefix(a.next, line) }) {
		a.step()
	}
}

func (a *actor) step() {
	a.on <- struct{}{}
	a.wait()
}

// past lets that one happen, too.
func (a *actor) past(line string) {
	if a.until(line); !a.ended {
		a.step()
	}
}

func (a *actor) end() error {
	for !a.ended {
		a.step()
	}
	return a.err
}

func (a *actor) stand(line string) {
	a.at <- line
	<-a.on
}

func (a *actor) Put(ctx context.Context, name string, parts ...[]byte) error {
	a.stand("put " + name)
	return a.Store.Put(ctx, name, parts...)
}

func (a *actor) Get(ctx context.Context, name string, off, n int64, dst []byte) ([]byte, error) {
	a.stand("get " + name)
	return a.Store.Get(ctx, name, off, n, dst)
}

func (a *actor) List(ctx context.Context, prefix string) iter.Seq2[store.Object, error] {
	a.stand("list " + prefix)
	return a.Store.List(ctx, prefix)
}

func (a *actor) Delete(ctx context.Context, name string) error {
	a.stand("delete " + name)
	return a.Store.Delete(ctx, name)
}

func (a *actor) Barrier(ctx context.Context) error {
	a.stand("barrier")
	return a.Store.Barrier(ctx)
}

// crowded is a vault of which one snapshot was forgotten, and what several programs do to it.
type crowded struct {
	*vault
	seed byte
	kept []kept // what was reported as taken and was not forgotten
}

type kept struct {
	snap *history.Snapshot
	f    files
}

// content is what the forgotten snapshot had, and others have again.
func content() files { return files{"again": random(1, 300)} }

func newCrowded(t *testing.T) *crowded {
	c := &crowded{vault: newVault(t, store.NewMemory()), seed: 20}
	c.snap(content(), nil)
	c.snap(files{"other": random(2, 280)}, nil)
	c.forget(c.snaps[0])
	c.kept = []kept{{c.snaps[1], c.want[1]}}
	return c
}

func (c *crowded) open(s store.Store) *object.DB {
	c.seed++
	db, err := object.Open(context.Background(), s, nil, options(c.seed))
	if err != nil {
		c.t.Error(err)
	}
	return db
}

func (c *crowded) history(db *object.DB) *history.History {
	return history.New(db, ledger.New(db, hex.EncodeToString([]byte{c.seed})))
}

func (c *crowded) forget(s *history.Snapshot) {
	c.t.Helper()
	if err := c.history(c.open(c.store)).Ledger.Append(c.t.Context(), history.ForgetRecord(s)); err != nil {
		c.t.Fatal(err)
	}
	c.kept = slices.DeleteFunc(c.kept, func(k kept) bool { return k.snap.ID == s.ID })
}

// writer is a program that takes a snapshot of f, again if a collection took it for dead.
func (c *crowded) writer(f files) *actor {
	return start(c.store, func(ctx context.Context, a *actor) error {
		v := &vault{t: c.t, store: a, db: c.open(a), chunk: c.chunk}
		for {
			s, err := v.take(ctx, 9, f, nil)
			if errors.Is(err, object.ErrFenced) {
				continue
			}
			if err == nil {
				c.kept = append(c.kept, kept{s, f})
			}
			return err
		}
	})
}

// collector is a program that collects. It takes who shows nothing for a minute for dead.
func (c *crowded) collector() *actor {
	return start(c.store, func(ctx context.Context, a *actor) error {
		db := c.open(a)
		_, err := upkeep.Collect(ctx, db, c.history(db), c.options(&a.clock))
		return err
	})
}

func (c *crowded) options(clock *time.Duration) upkeep.CollectOptions {
	return upkeep.CollectOptions{Wait: time.Hour, Silence: time.Minute, Now: func() time.Time { return time.Unix(1_800_000_000, 0).Add(*clock) },
		Sleep: func(_ context.Context, d time.Duration) error { *clock += d; return nil }}
}

// packOf names the pack of what content has in one file.
func (c *crowded) packOf(db *object.DB, d digest.Digest) pack.ID {
	c.t.Helper()
	l, err := db.Locate(c.t.Context(), d)
	if err != nil {
		c.t.Fatal(err)
	}
	return l.Pack
}

// check: what was reported is whole, and stays so when everything that was begun has been ended.
func (c *crowded) check(programs ...*actor) {
	c.t.Helper()
	for i, a := range programs {
		if err := a.end(); err != nil {
			c.t.Errorf("program %d: %v", i, err)
		}
	}
	for _, when := range []string{"then", "after another collection"} {
		db := c.open(c.store)
		for _, k := range c.kept {
			got, err := restore(c.t.Context(), db, k.snap.Root)
			if err == nil {
				err = same(got, k.f)
			}
			r := db.NewReader()
			get := func(ctx context.Context, d digest.Digest) ([]byte, error) { return r.Get(ctx, d, nil) }
			for _, cerr := range k.snap.ReadChanges(c.t.Context(), get) {
				err = errors.Join(err, cerr)
			}
			if err != nil {
				c.t.Errorf("%s, %s: %v", when, k.snap.ID, err)
			}
		}
		var clock time.Duration
		if _, err := upkeep.Collect(c.t.Context(), db, c.history(db), c.options(&clock)); err != nil {
			c.t.Errorf("%s: %v", when, err)
		}
	}
}

// TestTurns plays orders of events in which a snapshot would lose what a collection deletes, if one of them left out
// a step or took two in another order. The model of protocol_test.go has found them.
func TestTurns(t *testing.T) {
	for name, play := range map[string]func(c *crowded){
		"a writer comes after sessions were looked at": func(c *crowded) {
			w := c.writer(content())
			w.until("put sess/")
			col := c.collector()
			col.past("put gc/")
			col.past("list sess/") // twice, in case that one is late
			col.past("list sess/")
			w.past("list packs/")
			_ = col.end()
			c.check(w)
		},
		"a writer comes before the list is published": func(c *crowded) {
			col := c.collector()
			col.until("put gc/")
			w := c.writer(content())
			w.past("list packs/")
			_ = col.end()
			c.check(w)
		},
		"a writer comes while sessions are looked at": func(c *crowded) {
			col := c.collector()
			col.past("put gc/")
			col.past("list sess/")
			w := c.writer(content())
			w.past("list packs/")
			_ = col.end()
			c.check(w)
		},
		"a writer falls asleep before it commits": func(c *crowded) {
			w := c.writer(content())
			w.until("put snap/")
			_ = c.collector().end()
			c.check(w)
		},
		"a writer falls asleep before it leaves": func(c *crowded) {
			w := c.writer(content())
			w.until("delete sess/")
			_ = c.collector().end()
			c.check(w)
		},
		"a writer commits while it is waited for": func(c *crowded) {
			w := c.writer(content())
			w.past("list packs/")
			col := c.collector()
			col.past("put gc/")
			col.past("list sess/")
			col.past("list sess/")
			_ = w.end()
			c.check(col)
		},
		"two collectors come to different verdicts": func(c *crowded) {
			w := c.writer(content())
			w.past("list packs/")
			one := c.collector()
			one.past("put gc/")
			_ = w.end()
			one.until("put gc/")
			c.forget(c.kept[len(c.kept)-1].snap)
			two := c.collector()
			two.until("put gc/", "delete packs/")
			one.past("put gc/")
			again := c.writer(content())
			again.past("list packs/")
			two.past("put gc/")
			two.until("put gc/")
			_ = again.end()
			c.check(two, one)
		},
		"a collector is overtaken before it deletes": func(c *crowded) {
			w := c.writer(content())
			w.past("list packs/")
			one := c.collector()
			one.past("put gc/")
			_ = w.end()
			c.forget(c.kept[len(c.kept)-1].snap)
			one.until("put gc/")
			again := c.writer(content())
			again.past("list packs/")
			_ = one.end()
			c.check(again)
		},
	} {
		t.Run(name, func(t *testing.T) { play(newCrowded(t)) })
	}
}

// TestLastCopy: where a collection has condemned a pack of which something is needed, only a copy that is there, that
// no other collection means to delete, and that is whole where a delta may be made from it, makes up for it.
func TestLastCopy(t *testing.T) {
	again := content()["again"]
	// twice has the content in two packs, of writers that did not know of each other, and one collection about to
	// condemn the first.
	twice := func(t *testing.T) (c *crowded, col *actor, first, second pack.ID) {
		c = newCrowded(t)
		db := c.open(c.store)
		w := start(c.store, func(ctx context.Context, a *actor) error { // as if it had begun before the first snapshot
			return c.open(a).Write(ctx, object.Who{}, func(ctx context.Context, s *object.Session) error {
				w := s.Writer(seal.Fast)
				return errors.Join(w.Store(object.Content, w.Sum(again), again), w.Flush(), s.Flush())
			})
		})
		first = c.packOf(db, db.Digest(again))
		col = c.collector()
		col.until("put gc/")
		before := c.objects()
		if err := w.end(); err != nil {
			t.Fatal(err)
		}
		for name := range c.objects() {
			if before[name] == nil && strings.HasPrefix(name, "packs/") {
				b, err := hex.DecodeString(name[len("packs/xx/"):])
				if err != nil {
					t.Fatal(err)
				}
				second = pack.ID(b)
			}
		}
		return c, col, first, second
	}
	remove := func(c *crowded, id pack.ID) {
		if err := c.store.Delete(c.t.Context(), object.PackName(id)); err != nil {
			c.t.Fatal(err)
		}
	}
	t.Run("there", func(t *testing.T) {
		c, col, _, second := twice(t)
		w := c.writer(content())
		w.past("list packs/")
		remove(c, second)
		_ = w.end()
		c.check(col)
	})
	t.Run("whole", func(t *testing.T) {
		c := newCrowded(t)
		col := c.collector()
		col.until("put gc/")
		base, child := random(3, 300), slices.Clone(again)
		copy(child[100:], "changed here")
		var win seal.Window
		win.Add(base)
		err := c.open(c.store).Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
			w := s.Writer(seal.Fast)
			payload, _, _ := win.Encode(nil, again, 2*len(again)) // all literal
			err := errors.Join(w.Store(object.Content, w.Sum(base), base), w.StoreDelta(w.Sum(again), len(again), payload, []digest.Digest{w.Sum(base)}))
			return errors.Join(err, w.Flush(), s.Flush())
		})
		if err != nil {
			t.Fatal(err)
		}
		c.vault.db = c.open(c.store)
		c.snap(files{"again": child}, content())
		c.kept = append(c.kept, kept{c.snaps[2], c.want[2]})
		c.check(col)
	})
	t.Run("condemned", func(t *testing.T) {
		c, col, _, second := twice(t)
		if err := c.writer(content()).end(); err != nil {
			t.Fatal(err)
		}
		db := c.open(c.store) // another collector, for which the first pack is a copy that survives
		n, err := db.Condemn(t.Context(), object.Doomed{Packs: []pack.ID{second}})
		if err == nil {
			_, err = db.Decide(t.Context(), n, object.Doomed{Packs: []pack.ID{second}})
		}
		if err != nil {
			t.Fatal(err)
		}
		_ = col.end()
		remove(c, second)
		c.check()
	})
}

// TestCollectRefuses: a collection that does not know all that is needed deletes nothing.
func TestCollectRefuses(t *testing.T) {
	for name, harm := range map[string]func(c *crowded, k kept, db *object.DB) string{
		"a slot": func(c *crowded, k kept, _ *object.DB) string { return object.SlotName(k.snap.ID) },
		"a record": func(c *crowded, _ kept, _ *object.DB) string {
			for name := range c.objects() {
				if strings.HasPrefix(name, "ledger/") {
					return name
				}
			}
			return ""
		},
		"content": func(c *crowded, k kept, db *object.DB) string {
			return object.PackName(c.packOf(db, db.Digest(k.f["other"])))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCrowded(t)
			db := c.open(c.store)
			if err := db.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
			harmed := harm(c, c.kept[0], db)
			b := c.objects()[harmed]
			c.replace(harmed, b[:len(b)-1])
			before := c.objects()
			db = c.open(c.store)
			var clock time.Duration
			if _, err := upkeep.Collect(t.Context(), db, c.history(db), c.options(&clock)); !errors.Is(err, upkeep.ErrIncomplete) {
				t.Errorf("%s is damaged: %v", harmed, err)
			}
			after := c.objects()
			for name := range before {
				if after[name] == nil {
					t.Errorf("%s is damaged, and %s was deleted", harmed, name)
				}
			}
		})
	}
}
