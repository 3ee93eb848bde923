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

// Timeline returns the versions of a file, newest first and across renames, with what changed inside of it. limit is
// how many are looked into; 0: all.
func (st *Studio) Timeline(ctx context.Context, at string, limit int) ([]Moment, error) {
	log, err := st.Project.FileLog(ctx, at)
	if err != nil {
		return nil, err
	}
	out := make([]Moment, len(log))
	for i := range log {
		out[i].Version = log[i]
	}
	n := len(out)
	if limit > 0 {
		n = min(n, limit)
	}
	var newer []format.Element // of the version before in this loop
	var last *Moment
	for i := 0; i < len(out) && (i < n || last != nil); i++ {
		m := &out[i]
		if m.Change == "removed" {
			last = nil
			continue
		}
		list, err := st.inside(ctx, m)
		if err != nil {
			return nil, err
		}
		if last != nil && last.Listed && m.Listed {
			last.Elements = Compare(list, newer)
		}
		newer, last = list, m
		if i >= n { // it was only there to compare with
			*m = Moment{Version: m.Version}
			break
		}
	}
	return out, nil
}

// inside lists what a version has inside.
func (st *Studio) inside(ctx context.Context, m *Moment) ([]format.Element, error) {
	it, err := st.Open(ctx, m.Snapshot, m.Path)
	if errors.Is(err, errors.ErrUnsupported) { // a link or the like
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer it.Close()
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

// History returns the moments of a file in which one element was changed, newest first, and what changed. The element
// is named as it is in the newest version that has it.
func (st *Studio) History(ctx context.Context, at, element string) ([]Moment, error) {
	all, err := st.Timeline(ctx, at, 0)
	if err != nil {
		return nil, err
	}
	e, first, err := st.newest(ctx, all, element)
	if err != nil {
		return nil, err
	}
	var out []Moment
	id := e.ID
	for i := first; i < len(all) && id != ""; i++ {
		m := all[i]
		var mine []ElementChange
		for _, c := range m.Elements {
			if c.New != nil && c.New.ID == id {
				mine = append(mine, c)
			}
		}
		if len(mine) > 0 || i == len(all)-1 {
			m.Elements = mine
			out = append(out, m)
		}
		if id, err = st.before(ctx, all, i, id); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// newest finds an element in the newest version that has it.
func (st *Studio) newest(ctx context.Context, all []Moment, name string) (e format.Element, at int, err error) {
	for i := range all {
		if !all[i].Listed {
			continue
		}
		it, err := st.Open(ctx, all[i].Snapshot, all[i].Path)
		if err != nil {
			return e, 0, err
		}
		e, err = it.Element(ctx, name)
		if err = errors.Join(err, it.Close()); err == nil {
			return e, i, nil
		}
		if !errors.Is(err, format.ErrNoElement) {
			return e, 0, err
		}
	}
	return e, 0, fmt.Errorf("%q: %w", name, format.ErrNoElement)
}

// before returns the id that an element of version i has in the one before; "" if it is not there.
func (st *Studio) before(ctx context.Context, all []Moment, i int, id string) (string, error) {
	if i+1 >= len(all) || !all[i].Listed || !all[i+1].Listed {
		return "", nil
	}
	lists := make([][]format.Element, 2)
	for n := range lists {
		var m Moment
		m.Version = all[i+n].Version
		var err error
		if lists[n], err = st.inside(ctx, &m); err != nil {
			return "", err
		}
	}
	p := pair(lists[1], lists[0])
	for j := range lists[0] {
		if lists[0][j].ID != id {
			continue
		}
		if k, ok := p.oldOf[j]; ok {
			return lists[1][k].ID, nil
		}
	}
	return "", nil
}
