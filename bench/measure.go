package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// A step is one line of a run's file: one tool in one phase of one repetition. Seconds and bytes.
type step struct {
	Schema   string  `json:"schema"`
	Corpus   string  `json:"corpus"`
	Rep      int     `json:"rep"`
	Phase    string  `json:"phase"`
	Tool     string  `json:"tool"`
	Wall     float64 `json:"wall_s"`
	User     float64 `json:"user_s"`
	System   float64 `json:"sys_s"`
	Settle   float64 `json:"settle_s"`       // how long the sync afterwards took: what the tool left unwritten
	Peak     int64   `json:"rss_bytes"`      // largest peak of any one process of the command; 0: the system does not say
	Floor    int64   `json:"rss_floor"`      // what this program held when it started the command: no figure can be lower
	Repo     int64   `json:"repo_bytes"`     // the repository, after the step
	Cache    int64   `json:"cache_bytes"`    // the tool's home, after the step
	Restored string  `json:"tree,omitempty"` // restore only: "identical", or what differs
	Error    string  `json:"error,omitempty"`
}

const stepSchema = "varve.bench.step/1"

// failed reports whether the step's figures mean nothing.
func (s *step) failed() bool { return s.Error != "" || s.Restored != "" && s.Restored != identical }

// perform runs the calls one after the other, fills in what they took together, and returns what the last one
// printed. A call that fails ends it, and is told in Error; an error is this program's own.
func (s *step) perform(ctx context.Context, calls []call, env []string, path, log string) ([]byte, error) {
	var printed []byte
	for _, c := range calls {
		var err error
		if printed, err = s.call(ctx, c, env, path, log); err != nil {
			return nil, err
		}
		if s.Error != "" {
			break
		}
	}
	began := time.Now()
	syncDisks()
	s.Settle = time.Since(began).Seconds()
	return printed, ctx.Err()
}

func (s *step) call(ctx context.Context, c call, env []string, path, log string) ([]byte, error) {
	talk, err := os.OpenFile(log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer talk.Close()
	fmt.Fprintf(talk, "\n$ %s # %s\n", strings.Join(c.args, " "), s.Phase)
	out, err := os.CreateTemp(filepath.Dir(log), "out-*") // a file and no pipe: this program does no work meanwhile
	if err != nil {
		return nil, err
	}
	defer os.Remove(out.Name())
	defer out.Close()
	cmd := exec.CommandContext(ctx, lookUp(c.args[0], path), c.args[1:]...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.dir, env, out, talk
	s.Floor = max(s.Floor, shrink())
	began := time.Now()
	err = cmd.Run()
	s.Wall += time.Since(began).Seconds()
	if cmd.ProcessState == nil {
		return nil, fmt.Errorf("start %s: %w", c.args[0], err)
	}
	s.User += cmd.ProcessState.UserTime().Seconds()
	s.System += cmd.ProcessState.SystemTime().Seconds()
	s.Peak = max(s.Peak, peakOf(cmd.ProcessState))
	if err != nil {
		s.Error = fmt.Sprintf("%s: %v", strings.Join(c.args[:min(len(c.args), 3)], " "), err)
	}
	return os.ReadFile(out.Name())
}

// bytesIn is the sum of the sizes of a folder's files; what vanishes meanwhile counts nothing.
func bytesIn(dir string) (int64, error) {
	var sum int64
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		st, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			sum += st.Size()
		}
		return err
	})
	return sum, err
}
