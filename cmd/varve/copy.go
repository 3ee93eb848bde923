package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"varve"
)

// varToPassword is VARVE_PASSWORD of the other vault, where that has one of its own.
const varToPassword = "VARVE_TO_PASSWORD"

func copyVerb(e *env) *cobra.Command {
	var to string
	var heal bool
	c := &cobra.Command{
		Use: "copy [--to VAULT] [REF…]", Short: "Keep a second copy in another vault, or heal from it", GroupID: "care",
		Long: "Brings all snapshots of the vault, or only those of this project that are named, into another vault, which is\n" +
			"made if it is not there: a path, s3://… or sftp://…. Only what that lacks is moved; it has keys of its own, and\n" +
			"is a vault like any other. Milestones, tags, holds and settings go along. Without --to it is the copy\n" +
			"that has most. Its passphrase is asked for, or VARVE_TO_PASSWORD, _FILE or _COMMAND; if none is set, VARVE_PASSWORD.\n\n" +
			"With --heal everything that this vault has lost and the other has is brought back, as varve repair does it.",
		RunE: func(cmd *cobra.Command, refs []string) error {
			if heal && len(refs) > 0 {
				return usage("leave the snapshots out", "copy --heal heals the whole vault")
			}
			return e.copy(cmd.Context(), to, refs, heal)
		},
	}
	c.Flags().StringVar(&to, "to", "", "the other `VAULT`")
	c.Flags().BoolVar(&heal, "heal", false, "bring back from the other vault what this one has lost")
	return e.changing(c)
}

type copyJSON struct {
	Schema  string           `json:"schema"`
	To      string           `json:"to"`
	Vault   string           `json:"vault"` // id of the other
	Made    bool             `json:"made"`
	Copied  []copiedJSON     `json:"copied"`
	Present int              `json:"present"`
	Chunks  int64            `json:"chunks"`
	Stored  int64            `json:"stored_bytes"`
	Records int              `json:"records"`
	Failed  []copyFailedJSON `json:"failed"`
	Seconds float64          `json:"seconds"`
	DryRun  bool             `json:"dry_run,omitempty"`
}

type copiedJSON struct {
	ID      string `json:"id"`
	Project string `json:"project"`
	Version int    `json:"version"`
}

type copyFailedJSON struct {
	copiedJSON
	Error string `json:"error"`
}

func copied(s *varve.Snapshot) copiedJSON { return copiedJSON{s.ID.String(), s.Project, s.Version} }

// other is the environment of a second vault.
func (e *env) other(place string) *env {
	o := *e
	o.vault, o.which = place, " "+name(place)
	if _, own, _ := e.named(varToPassword); own {
		o.getenv = func(variable string) string {
			if suffix, ok := strings.CutPrefix(variable, varPassword); ok {
				return e.getenv(varToPassword + suffix)
			}
			return e.getenv(variable)
		}
	}
	return &o
}

func (e *env) copy(ctx context.Context, to string, refs []string, heal bool) error {
	v, snapshots, err := e.toCopy(ctx, refs)
	if err != nil {
		return err
	}
	known := slices.DeleteFunc(v.Copies(), func(c varve.SecondCopy) bool { return c.Place == "" })
	named := to != ""
	if !named {
		if len(known) == 0 {
			return usage("varve copy --to /media/disk/vault", "copy: there is no second copy yet: say where it is to be")
		}
		to = slices.MaxFunc(known, func(a, b varve.SecondCopy) int { return cmp.Compare(a.Snapshots, b.Snapshots) }).Place
	}
	if heal {
		return e.repair(ctx, to)
	}
	o := e.other(to)
	o.locked = !v.Info().KeyStored
	path, _, err := o.vaultPath()
	if err != nil {
		return err
	}
	known = slices.DeleteFunc(known, func(c varve.SecondCopy) bool { return c.Place != path })
	second, made, err := o.openVault(ctx, !e.dry && len(known) == 0)
	switch {
	case errors.Is(err, varve.ErrNoVault) && len(known) > 0:
		return &failure{code: exitNoVault, err: fmt.Errorf("the copy of %s is not at %s: %w", age(known[0].Time, e.now()), name(path), varve.ErrNoVault),
			hint: "is its disk there? if it is lost for good: varve init --vault, and then varve copy --to, with this place"}
	case errors.Is(err, varve.ErrNoVault) && e.dry:
		made, err = true, nil
	case err != nil:
		return fmt.Errorf("open the other vault: %w", err)
	case !named && !slices.ContainsFunc(known, func(c varve.SecondCopy) bool { return c.Vault == second.ID() }):
		return usage("name it with --to if it is to be the second copy from now on", "copy: at %s there is another vault than the one that was copied to", name(path))
	}
	j := copyJSON{Schema: "varve.copy/1", To: path, Made: made, Copied: []copiedJSON{}, Failed: []copyFailedJSON{}, DryRun: e.dry}
	began := e.now()
	r := &varve.CopyReport{Copied: snapshots}
	if second != nil {
		j.Vault = second.ID()
		r, err = v.Copy(ctx, second, varve.CopyOptions{Snapshots: snapshots, DryRun: e.dry})
		if errors.Is(err, varve.ErrSameVault) {
			return usage("a second copy is a vault of its own: name a place where there is none", "--to %s: %v", name(to), err)
		}
		if err != nil {
			return err
		}
	} else if snapshots == nil {
		r.Copied = v.Snapshots()
	}
	if err := e.tellCopy(&j, r, e.now().Sub(began)); err != nil {
		return err
	}
	if mine, _, err := e.vaultPath(); err == nil && made && !e.dry && !e.quiet && !e.json && sameDevice(mine, path) {
		e.say("it is on the same disk as the vault: that disk's death takes both")
	}
	return nil
}

// toCopy opens the vault, and finds the snapshots that were named; nil for all.
func (e *env) toCopy(ctx context.Context, refs []string) (*varve.Vault, []*varve.Snapshot, error) {
	if len(refs) == 0 {
		v, _, err := e.openVault(ctx, false)
		return v, nil, err
	}
	p, err := e.open(ctx, need{})
	if err != nil {
		return nil, nil, err
	}
	var out []*varve.Snapshot
	for _, ref := range refs {
		s, err := e.resolve(p, ref)
		if err != nil {
			return nil, nil, err
		}
		out = append(out, s)
	}
	return p.vault, out, nil
}

func (e *env) tellCopy(j *copyJSON, r *varve.CopyReport, took time.Duration) error {
	j.Present, j.Chunks, j.Stored, j.Records, j.Seconds = r.Present, r.Chunks, r.Stored, r.Records, took.Seconds()
	for _, s := range r.Copied {
		j.Copied = append(j.Copied, copied(s))
	}
	for _, f := range r.Failed {
		j.Failed = append(j.Failed, copyFailedJSON{copied(f.Snapshot), f.Err.Error()})
	}
	if e.json {
		if err := e.emit(j); err != nil {
			return err
		}
	} else {
		e.meter.clear()
		word := "copied"
		if e.dry {
			word = "would copy"
		}
		e.printf("%s %s to %s, %d there already", word, plural(len(r.Copied), "snapshot"), name(j.To), r.Present)
		if !e.dry {
			e.printf("; %s new, in %s", size(r.Stored), lasting(took))
		}
		if j.Made && !e.dry {
			e.printf("; the vault was made")
		}
		e.printf("\n")
		for _, f := range r.Failed {
			e.printf("not copied: %s %s: %s\n", name(f.Snapshot.Name), f.Snapshot.Ref(), lines(f.Err.Error()))
		}
		if len(r.Failed) > 0 {
			e.say("%s of the vault cannot be read whole: varve verify says what is wrong", plural(len(r.Failed), "snapshot"))
		}
	}
	if len(r.Failed) > 0 {
		return outcome(exitDamage)
	}
	return nil
}
