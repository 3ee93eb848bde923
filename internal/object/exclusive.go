package object

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"varve/internal/seal"
	"varve/store"
)

// Where the store does not honour create-if-absent, a session does not start while another one is at it, and gives
// sign of life by itself. A session that has given none for a Grace counts as dead; if it was only asleep, it finds
// that out before it commits.

// Grace is how long a session of an exclusive vault keeps others out after its last sign of life.
const Grace = 15 * time.Minute

// ErrBusy says that another session is at work and does not go away: in an exclusive vault, or in a step of
// upkeep that has to wait for all.
var ErrBusy = errors.New("another program writes to the vault")

// alone returns ErrBusy if another session is at work. It comes after the registration, so that of two that start
// at once at least one sees the other. Ages are told by the store's clock alone, which the session's own
// registration shows.
func (s *Session) alone(ctx context.Context) error {
	own := s.ID.String()
	last := map[string]string{} // session → its last registration
	at := map[string]time.Time{}
	for o, err := range s.db.store.List(ctx, "sess/") {
		if err != nil {
			return fmt.Errorf("list sessions: %w", err)
		}
		sid, _, _ := strings.Cut(strings.TrimPrefix(o.Name, "sess/"), "/")
		if _, known := last[sid]; !known || o.Modified.After(at[sid]) {
			last[sid], at[sid] = o.Name, o.Modified
		}
	}
	now := at[own]
	for sid, name := range last {
		if sid == own {
			continue
		}
		silent := now.Sub(at[sid])
		if !now.IsZero() && !at[sid].IsZero() && silent > Grace {
			continue
		}
		who, err := s.db.whose(ctx, name)
		if errors.Is(err, fs.ErrNotExist) || err == nil && s.dead(who) {
			continue // it has left meanwhile, or died
		}
		if err != nil {
			return fmt.Errorf("%w, and its registration cannot be read: %w", ErrBusy, err)
		}
		return fmt.Errorf("%w: process %d on %s, since %s; if it has died, the vault is free again %d minutes after its last sign of life",
			ErrBusy, who.PID, who.Host, who.Started.Format("2006-01-02 15:04:05"), int(Grace.Minutes()))
	}
	return nil
}

// whose reads a registration.
func (db *DB) whose(ctx context.Context, name string) (Who, error) {
	var who Who
	sealed, err := db.store.Get(ctx, name, 0, -1, nil)
	if err != nil {
		return who, err
	}
	b, err := db.keys.Open(nil, seal.Session, []byte(name), sealed, maxConfig)
	if err == nil {
		err = json.Unmarshal(b, &who)
	}
	if err != nil {
		return who, fmt.Errorf("%s: %w", name, errors.Join(ErrDamaged, err))
	}
	return who, nil
}

// dead reports whether a session is certainly of a process of this machine that is gone.
func (s *Session) dead(who Who) bool {
	if who.Host != s.who.Host || who.Boot == "" || s.who.Boot == "" {
		return false
	}
	return who.Boot != s.who.Boot || s.db.opt.Alive != nil && !s.db.opt.Alive(who.PID)
}

// stayAlive gives sign of life until the session ends. That one fails is no failure: the next may not.
func (s *Session) stayAlive() {
	tick := time.NewTicker(beatEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-tick.C:
			if err := s.heartbeat(s.ctx); err != nil && s.ctx.Err() == nil {
				s.db.warn("session", err)
			}
		}
	}
}

// since returns how long ago the session gave sign of life.
func (s *Session) since() time.Duration {
	s.beating.Lock()
	defer s.beating.Unlock()
	return s.db.opt.Now().Sub(s.beat)
}

// mayFill is the stand-in for create-if-absent before a commit to an exclusive vault: ErrFenced if others may have
// taken the session for dead, or have filled its slot.
func (s *Session) mayFill(ctx context.Context, slot string) error {
	if !s.db.config.Exclusive {
		return nil
	}
	if pause := s.since(); s.lapsed || pause > Grace/2 {
		return fmt.Errorf("the session gave no sign of life for too long: %w", ErrFenced)
	}
	_, err := store.Stat(ctx, s.db.store, slot)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = ErrFenced
	}
	return err
}
