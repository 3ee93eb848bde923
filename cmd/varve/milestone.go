package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"varve"
)

func milestoneVerb(e *env) *cobra.Command {
	c := &cobra.Command{Use: "milestone", Short: "Name snapshots: alpha, release, …", GroupID: "name"}
	c.AddCommand(milestoneAdd(e),
		&cobra.Command{Use: "ls", Short: "List the milestones of the project", Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return e.milestones(cmd.Context()) }},
		&cobra.Command{Use: "show NAME", Short: "Show a milestone", Args: cobra.ExactArgs(1), ValidArgsFunction: e.completeMilestones,
			RunE: func(cmd *cobra.Command, args []string) error { return e.showMilestone(cmd.Context(), args[0]) }},
		e.changing(&cobra.Command{Use: "annotate NAME K=V…", Short: "Set notes of a milestone; K= removes one", Args: cobra.MinimumNArgs(2), ValidArgsFunction: e.completeMilestones,
			RunE: func(cmd *cobra.Command, args []string) error { return e.annotate(cmd.Context(), args[0], args[1:]) }}),
		e.changing(&cobra.Command{Use: "rm NAME", Short: "Take a milestone's name away; the snapshot stays", Args: cobra.ExactArgs(1), ValidArgsFunction: e.completeMilestones,
			RunE: func(cmd *cobra.Command, args []string) error { return e.removeMilestone(cmd.Context(), args[0]) }}))
	return c
}

func milestoneAdd(e *env) *cobra.Command {
	var kind string
	var notes, tags []string
	c := &cobra.Command{
		Use: "add NAME [REF]", Short: "Name a snapshot; the latest if none is given",
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			annotations, err := pairs(notes)
			if err != nil {
				return err
			}
			return e.addMilestone(cmd.Context(), args[0], arg(args, 1, "latest"), kind, annotations, tags)
		},
	}
	c.Flags().StringVar(&kind, "type", "development", "its `TYPE`: "+strings.Join(varve.MilestoneTypes(), ", "))
	c.Flags().StringArrayVar(&notes, "note", nil, "a note `K=V`; repeatable")
	c.Flags().StringArrayVar(&tags, "tag", nil, "a `TAG`; repeatable")
	complete(c, "type", varve.MilestoneTypes())
	return e.changing(c)
}

// checkMilestone refuses names and types before anything is done.
func checkMilestone(name, kind string) error {
	if err := varve.CheckTag(name, ""); err != nil {
		return usage("", "milestone %w", err)
	}
	if !slices.Contains(varve.MilestoneTypes(), kind) {
		return usage("there are "+strings.Join(varve.MilestoneTypes(), ", "), "milestone type %q is unknown", kind)
	}
	return nil
}

type milestoneJSON struct {
	Schema      string            `json:"schema"`
	Name        string            `json:"name"`
	Type        string            `json:"type"`
	Version     int               `json:"version"`
	ID          string            `json:"id"`
	Annotations map[string]string `json:"annotations"`
	Tags        []string          `json:"tags"`
	Time        string            `json:"time"`
	Checklist   []checkJSON       `json:"checklist"`
	DryRun      bool              `json:"dry_run,omitempty"`
}

type checkJSON struct {
	Text string `json:"text"`
	Done bool   `json:"done"`
}

func (e *env) addMilestone(ctx context.Context, name, ref, kind string, notes map[string]string, tags []string) error {
	if err := checkMilestone(name, kind); err != nil {
		return err
	}
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	s, err := e.resolve(p, ref)
	if err != nil {
		return err
	}
	if e.dry {
		if _, err := p.project.Milestone(name); err == nil {
			return fmt.Errorf("milestone %q: %w", name, varve.ErrTaken)
		}
		return e.printMilestone(p, &varve.Milestone{Name: name, Type: kind, Snapshot: s.ID, Annotations: notes, Tags: tags, Time: e.now()})
	}
	m, err := p.project.AddMilestone(ctx, s, name, kind, notes, tags)
	if err != nil {
		return fmt.Errorf("add %w", err)
	}
	if err := e.printMilestone(p, &m); err != nil {
		return err
	}
	return e.scriptFor(ctx, p, s, name)
}

// printMilestone prints a milestone as one line.
func (e *env) printMilestone(p *place, m *varve.Milestone) error {
	version := 0
	for _, s := range p.project.Snapshots() {
		if s.ID == m.Snapshot {
			version = s.Version
		}
	}
	if !e.json {
		e.printf("%-20s %-18s v%-5d %s", name(m.Name), m.Type, version, age(m.Time, e.now()))
		for _, t := range m.Tags {
			e.printf("  #%s", name(t))
		}
		e.printf("\n")
		return nil
	}
	j := milestoneJSON{"varve.milestone/1", m.Name, m.Type, version, m.Snapshot.String(), map[string]string{}, texts(m.Tags), rfc(m.Time), []checkJSON{}, e.dry}
	maps.Copy(j.Annotations, m.Annotations)
	for _, c := range m.Checklist {
		j.Checklist = append(j.Checklist, checkJSON{c.Text, c.Done})
	}
	return e.emit(j)
}

func (e *env) milestones(ctx context.Context) error {
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	list := p.project.Milestones()
	for i := range list {
		if err := e.printMilestone(p, &list[i]); err != nil {
			return err
		}
	}
	if len(list) == 0 {
		e.say("no milestones: varve milestone add NAME")
	}
	return nil
}

// milestone finds a milestone of the project by its name.
func (e *env) milestone(ctx context.Context, name string) (*place, varve.Milestone, error) {
	p, err := e.open(ctx, need{})
	if err != nil {
		return nil, varve.Milestone{}, err
	}
	m, err := p.project.Milestone(name)
	return p, m, hinted(err, "varve milestone ls lists them")
}

func (e *env) showMilestone(ctx context.Context, which string) error {
	p, m, err := e.milestone(ctx, which)
	if err != nil {
		return err
	}
	if err := e.printMilestone(p, &m); err != nil {
		return err
	}
	for _, k := range slices.Sorted(maps.Keys(m.Annotations)) {
		e.printf("  %s: %s\n", name(k), lines(m.Annotations[k]))
	}
	for _, c := range m.Checklist {
		mark := "[ ]"
		if c.Done {
			mark = "[x]"
		}
		e.printf("  %s %s\n", mark, name(c.Text))
	}
	return nil
}

func (e *env) annotate(ctx context.Context, which string, list []string) error {
	notes, err := pairs(list)
	if err != nil {
		return err
	}
	p, m, err := e.milestone(ctx, which)
	if err != nil {
		return err
	}
	if !e.dry {
		for _, k := range slices.Sorted(maps.Keys(notes)) {
			if err := p.project.Annotate(ctx, which, k, notes[k]); err != nil {
				return fmt.Errorf("annotate milestone %s: %w", which, err)
			}
		}
		if m, err = p.project.Milestone(which); err != nil {
			return err
		}
	}
	return e.printMilestone(p, &m)
}

func (e *env) removeMilestone(ctx context.Context, which string) error {
	p, m, err := e.milestone(ctx, which)
	if err != nil {
		return err
	}
	if !e.dry {
		if err := p.project.RemoveMilestone(ctx, which); err != nil {
			return fmt.Errorf("remove %w", err)
		}
		e.say("milestone %s removed; varve undo brings it back", name(which))
	}
	return e.printMilestone(p, &m)
}
