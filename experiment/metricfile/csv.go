package metricfile

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// A table is a CSV or TSV file that is being read.
type table struct {
	s      *source
	name   string
	split  byte
	comma  bool // decimal commas, as spreadsheets write them where ; divides
	header []string
	cols   []column
	early  []record // rows until the columns are known
	runs   []*build
	of     map[string]int // run → index in runs
	pairs  []pair
	back   bool // told that steps go back
	last   map[*build]int64
}

// A column is what a column is.
type column struct {
	name string
	role role
	skip bool
}

// A record is a row of cells.
type record struct {
	cells []string
	line  int
	cut   bool
}

// sampled is how many rows are looked at before it is said which columns hold numbers.
const sampled = 256

// csv reads a table: a header, then a row for each step. Blank cells say nothing. A header in the middle starts the
// next run, for programs append to the file of the run before; a column that names runs divides them.
func (s *source) csv(name string) ([]Run, error) {
	t := &table{s: s, name: name, of: map[string]int{}, last: map[*build]int64{}}
	var held []byte
	var heldAt int
	err := s.lines(name, func(l line) error {
		text, n := l.text, l.n
		if len(held) > 0 {
			held = append(append(held, '\n'), text...)
			text, n = held, heldAt
		}
		if l.long || len(text) > s.limits.Line {
			held = held[:0]
			return &Error{File: name, Line: n, Err: fmt.Errorf("a row is longer than %d bytes (is a quote not closed?): %w", s.limits.Line, ErrLimit)}
		}
		if t.header == nil && !t.start(text) {
			return nil
		}
		cells, open := cut(string(text), t.split)
		if open && !l.cut {
			if len(held) == 0 {
				held, heldAt = append(held, text...), n
			}
			return nil
		}
		held = held[:0]
		return t.row(record{cells, n, l.cut})
	})
	if len(held) > 0 && err == nil {
		err = &Error{File: name, Line: heldAt, Err: errors.New("a quote is not closed")}
	}
	if err == nil && t.header == nil {
		err = &Error{File: name, Err: errors.New("has no header")}
	}
	if err == nil {
		err = t.settle()
	}
	return t.done(), err
}

// start finds what divides cells; false is a line before the header.
func (t *table) start(line []byte) bool {
	if trimmed := bytes.TrimSpace(line); len(trimmed) == 0 || trimmed[0] == '#' && !bytes.ContainsAny(trimmed, ",;\t") {
		return false
	}
	if t.split != 0 {
		return true
	}
	t.split = ','
	if strings.EqualFold(path.Ext(t.name), ".tsv") {
		t.split = '\t'
		return true
	}
	most := bytes.Count(line, []byte{','})
	for _, c := range []byte("\t;|") {
		if n := bytes.Count(line, []byte{c}); n > most {
			t.split, most = c, n
		}
	}
	t.comma = t.split == ';'
	return true
}

// cut divides a row; open is a quote that is not closed.
func cut(s string, by byte) (cells []string, open bool) {
	for {
		trimmed := strings.TrimLeft(s, " ")
		if !strings.HasPrefix(trimmed, `"`) {
			cell, rest, more := strings.Cut(s, string(by))
			cells = append(cells, strings.TrimSpace(cell))
			if s = rest; !more {
				return cells, false
			}
			continue
		}
		var b strings.Builder
		s = trimmed[1:]
		for {
			part, rest, closed := strings.Cut(s, `"`)
			b.WriteString(part)
			if !closed {
				return append(cells, b.String()), true
			}
			if s = rest; !strings.HasPrefix(s, `"`) {
				break
			}
			b.WriteByte('"')
			s = s[1:]
		}
		after, rest, more := strings.Cut(s, string(by))
		cells = append(cells, b.String()+strings.TrimSpace(after))
		if s = rest; !more {
			return cells, false
		}
	}
}

// row takes a row: the header, or values.
func (t *table) row(r record) error {
	empty := !slices.ContainsFunc(r.cells, func(c string) bool { return c != "" })
	switch {
	case t.header == nil:
		return t.head(r)
	case empty && len(r.cells) <= 1:
		return nil
	case t.cols == nil:
		if t.early = append(t.early, r); len(t.early) >= sampled {
			return t.settle()
		}
		return nil
	}
	return t.values(r)
}

// head takes the header.
func (t *table) head(r record) error {
	numbers := 0
	t.header = r.cells
	seen := map[string]int{}
	for i, name := range r.cells {
		if _, _, ok := number(name); ok {
			numbers++
		}
		name = strings.TrimSpace(strings.TrimPrefix(name, "# "))
		if n := seen[name]; n > 0 {
			name = fmt.Sprintf("%s.%d", name, n)
		}
		seen[r.cells[i]]++
		t.header[i] = name
	}
	if numbers == len(r.cells) {
		return &Error{File: t.name, Line: r.line, Err: errors.New("the first line has only numbers: a header with the names of the columns is needed")}
	}
	return nil
}

// settle says what each column is, from the header and the first rows.
func (t *table) settle() error {
	if t.cols != nil {
		return nil
	}
	t.cols = make([]column, len(t.header))
	long := t.long()
	best := map[role]int{}
	for i, name := range t.header {
		p := t.s.fields.of(name)
		c := &t.cols[i]
		c.name, c.role = name, p.role
		numbers, texts := t.kinds(i, p.role)
		switch c.role {
		case asName, asValue, asStdErr:
			if !long {
				c.role = asMetric
			}
		case asStep, asEpoch, asTime:
			if texts > 0 || numbers == 0 && len(t.early) > 0 {
				c.role = asMetric
				break
			}
			if j, taken := best[c.role]; !taken {
				best[c.role] = i
			} else if t.s.fields.of(t.header[j]).rank <= p.rank {
				c.role = asMetric
			} else {
				t.cols[j].role, best[c.role] = asMetric, i
			}
		}
		if c.role == asMetric {
			_, texts = t.kinds(i, asMetric)
			if texts > 0 && texts*2 >= numbers+texts || long {
				c.role = asKey
				c.skip = texts > 0 && t.prose(i)
			}
		}
		c.skip = c.skip || name == "" || strings.HasPrefix(name, "Unnamed: ")
	}
	early := t.early
	t.early = nil
	for _, r := range early {
		if err := t.values(r); err != nil {
			return err
		}
	}
	return nil
}

// prose reports whether a column of texts says another thing in most rows: such a text tells no series apart.
func (t *table) prose(i int) bool {
	cells := map[string]bool{}
	n := 0
	for _, r := range t.early {
		if i < len(r.cells) && !blank(r.cells[i]) {
			cells[r.cells[i]] = true
			n++
		}
	}
	return len(cells) > 10 && len(cells)*2 > n
}

// long reports whether each row has one value and names its metric.
func (t *table) long() bool {
	name, value := false, false
	for _, h := range t.header {
		r := t.s.fields.of(h).role
		name, value = name || r == asName, value || r == asValue
	}
	return name && value
}

// kinds counts the cells of the first rows that a role can take, and those that it cannot.
func (t *table) kinds(i int, as role) (fit, not int) {
	for _, r := range t.early {
		if i >= len(r.cells) || blank(r.cells[i]) || slices.Equal(r.cells, t.header) {
			continue
		}
		ok := false
		switch as {
		case asStep, asEpoch, asTime:
			ok = new(row).take(as, t.decimal(r.cells[i]))
		default:
			_, _, ok = number(t.decimal(r.cells[i]))
		}
		if ok {
			fit++
		} else {
			not++
		}
	}
	return fit, not
}

func (t *table) decimal(cell string) string {
	if t.comma && strings.Count(cell, ",") == 1 {
		return strings.Replace(cell, ",", ".", 1)
	}
	return cell
}

// values adds the points of a row.
func (t *table) values(rec record) error {
	b := t.current(rec)
	if slices.Equal(rec.cells, t.header) {
		t.runs = append(t.runs, t.next(len(t.runs)))
		t.of[""] = len(t.runs) - 1
		t.runs[len(t.runs)-1].note("the header comes again at line %d: taken as the start of another run", rec.line)
		return nil
	}
	if len(rec.cells) != len(t.cols) && !t.fits(rec) {
		cut := ""
		if rec.cut {
			cut = " (the last line has no end: the writer was stopped)"
		}
		b.warn(t.name, rec.line, "%d cells, and the header has %d: row left out%s", len(rec.cells), len(t.cols), cut)
		return nil
	}
	var r row
	var name, value, stderr string
	t.pairs = t.pairs[:0]
	for i, c := range t.cols {
		cell := rec.cells[i]
		if c.skip || blank(cell) {
			continue
		}
		switch c.role {
		case asStep, asEpoch, asTime:
			if !r.take(c.role, t.decimal(cell)) {
				b.warn(t.name, rec.line, "%s: %q is none: left out", c.name, short(cell))
			}
		case asName:
			name = cell
		case asValue:
			value = cell
		case asStdErr:
			stderr = cell
		case asKey:
			if len(cell) <= maxKey {
				t.pairs = append(t.pairs, pair{c.name, strings.Clone(cell)})
			}
		}
	}
	r.settle()
	r.keys = b.keys.with(nil, t.pairs)
	t.order(b, &r, rec.line)
	if name != "" && value != "" {
		return t.single(b, rec.line, &r, name, t.decimal(value), t.decimal(stderr))
	}
	for i, c := range t.cols {
		if c.skip || c.role != asMetric || blank(rec.cells[i]) {
			continue
		}
		if err := b.value(t.name, rec.line, &r, c.name, t.decimal(rec.cells[i])); err != nil {
			return err
		}
	}
	return nil
}

// single adds the point of a row that names its metric.
func (t *table) single(b *build, line int, r *row, name, value, stderr string) error {
	v, why, ok := number(value)
	if !ok {
		b.warn(t.name, line, "%s: %q is no number: left out", short(name), short(value))
		return nil
	}
	if why != "" {
		b.warn(t.name, line, "%s: %s", short(name), why)
	}
	p := r.point(name, v)
	p.StdErr, _, p.HasStdErr = number(stderr)
	return b.add(t.name, line, p)
}

// fits reports whether what a row has too much is blank.
func (t *table) fits(rec record) bool {
	return len(rec.cells) > len(t.cols) && !slices.ContainsFunc(rec.cells[len(t.cols):], func(c string) bool { return c != "" })
}

// order tells once that steps go back, unless keys tell the series apart.
func (t *table) order(b *build, r *row, line int) {
	if !r.hasStep || t.back || len(r.keys) > 0 {
		return
	}
	if last, ok := t.last[b]; ok && r.step < last {
		b.warn(t.name, line, "the step goes back from %d to %d: are there several runs in this file? Name the column that tells them apart", last, r.step)
		t.back = true
	}
	t.last[b] = r.step
}

// current is the run that a row belongs to.
func (t *table) current(rec record) *build {
	key := ""
	for i, c := range t.cols {
		if c.role == asRun && i < len(rec.cells) {
			key = strings.Clone(rec.cells[i])
			break
		}
	}
	i, ok := t.of[key]
	if !ok || len(t.runs) == 0 {
		b := t.next(len(t.runs))
		if key != "" {
			b.run.Name = key
		}
		t.runs = append(t.runs, b)
		i = len(t.runs) - 1
		t.of[key] = i
	}
	return t.runs[i]
}

// next starts a run.
func (t *table) next(i int) *build {
	name := titled(t.name)
	if i > 0 {
		name = fmt.Sprintf("%s#%d", name, i+1)
	}
	return t.s.build(name, t.name, CSV)
}

// done ends the runs, and says what the columns were taken for.
func (t *table) done() []Run {
	if len(t.runs) == 0 && t.header != nil {
		b := t.next(0)
		b.empty()
		t.runs = append(t.runs, b)
	}
	by := map[role][]string{}
	step := false
	var left []string
	for _, c := range t.cols {
		switch {
		case !c.skip:
			by[c.role] = append(by[c.role], c.name)
		case c.role == asKey:
			left = append(left, c.name)
		}
		step = step || c.role == asStep
	}
	var said []string
	for r, what := range []string{asMetric: "metrics", asStep: "step", asEpoch: "epoch", asTime: "time", asName: "names of metrics", asValue: "values", asStdErr: "standard errors", asRun: "run", asKey: "keys"} {
		if len(by[role(r)]) > 0 {
			said = append(said, what+" "+upTo(strings.Join(by[role(r)], ", "), 300))
		}
	}
	if !step && len(by[asEpoch]) > 0 {
		said = append(said, "the epoch is the step")
	}
	if len(left) > 0 {
		said = append(said, "left out, for they are texts that differ from row to row: "+upTo(strings.Join(left, ", "), 300))
	}
	var out []Run
	for _, b := range t.runs {
		if len(said) > 0 {
			b.note("columns: %s", strings.Join(said, "; "))
		}
		t.s.beside(b, t.name)
		out = append(out, b.done())
	}
	return out
}

// beside reads the parameters that Lightning (hparams.yaml) and Ultralytics (args.yaml) put beside their table.
func (s *source) beside(b *build, name string) {
	for _, file := range []string{"hparams.yaml", "args.yaml"} {
		file = path.Join(path.Dir(name), file)
		if s.exists(file) {
			s.params(b, file)
		}
	}
}

// params reads a document of settings into the run's parameters.
func (s *source) params(b *build, file string) {
	in, err := s.document(file)
	var n node
	if err == nil {
		switch path.Ext(file) {
		case ".json":
			n, _, err = parseJSON(in, s.limits.Depth)
		case ".toml":
			n, err = parseTOML(in, s.limits.Depth)
		default:
			n, err = parseYAML(in, s.limits.Depth)
		}
	}
	if err != nil {
		b.warn(file, 0, "parameters are not read: %v", err)
		return
	}
	b.settings("", &n)
}

// settings puts the leaves of a document into the parameters, as they are spelled.
func (b *build) settings(name string, n *node) {
	for i := range n.items {
		to := fmt.Sprint(i)
		if n.kind == object {
			to = n.names[i]
		}
		if name != "" {
			to = name + "." + to
		}
		b.settings(to, &n.items[i])
	}
	if n.kind != object && n.kind != list && name != "" {
		b.run.Params[name] = n.text
	}
}
