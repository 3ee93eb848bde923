package script

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"

	"varve"
)

// top is the folder of the archive that everything is in: no name can begin with a dash or a slash.
const top = "tree/"

// archive writes a gzipped tar whose bytes depend on the entries and their content only. Names are in three forms at once,
// so that every tar reads them: as they are in the head, by GNU's long names where that is too short, and as UTF-8 of pax
// where a tar of Windows would take them for another alphabet.
func (w *writer) archive(ctx context.Context, out io.Writer, list []varve.Entry) error {
	z, err := gzip.NewWriterLevel(out, gzip.DefaultCompression)
	if err != nil {
		return err
	}
	t := &tarWriter{out: z}
	next, stop := iter.Pull2(w.project.Files(ctx, w.snapshot))
	defer stop()
	for i := range list {
		e := &list[i]
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.head(e, i); err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
		if e.Type != "file" {
			continue
		}
		f, err, ok := next()
		if err != nil {
			return err
		}
		if !ok || f.Name() != e.Path {
			// The files come in another order than the names: each is opened by itself.
			if f, err = w.project.Open(ctx, w.snapshot, e.Path); err != nil {
				return err
			}
			defer f.Close()
		}
		if err := t.content(e, f); err != nil {
			return fmt.Errorf("%s: %w", e.Path, err)
		}
	}
	if _, err := z.Write(make([]byte, 2*block)); err != nil {
		return err
	}
	return z.Close()
}

const block = 512

type tarWriter struct{ out io.Writer }

// content copies a file, and wants it to be what the snapshot says.
func (t *tarWriter) content(e *varve.Entry, f *varve.File) error {
	h := sha256.New()
	n, err := io.Copy(io.MultiWriter(t.out, h), io.NewSectionReader(f, 0, f.Size()))
	if err != nil {
		return err
	}
	sum := hex.EncodeToString(h.Sum(nil))
	if n != e.Bytes || e.SHA256 != "" && e.SHA256 != sum {
		return fmt.Errorf("its content is not what the snapshot says: %w", varve.ErrDamaged)
	}
	e.SHA256 = sum
	return t.pad(n)
}

func (t *tarWriter) pad(n int64) error {
	_, err := t.out.Write(make([]byte, (block-n%block)%block))
	return err
}

// head writes what goes before the content of entry number i.
func (t *tarWriter) head(e *varve.Entry, i int) error {
	name, kind := top+e.Path, byte('0')
	switch e.Type {
	case "dir":
		name, kind = name+"/", '5'
	case "link":
		kind = '2'
	}
	var pax bytes.Buffer
	ns := nanoseconds(e.Mtime)
	if ns%1e9 != 0 || ns < 0 {
		paxRecord(&pax, "mtime", decimal(ns))
	}
	if !ascii(name) && utf8.ValidString(name) {
		paxRecord(&pax, "path", name)
	}
	if !ascii(e.Target) && utf8.ValidString(e.Target) {
		paxRecord(&pax, "linkpath", e.Target)
	}
	if size(e) >= 1<<33 {
		paxRecord(&pax, "size", strconv.FormatInt(size(e), 10))
	}
	if pax.Len() > 0 {
		if err := t.extra('x', "PaxHeaders/"+strconv.Itoa(i), pax.Bytes()); err != nil {
			return err
		}
	}
	prefix, short, fits := split(name)
	if !fits {
		if err := t.extra('L', "././@LongLink", append([]byte(name), 0)); err != nil {
			return err
		}
		prefix, short = "", name[:100]
	}
	target := e.Target
	if len(target) > 100 {
		if err := t.extra('K', "././@LongLink", append([]byte(target), 0)); err != nil {
			return err
		}
		target = target[:100]
	}
	return t.block(header{prefix: prefix, name: short, link: target, kind: kind, mode: permissions(e), size: size(e), seconds: max(ns, 0) / 1e9})
}

// extra writes an entry that says more of the one that follows.
func (t *tarWriter) extra(kind byte, name string, b []byte) error {
	if err := t.block(header{name: name, kind: kind, mode: 0o644, size: int64(len(b))}); err != nil {
		return err
	}
	if _, err := t.out.Write(b); err != nil {
		return err
	}
	return t.pad(int64(len(b)))
}

type header struct {
	prefix, name, link string
	kind               byte
	mode               uint32
	size, seconds      int64
}

// block writes a head of 512 bytes as ustar has it (POSIX.1-1988). Of an entry larger than 8 GiB the size is in base 256,
// as GNU has it, and in pax.
func (t *tarWriter) block(h header) error {
	var b [block]byte
	copy(b[0:100], h.name)
	octal := func(from, to int, v int64) { copy(b[from:to], fmt.Sprintf("%0*o", to-from-1, v)) }
	octal(100, 108, int64(h.mode))
	octal(108, 116, 0)
	octal(116, 124, 0)
	if h.size < 1<<33 {
		octal(124, 136, h.size)
	} else {
		b[124] = 0x80
		for i, v := 135, h.size; v > 0; i, v = i-1, v>>8 {
			b[i] = byte(v)
		}
	}
	if h.seconds >= 1<<33 {
		return errors.New("its time does not fit into an archive")
	}
	octal(136, 148, h.seconds)
	b[156] = h.kind
	copy(b[157:257], h.link)
	copy(b[257:265], "ustar\x0000")
	copy(b[345:500], h.prefix)
	copy(b[148:156], "        ")
	sum := int64(0)
	for _, c := range b {
		sum += int64(c)
	}
	copy(b[148:156], fmt.Sprintf("%06o\x00 ", sum))
	_, err := t.out.Write(b[:])
	return err
}

// split parts a name at a slash for the two fields of a head.
func split(name string) (prefix, short string, fits bool) {
	if len(name) <= 100 {
		return "", name, true
	}
	// The short part must not be empty, as it would be behind the last slash of a folder.
	for at := len(name) - 101; at < len(name)-1 && at <= 155; at++ {
		if at > 0 && name[at] == '/' {
			return name[:at], name[at+1:], true
		}
	}
	return "", "", false
}

func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r >= 0x80 })
}

// decimal writes nanoseconds as seconds with a fraction.
func decimal(ns int64) string {
	sign := ""
	if ns < 0 {
		sign, ns = "-", -ns
	}
	return fmt.Sprintf("%s%d.%09d", sign, ns/1e9, ns%1e9)
}

// paxRecord adds "LENGTH KEY=VALUE\n", whose length counts itself.
func paxRecord(b *bytes.Buffer, key, value string) {
	rest := " " + key + "=" + value + "\n"
	n := len(rest)
	for len(strconv.Itoa(n))+len(rest) != n {
		n = len(strconv.Itoa(n)) + len(rest)
	}
	b.WriteString(strconv.Itoa(n) + rest)
}
