package experiment

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"varve"
	"varve/experiment/script"
)

// The version manager that this one follows could neither back up nor roll back what it said it did. Each of its defects
// would be caught here; that its library asked questions, and that its script called git and removed folders, in
// cmd/varve (TestOriginalAsks, TestOriginalCallsGit).

// packsOf are the data packs of the vault.
func packsOf(t *testing.T, r *rig) (out []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(r.dir, "vault", "packs"), func(at string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			out = append(out, at)
		}
		return err
	})
	if err != nil || len(out) == 0 {
		t.Fatal(out, err)
	}
	return out
}

func replaceFile(t *testing.T, at string, b []byte) {
	t.Helper()
	if err := os.Chmod(at, 0o644); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// damages calls do with the vault damaged in every way of a sample: bytes flipped and packs deleted, one at a time.
func damages(t *testing.T, r *rig, packs []string, do func(what string)) {
	t.Helper()
	random := rand.New(rand.NewPCG(11, 12))
	flips := 8
	if *long {
		flips = 100
	}
	for _, pack := range packs {
		whole, err := os.ReadFile(pack)
		if err != nil {
			t.Fatal(err)
		}
		rel, _ := filepath.Rel(r.dir, pack)
		for range flips {
			at := random.IntN(len(whole))
			b := bytes.Clone(whole)
			b[at] ^= 1 << random.IntN(8)
			replaceFile(t, pack, b)
			r.reopen()
			do(fmt.Sprintf("byte %d of %s", at, rel))
		}
		if err := os.Remove(pack); err != nil {
			t.Fatal(err)
		}
		r.reopen()
		do(rel + " deleted")
		replaceFile(t, pack, whole)
	}
	r.reopen()
}

// damaged is a project with a version that holds everything, and a state after it.
func damaged(t *testing.T) (r *rig, then *varve.Snapshot) {
	t.Helper()
	r = newRig(t)
	noise := make([]byte, 60_000)
	_, _ = rand.NewChaCha8([32]byte{5}).Read(noise)
	then = r.snap(map[string]string{"weights.bin": string(noise), "src/a.py": strings.Repeat("print('a')\n", 900), "config.yaml": "lr: 0.1\n", "b/c.txt": "small"})
	r.write(map[string]string{"weights.bin": "", "src/a.py": "broken", "config.yaml": "lr: 9\n", "b/c.txt": ""})
	r.snap(nil)
	return r, then
}

// TestOriginalVerifiesNothing: verify succeeded after a byte of a file in the backup was changed, and after a file was
// deleted.
func TestOriginalVerifiesNothing(t *testing.T) {
	r, then := damaged(t)
	sound := func() (bool, error) {
		rep, err := r.vault.Verify(t.Context(), varve.VerifyOptions{Snapshots: []*varve.Snapshot{then}, Data: true})
		return err == nil && rep.OK && rep.Complete, err
	}
	if ok, err := sound(); !ok {
		t.Fatalf("a whole vault: %v", err)
	}
	// A pack of the other version alone is none of its business.
	var needed []string
	for _, pack := range packsOf(t, r) {
		aside := filepath.Join(r.dir, "aside")
		if err := os.Rename(pack, aside); err != nil {
			t.Fatal(err)
		}
		r.reopen()
		if ok, _ := sound(); !ok {
			needed = append(needed, pack)
		}
		if err := os.Rename(aside, pack); err != nil {
			t.Fatal(err)
		}
	}
	if len(needed) == 0 {
		t.Fatal("no pack is needed")
	}
	damages(t, r, needed, func(what string) {
		if ok, _ := sound(); ok {
			t.Errorf("%s: verify finds nothing", what)
		}
	})
	if ok, err := sound(); !ok {
		t.Errorf("whole again: %v", err)
	}
}

// TestOriginalVerifiesAnotherCopy: verify read one folder and restore another, so that what had passed was damaged. What
// CheckFiles finds is what a restore cannot give, file by file.
func TestOriginalVerifiesAnotherCopy(t *testing.T) {
	r, then := damaged(t)
	n, hit := 0, 0
	damages(t, r, packsOf(t, r), func(what string) {
		found := map[string]bool{}
		check, err := r.p.CheckFiles(t.Context(), then, nil)
		if check != nil {
			for _, f := range check.Findings {
				found[f.Path] = true
			}
		}
		n++
		to := filepath.Join(r.dir, fmt.Sprintf("to%d", n))
		r.reopen()
		res, rerr := r.p.Restore(t.Context(), varve.RestoreOptions{Snapshot: then, To: to})
		if (err != nil) != (rerr != nil) {
			t.Errorf("%s: verify: %v; restore: %v", what, err, rerr)
		}
		lost := map[string]bool{}
		if res != nil {
			for _, f := range res.Errors {
				lost[f.Path] = true
			}
		}
		if !maps.Equal(found, lost) {
			t.Errorf("%s: verify finds %v, restore fails for %v", what, slices.Sorted(maps.Keys(found)), slices.Sorted(maps.Keys(lost)))
		}
		if len(lost) > 0 {
			hit++
		}
		if err := os.RemoveAll(to); err != nil {
			t.Fatal(err)
		}
	})
	if hit == 0 {
		t.Errorf("of %d kinds of damage none hit a file", n)
	}
}

// TestOriginalRestoresDamage: a source that was damaged was restored. A rollback puts everything back, or changes
// nothing.
func TestOriginalRestoresDamage(t *testing.T) {
	r, then := damaged(t)
	whole := map[string]string{}
	to := filepath.Join(r.dir, "whole")
	if _, err := r.p.Restore(t.Context(), varve.RestoreOptions{Snapshot: then, To: to}); err != nil {
		t.Fatal(err)
	}
	whole = treeOf(t, to)
	before := treeOf(t, r.project())
	refused := 0
	damages(t, r, packsOf(t, r), func(what string) {
		res, err := r.p.Revert(t.Context(), varve.RevertOptions{To: then, Ignore: varve.IgnoreSettings{Presets: []string{}}, Verb: "rollback", Summary: "rollback"})
		got := treeOf(t, r.project())
		switch {
		case err != nil && maps.Equal(got, before):
			refused++
		case err == nil && len(res.Left) == 0 && maps.Equal(got, whole):
			// Nothing that is needed was hit: back to where it was.
			r.write(map[string]string{"weights.bin": "", "src/a.py": "broken", "config.yaml": "lr: 9\n", "b/c.txt": ""})
		default:
			t.Fatalf("%s: %v, and the folder is neither as before nor as the version: %v", what, err, got)
		}
		if _, err := os.Lstat(filepath.Join(r.project(), ".varve", "revert")); err == nil {
			t.Errorf("%s: the rollback is said to be under way", what)
		}
	})
	if refused == 0 {
		t.Error("no damage was noticed")
	}
}

// TestOriginalKeepsTwice: everything was stored twice, and again for each version.
func TestOriginalKeepsTwice(t *testing.T) {
	r := newRig(t)
	noise := make([]byte, 1<<20)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(noise)
	size := func() (n int64) {
		for _, p := range packsOf(t, r) {
			info, err := os.Stat(p)
			if err != nil {
				t.Fatal(err)
			}
			n += info.Size()
		}
		return n
	}
	r.snap(map[string]string{"models/v1/w.bin": string(noise)})
	once := size()
	if once > 1<<20+64<<10 {
		t.Errorf("%d bytes for a MiB that does not compress", once)
	}
	r.snap(map[string]string{"models/v2/w.bin": string(noise), "backup/again.bin": string(noise)})
	if more := size() - once; more > 32<<10 {
		t.Errorf("the same folder again takes %d bytes", more)
	}
}

// TestOriginalScriptBroken: the script for a rollback did not parse, and needed the program that had made it.
func TestOriginalScriptBroken(t *testing.T) {
	r := newRig(t)
	names := map[string]string{"src/a.py": "a\n", "it's \"odd\" $HOME `x`.txt": "odd", "-rf": "dash", "ü/日本.txt": "u", "new\nline": "n"}
	then := r.snap(names)
	want := treeOf(t, r.project())
	out := filepath.Join(r.dir, "scripts")
	if _, err := script.Write(t.Context(), r.p, then, script.Options{Dir: out, Target: r.project(), SelfContained: true, Vault: filepath.Join(r.dir, "vault")}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(out, "rollback.py"))
	if err != nil || bytes.Contains(text, []byte("VersionManager")) || bytes.Contains(text, []byte("import varve")) {
		t.Errorf("it needs another program: %v", err)
	}
	// Nothing but the scripts is left.
	if err := os.RemoveAll(filepath.Join(r.dir, "vault")); err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, d := range []struct{ name, parse string }{{"sh", "-n"}, {"dash", "-n"}, {"bash", "-n"}, {"python3", ""}} {
		program, err := exec.LookPath(d.name)
		if err != nil {
			t.Logf("%s is not here: its driver is not run", d.name)
			continue
		}
		file := filepath.Join(out, "rollback.sh")
		if d.parse == "" {
			file = filepath.Join(out, "rollback.py")
		} else if b, err := exec.Command(program, d.parse, file).CombinedOutput(); err != nil {
			t.Errorf("%s does not parse: %s", d.name, b)
		}
		to := filepath.Join(r.dir, "put back by "+d.name)
		b, err := exec.CommandContext(t.Context(), program, file, "--yes", "--to", to).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", d.name, err, b)
			continue
		}
		if got := treeOf(t, to); !maps.Equal(got, want) {
			t.Errorf("%s: %v", d.name, slices.Sorted(maps.Keys(got)))
		}
		ran++
	}
	if ran == 0 {
		t.Skip("no interpreter is here")
	}
}

// TestOriginalPartIsWhole: a rollback of ./src/adapter moved that folder away and put the whole project into it.
func TestOriginalPartIsWhole(t *testing.T) {
	old := map[string]string{"src/adapter/x.py": "old x", "src/adapter/deep/y.py": "old y", "src/a.py": "old a", "config.yaml": "old"}
	now := map[string]string{"src/adapter/x.py": "new x", "src/adapter/deep/y.py": "", "src/adapter/z.py": "new z", "src/a.py": "new a", "config.yaml": "new", "src/adapters/n.py": "n"}
	for _, in := range []string{"src/adapter", "src/adapter/", "./src/adapter", "src/adapter/**"} {
		r := newRig(t)
		then := r.snap(old)
		r.snap(now)
		if _, err := r.p.Revert(t.Context(), varve.RevertOptions{To: then, Ignore: varve.IgnoreSettings{Presets: []string{}}, Within: Scope{In: []string{in}}.Holds, Verb: "rollback", Summary: "x"}); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"src/adapter/x.py": "old x", "src/adapter/deep/y.py": "old y", "src/a.py": "new a", "config.yaml": "new", "src/adapters/n.py": "n"}
		got := map[string]string{}
		for at := range treeOf(t, r.project()) {
			b, _ := os.ReadFile(filepath.Join(r.project(), at))
			got[at] = string(b)
		}
		if !maps.Equal(got, want) {
			t.Errorf("%s: %v", in, got)
		}
	}
}
