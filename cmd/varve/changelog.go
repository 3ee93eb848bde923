package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"varve"
	"varve/experiment"
)

func changelogVerb(e *env) *cobra.Command {
	f := &compareFlags{}
	c := &cobra.Command{Use: "changelog A..B", Short: "What was changed between two versions: files, settings, measurements", GroupID: "experiment",
		Long: "Lists the files that differ by class (code, configuration, weights, data, documentation, media), the keys of\n" +
			"configurations with their old and new values, and what was measured, with verdicts as compare gives them.\n" +
			"A.. is up to the latest; without dots it is what changed in that version.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return e.changelog(cmd.Context(), f, args[0]) }}
	f.add(c)
	return c
}

type changelogJSON struct {
	Schema  string                              `json:"schema"`
	From    string                              `json:"from"`
	To      string                              `json:"to"`
	Files   map[string][]experiment.ChangedFile `json:"files"` // by class
	Keys    []experiment.ChangedKey             `json:"keys"`
	Metrics []comparisonJSON                    `json:"metrics"`
	Notes   []string                            `json:"notes"`
}

// ends resolves A..B.
func (e *env) ends(p *place, span string) (a, b *varve.Snapshot, err error) {
	from, to, both := strings.Cut(span, "..")
	if !both {
		from, to = "before:"+span, span
	}
	if to == "" {
		to = "latest"
	}
	if a, err = e.resolve(p, from); err != nil {
		return nil, nil, err
	}
	b, err = e.resolve(p, to)
	return a, b, err
}

func (e *env) changelog(ctx context.Context, f *compareFlags, span string) error {
	if err := f.check(); err != nil {
		return err
	}
	p, l, err := e.lab(ctx, need{})
	if err != nil {
		return err
	}
	defer l.Close()
	if err := e.projectPolicy(p, f); err != nil {
		return err
	}
	a, b, err := e.ends(p, span)
	if err != nil {
		return err
	}
	log, err := l.Changelog(ctx, a, b, f.plan())
	if err != nil {
		return fmt.Errorf("changelog %s..%s: %w", a.Ref(), b.Ref(), err)
	}
	by := map[string][]experiment.ChangedFile{}
	for _, file := range log.Files {
		by[file.Class] = append(by[file.Class], file)
	}
	if e.json {
		j := changelogJSON{"varve.changelog/1", a.Ref(), b.Ref(), by, log.Keys, []comparisonJSON{}, texts(log.Notes)}
		if j.Keys == nil {
			j.Keys = []experiment.ChangedKey{}
		}
		for i := range log.Metrics {
			j.Metrics = append(j.Metrics, comparisonOf(&log.Metrics[i]))
		}
		return e.emit(j)
	}
	e.printf("%s → %s\n", a.Ref(), b.Ref())
	for _, class := range experiment.Classes() {
		files := by[class]
		if len(files) == 0 {
			continue
		}
		e.printf("\n%s: %s\n", class, plural(len(files), "file"))
		for _, x := range files {
			from := ""
			if x.Old != "" {
				from = name(x.Old) + " → "
			}
			e.printf("  %-8s %s%s\n", x.Change, from, name(x.Path))
		}
	}
	if len(log.Keys) > 0 {
		e.printf("\nsettings\n")
	}
	for _, k := range log.Keys {
		e.printf("  %s: %s: %s → %s\n", name(k.File), name(k.Key), keyValue(k.Old), keyValue(k.New))
	}
	if len(log.Metrics) > 0 {
		e.printf("\nmeasured\n")
		e.printComparisons(log.Metrics)
	}
	for _, n := range log.Notes {
		e.say("note: %s", lines(n))
	}
	return nil
}

func keyValue(v string) string {
	if v == "" {
		return "(none)"
	}
	return name(v)
}
