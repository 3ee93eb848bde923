package varve_test

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"varve"
	"varve/internal/seal"
)

// keyAttacks are about what is read before there is a key.
func keyAttacks() (all []attack) {
	add := func(name string, want expect, is error, make func(*maker)) {
		all = append(all, attack{name: name, want: want, heavy: true, make: make, check: func(t *testing.T, v *victim) {
			if is != nil && !errors.Is(v.errs["open"], is) {
				t.Errorf("open: %v, want %v", v.errs["open"], is)
			}
		}})
	}
	config := func(name string, want expect, is error, change func(c map[string]any)) {
		add("config: "+name, want, is, func(m *maker) {
			var c map[string]any
			m.must(json.Unmarshal(m.get("config"), &c))
			change(c)
			b, err := json.Marshal(c)
			m.must(err)
			m.put("config", b)
		})
	}
	config("another mac", shut, varve.ErrDamaged, func(c map[string]any) { c["mac"] = strings.Repeat("0", 64) })
	config("no mac", shut, varve.ErrDamaged, func(c map[string]any) { delete(c, "mac") })
	config("a newer format", shut, varve.ErrNewer, func(c map[string]any) { c["format"] = 2 })
	config("format 0", shut, varve.ErrDamaged, func(c map[string]any) { c["format"] = 0 })
	config("format -1", shut, varve.ErrDamaged, func(c map[string]any) { c["format"] = -1 })
	config("format 2^70", shut, varve.ErrDamaged, func(c map[string]any) { c["format"] = 1e21 })
	config("exclusive", shut, varve.ErrDamaged, func(c map[string]any) { c["exclusive"] = true })
	config("no SHA-256", shut, varve.ErrDamaged, func(c map[string]any) { c["sha256"] = c["sha256"] == false })
	config("parity of 255", shut, varve.ErrDamaged, func(c map[string]any) { c["parity"] = 255 })
	config("other parity", shut, varve.ErrDamaged, func(c map[string]any) { c["parity"] = 9 })
	config("another vault's id", shut, varve.ErrDamaged, func(c map[string]any) { c["id"] = strings.Repeat("0", 32) })
	config("an id that leads out", shut, varve.ErrDamaged, func(c map[string]any) { c["id"] = "../../../../../../etc/passwd...." })
	config("another time", shut, varve.ErrDamaged, func(c map[string]any) { c["created"] = "2001-01-01T00:00:00Z" })
	config("more that is not known", harmless, nil, func(c map[string]any) { c["run"] = "rm -rf /" })
	for name, text := range map[string]string{"no JSON": "{", "deep": strings.Repeat("[", 60_000), "empty": "", "100 MiB": strings.Repeat(" ", 100<<20), "null": "null"} {
		add("config: "+name, shut, varve.ErrDamaged, func(m *maker) { m.put("config", []byte(text)) })
	}
	return append(all, slotAttacks()...)
}

// slotAttacks are key slots that cost more than a key.
func slotAttacks() (all []attack) {
	add := func(name string, want expect, make func(*maker, func() seal.Slot)) {
		all = append(all, attack{name: "slot: " + name, want: want, heavy: true, make: func(m *maker) {
			make(m, func() seal.Slot {
				s, err := seal.SealMaster(m.master(), []byte("a passphrase"), seal.Params{Time: 1, Memory: 64, Threads: 1}, seal.Note{Created: m.last.Time}, m.v.rig.rand)
				m.must(err)
				return s
			})
		}})
	}
	place := func(m *maker, s seal.Slot, alone bool) {
		b, err := json.Marshal(s)
		m.must(err)
		if alone {
			for _, n := range m.names("keys/") {
				m.must(m.store.Delete(m.ctx, n))
			}
		}
		m.put("keys/"+m.hexID(), b)
	}
	for name, p := range map[string]seal.Params{
		"4 TiB of memory": {Time: 1, Memory: 1<<32 - 1, Threads: 1}, "2^32 passes": {Time: 1<<32 - 1, Memory: 64, Threads: 1}, "2^32 lanes": {Time: 1, Memory: 64, Threads: 1<<32 - 1},
		"256 lanes": {Time: 1, Memory: 4096, Threads: 256}, "0 lanes": {Time: 1, Memory: 64}, "0 passes": {Memory: 64, Threads: 1}, "no memory": {Time: 1, Threads: 1},
		"4 GiB of memory and one": {Time: 1, Memory: 4<<20 + 1, Threads: 1}, "65 passes": {Time: 65, Memory: 64, Threads: 1},
	} {
		// The sum is nothing that needs a key, so it is right.
		add(name, shut, func(m *maker, slot func() seal.Slot) {
			s := slot()
			s.Argon2id.Params = p
			s.Sum = sumOf(s)
			place(m, s, true)
		})
		add(name+", beside the right one", noticed, func(m *maker, slot func() seal.Slot) {
			s := slot()
			s.Argon2id.Params = p
			s.Sum = sumOf(s)
			place(m, s, false)
		})
	}
	add("of another vault", noticed, func(m *maker, slot func() seal.Slot) {
		s := seal.StoredSlot(seal.Master{1}, m.last.Time)
		place(m, s, false)
	})
	add("of another vault alone", shut, func(m *maker, slot func() seal.Slot) { place(m, seal.StoredSlot(seal.Master{1}, m.last.Time), true) })
	add("a label of 60 KB", noticed, func(m *maker, slot func() seal.Slot) {
		s := slot()
		s.Label = longName(60_000)
		place(m, s, false)
	})
	add("a kind that is none", noticed, func(m *maker, slot func() seal.Slot) {
		s := slot()
		s.Kind = "\x1b[2J"
		place(m, s, false)
	})
	add("of 100 MiB", noticed, func(m *maker, _ func() seal.Slot) { m.put("keys/"+m.hexID(), make([]byte, 100<<20)) })
	add("deep", noticed, func(m *maker, _ func() seal.Slot) { m.put("keys/"+m.hexID(), []byte(strings.Repeat("[", 60_000))) })
	add("1001 of them", shut, func(m *maker, slot func() seal.Slot) {
		s := seal.StoredSlot(seal.Master{1}, m.last.Time)
		for range 1001 {
			place(m, s, false)
		}
	})
	add("none", shut, func(m *maker, _ func() seal.Slot) {
		for _, n := range m.names("keys/") {
			m.must(m.store.Delete(m.ctx, n))
		}
	})
	return all
}

// sumOf is the sum of a passphrase's slot, by the format's description.
func sumOf(s seal.Slot) []byte {
	b := append([]byte("varve/1 slot "+s.Kind), 0)
	b = append(b, s.Created...)
	for _, n := range []uint32{s.Argon2id.Time, s.Argon2id.Memory, s.Argon2id.Threads} {
		b = binary.LittleEndian.AppendUint32(b, n)
	}
	b = slices.Concat(b, s.Argon2id.Salt, []byte(s.Label), s.Commitment, s.Sealed)
	h := sha256.Sum256(b)
	return h[:16]
}
