package records

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Dump writes all that the index knows of all entities, those gone included, in an order that follows from the entities
// alone: indexes of the same segments dump the same.
func (r *Records) Dump(ctx context.Context, w io.Writer) error {
	return r.ready(ctx, func(x *index) error {
		return x.reading(ctx, func(tx *sql.Tx) error {
			tables, err := x.load(ctx, tx)
			if err != nil {
				return err
			}
			for _, kind := range slices.Sorted(maps.Keys(tables)) {
				t := tables[kind]
				err := x.yieldEntities(ctx, tx, t, "SELECT "+t.selected()+" FROM "+t.rows()+" AS r ORDER BY r.id", nil, func(e *entity) error { return e.dump(w) })
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func (e *entity) dump(w io.Writer) error {
	fmt.Fprintf(w, "%q %q %v %v gone %v %v\n", e.kind, e.id, e.first, e.last, e.gone, e.isGone())
	for _, v := range e.fields {
		fmt.Fprintf(w, "\t%q %v %s\n", v.name, v.at, v.raw)
	}
	for _, set := range slices.Sorted(maps.Keys(e.sets)) {
		for _, name := range slices.Sorted(maps.Keys(e.sets[set])) {
			m := e.sets[set][name]
			fmt.Fprintf(w, "\t%q %q %v %v\n", set, name, m.at, m.in)
		}
	}
	_, err := io.WriteString(w, "\n")
	return err
}
