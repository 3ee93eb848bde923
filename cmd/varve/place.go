package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"varve"
	"varve/internal/disk"
	"varve/store"
)

const (
	dotVarve    = ".varve"
	projectFile = "project.toml"
)

// dataDir is where programs of this user keep data, by the habits of the system.
func (e *env) dataDir() string {
	switch e.goos {
	case "windows":
		if d := e.getenv("LOCALAPPDATA"); d != "" {
			return d
		}
		return filepath.Join(e.home, "AppData", "Local")
	case "darwin":
		return filepath.Join(e.home, "Library", "Application Support")
	}
	if d := e.getenv("XDG_DATA_HOME"); filepath.IsAbs(d) {
		return d
	}
	return filepath.Join(e.home, ".local", "share")
}

// cacheDir is where what may be lost is kept.
func (e *env) cacheDir() string {
	switch e.goos {
	case "windows":
		return filepath.Join(e.dataDir(), "varve", "cache")
	case "darwin":
		return filepath.Join(e.home, "Library", "Caches", "varve")
	}
	if d := e.getenv("XDG_CACHE_HOME"); filepath.IsAbs(d) {
		return filepath.Join(d, "varve")
	}
	return filepath.Join(e.home, ".cache", "varve")
}

// projectRoot returns the nearest folder from -C upwards that is a project, or the folder of -C itself where
// it has a vault that waits for its first snapshot; ok is false if there is none. A mere vault further up
// makes no project of everything below it.
func (e *env) projectRoot() (root string, ok bool) {
	start := e.abs(".")
	for dir := start; ; dir = filepath.Dir(dir) {
		if exists(filepath.Join(dir, dotVarve, projectFile)) {
			return dir, true
		}
		if dir == filepath.Dir(dir) {
			return start, exists(filepath.Join(start, dotVarve, "vault", "config"))
		}
	}
}

// vaultPath says where the vault is, a path or an address, and whether somebody named the place.
func (e *env) vaultPath() (path string, named bool, err error) {
	place := e.vault
	if place == "" {
		place = e.getenv("VARVE_VAULT")
	}
	if place != "" {
		path, err = e.vaultURL(place)
		return path, true, err
	}
	if root, ok := e.projectRoot(); ok {
		own := filepath.Join(root, dotVarve, "vault")
		if exists(own) {
			return own, true, nil
		}
	}
	if e.home == "" && e.dataDir() == filepath.Join(".local", "share") {
		return "", false, hinted(errors.New("find the user's vault: no home folder is set"), "name a vault with --vault or VARVE_VAULT")
	}
	return filepath.Join(e.dataDir(), "varve", "vault"), false, nil
}

// vaultURL turns the name of a vault into a path, or leaves it the address that it is.
func (e *env) vaultURL(place string) (string, error) {
	scheme, rest, ok := strings.Cut(place, "://")
	if !ok {
		return e.abs(place), nil
	}
	switch scheme {
	case "file":
		return e.abs(filepath.FromSlash(rest)), nil
	}
	if remote(place) {
		return place, nil
	}
	return "", usage("a vault is a PATH, s3://HOST/BUCKET/PREFIX or sftp://USER@HOST/PATH", "vault %q: unknown kind %q", place, scheme)
}

// openVault opens the vault. It makes one where create allows and says whether it did.
func (e *env) openVault(ctx context.Context, create bool) (v *varve.Vault, made bool, err error) {
	path, _, err := e.vaultPath()
	if err != nil {
		return nil, false, err
	}
	if !create {
		if remote(path) {
			v, _, err = e.openRemote(ctx, path, false)
		} else {
			v, err = varve.OpenPath(ctx, path, e.options())
		}
		if errors.Is(err, varve.ErrNoVault) {
			return nil, false, &failure{code: exitNoVault, err: fmt.Errorf("open vault: %w", err), hint: e.noVaultHint(path)}
		}
		return v, false, err
	}
	if remote(path) {
		return e.openRemote(ctx, path, true)
	}
	opt := e.options()
	if e.locked {
		opt.NewPassphrase = func() ([]byte, error) { return e.passphraseForNew(path) }
	}
	return varve.OpenOrCreate(ctx, path, opt)
}

func (e *env) noVaultHint(path string) string {
	if exists(path) {
		return "the folder is there but holds no vault; --vault or VARVE_VAULT names another"
	}
	return "varve snap makes it; --vault or VARVE_VAULT names another"
}

// options are what the library needs from outside.
func (e *env) options() varve.Options {
	opt := varve.Options{Now: e.now, Host: e.host, User: e.userName, Boot: e.boot, PID: e.pid, Alive: alive, Parity: e.parity, KDF: e.kdf, Passphrase: e.passphrase, Recall: e.recall, Formats: formats()}
	var warning sync.Mutex
	opt.Warn = func(what string, err error) {
		if !e.quiet && !e.json {
			warning.Lock()
			defer warning.Unlock()
			e.meter.clear()
			fmt.Fprintf(e.talk, "varve: warning: %s: %s\n", name(what), lines(err.Error()))
		}
	}
	if cache, err := disk.Create(e.cacheDir()); err == nil {
		opt.Cache = cache
	} else if e.verbose {
		e.say("varve: no cache, this run is slower: %v", err)
	}
	if state, err := disk.Create(filepath.Join(e.configDir(), "seen")); err == nil {
		opt.State = state
		opt.Place, _, _ = e.vaultPath() // its error was, or will be, that of the verb
	} else if e.verbose {
		e.say("varve: a vault that loses snapshots may go unnoticed: %v", err)
	}
	switch {
	case e.quiet, e.json && !e.verbose:
	case e.json:
		e.meter = &meter{now: e.now, emit: e.emit}
	default:
		e.meter = &meter{w: e.talk, live: e.live, width: e.width, now: e.now}
	}
	if e.meter != nil {
		opt.Progress = e.meter.tell
	}
	return opt
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// place is a vault and a project in it.
type place struct {
	vault   *varve.Vault
	path    string // of the vault
	made    bool   // the vault is new
	project *varve.Project
	root    string // the project's folder; "" where it is not there
}

// need says what a verb wants of its place.
type need struct {
	newVault  bool // it may make the vault
	newFolder bool // the folder need not be a project yet
	folder    bool // the project's folder must be there
}

// open opens the vault, and the project of the current folder or of --project.
func (e *env) open(ctx context.Context, n need) (*place, error) {
	p := &place{}
	var err error
	if p.path, _, err = e.vaultPath(); err != nil {
		return nil, err
	}
	if e.project != "" {
		if n.folder {
			return nil, usage("run it in the project's folder, or with -C", "--project: this verb works on a folder")
		}
		return p, e.openNamed(ctx, p)
	}
	root, kept := e.projectRoot()
	dir, err := disk.Open(root)
	if err != nil {
		return nil, fmt.Errorf("open folder %s: %w", name(root), cause(err))
	}
	_, err = varve.ReadProjectID(dir)
	kept = kept && err == nil
	if err != nil && !errors.Is(err, varve.ErrNoProject) {
		return nil, fmt.Errorf("project %s: %w", name(root), err)
	}
	// A vault is made only after everything else was found in order. What would be kept can be said
	// without one: in a vault that is gone when the verb is done.
	p.vault, p.made, err = e.openVault(ctx, n.newVault && !e.dry)
	if e.dry && n.newVault && errors.Is(err, varve.ErrNoVault) {
		p.vault, err = varve.Create(ctx, store.NewMemory(), e.options())
	}
	if err != nil {
		return nil, err
	}
	p.root = root
	if p.project, err = p.vault.Project(dir, root); err != nil {
		return nil, err
	}
	if err := e.endRollback(ctx, p); err != nil {
		return nil, err
	}
	if !kept && !n.newFolder && p.project.Latest() == nil {
		return nil, &failure{code: exitFailed, err: fmt.Errorf("%s: nothing was kept of this folder yet: %w", name(root), varve.ErrNoProject), hint: "varve snap keeps it; varve log --all lists what the vault has"}
	}
	return p, nil
}

// endRollback ends a rollback of the folder that was broken off: until then the folder is neither the old nor the new.
func (e *env) endRollback(ctx context.Context, p *place) error {
	if e.dry {
		return nil
	}
	res, what, err := p.project.ResumeRevert(context.WithoutCancel(ctx), p.project.IgnoreSettings())
	if errors.Is(err, varve.ErrBusy) {
		return nil // verbs that only look need not wait for it
	}
	if err != nil {
		return hinted(err, "run it again; varve restore puts files back by hand")
	}
	if res != nil {
		e.say("%s, which was broken off, is done now: %s written, %s removed", what, plural(res.Written, "entry"), count(res.Removed))
		for _, left := range res.Left {
			e.say("left as it is: %s: %s", name(left.Path), name(left.Reason))
		}
	}
	return nil
}

// openNamed finds the project that --project names: by its id or a beginning of it, or by its name.
func (e *env) openNamed(ctx context.Context, p *place) error {
	var err error
	if p.vault, _, err = e.openVault(ctx, false); err != nil {
		return err
	}
	var byID, byName []varve.ProjectInfo
	for _, info := range p.vault.Projects() {
		if len(e.project) >= 4 && strings.HasPrefix(info.ID, strings.ToLower(e.project)) {
			byID = append(byID, info)
		}
		if info.Name == e.project || info.Path == e.project {
			byName = append(byName, info)
		}
	}
	found := byName
	if len(found) == 0 {
		found = byID
	}
	switch len(found) {
	case 0:
		return hinted(fmt.Errorf("project %q: %w", e.project, fs.ErrNotExist), "varve log --all lists the projects of the vault")
	case 1:
		p.project, err = p.vault.ProjectByID(found[0].ID)
		return err
	}
	var list []string
	for _, info := range found {
		list = append(list, info.ID[:12]+" ("+name(info.Path)+")")
	}
	return usage("name it by its id", "project %q is ambiguous: %s", e.project, strings.Join(list, ", "))
}

// inside turns a path of the command line into one of the project: with slashes, "" for its root. Without
// a folder it is the project's path already.
func (e *env) inside(p *place, arg string) (string, error) {
	if p.root == "" {
		return strings.Trim(filepath.ToSlash(filepath.Clean("/"+arg)), "/"), nil
	}
	full := e.abs(arg)
	rel, err := filepath.Rel(p.root, full)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		// The folder may be reached through a link.
		if real, linkErr := realPath(full); linkErr == nil {
			if root, linkErr := filepath.EvalSymlinks(p.root); linkErr == nil {
				rel, err = filepath.Rel(root, real)
			}
		}
	}
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", usage("", "%s is not in the project %s", name(arg), name(p.root))
	}
	if rel == "." {
		return "", nil
	}
	return filepath.ToSlash(rel), nil
}

// realPath resolves the links of the folders above a path, whose last element need not exist.
func realPath(p string) (string, error) {
	dir, err := filepath.EvalSymlinks(filepath.Dir(p))
	return filepath.Join(dir, filepath.Base(p)), err
}

// locate reads REF, REF:PATH or PATH@REF. path is that of the project, "" where none was given.
func (e *env) locate(p *place, arg string) (s *varve.Snapshot, path string, err error) {
	ref, inner := varve.SplitPath(arg)
	s, err = p.project.Resolve(ref)
	var unknown *varve.UnknownError
	if !errors.As(err, &unknown) {
		return s, strings.Trim(inner, "/"), err
	}
	file, at := varve.SplitTime(arg)
	if at == "" {
		return nil, "", e.unknown(p, err)
	}
	if s, err = p.project.Resolve(at); err != nil {
		return nil, "", e.unknown(p, err)
	}
	path, err = e.inside(p, file)
	return s, path, err
}

// resolve finds the snapshot that a reference names.
func (e *env) resolve(p *place, ref string) (*varve.Snapshot, error) {
	s, err := p.project.Resolve(ref)
	return s, e.unknown(p, err)
}

// unknown adds to an error of a project without snapshots where those may be.
func (e *env) unknown(p *place, err error) error {
	var unknown *varve.UnknownError
	if errors.As(err, &unknown) && p.project.Latest() == nil {
		return hinted(err, "the vault "+name(p.path)+" has no snapshot of this project; --vault names another")
	}
	return err
}
