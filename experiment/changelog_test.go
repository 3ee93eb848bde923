package experiment

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func TestClassOf(t *testing.T) {
	for at, want := range map[string]string{
		"src/train.py": "code", "a.ipynb": "code", "kernels/k.cu": "code", "run.sh": "code", "data/loader.py": "code",
		"config.yaml": "configuration", "pyproject.toml": "configuration", "Makefile": "configuration", "Dockerfile": "configuration", ".env": "configuration",
		"model.safetensors": "weights", "a/b.GGUF": "weights", "ckpt/x.pt": "weights", "m.onnx": "weights",
		"train.csv": "data", "checkpoints/model.json": "data", "metrics.json": "data", "logs/conf.yaml": "data", "x.parquet": "data", "points.npy": "data", "events.out.tfevents.17.host": "data", "runs/tfevents/x": "data",
		"README": "documentation", "docs/a.md": "documentation", "LICENSE": "documentation", "README.txt": "documentation",
		"a.png": "media", "take.WAV": "media", "blob": "other", "x.unknown": "other", "": "other",
	} {
		if got := ClassOf(at); got != want {
			t.Errorf("%q is %s, want %s", at, got, want)
		}
		if !slices.Contains(Classes(), ClassOf(at)) {
			t.Errorf("%q is of a class that is not told", at)
		}
	}
}

func TestFlatKeys(t *testing.T) {
	for _, c := range []struct {
		at, text string
		want     map[string]string
	}{
		{"a.json", `{"lr": 0.1, "big": 12345678901234567890, "net": {"layers": [64, 32], "bias": true, "name": null, "none": {}}}`,
			map[string]string{"lr": "0.1", "big": "12345678901234567890", "net.layers": "[64,32]", "net.bias": "true", "net.name": "null", "net.none": "{}"}},
		{"a.json", `[1, 2]`, map[string]string{"": "[1,2]"}},
		{"a.yaml", "lr: 0.1\nnet:\n  layers: [64, 32]\n  name: \"a: b\"\n  1: one\n", map[string]string{"lr": "0.1", "net.layers": "[64,32]", "net.name": `"a: b"`, "net.1": `"one"`}},
		{"a.yml", "base: &b {lr: 1}\nnow:\n  <<: *b\n  wd: 2\n", map[string]string{"base.lr": "1", "now.lr": "1", "now.wd": "2"}},
		{"a.toml", "lr = 0.1\n[net]\nlayers = [64, 32]\n[net.deep]\nx = \"y\"\n", map[string]string{"lr": "0.1", "net.layers": "[64,32]", "net.deep.x": `"y"`}},
		{"a.ini", "; a comment\ntop = 1\n[net]\nlayers: 64\n# more\nname = a = b\n[other]\nx=\n[net]\nlate = 2\n", map[string]string{"top": `"1"`, "net.layers": `"64"`, "net.name": `"a = b"`, "net.late": `"2"`, "other.x": `""`}},
		{".env", "A=1\nexport\n", map[string]string{"A": `"1"`}},
		{"a.ini", "x = 1\n[x]\ny = 2\n", map[string]string{"x.y": `"2"`}},
		{"a.py", "x = 1", nil},
		{"a.json", "{}", map[string]string{}},
		{"empty.yaml", "", map[string]string{"": "null"}},
	} {
		got, err := FlatKeys(c.at, []byte(c.text))
		if err != nil || !maps.Equal(got, c.want) {
			t.Errorf("%s %q: %v, %v", c.at, c.text, got, err)
		}
	}
	deep := strings.Repeat(`{"a":`, 80) + "1" + strings.Repeat("}", 80)
	for at, text := range map[string]string{"a.json": "{", "b.json": deep, "a.yaml": "a: [", "a.toml": "a = ", "bomb.yaml": bomb()} {
		if _, err := FlatKeys(at, []byte(text)); err == nil {
			t.Errorf("%s: no error", at)
		}
	}
}

// bomb is a text of some hundred bytes that means a billion keys.
func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 {k: 1}\n")
	for i := 1; i < 10; i++ {
		c, p := string(rune('0'+i)), string(rune('0'+i-1))
		b.WriteString("a" + c + ": &a" + c + " {")
		for j := range 10 {
			b.WriteString(string(rune('a'+j)) + ": *a" + p + ", ")
		}
		b.WriteString("}\n")
	}
	return b.String()
}

func FuzzFlatKeys(f *testing.F) {
	f.Add("json", []byte(`{"a": {"b": [1]}}`))
	f.Add("yaml", []byte("a: &x {b: 1}\nc: *x\n"))
	f.Add("toml", []byte("a = 1979-05-27\n[b]\nc = nan\n"))
	f.Add("ini", []byte("a=1\n[s]\nb: 2\n"))
	f.Fuzz(func(t *testing.T, ext string, b []byte) {
		if len(b) > 1<<12 {
			return
		}
		got, err := FlatKeys("x."+ext, b)
		if err == nil && len(got) > maxKeys+1 {
			t.Errorf("%d keys", len(got))
		}
	})
}

func TestChangelog(t *testing.T) {
	r := newRig(t)
	a := r.snap(map[string]string{"train.py": "a", "config.yaml": "lr: 0.1\nwd: 1\nnet: {h: 64}\n", "old.csv": "1,2", "moved.py": strings.Repeat("the same ", 500), "bad.json": "{}", "m.bin": "0"})
	b := r.snap(map[string]string{"train.py": "b", "config.yaml": "lr: 0.2\nnet: {h: 64, drop: 0.5}\n", "old.csv": "", "moved.py": "", "src/moved.py": strings.Repeat("the same ", 500), "bad.json": "{", "new.toml": "x = 1\n", "m.bin": "1"})
	log, err := r.Lab.Changelog(t.Context(), a, b, ComparePlan{})
	if err != nil {
		t.Fatal(err)
	}
	var files, keys []string
	for _, x := range log.Files {
		files = append(files, strings.TrimSpace(x.Class+" "+x.Change+" "+x.Old+" "+x.Path))
	}
	for _, k := range log.Keys {
		keys = append(keys, k.File+" "+k.Key+" "+k.Old+"→"+k.New)
	}
	wantFiles := []string{"configuration modified  bad.json", "configuration modified  config.yaml", "weights modified  m.bin", "configuration added  new.toml", "data removed  old.csv", "code renamed moved.py src/moved.py", "code modified  train.py"}
	if !slices.Equal(files, wantFiles) {
		t.Errorf("files %q", files)
	}
	if want := []string{"config.yaml lr 0.1→0.2", "config.yaml net.drop →0.5", "config.yaml wd 1→", "new.toml x →1"}; !slices.Equal(keys, want) {
		t.Errorf("keys %q", keys)
	}
	if !slices.ContainsFunc(log.Notes, func(n string) bool { return strings.HasPrefix(n, "bad.json: ") }) {
		t.Errorf("a configuration that cannot be read is not told: %q", log.Notes)
	}
}
