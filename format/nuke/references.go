package nuke

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/splice"
)

// References lists the files that nodes read: images, geometry, cameras, tables of colours, other scripts.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	s, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	out := s.places()
	list := make([]format.Reference, len(out))
	for i := range out {
		list[i] = out[i].Reference
	}
	return list, nil
}

// place is a reference and the word that it stands in.
type place struct {
	format.Reference
	word word
}

// kindOf says what a knob of a node reads; "" where it reads no file.
func kindOf(n *node, knob string) string {
	switch n.class {
	case "Read", "DeepRead", "AudioRead", "ReadGeo", "ReadGeo2", "GeoImport", "GeoReference", "Precomp", "LiveGroup", "Camera", "Camera2", "Camera3", "Camera4", "Axis2", "Axis3", "Axis4", "Light2", "Light3", "Light4", "OCIOFileTransform",
		"OCIOCDLTransform", "ParticleCache", "ModelBuilder", "PointCloudGenerator", "Write", "SmartVector":
		switch knob {
		case "file":
			return fileKind(n.class)
		case "proxy":
			if n.class == "Read" {
				return "proxy"
			}
		}
	case "Vectorfield":
		if knob == "vfield_file" {
			return "lut"
		}
	case "BlinkScript":
		if knob == "kernelSourceFile" {
			return "script"
		}
	case "Text":
		if knob == "font" {
			return "font"
		}
	}
	return ""
}

func fileKind(class string) string {
	switch class {
	case "ReadGeo", "ReadGeo2", "GeoImport", "GeoReference", "ParticleCache", "ModelBuilder", "PointCloudGenerator":
		return "geometry"
	case "Precomp", "LiveGroup":
		return "script"
	case "AudioRead":
		return "sound"
	case "OCIOFileTransform", "OCIOCDLTransform":
		return "lut"
	case "Read", "DeepRead", "Write", "SmartVector":
		return "image"
	}
	return "camera"
}

func (s *script) places() []place {
	var out []place
	ids := s.ids()
	for i := range s.nodes {
		n := &s.nodes[i]
		user := map[string]bool{}
		optional := n.class == "ParticleCache"
		if n.class == "Write" || n.class == "SmartVector" {
			if n.value(s, "reading") != "true" {
				continue
			}
		}
		if strings.HasPrefix(n.class, "Camera") || strings.HasPrefix(n.class, "Axis") || strings.HasPrefix(n.class, "Light") {
			optional = n.value(s, "read_from_file") == "false"
		}
		for _, k := range n.knobs {
			if k.name == "addUserKnob" {
				if f := strings.Fields(s.raw(k.value)); len(f) > 1 && f[0] == "2" && len(user) < 1<<10 {
					user[f[1]] = true
				}
				continue
			}
			kind := kindOf(n, k.name)
			if kind == "" && user[k.name] {
				kind = "file"
			}
			if kind == "" || k.value.inEnd == k.value.in || len(out) > format.MaxReferences {
				continue
			}
			raw := s.raw(k.value)
			p := place{word: k.value}
			p.Reference = format.Reference{Kind: kind, Raw: raw, Element: ids[i], Optional: optional || kind == "proxy" || kind == "font" || n.value(s, "disable") == "true",
				Off: int64(k.value.in), Len: int64(len(raw))}
			if k.value.mark == '{' && strings.HasPrefix(strings.TrimSpace(raw), "{") { // an animation
				continue
			}
			value := s.means(k.value)
			if other.MatchString(value) || kind == "font" && !strings.Contains(value, "/") { // of another knob; a font's name
				continue
			}
			if p.Path, p.Style = s.pathOf(value); p.Path == "" {
				continue
			}
			p.Path, p.Sequence = frames(p.Path)
			if p.Sequence && kind == "image" {
				p.Kind = "sequence"
			}
			out = append(out, p)
		}
	}
	return out
}

// value returns what a knob is set to.
func (n *node) value(s *script, name string) string {
	for _, k := range n.knobs {
		if k.name == name {
			return s.means(k.value)
		}
	}
	return ""
}

// folder is an expression for the folder of the script.
var folder = regexp.MustCompile(`^\[\s*(?:file dirname \[\s*(?:value|knob) root\.name\s*\]|python(?: -execlocal)? \{?\s*(?:nuke\.script_directory\(\)|os\.path\.dirname\(nuke\.root\(\)(?:\.name\(\)|\['name'\]\.value\(\))\))\s*\}?)\s*\]/*`)

// other is an expression for what another knob has, and nothing else.
var other = regexp.MustCompile(`^\[\s*(?:value|knob) [\w.]+\s*\]$`)

// project is one for the folder that Root names.
var project = regexp.MustCompile(`^\[\s*(?:value|knob) root\.project_directory\s*\]/*`)

// pathOf returns what Nuke makes of the value of a knob.
func (s *script) pathOf(v string) (string, format.Style) {
	if m := folder.FindString(v); m != "" {
		return strings.TrimPrefix(v[len(m):], "./"), format.Relative
	}
	v = project.ReplaceAllString(v, "")
	if strings.ContainsAny(v, "[$") || strings.HasPrefix(v, "~") {
		return v, format.Absolute // by what is so on a machine
	}
	p, style := splice.Path(v)
	if style != format.Relative {
		return p, style
	}
	p = strings.TrimPrefix(p, "./")
	if s.project == "" || folder.MatchString(s.project) && folder.ReplaceAllString(s.project, "") == "" || p == "" {
		return p, format.Relative
	}
	from, style := (&script{}).pathOf(s.project)
	return path.Join(from, p), style
}

// digits are what stands for a number of a frame, or for a view.
var digits = regexp.MustCompile(`%0?(\d*)d|%[vV]`)

// frames writes a path with # for digits.
func frames(p string) (string, bool) {
	p = digits.ReplaceAllStringFunc(p, func(m string) string {
		if m[len(m)-1] != 'd' {
			return "*"
		}
		n, _ := strconv.Atoi(m[1 : len(m)-1])
		return strings.Repeat("#", min(max(n, 1), 16))
	})
	p = strings.ReplaceAll(p, "<udim>", "<UDIM>")
	return p, strings.ContainsAny(p, "#*") || strings.Contains(p, "<UDIM>")
}

// Rewrite makes a script need others. A path with a space gets quotes.
func (Format) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	s, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	var edits []splice.Edit
	for _, p := range s.places() {
		next, ok := paths[p.Raw]
		if !ok || next == p.Raw {
			continue
		}
		text, ok := written(p.word.mark, next)
		if !ok {
			return nil, &format.Refusal{Reason: fmt.Sprintf("%q cannot stand in the place of %q", next, p.Raw), Advice: `write \ before quotes, brackets and $`}
		}
		edits = append(edits, splice.Edit{Off: int64(p.word.from), Len: int64(p.word.to - p.word.from), New: splice.Text(text)})
	}
	return splice.Apply(in, 0, in.Size(), edits)
}

// written is a word with other characters in it; ok is false where they would not be one.
func written(mark byte, next string) (text string, ok bool) {
	if next == "" || strings.ContainsFunc(next, func(c rune) bool { return c < ' ' }) {
		return "", false
	}
	for _, m := range []byte{mark, '"'} {
		switch text = next; m {
		case '"':
			text = `"` + next + `"`
		case '{':
			text = "{" + next + "}"
		}
		w := &words{b: []byte(text), end: len(text)}
		v, ok, err := w.word()
		if ok && err == nil && v.to == len(text) && v.mark == m && (m == '{' || plain(next)) {
			return text, true
		}
	}
	return "", false
}

// plain reports whether nothing in a word is put in by Tcl when the script is read.
func plain(s string) bool {
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
			if i == len(s) {
				return false
			}
		case '[', '$', '"', '{', '}':
			return false
		}
	}
	return true
}
