package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"varve"
	"varve/experiment/script"
)

func rollbackScriptVerb(e *env) *cobra.Command {
	var o scriptFlags
	c := &cobra.Command{
		Use: "rollback-script REF -o DIR", Short: "Make scripts that put a version back", GroupID: "experiment",
		Long: "Makes a folder with three programs that do the same: rollback.sh, rollback.ps1 and rollback.py. Without\n" +
			"--self-contained they are small, and have a varve whose SHA-256 they know restore the version out of the vault.\n" +
			"With it the version's files go with them, and neither varve nor the vault is needed.\n\n" +
			"All of them take --dry-run, --only PATH, --to DIR and --yes, and check what they read before they touch anything.",
		Example:           "  varve rollback-script v5 -o ../rollback-v5 --self-contained\n  varve rollback-script release-1 -o /mnt/usb/back --with-binary --binary windows/amd64=varve.exe",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: e.completeRefs,
		RunE:              func(cmd *cobra.Command, args []string) error { return e.rollbackScript(cmd.Context(), &o, args[0]) },
	}
	f := c.Flags()
	f.StringVarP(&o.dir, "output", "o", "", "the `DIR` to make, new or empty")
	f.BoolVar(&o.selfContained, "self-contained", false, "with all files of the version: needs neither varve nor the vault")
	f.StringVar(&o.to, "to", "", "the folder to put back, unless the script is told another: a `DIR`; else the project's")
	f.StringArrayVar(&o.binaries, "binary", nil, "another varve that may do it: `OS/ARCH=PATH`; repeatable")
	f.BoolVar(&o.withBinary, "with-binary", false, "copy this varve, and those of --binary, beside the scripts")
	_ = c.MarkFlagDirname("output")
	_ = c.MarkFlagDirname("to")
	return e.changing(c)
}

type scriptFlags struct {
	dir, to                   string
	selfContained, withBinary bool
	binaries                  []string
}

type rollbackScriptJSON struct {
	Schema        string   `json:"schema"`
	Version       int      `json:"version"`
	ID            string   `json:"id"`
	Dir           string   `json:"dir"`
	Files         int64    `json:"files"`
	Bytes         int64    `json:"bytes"` // of the folder
	SelfContained bool     `json:"self_contained"`
	Drivers       []string `json:"drivers"`
	SHA256        string   `json:"sha256"` // of the payload, or of the lock
	Skipped       []string `json:"skipped"`
	DryRun        bool     `json:"dry_run,omitempty"`
}

func (e *env) rollbackScript(ctx context.Context, f *scriptFlags, ref string) error {
	if f.dir == "" {
		return usage("add -o DIR", "rollback-script: no folder is named for the scripts")
	}
	if f.selfContained && (f.withBinary || len(f.binaries) > 0) {
		return usage("", "--self-contained needs no varve: it excludes --binary and --with-binary")
	}
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	s, err := e.resolve(p, ref)
	if err != nil {
		return err
	}
	o, err := e.scriptOptions(p, s, f)
	if err != nil {
		return err
	}
	if e.dry {
		if e.json {
			return e.emit(rollbackScriptJSON{"varve.rollback_script/1", s.Version, s.ID.String(), o.Dir, int64(s.Tree.Files), 0, o.SelfContained, []string{}, "", []string{}, true})
		}
		e.say("would make the rollback scripts of %s in %s", s.Ref(), name(o.Dir))
		return nil
	}
	r, err := script.Write(ctx, p.project, s, o)
	if err != nil {
		return err
	}
	if e.json {
		dir, _ := text(r.Dir)
		return e.emit(rollbackScriptJSON{"varve.rollback_script/1", s.Version, s.ID.String(), dir, r.Files, r.Bytes, r.SelfContained, r.Drivers, r.SHA256, texts(r.Skipped), false})
	}
	e.printf("%s  %s, %s of %s\n", name(r.Dir), size(r.Bytes), plural(r.Files, "file"), s.Ref())
	for _, at := range r.Skipped {
		e.say("varve: %s is neither file, folder nor link: it is not with them", name(at))
	}
	return nil
}

// scriptOptions are what a rollback script of a project needs to know of this machine.
func (e *env) scriptOptions(p *place, s *varve.Snapshot, f *scriptFlags) (script.Options, error) {
	o := script.Options{Dir: e.abs(f.dir), Target: p.root, SelfContained: f.selfContained, Vault: p.path, WithBinary: f.withBinary}
	if o.Target == "" && filepath.IsAbs(s.Path) {
		o.Target = s.Path
	}
	if f.to != "" {
		o.Target = e.abs(f.to)
	}
	if f.selfContained {
		return o, nil
	}
	self, err := os.Executable()
	if err != nil {
		return o, fmt.Errorf("find the program that runs: %w", err)
	}
	o.Binaries = []script.Binary{{System: runtime.GOOS + "/" + runtime.GOARCH, Path: self}}
	for _, arg := range f.binaries {
		system, path, ok := strings.Cut(arg, "=")
		if !ok || path == "" {
			return o, usage("say it as linux/amd64=PATH", "--binary %s names no file", arg)
		}
		o.Binaries = append(o.Binaries, script.Binary{System: system, Path: e.abs(path)})
	}
	return o, nil
}

// scriptFor makes the rollback scripts of a snapshot that got a name, where the project's settings want them. What is
// in .varve is never part of a snapshot.
func (e *env) scriptFor(ctx context.Context, p *place, s *varve.Snapshot, milestone string) error {
	kind, err := p.project.Setting("rollback.scripts")
	if err != nil || kind == "off" || p.root == "" {
		return err
	}
	folder := strings.Map(func(r rune) rune {
		if r <= ' ' || strings.ContainsRune(`/\:*?"<>|`, r) {
			return '_'
		}
		return r
	}, strings.TrimLeft(milestone, "."))
	dir := filepath.Join(p.root, dotVarve, "rollback", folder)
	if exists(dir) { // of a milestone that once had the name
		dir += "-" + s.Ref()
	}
	o, err := e.scriptOptions(p, s, &scriptFlags{dir: dir, selfContained: kind == "self-contained"})
	if err == nil {
		_, err = script.Write(ctx, p.project, s, o)
	}
	if err != nil {
		return hinted(fmt.Errorf("%s is the milestone %s, but has no scripts: %w", s.Ref(), milestone, err), "varve rollback-script "+s.Ref()+" -o DIR makes them; varve config set rollback.scripts off ends this")
	}
	e.say("its rollback scripts are in %s", name(dir))
	return nil
}
