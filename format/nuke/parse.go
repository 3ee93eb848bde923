package nuke

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"varve/format"
)

// node is a node and its knobs.
type node struct {
	class  string
	name   string
	parent int // the group that it is in; -1 of none
	knobs  []knob
	inputs []int // nodes; -1 is none
	bytes  int
}

// knob is a line of a node.
type knob struct {
	name     string
	value    word
	from, to int // of the line
}

// reader plays a script.
type reader struct {
	*script
	ctx   context.Context
	stack []int
	names map[string]int // by set
	clone map[string]int // by the id of a clone
	open  []frame        // groups
	steps int
}

// frame is a group that is open, and the stack around it.
type frame struct {
	node  int
	stack []int
}

const maxStack = 1 << 16

func parse(ctx context.Context, b []byte) (*script, error) {
	r := &reader{script: &script{b: b}, ctx: ctx, names: map[string]int{}, clone: map[string]int{}}
	w := &words{b: b, end: len(b)}
	for w.line() {
		if r.steps++; r.steps&0xff == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := r.command(w); err != nil {
			return nil, err
		}
	}
	return r.script, nil
}

// command reads one of the outer commands.
func (r *reader) command(w *words) error {
	var list [6]word
	n, from := 0, w.at
	for {
		v, ok, err := w.word()
		if err != nil {
			return err
		}
		if !ok {
			break
		}
		if n < len(list) {
			list[n] = v
			n++
		}
	}
	first := r.raw(list[0])
	switch {
	case first == "push" && n == 2:
		at, name := -1, r.raw(list[1])
		if i, ok := r.names[strings.TrimPrefix(name, "$")]; ok && strings.HasPrefix(name, "$") {
			at = i
		}
		return r.push(at)
	case first == "set" && n == 3:
		if len(r.names) < maxStack {
			r.names[r.raw(list[1])] = r.top(r.raw(list[2]))
		}
	case first == "end_group":
		r.end()
	case first == "clone" && n == 4 && list[3].mark == '{': // clone id|Class|… Class { }
		i, err := r.node(r.raw(list[2]), list[3], from)
		if err == nil {
			id, _, _ := strings.Cut(r.raw(list[1]), "|")
			r.clone[id] = i
		}
		return err
	case first == "clone" && n == 3 && list[2].mark == '{': // clone $id { }
		class, id := "Clone", strings.TrimPrefix(r.raw(list[1]), "$")
		i, ok := r.clone[id]
		if !ok {
			i, ok = r.names[id]
		}
		if ok && i >= 0 {
			class = r.nodes[i].class
		}
		_, err := r.node(class, list[2], from)
		return err
	case n == 2 && list[1].mark == '{' && list[0].mark == 0 && class(first):
		_, err := r.node(first, list[1], from)
		return err
	}
	return nil
}

// class reports whether a word may be a class of nodes: Merge2, OFXuk.co.thefoundry…
func class(s string) bool {
	switch s {
	case "add_layer", "define_window_layout_xml", "set", "push", "version", "":
		return false
	}
	return s[0]|0x20 >= 'a' && s[0]|0x20 <= 'z' || s[0] == '_'
}

func (r *reader) push(i int) error {
	if len(r.stack) == maxStack {
		return fmt.Errorf("more than %d nodes on the stack: %w", maxStack, format.ErrLimit)
	}
	r.stack = append(r.stack, i)
	return nil
}

// top is [stack 0].
func (r *reader) top(what string) int {
	n, err := strconv.Atoi(strings.Trim(strings.TrimPrefix(what, "[stack"), " ]"))
	if err != nil || n < 0 || n >= len(r.stack) {
		return -1
	}
	return r.stack[len(r.stack)-1-n]
}

// node takes a node with its knobs, and plays what it does to the stack.
func (r *reader) node(class string, block word, from int) (int, error) {
	if len(r.nodes) == format.MaxElements {
		return 0, fmt.Errorf("more than %d nodes: %w", format.MaxElements, format.ErrLimit)
	}
	n := node{class: class, parent: -1, bytes: block.to - from}
	if len(r.open) > 0 {
		n.parent = r.open[len(r.open)-1].node
	}
	takes := 1
	w := &words{b: r.b, at: block.in, end: block.inEnd}
	for w.line() {
		k := knob{from: w.at}
		name, ok, err := w.word()
		if err != nil {
			return 0, err
		}
		k.name = r.raw(name)
		if ok {
			if k.value, ok, err = w.word(); err != nil {
				return 0, err
			}
		}
		for more := ok; more; {
			if _, more, err = w.word(); err != nil {
				return 0, err
			}
		}
		k.to = w.at
		n.knobs = append(n.knobs, k)
		switch k.name {
		case "inputs":
			takes = count(r.raw(k.value))
		case "name":
			n.name = r.means(k.value)
		case "project_directory":
			if class == "Root" {
				r.project = r.means(k.value)
			}
		}
	}
	return r.play(n, takes)
}

// count reads 2, or 1+1 where inputs for masks are told apart.
func count(s string) int {
	sum := 0
	for part := range strings.SplitSeq(s, "+") {
		if n, err := strconv.Atoi(part); err == nil && n >= 0 && n < maxStack {
			sum += n
		}
	}
	return sum
}

func (r *reader) play(n node, takes int) (int, error) {
	i := len(r.nodes)
	if n.class == "Root" {
		r.nodes = append(r.nodes, n)
		return i, nil
	}
	for range min(takes, len(r.stack)) {
		n.inputs = append(n.inputs, r.stack[len(r.stack)-1])
		r.stack = r.stack[:len(r.stack)-1]
	}
	r.nodes = append(r.nodes, n)
	switch n.class {
	case "Group", "Gizmo", "LiveGroup":
		if len(r.open) == maxDepth {
			return 0, format.Malformed("more than %d groups within one another", maxDepth)
		}
		r.open = append(r.open, frame{i, r.stack})
		r.stack = nil
		return i, nil
	}
	return i, r.push(i)
}

func (r *reader) end() {
	if n := len(r.open) - 1; n >= 0 {
		r.stack = append(r.open[n].stack, r.open[n].node)
		r.open = r.open[:n]
	}
}
