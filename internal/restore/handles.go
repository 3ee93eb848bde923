package restore

import (
	"container/list"
	"sync"

	"varve/internal/disk"
)

const maxHandles = 192 // of the 1024 descriptors that a process may usually have

// handles keeps directories below a root open, the last used ones. It is safe for concurrent use.
type handles struct {
	root disk.Dir

	mu   sync.Mutex
	by   map[string]*handle
	idle list.List // of *handle, the last used in front
}

type handle struct {
	disk.Dir
	path string
	uses int
	elem *list.Element // in idle, or nil
	lost bool          // close when unused
}

func newHandles(root disk.Dir) *handles { return &handles{root: root, by: map[string]*handle{}} }

// get opens the directory at path, element by element, following no link. put gives it back.
func (c *handles) get(path string) (*handle, error) {
	if path == "" {
		return &handle{Dir: c.root, uses: 1}, nil
	}
	c.mu.Lock()
	if h := c.by[path]; h != nil {
		c.take(h)
		c.mu.Unlock()
		return h, nil
	}
	c.mu.Unlock()
	up, err := c.get(parentOf(path))
	if err != nil {
		return nil, err
	}
	d, err := up.OpenDir(baseOf(path))
	c.put(up)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.by[path]; h != nil {
		d.Close()
		c.take(h)
		return h, nil
	}
	h := &handle{Dir: d, path: path, uses: 1}
	c.by[path] = h
	return h, nil
}

func (c *handles) take(h *handle) {
	h.uses++
	if h.elem != nil {
		c.idle.Remove(h.elem)
		h.elem = nil
	}
}

func (c *handles) put(h *handle) {
	if h.path == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.uses--; h.uses > 0 {
		return
	}
	if h.lost {
		h.Close()
		return
	}
	h.elem = c.idle.PushFront(h)
	if c.idle.Len() > maxHandles {
		old := c.idle.Remove(c.idle.Back()).(*handle)
		delete(c.by, old.path)
		old.Close()
	}
}

// forget closes all directories: those in use when they are given back. It comes before directories move.
func (c *handles) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.by {
		if h.lost = h.uses > 0; !h.lost {
			h.Close()
		}
	}
	clear(c.by)
	c.idle.Init()
}
