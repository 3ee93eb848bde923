package upkeep

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"varve/internal/object"
)

// await returns when every session that was registered has ended: by itself, or because it seems dead and is fenced.
// The clock decides only how long that takes.
func (c *collector) await(generation int) error {
	for range 2 { // one listing may be late, or lack one
		if err := c.meet(); err != nil {
			return err
		}
	}
	waiting := slices.Clone(c.met)
	began := c.opt.Now()
	heard := map[object.SID]time.Time{}
	beats := map[object.SID]int{}
	for {
		var left []object.Running
		for _, s := range waiting {
			ended, err := c.db.Ended(c.ctx, s.ID)
			if err != nil {
				return err
			}
			if ended {
				continue
			}
			if beats[s.ID] != s.Beat || heard[s.ID].IsZero() {
				beats[s.ID], heard[s.ID] = s.Beat, c.opt.Now()
			}
			// Where create-if-absent is not honoured a session that lives may commit in spite of the fence.
			silent := c.opt.Now().Sub(heard[s.ID]) >= c.opt.Silence && !c.db.Config().Exclusive
			if c.dead(&s) || silent {
				if err := c.db.Fence(c.ctx, s.ID, generation); err != nil {
					return err
				}
				continue
			}
			left = append(left, s)
		}
		if len(left) == 0 {
			return nil
		}
		if c.opt.Now().Sub(began) >= c.opt.Wait {
			return fmt.Errorf("%w: process %d on %s", object.ErrBusy, left[0].Who.PID, cmp.Or(left[0].Who.Host, "an unknown machine"))
		}
		if err := c.opt.Sleep(c.ctx, attend); err != nil {
			return err
		}
		var err error
		if waiting, err = c.heartbeats(left); err != nil {
			return err
		}
	}
}

// meet notes the sessions that are registered.
func (c *collector) meet() error {
	now, err := c.db.Sessions(c.ctx)
	for _, s := range now {
		at := slices.IndexFunc(c.met, func(m object.Running) bool { return m.ID == s.ID })
		if at < 0 {
			c.met = append(c.met, s)
		} else if s.Beat > c.met[at].Beat {
			c.met[at].Beat = s.Beat
		}
	}
	return err
}

// heartbeats looks again at sessions that are waited for.
func (c *collector) heartbeats(of []object.Running) ([]object.Running, error) {
	now, err := c.db.Sessions(c.ctx)
	if err != nil {
		return nil, err
	}
	for i := range of {
		for _, s := range now {
			if s.ID == of[i].ID {
				of[i].Beat = s.Beat
			}
		}
	}
	return of, nil
}

// dead reports whether a session's process certainly has ended. A wrong answer would cost the session a second try.
func (c *collector) dead(s *object.Running) bool {
	me, it := &c.opt.Who, &s.Who
	if it.Host == "" || it.Host != me.Host || it.Boot == "" || me.Boot == "" {
		return false
	}
	return it.Boot != me.Boot || c.opt.Alive != nil && !c.opt.Alive(it.PID)
}
