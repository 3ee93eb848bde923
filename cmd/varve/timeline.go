package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"varve/creative"
	"varve/format"
)

func timelineVerb(e *env) *cobra.Command {
	var o timelineFlags
	c := &cobra.Command{
		Use: "timeline PATH", Short: "What changed inside of a file, version by version", GroupID: "inside",
		Long: "Lists the versions of a file, newest first and across renames, with the layers, objects or other\n" +
			"elements that each of them changed. With --element the versions that changed that one.",
		Example: "  varve timeline poster.psd\n  varve timeline poster.psd --element Ink\n  varve timeline hero.png --thumbs /tmp/hero",
		Args:    cobra.ExactArgs(1), ValidArgsFunction: e.completePaths,
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.timeline(cmd.Context(), args[0], &o)
		},
	}
	c.Flags().StringVar(&o.element, "element", "", "only what happened to one element: its `ID`, stable id or unique name")
	c.Flags().IntVar(&o.last, "last", 0, "look into the newest `N` only")
	c.Flags().StringVar(&o.thumbs, "thumbs", "", "write a picture of each version into `DIR`, new or empty")
	c.Flags().IntVar(&o.side, "size", 256, "the longer side of the pictures, in `PIXELS`")
	_ = c.MarkFlagDirname("thumbs")
	return c
}

type timelineFlags struct {
	element string
	last    int
	thumbs  string
	side    int
}

type momentJSON struct {
	versionJSON
	Listed   bool                `json:"listed"` // what is inside is known
	Suspect  string              `json:"suspect"`
	Elements []elementChangeJSON `json:"elements"`
	Thumb    *pictureJSON          `json:"thumb,omitempty"`
}

func (e *env) timeline(ctx context.Context, arg string, o *timelineFlags) error {
	switch {
	case o.last < 0:
		return usage("", "--last %d: want a number from 1", o.last)
	case o.side < 1 || o.side > creative.MaxThumb:
		return usage("", "--size %d: want 1 to %d", o.side, creative.MaxThumb)
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
	if o.element != "" {
		all, err = s.History(ctx, at, o.element)
	} else {
		all, err = s.Timeline(ctx, at, o.last)
	}
	if errors.Is(err, format.ErrNoElement) {
		return hinted(err, "varve element ls "+at+"@latest lists what is inside")
	}
	if err != nil {
		return err
	}
	if o.last > 0 {
		all = all[:min(len(all), o.last)]
	}
	if o.thumbs != "" {
		if err := e.newFolder(o.thumbs); err != nil {
			return err
		}
	}
	for i := range all {
		var thumb *pictureJSON
		if o.thumbs != "" && all[i].Change != "removed" {
			if thumb, err = s.thumbOf(ctx, &all[i], o); err != nil {
				return err
			}
		}
		if err := e.tellMoment(&all[i], thumb); err != nil {
			return err
		}
	}
	return nil
}

// newFolder makes a folder for results, unless there is an empty one.
func (e *env) newFolder(at string) error {
	full := e.abs(at)
	if err := os.MkdirAll(full, 0o755); err != nil {
		return fmt.Errorf("make %s: %w", name(at), cause(err))
	}
	names, err := os.ReadDir(full)
	if err != nil {
		return fmt.Errorf("read %s: %w", name(at), cause(err))
	}
	if len(names) > 0 {
		return hinted(fmt.Errorf("%s: it holds something already", name(at)), "name a new or an empty folder")
	}
	return nil
}

// thumbOf writes a picture of a version.
func (s *studio) thumbOf(ctx context.Context, m *creative.Moment, o *timelineFlags) (*pictureJSON, error) {
	it, err := s.Open(ctx, m.Snapshot, m.Path)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil, nil // a link or the like
	}
	if err != nil {
		return nil, err
	}
	defer it.Close()
	t, err := it.Thumb(ctx, o.side)
	if err != nil {
		return nil, err
	}
	out := filepath.Join(o.thumbs, m.Snapshot.Ref()+".png")
	if err := s.e.writeNew(out, false, func(f *os.File) error { _, err := f.Write(t.PNG); return err }); err != nil {
		return nil, err
	}
	p := pictureOf(t, out)
	return &p, nil
}

func (e *env) tellMoment(m *creative.Moment, thumb *pictureJSON) error {
	if e.json {
		j := momentJSON{versionJSON: versionOf(&m.Version), Listed: m.Listed, Suspect: m.Suspect, Elements: elementChanges(m.Elements), Thumb: thumb}
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
