package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// A writing is one made-up text: words of a common vocabulary, a few dozen names of its own that it comes back to.
type writing struct {
	*random
	names []string
	text  bytes.Buffer
}

// words is the vocabulary, made once: two to four syllables each.
var words = sync.OnceValue(func() []string {
	syllables := strings.Fields("ba ce di fo gu la me ni po ru sa te vi xo za ken tor lin mar sel dra pin cor val tem ist ent ure")
	var all []string
	for i := range vocabulary {
		r := seeded("word", i)
		var b strings.Builder
		for range r.between(2, 4) {
			b.WriteString(syllables[r.below(len(syllables))])
		}
		all = append(all, b.String())
	}
	return all
})

func word(i int) string { return words()[i] }

// vocabulary is the number of words.
const vocabulary = 3000

func newWriting(r random) *writing {
	w := &writing{random: &r}
	for range 30 {
		name := word(w.low(vocabulary))
		for range w.below(3) {
			next := word(w.low(vocabulary))
			name += strings.ToUpper(next[:1]) + next[1:]
		}
		w.names = append(w.names, name)
	}
	return w
}

func (w *writing) name() string { return w.names[w.low(len(w.names))] }

func (w *writing) sentence(words int) string {
	var b strings.Builder
	for i := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(word(w.low(vocabulary)))
	}
	return b.String()
}

// line returns one line of the kind, without its end.
func (w *writing) line(kind string) string {
	switch kind {
	case "json":
		switch w.below(4) {
		case 0:
			return fmt.Sprintf("  %q: %d,", w.name(), w.below(100000))
		case 1:
			return fmt.Sprintf("  %q: \"^%d.%d.%d\",", w.name(), w.below(20), w.below(30), w.below(10))
		case 2:
			return fmt.Sprintf("  %q: [%d, %d, %d],", w.name(), w.below(256), w.below(256), w.below(256))
		}
		return fmt.Sprintf("  %q: %q,", w.name(), w.sentence(w.between(1, 6)))
	case "md":
		if w.below(8) == 0 {
			return "## " + w.sentence(w.between(1, 4))
		}
		return w.sentence(w.between(6, 16)) + "."
	}
	switch w.below(8) {
	case 0:
		return "// " + w.sentence(w.between(4, 12))
	case 1:
		return fmt.Sprintf("func %s(%s int, %s []byte) error {", w.name(), w.name(), w.name())
	case 2:
		return fmt.Sprintf("\tif %s.%s != %d {", w.name(), w.name(), w.below(100))
	case 3:
		return fmt.Sprintf("\t\treturn %s(%s, %q)", w.name(), w.name(), w.sentence(w.between(1, 5)))
	case 4:
		return fmt.Sprintf("\t\t%s = append(%s, %s...)", w.name(), w.name(), w.name())
	case 5:
		return "\t}"
	case 6:
		return ""
	}
	return fmt.Sprintf("\t%s := %s.%s(%s)", w.name(), w.name(), w.name(), w.name())
}

// compose writes at least size bytes of whole lines.
func compose(r random, kind string, size int) []byte {
	w := newWriting(r)
	for w.text.Len() < size {
		w.text.WriteString(w.line(kind))
		w.text.WriteByte('\n')
	}
	return w.text.Bytes()
}

// revise changes, inserts or removes a few lines in one place of a text.
func revise(r random, kind string, text []byte) []byte {
	w := newWriting(r)
	lines := bytes.SplitAfter(text, []byte("\n"))
	lines = lines[:len(lines)-1] // what follows the last line end is empty
	at := w.below(len(lines))
	gone := min(w.below(4), len(lines)-at)
	var fresh [][]byte
	for range w.between(1, 4) {
		fresh = append(fresh, []byte(w.line(kind)+"\n"))
	}
	return bytes.Join(slices.Replace(lines, at, at+gone, fresh...), nil)
}
