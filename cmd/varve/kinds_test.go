package main

import (
	"flag"
	"os"
	"testing"
)

var updateFormats = flag.Bool("update", false, "write docs/formats.md")

// TestFormatsTable: the page says of each format what it can do, and of each one what it cannot.
func TestFormatsTable(t *testing.T) {
	const at = "../../docs/formats.md"
	seen := map[string]bool{}
	for _, f := range formats() {
		if kinds()[f.Name()].title == "" || seen[f.Name()] {
			t.Errorf("nothing is said of %s, or it is there twice", f.Name())
		}
		seen[f.Name()] = true
	}
	for name := range kinds() {
		if !seen[name] {
			t.Errorf("there is no format %s", name)
		}
	}
	if *updateFormats {
		if err := os.WriteFile(at, []byte(formatsTable()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if b, err := os.ReadFile(at); err != nil || string(b) != formatsTable() {
		t.Errorf("docs/formats.md is not what the program says: go test ./cmd/varve -run TestFormatsTable -update (%v)", err)
	}
}
