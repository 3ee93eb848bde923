package script_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestDriversAgree: on the same random folders all drivers say the same plan, in every byte, do what it says, and leave the
// same tree, which has everything of the version and what was there beside it.
func TestDriversAgree(t *testing.T) {
	seeds := uint64(1)
	if *long {
		seeds = 40
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			source := filepath.Join(t.TempDir(), "source")
			build(t, source, seed)
			version := listing(t, source)
			p := keep(t, source)
			dir := p.script(t)
			var plan, first string
			var tree map[string]string
			for _, d := range drivers(t) {
				target := filepath.Join(t.TempDir(), "target")
				build(t, target, seed)
				spoil(t, target, seed)
				before := listing(t, target)
				got := d.must(t, dir, "--to", target, "--dry-run")
				if after := differences(listing(t, target), before); len(after) > 0 || left(t, target) || len(backups(t, target)) > 0 {
					t.Fatalf("%s: a dry run has changed something: %q", d.name, after)
				}
				if plan == "" {
					plan, first = got, d.name
				} else if got != plan {
					t.Fatalf("%s plans\n%s\nand %s\n%s", d.name, got, first, plan)
				}
				d.must(t, dir, "--to", target, "--yes")
				after := listing(t, target)
				asPlanned(t, d, plan, target, before, after, version)
				if tree == nil {
					tree = after
				}
				if diff := differences(after, tree); len(diff) > 0 {
					t.Fatalf("%s leaves another tree: %q", d.name, diff)
				}
				if left(t, target) {
					t.Errorf("%s has left its workplace", d.name)
				}
				if again := d.must(t, dir, "--to", target, "--dry-run"); !strings.Contains(again, fmt.Sprintf("would restore 0, overwrite 0; unchanged %d,", len(version))) {
					t.Errorf("%s: after it, there is still to do: %s", d.name, again)
				}
			}
		})
	}
}

// asPlanned compares what a driver did with its plan.
func asPlanned(t *testing.T, d driver, plan, target string, before, after, version map[string]string) {
	t.Helper()
	want := map[string]string{}
	for p, v := range version {
		want[p] = v
	}
	planned := 0
	backup := map[string]string{}
	if list := backups(t, target); len(list) == 1 {
		backup = listing(t, list[0])
	} else if strings.Contains(plan, "would overwrite  ") {
		t.Fatalf("%s: backups %q, want one", d.name, list)
	}
	for line := range strings.Lines(plan) {
		if len(line) < 18 || !strings.HasPrefix(line[15:], "  ") {
			continue
		}
		word, path := strings.TrimRight(line[:17], " "), unescape(strings.TrimSuffix(strings.TrimSuffix(line, "\n")[17:], "/"))
		if line[0] == 'w' || line[0] == 'u' {
			planned++
			if _, ok := version[path]; !ok {
				t.Fatalf("%s plans %q, which the version does not have", d.name, path)
			}
		}
		content := func(s string) string { return regexp.MustCompile(`^(\w+) [0-7]+ \d+`).ReplaceAllString(s, "$1") }
		switch word {
		case "would restore":
			if _, ok := before[path]; ok && filepath.Dir(path) == "." {
				t.Errorf("%s: %q was there, and is said to be restored", d.name, path)
			}
		case "unchanged":
			if content(before[path]) != content(version[path]) {
				t.Errorf("%s: %q was %s, and is said to be unchanged", d.name, path, before[path])
			}
		case "would overwrite":
			if content(before[path]) == content(version[path]) {
				t.Errorf("%s: %q was right, and is said to be overwritten", d.name, path)
			}
			for p, v := range before {
				if (p == path || strings.HasPrefix(p, path+"/")) && content(backup[p]) != content(v) {
					t.Errorf("%s: %q was overwritten, and is in the backup as %q instead of %q", d.name, p, backup[p], v)
				}
			}
		case "extra left":
			for p, v := range before {
				if p == path || strings.HasPrefix(p, path+"/") {
					want[p] = v
				}
			}
		}
	}
	if planned != len(version) {
		t.Errorf("%s plans %d of %d entries", d.name, planned, len(version))
	}
	if diff := differences(after, want); len(diff) > 0 {
		t.Errorf("%s: %s", d.name, strings.Join(diff, "\n"))
	}
}

func unescape(s string) string {
	return regexp.MustCompile(`\\0[0-7]{3}`).ReplaceAllStringFunc(s, func(m string) string {
		n, _ := strconv.ParseUint(m[2:], 8, 8)
		return string([]byte{byte(n)})
	})
}

// TestNewFolder: into a folder that is not there, the version comes as it was, to the nanosecond where the tar can.
func TestNewFolder(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	build(t, source, 99)
	dir := keep(t, source).script(t)
	for _, d := range drivers(t) {
		target := filepath.Join(t.TempDir(), "not", "there yet")
		d.must(t, dir, "--to", target, "--yes")
		if diff := differences(listing(t, target), listing(t, source)); len(diff) > 0 {
			t.Errorf("%s: %s", d.name, strings.Join(diff, "\n"))
		}
		if list := backups(t, target); len(list) > 0 || left(t, target) {
			t.Errorf("%s has left %q", d.name, list)
		}
	}
}

// TestOnly: a part comes to its own place, and nothing else changes.
func TestOnly(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	for name, text := range map[string]string{"src/adapter/a.py": "a", "src/adapter/b.py": "b", "src/other.py": "o", "config/x.toml": "x", "src/adapter2": "2"} {
		write(t, filepath.Join(source, name), []byte(text))
	}
	dir := keep(t, source).script(t)
	for _, d := range drivers(t) {
		target := filepath.Join(t.TempDir(), "target")
		for name, text := range map[string]string{"src/adapter/a.py": "changed", "src/adapter/own": "mine", "src/other.py": "changed too", "src/adapter2": "changed as well"} {
			write(t, filepath.Join(target, name), []byte(text))
		}
		plan := d.must(t, dir, "--to", target, "--only", "./src/adapter/", "--only=config/x.toml", "--dry-run")
		const want = "would restore    config/x.toml\nunchanged        src/adapter/\nwould overwrite  src/adapter/a.py\nwould restore    src/adapter/b.py\nextra left       src/adapter/own\nwould restore 2, overwrite 1; unchanged 1, extra left 1\n"
		if plan != want {
			t.Errorf("%s plans\n%s", d.name, plan)
		}
		d.must(t, dir, "--to", target, "--only", "src/adapter", "--only", "config/x.toml", "-y")
		for name, text := range map[string]string{"src/adapter/a.py": "a", "src/adapter/b.py": "b", "src/adapter/own": "mine", "src/other.py": "changed too", "src/adapter2": "changed as well", "config/x.toml": "x"} {
			if b, _ := os.ReadFile(filepath.Join(target, name)); string(b) != text {
				t.Errorf("%s: %s is %q, want %q", d.name, name, b, text)
			}
		}
		kept := backups(t, target)
		if len(kept) != 1 {
			t.Fatalf("%s: backups %q", d.name, kept)
		}
		if b, _ := os.ReadFile(filepath.Join(kept[0], "src/adapter/a.py")); string(b) != "changed" || len(listing(t, kept[0])) != 3 {
			t.Errorf("%s: the backup has %v", d.name, listing(t, kept[0]))
		}
		before := listing(t, target)
		remove(t, filepath.Join(target, "config"))
		if err := os.Symlink(t.TempDir(), filepath.Join(target, "config")); err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			only string
			code int
			say  string
		}{{"nothing", 1, "has no nothing"}, {"../x", 2, "inside of the project"}, {"/etc", 2, "inside of the project"}, {"", 2, "inside of the project"}, {"src//x", 2, "inside of the project"},
			{"config/x.toml", 1, "config is not a folder in the target"}} {
			if code, _, talk := d.run(t, dir, "--to", target, "--yes", "--only", c.only); code != c.code || !strings.Contains(talk, c.say) {
				t.Errorf("%s --only %q: exit code %d: %s", d.name, c.only, code, talk)
			}
		}
		remove(t, filepath.Join(target, "config"))
		d.must(t, dir, "--to", target, "--only", "config", "--yes")
		for _, folder := range []string{"src", "config"} {
			before[folder] = listing(t, target)[folder]
		}
		if diff := differences(listing(t, target), before); len(diff) > 0 {
			t.Errorf("%s: %q", d.name, diff)
		}
	}
}

// TestRefuses: where anything that a driver reads is damaged, its exit code is 20 and nothing is touched.
func TestRefuses(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	build(t, source, 3)
	dir := keep(t, source).script(t)
	target := filepath.Join(t.TempDir(), "target")
	build(t, target, 4)
	before := listing(t, target)
	list := drivers(t)
	for _, file := range []string{"payload.tar.gz", "ENTRIES", "MANIFEST.json", "SHA256SUMS"} {
		at := filepath.Join(dir, file)
		whole, err := os.ReadFile(at)
		if err != nil {
			t.Fatal(err)
		}
		flipped := slices.Clone(whole)
		flipped[len(flipped)/2] ^= 1
		for name, b := range map[string][]byte{"flipped": flipped, "cut short": whole[:len(whole)-1], "longer": append(slices.Clone(whole), 'x'), "empty": {}, "gone": nil} {
			remove(t, at)
			if b != nil {
				write(t, at, b)
			}
			for i, d := range list {
				if !*long && (len(name)+len(file))%len(list) != i {
					continue
				}
				for _, args := range [][]string{{"--yes"}, {"--dry-run"}} {
					code, _, talk := d.run(t, dir, append(args, "--to", target)...)
					if code != 20 || !strings.Contains(talk, file) || !strings.Contains(talk, "nothing was touched") {
						t.Errorf("%s, %s %s %q: exit code %d: %s", d.name, file, name, args, code, talk)
					}
				}
			}
		}
		remove(t, at)
		write(t, at, whole)
	}
	if diff := differences(listing(t, target), before); len(diff) > 0 || left(t, target) || len(backups(t, target)) > 0 {
		t.Errorf("something was touched: %q", diff)
	}
}

// TestAsks: without --yes nothing is done where nobody can answer.
func TestAsks(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	write(t, filepath.Join(source, "f"), []byte("f"))
	dir := keep(t, source).script(t)
	for _, d := range drivers(t) {
		target := filepath.Join(t.TempDir(), "target")
		if code, _, talk := d.run(t, dir, "--to", target); code != 2 || !strings.Contains(talk, "--yes") {
			t.Errorf("%s: exit code %d: %s", d.name, code, talk)
		}
		for _, args := range [][]string{{"--wrong"}, {"--to"}, {"--only"}, {target, "more"}, {"--to", ""}, {"--to", "/"}, {"--to", dir}, {"--to", dir + "/inside"}} {
			if code, _, talk := d.run(t, dir, append(args, "--yes")...); code != 2 && args[0] != "--only" && (args[0] != "--to" || len(args) > 1) {
				t.Errorf("%s %q: exit code %d: %s", d.name, args, code, talk)
			}
		}
		if _, err := os.Lstat(target); err == nil || left(t, target) {
			t.Errorf("%s has touched the target", d.name)
		}
		if _, err := exec.LookPath("script"); err != nil || runtime.GOOS != "linux" {
			t.Log("script is not here: no terminal is tried")
			continue
		}
		for answer, code := range map[string]int{"n": 1, "": 1, "y": 0} {
			c := d.command(dir, "--to", target)
			quoted := make([]string, len(c.Args))
			for i, a := range c.Args {
				quoted[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
			}
			term := exec.Command("script", "-qec", strings.Join(quoted, " "), "/dev/null")
			term.Stdin = strings.NewReader(answer + "\n")
			b, _ := term.CombinedOutput()
			if got := term.ProcessState.ExitCode(); got != code || !strings.Contains(string(b), "? [y/N] ") {
				t.Errorf("%s answered %q: exit code %d, want %d: %s", d.name, answer, got, code, b)
			}
			if _, err := os.Stat(filepath.Join(target, "f")); (err == nil) != (code == 0) {
				t.Errorf("%s answered %q: %v", d.name, answer, err)
			}
			remove(t, target)
		}
	}
}

// TestTargets: names of target folders that scripts go wrong with.
func TestTargets(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	write(t, filepath.Join(source, "f"), []byte("f"))
	dir := keep(t, source).script(t)
	for k, d := range drivers(t) {
		where := t.TempDir()
		for i, name := range []string{"with space", "it's", `say "x"`, "-rf", "$HOME", "`id`", "*", "back\\slash", "größe", "tab\t", " ", "deep/er/"} {
			if !*long && i%3 != k%3 {
				continue
			}
			for range 1 + (i+1)%2 {
				c := d.command(dir, "--yes", "--", name)
				c.Dir = where
				if b, err := c.CombinedOutput(); err != nil {
					t.Errorf("%s to %q: %v: %s", d.name, name, err, b)
				}
				if b, _ := os.ReadFile(filepath.Join(where, name, "f")); string(b) != "f" {
					t.Errorf("%s to %q: %q", d.name, name, b)
				}
				write(t, filepath.Join(where, name, "f"), []byte("other"))
			}
		}
		write(t, filepath.Join(where, "file"), []byte("file"))
		for name, code := range map[string]int{"line\nbreak": 2, "end\n": 2, "file": 1} {
			c := d.command(dir, "--yes", "--to", name)
			c.Dir = where
			if b, _ := c.CombinedOutput(); c.ProcessState.ExitCode() != code {
				t.Errorf("%s to %q: exit code %d: %s", d.name, name, c.ProcessState.ExitCode(), b)
			}
		}
	}
}
