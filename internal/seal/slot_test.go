package seal

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"golang.org/x/crypto/argon2"
)

var (
	cheap = Params{Time: 1, Memory: 64, Threads: 2}
	made  = Note{Created: time.Unix(1_800_000_000, 0), Label: "studio"}
)

// dear is Argon2id at the costs of tests. At others it is free, and comes to nothing.
func dear(p []byte, k *SlotKDF) []byte {
	if k.Params != cheap {
		return make([]byte, 64)
	}
	return argon(p, k)
}

func passphraseSlot(t testing.TB, m Master) Slot {
	t.Helper()
	s, err := SealMaster(m, []byte("correct horse"), cheap, made, seeded(1))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var testRecovery = Recovery(randomBytes(8, 32))

func recoverySlot(t testing.TB, m Master) Slot {
	t.Helper()
	s, err := SealRecovery(m, testRecovery, made, seeded(2))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// secretOf is what opens the test's slots of each kind.
func secretOf(s Slot) []byte {
	if s.Kind == SlotRecovery {
		return []byte(testRecovery.String())
	}
	return []byte("correct horse")
}

func TestSlotRoundTripThroughJSON(t *testing.T) {
	m := Master(randomBytes(3, 32))
	for _, s := range []Slot{StoredSlot(m, made.Created), passphraseSlot(t, m), recoverySlot(t, m)} {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeSlot(b)
		if err != nil {
			t.Fatal(err)
		}
		got, err := back.Open(secretOf(s))
		if err != nil || got != m {
			t.Errorf("%s: %x, %v", s.Kind, got, err)
		}
		if s.NeedsSecret() != (s.Kind != "stored") {
			t.Errorf("%s: needs a secret: %t", s.Kind, s.NeedsSecret())
		}
	}
}

// The slot must open by the text of the format alone.
func TestPassphraseSlotBytes(t *testing.T) {
	m := Master(randomBytes(3, 32))
	s := passphraseSlot(t, m)
	bind := append([]byte("varve/1 slot passphrase\x002027-01-15T08:00:00Z\x01\x00\x00\x00\x40\x00\x00\x00\x02\x00\x00\x00"), append(bytes.Clone(s.Argon2id.Salt), "studio"...)...)
	okm := argon2.IDKey([]byte("correct horse"), s.Argon2id.Salt, 1, 64, 2, 64)
	if !bytes.Equal(okm[32:], s.Commitment) {
		t.Error("commitment differs")
	}
	plain, err := newGCM(okm[:32]).Open(nil, make([]byte, 12), s.Sealed, bind)
	if err != nil || Master(plain) != m {
		t.Errorf("sealed: %x, %v", plain, err)
	}
	sum := sha256.Sum256(append(append(bind, s.Commitment...), s.Sealed...))
	if !bytes.Equal(sum[:16], s.Sum) {
		t.Error("sum differs")
	}
	h := hmac.New(sha256.New, expand(extract(make([]byte, 32), m[:]), "varve/1 slots", 32))
	h.Write(append(append(bind, s.Commitment...), s.Sealed...))
	if !bytes.Equal(h.Sum(nil)[:16], s.Mac) {
		t.Error("mac differs")
	}
}

func TestSlotTellsWrongKeyFromDamage(t *testing.T) {
	s := passphraseSlot(t, Master{7})
	if _, err := s.Open([]byte("wrong horse")); !errors.Is(err, ErrWrongKey) {
		t.Errorf("wrong passphrase: %v", err)
	}
	if _, err := s.Open(nil); !errors.Is(err, ErrWrongKey) {
		t.Errorf("no passphrase: %v", err)
	}
	if d := passphraseSlot(t, Master{7}); !d.Of(Master{7}) || d.Of(Master{8}) {
		t.Error("whose slot it is")
	}
	for name, field := range map[string]func(*Slot) []byte{
		"salt":       func(s *Slot) []byte { return s.Argon2id.Salt },
		"commitment": func(s *Slot) []byte { return s.Commitment },
		"sealed":     func(s *Slot) []byte { return s.Sealed },
		"sum":        func(s *Slot) []byte { return s.Sum },
	} {
		for i := range field(&s) {
			d := passphraseSlot(t, Master{7})
			field(&d)[i] ^= 0x10
			if _, err := d.open([]byte("correct horse"), dear); !errors.Is(err, ErrDamaged) {
				t.Fatalf("%s byte %d: %v", name, i, err)
			}
		}
	}
	st := StoredSlot(Master{7}, made.Created)
	for i := range st.Master {
		st.Master[i] ^= 1
		if _, err := st.Open(nil); !errors.Is(err, ErrDamaged) {
			t.Fatalf("stored byte %d: %v", i, err)
		}
		st.Master[i] ^= 1
	}
}

// An attacker who can write slots recomputes the sum; then the commitment and the tag must both hold.
func TestSlotNeedsCommitmentAndTag(t *testing.T) {
	for name, change := range map[string]func(*Slot){
		"commitment": func(s *Slot) { s.Commitment[5] ^= 1 },
		"sealed":     func(s *Slot) { s.Sealed[5] ^= 1 },
	} {
		s := passphraseSlot(t, Master{7})
		change(&s)
		s.Sum = s.sum()
		if s.Of(Master{7}) {
			t.Errorf("%s: a slot that was changed passes for the vault's", name)
		}
		if _, err := s.Open([]byte("correct horse")); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSlotBounds(t *testing.T) {
	for _, p := range []Params{
		{Time: 0, Memory: 64, Threads: 1}, {Time: 65, Memory: 64, Threads: 1}, {Time: 1, Memory: 64, Threads: 0},
		{Time: 1, Memory: 4<<20 + 1, Threads: 1}, {Time: 1, Memory: 31, Threads: 4}, {Time: 1, Memory: 4096, Threads: 65},
		{Time: 1, Memory: 1 << 31, Threads: 1 << 29},
	} {
		if _, err := SealMaster(Master{}, []byte("x"), p, made, seeded(1)); !errors.Is(err, ErrUnsupported) {
			t.Errorf("seal %+v: %v", p, err)
		}
		s := passphraseSlot(t, Master{})
		s.Argon2id.Params = p
		s.Sum = s.sum()
		if _, err := s.Open([]byte("x")); !errors.Is(err, ErrUnsupported) {
			t.Errorf("open %+v: %v", p, err)
		}
	}
	if err := DefaultParams().check(); err != nil {
		t.Error(err)
	}
	if _, err := (Slot{Kind: "public"}).Open(nil); !errors.Is(err, ErrUnsupported) {
		t.Errorf("unknown kind: %v", err)
	}
	if _, err := SealMaster(Master{}, nil, cheap, made, seeded(1)); err == nil {
		t.Error("an empty passphrase was taken")
	}
	if _, err := SealMaster(Master{}, []byte("x"), cheap, made, bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error("a short random source was taken")
	}
}

func FuzzSlot(f *testing.F) {
	for _, s := range []Slot{StoredSlot(Master{1}, made.Created), passphraseSlot(f, Master{1}), recoverySlot(f, Master{1})} {
		b, err := json.Marshal(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := DecodeSlot(b)
		if err != nil || s.Argon2id != nil && (s.Argon2id.Memory > 1024 || s.Argon2id.Time > 2) {
			return
		}
		o, err := s.open([]byte("correct horse"), dear)
		if m := o.Master; err == nil && m != (Master{1}) && s.Kind != SlotStored {
			t.Fatalf("opened to %x", o.Master)
		}
	})
}

// TestDamageCostsAsMuch: whatever is wrong with slots, each that a passphrase could be meant for costs one run
// of Argon2id, and one whose costs cannot be trusted runs at those of new slots.
func TestDamageCostsAsMuch(t *testing.T) {
	sound := passphraseSlot(t, Master{7})
	flipped, hungry := passphraseSlot(t, Master{7}), passphraseSlot(t, Master{7})
	flipped.Sealed[5] ^= 1
	hungry.Argon2id.Memory = maxMemory // its sum does not hold
	for _, c := range []struct {
		name  string
		slots []Slot
		runs  []Params
	}{
		{"sound", []Slot{sound}, []Params{cheap}},
		{"flipped", []Slot{flipped}, []Params{DefaultParams()}},
		{"costs that nobody vouches for", []Slot{hungry}, []Params{DefaultParams()}},
		{"no slot at all", []Slot{{}}, []Params{DefaultParams()}},
		{"without its salt", []Slot{{Kind: SlotPassphrase}}, []Params{DefaultParams()}},
		{"both", []Slot{flipped, sound}, []Params{DefaultParams(), cheap}},
		{"recovery", []Slot{recoverySlot(t, Master{7})}, nil},
	} {
		var runs []Params
		count := func(p []byte, k *SlotKDF) []byte {
			runs = append(runs, k.Params)
			return dear(p, k)
		}
		o, err := openFirst(c.slots, []byte("wrong horse"), func(Master) bool { return true }, count)
		if err == nil || o.Slot != -1 {
			t.Errorf("%s: opened", c.name)
		}
		if !slices.Equal(runs, c.runs) {
			t.Errorf("%s: ran %+v, want %+v", c.name, runs, c.runs)
		}
	}
}

func TestOpenFirst(t *testing.T) {
	m, other := Master{7}, Master{8}
	stored, strange, pass, rec := StoredSlot(m, made.Created), StoredSlot(other, made.Created), passphraseSlot(t, m), recoverySlot(t, m)
	spoiled := recoverySlot(t, m)
	spoiled.Sealed[0] ^= 1
	typo := []byte(testRecovery.String())
	typo[len(typo)-1] = recoveryAlphabet[(bytes.IndexByte([]byte(recoveryAlphabet), typo[len(typo)-1])+1)%32]
	for _, c := range []struct {
		name   string
		slots  []Slot
		secret string
		want   int
		err    error
	}{
		{"stored before all", []Slot{pass, rec, stored}, "", 2, nil},
		{"stored of another making", []Slot{strange, pass}, "correct horse", 1, nil},
		{"passphrase", []Slot{rec, pass}, "correct horse", 1, nil},
		{"recovery", []Slot{pass, rec}, testRecovery.String(), 1, nil},
		{"recovery though damaged", []Slot{pass, spoiled, rec}, testRecovery.String(), 2, nil},
		{"nobody to ask", []Slot{pass}, "", -1, ErrWrongKey},
		{"nobody to ask, and damage", []Slot{{}, pass}, "", -1, ErrWrongKey},
		{"only damage", []Slot{{}}, "", -1, ErrDamaged},
		{"wrong", []Slot{pass, rec}, "wrong horse", -1, ErrWrongKey},
		{"wrong, beside damage", []Slot{{}, pass}, "wrong horse", -1, ErrWrongKey},
		{"damage", []Slot{spoiled}, testRecovery.String(), -1, ErrDamaged},
		{"of another vault", []Slot{strange}, "correct horse", -1, ErrDamaged},
		{"typing error", []Slot{rec}, string(typo), -1, ErrTyping},
		{"typing error where there is no kit", []Slot{pass}, string(typo), -1, ErrWrongKey},
		{"of a later kind", []Slot{{Kind: "public"}}, "correct horse", -1, ErrUnsupported},
	} {
		var secret []byte
		if c.secret != "" {
			secret = []byte(c.secret)
		}
		o, err := openFirst(c.slots, secret, func(got Master) bool { return got == m }, dear)
		if o.Slot != c.want || !errors.Is(err, c.err) || (err == nil) != (c.err == nil) {
			t.Errorf("%s: slot %d, %v; want %d, %v", c.name, o.Slot, err, c.want, c.err)
		}
		if err != nil {
			continue
		}
		again, err := c.slots[o.Slot].OpenWrapped(o.Wrap)
		if s := c.slots[o.Slot]; s.NeedsSecret() && (err != nil || again != m) {
			t.Errorf("%s: opened again: %v", c.name, err)
		}
	}
	if _, err := rec.OpenWrapped([32]byte{1}); !errors.Is(err, ErrWrongKey) {
		t.Errorf("another wrapping key: %v", err)
	}
}
