package spec_test

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"testing"

	"github.com/zeebo/blake3"

	"varve/internal/chunk"
	"varve/internal/digest"
	"varve/internal/history"
	"varve/internal/index"
	"varve/internal/seal"
	"varve/internal/tree"
)

// octets are written as hex digits.
type octets []byte

func (o octets) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(o)), nil }

func (o *octets) UnmarshalText(b []byte) (err error) {
	*o, err = hex.DecodeString(string(b))
	return err
}

// layers are small examples of each layer: vectors/layers.json.
type layers struct {
	Keys struct {
		Master, Vault, IDs, Gear, Index, Metadata, Packs octets
	} `json:"keys"`
	Digests []struct{ Input, Digest octets } `json:"digests"`
	Gear    []gearEntry                      `json:"gear"`
	Cuts    []cuts                           `json:"cuts"`
	Objects []sealedObject                   `json:"objects"`
	Streams []sealedStream                   `json:"streams"`
	Pack    struct{ File, Chunk octets }     `json:"pack"`
	Slots   []struct {
		Slot               json.RawMessage
		Passphrase, Master octets
	} `json:"slots"`
	Planes      []planesBlock `json:"planes"`
	Differences []difference  `json:"differences"`
	Window      struct {
		Bases          []octets
		Payload, Plain octets
	} `json:"window_delta"`
	Recipe struct {
		Bytes octets
		Class uint8
		Size  int64
		Items []item
	} `json:"recipe"`
	Page struct {
		Bytes, Digest octets
		Names         []octets
	} `json:"page"`
	Marks []struct{ Name, Mark octets } `json:"marks"`
	// Roots of a directory of so many empty files "entry-%06d" with mode 0644 and the number as their time in
	// seconds, and of a recipe of class 1 and so many chunks of 1000 bytes, whose digests are those of the number
	// as u32.
	Roots struct {
		Entries   int
		Directory octets
		Items     int
		Recipe    octets
	} `json:"roots"`
	Index struct {
		Bytes octets
		Rows  []indexRow
	} `json:"index"`
	Changes struct {
		Bytes octets
		List  []listed
	} `json:"changes"`
}

type planesBlock struct{ Raw, Stored octets }

type difference struct{ Base, Plain, Difference octets }

type gearEntry struct {
	Byte  int
	Value string // 16 hex digits, the most significant first
}

// cuts are the pieces of bytes lo to hi of a stream: SHA-256("varve cuts" ‖ u32 LE 0) ‖ SHA-256("varve cuts" ‖ u32 LE 1) …,
// of which those from Zeros[0] to Zeros[1] are set to zero.
type cuts struct {
	Class  uint8
	Size   int
	Zeros  [2]int
	Seams  [][2]int64 // offset, class
	Pieces [][3]int   // kind, offset, length
}

type sealedObject struct {
	Kind                uint8
	ID                  string
	Salt, Plain, Sealed octets
}

// sealedStream is of Size bytes of the stream of cuts. Only the SHA-256 of what is long is given.
type sealedStream struct {
	Salt, Commitment, AAD octets
	Log                   uint8
	Size                  int
	SealedSHA256          octets
	Sealed                octets `json:",omitempty"`
}

type item struct {
	Kind  uint8
	Len   int64
	Bytes octets // digest, literal or pattern
}

type indexRow struct {
	Digest, Pack octets
	Size         int64
	Block        uint32
	Place        uint16
	Flags        uint8
}

type listed struct {
	Kind      string
	Path, Old octets `json:",omitempty"`
}

// cutStream is what cuts and sealedStream are about.
func cutStream(n int, zeros [2]int) []byte {
	var out []byte
	for i := uint32(0); len(out) < n; i++ {
		sum := sha256.Sum256(binary.LittleEndian.AppendUint32([]byte("varve cuts"), i))
		out = append(out, sum[:]...)
	}
	clear(out[zeros[0]:zeros[1]])
	return out[:n]
}

func pieces(gear [32]byte, c *cuts) (out [][3]int) {
	var seams []chunk.Seam
	for _, s := range c.Seams {
		seams = append(seams, chunk.Seam{Off: s[0], Class: chunk.Class(s[1])})
	}
	ps, _ := chunk.NewTable(gear).Cutter(chunk.Class(c.Class), seams).Feed(nil, cutStream(c.Size, c.Zeros), true)
	for _, p := range ps {
		out = append(out, [3]int{int(p.Kind), p.Off, p.Len})
	}
	return out
}

func encodePage(keys *seal.Keys, entries []tree.Entry) (page []byte, root digest.Digest, err error) {
	b := tree.NewBuilder(func(p []byte) (digest.Digest, error) { page = bytes.Clone(p); return keys.ID.Sum(p), nil })
	for i := range entries {
		if err := b.Add(&entries[i]); err != nil {
			return nil, root, err
		}
	}
	root, _, err = b.Finish()
	return page, root, err
}

func encodeIndex(rows []indexRow) []byte {
	w := new(index.Writer)
	for _, r := range rows {
		n := w.AddPack(index.PackInfo{ID: index.PackID(r.Pack), Size: r.Size})
		w.Add(digest.Digest(r.Digest), n, r.Block, r.Place, index.Flags(r.Flags))
	}
	return w.Encode()
}

func (l *layers) keys() *seal.Keys {
	return seal.Derive(seal.Master(l.Keys.Master), [16]byte(l.Keys.Vault))
}

func readLayers(t *testing.T) *layers {
	b, err := os.ReadFile("vectors/layers.json")
	if err != nil {
		t.Fatal(err)
	}
	l := new(layers)
	if err := json.Unmarshal(b, l); err != nil {
		t.Fatal(err)
	}
	return l
}

func same(t *testing.T, what string, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Errorf("%s is %x, want %x", what, got, want)
	}
}

// TestKeyLayer checks the keys by HKDF as the standard library has it.
func TestKeyLayer(t *testing.T) {
	l := readLayers(t)
	k := l.keys()
	same(t, "ids", k.ID[:], l.Keys.IDs)
	same(t, "gear", k.Gear[:], l.Keys.Gear)
	prk, err := hkdf.Extract(sha256.New, l.Keys.Master, l.Keys.Vault)
	if err != nil {
		t.Fatal(err)
	}
	for label, want := range map[string]octets{"ids": l.Keys.IDs, "gear": l.Keys.Gear, "index": l.Keys.Index, "metadata": l.Keys.Metadata, "packs": l.Keys.Packs} {
		got, err := hkdf.Expand(sha256.New, prk, "varve/1 "+label, 32)
		if err != nil {
			t.Fatal(err)
		}
		same(t, label, got, want)
	}
	for _, d := range l.Digests {
		h, err := blake3.NewKeyed(l.Keys.IDs)
		if err != nil {
			t.Fatal(err)
		}
		h.Write(d.Input)
		same(t, "digest", h.Sum(nil), d.Digest)
		sum := k.ID.Sum(d.Input)
		same(t, "digest", sum[:], d.Digest)
	}
	for _, s := range l.Slots {
		var slot seal.Slot
		if err := json.Unmarshal(s.Slot, &slot); err != nil {
			t.Fatal(err)
		}
		m, err := slot.Open(s.Passphrase)
		if err != nil {
			t.Error(err)
		}
		same(t, "master", m[:], s.Master)
		if slot.Kind != seal.SlotStored {
			same(t, "master", openSlot(t, &slot, s.Passphrase), s.Master)
		}
		same(t, "sum", slotSum(&slot), slot.Sum)
		same(t, "mac", slotMac(t, &slot, s.Master), slot.Mac)
	}
}

// TestSealLayer opens sealed objects and streams by vault.md alone, and seals them again.
func TestSealLayer(t *testing.T) {
	l := readLayers(t)
	k := l.keys()
	for i, o := range l.Objects {
		root := l.Keys.Metadata
		if seal.Kind(o.Kind) == seal.Index {
			root = l.Keys.Index
		}
		okm, err := hkdf.Key(sha256.New, root, o.Salt, "varve/1 object", 64)
		if err != nil {
			t.Fatal(err)
		}
		head := append([]byte("vrvo\x01"), o.Kind, 0, 0)
		head = append(append(head, o.Salt...), okm[32:]...)
		same(t, "object header", o.Sealed[:72], head)
		aad := append(append(append(bytes.Clone(l.Keys.Vault), o.Kind), o.ID...), head...)
		body, err := gcm(t, okm[:32]).Open(nil, make([]byte, 12), o.Sealed[72:], aad)
		if err != nil {
			t.Fatalf("object %d: %v", i, err)
		}
		plain := body[5:]
		if body[0] == 1 {
			plain = unzstd(t, plain)
		}
		if n := binary.LittleEndian.Uint32(body[1:]); int(n) != len(o.Plain) {
			t.Errorf("object %d says %d bytes", i, n)
		}
		same(t, "object", plain, o.Plain)
		got, err := k.Open(nil, seal.Kind(o.Kind), []byte(o.ID), o.Sealed, len(o.Plain))
		if err != nil {
			t.Fatal(err)
		}
		same(t, "object", got, o.Plain)
		if body[0] == 0 { // what zstd makes may differ between its versions
			again, err := k.Seal(nil, seal.Kind(o.Kind), []byte(o.ID), o.Plain, bytes.NewReader(o.Salt))
			if err != nil {
				t.Fatal(err)
			}
			same(t, "sealed object", again, o.Sealed)
		}
	}
	for _, s := range l.Streams {
		plain := cutStream(s.Size, [2]int{})
		st := k.Stream([32]byte(s.Salt), s.Log, s.AAD)
		commitment := st.Commitment()
		same(t, "commitment", commitment[:], s.Commitment)
		sealed := st.Seal(nil, plain)
		sum := sha256.Sum256(sealed)
		same(t, "sealed stream", sum[:], s.SealedSHA256)
		same(t, "sealed stream", sealBySpec(t, l, &s, plain), sealed)
		if s.Sealed != nil {
			same(t, "sealed stream", sealed, s.Sealed)
		}
	}
}

// TestBlockLayer decodes planes, differences and a window delta, and the same by vault.md alone.
func TestBlockLayer(t *testing.T) {
	l := readLayers(t)
	modes, widths := map[byte]bool{}, map[byte]bool{}
	for _, p := range l.Planes {
		for _, c := range []seal.Codec{seal.Planes, seal.Subtract} {
			got, err := seal.NewDecoder().Block(nil, c, p.Stored, len(p.Raw))
			if err != nil {
				t.Fatal(err)
			}
			same(t, "planes", got, p.Raw)
		}
		same(t, "planes", planesBySpec(t, p.Stored, len(p.Raw), modes), p.Raw)
	}
	if len(modes) != 5 {
		t.Errorf("runs have the modes %v only", modes)
	}
	for _, d := range l.Differences {
		got, err := seal.Sum(nil, d.Difference, d.Base)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "sum", got, d.Plain)
		same(t, "sum", sumBySpec(d.Difference, d.Base), d.Plain)
		widths[d.Difference[0]] = true
	}
	if len(widths) != 2 {
		t.Errorf("differences have w of %v only", widths)
	}
	bases := make([][]byte, len(l.Window.Bases))
	for i, b := range l.Window.Bases {
		bases[i] = b
	}
	got, err := seal.Apply(nil, l.Window.Payload, bases, len(l.Window.Plain))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "window delta", got, l.Window.Plain)
	same(t, "window delta", applyBySpec(l.Window.Payload, bases, len(l.Window.Plain)), l.Window.Plain)
}

// TestChunkLayer cuts a stream, and computes the Gear table and the first cut by vault.md alone.
func TestChunkLayer(t *testing.T) {
	l := readLayers(t)
	h, err := blake3.NewKeyed(l.Keys.Gear)
	if err != nil {
		t.Fatal(err)
	}
	h.WriteString("varve chunk gear table 1")
	var x [2048]byte
	h.Digest().Read(x[:])
	for _, g := range l.Gear {
		if got := fmt.Sprintf("%016x", binary.LittleEndian.Uint64(x[8*g.Byte:])); got != g.Value {
			t.Errorf("gear value of %d is %s, want %s", g.Byte, got, g.Value)
		}
	}
	for i, c := range l.Cuts {
		if got := pieces([32]byte(l.Keys.Gear), &c); !slices.Equal(got, c.Pieces) {
			t.Errorf("cuts %d are %v, want %v", i, got, c.Pieces)
		}
		if len(c.Seams) == 0 && c.Zeros[1] == 0 && (c.Class == 1 || c.Class == 2 || c.Class == 6) {
			if got := cutBySpec(x[:], chunk.Class(c.Class).Params(), cutStream(c.Size, c.Zeros)); !slices.Equal(got, c.Pieces) {
				t.Errorf("cuts %d by the text are %v, want %v", i, got, c.Pieces)
			}
		}
	}
}

// TestTreeLayer decodes and encodes a recipe, a page and its marks.
func TestTreeLayer(t *testing.T) {
	ctx := t.Context()
	l := readLayers(t)
	r, err := tree.DecodeRecipe(l.Recipe.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if r.Class != l.Recipe.Class || r.Size != l.Recipe.Size || len(r.Items) != len(l.Recipe.Items) {
		t.Fatalf("recipe is %+v", r)
	}
	for i, it := range l.Recipe.Items {
		got := r.Items[i]
		b := got.Bytes
		if got.Kind == tree.Chunk {
			b = got.Digest[:]
		}
		if uint8(got.Kind) != it.Kind || got.Len != it.Len {
			t.Errorf("item %d is %+v", i, got)
		}
		same(t, "item", b, it.Bytes)
	}
	same(t, "recipe", r.Append(nil), l.Recipe.Bytes)

	get := func(context.Context, digest.Digest) ([]byte, error) { return l.Page.Bytes, nil }
	var entries []tree.Entry
	for e, err := range tree.List(ctx, get, digest.Digest(l.Page.Digest)) {
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) >= len(l.Page.Names) {
			t.Fatal("too many entries")
		}
		same(t, "name", []byte(e.Name), l.Page.Names[len(entries)])
		entries = append(entries, e)
	}
	page, root, err := encodePage(l.keys(), entries)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "page", page, l.Page.Bytes)
	same(t, "digest of the page", root[:], l.Page.Digest)
	for _, m := range l.Marks {
		same(t, "mark", markBySpec(m.Name), m.Mark)
	}
}

// TestPaging cuts long directories and recipes into pages.
func TestPaging(t *testing.T) {
	l := readLayers(t)
	k := l.keys()
	dir, err := manyEntries(k, l.Roots.Entries)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "directory", dir[:], l.Roots.Directory)
	recipe, err := manyItems(k, l.Roots.Items)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "recipe", recipe[:], l.Roots.Recipe)
	same(t, "recipe by the text", pageBySpec(k, l.Roots.Items), l.Roots.Recipe)
}

func manyEntries(k *seal.Keys, n int) (digest.Digest, error) {
	b := tree.NewBuilder(func(p []byte) (digest.Digest, error) { return k.ID.Sum(p), nil })
	empty := (&tree.Recipe{Class: 1}).Append(nil)
	for i := range n {
		if err := b.Add(&tree.Entry{Name: fmt.Sprintf("entry-%06d", i), Mode: 0o644, Mtime: int64(i) * 1_000_000_000, Content: empty}); err != nil {
			return digest.Digest{}, err
		}
	}
	d, _, err := b.Finish()
	return d, err
}

func manyItems(k *seal.Keys, n int) (digest.Digest, error) {
	r := tree.Recipe{Class: 1, Size: int64(n) * 1000}
	for i := range n {
		r.Items = append(r.Items, tree.Item{Kind: tree.Chunk, Len: 1000, Digest: k.ID.Sum(binary.LittleEndian.AppendUint32(nil, uint32(i)))})
	}
	_, root, err := tree.PutRecipe(func(p []byte) (digest.Digest, error) { return k.ID.Sum(p), nil }, &r)
	return root, err
}

// TestListLayer reads an index segment and a page of changes, and encodes them.
func TestListLayer(t *testing.T) {
	l := readLayers(t)
	s, err := index.Open(l.Index.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	for _, r := range l.Index.Rows {
		got := s.Lookup(index.PrefixOf(digest.Digest(r.Digest)), nil)
		want := index.Place{Pack: index.PackID(r.Pack), Block: r.Block, Place: r.Place, Flags: index.Flags(r.Flags)}
		if len(got) != 1 || got[0] != want {
			t.Errorf("row is at %v, want %v", got, want)
		}
	}
	same(t, "index segment", encodeIndex(l.Index.Rows), l.Index.Bytes)

	list, err := history.DecodeChanges(l.Changes.Bytes)
	if err != nil || len(list) != len(l.Changes.List) {
		t.Fatalf("changes: %v, %v", list, err)
	}
	for i, c := range l.Changes.List {
		if string(list[i].Kind) != c.Kind || list[i].Path != string(c.Path) || list[i].Old != string(c.Old) {
			t.Errorf("change %d is %+v", i, list[i])
		}
	}
	_, err = history.PutChanges(func(page []byte) (digest.Digest, error) {
		same(t, "changes", page, l.Changes.Bytes)
		return digest.Digest{}, nil
	}, list)
	if err != nil {
		t.Error(err)
	}
}
