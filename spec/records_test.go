package spec_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"varve/internal/ledger"
	"varve/internal/seal"
)

// bulk is records.json.
type bulk struct {
	ID                  string
	Salt, Plain, Sealed octets
}

// TestRecordsLayer: a segment of records in bulk has the name that its content gives it, is opened, and encodes again as
// it is; and is sealed again as it is.
func TestRecordsLayer(t *testing.T) {
	l := readLayers(t)
	if *update {
		plain := octets(strings.Join([]string{
			`{"type":"feedback","id":"1","at":{"ms":1700000000000,"by":"0011223344556677"},"set":{"build":"1.2","project":"aa","text":"the l\u003camp is stuck \\n 門"},"add":{"tags":["crash"]}}`,
			`{"type":"feedback","id":"1","at":{"ms":1700000000000,"n":1,"by":"0011223344556677"},"set":{"severity":2.5},"drop":{"tags":["crash"]}}`,
			`{"type":"metric","id":"m","at":{"ms":1700000000001,"by":"0011223344556677"},"gone":true}`}, "\n") + "\n")
		salt := bytes.Repeat([]byte{0x5a}, 32)
		sum := l.keys().ID.Sum(append([]byte("varve/1 records\n"), plain...))
		b := bulk{ID: hex.EncodeToString(sum[:16]), Salt: salt, Plain: plain}
		sealed, err := l.keys().Seal(nil, seal.Records, []byte(b.ID), plain, bytes.NewReader(salt))
		if err != nil {
			t.Fatal(err)
		}
		b.Sealed = sealed
		out, err := json.MarshalIndent(b, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		writeNew(t, "vectors/records.json", append(regexp.MustCompile(`"[A-Z]\w*":`).ReplaceAllFunc(out, bytes.ToLower), '\n'))
	}
	raw, err := os.ReadFile("vectors/records.json")
	if err != nil {
		t.Fatal(err)
	}
	var b bulk
	if err := json.Unmarshal(raw, &b); err != nil {
		t.Fatal(err)
	}
	sum := l.keys().ID.Sum(append([]byte("varve/1 records\n"), b.Plain...))
	if got := hex.EncodeToString(sum[:16]); got != b.ID {
		t.Errorf("its id is %s, want %s", got, b.ID)
	}
	plain, err := l.keys().Open(nil, seal.Records, []byte(b.ID), b.Sealed, len(b.Plain))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "plain bytes", plain, b.Plain)
	records, err := ledger.DecodeBulk(plain)
	if err != nil || len(records) != 3 {
		t.Fatalf("%d records, %v", len(records), err)
	}
	again, err := ledger.EncodeBulk(records)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "records", again, b.Plain)
	sealed, err := l.keys().Seal(nil, seal.Records, []byte(b.ID), b.Plain, bytes.NewReader(b.Salt))
	if err != nil {
		t.Fatal(err)
	}
	same(t, "sealed segment", sealed, b.Sealed)
}
