//go:build !linux

package main

import (
	"encoding/csv"
	"os/exec"
	"runtime"
	"strings"
)

// running returns the names of the processes of this machine, from the system's own lister.
func running() ([]string, error) {
	if runtime.GOOS != "windows" {
		b, err := exec.Command("ps", "-axo", "comm=").Output()
		return strings.Split(strings.TrimSpace(string(b)), "\n"), err
	}
	b, err := exec.Command("tasklist", "/fo", "csv", "/nh").Output()
	if err != nil {
		return nil, err
	}
	rows, err := csv.NewReader(strings.NewReader(string(b))).ReadAll()
	var out []string
	for _, r := range rows {
		out = append(out, r[0])
	}
	return out, err
}
