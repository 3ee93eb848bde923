package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func manVerb(e *env) *cobra.Command {
	var to string
	c := &cobra.Command{
		Use: "man [-o DIR]", Short: "Write the manual pages", GroupID: "self",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			dir := e.abs(to)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				return fmt.Errorf("man: %w", err)
			}
			return e.man(cmd.Root(), dir)
		},
	}
	c.Flags().StringVarP(&to, "output", "o", ".", "into `DIR`")
	_ = c.MarkFlagDirname("output")
	return c
}

// man writes the page of a command and those of the commands below it.
func (e *env) man(c *cobra.Command, dir string) error {
	if c.Hidden {
		return nil
	}
	file := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
	if err := os.WriteFile(filepath.Join(dir, file), []byte(page(c)), 0o644); err != nil {
		return fmt.Errorf("man: %w", err)
	}
	e.say("%s", name(filepath.Join(dir, file)))
	for _, sub := range c.Commands() {
		if err := e.man(sub, dir); err != nil {
			return err
		}
	}
	return nil
}

// page writes a command's manual page in the man macros of roff.
func page(c *cobra.Command) string {
	var b strings.Builder
	title := strings.ReplaceAll(c.CommandPath(), " ", "-")
	fmt.Fprintf(&b, ".TH \"%s\" 1 \"\" \"varve %s\" \"varve\"\n", roff(strings.ToUpper(title)), roff(programVersion()))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n.SH SYNOPSIS\n.B %s\n", roff(title), roff(c.Short), roff(c.UseLine()))
	if c.Long != "" {
		b.WriteString(".SH DESCRIPTION\n.nf\n" + paragraph(c.Long) + ".fi\n")
	}
	options(&b, "OPTIONS", c.NonInheritedFlags())
	options(&b, "OPTIONS OF ALL COMMANDS", c.InheritedFlags())
	if c.Example != "" {
		b.WriteString(".SH EXAMPLES\n.nf\n" + paragraph(c.Example) + ".fi\n")
	}
	b.WriteString(".SH EXIT STATUS\n")
	for _, x := range exitCodes() {
		fmt.Fprintf(&b, ".TP\n.B %d\n%s\n", x.number, roff(x.meaning))
	}
	var also []string
	if c.HasParent() {
		also = append(also, strings.ReplaceAll(c.Parent().CommandPath(), " ", "-")+"(1)")
	}
	for _, sub := range c.Commands() {
		if !sub.Hidden {
			also = append(also, strings.ReplaceAll(sub.CommandPath(), " ", "-")+"(1)")
		}
	}
	if len(also) > 0 {
		b.WriteString(".SH SEE ALSO\n" + roff(strings.Join(also, ", ")) + "\n")
	}
	return b.String()
}

func options(b *strings.Builder, title string, set *pflag.FlagSet) {
	if !set.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	set.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, text := pflag.UnquoteUsage(f)
		names := "--" + f.Name
		if f.Shorthand != "" {
			names = "-" + f.Shorthand + ", " + names
		}
		fmt.Fprintf(b, ".TP\n.B %s\n%s\n", roff(strings.TrimSpace(names+" "+value)), roff(text))
	})
}

func paragraph(s string) string {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimRight(s, "\n"), "\n") {
		b.WriteString(roff(line) + "\n")
	}
	return b.String()
}

// roff escapes what the formatter would take for a request or an escape.
func roff(s string) string {
	s = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = `\&` + s
	}
	return s
}
