package varve_test

import (
	"fmt"
	"strings"
	"testing"

	"varve/internal/digest"
	"varve/internal/disk"
	"varve/internal/tree"
)

// pathAttacks are names that would lead out of the target, and trees that are none.
func pathAttacks() (all []attack) {
	add := func(name string, want expect, make func(*maker)) {
		all = append(all, attack{name: name, want: want, make: make})
	}
	kinds := []struct {
		name string
		row  func(m *maker, name string) row
	}{
		{"file", func(m *maker, name string) row { return file(name, "x") }},
		{"dir", func(m *maker, name string) row { return m.folder(name, file("evil", "x")) }},
		{"link", func(m *maker, name string) row { return link(name, "../../outside") }},
	}
	for _, n := range []struct{ what, name string }{
		{"parent", ".."}, {"itself", "."}, {"empty", ""}, {"slash", "a/b"}, {"absolute", "/tmp/evil"}, {"parent and more", "../evil"},
		{"up from below", "a/../../evil"}, {"NUL", "a\x00b"}, {"NUL after parent", "..\x00"}, {"766 bytes", longName(766)}, {"70000 bytes", longName(70_000)},
	} {
		for _, k := range kinds {
			add(n.what+" as a "+k.name, refused, func(m *maker) { m.tree(k.row(m, n.name)) })
		}
		if len(n.name) < 100 {
			add(n.what+" below a dir", refused, func(m *maker) { m.tree(file("a", "x"), m.folder("d", file(n.name, "x"))) })
		}
	}
	for _, name := range []string{"..", "a/b"} {
		add(fmt.Sprintf("first name %q of a page", name), refused, func(m *maker) {
			one, s1 := m.dir(file(name, "x"))
			two, s2 := m.dir(file("z", "x"))
			m.snapshot(m.page(upper(1, child{name, one, s1}, child{"z", two, s2})), plus(s1, s2))
		})
	}
	all = append(all, orderAttacks()...)
	all = append(all, shapeAttacks()...)
	all = append(all, nameAttacks()...)
	return append(all, foldAttacks()...)
}

// orderAttacks are directories whose names are not in order.
func orderAttacks() (all []attack) {
	add := func(name string, make func(*maker)) { all = append(all, attack{name: name, want: refused, make: make}) }
	add("one name twice", func(m *maker) { m.tree(file("a", "1"), file("a", "2")) })
	add("one name of a link and a dir", func(m *maker) { m.tree(link("a", "../../outside"), m.folder("a", file("run", "evil"))) })
	add("one name of a dir and a link", func(m *maker) { m.tree(m.folder("a", file("run", "evil")), link("a", "../../outside")) })
	add("names that descend", func(m *maker) { m.tree(file("b", "1"), file("a", "2")) })
	two := func(m *maker, a, b []row, first string) {
		one, s1 := m.dir(a...)
		other, s2 := m.dir(b...)
		m.snapshot(m.page(upper(1, child{a[0].name, one, s1}, child{first, other, s2})), plus(s1, s2))
	}
	add("one name in two pages", func(m *maker) { two(m, []row{file("a", "1"), file("b", "1")}, []row{file("b", "2")}, "b") })
	add("a link and a dir of one name in two pages", func(m *maker) {
		two(m, []row{link("b", "../../outside")}, []row{m.folder("b", file("run", "evil"))}, "b")
	})
	add("pages that overlap", func(m *maker) { two(m, []row{file("a", "1"), file("m", "1")}, []row{file("c", "2")}, "c") })
	add("pages that descend", func(m *maker) { two(m, []row{file("m", "1")}, []row{file("a", "2")}, "a") })
	add("a page that begins elsewhere than said", func(m *maker) { two(m, []row{file("a", "1")}, []row{file("c", "2")}, "b") })
	add("a page twice", func(m *maker) {
		one, s := m.dir(file("a", "1"))
		m.snapshot(m.page(upper(1, child{"a", one, s}, child{"b", one, s})), plus(s, s))
	})
	return all
}

// shapeAttacks are pages that break a rule of the format.
func shapeAttacks() (all []attack) {
	add := func(name string, want expect, make func(*maker)) {
		all = append(all, attack{name: name, want: want, make: make})
	}
	for name, page := range map[string][]byte{
		"empty page": {}, "magic": {0xa6, 1, 0, 0}, "version": {0xa7, 2, 0, 0}, "kind": {0xa7, 1, 2, 0}, "level 13": {0xa7, 1, 0, 13}, "half a head": {0xa7, 1},
		"no row above": {0xa7, 1, 0, 1}, "half a row": rows(file("a", "x"))[:8], "trailing": append(rows(file("a", "x")), 0),
		"type 7": rows(row{typ: 7, name: "a"}), "no target": rows(link("a", "")), "target with NUL": rows(link("a", "x\x00y")),
		"target of 64 KiB and one": rows(link("a", strings.Repeat("t", 64<<10+1))), "mode with more than bits": rows(file("a", "x").chmod(0o10000)),
		"a million attributes": rows(file("a", "x").with(16, 0x80, 0x80, 0x40)), "unknown extras": rows(file("a", "x").with(32, 1)),
		"attribute with NUL": rows(file("a", "x").attrs("user.a\x00b", "v")), "attribute without a name": rows(file("a", "x").attrs("", "v")),
		"directory without a digest": rows(sub("a", digest.Digest{}, tree.Summary{})),
		"name longer than the page":  {0xa7, 1, 0, 0, 0x18, 0xff, 0xff, 0xff, 0xff, 0x0f, 'a'},
		"name of 2^64 bytes":         {0xa7, 1, 0, 0, 0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 'a'},
	} {
		add("page: "+name, refused, func(m *maker) { m.snapshot(m.page(page), tree.Summary{}) })
	}
	add("a page above itself by name only", refused, func(m *maker) {
		// No page can name itself: its digest follows from it. One that names a page that is not there is the most there is.
		m.snapshot(m.page(upper(1, child{"a", digest.Digest{1}, tree.Summary{Files: 1}}, child{"b", digest.Digest{2}, tree.Summary{Files: 1}})), tree.Summary{Files: 2})
	})
	add("depth of 513 that says so", refused, func(m *maker) { m.snapshot(nested(m, 513, true)) })
	add("depth of 2000 that says 0", refused, func(m *maker) { m.snapshot(nested(m, 2000, false)) })
	add("depth of 512", harmless, func(m *maker) { m.snapshot(nested(m, 512, true)) })
	add("paths of 40000 bytes", harmless, func(m *maker) {
		r := file("leaf", "x")
		for range 160 {
			r = m.folder(longName(250), r)
		}
		m.tree(r)
	})
	add("a summary that lies of bytes", refused, func(m *maker) {
		d, s := m.dir(file("a", "x"))
		s.Bytes = 1 << 50
		m.tree(sub("d", d, s))
	})
	add("a summary that lies of files", refused, func(m *maker) {
		d, s := m.dir(file("a", "x"), file("b", "x"))
		s.Files = 1
		m.tree(sub("d", d, s))
	})
	add("a manifest that lies of its tree", harmless, func(m *maker) {
		d, _ := m.dir(file("a", "x"))
		m.snapshot(d, tree.Summary{Files: 1 << 60, Bytes: 1 << 62, Depth: 1 << 40})
	})
	return all
}

// nested is a folder of so many, one in the other.
func nested(m *maker, n int, honest bool) (digest.Digest, tree.Summary) {
	d, s := m.dir(file("f", "x"))
	for range n {
		r := sub("d", d, s)
		d = m.page(rows(r))
		if honest {
			s = r.sum
		}
	}
	return d, s
}

// nameAttacks are names that the format has and that mean something to a system, a terminal or varve itself.
func nameAttacks() (all []attack) {
	windows := []disk.MemoryOptions{{WindowsNames: true, FoldCase: true}}
	for what, name := range map[string]string{
		"backslash": `a\b`, "parent by backslash": `..\evil`, "drive": "C:", "drive and path": `C:\evil`, "UNC": `\\host\share`, "stream": "file:stream",
		"device": "NUL", "device with an extension": "com1.txt", "device with a digit above": "COM¹", "console": "CONIN$", "final dot": "name.", "final blank": "name ",
		"wildcards": "*?<>|\"", "tab and bell": "a\tb\a", "escape sequence": "\x1b]0;owned\x07\x1b[2J", "right to left": "exe.\u202egpj", "no UTF-8": "\xff\xfe", "line break": "a\nb",
		"option": "-rf", "home": "~", "255 bytes": longName(255), "256 bytes": longName(256), "765 bytes": longName(765), "git": ".git", "own folder": ".varve",
	} {
		all = append(all, attack{name: "name: " + what, targets: windows, make: func(m *maker) {
			m.tree(ordered(file(name, "evil"), m.folder(name+"x", file("in", "evil")))...)
		}})
	}
	return append(all,
		attack{name: "own folder as a dir", make: func(m *maker) {
			m.tree(m.folder(".varve", file("hook", "evil"), file("project.toml", "id = \"00000000000000000000000000000000\"\n")))
		}},
		attack{name: "own folder as a link", make: func(m *maker) { m.tree(link(".varve", "../outside")) }},
		attack{name: "a staging folder with its marker", make: func(m *maker) {
			m.tree(m.folder(".varve-restore-0123456789abcdef", link("dir", "../../outside"), file("marker", "varve restore 1\n")))
		}},
		attack{name: "a staging folder in the own folder", make: func(m *maker) {
			m.tree(m.folder(".varve", m.folder("restore-0123456789abcdef", link("dir", "../../../outside"), file("marker", "varve restore 1\n"))))
		}},
		attack{name: "a staging folder that is a link", make: func(m *maker) { m.tree(link(".varve-restore-0123456789abcdef", "../outside")) }},
		attack{name: "an ignore file", make: func(m *maker) { m.tree(file(".varveignore", "*\n!../outside\n/**\n[\n")) }},
		attack{name: "the probe's names", make: func(m *maker) { m.tree(file("VARVEPROBE", "x"), file("varveProbe", "x")) }},
	)
}

func ordered(all ...row) []row {
	if len(all) == 2 && all[1].name < all[0].name {
		all[0], all[1] = all[1], all[0]
	}
	return all
}

// foldAttacks are names that are one for some file systems.
func foldAttacks() (all []attack) {
	folds := []disk.MemoryOptions{{FoldCase: true}, {Normalize: true}, {FoldCase: true, Normalize: true}}
	refuses := func(t *testing.T, v *victim) {
		if v.errs["restore"] == nil {
			t.Error("restored to a folder where two names are one")
		}
	}
	add := func(name string, make func(*maker)) {
		all = append(all, attack{name: name, targets: folds, check: refuses, make: make})
	}
	add("case of two files", func(m *maker) { m.tree(file("A", "1"), file("a", "2")) })
	add("case of a link and a dir", func(m *maker) { m.tree(link("D", "../outside"), m.folder("d", file("evil", "x"))) })
	add("case of a dir and a link", func(m *maker) { m.tree(m.folder("D", file("evil", "x")), link("d", "../outside")) })
	add("case of two dirs with a link and a dir", func(m *maker) {
		m.tree(m.folder("D", link("e", "../../outside")), m.folder("d", m.folder("e", file("evil", "x"))))
	})
	add("composed and decomposed", func(m *maker) { m.tree(m.folder("e\u0301", file("evil", "x")), link("\u00e9", "../outside")) })
	add("own folder in capitals", func(m *maker) {
		m.tree(m.folder(".VARVE", file("a", "x")), m.folder(".varve", file("project.toml", "x")))
	})
	return all
}
