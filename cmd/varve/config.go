package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"varve"
)

func configVerb(e *env) *cobra.Command {
	c := &cobra.Command{Use: "config", Short: "Look at and change the settings of the project", GroupID: "self"}
	c.AddCommand(
		&cobra.Command{Use: "ls", Short: "List the settings", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return e.config(cmd.Context(), "") }},
		&cobra.Command{Use: "get NAME", Short: "Print a setting", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return e.config(cmd.Context(), args[0]) }},
		e.changing(&cobra.Command{Use: "set NAME VALUE", Short: "Change a setting; an empty value brings back the default", Args: cobra.ExactArgs(2),
			RunE: func(cmd *cobra.Command, args []string) error { return e.set(cmd.Context(), args[0], args[1]) }}))
	return c
}

type settingJSON struct {
	Schema  string `json:"schema"`
	Name    string `json:"name"`
	Value   string `json:"value"`
	Default string `json:"default"`
	Help    string `json:"help"`
}

// config prints the settings, or one.
func (e *env) config(ctx context.Context, only string) error {
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	if only != "" {
		if _, err := setting(p, only); err != nil {
			return err
		}
	}
	for _, s := range p.project.Settings() {
		switch {
		case only != "" && s.Name != only:
		case e.json:
			if err := e.emit(settingJSON{"varve.setting/1", s.Name, s.Value, s.Default, s.Help}); err != nil {
				return err
			}
		case only != "":
			e.printf("%s\n", name(s.Value))
		default:
			e.printf("%-18s = %s\n", s.Name, name(s.Value))
			if e.verbose {
				e.printf("    %s\n", s.Help)
			}
		}
	}
	return nil
}

// setting finds a setting by its name.
func setting(p *place, which string) (varve.Setting, error) {
	var names []string
	for _, s := range p.project.Settings() {
		if s.Name == which {
			return s, nil
		}
		names = append(names, s.Name)
	}
	return varve.Setting{}, usage("there are "+strings.Join(names, ", "), "config: unknown setting %q", which)
}

func (e *env) set(ctx context.Context, which, value string) error {
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	old, err := setting(p, which)
	if err != nil {
		return err
	}
	if e.dry {
		e.say("would change %s from %q to %q", which, old.Value, value)
	} else if err := p.project.Set(ctx, which, value); err != nil {
		return hinted(fmt.Errorf("config: %w", err), old.Help)
	}
	return e.config(ctx, which)
}
