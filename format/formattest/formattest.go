// Package formattest holds what every format must do, whatever kind of file it knows: the conformance suite.
//
// Sample files are read from testdata/made of the project, where testdata/make/make.sh puts those that applications
// write, and from shared/samples beside the project's root, where public collections are. A test that needs them and
// finds none says so in one line and is skipped.
package formattest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"varve/format"
	"varve/format/tensor"
)

// Folders are those in which samples at a path may be, the first first.
func Folders(path string) []string {
	_, here, _, _ := runtime.Caller(0)
	root := filepath.Join(filepath.Dir(here), "..", "..")
	return []string{filepath.Join(root, "testdata", "made", filepath.FromSlash(path)), filepath.Join(root, "..", "shared", "samples", filepath.FromSlash(path))}
}

// Samples returns the file or the first folder at a path below the samples, and skips the test where there is none.
func Samples(t testing.TB, path string) string {
	t.Helper()
	for _, at := range Folders(path) {
		if _, err := os.Stat(at); err == nil {
			return at
		}
	}
	none(t, path)
	return ""
}

func none(t testing.TB, path string) {
	t.Helper()
	t.Skipf("no samples at %q: neither testdata/make/make.sh made them, nor are they in ../shared/samples", path)
}

// Sample returns the bytes of one sample file.
func Sample(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(Samples(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// Files returns the sample files below a path whose extension is one of ext (with the dot), by their slash paths below
// it, of all folders.
func Files(t testing.TB, path string, ext ...string) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	found := false
	for _, dir := range Folders(path) {
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		found = true
		err := filepath.WalkDir(dir, func(at string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || !slices.Contains(ext, strings.ToLower(filepath.Ext(at))) {
				return err
			}
			rel, err := filepath.Rel(dir, at)
			if err != nil || out[filepath.ToSlash(rel)] != nil {
				return err
			}
			out[filepath.ToSlash(rel)], err = os.ReadFile(at)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if !found {
		none(t, path)
	}
	if len(out) == 0 {
		t.Fatalf("no %v below %s", ext, path)
	}
	return out
}

// Run holds a format against the contract with files that it knows, by name. Every file is whole.
func Run(t *testing.T, f format.Format, files map[string][]byte) {
	for _, name := range slices.Sorted(maps.Keys(files)) {
		t.Run(name, func(t *testing.T) { whole(t, f, name, files[name]) })
	}
	t.Run("damaged", func(t *testing.T) { damaged(t, f, files) })
}

// whole: what a format says of a whole file is sound, the same when it is asked again, and puts nothing into a graft of
// everything onto itself.
func whole(t *testing.T, f format.Format, name string, b []byte) {
	ctx := t.Context()
	in := format.Bytes(b)
	if !f.Match(name, b[:min(len(b), format.HeadSize)]) {
		t.Fatal("the format does not know its own file")
	}
	if err := format.Validate(ctx, f, in); err != nil {
		t.Errorf("validate: %v", err)
	}
	if s, ok := f.(format.Seamer); ok {
		regions, err := s.Regions(in)
		if err != nil {
			t.Errorf("regions: %v", err)
		}
		if got := (format.Set{f}).Regions(name, in, in.Size()); len(got) != len(regions) {
			t.Errorf("%d regions, of which %d are sound", len(regions), len(got))
		}
	}
	if _, ok := f.(format.Picturer); ok {
		p, err := format.Show(ctx, f, in, 256)
		if err != nil && !errors.Is(err, format.ErrUnsupported) {
			t.Errorf("picture: %v", err)
		}
		if err == nil && (p.Image == nil || p.Image.Width < 1 || p.Image.Height < 1 || p.Source == "") {
			t.Errorf("picture: %+v", p)
		}
	}
	if _, ok := f.(format.Referrer); ok {
		refs, err := format.References(ctx, f, in)
		if err != nil {
			t.Errorf("references: %v", err)
		}
		for _, r := range refs {
			if r.Len > 0 && (r.Off < 0 || r.Off+r.Len > in.Size() || !bytes.Contains(b[r.Off:r.Off+r.Len], []byte(r.Raw))) {
				t.Errorf("reference %+v does not stand where it says", r)
			}
			if r.Path == "" || r.Kind == "" || r.Style == "" {
				t.Errorf("reference %+v", r)
			}
		}
	}
	if _, ok := f.(format.Elementer); ok {
		elements(ctx, t, f, b)
	}
	if _, ok := f.(format.Weigher); ok {
		weights(ctx, t, f, in)
	}
}

// weights: tensors lie in the file, have as many bytes as their shapes say, and are the same as themselves.
func weights(ctx context.Context, t *testing.T, f format.Format, in format.Input) {
	list, err := format.Tensors(ctx, f, in)
	if err != nil {
		t.Errorf("tensors: %v", err)
		return
	}
	for i := range list.Tensors {
		w := &list.Tensors[i]
		if w.In == nil && (w.Off < 0 || w.Len < 0 || w.Off > in.Size() || w.Len > in.Size()-w.Off || w.Open == nil && w.Len != w.Size) {
			t.Errorf("tensor %s: %d bytes at %d of a file of %d", w.Name, w.Len, w.Off, in.Size())
		}
	}
	side := tensor.Side{List: list, In: in}
	if c, err := tensor.Compare(ctx, side, side, tensor.Options{}); err != nil || !c.Same() {
		t.Errorf("compared with itself: %+v, %v", c, err)
	}
}

// readTensors reads all tensors of a file that may be anything.
func readTensors(ctx context.Context, w format.Weigher, in format.Input) {
	list, err := w.Tensors(ctx, in)
	if err != nil {
		return
	}
	for i := range list.Tensors {
		if r, err := list.Tensors[i].Reader(in); err == nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(r, 16*in.Size()+1<<20))
		}
	}
}

func elements(ctx context.Context, t *testing.T, f format.Format, b []byte) {
	list, err := format.Elements(ctx, f, format.Bytes(b))
	if err != nil {
		t.Errorf("elements: %v", err)
		return
	}
	again, err := format.Elements(ctx, f, format.Bytes(bytes.Clone(b)))
	if d := Differ(list, again); d != "" || err != nil {
		t.Errorf("the same file again: %s, %v", d, err)
	}
	if _, ok := f.(format.Grafter); !ok || len(list) == 0 {
		return
	}
	var top []string
	for _, e := range list {
		if e.Parent == "" {
			top = append(top, e.ID)
		}
	}
	g, err := format.Graft(ctx, f, format.Bytes(b), format.Bytes(b), top)
	var refusal *format.Refusal
	if errors.As(err, &refusal) && refusal.Reason != "" {
		return
	}
	if err != nil {
		t.Errorf("graft of all onto itself: %v", err)
		return
	}
	if got := All(t, g.Content); !bytes.Equal(got, b) {
		t.Errorf("graft of all onto itself changes the file: %d bytes of %d", len(got), len(b))
	}
}

// Differ says in what two lists of elements differ; "" if in nothing.
func Differ(a, b []format.Element) string {
	if len(a) != len(b) {
		return fmt.Sprintf("%d elements and %d", len(a), len(b))
	}
	for i := range a {
		if x, y := &a[i], &b[i]; x.ID != y.ID || x.Stable != y.Stable || x.Parent != y.Parent || x.Name != y.Name || x.Hash() != y.Hash() {
			return fmt.Sprintf("element %d: %+v and %+v", i, *x, *y)
		}
	}
	return ""
}

// All returns the bytes of an output.
func All(t testing.TB, o *format.Output) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := o.WriteTo(&out); err != nil {
		t.Fatal(err)
	}
	if int64(out.Len()) != o.Size() {
		t.Fatalf("%d bytes of %d", out.Len(), o.Size())
	}
	return out.Bytes()
}

const (
	trials   = 60               // damaged files of each
	patience = 20 * time.Second // for all methods on one damaged file, on a slow machine
	spare    = 256 << 20        // bytes that a format may allocate beside some times the file
)

// damaged: cut, flipped, random and repeated bytes neither panic, nor hang, nor take memory that the file has no need of.
func damaged(t *testing.T, f format.Format, files map[string][]byte) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, name := range slices.Sorted(maps.Keys(files)) {
		b := files[name]
		if len(b) > 2<<20 || len(b) == 0 {
			continue
		}
		for n := range trials {
			if testing.Short() && n > 6 {
				break
			}
			d := Damage(b, n, random)
			done := make(chan error, 1)
			go func() { done <- Survive(context.Background(), f, d) }()
			select {
			case err := <-done:
				if err != nil {
					t.Fatalf("%s, damage %d: %v", name, n, err)
				}
			case <-time.After(patience):
				t.Fatalf("%s, damage %d: no answer in %v", name, n, patience)
			}
		}
	}
}

// Damage returns b damaged in a way that n chooses.
func Damage(b []byte, n int, random *rand.Rand) []byte {
	d := bytes.Clone(b)
	head := min(len(d), 512)
	switch n % 6 {
	case 0:
		return d[:random.IntN(len(d))]
	case 1:
		for range 1 + n/6 {
			d[random.IntN(len(d))] ^= 1 << random.IntN(8)
		}
	case 2: // where counts and lengths are
		for range 1 + n/12 {
			d[random.IntN(head)] = 0xff
		}
	case 3:
		at := random.IntN(len(d))
		for i := at; i < min(len(d), at+64); i++ {
			d[i] = byte(random.Uint32())
		}
	case 4:
		at := random.IntN(len(d))
		d = slices.Concat(d[:at], b[random.IntN(len(b)):])
		d = d[:min(len(d), 2*len(b))]
	case 5:
		for i := head / 2; i < len(d); i++ {
			d[i] = byte(random.Uint32())
		}
	}
	return d
}

// Survive calls all that a format can do on bytes that may be anything. Its errors are no failure; a panic is, and so
// is memory that the bytes do not account for.
func Survive(ctx context.Context, f format.Format, b []byte) (failure error) {
	defer func() {
		if r := recover(); r != nil {
			failure = fmt.Errorf("panic: %v", r)
		}
	}()
	in := format.Bytes(b)
	f.Match("x", b[:min(len(b), format.HeadSize)])
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if v, ok := f.(format.Validator); ok {
		_ = v.Validate(ctx, in)
	}
	if s, ok := f.(format.Seamer); ok {
		_, _ = s.Regions(in)
	}
	if r, ok := f.(format.Referrer); ok {
		_, _ = r.References(ctx, in)
	}
	if w, ok := f.(format.Weigher); ok {
		readTensors(ctx, w, in)
	}
	if d, ok := f.(format.Decoder); ok {
		_, _ = d.Decode(ctx, in)
	}
	if m, ok := f.(format.Modeler); ok {
		_, _ = m.Model(ctx, in)
	}
	if p, ok := f.(format.Picturer); ok {
		_, _ = p.Picture(ctx, in, 128)
	}
	if e, ok := f.(format.Elementer); ok {
		list, err := e.Elements(ctx, in)
		if err == nil && len(list) > 0 {
			ids := []string{list[0].ID, list[len(list)-1].ID}
			if x, ok := f.(format.Extractor); ok {
				out, err := x.Extract(ctx, in, ids[1])
				if err == nil {
					_, _ = out.Content.WriteTo(io.Discard)
				}
			}
			if g, ok := f.(format.Grafter); ok {
				out, err := g.Graft(ctx, in, in, ids)
				if err == nil {
					_, _ = out.Content.WriteTo(io.Discard)
				}
			}
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 64*uint64(len(b))+spare*8 {
		return fmt.Errorf("%d bytes of memory were taken for a file of %d", n, len(b))
	}
	return nil
}

// Fuzz makes a fuzz target's body of a format: seeds are its files.
func Fuzz(f *testing.F, known format.Format, seeds map[string][]byte) {
	for _, name := range slices.Sorted(maps.Keys(seeds)) {
		if len(seeds[name]) <= 64<<10 {
			f.Add(seeds[name])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := Survive(t.Context(), known, b); err != nil {
			t.Fatal(err)
		}
	})
}

// App returns the path of a real application. Tests with real applications are slow: they run where ci is true, which
// tests take from the environment's VARVE_CI, and there the application must be installed.
func App(t testing.TB, ci bool, name string) string {
	t.Helper()
	if !ci {
		t.Skipf("%s, the real one, is asked only with VARVE_CI=1", name)
	}
	at, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%s is not installed, and must be", name)
	}
	return at
}

// OnScreen returns a command that gives an application a screen of its own. Packages are tested at once, and two that
// look for a free screen from one number on take the same: each looks from a number of its own.
func OnScreen(t testing.TB, ci bool, name string, args ...string) *exec.Cmd {
	t.Helper()
	run := App(t, ci, "xvfb-run")
	number := strconv.Itoa(100 + os.Getpid()%20000)
	return exec.CommandContext(t.Context(), run, append([]string{"-a", "-n", number, App(t, ci, name)}, args...)...)
}

// Folder is a file with others beside it, by their paths.
type Folder struct {
	format.Input
	Files map[string][]byte
}

// Beside opens one of the others.
func (f Folder) Beside(at string) (format.Input, error) {
	if b, ok := f.Files[at]; ok {
		return format.Bytes(b), nil
	}
	return nil, fs.ErrNotExist
}
