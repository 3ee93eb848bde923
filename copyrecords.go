package varve

import (
	"bytes"
	"context"
	"encoding/json"
	"maps"
	"slices"

	"varve/internal/ledger"
	"varve/internal/object"
)

// local reports whether records of a type are about one vault, and mean nothing in another.
func local(typ string) bool {
	switch typ {
	case "operation", "forget", "verified", "copy":
		return true
	}
	return false
}

// records brings over what was said of the snapshots that both vaults have, with the times at which it was said: what
// is said there later stands. If only some snapshots were asked for, it is what concerns their projects.
func (c *copying) records(ctx context.Context, only []*Snapshot) (int, error) {
	if err := c.v.history.Ledger.Refresh(ctx); err != nil {
		return 0, err
	}
	ids, asked := c.counterparts(only)
	all := c.v.history.Ledger.Records()
	entities := map[[2]string]bool{}
	for i := range all {
		r := &all[i]
		if only == nil || asked[r.ID] || asked[projectOf(r)] {
			entities[[2]string{r.Type, r.ID}] = true
		}
	}
	var out []ledger.Record
	for i := range all {
		if local(all[i].Type) || !entities[[2]string{all[i].Type, all[i].ID}] {
			continue
		}
		if r, ok := rename(all[i], ids); ok {
			out = append(out, r)
		}
	}
	return c.to.history.Ledger.Import(ctx, out)
}

// counterparts returns the ids of this vault's snapshots with those that they have there, "" where they are not, and the
// ids of the projects of some snapshots, and of all snapshots of these projects.
func (c *copying) counterparts(only []*Snapshot) (ids map[string]string, asked map[string]bool) {
	ids, asked = map[string]string{}, map[string]bool{}
	for _, id := range c.v.history.IDs() {
		ids[id.String()] = ""
	}
	for _, s := range only {
		asked[s.Project] = true
	}
	for _, s := range c.v.history.Snapshots("") {
		if t := c.there[c.v.origin(s)]; t != nil {
			ids[s.ID.String()] = t.ID.String()
		}
		if asked[s.Project] {
			asked[s.ID.String()] = true
		}
	}
	return ids, asked
}

func projectOf(r *ledger.Record) (id string) {
	_ = json.Unmarshal(r.Set["project"], &id) // none, or of another kind, is none
	return id
}

// rename gives the snapshots in a record the ids that they have elsewhere. It is false if one is not there.
func rename(r ledger.Record, ids map[string]string) (ledger.Record, bool) {
	whole := true
	id := func(s string) string {
		to, known := ids[s]
		if !known {
			return s
		}
		whole = whole && to != ""
		return to
	}
	each := func(sets map[string][]string) map[string][]string {
		out := maps.Clone(sets)
		for k, list := range out {
			out[k] = slices.Clone(list)
			for i := range list {
				out[k][i] = id(list[i])
			}
		}
		return out
	}
	r.ID, r.Add, r.Drop = id(r.ID), each(r.Add), each(r.Drop)
	r.Set = maps.Clone(r.Set)
	for k, v := range r.Set {
		r.Set[k] = renameIn(v, id)
	}
	return r, whole
}

const quotedID = 2 + 2*len(object.SID{})

// renameIn applies id to every string of JSON that is as long as a snapshot's id.
func renameIn(v json.RawMessage, id func(string) string) json.RawMessage {
	v = slices.Clone(v)
	for i := 0; i+quotedID <= len(v); i++ {
		if v[i] != '"' || v[i+quotedID-1] != '"' || bytes.IndexByte(v[i+1:i+quotedID-1], '"') >= 0 {
			continue
		}
		if to := id(string(v[i+1 : i+quotedID-1])); len(to) == quotedID-2 {
			copy(v[i+1:], to)
		}
		i += quotedID - 1
	}
	return v
}

// noteCopy keeps that another vault has snapshots of this one.
func (v *Vault) noteCopy(ctx context.Context, other *Vault, ids []string) error {
	r := ledger.Record{Type: "copy", ID: other.ID(), Set: fieldsOf(map[string]any{"place": other.opt.Place})}
	var records []ledger.Record
	for _, e := range v.history.Ledger.Entities("copy") {
		switch {
		case e.ID == r.ID:
			before := map[string]bool{}
			for _, id := range e.Members("snapshots") {
				before[id] = true
			}
			ids = slices.DeleteFunc(ids, func(id string) bool { return before[id] })
		case other.opt.Place != "" && e.Text("place") == other.opt.Place: // it is there no more
			records = append(records, ledger.Record{Type: "copy", ID: e.ID, Gone: true})
		}
	}
	if len(ids) > 0 {
		r.Add = map[string][]string{"snapshots": ids}
	}
	return v.history.Ledger.Append(ctx, append(records, r)...)
}
