package ignore

// nameRule is a rule matched against the name at every depth.
type nameRule struct {
	rule  *Rule
	order int // position among the rules of its folder
	glob  glob
}

// nameIndex finds the rules a name has to be held against by its first or its
// last byte. A nil index holds no rules.
type nameIndex struct {
	rules []nameRule // last rule first
	last  buckets    // rules with few possible last bytes
	first buckets    // the others with few possible first bytes
	open  []int32    // the rest
}

// buckets[c] are the positions, ascending, of the rules for the byte c:
// pos[start[c]:start[c+1]].
type buckets struct {
	start [257]int32
	pos   []int32
}

// maxSpread is how many buckets one rule may take; sets with more bytes make it
// an open one. It keeps the index linear in the rules.
const maxSpread = 16

func newNameIndex(rules []nameRule) *nameIndex {
	if len(rules) == 0 {
		return nil
	}
	x := &nameIndex{rules: make([]nameRule, len(rules))}
	var last, first [256][]int32
	for i := range rules {
		r := rules[len(rules)-1-i]
		x.rules[i] = r
		toks := r.glob.toks
		switch {
		case spread(last[:], toks[len(toks)-1], int32(i)):
		case spread(first[:], toks[0], int32(i)):
		default:
			x.open = append(x.open, int32(i))
		}
	}
	x.last.fill(&last)
	x.first.fill(&first)
	return x
}

// spread adds rule i to the lists of the bytes t can match; it reports whether
// these are few enough.
func spread(lists [][]int32, t token, i int32) bool {
	switch t.op {
	case opByte:
		lists[t.b] = append(lists[t.b], i)
		return true
	case opSet:
		n := 0
		for c := range 256 {
			if t.set.has(byte(c)) {
				n++
			}
		}
		if n > maxSpread {
			return false
		}
		for c := range 256 {
			if t.set.has(byte(c)) {
				lists[c] = append(lists[c], i)
			}
		}
		return true
	}
	return false
}

func (b *buckets) fill(lists *[256][]int32) {
	for c, l := range lists {
		b.pos = append(b.pos, l...)
		b.start[c+1] = int32(len(b.pos))
	}
}

func (b *buckets) of(c byte) []int32 { return b.pos[b.start[c]:b.start[int(c)+1]] }

func (x *nameIndex) size() int {
	if x == nil {
		return 0
	}
	return len(x.rules)
}

// match returns the last rule that matches and its order, or nil and -1.
func (x *nameIndex) match(name []byte, isDir bool) (*Rule, int) {
	if x == nil {
		return nil, -1
	}
	best := int32(len(x.rules))
	best = x.scan(x.last.of(name[len(name)-1]), name, isDir, best)
	best = x.scan(x.first.of(name[0]), name, isDir, best)
	best = x.scan(x.open, name, isDir, best)
	if int(best) == len(x.rules) {
		return nil, -1
	}
	return x.rules[best].rule, x.rules[best].order
}

// scan returns the first position below best whose rule matches, else best.
func (x *nameIndex) scan(pos []int32, name []byte, isDir bool, best int32) int32 {
	for _, p := range pos {
		if p >= best {
			break
		}
		r := &x.rules[p]
		if (isDir || !r.rule.dirOnly) && r.glob.match(name) {
			return p
		}
	}
	return best
}
