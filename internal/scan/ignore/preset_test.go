package ignore

import (
	"slices"
	"testing"
)

func TestPresets(t *testing.T) {
	names := Presets()
	if !slices.IsSorted(names) || len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("names are not in order or not unique: %v", names)
	}
	for _, name := range names {
		rules, ok := Preset(name)
		if !ok || len(rules) == 0 {
			t.Errorf("%s has no rules", name)
		}
		for i, r := range rules {
			if r.Source != "preset:"+name || r.Line != i+1 || r.Reason == "" || r.Dead() || r.Negated() {
				t.Errorf("%v: reason %q, dead %v, negated %v", r, r.Reason, r.Dead(), r.Negated())
			}
			parsed := Parse(r.Source, []byte(r.Pattern))
			if len(parsed) != 1 || parsed[0].body != r.body {
				t.Errorf("%v does not read back from a rule file", r)
			}
		}
	}
	if _, ok := Preset("none"); ok {
		t.Error("unknown preset has rules")
	}
}

// What is kept here may hold work; each line is a loss if a preset takes it.
func TestPresetVerdicts(t *testing.T) {
	tests := []struct {
		preset        string
		ignored, kept []string
	}{
		{"blender", []string{"a.blend1", "a.blend32", "d/a.blend19", "a.blend@"},
			[]string{"a.blend", "a.blend33", "a.blend0", "a.blend123", "blend1", "a_autosave.blend"}},
		{"editor", []string{"a.txt~", ".a.txt.swp"}, []string{"a.swp", "#a#", "~a"}},
		{"gimp", []string{"gimpswap.1234"}, []string{"a.xcf", "gimpswap.xcf"}},
		{"godot", []string{".godot/imported/x", ".import/x"}, []string{"project.godot", "a/.godot/x", "a.import"}},
		{"krita", []string{"a.kra~"}, []string{"a.kra", ".a.kra-autosave.kra"}},
		{"node", []string{"node_modules/a/b", "p/node_modules/a"}, []string{"package-lock.json", "dist/a.js"}},
		{"os", []string{".DS_Store", "a/Thumbs.db", "desktop.ini"}, []string{"._a", "Thumbs.db.txt"}},
		{"python", []string{"a/__pycache__/m.cpython-312.pyc"}, []string{"m.pyc", ".venv/x", "venv/x", ".ipynb_checkpoints/a"}},
		{"python-venv", []string{".venv/lib/x", "venv/lib/x"}, []string{"env/x", ".env"}},
		{"rust", []string{"target/debug/a"}, []string{"Cargo.lock", "art/target/a.png"}},
		{"unity", []string{"Library/a", "Temp/a", "Obj/a", "obj/a", "Logs/a"},
			[]string{"UserSettings/a", "Assets/Library/a", "Builds/a", "Assets/Temp/a", "library/a", "ProjectSettings/a"}},
		{"unreal", []string{"Intermediate/a", "Plugins/P/Intermediate/a", "Plugins/G/P/Intermediate/a", "DerivedDataCache/a", "Saved/Logs/a"},
			[]string{"Binaries/a", "Content/Intermediate/a", "Saved/Autosaves/a", "Saved/SaveGames/a", "Saved/Config/a", "Plugins/P/Content/a"}},
	}
	var tested []string
	for _, tt := range tests {
		tested = append(tested, tt.preset)
		rules, _ := Preset(tt.preset)
		m := New(Options{}, rules)
		verdict := func(p string) Verdict {
			v, err := m.Path(p, false, nil)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
		for _, p := range tt.ignored {
			if !verdict(p).Ignored {
				t.Errorf("%s keeps %q", tt.preset, p)
			}
		}
		for _, p := range tt.kept {
			if v := verdict(p); v.Ignored {
				t.Errorf("%s ignores %q by %v", tt.preset, p, v.By)
			}
		}
	}
	if !slices.Equal(tested, Presets()) {
		t.Errorf("tested are %v, presets are %v", tested, Presets())
	}
}

func TestDetect(t *testing.T) {
	tests := []struct {
		names []string
		want  []string
	}{
		{nil, nil},
		{[]string{"notes.txt", "photo.jpg"}, nil},
		{[]string{"Assets", "ProjectSettings", "Packages"}, []string{"unity"}},
		{[]string{"Assets", "Library"}, nil}, // any folder may have these names
		{[]string{"Game.uproject", "Content"}, []string{"unreal"}},
		{[]string{"project.godot", ".DS_Store"}, []string{"godot", "os"}},
		{[]string{"Cargo.toml", "package.json", "tool.py"}, []string{"python"}},
		{[]string{"target", "node_modules", ".venv", "a~"}, nil},
		{[]string{"scene.blend", "art.kra", "art.xcf"}, []string{"blender", "gimp", "krita"}},
	}
	for _, tt := range tests {
		if got := Detect(tt.names); !slices.Equal(got, tt.want) {
			t.Errorf("%v: detected %v, want %v", tt.names, got, tt.want)
		}
	}
}
