package houdini

import (
	"context"
	"path"
	"regexp"
	"strconv"
	"strings"

	"varve/format"
	"varve/format/splice"
)

// value is one of a parameter's: [from, to) of the file, without its quotes.
type value struct {
	from, to int
	quoted   bool
}

// parameters calls each with the values of every parameter of an entry.
func (s *scene) parameters(e entry, each func(name string, list []value)) {
	b, at := s.b[:e.to], e.from
	word := func(stop string) (int, int) {
		for at < len(b) && (b[at] == ' ' || b[at] == '\t' || b[at] == '\n' || b[at] == '\r') {
			at++
		}
		from := at
		for at < len(b) && !strings.ContainsRune(stop, rune(b[at])) {
			at++
		}
		return from, at
	}
	var list []value
	for at < len(b) {
		from, to := word(" \t\n\r")
		name := string(b[from:to])
		if name == "" || name == "{" || name == "}" {
			continue
		}
		if at < len(b) && b[at] == '\n' {
			continue
		}
		if from, _ = word("]\n"); from >= len(b) || b[from] != '[' { // version 0.8
			continue
		}
		if at < len(b) {
			at++
		}
		if from, _ = word("\t\n"); from >= len(b) || b[from] != '(' {
			continue
		}
		list = list[:0]
		for at < len(b) {
			v, ok := s.value(b, &at)
			if !ok {
				break
			}
			if len(list) < 256 {
				list = append(list, v)
			}
		}
		each(name, list)
	}
}

// value reads the next value up to the bracket; ok is false there.
func (s *scene) value(b []byte, at *int) (v value, ok bool) {
	for *at < len(b) && (b[*at] == '\t' || b[*at] == ' ' || b[*at] == '\n' || b[*at] == '\r') {
		*at++
	}
	if *at >= len(b) || b[*at] == ')' {
		*at++
		return v, false
	}
	if b[*at] == '"' {
		v = value{from: *at + 1, quoted: true}
		for i := v.from; i < len(b); i++ {
			switch b[i] {
			case '\\':
				i++
			case '"':
				v.to, *at = i, i+1
				return v, true
			}
		}
		*at = len(b)
		return v, false
	}
	v.from = *at
	for *at < len(b) && b[*at] != '\t' && b[*at] != '\n' {
		*at++
	}
	v.to = *at
	return v, true
}

// network reports whether an entry is of a node of the scene, not of something within an asset.
func network(name string) bool {
	switch name[:strings.IndexAny(name+".", "/.")] {
	case "obj", "out", "mat", "shop", "stage", "img", "ch", "vex", "part", "tasks", "tex":
		return true
	}
	return false
}

// References lists the files that parameters name.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	s, err := open(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []format.Reference
	for _, e := range s.entries {
		node, ok := strings.CutSuffix(e.name, ".parm")
		if !ok || !network(e.name) {
			continue
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.parameters(e, func(name string, list []value) {
			if output(name) {
				return
			}
			for _, v := range list {
				if r, ok := s.reference(v); ok && len(out) < format.MaxReferences {
					r.Element = "/" + node
					out = append(out, r)
				}
			}
		})
	}
	return out, nil
}

// output reports whether a parameter says where something is written.
func output(name string) bool {
	n := strings.ToLower(name)
	for _, part := range []string{"output", "picture", "productname", "dcmfilename", "diskfile", "rendergallery", "savetodirectory", "checkpoint", "tempdir"} {
		if strings.Contains(n, part) {
			return true
		}
	}
	return n == "outfile" || n == "savefile"
}

var (
	variable = regexp.MustCompile(`\$\{?([A-Za-z_]+)(\d*)\}?`)
	udim     = regexp.MustCompile(`%\(UDIM\)d|<udim>`)
)

// maxValue is the longest that a path may be.
const maxValue = 4096

// reference makes one of a value.
func (s *scene) reference(v value) (r format.Reference, ok bool) {
	if v.to-v.from < 3 || v.to-v.from > maxValue {
		return r, false
	}
	raw := string(s.b[v.from:v.to])
	p := strings.ReplaceAll(raw, `\\`, "/")
	p = strings.ReplaceAll(p, `\"`, `"`)
	if strings.ContainsAny(p, "`\n") || strings.HasPrefix(p, "op:") || strings.HasPrefix(p, "opdef:") || strings.HasPrefix(p, "oplib:") || strings.HasPrefix(p, "temp:") {
		return r, false
	}
	if r.Kind = kindOf(p); r.Kind == "" || brought(p) {
		return r, false
	}
	r.Raw, r.Off, r.Len = raw, int64(v.from), int64(v.to-v.from)
	p = udim.ReplaceAllString(p, "<UDIM>")
	r.Style = format.Relative
	if m := variable.FindStringSubmatchIndex(p); m != nil && m[0] == 0 {
		rest := strings.TrimPrefix(p[m[1]:], "/")
		switch p[m[2]:m[3]] {
		case "HIP":
			p = rest
		case "JOB":
			p, r.Style = rest, format.Rooted
		case "HFS", "HH", "HHP", "HHC", "HB", "HD", "HSITE", "HOUDINI_TEMP_DIR", "TEMP":
			return r, false
		case "F", "OS", "HIPNAME":
		default:
			r.Style = format.Absolute // by what is set on a machine
		}
	}
	if r.Style == format.Relative {
		p, r.Style = splice.Path(p)
	}
	if r.Style != format.Absolute || !strings.HasPrefix(p, "$") {
		p = variable.ReplaceAllStringFunc(p, func(m string) string {
			f := variable.FindStringSubmatch(m)
			if f[1] != "F" && f[1] != "FF" && f[1] != "SF" {
				return "*"
			}
			n, _ := strconv.Atoi(f[2])
			return strings.Repeat("#", min(max(n, 1), 16))
		})
	}
	r.Path = strings.TrimPrefix(p, "./")
	r.Sequence = strings.ContainsAny(r.Path, "#*") || strings.Contains(r.Path, "<UDIM>")
	return r, path.Base(r.Path) != "" && r.Path != ""
}

// brought reports whether a value is one that nodes have at first: pictures that come with Houdini, which are found by
// their names alone, and a file's name that is an example.
func brought(p string) bool {
	ext := strings.ToLower(path.Ext(p))
	return !strings.Contains(p, "/") && (ext == ".pic" || ext == ".rat") || strings.HasSuffix(p, "/filename.$F4.rs")
}

// kindOf says what a file is by its extension; "" of none that Houdini reads.
func kindOf(p string) string {
	p = strings.TrimSuffix(strings.TrimSuffix(strings.ToLower(p), ".gz"), ".sc")
	switch path.Ext(p) {
	case ".bgeo", ".geo", ".hgeo", ".obj", ".abc", ".fbx", ".ply", ".stl", ".dxf", ".lidar", ".las", ".laz", ".e57", ".gltf", ".glb", ".sim", ".simdata", ".rs", ".ass", ".pc", ".pdb":
		return "geometry"
	case ".vdb":
		return "volume"
	case ".usd", ".usda", ".usdc", ".usdz":
		return "scene"
	case ".rat", ".exr", ".hdr", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".tga", ".tx", ".tex", ".pic", ".rgb", ".dpx", ".psd", ".bmp", ".sgi", ".ptx", ".rstexbin", ".tiff16":
		return "texture"
	case ".hda", ".otl", ".hdalc", ".hdanc", ".otllc", ".otlnc":
		return "asset"
	case ".hip", ".hiplc", ".hipnc":
		return "scene"
	case ".wav", ".aif", ".aiff", ".mp3", ".ogg":
		return "sound"
	case ".bclip", ".clip", ".chan", ".bvh", ".mcd", ".chn", ".bchan":
		return "animation"
	case ".mp4", ".mov", ".avi", ".mkv":
		return "video"
	case ".csv", ".json", ".xml", ".py", ".txt", ".ocio", ".lut", ".cube", ".ies", ".ttf", ".otf", ".svg", ".mtlx", ".osl", ".vfl", ".idb":
		return "data"
	}
	return ""
}
