package varve_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/internal/fixture"
)

var soak = flag.Duration("soak", time.Minute, "with -long, for how long real processes share a vault")

const (
	writers     = 4
	collectors  = 2
	exitNoVault = 10
	exitBusy    = 11
)

// TestProcesses lets real processes share a vault: writers with homes of their own, collectors, a reader and one that
// forgets. At random they are killed, or stopped for a while. Each snapshot that was reported and not forgotten is
// whole, for the reader meanwhile and for all afterwards, and a last collection leaves nothing for the next.
func TestProcesses(t *testing.T) {
	if !*long {
		t.Skip("a minute of real processes: only with -long")
	}
	c := &company{bench: &bench{binary: buildProgram(t)}, base: shortDir(t), running: map[*exec.Cmd]bool{}, going: map[varve.ID]bool{}, counts: map[string]int{}}
	c.bench.vault = filepath.Join(c.base, "vault")
	c.end = time.Now().Add(*soak)
	for n := range writers {
		w := &writer{dir: filepath.Join(c.base, fmt.Sprint("writer", n)), random: rand.New(rand.NewPCG(uint64(n), 1))}
		if err := errors.Join(os.MkdirAll(filepath.Join(w.dir, "project"), 0o755), os.Mkdir(filepath.Join(w.dir, "cache"), 0o755)); err != nil {
			t.Fatal(err)
		}
		c.writers = append(c.writers, w)
	}
	var all, trouble sync.WaitGroup
	stop := make(chan struct{})
	trouble.Go(func() { c.disturb(stop) })
	for _, w := range c.writers {
		all.Go(func() { c.loop(t, func() error { return c.write(w) }) })
	}
	for range collectors {
		all.Go(func() { c.loop(t, c.collect) })
	}
	all.Go(func() { c.loop(t, c.read) })
	all.Go(func() { c.loop(t, c.forget) })
	all.Wait()
	close(stop)
	trouble.Wait()
	t.Logf("%v", c.counts)
	if t.Failed() {
		return
	}
	if err := c.check(); err != nil {
		t.Error(err)
	}
	for _, what := range []string{"snap", "gc", "restore", "forget", "killed", "stopped"} {
		if c.counts[what] == 0 {
			t.Errorf("no %s in %v: nothing was tested", what, *soak)
		}
	}
}

// company is everyone who uses the vault.
type company struct {
	bench   *bench
	base    string
	writers []*writer
	end     time.Time

	mu      sync.Mutex
	running map[*exec.Cmd]bool
	going   map[varve.ID]bool // true: reported as forgotten; false: perhaps
	counts  map[string]int    // of what ended well, and of troubles
}

// writer is a folder and what is known of its snapshots; company.mu guards kept.
type writer struct {
	story
	dir    string
	rounds int
	random *rand.Rand
}

var errKilled = errors.New("killed")

// loop does something again and again until the time is over or it goes wrong.
func (c *company) loop(t *testing.T, do func() error) {
	for time.Now().Before(c.end) && !t.Failed() {
		if err := do(); err != nil && !errors.Is(err, errKilled) {
			t.Error(err)
			return
		}
	}
}

// run runs a verb that may be killed and stopped.
func (c *company) run(home, dir string, args ...string) ([]byte, error) {
	cmd := c.bench.command(dir, nil, args...)
	cmd.Env = append(cmd.Env, "XDG_CACHE_HOME="+filepath.Join(home, "cache"), "XDG_DATA_HOME="+filepath.Join(home, "data"))
	var out, talk strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &talk
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.running[cmd] = true
	c.mu.Unlock()
	err := cmd.Wait()
	c.mu.Lock()
	delete(c.running, cmd)
	c.mu.Unlock()
	var exit *exec.ExitError
	switch {
	case err == nil:
		c.count(args[0])
		return []byte(out.String()), nil
	case errors.As(err, &exit) && !exit.Exited():
		return nil, errKilled
	}
	return nil, fmt.Errorf("%s: %w: %s%s", strings.Join(args, " "), err, talk.String(), out.String())
}

func (c *company) count(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[what]++
}

// disturb kills and stops processes until it is told to end. All that it stopped go on.
func (c *company) disturb(stop <-chan struct{}) {
	random := rand.New(rand.NewPCG(1, 2))
	var resting sync.WaitGroup
	defer resting.Wait()
	made := false // killed in the making of the vault, one that is not the first leaves a key behind that a check tells of
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(random.IntN(120)) * time.Millisecond):
		}
		c.mu.Lock()
		all := slices.Collect(maps.Keys(c.running))
		made = made || !slices.ContainsFunc(c.writers, func(w *writer) bool { return len(w.kept) == 0 })
		c.mu.Unlock()
		if len(all) == 0 || !made {
			continue
		}
		p := all[random.IntN(len(all))].Process
		if random.IntN(2) == 0 {
			if p.Kill() == nil {
				c.count("killed")
			}
			continue
		}
		if p.Signal(syscall.SIGSTOP) != nil {
			continue
		}
		c.count("stopped")
		pause := time.Duration(random.IntN(600)) * time.Millisecond
		resting.Go(func() {
			time.Sleep(pause)
			p.Signal(syscall.SIGCONT)
		})
	}
}

// write is a round of a writer: some work, and a snapshot. It is not promised unless it is reported.
func (c *company) write(w *writer) error {
	d, err := disk.Open(filepath.Join(w.dir, "project"))
	if err != nil {
		return err
	}
	defer d.Close()
	if err := w.work(d); err != nil {
		return err
	}
	now, err := list(d)
	if err != nil {
		return err
	}
	c.mu.Lock()
	w.states = append(w.states, now)
	c.mu.Unlock()
	for {
		out, err := c.run(w.dir, w.dir, "snap", "--json")
		if errors.Is(err, errKilled) && w.random.IntN(2) == 0 {
			continue // the same state once more: what was half done is taken up
		}
		if err != nil {
			return err
		}
		id, err := promised(out)
		if err != nil {
			return err
		}
		c.mu.Lock()
		w.keep(id)
		c.mu.Unlock()
		return nil
	}
}

// work is what a user does between snapshots.
func (w *writer) work(d disk.Dir) (err error) {
	n := w.rounds
	w.rounds++
	switch {
	case n == 0:
		return fixture.Build(d, fixture.Game, fixture.Options{})
	case n <= fixture.Steps:
		return fixture.Step(d, fixture.Game, n, fixture.Options{})
	}
	// Others write the same content at the same round: chunks are shared between them.
	f := fixture.NewWriter(d, time.Unix(int64(1_600_000_000+100*n), 0))
	name := fmt.Sprintf("work/%d", w.random.IntN(12))
	if f.Exists(name) && w.random.IntN(4) == 0 {
		f.Remove(name)
	} else {
		f.Put(name, 0o644, newNoise(byte(n/3), 1+w.random.IntN(150_000)))
	}
	return f.Err()
}

// collect: it may give up on others who are stopped.
func (c *company) collect() error {
	_, err := c.run(filepath.Join(c.base, "collector"), c.writers[0].dir, "gc", "-q", "--yes", "--wait", "3s")
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == exitBusy {
		c.count("busy")
		return nil
	}
	if errors.As(err, &exit) && exit.ExitCode() == exitNoVault {
		return nil // nobody has begun
	}
	return err
}

// pick draws a snapshot that is promised; forget takes it out of the promise.
func (c *company) pick(forget bool) (w *writer, k keptState, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w = c.writers[rand.IntN(len(c.writers))]
	least := 1
	if forget {
		least = 4
	}
	if len(w.kept) < least {
		return w, k, false
	}
	i := rand.IntN(len(w.kept))
	k = w.kept[i]
	if forget {
		w.kept = slices.Delete(w.kept, i, i+1)
		c.going[k.id] = false
	}
	return w, k, true
}

// read restores a snapshot. It may fail only if that is forgotten meanwhile.
func (c *company) read() error {
	w, k, ok := c.pick(false)
	if !ok {
		time.Sleep(10 * time.Millisecond)
		return nil
	}
	home := filepath.Join(c.base, "reader")
	out := filepath.Join(home, "out")
	defer os.RemoveAll(out)
	_, err := c.run(home, w.dir, "restore", k.id.String(), "-q", "--to", out)
	if errors.Is(err, errKilled) {
		return nil
	}
	c.mu.Lock()
	_, going := c.going[k.id]
	c.mu.Unlock()
	if err != nil {
		if going {
			return nil
		}
		return fmt.Errorf("a reader: %w", err)
	}
	if got, err := listAt(out); err != nil || got != k.listing {
		return fmt.Errorf("a reader got something else: %w\n%s", err, differ(got, k.listing))
	}
	return nil
}

func (c *company) forget() error {
	w, k, ok := c.pick(true)
	if !ok {
		time.Sleep(10 * time.Millisecond)
		return nil
	}
	_, err := c.run(filepath.Join(c.base, "forgetter"), w.dir, "forget", k.id.String(), "-q", "--yes")
	if err == nil {
		c.mu.Lock()
		c.going[k.id] = true
		c.mu.Unlock()
	}
	return err
}

// check: nobody runs any more. What was promised is whole, the vault verifies, and one collection leaves nothing to the
// next and nothing of those who died.
func (c *company) check() error {
	if err := c.checkWriters(); err != nil {
		return err
	}
	first := c.writers[0].dir
	for _, verb := range [][]string{{"verify", "--data", "-q"}, {"gc", "-q", "--yes", "--wait", "20s"}, {"verify", "--data", "-q"}} {
		if err := c.bench.run(first, nil, verb...); err != nil {
			return err
		}
	}
	if err := c.checkWriters(); err != nil {
		return fmt.Errorf("after a collection: %w", err)
	}
	out, err := c.bench.output(first, nil, "gc", "--json", "--yes", "--wait", "20s")
	if err != nil {
		return err
	}
	var again struct {
		Packs     int   `json:"packs_deleted"`
		Bytes     int64 `json:"bytes_freed"`
		Snapshots int   `json:"snapshots_deleted"`
	}
	if err := json.Unmarshal(out, &again); err != nil || again.Packs != 0 || again.Bytes != 0 || again.Snapshots != 0 {
		return fmt.Errorf("a collection left something to the next: %w %s", err, out)
	}
	return filepath.WalkDir(filepath.Join(c.bench.vault, "sess"), func(at string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			err = fmt.Errorf("%s is left of a process that has ended", at)
		}
		return err
	})
}

func (c *company) checkWriters() error {
	errs := make([]error, len(c.writers))
	var all sync.WaitGroup
	for i, w := range c.writers {
		ph := phase{story: w.story}
		for id, reported := range c.going {
			if reported {
				ph.gone = append(ph.gone, id)
			}
		}
		all.Go(func() {
			if err := ph.checkSnapshots(c.bench, w.dir); err != nil {
				errs[i] = fmt.Errorf("writer %d: %w", i, err)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
