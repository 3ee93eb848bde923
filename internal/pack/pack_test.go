package pack

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"

	"varve/internal/digest"
	"varve/internal/seal"
)

func keys() *seal.Keys { return seal.Derive(seal.Master{1}, [16]byte{2}) }

// sealed is a pack of blocks, opened again.
func sealed(t *testing.T, b *Builder) (*Reader, error) {
	t.Helper()
	file := b.Seal(nil, keys(), ID{3}, [32]byte{4})
	return Open(t.Context(), keys(), func(_ context.Context, off, n int64, dst []byte) ([]byte, error) {
		return append(dst, file[off:off+n]...), nil
	}, int64(len(file)))
}

// A block of codec Subtract says that its entries are differences, through the pack's bytes.
func TestDifferences(t *testing.T) {
	base, plain := bytes.Repeat([]byte{1, 2}, 500), bytes.Repeat([]byte{3, 2}, 500)
	diff, err := seal.Difference(nil, plain, base, 2)
	if err != nil {
		t.Fatal(err)
	}
	e := Entry{Digest: digest.Digest{1}, Len: uint32(len(diff)), Plain: uint32(len(plain)), Bases: []digest.Digest{{2}}}
	codec, stored, err := seal.NewEncoder().BlockTyped(nil, diff, seal.Subtract, 2)
	if err != nil {
		t.Fatal(err)
	}
	b := NewBuilder(Data)
	b.Add(codec, stored, len(diff), []Entry{e})
	if !b.Blocks()[0].Entries[0].Difference {
		t.Error("the builder does not know a difference")
	}
	p, err := sealed(t, b)
	if err != nil {
		t.Fatal(err)
	}
	got := &p.Blocks[0].Entries[0]
	if !got.Difference || !slices.Equal(got.Bases, e.Bases) || got.Plain != e.Plain {
		t.Fatalf("read back: %+v", got)
	}
	span, err := p.Span(t.Context(), nil, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := seal.NewDecoder().Block(nil, p.Blocks[0].Codec, span, int(p.Blocks[0].Raw))
	if err != nil {
		t.Fatal(err)
	}
	made, err := got.Remake([]byte("dst"), raw, [][]byte{base})
	if err != nil || string(made) != "dst"+string(plain) {
		t.Errorf("%d bytes, %v", len(made), err)
	}
	for name, bases := range map[string][][]byte{"none": nil, "two": {base, base}, "shorter": {base[2:]}, "longer": {append(bytes.Clone(base), 1, 2)}} {
		if made, err := got.Remake([]byte("dst"), raw, bases); !errors.Is(err, ErrDamaged) || string(made) != "dst" {
			t.Errorf("from %s: %d bytes, %v", name, len(made), err)
		}
	}
}

func TestDirectoryRefusesWhatIsNoDifference(t *testing.T) {
	for name, e := range map[string]Entry{
		"whole":        {Len: 104, Plain: 104},
		"two bases":    {Len: 104, Plain: 100, Bases: make([]digest.Digest, 2)},
		"other length": {Len: 104, Plain: 104, Bases: make([]digest.Digest, 1)},
		"as a window":  {Len: 10, Plain: 100, Bases: make([]digest.Digest, 1)},
	} {
		b := NewBuilder(Data)
		b.Add(seal.Subtract, make([]byte, 9), int(e.Len), []Entry{e})
		if _, err := sealed(t, b); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The same as a window delta is one as far as the directory can tell.
	b := NewBuilder(Data)
	b.Add(seal.Raw, make([]byte, 10), 10, []Entry{{Len: 10, Plain: 100, Bases: make([]digest.Digest, 2)}})
	p, err := sealed(t, b)
	if err != nil || p.Blocks[0].Entries[0].Difference {
		t.Errorf("a window delta: %v", err)
	}
}

func FuzzParseDirectory(f *testing.F) {
	f.Add(appendDirectory(nil, []Block{{Codec: seal.Zstd, Stored: 5, Raw: 10, Entries: []Entry{{Len: 10, Plain: 10}}}}), int64(5))
	f.Add(appendDirectory(nil, []Block{{Codec: seal.Subtract, Stored: 5, Raw: 14, Entries: []Entry{{Len: 14, Plain: 10, Bases: make([]digest.Digest, 1)}}}}), int64(5))
	f.Fuzz(func(t *testing.T, b []byte, body int64) {
		blocks, err := ParseDirectory(b, body)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		again, err := ParseDirectory(appendDirectory(nil, blocks), body)
		if err != nil || len(again) != len(blocks) {
			t.Fatalf("%d blocks, %v", len(again), err)
		}
		for _, bl := range blocks {
			for _, e := range bl.Entries {
				if int64(e.Off)+int64(e.Len) > int64(bl.Raw) || e.Difference != (bl.Codec == seal.Subtract) {
					t.Fatalf("%+v in a block of %d", e, bl.Raw)
				}
			}
		}
	})
}
