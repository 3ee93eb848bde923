package records

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
)

// A Kind is a kind of record that the vault has.
type Kind struct {
	Schema // its Version is 0 and it has no fields where nobody has declared it here
	Count  int
}

// Kinds returns the kinds of record that there are, by name, with how many entities they have.
func (r *Records) Kinds(ctx context.Context) (out []Kind, err error) {
	err = r.ready(ctx, func(x *index) error {
		return x.reading(ctx, func(tx *sql.Tx) error {
			tables, err := x.load(ctx, tx)
			if err != nil {
				return err
			}
			out = nil
			for _, name := range slices.Sorted(maps.Keys(tables)) {
				k := Kind{Schema: tables[name].schema}
				if name == "" {
					continue
				}
				if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM "+tables[name].rows()+" WHERE gone IS NULL").Scan(&k.Count); err != nil {
					return err
				}
				if k.Count > 0 {
					out = append(out, k)
				}
			}
			rows, err := tx.QueryContext(ctx, "SELECT substr(id, 1, instr(id, char(0)) - 1), count(*) FROM "+tables[""].rows()+" WHERE gone IS NULL GROUP BY 1")
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var k Kind
				if err := rows.Scan(&k.Schema.Kind, &k.Count); err != nil {
					return err
				}
				out = append(out, k)
			}
			return rows.Err()
		})
	})
	slices.SortFunc(out, func(a, b Kind) int { return cmp.Compare(a.Schema.Kind, b.Schema.Kind) })
	return out, err
}
