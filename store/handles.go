package store

import (
	"container/list"
	"sync"

	"varve/internal/disk"
)

// maxHandles bounds the open directories of a Folder: twice the usual fan-out, and well below the
// descriptors a process may have.
const maxHandles = 512

// handle is an open directory of a Folder. It is closed when it is neither in the cache nor in use.
type handle struct {
	dir  disk.Dir
	path string // below the root, without slash at either end; "" is the root
	uses int
	in   *list.Element // nil once out of the cache

	// anchored: the parent was noted for the next barrier after this directory was opened. Guarded by
	// the Folder.
	anchored bool
}

// handles caches open directories by path, the least recently used leaving first.
type handles struct {
	mu     sync.Mutex
	open   map[string]*handle
	recent *list.List // of *handle, most recent first
	limit  int
}

func newHandles(limit int) *handles {
	return &handles{open: map[string]*handle{}, recent: list.New(), limit: limit}
}

// take returns the cached handle of path for use, or nil.
func (c *handles) take(path string) *handle {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.open[path]
	if h != nil {
		h.uses++
		c.recent.MoveToFront(h.in)
	}
	return h
}

// add caches dir and returns it for use; if another handle of path came first, that one, and dir is closed.
func (c *handles) add(path string, dir disk.Dir) *handle {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.open[path]; h != nil {
		dir.Close()
		h.uses++
		c.recent.MoveToFront(h.in)
		return h
	}
	h := &handle{dir: dir, path: path, uses: 1}
	h.in = c.recent.PushFront(h)
	c.open[path] = h
	for c.recent.Len() > c.limit {
		c.forget(c.recent.Back().Value.(*handle))
	}
	return h
}

// release ends a use.
func (c *handles) release(h *handle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h.uses--
	if h.uses == 0 && h.in == nil {
		h.dir.Close()
	}
}

// forget takes h out of the cache.
func (c *handles) forget(h *handle) {
	c.recent.Remove(h.in)
	h.in = nil
	delete(c.open, h.path)
	if h.uses == 0 {
		h.dir.Close()
	}
}

// drop forgets path and the directories above it, since one of them may have been removed and made
// again. It reports whether any was cached.
func (c *handles) drop(path string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	dropped := false
	for ; path != ""; path, _ = splitName(path) {
		if h := c.open[path]; h != nil {
			c.forget(h)
			dropped = true
		}
	}
	return dropped
}

// close forgets everything.
func (c *handles) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.recent.Len() > 0 {
		c.forget(c.recent.Back().Value.(*handle))
	}
}
