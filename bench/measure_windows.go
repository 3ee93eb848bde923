package main

import "os"

// syncDisks: the system has no call for all disks that needs no rights.
func syncDisks() {}

// peakOf: what a command's end tells has no memory in it.
func peakOf(*os.ProcessState) int64 { return 0 }

func shrink() int64 { return 0 }
