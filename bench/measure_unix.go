//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
)

// syncDisks writes out what the system holds back, so that one tool does not pay for another's writes.
func syncDisks() { syscall.Sync() }

// peakOf is the largest resident set of the command, or of any process that it waited for.
func peakOf(p *os.ProcessState) int64 {
	u, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return inBytes(int64(u.Maxrss))
}

func ownPeak() int64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return inBytes(int64(u.Maxrss))
}

// inBytes: ru_maxrss counts bytes on Darwin and kilobytes elsewhere.
func inBytes(maxrss int64) int64 {
	if runtime.GOOS == "darwin" || runtime.GOOS == "ios" {
		return maxrss
	}
	return maxrss << 10
}
