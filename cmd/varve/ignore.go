package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"varve"
	"varve/internal/scan/ignore"
)

func ignoreVerb(e *env) *cobra.Command {
	var explain string
	c := &cobra.Command{
		Use: "ignore [--explain PATH]", Short: "Say which rules leave files out, and why", GroupID: "look",
		Long: "Lists the rules that leave files out of snapshots: those of presets for the kind of project, of the\n" +
			"settings ignore.*, and of .varveignore files, which are written as .gitignore files are. With --explain\n" +
			"says which rule decides about a path.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if cmd.Flags().Changed("explain") {
				return e.explain(cmd.Context(), explain)
			}
			return e.rules(cmd.Context())
		},
	}
	c.Flags().StringVar(&explain, "explain", "", "which rule decides about `PATH`")
	c.AddCommand(&cobra.Command{Use: "presets", Short: "List the presets and their rules", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return e.presets() }})
	return c
}

type ruleJSON struct {
	Schema  string `json:"schema"`
	Pattern string `json:"pattern"`
	Source  string `json:"source"`
	Line    int    `json:"line"`
	Reason  string `json:"reason"`
	Dead    bool   `json:"dead"`
}

type verdictJSON struct {
	Schema    string    `json:"schema"`
	Path      string    `json:"path"`
	PathBytes []byte    `json:"path_bytes,omitempty"`
	Ignored   bool      `json:"ignored"`
	At        string    `json:"at"` // the folder or file that the rule matches
	Rule      *ruleJSON `json:"rule"`
}

func ruleOf(r *ignore.Rule) ruleJSON {
	return ruleJSON{"varve.rule/1", r.Pattern, r.Source, r.Line, r.Reason, r.Dead()}
}

func (e *env) printRules(rules []*ignore.Rule) error {
	for _, r := range rules {
		if e.json {
			if err := e.emit(ruleOf(r)); err != nil {
				return err
			}
			continue
		}
		e.printf("%-28s %s:%d", name(r.Pattern), name(r.Source), r.Line)
		if r.Reason != "" {
			e.printf("  %s", r.Reason)
		}
		if r.Dead() {
			e.printf("  (matches nothing: a mistake?)")
		}
		e.printf("\n")
	}
	return nil
}

func (e *env) presets() error {
	for _, n := range ignore.Presets() {
		rules, _ := ignore.Preset(n)
		if err := e.printRules(rules); err != nil {
			return err
		}
	}
	return nil
}

// ignoreRules are the rules of a folder that do not stand in its files, and the names of those files.
type ignoreRules struct {
	root  string
	base  [][]*ignore.Rule
	files []string
}

// openRules gathers the rules of the project, or of a folder that may become one.
func (e *env) openRules(ctx context.Context) (*ignoreRules, error) {
	root, _ := e.projectRoot()
	var s varve.IgnoreSettings
	p, err := e.open(ctx, need{newFolder: true, folder: true})
	switch {
	case err == nil:
		s = p.project.IgnoreSettings()
	case !errors.Is(err, varve.ErrNoVault): // without a vault there are no settings
		return nil, err
	}
	r := &ignoreRules{root: root, files: []string{".varveignore"}}
	if s.GitIgnore {
		r.files = []string{".gitignore", ".varveignore"}
	}
	if s.Presets == nil {
		names, err := os.ReadDir(root)
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", name(root), cause(err))
		}
		list := make([]string, 0, len(names))
		for _, n := range names {
			list = append(list, n.Name())
		}
		s.Presets = ignore.Detect(list)
	}
	for _, n := range s.Presets {
		if rules, ok := ignore.Preset(n); ok {
			r.base = append(r.base, rules)
		}
	}
	if len(s.Extra) > 0 {
		var extra []byte
		for _, x := range s.Extra {
			extra = append(append(extra, x...), '\n')
		}
		r.base = append(r.base, ignore.Parse("settings", extra))
	}
	return r, nil
}

const maxRules = 1 << 20 // bytes of a rule file

// in reads the rule files of a folder, "" for the root.
func (r *ignoreRules) in(dir string) ([]*ignore.Rule, error) {
	var out []*ignore.Rule
	for _, file := range r.files {
		at := filepath.Join(r.root, filepath.FromSlash(dir), file)
		info, err := os.Lstat(at)
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
			continue
		}
		if err == nil && info.Size() > maxRules {
			err = fmt.Errorf("%s: more than %s of rules", name(at), size(maxRules))
		}
		if err != nil {
			return nil, err
		}
		b, err := os.ReadFile(at)
		if err != nil {
			return nil, err
		}
		source := file
		if dir != "" {
			source = dir + "/" + file
		}
		out = append(out, ignore.Parse(source, b)...)
	}
	return out, nil
}

func (e *env) rules(ctx context.Context) error {
	r, err := e.openRules(ctx)
	if err != nil {
		return err
	}
	own, err := r.in("")
	if err != nil {
		return err
	}
	all := append(r.base, own)
	for _, rules := range all {
		if err := e.printRules(rules); err != nil {
			return err
		}
	}
	if len(slices.Concat(all...)) == 0 {
		e.say("no rules: every file is kept, as far as no folder below has a .varveignore")
	}
	return nil
}

func (e *env) explain(ctx context.Context, arg string) error {
	r, err := e.openRules(ctx)
	if err != nil {
		return err
	}
	at, err := e.inside(&place{root: r.root}, arg)
	if err != nil {
		return err
	}
	if at == "" {
		return usage("", "--explain: %s is the project itself", name(arg))
	}
	own, err := r.in("")
	if err != nil {
		return err
	}
	info, err := os.Lstat(filepath.Join(r.root, filepath.FromSlash(at)))
	isDir := err == nil && info.IsDir() || arg[len(arg)-1] == '/'
	v, err := ignore.New(ignore.Options{}, append(r.base, own)...).Path(at, isDir, r.in)
	if err != nil {
		return fmt.Errorf("explain %s: %w", name(at), err)
	}
	if e.json {
		path, b := text(at)
		j := verdictJSON{Schema: "varve.verdict/1", Path: path, PathBytes: b, Ignored: v.Ignored}
		j.At, _ = text(v.At)
		if v.By != nil {
			rule := ruleOf(v.By)
			j.Rule = &rule
		}
		return e.emit(j)
	}
	word := "kept"
	if v.Ignored {
		word = "left out"
	}
	switch {
	case v.By == nil:
		e.printf("%s: kept, no rule matches\n", name(at))
		return nil
	case v.At != at:
		e.printf("%s: %s with its folder %s, by\n", name(at), word, name(v.At))
	default:
		e.printf("%s: %s by\n", name(at), word)
	}
	return e.printRules([]*ignore.Rule{v.By})
}
