package object

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"varve/internal/pack"
	"varve/internal/seal"
	"varve/store"
)

// Doomed is what a condemn list proposes to delete, and a verdict orders to: packs, and commit slots of snapshots
// that were forgotten.
type Doomed struct {
	Packs     []pack.ID
	Snapshots []SID
}

// Empty reports whether nothing is.
func (d *Doomed) Empty() bool { return len(d.Packs) == 0 && len(d.Snapshots) == 0 }

// encode returns the plain bytes of a list: u32 number of packs ‖ their ids ‖ the ids of the snapshots.
func (d *Doomed) encode() []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(d.Packs)))
	for _, id := range d.Packs {
		b = append(b, id[:]...)
	}
	for _, id := range d.Snapshots {
		b = append(b, id[:]...)
	}
	return b
}

func parseDoomed(b []byte) (d Doomed, err error) {
	const size = len(pack.ID{})
	if len(b) < 4 || (len(b)-4)%size != 0 {
		return d, ErrDamaged
	}
	n := int64(binary.LittleEndian.Uint32(b))
	if b = b[4:]; n > int64(len(b)/size) {
		return d, ErrDamaged
	}
	for i := int64(0); len(b) > 0; i++ {
		if i < n {
			d.Packs = append(d.Packs, pack.ID(b[:size]))
		} else {
			d.Snapshots = append(d.Snapshots, SID(b[:size]))
		}
		b = b[size:]
	}
	return d, nil
}

// ParseDoomed reads what the sealed bytes of a condemn list or a verdict hold, which is named name.
func (db *DB) ParseDoomed(name string, sealed []byte) (Doomed, error) {
	kind := seal.Condemn
	if strings.HasSuffix(name, "/verdict") {
		kind = seal.Verdict
	}
	b, err := db.keys.Open(nil, kind, []byte(name), sealed, maxSegment)
	if err != nil {
		return Doomed{}, fmt.Errorf("%s: %w", name, errors.Join(ErrDamaged, err))
	}
	d, err := parseDoomed(b)
	if err != nil {
		return d, fmt.Errorf("%s: %w", name, err)
	}
	return d, nil
}

// A Generation is one collection: proposed, decided, done.
type Generation struct {
	Number    int
	Condemned Doomed  // empty where the list is gone already
	Verdict   *Doomed // nil until there is one
	Done      bool
	Arrived   time.Time // of the condemn list at the store; zero where that does not say
}

// counts returns what of the generation nothing may be shared with.
func (g *Generation) counts() *Doomed {
	if g.Verdict != nil {
		return g.Verdict
	}
	return &g.Condemned
}

const maxGeneration = 9_999_999_999 // names have 10 digits

func generationName(n int, word string) string { return fmt.Sprintf("gc/%010d/%s", n, word) }

// Generations returns the collections that the store knows, in order. One whose lists are not whole is an error:
// what it condemned is not known.
func (db *DB) Generations(ctx context.Context) ([]Generation, error) {
	all, err := db.listGenerations(ctx)
	if err != nil {
		return nil, err
	}
	unlisted, err := db.unlisted(ctx, all)
	all = append(all, unlisted...)
	slices.SortFunc(all, func(a, b Generation) int { return cmp.Compare(a.Number, b.Number) })
	return all, err
}

func (db *DB) listGenerations(ctx context.Context) ([]Generation, error) {
	for {
		all, again, err := db.generations(ctx)
		if !again || err != nil {
			return all, err
		}
	}
}

// unlisted returns the collections that a listing should have shown and did not. Their numbers follow each other
// without a gap, so that a listing which is late or lacks something is found out.
func (db *DB) unlisted(ctx context.Context, listed []Generation) (out []Generation, err error) {
	there := map[int]bool{}
	for i := range listed {
		there[listed[i].Number] = true
	}
	first, last := 1, 0
	if n := len(listed); n > 0 {
		first, last = listed[0].Number, listed[n-1].Number
	}
	look := func(n int) (bool, error) {
		if there[n] || n < 1 {
			return there[n], nil
		}
		g := Generation{Number: n}
		name := generationName(n, "condemn")
		sealed, err := db.store.Get(ctx, name, 0, -1, nil)
		if err == nil {
			g.Condemned, err = db.ParseDoomed(name, sealed)
		}
		if err == nil {
			out = append(out, g)
		}
		return err == nil, err
	}
	step := func(n, by int) error {
		for {
			found, err := look(n)
			if errors.Is(err, fs.ErrNotExist) || err == nil && !found {
				return nil
			}
			if err != nil {
				return fmt.Errorf("collection %d: %w", n, err)
			}
			n += by
		}
	}
	for n := first; n < last && err == nil; n++ {
		if _, err = look(n); errors.Is(err, fs.ErrNotExist) {
			err = nil // it is over: those that are not are older than none that is gone
		}
	}
	if err == nil {
		err = step(first-1, -1)
	}
	if err == nil {
		err = step(last+1, 1)
	}
	return out, err
}

// generations reads the lists. again says that one was removed meanwhile: then another may tell what it told.
func (db *DB) generations(ctx context.Context) (all []Generation, again bool, err error) {
	for o, err := range db.store.List(ctx, "gc/") {
		if err != nil {
			return nil, false, fmt.Errorf("list collections: %w", err)
		}
		number, word, ok := cutGeneration(o.Name)
		n, nerr := strconv.Atoi(number)
		if !ok || nerr != nil {
			continue
		}
		if k := len(all); k == 0 || all[k-1].Number != n {
			all = append(all, Generation{Number: n})
		}
		g := &all[len(all)-1]
		switch word {
		case "done":
			g.Done = true
			continue
		case "condemn":
			g.Arrived = o.Modified
		case "verdict":
		default:
			continue
		}
		sealed, err := db.store.Get(ctx, o.Name, 0, -1, nil)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, true, ctx.Err()
		}
		if err != nil {
			return nil, false, fmt.Errorf("read %s: %w", o.Name, err)
		}
		d, err := db.ParseDoomed(o.Name, sealed)
		if err != nil {
			return nil, false, err
		}
		if word == "verdict" {
			g.Verdict = &d
		} else {
			g.Condemned = d
		}
	}
	return all, false, nil
}

func cutGeneration(name string) (gen, word string, ok bool) {
	const prefix = "gc/"
	if len(name) <= len(prefix)+11 || name[len(prefix)+10] != '/' {
		return "", "", false
	}
	return name[len(prefix) : len(prefix)+10], name[len(prefix)+11:], true
}

// Condemned returns the packs and snapshots that collections mean to delete, or have deleted.
func (db *DB) Condemned(ctx context.Context) (map[pack.ID]bool, map[SID]bool, error) {
	all, err := db.Generations(ctx)
	packs, snapshots := condemnedBy(all)
	return packs, snapshots, err
}

func condemnedBy(all []Generation) (map[pack.ID]bool, map[SID]bool) {
	packs, snapshots := map[pack.ID]bool{}, map[SID]bool{}
	for i := range all {
		d := all[i].counts()
		for _, id := range d.Packs {
			packs[id] = true
		}
		for _, id := range d.Snapshots {
			snapshots[id] = true
		}
	}
	return packs, snapshots
}

// Condemn publishes the condemn list of a new generation and returns its number. It has survived power loss then.
func (db *DB) Condemn(ctx context.Context, d Doomed) (int, error) {
	all, err := db.Generations(ctx)
	if err != nil {
		return 0, err
	}
	n := 1
	if k := len(all); k > 0 {
		n = all[k-1].Number + 1
	}
	for ; ; n++ {
		if n > maxGeneration { // a list that nobody finds is obeyed by nobody
			return 0, fmt.Errorf("condemn: collection %d has no name: %w", n, ErrDamaged)
		}
		sealed, err := db.sealList(seal.Condemn, generationName(n, "condemn"), d)
		if err != nil {
			return 0, err
		}
		err = db.store.Put(ctx, generationName(n, "condemn"), sealed)
		if errors.Is(err, fs.ErrExist) {
			continue // another collector was quicker, or this one's reply was lost: a list that nobody follows harms nobody
		}
		if err != nil {
			return 0, fmt.Errorf("condemn: %w", err)
		}
		return n, db.store.Barrier(ctx)
	}
}

func (db *DB) sealList(kind seal.Kind, name string, d Doomed) ([]byte, error) {
	return db.keys.Seal(nil, kind, []byte(name), d.encode(), db.opt.Rand)
}

// Decide publishes the verdict of generation n, and returns the one that counts: the first. It has survived power
// loss then.
func (db *DB) Decide(ctx context.Context, n int, d Doomed) (Doomed, error) {
	name := generationName(n, "verdict")
	sealed, err := db.sealList(seal.Verdict, name, d)
	if err != nil {
		return d, err
	}
	err = db.store.Put(ctx, name, sealed)
	if errors.Is(err, fs.ErrExist) {
		if sealed, err = db.store.Get(ctx, name, 0, -1, nil); err == nil {
			d, err = db.ParseDoomed(name, sealed)
		}
	}
	if err != nil {
		return d, fmt.Errorf("verdict: %w", err)
	}
	return d, db.store.Barrier(ctx)
}

// Close publishes that everything of generation n's verdict is deleted.
func (db *DB) Close(ctx context.Context, n int) error {
	name := generationName(n, "done")
	sealed, err := db.keys.Seal(nil, seal.Done, []byte(name), nil, db.opt.Rand)
	if err != nil {
		return err
	}
	if err := db.store.Put(ctx, name, sealed); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("close collection %d: %w", n, err)
	}
	return db.store.Barrier(ctx)
}

// Running is a session that is registered: under way, or dead without having left.
type Running struct {
	ID   SID
	Who  Who // zero where the registration cannot be read
	Beat int // the number of its last heartbeat
}

// Sessions returns the sessions that are registered.
func (db *DB) Sessions(ctx context.Context) ([]Running, error) {
	var all []Running
	first := map[SID]string{}
	for o, err := range db.store.List(ctx, "sess/") {
		if err != nil {
			return nil, fmt.Errorf("list sessions: %w", err)
		}
		id, beat, ok := cutBeat(o.Name)
		if !ok {
			continue
		}
		if k := len(all); k == 0 || all[k-1].ID != id {
			all = append(all, Running{ID: id, Beat: beat})
			first[id] = o.Name
		}
		r := &all[len(all)-1]
		r.Beat = max(r.Beat, beat)
	}
	for i := range all {
		name := first[all[i].ID]
		if sealed, err := db.store.Get(ctx, name, 0, -1, nil); err == nil {
			if b, err := db.keys.Open(nil, seal.Session, []byte(name), sealed, maxConfig); err == nil {
				_ = json.Unmarshal(b, &all[i].Who) // who it is serves to guess whether it lives, no more
			}
		}
	}
	return all, ctx.Err()
}

func cutBeat(name string) (id SID, beat int, ok bool) {
	hexed, number, ok := strings.Cut(strings.TrimPrefix(name, "sess/"), "/")
	id, err := ParseSID(hexed)
	beat, nerr := strconv.Atoi(number)
	return id, beat, ok && err == nil && nerr == nil
}

// Ended reports whether the slot of a session is filled, or the session has left. No listing is asked: one that is
// late would take a session that has just begun for one that has left.
func (db *DB) Ended(ctx context.Context, id SID) (bool, error) {
	for _, name := range []string{SlotName(id), beatName(id, 0)} {
		_, err := db.store.Get(ctx, name, 0, -1, nil)
		if err == nil {
			return name == SlotName(id), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return true, nil
}

// Filled reports whether a commit slot is, with whatever.
func (db *DB) Filled(ctx context.Context, id SID) (bool, error) {
	_, err := db.store.Get(ctx, SlotName(id), 0, -1, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Manifest returns the manifest in a commit slot: fs.ErrNotExist if there is none, ErrFenced if the slot says that
// there will be none.
func (db *DB) Manifest(ctx context.Context, id SID) ([]byte, error) {
	sealed, err := db.store.Get(ctx, SlotName(id), 0, -1, nil)
	if err != nil {
		return nil, err
	}
	return db.manifest(SlotName(id), sealed)
}

// Finished reports whether a session ended by Finish. ErrDamaged if its slot cannot be read: then it may have.
func (db *DB) Finished(ctx context.Context, id SID) (bool, error) {
	name := SlotName(id)
	sealed, err := db.store.Get(ctx, name, 0, -1, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	note, err := db.keys.Open(nil, seal.Verdict, []byte(id.String()), sealed, maxConfig)
	if err == nil {
		return string(note) == noteFinished, nil
	}
	_, err = db.manifest(name, sealed)
	return false, err
}

// Fence fills the slot of a session that is thought dead, so that it cannot commit any more. That it was filled
// already is as good.
func (db *DB) Fence(ctx context.Context, id SID, generation int) error {
	sealed, err := db.sealNote(id, strconv.Itoa(generation))
	if err != nil {
		return err
	}
	if err := db.store.Put(ctx, "snap/"+id.String(), sealed); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("fence session %s: %w", id, err)
	}
	return db.store.Barrier(ctx)
}

// Beats returns the names of a session's registration.
func (db *DB) Beats(ctx context.Context, id SID) (names []string, err error) {
	for o, err := range db.store.List(ctx, "sess/"+id.String()+"/") {
		if err != nil {
			return nil, err
		}
		names = append(names, o.Name)
	}
	if first := beatName(id, 0); len(names) == 0 { // the listing may be late
		if _, err := db.store.Get(ctx, first, 0, -1, nil); err == nil {
			names = append(names, first)
		} else if !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return names, nil
}

// Sound returns the packs that are there with the size that the index says, and that size, as of the last refresh:
// condemned ones too.
func (db *DB) Sound() map[pack.ID]int64 { return *db.sound.Load() }

// Listed returns the packs that are there, in whatever state, and their sizes, as of the last refresh.
func (db *DB) Listed() map[pack.ID]int64 { return *db.sizes.Load() }

// SetAside returns the packs in quarantine that are there, and their sizes.
func (db *DB) SetAside(ctx context.Context) (map[pack.ID]int64, error) {
	barred, err := db.Quarantined(ctx)
	if err != nil || len(barred) == 0 {
		return nil, err
	}
	listed, err := db.listPacks(ctx)
	maps.DeleteFunc(listed, func(id pack.ID, _ int64) bool { return !barred[id] })
	return listed, err
}

// QuarantineName returns the name of the note that a pack is in quarantine.
func QuarantineName(id pack.ID) string { return quarantineName(id) }

// PackName returns the name of a pack in the store.
func PackName(id pack.ID) string { return packName(id) }

// SlotName returns the name of a session's commit slot.
func SlotName(id SID) string { return "snap/" + id.String() }

// GenerationNames returns the names that a generation may have taken.
func GenerationNames(n int) []string {
	return []string{generationName(n, "condemn"), generationName(n, "verdict"), generationName(n, "done")}
}

// reserveSize is enough for the lists of some thousand packs, in bytes.
const reserveSize = 64 << 10

// PutReserve takes up a little space that only a collection gives back: on a full disk it has to write before it
// can delete. Stores that are not local have no use for one.
func (db *DB) PutReserve(ctx context.Context) error {
	if d, ok := db.store.(store.Described); !ok || !d.Describe().Local {
		return nil
	}
	id, err := db.NewID()
	if err != nil {
		return err
	}
	b := make([]byte, reserveSize)
	if _, err := io.ReadFull(db.opt.Rand, b); err != nil { // a file system may store zeros in no space
		return err
	}
	return db.store.Put(ctx, "reserve/"+hex.EncodeToString(id[:]), b)
}

// Reserves returns the names of the space that is kept back.
func (db *DB) Reserves(ctx context.Context) (names []string, err error) {
	for o, err := range db.store.List(ctx, "reserve/") {
		if err != nil {
			return nil, err
		}
		names = append(names, o.Name)
	}
	return names, nil
}
