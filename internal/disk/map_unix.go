//go:build linux || darwin

package disk

import (
	"sync"

	"golang.org/x/sys/unix"
)

func (f *osFile) mapAll(size int) (data []byte, release func() error, err error) {
	err = f.use("map", func(fd int) (err error) {
		data, err = unix.Mmap(fd, 0, size, unix.PROT_READ, unix.MAP_SHARED)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return data, sync.OnceValue(func() error { return unix.Munmap(data) }), nil
}
