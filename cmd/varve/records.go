package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"varve"
)

func recordsVerb(e *env) *cobra.Command {
	c := &cobra.Command{Use: "records", Short: "Look at records: runs, what they measured, feedback", GroupID: "experiment"}
	var asked recordsFlags
	flags := func(c *cobra.Command) *cobra.Command {
		f := c.Flags()
		f.StringArrayVarP(&asked.where, "where", "w", nil, "only those of which this holds: `FIELD=VALUE`, or != < <= > >= between, ~ for has it in it, ^= for begins with it; #SET=MEMBER")
		f.StringVarP(&asked.q.Text, "text", "t", "", "only those that have these `WORDS`; \"in quotes\" side by side, word* at the beginning, -word not")
		f.StringVar(&asked.q.Project, "project", "", "only those of the project with this `ID`")
		f.StringVar(&asked.since, "since", "", "only those from this `TIME` on, as 2026-11-19 or 2026-11-19T14:00:00Z")
		f.StringVar(&asked.until, "until", "", "only those before this `TIME`")
		f.StringVar(&asked.q.TimeField, "time", "", "the `FIELD` that --since and --until are about; first, when it was first said, if none is given")
		f.StringVar(&asked.q.Order, "order", "", "the `FIELD` to order by")
		f.BoolVar(&asked.q.Descending, "desc", false, "the greatest first")
		f.IntVar(&asked.q.Limit, "limit", 0, "at most so `MANY`")
		f.IntVar(&asked.q.Offset, "offset", 0, "pass over so `MANY`")
		return c
	}
	group := flags(&cobra.Command{Use: "group KIND FIELD...", Short: "Count them by the values of fields; a time by FIELD:day, a set by #SET", Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.records(cmd.Context(), args[0], &asked, func(ctx context.Context, r *varve.Records, q varve.Query) error { return e.groups(ctx, r, q, args[1:]) })
		}})
	group.Flags().StringVar(&asked.q.Measure, "measure", "", "the number `FIELD` to add up")
	var format, out string
	export := flags(&cobra.Command{Use: "export KIND", Short: "Write them as JSON lines, CSV or Parquet", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return e.records(cmd.Context(), args[0], &asked, func(ctx context.Context, r *varve.Records, q varve.Query) error {
				return e.exportRecords(ctx, r, q, format, out)
			})
		}})
	export.Flags().StringVar(&format, "format", "jsonl", "`FORMAT`: jsonl, csv or parquet")
	export.Flags().StringVarP(&out, "output", "o", "", "`FILE` to write, which must not be there; stdout if none is given")
	c.AddCommand(
		&cobra.Command{Use: "kinds", Short: "List the kinds of record", Args: cobra.NoArgs, RunE: func(cmd *cobra.Command, _ []string) error {
			return e.records(cmd.Context(), "", &asked, func(ctx context.Context, r *varve.Records, _ varve.Query) error { return e.recordKinds(ctx, r) })
		}},
		flags(&cobra.Command{Use: "ls KIND", Short: "List them", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			return e.records(cmd.Context(), args[0], &asked, e.listRecords)
		}}),
		flags(&cobra.Command{Use: "count KIND", Short: "Count them", Args: cobra.ExactArgs(1), RunE: func(cmd *cobra.Command, args []string) error {
			return e.records(cmd.Context(), args[0], &asked, func(ctx context.Context, r *varve.Records, q varve.Query) error {
				n, err := r.Count(ctx, q)
				switch {
				case err != nil:
					return err
				case e.json:
					return e.emit(map[string]any{"schema": "varve.record-count/1", "kind": q.Kind, "count": n})
				}
				e.printf("%d\n", n)
				return nil
			})
		}}),
		group, export)
	return c
}

type recordsFlags struct {
	q            varve.Query
	where        []string
	since, until string
}

// records does fn with the records of the vault and what the flags ask for.
func (e *env) records(ctx context.Context, kind string, f *recordsFlags, fn func(context.Context, *varve.Records, varve.Query) error) error {
	q := f.q
	q.Kind = kind
	for _, w := range f.where {
		cond, err := parseWhere(w)
		if err != nil {
			return err
		}
		q.Where = append(q.Where, cond)
	}
	for _, t := range []struct {
		said string
		to   *time.Time
	}{{f.since, &q.Since}, {f.until, &q.Until}} {
		if t.said == "" {
			continue
		}
		at, err := parseMoment(t.said)
		if err != nil {
			return err
		}
		*t.to = at
	}
	v, _, err := e.openVault(ctx, false)
	if err != nil {
		return err
	}
	r, err := v.Records(ctx)
	if err != nil {
		return err
	}
	return errors.Join(fn(ctx, r, q), r.Close())
}

func parseMoment(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", time.DateOnly} {
		if at, err := time.ParseInLocation(layout, s, time.Local); err == nil {
			return at, nil
		}
	}
	return time.Time{}, usage("varve records ls --help shows how", "%q is no time like 2026-11-19 or 2026-11-19T14:00:00Z", s)
}

// parseWhere reads FIELD=VALUE and the like.
func parseWhere(s string) (varve.Where, error) {
	i := strings.IndexAny(s, "=<>!~^")
	if i < 1 {
		return varve.Where{}, usage("varve records ls --help shows how", "--where %q is not like FIELD=VALUE", s)
	}
	field, rest := s[:i], s[i:]
	for _, op := range []struct{ sign, op string }{{"!=", "!="}, {"<=", "<="}, {">=", ">="}, {"^=", "prefix"}, {"=", "="}, {"<", "<"}, {">", ">"}, {"~", "contains"}} {
		value, ok := strings.CutPrefix(rest, op.sign)
		if !ok {
			continue
		}
		if set, ok := strings.CutPrefix(field, "#"); ok && op.op == "=" {
			return varve.Where{Field: set, Op: "has", Value: value}, nil
		}
		return varve.Where{Field: field, Op: op.op, Value: value}, nil
	}
	return varve.Where{}, usage("varve records ls --help shows how", "--where %q is not like FIELD=VALUE", s)
}

func (e *env) recordKinds(ctx context.Context, r *varve.Records) error {
	kinds, err := r.Kinds(ctx)
	if err != nil {
		return err
	}
	for _, k := range kinds {
		if e.json {
			if err := e.emit(map[string]any{"schema": "varve.record_kind/1", "kind": k.Kind, "version": k.Version, "count": k.Count}); err != nil {
				return err
			}
			continue
		}
		e.printf("%9d %s\n", k.Count, name(k.Kind))
	}
	return nil
}

func (e *env) listRecords(ctx context.Context, r *varve.Records, q varve.Query) error {
	for row, err := range r.Find(ctx, q) {
		if err != nil {
			return err
		}
		if e.json {
			if err := e.emit(recordJSON{"varve.record/1", row.Kind, row.ID, row.Project, row.First, row.Last, row.Fields, row.Sets}); err != nil {
				return err
			}
			continue
		}
		fields, err := json.Marshal(row.Fields)
		if err != nil {
			return err
		}
		e.printf("%s  %s  %s\n", row.Last.Local().Format("2006-01-02 15:04"), name(row.ID), name(string(fields)))
	}
	return nil
}

type recordJSON struct {
	Schema  string                     `json:"schema"`
	Kind    string                     `json:"kind"`
	ID      string                     `json:"id"`
	Project string                     `json:"project,omitempty"`
	First   time.Time                  `json:"first"`
	Last    time.Time                  `json:"last"`
	Fields  map[string]json.RawMessage `json:"fields"`
	Sets    map[string][]string        `json:"sets,omitempty"`
}

func (e *env) groups(ctx context.Context, r *varve.Records, q varve.Query, by []string) error {
	groups, err := r.Group(ctx, q, by...)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if e.json {
			out := map[string]any{"schema": "varve.record_group/1", "by": by, "key": g.Key, "count": g.Count}
			if q.Measure != "" {
				out["measured"], out["sum"], out["min"], out["max"], out["mean"] = g.Measured, g.Sum, g.Min, g.Max, g.Mean
			}
			if err := e.emit(out); err != nil {
				return err
			}
			continue
		}
		e.printf("%9d", g.Count)
		if q.Measure != "" {
			e.printf("  %12.6g %12.6g %12.6g", g.Min, g.Mean, g.Max)
		}
		for _, k := range g.Key {
			e.printf("  %s", name(fmt.Sprint(k)))
		}
		e.printf("\n")
	}
	return nil
}

func (e *env) exportRecords(ctx context.Context, r *varve.Records, q varve.Query, format, out string) error {
	if out == "" {
		return r.Export(ctx, q, format, e.out)
	}
	f, err := os.OpenFile(out, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return err
	}
	if err := errors.Join(r.Export(ctx, q, format, f), f.Close()); err != nil {
		return errors.Join(err, os.Remove(out))
	}
	return nil
}
