package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"
)

type runOptions struct {
	corpora     string   // what make made
	only, tools []string // none: all
	reps        int
	out         string        // the file to append to; empty: a new one beside the corpora
	work        string        // for folders, repositories and restores; empty: beside the corpora
	timeout     time.Duration // for one phase of one tool
	keep        bool          // leave it all behind
}

// phases in their order. Tools take turns within each.
const (
	phaseInit    = "init"
	phaseFirst   = "first"
	phaseSame    = "same"
	phaseSecond  = "second"
	phaseThird   = "third"
	phaseRestore = "restore"
	phaseCheck   = "check"
)

// runFact is the first line of a run's file. It names no machine and no person.
type runFact struct {
	Schema string     `json:"schema"`
	Cores  int        `json:"cores"`
	System string     `json:"system"`
	Reps   int        `json:"reps"`
	Tools  []toolFact `json:"tools"`
	Absent []string   `json:"absent"`
}

type toolFact struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Note    string `json:"note"`
}

const runSchema = "varve.bench.run/1"

// A race is one repetition of one corpus.
type race struct {
	o      *runOptions
	corpus *corpusFact
	rep    int
	tools  []tool // in this repetition's order
	path   string // to look programs up in
	base   string // everything of this repetition
	put    func(any) error
	talk   io.Writer
	count  map[string]int    // snapshots taken
	newest map[string]string // what the last one is called
	out    map[string]bool   // tools that failed: they run no further in this repetition
}

// run measures and writes a line for each step.
func run(ctx context.Context, o runOptions, out, talk io.Writer) error {
	if o.work == "" {
		o.work = filepath.Join(o.corpora, "work")
	}
	for _, at := range []*string{&o.corpora, &o.work} {
		abs, err := filepath.Abs(*at)
		if err != nil {
			return err
		}
		*at = abs
	}
	found, err := findCorpora(o.corpora, o.only)
	if err != nil {
		return err
	}
	bin := filepath.Join(o.work, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	there, absent, path, err := choose(o.tools, bin)
	if err != nil {
		return err
	}
	for _, name := range absent {
		fmt.Fprintf(talk, "%s is not on PATH: left out\n", name)
	}
	if o.out == "" {
		o.out = filepath.Join(o.corpora, "run-"+time.Now().UTC().Format("20060102-150405")+".jsonl")
	}
	f, err := os.OpenFile(o.out, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	lines := json.NewEncoder(f)
	if err := lines.Encode(factOf(&o, there, absent, path)); err != nil {
		return err
	}
	for _, c := range found {
		if err := lines.Encode(c); err != nil {
			return err
		}
		for rep := range o.reps {
			turn := rep % len(there)
			r := &race{o: &o, corpus: c, rep: rep, tools: slices.Concat(there[turn:], there[:turn]), path: path, put: lines.Encode, talk: talk,
				base: filepath.Join(o.work, fmt.Sprintf("%s-%d-%d", c.Name, os.Getpid(), rep)), count: map[string]int{}, newest: map[string]string{}, out: map[string]bool{}}
			if err := r.run(ctx); err != nil {
				return fmt.Errorf("run %s, repetition %d: %w", c.Name, rep+1, err)
			}
		}
	}
	fmt.Fprintf(out, "%s\n", o.out)
	return f.Close()
}

func findCorpora(dir string, only []string) ([]*corpusFact, error) {
	chosen, err := chooseCorpora(only)
	if err != nil {
		return nil, err
	}
	var out []*corpusFact
	for _, c := range chosen {
		fact, err := readCorpus(filepath.Join(dir, c.name))
		switch {
		case err == nil:
			out = append(out, fact)
		case !os.IsNotExist(err):
			return nil, err
		case len(only) > 0:
			return nil, fmt.Errorf("find corpus %s in %s: %w", c.name, dir, err)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("no corpus in %s: bench make %s makes them", dir, dir)
	}
	return out, nil
}

func factOf(o *runOptions, there []tool, absent []string, path string) runFact {
	fact := runFact{Schema: runSchema, Cores: runtime.NumCPU(), System: runtime.GOOS + "/" + runtime.GOARCH, Reps: o.reps, Absent: absent}
	home := filepath.Join(o.work, "bin")
	for _, t := range there {
		fact.Tools = append(fact.Tools, toolFact{t.name, t.version(place{src: home, repo: home, home: home, out: home}, path), t.note})
	}
	return fact
}

func (r *race) place(t *tool) place {
	at := filepath.Join(r.base, t.name)
	return place{src: filepath.Join(r.base, "src"), repo: filepath.Join(at, "repo"), home: filepath.Join(at, "home"), out: filepath.Join(at, "restored")}
}

// run goes through the phases. Restores stay until the end: on some file systems a great removal makes the next
// creations slow for minutes.
func (r *race) run(ctx context.Context) (err error) {
	defer func() {
		if !r.o.keep && (err == nil || ctx.Err() != nil) {
			err = errors.Join(err, os.RemoveAll(r.base))
		}
	}()
	for i := range r.tools {
		p := r.place(&r.tools[i])
		for _, dir := range []string{p.repo, p.home, p.out} {
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return err
			}
		}
	}
	for i, phase := range []string{phaseFirst, phaseSecond, phaseThird} {
		if i >= len(r.corpus.Versions) {
			break
		}
		if err := r.become(i + 1); err != nil {
			return err
		}
		if i == 0 {
			if err := r.each(ctx, phaseInit); err != nil {
				return err
			}
		}
		if err := r.each(ctx, phase); err != nil {
			return err
		}
		if i == 0 {
			if err := r.each(ctx, phaseSame); err != nil {
				return err
			}
		}
	}
	if err := r.each(ctx, phaseRestore); err != nil {
		return err
	}
	return r.each(ctx, phaseCheck)
}

// become edits the work folder into version v and reads it once.
func (r *race) become(v int) error {
	src := filepath.Join(r.base, "src")
	n, err := edit(filepath.Join(r.o.corpora, r.corpus.Name, fmt.Sprintf("v%d", v)), src)
	if err != nil {
		return fmt.Errorf("edit the folder into v%d: %w", v, err)
	}
	fmt.Fprintf(r.talk, "%s, repetition %d: v%d, %d files written or moved\n", r.corpus.Name, r.rep+1, v, n)
	syncDisks()
	return warm(src)
}

func (r *race) each(ctx context.Context, phase string) error {
	for i := range r.tools {
		t := &r.tools[i]
		if err := ctx.Err(); err != nil {
			return err
		}
		if r.out[t.name] || phase == phaseInit && t.init == nil {
			continue
		}
		if err := r.step(ctx, t, phase); err != nil {
			return fmt.Errorf("%s of %s: %w", phase, t.name, err)
		}
	}
	return nil
}

// step runs one tool in one phase and puts down what it took.
func (r *race) step(ctx context.Context, t *tool, phase string) error {
	s := &step{Schema: stepSchema, Corpus: r.corpus.Name, Rep: r.rep, Phase: phase, Tool: t.name}
	p := r.place(t)
	var calls []call
	switch phase {
	case phaseInit:
		calls = t.init(p)
	case phaseRestore:
		calls = t.restore(p, r.count[t.name], r.newest[t.name])
	case phaseCheck:
		calls = t.check(p)
	default:
		r.count[t.name]++
		calls = t.snap(p, r.count[t.name])
	}
	limited, stop := context.WithTimeout(ctx, r.o.timeout)
	defer stop()
	log := filepath.Join(r.o.work, fmt.Sprintf("%s-%s.log", r.corpus.Name, t.name))
	printed, err := s.perform(limited, calls, t.environment(p, r.path), r.path, log)
	if err != nil && (ctx.Err() != nil || limited.Err() == nil) {
		return err
	}
	switch {
	case s.Error != "":
	case phase == phaseRestore:
		if s.Restored, err = compare(p.src, p.out); err != nil {
			return err
		}
	case phase != phaseInit && phase != phaseCheck && t.newest != nil:
		if r.newest[t.name], err = t.newest(printed); err != nil {
			s.Error = err.Error()
		}
	}
	if s.Error != "" {
		r.out[t.name] = true
	}
	if s.Repo, err = bytesIn(p.repo); err != nil {
		return err
	}
	if s.Cache, err = bytesIn(p.home); err != nil {
		return err
	}
	fmt.Fprintf(r.talk, "  %-8s %-11s %8.2f s  cpu %8.2f s  peak %6.0f MB  repository %9.1f MB  %s%s\n", phase, t.name, s.Wall, s.User+s.System, mega(s.Peak), mega(s.Repo), s.Restored, s.Error)
	return r.put(s)
}
