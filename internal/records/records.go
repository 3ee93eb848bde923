// Package records answers questions about records in bulk: feedback, crashes, metrics, whatever the tenants keep by the
// million. The records themselves are segments of package ledger; here is an index over them, one SQLite file in the
// cache of this machine.
//
// # Promises
//
// The index says what ledger.Merge says of all segments that can be read, in whatever order they came. It may be
// deleted at any moment and is made again; one that is damaged, of another version or of another vault is deleted and
// made again. Several processes may append and ask at once. A segment that is damaged hides none of the others. What
// was appended has survived power loss, whether or not the index could be brought up to date. Opening a vault reads
// nothing of this.
//
// # Bytes
//
// A file v<version>-<32 hex digits>.db, SQLite's, below the vault's folder in the cache, in the clear and readable by
// its owner only, with two more beside it. It has a table with the entities of each declared kind, a column a field, one
// for all kinds that nobody declared, tables of words for fields that are searched, and the fields that are declared
// with Index once more, column by column. Each row and each block of a column has a checksum. Nobody else may rely on it.
package records

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"varve/internal/disk"
	"varve/internal/ledger"
	"varve/internal/object"
)

// A Fact says something of one entity: fields that are set, members added to or dropped from sets, or that it is gone.
// A value is anything that encoding/json encodes.
type Fact struct {
	Kind, ID, Project string
	Set               map[string]any
	Add, Drop         map[string][]string
	Gone              bool
}

// Options are what records need from outside.
type Options struct {
	Dir  disk.Dir // the cache; nil: the index is in memory
	Warn func(name string, err error)
}

// Records are the records in bulk of one vault. They are safe for concurrent use.
type Records struct {
	segs    ledger.Segments
	db      *object.DB
	opt     Options
	schemas []Schema
	writer  string

	appending sync.Mutex
	last      ledger.Stamp // that was given

	mu      sync.Mutex
	behind  *indexing // what was appended last, while it goes into the index
	x       *index
	wanted  uint64 // how often it was noted that there is more than the index has
	had     uint64 // as of which of these it was brought up to date
	damaged map[string]error
	closed  bool
}

// Open opens the records of a vault and brings the index up to date.
func Open(ctx context.Context, db *object.DB, opt Options, schemas ...Schema) (*Records, error) {
	r := &Records{segs: ledger.NewSegments(db), db: db, opt: opt, schemas: schemas, damaged: map[string]error{}}
	for i := range schemas {
		if err := schemas[i].check(); err != nil {
			return nil, err
		}
	}
	var writer [8]byte
	if _, err := io.ReadFull(db.Rand(), writer[:]); err != nil {
		return nil, err
	}
	r.writer = hex.EncodeToString(writer[:])
	if err := r.Refresh(ctx); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

// Declare declares more kinds of record.
func (r *Records) Declare(ctx context.Context, schemas ...Schema) error {
	for i := range schemas {
		if err := schemas[i].check(); err != nil {
			return err
		}
	}
	r.mu.Lock()
	r.schemas = append(slices.Clone(r.schemas), schemas...)
	r.mu.Unlock()
	return r.with(ctx, func(x *index) error { return x.declare(ctx, schemas) })
}

// Close lets the index go, when what was appended is in it.
func (r *Records) Close() error {
	_ = r.settle(context.Background())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.x == nil {
		return nil
	}
	x := r.x
	r.x = nil
	return x.close()
}

// Damaged returns the segments that could not be read, and why.
func (r *Records) Damaged() map[string]error {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string]error{}
	for k, v := range r.damaged {
		out[k] = v
	}
	return out
}

// Refresh takes what other processes have appended into the index.
func (r *Records) Refresh(ctx context.Context) error {
	if err := r.settle(ctx); err != nil {
		return err
	}
	return r.with(ctx, func(x *index) error { return r.refresh(ctx, x, nil) })
}

// indexing is a batch on its way into the index.
type indexing struct {
	segments []string
	done     chan struct{}
}

func (i *indexing) over() bool {
	select {
	case <-i.done:
		return true
	default:
		return false
	}
}

// settle waits until what was appended is in the index.
func (r *Records) settle(ctx context.Context) error {
	r.mu.Lock()
	behind := r.behind
	r.mu.Unlock()
	if behind == nil {
		return nil
	}
	select {
	case <-behind.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// with does fn with an index that is sound; if it turns out that it was not, once more with a new one.
func (r *Records) with(ctx context.Context, fn func(x *index) error) error {
	for try := 0; ; try++ {
		x, err := r.index(ctx)
		if err != nil {
			return err
		}
		err = damage(fn(x))
		if err == nil || !errors.Is(err, errIndex) || try == 2 || ctx.Err() != nil {
			return err
		}
		r.discard(x)
	}
}

// index returns the index, opened and up to date with what this process has appended.
func (r *Records) index(ctx context.Context) (*index, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, fmt.Errorf("records: %w", fs.ErrClosed)
	}
	if r.x == nil {
		x, err := r.open(ctx)
		if err != nil {
			return nil, err
		}
		r.x = x
		r.wanted++
	}
	return r.x, nil
}

// ready is with, after what is new was taken in.
func (r *Records) ready(ctx context.Context, fn func(x *index) error) error {
	if err := r.settle(ctx); err != nil {
		return err
	}
	return r.with(ctx, func(x *index) error {
		r.mu.Lock()
		stale := r.had < r.wanted
		r.mu.Unlock()
		if stale {
			if err := r.refresh(ctx, x, nil); err != nil {
				return err
			}
		}
		return fn(x)
	})
}

func (r *Records) warn(name string, err error) {
	if r.opt.Warn != nil && err != nil {
		r.opt.Warn(name, err)
	}
}

const folder = "records"

// open opens the index that is there, or makes one.
func (r *Records) open(ctx context.Context) (*index, error) {
	id := r.db.Vault()
	vault := hex.EncodeToString(id[:])
	x, err := r.openFile(ctx, vault)
	if err != nil && ctx.Err() == nil {
		r.warn("records", fmt.Errorf("the index is made in memory, each time: %w", err))
		x = nil
	}
	if x == nil {
		x, err = openIndex(ctx, "", vault)
	}
	if err != nil {
		return nil, fmt.Errorf("records: %w", err)
	}
	for try := 0; ; try++ {
		if err = x.declare(ctx, r.schemas); err == nil {
			return x, nil
		}
		if err = unusable(err); !errors.Is(err, errIndex) || try == 2 {
			return nil, errors.Join(fmt.Errorf("records: %w", err), x.close())
		}
		r.remove(x)
		if x, err = r.openFile(ctx, vault); err != nil || x == nil {
			return nil, errors.Join(fmt.Errorf("records: index: %w", err))
		}
	}
}

// openFile opens the first index file that is sound, or a new one. Names are used once: what SQLite keeps beside a file
// that another process has just deleted must never meet another file. It is nil where there is no place for a file.
func (r *Records) openFile(ctx context.Context, vault string) (*index, error) {
	if r.opt.Dir == nil {
		return nil, nil
	}
	if _, ok := r.opt.Dir.(disk.Located); !ok {
		return nil, nil
	}
	d, err := disk.MkdirAll(r.opt.Dir, folder+"/"+vault, 0o700)
	if err != nil {
		return nil, err
	}
	defer d.Close()
	place, err := d.(disk.Located).Location()
	if err != nil {
		return nil, err
	}
	all, err := d.List(nil)
	if err != nil {
		return nil, err
	}
	prefix := fmt.Sprintf("v%d-", format)
	var found *index
	for _, e := range all {
		name, ok := strings.CutSuffix(e.Name, ".db")
		if !ok || e.Type != disk.Regular {
			continue
		}
		if found == nil && strings.HasPrefix(name, prefix) {
			if found, err = openIndex(ctx, filepath.Join(place, e.Name), vault); err == nil {
				continue
			}
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			found = nil
		}
		removeIndex(d, e.Name)
	}
	if found != nil {
		return found, nil
	}
	var id [16]byte
	if _, err := io.ReadFull(r.db.Rand(), id[:]); err != nil {
		return nil, err
	}
	name := prefix + hex.EncodeToString(id[:]) + ".db"
	f, err := d.Create(name, 0o600) // SQLite would let others read it
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	return openIndex(ctx, filepath.Join(place, name), vault)
}

// removeIndex removes an index file and what SQLite keeps beside it. What cannot be removed is passed over next time.
func removeIndex(d disk.Dir, name string) {
	for _, end := range []string{"", "-wal", "-shm", "-journal"} {
		_ = d.Remove(name + end)
	}
}

// remove closes an index and deletes its file.
func (r *Records) remove(x *index) {
	r.warn("records", errors.Join(x.close()))
	if x.file == "" {
		return
	}
	d, err := disk.Open(filepath.Dir(x.file))
	if err != nil {
		return
	}
	defer d.Close()
	removeIndex(d, filepath.Base(x.file))
}

// discard deletes an index that is damaged, unless another goroutine has.
func (r *Records) discard(x *index) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.x == x {
		r.x = nil
		r.remove(x)
	}
}

// refresh takes the segments that are new into the index, but for those that are on their way.
func (r *Records) refresh(ctx context.Context, x *index, behind *indexing) error {
	r.mu.Lock()
	wanted := r.wanted
	r.mu.Unlock()
	before, err := x.indexed(ctx) // first: what is in it now must be listed after
	if err != nil {
		return err
	}
	all, err := r.segs.List(ctx)
	if err != nil {
		return err
	}
	there := 0
	var fresh []ledger.Segment
	for _, s := range all {
		switch {
		case before[s.ID]:
			there++
		case behind != nil && slices.Contains(behind.segments, s.ID):
		default:
			fresh = append(fresh, s)
		}
	}
	if there < len(before) {
		return fmt.Errorf("it has segments that the vault has not: %w", errIndex)
	}
	damaged, err := r.take(ctx, x, fresh)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, err := range damaged {
		if r.damaged[id] == nil {
			r.warn(ledger.Bulk+id, err)
		}
	}
	r.damaged = damaged
	if behind == nil {
		r.had = max(r.had, wanted)
	}
	return nil
}

// taken bounds the records that one transaction takes in.
const taken = 200_000

// gathered is a batch of segments that were read, or why there is none.
type gathered struct {
	batch   *batch
	damaged map[string]error // segments
	err     error
}

// take reads segments and puts them into the index; the next are read and merged meanwhile.
func (r *Records) take(ctx context.Context, x *index, fresh []ledger.Segment) (map[string]error, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	all := make(chan gathered, 1)
	go func() {
		defer close(all)
		for len(fresh) > 0 {
			var g gathered
			g, fresh = r.gather(ctx, fresh)
			select {
			case all <- g:
			case <-ctx.Done():
				return
			}
		}
	}()
	damaged := map[string]error{}
	for g := range all {
		if g.err != nil {
			return nil, g.err
		}
		for id, err := range g.damaged {
			damaged[id] = err
		}
		if len(g.batch.segments) > 0 {
			if err := x.add(ctx, g.batch); err != nil {
				return nil, err
			}
		}
	}
	return damaged, ctx.Err()
}

// gather reads segments of as many records as one transaction takes in, and returns those that are left.
func (r *Records) gather(ctx context.Context, fresh []ledger.Segment) (gathered, []ledger.Segment) {
	g := gathered{batch: &batch{}, damaged: map[string]error{}}
	for n := 0; len(fresh) > 0 && n+ledger.MaxBulk <= taken; fresh = fresh[1:] {
		records, err := r.segs.Read(ctx, fresh[0])
		switch {
		case errors.Is(err, object.ErrDamaged):
			g.damaged[fresh[0].ID] = err
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			g.err = err
			return g, nil
		default:
			n += len(records)
			g.batch.gather(fresh[0].ID, records)
		}
	}
	return g, fresh
}

// Append stamps the facts, in order, and writes them, 100,000 to a segment. They have survived power loss when it
// returns nil, and questions find them: they go into the index while the caller gets more, and who asks waits for that.
// After an error some may be there.
func (r *Records) Append(ctx context.Context, facts ...Fact) error {
	r.appending.Lock()
	defer r.appending.Unlock()
	r.mu.Lock()
	behind := r.behind
	r.mu.Unlock()
	if behind != nil && behind.over() {
		behind = nil
	}
	// To be stamped later than all that is there. What is on its way is of this process: it knows those stamps.
	if err := r.with(ctx, func(x *index) error { return r.refresh(ctx, x, behind) }); err != nil {
		return err
	}
	for part := range slices.Chunk(facts, ledger.MaxBulk) {
		if err := r.append(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

func (r *Records) append(ctx context.Context, facts []Fact) error {
	records := make([]ledger.Record, len(facts))
	for i := range facts {
		var err error
		if records[i], err = facts[i].record(); err != nil {
			return err
		}
	}
	if err := r.stamp(ctx, records); err != nil {
		return err
	}
	written, err := r.segs.Write(ctx, records)
	if err == nil {
		err = r.db.Store().Barrier(ctx)
	}
	if err != nil {
		r.outdated() // some may be there
		return err
	}
	if err := r.settle(ctx); err != nil { // one at a time
		r.outdated()
		return nil
	}
	behind := &indexing{done: make(chan struct{})}
	for _, w := range written {
		behind.segments = append(behind.segments, w.ID)
	}
	r.mu.Lock()
	r.behind = behind
	r.mu.Unlock()
	go func() {
		defer close(behind.done)
		b := &batch{}
		for _, w := range written {
			b.gather(w.ID, records[:w.Records])
			records = records[w.Records:]
		}
		ctx := context.WithoutCancel(ctx)
		if err := r.with(ctx, func(x *index) error { return x.add(ctx, b) }); err != nil {
			r.outdated() // they are kept; whoever asks next has the index made good, or is told why not
		}
	}()
	return nil
}

// outdated notes that the index is to be compared with what is there.
func (r *Records) outdated() {
	r.mu.Lock()
	r.wanted++
	r.mu.Unlock()
}

// stamp gives the records stamps later than all that were seen.
func (r *Records) stamp(ctx context.Context, records []ledger.Record) error {
	var seen ledger.Stamp
	err := r.with(ctx, func(x *index) (err error) { seen, err = x.latest(ctx); return err })
	if err != nil {
		return err
	}
	if seen.Compare(ledger.Stamp{Milli: r.last.Milli, Counter: r.last.Counter}) > 0 {
		r.last = seen
	}
	for i := range records {
		s := ledger.Stamp{Milli: r.db.Now().UnixMilli(), Writer: r.writer}
		if s.Milli <= r.last.Milli {
			s.Milli, s.Counter = r.last.Milli, r.last.Counter+1
		}
		r.last = s
		records[i].At = s
	}
	return nil
}

func (f *Fact) record() (ledger.Record, error) {
	r := ledger.Record{Type: f.Kind, ID: f.ID, Gone: f.Gone, Add: f.Add, Drop: f.Drop}
	if len(f.Set) > 0 || f.Project != "" {
		r.Set = make(map[string]json.RawMessage, len(f.Set)+1)
	}
	for name, v := range f.Set {
		if reserved(name) {
			return r, fmt.Errorf("record %s %s: field %q is of every record and cannot be set: %w", f.Kind, f.ID, name, fs.ErrInvalid)
		}
		raw, err := encodeValue(v)
		if err != nil {
			return r, fmt.Errorf("record %s %s: field %q: %w", f.Kind, f.ID, name, err)
		}
		r.Set[name] = raw
	}
	if f.Project != "" {
		r.Set[nameProject] = appendQuoted(nil, f.Project)
	}
	return r, nil
}

func encodeValue(v any) (json.RawMessage, error) {
	switch v := v.(type) {
	case string:
		return appendQuoted(nil, v), nil
	case bool:
		if v {
			return json.RawMessage("true"), nil
		}
		return json.RawMessage("false"), nil
	case time.Time:
		return json.Marshal(v.Round(0))
	}
	return json.Marshal(v)
}
