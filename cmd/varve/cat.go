package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func catVerb(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "cat REF:PATH | PATH@REF", Short: "Write a file of a snapshot to standard output", GroupID: "look",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: e.completePaths,
		RunE:              func(cmd *cobra.Command, args []string) error { return e.cat(cmd.Context(), args[0]) },
	}
}

func (e *env) cat(ctx context.Context, what string) error {
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	s, at, err := e.locate(p, what)
	if err != nil {
		return err
	}
	if at == "" {
		return usage("varve cat "+what+":PATH", "cat %s: no file is named", name(what))
	}
	if err := p.project.Cat(ctx, s, at, e.out); err != nil {
		return fmt.Errorf("read %w", err)
	}
	return nil
}
