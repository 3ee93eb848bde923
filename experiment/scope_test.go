package experiment

import "testing"

func TestScope(t *testing.T) {
	byDefault := Scope{}
	for at, want := range map[string]bool{
		// What people write.
		"train.py": true, "src/adapter/lora.py": true, "src/data/loader.py": true, "models/net.go": true, "notebooks/a.ipynb": true,
		"config.yaml": true, "configs/deep/x.toml": true, "params.json": true, "Makefile": true, "Dockerfile": true, ".env": true, ".env.local": true,
		"requirements.txt": true, "README.md": true, ".gitignore": true, "scripts/run.sh": true, "a b/ü.py": true,
		// Code is code, wherever it lies; configuration among what runs write is theirs.
		"outputs/plot.py": true, "outputs/config.yaml": false, "runs/1/hparams.yaml": false, "checkpoints/config.json": false, "data/labels.json": false,
		// What runs write or read.
		"metrics.json": false, "sub/metrics.yaml": false, "eval_results.json": false, "results_1.json": false, "trainer_state.json": false, "history.json": false,
		"logs/a.txt": false, "train.log": false, "mlruns/0/meta.yaml": false, "wandb/run/config.yaml": false, "dvclive/params.yaml": false,
		"data/train.csv": false, "dataset/a.txt": false, "weights/model.safetensors": false, "model.pt": false, "ckpt/a.bin": false, "checkpoint-500/config.json": false,
		"photo.png": false, "binary": false, "events.out.tfevents.1": false,
		// What is nobody's here.
		".git/config": false, ".git/hooks/x.sh": false, ".venv/lib/a.py": false, "venv/a.py": false, "node_modules/a/b.js": false, "x/__pycache__/a.py": false, "site-packages/a.py": false,
		".varve/ignore.toml": false, ".varve": false,
	} {
		if got := byDefault.Holds(at); got != want {
			t.Errorf("by default %s: %v", at, got)
		}
	}
	for _, c := range []struct {
		in, out []string
		at      string
		want    bool
	}{
		{[]string{"src"}, nil, "src/a/b.bin", true},
		{[]string{"src/"}, nil, "src/a", true},
		{[]string{"src"}, nil, "src", true},
		{[]string{"src"}, nil, "srcs/a", false},
		{[]string{"src"}, nil, "other/src/a", true}, // a name without a slash is at any depth
		{[]string{"./src"}, nil, "src/a", true},
		{[]string{"src/adapter"}, nil, "src/adapter/a.py", true},
		{[]string{"src/adapter"}, nil, "src/adapters/a.py", false},
		{[]string{"src/adapter"}, nil, "x/src/adapter/a.py", false},
		{[]string{"*.yaml"}, nil, "deep/er/a.yaml", true},
		{[]string{"configs/*.yaml"}, nil, "configs/deep/a.yaml", false},
		{[]string{"configs/**/*.yaml"}, nil, "configs/deep/a.yaml", true},
		{[]string{"configs/**/*.yaml"}, nil, "configs/a.yaml", true},
		{[]string{"."}, nil, "anything/at.all", true},
		{[]string{"**"}, nil, "anything/at.all", true},
		{[]string{"data"}, nil, "data/train.csv", true}, // who names it, means it
		{[]string{"**"}, []string{"notes"}, "notes/a.md", false},
		{[]string{"src"}, []string{"src"}, "src/a.py", false},
		{[]string{"src"}, []string{"*.py"}, "src/a.py", false},
		{[]string{"src"}, []string{"src/keep"}, "src/keep/deep/a", false},
		{[]string{"src"}, []string{"src/keep"}, "src/kept", true},
		{nil, []string{"*.py"}, "a.py", false},
		{nil, []string{"*.py"}, "a.yaml", true},
		{[]string{".varve"}, nil, ".varve/runs/x", false}, // never
		{[]string{"**"}, nil, ".varve/project.json", false},
	} {
		if got := (Scope{In: c.in, Out: c.out}).Holds(c.at); got != c.want {
			t.Errorf("in %q, out %q: %s: %v", c.in, c.out, c.at, got)
		}
	}
	for _, bad := range []string{"", "/etc", "../x", "a/../../b", `a\b`, "[a", ".."} {
		if (Scope{In: []string{bad}}).Check() == nil || (Scope{Out: []string{bad}}).Check() == nil {
			t.Errorf("the pattern %q is taken", bad)
		}
	}
}
