package records_test

import (
	"slices"
	"testing"

	"varve/internal/records"
)

// TestRowNumbers: a lot that changes the newest row and brings new ones goes into the index as it is: the index is not
// one that contradicts itself, and so is not made again.
func TestRowNumbers(t *testing.T) {
	m := newMachine(t)
	r := m.open(t, feedback())
	fact := func(id, said string) records.Fact {
		return records.Fact{Kind: "feedback", ID: id, Project: "p", Set: map[string]any{"text": said}}
	}
	if err := r.Append(t.Context(), fact("a", "1"), fact("b", "1")); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Count(t.Context(), records.Query{Kind: "feedback"}); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	before := m.files(t)
	if err := r.Append(t.Context(), fact("b", "2"), fact("c", "1"), fact("d", "1")); err != nil {
		t.Fatal(err)
	}
	if n, err := r.Count(t.Context(), records.Query{Kind: "feedback"}); err != nil || n != 4 {
		t.Fatal(n, err)
	}
	if after := m.files(t); !slices.Equal(before, after) || len(before) != 1 {
		t.Errorf("the index was made again: %v, %v", before, after)
	}
	if row, err := r.Get(t.Context(), "feedback", "b"); err != nil || row.Text("text") != "2" {
		t.Errorf("%v, %v", row, err)
	}
}
