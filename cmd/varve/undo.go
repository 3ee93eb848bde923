package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"varve"
)

func undoVerb(e *env) *cobra.Command {
	var list bool
	c := &cobra.Command{
		Use: "undo", Short: "Revert the last changing operation", GroupID: "keep",
		Long: "Reverts the last operation that changed the folder or what is said of snapshots: restore, milestone,\n" +
			"tag, hold, keep, forget, config. Called again it reverts the one before. varve redo does it again.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if list {
				return e.operations(cmd.Context())
			}
			return e.turn(cmd.Context(), "undo", (*varve.Project).Undo)
		},
	}
	c.Flags().BoolVar(&list, "list", false, "list the operations, newest first")
	return e.changing(c)
}

func redoVerb(e *env) *cobra.Command {
	return e.changing(&cobra.Command{
		Use: "redo", Short: "Do again what was undone last", GroupID: "keep",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return e.turn(cmd.Context(), "redo", (*varve.Project).Redo)
		},
	})
}

type operationJSON struct {
	Schema  string        `json:"schema"`
	ID      string        `json:"id"`
	Verb    string        `json:"verb"`
	Time    string        `json:"time"`
	Summary string        `json:"summary"`
	Undone  bool          `json:"undone"`
	DryRun  bool          `json:"dry_run,omitempty"`
	Written int64         `json:"written"`
	Removed int64         `json:"removed"`
	Errors  []failureJSON `json:"errors"`
}

func operationOf(op *varve.Operation) operationJSON {
	return operationJSON{Schema: "varve.operation/1", ID: op.ID, Verb: op.Verb, Time: rfc(op.Time), Summary: op.Summary, Undone: op.Undone, Errors: []failureJSON{}}
}

// turn undoes or redoes.
func (e *env) turn(ctx context.Context, verb string, do func(*varve.Project, context.Context, bool) (*varve.Operation, *varve.RestoreResult, error)) error {
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	op, res, err := do(p.project, ctx, e.dry)
	switch {
	case errors.Is(err, varve.ErrNothing):
		return hinted(fmt.Errorf("nothing to %s", verb), "varve undo --list lists the operations")
	case err != nil:
		return fmt.Errorf("%s: %w", verb, err)
	}
	if e.json {
		j := operationOf(op)
		j.DryRun = e.dry
		if res != nil {
			j.Written, j.Removed, j.Errors = res.Written, res.Removed, failures(res.Errors)
		}
		err = e.emit(j)
	} else {
		word := verb + ": "
		if e.dry {
			word = "would " + word
		}
		e.printf("%s%s (%s)\n", word, name(op.Summary), age(op.Time, e.now()))
	}
	if res == nil {
		return err
	}
	e.tellFailures(res.Errors)
	if !e.json && !e.dry {
		e.say("%s written, %s removed", plural(res.Written, "entry"), count(res.Removed))
	}
	if err == nil && len(res.Errors) > 0 {
		return outcome(exitPartial)
	}
	return err
}

func (e *env) operations(ctx context.Context) error {
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	list := p.project.Operations()
	for i := len(list) - 1; i >= 0; i-- {
		op := &list[i]
		if e.json {
			if err := e.emit(operationOf(op)); err != nil {
				return err
			}
			continue
		}
		undone := ""
		if op.Undone {
			undone = "  (undone)"
		}
		e.printf("%-16s %s%s\n", age(op.Time, e.now()), name(op.Summary), undone)
	}
	return nil
}
