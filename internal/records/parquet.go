package records

import (
	"context"
	"encoding/json"
	"io"
	"slices"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"
)

// The columns that every Parquet file has beside those of declared fields.
const (
	colMore = "more"
	colSets = "sets"
)

func parquetNode(t FieldType) parquet.Node {
	switch t {
	case Number:
		return parquet.Leaf(parquet.DoubleType)
	case Time:
		return parquet.Timestamp(parquet.Nanosecond)
	case Flag:
		return parquet.Leaf(parquet.BooleanType)
	case JSON:
		return parquet.JSON()
	}
	return parquet.String()
}

func (r *Records) exportParquet(ctx context.Context, q Query, w io.Writer) error {
	declared, _, _, err := r.names(ctx, q.Kind)
	if err != nil {
		return err
	}
	group := parquet.Group{}
	for _, name := range []string{nameKind, nameID, nameProject} {
		group[name] = parquet.Optional(parquet.String())
	}
	for _, name := range []string{nameFirst, nameLast} {
		group[name] = parquet.Optional(parquet.Timestamp(parquet.Millisecond))
	}
	types := map[string]FieldType{}
	for _, f := range declared {
		if f.Name == colMore || f.Name == colSets {
			continue // they are in more
		}
		group[f.Name], types[f.Name] = parquet.Optional(parquetNode(f.Type)), f.Type
	}
	group[colMore], group[colSets] = parquet.Optional(parquet.JSON()), parquet.Optional(parquet.JSON())
	schema := parquet.NewSchema(q.Kind, group)
	columns := map[string]int{}
	for i, path := range schema.Columns() {
		columns[path[0]] = i
	}
	out := parquet.NewGenericWriter[any](w, schema, parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}), parquet.MaxRowsPerRowGroup(128<<10))
	var batch []parquet.Row
	flush := func() error {
		_, err := out.WriteRows(batch)
		batch = batch[:0]
		return err
	}
	for row, err := range r.Find(ctx, q) {
		if err != nil {
			return err
		}
		line, err := parquetRow(row, types, columns)
		if err != nil {
			return err
		}
		if batch = append(batch, line); len(batch) == 1024 {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := flush(); err != nil {
		return err
	}
	return out.Close()
}

// parquetRow is an entity as values of columns, those that are not set null.
func parquetRow(row *Row, types map[string]FieldType, columns map[string]int) (parquet.Row, error) {
	line := make(parquet.Row, len(columns))
	for i := range line {
		line[i] = parquet.NullValue().Level(0, 0, i)
	}
	set := func(name string, v any) {
		i := columns[name]
		line[i] = parquet.ValueOf(v).Level(0, 1, i)
	}
	set(nameKind, row.Kind)
	set(nameID, row.ID)
	if row.Project != "" {
		set(nameProject, row.Project)
	}
	set(nameFirst, row.First.UnixMilli())
	set(nameLast, row.Last.UnixMilli())
	more := map[string]json.RawMessage{}
	for name, raw := range row.Fields {
		v, ok := parquetValue(types[name], raw)
		if !ok {
			more[name] = raw
			continue
		}
		set(name, v)
	}
	for name, v := range map[string]any{colMore: more, colSets: row.Sets} {
		if name == colMore && len(more) > 0 || name == colSets && len(row.Sets) > 0 {
			b, err := json.Marshal(v)
			if err != nil {
				return nil, err
			}
			set(name, b)
		}
	}
	return line, nil
}

func parquetValue(t FieldType, raw json.RawMessage) (any, bool) {
	switch t {
	case Text:
		return unquoted(raw)
	case Number:
		v, _ := toNumber(raw)
		switch n := v.(type) {
		case int64:
			return float64(n), int64(float64(n)) == n
		case float64:
			return n, true
		}
		return nil, false
	case Time:
		s, _ := unquote(raw)
		at, err := time.Parse(time.RFC3339Nano, s)
		return at.UnixNano(), err == nil && at.Year() > 1700 && at.Year() < 2200
	case Flag:
		s := string(raw)
		return s == "true", s == "true" || s == "false"
	case JSON:
		return slices.Clone([]byte(raw)), true
	}
	return nil, false
}

func unquoted(raw json.RawMessage) (any, bool) {
	s, ok := unquote(raw)
	return s, ok
}
