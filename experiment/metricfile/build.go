package metricfile

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// A build is a run that is being read.
type build struct {
	s     *source
	run   *Run
	sep   string // between the parts of nested names
	names map[string]string
	odd   map[string]*oddity
	keys  keyring
	pairs []pair
	taken []bool
}

// An oddity counts the values of a metric that are no finite numbers.
type oddity struct {
	n    int
	line int
	file string
	what string
}

func (s *source) build(name, src, format string) *build {
	return &build{s: s, sep: ".", names: map[string]string{}, odd: map[string]*oddity{},
		run: &Run{Name: name, Source: src, Format: format, Params: map[string]string{}, Tags: map[string]string{}}}
}

// warn tells what the reader of the run must know.
func (b *build) warn(file string, line int, format string, args ...any) {
	if len(b.run.Warnings) >= b.s.limits.Warnings {
		b.run.Unsaid++
		return
	}
	b.run.Warnings = append(b.run.Warnings, Warning{File: file, Line: line, Text: fmt.Sprintf(format, args...)})
}

// note tells once what was guessed.
func (b *build) note(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); len(b.run.Notes) < 50 && !slices.Contains(b.run.Notes, text) {
		b.run.Notes = append(b.run.Notes, text)
	}
}

// add adds a point under its final name.
func (b *build) add(file string, line int, p Point) error {
	name, known := b.names[p.Metric]
	if !known {
		name = b.wanted(p.Metric)
		if len(b.names) < 1<<16 {
			b.names[strings.Clone(p.Metric)] = name
		}
	}
	if name == "" {
		return nil
	}
	if b.s.left--; b.s.left < 0 {
		return &Error{File: file, Line: line, Err: over("points", int64(b.s.limits.Points)+1, int64(b.s.limits.Points))}
	}
	if b.s.left%4096 == 0 && b.s.ctx.Err() != nil {
		return b.s.ctx.Err()
	}
	p.Metric = name
	if math.IsNaN(p.Value) || math.IsInf(p.Value, 0) {
		o := b.odd[name]
		if o == nil {
			o = &oddity{line: line, file: file, what: strconv.FormatFloat(p.Value, 'g', -1, 64)}
			b.odd[name] = o
		}
		o.n++
	}
	b.run.Points = append(b.run.Points, p)
	return nil
}

// wanted is the name that a metric gets, or "".
func (b *build) wanted(name string) string {
	m := &b.s.o.Mapping
	if to, ok := m.Rename[name]; ok {
		return to
	}
	if strings.TrimSpace(name) == "" || !m.wants(name) {
		return ""
	}
	return strings.ToValidUTF8(name, "\uFFFD")
}

// value adds a number as the file spells it.
func (b *build) value(file string, line int, r *row, metric, spelled string) error {
	v, why, ok := number(spelled)
	if !ok {
		b.warn(file, line, "%s: %q is no number: left out", short(metric), short(spelled))
		return nil
	}
	if why != "" {
		b.warn(file, line, "%s: %s", short(metric), why)
	}
	return b.add(file, line, r.point(metric, v))
}

// done ends the run: what can be said only of all points is said.
func (b *build) done() Run {
	of := map[string]int{}
	if len(b.odd) > 0 {
		for i := range b.run.Points {
			of[b.run.Points[i].Metric]++
		}
	}
	names := make([]string, 0, len(b.odd))
	for name := range b.odd {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		o := b.odd[name]
		b.warn(o.file, o.line, "%s: %d of %d values are not finite; here is the first: %s", short(name), o.n, of[name], o.what)
	}
	return *b.run
}

// words say where the texts of a document go.
type words func(name, text string)

func (b *build) toParams(name, text string) { b.run.Params[name] = text }

// maxKey bounds a key's value: longer texts are no keys.
const maxKey = 256

// row reads the fields of an object that all its points share, and reports in b.taken which they are.
func (b *build) row(n *node, outer row, textIsKey bool) (r row, name, value, stderr *node) {
	r = outer
	b.pairs = b.pairs[:0]
	b.taken = append(b.taken[:0], make([]bool, len(n.names))...)
	best := [asKey + 1]int{}
	for i := range n.items {
		item, p := &n.items[i], b.s.fields.of(n.names[i])
		if item.kind == list || item.kind == object || item.kind == null {
			continue
		}
		switch p.role {
		case asMetric:
		case asName, asValue, asStdErr:
			continue // below: they mean it only together
		case asRun, asKey:
			b.key(i, n.names[i], item.text)
			continue
		default:
			if j := best[p.role]; j > 0 && b.s.fields.of(n.names[j-1]).rank < p.rank {
				continue
			}
			if item.kind == numeral || p.role == asTime {
				if r.take(p.role, item.text) {
					if j := best[p.role]; j > 0 {
						b.taken[j-1] = false
					}
					best[p.role], b.taken[i] = i+1, true
				}
			}
			continue
		}
		if textIsKey && item.kind != numeral {
			if _, _, odd := special(item.text); !odd {
				b.key(i, n.names[i], item.text)
			}
		}
	}
	name, value, stderr = b.long(n)
	if name != nil {
		for i := range n.items {
			if item := &n.items[i]; !b.taken[i] && item != name && item != value && item != stderr && item.kind != list && item.kind != object && item.kind != null {
				b.key(i, n.names[i], item.text)
			}
		}
	}
	r.keys = b.keys.with(outer.keys, b.pairs)
	return r, name, value, stderr
}

func (b *build) key(i int, name, text string) {
	if len(text) <= maxKey && !b.taken[i] {
		b.pairs = append(b.pairs, pair{name, text})
		b.taken[i] = true
	}
}

// long finds the name and the value of an object with one value: {"metric": …, "value": …}.
func (b *build) long(n *node) (name, value, stderr *node) {
	for i := range n.items {
		switch item := &n.items[i]; b.s.fields.of(n.names[i]).role {
		case asName:
			if item.kind == text && name == nil {
				name = item
			}
		case asValue:
			value = item
		case asStdErr:
			stderr = item
		}
	}
	if name == nil || value == nil {
		return nil, nil, nil
	}
	return name, value, stderr
}

// object adds what an object says, as a row.
func (b *build) object(file, prefix string, n *node, outer row, say words) error {
	r, name, value, stderr := b.row(n, outer, say == nil)
	if name != nil {
		return b.single(file, prefix, n, r, name, value, stderr)
	}
	if r.settle() {
		b.note("the epoch is taken as the step: there is no other")
	}
	taken := slices.Clone(b.taken) // nested rows use it too
	for i := range n.items {
		if taken[i] {
			continue
		}
		if err := b.flatten(file, prefix+n.names[i], &n.items[i], r, say); err != nil {
			return err
		}
	}
	return nil
}

// single adds the point of an object that names its metric.
func (b *build) single(file, prefix string, n *node, r row, name, value, stderr *node) error {
	r.settle()
	if value.kind != numeral && value.kind != text {
		b.warn(file, int(n.line), "%s has no number as its value: left out", short(name.text))
		return nil
	}
	v, why, ok := number(value.text)
	if !ok {
		b.warn(file, int(n.line), "%s: %q is no number: left out", short(name.text), short(value.text))
		return nil
	}
	if why != "" {
		b.warn(file, int(n.line), "%s: %s", short(name.text), why)
	}
	p := r.point(prefix+name.text, v)
	if stderr != nil {
		p.StdErr, _, p.HasStdErr = number(stderr.text)
	}
	return b.add(file, int(n.line), p)
}

// flatten adds what a value says, under a name. Texts go to say; without one they are only counted as keys of rows.
func (b *build) flatten(file, name string, n *node, r row, say words) error {
	line := int(n.line)
	switch n.kind {
	case null:
		b.note("values that are null are left out")
	case numeral:
		return b.value(file, line, &r, name, n.text)
	case text:
		if v, _, ok := special(n.text); ok {
			return b.add(file, line, r.point(name, v))
		}
		fallthrough
	case boolean:
		if say != nil {
			say(name, n.text)
		} else {
			b.warn(file, line, "%s is a text: left out", short(name))
		}
	case object:
		for i := range n.items {
			if err := b.flatten(file, name+b.sep+n.names[i], &n.items[i], r, say); err != nil {
				return err
			}
		}
	case list:
		return b.list(file, name, n, r, say)
	}
	return nil
}

// list adds a list: of rows, of numbers by position, or of other things by index.
func (b *build) list(file, name string, n *node, r row, say words) error {
	rows, numbers := true, true
	for i := range n.items {
		rows = rows && n.items[i].kind == object
		numbers = numbers && (n.items[i].kind == numeral || n.items[i].kind == null)
	}
	if numbers && !r.hasStep && len(n.items) > 0 {
		b.note("lists of numbers are taken as series: the position, from 0, is the step")
	}
	prefix := name
	if prefix != "" {
		prefix += b.sep
	}
	for i := range n.items {
		var err error
		switch item := &n.items[i]; {
		case rows:
			err = b.object(file, prefix, item, r, nil)
		case numbers && !r.hasStep:
			at := r
			at.step, at.hasStep = int64(i), true
			err = b.flatten(file, name, item, at, say)
		default:
			err = b.flatten(file, prefix+strconv.Itoa(i), item, r, say)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// empty warns of a run without any point.
func (b *build) empty() {
	if len(b.run.Points) == 0 && len(b.run.Params) == 0 {
		b.warn(b.run.Source, 0, "no metric was found")
	}
}

// at puts the file into an error of a parser.
func at(file string, err error) error {
	var e *Error
	if errors.As(err, &e) && e.File == "" {
		e.File = file
		return e
	}
	return &Error{File: file, Err: err}
}
