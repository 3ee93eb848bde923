package main

import (
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"
)

// A document is a text file and what happened to it.
type document struct {
	id     int
	path   string
	kind   string
	size   int
	edits  []string
	corpus string
}

func (d document) entry() entry {
	d.edits = slices.Clone(d.edits)
	return entry{d.path, history(d.kind, d.id, d.edits), bytesOf(d.bytes)}
}

func (d document) bytes() []byte {
	text := compose(seeded(d.corpus, d.id), d.kind, d.size)
	for _, edit := range d.edits {
		if old, fresh, ok := strings.Cut(edit, "→"); ok {
			text = bytes.ReplaceAll(text, []byte(old), []byte(fresh))
		} else {
			text = revise(seeded(d.corpus, d.id, edit), d.kind, text)
		}
	}
	return text
}

// newDocument places a document of about mean bytes: many are short, few are long.
func newDocument(corpus string, id, perFolder, mean int, kinds ...string) document {
	r := seeded(corpus, "place", id)
	kind := kinds[r.below(len(kinds))]
	folder := seeded(corpus, "folder", id/perFolder)
	name := fmt.Sprintf("%s/%s-%d/%s-%d.%s", word(folder.below(60)), word(folder.below(vocabulary)), id/perFolder, word(r.below(vocabulary)), id, kind)
	return document{id: id, path: name, kind: kind, size: 100 + 4*r.low(mean), corpus: corpus}
}

func entriesOf(docs []document) []entry {
	var out []entry
	for _, d := range docs {
		out = append(out, d.entry())
	}
	return out
}

// smallVersions: 20,000 small files in folders of 25. Each version 3 % of them change: half are edited in one
// place, a third as many are new, a sixth is renamed.
func smallVersions(scale float64) [][]entry {
	const corpus = "small"
	n := scaled(20000, scale, 50)
	var docs []document
	add := func(count int) {
		for range count {
			docs = append(docs, newDocument(corpus, len(docs), 25, 4000, "js", "json", "md"))
		}
	}
	add(n)
	out := [][]entry{entriesOf(docs)}
	for v := 2; v <= 3; v++ {
		r := seeded(corpus, "version", v)
		for range max(1, n*15/1000) {
			d := &docs[r.below(n)]
			d.edits = append(d.edits, fmt.Sprintf("v%d", v))
		}
		for range max(1, n*5/1000) {
			d := &docs[r.below(n)]
			d.path = path.Join(path.Dir(d.path), fmt.Sprintf("%s-%d-v%d.%s", word(r.below(vocabulary)), d.id, v, d.kind))
		}
		add(max(1, n/100))
		out = append(out, entriesOf(docs))
	}
	return out
}

// textVersions: 4,000 source files. v2: 5 % edited in one place. v3: a word that many files use gets another name in
// all of them, and 2 % are new.
func textVersions(scale float64) [][]entry {
	const corpus = "text"
	n := scaled(4000, scale, 40)
	var docs []document
	for id := range n {
		docs = append(docs, newDocument(corpus, id, 15, 16000, "go"))
	}
	out := [][]entry{entriesOf(docs)}
	r := seeded(corpus, "version", 2)
	for range max(1, n/20) {
		d := &docs[r.below(n)]
		d.edits = append(d.edits, "v2")
	}
	out = append(out, entriesOf(docs))
	old := word(150)
	for i := range docs {
		if bytes.Contains(docs[i].bytes(), []byte(old)) {
			docs[i].edits = append(docs[i].edits, old+"→"+old+"Next")
		}
	}
	for range max(1, n/50) {
		docs = append(docs, newDocument(corpus, len(docs), 15, 16000, "go"))
	}
	return append(out, entriesOf(docs))
}
