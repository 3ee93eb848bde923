package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden report anew")

// TestReport: a run that was made up gives the report that was reckoned for it by hand (see the comments of the
// figures in TestReportFigures).
func TestReport(t *testing.T) {
	var out bytes.Buffer
	if err := reportFiles([]string{filepath.Join("testdata", "canned.jsonl")}, &out); err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "report.md")
	if *update {
		if err := os.WriteFile(golden, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("got\n%s\nwant\n%s", out.Bytes(), want)
	}
}

// TestReportFigures: medians and ratios, reckoned here.
func TestReportFigures(t *testing.T) {
	steps := func(tool, phase string, walls ...float64) []step {
		var out []step
		for i, w := range walls {
			out = append(out, step{Corpus: "c", Tool: tool, Phase: phase, Rep: i, Wall: w, User: 2 * w})
		}
		return out
	}
	for _, c := range []struct {
		name        string
		ours, peers [][]float64
		want        string
	}{
		{"apart", [][]float64{{1, 3, 2}}, [][]float64{{4, 8, 5}}, "0.40 p0"},
		{"even number", [][]float64{{1, 2}}, [][]float64{{3, 5}}, "0.38 p0"},
		{"overlap", [][]float64{{1, 2, 6}}, [][]float64{{5, 4, 8}}, "~0.40 p0"},
		{"touching", [][]float64{{1, 2, 4}}, [][]float64{{5, 4, 8}}, "~0.40 p0"},
		{"slower", [][]float64{{9, 9, 9}}, [][]float64{{6, 6, 6}}, "1.50 p0"},
		{"best of two", [][]float64{{1, 1, 1}}, [][]float64{{5, 5, 5}, {4, 4, 4}}, "0.25 p1"},
		{"least by median, not by luck", [][]float64{{1, 1, 1}}, [][]float64{{2, 9, 9}, {5, 5, 5}}, "0.20 p1"},
		{"one repetition", [][]float64{{2}}, [][]float64{{2}}, "1.00 p0"},
		{"no peer", [][]float64{{2}}, nil, ""},
		{"not ours", nil, [][]float64{{2}}, ""},
	} {
		var all []step
		for _, w := range c.ours {
			all = append(all, steps(varveName, phaseFirst, w...)...)
		}
		for i, w := range c.peers {
			all = append(all, steps("p"+string(rune('0'+i)), phaseFirst, w...)...)
		}
		if got := tabulate("c", all).ratio(phaseFirst, wall); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestFailuresCountNowhere: a fast tool that restores wrongly is not the best.
func TestFailuresCountNowhere(t *testing.T) {
	all := []step{
		{Corpus: "c", Tool: varveName, Phase: phaseRestore, Wall: 2, Restored: identical},
		{Corpus: "c", Tool: "wrong", Phase: phaseRestore, Wall: 1, Restored: "1 differ, first a: missing"},
		{Corpus: "c", Tool: "broken", Phase: phaseRestore, Wall: 1, Error: "exit status 1"},
		{Corpus: "c", Tool: "right", Phase: phaseRestore, Wall: 4, Restored: identical},
		{Corpus: "d", Tool: "other", Phase: phaseRestore, Wall: 1, Restored: identical},
	}
	table := tabulate("c", all)
	if got, want := table.ratio(phaseRestore, wall), "0.50 right"; got != want {
		t.Errorf("ratio %q, want %q", got, want)
	}
	for name, want := range map[string]string{"wrong": "failed", "broken": "failed", "right": "4.00 / 0.00", "other": ""} {
		if got := table.time(name, phaseRestore); got != want {
			t.Errorf("%s has %q, want %q", name, got, want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for _, text := range []string{"x", "{}", `{"schema":"varve.bench.step/9"}`, `{"schema":"varve.bench.step/1","rep":"first"}`, strings.Repeat(" ", maxLine+1)} {
		var r results
		if err := r.read(strings.NewReader(text)); err == nil {
			t.Errorf("%.40q was read", text)
		}
	}
}

func FuzzRead(f *testing.F) {
	text, err := os.ReadFile(filepath.Join("testdata", "canned.jsonl"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"schema":"varve.bench.corpus/1","name":"c"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var r results
		if r.read(bytes.NewReader(text)) == nil {
			r.report(&bytes.Buffer{})
		}
	})
}
