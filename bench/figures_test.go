package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestFiguresAreDeterministic holds the data of creative to its bytes; of pictures the samples, of documents without their
// preview, for both are compressed by Go's own library.
func TestFiguresAreDeterministic(t *testing.T) {
	dir := t.TempDir()
	all, missing, err := writeLinks(filepath.Join(dir, "links"), 300, 3000)
	if err != nil || all != 3000 || missing == 0 {
		t.Fatalf("%d references, %d missing, %v", all, missing, err)
	}
	if _, err := writeStudio(dir, 40, 100_000); err != nil {
		t.Fatal(err)
	}
	page := poster(true, 3, 96)
	page.layers[1].stroke(4)
	sums := map[string]string{"trees": hashTree(t, dir)}
	for name, b := range map[string][]byte{
		"photo":   deepBytes((&photo{width: 90, height: 60, deep: true, edits: 5}).samples()),
		"exposed": deepBytes((&photo{width: 90, height: 60, exposed: true}).samples()),
		"stl":     (&rock{n: 9, bumped: true}).stl(),
		"glb":     (&rock{n: 8, seed: 3}).glb(),
		"blend":   written(t, (&scene{meshes: 3, n: 4, session: 1, moved: map[int]bool{1: true}, shaped: map[int]bool{2: true}}).write),
		"psb":     withoutPreview(t, written(t, func(w *bufio.Writer) error { return page.write(w, true) })),
	} {
		sum := sha256.Sum256(b)
		sums[name] = hex.EncodeToString(sum[:16])
	}
	for name, want := range map[string]string{
		"trees":   "c9fd28c3bc3810b0bc0dc4b739295464",
		"photo":   "b53a32a2b134efced99c18b1e26f46e6",
		"exposed": "a9d5417aa8205d084c7476cd9753b4f9",
		"stl":     "96d8d5e308422ebd976cb9906f332aeb",
		"glb":     "2b614001cc8f0da1035c368e12217959",
		"blend":   "a7597769dc61acf7a4b60603af3cb666",
		"psb":     "ca68645115237ca866b84ce87c2ad4a5",
	} {
		if sums[name] != want {
			t.Errorf("%s has hash %s, want %s", name, sums[name], want)
		}
	}
}

func deepBytes(s []uint16) (b []byte) {
	for _, v := range s {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return b
}

func written(t *testing.T, write func(*bufio.Writer) error) []byte {
	t.Helper()
	var b bytes.Buffer
	w := bufio.NewWriter(&b)
	if err := errors.Join(write(w), w.Flush()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// withoutPreview takes the resources out of a document.
func withoutPreview(t *testing.T, b []byte) []byte {
	t.Helper()
	const at = 30
	n := int(binary.BigEndian.Uint32(b[at:]))
	return append(bytes.Clone(b[:at]), b[at+4+n:]...)
}

// TestFiguresAreReadAsMeant: at a small size varve answers every question, and right.
func TestFiguresAreReadAsMeant(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds the program")
	}
	t.Setenv("PATH", goOnly(t)) // no peers
	var out bytes.Buffer
	if err := look(context.Background(), lookOptions{dir: t.TempDir(), reps: 1, scale: 0.01}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if n := strings.Count(text, "\n|"); n != 2+2*questions || strings.Contains(text, "failed") {
		t.Errorf("%d lines, want %d:\n%s", n, 2+2*questions, text)
	}
	if want := "Not on PATH, so left out: ImageMagick, odiff, pixelmatch."; !strings.Contains(text, want) {
		t.Errorf("%q is not in\n%s", want, text)
	}
}

// questions is how many figures puts in all.
const questions = 24

// goOnly is a PATH with nothing but the tools that build.
func goOnly(t *testing.T) string {
	t.Helper()
	at, err := exec.LookPath("go")
	if err != nil {
		t.Skip("go is not on PATH")
	}
	return filepath.Dir(at)
}
