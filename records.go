package varve

import (
	"context"

	"varve/internal/records"
)

// Records in bulk: facts that are no files, by the million. See package records for what they promise.
type (
	// Records are the records in bulk of a vault, and the index over them.
	Records = records.Records
	// Schema declares a kind of record.
	Schema = records.Schema
	// Field is a field of a kind of record.
	Field = records.Field
	// FieldType is what values of a field are.
	FieldType = records.FieldType
	// Fact says something of one entity.
	Fact = records.Fact
	// Row is an entity.
	Row = records.Row
	// Query asks for the entities of one kind.
	Query = records.Query
	// Where compares a field with a value.
	Where = records.Where
	// Group is the entities that have the same values.
	Group = records.Group
)

// The types of fields.
const (
	Text   = records.Text
	Number = records.Number
	Time   = records.Time
	Flag   = records.Flag
	JSON   = records.JSON
)

// ByCount, as a query's Order, has groups follow one another by their size.
const ByCount = records.ByCount

// ErrQuery says that a query of records cannot be asked.
var ErrQuery = records.ErrQuery

// Records opens the records in bulk and brings the index over them up to date. The caller closes them.
func (v *Vault) Records(ctx context.Context, schemas ...Schema) (*Records, error) {
	return records.Open(ctx, v.db, records.Options{Dir: v.opt.Cache, Warn: v.opt.Warn}, schemas...)
}
