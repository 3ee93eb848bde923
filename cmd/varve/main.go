// Command varve keeps every state of a project and gives any of it back.
//
// It is thin: a verb is a file of this package that reads its flags, calls the library, and prints. What all
// verbs promise is in command.go: stdout is data and stderr is talk; --json gives one object a line, each
// with its "schema"; exit codes are those of the table there; nothing is asked unless both stdin and stdout
// are terminals.
package main

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"syscall"
)

// errInterrupted is why a context ended that a signal cancelled.
var errInterrupted = errors.New("interrupted")

// gentle is the heap up to which garbage is left to gather. The buffers of a snapshot, which do not grow with
// the project, take about half of it; beyond it the collector works harder instead.
const gentle = 240 << 20

func main() {
	if debug.SetMemoryLimit(-1) > 1<<50 { // GOMEMLIMIT is not set
		debug.SetMemoryLimit(gentle)
		follow()
	}
	os.Exit(run(system()))
}

// follow lifts the limit where more than a snapshot's buffers is in use, looked at after each collection: beneath it the
// collector would run without an end, and took nine tenths of the time of a graph of a million references.
func follow() {
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	var after func(*[]byte)
	after = func(*[]byte) {
		metrics.Read(live)
		limit := int64(gentle)
		if n := int64(live[0].Value.Uint64()); n > limit*5/8 {
			limit = 2 * n
		}
		debug.SetMemoryLimit(limit)
		runtime.SetFinalizer(new([]byte), after)
	}
	runtime.SetFinalizer(new([]byte), after)
}

// run is main without the exit. The first signal lets the verb clean up, the second one kills.
func run(e *env) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals)
		cancel(errInterrupted)
	}()
	return execute(ctx, e, os.Args[1:])
}
