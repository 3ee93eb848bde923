package upkeep

import (
	"path"
	"strings"
	"time"

	"varve/internal/object"
	"varve/store"
)

// leftoverAge is when what may be the work of someone who is still at it is thought to be nobody's. A wrong belief
// costs them a put that fails, never data.
const leftoverAge = 24 * time.Hour

// leftovers lists what is in the store and no object. That it cannot be had only means that it stays.
func (c *collector) leftovers() (all []store.Object) {
	s, ok := c.db.Store().(store.Sweeper)
	if !ok {
		return nil
	}
	for o, err := range s.Leftovers(c.ctx) {
		if err == nil {
			all = append(all, o)
		}
	}
	return all
}

// sweep removes what processes that died in the middle of a put have left, and the empty folders of sessions. left must
// have been listed before the registrations were: where none is, nobody is writing the packs that were begun by then.
func (c *collector) sweep(left []store.Object) {
	if len(left) == 0 {
		return
	}
	s := c.db.Store().(store.Sweeper)
	sessions, err := c.db.Sessions(c.ctx)
	if err != nil {
		return
	}
	for _, o := range left {
		old := c.opt.Now().Sub(o.Modified) >= leftoverAge
		abandoned := strings.HasPrefix(o.Name, "packs/") && !strings.HasSuffix(o.Name, "/") && len(sessions) == 0
		if old || abandoned || c.left(o.Name) {
			_ = s.Discard(c.ctx, o.Name) // what cannot be removed stays for the next collection
			if dir, file := path.Split(o.Name); file != "" && strings.HasPrefix(dir, "sess/") {
				_ = s.Discard(c.ctx, dir)
			}
		}
	}
}

// left reports whether a leftover is the folder of a session that has ended, or in it: it will not write there again.
func (c *collector) left(name string) bool {
	rest, ok := strings.CutPrefix(name, "sess/")
	hexed, _, _ := strings.Cut(rest, "/")
	id, err := object.ParseSID(hexed)
	if !ok || err != nil {
		return false
	}
	_, err = c.db.Store().Get(c.ctx, object.SlotName(id), 0, 1, nil)
	return err == nil
}
