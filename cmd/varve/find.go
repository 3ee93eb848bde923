package main

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"
)

func findVerb(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "find GLOB", Short: "Find files by name in all snapshots", GroupID: "look",
		Long: "Lists every version of the files that fit a pattern with *, ?, [] and **. A pattern without a slash\n" +
			"fits a file's name in any folder. Quote it: varve find '*.kra'",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return e.find(cmd.Context(), args[0]) },
	}
}

func (e *env) find(ctx context.Context, pattern string) error {
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	list, err := p.project.Find(ctx, pattern)
	if err != nil {
		return fmt.Errorf("find: %w", err)
	}
	if len(list) == 0 {
		return fmt.Errorf("find %q: %w", pattern, fs.ErrNotExist)
	}
	return e.printVersions(list)
}
