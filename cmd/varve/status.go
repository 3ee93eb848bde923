package main

import (
	"context"
	"fmt"

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
	SameDevice   bool          `json:"same_device"`
	SkippedFiles int64         `json:"skipped_files"`
	SkippedBytes int64         `json:"skipped_bytes"`
	Errors       []failureJSON `json:"errors"`
}

type renameJSON struct {
	Path string `json:"path"`
	Old  string `json:"old_path"`
}

type vaultJSON struct {
	Schema    string `json:"schema,omitempty"`
	ID        string `json:"id"`
	Path      string `json:"path"`
	Created   string `json:"created"`
	KeyStored bool   `json:"key_stored"`
	Exclusive bool   `json:"exclusive"`
	Reduced   string `json:"reduced_safety"`
	Made      bool   `json:"made,omitempty"`
}

func (p *place) vaultJSON() vaultJSON {
	i := p.vault.Info()
	path, _ := text(p.path)
	return vaultJSON{ID: p.vault.ID(), Path: path, Created: rfc(i.Created), KeyStored: i.KeyStored, Exclusive: i.Exclusive, Reduced: i.ReducedSafety, Made: p.made}
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
	if e.json {
		err = e.emit(p.statusJSON(st))
	} else {
		e.tellStatus(p, st)
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

func (p *place) statusJSON(st *varve.Status) statusJSON {
	j := statusJSON{Schema: "varve.status/1", Project: p.project.ID(), Path: p.root, Added: texts(st.Added), Modified: texts(st.Modified), Removed: texts(st.Removed),
		Metadata: texts(st.Metadata), Renamed: []renameJSON{}, Vault: p.vaultJSON(), SameDevice: sameDevice(p.root, p.path),
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
	return j
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

func (e *env) tellStatus(p *place, st *varve.Status) {
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
		return
	}
	e.printf("vault %s\n", name(p.path))
	if why := p.vault.Info().ReducedSafety; why != "" {
		e.printf("  reduced safety: %s\n", why)
	}
	if p.vault.Info().KeyStored {
		e.printf("  key: stored with the data; who reads the vault's folder can read what is kept\n")
	}
	if sameDevice(p.root, p.path) {
		e.printf("  same disk as the project: it protects from mistakes, not from a dead disk\n")
	}
	if t, ok := p.vault.LastVerified(); ok {
		e.printf("  last verified %s\n", age(t, e.now()))
	} else {
		e.printf("  never verified: varve verify --data\n")
	}
}
