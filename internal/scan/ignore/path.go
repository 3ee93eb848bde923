package ignore

// pathRule is a rule matched against the path. Its tokens form an automaton
// whose states are token positions; each folder keeps the states its path leads
// to, so a name is matched against what remains of the pattern only.
type pathRule struct {
	rule  *Rule
	order int // position among the rules of its folder
	toks  []token
	deep  bool // can match below its own folder
	last  int  // position of the last "/" token, or -1
	tails []tail
}

// tail is the glob that names in a folder in state pos must match.
type tail struct {
	pos  int
	glob glob
}

// live is a rule that can still match in a folder or below, with its states.
type live struct {
	rule *pathRule
	pos  []int
}

func newPathRule(r *Rule, order int, toks []token) *pathRule {
	p := &pathRule{rule: r, order: order, toks: toks, last: -1}
	for i, t := range toks {
		if t.op == opByte && t.b == '/' {
			p.last = i
		}
		if t.op == opByte && t.b == '/' || t.op == opAll || t.op == opDirs {
			p.deep = true
		}
	}
	// States before the last "/" cannot end within a name; behind it, only the
	// first one and those that loop over "/" occur at the start of a name.
	for i := p.last + 1; i < len(toks); i++ {
		if i == p.last+1 || toks[i].op == opAll || toks[i].op == opDirs {
			p.tails = append(p.tails, tail{pos: i, glob: newGlob(toks[i:])})
		}
	}
	return p
}

// tail returns the glob for names in state pos, nil if no name matches there.
func (p *pathRule) tail(pos int) *glob {
	for i := range p.tails {
		if p.tails[i].pos == pos {
			return &p.tails[i].glob
		}
	}
	return nil
}

// walker runs automata over the name of a folder; it holds the memory for it.
type walker struct {
	cur, next []int
	seen      []bool
}

// enter returns the states after dir and the "/" behind it, none if the rule
// matches nothing below. A nil result keeps no memory.
func (w *walker) enter(p *pathRule, from []int, dir []byte) []int {
	if !p.deep {
		return nil
	}
	if len(w.seen) < len(p.toks)+1 {
		w.seen = make([]bool, len(p.toks)+1)
	}
	w.next = w.next[:0]
	for _, s := range from {
		w.add(p.toks, s)
	}
	for _, c := range dir {
		w.turn()
		if len(w.cur) == 0 {
			return nil
		}
		for _, s := range w.cur {
			w.step(p.toks, s, c)
		}
	}
	w.turn()
	var out []int
	for _, s := range w.cur {
		if to := slashFrom(p.toks, s); to >= 0 && !w.seen[to] {
			w.seen[to] = true
			out = append(out, to)
		}
	}
	for _, s := range out {
		w.seen[s] = false
	}
	return out
}

// turn makes the states gathered in next the current ones.
func (w *walker) turn() {
	w.cur, w.next = w.next, w.cur[:0]
	for _, s := range w.cur {
		w.seen[s] = false
	}
}

// add gathers a state and those reached from it without a byte.
func (w *walker) add(toks []token, s int) {
	for s < len(toks) && !w.seen[s] {
		w.seen[s] = true
		w.next = append(w.next, s)
		switch toks[s].op {
		case opStar, opAll:
			s++
		case opDirs:
			s += 2
		default:
			return
		}
	}
}

// step gathers the states that follow s on c, which is not "/". The end of the
// pattern is no state: a "/" must still follow.
func (w *walker) step(toks []token, s int, c byte) {
	switch toks[s].op {
	case opStar, opAll, opInDirs:
		w.add(toks, s)
	case opDirs:
		w.add(toks, s+1)
	default:
		if toks[s].one(c) {
			w.add(toks, s+1)
		}
	}
}

// slashFrom returns the state that follows s on "/", or -1.
func slashFrom(toks []token, s int) int {
	switch t := toks[s]; {
	case t.op == opByte && t.b == '/':
		return s + 1
	case t.op == opAll, t.op == opDirs:
		return s
	case t.op == opInDirs:
		return s - 1
	}
	return -1
}
