package object

import (
	"bytes"
	"context"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"varve/internal/seal"
	"varve/store"
)

// A difference that does not make its chunk is not kept, nor anything of it: the chunk is stored whole, and those
// before and after it in the block are what they were.
func TestFaultyDifferenceIsStoredWhole(t *testing.T) {
	ctx := context.Background()
	db, err := Create(ctx, store.NewMemory(), true, Options{Rand: rand.NewChaCha8([32]byte{1}), Now: func() time.Time { return time.Unix(1_800_000_000, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	const n = 16 << 10
	base := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(base)
	var plains [3][]byte
	for i := range plains {
		plains[i] = bytes.Clone(base)
		for at := 0; at < n; at += 4 {
			binary.LittleEndian.PutUint32(plains[i][at:], binary.LittleEndian.Uint32(base[at:])+uint32(i+at%3+1))
		}
	}
	var stored Stored
	err = db.Write(ctx, Who{Host: "test"}, func(ctx context.Context, s *Session) error {
		w := s.Writer(seal.Fast)
		w.sums = func(diff, base, plain []byte) bool {
			if bytes.Equal(plain, plains[1]) {
				diff[len(diff)/2] ^= 1
			}
			return seal.Sums(diff, base, plain)
		}
		d := w.Sum(base)
		if err := w.StoreTyped(4, d, base); err != nil {
			return err
		}
		for _, p := range plains {
			if err := w.StoreDiff(4, w.Sum(p), p, d, base); err != nil {
				return err
			}
		}
		if err := w.Flush(); err != nil {
			return err
		}
		if err := s.Flush(); err != nil {
			return err
		}
		stored = s.Stored()
		return s.Commit(ctx, []byte("manifest"))
	})
	if err != nil || stored.Chunks != 4 || stored.Deltas != 2 {
		t.Fatalf("%+v, %v", stored, err)
	}
	r := db.NewReader()
	for i, p := range plains {
		if got, err := r.Get(ctx, r.hash.Sum(p), nil); err != nil || !bytes.Equal(got, p) {
			t.Errorf("chunk %d: %d bytes back, %v", i, len(got), err)
		}
	}
}
