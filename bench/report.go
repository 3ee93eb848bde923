package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// results is what the files of runs hold, in the order of the files.
type results struct {
	runs    []runFact
	corpora []corpusFact
	steps   []step
}

// maxLine bounds a line of a run's file.
const maxLine = 1 << 20

// reportFiles prints the report of some files taken together: repetitions of one machine.
func reportFiles(files []string, out io.Writer) error {
	var all results
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		err = all.read(f)
		f.Close()
		if err != nil {
			return fmt.Errorf("read %s: %w", name, err)
		}
	}
	w := bufio.NewWriter(out)
	all.report(w)
	return w.Flush()
}

func (r *results) read(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		var what struct{ Schema string }
		if err := json.Unmarshal(lines.Bytes(), &what); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		var err error
		switch what.Schema {
		case runSchema:
			err = decode(lines.Bytes(), &r.runs)
		case corpusSchema:
			err = decode(lines.Bytes(), &r.corpora)
		case stepSchema:
			err = decode(lines.Bytes(), &r.steps)
		default:
			err = fmt.Errorf("schema %q is none of a run", what.Schema)
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return lines.Err()
}

func decode[T any](line []byte, into *[]T) error {
	var v T
	err := json.Unmarshal(line, &v)
	*into = append(*into, v)
	return err
}

// report writes the machine, the tools, and two tables for each corpus.
func (r *results) report(w io.Writer) {
	fmt.Fprint(w, "# Comparison\n")
	for _, line := range unique(r.runs, machineLine) {
		fmt.Fprint(w, line)
	}
	for _, c := range uniqueCorpora(r.corpora) {
		t := tabulate(c.Name, r.steps)
		fmt.Fprintf(w, "\n## %s\n\n", c.Name)
		for i, v := range c.Versions {
			fmt.Fprintf(w, "v%d: %d files, %.1f MB", i+1, v.Files, mega(v.Bytes))
			if i > 0 {
				fmt.Fprintf(w, ", %.1f MB in new or changed files", mega(v.Fresh))
			}
			fmt.Fprint(w, ". ")
		}
		fmt.Fprintf(w, "Scale %v; %s.\n", c.Scale, repetitions(t.reps))
		t.times(w)
		t.sizes(w)
		t.failures(w)
	}
}

func machineLine(f runFact) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%d cores, %s.\n\n", f.Cores, f.System)
	for _, t := range f.Tools {
		fmt.Fprintf(&b, "- %s: %s; %s\n", t.Name, t.Version, t.Note)
	}
	if len(f.Absent) > 0 {
		fmt.Fprintf(&b, "- not installed, left out: %s\n", strings.Join(f.Absent, ", "))
	}
	return b.String()
}

func repetitions(n int) string {
	if n == 1 {
		return "1 repetition, so nothing is known of the spread"
	}
	return fmt.Sprintf("medians of %d repetitions", n)
}

func unique(runs []runFact, line func(runFact) string) []string {
	var out []string
	for _, r := range runs {
		if l := line(r); !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return out
}

func uniqueCorpora(all []corpusFact) []corpusFact {
	var out []corpusFact
	for _, c := range all {
		if !slices.ContainsFunc(out, func(o corpusFact) bool { return o.Name == c.Name }) {
			out = append(out, c)
		}
	}
	return out
}

// A table is one corpus's steps by tool and phase.
type table struct {
	tools []string // in the order in which they first came
	reps  int      // most good steps of any cell
	cells map[[2]string][]step
	bad   []step
}

func tabulate(corpus string, steps []step) *table {
	t := &table{cells: map[[2]string][]step{}}
	for _, s := range steps {
		if s.Corpus != corpus {
			continue
		}
		if !slices.Contains(t.tools, s.Tool) {
			t.tools = append(t.tools, s.Tool)
		}
		if s.failed() {
			t.bad = append(t.bad, s)
			continue
		}
		at := [2]string{s.Tool, s.Phase}
		t.cells[at] = append(t.cells[at], s)
		t.reps = max(t.reps, len(t.cells[at]))
	}
	order := tools()
	rank := func(name string) int {
		if i := slices.IndexFunc(order, func(o tool) bool { return o.name == name }); i >= 0 {
			return i
		}
		return len(order)
	}
	slices.SortStableFunc(t.tools, func(a, b string) int { return rank(a) - rank(b) })
	return t
}

// values of a figure in a cell's repetitions, ascending.
func (t *table) values(tool, phase string, figure func(*step) float64) []float64 {
	var out []float64
	for _, s := range t.cells[[2]string{tool, phase}] {
		out = append(out, figure(&s))
	}
	slices.Sort(out)
	return out
}

// median of ascending values, at least one.
func median(v []float64) float64 { return (v[(len(v)-1)/2] + v[len(v)/2]) / 2 }

func wall(s *step) float64      { return s.Wall }
func processor(s *step) float64 { return s.User + s.System }
func repo(s *step) float64      { return float64(s.Repo) }
func cache(s *step) float64     { return float64(s.Cache) }

// ratio says varve's median of a figure against the least median of a peer. A tilde says that their repetitions
// overlap, so that the run does not tell which is less.
func (t *table) ratio(phase string, figure func(*step) float64) string {
	ours := t.values(varveName, phase, figure)
	best, name := []float64(nil), ""
	for _, tool := range t.tools {
		if v := t.values(tool, phase, figure); tool != varveName && len(v) > 0 && (best == nil || median(v) < median(best)) {
			best, name = v, tool
		}
	}
	if len(ours) == 0 || best == nil || median(best) == 0 {
		return ""
	}
	mark := ""
	if t.reps > 1 && ours[0] <= best[len(best)-1] && best[0] <= ours[len(ours)-1] {
		mark = "~"
	}
	return fmt.Sprintf("%s%.2f %s", mark, median(ours)/median(best), name)
}

// times writes the seconds of every phase, and the ratios.
func (t *table) times(w io.Writer) {
	phases := []string{phaseInit, phaseFirst, phaseSame, phaseSecond, phaseThird, phaseRestore, phaseCheck}
	fmt.Fprintf(w, "\nSeconds, elapsed / processor:\n\n| | %s |\n|---|%s\n", strings.Join(phases, " | "), strings.Repeat("---:|", len(phases)))
	for _, tool := range t.tools {
		fmt.Fprintf(w, "| %s |", tool)
		for _, phase := range phases {
			fmt.Fprintf(w, " %s |", t.time(tool, phase))
		}
		fmt.Fprintln(w)
	}
	for _, row := range []struct {
		name   string
		figure func(*step) float64
	}{{"elapsed: varve / best peer", wall}, {"processor: varve / best peer", processor}} {
		fmt.Fprintf(w, "| **%s** |", row.name)
		for _, phase := range phases {
			fmt.Fprintf(w, " %s |", t.ratio(phase, row.figure))
		}
		fmt.Fprintln(w)
	}
}

func (t *table) time(tool, phase string) string {
	if v := t.values(tool, phase, wall); len(v) > 0 {
		return fmt.Sprintf("%.2f / %.2f", median(v), median(t.values(tool, phase, processor)))
	}
	if slices.ContainsFunc(t.bad, func(s step) bool { return s.Tool == tool && s.Phase == phase }) {
		return "failed"
	}
	return ""
}

// sizes writes what the repositories weigh after each snapshot, what a tool keeps elsewhere, and its memory.
func (t *table) sizes(w io.Writer) {
	phases := []string{phaseFirst, phaseSecond, phaseThird}
	fmt.Fprint(w, "\nMB, repository after each snapshot; cache and settings outside of it at the end; most memory of one process in any phase:\n\n| | first | second | third | cache | memory |\n|---|---:|---:|---:|---:|---:|\n")
	for _, tool := range t.tools {
		fmt.Fprintf(w, "| %s |", tool)
		for _, phase := range phases {
			fmt.Fprintf(w, " %s |", megabytes(t.values(tool, phase, repo)))
		}
		fmt.Fprintf(w, " %s | %s |\n", megabytes(t.values(tool, phaseCheck, cache)), t.memory(tool))
	}
	fmt.Fprint(w, "| **varve / best peer** |")
	for _, phase := range phases {
		fmt.Fprintf(w, " %s |", t.ratio(phase, repo))
	}
	fmt.Fprint(w, " | |\n")
}

func megabytes(v []float64) string {
	if len(v) == 0 {
		return ""
	}
	return fmt.Sprintf("%.1f", median(v)/1e6)
}

// memory is the largest peak; one that this program's own would have hidden is only a bound.
func (t *table) memory(tool string) string {
	var peak, floor int64
	for at, cell := range t.cells {
		for _, s := range cell {
			if at[0] == tool && s.Peak > peak {
				peak, floor = s.Peak, s.Floor
			}
		}
	}
	switch {
	case peak == 0:
		return ""
	case peak <= floor:
		return fmt.Sprintf("≤ %.0f", mega(peak))
	}
	return fmt.Sprintf("%.0f", mega(peak))
}

// failures tells what counts in no figure.
func (t *table) failures(w io.Writer) {
	if len(t.bad) > 0 {
		fmt.Fprint(w, "\nFailed, and counted nowhere:\n\n")
	}
	for _, s := range t.bad {
		what := s.Error
		if what == "" {
			what = s.Restored
		}
		fmt.Fprintf(w, "- %s of %s, repetition %d: %s\n", s.Phase, s.Tool, s.Rep+1, what)
	}
}
