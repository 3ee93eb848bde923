package seal

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/klauspost/compress/huff0"
)

// The codes are those of huff0, bit for bit.
func TestHuffmanIsThatOfHuff0(t *testing.T) {
	r := rand.New(seeded(3))
	var h huffman
	for _, n := range []int{64, 65, 66, 67, 68, 69, 70, 71, 1000, 4099, 64 << 10, 1<<17 - 1, 1 << 17} {
		for values := 2; values <= 256; values += 1 + values/3 {
			for _, skew := range []float64{0, 1, 6} {
				run := make([]byte, n)
				for i := range run {
					x := r.Float64()
					for k := 0.0; k < skew; k++ {
						x *= r.Float64()
					}
					run[i] = byte(255 - int(x*float64(values)))
				}
				var hist [256]uint32
				countBytes(&hist, run)
				for b, c := range hist {
					if int(c) != bytes.Count(run, []byte{byte(b)}) {
						t.Fatalf("%d bytes: %d of %d counted", n, c, b)
					}
				}
				s := huff0.Scratch{TableLog: runTableLog, Reuse: huff0.ReusePolicyNone}
				want, _, err := huff0.Compress4X(run, &s)
				got, ok := h.appendRun([]byte("dst"), run, &hist, len(run))
				if string(got[:3]) != "dst" || !ok && len(got) != 3 {
					t.Fatalf("%d bytes of %d values: dst is %q", n, values, got)
				}
				if err == nil && (!ok || !bytes.Equal(got[3:], want)) {
					t.Fatalf("%d bytes of %d values, skew %g: %d bytes, %t; huff0 makes %d", n, values, skew, len(got)-3, ok, len(want))
				}
			}
		}
	}
}

func BenchmarkHuffman(b *testing.B) {
	base := weights(256<<10, 2)
	diff, err := Difference(nil, moved(base, 2, 2e-5), base, 2)
	if err != nil {
		b.Fatal(err)
	}
	planes := make([]byte, len(diff))
	gather(planes, diff, 2, len(diff)/2)
	run := planes[:1<<17]
	var h huffman
	var out []byte
	var hist [256]uint32
	s := huff0.Scratch{TableLog: runTableLog, Reuse: huff0.ReusePolicyNone}
	for _, v := range []struct {
		name string
		step func()
	}{
		{"huff0", func() { _, _, _ = huff0.Compress4X(run, &s) }},
		{"count", func() { countBytes(&hist, run) }},
		{"build", func() { h.build(&hist) }},
		{"all", func() {
			countBytes(&hist, run)
			out, _ = h.appendRun(out[:0], run, &hist, len(run))
		}},
	} {
		b.Run(v.name, func(b *testing.B) {
			b.SetBytes(int64(len(run)))
			for b.Loop() {
				v.step()
			}
		})
	}
}
