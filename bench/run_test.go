package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// copier is a tool that copies the folder with cp; spoil is a shell line that runs in what it restored.
func copier(name, spoil string) tool {
	return tool{
		name: name, program: "cp",
		env:  func(place) []string { return nil },
		init: func(p place) []call { return one(p.src, "mkdir", filepath.Join(p.repo, "all")) },
		snap: func(p place, n int) []call {
			return one(p.src, "cp", "-r", ".", filepath.Join(p.repo, "all", fmt.Sprint(n)))
		},
		restore: func(p place, n int, _ string) []call {
			return append(one(p.out, "cp", "-r", filepath.Join(p.repo, "all", fmt.Sprint(n))+"/.", "."), one(p.out, "sh", "-c", "true; "+spoil)...)
		},
		check: func(p place) []call { return one(p.repo, "sh", "-c", "! test -e wrong") },
	}
}

// raceOf runs tools over the small corpus, reps times, and returns the steps.
func raceOf(t *testing.T, reps int, tools ...tool) []step {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the tools of this test are a shell's")
	}
	dir := t.TempDir()
	if err := makeCorpora(context.Background(), dir, []string{"small"}, tiny, io.Discard); err != nil {
		t.Fatal(err)
	}
	found, err := findCorpora(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	var steps []step
	o := &runOptions{corpora: dir, work: t.TempDir(), timeout: time.Minute}
	for rep := range reps {
		turn := rep % len(tools)
		r := &race{o: o, corpus: found[0], rep: rep, tools: slices.Concat(tools[turn:], tools[:turn]), path: os.Getenv("PATH"), talk: io.Discard,
			base: filepath.Join(o.work, fmt.Sprint(rep)), count: map[string]int{}, newest: map[string]string{}, out: map[string]bool{},
			put: func(s any) error { steps = append(steps, *s.(*step)); return nil }}
		if err := r.run(context.Background()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(r.base); !os.IsNotExist(err) {
			t.Errorf("repetition %d left its folder behind: %v", rep, err)
		}
	}
	return steps
}

// TestRace: phases outside, tools inside, their order turned; what is restored is the third version.
func TestRace(t *testing.T) {
	steps := raceOf(t, 2, copier("a", ""), copier("b", ""))
	var got []string
	for _, s := range steps {
		got = append(got, fmt.Sprintf("%d %s %s %s", s.Rep, s.Phase, s.Tool, s.Restored))
		if s.Error != "" {
			t.Errorf("%s of %s: %s", s.Phase, s.Tool, s.Error)
		}
	}
	var want []string
	for rep, order := range [][]string{{"a", "b"}, {"b", "a"}} {
		for _, phase := range []string{"init", "first", "same", "second", "third", "restore", "check"} {
			for _, tool := range order {
				is := ""
				if phase == "restore" {
					is = "identical"
				}
				want = append(want, fmt.Sprintf("%d %s %s %s", rep, phase, tool, is))
			}
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	repo := map[string]int64{}
	for _, s := range steps[:14] {
		repo[s.Phase] = s.Repo
	}
	if repo["init"] != 0 || repo["same"] != 2*repo["first"] || repo["third"] <= repo["second"] || repo["check"] != repo["third"] {
		t.Errorf("copies make repositories of %v", repo)
	}
}

// TestRaceTellsFailures: a wrong restore and a failing command are told, the latter ends its tool, and neither ends
// the others.
func TestRaceTellsFailures(t *testing.T) {
	broken := copier("broken", "")
	broken.snap = func(p place, n int) []call {
		return one(p.repo, "sh", "-c", fmt.Sprintf("test %d -lt 3", n))
	}
	steps := raceOf(t, 1, copier("good", ""), copier("liar", "echo >> $(find . -type f | head -n 1)"), copier("leaver", "touch more"), broken)
	last := map[string]step{}
	for _, s := range steps {
		last[s.Tool] = s
		if s.Phase == "restore" && s.failed() != (s.Tool != "good") {
			t.Errorf("%s restored: %q, failed: %v", s.Tool, s.Restored, s.failed())
		}
	}
	if s := last["broken"]; s.Phase != "second" || s.Error == "" {
		t.Errorf("the broken tool ended with %s: %q", s.Phase, s.Error)
	}
	for _, name := range []string{"good", "liar", "leaver"} {
		if s := last[name]; s.Phase != "check" || s.Error != "" {
			t.Errorf("%s ended with %s: %q", name, s.Phase, s.Error)
		}
	}
}

// TestPerformMeasures: what a command takes and a second one after it are added up; a limit ends it.
func TestPerformMeasures(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a shell is needed")
	}
	dir := t.TempDir()
	path, log := os.Getenv("PATH"), filepath.Join(dir, "log")
	s := &step{}
	calls := append(one(dir, "sh", "-c", "echo first; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"), one(dir, "sh", "-c", "echo $WORD; echo aside >&2")...)
	printed, err := s.perform(context.Background(), calls, []string{"PATH=" + path, "WORD=second"}, path, log)
	if err != nil {
		t.Fatal(err)
	}
	if string(printed) != "second\n" {
		t.Errorf("printed %q", printed)
	}
	if s.Error != "" || s.Wall <= 0 || s.User+s.System <= 0 || s.Peak < 1<<16 {
		t.Errorf("took %+v", s)
	}
	if text, err := os.ReadFile(log); err != nil || !strings.Contains(string(text), "aside") {
		t.Errorf("the log has %q, %v", text, err)
	}
	ctx, stop := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer stop()
	s = &step{}
	if _, err := s.perform(ctx, one(dir, "sleep", "60"), []string{"PATH=" + path}, path, log); !errors.Is(err, context.DeadlineExceeded) || s.Error == "" {
		t.Errorf("a command without end: %v, %q", err, s.Error)
	}
}

// TestFloor: what this program once held is not in a command's peak.
func TestFloor(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux forgets a peak")
	}
	const much = 200 << 20
	held := make([]byte, much)
	for i := 0; i < len(held); i += 4096 {
		held[i] = 1
	}
	runtime.KeepAlive(held)
	dir := t.TempDir()
	path := os.Getenv("PATH")
	s := &step{}
	if _, err := s.perform(context.Background(), one(dir, "sh", "-c", "true"), []string{"PATH=" + path}, path, filepath.Join(dir, "log")); err != nil {
		t.Fatal(err)
	}
	if s.Peak <= 0 || s.Peak >= much || s.Floor <= 0 || s.Floor >= much {
		t.Errorf("peak %d, floor %d after this program held %d", s.Peak, s.Floor, much)
	}
}

// TestNothingOfTheUser: a tool sees none of the user's settings, and every row can be asked for.
func TestNothingOfTheUser(t *testing.T) {
	t.Setenv("RESTIC_REPOSITORY", "/elsewhere")
	t.Setenv("VARVE_VAULT", "/elsewhere")
	t.Setenv("XDG_CACHE_HOME", "/elsewhere")
	p := place{src: "/src", repo: "/repo", home: "/home", out: "/out"}
	for _, tool := range tools() {
		env := tool.environment(p, "/bin")
		if i := slices.IndexFunc(env, func(v string) bool { return strings.Contains(v, "elsewhere") }); i >= 0 {
			t.Errorf("%s gets %s", tool.name, env[i])
		}
		if !slices.Contains(env, "HOME=/home") {
			t.Errorf("%s has no home of its own", tool.name)
		}
		steps := slices.Concat(tool.snap(p, 1), tool.restore(p, 1, "id"), tool.check(p))
		if tool.init != nil {
			steps = append(steps, tool.init(p)...)
		}
		for _, c := range steps {
			if c.args[0] != tool.program {
				t.Errorf("%s runs %s", tool.name, c.args[0])
			}
		}
	}
}

func TestKopiaNewest(t *testing.T) {
	newest := kopiaTool("kopia", "").newest
	if id, err := newest([]byte(`{"id":"f00","source":{"host":"h"},"rootEntry":{"obj":"k1"}}`)); err != nil || id != "f00" {
		t.Errorf("id %q, %v", id, err)
	}
	for _, wrong := range []string{"", "{}", "uploading"} {
		if id, err := newest([]byte(wrong)); err == nil {
			t.Errorf("%q is taken for snapshot %q", wrong, id)
		}
	}
}

func TestCommandRefuses(t *testing.T) {
	for _, args := range [][]string{{}, {"bake"}, {"make"}, {"make", "a", "b"}, {"make", "a", "-scale", "0"}, {"make", "a", "-scale", "NaN"}, {"make", "a", "-heat"}, {"run"}, {"run", "a", "-reps", "0"}, {"report"}, {"faults"}, {"faults", "a", "-points", "1"}} {
		if err := command(context.Background(), args, io.Discard, io.Discard); !errors.Is(err, errUsage) {
			t.Errorf("%q: %v, want a usage error", args, err)
		}
	}
	if _, err := findCorpora(t.TempDir(), []string{"tezt"}); !errors.Is(err, errUsage) {
		t.Errorf("an unknown corpus: %v, want a usage error", err)
	}
	if _, _, _, err := choose([]string{"tar"}, t.TempDir()); !errors.Is(err, errUsage) {
		t.Errorf("an unknown tool: %v, want a usage error", err)
	}
}

// TestStepsGoRound: a line of a run's file reads back as it was.
func TestStepsGoRound(t *testing.T) {
	want := step{Schema: stepSchema, Corpus: "c", Rep: 2, Phase: "first", Tool: "t", Wall: 1.5, User: 2, System: 3, Settle: 4, Peak: 5, Floor: 6, Repo: 7, Cache: 8, Restored: "identical", Error: "e"}
	line, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var r results
	if err := r.read(strings.NewReader(string(line) + "\n")); err != nil {
		t.Fatal(err)
	}
	if len(r.steps) != 1 || r.steps[0] != want {
		t.Errorf("got %+v", r.steps)
	}
}
