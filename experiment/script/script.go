// Package script makes rollback scripts: programs of a few kilobytes that put one version of a project back, each in
// three languages that do the same (POSIX sh, PowerShell 5.1, Python 3.6).
//
// There are two kinds. The small one names the vault, the snapshot and the digest of what is in it, and lets a varve do
// the work whose SHA-256 it knows. The self-contained one has the files with it and needs neither varve nor the vault.
//
// It promises: the same snapshot gives the same bytes; each driver has the SHA-256 of everything that it reads in its own
// text and touches nothing where one is wrong; what a driver replaces is whole in a backup beside the folder before the
// first file is replaced; what it has put back was read again and has the right SHA-256, or its exit code is 20.
//
// The bytes of a self-contained folder: ENTRIES (one line an entry: type, mode, nanoseconds, time for touch -t, size,
// SHA-256, path, target, parted by tabs, escaped by octal where a byte is a control character or a backslash), MANIFEST.json
// (varve.manifest/1), SHA256SUMS (as sha256sum reads it, of the unpacked archive and of itself), payload.tar.gz with all
// below tree/ in the order of ENTRIES, and the drivers. The small folder: rollback.lock (KEY=VALUE lines) and the drivers.
package script

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"varve"
)

// Options say what kind of script to make, and for where.
type Options struct {
	Dir           string // the folder to make, new or empty
	Target        string // the project's folder that a driver puts back unless it is told another; "" for none
	SelfContained bool

	// Of the small kind only.
	Vault      string   // where the vault is: an absolute path or an address
	Binaries   []Binary // what is allowed to do it, at least one
	WithBinary bool     // copy the binaries beside the drivers
}

// Binary is a varve program for an operating system.
type Binary struct {
	System string // as GOOS/GOARCH: linux/amd64
	Path   string
}

// Result says what was made.
type Result struct {
	Dir           string
	Files         int64 // of the version
	Bytes         int64 // of the folder that was made
	SelfContained bool
	Drivers       []string // names of files in Dir
	SHA256        string   // of the payload, or of the lock
	Skipped       []string // pipes, sockets and devices: paths that the payload does not have
}

// Write makes the rollback scripts of a snapshot. The folder appears whole or not at all.
func Write(ctx context.Context, p *varve.Project, s *varve.Snapshot, o Options) (*Result, error) {
	if err := checkDir(o.Dir); err != nil {
		return nil, err
	}
	parent := filepath.Dir(o.Dir)
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return nil, err
	}
	temp, err := os.MkdirTemp(parent, ".varve-restore-script-*")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(temp)
	w := &writer{project: p, snapshot: s, options: o, dir: temp, result: Result{Dir: o.Dir, SelfContained: o.SelfContained, Drivers: []string{"rollback.sh", "rollback.ps1", "rollback.py"}}}
	if o.SelfContained {
		err = w.selfContained(ctx)
	} else {
		err = w.pinned(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("rollback script of %s: %w", s.Ref(), err)
	}
	if err := os.Chmod(temp, 0o755); err != nil {
		return nil, err
	}
	if err := os.Remove(o.Dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := os.Rename(temp, o.Dir); err != nil {
		return nil, err
	}
	return &w.result, nil
}

// checkDir wants a folder that is absent or empty: what is in another might be of use to somebody.
func checkDir(dir string) error {
	names, err := os.ReadDir(dir)
	switch {
	case dir == "":
		return errors.New("rollback script: no folder is named for it")
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case len(names) > 0:
		return fmt.Errorf("rollback script: %s is not empty: name a new folder", dir)
	}
	return nil
}

// writer is the making of one folder.
type writer struct {
	project  *varve.Project
	snapshot *varve.Snapshot
	options  Options
	dir      string
	result   Result
}

// put writes a file of the folder and returns its SHA-256.
func (w *writer) put(name string, mode fs.FileMode, fill func(io.Writer) error) (string, error) {
	f, err := os.OpenFile(filepath.Join(w.dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	n := counter{}
	if err := fill(io.MultiWriter(f, h, &n)); err != nil {
		return "", fmt.Errorf("write %s: %w", name, err)
	}
	w.result.Bytes += n.n
	if err := f.Chmod(mode); err != nil && !errors.Is(err, errors.ErrUnsupported) {
		return "", err
	}
	if err := f.Sync(); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), f.Close()
}

func (w *writer) putText(name string, mode fs.FileMode, text string) (string, error) {
	return w.put(name, mode, func(out io.Writer) error {
		_, err := io.WriteString(out, text)
		return err
	})
}

type counter struct{ n int64 }

func (c *counter) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	return len(b), nil
}

// oneLine makes a name fit for a comment of a script: printable ASCII.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
}
