package varve

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"varve/internal/object"
	"varve/internal/seal"
	"varve/internal/upkeep"
)

type (
	// KDF is what a passphrase costs to try: passes, KiB and lanes of Argon2id.
	KDF = seal.Params
	// Recovery is a recovery key: it opens a vault as a passphrase does. Its String is for people.
	Recovery = seal.Recovery
)

// The kinds of keys.
const (
	KeyStored     = seal.SlotStored     // kept beside the data: no secret is needed
	KeyPassphrase = seal.SlotPassphrase // opens with a passphrase
	KeyRecovery   = seal.SlotRecovery   // opens with the key of a recovery kit
)

var (
	// ErrLastKey says that a vault would be left without a key that is known to open it.
	ErrLastKey = upkeep.ErrLastKey
	// ErrTyping says that a recovery key has a typing error. It is ErrWrongKey.
	ErrTyping = seal.ErrTyping
)

// Key is one of the keys of a vault: each alone opens it.
type Key struct {
	ID      string // 32 hex digits
	Kind    string // KeyStored, KeyPassphrase, KeyRecovery; "" where it is damaged
	Label   string
	Created time.Time
	Used    bool  // the vault was opened with it
	Err     error // why it opens nothing
}

func publicKey(k object.Key) Key {
	out := Key{ID: k.ID, Kind: k.Slot.Kind, Label: k.Slot.Label, Created: k.Slot.Time(), Used: k.Used, Err: k.Err()}
	if out.Err != nil && errors.Is(out.Err, seal.ErrDamaged) {
		out.Label = "" // nobody vouches for it
	}
	return out
}

// Keys returns the keys of the vault: the one that it was opened with, and then the others, oldest first.
func (v *Vault) Keys(ctx context.Context) ([]Key, error) {
	keys, err := v.db.ListKeys(ctx)
	out := make([]Key, len(keys))
	for i, k := range keys {
		out[i] = publicKey(k)
	}
	slices.SortStableFunc(out, func(a, b Key) int {
		switch {
		case a.Used != b.Used && a.Used:
			return -1
		case a.Used != b.Used:
			return 1
		}
		return a.Created.Compare(b.Created)
	})
	return out, err
}

// Key returns the key whose id begins so.
func (v *Vault) Key(ctx context.Context, id string) (Key, error) {
	keys, err := v.Keys(ctx)
	if err != nil {
		return Key{}, err
	}
	var found []Key
	for _, k := range keys {
		if len(id) >= 4 && strings.HasPrefix(k.ID, strings.ToLower(id)) {
			found = append(found, k)
		}
	}
	switch len(found) {
	case 0:
		return Key{}, fmt.Errorf("key %q: %w", id, fs.ErrNotExist)
	case 1:
		return found[0], nil
	}
	return Key{}, fmt.Errorf("key %q is ambiguous: %s, %s", id, found[0].ID, found[1].ID)
}

// AddPassphrase adds a passphrase that opens the vault. No data is touched.
func (v *Vault) AddPassphrase(ctx context.Context, passphrase []byte, label string) (Key, error) {
	k, err := v.addPassphrase(ctx, passphrase, label)
	return publicKey(k), err
}

func (v *Vault) addPassphrase(ctx context.Context, passphrase []byte, label string) (object.Key, error) {
	return v.db.AddKey(ctx, passphrase, func(m seal.Master) (seal.Slot, error) {
		return seal.SealMaster(m, passphrase, v.opt.KDF, seal.Note{Created: v.opt.Now(), Label: label}, v.opt.Rand)
	})
}

// AddRecovery draws a recovery key, which opens the vault as long as its slot is there. It is kept nowhere else.
func (v *Vault) AddRecovery(ctx context.Context, label string) (Key, Recovery, error) {
	r, err := seal.NewRecovery(v.opt.Rand)
	if err != nil {
		return Key{}, r, err
	}
	k, err := v.db.AddKey(ctx, []byte(r.String()), func(m seal.Master) (seal.Slot, error) {
		return seal.SealRecovery(m, r, seal.Note{Created: v.opt.Now(), Label: label}, v.opt.Rand)
	})
	return publicKey(k), r, err
}

// Protect makes the vault open with a passphrase: it adds it, and when that was read back from the store and
// has opened, it removes the key beside the data, or the passphrase that the vault was opened with. No data is
// touched. Other passphrases and recovery keys stay. After an error the vault opens as before, and perhaps
// with the new passphrase as well.
func (v *Vault) Protect(ctx context.Context, passphrase []byte, label string) (added Key, removed []Key, err error) {
	before, err := v.db.ListKeys(ctx)
	if err != nil {
		return Key{}, nil, err
	}
	var ids []string
	for _, k := range before {
		replaced := k.Used && k.Slot.Kind == seal.SlotPassphrase
		if replaced && label == "" {
			label = k.Slot.Label
		}
		if replaced || k.Slot.Kind == seal.SlotStored {
			ids = append(ids, k.ID)
			removed = append(removed, publicKey(k))
		}
	}
	k, err := v.addPassphrase(ctx, passphrase, label)
	if err != nil {
		return Key{}, nil, err
	}
	if err := upkeep.RemoveKeys(ctx, v.db, ids...); err != nil {
		return publicKey(k), nil, fmt.Errorf("the new passphrase opens the vault, and so does the old key: %w", err)
	}
	v.db.UseKey(k)
	added = publicKey(k)
	added.Used = true
	return added, removed, nil
}

// RemoveKey removes the key of an id, so that it opens the vault no longer. It is ErrLastKey if no other is
// known to open it.
func (v *Vault) RemoveKey(ctx context.Context, id string) error {
	return upkeep.RemoveKeys(ctx, v.db, id)
}

// KeyToken returns what opens the vault again without its passphrase, through Options.Recall: a key of the
// slot that it was opened with, and so of no use without that. It is nil where no secret was needed.
func (v *Vault) KeyToken() []byte { return v.db.Token() }
