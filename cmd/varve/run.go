package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"varve/experiment"
)

func runVerb(e *env) *cobra.Command {
	c := &cobra.Command{Use: "run", Short: "Runs that were guarded: list, show, begin and end by hand", GroupID: "experiment"}
	c.AddCommand(runStart(e), runFinish(e), runList(e),
		&cobra.Command{Use: "show RUN", Short: "Show a run, by its name or id", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return e.showRun(cmd.Context(), args[0]) }})
	return c
}

type runningJSON struct {
	Schema  string   `json:"schema"`
	ID      string   `json:"id"`
	Name    string   `json:"name"`
	Before  string   `json:"before"`
	Reused  bool     `json:"reused"`
	Started string   `json:"started"`
	Metrics string   `json:"metrics"` // the file to append to
	State   string   `json:"state"`   // running, or broken off
	Command []string `json:"command"`
}

func (e *env) runningOf(r *experiment.Running) runningJSON {
	j := runningJSON{"varve.running/1", r.ID, r.Name, r.Before, r.Reused, rfc(r.Started), r.MetricsFile(), "running", texts(r.Command)}
	if r.PID != 0 && !alive(r.PID) {
		j.State = "broken off"
	}
	return j
}

func runStart(e *env) *cobra.Command {
	f := &guardFlags{}
	c := &cobra.Command{Use: "start", Short: "Begin a guarded run without a command: run finish ends it", Args: cobra.NoArgs,
		Long: "Takes the snapshot that guard takes before a command, and prints the id of the run and the file to which it may\n" +
			"log what it measures. For notebooks and libraries; varve run finish ID ends it.",
		RunE: func(cmd *cobra.Command, _ []string) error { return e.startRun(cmd.Context(), f) }}
	f.add(c)
	return e.changing(c)
}

func (e *env) startRun(ctx context.Context, f *guardFlags) error {
	p, l, err := e.lab(ctx, need{newVault: true, newFolder: true, folder: true})
	if err != nil {
		return err
	}
	defer l.Close()
	s, policy, err := e.start(p, f, nil)
	if err != nil {
		return err
	}
	if e.dry {
		return e.tellGuard(p, &s, policy)
	}
	r, err := l.Begin(ctx, s)
	if err != nil {
		return err
	}
	if e.json {
		return e.emit(e.runningOf(r))
	}
	e.printf("%s\n", r.ID)
	e.say("the run may append what it measures to %s; varve run finish %s ends it", name(r.MetricsFile()), r.ID)
	return nil
}

func runFinish(e *env) *cobra.Command {
	var exit int
	var text string
	var keep bool
	c := &cobra.Command{Use: "finish [RUN]", Short: "End a run: measure, judge, and roll back if its policy says so", Args: cobra.MaximumNArgs(1),
		Long: "Ends a run that run start began, or one whose guard was killed. Without RUN it ends the only one there is.",
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.finishRun(cmd.Context(), arg(args, 0, ""), experiment.Outcome{Exit: exit, Error: text, Keep: keep})
		}}
	c.Flags().IntVar(&exit, "exit", 0, "how it ended: 0 is well")
	c.Flags().StringVar(&text, "error", "", "what is known of why it failed")
	c.Flags().BoolVar(&keep, "keep", false, "roll nothing back, whatever the policy says")
	return e.changing(c)
}

func (e *env) finishRun(ctx context.Context, which string, o experiment.Outcome) error {
	_, l, err := e.lab(ctx, need{folder: true})
	if err != nil {
		return err
	}
	defer l.Close()
	r, err := e.underWay(l, which)
	if err != nil {
		return err
	}
	if r.PID != 0 && r.PID != e.pid && alive(r.PID) {
		return hinted(fmt.Errorf("run %s: process %d guards it", r.ID, r.PID), "it ends with its command")
	}
	if e.dry {
		if e.json {
			return e.emit(e.runningOf(r))
		}
		e.printf("would end run %s, begun %s\n", r.ID, age(r.Started, e.now()))
		return nil
	}
	o.Ended = e.now()
	if o.Exit != 0 && o.Error == "" {
		o.Error = fmt.Sprintf("exit code %d", o.Exit)
	}
	run, err := l.Finish(ctx, r, o)
	if run == nil {
		return err
	}
	if perr := e.printRun(run); perr != nil {
		return errors.Join(err, perr)
	}
	if run.Exit != 0 && !run.RolledBack && run.Verdict != experiment.Regressed && err == nil {
		return nil // that it failed is what was to be noted
	}
	return guardExit(run, err)
}

// underWay finds a run that has not ended.
func (e *env) underWay(l *experiment.Lab, which string) (*experiment.Running, error) {
	if which != "" {
		r, err := l.Running(which)
		return r, hinted(err, "varve run ls lists them")
	}
	all, err := l.AllRunning()
	if err != nil {
		return nil, err
	}
	if len(all) != 1 {
		return nil, usage("name it; varve run ls lists them", "run finish: %s under way", plural(len(all), "run"))
	}
	return all[0], nil
}

func runList(e *env) *cobra.Command {
	var f experiment.RunFilter
	c := &cobra.Command{Use: "ls", Short: "List the runs of the project", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.runs(cmd.Context(), f) }}
	c.Flags().StringVar(&f.Name, "name", "", "only runs of a `NAME`")
	c.Flags().StringVar(&f.Verdict, "verdict", "", "only runs of a `VERDICT`: passed, warning, regression, failed, unmeasured")
	c.Flags().IntVar(&f.Limit, "limit", 0, "only the last `N`")
	return c
}

func (e *env) runs(ctx context.Context, f experiment.RunFilter) error {
	_, l, err := e.lab(ctx, need{})
	if err != nil {
		return err
	}
	defer l.Close()
	list, err := l.Runs(ctx, f)
	if err != nil {
		return err
	}
	for _, r := range list {
		if e.json {
			if err := e.printRun(r); err != nil {
				return err
			}
			continue
		}
		state := r.Verdict
		if r.RolledBack {
			state += ", rolled back"
		}
		what := strings.Join(r.Command, " ")
		if r.Name != "" {
			what = r.Name + "  " + what
		}
		e.printf("%s  %-12s  %s → %s  %-24s  %s\n", r.ID[:8], age(r.Started, e.now()), ref(r.BeforeVersion), ref(r.AfterVersion), state, name(what))
	}
	under, err := l.AllRunning()
	if err != nil {
		return err
	}
	for _, r := range under {
		j := e.runningOf(r)
		if e.json {
			if err := e.emit(j); err != nil {
				return err
			}
			continue
		}
		e.printf("%s  %-12s  %-24s  %s\n", r.ID[:8], age(r.Started, e.now()), j.State, name(strings.TrimSpace(r.Name+"  "+strings.Join(r.Command, " "))))
		if j.State != "running" {
			e.say("varve run finish %s judges what it left", r.ID[:8])
		}
	}
	return nil
}

func (e *env) showRun(ctx context.Context, which string) error {
	_, l, err := e.lab(ctx, need{})
	if err != nil {
		return err
	}
	defer l.Close()
	r, err := l.Run(ctx, which)
	if err != nil {
		return hinted(err, "varve run ls lists the runs")
	}
	if e.json {
		return e.printRun(r)
	}
	for _, f := range [][2]string{{"run", r.ID}, {"name", r.Name}, {"command", strings.Join(r.Command, " ")}, {"in", filepath.Join(".", r.Dir)}, {"started", rfc(r.Started)},
		{"took", lasting(time.Duration(r.Seconds * float64(time.Second)))}, {"cpu", lasting(time.Duration(r.CPU * float64(time.Second)))}, {"memory", size(r.Memory)},
		{"before", ref(r.BeforeVersion)}, {"after", ref(r.AfterVersion)}, {"revision", r.Revision.ID}, {"seed", r.Seed}} {
		if f[1] != "" {
			e.printf("%-9s %s\n", f[0], name(f[1]))
		}
	}
	for k, v := range sorted(r.Params) {
		e.printf("param     %s = %s\n", name(k), name(v))
	}
	for k, v := range sorted(r.Environment) {
		e.printf("with      %s = %s\n", name(k), name(v))
	}
	for _, set := range []struct {
		word string
		of   map[string]string
	}{{"dataset", r.Dataset}, {"evaluated", r.Evaluation}} {
		for k, v := range sorted(set.of) {
			e.printf("%-9s %s %.12s\n", set.word, name(k), v)
		}
	}
	return e.printRun(r)
}
