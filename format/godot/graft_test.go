package godot

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"varve/format"
	"varve/format/formattest"
)

// sound: every use of a table is of something that is defined before it.
func sound(t *testing.T, name string, b []byte) {
	t.Helper()
	d, err := parse(t.Context(), b)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	have := map[string]bool{}
	for i := range d.sections {
		s := &d.sections[i]
		d.linksOf(s, func(l link) {
			if !have[fmt.Sprint(l.sub, l.id)] {
				t.Errorf("%s: %s at %d is not defined before\n%s", name, l.id, l.from, b)
			}
		})
		if id := d.attr(s, "id"); s.name == "ext_resource" || s.name == "sub_resource" {
			if key := fmt.Sprint(s.name == "sub_resource", id); have[key] {
				t.Errorf("%s: two have the id %s", name, id)
			} else {
				have[key] = true
			}
		}
	}
}

// all elements by id.
func all(t *testing.T, b []byte) map[string]format.Element {
	t.Helper()
	list, err := format.Elements(t.Context(), Format{}, format.Bytes(b))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]format.Element{}
	for _, e := range list {
		out[e.ID] = e
	}
	return out
}

// graft puts elements in and holds the result to what was asked: they are as they were in from, and nothing else that
// was there differs but what the format says.
func graft(t *testing.T, name string, into, from []byte, ids ...string) (string, error) {
	t.Helper()
	g, err := format.Graft(t.Context(), Format{}, format.Bytes(into), format.Bytes(from), ids)
	if err != nil {
		return "", err
	}
	out := formattest.All(t, g.Content)
	sound(t, name, out)
	was, theirs, is := all(t, into), all(t, from), all(t, out)
	for _, id := range ids {
		if is[id].ID == "" || hash(is[id]) != hash(theirs[id]) {
			t.Errorf("%s: %s is %v, not %v", name, id, is[id].Properties, theirs[id].Properties)
		}
	}
	for id, e := range was {
		now, ok := is[id]
		if e.Kind == "external" && e.Stable != "" && e.Stable == theirs[ids[0]].Stable {
			continue // it has another path
		}
		inside := slices.ContainsFunc(ids, func(top string) bool { return below(id, top) || strings.HasPrefix(id, "connection:") })
		if !inside && (!ok || hash(now) != hash(e) && !slices.Contains(g.Changed, id)) {
			t.Errorf("%s: %s is %v, and was %v", name, id, now.Properties, e.Properties)
		}
		if ok && hash(now) != hash(e) && e.Kind == "node" && !inside && theirs[ids[0]].Kind == "node" {
			t.Errorf("%s: the node %s was changed", name, id)
		}
	}
	return string(out), nil
}

func hash(e format.Element) string { return e.Hash() }

// TestGraftChains puts every element of every version of real scenes into every other.
func TestGraftChains(t *testing.T) {
	files := samples(t, ".tscn", ".tres")
	var chain []string
	for name := range files {
		if strings.HasPrefix(name, "kenney-edits/") {
			chain = append(chain, name)
		}
	}
	slices.Sort(chain)
	done, refused := 0, map[string]int{}
	for _, a := range chain {
		for _, b := range chain {
			if a[:len(a)-6] != b[:len(b)-6] {
				continue
			}
			was := all(t, files[a])
			for id, e := range all(t, files[b]) {
				if a != b && hash(was[id]) == hash(e) {
					continue
				}
				_, err := graft(t, a+" ← "+b+" "+id, files[a], files[b], id)
				var refusal *format.Refusal
				switch {
				case err == nil:
					done++
				case errors.As(err, &refusal):
					refused[strings.Fields(refusal.Reason)[0]+" "+strings.Fields(refusal.Reason)[1]]++
				default:
					t.Errorf("%s ← %s %s: %v", a, b, id, err)
				}
			}
		}
	}
	if done < 700 || len(refused) > 4 {
		t.Errorf("%d done, refused %v", done, refused)
	}
}
