package svg

import "varve/format/xmlspan"

// pairs finds for nodes of one version those of another that stand for them.
type pairs struct {
	into, from *file
	of         map[*xmlspan.Node]*xmlspan.Node
	done       map[*xmlspan.Node]bool // parents in from whose kids were paired
	unsure     map[*xmlspan.Node]bool
}

// find returns the node in the other version, nil if there is none; unsure, if several may be it.
func (p *pairs) find(n *xmlspan.Node) (to *xmlspan.Node, unsure bool) {
	if n == nil {
		return nil, false
	}
	if n.Parent == nil {
		return p.into.doc.Root, false
	}
	if id := p.from.idOf[n]; id != "" {
		if to := p.into.ids[id]; to != nil && to.Parent != nil && to.Local() == n.Local() {
			return to, false
		}
		return nil, false
	}
	if !p.done[n.Parent] {
		p.done[n.Parent] = true
		if parent, _ := p.find(n.Parent); parent != nil {
			p.kids(n.Parent, parent)
		}
	}
	return p.of[n], p.unsure[n]
}

// kids pairs those without an id: first the equal ones, then what is left, if it is as many of a name.
func (p *pairs) kids(from, into *xmlspan.Node) {
	type equal struct{ local, hash string }
	free := map[equal][]*xmlspan.Node{}
	for _, k := range into.Kids {
		if p.into.idOf[k] == "" {
			key := equal{k.Local(), p.into.whole(k)}
			free[key] = append(free[key], k)
		}
	}
	taken := map[*xmlspan.Node]bool{}
	left := map[string][]*xmlspan.Node{}
	for _, k := range from.Kids {
		if p.from.idOf[k] != "" {
			continue
		}
		key := equal{k.Local(), p.from.whole(k)}
		if list := free[key]; len(list) > 0 {
			p.of[k], free[key] = list[0], list[1:]
			taken[list[0]] = true
		} else {
			left[k.Local()] = append(left[k.Local()], k)
		}
	}
	others := map[string][]*xmlspan.Node{}
	for _, k := range into.Kids {
		if p.into.idOf[k] == "" && !taken[k] {
			others[k.Local()] = append(others[k.Local()], k)
		}
	}
	for local, list := range left {
		switch there := others[local]; {
		case len(there) == len(list):
			for i, k := range list {
				p.of[k] = there[i]
			}
		case len(there) > 0:
			for _, k := range list {
				p.unsure[k] = true
			}
		}
	}
}
