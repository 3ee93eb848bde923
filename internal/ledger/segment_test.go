package ledger_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"varve/internal/ledger"
	"varve/internal/object"
)

// drawAny gives records of any names, texts and values.
func drawAny(t *rapid.T) []ledger.Record {
	text := rapid.OneOf(rapid.StringMatching(`[a-z0-9 ]{1,9}`), rapid.StringN(1, 9, 40), rapid.SampledFrom([]string{`"`, `\`, "a<b>&c", "\n", "門が", "\u2028", "\x00", "\xff"}))
	value := rapid.Custom(func(t *rapid.T) json.RawMessage {
		var v any
		switch rapid.IntRange(0, 6).Draw(t, "kind") {
		case 0:
			v = text.Draw(t, "text")
		case 1:
			v = rapid.Int64().Draw(t, "int")
		case 2:
			v = rapid.Float64Range(-1e300, 1e300).Draw(t, "float")
		case 3:
			v = rapid.Bool().Draw(t, "bool")
		case 4:
			v = nil
		case 5:
			v = []any{text.Draw(t, "in"), map[string]any{text.Draw(t, "key"): 1}}
		default:
			return json.RawMessage(rapid.SampledFrom([]string{` 1`, `{"a" : "}"}`, "[ 1,\n2]", `1.0`, `-0`, `1E5`, `"\u0041"`}).Draw(t, "raw"))
		}
		return ledger.Value(v)
	})
	sets := rapid.MapOfN(text, rapid.SliceOfN(text, 0, 3), 0, 2)
	return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ledger.Record {
		r := ledger.Record{Type: text.Draw(t, "type"), ID: text.Draw(t, "id"), Gone: rapid.Bool().Draw(t, "gone"),
			At:  ledger.Stamp{Milli: rapid.Int64Range(0, 253_402_300_799_999).Draw(t, "ms"), Counter: rapid.Uint32Range(0, 1<<31).Draw(t, "n"), Writer: text.Draw(t, "by")},
			Set: rapid.MapOfN(text, value, 0, 4).Draw(t, "set"), Add: sets.Draw(t, "add"), Drop: sets.Draw(t, "drop")}
		r.Type = strings.ReplaceAll(r.Type, "\x00", "0")
		return r
	}), 1, 4).Draw(t, "records")
}

// TestLines: a segment's lines are what encoding/json writes, byte for byte, and are read as it reads them.
func TestLines(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := drawAny(t)
		got, err := ledger.EncodeBulk(records)
		if err != nil {
			t.Fatal(err)
		}
		var want []byte
		var back []ledger.Record
		for i := range records {
			line, err := json.Marshal(&records[i])
			if err != nil {
				t.Fatal(err)
			}
			want = append(append(want, line...), '\n')
			var r ledger.Record
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatal(err)
			}
			back = append(back, r)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("%q\nwant %q", got, want)
		}
		read, err := ledger.DecodeBulk(got)
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(plainOf(read), plainOf(back)) {
			t.Fatalf("%+v\nwant %+v", read, back)
		}
	})
}

// plainOf makes sets that are empty the same as those that are not there.
func plainOf(records []ledger.Record) []string {
	var out []string
	for i := range records {
		b, err := json.Marshal(&records[i])
		if err != nil {
			panic(err)
		}
		out = append(out, string(b))
	}
	return out
}

// FuzzDecodeBulk: nothing panics; what is read is what encoding/json reads, and encodes again as something that is read
// the same.
func FuzzDecodeBulk(f *testing.F) {
	f.Add([]byte(`{"type":"hold","id":"1","at":{"ms":5,"n":1,"by":"w"},"set":{"reason":"keep","n":[1,{"a":"]"}]},"add":{"tags":["x"]}}` + "\n"))
	f.Add([]byte(`{"type":"a","id":"b","at":{"ms":0,"by":""},"gone":true,"drop":{"t":[]}}` + "\n"))
	f.Add([]byte(`{"type":"a","id":"b","at":{"ms":01,"by":""},"set":{"x":"` + "\xff" + `"}}` + "\n{}\n"))
	f.Add([]byte(`{"type":"a","id":"b","at":{"ms":1,"by":""},"set":{"x":"\`))
	f.Fuzz(func(t *testing.T, b []byte) {
		records, err := ledger.DecodeBulk(b)
		if err != nil {
			return
		}
		for i, line := range bytes.SplitAfter(b, []byte("\n")) {
			if len(line) == 0 {
				continue
			}
			var r ledger.Record
			if err := json.Unmarshal(line, &r); err != nil {
				t.Fatalf("%q is no JSON: %v", line, err)
			}
			if got, want := plainOf(records[i : i+1])[0], plainOf([]ledger.Record{r})[0]; got != want {
				t.Fatalf("%q was read as %s, want %s", line, got, want)
			}
		}
		lines, err := ledger.EncodeBulk(records)
		if err != nil {
			t.Fatal(err)
		}
		back, err := ledger.DecodeBulk(lines)
		if err != nil || !reflect.DeepEqual(plainOf(back), plainOf(records)) {
			t.Fatalf("%q became %q: %v", b, lines, err)
		}
	})
}

// TestDecodeBulkRefuses: what an index has no place for.
func TestDecodeBulkRefuses(t *testing.T) {
	line := func(typ, id string) string {
		return fmt.Sprintf(`{"type":%q,"id":%q,"at":{"ms":1,"by":"w"}}`, typ, id) + "\n"
	}
	if got, err := ledger.DecodeBulk([]byte(line("a", "b"))); err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	for name, b := range map[string]string{
		"no end": strings.TrimSpace(line("a", "b")), "no kind": line("", "b"), "no id": line("a", ""), "a kind with a zero byte": `{"type":"a\u0000","id":"b","at":{"ms":1,"by":"w"}}` + "\n",
		"a long kind": line(strings.Repeat("k", 201), "b"), "a long id": line("a", strings.Repeat("i", 5000)), "the year 10000": `{"type":"a","id":"b","at":{"ms":253402300800000,"by":"w"}}` + "\n",
		"many": strings.Repeat(line("a", "b"), 100_001), "an empty line": "\n" + line("a", "b"),
	} {
		if got, err := ledger.DecodeBulk([]byte(b)); err == nil {
			t.Errorf("%s: %d records", name, len(got))
		}
	}
}

// TestSegments: what was put is listed and read; put again it is there once; damaged, it is told, and put again it is
// whole beside what is damaged.
func TestSegments(t *testing.T) {
	m := newMachine(t)
	now := int64(5)
	ctx := t.Context()
	segs := ledger.NewSegments(m.open(t, &now))
	records := []ledger.Record{{Type: "run", ID: "1", At: ledger.Stamp{Milli: 1, Writer: "w"}}, {Type: "run", ID: "2", At: ledger.Stamp{Milli: 2, Writer: "w"}}}
	for range 2 {
		if w, err := segs.Write(ctx, records); err != nil || len(w) != 1 || w[0].Records != 2 {
			t.Fatal(w, err)
		}
	}
	list := func(objects int) ledger.Segment {
		t.Helper()
		all, err := segs.List(ctx)
		if err != nil || len(all) != 1 || len(all[0].Names) != objects {
			t.Fatalf("%+v, %v", all, err)
		}
		return all[0]
	}
	seg := list(1)
	name := seg.Names[0].Name
	good, err := m.store.Get(ctx, name, 0, -1, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := segs.Read(ctx, seg); err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	bad := bytes.Clone(good)
	bad[len(bad)/2] ^= 1
	for what, b := range map[string][]byte{"a bit": bad, "cut": good[:len(good)-1], "nothing": {}} {
		if err := errors.Join(m.store.Delete(ctx, name), m.store.Put(ctx, name, b)); err != nil {
			t.Fatal(err)
		}
		if _, err := segs.Read(ctx, list(1)); !errors.Is(err, object.ErrDamaged) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := segs.Write(ctx, records); err != nil {
		t.Fatal(err)
	}
	if got, err := segs.Read(ctx, list(2)); err != nil || len(got) != 2 {
		t.Errorf("%d records, %v", len(got), err)
	}
	if _, err := segs.Write(ctx, records); err != nil {
		t.Fatal(err)
	}
	list(2)
}
