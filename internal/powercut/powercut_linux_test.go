package powercut_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"varve/internal/powercut"
)

// need skips a test that this machine cannot run; where VARVE_POWERCUT is set it fails.
func need(t *testing.T, fsType string) powercut.Image {
	t.Helper()
	img, err := powercut.MakeImage(t.TempDir(), fsType)
	switch {
	case err == nil:
		return img
	case errors.Is(err, powercut.ErrCannot) && os.Getenv("VARVE_POWERCUT") == "":
		t.Skip(err)
	}
	t.Fatal(err)
	return nil
}

// TestCut: what was synced before a moment is there in every disk of later moments, also in one that loses its cache;
// what was only written is not, and neither is what was synced later.
func TestCut(t *testing.T) {
	for _, fsType := range powercut.FileSystems() {
		t.Run(fsType, func(t *testing.T) {
			img := need(t, fsType)
			d, at, err := powercut.Mount(t.TempDir(), img, fsType)
			if err != nil {
				t.Fatal(err)
			}
			var moments []int
			for _, name := range []string{"first", "second", "third"} {
				c := exec.Command("sh", "-ec", `echo "$0" >"$0"; sync "$0" .; echo "$0" >"unsynced-$0"`, name)
				c.Dir = at
				if out, err := c.CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				moments = append(moments, d.Events())
			}
			if err := d.Unmount(); err != nil {
				t.Fatal(err)
			}
			r := d.Replay()
			for i, n := range moments {
				for _, keep := range []func() bool{nil, func() bool { return false }} {
					look(t, r.Cut(n, keep), fsType, i+1)
				}
			}
		})
	}
}

// look mounts an image in which so many files were synced.
func look(t *testing.T, img powercut.Image, fsType string, synced int) {
	t.Helper()
	at, done, err := powercut.MountImage(t.TempDir(), img, fsType)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"first", "second", "third"} {
		got, err := os.ReadFile(filepath.Join(at, name))
		if i < synced && string(got) != name+"\n" {
			t.Errorf("%s was synced and has %q, %v", name, got, err)
		}
		if i >= synced && err == nil {
			t.Errorf("%s is there before it was made", name)
		}
	}
	// The last one was never synced; those before may have gone with a later sync.
	last := []string{"first", "second", "third"}[synced-1]
	if got, _ := os.ReadFile(filepath.Join(at, "unsynced-"+last)); len(got) > 0 {
		t.Errorf("what was not synced is there: %q", got)
	}
	if err := done(); err != nil {
		t.Error(err)
	}
}
