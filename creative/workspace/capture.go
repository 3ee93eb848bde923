package workspace

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"varve"
)

// Found is a root of an application that is on the machine.
type Found struct {
	Root    string `json:"root"`    // its name
	Version string `json:"version"` // what {ver} stood for; ""
	Path    string `json:"path"`    // with slashes
}

// Find returns the roots of a profile that are there, of all versions, in order.
func (m *Machine) Find(p *Profile) []Found {
	var out []Found
	for _, r := range p.Roots {
		if r.OS != m.OS {
			continue
		}
		if r.Env != "" {
			if at := m.Env(r.Env); at != "" && isDir(at) {
				out = append(out, Found{r.Name, "", slash(at)})
				continue
			}
		}
		token, rest, _ := strings.Cut(r.Path, "/")
		at := m.token(token)
		if at == "" {
			continue
		}
		out = append(out, versions(r.Name, path.Join(at, rest))...)
	}
	return out
}

func isDir(at string) bool {
	info, err := os.Stat(filepath.FromSlash(at))
	return err == nil && info.IsDir()
}

// versions returns the folders that a path with {ver} in it stands for, the newest version last.
func versions(root, at string) (out []Found) {
	before, after, ok := strings.Cut(at, "{ver}")
	if !ok {
		if isDir(at) {
			out = append(out, Found{root, "", at})
		}
		return out
	}
	parent, prefix := path.Split(before)
	suffix, below, _ := strings.Cut(after, "/")
	entries, err := os.ReadDir(filepath.FromSlash(parent))
	if err != nil {
		return nil
	}
	for _, e := range entries {
		v, ok := strings.CutPrefix(e.Name(), prefix)
		if !ok || !strings.HasSuffix(v, suffix) || len(v) <= len(suffix) {
			continue
		}
		v = strings.TrimSuffix(v, suffix)
		full := path.Join(parent, e.Name(), strings.ReplaceAll(below, "{ver}", v))
		if isVersion(v) && isDir(full) {
			out = append(out, Found{root, v, full})
		}
	}
	slices.SortStableFunc(out, func(a, b Found) int { return compareVersions(a.Version, b.Version) })
	return out
}

var versionLike = regexp.MustCompile(`^(CC )?v?[0-9]+([._ ][0-9A-Za-z]+)*$`)

func isVersion(v string) bool { return versionLike.MatchString(v) }

// compareVersions orders versions by their numbers.
func compareVersions(a, b string) int {
	digits := regexp.MustCompile(`[0-9]+`)
	x, y := digits.FindAllString(a, -1), digits.FindAllString(b, -1)
	for i := range min(len(x), len(y)) {
		p, q := strings.TrimLeft(x[i], "0"), strings.TrimLeft(y[i], "0")
		if len(p) != len(q) {
			return len(p) - len(q)
		}
		if c := strings.Compare(p, q); c != 0 {
			return c
		}
	}
	return len(x) - len(y)
}

// Captured says what was kept of an application.
type Captured struct {
	App      string     `json:"app"`
	Name     string     `json:"name"`
	Version  string     `json:"version"` // the newest that was found
	OS       string     `json:"os"`
	Roots    []Found    `json:"roots"`
	Files    int        `json:"files"`
	Bytes    int64      `json:"bytes"`
	Redacted []Redacted `json:"redacted"`
	LeftOut  []LeftOut  `json:"left_out"`

	Snapshot *varve.Snapshot `json:"-"` // nil in a dry run
}

// Redacted is a file from which secrets were taken.
type Redacted struct {
	Path   string `json:"path"`
	Places int    `json:"places"` // 0: the whole file
}

// LeftOut is something that would have been kept and was not.
type LeftOut struct {
	Path   string `json:"path"`
	Reason string `json:"reason"`
}

// ErrNotFound says that an application has no settings on this machine.
var ErrNotFound = errors.New("no settings of it are on this machine")

const (
	factsName = "workspace.json"
	maxTotal  = 512 << 20 // bytes of one application
)

func projectName(app string) string { return "workspace:" + app }

// CaptureOptions say what to capture, and with what.
type CaptureOptions struct {
	Groups []string        // optional ones that are wanted too
	Of     *varve.Snapshot // the project's state that it belongs to; nil: none
	DryRun bool
	Reason string // of the snapshot; ""
}

// Capture keeps the state of an application. Nothing is written where nothing has changed.
func Capture(ctx context.Context, v *varve.Vault, m *Machine, p *Profile, o CaptureOptions) (*Captured, error) {
	found := m.Find(p)
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: %w", p.Name, ErrNotFound)
	}
	c := &Captured{App: p.ID, Name: p.Name, OS: m.OS, Roots: found, Version: found[len(found)-1].Version, Redacted: []Redacted{}, LeftOut: []LeftOut{}}
	var files []varve.KeptFile
	for _, f := range found {
		for i := range p.Groups {
			g := &p.Groups[i]
			if g.Root != f.Root || g.Optional && !slices.Contains(o.Groups, g.Name) {
				continue
			}
			more, err := c.gather(ctx, p, g, f)
			if err != nil {
				return nil, err
			}
			files = append(files, more...)
		}
	}
	slices.SortStableFunc(files, func(a, b varve.KeptFile) int { return strings.Compare(a.Path, b.Path) })
	files = slices.CompactFunc(files, func(a, b varve.KeptFile) bool { return a.Path == b.Path })
	newest := files[:0:0]
	for _, f := range files {
		c.Files++
		if len(newest) == 0 || f.Modified.After(newest[0].Modified) {
			newest = append(newest[:0], f)
		}
	}
	if c.Files == 0 {
		return nil, fmt.Errorf("%s: %w", p.Name, ErrNotFound)
	}
	if o.DryRun {
		return c, nil
	}
	facts, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return nil, err
	}
	files = append(files, varve.KeptFile{Path: factsName, Modified: newest[0].Modified, Content: facts})
	snap := varve.SnapOptions{Message: "state of " + p.Name + o.Reason, Tags: map[string]string{"app": p.ID}}
	if o.Of != nil {
		snap.Tags["of"] = o.Of.ID.String()
	}
	project, s, err := v.SnapFiles(ctx, projectName(p.ID), files, snap)
	if err != nil {
		return nil, err
	}
	// A state that was kept before may be that of another moment of the project, too.
	if o.Of != nil && s.Tags["of"] != o.Of.ID.String() {
		if err := project.SetTag(ctx, s, "of-"+o.Of.ID.String()[:12], "yes"); err != nil {
			return nil, err
		}
	}
	c.Snapshot = s
	return c, nil
}

// gather reads the files of a group.
func (c *Captured) gather(ctx context.Context, p *Profile, g *Group, f Found) ([]varve.KeptFile, error) {
	root := os.DirFS(filepath.FromSlash(f.Path))
	limit := int64(g.MaxMB) << 20
	if limit == 0 {
		limit = defaultMB << 20
	}
	var out []varve.KeptFile
	total := int64(0)
	for _, pattern := range g.Include {
		err := doublestar.GlobWalk(root, pattern, func(at string, e fs.DirEntry) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !e.Type().IsRegular() || fits(g.Exclude, at) { // links are not followed: they may lead anywhere
				return nil
			}
			where := path.Join(f.Root, f.Version, at)
			if fits(p.Secrets.Files, at) {
				c.Redacted = append(c.Redacted, Redacted{where, 0})
				return nil
			}
			info, err := e.Info()
			if err != nil {
				return nil // it is gone
			}
			if total+info.Size() > limit || c.Bytes+info.Size() > maxTotal {
				c.LeftOut = append(c.LeftOut, LeftOut{where, fmt.Sprintf("group %s has more than %d MB", g.Name, limit>>20)})
				return nil
			}
			kept, err := c.read(root, at, where, p, info)
			if err != nil {
				c.LeftOut = append(c.LeftOut, LeftOut{where, err.Error()})
				return nil
			}
			if kept != nil {
				total += int64(len(kept.Content))
				c.Bytes += int64(len(kept.Content))
				out = append(out, *kept)
			}
			return nil
		}, doublestar.WithNoFollow())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s: %w", f.Path, err)
		}
	}
	return out, nil
}

func fits(patterns []string, at string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return doublestar.MatchUnvalidated(p, at) })
}

// read reads one file and takes the secrets out; nil where it is one.
func (c *Captured) read(root fs.FS, at, where string, p *Profile, info fs.FileInfo) (*varve.KeptFile, error) {
	b, err := fs.ReadFile(root, at)
	if err != nil {
		return nil, err
	}
	if hasKey(b) {
		c.Redacted = append(c.Redacted, Redacted{where, 0})
		return nil, nil
	}
	b, n := redact(b, p.Secrets.Keys)
	if n > 0 {
		c.Redacted = append(c.Redacted, Redacted{where, n})
	}
	return &varve.KeptFile{Path: where, Mode: info.Mode(), Modified: info.ModTime(), Content: b}, nil
}
