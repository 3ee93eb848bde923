package main

import (
	"fmt"
	"os"
)

// handedOn are the signals that a guarded command gets too: the console tells all of its processes of an interrupt.
func handedOn() []os.Signal { return []os.Signal{os.Interrupt} }

// exitOf returns the exit code of a process that failed.
func exitOf(s *os.ProcessState) (int, string) {
	return s.ExitCode(), fmt.Sprintf("exit code %d", s.ExitCode())
}

// peak is not known here.
func peak(*os.ProcessState) int64 { return 0 }
