package godot

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// fixture is a file that Godot 3.2.3 has written: testdata/make.sh.
func fixture(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestWritten: of what the application wrote, only what was changed differs, though it counts everything anew.
func TestWritten(t *testing.T) {
	base, first, changed, both := string(fixture(t, "base.tscn")), string(fixture(t, "first.tscn")), string(fixture(t, "changed.tscn")), string(fixture(t, "first_changed.tscn"))
	for _, c := range [][3]string{{base, first, "First, sub:First.shape"}, {base, changed, "Body/Box, Body/Shape, ext:res://paint.tres, sub:Body/Shape.shape"}, {changed, both, "First, sub:First.shape"}} {
		if got := differing(t, c[0], c[1]); got != c[2] {
			t.Errorf("%q, want %q", got, c[2])
		}
	}
	got, err := graft(t, "Body", []byte(first), []byte(changed), "Body")
	if err != nil || differing(t, got, both) != "" {
		t.Errorf("%v, %s\n%s", err, differing(t, got, both), got)
	}
	for _, name := range []string{"changed.scn", "packed.scn"} {
		refs, err := format.References(t.Context(), Binary{}, format.Bytes(fixture(t, name)))
		if err != nil || len(refs) != 1 || refs[0].Path != "paint.tres" || refs[0].Kind != "material" {
			t.Errorf("%s: %+v, %v", name, refs, err)
		}
	}
	formattest.Run(t, Binary{}, map[string][]byte{"changed.scn": fixture(t, "changed.scn"), "packed.scn": fixture(t, "packed.scn")})
	var refusal *format.Refusal
	if _, err := format.Rewrite(t.Context(), Binary{}, format.Bytes(fixture(t, "packed.scn")), map[string]string{"res://paint.tres": "res://x.tres"}); !errors.As(err, &refusal) {
		t.Errorf("%v", err)
	}
}

const dump = `extends SceneTree

func show(node, top):
	var text = String(top.get_path_to(node)) + " " + node.get_class()
	if node is CollisionShape:
		text += " " + String(node.shape.extents)
	if node is CSGBox and node.material:
		text += " " + node.material.resource_path.get_file()
	for c in node.get_signal_connection_list("input_event") if node is StaticBody else []:
		text += " -> " + String(top.get_path_to(c.target)) + "." + c.method
	print("= ", text)
	for k in node.get_children():
		show(k, top)

func _init():
	var top = load("res://" + OS.get_cmdline_args()[-1]).instance()
	show(top, top)
	top.free()
	quit()
`

// TestGodot asks the application itself, where it is installed, what it reads in files that were grafted and rewritten.
func TestGodot(t *testing.T) {
	app := formattest.App(t, os.Getenv("VARVE_CI") != "", "godot3-server")
	dir := t.TempDir()
	write := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("project.godot", []byte("config_version=4\n"))
	write("dump.gd", []byte(dump))
	for _, name := range []string{"paint.tres", "a longer name.tres"} {
		write(name, []byte("[gd_resource type=\"SpatialMaterial\" format=2]\n\n[resource]\n"))
	}
	read := func(name string, b []byte) string {
		write(name, b)
		c := exec.CommandContext(t.Context(), app, "--path", dir, "-s", "dump.gd", name)
		c.Env = append(c.Environ(), "HOME="+dir, "LC_ALL=en_US.UTF-8")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		var lines []string
		for line := range strings.Lines(string(out)) {
			if strings.HasPrefix(line, "= ") {
				lines = append(lines, line)
			}
		}
		if len(lines) < 4 {
			t.Fatalf("%s", out)
		}
		return strings.Join(lines, "")
	}
	base, first, changed, both := fixture(t, "base.tscn"), fixture(t, "first.tscn"), fixture(t, "changed.tscn"), fixture(t, "first_changed.tscn")
	put := func(into, from []byte, ids ...string) []byte {
		text, err := graft(t, strings.Join(ids, " "), into, from, ids...)
		if err != nil {
			t.Fatal(err)
		}
		return []byte(text)
	}
	want := read("want.tscn", both)
	for name, b := range map[string][]byte{"a.tscn": put(first, changed, "Body"), "b.tscn": put(changed, first, "First"), "c.tscn": put(put(base, changed, "Body/Shape", "Body/Box"), first, "First"), "d.tscn": put(base, both, ".")} {
		got := read(name, b)
		if sorted(got) != sorted(want) { // a node that comes back may stand among others
			t.Errorf("%s: Godot reads\n%swant\n%s%s", name, got, want, b)
		}
	}
	out, err := format.Rewrite(t.Context(), Binary{}, format.Bytes(fixture(t, "changed.scn")), map[string]string{"res://paint.tres": "res://a longer name.tres"})
	if err != nil {
		t.Fatal(err)
	}
	want = strings.Replace(read("want.scn", fixture(t, "changed.scn")), "paint.tres", "a longer name.tres", 1)
	if got := read("moved.scn", formattest.All(t, out)); got != want {
		t.Errorf("Godot reads\n%swant\n%s", got, want)
	}
}

func sorted(lines string) string {
	return strings.Join(slices.Sorted(strings.Lines(lines)), "")
}
