package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"varve"
	"varve/creative"
	"varve/internal/disk"
	"varve/internal/fixture"
)

func demoVerb(e *env) *cobra.Command {
	var dir string
	var noOpen bool
	c := &cobra.Command{
		Use: "demo [--dir DIR] [--no-open]", Short: "Show what varve does, on a project made on the spot", GroupID: "care",
		Long: "Makes a small project of pictures, a game and weights, keeps six versions of it, and shows what they\n" +
			"share, one file's history, differences, a layer and a folder brought back, which of two trainings is\n" +
			"better, and a check of every byte.\n\n" +
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
	for _, act := range []func() error{d.open, d.keep, d.share, d.history, d.difference, d.look, d.element, d.loss, d.answer, d.check} {
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
	d.vault, _, err = varve.OpenOrCreate(d.ctx, d.path("vault"), varve.Options{Now: d.e.now, Host: d.e.host, User: d.e.userName, PID: d.e.pid, Formats: formats()})
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

func (d *demonstration) studio() *creative.Studio {
	return &creative.Studio{Vault: d.vault, Project: d.project, Formats: formats(), Ignore: varve.IgnoreSettings{Presets: []string{}}}
}

// look compares two versions of the picture that has changed the most often.
func (d *demonstration) look() error {
	st := d.studio()
	found, err := d.project.Find(d.ctx, "*.png")
	if err != nil {
		return err
	}
	for _, v := range found {
		if v.Change != "modified" {
			continue
		}
		var both [2]*creative.Item
		for i, s := range []*varve.Snapshot{d.snapshots[0], v.Snapshot} {
			if both[i], err = st.Open(d.ctx, s, v.Path); err != nil {
				return err
			}
			defer both[i].Close()
		}
		seen, err := st.Visual(d.ctx, both[0], both[1], creative.VisualOptions{})
		if err != nil {
			return err
		}
		if seen.Image == nil || seen.Image.Changed == 0 {
			continue
		}
		d.say("$ varve visual %s %s", name(both[0].Ref()), name(both[1].Ref()))
		d.say("  %s of %s pixels changed, in %s; SSIM %.4f, ΔE2000 %.3g on average", count(seen.Image.Changed), count(seen.Image.Pixels), plural(seen.Image.RegionCount, "region"), seen.Image.SSIM, seen.Image.Delta.Mean)
		return nil
	}
	return errors.New("no picture has changed")
}

// element loses a layer of a painting, as one does who goes on with an old file, and brings that layer alone back.
func (d *demonstration) element() error {
	const painting, layer = "art/painting.ora", "light"
	old, ignore := d.snapshots[0], varve.IgnoreSettings{Presets: []string{}}
	if _, err := d.project.Restore(d.ctx, varve.RestoreOptions{Snapshot: old, Paths: []string{painting}, Ignore: ignore}); err != nil {
		return err
	}
	d.say("Somebody went on with an old file: the layer %q of %s is lost.", layer, painting)
	st := d.studio()
	into, err := st.Open(d.ctx, nil, painting)
	if err != nil {
		return err
	}
	defer into.Close()
	from, err := st.Open(d.ctx, d.last(), painting)
	if err != nil {
		return err
	}
	defer from.Close()
	g, err := st.PlanGraft(d.ctx, into, from, []string{layer})
	if err != nil {
		return err
	}
	d.say("$ varve element graft %s --from %s --element %s", painting, d.last().Ref(), layer)
	for i := range g.Changes {
		d.say("  %s", changeLine(&g.Changes[i]))
	}
	if len(g.Changes) != 1 || g.Changes[0].Change != "added" {
		return errors.New("the layer was not brought back")
	}
	if _, err := g.Apply(d.ctx, false); err != nil {
		return err
	}
	d.say("  every other layer is as it was, and varve undo would take it back")
	for range 2 { // the graft, and the old file
		if _, _, err := d.project.Undo(d.ctx, false); err != nil {
			return err
		}
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
