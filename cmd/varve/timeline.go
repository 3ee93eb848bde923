package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"varve/creative"
	"varve/format"
)

func timelineVerb(e *env) *cobra.Command {
	var element string
	var number int
	c := &cobra.Command{
		Use: "timeline PATH", Short: "What changed inside of a file, version by version", GroupID: "inside",
		Long: "Lists the versions of a file, newest first and across renames, with the layers, objects or other\n" +
			"elements that each of them changed. With --element the versions that changed that one.",
		Example: "  varve timeline poster.psd\n  varve timeline poster.psd --element Ink",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: e.completePaths,
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.timeline(cmd.Context(), args[0], element, number)
		},
	}
	c.Flags().StringVar(&element, "element", "", "only what happened to one element: its `ID`, stable id or unique name")
	c.Flags().IntVar(&number, "last", 0, "look into the newest `N` only")
	return c
}

type momentJSON struct {
	versionJSON
	Listed   bool                `json:"listed"` // what is inside is known
	Suspect  string              `json:"suspect"`
	Elements []elementChangeJSON `json:"elements"`
}

func (e *env) timeline(ctx context.Context, arg, element string, number int) error {
	if number < 0 {
		return usage("", "--last %d: want a number from 1", number)
	}
	s := e.studio()
	defer s.Close()
	if err := s.enter(ctx, need{}); err != nil {
		return err
	}
	at, err := e.inside(s.place, arg)
	if err != nil {
		return err
	}
	var all []creative.Moment
	if element != "" {
		all, err = s.History(ctx, at, element)
	} else {
		all, err = s.Timeline(ctx, at, number)
	}
	if errors.Is(err, format.ErrNoElement) {
		return hinted(err, "varve element ls "+at+"@latest lists what is inside")
	}
	if err != nil {
		return err
	}
	for i := range all {
		if number > 0 && i == number {
			break
		}
		if err := e.tellMoment(&all[i]); err != nil {
			return err
		}
	}
	return nil
}

func (e *env) tellMoment(m *creative.Moment) error {
	if e.json {
		j := momentJSON{versionJSON: versionOf(&m.Version), Listed: m.Listed, Suspect: m.Suspect, Elements: elementChanges(m.Elements)}
		j.Schema = "varve.moment/1"
		return e.emit(j)
	}
	e.versionLine(&m.Version)
	if m.Suspect != "" {
		e.printf("      suspect: %s\n", lines(m.Suspect))
	}
	const most = 12
	for i := range m.Elements {
		if i == most {
			e.printf("      and %d more\n", len(m.Elements)-most)
			break
		}
		e.printf("      %s\n", changeLine(&m.Elements[i]))
	}
	return nil
}
