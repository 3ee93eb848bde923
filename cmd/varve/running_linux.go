package main

import (
	"os"
	"path/filepath"
	"strings"
)

// running returns the names of the processes of this machine that may be seen.
func running() ([]string, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, err
	}
	var out []string
	for _, e := range entries {
		if b, err := os.ReadFile(filepath.Join("/proc", e.Name(), "comm")); err == nil {
			out = append(out, strings.TrimSpace(string(b)))
		}
	}
	return out, nil
}
