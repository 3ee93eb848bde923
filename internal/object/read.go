package object

import (
	"bytes"
	"cmp"
	"container/list"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"varve/internal/digest"
	"varve/internal/index"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/store"
)

// packCache keeps the directories of the packs read last, and their open files.
type packCache struct {
	db   *DB
	mu   sync.Mutex
	by   map[pack.ID]*list.Element
	lru  list.List // of *openPack
	cost int       // directory entries held

	hopeless map[pack.ID]bool // packs that no parity makes good
}

type openPack struct {
	id     pack.ID
	r      *pack.Reader
	cost   int
	mended bool // the file is in memory
}

const packCacheEntries = 1 << 18 // about 20 MB of directory entries

func (c *packCache) init(db *DB) {
	c.db, c.by, c.hopeless = db, map[pack.ID]*list.Element{}, map[pack.ID]bool{}
	c.lru.Init()
}

// get reads the directory of a pack, or returns it read. size is the file's, or -1 where the caller does
// not know it.
func (c *packCache) get(ctx context.Context, id pack.ID, size int64) (*pack.Reader, error) {
	c.mu.Lock()
	if e, ok := c.by[id]; ok {
		c.lru.MoveToFront(e)
		c.mu.Unlock()
		return e.Value.(*openPack).r, nil
	}
	c.mu.Unlock()
	name := packName(id)
	read := func(ctx context.Context, off, n int64, dst []byte) ([]byte, error) {
		if c.db.distant {
			return c.db.ranges.get(ctx, rangeKey{name, off, n}, dst)
		}
		return c.db.store.Get(ctx, name, off, n, dst)
	}
	if sizes := c.db.sizes.Load(); size < 0 && sizes != nil {
		if listed, ok := (*sizes)[id]; ok {
			size = listed
		}
	}
	if size < 0 {
		o, err := store.Stat(ctx, c.db.store, name)
		if err != nil {
			return nil, err
		}
		size = o.Size
	}
	p, err := pack.Open(ctx, c.db.keys, read, size)
	if err == nil && p.Header.ID != id {
		err = fmt.Errorf("%w: it is pack %s", pack.ErrDamaged, p.Header.ID)
	}
	if err != nil && ctx.Err() == nil {
		if mended, merr := c.mend(ctx, id); merr == nil {
			return mended, nil
		}
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	c.add(&openPack{id: id, r: p})
	return p, nil
}

func (c *packCache) add(o *openPack) {
	o.cost = 64
	for i := range o.r.Blocks {
		o.cost += len(o.r.Blocks[i].Entries)
		if o.mended {
			o.cost += int(o.r.Blocks[i].Stored) / bytesPerEntry
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.by[o.id]; ok {
		return
	}
	c.by[o.id] = c.lru.PushFront(o)
	c.cost += o.cost
	for c.cost > packCacheEntries && c.lru.Len() > 1 {
		old := c.lru.Remove(c.lru.Back()).(*openPack)
		delete(c.by, old.id)
		c.cost -= old.cost
	}
}

// A Reader gets objects. It keeps the blocks it decoded last and is not safe for concurrent use.
type Reader struct {
	db     *DB
	hash   *digest.Hasher
	dec    *seal.Decoder
	window [readerBlocks]cached
	next   int
	stored []byte
	held   []byte // the payload of a delta, while its bases are read
	places []index.Place
	looked time.Time // when the index was read again for want of an object
}

const (
	readerBlocks = 24
	readerBytes  = 32 << 20 // of blocks; a block of the usual size takes less than a part of it
	lookAgain    = 5 * time.Second
)

type cached struct {
	pack  pack.ID
	block int
	raw   []byte
	ok    bool
}

// NewReader returns a Reader of db.
func (db *DB) NewReader() *Reader {
	return &Reader{db: db, hash: digest.NewHasher(db.keys.ID), dec: seal.NewDecoder()}
}

// Get appends the object named d to dst. ErrMissing or ErrDamaged if it cannot be had from any copy.
func (r *Reader) Get(ctx context.Context, d digest.Digest, dst []byte) ([]byte, error) {
	if err := ctx.Err(); err != nil { // what is in memory would be given for ever
		return nil, err
	}
	b, err := r.get(ctx, d, dst, true)
	if err == nil || ctx.Err() != nil {
		return b, err
	}
	// A collection may have moved the object to another pack: look again, but not for each of many that
	// are lost.
	now := r.db.opt.Now()
	if !r.looked.IsZero() && now.Sub(r.looked) < lookAgain {
		return nil, err
	}
	r.looked = now
	if rerr := r.db.Refresh(ctx); rerr != nil {
		return nil, errors.Join(err, rerr)
	}
	return r.get(ctx, d, dst, true)
}

func (r *Reader) get(ctx context.Context, d digest.Digest, dst []byte, deltas bool) ([]byte, error) {
	if err := r.db.ensure(ctx); err != nil {
		return nil, err
	}
	places := r.db.set.Load().Lookup(d, r.places[:0])
	r.places = places[:0]
	failure := ErrMissing
	for _, p := range lastResort(places, *r.db.usable.Load()) {
		b, err := r.from(ctx, d, p, dst, deltas)
		if err == nil {
			return b, nil
		}
		if ctx.Err() != nil {
			return nil, err
		}
		if errors.Is(err, errOther) {
			continue
		}
		if failure == ErrMissing || !errors.Is(err, fs.ErrNotExist) {
			failure = err
		}
	}
	if errors.Is(failure, ErrMissing) || errors.Is(failure, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", d, ErrMissing)
	}
	return nil, fmt.Errorf("%s: %w", d, failure)
}

var errOther = errors.New("another object with the same prefix")

// from gets d at one place.
func (r *Reader) from(ctx context.Context, d digest.Digest, p index.Place, dst []byte, deltas bool) ([]byte, error) {
	pk, err := r.db.packs.get(ctx, pack.ID(p.Pack), -1)
	if err != nil {
		return nil, err
	}
	e, err := find(pk, d, p, deltas)
	if err != nil {
		return nil, err
	}
	raw, err := r.block(ctx, pk, int(p.Block))
	if err != nil && ctx.Err() == nil {
		if mended, merr := r.db.packs.mend(ctx, pack.ID(p.Pack)); merr == nil {
			if e, err = find(mended, d, p, deltas); err == nil {
				raw, err = r.block(ctx, mended, int(p.Block))
			}
		}
	}
	if err != nil {
		return nil, err
	}
	payload := raw[e.Off : e.Off+e.Len]
	if len(e.Bases) > 0 { // the block may leave the cache while bases are read
		r.held = append(r.held[:0], payload...)
		payload = r.held
	}
	return r.entry(ctx, e, payload, dst)
}

// find returns the entry of d at a place in a pack.
func find(pk *pack.Reader, d digest.Digest, p index.Place, deltas bool) (*pack.Entry, error) {
	if int(p.Block) >= len(pk.Blocks) || int(p.Place) >= len(pk.Blocks[p.Block].Entries) {
		return nil, fmt.Errorf("%w: index points past the directory of %s", ErrDamaged, packName(pk.Header.ID))
	}
	e := &pk.Blocks[p.Block].Entries[p.Place]
	if e.Digest != d {
		return nil, errOther
	}
	if len(e.Bases) > 0 && !deltas {
		return nil, fmt.Errorf("%w: the base of a delta is a delta", ErrDamaged)
	}
	return e, nil
}

// entry appends the plain bytes of an entry, of which a block holds payload, to dst, verified.
func (r *Reader) entry(ctx context.Context, e *pack.Entry, payload, dst []byte) ([]byte, error) {
	start := len(dst)
	if len(e.Bases) == 0 {
		dst = append(dst, payload...)
	} else {
		if out, ok := r.Remake(ctx, e, payload, dst); ok {
			return out, nil
		}
		var bases [][]byte
		for _, b := range e.Bases {
			base, err := r.get(ctx, b, nil, false)
			if err != nil {
				return nil, fmt.Errorf("base: %w", err)
			}
			bases = append(bases, base)
		}
		var err error
		if dst, err = e.Remake(dst, payload, bases); err != nil {
			return nil, err
		}
	}
	if r.hash.Sum(dst[start:]) != e.Digest {
		return nil, fmt.Errorf("%w: digest", ErrDamaged)
	}
	return dst, nil
}

// Remake appends the plain bytes of a difference, of which a block holds payload, to dst, verified. It looks
// only where the base is found first, and does not verify the base, which the result vouches for; false says
// that the base or the difference may be at fault, or that it is no difference.
func (r *Reader) Remake(ctx context.Context, e *pack.Entry, payload, dst []byte) ([]byte, bool) {
	if !e.Difference || len(e.Bases) != 1 || r.db.ensure(ctx) != nil {
		return dst, false
	}
	l, err := r.db.Locate(ctx, e.Bases[0])
	if err != nil || l.Delta {
		return dst, false
	}
	pk, err := r.db.packs.get(ctx, l.Pack, -1)
	if err != nil || int(l.Block) >= len(pk.Blocks) || int(l.Place) >= len(pk.Blocks[l.Block].Entries) {
		return dst, false
	}
	base := &pk.Blocks[l.Block].Entries[l.Place]
	if base.Digest != e.Bases[0] || len(base.Bases) > 0 {
		return dst, false
	}
	raw, err := r.block(ctx, pk, int(l.Block))
	if err != nil {
		return dst, false
	}
	out, err := e.Remake(dst, payload, [][]byte{raw[base.Off : base.Off+base.Len]})
	if err != nil || r.hash.Sum(out[len(dst):]) != e.Digest {
		return dst, false
	}
	return out, true
}

// block returns the raw bytes of a block, from the cache or decoded.
func (r *Reader) block(ctx context.Context, pk *pack.Reader, n int) ([]byte, error) {
	for i := range r.window {
		if c := &r.window[i]; c.ok && c.block == n && c.pack == pk.Header.ID {
			return c.raw, nil
		}
	}
	var err error
	if r.stored, err = pk.Span(ctx, r.stored[:0], n, n); err != nil {
		return nil, fmt.Errorf("%s block %d: %w", packName(pk.Header.ID), n, err)
	}
	c := &r.window[r.next]
	r.next = (r.next + 1) % len(r.window)
	c.ok = false
	bl := &pk.Blocks[n]
	if c.raw, err = r.dec.Block(c.raw[:0], bl.Codec, r.stored, int(bl.Raw)); err != nil {
		return nil, fmt.Errorf("%w: %s block %d: %w", ErrDamaged, packName(pk.Header.ID), n, err)
	}
	c.pack, c.block, c.ok = pk.Header.ID, n, true
	r.spare(c)
	return c.raw, nil
}

// spare gives up blocks other than keep while they take too much memory together, the oldest first.
func (r *Reader) spare(keep *cached) {
	held := 0
	for i := range r.window {
		held += cap(r.window[i].raw)
	}
	for i := 0; i < len(r.window) && held > readerBytes; i++ {
		if c := &r.window[(r.next+i)%len(r.window)]; c != keep {
			held -= cap(c.raw)
			*c = cached{}
		}
	}
}

// A Location says where an object lies. Reading in the order of locations reads packs from front to back
// and decodes each block once.
type Location struct {
	Pack  pack.ID
	Block uint32
	Place uint16
	Delta bool // made from bases elsewhere
}

// Compare orders locations by pack, block and place.
func (l Location) Compare(o Location) int {
	return cmp.Or(bytes.Compare(l.Pack[:], o.Pack[:]), cmp.Compare(l.Block, o.Block), cmp.Compare(l.Place, o.Place))
}

// Locate returns where d lies, by the index alone: rarely, it is another object that is found there.
// ErrMissing if the index does not know d.
func (db *DB) Locate(ctx context.Context, d digest.Digest) (Location, error) {
	if err := db.ensure(ctx); err != nil {
		return Location{}, err
	}
	var buf [8]index.Place
	best, found := Location{}, false
	usable := *db.usable.Load()
	for _, p := range db.set.Load().Lookup(d, buf[:0]) {
		l := Location{Pack: pack.ID(p.Pack), Block: p.Block, Place: p.Place, Delta: p.Flags&index.Delta != 0}
		if !found || usable[l.Pack] && (best.Delta && !l.Delta || !usable[best.Pack]) {
			best, found = l, true
		}
	}
	if !found {
		return best, fmt.Errorf("%s: %w", d, ErrMissing)
	}
	return best, nil
}

// Span is a run of blocks of one pack, decoded one after the other.
type Span struct {
	r      *Reader
	pk     *pack.Reader
	first  int
	stored []byte
	raw    []byte
}

// Span reads the blocks first to last of a pack at once.
func (r *Reader) Span(ctx context.Context, id pack.ID, first, last int) (*Span, error) {
	pk, err := r.db.packs.get(ctx, id, -1)
	if err != nil {
		return nil, err
	}
	if first < 0 || first > last || last >= len(pk.Blocks) {
		return nil, fmt.Errorf("%w: %s has no blocks %d to %d", ErrDamaged, packName(id), first, last)
	}
	s := &Span{r: r, pk: pk, first: first}
	if s.stored, err = pk.Span(ctx, nil, first, last); err != nil {
		return nil, fmt.Errorf("%s: %w", packName(id), err)
	}
	return s, nil
}

// Directory returns the blocks of a pack.
func (r *Reader) Directory(ctx context.Context, id pack.ID) ([]pack.Block, error) {
	pk, err := r.db.packs.get(ctx, id, -1)
	if err != nil {
		return nil, err
	}
	return pk.Blocks, nil
}

// Block decodes block n of the pack, which must be in the span, and returns its entries and raw bytes.
// Both are good until the next call.
func (s *Span) Block(n int) ([]pack.Entry, []byte, error) {
	bl := &s.pk.Blocks[n]
	var err error
	if s.raw, err = s.r.dec.Block(s.raw[:0], bl.Codec, s.block(n), int(bl.Raw)); err != nil {
		return nil, nil, fmt.Errorf("%w: %s block %d: %w", ErrDamaged, packName(s.pk.Header.ID), n, err)
	}
	return bl.Entries, s.raw, nil
}

// block returns the stored bytes of block n.
func (s *Span) block(n int) []byte {
	bl, a := &s.pk.Blocks[n], s.pk.Blocks[s.first].Off
	return s.stored[bl.Off-a : bl.Off-a+int64(bl.Stored)]
}

// Plain appends the plain bytes of an entry of a block, whose raw bytes are given, to dst, verified.
func (r *Reader) Plain(ctx context.Context, e *pack.Entry, raw, dst []byte) ([]byte, error) {
	return r.entry(ctx, e, raw[e.Off:e.Off+e.Len], dst)
}

// Base returns what a delta against d may use as its bases: d itself if it is stored whole, the bases of d if
// d is a delta, nothing if d may not be shared with.
func (r *Reader) Base(ctx context.Context, d digest.Digest) ([]digest.Digest, error) {
	have, delta, err := r.db.Has(ctx, d)
	if err != nil || !have {
		return nil, err
	}
	if !delta {
		return []digest.Digest{d}, nil
	}
	for _, p := range r.db.set.Load().Lookup(d, nil) {
		pk, err := r.db.packs.get(ctx, pack.ID(p.Pack), -1)
		if err != nil || int(p.Block) >= len(pk.Blocks) || int(p.Place) >= len(pk.Blocks[p.Block].Entries) {
			continue
		}
		if e := &pk.Blocks[p.Block].Entries[p.Place]; e.Digest == d {
			return e.Bases, nil
		}
	}
	return nil, nil
}
