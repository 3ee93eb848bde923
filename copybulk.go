package varve

import (
	"context"
	"errors"
	"fmt"

	"varve/internal/ledger"
)

// bulk brings records in bulk over, with the stamps that they have, segment by segment, and returns how many were in
// segments that are new there. If only some snapshots were asked for, it is what concerns their projects. The name of a
// segment follows from its content: what is there already is not put again, and what is damaged there is put beside it.
func (c *copying) bulk(ctx context.Context, only []*Snapshot) (int, error) {
	from, to := ledger.NewSegments(c.v.db), ledger.NewSegments(c.to.db)
	all, err := from.List(ctx)
	if err != nil || len(all) == 0 {
		return 0, err
	}
	before := map[string]bool{}
	there, err := to.List(ctx)
	if err != nil {
		return 0, err
	}
	for _, s := range there {
		before[s.ID] = true
	}
	ids, asked := c.counterparts(only)
	wanted := func(*ledger.Record) bool { return true }
	if only != nil {
		if wanted, err = c.concerned(ctx, from, all, asked); err != nil {
			return 0, err
		}
	}
	fresh := 0
	for _, s := range all {
		records, err := c.readBulk(ctx, from, s)
		if err != nil {
			return fresh, err
		}
		out := records[:0]
		for i := range records {
			if !wanted(&records[i]) {
				continue
			}
			if r, ok := rename(records[i], ids); ok {
				out = append(out, r)
			}
		}
		written, err := to.Write(ctx, out)
		if err != nil {
			return fresh, err
		}
		for _, w := range written {
			if !before[w.ID] {
				fresh += w.Records
			}
		}
	}
	return fresh, c.to.db.Store().Barrier(ctx)
}

// readBulk reads a segment. One that is damaged is passed over, and told: the others are not to be kept from the copy.
func (c *copying) readBulk(ctx context.Context, from ledger.Segments, s ledger.Segment) ([]ledger.Record, error) {
	records, err := from.Read(ctx, s)
	if errors.Is(err, ErrDamaged) {
		if c.v.opt.Warn != nil {
			c.v.opt.Warn(ledger.Bulk+s.ID, fmt.Errorf("it is not in the copy: %w", err))
		}
		return nil, nil
	}
	return records, err
}

// concerned tells of the records of which entities some record says that they are of what was asked for.
func (c *copying) concerned(ctx context.Context, from ledger.Segments, all []ledger.Segment, asked map[string]bool) (func(*ledger.Record) bool, error) {
	entities := map[[2]string]bool{}
	for _, s := range all {
		records, err := c.readBulk(ctx, from, s)
		if err != nil {
			return nil, err
		}
		for i := range records {
			if r := &records[i]; asked[r.ID] || asked[projectOf(r)] {
				entities[[2]string{r.Type, r.ID}] = true
			}
		}
	}
	return func(r *ledger.Record) bool { return entities[[2]string{r.Type, r.ID}] }, nil
}
