package capture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"varve/internal/chunk"
	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/scan"
	"varve/internal/tree"
)

// inlineMax is the size up to which a file is a literal of its entry.
const inlineMax = 512

// A file that changed a moment ago may be changing still, and times do not tell (a write sets them when it
// starts). Such a file is read twice, and again after a pause if the readings differ.
const (
	quiet      = 2 * time.Second
	quietLarge = 10 * time.Second
	hugeFile   = 1 << 30
)

func pauses() []time.Duration {
	return []time.Duration{50 * time.Millisecond, 400 * time.Millisecond, 2 * time.Second}
}

var (
	errChanging = errors.New("changed while it was read")
	errHalf     = errors.New("seems half saved")
)

// HalfAge is the age from which a file that was never kept before is not looked at for being half saved: nobody is at it
// any more, and to look at all of an old project took as long again as its first snapshot.
const HalfAge = time.Minute

// source is a file being read.
type source struct {
	f      disk.File
	info   disk.Info // when it was opened
	quiet  bool      // long enough unchanged that its times can be trusted
	frozen bool      // f is a clone of its own: it holds still, whatever becomes of the file
	began  time.Time
}

// open opens a regular file for reading.
func (k *worker) open(f *scan.Folder, name string) (source, error) {
	file, err := f.Dir.Open(name)
	if err != nil {
		return source{}, err
	}
	info, err := file.Stat()
	if err != nil {
		file.Close()
		return source{}, err
	}
	s := source{f: file, info: info, began: k.c.opt.Now()}
	q := quiet
	if info.Size >= hugeFile {
		q = quietLarge
	}
	s.quiet = s.began.Sub(time.Unix(0, max(info.Mtime, info.Ctime))) >= q
	if !s.quiet && info.Size >= cloneFrom {
		k.freeze(&s)
	}
	return s, nil
}

// cloneFrom is the size from which a file that may be changing is read from a clone. Smaller ones are read
// twice for less.
const cloneFrom = 1 << 20

// freeze makes s read from a clone of the file where the file system can share blocks: a clone is made in one
// step, so it is never torn. Where it cannot, s is as before.
func (k *worker) freeze(s *source) {
	d := k.c.opt.Scratch
	if d == nil || k.c.unclonable.Load() {
		return
	}
	name := fmt.Sprintf("clone-%d-%d", s.began.UnixNano(), k.c.clones.Add(1))
	f, err := d.Create(name, 0o600)
	if err != nil {
		k.c.unclonable.Store(true)
		return
	}
	err = disk.Clone(s.f, f)
	d.Remove(name) // an open file needs no name; where it does, the next snapshot does not mind the rest
	var cloned, now disk.Info
	if err == nil {
		cloned, err = f.Stat()
	}
	if err == nil {
		now, err = s.f.Stat()
	}
	if err != nil {
		f.Close()
		k.c.unclonable.Store(true)
		return
	}
	s.f.Close()
	s.f, s.info, s.frozen = f, now, true
	s.info.Size, s.info.Allocated = cloned.Size, cloned.Allocated
}

// still reports whether the open file, and what its name stands for, are as they were when it was opened.
func (s *source) still(f *scan.Folder, name string) bool {
	if s.frozen {
		return true
	}
	now, err := s.f.Stat()
	if err != nil || !sameFile(&now, &s.info) {
		return false
	}
	named, err := f.Dir.Stat(name)
	return err == nil && sameFile(&named, &s.info)
}

func sameFile(a, b *disk.Info) bool {
	return a.Size == b.Size && a.Mtime == b.Mtime && a.Ctime == b.Ctime && a.Inode == b.Inode && a.Device == b.Device
}

// racy reports whether a later change could leave the file's times as they are.
func (c *capture) racy1(s *source) bool {
	return !time.Unix(0, max(s.info.Mtime, s.info.Ctime)).Before(s.began.Add(-c.opt.Granularity))
}

// batch reads small files of one folder.
func (k *worker) batch(f *scan.Folder, st *folder, which []int) error {
	for _, i := range which {
		if err := k.c.ctx.Err(); err != nil {
			return context.Cause(k.c.ctx)
		}
		if err := k.settleFile(f, st, i, k.small); err != nil {
			return err
		}
	}
	k.c.tell()
	return nil
}

// settleFile reads a file until it holds still, or keeps it marked unstable, or reports it.
func (k *worker) settleFile(f *scan.Folder, st *folder, i int, read func(*scan.Folder, *folder, int, *tree.Entry) (outcome, error)) error {
	e := &f.Entries[i]
	k.c.files.Add(1)
	k.c.bytes.Add(e.Size)
	if k.linked(f, st, i) {
		return nil
	}
	t := entryOf(&e.Entry)
	for try := 0; ; try++ {
		got, err := read(f, st, i, &t)
		var ve vaultError
		switch {
		case errors.As(err, &ve):
			return ve.error
		case k.c.ctx.Err() != nil:
			return context.Cause(k.c.ctx)
		case errors.Is(err, errChanging) && try < len(pauses()):
			if err := k.c.opt.Sleep(k.c.ctx, pauses()[try]); err != nil {
				return err
			}
			continue
		case errors.Is(err, errChanging):
			t.Flags |= tree.Unstable
			got = keptRacy
		case errors.Is(err, errHalf) && try < len(pauses()) && k.c.waits(&t, pauses()[try]):
			if err := k.c.opt.Sleep(k.c.ctx, pauses()[try]); err != nil {
				return err
			}
			continue
		case errors.Is(err, errHalf):
			t.Flags |= tree.Suspect
		case err != nil:
			k.c.fail(f.Join(e.Name), err)
			st.status[i] = failed
			return nil
		}
		st.out[i], st.status[i] = t, got
		k.c.read.Add(1)
		k.link(f, i, &t)
		return nil
	}
}

// halfPatience is how long a snapshot waits for files that seem half saved, all in all: a project may be full of files
// that are damaged on purpose.
const halfPatience = 5 * time.Second

// waits reports whether the application of a file that seems half saved may be at it, and there is patience left.
func (c *capture) waits(t *tree.Entry, pause time.Duration) bool {
	return c.opt.Now().Sub(time.Unix(0, t.Mtime)) < quietLarge && c.waited.Add(int64(pause)) <= int64(halfPatience)
}

// vaultError is a failure of the vault, which ends the snapshot; all others are of the source.
type vaultError struct{ error }

func (e vaultError) Unwrap() error { return e.error }

// linked takes the content of a file from another name of the same inode, if that was read already.
func (k *worker) linked(f *scan.Folder, st *folder, i int) bool {
	e := &f.Entries[i]
	if e.Links < 2 {
		return false
	}
	k.c.mu.Lock()
	first := k.c.links[inode{e.Device, e.Inode}]
	k.c.mu.Unlock()
	if first == nil || first.Size != e.Size || first.Mtime != e.Mtime {
		return false
	}
	t := *first
	t.Name = e.Name
	st.out[i], st.status[i] = t, kept
	return true
}

func (k *worker) link(f *scan.Folder, i int, t *tree.Entry) {
	e := &f.Entries[i]
	if e.Links < 2 || t.Flags&tree.Unstable != 0 || k.c.racyTime(t.Mtime) {
		return
	}
	own := *t
	k.c.mu.Lock()
	k.c.links[inode{e.Device, e.Inode}] = &own
	k.c.mu.Unlock()
}

func (c *capture) racyTime(mtime int64) bool {
	return c.opt.Now().Sub(time.Unix(0, mtime)) < quiet
}

// small reads a file into memory and stores it.
func (k *worker) small(f *scan.Folder, st *folder, i int, t *tree.Entry) (outcome, error) {
	name := f.Entries[i].Name
	s, err := k.open(f, name)
	if err != nil {
		return failed, err
	}
	defer s.f.Close()
	if s.info.Size > largeFile { // it grew since it was listed
		return k.stream(f, st, i, t, &s)
	}
	if k.buf, err = readAll(s.f, k.buf, s.info.Size); err != nil {
		return failed, err
	}
	k.c.readSize.Add(int64(len(k.buf)))
	changing := int64(len(k.buf)) != s.info.Size || !s.still(f, name)
	if !changing && !s.quiet && !s.frozen {
		if k.second, err = readAll(s.f, k.second, s.info.Size); err != nil {
			return failed, err
		}
		changing = !bytes.Equal(k.buf, k.second) || !s.still(f, name)
	}
	if err := k.fill(f, name, t, &s); err != nil {
		return failed, err
	}
	t.Size = int64(len(k.buf))
	if err := k.store(k.buf, st.find(name), t); err != nil {
		return failed, vaultError{err}
	}
	if changing {
		return failed, errChanging
	}
	return k.judge(&s, st.find(name), t, bytes.NewReader(k.buf))
}

// judge says what became of a file that was stored as t and held still: errHalf with it if it seems not to be whole.
func (k *worker) judge(s *source, old *tree.Entry, t *tree.Entry, content io.ReaderAt) (outcome, error) {
	got := kept
	if k.c.racy1(s) {
		got = keptRacy
	}
	if k.c.opt.Half == nil || old == nil && s.began.Sub(time.Unix(0, t.Mtime)) > HalfAge {
		return got, nil
	}
	if k.c.opt.Half(t.Name, content, t.Size) != nil {
		return got, errHalf
	}
	return got, nil
}

// fill sets what the open file says of itself, which may be newer than the listing.
func (k *worker) fill(f *scan.Folder, name string, t *tree.Entry, s *source) error {
	*t = entryOf(&disk.Entry{Name: name, Info: s.info})
	if s.info.Allocated >= 0 && s.info.Allocated < s.info.Size {
		t.Flags |= tree.SparseFile
	}
	var err error
	t.Xattrs, err = f.Dir.Xattrs(name)
	return err
}

// readAll reads the file from its start into buf, one byte more than size if there is more.
func readAll(r io.ReaderAt, buf []byte, size int64) ([]byte, error) {
	if int64(cap(buf)) < size+1 {
		buf = make([]byte, size+1, max(size+1, 64<<10))
	}
	buf = buf[:size+1]
	n, err := r.ReadAt(buf, 0)
	if err != nil && err != io.EOF {
		return buf[:0], err
	}
	return buf[:n], nil
}

// store cuts content that is in memory, stores what is new and sets t's recipe.
func (k *worker) store(b []byte, old *tree.Entry, t *tree.Entry) error {
	if k.c.opt.SHA256 && len(b) > inlineMax {
		k.sha.Reset()
		k.sha.Write(b)
		k.sha.Sum(t.SHA256[:0])
		t.Flags |= tree.HasSHA256
	}
	if len(b) <= inlineMax {
		k.startRecipe(chunk.Medium)
		if len(b) > 0 {
			if err := k.recipe.Add(&tree.Item{Kind: tree.Literal, Len: int64(len(b)), Bytes: b}); err != nil {
				return err
			}
		}
		return k.recipeDone(t)
	}
	class := k.class(old, t)
	l := k.layout(t.Name, bytes.NewReader(b), int64(len(b)), class)
	k.cut.Reset(class, l.cuts())
	var used int
	if k.pieces, used = k.cut.Feed(k.pieces[:0], b, true); used != len(b) {
		return fmt.Errorf("cut %s: %d of %d bytes", t.Name, used, len(b))
	}
	return k.storePieces(b, class, l, old, t)
}

// class is how the file was cut before, or how its kind is cut.
func (k *worker) class(old *tree.Entry, t *tree.Entry) chunk.Class {
	if old != nil && old.Type == disk.Regular && old.Size > inlineMax {
		if old.Content != nil {
			if r, err := tree.DecodeRecipe(old.Content); err == nil && chunk.Class(r.Class).Valid() {
				return chunk.Class(r.Class)
			}
		} else if c, err := tree.RecipeClass(k.c.ctx, k.get, old); err == nil && chunk.Class(c).Valid() {
			return chunk.Class(c)
		}
	}
	return chunk.ClassFor(t.Name, t.Size)
}

// storePieces stores the pieces of a whole file: those that the vault has are shared; of the others a
// difference or a window delta from the file's last version is stored where that is smaller.
func (k *worker) storePieces(b []byte, class chunk.Class, l *layout, old, t *tree.Entry) error {
	k.startRecipe(class)
	items := make([]tree.Item, 0, len(k.pieces))
	var fresh []int
	for _, p := range k.pieces {
		data := b[p.Off : p.Off+p.Len]
		it, err := k.item(p.Kind, data)
		if err != nil {
			return err
		}
		if p.Kind == chunk.Data {
			have, err := k.w.Has(k.c.ctx, it.Digest)
			if err != nil {
				return err
			}
			if !have {
				fresh = append(fresh, len(items))
			}
		}
		items = append(items, it)
	}
	if len(fresh) > 0 {
		if err := k.storeFresh(b, class, items, fresh, l, old, t); err != nil {
			return err
		}
	}
	for i := range items {
		if err := k.add(&items[i]); err != nil {
			return err
		}
	}
	return k.recipeDone(t)
}

func (k *worker) startRecipe(c chunk.Class) {
	k.recipe.Reset(uint8(c))
	k.run = tree.Item{}
}

// add adds an item to the recipe; runs that carry each other on become one.
func (k *worker) add(it *tree.Item) error {
	if it.Kind == tree.Run {
		next := [chunk.RunPeriod]byte(it.Bytes)
		if k.run.Len > 0 && chunk.Continues([chunk.RunPeriod]byte(k.run.Bytes), k.run.Len, next) {
			k.run.Len += it.Len
			return nil
		}
		if err := k.endRun(); err != nil {
			return err
		}
		k.run = tree.Item{Kind: tree.Run, Len: it.Len, Bytes: append([]byte(nil), it.Bytes...)}
		return nil
	}
	if err := k.endRun(); err != nil {
		return err
	}
	return k.recipe.Add(it)
}

func (k *worker) endRun() error {
	if k.run.Len == 0 {
		return nil
	}
	it := k.run
	k.run = tree.Item{}
	return k.recipe.Add(&it)
}

// item makes the recipe's item of a piece.
func (k *worker) item(kind chunk.Kind, data []byte) (tree.Item, error) {
	switch kind {
	case chunk.Data:
		return tree.Item{Kind: tree.Chunk, Len: int64(len(data)), Digest: k.w.Sum(data)}, nil
	case chunk.Literal:
		return tree.Item{Kind: tree.Literal, Len: int64(len(data)), Bytes: data}, nil
	case chunk.Run:
		return tree.Item{Kind: tree.Run, Len: int64(len(data)), Bytes: data[:chunk.RunPeriod]}, nil
	}
	return tree.Item{}, fmt.Errorf("piece of kind %d", kind)
}

// storeFresh stores the chunks of b that the vault does not have, the items fresh.
func (k *worker) storeFresh(b []byte, class chunk.Class, items []tree.Item, fresh []int, l *layout, old, t *tree.Entry) error {
	var was *former
	if l.typed() {
		was = k.formerOf(old, int64(len(b)), l, class)
	}
	var other []int
	for _, i := range fresh {
		p := k.pieces[i]
		width := l.width(int64(p.Off), p.Len)
		if width == 1 {
			other = append(other, i)
			continue
		}
		if err := k.storeTyped(width, items[i].Digest, b[p.Off:p.Off+p.Len], int64(p.Off), was); err != nil {
			return err
		}
	}
	if len(other) == 0 {
		return nil
	}
	st := streamOf(t.Name)
	bases, err := k.basesOf(items, old)
	if err != nil {
		return err
	}
	for _, i := range other {
		p := k.pieces[i]
		data := b[p.Off : p.Off+p.Len]
		done, err := k.storeDelta(items[i].Digest, data, bases)
		if err != nil {
			return err
		}
		if !done {
			if err := k.w.Store(st, items[i].Digest, data); err != nil {
				return err
			}
		}
	}
	return nil
}

// recipeDone ends the recipe and puts it into the entry.
func (k *worker) recipeDone(t *tree.Entry) error {
	if err := k.endRun(); err != nil {
		return err
	}
	content, root, size, err := k.recipe.Finish()
	if err != nil {
		return err
	}
	t.Content, t.Recipe, t.Size = content, root, size
	return nil
}

// basesOf loads the chunks of the file's last version that the new one does not have, as bases for
// window deltas.
func (k *worker) basesOf(items []tree.Item, old *tree.Entry) ([]digest.Digest, error) {
	if old == nil || old.Type != disk.Regular || old.Size <= inlineMax || k.w.Drafts() {
		return nil, nil
	}
	have := make(map[digest.Digest]bool, len(items))
	for i := range items {
		have[items[i].Digest] = true
	}
	var gone []digest.Digest
	for it, err := range tree.Items(k.c.ctx, k.get, old) {
		if err != nil {
			return nil, k.c.ctx.Err()
		}
		if it.Kind == tree.Chunk && !have[it.Digest] {
			have[it.Digest] = true
			gone = append(gone, it.Digest)
		}
	}
	return k.loadBases(gone)
}

// windowBytes bounds the bases that one window holds.
const windowBytes = 32 << 20

// loadBases fills the window with the chunks named, or what they were made from where they are deltas
// themselves. Bases that cannot be had are left out.
func (k *worker) loadBases(from []digest.Digest) ([]digest.Digest, error) {
	k.window.Reset()
	var bases []digest.Digest
	seen := make(map[digest.Digest]bool, len(from))
	total := 0
	for _, d := range from {
		whole, err := k.r.Base(k.c.ctx, d)
		if err != nil {
			return nil, err
		}
		for _, b := range whole {
			if seen[b] || total >= windowBytes {
				continue
			}
			seen[b] = true
			if usable, err := k.w.Has(k.c.ctx, b); err != nil || !usable {
				continue
			}
			plain, err := k.r.Get(k.c.ctx, b, nil)
			if err != nil {
				if k.c.ctx.Err() != nil {
					return nil, k.c.ctx.Err()
				}
				continue
			}
			if !k.window.Add(plain) {
				continue // it would have no number
			}
			bases = append(bases, b)
			total += len(plain)
		}
	}
	return bases, nil
}

// storeDelta stores data as a delta against the window if that pays.
func (k *worker) storeDelta(d digest.Digest, data []byte, bases []digest.Digest) (bool, error) {
	if len(bases) == 0 {
		return false, nil
	}
	payload, used, ok := k.window.Encode(nil, data, len(data)*3/4)
	if !ok || len(used) == 0 {
		return false, nil
	}
	names := make([]digest.Digest, len(used))
	for i, n := range used {
		names[i] = bases[n]
	}
	return true, k.w.StoreDelta(d, len(data), payload, names)
}
