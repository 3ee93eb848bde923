package main

import (
	"context"
	"os"
	"path"
	"strings"

	"github.com/spf13/cobra"

	"varve/creative"
)

func thumbVerb(e *env) *cobra.Command {
	var out string
	var side int
	var force bool
	c := &cobra.Command{
		Use: "thumb FILE[@REF] -o PNG", Short: "Make a small picture of a file or of one of its versions", GroupID: "inside",
		Long: "Writes a PNG of what a file looks like: the picture that its application has put into it, its own pixels,\n" +
			"or a drawing of its model, seen from one place in all versions. Of what cannot be shown it is a card that\n" +
			"says why.",
		Args: cobra.ExactArgs(1), ValidArgsFunction: e.completePaths,
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.thumb(cmd.Context(), args[0], out, side, force)
		},
	}
	c.Flags().StringVarP(&out, "output", "o", "", "write to `PNG`; without it, FILE.thumb.png in the current folder")
	c.Flags().IntVar(&side, "size", 256, "the longer side, in `PIXELS`")
	c.Flags().BoolVar(&force, "force", false, "replace PNG if it is there")
	return c
}

type thumbJSON struct {
	Schema string `json:"schema"`
	File   string `json:"file"`
	pictureJSON
}

type pictureJSON struct {
	Output string `json:"output"`
	Width  int    `json:"width"`
	Height int    `json:"height"`
	Source string `json:"source"`
	Note   string `json:"note"`
}

func pictureOf(t *creative.Thumb, out string) pictureJSON {
	return pictureJSON{out, t.Width, t.Height, string(t.Source), t.Note}
}

func (e *env) thumb(ctx context.Context, arg, out string, side int, force bool) error {
	if side < 1 || side > creative.MaxThumb {
		return usage("", "--size %d: want 1 to %d", side, creative.MaxThumb)
	}
	s := e.studio()
	defer s.Close()
	it, err := s.item(ctx, arg)
	if err != nil {
		return err
	}
	t, err := it.Thumb(ctx, side)
	if err != nil {
		return err
	}
	if out == "" {
		out = strings.TrimSuffix(path.Base(it.Path), path.Ext(it.Path)) + ".thumb.png"
	}
	if err := e.writeNew(out, force, func(f *os.File) error { _, err := f.Write(t.PNG); return err }); err != nil {
		return err
	}
	if e.json {
		return e.emit(thumbJSON{"varve.thumb/1", it.Ref(), pictureOf(t, out)})
	}
	note := ""
	if t.Note != "" {
		note = ": " + lines(t.Note)
	}
	e.printf("%s: %d×%d, %s%s\n", name(out), t.Width, t.Height, t.Source, note)
	return nil
}
