package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/spf13/cobra"

	"varve"
)

func showVerb(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "show [REF]", Short: "Show a snapshot and what it changed", GroupID: "look",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: e.completeRefs,
		RunE:              func(cmd *cobra.Command, args []string) error { return e.show(cmd.Context(), arg(args, 0, "latest")) },
	}
}

// arg returns an argument, or what stands for it.
func arg(args []string, i int, otherwise string) string {
	if i < len(args) {
		return args[i]
	}
	return otherwise
}

func (e *env) show(ctx context.Context, ref string) error {
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	s, err := e.resolve(p, ref)
	if err != nil {
		return err
	}
	if e.json {
		return e.emit(p.snapshotJSON(s))
	}
	e.tellSnapshot(p, s)
	if s.Parent == "" {
		return nil
	}
	parent, err := p.project.Resolve(s.Parent)
	if err != nil {
		e.printf("\nthe snapshot before it, %.12s, is gone\n", s.Parent)
		return nil
	}
	list, err := p.project.Diff(ctx, parent, s, "", varve.IgnoreSettings{})
	if err != nil {
		return fmt.Errorf("what %s changed: %w", s.Ref(), err)
	}
	e.printf("\n")
	for i := range list {
		if i == failuresShown && !e.verbose {
			e.printf("  … and %s more (-v lists all)\n", count(len(list)-i))
			break
		}
		if err := e.difference(&list[i]); err != nil {
			return err
		}
	}
	return nil
}

// tellSnapshot prints what is known of a snapshot, a line each.
func (e *env) tellSnapshot(p *place, s *varve.Snapshot) {
	line := func(label, format string, args ...any) {
		e.printf("%-10s %s\n", label, fmt.Sprintf(format, args...))
	}
	line("snapshot", "%s  %s", s.Ref(), s.ID)
	line("time", "%s (%s)", stamp(s.Time, e.now()), age(s.Time, e.now()))
	if s.Message != "" {
		line("message", "%s", lines(s.Message))
	}
	for _, m := range p.names(s) {
		line("milestone", "%s", name(m))
	}
	tags := p.project.TagsOf(s)
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		line("tag", "%s", name(k+"="+tags[k]))
	}
	if reason, held := p.project.Held(s); held {
		line("held", "%s", name(reason))
	}
	if s.Reason != "" {
		line("taken", "%s", name(s.Reason))
	}
	line("folder", "%s on %s", name(s.Path), name(s.Host))
	line("holds", "%s in %s, %s", plural(s.Tree.Files, "file"), plural(s.Tree.Dirs, "folder"), size(int64(s.Tree.Bytes)))
	line("new", "%s, stored %s in %.1f s", size(s.Stored.Plain), size(s.Stored.Sealed), s.Seconds)
	line("changed", "%s", summary(s))
	if s.Skipped.Files > 0 {
		line("left out", "%s by rules", plural(s.Skipped.Files, "entry"))
	}
	for _, f := range s.Errors {
		line("unread", "%s: %s", name(f.Path), lines(f.Error))
	}
}
