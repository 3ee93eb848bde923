package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"varve/store/remotetest"
)

// machine is a home of its own, with a project, on the way to a vault that others use, too.
type machine struct {
	t           *testing.T
	binary      string
	home, vault string
	snaps       int
	promised    map[string]string // id of a snapshot that was reported → folder with what it must hold
}

func newMachine(t *testing.T, binary, vault string) *machine {
	m := &machine{t: t, binary: binary, home: t.TempDir(), vault: vault, promised: map[string]string{}}
	if err := os.Mkdir(filepath.Join(m.home, "project"), 0o755); err != nil {
		t.Fatal(err)
	}
	return m
}

func (m *machine) command(args ...string) *exec.Cmd {
	c := exec.Command(m.binary, append([]string{"-C", filepath.Join(m.home, "project"), "--vault", m.vault}, args...)...)
	c.Env = append(os.Environ(), "HOME="+m.home, "XDG_DATA_HOME="+m.home+"/data", "XDG_CACHE_HOME="+m.home+"/cache", "XDG_CONFIG_HOME="+m.home+"/config",
		"VARVE_PASSWORD=moss", "VARVE_KEYRING=off", "AWS_ACCESS_KEY_ID="+remotetest.KeyID, "AWS_SECRET_ACCESS_KEY="+remotetest.Secret)
	return c
}

func (m *machine) run(args ...string) ([]byte, error) {
	c := m.command(args...)
	var talk bytes.Buffer
	c.Stderr = &talk
	out, err := c.Output()
	if err != nil {
		err = fmt.Errorf("varve %s: %w: %s", strings.Join(args, " "), err, &talk)
	}
	return out, err
}

// work changes the project: a file that every machine has, and some of its own.
func (m *machine) work(r *rand.Rand, round int) error {
	write := func(name string, seed uint64, n int) error {
		src := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
		b := make([]byte, n)
		_, _ = src.Read(b)
		return os.WriteFile(filepath.Join(m.home, "project", name), b, 0o644)
	}
	return errors.Join(write("shared.bin", uint64(round), 300_000), write(fmt.Sprintf("own%d.bin", r.IntN(4)), r.Uint64(), 100_000+r.IntN(400_000)))
}

// snap keeps the project and a copy of it. If it is killed by then, nothing is promised.
func (m *machine) snap(killAfter time.Duration) error {
	kept := filepath.Join(m.home, fmt.Sprintf("kept%d", m.snaps))
	m.snaps++
	if err := os.CopyFS(kept, os.DirFS(filepath.Join(m.home, "project"))); err != nil {
		return err
	}
	c := m.command("snap", "--json")
	var out, talk bytes.Buffer
	c.Stdout, c.Stderr = &out, &talk
	if err := c.Start(); err != nil {
		return err
	}
	if killAfter > 0 {
		time.AfterFunc(killAfter, func() { _ = c.Process.Kill() })
	}
	if err := c.Wait(); err != nil {
		if killAfter > 0 {
			return nil
		}
		return fmt.Errorf("snap: %w: %s", err, &talk)
	}
	var s struct{ ID string }
	if err := json.Unmarshal(out.Bytes(), &s); err != nil || s.ID == "" {
		return fmt.Errorf("snap --json: %w: %s", err, &out)
	}
	m.promised[s.ID] = kept
	return nil
}

// check restores every snapshot that was promised and compares it byte for byte.
func (m *machine) check() {
	for id, kept := range m.promised {
		out := filepath.Join(m.t.TempDir(), "out")
		if _, err := m.run("restore", id, "--to", out, "-q"); err != nil {
			m.t.Error(err)
			continue
		}
		if diff, err := exec.Command("diff", "-r", "-x", ".varve", kept, out).CombinedOutput(); err != nil {
			m.t.Errorf("snapshot %s: %v\n%s", id, err, diff)
		}
	}
}

// TestMachines: two machines keep their projects in one vault at a service of the S3 protocol, a third collects, and one
// is killed again and again. Afterwards every byte is right, and every snapshot that was reported comes back.
func TestMachines(t *testing.T) {
	if testing.Short() {
		t.Skip("machines and a service: not with -short")
	}
	service := remotetest.Versitygw(t, os.Getenv("VARVE_CI") != "")
	binary := filepath.Join(t.TempDir(), "varve")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	vault := "s3+http://" + service.Endpoint + "/" + remotetest.Bucket + "/team"
	steady, killed, third := newMachine(t, binary, vault), newMachine(t, binary, vault), newMachine(t, binary, vault)
	if _, err := steady.run("init"); err != nil {
		t.Fatal(err)
	}
	const rounds = 6
	var kills int
	var working, collecting sync.WaitGroup
	over := make(chan struct{})
	working.Go(func() {
		r := rand.New(rand.NewPCG(1, 1))
		for n := range rounds {
			if err := errors.Join(steady.work(r, n), steady.snap(0)); err != nil {
				t.Error(err)
			}
			if n == rounds/2 { // something to collect
				if _, err := steady.run("forget", "v1", "--yes"); err != nil {
					t.Error(err)
				}
				steady.promised = without(steady.promised, "kept0")
			}
		}
	})
	working.Go(func() {
		r := rand.New(rand.NewPCG(2, 2))
		for n := range rounds {
			if err := killed.work(r, n); err != nil {
				t.Error(err)
			}
			before := len(killed.promised)
			if err := killed.snap(time.Duration(50+r.IntN(400)) * time.Millisecond); err != nil {
				t.Error(err)
			}
			if len(killed.promised) == before {
				kills++
			}
		}
		if err := killed.snap(0); err != nil {
			t.Error(err)
		}
	})
	collecting.Go(func() {
		for {
			if _, err := third.run("gc", "--yes", "-q"); err != nil {
				t.Error(err)
			}
			select {
			case <-over:
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	working.Wait()
	close(over)
	collecting.Wait()
	if kills == 0 {
		t.Error("nobody was killed")
	}
	if out, err := third.run("verify", "--data", "--json"); err != nil || !bytes.Contains(out, []byte(`"ok":true`)) {
		t.Errorf("verify: %v %s", err, out)
	}
	steady.check()
	killed.check()
	t.Logf("%d and %d snapshots, %d kills", len(steady.promised), len(killed.promised), kills)
}

func without(promised map[string]string, kept string) map[string]string {
	out := map[string]string{}
	for id, at := range promised {
		if filepath.Base(at) != kept {
			out[id] = at
		}
	}
	return out
}
