package parquet

import (
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// shaped writes Thrift's compact protocol.
func i64(id, n int64) []byte {
	return append([]byte{6, byte(id << 1)}, binary.AppendUvarint(nil, uint64(n<<1))...)
}

func text(s string) []byte { return append(binary.AppendUvarint(nil, uint64(len(s))), s...) }

func structs(id byte, parts ...[]byte) []byte {
	b := []byte{9, id << 1, byte(len(parts)<<4) | 12}
	for _, p := range parts {
		b = append(append(b, p...), 0)
	}
	return b
}

func joined(parts ...[]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, p...)
	}
	return b
}

func column(name string, off, n int64) []byte {
	meta := joined([]byte{9, 3 << 1, 1<<4 | 8}, text(name), i64(5, 10), i64(7, n), i64(9, off))
	return joined([]byte{12, 3 << 1}, meta, []byte{0})
}

func made(rows int64, columns ...[]byte) []byte {
	foot := joined([]byte{5, 1 << 1, 2}, structs(2, joined([]byte{8, 4 << 1}, text("a"))), i64(3, rows),
		structs(4, joined(structs(1, columns...), i64(2, 60), i64(3, 10))), []byte{0})
	b := append([]byte(magic), make([]byte, 60)...)
	b = append(b, foot...)
	return append(binary.LittleEndian.AppendUint32(b, uint32(len(foot))), magic...)
}

func TestMade(t *testing.T) {
	b := made(10, column("a", 4, 20), column("b", 24, 40))
	formattest.Run(t, Format{}, map[string][]byte{"t.parquet": b})
	list, err := (Format{}).Elements(t.Context(), format.Bytes(b))
	if err != nil || len(list) != 4 || list[2].ID != "group 0/a" || list[3].Bytes != 40 || list[3].Aspects["content"] == "" {
		t.Errorf("%+v, %v", list, err)
	}
	regions, err := (Format{}).Regions(format.Bytes(b))
	if err != nil || len(regions) != 2 || regions[1].Off != 24 || regions[1].Len != 40 {
		t.Errorf("%+v, %v", regions, err)
	}
}

func TestHostile(t *testing.T) {
	whole := made(10, column("a", 4, 20))
	for name, b := range map[string][]byte{
		"cut":          whole[:len(whole)-1],
		"rows":         made(11, column("a", 4, 20)),
		"past footer":  made(10, column("a", 4, 61)),
		"before data":  made(10, column("a", 3, 20)),
		"short":        []byte("PAR1PAR1"),
		"footer":       append(append([]byte(magic), 0xff, 0xff, 0xff, 0x7f), magic...),
		"deep":         append(binary.LittleEndian.AppendUint32(append([]byte(magic), strings.Repeat("\x1c", 5000)...), 5000), magic...),
		"list of more": append(binary.LittleEndian.AppendUint32([]byte(magic+"\x29\xfc\xff\xff\xff\xff\x0f\x00"), 8), magic...),
	} {
		if err := (Format{}).Validate(t.Context(), format.Bytes(b)); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSamples: real files of several writers; what is bad ends in an error, or has its fault in a page, which is not
// looked at.
func TestSamples(t *testing.T) {
	files := formattest.Files(t, "parquet/parquet-testing/data", ".parquet")
	formattest.Run(t, Format{}, files)
	for name, want := range map[string][3]int{"alltypes_plain.parquet": {1, 11, 8}, "list_columns.parquet": {1, 2, 3}} { // groups, columns, rows
		f, err := read(t.Context(), format.Bytes(files[name]))
		if err != nil || len(f.groups) != want[0] || len(f.groups[0].chunks) != want[1] || f.rows != int64(want[2]) {
			t.Errorf("%s: %+v, %v", name, f, err)
		}
	}
	for name, b := range formattest.Files(t, "parquet/parquet-testing/bad_data", ".parquet") {
		if err := formattest.Survive(t.Context(), Format{}, b); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (Format{}).Validate(t.Context(), format.Bytes(formattest.Sample(t, "parquet/parquet-testing/data/uniform_encryption.parquet.encrypted"))); !errors.Is(err, format.ErrUnsupported) {
		t.Errorf("encrypted: %v", err)
	}
}

func Fuzz(f *testing.F) {
	formattest.Fuzz(f, Format{}, map[string][]byte{"m": made(10, column("a", 4, 20), column("b", 24, 40))})
}
