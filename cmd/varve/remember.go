package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"
	"github.com/zalando/go-keyring"

	"varve"
	"varve/internal/disk"
)

// What is remembered of a vault is Vault.KeyToken, never the passphrase: in the keyring of the system, or, where
// there is none, in a file that only its owner may read.

const (
	keyringService  = "varve"
	keyringPatience = 15 * time.Second // a keyring may ask its owner to unlock it
)

var errNoKeyring = errors.New("there is no keyring")

// configDir is where programs of this user keep settings.
func (e *env) configDir() string {
	switch e.goos {
	case "windows":
		if d := e.getenv("APPDATA"); d != "" {
			return filepath.Join(d, "varve")
		}
		return filepath.Join(e.home, "AppData", "Roaming", "varve")
	case "darwin":
		return filepath.Join(e.home, "Library", "Application Support", "varve")
	}
	if d := e.getenv("XDG_CONFIG_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "varve")
	}
	return filepath.Join(e.home, ".config", "varve")
}

func (e *env) tokenFile(vault string) string { return filepath.Join(e.configDir(), "keys", vault) }

// ring calls a keyring, if there is one and it answers in time.
func (e *env) ring(call func() error) error {
	if e.getenv("VARVE_KEYRING") == "off" || e.goos == "linux" && !e.hasBus() {
		return errNoKeyring
	}
	done := make(chan error, 1)
	go func() { done <- call() }()
	timeout := time.NewTimer(keyringPatience)
	defer timeout.Stop()
	select {
	case err := <-done:
		return err
	case <-timeout.C:
		return fmt.Errorf("%w that answers", errNoKeyring)
	}
}

// hasBus reports whether a session has a message bus. Without one the library would start a bus of its own, in
// which nobody keeps anything.
func (e *env) hasBus() bool {
	if e.getenv("DBUS_SESSION_BUS_ADDRESS") != "" {
		return true
	}
	dir := e.getenv("XDG_RUNTIME_DIR")
	return dir != "" && exists(filepath.Join(dir, "bus"))
}

// recall returns what is remembered of a vault, or nil. A passphrase that the environment names goes before it.
func (e *env) recall(vault string) []byte {
	if _, ok, _ := e.named(varPassword); ok {
		return nil
	}
	token, _ := e.remembered(vault)
	e.recalled = token != nil
	return token
}

// remembered returns what is remembered of a vault, and where.
func (e *env) remembered(vault string) (token []byte, where string) {
	var text string
	err := e.ring(func() (err error) { text, err = keyring.Get(keyringService, vault); return err })
	if err == nil {
		if token, err := base64.StdEncoding.DecodeString(text); err == nil {
			return token, "keyring"
		}
	}
	path := e.tokenFile(vault)
	info, err := os.Lstat(path)
	if err != nil {
		return nil, ""
	}
	if !info.Mode().IsRegular() || !private(info.Mode()) {
		e.say("varve: warning: %s is not used, for others may read it: chmod 600", name(path))
		return nil, ""
	}
	b, err := readSecret(path)
	if err != nil {
		return nil, ""
	}
	token, err = base64.StdEncoding.DecodeString(string(b))
	if err != nil {
		return nil, ""
	}
	return token, path
}

// remember keeps a token, and says where.
func (e *env) remember(vault string, token []byte) (where string, err error) {
	text := base64.StdEncoding.EncodeToString(token)
	err = e.ring(func() error { return keyring.Set(keyringService, vault, text) })
	if err == nil {
		_, err = e.dropFile(vault) // what it held would be of another slot
		return "keyring", err
	}
	if e.verbose && !errors.Is(err, errNoKeyring) {
		e.say("keyring: %v", err)
	}
	path := e.tokenFile(vault)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	d, err := disk.Open(filepath.Dir(path))
	if err != nil {
		return "", err
	}
	defer d.Close()
	return path, disk.WriteWhole(d, vault, 0o600, []byte(text+"\n"))
}

// drop forgets what is remembered of a vault, and reports whether there was anything. A keyring that cannot be
// opened cannot be recalled from either; that it may hold something is an error only where nothing else was.
func (e *env) drop(vault string) (bool, error) {
	was, err := e.dropFile(vault)
	if err != nil {
		return was, err
	}
	err = e.ring(func() error { return keyring.Delete(keyringService, vault) })
	switch {
	case err == nil:
		return true, nil
	case was, errors.Is(err, keyring.ErrNotFound), errors.Is(err, errNoKeyring):
		return was, nil
	}
	return false, fmt.Errorf("keyring: %w", err)
}

func (e *env) dropFile(vault string) (bool, error) {
	err := os.Remove(e.tokenFile(vault))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

func keyRemember(e *env) *cobra.Command {
	return e.changing(&cobra.Command{Use: "remember", Short: "Open the vault without its passphrase on this machine", Args: cobra.NoArgs,
		Long: "Keeps, in the keyring of the system, what opens the vault as long as the key that it was opened with is\n" +
			"there; not the passphrase. Where there is no keyring, or VARVE_KEYRING is off, a file keeps it that only you\n" +
			"may read.",
		RunE: func(cmd *cobra.Command, _ []string) error { return e.rememberKey(cmd.Context()) }})
}

func keyForget(e *env) *cobra.Command {
	return e.changing(&cobra.Command{Use: "forget", Short: "End that", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.forgetKey(cmd.Context()) }})
}

type rememberedJSON struct {
	Schema     string `json:"schema"`
	Vault      string `json:"vault"`
	Remembered bool   `json:"remembered"`
	Place      string `json:"place"`
	DryRun     bool   `json:"dry_run,omitempty"`
}

func (e *env) rememberKey(ctx context.Context) error {
	v, _, err := e.openVault(ctx, false)
	if err != nil {
		return err
	}
	return e.rememberVault(v)
}

// rememberVault keeps what opened v.
func (e *env) rememberVault(v *varve.Vault) error {
	token := v.KeyToken()
	if token == nil {
		return usage("varve key protect gives it a passphrase", "the vault opens without a passphrase: there is nothing to remember")
	}
	where := "keyring"
	var err error
	if !e.dry {
		if where, err = e.remember(v.ID(), token); err != nil {
			return fmt.Errorf("remember the key: %w", err)
		}
	}
	if e.json {
		return e.emit(rememberedJSON{"varve.remembered/1", v.ID(), true, where, e.dry})
	}
	e.printf("remembered: %s; varve key forget ends that\n", name(where))
	return nil
}

func (e *env) forgetKey(ctx context.Context) error {
	v, _, err := e.openVault(ctx, false)
	if err != nil {
		return err
	}
	_, where := e.remembered(v.ID())
	was := where != ""
	if !e.dry {
		if was, err = e.drop(v.ID()); err != nil {
			return fmt.Errorf("forget the key: %w", err)
		}
	}
	if e.json {
		return e.emit(rememberedJSON{"varve.remembered/1", v.ID(), false, where, e.dry})
	}
	if was {
		e.printf("forgotten: %s\n", name(where))
	} else {
		e.printf("nothing was remembered\n")
	}
	return nil
}
