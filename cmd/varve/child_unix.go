//go:build unix

package main

import (
	"fmt"
	"os"
	"runtime"
	"syscall"
)

// handedOn are the signals that a guarded command gets too.
func handedOn() []os.Signal {
	return []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH, syscall.SIGCONT}
}

// exitOf returns the exit code of a process that failed, as a shell has it, and what killed it.
func exitOf(s *os.ProcessState) (int, string) {
	if w, ok := s.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal()), fmt.Sprintf("killed by signal %d (%v)", int(w.Signal()), w.Signal())
	}
	return s.ExitCode(), fmt.Sprintf("exit code %d", s.ExitCode())
}

// peak is the most memory that a process, or one that it waited for, had resident, in bytes.
func peak(s *os.ProcessState) int64 {
	u, ok := s.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return int64(u.Maxrss)
	}
	return int64(u.Maxrss) << 10
}
