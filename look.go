package varve

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"path"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/tree"
)

// Entry is a file, folder, link or special file in a snapshot.
type Entry struct {
	Path   string
	Type   string // file, dir, link, pipe, socket, device
	Mode   fs.FileMode
	Bytes  int64
	Mtime  time.Time
	SHA256 string // of files, where it is known
	Target string // of links
	UID    uint32
	GID    uint32
	Xattrs []string // names
	Flags  []string // unstable, suspect, sparse
}

func typeName(t disk.Type) string {
	switch t {
	case disk.Regular:
		return "file"
	case disk.Directory:
		return "dir"
	case disk.Symlink:
		return "link"
	case disk.Pipe:
		return "pipe"
	case disk.Socket:
		return "socket"
	}
	return "device"
}

func publicEntry(p string, e *tree.Entry) Entry {
	out := Entry{Path: p, Type: typeName(e.Type), Mode: modeOf(e), Bytes: e.Size, Mtime: time.Unix(0, e.Mtime), Target: e.Target, UID: e.UID, GID: e.GID}
	if e.Type == disk.Directory {
		out.Bytes = int64(e.Summary.Bytes)
	}
	if sum, ok := e.Sum(); ok {
		out.SHA256 = hex.EncodeToString(sum[:])
	}
	for _, x := range e.Xattrs {
		out.Xattrs = append(out.Xattrs, x.Name)
	}
	for _, f := range []struct {
		bit  tree.Flags
		name string
	}{{tree.Unstable, "unstable"}, {tree.Suspect, "suspect"}, {tree.SparseFile, "sparse"}} {
		if e.Flags&f.bit != 0 {
			out.Flags = append(out.Flags, f.name)
		}
	}
	return out
}

func modeOf(e *tree.Entry) fs.FileMode {
	m := fs.FileMode(e.Mode & 0o777)
	for _, b := range []struct {
		bit  uint32
		mode fs.FileMode
	}{{0o4000, fs.ModeSetuid}, {0o2000, fs.ModeSetgid}, {0o1000, fs.ModeSticky}} {
		if e.Mode&b.bit != 0 {
			m |= b.mode
		}
	}
	switch e.Type {
	case disk.Directory:
		m |= fs.ModeDir
	case disk.Symlink:
		m |= fs.ModeSymlink
	case disk.Pipe:
		m |= fs.ModeNamedPipe
	case disk.Socket:
		m |= fs.ModeSocket
	case disk.CharDevice:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case disk.BlockDevice:
		m |= fs.ModeDevice
	}
	return m
}

// getter returns a tree.Getter with a Reader of its own.
func (v *Vault) getter() tree.Getter {
	r := v.db.NewReader()
	return func(ctx context.Context, d digest.Digest) ([]byte, error) { return r.Get(ctx, d, nil) }
}

// find returns the entry of a path; the root folder for "".
func (v *Vault) find(ctx context.Context, get tree.Getter, s *Snapshot, p string) (tree.Entry, error) {
	p = cleanPath(p)
	if s.Root.IsZero() { // which would be read as a folder without anything in it
		return tree.Entry{}, fmt.Errorf("%s: %w: there is no root", s.Ref(), ErrCorrupt)
	}
	if p == "" {
		return tree.Entry{Type: disk.Directory, Mode: 0o755, Dir: s.Root, Summary: s.Tree, Mtime: s.Time.UnixNano()}, nil
	}
	e, err := tree.Find(ctx, get, s.Root, p)
	if err != nil {
		return e, fmt.Errorf("%s in %s: %w", p, s.Ref(), err)
	}
	return e, nil
}

// cleanPath makes a path in a snapshot canonical: no slashes at the ends, no dots.
func cleanPath(p string) string {
	p = strings.TrimPrefix(path.Clean("/"+p), "/")
	return p
}

// List yields what lies at a path of a snapshot: the entries of a folder, with everything below it if
// recursive, or the file itself.
func (p *Project) List(ctx context.Context, s *Snapshot, at string, recursive bool) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		get := p.v.getter()
		e, err := p.v.find(ctx, get, s, at)
		if err != nil {
			yield(Entry{}, err)
			return
		}
		at := cleanPath(at)
		if e.Type != disk.Directory {
			yield(publicEntry(at, &e), nil)
			return
		}
		get = tree.Unrepeated(get)
		folder := tree.Below(ctx, get, &e)
		if at == "" { // what the manifest says of the whole is for people
			folder = tree.List(ctx, get, e.Dir)
		}
		listTree(ctx, get, at, folder, recursive, yield)
	}
}

func listTree(ctx context.Context, get tree.Getter, at string, folder iter.Seq2[tree.Entry, error], recursive bool, yield func(Entry, error) bool) bool {
	for e, err := range folder {
		if err != nil {
			yield(Entry{}, err)
			return false
		}
		p := path.Join(at, e.Name)
		if !yield(publicEntry(p, &e), nil) {
			return false
		}
		if recursive && e.Type == disk.Directory && !listTree(ctx, get, p, tree.Below(ctx, get, &e), true, yield) {
			return false
		}
	}
	return true
}

// Stat returns the entry at a path of a snapshot.
func (p *Project) Stat(ctx context.Context, s *Snapshot, at string) (Entry, error) {
	e, err := p.v.find(ctx, p.v.getter(), s, at)
	return publicEntry(cleanPath(at), &e), err
}

// Cat writes a file of a snapshot to w.
func (p *Project) Cat(ctx context.Context, s *Snapshot, at string, w io.Writer) error {
	get := p.v.getter()
	e, err := p.v.find(ctx, get, s, at)
	if err != nil {
		return err
	}
	if e.Type != disk.Regular {
		return fmt.Errorf("%s in %s is a %s: %w", at, s.Ref(), typeName(e.Type), errors.ErrUnsupported)
	}
	return writeContent(ctx, get, &e, w)
}

// writeContent writes the bytes of a file in order.
func writeContent(ctx context.Context, get tree.Getter, e *tree.Entry, w io.Writer) error {
	var fill []byte
	for it, err := range tree.Items(ctx, get, e) {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		switch it.Kind {
		case tree.Chunk:
			b, err := get(ctx, it.Digest)
			if err != nil {
				return err
			}
			if int64(len(b)) != it.Len {
				return fmt.Errorf("chunk %s has %d bytes, not %d: %w", it.Digest, len(b), it.Len, ErrDamaged)
			}
			if _, err := w.Write(b); err != nil {
				return err
			}
		case tree.Literal:
			if _, err := w.Write(it.Bytes); err != nil {
				return err
			}
		default: // a run, or a hole: a run of zeros
			pattern := it.Bytes
			if it.Kind == tree.Hole {
				pattern = make([]byte, tree.RunPattern)
			}
			fill = append(fill[:0], bytes.Repeat(pattern, 4096)...)
			for left := it.Len; left > 0; left -= min(left, int64(len(fill))) {
				if err := ctx.Err(); err != nil { // a hole may have 2^60 bytes
					return err
				}
				if _, err := w.Write(fill[:min(left, int64(len(fill)))]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Version is a state of one file.
type Version struct {
	Snapshot *Snapshot
	Path     string
	Bytes    int64
	SHA256   string
	Mtime    time.Time
	Change   string // added, modified, removed, renamed, metadata
	Old      string // path before a rename
}

// FileLog returns the states of one file, newest first, followed across renames.
func (p *Project) FileLog(ctx context.Context, at string) ([]Version, error) {
	get := p.v.getter()
	at = cleanPath(at)
	all := p.Snapshots()
	var out []Version
	found := false
	for i := len(all) - 1; i >= 0; i-- {
		s := all[i]
		e, err := tree.Find(ctx, get, s.Root, at)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		here := err == nil && e.Type != disk.Directory
		var older tree.Entry
		there := false
		old := at
		if i > 0 {
			older, err = tree.Find(ctx, get, all[i-1].Root, at)
			there = err == nil && older.Type != disk.Directory
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
			if here && !there {
				if old, err = p.renamedFrom(ctx, get, s, at); err != nil {
					return nil, err
				}
				if old != at {
					older, err = tree.Find(ctx, get, all[i-1].Root, old)
					there = err == nil
				}
			}
		}
		found = found || here || there
		v := Version{Snapshot: s, Path: at}
		switch {
		case here && !there:
			v.Change = history.Added.String()
		case !here && there:
			v.Change = history.Removed.String()
		case !here && !there:
			continue
		case old != at:
			v.Change, v.Old = history.Renamed.String(), old
		case e.Size != older.Size || e.Recipe != older.Recipe || !bytes.Equal(e.Content, older.Content) || e.Target != older.Target:
			v.Change = history.Modified.String()
		case !e.Equal(&older):
			v.Change = history.Touched.String()
		default:
			continue
		}
		if here {
			v.Bytes, v.Mtime = e.Size, time.Unix(0, e.Mtime)
			if sum, ok := e.Sum(); ok {
				v.SHA256 = hex.EncodeToString(sum[:])
			}
		}
		out = append(out, v)
		at = old
	}
	if !found {
		return nil, fmt.Errorf("%s: %w", at, fs.ErrNotExist)
	}
	return out, nil
}

// renamedFrom returns the path that a snapshot says at had before, or at.
func (p *Project) renamedFrom(ctx context.Context, get tree.Getter, s *Snapshot, at string) (string, error) {
	for c, err := range s.ReadChanges(ctx, get) {
		if err != nil {
			return at, err
		}
		if c.Kind == history.Renamed && c.Path == at {
			return c.Old, nil
		}
	}
	return at, nil
}

// Find yields the versions of the files whose path fits a pattern with *, ?, [] and **, in every snapshot
// where they changed. A pattern without a slash fits the last element of a path.
func (p *Project) Find(ctx context.Context, pattern string) ([]Version, error) {
	if !doublestar.ValidatePattern(pattern) {
		return nil, fmt.Errorf("pattern %q: %w", pattern, doublestar.ErrBadPattern)
	}
	if !strings.Contains(pattern, "/") {
		pattern = "**/" + pattern
	}
	get := p.v.getter()
	var out []Version
	last := digest.Digest{}
	for _, s := range p.Snapshots() {
		empty := last.IsZero()
		fn := func(at string, old, e *tree.Entry) error {
			if e == nil || e.Type == disk.Directory {
				return nil
			}
			if ok, _ := doublestar.Match(pattern, at); !ok {
				return nil
			}
			v := Version{Snapshot: s, Path: at, Bytes: e.Size, Mtime: time.Unix(0, e.Mtime), Change: history.Added.String()}
			if old != nil {
				v.Change = history.Modified.String()
			}
			if sum, ok := e.Sum(); ok {
				v.SHA256 = hex.EncodeToString(sum[:])
			}
			out = append(out, v)
			return nil
		}
		var err error
		if empty {
			err = everything(ctx, get, s.Root, fn)
		} else {
			err = tree.Compare(ctx, tree.Unrepeated(get), last, s.Root, fn)
		}
		if err != nil {
			return nil, err
		}
		last = s.Root
	}
	return out, nil
}

// everything calls fn for all entries of a tree as if they were new.
func everything(ctx context.Context, get tree.Getter, root digest.Digest, fn func(string, *tree.Entry, *tree.Entry) error) error {
	if root.IsZero() {
		return fmt.Errorf("%w: there is no root", ErrCorrupt)
	}
	get = tree.Unrepeated(get)
	return everythingIn(ctx, get, "", tree.List(ctx, get, root), fn)
}

func everythingIn(ctx context.Context, get tree.Getter, at string, folder iter.Seq2[tree.Entry, error], fn func(string, *tree.Entry, *tree.Entry) error) error {
	for e, err := range folder {
		if err != nil {
			return err
		}
		p := path.Join(at, e.Name)
		if err := fn(p, nil, &e); err != nil {
			return err
		}
		if e.Type == disk.Directory {
			if err := everythingIn(ctx, get, p, tree.Below(ctx, get, &e), fn); err != nil {
				return err
			}
		}
	}
	return nil
}

// Stats are totals of a vault.
type Stats struct {
	Projects, Snapshots int
	Chunks              int64
	Logical             int64 // bytes of all files of all snapshots
	Stored              int64 // bytes of all objects in the store
	Packs               int
}

// Stats counts what the vault holds.
func (v *Vault) Stats(ctx context.Context) (Stats, error) {
	var st Stats
	if err := v.db.Refresh(ctx); err != nil {
		return st, err
	}
	projects := map[string]bool{}
	for _, s := range v.history.Snapshots("") {
		projects[s.Project] = true
		st.Snapshots++
		st.Logical += int64(s.Tree.Bytes)
	}
	st.Projects = len(projects)
	st.Chunks = v.db.Objects()
	for o, err := range v.store().List(ctx, "") {
		if err != nil {
			return st, err
		}
		st.Stored += o.Size
		if strings.HasPrefix(o.Name, "packs/") {
			st.Packs++
		}
	}
	return st, nil
}
