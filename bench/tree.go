package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// spared is varve's mark in a project's folder, made by its first snapshot: left alone, and compared by nobody.
const spared = ".varve"

// treeOf lists what is below dir by slashed path, sorted: directories before what is in them.
func treeOf(dir string) (map[string]fs.FileInfo, []string, error) {
	tree := map[string]fs.FileInfo{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == dir {
			return err
		}
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		if rel == spared {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		st, err := d.Info()
		tree[filepath.ToSlash(rel)] = st
		return err
	})
	paths := make([]string, 0, len(tree))
	for p := range tree {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return tree, paths, err
}

const identical = "identical"

// compare says "identical", or how many entries of two folders differ and the first of them: in name, kind, content,
// link or permissions.
func compare(a, b string) (string, error) {
	in, paths, err := treeOf(a)
	if err != nil {
		return "", err
	}
	also, others, err := treeOf(b)
	if err != nil {
		return "", err
	}
	for _, p := range others {
		if in[p] == nil {
			paths = append(paths, p)
		}
	}
	wrong, first := 0, ""
	for _, p := range paths {
		what := ""
		switch x, y := in[p], also[p]; {
		case y == nil:
			what = "missing"
		case x == nil:
			what = "not in the original"
		case x.Mode() != y.Mode():
			what = fmt.Sprintf("%v instead of %v", y.Mode(), x.Mode())
		default:
			same, err := sameContent(filepath.Join(a, p), filepath.Join(b, p), x, y)
			if err != nil {
				return "", err
			}
			if !same {
				what = "other content"
			}
		}
		if what != "" {
			if wrong++; wrong == 1 {
				first = p + ": " + what
			}
		}
	}
	if wrong > 0 {
		return fmt.Sprintf("%d differ, first %s", wrong, first), nil
	}
	return identical, nil
}

// sameContent compares two entries of the same kind.
func sameContent(a, b string, x, y fs.FileInfo) (bool, error) {
	switch {
	case x.Mode().Type() != y.Mode().Type():
		return false, nil
	case x.Mode()&fs.ModeSymlink != 0:
		p, err := os.Readlink(a)
		q, err2 := os.Readlink(b)
		return p == q, errors.Join(err, err2)
	case !x.Mode().IsRegular():
		return true, nil
	case x.Size() != y.Size():
		return false, nil
	}
	f, err := os.Open(a)
	if err != nil {
		return false, err
	}
	defer f.Close()
	g, err := os.Open(b)
	if err != nil {
		return false, err
	}
	defer g.Close()
	p, q := make([]byte, 1<<16), make([]byte, 1<<16)
	for {
		n, err := io.ReadFull(f, p)
		m, err2 := io.ReadFull(g, q)
		if n != m || !bytes.Equal(p[:n], q[:m]) {
			return false, nil
		}
		ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
		if ended && (errors.Is(err2, io.EOF) || errors.Is(err2, io.ErrUnexpectedEOF)) {
			return true, nil
		}
		if err != nil && !ended || err2 != nil {
			return false, errors.Join(err, err2)
		}
	}
}

// edit brings the folder work to what version has, as a user would: files that differ are rewritten in place, files
// that moved are moved, the rest is not touched. It returns the number of files written or moved.
func edit(version, work string) (int, error) {
	want, paths, err := treeOf(version)
	if err != nil {
		return 0, err
	}
	have, old, err := treeOf(work)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	gone := slices.DeleteFunc(slices.Clone(old), func(p string) bool { return want[p] != nil })
	fresh := slices.DeleteFunc(slices.Clone(paths), func(p string) bool { return have[p] != nil })
	moved, err := moves(version, fresh, want, work, gone, have)
	if err != nil {
		return 0, err
	}
	if err := os.MkdirAll(work, 0o755); err != nil {
		return 0, err
	}
	touched := 0
	for _, p := range paths {
		from, to := filepath.Join(version, p), filepath.Join(work, p)
		switch {
		case want[p].IsDir():
			err = os.MkdirAll(to, 0o755)
		case moved[p] != "":
			touched++
			err = os.Rename(filepath.Join(work, moved[p]), to)
		default:
			same := false
			if have[p] != nil {
				same, err = sameContent(from, to, want[p], have[p])
			}
			if !same && err == nil {
				touched++
				_, err = copyFile(from, to)
			}
		}
		if err != nil {
			return touched, err
		}
	}
	for _, p := range slices.Backward(gone) { // what is in a directory goes before it
		if err := os.Remove(filepath.Join(work, p)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return touched, err
		}
	}
	return touched, nil
}

// moves pairs files that are new in version with files of the same bytes that are gone from it: new path → old.
func moves(version string, fresh []string, want map[string]fs.FileInfo, work string, gone []string, have map[string]fs.FileInfo) (map[string]string, error) {
	bySum := map[string][]string{}
	sizes := map[int64]bool{}
	for _, p := range gone {
		if have[p].Mode().IsRegular() {
			sum, err := sumOf(filepath.Join(work, p))
			if err != nil {
				return nil, err
			}
			bySum[sum], sizes[have[p].Size()] = append(bySum[sum], p), true
		}
	}
	out := map[string]string{}
	for _, p := range fresh {
		if !want[p].Mode().IsRegular() || !sizes[want[p].Size()] {
			continue
		}
		sum, err := sumOf(filepath.Join(version, p))
		if err != nil {
			return nil, err
		}
		if from := bySum[sum]; len(from) > 0 {
			out[p], bySum[sum] = from[0], from[1:]
		}
	}
	return out, nil
}

func sumOf(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return string(h.Sum(nil)), err
}

// warm reads a folder once, so that every tool finds it in memory.
func warm(dir string) error {
	buf := make([]byte, 1<<16)
	return filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		for err == nil {
			_, err = f.Read(buf)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	})
}
