package index

import (
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"varve/internal/digest"
)

// bytes is the memory of the slots.
func (l *Live) bytes() int {
	n := 0
	for i := range l.shards {
		n += len(l.shards[i].slots) * int(unsafe.Sizeof(liveSlot{}))
	}
	return n
}

func TestLiveAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l, want, claimed := NewLive(), map[Prefix]Place{}, map[Prefix]bool{}
		// Few enough digests to meet again, and all in one shard, so that its table fills and empties.
		var pool []digest.Digest
		shard := rapid.Uint64Range(0, liveShards-1).Draw(t, "shard")
		for i := uint64(0); len(pool) < 60; i++ {
			var d digest.Digest
			binary.LittleEndian.PutUint64(d[8:], i)
			if p := PrefixOf(d); hashOf(&p)>>56 == shard {
				pool = append(pool, d)
			}
		}
		one := rapid.SampledFrom(pool)
		pending := func() (n int) {
			for p := range claimed {
				if _, ok := want[p]; !ok {
					n++
				}
			}
			return n
		}
		t.Repeat(map[string]func(*rapid.T){
			"claim": func(t *rapid.T) {
				for range 3 {
					d := one.Draw(t, "digest")
					if first := l.Claim(d); first == claimed[PrefixOf(d)] {
						t.Fatalf("claim of %v: %v", d, first)
					}
					claimed[PrefixOf(d)] = true
				}
			},
			"set": func(t *rapid.T) {
				d, at := one.Draw(t, "digest"), Place{Pack: packNamed(rapid.IntRange(0, 3).Draw(t, "pack")).ID,
					Block: rapid.Uint32().Draw(t, "block"), Place: rapid.Uint16().Draw(t, "place"), Flags: Delta}
				l.Set(d, at)
				want[PrefixOf(d)], claimed[PrefixOf(d)] = at, true
			},
			"forget": func(t *rapid.T) {
				d := one.Draw(t, "digest")
				l.Forget(d)
				delete(want, PrefixOf(d))
				delete(claimed, PrefixOf(d))
			},
			"": func(t *rapid.T) {
				for _, d := range pool {
					got, ok := l.Get(d)
					if at, set := want[PrefixOf(d)]; ok != set || got != at {
						t.Fatalf("get %v: %v %v, want %v %v", d, got, ok, at, set)
					}
				}
				if got := maps.Collect(l.Range()); !maps.Equal(got, want) {
					t.Fatalf("range %v, want %v", got, want)
				}
				if l.Len() != len(claimed) || l.Pending() != pending() {
					t.Fatalf("%d entries, %d pending, want %d, %d", l.Len(), l.Pending(), len(claimed), pending())
				}
			},
		})
	})
}

// TestClaimRace lets 16 goroutines want the same objects: each has one winner.
func TestClaimRace(t *testing.T) {
	const n, writers = 20000, 16
	_, ds := spread(1, n)
	l := NewLive()
	wins := make([]atomic.Int32, n)
	var wg sync.WaitGroup
	for g := range writers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 0))
			for _, i := range r.Perm(n) {
				if l.Claim(ds[i]) {
					wins[i].Add(1)
					l.Set(ds[i], Place{Pack: packNamed(i % 7).ID, Block: uint32(i)})
				}
				if at, ok := l.Get(ds[i]); ok && at.Block != uint32(i) {
					t.Errorf("place of %d is %v", i, at)
				}
			}
		})
	}
	wg.Wait()
	for i := range wins {
		if got := wins[i].Load(); got != 1 {
			t.Fatalf("object %d has %d winners", i, got)
		}
		if at, ok := l.Get(ds[i]); !ok || at.Pack != packNamed(i%7).ID {
			t.Fatalf("place of %d is %v %v", i, at, ok)
		}
	}
	if l.Len() != n || l.Pending() != 0 {
		t.Errorf("%d objects, %d pending", l.Len(), l.Pending())
	}
}

// TestLiveMemory bounds the bytes of an entry at many sizes, and the way a search goes.
func TestLiveMemory(t *testing.T) {
	const n = 120_000
	r := rand.New(rand.NewPCG(5, 0))
	l := NewLive()
	for i := 1; i <= n; i++ {
		l.Claim(randomDigest(r))
		if i >= 50_000 && i%10_000 == 0 && l.bytes() > 40*i {
			t.Fatalf("%d entries take %d bytes", i, l.bytes())
		}
	}
	away, used := 0, 0
	for i := range l.shards {
		s := &l.shards[i]
		for j := range s.slots {
			if s.slots[j].state != liveEmpty {
				used++
				away += s.away(j)
			}
		}
	}
	if mean := float64(away) / float64(used); used != n || mean > 5 {
		t.Errorf("%d entries, %.1f slots from home on average", used, mean)
	}
}

// TestLiveSkew fills a Live with prefixes that agree in all but a few bytes at either end.
func TestLiveSkew(t *testing.T) {
	for _, at := range []int{0, 4, 8, 12} {
		l := NewLive()
		for i := range uint32(30_000) {
			var d digest.Digest
			binary.LittleEndian.PutUint32(d[at:], i)
			if !l.Claim(d) {
				t.Fatalf("claim of %v lost", d)
			}
		}
		if l.bytes() > 40*30_000 {
			t.Errorf("bytes %d to %d: %d bytes for 30000 entries", at, at+3, l.bytes())
		}
		far := 0
		for i := range l.shards {
			s := &l.shards[i]
			for j := range s.slots {
				if s.slots[j].state != liveEmpty {
					far = max(far, s.away(j))
				}
			}
		}
		if far > 100 {
			t.Errorf("bytes %d to %d: an entry is %d slots from home", at, at+3, far)
		}
	}
}
