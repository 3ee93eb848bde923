package creative

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
	"varve/format/gltf"
	"varve/format/godot"
	"varve/format/png"
	"varve/format/unity"
	"varve/format/unreal"
)

// gamesMissing is what each sample project names and has not, which was found out with grep and by looking: "# sample",
// then paths.
//
//go:embed testdata/games.txt
var gamesMissing string

func missingOf(sample string) (out []string) {
	of := ""
	for line := range strings.Lines(gamesMissing) {
		if s, ok := strings.CutPrefix(line, "# "); ok {
			of = strings.TrimSpace(s)
		} else if of == sample {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

func engines() format.Set {
	return format.Set{png.Format{}, gltf.Format{}, godot.Format{}, godot.Binary{}, godot.Script{}, unity.Format{}, unity.Text{}, unreal.Format{}, unreal.Settings{}, doc{}}
}

// game makes a project of files, and of a folder of the samples.
func game(t *testing.T, sample string, files map[string]string) (*atelier, *Graph) {
	t.Helper()
	a := newAtelier(t)
	a.Formats = engines()
	if sample != "" {
		if err := os.CopyFS(filepath.Join(a.dir, "project"), os.DirFS(formattest.Samples(t, sample))); err != nil {
			t.Fatal(err)
		}
	}
	g, err := a.Graph(t.Context(), a.snap(files))
	if err != nil {
		t.Fatal(err)
	}
	for i := range g.Nodes {
		if n := &g.Nodes[i]; n.Broken != "" {
			t.Errorf("%s: %s", n.Path, n.Broken)
		}
	}
	return a, g
}

func (a *atelier) exists(at string) bool {
	_, err := fs.Stat(os.DirFS(filepath.Join(a.dir, "project")), at)
	return err == nil
}

// counts are of the edges by status; companions apart.
func (g *Graph) counts() string {
	n := map[string]int{}
	for i := range g.Edges {
		if e := &g.Edges[i]; e.Reference.Kind == Companion {
			n[Companion]++
		} else {
			n[string(e.Status)]++
		}
	}
	return fmt.Sprint(n)
}

// TestGames: of real projects of three engines nothing is missing but what is not there, and all that is there is found.
// Of the numbers, those of found references in Unity and Unreal were published with the samples.
func TestGames(t *testing.T) {
	for _, c := range []struct{ sample, counts, uses string }{
		{"godot/kenney-platformer", "map[companion:19 missing:14 ok:46]", "sprites/coin.png: project.godot scenes/main.tscn"},
		{"godot/godot-demos", "map[companion:4 missing:27 ok:9 unnamed:2]", "2d/finite_state_machine/player/weapon/sword.png: 2d/finite_state_machine/Demo.tscn 2d/finite_state_machine/player/Player.tscn 2d/finite_state_machine/player/weapon/Sword.tscn 2d/finite_state_machine/project.godot"},
		{"godot/pixelorama", "map[missing:93 ok:6 unnamed:6]", "src/UI/Timeline/CelButton.tscn: "},
		{"unity/smrvfx", "map[companion:8 missing:2 ok:10 unnamed:164]", "Assets/Misc/Floor.mat: Assets/Karate.unity ProjectSettings/EditorBuildSettings.asset"},
		{"unity/softmask", "map[companion:21 missing:5 ok:20 unnamed:196]", "UniversalTestProject/Assets/ProjectSettings/New Universal Render Pipeline Asset_Renderer.asset: UniversalTestProject/Assets/ProjectSettings/New Universal Render Pipeline Asset.asset UniversalTestProject/ProjectSettings/GraphicsSettings.asset UniversalTestProject/ProjectSettings/QualitySettings.asset"},
		{"unreal/cesium-unreal", "map[missing:18 ok:19 unnamed:26]", "Content/Textures/RVT_CesiumDefault.uasset: Content/Materials/Layers/ML_CesiumRVTBaseColorOverlay.uasset"},
	} {
		t.Run(c.sample, func(t *testing.T) {
			a, g := game(t, c.sample, nil)
			var got []string
			for _, e := range g.Missing() {
				if a.exists(e.At) {
					t.Errorf("%s is said to be missing, and is there", e.At)
				}
				got = append(got, e.At)
			}
			slices.Sort(got)
			if got, want := slices.Compact(got), missingOf(c.sample); !slices.Equal(got, want) || len(want) == 0 {
				t.Errorf("missing\n%s", strings.Join(got, "\n"))
			}
			if got := g.counts(); got != c.counts {
				t.Errorf("%s", got)
			}
			of, want, _ := strings.Cut(c.uses, ": ")
			if i, ok := g.Find(of); ok {
				if got := strings.Join(g.paths(g.Uses(i)), " "); got != want {
					t.Errorf("%s is used by %s", of, got)
				}
			}
		})
	}
}

// edges writes those of a file, but for its companions.
func (g *Graph) leads(from string) (out []string) {
	i, _ := g.Find(from)
	for _, e := range g.Out(i) {
		to := e.At
		if e.To >= 0 {
			to = g.Nodes[e.To].Path
		}
		if e.Reference.Kind != Companion {
			out = append(out, strings.TrimSpace(string(e.Status)+" "+to))
		}
	}
	return out
}

const (
	godotScene = "[gd_scene format=3 uid=\"uid://%s\"]\n\n"
	godotNeeds = "[ext_resource type=\"Texture2D\" uid=\"uid://%s\" path=\"res://%s\" id=\"1\"]\n"
	godotNote  = "[remap]\nuid=\"uid://%s\"\npath=\"res://.godot/imported/x.ctex\"\n[deps]\nsource_file=\"res://x.png\"\n"
)

// TestGodotProjects: paths begin at the nearest project.godot, uids hold within it and go before paths, and what an
// import makes is not missed.
func TestGodotProjects(t *testing.T) {
	_, g := game(t, "", map[string]string{
		"a/project.godot": "config_version=5\n[autoload]\nGame=\"*res://game.gd\"\n", "b/project.godot": "config_version=5\n", "a/x.txt": "none",
		"a/s.tscn":  fmt.Sprintf(godotScene+godotNeeds+godotNeeds+godotNeeds+godotNeeds, "sa", "moved", "art/old.png", "gone", "art/here.png", "theirs", "art/none.png", "lost", "art/lost.png"),
		"a/o.tscn":  fmt.Sprintf(godotScene, "oa") + "[node name=\"O\" type=\"Node\"]\nat = \"uid://lost\"\nup = \"uid://sa\"\ntheirs = \"uid://theirs\"\n",
		"a/new.png": "p", "a/new.png.import": fmt.Sprintf(godotNote, "moved"), "a/art/here.png": "p2",
		"a/lost.png.import": fmt.Sprintf(godotNote, "lost"), "b/t.png": "p3", "b/t.png.import": fmt.Sprintf(godotNote, "theirs"),
		"b/o.tscn":    fmt.Sprintf(godotScene, "ob") + "[node name=\"O\" type=\"Node\"]\nat = \"uid://lost\"\n",
		"a/spare.png": "p4", "a/spare.png.import": fmt.Sprintf(godotNote, "spare"),
		"a/run.gd": "extends Node\nconst S = preload(\"res://s.tscn\")\n", "a/run.gd.uid": "uid://script\n",
		"a/hero.gd": "class_name Hero extends Actor\nvar e = Enemy.new()\nvar g = Game.level\n", "a/enemy.gd": "class_name Enemy\n", "b/actor.gd": "class_name Actor\n", "a/game.gd": "extends Node\n",
		"addon/lib.tscn": fmt.Sprintf(godotScene, "lib") + "[ext_resource type=\"Script\" path=\"res://addon/lib.gd\" id=\"1\"]\n[ext_resource type=\"Script\" path=\"res://other/x.gd\" id=\"2\"]\n", "addon/lib.gd": "extends Node\n",
	})
	for from, want := range map[string][]string{
		"a/s.tscn": {"ok a/new.png", "ok a/art/here.png", "missing a/art/none.png", "missing a/art/lost.png"}, "a/o.tscn": {"missing a/lost.png", "ok a/s.tscn", "unnamed"},
		"b/o.tscn": {"unnamed"}, "a/hero.gd": {"ok a/enemy.gd", "ok a/game.gd"}, "a/run.gd": {"ok a/s.tscn"}, "a/new.png.import": nil,
		// Without a project.godot around, paths may begin at the folder of all, and nothing is known to be missing.
		"addon/lib.tscn": {"ok addon/lib.gd", "unnamed"},
	} {
		if got := g.leads(from); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", from, got, want)
		}
	}
	at := func(p string) int { i, _ := g.Find(p); return i }
	if got, want := g.paths(g.Needs(at("a/run.gd"))), []string{"a/art/here.png", "a/new.png", "a/new.png.import", "a/run.gd.uid", "a/s.tscn"}; !slices.Equal(got, want) {
		t.Errorf("needs %q, want %q", got, want)
	}
	if got, want := g.paths(g.Orphans()), []string{"a/spare.png", "b/actor.gd", "b/t.png"}; !slices.Equal(got, want) {
		t.Errorf("orphans %q, want %q", got, want)
	}
	if len(g.Cycles()) > 0 {
		t.Errorf("cycles %v", g.Cycles())
	}
}

const (
	unityHead = "%YAML 1.1\n%TAG !u! tag:unity3d.com,2011:\n--- !u!114 &1\nMonoBehaviour:\n"
)

// TestUnityProject: assets are found by the .meta beside them, which goes with them.
func TestUnityProject(t *testing.T) {
	id := func(n int) string { return "a" + strings.Repeat("0", 23) + fmt.Sprintf("%08x", n) }
	note := func(n int) string { return "fileFormatVersion: 2\nguid: " + id(n) + "\n" }
	ref := func(n int) string { return "  m_X: {fileID: 1, guid: " + id(n) + ", type: 3}\n" }
	_, g := game(t, "", map[string]string{
		"P/ProjectSettings/ProjectVersion.txt": "m_EditorVersion: 2022.3.1f1\n", "P/ProjectSettings/TagManager.asset": unityHead,
		"P/Assets/s.unity": unityHead + ref(1) + ref(2) + ref(4) + ref(5) + ref(6) + ref(7) + ref(11), "P/Assets/Lib.bundle.meta": note(11), "P/Assets/Lib.bundle/x.txt": "a folder that is an asset",
		"P/Assets/s.unity.meta": note(9),
		"P/Assets/wood.png":     "w", "P/Assets/wood.png.meta": note(1), "P/Assets/m.fbx": "m", "P/Assets/m.fbx.meta": note(2) + "ModelImporter:\n  externalObjects:\n    second: " + strings.TrimPrefix(ref(3), "  m_X: "),
		"P/Assets/p.asset": unityHead, "P/Assets/p.asset.meta": note(3), "P/Assets/gone.mat.meta": note(4), "P/Assets/Dir.meta": note(5) + "folderAsset: yes\n",
		"P/Assets/two.png": "2", "P/Assets/two.png.meta": note(6), "Q/Assets/two.png": "3", "Q/Assets/two.png.meta": note(6),
		"Q/Assets/q.unity":   unityHead + ref(6),
		"P/Assets/spare.png": "s", "P/Assets/spare.png.meta": note(8),
		"P/ProjectSettings/EditorBuildSettings.asset": unityHead + "  m_Scenes:\n  - enabled: 1\n    path: Assets/Old.unity\n    guid: " + id(9) + "\n  - enabled: 1\n    path: Assets/None.unity\n    guid: " + id(10) + "\n",
	})
	for from, want := range map[string][]string{
		"P/Assets/s.unity": {"ok P/Assets/wood.png", "ok P/Assets/m.fbx", "missing P/Assets/gone.mat", "unnamed", "ok P/Assets/two.png", "unnamed", "unnamed"}, "P/Assets/m.fbx.meta": {"ok P/Assets/p.asset"},
		"Q/Assets/q.unity": {"ok Q/Assets/two.png"}, // of two that have a guid, the nearer
		"P/ProjectSettings/EditorBuildSettings.asset": {"ok P/Assets/s.unity", "missing P/Assets/None.unity"},
	} {
		if got := g.leads(from); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", from, got, want)
		}
	}
	at := func(p string) int { i, _ := g.Find(p); return i }
	if got, want := g.paths(g.Uses(at("P/Assets/p.asset"))), []string{"P/Assets/m.fbx", "P/Assets/m.fbx.meta", "P/Assets/s.unity", "P/ProjectSettings/EditorBuildSettings.asset"}; !slices.Equal(got, want) {
		t.Errorf("uses %q, want %q", got, want)
	}
	if got, want := g.paths(g.Orphans()), []string{"P/Assets/spare.png"}; !slices.Equal(got, want) {
		t.Errorf("orphans %q, want %q", got, want)
	}
}

// TestUnrealProject: /Game is the nearest project around, a plugin is where its .uplugin is.
func TestUnrealProject(t *testing.T) {
	ini := "[/Script/EngineSettings.GameMapsSettings]\nGameDefaultMap=/Game/Maps/Town\n+Extra=/Plug/Tex/Wood.Wood\n+Extra=\"/Niagara/X.X\"\n+Extra=(A=/Engine/Y.Y,B=/Game/maps/Hall.Hall)\n-Extra=/Game/Gone.Gone\n+ToCook=(Directories=((Path=\"/Game/D.D\")))\n;/Game/C.C\nDefaultMap=/Game/None.None\n[CoreRedirects]\n+P=(OldName=\"/Game/Old.Old\")\n"
	_, g := game(t, "", map[string]string{
		"w/G/G.uproject": "{}", "w/G/Config/DefaultEngine.ini": ini, "w/G/Content/Maps/Town.umap": "t", "w/G/Content/Maps/Hall.uasset": "h", "w/G/Plugins/Sub/Plug/Plug.uplugin": "{}", "w/G/Plugins/Sub/Plug/Content/Tex/Wood.uasset": "w",
		"Plug/Plug.uplugin": "{}", "Plug/Content/Tex/Wood.uasset": "w2", "lone/Config/DefaultEngine.ini": "[/Script/X]\nAMap=/Game/None.None\n+Extra=/Plug/Tex/Wood.Wood\n",
	})
	for from, want := range map[string][]string{
		"w/G/Config/DefaultEngine.ini":  {"ok w/G/Content/Maps/Town.umap", "ok w/G/Plugins/Sub/Plug/Content/Tex/Wood.uasset", "unnamed", "unnamed", "case w/G/Content/Maps/Hall.uasset", "missing w/G/Content/None.umap"},
		"lone/Config/DefaultEngine.ini": {"unnamed", "ok Plug/Content/Tex/Wood.uasset"},
	} {
		if got := g.leads(from); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", from, got, want)
		}
	}
}

// TestRelinkGodot: a moved file is found by its content, and the scene gets its path, and nothing else changes.
func TestRelinkGodot(t *testing.T) {
	scene := func(at string) string {
		return "[gd_scene load_steps=2 format=3]\r\n\r\n[ext_resource path=\"res://" + at + "\" type=\"Texture\" id=1]\r\n\r\n[node name=\"A\" type=\"Sprite\"]\r\ntexture = ExtResource( 1 )\r\n"
	}
	a, _ := game(t, "", map[string]string{"g/project.godot": "config_version=4\n", "g/s.tscn": scene("old/wood.png"), "g/old/wood.png": "wood", "g/run.gd": "var a = load(\"res://old/wood.png\")\n"})
	a.write(map[string]string{"g/old/wood.png": "", "g/new/Wood 2.png": "wood"})
	s := a.snap(nil)
	g, err := a.Graph(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	all, err := a.Relinks(t.Context(), s, g)
	if err != nil || len(all) != 2 || !all[0].Sure() || all[0].NewRaw != "res://new/Wood 2.png" {
		t.Fatalf("%+v, %v", all, err)
	}
	if _, left, err := a.ApplyRelinks(t.Context(), all); err != nil || len(left) > 0 {
		t.Fatal(left, err)
	}
	b, err := os.ReadFile(filepath.Join(a.dir, "project", "g", "s.tscn"))
	if err != nil || string(b) != scene("new/Wood 2.png") || a.read("g/run.gd") != "var a = load(\"res://new/Wood 2.png\"); " {
		t.Errorf("%q, %q, %v", b, a.read("g/run.gd"), err)
	}
}

// TestGraftGodot: what the format puts in stands the test of [Studio.PlanGraft], for every node, part and connection of
// every version of a real scene into every other.
func TestGraftGodot(t *testing.T) {
	var versions [][]byte
	for i := range 6 {
		versions = append(versions, formattest.Sample(t, fmt.Sprintf("godot/kenney-edits/main.v%d.tscn", i+1)))
	}
	a := newAtelier(t)
	a.Formats = engines()
	open := func(b []byte) *Item {
		it, err := a.OpenLoose("main.tscn", format.Bytes(b))
		if err != nil {
			t.Fatal(err)
		}
		return it
	}
	done, refused := 0, 0
	for i, b := range versions {
		from := open(b)
		list, err := from.Elements(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range []int{0, 3, len(versions) - 1} {
			into, err := open(versions[k]).Elements(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range list {
				if k != i && slices.ContainsFunc(into, func(x format.Element) bool { return x.ID == e.ID && x.Hash() == e.Hash() }) {
					continue
				}
				_, err := a.PlanGraft(t.Context(), open(versions[k]), from, []string{e.ID})
				var refusal *format.Refusal
				switch {
				case err == nil:
					done++
				case errors.As(err, &refusal):
					refused++
				default:
					t.Errorf("v%d ← v%d %s: %v", k+1, i+1, e.ID, err)
				}
			}
		}
	}
	if done < 300 || refused > 90 {
		t.Errorf("%d done, %d refused", done, refused)
	}
}
