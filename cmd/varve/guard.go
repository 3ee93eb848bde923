package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"varve"
	"varve/experiment"
)

// guardFile is the policy of a project that names none.
const guardFile = "varve-guard.toml"

type guardFlags struct {
	policy, name, seed, baseline string
	scope, params, metrics       []string
	keep                         bool
}

func (f *guardFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.policy, "policy", "", "a policy `FILE`; else "+guardFile+" of the project, where there is one")
	c.Flags().StringVar(&f.name, "name", "", "a `NAME` for the version, as v5.5.1-ood: a milestone, if the run is good")
	c.Flags().StringArrayVar(&f.scope, "scope", nil, "a `PATH` or pattern that a rollback may touch, instead of the policy's; repeatable")
	c.Flags().StringArrayVar(&f.params, "param", nil, "a parameter of the run, `K=V`; repeatable")
	c.Flags().StringVar(&f.seed, "seed", "", "the `SEED` of the run: what it measures is of that repetition")
	c.Flags().StringVar(&f.baseline, "baseline", "", "compare with `REF` instead of the policy's baseline")
	c.Flags().StringArrayVar(&f.metrics, "metrics", nil, "a `FILE` or pattern to import what was measured from; repeatable")
}

func guardVerb(e *env) *cobra.Command {
	f := &guardFlags{}
	c := &cobra.Command{
		Use: "guard [flags] -- COMMAND…", Short: "Run a command, and take its change back if what it measures is bad", GroupID: "experiment",
		Long: "Takes a snapshot (or uses the last one, where nothing changed), runs the command, reads what it measured, judges\n" +
			"that by a policy, takes a snapshot of what the command left, and keeps a record of the run. Where a critical rule\n" +
			"of the policy is violated, what changed within the scope is put back: nothing is lost, for the failed state was\n" +
			"kept first, and varve undo brings it back. Files that somebody else wrote meanwhile are left, and told.\n\n" +
			"The command finds in VARVE_METRICS the name of a file to which it may append JSON lines, as\n" +
			"  {\"metric\": \"accuracy\", \"value\": 95.3, \"step\": 10}    or    {\"accuracy\": 95.3, \"step\": 10}\n\n" +
			"The exit code is that of the command; 4 if a critical rule was violated.",
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return e.guard(cmd.Context(), f, args) },
	}
	f.add(c)
	c.Flags().BoolVar(&f.keep, "keep", false, "roll nothing back, whatever the policy says")
	c.Flags().SetInterspersed(false)
	_ = c.MarkFlagFilename("policy", "toml")
	return e.changing(c)
}

// lab opens the project's experiments.
func (e *env) lab(ctx context.Context, n need) (*place, *experiment.Lab, error) {
	p, err := e.open(ctx, n)
	if err != nil {
		return nil, nil, err
	}
	l, err := experiment.Open(ctx, p.vault, p.project, experiment.Options{Now: e.now, Rand: rand.Reader})
	return p, l, err
}

// start reads the flags of a run.
func (e *env) start(p *place, f *guardFlags, command []string) (experiment.Start, *experiment.Policy, error) {
	s := experiment.Start{Name: f.name, Scope: f.scope, Command: command, Seed: f.seed, Metrics: f.metrics, Baseline: f.baseline, Ignore: p.project.IgnoreSettings()}
	var err error
	if s.Params, err = pairs(f.params); err != nil {
		return s, nil, err
	}
	if f.name != "" {
		if err := varve.CheckTag(f.name, ""); err != nil {
			return s, nil, usage("", "--name %w", err)
		}
	}
	if err := (experiment.Scope{In: f.scope}).Check(); err != nil {
		return s, nil, usage("", "--%w", err)
	}
	if s.Dir, err = e.inside(p, "."); err != nil {
		return s, nil, err
	}
	text, err := e.policyText(p, f.policy)
	if err != nil {
		return s, nil, err
	}
	s.Policy = string(text)
	policy, err := experiment.ParsePolicy(text)
	if err != nil {
		return s, nil, usage("docs/experiments.md shows what a policy says", "%w", err)
	}
	s.Environment, s.Revision = e.surroundings(p.root, command)
	return s, policy, nil
}

// policyText reads the policy that was named, or that of the project; nil if there is none.
func (e *env) policyText(p *place, file string) ([]byte, error) {
	named := file != ""
	if named {
		file = e.abs(file)
	} else {
		file = filepath.Join(p.root, guardFile)
	}
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) && !named {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("policy %s: %w", name(file), cause(err))
	}
	if b == nil {
		b = []byte{}
	}
	return b, nil
}

func (e *env) guard(ctx context.Context, f *guardFlags, command []string) error {
	// Signals are the command's: what is kept of it is kept all the same.
	ctx = context.WithoutCancel(ctx)
	p, l, err := e.lab(ctx, need{newVault: true, newFolder: true, folder: true})
	if err != nil {
		return err
	}
	defer l.Close()
	s, policy, err := e.start(p, f, command)
	if err != nil {
		return err
	}
	if e.dry {
		return e.tellGuard(p, &s, policy)
	}
	run, err := e.guarded(ctx, p, l, s, f.keep)
	if run == nil {
		return err
	}
	if perr := e.printRun(run); perr != nil {
		return errors.Join(err, perr)
	}
	return guardExit(run, err)
}

// guardExit is how a guard ends after its run was printed.
func guardExit(run *experiment.Run, err error) error {
	switch {
	case err != nil:
		return hinted(err, "the state that the command left is kept as "+ref(run.AfterVersion)+"; varve rollback "+ref(run.BeforeVersion)+" puts back how it was before")
	case run.RolledBack, run.Verdict == experiment.Regressed:
		return outcome(exitDifferences)
	case run.Exit != 0:
		return outcome(run.Exit)
	}
	return nil
}

func ref(version int) string { return fmt.Sprintf("v%d", version) }

// guarded runs the command between its two snapshots.
func (e *env) guarded(ctx context.Context, p *place, l *experiment.Lab, s experiment.Start, keep bool) (*experiment.Run, error) {
	r, err := l.Begin(ctx, s)
	if err != nil {
		return nil, err
	}
	r.PID = e.pid
	if err := l.SaveRunning(r); err != nil {
		return nil, err
	}
	if e.verbose {
		e.say("before: %s; metrics: %s", r.Before[:12], r.MetricsFile())
	}
	e.meter.clear()
	_ = e.out.Flush()
	witness := e.witness(p.root)
	o, err := e.child(ctx, r, s.Command, []string{"VARVE_METRICS=" + r.MetricsFile(), "VARVE_RUN=" + r.ID})
	o.Foreign = witness.stop()
	if err != nil {
		// It never ran, so there is nothing to judge.
		return nil, errors.Join(err, l.Abandon(r))
	}
	o.Keep = keep
	return l.Finish(ctx, r, o)
}

type guardJSON struct {
	Schema string   `json:"schema"`
	DryRun bool     `json:"dry_run"`
	Name   string   `json:"name"`
	Run    []string `json:"command"`
	Scope  []string `json:"scope"`
	Rules  int      `json:"rules"`
	To     string   `json:"rollback_to"`
}

// tellGuard says what a guard would do.
func (e *env) tellGuard(p *place, s *experiment.Start, policy *experiment.Policy) error {
	scope := s.Scope
	if scope == nil {
		scope = policy.Rollback.Scope
	}
	if e.json {
		return e.emit(guardJSON{"varve.guard/1", true, s.Name, texts(s.Command), texts(scope), len(policy.Rules), policy.Rollback.To})
	}
	in := strings.Join(scope, " ")
	if in == "" {
		in = "code and configuration"
	}
	e.printf("would keep the state of %s, run %s, and judge it by %s; a rollback would put back %s\n", name(p.root), name(strings.Join(s.Command, " ")), plural(len(policy.Rules), "rule"), name(in))
	return nil
}

type runJSON struct {
	Schema  string              `json:"schema"`
	Version int                 `json:"version"`
	Metrics map[string]*float64 `json:"metrics"`
	*experiment.Run
}

// printRun prints what became of a run.
func (e *env) printRun(r *experiment.Run) error {
	if e.json {
		return e.emit(runJSON{"varve.run/1", r.AfterVersion, r.Values(), r})
	}
	values := r.Values()
	for _, m := range slices.Sorted(maps.Keys(values)) {
		if v := values[m]; v != nil {
			e.printf("%s = %s\n", name(m), number(*v))
		} else {
			e.printf("%s is not a number\n", name(m))
		}
	}
	for _, v := range r.Violations {
		e.tell("%s: %s: %s", v.Severity, name(v.Metric), name(v.Reason))
	}
	for _, n := range r.Notes {
		e.say("note: %s", lines(n))
	}
	for _, l := range r.Left {
		e.tell("left as it is: %s: %s", name(l.Path), name(l.Reason))
	}
	word := r.Verdict
	if r.Exit != 0 {
		word += fmt.Sprintf(" (%s)", r.Error)
	}
	e.say("%s: %s, %s; %s → %s", runTitle(r), word, lasting(time.Duration(r.Seconds*float64(time.Second))), ref(r.BeforeVersion), ref(r.AfterVersion))
	if r.RolledBack {
		e.tell("rolled back: %s put back; the failed state is kept as %s; varve undo brings it back", plural(len(r.PutBack), "file"), ref(r.AfterVersion))
	}
	return nil
}

func runTitle(r *experiment.Run) string {
	if r.Name != "" {
		return name(r.Name)
	}
	return "run " + r.ID[:min(8, len(r.ID))]
}
