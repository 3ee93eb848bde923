package varve_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"varve"
	"varve/internal/disk"
	"varve/store"
	"varve/store/storetest"
)

// BenchmarkDistant takes snapshots of a project of 10,000 files, of 10 and of 100 KiB on average, into a vault that is a
// round trip away: the first one, and the next after one file in a hundred changed. Each opens the vault, as a run of the
// program does. Compare the times of "local" with those of "50ms".
func BenchmarkDistant(b *testing.B) {
	for _, kib := range []int{10, 100} {
		for _, trip := range []time.Duration{0, 50 * time.Millisecond} {
			name := fmt.Sprintf("%dKiB/local", kib)
			if trip > 0 {
				name = fmt.Sprintf("%dKiB/%s", kib, trip)
			}
			b.Run(name+"/first", func(b *testing.B) { distant(b, kib, trip, false) })
			b.Run(name+"/next", func(b *testing.B) { distant(b, kib, trip, true) })
		}
	}
}

func distant(b *testing.B, kib int, trip time.Duration, next bool) {
	root := manyFiles(b, kib)
	requests := int64(0)
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		vault, cache := b.TempDir(), b.TempDir()
		open := func(create bool, trip time.Duration) (*varve.Project, *storetest.Distant) {
			d, err := disk.Open(vault)
			if err != nil {
				b.Fatal(err)
			}
			s := store.Store(store.NewFolder(d))
			away := &storetest.Distant{Store: s, RoundTrip: trip}
			if trip > 0 {
				s = away
			}
			c, err := disk.Open(cache)
			if err != nil {
				b.Fatal(err)
			}
			v, _, err := varve.OpenStore(b.Context(), s, create, varve.Options{Cache: c})
			if err != nil {
				b.Fatal(err)
			}
			r, err := disk.Open(root)
			if err != nil {
				b.Fatal(err)
			}
			p, err := v.Project(r, root)
			if err != nil {
				b.Fatal(err)
			}
			return p, away
		}
		p, _ := open(true, 0)
		if next {
			if _, err := p.Snap(b.Context(), varve.SnapOptions{}); err != nil {
				b.Fatal(err)
			}
			for n := range 100 {
				writeFile(b, filepath.Join(root, fmt.Sprintf("d%02d/f%02d", n, i%100)), uint64(1_000_000+i*1000+n), kib)
			}
			time.Sleep(50 * time.Millisecond) // else they count as changing
		}
		b.StartTimer()
		p, away := open(false, trip)
		if _, err := p.Snap(b.Context(), varve.SnapOptions{}); err != nil {
			b.Fatal(err)
		}
		requests += away.Requests.Load()
	}
	b.ReportMetric(float64(requests)/float64(b.N), "requests/op")
}

// manyFiles makes a project of 10,000 files in 100 folders, of so many KiB on average, half of it random.
func manyFiles(b *testing.B, kib int) string {
	root := b.TempDir()
	for d := range 100 {
		if err := os.Mkdir(filepath.Join(root, fmt.Sprintf("d%02d", d)), 0o755); err != nil {
			b.Fatal(err)
		}
		for f := range 100 {
			writeFile(b, filepath.Join(root, fmt.Sprintf("d%02d/f%02d", d, f)), uint64(d*100+f), kib)
		}
	}
	return root
}

func writeFile(b *testing.B, name string, seed uint64, kib int) {
	r := rand.New(rand.NewPCG(seed, 1))
	content := make([]byte, 1+r.IntN(2*kib<<10))
	for i := range content[:len(content)/2] {
		content[i] = byte(r.Uint32())
	}
	if err := os.WriteFile(name, content, 0o644); err != nil {
		b.Fatal(err)
	}
}
