package object

import (
	"context"
	"sync"

	"varve/internal/digest"
	"varve/internal/pack"
	"varve/internal/seal"
)

// Stream is a class of chunks that are compressed together.
type Stream uint8

// The streams. Chunks of one stream share blocks; what is alike compresses better together.
const (
	Content Stream = iota // the first of ContentKinds streams of file content, by kind of file

	ContentKinds = 8
)

// The other streams.
const (
	Dense  Stream = ContentKinds + iota // file content that is compressed already
	Delta                               // window deltas
	Typed2                              // elements of 2 bytes
	Typed4                              // and of 4
	Diff2                               // their differences from a base
	Diff4
	Pages   // pages of trees
	Recipes // pages of recipes and lists of changes
	streams
)

const (
	blockTarget  = 256 << 10 // raw bytes of a block
	blockEntries = 1 << 14   // a place in the index has 14 bits
)

// A Writer puts objects into a session's blocks. It belongs to one goroutine.
type Writer struct {
	s     *Session
	draft *Draft // instead of s
	hash  *digest.Hasher
	enc   *seal.Encoder
	level seal.Level
	open  [streams]block
	sums  func(diff, base, plain []byte) bool // seal.Sums; a test has it find a fault

	stored, other []byte // of the block flushed last
}

type block struct {
	raw     []byte
	entries []pack.Entry

	flushed int  // blocks so far
	harder  bool // the last trial of both levels spoke for the harder one
}

// Every trialEvery-th block of a stream is compressed at both levels, and the harder one is used until the
// next trial if it saves at least one part in trialGain.
const (
	trialEvery = 12
	trialGain  = 25
)

// A Draft collects pages in memory instead of a vault, to describe a folder without keeping it. It is
// safe for concurrent use.
type Draft struct {
	db    *DB
	mu    sync.Mutex
	pages map[digest.Digest][]byte
}

// NewDraft returns an empty Draft over db.
func (db *DB) NewDraft() *Draft { return &Draft{db: db, pages: map[digest.Digest][]byte{}} }

// Get returns a page of the draft, or an object of the vault through r.
func (f *Draft) Get(ctx context.Context, r *Reader, d digest.Digest) ([]byte, error) {
	f.mu.Lock()
	page := f.pages[d]
	f.mu.Unlock()
	if page != nil {
		return page, nil
	}
	return r.Get(ctx, d, nil)
}

// Writer returns a Writer that keeps pages in the draft and drops file content.
func (f *Draft) Writer() *Writer {
	return &Writer{draft: f, hash: digest.NewHasher(f.db.keys.ID)}
}

// Writer returns a new Writer of the session.
func (s *Session) Writer(level seal.Level) *Writer {
	return &Writer{s: s, hash: digest.NewHasher(s.db.keys.ID), enc: seal.NewEncoder(), level: level, sums: seal.Sums}
}

// Sum returns the digest of plain in this vault.
func (w *Writer) Sum(plain []byte) digest.Digest { return w.hash.Sum(plain) }

// Has reports whether the vault or this session has d already.
func (w *Writer) Has(ctx context.Context, d digest.Digest) (bool, error) {
	if w.draft != nil {
		have, _, err := w.draft.db.Has(ctx, d)
		return have, err
	}
	if w.s.live.Claimed(d) {
		return true, nil
	}
	have, _, err := w.s.db.Has(ctx, d)
	return have, err
}

// HasWhole reports whether the vault or this session has d already, and not as a delta only: it may be a base then.
// What the session stores as a delta must be asked for by nobody.
func (w *Writer) HasWhole(ctx context.Context, d digest.Digest) (bool, error) {
	have, delta, err := w.s.db.Has(ctx, d)
	return have && !delta || !have && w.s.live.Claimed(d), err
}

// Put stores plain unless the vault has it, and returns its digest.
func (w *Writer) Put(ctx context.Context, st Stream, plain []byte) (digest.Digest, error) {
	d := w.hash.Sum(plain)
	have, err := w.Has(ctx, d)
	if have || err != nil {
		return d, err
	}
	if w.draft != nil {
		w.draft.mu.Lock()
		w.draft.pages[d] = append([]byte(nil), plain...)
		w.draft.mu.Unlock()
		return d, nil
	}
	return d, w.Store(st, d, plain)
}

// Store stores plain, whose digest is d and which the vault does not have. Another goroutine may have
// stored it meanwhile.
func (w *Writer) Store(st Stream, d digest.Digest, plain []byte) error {
	if w.draft != nil || !w.s.live.Claim(d) {
		return nil
	}
	return w.append(st, plain, pack.Entry{Digest: d, Len: uint32(len(plain)), Plain: uint32(len(plain))})
}

// StoreDelta stores a window delta that makes the plain bytes of d from bases, each stored whole.
func (w *Writer) StoreDelta(d digest.Digest, plain int, payload []byte, bases []digest.Digest) error {
	if w.draft != nil || !w.s.live.Claim(d) {
		return nil
	}
	return w.append(Delta, payload, pack.Entry{Digest: d, Len: uint32(len(payload)), Plain: uint32(plain), Bases: bases})
}

// StoreTyped stores plain, of elements of width 2 or 4 bytes, as Store does.
func (w *Writer) StoreTyped(width int, d digest.Digest, plain []byte) error {
	return w.Store(typedStream(width), d, plain)
}

// typedStream returns the stream of elements of width bytes.
func typedStream(width int) Stream {
	switch width {
	case 2:
		return Typed2
	case 4:
		return Typed4
	}
	return Content
}

// StoreDiff stores plain as StoreTyped does, or as its difference from basePlain where that is smaller. The
// base is named base, and is stored whole.
func (w *Writer) StoreDiff(width int, d digest.Digest, plain []byte, base digest.Digest, basePlain []byte) error {
	if w.draft != nil {
		return nil
	}
	if !seal.DifferencePays(plain, basePlain, width) {
		return w.StoreTyped(width, d, plain)
	}
	if !w.s.live.Claim(d) {
		return nil
	}
	st := Diff2
	if width == 4 {
		st = Diff4
	}
	// It is made where it stays, and looked at there.
	b, err := w.room(st, len(plain)+seal.DifferenceHead)
	if err != nil {
		return err
	}
	start := len(b.raw)
	if b.raw, err = seal.Difference(b.raw, plain, basePlain, width); err != nil {
		return err
	}
	if !w.sums(b.raw[start:], basePlain, plain) {
		b.raw = b.raw[:start]
		return w.append(typedStream(width), plain, pack.Entry{Digest: d, Len: uint32(len(plain)), Plain: uint32(len(plain))})
	}
	b.entries = append(b.entries, pack.Entry{Digest: d, Len: uint32(len(b.raw) - start), Plain: uint32(len(plain)), Bases: []digest.Digest{base}})
	return nil
}

func (w *Writer) append(st Stream, raw []byte, e pack.Entry) error {
	b, err := w.room(st, len(raw))
	if err != nil {
		return err
	}
	b.raw = append(b.raw, raw...)
	b.entries = append(b.entries, e)
	return nil
}

// room returns the open block of a stream, which has room for one more entry of n bytes.
func (w *Writer) room(st Stream, n int) (*block, error) {
	b := &w.open[st]
	if len(b.raw) > 0 && (len(b.raw)+n > blockTarget || len(b.entries) >= blockEntries) {
		if err := w.flush(st); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// flush ends the open block of a stream.
func (w *Writer) flush(st Stream) error {
	b := &w.open[st]
	if len(b.entries) == 0 {
		return nil
	}
	kind := pack.Data
	if st >= Pages {
		kind = pack.Meta
	}
	codec, stored, err := w.compress(st, b)
	if err != nil {
		return err
	}
	if err := w.s.add(kind, codec, stored, len(b.raw), b.entries); err != nil {
		return err
	}
	b.raw, b.entries = b.raw[:0], b.entries[:0]
	return nil
}

// typeOf returns the codec and the width of a stream of typed bytes; width 0 for the others.
func typeOf(st Stream) (c seal.Codec, width uint8) {
	switch st {
	case Typed2:
		return seal.Planes, 2
	case Typed4:
		return seal.Planes, 4
	case Diff2:
		return seal.Subtract, 2
	case Diff4:
		return seal.Subtract, 4
	}
	return seal.Raw, 0
}

// Drafts reports whether the Writer drops file content.
func (w *Writer) Drafts() bool { return w.draft != nil }

// compress returns the stored form of a block, good until the next call.
func (w *Writer) compress(st Stream, b *block) (codec seal.Codec, stored []byte, err error) {
	if c, width := typeOf(st); width > 0 {
		codec, w.stored, err = w.enc.BlockTyped(w.stored[:0], b.raw, c, width)
		return codec, w.stored, err
	}
	level := w.level
	if w.level == seal.Fast && (st >= Pages || b.harder) {
		level = seal.Medium
	}
	trial := w.level == seal.Fast && st < Pages && b.flushed%trialEvery == 0
	b.flushed++
	if trial {
		level = seal.Fast
	}
	codec, stored, err = w.enc.Block(w.stored[:0], b.raw, level)
	w.stored = stored
	if err != nil || !trial {
		return codec, stored, err
	}
	b.harder = false
	if codec != seal.Zstd {
		return codec, stored, nil
	}
	hard, smaller, err := w.enc.Block(w.other[:0], b.raw, seal.Medium)
	w.other = smaller
	if err != nil || len(smaller) > len(stored)-len(stored)/trialGain {
		return codec, stored, err
	}
	b.harder = true
	return hard, smaller, nil
}

// Flush hands all begun blocks to the session.
func (w *Writer) Flush() error {
	if w.draft != nil {
		return nil
	}
	for st := range streams {
		if err := w.flush(st); err != nil {
			return err
		}
	}
	return nil
}
