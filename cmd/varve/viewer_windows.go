package main

import "os/exec"

// together leaves what a program starts to itself: it is killed alone when its time is over.
func together(*exec.Cmd) {}
