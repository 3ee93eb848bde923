package store

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"
)

// Memory is a Store in memory. It is as strict as the strictest store: "a" and "a/b" exclude each other.
type Memory struct {
	// Now tells the time of arrival; nil: unknown. Set it before first use.
	Now func() time.Time

	mu      sync.RWMutex
	objects map[string]memoryObject
	names   []string // the keys of objects, sorted
}

type memoryObject struct {
	content  []byte // never changed
	modified time.Time
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	return &Memory{objects: map[string]memoryObject{}}
}

// Describe implements Described. Nothing in memory survives power loss, so it is not Durable.
func (m *Memory) Describe() Traits {
	return Traits{Local: true, CreateIfAbsent: true, ListsAtOnce: true, Deletes: true}
}

// Put implements Store.
func (m *Memory) Put(ctx context.Context, name string, parts ...[]byte) error {
	if err := ready(ctx, name); err != nil {
		return fmt.Errorf("put: %w", err)
	}
	o := memoryObject{content: bytes.Join(parts, nil)}
	if m.Now != nil {
		o.modified = m.Now()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, taken := m.objects[name]; taken {
		return fmt.Errorf("put %s: %w", name, fs.ErrExist)
	}
	if m.nested(name) {
		return fmt.Errorf("put %s: an object lies above or below it: %w", name, ErrName)
	}
	m.objects[name] = o
	at, _ := slices.BinarySearch(m.names, name)
	m.names = slices.Insert(m.names, at, name)
	return nil
}

// nested reports whether a directory of name is an object, or name is a directory of one.
func (m *Memory) nested(name string) bool {
	for dir, _ := splitName(name); dir != ""; dir, _ = splitName(dir) {
		if _, is := m.objects[dir]; is {
			return true
		}
	}
	below := name + "/"
	at, _ := slices.BinarySearch(m.names, below)
	return at < len(m.names) && strings.HasPrefix(m.names[at], below)
}

// Get implements Store.
func (m *Memory) Get(ctx context.Context, name string, off, n int64, dst []byte) ([]byte, error) {
	content, err := m.content(ctx, name)
	if err != nil {
		return dst, fmt.Errorf("get: %w", err)
	}
	n, err = span(off, n, int64(len(content)))
	if err != nil {
		return dst, fmt.Errorf("get %s: %w", name, err)
	}
	return append(dst, content[off:off+n]...), nil
}

func (m *Memory) content(ctx context.Context, name string) ([]byte, error) {
	if err := ready(ctx, name); err != nil {
		return nil, err
	}
	m.mu.RLock()
	defer m.mu.RUnlock()
	o, ok := m.objects[name]
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
	}
	return o.content, nil
}

// List implements Store. It holds no lock while the caller has an object.
func (m *Memory) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		if err := CheckPrefix(prefix); err != nil {
			yield(Object{}, fmt.Errorf("list: %w", err))
			return
		}
		from := prefix
		for {
			if err := ctx.Err(); err != nil {
				yield(Object{}, fmt.Errorf("list %s: %w", prefix, err))
				return
			}
			o, ok := m.from(from)
			if !ok || !strings.HasPrefix(o.Name, prefix) || !yield(o, nil) {
				return
			}
			from = o.Name + "\x00" // the least string above the name
		}
	}
}

// from returns the first object whose name is not below least.
func (m *Memory) from(least string) (Object, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	at, _ := slices.BinarySearch(m.names, least)
	if at == len(m.names) {
		return Object{}, false
	}
	name := m.names[at]
	o := m.objects[name]
	return Object{Name: name, Size: int64(len(o.content)), Modified: o.modified}, true
}

// Delete implements Store.
func (m *Memory) Delete(ctx context.Context, name string) error {
	if err := ready(ctx, name); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if at, found := slices.BinarySearch(m.names, name); found {
		m.names = slices.Delete(m.names, at, at+1)
		delete(m.objects, name)
	}
	return nil
}

// Barrier implements Store.
func (m *Memory) Barrier(ctx context.Context) error { return ctx.Err() }

// Stat implements Stater.
func (m *Memory) Stat(ctx context.Context, name string) (Object, error) {
	if err := ready(ctx, name); err != nil {
		return Object{}, fmt.Errorf("stat: %w", err)
	}
	o, ok := m.from(name)
	if !ok || o.Name != name {
		return Object{}, fmt.Errorf("stat %s: %w", name, fs.ErrNotExist)
	}
	return o, nil
}

// Open implements Ranger. The Reader goes on reading an object deleted meanwhile.
func (m *Memory) Open(ctx context.Context, name string) (Reader, error) {
	content, err := m.content(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	return memoryReader{bytes.NewReader(content)}, nil
}

type memoryReader struct{ *bytes.Reader }

func (memoryReader) Close() error { return nil }

// ready refuses a bad name and a context that is done.
func ready(ctx context.Context, name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}
