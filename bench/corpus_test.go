package main

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"image/png"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tiny is a scale at which all corpora but assets are a few megabytes.
const tiny = 0.004

// hashTree hashes names and contents below a folder, corpus.json among them.
func hashTree(t *testing.T, dir string) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(dir, name)
		text, err := os.ReadFile(name)
		fmt.Fprintf(h, "%s %d\n", filepath.ToSlash(rel), len(text))
		h.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil))[:32]
}

// inflated returns a PNG's chunks with IDAT taken together and decompressed; every checksum must hold.
func inflated(t *testing.T, file []byte) []byte {
	t.Helper()
	var out, packed []byte
	for rest := file[8:]; len(rest) > 0; {
		n := int(binary.BigEndian.Uint32(rest))
		kind, sum := string(rest[4:8]), binary.BigEndian.Uint32(rest[8+n:])
		if got := crc32.ChecksumIEEE(rest[4 : 8+n]); got != sum {
			t.Fatalf("chunk %s has checksum %08x, says %08x", kind, got, sum)
		}
		if kind == "IDAT" {
			packed = append(packed, rest[8:8+n]...)
		} else {
			out = append(out, rest[4:8+n]...)
		}
		rest = rest[12+n:]
	}
	z, err := zlib.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	pixels, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return append(out, pixels...)
}

// TestMakeIsDeterministic holds the corpora to their bytes: a new hash needs a new revision.
func TestMakeIsDeterministic(t *testing.T) {
	want := map[string]string{
		"small":   "d703ae1e3380808e37f095c3bea8f59e",
		"weights": "55ecdf9b0ac9a379c755f8152ee2c3ac",
		"blocks":  "8f3c4f7fc32a875dee9e78d99d7a74a6",
		"text":    "dfc33bb540821bd416a6cb1a1bae2fb9",
	}
	dir := t.TempDir()
	if err := makeCorpora(context.Background(), dir, []string{"small", "weights", "blocks", "text"}, tiny, io.Discard); err != nil {
		t.Fatal(err)
	}
	for name, hash := range want {
		// corpus.json has the figures of the versions: they are held too.
		if got := hashTree(t, filepath.Join(dir, name)); got != hash {
			t.Errorf("%s has hash %s, want %s", name, got, hash)
		}
	}
}

// TestAssetsAreDeterministic: pixels, samples and vertices are held to their bytes; the compressed form of pictures to
// itself, since another release of Go may compress better.
func TestAssetsAreDeterministic(t *testing.T) {
	var lists [2]string
	h := sha256.New()
	for i := range lists {
		for v, entries := range assetVersions(tiny) {
			for _, e := range entries {
				lists[i] += fmt.Sprintf("v%d %s %s\n", v+1, e.path, e.state)
			}
		}
	}
	if lists[0] != lists[1] {
		t.Error("the lists of two runs differ")
	}
	io.WriteString(h, lists[0])
	a := asset{id: 3, edits: []string{"v2"}, stamp: 2, name: "x"}
	first, again := a.png(), a.png()
	if !bytes.Equal(first, again) {
		t.Error("a picture made twice differs")
	}
	for _, text := range [][]byte{a.tga(), a.wav(), a.glb()} {
		h.Write(text)
	}
	if got, want := hex.EncodeToString(h.Sum(nil))[:32], "21f2349f8c433eed699de14f8521017d"; got != want {
		t.Errorf("assets have hash %s, want %s", got, want)
	}
}

// TestExportedAgain: the same picture with another date has other bytes, the same compressed pixels, and is a PNG.
func TestExportedAgain(t *testing.T) {
	a := asset{id: 7, stamp: 1}
	old := a.png()
	a.stamp = 2
	fresh := a.png()
	if bytes.Equal(old, fresh) {
		t.Error("another date changed nothing")
	}
	if at := bytes.Index(old, []byte("IDAT")); !bytes.Equal(old[at:], fresh[bytes.Index(fresh, []byte("IDAT")):]) {
		t.Error("another date changed the pixels")
	}
	inflated(t, fresh) // holds the checksums
	m, err := png.Decode(bytes.NewReader(fresh))
	if err != nil {
		t.Fatal(err)
	}
	want := a.paint()
	for _, p := range [][2]int{{0, 0}, {100, 333}, {511, 511}} {
		if got, want := fmt.Sprint(m.At(p[0], p[1]).RGBA()), fmt.Sprint(want.At(p[0], p[1]).RGBA()); got != want {
			t.Errorf("pixel %v is %s, want %s", p, got, want)
		}
	}
}

// TestWeights: the file is a safetensors file, its values have the spread that is promised, v2 replaces a tenth of the
// tensors and v3 moves most of the values, a little.
func TestWeights(t *testing.T) {
	var files [3]map[string][]float64
	for v, entries := range weightVersions(tiny) {
		dir := t.TempDir()
		if _, err := entries[1].make(filepath.Join(dir, "w"), ""); err != nil {
			t.Fatal(err)
		}
		files[v] = readTensors(t, filepath.Join(dir, "w"))
	}
	if len(files[0]) != 120 {
		t.Fatalf("%d tensors, want 120", len(files[0]))
	}
	replaced, moved, all := 0, 0, 0
	var squares, steps float64
	for name, old := range files[0] {
		same := true
		for i, x := range old {
			same = same && x == files[1][name][i]
			if !strings.Contains(name, "layernorm") {
				step := files[2][name][i] - files[1][name][i]
				squares, steps, all = squares+x*x, steps+step*step, all+1
				if step != 0 {
					moved++
				}
			}
		}
		if !same {
			replaced++
		}
	}
	if replaced != 12 {
		t.Errorf("%d tensors are others in v2, want 12", replaced)
	}
	if got := math.Sqrt(squares / float64(all)); math.Abs(got-spread) > spread/50 {
		t.Errorf("weights spread by %v, want %v", got, spread)
	}
	if got := math.Sqrt(steps / float64(all)); got < stepSpread*0.9 || got > stepSpread*1.3 {
		t.Errorf("steps spread by %v, want about %v", got, stepSpread)
	}
	if moved < all/2 {
		t.Errorf("%d of %d weights moved in v3", moved, all)
	}
}

// readTensors reads a safetensors file of bf16 by the format's description.
func readTensors(t *testing.T, name string) map[string][]float64 {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(text)
	header := map[string]json.RawMessage{}
	if err := json.Unmarshal(text[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	delete(header, "__metadata__")
	out, end := map[string][]float64{}, 0
	for name, raw := range header {
		var x struct {
			DType   string `json:"dtype"`
			Shape   []int  `json:"shape"`
			Offsets [2]int `json:"data_offsets"`
		}
		if err := json.Unmarshal(raw, &x); err != nil {
			t.Fatal(err)
		}
		data := text[8+int(n)+x.Offsets[0] : 8+int(n)+x.Offsets[1]]
		if x.DType != "BF16" || len(x.Shape) != 2 || len(data) != 2*x.Shape[0]*x.Shape[1] {
			t.Fatalf("tensor %s: %s %v of %d bytes", name, x.DType, x.Shape, len(data))
		}
		for ; len(data) > 0; data = data[2:] {
			out[name] = append(out[name], float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(data))<<16)))
		}
		end = max(end, x.Offsets[1])
	}
	if end != len(text)-8-int(n) {
		t.Errorf("tensors end at %d, the file at %d", end, len(text)-8-int(n))
	}
	return out
}

// TestBlocks: v2 is v1 with a hundredth of its blocks replaced and bytes inserted.
func TestBlocks(t *testing.T) {
	var files [3][]byte
	for v, entries := range blockVersions(0.02) {
		name := filepath.Join(t.TempDir(), "b")
		if _, err := entries[0].make(name, ""); err != nil {
			t.Fatal(err)
		}
		var err error
		if files[v], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	n := len(files[0]) / blockSize
	grown := len(files[1]) - len(files[0])
	if n != 327 || grown != 1<<20/50+5 {
		t.Fatalf("%d blocks, grown by %d", n, grown)
	}
	at := n / 40 * blockSize
	without := append(append([]byte{}, files[1][:at]...), files[1][at+grown:]...)
	for _, c := range [][2][]byte{{files[0], without}, {files[1][at+grown:], files[2][at+grown:]}} {
		differ := 0
		for i := 0; i < len(c[0]); i += blockSize {
			if !bytes.Equal(c[0][i:i+blockSize], c[1][i:i+blockSize]) {
				differ++
			}
		}
		if differ < 1 || differ > 3 {
			t.Errorf("%d blocks differ, want 3, or fewer where one was hit twice or lies elsewhere", differ)
		}
	}
}

// TestSmallChanges: names and counts of the versions, by an account of their own.
func TestSmallChanges(t *testing.T) {
	versions := smallVersions(0.05)
	for v := 1; v < len(versions); v++ {
		old, states := map[string]string{}, map[string]bool{}
		for _, e := range versions[v-1] {
			if old[e.path] != "" {
				t.Fatalf("v%d has %s twice", v, e.path)
			}
			old[e.path], states[e.state] = e.state, true
		}
		edited, renamed, added := 0, 0, 0
		for _, e := range versions[v] {
			switch {
			case old[e.path] == e.state:
			case old[e.path] != "":
				edited++
			case states[e.state]:
				renamed++
			default:
				added++
			}
		}
		if edited < 12 || edited > 15 || renamed < 4 || renamed > 5 || added < 10 || added > 12 {
			t.Errorf("v%d of 1000 files: %d edited, %d renamed, %d added, want about 15, 5, 10", v+1, edited, renamed, added)
		}
	}
}

// TestMakeAgain: what is there stays; another scale is refused and harms nothing.
func TestMakeAgain(t *testing.T) {
	dir := t.TempDir()
	ctx := context.Background()
	if err := makeCorpora(ctx, dir, []string{"text"}, tiny, io.Discard); err != nil {
		t.Fatal(err)
	}
	before := hashTree(t, dir)
	mark := filepath.Join(dir, "text", "mark")
	if err := os.WriteFile(mark, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := makeCorpora(ctx, dir, []string{"text"}, tiny, io.Discard); err != nil {
		t.Error(err)
	}
	if err := makeCorpora(ctx, dir, []string{"text"}, 2*tiny, io.Discard); err == nil {
		t.Error("a corpus of another scale was taken for this one")
	}
	if err := os.Remove(mark); err != nil {
		t.Errorf("the corpus was made again: %v", err)
	}
	if hashTree(t, dir) != before {
		t.Error("the corpus changed")
	}
	if err := makeCorpora(ctx, dir, []string{"nothing"}, tiny, io.Discard); !errors.Is(err, errUsage) {
		t.Errorf("an unknown corpus: %v, want a usage error", err)
	}
}
