package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"varve"
)

func diffVerb(e *env) *cobra.Command {
	var exit bool
	c := &cobra.Command{
		Use: "diff [A [B]] [PATH] | PATH@A", Short: "List what differs between two snapshots, or a snapshot and the folder", GroupID: "keep",
		Long: "Lists what differs between the snapshots A and B. Without B, between A and the folder as it is; without\n" +
			"A, since the latest snapshot. PATH limits it to a file or folder; put -- before it where it could be\n" +
			"read as a snapshot.",
		Args:              cobra.MaximumNArgs(3),
		ValidArgsFunction: e.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.diff(cmd.Context(), args, cmd.ArgsLenAtDash(), exit)
		},
	}
	exitCodeFlag(c, &exit)
	return c
}

// changeJSON tells of one path; Schema is empty where it stands inside another object.
type changeJSON struct {
	Schema       string     `json:"schema,omitempty"`
	Path         string     `json:"path"`
	PathBytes    []byte     `json:"path_bytes,omitempty"`
	OldPath      string     `json:"old_path"`
	OldPathBytes []byte     `json:"old_path_bytes,omitempty"`
	Change       string     `json:"change"`
	Kind         string     `json:"kind"`
	Old          *entryJSON `json:"old"`
	New          *entryJSON `json:"new"`
	Detail       string     `json:"detail"`
}

func (e *env) diff(ctx context.Context, args []string, dash int, exit bool) error {
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	a, b, at, err := e.sides(ctx, p, args, dash)
	if err != nil {
		return err
	}
	if b == nil && p.root == "" {
		return usage("name two snapshots", "diff: the project's folder is not here to compare with")
	}
	list, err := p.project.Diff(ctx, a, b, at, p.project.IgnoreSettings())
	var partial *varve.PartialError
	if err != nil && !errors.As(err, &partial) {
		return fmt.Errorf("compare with %s: %w", a.Ref(), err)
	}
	for i := range list {
		if err := e.difference(&list[i]); err != nil {
			return err
		}
	}
	switch {
	case partial != nil:
		e.tellFailures(partial.Failures)
		return outcome(exitPartial)
	case exit && len(list) > 0:
		return outcome(exitDifferences)
	}
	return nil
}

// sides reads [A [B]] [PATH]: what names no snapshot but lies in one side, or in the folder, is a path.
func (e *env) sides(ctx context.Context, p *place, args []string, dash int) (a, b *varve.Snapshot, at string, err error) {
	if dash >= 0 && len(args)-dash > 1 {
		return nil, nil, "", usage("", "diff: more than one path")
	}
	refs, path := args, ""
	if dash >= 0 && dash < len(args) {
		refs, path = args[:dash], args[dash]
	}
	if path == "" && len(refs) == 3 {
		refs, path = refs[:2], refs[2]
	}
	if len(refs) > 2 {
		return nil, nil, "", usage("", "diff: more than two snapshots")
	}
	var found []*varve.Snapshot
	for i, arg := range refs {
		s, inner, err := e.locate(p, arg)
		var unknown *varve.UnknownError
		if i == len(refs)-1 && path == "" && errors.As(err, &unknown) && e.lies(ctx, p, arg) {
			path = arg
			break
		}
		if err != nil {
			return nil, nil, "", err
		}
		if inner != "" {
			if at != "" && at != inner {
				return nil, nil, "", usage("", "diff: two paths, %s and %s", name(at), name(inner))
			}
			at = inner
		}
		found = append(found, s)
	}
	if path != "" {
		if at, err = e.inside(p, path); err != nil {
			return nil, nil, "", err
		}
	}
	switch len(found) {
	case 0:
		a, err = e.resolve(p, "latest")
		return a, nil, at, err
	case 1:
		return found[0], nil, at, nil
	}
	return found[0], found[1], at, nil
}

// lies reports whether a path is in the folder, or was in any snapshot.
func (e *env) lies(ctx context.Context, p *place, arg string) bool {
	at, err := e.inside(p, arg)
	if err != nil {
		return false
	}
	if _, err := os.Lstat(e.abs(arg)); p.root != "" && err == nil {
		return true
	}
	for _, s := range p.project.Snapshots() {
		if _, err := p.project.Stat(ctx, s, at); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	return false
}

// difference prints one path that differs.
func (e *env) difference(d *varve.Difference) error {
	if e.json {
		return e.emit(differenceJSON(d, "varve.change/1"))
	}
	from := ""
	if d.Old != "" && d.Old != d.Path {
		from = name(d.Old) + " → "
	}
	detail := d.Detail
	if detail == "" {
		switch {
		case d.NewEntry != nil && d.OldEntry == nil && d.Kind == "file":
			detail = size(d.NewEntry.Bytes)
		case d.OldEntry != nil && d.NewEntry == nil && d.Kind == "file":
			detail = size(d.OldEntry.Bytes)
		}
	}
	// Where the content is another the time is, too: that goes without saying.
	if d.Change == "modified" && (strings.HasPrefix(detail, "size ") || strings.HasPrefix(detail, "content")) {
		parts := strings.Split(detail, ", ")
		detail = strings.Join(slices.DeleteFunc(parts, func(s string) bool { return strings.HasPrefix(s, "mtime ") }), ", ")
	}
	if detail != "" {
		detail = "  (" + name(detail) + ")"
	}
	e.printf("%-8s %s%s%s\n", d.Change, from, name(d.Path), detail)
	return nil
}

func differenceJSON(d *varve.Difference, schema string) changeJSON {
	path, pathBytes := text(d.Path)
	old, oldBytes := text(d.Old)
	return changeJSON{schema, path, pathBytes, old, oldBytes, d.Change, d.Kind, entryOf(d.OldEntry), entryOf(d.NewEntry), d.Detail}
}

// plan prints one path that a verb would change.
func (e *env) plan(c *varve.Change) error {
	if e.json {
		path, pathBytes := text(c.Path)
		old, oldBytes := text(c.Old)
		return e.emit(changeJSON{Schema: "varve.change/1", Path: path, PathBytes: pathBytes, OldPath: old, OldPathBytes: oldBytes, Change: c.Kind.String()})
	}
	from := ""
	if c.Old != "" {
		from = name(c.Old) + " → "
	}
	e.printf("%-8s %s%s\n", c.Kind, from, name(c.Path))
	return nil
}
