package script

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
)

// system is a GOOS/GOARCH.
var system = regexp.MustCompile(`^[a-z0-9]+/[a-z0-9]+$`)

// pinned makes the small folder, whose drivers call a varve of a known SHA-256.
func (w *writer) pinned(ctx context.Context) error {
	if w.options.Vault == "" || strings.ContainsAny(w.options.Vault, "\n\r") {
		return fmt.Errorf("a script cannot say where the vault is: %q", w.options.Vault)
	}
	if len(w.options.Binaries) == 0 {
		return errors.New("no varve program is named that may do it")
	}
	manifest, err := w.manifestDigest(ctx)
	if err != nil {
		return err
	}
	var pins []string
	for _, b := range w.options.Binaries {
		sum, err := w.binary(b)
		if err != nil {
			return err
		}
		pins = append(pins, sum+" "+b.System)
	}
	slices.Sort(pins)
	pins = slices.Compact(pins)
	var lock strings.Builder
	fmt.Fprintf(&lock, "schema=varve.rollback_lock/1\nvault=%s\nproject=%s\nsnapshot=%s\nversion=%d\nmanifest-sha256=%s\n", w.options.Vault, w.project.ID(), w.snapshot.ID, w.snapshot.Version, manifest)
	for _, p := range pins {
		fmt.Fprintf(&lock, "varve-sha256=%s\n", p)
	}
	sum, err := w.putText("rollback.lock", 0o644, lock.String())
	if err != nil {
		return err
	}
	w.result.SHA256 = sum
	return w.drivers("pinned", map[string]string{"SHA_LOCK": sum, "SHA_MANIFEST": manifest, "PROJECT": w.project.ID(), "PINS": strings.Join(pins, "\n")})
}

// manifestDigest is the SHA-256 of what varve manifest prints of the snapshot.
func (w *writer) manifestDigest(ctx context.Context) (string, error) {
	h := sha256.New()
	for f, err := range w.project.Manifest(ctx, w.snapshot) {
		if err != nil {
			return "", err
		}
		w.result.Files++
		_, _ = io.WriteString(h, sumLine(f.SHA256, f.Path))
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// binary returns the SHA-256 of a program, and copies it where that is wanted.
func (w *writer) binary(b Binary) (string, error) {
	if !system.MatchString(b.System) {
		return "", fmt.Errorf("%q is no system: say it as linux/amd64", b.System)
	}
	f, err := os.Open(b.Path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	if !w.options.WithBinary {
		h := sha256.New()
		_, err := io.Copy(h, f)
		return hex.EncodeToString(h.Sum(nil)), err
	}
	name := "varve-" + strings.ReplaceAll(b.System, "/", "-")
	if strings.HasPrefix(b.System, "windows/") {
		name += ".exe"
	}
	return w.put(name, 0o755, func(out io.Writer) error {
		_, err := io.Copy(out, f)
		return err
	})
}
