package main

import (
	"fmt"
	"io/fs"
	"strings"
	"time"
	"unicode/utf8"

	"varve"
)

// The objects of --json that several verbs print. Field names and their meaning are a contract.

type snapshotJSON struct {
	Schema       string            `json:"schema"`
	ID           string            `json:"id"`
	Version      int               `json:"version"`
	Ref          string            `json:"ref"`
	Project      string            `json:"project"`
	Name         string            `json:"name"`
	Path         string            `json:"path"`
	Host         string            `json:"host"`
	Parent       string            `json:"parent"`
	Time         string            `json:"time"`
	Message      string            `json:"message"`
	Tags         map[string]string `json:"tags"`
	Milestone    string            `json:"milestone"`
	Milestones   []string          `json:"milestones"`
	Reason       string            `json:"reason,omitempty"`
	Root         string            `json:"root"`
	Files        uint64            `json:"files"`
	Dirs         uint64            `json:"dirs"`
	Links        uint64            `json:"links"`
	Bytes        uint64            `json:"bytes"`
	NewBytes     int64             `json:"new_bytes"`
	StoredBytes  int64             `json:"stored_bytes"`
	Added        int64             `json:"added"`
	Modified     int64             `json:"modified"`
	Removed      int64             `json:"removed"`
	Renamed      int64             `json:"renamed"`
	Unchanged    int64             `json:"unchanged"`
	SkippedFiles int64             `json:"skipped_files"`
	SkippedBytes int64             `json:"skipped_bytes"`
	Errors       []failureJSON     `json:"errors"`
	Seconds      float64           `json:"seconds"`
	DryRun       bool              `json:"dry_run,omitempty"`
}

type failureJSON struct {
	Path      string `json:"path"`
	PathBytes []byte `json:"path_bytes,omitempty"`
	Error     string `json:"error"`
}

type entryJSON struct {
	Schema    string   `json:"schema,omitempty"`
	Path      string   `json:"path"`
	PathBytes []byte   `json:"path_bytes,omitempty"`
	Type      string   `json:"type"`
	Mode      string   `json:"mode"`
	Bytes     int64    `json:"bytes"`
	Mtime     string   `json:"mtime"`
	SHA256    string   `json:"sha256"`
	Target    string   `json:"target,omitempty"`
	UID       uint32   `json:"uid"`
	GID       uint32   `json:"gid"`
	Xattrs    []string `json:"xattrs,omitempty"`
	Flags     []string `json:"flags,omitempty"`
}

type versionJSON struct {
	Schema       string `json:"schema"`
	Version      int    `json:"version"`
	Ref          string `json:"ref"`
	ID           string `json:"id"`
	Time         string `json:"time"`
	Path         string `json:"path"`
	PathBytes    []byte `json:"path_bytes,omitempty"`
	Bytes        int64  `json:"bytes"`
	SHA256       string `json:"sha256"`
	Change       string `json:"change"`
	OldPath      string `json:"old_path"`
	OldPathBytes []byte `json:"old_path_bytes,omitempty"`
	Message      string `json:"message"`
}

// text returns a name as JSON can hold it, and its bytes where that loses any.
func text(s string) (string, []byte) {
	if utf8.ValidString(s) {
		return s, nil
	}
	return strings.ToValidUTF8(s, "\uFFFD"), []byte(s)
}

// rfc writes a time for programs; nothing for none.
func rfc(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// octal writes the permissions of a mode with setuid, setgid and sticky: 0644.
func octal(m fs.FileMode) string {
	n := uint32(m.Perm())
	for _, b := range []struct {
		mode fs.FileMode
		bit  uint32
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if m&b.mode != 0 {
			n |= b.bit
		}
	}
	return fmt.Sprintf("%04o", n)
}

func failures(list []varve.Failure) []failureJSON {
	out := make([]failureJSON, 0, len(list))
	for _, f := range list {
		p, b := text(f.Path)
		out = append(out, failureJSON{p, b, f.Error})
	}
	return out
}

// names returns the milestones of a snapshot.
func (p *place) names(s *varve.Snapshot) []string {
	out := []string{}
	for _, m := range p.project.Milestones() {
		if m.Snapshot == s.ID {
			out = append(out, m.Name)
		}
	}
	return out
}

func (p *place) snapshotJSON(s *varve.Snapshot) snapshotJSON {
	j := snapshotJSON{Schema: "varve.snapshot/1", ID: s.ID.String(), Version: s.Version, Ref: s.Ref(), Project: s.Project, Name: s.Name, Path: s.Path,
		Host: s.Host, Parent: s.Parent, Time: rfc(s.Time), Message: s.Message, Tags: p.project.TagsOf(s), Milestones: p.names(s), Reason: s.Reason,
		Root: s.Root.String(), Files: s.Tree.Files, Dirs: s.Tree.Dirs, Links: s.Tree.Links, Bytes: s.Tree.Bytes,
		NewBytes: s.Stored.Plain, StoredBytes: s.Stored.Sealed,
		Added: s.Counts.Added, Modified: s.Counts.Modified, Removed: s.Counts.Removed, Renamed: s.Counts.Renamed, Unchanged: s.Counts.Unchanged,
		SkippedFiles: s.Skipped.Files, SkippedBytes: s.Skipped.Bytes, Errors: failures(s.Errors), Seconds: s.Seconds}
	if len(j.Milestones) > 0 {
		j.Milestone = j.Milestones[len(j.Milestones)-1]
	}
	if j.Tags == nil {
		j.Tags = map[string]string{}
	}
	return j
}

func entryOf(n *varve.Entry) *entryJSON {
	if n == nil {
		return nil
	}
	p, b := text(n.Path)
	target, _ := text(n.Target)
	return &entryJSON{Path: p, PathBytes: b, Type: n.Type, Mode: octal(n.Mode), Bytes: n.Bytes, Mtime: rfc(n.Mtime), SHA256: n.SHA256,
		Target: target, UID: n.UID, GID: n.GID, Xattrs: n.Xattrs, Flags: n.Flags}
}

func versionOf(v *varve.Version) versionJSON {
	p, pb := text(v.Path)
	o, ob := text(v.Old)
	s := v.Snapshot
	return versionJSON{"varve.version/1", s.Version, s.Ref(), s.ID.String(), rfc(s.Time), p, pb, v.Bytes, v.SHA256, v.Change, o, ob, s.Message}
}

// snapshotLine prints a snapshot for people, in one line.
func (e *env) snapshotLine(p *place, s *varve.Snapshot) {
	e.printf("%-5s %-16s %s", s.Ref(), age(s.Time, e.now()), deltas(s))
	for _, m := range p.names(s) {
		e.printf("  [%s]", name(m))
	}
	if s.Reason != "" {
		e.printf("  (%s)", name(s.Reason))
	}
	if s.Message != "" {
		first, _, _ := strings.Cut(s.Message, "\n")
		e.printf("  %s", name(first))
	}
	e.printf("\n")
}

// deltas says in short what a snapshot changed: +12 -1 ~3 >2.
func deltas(s *varve.Snapshot) string {
	var parts []string
	for _, d := range []struct {
		n    int64
		sign string
	}{{s.Counts.Added, "+"}, {s.Counts.Modified, "~"}, {s.Counts.Removed, "-"}, {s.Counts.Renamed, ">"}} {
		if d.n > 0 {
			parts = append(parts, d.sign+count(d.n))
		}
	}
	if len(parts) == 0 {
		return "="
	}
	return strings.Join(parts, " ")
}
