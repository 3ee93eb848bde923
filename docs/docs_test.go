// Package docs_test runs every console block of the documents, so that what they show stays true.
package docs_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// A console block holds commands, each after "$ ", and what they print. In what they print "…" stands for
// anything within a line, and a line of "…" for any lines. Two blanks and more stand for as many as there are: how wide
// a column is depends on what stands in it. The blocks of one document run one after the
// other in one shell session of an empty home; a command may fail only if the line before it in the block
// is "# exits N". A command with "<<'EOF'" goes on to the line EOF. A document that needs a program beside the shell says
// so in a line of its own, "<!-- needs python3 -->": where that is absent its blocks are skipped, and the test says so.
func TestConsoleBlocks(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the documents' commands are for a POSIX shell: not run on Windows")
	}
	bin := build(t)
	docs, err := filepath.Glob("*.md")
	if err != nil {
		t.Fatal(err)
	}
	docs = append(docs, "../README.md")
	blocks := 0
	for _, name := range docs {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		steps := parse(t, name, string(text))
		if len(steps) == 0 {
			continue
		}
		blocks += len(steps)
		lacking := lacks(string(text))
		t.Run(filepath.Base(name), func(t *testing.T) {
			t.Parallel()
			if lacking != "" && os.Getenv("VARVE_CI") == "" {
				t.Skipf("%s needs %s, which is not here: its blocks are not run", name, lacking)
			}
			play(t, bin, steps)
		})
	}
	if blocks < 20 {
		t.Errorf("only %d commands found in the documents", blocks)
	}
}

// build compiles the program once.
func build(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "varve"), "../cmd/varve")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return dir
}

// lacks returns the first program that a document needs and that is not here.
func lacks(text string) string {
	for _, m := range regexp.MustCompile(`(?m)^<!-- needs (\S+) -->$`).FindAllStringSubmatch(text, -1) {
		if _, err := exec.LookPath(m[1]); err != nil {
			return m[1]
		}
	}
	return ""
}

type step struct {
	where   string
	command string
	want    []string
	exit    string
}

func parse(t *testing.T, name, text string) []step {
	t.Helper()
	var out []step
	in, exit := false, "0"
	for i, line := range strings.Split(text, "\n") {
		switch {
		case !in:
			in = strings.TrimSpace(line) == "```console"
		case strings.TrimSpace(line) == "```":
			in = false
		case len(out) > 0 && open(out[len(out)-1].command):
			out[len(out)-1].command += "\n" + line
		case strings.HasPrefix(line, "# exits "):
			exit = strings.TrimPrefix(line, "# exits ")
		case strings.HasPrefix(line, "$ "):
			out = append(out, step{where: fmt.Sprintf("%s:%d", name, i+1), command: line[2:], exit: exit})
			exit = "0"
		case len(out) == 0:
			t.Fatalf("%s:%d: output before a command", name, i+1)
		default:
			out[len(out)-1].want = append(out[len(out)-1].want, line)
		}
	}
	return out
}

// open reports whether a command goes on in the next line.
func open(command string) bool {
	return strings.HasSuffix(command, "\\") || strings.Contains(command, "<<'EOF'") && !strings.HasSuffix(command, "\nEOF")
}

// play runs the steps in one directory. What cd and export did lasts, as in a shell.
func play(t *testing.T, bin string, steps []step) {
	home := t.TempDir()
	state := filepath.Join(t.TempDir(), "state")
	env := []string{"HOME=" + home, "PATH=" + bin + ":" + os.Getenv("PATH"), "TZ=UTC", "LC_ALL=C.UTF-8", "VARVE_KEYRING=off", "STATE=" + state}
	for _, s := range steps {
		script := `umask 022; [ -f "$STATE" ] && . "$STATE"; cd "${AT:-$HOME}"; ` + s.command + "\n" + `code=$?; AT=$PWD; { export -p | grep -v ' \(STATE\|PWD\|OLDPWD\|SHLVL\|_\)='; printf 'AT=%q\n' "$AT"; } > "$STATE"; exit $code`
		cmd := exec.Command("bash", "-c", script)
		cmd.Env, cmd.Dir = env, home
		out, err := cmd.CombinedOutput()
		code := fmt.Sprint(cmd.ProcessState.ExitCode())
		if code != s.exit {
			t.Fatalf("%s: %s\nexits %s instead of %s (%v)\n%s", s.where, s.command, code, s.exit, err, out)
		}
		got := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
		want := s.want
		for len(want) > 0 && strings.TrimSpace(want[len(want)-1]) == "" {
			want = want[:len(want)-1]
		}
		if !fits(want, got) {
			t.Errorf("%s: %s\nprinted\n%s\nthe document says\n%s", s.where, s.command, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// fits compares what was printed with what the document says. A document that shows nothing claims nothing.
func fits(want, got []string) bool {
	if len(want) == 0 {
		return true
	}
	wide := regexp.MustCompile("  +")
	var b strings.Builder
	b.WriteString("^")
	for _, w := range want {
		if strings.TrimSpace(w) == "…" {
			b.WriteString(`(?:[^\n]*\n)*?`)
			continue
		}
		parts := strings.Split(strings.TrimRight(w, " "), "…")
		for j := range parts {
			parts[j] = wide.ReplaceAllString(regexp.QuoteMeta(parts[j]), " +")
		}
		b.WriteString(strings.Join(parts, `[^\n]*`))
		b.WriteString(` *\n`)
	}
	b.WriteString("$")
	return regexp.MustCompile(b.String()).MatchString(strings.Join(got, "\n") + "\n")
}
