package capture_test

import (
	"context"
	"errors"
	"io/fs"
	"testing"
	"time"

	"varve/internal/capture"
	"varve/internal/disk"
	"varve/internal/object"
	"varve/store"
)

// busy is a Dir whose file changes at every read of the original, but not of a clone: a clone is another file.
type busy struct {
	disk.Dir
	reads *int
}

func (b busy) Open(name string) (disk.File, error) {
	f, err := b.Dir.Open(name)
	return busyFile{f, b}, err
}

type busyFile struct {
	disk.File
	b busy
}

func (f busyFile) ReadAt(p []byte, off int64) (int, error) {
	*f.b.reads++
	w, err := f.b.Dir.OpenWrite("film")
	if err != nil {
		return 0, err
	}
	defer w.Close()
	if _, err := w.WriteAt([]byte{byte(*f.b.reads)}, 1<<20); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f busyFile) CloneTo(dst disk.File) error { return disk.Clone(f.File, dst) }

// TestClone: a file that changes all the while is read from a clone, and so holds still; without room for
// clones it is marked as unstable.
func TestClone(t *testing.T) {
	for _, size := range []int{2 << 20, 6 << 20} {
		for _, scratch := range []bool{true, false} {
			now := time.Unix(1_800_000_000, 0)
			m := disk.NewMemory(disk.MemoryOptions{Now: func() int64 { return now.UnixNano() }})
			root := m.Root()
			dot, err := disk.MkdirAll(root, ".varve", 0o755)
			if err != nil {
				t.Fatal(err)
			}
			if err := disk.WriteWhole(root, "film", 0o644, make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			rand := &seeded{}
			db, err := object.Create(t.Context(), store.NewMemory(), true, object.Options{Rand: rand, Now: func() time.Time { return now }})
			if err != nil {
				t.Fatal(err)
			}
			reads := 0
			opt := capture.Options{Root: busy{root, &reads}, SHA256: true, Workers: 2, Now: func() time.Time { return now },
				Sleep: func(context.Context, time.Duration) error { return nil }}
			if scratch {
				opt.Scratch = dot
			}
			var res *capture.Result
			err = db.Write(t.Context(), object.Who{}, func(ctx context.Context, s *object.Session) (err error) {
				res, err = capture.Run(ctx, db, s, opt)
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			want := uint64(1)
			if scratch {
				want = 0
			}
			if res.Summary.Doubtful != want || res.Summary.Files != 1 || len(res.Errors) > 0 {
				t.Errorf("%d bytes, room for clones %v: %+v, %v", size, scratch, res.Summary, res.Errors)
			}
			if _, err := dot.Stat("clone"); !errors.Is(err, fs.ErrNotExist) {
				t.Error(err)
			}
			if left, err := dot.List(nil); err != nil || len(left) > 0 {
				t.Errorf("left in .varve: %v, %v", left, err)
			}
		}
	}
}

// seeded is a source of bytes that are not random.
type seeded struct{ n byte }

func (r *seeded) Read(p []byte) (int, error) {
	for i := range p {
		r.n = r.n*5 + 7
		p[i] = r.n
	}
	r.n++
	return len(p), nil
}
