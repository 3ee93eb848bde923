// Package scan walks a live folder, obeys ignore rules, and says what changed against the last snapshot.
//
// It promises that a file is called unchanged only if type, mode, owner, size, times, inode and links are
// as they were when its content was last read, and that reading came long enough after its last change;
// that an ignored directory is not entered; and that memory grows with the depth and width of the folders
// under way, not with the number of files. What it writes is the stat cache (cache.go).
package scan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"varve/internal/disk"
	"varve/internal/scan/ignore"
)

// State is what the cache says of an entry.
type State uint8

// The states. Touched means that only the change time, the mode, the owner or the links differ: the
// content is probably the same but must be read to know.
const (
	New State = iota
	Changed
	Touched
	Same
)

// Entry is an entry of a live folder.
type Entry struct {
	disk.Entry
	State State
	child uint64 // a directory's record in the cache
}

// Folder is a directory under way. Walk's callbacks may use it until they leave it.
type Folder struct {
	Parent  *Folder
	Name    string // in its parent; "" for the root
	Depth   int
	Info    disk.Info // of the directory itself, as its parent lists it
	Index   int       // in the parent's Entries
	Dir     disk.Dir  // open until the folder is left
	Entries []Entry   // those not ignored, ascending by name
	Same    bool      // every entry is Same, and no name has gone
	Cached  *Record   // nil where the cache does not know the folder
	Err     error     // the directory could not be read; Entries is then empty
	Hidden  int64     // entries left out by rules
	HiddenB int64     // and their bytes, directories not counted
	User    any       // the caller's

	rules   *ignore.Matcher
	pending int // tasks and subfolders not done; guarded by the walk
}

// Path returns the folder's path in the project, with slashes, "" for the root.
func (f *Folder) Path() string {
	n := 0
	for g := f; g.Parent != nil; g = g.Parent {
		n += len(g.Name) + 1
	}
	if n == 0 {
		return ""
	}
	b := make([]byte, n-1)
	for g := f; g.Parent != nil; g = g.Parent {
		n -= len(g.Name) + 1
		copy(b[n:], g.Name)
		if n > 0 {
			b[n-1] = '/'
		}
	}
	return string(b)
}

// Join returns the path of an entry of f.
func (f *Folder) Join(name string) string {
	if f.Parent == nil {
		return name
	}
	return f.Path() + "/" + name
}

// Options say how to walk.
type Options struct {
	Workers int // goroutines; at least 1
	Cache   *Cache
	Rules   [][]*ignore.Rule // of the root, the weakest first
	Fold    bool             // rules do not tell upper from lower case
	Files   []string         // names of ignore files to read in each folder, e.g. ".varveignore"
	Skip    func(disk.Info) bool
	// Enter is called when a folder was listed, on some worker. Leave is called after its tasks are done
	// and its subfolders left.
	Enter func(w *Walker, f *Folder) error
	Leave func(w *Walker, f *Folder) error
	// Ignored, if set, is told of every entry that rules leave out.
	Ignored func(f *Folder, e *disk.Entry, by *ignore.Rule)
}

const maxDepth = 4096 // of folders; deeper ones are an error of the folder, not of the walk

// ErrDeep says that folders are nested too deep to be kept.
var ErrDeep = errors.New("folders are nested too deep")

// Walker is a worker of a walk.
type Walker struct {
	Worker int // 0 to Workers-1: for state of the caller's own
	walk   *walk
	list   []disk.Entry
	status []byte
}

type task struct {
	f   *Folder
	run func(*Walker) error // nil: list f
}

type walk struct {
	ctx   context.Context
	opt   Options
	mu    sync.Mutex
	wake  sync.Cond
	stack []task // last in, first out: the walk goes down before it goes on
	light []func(*Walker)
	live  int // tasks queued or running
	err   error
}

// Walk walks the folder root. The first error of a callback ends it.
func Walk(ctx context.Context, root disk.Dir, opt Options) error {
	w := &walk{ctx: ctx, opt: opt}
	w.wake.L = &w.mu
	info, err := root.Stat(".")
	if err != nil {
		return err
	}
	f := &Folder{Dir: root, Info: info, pending: 1}
	if opt.Cache != nil {
		f.Cached = opt.Cache.Root()
	}
	w.push(task{f: f})
	stop := context.AfterFunc(ctx, func() { w.fail(context.Cause(ctx)) })
	defer stop()
	var wg sync.WaitGroup
	for i := range opt.Workers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			(&Walker{Worker: i, walk: w}).work()
		}()
	}
	wg.Wait()
	return w.err
}

func (w *walk) push(ts ...task) {
	w.mu.Lock()
	w.stack = append(w.stack, ts...)
	w.live += len(ts)
	w.mu.Unlock()
	w.wake.Broadcast()
}

func (w *walk) fail(err error) {
	w.mu.Lock()
	if w.err == nil {
		w.err = err
	}
	w.mu.Unlock()
	w.wake.Broadcast()
}

// pop waits for a task; ok is false when all is done or failed. Light tasks go first: someone waits for
// them.
func (w *walk) pop() (t task, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.stack) == 0 && len(w.light) == 0 && w.live > 0 && w.err == nil {
		w.wake.Wait()
	}
	if w.err != nil || w.live == 0 {
		return t, false
	}
	if run := w.popLight(); run != nil {
		return task{run: func(wk *Walker) error { run(wk); return nil }}, true
	}
	t = w.stack[len(w.stack)-1]
	w.stack[len(w.stack)-1] = task{}
	w.stack = w.stack[:len(w.stack)-1]
	return t, true
}

// popLight returns the oldest light task, or nil; w.mu is held.
func (w *walk) popLight() func(*Walker) {
	if len(w.light) == 0 {
		return nil
	}
	run := w.light[0]
	w.light = append(w.light[:0], w.light[1:]...)
	return run
}

func (w *walk) done() {
	w.mu.Lock()
	w.live--
	last := w.live == 0
	w.mu.Unlock()
	if last {
		w.wake.Broadcast()
	}
}

// Spawn queues work that a running task waits for. It may run on any worker, also after a failure.
func (wk *Walker) Spawn(run func(*Walker)) {
	w := wk.walk
	w.mu.Lock()
	w.light = append(w.light, run)
	w.live++
	w.mu.Unlock()
	w.wake.Signal()
}

// Help runs one spawned task, if any is queued, and reports whether it did. A task that waits for what it
// spawned calls it, so that the walk cannot stand still.
func (wk *Walker) Help() bool {
	w := wk.walk
	w.mu.Lock()
	run := w.popLight()
	w.mu.Unlock()
	if run == nil {
		return false
	}
	run(wk)
	w.done()
	return true
}

func (wk *Walker) work() {
	for {
		t, ok := wk.walk.pop()
		if !ok {
			return
		}
		if err := wk.perform(t); err != nil {
			wk.walk.fail(err)
		}
		wk.walk.done()
	}
}

func (wk *Walker) perform(t task) error {
	if t.run == nil {
		if err := wk.enter(t.f); err != nil {
			return err
		}
	} else if err := t.run(wk); err != nil {
		return err
	}
	return wk.finish(t.f) // of no folder for a light task
}

// Do queues work that belongs to f: f is not left before it is done.
func (wk *Walker) Do(f *Folder, run func(*Walker) error) {
	wk.walk.mu.Lock()
	f.pending++
	wk.walk.mu.Unlock()
	wk.walk.push(task{f, run})
}

// finish counts a task of f as done, and leaves f, and its parents, when it was the last.
func (wk *Walker) finish(f *Folder) error {
	for f != nil {
		wk.walk.mu.Lock()
		f.pending--
		left := f.pending
		wk.walk.mu.Unlock()
		if left > 0 {
			return nil
		}
		err := wk.walk.opt.Leave(wk, f)
		if f.Parent != nil && f.Dir != nil {
			f.Dir.Close()
		}
		if err != nil {
			return err
		}
		f = f.Parent
	}
	return nil
}

// enter opens and lists f, compares it with the cache and queues its subfolders.
func (wk *Walker) enter(f *Folder) error {
	if err := wk.open(f); err != nil {
		f.Err = err
	} else {
		wk.compare(f)
	}
	if err := wk.walk.opt.Enter(wk, f); err != nil {
		return err
	}
	var subs []task
	for i := len(f.Entries) - 1; i >= 0; i-- {
		e := &f.Entries[i]
		if e.Type != disk.Directory {
			continue
		}
		sub := &Folder{Parent: f, Name: e.Name, Depth: f.Depth + 1, Info: e.Info, Index: i, pending: 1, rules: f.rules}
		if f.Cached != nil && e.child != 0 {
			sub.Cached = f.Cached.child(e.child)
		}
		subs = append(subs, task{f: sub})
	}
	if len(subs) == 0 {
		return nil
	}
	wk.walk.mu.Lock()
	f.pending += len(subs)
	wk.walk.mu.Unlock()
	wk.walk.push(subs...)
	return nil
}

// open opens and lists f and applies the rules.
func (wk *Walker) open(f *Folder) error {
	if f.Depth > maxDepth {
		return fmt.Errorf("%d levels: %w", f.Depth, ErrDeep)
	}
	if f.Parent != nil {
		d, err := f.Parent.Dir.OpenDir(f.Name)
		if err != nil {
			return err
		}
		f.Dir = d
	}
	var err error
	if wk.list, err = f.Dir.List(wk.list[:0]); err != nil {
		return err
	}
	if err := wk.rules(f); err != nil {
		return err
	}
	kept := make([]Entry, 0, len(wk.list))
	for i := range wk.list {
		e := &wk.list[i]
		if ours(e) || wk.walk.opt.Skip != nil && wk.walk.opt.Skip(e.Info) {
			continue
		}
		if hide, by := f.rules.Match(e.Name, e.Type == disk.Directory); hide {
			f.Hidden++
			if e.Type == disk.Regular {
				f.HiddenB += e.Size
			}
			if wk.walk.opt.Ignored != nil {
				wk.walk.opt.Ignored(f, e, by)
			}
			continue
		}
		kept = append(kept, Entry{Entry: *e})
	}
	f.Entries = kept
	return nil
}

// ours reports whether an entry is varve's own: its folder, or what an interrupted restore left.
func ours(e *disk.Entry) bool {
	return e.Name == ".varve" && e.Type == disk.Directory || strings.HasPrefix(e.Name, ".varve-restore-") || disk.IsTemp(e.Name)
}

const maxIgnoreFile = 1 << 20

// rules reads the ignore files of f. One that cannot be read fails the folder: to go on would keep, or
// leave out, what the user did not mean.
func (wk *Walker) rules(f *Folder) error {
	var found [][]*ignore.Rule
	for _, name := range wk.walk.opt.Files {
		if !listed(wk.list, name) {
			continue
		}
		b, err := disk.ReadFile(f.Dir, name, maxIgnoreFile)
		if err != nil {
			return fmt.Errorf("ignore rules: %w", err)
		}
		found = append(found, ignore.Parse(f.Join(name), b))
	}
	if f.Parent != nil {
		f.rules = f.rules.Enter(f.Name, found...)
	} else {
		f.rules = ignore.New(ignore.Options{FoldCase: wk.walk.opt.Fold}, append(slices.Clip(wk.walk.opt.Rules), found...)...)
	}
	return nil
}

func listed(list []disk.Entry, name string) bool {
	lo, hi := 0, len(list)
	for lo < hi {
		mid := (lo + hi) / 2
		if list[mid].Name < name {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < len(list) && list[lo].Name == name && list[lo].Type == disk.Regular
}

// compare sets the states of f's entries. Both lists ascend by name.
func (wk *Walker) compare(f *Folder) {
	r := f.Cached
	if r == nil {
		return
	}
	same := r.Device == f.Info.Device
	old, rest, ok := next(r.entries)
	for i := range f.Entries {
		e := &f.Entries[i]
		for ok && string(old.name) < e.Name { // gone
			same = false
			old, rest, ok = next(rest)
		}
		if !ok || string(old.name) != e.Name {
			same = false
			continue
		}
		wk.status = appendStatus(wk.status[:0], &e.Info)
		e.State = state(old, wk.status, r.Device == f.Info.Device)
		e.child = old.child
		same = same && e.State == Same
		old, rest, ok = next(rest)
	}
	f.Same = same && !ok
}

func state(old cached, now []byte, device bool) State {
	switch {
	case old.status[0] != now[0]:
		return New
	case disk.Type(now[0]) == disk.Directory:
		if bytes.Equal(old.status, now) {
			return Same
		}
		return Touched
	case old.racy || !device:
		return Changed
	case bytes.Equal(old.status, now):
		return Same
	case statusSizeOf(old.status) == statusSizeOf(now) && statusMtimeOf(old.status) == statusMtimeOf(now):
		return Touched
	}
	return Changed
}

// Gone calls fn with the names that the cache knows in f and that are not there any more, with inodes.
func (f *Folder) Gone(fn func(name string, t disk.Type, inode uint64)) {
	if f.Cached == nil || f.Err != nil {
		return
	}
	i := 0
	for old, rest, ok := next(f.Cached.entries); ok; old, rest, ok = next(rest) {
		for i < len(f.Entries) && f.Entries[i].Name < string(old.name) {
			i++
		}
		if i >= len(f.Entries) || f.Entries[i].Name != string(old.name) {
			fn(string(old.name), disk.Type(old.status[0]), statusInodeOf(old.status))
		}
	}
}
