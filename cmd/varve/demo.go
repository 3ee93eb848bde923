package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/disk"
	"varve/internal/fixture"
)

func demoVerb(e *env) *cobra.Command {
	var dir string
	var noOpen bool
	c := &cobra.Command{
		Use: "demo [--dir DIR] [--no-open]", Short: "Show what varve does, on a project made on the spot", GroupID: "care",
		Long: "Makes a small project of pictures, a game and weights, keeps six versions of it, and shows what they\n" +
			"share, one file's history, a difference, a deletion put back, and a check of every byte.\n\n" +
			"It works in a temporary folder, which is removed at the end unless --dir names one to keep.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.demo(cmd.Context(), dir) },
	}
	c.Flags().StringVar(&dir, "dir", "", "work in this empty or new `DIR`, and keep it")
	c.Flags().BoolVar(&noOpen, "no-open", false, "open nothing at the end")
	return c
}

// demonstration is a run of the demo.
type demonstration struct {
	e         *env
	ctx       context.Context
	root      string // holds project and vault
	vault     *varve.Vault
	project   *varve.Project
	dir       disk.Dir
	snapshots []*varve.Snapshot
}

func (e *env) demo(ctx context.Context, dir string) error {
	if dir == "" {
		tmp, err := os.MkdirTemp("", "varve-demo-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		dir = tmp
	} else if names, err := os.ReadDir(dir); err == nil && len(names) > 0 {
		return usage("name a new folder", "%s is not empty", name(dir))
	}
	d := &demonstration{e: e, ctx: ctx, root: dir}
	for _, act := range []func() error{d.open, d.keep, d.share, d.history, d.difference, d.loss, d.check} {
		if err := act(); err != nil {
			return fmt.Errorf("demo: %w", err)
		}
		if !e.json {
			e.printf("\n")
		}
	}
	if !e.json {
		d.say("Next: cd to a project of your own, and type  varve snap")
	}
	return nil
}

// say prints a line of the story; JSON tells only the facts.
func (d *demonstration) say(format string, args ...any) {
	if !d.e.json {
		d.e.printf(format+"\n", args...)
	}
}

func (d *demonstration) path(elem ...string) string {
	return filepath.Join(append([]string{d.root}, elem...)...)
}

func (d *demonstration) open() error {
	var err error
	if d.dir, err = disk.Create(d.path("dragon")); err != nil {
		return err
	}
	d.vault, _, err = varve.OpenOrCreate(d.ctx, d.path("vault"), varve.Options{Now: d.e.now, Host: d.e.host, User: d.e.userName, PID: d.e.pid})
	if err != nil {
		return err
	}
	d.project, err = d.vault.Project(d.dir, filepath.ToSlash(d.path("dragon")))
	d.say("A project of pictures, a game and weights in %s, its vault beside it.", name(d.path("dragon")))
	return err
}

// keep makes six versions and keeps each.
func (d *demonstration) keep() error {
	d.say("$ varve snap -m …          (six times, after six rounds of work)")
	messages := []string{"first sketch", "colours", "sounds, more training", "moved things about", "one more layer, new bundle", "cleaned up"}
	o := fixture.Options{Scale: 6, Seed: 1, Start: d.e.now().AddDate(0, 0, -fixture.Steps-1)}
	for n, m := range messages {
		for _, k := range fixture.Kinds() {
			sub, err := disk.MkdirAll(d.dir, string(k), 0o755)
			if err != nil {
				return err
			}
			if n == 0 {
				err = fixture.Build(sub, k, o)
			} else {
				err = fixture.Step(sub, k, n, o)
			}
			sub.Close()
			if err != nil {
				return err
			}
		}
		s, err := d.project.Snap(d.ctx, varve.SnapOptions{Message: m, Ignore: varve.IgnoreSettings{Presets: []string{}}})
		if err != nil {
			return err
		}
		d.snapshots = append(d.snapshots, s)
		if d.e.json {
			p := &place{vault: d.vault, project: d.project}
			if err := d.e.emit(p.snapshotJSON(s)); err != nil {
				return err
			}
		}
		d.say("  %s  %-28s %-46s +%s", s.Ref(), m, summary(s), size(s.Stored.Sealed))
	}
	return nil
}

func (d *demonstration) share() error {
	st, err := d.vault.Stats(d.ctx)
	if err != nil {
		return err
	}
	d.say("What the versions share is stored once, what changed as the difference to the version before:")
	d.say("  %d versions hold %s of files; the vault is %s, %s.", st.Snapshots, size(st.Logical), size(st.Stored), percent(st.Stored, st.Logical))
	return nil
}

func (d *demonstration) last() *varve.Snapshot { return d.snapshots[len(d.snapshots)-1] }

// history shows the file with the longest one.
func (d *demonstration) history() error {
	var best []varve.Version
	for e, err := range d.project.List(d.ctx, d.last(), "", true) {
		if err != nil {
			return err
		}
		if e.Type != "file" {
			continue
		}
		log, err := d.project.FileLog(d.ctx, e.Path)
		if err != nil {
			return err
		}
		if len(log) > len(best) || len(log) == len(best) && renames(log) > renames(best) {
			best = log
		}
	}
	d.say("$ varve log %s", name(best[0].Path))
	for _, v := range best {
		d.say("  %s  %-9s %8s  %s", v.Snapshot.Ref(), v.Change, size(v.Bytes), name(v.Path))
	}
	return nil
}

func renames(log []varve.Version) int {
	n := 0
	for _, v := range log {
		if v.Old != "" {
			n++
		}
	}
	return n
}

func (d *demonstration) difference() error {
	a, b := d.snapshots[1], d.snapshots[4]
	list, err := d.project.Diff(d.ctx, a, b, "", varve.IgnoreSettings{})
	if err != nil {
		return err
	}
	d.say("$ varve diff %s %s", a.Ref(), b.Ref())
	for i, c := range list {
		if i == 8 {
			d.say("  … and %d more", len(list)-i)
			break
		}
		if c.Old != "" {
			d.say("  %-9s %s → %s", c.Change, name(c.Old), name(c.Path))
			continue
		}
		d.say("  %-9s %s  %s", c.Change, name(c.Path), c.Detail)
	}
	return nil
}

// loss deletes a folder, puts it back, and compares.
func (d *demonstration) loss() error {
	before, err := sumFolder(d.path("dragon", "art"))
	if err != nil {
		return err
	}
	if err := disk.RemoveAll(d.dir, "art"); err != nil {
		return err
	}
	d.say("$ rm -r art && varve restore latest art")
	res, err := d.project.Restore(d.ctx, varve.RestoreOptions{Snapshot: d.last(), Paths: []string{"art"}, Ignore: varve.IgnoreSettings{Presets: []string{}}})
	if err != nil {
		return err
	}
	after, err := sumFolder(d.path("dragon", "art"))
	if err != nil {
		return err
	}
	if before != after || len(res.Errors) > 0 {
		return fmt.Errorf("the folder that was put back is not the one that was deleted: %v", res.Errors)
	}
	d.say("  %s written; every byte is as before (SHA-256 %s…). How it was is kept as %s: varve undo", plural(res.Written, "entry"), after[:12], res.Safety.Ref())
	return nil
}

// sumFolder digests the names and bytes of a folder's files by the ordinary means of the system.
func sumFolder(root string) (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(root, func(p string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(p)
		fmt.Fprintf(h, "%s %d\n%s", strings.TrimPrefix(p, root), len(b), b)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)), err
}

func (d *demonstration) check() error {
	d.say("$ varve verify --data")
	began := d.e.now()
	r, err := d.vault.Verify(d.ctx, varve.VerifyOptions{Data: true})
	if err != nil {
		return err
	}
	if !r.OK || !r.Complete {
		return fmt.Errorf("%d findings: %w", len(r.Findings), varve.ErrDamaged)
	}
	d.say("  %d objects, %s: every byte is right (%s)", r.Objects, size(r.Bytes), lasting(d.e.now().Sub(began).Round(time.Millisecond)))
	return nil
}
