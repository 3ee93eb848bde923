package varve_test

import (
	"flag"
	"math/bits"
	"testing"
)

// The protocol of sessions and collections (spec/vault.md, sections 18 and 19), as a machine whose states are all
// looked at: every order of steps, and everybody may stop for ever at any step. All packs hold the one chunk that all
// snapshots need; the vault has lost data if a kept snapshot is there and no pack.

const (
	pWriters  = 2
	pTries    = 2 // sessions of each writer
	pSessions = pWriters * pTries
	pKeepers  = 2 // collectors
	pRounds   = 3 // generations, at most
)

// A protocol is how the parties behave; the zero value is right.
type protocol struct {
	name string

	noWait         bool // the collector does not look at sessions
	lease          bool // it takes silent sessions for dead and does not fence them
	listsFirst     bool // the writer reads the lists before it registers
	leaveFirst     bool // the writer leaves before it commits
	noSecondMark   bool // the verdict is the condemn list
	condemnedToo   bool // writers share with condemned packs
	anyVerdict     bool // a collector follows its own verdict though there is another
	deleteEarly    bool // packs are deleted before the verdict is published
	blindToOthers  bool // a copy that another generation condemns is taken for one that stays
	firstMarkOnly  bool // copies are counted before the list is published, and not again
	reusesNames    bool // a pack's name follows from its content
	tries, writers int  // 0: all
	rounds         int  // 0: all
}

type pWriter struct{ step, try, shuns, uses uint8 }

type pKeeper struct{ step, round, needed, list, waits uint8 }

type pRound struct{ list, verdict, decided, done uint8 }

// pState is a state of everybody.
type pState struct {
	packs, known uint8 // packs that are there; that the index has ever known
	registered   uint8 // sessions
	slot         [pSessions]uint8
	made         uint8 // generations begun
	rounds       [pRounds]pRound
	writers      [pWriters]pWriter
	keepers      [pKeepers]pKeeper
}

// What a commit slot holds.
const (
	slotOpen = iota
	slotSnapshot
	slotAborted
	slotForgotten
)

func (s *pState) kept() bool {
	for _, x := range s.slot {
		if x == slotSnapshot {
			return true
		}
	}
	return false
}

// condemned are the packs that writers do not share with.
func (s *pState) condemned() (out uint8) {
	for i := range s.made {
		if r := &s.rounds[i]; r.decided == 1 {
			out |= r.verdict
		} else {
			out |= r.list
		}
	}
	return out
}

// next calls emit with every state that may follow.
func (p *protocol) next(s *pState, emit func(pState)) {
	for i := range s.writers {
		if p.writers == 0 || i < p.writers {
			p.write(*s, i, emit)
		}
	}
	for i, x := range s.slot { // whoever likes forgets a snapshot
		if x == slotSnapshot {
			t := *s
			t.slot[i] = slotForgotten
			emit(t)
		}
	}
	for i := range s.keepers {
		p.collect(*s, i, emit)
	}
}

func (p *protocol) write(s pState, i int, emit func(pState)) {
	w := &s.writers[i]
	session := i*pTries + int(w.try)
	bit := uint8(1) << session
	was := s
	step := func(do func(w *pWriter)) {
		s = was
		do(&s.writers[i])
		emit(s)
	}
	register := func(w *pWriter) { s.registered |= bit; w.step++ }
	look := func(w *pWriter) { w.shuns = was.condemned(); w.step++ }
	leave := func(w *pWriter) { s.registered &^= bit; w.step++ }
	first, second, fifth, sixth := register, look, 0, 1
	if p.listsFirst {
		first, second = look, register
	}
	if p.leaveFirst {
		fifth, sixth = 1, 0
	}
	commit := func() {
		switch was.slot[session] {
		case slotOpen:
			step(func(w *pWriter) { s.slot[session] = slotSnapshot; w.step++ })
		case slotAborted:
			if tries := p.tries; int(w.try)+1 < pTries && (tries == 0 || int(w.try)+1 < tries) {
				step(func(w *pWriter) { *w = pWriter{try: w.try + 1} })
			}
		}
	}
	switch w.step {
	case 0:
		step(first)
	case 1:
		step(second)
	case 2: // share with a pack that the index knows, or store another
		for n := range 8 {
			pack := uint8(1) << n
			if was.known&pack != 0 && (p.condemnedToo || w.shuns&pack == 0) {
				step(func(w *pWriter) { w.uses, w.step = 1, 4 })
				break // which one makes no difference: the chunk is in all
			}
		}
		step(func(w *pWriter) { w.step = 3 })
	case 3:
		own := uint8(2) << session
		if p.reusesNames {
			own = 1
		}
		step(func(w *pWriter) { s.packs |= own; s.known |= own; w.step = 4 })
	case 4, 5:
		if order := []int{fifth, sixth}; order[w.step-4] == 0 {
			commit()
		} else {
			step(leave)
		}
	}
}

func (p *protocol) collect(s pState, i int, emit func(pState)) {
	was := s
	c := was.keepers[i]
	step := func(do func(c *pKeeper)) {
		s = was
		do(&s.keepers[i])
		emit(s)
	}
	rounds := uint8(pRounds)
	if p.rounds > 0 {
		rounds = uint8(p.rounds)
	}
	others := was.condemned()
	if p.blindToOthers {
		others = 0
	}
	needed := uint8(0)
	if was.kept() {
		needed = 1
	}
	r := &was.rounds[c.round]
	switch c.step {
	case 0: // mark, or go on with a collection that was begun
		step(func(c *pKeeper) { c.needed, c.step = needed, 1 })
		for n := range was.made {
			if was.rounds[n].done == 0 {
				step(func(c *pKeeper) { c.round, c.list, c.step = n, was.rounds[n].list, 3 })
			}
		}
	case 1: // choose packs; of what is needed one that stays
		for list := uint8(1); list < 32; list++ {
			if list&^was.packs == 0 && (c.needed == 0 || was.packs&^others&^list != 0) {
				step(func(c *pKeeper) { c.list, c.step = list, 2 })
			}
		}
	case 2:
		if was.made < rounds {
			step(func(c *pKeeper) {
				s.rounds[was.made] = pRound{list: c.list}
				c.round, c.step = was.made, 3
				s.made++
			})
		}
	case 3:
		step(func(c *pKeeper) {
			if c.waits = was.registered; p.noWait {
				c.waits = 0
			}
			c.step = 4
		})
	case 4:
		if c.waits == 0 {
			step(func(c *pKeeper) { c.step = 5 })
			return
		}
		n := bits.TrailingZeros8(c.waits)
		for m := n; m < pSessions; m++ {
			if bit := uint8(1) << m; c.waits&bit != 0 {
				step(func(c *pKeeper) {
					if was.slot[m] == slotOpen && was.registered&bit != 0 && !p.lease {
						s.slot[m] = slotAborted
					}
					c.waits &^= bit
				})
			}
		}
	case 5: // mark again: spare all if of what is needed no copy would stay
		step(func(c *pKeeper) {
			if needed == 1 && was.packs&^others&^c.list == 0 && !p.noSecondMark && !p.firstMarkOnly {
				c.list = 0
			}
			c.step = 6
		})
	case 6:
		if p.deleteEarly && c.list&was.packs != 0 {
			step(func(*pKeeper) { s.packs &^= c.list & -c.list & was.packs })
			return
		}
		step(func(c *pKeeper) {
			if r.decided == 0 {
				s.rounds[c.round].decided, s.rounds[c.round].verdict = 1, c.list
			} else if !p.anyVerdict {
				c.list = r.verdict
			}
			c.step = 7
		})
	case 7:
		gone := c.list & was.packs
		if gone == 0 {
			step(func(c *pKeeper) { s.rounds[c.round].done, c.step = 1, 8 })
		}
		for ; gone != 0; gone &= gone - 1 {
			pack := gone & -gone
			step(func(*pKeeper) { s.packs &^= pack })
		}
	}
}

// explore looks at every state that can be reached, up to a limit, and says how many those are and whether one has
// lost data.
func (p *protocol) explore(limit int) (states int, lost, freed bool) {
	start := pState{packs: 1, known: 1}
	seen := map[pState]struct{}{start: {}}
	stack := []pState{start}
	for len(stack) > 0 && !lost && len(seen) < limit {
		s := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		p.next(&s, func(t pState) {
			if _, ok := seen[t]; ok || lost {
				return
			}
			lost = t.kept() && t.packs == 0
			freed = freed || t.packs&1 == 0
			seen[t] = struct{}{}
			stack = append(stack, t)
		})
	}
	return len(seen), lost, freed
}

var deep = flag.Bool("deep", false, "explore the whole protocol, in some ten gigabytes of memory")

// TestProtocol: in no state that can be reached is data lost, and space is freed in some.
func TestProtocol(t *testing.T) {
	p, limit := protocol{tries: 1, rounds: 2}, 1<<62
	if *long {
		p = protocol{tries: 1}
	}
	if *deep {
		p = protocol{}
	}
	states, lost, freed := p.explore(limit)
	if lost || !freed {
		t.Errorf("%d states: data lost %v, space freed %v", states, lost, freed)
	}
	t.Logf("%d states", states)
}

// TestProtocolBroken: without any one of its rules the protocol loses data, so the states that are looked at are those
// that matter.
func TestProtocolBroken(t *testing.T) {
	const limit = 2_000_000
	for _, p := range []protocol{
		{name: "does not wait for sessions", noWait: true},
		{name: "lease instead of fence", lease: true},
		{name: "lists before registration", listsFirst: true},
		{name: "leaves before the commit", leaveFirst: true},
		{name: "no second mark", noSecondMark: true},
		{name: "shares with condemned packs", condemnedToo: true},
		{name: "any verdict counts", anyVerdict: true, tries: 1},
		{name: "deletes before the verdict", deleteEarly: true, tries: 1},
		{name: "blind to other generations", blindToOthers: true},
		{name: "copies counted once", firstMarkOnly: true},
		{name: "names used again", reusesNames: true},
	} {
		states, lost, _ := p.explore(limit)
		if !lost {
			t.Errorf("%s: no loss in %d states", p.name, states)
		}
		t.Logf("%s: lost after %d states", p.name, states)
	}
}
