package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TestOnlooker: without the administrator's rights, what others write while the command writes nothing is told from
// what it writes, whichever way; and what is not certain is the command's.
func TestOnlooker(t *testing.T) {
	root := t.TempDir()
	put := func(name, content string) {
		t.Helper()
		at := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("sub/old.py", "old")
	put("emptied.py", "old")
	o, err := look(root)
	if err != nil {
		t.Fatal(err)
	}
	if writes() == "" {
		o.stop()
		t.Skip("SKIP: this kernel does not tell which processes were started by which")
	}
	// The command writes in its first and in its last moments, and is quiet between.
	c := exec.Command("sh", "-c", `echo bad > theirs.py; echo bad > both.py; echo x > slow.tmp; mv slow.tmp slow.py
exec 3> held.py; echo held >&3; : > begun; sleep 1.5; : > emptied.py; exec 3>&-; sleep 0.5; echo late > late.py; echo more >> sub/theirs.py`)
	c.Dir = root
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if _, err := os.Stat(filepath.Join(root, "begun")); err == nil {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	time.Sleep(400 * time.Millisecond) // it sleeps now
	put("mine.py", "mine")
	put("both.py", "mine too")
	put("sub/old.py", "mine as well")
	put("new/deep.py", "in a folder that was not there")
	put("saved.py.tmp", "by way of another name")
	if err := os.Rename(filepath.Join(root, "saved.py.tmp"), filepath.Join(root, "saved.py")); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Fatal(err)
	}
	who := o.stop()
	for _, name := range []string{"mine.py", "both.py", "sub/old.py", "saved.py"} {
		if who(name) == "" {
			t.Errorf("%s was written by somebody else, and is taken for the command's", name)
		}
	}
	for _, name := range []string{"theirs.py", "slow.py", "held.py", "emptied.py", "late.py", "sub/theirs.py", "begun"} {
		if w := who(name); w != "" {
			t.Errorf("%s was written by the command, and is taken for that of %s", name, w)
		}
	}
}
