package main

import (
	"varve/format"
	"varve/format/safetensors"
)

// formats returns the kinds of file that varve knows.
func formats() format.Set {
	return format.Set{safetensors.Format{}}
}
