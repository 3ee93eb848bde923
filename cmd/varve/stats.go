package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
)

func statsVerb(e *env) *cobra.Command {
	return &cobra.Command{
		Use: "stats", Short: "Say what the vault holds and what deduplication did", GroupID: "look",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return e.stats(cmd.Context()) },
	}
}

type statsJSON struct {
	Schema      string  `json:"schema"`
	Projects    int     `json:"projects"`
	Snapshots   int     `json:"snapshots"`
	Chunks      int64   `json:"chunks"`
	Packs       int     `json:"packs"`
	Logical     int64   `json:"logical_bytes"`
	Unique      int64   `json:"unique_bytes"` // after deduplication, before compression
	Stored      int64   `json:"stored_bytes"`
	Dedup       float64 `json:"dedup_ratio"`       // logical / unique
	Compression float64 `json:"compression_ratio"` // unique / stored
}

func (e *env) stats(ctx context.Context) error {
	path, _, err := e.vaultPath()
	if err != nil {
		return err
	}
	v, _, err := e.openVault(ctx, false)
	if err != nil {
		return err
	}
	st, err := v.Stats(ctx)
	if err != nil {
		return fmt.Errorf("count what %s holds: %w", name(path), err)
	}
	j := statsJSON{Schema: "varve.stats/1", Projects: st.Projects, Snapshots: st.Snapshots, Chunks: st.Chunks, Packs: st.Packs, Logical: st.Logical, Stored: st.Stored}
	for _, info := range v.Projects() {
		p, err := v.ProjectByID(info.ID)
		if err != nil {
			return err
		}
		for _, s := range p.Snapshots() {
			j.Unique += s.Stored.Plain
		}
	}
	j.Dedup, j.Compression = ratio(j.Logical, j.Unique), ratio(j.Unique, j.Stored)
	if e.json {
		return e.emit(j)
	}
	e.printf("%s of %s in %s\n", plural(st.Snapshots, "snapshot"), plural(st.Projects, "project"), name(path))
	e.printf("all versions  %s\n", size(j.Logical))
	e.printf("unique        %s  (deduplication %.1f×)\n", size(j.Unique), j.Dedup)
	e.printf("stored        %s  (compression %.1f×)  %s in %s\n", size(j.Stored), j.Compression, plural(st.Chunks, "chunk"), plural(st.Packs, "pack"))
	return nil
}

// ratio is 1 where there is nothing to compare.
func ratio(a, b int64) float64 {
	if a <= 0 || b <= 0 {
		return 1
	}
	return float64(a) / float64(b)
}
