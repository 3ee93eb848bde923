package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// verbs are all commands, in the order of their help.
func verbs(e *env) []*cobra.Command {
	return []*cobra.Command{
		snapVerb(e), statusVerb(e), diffVerb(e), restoreVerb(e), undoVerb(e), redoVerb(e),
		logVerb(e), showVerb(e), lsVerb(e), catVerb(e), findVerb(e), manifestVerb(e), statsVerb(e), ignoreVerb(e),
		visualVerb(e), thumbVerb(e), elementVerb(e), timelineVerb(e), refsVerb(e), workspaceVerb(e), formatsVerb(e),
		guardVerb(e), runVerb(e), metricVerb(e), compareVerb(e), rollbackVerb(e), bisectVerb(e), changelogVerb(e), criticalVerb(e), rollbackScriptVerb(e), hookVerb(e), recordsVerb(e),
		milestoneVerb(e), tagVerb(e), holdVerb(e),
		keepVerb(e), forgetVerb(e), gcVerb(e), verifyVerb(e), repairVerb(e), copyVerb(e), initVerb(e), keyVerb(e), demoVerb(e), doctorVerb(e),
		configVerb(e), completionVerb(e), manVerb(e), versionVerb(e),
		exitCodesTopic(), referencesTopic(),
	}
}

func exitCodesTopic() *cobra.Command {
	var b strings.Builder
	b.WriteString("The exit codes of all verbs, and the word that --json gives them:\n\n")
	for _, c := range exitCodes() {
		fmt.Fprintf(&b, "  %3d  %-12s %s\n", c.number, c.word, c.meaning)
	}
	return &cobra.Command{Use: "exit-codes", Short: "What exit codes mean", Long: strings.TrimRight(b.String(), "\n")}
}

func referencesTopic() *cobra.Command {
	return &cobra.Command{Use: "references", Short: "How to name a snapshot", Long: `A snapshot is named by one of

  latest, latest~2        the newest that you took; two before it
  v42                     the project's 42nd
  NAME                    of a milestone, or a tag's value or K=V
  9f3c                    the beginning of an id, four digits or more
  2h, 30m, 3d, 2w         the newest that is at least so old
  now, today, yesterday, 2026-11-19, 2026-11-19T14:00
                          the newest at that time; of a day, at its end
  before:REF              the one before

REF:PATH is a file or folder in it, from the project's folder; PATH@REF the same, from the current folder.`}
}
