// Package spec_test holds the implementation to vault.md by the vectors in this directory.
package spec_test

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"strings"
	"sync"
	"testing"
	"time"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/ledger"
	"varve/internal/object"
	"varve/internal/seal"
	"varve/internal/tree"
	"varve/internal/upkeep"
	"varve/store"
)

// sums are the SHA-256 of the vectors. They stand for all vaults that exist: a change of the code that makes
// these tests fail would make those unreadable too, and is what must be taken back.
func sums() map[string]string {
	return map[string]string{
		"valid.zip":     "9128beb699f7e89c61964514e15ca4f4e9a4535e5efd79485ac166ace65de01e",
		"valid.listing": "6919c188e97bac318a299280485acaf9cbfc96ccc9e51d5f3c6098a995b4edb8",
		"cases.json":    "947da9f763c9811d3576340eff46b1433353d6ef31ce3071b3e2e90d7ae2bc4e",
		"records.json":  "97584e60e201061df2086bcdbdaba7d3bc22c14fe852ac2136d267e6ca5267a6",
		"layers.json":   "d8f61417f5b967ce3fb770d7f298935033d26a06543e5099c89d24f2aed33137",
	}
}

// TestUnchanged: a vector is never changed.
func TestUnchanged(t *testing.T) {
	for name, want := range sums() {
		b, err := os.ReadFile("vectors/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if got := sumOf(string(b)); got != want {
			t.Errorf("vectors/%s has SHA-256 %s", name, got)
		}
	}
}

// The outcomes of opening a vault and reading all of it.
const (
	isOK       = "ok"
	isDamaged  = "damaged"
	isMissing  = "missing"
	isNewer    = "newer"
	isWrongKey = "wrong_key"
)

// A testCase is a vault, said as edits of valid.zip, and what must become of it.
type testCase struct {
	Name       string `json:"name"`
	Note       string `json:"note"`
	Edits      []edit `json:"edits,omitempty"`
	Passphrase string `json:"passphrase,omitempty"`
	Expect     string `json:"expect"`
	Listing    string `json:"listing,omitempty"` // SHA-256 of the listing, if ok
	Findings   bool   `json:"findings"`          // a check of everything has something to say
}

// An edit alters one object.
type edit struct {
	Object string  `json:"object"`
	Flip   *int    `json:"flip,omitempty"`   // the lowest bit of the byte at this offset
	Cut    *int    `json:"cut,omitempty"`    // the object to this length
	Put    *[]byte `json:"put,omitempty"`    // the object's bytes instead, or a new object
	Remove bool    `json:"remove,omitempty"` // the object is gone
}

type objects map[string][]byte

func (e *edit) apply(t *testing.T, o objects) {
	b, there := o[e.Object]
	if !there && e.Put == nil {
		t.Fatalf("edit of %s, which is not there", e.Object)
	}
	switch {
	case e.Remove:
		delete(o, e.Object)
	case e.Put != nil:
		o[e.Object] = *e.Put
	case e.Flip != nil:
		b = bytes.Clone(b)
		b[*e.Flip] ^= 1
		o[e.Object] = b
	case e.Cut != nil:
		o[e.Object] = b[:*e.Cut]
	}
}

func (o objects) store(t *testing.T) store.Store {
	s := store.NewMemory()
	for name, b := range o {
		if err := s.Put(t.Context(), name, b); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func readZip(t *testing.T, name string) objects {
	t.Helper()
	raw, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	out := objects{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		out[f.Name] = b
	}
	return out
}

// chance is a deterministic source of random bytes that any goroutine may read.
type chance struct {
	mu sync.Mutex
	r  *rand.ChaCha8
}

func newChance(seed string) *chance { return &chance{r: rand.NewChaCha8(sha256.Sum256([]byte(seed)))} }

func (c *chance) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.r.Read(p)
}

func testOptions(seed string) object.Options {
	return object.Options{Rand: newChance(seed), Now: func() time.Time { return began }}
}

// opened is a vault and what it remembers.
type opened struct {
	db      *object.DB
	history *history.History
}

func open(ctx context.Context, s store.Store, passphrase string) (*opened, error) {
	var ask func() ([]byte, error)
	if passphrase != "" {
		ask = func() ([]byte, error) { return []byte(passphrase), nil }
	}
	db, err := object.Open(ctx, s, ask, testOptions("open"))
	if err != nil {
		return nil, err
	}
	o := &opened{db, history.New(db, ledger.New(db, "test"))}
	if err := o.history.Refresh(ctx); err != nil {
		return nil, err
	}
	for _, err := range o.history.Damaged() {
		return nil, err
	}
	return o, nil
}

// listing is everything a vault says, as text, by reading all of it. vault.md says how it looks.
func (o *opened) listing(ctx context.Context) (string, error) {
	var out strings.Builder
	for _, s := range o.history.Snapshots("") {
		fmt.Fprintf(&out, "snapshot\t%s\t%s\t%s\t%s\t%s\t%d\t%d\t%d\t%d\t%d\n", s.ID, s.Ref(), s.Root, s.Time.UTC().Format(time.RFC3339Nano), plain(s.Message),
			s.Counts.Added, s.Counts.Modified, s.Counts.Removed, s.Counts.Renamed, s.Counts.Unchanged)
		if err := o.listDir(ctx, &out, "", s.Root); err != nil {
			return "", err
		}
		for c, err := range s.ReadChanges(ctx, o.get()) {
			if err != nil {
				return "", err
			}
			fmt.Fprintf(&out, "change\t%s\t%s\t%s\n", c.Kind, plain(c.Path), plain(c.Old))
		}
	}
	for _, typ := range []string{"hold", "milestone", "snapshot"} {
		for _, e := range o.history.Ledger.Entities(typ) {
			fmt.Fprintf(&out, "record\t%s\t%s\n", typ, e.ID)
			for _, f := range e.Fields() {
				var v json.RawMessage
				e.Get(f, &v)
				fmt.Fprintf(&out, "field\t%s\t%s\n", f, v)
			}
			for _, m := range e.Members("tags") {
				fmt.Fprintf(&out, "member\ttags\t%s\n", m)
			}
		}
	}
	return out.String(), nil
}

// plain writes a name of any bytes: those that are not printable ASCII, and '%', as % and two hex digits.
func plain(s string) string {
	var out strings.Builder
	for i := range len(s) {
		if c := s[i]; c > 0x20 && c < 0x7f && c != '%' {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02x", c)
		}
	}
	return out.String()
}

func (o *opened) get() tree.Getter {
	r := o.db.NewReader()
	return func(ctx context.Context, d digest.Digest) ([]byte, error) { return r.Get(ctx, d, nil) }
}

func (o *opened) listDir(ctx context.Context, out *strings.Builder, at string, dir digest.Digest) error {
	get := o.get()
	for e, err := range tree.List(ctx, get, dir) {
		if err != nil {
			return err
		}
		p := path.Join(at, e.Name)
		fmt.Fprintf(out, "entry\t%s\t%d\t%04o\t%d\t%d\t%d\t%d\t%d\t%d\t%x\t%d\t%s", plain(p), e.Type, e.Mode, e.UID, e.GID, e.Mtime, e.Size, e.Rdev, e.Attrs, e.LinkGroup, e.Flags, plain(e.Target))
		for _, x := range e.Xattrs {
			fmt.Fprintf(out, "\t%s=%x", plain(x.Name), x.Value)
		}
		if e.Type == disk.Regular {
			sum, err := contentSum(ctx, get, &e)
			if err != nil {
				return fmt.Errorf("%q: %w", p, err)
			}
			// It is for the digests to find damage: what they let through is no outcome of a case.
			if kept, ok := e.Sum(); ok && kept != sum {
				return fmt.Errorf("%q has SHA-256 %x, and %x is kept", p, sum, kept)
			}
			fmt.Fprintf(out, "\t%x", sum)
		}
		out.WriteByte('\n')
		if e.Type == disk.Directory {
			if err := o.listDir(ctx, out, p, e.Dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// contentSum reads a file and returns its SHA-256.
func contentSum(ctx context.Context, get tree.Getter, e *tree.Entry) (sum [32]byte, err error) {
	h := sha256.New()
	n := int64(0)
	for it, err := range tree.Items(ctx, get, e) {
		if err != nil {
			return sum, err
		}
		b := it.Bytes
		switch it.Kind {
		case tree.Chunk:
			if b, err = get(ctx, it.Digest); err != nil {
				return sum, err
			}
		case tree.Run:
			b = bytes.Repeat(b, int(it.Len/tree.RunPattern)+1)[:it.Len]
		case tree.Hole:
			b = make([]byte, it.Len)
		}
		if int64(len(b)) != it.Len {
			return sum, fmt.Errorf("item of %d bytes has %d", it.Len, len(b))
		}
		n += int64(len(b))
		h.Write(b)
	}
	if n != e.Size {
		return sum, fmt.Errorf("%d bytes of %d", n, e.Size)
	}
	return [32]byte(h.Sum(nil)), nil
}

// outcome classifies an error.
func outcome(err error) string {
	switch {
	case err == nil:
		return isOK
	case errors.Is(err, seal.ErrWrongKey):
		return isWrongKey
	case errors.Is(err, object.ErrNewer), errors.Is(err, seal.ErrUnsupported), errors.Is(err, errors.ErrUnsupported):
		return isNewer
	case errors.Is(err, object.ErrMissing), errors.Is(err, object.ErrNoVault):
		return isMissing
	case errors.Is(err, object.ErrDamaged), errors.Is(err, seal.ErrDamaged), errors.Is(err, tree.ErrCorrupt):
		return isDamaged
	}
	return "other: " + err.Error()
}

func sumOf(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func readCases(t *testing.T) []testCase {
	b, err := os.ReadFile("vectors/cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []testCase
	if err := json.Unmarshal(b, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 30 {
		t.Fatalf("only %d cases", len(cases))
	}
	return cases
}

// TestVectors opens every vault, reads all of it and checks it.
func TestVectors(t *testing.T) {
	valid := readZip(t, "vectors/valid.zip")
	want, err := os.ReadFile("vectors/valid.listing")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range readCases(t) {
		t.Run(c.Name, func(t *testing.T) {
			ctx := t.Context()
			o := objects{}
			for k, v := range valid {
				o[k] = v
			}
			for i := range c.Edits {
				c.Edits[i].apply(t, o)
			}
			got, findings, err := examine(ctx, o.store(t), c.Passphrase)
			if was := outcome(err); was != c.Expect {
				t.Errorf("outcome %s, want %s: %v", was, c.Expect, err)
			}
			if findings != c.Findings {
				t.Errorf("a check has findings: %t, want %t", findings, c.Findings)
			}
			if c.Expect != isOK {
				return
			}
			if sumOf(got) != c.Listing {
				t.Errorf("listing differs")
			}
			if len(c.Edits) == 0 && got != string(want) {
				t.Errorf("listing is\n%s", got)
			}
		})
	}
}

// examine opens a vault, lists it by reading everything, and has it checked. A vault that does not open has
// findings.
func examine(ctx context.Context, s store.Store, passphrase string) (listing string, findings bool, err error) {
	o, err := open(ctx, s, passphrase)
	if err != nil {
		return "", true, err
	}
	listing, err = o.listing(ctx)
	fresh, oerr := open(ctx, s, passphrase)
	if oerr != nil {
		return listing, true, errors.Join(err, oerr)
	}
	r, verr := upkeep.Verify(ctx, fresh.db, fresh.history.Snapshots(""), upkeep.Options{Data: true, Workers: 1, Now: func() time.Time { return began }})
	if verr != nil {
		return listing, true, errors.Join(err, verr)
	}
	missed, merr := missed(ctx, s, fresh.db.Keys())
	return listing, len(r.Findings)+missed > 0, errors.Join(err, merr)
}
