package unreal

import (
	"bytes"
	"context"
	"path"
	"strings"

	"varve/format"
)

// Settings is the format of the engine's .ini files.
type Settings struct{}

// Name is "unreal-settings".
func (Settings) Name() string { return "unreal-settings" }

// Match goes by the name and by sections of classes at the head.
func (Settings) Match(name string, head []byte) bool {
	return strings.EqualFold(path.Ext(name), ".ini") && bytes.Contains(head, []byte("[/Script/"))
}

const maxSettings = 16 << 20 // bytes

// References lists the assets that values name, as /Game/Maps/Town.Town; and without what follows the point where the
// key says that it is a map. What names folders, or what something was called once, is passed over.
func (Settings) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	b, err := format.ReadSpan(in, 0, in.Size(), maxSettings)
	if err != nil {
		return nil, err
	}
	var out []format.Reference
	section := ""
	for at := 0; at < len(b); {
		end := len(b)
		if n := bytes.IndexByte(b[at:], '\n'); n >= 0 {
			end = at + n + 1
		}
		line := strings.TrimSpace(string(b[at:end]))
		key, value, ok := strings.Cut(line, "=")
		switch {
		case line == "" || line[0] == ';' || line[0] == '-' || line[0] == '!':
		case line[0] == '[':
			section = line
		case ok && !strings.Contains(line, "Director") && !strings.Contains(key, "Redirect") && !strings.Contains(section, "Redirect"):
			from := at + bytes.IndexByte(b[at:end], '=') + 1
			out = append(out, assets(value, key, section, int64(from+leading(b[from:end])))...)
		}
		at = end
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if len(out) > format.MaxReferences {
			return nil, format.ErrLimit
		}
	}
	return out, nil
}

func leading(b []byte) int { return len(b) - len(bytes.TrimLeft(b, " \t\r\n")) }

// assets are those that a value names; off is where it stands.
func assets(value, key, section string, off int64) (out []format.Reference) {
	value = strings.TrimSpace(value)
	for at := 0; at < len(value); {
		n := strings.IndexFunc(value[at:], func(c rune) bool { return !strings.ContainsRune("\"'(),= \t", c) })
		if n < 0 {
			break
		}
		at += n
		w := value[at:]
		if n := strings.IndexAny(w, "\"'(),= \t"); n >= 0 {
			w = w[:n]
		}
		name, _, dotted := strings.Cut(w, ".")
		if dotted || strings.Contains(key, "Map") {
			if r, ok := refer(name, "asset"); ok {
				if strings.Contains(key, "Map") {
					r.Kind, r.Endings = "map", ".umap|.uasset"
				}
				r.Raw, r.Element, r.Off, r.Len = w, "", off+int64(at), int64(len(w))
				out = append(out, r)
			}
		}
		at += len(w)
	}
	return out
}
