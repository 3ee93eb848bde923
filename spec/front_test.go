package spec_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"
	"time"

	"varve"
)

// TestFrontDoor: the library opens the vector, gives every file back and finds nothing wrong.
func TestFrontDoor(t *testing.T) {
	ctx := t.Context()
	s := readZip(t, "vectors/valid.zip").store(t)
	v, err := varve.Open(ctx, s, varve.Options{Rand: newChance("front door"), Now: func() time.Time { return began.Add(24 * time.Hour) }, Workers: 1})
	if err != nil {
		t.Fatal(err)
	}
	p, err := v.ProjectByID(project)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(p.Snapshots()); n != 3 {
		t.Fatalf("%d snapshots", n)
	}
	for _, x := range p.Snapshots() {
		files := 0
		for f, err := range p.Manifest(ctx, x) {
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := p.Cat(ctx, x, f.Path, &b); err != nil {
				t.Fatal(err)
			}
			if sum := sha256.Sum256(b.Bytes()); hex.EncodeToString(sum[:]) != f.SHA256 || int64(b.Len()) != f.Size {
				t.Errorf("%q in %s differs", f.Path, x.Ref())
			}
			files++
		}
		if files < 700 || int64(files) != int64(x.Tree.Files) {
			t.Errorf("%d files in %s, want %d", files, x.Ref(), x.Tree.Files)
		}
	}
	for ref, version := range map[string]int{"latest": 3, "latest~2": 1, "v2": 2, "first-core": 2, "site=north": 1, "before:first-core": 1} {
		if x, err := p.Resolve(ref); err != nil || x.Version != version {
			t.Errorf("%s is %v, %v, want version %d", ref, x, err, version)
		}
	}
	if _, err := p.Resolve("env=lake"); err == nil {
		t.Error("a tag that was removed still names a snapshot")
	}
	if r, err := v.Verify(ctx, varve.VerifyOptions{Data: true}); err != nil || !r.OK || !r.Complete {
		t.Errorf("verify: %+v, %v", r, err)
	}
}
