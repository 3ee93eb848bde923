package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"

	"varve"
)

// The variables that a passphrase comes from. NAME holds it, NAME_FILE names a file that does, NAME_COMMAND is
// a command that prints it: the first that is set counts.
const (
	varPassword    = "VARVE_PASSWORD"
	varNewPassword = "VARVE_NEW_PASSWORD"
)

const maxSecret = 64 << 10 // bytes

// passphrase returns what opens a vault whose key is not stored with the data: a passphrase or a recovery key.
func (e *env) passphrase() ([]byte, error) {
	if p, ok, err := e.given(varPassword); ok || err != nil {
		return p, err
	}
	if !e.ask {
		if e.recalled {
			return nil, hinted(fmt.Errorf("what is remembered of the vault opens it no longer: %w", varve.ErrWrongKey), passwordHint+"; then varve key remember")
		}
		return nil, hinted(fmt.Errorf("the vault needs its passphrase: %w", varve.ErrWrongKey), passwordHint)
	}
	return e.prompt("passphrase of the vault" + e.which + ", or its recovery key: ")
}

const passwordHint = "set VARVE_PASSWORD, VARVE_PASSWORD_FILE or VARVE_PASSWORD_COMMAND, or run in a terminal to be asked; the key of a recovery kit is as good"

// newPassphrase returns a passphrase that is to open a vault from now on. With plain the variables of those in
// use count too, for no other is in use.
func (e *env) newPassphrase(plain bool) ([]byte, error) {
	sources := []string{varNewPassword}
	if plain {
		sources = append(sources, varPassword)
	}
	for _, name := range sources {
		if p, ok, err := e.given(name); ok || err != nil {
			return p, err
		}
	}
	if !e.ask {
		return nil, usage("set "+varNewPassword+", "+varNewPassword+"_FILE or "+varNewPassword+"_COMMAND, or run in a terminal to be asked", "a new passphrase is needed")
	}
	first, err := e.prompt("new passphrase" + ofVault(e.which) + ": ")
	if err != nil {
		return nil, err
	}
	if len(first) == 0 {
		return nil, errors.New("an empty passphrase opens nothing; nothing was changed")
	}
	again, err := e.prompt("once more: ")
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(first, again) {
		return nil, errors.New("the two passphrases differ; nothing was changed")
	}
	return first, nil
}

// passphraseForNew returns the passphrase of a vault that is made where others may read: its key must not lie
// beside the data. It is what Options.NewPassphrase is for.
func (e *env) passphraseForNew(place string) ([]byte, error) {
	p, err := e.newPassphrase(true)
	var f *failure
	if errors.As(err, &f) && f.code == exitUsage {
		return nil, usage("set VARVE_PASSWORD, VARVE_PASSWORD_FILE or VARVE_PASSWORD_COMMAND, or run in a terminal to be asked",
			"make the vault %s: it needs a passphrase, for its key does not lie with the data there", name(place))
	}
	return p, err
}

func ofVault(which string) string {
	if which == "" {
		return ""
	}
	return " of the vault" + which
}

func (e *env) prompt(text string) ([]byte, error) {
	e.meter.clear()
	fmt.Fprint(e.talk, text)
	defer fmt.Fprintln(e.talk)
	p, err := e.hidden()
	if err != nil {
		return nil, fmt.Errorf("read the passphrase: %w", err)
	}
	return p, nil
}

// named returns the variable that a passphrase comes from, and what it says.
func (e *env) named(variable string) (source string, ok bool, value string) {
	for _, suffix := range []string{"", "_FILE", "_COMMAND"} {
		if v := e.getenv(variable + suffix); v != "" {
			return variable + suffix, true, v
		}
	}
	return "", false, ""
}

// given returns the passphrase that the environment names; ok is false if it names none.
func (e *env) given(variable string) (p []byte, ok bool, err error) {
	source, ok, value := e.named(variable)
	switch {
	case !ok:
		return nil, false, nil
	case source == variable:
		return []byte(value), true, nil
	case source == variable+"_FILE":
		p, err = readSecret(e.abs(value))
	default:
		p, err = e.runForSecret(value)
	}
	if err == nil && len(p) == 0 {
		err = errors.New("it gives an empty passphrase")
	}
	if err != nil {
		return nil, true, hinted(fmt.Errorf("%s: %w", source, err), "it is set, so nothing else was tried")
	}
	return p, true, nil
}

func readSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	return oneLine(b), err
}

// oneLine takes one line end off.
func oneLine(b []byte) []byte {
	b = bytes.TrimSuffix(b, []byte("\n"))
	return bytes.TrimSuffix(b, []byte("\r"))
}

// runForSecret runs a command, without a shell, and returns what it prints.
func (e *env) runForSecret(command string) ([]byte, error) {
	words, err := splitWords(command, e.goos == "windows")
	if err != nil {
		return nil, err
	}
	if len(words) == 0 {
		return nil, errors.New("it names no command")
	}
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Dir, cmd.Stderr, cmd.Env = e.abs("."), e.talk, os.Environ()
	// A command that runs varve would be run by that for a passphrase, and so on without end.
	cmd.Env = slices.DeleteFunc(cmd.Env, func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return name == varPassword+"_COMMAND" || name == varNewPassword+"_COMMAND"
	})
	if e.ask {
		cmd.Stdin = e.in // it may ask for what opens the store of passwords
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(out, maxSecret+1))
	if werr := cmd.Wait(); err == nil {
		err = werr
	}
	return oneLine(b), err
}

// splitWords cuts a command into words at blanks, as a shell does. Between single quotes everything stands for
// itself; between double quotes a backslash makes the next one, or a double quote, stand for itself; elsewhere
// any character, except on Windows, where it is part of paths. Nothing else has a meaning: no variables, no
// patterns, no pipes.
func splitWords(s string, windows bool) ([]string, error) {
	var words []string
	var word strings.Builder
	begun := false
	quote := rune(0)
	escaped := false
	for _, c := range s {
		switch {
		case escaped:
			if quote == '"' && c != '"' && c != '\\' {
				word.WriteRune('\\')
			}
			word.WriteRune(c)
			escaped = false
		case c == '\\' && (quote == '"' || quote == 0 && !windows):
			escaped, begun = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote, begun = c, true
		case quote == 0 && strings.ContainsRune(" \t\r\n", c):
			if begun {
				words = append(words, word.String())
				word.Reset()
				begun = false
			}
		default:
			word.WriteRune(c)
			begun = true
		}
	}
	if quote != 0 || escaped {
		return nil, errors.New("a quote is not closed")
	}
	if begun {
		words = append(words, word.String())
	}
	return words, nil
}

// private reports whether only the owner of a file may read it, as far as the system says so in its mode.
func private(mode os.FileMode) bool {
	return runtime.GOOS == "windows" || mode.Perm()&0o077 == 0
}
