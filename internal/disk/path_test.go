package disk

import (
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"unicode/utf8"
)

// writers are the ways to give a file a new content, whole.
var writers = map[string]func(d Dir, name string, content []byte) error{
	"whole": func(d Dir, name string, content []byte) error { return WriteWhole(d, name, 0o600, content) },
	"replace": func(d Dir, name string, content []byte) error {
		return Replace(d, name, 0o600, func(w io.Writer) error { _, err := w.Write(content); return err }, func() error { return nil })
	},
}

// At whatever operation power is lost, the file has the old or the new content, and the new once the writer has
// returned nil.
func TestWriteWholeAcrossPowerLoss(t *testing.T) {
	for name, write := range writers {
		t.Run(name, func(t *testing.T) { acrossPowerLoss(t, write) })
	}
}

func acrossPowerLoss(t *testing.T, write func(d Dir, name string, content []byte) error) {
	for _, before := range []string{"", "old content"} {
		for n := int64(1); ; n++ {
			m := NewMemory(MemoryOptions{})
			if before != "" {
				must(t, WriteWhole(m.Root(), "f", 0o600, []byte(before)))
			}
			err := write(NewFaulty(m.Root(), StopAt(n)).Root(), "f", []byte("new content"))
			for _, keep := range []Keep{KeepNone, KeepAll, KeepHalf(1), KeepHalf(2), KeepHalf(3), KeepHalf(4)} {
				d := m.Crash(keep).Root()
				got, readErr := ReadFile(d, "f", 100)
				if errors.Is(readErr, fs.ErrNotExist) {
					got, readErr = nil, nil
				}
				must(t, readErr)
				if s := string(got); s != "new content" && (err == nil || s != before) {
					t.Errorf("stopped at %d (%v): %q", n, err, s)
				}
				list, listErr := d.List(nil)
				must(t, listErr)
				for _, e := range list {
					if e.Name != "f" && !IsTemp(e.Name) {
						t.Errorf("left behind: %q", e.Name)
					}
				}
			}
			if err == nil {
				break
			}
		}
	}
}

// One operation fails, and the process goes on: the old or the new content and nothing else.
func TestWriteWholeCleansUp(t *testing.T) {
	for name, write := range writers {
		t.Run(name, func(t *testing.T) { cleansUp(t, write) })
	}
}

func cleansUp(t *testing.T, write func(d Dir, name string, content []byte) error) {
	fail := errors.New("fails")
	for n := int64(1); ; n++ {
		m := NewMemory(MemoryOptions{})
		put(t, m.Root(), "f", "old")
		err := write(NewFaulty(m.Root(), FailAt(n, fail)).Root(), "f", []byte("new"))
		if err == nil {
			break
		}
		wantErr(t, err, fail)
		got, readErr := ReadFile(m.Root(), "f", 100)
		must(t, readErr)
		list, listErr := m.Root().List(nil)
		must(t, listErr)
		if s := string(got); s != "old" && s != "new" || len(list) != 1 {
			t.Errorf("operation %d: %q, %d files", n, s, len(list))
		}
	}
}

func TestRemoveAllSaysWhatFailed(t *testing.T) {
	fail := errors.New("fails")
	for n := int64(1); ; n++ {
		m := NewMemory(MemoryOptions{})
		c, err := MkdirAll(m.Root(), "a/b/c", 0o755)
		must(t, err)
		put(t, c, "f", "x")
		err = RemoveAll(NewFaulty(m.Root(), FailAt(n, fail)).Root(), "a")
		_, statErr := m.Root().Stat("a")
		if gone := errors.Is(statErr, fs.ErrNotExist); err == nil && !gone {
			t.Errorf("operation %d failed: nil, but it is still there", n)
		}
		if n > 100 {
			break
		}
	}
}

// onlyDir hides all optional capabilities of a Dir.
type onlyDir struct{ Dir }

func TestCreateWholeWithoutStreamer(t *testing.T) {
	m := NewMemory(MemoryOptions{})
	must(t, CreateWhole(onlyDir{m.Root()}, "f", 0o600, []byte("content")))
	must(t, m.Root().Sync())
	wantContent(t, m.Crash(KeepNone).Root(), "f", "content")
}

func TestRemoveAllHoldsFewHandles(t *testing.T) {
	m := NewMemory(MemoryOptions{})
	must(t, m.Root().Mkdir("top", 0o755))
	at, err := m.Root().OpenDir("top")
	must(t, err)
	for range 5 * maxDepth {
		must(t, at.Mkdir("down", 0o755))
		at, err = at.OpenDir("down")
		must(t, err)
	}
	open, most := 0, 0
	count := func(o Op) error {
		switch o.Kind {
		case OpOpenDir:
			open++
		case OpCloseDir:
			open--
		}
		most = max(most, open)
		return nil
	}
	must(t, RemoveAll(NewFaulty(m.Root(), count).Root(), "top"))
	if most > maxDepth+2 || open != 0 {
		t.Errorf("%d handles at once, %d left open", most, open)
	}
}

// The size of a file is not believed before it is compared with the limit.
func TestReadFileBoundsAllocation(t *testing.T) {
	d := tempDir(t)
	f, err := d.Create("huge", 0o600)
	must(t, err)
	defer f.Close()
	if err := f.Truncate(1 << 43); err != nil {
		t.Skip(err)
	}
	_, err = ReadFile(d, "huge", 1000)
	wantErr(t, err, ErrTooLarge)
	_, err = ReadFile(d, "huge", -1)
	wantErr(t, err, ErrTooLarge)
}

func TestIsTemp(t *testing.T) {
	a, err := tempName()
	must(t, err)
	b, err := tempName()
	must(t, err)
	if a == b || !IsTemp(a) || CheckName(a) != nil {
		t.Errorf("%q, %q", a, b)
	}
	for _, no := range []string{"", ".varve-.tmp", a + "x", "x" + a, strings.ToUpper(a), strings.Replace(a, ".tmp", ".txt", 1)} {
		if IsTemp(no) {
			t.Errorf("%q is taken for ours", no)
		}
	}
}

func TestClampMul(t *testing.T) {
	const most = 1<<63 - 1
	for _, c := range []struct {
		count uint64
		size  int64
		want  int64
	}{{3, 4096, 12288}, {0, 4096, 0}, {1 << 63, 1, most}, {1 << 60, 4096, most}, {most, 1, most}} {
		if got := clampMul(c.count, c.size); got != c.want {
			t.Errorf("%d × %d = %d", c.count, c.size, got)
		}
	}
}

// FuzzCheckName: what is accepted is one element however a path is split.
func FuzzCheckName(f *testing.F) {
	for _, s := range []string{"", ".", "..", "a", "a/b", "/", "...", "a\x00", "\xff", "a\nb", "NUL", "a:b", `a\b`, "a."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if CheckName(name) != nil {
			if utf8.ValidString(name) && fs.ValidPath(name) && name != "." && !strings.ContainsAny(name, "/\x00") && validName(name) {
				t.Errorf("%q refused", name)
			}
			return
		}
		if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
			t.Errorf("%q accepted", name)
		}
	})
}
