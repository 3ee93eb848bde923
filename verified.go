package varve

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"time"

	"varve/internal/disk"
)

// The file "verified-<vault>" in Options.Cache remembers when each pack was last read from end to end and found
// right, so that checks with a budget go round. Lost, the round begins anew. Little endian:
//
//	8  "varve-vd"
//	4  format 1
//	   per pack: 16 id, 8 seconds since 1970
//	4  CRC-32C of everything before it
const (
	verifiedMagic  = "varve-vd"
	verifiedFormat = 1
	verifiedHead   = len(verifiedMagic) + 4
	verifiedRow    = 16 + 8
	maxVerified    = 1 << 30
)

func (v *Vault) verifiedName() string { return "verified-" + v.ID()[:16] }

// readings returns when each pack was last read whole.
func (v *Vault) readings() map[[16]byte]time.Time {
	out := map[[16]byte]time.Time{}
	if v.opt.Cache == nil {
		return out
	}
	b, err := disk.ReadFile(v.opt.Cache, v.verifiedName(), maxVerified)
	if err != nil || len(b) < verifiedHead+4 || string(b[:8]) != verifiedMagic || binary.LittleEndian.Uint32(b[8:]) != verifiedFormat {
		return out
	}
	end := len(b) - 4
	if crc32.Checksum(b[:end], crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(b[end:]) {
		return out
	}
	for b = b[verifiedHead:end]; len(b) >= verifiedRow; b = b[verifiedRow:] {
		out[[16]byte(b)] = time.Unix(int64(binary.LittleEndian.Uint64(b[16:])), 0)
	}
	return out
}

// noteReadings adds the packs that were read now. Those that are gone are forgotten.
func (v *Vault) noteReadings(ctx context.Context, read [][16]byte) {
	if v.opt.Cache == nil || len(read) == 0 {
		return
	}
	all, now := v.readings(), v.opt.Now()
	for _, id := range read {
		all[id] = now
	}
	b := binary.LittleEndian.AppendUint32([]byte(verifiedMagic), verifiedFormat)
	for _, p := range v.packs(ctx) {
		if t, ok := all[p.id]; ok {
			b = binary.LittleEndian.AppendUint64(append(b, p.id[:]...), uint64(t.Unix()))
		}
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	if err := disk.WriteWhole(v.opt.Cache, v.verifiedName(), 0o600, b); err != nil && v.opt.Warn != nil {
		v.opt.Warn("verified", err)
	}
}

// packInfo is a pack that may be shared with.
type packInfo struct {
	id   [16]byte
	size int64
}

func (v *Vault) packs(ctx context.Context) (out []packInfo) {
	usable, err := v.db.Usable(ctx)
	if err != nil {
		return nil
	}
	seen := map[[16]byte]bool{}
	for _, s := range v.db.Segments() {
		for _, p := range s.Packs() {
			if id := [16]byte(p.ID); usable(id) && !seen[id] {
				seen[id] = true
				out = append(out, packInfo{id, p.Size})
			}
		}
	}
	return out
}

// VerifiedSince says how far checks have come on this machine: every byte of the vault was read and found right at
// since or later, but for so many unread bytes, most of them younger than the last check. ok is false if nothing was
// read yet, or nothing is known of it.
func (v *Vault) VerifiedSince(ctx context.Context) (since time.Time, unread int64, ok bool) {
	read := v.readings()
	for _, p := range v.packs(ctx) {
		t, was := read[p.id]
		switch {
		case !was:
			unread += p.size
		case !ok || t.Before(since):
			since, ok = t, true
		}
	}
	return since, unread, ok
}
