package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// A place is what a tool is told: the folder under care, where its repository is to be, and a home of its own.
type place struct {
	src, repo, home, out string
}

// A call is one command: what it is given and where it runs.
type call struct {
	args []string
	dir  string
}

// A tool is a snapshot program and how it is asked. Each step is the least that its manual says, all else as it comes.
type tool struct {
	name    string // of the row
	program string
	note    string
	env     func(p place) []string
	init    func(p place) []call
	snap    func(p place, n int) []call
	newest  func(out []byte) (string, error) // what the snapshot is called, from what snap printed; nil: it needs no name
	restore func(p place, n int, id string) []call
	check   func(p place) []call
}

const passphrase = "correct horse battery staple"

// varveName is the row that the others are compared with.
const varveName = "varve"

func tools() []tool {
	return []tool{varveTool(), resticTool(), kopiaTool("kopia", ""), kopiaTool("kopia-zstd", "zstd-fastest"), borgTool()}
}

func one(dir string, args ...string) []call { return []call{{args, dir}} }

// varveTool: the first snapshot makes the vault. Encrypted; the key rests with the data.
func varveTool() tool {
	return tool{
		name: varveName, program: varveName, note: "encrypted, key kept with the vault",
		env:  func(p place) []string { return []string{"VARVE_VAULT=" + p.repo} },
		snap: func(p place, _ int) []call { return one(p.src, "varve", "snap", "-q", "--yes") },
		restore: func(p place, _ int, _ string) []call {
			return one(p.src, "varve", "restore", "latest", "--to", p.out, "-q", "--yes")
		},
		check: func(p place) []call { return one(p.src, "varve", "verify", "--data", "-q") },
	}
}

func resticTool() tool {
	return tool{
		name: "restic", program: "restic", note: "encrypted, passphrase",
		env: func(p place) []string {
			return []string{"RESTIC_REPOSITORY=" + p.repo, "RESTIC_PASSWORD=" + passphrase}
		},
		init: func(p place) []call { return one(p.src, "restic", "--quiet", "init") },
		snap: func(p place, _ int) []call { return one(p.src, "restic", "--quiet", "backup", ".") },
		restore: func(p place, _ int, _ string) []call {
			return one(p.src, "restic", "--quiet", "restore", "latest", "--target", p.out)
		},
		check: func(p place) []call { return one(p.src, "restic", "--quiet", "check", "--read-data") },
	}
}

// kopiaTool: as it comes kopia does not compress; compression names what its policy is set to.
func kopiaTool(name, compression string) tool {
	note := "encrypted, passphrase; no compression, its default"
	if compression != "" {
		note = "encrypted, passphrase; compression " + compression
	}
	return tool{
		name: name, program: "kopia", note: note,
		env: func(p place) []string {
			return []string{"KOPIA_PASSWORD=" + passphrase, "KOPIA_CHECK_FOR_UPDATES=false", "KOPIA_USE_KEYRING=false",
				"KOPIA_CONFIG_PATH=" + filepath.Join(p.home, "kopia.config")}
		},
		init: func(p place) []call {
			calls := one(p.src, "kopia", "--no-progress", "repository", "create", "filesystem", "--path", p.repo)
			if compression != "" {
				calls = append(calls, one(p.src, "kopia", "policy", "set", "--global", "--compression="+compression)...)
			}
			return calls
		},
		snap: func(p place, _ int) []call {
			return one(p.src, "kopia", "--no-progress", "snapshot", "create", "--json", ".")
		},
		newest: func(out []byte) (string, error) {
			var s struct{ ID string }
			if err := json.Unmarshal(out, &s); err != nil || s.ID == "" {
				return "", fmt.Errorf("read the snapshot's id: %w", errors.Join(err, errors.New("nothing there")))
			}
			return s.ID, nil
		},
		restore: func(p place, _ int, id string) []call {
			return one(p.src, "kopia", "--no-progress", "restore", id, p.out)
		},
		check: func(p place) []call {
			return one(p.src, "kopia", "--no-progress", "snapshot", "verify", "--verify-files-percent=100")
		},
	}
}

func borgTool() tool {
	name := func(n int) string { return fmt.Sprintf("::s%d", n) }
	return tool{
		name: "borg", program: "borg", note: "repokey-blake2, passphrase; lz4, its default",
		env: func(p place) []string {
			return []string{"BORG_REPO=" + p.repo, "BORG_PASSPHRASE=" + passphrase, "BORG_BASE_DIR=" + p.home}
		},
		init:    func(p place) []call { return one(p.src, "borg", "init", "--encryption", "repokey-blake2") },
		snap:    func(p place, n int) []call { return one(p.src, "borg", "create", name(n), ".") },
		restore: func(p place, n int, _ string) []call { return one(p.out, "borg", "extract", name(n)) },
		check:   func(p place) []call { return one(p.src, "borg", "check", "--verify-data") },
	}
}

// environment is all that a tool gets: nothing of the user's settings, a home of its own.
func (t *tool) environment(p place, path string) []string {
	env := []string{"PATH=" + path, "HOME=" + p.home, "LC_ALL=C.UTF-8", "TMPDIR=" + p.home}
	if runtime.GOOS == "windows" {
		env = append(env, "USERPROFILE="+p.home, "LOCALAPPDATA="+p.home, "APPDATA="+p.home, "TEMP="+p.home, "TMP="+p.home, "SystemRoot="+os.Getenv("SystemRoot"))
	}
	return append(env, t.env(p)...)
}

// choose returns the tools that are wanted (none: all) and there, and the names of those that are not there. Where
// varve is among them it is built into bin first; path is what to look them up in.
func choose(wanted []string, bin string) (there []tool, absent []string, path string, err error) {
	path = bin + string(os.PathListSeparator) + os.Getenv("PATH")
	for _, w := range wanted {
		if !slices.ContainsFunc(tools(), func(t tool) bool { return t.name == w || t.program == w }) {
			return nil, nil, "", fmt.Errorf("%w: no tool %q", errUsage, w)
		}
	}
	for _, t := range tools() {
		if len(wanted) > 0 && !slices.Contains(wanted, t.name) && !slices.Contains(wanted, t.program) {
			continue
		}
		if t.name == varveName {
			if err := buildVarve(bin); err != nil {
				return nil, nil, "", err
			}
		} else if _, err := exec.LookPath(t.program); err != nil {
			absent = append(absent, t.name)
			continue
		}
		there = append(there, t)
	}
	if len(there) == 0 {
		return nil, nil, "", fmt.Errorf("none of the tools is on PATH: %s", strings.Join(absent, ", "))
	}
	return there, absent, path, nil
}

// buildVarve builds the varve of this module.
func buildVarve(bin string) error {
	to := filepath.Join(bin, "varve")
	if runtime.GOOS == "windows" {
		to += ".exe"
	}
	cmd := exec.Command("go", "build", "-o", to, "varve/cmd/varve")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build varve: %w\n%s", err, text)
	}
	return nil
}

// version is the first line of what the program says of itself.
func (t *tool) version(p place, path string) string {
	for _, arg := range []string{"version", "--version"} {
		cmd := exec.Command(lookUp(t.program, path), arg)
		cmd.Env = t.environment(p, path)
		if out, err := cmd.Output(); err == nil {
			first, _, _ := strings.Cut(string(out), "\n")
			return strings.TrimSpace(first)
		}
	}
	return "?"
}

// lookUp finds a program in path, which may differ from this process's own.
func lookUp(program, path string) string {
	for _, dir := range filepath.SplitList(path) {
		for _, ending := range []string{"", ".exe"} {
			file := filepath.Join(dir, program+ending)
			if st, err := os.Stat(file); err == nil && st.Mode().IsRegular() && (runtime.GOOS == "windows") == (ending != "") {
				return file
			}
		}
	}
	return program
}
