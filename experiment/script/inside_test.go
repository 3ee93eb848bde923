package script

import (
	"os/exec"
	"testing"
)

// TestPlainPath: a path that leads out of a folder never comes into a script.
func TestPlainPath(t *testing.T) {
	for _, bad := range []string{"", "/etc/passwd", "../x", "a/../../x", "a//b", "./a", "a/.", "a/..", "a\x00b", "/"} {
		if plainPath(bad) == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	for _, good := range []string{"a", "a/b", "..a/b..", "-", "...", " "} {
		if err := plainPath(good); err != nil {
			t.Error(err)
		}
	}
}

// TestQuotes: what is quoted for a language is itself there.
func TestQuotes(t *testing.T) {
	for _, s := range []string{"", "plain", "it's", `"`, "$HOME `id`", `back\slash\`, "größe 漫画", "line\nbreak", "raw\xff", "tab\t", "'; rm -rf /; '"} {
		for shell, argv := range map[string][]string{"sh": {"-c", "printf %s " + quoteShell(s)}, "python3": {"-c", "import os, sys; sys.stdout.buffer.write(os.fsencode(" + quotePython(s) + "))"}} {
			if _, err := exec.LookPath(shell); err != nil {
				t.Logf("%s is not here", shell)
				continue
			}
			if b, err := exec.Command(shell, argv...).Output(); err != nil || string(b) != s {
				t.Errorf("%s: %q became %q: %v", shell, s, b, err)
			}
		}
	}
}

// TestSplit: the two fields of a head give the name again, and hold it.
func TestSplit(t *testing.T) {
	for n := range 300 {
		for _, every := range []int{5, 50, 99, 100, 101, 150} {
			b := make([]byte, n)
			for i := range b {
				b[i] = 'a'
				if i > 0 && i%every == 0 {
					b[i] = '/'
				}
			}
			prefix, short, fits := split(string(b))
			if !fits {
				continue
			}
			whole := short
			if prefix != "" {
				whole = prefix + "/" + short
			}
			if whole != string(b) || len(prefix) > 155 || len(short) > 100 || n > 0 && short == "" {
				t.Errorf("%q is split into %q and %q", b, prefix, short)
			}
		}
	}
}
