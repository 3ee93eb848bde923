package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"varve/experiment"
)

// patience is how long a program is waited for that only tells of itself.
const patience = 3 * time.Second

// surroundings tells on what machine, with what software, and at what revision a command is about to run. What cannot
// be found out is left out.
func (e *env) surroundings(root string, command []string) (map[string]string, experiment.Revision) {
	m := map[string]string{"os": runtime.GOOS, "arch": runtime.GOARCH, "cpus": fmt.Sprint(runtime.NumCPU()), "varve": programVersion()}
	set := func(key, value string) {
		if value = strings.TrimSpace(value); value != "" {
			m[key] = value
		}
	}
	set("cpu", field("/proc/cpuinfo", "model name"))
	set("memory", field("/proc/meminfo", "MemTotal"))
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		set("kernel", string(b))
	}
	if b, err := os.ReadFile("/proc/driver/nvidia/version"); err == nil {
		line, _, _ := strings.Cut(string(b), "\n")
		set("gpu_driver", line)
	}
	for _, key := range []string{"CUDA_VISIBLE_DEVICES", "CUDA_HOME", "PYTHONHASHSEED", "OMP_NUM_THREADS"} {
		set(strings.ToLower(key), e.getenv(key))
	}
	if len(command) > 0 && strings.HasPrefix(filepath.Base(command[0]), "python") {
		set("python", said(root, command[0], "-V"))
	}
	for _, key := range []string{"VIRTUAL_ENV", "CONDA_PREFIX"} {
		if at := e.getenv(key); at != "" {
			set("python_packages", packages(at))
		}
	}
	return m, revision(root)
}

// said is what a program prints, "" if it fails.
func said(dir, program string, args ...string) string {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// field finds "key : value" in a file of the system.
func field(file, key string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if k, v, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(k) == key {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// packages is the digest of the names and versions of what is installed in a Python environment, and their number.
func packages(at string) string {
	var found []string
	for _, pattern := range []string{"lib/python*/site-packages/*.dist-info", "Lib/site-packages/*.dist-info"} {
		names, _ := filepath.Glob(filepath.Join(at, pattern)) // the pattern is a good one
		for _, n := range names {
			found = append(found, filepath.Base(n))
		}
	}
	if len(found) == 0 {
		return ""
	}
	return fmt.Sprintf("%d sha256:%x", len(found), sha256.Sum256([]byte(strings.Join(found, "\n"))))
}

// revision is what git says of a folder.
func revision(root string) experiment.Revision {
	id := said(root, "git", "rev-parse", "HEAD")
	if id == "" {
		return experiment.Revision{}
	}
	return experiment.Revision{System: "git", ID: id, Branch: said(root, "git", "rev-parse", "--abbrev-ref", "HEAD"),
		Dirty: said(root, "git", "status", "--porcelain", "--untracked-files=no") != ""}
}
