package store

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"

	"varve/internal/disk"
)

// counted counts the directories open below it.
type counted struct {
	disk.Dir
	open *atomic.Int64
}

func (c counted) OpenDir(name string) (disk.Dir, error) {
	d, err := c.Dir.OpenDir(name)
	if err != nil {
		return nil, err
	}
	c.open.Add(1)
	return counted{d, c.open}, nil
}

func (c counted) Publish(name string, to disk.Dir, newName string) error {
	return c.Dir.Publish(name, to.(counted).Dir, newName)
}

func (c counted) Close() error {
	c.open.Add(-1)
	return c.Dir.Close()
}

// TestHandlesAreBounded: with more directories than handles all goes on, and no handle is lost or kept.
func TestHandlesAreBounded(t *testing.T) {
	const limit, workers = 5, 4
	var open atomic.Int64
	f := NewFolder(counted{disk.NewMemory(disk.MemoryOptions{}).Root(), &open})
	f.handles = newHandles(limit)
	ctx := t.Context()
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			r := rand.New(rand.NewPCG(uint64(w), 0))
			for i := range 200 {
				name := fmt.Sprintf("p/%d/%d/w%d-%d", r.IntN(5), r.IntN(5), w, i)
				if err := f.Put(ctx, name, []byte(name)); err != nil {
					t.Error(err)
				}
				if got, err := f.Get(ctx, name, 0, -1, nil); err != nil || string(got) != name {
					t.Errorf("%q, %v", got, err)
				}
				// Each worker uses at most a directory, its parent and one being opened.
				if n := open.Load(); n > limit+3*workers {
					t.Errorf("%d directories open", n)
				}
				if i%50 == 0 {
					if err := f.Barrier(ctx); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	all.Wait()
	if n := open.Load(); n != limit {
		t.Errorf("%d directories open at rest, want %d", n, limit)
	}
	for _, err := range f.List(ctx, "") {
		if err != nil {
			t.Fatal(err)
		}
	}
	for range f.List(ctx, "p/1/") {
		break
	}
	for range f.Leftovers(ctx) {
		break
	}
	if n := open.Load(); n != limit {
		t.Errorf("%d directories open after listings, want %d", n, limit)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if n := open.Load(); n != -1 { // the root was not counted when it was opened
		t.Errorf("%d directories open after Close", n)
	}
}
