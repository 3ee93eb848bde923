package zipfile

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// made returns an archive by the standard library: stored, with descriptors, deflated, empty, folder, comment.
func made(t testing.TB, prefix string) []byte {
	t.Helper()
	var b bytes.Buffer
	b.WriteString(prefix)
	w := zip.NewWriter(&b)
	w.SetOffset(int64(len(prefix)))
	raw, err := w.CreateRaw(&zip.FileHeader{Name: "mimetype", Method: zip.Store, CRC32: crc32.ChecksumIEEE([]byte("image/x")), CompressedSize64: 7, UncompressedSize64: 7})
	if err == nil {
		_, err = raw.Write([]byte("image/x"))
	}
	for i, c := range contents() {
		method := []uint16{zip.Deflate, zip.Store}[i%2]
		f, e := w.CreateHeader(&zip.FileHeader{Name: fmt.Sprintf("folder/%d ü", i), Method: method, Comment: "c", Extra: []byte{0x99, 0x99, 2, 0, 'x', 'y'}})
		err = errors.Join(err, e)
		_, e = f.Write(c)
		err = errors.Join(err, e)
	}
	_, e := w.Create("empty/")
	err = errors.Join(err, e, w.SetComment("the comment"), w.Close())
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func contents() [][]byte {
	random := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 200_000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	return [][]byte{bytes.Repeat([]byte("text "), 5000), []byte("stored"), noise, {}, nil}
}

func opened(t testing.TB, b []byte) *Archive {
	t.Helper()
	a, err := Open(format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// same holds what Open and Read say of an archive against the standard library.
func same(t *testing.T, b []byte) {
	t.Helper()
	a := opened(t, b)
	std, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatalf("the standard library: %v", err)
	}
	if err := a.Validate(t.Context(), true); err != nil {
		t.Error(err)
	}
	if len(std.File) != len(a.Entries()) {
		t.Fatalf("%d entries, want %d", len(a.Entries()), len(std.File))
	}
	for i, f := range std.File {
		e := &a.Entries()[i]
		if e.Name != f.Name || e.Method != f.Method || e.CRC != f.CRC32 || e.Size != int64(f.UncompressedSize64) || e.Compressed != int64(f.CompressedSize64) || e.Flags != f.Flags {
			t.Errorf("%+v and %+v", e, f.FileHeader)
		}
		at, err := a.Data(e)
		if want, e := f.DataOffset(); at != want || err != nil || e != nil {
			t.Errorf("%s: data at %d, want %d: %v %v", f.Name, at, want, err, e)
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		want, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := a.Read(t.Context(), e, 1<<30); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, want %d: %v", f.Name, len(got), len(want), err)
		}
		plain(t, a, e, b, want)
	}
	if got := formattest.All(t, rewritten(t, a.Rewrite())); !bytes.Equal(got, b) {
		t.Error("a rewrite of nothing changes the archive")
	}
}

// plain holds the parts that Plain names against the content.
func plain(t *testing.T, a *Archive, e *Entry, b, content []byte) {
	t.Helper()
	runs, err := a.Plain(e)
	if err != nil {
		t.Error(err)
	}
	at := int64(0)
	for _, r := range runs {
		if r.At != at || !bytes.Equal(content[r.At:r.At+r.Len], b[r.Off:r.Off+r.Len]) {
			t.Fatalf("%s: %+v", e.Name, r)
		}
		at += r.Len
	}
}

func rewritten(t testing.TB, r *Rewrite) *format.Output {
	t.Helper()
	o, err := r.Output(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func TestReadsAsTheStandardLibrary(t *testing.T) {
	for _, prefix := range []string{"", "#!/bin/sh\n"} {
		same(t, made(t, prefix))
	}
	same(t, shifted(t))
	same(t, wide(t))
}

// shifted has bytes before it that its offsets do not count.
func shifted(t testing.TB) []byte { return append([]byte("before"), made(t, "")...) }

// wide has a zip64 end and zip64 fields, written by hand, for nothing in it is large.
func wide(t testing.TB) []byte {
	t.Helper()
	le := binary.LittleEndian
	content := []byte("content")
	var b bytes.Buffer
	local := make([]byte, localSize)
	copy(local, localSign)
	le.PutUint16(local[4:], 45)
	le.PutUint32(local[14:], crc32.ChecksumIEEE(content))
	le.PutUint32(local[18:], 0xffffffff)
	le.PutUint32(local[22:], 0xffffffff)
	le.PutUint16(local[26:], 1)
	le.PutUint16(local[28:], 20)
	eight := func(v uint64) []byte { return le.AppendUint64(nil, v) }
	b.Write(local)
	b.WriteString("a\x01\x00\x10\x00")
	b.Write(eight(7))
	b.Write(eight(7))
	b.Write(content)
	dir := b.Len()
	record := make([]byte, recordSize)
	copy(record, recordSign)
	copy(record[6:30], local[4:28])
	le.PutUint16(record[30:], 28)
	le.PutUint32(record[42:], 0xffffffff)
	b.Write(record)
	b.WriteString("a\x01\x00\x18\x00")
	b.Write(eight(7))
	b.Write(eight(7))
	b.Write(eight(0))
	length := b.Len() - dir
	end64 := make([]byte, end64Size)
	copy(end64, end64Sign)
	le.PutUint64(end64[4:], 44)
	for at, v := range map[int]int{24: 1, 32: 1, 40: length, 48: dir} {
		le.PutUint64(end64[at:], uint64(v))
	}
	at := b.Len()
	b.Write(end64)
	b.WriteString(locatorSign + "\x00\x00\x00\x00")
	b.Write(eight(uint64(at)))
	b.WriteString("\x01\x00\x00\x00" + endSign + "\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00")
	return b.Bytes()
}

// TestRewrite: what is put, copied, renamed and taken out is that, and everything else is as it was, byte for byte.
func TestRewrite(t *testing.T) {
	for name, b := range map[string][]byte{"plain": made(t, ""), "prefix": made(t, "before"), "shifted": shifted(t)} {
		t.Run(name, func(t *testing.T) {
			a, other := opened(t, b), opened(t, made(t, ""))
			r := a.Rewrite()
			r.Put("folder/0 ü", format.Bytes([]byte("new content")), Stored)
			r.Put("added ß", format.Bytes(bytes.Repeat([]byte("x"), 1000)), Deflate)
			r.Copy("folder/9 ü", other, other.Find("folder/2 ü"))
			r.Copy("folder/1 ü", other, other.Find("folder/0 ü"))
			r.Remove("folder/3 ü")
			r.Remove("not there")
			got := formattest.All(t, rewritten(t, r))
			same(t, got)
			n := opened(t, got)
			want := map[string]string{"folder/0 ü": "new content", "added ß": string(bytes.Repeat([]byte("x"), 1000)), "folder/9 ü": string(contents()[2]), "folder/1 ü": string(contents()[0])}
			for name, content := range want {
				if c, err := n.Read(t.Context(), n.Find(name), 1<<20); string(c) != content || err != nil {
					t.Errorf("%s: %d bytes, %v", name, len(c), err)
				}
			}
			if n.Find("folder/3 ü") != nil || n.Entries()[0].Name != "mimetype" || n.Entries()[0].Method != Stored {
				t.Error("the removed is there, or the first is not")
			}
			if n.Find("folder/0 ü").Method != Deflate || n.Find("added ß").Flags&utf8Flag == 0 {
				t.Error("the replaced is not compressed as it was, or the name of the added is not said to be UTF-8")
			}
			e, was := n.Find("folder/2 ü"), a.Find("folder/2 ü")
			if !bytes.Equal(got[e.Header:e.next], b[was.Header:was.next]) {
				t.Error("an untouched entry has other bytes")
			}
			if !bytes.HasSuffix(got, []byte("the comment")) || !bytes.Equal(got[:a.entries[0].Header], b[:a.entries[0].Header]) {
				t.Error("the comment or what stands before is gone")
			}
		})
	}
}

// TestRewriteWide: the zip64 numbers are as wide as they were.
func TestRewriteWide(t *testing.T) {
	a := opened(t, wide(t))
	r := a.Rewrite()
	r.Put("b", format.Bytes([]byte("more")), Stored)
	got := formattest.All(t, rewritten(t, r))
	same(t, got)
	if n := opened(t, got); n.end64 == nil || binary.LittleEndian.Uint32(n.Find("a").record[20:]) != 0xffffffff {
		t.Error("no zip64 end, or no zip64 field")
	}
}

// sparse is an Input of zeros of any size.
type sparse int64

func (s sparse) Size() int64 { return int64(s) }
func (s sparse) ReadAt(b []byte, off int64) (int, error) {
	if off >= int64(s) {
		return 0, io.EOF
	}
	n := min(int64(len(b)), int64(s)-off)
	clear(b[:n])
	if n < int64(len(b)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// TestRewriteBeyond4GiB: what comes to stand behind 4 GiB is found there, also by the standard library.
func TestRewriteBeyond4GiB(t *testing.T) {
	if testing.Short() {
		t.Skip("sums 4 GiB")
	}
	a := opened(t, made(t, ""))
	r := a.Rewrite()
	r.Put("folder/1 ü", sparse(1<<32+5), Stored)
	r.Put("last", format.Bytes([]byte("behind")), Deflate)
	o := rewritten(t, r)
	n, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	std, err := zip.NewReader(o, o.Size())
	if err != nil {
		t.Fatal(err)
	}
	last := std.File[len(std.File)-1]
	f, err := last.Open()
	if err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(f); string(b) != "behind" || err != nil || last.Name != "last" {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := n.Read(t.Context(), n.Find("last"), 10); string(b) != "behind" || err != nil {
		t.Errorf("%q, %v", b, err)
	}
	if e := n.Find("folder/1 ü"); e.Size != 1<<32+5 {
		t.Errorf("%d bytes", e.Size)
	}
	if b, err := n.Read(t.Context(), n.Find("folder/2 ü"), 1<<20); !bytes.Equal(b, contents()[2]) || err != nil {
		t.Errorf("the entry behind it: %v", err)
	}
}

// TestAlign: data of stored entries begins at multiples, of those that moved too.
func TestAlign(t *testing.T) {
	a := opened(t, made(t, ""))
	r := a.Rewrite()
	r.Align = 64
	r.Put("folder/0 ü", format.Bytes([]byte("0123456789")), Stored)
	r.Put("added", format.Bytes([]byte("0123456789")), Stored)
	r.Copy("again", a, a.Find("folder/1 ü"))
	once := formattest.All(t, rewritten(t, r))
	same(t, once)
	r = opened(t, once).Rewrite()
	r.Align = 64
	r.Put("added", format.Bytes([]byte("012345678901234567890")), Stored)
	r.Remove("mimetype")
	for _, b := range [][]byte{once, formattest.All(t, rewritten(t, r))} {
		same(t, b)
		n := opened(t, b)
		for i := range n.Entries() {
			e := &n.Entries()[i]
			if at, err := n.Data(e); e.Method == Stored && at%64 != 0 || err != nil {
				t.Errorf("%s at %d, %v", e.Name, at, err)
			}
		}
	}
}

// TestRefused: each damage is found, by Open or by Validate, and is what it is.
func TestRefused(t *testing.T) {
	b := made(t, "")
	a := opened(t, b)
	le := binary.LittleEndian
	record := func(n int) int { return recordOf(a, n) }
	two := int(a.Find("folder/2 ü").Header)
	for name, c := range map[string]struct {
		damage func(b []byte) []byte
		want   error
	}{
		"empty":                 {func([]byte) []byte { return nil }, format.ErrMalformed},
		"no zip":                {func([]byte) []byte { return make([]byte, 100_000) }, format.ErrMalformed},
		"cut off":               {func(b []byte) []byte { return b[:len(b)/2] }, format.ErrMalformed},
		"cut at the end":        {func(b []byte) []byte { return b[:len(b)-12] }, format.ErrMalformed},
		"a byte of data":        {func(b []byte) []byte { b[two+100] ^= 1; return b }, format.ErrMalformed},
		"no local header":       {func(b []byte) []byte { b[two] = 0; return b }, format.ErrMalformed},
		"another's header":      {func(b []byte) []byte { b[two+localSize] ^= 1; return b }, format.ErrMalformed},
		"local extra":           {func(b []byte) []byte { le.PutUint16(b[two+28:], 0xffff); return b }, format.ErrMalformed},
		"overlap":               {func(b []byte) []byte { le.PutUint32(b[record(2)+42:], le.Uint32(b[record(1)+42:])); return b }, format.ErrMalformed},
		"too long":              {func(b []byte) []byte { le.PutUint32(b[record(1)+20:], 100_000); return b }, format.ErrMalformed},
		"behind the directory":  {func(b []byte) []byte { le.PutUint32(b[record(2)+42:], 0x7fffffff); return b }, format.ErrMalformed},
		"bomb":                  {func(b []byte) []byte { le.PutUint32(b[record(1)+24:], 0x7fffffff); return b }, format.ErrMalformed},
		"size":                  {func(b []byte) []byte { le.PutUint32(b[record(1)+24:], 24_999); return b }, format.ErrMalformed},
		"larger":                {func(b []byte) []byte { le.PutUint32(b[record(1)+24:], 25_001); return b }, format.ErrMalformed},
		"count":                 {func(b []byte) []byte { end := len(b) - 11 - endSize; b[end+8]--; b[end+10]--; return b }, format.ErrMalformed},
		"directory's offset":    {func(b []byte) []byte { le.PutUint32(b[len(b)-11-endSize+16:], 0x7fffffff); return b }, format.ErrMalformed},
		"volumes":               {func(b []byte) []byte { b[len(b)-11-endSize+4] = 1; return b }, format.ErrUnsupported},
		"encrypted":             {func(b []byte) []byte { b[record(1)+8] |= 1; return b }, format.ErrUnsupported},
		"unknown method":        {func(b []byte) []byte { b[record(1)+10] = 93; b[int(a.entries[1].Header)+8] = 93; return b }, format.ErrUnsupported},
		"stored with two sizes": {func(b []byte) []byte { b[record(2)+24]++; return b }, format.ErrMalformed},
	} {
		in := format.Bytes(c.damage(bytes.Clone(b)))
		n, err := Open(in)
		if err == nil {
			err = n.Validate(t.Context(), true)
		}
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if _, err := a.Read(t.Context(), a.Find("folder/2 ü"), 199_999); !errors.Is(err, format.ErrLimit) {
		t.Errorf("more than asked for: %v", err)
	}
}

// TestFoundEarly: these are found where it matters, before more is read.
func TestFoundEarly(t *testing.T) {
	b := made(t, "")
	a := opened(t, b)
	le := binary.LittleEndian
	two := int(a.Find("folder/2 ü").Header)
	// Entries that share bytes are found before any is read.
	shared := bytes.Clone(b)
	le.PutUint32(shared[recordOf(a, 2)+42:], le.Uint32(shared[recordOf(a, 1)+42:]))
	if _, err := Open(format.Bytes(shared)); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("two entries of the same bytes: %v", err)
	}
	// More content than its size says, of which the first has the CRC.
	longer, content := bytes.Clone(b), contents()[0]
	le.PutUint32(longer[recordOf(a, 1)+24:], uint32(len(content)-1))
	le.PutUint32(longer[recordOf(a, 1)+16:], crc32.ChecksumIEEE(content[:len(content)-1]))
	n := opened(t, longer)
	if _, err := n.Read(t.Context(), n.Find("folder/0 ü"), 1<<20); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("more content than the size says: %v", err)
	}
	// These two are found before anything is decompressed.
	far := bytes.Clone(b)
	le.PutUint16(far[two+28:], 0xffff)
	n = opened(t, far)
	if _, err := n.Data(n.Find("folder/2 ü")); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("data behind the entry: %v", err)
	}
	bomb := bytes.Clone(b)
	le.PutUint32(bomb[recordOf(a, 1)+24:], 0x7fffffff)
	n = opened(t, bomb)
	if _, err := n.Open(n.Find("folder/0 ü")); !errors.Is(err, format.ErrMalformed) {
		t.Errorf("a bomb: %v", err)
	}
}

// recordOf returns where record n of the directory stands.
func recordOf(a *Archive, n int) int {
	at := int(a.dir)
	for i := range n {
		at += len(a.entries[i].record)
	}
	return at
}

// TestSamples: archives of real applications are read as the standard library reads them.
func TestSamples(t *testing.T) {
	for name, b := range formattest.Files(t, "", ".kra", ".ora", ".pxo", ".usdz", ".3mf", ".pk3", ".npz", ".pth", ".pt", ".zae") {
		if !bytes.HasPrefix(b, []byte("PK")) {
			continue
		}
		t.Run(name, func(t *testing.T) { same(t, b) })
	}
}

// TestUnzip: Info-ZIP finds nothing wrong with an archive that was rewritten.
func TestUnzip(t *testing.T) {
	unzip := formattest.App(t, os.Getenv("VARVE_CI") != "", "unzip")
	a := opened(t, made(t, ""))
	r := a.Rewrite()
	r.Put("mimetype", format.Bytes([]byte("new")), Stored)
	r.Copy("copied", a, a.Find("folder/2 ü"))
	r.Remove("empty/")
	at := filepath.Join(t.TempDir(), "x.zip")
	if err := os.WriteFile(at, formattest.All(t, rewritten(t, r)), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(unzip, "-tq", at).CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func FuzzArchive(f *testing.F) {
	f.Add(made(f, ""))
	f.Add(shifted(f))
	f.Add(wide(f))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := Open(format.Bytes(b))
		if err != nil {
			return
		}
		_ = a.Validate(t.Context(), true)
		_, _ = a.Regions()
		r := a.Rewrite()
		for i := range a.Entries() {
			e := &a.Entries()[i]
			_, _ = a.Plain(e)
			_, _ = a.Read(t.Context(), e, 1<<20)
			r.Copy(e.Name+"x", a, e)
		}
		r.Put("new", format.Bytes([]byte("new")), Deflate)
		o, err := r.Output(t.Context())
		if err != nil {
			return
		}
		n, err := Open(o)
		if err != nil {
			t.Fatalf("a rewritten archive: %v", err)
		}
		if c, err := n.Read(t.Context(), n.Find("new"), 10); string(c) != "new" && a.Find("new") == nil || err != nil && a.Find("new") == nil {
			t.Fatalf("%q, %v", c, err)
		}
	})
}
