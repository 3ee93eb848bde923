// Package nuke knows scripts of Nuke (.nk, .gizmo): their nodes, what they need, and how to make them need others.
//
// It promises: a script is read by the words of Tcl, so that a path in a comment, a label or an expression is none; what
// it writes is the script with other words in some places. What a node writes, the script does not need. A path leads from
// the project directory that Root names, else from the folder of the script; an expression that asks for the script's
// folder is known, others are of a machine.
//
// # Bytes
//
//	Read {                          a node of a class, a knob with its value on each line
//	 inputs 0                       how many nodes it takes from the stack; 1 where nothing is said
//	 file "plates/a b.####.exr"     a word: bare, in quotes, in braces; \[ begins an expression that the knob has
//	 name Read1
//	}
//	set N1a2b [stack 0]             a name, new at every save, for what is on the stack; push $N1a2b, push 0
//	Group { … }, …, end_group       what is in a group follows it
//	addUserKnob {2 logo}            2: the knob names a file
//
// # Elements
//
// Nodes, by their names with those of the groups that they are in: Group1.Blur1. What they are connected to is played from
// the stack. Where they lie in the graph is left out.
//
// # What it was held against
//
// 512 scripts and gizmos that others have published, of Nuke 6 to 13, all read whole. Nothing was opened in Nuke.
package nuke

import (
	"bytes"
	"context"
	"path"
	"strings"

	"varve/format"
)

// Bounds of what is read.
const (
	maxText  = 1 << 28
	maxDepth = 256 // braces within one another, and groups
)

// Format is the format. It has no state.
type Format struct{}

// Name is "nuke".
func (Format) Name() string { return "nuke" }

// Match looks for the extension and a node, or for what Nuke writes at the head.
func (Format) Match(name string, head []byte) bool {
	if bytes.IndexByte(head, 0) >= 0 {
		return false
	}
	if bytes.HasPrefix(head, []byte("set cut_paste_input [stack 0]")) {
		return true
	}
	if bytes.HasPrefix(head, []byte("#!")) {
		line, _, _ := bytes.Cut(head, []byte("\n"))
		if bytes.Contains(line, []byte("/Nuke")) || bytes.Contains(line, []byte("/libnuke")) {
			return true
		}
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".nk", ".gizmo":
		for line := range bytes.Lines(head) {
			if bytes.HasSuffix(bytes.TrimSpace(line), []byte("{")) || bytes.HasPrefix(line, []byte("version ")) {
				return true
			}
		}
	}
	return false
}

// Validate checks that what is opened is closed.
func (Format) Validate(ctx context.Context, in format.Input) error {
	_, err := open(ctx, in)
	return err
}

// script is a script that was read.
type script struct {
	b       []byte
	nodes   []node
	project string // what Root says that paths lead from
}

func open(ctx context.Context, in format.Input) (*script, error) {
	b, err := format.ReadSpan(in, 0, in.Size(), maxText)
	if err != nil {
		return nil, err
	}
	return parse(ctx, b)
}
