package varve_test

import (
	"bytes"
	"cmp"
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
const leastPlanted = 30

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
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	var runs []planted
	sound := map[string]bool{}
	for _, p := range all {
		if !sound[p.suite] {
			sound[p.suite] = true
			runs = append(runs, planted{suite: p.suite})
		}
	}
	runs = append(runs, all...)
	table := make([]string, len(runs))
	turns := make(chan struct{}, 2) // each build takes a core and a gigabyte or two
	t.Run("suite", func(t *testing.T) {
		for i, p := range runs {
			t.Run(cmp.Or(p.name, "sound"), func(t *testing.T) {
				t.Parallel()
				turns <- struct{}{}
				defer func() { <-turns }()
				began := time.Now()
				p.run(t, root)
				if p.name != "" {
					table[i] = fmt.Sprintf("%s\t%s\t%s\t%.1f s\n", p.name, p.mechanism, p.suite, time.Since(began).Seconds())
				}
			})
		}
	})
	var text strings.Builder
	w := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, strings.Join(slices.DeleteFunc(table, func(line string) bool { return line == "" }), ""))
	w.Flush()
	t.Logf("%d bugs\n%s", len(all), &text)
}

// run builds the suite, with the bug if there is one, and runs it.
func (p *planted) run(t *testing.T, root string) {
	args := strings.Fields(p.suite)
	pkg, dir := args[0], t.TempDir()
	binary := filepath.Join(dir, "suite.test")
	build := []string{"test", "-c", "-vet=off", "-o", binary}
	if p.file != "" {
		text, err := p.plant()
		if err != nil {
			t.Fatal(err)
		}
		copied, overlay := filepath.Join(dir, "planted.go"), filepath.Join(dir, "overlay.json")
		list, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(root, filepath.FromSlash(p.file)): copied}})
		if err := errors.Join(err, os.WriteFile(copied, text, 0o600), os.WriteFile(overlay, list, 0o600)); err != nil {
			t.Fatal(err)
		}
		build = append(build, "-overlay", overlay)
	}
	if out, err := exec.CommandContext(t.Context(), "go", append(build, pkg)...).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	suite := exec.CommandContext(t.Context(), binary, append([]string{"-test.failfast", "-test.timeout=2m"}, suiteFlags(args[1:])...)...)
	suite.Dir = filepath.Join(root, filepath.FromSlash(pkg))
	out, err := suite.CombinedOutput()
	failed := bytes.Contains(out, []byte("--- FAIL: ")) && !bytes.Contains(out, []byte("panic: test timed out"))
	switch {
	case p.file == "" && (err != nil || bytes.Contains(out, []byte("no tests to run"))):
		t.Errorf("go test %s, with nothing planted: %v\n%s", p.suite, err, out)
	case p.file != "" && err == nil:
		t.Errorf("nobody notices that this is gone: %s\ngo test %s\n%s", p.mechanism, p.suite, out)
	case p.file != "" && !failed:
		t.Errorf("no test says that this is gone: %s\ngo test %s\n%v\n%s", p.mechanism, p.suite, err, out)
	}
}

// suiteFlags are the flags of go test as a test binary has them.
func suiteFlags(args []string) []string {
	out := slices.Clone(args)
	for i, a := range out {
		if a == "-run" || a == "-short" {
			out[i] = "-test." + a[1:]
		}
	}
	return out
}
