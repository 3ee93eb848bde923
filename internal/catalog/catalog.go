// Package catalog remembers which snapshots a vault has had, so that a vault which was put back to an earlier
// state, or has lost snapshots without a trace, is noticed.
//
// It promises: a snapshot that the catalogue lists, that nobody forgot, and that is not there, is told, to every
// client; one that this client has seen is told to it even if the catalogue was put back as well. It never
// stands in the way of a snapshot: an entry is written after the commit, and what one writer could not write
// the next one does.
//
// # Bytes
//
// catalog/<k>-<id> is a sealed object (kind catalog, its whole name as object id): JSON,
//
//	{"after":{NAME:DIGEST,…},"adds":[SID,…],"all":true}
//
// k is a decimal number of 10 digits, one more than the greatest there was, id 32 hex digits of 16 random bytes:
// so writers that race take the same k and different names, and the next entry comes after both. "after" names
// the entries that no other comes after, with the digest of their sealed bytes; they must be there. "adds" are
// snapshots that no entry lists. With "all" the entry lists every snapshot that counts and stands for all entries
// of smaller numbers, which need not be there.
//
// The mark of a client is a sealed object too (kind catalog, object id "mark"): the ids of the snapshots that it
// has seen, 16 bytes each, ascending. It is a file of the client, not in the vault.
package catalog

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"varve/internal/object"
	"varve/internal/seal"
)

const (
	prefix     = "catalog/"
	coverAfter = 64       // entries that are read before one is written that stands for them
	maxEntry   = 64 << 20 // bytes of JSON
	maxMark    = 64 << 20 // bytes
	markID     = "mark"
	maxNumber  = 9_999_999_999 // names have 10 digits
)

// entry is the JSON of an entry.
type entry struct {
	After map[string]string `json:"after,omitempty"` // name → digest, hex
	Adds  []string          `json:"adds"`
	All   bool              `json:"all,omitempty"`
}

// Catalog is the catalogue of one vault, as far as it was read. It is not safe for concurrent use.
type Catalog struct {
	db      *object.DB
	there   map[string]bool   // names of the last listing
	read    map[string]entry  // what was read
	digests map[string]string // of the sealed bytes, hex
	damaged map[string]error
	floor   uint64 // number of the newest entry that stands for all before it
}

// New returns the catalogue of db, unread.
func New(db *object.DB) *Catalog {
	return &Catalog{db: db, read: map[string]entry{}, digests: map[string]string{}, damaged: map[string]error{}}
}

// number returns the number in the name of an entry.
func number(name string) (uint64, bool) {
	rest, ok := strings.CutPrefix(name, prefix)
	if !ok || len(rest) != 10+1+32 || rest[10] != '-' {
		return 0, false
	}
	if _, err := hex.DecodeString(rest[11:]); err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(rest[:10], 10, 64)
	return n, err == nil
}

// Refresh reads the entries that are new, from the newest back to one that stands for the rest.
func (c *Catalog) Refresh(ctx context.Context) error {
	c.there = map[string]bool{}
	var names []string
	for o, err := range c.db.Store().List(ctx, prefix) {
		if err != nil {
			return fmt.Errorf("list catalogue: %w", err)
		}
		if _, ok := number(o.Name); ok {
			c.there[o.Name] = true
			names = append(names, o.Name)
			if o.Size > maxEntry+seal.Overhead && c.damaged[o.Name] == nil {
				c.damaged[o.Name] = fmt.Errorf("%w: it has %d bytes", object.ErrDamaged, o.Size)
			}
		}
	}
	slices.Reverse(names) // names are in order, so numbers are
	for _, name := range names {
		n, _ := number(name)
		if n < c.floor {
			break
		}
		if err := c.load(ctx, name); err != nil {
			return err
		}
		if c.read[name].All {
			c.floor = max(c.floor, n)
		}
	}
	return c.findUnlisted(ctx)
}

// findUnlisted reads what others come after and the listing lacks: it may be late.
func (c *Catalog) findUnlisted(ctx context.Context) error {
	for {
		found := false
		for _, name := range c.Missing() {
			if _, ok := number(name); !ok || c.there[name] {
				continue
			}
			_, err := c.db.Store().Get(ctx, name, 0, -1, nil)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return fmt.Errorf("read %s: %w", name, err)
			}
			c.there[name], found = true, true
			if err := c.load(ctx, name); err != nil {
				return err
			}
		}
		if !found {
			return nil
		}
	}
}

func (c *Catalog) load(ctx context.Context, name string) error {
	if _, ok := c.read[name]; ok || c.damaged[name] != nil {
		return nil
	}
	sealed, err := c.db.Store().Get(ctx, name, 0, -1, nil)
	if errors.Is(err, fs.ErrNotExist) {
		delete(c.there, name)
		return nil
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	c.digests[name] = c.db.Digest(sealed).String()
	e, err := decode(c.db.Keys(), name, sealed)
	if err != nil { // perhaps it was damaged only on its way here
		if again, gerr := c.db.Store().Get(ctx, name, 0, -1, nil); gerr == nil {
			c.digests[name] = c.db.Digest(again).String()
			e, err = decode(c.db.Keys(), name, again)
		}
	}
	if err != nil {
		c.damaged[name] = err
		return nil
	}
	c.read[name] = e
	return nil
}

func decode(keys *seal.Keys, name string, sealed []byte) (e entry, err error) {
	plain, err := keys.Open(nil, seal.Catalog, []byte(name), sealed, maxEntry)
	if err != nil {
		return e, fmt.Errorf("%w: %w", object.ErrDamaged, err)
	}
	if err := json.Unmarshal(plain, &e); err != nil {
		return e, fmt.Errorf("%w: %w", object.ErrDamaged, err)
	}
	for _, s := range e.Adds {
		if _, err := object.ParseSID(s); err != nil {
			return e, fmt.Errorf("%w: %w", object.ErrDamaged, err)
		}
	}
	return e, nil
}

// Listed returns the snapshots that the entries list.
func (c *Catalog) Listed() map[object.SID]bool {
	out := map[object.SID]bool{}
	for _, e := range c.read {
		for _, s := range e.Adds {
			if id, err := object.ParseSID(s); err == nil {
				out[id] = true
			}
		}
	}
	return out
}

// Missing returns the entries that another one comes after and that are not there, or are others than it says.
func (c *Catalog) Missing() []string {
	out := map[string]bool{}
	for _, e := range c.read {
		for name, digest := range e.After {
			n, ok := number(name)
			is, read := c.digests[name]
			if !ok || n >= c.floor && (!c.there[name] || read && is != digest) {
				out[name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(out))
}

// Damaged returns the entries that cannot be read, and why.
func (c *Catalog) Damaged() map[string]error { return maps.Clone(c.damaged) }

// Add writes an entry for those of the snapshots that no entry lists, if there are any. settle makes durable
// what others have put: an entry must not outlive power loss without those it comes after. With all, or when many
// have gathered, the entry stands for all before it; it lists what counts.
func (c *Catalog) Add(ctx context.Context, snapshots []object.SID, counts func(object.SID) bool, settle func(context.Context) error, all bool) error {
	if err := c.Refresh(ctx); err != nil {
		return err
	}
	listed := c.Listed()
	var e entry
	for _, id := range snapshots {
		if !listed[id] && counts(id) {
			e.Adds = append(e.Adds, id.String())
		}
	}
	if len(e.Adds) == 0 && !all {
		return nil
	}
	e.All = all || c.gathered(len(listed))
	if e.All {
		for id := range listed {
			if counts(id) {
				e.Adds = append(e.Adds, id.String())
			}
		}
	}
	slices.Sort(e.Adds)
	e.After = c.heads()
	if err := settle(ctx); err != nil {
		return err
	}
	return c.put(ctx, e)
}

// gathered reports whether so many entries are to be read that one should stand for them: more in a vault with
// more snapshots, for it lists them all.
func (c *Catalog) gathered(listed int) bool {
	n := 0
	for name := range c.there {
		if k, _ := number(name); k >= c.floor {
			n++
		}
	}
	return n >= max(coverAfter, listed/coverAfter)
}

// heads are the entries that no other comes after.
func (c *Catalog) heads() map[string]string {
	out := map[string]string{}
	for name := range c.read {
		if n, _ := number(name); n >= c.floor && c.there[name] {
			out[name] = c.digests[name]
		}
	}
	for _, e := range c.read {
		for name := range e.After {
			delete(out, name)
		}
	}
	return out
}

func (c *Catalog) put(ctx context.Context, e entry) error {
	var k uint64
	for name := range c.there {
		n, _ := number(name)
		k = max(k, n)
	}
	if k >= maxNumber { // an entry that nobody finds says nothing
		return fmt.Errorf("no number is left after %d: %w", k, object.ErrDamaged)
	}
	id, err := c.db.NewID()
	if err != nil {
		return err
	}
	plain, err := json.Marshal(e)
	if err != nil {
		return err
	}
	name := fmt.Sprintf("%s%010d-%x", prefix, k+1, id)
	sealed, err := c.db.Keys().Seal(nil, seal.Catalog, []byte(name), plain, c.db.Rand())
	if err != nil {
		return err
	}
	if err := c.db.Store().Put(ctx, name, sealed); err != nil {
		return fmt.Errorf("write catalogue: %w", err)
	}
	c.there[name], c.read[name], c.digests[name] = true, e, c.db.Digest(sealed).String()
	if e.All {
		c.floor = max(c.floor, k+1)
	}
	return c.db.Store().Barrier(ctx)
}
