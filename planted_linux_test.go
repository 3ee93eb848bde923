package varve_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// A planted bug is the removal of one safety mechanism, and the suite that must find the loss. The bugs lie in
// testdata/planted, one a file:
//
//	What the mechanism is, in a sentence.
//	suite: go test ./store -run ^TestFolderSurvivesPowerLoss$
//	file: store/folder_put.go
//	-- old --
//	text that occurs in the file once
//	-- new --
//	text that stands for it
//
// They reach the compiler by its -overlay: nothing in the product knows of them.
type planted struct {
	name, mechanism, suite, file, old, new string
}

const plantedDir = "testdata/planted"

// leastPlanted is how many mechanisms are known to be guarded. There may be more, never fewer.
const leastPlanted = 90

func readPlanted(t *testing.T) []planted {
	t.Helper()
	entries, err := os.ReadDir(plantedDir)
	if err != nil {
		t.Fatal(err)
	}
	var all []planted
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(plantedDir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		p, err := parsePlanted(string(text))
		if err != nil {
			t.Fatalf("%s: %v", e.Name(), err)
		}
		p.name = strings.TrimSuffix(e.Name(), ".txt")
		all = append(all, p)
	}
	return all
}

func parsePlanted(text string) (p planted, err error) {
	head, change, ok := strings.Cut(text, "-- old --\n")
	if p.old, p.new, _ = strings.Cut(change, "-- new --\n"); !ok || p.old == "" {
		return p, errors.New("no change")
	}
	lines := strings.Split(strings.TrimSpace(head), "\n")
	if len(lines) != 3 {
		return p, fmt.Errorf("a head of %d lines", len(lines))
	}
	p.mechanism = lines[0]
	p.suite, ok = strings.CutPrefix(lines[1], "suite: go test ")
	if !ok {
		return p, errors.New("no suite")
	}
	if p.file, ok = strings.CutPrefix(lines[2], "file: "); !ok {
		return p, errors.New("no file")
	}
	return p, nil
}

// plant returns the file with the mechanism removed.
func (p *planted) plant() ([]byte, error) {
	text, err := os.ReadFile(filepath.FromSlash(p.file))
	if err != nil {
		return nil, err
	}
	if n := bytes.Count(text, []byte(p.old)); n != 1 {
		return nil, fmt.Errorf("%s has the old text %d times: the mechanism has moved; plant the bug anew", p.file, n)
	}
	return bytes.Replace(text, []byte(p.old), []byte(p.new), 1), nil
}

// TestPlantedFit: every bug can be planted in the sources as they are.
func TestPlantedFit(t *testing.T) {
	all := readPlanted(t)
	if len(all) < leastPlanted {
		t.Errorf("%d bugs, want at least %d", len(all), leastPlanted)
	}
	for _, p := range all {
		if _, err := p.plant(); err != nil {
			t.Errorf("%s: %v", p.name, err)
		}
	}
}

// TestPlanted removes one safety mechanism after the other. Each suite passes as things are, and fails without its
// mechanism: a test that fails, not a build that does, and not one that hangs.
func TestPlanted(t *testing.T) {
	if !*long {
		t.Skip("planted bugs: only with -long")
	}
	all := readPlanted(t)
	turns := make(chan struct{}, 2) // each build takes a core and a gigabyte
	atOnce := func(t *testing.T, name string, do func(t *testing.T)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			turns <- struct{}{}
			defer func() { <-turns }()
			do(t)
		})
	}
	table := make([]string, len(all))
	t.Run("sound", func(t *testing.T) {
		suites := map[string][]string{} // by package
		for _, p := range all {
			pkg, flags := p.flags()
			if line := strings.Join(flags, " "); !slices.Contains(suites[pkg], line) {
				suites[pkg] = append(suites[pkg], line)
			}
		}
		for pkg, lines := range suites {
			atOnce(t, pkg, func(t *testing.T) { checkSound(t, pkg, lines) })
		}
	})
	t.Run("bug", func(t *testing.T) {
		for i, p := range all {
			atOnce(t, p.name, func(t *testing.T) {
				began := time.Now()
				p.find(t)
				table[i] = fmt.Sprintf("%s\t%s\tgo test %s\t%.1f s\n", p.name, p.mechanism, p.suite, time.Since(began).Seconds())
			})
		}
	})
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, strings.Join(table, ""))
	w.Flush()
	t.Logf("%d bugs\n%s", len(all), &text)
}

// checkSound runs suites of a package with nothing planted.
func checkSound(t *testing.T, pkg string, suites []string) {
	binary := buildSuite(t, pkg, t.TempDir())
	for _, flags := range suites {
		out, err := runSuite(t, binary, pkg, strings.Fields(flags))
		if err != nil || strings.Contains(out, "no tests to run") {
			t.Errorf("%s %s, with nothing planted: %v\n%s", pkg, flags, err, out)
		}
	}
}

// find plants the bug and demands that its suite finds it.
func (p *planted) find(t *testing.T) {
	text, err := p.plant()
	if err != nil {
		t.Fatal(err)
	}
	path, err := filepath.Abs(filepath.FromSlash(p.file))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	copied, overlay := filepath.Join(dir, "planted.go"), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {path: copied}})
	if err := errors.Join(err, os.WriteFile(copied, text, 0o600), os.WriteFile(overlay, list, 0o600)); err != nil {
		t.Fatal(err)
	}
	pkg, flags := p.flags()
	out, err := runSuite(t, buildSuite(t, pkg, dir, "-overlay", overlay), pkg, flags)
	switch {
	case err == nil:
		t.Errorf("nobody notices that this is gone: %s\ngo test %s\n%s", p.mechanism, p.suite, out)
	case !strings.Contains(out, "--- FAIL: ") || strings.Contains(out, "panic: test timed out"):
		t.Errorf("no test says that this is gone: %s\ngo test %s: %v\n%s", p.mechanism, p.suite, err, out)
	}
}

// buildSuite builds the tests of a package.
func buildSuite(t *testing.T, pkg, dir string, flags ...string) (binary string) {
	t.Helper()
	binary = filepath.Join(dir, "suite.test")
	args := append([]string{"test", "-c", "-vet=off", "-ldflags=-s -w", "-o", binary}, append(flags, pkg)...)
	if out, err := exec.CommandContext(t.Context(), "go", args...).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return binary
}

// runSuite runs the tests of a package until one fails.
func runSuite(t *testing.T, binary, pkg string, flags []string) (string, error) {
	c := exec.CommandContext(t.Context(), binary, append([]string{"-test.failfast", "-test.timeout=3m"}, flags...)...)
	c.Dir = filepath.FromSlash(pkg)
	out, err := c.CombinedOutput()
	return string(out), err
}

// flags returns the package of the suite, and the flags of go test as a test binary has them.
func (p *planted) flags() (pkg string, flags []string) {
	words := strings.Fields(p.suite)
	for i, w := range words {
		if w == "-run" || w == "-short" {
			words[i] = "-test." + w[1:]
		}
	}
	return words[0], words[1:]
}
