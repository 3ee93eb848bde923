package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"varve"
)

func keepVerb(e *env) *cobra.Command {
	var p varve.Policy
	var apply, all bool
	c := &cobra.Command{
		Use: "keep", Short: "Say which snapshots stay, and forget the others", GroupID: "care",
		Long: "Gives the project a policy. After each snapshot, and now with --apply, the snapshots that no rule keeps are\n" +
			"forgotten: they leave the history, varve undo brings them back, and varve gc frees what only they need.\n" +
			"Milestones and holds always stay. Without flags it says what the policy is and what it keeps.\n" +
			"Snapshots count in the order in which they arrived at the vault.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			set := false
			for _, n := range []string{"last", "hourly", "daily", "weekly", "monthly", "yearly", "tag"} {
				set = set || cmd.Flags().Changed(n)
			}
			switch {
			case all && (set || apply):
				return usage("", "--all excludes the other flags")
			case set && p.Empty():
				return usage("varve keep --all ends the policy", "keep: a policy that keeps nothing")
			}
			return e.keep(cmd.Context(), p, set || all, apply)
		},
	}
	f := c.Flags()
	for _, r := range []struct {
		name, help string
		to         *int
	}{{"last", "the newest `N`", &p.Last}, {"hourly", "the newest of each of `N` hours", &p.Hourly}, {"daily", "the newest of each of `N` days", &p.Daily},
		{"weekly", "the newest of each of `N` weeks", &p.Weekly}, {"monthly", "the newest of each of `N` months", &p.Monthly}, {"yearly", "the newest of each of `N` years", &p.Yearly}} {
		f.Var(countFlag{r.to}, r.name, r.help)
	}
	f.StringArrayVar(&p.Tags, "tag", nil, "those with the tag `K[=V]`; may be given several times")
	f.BoolVar(&apply, "apply", false, "forget now what the policy does not keep")
	f.BoolVar(&all, "all", false, "end the policy: keep all")
	return e.changing(c)
}

// countFlag is a flag for a number from 0.
type countFlag struct{ n *int }

func (c countFlag) String() string {
	if c.n == nil {
		return "0"
	}
	return fmt.Sprint(*c.n)
}

func (c countFlag) Set(s string) error {
	var n int
	if _, err := fmt.Sscanf(s, "%d", &n); err != nil || n < 0 || fmt.Sprint(n) != s {
		return errors.New("want a number from 0")
	}
	*c.n = n
	return nil
}

func (c countFlag) Type() string { return "int" }

type keepJSON struct {
	Schema    string          `json:"schema"`
	Policy    string          `json:"policy"`
	Kept      int             `json:"kept"`
	Forgotten []forgottenJSON `json:"forgotten"`
	Snapshots []keptJSON      `json:"snapshots"`
	Applied   bool            `json:"applied"`
	DryRun    bool            `json:"dry_run,omitempty"`
}

type forgottenJSON struct {
	ID      string `json:"id"`
	Version int    `json:"version"`
	Time    string `json:"time"`
}

type keptJSON struct {
	ID      string `json:"id"`
	Version int    `json:"version"`
	Kept    bool   `json:"kept"`
	Why     string `json:"why"`
}

// keep sets the policy if set, forgets if apply, and says what is kept.
func (e *env) keep(ctx context.Context, policy varve.Policy, set, apply bool) error {
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	if set && !e.dry {
		if err := p.project.SetPolicy(ctx, policy); err != nil {
			return fmt.Errorf("keep: %w", err)
		}
	}
	if !set {
		policy = p.project.Policy()
	}
	if apply && policy.Empty() {
		return usage("say which: varve keep --last 10 --daily 30 --apply", "keep: there is no policy to apply")
	}
	judged := p.project.Judge(policy)
	j := keepJSON{Schema: "varve.keep/1", Policy: policy.String(), Forgotten: []forgottenJSON{}, Snapshots: []keptJSON{}, Applied: apply && !e.dry, DryRun: e.dry}
	for _, v := range judged {
		j.Snapshots = append(j.Snapshots, keptJSON{v.ID.String(), v.Version, v.Kept, v.Why})
		if v.Kept {
			j.Kept++
		} else {
			j.Forgotten = append(j.Forgotten, forgottenJSON{v.ID.String(), v.Version, rfc(v.Time)})
		}
	}
	if n := len(j.Forgotten); apply && n > 0 && !e.dry {
		if err := e.confirm(fmt.Sprintf("Forget %s of %d", plural(n, "snapshot"), len(judged))); err != nil {
			return err
		}
		if _, err := p.project.Thin(ctx); err != nil {
			return fmt.Errorf("keep: %w", err)
		}
	}
	if e.json {
		return e.emit(j)
	}
	return e.printKeep(&j, judged)
}

func (e *env) printKeep(j *keepJSON, judged []varve.Verdict) error {
	if j.Policy == "" {
		e.printf("no policy: all snapshots stay (%d)\n", j.Kept)
		return nil
	}
	e.printf("keep %s\n", j.Policy)
	if e.verbose || e.dry || !j.Applied {
		for _, v := range judged {
			word := "stays"
			if !v.Kept {
				word = "goes"
			}
			e.printf("%s\n", strings.TrimRight(fmt.Sprintf("%-5s %-5s  %s  %s", v.Ref(), word, v.Time.Local().Format("2006-01-02 15:04"), name(v.Why)), " "))
		}
	}
	switch n := len(j.Forgotten); {
	case j.Applied && n > 0:
		e.printf("forgot %s, %d stay; varve undo brings them back, varve gc frees their space\n", plural(n, "snapshot"), j.Kept)
	case j.Applied:
		e.printf("nothing to forget, %d stay\n", j.Kept)
	default:
		e.printf("%d stay, %d would go with --apply and after the next snapshot\n", j.Kept, n)
	}
	return nil
}

func forgetVerb(e *env) *cobra.Command {
	return e.changing(&cobra.Command{
		Use: "forget REF…", Short: "Take snapshots out of the history", GroupID: "care",
		Long: "Takes snapshots out of the history. varve undo brings them back until varve gc has freed what only they need.\n" +
			"What is held or has a milestone is refused.",
		Args: cobra.MinimumNArgs(1), ValidArgsFunction: e.completeRefs,
		RunE: func(cmd *cobra.Command, args []string) error { return e.forget(cmd.Context(), args) },
	})
}

type forgetJSON struct {
	Schema    string          `json:"schema"`
	Forgotten []forgottenJSON `json:"forgotten"`
	DryRun    bool            `json:"dry_run,omitempty"`
}

func (e *env) forget(ctx context.Context, refs []string) error {
	p, err := e.open(ctx, need{})
	if err != nil {
		return err
	}
	var list []*varve.Snapshot
	seen := map[varve.ID]bool{}
	for _, ref := range refs {
		s, err := e.resolve(p, ref)
		if err != nil {
			return err
		}
		if !seen[s.ID] {
			list = append(list, s)
		}
		seen[s.ID] = true
	}
	if !e.dry {
		err := p.project.Forget(ctx, list...)
		if errors.Is(err, varve.ErrKept) {
			return hinted(fmt.Errorf("forget: %w", err), "varve hold rm, or varve milestone rm, lets it go")
		}
		if err != nil {
			return fmt.Errorf("forget: %w", err)
		}
	}
	j := forgetJSON{Schema: "varve.forget/1", Forgotten: []forgottenJSON{}, DryRun: e.dry}
	word := "forgot"
	if e.dry {
		word = "would forget"
	}
	for _, s := range list {
		j.Forgotten = append(j.Forgotten, forgottenJSON{s.ID.String(), s.Version, rfc(s.Time)})
		e.printf("%s %s  %s\n", word, s.Ref(), name(s.Message))
	}
	if e.json {
		return e.emit(j)
	}
	if !e.dry {
		e.say("varve undo brings back what varve gc has not freed")
	}
	return nil
}
