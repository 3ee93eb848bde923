package blend

import (
	"context"

	"github.com/klauspost/compress/zstd"

	"varve/format"
)

// layout is a body made anew: pieces of bodies, and new bytes, in order.
type layout struct {
	f      *file // whose body it is but for some pieces
	pieces []span
	dirty  bool // it is not just the body
}

// span is n bytes of from; of new bytes where from is nil.
type span struct {
	from   format.Input
	off, n int64
	new    []byte
}

// keep appends a piece of the body that is laid out.
func (l *layout) keep(off, n int64) { l.span(l.f.body, off, n) }

// take appends a piece of another body.
func (l *layout) take(from format.Input, off, n int64) {
	l.span(from, off, n)
	l.dirty = true
}

func (l *layout) span(from format.Input, off, n int64) {
	if n == 0 {
		return
	}
	if k := len(l.pieces) - 1; k >= 0 && l.pieces[k].from == from && l.pieces[k].off+l.pieces[k].n == off {
		l.pieces[k].n += n
		return
	}
	l.pieces = append(l.pieces, span{from: from, off: off, n: n})
}

// write appends new bytes.
func (l *layout) write(b []byte) {
	l.pieces = append(l.pieces, span{n: int64(len(b)), new: b})
	l.dirty = true
}

// output is the layout as a file: compressed by zstd if its file is, and of that the frames that stay are the same. What
// came in gzip is plain.
func (l *layout) output(ctx context.Context) (*format.Output, error) {
	out := new(format.Output)
	if !l.dirty {
		out.Span(l.f.in, 0, l.f.in.Size())
		return out, nil
	}
	if l.f.how == zstandard {
		return l.packed(ctx)
	}
	for _, p := range l.pieces {
		if p.from == nil {
			_, _ = out.Write(p.new)
		} else {
			out.Span(p.from, p.off, p.n)
		}
	}
	return out, nil
}

// packer writes frames.
type packer struct {
	enc     *zstd.Encoder
	out     *format.Output
	list    []frame
	pending []byte
}

// flush packs what is pending, if it is at least so much.
func (p *packer) flush(least int) {
	for len(p.pending) > 0 && len(p.pending) >= least {
		n := min(len(p.pending), frameLength)
		b := p.enc.EncodeAll(p.pending[:n], nil)
		_, _ = p.out.Write(b)
		p.list = append(p.list, frame{n: int64(len(b)), size: int64(n)})
		p.pending = append(p.pending[:0], p.pending[n:]...)
	}
}

func (l *layout) packed(ctx context.Context) (*format.Output, error) {
	enc, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderCRC(false), zstd.WithWindowSize(frameLength))
	if err != nil {
		return nil, err
	}
	old, _ := l.f.body.(*frames)
	p := &packer{enc: enc, out: new(format.Output)}
	for _, s := range l.pieces {
		if s.from == nil {
			s.from = format.Bytes(s.new)
		}
		for s.n > 0 {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			n := min(s.n, frameLength)
			if old != nil && s.from == l.f.body {
				i := old.find(s.off)
				k := old.list[i]
				if k.at == s.off && k.size <= s.n {
					p.flush(0)
					p.out.Span(l.f.in, k.off, k.n)
					p.list = append(p.list, frame{n: k.n, size: k.size})
					s.off, s.n = s.off+k.size, s.n-k.size
					continue
				}
				n = min(n, k.at+k.size-s.off)
			}
			b, err := format.ReadSpan(s.from, s.off, n, frameLength)
			if err != nil {
				return nil, err
			}
			p.pending = append(p.pending, b...)
			p.flush(frameLength)
			s.off, s.n = s.off+n, s.n-n
		}
	}
	p.flush(0)
	_, _ = p.out.Write(seekTable(p.list))
	return p.out, nil
}
