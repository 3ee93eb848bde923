//go:build !linux

package main

import (
	"context"
	"errors"
	"io"
)

func faults(context.Context, faultOptions, io.Writer, io.Writer) error {
	return errors.New("faults runs on Linux only")
}
