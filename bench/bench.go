// Command bench compares varve with restic, kopia and borg, on data that it makes itself: anyone can run it.
//
//	go run ./bench make DIR [-only NAMES] [-scale 1]     corpora of three versions each, the same bytes everywhere
//	go run ./bench run DIR [-tools NAMES] [-reps 3] [-only NAMES] [-out F.jsonl] [-work DIR] [-keep]
//	go run ./bench report F.jsonl…                        Markdown: medians, and varve against the best peer
//	go run ./bench creative DIR [-only NAMES] [-reps 5] [-scale 1] [-keep]  looking into files, beside others that compare pictures
//	go run ./bench faults DIR [-tools NAMES] [-only small] [-points 20] [-work DIR]  kills, flipped bits and power cuts
//
// It promises: a corpus depends on its name and scale only; every tool sees the same folder in the same state, one
// phase after the other; a restore counts only if it equals the folder, byte for byte; what fails is told and
// counts nowhere. README.md says how to read the figures, and what not to conclude from them.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

const usage = `usage: bench make DIR [-only NAMES] [-scale 1]
       bench run DIR [-tools NAMES] [-reps 3] [-only NAMES] [-out F.jsonl] [-work DIR] [-timeout 1h] [-keep]
       bench report F.jsonl…
       bench creative DIR [-only NAMES] [-reps 5] [-scale 1] [-keep]
       bench weights DIR [-scale 1] [-keep]
       bench faults DIR [-tools NAMES] [-only small] [-points 20] [-work DIR]
`

// errUsage is a command line that cannot be meant.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := command(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, errUsage):
		fmt.Fprint(os.Stderr, err, "\n", usage)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// command runs one verb; out is for data, talk for progress.
func command(ctx context.Context, args []string, out, talk io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("%w: no verb", errUsage)
	}
	f := flag.NewFlagSet(args[0], flag.ContinueOnError)
	f.SetOutput(io.Discard)
	only := f.String("only", "", "")
	switch args[0] {
	case "make":
		scale := f.Float64("scale", 1, "")
		dirs, err := parse(f, args[1:])
		if err != nil || len(dirs) != 1 || !(*scale > 0 && *scale <= 100) {
			return misuse("make wants one folder and a scale above 0, at most 100", err)
		}
		return makeCorpora(ctx, dirs[0], list(*only), *scale, talk)
	case "run":
		var o runOptions
		tools := f.String("tools", "", "")
		f.IntVar(&o.reps, "reps", 3, "")
		f.StringVar(&o.out, "out", "", "")
		f.StringVar(&o.work, "work", "", "")
		f.DurationVar(&o.timeout, "timeout", time.Hour, "")
		f.BoolVar(&o.keep, "keep", false, "")
		dirs, err := parse(f, args[1:])
		if err != nil || len(dirs) != 1 || o.reps < 1 {
			return misuse("run wants one folder and at least one repetition", err)
		}
		o.corpora, o.only, o.tools = dirs[0], list(*only), list(*tools)
		return run(ctx, o, out, talk)
	case "creative":
		var o lookOptions
		f.IntVar(&o.reps, "reps", 5, "")
		f.Float64Var(&o.scale, "scale", 1, "")
		f.BoolVar(&o.keep, "keep", false, "")
		dirs, err := parse(f, args[1:])
		if err != nil || len(dirs) != 1 || o.reps < 1 || !(o.scale > 0 && o.scale <= 4) {
			return misuse("creative wants one folder, at least one repetition and a scale above 0, at most 4", err)
		}
		o.dir, o.only = dirs[0], list(*only)
		return look(ctx, o, out, talk)
	case "weights":
		var o seriesOptions
		f.Float64Var(&o.scale, "scale", 1, "")
		f.BoolVar(&o.keep, "keep", false, "")
		dirs, err := parse(f, args[1:])
		if err != nil || len(dirs) != 1 || !(o.scale > 0 && o.scale <= 16) {
			return misuse("weights wants one folder and a scale above 0, at most 16", err)
		}
		o.dir = dirs[0]
		return series(ctx, o, out, talk)
	case "faults":
		var o faultOptions
		tools := f.String("tools", "", "")
		f.IntVar(&o.points, "points", 20, "")
		f.StringVar(&o.work, "work", "", "")
		dirs, err := parse(f, args[1:])
		if err != nil || len(dirs) != 1 || o.points < 2 {
			return misuse("faults wants one folder and at least two points", err)
		}
		o.corpora, o.only, o.tools = dirs[0], cmp.Or(*only, "small"), list(*tools)
		return faults(ctx, o, out, talk)
	case "report":
		files, err := parse(f, args[1:])
		if err != nil || len(files) == 0 {
			return misuse("report wants the files of a run", err)
		}
		return reportFiles(files, out)
	}
	return fmt.Errorf("%w: no verb %q", errUsage, args[0])
}

// misuse is what is wrong with a command line: what the flags say of it, else what the verb wants.
func misuse(wants string, err error) error {
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return fmt.Errorf("%w: %s", errUsage, wants)
}

// parse reads flags before, between and after the arguments, which it returns.
func parse(f *flag.FlagSet, args []string) ([]string, error) {
	var plain []string
	for {
		if err := f.Parse(args); err != nil {
			return nil, err
		}
		if f.NArg() == 0 {
			return plain, nil
		}
		plain, args = append(plain, f.Arg(0)), f.Args()[1:]
	}
}

// list splits "a,b"; nothing is no words.
func list(words string) []string {
	return slices.DeleteFunc(strings.Split(words, ","), func(w string) bool { return w == "" })
}
