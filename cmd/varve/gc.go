package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"varve"
)

func gcVerb(e *env) *cobra.Command {
	var o varve.CollectOptions
	c := &cobra.Command{
		Use: "gc", Short: "Free the space of what no snapshot needs any more", GroupID: "care",
		Long: "Deletes packs that no snapshot needs, and rewrites those of which little is needed. What was forgotten cannot\n" +
			"be brought back then. Snapshots may be taken, by any machine, and other gc run at the same time. It deletes\n" +
			"nothing while anything in the vault cannot be read.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.gc(cmd.Context(), o) },
	}
	c.Flags().DurationVar(&o.Wait, "wait", 10*time.Minute, "how long to wait for snapshots that are being taken, as a `TIME`")
	return e.changing(c)
}

type gcJSON struct {
	Schema    string  `json:"schema"`
	Packs     int     `json:"packs_deleted"`
	Bytes     int64   `json:"bytes_freed"`
	Snapshots int     `json:"snapshots_deleted"`
	Rewritten int     `json:"packs_rewritten"`
	Written   int64   `json:"bytes_written"`
	Kept      int     `json:"packs_kept"`
	Waiting   int     `json:"packs_waiting"`
	DryRun    bool    `json:"dry_run,omitempty"`
	Seconds   float64 `json:"seconds"`
}

func (e *env) gc(ctx context.Context, o varve.CollectOptions) error {
	v, _, err := e.openVault(ctx, false)
	if err != nil {
		return err
	}
	o.DryRun = e.dry
	if n := len(v.Forgotten()); n > 0 && !e.dry {
		if err := e.confirm(fmt.Sprintf("Free what only %s needed; it cannot be brought back then", plural(n, "forgotten snapshot"))); err != nil {
			return err
		}
	}
	began := e.now()
	r, err := v.Collect(ctx, o)
	switch {
	case errors.Is(err, varve.ErrBusy):
		return &failure{code: exitBusy, err: fmt.Errorf("gc: %w", err), hint: "run it again when that is over: it goes on from here"}
	case errors.Is(err, varve.ErrIncomplete):
		return &failure{code: exitDamage, err: fmt.Errorf("gc: %w", err), hint: "nothing was deleted; varve verify says what is wrong"}
	case errors.Is(err, varve.ErrRolledBack):
		return &failure{code: exitDamage, err: fmt.Errorf("gc: %w", err), hint: "bring them back from another copy of the vault; if it was put back on purpose: varve verify --accept-loss"}
	case err != nil:
		return fmt.Errorf("gc: %w", err)
	}
	j := gcJSON{"varve.gc/1", r.Packs, r.Bytes, r.Snapshots, r.Rewritten, r.Written, r.Kept, r.Waiting, e.dry, e.now().Sub(began).Seconds()}
	if e.json {
		return e.emit(j)
	}
	word := "freed"
	if e.dry {
		word = "would free"
	}
	e.printf("%s %s: %s deleted (%d rewritten first), %s gone, %s kept\n", word, size(max(r.Bytes, 0)),
		plural(r.Packs, "pack"), r.Rewritten, plural(r.Snapshots, "forgotten snapshot"), plural(r.Kept, "pack"))
	if r.Waiting > 0 {
		e.printf("%s condemned: this store cannot tell who was first, so they are deleted by a gc in a week\n", plural(r.Waiting, "pack"))
	}
	return nil
}
