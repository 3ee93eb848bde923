package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"varve/experiment/hook"
)

func hookVerb(e *env) *cobra.Command {
	c := &cobra.Command{Use: "hook", Short: "Have git and a CI take snapshots by themselves", GroupID: "experiment"}
	var o hook.Options
	install := &cobra.Command{
		Use: "install git [--on EVENT,…]", Short: "Write hooks of git that take a snapshot",
		Long: "Writes hooks that take a snapshot before git changes something. A hook that is there is kept beside it and\n" +
			"still called. That varve fails does not stop git, unless --strict is given.\n\nEvents: " + strings.Join(hook.Events(), ", ") + ".",
		Example: "  varve hook install git\n  varve hook install git --on pre-commit,pre-rebase,post-checkout --strict",
		Args:    cobra.ExactArgs(1), ValidArgs: []string{"git"},
		RunE: func(cmd *cobra.Command, args []string) error { return e.hookInstall(cmd.Context(), args[0], o) },
	}
	f := install.Flags()
	f.StringSliceVar(&o.Events, "on", hook.Usual(), "the events, `EVENT,…`")
	f.BoolVar(&o.Strict, "strict", false, "a snapshot that fails stops git")
	f.BoolVar(&o.Shared, "shared", false, "also where the hooks are those of all your repositories (core.hooksPath)")
	complete(install, "on", hook.Events())
	c.AddCommand(e.changing(install),
		e.changing(&cobra.Command{Use: "uninstall git", Short: "Take them away, and bring back what was there", Args: cobra.ExactArgs(1), ValidArgs: []string{"git"},
			RunE: func(cmd *cobra.Command, args []string) error { return e.hookUninstall(cmd.Context(), args[0]) }}),
		&cobra.Command{Use: "ls", Short: "List the hooks of varve here", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return e.hooks(cmd.Context()) }},
		hookPrint(e))
	return c
}

func hookPrint(e *env) *cobra.Command {
	var system string
	c := &cobra.Command{
		Use: "print ci [--system NAME]", Short: "Print a step for a CI: a snapshot, and a guarded command",
		Args: cobra.ExactArgs(1), ValidArgs: []string{"ci"},
		RunE: func(_ *cobra.Command, args []string) error {
			if args[0] != "ci" {
				return usage("varve hook print ci", "hook print: %q is not known", args[0])
			}
			step, err := hook.Step(system)
			if err != nil {
				return usage("", "hook print: %w", err)
			}
			if e.json {
				return e.emit(struct {
					Schema string `json:"schema"`
					System string `json:"system"`
					Text   string `json:"text"`
				}{"varve.hook_step/1", system, step})
			}
			e.printf("%s", step)
			return nil
		},
	}
	c.Flags().StringVar(&system, "system", "github", "the CI `NAME`: "+strings.Join(hook.Systems(), ", "))
	complete(c, "system", hook.Systems())
	return c
}

type hookJSON struct {
	Schema  string `json:"schema"`
	Event   string `json:"event"`
	Path    string `json:"path"`
	Chained bool   `json:"chained"`
	Strict  bool   `json:"strict"`
	Changed bool   `json:"changed"`
	DryRun  bool   `json:"dry_run,omitempty"`
}

func ofGit(verb, what string) error {
	if what != "git" {
		return usage("varve hook "+verb+" git", "hook %s: hooks of %q are not known", verb, what)
	}
	return nil
}

func (e *env) hookInstall(ctx context.Context, what string, o hook.Options) error {
	if err := ofGit("install", what); err != nil {
		return err
	}
	for _, event := range o.Events {
		if !slices.Contains(hook.Events(), event) {
			return usage("there are "+strings.Join(hook.Events(), ", "), "hook install: event %q is unknown", event)
		}
	}
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find the program that runs: %w", err)
	}
	o.Program, o.DryRun = self, e.dry
	if e.vault != "" {
		if o.Vault, _, err = e.vaultPath(); err != nil {
			return err
		}
	}
	if root, ok := e.projectRoot(); ok {
		o.Project = root
	}
	list, err := hook.Install(ctx, e.abs("."), o)
	for _, h := range list {
		word := "hook"
		if e.dry {
			word = "would write hook"
		}
		if err := e.tellHook(word, h); err != nil {
			return err
		}
	}
	return hinted(err, "varve hook ls lists what is there; --shared takes a folder of hooks that is shared")
}

func (e *env) hookUninstall(ctx context.Context, what string) error {
	if err := ofGit("uninstall", what); err != nil {
		return err
	}
	list, err := hook.Uninstall(ctx, e.abs("."), e.dry)
	for _, h := range list {
		word := "removed hook"
		if e.dry {
			word = "would remove hook"
		}
		if err := e.tellHook(word, h); err != nil {
			return err
		}
	}
	if len(list) == 0 && err == nil {
		e.say("there are no hooks of varve here")
	}
	return err
}

func (e *env) hooks(ctx context.Context) error {
	list, err := hook.List(ctx, e.abs("."))
	if err != nil {
		return err
	}
	for _, h := range list {
		if err := e.tellHook("hook", h); err != nil {
			return err
		}
	}
	if len(list) == 0 {
		e.say("there are no hooks of varve here: varve hook install git")
	}
	return nil
}

func (e *env) tellHook(word string, h hook.Hook) error {
	if e.json {
		path, _ := text(filepath.ToSlash(h.Path))
		return e.emit(hookJSON{"varve.hook/1", h.Event, path, h.Chained, h.Strict, h.Changed, e.dry})
	}
	notes := ""
	if h.Chained {
		notes += ", then the one that was there"
	}
	if h.Strict {
		notes += ", strict"
	}
	if h.Changed {
		notes += ", changed by hand"
	}
	e.printf("%s %s: a snapshot%s  (%s)\n", word, h.Event, notes, name(h.Path))
	return nil
}
