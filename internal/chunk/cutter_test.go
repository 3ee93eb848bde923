package chunk

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// feed cuts b in one call.
func feed(t testing.TB, k *Cutter, b []byte) []Piece {
	t.Helper()
	out, n := k.Feed(nil, b, true)
	if n != len(b) {
		t.Fatalf("last Feed used %d bytes of %d", n, len(b))
	}
	return out
}

// diff says where got and want part.
func diff(got, want []Piece) string {
	for i := range max(len(got), len(want)) {
		switch {
		case i >= len(got):
			return fmt.Sprintf("piece %d is missing, want %v", i, want[i])
		case i >= len(want):
			return fmt.Sprintf("piece %d is %v, want none", i, got[i])
		case got[i] != want[i]:
			return fmt.Sprintf("piece %d is %v, want %v", i, got[i], want[i])
		}
	}
	return ""
}

var allClasses = []Class{Whole, Medium, Large, Fixed64K, Fixed256K, Fixed1M, Small}

func TestFeedAgainstReference(t *testing.T) {
	table := NewTable([32]byte{7})
	ref := refOf(table)
	for _, in := range []struct {
		name string
		data []byte
	}{
		{"none", nil},
		{"random", random(2, 5<<19)},
		{"text", text(2, 3<<19)},
		{"sparse", sparse(2, 5<<19)},
		{"mixed", mixed(2, 2<<20)},
		{"mixed2", mixed(3, 2<<20+17)},
		{"zeros", make([]byte, 1<<20+11)},
	} {
		for _, class := range allClasses {
			got := feed(t, table.Cutter(class, nil), in.data)
			if d := diff(got, ref.pieces(class, nil, in.data)); d != "" {
				t.Errorf("%s, %v: %s", in.name, class, d)
			}
		}
	}
}

// stream draws bytes and seams; the seams may be out of order or order.
func stream(t *rapid.T) ([]byte, Class, []Seam) {
	// Ranges would be drawn from near their ends most of the time.
	size := rapid.SampledFrom([]int{0, 1500, SoleMax, 130 << 10, 300 << 10, 600 << 10}).Draw(t, "size")
	size = max(0, size+rapid.IntRange(-9, 9).Draw(t, "more"))
	seed := rapid.Uint64().Draw(t, "seed")
	data := rapid.SampledFrom([]func(uint64, int) []byte{random, text, sparse, mixed, mixed, mixed}).Draw(t, "kind")(seed, size)
	class := rapid.SampledFrom(allClasses).Draw(t, "class")
	var seams []Seam
	for range rapid.IntRange(0, 6).Draw(t, "seams") {
		off := int64(size)*rapid.SampledFrom([]int64{0, 1, 2, 3, 5, 7, 9, 12, 15, 16}).Draw(t, "seam")/16 + rapid.Int64Range(-5, 5).Draw(t, "more")
		seams = append(seams, Seam{off, rapid.SampledFrom(append(allClasses, 99)).Draw(t, "class")})
		if rapid.Bool().Draw(t, "near") {
			seams = append(seams, Seam{off + rapid.Int64Range(0, 1100).Draw(t, "by"), Medium})
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "sort") > 0 {
		slices.SortStableFunc(seams, func(a, b Seam) int { return int(a.Off - b.Off) })
	}
	return data, class, seams
}

func TestSeamsAgainstReference(t *testing.T) {
	table := NewTable([32]byte{7})
	ref := refOf(table)
	rapid.Check(t, func(t *rapid.T) {
		data, class, seams := stream(t)
		got, n := table.Cutter(class, seams).Feed(nil, data, true)
		if n != len(data) {
			t.Fatalf("used %d of %d", n, len(data))
		}
		if d := diff(got, ref.pieces(class, seams, data)); d != "" {
			t.Fatalf("%v %v: %s", class, seams, d)
		}
	})
}

func TestPiecesDoNotDependOnFeeding(t *testing.T) {
	table := NewTable([32]byte{8})
	k := table.Cutter(Medium, nil)
	rapid.Check(t, func(t *rapid.T) {
		data, class, seams := stream(t)
		want, _ := table.Cutter(class, seams).Feed(nil, data, true)
		k.Reset(class, seams)
		most := 0
		for _, s := range append(seams, Seam{0, class}) {
			if s.Class.Valid() {
				most = max(most, s.Class.Params().Max)
			}
		}
		var got []Piece
		done, have := 0, 0
		for done < len(data) {
			have = min(len(data), have+rapid.OneOf(rapid.IntRange(1, 100), rapid.IntRange(1, 100<<10), rapid.IntRange(1, 600<<10)).Draw(t, "more"))
			last := have == len(data) && rapid.Bool().Draw(t, "last")
			from := len(got)
			var n int
			got, n = k.Feed(got, data[done:have], last)
			for i := range got[from:] {
				got[from+i].Off += done
			}
			done += n
			if have-done >= most+RunMin {
				t.Fatalf("%d bytes kept back, most is %d", have-done, most)
			}
			if last && done != len(data) {
				t.Fatalf("last used %d of %d", done, len(data))
			}
		}
		if d := diff(got, want); d != "" {
			t.Fatalf("%v %v: %s", class, seams, d)
		}
	})
}

func TestByteByByte(t *testing.T) {
	table := NewTable([32]byte{8})
	data := mixed(11, 200<<10)
	seams := []Seam{{5000, Small}, {5100, Small}, {120 << 10, Fixed64K}}
	want := feed(t, table.Cutter(Small, seams), data)
	k := table.Cutter(Small, seams)
	var got []Piece
	done := 0
	for have := 1; have <= len(data); have++ {
		from := len(got)
		var n int
		got, n = k.Feed(got, data[done:have], have == len(data))
		for i := range got[from:] {
			got[from+i].Off += done
		}
		done += n
	}
	if d := diff(got, want); d != "" {
		t.Error(d)
	}
}

func TestSoleStream(t *testing.T) {
	table := NewTable([32]byte{})
	for _, c := range []struct {
		name  string
		data  []byte
		seams []Seam
		want  []Piece
	}{
		{"tiny", make([]byte, 3), nil, []Piece{{Data, 0, 3}}},
		{"zeros", make([]byte, SoleMax), nil, []Piece{{Data, 0, SoleMax}}},
		{"class only", make([]byte, 9000), []Seam{{0, Small}}, []Piece{{Data, 0, 9000}}},
		{"seam at the end", make([]byte, 9000), []Seam{{9000, Small}}, []Piece{{Data, 0, 9000}}},
		{"zeros, longer", make([]byte, SoleMax+1), nil, []Piece{{Run, 0, SoleMax + 1}}},
		{"seam", make([]byte, 9000), []Seam{{4096, Small}}, []Piece{{Run, 0, 4096}, {Run, 4096, 4904}}},
		{"literals", make([]byte, 2000), []Seam{{1023, Small}, {1023, Medium}}, []Piece{{Literal, 0, 1023}, {Literal, 1023, 977}}},
		{"one below", make([]byte, 2048), []Seam{{1024, Medium}}, []Piece{{Data, 0, 1024}, {Data, 1024, 1024}}},
	} {
		if d := diff(feed(t, table.Cutter(Small, c.seams), c.data), c.want); d != "" {
			t.Errorf("%s: %s", c.name, d)
		}
	}
}

func TestRunEndsAreExact(t *testing.T) {
	table := NewTable([32]byte{1})
	for _, n := range []int{RunMin - 1, RunMin, RunMin + 1, RunMin + 31, RunMin + 2049, 3*RunSplit + 5} {
		for _, at := range []int{0, 1, 255, 70001, 4*RunSplit - 10, 4*RunSplit - 24} {
			data := random(uint64(n+at), at+n+100<<10)
			for i := at + RunPeriod; i < at+n; i++ {
				data[i] = data[i-RunPeriod]
			}
			// Neither end may carry on by chance.
			data[at+n] = data[at+n-RunPeriod] ^ 1
			if at > 0 {
				data[at-1] = data[at-1+RunPeriod] ^ 1
			}
			length, start := 0, -1
			var pattern [RunPeriod]byte
			for _, p := range feed(t, table.Cutter(Medium, nil), data) {
				if p.Kind != Run {
					continue
				}
				if p.Len < RunPeriod {
					t.Fatalf("run piece of %d bytes", p.Len)
				}
				next := [RunPeriod]byte(data[p.Off:])
				if start < 0 {
					start, pattern = p.Off, next
				} else if p.Off != start+length || !Continues(pattern, int64(length), next) {
					t.Fatalf("run of %d at %d: piece %v does not continue it", n, at, p)
				}
				length += p.Len
			}
			want, wantStart := n, at
			if n < RunMin {
				want, wantStart = 0, -1
			}
			if length != want || start != wantStart {
				t.Errorf("run of %d at %d: got %d at %d", n, at, length, start)
			}
		}
	}
}

// A run that starts in the last chunk's reach but is not yet seen to be one must
// be waited for.
func TestRunSeenInPart(t *testing.T) {
	table := NewTable([32]byte{1})
	for _, class := range []Class{Small, Medium, Large} {
		most := class.Params().Max
		data := make([]byte, most-1000, most+100<<10)
		pattern := random(1, 25) // not a run's period, and without a cut
		for i := range data {
			data[i] = pattern[i%len(pattern)]
		}
		data = append(data, make([]byte, 50<<10)...)
		want := refOf(table).pieces(class, nil, data)
		if want[0] != (Piece{Data, 0, most - 1000}) {
			t.Fatalf("%v: the test's data are cut at %v", class, want[0])
		}
		for seen := most - 5; seen < most+RunMin; seen += 101 {
			k := table.Cutter(class, nil)
			got, n := k.Feed(nil, data[:seen], false)
			rest, _ := k.Feed(nil, data[n:], true)
			for _, p := range rest {
				p.Off += n
				got = append(got, p)
			}
			if d := diff(got, want); d != "" {
				t.Fatalf("%v, %d bytes seen: %s", class, seen, d)
			}
		}
	}
}

func TestContinues(t *testing.T) {
	data := make([]byte, 200)
	for i := range data {
		data[i] = byte(i % RunPeriod)
	}
	pattern := [RunPeriod]byte(data)
	for n := range 100 {
		for m := range 100 {
			got := Continues(pattern, int64(n), [RunPeriod]byte(data[m:]))
			if want := n%RunPeriod == m%RunPeriod; got != want {
				t.Fatalf("after %d bytes, phase %d: %v", n, m, got)
			}
		}
	}
}

func TestResetDoesNotAllocate(t *testing.T) {
	table := NewTable([32]byte{1})
	data := mixed(1, 1<<20)
	seams := []Seam{{300 << 10, Small}, {500 << 10, Fixed64K}}
	k := table.Cutter(Medium, seams)
	dst := make([]Piece, 0, 4096)
	if n := testing.AllocsPerRun(5, func() {
		k.Reset(Medium, seams)
		dst, _ = k.Feed(dst[:0], data, true)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzFeed(f *testing.F) {
	f.Add([]byte("some text"), uint8(1), uint16(3), uint16(5), uint16(200))
	f.Add(make([]byte, 5000), uint8(6), uint16(100), uint16(4500), uint16(4096))
	f.Add(random(1, 3000), uint8(3), uint16(1024), uint16(2050), uint16(1000))
	f.Add(mixed(5, 20000), uint8(6), uint16(0), uint16(19000), uint16(7000))
	table := NewTable([32]byte{1})
	f.Fuzz(func(t *testing.T, data []byte, class uint8, seam1, seam2, step uint16) {
		c := Class(class % 7)
		// The input is repeated so that short ones reach past SoleMax.
		for n := len(data); len(data) > 0 && len(data) < 80<<10 && class >= 128; {
			data = append(data, data[:n]...)
		}
		seams := []Seam{{int64(seam1), Small}, {int64(seam2), c}}
		k := table.Cutter(c, seams)
		var got []Piece
		done := 0
		for have := 0; done < len(data); {
			have = min(len(data), have+1+int(step))
			from := len(got)
			var n int
			got, n = k.Feed(got, data[done:have], have == len(data))
			for i := range got[from:] {
				got[from+i].Off += done
			}
			done += n
		}
		off := 0
		for _, p := range got {
			if p.Off != off || p.Len <= 0 {
				t.Fatalf("piece %v at %d", p, off)
			}
			for _, s := range seams {
				if seam2 >= seam1 && off < int(s.Off) && int(s.Off) < off+p.Len {
					t.Fatalf("piece %v reaches over the seam at %d", p, s.Off)
				}
			}
			most := max(c.Params().Max, Small.Params().Max)
			switch p.Kind {
			case Data:
			case Literal:
				most = LiteralMax - 1
			case Run:
				if p.Len < RunPeriod || periodic(data[off:off+p.Len]) != p.Len {
					t.Fatalf("piece %v is no run", p)
				}
				most = max(most, RunSplit+2*RunPeriod)
			}
			if p.Len > most {
				t.Fatalf("piece %v is longer than %d", p, most)
			}
			off += p.Len
		}
		if off != len(data) {
			t.Fatalf("pieces end at %d of %d", off, len(data))
		}
		if d := diff(got, refOf(table).pieces(c, seams, data)); d != "" {
			t.Fatal(d)
		}
	})
}
