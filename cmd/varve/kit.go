package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/disk"
	"varve/internal/kit"
)

func keyKit(e *env) *cobra.Command {
	var dir, label string
	c := &cobra.Command{Use: "kit", Short: "Make a recovery kit: a sheet that opens the vault", Args: cobra.NoArgs,
		Long: "Adds a recovery key to the vault and writes it, with what else is needed to open the vault, as text and as a\n" +
			"picture with a QR code. Print one of them and remove both. The recovery key is accepted wherever a\n" +
			"passphrase is, until varve key rm removes it.",
		RunE: func(cmd *cobra.Command, _ []string) error { return e.kit(cmd.Context(), dir, label) }}
	c.Flags().StringVarP(&dir, "output", "o", ".", "the `DIR` to write to")
	c.Flags().StringVar(&label, "label", "", "a `TEXT` that says whose it is")
	_ = c.MarkFlagDirname("output")
	return e.changing(c)
}

type kitJSON struct {
	Schema string   `json:"schema"`
	ID     string   `json:"id"`
	Vault  string   `json:"vault"`
	Files  []string `json:"files"`
	DryRun bool     `json:"dry_run,omitempty"`
}

func (e *env) kit(ctx context.Context, dir, label string) error {
	place, _, err := e.vaultPath()
	if err != nil {
		return err
	}
	dir = e.abs(dir)
	if within(place, dir) {
		return usage("name another place with -o DIR", "a recovery kit in the vault that it opens")
	}
	v, _, err := e.openVault(ctx, false)
	if err != nil {
		return err
	}
	j := kitJSON{Schema: "varve.kit/1", Vault: v.ID(), Files: []string{}, DryRun: e.dry}
	if !e.dry {
		d, err := disk.Create(dir)
		if err != nil {
			return fmt.Errorf("recovery kit: %w", err)
		}
		defer d.Close()
		k, stem, err := e.makeKit(ctx, v, place, d, label)
		if err != nil {
			return fmt.Errorf("recovery kit: %w", err)
		}
		j.ID, j.Files = k.ID, []string{filepath.Join(dir, stem+".txt"), filepath.Join(dir, stem+".png")}
	}
	if e.json {
		return e.emit(j)
	}
	if e.dry {
		e.printf("would add a recovery key and write it to %s\n", name(dir))
		return nil
	}
	for _, f := range j.Files {
		e.printf("%s\n", name(f))
	}
	e.say("print one of them and remove both: whoever has one and the vault can read everything that is kept")
	if root, ok := e.projectRoot(); ok && within(root, dir) {
		e.say("they are in the project's folder: the next snapshot would keep them")
	}
	if v.Info().KeyStored {
		e.say("the vault opens without it as well: its key is stored with the data (varve key protect)")
	}
	return nil
}

// makeKit adds the key first: a sheet that opens nothing is worse than none. Where the sheet cannot be
// written, the key is taken back.
func (e *env) makeKit(ctx context.Context, v *varve.Vault, place string, d disk.Dir, label string) (k varve.Key, stem string, err error) {
	k, recovery, err := v.AddRecovery(ctx, label)
	if err != nil {
		return k, "", err
	}
	sheet := kit.Kit{Key: recovery.Lines(), ID: k.ID[:12], Vault: v.ID(), Place: name(place), Host: name(e.host), Made: k.Created}
	stem = "varve-recovery-" + v.ID()[:8] + "-" + k.ID[:8]
	if err = writeKit(d, sheet, stem); err != nil {
		if rerr := v.RemoveKey(context.WithoutCancel(ctx), k.ID); rerr != nil {
			err = errors.Join(err, fmt.Errorf("and its key could not be taken back: varve key rm %s: %w", k.ID[:12], rerr))
		}
	}
	return k, stem, err
}

// writeKit writes both forms, or none.
func writeKit(d disk.Dir, sheet kit.Kit, stem string) error {
	picture, err := sheet.PNG()
	if err != nil {
		return err
	}
	if err := disk.CreateWhole(d, stem+".txt", 0o600, []byte(sheet.Text())); err != nil {
		return err
	}
	err = disk.CreateWhole(d, stem+".png", 0o600, picture)
	if err == nil {
		err = d.Sync()
	}
	if err != nil {
		_ = d.Remove(stem + ".txt") // the first error is the one to tell
	}
	return err
}

// within reports whether path is dir or below it.
func within(dir, path string) bool {
	real := func(p string) string {
		if r, err := filepath.EvalSymlinks(p); err == nil {
			return r
		}
		return p
	}
	rel, err := filepath.Rel(real(dir), real(path))
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(os.PathSeparator))
}
