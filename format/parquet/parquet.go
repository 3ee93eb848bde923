// Package parquet knows the row groups and column chunks of Parquet files, by their footers.
//
// It promises: of the data nothing is read, unless its hash is asked for; pages are not decoded.
//
// # Bytes
//
//	"PAR1", column chunks, footer (FileMetaData in Thrift's compact protocol), its length:4, "PAR1"
//
// "PARE" at the end says that the footer is encrypted.
package parquet

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"path"
	"slices"
	"strconv"
	"strings"

	"varve/format"
)

const (
	magic     = "PAR1"
	maxFooter = 256 << 20
)

// Format is the format. It has no state.
type Format struct{}

// Name is "parquet".
func (Format) Name() string { return "parquet" }

// Match looks for the magic.
func (Format) Match(name string, head []byte) bool {
	return len(head) >= 4 && (string(head[:4]) == magic || string(head[:4]) == "PARE" && strings.EqualFold(path.Ext(name), ".parquet"))
}

// chunk is a column of a row group.
type chunk struct {
	path     string
	file     string // that it is in; "" for this one
	kind     int64
	codec    int64
	values   int64
	off, len int64
	hidden   bool // what is known of it is encrypted
}

// group is a row group.
type group struct {
	rows, size int64
	chunks     []chunk
}

// footer is what a file says of itself.
type footer struct {
	version, rows int64
	schema        string // a hash
	columns       int    // leaves of the schema
	maker         string
	metadata      [][2]string
	groups        []group
	names         int
	size          int64 // of the file
}

func once(ctx context.Context, in format.Input) (*footer, error) {
	return format.Once(in, "parquet", func() (*footer, error) { return read(ctx, in) })
}

func read(ctx context.Context, in format.Input) (*footer, error) {
	size := in.Size()
	if size < 12 {
		return nil, format.Malformed("%d bytes are no Parquet file", size)
	}
	head, err := format.ReadSpan(in, 0, 4, 4)
	if err != nil {
		return nil, err
	}
	tail, err := format.ReadSpan(in, size-8, 8, 8)
	if err != nil {
		return nil, err
	}
	if string(head) == "PARE" || string(tail[4:]) == "PARE" {
		return nil, format.Unsupported("an encrypted footer")
	}
	n := int64(binary.LittleEndian.Uint32(tail))
	if string(head) != magic || string(tail[4:]) != magic || n > size-12 {
		return nil, format.Malformed("no footer at the end: cut off, or half written")
	}
	b, err := format.ReadSpan(in, size-8-n, n, maxFooter)
	if err != nil {
		return nil, err
	}
	f := &footer{size: size - 8 - n}
	c := &compact{b: b}
	if err := f.parse(ctx, c); err != nil {
		return nil, err
	}
	return f, f.sound()
}

// parse reads a FileMetaData.
func (f *footer) parse(ctx context.Context, c *compact) error {
	return c.fields(func(id int64, kind byte) (err error) {
		switch {
		case id == 1 && kind == 5:
			f.version, err = c.number()
		case id == 2 && kind == typeList:
			from := c.at
			err = c.list(typeStruct, func() error { return f.column(c) })
			if err == nil {
				f.schema = format.HashOf(c.b[from:c.at])
			}
		case id == 3 && kind == typeI64:
			f.rows, err = c.number()
		case id == 4 && kind == typeList:
			err = c.list(typeStruct, func() error {
				if err := ctx.Err(); err != nil {
					return err
				}
				return f.group(c)
			})
		case id == 5 && kind == typeList:
			err = c.list(typeStruct, func() error { return f.entry(c) })
		case id == 6 && kind == typeBinary:
			f.maker, err = c.text()
		default:
			err = c.skip(kind, true)
		}
		return err
	})
}

// column reads an element of the schema.
func (f *footer) column(c *compact) error {
	leaf := true
	err := c.fields(func(id int64, kind byte) error {
		if id == 5 && kind == 5 {
			n, err := c.number()
			leaf = n == 0
			return err
		}
		return c.skip(kind, true)
	})
	if leaf {
		f.columns++
	}
	return err
}

func (f *footer) entry(c *compact) error {
	var e [2]string
	err := c.fields(func(id int64, kind byte) (err error) {
		if (id == 1 || id == 2) && kind == typeBinary {
			e[id-1], err = c.text()
			return err
		}
		return c.skip(kind, true)
	})
	if f.metadata = append(f.metadata, e); len(f.metadata) > 1<<16 {
		return fmt.Errorf("more than %d entries of metadata: %w", 1<<16, format.ErrLimit)
	}
	return err
}

func (f *footer) group(c *compact) error {
	var g group
	err := c.fields(func(id int64, kind byte) (err error) {
		switch {
		case id == 1 && kind == typeList:
			err = c.list(typeStruct, func() error {
				k, err := f.chunk(c)
				g.chunks = append(g.chunks, k)
				if f.names += len(k.path) + len(k.file) + 64; f.names > format.MaxNames {
					return fmt.Errorf("names of columns: %w", format.ErrLimit)
				}
				return err
			})
		case id == 2 && kind == typeI64:
			g.size, err = c.number()
		case id == 3 && kind == typeI64:
			g.rows, err = c.number()
		default:
			err = c.skip(kind, true)
		}
		return err
	})
	f.groups = append(f.groups, g)
	return err
}

func (f *footer) chunk(c *compact) (k chunk, err error) {
	known := false
	err = c.fields(func(id int64, kind byte) (err error) {
		switch {
		case id == 1 && kind == typeBinary:
			k.file, err = c.text()
		case id == 3 && kind == typeStruct:
			known = true
			err = k.meta(c)
		default:
			err = c.skip(kind, true)
		}
		return err
	})
	k.hidden = !known
	return k, err
}

// meta reads a ColumnMetaData. A chunk begins with its dictionary, where there is one.
func (k *chunk) meta(c *compact) error {
	dictionary := int64(0)
	err := c.fields(func(id int64, kind byte) (err error) {
		to := map[int64]*int64{1: &k.kind, 4: &k.codec, 5: &k.values, 7: &k.len, 9: &k.off, 11: &dictionary}[id]
		switch {
		case to != nil && (kind == 5 || kind == typeI64):
			*to, err = c.number()
		case id == 3 && kind == typeList:
			var parts []string
			err = c.list(typeBinary, func() error {
				s, err := c.text()
				parts = append(parts, s)
				return err
			})
			k.path = strings.Join(parts, ".")
		default:
			err = c.skip(kind, true)
		}
		return err
	})
	if dictionary > 0 && dictionary < k.off {
		k.off = dictionary
	}
	return err
}

// sound checks that chunks lie between the magic and the footer.
func (f *footer) sound() error {
	total := 0
	rows := int64(0)
	for i := range f.groups {
		g := &f.groups[i]
		if g.rows < 0 || g.rows > 1<<62-rows {
			return format.Malformed("row group %d has %d rows", i, g.rows)
		}
		rows += g.rows
		for j := range g.chunks {
			k := &g.chunks[j]
			if k.file != "" || k.hidden {
				continue
			}
			if k.off < 4 || k.len < 0 || k.off > f.size || k.len > f.size-k.off {
				return format.Malformed("row group %d, column %.80q: %d bytes at %d, and the footer is at %d", i, k.path, k.len, k.off, f.size)
			}
		}
		total += 1 + len(g.chunks)
	}
	if total >= format.MaxElements {
		return fmt.Errorf("%d column chunks: %w", total, format.ErrLimit)
	}
	if rows != f.rows {
		return format.Malformed("%d rows in all groups, and %d in the file", rows, f.rows)
	}
	return nil
}

// Validate checks that the footer is there and that the chunks lie where it says. Pages are not looked at.
func (Format) Validate(ctx context.Context, in format.Input) error {
	_, err := once(ctx, in)
	return err
}

// Regions returns one for each column chunk.
func (Format) Regions(in format.Input) ([]format.Region, error) {
	f, err := once(context.Background(), in)
	if err != nil {
		return nil, err
	}
	var out []format.Region
	for i := range f.groups {
		for _, k := range f.groups[i].chunks {
			if k.file == "" && k.len > 0 {
				out = append(out, format.Region{Off: k.off, Len: k.len, Width: 1})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b format.Region) int { return int(min(max(a.Off-b.Off, -1), 1)) })
	end := int64(0)
	return slices.DeleteFunc(out, func(g format.Region) bool { // what two groups share is one
		if g.Off < end {
			return true
		}
		end = g.Off + g.Len
		return false
	}), nil
}

// Outline lists the schema, the row groups, and in them their columns.
func (Format) Outline(ctx context.Context, in format.Input) ([]format.Element, error) {
	f, err := once(ctx, in)
	if err != nil {
		return nil, err
	}
	out := []format.Element{{ID: "schema", Stable: "schema", Kind: "schema", Name: "schema", Properties: map[string]string{"columns": strconv.Itoa(f.columns), "rows": strconv.FormatInt(f.rows, 10)},
		Aspects: map[string]string{"schema": f.schema}}}
	for _, e := range f.metadata {
		if len(e[1]) <= 200 && len(out[0].Properties) < 256 {
			out[0].Properties["metadata "+e[0]] = e[1]
		}
	}
	for i := range f.groups {
		g := &f.groups[i]
		id := "group " + strconv.Itoa(i)
		out = append(out, format.Element{ID: id, Stable: id, Kind: "row group", Name: id, Bytes: 0, Properties: map[string]string{"rows": strconv.FormatInt(g.rows, 10)}})
		seen := map[string]int{}
		for j := range g.chunks {
			k := &g.chunks[j]
			name := k.path
			if k.hidden {
				name = "encrypted " + strconv.Itoa(j)
			}
			own := id + "/" + name
			if seen[own]++; seen[own] > 1 {
				own += "#" + strconv.Itoa(j)
			}
			out = append(out, format.Element{ID: own, Stable: own, Parent: id, Kind: "column", Name: name, Bytes: max(k.len, 0),
				Properties: map[string]string{"type": kindOf(k.kind), "codec": codecOf(k.codec), "values": strconv.FormatInt(k.values, 10)}})
		}
	}
	return out, nil
}

// Elements is Outline with hashes of the bytes of each column, as they are compressed.
func (f Format) Elements(ctx context.Context, in format.Input) ([]format.Element, error) {
	out, err := f.Outline(ctx, in)
	if err != nil {
		return nil, err
	}
	foot, err := once(ctx, in)
	if err != nil {
		return nil, err
	}
	n := 0
	for i := range foot.groups {
		n++
		for j := range foot.groups[i].chunks {
			n++
			k := &foot.groups[i].chunks[j]
			if k.file != "" || k.hidden || k.len == 0 {
				continue
			}
			sum, err := format.Shared(in, k.off, k.len, "column", func() (string, error) {
				if err := ctx.Err(); err != nil {
					return "", err
				}
				h := sha256.New()
				if got, err := io.Copy(h, io.NewSectionReader(in, k.off, k.len)); err != nil || got < k.len {
					return "", format.Malformed("%d bytes of %d: %v", got, k.len, err)
				}
				return hex.EncodeToString(h.Sum(nil)[:16]), nil
			})
			if err != nil {
				return nil, err
			}
			out[n].Aspects = map[string]string{"content": sum}
		}
	}
	return out, nil
}

// References are the files that columns are in, of a footer that is a file by itself.
func (Format) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	f, err := once(ctx, in)
	if err != nil {
		return nil, err
	}
	var out []format.Reference
	seen := map[string]bool{"": true}
	for i := range f.groups {
		for _, k := range f.groups[i].chunks {
			if !seen[k.file] {
				seen[k.file] = true
				out = append(out, format.Reference{Kind: "table", Raw: k.file, Path: k.file, Style: format.Relative})
			}
		}
	}
	return out, nil
}

func kindOf(n int64) string {
	return numbered(n, "BOOLEAN", "INT32", "INT64", "INT96", "FLOAT", "DOUBLE", "BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")
}

func codecOf(n int64) string {
	return numbered(n, "UNCOMPRESSED", "SNAPPY", "GZIP", "LZO", "BROTLI", "LZ4", "ZSTD", "LZ4_RAW")
}

func numbered(n int64, names ...string) string {
	if n >= 0 && n < int64(len(names)) {
		return names[n]
	}
	return strconv.FormatInt(n, 10)
}
