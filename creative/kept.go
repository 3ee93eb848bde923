package creative

import (
	"fmt"
	"sync"

	"varve/format"
)

// keeping is an item of which what formats decode is kept: elements and pixels are asked of one file.
func (it *Item) keeping() *Item {
	out := *it
	out.Input = &kept{Input: it.Input, by: map[string]func() (any, error){}}
	return &out
}

// kept is a format.Keeping.
type kept struct {
	format.Input
	mu sync.Mutex
	by map[string]func() (any, error)
}

// Beside is as of what it keeps for.
func (k *kept) Beside(at string) (format.Input, error) { return format.Beside(k.Input, at) }

// Identity is that of the file that it keeps for, where it has one.
func (k *kept) Identity(off, n int64) (string, bool) {
	if named, ok := k.Input.(identified); ok {
		return named.Identity(off, n)
	}
	return "", false
}

func (k *kept) Kept(name string, make func() (any, error)) (any, error) {
	k.mu.Lock()
	if k.by[name] == nil {
		k.by[name] = sync.OnceValues(make)
	}
	get := k.by[name]
	k.mu.Unlock()
	return get()
}

// identified is a file of the vault: it names its bytes without reading them.
type identified interface {
	Identity(off, n int64) (string, bool)
}

// versions are what the versions of one file have in common.
type versions struct {
	mu sync.Mutex
	by map[string]any
}

// of is an item that shares with the others.
func (v *versions) of(it *Item) {
	if named, ok := it.Input.(identified); ok {
		it.Input = &shared{it.Input, named, v}
	}
}

// shared is a format.Sharing.
type shared struct {
	format.Input
	named identified
	all   *versions
}

// Beside is as of what shares.
func (s *shared) Beside(at string) (format.Input, error) { return format.Beside(s.Input, at) }

func (s *shared) Shared(off, n int64, name string, make func() (any, error)) (any, error) {
	id, ok := s.named.Identity(off, n)
	if !ok {
		return make()
	}
	key := fmt.Sprintf("%s %s", name, id)
	s.all.mu.Lock()
	v, ok := s.all.by[key]
	s.all.mu.Unlock()
	if ok {
		return v, nil
	}
	v, err := make()
	if err == nil {
		s.all.mu.Lock()
		s.all.by[key] = v
		s.all.mu.Unlock()
	}
	return v, err
}

// itself is a file that knows its own bytes again.
type itself struct{ format.Input }

func (itself) Identity(off, n int64) (string, bool) { return fmt.Sprint(off, n), true }

func (i itself) Beside(at string) (format.Input, error) { return format.Beside(i.Input, at) }

// made is what a file became: it knows those of its bytes again that were copied from there.
type made struct {
	*format.Output
	of format.Input
}

func (m made) Identity(off, n int64) (string, bool) {
	at, ok := m.Origin(m.of, off, n)
	return fmt.Sprint(at, n), ok
}

// copied is one of a file and what it became, of which the bytes that were copied from one to the other have a name in both
// instead of a hash. What it became is listed first: of the file, only those bytes that are still used have one.
type copied struct {
	format.Input
	origin func(off, n int64) (at int64, ok bool) // in the file
	became bool
	used   *marks
}

type marks struct {
	mu sync.Mutex
	by map[string]bool
}

// Beside is as of the file.
func (c *copied) Beside(at string) (format.Input, error) { return format.Beside(c.Input, at) }

func (c *copied) Sum(off, n int64, name string, make func() ([]byte, error)) ([]byte, error) {
	at, ok := c.origin(off, n)
	if !ok || n < 1 {
		return make()
	}
	key := fmt.Sprintf("copied %d %d %s", at, n, name)
	c.used.mu.Lock()
	if c.became {
		c.used.by[key] = true
	}
	ok = c.used.by[key]
	c.used.mu.Unlock()
	if !ok {
		return make()
	}
	return []byte(key), nil
}
