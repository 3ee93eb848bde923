package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/disk"
)

func repairVerb(e *env) *cobra.Command {
	var from string
	c := &cobra.Command{
		Use: "repair [--from VAULT]", Short: "Make good what is damaged, as far as it can be had", GroupID: "care",
		Long: "Reads every byte of the vault. What is damaged is stored again: as its parity makes it, from another place in\n" +
			"the vault, from another copy of the vault or one that snapshots were copied to (--from), or from the folders of\n" +
			"the projects where they still have it. Damaged packs are then put into quarantine: what could not be had is\n" +
			"kept anew by the next snapshot of a folder that has it. Nothing is deleted and nothing that is there is changed. Exit code 20 if anything remains.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.repair(cmd.Context(), from) },
	}
	c.Flags().StringVar(&from, "from", "", "take what is lost from another copy, the `VAULT`")
	return e.changing(c)
}

type repairJSON struct {
	Schema      string  `json:"schema"`
	OK          bool    `json:"ok"`
	Objects     int64   `json:"checked_objects"`
	Bytes       int64   `json:"checked_bytes"`
	Found       int     `json:"found"`
	Healed      int     `json:"healed"`
	Remaining   int     `json:"remaining"`
	Stored      int64   `json:"stored_objects"`
	Quarantined int     `json:"quarantined"`
	Seconds     float64 `json:"seconds"`
	Brought     int     `json:"brought_back"` // snapshots
	DryRun      bool    `json:"dry_run,omitempty"`
}

func (e *env) repair(ctx context.Context, from string) error {
	v, _, err := e.openVault(ctx, false)
	if err != nil {
		return err
	}
	o := varve.RepairOptions{Dry: e.dry, Folders: map[string]disk.Dir{}}
	if from != "" {
		if o.From, _, err = e.other(from).openVault(ctx, false); err != nil {
			return fmt.Errorf("open the other copy: %w", err)
		}
	}
	if root, ok := e.projectRoot(); ok {
		if d, err := disk.Open(root); err == nil {
			defer d.Close()
			if id, err := varve.ReadProjectID(d); err == nil {
				o.Folders[id] = d
			}
		}
	}
	began := e.now()
	r, err := v.Repair(ctx, o)
	if errors.Is(err, varve.ErrOtherVault) {
		return usage("it takes a copy of the same vault, as rsync makes one, or one that varve copy has made", "%s: %v", name(from), err)
	}
	if err != nil {
		return err
	}
	if err := e.repaired(r, e.now().Sub(began)); err != nil {
		return err
	}
	if !r.OK {
		return outcome(exitDamage)
	}
	return nil
}

func (e *env) repaired(r *varve.RepairReport, took time.Duration) error {
	healed := 0
	for i := range r.Outcomes {
		if r.Outcomes[i].Healed {
			healed++
		}
	}
	all := len(r.Outcomes)
	if e.json {
		for i := range r.Outcomes {
			j := findingOf(&r.Outcomes[i].Finding)
			j.Healed = &r.Outcomes[i].Healed
			if err := e.emit(j); err != nil {
				return err
			}
		}
		return e.emit(repairJSON{"varve.repair/1", r.OK, r.Objects, r.Bytes, all, healed, all - healed, r.Stored, r.Quarantined, took.Seconds(), r.Brought, e.dry})
	}
	e.meter.clear()
	for i := range r.Outcomes {
		word := "remains"
		if r.Outcomes[i].Healed {
			word = "repaired"
		}
		e.tellFinding(&r.Outcomes[i].Finding, word)
	}
	if r.Brought > 0 {
		word := "brought back"
		if e.dry {
			word = "would bring back"
		}
		e.printf("%s %s that the vault had lost\n", word, plural(r.Brought, "snapshot"))
	}
	verdict := "nothing to repair"
	if all > 0 {
		verdict = fmt.Sprintf("repaired %s of %s", count(healed), plural(all, "finding"))
		if e.dry {
			verdict = "would repair" + verdict[len("repaired"):]
		}
	}
	e.printf("checked %s, %s in %s: %s\n", plural(r.Objects, "object"), size(r.Bytes), lasting(took), verdict)
	return nil
}
