package varve_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"varve"
	"varve/internal/disk"
)

// What the real program does and says of the folders below dir, for suites that must not have them open themselves.

// run runs a verb, under what prefix says.
func (b *bench) run(dir string, prefix []string, args ...string) error {
	_, err := b.output(dir, prefix, args...)
	return err
}

func (b *bench) output(dir string, prefix []string, args ...string) ([]byte, error) {
	c := b.command(dir, slices.Clone(prefix), args...)
	var talk bytes.Buffer
	c.Stderr = &talk
	out, err := c.Output()
	if err != nil {
		return out, fmt.Errorf("%s: %w: %s%s", args[0], err, talk.Bytes(), out)
	}
	return out, nil
}

// snap takes a snapshot and returns what it is called.
func (b *bench) snap(dir string, prefix []string) (id varve.ID, err error) {
	out, err := b.output(dir, prefix, "snap", "--json")
	if err != nil {
		return id, err
	}
	return promised(out)
}

// promised is the snapshot that the output of snap --json promises.
func promised(out []byte) (id varve.ID, err error) {
	var s snapLine
	if err := json.Unmarshal(out, &s); err != nil {
		return id, fmt.Errorf("snap --json: %w: %q", err, out)
	}
	if n, err := hex.Decode(id[:], []byte(s.ID)); err != nil || n != len(id) {
		return id, fmt.Errorf("snap --json: id %q", s.ID)
	}
	return id, nil
}

// snapLine is a snapshot as the program tells of it.
type snapLine struct{ ID, Ref, Reason string }

// snapshots are all that the program knows of the project.
func (b *bench) snapshots(dir string) (all []snapLine, err error) {
	out, err := b.output(dir, nil, "log", "--json")
	if err != nil {
		return nil, err
	}
	for line := range bytes.Lines(out) {
		var s snapLine
		if err := json.Unmarshal(line, &s); err != nil || s.ID == "" {
			return nil, fmt.Errorf("log --json: %w: %q", err, line)
		}
		all = append(all, s)
	}
	return all, nil
}

// restored is the listing of a snapshot that the program puts into a new folder.
func (b *bench) restored(dir, ref string) (listing string, err error) {
	to, err := os.MkdirTemp(dir, "restored")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(to)) }()
	out := filepath.Join(to, "out")
	if err := b.run(dir, nil, "restore", ref, "-q", "--to", out); err != nil {
		return "", err
	}
	return listAt(out)
}

func listAt(path string) (string, error) {
	d, err := disk.Open(path)
	if err != nil {
		return "", err
	}
	defer d.Close()
	return list(d)
}
