package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"varve/internal/powercut"
)

// A trial is one tool that is treated badly while it takes its second snapshot, always at the same paths: what was there
// before each treatment is put back from a copy.
type trial struct {
	o     *faultOptions
	t     *tool
	p     place
	state string   // the folder with repository and home
	saved string   // a copy of it
	path  string   // to look programs up in
	first []byte   // what the first snapshot printed
	v     []string // the versions
	talk  io.Writer
}

// fate is what became of the repository, by the tool's own words and by comparing.
type fate struct {
	lost     bool // no promised version can be restored whole and right
	wrong    bool // a restore that reported success is not what was kept
	damaged  bool // the tool's own check complains
	goesOn   bool // the next snapshot is taken and can be restored
	unlocked bool // it had to be unlocked by hand first
}

// faults treats the tools badly, prints a table, and asserts nothing.
func faults(ctx context.Context, o faultOptions, out, talk io.Writer) error {
	work, err := os.MkdirTemp(o.work, "bench-faults-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	found, err := findCorpora(o.corpora, []string{o.only})
	if err != nil {
		return err
	}
	there, absent, path, err := choose(o.tools, work)
	if err != nil {
		return err
	}
	fmt.Fprintf(talk, "not on PATH: %v\n", absent)
	fmt.Fprintf(out, "| treatment | tool | points | lost | restored wrong | check complains | unlock needed | goes on |\n|---|---|--:|--:|--:|--:|--:|--:|\n")
	for i := range there {
		t := &there[i]
		tr := &trial{o: &o, t: t, path: path, talk: talk}
		for v := 1; v <= 2; v++ {
			at, err := filepath.Abs(filepath.Join(o.corpora, found[0].Name, fmt.Sprintf("v%d", v)))
			if err != nil {
				return err
			}
			tr.v = append(tr.v, at)
		}
		if err := tr.all(ctx, filepath.Join(work, t.name+"-work"), out); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return nil
}

func (tr *trial) all(ctx context.Context, work string, out io.Writer) error {
	tr.at(filepath.Join(work, "state"), filepath.Join(work, "src"))
	tr.saved = filepath.Join(work, "saved")
	if err := tr.begin(ctx); err != nil {
		return err
	}
	if err := replace(tr.saved, tr.state); err != nil {
		return err
	}
	row := func(what string, fates []fate) {
		var n [5]int
		for _, f := range fates {
			for i, is := range []bool{f.lost, f.wrong, f.damaged, f.unlocked, f.goesOn} {
				if is {
					n[i]++
				}
			}
		}
		fmt.Fprintf(out, "| %s | %s | %d | %d | %d | %d | %d | %d |\n", what, tr.t.name, len(fates), n[0], n[1], n[2], n[3], n[4])
	}
	for _, treat := range []struct {
		what string
		do   func(context.Context) ([]fate, error)
	}{{"killed", tr.kills}, {"a bit flipped", tr.flips}} {
		fates, err := treat.do(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", treat.what, err)
		}
		row(treat.what, fates)
	}
	for _, fsType := range powercut.FileSystems() {
		fates, err := tr.cuts(ctx, filepath.Join(work, "disk-"+fsType), fsType)
		if errors.Is(err, powercut.ErrCannot) {
			fmt.Fprintf(tr.talk, "no power cuts on %s: %v\n", fsType, err)
			continue
		}
		if err != nil {
			return fmt.Errorf("power cut on %s: %w", fsType, err)
		}
		row("power cut, "+fsType, fates)
	}
	return nil
}

func (tr *trial) at(state, src string) {
	tr.state = state
	tr.p = place{src: src, repo: filepath.Join(state, "repo"), home: filepath.Join(state, "home"), out: src + "-restored"}
}

// begin takes the first snapshot, and leaves the folder as the second is to find it.
func (tr *trial) begin(ctx context.Context) error {
	for _, dir := range []string{tr.p.repo, tr.p.home, tr.p.out} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if _, err := edit(tr.v[0], tr.p.src); err != nil {
		return err
	}
	if tr.t.init != nil {
		if _, err := tr.run(ctx, nil, tr.t.init(tr.p)); err != nil {
			return err
		}
	}
	var err error
	if tr.first, err = tr.run(ctx, nil, tr.t.snap(tr.p, 1)); err != nil {
		return err
	}
	_, err = edit(tr.v[1], tr.p.src)
	return err
}

// run runs the calls, the last one under prefix, and returns what that printed.
func (tr *trial) run(ctx context.Context, prefix []string, calls []call) (out []byte, err error) {
	for i, c := range calls {
		args := append([]string{lookUp(c.args[0], tr.path)}, c.args[1:]...)
		if i == len(calls)-1 {
			args = append(append([]string(nil), prefix...), args...)
		}
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		var talk bytes.Buffer
		cmd.Dir, cmd.Env, cmd.Stderr = c.dir, tr.t.environment(tr.p, tr.path), &talk
		if out, err = cmd.Output(); err != nil && len(prefix) == 0 {
			first, _, _ := bytes.Cut(bytes.TrimSpace(talk.Bytes()), []byte("\n"))
			fmt.Fprintf(tr.talk, "%s: %v: %s\n", strings.Join(c.args, " "), err, first)
		}
		if err != nil {
			return out, fmt.Errorf("%s: %w\n%s", strings.Join(c.args, " "), err, talk.Bytes())
		}
	}
	return out, nil
}

// restores says whether snapshot n can be restored and is one of the versions, and whether it lies if it says so.
func (tr *trial) restores(ctx context.Context, n int, printed []byte, versions ...string) (ok, wrong bool, err error) {
	id := ""
	if tr.t.newest != nil {
		if id, err = tr.t.newest(printed); err != nil {
			return false, false, err
		}
	}
	if err := errors.Join(os.RemoveAll(tr.p.out), os.MkdirAll(tr.p.out, 0o755)); err != nil {
		return false, false, err
	}
	if _, err := tr.run(ctx, nil, tr.t.restore(tr.p, n, id)); err != nil {
		return false, false, ctx.Err()
	}
	for _, v := range versions {
		if same, err := compare(v, tr.p.out); err != nil || same == identical {
			return true, false, err
		}
	}
	return false, true, nil
}

// look finds out what is left: first of snapshot n, which was promised, then of everything.
func (tr *trial) look(ctx context.Context, n int, printed []byte, versions ...string) (f fate, err error) {
	if tr.t.program == "restic" {
		// A process that died leaves its lock; its manual says to do this then.
		if out, err := tr.run(ctx, nil, one(tr.p.src, "restic", "unlock")); err == nil && bytes.Contains(out, []byte("removed 1")) {
			f.unlocked = true
		}
	}
	ok, wrong, err := tr.restores(ctx, n, printed, versions...)
	if err != nil {
		return f, err
	}
	f.lost, f.wrong = !ok, wrong
	_, err = tr.run(ctx, nil, tr.t.check(tr.p))
	f.damaged = err != nil
	if out, err := tr.run(ctx, nil, tr.t.snap(tr.p, 9)); err == nil {
		f.goesOn, _, err = tr.restores(ctx, 9, out, tr.v[1])
		return f, err
	}
	return f, ctx.Err()
}

// kills stops the second snapshot before a system call, at calls spread over all that it makes.
func (tr *trial) kills(ctx context.Context) (fates []fate, err error) {
	for _, name := range []string{"write", "pwrite64", "fsync", "fdatasync", "renameat", "renameat2", "rename", "linkat", "unlinkat", "unlink", "openat"} {
		for n, left := 1, max(tr.o.points/5, 2); left > 0; n, left = 2*n+1, left-1 {
			if err := replace(tr.state, tr.saved); err != nil {
				return nil, err
			}
			_, err := tr.run(ctx, []string{"strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=" + name, "-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", name, n)}, tr.t.snap(tr.p, 2))
			var exit *exec.ExitError
			if err == nil || !errors.As(err, &exit) || exit.Exited() {
				break // it made fewer such calls
			}
			f, err := tr.look(ctx, 1, tr.first, tr.v...)
			if err != nil {
				return nil, err
			}
			fates = append(fates, f)
		}
	}
	return fates, nil
}

// flips turns one bit, at places spread evenly over all bytes of the repository with one snapshot.
func (tr *trial) flips(ctx context.Context) (fates []fate, err error) {
	total, err := bytesIn(filepath.Join(tr.saved, "repo"))
	if err != nil {
		return nil, err
	}
	for i := range tr.o.points {
		if err := replace(tr.state, tr.saved); err != nil {
			return nil, err
		}
		if err := flip(tr.p.repo, total*int64(2*i+1)/int64(2*tr.o.points), uint(i%8)); err != nil {
			return nil, err
		}
		f, err := tr.look(ctx, 1, tr.first, tr.v[0])
		if err != nil {
			return nil, err
		}
		fates = append(fates, f)
	}
	return fates, nil
}

// flip turns one bit of the at-th byte of all files below dir, in the order of their names.
func flip(dir string, at int64, bit uint) error {
	return filepath.WalkDir(dir, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		st, err := e.Info()
		if err != nil {
			return err
		}
		if at >= st.Size() {
			at -= st.Size()
			return nil
		}
		b, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		b[at] ^= 1 << bit
		if err := errors.Join(os.Chmod(name, 0o600), os.WriteFile(name, b, 0o600)); err != nil {
			return err
		}
		return fs.SkipAll
	})
}

// cuts takes two snapshots on a disk of their own and takes the power away: just after each was reported, with and
// without what is in the disk's cache, and at writes between them.
func (tr *trial) cuts(ctx context.Context, dir, fsType string) (fates []fate, err error) {
	img, err := powercut.MakeImage(filepath.Dir(dir), fsType)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	d, at, err := powercut.Mount(dir, img, fsType)
	if err != nil {
		return nil, err
	}
	// The home is elsewhere: what a tool only keeps there to be quick is not the repository.
	home, was := dir+"-home", dir+"-home-saved"
	tr.at(filepath.Join(at, "state"), dir+"-src")
	tr.p.home = home
	reported := [2]int{}
	var second []byte
	err = tr.begin(ctx)
	reported[0] = d.Events()
	if err == nil {
		err = replace(was, home)
	}
	if err == nil {
		second, err = tr.run(ctx, nil, tr.t.snap(tr.p, 2))
		reported[1] = d.Events()
	}
	if err := errors.Join(err, d.Unmount()); err != nil {
		return nil, err
	}
	nothing := func() bool { return false }
	replay := d.Replay()
	for i := range tr.o.points {
		n, keep := reported[0]+(reported[1]-reported[0])*(i/2)/max((tr.o.points-1)/2, 1), nothing
		if i%2 == 1 {
			keep = nil
		}
		if err := errors.Join(os.RemoveAll(dir), os.MkdirAll(dir, 0o755), replace(home, was)); err != nil {
			return nil, err
		}
		_, done, err := powercut.MountImage(dir, replay.Cut(n, keep), fsType)
		if err != nil {
			return nil, err
		}
		snapshot, printed, versions := 1, tr.first, tr.v
		if n >= reported[1] {
			snapshot, printed, versions = 2, second, tr.v[1:]
		}
		f, err := tr.look(ctx, snapshot, printed, versions...)
		if err := errors.Join(err, done()); err != nil {
			return nil, err
		}
		fates = append(fates, f)
	}
	return fates, nil
}

// replace makes to a copy of from.
func replace(to, from string) error {
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		return fmt.Errorf("copy %s: %w: %s", from, err, out)
	}
	return nil
}
