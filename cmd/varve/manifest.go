package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"varve"
)

func manifestVerb(e *env) *cobra.Command {
	var check string
	c := &cobra.Command{
		Use: "manifest [REF]", Short: "List every file of a snapshot with its SHA-256", GroupID: "look",
		Long: "Lists every file of a snapshot with its SHA-256, in the form of sha256sum; with --json also sizes and\n" +
			"times. With --check DIR the files of a folder are read and compared with it: exit code 4 if any differs,\n" +
			"is missing, or is not in it.",
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: e.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.manifest(cmd.Context(), arg(args, 0, "latest"), check)
		},
	}
	c.Flags().StringVar(&check, "check", "", "compare the files of `DIR` with it")
	_ = c.MarkFlagDirname("check")
	return c
}

func (e *env) manifest(ctx context.Context, ref, check string) error {
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	s, err := e.resolve(p, ref)
	if err != nil {
		return err
	}
	if check != "" {
		return e.checkManifest(ctx, p, s, e.abs(check))
	}
	if e.json {
		return e.manifestJSON(ctx, p, s)
	}
	for f, err := range p.project.Manifest(ctx, s) {
		if err != nil {
			return fmt.Errorf("manifest of %s: %w", s.Ref(), err)
		}
		e.printf("%s\n", sumLine(&f))
	}
	return nil
}

// sumLine is a line as sha256sum reads it: a backslash before it says that the name is escaped.
func sumLine(f *varve.ManifestFile) string {
	if !strings.ContainsAny(f.Path, "\\\n\r") {
		return f.SHA256 + "  " + f.Path
	}
	return `\` + f.SHA256 + "  " + strings.NewReplacer(`\`, `\\`, "\n", `\n`, "\r", `\r`).Replace(f.Path)
}

type manifestFileJSON struct {
	SHA256    string `json:"sha256"`
	Size      int64  `json:"size"`
	Modified  string `json:"modified"`
	PathBytes []byte `json:"path_bytes,omitempty"`
}

// manifestJSON writes the object file by file: there may be millions.
func (e *env) manifestJSON(ctx context.Context, p *place, s *varve.Snapshot) error {
	fmt.Fprintf(e.out, `{"schema":"varve.manifest/1","version":%d,"id":%q,"time":%q,"files":{`, s.Version, s.ID.String(), rfc(s.Time))
	first := true
	for f, err := range p.project.Manifest(ctx, s) {
		if err != nil {
			fmt.Fprint(e.out, "\n") // the object stays unfinished: it is not to be taken for a whole one
			return fmt.Errorf("manifest of %s: %w", s.Ref(), err)
		}
		path, b := text(f.Path)
		key, err := json.Marshal(path)
		if err != nil {
			return err
		}
		value, err := json.Marshal(manifestFileJSON{f.SHA256, f.Size, rfc(f.Modified), b})
		if err != nil {
			return err
		}
		if !first {
			fmt.Fprint(e.out, ",")
		}
		first = false
		fmt.Fprintf(e.out, "%s:%s", key, value)
	}
	_, err := fmt.Fprint(e.out, "}}\n")
	return err
}

func (e *env) checkManifest(ctx context.Context, p *place, s *varve.Snapshot, dir string) error {
	list, err := p.project.CheckManifest(ctx, s, dir)
	if err != nil {
		return fmt.Errorf("check %s against %s: %w", name(dir), s.Ref(), err)
	}
	for i := range list {
		if err := e.difference(&list[i]); err != nil {
			return err
		}
	}
	if len(list) > 0 {
		e.say("%s between %s and %s", plural(len(list), "difference"), s.Ref(), name(dir))
		return outcome(exitDifferences)
	}
	e.say("all %s are as in %s", plural(s.Tree.Files, "file"), s.Ref())
	return nil
}
