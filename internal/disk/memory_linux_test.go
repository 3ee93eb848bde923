package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// memClass is what callers may tell errors apart by.
func memClass(err error) string {
	switch {
	case err == nil:
		return "none"
	case errors.Is(err, fs.ErrNotExist):
		return "not exist"
	case errors.Is(err, fs.ErrExist):
		return "exist"
	case errors.Is(err, io.EOF):
		return "eof"
	}
	return "other"
}

// memDescribe is a tree as any Dir shows it, without times and inode numbers.
func memDescribe(t memTB, d Dir, prefix string, b *strings.Builder) {
	list, err := d.List(nil)
	memOK(t, err)
	for _, e := range list {
		fmt.Fprintf(b, "%s%s %s %o", prefix, e.Name, e.Type.word(), e.Mode)
		switch e.Type {
		case Regular:
			text, err := memGet(d, e.Name)
			memOK(t, err)
			fmt.Fprintf(b, " %d %d %q", e.Links, e.Size, text)
		case Symlink:
			target, err := d.Readlink(e.Name)
			memOK(t, err)
			fmt.Fprintf(b, " %d %q", e.Size, target)
		}
		b.WriteByte('\n')
		if e.Type == Directory {
			c, err := d.OpenDir(e.Name)
			memOK(t, err)
			memDescribe(t, c, prefix+e.Name+"/", b)
			memOK(t, c.Close())
		}
	}
}

// memPair does the same to a Memory and to the operating system.
type memPair struct {
	dirs  [2][]Dir
	files [2][]File
}

func (p *memPair) both(t *rapid.T, what string, do func(side int) (string, error)) {
	got, err := do(0)
	want, osErr := do(1)
	if memClass(err) != memClass(osErr) || got != want {
		t.Fatalf("%s: memory %q, %v; system %q, %v", what, got, err, want, osErr)
	}
}

func (p *memPair) actions() map[string]func(*rapid.T) {
	name := rapid.SampledFrom([]string{"a", "b", "c", ".", "..", ""})
	dir := func(t *rapid.T, label string) int { return rapid.IntRange(0, len(p.dirs[0])-1).Draw(t, label) }
	one := func(do func(Dir, string) error) func(*rapid.T) {
		return func(t *rapid.T) {
			d, n := dir(t, "dir"), name.Draw(t, "name")
			p.both(t, n, func(s int) (string, error) { return "", do(p.dirs[s][d], n) })
		}
	}
	two := func(do func(Dir, string, Dir, string) error) func(*rapid.T) {
		return func(t *rapid.T) {
			d, n, e, o := dir(t, "from"), name.Draw(t, "name"), dir(t, "to"), name.Draw(t, "new name")
			p.both(t, n+" "+o, func(s int) (string, error) { return "", do(p.dirs[s][d], n, p.dirs[s][e], o) })
		}
	}
	open := func(do func(Dir, string) (File, error)) func(*rapid.T) {
		return one(func(d Dir, n string) error {
			f, err := do(d, n)
			if err != nil {
				return err
			}
			side := 1
			if _, ok := f.(*memFile); ok {
				side = 0
			}
			p.files[side] = append(p.files[side], f)
			return nil
		})
	}
	return map[string]func(*rapid.T){
		"create":    open(func(d Dir, n string) (File, error) { return d.Create(n, 0o644) }),
		"openwrite": open(Dir.OpenWrite),
		"mkdir":     one(func(d Dir, n string) error { return d.Mkdir(n, 0o755) }),
		"symlink":   one(func(d Dir, n string) error { return d.Symlink("a", n) }),
		"remove":    one(Dir.Remove),
		"link":      two(Dir.Link),
		"rename":    two(Dir.Rename),
		"publish":   two(Dir.Publish),
		"sync":      one(func(d Dir, _ string) error { return d.Sync() }),
		"mode": one(func(d Dir, n string) error {
			if n == "." {
				return nil
			}
			mode := uint32(0o700)
			return d.SetMeta(n, Change{Mode: &mode})
		}),
		"opendir": func(t *rapid.T) {
			if len(p.dirs[0]) > 6 {
				t.Skip()
			}
			d, n := dir(t, "dir"), name.Draw(t, "name")
			p.both(t, n, func(s int) (string, error) {
				c, err := p.dirs[s][d].OpenDir(n)
				if err == nil {
					p.dirs[s] = append(p.dirs[s], c)
				}
				return "", err
			})
		},
		"write": func(t *rapid.T) {
			off, text := rapid.Int64Range(0, 10_000).Draw(t, "off"), rapid.StringMatching("[a-z]{0,9}").Draw(t, "text")
			p.file(t, func(f File) (string, error) {
				n, err := f.WriteAt([]byte(text), off)
				return fmt.Sprint(n), err
			})
		},
		"truncate": func(t *rapid.T) {
			size := rapid.Int64Range(-1, 10_000).Draw(t, "size")
			p.file(t, func(f File) (string, error) { return "", f.Truncate(size) })
		},
		"read": func(t *rapid.T) {
			off := rapid.Int64Range(0, 10_000).Draw(t, "off")
			p.file(t, func(f File) (string, error) {
				b := make([]byte, 100)
				n, err := f.ReadAt(b, off)
				return string(b[:n]), err
			})
		},
		"": func(t *rapid.T) {
			var got, want strings.Builder
			memDescribe(t, p.dirs[0][0], "", &got)
			memDescribe(t, p.dirs[1][0], "", &want)
			if got.String() != want.String() {
				t.Fatalf("memory\n%ssystem\n%s", got.String(), want.String())
			}
		},
	}
}

func (p *memPair) file(t *rapid.T, do func(File) (string, error)) {
	if len(p.files[0]) == 0 {
		t.Skip()
	}
	i := rapid.IntRange(0, len(p.files[0])-1).Draw(t, "file")
	p.both(t, "file", func(s int) (string, error) { return do(p.files[s][i]) })
}

// TestMemoryAgainstSystem runs one history on a Memory and on a directory of the system.
func TestMemoryAgainstSystem(t *testing.T) {
	top := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		path, err := os.MkdirTemp(top, "")
		memOK(t, err)
		system, err := Open(path)
		memOK(t, err)
		p := &memPair{dirs: [2][]Dir{{NewMemory(MemoryOptions{}).Root()}, {system}}}
		defer func() {
			for _, f := range p.files[1] {
				f.Close()
			}
			for _, d := range p.dirs[1] {
				d.Close()
			}
			os.RemoveAll(path)
		}()
		t.Repeat(p.actions())
	})
}
