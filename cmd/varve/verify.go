package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/spf13/cobra"

	"varve"
	"varve/experiment"
)

func verifyVerb(e *env) *cobra.Command {
	var o varve.VerifyOptions
	var accept bool
	var level string
	c := &cobra.Command{
		Use: "verify [REF]", Short: "Check that everything is there and right", GroupID: "care",
		Long: "Checks that everything the snapshots of the vault need is there, at one of three levels: structure reads the index,\n" +
			"the records and every page of every tree; headers, which is the default, also the head and the directory of every\n" +
			"pack; data every byte. --data is --level data; --budget ends that after a time, and begins with what was not read\n" +
			"for longest, so that checks one after the other come round.\n" +
			"With REF only what that snapshot of the project needs; its critical files (see varve critical) are read out of the\n" +
			"vault as a restore would and compared with their SHA-256, with --data all of them. Exit code 20 if anything is wrong.\n\n" +
			"Snapshots that were there, that nobody forgot, and that are gone are a finding. With --accept-loss they are\n" +
			"taken for forgotten first: for a vault that was put back to an earlier state on purpose.",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: e.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case level == "structure" && o.Data:
				return usage("", "--level structure and --data exclude each other")
			case level == "structure":
				o.Structure = true
			case level == "data":
				o.Data = true
			case level == "headers":
			default:
				return usage("there are structure, headers and data; --data is the last", "--level %s", level)
			}
			return e.verify(cmd.Context(), o, accept, args)
		},
	}
	c.Flags().StringVar(&level, "level", "headers", "how deep: structure, headers or data")
	c.Flags().BoolVar(&o.Data, "data", false, "read every byte")
	c.Flags().DurationVar(&o.Budget, "budget", 0, "stop after a `TIME`, as 10m")
	c.Flags().BoolVar(&accept, "accept-loss", false, "take snapshots that are gone for forgotten")
	return c
}

type verifyJSON struct {
	Schema   string        `json:"schema"`
	OK       bool          `json:"ok"`
	Complete bool          `json:"complete"`
	Level    string        `json:"level"`
	Data     bool          `json:"data"`
	Objects  int64         `json:"checked_objects"`
	Bytes    int64         `json:"checked_bytes"`
	Findings []findingJSON `json:"findings"`
	Seconds  float64       `json:"seconds"`
}

type findingJSON struct {
	Schema    string   `json:"schema"`
	Kind      string   `json:"kind"`
	Object    string   `json:"object"`
	Path      string   `json:"path"`
	PathBytes []byte   `json:"path_bytes,omitempty"`
	Paths     []string `json:"paths"`
	Snapshots []string `json:"snapshots"`
	Detail    string   `json:"detail"`
	Repair    string   `json:"repair"`
	Healed    *bool    `json:"healed,omitempty"` // of repair
}

func findingOf(f *varve.Finding) findingJSON {
	path, b := text(f.Path)
	return findingJSON{"varve.finding/1", string(f.Kind), f.Object, path, b, texts(f.Paths), texts(f.Snapshots), f.Detail, f.Repair, nil}
}

func (e *env) verify(ctx context.Context, o varve.VerifyOptions, accept bool, args []string) error {
	if o.Budget < 0 {
		return usage("", "--budget %s: want more than nothing", o.Budget)
	}
	var v *varve.Vault
	var err error
	var p *place
	if len(args) == 0 {
		v, _, err = e.openVault(ctx, false)
	} else {
		if p, err = e.open(ctx, need{}); err != nil {
			return err
		}
		var s *varve.Snapshot
		if s, err = e.resolve(p, args[0]); err == nil {
			v, o.Snapshots = p.vault, []*varve.Snapshot{s}
		}
	}
	if err != nil {
		return err
	}
	if accept {
		lost, err := v.AcceptLoss(ctx)
		if err != nil {
			return fmt.Errorf("accept what is lost: %w", err)
		}
		e.say("taken for forgotten: %s", plural(len(lost.Snapshots), "snapshot"))
	}
	began := e.now()
	r, err := v.Verify(ctx, o)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	if p != nil {
		if err := e.verifyFiles(ctx, p, &o, r); err != nil {
			return err
		}
	}
	if err := e.verified(&o, r, e.now().Sub(began)); err != nil {
		return err
	}
	if !r.OK {
		return outcome(exitDamage)
	}
	return nil
}

// verifyFiles reads the files of a version out of the vault, as a restore would: all with --data, else the critical
// ones. What was found is noted beside the version.
func (e *env) verifyFiles(ctx context.Context, p *place, o *varve.VerifyOptions, r *varve.VerifyReport) error {
	s := o.Snapshots[0]
	var match func(string) bool
	if !o.Data {
		critical := p.project.Critical()
		match = func(at string) bool {
			return slices.ContainsFunc(critical, func(c string) bool { ok, _ := doublestar.Match(c, at); return ok })
		}
	}
	if !o.Structure {
		c, err := p.project.CheckFiles(ctx, s, match)
		if err != nil && !damaged(err) {
			return fmt.Errorf("verify the files of %s: %w", s.Ref(), err)
		}
		if c != nil {
			r.Findings = append(r.Findings, c.Findings...)
			r.Bytes += c.Bytes
		}
		r.OK = r.OK && err == nil && len(r.Findings) == 0
	}
	l, err := experiment.Open(ctx, p.vault, p.project, experiment.Options{Now: e.now, Rand: rand.Reader})
	if err == nil {
		err = errors.Join(l.NoteVerified(ctx, s, levelOf(o), r.OK && r.Complete, len(r.Findings)), l.Close())
	}
	if err != nil && e.verbose {
		e.say("varve: not noted: %v", err) // a vault that is read only is checked all the same
	}
	return nil
}

// damaged reports whether an error is about what is in the vault.
func damaged(err error) bool {
	return errors.Is(err, varve.ErrDamaged) || errors.Is(err, varve.ErrMissing) || errors.Is(err, varve.ErrCorrupt)
}

// tellFinding prints a finding; word says what its last line is about.
func (e *env) tellFinding(f *varve.Finding, word string) {
	e.printf("%s: %s: %s\n", f.Kind, name(f.Object), lines(f.Detail))
	if f.Path != "" {
		e.printf("  hits %s", name(f.Path))
		if n := len(f.Paths); n > 1 {
			e.printf(" and %s more", count(n-1))
		}
		e.printf(" in %s\n", name(fmt.Sprint(f.Snapshots)))
	}
	if f.Repair != "" {
		e.printf("  %s: %s\n", word, lines(f.Repair))
	}
}

func levelOf(o *varve.VerifyOptions) string {
	switch {
	case o.Data:
		return "data"
	case o.Structure:
		return "structure"
	}
	return "headers"
}

func (e *env) verified(o *varve.VerifyOptions, r *varve.VerifyReport, took time.Duration) error {
	if e.json {
		j := verifyJSON{"varve.verify/1", r.OK, r.Complete, levelOf(o), o.Data, r.Objects, r.Bytes, []findingJSON{}, took.Seconds()}
		for i := range r.Findings {
			j.Findings = append(j.Findings, findingOf(&r.Findings[i]))
		}
		return e.emit(j)
	}
	e.meter.clear()
	for i := range r.Findings {
		e.tellFinding(&r.Findings[i], "repair")
	}
	verdict := "all is right"
	switch {
	case !r.OK:
		verdict = plural(len(r.Findings), "finding")
	case !r.Complete:
		verdict = "nothing wrong so far; the time was not enough for all, and the next check goes on"
	case o.Structure:
		verdict = "the index and the trees are whole; --level headers looks into every pack, --data reads every byte"
	case !o.Data:
		verdict = "everything is there; --data reads every byte"
	}
	e.printf("checked %s, %s in %s: %s\n", plural(r.Objects, "object"), size(r.Bytes), lasting(took), verdict)
	return nil
}
