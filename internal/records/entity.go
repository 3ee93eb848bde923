package records

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"

	"varve/internal/ledger"
)

// An entity is what all records with one kind and id make of it, as far as they were seen. The rules are those of
// package ledger; here they can be taken up where they were left, so what was dropped stays known.
type entity struct {
	kind, id string
	row      int64 // in its table; 0: not there yet
	first    ledger.Stamp
	last     ledger.Stamp
	gone     ledger.Stamp // of the latest tombstone
	fields   []value      // by name
	sets     map[string]map[string]member
}

type value struct {
	name string
	at   ledger.Stamp
	raw  json.RawMessage
}

type member struct {
	at ledger.Stamp
	in bool
}

// apply takes a record in.
func (e *entity) apply(r *ledger.Record) {
	e.seen(r.At, r.At)
	if r.Gone {
		e.bury(r.At)
	}
	if len(e.fields) == 0 && len(r.Set) > 0 && r.At.Compare(e.gone) > 0 {
		e.fields = make([]value, 0, len(r.Set))
		for name, raw := range r.Set {
			e.fields = append(e.fields, value{name, r.At, raw})
		}
		slices.SortFunc(e.fields, func(a, b value) int { return cmp.Compare(a.name, b.name) })
	} else {
		for name, raw := range r.Set {
			e.set(value{name, r.At, raw})
		}
	}
	e.mark(r.Add, member{r.At, true})
	e.mark(r.Drop, member{r.At, false})
}

func (e *entity) seen(first, last ledger.Stamp) {
	if e.first == (ledger.Stamp{}) || first.Compare(e.first) < 0 {
		e.first = first
	}
	if last.Compare(e.last) > 0 {
		e.last = last
	}
}

// bury hides what is not later than a tombstone.
func (e *entity) bury(at ledger.Stamp) {
	if at.Compare(e.gone) <= 0 {
		return
	}
	e.gone = at
	e.fields = slices.DeleteFunc(e.fields, func(v value) bool { return v.at.Compare(at) <= 0 })
	for name, set := range e.sets {
		maps.DeleteFunc(set, func(_ string, m member) bool { return m.at.Compare(at) <= 0 })
		if len(set) == 0 {
			delete(e.sets, name)
		}
	}
}

func (e *entity) set(v value) {
	if v.at.Compare(e.gone) <= 0 {
		return
	}
	i, there := e.index(v.name)
	switch {
	case !there:
		e.fields = slices.Insert(e.fields, i, v)
	case v.at.Compare(e.fields[i].at) > 0:
		e.fields[i] = v
	}
}

func (e *entity) mark(sets map[string][]string, m member) {
	for set, names := range sets {
		for _, name := range names {
			e.put(set, name, m)
		}
	}
}

func (e *entity) put(set, name string, m member) {
	if m.at.Compare(e.gone) <= 0 {
		return
	}
	if e.sets == nil {
		e.sets = map[string]map[string]member{}
	}
	if e.sets[set] == nil {
		e.sets[set] = map[string]member{}
	}
	if m.at.Compare(e.sets[set][name].at) > 0 {
		e.sets[set][name] = m
	}
}

// merge takes in all that another state of the same entity says.
func (e *entity) merge(o *entity) {
	e.seen(o.first, o.last)
	e.bury(o.gone)
	for _, v := range o.fields {
		e.set(v)
	}
	for set, names := range o.sets {
		for name, m := range names {
			e.put(set, name, m)
		}
	}
}

func (e *entity) isGone() bool { return e.gone != ledger.Stamp{} && e.gone.Compare(e.last) >= 0 }

// members returns the sets that have members, those in order.
func (e *entity) members() map[string][]string {
	var out map[string][]string
	for set, names := range e.sets {
		var in []string
		for name, m := range names {
			if m.in {
				in = append(in, name)
			}
		}
		if len(in) > 0 {
			if out == nil {
				out = map[string][]string{}
			}
			slices.Sort(in)
			out[set] = in
		}
	}
	return out
}

func (e *entity) index(name string) (int, bool) {
	return slices.BinarySearchFunc(e.fields, name, func(v value, name string) int { return cmp.Compare(v.name, name) })
}
