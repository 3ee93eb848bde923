package records

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"slices"
	"strconv"
	"time"
)

// Export writes what a query finds: "jsonl", an object a line with kind, id, project, first, last, fields and sets;
// "csv" with a header, a column for each of these and for each field and set that any of the kind has, values that are
// no text as JSON; "parquet" with a typed column for each declared field, the others as JSON in the column more.
func (r *Records) Export(ctx context.Context, q Query, format string, w io.Writer) error {
	out := bufio.NewWriterSize(w, 1<<16)
	var err error
	switch format {
	case "jsonl":
		err = r.exportLines(ctx, q, out)
	case "csv":
		err = r.exportCSV(ctx, q, out)
	case "parquet":
		err = r.exportParquet(ctx, q, out)
	default:
		return wrong("there is no format %q: jsonl, csv and parquet are known", format)
	}
	if err != nil {
		return err
	}
	return out.Flush()
}

type exported struct {
	Kind    string                     `json:"kind"`
	ID      string                     `json:"id"`
	Project string                     `json:"project,omitempty"`
	First   time.Time                  `json:"first"`
	Last    time.Time                  `json:"last"`
	Fields  map[string]json.RawMessage `json:"fields"`
	Sets    map[string][]string        `json:"sets,omitempty"`
}

func (r *Records) exportLines(ctx context.Context, q Query, w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for row, err := range r.Find(ctx, q) {
		if err != nil {
			return err
		}
		if err := enc.Encode((*exported)(row)); err != nil {
			return err
		}
	}
	return nil
}

// names returns the fields and the sets that entities of a kind have: the declared fields, then others by name.
func (r *Records) names(ctx context.Context, kind string) (declared []Field, others, sets []string, err error) {
	err = r.ready(ctx, func(x *index) error {
		tables, err := x.load(ctx, x.db)
		if err != nil {
			return err
		}
		a, err := x.ask(tables, &Query{Kind: kind})
		if err != nil {
			return err
		}
		declared = a.t.cols[1:]
		from := " FROM " + a.t.rows() + " AS r, json_each(r.more) AS j WHERE j.key IS NOT NULL"
		if a.t.number == generic {
			from += " AND r.id > ? AND r.id < ?"
		}
		if others, err = x.strings(ctx, "SELECT DISTINCT j.key"+from+" ORDER BY 1", a.args...); err != nil {
			return err
		}
		from = " FROM members AS m JOIN " + a.t.rows() + " AS r ON r.n = m.n WHERE m.t = " + strconv.FormatInt(a.t.number, 10)
		if a.t.number == generic {
			from += " AND r.id > ? AND r.id < ?"
		}
		sets, err = x.strings(ctx, "SELECT DISTINCT m.s"+from+" ORDER BY 1", a.args...)
		return err
	})
	others = slices.DeleteFunc(others, func(name string) bool {
		return reserved(name) || slices.ContainsFunc(declared, func(f Field) bool { return f.Name == name })
	})
	return declared, others, sets, err
}

func (x *index) strings(ctx context.Context, ask string, args ...any) ([]string, error) {
	rows, err := x.db.QueryContext(ctx, ask, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, rows.Err()
}

func (r *Records) exportCSV(ctx context.Context, q Query, w io.Writer) error {
	declared, others, sets, err := r.names(ctx, q.Kind)
	if err != nil {
		return err
	}
	header := []string{nameKind, nameID, nameProject, nameFirst, nameLast}
	var fields []string
	for _, f := range declared {
		fields = append(fields, f.Name)
	}
	fields = append(fields, others...)
	enc := csv.NewWriter(w)
	if err := enc.Write(slices.Concat(header, fields, sets)); err != nil {
		return err
	}
	line := make([]string, 0, len(header)+len(fields)+len(sets))
	for row, err := range r.Find(ctx, q) {
		if err != nil {
			return err
		}
		line = append(line[:0], row.Kind, row.ID, row.Project, row.First.Format(time.RFC3339Nano), row.Last.Format(time.RFC3339Nano))
		for _, name := range fields {
			raw := row.Fields[name]
			if s, ok := unquote(raw); ok {
				line = append(line, s)
			} else {
				line = append(line, string(raw))
			}
		}
		for _, set := range sets {
			cell := ""
			if in := row.Sets[set]; in != nil {
				b, err := json.Marshal(in)
				if err != nil {
					return err
				}
				cell = string(b)
			}
			line = append(line, cell)
		}
		if err := enc.Write(line); err != nil {
			return err
		}
	}
	enc.Flush()
	return enc.Error()
}
