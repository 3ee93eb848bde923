package restore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"varve/internal/disk"
)

// before and after are the two trees of the fault tests: every kind of change between them.
func before() model {
	return model{
		"same":    file(noise(1, 6000)),
		"changed": file(noise(2, 6000)),
		"meta":    {typ: disk.Regular, mode: 0o600, mtime: epoch, content: "m"},
		"gone":    file("gone"),
		"dir":     folderSpec(), "dir/changed": file(noise(3, 9000)), "dir/gone": file("g"), "dir/same": file("s"),
		"old": folderSpec(), "old/x": file("x"),
		"to file": folderSpec(), "to file/y": file("y"),
		"to dir": file("was a file"),
		"link":   link("here"),
		"h1":     {typ: disk.Regular, mode: 0o644, mtime: epoch, content: "linked", group: groupOf("h1")},
		"h2":     {typ: disk.Regular, mode: 0o644, mtime: epoch, content: "linked", group: groupOf("h1")},
	}
}

func after() model {
	return model{
		"same":    file(noise(1, 6000)),
		"changed": file(noise(4, 7000)),
		"meta":    {typ: disk.Regular, mode: 0o644, mtime: epoch + 9, content: "m"},
		"new":     file(noise(5, 12_000)),
		"dir":     {typ: disk.Directory, mode: 0o755, mtime: epoch + 3}, "dir/changed": file("now small"), "dir/same": file("s"),
		"fresh": folderSpec(), "fresh/a": file(noise(6, 800)), "fresh/deep": folderSpec(), "fresh/deep/b": file("b"),
		"to file": file("now a file"),
		"to dir":  folderSpec(), "to dir/z": file("z"),
		"link": link("there"),
		"h1":   {typ: disk.Regular, mode: 0o644, mtime: epoch + 1, content: "linked anew", group: groupOf("h1")},
		"h2":   {typ: disk.Regular, mode: 0o644, mtime: epoch + 1, content: "linked anew", group: groupOf("h1")},
		"h3":   {typ: disk.Regular, mode: 0o644, mtime: epoch + 1, content: "linked anew", group: groupOf("h1")},
	}
}

// judge says what is wrong with a folder between a and b, whatever stopped a restore of one over the other:
// every file is whole, old or new, and none that both have is missing.
func judge(a, b, got model) string {
	var bad strings.Builder
	for p, s := range got {
		if strings.HasPrefix(p, beside) {
			continue
		}
		x, inA := a[p]
		y, inB := b[p]
		okA := inA && x.typ == s.typ && x.content == s.content && x.target == s.target
		okB := inB && y.typ == s.typ && y.content == s.content && y.target == s.target
		if !okA && !okB {
			fmt.Fprintf(&bad, "%s is neither old nor new: %v of %d bytes\n", p, s.typ, len(s.content))
		}
	}
	for p, x := range a {
		y, both := b[p]
		if _, there := got[p]; both && x.typ == y.typ && !there {
			fmt.Fprintf(&bad, "%s is lost\n", p)
		}
	}
	return bad.String()
}

// attempt restores b over a in a fresh memory whose operations pass through hook.
func attempt(t *testing.T, v *vault, o Options, a model, hook disk.Hook) (*disk.Memory, *disk.Faulty, *Result, error) {
	t.Helper()
	m := disk.NewMemory(disk.MemoryOptions{})
	lay(t, m.Root(), a)
	if err := m.Root().(disk.Flusher).SyncAll(); err != nil {
		t.Fatal(err)
	}
	f := disk.NewFaulty(m.Root(), hook)
	o.Target = f.Root()
	p, err := Make(context.Background(), o)
	if err != nil {
		return m, f, nil, err
	}
	r, err := p.Apply(context.Background())
	return m, f, r, err
}

func faultCases(v *vault) map[string]struct {
	a, b model
	o    Options
} {
	type c = struct {
		a, b model
		o    Options
	}
	a, b := before(), after()
	in := v.options(v.put(b), nil)
	in.Live, in.HasLive, in.Delete = v.put(a), true, true
	in.Workers = 1
	own := b.clone()
	fresh := v.options(v.put(own), nil)
	fresh.Workers = 1
	return map[string]c{"in place": {a, b, in}, "new folder": {model{}, own, fresh}}
}

func TestCrashAnywhere(t *testing.T) {
	v := newVault(t)
	for name, c := range faultCases(v) {
		t.Run(name, func(t *testing.T) {
			_, f, r, err := attempt(t, v, c.o, c.a, nil)
			if err != nil || len(r.Errors) > 0 {
				t.Fatalf("%v %+v", err, r)
			}
			total := f.Count()
			for n := int64(1); n <= total; n++ {
				m, _, _, _ := attempt(t, v, c.o, c.a, disk.StopAt(n))
				for _, keep := range []disk.Keep{disk.KeepNone, disk.KeepAll, disk.KeepHalf(uint64(n)), disk.KeepHalf(uint64(n) + 1<<20)} {
					up := m.Crash(keep)
					got := look(t, up.Root())
					if bad := judge(c.a, c.b, got); bad != "" {
						t.Fatalf("stopped at %d of %d, keep %d:\n%s", n, total, keep, bad)
					}
					if keep == disk.KeepAll && n%7 == 0 {
						again(t, up, c.b, c.o, got)
					}
				}
			}
			// What a finished restore made is durable.
			m, _, _, _ := attempt(t, v, c.o, c.a, nil)
			if diff := c.b.settle().differs(look(t, m.Crash(disk.KeepNone).Root())); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}

// again restores after a crash, from what is there now, and looks for leftovers.
func again(t *testing.T, m *disk.Memory, b model, o Options, now model) {
	t.Helper()
	for p := range now {
		if strings.HasPrefix(p, beside) {
			delete(now, p)
		}
	}
	v := &vault{t, o.DB}
	o.Target = m.Root()
	o.Live, o.HasLive, o.Delete = v.put(now.settle()), true, true
	restore(t, o)
	if diff := b.settle().differs(look(t, m.Root())); diff != "" {
		t.Fatalf("restored again: %s", diff)
	}
}

func TestErrorAnywhere(t *testing.T) {
	v := newVault(t)
	for name, c := range faultCases(v) {
		t.Run(name, func(t *testing.T) {
			_, f, _, _ := attempt(t, v, c.o, c.a, nil)
			total := f.Count()
			for _, fault := range []error{syscall.EIO, disk.ShortWrite{}, disk.AfterEffect{Err: syscall.EIO}, syscall.ENOSPC} {
				for n := int64(1); n <= total; n++ {
					var hit disk.Op
					m, _, r, err := attempt(t, v, c.o, c.a, func(o disk.Op) error {
						if o.N == n {
							hit = o
							return fault
						}
						return nil
					})
					got := look(t, m.Root())
					if bad := judge(c.a, c.b, got); bad != "" {
						t.Fatalf("%v at %d, %v %s:\n%s", fault, n, hit.Kind, hit.Path, bad)
					}
					silent := err == nil && len(r.Errors)+len(r.Warnings)+len(r.Kept) == 0
					if diff := c.b.settle().differs(got); silent && diff != "" {
						t.Fatalf("%v at %d, %v %s went unreported: %s", fault, n, hit.Kind, hit.Path, diff)
					}
				}
			}
		})
	}
}

// TestSyncBeforePublish is the safety mechanism by itself: no name before everything under it is durable.
func TestSyncBeforePublish(t *testing.T) {
	v := newVault(t)
	for name, c := range faultCases(v) {
		var published, synced bool
		fault := errors.New("no sync")
		_, _, _, err := attempt(t, v, c.o, c.a, func(o disk.Op) error {
			switch {
			case o.Kind == disk.OpSyncAll:
				synced = true
				return fault
			case o.Kind == disk.OpPublish || o.Kind == disk.OpRename || o.Kind == disk.OpExchange:
				published = true
			}
			return nil
		})
		if !synced || published || !errors.Is(err, fault) {
			t.Errorf("%s: synced %v, published %v, %v", name, synced, published, err)
		}
	}
}

func TestSweepSparesOthers(t *testing.T) {
	v := newVault(t)
	d := disk.NewMemory(disk.MemoryOptions{}).Root()
	mine := model{
		beside + "0123456789abcdef":               folderSpec(),
		beside + "0123456789abcdef/mine":          file("not yours"),
		beside + "notes":                          folderSpec(),
		beside + "notes/marker":                   file(markerText),
		beside + "00000000000000000":              folderSpec(),
		beside + "fedcba9876543210":               folderSpec(),
		beside + "fedcba9876543210/x":             folderSpec(),
		beside + "fedcba9876543210/x/y":           file("half"),
		beside + "fedcba9876543210/" + markerName: file(markerText),
	}
	lay(t, d, mine)
	m := model{"f": file("f")}
	restore(t, v.options(v.put(m), d))
	for p := range mine {
		if !strings.HasPrefix(p, beside+"fedc") {
			m[p] = mine[p]
		}
	}
	if diff := m.differs(look(t, d)); diff != "" {
		t.Fatal(diff)
	}
}
