package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"varve"
)

func statusVerb(e *env) *cobra.Command {
	var exit bool
	c := &cobra.Command{
		Use: "status", Short: "Say what changed since the last snapshot, and how the vault is", GroupID: "keep",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.status(cmd.Context(), exit) },
	}
	exitCodeFlag(c, &exit)
	return c
}

func exitCodeFlag(c *cobra.Command, exit *bool) {
	c.Flags().BoolVar(exit, "exit-code", false, "exit with 4 if there are differences")
}

type statusJSON struct {
	Schema       string        `json:"schema"`
	Project      string        `json:"project"`
	Path         string        `json:"path"`
	Added        []string      `json:"added"`
	Modified     []string      `json:"modified"`
	Removed      []string      `json:"removed"`
	Renamed      []renameJSON  `json:"renamed"`
	Metadata     []string      `json:"metadata"`
	Vault        vaultJSON     `json:"vault"`
	LastSnapshot *snapshotJSON `json:"last_snapshot"`
	LastVerified *string       `json:"last_verified"`
	Since        *string       `json:"verified_since"`
	Unread       int64         `json:"unverified_bytes"`
	RolledBack   bool          `json:"rolled_back"`
	Lost         []string      `json:"lost_snapshots"`
	SameDevice   bool          `json:"same_device"`
	Copies       []secondJSON  `json:"copies"`
	OneCopy      bool          `json:"one_copy_only"`
	SkippedFiles int64         `json:"skipped_files"`
	SkippedBytes int64         `json:"skipped_bytes"`
	Errors       []failureJSON `json:"errors"`
}

type renameJSON struct {
	Path string `json:"path"`
	Old  string `json:"old_path"`
}

// secondJSON is a second copy.
type secondJSON struct {
	Vault     string `json:"vault"`
	Place     string `json:"path"`
	Time      string `json:"time"`
	Snapshots int    `json:"snapshots"`
	Behind    int    `json:"behind"`
	Old       bool   `json:"old"`
	SameDisk  bool   `json:"same_device"` // as the vault
}

// oldCopy is the age from which a second copy that lacks snapshots counts as old.
const oldCopy = 7 * 24 * time.Hour

func (e *env) copies(p *place) []secondJSON {
	out := []secondJSON{}
	for _, c := range p.vault.Copies() {
		at, _ := text(c.Place)
		out = append(out, secondJSON{c.Vault, at, rfc(c.Time), c.Snapshots, c.Behind, c.Behind > 0 && e.now().Sub(c.Time) > oldCopy, sameDevice(p.path, c.Place)})
	}
	return out
}

// tellCopies says where else the snapshots are.
func (e *env) tellCopies(p *place) {
	all := p.vault.Copies()
	some := false
	for _, c := range all {
		some = some || c.Snapshots > 0
		e.printf("  second copy: %s, %s", name(c.Place), age(c.Time, e.now()))
		switch {
		case c.Behind > 0 && e.now().Sub(c.Time) > oldCopy:
			e.printf("; it is old: %s newer or not in it: varve copy\n", plural(c.Behind, "snapshot"))
		case c.Behind > 0:
			e.printf("; %s not in it\n", plural(c.Behind, "snapshot"))
		default:
			e.printf(", with all snapshots\n")
		}
		if sameDevice(p.path, c.Place) {
			e.printf("    it is on the same disk as the vault\n")
		}
	}
	if !some {
		e.printf("  this is the only copy: varve copy --to VAULT makes a second one\n")
	}
}

type vaultJSON struct {
	Schema    string `json:"schema,omitempty"`
	ID        string `json:"id"`
	Path      string `json:"path"`
	Created   string `json:"created"`
	KeyStored bool   `json:"key_stored"`
	Key       string `json:"key"`
	Keys      int    `json:"keys"`
	Kits      int    `json:"recovery_kits"`
	Exclusive bool   `json:"exclusive"`
	Reduced   string `json:"reduced_safety"`
	Made      bool   `json:"made,omitempty"`
}

func (p *place) vaultJSON(ctx context.Context) (vaultJSON, error) {
	i := p.vault.Info()
	path, _ := text(p.path)
	w, err := waysIn(ctx, p.vault)
	return vaultJSON{ID: p.vault.ID(), Path: path, Created: rfc(i.Created), KeyStored: i.KeyStored, Key: w.used, Keys: w.keys, Kits: w.kits, Exclusive: i.Exclusive, Reduced: i.ReducedSafety, Made: p.made}, err
}

// ways are the keys of a vault, counted.
type ways struct {
	used       string // the kind of the one that it was opened with
	keys, kits int    // that are whole, and those of recovery kits among them
	damaged    int
}

func waysIn(ctx context.Context, v *varve.Vault) (w ways, err error) {
	keys, err := v.Keys(ctx)
	for _, k := range keys {
		switch {
		case k.Err != nil:
			w.damaged++
			continue
		case k.Kind == varve.KeyRecovery:
			w.kits++
		}
		w.keys++
		if k.Used {
			w.used = k.Kind
		}
	}
	return w, err
}

// String says how the vault opens.
func (w ways) String() string {
	s := "opens with a passphrase"
	switch {
	case w.used == varve.KeyStored:
		return "stored with the data"
	case w.used == varve.KeyRecovery:
		s = "opened with a recovery kit"
	}
	s += "; " + plural(w.keys, "key") + ", "
	switch w.kits {
	case 0:
		return s + "no recovery kit"
	case 1:
		return s + "one of a recovery kit"
	}
	return s + count(w.kits) + " of recovery kits"
}

func (e *env) status(ctx context.Context, exit bool) error {
	p, err := e.open(ctx, need{newFolder: true, folder: true})
	if err != nil {
		return err
	}
	st, err := p.project.Status(ctx, p.project.IgnoreSettings())
	if err != nil {
		return fmt.Errorf("compare %s with the last snapshot: %w", name(p.root), err)
	}
	lost, err := p.vault.Rollback(ctx)
	if err != nil {
		return fmt.Errorf("look for lost snapshots: %w", err)
	}
	if e.json {
		var j statusJSON
		if j, err = p.statusJSON(ctx, st); err == nil {
			j.Copies = e.copies(p)
			j.OneCopy = !slices.ContainsFunc(j.Copies, func(c secondJSON) bool { return c.Snapshots > 0 })
			j.RolledBack = lost.Err() != nil
			for _, id := range lost.Snapshots {
				j.Lost = append(j.Lost, id.String())
			}
			err = e.emit(j)
		}
	} else {
		e.tellRollback(lost)
		err = e.tellStatus(ctx, p, st)
	}
	changed := len(st.Added)+len(st.Modified)+len(st.Removed)+len(st.Renamed)+len(st.Metadata) > 0
	switch {
	case err != nil:
		return err
	case len(st.Errors) > 0:
		return outcome(exitPartial)
	case exit && changed:
		return outcome(exitDifferences)
	}
	return nil
}

func (p *place) statusJSON(ctx context.Context, st *varve.Status) (statusJSON, error) {
	vault, err := p.vaultJSON(ctx)
	j := statusJSON{Schema: "varve.status/1", Project: p.project.ID(), Path: p.root, Added: texts(st.Added), Modified: texts(st.Modified), Removed: texts(st.Removed),
		Metadata: texts(st.Metadata), Renamed: []renameJSON{}, Vault: vault, Lost: []string{}, SameDevice: sameDevice(p.root, p.path),
		SkippedFiles: st.Skipped.Files, SkippedBytes: st.Skipped.Bytes, Errors: failures(st.Errors)}
	for _, c := range st.Renamed {
		path, _ := text(c.Path)
		old, _ := text(c.Old)
		j.Renamed = append(j.Renamed, renameJSON{path, old})
	}
	if st.Last != nil {
		last := p.snapshotJSON(st.Last)
		j.LastSnapshot = &last
	}
	if t, ok := p.vault.LastVerified(); ok {
		s := rfc(t)
		j.LastVerified = &s
	}
	since, unread, ok := p.vault.VerifiedSince(ctx)
	if j.Unread = unread; ok {
		s := rfc(since)
		j.Since = &s
	}
	return j, err
}

// texts makes names fit for JSON; never null.
func texts(list []string) []string {
	out := make([]string, 0, len(list))
	for _, s := range list {
		t, _ := text(s)
		out = append(out, t)
	}
	return out
}

func (e *env) tellStatus(ctx context.Context, p *place, st *varve.Status) error {
	if st.Last == nil {
		e.printf("nothing was kept of this folder yet: varve snap\n")
	} else {
		e.printf("last snapshot %s, %s\n", st.Last.Ref(), age(st.Last.Time, e.now()))
	}
	total := 0
	list := func(sign string, paths []string) {
		for i, path := range paths {
			if i == failuresShown && !e.verbose {
				e.printf("  %s … and %s more (-v lists all)\n", sign, count(len(paths)-i))
				break
			}
			e.printf("  %s %s\n", sign, name(path))
		}
		total += len(paths)
	}
	list("added   ", st.Added)
	list("modified", st.Modified)
	list("removed ", st.Removed)
	var moves []string
	for _, c := range st.Renamed {
		moves = append(moves, c.Old+" → "+c.Path)
	}
	list("renamed ", moves)
	list("metadata", st.Metadata)
	if total == 0 && st.Last != nil {
		e.printf("nothing changed since\n")
	}
	e.tellFailures(st.Errors)
	if e.quiet {
		return nil
	}
	e.printf("vault %s\n", name(p.path))
	if why := p.vault.Info().ReducedSafety; why != "" {
		e.printf("  reduced safety: %s\n", why)
	}
	if err := e.tellKeys(ctx, p.vault); err != nil {
		return err
	}
	if sameDevice(p.root, p.path) {
		e.printf("  same disk as the project: it protects from mistakes, not from a dead disk\n")
	}
	e.tellCopies(p)
	e.tellVerified(ctx, p.vault)
	return nil
}

func (e *env) tellVerified(ctx context.Context, v *varve.Vault) {
	last, whole := v.LastVerified()
	since, unread, some := v.VerifiedSince(ctx)
	switch {
	case some && unread > 0:
		e.printf("  verified: every byte since %s, but for %s not read yet\n", age(since, e.now()), size(unread))
	case some:
		e.printf("  verified: every byte since %s\n", age(since, e.now()))
	case whole:
		e.printf("  last verified %s\n", age(last, e.now()))
	default:
		e.printf("  never verified: varve verify --data\n")
	}
}

// tellRollback says, first of all and in red, that the vault has lost snapshots.
func (e *env) tellRollback(lost *varve.Rollback) {
	err := lost.Err()
	if err == nil {
		return
	}
	red, plain := "", ""
	if e.ask && e.getenv("NO_COLOR") == "" && e.getenv("TERM") != "dumb" {
		red, plain = "\x1b[31m", "\x1b[0m"
	}
	e.printf("%s%v%s\n", red, err, plain)
	for i, id := range lost.Snapshots {
		if i == failuresShown && !e.verbose {
			e.printf("  … and %s more (-v lists all)\n", count(len(lost.Snapshots)-i))
			break
		}
		e.printf("  snapshot %s\n", id)
	}
	e.printf("  bring it back from another copy of the vault; if it was put back on purpose: varve verify --accept-loss\n")
}

// tellKeys says how the vault opens, and what is missing for it to open on a bad day.
func (e *env) tellKeys(ctx context.Context, v *varve.Vault) error {
	w, err := waysIn(ctx, v)
	if err != nil {
		return err
	}
	if w.used == varve.KeyStored {
		e.printf("  key: %s; who reads the vault's folder can read what is kept\n", w)
	} else {
		e.printf("  key: %s\n", w)
		if w.kits == 0 {
			e.printf("  who forgets the passphrase loses everything: varve key kit\n")
		}
	}
	if w.damaged > 0 {
		e.printf("  keys that open nothing: %s; varve key ls says why\n", count(w.damaged))
	}
	return nil
}
