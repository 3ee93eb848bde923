package creative

import (
	"testing"

	"varve"
)

// TestBeside: what a document of several files is, is what all of them are at that moment; it is remembered for as long
// as they are the same, and nothing outside of the project is read for it.
func TestBeside(t *testing.T) {
	a := newAtelier(t)
	a.write(map[string]string{"../secret.txt": "secret"})
	text := "DOC; B near in/p.txt; B up ../q.txt; B out ../../secret.txt; B folder in"
	v1 := a.snap(map[string]string{"d/p.doc": text, "d/in/p.txt": "one", "q.txt": "q"})
	v2 := a.snap(map[string]string{"d/in/p.txt": "two"})
	v3 := a.snap(map[string]string{"q.txt": "", "other.txt": "x"})
	a.write(map[string]string{"d/in/p.txt": "now"})
	pixels := func(s *varve.Snapshot) (out string) {
		t.Helper()
		list, err := a.open(s, "d/p.doc").Elements(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range list {
			out += e.Aspects["pixels"] + " "
		}
		return out
	}
	for _, c := range []struct {
		at    *varve.Snapshot
		want  string
		parse int64
	}{
		{v1, "one q none none ", 1}, {v1, "one q none none ", 0}, {v2, "two q none none ", 1}, {v2, "two q none none ", 0},
		{v3, "two none none none ", 1}, {nil, "now none none none ", 1}, {nil, "now none none none ", 1}, {v3, "two none none none ", 0},
	} {
		before := a.asked.Load()
		if got := pixels(c.at); got != c.want || a.asked.Load()-before != c.parse {
			t.Errorf("%v: %q, parsed %d times; want %q, %d", c.at, got, a.asked.Load()-before, c.want, c.parse)
		}
	}
}
