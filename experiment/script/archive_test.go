package script_test

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestArchiveReadable: the payload is a tar that others read: those of Go, GNU, BSD, busybox and Python unpack the same
// tree, with modes, times and names that are long or of no alphabet.
func TestArchiveReadable(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source")
	build(t, source, 17)
	payload := filepath.Join(keep(t, source).script(t), "payload.tar.gz")
	want := listing(t, source)
	tars := map[string][]string{"tar": {"tar", "-xpzf", payload, "-C"}, "bsdtar": {"bsdtar", "-xpzf", payload, "-C"}, "busybox": {"busybox", "tar", "-xpzf", payload, "-C"},
		"python3": {"python3", "-c", "import sys, tarfile; tarfile.open(sys.argv[1]).extractall(sys.argv[2])", payload}}
	for name, argv := range tars {
		if _, err := exec.LookPath(argv[0]); err != nil {
			t.Logf("%s is not here: it is not tried", name)
			continue
		}
		to := t.TempDir()
		// bsdtar without an alphabet warns of names that are not ASCII, and unpacks them all the same.
		if b, err := exec.Command(argv[0], append(argv[1:], to)...).CombinedOutput(); err != nil && name != "bsdtar" {
			t.Errorf("%s: %v: %s", name, err, b)
		}
		got := listing(t, filepath.Join(to, "tree"))
		if name == "busybox" { // it sets the times of folders before it fills them
			got, want = timeless(got), timeless(want)
		}
		if diff := differences(got, want); len(diff) > 0 {
			t.Errorf("%s: %s", name, strings.Join(diff, "\n"))
		}
		want = listing(t, source)
	}
	got, err := readTar(payload)
	if err != nil {
		t.Fatal(err)
	}
	if diff := differences(got, want); len(diff) > 0 {
		t.Errorf("archive/tar: %s", strings.Join(diff, "\n"))
	}
}

func timeless(m map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range m {
		out[k] = regexp.MustCompile(`^(dir \d+) \d+`).ReplaceAllString(v, "$1")
	}
	return out
}

// readTar is a listing of an archive.
func readTar(at string) (map[string]string, error) {
	f, err := os.Open(at)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	r := tar.NewReader(z)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		name, ok := strings.CutPrefix(strings.TrimSuffix(h.Name, "/"), "tree/")
		if !ok {
			return nil, fmt.Errorf("%q is not below tree", h.Name)
		}
		switch h.Typeflag {
		case tar.TypeDir:
			out[name] = fmt.Sprintf("dir %o %d", fs.FileMode(h.Mode).Perm(), h.ModTime.Unix())
		case tar.TypeSymlink:
			out[name] = "link " + h.Linkname
		default:
			sum := sha256.New()
			if _, err := io.Copy(sum, r); err != nil {
				return nil, err
			}
			out[name] = fmt.Sprintf("file %o %d %x", h.Mode, h.ModTime.Unix(), sum.Sum(nil))
		}
	}
}

// TestShellcheck: the shell drivers have no finding.
func TestShellcheck(t *testing.T) {
	if _, err := exec.LookPath("shellcheck"); err != nil {
		t.Skip("shellcheck is not here")
	}
	source := filepath.Join(t.TempDir(), "it's")
	write(t, filepath.Join(source, "f"), []byte("f"))
	if b, err := exec.Command("shellcheck", filepath.Join(keep(t, source).script(t), "rollback.sh"), filepath.Join("drivers", "pinned.sh")).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, b)
	}
}

// TestOldPython: the driver runs with the oldest Python that it says.
func TestOldPython(t *testing.T) {
	old, err := exec.LookPath("python3.6")
	if err != nil {
		t.Skip("python3.6 is not here")
	}
	if err := exec.Command(old, "-c", "").Run(); err != nil {
		t.Skip("python3.6 does not run here")
	}
	source := filepath.Join(t.TempDir(), "source")
	build(t, source, 21)
	target := filepath.Join(t.TempDir(), "target")
	driver{name: "python3.6", argv: []string{old, "DIR/rollback.py"}}.must(t, keep(t, source).script(t), "--yes", "--to", target)
	if diff := differences(listing(t, target), listing(t, source)); len(diff) > 0 {
		t.Error(strings.Join(diff, "\n"))
	}
}
