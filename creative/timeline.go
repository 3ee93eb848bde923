package creative

import (
	"context"
	"errors"
	"fmt"

	"varve"
	"varve/format"
)

// Moment is a version of a file in its timeline.
type Moment struct {
	varve.Version
	Elements []ElementChange // against the version before; empty for the first
	Listed   bool            // what is inside is known
	Suspect  string          // why the file seems not to be whole; ""
}

// Timeline returns the versions of a file, newest first and across renames, with what changed inside of it against the
// last version before that is whole. limit is how many are looked into; 0: all.
func (st *Studio) Timeline(ctx context.Context, at string, limit int) ([]Moment, error) {
	all, _, err := st.moments(ctx, at, limit)
	return all, err
}

// moments is Timeline, with the elements of each version that was looked into.
func (st *Studio) moments(ctx context.Context, at string, limit int) ([]Moment, [][]format.Element, error) {
	log, err := st.Project.FileLog(ctx, at)
	if err != nil {
		return nil, nil, err
	}
	all, lists := make([]Moment, len(log)), make([][]format.Element, len(log))
	common := &versions{by: map[string]any{}}
	newer := -1 // the version after, of those that are whole
	for i := range log {
		all[i].Version = log[i]
		if limit > 0 && i >= limit && newer < 0 {
			continue
		}
		m := Moment{Version: log[i]}
		if m.Change == "removed" {
			newer = -1
			continue
		}
		if lists[i], err = st.inside(ctx, &m, common); err != nil {
			return nil, nil, err
		}
		if m.Listed && newer >= 0 {
			all[newer].Elements = Compare(lists[i], lists[newer])
			newer = -1
		}
		if limit > 0 && i >= limit { // it was only to be compared with
			continue
		}
		if all[i] = m; m.Listed {
			newer = i
		}
	}
	return all, lists, nil
}

// inside lists what a version has inside.
func (st *Studio) inside(ctx context.Context, m *Moment, common *versions) ([]format.Element, error) {
	it, err := st.Open(ctx, m.Snapshot, m.Path)
	if errors.Is(err, errors.ErrUnsupported) { // a link or the like
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer it.Close()
	common.of(it)
	list, err := it.Elements(ctx)
	switch {
	case errors.Is(err, format.ErrMalformed):
		m.Suspect = err.Error()
		return nil, nil
	case errors.Is(err, format.ErrUnsupported), errors.Is(err, format.ErrLimit), errors.Is(err, format.ErrFailed):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("%s: %w", it.Ref(), err)
	}
	m.Listed = true
	return list, nil
}

// History returns the moments of a file in which one element was changed, newest first, and what changed; last the one
// that it came with. The element is named as it is in the newest version that has it: by its id, its stable id, or a name
// that no other has.
func (st *Studio) History(ctx context.Context, at, element string) ([]Moment, error) {
	all, lists, err := st.moments(ctx, at, 0)
	if err != nil {
		return nil, err
	}
	i, id := -1, ""
	for k := range all {
		e, err := pick(all[k].Path+"@"+all[k].Snapshot.Ref(), lists[k], element)
		if err == nil {
			i, id = k, e.ID
			break
		}
		if !errors.Is(err, format.ErrNoElement) {
			return nil, err
		}
	}
	if i < 0 {
		return nil, fmt.Errorf("%q in a version of %s: %w", element, at, format.ErrNoElement)
	}
	var out []Moment
	for {
		older, before := previous(all, lists, i, id)
		m := all[i]
		m.Elements = nil
		for _, c := range all[i].Elements {
			if c.New != nil && c.New.ID == id {
				m.Elements = append(m.Elements, c)
			}
		}
		if len(m.Elements) > 0 || before == "" {
			out = append(out, m)
		}
		if before == "" {
			return out, nil
		}
		i, id = older, before
	}
}

// previous returns the version before that is whole, and the id that an element of version i has there; "" if it is
// not there.
func previous(all []Moment, lists [][]format.Element, i int, id string) (int, string) {
	for k := i + 1; k < len(all) && all[k].Change != "removed"; k++ {
		if !all[k].Listed {
			continue
		}
		p := pair(lists[k], lists[i])
		for j := range lists[i] {
			if o, ok := p.oldOf[j]; ok && lists[i][j].ID == id {
				return k, lists[k][o].ID
			}
		}
		return k, ""
	}
	return 0, ""
}
