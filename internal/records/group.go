package records

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Group is the entities that have the same values of the fields they are grouped by.
type Group struct {
	Key   []any // a value a field: string, float64, time.Time, bool or json.RawMessage; nil where it is not set
	Count int
	// Measured is how many of them have the number that Query.Measure names; the rest is of those, 0 where there are none.
	Measured            int
	Sum, Min, Max, Mean float64
}

// ByCount, as a query's Order, has groups follow one another by their size.
const ByCount = "count"

// Group counts what a query finds by the values of fields, in the order of these, or by count. A field may be "id",
// "project", "first", "last"; a time with ":hour", ":day" or ":week" after it is cut to that, in UTC, weeks from Monday;
// "#tags" are the members of the set tags, and an entity counts under each that it has.
func (r *Records) Group(ctx context.Context, q Query, by ...string) (out []Group, err error) {
	err = r.ready(ctx, func(x *index) error {
		return x.reading(ctx, func(tx *sql.Tx) error {
			tables, err := x.load(ctx, tx)
			if err != nil {
				return err
			}
			a, err := x.ask(tables, &q)
			if err == nil && len(by) == 0 {
				err = wrong("it names no field to group by")
			}
			if err != nil {
				return err
			}
			if a.t.number != generic && !x.plain {
				s, err := x.scanning(ctx, tx, a.t, &q)
				if err != nil {
					return err
				}
				var ok bool
				if out, ok, err = s.group(&q, by); ok || err != nil {
					return err
				}
			}
			out, err = x.group(ctx, tx, a, &q, by)
			return err
		})
	})
	return out, err
}

// a grouped field.
type grouped struct {
	expr  string
	typ   FieldType
	milli bool // a time in milliseconds
}

// bucket takes ":hour", ":day" or ":week" from a name: how long these are and where they begin, in nanoseconds.
func bucket(name string) (field string, step, offset int64, cut bool) {
	field, unit, _ := strings.Cut(name, ":")
	switch unit {
	case "hour":
		return field, int64(time.Hour), 0, true
	case "day":
		return field, int64(24 * time.Hour), 0, true
	case "week":
		return field, int64(7 * 24 * time.Hour), int64(4 * 24 * time.Hour), true // the first Monday of 1970 is the 5th of January
	}
	return name, 0, 0, false
}

func (a *asking) grouping(name string) (grouped, error) {
	field, n, monday, cut := bucket(name)
	expr, t, err := a.expr(field)
	g := grouped{expr, t, stamped(field)}
	if err != nil || !cut {
		return g, err
	}
	if t != Time {
		return g, wrong("%s is no time", field)
	}
	if g.milli {
		n, monday = n/int64(time.Millisecond), monday/int64(time.Millisecond)
	}
	g.expr = fmt.Sprintf("%[1]s - ((%[1]s - %[3]d) %% %[2]d + %[2]d) %% %[2]d", expr, n, monday)
	return g, nil
}

func (x *index) group(ctx context.Context, tx *sql.Tx, a *asking, q *Query, by []string) ([]Group, error) {
	var keys []grouped
	var names []string
	join, before := "", []any(nil)
	for _, name := range by {
		if set, ok := strings.CutPrefix(name, "#"); ok {
			if join != "" {
				return nil, wrong("it groups by two sets")
			}
			join, before = " JOIN members AS s ON s.t = ? AND s.s = ? AND s.n = r.n", []any{a.t.number, set}
			keys = append(keys, grouped{"s.m", Text, false})
		} else {
			g, err := a.grouping(name)
			if err != nil {
				return nil, err
			}
			keys = append(keys, g)
		}
		names = append(names, fmt.Sprint(len(keys)))
	}
	ask := "SELECT "
	for _, k := range keys {
		ask += k.expr + ", "
	}
	ask += "count(*)"
	if q.Measure != "" {
		expr, t, err := a.expr(q.Measure)
		if err == nil && t != Number && t != 0 {
			err = wrong("%s is no number", q.Measure)
		}
		if err != nil {
			return nil, err
		}
		ask += fmt.Sprintf(", count(%[1]s), total(%[1]s), min(%[1]s), max(%[1]s)", expr)
	}
	way := ""
	if q.Descending {
		way = " DESC"
	}
	list := strings.Join(names, ", ")
	order := strings.Join(names, way+", ") + way
	if q.Order == ByCount {
		order = "count(*)" + way + ", " + list
	}
	ask += " FROM " + a.t.rows() + " AS r" + join + " WHERE " + strings.Join(a.where, " AND ") + " GROUP BY " + list + " ORDER BY " + order + limit(q)
	rows, err := tx.QueryContext(ctx, ask, append(before, a.args...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Group
	for rows.Next() {
		g, err := scanGroup(rows, keys, q.Measure != "")
		if err != nil {
			return nil, err
		}
		out = append(out, g)
	}
	return out, errors.Join(rows.Err(), rows.Close())
}

func scanGroup(rows *sql.Rows, keys []grouped, measured bool) (Group, error) {
	g := Group{Key: make([]any, len(keys))}
	var to []any
	for i := range g.Key {
		to = append(to, &g.Key[i])
	}
	to = append(to, &g.Count)
	var sum, low, high sql.NullFloat64
	if measured {
		to = append(to, &g.Measured, &sum, &low, &high)
	}
	if err := rows.Scan(to...); err != nil {
		return g, err
	}
	for i, k := range keys {
		g.Key[i] = keyOf(k, g.Key[i])
	}
	if g.Measured > 0 {
		g.Sum, g.Min, g.Max, g.Mean = sum.Float64, low.Float64, high.Float64, sum.Float64/float64(g.Measured)
	}
	return g, nil
}

// keyOf is a value of a group as callers see it.
func keyOf(k grouped, v any) any {
	switch v := v.(type) {
	case int64:
		switch {
		case k.milli:
			return time.UnixMilli(v).UTC()
		case k.typ == Time:
			return time.Unix(0, v).UTC()
		case k.typ == Flag:
			return v != 0
		}
		return float64(v)
	case string:
		if k.typ == JSON {
			return json.RawMessage(v)
		}
	}
	return v
}
