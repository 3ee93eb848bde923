package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/disk"
)

func snapVerb(e *env) *cobra.Command {
	var o snapFlags
	c := &cobra.Command{
		Use: "snap [-m TEXT] [--tag K=V]… [--milestone NAME]", Short: "Take a snapshot of the project", GroupID: "keep",
		Long: "Takes a snapshot of the project that -C or the current folder is in. A folder that was never kept\n" +
			"becomes a project, and the vault is made where there is none. Nothing is asked.\n\n" +
			"Exit code 3 means that the snapshot was taken but some files could not be read: they are listed.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.snap(cmd.Context(), &o) },
	}
	f := c.Flags()
	f.StringVarP(&o.message, "message", "m", "", "a `TEXT` to find it by")
	f.StringArrayVarP(&o.tags, "tag", "t", nil, "a tag `K=V` or K; repeatable")
	f.StringVar(&o.milestone, "milestone", "", "make it the milestone `NAME`")
	f.StringVar(&o.kind, "type", "development", "the milestone's `TYPE`: "+strings.Join(varve.MilestoneTypes(), ", "))
	f.BoolVar(&o.best, "best", false, "compress harder, at a quarter of the speed")
	complete(c, "type", varve.MilestoneTypes())
	return e.changing(c)
}

type snapFlags struct {
	message, milestone, kind string
	tags                     []string
	best                     bool
}

func (e *env) snap(ctx context.Context, o *snapFlags) error {
	tags, err := pairs(o.tags)
	if err != nil {
		return err
	}
	if o.milestone != "" {
		if err := checkMilestone(o.milestone, o.kind); err != nil {
			return err
		}
	}
	p, err := e.open(ctx, need{newVault: true, newFolder: true, folder: true})
	if err != nil {
		return err
	}
	if e.dry {
		return e.drySnap(ctx, p)
	}
	if p.made {
		e.say("made the vault %s", name(p.path))
	}
	s, err := p.project.Snap(ctx, varve.SnapOptions{Message: o.message, Tags: tags, Ignore: p.project.IgnoreSettings(), Best: o.best})
	if err != nil {
		return fmt.Errorf("snapshot of %s: %w", name(p.root), err)
	}
	if o.milestone != "" {
		if _, err := p.project.AddMilestone(ctx, s, o.milestone, o.kind, nil, nil); err != nil {
			return fmt.Errorf("%s was taken, but not made milestone %s: %w", s.Ref(), o.milestone, err)
		}
	}
	if e.json {
		err = e.emit(p.snapshotJSON(s))
	} else {
		e.tellSnap(p, s)
	}
	if err == nil && o.milestone != "" {
		err = e.scriptFor(ctx, p, s, o.milestone)
	}
	if err == nil && len(s.Errors) > 0 {
		return outcome(exitPartial)
	}
	return err
}

// tellSnap says what a snapshot did, in few lines.
func (e *env) tellSnap(p *place, s *varve.Snapshot) {
	e.meter.clear()
	e.printf("%s  %s  %s (of %s, %s)\n", s.Ref(), lasting(time.Duration(s.Seconds*float64(time.Second))), summary(s), plural(s.Tree.Files, "file"), size(int64(s.Tree.Bytes)))
	if e.quiet {
		e.tellFailures(s.Errors)
		return
	}
	if p.root != e.abs(".") {
		e.printf("    of the project %s\n", name(p.root))
	}
	if s.Stored.Plain > 0 {
		share := "" // of a few bytes the envelope is larger than they are
		if s.Stored.Sealed <= s.Stored.Plain {
			share = " (" + percent(s.Stored.Sealed, s.Stored.Plain) + ")"
		}
		e.printf("    new %s, stored %s%s\n", size(s.Stored.Plain), size(s.Stored.Sealed), share)
	}
	if s.Skipped.Files > 0 {
		bytes := "" // of a folder that is left out nothing is known
		if s.Skipped.Bytes > 0 {
			bytes = ", " + size(s.Skipped.Bytes)
		}
		e.printf("    left out by rules: %s%s (varve ignore lists the rules)\n", plural(s.Skipped.Files, "entry"), bytes)
	}
	e.tellFailures(s.Errors)
	if s.Version == 1 {
		e.say("kept in %s", name(p.path))
		if sameDevice(p.root, p.path) {
			e.say("the vault is on the same disk: it protects from mistakes, not from a dead disk")
		}
	}
}

// summary says what a snapshot changed, in words.
func summary(s *varve.Snapshot) string {
	var parts []string
	for _, d := range []struct {
		n    int64
		word string
	}{{s.Counts.Added, "added"}, {s.Counts.Modified, "modified"}, {s.Counts.Removed, "removed"}, {s.Counts.Renamed, "renamed"}} {
		if d.n > 0 {
			parts = append(parts, count(d.n)+" "+d.word)
		}
	}
	if len(parts) == 0 {
		return "nothing changed"
	}
	return strings.Join(parts, ", ")
}

const failuresShown = 20

// tellFailures lists what could not be read or written.
func (e *env) tellFailures(list []varve.Failure) {
	for i, f := range list {
		if i == failuresShown && !e.verbose {
			fmt.Fprintf(e.talk, "varve: … and %s more\n", count(len(list)-i))
			return
		}
		fmt.Fprintf(e.talk, "varve: %s: %s\n", name(f.Path), lines(f.Error))
	}
}

// sameDevice reports whether two folders are certainly on one disk.
func sameDevice(a, b string) bool {
	x, errX := device(a)
	y, errY := device(b)
	return errX == nil && errY == nil && x == y
}

func device(path string) (uint64, error) {
	d, err := disk.Open(path)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	info, err := d.Stat(".")
	return info.Device, err
}

func (e *env) drySnap(ctx context.Context, p *place) error {
	s, changes, err := p.project.DrySnap(ctx, p.project.IgnoreSettings())
	if err != nil {
		return fmt.Errorf("look at %s: %w", name(p.root), err)
	}
	if e.json {
		j := p.snapshotJSON(s)
		j.DryRun = true
		if err := e.emit(j); err != nil {
			return err
		}
	}
	for i := range changes {
		if err := e.plan(&changes[i]); err != nil {
			return err
		}
	}
	if !e.json {
		e.say("would take %s: %s (of %s, %s)", s.Ref(), summary(s), plural(s.Tree.Files, "file"), size(int64(s.Tree.Bytes)))
	}
	e.tellFailures(s.Errors)
	return nil
}

// pairs reads K=V and K.
func pairs(list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, arg := range list {
		k, v, _ := strings.Cut(arg, "=")
		if k == "" {
			return nil, usage("a tag is K=V or K", "tag %q has no name", arg)
		}
		out[k] = v
	}
	return out, nil
}
