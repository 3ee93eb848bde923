package unity

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"strings"

	"varve/format"
	"varve/format/splice"
)

// Text is the format of Unity's files that are no YAML and name others by guid: shader graphs (JSON, and JSON in its
// strings) and sheets of the user interface (guid=… in addresses).
type Text struct{}

// Name is "unity-text".
func (Text) Name() string { return "unity-text" }

// Match goes by the name.
func (Text) Match(name string, head []byte) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".shadergraph", ".shadersubgraph":
		return bytes.HasPrefix(bytes.TrimSpace(head), []byte("{"))
	case ".uxml":
		return bytes.Contains(head, []byte("<"))
	case ".uss", ".tss":
		return bytes.IndexByte(head, 0) < 0
	}
	return false
}

// References lists the guids.
func (Text) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	b, err := format.ReadSpan(in, 0, in.Size(), maxText)
	if err != nil {
		return nil, err
	}
	var out []format.Reference
	for at := 0; ; {
		n := bytes.Index(b[at:], []byte("guid"))
		if n < 0 {
			return out, nil
		}
		from := at + n
		at = from + len("guid")
		where, ok := value(b, from, at)
		if !ok {
			continue
		}
		if id := string(b[where : where+32]); guid(id) {
			out = append(out, named(id, "asset", "", span{where, where + 32}))
		}
		if len(out) > format.MaxReferences {
			return nil, fmt.Errorf("%d references: %w", len(out), format.ErrLimit)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
}

// value returns where the 32 letters of a guid begin whose key is b[from:to]: "guid": "…", with quotes that are escaped
// as often as they are in strings, or &guid=….
func value(b []byte, from, to int) (int, bool) {
	if from == 0 {
		return 0, false
	}
	at := to
	switch b[from-1] {
	case '"':
		var ok bool
		if at, ok = quote(b, at); !ok {
			return 0, false
		}
		at = blank(b, at)
		if at == len(b) || b[at] != ':' {
			return 0, false
		}
		if at, ok = quote(b, blank(b, at+1)); !ok {
			return 0, false
		}
	case '?', '&', ';': // &amp;
		if at == len(b) || b[at] != '=' {
			return 0, false
		}
		at++
	default:
		return 0, false
	}
	return at, at+32 <= len(b)
}

// quote passes over a quote and what escapes it.
func quote(b []byte, at int) (int, bool) {
	for at < len(b) && b[at] == '\\' {
		at++
	}
	return at + 1, at < len(b) && b[at] == '"'
}

// blank passes over spaces and ends of lines, also such as are escaped in a string.
func blank(b []byte, at int) int {
	for at < len(b) {
		next := at
		for next < len(b) && b[next] == '\\' {
			next++
		}
		switch {
		case next == at && (b[at] == ' ' || b[at] == '\n' || b[at] == '\r' || b[at] == '\t'):
			at++
		case next > at && next < len(b) && (b[next] == 'n' || b[next] == 'r' || b[next] == 't'):
			at = next + 1
		default:
			return at
		}
	}
	return at
}

// Rewrite makes a file name other guids.
func (f Text) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	refs, err := f.References(ctx, in)
	if err != nil {
		return nil, err
	}
	return splice.Rewrite(in, refs, paths, func(_ format.Reference, next string) string {
		if !guid(next) {
			return "a guid is 32 digits and letters a to f"
		}
		return ""
	})
}
