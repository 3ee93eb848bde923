package main

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/spf13/cobra"
)

func criticalVerb(e *env) *cobra.Command {
	c := &cobra.Command{Use: "critical", Short: "Name the files that every version must have", GroupID: "experiment",
		Long: "Critical files are patterns, with ** for folders at any depth. varve verify REF finds a version in which one of\n" +
			"them names no file, and reads those files out of the vault and compares them with their SHA-256."}
	c.AddCommand(
		e.changing(&cobra.Command{Use: "add PATTERN…", Short: "Add patterns", Args: cobra.MinimumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return e.setCritical(cmd.Context(), args, true) }}),
		e.changing(&cobra.Command{Use: "rm PATTERN…", Short: "Remove patterns", Args: cobra.MinimumNArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return e.setCritical(cmd.Context(), args, false) }}),
		&cobra.Command{Use: "ls [REF]", Short: "List them, and what files of a version they name", Args: cobra.MaximumNArgs(1), ValidArgsFunction: e.completeRefs,
			RunE: func(cmd *cobra.Command, args []string) error {
				return e.listCritical(cmd.Context(), arg(args, 0, "latest"))
			}})
	return c
}

type criticalJSON struct {
	Schema  string   `json:"schema"`
	Pattern string   `json:"pattern"`
	Version int      `json:"version"`
	Files   []string `json:"files"`
	OK      bool     `json:"ok"`
}

func (e *env) setCritical(ctx context.Context, patterns []string, add bool) error {
	for _, x := range patterns {
		if !doublestar.ValidatePattern(x) || strings.ContainsAny(x, ", ") {
			return usage("a pattern is as configs/**/*.yaml, without commas and spaces: ? stands for one letter", "critical: %q is not a pattern", x)
		}
	}
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	now := p.project.Critical()
	for _, x := range patterns {
		at := slices.Index(now, x)
		switch {
		case add && at < 0:
			now = append(now, x)
		case !add && at < 0:
			return hinted(fmt.Errorf("critical pattern %q: %w", x, fs.ErrNotExist), "varve critical ls lists them")
		case !add:
			now = slices.Delete(slices.Clone(now), at, at+1)
		}
	}
	if !e.dry {
		if err := p.project.Set(ctx, "critical", strings.Join(now, ",")); err != nil {
			return err
		}
	}
	if p.project.Latest() == nil || e.dry {
		return nil
	}
	return e.listCritical(ctx, "latest")
}

func (e *env) listCritical(ctx context.Context, which string) error {
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	s, err := e.resolve(p, which)
	if err != nil {
		return err
	}
	critical := p.project.Critical()
	files := make([][]string, len(critical))
	for entry, err := range p.project.List(ctx, s, "", true) {
		if err != nil {
			return err
		}
		for i, c := range critical {
			if ok, _ := doublestar.Match(c, entry.Path); ok && entry.Type == "file" {
				files[i] = append(files[i], entry.Path)
			}
		}
	}
	for i, c := range critical {
		if e.json {
			if err := e.emit(criticalJSON{"varve.critical/1", c, s.Version, texts(files[i]), len(files[i]) > 0}); err != nil {
				return err
			}
			continue
		}
		what := plural(len(files[i]), "file")
		if len(files[i]) == 0 {
			what = "no file of " + s.Ref()
		}
		e.printf("%-32s %s\n", name(c), what)
	}
	return nil
}
