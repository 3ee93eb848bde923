package object

import (
	"bytes"
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

// Config is the object "config": what the vault is, in the clear, JSON. Mac is the keyed digest of the
// same JSON with an empty mac, under the vault's digest key.
type Config struct {
	Varve   string    `json:"varve"` // always "vault"
	Format  int       `json:"format"`
	ID      string    `json:"id"` // 32 hex digits
	Created time.Time `json:"created"`
	// Exclusive says that the store does not honour create-if-absent: one process at a time.
	Exclusive bool   `json:"exclusive,omitempty"`
	SHA256    bool   `json:"sha256"` // whole-file SHA-256 is kept
	Mac       string `json:"mac"`
}

// Errors of opening a vault.
var (
	ErrNoVault = errors.New("there is no vault")
	ErrNewer   = errors.New("the vault is of a newer format than this program reads")
)

var errUnfit = fmt.Errorf("config and key do not fit: %w", ErrDamaged)

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

// Create makes a vault in an empty store, with the master key kept beside the data, and opens it.
func Create(ctx context.Context, s store.Store, sha256 bool, opt Options) (*DB, error) {
	var id [16]byte
	if _, err := io.ReadFull(opt.Rand, id[:]); err != nil {
		return nil, err
	}
	// What a making that was cut short has left is used again: a second master key would stay beside the first.
	master, stored, err := openSlots(ctx, s, nil, func(seal.Master) bool { return true })
	if err != nil || !stored {
		if _, err := io.ReadFull(opt.Rand, master[:]); err != nil {
			return nil, err
		}
	}
	traits, err := store.Probe(ctx, s, opt.Rand)
	if err != nil {
		return nil, fmt.Errorf("probe the store: %w", err)
	}
	keys := seal.Derive(master, id)
	c := Config{Varve: "vault", Format: Format, ID: hex.EncodeToString(id[:]), Created: opt.Now().UTC().Truncate(time.Second),
		Exclusive: !traits.CreateIfAbsent, SHA256: sha256}
	if c.Mac, err = c.mac(keys); err != nil {
		return nil, err
	}
	db := newDB(s, id, keys, opt)
	db.config, db.keyStored = c, true
	slot, err := json.Marshal(seal.StoredSlot(master))
	if err != nil {
		return nil, err
	}
	keyID, err := db.NewID()
	if err != nil {
		return nil, err
	}
	// The key comes first: a config without a key would be a vault that nobody can open.
	if err := s.Put(ctx, "keys/"+hex.EncodeToString(keyID[:]), slot); err != nil {
		return nil, fmt.Errorf("write key: %w", err)
	}
	if err := s.Barrier(ctx); err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(&c, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := s.Put(ctx, "config", append(b, '\n')); err != nil {
		return nil, fmt.Errorf("write config: %w", err)
	}
	return db, s.Barrier(ctx)
}

// Config returns what the vault says of itself.
func (db *DB) Config() Config { return db.config }

// KeyStored reports whether the master key lies with the data, so that who reads the vault can open it.
func (db *DB) KeyStored() bool { return db.keyStored }

// Open opens the vault in s. passphrase is asked for only when every slot needs one; nil means that there
// is none to ask.
func Open(ctx context.Context, s store.Store, passphrase func() ([]byte, error), opt Options) (*DB, error) {
	b, err := s.Get(ctx, "config", 0, -1, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoVault
	}
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	var c Config
	if len(b) > maxConfig || json.Unmarshal(b, &c) != nil || c.Varve != "vault" {
		return nil, fmt.Errorf("config: %w", ErrDamaged)
	}
	if c.Format > Format {
		return nil, fmt.Errorf("format %d, this program reads %d: %w", c.Format, Format, ErrNewer)
	}
	sid, err := ParseSID(c.ID)
	if err != nil || c.Format != Format {
		return nil, fmt.Errorf("config: %w", ErrDamaged)
	}
	var keys *seal.Keys
	_, stored, err := openSlots(ctx, s, passphrase, func(m seal.Master) bool {
		keys = seal.Derive(m, sid)
		want, err := c.mac(keys)
		return err == nil && subtle.ConstantTimeCompare([]byte(want), []byte(c.Mac)) == 1
	})
	if err != nil {
		return nil, err
	}
	db := newDB(s, sid, keys, opt)
	db.config, db.keyStored = c, stored
	return db, nil
}

// openSlots opens the first key slot whose master key fits. Of two makings at once the slower leaves a key
// that opens nothing.
func openSlots(ctx context.Context, s store.Store, passphrase func() ([]byte, error), fits func(seal.Master) bool) (m seal.Master, stored bool, err error) {
	var locked []seal.Slot
	failure := fmt.Errorf("keys: %w", ErrMissing)
	for o, err := range store.Fetch(ctx, s, "keys/", nil) {
		if err != nil {
			return m, false, fmt.Errorf("list keys: %w", err)
		}
		b := o.Content
		if o.Err != nil {
			return m, false, fmt.Errorf("read %s: %w", o.Name, o.Err)
		}
		var slot seal.Slot
		dec := json.NewDecoder(bytes.NewReader(b))
		dec.DisallowUnknownFields()
		if len(b) > maxSlot || dec.Decode(&slot) != nil {
			failure = fmt.Errorf("%s: %w", o.Name, ErrDamaged)
			continue
		}
		if slot.NeedsPassphrase() {
			locked = append(locked, slot)
			continue
		}
		m, err := slot.Open(nil)
		if err == nil && fits(m) {
			return m, true, nil
		}
		if err == nil {
			err = errUnfit
		}
		failure = fmt.Errorf("%s: %w", o.Name, err)
	}
	if len(locked) == 0 || passphrase == nil {
		if len(locked) > 0 {
			failure = fmt.Errorf("the vault needs a passphrase: %w", seal.ErrWrongKey)
		}
		return m, false, failure
	}
	p, err := passphrase()
	if err != nil {
		return m, false, err
	}
	for _, slot := range locked {
		m, err := slot.Open(p)
		if err == nil && fits(m) {
			return m, false, nil
		}
		if err == nil {
			err = errUnfit
		}
		failure = err
	}
	return m, false, failure
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
	unknown := func(o store.Object) bool {
		id, err := ParseSID(o.Name[len("snap/"):])
		return err == nil && (skip == nil || !skip(id))
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
		if errors.Is(err, ErrFenced) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err := fn(c, err); err != nil {
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

// condemned returns the packs of every condemn list, less those that a verdict has spared.
func (db *DB) condemned(ctx context.Context) (map[pack.ID]bool, error) {
	var names []string
	for o, err := range db.store.List(ctx, "gc/") {
		if err != nil {
			return nil, fmt.Errorf("list collections: %w", err)
		}
		names = append(names, o.Name)
	}
	lists := map[string]string{} // generation → the name that counts
	for _, n := range names {
		gen, word, ok := cutGeneration(n)
		if ok && (word == "verdict" || word == "condemn" && lists[gen] == "") {
			lists[gen] = n
		}
	}
	out := map[pack.ID]bool{}
	for _, n := range lists {
		if err := db.readPackList(ctx, n, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func cutGeneration(name string) (gen, word string, ok bool) {
	const prefix = "gc/"
	if len(name) <= len(prefix)+11 || name[len(prefix)+10] != '/' {
		return "", "", false
	}
	return name[len(prefix) : len(prefix)+10], name[len(prefix)+11:], true
}

// readPackList adds the pack ids of a condemn list or verdict to out: 16 bytes each, sealed.
func (db *DB) readPackList(ctx context.Context, name string, out map[pack.ID]bool) error {
	sealed, err := db.store.Get(ctx, name, 0, -1, nil)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the generation was finished meanwhile
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	kind := seal.Condemn
	if _, word, _ := cutGeneration(name); word == "verdict" {
		kind = seal.Verdict
	}
	b, err := db.keys.Open(nil, kind, []byte(name), sealed, maxSegment)
	if err != nil || len(b)%len(pack.ID{}) != 0 {
		return fmt.Errorf("%s: %w", name, errors.Join(ErrDamaged, err))
	}
	for ; len(b) > 0; b = b[len(pack.ID{}):] {
		out[pack.ID(b[:len(pack.ID{})])] = true
	}
	return nil
}

// Segments returns the index segments in use.
func (db *DB) Segments() []*index.Segment { return db.set.Load().Segments() }

// Digest names plain as this vault does.
func (db *DB) Digest(plain []byte) digest.Digest { return db.keys.ID.Sum(plain) }
