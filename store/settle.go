package store

import (
	"context"
	"path"
)

// Settler is a Store that can vouch for what others put: another process may have put an object and not
// come to its Barrier. Who refers to such an object calls Settle instead of Barrier.
type Settler interface {
	// Settle returns nil once every object that was there before it was called will survive power loss.
	Settle(ctx context.Context) error
}

// Settle implements Settler.
func (f *Folder) Settle(ctx context.Context) error {
	last := ""
	for o, err := range f.List(ctx, "") {
		if err != nil {
			return err
		}
		dir := path.Dir(o.Name)
		if dir == last {
			continue
		}
		last = dir
		for ; dir != "."; dir = path.Dir(dir) {
			f.mark(dir)
		}
	}
	f.mark("")
	return f.Barrier(ctx)
}
