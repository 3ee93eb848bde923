package metricfile

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"unicode/utf16"
	"unicode/utf8"
)

// A source is a file system that is read within limits.
type source struct {
	ctx    context.Context
	fsys   fs.FS
	o      Options
	limits Limits
	fields roles
	left   int // points that may still come
	seen   int // files looked at
}

func newSource(ctx context.Context, fsys fs.FS, o Options) *source {
	limits := o.Limits.filled()
	return &source{ctx: ctx, fsys: fsys, o: o, limits: limits, fields: o.Mapping.roles(), left: limits.Points}
}

func over(what string, have, most int64) error {
	return fmt.Errorf("%s %d, and %d is the most that is read: %w", what, have, most, ErrLimit)
}

// open opens a file of at most so many bytes.
func (s *source) open(name string, most int64) (fs.File, error) {
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	if info, err := fs.Stat(s.fsys, name); err == nil && info.Mode()&(fs.ModeNamedPipe|fs.ModeDevice|fs.ModeSocket) != 0 {
		return nil, &Error{File: name, Err: errors.New("is not a file with bytes")} // to open a pipe waits for its writer
	}
	f, err := s.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = &Error{File: name, Err: errors.New("is a folder")}
	case !info.Mode().IsRegular():
		err = &Error{File: name, Err: errors.New("is not a file with bytes")}
	case info.Size() > most:
		err = &Error{File: name, Err: over("bytes", info.Size(), most)}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// document reads a text file whole: UTF-8, or UTF-16 with its mark.
func (s *source) document(name string) ([]byte, error) {
	f, err := s.open(name, s.limits.Document)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(plain(f), s.limits.Document+1)) // it may have grown
	if err == nil && int64(len(b)) > s.limits.Document {
		err = over("bytes", int64(len(b)), s.limits.Document)
	}
	if err != nil {
		return nil, &Error{File: name, Err: err}
	}
	return b, nil
}

// exists reports whether there is a file of that name.
func (s *source) exists(name string) bool {
	info, err := fs.Stat(s.fsys, name)
	return err == nil && info.Mode().IsRegular()
}

func (s *source) folder(name string) bool {
	info, err := fs.Stat(s.fsys, name)
	return err == nil && info.IsDir()
}

// list reads a folder, and counts what it looks at.
func (s *source) list(name string) ([]fs.DirEntry, error) {
	if err := s.ctx.Err(); err != nil {
		return nil, err
	}
	all, err := fs.ReadDir(s.fsys, name)
	if s.seen += len(all); s.seen > s.limits.Files {
		return nil, &Error{File: name, Err: over("files", int64(s.seen), int64(s.limits.Files))}
	}
	return all, err
}

// A line is a line of a text file, without its end.
type line struct {
	text []byte // valid until the next
	n    int    // from 1
	long bool   // over Limits.Line; text is its start
	cut  bool   // the last, and without an end
}

// lines gives the lines of a text file. LF, CR LF and a lone CR (progress bars) end a line.
func (s *source) lines(name string, each func(line) error) error {
	f, err := s.open(name, s.limits.File)
	if err != nil {
		return err
	}
	defer f.Close()
	bounded := io.LimitReader(f, s.limits.File+1)
	in := bufio.NewReaderSize(plain(bounded), 64<<10)
	var held []byte
	l := line{n: 1}
	for read := int64(0); ; {
		part, err := in.ReadSlice('\n')
		if read += int64(len(part)); read > s.limits.File {
			return &Error{File: name, Line: l.n, Err: over("bytes", read, s.limits.File)}
		}
		if err != nil && err != bufio.ErrBufferFull && err != io.EOF {
			return &Error{File: name, Line: l.n, Err: err}
		}
		if err == bufio.ErrBufferFull || len(held) > 0 {
			if room := s.limits.Line + 1 - len(held); len(part) > room {
				part = part[:room]
			}
			held = append(held, part...)
			part = held
		}
		if err == bufio.ErrBufferFull {
			continue
		}
		l.text = bytes.TrimSuffix(bytes.TrimSuffix(part, []byte("\n")), []byte("\r"))
		l.cut = err == io.EOF
		if l.long = len(l.text) > s.limits.Line; l.long {
			l.text = l.text[:s.limits.Line]
		}
		if err == io.EOF && len(part) == 0 {
			return nil
		}
		if l.n%1024 == 0 && s.ctx.Err() != nil {
			return s.ctx.Err()
		}
		if bad := each(l); bad != nil {
			return bad
		}
		if err == io.EOF {
			return nil
		}
		held = held[:0]
		l.n++
	}
}

// plain gives the text after a mark of its encoding as UTF-8. PowerShell's > writes UTF-16.
func plain(r io.Reader) io.Reader {
	in := bufio.NewReader(r)
	mark, _ := in.Peek(3)
	switch {
	case bytes.HasPrefix(mark, []byte("\xef\xbb\xbf")):
		in.Discard(3)
	case bytes.HasPrefix(mark, []byte("\xff\xfe")):
		in.Discard(2)
		return &wide{in: in, order: binary.LittleEndian}
	case bytes.HasPrefix(mark, []byte("\xfe\xff")):
		in.Discard(2)
		return &wide{in: in, order: binary.BigEndian}
	}
	return in
}

// wide reads UTF-16 as UTF-8.
type wide struct {
	in    *bufio.Reader
	order binary.ByteOrder
	out   []byte
}

func (w *wide) Read(p []byte) (int, error) {
	for len(w.out) < len(p) {
		r, err := w.unit()
		if err != nil {
			if len(w.out) > 0 {
				break
			}
			return 0, err
		}
		if utf16.IsSurrogate(r) {
			low, err := w.unit()
			if err != nil {
				low = utf8.RuneError
			}
			r = utf16.DecodeRune(r, low)
		}
		w.out = utf8.AppendRune(w.out, r)
	}
	n := copy(p, w.out)
	w.out = w.out[:copy(w.out, w.out[n:])]
	return n, nil
}

func (w *wide) unit() (rune, error) {
	var b [2]byte
	if _, err := io.ReadFull(w.in, b[:]); err != nil {
		return 0, io.EOF // half a unit at the end is no text
	}
	return rune(w.order.Uint16(b[:])), nil
}
