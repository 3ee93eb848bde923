package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"varve"
)

func tagVerb(e *env) *cobra.Command {
	c := &cobra.Command{Use: "tag", Short: "Mark snapshots with K=V", GroupID: "name"}
	c.AddCommand(
		e.changing(&cobra.Command{Use: "add K[=V] [REF]", Short: "Tag a snapshot; the latest if none is given", Args: cobra.RangeArgs(1, 2),
			RunE: func(cmd *cobra.Command, args []string) error {
				return e.tag(cmd.Context(), args, func(ctx context.Context, p *place, s *varve.Snapshot, tag string) error {
					k, v, _ := strings.Cut(tag, "=")
					if err := varve.CheckTag(k, v); err != nil {
						return usage("", "tag %w", err)
					}
					if e.dry {
						return nil
					}
					return p.project.SetTag(ctx, s, k, v)
				})
			}}),
		e.changing(&cobra.Command{Use: "rm K [REF]", Short: "Remove a tag of a snapshot", Args: cobra.RangeArgs(1, 2),
			RunE: func(cmd *cobra.Command, args []string) error {
				return e.tag(cmd.Context(), args, func(ctx context.Context, p *place, s *varve.Snapshot, tag string) error {
					k, _, _ := strings.Cut(tag, "=")
					if e.dry {
						return nil
					}
					return p.project.RemoveTag(ctx, s, k)
				})
			}}),
		&cobra.Command{Use: "ls [REF]", Short: "List the tags of a snapshot, or of all", Args: cobra.MaximumNArgs(1), ValidArgsFunction: e.completeRefs,
			RunE: func(cmd *cobra.Command, args []string) error { return e.tags(cmd.Context(), args) }})
	return c
}

type tagJSON struct {
	Schema  string            `json:"schema"`
	Version int               `json:"version"`
	ID      string            `json:"id"`
	Tags    map[string]string `json:"tags"`
	DryRun  bool              `json:"dry_run,omitempty"`
}

func (e *env) printTags(p *place, s *varve.Snapshot) error {
	tags := p.project.TagsOf(s)
	if e.json {
		j := tagJSON{"varve.tag/1", s.Version, s.ID.String(), map[string]string{}, e.dry}
		maps.Copy(j.Tags, tags)
		return e.emit(j)
	}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		e.printf("%-5s %s\n", s.Ref(), name(strings.TrimSuffix(k+"="+tags[k], "=")))
	}
	return nil
}

// tag changes a tag. The snapshot may stand before the tag, where the tag's = tells them apart.
func (e *env) tag(ctx context.Context, args []string, change func(context.Context, *place, *varve.Snapshot, string) error) error {
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	tag, ref := args[0], arg(args, 1, "latest")
	if strings.Contains(ref, "=") && !strings.Contains(tag, "=") {
		tag, ref = ref, tag
	}
	s, err := e.resolve(p, ref)
	if err != nil {
		return err
	}
	if err := change(ctx, p, s, tag); err != nil {
		return fmt.Errorf("tag %s: %w", s.Ref(), err)
	}
	return e.printTags(p, s)
}

func (e *env) tags(ctx context.Context, args []string) error {
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	list := p.project.Snapshots()
	if len(args) == 1 {
		s, err := e.resolve(p, args[0])
		if err != nil {
			return err
		}
		return e.printTags(p, s)
	}
	for _, s := range list {
		if len(p.project.TagsOf(s)) == 0 {
			continue
		}
		if err := e.printTags(p, s); err != nil {
			return err
		}
	}
	return nil
}
