package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"varve"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"varve": func() {
		e := system()
		e.kdf = varve.KDF{Time: 1, Memory: 64, Threads: 1}
		os.Exit(run(e))
	}})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			for _, name := range []string{"HOME", "USERPROFILE"} {
				env.Setenv(name, env.WorkDir)
			}
			env.Setenv("LOCALAPPDATA", filepath.Join(env.WorkDir, "local"))
			env.Setenv("XDG_DATA_HOME", filepath.Join(env.WorkDir, "data"))
			env.Setenv("XDG_CACHE_HOME", filepath.Join(env.WorkDir, "cache"))
			env.Setenv("XDG_CONFIG_HOME", filepath.Join(env.WorkDir, "config"))
			env.Setenv("APPDATA", filepath.Join(env.WorkDir, "config"))
			env.Setenv("VARVE_KEYRING", "off") // that of whoever runs the tests is no place for them
			env.Setenv("TZ", "UTC")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"code": code, "jsonhas": jsonHas, "json": jsonIs, "setjson": setJSON, "recovery": recoveryOf, "rawname": rawName, "flip": flip,
			"spoil": spoil, "copytree": copyTree, "noise": noise, "near": near,
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "root":
				return os.Geteuid() == 0, nil
			case "modes": // the system keeps who may read a file in its mode
				return runtime.GOOS != "windows", nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		RequireUniqueNames: true,
	})
}

// code N ARGS… runs varve and wants the exit code N.
func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: code N ARGS…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec("varve", args[1:]...)
	got := 0
	if err != nil {
		// The number is in the error of the process and nowhere else.
		if _, err := fmt.Sscanf(err.Error(), "exit status %d", &got); err != nil {
			ts.Fatalf("varve: %v", err)
		}
	}
	if got != want {
		ts.Fatalf("varve %s: exit code %d, want %d\n%s", strings.Join(args[1:], " "), got, want, ts.ReadFile("stderr"))
	}
}

// objects reads the JSON lines of the last command and wants each to begin with its schema.
func objects(ts *testscript.TestScript) []map[string]any {
	var out []map[string]any
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		var o map[string]any
		if err := json.Unmarshal([]byte(line), &o); err != nil {
			ts.Fatalf("%v: %s", err, line)
		}
		if !strings.HasPrefix(line, `{"schema":"varve.`) {
			ts.Fatalf("schema does not come first: %s", line)
		}
		out = append(out, o)
	}
	return out
}

// jsonhas SCHEMA FIELD… wants at least one line, and all these fields in each of this schema.
func jsonHas(ts *testscript.TestScript, neg bool, args []string) {
	found := false
	for _, o := range objects(ts) {
		if o["schema"] != "varve."+args[0] {
			continue
		}
		found = true
		for _, field := range args[1:] {
			if _, ok := o[field]; ok == neg {
				ts.Fatalf("%s: field %q: present %v", args[0], field, ok)
			}
		}
	}
	if !found {
		ts.Fatalf("no line with schema varve.%s", args[0])
	}
}

// json LINE PATH WANT compares a value, as JSON. LINE counts from 0, or from the end if negative. The
// steps of PATH are parted by |; its last may be len.
func jsonIs(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: json LINE PATH WANT")
	}
	v := pick(ts, args[0], args[1])
	var want any
	if err := json.Unmarshal([]byte(args[2]), &want); err != nil {
		want = args[2]
	}
	if reflect.DeepEqual(v, want) == neg {
		ts.Fatalf("%s is %v, want %v", args[1], v, want)
	}
}

// near LINE PATH WANT SHARE compares a number that may be off by a share of it.
func near(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 4 {
		ts.Fatalf("usage: near LINE PATH WANT SHARE")
	}
	got, ok := pick(ts, args[0], args[1]).(float64)
	want, err := strconv.ParseFloat(args[2], 64)
	ts.Check(err)
	share, err := strconv.ParseFloat(args[3], 64)
	ts.Check(err)
	if !ok || math.Abs(got-want) <= share*math.Abs(want) == neg {
		ts.Fatalf("%s is %v, want %v", args[1], got, want)
	}
}

// pick is the value at PATH in LINE of what the last command printed.
func pick(ts *testscript.TestScript, line, path string) any {
	all := objects(ts)
	i, err := strconv.Atoi(line)
	ts.Check(err)
	if i < 0 {
		i += len(all)
	}
	if i < 0 || i >= len(all) {
		ts.Fatalf("%d lines, no line %s", len(all), line)
	}
	var v any = all[i]
	for part := range strings.SplitSeq(path, "|") {
		switch x := v.(type) {
		case map[string]any:
			v = x[part]
		case []any:
			if part == "len" {
				v = float64(len(x))
				break
			}
			n, err := strconv.Atoi(part)
			ts.Check(err)
			if n >= len(x) {
				ts.Fatalf("%s: only %d", path, len(x))
			}
			v = x[n]
		default:
			ts.Fatalf("%s: %v has no fields", path, v)
		}
	}
	return v
}

// setjson VAR LINE PATH keeps a value in the environment.
func setJSON(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: setjson VAR LINE PATH")
	}
	ts.Setenv(args[0], fmt.Sprint(pick(ts, args[1], args[2])))
}

// recovery VAR FILE keeps the recovery key of a sheet in the environment: the line under its last heading.
func recoveryOf(ts *testscript.TestScript, _ bool, args []string) {
	sheet := strings.Split(strings.TrimSpace(ts.ReadFile(args[1])), "\n")
	ts.Setenv(args[0], strings.TrimSpace(sheet[len(sheet)-1]))
}

// rawname DIR BASE64 TEXT makes a file whose name is any bytes.
func rawName(ts *testscript.TestScript, _ bool, args []string) {
	b, err := base64.StdEncoding.DecodeString(args[1])
	ts.Check(err)
	ts.Check(os.WriteFile(filepath.Join(ts.MkAbs(args[0]), string(b)), []byte(args[2]), 0o644))
}

// flip DIR [LEAST] damages one byte in the middle of each file below DIR that has at least so many.
func flip(ts *testscript.TestScript, _ bool, args []string) {
	harm(ts, args, func(b []byte) { b[len(b)/2] ^= 0x40 })
}

// spoil DIR [LEAST] leaves of each such file the first 112 bytes, the header of a pack.
func spoil(ts *testscript.TestScript, _ bool, args []string) {
	harm(ts, args, func(b []byte) { clear(b[min(112, len(b)):]) })
}

func harm(ts *testscript.TestScript, args []string, how func([]byte)) {
	least := 1
	if len(args) > 1 {
		var err error
		least, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	n := 0
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		if err != nil || len(b) < least {
			return err
		}
		n++
		how(b)
		if err := os.Chmod(p, 0o644); err != nil {
			return err
		}
		return os.WriteFile(p, b, 0o644)
	}))
	if n == 0 {
		ts.Fatalf("nothing to damage in %s", args[0])
	}
}

// copytree FROM TO copies a folder.
func copyTree(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.CopyFS(ts.MkAbs(args[1]), os.DirFS(ts.MkAbs(args[0]))))
}

// noise FILE SEED BYTES makes a file that does not compress.
func noise(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[2])
	ts.Check(err)
	b := make([]byte, n)
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte(args[1]))).Read(b)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o644))
}

// TestManPages wants a page for every command, with its flags.
func TestManPages(t *testing.T) {
	e, _, _ := world(t)
	e.quiet = true
	dir := t.TempDir()
	root := newRoot(e)
	if err := e.man(root, dir); err != nil {
		t.Fatal(err)
	}
	for _, c := range root.Commands() {
		b, err := os.ReadFile(filepath.Join(dir, "varve-"+c.Name()+".1"))
		if err != nil {
			t.Error(err)
			continue
		}
		if c.Runnable() && !bytes.Contains(b, []byte(`\-\-json`)) {
			t.Errorf("page of %s lacks the flags of all commands", c.Name())
		}
	}
}

// TestContractFlags wants the flags that every verb promises.
func TestContractFlags(t *testing.T) {
	e, _, _ := world(t)
	root := newRoot(e)
	for _, path := range []string{"snap", "restore", "undo", "redo", "init", "repair", "copy", "keep", "forget", "gc", "milestone add", "milestone annotate", "milestone rm", "tag add", "tag rm", "hold add", "hold rm", "config set", "key protect", "key add", "key rm", "key kit", "key remember", "key forget"} {
		c, _, err := root.Find(strings.Fields(path))
		if err != nil {
			t.Fatal(err)
		}
		if c.Flags().Lookup("dry-run") == nil {
			t.Errorf("%s changes something and has no --dry-run", path)
		}
		for _, name := range []string{"vault", "json", "quiet", "verbose", "yes", "dir"} {
			if c.InheritedFlags().Lookup(name) == nil {
				t.Errorf("%s has no --%s", path, name)
			}
		}
	}
}
