package formattest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMade: every sample that an application writes is found, so that no test of one is skipped where they must run.
func TestMade(t *testing.T) {
	list, err := os.ReadFile(filepath.FromSlash("../../testdata/make/files.txt"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(string(list)) {
		if _, err := os.Stat(Folders(name)[0]); err == nil {
			continue
		}
		if os.Getenv("VARVE_CI") == "" {
			t.Skip("testdata/make/make.sh did not run")
		}
		t.Errorf("testdata/make/make.sh did not make %s", name)
	}
}
