package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"varve"
)

func TestSplitWords(t *testing.T) {
	for _, c := range []struct {
		in      string
		windows bool
		want    []string
	}{
		{"", false, nil},
		{"  pass  show\tvault\n", false, []string{"pass", "show", "vault"}},
		{`pass 'my vault' "the \"second\" \\ one"`, false, []string{"pass", "my vault", `the "second" \ one`}},
		{`a'b c'd "" ''`, false, []string{"ab cd", "", ""}},
		{`a\ b \'c "\d"`, false, []string{"a b", "'c", `\d`}},
		{`$HOME ~ *.txt | cat; x && y`, false, []string{"$HOME", "~", "*.txt", "|", "cat;", "x", "&&", "y"}},
		{`'it''s' 'no \ escape'`, false, []string{"its", `no \ escape`}},
		{`C:\bin\pass.exe "C:\my vault"`, true, []string{`C:\bin\pass.exe`, `C:\my vault`}},
	} {
		got, err := splitWords(c.in, c.windows)
		if err != nil || !slices.Equal(got, c.want) {
			t.Errorf("%q: %q, %v; want %q", c.in, got, err, c.want)
		}
	}
	for _, bad := range []string{`'a`, `"a`, `a\`, `"a\`} {
		if got, err := splitWords(bad, false); err == nil {
			t.Errorf("%q: %q", bad, got)
		}
	}
}

// TestGiven: the sources of a passphrase count in their order, one line end is not part of it, and one that is
// set and gives nothing is an error: the next would be another passphrase.
func TestGiven(t *testing.T) {
	e, _, _ := world(t)
	if err := os.WriteFile(filepath.Join(e.cwd, "word"), []byte(" from a file \r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	vars := map[string]string{}
	e.getenv = func(k string) string { return vars[k] }
	if _, ok, err := e.given(varPassword); ok || err != nil {
		t.Errorf("nothing is set: %v, %v", ok, err)
	}
	vars["VARVE_PASSWORD_COMMAND"] = "no-such-command-anywhere"
	if _, ok, err := e.given(varPassword); !ok || err == nil {
		t.Errorf("a command that is not there: %v, %v", ok, err)
	}
	vars["VARVE_PASSWORD_FILE"] = "word"
	if p, _, err := e.given(varPassword); err != nil || string(p) != " from a file " {
		t.Errorf("%q, %v", p, err)
	}
	vars["VARVE_PASSWORD"] = "itself"
	if p, _, err := e.given(varPassword); err != nil || string(p) != "itself" {
		t.Errorf("%q, %v", p, err)
	}
	if _, ok, _ := e.given(varNewPassword); ok {
		t.Error("a passphrase in use was taken for a new one")
	}
}

// TestAsked: nobody is asked without a terminal; a new passphrase is asked for twice and must be the same.
func TestAsked(t *testing.T) {
	e, _, talk := world(t)
	if _, err := e.passphrase(); !errors.Is(err, varve.ErrWrongKey) || classify(err) != exitWrongKey {
		t.Errorf("%v", err)
	}
	for _, ask := range []func() ([]byte, error){func() ([]byte, error) { return e.newPassphrase(true) }, func() ([]byte, error) { return e.passphraseForNew("s3://x/y") }} {
		if _, err := ask(); classify(err) != exitUsage {
			t.Errorf("%v", err)
		}
	}
	if talk.Len() > 0 {
		t.Errorf("talked: %s", talk)
	}
	e.ask = true
	for _, c := range []struct {
		typed []string
		ok    bool
	}{{[]string{"a b", "a b"}, true}, {[]string{"a b", "a c"}, false}, {[]string{"", ""}, false}} {
		n := 0
		e.hidden = func() ([]byte, error) { n++; return []byte(c.typed[n-1]), nil }
		p, err := e.passphraseForNew("s3://x/y")
		if (err == nil) != c.ok || c.ok && (string(p) != "a b" || n != 2) {
			t.Errorf("%q: %q, %v after %d", c.typed, p, err, n)
		}
	}
	e.hidden = func() ([]byte, error) { return []byte("typed"), nil }
	if p, err := e.passphrase(); err != nil || string(p) != "typed" {
		t.Errorf("%q, %v", p, err)
	}
	if talk.Len() == 0 {
		t.Error("nothing was asked")
	}
}
