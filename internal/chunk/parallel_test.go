package chunk

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// parallel cuts data in shards of the given size and returns the pieces with
// stream offsets.
func parallel(table *Table, class Class, seams []Seam, data []byte, shard int64, workers int) ([]Piece, error) {
	f := file{table: table, class: class, seams: seams, r: bytes.NewReader(data), size: int64(len(data)), shard: shard}
	var out []Piece
	err := f.cut(context.Background(), workers, func(off int64, p []Piece) error {
		for _, p := range p {
			p.Off += int(off)
			out = append(out, p)
		}
		return nil
	})
	return out, err
}

func TestParallelIsSerial(t *testing.T) {
	table := NewTable([32]byte{9})
	rapid.Check(t, func(t *rapid.T) {
		data, class, seams := stream(t)
		want, _ := table.Cutter(class, seams).Feed(nil, data, true)
		shard := rapid.SampledFrom([]int64{50_000, 64 << 10, 100_001, 256 << 10}).Draw(t, "shard")
		got, err := parallel(table, class, seams, data, shard, rapid.IntRange(1, 3).Draw(t, "workers"))
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(got, want); d != "" {
			t.Fatalf("%v %v, shards of %d: %s", class, seams, shard, d)
		}
	})
}

func TestParallelAcrossBorders(t *testing.T) {
	table := NewTable([32]byte{9})
	const shard = 1 << 20
	quiet := random(3, 8*shard)
	clear(quiet[shard-5000 : shard+5000])      // a run over a border
	clear(quiet[2*shard : 2*shard+9000])       // one that begins there
	clear(quiet[3*shard-9000 : 3*shard])       // one that ends there
	clear(quiet[4*shard-100 : 4*shard+4000])   // one with most of it behind
	clear(quiet[5*shard-10 : 7*shard+200_000]) // one longer than two shards
	seams := []Seam{{shard - 500, Small}, {shard + 1, Medium}, {4 * shard, Medium}, {6*shard + 77, Fixed64K}}
	for _, class := range allClasses {
		for _, s := range [][]Seam{nil, seams} {
			want := feed(t, table.Cutter(class, s), quiet)
			got, err := parallel(table, class, s, quiet, shard, 2)
			if err != nil {
				t.Fatal(err)
			}
			if d := diff(got, want); d != "" {
				t.Errorf("%v, %d seams: %s", class, len(s), d)
			}
		}
	}
}

// counting counts the bytes read.
type counting struct {
	io.ReaderAt
	n atomic.Int64
}

func (c *counting) ReadAt(b []byte, off int64) (int, error) {
	c.n.Add(int64(len(b)))
	return c.ReaderAt.ReadAt(b, off)
}

// Without places that meet, join would read all shards once more.
func TestParallelMeetsSoon(t *testing.T) {
	table := NewTable([32]byte{9})
	for name, data := range map[string][]byte{"random": random(5, 64<<20), "zeros": append(random(1, 1001), make([]byte, 64<<20)...)} {
		r := &counting{ReaderAt: bytes.NewReader(data)}
		f := file{table: table, class: Medium, r: r, size: int64(len(data)), shard: 8 << 20}
		total := 0
		if err := f.cut(t.Context(), 2, func(_ int64, p []Piece) error {
			for _, p := range p {
				total += p.Len
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if total != len(data) {
			t.Errorf("%s: %d bytes cut of %d", name, total, len(data))
		}
		if n := r.n.Load(); n > int64(len(data))*3/2 {
			t.Errorf("%s: %d bytes read to cut %d", name, n, len(data))
		}
	}
}

func TestParallelErrors(t *testing.T) {
	table := NewTable([32]byte{9})
	data := random(1, 3<<20)
	none := func(int64, []Piece) error { return nil }

	err := table.Parallel(t.Context(), Medium, nil, bytes.NewReader(data), int64(len(data))+1, 2, none)
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("short file: %v", err)
	}
	stop := errors.New("stop")
	calls := 0
	f := file{table: table, class: Medium, r: bytes.NewReader(data), size: int64(len(data)), shard: 200 << 10}
	err = f.cut(t.Context(), 2, func(int64, []Piece) error { calls++; return stop })
	if !errors.Is(err, stop) || calls != 1 {
		t.Errorf("emit's error: %v after %d calls", err, calls)
	}
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(stop)
	if err = table.Parallel(ctx, Medium, nil, bytes.NewReader(data), int64(len(data)), 2, none); !errors.Is(err, stop) {
		t.Errorf("cancelled: %v", err)
	}
	ctx, done := context.WithTimeout(t.Context(), time.Hour)
	defer done()
	if err = table.Parallel(ctx, Medium, nil, bytes.NewReader(nil), 0, 0, none); err != nil {
		t.Errorf("empty: %v", err)
	}
}
