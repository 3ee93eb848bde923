package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"sync"
	"time"

	"varve/experiment"
)

// ending keeps the end of what is written to it.
type ending struct {
	mu   sync.Mutex
	keep int
	b    []byte
	cut  bool
}

func (t *ending) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.b = append(t.b, b...)
	if over := len(t.b) - 2*t.keep; over > 0 {
		t.b = append(t.b[:0], t.b[len(t.b)-t.keep:]...)
		t.cut = true
	}
	return len(b), nil
}

func (t *ending) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := len(t.b) - t.keep; n > 0 {
		return t.b[n:]
	}
	return t.b
}

const (
	maxOutput = 8 << 20  // bytes of output that patterns look at
	maxTail   = 32 << 10 // bytes of it that the record keeps
)

// child runs a command, hands on every signal, and returns how it ended. What it prints goes through, and its end is
// kept in a file.
func (e *env) child(ctx context.Context, r *experiment.Running, command []string, extra []string) (experiment.Outcome, error) {
	tail := &ending{keep: maxOutput}
	stdout := io.Writer(os.Stdout)
	if e.json {
		stdout = e.talk // stdout is for the result alone
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = e.abs(".")
	cmd.Env = append(os.Environ(), extra...)
	cmd.Stdin = e.in
	cmd.Stdout, cmd.Stderr = io.MultiWriter(stdout, tail), io.MultiWriter(e.talk, tail)
	// What the command leaves running may hold on to its output: its own end is what counts.
	cmd.WaitDelay = 2 * time.Second
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, handedOn()...)
	defer signal.Stop(signals)
	if err := cmd.Start(); err != nil {
		return experiment.Outcome{}, fmt.Errorf("run %s: %w", name(command[0]), cause(err))
	}
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				// A terminal has told all of its foreground processes already.
				if s != os.Interrupt || !e.ask {
					_ = cmd.Process.Signal(s)
				}
			case <-done:
				return
			}
		}
	}()
	err := cmd.Wait()
	close(done)
	o := experiment.Outcome{Ended: e.now()}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		o.Exit, o.Error = exitOf(exit.ProcessState)
	case err != nil && !errors.Is(err, exec.ErrWaitDelay):
		return o, fmt.Errorf("run %s: %w", name(command[0]), err)
	}
	o.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	o.Memory = peak(cmd.ProcessState)
	b := tail.bytes()
	if err := os.WriteFile(r.OutputFile(), b, 0o644); err != nil {
		return o, fmt.Errorf("keep the output: %w", err)
	}
	o.Output = string(b[max(0, len(b)-maxTail):])
	return o, nil
}
