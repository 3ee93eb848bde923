package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// revision of the generators: raised when a corpus of the same scale gets other bytes.
const revision = 1

// An entry is one file of a version.
type entry struct {
	path  string // with slashes
	state string // equal within a corpus: equal bytes
	write func(w *bufio.Writer) error
}

// A corpus is a folder's life, one list of files for each version.
type corpus struct {
	name     string
	versions func(scale float64) [][]entry
}

func corpora() []corpus {
	return []corpus{
		{"small", smallVersions},
		{"assets", assetVersions},
		{"weights", weightVersions},
		{"blocks", blockVersions},
		{"text", textVersions},
	}
}

// chooseCorpora returns the named ones; none: all.
func chooseCorpora(only []string) ([]corpus, error) {
	all := corpora()
	for _, name := range only {
		if !slices.ContainsFunc(all, func(c corpus) bool { return c.name == name }) {
			return nil, fmt.Errorf("%w: no corpus %q", errUsage, name)
		}
	}
	return slices.DeleteFunc(all, func(c corpus) bool { return len(only) > 0 && !slices.Contains(only, c.name) }), nil
}

// corpusFact is corpus.json beside the versions, written last; and a line of a run's file.
type corpusFact struct {
	Schema   string        `json:"schema"`
	Name     string        `json:"name"`
	Revision int           `json:"revision"`
	Scale    float64       `json:"scale"`
	Versions []versionFact `json:"versions"`
}

type versionFact struct {
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
	Fresh int64 `json:"fresh_bytes"` // in files whose bytes no earlier version had
}

const (
	corpusSchema = "varve.bench.corpus/1"
	corpusFile   = "corpus.json"
)

// makeCorpora makes the named corpora (none: all) under dir. One that is there already, at this scale, stays.
func makeCorpora(ctx context.Context, dir string, only []string, scale float64, talk io.Writer) error {
	chosen, err := chooseCorpora(only)
	if err != nil {
		return err
	}
	for _, c := range chosen {
		at := filepath.Join(dir, c.name)
		have, err := readCorpus(at)
		switch {
		case err == nil && have.Scale == scale && have.Revision == revision:
			fmt.Fprintf(talk, "%s is there\n", c.name)
			continue
		case err == nil:
			return fmt.Errorf("make %s: there is one at scale %v, revision %d: remove it or take another folder", at, have.Scale, have.Revision)
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("make %s: %w", at, err)
		}
		fact, err := c.build(ctx, at, scale)
		if err != nil {
			return fmt.Errorf("make corpus %s: %w", c.name, err)
		}
		for i, v := range fact.Versions {
			fmt.Fprintf(talk, "%s v%d: %d files, %.1f MB, %.1f MB of it in new or changed files\n", c.name, i+1, v.Files, mega(v.Bytes), mega(v.Fresh))
		}
	}
	return nil
}

func readCorpus(at string) (*corpusFact, error) {
	text, err := os.ReadFile(filepath.Join(at, corpusFile))
	if err != nil {
		return nil, err
	}
	fact := &corpusFact{}
	if err := json.Unmarshal(text, fact); err != nil {
		return nil, fmt.Errorf("read %s: %w", corpusFile, err)
	}
	return fact, nil
}

// build makes a corpus beside its place and renames it there when it is whole.
func (c corpus) build(ctx context.Context, at string, scale float64) (*corpusFact, error) {
	making := at + ".making"
	if err := os.RemoveAll(making); err != nil {
		return nil, err
	}
	fact := &corpusFact{Schema: corpusSchema, Name: c.name, Revision: revision, Scale: scale}
	made := map[string]string{} // state → file that has it
	for i, entries := range c.versions(scale) {
		v := versionFact{Files: len(entries)}
		for _, e := range entries {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			to := filepath.Join(making, fmt.Sprintf("v%d", i+1), filepath.FromSlash(e.path))
			from, again := made[e.state]
			n, err := e.make(to, from)
			if err != nil {
				return nil, fmt.Errorf("write %s of v%d: %w", e.path, i+1, err)
			}
			made[e.state] = to
			v.Bytes += n
			if !again {
				v.Fresh += n
			}
		}
		fact.Versions = append(fact.Versions, v)
	}
	text, err := json.MarshalIndent(fact, "", "\t")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(making, corpusFile), append(text, '\n'), 0o644); err != nil {
		return nil, err
	}
	return fact, os.Rename(making, at)
}

// make writes the entry's file, as a copy of from if that is not empty, and returns its size.
func (e entry) make(to, from string) (int64, error) {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return 0, err
	}
	if from != "" {
		return copyFile(from, to)
	}
	f, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	w := bufio.NewWriterSize(f, 1<<16)
	if err := e.write(w); err != nil {
		return 0, err
	}
	if err := w.Flush(); err != nil {
		return 0, err
	}
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), f.Close()
}

// copyFile makes to hold what from holds, in place if it is there, and returns the size.
func copyFile(from, to string) (int64, error) {
	in, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return 0, err
	}
	defer out.Close()
	n, err := io.Copy(out, in)
	if err != nil {
		return 0, err
	}
	return n, out.Close()
}

// scaled returns n × scale, at least least.
func scaled(n int, scale float64, least int) int { return max(least, int(float64(n)*scale)) }

// bytesOf is an entry's writer for what is made in memory.
func bytesOf(build func() []byte) func(*bufio.Writer) error {
	return func(w *bufio.Writer) error {
		_, err := w.Write(build())
		return err
	}
}

// history names a content by what happened to it, in order.
func history(kind string, id int, happened []string) string {
	return fmt.Sprintf("%s %d %s", kind, id, strings.Join(happened, " "))
}

func mega(n int64) float64 { return float64(n) / 1e6 }
