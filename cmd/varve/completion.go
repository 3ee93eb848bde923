package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"varve"
)

func completionVerb(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "completion bash|zsh|fish|powershell", Short: "Print the completion script of a shell", GroupID: "self",
		Long: "Prints a script that completes verbs, flags, snapshots and the paths in them.\n\n" +
			"  bash:        varve completion bash > ~/.local/share/bash-completion/completions/varve\n" +
			"  zsh:         varve completion zsh > \"${fpath[1]}/_varve\"\n" +
			"  fish:        varve completion fish > ~/.config/fish/completions/varve.fish\n" +
			"  PowerShell:  varve completion powershell | Out-String | Invoke-Expression",
		Args: cobra.ExactArgs(1), ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(e.out, true)
			case "zsh":
				return root.GenZshCompletion(e.out)
			case "fish":
				return root.GenFishCompletion(e.out, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(e.out)
			}
			return usage("bash, zsh, fish or powershell", "completion: unknown shell %q", args[0])
		},
	}
}

// complete gives a flag a fixed list of values.
func complete(c *cobra.Command, flag string, values []string) {
	_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}

const completionsShown = 200

// quietly opens the project for a completion, which must neither talk nor fail.
func (e *env) quietly(ctx context.Context) *place {
	e.quiet = true
	p, err := e.open(ctx, need{})
	if err != nil {
		return nil
	}
	return p
}

// completeRefs completes the first arguments of verbs that take snapshots, and leaves the rest to files.
func (e *env) completeRefs(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
	p := e.quietly(cmd.Context())
	if p == nil {
		return nil, cobra.ShellCompDirectiveDefault
	}
	out := []string{"latest\tthe newest", "yesterday\tas it was then"}
	for _, m := range p.project.Milestones() {
		out = append(out, m.Name+"\tmilestone")
	}
	list := p.project.Snapshots()
	for i := len(list) - 1; i >= max(0, len(list)-completionsShown); i-- {
		out = append(out, list[i].Ref()+"\t"+age(list[i].Time, e.now())+" "+name(list[i].Message))
	}
	return beginning(out, start), cobra.ShellCompDirectiveDefault
}

func beginning(list []string, start string) []string {
	var out []string
	for _, s := range list {
		if strings.HasPrefix(s, start) {
			out = append(out, s)
		}
	}
	return out
}

// completePaths completes REF:PATH inside a snapshot, and snapshots before the colon.
func (e *env) completePaths(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
	ref, inner := varve.SplitPath(start)
	if !strings.HasPrefix(start, ref+":") {
		return e.completeRefs(cmd, args, start)
	}
	p := e.quietly(cmd.Context())
	if p == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	s, err := p.project.Resolve(ref)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	folder := inner[:strings.LastIndexByte(inner, '/')+1]
	var out []string
	for n, err := range p.project.List(cmd.Context(), s, folder, false) {
		if err != nil || len(out) == completionsShown {
			break
		}
		c := ref + ":" + n.Path
		if n.Type == "dir" {
			c += "/"
		}
		if strings.HasPrefix(c, start) {
			out = append(out, c)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

func (e *env) completeMilestones(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
	p := e.quietly(cmd.Context())
	if p == nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, m := range p.project.Milestones() {
		out = append(out, m.Name+"\t"+m.Type)
	}
	return beginning(out, start), cobra.ShellCompDirectiveNoFileComp
}
