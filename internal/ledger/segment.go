package ledger

import (
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"varve/internal/object"
	"varve/internal/seal"
	"varve/store"
)

// Bulk is what the names of segments with records in bulk begin with.
const Bulk = "records/"

// Limits of a segment of records in bulk that is written.
const (
	MaxBulk      = 100_000  // records
	maxBulkBytes = 64 << 20 // plain, beyond one record
	maxType      = 200      // bytes
	maxID        = 4 << 10  // bytes
)

// A Segment is one segment of records in bulk: an object, and others that were put beside it because it is damaged.
type Segment struct {
	ID    string         // 32 hex digits
	Names []store.Object // in byte order
}

// Segments are the records in bulk of a vault.
type Segments struct{ db *object.DB }

// NewSegments returns those of a vault.
func NewSegments(db *object.DB) Segments { return Segments{db} }

// List returns the segments in the order of their ids.
func (s Segments) List(ctx context.Context) ([]Segment, error) {
	var out []Segment
	for o, err := range s.db.Store().List(ctx, Bulk) {
		if err != nil {
			return nil, fmt.Errorf("list records: %w", err)
		}
		id, ok := bulkID(o.Name)
		if !ok {
			continue
		}
		if n := len(out); n > 0 && out[n-1].ID == id {
			out[n-1].Names = append(out[n-1].Names, o)
		} else {
			out = append(out, Segment{id, []store.Object{o}})
		}
	}
	return out, nil
}

// bulkID returns the id in "records/<id>" or "records/<id>-<spare>".
func bulkID(name string) (string, bool) {
	id, spare, more := strings.Cut(strings.TrimPrefix(name, Bulk), "-")
	return id, hexDigits(id, 32) && (!more || hexDigits(spare, 16))
}

func hexDigits(s string, n int) bool { return len(s) == n && strings.Trim(s, "0123456789abcdef") == "" }

// Read returns the records of a segment, of the first of its objects that is whole. The error is ErrDamaged if none
// is, and fs.ErrNotExist if it is gone.
func (s Segments) Read(ctx context.Context, seg Segment) ([]Record, error) {
	_, records, err := s.read(ctx, seg)
	return records, err
}

func (s Segments) read(ctx context.Context, seg Segment) (plain []byte, records []Record, err error) {
	var failed error
	for _, o := range seg.Names {
		if o.Size > maxSegment+seal.Overhead {
			failed = fmt.Errorf("%s has %d bytes: %w", o.Name, o.Size, object.ErrDamaged)
			continue
		}
		for range 2 { // perhaps it was damaged only on its way here
			sealed, err := s.db.Store().Get(ctx, o.Name, 0, -1, nil)
			if err == nil {
				plain, records, err = s.open(strings.TrimPrefix(o.Name, Bulk), sealed)
			}
			if err == nil {
				return plain, records, nil
			}
			if ctx.Err() != nil {
				return nil, nil, ctx.Err()
			}
			failed = cmp.Or(failed, fmt.Errorf("%s: %w", o.Name, err))
			if errors.Is(err, fs.ErrNotExist) {
				break
			}
		}
	}
	if failed == nil {
		failed = fmt.Errorf("%s%s: %w", Bulk, seg.ID, fs.ErrNotExist)
	}
	return nil, nil, failed
}

func (s Segments) open(name string, sealed []byte) ([]byte, []Record, error) {
	plain, err := s.db.Keys().Open(nil, seal.Records, []byte(name), sealed, maxSegment)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", object.ErrDamaged, err)
	}
	records, err := DecodeBulk(plain)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", object.ErrDamaged, err)
	}
	return plain, records, nil
}

// DecodeBulk reads the plain bytes of a segment of records in bulk. What it returns refers to them.
func DecodeBulk(plain []byte) ([]Record, error) {
	n := bytes.Count(plain, []byte{'\n'})
	if n > MaxBulk {
		return nil, fmt.Errorf("%d records where %d are allowed: %w", n, MaxBulk, fs.ErrInvalid)
	}
	out := make([]Record, 0, n)
	names, fields := map[string]string{}, 0 // of the line before
	for len(plain) > 0 {
		line, rest, whole := bytes.Cut(plain, []byte{'\n'})
		plain = rest
		var r Record
		if len(line) >= maxLine || !whole {
			return nil, fmt.Errorf("record %d has no end, or is longer than %d bytes: %w", len(out)+1, maxLine, fs.ErrInvalid)
		}
		if !readLine(line, &r, names, fields) {
			r = Record{}
			if err := json.Unmarshal(line, &r); err != nil {
				return nil, fmt.Errorf("record %d: %w", len(out)+1, err)
			}
		}
		err := r.inBulk()
		if err == nil && (r.At.Milli < 0 || r.At.Milli > maxMilli || r.At.Counter > maxCounter) {
			err = fmt.Errorf("stamp out of range: %w", fs.ErrInvalid)
		}
		if err != nil {
			return nil, fmt.Errorf("record %d: %w", len(out)+1, err)
		}
		out, fields = append(out, r), min(len(r.Set), 32)
	}
	return out, nil
}

// inBulk refuses what an index has no place for.
func (r *Record) inBulk() error {
	switch {
	case r.Type == "" || len(r.Type) > maxType || strings.IndexByte(r.Type, 0) >= 0:
		return fmt.Errorf("its kind %.40q is empty, has a zero byte or is longer than %d bytes: %w", r.Type, maxType, fs.ErrInvalid)
	case r.ID == "" || len(r.ID) > maxID:
		return fmt.Errorf("its id %.40q is empty or longer than %d bytes: %w", r.ID, maxID, fs.ErrInvalid)
	}
	return nil
}

// Write puts stamped records as segments and returns their ids, each with how many of the records it has, in order.
// They are durable after the next barrier. A segment's name follows from its content, so that what is put twice is
// there once.
func (s Segments) Write(ctx context.Context, records []Record) ([]Written, error) {
	var out []Written
	for len(records) > 0 {
		plain, n, err := encodeBulk(records)
		if err != nil {
			return out, err
		}
		id, err := s.put(ctx, plain)
		if err != nil {
			return out, err
		}
		out = append(out, Written{id, n})
		records = records[n:]
	}
	return out, nil
}

// Written is a segment that was put.
type Written struct {
	ID      string
	Records int
}

// encodeBulk encodes as many of the records as go into one segment.
func encodeBulk(records []Record) (plain []byte, n int, err error) {
	for n < len(records) && n < MaxBulk && len(plain) < maxBulkBytes {
		if err := records[n].inBulk(); err != nil {
			return nil, 0, err
		}
		at := len(plain)
		if plain, err = records[n].appendLine(plain); err != nil {
			return nil, 0, fmt.Errorf("record %s %s: %w", records[n].Type, records[n].ID, err)
		}
		if size := len(plain) - at; size > maxLine-1 {
			return nil, 0, fmt.Errorf("record %s %s: %d bytes where %d are allowed: %w", records[n].Type, records[n].ID, size, maxLine, fs.ErrInvalid)
		}
		n++
	}
	return plain, n, nil
}

// put seals and puts a segment, beside what is there under its name if that is damaged.
func (s Segments) put(ctx context.Context, plain []byte) (string, error) {
	d := s.db.Digest(append([]byte("varve/1 records\n"), plain...))
	id := hex.EncodeToString(d[:16])
	err := s.putAs(ctx, id, plain)
	if !errors.Is(err, fs.ErrExist) {
		return id, err
	}
	seg, err := s.find(ctx, id)
	if err == nil {
		if _, _, err = s.read(ctx, seg); errors.Is(err, object.ErrDamaged) {
			err = s.putSpare(ctx, id, plain)
		}
	}
	return id, err
}

func (s Segments) putAs(ctx context.Context, name string, plain []byte) error {
	sealed, err := s.db.Keys().Seal(nil, seal.Records, []byte(name), plain, s.db.Rand())
	if err != nil {
		return err
	}
	if err := s.db.Store().Put(ctx, Bulk+name, sealed); err != nil {
		return fmt.Errorf("write records: %w", err)
	}
	return nil
}

// putSpare puts the content of a segment beside an object of it that is damaged.
func (s Segments) putSpare(ctx context.Context, id string, plain []byte) error {
	spare, err := s.db.NewID()
	if err != nil {
		return err
	}
	return s.putAs(ctx, id+"-"+hex.EncodeToString(spare[:8]), plain)
}

func (s Segments) find(ctx context.Context, id string) (Segment, error) {
	all, err := s.List(ctx)
	if err != nil {
		return Segment{}, err
	}
	i, ok := slices.BinarySearchFunc(all, id, func(s Segment, id string) int { return strings.Compare(s.ID, id) })
	if !ok {
		return Segment{ID: id}, nil
	}
	return all[i], nil
}

// Heal puts the content of the segment that a damaged object is of beside it, as another copy of the same vault has it,
// and reports whether that has it. A dry run only looks.
func (s Segments) Heal(ctx context.Context, name string, from Segments, dry bool) (bool, error) {
	id, ok := bulkID(name)
	if !ok {
		return false, nil
	}
	there, err := from.find(ctx, id)
	if err != nil {
		return false, err
	}
	plain, _, err := from.read(ctx, there)
	if err != nil || dry {
		return err == nil, ctx.Err()
	}
	return true, s.putSpare(ctx, id, plain)
}

// EncodeBulk encodes records of one segment: their lines.
func EncodeBulk(records []Record) ([]byte, error) {
	plain, n, err := encodeBulk(records)
	if err == nil && n < len(records) {
		err = fmt.Errorf("%d records, of which %d go into a segment: %w", len(records), n, fs.ErrInvalid)
	}
	return plain, err
}
