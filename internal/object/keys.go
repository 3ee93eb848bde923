package object

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"varve/internal/seal"
	"varve/store"
)

// maxKeys is the number of key slots that are looked at: a vault has a handful.
const maxKeys = 1000

// Key is a key slot of the vault.
type Key struct {
	ID   string // the last element of its name
	Slot seal.Slot
	// Ours says that the slot is, byte for byte, what somebody has made who held the key of this vault.
	Ours bool
	Used bool // the vault was opened by it

	wrap [32]byte
}

// Err says why the slot opens nothing, as far as that is seen without its secret.
func (k Key) Err() error {
	if err := k.Slot.Check(); err != nil || k.Ours {
		return err
	}
	return fmt.Errorf("it is the key of another vault: %w", ErrDamaged)
}

func keyName(id string) string { return "keys/" + id }

// readKeys reads all key slots in the order of their names. One that is no slot is a Slot that Check refuses.
func readKeys(ctx context.Context, s store.Store) ([]Key, error) {
	var keys []Key
	for o, err := range s.List(ctx, "keys/") {
		if err != nil {
			return nil, fmt.Errorf("list keys: %w", err)
		}
		if len(keys) == maxKeys {
			return nil, fmt.Errorf("keys: more than %d: %w", maxKeys, ErrDamaged)
		}
		k := Key{ID: strings.TrimPrefix(o.Name, "keys/")}
		if o.Size <= maxSlot {
			b, err := s.Get(ctx, o.Name, 0, -1, nil)
			if errors.Is(err, fs.ErrNotExist) { // removed meanwhile
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("read %s: %w", o.Name, err)
			}
			// What is no slot stays the zero one, which Check refuses.
			if slot, err := seal.DecodeSlot(b); err == nil {
				k.Slot = slot
			}
		}
		keys = append(keys, k)
	}
	return keys, nil
}

// openKeys opens the first key slot whose master key fits. Of two makings at once the slower leaves one that
// opens nothing. recall and secret are asked only when no slot opens without; either may be nil.
func openKeys(keys []Key, recall func() []byte, secret func() ([]byte, error), fits func(seal.Master) bool) (Key, seal.Master, error) {
	if len(keys) == 0 {
		return Key{}, seal.Master{}, fmt.Errorf("keys: %w", ErrMissing)
	}
	slots := make([]seal.Slot, len(keys))
	for i := range keys {
		slots[i] = keys[i].Slot
	}
	o, err := seal.OpenFirst(slots, nil, fits)
	if err != nil && seal.NeedSecret(slots) {
		if recall != nil {
			if k, m, ok := openRecalled(keys, recall(), fits); ok {
				return k, m, nil
			}
		}
		if secret != nil {
			p, serr := secret()
			if serr != nil {
				return Key{}, seal.Master{}, serr
			}
			if p == nil {
				p = []byte{} // an empty passphrase is a wrong one
			}
			o, err = seal.OpenFirst(slots, p, fits)
		}
	}
	if err != nil {
		return Key{}, seal.Master{}, keyError(keys, err)
	}
	k := keys[o.Slot]
	k.wrap = o.Wrap
	return k, o.Master, nil
}

// keyError names the slot that is damaged, if that is why none opened.
func keyError(keys []Key, err error) error {
	if !errors.Is(err, seal.ErrDamaged) {
		return err
	}
	for _, k := range keys {
		if errors.Is(k.Slot.Check(), seal.ErrDamaged) {
			return fmt.Errorf("%s: %w", keyName(k.ID), ErrDamaged)
		}
	}
	return fmt.Errorf("config and key do not fit: %w", ErrDamaged)
}

// openRecalled opens the slot of a token. One of another vault, or of a slot that is gone, opens nothing.
func openRecalled(keys []Key, token []byte, fits func(seal.Master) bool) (Key, seal.Master, bool) {
	if len(token) != 48 {
		return Key{}, seal.Master{}, false
	}
	id := hex.EncodeToString(token[:16])
	for _, k := range keys {
		if k.ID != id || k.Slot.Check() != nil || !k.Slot.NeedsSecret() {
			continue
		}
		k.wrap = [32]byte(token[16:])
		if m, err := k.Slot.OpenWrapped(k.wrap); err == nil && fits(m) {
			return k, m, true
		}
	}
	return Key{}, seal.Master{}, false
}

// KeyStored reports whether the master key lies with the data, so that who reads the vault can open it.
func (db *DB) KeyStored() bool { return db.opened.Load().Slot.Kind == seal.SlotStored }

// Opened returns the key slot that the vault was opened by.
func (db *DB) Opened() Key { return *db.opened.Load() }

// Token returns what opens the vault again without the secret, for Options.Recall: the id of the slot that it
// was opened by, and the key that the slot is wrapped with. It is of no use without that slot, so it ends with
// it. It is nil where no secret was needed.
func (db *DB) Token() []byte {
	k := db.opened.Load()
	id, err := hex.DecodeString(k.ID)
	if err != nil || len(id) != 16 || !k.Slot.NeedsSecret() {
		return nil
	}
	return append(id, k.wrap[:]...)
}

// ListKeys reads the key slots, in the order in which they were made.
func (db *DB) ListKeys(ctx context.Context) ([]Key, error) {
	keys, err := readKeys(ctx, db.store)
	if err != nil {
		return nil, err
	}
	used := db.opened.Load().ID
	for i := range keys {
		keys[i].Ours = keys[i].Slot.Of(db.master)
		keys[i].Used = keys[i].ID == used
	}
	slices.SortStableFunc(keys, func(a, b Key) int { return strings.Compare(a.Slot.Created, b.Slot.Created) })
	return keys, nil
}

// AddKey adds the slot that make returns, makes it durable, reads it back, and opens it with its secret. Only
// then it counts: before, nothing may be removed for its sake. After an error a slot may be left that opens or
// does not.
func (db *DB) AddKey(ctx context.Context, secret []byte, make func(seal.Master) (seal.Slot, error)) (Key, error) {
	slot, err := make(db.master)
	if err != nil {
		return Key{}, err
	}
	id, err := db.PutKey(ctx, slot)
	if err != nil {
		return Key{}, err
	}
	keys, err := readKeys(ctx, db.store)
	if err != nil {
		return Key{}, err
	}
	keys = slices.DeleteFunc(keys, func(k Key) bool { return k.ID != id })
	k, _, err := openKeys(keys, nil, func() ([]byte, error) { return secret, nil }, func(m seal.Master) bool { return m == db.master })
	if err != nil {
		return Key{}, fmt.Errorf("%s, read back: %w", keyName(id), err)
	}
	k.Ours = true
	return k, nil
}

// PutKey puts a slot under a name of its own and makes it durable.
func (db *DB) PutKey(ctx context.Context, slot seal.Slot) (id string, err error) {
	b, err := json.Marshal(slot)
	if err != nil {
		return "", err
	}
	raw, err := db.NewID()
	if err != nil {
		return "", err
	}
	id = hex.EncodeToString(raw[:])
	if err := db.store.Put(ctx, keyName(id), b); err != nil {
		return "", fmt.Errorf("write key: %w", err)
	}
	return id, db.store.Barrier(ctx)
}

// UseKey makes a slot that AddKey returned the one that the vault counts as opened by.
func (db *DB) UseKey(k Key) { db.opened.Store(&k) }
