package script

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"varve"
)

// entriesSchema is the first line of ENTRIES.
const entriesSchema = "varve.rollback_entries/1"

// entries returns what a snapshot has, each folder before what is in it and all of it together, in an order that
// depends on the names only.
func (w *writer) entries(ctx context.Context) ([]varve.Entry, error) {
	var out []varve.Entry
	for e, err := range w.project.List(ctx, w.snapshot, "", true) {
		if err != nil {
			return nil, err
		}
		switch e.Type {
		case "file", "dir", "link":
			if err := plainPath(e.Path); err != nil {
				return nil, err
			}
			out = append(out, e)
		default:
			w.result.Skipped = append(w.result.Skipped, e.Path)
		}
	}
	slices.SortFunc(out, func(a, b varve.Entry) int { return inOrder(a.Path, b.Path) })
	return out, nil
}

// inOrder compares paths element by element.
func inOrder(a, b string) int {
	return strings.Compare(strings.ReplaceAll(a, "/", "\x00"), strings.ReplaceAll(b, "/", "\x00"))
}

// plainPath refuses a path that would lead out of a folder.
func plainPath(p string) error {
	for part := range strings.SplitSeq(p, "/") {
		if part == "" || part == "." || part == ".." || strings.Contains(part, "\x00") {
			return fmt.Errorf("the snapshot has a path that leads nowhere good: %q", p)
		}
	}
	return nil
}

// escape writes control characters and backslashes as \0ooo, which printf %b of every shell understands.
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == 0x7f || c == '\\' {
			fmt.Fprintf(&b, `\0%03o`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// permissions are the bits that drivers set: who may read, write and enter. Setuid and its kin need a restore with --owner.
func permissions(e *varve.Entry) uint32 { return uint32(e.Mode.Perm()) }

func entryLine(e *varve.Entry) string {
	kind, sum, target := "f", e.SHA256, ""
	switch e.Type {
	case "dir":
		kind, sum = "d", "-"
	case "link":
		kind, sum, target = "l", "-", e.Target
	}
	return fmt.Sprintf("%s\t%04o\t%d\t%s\t%d\t%s\t%s\t%s\n", kind, permissions(e), nanoseconds(e.Mtime), e.Mtime.UTC().Format("200601021504.05"), size(e), sum, escape(e.Path), escape(target))
}

// nanoseconds since 1970; times that do not fit are its begin.
func nanoseconds(t time.Time) int64 {
	if t.Year() < 1900 || t.Year() > 2200 {
		return 0
	}
	return t.UnixNano()
}

func size(e *varve.Entry) int64 {
	if e.Type != "file" {
		return 0
	}
	return e.Bytes
}

func writeEntries(out io.Writer, list []varve.Entry) error {
	if _, err := io.WriteString(out, entriesSchema+"\n"); err != nil {
		return err
	}
	for i := range list {
		if _, err := io.WriteString(out, entryLine(&list[i])); err != nil {
			return err
		}
	}
	return nil
}

// sumLine is a line as sha256sum reads it: a backslash before it says that the name is escaped.
func sumLine(sum, path string) string {
	if !strings.ContainsAny(path, "\\\n\r") {
		return sum + "  " + path + "\n"
	}
	return `\` + sum + "  " + strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`).Replace(path) + "\n"
}

func writeSums(out io.Writer, list []varve.Entry, payload string) error {
	for i := range list {
		if list[i].Type != "file" {
			continue
		}
		if _, err := io.WriteString(out, sumLine(list[i].SHA256, top+list[i].Path)); err != nil {
			return err
		}
	}
	_, err := io.WriteString(out, sumLine(payload, "payload.tar.gz"))
	return err
}

// writeManifest writes the object that varve manifest --json prints.
func (w *writer) writeManifest(out io.Writer, list []varve.Entry) error {
	s := w.snapshot
	if _, err := fmt.Fprintf(out, `{"schema":"varve.manifest/1","version":%d,"id":%q,"time":%q,"files":{`, s.Version, s.ID.String(), s.Time.Format(time.RFC3339Nano)); err != nil {
		return err
	}
	first := true
	for i := range list {
		e := &list[i]
		if e.Type != "file" {
			continue
		}
		key, raw := e.Path, []byte(nil)
		if !utf8.ValidString(key) {
			key, raw = strings.ToValidUTF8(key, "\uFFFD"), []byte(key)
		}
		k, err := json.Marshal(key)
		if err != nil {
			return err
		}
		v, err := json.Marshal(struct {
			SHA256    string `json:"sha256"`
			Size      int64  `json:"size"`
			Modified  string `json:"modified"`
			PathBytes []byte `json:"path_bytes,omitempty"`
		}{e.SHA256, e.Bytes, e.Mtime.Format(time.RFC3339Nano), raw})
		if err != nil {
			return err
		}
		comma := ","
		if first {
			comma = ""
		}
		first = false
		if _, err := fmt.Fprintf(out, "%s%s:%s", comma, k, v); err != nil {
			return err
		}
	}
	_, err := io.WriteString(out, "}}\n")
	return err
}
