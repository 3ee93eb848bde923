// Package object is the object database of a vault: put once, get verified, commit all or nothing, know
// what is missing.
//
// # Promises
//
//   - What [DB.Get] returns has the digest that was asked for, or there is an error.
//   - A chunk is shared only with a pack that is indexed, listed with its right size, and neither condemned nor in
//     quarantine.
//   - Damage that a pack's parity makes good, or of which there is a copy, costs a reader time and nothing else.
//   - [Session.Commit] returns nil only when packs, index and the snapshot's manifest have survived power
//     loss, in this order; a session that ends otherwise leaves nothing a reader could see.
//   - An index that is lost or damaged is made again from the packs' directories and never stops a vault
//     from opening.
//   - Writers and readers take no lock and trust no clock.
//
// # Names in a store
//
//	config               what the vault is; in the clear, with a keyed sum (vault.go)
//	keys/<rand>          a key slot: the master key, wrapped
//	packs/xx/<rand>      sealed packs; xx are the first two digits of their id
//	index/<rand>         sealed index segments; each names the segments it replaces
//	sess/<sid>/<k>       a running writer session; each heartbeat is a new object
//	snap/<sid>           the commit slot of a session: its manifest, or the note that it was aborted
//	catalog/<k>-<rand>   which snapshots there are; package catalog writes and reads it
//	gc/<n>/condemn       packs that generation n proposes to delete
//	gc/<n>/verdict       those that it will delete
//	gc/<n>/done          that it has
//	quarantine/<rand>    that the pack of this name is damaged or gone: not shared with, read last
//
// Every object is written once under a name that is never used again. Names are 32 lower-case hex digits
// of 16 random bytes; generations are decimal numbers of 10 digits.
package object

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"varve/internal/digest"
	"varve/internal/index"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/store"
)

// Errors of this package, to be told apart with errors.Is.
var (
	ErrMissing = errors.New("object is missing from the vault")
	ErrDamaged = pack.ErrDamaged
	ErrFenced  = errors.New("session was aborted by a collection")
)

// SID names a session and the snapshot it commits.
type SID [16]byte

func (s SID) String() string { return hex.EncodeToString(s[:]) }

// ParseSID reads what String wrote.
func ParseSID(s string) (SID, error) {
	var id SID
	if len(s) != 2*len(id) {
		return id, fmt.Errorf("id %q: want %d hex digits", s, 2*len(id))
	}
	_, err := hex.Decode(id[:], []byte(s))
	return id, err
}

func packName(id pack.ID) string { s := id.String(); return "packs/" + s[:2] + "/" + s }

// A Warning is something odd that did not stop the work: a damaged index segment, a short pack.
type Warning struct {
	Name string // of the object in the store
	Err  error
}

// Options are what a DB needs from outside.
type Options struct {
	Rand io.Reader // of names and salts; must be safe for concurrent use
	// Parity is the number of columns of parity that the data packs of a vault get which is made; 0 for none.
	Parity int
	Now    func() time.Time // for heartbeats and display, never for safety
	Warn   func(Warning)    // may be nil
	// Alive reports whether a process of this machine runs; nil: it may.
	Alive func(pid int) bool

	// Passphrase wraps the key of a vault that Create makes; nil: the key lies beside the data. KDF is what
	// that costs.
	Passphrase []byte
	KDF        seal.Params
	// Recall returns the Token of a vault, or nil, before anybody is asked for a passphrase. It may be nil.
	Recall func(vault [16]byte) []byte
}

// DB is the object database of one vault. It is safe for concurrent use.
type DB struct {
	store  store.Store
	vault  [16]byte
	keys   *seal.Keys
	opt    Options
	config Config
	master seal.Master
	opened atomic.Pointer[Key] // the slot that the vault was opened by

	load    sync.Mutex // one refresh at a time
	ready   atomic.Bool
	set     atomic.Pointer[index.Set]
	known   map[string]bool   // index segments that were read, or found damaged
	read    []named           // those of them that could be read
	broken  map[string]error  // the others, until they were warned of or are replaced
	spare   map[pack.ID]bool  // packs that a collection under way means to delete
	barred  map[pack.ID]bool  // packs in quarantine
	adopted map[pack.ID]int64 // packs that no segment in the store knows, and their sizes

	packs   packCache
	distant bool
	ranges  ranges                            // where the store is distant
	usable  atomic.Pointer[map[pack.ID]bool]  // sound packs that are not condemned
	sound   atomic.Pointer[map[pack.ID]int64] // packs listed with their right size and not in quarantine; that size
	sizes   atomic.Pointer[map[pack.ID]int64] // of the packs listed last
	told    sync.Map                          // names that were warned of
}

func newDB(s store.Store, vault [16]byte, keys *seal.Keys, opt Options) *DB {
	db := &DB{store: s, vault: vault, keys: keys, opt: opt, known: map[string]bool{}, broken: map[string]error{}, adopted: map[pack.ID]int64{}}
	db.set.Store(index.NewSet())
	db.usable.Store(&map[pack.ID]bool{})
	db.sound.Store(&map[pack.ID]int64{})
	db.opened.Store(&Key{})
	db.packs.init(db)
	db.distant = store.Distant(s)
	db.ranges.init(s)
	return db
}

// Store returns the store of the vault.
func (db *DB) Store() store.Store { return db.store }

// Vault returns the id of the vault.
func (db *DB) Vault() [16]byte { return db.vault }

// Keys returns the keys of the vault.
func (db *DB) Keys() *seal.Keys { return db.keys }

// Now is the injected clock.
func (db *DB) Now() time.Time { return db.opt.Now() }

// Rand is the injected source of random bytes.
func (db *DB) Rand() io.Reader { return db.opt.Rand }

func (db *DB) warn(name string, err error) {
	if db.opt.Warn != nil {
		db.opt.Warn(Warning{name, err})
	}
}

// NewID returns a fresh random name.
func (db *DB) NewID() (id [16]byte, err error) {
	_, err = io.ReadFull(db.opt.Rand, id[:])
	return id, err
}

// Refresh reads what the index has gained since the last time. The first lookup calls it.
func (db *DB) Refresh(ctx context.Context) error {
	db.load.Lock()
	defer db.load.Unlock()
	return db.refresh(ctx)
}

func (db *DB) ensure(ctx context.Context) error {
	if db.ready.Load() {
		return nil
	}
	return db.Refresh(ctx)
}

// refresh brings the set of segments up to date and indexes packs that no segment knows.
func (db *DB) refresh(ctx context.Context) error {
	var listed map[pack.ID]int64
	err := store.Together(db.store, func() error { return db.readIndex(ctx) }, func() (err error) {
		db.barred, err = db.Quarantined(ctx)
		return err
	}, func() (err error) {
		listed, err = db.listPacks(ctx)
		return err
	})
	if err != nil {
		return err
	}
	db.sizes.Store(&listed)
	segs, sound := db.reconcile(ctx, db.standing(), listed)
	db.set.Store(index.NewSet(segs...))
	db.sound.Store(&sound)
	db.use()
	db.ready.Store(true)
	return nil
}

// use says which packs may be shared with.
func (db *DB) use() {
	sound := *db.sound.Load()
	usable := make(map[pack.ID]bool, len(sound))
	for id := range sound {
		usable[id] = !db.spare[id]
	}
	db.usable.Store(&usable)
}

// sparing ends the sharing with packs that a collection means to delete.
func (db *DB) sparing(condemned map[pack.ID]bool) {
	db.load.Lock()
	defer db.load.Unlock()
	db.spare = condemned
	db.use()
}

// named is an index segment and its name in the store.
type named struct {
	name string
	*index.Segment
}

// standing returns the segments that no other stands for, and warns of those that could not be read.
func (db *DB) standing() []*index.Segment {
	replaced := map[string]bool{}
	for _, s := range db.read {
		for _, id := range s.Replaces() {
			replaced["index/"+hex.EncodeToString(id[:])] = true
		}
	}
	var out []*index.Segment
	for _, s := range db.read {
		if !replaced[s.name] {
			out = append(out, s.Segment)
		}
	}
	for name, err := range db.broken {
		if !replaced[name] {
			db.warn(name, err)
		}
	}
	clear(db.broken)
	return out
}

// readIndex reads the segments that are new.
func (db *DB) readIndex(ctx context.Context) error {
	unknown := func(o store.Object) bool { return !db.known[o.Name] }
	for f, err := range store.Fetch(ctx, db.store, "index/", unknown) {
		if err != nil {
			return fmt.Errorf("list index: %w", err)
		}
		if errors.Is(f.Err, fs.ErrNotExist) { // replaced meanwhile
			continue
		}
		if f.Err != nil {
			return fmt.Errorf("read %s: %w", f.Name, f.Err)
		}
		db.known[f.Name] = true
		s, err := db.segment(f.Name, f.Content)
		if err != nil {
			db.broken[f.Name] = err
			continue
		}
		db.read = append(db.read, named{f.Name, s})
	}
	return nil
}

// learn takes over a segment that was just put, so that it need not be read back.
func (db *DB) learn(name string, plain []byte) error {
	s, err := index.Open(plain)
	if err != nil {
		return err
	}
	db.load.Lock()
	defer db.load.Unlock()
	db.known[name] = true
	db.read = append(db.read, named{name, s})
	return nil
}

const maxSegment = 4 << 30

func (db *DB) segment(name string, sealed []byte) (*index.Segment, error) {
	id := []byte(strings.TrimPrefix(name, "index/"))
	b, err := db.keys.Open(nil, seal.Index, id, sealed, maxSegment)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	s, err := index.Open(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return s, nil
}

// listPacks returns the sizes of the packs that are there.
func (db *DB) listPacks(ctx context.Context) (map[pack.ID]int64, error) {
	listed := map[pack.ID]int64{}
	for o, err := range db.store.List(ctx, "packs/") {
		if err != nil {
			return nil, fmt.Errorf("list packs: %w", err)
		}
		if id, ok := parsePackName(o.Name); ok {
			listed[id] = o.Size
		}
	}
	return listed, nil
}

func parsePackName(name string) (pack.ID, bool) {
	hexed := name[strings.LastIndexByte(name, '/')+1:]
	if len(hexed) < 2 || name != "packs/"+hexed[:2]+"/"+hexed {
		return pack.ID{}, false
	}
	return parseID(hexed)
}

func parseID(hexed string) (id pack.ID, ok bool) {
	if len(hexed) != 2*len(id) {
		return id, false
	}
	_, err := hex.Decode(id[:], []byte(hexed))
	return id, err == nil
}

// reconcile compares what the segments claim with the packs that are listed. A pack that no segment knows
// is read by its directory; a pack that is gone or has the wrong size is not sound: it may be read from but not
// shared with.
func (db *DB) reconcile(ctx context.Context, segs []*index.Segment, listed map[pack.ID]int64) ([]*index.Segment, map[pack.ID]int64) {
	indexed, sound := map[pack.ID]bool{}, make(map[pack.ID]int64, len(listed))
	for _, s := range segs {
		for _, p := range s.Packs() {
			id := pack.ID(p.ID)
			indexed[id] = true
			size, there := listed[id]
			if there && size == p.Size && !db.barred[id] {
				sound[id] = size
			}
			if there && size != p.Size && !db.barred[id] {
				db.warn(packName(id), fmt.Errorf("%w: %d bytes instead of %d", ErrDamaged, size, p.Size))
			}
		}
	}
	w := new(index.Writer)
	clear(db.adopted)
	for id, size := range listed {
		if indexed[id] {
			continue
		}
		r, err := db.packs.get(ctx, id, size)
		if err != nil {
			if !db.barred[id] {
				db.warn(packName(id), err)
			}
			continue
		}
		addRows(w, id, size, r.Header.Kind, r.Blocks)
		if !db.barred[id] {
			db.adopted[id] = size
			sound[id] = size
		}
	}
	if w.Len() > 0 {
		if s, err := index.Open(w.Encode()); err == nil {
			segs = append(segs, s)
		} else {
			db.warn("index", err)
		}
	}
	return segs, sound
}

// addRows adds the rows of a pack to a segment being made.
func addRows(w *index.Writer, id pack.ID, size int64, kind pack.Kind, blocks []pack.Block) {
	n := w.AddPack(index.PackInfo{ID: index.PackID(id), Size: size})
	for b := range blocks {
		for i := range blocks[b].Entries {
			var f index.Flags
			if len(blocks[b].Entries[i].Bases) > 0 {
				f |= index.Delta
			}
			if kind == pack.Meta {
				f |= index.Meta
			}
			w.Add(blocks[b].Entries[i].Digest, n, uint32(b), uint16(i), f)
		}
	}
}

// Has reports whether the vault holds d in a pack that may be shared with, and whether as a window delta.
func (db *DB) Has(ctx context.Context, d digest.Digest) (have, delta bool, err error) {
	if err := db.ensure(ctx); err != nil {
		return false, false, err
	}
	var buf [8]index.Place
	usable := *db.usable.Load()
	for _, p := range db.set.Load().Lookup(d, buf[:0]) {
		if !usable[pack.ID(p.Pack)] {
			continue
		}
		have = true
		if p.Flags&index.Delta == 0 {
			return true, false, nil
		}
		delta = true
	}
	return have, delta, nil
}

// Packs returns the packs that may be shared with.
func (db *DB) Packs() [][16]byte {
	var out [][16]byte
	for id, ok := range *db.usable.Load() {
		if ok {
			out = append(out, id)
		}
	}
	return out
}

// Usable returns a function that reports whether a pack may be shared with, as of the last refresh.
func (db *DB) Usable(ctx context.Context) (func(id [16]byte) bool, error) {
	if err := db.ensure(ctx); err != nil {
		return nil, err
	}
	usable := *db.usable.Load()
	return func(id [16]byte) bool { return usable[id] }, nil
}

// Whole reports whether everything that the index knows is in a pack that may be shared with, or was deleted by a
// collection. While it is, whatever an uncollected snapshot refers to can be taken over unread.
func (db *DB) Whole() bool {
	usable, sound := *db.usable.Load(), *db.sound.Load()
	lost := map[pack.ID]bool{}
	db.load.Lock()
	defer db.load.Unlock()
	for _, s := range db.set.Load().Segments() {
		for _, p := range s.Packs() {
			id := pack.ID(p.ID)
			_, there := sound[id]
			if !usable[id] && (there || !db.spare[id]) {
				lost[id] = true
			}
		}
	}
	return len(lost) == 0 || db.elsewhere(lost, usable)
}
