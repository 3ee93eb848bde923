package object_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"varve/internal/object"
	"varve/internal/seal"
	"varve/store"
)

func cheapKDF() seal.Params { return seal.Params{Time: 1, Memory: 64, Threads: 1} }

func withPassphrase(m seal.Master, passphrase string, db *object.DB) (seal.Slot, error) {
	return seal.SealMaster(m, []byte(passphrase), cheapKDF(), seal.Note{Created: db.Now()}, db.Rand())
}

func addPassphrase(t *testing.T, db *object.DB, passphrase string) object.Key {
	t.Helper()
	k, err := db.AddKey(t.Context(), []byte(passphrase), func(m seal.Master) (seal.Slot, error) { return withPassphrase(m, passphrase, db) })
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// TestCreateWithPassphrase: the key of a vault so made never lies beside the data, also where another making
// that was cut short has left one there.
func TestCreateWithPassphrase(t *testing.T) {
	m := store.NewMemory()
	if _, err := object.Create(t.Context(), &logged{Store: m, before: func(op string) error {
		if strings.Contains(op, "config") {
			return errors.New("cut short")
		}
		return nil
	}}, true, options(1)); err == nil {
		t.Fatal("made")
	}
	if len(names(t, m, "keys/")) != 1 {
		t.Fatalf("left: %v", names(t, m, "keys/"))
	}
	opt := options(2)
	opt.Passphrase, opt.KDF = []byte("open sesame"), cheapKDF()
	db, err := object.Create(t.Context(), m, true, opt)
	if err != nil || db.KeyStored() {
		t.Fatalf("%v, stored %v", err, db.KeyStored())
	}
	if _, err := object.Open(t.Context(), m, nil, options(3)); !errors.Is(err, seal.ErrWrongKey) {
		t.Errorf("without the passphrase: %v", err)
	}
	again, err := object.Open(t.Context(), m, func() ([]byte, error) { return []byte("open sesame"), nil }, options(3))
	if err != nil || again.KeyStored() {
		t.Fatal(err)
	}
	ours := 0
	keys, err := again.ListKeys(t.Context())
	for _, k := range keys {
		if k.Ours {
			ours++
		}
		if k.Ours != (k.Err() == nil) || k.Used != k.Ours {
			t.Errorf("%s: ours %v, used %v, %v", k.Slot.Kind, k.Ours, k.Used, k.Err())
		}
	}
	if err != nil || len(keys) != 2 || ours != 1 {
		t.Errorf("%d keys, %d of this vault, %v", len(keys), ours, err)
	}
}

// TestToken: a vault opens again with the token of its slot, without the passphrase; not with that of another
// vault, and not after the slot is gone.
func TestToken(t *testing.T) {
	m := store.NewMemory()
	opt := options(1)
	opt.Passphrase, opt.KDF = []byte("open sesame"), cheapKDF()
	db, err := object.Create(t.Context(), m, true, opt)
	if err != nil {
		t.Fatal(err)
	}
	token := db.Token()
	stored := create(t, store.NewMemory())
	if len(token) != 48 || stored.Token() != nil {
		t.Fatalf("tokens of %d and %d bytes", len(token), len(stored.Token()))
	}
	recall := func(token []byte) error {
		opt := options(3)
		opt.Recall = func(id [16]byte) []byte {
			if id != db.Vault() {
				t.Errorf("asked for the token of vault %x", id)
			}
			return token
		}
		again, err := object.Open(t.Context(), m, nil, opt)
		if err == nil && !bytes.Equal(again.Token(), token) {
			t.Error("the token of a vault that one has opened is another")
		}
		return err
	}
	if err := recall(token); err != nil {
		t.Error(err)
	}
	other := store.NewMemory()
	opt = options(7)
	opt.Passphrase, opt.KDF = []byte("open sesame"), cheapKDF()
	strange, err := object.Create(t.Context(), other, true, opt)
	if err != nil {
		t.Fatal(err)
	}
	mixed := append(bytes.Clone(token[:16]), strange.Token()[16:]...)
	for name, bad := range map[string][]byte{"none": nil, "short": token[:47], "of another vault": strange.Token(), "mixed": mixed} {
		if err := recall(bad); !errors.Is(err, seal.ErrWrongKey) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The slot of another vault under this one's name opens, and its key does not fit config.
	b, err := other.Get(t.Context(), names(t, other, "keys/")[0], 0, -1, nil)
	if err != nil {
		t.Fatal(err)
	}
	alter(t, m, "keys/"+strange.Opened().ID, func([]byte) []byte { return b })
	if err := recall(strange.Token()); !errors.Is(err, seal.ErrWrongKey) {
		t.Errorf("slot and token of another vault: %v", err)
	}
	alter(t, m, "keys/"+db.Opened().ID, gone)
	if err := recall(token); err == nil {
		t.Error("the token outlives its slot")
	}
}

// TestAddKeyReadsBack: a store that keeps something else than the slot is found out before the slot counts.
func TestAddKeyReadsBack(t *testing.T) {
	m := store.NewMemory()
	db := create(t, m)
	if k := addPassphrase(t, db, "first"); !k.Ours || k.Slot.Kind != seal.SlotPassphrase {
		t.Errorf("%+v", k)
	}
	wrong := func(m seal.Master) (seal.Slot, error) { return withPassphrase(m, "another", db) }
	if _, err := db.AddKey(t.Context(), []byte("first"), wrong); !errors.Is(err, seal.ErrWrongKey) {
		t.Errorf("a slot of another passphrase: %v", err)
	}
	stranger := func(seal.Master) (seal.Slot, error) { return withPassphrase(seal.Master{1}, "first", db) }
	if _, err := db.AddKey(t.Context(), []byte("first"), stranger); !errors.Is(err, object.ErrDamaged) {
		t.Errorf("a slot of another master key: %v", err)
	}
}
