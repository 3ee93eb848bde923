package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"varve"
	"varve/experiment"
)

func bisectVerb(e *env) *cobra.Command {
	c := &cobra.Command{Use: "bisect", Short: "Find the version that brought a change", GroupID: "experiment",
		Long: "Finds the first bad version between one that is good and one that is bad, by halving: of a thousand versions\n" +
			"ten are tried. Versions are put into a folder of their own, each time only what differs; the project is not\n" +
			"touched."}
	c.AddCommand(
		&cobra.Command{Use: "start GOOD BAD", Short: "Begin: a version that is good, and a later one that is bad", Args: cobra.ExactArgs(2), ValidArgsFunction: e.completeRefs,
			RunE: func(cmd *cobra.Command, args []string) error { return e.bisectStart(cmd.Context(), args[0], args[1]) }},
		e.bisectRunVerb(), e.bisectMetricVerb(),
		&cobra.Command{Use: "reset", Short: "Forget the search, and remove its folder", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return e.bisectReset(cmd.Context()) }},
		&cobra.Command{Use: "log", Short: "What is known so far", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return e.bisectLog(cmd.Context()) }})
	for _, answer := range []string{experiment.Good, experiment.Bad, experiment.Skip} {
		c.AddCommand(&cobra.Command{Use: answer + " [REF]", Short: "Say that a version is " + map[string]string{"good": "good", "bad": "bad", "skip": "not to be judged"}[answer] + "; the one that is to be tried if none is given",
			Args: cobra.MaximumNArgs(1), ValidArgsFunction: e.completeRefs,
			RunE: func(cmd *cobra.Command, args []string) error {
				return e.bisectAnswer(cmd.Context(), answer, arg(args, 0, ""))
			}})
	}
	return c
}

// search is a bisection under way, and where it is noted.
type search struct {
	p    *place
	lab  *experiment.Lab
	b    *experiment.Bisection
	file string
}

const maxSearch = 16 << 20

func (e *env) search(ctx context.Context) (*search, error) {
	p, l, err := e.lab(ctx, need{folder: true})
	if err != nil {
		return nil, err
	}
	s := &search{p: p, lab: l, file: filepath.Join(p.root, ".varve", "bisect.json")}
	info, err := os.Stat(s.file)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err == nil && info.Size() > maxSearch {
		err = fmt.Errorf("%d bytes", info.Size())
	}
	var b []byte
	if err == nil {
		b, err = os.ReadFile(s.file)
	}
	if err == nil {
		s.b = &experiment.Bisection{}
		err = json.Unmarshal(b, s.b)
	}
	if err == nil {
		err = l.Resume(s.b)
	}
	if err != nil {
		return nil, errors.Join(hinted(fmt.Errorf("read %s: %w", name(s.file), err), "remove it to begin again"), l.Close())
	}
	return s, nil
}

func (s *search) begun() error {
	if s.b == nil {
		return usage("varve bisect start GOOD BAD", "no search is under way here")
	}
	return nil
}

func (s *search) save() error {
	b, err := json.Marshal(s.b)
	if err != nil {
		return err
	}
	return varve.WriteFile(s.file, b)
}

type bisectJSON struct {
	Schema   string            `json:"schema"`
	Good     string            `json:"good"`
	Bad      string            `json:"bad"`
	Steps    int               `json:"steps"` // versions that could be to blame
	Left     int               `json:"left"`  // answers that are wanted yet
	Runs     int               `json:"runs"`
	Next     string            `json:"next,omitempty"`
	Found    string            `json:"found,omitempty"` // the first bad version
	Suspects []string          `json:"suspects"`        // more than one, where some were skipped
	Answers  map[string]string `json:"answers"`
}

// tellSearch says what is known, and returns the next version to try; nil at the end.
func (e *env) tellSearch(s *search) (*varve.Snapshot, error) {
	next, err := s.b.Next()
	if err != nil {
		return nil, err
	}
	j := bisectJSON{Schema: "varve.bisect/1", Good: s.refOf(s.b.Good), Bad: s.refOf(s.b.Bad), Steps: len(s.b.Steps()), Left: s.b.Left(), Runs: s.b.Runs, Suspects: []string{}, Answers: map[string]string{}}
	for id, a := range s.b.Answers {
		j.Answers[s.refOf(id)] = a
	}
	if next != nil {
		j.Next = next.Ref()
	} else {
		for _, x := range s.b.Suspects() {
			j.Suspects = append(j.Suspects, x.Ref())
		}
		if len(j.Suspects) == 1 {
			j.Found = j.Suspects[0]
		}
	}
	if e.json {
		return next, e.emit(j)
	}
	switch {
	case next != nil:
		e.printf("%s of %s possible; try %s (%s left)\n", plural(len(s.b.Suspects()), "version"), count(int64(j.Steps)), next.Ref(), plural(j.Left, "answer"))
	case j.Found != "":
		e.printf("%s is the first bad version, after %s\n", j.Found, plural(len(s.b.Answers), "answer"))
		e.say("varve changelog before:%s..%s shows what it changed", j.Found, j.Found)
	default:
		e.printf("the first bad version is one of %s: the others were skipped\n", strings.Join(j.Suspects, " "))
	}
	return next, nil
}

func (s *search) refOf(id string) string {
	if x, err := s.p.project.Resolve(id); err == nil {
		return x.Ref()
	}
	return id
}

func (e *env) bisectStart(ctx context.Context, good, bad string) error {
	s, err := e.search(ctx)
	if err != nil {
		return err
	}
	defer s.lab.Close()
	if s.b != nil {
		return usage("varve bisect reset ends it", "a search is under way here")
	}
	g, err := e.resolve(s.p, good)
	if err != nil {
		return err
	}
	b, err := e.resolve(s.p, bad)
	if err != nil {
		return err
	}
	if s.b, err = s.lab.Bisect(g, b); err != nil {
		return fmt.Errorf("bisect: %w", err)
	}
	if err := s.save(); err != nil {
		return err
	}
	_, err = e.tellSearch(s)
	return err
}

func (e *env) bisectAnswer(ctx context.Context, answer, which string) error {
	s, err := e.search(ctx)
	if err != nil {
		return err
	}
	defer s.lab.Close()
	if err := s.begun(); err != nil {
		return err
	}
	next, err := s.b.Next()
	if err != nil {
		return err
	}
	if which != "" {
		if next, err = e.resolve(s.p, which); err != nil {
			return err
		}
	}
	if next == nil {
		return usage("varve bisect reset ends it", "the search is at its end")
	}
	if err := s.b.Answer(next, answer); err != nil {
		return fmt.Errorf("bisect: %w", err)
	}
	if err := s.save(); err != nil {
		return err
	}
	_, err = e.tellSearch(s)
	return err
}

func (e *env) bisectLog(ctx context.Context) error {
	s, err := e.search(ctx)
	if err != nil {
		return err
	}
	defer s.lab.Close()
	if err := s.begun(); err != nil {
		return err
	}
	if !e.json {
		for _, x := range s.b.Steps() {
			if a := s.b.Answers[x.ID.String()]; a != "" {
				e.printf("%-5s %s\n", a, x.Ref())
			}
		}
	}
	_, err = e.tellSearch(s)
	return err
}

func (e *env) bisectReset(ctx context.Context) error {
	s, err := e.search(ctx)
	if err != nil {
		return err
	}
	defer s.lab.Close()
	if s.b == nil {
		return nil
	}
	if s.b.Work != "" {
		if err := os.RemoveAll(s.b.Work); err != nil {
			return err
		}
	}
	return os.Remove(s.file)
}

func (e *env) bisectRunVerb() *cobra.Command {
	var flips float64
	c := &cobra.Command{Use: "run -- COMMAND…", Short: "Try versions with a command, by git's exit codes: 0 good, 125 skip, 1 to 127 bad", Args: cobra.MinimumNArgs(1),
		Long: "Puts one version after the other into a folder, runs the command there, and takes its exit code for an answer:\n" +
			"0 is good, 125 cannot be judged, 1 to 127 are bad, anything else ends the search. The command finds the\n" +
			"project's folder, with what is not kept, in VARVE_PROJECT, and the version in VARVE_VERSION.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if flips < 0 || flips >= 0.5 {
				return usage("0.05 is one time of twenty", "--flips %v: want a rate below 0.5", flips)
			}
			return e.bisectRun(cmd.Context(), flips, args)
		}}
	c.Flags().SetInterspersed(false)
	c.Flags().Float64Var(&flips, "flips", 0, "the `RATE` at which the command answers wrongly: versions are tried again until one is found with probability 0.95")
	return c
}

func (e *env) bisectRun(ctx context.Context, flips float64, command []string) error {
	s, err := e.search(ctx)
	if err != nil {
		return err
	}
	defer s.lab.Close()
	if err := s.begun(); err != nil {
		return err
	}
	if flips > 0 || s.b.Flips > 0 {
		if flips > 0 {
			s.b.Flips = flips
		}
		return e.bisectNoisy(ctx, s, command)
	}
	for {
		next, err := e.tellSearch(s)
		if err != nil || next == nil {
			return err
		}
		answer, err := e.try(ctx, s, next, command)
		if err != nil {
			return err
		}
		s.b.Runs++
		if err := s.b.Answer(next, answer); err != nil {
			return err
		}
		if err := s.save(); err != nil {
			return err
		}
	}
}

// bisectNoisy tries versions with a command that may answer wrongly.
func (e *env) bisectNoisy(ctx context.Context, s *search, command []string) error {
	for {
		next, err := s.b.NextNoisy()
		if err != nil {
			return err
		}
		if next == nil {
			list, err := s.b.Credible()
			if err != nil {
				return err
			}
			return e.printSuspects(list, s.b.Runs)
		}
		answer, err := e.try(ctx, s, next, command)
		if err != nil {
			return err
		}
		s.b.Runs++
		if answer == experiment.Skip {
			if err := s.b.Answer(next, answer); err != nil {
				return err
			}
		} else {
			s.b.Trials = append(s.b.Trials, experiment.Trial{Snapshot: next.ID.String(), Bad: answer == experiment.Bad})
		}
		if err := s.save(); err != nil {
			return err
		}
	}
}

type suspectJSON struct {
	Schema string  `json:"schema"`
	ID     string  `json:"id"`
	Ref    string  `json:"ref"`
	P      float64 `json:"probability"`
	Runs   int     `json:"runs"`
}

// printSuspects prints versions of which one is the first bad one, with a probability of 0.95.
func (e *env) printSuspects(list []experiment.Suspect, runs int) error {
	for _, x := range list {
		if e.json {
			if err := e.emit(suspectJSON{"varve.suspect/1", x.Snapshot.ID.String(), x.Snapshot.Ref(), x.P, runs}); err != nil {
				return err
			}
			continue
		}
		e.printf("%-6s %5.1f %%\n", x.Snapshot.Ref(), 100*x.P)
	}
	e.say("the change is in one of these with a probability of 0.95, after %s", plural(runs, "run"))
	return nil
}

// try puts a version into the search's folder and asks a command.
func (e *env) try(ctx context.Context, s *search, v *varve.Snapshot, command []string) (string, error) {
	if err := e.materialise(ctx, s, v); err != nil {
		return "", err
	}
	_ = e.out.Flush()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir = s.b.Work
	cmd.Env = append(os.Environ(), "VARVE_PROJECT="+s.p.root, fmt.Sprintf("VARVE_VERSION=%d", v.Version))
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, e.talk, e.talk
	err := cmd.Run()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	exit := 0
	var failed *exec.ExitError
	switch {
	case errors.As(err, &failed):
		exit, _ = exitOf(failed.ProcessState)
	case err != nil:
		return "", fmt.Errorf("run %s: %w", name(command[0]), cause(err))
	}
	answer, ok := experiment.AnswerOf(exit)
	if !ok {
		return "", hinted(fmt.Errorf("%s: exit code %d is no answer", v.Ref(), exit), "0 is good, 125 is to be skipped, 1 to 127 are bad")
	}
	e.say("%s is %s", v.Ref(), map[string]string{"good": "good", "bad": "bad", "skip": "skipped"}[answer])
	return answer, nil
}

// materialise makes the search's folder hold a version.
func (e *env) materialise(ctx context.Context, s *search, v *varve.Snapshot) error {
	var from *varve.Snapshot
	if s.b.Work != "" && s.b.At != "" {
		if x, err := s.p.project.Resolve(s.b.At); err == nil {
			from = x
		}
	}
	if from == nil {
		if s.b.Work != "" {
			if err := os.RemoveAll(s.b.Work); err != nil {
				return err
			}
		}
		dir, err := os.MkdirTemp("", "varve-bisect-")
		if err != nil {
			return err
		}
		s.b.Work, s.b.At = dir, ""
	}
	// Broken off half way, the folder holds neither: then it is made anew.
	s.b.At = ""
	if err := s.save(); err != nil {
		return err
	}
	res, err := s.p.project.Switch(ctx, s.b.Work, from, v)
	if err == nil && len(res.Errors) > 0 {
		err = &varve.PartialError{Failures: res.Errors}
	}
	if err != nil {
		return fmt.Errorf("put %s into %s: %w", v.Ref(), name(s.b.Work), err)
	}
	e.say("%s: %s written, %s removed", v.Ref(), plural(res.Written, "entry"), count(res.Removed))
	s.b.At = v.ID.String()
	return s.save()
}

func (e *env) bisectMetricVerb() *cobra.Command {
	var run []string
	var noisy bool
	c := &cobra.Command{Use: "metric 'METRIC<VALUE' [-- COMMAND…]", Short: "Find it by what was recorded: bad is where the condition holds",
		Args: cobra.MinimumNArgs(1),
		Long: "Takes what versions measured for the answers: one is bad where the condition holds of the mean of what was recorded\n" +
			"of it, as in varve bisect metric 'auroc<0.9'. Versions that were not measured are skipped, or, with a command\n" +
			"after --, tried with that. Without a search under way it looks through all versions that were measured.\n\n" +
			"With --noisy METRIC is a name alone: of all values that were recorded it says where their mean changed, and how sure\n" +
			"that is.",
		RunE: func(cmd *cobra.Command, args []string) error {
			if n := cmd.ArgsLenAtDash(); n >= 0 {
				args, run = args[:n], args[n:]
			}
			if len(args) != 1 {
				return usage("usage: "+cmd.UseLine(), "bisect metric: want one condition")
			}
			if noisy {
				return e.bisectShift(cmd.Context(), args[0])
			}
			return e.bisectMetric(cmd.Context(), args[0], run)
		}}
	c.Flags().BoolVar(&noisy, "noisy", false, "find where the mean of a metric changed, from all values that were recorded")
	return c
}

func (e *env) bisectMetric(ctx context.Context, text string, command []string) error {
	c, err := experiment.ParseCondition(text)
	if err != nil {
		return usage("", "bisect metric: %w", err)
	}
	s, err := e.search(ctx)
	if err != nil {
		return err
	}
	defer s.lab.Close()
	recorded, err := s.lab.Recorded(ctx, c.Metric)
	if err != nil {
		return err
	}
	if s.b == nil {
		if err := s.span(recorded, c); err != nil {
			return err
		}
	}
	for {
		next, err := s.b.Next()
		if err != nil {
			return err
		}
		if next == nil {
			break
		}
		answer := experiment.Skip
		if values, ok := s.recordedOf(recorded, next); ok {
			answer = experiment.Good
			if c.Holds(mean(values)) {
				answer = experiment.Bad
			}
		} else if len(command) > 0 {
			if answer, err = e.try(ctx, s, next, command); err != nil {
				return err
			}
			s.b.Runs++
		}
		if err := s.b.Answer(next, answer); err != nil {
			return err
		}
		if s.b.Work != "" {
			if err := s.save(); err != nil {
				return err
			}
		}
	}
	_, err = e.tellSearch(s)
	return err
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// recordedOf finds what was recorded of a version, or of another with the same contents.
func (s *search) recordedOf(recorded map[string][]float64, v *varve.Snapshot) ([]float64, bool) {
	if values, ok := recorded[v.ID.String()]; ok {
		return values, true
	}
	for _, x := range s.p.project.Snapshots() {
		if x.Root == v.Root {
			if values, ok := recorded[x.ID.String()]; ok {
				return values, true
			}
		}
	}
	return nil, false
}

// span begins a search from the last version that was measured good before the last that was measured bad.
func (s *search) span(recorded map[string][]float64, c experiment.Condition) error {
	var first, last *varve.Snapshot
	for _, x := range s.p.project.Snapshots() {
		values, ok := recorded[x.ID.String()]
		if !ok {
			continue
		}
		if !c.Holds(mean(values)) && first == nil {
			first = x
		}
		if c.Holds(mean(values)) && first != nil {
			last = x
		}
	}
	if len(recorded) == 0 {
		return hinted(fmt.Errorf("bisect: %s was never measured", c.Metric), "varve metric ls lists what was")
	}
	if first == nil || last == nil {
		return fmt.Errorf("bisect: among what was measured there is no good version before a bad one")
	}
	var err error
	s.b, err = s.lab.Bisect(first, last)
	return err
}

// bisectShift finds where the mean of a metric changed.
func (e *env) bisectShift(ctx context.Context, metric string) error {
	s, err := e.search(ctx)
	if err != nil {
		return err
	}
	defer s.lab.Close()
	var from, to *varve.Snapshot
	if s.b != nil {
		if from, err = e.resolve(s.p, s.b.Good); err != nil {
			return err
		}
		if to, err = e.resolve(s.p, s.b.Bad); err != nil {
			return err
		}
	}
	list, err := s.lab.Shift(ctx, metric, from, to)
	if err != nil {
		return fmt.Errorf("bisect: %w", err)
	}
	return e.printSuspects(list, 0)
}
