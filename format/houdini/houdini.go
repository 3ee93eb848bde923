// Package houdini knows scenes of Houdini (.hip, .hiplc, .hipnc): what the parameters of their nodes name, and the nodes.
// It only lists.
//
// It promises: of a parameter it takes values that name a file of a kind that Houdini reads, and leaves out those that say
// where something is written, what comes with Houdini, and paths to nodes. $HIP is the folder of the scene, $JOB that of
// the project. A file whose path is put together by an expression is not found, nor a .pic or .rat named without a folder:
// such come with Houdini.
//
// # Bytes
//
//	.hip           cpio of old: "070707", octal digits dev:6 ino:6 mode:6 uid:6 gid:6 nlink:6 rdev:6 mtime:11 name's length:6
//	               length:11, name with a 0 at its end, bytes; the last is TRAILER!!!
//	.hiplc .hipnc  "HouLC\x1a", "HouNC\x1a", 28 hex digits, name, 0, bytes up to the next; the last is
//	               LIMITED_COMMERCIAL_FILE!!!, NON_COMMERCIAL_FILE!!!
//	obj/box.init   type = box
//	obj/box.parm   { version 0.8, then a line each: name [ … ] ( value value ), values between tabs, bare or in quotes }
//	obj/box.chn    channels
//
// # Elements
//
// Nodes, by their paths (/obj/box).
//
// # What it was held against
//
// Six scenes of Houdini 18 to 20.5 of the limited and free editions, read whole. No .hip of the full edition was at hand:
// that is as documented.
package houdini

import (
	"bytes"
	"context"
	"fmt"
	"strconv"
	"strings"

	"varve/format"
)

// Bounds of what is read.
const (
	maxText    = 1 << 29
	maxEntries = 1 << 21
)

// Format is the format. It has no state.
type Format struct{}

// Name is "houdini".
func (Format) Name() string { return "houdini" }

// Match looks for what scenes begin with.
func (Format) Match(name string, head []byte) bool {
	if edition(head) != "" {
		return true
	}
	return bytes.HasPrefix(head, []byte("070707")) && len(head) > oldHead+6 && string(head[oldHead:oldHead+6]) == ".start"
}

// edition returns what each entry of an edition that is not full begins with; "" of others.
func edition(head []byte) string {
	if len(head) >= newHead && (string(head[:6]) == "HouLC\x1a" || string(head[:6]) == "HouNC\x1a") && digits(head[6:newHead]) {
		return string(head[:6])
	}
	return ""
}

const (
	oldHead = 76 // bytes before the name
	newHead = 34
)

func digits(b []byte) bool {
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// entry is a file in a scene: its bytes are [from, to).
type entry struct {
	name     string
	from, to int
}

// scene is a scene that was read.
type scene struct {
	b       []byte
	entries []entry
}

func open(ctx context.Context, in format.Input) (*scene, error) {
	b, err := format.ReadSpan(in, 0, in.Size(), maxText)
	if err != nil {
		return nil, err
	}
	s := &scene{b: b}
	if mark := edition(b); mark != "" {
		return s, s.marked(ctx, mark)
	}
	return s, s.counted(ctx)
}

// counted reads entries that say how long they are.
func (s *scene) counted(ctx context.Context) error {
	for at := 0; ; {
		if len(s.entries)&0xfff == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if len(s.b)-at < oldHead || string(s.b[at:at+6]) != "070707" {
			return format.Malformed("no entry at %d", at)
		}
		name, err1 := strconv.ParseUint(string(s.b[at+59:at+65]), 8, 32)
		size, err2 := strconv.ParseUint(string(s.b[at+65:at+76]), 8, 63)
		from := at + oldHead
		if err1 != nil || err2 != nil || name == 0 || name > uint64(len(s.b)-from) || size > uint64(len(s.b)-from)-name {
			return format.Malformed("the entry at %d", at)
		}
		e := entry{strings.TrimRight(string(s.b[from:from+int(name)]), "\x00"), from + int(name), from + int(name) + int(size)}
		if e.name == "TRAILER!!!" {
			return nil
		}
		if err := s.add(e); err != nil {
			return err
		}
		at = e.to
	}
}

// marked reads entries that go up to the next.
func (s *scene) marked(ctx context.Context, mark string) error {
	last := ""
	for at := 0; at < len(s.b); {
		if len(s.entries)&0xfff == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		rest := s.b[at:]
		name, _, ok := bytes.Cut(rest[newHead:min(len(rest), newHead+4096)], []byte{0})
		if !ok {
			return format.Malformed("the entry at %d has no name", at)
		}
		e := entry{string(name), at + newHead + len(name) + 1, len(s.b)}
		for k := e.from; ; {
			n := bytes.Index(s.b[k:], []byte(mark))
			if n < 0 {
				break
			}
			if k += n; len(s.b)-k >= newHead && digits(s.b[k+6:k+newHead]) {
				e.to = k
				break
			}
			k += len(mark)
		}
		if err := s.add(e); err != nil {
			return err
		}
		last, at = e.name, e.to
	}
	if !strings.HasSuffix(last, "_FILE!!!") {
		return format.Malformed("the scene ends after %.128q", last)
	}
	return nil
}

func (s *scene) add(e entry) error {
	if len(s.entries) == maxEntries {
		return fmt.Errorf("more than %d entries: %w", maxEntries, format.ErrLimit)
	}
	s.entries = append(s.entries, e)
	return nil
}

// Validate checks that a scene has its end.
func (Format) Validate(ctx context.Context, in format.Input) error {
	_, err := open(ctx, in)
	return err
}
