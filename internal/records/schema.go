package records

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// FieldType is what values of a field are.
type FieldType uint8

// The types of fields. A value of another type than is declared is kept, and is passed over by filters and groups.
const (
	Text   FieldType = iota + 1 // a string
	Number                      // kept as it is written, and compared and added up as a float64
	Time                        // a time.Time: RFC 3339 text
	Flag                        // true or false
	JSON                        // anything else
)

// Field is a field of a kind of record.
type Field struct {
	Name string
	Type FieldType
	// Index makes filters by the field quick, and Search finds the words of a Text by Query.Text.
	Index, Search bool
}

// A Schema declares a kind of record: what its fields are, so that they can be filtered, grouped and searched. What is
// not declared is kept as well, and filtered more slowly. Who changes a schema raises Version; the index follows.
type Schema struct {
	Kind    string
	Version int
	Fields  []Field
}

const (
	maxFields = 200
	maxName   = 200 // bytes
)

// Names that a query knows of every record.
const (
	nameID      = "id"
	nameProject = "project"
	nameFirst   = "first"
	nameLast    = "last"
	nameKind    = "kind"
)

func reserved(name string) bool {
	switch name {
	case nameID, nameProject, nameFirst, nameLast, nameKind:
		return true
	}
	return false
}

func (s *Schema) check() error {
	wrong := func(what string, args ...any) error {
		return fmt.Errorf("schema of %q: %s: %w", s.Kind, fmt.Sprintf(what, args...), fs.ErrInvalid)
	}
	if s.Kind == "" || len(s.Kind) > maxName || strings.IndexByte(s.Kind, 0) >= 0 {
		return wrong("the kind is empty, too long or has a zero byte")
	}
	if len(s.Fields) > maxFields {
		return wrong("%d fields where %d are allowed", len(s.Fields), maxFields)
	}
	seen := map[string]bool{}
	for _, f := range s.Fields {
		switch {
		case f.Name == "" || len(f.Name) > maxName:
			return wrong("field %.40q has no name, or too long a one", f.Name)
		case reserved(f.Name):
			return wrong("every record has %q: it is not to be declared", f.Name)
		case seen[f.Name]:
			return wrong("field %q is declared twice", f.Name)
		case f.Type < Text || f.Type > JSON:
			return wrong("field %q has no type", f.Name)
		case f.Search && f.Type != Text:
			return wrong("field %q is searched and no Text", f.Name)
		}
		seen[f.Name] = true
	}
	return nil
}

// hash names what the schema makes of an index.
func (s *Schema) hash() (string, error) {
	b, err := json.Marshal(s)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16]), err
}

// A table is where the index keeps entities: of one declared kind, or of all others together.
type table struct {
	number int64
	schema Schema  // its Kind is "" for the table of all others
	hash   string  // of the schema
	cols   []Field // project, then the declared fields
	search []int   // of cols, that are in the full-text table
	names  map[string]int
}

// generic is the number of the table of what is not declared.
const generic = 0

func newTable(number int64, s Schema) (*table, error) {
	t := &table{number: number, schema: s, cols: append([]Field{{Name: nameProject, Type: Text}}, s.Fields...), names: map[string]int{}}
	for i, f := range t.cols {
		t.names[f.Name] = i
		if f.Search {
			t.search = append(t.search, i)
		}
	}
	var err error
	t.hash, err = s.hash()
	return t, err
}

func (t *table) rows() string  { return fmt.Sprintf("k%d", t.number) }
func (t *table) words() string { return fmt.Sprintf("x%d", t.number) }

// key is the id of an entity within its table.
func (t *table) key(kind, id string) string {
	if t.number == generic {
		return kind + "\x00" + id
	}
	return id
}

func (t *table) unkey(key string) (kind, id string, err error) {
	if t.number != generic {
		return t.schema.Kind, key, nil
	}
	kind, id, ok := strings.Cut(key, "\x00")
	if !ok {
		return "", "", errors.New("index: an id without a kind")
	}
	return kind, id, nil
}

// create are the statements that make the table.
func (t *table) create() []string {
	var b strings.Builder
	fmt.Fprintf(&b, "CREATE TABLE %s (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, fm INTEGER NOT NULL, fn INTEGER NOT NULL, fw INTEGER NOT NULL,"+
		" lm INTEGER, ln INTEGER, lw INTEGER, gone INTEGER", t.rows())
	for i := range t.cols {
		fmt.Fprintf(&b, ", c%d", i) // without a type, so that integers and fractions stay what they are
	}
	b.WriteString(", sets TEXT, more TEXT, state TEXT, sum INTEGER NOT NULL)")
	out := []string{b.String()}
	if len(t.search) > 0 {
		var cols []string
		for _, c := range t.search {
			cols = append(cols, fmt.Sprintf("c%d", c))
		}
		// The words are here and the text in the table, so it is kept once. Words are as Unicode has them, without marks;
		// three letters at a time would take thrice the room and not find words of two, which Chinese has most of: see spell.
		out = append(out, fmt.Sprintf("CREATE VIRTUAL TABLE %s USING fts5(%s, content='', contentless_delete=1, tokenize='unicode61 remove_diacritics 2')",
			t.words(), strings.Join(cols, ", ")),
			// Words are gathered in so many bytes of memory before they are written.
			fmt.Sprintf("INSERT INTO %[1]s (%[1]s, rank) VALUES ('hashsize', 16777216)", t.words()),
			// Merging what was written before, each word again, is put off as long as asking does not suffer.
			fmt.Sprintf("INSERT INTO %[1]s (%[1]s, rank) VALUES ('automerge', 16)", t.words()),
			fmt.Sprintf("INSERT INTO %[1]s (%[1]s, rank) VALUES ('crisismerge', 32)", t.words()))
	}
	return out
}

func (t *table) drop() []string {
	return []string{"DROP TABLE IF EXISTS " + t.rows(), "DROP TABLE IF EXISTS " + t.words(), fmt.Sprintf("DELETE FROM members WHERE t = %d", t.number),
		fmt.Sprintf("DELETE FROM texts WHERE t = %d", t.number), fmt.Sprintf("DELETE FROM blocks WHERE key >= %d AND key < %d", blockKey(t.number, 0, 0), blockKey(t.number+1, 0, 0))}
}
