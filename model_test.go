package varve_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"varve"
	"varve/internal/disk"
)

// leaf is what the model knows of a path.
type leaf struct {
	typ     string // file, dir, link
	mode    uint32 // not of links
	content string // or a link's target
	mtime   int64  // not of folders
}

type forest map[string]leaf

// deed is an operation that can be undone.
type deed struct {
	undone        bool
	milestone     string
	before, after forest
	path          string // all where empty
}

// model is what should be, as plain maps.
type model struct {
	live       forest
	kept       []forest
	milestones []string
	deeds      []deed
}

// walker plays random verbs on a machine and on the model.
type walker struct {
	r     *rig
	s     *site
	m     model
	rand  *rand.Rand
	trace []string
	made  int
}

func TestModel(t *testing.T) {
	runs, verbs := 8, 150
	if *long {
		runs, verbs = 40, 400
	}
	each(t, runs, func(i int) error {
		w := &walker{r: newRig(uint64(i)), rand: rand.New(rand.NewPCG(uint64(i), 3)), m: model{live: forest{}}}
		if err := w.reopen(); err != nil {
			return err
		}
		for range verbs {
			if err := w.verb(); err != nil {
				return fmt.Errorf("%w\nafter\n  %s", err, strings.Join(w.trace[max(0, len(w.trace)-25):], "\n  "))
			}
		}
		return verified(context.Background(), w.s.v)
	})
}

func (w *walker) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

func (w *walker) reopen() error {
	w.r.settle()
	var err error
	w.s, err = w.r.open(context.Background(), hooks{})
	return err
}

func (w *walker) verb() error {
	for range w.rand.IntN(4) {
		if err := w.work(); err != nil {
			return err
		}
	}
	switch w.rand.IntN(12) {
	case 0, 1, 2:
		return w.snap()
	case 3:
		return w.restore(w.rand.IntN(2) == 0)
	case 4:
		return w.restorePath()
	case 5:
		return w.undo()
	case 6:
		return w.redo()
	case 7:
		return w.diff()
	case 8:
		return w.status()
	case 9:
		return w.milestone()
	case 10:
		w.note("lose the cache")
		if err := disk.RemoveAll(w.r.home.Root(), "cache"); err != nil {
			return err
		}
		if err := w.r.home.Root().Mkdir("cache", 0o755); err != nil {
			return err
		}
		return w.reopen()
	}
	w.note("power loss")
	w.r.settle()
	w.r = w.r.crash(disk.KeepNone, w.rand.Uint64())
	return w.reopen()
}

func (w *walker) pick(keep func(leaf) bool) (string, bool) {
	var list []string
	for p, l := range w.m.live {
		if keep(l) {
			list = append(list, p)
		}
	}
	if len(list) == 0 {
		return "", false
	}
	slices.Sort(list)
	return list[w.rand.IntN(len(list))], true
}

func isDir(l leaf) bool  { return l.typ == "dir" }
func notDir(l leaf) bool { return l.typ != "dir" }
func isFile(l leaf) bool { return l.typ == "file" }

// fresh is a path that is free, in some folder.
func (w *walker) fresh() string {
	dir, ok := w.pick(isDir)
	if !ok || w.rand.IntN(3) == 0 {
		dir = ""
	}
	for {
		p := path.Join(dir, fmt.Sprintf("%c%d", 'a'+rune(w.rand.IntN(4)), w.rand.IntN(6)))
		if _, ok := w.m.live[p]; !ok {
			return p
		}
		dir = path.Join(dir, "") // the next draw
		if w.rand.IntN(20) == 0 {
			w.made++
			return path.Join(dir, fmt.Sprintf("n%d", w.made))
		}
	}
}

func (w *walker) in(p string, do func(d disk.Dir, name string) error) error {
	dir := path.Dir(p)
	if dir == "." {
		dir = ""
	}
	d, err := disk.Walk(w.s.dir, dir)
	if err != nil {
		return fmt.Errorf("work in %q: %w", p, err)
	}
	defer d.Close()
	return do(d, path.Base(p))
}

// work is something the user does.
func (w *walker) work() error {
	switch w.rand.IntN(8) {
	case 0:
		return w.mkdir()
	case 1:
		return w.remove()
	case 2:
		return w.rename()
	case 3:
		return w.chmod()
	case 4:
		return w.symlink()
	}
	return w.write()
}

func (w *walker) remember(p string, l leaf) error {
	return w.in(p, func(d disk.Dir, name string) error {
		i, err := d.Stat(name)
		if l.typ != "link" {
			l.mode = i.Mode
		}
		if l.typ != "dir" {
			l.mtime = i.Mtime
		}
		w.m.live[p] = l
		return err
	})
}

func (w *walker) write() error {
	p, ok := w.pick(isFile)
	if !ok || w.rand.IntN(2) == 0 {
		p = w.fresh()
	}
	size := []int{0, 5, 512, 513, 5000, 70_000}[w.rand.IntN(6)]
	b := makeContent(w.rand.IntN(4), size, w.rand.Uint64N(50))
	w.note("write %s: %d bytes", p, size)
	err := w.in(p, func(d disk.Dir, name string) error {
		f, err := d.OpenWrite(name)
		if err != nil {
			f, err = d.Create(name, 0o644)
		}
		if err != nil {
			return err
		}
		defer f.Close()
		if err := f.Truncate(0); err != nil {
			return err
		}
		_, err = f.Write(b)
		return err
	})
	return errors.Join(err, w.remember(p, leaf{typ: "file", content: string(b)}))
}

func (w *walker) mkdir() error {
	p := w.fresh()
	w.note("mkdir %s", p)
	err := w.in(p, func(d disk.Dir, name string) error { return d.Mkdir(name, 0o755) })
	return errors.Join(err, w.remember(p, leaf{typ: "dir"}))
}

func (w *walker) symlink() error {
	p, target := w.fresh(), fmt.Sprint("../to", w.rand.IntN(3))
	w.note("symlink %s to %s", p, target)
	err := w.in(p, func(d disk.Dir, name string) error { return d.Symlink(target, name) })
	return errors.Join(err, w.remember(p, leaf{typ: "link", content: target}))
}

func (w *walker) chmod() error {
	p, ok := w.pick(isFile)
	if !ok {
		return nil
	}
	mode := []uint32{0o600, 0o644, 0o755}[w.rand.IntN(3)]
	w.note("chmod %s %o", p, mode)
	l := w.m.live[p]
	l.mode = mode
	w.m.live[p] = l
	return w.in(p, func(d disk.Dir, name string) error { return d.SetMeta(name, disk.Change{Mode: &mode}) })
}

func (w *walker) remove() error {
	p, ok := w.pick(func(leaf) bool { return true })
	if !ok {
		return nil
	}
	w.note("remove %s", p)
	w.m.live.cut(p)
	return w.in(p, disk.RemoveAll)
}

func (w *walker) rename() error {
	p, ok := w.pick(func(leaf) bool { return true })
	if !ok {
		return nil
	}
	to := w.fresh()
	if to == p || strings.HasPrefix(to, p+"/") {
		return nil
	}
	w.note("rename %s to %s", p, to)
	moved := w.m.live.below(p)
	w.m.live.cut(p)
	for q, l := range moved {
		w.m.live[to+strings.TrimPrefix(q, p)] = l
	}
	return w.in(p, func(from disk.Dir, old string) error {
		return w.in(to, func(d disk.Dir, name string) error { return from.Rename(old, d, name) })
	})
}

// below is the part of f at p and below it; all where p is empty.
func (f forest) below(p string) forest {
	out := forest{}
	for q, l := range f {
		if p == "" || q == p || strings.HasPrefix(q, p+"/") {
			out[q] = l
		}
	}
	return out
}

func (f forest) cut(p string) {
	maps.DeleteFunc(f, func(q string, _ leaf) bool { return q == p || strings.HasPrefix(q, p+"/") })
}

// put lays g over f. What is of another type goes, with all below it.
func (f forest) put(g forest) {
	for p, l := range g {
		if o, ok := f[p]; ok && (o.typ == "dir") != (l.typ == "dir") {
			f.cut(p)
		}
	}
	maps.Copy(f, g)
}

// differs returns the paths but folders that differ.
func (f forest) differs(g forest) []string {
	set := map[string]bool{}
	for p, l := range f {
		if o := g[p]; o != l && (l.typ != "dir" || o.typ != "" && o.typ != "dir") {
			set[p] = true
		}
	}
	for p, l := range g {
		if o := f[p]; o != l && (l.typ != "dir" || o.typ != "" && o.typ != "dir") {
			set[p] = true
		}
	}
	return slices.Sorted(maps.Keys(set))
}

// replaced reports whether g has other content than f, or other names.
func (f forest) replaced(g forest) bool {
	return slices.ContainsFunc(f.differs(g), func(p string) bool { return f[p].typ != g[p].typ || f[p].content != g[p].content })
}

// checkSnapshot compares the snapshot taken last with the model.
func (w *walker) checkSnapshot(s *varve.Snapshot) error {
	if s.Version != len(w.m.kept) {
		return fmt.Errorf("snapshot %s, the model has %d", s.Ref(), len(w.m.kept))
	}
	want := w.m.kept[s.Version-1]
	if c := s.Counts; s.Version > 1 && (c.Added+c.Modified+c.Removed+c.Renamed > 0) != w.m.kept[s.Version-2].replaced(want) {
		return fmt.Errorf("%s counts %+v, the model: %v", s.Ref(), c, w.m.kept[s.Version-2].differs(want))
	}
	seen := 0
	for e, err := range w.s.p.List(context.Background(), s, "", true) {
		if err != nil {
			return err
		}
		seen++
		l, ok := want[e.Path]
		sum := sha256.Sum256([]byte(l.content))
		switch {
		case !ok:
			return fmt.Errorf("%s: %q is too much", s.Ref(), e.Path)
		case e.Type != l.typ, l.typ != "link" && uint32(e.Mode.Perm()) != l.mode, l.typ != "dir" && e.Mtime.UnixNano() != l.mtime,
			l.typ == "link" && e.Target != l.content, l.typ == "file" && e.Bytes != int64(len(l.content)),
			l.typ == "file" && e.SHA256 != "" && e.SHA256 != fmt.Sprintf("%x", sum):
			return fmt.Errorf("%s: %q is %+v, the model has a %s of %d bytes, mode %o, time %d", s.Ref(), e.Path, e, l.typ, len(l.content), l.mode, l.mtime)
		}
		if l.typ == "file" && w.rand.IntN(5) == 0 {
			var b bytes.Buffer
			if err := w.s.p.Cat(context.Background(), s, e.Path, &b); err != nil {
				return err
			}
			if b.String() != l.content {
				return fmt.Errorf("%s: the content of %q differs", s.Ref(), e.Path)
			}
		}
	}
	if seen != len(want) {
		return fmt.Errorf("%s has %d entries, the model %d", s.Ref(), seen, len(want))
	}
	return nil
}

func (w *walker) snap() error {
	w.note("snap")
	w.m.kept = append(w.m.kept, maps.Clone(w.m.live))
	w.r.noCache = w.rand.IntN(6) == 0 // the cache then is of an earlier snapshot
	if w.r.noCache {
		if err := w.reopen(); err != nil {
			return err
		}
	}
	s, err := w.s.p.Snap(context.Background(), plainSnap())
	if err != nil {
		return err
	}
	if err := w.checkSnapshot(s); err != nil || !w.r.noCache {
		return err
	}
	w.r.noCache = false
	return w.reopen()
}

// safety accounts for the snapshot that is taken before the folder is changed, unless nothing has changed.
func (w *walker) safety() error {
	all := w.s.p.Snapshots()
	last := all[len(all)-1]
	if len(all) == len(w.m.kept) {
		// Folder times do not count in the model but do in a tree: a snapshot more is no error, one less is.
		if d := w.m.kept[len(all)-1].differs(w.m.live); len(d) > 0 {
			return fmt.Errorf("no safety snapshot though there are changes: %v", d)
		}
		return nil
	}
	w.m.kept = append(w.m.kept, maps.Clone(w.m.live))
	return w.checkSnapshot(last)
}

func (w *walker) some() (*varve.Snapshot, forest) {
	i := w.rand.IntN(len(w.m.kept))
	return w.s.p.Snapshots()[i], w.m.kept[i]
}

// checkFolder compares the folder with the model by a draft: what differs from the last snapshot.
func (w *walker) checkFolder() error {
	got, err := list(w.s.dir)
	if err != nil {
		return err
	}
	have := byPath(got)
	for p, l := range w.m.live {
		f := strings.Fields(have[p])
		if len(f) == 0 || f[0] != l.typ {
			return fmt.Errorf("%q is %q, the model has a %s", p, have[p], l.typ)
		}
		sum := sha256.Sum256([]byte(l.content))
		if l.typ == "file" && (f[1] != fmt.Sprintf("%04o", l.mode) || f[2] != fmt.Sprint(l.mtime) || f[3] != fmt.Sprint(len(l.content)) || f[4] != fmt.Sprintf("%x", sum[:8])) {
			return fmt.Errorf("%q is %q, the model has %o %d, %d bytes", p, have[p], l.mode, l.mtime, len(l.content))
		}
	}
	for p := range have {
		if _, ok := w.m.live[p]; !ok {
			return fmt.Errorf("%q is too much in the folder", p)
		}
	}
	return nil
}

func (w *walker) restore(del bool) error {
	if len(w.m.kept) == 0 {
		return nil
	}
	s, target := w.some()
	w.note("restore %s, delete %v", s.Ref(), del)
	res, err := w.s.p.Restore(context.Background(), varve.RestoreOptions{Snapshot: s, Delete: del, Ignore: plainSnap().Ignore})
	if err != nil || len(res.Errors) > 0 {
		return fmt.Errorf("restore: %w, %+v", err, res)
	}
	before := maps.Clone(w.m.live)
	if err := w.safety(); err != nil {
		return err
	}
	if del {
		w.m.live = maps.Clone(target)
	} else {
		w.m.live.put(target)
	}
	w.m.deeds = append(w.m.deeds, deed{before: before})
	return w.checkFolder()
}

func (w *walker) restorePath() error {
	if len(w.m.kept) == 0 {
		return nil
	}
	s, target := w.some()
	paths := slices.Sorted(maps.Keys(target))
	if len(paths) == 0 {
		return nil
	}
	p := paths[w.rand.IntN(len(paths))]
	for up := path.Dir(p); up != "."; up = path.Dir(up) {
		if l, ok := w.m.live[up]; ok && l.typ != "dir" {
			return nil // a folder is needed where a file is: refused
		}
	}
	w.note("restore %s: %s", s.Ref(), p)
	res, err := w.s.p.Restore(context.Background(), varve.RestoreOptions{Snapshot: s, Paths: []string{p}, Ignore: plainSnap().Ignore})
	if err != nil || len(res.Errors) > 0 {
		return fmt.Errorf("restore: %w, %+v", err, res)
	}
	before := maps.Clone(w.m.live)
	if err := w.safety(); err != nil {
		return err
	}
	for up := path.Dir(p); up != "."; up = path.Dir(up) {
		if _, ok := w.m.live[up]; !ok {
			w.m.live[up] = target[up]
		}
	}
	w.m.live.put(target.below(p))
	w.m.deeds = append(w.m.deeds, deed{before: before, path: p})
	return w.checkFolder()
}

func (w *walker) milestone() error {
	if len(w.m.kept) == 0 {
		return nil
	}
	s, _ := w.some()
	w.made++
	name := fmt.Sprintf("stone%d", w.made)
	w.note("milestone %s on %s", name, s.Ref())
	if _, err := w.s.p.AddMilestone(context.Background(), s, name, "alpha", nil, nil); err != nil {
		return err
	}
	w.m.milestones = append(w.m.milestones, name)
	w.m.deeds = append(w.m.deeds, deed{milestone: name})
	return w.checkMilestones()
}

func (w *walker) checkMilestones() error {
	var got []string
	for _, m := range w.s.p.Milestones() {
		got = append(got, m.Name)
	}
	want := slices.Sorted(slices.Values(w.m.milestones))
	slices.Sort(got)
	if !slices.Equal(got, want) {
		return fmt.Errorf("milestones %v, the model has %v", got, want)
	}
	return nil
}

func (w *walker) undo() error {
	i := -1
	for j := range w.m.deeds {
		if !w.m.deeds[j].undone {
			i = j
		}
	}
	return w.turn(i, true)
}

func (w *walker) redo() error {
	i := -1
	for j := range w.m.deeds {
		switch {
		case !w.m.deeds[j].undone:
			i = -1
		case i < 0:
			i = j
		}
	}
	return w.turn(i, false)
}

// turn undoes or redoes deed i, or expects that there is none.
func (w *walker) turn(i int, undo bool) error {
	w.note("undo %v: deed %d of %d", undo, i, len(w.m.deeds))
	if i >= 0 {
		w.note("  which is %q %q", w.m.deeds[i].path, w.m.deeds[i].milestone)
	}
	call := w.s.p.Undo
	if !undo {
		call = w.s.p.Redo
	}
	_, res, err := call(context.Background(), false)
	if i < 0 {
		if !errors.Is(err, varve.ErrNothing) {
			return fmt.Errorf("there is nothing to undo: %w", err)
		}
		return nil
	}
	d := &w.m.deeds[i]
	back := d.before
	if !undo {
		back = d.after
	}
	// A file where a folder of the path was is not in the way of nothing: it is left alone, and told.
	blocked := w.blocked(d.path, back)
	if err != nil || res != nil && (len(res.Errors) > 0) != blocked {
		return fmt.Errorf("undo %v, blocked %v: %w, %+v", undo, blocked, err, res)
	}
	d.undone = undo
	if d.milestone != "" {
		if undo {
			w.m.milestones = slices.DeleteFunc(w.m.milestones, func(s string) bool { return s == d.milestone })
		} else {
			w.m.milestones = append(w.m.milestones, d.milestone)
		}
		return w.checkMilestones()
	}
	now := maps.Clone(w.m.live)
	if err := w.safety(); err != nil {
		return err
	}
	if undo {
		d.after = now
	}
	if blocked {
		return w.checkFolder()
	}
	if d.path == "" {
		w.m.live = maps.Clone(back)
	} else {
		w.m.live.cut(d.path)
		for up := path.Dir(d.path); up != "." && len(back.below(d.path)) > 0; up = path.Dir(up) {
			if _, ok := w.m.live[up]; !ok {
				w.m.live[up] = back[up]
			}
		}
		maps.Copy(w.m.live, back.below(d.path))
	}
	return w.checkFolder()
}

// blocked reports whether something else stands where a folder is needed to put back what was below a path.
func (w *walker) blocked(at string, back forest) bool {
	if at == "" || len(back.below(at)) == 0 {
		return false
	}
	for up := path.Dir(at); up != "."; up = path.Dir(up) {
		if l, ok := w.m.live[up]; ok && !isDir(l) {
			return true
		}
	}
	return false
}

func (w *walker) status() error {
	if len(w.m.kept) == 0 {
		return nil
	}
	w.note("status")
	st, err := w.s.p.Status(context.Background(), plainSnap().Ignore)
	if err != nil {
		return err
	}
	got := map[string]bool{}
	for _, l := range [][]string{st.Added, st.Modified, st.Removed, st.Metadata} {
		for _, p := range l {
			got[p] = true
		}
	}
	for _, c := range st.Renamed {
		got[c.Path], got[c.Old] = true, true
	}
	last := w.m.kept[len(w.m.kept)-1]
	for _, p := range st.Added {
		if l, ok := last[p]; ok && l.typ != "dir" {
			return fmt.Errorf("status: %q was there and is called added", p)
		}
	}
	for _, p := range st.Metadata {
		if a, b := last[p], w.m.live[p]; a.content != b.content || a.typ != b.typ {
			return fmt.Errorf("status: only metadata of %q should differ", p)
		}
	}
	return sameSet("status", got, last.differs(w.m.live))
}

func sameSet(what string, got map[string]bool, want []string) error {
	if g := slices.Sorted(maps.Keys(got)); !slices.Equal(g, want) {
		return fmt.Errorf("%s: %q, the model has %q", what, g, want)
	}
	return nil
}

func (w *walker) diff() error {
	if len(w.m.kept) == 0 {
		return nil
	}
	a, before := w.some()
	b, after := w.some()
	w.note("diff %s %s", a.Ref(), b.Ref())
	if w.rand.IntN(3) == 0 {
		b, after = nil, w.m.live
	}
	list, err := w.s.p.Diff(context.Background(), a, b, "", plainSnap().Ignore)
	if err != nil {
		return err
	}
	got := map[string]bool{}
	for _, d := range list {
		for _, p := range []string{d.Path, d.Old} {
			if x, y := before[p], after[p]; p != "" && (notDir(x) && x.typ != "" || notDir(y) && y.typ != "") {
				got[p] = true
			}
		}
	}
	return sameSet("diff", got, before.differs(after))
}
