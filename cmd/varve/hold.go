package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"varve"
)

func holdVerb(e *env) *cobra.Command {
	c := &cobra.Command{Use: "hold", Short: "Keep snapshots from being thinned", GroupID: "name"}
	var reason string
	add := &cobra.Command{Use: "add [REF]", Short: "Hold a snapshot; the latest if none is given", Args: cobra.MaximumNArgs(1), ValidArgsFunction: e.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.hold(cmd.Context(), arg(args, 0, "latest"), func(ctx context.Context, p *varve.Project, s *varve.Snapshot) error {
				return p.Hold(ctx, s, reason)
			})
		}}
	add.Flags().StringVar(&reason, "reason", "", "a `TEXT` that says why")
	c.AddCommand(e.changing(add),
		e.changing(&cobra.Command{Use: "rm REF", Short: "End the hold of a snapshot", Args: cobra.ExactArgs(1), ValidArgsFunction: e.completeRefs,
			RunE: func(cmd *cobra.Command, args []string) error {
				return e.hold(cmd.Context(), args[0], func(ctx context.Context, p *varve.Project, s *varve.Snapshot) error { return p.Unhold(ctx, s) })
			}}),
		&cobra.Command{Use: "ls", Short: "List the snapshots that are held", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return e.holds(cmd.Context()) }})
	return c
}

type holdJSON struct {
	Schema  string `json:"schema"`
	Version int    `json:"version"`
	ID      string `json:"id"`
	Held    bool   `json:"held"`
	Reason  string `json:"reason"`
	DryRun  bool   `json:"dry_run,omitempty"`
}

func (e *env) printHold(p *place, s *varve.Snapshot) error {
	reason, held := p.project.Held(s)
	switch {
	case e.json:
		return e.emit(holdJSON{"varve.hold/1", s.Version, s.ID.String(), held, reason, e.dry})
	case held:
		e.printf("%s\n", strings.TrimRight(fmt.Sprintf("%-5s held  %s", s.Ref(), name(reason)), " "))
	default:
		e.printf("%-5s not held\n", s.Ref())
	}
	return nil
}

func (e *env) hold(ctx context.Context, ref string, change func(context.Context, *varve.Project, *varve.Snapshot) error) error {
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	s, err := e.resolve(p, ref)
	if err != nil {
		return err
	}
	if !e.dry {
		if err := change(ctx, p.project, s); err != nil {
			return fmt.Errorf("hold: %w", err)
		}
	}
	return e.printHold(p, s)
}

func (e *env) holds(ctx context.Context) error {
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	for _, s := range p.project.Snapshots() {
		if _, held := p.project.Held(s); held {
			if err := e.printHold(p, s); err != nil {
				return err
			}
		}
	}
	return nil
}
