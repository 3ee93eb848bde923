package usd

import (
	"bytes"
	"context"
	"fmt"

	"varve/format"
)

const (
	maxText  = 1 << 30 // bytes of a layer
	maxPrims = 1 << 20
	maxDepth = 500 // prims within one another, and brackets
)

// prim is a prim, a variant set or a variant, [from, to) of the text, from its first word to its last bracket.
type prim struct {
	word             string // def, over, class; variantSet; "" of a variant and of the layer
	kind             string // type, "" if it has none
	name             string
	id               string // its path
	twice            bool   // another one comes before it with this path
	parent           *prim
	kids             []*prim
	properties       []property
	meta             span // within ( )
	body             span // within { }
	from, to         int
	nameFrom, nameTo int
}

type span struct{ from, to int }

// property is a statement in a prim.
type property struct {
	kind  string // type, with words before it: "uniform token"
	name  string // "points", "points.timeSamples", "inputs:file.connect"
	span         // all of it
	value span   // what follows =
	meta  span   // within ( )
}

// layer is a text that was read.
type layer struct {
	b     []byte
	root  *prim // of the layer: its meta is the layer's
	byID  map[string]*prim
	prims int
}

type parser struct {
	*layer
	ctx   context.Context
	lex   lexer
	t     token // the next one
	prev  token
	depth int
}

// parse reads a layer of text.
func parse(ctx context.Context, b []byte) (*layer, error) {
	if !bytes.HasPrefix(b, []byte("#usda ")) && !bytes.HasPrefix(b, []byte("#sdf ")) {
		return nil, format.Malformed("no #usda in the first line")
	}
	l := &layer{b: b, root: &prim{id: "/"}, byID: map[string]*prim{}}
	p := &parser{layer: l, ctx: ctx, lex: lexer{b: b}}
	if err := p.step(); err != nil {
		return nil, err
	}
	if p.is('(') {
		var err error
		if l.root.meta, err = p.brackets(); err != nil {
			return nil, err
		}
	}
	l.root.body = span{p.t.from, len(b)}
	l.root.to = len(b)
	if err := p.items(l.root, true); err != nil {
		return nil, err
	}
	return l, nil
}

func (p *parser) step() (err error) {
	p.prev = p.t
	p.t, err = p.lex.next()
	return err
}

func (p *parser) is(c byte) bool { return p.t.kind == markToken && p.t.c == c }

func (p *parser) word() string {
	if p.t.kind != wordToken {
		return ""
	}
	return string(p.b[p.t.from:p.t.to])
}

func (p *parser) malformed(want string) error {
	if p.t.kind == endToken {
		return format.Malformed("the text ends, want %s", want)
	}
	return format.Malformed("%.32q at %d, want %s", p.b[p.t.from:p.t.to], p.t.from, want)
}

// brackets passes over what is in a pair of them; the next token is after it.
func (p *parser) brackets() (in span, err error) {
	in.from = p.t.to
	open := p.t
	var stack []byte
	for {
		switch {
		case p.t.kind == endToken:
			return in, format.Malformed("the text ends within the bracket at %d", open.from)
		case p.is('('), p.is('['), p.is('{'):
			if len(stack) == maxDepth {
				return in, format.Malformed("more than %d brackets within one another", maxDepth)
			}
			stack = append(stack, closes(p.t.c))
		case p.is(')'), p.is(']'), p.is('}'):
			if stack[len(stack)-1] != p.t.c {
				return in, p.malformed(fmt.Sprintf("%q", stack[len(stack)-1]))
			}
			stack = stack[:len(stack)-1]
		}
		in.to = p.t.from
		if err := p.step(); err != nil {
			return in, err
		}
		if len(stack) == 0 {
			return in, nil
		}
	}
}

func closes(c byte) byte {
	switch c {
	case '(':
		return ')'
	case '[':
		return ']'
	}
	return '}'
}

// items reads what is in a prim, up to its bracket, or to the end of the layer.
func (p *parser) items(in *prim, top bool) error {
	if p.depth++; p.depth > maxDepth {
		return format.Malformed("more than %d prims within one another", maxDepth)
	}
	defer func() { p.depth-- }()
	for {
		switch {
		case p.t.kind == endToken && top, p.is('}') && !top:
			in.body.to = p.t.from
			return nil
		case p.t.kind == endToken:
			return format.Malformed("the text ends within the prim at %d", in.from)
		case p.is(';'):
			if err := p.step(); err != nil {
				return err
			}
			continue
		}
		if err := p.ctx.Err(); err != nil {
			return err
		}
		var err error
		switch p.word() {
		case "def", "over", "class":
			err = p.prim(in)
		case "variantSet":
			err = p.variantSet(in)
		default:
			err = p.property(in)
		}
		if err != nil {
			return err
		}
	}
}

// name reads a name in quotes.
func (p *parser) name(k *prim) error {
	if p.t.kind != textToken {
		return p.malformed("a name in quotes")
	}
	k.name, k.nameFrom, k.nameTo = string(p.b[p.t.in:p.t.inEnd]), p.t.in, p.t.inEnd
	return p.step()
}

// add puts a prim into the tree.
func (p *parser) add(in, k *prim, id string) error {
	if p.prims++; p.prims > maxPrims {
		return fmt.Errorf("more than %d prims: %w", maxPrims, format.ErrLimit)
	}
	k.parent, k.id = in, id
	in.kids = append(in.kids, k)
	if p.byID[id] != nil {
		k.twice = true
	} else {
		p.byID[id] = k
	}
	return nil
}

// block reads the metadata and the body of a prim.
func (p *parser) block(k *prim) (err error) {
	if p.is('(') {
		if k.meta, err = p.brackets(); err != nil {
			return err
		}
	}
	if !p.is('{') {
		return p.malformed("{")
	}
	k.body.from = p.t.to
	if err := p.step(); err != nil {
		return err
	}
	if err := p.items(k, false); err != nil {
		return err
	}
	k.to = p.t.to
	return p.step()
}

func (p *parser) prim(in *prim) error {
	k := &prim{word: p.word(), from: p.t.from}
	if err := p.step(); err != nil {
		return err
	}
	if k.kind = p.word(); k.kind != "" {
		if err := p.step(); err != nil {
			return err
		}
	}
	if err := p.name(k); err != nil {
		return err
	}
	id := in.id + "/" + k.name
	if in.id == "/" || in.word == "" && in != p.root { // in a variant: /A{set=name}child
		id = in.id + k.name
	}
	if len(id) > 1<<12 {
		return format.Malformed("a path of %d bytes at %d", len(id), k.from)
	}
	if err := p.add(in, k, id); err != nil {
		return err
	}
	return p.block(k)
}

// variantSet reads variantSet "name" = { "variant" (…) { … } … }.
func (p *parser) variantSet(in *prim) error {
	set := &prim{word: p.word(), from: p.t.from}
	if err := p.step(); err != nil {
		return err
	}
	if err := p.name(set); err != nil {
		return err
	}
	if !p.is('=') {
		return p.malformed("=")
	}
	if err := p.step(); err != nil {
		return err
	}
	if !p.is('{') {
		return p.malformed("{")
	}
	set.body.from = p.t.to
	if err := p.add(in, set, in.id+"{"+set.name+"}"); err != nil {
		return err
	}
	if err := p.step(); err != nil {
		return err
	}
	for !p.is('}') {
		v := &prim{from: p.t.from}
		if err := p.name(v); err != nil {
			return err
		}
		if err := p.add(set, v, in.id+"{"+set.name+"="+v.name+"}"); err != nil {
			return err
		}
		if err := p.block(v); err != nil {
			return err
		}
	}
	set.body.to, set.to = p.t.from, p.t.to
	return p.step()
}

// property reads a statement up to the end of its line, with the brackets that begin on it.
func (p *parser) property(in *prim) error {
	q := property{span: span{from: p.t.from}}
	var words [][]byte
	first, valued := true, false
	for {
		last := p.prev.kind == markToken && p.prev.c == '='
		if p.t.kind == endToken || p.t.line && !first && !last || p.is(';') || p.is('}') {
			break
		}
		from := p.t.from
		switch {
		case p.is('='):
			valued = true
			q.value.from = p.t.to
		case p.is('(') && (!valued || !last), p.is('(') && q.value.to > 0:
			in, err := p.brackets()
			if err != nil {
				return err
			}
			q.meta, q.to = in, p.prev.to
			first = false
			continue
		case p.is('('), p.is('['), p.is('{'):
			if _, err := p.brackets(); err != nil {
				return err
			}
			if !valued {
				return format.Malformed("a bracket at %d", from)
			}
			if q.value.to == 0 {
				q.value.from = from
			}
			q.value.to, q.to = p.prev.to, p.prev.to
			first = false
			continue
		case valued:
			if q.value.to == 0 {
				q.value.from = from
			}
			q.value.to = p.t.to
		case p.t.kind == wordToken:
			words = append(words, p.b[p.t.from:p.t.to])
		default:
			return p.malformed("a property")
		}
		q.to = p.t.to
		first = false
		if err := p.step(); err != nil {
			return err
		}
	}
	if len(words) == 0 {
		return p.malformed("a property")
	}
	q.name = string(words[len(words)-1])
	q.kind = string(bytes.Join(words[:len(words)-1], []byte(" ")))
	in.properties = append(in.properties, q)
	return nil
}

// find returns a property by its name, nil if there is none.
func (k *prim) find(name string) *property {
	for i := range k.properties {
		if k.properties[i].name == name {
			return &k.properties[i]
		}
	}
	return nil
}
