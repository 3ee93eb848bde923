package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestFlip: just the bit that was asked for turns, counted over all files in the order of their names.
func TestFlip(t *testing.T) {
	dir := t.TempDir()
	files := []string{"a", "b/empty", "b/x", "c"}
	content := map[string][]byte{"a": []byte("0123"), "b/empty": nil, "b/x": []byte("45"), "c": []byte("6789")}
	for name, b := range content {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, b, 0o444); err != nil {
			t.Fatal(err)
		}
	}
	for at := range 10 {
		if err := flip(dir, int64(at), uint(at%8)); err != nil {
			t.Fatal(err)
		}
		var all []byte
		for _, name := range files {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, b...)
		}
		want := []byte("0123456789")
		for i := range at + 1 {
			want[i] ^= 1 << (i % 8)
		}
		if !bytes.Equal(all, want) {
			t.Fatalf("after the flip at %d: %q, want %q", at, all, want)
		}
	}
}
