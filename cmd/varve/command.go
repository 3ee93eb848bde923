package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"varve"
)

// env is what a verb knows of the world outside and of the flags that all verbs take. It is the only way
// from a verb to the environment, the clock, the terminal and the exit code.
type env struct {
	in       *os.File
	out      *bufio.Writer          // data
	talk     io.Writer              // everything else
	ask      bool                   // stdin and stdout are terminals: a question may be put
	live     bool                   // talk goes to a terminal: a line may be redrawn
	width    func() int             // of that terminal, in cells
	hidden   func() ([]byte, error) // reads a line of stdin that is not shown
	getenv   func(string) string
	now      func() time.Time
	goos     string
	home     string
	cwd      string
	host     string
	userName string
	boot     string
	pid      int
	root     bool // may set owners

	dir, vault, project            string
	s3File, s3Profile              string
	json, quiet, verbose, yes, dry bool
	parity                         int       // of a vault that is made
	kdf                            varve.KDF // what a new passphrase costs to try; zero: as much as is usual

	meter    *meter
	recalled bool   // something was remembered of the vault, and tried
	which    string // of two vaults, in questions
	locked   bool   // a vault that is made gets a passphrase, wherever it is
}

// system returns the env of this process.
func system() *env {
	e := &env{in: os.Stdin, out: newOut(os.Stdout), talk: os.Stderr, getenv: os.Getenv, now: time.Now, goos: runtime.GOOS, pid: os.Getpid(), root: os.Geteuid() == 0}
	e.ask = term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd()))
	e.live = term.IsTerminal(int(os.Stderr.Fd())) && os.Getenv("TERM") != "dumb"
	e.width = func() int {
		if w, _, err := term.GetSize(int(os.Stderr.Fd())); err == nil && w > 0 {
			return w
		}
		return 80
	}
	e.hidden = func() ([]byte, error) { return term.ReadPassword(int(os.Stdin.Fd())) }
	e.home, _ = os.UserHomeDir()
	e.cwd, _ = os.Getwd()
	e.host, _ = os.Hostname()
	if u, err := user.Current(); err == nil {
		e.userName = u.Username
	}
	if b, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		e.boot = strings.TrimSpace(string(b))
		// Process numbers mean something only in one container.
		if ns, err := os.Readlink("/proc/self/ns/pid"); err == nil {
			e.boot += " " + ns
		}
	}
	return e
}

func newOut(w io.Writer) *bufio.Writer { return bufio.NewWriterSize(w, 64<<10) }

// Exit codes. The table is also the help topic exit-codes.
const (
	exitFailed      = 1
	exitUsage       = 2
	exitPartial     = 3
	exitDifferences = 4
	exitNoVault     = 10
	exitBusy        = 11
	exitWrongKey    = 12
	exitNoSpace     = 13
	exitDamage      = 20
	exitInterrupted = 130
)

type exitCode struct {
	number        int
	word, meaning string
}

func exitCodes() []exitCode {
	return []exitCode{
		{0, "complete", "everything was done"},
		{exitFailed, "failed", "the verb failed; nothing counts as done"},
		{exitUsage, "usage", "the command line was not understood"},
		{exitPartial, "partial", "partly done: some files could not be read or written"},
		{exitDifferences, "differences", "there are differences, or something is worse (with --exit-code, and manifest --check); guard: a critical rule was violated"},
		{exitNoVault, "no_vault", "there is no vault there"},
		{exitBusy, "busy", "the vault is busy, or the session was fenced by a collection"},
		{exitWrongKey, "wrong_key", "the key or passphrase is wrong"},
		{exitNoSpace, "no_space", "there is no space left"},
		{exitDamage, "damage", "the vault is damaged"},
		{exitInterrupted, "interrupted", "interrupted by a signal"},
	}
}

// failure is an error that knows its exit code and what to type next. said means that the result which was
// printed already tells of it.
type failure struct {
	code int
	err  error
	hint string
	said bool
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// errSaid is the error of a failure whose result was printed.
var errSaid = errors.New("see the result")

// outcome ends a verb with an exit code after its result was printed.
func outcome(code int) error { return &failure{code: code, err: errSaid, said: true} }

func usage(hint, format string, args ...any) error {
	return &failure{code: exitUsage, err: fmt.Errorf(format, args...), hint: hint}
}

// hinted adds what to type next.
func hinted(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &failure{code: classify(err), err: err, hint: hint}
}

// classify returns the exit code of an error.
func classify(err error) int {
	var f *failure
	var partial *varve.PartialError
	switch {
	case errors.As(err, &f):
		return f.code
	case errors.Is(err, errInterrupted), errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, varve.ErrNoVault):
		return exitNoVault
	case errors.Is(err, varve.ErrFenced), errors.Is(err, varve.ErrBusy):
		return exitBusy
	case errors.Is(err, varve.ErrWrongKey):
		return exitWrongKey
	case noSpace(err):
		return exitNoSpace
	case errors.As(err, &partial):
		return exitPartial
	case errors.Is(err, varve.ErrDamaged), errors.Is(err, varve.ErrMissing), errors.Is(err, varve.ErrCorrupt), errors.Is(err, varve.ErrRolledBack):
		return exitDamage
	}
	return exitFailed
}

// advice returns what to type next after an error that brings no hint of its own.
func advice(err error) string {
	var unknown *varve.UnknownError
	var ambiguous *varve.AmbiguousError
	var path *fs.PathError
	switch {
	case errors.As(err, &unknown) && len(unknown.Near) == 1 && strings.Contains(unknown.Near[0], " is "):
		return unknown.Near[0] + "; varve log lists all"
	case errors.As(err, &unknown) && len(unknown.Near) > 0:
		return "there is " + strings.Join(unknown.Near, ", ") + "; varve log lists all"
	case errors.As(err, &unknown):
		return "varve log lists the snapshots of this project"
	case errors.As(err, &ambiguous):
		return "say which one by its id, as far as it is unique"
	case errors.Is(err, varve.ErrNoVault):
		return "varve snap makes one; --vault or VARVE_VAULT names another"
	case errors.Is(err, varve.ErrNotEmpty):
		return "name a folder for the vault alone; it is made if it is not there"
	case errors.Is(err, varve.ErrNewer):
		return "get a newer varve; this one is " + programVersion()
	case errors.Is(err, varve.ErrTyping):
		return "compare it with the kit, group by group; spaces, dashes and case do not matter"
	case errors.Is(err, varve.ErrWrongKey):
		return passwordHint
	case errors.Is(err, varve.ErrRolledBack):
		return "bring it back from another copy of the vault; varve status lists what is gone"
	case errors.Is(err, varve.ErrDamaged), errors.Is(err, varve.ErrMissing), errors.Is(err, varve.ErrCorrupt):
		return "varve verify --data says what is hit"
	case errors.Is(err, varve.ErrFenced):
		return "run it again"
	case errors.Is(err, varve.ErrBusy):
		return "wait until it has ended, and run it again"
	case errors.Is(err, varve.ErrNoSpace):
		return "free some space where the files are to go, or restore them elsewhere with --to DIR"
	case noSpace(err):
		return "free some space, or name a vault elsewhere with --vault"
	case errors.As(err, &path) && errors.Is(err, fs.ErrPermission):
		return "look at who may read and write it"
	}
	return ""
}

// execute runs a command line and returns the exit code.
func execute(ctx context.Context, e *env, args []string) int {
	root := newRoot(e)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	e.meter.clear()
	var told *failure
	if err != nil && ctx.Err() != nil && !(errors.As(err, &told) && told.said) {
		err = &failure{code: exitInterrupted, err: errInterrupted, hint: "what was kept before stays; run it again to go on"}
	}
	code := 0
	if err != nil {
		// A flag that is not understood ends the parsing: --json may stand behind it.
		e.json = e.json || slices.Contains(args, "--json")
		code = e.report(err)
	}
	if err := e.out.Flush(); err != nil && code == 0 {
		fmt.Fprintf(e.talk, "varve: write result: %v\n", err)
		return exitFailed
	}
	return code
}

type errorJSON struct {
	Schema  string `json:"schema"`
	Code    string `json:"code"`
	Message string `json:"message"`
	Hint    string `json:"hint"`
	Exit    int    `json:"exit"`
}

// report tells of an error and returns its exit code.
func (e *env) report(err error) int {
	code := classify(err)
	var f *failure
	hint := ""
	if errors.As(err, &f) {
		if f.said {
			return code
		}
		hint = f.hint
	}
	if hint == "" {
		hint = advice(err)
	}
	word := ""
	for _, c := range exitCodes() {
		if c.number == code {
			word = c.word
		}
	}
	if e.json {
		_ = e.emit(errorJSON{"varve.error/1", word, err.Error(), hint, code})
		return code
	}
	_ = e.out.Flush()
	fmt.Fprintf(e.talk, "varve: %s\n", lines(err.Error()))
	if hint != "" {
		fmt.Fprintf(e.talk, "  hint: %s\n", hint)
	}
	return code
}

// emit prints one object as a line of JSON.
func (e *env) emit(v any) error {
	enc := json.NewEncoder(e.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// printf prints data for people; nothing with --json.
func (e *env) printf(format string, args ...any) {
	if !e.json {
		fmt.Fprintf(e.out, format, args...)
	}
}

// say tells people something beside the data, unless they want quiet.
func (e *env) say(format string, args ...any) {
	if !e.quiet {
		e.tell(format, args...)
	}
}

// tell says what also those must know who want quiet.
func (e *env) tell(format string, args ...any) {
	e.meter.clear()
	_ = e.out.Flush() // on a terminal both come in order
	fmt.Fprintf(e.talk, format+"\n", args...)
}

// confirm asks before much is lost from sight. Without a terminal there is nobody to ask, and the caller
// said what it wants.
func (e *env) confirm(question string) error {
	if e.yes || !e.ask {
		return nil
	}
	e.meter.clear()
	fmt.Fprintf(e.talk, "%s? [y/N] ", question)
	line, err := bufio.NewReader(e.in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return fmt.Errorf("read the answer: %w", err)
	}
	if answer := strings.ToLower(strings.TrimSpace(line)); answer == "y" || answer == "yes" {
		return nil
	}
	return errors.New("not confirmed, nothing was changed")
}

// abs reads a path of the command line as if varve had been started in -C.
func (e *env) abs(p string) string {
	if p == "~" || strings.HasPrefix(p, "~/") {
		p = e.home + p[1:]
	}
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	if filepath.IsAbs(e.dir) {
		return filepath.Join(e.dir, p)
	}
	return filepath.Join(e.cwd, e.dir, p)
}

func newRoot(e *env) *cobra.Command {
	root := &cobra.Command{
		Use:   "varve",
		Short: "Keeps every state of a project and gives any of it back",
		Long: "varve keeps every state of a project and gives any of it back.\n\n" +
			"Start with: varve snap     (in any folder; nothing has to be set up)\n" +
			"Then:       varve log, varve diff, varve restore FILE@yesterday, varve undo",
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args:              cobra.ArbitraryArgs,
		PersistentPreRunE: func(*cobra.Command, []string) error { return e.checkFlags() },
		RunE:              group,
	}
	f := root.PersistentFlags()
	f.StringVarP(&e.dir, "dir", "C", "", "run as if started in `DIR`")
	f.StringVar(&e.vault, "vault", "", "the vault: a `PATH|URL` (or VARVE_VAULT)")
	f.StringVar(&e.s3File, "s3-credentials", "", "a `FILE` with the key of an S3 service (or the variables of Amazon's tools)")
	f.StringVar(&e.s3Profile, "s3-profile", "", "the section `NAME` of that file")
	f.StringVar(&e.project, "project", "", "a project by `NAME|ID`, without its folder")
	f.BoolVar(&e.json, "json", false, "print JSON lines")
	f.BoolVarP(&e.quiet, "quiet", "q", false, "only results and errors")
	f.BoolVarP(&e.verbose, "verbose", "v", false, "tell more")
	f.BoolVarP(&e.yes, "yes", "y", false, "answer every question with yes")
	_ = root.MarkPersistentFlagDirname("dir")
	root.SetFlagErrorFunc(flagError)
	root.SetOut(e.out)
	root.SetErr(e.talk)
	for _, g := range []struct{ id, title string }{{"keep", "Keep and give back:"}, {"look", "Look:"}, {"inside", "Look inside files:"}, {"experiment", "Guard, measure, compare, roll back:"}, {"name", "Name moments:"}, {"care", "Care for the vault:"}, {"self", "varve itself:"}} {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title})
	}
	root.SetHelpCommandGroupID("self")
	root.AddCommand(verbs(e)...)
	for _, c := range root.Commands() {
		strict(c)
	}
	return root
}

// group is what a command with subcommands does when it is called without one, or with a wrong one.
func group(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return cmd.Help()
	}
	hint := cmd.CommandPath() + " --help lists what there is"
	cmd.SuggestionsMinimumDistance = 2
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	if !cmd.HasParent() {
		return usage(hint, "unknown command %q", args[0])
	}
	return usage(hint, "%s: unknown command %q", cmd.Name(), args[0])
}

// strict makes groups refuse unknown subcommands, and counts of arguments errors of usage.
func strict(c *cobra.Command) {
	if c.HasSubCommands() && c.RunE == nil {
		c.RunE, c.Args = group, cobra.ArbitraryArgs
	}
	if check := c.Args; check != nil {
		c.Args = func(cmd *cobra.Command, args []string) error {
			if err := check(cmd, args); err != nil {
				return usage("usage: "+cmd.UseLine(), "%s: %w", title(cmd), err)
			}
			return nil
		}
	}
	for _, sub := range c.Commands() {
		strict(sub)
	}
}

// flagError says what flag may have been meant.
func flagError(cmd *cobra.Command, err error) error {
	hint := cmd.CommandPath() + " --help lists the flags"
	var missing *pflag.NotExistError
	if errors.As(err, &missing) {
		best := 3
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if d := distance(f.Name, missing.GetSpecifiedName()); d < best && !f.Hidden {
				best, hint = d, "did you mean --"+f.Name+"?"
			}
		})
	}
	return usage(hint, "%s: %w", title(cmd), err)
}

// title is a command's path without the program's name, with which an error begins anyway.
func title(c *cobra.Command) string {
	if !c.HasParent() {
		return "command line"
	}
	return strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
}

// distance is the number of letters to change, add or drop to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}

func (e *env) checkFlags() error {
	if e.quiet && e.verbose {
		return usage("", "--quiet and --verbose exclude each other")
	}
	if e.dir != "" {
		info, err := os.Stat(e.abs("."))
		if err != nil {
			return fmt.Errorf("-C %s: %w", e.dir, cause(err))
		}
		if !info.IsDir() {
			return usage("", "-C %s is not a folder", e.dir)
		}
	}
	return nil
}

// cause drops the path of an error whose message already says it.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// changing gives a command the flag --dry-run.
func (e *env) changing(c *cobra.Command) *cobra.Command {
	c.Flags().BoolVarP(&e.dry, "dry-run", "n", false, "only say what would be done")
	return c
}
