package varve

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"
	"sync"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/tree"
)

// File is a file of a snapshot, or of the project's folder, open for reading at any place: of one in the vault only
// the chunks that are asked for are read. ReadAt is safe for concurrent use.
type File struct {
	name    string // slash path in the project
	content string
	size    int64
	at      io.ReaderAt
	close   func() error
}

// Name returns the path in the project.
func (f *File) Name() string { return f.name }

// Size returns the length in bytes.
func (f *File) Size() int64 { return f.size }

// ReadAt is as of io.ReaderAt.
func (f *File) ReadAt(b []byte, off int64) (int, error) { return f.at.ReadAt(b, off) }

// Content names the file's content: files of one name have the same bytes. "" where it is not known without reading
// all of it.
func (f *File) Content() string { return f.content }

// Identity names n bytes from off without reading them: where two places of files of this vault have one identity, they
// have the same bytes. ok is false where that is not known.
func (f *File) Identity(off, n int64) (id string, ok bool) {
	p, ok := f.at.(*pieces)
	if !ok || off < 0 || n < 1 || n > f.size-off {
		return "", false
	}
	return p.identity(off, n)
}

// Close lets the file go.
func (f *File) Close() error { return f.close() }

// Open opens a file of a snapshot; of the project's folder if s is nil.
func (p *Project) Open(ctx context.Context, s *Snapshot, at string) (*File, error) {
	if s == nil {
		return p.openLive(at)
	}
	get := p.v.getter()
	e, err := p.v.find(ctx, get, s, at)
	if err != nil {
		return nil, err
	}
	if e.Type != disk.Regular {
		return nil, fmt.Errorf("%s in %s is a %s: %w", at, s.Ref(), typeName(e.Type), errors.ErrUnsupported)
	}
	return kept(ctx, get, cleanPath(at), e), nil
}

// Files yields all regular files of a snapshot, open for reading until the next one is asked for. It is the way to look
// into many: what files have in common is found once.
func (p *Project) Files(ctx context.Context, s *Snapshot) iter.Seq2[*File, error] {
	return func(yield func(*File, error) bool) {
		folders, get := p.v.getter(), p.v.getter()
		root, err := p.v.find(ctx, folders, s, "")
		if err != nil {
			yield(nil, err)
			return
		}
		folders = tree.Unrepeated(folders)
		p.filesIn(ctx, folders, get, "", tree.List(ctx, folders, root.Dir), yield)
	}
}

func (p *Project) filesIn(ctx context.Context, folders, get tree.Getter, at string, folder iter.Seq2[tree.Entry, error], yield func(*File, error) bool) bool {
	for e, err := range folder {
		if err != nil {
			yield(nil, err)
			return false
		}
		full := path.Join(at, e.Name)
		switch e.Type {
		case disk.Regular:
			if !yield(kept(ctx, get, full, e), nil) {
				return false
			}
		case disk.Directory:
			if !p.filesIn(ctx, folders, get, full, tree.Below(ctx, folders, &e), yield) {
				return false
			}
		}
	}
	return true
}

// kept is a file of a snapshot.
func kept(ctx context.Context, get tree.Getter, at string, e tree.Entry) *File {
	f := &File{name: at, size: e.Size, close: func() error { return nil }}
	if sum, ok := e.Sum(); ok {
		f.content = hex.EncodeToString(sum[:])
	}
	f.at = &pieces{ctx: ctx, get: get, entry: e, held: map[int64][]byte{}}
	return f
}

func (p *Project) openLive(at string) (*File, error) {
	if p.dir == nil {
		return nil, errors.New("the project's folder is not known here")
	}
	folder, name := path.Split(cleanPath(at))
	d, err := disk.Walk(p.dir, strings.TrimSuffix(folder, "/"))
	if err != nil {
		return nil, err
	}
	defer d.Close()
	f, err := d.Open(name)
	if err != nil {
		if info, _ := d.Stat(name); info.Type != disk.Unknown && info.Type != disk.Regular {
			return nil, fmt.Errorf("%s is a %s: %w", at, typeName(info.Type), errors.ErrUnsupported)
		}
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &File{name: cleanPath(at), size: info.Size, at: f, close: f.Close}, nil
}

// heldPieces is how many chunks of an open file are kept in memory.
const heldPieces = 16

// pieces reads a file of the vault at any place.
type pieces struct {
	ctx   context.Context
	mu    sync.Mutex
	get   tree.Getter
	entry tree.Entry
	held  map[int64][]byte // chunks by where they begin
	order []int64          // of held, oldest first
}

func (p *pieces) ReadAt(b []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("read %q at %d: %w", p.entry.Name, off, errors.ErrUnsupported)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.near(b, off) {
		return len(b), nil
	}
	for piece, err := range tree.Pieces(p.ctx, p.get, &p.entry, off) {
		if err == nil {
			err = p.ctx.Err()
		}
		if err != nil {
			return n, err
		}
		k, err := p.read(b[n:], off+int64(n)-piece.Off, &piece)
		if n += k; err != nil {
			return n, err
		}
		if n == len(b) {
			return n, nil
		}
	}
	return n, io.EOF
}

// identity hashes the digests of the chunks that a span is in, and where it begins and ends in them.
func (p *pieces) identity(off, n int64) (string, bool) {
	p.mu.Lock() // what gets chunks and pages is for one at a time
	defer p.mu.Unlock()
	h := sha256.New()
	for piece, err := range tree.Pieces(p.ctx, p.get, &p.entry, off) {
		if err != nil {
			return "", false
		}
		skip := off - piece.Off
		take := min(n, piece.Len-skip)
		fmt.Fprintf(h, "%d %d %d %s %x\n", piece.Kind, skip, take, piece.Digest, piece.Bytes)
		if off, n = off+take, n-take; n == 0 {
			return string(h.Sum(nil)), true
		}
	}
	return "", false
}

// near fills b from a chunk that is in memory, if one has all of it: what parsers read mostly is small and near.
func (p *pieces) near(b []byte, off int64) bool {
	for at, chunk := range p.held {
		if off >= at && off+int64(len(b)) <= at+int64(len(chunk)) {
			copy(b, chunk[off-at:])
			return true
		}
	}
	return false
}

// read fills b from skip in a piece, as far as that goes.
func (p *pieces) read(b []byte, skip int64, piece *tree.Piece) (int, error) {
	n := int(min(int64(len(b)), piece.Len-skip))
	switch piece.Kind {
	case tree.Chunk:
		chunk, err := p.chunk(piece.Off, piece.Digest)
		if err != nil {
			return 0, err
		}
		if int64(len(chunk)) != piece.Len {
			return 0, fmt.Errorf("chunk %s has %d bytes, not %d: %w", piece.Digest, len(chunk), piece.Len, ErrDamaged)
		}
		return copy(b[:n], chunk[skip:]), nil
	case tree.Literal:
		return copy(b[:n], piece.Bytes[skip:]), nil
	case tree.Hole:
		clear(b[:n])
	default:
		for i := range b[:n] {
			b[i] = piece.Bytes[(skip+int64(i))%int64(len(piece.Bytes))]
		}
	}
	return n, nil
}

func (p *pieces) chunk(at int64, d digest.Digest) ([]byte, error) {
	if b, ok := p.held[at]; ok {
		return b, nil
	}
	b, err := p.get(p.ctx, d)
	if err != nil {
		return nil, err
	}
	if len(p.order) == heldPieces {
		delete(p.held, p.order[0])
		p.order = p.order[1:]
	}
	p.held[at], p.order = b, append(p.order, at)
	return b, nil
}
