package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionVerb(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version of varve", GroupID: "self",
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if e.json {
				return e.emit(struct {
					Schema  string `json:"schema"`
					Version string `json:"version"`
					Go      string `json:"go"`
					System  string `json:"system"`
				}{"varve.program/1", programVersion(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH})
			}
			e.printf("varve %s (%s, %s/%s)\n", programVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			return nil
		},
	}
}

// programVersion is what the build says of itself.
func programVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "(devel)"
	}
	return info.Main.Version
}
