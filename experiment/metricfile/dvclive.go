package metricfile

import (
	"errors"
	"path"
	"strings"
)

// isDVCLive reports whether a folder is one of DVCLive: metrics.json and plots/metrics, or one of them where the other
// is not yet written.
func (s *source) isDVCLive(dir string) bool {
	return s.folder(path.Join(dir, "plots", "metrics")) || s.exists(path.Join(dir, "metrics.json")) && (s.folder(path.Join(dir, "plots")) || path.Base(dir) == "dvclive")
}

// dvclive reads a folder of DVCLive: the series from plots/metrics, and from metrics.json what no series has.
func (s *source) dvclive(dir string) ([]Run, error) {
	b := s.build(path.Base(dir), dir, DVCLive)
	if name := path.Base(path.Dir(dir)); b.run.Name == "dvclive" && name != "." && name != "/" {
		b.run.Name = name
	}
	b.sep = "/"
	for _, file := range []string{path.Join(dir, "params.yaml"), path.Join(path.Dir(dir), "params.yaml")} {
		if s.exists(file) {
			s.params(b, file)
			break
		}
	}
	last := map[string]float64{}
	var err error
	if plots := path.Join(dir, "plots", "metrics"); s.folder(plots) {
		err = s.walk(plots, func(file string) error {
			if path.Ext(file) != ".tsv" {
				return nil
			}
			return s.dvcliveSeries(b, file, strings.TrimSuffix(strings.TrimPrefix(file, plots+"/"), ".tsv"), last)
		})
	}
	if file := path.Join(dir, "metrics.json"); err == nil && s.exists(file) {
		err = s.dvcliveLast(b, file, last)
	}
	b.empty()
	return some(b.done(), err)
}

// dvcliveSeries reads a table "step, value", "timestamp, step, value". The metric is named by the file's path: the
// column has only its last part.
func (s *source) dvcliveSeries(b *build, file, name string, last map[string]float64) error {
	var header []string
	return s.lines(file, func(l line) error {
		cells := strings.Split(string(l.text), "\t")
		if header == nil {
			header = cells
			return nil
		}
		if len(cells) == 1 && cells[0] == "" {
			return nil
		}
		if len(cells) != len(header) || l.long {
			b.warn(file, l.n, "%d cells, and the header has %d: row left out", len(cells), len(header))
			return nil
		}
		var r row
		value := ""
		for i, cell := range cells {
			switch header[i] {
			case "step":
				if !r.take(asStep, cell) {
					b.warn(file, l.n, "step %q is no number: left out", short(cell))
				}
			case "timestamp":
				r.take(asTime, cell)
			default:
				value = cell
			}
		}
		v, why, ok := number(value)
		if !ok {
			b.warn(file, l.n, "%q is no number: left out", short(value))
			return nil
		}
		if why != "" {
			b.warn(file, l.n, "%s", why)
		}
		last[name] = v
		return b.add(file, l.n, r.point(name, v))
	})
}

// dvcliveLast adds what metrics.json has and no series does, and tells where they differ.
func (s *source) dvcliveLast(b *build, file string, last map[string]float64) error {
	in, err := s.document(file)
	if err != nil {
		return err
	}
	n, _, err := parseJSON(in, s.limits.Depth)
	if err != nil {
		return at(file, err)
	}
	summary := s.build("", file, DVCLive)
	summary.sep, summary.s = "/", s.unbounded()
	if err := summary.object(file, "", &n, row{}, summary.toParams); err != nil {
		return err
	}
	b.run.Warnings = append(b.run.Warnings, summary.run.Warnings...)
	for name, text := range summary.run.Params {
		b.run.Params[name] = text
	}
	for _, p := range summary.run.Points {
		v, has := last[p.Metric]
		if !has {
			err = b.add(file, 0, p)
		} else if v != p.Value && (v == v || p.Value == p.Value) {
			b.warn(file, 0, "%s is %v here and ends with %v in its series, which is taken", short(p.Metric), p.Value, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// unbounded is the source without the caller's names and count: for what is read to compare.
func (s *source) unbounded() *source {
	c := *s
	c.o.Mapping.Only, c.o.Mapping.Rename = nil, nil
	c.left = s.limits.Points
	return &c
}

// dvc reads dvc.yaml: the metrics and parameters that it names; or dvc.lock: the parameters, commands and digests of
// inputs that it holds.
func (s *source) dvc(name string) (Run, error) {
	in, err := s.document(name)
	if err != nil {
		return Run{}, err
	}
	n, err := parseYAML(in, s.limits.Depth)
	if err != nil {
		return Run{}, at(name, err)
	}
	if n.kind != object {
		return Run{}, &Error{File: name, Err: errors.New("is no pipeline of DVC: an object is expected")}
	}
	b := s.build(titled(name), name, DVC)
	if path.Ext(name) == ".lock" {
		b.lock(&n)
		b.empty()
		return b.done(), nil
	}
	p := pipeline{b: b, dir: path.Dir(name), done: map[string]bool{}}
	err = p.stage(&n)
	if stages := n.get("stages"); stages != nil {
		for i := range stages.items {
			err = errors.Join(err, p.stage(&stages.items[i]))
		}
	}
	b.empty()
	return b.done(), err
}

// lock takes what dvc.lock holds of each stage.
func (b *build) lock(n *node) {
	stages := n.get("stages")
	for i := 0; stages != nil && i < len(stages.names); i++ {
		stage, name := &stages.items[i], stages.names[i]
		if cmd := stage.get("cmd"); cmd != nil {
			b.run.Tags["stage."+name+".cmd"] = cmd.text
		}
		if params := stage.get("params"); params != nil {
			for j := range params.names { // file → values
				b.settings("", &params.items[j])
			}
		}
		for _, what := range []string{"deps", "outs"} {
			for _, item := range each(stage.get(what)) {
				for _, digest := range []string{"md5", "etag", "checksum"} {
					if d := item.str(digest); d != "" {
						b.run.Tags[strings.TrimSuffix(what, "s")+"."+item.str("path")] = digest + ":" + d
					}
				}
			}
		}
	}
}

func each(n *node) []node {
	if n == nil {
		return nil
	}
	return n.items
}

// A pipeline is a dvc.yaml whose files are read.
type pipeline struct {
	b    *build
	dir  string
	done map[string]bool
}

// stage reads the files that a stage, or the top of the file, names.
func (p *pipeline) stage(n *node) error {
	var errs []error
	for _, item := range each(n.get("params")) { // "lr", or {"other.yaml": […]}
		for _, file := range item.names {
			p.params(file)
		}
		if item.kind == text && path.Ext(item.text) != "" && p.b.s.exists(path.Join(p.dir, item.text)) {
			p.params(item.text)
		} else if item.kind == text {
			p.params("params.yaml")
		}
	}
	for _, item := range each(n.get("metrics")) { // "m.json", or {"m.json": {cache: false}}
		files := item.names
		if item.kind == text {
			files = []string{item.text}
		}
		for _, file := range files {
			errs = append(errs, p.metrics(path.Join(p.dir, file)))
		}
	}
	return errors.Join(errs...)
}

func (p *pipeline) params(file string) {
	file = path.Join(p.dir, file)
	if !p.done[file] && p.b.s.exists(file) {
		p.done[file] = true
		p.b.s.params(p.b, file)
	}
}

// metrics reads a file that the pipeline names; the folder of DVCLive around it, where it is in one.
func (p *pipeline) metrics(file string) error {
	s := p.b.s
	unit, format := s.unit(file)
	if p.done[unit] {
		return nil
	}
	p.done[unit] = true
	if format == "" {
		var err error
		if format, err = s.detect(unit); err != nil {
			p.b.warn(file, 0, "is named in %s and cannot be read: %v", p.b.run.Source, err)
			return nil
		}
	}
	if format == DVC {
		return nil
	}
	runs, err := s.read(unit, format)
	for _, run := range runs {
		p.b.run.Points = append(p.b.run.Points, run.Points...)
		p.b.run.Notes = append(p.b.run.Notes, run.Notes...)
		p.b.run.Warnings = append(p.b.run.Warnings, run.Warnings...)
		for name, value := range run.Params {
			p.b.run.Params[name] = value
		}
	}
	return err
}
