// Package ledger keeps typed records beside snapshots: milestones, tags, holds, operations, and what the
// tenants add. Facts are written as immutable segments and merged when read, so that any number of writers
// need no lock and two copies of a vault merge by union.
//
// # Promises
//
// A record is never lost to another writer. The merged state depends only on the set of segments, not on
// their order: of two values of a field the later by hybrid logical clock stands, ties broken by the
// writer's id; set members are added and dropped by the same rule; a tombstone hides what was said before
// it.
//
// # Bytes
//
// A segment is the object "ledger/<32 hex digits>", sealed as kind Ledger with its name's last element as
// id. Its plain bytes are JSON lines, one [Record] each. All of it is read whenever a vault is opened.
//
// What comes by the million is kept apart, in [Segments] "records/<32 hex digits>" (kind Records), which only those
// read who ask for records: package records. The name follows from the content, so what is written twice is there
// once; "records/<32 hex digits>-<16 hex digits>" has the content of one that is damaged once more.
package ledger

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"sync"

	"varve/internal/object"
	"varve/internal/seal"
	"varve/store"
)

// A Stamp is a hybrid logical clock: milliseconds since 1970, never behind any stamp seen before, and a
// counter for equal milliseconds.
type Stamp struct {
	Milli   int64  `json:"ms"`
	Counter uint32 `json:"n,omitempty"`
	Writer  string `json:"by"`
}

// Compare orders stamps.
func (s Stamp) Compare(o Stamp) int {
	return cmp.Or(cmp.Compare(s.Milli, o.Milli), cmp.Compare(s.Counter, o.Counter), cmp.Compare(s.Writer, o.Writer))
}

// A Record says something of one entity at one time.
type Record struct {
	Type string                     `json:"type"`
	ID   string                     `json:"id"`
	At   Stamp                      `json:"at"`
	Gone bool                       `json:"gone,omitempty"`
	Set  map[string]json.RawMessage `json:"set,omitempty"`
	Add  map[string][]string        `json:"add,omitempty"`
	Drop map[string][]string        `json:"drop,omitempty"`
}

// An Entity is the merged state of all records with one type and id.
type Entity struct {
	Type    string
	ID      string
	First   Stamp // of the earliest record
	Last    Stamp // of the latest
	Gone    bool
	fields  map[string]field
	members map[string]map[string]member
	gone    Stamp
}

type field struct {
	at    Stamp
	value json.RawMessage
}

type member struct {
	at Stamp
	in bool
}

// Get decodes a field into v and reports whether it is set.
func (e *Entity) Get(name string, v any) bool {
	f, ok := e.fields[name]
	return ok && json.Unmarshal(f.value, v) == nil
}

// Text returns a string field, "" where it is not set.
func (e *Entity) Text(name string) (s string) {
	e.Get(name, &s)
	return s
}

// Members returns a set in order.
func (e *Entity) Members(set string) []string {
	var out []string
	for m, s := range e.members[set] {
		if s.in {
			out = append(out, m)
		}
	}
	slices.Sort(out)
	return out
}

// Record returns one record that says all that is known of the entity.
func (e *Entity) Record() Record {
	r := Record{Type: e.Type, ID: e.ID, Set: map[string]json.RawMessage{}}
	for name, f := range e.fields {
		r.Set[name] = f.value
	}
	for set := range e.members {
		if in := e.Members(set); len(in) > 0 {
			if r.Add == nil {
				r.Add = map[string][]string{}
			}
			r.Add[set] = in
		}
	}
	return r
}

// Fields returns the names of the fields that are set, in order.
func (e *Entity) Fields() []string { return slices.Sorted(maps.Keys(e.fields)) }

func (e *Entity) apply(r *Record) {
	if e.First == (Stamp{}) || r.At.Compare(e.First) < 0 {
		e.First = r.At
	}
	if r.At.Compare(e.Last) > 0 {
		e.Last = r.At
	}
	if r.Gone && r.At.Compare(e.gone) > 0 {
		e.gone = r.At
	}
	for k, v := range r.Set {
		if r.At.Compare(e.fields[k].at) > 0 {
			e.fields[k] = field{r.At, v}
		}
	}
	e.mark(r.Add, r.At, true)
	e.mark(r.Drop, r.At, false)
}

func (e *Entity) mark(sets map[string][]string, at Stamp, in bool) {
	for set, names := range sets {
		if e.members[set] == nil {
			e.members[set] = map[string]member{}
		}
		for _, n := range names {
			if at.Compare(e.members[set][n].at) > 0 {
				e.members[set][n] = member{at, in}
			}
		}
	}
}

// settle hides what a tombstone came after.
func (e *Entity) settle() {
	e.Gone = e.gone != Stamp{} && e.gone.Compare(e.Last) >= 0
	maps.DeleteFunc(e.fields, func(_ string, f field) bool { return f.at.Compare(e.gone) <= 0 })
	for _, m := range e.members {
		maps.DeleteFunc(m, func(_ string, s member) bool { return s.at.Compare(e.gone) <= 0 })
	}
}

// A Ledger reads and appends records of one vault. It is safe for concurrent use.
type Ledger struct {
	db     *object.DB
	writer string

	mu      sync.Mutex
	known   map[string]bool
	damaged map[string]error
	records []Record
	last    Stamp
}

// New returns the ledger of a vault. writer names this program run in stamps; it should be unique.
func New(db *object.DB, writer string) *Ledger {
	return &Ledger{db: db, writer: writer, known: map[string]bool{}, damaged: map[string]error{}}
}

const (
	maxSegment = 256 << 20
	maxLine    = 16 << 20
	// What is stamped later than all can never be changed again. So a stamp has an end, and there is room beyond the
	// counters that are read for those of who comes after.
	maxMilli   = 253_402_300_799_999 // the end of the year 9999
	maxCounter = 1 << 31
)

// Refresh reads the segments that are new. One that is damaged does not stop it: see Damaged.
func (l *Ledger) Refresh(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refresh(ctx)
}

func (l *Ledger) refresh(ctx context.Context) error {
	unknown := func(o store.Object) bool {
		if o.Size > maxSegment+seal.Overhead {
			l.damaged[o.Name] = fmt.Errorf("it has %d bytes: %w", o.Size, object.ErrDamaged)
			return false
		}
		return !l.known[o.Name]
	}
	for o, err := range store.Fetch(ctx, l.db.Store(), "ledger/", unknown) {
		if err != nil {
			return fmt.Errorf("list ledger: %w", err)
		}
		if errors.Is(o.Err, fs.ErrNotExist) {
			continue
		}
		if o.Err != nil {
			return fmt.Errorf("read %s: %w", o.Name, o.Err)
		}
		l.known[o.Name] = true
		records, err := l.open(strings.TrimPrefix(o.Name, "ledger/"), o.Content)
		if err != nil { // perhaps it was damaged only on its way here
			if again, gerr := l.db.Store().Get(ctx, o.Name, 0, -1, nil); gerr == nil {
				records, err = l.open(strings.TrimPrefix(o.Name, "ledger/"), again)
			}
		}
		if err != nil {
			l.damaged[o.Name] = err
			continue
		}
		l.absorb(records)
	}
	return nil
}

// open returns the records of a sealed segment.
func (l *Ledger) open(id string, sealed []byte) ([]Record, error) {
	plain, err := l.db.Keys().Open(nil, seal.Ledger, []byte(id), sealed, maxSegment)
	if err != nil {
		return nil, err
	}
	return Decode(plain)
}

// Damaged returns the segments that could not be read, and why. What they said is not known: whoever
// removes anything must not while there are any.
func (l *Ledger) Damaged() map[string]error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.damaged)
}

func (l *Ledger) absorb(records []Record) {
	for i := range records {
		if records[i].At.Compare(l.last) > 0 {
			l.last = records[i].At
		}
	}
	l.records = append(l.records, records...)
}

// Decode reads the plain bytes of a segment.
func Decode(b []byte) ([]Record, error) {
	var out []Record
	sc := bufio.NewScanner(bytes.NewReader(b))
	sc.Buffer(nil, maxLine)
	for sc.Scan() {
		var r Record
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("record %d: %w", len(out)+1, err)
		}
		if r.Type == "" || r.ID == "" {
			return nil, fmt.Errorf("record %d: no type or id", len(out)+1)
		}
		if r.At.Milli < 0 || r.At.Milli > maxMilli || r.At.Counter > maxCounter {
			return nil, fmt.Errorf("record %d: stamp out of range", len(out)+1)
		}
		out = append(out, r)
	}
	return out, sc.Err()
}

// Append stamps the records, in order, and writes them as one segment. They have survived power loss when
// it returns nil.
func (l *Ledger) Append(ctx context.Context, records ...Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refresh(ctx); err != nil {
		return err
	}
	for i := range records {
		records[i].At = l.tick()
	}
	return l.write(ctx, records)
}

// Records returns all records, as they were written.
func (l *Ledger) Records() []Record {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.records)
}

// Import writes records of another ledger with the stamps that they have there, so that merging does with them what
// it did there, and returns how many were not here yet.
func (l *Ledger) Import(ctx context.Context, records []Record) (int, error) {
	type key struct {
		typ, id string
		at      Stamp
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.refresh(ctx); err != nil {
		return 0, err
	}
	here := map[key]bool{}
	for i := range l.records {
		here[key{l.records[i].Type, l.records[i].ID, l.records[i].At}] = true
	}
	var fresh []Record
	for _, r := range records {
		if k := (key{r.Type, r.ID, r.At}); !here[k] {
			here[k] = true
			fresh = append(fresh, r)
		}
	}
	for part := range slices.Chunk(fresh, maxImport) {
		if err := l.write(ctx, part); err != nil {
			return 0, err
		}
	}
	return len(fresh), nil
}

const maxImport = 100_000 // records of a segment

// write puts stamped records as one segment.
func (l *Ledger) write(ctx context.Context, records []Record) error {
	var plain []byte
	for i := range records {
		line, err := json.Marshal(&records[i])
		if err != nil {
			return fmt.Errorf("record %s %s: %w", records[i].Type, records[i].ID, err)
		}
		plain = append(append(plain, line...), '\n')
	}
	id, err := l.db.NewID()
	if err != nil {
		return err
	}
	name := hex.EncodeToString(id[:])
	sealed, err := l.db.Keys().Seal(nil, seal.Ledger, []byte(name), plain, l.db.Rand())
	if err != nil {
		return err
	}
	if err := l.db.Store().Put(ctx, "ledger/"+name, sealed); err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	l.known["ledger/"+name] = true
	l.absorb(records)
	return l.db.Store().Barrier(ctx)
}

// tick returns a stamp later than every stamp seen.
func (l *Ledger) tick() Stamp {
	s := Stamp{Milli: l.db.Now().UnixMilli(), Writer: l.writer}
	if s.Milli <= l.last.Milli {
		s.Milli, s.Counter = l.last.Milli, l.last.Counter+1
	}
	l.last = s
	return s
}

// Entities returns the merged entities of a type, those gone left out, ordered by their first record.
func (l *Ledger) Entities(typ string) []*Entity {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := Merge(l.records, typ)
	return slices.DeleteFunc(all, func(e *Entity) bool { return e.Gone })
}

// Merge returns the entities of a type that records make, those gone included.
func Merge(records []Record, typ string) []*Entity {
	by := map[string]*Entity{}
	for i := range records {
		r := &records[i]
		if r.Type != typ {
			continue
		}
		e := by[r.ID]
		if e == nil {
			e = &Entity{Type: typ, ID: r.ID, fields: map[string]field{}, members: map[string]map[string]member{}}
			by[r.ID] = e
		}
		e.apply(r)
	}
	out := slices.Collect(maps.Values(by))
	for _, e := range out {
		e.settle()
	}
	slices.SortFunc(out, func(a, b *Entity) int { return cmp.Or(a.First.Compare(b.First), strings.Compare(a.ID, b.ID)) })
	return out
}

// Raw is an encoded value of a field.
type Raw = json.RawMessage

// Value encodes a field's value; it must be encodable as JSON.
func Value(v any) json.RawMessage {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("ledger: value of type %T: %v", v, err))
	}
	return b
}
