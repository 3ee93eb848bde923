package records

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"varve/internal/ledger"
)

// writers gives the writers of stamps numbers, and back.
type writers interface {
	number(name string) (int64, error)
	name(number int64) (string, error)
}

// head are the columns of a row before those of fields, and tail those after.
const (
	head  = "n, id, fm, fn, fw, lm, ln, lw, gone"
	tail  = "sets, more, state, sum"
	nHead = 9
	nTail = 4
)

// columns are the names of the columns of a row, in the order of encode.
func (t *table) columns() string {
	var b strings.Builder
	b.WriteString(head)
	for i := range t.cols {
		b.WriteString(", c" + strconv.Itoa(i))
	}
	b.WriteString(", " + tail)
	return b.String()
}

func (t *table) width() int { return nHead + len(t.cols) + nTail }

// A mark is a stamp in a row's state: milliseconds, counter, the writer's number.
type mark [3]int64

// state is what merging needs to know of an entity beyond what can be seen, where a field or member is older than the
// entity's last record, or a member was dropped.
type state struct {
	Gone    *mark                      `json:"g,omitempty"`
	Fields  map[string]mark            `json:"f,omitempty"`
	Members map[string]map[string]mark `json:"m,omitempty"` // that are in, and older
	Dropped map[string]map[string]mark `json:"d,omitempty"`
}

// encode appends the values of the entity's row; its number is the caller's.
func (t *table) encode(e *entity, w writers, to []any) ([]any, error) {
	from := len(to)
	to, err := t.encodeOpen(e, w, to)
	return append(to, rowSum(to[from:])), err
}

// rowSum is a checksum of a row: SQLite has none.
func rowSum(row []any) int64 {
	castagnoli := crc32.MakeTable(crc32.Castagnoli)
	var kept [512]byte
	b := kept[:0]
	for _, v := range row {
		switch v := v.(type) {
		case int64:
			b = binary.LittleEndian.AppendUint64(append(b, 1), uint64(v))
		case float64:
			b = binary.LittleEndian.AppendUint64(append(b, 2), math.Float64bits(v))
		case string:
			b = binary.LittleEndian.AppendUint64(append(b, 3), uint64(len(v)))
			b = append(b, v...)
		default:
			b = append(b, 0, 0, 0, 0, 0, 0, 0, 0, 0)
		}
	}
	return int64(crc32.Checksum(b, castagnoli))
}

// encodeOpen is encode without the checksum.
func (t *table) encodeOpen(e *entity, w writers, to []any) ([]any, error) {
	first, err := toMark(e.first, w)
	if err != nil {
		return nil, err
	}
	to = append(to, e.row, t.key(e.kind, e.id), first[0], first[1], first[2])
	if e.last == e.first {
		to = append(to, nil, nil, nil)
	} else {
		last, err := toMark(e.last, w)
		if err != nil {
			return nil, err
		}
		to = append(to, last[0], last[1], last[2])
	}
	if e.isGone() {
		to = append(to, int64(1))
	} else {
		to = append(to, nil)
	}
	at := len(to)
	for range t.cols {
		to = append(to, nil)
	}
	var more []byte
	for i := range e.fields {
		v := &e.fields[i]
		exact := false
		if c, ok := t.names[v.name]; ok {
			to[at+c], exact = toColumn(t.cols[c].Type, v.raw)
		}
		if !exact {
			more = appendMember(more, v.name, v.raw)
		}
	}
	sets, err := jsonOrNil(e.members())
	if err != nil {
		return nil, err
	}
	state, err := e.state(w)
	if more != nil {
		return append(to, sets, string(append(more, '}')), state), err
	}
	return append(to, sets, nil, state), err
}

// appendMember appends a member to a JSON object that is still open.
func appendMember(b []byte, name string, raw json.RawMessage) []byte {
	if b == nil {
		b = append(b, '{')
	} else {
		b = append(b, ',')
	}
	quoted, _ := json.Marshal(name) // a string always can be
	return append(append(append(b, quoted...), ':'), raw...)
}

func jsonOrNil(m map[string][]string) (any, error) {
	if len(m) == 0 {
		return nil, nil
	}
	b, err := json.Marshal(m)
	return string(b), err
}

func toMark(s ledger.Stamp, w writers) (mark, error) {
	n, err := w.number(s.Writer)
	return mark{s.Milli, int64(s.Counter), n}, err
}

func fromMark(m mark, w writers) (ledger.Stamp, error) {
	name, err := w.name(m[2])
	return ledger.Stamp{Milli: m[0], Counter: uint32(m[1]), Writer: name}, err
}

// state is nil where all that the entity has was said by its last record.
func (e *entity) state(w writers) (any, error) {
	var s state
	some := false
	if e.gone != (ledger.Stamp{}) {
		m, err := toMark(e.gone, w)
		if err != nil {
			return nil, err
		}
		s.Gone, some = &m, true
	}
	for i := range e.fields {
		if e.fields[i].at == e.last {
			continue
		}
		m, err := toMark(e.fields[i].at, w)
		if err != nil {
			return nil, err
		}
		if s.Fields == nil {
			s.Fields = map[string]mark{}
		}
		s.Fields[e.fields[i].name], some = m, true
	}
	for set, names := range e.sets {
		for name, member := range names {
			if member.in && member.at == e.last {
				continue
			}
			m, err := toMark(member.at, w)
			if err != nil {
				return nil, err
			}
			to := &s.Members
			if !member.in {
				to = &s.Dropped
			}
			if *to == nil {
				*to = map[string]map[string]mark{}
			}
			if (*to)[set] == nil {
				(*to)[set] = map[string]mark{}
			}
			(*to)[set][name], some = m, true
		}
	}
	if !some {
		return nil, nil
	}
	b, err := json.Marshal(&s)
	return string(b), err
}

// errRow says that a row is none that encode writes.
var errRow = errors.New("index: a row makes no sense")

// decode returns the entity of a row as encode made it.
func (t *table) decode(row []any, w writers) (*entity, error) {
	if len(row) != t.width() || row[len(row)-1] != any(rowSum(row[:len(row)-1])) {
		return nil, errRow
	}
	row = row[:len(row)-1]
	e := &entity{}
	key, ok := row[1].(string)
	if e.row, _ = row[0].(int64); !ok || e.row == 0 {
		return nil, errRow
	}
	var err error
	if e.kind, e.id, err = t.unkey(key); err != nil {
		return nil, err
	}
	if e.first, err = stampAt(row[2:5], w); err != nil {
		return nil, err
	}
	e.last = e.first
	if row[5] != nil {
		if e.last, err = stampAt(row[5:8], w); err != nil {
			return nil, err
		}
	}
	for i, f := range t.cols {
		if v := row[nHead+i]; v != nil {
			raw, ok := fromColumn(f.Type, v)
			if !ok {
				return nil, errRow
			}
			e.set(value{f.Name, e.last, raw})
		}
	}
	sets, more, kept := row[len(row)-3], row[len(row)-2], row[len(row)-1]
	if err := e.addMore(more); err != nil {
		return nil, err
	}
	if s, ok := sets.(string); ok {
		var in map[string][]string
		if err := json.Unmarshal([]byte(s), &in); err != nil {
			return nil, errRow
		}
		e.mark(in, member{e.last, true})
	}
	if s, ok := kept.(string); ok {
		return e, e.recall([]byte(s), w)
	}
	return e, nil
}

// addMore sets the fields that columns cannot hold as they are.
func (e *entity) addMore(more any) error {
	s, ok := more.(string)
	if !ok {
		return nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal([]byte(s), &fields); err != nil {
		return errRow
	}
	for name, raw := range fields {
		if i, there := e.index(name); there {
			e.fields[i].raw = raw
		} else {
			e.set(value{name, e.last, raw})
		}
	}
	return nil
}

// recall gives fields and members the stamps that they really have.
func (e *entity) recall(b []byte, w writers) error {
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return errRow
	}
	for name, m := range s.Fields {
		i, there := e.index(name)
		if !there {
			return errRow
		}
		at, err := fromMark(m, w)
		if err != nil {
			return err
		}
		e.fields[i].at = at
	}
	for i, sets := range []map[string]map[string]mark{s.Members, s.Dropped} {
		for set, names := range sets {
			for name, m := range names {
				at, err := fromMark(m, w)
				if err != nil {
					return err
				}
				if e.sets == nil {
					e.sets = map[string]map[string]member{}
				}
				if e.sets[set] == nil {
					e.sets[set] = map[string]member{}
				}
				e.sets[set][name] = member{at, i == 0}
			}
		}
	}
	if s.Gone != nil {
		var err error
		e.gone, err = fromMark(*s.Gone, w)
		return err
	}
	return nil
}

func stampAt(v []any, w writers) (ledger.Stamp, error) {
	var m mark
	for i := range m {
		n, ok := v[i].(int64)
		if !ok {
			return ledger.Stamp{}, errRow
		}
		m[i] = n
	}
	return fromMark(m, w)
}

// toColumn returns what a column of a type holds of a value, nil if nothing, and whether the value follows from it.
func toColumn(t FieldType, raw json.RawMessage) (v any, exact bool) {
	switch t {
	case Text:
		s, ok := unquote(raw)
		if !ok {
			return nil, false
		}
		return s, sameText(s, raw)
	case Number:
		return toNumber(raw)
	case Time:
		s, ok := unquote(raw)
		at, err := time.Parse(time.RFC3339Nano, s)
		if !ok || err != nil || at.Year() < 1700 || at.Year() > 2200 { // nanoseconds have an end
			return nil, false
		}
		return at.UnixNano(), at.UTC().Format(time.RFC3339Nano) == s
	case Flag:
		switch string(raw) {
		case "true":
			return int64(1), true
		case "false":
			return int64(0), true
		}
		return nil, false
	}
	return string(raw), true
}

func toNumber(raw json.RawMessage) (v any, exact bool) {
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return n, raw[0] != '+' && string(raw) == strconv.FormatInt(n, 10)
	}
	f, err := strconv.ParseFloat(string(raw), 64)
	if err != nil || len(raw) == 0 || raw[0] == '"' {
		return nil, false
	}
	return f, bytes.Equal(appendFloat(nil, f), raw)
}

// appendFloat appends a number as encoding/json writes it.
func appendFloat(b []byte, f float64) []byte {
	if b, err := json.Marshal(f); err == nil {
		return b
	}
	return b
}

// fromColumn is the value of which toColumn made v.
func fromColumn(t FieldType, v any) (json.RawMessage, bool) {
	switch v := v.(type) {
	case string:
		if t == Text {
			return appendQuoted(nil, v), true
		}
		return json.RawMessage(v), t == JSON
	case int64:
		switch {
		case t == Number:
			return strconv.AppendInt(nil, v, 10), true
		case t == Time:
			return appendQuoted(nil, time.Unix(0, v).UTC().Format(time.RFC3339Nano)), true
		case t == Flag && v == 1:
			return json.RawMessage("true"), true
		case t == Flag && v == 0:
			return json.RawMessage("false"), true
		}
	case float64:
		return appendFloat(nil, v), t == Number
	}
	return nil, false
}

// unquote returns the text of a JSON string.
func unquote(raw json.RawMessage) (string, bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	if plainText(raw[1 : len(raw)-1]) {
		return string(raw[1 : len(raw)-1]), true
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

// plainText reports whether text is the same inside of quotes.
func plainText[T ~string | ~[]byte](s T) bool {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}

func sameText(s string, raw json.RawMessage) bool {
	return len(s) == len(raw)-2 && plainText(s) || bytes.Equal(appendQuoted(nil, s), raw)
}

// appendQuoted appends text as encoding/json quotes it.
func appendQuoted(b []byte, s string) []byte {
	if plainText(s) {
		return append(append(append(slices.Grow(b, len(s)+2), '"'), s...), '"')
	}
	quoted, err := json.Marshal(s)
	if err != nil {
		panic(fmt.Sprintf("records: quote: %v", err)) // a string always can be
	}
	return append(b, quoted...)
}
