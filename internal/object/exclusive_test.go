package object_test

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"varve/internal/object"
	"varve/internal/seal"
	"varve/store"
)

// replacing is a store that replaces objects, as services do that know no conditional requests.
type replacing struct {
	*store.Memory
	one sync.Mutex
}

func (r *replacing) Put(ctx context.Context, name string, parts ...[]byte) error {
	r.one.Lock()
	defer r.one.Unlock()
	err := r.Memory.Put(ctx, name, parts...)
	if errors.Is(err, fs.ErrExist) {
		if err = r.Memory.Delete(ctx, name); err == nil {
			err = r.Memory.Put(ctx, name, parts...)
		}
	}
	return err
}

// exclusive makes a vault for one writer at a time, in a store whose clock is now.
func exclusive(t *testing.T, now *time.Time) *replacing {
	t.Helper()
	m := store.NewMemory()
	m.Now = func() time.Time { return *now }
	s := &replacing{Memory: m}
	if db := create(t, s); !db.Config().Exclusive {
		t.Fatal("a store that replaces objects makes a vault for several writers")
	}
	return s
}

func ticking(now *time.Time, seed byte) object.Options {
	o := options(seed)
	o.Now = func() time.Time { return *now }
	return o
}

func nothing(context.Context, *object.Session) error { return nil }

// TestExclusive: while a session is at work, no other begins; when it has ended, died, or been silent for a Grace,
// one does.
func TestExclusive(t *testing.T) {
	for _, c := range []struct {
		name   string
		second object.Who
		alive  func(int) bool
		pass   time.Duration
		busy   bool
	}{
		{name: "at once", second: object.Who{Host: "b"}, busy: true},
		{name: "just within the grace", second: object.Who{Host: "b"}, pass: object.Grace, busy: true},
		{name: "after the grace", second: object.Who{Host: "b"}, pass: object.Grace + time.Second},
		{name: "same machine, it runs", second: object.Who{Host: "a", Boot: "1"}, alive: func(pid int) bool { return pid == 7 }, busy: true},
		{name: "same machine, it died", second: object.Who{Host: "a", Boot: "1"}, alive: func(pid int) bool { return pid != 7 }},
		{name: "same machine, started again", second: object.Who{Host: "a", Boot: "2"}},
		{name: "same name, boot not known", second: object.Who{Host: "a"}, alive: func(int) bool { return false }, busy: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Unix(1_800_000_000, 0)
			s := exclusive(t, &now)
			first := open(t, s, ticking(&now, 2))
			err := first.Write(t.Context(), object.Who{Host: "a", Boot: "1", PID: 7}, func(context.Context, *object.Session) error {
				now = now.Add(c.pass)
				opt := ticking(&now, 3)
				opt.Alive = c.alive
				err := open(t, s, opt).Write(t.Context(), c.second, nothing)
				if c.busy && (!errors.Is(err, object.ErrBusy) || !strings.Contains(err.Error(), "process 7 on a")) || !c.busy && err != nil {
					t.Errorf("the second session: %v", err)
				}
				if got := names(t, s, "sess/"); len(got) != 1 {
					t.Errorf("registrations are %q", got)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := open(t, s, ticking(&now, 4)).Write(t.Context(), object.Who{Host: "c"}, nothing); err != nil {
				t.Errorf("after its end: %v", err)
			}
		})
	}
}

// TestExclusiveTogether: of two that begin at once, at most one goes on.
func TestExclusiveTogether(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	s := exclusive(t, &now)
	for round := range byte(20) {
		var both sync.WaitGroup
		var at, most int
		var mu sync.Mutex
		for i := range byte(4) {
			db := open(t, s, ticking(&now, 10+round*4+i))
			both.Go(func() {
				err := db.Write(t.Context(), object.Who{Host: "a"}, func(context.Context, *object.Session) error {
					mu.Lock()
					at++
					most = max(most, at)
					mu.Unlock()
					time.Sleep(time.Millisecond)
					mu.Lock()
					at--
					mu.Unlock()
					return nil
				})
				if err != nil && !errors.Is(err, object.ErrBusy) {
					t.Error(err)
				}
			})
		}
		both.Wait()
		if most > 1 {
			t.Fatalf("round %d: %d wrote at once", round, most)
		}
	}
}

// TestExclusiveAsleep: a session that gave no sign of life for so long that another may have taken its place does
// not commit, and one whose slot was filled replaces nothing.
func TestExclusiveAsleep(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(now *time.Time, db *object.DB, s *object.Session) error
		want error
	}{
		{"awake", func(*time.Time, *object.DB, *object.Session) error { return nil }, nil},
		{"asleep", func(now *time.Time, _ *object.DB, _ *object.Session) error {
			*now = now.Add(object.Grace)
			return nil
		}, object.ErrFenced},
		{"fenced", func(_ *time.Time, db *object.DB, s *object.Session) error {
			b, err := db.Keys().Seal(nil, seal.Verdict, []byte(s.ID.String()), []byte("1"), db.Rand())
			if err != nil {
				return err
			}
			return db.Store().Put(context.Background(), "snap/"+s.ID.String(), b)
		}, object.ErrFenced},
	} {
		t.Run(c.name, func(t *testing.T) {
			now := time.Unix(1_800_000_000, 0)
			s := exclusive(t, &now)
			db := open(t, s, ticking(&now, 2))
			err := db.Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) error {
				if err := errors.Join(fill(ctx, s, chunk(1, 1000)), s.Flush(), c.do(&now, db, s)); err != nil {
					return err
				}
				return s.Commit(ctx, []byte("{}"))
			})
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			if got := manifests(t, db); (len(got) == 1) != (c.want == nil) {
				t.Errorf("commits are %q", got)
			}
		})
	}
}

// TestExclusiveLasts: a session that stores nothing for long goes on giving sign of life, keeps others out, commits,
// and leaves no registration.
func TestExclusiveLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := store.NewMemory()
		m.Now = time.Now
		s := &replacing{Memory: m}
		create(t, s)
		opt := options(2)
		opt.Now = time.Now
		err := open(t, s, opt).Write(t.Context(), object.Who{Host: "a"}, func(ctx context.Context, session *object.Session) error {
			time.Sleep(3 * object.Grace)
			other := options(3)
			other.Now = time.Now
			if err := open(t, s, other).Write(ctx, object.Who{Host: "b"}, nothing); !errors.Is(err, object.ErrBusy) {
				t.Errorf("the second session: %v", err)
			}
			if err := session.Flush(); err != nil {
				return err
			}
			return session.Commit(ctx, []byte("{}"))
		})
		if err != nil {
			t.Error(err)
		}
		if got := names(t, s, "sess/"); len(got) != 0 {
			t.Errorf("left behind %q", got)
		}
	})
}
