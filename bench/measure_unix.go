//go:build unix

package main

import (
	"os"
	"runtime"
	"runtime/debug"
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

// shrink makes this program as small as it can be and returns its peak since. A child's peak starts from it: until
// it is another program it shares this one's memory.
func shrink() int64 {
	debug.FreeOSMemory()
	// Linux forgets the old peak at this; where there is no such file the peak stays, and is told.
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0)
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
