package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"varve"
)

func keyVerb(e *env) *cobra.Command {
	c := &cobra.Command{Use: "key", Short: "The keys that open the vault", GroupID: "care",
		Long: "The keys that open the vault: stored with its data, as in a new local one; passphrases; recovery keys.\n" +
			"Each alone opens it, and none of them touches what is kept.\n\n" +
			"A passphrase is taken from VARVE_PASSWORD, the file that VARVE_PASSWORD_FILE names, or what the command\n" +
			"VARVE_PASSWORD_COMMAND prints; else from what `varve key remember` remembers; else it is asked for in a\n" +
			"terminal. A new one comes from VARVE_NEW_PASSWORD, VARVE_NEW_PASSWORD_FILE, VARVE_NEW_PASSWORD_COMMAND, or\n" +
			"is asked for twice. A command is split into words at blanks, with '…', \"…\" and \\ as in a shell; nothing else\n" +
			"of a shell is there."}
	c.AddCommand(keyProtect(e), keyAdd(e), keyKit(e), keyRemember(e), keyForget(e),
		&cobra.Command{Use: "ls", Short: "List the keys", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return e.keys(cmd.Context()) }},
		e.changing(&cobra.Command{Use: "rm ID", Short: "Remove a key, so that it opens the vault no longer", Args: cobra.ExactArgs(1),
			RunE: func(cmd *cobra.Command, args []string) error { return e.removeKey(cmd.Context(), args[0]) }}))
	return c
}

func keyProtect(e *env) *cobra.Command {
	var label string
	var remember bool
	c := &cobra.Command{Use: "protect", Short: "Make the vault open with a passphrase; again: change it", Args: cobra.NoArgs,
		Long: "Adds a passphrase, sees that it opens the vault, and then removes the key that is stored with the data, or\n" +
			"the passphrase that was used. What is kept is not touched. A copy of the vault that was made before still\n" +
			"has its old key.",
		RunE: func(cmd *cobra.Command, _ []string) error { return e.protect(cmd.Context(), label, remember) }}
	c.Flags().BoolVar(&remember, "remember", false, "as varve key remember does")
	c.Flags().StringVar(&label, "label", "", "a `TEXT` that says whose it is")
	return e.changing(c)
}

func keyAdd(e *env) *cobra.Command {
	var label string
	c := &cobra.Command{Use: "add", Short: "Add a passphrase beside those there are", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.addKey(cmd.Context(), label) }}
	c.Flags().StringVar(&label, "label", "", "a `TEXT` that says whose it is")
	return e.changing(c)
}

type keyJSON struct {
	Schema  string `json:"schema"`
	ID      string `json:"id"`
	Kind    string `json:"kind"`
	Label   string `json:"label"`
	Created string `json:"created"`
	Used    bool   `json:"used"`
	Error   string `json:"error"`
	Change  string `json:"change"`
	DryRun  bool   `json:"dry_run,omitempty"`
}

// kinds are the names of kinds of keys for people.
func kindName(kind string) string {
	switch kind {
	case varve.KeyStored:
		return "stored with the data"
	case varve.KeyRecovery:
		return "recovery kit"
	case "":
		return "no key"
	}
	return kind
}

func (e *env) printKey(k varve.Key, change string) error {
	problem := ""
	if k.Err != nil {
		problem = k.Err.Error()
	}
	if e.json {
		label, _ := text(k.Label)
		return e.emit(keyJSON{"varve.key/1", k.ID, k.Kind, label, rfc(k.Created), k.Used, problem, change, e.dry})
	}
	id := k.ID
	if len(id) > 12 {
		id = id[:12]
	}
	line := fmt.Sprintf("%-12s  %-20s  %-16s", id, kindName(k.Kind), age(k.Created, e.now()))
	for _, part := range []string{change, name(k.Label), lines(problem)} {
		if part != "" {
			line += "  " + part
		}
	}
	if k.Used && change == "" {
		line += "  (in use)"
	}
	e.printf("%s\n", line)
	return nil
}

func (e *env) keys(ctx context.Context) error {
	v, _, err := e.openVault(ctx, false)
	if err != nil {
		return err
	}
	keys, err := v.Keys(ctx)
	if err != nil {
		return err
	}
	for _, k := range keys {
		if err := e.printKey(k, ""); err != nil {
			return err
		}
	}
	return nil
}

func (e *env) protect(ctx context.Context, label string, remember bool) error {
	v, _, err := e.openVault(ctx, false)
	if err != nil {
		return err
	}
	before, err := v.Keys(ctx)
	if err != nil {
		return err
	}
	stored := v.Info().KeyStored
	if e.dry {
		for _, k := range before {
			if k.Kind == varve.KeyStored || k.Used && k.Kind == varve.KeyPassphrase {
				if err := e.printKey(k, "removed"); err != nil {
					return err
				}
			}
		}
		return nil
	}
	p, err := e.newPassphrase(stored)
	if err != nil {
		return err
	}
	k, removed, err := v.Protect(ctx, p, label)
	if err != nil {
		return fmt.Errorf("protect the vault: %w", err)
	}
	for _, old := range removed {
		if err := e.printKey(old, "removed"); err != nil {
			return err
		}
	}
	if err := e.printKey(k, "added"); err != nil {
		return err
	}
	if remember = remember || e.recalled; remember {
		// What was remembered was of the key that is gone.
		if err := e.rememberVault(v); err != nil {
			return err
		}
	}
	for _, left := range before {
		if !stored && len(removed) == 0 && left.Kind == varve.KeyPassphrase {
			e.say("the passphrase of key %s still opens the vault: varve key rm ends that", left.ID[:12])
		}
	}
	if stored {
		e.say("a copy of the vault that was made before can be opened with its old key")
	}
	for _, left := range before {
		if left.Kind == varve.KeyRecovery && left.Err == nil {
			return nil
		}
	}
	e.say("who forgets the passphrase loses everything: varve key kit makes a recovery kit")
	return nil
}

func (e *env) addKey(ctx context.Context, label string) error {
	v, _, err := e.openVault(ctx, false)
	if err != nil {
		return err
	}
	k := varve.Key{Kind: varve.KeyPassphrase, Label: label, Created: e.now()}
	if !e.dry {
		p, err := e.newPassphrase(v.Info().KeyStored)
		if err != nil {
			return err
		}
		if k, err = v.AddPassphrase(ctx, p, label); err != nil {
			return fmt.Errorf("add a passphrase: %w", err)
		}
	}
	if err := e.printKey(k, "added"); err != nil {
		return err
	}
	if v.Info().KeyStored {
		e.say("the vault still opens without it: varve key protect removes the key that is stored with the data")
	}
	return nil
}

func (e *env) removeKey(ctx context.Context, id string) error {
	v, _, err := e.openVault(ctx, false)
	if err != nil {
		return err
	}
	k, err := v.Key(ctx, id)
	if errors.Is(err, fs.ErrNotExist) {
		return hinted(err, "varve key ls lists the keys; four digits of an id are enough")
	}
	if err != nil {
		return err
	}
	if e.dry {
		return e.printKey(k, "removed")
	}
	if k.Used {
		// It may be the only secret that anybody knows, so that nobody to ask is not a yes here.
		if !e.yes && !e.ask {
			return usage("say --yes if the secret of another key is known", "key %s is the one that the vault was opened with", k.ID[:12])
		}
		if err := e.confirm("remove the key that the vault was opened with"); err != nil {
			return err
		}
	}
	err = v.RemoveKey(ctx, k.ID)
	if errors.Is(err, varve.ErrLastKey) {
		return hinted(fmt.Errorf("key %s: %w", k.ID, err), "varve key protect changes the passphrase; varve key add adds another")
	}
	if err != nil {
		return err
	}
	return e.printKey(k, "removed")
}
