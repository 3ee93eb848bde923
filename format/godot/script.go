package godot

import (
	"bytes"
	"context"
	"path"
	"strings"

	"varve/format"
	"varve/format/splice"
)

// Script is the format of scripts that load files: GDScript, and C# and shaders of Godot.
type Script struct{}

// Name is "script".
func (Script) Name() string { return "script" }

// Match goes by the name; C# must speak of Godot at its head.
func (Script) Match(name string, head []byte) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".gd":
		return bytes.IndexByte(head, 0) < 0
	case ".gdshader", ".gdshaderinc":
		return true
	case ".cs":
		return bytes.Contains(head, []byte("Godot"))
	}
	return false
}

const maxScript = 16 << 20 // bytes

// References lists the literal paths that a script loads: preload("…"), load("…"), extends "…", GD.Load<T>("…"),
// #include "…"; and of GDScript the classes of the project that it names. What a script puts together while it runs is
// not known.
func (Script) References(ctx context.Context, in format.Input) ([]format.Reference, error) {
	b, err := format.ReadSpan(in, 0, in.Size(), maxScript)
	if err != nil {
		return nil, err
	}
	var out []format.Reference
	l := &lexer{b: b, sharp: sharp(b)}
	var last [4]lexeme
	classes := map[string]bool{}
	take := func(w lexeme, call string) {
		r, ok := refer(b, span{w.off, w.end}, call == "preload" || call == "extends" || call == "include")
		if !ok || r.Style == format.Absolute {
			return
		}
		r.Kind = kindOf("", r.Path)
		if r.Style == format.Named && call == "extends" {
			r.Kind = "script"
		}
		out = append(out, r)
	}
	for n := 0; ; n++ {
		if n&0xffff == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		w, ok := l.next()
		if !ok {
			break
		}
		// last[3] is the newest: name ( "…" ) or name ( "…" ,
		if (w.kind == ')' || w.kind == ',') && last[3].kind == '"' && last[2].kind == '(' {
			if call := l.called(last[1]); loads(call) {
				take(last[3], call)
			}
		}
		if w.kind == '"' {
			switch call := l.called(last[3]); {
			case call == "extends" && !l.sharp, call == "include" && last[2].kind == '#':
				take(w, call)
			}
		}
		if word := l.called(w); !l.sharp && class(word) && !classes[word] && last[3].kind != '.' && l.called(last[3]) != "class_name" {
			classes[word] = true
			out = append(out, format.Reference{Kind: "class", Raw: word, Path: inClass + word, Style: format.Named, Root: root, Optional: true, Remade: true, Off: int64(w.off), Len: int64(w.end - w.off)})
		}
		if len(out) > format.MaxReferences {
			return nil, format.ErrLimit
		}
		last = [4]lexeme{last[1], last[2], last[3], w}
	}
	return out, nil
}

const inClass = "class:" // before the names of classes, in ids

// class reports whether a word may be the name of a class: of the project, or else one that Godot has, which is not missed.
func class(word string) bool {
	return word != "" && word[0] >= 'A' && word[0] <= 'Z' && strings.ToUpper(word) != word
}

// Names gives the class that a script defines for all others.
func (Script) Names(ctx context.Context, in format.Input) ([]format.Name, error) {
	b, err := format.ReadSpan(in, 0, in.Size(), maxScript)
	if err != nil {
		return nil, err
	}
	l := &lexer{b: b, sharp: sharp(b)}
	var last lexeme
	for {
		w, ok := l.next()
		if !ok || ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if l.called(last) == "class_name" && w.kind == 'w' && !l.sharp {
			return []format.Name{{ID: inClass + l.called(w)}}, nil
		}
		last = w
	}
}

// loads: what is called with the path of a file that must be there.
func loads(call string) bool {
	switch call {
	case "preload", "load", "Load", "icon", "change_scene", "change_scene_to_file", "ChangeSceneToFile", "load_threaded_request", "LoadThreadedRequest":
		return true
	}
	return false
}

// sharp tells C# from GDScript, by its first words: the lexer must know what begins a comment.
func sharp(b []byte) bool {
	l := &lexer{b: b, sharp: true}
	for range 64 {
		w, ok := l.next()
		if !ok {
			return false
		}
		switch string(b[w.off:w.end]) {
		case "using", "namespace", "shader_type":
			return true
		case "extends", "func", "class_name", "var", "tool":
			return false
		}
	}
	return false
}

// lexeme is a word, a plain string (without its quotes) or a sign.
type lexeme struct {
	span
	kind byte // 'w', '"', or the sign; '$' is a string that is no plain one
}

// lexer knows the strings and comments of GDScript, and of C# and shaders if sharp.
type lexer struct {
	b     []byte
	at    int
	sharp bool
}

func (l *lexer) called(w lexeme) string {
	if w.kind != 'w' {
		return ""
	}
	return string(l.b[w.off:w.end])
}

func (l *lexer) next() (lexeme, bool) {
	for l.at < len(l.b) {
		c := l.b[l.at]
		rest := l.b[l.at:]
		switch {
		case c <= ' ':
			l.at++
		case !l.sharp && c == '#', l.sharp && bytes.HasPrefix(rest, []byte("//")):
			l.skip("\n")
		case l.sharp && bytes.HasPrefix(rest, []byte("/*")):
			l.at += 2
			l.skip("*/")
		case l.sharp && c == '<': // Load<T>( is Load(
			if n := bytes.IndexAny(rest, ">(\n"); n > 0 && rest[n] == '>' && n+1 < len(rest) && rest[n+1] == '(' {
				l.at += n + 1
				continue
			}
			l.at++
			return lexeme{span{l.at - 1, l.at}, c}, true
		case c == '"' || c == '\'':
			return l.quoted(c), true
		case word(c) && c != '-' && c != '+' && c != '.':
			start := l.at
			for l.at < len(l.b) && word(l.b[l.at]) && l.b[l.at] != '.' && l.b[l.at] != '-' && l.b[l.at] != '+' {
				l.at++
			}
			return lexeme{span{start, l.at}, 'w'}, true
		default:
			l.at++
			return lexeme{span{l.at - 1, l.at}, c}, true
		}
	}
	return lexeme{}, false
}

func (l *lexer) skip(to string) {
	if n := bytes.Index(l.b[l.at:], []byte(to)); n >= 0 {
		l.at += n + len(to)
	} else {
		l.at = len(l.b)
	}
}

// quoted passes over a string. One that goes over lines, or is put together, is no plain one.
func (l *lexer) quoted(q byte) lexeme {
	start, kind := l.at, byte('"')
	long := strings.Repeat(string(q), 3)
	verbatim := l.sharp && start > 0 && (l.b[start-1] == '@' || l.b[start-1] == '$')
	if bytes.HasPrefix(l.b[start:], []byte(long)) && (q == '"' || !l.sharp) {
		l.at += 3
		l.skip(long)
		return lexeme{span{start, l.at}, '$'}
	}
	if verbatim || q == '\'' && l.sharp || start > 0 && !l.sharp && (l.b[start-1] == '&' || l.b[start-1] == '^') {
		kind = '$'
	}
	for l.at++; l.at < len(l.b); l.at++ {
		switch c := l.b[l.at]; {
		case c == '\\' && !(verbatim && l.b[start-1] == '@'):
			l.at++
		case c == '\n' && !verbatim:
			return lexeme{span{start, l.at}, '$'}
		case c == q:
			l.at++
			return lexeme{span{start + 1, l.at - 1}, kind}
		}
	}
	l.at = len(l.b)
	return lexeme{span{start, l.at}, '$'}
}

// Rewrite makes a script load others.
func (f Script) Rewrite(ctx context.Context, in format.Input, paths map[string]string) (*format.Output, error) {
	refs, err := f.References(ctx, in)
	if err != nil {
		return nil, err
	}
	return splice.Rewrite(in, refs, paths, fits)
}
