package main

import (
	"errors"

	"golang.org/x/sys/windows"
)

// alive reports whether a process of this machine runs.
func alive(pid int) bool {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if err != nil {
		return !errors.Is(err, windows.ERROR_INVALID_PARAMETER)
	}
	defer windows.CloseHandle(h)
	const running = 259 // STILL_ACTIVE
	var code uint32
	return windows.GetExitCodeProcess(h, &code) != nil || code == running
}
