package varve_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"varve"
	"varve/internal/disk"
)

func TestSnapAndCat(t *testing.T) {
	ctx := context.Background()
	src, vault := t.TempDir(), t.TempDir()
	os.MkdirAll(filepath.Join(src, "a/b"), 0o755)
	big := bytes.Repeat([]byte("varve layers "), 1<<20)
	for i := range big {
		big[i] ^= byte(i >> 9 * 31)
	}
	os.WriteFile(filepath.Join(src, "a/b/big.bin"), big, 0o644)
	os.WriteFile(filepath.Join(src, "a/small.txt"), []byte("hello"), 0o644)
	os.Symlink("a/small.txt", filepath.Join(src, "link"))
	v, made, err := varve.OpenOrCreate(ctx, vault, varve.Options{})
	if err != nil || !made {
		t.Fatal(err, made)
	}
	d, err := disk.Open(src)
	if err != nil {
		t.Fatal(err)
	}
	p, err := v.Project(d, src)
	if err != nil {
		t.Fatal(err)
	}
	s, err := p.Snap(ctx, varve.SnapOptions{Message: "first"})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", s)
	var out bytes.Buffer
	if err := p.Cat(ctx, s, "a/b/big.bin", &out); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), big) {
		t.Fatal("content differs")
	}
	s2, err := p.Snap(ctx, varve.SnapOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if s2.Root != s.Root || s2.Version != 2 || s2.Stored.Chunks != 0 {
		t.Errorf("second snapshot: %+v", s2)
	}
	big[5<<20] ^= 1
	os.WriteFile(filepath.Join(src, "a/b/big.bin"), big, 0o644)
	s3, err := p.Snap(ctx, varve.SnapOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", s3)
	out.Reset()
	if err := p.Cat(ctx, s3, "a/b/big.bin", &out); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(out.Bytes(), big) {
		t.Fatal("content differs")
	}
}
