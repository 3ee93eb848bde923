package store_test

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"varve/internal/disk"
	"varve/store"
)

func onDisk(b *testing.B) *store.Folder {
	d, err := disk.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	f := store.NewFolder(d)
	b.Cleanup(func() { f.Close() })
	return f
}

// BenchmarkFolderPut writes objects with a Barrier after each 64.
func BenchmarkFolderPut(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10, 16 << 20} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			f := onDisk(b)
			content := make([]byte, size)
			b.SetBytes(int64(size))
			for i := 0; b.Loop(); i++ {
				if err := f.Put(b.Context(), fmt.Sprintf("packs/%02x/%d", i%256, i), content); err != nil {
					b.Fatal(err)
				}
				if i%64 == 63 {
					if err := f.Barrier(b.Context()); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

// BenchmarkFolderGet reads ranges of 256 KiB, by Get and by one Reader.
func BenchmarkFolderGet(b *testing.B) {
	const size, span = 16 << 20, 256 << 10
	f := onDisk(b)
	if err := f.Put(b.Context(), "packs/3f/x", make([]byte, size)); err != nil {
		b.Fatal(err)
	}
	dst := make([]byte, span)
	b.Run("Get", func(b *testing.B) {
		b.SetBytes(span)
		for i := int64(0); b.Loop(); i++ {
			if _, err := f.Get(b.Context(), "packs/3f/x", i*span%size, span, dst[:0]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("Reader", func(b *testing.B) {
		b.SetBytes(span)
		r, err := f.Open(b.Context(), "packs/3f/x")
		if err != nil {
			b.Fatal(err)
		}
		defer r.Close()
		for i := int64(0); b.Loop(); i++ {
			if _, err := r.ReadAt(dst, i*span%size); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkFolderList lists 4096 objects in 64 directories.
func BenchmarkFolderList(b *testing.B) {
	dir := b.TempDir()
	d, err := disk.Open(dir)
	if err != nil {
		b.Fatal(err)
	}
	f := store.NewFolder(d)
	b.Cleanup(func() { f.Close() })
	const objects = 4096
	for i := range objects {
		// Straight to the disk: what is measured is the listing.
		path := fmt.Sprintf("packs/%02x", i%64)
		if err := writePlain(d, path, fmt.Sprint(i)); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		n := 0
		for _, err := range f.List(b.Context(), "packs/") {
			if err != nil {
				b.Fatal(err)
			}
			n++
		}
		if n != objects {
			b.Fatalf("%d objects", n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/objects, "ns/object")
}

// writePlain makes an empty file without any sync.
func writePlain(root disk.Dir, path, name string) error {
	d := root
	for _, element := range strings.Split(path, "/") {
		if err := d.Mkdir(element, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		next, err := d.OpenDir(element)
		if err != nil {
			return err
		}
		defer next.Close()
		d = next
	}
	f, err := d.Create(name, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}
