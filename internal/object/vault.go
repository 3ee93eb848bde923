package object

import (
	"bytes"
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"varve/internal/digest"
	"varve/internal/index"
	"varve/internal/pack"
	"varve/internal/seal"
	"varve/store"
)

// Format is the version of the vault format that this package writes. It reads this one only.
const Format = 1

// Room reports whether names in a store that begin with dir and a slash are a vault's.
func Room(dir string) bool {
	switch dir {
	case "keys", "packs", "index", "sess", "snap", "catalog", "ledger", "records", "gc", "quarantine", "reserve", "probe":
		return true
	}
	return false
}

// Config is the object "config": what the vault is, in the clear, JSON. Mac is the keyed digest of the
// same JSON with an empty mac, under the vault's digest key.
type Config struct {
	Varve   string    `json:"varve"` // always "vault"
	Format  int       `json:"format"`
	ID      string    `json:"id"` // 32 hex digits
	Created time.Time `json:"created"`
	// Exclusive says that the store does not honour create-if-absent, or does not list at once what it was given: one
	// process at a time.
	Exclusive bool `json:"exclusive,omitempty"`
	SHA256    bool `json:"sha256"` // whole-file SHA-256 is kept
	// Parity is the number of columns of parity of new data packs.
	Parity uint8  `json:"parity,omitempty"`
	Mac    string `json:"mac"`
}

// Errors of opening a vault.
var (
	ErrNoVault = errors.New("there is no vault")
	ErrNewer   = errors.New("the vault is of a newer format than this program reads")
)

const (
	maxConfig = 64 << 10
	maxSlot   = 64 << 10
)

func (c *Config) mac(k *seal.Keys) (string, error) {
	open := *c
	open.Mac = ""
	b, err := json.Marshal(&open)
	if err != nil {
		return "", err
	}
	d := k.ID.Sum(append([]byte("varve/1 config\n"), b...))
	return d.String(), nil
}

// Create makes a vault in an empty store and opens it. Its first key is the passphrase of the options, or, if
// there is none, kept beside the data.
func Create(ctx context.Context, s store.Store, sha256 bool, opt Options) (*DB, error) {
	var id [16]byte
	if _, err := io.ReadFull(opt.Rand, id[:]); err != nil {
		return nil, err
	}
	master, err := opt.newMaster(ctx, s)
	if err != nil {
		return nil, err
	}
	traits, err := store.Probe(ctx, s, opt.Rand)
	if err != nil {
		return nil, fmt.Errorf("probe the store: %w", err)
	}
	keys := seal.Derive(master, id)
	c := Config{Varve: "vault", Format: Format, ID: hex.EncodeToString(id[:]), Created: opt.Now().UTC().Truncate(time.Second),
		Exclusive: !traits.CreateIfAbsent || !traits.ListsAtOnce, SHA256: sha256, Parity: uint8(min(max(opt.Parity, 0), pack.MaxParity))}
	if c.Mac, err = c.mac(keys); err != nil {
		return nil, err
	}
	db := newDB(s, id, keys, opt)
	db.config, db.master = c, master
	// The key comes first: a config without a key would be a vault that nobody can open.
	if err := db.firstKey(ctx); err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(&c, "", "  ")
	if err != nil {
		return nil, err
	}
	b = append(b, '\n')
	if err := s.Put(ctx, "config", b); err != nil {
		if errors.Is(err, fs.ErrExist) {
			db.withdraw(ctx, b)
		}
		return nil, fmt.Errorf("write config: %w", err)
	}
	if err := s.Barrier(ctx); err != nil {
		return nil, err
	}
	if err := db.PutReserve(ctx); err != nil {
		return nil, fmt.Errorf("keep space back: %w", err)
	}
	return db, s.Barrier(ctx)
}

// withdraw removes the key of a making that was not the first: it opens nothing. If it cannot be removed, a check tells
// of it.
func (db *DB) withdraw(ctx context.Context, config []byte) {
	if there, err := db.store.Get(ctx, "config", 0, -1, nil); err == nil && !bytes.Equal(there, config) {
		_ = db.store.Delete(ctx, keyName(db.Opened().ID))
	}
}

// newMaster draws a master key. One that a making which was cut short has left beside the data is used again:
// a second would stay beside it. A key that is to be wrapped must not have lain there.
func (opt *Options) newMaster(ctx context.Context, s store.Store) (m seal.Master, err error) {
	if opt.Passphrase == nil {
		left, err := readKeys(ctx, s)
		if err == nil {
			if _, m, err := openKeys(left, nil, nil, func(seal.Master) bool { return true }); err == nil {
				return m, nil
			}
		}
	}
	_, err = io.ReadFull(opt.Rand, m[:])
	return m, err
}

func (db *DB) firstKey(ctx context.Context) error {
	if p := db.opt.Passphrase; p != nil {
		k, err := db.AddKey(ctx, p, func(m seal.Master) (seal.Slot, error) {
			return seal.SealMaster(m, p, db.opt.KDF, seal.Note{Created: db.opt.Now()}, db.opt.Rand)
		})
		db.UseKey(k)
		return err
	}
	slot := seal.StoredSlot(db.master, db.opt.Now())
	id, err := db.PutKey(ctx, slot)
	db.UseKey(Key{ID: id, Slot: slot})
	return err
}

// Config returns what the vault says of itself.
func (db *DB) Config() Config { return db.config }

// Open opens the vault in s. passphrase, or the text of a recovery key, is asked for only when every slot needs
// one and what Options.Recall knows does not open it; nil means that there is none to ask.
func Open(ctx context.Context, s store.Store, passphrase func() ([]byte, error), opt Options) (*DB, error) {
	var b []byte
	var slots []Key
	var err, keysErr error
	err = store.Together(s, func() (err error) { b, err = readConfig(ctx, s); return err },
		func() error { slots, keysErr = readKeys(ctx, s); return nil })
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoVault
	}
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	var c Config
	if len(b) > maxConfig || json.Unmarshal(b, &c) != nil || c.Varve != "vault" || c.Parity > pack.MaxParity {
		return nil, fmt.Errorf("config: %w", ErrDamaged)
	}
	if c.Format > Format {
		return nil, fmt.Errorf("format %d, this program reads %d: %w", c.Format, Format, ErrNewer)
	}
	sid, err := ParseSID(c.ID)
	if err != nil || c.Format != Format {
		return nil, fmt.Errorf("config: %w", ErrDamaged)
	}
	if keysErr != nil {
		return nil, keysErr
	}
	var keys *seal.Keys
	recall := func() []byte { return opt.recall(sid) }
	used, master, err := openKeys(slots, recall, passphrase, func(m seal.Master) bool {
		keys = seal.Derive(m, sid)
		want, err := c.mac(keys)
		return err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(c.Mac)) == 1
	})
	if err != nil {
		return nil, err
	}
	db := newDB(s, sid, keys, opt)
	db.config, db.master = c, master
	db.UseKey(used)
	return db, nil
}

// readConfig reads config, unless it is seen without reading it that it is none.
func readConfig(ctx context.Context, s store.Store) ([]byte, error) {
	if !store.Distant(s) { // there it would be a round trip
		if o, err := store.Stat(ctx, s, "config"); err != nil || o.Size > maxConfig {
			return nil, cmp.Or(err, fmt.Errorf("%d bytes: %w", o.Size, ErrDamaged))
		}
	}
	return s.Get(ctx, "config", 0, -1, nil)
}

func (opt *Options) recall(vault [16]byte) []byte {
	if opt.Recall == nil {
		return nil
	}
	return opt.Recall(vault)
}

// A Commit is a filled slot: a snapshot's manifest.
type Commit struct {
	ID       SID
	Manifest []byte
	Arrived  time.Time // when the store says that the slot was filled; zero where it does not
}

const maxManifest = 64 << 20

// Commits calls fn with every committed manifest. A slot that cannot be opened is reported with its error
// and an empty manifest; an aborted one is left out. skip names the slots that the caller knows.
func (db *DB) Commits(ctx context.Context, skip func(SID) bool, fn func(Commit, error) error) error {
	var large []Commit
	unknown := func(o store.Object) bool {
		id, err := ParseSID(o.Name[len("snap/"):])
		if err != nil || skip != nil && skip(id) {
			return false
		}
		if o.Size > maxManifest+seal.Overhead { // not to be read
			large = append(large, Commit{ID: id, Arrived: o.Modified})
			return false
		}
		return true
	}
	for f, err := range store.Fetch(ctx, db.store, "snap/", unknown) {
		if err != nil {
			return fmt.Errorf("list snapshots: %w", err)
		}
		c := Commit{Arrived: f.Modified}
		if c.ID, err = ParseSID(f.Name[len("snap/"):]); err != nil {
			return err
		}
		if err = f.Err; err == nil {
			c.Manifest, err = db.manifest(f.Name, f.Content)
		}
		if errors.Is(err, ErrDamaged) { // perhaps only on its way here
			if again, gerr := db.store.Get(ctx, f.Name, 0, -1, nil); gerr == nil {
				c.Manifest, err = db.manifest(f.Name, again)
			}
		}
		if errors.Is(err, ErrFenced) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := fn(c, err); err != nil {
			return err
		}
	}
	for _, c := range large {
		if err := fn(c, fmt.Errorf("%s: too large: %w", SlotName(c.ID), ErrDamaged)); err != nil {
			return err
		}
	}
	return nil
}

// manifest reads a commit slot: the manifest, or ErrFenced if it says that the session was aborted.
func (db *DB) manifest(name string, sealed []byte) ([]byte, error) {
	id := []byte(name[len("snap/"):])
	b, err := db.keys.Open(nil, seal.Manifest, id, sealed, maxManifest)
	if err == nil {
		return b, nil
	}
	if _, nerr := db.keys.Open(nil, seal.Verdict, id, sealed, maxConfig); nerr == nil {
		return nil, ErrFenced
	}
	return nil, fmt.Errorf("%s: %w", name, errors.Join(ErrDamaged, err))
}

// noteFinished is what a commit slot holds whose session ended by itself and without a snapshot. The note of one
// that was aborted is the number of the generation that did it.
const noteFinished = "finished"

func (db *DB) sealNote(id SID, note string) ([]byte, error) {
	return db.keys.Seal(nil, seal.Verdict, []byte(id.String()), []byte(note), db.opt.Rand)
}

// Segments returns the index segments in use.
func (db *DB) Segments() []*index.Segment { return db.set.Load().Segments() }

// Digest names plain as this vault does.
func (db *DB) Digest(plain []byte) digest.Digest { return db.keys.ID.Sum(plain) }
