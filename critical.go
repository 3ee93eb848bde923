package varve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/bmatcuk/doublestar/v4"

	"varve/internal/disk"
	"varve/internal/tree"
	"varve/internal/upkeep"
)

// Critical returns the project's critical patterns: a version in which one of them names no file is not whole.
func (p *Project) Critical() []string {
	text, err := p.Setting("critical")
	if err != nil {
		return nil
	}
	return list(text)
}

// checkPattern refuses what can name no file.
func checkPattern(pattern string) error {
	if pattern == "" || !doublestar.ValidatePattern(pattern) {
		return fmt.Errorf("%q is not a pattern", pattern)
	}
	return nil
}

// FileCheck is what a check of the files of a snapshot found.
type FileCheck struct {
	Files, Bytes int64 // read
	Findings     []Finding
}

// CheckFiles reads files of a snapshot out of the vault, as a restore would, and compares each with its SHA-256; match
// says which, nil is for all. A critical pattern that names no file is a finding too.
func (p *Project) CheckFiles(ctx context.Context, s *Snapshot, match func(path string) bool) (*FileCheck, error) {
	out := &FileCheck{}
	critical := p.Critical()
	seen := make([]bool, len(critical))
	at := fmt.Sprintf("%s@%d", p.Name(), s.Version)
	fail := func(kind upkeep.Kind, file, object, detail string) {
		out.Findings = append(out.Findings, Finding{Kind: kind, Object: object, Path: file, Paths: []string{file}, Snapshots: []string{at}, Detail: detail, Repair: "varve repair --from a copy of the vault"})
	}
	var todo []tree.Entry
	var paths []string
	err := everything(ctx, p.v.getter(), s.Root, func(file string, _, e *tree.Entry) error {
		if e.Type != disk.Regular {
			return nil
		}
		for i, c := range critical {
			if ok, _ := doublestar.Match(c, file); ok {
				seen[i] = true
			}
		}
		if match == nil || match(file) {
			todo, paths = append(todo, *e), append(paths, file)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	for i, c := range critical {
		if !seen[i] {
			out.Findings = append(out.Findings, Finding{Kind: upkeep.Missing, Object: c, Snapshots: []string{at}, Detail: "no file of " + s.Ref() + " is what this critical pattern names", Repair: "the version is not whole: take another"})
		}
	}
	var mu sync.Mutex
	var wg sync.WaitGroup
	next := 0
	for range max(1, p.v.readers) {
		wg.Go(func() {
			get := p.v.getter()
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(todo) || ctx.Err() != nil {
					return
				}
				n, detail := readFile(ctx, get, &todo[i])
				mu.Lock()
				out.Files, out.Bytes = out.Files+1, out.Bytes+n
				if detail != "" && ctx.Err() == nil {
					fail(upkeep.Damaged, paths[i], "file", detail)
				}
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	slices.SortStableFunc(out.Findings, func(a, b Finding) int { return strings.Compare(a.Path, b.Path) })
	return out, ctx.Err()
}

// readFile reads a file to its end, and says what is wrong with it.
func readFile(ctx context.Context, get tree.Getter, e *tree.Entry) (int64, string) {
	h := sha256.New()
	n := &counted{w: h}
	if err := writeContent(ctx, get, e, n); err != nil {
		return n.n, err.Error()
	}
	if n.n != e.Size {
		return n.n, fmt.Sprintf("it has %d bytes instead of %d", n.n, e.Size)
	}
	if sum, ok := e.Sum(); ok && hex.EncodeToString(sum[:]) != hex.EncodeToString(h.Sum(nil)) {
		return n.n, "its SHA-256 is not that of the file that was kept"
	}
	return n.n, ""
}

// counted counts what goes through it.
type counted struct {
	w io.Writer
	n int64
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
