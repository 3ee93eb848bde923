package ignore

import (
	"errors"
	"fmt"
	"strings"
)

// Options say how names are compared.
type Options struct {
	FoldCase bool // ASCII letters match in either case, as on most Windows and macOS volumes
}

// Matcher holds the rules that apply in one folder. It is immutable and may be
// used from many goroutines.
type Matcher struct {
	fold   bool
	levels []level // shallow to deep: a match in a later one overrides
}

// level is the state, in one folder, of the rules found in it or an ancestor.
type level struct {
	names *nameIndex
	live  []live       // path rules that can match here or below
	here  []activeRule // path rules that can match here, last rule first
}

type activeRule struct {
	rule  *Rule
	order int
	glob  *glob
}

// New returns the matcher of the root. Later lists override earlier ones; pass
// presets first, then patterns of the user, then the root's own rule files.
func New(o Options, base ...[]*Rule) *Matcher {
	m := &Matcher{fold: o.FoldCase}
	m.push(base)
	return m
}

// Enter returns the matcher of the sub-folder dir (one name), given the rules of
// the files in it; later lists override earlier ones. The receiver is unchanged
// and may be the result.
func (m *Matcher) Enter(dir string, files ...[]*Rule) *Matcher {
	quiet := true
	for i := range m.levels {
		quiet = quiet && len(m.levels[i].live) == 0 && len(m.levels[i].here) == 0
	}
	for _, f := range files {
		quiet = quiet && len(f) == 0
	}
	if quiet {
		return m
	}
	var buf [nameSize]byte
	name := m.canonical(buf[:0], dir)
	sub := &Matcher{fold: m.fold, levels: make([]level, 0, len(m.levels)+1)}
	var w walker
	for _, l := range m.levels {
		next := level{names: l.names}
		for _, v := range l.live {
			if pos := w.enter(v.rule, v.pos, name); pos != nil {
				next.live = append(next.live, live{v.rule, pos})
			}
		}
		if next.names.size() == 0 && len(next.live) == 0 {
			continue
		}
		next.activate()
		sub.levels = append(sub.levels, next)
	}
	sub.push(files)
	return sub
}

// push adds the level of the rules found in the folder itself.
func (m *Matcher) push(files [][]*Rule) {
	var l level
	var names []nameRule
	order := 0
	for _, rules := range files {
		for _, r := range rules {
			toks, ok := compile(r.body, r.pathname, m.fold)
			switch {
			case !ok:
			case r.pathname:
				p := newPathRule(r, order, toks)
				l.live = append(l.live, live{p, []int{0}})
			default:
				names = append(names, nameRule{r, order, newGlob(toks)})
			}
			order++
		}
	}
	if len(names) == 0 && len(l.live) == 0 {
		return
	}
	l.names = newNameIndex(names)
	l.activate()
	m.levels = append(m.levels, l)
}

// activate lists the globs that names in this folder are held against.
func (l *level) activate() {
	for i := len(l.live) - 1; i >= 0; i-- {
		v := l.live[i]
		for _, pos := range v.pos {
			if g := v.rule.tail(pos); g != nil {
				l.here = append(l.here, activeRule{v.rule.rule, v.rule.order, g})
			}
		}
	}
}

// Match decides about one name in the matcher's folder. by is the rule that
// decided, a negated one if it re-includes the name, nil if no rule matches.
func (m *Matcher) Match(name string, isDir bool) (ignored bool, by *Rule) {
	if name == "" {
		return false, nil
	}
	var buf [nameSize]byte
	b := m.canonical(buf[:0], name)
	for i := len(m.levels) - 1; i >= 0; i-- {
		if r := m.levels[i].match(b, isDir); r != nil {
			return !r.negated, r
		}
	}
	return false, nil
}

func (l *level) match(name []byte, isDir bool) *Rule {
	r, order := l.names.match(name, isDir)
	for i := range l.here {
		a := &l.here[i]
		if a.order <= order {
			break
		}
		if (isDir || !a.rule.dirOnly) && a.glob.match(name) {
			return a.rule
		}
	}
	return r
}

// nameSize is the longest name common file systems allow; longer ones work too.
const nameSize = 256

// canonical appends name to buf as the rules expect it.
func (m *Matcher) canonical(buf []byte, name string) []byte {
	buf = append(buf, name...)
	if m.fold {
		for i, c := range buf {
			buf[i] = foldByte(c, true)
		}
	}
	return buf
}

// ErrPath reports a path that is not a clean relative one.
var ErrPath = errors.New("not a clean relative path")

// Verdict is the decision about a path.
type Verdict struct {
	Ignored bool
	By      *Rule  // the deciding rule, nil if none matches
	At      string // the path By matched: the one asked for or an ancestor of it
}

// Path decides about rel, names joined by "/" below the matcher's folder, the
// way a walk would: an ignored ancestor decides for all below it. rules returns
// the rules found in a sub-folder (path relative to the matcher's folder), to be
// added as by [Matcher.Enter]; nil means no sub-folder has any. Errors are those
// of rules and [ErrPath].
func (m *Matcher) Path(rel string, isDir bool, rules func(dir string) ([]*Rule, error)) (Verdict, error) {
	for part := range strings.SplitSeq(rel, "/") {
		if part == "" || part == "." || part == ".." {
			return Verdict{}, fmt.Errorf("match path %q: %w", rel, ErrPath)
		}
	}
	for start := 0; ; {
		n := strings.IndexByte(rel[start:], '/')
		if n < 0 {
			ignored, by := m.Match(rel[start:], isDir)
			return verdict(ignored, by, rel), nil
		}
		dir := rel[:start+n]
		if ignored, by := m.Match(rel[start:start+n], true); ignored {
			return verdict(true, by, dir), nil
		}
		var found []*Rule
		if rules != nil {
			var err error
			if found, err = rules(dir); err != nil {
				return Verdict{}, fmt.Errorf("read rules of %q: %w", dir, err)
			}
		}
		m = m.Enter(rel[start:start+n], found)
		start += n + 1
	}
}

func verdict(ignored bool, by *Rule, at string) Verdict {
	if by == nil {
		return Verdict{}
	}
	return Verdict{Ignored: ignored, By: by, At: at}
}
