// Package workspace keeps the state of creative applications (settings, workspaces, brushes, shortcuts) with the state of
// a project, and puts it back.
//
// A [Profile] says where an application keeps what, and what of it to keep. Profiles are TOML files: those of this
// package and those of the user, which take the place of one with the same id.
//
// It promises: caches, logs, licences and lists of recent files are left out; what looks like a secret never gets into a
// vault, and a restore leaves the one that is on the machine; nothing is written while the application runs, nor before
// what is there was kept.
//
// # In the vault
//
// The state of an application is a snapshot of a project named "workspace:<id>", of this machine. Its files are
// <root>/<version>/<path>, and workspace.json, which says what they are. Its tag "of" is the id of the project's snapshot
// that it was captured with.
package workspace

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
)

//go:embed profiles/*.toml
var shipped embed.FS

// Profile says what of an application to keep.
type Profile struct {
	ID       string   `toml:"id"`
	Name     string   `toml:"name"`
	Schema   int      `toml:"schema"`  // 1
	Sources  []string `toml:"sources"` // of what it says
	Roots    []Root   `toml:"root"`
	Groups   []Group  `toml:"group"`
	Secrets  Secrets  `toml:"secrets"`
	Restore  Restore  `toml:"restore"`
	Verified []Check  `toml:"verified"`
}

// Root is a folder of the application on one system.
type Root struct {
	Name string `toml:"name"` // that groups call it by; "" is "config"
	OS   string `toml:"os"`   // linux, darwin, windows
	// Path begins with a token: {home} {docs} {roaming} {local} {programdata} {appsupport} {prefs} {xdg_config} {xdg_data}
	// {xdg_cache}. {ver} stands for part of one name, the version.
	Path string `toml:"path"`
	Env  string `toml:"env"` // a variable that names another folder, if it is set
}

// Group is files that belong together.
type Group struct {
	Name     string   `toml:"name"`
	Root     string   `toml:"in"`      // the name of a root; "" is "config"
	Include  []string `toml:"include"` // patterns, from the root: *, ?, [], **
	Exclude  []string `toml:"exclude"`
	Optional bool     `toml:"optional"` // only if it is asked for
	MaxMB    int      `toml:"max_mb"`   // more is left out, and told; 0: 64
}

// Secrets says what must not get into a vault.
type Secrets struct {
	Files []string `toml:"files"` // patterns of files that are left out
	Keys  []string `toml:"keys"`  // names of settings whose values are taken out
}

// Restore says how it may be put back.
type Restore struct {
	RequireClosed []string `toml:"require_closed"` // names of processes
	VersionMap    string   `toml:"version_map"`    // "same": only into that version; "same-or-newer"
}

// Check says that somebody saw a profile work.
type Check struct {
	OS      string `toml:"os" json:"os"`
	Version string `toml:"version" json:"version"`
	Date    string `toml:"date" json:"date"`
	What    string `toml:"what" json:"what"`
}

const defaultMB = 64

// ErrProfile says that a profile is not as it must be.
var ErrProfile = errors.New("profile")

// Profiles returns the shipped profiles and those in more, which replace the ones of the same id, by their ids.
func Profiles(more fs.FS) ([]*Profile, error) {
	by := map[string]*Profile{}
	sub, err := fs.Sub(shipped, "profiles")
	if err != nil {
		return nil, err
	}
	for _, from := range []fs.FS{sub, more} {
		if from == nil {
			continue
		}
		names, err := fs.Glob(from, "*.toml")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			b, err := fs.ReadFile(from, name)
			if err != nil {
				return nil, err
			}
			p, err := ParseProfile(b)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			by[p.ID] = p
		}
	}
	var out []*Profile
	for _, p := range by {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *Profile) int { return strings.Compare(a.ID, b.ID) })
	return out, nil
}

// ParseProfile reads a profile; ErrProfile, with what, if it is not as it must be.
func ParseProfile(b []byte) (*Profile, error) {
	p := &Profile{}
	meta, err := toml.Decode(string(b), p)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProfile, err)
	}
	if un := meta.Undecoded(); len(un) > 0 {
		return nil, fmt.Errorf("%w: nobody knows the key %s", ErrProfile, un[0])
	}
	return p, p.check()
}

func (p *Profile) check() error {
	wrong := func(text string, args ...any) error {
		return fmt.Errorf("%w %q: %s", ErrProfile, p.ID, fmt.Sprintf(text, args...))
	}
	if !regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(p.ID) {
		return wrong("an id is of a-z, 0-9 and -")
	}
	if p.Schema != 1 {
		return wrong("schema %d is not 1", p.Schema)
	}
	if len(p.Roots) == 0 || len(p.Groups) == 0 {
		return wrong("it has no roots or no groups")
	}
	names := map[string]bool{}
	for i := range p.Roots {
		r := &p.Roots[i]
		if r.Name == "" {
			r.Name = "config"
		}
		names[r.Name] = true
		token, _, _ := strings.Cut(r.Path, "/")
		if !slices.Contains(tokens(), token) || strings.Contains(r.Path, "..") || strings.Contains(r.Path, `\`) {
			return wrong("root %q does not begin with one of %s", r.Path, strings.Join(tokens(), " "))
		}
		if !slices.Contains([]string{"linux", "darwin", "windows"}, r.OS) {
			return wrong("os %q of root %q is none of linux, darwin, windows", r.OS, r.Path)
		}
	}
	for i := range p.Groups {
		g := &p.Groups[i]
		if g.Root == "" {
			g.Root = "config"
		}
		if !names[g.Root] {
			return wrong("group %q is in root %q, which is not there", g.Name, g.Root)
		}
		for _, pattern := range slices.Concat(g.Include, g.Exclude) {
			if _, err := path.Match(strings.ReplaceAll(pattern, "**", "*"), "x"); err != nil || strings.HasPrefix(pattern, "/") || strings.Contains(pattern, "..") {
				return wrong("pattern %q of group %q", pattern, g.Name)
			}
		}
		if len(g.Include) == 0 {
			return wrong("group %q includes nothing", g.Name)
		}
	}
	return nil
}

func tokens() []string {
	return []string{"{home}", "{docs}", "{roaming}", "{local}", "{public}", "{programdata}", "{appsupport}", "{prefs}", "{xdg_config}", "{xdg_data}", "{xdg_cache}"}
}

// Machine is where applications are looked for.
type Machine struct {
	OS   string // linux, darwin, windows
	Home string
	Env  func(string) string
	// Running returns the names of the processes that run; nil where that cannot be known.
	Running func() ([]string, error)
}

// token returns the folder that a token stands for; "" where this system has none.
func (m *Machine) token(t string) string {
	or := func(variable, otherwise string) string {
		if v := m.Env(variable); v != "" {
			return slash(v)
		}
		return path.Join(slash(m.Home), otherwise)
	}
	switch m.OS + t {
	case "linux{home}", "darwin{home}", "windows{home}":
		return slash(m.Home)
	case "linux{docs}", "darwin{docs}":
		return path.Join(slash(m.Home), "Documents")
	case "windows{docs}":
		if d := m.Env("OneDrive"); d != "" {
			return path.Join(slash(d), "Documents")
		}
		return path.Join(slash(m.Home), "Documents")
	case "windows{roaming}":
		return or("APPDATA", "AppData/Roaming")
	case "windows{local}":
		return or("LOCALAPPDATA", "AppData/Local")
	case "windows{programdata}":
		return or("PROGRAMDATA", "../../ProgramData")
	case "windows{public}":
		return or("PUBLIC", "../Public")
	case "darwin{public}":
		return "/Users/Shared"
	case "darwin{appsupport}":
		return path.Join(slash(m.Home), "Library/Application Support")
	case "darwin{prefs}":
		return path.Join(slash(m.Home), "Library/Preferences")
	case "linux{xdg_config}":
		return or("XDG_CONFIG_HOME", ".config")
	case "linux{xdg_data}":
		return or("XDG_DATA_HOME", ".local/share")
	case "linux{xdg_cache}":
		return or("XDG_CACHE_HOME", ".cache")
	}
	return ""
}

func slash(p string) string { return strings.ReplaceAll(p, `\`, "/") }
