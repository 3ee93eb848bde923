package capture

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/scan"
	"varve/internal/tree"
)

// folder is what the capture knows of a scan.Folder.
type folder struct {
	old      []tree.Entry // the folder as the parent has it; loaded when it is needed
	hadOld   bool         // the parent has the folder
	oldRoot  digest.Digest
	loaded   bool
	out      []tree.Entry // by index of the scan's entries; nil while everything is as it was
	status   []outcome
	children []child // of directories, by index
	changed  bool    // some subfolder is not as it was
	deep     bool    // something at or below is racy
}

type outcome uint8

const (
	pending outcome = iota
	kept
	keptRacy
	failed
)

type child struct {
	set     bool
	digest  digest.Digest
	summary tree.Summary
	off     uint64
	record  *scan.Record // instead of off: taken over from the old cache
}

// small files are read in batches on one worker, so that neighbours share blocks.
const (
	batchFiles = 64
	batchBytes = 4 << 20
	largeFile  = 4 << 20 // from here on a file is read as a stream
)

func (c *capture) enter(wk *scan.Walker, f *scan.Folder) error {
	k := c.workers[wk.Worker]
	st := &folder{children: make([]child, len(f.Entries))}
	f.User = st
	if f.Hidden > 0 {
		c.mu.Lock()
		c.skipped.Files += f.Hidden
		c.skipped.Bytes += f.HiddenB
		c.mu.Unlock()
	}
	c.locate(f, st)
	if f.Err != nil {
		c.fail(cmp.Or(f.Path(), "."), f.Err)
		st.out, st.status = []tree.Entry{}, []outcome{}
		st.changed = true
		return nil
	}
	defer c.tell()
	if c.opt.Beat != nil {
		if err := c.opt.Beat(c.ctx); err != nil {
			return err
		}
	}
	if f.Same && c.reuse {
		var size int64
		for i := range f.Entries {
			size += f.Entries[i].Size
		}
		c.files.Add(int64(len(f.Entries)))
		c.bytes.Add(size)
		return nil
	}
	if err := k.load(st); err != nil {
		return err
	}
	return k.plan(wk, f, st)
}

// locate finds the folder in the parent's tree.
func (c *capture) locate(f *scan.Folder, st *folder) {
	switch {
	case f.Cached != nil:
		st.oldRoot, st.hadOld = f.Cached.Digest, true
	case c.opt.Parent == nil:
	case f.Parent == nil:
		st.oldRoot, st.hadOld = c.opt.Parent.Root, true
	default:
		if e := f.Parent.User.(*folder).find(f.Name); e != nil && e.Type == disk.Directory {
			st.oldRoot, st.hadOld = e.Dir, true
		}
	}
}

// load reads the folder as the parent has it. A tree that cannot be read costs only its help.
func (k *worker) load(st *folder) error {
	if st.loaded || !st.hadOld {
		return nil
	}
	st.loaded = true
	for e, err := range tree.List(k.c.ctx, k.get, st.oldRoot) {
		if err != nil {
			st.old = nil
			return k.c.ctx.Err()
		}
		st.old = append(st.old, e)
	}
	return nil
}

func (st *folder) find(name string) *tree.Entry {
	i, ok := slices.BinarySearchFunc(st.old, name, func(e tree.Entry, n string) int { return strings.Compare(e.Name, n) })
	if !ok {
		return nil
	}
	return &st.old[i]
}

// plan decides for each entry of a changed folder: take over, describe, or read.
func (k *worker) plan(wk *scan.Walker, f *scan.Folder, st *folder) error {
	st.out, st.status = make([]tree.Entry, len(f.Entries)), make([]outcome, len(f.Entries))
	var batch []int
	var size int64
	order := make([]int, len(f.Entries))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(ext(f.Entries[a].Name), ext(f.Entries[b].Name)) })
	flush := func() {
		if len(batch) > 0 {
			own := batch
			batch, size = nil, 0
			wk.Do(f, func(wk *scan.Walker) error { return k.c.workers[wk.Worker].batch(f, st, own) })
		}
	}
	for _, i := range order {
		e := &f.Entries[i]
		if e.Type == disk.Regular && !k.takeOver(e, st, i) {
			if e.Size > largeFile {
				wk.Do(f, func(wk *scan.Walker) error { return k.c.workers[wk.Worker].large(wk, f, st, i) })
				continue
			}
			if batch, size = append(batch, i), size+e.Size; len(batch) >= batchFiles || size >= batchBytes {
				flush()
			}
			continue
		}
		k.c.files.Add(1)
		k.c.bytes.Add(e.Size)
		if e.Type != disk.Regular {
			if err := k.describe(f, st, i); err != nil {
				return err
			}
		}
	}
	flush()
	return nil
}

func ext(name string) string {
	if i := strings.LastIndexByte(name, '.'); i > 0 {
		return name[i:]
	}
	return ""
}

// takeOver keeps an unchanged file as the parent has it, if all of it is still in the vault.
func (k *worker) takeOver(e *scan.Entry, st *folder, i int) bool {
	if e.State != scan.Same {
		return false
	}
	old := st.find(e.Name)
	if old == nil || old.Type != disk.Regular || old.Flags&(tree.Unstable|tree.Suspect) != 0 {
		return false
	}
	if !k.c.reuse && !k.present(old) {
		return false
	}
	st.out[i], st.status[i] = *old, kept
	return true
}

// present reports whether every chunk of a file may be shared with.
func (k *worker) present(e *tree.Entry) bool {
	if e.Content == nil {
		if have, err := k.w.Has(k.c.ctx, e.Recipe); err != nil || !have {
			return false
		}
	}
	for it, err := range tree.Items(k.c.ctx, k.get, e) {
		if err != nil {
			return false
		}
		if it.Kind != tree.Chunk {
			continue
		}
		if have, err := k.w.Has(k.c.ctx, it.Digest); err != nil || !have {
			return false
		}
	}
	return true
}

// describe fills the entry of what is not a regular file. Directories get their tree when they are left.
func (k *worker) describe(f *scan.Folder, st *folder, i int) error {
	e := &f.Entries[i]
	t := entryOf(&e.Entry)
	var err error
	switch e.Type {
	case disk.Unknown:
		err = errors.New("status cannot be read")
	case disk.Symlink:
		if t.Target, err = f.Dir.Readlink(e.Name); err == nil {
			t.Size = int64(len(t.Target))
			t.Xattrs, err = f.Dir.Xattrs(e.Name)
		}
	default:
		t.Xattrs, err = f.Dir.Xattrs(e.Name)
	}
	if err != nil {
		if k.c.ctx.Err() != nil {
			return k.c.ctx.Err()
		}
		k.c.fail(f.Join(e.Name), err)
		st.status[i] = failed
		return nil
	}
	st.out[i], st.status[i] = t, kept
	return nil
}

// entryOf copies what the file system says.
func entryOf(e *disk.Entry) tree.Entry {
	t := tree.Entry{Name: e.Name, Type: e.Type, Mode: e.Mode, UID: e.UID, GID: e.GID, Mtime: e.Mtime, Attrs: e.Attrs}
	switch e.Type {
	case disk.Regular:
		t.Size = e.Size
		if e.Links > 1 {
			t.LinkGroup = linkGroup(e.Device, e.Inode)
		}
	case disk.CharDevice, disk.BlockDevice:
		t.Rdev = e.Rdev
	}
	return t
}

// linkGroup mixes device and inode to a number that is not 0.
func linkGroup(device, inode uint64) uint64 {
	h := (inode ^ device*0x9e3779b97f4a7c15) * 0xbf58476d1ce4e5b9
	h ^= h >> 31
	return max(h, 1)
}

// leave builds the folder's tree from its entries, or takes it over.
func (c *capture) leave(wk *scan.Walker, f *scan.Folder) error {
	k, st := c.workers[wk.Worker], f.User.(*folder)
	for i := range st.children {
		st.deep = st.deep || st.children[i].record != nil && st.children[i].record.Deep
	}
	if st.out == nil && !st.changed && f.Same && c.reuse && f.Cached != nil {
		c.report(f, st, child{set: true, digest: f.Cached.Digest, summary: f.Cached.Summary, record: f.Cached}, false)
		return nil
	}
	if st.out == nil {
		if err := k.adopt(f, st); err != nil {
			return err
		}
	}
	d, sum, err := k.buildFolder(f, st)
	if err != nil {
		return err
	}
	if c.opt.Parent != nil && f.Err == nil {
		if err := k.compare(f, st); err != nil {
			return err
		}
	}
	off := c.remember(f, st, d, sum)
	c.report(f, st, child{set: true, digest: d, summary: sum, off: off}, !st.hadOld || d != st.oldRoot)
	return nil
}

// adopt takes the entries of an unchanged folder, below which something changed, from the parent.
func (k *worker) adopt(f *scan.Folder, st *folder) error {
	if err := k.load(st); err != nil {
		return err
	}
	st.out, st.status = make([]tree.Entry, len(f.Entries)), make([]outcome, len(f.Entries))
	for i := range f.Entries {
		e := &f.Entries[i]
		old := st.find(e.Name)
		if old == nil || old.Type != e.Type {
			if err := k.again(f, st, i); err != nil {
				return err
			}
			continue
		}
		st.out[i], st.status[i] = *old, kept
	}
	return nil
}

// again reads an entry that the cache knows and the parent's tree does not.
func (k *worker) again(f *scan.Folder, st *folder, i int) error {
	if f.Entries[i].Type == disk.Regular {
		return k.batch(f, st, []int{i})
	}
	return k.describe(f, st, i)
}

func (k *worker) buildFolder(f *scan.Folder, st *folder) (digest.Digest, tree.Summary, error) {
	k.build.Reset()
	for i := range st.out {
		if st.status[i] == failed {
			continue
		}
		e := &st.out[i]
		if e.Type == disk.Directory {
			e.Dir, e.Summary = st.children[i].digest, st.children[i].summary
		}
		if err := k.build.Add(e); err != nil {
			if !errors.Is(err, tree.ErrEntry) {
				return digest.Digest{}, tree.Summary{}, err
			}
			k.c.fail(f.Join(e.Name), err)
			st.status[i] = failed
			return k.buildFolder(f, st) // a builder that refused an entry is spent
		}
	}
	return k.build.Finish()
}

// remember writes the folder's record into the new cache.
func (c *capture) remember(f *scan.Folder, st *folder, d digest.Digest, sum tree.Summary) uint64 {
	entries := make([]scan.CacheEntry, 0, len(f.Entries))
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range f.Entries {
		if st.status[i] == failed {
			continue
		}
		e := scan.CacheEntry{Name: f.Entries[i].Name, Info: &f.Entries[i].Info, Racy: st.status[i] == keptRacy}
		if ch := &st.children[i]; ch.set {
			if ch.record != nil {
				ch.off, ch.record = c.cache.Copy(ch.record), nil
			}
			e.Child = ch.off
		}
		st.deep = st.deep || e.Racy
		entries = append(entries, e)
	}
	return c.cache.Add(d, f.Info.Device, sum, st.deep, entries)
}

// report hands a folder's tree to its parent, or ends the capture's walk.
func (c *capture) report(f *scan.Folder, st *folder, ch child, changed bool) {
	if f.Parent == nil {
		c.root, c.sum, c.rootOff, c.taken = ch.digest, ch.summary, ch.off, ch.record != nil
		return
	}
	up := f.Parent.User.(*folder)
	c.mu.Lock()
	defer c.mu.Unlock()
	up.children[f.Index] = ch
	up.changed = up.changed || changed || ch.record == nil
	up.deep = up.deep || st.deep
}

// compare lists the folder's own changes against the parent snapshot.
func (k *worker) compare(f *scan.Folder, st *folder) error {
	if err := k.load(st); err != nil {
		return err
	}
	i := 0
	for j := range st.out {
		e := &st.out[j]
		name := f.Entries[j].Name
		for i < len(st.old) && st.old[i].Name < name {
			if err := k.removed(f.Join(st.old[i].Name), &st.old[i]); err != nil {
				return err
			}
			i++
		}
		if st.status[j] == failed { // not kept, but not gone either
			if i < len(st.old) && st.old[i].Name == name {
				i++
			}
			continue
		}
		var old *tree.Entry
		if i < len(st.old) && st.old[i].Name == e.Name {
			old = &st.old[i]
			i++
		}
		if err := k.differ(f.Join(e.Name), old, e); err != nil {
			return err
		}
	}
	for ; i < len(st.old); i++ {
		if err := k.removed(f.Join(st.old[i].Name), &st.old[i]); err != nil {
			return err
		}
	}
	return nil
}

func (k *worker) note(kind history.Kind, path string, e *tree.Entry) {
	k.changes = append(k.changes, change{history.Change{Kind: kind, Path: path}, keyOf(k.w.Sum, e)})
}

// keyOf names a file's content; its recipe does, since equal content is cut alike.
func keyOf(sum func([]byte) digest.Digest, e *tree.Entry) contentKey {
	if e.Type != disk.Regular || e.Size == 0 {
		return contentKey{}
	}
	if e.Content == nil {
		return contentKey{e.Recipe, e.Size}
	}
	return contentKey{sum(e.Content), e.Size}
}

func (k *worker) differ(path string, old, e *tree.Entry) error {
	switch {
	case old == nil:
		if e.Type != disk.Directory { // a new folder lists its own entries
			k.note(history.Added, path, e)
		}
	case old.Type != e.Type:
		if err := k.removed(path, old); err != nil {
			return err
		}
		if e.Type != disk.Directory {
			if old.Type == disk.Directory {
				k.note(history.Added, path, e)
			} else {
				k.changes[len(k.changes)-1] = change{history.Change{Kind: history.Modified, Path: path}, contentKey{}}
			}
		}
	case e.Type == disk.Directory:
	case !sameContent(old, e):
		k.note(history.Modified, path, e)
	case !old.Equal(e):
		k.note(history.Touched, path, e)
	}
	return nil
}

func sameContent(a, b *tree.Entry) bool {
	return a.Size == b.Size && a.Recipe == b.Recipe && string(a.Content) == string(b.Content) && a.Target == b.Target && a.Rdev == b.Rdev
}

// removed lists an entry that is gone, with everything below it.
func (k *worker) removed(path string, e *tree.Entry) error {
	if k.gone == nil {
		k.gone = tree.Unrepeated(k.get)
	}
	err := k.removedBelow(path, e)
	if errors.Is(err, tree.ErrRepeats) {
		return nil // nor is one that would hardly end
	}
	return err
}

func (k *worker) removedBelow(path string, e *tree.Entry) error {
	if e.Type != disk.Directory {
		k.note(history.Removed, path, e)
		return nil
	}
	for sub, err := range tree.Below(k.c.ctx, k.gone, e) {
		if err != nil {
			if errors.Is(err, context.Canceled) || errors.Is(err, tree.ErrRepeats) {
				return err
			}
			return nil // a damaged old tree is a finding of verify, not a reason to keep nothing
		}
		if err := k.removedBelow(path+"/"+sub.Name, &sub); err != nil {
			return err
		}
	}
	return nil
}
