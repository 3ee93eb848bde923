package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/spf13/cobra"

	"varve"
)

func logVerb(e *env) *cobra.Command {
	var o logFlags
	c := &cobra.Command{
		Use: "log [PATH]", Short: "List the snapshots of the project, or the versions of a file", GroupID: "look",
		Long: "Lists the snapshots of the project, newest first; the versions of a file, followed across renames; or\n" +
			"the snapshots that changed something in a folder. With --all those of every project in the vault.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return e.log(cmd.Context(), &o, args) },
	}
	c.Flags().IntVar(&o.number, "last", 0, "only the newest `N`")
	c.Flags().IntVarP(&o.number, "number", "n", 0, "the same as --last")
	c.Flags().BoolVar(&o.all, "all", false, "of all projects in the vault")
	return c
}

type logFlags struct {
	number int
	all    bool
}

func (e *env) log(ctx context.Context, o *logFlags, args []string) error {
	if o.number < 0 {
		return usage("", "-n %d: want a number from 1", o.number)
	}
	if o.all {
		if len(args) > 0 {
			return usage("", "--all and a path exclude each other")
		}
		return e.logAll(ctx, o)
	}
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	list := p.project.Snapshots()
	if len(args) == 1 {
		at, err := e.inside(p, args[0])
		if err != nil {
			return err
		}
		if at != "" {
			return e.logPath(ctx, p, at, o.number)
		}
	}
	return e.printLog(p, list, o.number)
}

// printLog prints snapshots, newest first.
func (e *env) printLog(p *place, list []*varve.Snapshot, number int) error {
	list = slices.Clone(list)
	slices.Reverse(list)
	for i, s := range list {
		if number > 0 && i == number {
			break
		}
		if !e.json {
			e.snapshotLine(p, s)
			continue
		}
		if err := e.emit(p.snapshotJSON(s)); err != nil {
			return err
		}
	}
	if len(list) == 0 {
		e.say("no snapshots")
	}
	return nil
}

func (e *env) logAll(ctx context.Context, o *logFlags) error {
	path, _, err := e.vaultPath()
	if err != nil {
		return err
	}
	v, _, err := e.openVault(ctx, false)
	if err != nil {
		return err
	}
	for i, info := range v.Projects() {
		if e.project != "" && info.ID != e.project && info.Name != e.project {
			continue
		}
		p := &place{vault: v, path: path}
		if p.project, err = v.ProjectByID(info.ID); err != nil {
			return err
		}
		if i > 0 {
			e.printf("\n")
		}
		e.printf("%s  %s  (%s)\n", name(info.Name), name(info.Path), info.ID[:12])
		if err := e.printLog(p, p.project.Snapshots(), o.number); err != nil {
			return err
		}
	}
	return nil
}

// logPath prints the history of one file, or the snapshots that changed a folder.
func (e *env) logPath(ctx context.Context, p *place, at string, number int) error {
	versions, err := p.project.FileLog(ctx, at)
	if errors.Is(err, fs.ErrNotExist) {
		var changed []*varve.Snapshot
		if changed, err = e.folderLog(ctx, p, at); err == nil {
			return e.printLog(p, changed, number)
		}
	}
	if err != nil {
		return fmt.Errorf("history of %w", err)
	}
	if number > 0 && len(versions) > number {
		versions = versions[:number]
	}
	return e.printVersions(versions)
}

// folderLog returns the snapshots that changed something in a folder, oldest first.
func (e *env) folderLog(ctx context.Context, p *place, at string) ([]*varve.Snapshot, error) {
	var out []*varve.Snapshot
	var before *varve.Snapshot
	seen := false
	for _, s := range p.project.Snapshots() {
		_, err := p.project.Stat(ctx, s, at)
		here := err == nil
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		changed := here != seen
		if here && seen {
			list, err := p.project.Diff(ctx, before, s, at, varve.IgnoreSettings{})
			if err != nil {
				return nil, err
			}
			changed = len(list) > 0
		}
		if changed {
			out = append(out, s)
		}
		before, seen = s, here
	}
	if out == nil {
		return nil, fmt.Errorf("%s: %w", name(at), fs.ErrNotExist)
	}
	return out, nil
}

func (e *env) printVersions(list []varve.Version) error {
	for i := range list {
		v := &list[i]
		if e.json {
			if err := e.emit(versionOf(v)); err != nil {
				return err
			}
			continue
		}
		e.versionLine(v)
	}
	return nil
}

func (e *env) versionLine(v *varve.Version) {
	what := v.Change
	if v.Old != "" {
		what += " from " + v.Old
	}
	e.printf("%-5s %-16s %10s  %s  %s\n", v.Snapshot.Ref(), age(v.Snapshot.Time, e.now()), size(v.Bytes), name(v.Path), name(what))
}
