package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func lsVerb(e *env) *cobra.Command {
	var recursive bool
	c := &cobra.Command{
		Use: "ls [REF[:PATH] | PATH@REF]", Short: "List a folder of a snapshot", GroupID: "look",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: e.completePaths,
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.ls(cmd.Context(), arg(args, 0, "latest"), recursive)
		},
	}
	c.Flags().BoolVarP(&recursive, "recursive", "r", false, "with everything below")
	return c
}

func (e *env) ls(ctx context.Context, what string, recursive bool) error {
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	s, at, err := e.locate(p, what)
	if err != nil {
		return err
	}
	for n, err := range p.project.List(ctx, s, at, recursive) {
		if err != nil {
			return fmt.Errorf("list %w", err)
		}
		if e.json {
			j := entryOf(&n)
			j.Schema = "varve.entry/1"
			if err := e.emit(j); err != nil {
				return err
			}
			continue
		}
		target := ""
		if n.Target != "" {
			target = " → " + name(n.Target)
		}
		end := ""
		if n.Type == "dir" {
			end = "/"
		}
		e.printf("%s %10s  %s  %s%s%s\n", n.Mode, size(n.Bytes), n.Mtime.In(e.now().Location()).Format("2006-01-02 15:04"), name(n.Path), end, target)
	}
	return nil
}
