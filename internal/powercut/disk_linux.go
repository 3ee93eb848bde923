package powercut

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"golang.org/x/sys/unix"
)

// An event is a write within one page, or without data a flush.
type event struct {
	off  int64
	data []byte
}

// A Disk is a block device with a file system on it that is mounted.
type Disk struct {
	base Image
	dir  string // where file is
	at   string
	conn int // of FUSE
	done chan struct{}

	mu     sync.Mutex
	now    Image
	events []event
}

// Mount puts a Disk with the image into the empty folder dir, and mounts the file system of the named type at
// dir/mount, which it returns beside.
func Mount(dir string, img Image, fsType string) (d *Disk, at string, err error) {
	d = &Disk{base: img, now: slices.Clone(img), dir: dir, at: filepath.Join(dir, "mount"), conn: -1, done: make(chan struct{})}
	file := filepath.Join(dir, "disk")
	if err := errors.Join(os.Mkdir(d.at, 0o755), os.WriteFile(file, nil, 0o600)); err != nil {
		return nil, "", err
	}
	if d.conn, err = unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0); err != nil {
		return nil, "", fmt.Errorf("open /dev/fuse: %w", err)
	}
	options := fmt.Sprintf("fd=%d,rootmode=100000,user_id=%d,group_id=%d", d.conn, os.Geteuid(), os.Getegid())
	if err := unix.Mount("powercut", file, "fuse", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return nil, "", errors.Join(fmt.Errorf("mount a file of FUSE: %w", err), unix.Close(d.conn))
	}
	go d.serve()
	if err := mountLoop(file, d.at, fsType); err != nil {
		return nil, "", errors.Join(err, d.close())
	}
	return d, d.at, nil
}

// Events is how many writes and flushes have reached the disk.
func (d *Disk) Events() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.events)
}

// Unmount takes the disk away. What the file system writes then is not remembered.
func (d *Disk) Unmount() error {
	d.mu.Lock()
	events := d.events
	d.mu.Unlock()
	err := unmount(d.at)
	err = errors.Join(err, d.close())
	d.events = events
	return err
}

func (d *Disk) close() error {
	err := unmount(filepath.Join(d.dir, "disk"))
	if err == nil {
		<-d.done
	}
	return errors.Join(err, unix.Close(d.conn))
}

// Replay goes through what was written once more.
func (d *Disk) Replay() *Replay {
	return &Replay{events: d.events, flushed: slices.Clone(d.base)}
}

// A Replay makes images, of one moment after the other.
type Replay struct {
	events  []event
	flushed Image
	from    int // the events before are in flushed
}

// Cut is the disk as the power goes when n events have reached it; n must not be less than in the call before. Of the writes
// in its cache those stay that keep says; nil: all.
func (r *Replay) Cut(n int, keep func() bool) Image {
	for i := n - 1; i >= r.from; i-- {
		if r.events[i].data != nil {
			continue
		}
		for _, e := range r.events[r.from:i] {
			if e.data != nil {
				r.flushed.write(e.off, e.data)
			}
		}
		r.from = i + 1
		break
	}
	img := slices.Clone(r.flushed)
	for _, e := range r.events[r.from:n] {
		if keep == nil || keep() {
			img.write(e.off, e.data)
		}
	}
	return img
}

// Same reports whether between the moments n and m nothing was written.
func (r *Replay) Same(n, m int) bool {
	for _, e := range r.events[min(n, m):max(n, m)] {
		if e.data != nil {
			return false
		}
	}
	return true
}
