package experiment

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"sort"
	"strings"

	"github.com/BurntSushi/toml"
	"go.yaml.in/yaml/v3"

	"varve"
)

// Changelog says what was changed between two versions: files by class, the keys of configurations, and what was
// measured.
type Changelog struct {
	From, To *varve.Snapshot
	Files    []ChangedFile // in the order of their paths
	Keys     []ChangedKey  // in the order of file and key
	Metrics  []Comparison
	Notes    []string
}

// ChangedFile is a file that is not the same in both versions.
type ChangedFile struct {
	Path   string `json:"path"`
	Old    string `json:"old_path,omitempty"`
	Change string `json:"change"` // added, modified, removed, renamed
	Class  string `json:"class"`  // code, configuration, data, weights, documentation, media, other
	Detail string `json:"detail,omitempty"`
}

// ChangedKey is a value of a configuration that is not the same in both versions.
type ChangedKey struct {
	File string `json:"file"`
	Key  string `json:"key"` // its names, joined with dots
	Old  string `json:"old"` // as JSON; "" where it was not there
	New  string `json:"new"`
}

// Classes of files, in the order in which they are told.
func Classes() []string {
	return []string{"code", "configuration", "weights", "data", "documentation", "media", "other"}
}

// ClassOf tells what kind of file a path names.
func ClassOf(at string) string {
	ext := strings.ToLower(path.Ext(at))
	in := func(list string) bool {
		return ext != "" && slices.Contains(strings.Fields(list), ext)
	}
	switch {
	case in(".md .rst .adoc .tex .pdf .docx .odt"), strings.HasPrefix(path.Base(at), "README"), path.Base(at) == "LICENSE":
		return "documentation"
	case in(".safetensors .gguf .pt .pth .ckpt .onnx .h5 .hdf5 .tflite .pb .bin .npz .joblib .pkl .mlmodel .keras"):
		return "weights"
	case in(".csv .tsv .parquet .arrow .feather .npy .jsonl .ndjson .tfrecord .avro .orc .db .sqlite .xlsx .txt .log .tfevents"), strings.Contains(at, "tfevents"):
		return "data"
	case in(".png .jpg .jpeg .webp .gif .bmp .tif .tiff .exr .hdr .psd .kra .xcf .svg .blend .glb .gltf .obj .fbx .wav .ogg .mp3 .flac .mp4 .mov .webm"):
		return "media"
	case matchesAny(source(), at):
		return "code"
	case matchesAny(written(), at):
		return "data"
	case matchesAny(configuration(), at):
		return "configuration"
	}
	return "other"
}

// Changelog compares two versions of the project.
func (l *Lab) Changelog(ctx context.Context, a, b *varve.Snapshot, plan ComparePlan) (*Changelog, error) {
	list, err := l.p.Diff(ctx, a, b, "", varve.IgnoreSettings{})
	if err != nil {
		return nil, err
	}
	out := &Changelog{From: a, To: b}
	for i := range list {
		d := &list[i]
		if d.Change == "touched" || d.Change == "metadata" {
			continue
		}
		out.Files = append(out.Files, ChangedFile{Path: d.Path, Old: d.Old, Change: d.Change, Class: ClassOf(d.Path), Detail: d.Detail})
		keys, err := l.changedKeys(ctx, a, b, d)
		if err != nil {
			out.Notes = append(out.Notes, d.Path+": "+err.Error())
		}
		out.Keys = append(out.Keys, keys...)
	}
	r, err := l.Compare(ctx, a.ID.String(), b.ID.String(), plan)
	if err != nil {
		return nil, err
	}
	out.Metrics = r.Metrics
	out.Notes = append(out.Notes, r.Warnings...)
	return out, nil
}

const (
	maxConfig = 4 << 20 // bytes of a configuration that is taken apart
	maxKeys   = 10_000  // of one
)

// changedKeys compares the keys of a configuration in two versions; none where it is no configuration.
func (l *Lab) changedKeys(ctx context.Context, a, b *varve.Snapshot, d *varve.Difference) ([]ChangedKey, error) {
	if keysOf(path.Ext(d.Path)) == nil || ClassOf(d.Path) != "configuration" {
		return nil, nil // what a run writes is no setting, whatever its form
	}
	read := func(s *varve.Snapshot, e *varve.Entry) (map[string]string, error) {
		if e == nil || e.Type != "file" {
			return nil, nil
		}
		if e.Bytes > maxConfig {
			return nil, fmt.Errorf("%d bytes: not taken apart", e.Bytes)
		}
		var buf bytes.Buffer
		if err := l.p.Cat(ctx, s, e.Path, &buf); err != nil {
			return nil, err
		}
		return FlatKeys(e.Path, buf.Bytes())
	}
	old, err := read(a, d.OldEntry)
	if err != nil {
		return nil, err
	}
	now, err := read(b, d.NewEntry)
	if err != nil {
		return nil, err
	}
	var out []ChangedKey
	for k := range old {
		if v, ok := now[k]; !ok || v != old[k] {
			out = append(out, ChangedKey{d.Path, k, old[k], v})
		}
	}
	for k := range now {
		if _, ok := old[k]; !ok {
			out = append(out, ChangedKey{File: d.Path, Key: k, New: now[k]})
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Key < out[j].Key })
	return out, nil
}

// keysOf returns how files of an extension are read; nil for those that are no configuration.
func keysOf(ext string) func([]byte) (any, error) {
	switch strings.ToLower(ext) {
	case ".json":
		return func(b []byte) (any, error) {
			var v any
			d := json.NewDecoder(bytes.NewReader(b))
			d.UseNumber()
			err := d.Decode(&v)
			return v, err
		}
	case ".yaml", ".yml":
		return func(b []byte) (any, error) {
			var v any
			err := yaml.Unmarshal(b, &v)
			return v, err
		}
	case ".toml":
		return func(b []byte) (any, error) {
			v := map[string]any{}
			return v, toml.Unmarshal(b, &v)
		}
	case ".ini", ".cfg", ".conf", ".properties", ".env":
		return func(b []byte) (any, error) { return lineKeys(b), nil }
	}
	return nil
}

// FlatKeys returns the values of a configuration by their names, joined with dots, each as JSON. A list is one value.
func FlatKeys(at string, b []byte) (map[string]string, error) {
	read := keysOf(path.Ext(at))
	if read == nil {
		return nil, nil
	}
	v, err := read(b)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	return out, flatten(out, "", v, 0)
}

func flatten(out map[string]string, at string, v any, depth int) error {
	if depth > 64 || len(out) > maxKeys {
		return fmt.Errorf("it has more than %d keys, or is nested deeper than 64", maxKeys)
	}
	m, ok := v.(map[string]any)
	if other, is := v.(map[any]any); is {
		m, ok = map[string]any{}, true
		for k, v := range other {
			m[fmt.Sprint(k)] = v
		}
	}
	if !ok || len(m) == 0 && at != "" {
		b, err := json.Marshal(v)
		if err != nil {
			b = []byte(fmt.Sprintf("%q", fmt.Sprint(v)))
		}
		out[at] = string(b)
		return nil
	}
	for _, k := range slices.Sorted(maps.Keys(m)) {
		name := k
		if at != "" {
			name = at + "." + k
		}
		if err := flatten(out, name, m[k], depth+1); err != nil {
			return err
		}
	}
	return nil
}

// lineKeys reads lines of KEY = VALUE or KEY: VALUE below [sections].
func lineKeys(b []byte) map[string]any {
	out := map[string]any{}
	into := out
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			into = map[string]any{}
			if same, ok := out[line[1:len(line)-1]].(map[string]any); ok {
				into = same
			}
			out[line[1:len(line)-1]] = into
			continue
		}
		i := strings.IndexAny(line, "=:")
		if i <= 0 {
			continue
		}
		into[strings.TrimSpace(line[:i])] = strings.TrimSpace(line[i+1:])
	}
	return out
}
