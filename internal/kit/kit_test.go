package kit_test

import (
	"bytes"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"varve/internal/kit"
)

func sample() kit.Kit {
	return kit.Kit{Key: [2]string{"0123-4567-89AB-CDEF-GHJK-MNPQ-RSTV", "WXYZ-0123-4567-89AB-CDEF-GHJK-MNPQ"},
		ID: "67b3329a32a2", Vault: "b0170ee0e6880b6f99dfcd753842dc69", Place: "/home/mira/" + strings.Repeat("läger/", 20) + "vault",
		Host: "studio", Made: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
}

// TestText: all that is needed to open the vault is on the sheet, and every line fits on it.
func TestText(t *testing.T) {
	k := sample()
	text := k.Text()
	joined := strings.ReplaceAll(text, "\n                ", "")
	for _, want := range []string{k.Key[0], k.Key[1], k.Key[0] + "-" + k.Key[1], k.ID, k.Vault, "2026-11-21", "studio", "varve --vault PLACE log --all", "key protect", "key rm " + k.ID} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if !strings.Contains(joined, k.Place) {
		t.Errorf("no place in\n%s", text)
	}
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > 76 {
			t.Errorf("%d characters: %s", n, line)
		}
	}
}

// TestPicture: a decoder that knows nothing of this program reads the recovery key out of the picture.
func TestPicture(t *testing.T) {
	k := sample()
	b, err := k.PNG()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := png.Decode(bytes.NewReader(b)); err != nil {
		t.Fatal(err)
	}
	zbarimg, err := exec.LookPath("zbarimg")
	if err != nil {
		if os.Getenv("VARVE_CI") != "" {
			t.Fatal(err)
		}
		t.Skip("the QR code is not read: there is no zbarimg (Debian: zbar-tools)")
	}
	path := filepath.Join(t.TempDir(), "kit.png")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(zbarimg, "--quiet", "--raw", path).Output()
	if want := k.Key[0] + "-" + k.Key[1] + "\n"; err != nil || string(out) != want {
		t.Errorf("%q, %v; want %q", out, err, want)
	}
}
