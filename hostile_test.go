package varve_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/store"
)

// A vault may come from somebody who has its key: a former colleague, a service that was broken into, a stranger who
// offers a project. Seals do not help against them. Each attack of the corpus changes a sound vault, and every verb is
// then run as its owner would, with his project in a real folder.

const (
	hostileLimit = 20 * time.Second // of a verb; far more than any needs
	hostileHeap  = 256 << 20
	secret       = "what nobody but the victim may read\n"
)

// expect is what must come of an attack, besides that it does no harm.
type expect int

const (
	harmless expect = iota // whatever the vault says, it may be content
	noticed                // verify finds it
	refused                // the snapshot is not read to its end either: an error says that the vault is damaged
	shut                   // the vault is not opened
)

// attack is a case of the corpus.
type attack struct {
	name string
	make func(m *maker)
	want expect
	// heavy attacks are about memory and time: they run alone, and the heap is watched.
	heavy bool
	long  bool // only in the long run
	// endless content is what it says it is: a verb that would take for ever must end when it is told to.
	endless bool
	// folder prepares the victim's folder.
	folder func(t testing.TB, project string)
	// targets are file systems to restore to besides the real one.
	targets []disk.MemoryOptions
	// looks attacks have a folder beside opened, to see whose it is. No file in it may be.
	looks bool
	// alone is an attack with a vault of its own.
	alone func(t *testing.T)
	// check looks at what came of it.
	check func(t *testing.T, v *victim)
}

// TestHostile runs the corpus.
func TestHostile(t *testing.T) {
	groups := []struct {
		name string
		all  []attack
	}{
		{"paths", pathAttacks()}, {"links", linkAttacks()}, {"bombs", bombAttacks()}, {"confusion", confusionAttacks()},
		{"clients", clientAttacks()}, {"keys", keyAttacks()},
	}
	sound := newVictims(t)
	total := 0
	names := map[string]bool{}
	var ran atomic.Int64
	for _, g := range groups {
		total += len(g.all)
		slices.SortFunc(g.all, func(a, b attack) int { return strings.Compare(a.name, b.name) })
		t.Run(g.name, func(t *testing.T) {
			for _, a := range g.all {
				if full := g.name + "/" + a.name; names[full] {
					t.Errorf("two attacks are called %s", full)
				} else {
					names[full] = true
				}
				t.Run(a.name, func(t *testing.T) {
					if a.long && !*long {
						t.Skip("only with -long")
					}
					if !a.heavy && !raceOn {
						t.Parallel()
					}
					ran.Add(1)
					if a.alone != nil {
						a.alone(t)
						return
					}
					sound.suffer(t, &a)
				})
			}
		})
	}
	if total < 200 {
		t.Errorf("only %d attacks", total)
	}
	t.Logf("%d hostile vaults, %d of them tried", total, ran.Load())
}

// victims is the sound vault that the attacks change, and the folder that it was taken of.
type victims struct {
	rig     *rig
	project string   // its id
	lists   []string // of its snapshots
	ids     []varve.ID
}

func newVictims(t *testing.T) *victims {
	r, lists := smallVault(t)
	s := mustOpen(t, r)
	out := &victims{rig: r, project: s.p.ID(), lists: lists}
	for _, snap := range s.p.Snapshots() {
		out.ids = append(out.ids, snap.ID)
	}
	return out
}

// victim is one who opens a hostile vault.
type victim struct {
	t       *testing.T
	a       *attack
	of      *victims
	rig     *rig
	base    string // all that there is: the project, what is beside it, where snapshots are restored to
	v       *varve.Vault
	p       *varve.Project
	hostile []*varve.Snapshot // those that are not the victim's own
	errs    map[string]error  // by verb
	found   []varve.Finding
	listed  map[string][]varve.Entry // by id of the snapshot
	warned  atomic.Int64
}

// suffer makes a hostile vault and opens it as its owner would.
func (s *victims) suffer(t *testing.T, a *attack) {
	v := &victim{t: t, a: a, of: s, rig: s.rig.fork(7), base: groundOf(t), errs: map[string]error{}, listed: map[string][]varve.Entry{}}
	v.settle()
	m := newMaker(t, v)
	a.make(m)
	m.finish()
	before := survey(t, v.base)
	opened := watch(t, filepath.Join(v.base, "outside"))
	peak := func() uint64 { return 0 }
	if a.heavy {
		peak = heapPeak()
	}
	v.endure()
	if n := peak(); n > hostileHeap && !raceOn {
		t.Errorf("%d MiB of heap", n>>20)
	}
	for _, name := range opened() {
		if name == "" && a.looks {
			continue
		}
		t.Errorf("outside/%s was opened", name)
	}
	v.unharmed(before)
	v.judge()
	if a.check != nil && !t.Failed() {
		a.check(t, v)
	}
}

// groundOf returns a folder of the system's for a victim. Where there is one whose syncs cost nothing it is there, and
// on the disk in the long run.
func groundOf(t *testing.T) string {
	const quick = "/dev/shm"
	if info, err := os.Stat(quick); *long || err != nil || !info.IsDir() {
		return t.TempDir()
	}
	dir, err := os.MkdirTemp(quick, "varve-hostile-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// settle makes the victim's folders.
func (v *victim) settle() {
	for name, text := range map[string]string{
		"outside/secret": secret, "outside/sub/file": secret, "outside/a.txt": secret, "outside/run": "#!/bin/sh\n", "passwd": secret,
		"project/a.txt": "inline", "project/dir/b.bin": string(makeContent(3, 900, 2)),
		"project/.varve/project.toml": "id = \"" + v.of.project + "\"\n",
	} {
		p := filepath.Join(v.base, filepath.FromSlash(name))
		v.must(os.MkdirAll(filepath.Dir(p), 0o755))
		v.must(os.WriteFile(p, []byte(text), 0o644))
	}
	v.must(os.Chmod(filepath.Join(v.base, "outside/run"), 0o755))
	v.must(os.Symlink("a.txt", filepath.Join(v.base, "project/l")))
	v.must(os.Mkdir(filepath.Join(v.base, "out"), 0o755))
	if v.a.folder != nil {
		v.a.folder(v.t, filepath.Join(v.base, "project"))
	}
}

func (v *victim) must(err error) {
	v.t.Helper()
	if err != nil {
		v.t.Fatal(err)
	}
}

// do runs a verb, which must end by itself, or when it is told to.
func (v *victim) do(verb string, fn func(context.Context) error) error {
	limit := hostileLimit
	if v.a.endless {
		limit = 100 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				done <- fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		done <- fn(ctx)
	}()
	select {
	case err := <-done:
		if err != nil && strings.HasPrefix(err.Error(), "panic: ") {
			v.t.Errorf("%s: %v", verb, err)
		}
		if errors.Is(err, context.DeadlineExceeded) && !v.a.endless {
			v.t.Errorf("%s does not end", verb)
		}
		if err != nil && strings.TrimSpace(err.Error()) == "" {
			v.t.Errorf("%s fails and does not say why", verb)
		}
		if v.errs[verb] == nil {
			v.errs[verb] = err
		}
		return err
	case <-time.After(limit + hostileLimit):
		buf := make([]byte, 64<<10)
		v.t.Fatalf("%s does not end, not even when it is told to:\n%s", verb, buf[:runtime.Stack(buf, true)])
	}
	return nil
}

func (v *victim) options() varve.Options {
	opt := v.rig.options()
	opt.Workers = 2
	opt.Warn = func(string, error) { v.warned.Add(1) }
	if opt.Passphrase == nil {
		opt.Passphrase = func() ([]byte, error) { return []byte("a passphrase"), nil }
	}
	if state, err := v.rig.home.Root().OpenDir("state"); err == nil {
		opt.State = state
	}
	return opt
}

// endure runs every verb.
func (v *victim) endure() {
	err := v.do("open", func(ctx context.Context) (err error) {
		v.v, _, err = varve.OpenDir(ctx, v.rig.vault.Root(), false, v.options())
		return err
	})
	if err != nil {
		return
	}
	d, err := disk.Open(filepath.Join(v.base, "project"))
	v.must(err)
	defer d.Close()
	if v.p, err = v.v.Project(d, filepath.Join(v.base, "project")); err != nil {
		v.errs["project"] = err
		return
	}
	var all []*varve.Snapshot
	for _, info := range v.v.Projects() {
		p, err := v.v.ProjectByID(info.ID)
		v.must(err)
		all = append(all, p.Snapshots()...)
	}
	for _, s := range all {
		if s.Message == hostileMessage {
			v.hostile = append(v.hostile, s)
		}
	}
	for _, s := range v.hostile {
		v.look(s)
		v.restore(s)
	}
	v.do("log", func(ctx context.Context) error { _, err := v.p.FileLog(ctx, "dir/b.bin"); return err })
	v.do("find", func(ctx context.Context) error { _, err := v.p.Find(ctx, "*.bin"); return err })
	v.do("milestones", func(context.Context) error { v.p.Milestones(); v.p.Operations(); v.p.Settings(); return nil })
	v.do("stats", func(ctx context.Context) error { _, err := v.v.Stats(ctx); return err })
	for _, data := range []bool{false, true} {
		v.do("verify", func(ctx context.Context) error {
			r, err := v.v.Verify(ctx, varve.VerifyOptions{Data: data})
			if err == nil {
				v.found = append(v.found, r.Findings...)
			}
			return err
		})
	}
	v.do("status", func(ctx context.Context) error { _, err := v.p.Status(ctx, plainSnap().Ignore); return err })
	for _, dry := range []bool{true, false} {
		v.do("collect", func(ctx context.Context) error {
			_, err := v.v.Collect(ctx, varve.CollectOptions{DryRun: dry, Wait: time.Second})
			return err
		})
		v.do("repair", func(ctx context.Context) error {
			_, err := v.v.Repair(ctx, varve.RepairOptions{Dry: dry})
			return err
		})
	}
	v.do("copy", func(ctx context.Context) error {
		to, err := varve.Create(ctx, store.NewMemory(), v.options())
		if err != nil {
			return err
		}
		r, err := v.v.Copy(ctx, to, varve.CopyOptions{})
		if err == nil && len(r.Failed) == 0 {
			err = verified(ctx, to) // what was copied without a complaint is as it should be
		}
		return err
	})
	v.do("snap", func(ctx context.Context) error { _, err := v.p.Snap(ctx, plainSnap()); return err })
	if len(v.hostile) > 0 && slices.Contains(v.p.Snapshots(), v.hostile[0]) {
		v.inPlace(v.hostile[0])
	}
}

// look reads a snapshot in every way there is.
func (v *victim) look(s *varve.Snapshot) {
	p, err := v.v.ProjectByID(s.Project)
	v.must(err)
	v.do("list", func(ctx context.Context) error {
		for e, err := range p.List(ctx, s, "", true) {
			if err != nil {
				return err
			}
			if n := len(v.listed[s.ID.String()]); n < 10_000 {
				v.listed[s.ID.String()] = append(v.listed[s.ID.String()], e)
			}
		}
		return nil
	})
	v.do("cat", func(ctx context.Context) error {
		for i, e := range v.listed[s.ID.String()] {
			if e.Type != "file" || i > 100 {
				continue
			}
			if err := p.Cat(ctx, s, e.Path, io.Discard); err != nil {
				return err
			}
		}
		return nil
	})
	v.do("manifest", func(ctx context.Context) error {
		for _, err := range p.Manifest(ctx, s) {
			if err != nil {
				return err
			}
		}
		return nil
	})
	for _, other := range v.p.Snapshots()[:1] {
		v.do("diff", func(ctx context.Context) error {
			_, err := p.Diff(ctx, other, s, "", varve.IgnoreSettings{})
			return err
		})
	}
}

// restore restores a snapshot to new folders.
func (v *victim) restore(s *varve.Snapshot) {
	p, err := v.v.ProjectByID(s.Project)
	v.must(err)
	to := filepath.Join(v.base, "out", s.ID.String())
	for _, o := range []varve.RestoreOptions{{To: to, DryRun: true}, {To: to}} {
		v.restoreWith(p, s, o)
	}
	for _, opt := range v.a.targets {
		m := disk.NewMemory(opt)
		v.must(m.Root().Mkdir("target", 0o755))
		v.must(m.Root().Mkdir("outside", 0o755))
		before := listing(v.t, m.Root())
		target, err := m.Root().OpenDir("target")
		v.must(err)
		v.restoreWith(p, s, varve.RestoreOptions{Target: target})
		disk.RemoveAll(m.Root(), "target")
		disk.RemoveAll(m.Root(), "target")
		v.must(m.Root().Mkdir("target", 0o755))
		if after := listing(v.t, m.Root()); byPath(after)["outside"] != byPath(before)["outside"] || len(byPath(after)) != 2 {
			v.t.Errorf("beside a target in memory: %s", differ(after, before))
		}
	}
}

func (v *victim) restoreWith(p *varve.Project, s *varve.Snapshot, o varve.RestoreOptions) {
	o.Snapshot = s
	v.do("restore", func(ctx context.Context) error {
		r, err := p.Restore(ctx, o)
		if err == nil && len(r.Errors) > 0 && !o.DryRun {
			return &varve.PartialError{Failures: r.Errors}
		}
		return err
	})
}

// inPlace makes the victim's folder what a hostile snapshot says it was, and undoes that.
func (v *victim) inPlace(s *varve.Snapshot) {
	for _, del := range []bool{false, true} {
		v.do("restore in place", func(ctx context.Context) error {
			r, err := v.p.Restore(ctx, varve.RestoreOptions{Snapshot: s, Delete: del, Ignore: plainSnap().Ignore})
			if err == nil && len(r.Errors) > 0 {
				return &varve.PartialError{Failures: r.Errors}
			}
			return err
		})
	}
	v.do("undo", func(ctx context.Context) error { _, _, err := v.p.Undo(ctx, false); return err })
}

// unharmed holds everything outside of the targets to what it was, and the victim's own history to be whole.
func (v *victim) unharmed(before map[string]string) {
	t := v.t
	after := survey(t, v.base)
	for p, was := range before {
		if is, there := after[p]; !there {
			t.Errorf("%s is gone", p)
		} else if is != was {
			t.Errorf("%s was changed:\n  was %q\n  is  %q", p, was, is)
		}
	}
	for p := range after {
		if _, there := before[p]; !there {
			t.Errorf("%s came to be", p)
		}
	}
	for _, target := range []string{"project", "out"} {
		v.tame(filepath.Join(v.base, target))
	}
	if v.v == nil || v.a.want == shut {
		return
	}
	// Nothing of the attack has cost the victim a snapshot.
	again, _, err := varve.OpenDir(context.Background(), v.rig.vault.Root(), false, v.options())
	if err != nil {
		t.Errorf("opened again: %v", err)
		return
	}
	p, err := again.ProjectByID(v.of.project)
	v.must(err)
	for i, want := range v.of.lists {
		own := slices.IndexFunc(p.Snapshots(), func(s *varve.Snapshot) bool { return s.ID == v.of.ids[i] })
		if own < 0 {
			if !v.lossTold() {
				t.Errorf("the victim's v%d is gone and nobody says so", i+1)
			}
			continue
		}
		got, err := restored(context.Background(), p, p.Snapshots()[own])
		if err != nil && v.lossTold() {
			continue
		}
		if err != nil || got != want {
			t.Errorf("the victim's v%d: %v\n%s", i+1, err, differ(got, want))
		}
	}
}

// lossTold reports whether verify has said that something is lost or damaged.
func (v *victim) lossTold() bool { return len(v.found) > 0 || v.errs["verify"] != nil }

// tame holds what was restored to be nothing but files, folders and links, none with rights of its own, none of an
// inode that lies elsewhere, none with bytes from elsewhere.
func (v *victim) tame(dir string) {
	d, err := disk.Open(dir)
	v.must(err)
	defer d.Close()
	names, links := map[uint64]uint32{}, map[uint64]uint32{}
	var walk func(d disk.Dir, at string)
	walk = func(d disk.Dir, at string) {
		entries, err := d.List(nil)
		if err != nil {
			v.t.Errorf("%.200s: %v", at, err)
		}
		for i := range entries {
			e := &entries[i]
			p := at + "/" + e.Name
			switch {
			case e.Type > disk.Symlink, e.Mode&0o6000 != 0:
				v.t.Errorf("%.200s is of type %d and has mode %o", p, e.Type, e.Mode)
			case e.Type == disk.Directory:
				in, err := d.OpenDir(e.Name)
				v.must(err)
				walk(in, p)
				in.Close()
			case e.Type == disk.Regular:
				names[e.Inode]++
				links[e.Inode] = e.Links
				if b, err := disk.ReadFile(d, e.Name, 1<<20); err == nil && bytes.Contains(b, []byte(secret)) {
					v.t.Errorf("%.200s holds the secret", p)
				}
			}
		}
	}
	walk(d, filepath.Base(dir))
	for ino, n := range links {
		if n > names[ino] {
			v.t.Errorf("an inode with %d names has %d of them in %s", n, names[ino], dir)
		}
	}
}

// judge holds what the verbs have said to what the attack must come to.
func (v *victim) judge() {
	t := v.t
	if got := v.errs["open"]; (got != nil) != (v.a.want == shut) {
		t.Errorf("open: %v", got)
		return
	}
	switch v.a.want {
	case noticed, refused:
		if !v.lossTold() {
			t.Error("verify finds nothing")
		}
	}
	if v.a.want == refused {
		if len(v.hostile) == 0 {
			t.Error("there is no hostile snapshot to refuse")
		}
		for _, verb := range []string{"list", "cat", "restore"} {
			if err := v.errs[verb]; err != nil && isDamage(err) {
				return
			}
		}
		t.Errorf("not refused as damage: list %v, cat %v, restore %v", v.errs["list"], v.errs["cat"], v.errs["restore"])
	}
}

// isDamage reports whether an error is of those that the command ends with exit code 20 for.
func isDamage(err error) bool {
	var partial *varve.PartialError
	if errors.As(err, &partial) { // a restore that goes on without what is damaged: it has said what and why
		return len(partial.Failures) > 0 && partial.Failures[0].Error != ""
	}
	return errors.Is(err, varve.ErrDamaged) || errors.Is(err, varve.ErrCorrupt) || errors.Is(err, varve.ErrMissing) || errors.Is(err, varve.ErrRolledBack)
}
