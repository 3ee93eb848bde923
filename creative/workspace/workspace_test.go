package workspace

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"varve"
	"varve/internal/disk"
)

// desk is a machine with applications, a project and a vault.
type desk struct {
	t       *testing.T
	home    string
	m       *Machine
	v       *varve.Vault
	project *varve.Project
	running []string
	now     atomic.Int64 // ns
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, home: t.TempDir()}
	d.now.Store(time.Now().UnixNano())
	d.m = &Machine{OS: "linux", Home: d.home, Env: func(string) string { return "" }, Running: func() ([]string, error) { return d.running, nil }}
	v, _, err := varve.OpenOrCreate(t.Context(), filepath.Join(t.TempDir(), "vault"), varve.Options{Now: func() time.Time { return time.Unix(0, d.now.Add(int64(time.Second))) }})
	if err != nil {
		t.Fatal(err)
	}
	d.v = v
	at := filepath.Join(d.home, "project")
	folder, err := disk.Create(at)
	if err != nil {
		t.Fatal(err)
	}
	if d.project, err = v.Project(folder, at); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) put(files map[string]string) {
	d.t.Helper()
	for name, text := range files {
		at := filepath.Join(d.home, filepath.FromSlash(name))
		if err := errors.Join(os.MkdirAll(filepath.Dir(at), 0o755), os.WriteFile(at, []byte(text), 0o640)); err != nil {
			d.t.Fatal(err)
		}
	}
}

func (d *desk) get(name string) string {
	b, _ := os.ReadFile(filepath.Join(d.home, filepath.FromSlash(name)))
	return string(b)
}

func (d *desk) snap() *varve.Snapshot {
	d.t.Helper()
	s, err := d.project.Snap(d.t.Context(), varve.SnapOptions{Ignore: varve.IgnoreSettings{Presets: []string{}}})
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

func profile(t *testing.T, id string) *Profile {
	t.Helper()
	all, err := Profiles(nil)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(p *Profile) bool { return p.ID == id })
	if i < 0 {
		t.Fatalf("no profile %s", id)
	}
	return all[i]
}

// blender is a profile folder as Blender makes it.
func blender() map[string]string {
	b := ".config/blender/4.2/"
	return map[string]string{
		b + "config/userpref.blend": "BLENDER prefs", b + "config/startup.blend": "BLENDER start", b + "config/bookmarks.txt": "[Bookmarks]\n/art\n",
		b + "config/recent-files.txt": "/home/a/secret-client.blend\n", b + "scripts/presets/render/fine.py": "samples = 512\naccess_token = \"abcdefgh12345678\"\n",
		b + "scripts/addons/big/x.py": "x", b + "scripts/presets/__pycache__/x.pyc": "\x00", b + "datafiles/id": "-----BEGIN RSA PRIVATE KEY-----\nabc\n",
		".config/blender/3.6/config/userpref.blend": "old prefs", ".config/blender/readme/x": "not a version", ".cache/blender/x": "cache",
	}
}

// TestShippedProfiles: every application that is asked for has one, and each says what was seen of it and by whom.
func TestShippedProfiles(t *testing.T) {
	for _, id := range []string{"blender", "krita", "gimp", "photoshop", "illustrator", "after-effects", "maya", "houdini", "substance", "unity", "unreal", "godot", "vscode", "aseprite", "resolve"} {
		p := profile(t, id)
		if p.Name == "" || len(p.Sources) == 0 || len(p.Restore.RequireClosed) == 0 {
			t.Errorf("%s: %+v", id, p)
		}
		bad := map[string]string{"blender": "config/recent-files.txt", "unity": "Layouts/Unity_lic.ulf", "vscode": "globalStorage/state.vscdb", "godot": "export_credentials.cfg", "krita": "kritacrash.log"}[id]
		for _, g := range p.Groups {
			if bad != "" && fits(g.Include, bad) && !fits(slices.Concat(g.Exclude, p.Secrets.Files), bad) {
				t.Errorf("%s keeps %s", id, bad)
			}
		}
	}
	for _, bad := range []string{``, `id = "x"`, strings.Replace(tiny, "schema = 1", "schema = 2", 1), strings.Replace(tiny, "{home}", "/etc", 1), strings.Replace(tiny, "{home}/x", "{home}/../x", 1),
		strings.Replace(tiny, `"linux"`, `"plan9"`, 1), strings.Replace(tiny, `["*"]`, `["../*"]`, 1), strings.Replace(tiny, `["*"]`, `[]`, 1), tiny + "color = 1\n", strings.Replace(tiny, `"x"`, `"../x"`, 1), "\x00"} {
		if _, err := ParseProfile([]byte(bad)); !errors.Is(err, ErrProfile) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	all, err := Profiles(fstest.MapFS{"mine.toml": {Data: []byte(tiny)}, "gimp.toml": {Data: []byte(strings.Replace(tiny, `"x"`, `"gimp"`, 1))}})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if (p.ID == "x" || p.ID == "gimp") != (p.Name == "Mine") {
			t.Errorf("%+v", p)
		}
	}
}

const tiny = `id = "x"
name = "Mine"
schema = 1
[[root]]
os = "linux"
path = "{home}/x"
[[group]]
name = "all"
include = ["*"]
`

// TestRoots: roots lie where each system has them, whatever it is tested on.
func TestRoots(t *testing.T) {
	home := t.TempDir()
	for _, c := range []struct {
		os, id, folder string
		env            map[string]string
		version        string
	}{
		{"linux", "blender", ".config/blender/4.2", nil, "4.2"},
		{"linux", "blender", "cfg/blender/4.2", map[string]string{"XDG_CONFIG_HOME": filepath.Join(home, "cfg")}, "4.2"},
		{"darwin", "blender", "Library/Application Support/Blender/4.2", nil, "4.2"},
		{"windows", "blender", "AppData/Roaming/Blender Foundation/Blender/4.2", nil, "4.2"},
		{"windows", "photoshop", "AppData/Roaming/Adobe/Adobe Photoshop 2024/Adobe Photoshop 2024 Settings", nil, "2024"},
		{"darwin", "photoshop", "Library/Preferences/Adobe Photoshop CC 2019 Settings", nil, "CC 2019"},
		{"windows", "maya", "Cloud/Documents/maya/2025", map[string]string{"OneDrive": filepath.Join(home, "Cloud")}, "2025"},
		{"linux", "houdini", "houdini20.5", nil, "20.5"},
		{"windows", "unreal", "AppData/Local/UnrealEngine/5.4/Saved/Config/WindowsEditor", nil, "5.4"},
		{"linux", "godot", ".config/godot", nil, ""},
	} {
		at := filepath.Join(home, filepath.FromSlash(c.folder))
		if err := os.MkdirAll(at, 0o755); err != nil {
			t.Fatal(err)
		}
		m := &Machine{OS: c.os, Home: home, Env: func(k string) string { return c.env[k] }}
		found := m.Find(profile(t, c.id))
		if len(found) != 1 || filepath.FromSlash(found[0].Path) != at || found[0].Version != c.version {
			t.Errorf("%s on %s: %+v, want %s", c.id, c.os, found, at)
		}
		if err := os.RemoveAll(filepath.Join(home, strings.Split(c.folder, "/")[0])); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCapture(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	d.put(blender())
	of := d.snap()
	p := profile(t, "blender")
	c, err := Capture(ctx, d.v, d.m, p, CaptureOptions{Of: of})
	if err != nil {
		t.Fatal(err)
	}
	states, project, err := States(d.v, "blender")
	if err != nil || len(states) != 1 {
		t.Fatal(err, states)
	}
	var got []string
	for e, err := range project.List(ctx, c.Snapshot, "", true) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Type == "file" {
			got = append(got, e.Path)
		}
	}
	want := []string{"config/3.6/config/userpref.blend", "config/4.2/config/bookmarks.txt", "config/4.2/config/startup.blend", "config/4.2/config/userpref.blend", "config/4.2/scripts/presets/render/fine.py", "workspace.json"}
	if slices.Sort(got); !slices.Equal(got, want) {
		t.Errorf("%q\nwant %q", got, want)
	}
	var text bytes.Buffer
	if err := project.Cat(ctx, c.Snapshot, "config/4.2/scripts/presets/render/fine.py", &text); err != nil || strings.Contains(text.String(), "abcdefgh") || !strings.Contains(text.String(), "samples = 512") {
		t.Errorf("%q, %v", text.String(), err)
	}
	if c.Version != "4.2" || c.Files != 5 || len(c.Redacted) != 2 {
		t.Errorf("%+v", c)
	}
	again, err := Capture(ctx, d.v, d.m, p, CaptureOptions{Of: of})
	if err != nil || again.Snapshot.ID != c.Snapshot.ID {
		t.Errorf("the same state is kept twice: %v", err)
	}
	more, err := Capture(ctx, d.v, d.m, p, CaptureOptions{Of: of, Groups: []string{"addons"}, DryRun: true})
	if err != nil || more.Files != 6 || more.Snapshot != nil {
		t.Errorf("%+v, %v", more, err)
	}
	if _, err := Capture(ctx, d.v, d.m, profile(t, "maya"), CaptureOptions{}); !errors.Is(err, ErrNotFound) {
		t.Error(err)
	}
}

// TestRestore: the state of that moment of the project comes back, not the newest; the secret that is on the machine
// stays, and what is there was kept before.
func TestRestore(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	d.put(blender())
	p := profile(t, "blender")
	first := d.snap()
	if _, err := Capture(ctx, d.v, d.m, p, CaptureOptions{Of: first}); err != nil {
		t.Fatal(err)
	}
	const fine, pref = ".config/blender/4.2/scripts/presets/render/fine.py", ".config/blender/4.2/config/userpref.blend"
	d.put(map[string]string{pref: "BLENDER prefs 2", "project/new": "x", ".config/blender/4.2/config/more.blend": "m"})
	second := d.snap()
	if _, err := Capture(ctx, d.v, d.m, p, CaptureOptions{Of: second}); err != nil {
		t.Fatal(err)
	}
	d.put(map[string]string{pref: "BLENDER prefs 3", fine: "samples = 16\naccess_token = \"fresh-token-9999\"\n"})
	if err := os.Remove(filepath.Join(d.home, ".config/blender/4.2/config/startup.blend")); err != nil {
		t.Fatal(err)
	}
	s, project, err := StateOf(d.v, "blender", first)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := PlanRestore(ctx, d.v, d.m, p, project, s)
	if err != nil {
		t.Fatal(err)
	}
	changes := map[string]string{}
	for _, st := range plan.Steps {
		changes[strings.TrimPrefix(st.Kept, "config/4.2/")] = st.Change
	}
	if changes["config/userpref.blend"] != "modified" || changes["config/startup.blend"] != "added" || changes["config/bookmarks.txt"] != "unchanged" || changes["scripts/presets/render/fine.py"] != "modified" {
		t.Errorf("%v", changes)
	}
	d.running = []string{"/usr/bin/bash", "/opt/Blender.exe"}
	var refused *Refused
	if _, err := plan.Apply(ctx); !errors.As(err, &refused) || d.get(pref) != "BLENDER prefs 3" {
		t.Errorf("while it runs: %v, %q", err, d.get(pref))
	}
	d.running = []string{"/usr/bin/bash"}
	safety, err := plan.Apply(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if d.get(pref) != "BLENDER prefs" || d.get(".config/blender/4.2/config/startup.blend") != "BLENDER start" || d.get(".config/blender/4.2/config/more.blend") != "m" {
		t.Errorf("%q", d.get(pref))
	}
	if got := d.get(fine); got != "samples = 512\naccess_token = \"fresh-token-9999\"\n" {
		t.Errorf("the secret of the machine: %q", got)
	}
	var b bytes.Buffer
	if err := project.Cat(ctx, safety.Snapshot, "config/4.2/config/userpref.blend", &b); err != nil || b.String() != "BLENDER prefs 3" {
		t.Errorf("what was there is not kept: %q, %v", b.String(), err)
	}
	if s, _, err := StateOf(d.v, "blender", second); err != nil || s.Version != 2 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, _, err := StateOf(d.v, "krita", second); !errors.Is(err, ErrNoState) {
		t.Error(err)
	}
}

// TestRestoreElsewhere: another version takes a state only where the profile says so, and another system never.
func TestRestoreElsewhere(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	d.put(map[string]string{".config/blender/4.2/config/userpref.blend": "p", ".config/GIMP/2.10/gimprc": "g"})
	of := d.snap()
	states := map[string]*varve.Snapshot{}
	for _, id := range []string{"blender", "gimp"} {
		c, err := Capture(ctx, d.v, d.m, profile(t, id), CaptureOptions{Of: of})
		if err != nil {
			t.Fatal(err)
		}
		states[id] = c.Snapshot
	}
	plan := func(m *Machine, id string) (*Plan, error) {
		_, project, err := States(d.v, id)
		if err != nil {
			t.Fatal(err)
		}
		return PlanRestore(ctx, d.v, m, profile(t, id), project, states[id])
	}
	var refused *Refused
	other := &desk{t: t, home: t.TempDir()}
	m := &Machine{OS: "linux", Home: other.home, Env: d.m.Env}
	if _, err := plan(m, "blender"); !errors.As(err, &refused) {
		t.Errorf("without the application: %v", err)
	}
	other.put(map[string]string{".config/blender/4.5/config/x": "", ".config/blender/3.0/config/x": "", ".config/GIMP/3.0/x": ""})
	p, err := plan(m, "blender")
	if err != nil || p.Into != "4.5" || len(p.Steps) != 1 || !strings.HasSuffix(p.Steps[0].Path, "blender/4.5/config/userpref.blend") || len(p.Warnings) != 1 {
		t.Errorf("into a newer version: %+v, %v", p, err)
	}
	if _, err := plan(m, "gimp"); !errors.As(err, &refused) {
		t.Errorf("GIMP's into another version: %v", err)
	}
	m.OS = "darwin"
	if _, err := plan(m, "blender"); !errors.As(err, &refused) || refused.Advice == "" {
		t.Errorf("on another system: %v", err)
	}
}

// TestRedact: what is taken out, and what is not.
func TestRedact(t *testing.T) {
	for _, c := range []struct {
		line   string
		secret string // "" where nothing is to be taken out
	}{
		{`access_token = "abcdef123456"`, "abcdef123456"},
		{`  "github.token": "ghx12345678",`, "ghx12345678"},
		{`export/android/debug_keystore_pass = "android1"`, "android1"},
		{`api_key=0123456789abcdef`, "0123456789abcdef"},
		{`<password>hunter2</password>`, "hunter2"},
		{`license_key: ABCD-EFGH-1234`, "ABCD-EFGH-1234"},
		{`Key=ABCDEF`, "ABCDEF"}, // by the profile's keys
		{`remote = https://x:ghp_abcdefghijklmnopqrstuvwxyz0123456789@github.com/a`, "ghp_abcdefghijklmnopqrstuvwxyz0123456789"},
		{`jwt eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N`, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"},
		{`state=k3Jd92LmQ0zXvT7yRb5WnHs8PfGc1UeAoI4tKxVdZq6M`, "k3Jd92LmQ0zXvT7yRb5WnHs8PfGc1UeAoI4tKxVdZq6M"},
		{`tokenize = true`, ""},
		{`save_password=false`, ""},
		{`path=/usr/share/krita/paintoppresets/b)_Basic-5_Size.kpp`, ""},
		{`sha256 = 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08`, ""},
		{`toolbar=file_new,file_open,edit_undo_and_redo_the_last_actions_of_all`, ""},
		{`(keyboard-shortcut "edit-undo" "<Ctrl>Z")`, ""},
		{`State=AAAA/wAAAAD9AAAAAwAAAAAAAAEdAAAD`, ""},
		{`<state>` + strings.Repeat("k3Jd92LmQ0zXvT7yRb5WnHs8PfGc1UeAoI4tKxVdZq6M", 5) + `</state>`, ""},
	} {
		b, n := redact([]byte("before\n"+c.line+"\nafter\n"), []string{"key"})
		if got := string(b); (n > 0) != (c.secret != "") || c.secret != "" && strings.Contains(got, c.secret) || !strings.HasPrefix(got, "before\n") || !strings.HasSuffix(got, "\nafter\n") {
			t.Errorf("%s: %q", c.line, got)
		}
		if c.secret == "" {
			continue
		}
		back, missing := merge(b, []byte("x\n"+c.line+"\n"))
		if setting.MatchString(c.line) && !strings.Contains(c.line, "github.com") && !strings.HasPrefix(c.line, "jwt") && (missing != 0 || !strings.Contains(string(back), c.secret)) {
			t.Errorf("%s: after a merge %q, %d missing", c.line, back, missing)
		}
		if back, missing := merge(b, nil); missing != 1 || strings.Contains(string(back), redacted) {
			t.Errorf("%s: with nothing on the machine %q, %d missing", c.line, back, missing)
		}
	}
	if _, n := redact([]byte("token = \"abcdefgh\"\x00"), nil); n != 0 {
		t.Error("a binary was changed")
	}
	if !hasKey([]byte("x -----BEGIN OPENSSH PRIVATE KEY-----")) || hasKey([]byte("-----BEGIN PUBLIC KEY-----")) {
		t.Error("keys are not told")
	}
}

// TestLimits: a group does not grow beyond what it may have, and what is left out is told. Links are not followed.
func TestLimits(t *testing.T) {
	d := newDesk(t)
	d.put(map[string]string{"x/a": strings.Repeat("a", 700_000), "x/b": strings.Repeat("b", 700_000), "other": "elsewhere"})
	if err := os.Symlink(filepath.Join(d.home, "other"), filepath.Join(d.home, "x", "link")); err != nil {
		t.Skip(err)
	}
	p, err := ParseProfile([]byte(strings.Replace(tiny, `["*"]`, "[\"*\"]\nmax_mb = 1", 1)))
	if err != nil {
		t.Fatal(err)
	}
	c, err := Capture(t.Context(), d.v, d.m, p, CaptureOptions{})
	if err != nil || c.Files != 1 || len(c.LeftOut) != 1 {
		t.Errorf("%+v, %v", c, err)
	}
	plan := &Plan{profile: p, machine: d.m, vault: d.v}
	var refused *Refused
	if _, err := plan.Apply(t.Context()); !errors.As(err, &refused) {
		t.Errorf("what cannot be kept was to be changed: %v", err)
	}
	if _, err := fs.Stat(os.DirFS(d.home), "x/b"); err != nil {
		t.Error(err)
	}
}
