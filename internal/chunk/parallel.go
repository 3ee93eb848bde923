package chunk

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

const (
	shardSize  = 64 << 20  // bytes of a file that one goroutine cuts at a time
	bufferSize = 4 << 20   // holds Max+RunMin bytes of every class
	shardRead  = 1 << 20   // bytes read at a time to cut a shard
	joinRead   = 128 << 10 // bytes read at a time where shards meet
)

// Parallel cuts the file r of size bytes by workers goroutines, at least one. It
// calls emit, in order and from the calling goroutine only, with a stream offset
// and pieces relative to it, which emit may keep; together they are the pieces a
// Cutter with the same class and seams makes. Every byte is read about once, in
// requests of up to 1 MiB, workers × 4 MiB of buffers are held, and r must bear
// concurrent calls.
//
// It returns emit's first error, the first error of r with its offset, or the
// cause of ctx's end; a file shorter than size is io.ErrUnexpectedEOF. Pieces
// emitted before an error are right if the bytes were.
func (t *Table) Parallel(ctx context.Context, c Class, seams []Seam, r io.ReaderAt, size int64, workers int, emit func(off int64, p []Piece) error) error {
	f := file{table: t, class: c, seams: seams, r: r, size: size, shard: shardSize}
	return f.cut(ctx, max(workers, 1), emit)
}

// file is what Parallel cuts.
type file struct {
	table *Table
	class Class
	seams []Seam
	r     io.ReaderAt
	size  int64
	shard int64
}

// mark is a piece with the places it starts and ends at.
type mark struct {
	at, after place
	kind      Kind
	n         int
}

// cut has shards cut ahead by goroutines and joins them in order.
func (f *file) cut(ctx context.Context, workers int, emit func(int64, []Piece) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	tasks := make(chan task)
	ordered := make(chan task, workers) // its length bounds how far cutting runs ahead
	var g sync.WaitGroup
	g.Go(func() {
		defer close(tasks)
		defer close(ordered)
		for off := int64(0); off < f.size; off += f.shard {
			t := task{off, min(off+f.shard, f.size), make(chan []mark, 1)}
			if !send(ctx, ordered, t) || !send(ctx, tasks, t) {
				return
			}
		}
	})
	for range workers {
		g.Go(func() {
			in := f.source(shardRead)
			for t := range tasks {
				marks, err := in.marks(ctx, t.off, t.end)
				if err != nil {
					cancel(err)
					return
				}
				t.reply <- marks
			}
		})
	}
	err := f.join(ctx, ordered, emit)
	cancel(err)
	g.Wait()
	return err
}

// task asks for the pieces from off on, cut as though off were a cut, up to the
// first place that is not before end.
type task struct {
	off, end int64
	reply    chan []mark
}

// send reports whether it could send t before ctx ended.
func send(ctx context.Context, to chan<- task, t task) bool {
	select {
	case to <- t:
		return true
	case <-ctx.Done():
		return false
	}
}

// join makes one stream of what the tasks reply. Where a shard begins, the stream
// is usually cut elsewhere than the shard; join cuts on from the stream's place
// until it comes to a place of the shard, from where on both are the same.
func (f *file) join(ctx context.Context, ordered <-chan task, emit func(int64, []Piece) error) error {
	in := f.source(joinRead)
	var at place
	for t := range ordered {
		var marks []mark
		select {
		case marks = <-t.reply:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		base := at.pos
		pieces := make([]Piece, 0, len(marks))
		for cutting := false; at.pos < t.end; {
			for len(marks) > 0 && marks[0].at.pos < at.pos {
				marks = marks[1:]
			}
			if len(marks) > 0 && marks[0].at == at {
				for _, m := range marks {
					pieces = append(pieces, Piece{m.kind, int(m.at.pos - base), m.n})
				}
				at = marks[len(marks)-1].after
				break
			}
			if !cutting {
				in.seek(at)
				cutting = true
			}
			m, err := in.mark(ctx)
			if err != nil {
				return err
			}
			pieces = append(pieces, Piece{m.kind, int(m.at.pos - base), m.n})
			at = m.after
		}
		if len(pieces) == 0 {
			continue // the piece before covers the whole shard
		}
		if err := emit(base, pieces); err != nil {
			return err
		}
	}
	return context.Cause(ctx)
}

// source cuts a file from a place on.
type source struct {
	*file
	cutter *Cutter
	step   int    // bytes read at a time
	buf    []byte // bufferSize bytes, made when first needed
	b      []byte // the part of buf read and not yet cut
	read   int64  // stream offset behind b
}

func (f *file) source(step int) *source {
	return &source{file: f, cutter: f.table.Cutter(f.class, f.seams), step: step}
}

// seek moves to a place.
func (s *source) seek(at place) {
	s.cutter.Reset(s.class, s.seams)
	s.cutter.resume(at)
	s.b, s.read = s.buf[:0], at.pos
}

// marks cuts from off to the first place not before end.
func (s *source) marks(ctx context.Context, off, end int64) ([]mark, error) {
	s.seek(place{pos: off})
	var marks []mark
	for s.cutter.pos < end {
		m, err := s.mark(ctx)
		if err != nil {
			return nil, err
		}
		marks = append(marks, m)
	}
	return marks, nil
}

// mark cuts the next piece, of which there must be one.
func (s *source) mark(ctx context.Context) (mark, error) {
	for {
		at := s.cutter.place
		kind, n := s.cutter.next(s.b, s.read == s.size)
		if n > 0 {
			s.b = s.b[n:]
			return mark{at, s.cutter.place, kind, n}, nil
		}
		if err := s.fill(ctx); err != nil {
			return mark{}, err
		}
	}
}

// fill appends up to step bytes of the file to b. What mark leaves is less than
// Max+RunMin bytes, so that there is room.
func (s *source) fill(ctx context.Context) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if s.buf == nil {
		s.buf = make([]byte, bufferSize)
	}
	if cap(s.b)-len(s.b) < s.step {
		s.b = s.buf[:copy(s.buf, s.b)]
	}
	have := len(s.b)
	n := int(min(int64(s.step), s.size-s.read))
	s.b = s.b[:have+n]
	got, err := s.r.ReadAt(s.b[have:], s.read)
	if got < n {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return fmt.Errorf("reading %d bytes at %d: %w", n, s.read, err)
	}
	s.read += int64(n)
	return nil
}
