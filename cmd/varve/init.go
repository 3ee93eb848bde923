package main

import (
	"context"
	"errors"
	"path/filepath"

	"github.com/spf13/cobra"

	"varve"
)

func initVerb(e *env) *cobra.Command {
	var here bool
	c := &cobra.Command{
		Use: "init [--here]", Short: "Make a vault (snap does it by itself)", GroupID: "care",
		Long: "Makes the vault where there is none: the user's own, the one that --vault names, or with --here one in\n" +
			".varve/vault of this folder, for a project that carries its history with it.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.init(cmd.Context(), here) },
	}
	c.Flags().BoolVar(&here, "here", false, "in this folder")
	c.Flags().IntVar(&e.parity, "parity", 0, "`N` columns of parity in each pack, 0 to 16: bad sectors are repaired, for 0.8 % each")
	return e.changing(c)
}

func (e *env) init(ctx context.Context, here bool) error {
	if e.parity < 0 || e.parity > 16 {
		return usage("each column costs 0.8 % and lets a pack lose as much; 2 is a good number", "--parity %d: want 0 to 16", e.parity)
	}
	if here {
		if e.vault != "" {
			return usage("", "--here and --vault exclude each other")
		}
		root, _ := e.projectRoot()
		e.vault = filepath.Join(root, dotVarve, "vault")
	}
	path, _, err := e.vaultPath()
	if err != nil {
		return err
	}
	p := &place{path: path}
	if e.dry {
		p.vault, _, err = e.openVault(ctx, false)
		if errors.Is(err, varve.ErrNoVault) {
			if e.json {
				return e.emit(vaultJSON{Schema: "varve.vault/1", Path: path, Made: true})
			}
			e.printf("would make the vault %s\n", name(path))
			return nil
		}
	} else {
		p.vault, p.made, err = e.openVault(ctx, true)
	}
	if err != nil {
		return err
	}
	if e.json {
		j, err := p.vaultJSON(ctx)
		if err != nil {
			return err
		}
		j.Schema = "varve.vault/1"
		return e.emit(j)
	}
	if p.made {
		e.printf("made the vault %s\n", name(path))
	} else {
		e.printf("the vault is there: %s\n", name(path))
	}
	if why := p.vault.Info().ReducedSafety; why != "" {
		e.say("reduced safety: %s", why)
	}
	return nil
}
