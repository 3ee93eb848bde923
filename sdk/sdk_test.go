// Package sdk_test runs the tests of the packages for other languages, with the varve of this tree.
package sdk_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// TestPython runs the tests of sdk/python, those with the real program too.
func TestPython(t *testing.T) {
	python := ""
	for _, name := range []string{"python3", "python"} {
		if exec.Command(name, "-c", "import sys; sys.exit(sys.version_info < (3, 8))").Run() == nil {
			python = name
			break
		}
	}
	if python == "" {
		t.Skip("no Python 3.8 or newer is here")
	}
	binary := filepath.Join(t.TempDir(), "varve")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	build := exec.Command("go", "build", "-o", binary, "./cmd/varve")
	build.Dir = ".."
	if b, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, b)
	}
	c := exec.Command(python, "-B", "-m", "unittest", "discover", "-v", "-s", "tests", "-t", ".")
	c.Dir = "python"
	c.Env = append(os.Environ(), "VARVE_REAL="+binary, "PYTHONPATH=")
	b, err := c.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, b)
	}
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, "skipped") || strings.HasPrefix(line, "Ran ") {
			t.Log(strings.TrimSpace(line))
		}
	}
}
