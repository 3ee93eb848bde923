package records

import (
	"bytes"
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
	var b bytes.Buffer
	err := r.ready(ctx, func(x *index) error {
		b.Reset() // what a damaged index said first
		return x.reading(ctx, func(tx *sql.Tx) error {
			tables, err := x.load(ctx, tx)
			if err != nil {
				return err
			}
			for _, kind := range slices.Sorted(maps.Keys(tables)) {
				t := tables[kind]
				err := x.yieldEntities(ctx, tx, t, "SELECT "+t.selected()+" FROM "+t.rows()+" AS r ORDER BY r.id", nil, func(e *entity) error { return e.dump(&b) })
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return err
	}
	_, err = b.WriteTo(w)
	return err
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
