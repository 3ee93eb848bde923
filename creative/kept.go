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
