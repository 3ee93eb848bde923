//go:build unix

package main

import (
	"errors"
	"syscall"

	"varve"
)

// noSpace reports whether an error is that a disk or a quota is full.
func noSpace(err error) bool {
	return errors.Is(err, varve.ErrNoSpace) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}
