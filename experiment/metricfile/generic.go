package metricfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"go.yaml.in/yaml/v3"
)

// json reads a JSON document, of the program that its content tells, or that format names.
func (s *source) json(name, format string) ([]Run, error) {
	in, err := s.document(name)
	if err != nil {
		return nil, err
	}
	n, rest, err := parseJSON(in, s.limits.Depth)
	if format == JSON && n.kind != null && len(bytes.TrimSpace(rest)) > 0 || err != nil && s.o.Format == "" && twoLines(in) {
		return some(s.jsonl(name)) // some programs name JSON lines .json
	}
	if err == nil && len(bytes.TrimSpace(rest)) > 0 {
		err = errors.New("something follows the end of the document")
	}
	if err != nil {
		return nil, at(name, err)
	}
	if format == JSON && s.o.Format == "" {
		format = jsonOf(name, &n)
	}
	return some(s.jsonDocument(name, format, &n))
}

// twoLines reports whether the first line of a text is a JSON value of its own, and another follows.
func twoLines(in []byte) bool {
	first, rest, more := bytes.Cut(bytes.TrimSpace(in), []byte("\n"))
	_, after, err := parseJSON(first, 64)
	return more && err == nil && len(bytes.TrimSpace(after)) == 0 && bytes.HasPrefix(bytes.TrimSpace(rest), []byte("{"))
}

// jsonOf tells whose a JSON document is.
func jsonOf(name string, n *node) string {
	results := n.get("results")
	switch {
	case n.has("log_history"):
		return TrainerState
	case results != nil && results.kind == list && len(results.items) > 0 && results.items[0].has("command", "mean"):
		return Hyperfine
	case n.has("benchmarks", "machine_info"):
		return PytestBenchmark
	case results != nil && results.kind == object && n.has("versions", "config"):
		return LMEval
	case isEstimates(name) || n.has("mean", "median", "std_dev") && n.get("mean").has("point_estimate"):
		return Criterion
	case path.Base(name) == "wandb-summary.json":
		return WandB
	}
	return JSON
}

func (s *source) jsonDocument(name, format string, n *node) (Run, error) {
	switch format {
	case TrainerState:
		return s.trainerState(name, n)
	case Hyperfine:
		return s.hyperfine(name, n)
	case PytestBenchmark:
		return s.pytest(name, n)
	case LMEval:
		return s.lmeval(name, n)
	case Criterion:
		b := s.build(criterionID(name), name, Criterion)
		err := s.estimates(b, name, n)
		return b.done(), err
	case WandB:
		return s.wandb(name, n)
	}
	return s.generic(name, JSON, n)
}

// generic reads a document of no known program.
func (s *source) generic(name, format string, n *node) (Run, error) {
	b := s.build(titled(name), name, format)
	var err error
	switch n.kind {
	case object:
		err = b.object(name, "", n, row{}, b.toParams)
	case list:
		err = b.list(name, "", n, row{}, nil)
		if len(n.items) > 0 && n.items[0].kind != object {
			b.note("the document is a list: metrics are named by position")
		}
	default:
		err = &Error{File: name, Line: int(n.line), Err: errors.New("the document is neither an object nor a list")}
	}
	b.empty()
	return b.done(), err
}

// jsonl reads an object on each line: {"metric": "auroc", "value": 0.9, "step": 3, "seed": 1}, or {"auroc": 0.9, "step": 3}.
// Fields that are no role and no number are keys. A line that is none is told and left out: a program that was killed
// leaves half a line.
func (s *source) jsonl(name string) (Run, error) {
	b := s.build(titled(name), name, JSONL)
	p := parser{most: s.limits.Depth, names: map[string]string{}, lines: true}
	err := s.lines(name, func(l line) error {
		if l.long {
			b.warn(name, l.n, "longer than %d bytes: left out", s.limits.Line)
			return nil
		}
		if len(bytes.TrimSpace(l.text)) == 0 {
			return nil
		}
		p.in, p.at, p.line, p.nodes, p.depth = l.text, 0, l.n, 0, 0
		n, err := p.first()
		if p.space(); err == nil && p.at < len(p.in) {
			err = p.unexpected("the end of the line")
		}
		if err == nil && n.kind != object {
			err = errors.New("no object")
		}
		if err != nil {
			if l.cut {
				err = fmt.Errorf("%w (the last line has no end: the writer was stopped)", err)
			}
			b.warn(name, l.n, "left out: %v", err)
			return nil
		}
		return b.object(name, "", &n, row{}, nil)
	})
	b.empty()
	return b.done(), err
}

// yaml reads a YAML document; several in one file are a list.
func (s *source) yaml(name string) (Run, error) {
	in, err := s.document(name)
	if err != nil {
		return Run{}, err
	}
	n, err := parseYAML(in, s.limits.Depth)
	if err != nil {
		return Run{}, at(name, err)
	}
	return s.generic(name, YAML, &n)
}

// maxYAML bounds a YAML document: its reader takes some hundred times its size.
const maxYAML = 8 << 20

// parseYAML reads the documents of a YAML file. Tags are not obeyed.
func parseYAML(in []byte, most int) (n node, err error) {
	if len(in) > maxYAML {
		return n, over("bytes of YAML", int64(len(in)), maxYAML)
	}
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("no YAML: %v", r)
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(in))
	all := node{kind: list, line: 1}
	c := yamlCopy{most: most}
	for {
		var doc yaml.Node
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return node{}, yamlError(err)
		}
		n, err := c.node(&doc, 0)
		if err != nil {
			return node{}, err
		}
		all.items = append(all.items, n)
	}
	if len(all.items) == 1 {
		return all.items[0], nil
	}
	return all, nil
}

// yamlError takes the line out of the library's message.
func yamlError(err error) error {
	msg := strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(msg, "line "); ok {
		if n, why, ok := strings.Cut(rest, ": "); ok {
			if at, err := strconv.Atoi(n); err == nil {
				return &Error{Line: at, Err: errors.New(why)}
			}
		}
	}
	return errors.New(msg)
}

// yamlCopy makes nodes of ours. Aliases are followed, and what they multiply is counted.
type yamlCopy struct {
	most  int
	nodes int
}

func (c *yamlCopy) node(y *yaml.Node, depth int) (node, error) {
	n := node{line: int32(y.Line)}
	if c.nodes++; c.nodes > maxNodes/8 {
		return n, &Error{Line: y.Line, Err: over("values", int64(c.nodes), maxNodes/8)}
	}
	if depth > c.most {
		return n, &Error{Line: y.Line, Err: over("depth", int64(depth), int64(c.most))}
	}
	switch y.Kind {
	case yaml.DocumentNode:
		if len(y.Content) == 1 {
			return c.node(y.Content[0], depth)
		}
	case yaml.AliasNode:
		return c.node(y.Alias, depth+1)
	case yaml.ScalarNode:
		n.kind, n.text = yamlScalar(y)
	case yaml.SequenceNode:
		n.kind = list
		for _, item := range y.Content {
			m, err := c.node(item, depth+1)
			if err != nil {
				return n, err
			}
			n.items = append(n.items, m)
		}
	case yaml.MappingNode:
		n.kind = object
		for i := 0; i+1 < len(y.Content); i += 2 {
			m, err := c.node(y.Content[i+1], depth+1)
			if err != nil {
				return n, err
			}
			n.names = append(n.names, y.Content[i].Value)
			n.items = append(n.items, m)
		}
	}
	return n, nil
}

func yamlScalar(y *yaml.Node) (kind, string) {
	switch y.ShortTag() {
	case "!!null":
		return null, ""
	case "!!bool":
		return boolean, strings.ToLower(y.Value)
	case "!!int", "!!float":
		plain := strings.ReplaceAll(y.Value, "_", "")
		if _, _, ok := number(plain); ok {
			return numeral, plain
		}
		var v int64 // 0x10, 0o7, 0b1
		if y.Decode(&v) == nil {
			return numeral, strconv.FormatInt(v, 10)
		}
	case "!!str":
		// PyYAML writes 1e-05, and YAML 1.1 reads that as a text
		if y.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 && numeric(y.Value) && jsonNumber(y.Value) {
			return numeral, y.Value
		}
	}
	return text, y.Value
}

// toml reads a TOML document.
func (s *source) toml(name string) (Run, error) {
	in, err := s.document(name)
	if err != nil {
		return Run{}, err
	}
	n, err := parseTOML(in, s.limits.Depth)
	if err != nil {
		return Run{}, at(name, err)
	}
	return s.generic(name, TOML, &n)
}

const maxTOML = 8 << 20

func parseTOML(in []byte, most int) (node, error) {
	if len(in) > maxTOML {
		return node{}, over("bytes of TOML", int64(len(in)), maxTOML)
	}
	open := 0 // the library goes as deep as the text says, so it is looked at first
	for _, c := range in {
		switch c {
		case '[', '{':
			if open++; open > 1000 {
				return node{}, over("brackets that are open", int64(open), 1000)
			}
		case ']', '}':
			open = max(0, open-1)
		}
	}
	var doc map[string]any
	if _, err := toml.Decode(string(in), &doc); err != nil {
		var p toml.ParseError
		if errors.As(err, &p) {
			return node{}, &Error{Line: p.Position.Line, Err: errors.New(p.Message)}
		}
		return node{}, err
	}
	return tomlNode(doc, most)
}

// tomlNode makes a node of ours; the library does not keep the order, so names are sorted.
func tomlNode(v any, most int) (n node, err error) {
	if most < 0 {
		return n, over("depth", 1, 0)
	}
	add := func(v any) {
		var item node
		if err == nil {
			item, err = tomlNode(v, most-1)
			n.items = append(n.items, item)
		}
	}
	switch v := v.(type) {
	case map[string]any:
		n.kind = object
		n.names = slices.Sorted(maps.Keys(v))
		for _, name := range n.names {
			add(v[name])
		}
	case []any:
		n.kind = list
		for _, item := range v {
			add(item)
		}
	case []map[string]any:
		n.kind = list
		for _, item := range v {
			add(item)
		}
	case int64:
		n.kind, n.text = numeral, strconv.FormatInt(v, 10)
	case float64:
		n.kind, n.text = numeral, strconv.FormatFloat(v, 'g', -1, 64)
	case bool:
		n.kind, n.text = boolean, strconv.FormatBool(v)
	case time.Time:
		n.kind, n.text = text, v.Format(time.RFC3339Nano)
	default:
		n.kind, n.text = text, fmt.Sprint(v)
	}
	return n, err
}
