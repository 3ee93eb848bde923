package object

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"varve/internal/digest"
	"varve/internal/index"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/store"
)

const quarantineDir = "quarantine/"

func quarantineName(id pack.ID) string { return quarantineDir + id.String() }

// Quarantine notes that a pack is damaged or gone: from now on nobody shares with it, and it is read only where there
// is nothing else. The note is durable after the next barrier. why is for people.
func (db *DB) Quarantine(ctx context.Context, id [16]byte, why string) error {
	name := quarantineName(id)
	sealed, err := db.keys.Seal(nil, seal.Quarantine, []byte(name), []byte(why), db.opt.Rand)
	if err != nil {
		return err
	}
	if err := db.store.Put(ctx, name, sealed); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("quarantine: %w", err)
	}
	return nil
}

// Quarantined returns the packs that are noted to be damaged. The note's name says all: one that cannot be opened
// counts as well.
func (db *DB) Quarantined(ctx context.Context) (map[pack.ID]bool, error) {
	out := map[pack.ID]bool{}
	for o, err := range db.store.List(ctx, quarantineDir) {
		if err != nil {
			return nil, fmt.Errorf("list quarantine: %w", err)
		}
		if id, ok := parseID(o.Name[len(quarantineDir):]); ok {
			out[id] = true
		}
	}
	return out, nil
}

// Carry stores a block of another pack as it is: stored are its stored bytes, of which the caller has seen that
// every entry is right. A block whose entries the session has stored already is left out.
func (s *Session) Carry(kind pack.Kind, b *pack.Block, stored []byte) error {
	some := len(b.Entries) == 0
	for i := range b.Entries {
		some = s.live.Claim(b.Entries[i].Digest) || some
	}
	if !some {
		return nil
	}
	return s.add(kind, b.Codec, stored, int(b.Raw), b.Entries)
}

// Reindex puts the rows of a segment into the session's index, which then stands for the segments of names, too.
func (s *Session) Reindex(rows *index.Segment, names []string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		id, ok := parseID(strings.TrimPrefix(name, "index/"))
		if !ok {
			return fmt.Errorf("index segment %q: %w", name, fs.ErrInvalid)
		}
		s.rows.Replace(index.SegmentID(id))
		s.reindexed = true
	}
	if rows == nil {
		return nil
	}
	packs := rows.Packs()
	for r := range rows.Rows() {
		var d digest.Digest // the index knows no more of it
		copy(d[:], r.Prefix[:])
		s.rows.Add(d, s.rows.AddPack(packs[r.Pack]), r.Block, r.Place, r.Flags)
	}
	return nil
}

// Mend returns a pack with what its parity makes good. It reads the whole file, past what the medium refuses.
func (db *DB) Mend(ctx context.Context, id [16]byte) (*pack.Reader, error) {
	name := packName(id)
	o, err := store.Stat(ctx, db.store, name)
	if err != nil {
		return nil, err
	}
	if o.Size > maxMended {
		return nil, fmt.Errorf("%w: %s has %d bytes", ErrDamaged, name, o.Size)
	}
	file, err := db.salvage(ctx, name, o.Size)
	if err != nil {
		return nil, err
	}
	p, err := pack.Mend(ctx, db.keys, file)
	if err == nil && p.Header.ID != id {
		err = fmt.Errorf("%w: it is pack %s", ErrDamaged, p.Header.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return p, nil
}

const (
	maxMended = pack.MaxFile + pack.MaxFile/2
	salvaged  = 1 << 20 // bytes read at once where a read of all failed
	sectors   = 4 << 10 // and where one of those failed
	refusals  = 1 << 10 // after so many there is nothing to be had
)

// salvage reads an object; where it cannot be read there are zeros.
func (db *DB) salvage(ctx context.Context, name string, size int64) ([]byte, error) {
	b, err := db.store.Get(ctx, name, 0, -1, nil)
	if err == nil || errors.Is(err, fs.ErrNotExist) || ctx.Err() != nil {
		return b, err
	}
	b = make([]byte, size)
	refused := 0
	var read func(from, to, step int64) error
	read = func(from, to, step int64) error {
		for ; from < to; from += step {
			n := min(step, to-from)
			got, err := db.store.Get(ctx, name, from, n, b[from:from:from+n])
			switch {
			case err == nil && int64(len(got)) == n:
				continue
			case ctx.Err() != nil:
				return ctx.Err()
			case step == sectors:
				clear(b[from : from+n])
				refused++
			default:
				err = read(from, from+n, sectors)
			}
			if refused > refusals {
				return fmt.Errorf("%s cannot be read: %w", name, err)
			}
		}
		return nil
	}
	return b, read(0, size, salvaged)
}

// mend puts a pack that cannot be read as it is into the cache as its parity makes it.
func (c *packCache) mend(ctx context.Context, id pack.ID) (*pack.Reader, error) {
	c.mu.Lock()
	hopeless := c.hopeless[id]
	if e, ok := c.by[id]; ok {
		hopeless = hopeless || e.Value.(*openPack).mended
	}
	c.mu.Unlock()
	if c.db.config.Parity == 0 || hopeless {
		return nil, ErrDamaged
	}
	p, err := c.db.Mend(ctx, id)
	if err != nil {
		if ctx.Err() == nil && !errors.Is(err, fs.ErrNotExist) {
			c.mu.Lock()
			c.hopeless[id] = true
			c.mu.Unlock()
		}
		return nil, err
	}
	c.db.warnOnce(packName(id), fmt.Errorf("%w, and read with the help of its parity: varve repair puts it right", ErrDamaged))
	c.mu.Lock()
	if e, ok := c.by[id]; ok {
		c.cost -= c.lru.Remove(e).(*openPack).cost
		delete(c.by, id)
	}
	c.mu.Unlock()
	c.add(&openPack{id: id, r: p, mended: true})
	return p, nil
}

// bytesPerEntry is what a directory entry in the cache takes: a mended pack counts as so many as its bytes would hold.
const bytesPerEntry = 80

// warnOnce warns of an object that many reads may come upon.
func (db *DB) warnOnce(name string, err error) {
	if _, told := db.told.LoadOrStore(name, true); !told {
		db.warn(name, err)
	}
}

// lastResort orders places so that packs which may be shared with come first.
func lastResort(places []index.Place, usable map[pack.ID]bool) []index.Place {
	out := make([]index.Place, 0, len(places))
	for _, good := range []bool{true, false} {
		for _, p := range places {
			if usable[pack.ID(p.Pack)] == good {
				out = append(out, p)
			}
		}
	}
	return out
}

// Objects counts what the index knows. Metadata, which is stored twice, counts once.
func (db *DB) Objects() int64 {
	var data, meta int64
	for _, s := range db.set.Load().Segments() {
		for r := range s.Rows() {
			if r.Flags&index.Meta != 0 {
				meta++
			} else {
				data++
			}
		}
	}
	return data + (meta+1)/2
}

// elsewhere reports whether everything that the packs of lost hold is, by the index, in a usable pack as well.
func (db *DB) elsewhere(lost, usable map[pack.ID]bool) bool {
	set := db.set.Load()
	var buf [8]index.Place
	for _, s := range set.Segments() {
		packs := s.Packs()
		some := false
		for _, p := range packs {
			some = some || lost[pack.ID(p.ID)]
		}
		if !some {
			continue
		}
		for r := range s.Rows() {
			if !lost[pack.ID(packs[r.Pack].ID)] {
				continue
			}
			var d digest.Digest // the index knows no more of it
			copy(d[:], r.Prefix[:])
			there := false
			for _, p := range set.Lookup(d, buf[:0]) {
				there = there || usable[pack.ID(p.Pack)]
			}
			if !there {
				return false
			}
		}
	}
	return true
}
