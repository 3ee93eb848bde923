package chunk

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"
	"testing"
)

func TestFirstAgainstOneByteSteps(t *testing.T) {
	for key := range byte(3) {
		table := NewTable([32]byte{key})
		ref := refOf(table)
		for name, data := range map[string][]byte{
			"random": random(uint64(key), 3<<19), "text": text(uint64(key), 3<<19), "sparse": sparse(uint64(key), 1<<20),
		} {
			for _, class := range allClasses {
				// Odd starts and ends reach the tails of the unrolled loop.
				for b, i := data[key:], 0; len(b) > 0; i++ {
					n := ref.first(class, b)
					if got := table.First(class, b); got != n {
						t.Fatalf("%s, %v: %d, want %d", name, class, got, n)
					}
					if short := b[:n-n*i%7%n]; table.First(class, short) != len(short) {
						t.Fatalf("%s, %v: cut in a part of a chunk", name, class)
					}
					b = b[n:]
				}
			}
		}
	}
}

// The second table and the test between two bytes are all of the two-byte step.
func TestScanStopsAtEveryPlace(t *testing.T) {
	table := NewTable([32]byte{3})
	data := random(9, 64)
	for limit := uint64(1 << 63); limit > 1<<56; limit >>= 1 {
		for from := range len(data) {
			var h uint64
			want := 0
			for i, x := range data[from:] {
				h = h<<1 + table.one[x]
				if h < limit {
					want = i + 1
					break
				}
			}
			gotH, got := table.scan(0, data[from:], limit)
			if got != want || gotH != h {
				t.Fatalf("limit %x from %d: %d, want %d", limit, from, got, want)
			}
		}
	}
}

// What has been stored must be cut alike for ever.
func TestFrozen(t *testing.T) {
	table := NewTable([32]byte{0: 1, 31: 255})
	var raw []byte
	for _, x := range table.one {
		raw = binary.LittleEndian.AppendUint64(raw, x)
	}
	sum := func(b []byte) string { return fmt.Sprintf("%08x", crc32.ChecksumIEEE(b)) }
	// The stream: for i = 0, 1, 2, … below 2^20, the product of i|1 and the IEEE
	// CRC-32 of i, modulo 2^32, both as four little-endian bytes; 1 MiB of zeros.
	var data []byte
	for i := range uint32(1 << 20) {
		n := binary.LittleEndian.AppendUint32(nil, i)
		data = binary.LittleEndian.AppendUint32(data, crc32.ChecksumIEEE(n)*(i|1))
	}
	data = append(data, make([]byte, 1<<20)...)
	got := []string{sum(raw)}
	for _, class := range allClasses {
		var cuts []byte
		for _, p := range feed(t, table.Cutter(class, []Seam{{70001, class}}), data) {
			cuts = append(cuts, byte(p.Kind))
			cuts = binary.LittleEndian.AppendUint32(cuts, uint32(p.Len))
		}
		got = append(got, fmt.Sprint(class, " ", len(cuts)/5, " ", sum(cuts)))
	}
	want := []string{
		"12ec1f6c", "whole 6 1699f8a3", "medium 75 d8b50740", "large 25 6a1467ca", "fixed64k 81 a6098fda",
		"fixed256k 21 c21b745e", "fixed1m 6 1699f8a3", "small 251 07980d2e",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMeanSize(t *testing.T) {
	for _, class := range []Class{Small, Medium} {
		data := random(4, 1024*class.Params().Avg)
		n := len(feed(t, NewTable([32]byte{5}).Cutter(class, nil), data))
		ratio := float64(len(data)) / float64(n) / float64(class.Params().Avg)
		t.Logf("%v: mean %.3f Avg", class, ratio)
		if ratio < 1.08*0.95 || ratio > 1.08*1.05 {
			t.Errorf("%v: mean chunk is %.3f Avg, documented 1.08", class, ratio)
		}
	}
}

// chunks returns the content of the Data pieces of b with their sizes.
func chunks(t *testing.T, table *Table, class Class, b []byte) map[string]int {
	out := make(map[string]int)
	for _, p := range feed(t, table.Cutter(class, nil), b) {
		if p.Kind == Data {
			out[string(b[p.Off:p.Off+p.Len])] = p.Len
		}
	}
	return out
}

func TestEditsStayLocal(t *testing.T) {
	table := NewTable([32]byte{6})
	for name, old := range map[string][]byte{"random": random(6, 16<<20), "text": text(6, 16<<20)} {
		const edits = 64
		var edited []byte
		rest := old
		for i := range edits {
			// One edit in each 64th: replace, insert or delete up to 100 bytes.
			at := 1000 + int(random(uint64(i), 4)[0])*900
			n := 1 + int(random(uint64(i), 4)[1])%100
			edited = append(edited, rest[:at]...)
			if i%3 != 2 {
				edited = append(edited, random(uint64(i), n)...)
			}
			if i%3 != 1 {
				at += n
			}
			edited = append(edited, rest[at:len(old)/edits]...)
			rest = rest[len(old)/edits:]
		}
		had := chunks(t, table, Medium, old)
		lost := 0
		now := chunks(t, table, Medium, edited)
		for c, n := range now {
			if _, ok := had[c]; !ok {
				lost += n
			}
		}
		mean := float64(len(edited)) / float64(len(now))
		factor := float64(lost) / edits / mean
		t.Logf("%s: %.1f %% new, %.2f mean chunks an edit", name, 100*float64(lost)/float64(len(edited)), factor)
		if lost == 0 || factor > 1.6 {
			t.Errorf("%s: an edit makes %.2f mean chunks new, at most 1.6 should be", name, factor)
		}
	}
}

func TestKeysCutDifferently(t *testing.T) {
	data := random(7, 8<<20)
	ends := make(map[int]bool)
	for _, p := range feed(t, NewTable([32]byte{1}).Cutter(Medium, nil), data) {
		ends[p.Off+p.Len] = true
	}
	same, all := 0, 0
	for _, p := range feed(t, NewTable([32]byte{2}).Cutter(Medium, nil), data) {
		all++
		if ends[p.Off+p.Len] {
			same++
		}
	}
	if same > 3 || all < 50 {
		t.Errorf("%d of %d cuts are the same under another key", same, all)
	}
}

func TestClassFor(t *testing.T) {
	for _, c := range []struct {
		name string
		size int64
		want Class
	}{
		{"a.blend", 100 << 20, Medium},
		{"a.blend", 1<<30 - 1, Medium},
		{"a.blend", 1 << 30, Large},
		{"dir/a.MP4", 64<<20 + 1, Large},
		{"a.mp4", 64 << 20, Medium},
		{"a.tar.zst", 65 << 20, Large},
		{"dir.zip/a", 65 << 20, Medium},
		{"", 0, Medium},
	} {
		if got := ClassFor(c.name, c.size); got != c.want {
			t.Errorf("ClassFor(%q, %d) = %v, want %v", c.name, c.size, got, c.want)
		}
	}
}

func TestClassValues(t *testing.T) {
	for i := range 256 {
		c := Class(i)
		if got := c.Valid(); got != (i <= 6) {
			t.Errorf("Class(%d).Valid() = %v", i, got)
		}
	}
	if !slices.Equal(allClasses, []Class{0, 1, 2, 3, 4, 5, 6}) {
		t.Error("the value of a class has changed")
	}
}
