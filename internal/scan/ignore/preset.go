package ignore

import (
	"slices"
	"strings"
)

// presetRule is a pattern and why leaving out what it matches loses nothing.
type presetRule struct{ pattern, reason string }

// preset is a set of rules for one kind of project. Its rules may name only what
// the application makes again from files that are kept, its own logs, and the
// copies it sets aside of earlier saves. Whatever else can hold work or settings
// stays in: autosaves, build results, bytecode outside its cache folders. Presets
// that cannot promise this, or whose files come back only with the help of the
// network, have no signs, so that nobody is led to them.
type preset struct {
	name  string
	signs []string // patterns; the kind is detected if a root name matches one of them
	also  []string // and, if any are given, one of these
	rules []presetRule
}

// presets returns all presets by name, in ascending order.
func presets() []preset {
	return []preset{
		{"blender", []string{"*.blend"}, nil, []presetRule{
			{"*.blend[1-9]", "numbered copy of an earlier save, kept by the snapshots"},
			{"*.blend[12][0-9]", "numbered copy of an earlier save, kept by the snapshots"},
			{"*.blend3[0-2]", "numbered copy of an earlier save, kept by the snapshots"},
			{"*.blend@", "save in progress, renamed to the .blend when complete"},
		}},
		{"editor", nil, nil, []presetRule{
			{"*~", "copy of the earlier save, kept by the snapshots"},
			{".*.swp", "swap file of Vim, removed when the file is closed"},
			{".*.swo", "swap file of Vim, removed when the file is closed"},
			{".#*", "lock of Emacs, removed when the file is saved"},
		}},
		{"gimp", []string{"*.xcf"}, nil, []presetRule{
			{"gimpswap.[0-9]*", "swap file of GIMP, useless once it exits"},
		}},
		{"godot", []string{"project.godot"}, nil, []presetRule{
			{"/.godot/", "import cache and editor state of Godot 4, made again on opening"},
			{"/.import/", "import cache of Godot 3, made again on opening"},
		}},
		{"krita", []string{"*.kra"}, nil, []presetRule{
			{"*.kra~", "copy of the earlier save, kept by the snapshots"},
		}},
		{"node", nil, nil, []presetRule{
			{"node_modules/", "packages, installed again from package.json and the lock file"},
		}},
		{"os", []string{".DS_Store", "[Tt]humbs.db", "[Dd]esktop.ini"}, nil, []presetRule{
			{".DS_Store", "window layout of the macOS Finder"},
			{"[Tt]humbs.db", "thumbnails of the Windows Explorer, made again on viewing"},
			{"ehthumbs.db", "thumbnails of Windows Media Center, made again on viewing"},
			{"[Dd]esktop.ini", "folder appearance in the Windows Explorer"},
			{".Spotlight-V100/", "search index of macOS, made again by the system"},
			{".fseventsd/", "change log of a macOS volume, made again by the system"},
		}},
		{"python", []string{"pyproject.toml", "setup.py", "setup.cfg", "requirements.txt", "*.py"}, nil, []presetRule{
			{"__pycache__/", "bytecode, compiled again from the source on import"},
			{".pytest_cache/", "results of the last test run"},
			{".mypy_cache/", "type checker cache, made again on the next run"},
			{".ruff_cache/", "linter cache, made again on the next run"},
		}},
		{"python-venv", nil, nil, []presetRule{
			{".venv/", "packages, installed again if the project lists them all"},
			{"venv/", "packages, installed again if the project lists them all"},
		}},
		{"rust", nil, nil, []presetRule{
			{"/target/", "build output of Cargo, compiled again from the source"},
		}},
		{"unity", []string{"Assets"}, []string{"ProjectSettings"}, []presetRule{
			{"/Library/", "import cache, made again from Assets and Packages on opening"},
			{"/Temp/", "exists only while the editor runs"},
			{"/[Oo]bj/", "intermediate compiler output"},
			{"/Logs/", "logs of the editor and its importers"},
		}},
		{"unreal", []string{"*.uproject"}, nil, []presetRule{
			{"/Intermediate/", "intermediate compiler and shader output, made again on building"},
			{"/Plugins/**/Intermediate/", "intermediate compiler output of a plugin"},
			{"/DerivedDataCache/", "cache of cooked assets, made again on demand"},
			{"/Saved/Logs/", "logs of the editor"},
			{"/Saved/ShaderDebugInfo/", "dumps of compiled shaders, made again on compiling"},
		}},
	}
}

// Presets returns the names of all presets in ascending order.
func Presets() []string {
	var names []string
	for _, p := range presets() {
		names = append(names, p.name)
	}
	return names
}

// Preset returns the rules of a preset, each with its Reason and the Source
// "preset:NAME"; ok is false if there is no such preset. Patterns that start
// with "/" are meant for the root of the project.
func Preset(name string) (rules []*Rule, ok bool) {
	for _, p := range presets() {
		if p.name != name {
			continue
		}
		for i, pr := range p.rules {
			r := parseRule("preset:"+p.name, i+1, pr.pattern)
			r.Reason = pr.reason
			rules = append(rules, r)
		}
		return rules, true
	}
	return nil, false
}

// Detect returns the presets that fit a project by the names in its root folder,
// in ascending order. Presets that may leave out work under special conditions
// ("editor": edits recovered after a crash; "python-venv": packages no file
// lists) are never among them.
func Detect(names []string) []string {
	var found []string
	for _, p := range presets() {
		if len(p.signs) > 0 && anyMatch(p.signs, names) && (len(p.also) == 0 || anyMatch(p.also, names)) {
			found = append(found, p.name)
		}
	}
	return found
}

func anyMatch(patterns, names []string) bool {
	m := New(Options{}, Parse("", []byte(strings.Join(patterns, "\n"))))
	return slices.ContainsFunc(names, func(name string) bool {
		ignored, _ := m.Match(name, false)
		return ignored
	})
}
