package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// lookOptions say what creative measures.
type lookOptions struct {
	dir   string   // for the data, and for vaults
	only  []string // figures; none: all
	reps  int
	scale float64
	keep  bool
}

// A figure is data of one kind, and what is asked of it.
type figure struct {
	name string
	// prepare makes the data, unless it is there, and the vault where there has to be one. Nothing of it is measured.
	prepare func(ctx context.Context, g *gallery) ([]question, error)
}

// A question is put to varve, and to those others that answer it, in turns.
type question struct {
	what   string
	target float64 // seconds; 0: none was set
	ask    []string
	before func(g *gallery) error // before each measurement of varve, outside of the clock
	right  func(out []byte) error // whether varve's answer is
	peers  []peer                 // the same files are given to each
}

// A peer is another program that answers a question.
type peer struct {
	name, program string
	args          []string
	codes         []int // with which it may end
}

// A gallery is where figures are measured.
type gallery struct {
	o     *lookOptions
	at    string // of the figure: data, vault, home
	varve string // the program
	talk  io.Writer
}

// A reading is one process.
type reading struct {
	wall, cpu float64
	peak      int64
	floored   bool // the peak may be this program's own
}

// An answer is a row of the table.
type answer struct {
	question, program string
	target            float64
	readings          []reading
	failed            string
}

const oneCore = "varve, one core"

// look measures the figures and writes the table.
func look(ctx context.Context, o lookOptions, out, talk io.Writer) error {
	dir, err := filepath.Abs(o.dir)
	if err != nil {
		return err
	}
	o.dir = dir
	for _, name := range o.only {
		if !slices.ContainsFunc(figures(), func(f figure) bool { return f.name == name }) {
			return fmt.Errorf("%w: no figure %q", errUsage, name)
		}
	}
	bin := filepath.Join(o.dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	if err := buildVarve(bin); err != nil {
		return err
	}
	var answers []answer
	absent := map[string]bool{}
	for _, f := range figures() {
		if len(o.only) > 0 && !slices.Contains(o.only, f.name) {
			continue
		}
		g := &gallery{o: &o, at: filepath.Join(o.dir, fmt.Sprintf("%s-%v", f.name, o.scale)), varve: lookUp(varveName, bin), talk: talk}
		if err := os.MkdirAll(filepath.Join(g.at, "home"), 0o755); err != nil {
			return err
		}
		began := time.Now()
		questions, err := f.prepare(ctx, g)
		if err != nil {
			return fmt.Errorf("prepare %s: %w", f.name, err)
		}
		fmt.Fprintf(talk, "%s prepared in %.0f s\n", f.name, time.Since(began).Seconds())
		syncDisks()
		for i := range questions {
			a, err := g.put(ctx, &questions[i], absent)
			if err != nil {
				return fmt.Errorf("%s: %s: %w", f.name, questions[i].what, err)
			}
			answers = append(answers, a...)
		}
		if !o.keep {
			if err := os.RemoveAll(g.at); err != nil {
				return err
			}
		}
	}
	writeAnswers(out, &o, answers, absent)
	return nil
}

// put puts a question to varve as it comes, to varve on one core, and to the peers that are there: in turns, of which
// each begins with another.
func (g *gallery) put(ctx context.Context, q *question, absent map[string]bool) ([]answer, error) {
	type contender struct {
		answer
		run peer
		env []string
		our bool
	}
	list := []contender{{answer: answer{program: varveName}, run: peer{program: g.varve, args: q.ask}, our: true},
		{answer: answer{program: oneCore}, run: peer{program: g.varve, args: q.ask}, env: []string{"GOMAXPROCS=1"}, our: true}}
	for _, p := range q.peers {
		path, err := exec.LookPath(p.program)
		if err != nil {
			absent[p.name] = true
			continue
		}
		p.program = path
		list = append(list, contender{answer: answer{program: p.name}, run: p})
	}
	for rep := range g.o.reps {
		for turn := range list {
			c := &list[(rep+turn)%len(list)]
			c.question, c.target = q.what, q.target
			if c.failed != "" {
				continue
			}
			if c.our && q.before != nil {
				if err := q.before(g); err != nil {
					return nil, err
				}
			}
			r, text, err := g.measure(ctx, c.run, c.env)
			if err != nil {
				return nil, err
			}
			c.failed = text.failed
			if c.our && c.failed == "" {
				if err := q.right(text.out); err != nil {
					c.failed = err.Error()
				}
			}
			c.readings = append(c.readings, r)
			fmt.Fprintf(g.talk, "  %-44s %-16s %7.3f s  cpu %7.3f s  peak %5.0f MB %s\n", q.what, c.program, r.wall, r.cpu, mega(r.peak), c.failed)
		}
	}
	var out []answer
	for i := range list {
		out = append(out, list[i].answer)
	}
	return out, nil
}

// said is what a process printed, or how it failed.
type said struct {
	out    []byte
	failed string
}

// measure runs one process.
func (g *gallery) measure(ctx context.Context, p peer, env []string) (reading, said, error) {
	out, err := os.CreateTemp(g.at, "out-*")
	if err != nil {
		return reading{}, said{}, err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	var complaint strings.Builder
	cmd := exec.CommandContext(ctx, p.program, p.args...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = g.project(), append(g.environment(), env...), out, &complaint
	floor := shrink()
	began := time.Now()
	err = cmd.Run()
	r := reading{wall: time.Since(began).Seconds()}
	if cmd.ProcessState == nil {
		return r, said{}, fmt.Errorf("start %s: %w", p.program, err)
	}
	r.cpu = (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
	r.peak = peakOf(cmd.ProcessState)
	r.floored = r.peak <= floor
	if ctx.Err() != nil {
		return r, said{}, ctx.Err()
	}
	if code := cmd.ProcessState.ExitCode(); err != nil && !slices.Contains(p.codes, code) {
		text, _, _ := strings.Cut(strings.TrimSpace(complaint.String()), "\n")
		return r, said{failed: fmt.Sprintf("ended with %d: %s", code, text)}, nil
	}
	text, err := os.ReadFile(out.Name())
	return r, said{out: text}, err
}

func (g *gallery) project() string { return filepath.Join(g.at, "project") }
func (g *gallery) vault() string   { return filepath.Join(g.at, "vault") }
func (g *gallery) home() string    { return filepath.Join(g.at, "home") }

// environment is all that programs get: nothing of the user's settings.
func (g *gallery) environment() []string {
	t := varveTool()
	return t.environment(place{src: g.project(), repo: g.vault(), home: g.home()}, os.Getenv("PATH"))
}

// tell runs varve outside of the clock.
func (g *gallery) tell(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, g.varve, args...)
	cmd.Dir, cmd.Env = g.project(), g.environment()
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("varve %s: %w: %s", strings.Join(args, " "), err, complaint.String())
	}
	return out, err
}

// once makes data that is not there yet: with a file beside it that is written last.
func (g *gallery) once(what string, do func() error) error {
	mark := filepath.Join(g.at, what+".made")
	if _, err := os.Stat(mark); err == nil {
		return nil
	}
	if err := os.MkdirAll(g.project(), 0o755); err != nil {
		return err
	}
	if err := do(); err != nil {
		return err
	}
	return os.WriteFile(mark, nil, 0o644)
}

// file makes a file of the project.
func (g *gallery) file(name string, content func() []byte) error {
	return g.once(name, func() error { return os.WriteFile(filepath.Join(g.project(), name), content(), 0o644) })
}

// forget takes away what varve remembers of contents: it is where the system has caches.
func forget(g *gallery) error {
	var err error
	for _, dir := range []string{".cache/varve", "Library/Caches/varve", "varve/cache"} {
		err = errors.Join(err, os.RemoveAll(filepath.Join(g.home(), filepath.FromSlash(dir), "derived")))
	}
	return err
}

// middle is the median of something of readings.
func middle[T cmp.Ordered](list []reading, of func(reading) T) T {
	all := make([]T, len(list))
	for i := range list {
		all[i] = of(list[i])
	}
	slices.Sort(all)
	return all[len(all)/2]
}

// writeAnswers writes the table. A target is held to varve on one core; what only other work on the machine kept from it,
// as its processor time says, is told apart.
func writeAnswers(out io.Writer, o *lookOptions, all []answer, absent map[string]bool) {
	fmt.Fprintf(out, "%d cores, %s/%s; medians of %d, scale %v.\n\n", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, o.reps, o.scale)
	fmt.Fprint(out, "| question | program | elapsed s | processor s | peak MB | target s | |\n|---|---|---|---|---|---|---|\n")
	question := ""
	for _, a := range all {
		what, target, verdict := "", "", ""
		if a.question != question {
			question, what = a.question, a.question
		}
		if a.failed != "" || len(a.readings) == 0 {
			fmt.Fprintf(out, "| %s | %s | | | | | failed: %s |\n", what, a.program, strings.ReplaceAll(a.failed, "|", "/"))
			continue
		}
		wall, cpu := middle(a.readings, func(r reading) float64 { return r.wall }), middle(a.readings, func(r reading) float64 { return r.cpu })
		peak := middle(a.readings, func(r reading) int64 { return r.peak })
		mark := ""
		if slices.ContainsFunc(a.readings, func(r reading) bool { return r.floored }) {
			mark = "≤ "
		}
		if a.program == oneCore && a.target > 0 {
			target = fmt.Sprint(a.target)
			switch {
			case wall <= a.target:
				verdict = "met"
			case cpu <= a.target:
				verdict = "met by processor time"
			default:
				verdict = "missed"
			}
		}
		if a.program != oneCore && a.program != varveName {
			verdict = against(all, a.question, wall, cpu)
		}
		fmt.Fprintf(out, "| %s | %s | %.3f | %.3f | %s%.0f | %s | %s |\n", what, a.program, wall, cpu, mark, mega(peak), target, verdict)
	}
	if len(absent) > 0 {
		var names []string
		for name := range absent {
			names = append(names, name)
		}
		slices.Sort(names)
		fmt.Fprintf(out, "\nNot on PATH, so left out: %s.\n", strings.Join(names, ", "))
	}
}

// against says how many times as long as varve a peer takes: elapsed, and of the processor.
func against(all []answer, question string, wall, cpu float64) string {
	for _, a := range all {
		if a.question == question && a.program == varveName && a.failed == "" && len(a.readings) > 0 {
			return fmt.Sprintf("%.2f × varve, processor %.2f ×", wall/middle(a.readings, func(r reading) float64 { return r.wall }),
				cpu/middle(a.readings, func(r reading) float64 { return r.cpu }))
		}
	}
	return ""
}
