package main

import (
	"errors"

	"golang.org/x/sys/windows"

	"varve"
)

// noSpace reports whether an error is that a disk or a quota is full.
func noSpace(err error) bool {
	return errors.Is(err, varve.ErrNoSpace) || errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) || errors.Is(err, windows.ERROR_DISK_QUOTA_EXCEEDED)
}
