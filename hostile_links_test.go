package varve_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"varve/internal/disk"
	"varve/internal/history"
	"varve/internal/tree"
)

// linkAttacks would have a restore write, link or read through a link, or make what has rights of its own.
func linkAttacks() (all []attack) {
	add := func(name string, want expect, make func(*maker)) {
		all = append(all, attack{name: name, want: want, make: make})
	}
	out := []struct{ what, to string }{{"beside", "../../outside"}, {"absolute", "/etc"}, {"itself", "."}, {"up", ".."}, {"in a circle", "l"}}
	for _, o := range out {
		// A link, and below its name what is to be written to where it leads.
		add("a file below a link: "+o.what, refused, func(m *maker) { m.tree(link("l", o.to), m.folder("l", file("run", "evil"))) })
		add("a link alone: "+o.what, harmless, func(m *maker) { m.tree(link("l", o.to)) })
		add("a link in a dir, and more in the dir: "+o.what, harmless, func(m *maker) {
			m.tree(m.folder("d", link("l", "../"+o.to), file("m", "x"), m.folder("n", link("up", "../l/sub"), file("run", "evil"))))
		})
	}
	add("a link that another snapshot has as a dir", harmless, func(m *maker) {
		m.tree(link("dir", "../../outside"))
		m.tree(m.folder("dir", file("run", "evil"), m.folder("sub", file("file", "evil"))))
		m.tree(link("dir", "../../outside"))
	})
	add("a dir that becomes a link and a file in it a dir", harmless, func(m *maker) {
		m.tree(m.folder("dir", file("sub", "evil")), file("x", "1"))
		m.tree(link("dir", "../outside"), file("x", "1"))
		m.tree(m.folder("dir", m.folder("sub", file("file", "evil"))), file("x", "1"))
	})
	add("a million links would be one", harmless, func(m *maker) {
		var all []row
		for i := range 500 {
			all = append(all, link(numbered("l%03d", i), numbered("l%03d", (i+1)%500)))
		}
		m.tree(all...)
	})
	all = append(all, preparedAttacks()...)
	all = append(all, groupAttacks()...)
	return append(all, rightsAttacks()...)
}

// preparedAttacks meet a folder of the victim in which links lie already where the snapshot has folders and files.
func preparedAttacks() (all []attack) {
	outward := func(names ...string) func(testing.TB, string) {
		return func(t testing.TB, project string) {
			for _, n := range names {
				p := filepath.Join(project, filepath.FromSlash(n))
				if err := os.MkdirAll(filepath.Dir(p), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.RemoveAll(p); err != nil {
					t.Fatal(err)
				}
				up, err := filepath.Rel(filepath.Dir(p), filepath.Join(project, "../outside"))
				if err != nil {
					t.Fatal(err)
				}
				if filepath.Base(n) != "sub" && filepath.Base(n) != "d" {
					up = filepath.Join(up, filepath.Base(n))
				}
				if err := os.Symlink(up, p); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	add := func(name string, folder func(testing.TB, string), make func(*maker)) {
		all = append(all, attack{name: "folder with links: " + name, folder: folder, make: make})
	}
	add("a link where the snapshot has a dir", outward("d"), func(m *maker) { m.tree(m.folder("d", file("run", "evil"), file("secret", "evil"))) })
	add("a link where the snapshot has a file", outward("secret"), func(m *maker) { m.tree(file("secret", "evil")) })
	add("a link where the snapshot has a link", outward("run"), func(m *maker) { m.tree(link("run", "../passwd")) })
	add("a link in a dir that the snapshot has deeper", outward("e/sub"), func(m *maker) {
		m.tree(m.folder("e", m.folder("sub", m.folder("sub", file("file", "evil")), file("file", "evil"))))
	})
	add("a link to a file that is to be one of a group", outward("a", "b"), func(m *maker) { m.tree(file("a", "x").group(7), file("b", "x").group(7)) })
	add("a link of which only the time differs", outward("secret"), func(m *maker) {
		m.tree(row{typ: disk.Symlink, name: "secret", mode: 0o777, tail: str("../outside/secret"), sum: tree.Summary{Links: 1}}.attrs("user.evil", "x"))
	})
	add("links at every name of the victim's", outward("a.txt", "dir/b.bin", "l"), func(m *maker) {
		m.tree(file("a.txt", "evil"), m.folder("dir", file("b.bin", "evil")), file("l", "evil"))
	})
	add("the own folder as a link", func(t testing.TB, project string) {
		own := filepath.Join(project, ".varve")
		if err := errors.Join(os.Rename(own, filepath.Join(project, "../own")), os.Symlink("../own", own)); err != nil {
			t.Fatal(err)
		}
	}, func(m *maker) { m.tree(file("a.txt", "evil"), m.folder(".varve", file("project.toml", "evil"))) })
	add("a pipe where the snapshot has a file", func(t testing.TB, project string) {
		if err := makePipe(filepath.Join(project, "pipe")); err != nil {
			t.Fatal(err)
		}
	}, func(m *maker) { m.tree(file("pipe", "evil")) })
	return all
}

// groupAttacks have hard links.
func groupAttacks() (all []attack) {
	add := func(name string, want expect, make func(*maker)) {
		all = append(all, attack{name: "group: " + name, want: want, make: make})
	}
	add("of a link and a file", harmless, func(m *maker) { m.tree(link("a", "../../outside/secret").group(7), file("b", "x").group(7)) })
	add("of a file and a link", harmless, func(m *maker) { m.tree(file("a", "x").group(7), link("b", "../../outside/secret").group(7)) })
	add("of two links", harmless, func(m *maker) { m.tree(link("a", "../outside/a").group(7), link("b", "../outside/b").group(7)) })
	add("with one member", harmless, func(m *maker) { m.tree(file("a", "x").group(7)) })
	add("of the number of the victim's file", harmless, func(m *maker) { m.tree(file("a.txt", "inline").group(1), file("b", "inline").group(1)) })
	add("with other contents", harmless, func(m *maker) { m.tree(file("a", "x").group(7), file("b", "y").group(7), file("c", "x").group(7)) })
	add("across snapshots", harmless, func(m *maker) {
		m.tree(file("a", "x").group(7), file("b", "x").group(7))
		m.tree(file("b", "x").group(7), file("c", "x").group(7), file("d", "y").group(8))
	})
	add("whose first lies below a name that is a link", refused, func(m *maker) {
		m.tree(link("d", "../../outside"), m.folder("d", file("secret", "x").group(7)), file("e", "x").group(7))
	})
	add("of the greatest number", harmless, func(m *maker) { m.tree(file("a", "x").group(1<<64-1), file("b", "x").group(1<<64-1)) })
	add("of a dir", refused, func(m *maker) { m.tree(m.folder("a").group(7)) })
	add("of 70000", harmless, func(m *maker) { // more names than ext4 has for an inode
		var all []row
		for i := range 5000 {
			all = append(all, file(numbered("f%05d", i), "x").group(7))
		}
		m.tree(all...)
	})
	add("of devices", harmless, func(m *maker) {
		m.tree(special("a", disk.BlockDevice).with(2|8, uvarints(7, 0x801)...), special("b", disk.BlockDevice).with(2|8, uvarints(7, 0x801)...))
	})
	return all
}

// rightsAttacks would make what has rights of its own.
func rightsAttacks() (all []attack) {
	add := func(name string, row func(m *maker) row) {
		all = append(all, attack{name: "rights: " + name, make: func(m *maker) { m.tree(row(m)) }})
	}
	add("setuid", func(*maker) row { return file("f", "#!/bin/sh\n").chmod(0o4755) })
	add("setgid", func(*maker) row { return file("f", "#!/bin/sh\n").chmod(0o2755) })
	add("setgid of a dir", func(m *maker) row { return m.folder("d", file("f", "x")).chmod(0o2777) })
	add("all bits", func(*maker) row { return file("f", "x").chmod(0o7777) })
	add("no bits at all", func(m *maker) row { return m.folder("d", file("f", "x")).chmod(0) })
	for _, x := range []string{"security.capability", "security.selinux", "security.ima", "trusted.overlay.opaque", "system.posix_acl_access"} {
		add(x, func(*maker) row {
			return file("f", "x").attrs(x, "\x01\x00\x00\x02\xff\xff\xff\xff\x00\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00")
		})
	}
	for _, typ := range []disk.Type{disk.Pipe, disk.Socket, disk.CharDevice, disk.BlockDevice} {
		add(numbered("special of type %d", int(typ)), func(*maker) row {
			r := special("s", typ)
			if typ >= disk.CharDevice {
				r = r.with(8, uvarints(0x801)...)
			}
			return r
		})
	}
	all = append(all, attack{name: "rights: owner of everything", make: func(m *maker) {
		page := []byte{0xa7, 1, 0, 0, 0, 1, 'f'}
		page = append(page, uvarints(0o4755, 0, 1<<32-1)...) // root
		page = append(append(page, 0, 0), str(string(recipeBytes("x")))...)
		m.snapshot(m.page(page), tree.Summary{Files: 1, Bytes: 1})
	}})
	return append(all, attack{name: "rights: times beyond all", make: func(m *maker) {
		page := []byte{0xa7, 1, 0, 0, 0x18, 1, 'f'}
		page = append(page, uvarints(2*9_223_372_036, 0)...)
		page = append(page, str(string(recipeBytes("x")))...)
		m.snapshot(m.page(page), tree.Summary{Files: 1, Bytes: 1}, func(s *history.Snapshot) {})
	}})
}

func recipeBytes(content string) []byte {
	r := recipe(int64(len(content)), literal(content))
	return r.Append(nil)
}
